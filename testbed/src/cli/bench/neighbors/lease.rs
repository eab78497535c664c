//! Whether the leader renews its Lease in time, as anybody sees it who reads the Lease.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client};

use crate::cli::scene::OPERATOR;

/// A renewal comes every two seconds by default, so none is overlooked.
const EVERY: Duration = Duration::from_secs(1);

/// What was read so far.
#[derive(Clone, Debug, Default)]
struct Seen {
    /// Each time of renewal once, in seconds since 1970.
    renewed: Vec<f64>,
    /// In seconds.
    duration: f64,
    transitions: i32,
    /// Reads that failed.
    unread: usize,
}

/// Reads the Lease until it is dropped.
pub(super) struct LeaseWatch {
    seen: Arc<Mutex<Seen>>,
    task: tokio::task::JoinHandle<()>,
}

/// What became of the Lease in some time.
#[derive(Debug)]
pub(super) struct Renewals {
    /// Gaps of more than two periods.
    pub(super) missed: usize,
    /// Changes of the holder.
    pub(super) transitions: i32,
    /// Reads that failed.
    pub(super) unread: usize,
}

impl LeaseWatch {
    pub(super) fn start(client: Client) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let task = tokio::spawn(watch(Api::namespaced(client, OPERATOR), Arc::clone(&seen)));
        Self { seen, task }
    }

    /// What was read since the last time that this was asked, or since the start.
    pub(super) fn take(&self) -> Renewals {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        // As the operator has it.
        let period = seen.duration * 2.0 / 15.0;
        let missed = missed(&seen.renewed, seconds(SystemTime::now()), period);
        let renewals = Renewals { missed, transitions: seen.transitions, unread: seen.unread };
        let last = seen.renewed.last().copied();
        *seen = Seen {
            renewed: last.into_iter().collect(),
            duration: seen.duration,
            ..Seen::default()
        };
        renewals
    }
}

impl Drop for LeaseWatch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn watch(leases: Api<Lease>, seen: Arc<Mutex<Seen>>) {
    let (mut ticks, mut last) = (tokio::time::interval(EVERY), None);
    loop {
        ticks.tick().await;
        let read = tokio::time::timeout(EVERY * 10, leases.get(OPERATOR)).await;
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        let Ok(Ok(Lease { spec: Some(spec), .. })) = read else {
            seen.unread += 1;
            continue;
        };
        let transitions = spec.lease_transitions.unwrap_or_default();
        seen.transitions += transitions - last.unwrap_or(transitions);
        last = Some(transitions);
        seen.duration = spec.lease_duration_seconds.map(f64::from).unwrap_or_default();
        if let Some(at) = spec.renew_time.map(|time| seconds(time.0.into()))
            && seen.renewed.last() != Some(&at)
        {
            seen.renewed.push(at);
        }
    }
}

fn seconds(time: SystemTime) -> f64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// How many gaps of more than two periods there are between renewals, and from the last one to the
/// end.
fn missed(renewed: &[f64], end: f64, period: f64) -> usize {
    let ends = renewed.iter().skip(1).copied().chain([end]);
    renewed.iter().zip(ends).filter(|(start, end)| end - *start > 2.0 * period).count()
}

#[cfg(test)]
mod tests {
    use super::missed;

    #[test]
    fn gaps_of_more_than_two_periods_count() {
        for (renewed, end, wanted) in [
            (&[10.0, 12.0, 14.1][..], 15.0, 0),
            (&[10.0, 12.0, 16.1], 17.0, 1),
            (&[10.0, 14.0, 18.0], 22.0, 0),
            (&[10.0, 12.0], 30.0, 1),
            (&[10.0, 20.0, 30.0], 31.0, 2),
            (&[], 31.0, 0),
        ] {
            assert_eq!(missed(renewed, end, 2.0), wanted, "{renewed:?} until {end}");
        }
    }
}
