//! The clocks of the process. What happens within it is measured by a monotonic clock, which never
//! jumps and goes on while the machine sleeps. The wall clock also runs during sleep but can jump:
//! it is for what people and other processes read.
//!
//! Plans know only one clock. So a reconciliation reads both at its start, and then advances by the
//! monotonic clock; what was remembered as a [`Moment`] is translated.

use std::ops::Add;
use std::time::Duration;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use rustix::time::{ClockId, clock_gettime};

/// A moment in the life of this process, or before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(SignedDuration);

impl Moment {
    /// Now.
    #[must_use]
    pub fn now() -> Self {
        let time = clock_gettime(ClockId::Boottime);
        let nanoseconds = SignedDuration::from_nanos(time.tv_nsec);
        Self(SignedDuration::from_secs(time.tv_sec) + nanoseconds)
    }

    /// How long it is ago.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        Self::now().since(self)
    }

    /// The time from an earlier moment to this one; zero if it is not earlier.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        (self.0 - earlier.0).max(SignedDuration::ZERO).unsigned_abs()
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, time: Duration) -> Self {
        let time = SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX);
        Self(self.0.saturating_add(time))
    }
}

/// Both clocks, read together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clocks {
    time: Timestamp,
    moment: Moment,
}

impl Clocks {
    /// What they show now.
    #[must_use]
    pub fn read() -> Self {
        Self { time: Timestamp::now(), moment: Moment::now() }
    }

    /// The time at which they were read.
    #[must_use]
    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// The time now: that of the reading, and what has passed since.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.advanced().time
    }

    /// What they show now, as if the wall clock had not jumped since they were read.
    #[must_use]
    pub fn advanced(&self) -> Self {
        let moment = Moment::now();
        Self { time: self.time_of(moment), moment }
    }

    /// The time of a moment.
    #[must_use]
    pub fn time_of(&self, moment: Moment) -> Timestamp {
        self.time.saturating_add(moment.0 - self.moment.0).unwrap_or(self.time)
    }

    /// The moment of a time.
    #[must_use]
    pub fn moment_of(&self, time: Timestamp) -> Moment {
        Moment(self.moment.0.saturating_add(time.duration_since(self.time)))
    }

    /// By how much the wall clock jumped between an earlier reading and this one.
    #[must_use]
    pub fn jump_since(&self, earlier: &Self) -> SignedDuration {
        self.time.duration_since(earlier.time) - (self.moment.0 - earlier.moment.0)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Both clocks, when they show this.
    pub(crate) fn clocks(time: Timestamp, moment: Duration) -> Clocks {
        Clocks { time, moment: Moment(SignedDuration::ZERO) + moment }
    }

    #[test]
    fn what_was_remembered_keeps_its_distance_when_the_wall_clock_jumps() {
        let seconds = Duration::from_secs;
        let noon: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        let start = clocks(noon, seconds(100));
        let remembered = start.moment_of(noon - seconds(7));
        assert_eq!(start.time_of(remembered), noon - seconds(7));
        // Ten seconds later the wall clock shows two hours more or less.
        for jump in [-7_200, 7_200] {
            let jump = SignedDuration::from_secs(jump);
            let later = clocks(noon + seconds(10) + jump, seconds(110));
            let distance = later.time().duration_since(later.time_of(remembered));
            assert_eq!(distance, SignedDuration::from_secs(17));
            assert_eq!(later.jump_since(&start), jump);
        }
        assert_eq!(clocks(noon + seconds(3), seconds(103)).jump_since(&start).as_secs(), 0);
        // What began before the machine booted is older than that.
        let old = start.moment_of(noon - seconds(1_000));
        assert_eq!(start.time_of(old), noon - seconds(1_000));
    }
}
