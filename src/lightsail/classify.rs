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
use serde_json::{Map, Value};

use super::error::{Error, ErrorKind, is_code};
use super::http::{AnsweredBy, Failure, TOO_MANY, UNREADABLE, has_request_id, unreadable_answer};
use super::stable_text::{line, stable};

/// An answer that did not come from the API.
pub(super) fn unreadable(answer: &HttpResponse) -> Error {
    let host = answer.extension().map_or("AWS", |AnsweredBy(host)| host.as_str());
    let status = answer.status().as_u16();
    let code = if status == 429 { TOO_MANY } else { UNREADABLE };
    Error::new(ErrorKind::Transient, code, line(&unreadable_answer(host, status)))
}

/// What an error answer says about itself.
#[derive(Debug, Default)]
struct Answer {
    /// Names of the error, the most specific one first.
    names: Vec<String>,
    message: String,
}

/// A member of an error's body, in whatever case it is written: the front of the API writes
/// `Message` at times.
fn member(body: &Map<String, Value>, name: &str) -> Option<String> {
    let texts = body.iter().filter_map(|(key, value)| Some((key, value.as_str()?)));
    let mut named = texts.filter(|(key, _)| key.eq_ignore_ascii_case(name));
    named.next().map(|(_, text)| text.to_owned())
}

impl<E: ProvideErrorMetadata + StdError + 'static> From<&SdkError<E, HttpResponse>> for Error {
    fn from(error: &SdkError<E, HttpResponse>) -> Self {
        if let Some(failure) = find_source::<Failure>(error) {
            return Self::from(failure);
        }
        match error {
            SdkError::ServiceError(service) => service_error(service.err(), service.raw()),
            // A member of the error may have another type than the SDK expects.
            SdkError::ResponseError(response) if !response.raw().status().is_success() => {
                error_answer((None, None), response.raw())
            }
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
    error_answer((error.code(), error.message()), raw)
}

/// What an error answer means. `read` is the code and the message that the SDK has read, if it has.
fn error_answer(read: (Option<&str>, Option<&str>), raw: &HttpResponse) -> Error {
    let body: Option<Map<String, Value>> =
        raw.body().bytes().and_then(|bytes| serde_json::from_slice(bytes).ok());
    // The errors of STS are XML, which the SDK reads only if it has their members.
    let is_json = body.is_some();
    let body = body.unwrap_or_default();
    let header = raw.headers().get("x-amzn-errortype").map(str::to_owned);
    let (code, type_) = (member(&body, "code"), member(&body, "__type"));
    let is_of_aws = header.is_some() || type_.is_some() || has_request_id(raw) || !is_json;
    let names = [code, read.0.map(str::to_owned), header, type_];
    let names = codes(names.into_iter().flatten());
    let message = read.1.map(str::to_owned).or_else(|| member(&body, "message"));
    let message = message.unwrap_or_default();
    // A gateway may have sent the request on before it says, by a `code` of its own, that too many
    // came, or that it does not know the path.
    match classify(&Answer { names, message }) {
        Some(error) if error.kind == ErrorKind::Transient || is_of_aws => error,
        Some(said) => {
            let error = unreadable(raw);
            let message = format!("{}; it says: {said}", error.message);
            Error { message: line(&message), ..error }
        }
        None => unreadable(raw),
    }
}

/// `com.amazonaws.lightsail#NotFoundException:http://…` → `NotFoundException`.
fn bare(name: &str) -> String {
    let name = name.rsplit('#').next().unwrap_or_default();
    name.split(':').next().unwrap_or_default().to_owned()
}

/// The names that can be codes.
fn codes(names: impl Iterator<Item = String>) -> Vec<String> {
    names.map(|name| bare(&name)).filter(|name| is_code(name)).collect()
}

/// `None` if nothing in the answer names an error.
fn classify(answer: &Answer) -> Option<Error> {
    let all: Vec<String> = answer.names.iter().map(|name| name.to_ascii_lowercase()).collect();
    let named = |wanted: &[&str]| {
        all.iter().any(|name| {
            let name = name.strip_suffix("exception").unwrap_or(name);
            wanted.iter().any(|wanted| name.eq_ignore_ascii_case(wanted))
        })
    };
    // A service that failed may have done what it was asked for, whatever words and codes it uses.
    // Only what is not there is believed: some operations say that by a code alone, as Terraform's
    // provider knows (internal/service/lightsail/errs.go).
    let may_be_done = named(FAILED);
    let says = |words: &str| answer.message.to_ascii_lowercase().contains(words);
    let is_only = |words: &str| answer.message.trim_matches(['.', ' ']).eq_ignore_ascii_case(words);
    let is_invalid = named(INVALID);
    let is_not_found = named(NOT_FOUND) || all.iter().any(|name| name.ends_with(".notfound"));
    let kind = if may_be_done && is_not_found {
        ErrorKind::NotFound
    } else if named(&["OperationFailure"]) {
        ErrorKind::OperationFailed
    } else if may_be_done {
        ErrorKind::Transient
    } else if named(THROTTLED) {
        ErrorKind::Throttled
    } else if named(&["AccountSetupInProgress"]) {
        ErrorKind::AccountSetup
    } else if named(&["RegionSetupInProgress"]) {
        ErrorKind::RegionSetup
    } else if named(BAD_CREDENTIALS) {
        ErrorKind::BadCredentials
    } else if named(&["AccessDenied", "NotAuthorized", "UnauthorizedOperation", "OptInRequired"]) {
        ErrorKind::Denied
    } else if is_not_found {
        ErrorKind::NotFound
    } else if named(NAME_TAKEN)
        || (is_invalid && (says("already in use") || says("already exists")))
    {
        ErrorKind::NameTaken
    } else if named(&["InvalidKey.Format"]) || says("format of this public key") {
        ErrorKind::BadKey
    } else if (is_invalid && says("please try again in a few minutes"))
        || says("please wait for it to complete before trying again")
    {
        ErrorKind::Busy
    } else if is_invalid && !is_only(RATE_EXCEEDED) {
        ErrorKind::Invalid
    } else if says(RATE_EXCEEDED) {
        ErrorKind::Throttled
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

/// What throttling says, for an answer whose name says nothing else. A refusal of the input may
/// repeat what a user wrote, so there it must be all that is said: who is throttled slows down
/// others too.
const RATE_EXCEEDED: &str = "rate exceeded";

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

/// The service failed, or what it began has failed.
const FAILED: &[&str] = &[
    "Service",
    "ServiceUnavailable",
    "InternalFailure",
    "InternalError",
    "InternalServer",
    "InternalServerError",
    "OperationFailure",
];

/// The last two are not Lightsail's, but have this meaning wherever they are used.
const NOT_FOUND: &[&str] = &["NotFound", "DoesNotExist", "ResourceNotFound", "KeyPairNotFound"];

/// The second one is EC2's.
const NAME_TAKEN: &[&str] = &["NameExists", "InvalidKeyPair.Duplicate"];

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
const INVALID: &[&str] = &[
    "InvalidInput",
    "Validation",
    "ValidationError",
    "Serialization",
    "UnknownOperation",
    "UnsupportedOperation",
    "MissingParameter",
];

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
            (&["InvalidInputException"], "KeyPair a already exists", ErrorKind::NameTaken),
            (&["InvalidKeyPair.Duplicate"], "", ErrorKind::NameTaken),
            (&["InternalFailure"], "it already exists", ErrorKind::Transient),
            (&["notfoundexception"], "", ErrorKind::NotFound),
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
            // Whatever a service that failed says, it may have done it.
            (
                &["ServiceException", "InternalError"],
                "It failed. Please try again in a few minutes.",
                ErrorKind::Transient,
            ),
            (
                &["InternalFailure"],
                "Please wait for it to complete before trying again",
                ErrorKind::Transient,
            ),
            (
                &["OperationFailureException"],
                "Please try again in a few minutes.",
                ErrorKind::OperationFailed,
            ),
            (
                &["OperationFailureException", "RequestLimitExceeded"],
                "",
                ErrorKind::OperationFailed,
            ),
            (&["AccessDenied", "OperationFailureException"], "", ErrorKind::OperationFailed),
            (&["ServiceException", "NameExists"], "", ErrorKind::Transient),
            (&["ServiceException", "DoesNotExist"], "", ErrorKind::NotFound),
            (&["ServiceException"], "Rate exceeded", ErrorKind::Transient),
            (&["ServiceException"], "Some names are already in use: a", ErrorKind::Transient),
            (&["SomethingNew"], "Please try again in a few minutes.", ErrorKind::Transient),
            (
                &["SomethingNew"],
                "Please wait for it to complete before trying again",
                ErrorKind::Busy,
            ),
            (&["KeyPairNotFound"], "", ErrorKind::NotFound),
            (&["ResourceNotFoundException"], "", ErrorKind::NotFound),
            (&["AccountNotFound"], "", ErrorKind::Transient),
            (&["ThrottlingException"], "", ErrorKind::Throttled),
            (&["X", "ThrottlingException"], "", ErrorKind::Throttled),
            (&["TooManyRequestsException"], "", ErrorKind::Throttled),
            (&["InvalidInputException"], "Rate exceeded", ErrorKind::Throttled),
            (&["SomethingNew"], "Rate exceeded for this operation", ErrorKind::Throttled),
            // The name of the error counts for more than words, of which some are a user's.
            (&["InvalidInputException"], "Bad tag: rate exceeded", ErrorKind::Invalid),
            (&["AccessDeniedException"], "No right to: rate exceeded", ErrorKind::Denied),
            (&["NotFoundException"], "Rate exceeded", ErrorKind::NotFound),
            (&["ExpiredTokenException"], "Rate exceeded", ErrorKind::BadCredentials),
            (&["NameExists"], "Rate exceeded", ErrorKind::NameTaken),
            (&["OperationFailureException"], "", ErrorKind::OperationFailed),
            (&["ServiceException"], "", ErrorKind::Transient),
            (&["InternalFailure"], "", ErrorKind::Transient),
            (&["ServiceUnavailable"], "", ErrorKind::Transient),
            (&["RequestTimeoutException"], "", ErrorKind::Transient),
            (&["SomethingNew"], "of which nobody knows what it means", ErrorKind::Transient),
            (&["InvalidInputException"], "something else", ErrorKind::Invalid),
            (&["ValidationError"], "", ErrorKind::Invalid),
            (&["UnsupportedOperation"], "", ErrorKind::Invalid),
            (&["MissingParameter"], "", ErrorKind::Invalid),
        ];
        for (names, message, expected) in cases {
            assert_eq!(kind(names, message), *expected, "{names:?} {message:?}");
        }
    }

    #[test]
    fn no_answer_is_taken_for_what_the_operator_itself_has_found() {
        let status = aws_smithy_runtime_api::http::StatusCode::try_from(400).unwrap();
        for own in [
            Error::endless_list(1),
            Error::wrong_account(&"123456789012".into()),
            Error::refused_credentials(),
        ] {
            let body = format!(r#"{{"__type": "InvalidInputException", "code": "{}"}}"#, own.code);
            let error = error_answer((None, None), &HttpResponse::new(status, body.into()));
            assert_eq!(error.code, "InvalidInputException", "{own}");
        }
    }

    #[test]
    fn every_text_in_a_body_counts_whatever_else_is_in_it() {
        let body =
            r#"{"__type": "NotFoundException", "code": 404, "message": "m", "Message": "M"}"#;
        let body: Map<String, Value> = serde_json::from_str(body).unwrap();
        assert_eq!(member(&body, "__type").as_deref(), Some("NotFoundException"));
        assert_eq!(member(&body, "code"), None);
        assert!(member(&body, "message").is_some());
    }

    /// It may have sent the request on, and is not Lightsail.
    #[test]
    fn a_proxy_that_limits_requests_proves_nothing() {
        let status = aws_smithy_runtime_api::http::StatusCode::try_from(429).unwrap();
        let error = unreadable(&HttpResponse::new(status, "<html>".into()));
        assert!(!error.kind.proves_refusal() && !error.is_answer());
        assert!(error.asks_for_fewer(), "but fewer are sent to it");
        let status = aws_smithy_runtime_api::http::StatusCode::try_from(503).unwrap();
        assert!(!unreadable(&HttpResponse::new(status, "<html>".into())).asks_for_fewer());
    }

    #[test]
    fn codes_are_bounded_and_the_same_each_time() {
        let long = "X".repeat(crate::lightsail::error::LONGEST_CODE + 1);
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
