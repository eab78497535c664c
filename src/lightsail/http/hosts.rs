//! What the log says of hosts that are not reached: once when it begins, and once when it is over.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::failure::Failure;

/// A host that is reached and not reached by turns is spoken of this often.
const QUIET: Duration = Duration::from_mins(5);
/// More than Lightsail has regions, and those that give credentials.
const MOST: usize = 256;

/// The hosts that were not reached of late.
#[derive(Debug, Default)]
pub(super) struct Hosts(Mutex<HashMap<String, Spoken>>);

#[derive(Debug)]
struct Spoken {
    at: Instant,
    /// It has not been said yet that it is over.
    is_open: bool,
}

impl Hosts {
    pub(super) fn note(&self, host: &str, failure: Option<&Failure>) {
        let mut hosts = self.0.lock();
        let Some(failure) = failure else {
            if let Some(spoken) = hosts.get_mut(host).filter(|spoken| spoken.is_open) {
                spoken.is_open = false;
                tracing::info!(host, "requests to an AWS endpoint succeed again");
            }
            return;
        };
        let is_news =
            hosts.get(host).is_none_or(|spoken| !spoken.is_open && spoken.at.elapsed() >= QUIET);
        if is_news {
            let error = failure.to_string();
            tracing::warn!(host, error, "requests to an AWS endpoint fail");
            hosts.retain(|_, spoken| spoken.is_open || spoken.at.elapsed() < QUIET);
            if hosts.len() < MOST {
                let spoken = Spoken { at: Instant::now(), is_open: true };
                hosts.insert(host.to_owned(), spoken);
            }
        }
    }
}
