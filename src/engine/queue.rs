//! Which object is next: a plain data structure, without I/O and with the time as an argument.
//!
//! - An object is in the queue once, and never worked on twice at the same time: what comes for it
//!   meanwhile brings it back when it is finished.
//! - Each region has a [`Lane`] with so many places: one that does not answer delays no other.
//! - A namespace has so many places in a region, and in all: it fills neither, whatever it creates.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::lane::{Lane, Ready};
use super::object_ref::ObjectRef;
pub use super::places::{Class, Places};

/// When an object is to be reconciled again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// When something changes.
    Change,
    /// After this time, or when something changes.
    After(Duration),
    /// Like `After`, with a pause that grows with each reconciliation in a row that ends so.
    Backoff,
    /// Like `Backoff`, but no later than after this time.
    BackoffWithin(Duration),
    /// Soon, since somebody else changed the object meanwhile; later and later if that goes on.
    StartOver,
}

/// An object whose turn has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The object.
    pub at: ObjectRef,
    /// Why.
    pub class: Class,
    /// How long it has waited for its turn.
    pub waited: Duration,
    /// How many reconciliations in a row have ended with a pause that grows.
    pub failures: u32,
}

const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// A conflict is over as soon as the object is read again, unless somebody changes it all the time.
const FIRST_PAUSE_AFTER_CONFLICT: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// The queue.
#[derive(Debug)]
pub struct Queue {
    places: Places,
    lanes: BTreeMap<Arc<str>, Lane>,
    /// The lane that was served last: the next one comes first.
    last: Option<Arc<str>>,
    ready: HashMap<ObjectRef, Ready>,
    running: HashMap<ObjectRef, Running>,
    /// How many of each namespace are running.
    of_namespace: HashMap<Arc<str>, usize>,
    due: BTreeMap<(Instant, u64), Due>,
    due_at: HashMap<ObjectRef, (Instant, u64)>,
    failures: HashMap<ObjectRef, u32>,
    count: u64,
    depth: [usize; Class::ALL.len()],
}

#[derive(Debug)]
struct Due {
    at: ObjectRef,
    lane: Arc<str>,
    class: Class,
}

#[derive(Debug)]
struct Running {
    lane: Arc<str>,
    class: Class,
    /// What came for it meanwhile.
    again: Option<(Arc<str>, Class)>,
    /// It is to come back only if something comes for it.
    is_forgotten: bool,
}

impl Queue {
    /// A queue of which so many objects are worked on at the same time.
    #[must_use]
    pub fn new(places: Places) -> Self {
        Self {
            places,
            lanes: BTreeMap::new(),
            last: None,
            ready: HashMap::new(),
            running: HashMap::new(),
            of_namespace: HashMap::new(),
            due: BTreeMap::new(),
            due_at: HashMap::new(),
            failures: HashMap::new(),
            count: 0,
            depth: [0; Class::ALL.len()],
        }
    }

    /// Something came for this object, which is in that lane.
    pub fn push(&mut self, at: ObjectRef, lane: &str, class: Class, now: Instant) {
        self.clear_due(&at);
        let lane = self.lane_name(lane);
        if let Some(running) = self.running.get_mut(&at) {
            let class = running.again.as_ref().map_or(class, |(_, before)| class.min(*before));
            running.again = Some((lane, class));
            return;
        }
        let before = self.ready.get(&at);
        if before.is_some_and(|before| before.class <= class) {
            return;
        }
        let since = before.map_or(now, |before| before.since);
        self.depth[class as usize] += 1;
        self.lanes.entry(Arc::clone(&lane)).or_default().push(at.clone(), class);
        if let Some(before) = self.ready.insert(at, Ready { lane, class, since }) {
            self.leave(&before);
        }
    }

    /// Something came for this object that is acted on from then on; with whatever comes sooner, if
    /// anything does.
    pub fn push_later(&mut self, at: ObjectRef, lane: &str, class: Class, from: Instant) {
        if self.due_at.get(&at).is_some_and(|(due, _)| *due <= from) {
            return;
        }
        let lane = self.lane_name(lane);
        self.set_due(at, lane, class, from);
    }

    /// Work begins now: what was waited for before that is no one's waiting for a turn.
    pub fn begin(&mut self, now: Instant) {
        for ready in self.ready.values_mut() {
            ready.since = now;
        }
    }

    /// The next object to work on. It counts as running until [`Self::finished`].
    pub fn pop(&mut self, now: Instant) -> Option<Item> {
        while let Some(entry) = self.due.first_entry().filter(|entry| entry.key().0 <= now) {
            let Due { at, lane, class } = entry.remove();
            self.due_at.remove(&at);
            self.push(at, &lane, class, now);
        }
        if self.running.len() >= self.places.all {
            return None;
        }
        let (places, ready, last) = (self.places, &mut self.ready, self.last.clone());
        let of_namespace = &self.of_namespace;
        let has_place = |namespace: &str| {
            of_namespace.get(namespace).is_none_or(|running| *running < places.namespace)
        };
        let mut next = |(name, lane): (&Arc<str>, &mut Lane)| {
            let (at, Ready { class, since, .. }) = lane.pop(places, has_place, ready)?;
            Some((Arc::clone(name), at, class, since))
        };
        // Those after the last one first.
        let is_after = |name: &Arc<str>| last.as_ref().is_none_or(|last| name > last);
        let after = self.lanes.iter_mut().filter(|(name, _)| is_after(name)).find_map(&mut next);
        let found = after
            .or_else(|| self.lanes.iter_mut().filter(|(name, _)| !is_after(name)).find_map(next));
        let (lane, at, class, since) = found?;
        self.depth[class as usize] -= 1;
        self.last = Some(Arc::clone(&lane));
        *self.of_namespace.entry(at.namespace.clone()).or_default() += 1;
        self.running.insert(at.clone(), Running { lane, class, again: None, is_forgotten: false });
        let failures = self.failures.get(&at).copied().unwrap_or_default();
        Some(Item { at, class, waited: now.saturating_duration_since(since), failures })
    }

    /// The lane in which an object is worked on.
    #[must_use]
    pub fn lane_of(&self, at: &ObjectRef) -> Option<&str> {
        self.running.get(at).map(|running| &*running.lane)
    }

    /// A reconciliation has ended.
    pub fn finished(&mut self, at: &ObjectRef, next: Next, now: Instant) {
        let Some(running) = self.running.remove(at) else { return };
        if let Some(lane) = self.lanes.get_mut(&running.lane) {
            lane.finished(&at.namespace, running.class);
            if lane.is_empty() {
                self.lanes.remove(&running.lane);
            }
        }
        if let Some(count) = self.of_namespace.get_mut(&at.namespace) {
            *count -= 1;
            if *count == 0 {
                self.of_namespace.remove(&at.namespace);
            }
        }
        let due = match next {
            _ if running.is_forgotten => None,
            Next::Change => None,
            Next::After(pause) => Some((pause, Class::Resync)),
            Next::Backoff => Some((self.pause(at, FIRST_PAUSE), Class::Retry)),
            Next::BackoffWithin(longest) => {
                Some((self.pause(at, FIRST_PAUSE).min(longest), Class::Retry))
            }
            Next::StartOver => Some((self.pause(at, FIRST_PAUSE_AFTER_CONFLICT), Class::Retry)),
        };
        if running.is_forgotten || matches!(next, Next::Change | Next::After(_)) {
            self.failures.remove(at);
        }
        if let Some((lane, class)) = running.again {
            self.push(at.clone(), &lane, class, now);
        } else if let Some((pause, class)) = due
            // Something may have come for it that is acted on sooner.
            && self.due_at.get(at).is_none_or(|(due, _)| *due > now + pause)
        {
            self.set_due(at.clone(), running.lane, class, now + pause);
        }
    }

    /// The object is gone, or is not this operator's any more: nothing of it is kept but that it
    /// may be running, and then it does not come back.
    pub fn forget(&mut self, at: &ObjectRef) {
        self.clear_due(at);
        self.failures.remove(at);
        if let Some(ready) = self.ready.remove(at) {
            self.leave(&ready);
        }
        if let Some(running) = self.running.get_mut(at) {
            (running.again, running.is_forgotten) = (None, true);
        }
    }

    /// An object does not wait there any more.
    fn leave(&mut self, ready: &Ready) {
        self.depth[ready.class as usize] -= 1;
        if let Some(lane) = self.lanes.get_mut(&ready.lane) {
            lane.forget(ready.class, &self.ready);
            if lane.is_empty() {
                self.lanes.remove(&ready.lane);
            }
        }
    }

    /// When the next object becomes due.
    #[must_use]
    pub fn next_due(&self) -> Option<Instant> {
        self.due.first_key_value().map(|((at, _), _)| *at)
    }

    /// How many wait for their turn, by class.
    #[must_use]
    pub fn depth(&self, class: Class) -> usize {
        self.depth[class as usize]
    }

    /// Doubles from the first one to five minutes, less up to a quarter so that objects that failed
    /// together do not stay together.
    fn pause(&mut self, at: &ObjectRef, first: Duration) -> Duration {
        let failures = self.failures.entry(at.clone()).or_default();
        let pause = first.saturating_mul(2_u32.saturating_pow(*failures)).min(LONGEST_PAUSE);
        let mut hasher = DefaultHasher::new();
        (at, *failures).hash(&mut hasher);
        *failures = failures.saturating_add(1);
        let share = u32::try_from(hasher.finish() % 256).unwrap_or_default();
        pause.saturating_sub(pause * share / 1024)
    }

    /// One text for all that are in a lane.
    fn lane_name(&self, lane: &str) -> Arc<str> {
        let known = self.lanes.get_key_value(lane);
        known.map_or_else(|| lane.into(), |(lane, _)| Arc::clone(lane))
    }

    fn set_due(&mut self, at: ObjectRef, lane: Arc<str>, class: Class, from: Instant) {
        self.clear_due(&at);
        self.count += 1;
        let due = (from, self.count);
        self.due.insert(due, Due { at: at.clone(), lane, class });
        self.due_at.insert(at, due);
    }

    fn clear_due(&mut self, at: &ObjectRef) {
        if let Some(due) = self.due_at.remove(at) {
            self.due.remove(&due);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LANE: &str = "eu-west-1";

    /// So many in a region, whatever their namespace.
    fn places(region: usize) -> Places {
        Places { in_region: region, region, namespace: usize::MAX, all: usize::MAX }
    }

    fn at(name: &str) -> ObjectRef {
        ObjectRef::new("n", name)
    }

    fn name(turn: Option<Item>) -> Option<String> {
        turn.map(|turn| turn.at.name.to_string())
    }

    /// The names in the order in which they come, each finished before the next.
    fn drain(queue: &mut Queue, now: Instant) -> String {
        let mut names = Vec::new();
        while let Some(turn) = queue.pop(now) {
            queue.finished(&turn.at, Next::Change, now);
            names.push(turn.at.name);
        }
        names.join(" ")
    }

    #[test]
    fn first_in_first_out_and_each_once() {
        let (mut queue, now) = (Queue::new(places(10)), Instant::now());
        for name in ["a", "b", "a"] {
            queue.push(at(name), LANE, Class::Change, now);
        }
        assert_eq!(queue.depth(Class::Change), 2);
        assert_eq!(drain(&mut queue, now), "a b");
        assert_eq!(queue.depth, [0; 3]);
        assert!(queue.lanes.is_empty(), "nothing is kept of a lane in which nobody is");
    }

    #[test]
    fn what_comes_while_it_is_worked_on_brings_it_back_afterwards() {
        let (mut queue, now) = (Queue::new(places(10)), Instant::now());
        queue.push(at("a"), LANE, Class::Change, now);
        queue.pop(now);
        queue.push(at("a"), LANE, Class::Resync, now);
        assert_eq!(queue.pop(now), None);
        queue.finished(&at("a"), Next::After(Duration::from_mins(1)), now);
        assert_eq!(name(queue.pop(now)).as_deref(), Some("a"));
        queue.finished(&at("a"), Next::Change, now);
        assert_eq!(queue.pop(now + Duration::from_hours(1)), None);
    }

    #[test]
    fn it_comes_back_when_it_is_due_and_not_before() {
        let (mut queue, now) = (Queue::new(places(10)), Instant::now());
        let pause = Duration::from_mins(1);
        queue.push(at("a"), LANE, Class::Change, now);
        queue.pop(now);
        queue.finished(&at("a"), Next::After(pause), now);
        assert_eq!(queue.next_due(), Some(now + pause));
        assert_eq!(queue.pop(now + Duration::from_millis(59_999)), None);
        let turn = queue.pop(now + pause).unwrap();
        assert_eq!((turn.at, turn.class), (at("a"), Class::Resync));
        assert_eq!(queue.next_due(), None);
    }

    #[test]
    fn a_change_does_not_wait_for_what_is_due() {
        let (mut queue, now) = (Queue::new(places(10)), Instant::now());
        queue.push(at("a"), LANE, Class::Change, now);
        queue.pop(now);
        queue.finished(&at("a"), Next::Backoff, now);
        queue.push(at("a"), LANE, Class::Change, now);
        assert_eq!(name(queue.pop(now)).as_deref(), Some("a"));
        assert_eq!(queue.next_due(), None);
    }

    #[test]
    fn what_is_acted_on_later_comes_once_and_with_whatever_comes_sooner() {
        let (mut queue, now) = (Queue::new(places(10)), Instant::now());
        let later = now + Duration::from_secs(10);
        let push_later =
            |queue: &mut Queue, from| queue.push_later(at("a"), LANE, Class::Change, from);
        for _ in 0..3 {
            push_later(&mut queue, later);
        }
        assert_eq!((queue.pop(now), queue.next_due()), (None, Some(later)));
        assert_eq!(queue.pop(later).map(|item| item.class), Some(Class::Change));
        queue.finished(&at("a"), Next::Change, later);
        assert_eq!(queue.next_due(), None);
        push_later(&mut queue, later);
        queue.push(at("a"), LANE, Class::Change, now);
        assert_eq!(queue.next_due(), None, "what came now is for both");
        // While it is worked on, which may have read it before it was changed.
        assert!(queue.pop(now).is_some());
        push_later(&mut queue, later);
        queue.finished(&at("a"), Next::After(Duration::from_mins(1)), now);
        assert_eq!(queue.next_due(), Some(later));
        push_later(&mut queue, now + Duration::from_secs(20));
        assert_eq!(queue.next_due(), Some(later), "what is due sooner is for both");
        queue.forget(&at("a"));
        assert_eq!(queue.next_due(), None);
    }

    #[test]
    fn a_change_overtakes_a_resync_of_all() {
        let (mut queue, now) = (Queue::new(places(10)), Instant::now());
        for number in 0..1_000 {
            queue.push(at(&number.to_string()), LANE, Class::Resync, now);
        }
        queue.push(at("edited"), LANE, Class::Change, now);
        // One of those that wait for a resync is edited, too.
        queue.push(at("999"), LANE, Class::Change, now + Duration::from_secs(1));
        assert_eq!(name(queue.pop(now)).as_deref(), Some("edited"));
        let turn = queue.pop(now + Duration::from_secs(1)).unwrap();
        assert_eq!(
            (turn.at, turn.class, turn.waited),
            (at("999"), Class::Change, Duration::from_secs(1))
        );
        assert_eq!(name(queue.pop(now)).as_deref(), Some("0"));
    }

    #[test]
    fn changes_without_end_do_not_stop_the_others() {
        let (mut queue, now) = (Queue::new(places(10)), Instant::now());
        for name in ["x", "y"] {
            queue.push(at(name), LANE, Class::Resync, now);
        }
        for number in 0..20 {
            queue.push(at(&number.to_string()), LANE, Class::Change, now);
        }
        let expected = "0 1 2 x 3 4 5 y 6 7 8 9 10 11 12 13 14 15 16 17 18 19";
        assert_eq!(drain(&mut queue, now), expected);
    }

    #[test]
    fn a_resync_has_one_turn_of_four_and_a_retry_one_of_eight() {
        let (mut queue, now) = (Queue::new(places(10)), Instant::now());
        for (class, count) in [(Class::Change, 40), (Class::Resync, 20), (Class::Retry, 20)] {
            for number in 0..count {
                queue.push(at(&format!("{class:?}{number}")), LANE, class, now);
            }
        }
        let mut classes = Vec::new();
        for _ in 0..40 {
            let turn = queue.pop(now).unwrap();
            queue.finished(&turn.at, Next::Change, now);
            classes.push(turn.class);
        }
        assert!(classes.windows(4).all(|four| four.contains(&Class::Resync)), "{classes:?}");
        assert!(classes.windows(9).all(|nine| nine.contains(&Class::Retry)), "{classes:?}");
        let changes = classes.iter().filter(|class| **class == Class::Change).count();
        assert!(changes >= 24, "{changes} of 40 are changes");
    }

    #[test]
    fn a_namespace_fills_neither_a_region_nor_all_places() {
        let places = Places { in_region: 2, region: 4, namespace: 3, all: 5 };
        let (mut queue, now) = (Queue::new(places), Instant::now());
        let push = |queue: &mut Queue, namespace: &str, region: &str| {
            for number in 0..9 {
                let at = ObjectRef::new(namespace, &format!("{region}{number}"));
                queue.push(at, region, Class::Change, now);
            }
        };
        let pop = |queue: &mut Queue| -> Vec<String> {
            let all = std::iter::from_fn(|| queue.pop(now));
            let mut names: Vec<_> = all.map(|turn| turn.at.to_string()).collect();
            names.sort();
            names
        };
        push(&mut queue, "greedy", "a");
        assert_eq!(pop(&mut queue), ["greedy/a0", "greedy/a1"], "two in a region");
        push(&mut queue, "greedy", "b");
        assert_eq!(pop(&mut queue), ["greedy/b0"], "three of a namespace");
        push(&mut queue, "quiet", "a");
        assert_eq!(pop(&mut queue), ["quiet/a0", "quiet/a1"], "four in a region");
        push(&mut queue, "other", "c");
        assert_eq!(pop(&mut queue), [""; 0], "five in all");
        queue.finished(&ObjectRef::new("greedy", "b0"), Next::Change, now);
        assert_eq!(pop(&mut queue), ["greedy/b1"], "the region after the last one");
        queue.finished(&ObjectRef::new("quiet", "a0"), Next::Change, now);
        assert_eq!(pop(&mut queue), ["other/c0"]);
        let mut running: Vec<ObjectRef> = queue.running.keys().cloned().collect();
        while let Some(at) = running.pop() {
            queue.finished(&at, Next::Change, now);
            running.extend(queue.pop(now).map(|turn| turn.at));
        }
        assert!(queue.of_namespace.is_empty() && queue.lanes.is_empty(), "nothing is kept");
    }

    #[test]
    fn namespaces_take_turns() {
        let (mut queue, now) = (Queue::new(places(10)), Instant::now());
        for number in 0..1_000 {
            queue.push(ObjectRef::new("crowded", &format!("c{number}")), LANE, Class::Change, now);
        }
        for name in ["a", "b"] {
            queue.push(ObjectRef::new("quiet", name), LANE, Class::Change, now);
        }
        assert!(drain(&mut queue, now).starts_with("c0 a c1 b c2 c3"));
    }

    #[test]
    fn a_region_that_does_not_answer_delays_no_other() {
        let (mut queue, now) = (Queue::new(places(2)), Instant::now());
        for number in 0..5 {
            queue.push(at(&format!("dead{number}")), "dead", Class::Change, now);
        }
        for number in 0..3 {
            queue.push(at(&format!("live{number}")), "live", Class::Change, now);
        }
        let mut running: Vec<_> = std::iter::from_fn(|| name(queue.pop(now))).collect();
        running.sort();
        assert_eq!(running, ["dead0", "dead1", "live0", "live1"]);
        queue.finished(&at("live0"), Next::Change, now);
        assert_eq!(name(queue.pop(now)).as_deref(), Some("live2"));
        assert_eq!(queue.pop(now), None);
    }

    #[test]
    fn a_change_finds_a_place_though_all_others_wait_for_a_list() {
        let (mut queue, now) = (Queue::new(places(5)), Instant::now());
        for number in 0..9 {
            queue.push(at(&number.to_string()), LANE, Class::Resync, now);
        }
        assert_eq!(std::iter::from_fn(|| queue.pop(now)).count(), 3);
        for name in ["a", "b", "c"] {
            queue.push(at(name), LANE, Class::Change, now);
        }
        let names: Vec<_> = std::iter::from_fn(|| name(queue.pop(now))).collect();
        assert_eq!(names, ["a", "b"]);
        queue.finished(&at("0"), Next::Change, now);
        assert_eq!(name(queue.pop(now)).as_deref(), Some("c"));
        queue.finished(&at("a"), Next::Change, now);
        assert_eq!(name(queue.pop(now)).as_deref(), Some("3"));
    }

    #[test]
    fn what_is_tried_again_leaves_half_of_the_places_and_takes_turns_with_resyncs() {
        let (mut queue, now) = (Queue::new(places(4)), Instant::now());
        let failed = |number: u32| at(&format!("f{number}"));
        for number in 0..6 {
            queue.push(failed(number), LANE, Class::Change, now);
        }
        while let Some(turn) = queue.pop(now) {
            queue.finished(&turn.at, Next::Backoff, now);
        }
        let later = now + FIRST_PAUSE;
        let mut running: Vec<_> =
            std::iter::from_fn(|| queue.pop(later)).map(|turn| (turn.class, turn.at)).collect();
        assert_eq!(running.iter().map(|(class, _)| *class).collect::<Vec<_>>(), [Class::Retry; 2]);
        assert_eq!(queue.depth(Class::Retry), 4);
        for name in ["a", "b", "c"] {
            queue.push(at(name), LANE, Class::Resync, later);
        }
        assert_eq!(queue.pop(later), None, "two places are for changes");
        let mut classes = Vec::new();
        while let Some((_, at)) = running.pop() {
            queue.finished(&at, Next::Change, later);
            running.extend(queue.pop(later).map(|turn| (turn.class, turn.at)));
            classes.extend(running.last().map(|(class, _)| *class));
        }
        assert_eq!(classes[..4], [Class::Resync, Class::Retry, Class::Resync, Class::Retry]);
        assert_eq!(queue.depth, [0; 3]);
    }

    #[test]
    fn a_follower_that_works_on_nothing_keeps_nothing_of_what_is_gone() {
        let (mut queue, now) = (Queue::new(places(10)), Instant::now());
        for number in 0..1_000 {
            let (at, lane) = (at(&number.to_string()), format!("region-{number}"));
            queue.push(at.clone(), &lane, Class::Resync, now);
            queue.push(at.clone(), LANE, Class::Change, now);
            queue.forget(&at);
            assert_eq!(queue.lanes.len(), 0);
            queue.push(ObjectRef::new("n", "stays"), LANE, Class::Change, now);
            queue.push(at.clone(), LANE, Class::Change, now);
            queue.forget(&at);
            let names = format!("{:?}", queue.lanes).matches("ObjectRef").count();
            assert!(names <= 40, "{names} names");
            queue.forget(&ObjectRef::new("n", "stays"));
        }
        for number in 0..100 {
            queue.push(at(&number.to_string()), LANE, Class::Change, now);
        }
        for number in 0..99 {
            queue.forget(&at(&number.to_string()));
        }
        assert_eq!(name(queue.pop(now)).as_deref(), Some("99"));
        assert_eq!(queue.pop(now), None);
    }

    #[test]
    fn nothing_is_kept_of_what_is_gone() {
        let (mut queue, now) = (Queue::new(places(10)), Instant::now());
        for _ in 0..3 {
            queue.push(at("a"), LANE, Class::Change, now);
            queue.pop(now);
            queue.finished(&at("a"), Next::Backoff, now);
            queue.forget(&at("a"));
        }
        let kept = [
            queue.ready.len(),
            queue.running.len(),
            queue.due.len(),
            queue.due_at.len(),
            queue.failures.len(),
        ];
        assert_eq!(kept, [0; 5]);
    }

    #[test]
    fn what_is_forgotten_does_not_come_back_by_itself() {
        let now = Instant::now();
        let mut queue = Queue::new(places(10));
        queue.push(at("waits"), LANE, Class::Change, now);
        queue.forget(&at("waits"));
        assert_eq!((queue.pop(now), queue.depth(Class::Change)), (None, 0));
        for next in [Next::After(Duration::ZERO), Next::Backoff, Next::StartOver] {
            queue.push(at("runs"), LANE, Class::Change, now);
            assert!(queue.pop(now).is_some());
            queue.forget(&at("runs"));
            queue.finished(&at("runs"), next, now);
            assert_eq!(queue.next_due(), None, "{next:?}");
        }
        queue.push(at("runs"), LANE, Class::Change, now);
        assert!(queue.pop(now).is_some());
        queue.forget(&at("runs"));
        queue.push(at("runs"), LANE, Class::Change, now);
        queue.finished(&at("runs"), Next::Change, now);
        assert!(queue.pop(now).is_some(), "something came for it since");
    }

    #[test]
    fn pauses_grow_to_a_bound_and_start_anew_after_a_success() {
        let (mut queue, now) = (Queue::new(places(10)), Instant::now());
        let mut before = Duration::ZERO;
        for _ in 0..40 {
            let pause = queue.pause(&at("a"), FIRST_PAUSE);
            assert!(pause <= LONGEST_PAUSE && pause >= before.min(LONGEST_PAUSE / 4 * 3));
            before = pause;
        }
        assert!(before >= LONGEST_PAUSE / 4 * 3);
        queue.push(at("a"), LANE, Class::Change, now);
        queue.pop(now);
        queue.finished(&at("a"), Next::Change, now);
        assert!(queue.pause(&at("a"), FIRST_PAUSE) <= FIRST_PAUSE);
    }
}
