//! The simulator's clock: that of this machine, plus an offset that can be set.
//!
//! Everything that carries or compares a time asks this clock: timestamps in answers, the `Date`
//! header, the age of signatures, the end of sessions and the rate of requests. Latencies and
//! faults wait in real time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

/// A clock; clones show the same time.
#[derive(Clone, Debug, Default)]
pub(super) struct Clock {
    offset_millis: Arc<AtomicI64>,
}

impl Clock {
    /// The time to the millisecond: what the API's timestamps carry.
    pub(super) fn now(&self) -> SystemTime {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let millis = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
        let shown = millis.saturating_add(self.offset_millis.load(Ordering::SeqCst));
        SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(shown).unwrap_or_default())
    }

    /// Moves the clock ahead by this much.
    pub(super) fn advance(&self, time: Duration) {
        self.offset_millis.fetch_add(millis_of(time), Ordering::SeqCst);
    }

    /// By how much this clock is ahead of the machine's, in milliseconds; negative if it is behind.
    pub(super) fn offset_millis(&self) -> i64 {
        self.offset_millis.load(Ordering::SeqCst)
    }

    pub(super) fn set_offset_millis(&self, offset: i64) {
        self.offset_millis.store(offset, Ordering::SeqCst);
    }
}

fn millis_of(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// A timestamp of awsJson: seconds since 1970 with a fraction.
pub(super) fn epoch_seconds(at: SystemTime) -> f64 {
    at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// As the `Date` header has it, for example `Tue, 24 Nov 2026 22:14:49 GMT`.
pub(super) fn http_date(at: SystemTime) -> String {
    format_time("%a, %d %b %Y %H:%M:%S GMT", at)
}

/// As SigV4 has it, for example `20261124T221449Z`.
pub(super) fn basic_time(at: SystemTime) -> String {
    format_time("%Y%m%dT%H%M%SZ", at)
}

/// As XML answers have it, for example `2026-11-24T22:14:49Z`.
pub(super) fn iso_time(at: SystemTime) -> String {
    format_time("%Y-%m-%dT%H:%M:%SZ", at)
}

/// The time that [`basic_time`] writes.
pub(super) fn parse_basic_time(text: &str) -> Option<SystemTime> {
    let civil = k8s_openapi::jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok()?;
    let zoned = civil.to_zoned(k8s_openapi::jiff::tz::TimeZone::UTC).ok()?;
    Some(zoned.timestamp().into())
}

fn format_time(format: &str, at: SystemTime) -> String {
    k8s_openapi::jiff::Timestamp::try_from(at)
        .map(|at| at.strftime(format).to_string())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::{Clock, basic_time, http_date, iso_time, parse_basic_time};

    #[test]
    fn the_same_moment_in_every_form() {
        // `date -u -d @1440938161`
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_440_938_161);
        assert_eq!(basic_time(at), "20150830T123601Z");
        assert_eq!(http_date(at), "Sun, 30 Aug 2015 12:36:01 GMT");
        assert_eq!(iso_time(at), "2015-08-30T12:36:01Z");
        assert_eq!(parse_basic_time("20150830T123601Z"), Some(at));
        assert_eq!(parse_basic_time("2015-08-30T12:36:01Z"), None);
    }

    #[test]
    fn a_clock_can_be_moved_and_its_clones_move_along() {
        let clock = Clock::default();
        let (clone, before) = (clock.clone(), clock.now());
        clock.advance(Duration::from_hours(1));
        assert!(clone.now() >= before + Duration::from_hours(1));
        clock.set_offset_millis(-3_600_000);
        assert!(clone.now() < before);
    }
}
