//! Why there are no AWS credentials: their source, and what it answered. An outage is distinguished
//! from a refusal.

use std::error::Error as StdError;
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_lightsail::config::http::HttpResponse;
use aws_sdk_lightsail::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_sdk_sts::operation::assume_role_with_web_identity::AssumeRoleWithWebIdentityError;

use super::classify::{find_source, service_error, unreadable};
use super::error::{Error, ErrorKind, REFUSED_CREDENTIALS, UNUSABLE_CREDENTIALS, WRONG_ACCOUNT};
use super::http::Failure;
use super::stable_text::{line, stable};
use crate::ids::AccountId;

impl Error {
    /// `source`, which is part of a sentence, did not provide credentials.
    pub(super) fn credentials(source: &str, error: &CredentialsError) -> Self {
        let why = |why: &str| stable(&format!("no AWS credentials from {source}: {why}"));
        if let Some(failure) = find_source::<Failure>(error) {
            let error = Self::from(failure);
            // It has no ids, and may have a date that does not change.
            let message = line(&format!("no AWS credentials from {source}: {}", error.message));
            return Self { message, ..error };
        }
        if let Some(answer) = answer_of_sts(error) {
            // This is not about what the role may do: the role itself is not available.
            let is_refused = answer.kind.proves_refusal() && answer.kind != ErrorKind::Throttled;
            let kind = if is_refused { ErrorKind::BadCredentials } else { answer.kind };
            let message = why(&answer.message);
            return Self { kind, message, ..answer };
        }
        let texts = texts(error);
        if let Some((_, host)) = texts.split_once(NO_ADDRESS) {
            let why = why(&format!("DNS has no address for {host}"));
            return Self::new(ErrorKind::NeverSent, "NameNotResolved", why);
        }
        Self::unusable_credentials(source, advice(&texts).unwrap_or(&texts))
    }

    /// The source is set up, but cannot be used. No part of `why` is secret.
    fn unusable_credentials(source: &str, why: &str) -> Self {
        let message = stable(&format!("no AWS credentials from {source}: {why}"));
        Self::new(ErrorKind::BadCredentials, "CredentialsError", message)
    }

    /// No credentials arrived in this time.
    pub(super) fn credentials_late(limit: Duration) -> Self {
        let message = format!("no AWS credentials: no response in time ({limit:?})");
        Self::new(ErrorKind::Transient, "Timeout", message)
    }

    /// An access key could not be read from where it is kept. A retry may succeed.
    #[must_use]
    pub fn unread_key(source: &str, why: &str) -> Self {
        let message = line(&format!("no AWS credentials from {source}: {why}"));
        Self::new(ErrorKind::Transient, "KeyNotRead", message)
    }

    /// What `source` provided cannot be used.
    #[must_use]
    pub fn unusable(source: &str, why: &str) -> Self {
        let message = line(&format!("no AWS credentials from {source}: {why}"));
        Self::new(ErrorKind::BadCredentials, UNUSABLE_CREDENTIALS, message)
    }

    /// Whether the source has no credentials that can be used, whatever AWS would say of them.
    pub(super) fn is_of_source(&self) -> bool {
        self.code == UNUSABLE_CREDENTIALS
    }

    /// The credentials expired before they could be used. `had_some`: the source has provided
    /// others before.
    pub(super) fn expired_credentials(had_some: bool) -> Self {
        let kind = if had_some { ErrorKind::Transient } else { ErrorKind::BadCredentials };
        let message = "the AWS credentials that the operator gets have expired or are about to \
                       expire; check the operator's clock, and whatever renews the credentials";
        Self::new(kind, "ExpiredCredentials", message)
    }

    /// No source of credentials is set up, each for a reason. `for_now`: there was one a moment
    /// ago.
    pub(super) fn no_credentials(reasons: &[String], for_now: bool) -> Self {
        let kind = if for_now { ErrorKind::Transient } else { ErrorKind::BadCredentials };
        let reasons = reasons.join("; ");
        let message = format!("no AWS credentials from any source; set one up ({reasons})");
        Self::new(kind, "NoCredentials", stable(&message))
    }

    /// The token of a role of one partition is not for the STS of another one.
    pub(super) fn other_partition(region: &str) -> Self {
        let message = format!(
            "no AWS credentials for {region}: it is in a different AWS partition than the \
             operator's role; create the object in a region of the role's partition"
        );
        Self::new(ErrorKind::BadCredentials, "OtherPartition", message)
    }

    /// AWS never denies `GetCallerIdentity`; only a policy on the way can. Then the credentials
    /// cannot be used.
    pub(super) fn of_identity(self) -> Self {
        let message = format!("the account of the AWS credentials is unknown: {}", self.message);
        Self { message, ..self }
    }

    /// The role could not be assumed. A refusal concerns the role itself, not what the role may do,
    /// so it counts as bad credentials.
    pub(super) fn of_role(self, arn: &str) -> Self {
        let is_refused = self.kind.proves_refusal()
            && !matches!(self.kind, ErrorKind::Throttled | ErrorKind::NeverSent);
        let kind = if is_refused { ErrorKind::BadCredentials } else { self.kind };
        let message = line(&format!("the operator cannot assume the role {arn}: {}", self.message));
        Self { kind, message, ..self }
    }

    /// The credentials of a `LightsailAccount` belong to another account than its spec says.
    pub(super) fn of_other_account(found: &AccountId, expected: &AccountId) -> Self {
        let message = format!(
            "the credentials are for the account {found}, but spec.accountID is {expected}; \
             correct the credentials or the roles, or create a LightsailAccount for {found}"
        );
        Self::new(ErrorKind::BadCredentials, WRONG_ACCOUNT, message)
    }

    /// AWS no longer accepts the credentials, and there are no others.
    pub(super) fn refused_credentials() -> Self {
        let message = "AWS refuses the credentials, and their source has no others; check whether \
                       they were deleted or replaced, and whether the clock is right";
        Self::new(ErrorKind::BadCredentials, REFUSED_CREDENTIALS, message)
    }

    /// Whether it is that.
    pub(super) fn is_of_refused_credentials(&self) -> bool {
        self.code == REFUSED_CREDENTIALS
    }
}

/// What the SDK puts in front of the cause.
const LOADING: &str = "an error occurred while loading credentials";

/// What the SDK says of a container's endpoint; the rest is its host.
const NO_ADDRESS: &str = "(failed to perform DNS lookup while validating URI): ";

/// What to do about an SDK error, where its words do not say.
fn advice(texts: &str) -> Option<&'static str> {
    let advice = [
        // The SDK is built without it.
        (
            "credentials-login",
            "sessions of `aws login` are not supported; use `aws configure export-credentials \
             --format env`, or another profile",
        ),
        (
            "failed to load the cached SSO token",
            "there is no session of IAM Identity Center; run `aws sso login`",
        ),
        (
            "cached SSO token file",
            "the session of IAM Identity Center cannot be read; run `aws sso login`",
        ),
        (
            "environment variable not set",
            "credential_source is Environment, and AWS_ACCESS_KEY_ID or AWS_SECRET_ACCESS_KEY is \
             not set",
        ),
        (
            "token response did not contain a TTL header",
            "no token from it; version 2 (IMDSv2) is required",
        ),
    ];
    advice.into_iter().find(|(words, _)| texts.contains(words)).map(|(_, advice)| advice)
}

/// The texts of an error's sources.
pub(super) fn texts(error: &CredentialsError) -> String {
    let (mut texts, mut next) = (Vec::new(), error.source());
    while let Some(error) = next {
        texts.push(error.to_string());
        next = error.source();
    }
    texts.retain(|text| text != LOADING);
    for text in &mut texts {
        // A program's own words and whole answers do not go into conditions.
        for dump in [" Stderr:", ": Response {", " Response {"] {
            text.truncate(text.find(dump).unwrap_or(text.len()));
        }
    }
    texts.dedup();
    if texts.is_empty() { error.to_string() } else { hosts_only(&texts.join(": ")) }
}

/// The text with only the host of each URL: the rest may contain a password or a token.
fn hosts_only(text: &str) -> String {
    let (mut kept, mut rest) = (String::new(), text);
    while let Some(at) = rest.find("://") {
        let (before, url) = (&rest[..at], &rest[at + 3..]);
        let scheme = |char: char| char.is_ascii_alphanumeric() || "+-.".contains(char);
        kept.push_str(before.trim_end_matches(scheme));
        let end = url.find(|char: char| char.is_whitespace() || "\"'`<>".contains(char));
        let (url, after) = url.split_at(end.unwrap_or(url.len()));
        let authority = url.split(['/', '?', '#']).next().unwrap_or_default();
        // With a / in the password, the end of the authority is not known.
        let host = if url.contains('@') && !authority.contains('@') { "…" } else { authority };
        kept.push_str(host.rsplit('@').next().unwrap_or_default());
        rest = after;
    }
    kept + rest
}

/// The answer of STS to an attempt to assume a role.
fn answer_of_sts(error: &CredentialsError) -> Option<Error> {
    fn answer<E: ProvideErrorMetadata + StdError + 'static>(
        error: &SdkError<E, HttpResponse>,
    ) -> Option<Error> {
        if let SdkError::ServiceError(service) = error {
            return Some(service_error(service.err(), service.raw()));
        }
        if let SdkError::ResponseError(response) = error {
            return Some(unreadable(response.raw()));
        }
        None
    }
    let web_identity = find_source::<SdkError<AssumeRoleWithWebIdentityError, HttpResponse>>(error);
    let role = find_source::<SdkError<AssumeRoleError, HttpResponse>>(error);
    web_identity.and_then(answer).or_else(|| role.and_then(answer))
}

#[cfg(test)]
mod tests {
    use super::hosts_only;

    #[test]
    fn of_a_url_only_the_host_is_told() {
        for (text, expected) in [
            (
                "invalid full URI (no allowed IP address): http://ann:PW@10.9.9.9:80/c?token=PW",
                "invalid full URI (no allowed IP address): 10.9.9.9:80",
            ),
            ("at `https://a.example/PW`: no", "at `a.example`: no"),
            ("https://a?PW and http://[::1]#PW", "a and [::1]"),
            ("http://ann:P/W@host/x", "…"),
            ("http://ann@b:PW@host/x", "host"),
            ("no URL: a/b", "no URL: a/b"),
        ] {
            assert_eq!(hosts_only(text), expected, "{text}");
        }
    }
}
