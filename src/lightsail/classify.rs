//! What an error of Lightsail means: one classifier for everything that an answer says about
//! itself.
//!
//! Lightsail's error bodies have `__type` and a `code` of their own, and the SDK takes the wrong
//! one as the type unless there is a header as well (<https://github.com/aws/aws-sdk/issues/665>).
//! So the header, both members and the message are read together. The HTTP status is not, because
//! Lightsail throttles with 400.

use std::error::Error as StdError;

use aws_sdk_lightsail::config::http::HttpResponse;
use aws_sdk_lightsail::error::{ProvideErrorMetadata, SdkError};
use serde::Deserialize;

use super::error::{Error, ErrorKind};
use super::http::{AnsweredBy, Failure, UNREADABLE, unreadable_answer};
use super::stable::{line, stable};

/// An answer that did not come from the API.
pub(super) fn unreadable(answer: &HttpResponse) -> Error {
    let host = answer.extension().map_or("AWS", |AnsweredBy(host)| host.as_str());
    let message = unreadable_answer(host, answer.status().as_u16());
    Error::new(ErrorKind::Transient, UNREADABLE, line(&message))
}

/// What an error answer says about itself.
#[derive(Debug, Default)]
struct Answer {
    /// Names of the error, the most specific one first.
    names: Vec<String>,
    message: String,
}

/// The members of an error's body that matter. `Message` is what the front of the API writes at
/// times.
#[derive(Debug, Default, Deserialize)]
struct Body {
    #[serde(rename = "__type")]
    type_: Option<String>,
    code: Option<String>,
    #[serde(alias = "Message")]
    message: Option<String>,
}

impl<E: ProvideErrorMetadata + StdError + 'static> From<&SdkError<E, HttpResponse>> for Error {
    fn from(error: &SdkError<E, HttpResponse>) -> Self {
        if let Some(failure) = find_source::<Failure>(error) {
            return Self::from(failure);
        }
        match error {
            SdkError::ServiceError(service) => service_error(service.err(), service.raw()),
            SdkError::ResponseError(response) => unreadable(response.raw()),
            SdkError::TimeoutError(_) => Self::timeout(),
            SdkError::DispatchFailure(_) => {
                Self::new(ErrorKind::Transient, "DispatchFailure", "the request could not be sent")
            }
            SdkError::ConstructionFailure(_) => Self::new(
                ErrorKind::NeverSent,
                "ConstructionFailure",
                "the request could not be made; is the region right?",
            ),
            _ => Self::new(
                ErrorKind::Transient,
                "UnknownError",
                "an error of a kind that this version does not know",
            ),
        }
    }
}

pub(super) fn service_error<E: ProvideErrorMetadata>(error: &E, raw: &HttpResponse) -> Error {
    let body: Body =
        raw.body().bytes().and_then(|bytes| serde_json::from_slice(bytes).ok()).unwrap_or_default();
    let header = raw.headers().get("x-amzn-errortype").map(str::to_owned);
    let names = [body.code, error.code().map(str::to_owned), header, body.type_];
    let names = codes(names.into_iter().flatten());
    let message = error.message().map(str::to_owned).or(body.message).unwrap_or_default();
    classify(&Answer { names, message }).unwrap_or_else(|| unreadable(raw))
}

/// A code becomes a label of metrics and part of conditions, but its body may come from anybody.
const LONGEST_CODE: usize = 64;

/// `com.amazonaws.lightsail#NotFoundException:http://…` → `NotFoundException`.
fn bare(name: &str) -> String {
    let name = name.rsplit('#').next().unwrap_or_default();
    name.split(':').next().unwrap_or_default().to_owned()
}

/// The names that can be codes.
fn codes(names: impl Iterator<Item = String>) -> Vec<String> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let is_code =
        |name: &String| (1..=LONGEST_CODE).contains(&name.len()) && name.bytes().all(is_allowed);
    names.map(|name| bare(&name)).filter(is_code).collect()
}

/// `None` if nothing in the answer names an error.
fn classify(answer: &Answer) -> Option<Error> {
    let named = |wanted: &[&str]| {
        answer.names.iter().any(|name| {
            let name = name.strip_suffix("Exception").unwrap_or(name);
            wanted.iter().any(|wanted| name.eq_ignore_ascii_case(wanted))
        })
    };
    let says = |words: &str| answer.message.to_ascii_lowercase().contains(words);
    let kind = if named(THROTTLED) || says("rate exceeded") {
        ErrorKind::Throttled
    } else if named(&["AccountSetupInProgress"]) {
        ErrorKind::AccountSetup
    } else if named(&["RegionSetupInProgress"]) {
        ErrorKind::RegionSetup
    } else if named(BAD_CREDENTIALS) {
        ErrorKind::BadCredentials
    } else if named(&["AccessDenied", "NotAuthorized", "UnauthorizedOperation", "OptInRequired"]) {
        ErrorKind::Denied
    } else if named(&["NotFound", "DoesNotExist"])
        || answer.names.iter().any(|name| name.ends_with(".NotFound"))
    {
        ErrorKind::NotFound
    } else if named(&["NameExists"]) || says("already in use") {
        ErrorKind::NameTaken
    } else if named(&["InvalidKey.Format"]) || says("format of this public key") {
        ErrorKind::BadKey
    } else if says("please try again in a few minutes")
        || says("please wait for it to complete before trying again")
    {
        ErrorKind::Busy
    } else if named(&["OperationFailure"]) {
        ErrorKind::OperationFailed
    } else if named(INVALID) {
        ErrorKind::Invalid
    } else {
        ErrorKind::Transient
    };
    let is_known = kind != ErrorKind::Transient;
    let code = match answer.names.first() {
        // AWS does not number errors. Other servers may, with a different number each time.
        Some(name) if is_known || !name.contains(|char: char| char.is_ascii_digit()) => name,
        None if !is_known => return None,
        _ => "UnknownError",
    };
    Some(Error::new(kind, code, stable(&answer.message)))
}

/// Codes that the SDK treats as throttling, and that Lightsail sends with HTTP 400.
const THROTTLED: &[&str] = &[
    "Throttling",
    "Throttled",
    "RequestThrottled",
    "TooManyRequests",
    "ProvisionedThroughputExceeded",
    "RequestLimitExceeded",
    "BandwidthLimitExceeded",
    "LimitExceeded",
    "SlowDown",
    "PriorRequestNotComplete",
    "EC2Throttled",
];

const BAD_CREDENTIALS: &[&str] = &[
    "Unauthenticated",
    "UnrecognizedClient",
    "InvalidClientTokenId",
    "ExpiredToken",
    "IncompleteSignature",
    "InvalidSignature",
    "SignatureDoesNotMatch",
    "MissingAuthenticationToken",
    "RequestExpired",
    "RequestTimeTooSkewed",
    "RequestInTheFuture",
    // Of AssumeRoleWithWebIdentity, as the STS API Reference lists them.
    "InvalidIdentityToken",
    "IDPRejectedClaim",
    "MalformedPolicyDocument",
    "PackedPolicyTooLarge",
    "RegionDisabled",
];

/// Refusals of the input. A code that is in no list counts as a failure of the service, which
/// proves nothing and is retried.
const INVALID: &[&str] =
    &["InvalidInput", "Validation", "ValidationError", "Serialization", "UnknownOperation"];

pub(super) fn find_source<'a, T: StdError + 'static>(
    error: &'a (dyn StdError + 'static),
) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// The id of a request, for the log.
pub(super) fn request_id(raw: Option<&HttpResponse>) -> String {
    raw.and_then(|raw| raw.headers().get("x-amzn-requestid")).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(names: &[&str], message: &str) -> ErrorKind {
        let names = names.iter().map(|name| bare(name)).collect();
        classify(&Answer { names, message: message.to_owned() }).unwrap().kind
    }

    #[test]
    fn each_kind_is_known_by_any_of_its_signs() {
        let cases: &[(&[&str], &str, ErrorKind)] = &[
            (&["NotFoundException"], "", ErrorKind::NotFound),
            (&["DoesNotExist"], "", ErrorKind::NotFound),
            (&["InvalidKeyPair.NotFound"], "", ErrorKind::NotFound),
            (
                &["DoesNotExist", "NotFoundException"],
                "The KeyPair does not exist: a",
                ErrorKind::NotFound,
            ),
            (&["NameExists", "InvalidInputException"], "", ErrorKind::NameTaken),
            (&["InvalidInputException"], "Some names are already in use: a", ErrorKind::NameTaken),
            (&["InvalidKey.Format"], "", ErrorKind::BadKey),
            (
                &["InvalidInputException"],
                "The format of this public key is not valid",
                ErrorKind::BadKey,
            ),
            (&["AccessDeniedException"], "", ErrorKind::Denied),
            (&["NotAuthorized"], "", ErrorKind::Denied),
            (&["UnauthorizedOperation"], "", ErrorKind::Denied),
            (&["OptInRequired"], "", ErrorKind::Denied),
            (&["UnauthenticatedException"], "", ErrorKind::BadCredentials),
            (&["UnrecognizedClientException"], "", ErrorKind::BadCredentials),
            (&["ExpiredTokenException"], "", ErrorKind::BadCredentials),
            (&["IncompleteSignature"], "", ErrorKind::BadCredentials),
            (&["InvalidSignatureException"], "", ErrorKind::BadCredentials),
            (&["AccountSetupInProgressException"], "", ErrorKind::AccountSetup),
            (
                &["com.amazonaws.lightsail#RegionSetupInProgressException"],
                "",
                ErrorKind::RegionSetup,
            ),
            (
                &["InvalidInputException"],
                "It is busy. Please try again in a few minutes.",
                ErrorKind::Busy,
            ),
            (&["ThrottlingException"], "", ErrorKind::Throttled),
            (&["X", "ThrottlingException"], "", ErrorKind::Throttled),
            (&["TooManyRequestsException"], "", ErrorKind::Throttled),
            (&["InvalidInputException"], "Rate exceeded", ErrorKind::Throttled),
            (&["OperationFailureException"], "", ErrorKind::OperationFailed),
            (&["ServiceException"], "", ErrorKind::Transient),
            (&["InternalFailure"], "", ErrorKind::Transient),
            (&["ServiceUnavailable"], "", ErrorKind::Transient),
            (&["RequestTimeoutException"], "", ErrorKind::Transient),
            (&["SomethingNew"], "of which nobody knows what it means", ErrorKind::Transient),
            (&["InvalidInputException"], "something else", ErrorKind::Invalid),
            (&["ValidationError"], "", ErrorKind::Invalid),
        ];
        for (names, message, expected) in cases {
            assert_eq!(kind(names, message), *expected, "{names:?} {message:?}");
        }
    }

    #[test]
    fn codes_are_bounded_and_the_same_each_time() {
        let long = "X".repeat(LONGEST_CODE + 1);
        for (names, message, expected) in [
            (vec!["NameExists"], "", Some("NameExists")),
            (vec!["InvalidKey.Format"], "", Some("InvalidKey.Format")),
            (vec!["EC2ThrottledException"], "", Some("EC2ThrottledException")),
            (vec!["SomethingNew"], "", Some("SomethingNew")),
            (vec!["Errbef80b"], "m", Some("UnknownError")),
            (vec![long.as_str(), "NameExists"], "", Some("NameExists")),
            (vec![long.as_str()], "m", None),
            (vec!["Bad\nCode \"quoted\""], "m", None),
            (vec!["Schlüssel"], "m", None),
            (vec![""], "", None),
            (vec![], "m", None),
            (vec![], "Rate exceeded", Some("UnknownError")),
        ] {
            let names_of = codes(names.iter().map(|name| (*name).to_owned()));
            let found = classify(&Answer { names: names_of, message: message.to_owned() });
            assert_eq!(found.map(|error| error.code).as_deref(), expected, "{names:?}");
        }
    }
}
