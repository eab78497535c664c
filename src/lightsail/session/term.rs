//! When credentials are renewed, and when a failed attempt is repeated.

use std::time::{Duration, Instant, SystemTime};

/// Credentials are renewed this long before they expire, or for short ones at three quarters of
/// their life.
const MARGIN: Duration = Duration::from_mins(5);
/// Credentials are not used at first if they expire within this time, or are in the last eighth of
/// their life.
const LAST_USE: Duration = Duration::from_secs(10);
/// The pause after a failure. Each further failure doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(2);

/// Both clocks, read together: credentials expire by the wall clock, and pauses are measured by the
/// clock that does not jump.
#[derive(Clone, Copy, Debug)]
pub(in crate::lightsail) struct Now {
    pub(in crate::lightsail) time: SystemTime,
    pub(in crate::lightsail) instant: Instant,
}

/// How long credentials are valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::lightsail) struct Term {
    /// `None`: until AWS refuses them.
    expiry: Option<SystemTime>,
    renewal: Renewal,
    last_use: Option<SystemTime>,
}

/// When credentials are renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Renewal {
    /// When AWS refuses them.
    Never,
    /// Before they expire.
    At(SystemTime),
    /// When so much time has passed, whatever the wall clock shows by then: the key may have been
    /// revoked.
    After(Instant),
}

impl Term {
    /// Of credentials that arrived now.
    pub(in crate::lightsail) fn new(now: SystemTime, expiry: Option<SystemTime>) -> Self {
        let before = |expiry: SystemTime, time: Duration, share: u32| {
            let left = expiry.duration_since(now).unwrap_or_default();
            expiry.checked_sub(time.min(left / share)).unwrap_or(now)
        };
        Self {
            expiry,
            renewal: expiry.map_or(Renewal::Never, |expiry| Renewal::At(before(expiry, MARGIN, 4))),
            last_use: expiry.map(|expiry| before(expiry, LAST_USE, 8)),
        }
    }

    /// Of credentials that are valid until AWS refuses them, and that a person may replace before.
    /// They are read again after this time.
    pub(in crate::lightsail) fn read_again(now: Instant, after: Duration) -> Self {
        Self { expiry: None, renewal: Renewal::After(now + after), last_use: None }
    }

    /// Whether a first use of them makes sense. Credentials that expire immediately would be
    /// fetched for each call.
    pub(in crate::lightsail) fn is_of_use(self, now: SystemTime) -> bool {
        self.expiry
            .is_none_or(|expiry| expiry.duration_since(now).is_ok_and(|left| left >= LAST_USE))
    }

    /// Whether they may be used.
    pub(in crate::lightsail) fn is_good(self, now: SystemTime) -> bool {
        self.last_use.is_none_or(|last_use| now < last_use)
    }

    /// How long until their renewal; `None` if they need none.
    pub(in crate::lightsail) fn until_renewal(self, now: Now) -> Option<Duration> {
        match self.renewal {
            Renewal::Never => None,
            Renewal::At(at) => Some(at.duration_since(now.time).unwrap_or_default()),
            Renewal::After(at) => Some(at.saturating_duration_since(now.instant)),
        }
    }
}

/// Consecutive attempts that failed or brought nothing new.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempts {
    count: u32,
    last: Instant,
    /// Somebody asked for the next one.
    is_asked: bool,
}

impl Attempts {
    /// One more than `before`.
    pub(super) fn one_more(before: Option<Self>, now: Instant) -> Self {
        let count = before.map_or(1, |before| before.count.saturating_add(1));
        Self { count, last: now, is_asked: false }
    }

    /// The next attempt waits no longer.
    pub(super) fn ask(&mut self) {
        self.is_asked = true;
    }

    /// How long until the next attempt, with pauses of at most that length.
    pub(super) fn until_next(self, now: Instant, longest: Duration) -> Duration {
        if self.is_asked {
            return Duration::ZERO;
        }
        let pause = FIRST_PAUSE.saturating_mul(1 << (self.count - 1).min(16)).min(longest);
        pause.saturating_sub(now.saturating_duration_since(self.last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_session_is_renewed_before_it_expires_and_used_until_then() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_hours(1);
        let at = |time| Now { time, instant: Instant::now() };
        for (life, renewed_after) in [(3_600, 3_300), (1_200, 900), (900, 675), (60, 45), (4, 3)] {
            let term = Term::new(now, Some(now + SECOND * life));
            assert_eq!(term.until_renewal(at(now)), Some(SECOND * renewed_after), "{life}");
            let end = at(now + SECOND * life);
            assert_eq!(term.until_renewal(end), Some(Duration::ZERO), "{life}");
            assert!(!term.is_good(now + SECOND * life), "{life}");
        }
        let term = Term::new(now, Some(now + SECOND * 3_600));
        assert!(term.is_good(now + SECOND * 3_589), "though it could not be renewed");
        let term = Term::new(now, None);
        assert!(term.is_good(now + SECOND * 1_000_000));
        assert_eq!(term.until_renewal(at(now)), None);
        for (left, expected) in [(3_600, true), (10, true), (9, false), (0, false)] {
            let term = Term::new(now, Some(now + SECOND * left));
            assert_eq!(term.is_of_use(now), expected, "{left}");
        }
        assert!(term.is_of_use(now));
        let expired = Term::new(now, Some(now - SECOND));
        assert!(!expired.is_of_use(now));
        assert_eq!(
            (expired.is_good(now), expired.until_renewal(at(now))),
            (false, Some(Duration::ZERO))
        );
    }

    #[test]
    fn failures_are_further_and_further_apart() {
        let start = Instant::now();
        let mut attempts = None;
        let mut pauses = Vec::new();
        for _ in 0..8 {
            let next = Attempts::one_more(attempts, start);
            pauses.push(next.until_next(start, SECOND * 60).as_secs());
            attempts = Some(next);
        }
        assert_eq!(pauses, [2, 4, 8, 16, 32, 60, 60, 60]);
        let first = Attempts::one_more(None, start);
        assert_eq!(first.until_next(start + SECOND, SECOND * 60), SECOND);
        assert_eq!(first.until_next(start + SECOND * 5, SECOND * 60), Duration::ZERO);
    }
}
