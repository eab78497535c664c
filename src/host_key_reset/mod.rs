//! Reconciles a `HostKeyReset`: what [`plan`] asks for is read or done by `act`, one step at a
//! time, and what came of it is published once. No decisions here.

mod act;
mod claim;
mod desired;
mod mark;
mod memory;
pub mod message;
mod observe;
pub mod plan;
mod record;
mod status;
mod turns;
mod world;

use std::sync::Arc;

use k8s_openapi::jiff::SignedDuration;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use self::act::Run;
use self::claim::ResetClaim;
use self::memory::Memory;
use self::plan::{Aftermath, Ended};
use crate::api::{HostKeyReset, Reason};
use crate::engine::action::Next;
use crate::engine::objects;
use crate::engine::queue::Item;
use crate::engine::rows::{Row, Rows};
use crate::engine::served::{Served, Unreadable};
use crate::engine::{
    Action, Context, Controller, ObjectRef, Verdict, ignore_unless_final, run_in_span,
    verdict_if_lasting,
};
use crate::error::Error;
use crate::ids::{LaneId, Region};

const KIND: &str = "HostKeyReset";

/// The controller of `HostKeyReset`.
pub struct HostKeyResets {
    ctx: Arc<Context>,
    memory: Memory,
}

impl HostKeyResets {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(ctx: Arc<Context>) -> Self {
        Self { ctx, memory: Memory::default() }
    }

    fn effect_window(&self) -> SignedDuration {
        observe::effect_window(&self.ctx.settings)
    }

    async fn reconcile_live(&self, item: &Item) -> Result<Action, Error> {
        let at = &item.at;
        let object = match objects::find::<HostKeyReset>(&self.ctx.api_server, at).await? {
            Some(Served::Readable(object)) => object,
            Some(Served::Unreadable(object)) => return self.refuse(at, &object).await,
            // The watch tells of it too, and of what it leaves.
            None => return Ok(Action::gone()),
        };
        let action = Box::pin(self.try_to_reconcile(at, object)).await;
        if let Err(error) = &action
            && let Some(verdict) = verdict_if_lasting(error, item.failures)
            && let Some(shown) =
                ignore_unless_final(Box::pin(self.publish_unfinished(at, verdict)).await)?.flatten()
        {
            // It is retried before its time is up, and its failures are counted on.
            return Ok(Action { outcome: plan::outcome(error), ..shown });
        }
        action
    }

    async fn try_to_reconcile(
        &self,
        at: &ObjectRef,
        object: HostKeyReset,
    ) -> Result<Action, Error> {
        let region = Region::from(object.spec.region.as_str());
        let mut run = Run::new(&self.ctx, &self.memory, at, object);
        let action = run.reconcile().await;
        // It may have gone meanwhile, and its region with it.
        self.ctx.forget_unused(&region);
        let aftermath = self.settle(at, &run, action.as_ref().err());
        self.memory.note_failed(run.uid(), aftermath.has_failed);
        action
    }

    /// Publishes this verdict about the object as it is now, if it is this operator's.
    async fn publish_unfinished(
        &self,
        at: &ObjectRef,
        verdict: Verdict,
    ) -> Result<Option<Action>, Error> {
        if !self.memory.rows.lock().is_watched(at) {
            return Ok(None);
        }
        let object = objects::find::<HostKeyReset>(&self.ctx.api_server, at).await?;
        let Some(Served::Readable(object)) = object else { return Ok(None) };
        let mut run = Run::new(&self.ctx, &self.memory, at, object);
        let action = run.publish_unfinished(verdict).await;
        // The run has noted a start, and the reset may be over or gone by now.
        self.settle(at, &run, action.as_ref().err());
        action
    }

    /// Forgets what is no longer needed of the object after a reconciliation.
    fn settle(&self, at: &ObjectRef, run: &Run<'_>, failure: Option<&Error>) -> Aftermath {
        let (is_watched, has_uid) = {
            let rows = self.memory.rows.lock();
            (rows.is_watched(at), rows.has_uid(at, run.uid()))
        };
        let aftermath =
            plan::aftermath(Ended { status: run.status(), is_watched, has_uid, failure });
        let (claim, call) = (run.claim(), run.call_outcome());
        self.memory.settle(at, &claim, &run.lane(), call, aftermath, self.effect_window());
        aftermath
    }

    /// Says that an object cannot be read.
    async fn refuse(&self, at: &ObjectRef, object: &Unreadable) -> Result<Action, Error> {
        if self.memory.rows.lock().is_watched(at) {
            objects::refuse::<HostKeyReset>(&self.ctx.api_server, object).await?;
        }
        Ok(Action::shows(Reason::UnsupportedObject, Next::Change))
    }
}

impl Controller for HostKeyResets {
    type Object = HostKeyReset;
    type Claim = ResetClaim;

    fn context(&self) -> &Context {
        &self.ctx
    }

    fn rows(&self) -> &Mutex<Rows<ResetClaim>> {
        &self.memory.rows
    }

    fn row_of(&self, object: &HostKeyReset) -> Row<ResetClaim> {
        claim::row_of(object, self.effect_window())
    }

    fn note_applied(&self, object: &HostKeyReset) {
        let uid = object.metadata.uid.as_deref().unwrap_or_default();
        self.memory.note_applied(&ObjectRef::of(object), uid, self.effect_window());
    }

    fn take_woken(&self) -> Vec<(ObjectRef, LaneId)> {
        self.memory.take_woken()
    }

    fn forget(&self, at: &ObjectRef, row: Option<&Row<ResetClaim>>) {
        match row {
            Some(row) => self.memory.forget(at, row, self.effect_window()),
            // It could never be read.
            None => drop(self.memory.open.lock().remove(at)),
        }
    }

    async fn reconcile(&self, item: Item, _: CancellationToken) -> Action {
        run_in_span(KIND, &item, Box::pin(self.reconcile_live(&item))).await
    }
}
