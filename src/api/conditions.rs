//! Conditions in the way of the Kubernetes API conventions and kstatus.
//!
//! `Ready` is always there. `Reconciling` and `Stalled` are there only while they are True
//! ("abnormal-true"): kstatus reads `Ready=False` alone as "in progress", so what a person must fix
//! sets `Stalled` as well.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;

use super::reason::Reason;

/// The object is as its spec wants it.
pub const READY: &str = "Ready";
/// Something is under way or will be tried again.
pub const RECONCILING: &str = "Reconciling";
/// A person must act.
pub const STALLED: &str = "Stalled";
/// Whether the fingerprint in Lightsail is that of the key.
pub const FINGERPRINT_VERIFIED: &str = "FingerprintVerified";
/// A `HostKeyReset` was done.
pub const COMPLETE: &str = "Complete";
/// A `HostKeyReset` was not done, or it is unknown whether it was.
pub const FAILED: &str = "Failed";
/// A `HostKeyReset` is suspended; False once it was allowed to go on.
pub const SUSPENDED: &str = "Suspended";

/// The conditions of one reconciliation, built upon those of the last: `lastTransitionTime` moves
/// only with `status`.
#[derive(Debug)]
pub struct Conditions<'a> {
    before: &'a [Condition],
    generation: i64,
    now: Timestamp,
    list: Vec<Condition>,
}

impl<'a> Conditions<'a> {
    /// Starts from the conditions that the object has.
    #[must_use]
    pub fn new(before: &'a [Condition], generation: i64, now: Timestamp) -> Self {
        Self { before, generation, now, list: Vec::new() }
    }

    /// Adds a condition. `status` is `True`, `False` or `Unknown`.
    #[must_use]
    pub fn with(mut self, type_: &str, status: &str, reason: Reason, message: &str) -> Self {
        let since = find(self.before, type_)
            .filter(|old| old.status == status)
            .map_or(Time(whole_seconds(self.now)), |old| old.last_transition_time.clone());
        self.list.push(Condition {
            type_: type_.to_owned(),
            status: status.to_owned(),
            observed_generation: Some(self.generation),
            last_transition_time: since,
            reason: reason.to_string(),
            message: message.to_owned(),
        });
        self
    }

    /// Adds a condition as it was, for the present generation.
    #[must_use]
    pub fn with_old(mut self, old: &Condition) -> Self {
        let observed_generation = Some(self.generation);
        self.list.push(Condition { observed_generation, ..old.clone() });
        self
    }

    /// The finished list.
    #[must_use]
    pub fn into_list(self) -> Vec<Condition> {
        self.list
    }
}

/// The condition of this type.
#[must_use]
pub fn find<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == type_)
}

/// The reason of the condition of this type, if it is there and this version knows the word.
#[must_use]
pub fn reason(conditions: &[Condition], type_: &str) -> Option<Reason> {
    find(conditions, type_).and_then(|condition| Reason::parse(&condition.reason))
}

/// Whether the condition of this type is there and True.
#[must_use]
pub fn is_true(conditions: &[Condition], type_: &str) -> bool {
    find(conditions, type_).is_some_and(|condition| condition.status == "True")
}

/// The same time without its fraction, as Kubernetes keeps times: what is written is then what will
/// be read.
#[must_use]
pub fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transition_time_moves_only_with_the_status() {
        let early = Timestamp::from_second(1_000).unwrap();
        let late = Timestamp::from_second(2_000).unwrap();
        let first =
            Conditions::new(&[], 1, early).with(READY, "False", Reason::Throttled, "a").into_list();
        let second = Conditions::new(&first, 2, late)
            .with(READY, "False", Reason::ServiceError, "b")
            .into_list();
        assert_eq!(second[0].last_transition_time.0, early);
        assert_eq!(second[0].observed_generation, Some(2));
        let third = Conditions::new(&second, 2, late)
            .with(READY, "True", Reason::Imported, "c")
            .into_list();
        assert_eq!(third[0].last_transition_time.0, late);
    }
}
