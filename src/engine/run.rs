//! The loop of a kind: watch → rows → queue → reconcile, over its [`Controller`].

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use kube::Resource;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::action::{Action, Next, Outcome};
use super::concurrency::Class;
use super::context::Context;
use super::message::Message;
use super::object_ref::ObjectRef;
use super::queue::{Failures, Item, Queue};
use super::rows::{Claim, Due, Row, Rows};
use super::served::Served;
use super::verdict::{UNTIL_RENEWAL, Verdict};
use super::watch::{self, Change, FirstLists};
use crate::access::News;
use crate::api::Reconciled;
use crate::error::Error;
use crate::ids::LaneId;

/// More steps than the longest path through a plan. A reconciliation that needs more goes in
/// circles, and starts over after a pause.
pub const MAX_STEPS: usize = 30;

/// This many failures in a row are no coincidence.
const MANY_FAILURES: u32 = 5;
/// How many changes that are there already are noted before anything else is done.
const AT_A_TIME: usize = 100;

/// What an object shows of a failure that lasts, most often after this many in a row: somebody
/// changes the object all the time, or the API server does not do what the operator asks for.
#[must_use]
pub fn verdict_if_lasting(failure: &Error, failures: Failures) -> Option<Verdict> {
    match failure {
        Error::Conflict if failures.conflicts >= MANY_FAILURES => {
            let message = Message::LastingConflict;
            Some(Verdict::stalled(message.reason(), message.to_string(), Next::StartOver))
        }
        Error::Kubernetes(error) if failures.failed >= MANY_FAILURES => {
            Some(Verdict::failed_request(error))
        }
        Error::Unreadable(kind) if failures.failed >= MANY_FAILURES => {
            let why = format!("what it sent is not a {kind}");
            Some(Verdict::retried(&Message::KubernetesFails { why: &why }))
        }
        // Whoever removes the field does so each time.
        Error::NotKept(field) => {
            let why = format!("it does not keep {field}");
            Some(Verdict::retried(&Message::RefusedByKubernetes { why: &why }))
        }
        // They are shown otherwise, or pass, or have not lasted.
        Error::Conflict
        | Error::Outdated
        | Error::Kubernetes(_)
        | Error::Unreadable(_)
        | Error::Lightsail(_)
        | Error::Gone
        | Error::SecretRejected { .. }
        | Error::ConfigMapForbidden(_)
        | Error::GenerationFailed(_)
        | Error::NotLeading
        | Error::Stopping => None,
    }
}

/// The outcome of showing a failure that lasts. If that fails too, the first failure counts.
///
/// # Errors
/// The object is gone, or this process no longer acts.
pub fn ignore_unless_final<T>(outcome: Result<T, Error>) -> Result<Option<T>, Error> {
    match outcome {
        Ok(shown) => Ok(Some(shown)),
        Err(error @ (Error::Gone | Error::NotLeading | Error::Stopping)) => Err(error),
        Err(error) => {
            tracing::debug!(%error, "a failure that lasts could not be shown");
            Ok(None)
        }
    }
}

/// What the loop needs from a kind.
pub trait Controller: Send + Sync {
    /// The objects of the kind.
    type Object: Reconciled;
    /// What an object claims that others may claim too.
    type Claim: Claim;

    /// What all kinds share.
    fn context(&self) -> &Context;

    /// What is kept of the kind's objects.
    fn rows(&self) -> &Mutex<Rows<Self::Claim>>;

    /// What is kept of this object.
    fn row_of(&self, object: &Self::Object) -> Row<Self::Claim>;

    /// No object of the kind is in this lane any more.
    fn forget_lane(&self, _lane: &LaneId) {}

    /// An object is like this now.
    fn note_applied(&self, _object: &Self::Object) {}

    /// This version cannot read the object with this uid.
    fn note_unreadable(&self, _at: &ObjectRef, _uid: &str) {}

    /// All objects are known, or it is known that there are none.
    fn note_listed(&self) {}

    /// The objects that a change of another object made due, or its finished reconciliation, and
    /// their lanes.
    fn take_woken(&self) -> Vec<(ObjectRef, LaneId)> {
        Vec::new()
    }

    /// The watch says that an object is gone; this is how it was last.
    fn note_gone(&self, _object: &Self::Object) {}

    /// The lane of the remaining work for an object of this name that is gone.
    fn follow_up_lane(&self, _at: &ObjectRef) -> Option<LaneId> {
        None
    }

    /// Drops what is remembered of an object, which is gone along with its row, if it had one.
    fn forget(&self, at: &ObjectRef, row: Option<&Row<Self::Claim>>);

    /// Reconciles one object. `changed` is cancelled when it is changed meanwhile, or is gone: who
    /// waits for something that may take long starts over then.
    fn reconcile(
        &self,
        item: Item,
        changed: CancellationToken,
    ) -> impl Future<Output = Action> + Send;
}

/// Watches a kind and reconciles its objects until the operator shuts down. Running reconciliations
/// finish their step.
pub async fn run<C: Controller>(controller: &C) {
    let (ctx, kind) = (controller.context(), C::Object::kind(&()).into_owned());
    let outcomes = Outcome::all().map(|outcome| outcome.to_string());
    ctx.metrics.begin(&kind, outcomes, Class::ALL.map(Class::word));
    let mut queue = Queue::new(ctx.settings.concurrency);
    // A page of a list comes in one piece.
    let mut watches = watch::watch::<C::Object>(ctx, &kind).ready_chunks(AT_A_TIME);
    let mut lists = FirstLists::default();
    let (mut running, mut tokens) = (FuturesUnordered::new(), HashMap::new());
    let (mut leading_since, mut has_begun) = (ctx.leading_since.clone(), false);
    let mut news = ctx.directory.subscribe();
    loop {
        let leads_now = leading_since.borrow_and_update().is_some();
        if leads_now && !has_begun {
            queue.restart_wait_times(Instant::now());
            has_begun = true;
        }
        // Which objects need an account is known when all accounts are.
        let knows_accounts = !C::Object::IS_NAMESPACED || ctx.directory.is_complete();
        let is_complete = lists.are_complete() && knows_accounts;
        let acts = leads_now && is_complete && !ctx.stop.is_cancelled();
        while acts && let Some(item) = queue.pop(Instant::now()) {
            ctx.metrics.waited(&kind, item.class.word(), item.waited);
            let (at, changed) = (item.at.clone(), CancellationToken::new());
            tokens.insert(at.clone(), changed.clone());
            running.push(timed(at, controller.reconcile(item, changed)));
        }
        for at in queue.take_changed() {
            tokens.get(&at).inspect(|changed| changed.cancel());
        }
        if ctx.stop.is_cancelled() && running.is_empty() {
            return;
        }
        for class in Class::ALL {
            ctx.metrics.set_depth(&kind, class.word(), queue.depth(class));
        }
        tokio::select! {
            Some(changes) = watches.next(), if !ctx.stop.is_cancelled() => {
                for change in changes {
                    lists.note(&change);
                    tell(controller, &change);
                    note_change(controller, &mut queue, &kind, change);
                }
                note_rows(controller, &kind);
            }
            Some((at, action, duration)) = running.next() => {
                ctx.metrics.reconciled(&kind, &action.outcome.to_string(), duration);
                tokens.remove(&at);
                note_finished(controller, &mut queue, at, action);
            }
            change = news.recv(), if C::Object::IS_NAMESPACED => {
                note_account(controller, &mut queue, change.ok());
            }
            () = sleep_until(queue.next_due()), if acts => {}
            // Its sender lives as long as the process acts.
            _ = leading_since.changed(), if !acts => {}
            () = ctx.stop.cancelled(), if !ctx.stop.is_cancelled() => {}
        }
    }
}

/// Lets the kind know of a change, before the rows are brought up to date with it.
fn tell<C: Controller>(controller: &C, change: &Change<C::Object>) {
    match change {
        Change::Applied(Served::Readable(object)) => controller.note_applied(object),
        Change::Applied(Served::Unreadable(object)) => {
            let uid = object.metadata.uid.as_deref().unwrap_or_default();
            controller.note_unreadable(&ObjectRef::of_metadata(&object.metadata), uid);
        }
        Change::Gone(object) => {
            if let Served::Readable(object) = &**object {
                controller.note_gone(object);
            }
        }
        Change::Listed { .. } | Change::Unlisted { is_unknown: true, .. } => {
            controller.note_listed();
        }
        Change::Listing { .. } | Change::Unlisted { .. } => {}
    }
}

/// Queues the objects of an account that has changed, or all that use none. If changes were missed,
/// it queues all objects.
fn note_account<C: Controller>(controller: &C, queue: &mut Queue, news: Option<News>) {
    let (rows, now) = (controller.rows().lock(), Instant::now());
    let changed = match news {
        Some(News::Account(name)) => rows.of_account(Some(&name)),
        Some(News::Need) => rows.of_account(None),
        None => rows.others(None, &HashSet::new()),
    };
    for at in changed {
        let lane = rows.lane(&at);
        queue.push(at, lane, Class::Resync, now);
    }
}

/// Brings the rows up to date with a change, and queues the objects that it makes due.
fn note_change<C: Controller>(
    controller: &C,
    queue: &mut Queue,
    kind: &str,
    change: Change<C::Object>,
) {
    let (ctx, now) = (controller.context(), Instant::now());
    let mut rows = controller.rows().lock();
    let row_of = |object: &C::Object| {
        let row = controller.row_of(object);
        if row.region_answered {
            ctx.regions.note_answer(row.lane.region());
        }
        row
    };
    let news = change.apply_to(&mut rows, row_of, now);
    for Due { at, class, from } in news.due {
        let lane = rows.lane(&at);
        if from > now {
            queue.push_later(at.clone(), lane, class, from);
        } else {
            queue.push(at.clone(), lane, class, now);
        }
    }
    drop(rows);
    if let Some((at, field)) = news.unreadable {
        let (namespace, object) = (&*at.namespace, &*at.name);
        tracing::warn!(
            kind,
            namespace,
            object,
            field,
            "this version of the operator cannot read an object, and leaves it alone"
        );
    }
    for (at, row) in news.gone {
        queue.forget(&at);
        controller.forget(&at, row.as_ref());
        if let Some(lane) = controller.follow_up_lane(&at) {
            queue.push(at, lane, Class::Change, now);
        }
    }
    for (at, lane) in controller.take_woken() {
        queue.push_first(at, lane, now);
    }
}

/// Queues what a finished reconciliation leaves to do.
fn note_finished<C: Controller>(controller: &C, queue: &mut Queue, at: ObjectRef, action: Action) {
    let now = Instant::now();
    if let Some(lane) = queue.lane_of(&at) {
        // It may have called a region that no object names any more.
        controller.context().forget_unused(lane.region());
    }
    let was_forgotten = queue.finished(&at, action, now);
    for (at, lane) in controller.take_woken() {
        queue.push_first(at, lane, now);
    }
    // Its row may be gone, with some work left: the API server says of an object that is gone that
    // it does not exist, or that it conflicts.
    if (was_forgotten || action == Action::gone())
        && let Some(lane) = controller.follow_up_lane(&at)
    {
        queue.push(at, lane, Class::Change, now);
    }
}

/// Shows the rows in metrics, and notes the lanes that have their first object or have lost their
/// last one.
fn note_rows<C: Controller>(controller: &C, kind: &str) {
    let (ctx, mut rows) = (controller.context(), controller.rows().lock());
    ctx.metrics.set_unreadable(kind, rows.unreadable());
    for (shown, count) in rows.shown() {
        ctx.metrics.set_objects(kind, shown.ready, &shown.word(), count);
    }
    let moves = rows.take_moves();
    let has_lane: Vec<_> = moves.iter().map(|moved| rows.has_lane(&moved.lane)).collect();
    drop(rows);
    for (moved, has_lane) in moves.into_iter().zip(has_lane) {
        let (region, account) = (moved.lane.region(), moved.lane.account());
        // Accounts are in no region.
        if region.as_str().is_empty() {
            continue;
        }
        let user = format!("{kind} {}", account.unwrap_or_default());
        if moved.enters {
            ctx.regions.enter(region, &user, &moved.namespace);
            continue;
        }
        ctx.regions.leave(region, &user, &moved.namespace);
        ctx.forget_unused(region);
        // Objects of other namespaces may be there.
        if !has_lane {
            controller.forget_lane(&moved.lane);
        }
    }
}

/// Runs a reconciliation in its span. If it could not finish, it is retried, and its object shows
/// what it showed before.
pub async fn run_in_span(
    kind: &'static str,
    item: &Item,
    reconciliation: impl Future<Output = Result<Action, Error>>,
) -> Action {
    let (namespace, object) = (&*item.at.namespace, &*item.at.name);
    let namespace = (!namespace.is_empty()).then_some(namespace);
    let span = tracing::info_span!("reconcile", kind, namespace, object);
    let reconciliation = async {
        match reconciliation.await {
            Ok(action) => action,
            Err(Error::Stopping) => Action { next: Next::Change, outcome: Outcome::Stopping },
            Err(error @ Error::NotLeading) => {
                tracing::debug!("{error}");
                Action { next: Next::After(UNTIL_RENEWAL), outcome: Outcome::NotLeading }
            }
            // If the watch shows that too, the object does not come back.
            Err(Error::Gone) => {
                if item.failures.failed >= MANY_FAILURES {
                    tracing::warn!("the API server does not find the object that its watch shows");
                }
                Action { next: Next::Backoff, outcome: Outcome::Gone }
            }
            Err(Error::Conflict) => {
                if item.failures.conflicts == MANY_FAILURES {
                    tracing::warn!(
                        "something keeps changing the object, its Secret or its LightsailAccount"
                    );
                }
                Action::started_over()
            }
            Err(error @ Error::Outdated) => {
                if item.failures.conflicts == MANY_FAILURES {
                    tracing::warn!("{error}");
                }
                Action::started_over()
            }
            Err(error) => {
                tracing::warn!(%error, "the reconciliation could not finish and will be retried");
                Action { next: Next::Backoff, outcome: Outcome::KubernetesError }
            }
        }
    };
    reconciliation.instrument(span).await
}

async fn timed(
    at: ObjectRef,
    reconciliation: impl Future<Output = Action>,
) -> (ObjectRef, Action, Duration) {
    let start = Instant::now();
    let action = reconciliation.await;
    (at, action, start.elapsed())
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
#[path = "tests/run.rs"]
mod tests;
