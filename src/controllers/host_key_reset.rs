//! Reconciles a `HostKeyReset`: what [`plan`] asks for is seen or done here, one step at a time. No
//! decisions here.

mod act;
mod mark;
pub mod plan;
mod status;

use std::sync::Arc;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use crate::api::{EXECUTED_ANNOTATION, HostKeyReset};
use crate::error::Error;

use self::act::Pass;
use self::mark::Mark;
use self::plan::{Call, Desired, Observed, Search, Turn};
use super::queue::{self, Next};
use super::rows::Row;
use super::tracking::tracked_by;
use super::{
    Context, ObjectRef, Outcome, Passed, Settings, guarded, lock, objects, shown, trigger,
};

/// Without `notAfter`, a reset may be started for this long after it was created.
const DEFAULT_NOT_AFTER: SignedDuration = SignedDuration::from_hours(24);

/// What passes remember of a reset. Losing it costs time, never safety.
#[derive(Clone, Debug, Default)]
pub struct Recollection {
    uid: String,
    /// The search for a call whose outcome is not known.
    search: Search,
    /// How the call ended, until that is recorded.
    call: Option<Call>,
}

/// What is kept of an object in memory.
#[must_use]
pub fn row_of(ctx: &Context, object: &HostKeyReset) -> Row<Turn> {
    let turn = Turn::of(object, landing(&ctx.settings));
    let is_settled = object.status.as_ref().is_some_and(|status| status::end(status).is_some());
    Row {
        uid: object.uid().unwrap_or_default(),
        lane: object.spec.region.clone(),
        trigger: trigger(object),
        is_settled,
        shown: shown(object),
        claim: Some(turn),
    }
}

/// One pass.
pub async fn reconcile(turn: queue::Turn, ctx: Arc<Context>) -> Passed {
    guarded("HostKeyReset", &turn.at, Box::pin(pass(&turn.at, &ctx))).await
}

async fn pass(at: &ObjectRef, ctx: &Context) -> Result<Passed, Error> {
    let Some(object) = objects::find::<HostKeyReset>(&ctx.client, at).await? else {
        forget(ctx, at);
        return Ok(Passed { next: Next::Change, outcome: Outcome::Gone });
    };
    let (desired, observed) = (desired(ctx, at, &object), observed(ctx, at, &object));
    let mut pass = Pass::new(ctx, at, object, desired, observed);
    pass.tell_of_foreign_mark().await;
    let outcome = pass.work().await;
    if !pass.is_open() || matches!(outcome, Err(Error::Gone)) {
        forget(ctx, at);
    }
    outcome
}

/// Nothing is under way for this object, or it is gone.
fn forget(ctx: &Context, at: &ObjectRef) {
    lock(&ctx.memory.resets).remove(at);
    lock(&ctx.memory.turns).give_up(at);
}

fn desired(ctx: &Context, at: &ObjectRef, object: &HostKeyReset) -> Desired {
    let spec = &object.spec;
    let created = object.creation_timestamp().map_or_else(Timestamp::now, |time| time.0);
    let not_after = spec.not_after.as_ref().map(|time| time.0);
    Desired {
        instance: spec.instance_name.clone(),
        instance_arn: spec.preconditions.as_ref().map(|wanted| wanted.instance_arn.clone()),
        not_after: not_after
            .or_else(|| created.saturating_add(DEFAULT_NOT_AFTER).ok())
            .unwrap_or(Timestamp::MAX),
        deadline: SignedDuration::from_secs(i64::from(spec.active_deadline_seconds)),
        suspend: spec.suspend,
        ttl: spec
            .ttl_seconds_after_finished
            .map(|seconds| SignedDuration::from_secs(i64::from(seconds))),
        tracked_by: tracked_by(object),
        deleting: object.metadata.deletion_timestamp.is_some(),
        hash: mark::hash(&at.namespace, &at.name, spec),
        pinned_account: ctx.settings.aws_account_id.clone(),
    }
}

/// What is known before anything is read.
fn observed(ctx: &Context, at: &ObjectRef, object: &HostKeyReset) -> Observed {
    let status = object.status.clone().unwrap_or_else(status::unobserved);
    let memory = lock(&ctx.memory.resets).get(at).cloned().unwrap_or_default();
    let memory = if Some(&memory.uid) == object.metadata.uid.as_ref() {
        memory
    } else {
        Recollection::default()
    };
    Observed {
        now: Timestamp::now(),
        end: status::end(&status),
        status,
        mark: objects::annotation(object, EXECUTED_ANNOTATION).map(Mark::parse),
        intent_written: false,
        marked_at: None,
        account: None,
        instance: None,
        turn: None,
        operations: None,
        taken: Vec::new(),
        call: memory.call,
        polled: None,
        trouble: None,
        search: memory.search,
        lease_duration: duration(ctx.settings.lease_duration),
        call_timeout: duration(ctx.settings.call_timeout),
        settle_time: duration(ctx.settings.settle_time),
    }
}

fn landing(settings: &Settings) -> SignedDuration {
    duration(settings.landing_time())
}

fn duration(time: std::time::Duration) -> SignedDuration {
    SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX)
}
