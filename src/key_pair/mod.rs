//! Reconciles a `LightsailKeyPair`: what [`plan`] asks for is read or done by `act`, one step at a
//! time, and what came of it is published once. No decisions here.

mod act;
mod claim;
mod crowd;
mod desired;
mod memory;
pub mod message;
mod observe;
pub mod plan;
mod record;
mod room;
mod status;
mod unrecorded;
pub(crate) mod world;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use self::act::Run;
use self::claim::PairClaim;
use self::memory::{Memory, Vanished};
use self::plan::Confirmation;
use crate::api::{FINALIZER, LightsailKeyPair, Reason};
use crate::clock::Moment;
use crate::engine::action::Next;
use crate::engine::concurrency::Class;
use crate::engine::objects::{self, has_finalizer};
use crate::engine::queue::Item;
use crate::engine::rows::{Row, Rows};
use crate::engine::served::{Served, Unreadable};
use crate::engine::{
    Action, Context, Controller, ObjectRef, Outcome, Verdict, ignore_unless_final, run_in_span,
    verdict_if_lasting,
};
use crate::error::Error;
use crate::ids::{LaneId, Region};
use crate::lightsail::ListNeeds;

const KIND: &str = "LightsailKeyPair";
/// How soon the pair of an object that vanished is looked after again, if another object has its
/// name and does not wait for that.
const FOLLOW_UP_AGAIN: Duration = Duration::from_mins(1);

/// The controller of `LightsailKeyPair`.
pub struct KeyPairs {
    ctx: Arc<Context>,
    memory: Memory,
}

impl KeyPairs {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(ctx: Arc<Context>) -> Self {
        Self { ctx, memory: Memory::default() }
    }

    /// What the shared list says of an object that was acted on, if that needs no reconciliation:
    /// then neither Kubernetes nor Lightsail is asked for this object alone.
    async fn find_unchanged(&self, at: &ObjectRef, changed: &CancellationToken) -> Option<Action> {
        let (claim, lane, uid) = {
            let rows = self.memory.rows.lock();
            let row = rows.get(at).filter(|_| !rows.is_unreadable(at))?;
            (row.claim.clone()?, row.lane.clone(), row.uid.to_string())
        };
        let baseline = claim.baseline.as_ref()?;
        let grant = self.ctx.directory.grant(&at.namespace, lane.account());
        // A list that cannot be had is the reconciliation's business, and so is a refusal.
        if !plan::is_permitted_still(&grant, self.memory.allowance(&uid).as_ref()) {
            return None;
        }
        let sessions = &self.ctx.sessions;
        let shared =
            sessions.open_shared(grant.route(), lane.region(), &at.namespace).await.ok()?;
        let (account, pinned) =
            (&shared.scope().account, self.ctx.settings.aws_account_id.as_ref());
        if !plan::is_account_still(baseline, &grant, account, pinned) {
            return None;
        }
        let max_age = plan::max_age_of_list(baseline.interval);
        let needs = ListNeeds { max_age, since: None, most_pages: usize::MAX };
        let list = observe::shared_list(&self.ctx, &self.memory, &shared, &lane, needs);
        let list = tokio::select! {
            biased;
            list = list => list.ok()??,
            // The list may take minutes.
            () = changed.cancelled() => return Some(Action::started_over()),
        };
        let pair = list.find_digest(claim.name);
        let is_unchanged = plan::is_unchanged(&claim, baseline, pair.as_ref());
        let next = Next::After(baseline.interval);
        is_unchanged.then_some(Action { next, outcome: Outcome::Unchanged })
    }

    /// An object whose pair was imported and that still waits for a list: nothing is asked for it.
    fn wait_for_crowd(&self, at: &ObjectRef) -> Option<Action> {
        let (uid, lane) = {
            let rows = self.memory.rows.lock();
            let row = rows.get(at).filter(|_| !rows.is_unreadable(at))?;
            let uid = row.uid.to_string();
            self.memory.crowds.lock().named_at(&uid)?;
            (uid, row.lane.clone())
        };
        let crowd = self.memory.crowds.lock().crowd(&uid, at, &lane, Moment::now());
        let Confirmation::Later(pause) = plan::confirmation(&crowd) else { return None };
        Some(Action::shows(message::Message::Importing.reason(), Next::After(pause)))
    }

    async fn reconcile_live(
        &self,
        item: &Item,
        changed: &CancellationToken,
    ) -> Result<Action, Error> {
        let action = Box::pin(self.try_to_reconcile(item, changed)).await;
        if let Err(error) = &action
            && let Some(verdict) = verdict_if_lasting(error, item.failures)
        {
            ignore_unless_final(Box::pin(self.publish_unfinished(&item.at, &verdict)).await)?;
        }
        action
    }

    async fn try_to_reconcile(
        &self,
        item: &Item,
        changed: &CancellationToken,
    ) -> Result<Action, Error> {
        let at = &item.at;
        let object = match objects::find::<LightsailKeyPair>(&self.ctx.api_server, at).await? {
            Some(Served::Unreadable(object)) => return self.refuse(at, &object).await,
            Some(Served::Readable(object)) => Some(object),
            None => None,
        };
        let follow_up = Box::pin(self.follow_up(at, object.as_ref())).await?;
        // One that left the selector is there, and is not this operator's any more.
        let is_watched = self.memory.rows.lock().get(at).is_some();
        let Some(object) = object.filter(|_| is_watched) else {
            return Ok(follow_up.unwrap_or_else(Action::gone));
        };
        let region = Region::from(object.spec.region.as_str());
        let uid = object.metadata.uid.clone().unwrap_or_default();
        let predecessor = follow_up.filter(|_| self.vanished_with_the_same_pair(at, &object));
        let predecessor = predecessor.map(|action| action.outcome.reason_of_wait());
        let run = Run::new(&self.ctx, &self.memory, at, object, predecessor);
        let mut run = run.in_turn(item, changed);
        let action = run.reconcile().await;
        let action = action.map(|action| Action {
            next: if follow_up.is_some() {
                action.next.within(FOLLOW_UP_AGAIN)
            } else {
                action.next
            },
            ..action
        });
        if plan::may_be_gone(action.as_ref().err()) && run.is_left_behind() {
            // The follow-up finds out.
            self.memory.note_vanished(at, run.into_vanished());
        }
        // It may have gone meanwhile, and its region with it.
        self.ctx.forget_unused(&region);
        if !self.memory.rows.lock().has_uid(at, &uid) {
            self.memory.forget_gone(at, &uid);
        }
        action
    }

    /// Publishes this verdict about the object as it is now, if it is this operator's.
    async fn publish_unfinished(&self, at: &ObjectRef, verdict: &Verdict) -> Result<(), Error> {
        if self.memory.rows.lock().get(at).is_none() {
            return Ok(());
        }
        let object = objects::find::<LightsailKeyPair>(&self.ctx.api_server, at).await?;
        if let Some(Served::Readable(object)) = object {
            Run::new(&self.ctx, &self.memory, at, object, None).publish_unfinished(verdict).await?;
        }
        Ok(())
    }

    /// Says that an object cannot be read. What is still to be done for an object of its name that
    /// vanished waits until it is known what this one has recorded.
    async fn refuse(&self, at: &ObjectRef, object: &Unreadable) -> Result<Action, Error> {
        if self.memory.rows.lock().is_watched(at) {
            objects::refuse::<LightsailKeyPair>(&self.ctx.api_server, object).await?;
        }
        Ok(Action::shows(Reason::UnsupportedObject, Next::Change))
    }

    /// Does what the deletion of an object asks for that vanished despite its finalizer. `None`
    /// once there is nothing to follow up any more.
    async fn follow_up(
        &self,
        at: &ObjectRef,
        there: Option<&LightsailKeyPair>,
    ) -> Result<Option<Action>, Error> {
        let vanished = self.memory.vanished.lock().get(at).map(|it| it.object.clone());
        let Some(vanished) = vanished else { return Ok(None) };
        let uid = vanished.metadata.uid.as_deref();
        let uid_of_its_name = there.and_then(|there| there.metadata.uid.as_deref());
        let action = if plan::is_gone(uid, uid_of_its_name) {
            self.tell_that_it_vanished(at);
            Run::follow_up(&self.ctx, &self.memory, at, vanished).reconcile().await?
        } else {
            Action::gone()
        };
        if action.outcome != Outcome::Gone {
            self.tell_why_it_waits(at, action.outcome);
            return Ok(Some(action));
        }
        self.memory.vanished.lock().remove(at);
        self.count_vanished();
        Ok(None)
    }

    /// Whether an object of the name of this one vanished that had the same pair, or may have.
    fn vanished_with_the_same_pair(&self, at: &ObjectRef, object: &LightsailKeyPair) -> bool {
        let account_of = |object: &LightsailKeyPair| {
            let recorded = record::recorded(object).account;
            recorded.or_else(|| self.ctx.directory.account_of(claim::account_ref(object)))
        };
        let wanted = |object| (desired::desired(object, &self.ctx.settings), account_of(object));
        let vanished = self.memory.vanished.lock();
        vanished.get(at).is_some_and(|it| {
            let ((former, of_former), (desired, account)) = (wanted(&it.object), wanted(object));
            plan::may_be_same_pair(&former, of_former.as_ref(), &desired, account.as_ref())
        })
    }

    /// No object shows why the pair of one that vanished is not dealt with.
    fn tell_why_it_waits(&self, at: &ObjectRef, outcome: Outcome) {
        let news = self.memory.vanished.lock().get_mut(at).and_then(|it| it.news(outcome));
        if let Some(reason) = news {
            let (namespace, object) = (&*at.namespace, &*at.name);
            tracing::warn!(
                namespace,
                object,
                %reason,
                "the key pair of an object that was removed before its finalizer was handled \
                 cannot be deleted or released yet"
            );
        }
    }

    /// It is known to be gone, and was not only lost from sight by a write that failed.
    fn tell_that_it_vanished(&self, at: &ObjectRef) {
        let was_known = self.memory.vanished.lock().get_mut(at).map(Vanished::note_gone);
        if was_known == Some(false) {
            let (namespace, object) = (&*at.namespace, &*at.name);
            tracing::warn!(
                namespace,
                object,
                "an object was removed before the operator had handled its finalizer; the operator \
                 deletes or releases its key pair"
            );
        }
        self.count_vanished();
    }

    fn count_vanished(&self) {
        let count = self.memory.vanished.lock().values().filter(|it| it.is_gone()).count();
        self.ctx.metrics.set_vanished(KIND, count);
    }
}

/// Forgets an object that is gone, of which this was kept.
fn forget(memory: &Memory, at: &ObjectRef, row: &Row<PairClaim>) {
    let (uid, claim) = (row.uid.to_string(), row.claim.as_ref());
    // Nobody may have seen it go: then this is all that is known of it.
    let has_record = claim.is_some_and(|claim| claim.arn.is_some() || claim.may_have_one);
    memory.note_left(&at.namespace, &uid, has_record);
    memory.note_gone(at, row);
}

impl Controller for KeyPairs {
    type Object = LightsailKeyPair;
    type Claim = PairClaim;

    fn context(&self) -> &Context {
        &self.ctx
    }

    fn rows(&self) -> &Mutex<Rows<PairClaim>> {
        &self.memory.rows
    }

    fn row_of(&self, object: &LightsailKeyPair) -> Row<PairClaim> {
        let uid = object.metadata.uid.as_deref().unwrap_or_default();
        claim::row_of(object, &self.ctx.settings, self.memory.is_refused(uid))
    }

    fn forget_lane(&self, lane: &LaneId) {
        observe::forget_lane(&self.ctx, &self.memory, lane);
    }

    fn note_applied(&self, object: &LightsailKeyPair) {
        let (uid, now) = (object.metadata.uid.as_deref().unwrap_or_default(), Moment::now());
        let (at, status) = (ObjectRef::of(object), object.status.as_ref());
        let (predecessor, is_known, are_complete) = {
            let rows = self.memory.rows.lock();
            let is_known = rows.get(&at).is_some_and(|row| row.uid == *uid);
            let predecessor = rows.predecessor(&at, uid).cloned();
            (predecessor, is_known, rows.are_complete(&at.namespace))
        };
        self.memory.note_object(&at, object, &self.ctx.settings);
        if let Some(row) = predecessor {
            forget(&self.memory, &at, &row);
        }
        let acts = self.ctx.leading_since.borrow().is_some();
        let window = self.ctx.settings.intent_window();
        if let Some(others_act_for) = plan::others_act_for(is_known, acts, window) {
            let may_be = record::may_be_deleted_elsewhere(object);
            self.memory.note_deleted_elsewhere(uid, may_be.then(|| now + others_act_for));
        }
        // Few objects have one, and what is recorded is copied to be read.
        let has_intent = status.is_some_and(|status| status.import_intent.is_some());
        let comes_later = are_complete && !is_known;
        if has_intent && plan::may_be_sent_elsewhere(&record::recorded(object), comes_later, acts) {
            self.memory.note_sent_elsewhere(uid, window);
        }
        let mut crowds = self.memory.crowds.lock();
        if claim::is_coming(object) {
            crowds.note_coming(uid, &at, &claim::lane_of(object), now);
        } else {
            crowds.leave(uid, now);
        }
    }

    fn note_unreadable(&self, _: &ObjectRef, uid: &str) {
        self.memory.note_unreadable(uid);
    }

    fn take_woken(&self) -> Vec<(ObjectRef, LaneId)> {
        let mut woken = self.memory.crowds.lock().take_woken();
        woken.extend(self.memory.room.lock().take_called());
        woken
    }

    fn note_gone(&self, object: &LightsailKeyPair) {
        let is_deleting = object.metadata.deletion_timestamp.is_some();
        let acts =
            self.ctx.leading_since.borrow().is_some() && self.ctx.settings.watches_all_labels();
        let (recorded, has_finalizer) =
            (record::recorded(object), has_finalizer(object, FINALIZER));
        let (at, uid) = (ObjectRef::of(object), object.metadata.uid.as_deref().unwrap_or_default());
        // Before its row goes, which counts until then.
        self.memory.note_left(&at.namespace, uid, recorded.may_have_pair());
        if plan::is_followed_up(&recorded, has_finalizer, is_deleting, acts) {
            self.memory.note_vanished(&at, object.clone());
            self.tell_that_it_vanished(&at);
        }
    }

    fn follow_up_lane(&self, at: &ObjectRef) -> Option<LaneId> {
        self.memory.vanished.lock().get(at).map(|it| claim::lane_of(&it.object))
    }

    fn forget(&self, at: &ObjectRef, row: Option<&Row<PairClaim>>) {
        if let Some(row) = row {
            forget(&self.memory, at, row);
        }
    }

    async fn reconcile(&self, item: Item, changed: CancellationToken) -> Action {
        if item.class == Class::Resync
            && let Some(action) = self.wait_for_crowd(&item.at)
        {
            return action;
        }
        if item.class != Class::Change
            && let Some(action) = self.find_unchanged(&item.at, &changed).await
        {
            return action;
        }
        run_in_span(KIND, &item, self.reconcile_live(&item, &changed)).await
    }
}

#[cfg(test)]
mod tests;
