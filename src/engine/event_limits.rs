//! Limits the Events of an object as client-go does: a burst, and then one every five minutes.
//! Conditions are not limited.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::uid::Uid;
use crate::digest::Digest;

/// The size of the burst.
const BURST: u32 = 25;
/// After the burst, an Event is written once in this time.
const PERIOD: Duration = Duration::from_mins(5);
/// Entries that have recovered are dropped when there are this many, or twice as many as the last
/// cleanup left.
const PRUNED_AT: usize = 1_024;

/// The Events of all objects.
#[derive(Debug)]
pub struct EventLimits {
    counts: HashMap<Digest<Uid>, Count>,
    pruned_at: usize,
}

#[derive(Clone, Copy, Debug)]
struct Count {
    written: u32,
    /// Each period since then makes room for one more.
    since: Instant,
}

impl Count {
    fn recovered(self, now: Instant) -> Self {
        let periods = now.saturating_duration_since(self.since).as_secs() / PERIOD.as_secs();
        let periods = u32::try_from(periods).unwrap_or(u32::MAX).min(self.written);
        Self { written: self.written - periods, since: self.since + PERIOD * periods }
    }
}

impl Default for EventLimits {
    fn default() -> Self {
        Self { counts: HashMap::new(), pruned_at: PRUNED_AT }
    }
}

impl EventLimits {
    /// Whether another Event of the object with this uid may be written now. If so, it counts.
    pub fn admit(&mut self, uid: &str, now: Instant) -> bool {
        if self.counts.len() >= self.pruned_at {
            self.counts.retain(|_, count| count.recovered(now).written > 0);
            self.pruned_at = (self.counts.len() * 2).max(PRUNED_AT);
            self.counts.shrink_to(self.pruned_at);
        }
        let none = Count { written: 0, since: now };
        let count = self.counts.entry(Digest::of(uid)).or_insert(none);
        *count = count.recovered(now);
        if count.written == 0 {
            count.since = now;
        }
        let is_admitted = count.written < BURST;
        count.written += u32::from(is_admitted);
        is_admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_has_25_events_and_then_one_in_five_minutes() {
        let (mut limits, start) = (EventLimits::default(), Instant::now());
        let mut admitted =
            |uid, after: Duration| (0..100).filter(|_| limits.admit(uid, start + after)).count();
        assert_eq!(admitted("a", Duration::ZERO), 25);
        assert_eq!(admitted("b", Duration::ZERO), 25, "each object for itself");
        assert_eq!(admitted("a", Duration::from_secs(299)), 0);
        assert_eq!(admitted("a", PERIOD), 1);
        assert_eq!(admitted("a", PERIOD * 4), 3);
        assert_eq!(admitted("a", PERIOD * 1_000), 25);
    }

    #[test]
    fn nothing_is_kept_of_objects_that_have_recovered() {
        let (mut limits, start) = (EventLimits::default(), Instant::now());
        for number in 0..PRUNED_AT {
            assert!(limits.admit(&number.to_string(), start));
        }
        assert!(limits.admit("one more", start + PERIOD));
        assert_eq!(limits.counts.len(), 1);
    }
}
