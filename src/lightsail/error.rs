//! Errors of Lightsail or on the way there: what follows from them, and their messages.

use std::error::Error as StdError;
use std::fmt;

use super::http::{Cause, Failure, TIMEOUT, TOO_MANY};
use super::stable_text::{line, stable};
use crate::api::Operation;
use crate::ids::{AccountId, Region};
use crate::key_text::has_key;

/// What follows from an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// There is no such resource.
    NotFound,
    /// Something in the region already has the name; Lightsail does not say what.
    NameTaken,
    /// Lightsail does not accept this public key.
    BadKey,
    /// The credentials may not do this.
    Denied,
    /// The credentials are not valid.
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
    /// Lightsail rejects the input.
    Invalid,
    /// The request was never sent.
    NeverSent,
    /// The operator may not call this region, and did not.
    RegionNotAllowed,
    /// Objects name too many regions that never answered, so this one was not called.
    TooManyRegions,
    /// It was not sent, because this process may no longer hold the Lease when the answer comes.
    NotLeading,
    /// It was not sent, because whoever asked for it did not want it any more when its turn came.
    Outdated,
    /// No answer, or none that shows whether the request was carried out.
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
            | Self::NotLeading
            | Self::Outdated => true,
            Self::OperationFailed | Self::Transient => false,
        }
    }

    /// Whether the operator refused to call the region: AWS was not asked.
    #[must_use]
    pub fn is_of_region(self) -> bool {
        matches!(self, Self::RegionNotAllowed | Self::TooManyRegions)
    }

    /// Whether the credentials are not valid, or may not do this.
    #[must_use]
    pub fn is_of_rights(self) -> bool {
        matches!(self, Self::Denied | Self::BadCredentials)
    }
}

/// An error of Lightsail or on the way there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What kind of error it is: what follows from it.
    pub kind: ErrorKind,
    /// The most specific name in the answer, for example `NameExists` or `Timeout`. It is a label
    /// of metrics.
    pub code: String,
    /// For people. The same error always has the same text, without request ids.
    pub message: String,
    /// The operation of Lightsail that was asked for, if it was sent: its name is that of the
    /// action in an IAM policy.
    pub operation: Option<&'static str>,
}

impl Error {
    /// What anybody may read who reaches the probes: where AWS says which role may not do
    /// something, only the code.
    pub(crate) fn for_probes(&self) -> String {
        let names_role = self.kind == ErrorKind::Denied || self.message.contains("arn:");
        if names_role { self.code.clone() } else { self.to_string() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.code, self.message)
    }
}

impl StdError for Error {}

/// A code becomes a label of metrics and part of conditions, but its body may come from anybody.
pub(super) const LONGEST_CODE: usize = 64;

const ENDLESS_LIST: &str = "EndlessList";
const WAITED_TOO_LONG: &str = "WaitedTooLong";
pub(super) const WRONG_ACCOUNT: &str = "WrongAccount";
pub(super) const REFUSED_CREDENTIALS: &str = "RefusedCredentials";
/// What a source provided and nobody can use, or no longer provides.
pub(super) const UNUSABLE_CREDENTIALS: &str = "UnusableCredentials";
/// Codes from which something follows, and which only the operator itself gives.
const OWN: [&str; 5] =
    [ENDLESS_LIST, WAITED_TOO_LONG, WRONG_ACCOUNT, REFUSED_CREDENTIALS, UNUSABLE_CREDENTIALS];

/// Whether a text of an answer can be a code.
pub(super) fn is_code(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let fits = (1..=LONGEST_CODE).contains(&text.len()) && text.bytes().all(is_allowed);
    fits && !OWN.contains(&text) && !has_key(text)
}

impl Error {
    pub(super) fn new(kind: ErrorKind, code: &str, message: impl Into<String>) -> Self {
        Self { kind, code: code.to_owned(), message: message.into(), operation: None }
    }

    /// A list has more pages than any that is right.
    pub(super) fn endless_list(pages: usize) -> Self {
        let message = format!("a list has more than {pages} pages");
        Self::new(ErrorKind::Transient, ENDLESS_LIST, message)
    }

    /// Whether it is that.
    pub(super) fn is_endless_list(&self) -> bool {
        self.code == ENDLESS_LIST
    }

    /// A page of a list named itself as the next one.
    pub(super) fn repeated_page_token() -> Self {
        Self::new(
            ErrorKind::Transient,
            "RepeatedPageToken",
            "the list does not end: Lightsail returned the same page token again",
        )
    }

    /// Too many requests waited before this one, so it was not sent.
    pub(super) fn waited_too_long() -> Self {
        let message = "AWS accepts so few requests that this one has not been sent yet";
        Self::new(ErrorKind::Throttled, WAITED_TOO_LONG, message)
    }

    /// Whether AWS itself throttled a request that it got.
    #[must_use]
    pub fn is_throttled_by_aws(&self) -> bool {
        self.kind == ErrorKind::Throttled && self.code != WAITED_TOO_LONG
    }

    /// What was asked for has failed, as the operation says. Nothing bounds its words.
    #[must_use]
    pub fn operation_failed(operation: &Operation) -> Self {
        let code = operation.error_code.as_deref().filter(|code| is_code(code));
        let code = code.unwrap_or("OperationFailed");
        let details = operation.error_details.as_deref().unwrap_or("Lightsail does not say why");
        Self::new(ErrorKind::OperationFailed, code, stable(details))
    }

    /// Another process may have the Lease before the call is over.
    pub(super) fn not_leading() -> Self {
        let message =
            "nothing was sent, because the Lease might run out before the response arrives";
        Self::new(ErrorKind::NotLeading, "NotLeading", message)
    }

    /// It is not wanted any more.
    pub(crate) fn outdated() -> Self {
        let message = "nothing was sent, because the object or its account changed in the meantime";
        Self::new(ErrorKind::Outdated, "Outdated", message)
    }

    /// The operator may not call this region.
    pub(super) fn region_not_allowed(region: &Region, allowed: &[String]) -> Self {
        let message = format!(
            "the operator is not allowed to use the region {region}, only {}; create a new object \
             in an allowed region, or ask for the region to be added to --allowed-regions (in the \
             chart, aws.allowedRegions); to release an object that is being deleted, set \
             deletionPolicy: Retain",
            allowed.join(", ")
        );
        Self::new(ErrorKind::RegionNotAllowed, "RegionNotAllowed", message)
    }

    /// This many regions that never answered are already being tried, for `whom`.
    pub(super) fn too_many_regions(region: &Region, most: usize, whom: &str) -> Self {
        let message = format!(
            "nothing was sent to {region}, because {whom} is already waiting for {most} regions \
             that have never responded; check spec.region for a typo, and delete the objects that \
             name regions that do not exist"
        );
        Self::new(ErrorKind::TooManyRegions, "TooManyRegions", message)
    }

    /// An answer lacks what the API model requires.
    pub(super) fn incomplete(member: &str) -> Self {
        Self::new(
            ErrorKind::Transient,
            "IncompleteAnswer",
            format!("the response has no usable {member}"),
        )
    }

    /// The same, if the answer quotes a private key: without a word of it.
    pub(super) fn without_key(self) -> Self {
        let message = "the message of the response was left out, because it may contain a private \
                       key";
        Self { message: message.to_owned(), ..self }
    }

    /// No answer in time.
    #[must_use]
    pub fn timeout() -> Self {
        Self::new(ErrorKind::Transient, TIMEOUT, "no response in time")
    }

    /// Whether it is that, in whichever words: whoever waits for the answer may be the operator,
    /// the SDK or the connection.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        self.kind == ErrorKind::Transient && self.code == TIMEOUT
    }

    /// Whether Lightsail in the region itself gave this answer. Servers on the way do not know its
    /// errors, and what answers for a region that does not exist refuses every signature.
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
            | ErrorKind::Outdated
            | ErrorKind::Transient => false,
        }
    }

    /// Whether a request was refused, and not carried out, because the clocks of this machine and
    /// of AWS differ.
    #[must_use]
    pub fn is_of_clock(&self) -> bool {
        let codes = ["RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"];
        let words = ["Signature expired", "Signature not yet current"];
        self.kind == ErrorKind::BadCredentials
            && (codes.contains(&self.code.as_str())
                || words.iter().any(|words| self.message.contains(words)))
    }

    /// The same of a lookup: that Lightsail failed with it, or refused it, says nothing about what
    /// was to be looked up.
    #[must_use]
    pub fn of_lookup(self) -> Self {
        let says_nothing = matches!(self.kind, ErrorKind::OperationFailed | ErrorKind::Invalid);
        let kind = if says_nothing { ErrorKind::Transient } else { self.kind };
        Self { kind, ..self }
    }

    /// Whether there were too many requests for Lightsail, or for something on the way to it.
    pub(super) fn asks_for_fewer(&self) -> bool {
        self.kind == ErrorKind::Throttled || self.code == TOO_MANY
    }

    /// Whether a server that answers for several regions does not know the region that the request
    /// was signed for.
    #[must_use]
    pub fn refuses_region(&self) -> bool {
        self.message.to_ascii_lowercase().contains("scoped to a valid region")
    }

    /// Whether AWS does not know or accept the key that signed the request. Only other credentials
    /// can help.
    pub(super) fn refuses_key(&self) -> bool {
        let codes = [
            "UnrecognizedClient",
            "InvalidClientTokenId",
            "ExpiredToken",
            "InvalidSignature",
            "SignatureDoesNotMatch",
        ];
        let code = self.code.strip_suffix("Exception").unwrap_or(&self.code);
        self.kind == ErrorKind::BadCredentials && codes.contains(&code) && !self.is_of_clock()
    }

    /// The credentials belong to this account, but the call is for another one.
    pub(super) fn wrong_account(account: &AccountId) -> Self {
        let message = format!("the operator's credentials are for the account {account}");
        Self::new(ErrorKind::NeverSent, WRONG_ACCOUNT, message)
    }

    /// The call is for another account than this one, which is the only one that may be called.
    #[must_use]
    pub fn not_pinned(pinned: &AccountId) -> Self {
        let message = format!("--aws-account-id allows calls only to the account {pinned}");
        Self::new(ErrorKind::NeverSent, WRONG_ACCOUNT, message)
    }

    /// Whether the credentials belong to another account than they should.
    #[must_use]
    pub fn is_of_other_account(&self) -> bool {
        self.code == WRONG_ACCOUNT
    }
}

impl From<&Failure> for Error {
    fn from(failure: &Failure) -> Self {
        let kind = if matches!(failure.cause, Cause::Denied { .. }) {
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
impl Error {
    /// One of this kind.
    pub(crate) fn of_kind(kind: ErrorKind) -> Self {
        Self::new(kind, "Code", "message")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_that_failed_says_it_in_a_line() {
        let failed = |code: &str, details: &str| {
            Error::operation_failed(&Operation {
                error_code: Some(code.to_owned()).filter(|code| !code.is_empty()),
                error_details: Some(details.to_owned()).filter(|details| !details.is_empty()),
                ..Operation::default()
            })
            .to_string()
        };
        assert_eq!(failed("InternalError", "it\n failed"), "InternalError: it failed");
        assert_eq!(failed("", ""), "OperationFailed: Lightsail does not say why");
        let too_long = "C".repeat(LONGEST_CODE + 1);
        for code in ["<html>", "two words", &too_long].into_iter().chain(OWN) {
            assert_eq!(failed(code, "it failed"), "OperationFailed: it failed");
        }
        let part = "MIIEpAIBAAKCAQEA7vJxQz2kLwMIIEpAIBAAKCAQEA7vJxQz2kLw";
        assert_eq!(failed(part, part), "OperationFailed: …");
        let page = "<p>busy</p>\r\n".repeat(10_000);
        let message = failed("Code", &page);
        assert!(message.len() < 500 && !message.contains('\n'), "{message}");
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
