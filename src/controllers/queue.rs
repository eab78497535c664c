//! Which object is next: a plain data structure, without I/O and with the time as an argument.
//!
//! First in, first out. An object is in the queue once, and never worked on twice at the same time: what comes for it meanwhile
//! brings it back when it is finished.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use super::ObjectRef;

/// When an object is to be looked at again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// When something changes.
    Change,
    /// After this time, or when something changes.
    After(Duration),
    /// Like `After`, with a pause that grows with each pass in a row that ends so.
    Backoff,
    /// Like `Backoff`, but no later than after this time.
    BackoffWithin(Duration),
}

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// The queue.
#[derive(Debug, Default)]
pub struct Queue {
    ready: VecDeque<ObjectRef>,
    is_ready: HashSet<ObjectRef>,
    /// Whether something came for it meanwhile.
    running: HashMap<ObjectRef, bool>,
    due: BTreeMap<(Instant, u64), ObjectRef>,
    due_at: HashMap<ObjectRef, (Instant, u64)>,
    failures: HashMap<ObjectRef, u32>,
    count: u64,
}

impl Queue {
    /// Something changed for this object.
    pub fn push(&mut self, at: ObjectRef) {
        self.clear_due(&at);
        if let Some(again) = self.running.get_mut(&at) {
            *again = true;
        } else if self.is_ready.insert(at.clone()) {
            self.ready.push_back(at);
        }
    }

    /// The next object to work on. It counts as running until [`Self::finished`].
    pub fn pop(&mut self, now: Instant) -> Option<ObjectRef> {
        while let Some(entry) = self.due.first_entry().filter(|entry| entry.key().0 <= now) {
            let at = entry.get().clone();
            self.push(at);
        }
        let at = self.ready.pop_front()?;
        self.is_ready.remove(&at);
        self.running.insert(at.clone(), false);
        Some(at)
    }

    /// A pass has ended.
    pub fn finished(&mut self, at: &ObjectRef, next: Next, now: Instant) {
        let again = self.running.remove(at).unwrap_or_default();
        let pause = match next {
            Next::Change => None,
            Next::After(pause) => Some(pause),
            Next::Backoff => Some(self.pause(at)),
            Next::BackoffWithin(longest) => Some(self.pause(at).min(longest)),
        };
        if matches!(next, Next::Change | Next::After(_)) {
            self.failures.remove(at);
        }
        if again {
            self.push(at.clone());
        } else if let Some(pause) = pause {
            self.count += 1;
            let due = (now + pause, self.count);
            self.due.insert(due, at.clone());
            self.due_at.insert(at.clone(), due);
        }
    }

    /// When the next object becomes due.
    #[must_use]
    pub fn next_due(&self) -> Option<Instant> {
        self.due.first_key_value().map(|((at, _), _)| *at)
    }

    /// Doubles from one second to five minutes, less up to a quarter so that objects that failed together do not stay together.
    fn pause(&mut self, at: &ObjectRef) -> Duration {
        let failures = self.failures.entry(at.clone()).or_default();
        let pause = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(*failures)).min(LONGEST_PAUSE);
        let mut hasher = DefaultHasher::new();
        (at, *failures).hash(&mut hasher);
        *failures = failures.saturating_add(1);
        let share = u32::try_from(hasher.finish() % 256).unwrap_or_default();
        pause.saturating_sub(pause * share / 1024)
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

    fn at(name: &str) -> ObjectRef {
        ObjectRef { namespace: "n".to_owned(), name: name.to_owned() }
    }

    #[test]
    fn first_in_first_out_and_each_once() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        for name in ["a", "b", "a"] {
            queue.push(at(name));
        }
        assert_eq!(queue.pop(now), Some(at("a")));
        assert_eq!(queue.pop(now), Some(at("b")));
        assert_eq!(queue.pop(now), None);
    }

    #[test]
    fn what_comes_while_it_is_worked_on_brings_it_back_afterwards() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        queue.push(at("a"));
        queue.pop(now);
        queue.push(at("a"));
        assert_eq!(queue.pop(now), None);
        queue.finished(&at("a"), Next::After(Duration::from_mins(1)), now);
        assert_eq!(queue.pop(now), Some(at("a")));
        queue.finished(&at("a"), Next::Change, now);
        assert_eq!(queue.pop(now + Duration::from_hours(1)), None);
    }

    #[test]
    fn it_comes_back_when_it_is_due_and_not_before() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        let pause = Duration::from_mins(1);
        queue.push(at("a"));
        queue.pop(now);
        queue.finished(&at("a"), Next::After(pause), now);
        assert_eq!(queue.next_due(), Some(now + pause));
        assert_eq!(queue.pop(now + Duration::from_millis(59_999)), None);
        assert_eq!(queue.pop(now + pause), Some(at("a")));
        assert_eq!(queue.next_due(), None);
    }

    #[test]
    fn a_change_does_not_wait_for_what_is_due() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        queue.push(at("a"));
        queue.pop(now);
        queue.finished(&at("a"), Next::Backoff, now);
        queue.push(at("a"));
        assert_eq!(queue.pop(now), Some(at("a")));
        assert_eq!(queue.next_due(), None);
    }

    #[test]
    fn pauses_grow_to_a_bound_and_start_anew_after_a_success() {
        let mut queue = Queue::default();
        let mut before = Duration::ZERO;
        for _ in 0..40 {
            let pause = queue.pause(&at("a"));
            assert!(pause <= LONGEST_PAUSE && pause >= before.min(LONGEST_PAUSE / 4 * 3));
            before = pause;
        }
        assert!(before >= LONGEST_PAUSE / 4 * 3);
        queue.finished(&at("a"), Next::Change, Instant::now());
        assert!(queue.pause(&at("a")) <= FIRST_PAUSE);
    }
}
