//! What the log says of hosts that cannot be reached: one line when that begins, and one when it is
//! over.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::failure::Failure;

/// The log names a host that alternates between reachable and unreachable this often.
const QUIET: Duration = Duration::from_mins(5);
/// A host without requests for this long is dropped.
const FORGOTTEN: Duration = Duration::from_mins(15);
/// More than the regions of Lightsail and the sources of credentials together. Further hosts are
/// not logged.
const MOST: usize = 256;

/// The hosts that could not be reached recently.
#[derive(Debug, Default)]
pub(super) struct Hosts(Mutex<HashMap<String, Spoken>>);

#[derive(Debug)]
struct Spoken {
    at: Instant,
    failed_at: Instant,
    /// The log does not say yet that it is over.
    is_open: bool,
}

impl Hosts {
    pub(super) fn note(&self, host: &str, failure: Option<&Failure>) {
        let mut hosts = self.0.lock();
        let known = hosts.get_mut(host);
        let Some(failure) = failure else {
            if let Some(spoken) = known.filter(|spoken| spoken.is_open) {
                spoken.is_open = false;
                tracing::info!(host, "requests to an AWS endpoint are succeeding again");
            }
            return;
        };
        let now = Instant::now();
        if let Some(known) = known {
            known.failed_at = now;
            if known.is_open || known.at.elapsed() < QUIET {
                return;
            }
        }
        hosts.retain(|_, spoken| spoken.failed_at.elapsed() < FORGOTTEN);
        if hosts.len() < MOST || hosts.contains_key(host) {
            let error = failure.to_string();
            tracing::warn!(host, error, "requests to an AWS endpoint are failing");
            let spoken = Spoken { at: now, failed_at: now, is_open: true };
            hosts.insert(host.to_owned(), spoken);
        }
    }
}
