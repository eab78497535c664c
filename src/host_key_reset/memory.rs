//! What is remembered of resets between reconciliations. Losing it costs time, never safety.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use parking_lot::Mutex;

use super::claim::ResetClaim;
use super::plan::{Aftermath, CallAfter};
use super::turns::Turns;
use super::world::{Call, KnownOperation};
use crate::clock::Moment;
use crate::engine::ObjectRef;
use crate::engine::rows::Rows;
use crate::ids::Scope;
use crate::lightsail::Instance;

/// What is remembered.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// What is kept of each object.
    pub(super) rows: Mutex<Rows<ResetClaim>>,
    /// What is known of resets that are under way.
    pub(super) open: Mutex<HashMap<ObjectRef, Recollection>>,
    /// By uid: when those that are not over were started.
    pub(super) starts: Mutex<HashMap<String, Moment>>,
    /// By uid: those whose last reconciliation failed before they began.
    pub(super) failed: Mutex<HashSet<String>>,
    /// Which reset has its turn at each instance.
    pub(super) turns: Mutex<Turns>,
    /// The operations of resets that are over, whose objects may be gone.
    pub(super) ended: Mutex<EndedOperations>,
    /// What was read of instances a moment ago.
    pub(super) instances: Mutex<HashMap<InstanceKey, SharedRead>>,
}

/// What a reset read of an instance serves the others for this long at most.
const SHARED_FOR: Duration = Duration::from_secs(10);

/// An account and region, the rights that were used, and the name of the instance: what AWS shows
/// to one it may not show to others.
pub(super) type InstanceKey = (Scope, Arc<str>, String);

/// What was read of an instance.
#[derive(Debug)]
pub(super) struct SharedRead {
    instance: Option<Instance>,
    at: Moment,
}

/// By instance: the operations of resets that are over, and since when.
#[derive(Debug, Default)]
pub(super) struct EndedOperations(HashMap<(Scope, String), Vec<(KnownOperation, Moment)>>);

impl EndedOperations {
    /// A reset of an instance has ended with these operations. What is older than `kept_for` is
    /// dropped.
    pub(super) fn note(
        &mut self,
        scope: Scope,
        instance: &str,
        operations: &[KnownOperation],
        kept_for: Duration,
    ) {
        self.0.retain(|_, ended| {
            ended.retain(|(_, since)| since.elapsed() < kept_for);
            !ended.is_empty()
        });
        let now = Moment::now();
        let all = self.0.entry((scope, instance.to_owned())).or_default();
        let is_new =
            |operation: &&KnownOperation| !all.iter().any(|(known, _)| known == *operation);
        let news: Vec<_> = operations.iter().filter(is_new).cloned().collect();
        all.extend(news.into_iter().map(|operation| (operation, now)));
    }

    /// The operations of resets of this instance.
    pub(super) fn of(&self, scope: Scope, instance: &str) -> impl Iterator<Item = &KnownOperation> {
        let ended = self.0.get(&(scope, instance.to_owned())).into_iter().flatten();
        ended.map(|(operation, _)| operation)
    }
}

/// What is known of a reset that is under way.
#[derive(Clone, Debug, Default)]
pub(super) struct Recollection {
    pub(super) uid: String,
    /// The search for a call whose outcome is not known.
    pub(super) search: SearchMoments,
    /// How the call ended, until that is recorded.
    pub(super) call: Option<Call>,
}

/// The search for a call whose outcome is not known, by the clock that does not jump.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SearchMoments {
    /// By Lightsail's clock.
    pub(super) intent: Option<Timestamp>,
    pub(super) since: Option<Moment>,
    pub(super) first_list: Option<Moment>,
}

impl Memory {
    /// When the object with this uid was started, as this process knew it first.
    pub(super) fn start(&self, uid: &str, known: impl FnOnce() -> Moment) -> Moment {
        let mut starts = self.starts.lock();
        *starts.entry(uid.to_owned()).or_insert_with(known)
    }

    /// When the object with this uid was started, if this process knows.
    pub(super) fn find_start(&self, uid: &str) -> Option<Moment> {
        self.starts.lock().get(uid).copied()
    }

    /// The object with this uid is over or gone.
    pub(super) fn forget_uid(&self, uid: &str) {
        self.starts.lock().remove(uid);
        self.failed.lock().remove(uid);
    }

    /// Drops what is not kept of the object with this uid after a reconciliation.
    pub(super) fn settle(&self, at: &ObjectRef, uid: &str, aftermath: Aftermath) {
        match aftermath.call {
            CallAfter::Kept => {}
            CallAfter::Left => self.forget(at, uid, true),
            CallAfter::Over => self.forget(at, uid, false),
        }
        if !aftermath.keeps_start {
            self.forget_uid(uid);
        }
    }

    /// Whether the last reconciliation of the object with this uid failed before it began.
    pub(super) fn note_failed(&self, uid: &str, has_failed: bool) {
        let mut failed = self.failed.lock();
        if has_failed {
            failed.insert(uid.to_owned());
        } else {
            failed.remove(uid);
        }
    }

    /// Nothing is under way for this object, or it is gone. `leaves_call`: its call may still take
    /// effect.
    pub(super) fn forget(&self, at: &ObjectRef, uid: &str, leaves_call: bool) {
        self.open.lock().remove(at);
        let mut turns = self.turns.lock();
        if leaves_call {
            turns.leave(at, Moment::now());
        } else {
            turns.give_up(at, uid);
        }
    }

    /// What was read of an instance in that time, and when.
    pub(super) fn find_instance(
        &self,
        key: &InstanceKey,
        fresh_for: Duration,
    ) -> Option<(Option<Instance>, Moment)> {
        let instances = self.instances.lock();
        let read = instances.get(key)?;
        let is_fresh = read.at.elapsed() < SHARED_FOR.min(fresh_for);
        is_fresh.then(|| (read.instance.clone(), read.at))
    }

    /// This was read of an instance then. What is too old for anybody is dropped.
    pub(super) fn note_instance(&self, key: InstanceKey, instance: Option<Instance>, at: Moment) {
        let mut instances = self.instances.lock();
        instances.retain(|_, read| read.at.elapsed() < SHARED_FOR);
        instances.insert(key, SharedRead { instance, at });
    }

    /// What is known of the object with this uid, if it is under way.
    pub(super) fn recollection(&self, at: &ObjectRef, uid: &str) -> Recollection {
        let known = self.open.lock().get(at).filter(|known| known.uid == uid).cloned();
        known.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_still_needed_is_kept_after_a_reconciliation() {
        for (call, keeps_start) in [
            (CallAfter::Kept, true),
            (CallAfter::Over, true),
            (CallAfter::Over, false),
            (CallAfter::Left, false),
        ] {
            let (memory, at) = (Memory::default(), ObjectRef::new("team-a", "rotate"));
            memory.start("u", Moment::now);
            memory.open.lock().insert(at.clone(), Recollection::default());
            let aftermath = Aftermath { call, keeps_start, has_failed: false };
            memory.settle(&at, "u", aftermath);
            assert_eq!(memory.open.lock().contains_key(&at), call == CallAfter::Kept);
            assert_eq!(memory.find_start("u").is_some(), keeps_start);
        }
    }

    #[test]
    fn operations_of_resets_that_are_over_are_kept_for_a_while() {
        let scope = |region: &str| Scope { account: "123456789012".into(), region: region.into() };
        let mut ended = EndedOperations::default();
        let hour = Duration::from_hours(1);
        let known = |id: &str| KnownOperation { id: id.to_owned(), created: None };
        ended.note(scope("eu-west-1"), "web-1", &[known("a"), known("b")], hour);
        ended.note(scope("eu-west-1"), "web-2", &[known("c")], hour);
        let of = |ended: &EndedOperations, region: &str, instance: &str| {
            ended.of(scope(region), instance).map(|it| it.id.clone()).collect::<Vec<_>>()
        };
        assert_eq!(of(&ended, "eu-west-1", "web-1"), ["a", "b"]);
        assert!(of(&ended, "eu-west-2", "web-1").is_empty());
        ended.note(scope("eu-west-1"), "web-1", &[known("d")], Duration::ZERO);
        assert_eq!(of(&ended, "eu-west-1", "web-1"), ["d"]);
        assert_eq!(ended.0.len(), 1, "nothing is kept of the other one");
    }

    #[test]
    fn nothing_is_kept_of_failures_that_are_over() {
        let memory = Memory::default();
        let failed = || memory.failed.lock().len();
        memory.note_failed("u", true);
        memory.note_failed("v", true);
        assert_eq!(failed(), 2);
        memory.note_failed("u", false);
        memory.forget_uid("v");
        assert_eq!(failed(), 0);
    }
}
