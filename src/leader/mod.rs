//! Which of several replicas acts. The others keep their rows up to date and wait.
//!
//! The election has a thread and a client of its own, so reconciliations cannot delay a renewal. It
//! records until when it holds the Lease, and ends the process as soon as the Lease is lost,
//! whatever is under way. The times have client-go's ratios: a Lease of 15 seconds is renewed every
//! 2 seconds, and given up when renewals fail for 10.

mod candidate;
mod election;

use std::time::Duration;

use anyhow::{Context, anyhow};
use kube::Client;
use tokio::sync::{oneshot, watch};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

pub use self::candidate::{Candidate, Times};
use self::election::Election;
use crate::clock::Moment;
use crate::kube_error::{is_of_certificates, without_content};
use crate::kubeconfig;
use crate::lease::HeldLease;
use crate::metrics::Metrics;
use crate::readiness::{Extent, Readiness};
use crate::telemetry::end_log;

/// How long giving back the Lease may take. If it takes longer, the next leader waits until the
/// Lease expires.
const RELEASE_TIMEOUT: Duration = Duration::from_millis(800);
/// A follower whose certificates do not serve for so long ends. They are read at the start only,
/// and may have been replaced since. While they are being replaced, servers may differ.
const CERTIFICATES_FAIL_FOR: Duration = Duration::from_mins(5);

/// In `/readyz`.
const LEASE: &str = "the Lease";
const NO_RESPONSE: &str = "no response in time";

/// The state of the election for everything that asks whether this process leads, and how the
/// process tells it to end.
#[derive(Clone, Debug)]
pub struct Leadership {
    /// Since when this process acts; `None` while it follows.
    pub leading_since: watch::Sender<Option<Moment>>,
    /// Until when this process may act.
    pub lease: HeldLease,
    /// Whether this process acts.
    pub metrics: Metrics,
    /// What the election waits for.
    pub readiness: Readiness,
    /// The process must end: a follower no longer stands for election.
    pub stop: CancellationToken,
    /// The work in flight has ended, so the Lease can be given back.
    pub done: CancellationToken,
}

impl Leadership {
    /// This process acts from now on.
    pub fn take(&self) {
        self.metrics.set_leader(true);
        self.leading_since.send_replace(Some(Moment::now()));
    }
}

/// Stands for election on a thread of its own until this process holds the Lease, then says so, and
/// keeps it until the work in flight is done. If the Lease is lost, the process ends with exit code
/// 1, and so does a follower whose certificates do not serve.
///
/// # Errors
/// The election cannot be held.
pub async fn lead(
    kube: kube::Config,
    candidate: Candidate,
    leadership: Leadership,
) -> anyhow::Result<()> {
    let (ended, end) = oneshot::channel();
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let outcome = runtime.context("the election has no runtime").and_then(|runtime| {
            let outcome = runtime.block_on(stand(kube, candidate, leadership));
            // Its credential plugin may not have ended.
            runtime.shutdown_background();
            outcome
        });
        // There is no receiver if the process ends for another reason.
        let _ = ended.send(outcome);
    };
    std::thread::Builder::new().name("election".to_owned()).spawn(run)?;
    end.await.context("the election ended unexpectedly")?
}

async fn stand(
    kube: kube::Config,
    candidate: Candidate,
    leadership: Leadership,
) -> anyhow::Result<()> {
    let (times, lease) = (candidate.times, candidate.lease.clone());
    let what = kubeconfig::slow_part(&kube);
    let make = || Client::try_from(kube).map_err(|error| anyhow!(without_content(&error)));
    let client = tokio::select! {
        client = kubeconfig::patiently(what, &leadership.readiness, make) => client?,
        () = leadership.stop.cancelled() => return Ok(()),
    };
    let mut election = Election::new(client, candidate);
    let sent = tokio::select! {
        sent = acquire(&mut election, times, &leadership.readiness) => sent,
        () = leadership.stop.cancelled() => return Ok(()),
    };
    let sent = match sent {
        Ok(sent) => sent,
        Err(why) => {
            tracing::error!(
                lease,
                "the Lease cannot be read because of certificates or credentials: {why}; exiting, \
                 so that they are read again"
            );
            exit()
        }
    };
    leadership.lease.hold_until(sent + times.lease_duration);
    leadership.take();
    tracing::info!(lease, "this process has acquired the Lease and leads");
    let why = tokio::select! {
        why = hold(&election, times, &leadership.lease, sent) => why,
        () = leadership.done.cancelled() => {
            leadership.lease.give_up();
            release(&election).await;
            return Ok(());
        }
    };
    leadership.lease.give_up();
    tracing::error!(lease, "the Lease was lost: {why}; exiting, so that only one replica acts");
    exit()
}

/// Ends the process, whatever the other threads do, once its last lines are written or half a
/// second is over. The Lease was given up before, so nothing more is sent.
fn exit() -> ! {
    end_log();
    std::process::exit(1)
}

/// Stands for election until it is won. Returns when the winning request was sent, or why the
/// certificates of this process do not serve.
async fn acquire(
    election: &mut Election,
    times: Times,
    readiness: &Readiness,
) -> Result<Moment, String> {
    let (mut said, mut certificates) = (String::new(), Certificates::default());
    let tell = |why| readiness.trouble(Extent::All, LEASE.to_owned(), why);
    loop {
        match tokio::time::timeout(times.attempt(), election.acquire()).await {
            Ok(Ok(Some(sent))) => {
                tell(None);
                return Ok(sent);
            }
            Ok(Ok(None)) => {
                tell(None);
                said.clear();
                certificates.note(true, Moment::now());
            }
            Ok(Err(error)) => {
                let why = without_content(&error);
                if certificates.note(!is_of_certificates(&error), Moment::now()) {
                    return Err(why);
                }
                tell(Some(why.clone()));
                complain(&mut said, why);
            }
            Err(_) => {
                tell(Some(NO_RESPONSE.to_owned()));
                complain(&mut said, NO_RESPONSE.to_owned());
            }
        }
        tokio::time::sleep(times.renew_period + jitter(times.renew_period)).await;
    }
}

/// Since when a follower fails because of certificates. An outage of the API server is no reason to
/// end: a restart would change nothing.
#[derive(Default)]
struct Certificates {
    failing_since: Option<Moment>,
}

impl Certificates {
    /// The API server was asked once more. `serve`: it answered, or failed for another reason.
    /// Returns whether the process should end.
    fn note(&mut self, serve: bool, now: Moment) -> bool {
        let since = (!serve).then(|| self.failing_since.unwrap_or(now));
        self.failing_since = since;
        since.is_some_and(|since| now.since(since) >= CERTIFICATES_FAIL_FOR)
    }
}

/// Logs what prevents the election, once for each cause.
fn complain(said: &mut String, error: String) {
    if *said != error {
        tracing::warn!(error, "the Lease cannot be read or written");
        *said = error;
    }
}

/// Up to a fifth of the period, so that candidates do not send requests at the same time.
fn jitter(period: Duration) -> Duration {
    let mut random = [0];
    // Without randomness they do.
    let _ = aws_lc_rs::rand::fill(&mut random);
    period * u32::from(random[0]) / 1_280
}

/// Renews the Lease, and records until when it is held. Returns why the Lease was lost. All times
/// count from when a request was *sent*. Others count from when they see the renewal, which is
/// later.
async fn hold(election: &Election, times: Times, lease: &HeldLease, sent: Moment) -> String {
    let mut renewed = sent;
    let mut said = String::new();
    let first = tokio::time::Instant::now() + times.renew_period;
    let mut ticks = tokio::time::interval_at(first, times.renew_period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let left = times.renew_deadline.saturating_sub(renewed.elapsed());
        if left.is_zero() {
            // Nothing failed while the process was paused.
            let why = if said.is_empty() { String::new() } else { format!(" ({said})") };
            return format!("it could not be renewed for {:?}{why}", times.renew_deadline);
        }
        match tokio::time::timeout(times.attempt().min(left), election.renew()).await {
            Ok(Ok(Some(sent))) => {
                renewed = sent;
                lease.hold_until(sent + times.lease_duration);
                said.clear();
            }
            Ok(Ok(None)) => {
                return "another replica has it, or it was deleted or emptied".to_owned();
            }
            Ok(Err(error)) => complain(&mut said, without_content(&error)),
            Err(_) => complain(&mut said, NO_RESPONSE.to_owned()),
        }
    }
}

async fn release(election: &Election) {
    match tokio::time::timeout(RELEASE_TIMEOUT, election.release()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::warn!(error = without_content(&error), "the Lease was not released");
        }
        Err(_) => tracing::warn!("the Lease was not released: no response in time"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_follower_whose_certificates_do_not_serve_ends_after_a_while() {
        let start = Moment::now();
        let mut certificates = Certificates::default();
        for (after, serve, expected) in [
            (0, false, false),
            (299, false, false),
            (300, false, true),
            (301, true, false),
            (302, false, false),
            (601, false, false),
            (602, false, true),
        ] {
            let now = start + Duration::from_secs(after);
            assert_eq!(certificates.note(serve, now), expected, "after {after} seconds");
        }
    }
}
