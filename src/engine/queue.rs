//! Which object is next. A plain data structure, without I/O and with the time as an argument.
//!
//! - An object is in the queue once, and never reconciled twice at the same time. A change that
//!   arrives meanwhile puts it back when the reconciliation ends, which learns of it.
//! - Each account and region has a lane with a fixed number of places, so one that does not
//!   answer delays no other.
//! - A namespace has a fixed number of places in a lane and in all lanes, so it fills neither.
//! - A namespace never has more places than are free. So a few that fill their places leave some,
//!   and the last one is for a namespace that has none.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Bound::{Excluded, Included, Unbounded};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::action::{Action, Next, Outcome};
use super::concurrency::{Class, ConcurrencyLimits};
use super::lane::{Lane, Waiting};
use super::object_ref::ObjectRef;
use super::tables::shrink;
use crate::fair_line::Rank;
use crate::ids::LaneId;

/// An object whose turn has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The object.
    pub at: ObjectRef,
    /// Why.
    pub class: Class,
    /// How long it has waited for its turn.
    pub waited: Duration,
    /// What went wrong since something last came of it.
    pub failures: Failures,
}

/// The failures of an object since a reconciliation last came to its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Failures {
    /// Reconciliations that started over, because somebody else changed the object meanwhile.
    pub conflicts: u32,
    /// Those that failed otherwise, nearly always because of the Kubernetes API server.
    pub failed: u32,
    /// Pauses in a row that grew, for whatever reason.
    pub pauses: u32,
}

impl Failures {
    /// With one more reconciliation that ended so.
    fn and(self, outcome: Outcome) -> Self {
        let (conflicts, failed) = match outcome {
            Outcome::Conflict => (self.conflicts.saturating_add(1), self.failed),
            Outcome::KubernetesError | Outcome::Gone => {
                (self.conflicts, self.failed.saturating_add(1))
            }
            Outcome::Shows(_) | Outcome::Unchanged | Outcome::Stopping | Outcome::NotLeading => {
                (0, 0)
            }
        };
        Self { conflicts, failed, pauses: self.pauses.saturating_add(1) }
    }
}

const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Reading the object again resolves a conflict, unless somebody changes it all the time.
const FIRST_PAUSE_AFTER_CONFLICT: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// The queue.
#[derive(Debug)]
pub struct Queue {
    limits: ConcurrencyLimits,
    lanes: BTreeMap<LaneId, Lane>,
    /// The lane that was served last: the next one comes first.
    last: Option<LaneId>,
    waiting: HashMap<ObjectRef, Waiting>,
    running: HashMap<ObjectRef, Running>,
    /// How many of each namespace wait for their turn.
    waiting_by_namespace: HashMap<Arc<str>, usize>,
    /// How many of each namespace are running.
    running_by_namespace: HashMap<Arc<str>, usize>,
    due: BTreeMap<(Instant, ObjectRef), (LaneId, Class)>,
    due_at: HashMap<ObjectRef, Instant>,
    failures: HashMap<ObjectRef, Failures>,
    depth: [usize; Class::ALL.len()],
    /// Those that were changed, or are gone, while they are running.
    changed: Vec<ObjectRef>,
}

#[derive(Debug)]
struct Running {
    lane: LaneId,
    class: Class,
    /// What arrived for it meanwhile.
    again: Option<(LaneId, Class)>,
    /// It comes back only if something arrives for it.
    is_forgotten: bool,
}

impl Queue {
    /// A queue with these limits.
    #[must_use]
    pub fn new(limits: ConcurrencyLimits) -> Self {
        Self {
            limits,
            lanes: BTreeMap::new(),
            last: None,
            waiting: HashMap::new(),
            running: HashMap::new(),
            waiting_by_namespace: HashMap::new(),
            running_by_namespace: HashMap::new(),
            due: BTreeMap::new(),
            due_at: HashMap::new(),
            failures: HashMap::new(),
            depth: [0; Class::ALL.len()],
            changed: Vec::new(),
        }
    }

    /// Adds an object to a lane, because something arrived for it.
    pub fn push(&mut self, at: ObjectRef, lane: LaneId, class: Class, now: Instant) {
        self.put(at, lane, (class, Rank::InTurn), now);
    }

    /// Adds an object to a lane, because what it waited for is at hand: it has little left to do,
    /// and comes before all others of its namespace. If it waits there for a change already, it
    /// keeps its place.
    pub fn push_first(&mut self, at: ObjectRef, lane: LaneId, now: Instant) {
        self.put(at, lane, (Class::Change, Rank::First), now);
    }

    fn put(&mut self, at: ObjectRef, lane: LaneId, (class, rank): (Class, Rank), now: Instant) {
        // What was due later comes with it.
        let due = self.clear_due(&at);
        let class = due.map_or(class, |(_, (_, before))| class.min(before));
        if let Some(running) = self.running.get_mut(&at) {
            let class = running.again.as_ref().map_or(class, |(_, before)| class.min(*before));
            running.again = Some((lane, class));
            if class == Class::Change {
                self.changed.push(at);
            }
            return;
        }
        let before = self.waiting.get(&at);
        let class = before.map_or(class, |before| class.min(before.class));
        if before.is_some_and(|before| before.is_in(&lane, class)) {
            return;
        }
        let since = before.map_or(now, |before| before.since);
        self.depth[class as usize] += 1;
        self.lanes.entry(lane.clone()).or_default().push(at.clone(), class, rank);
        let namespace = Arc::clone(&at.namespace);
        match self.waiting.insert(at, Waiting { lane, class, since }) {
            Some(before) => self.leave(&before),
            None => *self.waiting_by_namespace.entry(namespace).or_default() += 1,
        }
    }

    /// Adds an object from a later time on, or earlier if something else arrives before or is due
    /// sooner.
    pub fn push_later(&mut self, at: ObjectRef, lane: LaneId, class: Class, from: Instant) {
        self.set_due(at, lane, class, from);
    }

    /// Work begins now. Time spent waiting before does not count.
    pub fn restart_wait_times(&mut self, now: Instant) {
        for waiting in self.waiting.values_mut() {
            waiting.since = now;
        }
    }

    /// The next object to work on. It counts as running until [`Self::finished`].
    pub fn pop(&mut self, now: Instant) -> Option<Item> {
        while let Some(entry) = self.due.first_entry().filter(|entry| entry.key().0 <= now) {
            let ((_, at), (lane, class)) = entry.remove_entry();
            self.due_at.remove(&at);
            self.push(at, lane, class, now);
        }
        if self.running.len() >= self.limits.all {
            return None;
        }
        let (limits, waiting, last) = (self.limits, &mut self.waiting, self.last.clone());
        let running_by_namespace = &self.running_by_namespace;
        let most = limits.namespace.min(limits.all - self.running.len());
        let has_place = |namespace: &str| {
            running_by_namespace.get(namespace).is_none_or(|running| *running < most)
        };
        // There may be thousands of lanes.
        if !self.waiting_by_namespace.keys().any(|namespace| has_place(namespace)) {
            return None;
        }
        let mut next = |(id, lane): (&LaneId, &mut Lane)| {
            let (at, Waiting { class, since, .. }) = lane.pop(id, limits, has_place, waiting)?;
            Some((id.clone(), at, class, since))
        };
        // Those after the last one first.
        let (from, until) =
            last.map_or((Unbounded, Unbounded), |last| (Excluded(last.clone()), Included(last)));
        let after = self.lanes.range_mut((from, Unbounded)).find_map(&mut next);
        let found = after.or_else(|| self.lanes.range_mut((Unbounded, until)).find_map(next));
        let (lane, at, class, since) = found?;
        shrink(&mut self.waiting);
        lower(&mut self.waiting_by_namespace, &at.namespace);
        self.depth[class as usize] -= 1;
        self.last = Some(lane.clone());
        *self.running_by_namespace.entry(at.namespace.clone()).or_default() += 1;
        self.running.insert(at.clone(), Running { lane, class, again: None, is_forgotten: false });
        let failures = self.failures.get(&at).copied().unwrap_or_default();
        Some(Item { at, class, waited: now.saturating_duration_since(since), failures })
    }

    /// The running objects that were changed since this was asked last, or are gone.
    pub fn take_changed(&mut self) -> Vec<ObjectRef> {
        std::mem::take(&mut self.changed)
    }

    /// The lane in which an object is worked on.
    #[must_use]
    pub fn lane_of(&self, at: &ObjectRef) -> Option<&LaneId> {
        self.running.get(at).map(|running| &running.lane)
    }

    /// A reconciliation has ended. Returns whether its object was forgotten meanwhile, and does not
    /// come back by itself.
    pub fn finished(&mut self, at: &ObjectRef, action: Action, now: Instant) -> bool {
        let Some(running) = self.running.remove(at) else { return false };
        if let Some(lane) = self.lanes.get_mut(&running.lane) {
            lane.finished(&at.namespace, running.class);
            if lane.is_empty() {
                self.lanes.remove(&running.lane);
            }
        }
        lower(&mut self.running_by_namespace, &at.namespace);
        let outcome = action.outcome;
        let due = match action.next {
            _ if running.is_forgotten => None,
            Next::Change => None,
            Next::After(pause) | Next::Meanwhile(pause) => Some((pause, Class::Resync)),
            Next::Backoff => Some((self.pause(at, FIRST_PAUSE, outcome), Class::Retry)),
            Next::BackoffWithin(longest) => {
                Some((self.pause(at, FIRST_PAUSE, outcome).min(longest), Class::Retry))
            }
            Next::StartOver => {
                Some((self.pause(at, FIRST_PAUSE_AFTER_CONFLICT, outcome), Class::Retry))
            }
        };
        // What was not sent for want of the Lease came to no end.
        let has_ended =
            matches!(action.next, Next::Change | Next::After(_)) && outcome != Outcome::NotLeading;
        if running.is_forgotten || has_ended {
            self.failures.remove(at);
        }
        if let Some((lane, class)) = running.again {
            self.push(at.clone(), lane, class, now);
        } else if let Some((pause, class)) = due {
            // What arrived for it meanwhile knows its lane better.
            let lane = self.find_due(at).map_or(running.lane, |(lane, _)| lane.clone());
            self.set_due(at.clone(), lane, class, now + pause);
        }
        running.is_forgotten
    }

    /// The object is gone, or no longer this operator's. A running reconciliation ends, but the
    /// object does not come back.
    pub fn forget(&mut self, at: &ObjectRef) {
        self.clear_due(at);
        self.failures.remove(at);
        shrink(&mut self.failures);
        if let Some(waiting) = self.waiting.remove(at) {
            shrink(&mut self.waiting);
            lower(&mut self.waiting_by_namespace, &at.namespace);
            self.leave(&waiting);
        }
        if let Some(running) = self.running.get_mut(at) {
            (running.again, running.is_forgotten) = (None, true);
            self.changed.push(at.clone());
        }
    }

    /// Takes a waiting object out of its lane.
    fn leave(&mut self, waiting: &Waiting) {
        self.depth[waiting.class as usize] -= 1;
        if let Some(lane) = self.lanes.get_mut(&waiting.lane) {
            lane.forget(&waiting.lane, waiting.class, &self.waiting);
            if lane.is_empty() {
                self.lanes.remove(&waiting.lane);
            }
        }
    }

    /// When the next object becomes due.
    #[must_use]
    pub fn next_due(&self) -> Option<Instant> {
        self.due.first_key_value().map(|((at, _), _)| *at)
    }

    /// How many objects wait for their turn, by class.
    #[must_use]
    pub fn depth(&self, class: Class) -> usize {
        self.depth[class as usize]
    }

    /// Doubles from the first pause up to five minutes. Up to a quarter is subtracted, a part that
    /// differs from object to object: those that failed together do not stay together.
    fn pause(&mut self, at: &ObjectRef, first: Duration, outcome: Outcome) -> Duration {
        let failures = self.failures.entry(at.clone()).or_default();
        let pauses = failures.pauses;
        *failures = failures.and(outcome);
        let pause = first.saturating_mul(2_u32.saturating_pow(pauses)).min(LONGEST_PAUSE);
        let mut hasher = DefaultHasher::new();
        (at, pauses).hash(&mut hasher);
        let share = u32::try_from(hasher.finish() % 256).unwrap_or_default();
        pause.saturating_sub(pause * share / 1024)
    }

    /// The object is due then. With what it is due for already, it comes once: at the earlier time,
    /// and with the better class.
    fn set_due(&mut self, at: ObjectRef, lane: LaneId, class: Class, from: Instant) {
        let (from, class) = match self.clear_due(&at) {
            Some((due, (_, before))) => (from.min(due), class.min(before)),
            None => (from, class),
        };
        self.due_at.insert(at.clone(), from);
        self.due.insert((from, at), (lane, class));
    }

    fn find_due(&self, at: &ObjectRef) -> Option<&(LaneId, Class)> {
        self.due.get(&(*self.due_at.get(at)?, at.clone()))
    }

    /// The object is due no more. Returns when it was, where, and why.
    fn clear_due(&mut self, at: &ObjectRef) -> Option<(Instant, (LaneId, Class))> {
        let from = self.due_at.remove(at)?;
        shrink(&mut self.due_at);
        self.due.remove(&(from, at.clone())).map(|due| (from, due))
    }
}

/// Takes one from the count of a namespace.
fn lower(counts: &mut HashMap<Arc<str>, usize>, namespace: &str) {
    if let Some(count) = counts.get_mut(namespace) {
        *count -= 1;
        if *count == 0 {
            counts.remove(namespace);
            shrink(counts);
        }
    }
}

#[cfg(test)]
#[path = "tests/queue.rs"]
mod tests;
