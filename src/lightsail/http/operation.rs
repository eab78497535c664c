//! The names of requests for or about credentials, for the metrics.

use hyper::body::Bytes;

pub(super) const CONTAINER: &str = "ContainerCredentials";
pub(super) const METADATA: &str = "InstanceMetadata";
/// Of STS, like those in the list.
pub(super) const OTHER: &str = "Other";
pub(super) const STS: &[&str] = &["AssumeRole", "AssumeRoleWithWebIdentity", "GetCallerIdentity"];

/// The name of a request for or about credentials. `None` for Lightsail's own requests, which their
/// sender counts.
pub(super) fn credentials_operation(request: &http::Request<Bytes>) -> Option<&'static str> {
    if request.headers().contains_key("x-amz-target") {
        return None;
    }
    let action = str::from_utf8(request.body())
        .ok()
        .and_then(|form| form.split('&').find_map(|member| member.strip_prefix("Action=")));
    if let Some(action) = action {
        return Some(STS.iter().find(|name| **name == action).copied().unwrap_or(OTHER));
    }
    Some(match request.uri().path() {
        "/federation/credentials" => "GetRoleCredentials",
        "/token" => "CreateToken",
        "/v1/token" => "CreateOAuth2Token",
        path if path.starts_with("/latest/") => METADATA,
        _ => CONTAINER,
    })
}
