//! Which of several replicas acts. The others keep their rows up to date, and wait.
//!
//! The times are in the ratio of client-go's: of a lease of 15 seconds, renewed every 2, given up
//! when it could not be renewed for 10. Losing it ends the process, and with it whatever was under
//! way: nothing is spawned that could outlive it.

use std::time::{Duration, Instant};

use anyhow::bail;
use k8s_controller::LeaderElection;
use kube::Client;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;

/// A Lease object says its duration in whole seconds, and at least one.
const SHORTEST_LEASE: Duration = Duration::from_secs(1);

/// The times of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// How long the lease holds after it was renewed, as others see it.
    pub lease_duration: Duration,
    /// How long renewing it is tried before it counts as lost: whoever cannot renew it knows that
    /// before others take it.
    pub renew_deadline: Duration,
    /// How often it is renewed.
    pub renew_period: Duration,
}

impl Times {
    /// Those of a lease of this duration.
    ///
    /// # Errors
    /// What to set instead, if a call that was sent while the lease held could still be under way
    /// when another process has the lease.
    pub fn new(lease_duration: Duration, call_timeout: Duration) -> Result<Self, String> {
        let renew_deadline = lease_duration * 2 / 3;
        let renew_period = lease_duration * 2 / 15;
        if lease_duration < SHORTEST_LEASE {
            return Err(format!("--lease-duration must be at least {SHORTEST_LEASE:?}"));
        }
        if lease_duration <= call_timeout + renew_period {
            return Err(format!(
                "--aws-call-timeout is {call_timeout:?}, and the Lease lasts {lease_duration:?} \
                 and is renewed every {renew_period:?}: a call could outlive the Lease; set a \
                 shorter timeout, a longer --lease-duration, or --leader-election=false for a \
                 single replica"
            ));
        }
        Ok(Self { lease_duration, renew_deadline, renew_period })
    }
}

/// The lease, and who this process is in it.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Where the lease is.
    pub namespace: String,
    /// Its name.
    pub lease: String,
    /// Unique among the replicas.
    pub identity: String,
    /// How long it lasts.
    pub times: Times,
}

/// Stands for election until this process has the lease, then says so, and keeps it until `done`.
/// Without a candidate this process acts at once.
///
/// # Errors
/// The lease was lost.
pub async fn lead(
    candidate: Option<(Client, Candidate)>,
    leads: watch::Sender<Option<Instant>>,
    metrics: Metrics,
    stop: CancellationToken,
    done: CancellationToken,
) -> anyhow::Result<()> {
    let begin = || {
        metrics.set_leader(true);
        leads.send_replace(Some(Instant::now()));
    };
    let Some((client, candidate)) = candidate else {
        begin();
        done.cancelled().await;
        return Ok(());
    };
    let election =
        LeaderElection::new(client, &candidate.namespace, &candidate.lease, &candidate.identity)
            .with_lease_duration(candidate.times.lease_duration)
            .with_renew_deadline(candidate.times.renew_deadline)
            .with_retry_period(candidate.times.renew_period);
    let acting = async {
        begin();
        done.cancelled().await;
    };
    // Whoever has the lease when it is told to end finishes what is under way, and gives it back.
    let following = async {
        stop.cancelled().await;
        if leads.borrow().is_some() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        kept = election.with_lease(acting) => {
            if kept.is_none() {
                bail!("the lease {} was lost; ending, so that only one replica acts",
                    candidate.lease);
            }
        }
        () = following => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_outlives_each_call_that_is_sent_while_it_is_held() {
        let seconds = Duration::from_secs_f64;
        let times = Times::new(seconds(15.0), seconds(10.0)).unwrap();
        assert_eq!(times.renew_deadline, seconds(10.0), "as client-go's");
        assert_eq!(times.renew_period, seconds(2.0));
        for (lease, call, expected) in [
            (15.0, 12.9, true),
            (15.0, 13.0, false),
            (3.0, 1.0, true),
            (1.0, 0.5, true),
            (0.9, 0.1, false),
        ] {
            let times = Times::new(seconds(lease), seconds(call));
            assert_eq!(times.is_ok(), expected, "{lease} s, {call} s");
        }
    }
}
