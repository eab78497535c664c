//! How a call is sent: when the limiter allows it, with a timeout, counted, and again if that is
//! useful. A write is sent only if it is still wanted and the Lease outlives its timeout, and has a
//! line in the log.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_sdk_lightsail::config::http::HttpResponse;
use aws_sdk_lightsail::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_lightsail::operation::RequestId;
use aws_sdk_lightsail::types;
use zeroize::Zeroizing;

use super::classify::unreadable;
use super::convert::MOST_OPERATIONS;
use super::current_credentials::CurrentCredentials;
use super::denied_reads::Denied;
use super::error::{Error, ErrorKind};
use super::identifier::{self, id};
use super::limiter::{Limiter, Token};
use super::regions::Regions;
use super::retry::{self, Policy};
use super::sdk_panics::contained;
use super::types::{Read, Result};
use crate::clock::Moment;
use crate::fair_line::Rank;
use crate::ids::Scope;
use crate::key_text::has_key;
use crate::lease::HeldLease;
use crate::metrics::{Metrics, OK};
use crate::ssh::is_private;

/// Whether a write is still wanted, asked just before it is sent: it may have waited for long.
pub type IsWanted<'a> = dyn Fn() -> bool + Send + Sync + 'a;

/// Of what waits for a moment at most.
pub(super) const ALWAYS: fn() -> bool = || true;

/// The call whose answer has a private key.
const DOWNLOAD: &str = "DownloadDefaultKeyPair";

/// What an error says. One that quotes the private key that was asked for says nothing.
fn told<E>(error: &SdkError<E, HttpResponse>, operation: &str) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let told = Error::from(error);
    let body = error.raw_response().and_then(|answer| answer.body().bytes()).unwrap_or_default();
    let body = Zeroizing::new(String::from_utf8_lossy(body).into_owned());
    let has_key = operation == DOWNLOAD && (is_private(&body) || has_key(&body));
    // Of an answer that is none of Lightsail's, nothing is repeated.
    let is_own = error.raw_response().is_some_and(|answer| told == unreadable(answer));
    if has_key && !is_own { told.without_key() } else { told }
}

/// Sends the calls of one account and region.
#[derive(Clone, Debug)]
pub(super) struct Sender {
    pub(super) scope: Scope,
    /// Whose rights it has.
    pub(super) rights: Arc<str>,
    /// The namespace whose turn requests use; empty for shared reads.
    pub(super) namespace: Arc<str>,
    pub(super) limiter: Arc<Limiter>,
    pub(super) regions: Arc<Regions>,
    pub(super) call_timeout: Duration,
    pub(super) lease: HeldLease,
    pub(super) credentials: CurrentCredentials,
    pub(super) denied: Arc<Denied>,
    pub(super) metrics: Metrics,
}

impl Sender {
    pub(super) async fn read<T, E, F>(
        &self,
        operation: &'static str,
        call: impl Fn() -> F,
    ) -> Result<Read<T>>
    where
        F: Future<Output = std::result::Result<T, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        self.send((operation, None), Policy::Read, &ALWAYS, call, |_, _| {}).await
    }

    /// As [`Self::read`]; `None` if there is no such thing.
    pub(super) async fn find<T, E, F>(
        &self,
        (operation, policy): (&'static str, Policy),
        call: impl Fn() -> F,
    ) -> Result<Read<Option<T>>>
    where
        F: Future<Output = std::result::Result<T, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let mut sent_at = Moment::now();
        match self.send((operation, None), policy, &ALWAYS, call, |at, _| sent_at = at).await {
            Ok(Read { value, at }) => Ok(Read { value: Some(value), at }),
            Err(error) if error.kind == ErrorKind::NotFound => {
                Ok(Read { value: None, at: sent_at })
            }
            Err(error) => Err(error),
        }
    }

    /// Sends a call when its turn has come, and again if that is useful. `note` learns when each
    /// was sent, and what came of it. A write names what it changes.
    async fn send<T, E, F>(
        &self,
        (operation, changed): (&'static str, Option<&str>),
        policy: Policy,
        is_wanted: &IsWanted<'_>,
        call: impl Fn() -> F,
        mut note: impl FnMut(Moment, &std::result::Result<T, SdkError<E, HttpResponse>>),
    ) -> Result<Read<T>>
    where
        F: Future<Output = std::result::Result<T, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let (begun, asked_at) = (Instant::now(), Moment::now());
        let mut sent = 0;
        loop {
            let token = self
                .token(
                    operation,
                    policy.rank(),
                    policy.patience(self.call_timeout).saturating_sub(begun.elapsed()),
                )
                .await?;
            if !policy.may_be_sent_after(asked_at.elapsed(), self.call_timeout) {
                return Err(Error::waited_too_long());
            }
            if !policy.is_read() && !self.lease.outlives(self.call_timeout) {
                return Err(Error::not_leading());
            }
            if !is_wanted() {
                return Err(Error::outdated());
            }
            let at = Moment::now();
            let request = Unanswered { sender: self, operation, changed, sent_at: Instant::now() };
            let outcome = contained(async { call().await }).await;
            sent += 1;
            let outcome = outcome.and_then(|outcome| {
                note(at, &outcome);
                outcome.map_err(|error| Error {
                    operation: Some(operation),
                    ..told(&error, operation)
                })
            });
            let code = outcome.as_ref().map_or_else(|error| error.code.as_str(), |_| OK);
            request.answered(code);
            if policy.is_read() && self.denied.is_news(operation, outcome.as_ref().err()) {
                self.log_denied(operation, outcome.as_ref().err());
            }
            // A wrong clock says nothing about the credentials.
            let is_refused =
                |error: &Error| error.kind == ErrorKind::BadCredentials && !error.is_of_clock();
            if outcome.as_ref().is_err_and(is_refused) {
                self.credentials.note_refused(&self.scope.region);
            }
            if outcome.as_ref().map_or_else(Error::is_answer, |_| true) {
                self.credentials.note_accepted(&self.scope.region);
                self.regions.note_answer(&self.scope.region);
            }
            if outcome.as_ref().is_err_and(Error::asks_for_fewer) {
                self.limiter.refused(token);
                self.metrics.throttled(&self.scope);
            } else {
                self.limiter.accepted(token);
            }
            let error = match outcome {
                Ok(value) => return Ok(Read { value, at }),
                Err(error) => error,
            };
            match retry::pause(policy, &error, begun.elapsed(), sent, self.call_timeout) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return Err(error),
            }
        }
    }

    /// What an object shows of it is only the code. A change has its own line.
    fn log_denied(&self, operation: &'static str, error: Option<&Error>) {
        let (account, region) = (self.scope.account.as_str(), self.scope.region.as_str());
        tracing::warn!(
            operation,
            account,
            region,
            caller = &*self.rights,
            code = error.map(|error| &*error.code),
            error = error.map(|error| &*error.message),
            "AWS denies a read request; this is not logged again until the request has succeeded"
        );
    }

    async fn token(
        &self,
        operation: &'static str,
        rank: Rank,
        patience: Duration,
    ) -> Result<Token> {
        let _waits = self.metrics.waits(&self.scope);
        let token = self.limiter.token(operation, &self.namespace, rank);
        let token = tokio::time::timeout(patience, token).await;
        self.metrics.set_rate(&self.scope, self.limiter.rate());
        token.map_err(|_| Error::waited_too_long())
    }

    /// As [`Self::read`], with a line in the log that says what was changed in AWS, and connects it
    /// with CloudTrail.
    pub(super) async fn change<T, E, F>(
        &self,
        (operation, resource, policy): (&'static str, &str, Policy),
        is_wanted: &IsWanted<'_>,
        call: impl Fn() -> F,
        operations: impl Fn(&T) -> Vec<types::Operation>,
    ) -> Result<T>
    where
        F: Future<Output = std::result::Result<T, SdkError<E, HttpResponse>>>,
        T: RequestId,
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let mut request_id = String::new();
        let note_id = |_, outcome: &std::result::Result<T, SdkError<E, HttpResponse>>| {
            request_id = outcome.as_ref().map_or_else(
                |error| error.raw_response().map(identifier::request_id).unwrap_or_default(),
                identifier::request_id,
            );
        };
        let call = self.send((operation, Some(resource)), policy, is_wanted, call, note_id);
        let outcome = call.await.map(|seen| seen.value);
        let (account, region) = (self.scope.account.as_str(), self.scope.region.as_str());
        match &outcome {
            Ok(answer) => {
                let ids = operations(answer)
                    .into_iter()
                    .filter_map(|operation| id(operation.id))
                    .take(MOST_OPERATIONS)
                    .collect::<Vec<_>>()
                    .join(" ");
                tracing::info!(
                    operation,
                    resource,
                    account,
                    region,
                    request_id,
                    operation_id = (!ids.is_empty()).then_some(ids),
                    "a call to Lightsail succeeded"
                );
            }
            Err(error) => {
                let (code, error) = (&error.code, &error.message);
                tracing::warn!(
                    operation,
                    resource,
                    account,
                    region,
                    request_id,
                    code,
                    error,
                    "a call to Lightsail failed"
                );
            }
        }
        outcome
    }
}

/// A request that was sent. If nobody waits for its answer any more (an object is released, the
/// process ends), it may have taken effect all the same, and the log and the metrics say so.
struct Unanswered<'a> {
    sender: &'a Sender,
    operation: &'static str,
    changed: Option<&'a str>,
    sent_at: Instant,
}

/// The code of a request whose answer nobody waited for.
const GIVEN_UP: &str = "GivenUp";

impl Unanswered<'_> {
    fn answered(self, code: &str) {
        self.count(code);
        std::mem::forget(self);
    }

    fn count(&self, code: &str) {
        let region = self.sender.scope.region.as_str();
        self.sender.metrics.lightsail_request(self.operation, region, code, self.sent_at.elapsed());
    }
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        self.count(GIVEN_UP);
        let Some(resource) = self.changed else { return };
        let (account, region) = (&self.sender.scope.account, &self.sender.scope.region);
        tracing::warn!(
            operation = self.operation,
            resource,
            account = account.as_str(),
            region = region.as_str(),
            "the operator gave up on a call to Lightsail; the call may still take effect"
        );
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_lightsail::operation::download_default_key_pair::DownloadDefaultKeyPairError;
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_that_quotes_the_downloaded_key_says_nothing() {
        let key = "MIIEpAIBAAKCAQEA7vJ/x+Qz2kLw".repeat(3);
        for (name, operation, said, expected) in [
            ("PEM", DOWNLOAD, "sent -----BEGIN RSA PRIVATE KEY-----\nMIIE", None),
            ("its base64", DOWNLOAD, &format!("sent {key}"), None),
            ("its file", DOWNLOAD, "sent PuTTY, and PRIVATE KEY----- of it", None),
            ("words", DOWNLOAD, "no default key pair", Some("no default key pair")),
            ("another call", "GetKeyPair", &format!("sent {key}"), Some("sent …")),
        ] {
            let code = "InvalidInputException";
            let told = told_of(&json!({ "__type": code, "message": said }).to_string(), operation);
            let left_out = Error::of_kind(ErrorKind::Invalid).without_key().message;
            assert_eq!(told.message, expected.unwrap_or(&left_out), "{name}");
            assert_eq!((told.kind, told.code.as_str()), (ErrorKind::Invalid, code), "{name}");
        }
    }

    #[test]
    fn an_answer_that_quotes_the_downloaded_key_says_nothing_whatever_it_is_called() {
        let said = "sent PuTTY, and PRIVATE KEY----- of it";
        for code in ["UnreadableAnswer", "TooManyRequests"] {
            for name in ["__type", "code"] {
                let told = told_of(&json!({ name: code, "message": said }).to_string(), DOWNLOAD);
                assert!(!told.message.contains("PuTTY"), "{name} {code}: {told}");
            }
        }
        let told = told_of(&format!("<html>{said}</html>"), DOWNLOAD);
        assert!(told.message.contains("400"), "of a page, nothing is repeated: {told}");
    }

    fn told_of(body: &str, operation: &str) -> Error {
        let status = aws_smithy_runtime_api::http::StatusCode::try_from(400).unwrap();
        let answer = HttpResponse::new(status, body.into());
        let error: SdkError<DownloadDefaultKeyPairError, HttpResponse> =
            SdkError::response_error("unread", answer);
        told(&error, operation)
    }
}
