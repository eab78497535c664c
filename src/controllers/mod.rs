//! The controllers: watch → rows → queue → reconcile, for each kind.
//!
//! A watch keeps the rows; a change that asks for a pass puts a reference into the queue; a pass reads the object live and runs
//! observe → plan → act until the plan has nothing left to do, then publishes once. Passes run inside the loop's own future and are
//! never spawned, so that they end with it.

pub mod host_key_reset;
pub mod key_pair;
mod objects;
pub mod outcome;
pub mod queue;
pub mod rows;
mod tracking;
mod watch;

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::api::{EXECUTED_ANNOTATION, FINALIZER, RECONCILE_ANNOTATION, Reason, Reconciled};
use crate::error::Error;
use crate::lightsail::{Accounts, Inventory};
use crate::server::Readiness;
use crate::telemetry::Metrics;

use self::queue::{Next, Queue};
use self::rows::{Claim, Row, Rows, Trigger};

/// More steps than the longest way through a plan: a pass that needs more goes in circles, and is begun anew after a pause.
const MAX_STEPS: usize = 30;

/// Names an object of a kind.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectRef {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.namespace, self.name)
    }
}

/// What all passes share.
pub struct Context {
    /// The cluster's API.
    pub client: Client,
    /// AWS.
    pub accounts: Accounts,
    /// The shared lists of key pairs.
    pub inventory: Inventory,
    /// The objects of the kind `LightsailKeyPair`.
    pub key_pairs: Mutex<Rows<key_pair::plan::PairClaim>>,
    /// The objects of the kind `HostKeyReset`.
    pub resets: Mutex<Rows<host_key_reset::plan::Turn>>,
    /// What passes remember of earlier passes. Losing it costs time, never safety.
    pub memory: Memory,
    /// What is counted.
    pub metrics: Metrics,
    /// What is missing.
    pub readiness: Readiness,
    /// The settings.
    pub settings: Settings,
    /// When this process began.
    pub started: Instant,
    /// Set when the operator is to end: the step in flight is finished and no other is begun.
    pub stop: CancellationToken,
}

/// What passes remember of earlier passes.
#[derive(Debug, Default)]
pub struct Memory {
    /// By region: when Lightsail was read last.
    pub reads: Mutex<HashMap<String, Instant>>,
    /// By uid: imports that may have been sent, until when they can take effect.
    pub imports: Mutex<HashMap<String, Timestamp>>,
    /// By uid: since when the Secret or ConfigMap that an object needs has been missing.
    pub missing: Mutex<HashMap<String, Timestamp>>,
    /// What is known of resets that are under way.
    pub resets: Mutex<HashMap<ObjectRef, host_key_reset::Recollection>>,
    /// Which reset has its turn at each instance.
    pub turns: Mutex<host_key_reset::plan::Turns>,
}

/// The settings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The first part of the owner tag.
    pub cluster_id: String,
    /// The account that the credentials must belong to.
    pub aws_account_id: Option<String>,
    /// How long one call of AWS may take.
    pub call_timeout: Duration,
    /// How long after that its effect may still appear.
    pub settle_time: Duration,
    /// The namespaces to watch; all if empty.
    pub namespaces: Vec<String>,
    /// How many objects of a kind are worked on at the same time.
    pub concurrency: usize,
    /// When this process began.
    pub started_at: Timestamp,
}

impl Settings {
    /// How long after a call was sent its effect may still appear.
    #[must_use]
    pub fn landing_time(&self) -> Duration {
        self.call_timeout + self.settle_time
    }
}

/// What a pass came to.
#[derive(Clone, Copy, Debug)]
pub struct Passed {
    /// When the object is to be looked at again.
    pub next: Next,
    /// The reason that the object shows now, if it is still there.
    pub reason: Option<Reason>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Watches a kind and reconciles its objects, until the operator is to end; passes that run then finish their step.
pub async fn run<K, C, F>(
    ctx: Arc<Context>,
    rows: fn(&Context) -> &Mutex<Rows<C>>,
    row_of: fn(&Context, &K) -> Row<C>,
    reconcile: impl Fn(ObjectRef, Arc<Context>) -> F,
) where
    K: Reconciled,
    C: Claim,
    F: Future<Output = Passed>,
{
    let kind = K::kind(&()).into_owned();
    let mut queue = Queue::default();
    let mut watches = watch::watch::<K>(&ctx, &kind);
    let mut lists = watch::FirstLists::default();
    let mut running = FuturesUnordered::new();
    loop {
        while running.len() < ctx.settings.concurrency
            && lists.are_complete()
            && !ctx.stop.is_cancelled()
            && let Some(at) = queue.pop(Instant::now())
        {
            running.push(timed(at.clone(), reconcile(at, Arc::clone(&ctx))));
        }
        if ctx.stop.is_cancelled() && running.is_empty() {
            return;
        }
        tokio::select! {
            Some(change) = watches.next(), if !ctx.stop.is_cancelled() => {
                lists.take_in(&change);
                let due = change.take_in(&mut lock(rows(&ctx)), |object| row_of(&ctx, object));
                for at in due {
                    queue.push(at);
                }
                ctx.metrics.set_objects(&kind, lock(rows(&ctx)).len());
            }
            Some((at, passed, duration)) = running.next() => {
                ctx.metrics.reconciled(&kind, passed.reason, duration);
                queue.finished(&at, passed.next, Instant::now());
            }
            () = sleep_until(queue.next_due()), if running.len() < ctx.settings.concurrency && lists.are_complete() => {}
            () = ctx.stop.cancelled(), if !ctx.stop.is_cancelled() => {}
        }
    }
}

/// Runs a pass in its span. One that could not be finished is tried again; its object shows what it showed before.
async fn guarded(kind: &'static str, at: &ObjectRef, pass: impl Future<Output = Result<Passed, Error>>) -> Passed {
    let span = tracing::info_span!("reconcile", kind, namespace = at.namespace, object = at.name);
    let pass = async {
        match pass.await {
            Ok(passed) => passed,
            Err(Error::Stopping | Error::Gone) => Passed { next: Next::Change, reason: None },
            Err(Error::Conflict) => Passed { next: Next::After(Duration::from_millis(100)), reason: None },
            Err(error) => {
                tracing::warn!(%error, "the pass could not be finished and will be tried again");
                Passed { next: Next::Backoff, reason: None }
            }
        }
    };
    pass.instrument(span).await
}

async fn timed(at: ObjectRef, pass: impl Future<Output = Passed>) -> (ObjectRef, Passed, Duration) {
    let start = Instant::now();
    let passed = pass.await;
    (at, passed, start.elapsed())
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}

/// What a pass of this object depends on.
pub fn trigger<K: Reconciled>(object: &K) -> Trigger {
    let annotation = |key| objects::annotation(object, key).map(str::to_owned);
    Trigger {
        generation: object.meta().generation.unwrap_or_default(),
        deleting: object.meta().deletion_timestamp.is_some(),
        finalizer: objects::has_finalizer(object, FINALIZER),
        reconcile: annotation(RECONCILE_ANNOTATION),
        executed: annotation(EXECUTED_ANNOTATION),
        tracked_by: tracking::tracked_by(object),
    }
}
