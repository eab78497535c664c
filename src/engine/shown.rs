//! What an object shows: it is counted, and decides what others may claim.

use crate::api::conditions::{READY, is_true, reason};
use crate::api::{Reason, Reconciled};

/// What the condition Ready of an object shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shown {
    /// Whether it is True.
    pub ready: bool,
    /// Its reason, if it has one that this version knows.
    pub reason: Option<Reason>,
}

impl Shown {
    /// What an object shows.
    pub fn of<K: Reconciled>(object: &K) -> Self {
        let conditions = object.conditions();
        Self { ready: is_true(conditions, READY), reason: reason(conditions, READY) }
    }

    /// The reason as it is counted: empty until the object was observed.
    #[must_use]
    pub fn word(&self) -> String {
        self.reason.map(|reason| reason.to_string()).unwrap_or_default()
    }
}
