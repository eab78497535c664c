//! How a pass ends, in the words of the conditions.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::api::Reason;
use crate::api::conditions::{Conditions, READY, RECONCILING, STALLED, find};
use crate::error::Trouble;
use crate::lightsail;

use super::queue::Next;

/// How a pass ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Ready, under way, or stalled.
    pub state: State,
    /// Why.
    pub reason: Reason,
    /// Why, for people. The same text for the same thing.
    pub message: String,
    /// When to look again.
    pub next: Next,
    /// What would be done next, if the object is suspended and something would be.
    pub planned: Option<&'static str>,
}

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// As the spec wants it.
    Ready,
    /// Something is under way or will be tried again.
    Reconciling,
    /// A person must act.
    Stalled,
    /// A person wants it to wait.
    Suspended,
}

impl Verdict {
    /// All is as the spec wants it.
    pub fn ready(reason: Reason, message: impl Into<String>, next: Next) -> Self {
        Self { state: State::Ready, reason, message: message.into(), next, planned: None }
    }

    /// To be looked at again after a while.
    pub fn wait(reason: Reason, message: impl Into<String>, pause: Duration) -> Self {
        Self {
            state: State::Reconciling,
            reason,
            message: message.into(),
            next: Next::After(pause),
            planned: None,
        }
    }

    /// A pass that took more steps than any way through its plan: begun anew after a pause.
    #[must_use]
    pub fn circling(what: &str) -> Self {
        let message = format!("the {what} keeps changing while it is worked on");
        Self { next: Next::Backoff, ..Self::wait(Reason::ServiceError, message, Duration::ZERO) }
    }

    /// A person must act.
    pub fn stalled(reason: Reason, message: impl Into<String>, next: Next) -> Self {
        Self { state: State::Stalled, reason, message: message.into(), next, planned: None }
    }

    /// Something would be done if the object were not suspended.
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
        let reason = self.reason.to_string();
        let ready = if self.state == State::Ready { "True" } else { "False" };
        let conditions = conditions.with(READY, ready, &reason, &self.message);
        match self.state {
            State::Ready | State::Suspended => conditions,
            State::Reconciling => conditions.with(RECONCILING, "True", &reason, &self.message),
            State::Stalled => conditions.with(STALLED, "True", &reason, &self.message),
        }
    }

    /// Whether this is news to somebody who saw these conditions.
    #[must_use]
    pub fn is_news(&self, before: &[Condition]) -> bool {
        let ready = if self.state == State::Ready { "True" } else { "False" };
        find(before, READY)
            .is_none_or(|old| old.status != ready || old.reason != self.reason.to_string())
    }
}

impl From<&lightsail::Error> for Verdict {
    fn from(error: &lightsail::Error) -> Self {
        let trouble = Trouble::from(error);
        Self {
            state: if trouble.stalled { State::Stalled } else { State::Reconciling },
            reason: trouble.reason,
            message: error.to_string(),
            next: trouble.retry.map_or(Next::Backoff, Next::After),
            planned: None,
        }
    }
}
