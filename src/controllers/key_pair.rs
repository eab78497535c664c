//! Reconciles a `LightsailKeyPair`: what [`plan`] asks for is seen or done here, one step at a
//! time, and what came of it is published once. No decisions here.

mod act;
mod desired;
pub mod plan;
mod status;

use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;

use crate::api::{FINALIZER, LightsailKeyPair, Reason};
use crate::error::Error;

use self::act::{End, Pass};
use self::plan::{
    Desired, Finalizer, Goal, ImportedKey, Kind, Observed, PairClaim, Rival, Settled,
};
use super::outcome::Verdict;
use super::queue::{Class, Next, Turn};
use super::rows::Row;
use super::{Context, ObjectRef, Outcome, Passed, guarded, lock, objects, shown, trigger, watch};

/// What is kept of an object in memory.
#[must_use]
pub fn row_of(ctx: &Context, object: &LightsailKeyPair) -> Row<PairClaim> {
    let desired = desired::desired(object, &ctx.settings);
    let arn = object.status.as_ref().and_then(|status| status.arn.clone());
    // An object that can do nothing does not stand in the way of those that can, unless it has a
    // pair.
    let claims = arn.is_some() || plan::is_valid(&desired);
    let claim = PairClaim { settled: settled(object, &desired), ..claim(&desired, arn) };
    Row {
        lane: desired.region,
        trigger: trigger(object),
        claim: Some(claim).filter(|_| claims),
        is_settled: status::was_acted_on(object),
        shown: shown(object),
        uid: desired.uid,
    }
}

/// What is recorded, if the object was acted on and nothing but its pair can have changed since:
/// its key is in its spec.
fn settled(object: &LightsailKeyPair, desired: &Desired) -> Option<Settled> {
    let has_own_key = matches!(
        desired.kind,
        Kind::Imported { key: ImportedKey::Inline(Ok(_)) | ImportedKey::Absent, .. }
    );
    let is_settled = has_own_key
        && !desired.suspend
        && desired.goal != Goal::ObjectDeleted
        && status::was_acted_on(object)
        && objects::has_finalizer(object, FINALIZER) == object.status.as_ref()?.arn.is_some();
    let status = object.status.as_ref().filter(|_| is_settled)?;
    Some(Settled {
        account: status.account_id.clone()?,
        fingerprint: status.fingerprint.clone(),
        tags: desired.tags.clone().into_iter().collect(),
        interval: desired.interval,
    })
}

fn claim(desired: &Desired, arn: Option<String>) -> PairClaim {
    PairClaim {
        region: desired.region.clone(),
        name: desired.name.clone(),
        owner: desired.owner.clone(),
        created_at: desired.created_at,
        arn,
        settled: None,
    }
}

/// The other objects that want the same name in the same region.
fn rivals(at: &ObjectRef, ctx: &Context, desired: &Desired) -> Vec<Rival> {
    let rows = lock(&ctx.key_pairs);
    let rival = |(row, claim): (&Row<PairClaim>, &PairClaim)| Rival {
        uid: row.uid.clone(),
        owner: claim.owner.clone(),
        created_at: claim.created_at,
        arn: claim.arn.clone(),
        deleting: row.trigger.deleting,
    };
    rows.rivals(at, &claim(desired, None)).map(rival).collect()
}

/// One pass, or the finding that none is needed.
pub async fn reconcile(turn: Turn, ctx: Arc<Context>) -> Passed {
    if turn.class != Class::Change
        && let Some(passed) = find_unchanged(&turn.at, &ctx).await
    {
        return passed;
    }
    guarded("LightsailKeyPair", &turn.at, Box::pin(pass(&turn.at, &ctx))).await
}

/// What the shared list says of an object that was acted on, if that needs no pass: then neither
/// Kubernetes nor Lightsail is asked for this object alone.
async fn find_unchanged(at: &ObjectRef, ctx: &Context) -> Option<Passed> {
    let claim = lock(&ctx.key_pairs).get(at)?.claim.clone()?;
    let settled = claim.settled.as_ref()?;
    // A list that cannot be had is the pass's business.
    let account = ctx.accounts.current().await.ok()?;
    let list =
        act::shared_list(ctx, &account.region(&claim.region), act::max_age(true, settled.interval))
            .await
            .ok()?;
    let stands = plan::stands(&claim, settled, &account.id, list.find(&claim.name));
    stands.then_some(Passed { next: Next::After(settled.interval), outcome: Outcome::Unchanged })
}

/// An object is gone. Whether its key pair is still to be dealt with: it was never marked for
/// deletion, though the finalizer is there. The finalizer does not hold an object whose deletion
/// was under way when it was added: the API server may have looked for finalizers before.
pub fn note_gone(ctx: &Context, object: &LightsailKeyPair) -> bool {
    // Whoever acts deals with it at once. Later it would be too late: another object may have the
    // pair by then.
    let acts = *ctx.leads.borrow();
    let is_deserted = acts
        && objects::has_finalizer(object, FINALIZER)
        && object.metadata.deletion_timestamp.is_none();
    if is_deserted {
        lock(&ctx.memory.deserted).insert(watch::reference(object), object.clone());
    }
    is_deserted
}

/// Does what the deletion of an object asks for that vanished with its finalizer. One that only
/// left the selector of this operator is still there.
async fn settle_deserted(
    at: &ObjectRef,
    ctx: &Context,
    there: Option<&LightsailKeyPair>,
) -> Result<(), Error> {
    let Some(object) = lock(&ctx.memory.deserted).get(at).cloned() else { return Ok(()) };
    if there.is_none_or(|there| there.metadata.uid != object.metadata.uid) {
        let desired = desired::desired(&object, &ctx.settings);
        let observed = observed(at, ctx, &object, &desired);
        let mut pass = Pass::new(ctx, object, desired, observed);
        pass.follow_object();
        match run(&mut pass).await {
            // There is nothing left to write to.
            Ok(_) | Err(Error::Gone | Error::Conflict) => {}
            Err(error) => return Err(error),
        }
    }
    lock(&ctx.memory.deserted).remove(at);
    Ok(())
}

async fn pass(at: &ObjectRef, ctx: &Context) -> Result<Passed, Error> {
    let found = objects::find::<LightsailKeyPair>(&ctx.client, at).await?;
    settle_deserted(at, ctx, found.as_ref()).await?;
    let Some(object) = found else {
        return Ok(Passed { next: Next::Change, outcome: Outcome::Gone });
    };
    let desired = desired::desired(&object, &ctx.settings);
    let observed = observed(at, ctx, &object, &desired);
    let mut pass = Pass::new(ctx, object, desired, observed);
    match run(&mut pass).await {
        Err(Error::Gone) if pass.is_deserted() => {
            pass.follow_object();
            run(&mut pass).await
        }
        outcome => outcome,
    }
}

async fn run(pass: &mut Pass<'_>) -> Result<Passed, Error> {
    let end = match pass.work().await {
        Ok(end) => end,
        Err(Error::Lightsail(error)) if pass.keeps_still() => {
            return Ok(Passed {
                next: Next::Backoff,
                outcome: Outcome::Said(Verdict::from(&error).reason),
            });
        }
        Err(Error::Lightsail(error)) => End::Verdict(Verdict::from(&error)),
        Err(error @ Error::SecretRejected { .. }) => {
            End::Verdict(Verdict::stalled(Reason::SecretRejected, error.to_string(), Next::Backoff))
        }
        Err(error @ Error::Forbidden(_)) => {
            End::Verdict(Verdict::stalled(Reason::AccessDenied, error.to_string(), Next::Backoff))
        }
        Err(error) => return Err(error),
    };
    match end {
        End::Left => Ok(Passed { next: Next::Change, outcome: Outcome::Gone }),
        End::Verdict(verdict) => {
            pass.publish(&verdict).await?;
            Ok(Passed { next: verdict.next, outcome: Outcome::Said(verdict.reason) })
        }
    }
}

/// What is known before anything is read.
fn observed(
    at: &ObjectRef,
    ctx: &Context,
    object: &LightsailKeyPair,
    desired: &Desired,
) -> Observed {
    let is_there = objects::has_finalizer(object, FINALIZER);
    // An import may have been sent by this process, or by one before it.
    let sent_here = lock(&ctx.memory.imports).get(&desired.uid).copied();
    let sent_before = ctx.settings.started_at.saturating_add(ctx.settings.landing_time()).ok();
    Observed {
        now: Timestamp::now(),
        asked: status::is_asked(object),
        recorded: status::recorded(object),
        finalizer: if is_there { Finalizer::Old } else { Finalizer::Missing },
        account: None,
        look: None,
        source: None,
        secret: None,
        key_missing_since: None,
        windows_instances: None,
        namespace_terminating: None,
        edited: object.status.as_ref().map(|status| status.observed_generation)
            != object.metadata.generation,
        list_at_hand: false,
        rivals: rivals(at, ctx, desired),
        import_may_land_until: sent_here.max(sent_before),
        done: plan::Done::default(),
    }
}
