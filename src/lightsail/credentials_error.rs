//! Why there are no AWS credentials: what whoever should give them said, and from where they were
//! to come. An outage is told from a refusal.

use std::error::Error as StdError;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_lightsail::config::http::HttpResponse;
use aws_sdk_lightsail::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_sdk_sts::operation::assume_role_with_web_identity::AssumeRoleWithWebIdentityError;

use super::classify::{find_source, service_error, unreadable};
use super::error::{Error, ErrorKind};
use super::http::Failure;
use super::stable::{line, stable};

impl Error {
    /// The credentials cannot be had from `source`, which is a part of a sentence.
    pub(super) fn credentials(source: &str, error: &CredentialsError) -> Self {
        let why = |why: &str| stable(&format!("no AWS credentials from {source}: {why}"));
        if let Some(failure) = find_source::<Failure>(error) {
            let error = Self::from(failure);
            // It has no ids, and may have a date that stays.
            let message = line(&format!("no AWS credentials from {source}: {}", error.message));
            return Self { message, ..error };
        }
        if let Some(answer) = answer_of_sts(error) {
            // Nothing that a role may or may not do: the role itself is not to be had.
            let is_refused = answer.kind.proves_refusal() && answer.kind != ErrorKind::Throttled;
            let kind = if is_refused { ErrorKind::BadCredentials } else { answer.kind };
            let message = why(&answer.message);
            return Self { kind, message, ..answer };
        }
        if matches!(error, CredentialsError::ProviderTimedOut(_)) {
            return Self::new(ErrorKind::Transient, "Timeout", why("no answer in time"));
        }
        if texts(error).contains(NEEDS_LOGIN) {
            let message = "sessions of `aws login` are not supported; use `aws configure \
                           export-credentials --format env`, or another profile";
            return Self::new(ErrorKind::BadCredentials, "CredentialsError", why(message));
        }
        // The texts may name files, profiles and URLs, which help; the secrets are not in them.
        Self::new(ErrorKind::BadCredentials, "CredentialsError", why(&texts(error)))
    }

    /// What `source` gave is of no use.
    pub(super) fn unusable(source: &str, why: &str) -> Self {
        let message = line(&format!("no AWS credentials from {source}: {why}"));
        Self::new(ErrorKind::BadCredentials, "UnusableCredentials", message)
    }

    /// Credentials that expired before they could be used. `had_some`: the source gave others.
    pub(super) fn expired_credentials(had_some: bool) -> Self {
        let kind = if had_some { ErrorKind::Transient } else { ErrorKind::BadCredentials };
        let message = "the source of the AWS credentials gives ones that have expired, or are \
                       about to; is the clock right?";
        Self::new(kind, "ExpiredCredentials", message)
    }

    /// No way to get credentials is set up, for each of them for a reason. `for_now`: there was one
    /// a moment ago.
    pub(super) fn no_credentials(reasons: &[String], for_now: bool) -> Self {
        let kind = if for_now { ErrorKind::Transient } else { ErrorKind::BadCredentials };
        let message = format!("no AWS credentials from any source; {}", reasons.join("; "));
        Self::new(kind, "NoCredentials", stable(&message))
    }

    /// The token of a role of one partition is not for the STS of another one.
    pub(super) fn other_partition(region: &str) -> Self {
        let message = format!(
            "no AWS credentials for {region}: it is in another partition of AWS than the \
             operator's role"
        );
        Self::new(ErrorKind::BadCredentials, "OtherPartition", message)
    }

    /// AWS does not take the credentials any more, and there are no others.
    pub(super) fn refused_credentials() -> Self {
        let message = "AWS refuses the credentials, and their source has no others";
        Self::new(ErrorKind::BadCredentials, "RefusedCredentials", message)
    }
}

/// What the SDK says in front of what went wrong.
const LOADING: &str = "an error occurred while loading credentials";

/// What the SDK says of a profile with a `login_session`, which it is built without.
const NEEDS_LOGIN: &str = "credentials-login";

/// The texts of what is behind an error.
pub(super) fn texts(error: &CredentialsError) -> String {
    let (mut texts, mut next) = (Vec::new(), error.source());
    while let Some(error) = next {
        texts.push(error.to_string());
        next = error.source();
    }
    texts.retain(|text| text != LOADING);
    for text in &mut texts {
        // A program's own words, and a whole answer, are for nobody's condition.
        for dump in [" Stderr:", ": Response {", " Response {"] {
            text.truncate(text.find(dump).unwrap_or(text.len()));
        }
    }
    texts.dedup();
    if texts.is_empty() { error.to_string() } else { texts.join(": ") }
}

/// What STS answered when a role was to be assumed.
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
