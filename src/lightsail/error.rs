//! Errors of Lightsail, or of the way there: what follows from them, and what is said of them.

use std::error::Error as StdError;
use std::fmt;

use super::http::{Cause, Failure};
use super::stable::line;
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

#[cfg(test)]
mod tests {
    use super::*;

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
