//! What the log says of hosts that cannot be reached: one line when that begins, and one when it is
//! over.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::failure::Failure;
use crate::outage::{News, Spoken};

/// A host without requests for this long is dropped.
const FORGOTTEN: Duration = Duration::from_mins(15);
/// More than the regions of Lightsail and the sources of credentials together. Beyond this, hosts
/// that never answered are not logged: objects may name invented regions.
const MOST: usize = 256;

/// The hosts that could not be reached recently.
#[derive(Debug, Default)]
pub(super) struct Hosts(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    failing: HashMap<String, Failing>,
    /// Those that have ever answered, which are logged whatever else fails. No more than [`MOST`]:
    /// AWS has fewer.
    answered: HashSet<String>,
}

#[derive(Debug)]
struct Failing {
    spoken: Spoken,
    failed_at: Instant,
}

impl Hosts {
    /// A request to a host has ended. `failure` is why it could not be reached, and `is_good` says
    /// that the host itself has answered.
    pub(super) fn note(&self, host: &str, failure: Option<&Failure>, is_good: bool) {
        let news = self.0.lock().note(host, failure.is_some(), is_good, Instant::now());
        match (news, failure) {
            (Some(News::Begins), Some(failure)) => {
                let error = failure.to_string();
                tracing::warn!(host, error, "requests to an AWS endpoint are failing");
            }
            (Some(News::IsOver), _) => {
                tracing::info!(host, "requests to an AWS endpoint are succeeding again");
            }
            (Some(News::Begins) | None, _) => {}
        }
    }
}

impl Known {
    fn note(&mut self, host: &str, fails: bool, is_good: bool, now: Instant) -> Option<News> {
        if is_good && self.answered.len() < MOST && !self.answered.contains(host) {
            self.answered.insert(host.to_owned());
        }
        let known = self.failing.get_mut(host);
        if !fails {
            return known?.spoken.note(false, now);
        }
        if let Some(known) = known {
            known.failed_at = now;
            return known.spoken.note(true, now);
        }
        let since = |then: Instant| now.saturating_duration_since(then);
        self.failing.retain(|_, failing| since(failing.failed_at) < FORGOTTEN);
        if !self.answered.contains(host) {
            let never_answered = self.failing.keys().filter(|host| !self.answered.contains(*host));
            if never_answered.count() >= MOST {
                return None;
            }
        }
        let failing = Failing { spoken: Spoken::default(), failed_at: now };
        self.failing.entry(host.to_owned()).or_insert(failing).spoken.note(true, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outage::QUIET;

    #[test]
    fn an_outage_of_a_host_that_has_answered_is_told_however_many_others_fail() {
        let (mut known, now) = (Known::default(), Instant::now());
        let real = "lightsail.eu-west-1.amazonaws.com";
        assert_eq!(known.note(real, false, true, now), None);
        let invented = (0..1_000).map(|number| format!("lightsail.xx-north-{number}.example"));
        let told = invented.filter(|host| known.note(host, true, false, now).is_some());
        assert_eq!(told.count(), MOST, "further ones are not told");
        assert_eq!(known.note(real, true, false, now), Some(News::Begins));
        assert_eq!(known.note(real, true, false, now), None, "once");
        assert_eq!(known.note(real, false, true, now), Some(News::IsOver));
        assert_eq!(known.note(real, true, false, now), None, "it alternates");
        assert_eq!(known.note(real, true, false, now + QUIET), Some(News::Begins));
        assert_eq!(known.note("another.example", true, false, now + QUIET), None);
        let later = now + FORGOTTEN;
        assert_eq!(known.note("another.example", true, false, later), Some(News::Begins));
    }

    #[test]
    fn what_is_remembered_of_hosts_is_bounded() {
        let (mut known, now) = (Known::default(), Instant::now());
        for number in 0..2 * MOST {
            known.note(&format!("a-{number}.example"), false, true, now);
            known.note(&format!("b-{number}.example"), true, false, now);
            // An answer that is not of the host proves nothing.
            known.note(&format!("c-{number}.example"), false, false, now);
        }
        assert_eq!((known.answered.len(), known.failing.len()), (MOST, MOST));
    }
}
