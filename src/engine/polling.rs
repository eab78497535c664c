//! How often to read whether Lightsail is done with something that takes time.

use std::time::Duration;

/// Soon at first, since most take only a moment.
const FIRST: Duration = Duration::from_millis(200);
/// By this part of its time, what takes long is seen to end late.
const LATE_BY: u32 = 4;

/// How long to wait before the next read of what began this long ago.
#[must_use]
pub fn next_poll(waited: Duration, longest: Duration) -> Duration {
    (waited / LATE_BY).max(FIRST).min(longest)
}
