//! Whether an answer can be what was requested. If that of a credentials server cannot, the SDK
//! would report wrong credentials in the words of a parser, or panic. If that of the API cannot,
//! the SDK would take it for a success without any content.

use std::collections::BTreeMap;

use aws_sdk_lightsail::operation::RequestId;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, Method};
use k8s_openapi::jiff::Timestamp;
use k8s_openapi::jiff::fmt::rfc2822;
use serde::de::IgnoredAny;

use super::failure::Cause;
use super::operation::{CONTAINER, METADATA, OTHER, STS};
use crate::lightsail::stable_text::stable;

/// The longest life of a token from the instance's metadata, in seconds:
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html>.
const LONGEST_TOKEN: u64 = 21_600;

/// What is wrong with the answer to this request, which is for this operation, if anything is.
pub(super) fn fault(operation: &str, request: &Parts, answer: &HttpResponse) -> Option<Cause> {
    let status = answer.status().as_u16();
    // The server is starting or overloaded. The SDK treats that as a refusal.
    if status >= 500 || status == 429 {
        return Some(Cause::Answered(status));
    }
    // For STS, the SDK's error contains the whole answer.
    if operation == OTHER || STS.contains(&operation) {
        return None;
    }
    let body = answer.body().bytes().unwrap_or_default();
    let is_object = serde_json::from_slice::<serde_json::Map<_, serde_json::Value>>(body).is_ok();
    let is_readable = match operation {
        // Its errors explain themselves.
        METADATA if status != 200 => true,
        METADATA if request.method == Method::PUT => {
            token_ttl(answer).is_none_or(|it| it <= LONGEST_TOKEN)
        }
        METADATA if request.uri.path().ends_with('/') => is_role(body),
        _ => is_object,
    };
    match status {
        _ if is_readable => None,
        200..=299 => Some(Cause::Unreadable(status)),
        400..=499 => {
            let why = reason(request, answer).filter(|_| operation == CONTAINER);
            Some(Cause::Denied { status, why })
        }
        _ => Some(Cause::Answered(status)),
    }
}

/// At most this many characters of a reason are kept.
const LONGEST_REASON: usize = 200;

/// A part of a URL with this many bytes may be a secret.
const SHORTEST_SECRET: usize = 8;

/// Why a server refuses, in plain text, as the agent of EKS Pod Identity says it. A text that
/// repeats the token or a part of the URL is left out: a condition must not show them.
fn reason(request: &Parts, answer: &HttpResponse) -> Option<String> {
    let type_ = answer.headers().get(CONTENT_TYPE.as_str())?;
    let text = str::from_utf8(answer.body().bytes()?).ok()?;
    let token = request.headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
    let token = token.and_then(|token| str::from_utf8(token).ok()?.split_whitespace().last());
    let (path, query) = (request.uri.path(), request.uri.query().unwrap_or_default());
    // The id of a task in the URL may be all that gets its credentials. The rest are words.
    let parts = path.split('/').filter(|part| part.bytes().any(|byte| byte.is_ascii_digit()));
    let parts = parts.chain(query.split(['&', '='])).filter(|it| it.len() >= SHORTEST_SECRET);
    let whole = [path, query].into_iter().filter(|it| it.len() > 1);
    let mut secrets = token.into_iter().chain(whole).chain(parts);
    let is_fit = type_.starts_with("text/plain")
        && !text.contains('<')
        && !secrets.any(|secret| text.contains(secret));
    let text = || stable(text).chars().take(LONGEST_REASON).collect();
    is_fit.then(text).filter(|text: &String| !text.is_empty())
}

/// What an answer of the API with a status of success turns out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Success {
    /// One, as far as this can tell. It may be an empty object.
    Good,
    /// An error, as its body or a header says.
    Error,
    /// Not JSON, or nothing at all.
    Unreadable,
}

/// Whether an answer to a request to the API is the success that its status says: a proxy or
/// another service with this API may answer 200 to everything.
pub(super) fn success(answer: &HttpResponse) -> Success {
    if answer.headers().contains_key("x-amzn-errortype") {
        return Success::Error;
    }
    let body = answer.body().bytes().unwrap_or_default();
    let Ok(body) = serde_json::from_slice::<BTreeMap<String, _>>(body) else {
        return Success::Unreadable;
    };
    let is_of_service = || body.contains_key("__type") || has_request_id(answer);
    match by_members(&body) {
        Success::Error if !is_of_service() => Success::Unreadable,
        success @ (Success::Good | Success::Error | Success::Unreadable) => success,
    }
}

/// What an object is, by the names of its members; one that is null is as good as none. An error
/// may have no type, and nothing that the operator asks for has a code or a message. What has these
/// and others beside them may be both.
fn by_members(body: &BTreeMap<String, Option<IgnoredAny>>) -> Success {
    let members = || body.iter().filter(|(_, value)| value.is_some()).map(|(name, _)| name);
    let has = |names: &[&str]| {
        members().filter(|name| names.iter().any(|it| name.eq_ignore_ascii_case(it))).count()
    };
    let (all, tells_error) = (members().count(), has(&["code", "message"]) > 0);
    let is_more = has(&["__type", "code", "message", "docs", "tip"]) < all;
    if is_more && tells_error {
        Success::Unreadable
    } else if is_more || all == 0 {
        Success::Good
    } else {
        Success::Error
    }
}

/// Whether an answer has the id that AWS gives each request.
pub(in crate::lightsail) fn has_request_id(answer: &HttpResponse) -> bool {
    answer.request_id().is_some_and(|id| !id.is_empty())
}

/// A time in HTTP, if it can be the time of an answer.
pub(in crate::lightsail) fn date(text: &str) -> Option<Timestamp> {
    // `GMT` is what HTTP writes and RFC 2822 calls obsolete.
    let date = rfc2822::parse(text).ok()?.timestamp();
    (0..LAST_DATE).contains(&date.as_second()).then_some(date)
}

/// In 2200. The SDK signs by the clock of the last answer, and panics where that is near the last
/// time that it can express.
const LAST_DATE: i64 = 7_258_118_400;

/// Whether the `Date` of an answer is that of the service. The page of a proxy shows the proxy's
/// clock, and an answer from a cache an earlier time.
pub(super) fn has_date_of_service(answer: &HttpResponse) -> bool {
    let headers = answer.headers();
    let is_data = |type_: &str| type_.contains("json") || type_.contains("xml");
    let is_data = headers.get("content-type").is_some_and(is_data);
    let is_of_service = has_request_id(answer)
        || headers.contains_key("x-amzn-errortype")
        || (is_data && (answer.status().is_success() || has_type_of_error(answer)));
    let is_a_time = headers.get("date").is_some_and(|text| date(text).is_some());
    is_of_service && is_a_time && headers.get("age").is_none()
}

/// Whether the body is an error as Lightsail or STS writes it.
fn has_type_of_error(answer: &HttpResponse) -> bool {
    let text = String::from_utf8_lossy(answer.body().bytes().unwrap_or_default());
    text.contains("\"__type\"") || text.contains("<ErrorResponse")
}

/// How long a token of the instance's metadata is valid.
fn token_ttl(answer: &HttpResponse) -> Option<u64> {
    answer.headers().get("x-aws-ec2-metadata-token-ttl-seconds")?.parse().ok()
}

/// The longest ARN of a role: <https://docs.aws.amazon.com/IAM/latest/APIReference/API_Role.html>.
const LONGEST_ROLE: usize = 2_048;

/// Instances answer with a role's name. What stands in for their metadata, such as kube2iam, also
/// answers with its path or ARN.
fn is_role(body: &[u8]) -> bool {
    let is_allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"_+=,.@-:/".contains(byte);
    (1..=LONGEST_ROLE).contains(&body.len()) && body.iter().all(is_allowed)
}

#[cfg(test)]
#[rustfmt::skip]
mod tests {
    use super::*;
    use crate::lightsail::http::operation::CONTAINER;

    const ROLE: &str = "GET /latest/meta-data/iam/security-credentials/";
    const GET: &str = "GET /any";
    const OF_ROLE: &str = "GET /latest/meta-data/iam/security-credentials/r";
    const TOKEN: &str = "PUT /latest/api/token";

    #[test]
    fn the_clocks_of_proxies_and_caches_are_not_the_services() {
        const DATE: &str = "Tue, 24 Nov 2026 22:14:49 GMT";
        let (json, html) =
            (("content-type", "application/x-amz-json-1.1"), ("content-type", "text/html"));
        let id = ("x-amzn-requestid", "5d2c");
        let xml = ("content-type", "text/xml");
        let (none, typed) = ("", r#"{"__type":"t"}"#);
        let of_sts = "<ErrorResponse><Error>";
        for (name, status, headers, body, expected) in [
            ("an answer", 200, vec![json, id], none, true),
            ("an error", 400, vec![json, id], none, true),
            ("an answer without an id", 200, vec![json], none, true),
            ("a proxy's page", 502, vec![html], none, false),
            ("a proxy's page in place of an answer", 200, vec![html], none, false),
            ("a gateway's error", 404, vec![json], none, false),
            ("an error by its type", 400, vec![json], typed, true),
            ("an error by its header", 400, vec![html, ("x-amzn-errortype", "t")], none, true),
            ("an error of STS", 403, vec![xml], of_sts, true),
            ("another XML error", 403, vec![xml], "<Error>", false),
            ("an answer of STS", 200, vec![xml], none, true),
            ("an id by its other name", 503, vec![("x-amz-request-id", "5d2c")], none, true),
            ("an empty id", 503, vec![("x-amzn-requestid", "")], none, false),
            ("an answer from a cache", 200, vec![json, id, ("age", "30")], none, false),
        ] {
            let status = u16::try_into(status).unwrap();
            let mut answer = HttpResponse::new(status, body.into());
            for (key, value) in headers {
                answer.headers_mut().insert(key, value);
            }
            answer.headers_mut().insert("date", DATE);
            assert_eq!(has_date_of_service(&answer), expected, "{name}");
            for date in ["Fri, 31 Dec 9999 23:59:59 GMT", "soon", ""] {
                answer.headers_mut().insert("date", date);
                assert!(!has_date_of_service(&answer), "{name}: {date}");
            }
        }
    }

    #[test]
    fn a_status_of_success_is_not_believed_alone() {
        use Success::{Error, Good, Unreadable};
        for (name, body, header, expected) in [
            ("a list", r#"{"keyPairs":[{"name":"a","tags":[]}]}"#, None, Good),
            ("an empty one", " {}", None, Good),
            ("an error", r#"{"__type":"NotFoundException","message":"m"}"#, None, Error),
            ("a gateway's error", r#"{"code":"AccessDenied"}"#, None, Unreadable),
            ("its text alone", r#"{"Message":"m"}"#, None, Unreadable),
            ("a list with a type", r#"{"__type":"t","keyPairs":[]}"#, None, Good),
            ("a list and an error", r#"{"operations":[],"code":"c"}"#, None, Unreadable),
            ("a list, and null", r#"{"operations":[],"message":null,"code":null}"#, None, Good),
            ("an error, and null", r#"{"__type":"t","message":"m","operations":null}"#, None,
             Error),
            ("nulls", r#"{"operations":null,"message":null}"#, None, Good),
            ("an error of a header", "{}", Some("NotFoundException"), Error),
            ("nothing", "", None, Unreadable),
            ("a page", "<html>", None, Unreadable),
            ("no object", "[]", None, Unreadable),
            ("a text", r#""ok""#, None, Unreadable),
            ("half of it", r#"{"keyPairs":["#, None, Unreadable),
        ] {
            let status = aws_smithy_runtime_api::http::StatusCode::try_from(200).unwrap();
            let mut answer = HttpResponse::new(status, body.into());
            if let Some(type_) = header {
                answer.headers_mut().insert("x-amzn-errortype", type_);
            }
            assert_eq!(success(&answer), expected, "{name}");
            answer.headers_mut().insert("x-amzn-requestid", "5d2c");
            let is_error = body.contains("code\":\"AccessDenied") || body.contains("Message");
            let expected = if is_error { Error } else { expected };
            assert_eq!(success(&answer), expected, "{name}, with an id");
        }
    }

    #[test]
    fn what_cannot_be_an_answer_is_no_fault_of_the_credentials() {
        use Cause::{Answered, Unreadable};
        let denied = |status| Some(Cause::Denied { status, why: None });
        let sso = "GetRoleCredentials";
        for (name, operation, request, status, ttl, body, expected) in [
            ("credentials", CONTAINER, GET, 200, None, r#"{"AccessKeyId":"a"}"#, None),
            ("what the container says", CONTAINER, GET, 200, None, r#"{"code":"a"}"#, None),
            ("a page", CONTAINER, GET, 200, None, "<html>", Some(Unreadable(200))),
            ("nothing", CONTAINER, GET, 200, None, "", Some(Unreadable(200))),
            ("half of it", CONTAINER, GET, 200, None, r#"{"AccessKeyId":"a""#,
             Some(Unreadable(200))),
            ("no object", CONTAINER, GET, 200, None, "[]", Some(Unreadable(200))),
            ("moved", CONTAINER, GET, 301, None, "", Some(Answered(301))),
            ("refused", CONTAINER, GET, 403, None, "", denied(403)),
            ("refused by a page", CONTAINER, GET, 401, None, "<html>", denied(401)),
            ("refused in words", CONTAINER, GET, 403, None, r#"{"message":"no"}"#, None),
            ("throttled", CONTAINER, GET, 429, None, "{}", Some(Answered(429))),
            ("down", CONTAINER, GET, 503, None, "{}", Some(Answered(503))),
            ("SSO", sso, GET, 200, None, r#"{"roleCredentials":{}}"#, None),
            ("SSO, a page", sso, GET, 200, None, "<html>", Some(Unreadable(200))),
            ("SSO, signed out", sso, GET, 401, None, r#"{"message":"expired"}"#, None),
            ("a role", METADATA, ROLE, 200, None, "node-role_1@a", None),
            ("a role with a path", METADATA, ROLE, 200, None, "team/a/node-role", None),
            ("an ARN", METADATA, ROLE, 200, None, "arn:aws:iam::123456789012:role/a", None),
            ("too long for a role", METADATA, ROLE, 200, None, &*"a".repeat(2_049),
             Some(Unreadable(200))),
            ("two roles", METADATA, ROLE, 200, None, "one\ntwo", Some(Unreadable(200))),
            ("a page for a role", METADATA, ROLE, 200, None, "<html>", Some(Unreadable(200))),
            ("words for a role", METADATA, ROLE, 200, None, "failed to get it",
             Some(Unreadable(200))),
            ("nothing for a role", METADATA, ROLE, 200, None, "", Some(Unreadable(200))),
            ("no role", METADATA, ROLE, 404, None, "<html>", None),
            ("the role's credentials", METADATA, OF_ROLE, 200, None, "{}", None),
            ("a page for them", METADATA, OF_ROLE, 200, None, "<html>", Some(Unreadable(200))),
            ("a token", METADATA, TOKEN, 200, Some("21600"), "t", None),
            ("a token forever", METADATA, TOKEN, 200, Some("18446744073709551615"), "t",
             Some(Unreadable(200))),
            ("a token without an end", METADATA, TOKEN, 200, None, "t", None),
            ("a token that is refused", METADATA, TOKEN, 403, None, "", None),
            ("STS, a page", "GetCallerIdentity", "POST /", 200, None, "<html>", None),
            ("STS, down", OTHER, "POST /", 500, None, "", Some(Answered(500))),
        ] {
            let status = aws_smithy_runtime_api::http::StatusCode::try_from(status).unwrap();
            let mut answer = HttpResponse::new(status, body.into());
            if let Some(ttl) = ttl {
                answer.headers_mut().insert("x-aws-ec2-metadata-token-ttl-seconds", ttl);
            }
            let (method, path) = request.split_once(' ').unwrap();
            let request = http::Request::builder().method(method).uri(path).body(()).unwrap();
            let found = fault(operation, &request.into_parts().0, &answer);
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn a_server_that_refuses_in_plain_text_is_quoted_without_what_it_was_sent() {
        const TEXT: &str = "text/plain; charset=utf-8";
        let uuid = "[0a1b2c3d-0000-4000-8000-000000000000]: (AccessDeniedException): none";
        let long = "no ".repeat(100);
        for (name, operation, type_, body, expected) in [
            ("the agent of EKS", CONTAINER, TEXT, uuid,
             Some("[…]: (AccessDeniedException): none")),
            ("two lines", CONTAINER, TEXT, "no\ntoken\n", Some("no token")),
            ("a long text", CONTAINER, TEXT, &long, Some(&long[..200])),
            ("nothing", CONTAINER, TEXT, " \n", None),
            ("a page", CONTAINER, TEXT, "<html>", None),
            ("another type", CONTAINER, "text/html", "no", None),
            ("another server", "GetRoleCredentials", TEXT, "no", None),
            ("the token", CONTAINER, TEXT, "who is T0KEN?", None),
            ("a part of the query", CONTAINER, TEXT, "no such password", None),
            ("the whole query", CONTAINER, TEXT, "what is key=password&a=b?", None),
            ("the whole path", CONTAINER, TEXT, "no /credentials/7f6e5d4c here", None),
            ("a part of the path", CONTAINER, TEXT, "7f6e5d4c: not found", None),
            ("a word of the path", CONTAINER, TEXT, "no credentials", Some("no credentials")),
        ] {
            let status = aws_smithy_runtime_api::http::StatusCode::try_from(403).unwrap();
            let mut answer = HttpResponse::new(status, body.into());
            answer.headers_mut().insert("content-type", type_);
            let request = http::Request::get("http://agent/credentials/7f6e5d4c?key=password&a=b");
            let request = request.header("authorization", "Bearer T0KEN").body(()).unwrap();
            let found = fault(operation, &request.into_parts().0, &answer);
            let why = expected.map(str::to_owned);
            assert_eq!(found, Some(Cause::Denied { status: 403, why }), "{name}");
        }
    }
}
