//! Which of several replicas acts. The others keep their rows up to date, and wait.
//!
//! The lease is that of client-go: 15 seconds, renewed every 2, given up when it could not be
//! renewed for 10. Losing it ends the process, and with it whatever was under way: nothing is
//! spawned that could outlive it.

use std::time::{Duration, Instant};

use anyhow::bail;
use k8s_controller::LeaderElection;
use kube::Client;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;

/// How long the lease holds after it was renewed, as others see it.
pub const LEASE_DURATION: Duration = Duration::from_secs(15);
/// How long renewing it is tried before it counts as lost.
const RENEW_DEADLINE: Duration = Duration::from_secs(10);
/// How often it is renewed.
const RETRY_PERIOD: Duration = Duration::from_secs(2);
// Whoever cannot renew the lease knows that it is lost before others take it.
const _: () = assert!(RETRY_PERIOD.as_secs() < RENEW_DEADLINE.as_secs());
const _: () = assert!(RENEW_DEADLINE.as_secs() < LEASE_DURATION.as_secs());

/// Refuses a call timeout with which a call that was sent while the lease held could still be under
/// way when another process has the lease.
///
/// # Errors
/// What to set instead.
pub fn check_call_timeout(call_timeout: Duration) -> Result<(), String> {
    if call_timeout + RETRY_PERIOD >= LEASE_DURATION {
        return Err(format!(
            "--aws-call-timeout is {call_timeout:?}, and the Lease lasts {LEASE_DURATION:?} and is \
             renewed every {RETRY_PERIOD:?}: a call could outlive the Lease; set a shorter \
             timeout, or --leader-election=false for a single replica"
        ));
    }
    Ok(())
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
            .with_lease_duration(LEASE_DURATION)
            .with_renew_deadline(RENEW_DEADLINE)
            .with_retry_period(RETRY_PERIOD);
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
