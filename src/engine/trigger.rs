//! What a reconciliation of an object of any kind depends on, and how soon a change leads to one.
//! Pure.

use std::time::{Duration, Instant};

use super::gitops_labels::tracked_by;
use super::objects::{asked, has_finalizer};
use crate::api::Reconciled;
use crate::digest::Digest;

/// What a reconciliation of an object of any kind depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// The generation of the spec.
    pub generation: i64,
    /// Whether the object is being deleted.
    pub is_deleting: bool,
    /// Whether the finalizer of its kind is there.
    pub has_finalizer: bool,
    /// The digest of the annotation that asks for a reconciliation.
    pub reconcile: Option<Digest<String>>,
    /// The tool that tracks the object as one of those that it has applied.
    pub tracked_by: Option<&'static str>,
}

/// Whether a change needs a reconciliation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asks {
    /// It does not.
    Nothing,
    /// Yes, once the last such change is long enough ago.
    Paced,
    /// Immediately.
    Now,
}

impl Trigger {
    /// What a reconciliation of this object depends on.
    pub fn of<K: Reconciled>(object: &K) -> Self {
        let meta = object.meta();
        Self {
            generation: meta.generation.unwrap_or_default(),
            is_deleting: meta.deletion_timestamp.is_some(),
            has_finalizer: K::FINALIZER.is_some_and(|name| has_finalizer(object, name)),
            reconcile: asked(object).map(Digest::of),
            tracked_by: tracked_by(object),
        }
    }

    /// Whether the spec was edited since `before`, or the object deleted. A watch may also be
    /// behind what was read.
    #[must_use]
    pub fn is_after(&self, before: &Self) -> bool {
        self.generation > before.generation || (self.is_deleting && !before.is_deleting)
    }

    /// Whether the change from `before` to this needs a reconciliation. An added finalizer does
    /// not: the operator adds it itself.
    pub(super) fn asks(&self, before: &Self) -> Asks {
        if self.generation != before.generation || self.is_deleting != before.is_deleting {
            return Asks::Now;
        }
        let has_changed = (before.has_finalizer && !self.has_finalizer)
            || self.reconcile != before.reconcile
            || self.tracked_by != before.tracked_by;
        if has_changed { Asks::Paced } else { Asks::Nothing }
    }
}

/// Anybody who may edit an object can change its metadata over and over. That queues the object at
/// most once in this time, so it costs others nothing.
const PAUSE: Duration = Duration::from_secs(10);

/// When a paced change is due, given when another one was or will be: one reconciliation covers all
/// changes before it.
pub(super) fn paced(last: Option<Instant>, now: Instant) -> Instant {
    match last {
        Some(last) if last > now => last,
        Some(last) => now.max(last + PAUSE),
        None => now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_moves_an_object_at_most_once_in_a_while() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        for (name, last, now, expected) in [
            ("the first", None, 0, 0),
            ("soon after it", Some(0), 1, 10),
            ("when another one is on its way", Some(10), 2, 10),
            ("just before that", Some(10), 9, 10),
            ("with it", Some(10), 10, 20),
            ("soon after it", Some(10), 12, 20),
            ("long after it", Some(10), 25, 25),
        ] {
            assert_eq!(paced(last.map(at), at(now)), at(expected), "{name}");
        }
    }

    #[test]
    fn what_everybody_can_change_at_will_is_paced() {
        type Change = fn(&mut Trigger);
        let before = Trigger {
            generation: 1,
            is_deleting: false,
            has_finalizer: true,
            reconcile: None,
            tracked_by: None,
        };
        let rows: [(&str, Change, Asks); 6] = [
            ("nothing", |_| {}, Asks::Nothing),
            ("the spec", |after| after.generation = 2, Asks::Now),
            ("a deletion", |after| after.is_deleting = true, Asks::Now),
            ("a finalizer that is taken off", |after| after.has_finalizer = false, Asks::Paced),
            ("the annotation", |after| after.reconcile = Some(Digest::of("1")), Asks::Paced),
            ("a tool that tracks it", |after| after.tracked_by = Some("Helm"), Asks::Paced),
        ];
        for (name, change, expected) in rows {
            let mut after = before.clone();
            change(&mut after);
            assert_eq!(after.asks(&before), expected, "{name}");
        }
        for (name, generation, is_deleting, expected) in [
            ("the same", 1, false, false),
            ("what a watch that is behind shows", 0, false, false),
            ("an edited spec", 2, false, true),
            ("a deletion", 1, true, true),
        ] {
            let seen = Trigger { generation, is_deleting, ..before.clone() };
            assert_eq!(seen.is_after(&before), expected, "{name}");
        }
        let without = Trigger { has_finalizer: false, ..before.clone() };
        assert_eq!(before.asks(&without), Asks::Nothing, "the operator adds the finalizer itself");
    }
}
