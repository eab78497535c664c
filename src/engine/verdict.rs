//! How a reconciliation ends, in the words of the conditions.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::jiff::Timestamp;

use crate::api::conditions::{Conditions, READY, RECONCILING, STALLED, find, is_true};
use crate::api::{Reason, Reconciled};
use crate::kube_error::{is_lasting_refusal, without_content};
use crate::lightsail::{self, ErrorKind};

use super::action::Next;
use super::message::Message;

/// How a reconciliation ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Ready, under way, or stalled.
    pub state: State,
    /// Why.
    pub reason: Reason,
    /// Why, for people. The same situation always has the same text.
    pub message: String,
    /// When to reconcile again.
    pub next: Next,
    /// The step that would be next, if the object is suspended.
    pub planned: Option<&'static str>,
}

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Ready, as the spec says.
    Ready,
    /// Something is under way or will be retried.
    Reconciling,
    /// A person must act.
    Stalled,
    /// Suspended by a person.
    Suspended,
}

/// The type of an Event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// All is well.
    Normal,
    /// A person should know.
    Warning,
}

impl Verdict {
    /// Everything is as the spec says.
    pub fn ready(reason: Reason, message: impl Into<String>, next: Next) -> Self {
        Self { state: State::Ready, reason, message: message.into(), next, planned: None }
    }

    /// In progress, and reconciled again after a while.
    pub fn wait(reason: Reason, message: impl Into<String>, pause: Duration) -> Self {
        Self {
            state: State::Reconciling,
            reason,
            message: message.into(),
            next: Next::After(pause),
            planned: None,
        }
    }

    /// It is retried after a pause that grows.
    #[must_use]
    pub fn retried(message: &Message<'_>) -> Self {
        let verdict = Self::wait(message.reason(), message.to_string(), Duration::ZERO);
        Self { next: Next::Backoff, ..verdict }
    }

    /// A request to the API server failed.
    #[must_use]
    pub fn failed_request(error: &kube::Error) -> Self {
        let why = &without_content(error);
        Self::retried(&if is_lasting_refusal(error) {
            Message::RefusedByKubernetes { why }
        } else {
            Message::KubernetesFails { why }
        })
    }

    /// A reconciliation took more steps than any path through its plan. It starts over after a
    /// pause.
    #[must_use]
    pub fn too_many_steps() -> Self {
        Self::retried(&Message::TooManySteps)
    }

    /// A person must act.
    pub fn stalled(reason: Reason, message: impl Into<String>, next: Next) -> Self {
        Self { state: State::Stalled, reason, message: message.into(), next, planned: None }
    }

    /// The object is suspended, and would otherwise be changed.
    pub fn suspended(message: impl Into<String>, next: Next) -> Self {
        Self {
            state: State::Suspended,
            reason: Reason::Suspended,
            message: message.into(),
            next,
            planned: None,
        }
    }

    /// `Ready`, and `Reconciling` or `Stalled` while they are True.
    #[must_use]
    pub fn conditions<'a>(&self, conditions: Conditions<'a>) -> Conditions<'a> {
        let ready = if self.state == State::Ready { "True" } else { "False" };
        let conditions = conditions.with(READY, ready, self.reason, &self.message);
        match self.state {
            State::Ready | State::Suspended => conditions,
            State::Reconciling => conditions.with(RECONCILING, "True", self.reason, &self.message),
            State::Stalled => conditions.with(STALLED, "True", self.reason, &self.message),
        }
    }

    /// The type of its Event.
    #[must_use]
    pub fn severity(&self) -> Severity {
        if self.state == State::Stalled { Severity::Warning } else { Severity::Normal }
    }

    /// Whether this is new compared with these conditions.
    #[must_use]
    pub fn is_news(&self, before: &[Condition]) -> bool {
        let ready = if self.state == State::Ready { "True" } else { "False" };
        let says_so = |old: &Condition| Reason::parse(&old.reason) == Some(self.reason);
        // Where `Ready` keeps an older reason, another condition says this one.
        let is_beside = [RECONCILING, STALLED].into_iter().any(|type_| {
            let old = find(before, type_).filter(|old| old.status == "True");
            old.is_some_and(says_so) && self.state != State::Ready
        });
        let is_same = |old: &Condition| old.status == ready && says_so(old);
        !is_beside && !find(before, READY).is_some_and(is_same)
    }
}

/// How soon to retry a call that was not sent because the Lease is too old. A late renewal may come
/// at any moment; if none comes, the process ends. A growing pause would outlast both.
pub(super) const UNTIL_RENEWAL: Duration = Duration::from_secs(1);

/// The seconds from an object's creation until now, if this verdict makes it Ready for the first
/// time. An object that was edited meanwhile does not count.
pub fn seconds_to_ready<K: Reconciled>(object: &K, state: State, now: Timestamp) -> Option<f64> {
    let is_first = state == State::Ready
        && object.meta().generation == Some(1)
        && !is_true(object.conditions(), READY)
        && object.last_handled_reconcile().is_none();
    let created = object.meta().creation_timestamp.as_ref().filter(|_| is_first)?;
    Some(now.duration_since(created.0).as_secs_f64())
}

impl From<&lightsail::Error> for Verdict {
    /// What an error of Lightsail means for an object.
    fn from(error: &lightsail::Error) -> Self {
        let (state, reason, next) = meaning(error.kind);
        Self { state, reason, message: told(error), next, planned: None }
    }
}

/// What follows from an error of this kind.
fn meaning(kind: ErrorKind) -> (State, Reason, Next) {
    let (retry, minute) = (Next::Backoff, Next::After(Duration::from_mins(1)));
    match kind {
        ErrorKind::Throttled => (State::Reconciling, Reason::Throttled, retry),
        // Setting up an account or a region takes minutes.
        ErrorKind::AccountSetup => (State::Reconciling, Reason::AccountSetupInProgress, minute),
        ErrorKind::RegionSetup => (State::Reconciling, Reason::RegionSetupInProgress, minute),
        ErrorKind::Denied => (State::Stalled, Reason::AccessDenied, retry),
        ErrorKind::BadCredentials => (State::Stalled, Reason::InvalidCredentials, retry),
        ErrorKind::BadKey => (State::Stalled, Reason::InvalidPublicKey, retry),
        ErrorKind::NameTaken => (State::Stalled, Reason::NameConflict, retry),
        ErrorKind::OperationFailed | ErrorKind::Invalid => {
            (State::Stalled, Reason::OperationFailed, retry)
        }
        ErrorKind::RegionNotAllowed => (State::Stalled, Reason::RegionNotAllowed, Next::Change),
        ErrorKind::TooManyRegions => (State::Stalled, Reason::TooManyRegions, retry),
        // It starts over.
        ErrorKind::NotLeading | ErrorKind::Outdated => {
            (State::Reconciling, Reason::ServiceError, Next::After(UNTIL_RENEWAL))
        }
        ErrorKind::NotFound | ErrorKind::Busy | ErrorKind::NeverSent | ErrorKind::Transient => {
            (State::Reconciling, Reason::ServiceError, retry)
        }
    }
}

/// What an object says of an error, with advice where there is some.
fn told(error: &lightsail::Error) -> String {
    let advice = match error.kind {
        // The code is the reason.
        ErrorKind::RegionNotAllowed | ErrorKind::TooManyRegions => return error.message.clone(),
        ErrorKind::BadCredentials if error.refuses_region() => {
            "check spec.region, and whether the region is enabled for the account"
        }
        ErrorKind::BadCredentials if error.is_of_clock() => {
            "compare the operator's clock with that of AWS"
        }
        ErrorKind::BadKey => "use an Ed25519 key, or an RSA key of 2048 or 4096 bits",
        ErrorKind::NotFound
        | ErrorKind::NameTaken
        | ErrorKind::Denied
        | ErrorKind::BadCredentials
        | ErrorKind::AccountSetup
        | ErrorKind::RegionSetup
        | ErrorKind::Busy
        | ErrorKind::Throttled
        | ErrorKind::OperationFailed
        | ErrorKind::Invalid
        | ErrorKind::NeverSent
        | ErrorKind::NotLeading
        | ErrorKind::Outdated
        | ErrorKind::Transient => return error.to_string(),
    };
    format!("{}; {advice}", error.to_string().trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_aws_does_not_accept_is_to_be_checked() {
        let message = |text: &str| {
            let error = lightsail::Error::of_kind(ErrorKind::BadCredentials);
            Verdict::from(&lightsail::Error { message: text.to_owned(), ..error }).message
        };
        let region = message("Credential should be scoped to a valid region, not 'eu-west-9'.");
        assert!(region.contains("'eu-west-9'; check spec.region"), "{region}");
        let key = message("The security token included in the request is invalid.");
        assert!(!key.contains("region"), "{key}");
        let late = "Signature expired: … is now earlier than … (… - 5 min.)";
        let role = format!("the operator cannot assume the role arn:aws:iam::1:role/a: {late}");
        for clock in [late, &role, "Signature not yet current: … is still later than …"] {
            let told = message(clock);
            let expected = format!("{clock}; compare the operator's clock with that of AWS");
            assert!(told.ends_with(&expected), "{told}");
        }
    }
}
