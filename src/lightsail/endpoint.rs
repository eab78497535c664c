//! Keeps requests from going over plain http to another machine: the answer to
//! `DownloadDefaultKeyPair` holds a private key.

use std::net::IpAddr;

use aws_sdk_lightsail::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_lightsail::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_lightsail::error::BoxError;

/// A request would have gone over plain http to another machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the endpoint is plain http on another machine; use https, or --allow-insecure-endpoints if \
     you mean it"
)]
pub(super) struct InsecureEndpoint;

/// Stops each request to an insecure endpoint before it is sent, wherever the endpoint was
/// configured.
#[derive(Debug)]
pub(super) struct SecureEndpoints;

impl Intercept for SecureEndpoints {
    fn name(&self) -> &'static str {
        "SecureEndpoints"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if is_secure(context.request().uri()) { Ok(()) } else { Err(InsecureEndpoint.into()) }
    }
}

fn is_secure(uri: &str) -> bool {
    let Ok(uri) = uri.parse::<http::Uri>() else { return false };
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    uri.scheme_str() == Some("https")
        || host == "localhost"
        || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::is_secure;

    #[test]
    fn plain_http_is_for_this_machine_only() {
        for uri in [
            "https://lightsail.eu-west-1.amazonaws.com/",
            "http://127.0.0.1:4566/",
            "http://localhost/",
            "http://[::1]:1/",
        ] {
            assert!(is_secure(uri), "{uri}");
        }
        for uri in [
            "http://lightsail.eu-west-1.amazonaws.com/",
            "http://10.0.0.1/",
            "http://localhost.example.com/",
            "x",
        ] {
            assert!(!is_secure(uri), "{uri}");
        }
    }
}
