//! What is remembered of resets between reconciliations. Losing it costs time, never safety, while
//! the objects are there: what one that is gone has left is known nowhere else.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;

use super::claim::ResetClaim;
use super::plan::{self, Aftermath, CallAfter, Seen};
use super::turns::Turns;
use super::world::{Call, KnownOperation};
use crate::clock::Moment;
use crate::engine::ObjectRef;
use crate::engine::rows::{Claim, Row, Rows};
use crate::ids::{LaneId, Scope};
use crate::lightsail::{self, Instance};

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
    /// Those that come next, because one that is gone needs its turn no more.
    pub(super) woken: Mutex<Vec<ObjectRef>>,
    /// The operations that resets have begun, whose objects may be gone.
    pub(super) begun: Mutex<BegunOperations>,
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

/// By instance: the operations that resets have begun.
#[derive(Debug, Default)]
pub(super) struct BegunOperations(HashMap<(Scope, String), Vec<Begun>>);

/// An operation, the uid of the reset that has begun it, and since when that is known.
#[derive(Debug)]
struct Begun {
    operation: KnownOperation,
    uid: String,
    since: Moment,
}

impl BegunOperations {
    /// The reset with this claim has begun these operations. What is older than `kept_for` is
    /// dropped.
    fn note(&mut self, claim: &ResetClaim, operations: &[KnownOperation], kept_for: Duration) {
        let now = Moment::now();
        self.0.retain(|_, begun| {
            begun.retain(|it| now.since(it.since) < kept_for);
            !begun.is_empty()
        });
        // It is known from the intent on.
        let Some(account) = claim.account.clone().filter(|_| !operations.is_empty()) else {
            return;
        };
        let scope = Scope { account, region: claim.region.clone() };
        let all = self.0.entry((scope, claim.instance.clone())).or_default();
        let is_new =
            |operation: &&KnownOperation| !all.iter().any(|known| known.operation == **operation);
        let news: Vec<_> = operations.iter().filter(is_new).cloned().collect();
        let uid = &claim.uid;
        all.extend(news.into_iter().map(|it| Begun {
            operation: it,
            uid: uid.clone(),
            since: now,
        }));
    }

    /// The operations of other resets of this instance than that with this uid: it may look for its
    /// own again, if what it found could not be recorded.
    pub(super) fn of_others(
        &self,
        scope: Scope,
        instance: &str,
        uid: &str,
    ) -> impl Iterator<Item = &KnownOperation> {
        let begun = self.0.get(&(scope, instance.to_owned())).into_iter().flatten();
        begun.filter(move |it| it.uid != uid).map(|it| &it.operation)
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
    /// Whether its mark is written, or is about to be: then it may call.
    pub(super) is_marked: bool,
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

    /// Drops what is not kept of a reset after a reconciliation. The claim is what the object says
    /// then. For the rest, see [`Self::note_gone`].
    pub(super) fn settle(
        &self,
        at: &ObjectRef,
        claim: &ResetClaim,
        lane: &LaneId,
        call: Option<&Call>,
        aftermath: Aftermath,
        effect: SignedDuration,
    ) {
        if !aftermath.keeps_start {
            self.forget_uid(&claim.uid);
        }
        match aftermath.call {
            CallAfter::Kept => {}
            CallAfter::Gone => self.note_gone(at, claim, lane, call, effect),
            CallAfter::Over => {
                self.take_recollection(at, &claim.uid);
                self.give_up(claim, lane);
            }
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

    /// An object of this name has this uid now. If another one had the name, nobody saw that go.
    pub(super) fn note_applied(&self, at: &ObjectRef, uid: &str, effect: SignedDuration) {
        let predecessor = self.rows.lock().predecessor(at, uid).cloned();
        if let Some(row) = predecessor {
            self.forget(at, &row, effect);
        }
    }

    /// Drops what is not kept of an object that is gone, of which this was kept.
    pub(super) fn forget(&self, at: &ObjectRef, row: &Row<ResetClaim>, effect: SignedDuration) {
        if let Some(claim) = &row.claim {
            self.note_gone(at, claim, &row.lane, None, effect);
        }
        self.forget_uid(&row.uid.to_string());
    }

    /// The object that has made this claim is gone, wherever that shows. What it leaves to the
    /// resets that come next is noted: the turn, or else the operations. `call` is how its call
    /// ended, if the caller knows, and `effect` as for [`ResetClaim::of`].
    fn note_gone(
        &self,
        at: &ObjectRef,
        claim: &ResetClaim,
        lane: &LaneId,
        call: Option<&Call>,
        effect: SignedDuration,
    ) {
        let known = self.take_recollection(at, &claim.uid);
        let call = call.or(known.as_ref().and_then(|known| known.call.as_ref()));
        self.note_begun(claim, &claim.operations, effect);
        let seen = known
            .as_ref()
            .map_or(Seen::Nothing, |known| if known.is_marked { Seen::Mark } else { Seen::Intent });
        if plan::may_have_called(claim, seen, call) {
            self.turns.lock().leave(claim, Moment::now(), effect);
        } else {
            self.give_up(claim, lane);
        }
    }

    /// The reset with this claim is about to write its mark, and then to call. `effect` is as for
    /// [`ResetClaim::of`].
    pub(super) fn note_marking(&self, at: &ObjectRef, claim: &ResetClaim, effect: SignedDuration) {
        self.turns.lock().hold(claim, Moment::now(), effect);
        if let Some(known) = self.open.lock().get_mut(at).filter(|known| known.uid == claim.uid) {
            known.is_marked = true;
        }
    }

    /// The reset with this claim has taken its mark back, because no call took effect, and now
    /// takes back its intent. Until that is on record, it is known here, or the next reconciliation
    /// would look for a call.
    pub(super) fn note_taken_back(&self, at: &ObjectRef, claim: &ResetClaim, lane: &LaneId) {
        if let Some(known) = self.open.lock().get_mut(at).filter(|known| known.uid == claim.uid) {
            known.is_marked = false;
            known.call.get_or_insert_with(|| Err(lightsail::Error::outdated()));
        }
        self.give_up(claim, lane);
    }

    /// The reset with this claim needs its turn no more. Those who wait for that are called, unless
    /// a change of the object does it.
    pub(super) fn give_up(&self, claim: &ResetClaim, lane: &LaneId) {
        let calls = self.turns.lock().give_up(claim);
        if calls {
            let next = self.rows.lock().next(claim.key(), lane);
            self.woken.lock().extend(next);
        }
    }

    /// The reset with this claim has begun these operations: they are nobody else's, also once its
    /// object is gone. They are kept while a list may be without them.
    pub(super) fn note_begun(
        &self,
        claim: &ResetClaim,
        operations: &[KnownOperation],
        effect: SignedDuration,
    ) {
        self.begun.lock().note(claim, operations, (effect * 2).unsigned_abs());
    }

    /// Those that come next, and their lanes.
    pub(super) fn take_woken(&self) -> Vec<(ObjectRef, LaneId)> {
        let woken = std::mem::take(&mut *self.woken.lock());
        let rows = self.rows.lock();
        woken.into_iter().map(|at| (at.clone(), rows.lane(&at))).collect()
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

    fn take_recollection(&self, at: &ObjectRef, uid: &str) -> Option<Recollection> {
        let mut open = self.open.lock();
        open.get(at).is_some_and(|known| known.uid == uid).then(|| open.remove(at))?
    }

    /// What is known of the object with this uid, if it is under way.
    pub(super) fn recollection(&self, at: &ObjectRef, uid: &str) -> Recollection {
        let known = self.open.lock().get(at).filter(|known| known.uid == uid).cloned();
        known.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
