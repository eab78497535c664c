//! The result of a reconciliation, for the loop: when to reconcile again, and what to count.

use std::fmt;
use std::time::Duration;

use crate::api::Reason;

/// When to reconcile an object again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// When something changes.
    Change,
    /// After this time, or when something changes.
    After(Duration),
    /// Like `After`, while what failed before is being repeated: its failures still count.
    Meanwhile(Duration),
    /// Like `After`, with a pause that grows with each reconciliation in a row that ends so.
    Backoff,
    /// Like `Backoff`, but no later than after this time.
    BackoffWithin(Duration),
    /// Soon, because somebody else changed the object meanwhile. The pause grows if that continues.
    StartOver,
}

impl Next {
    /// The same, but no later than after this time if nothing fails.
    #[must_use]
    pub fn within(self, longest: Duration) -> Self {
        match self {
            Self::Change => Self::After(longest),
            Self::After(pause) => Self::After(pause.min(longest)),
            Self::Meanwhile(_) | Self::Backoff | Self::BackoffWithin(_) | Self::StartOver => self,
        }
    }
}

/// What a reconciliation came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Action {
    /// When to reconcile the object again.
    pub next: Next,
    /// What to count.
    pub outcome: Outcome,
}

/// The result of a reconciliation, as metrics count it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The object shows this reason.
    Shows(Reason),
    /// There was nothing to do.
    Unchanged,
    /// The object is gone, or on its way out.
    Gone,
    /// It started over, because somebody else changed the object meanwhile.
    Conflict,
    /// It was abandoned because the operator shuts down.
    Stopping,
    /// The Lease was not held for long enough.
    NotLeading,
    /// The Kubernetes API server refused, or did not answer.
    KubernetesError,
}

impl Outcome {
    /// Why something is not done yet that another reconciliation waits for.
    #[must_use]
    pub fn reason_of_wait(self) -> Reason {
        if let Self::Shows(reason) = self { reason } else { Reason::InProgress }
    }

    /// All that there are.
    pub fn all() -> impl Iterator<Item = Self> {
        let without_reason = [
            Self::Unchanged,
            Self::Gone,
            Self::Conflict,
            Self::Stopping,
            Self::NotLeading,
            Self::KubernetesError,
        ];
        without_reason.into_iter().chain(Reason::of_ready().map(Self::Shows))
    }
}

impl Action {
    /// The object shows this reason, and is reconciled again then.
    #[must_use]
    pub fn shows(reason: Reason, next: Next) -> Self {
        Self { next, outcome: Outcome::Shows(reason) }
    }

    /// It starts over, because somebody else changed the object meanwhile.
    #[must_use]
    pub fn started_over() -> Self {
        Self { next: Next::StartOver, outcome: Outcome::Conflict }
    }

    /// The object is gone, or on its way out: nothing follows unless it changes.
    #[must_use]
    pub fn gone() -> Self {
        Self { next: Next::Change, outcome: Outcome::Gone }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shows(reason) => reason.fmt(formatter),
            Self::Unchanged
            | Self::Gone
            | Self::Conflict
            | Self::Stopping
            | Self::NotLeading
            | Self::KubernetesError => fmt::Debug::fmt(self, formatter),
        }
    }
}
