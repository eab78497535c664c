//! How many requests come through: a token bucket for each account and region.
//!
//! AWS describes its own throttling as token buckets (EC2 API Reference, "Request throttling");
//! whether a refused request costs something is unverified, and here it does not.

use std::time::SystemTime;

use super::switches::Switches;

/// The tokens that are left, and when they were counted. A new bucket is full.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    counted: Option<(f64, SystemTime)>,
}

impl Bucket {
    /// Takes a token if there is one.
    pub(super) fn take(&mut self, switches: &Switches, now: SystemTime) -> bool {
        let (rate, burst) = (switches.requests_per_second, switches.burst.max(1.0));
        if rate <= 0.0 {
            self.counted = None;
            return true;
        }
        let tokens = self.counted.map_or(burst, |(tokens, at)| {
            let passed = now.duration_since(at).unwrap_or_default().as_secs_f64();
            burst.min(tokens + passed * rate)
        });
        let is_enough = tokens >= 1.0;
        self.counted = Some((if is_enough { tokens - 1.0 } else { tokens }, now));
        is_enough
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::{Bucket, Switches};

    #[test]
    fn a_burst_comes_through_and_then_the_rate() {
        let switches = Switches { requests_per_second: 2.0, burst: 3.0, ..Switches::default() };
        let (mut bucket, start) = (Bucket::default(), SystemTime::UNIX_EPOCH);
        let mut passed = |seconds: f64| {
            let now = start + Duration::from_secs_f64(seconds);
            std::iter::repeat_with(|| bucket.take(&switches, now))
                .take_while(|taken| *taken)
                .count()
        };
        assert_eq!(passed(0.0), 3);
        assert_eq!(passed(0.4), 0);
        assert_eq!(passed(1.0), 2);
        assert_eq!(passed(1000.0), 3, "no more than a burst is saved up");
    }

    #[test]
    fn without_a_rate_everything_comes_through() {
        let (mut bucket, switches) = (Bucket::default(), Switches::default());
        assert!((0..1000).all(|_| bucket.take(&switches, SystemTime::UNIX_EPOCH)));
    }
}
