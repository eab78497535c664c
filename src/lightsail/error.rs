//! What an error of Lightsail means: one classifier over everything that an answer says about
//! itself.
//!
//! Lightsail's error bodies carry `__type` and a `code` of their own, and the SDK takes the wrong
//! one for the type unless there is a header as well (<https://github.com/aws/aws-sdk/issues/665>).
//! So the header, both members and the message are looked at together, and the HTTP status never
//! is: Lightsail throttles with 400.

use std::error::Error as StdError;
use std::fmt;

use aws_sdk_lightsail::config::http::HttpResponse;
use aws_sdk_lightsail::error::{ProvideErrorMetadata, SdkError};
use serde::Deserialize;

use super::http::{AnsweredBy, Cause, Failure, UNREADABLE, unreadable_answer};
use super::stable::{line, stable};
use crate::ids::{AccountId, Region};

/// What follows from an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// There is no such resource.
    NotFound,
    /// Something in the region has the name already; Lightsail does not say what.
    NameTaken,
    /// Lightsail does not take this public key.
    BadKey,
    /// The credentials may not do this.
    Denied,
    /// The credentials are not good.
    BadCredentials,
    /// The account is still being set up for Lightsail.
    AccountSetup,
    /// The region is still being set up for the account.
    RegionSetup,
    /// Something else is being done with the resource.
    Busy,
    /// Too many requests.
    Throttled,
    /// Lightsail failed, or refused to work.
    OperationFailed,
    /// The input is wrong in Lightsail's eyes.
    Invalid,
    /// The request was never sent.
    NeverSent,
    /// The operator may not ask this region, and did not.
    RegionNotAllowed,
    /// Too many regions that never answered are named, and this one was not asked.
    TooManyRegions,
    /// It was not sent, because this process may not hold the Lease any more when it is answered.
    NotLeading,
    /// No answer, or none that tells whether the request was carried out.
    Transient,
}

impl ErrorKind {
    /// Whether the error proves that the request was not carried out.
    #[must_use]
    pub fn proves_refusal(self) -> bool {
        match self {
            Self::NotFound
            | Self::NameTaken
            | Self::BadKey
            | Self::Denied
            | Self::BadCredentials
            | Self::AccountSetup
            | Self::RegionSetup
            | Self::Busy
            | Self::Throttled
            | Self::Invalid
            | Self::NeverSent
            | Self::RegionNotAllowed
            | Self::TooManyRegions
            | Self::NotLeading => true,
            Self::OperationFailed | Self::Transient => false,
        }
    }
}

/// An error of Lightsail or of the way there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What kind of error it is: what follows from it.
    pub kind: ErrorKind,
    /// The most telling name that the answer has, for example `NameExists` or `Timeout`; a label of
    /// metrics.
    pub code: String,
    /// For people. The same for the same error: it has no ids of requests.
    pub message: String,
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.code, self.message)
    }
}

impl StdError for Error {}

impl Error {
    pub(super) fn new(kind: ErrorKind, code: &str, message: impl Into<String>) -> Self {
        Self { kind, code: code.to_owned(), message: message.into() }
    }

    /// A page of a list named itself as the next one.
    pub(super) fn repeated_page_token() -> Self {
        Self::new(
            ErrorKind::Transient,
            "RepeatedPageToken",
            "the list does not come to an end: a page token was repeated",
        )
    }

    /// There were so many requests to be sent before this one that it was not sent.
    pub(super) fn waited_too_long() -> Self {
        let message = "Lightsail takes so few requests that this one was not sent yet";
        Self::new(ErrorKind::Throttled, "WaitedTooLong", message)
    }

    /// Another process may have the Lease before the call is over.
    pub(super) fn not_leading() -> Self {
        let message = "the Lease is not held for long enough, and nothing was sent";
        Self::new(ErrorKind::NotLeading, "NotLeading", message)
    }

    /// The region is none of those that the operator may ask.
    pub(super) fn region_not_allowed(region: &Region, allowed: &[String]) -> Self {
        let message = format!(
            "this operator may not use the region {region}, only {}; make the object anew with one \
             of them, or have the flag --allowed-regions extended (an object that is being deleted \
             is released by deletionPolicy: Retain)",
            allowed.join(", ")
        );
        Self::new(ErrorKind::RegionNotAllowed, "RegionNotAllowed", message)
    }

    /// So many regions that never answered are tried already, for `whom`.
    pub(super) fn too_many_regions(region: &Region, most: usize, whom: &str) -> Self {
        let message = format!(
            "{region} was not asked, since {whom} already waits for {most} regions that never \
             answered; check spec.region for a typo, and delete the objects that name regions \
             which do not exist"
        );
        Self::new(ErrorKind::TooManyRegions, "TooManyRegions", message)
    }

    /// An answer lacks what the API model requires.
    pub(super) fn incomplete(member: &str) -> Self {
        Self::new(
            ErrorKind::Transient,
            "IncompleteAnswer",
            format!("the answer has no usable {member}"),
        )
    }

    /// No answer in time.
    #[must_use]
    pub fn timeout() -> Self {
        Self::new(ErrorKind::Transient, "Timeout", "no answer in time")
    }

    /// Whether the region's Lightsail itself has answered so: what is on the way to it does not
    /// know its errors, and what answers for a region that does not exist refuses each signature.
    pub(super) fn is_answer(&self) -> bool {
        match self.kind {
            ErrorKind::NotFound
            | ErrorKind::NameTaken
            | ErrorKind::BadKey
            | ErrorKind::Denied
            | ErrorKind::AccountSetup
            | ErrorKind::RegionSetup
            | ErrorKind::Busy
            | ErrorKind::Throttled
            | ErrorKind::OperationFailed
            | ErrorKind::Invalid => true,
            ErrorKind::BadCredentials
            | ErrorKind::NeverSent
            | ErrorKind::RegionNotAllowed
            | ErrorKind::TooManyRegions
            | ErrorKind::NotLeading
            | ErrorKind::Transient => false,
        }
    }

    /// Whether a request was refused, and not carried out, because the clocks of this machine and
    /// of AWS differ.
    pub(super) fn is_of_clock(&self) -> bool {
        let codes = ["RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"];
        let words = ["Signature expired", "Signature not yet current"];
        self.kind == ErrorKind::BadCredentials
            && (codes.contains(&self.code.as_str())
                || words.iter().any(|words| self.message.starts_with(words)))
    }

    /// The credentials belong to this account, and a call is for another one.
    pub(super) fn wrong_account(account: &AccountId) -> Self {
        let message = format!("the operator's credentials are for the account {account}");
        Self::new(ErrorKind::NeverSent, "WrongAccount", message)
    }
}

impl From<&Failure> for Error {
    fn from(failure: &Failure) -> Self {
        let kind = if matches!(failure.cause, Cause::Denied(_)) {
            ErrorKind::BadCredentials
        } else if failure.cause.is_before_sending() {
            ErrorKind::NeverSent
        } else {
            ErrorKind::Transient
        };
        Self::new(kind, failure.cause.code(), line(&failure.to_string()))
    }
}

/// An answer that the API did not give.
pub(super) fn unreadable(answer: &HttpResponse) -> Error {
    let host = answer.extension().map_or("AWS", |AnsweredBy(host)| host.as_str());
    let message = unreadable_answer(host, answer.status().as_u16());
    Error::new(ErrorKind::Transient, UNREADABLE, line(&message))
}

/// What an error answer says about itself.
#[derive(Debug, Default)]
struct Answer {
    /// Names of the error, the most telling one first.
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

/// A code is a label of metrics and in conditions, and the body that it is from may be anybody's.
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

/// `None`: nothing in the answer names an error.
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
        // AWS numbers no errors; what does may do so anew each time.
        Some(name) if is_known || !name.contains(|char: char| char.is_ascii_digit()) => name,
        None if !is_known => return None,
        _ => "UnknownError",
    };
    Some(Error::new(kind, code, stable(&answer.message)))
}

/// Codes that the SDK knows as throttling, and that Lightsail sends with HTTP 400.
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

/// Refusals of the input. Whatever is in no list is taken for a failure of the service: that proves
/// nothing and is tried again.
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

    #[test]
    fn only_a_plain_refusal_proves_that_nothing_was_done() {
        for kind in [ErrorKind::Transient, ErrorKind::OperationFailed] {
            assert!(!kind.proves_refusal());
        }
        for kind in [
            ErrorKind::Throttled,
            ErrorKind::Denied,
            ErrorKind::NeverSent,
            ErrorKind::RegionSetup,
            ErrorKind::Invalid,
        ] {
            assert!(kind.proves_refusal());
        }
    }
}
