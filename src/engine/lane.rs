//! The objects of one account and region that wait for their turn.
//!
//! - A person's change goes before resyncs and retries. But at least one turn in four is a
//!   resync's, and one in eight is a retry's: many changes slow the others down, but do not stop
//!   them.
//! - Two places are for changes only, and retries take at most half of all places, so objects that
//!   fail leave room for others. The same holds for the places of a namespace.
//! - Namespaces take turns: one with thousands of objects does not delay the only object of
//!   another.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use super::concurrency::{Class, ConcurrencyLimits};
use super::object_ref::ObjectRef;
use crate::fair_line::Rank;
use crate::ids::LaneId;

/// This many places of a lane are free for changes, because all resyncs may wait for one list.
const KEPT_FOR_CHANGES: usize = 2;
/// After this many turns of others in a row, a resync has its turn.
const TURNS_WITHOUT_RESYNC: u32 = 3;
/// After this many turns of others in a row, a retry has its turn.
const TURNS_WITHOUT_RETRY: u32 = 7;

/// An object that waits for its turn.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) lane: LaneId,
    pub(super) class: Class,
    pub(super) since: Instant,
}

impl Waiting {
    /// Whether it waits there.
    pub(super) fn is_in(&self, lane: &LaneId, class: Class) -> bool {
        self.lane == *lane && self.class == class
    }
}

/// How many are running, by class.
#[derive(Clone, Copy, Debug, Default)]
struct RunningCounts([usize; Class::ALL.len()]);

impl RunningCounts {
    fn all(self) -> usize {
        self.0.iter().sum()
    }

    /// Whether another object of a class may run, given this limit.
    fn has_place(self, class: Class, limit: usize) -> bool {
        let [_, resyncs, retries] = self.0;
        let for_others = resyncs + retries < limit.saturating_sub(KEPT_FOR_CHANGES).max(1);
        let is_free = match class {
            Class::Change => true,
            Class::Resync => for_others,
            Class::Retry => for_others && retries < (limit / 2).max(1),
        };
        is_free && self.all() < limit
    }
}

/// The objects of one account and region.
#[derive(Debug, Default)]
pub(super) struct Lane {
    running: RunningCounts,
    /// How many objects of each namespace are running.
    of_namespace: HashMap<Arc<str>, RunningCounts>,
    lines: [Line; Class::ALL.len()],
    /// How many objects wait here, without stale names.
    waiting: usize,
    /// How many turns of others went before a resync, and a retry, that waited.
    without_resync: u32,
    without_retry: u32,
    /// Whether a resync or a retry had the last turn: they alternate.
    last: Option<Class>,
}

/// Objects by namespace, which take turns.
#[derive(Debug, Default)]
struct Line {
    turns: VecDeque<Arc<str>>,
    waiting: HashMap<Arc<str>, VecDeque<ObjectRef>>,
    /// How many names are in the line, and how many of them are stale: their objects moved to
    /// another line or are gone.
    names: usize,
    left_over: usize,
}

/// Fewer stale names than this are not worth a cleanup.
const FEW: usize = 16;

impl Line {
    fn push(&mut self, at: ObjectRef, rank: Rank) {
        let waiting = self.waiting.entry(at.namespace.clone()).or_default();
        if waiting.is_empty() {
            self.turns.push_back(at.namespace.clone());
        }
        match rank {
            Rank::First => waiting.push_front(at),
            Rank::InTurn => waiting.push_back(at),
        }
        self.names += 1;
    }

    /// An object left the line. Its name becomes stale. When half of all names are, they are
    /// removed.
    fn forget(&mut self, is_in_it: impl Fn(&ObjectRef) -> bool) {
        self.left_over += 1;
        if self.left_over < self.names && self.left_over <= self.names / 2 + FEW {
            return;
        }
        self.waiting.retain(|_, waiting| {
            waiting.retain(&is_in_it);
            !waiting.is_empty()
        });
        self.turns.retain(|namespace| self.waiting.contains_key(namespace));
        (self.names, self.left_over) = (self.waiting.values().map(VecDeque::len).sum(), 0);
    }

    /// The next object of a namespace that has a place. Stale names before it are dropped, and cost
    /// their namespace no turn.
    fn pop(
        &mut self,
        has_place: impl Fn(&Arc<str>) -> bool,
        is_in_it: impl Fn(&ObjectRef) -> bool,
    ) -> Option<ObjectRef> {
        while let Some(index) = self.turns.iter().position(&has_place) {
            let namespace = self.turns.remove(index)?;
            let waiting = self.waiting.get_mut(&namespace)?;
            let stale = waiting.iter().take_while(|at| !is_in_it(at)).count();
            waiting.drain(..stale);
            self.names -= stale;
            self.left_over = self.left_over.saturating_sub(stale);
            let next = waiting.pop_front();
            if waiting.is_empty() {
                self.waiting.remove(&namespace);
            } else {
                self.turns.push_back(namespace);
            }
            if next.is_some() {
                self.names -= 1;
                return next;
            }
        }
        None
    }

    fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }
}

impl Lane {
    /// Adds an object.
    pub(super) fn push(&mut self, at: ObjectRef, class: Class, rank: Rank) {
        self.lines[class as usize].push(at, rank);
        self.waiting += 1;
    }

    /// Takes an object out of the line of a class in this lane, which is `own`.
    pub(super) fn forget(
        &mut self,
        own: &LaneId,
        class: Class,
        waiting: &HashMap<ObjectRef, Waiting>,
    ) {
        self.waiting -= 1;
        self.lines[class as usize]
            .forget(|at| waiting.get(at).is_some_and(|it| it.is_in(own, class)));
    }

    /// Whether nothing is in it but stale names.
    pub(super) fn is_empty(&self) -> bool {
        self.running.all() == 0 && self.waiting == 0
    }

    fn waits(&self, class: Class) -> bool {
        !self.lines[class as usize].is_empty()
    }

    /// The lines in the order of their turns.
    fn order(&self) -> [Class; 3] {
        let [first, second] = if self.last == Some(Class::Resync) {
            [Class::Retry, Class::Resync]
        } else {
            [Class::Resync, Class::Retry]
        };
        let is_resync_due = self.without_resync >= TURNS_WITHOUT_RESYNC;
        match (is_resync_due, self.without_retry >= TURNS_WITHOUT_RETRY) {
            // There may be no place for a resync for a long time.
            (true, true) => [Class::Resync, Class::Retry, Class::Change],
            (true, false) => [Class::Resync, Class::Change, Class::Retry],
            (false, true) => [Class::Retry, Class::Change, Class::Resync],
            (false, false) => [Class::Change, first, second],
        }
    }

    /// The next object in this lane, which is `own`, if there is a place for it. `has_place`
    /// says whether a namespace has one beyond this lane.
    pub(super) fn pop(
        &mut self,
        own: &LaneId,
        limits: ConcurrencyLimits,
        has_place: impl Fn(&str) -> bool,
        waiting: &mut HashMap<ObjectRef, Waiting>,
    ) -> Option<(ObjectRef, Waiting)> {
        for class in self.order() {
            if !self.running.has_place(class, limits.lane) {
                continue;
            }
            let of_namespace = &self.of_namespace;
            let line = &mut self.lines[class as usize];
            let has_place = |namespace: &Arc<str>| {
                let running = of_namespace.get(namespace).copied().unwrap_or_default();
                running.has_place(class, limits.namespace_in_lane) && has_place(namespace)
            };
            let is_in_it = |at: &ObjectRef| waiting.get(at).is_some_and(|it| it.is_in(own, class));
            if let Some(at) = line.pop(has_place, is_in_it) {
                self.waiting -= 1;
                self.note_turn(class, &at.namespace);
                return waiting.remove(&at).map(|waiting| (at, waiting));
            }
        }
        None
    }

    fn note_turn(&mut self, class: Class, namespace: &Arc<str>) {
        self.running.0[class as usize] += 1;
        self.of_namespace.entry(Arc::clone(namespace)).or_default().0[class as usize] += 1;
        if class != Class::Change {
            self.last = Some(class);
        }
        let passed_over = |count: u32, own| {
            if class != own && self.waits(own) { count + 1 } else { 0 }
        };
        (self.without_resync, self.without_retry) = (
            passed_over(self.without_resync, Class::Resync),
            passed_over(self.without_retry, Class::Retry),
        );
    }

    /// A reconciliation of an object of this namespace has ended.
    pub(super) fn finished(&mut self, namespace: &str, class: Class) {
        self.running.0[class as usize] -= 1;
        if let Some(running) = self.of_namespace.get_mut(namespace) {
            running.0[class as usize] -= 1;
            if running.all() == 0 {
                self.of_namespace.remove(namespace);
            }
        }
    }
}
