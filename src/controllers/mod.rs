//! The controllers: watch → rows → queue → reconcile, for each kind.
//!
//! A watch keeps the rows; a change that asks for a pass puts a reference into the queue; a pass
//! reads the object live and runs observe → plan → act until the plan has nothing left to do, then
//! publishes once. Passes run inside the loop's own future and are never spawned, so that they end
//! with it.

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

use crate::api::conditions::{READY, find, is_true};
use crate::api::{EXECUTED_ANNOTATION, FINALIZER, RECONCILE_ANNOTATION, Reason, Reconciled};
use crate::error::Error;
use crate::lightsail::{Accounts, Inventory};
use crate::metrics::Metrics;
use crate::server::Readiness;

use self::outcome::{State, Verdict};
use self::queue::{Class, Next, Queue, Turn};
use self::rows::{Claim, Row, Rows, Shown, Trigger};

/// More steps than the longest way through a plan: a pass that needs more goes in circles, and is
/// begun anew after a pause.
const MAX_STEPS: usize = 30;

/// Names an object of a kind. Shared text: each object is named in several places.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectRef {
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
}

impl ObjectRef {
    /// The object of this name in that namespace.
    #[must_use]
    pub fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
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
    /// Whether this process acts.
    pub leads: tokio::sync::watch::Receiver<bool>,
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
    /// Objects that vanished with their finalizer, and whose key pairs are still to be dealt with.
    pub deserted: Mutex<HashMap<ObjectRef, crate::api::LightsailKeyPair>>,
    /// What is known of resets that are under way.
    pub resets: Mutex<HashMap<ObjectRef, host_key_reset::Recollection>>,
    /// Which reset has its turn at each instance.
    pub turns: Mutex<host_key_reset::plan::Turns>,
}

impl Memory {
    /// An object is gone. What is known of a reset is forgotten by its passes, which may still be
    /// under way.
    fn forget(&self, uid: &str) {
        lock(&self.imports).remove(uid);
        lock(&self.missing).remove(uid);
    }
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
    /// How long another process may act on a lease that it has lost; zero without leader election.
    pub lease_duration: Duration,
    /// The namespaces to watch; all if empty.
    pub namespaces: Vec<String>,
    /// The labels of the objects to watch.
    pub label_selector: Option<String>,
    /// How many objects of a kind are worked on at the same time in each region.
    pub concurrency: usize,
    /// When this process began.
    pub started_at: Timestamp,
}

impl Settings {
    /// How long after a call was sent its effect may still appear. Another process may send one
    /// until its lease has run out.
    #[must_use]
    pub fn landing_time(&self) -> Duration {
        self.lease_duration + self.call_timeout + self.settle_time
    }
}

/// What a pass came to.
#[derive(Clone, Copy, Debug)]
pub struct Passed {
    /// When the object is to be looked at again.
    pub next: Next,
    /// What is counted.
    pub outcome: Outcome,
}

/// What a pass came to, as it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The object shows this reason.
    Said(Reason),
    /// There was nothing to do.
    Unchanged,
    /// The object is gone, or on its way out.
    Gone,
    /// It started over, because somebody else changed the object meanwhile.
    Conflict,
    /// It was left because the operator ends.
    Stopping,
    /// The Kubernetes API server refused, or did not answer.
    KubernetesError,
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Said(reason) => reason.fmt(formatter),
            Self::Unchanged
            | Self::Gone
            | Self::Conflict
            | Self::Stopping
            | Self::KubernetesError => fmt::Debug::fmt(self, formatter),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Watches a kind and reconciles its objects, until the operator is to end; passes that run then
/// finish their step.
pub async fn run<K, C, F>(
    ctx: Arc<Context>,
    rows: fn(&Context) -> &Mutex<Rows<C>>,
    row_of: fn(&Context, &K) -> Row<C>,
    note_gone: fn(&Context, &K) -> bool,
    reconcile: impl Fn(Turn, Arc<Context>) -> F,
) where
    K: Reconciled,
    C: Claim,
    F: Future<Output = Passed>,
{
    let kind = K::kind(&()).into_owned();
    let mut queue = Queue::new(ctx.settings.concurrency);
    let mut watches = watch::watch::<K>(&ctx, &kind);
    let mut lists = watch::FirstLists::default();
    let mut running = FuturesUnordered::new();
    let (mut leads, mut has_begun) = (ctx.leads.clone(), false);
    loop {
        let leads_now = *leads.borrow_and_update();
        if leads_now && !has_begun {
            queue.begin(Instant::now());
            has_begun = true;
        }
        let acts = leads_now && lists.are_complete() && !ctx.stop.is_cancelled();
        while acts && let Some(turn) = queue.pop(Instant::now()) {
            ctx.metrics.waited(&kind, turn.class, turn.waited);
            running.push(timed(turn.at.clone(), reconcile(turn, Arc::clone(&ctx))));
        }
        if ctx.stop.is_cancelled() && running.is_empty() {
            return;
        }
        for class in Class::ALL {
            ctx.metrics.set_depth(&kind, class, queue.depth(class));
        }
        tokio::select! {
            Some(change) = watches.next(), if !ctx.stop.is_cancelled() => {
                lists.take_in(&change);
                let deserted = change.gone().filter(|object| note_gone(&ctx,
                    object)).map(watch::reference);
                let mut rows = lock(rows(&ctx));
                let news = change.take_in(&mut rows, |object| row_of(&ctx, object));
                for (at, class) in news.due {
                    queue.push(at.clone(), rows.lane(&at), class, Instant::now());
                }
                for (at, uid) in news.gone {
                    queue.forget(&at);
                    ctx.memory.forget(&uid);
                }
                if let Some(at) = deserted {
                    queue.push(at, "", Class::Change, Instant::now());
                }
                for (shown, count) in rows.shown() {
                    ctx.metrics.set_objects(&kind, shown.ready, &shown.reason, count);
                }
            }
            Some((at, passed, duration)) = running.next() => {
                ctx.metrics.reconciled(&kind, passed.outcome, duration);
                queue.finished(&at, passed.next, Instant::now());
            }
            () = sleep_until(queue.next_due()), if acts => {}
            // Its sender lives as long as the process acts.
            _ = leads.changed(), if !acts => {}
            () = ctx.stop.cancelled(), if !ctx.stop.is_cancelled() => {}
        }
    }
}

/// Runs a pass in its span. One that could not be finished is tried again; its object shows what it
/// showed before.
async fn guarded(
    kind: &'static str,
    at: &ObjectRef,
    pass: impl Future<Output = Result<Passed, Error>>,
) -> Passed {
    let span =
        tracing::info_span!("reconcile", kind, namespace = &*at.namespace, object = &*at.name);
    let pass = async {
        match pass.await {
            Ok(passed) => passed,
            Err(Error::Stopping) => Passed { next: Next::Change, outcome: Outcome::Stopping },
            Err(Error::Gone) => Passed { next: Next::Change, outcome: Outcome::Gone },
            Err(Error::Conflict) => {
                Passed { next: Next::After(Duration::from_millis(100)), outcome: Outcome::Conflict }
            }
            Err(error) => {
                tracing::warn!(%error, "the pass could not be finished and will be tried again");
                Passed { next: Next::Backoff, outcome: Outcome::KubernetesError }
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

/// What an object shows.
pub fn shown<K: Reconciled>(object: &K) -> Shown {
    let ready = find(object.conditions(), READY);
    Shown {
        ready: ready.is_some_and(|ready| ready.status == "True"),
        reason: ready.map_or("", |ready| ready.reason.as_str()).into(),
    }
}

/// Counts how long an object took to become Ready for the first time; one that was edited meanwhile
/// does not count.
fn note_ready<K: Reconciled>(ctx: &Context, object: &K, verdict: &Verdict) {
    let is_first = verdict.state == State::Ready
        && object.meta().generation == Some(1)
        && !is_true(object.conditions(), READY)
        && object.last_handled_reconcile().is_none();
    if let Some(created) = object.meta().creation_timestamp.as_ref().filter(|_| is_first) {
        let seconds = Timestamp::now().duration_since(created.0).as_secs_f64();
        ctx.metrics.became_ready(&K::kind(&()), seconds);
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
