//! The steps of the plan, done one at a time, and what came of them published. No decisions here.

mod changes;
mod publish;
mod reads;
mod release;

use tokio_util::sync::CancellationToken;

use super::claim::{self, account_ref};
use super::crowd::Crowd;
use super::memory::Memory;
use super::observe::{self, observed};
use super::plan::{self, Step};
use super::unrecorded::Sent;
use super::world::{Desired, Failure, Goal, Observed};
use super::{desired, status};
use crate::access::Limits;
use crate::api::{FINALIZER, LightsailKeyPair, Reason};
use crate::clock::{Clocks, Moment};
use crate::engine::concurrency::Class;
use crate::engine::queue::Item;
use crate::engine::trigger::Trigger;
use crate::engine::{Action, Context, MAX_STEPS, ObjectRef, Verdict, objects};
use crate::error::{Error, attempted};
use crate::lightsail::{Lightsail, OpenedRegion};
use crate::secret::{self, Owner};

/// A reconciliation under way.
pub(super) struct Run<'a> {
    ctx: &'a Context,
    clocks: Clocks,
    memory: &'a Memory,
    at: &'a ObjectRef,
    object: LightsailKeyPair,
    desired: Desired,
    /// The version of the object that `desired` is of.
    trigger: Trigger,
    observed: Observed,
    opened: Option<OpenedRegion>,
    /// When the reconciliation did.
    began: Moment,
    /// Cancelled when the object is changed meanwhile.
    changed: CancellationToken,
}

impl<'a> Run<'a> {
    /// Of an object as it was read just now.
    pub(super) fn new(
        ctx: &'a Context,
        memory: &'a Memory,
        at: &'a ObjectRef,
        object: LightsailKeyPair,
        predecessor: Option<Reason>,
    ) -> Self {
        let desired = desired::desired(&object, &ctx.settings);
        let grant = ctx.directory.grant(&at.namespace, account_ref(&object));
        let limits = Limits::of(&grant, &at.namespace);
        let desired = Desired { limits, ..desired };
        let clocks = ctx.read_clocks();
        let observed = observed(ctx, &clocks, memory, &object, &desired);
        let observed = Observed { grant, predecessor, ..observed };
        let (trigger, changed) = (Trigger::of(&object), CancellationToken::new());
        let (opened, began) = (None, Moment::now());
        Self { ctx, clocks, memory, at, object, desired, trigger, observed, opened, began, changed }
    }

    /// As it is for an object whose turn has come.
    pub(super) fn in_turn(mut self, item: &Item, changed: &CancellationToken) -> Self {
        self.observed.is_change = item.class == Class::Change;
        self.changed = changed.clone();
        self
    }

    /// Of an object that vanished.
    pub(super) fn follow_up(
        ctx: &'a Context,
        memory: &'a Memory,
        at: &'a ObjectRef,
        vanished: LightsailKeyPair,
    ) -> Self {
        let mut run = Self::new(ctx, memory, at, vanished, None);
        run.desired.goal = Goal::ObjectVanished;
        run.observed.has_finalizer = true;
        run
    }

    /// Whether the object, if it is gone, leaves a pair behind that was imported here.
    pub(super) fn is_left_behind(&self) -> bool {
        let may_move = !self.ctx.settings.watches_all_labels();
        plan::is_left_behind(&self.desired, &self.observed, may_move)
    }

    /// The object, for the follow-up. What was sent under its intent is not forgotten with it, and
    /// is not younger by that: a pair that appears later is somebody else's.
    pub(super) fn into_vanished(mut self) -> LightsailKeyPair {
        let sent = self
            .observed
            .sent
            .map(|sent| Sent { until: self.clocks.moment_of(sent.until), accepted: sent.accepted });
        self.note_sent(sent);
        self.object
    }

    /// Does what the plan says until it ends the reconciliation.
    pub(super) async fn reconcile(&mut self) -> Result<Action, Error> {
        for _ in 0..MAX_STEPS {
            self.observed.now = self.clocks.now();
            self.observed.crowd = self.crowd();
            self.observed.changed_meanwhile = self.has_news();
            self.note_unanswered();
            let step = plan::plan(&self.desired, &self.observed);
            if step.needs_rivals() && self.has_new_rivals() {
                continue;
            }
            match self.act(step).await {
                Ok(Some(action)) => return Ok(action),
                Ok(None) => {}
                Err(error) => self.note_failure(error)?,
            }
            if self.ctx.stop.is_cancelled() {
                return Err(Error::Stopping);
            }
        }
        self.publish(&Verdict::too_many_steps()).await
    }

    /// Calls about the pair may have been sent for other objects since, and not answered.
    fn note_unanswered(&mut self) {
        if let Some(account) = &self.observed.account {
            (self.observed.deletion_may_follow, self.observed.download_may_follow) =
                observe::unanswered(&self.clocks, self.memory, &self.desired, account);
        }
    }

    /// Whether the watches have told of a change since the reconciliation began, of the object or
    /// its account: that may have waited for minutes.
    fn has_news(&self) -> bool {
        let (grant, account) = (&self.observed.grant, account_ref(&self.object));
        if self.ctx.directory.has_changed(grant, &self.at.namespace, account) {
            return true;
        }
        let rows = self.memory.rows.lock();
        let row = rows.get(self.at).filter(|row| row.uid == *self.desired.uid);
        row.is_some_and(|row| row.trigger.is_after(&self.trigger))
    }

    /// Notes a failure for the plan. What only starts the reconciliation over is passed on.
    fn note_failure(&mut self, error: Error) -> Result<(), Error> {
        let failure = match error {
            Error::Lightsail(error) => Failure::Lightsail(error),
            Error::SecretRejected { name, why, .. } => Failure::SecretRejected { name, why },
            Error::ConfigMapForbidden(name) => Failure::ConfigMapForbidden(name),
            error @ (Error::Conflict
            | Error::Outdated
            | Error::Gone
            | Error::Kubernetes(_)
            | Error::Unreadable(_)
            | Error::NotKept(_)
            | Error::GenerationFailed(_)
            | Error::NotLeading
            | Error::Stopping) => return Err(error),
        };
        let lane = claim::lane_of(&self.object);
        let last_read = self.memory.reads.lock().get(&lane).copied();
        let silent_for = last_read.map(Moment::elapsed);
        let leads_for = self.ctx.leads_for();
        self.observed.silent_for = silent_for.map_or(leads_for, |silent| silent.min(leads_for));
        self.observed.failure = Some(failure);
        Ok(())
    }

    /// The others that are created beside it, as of now: a list that one of them has begun to read
    /// is not read by each of them.
    fn crowd(&self) -> Crowd {
        let lane = claim::lane_of(&self.object);
        self.memory.crowds.lock().crowd(&self.desired.uid, self.at, &lane, Moment::now())
    }

    fn lightsail(&self) -> &Lightsail {
        &self.opened().own
    }

    fn opened(&self) -> &OpenedRegion {
        self.opened.as_ref().expect("the plan identifies the account before it calls Lightsail")
    }

    fn owner(&self) -> Owner<'_> {
        Owner { namespace: &self.at.namespace, name: &self.at.name, uid: &self.desired.uid }
    }

    /// Does one step and notes what it taught, or ends the reconciliation.
    async fn act(&mut self, step: Step) -> Result<Option<Action>, Error> {
        let api_server = &self.ctx.api_server;
        match step {
            Step::Identify => self.identify().await?,
            Step::ReadPair { live: false } => self.read_pair_in_list().await?,
            Step::ReadPair { live: true } => self.read_pair_live().await?,
            Step::ReadDefaultPair => self.read_default_pair().await?,
            Step::ReadSource(at) => self.observed.source = Some(self.read_source(&at).await?),
            Step::ReadSecret(name) => self.read_secret(&name).await?,
            Step::ReadCopy { name } => {
                self.observed.copy = secret::find(api_server, self.owner(), &name).await?.into();
            }
            Step::ReadFormerSecret(name) => {
                let found = secret::find(api_server, self.owner(), &name).await?;
                self.observed.former_secret = found.into();
            }
            Step::ReadOperation { id, is_waited_for } => {
                self.read_operation(&id, is_waited_for).await?;
            }
            Step::FindWindowsInstances => self.find_windows_instances().await?,
            Step::ReadNamespace => {
                let read = objects::read_namespace(api_server, &self.at.namespace).await?;
                self.observed.namespace_terminating = Some(read.is_terminating);
                self.observed.namespace_labels = Some(read.labels);
            }
            Step::CountKeyPairs => self.count_key_pairs().await?,
            Step::AddFinalizer => {
                self.object = objects::add_finalizer(api_server, &self.object, FINALIZER).await?;
                self.observed.has_finalizer = true;
            }
            Step::WriteIntent(key) => self.write_intent(&key).await?,
            Step::RecordAdoption => self.record_adoption().await?,
            Step::RecordTagKeys => {
                self.record(&status::tagging(&self.object, &self.desired)).await?;
            }
            Step::Generate(algorithm) => self.generate(algorithm).await?,
            Step::Import(key) => self.import(&key).await?,
            Step::TagByName { tags } => self.tag_by_name(&tags).await?,
            Step::Tag { pair, tags } => self.tag(pair, tags).await?,
            Step::RemoveTags { pair, keys } => self.remove_tags(pair, &keys).await?,
            Step::Download => self.download().await?,
            Step::SetAside { name, key } => self.set_aside(name, &key).await?,
            Step::WriteSecret { spec, found, key, keep_public_half } => {
                self.write_secret(&spec, found.as_ref(), &key, keep_public_half).await?;
            }
            Step::DisownSecret(found) => self.disown_secret(&found).await?,
            Step::Delete { expected_fingerprint } => {
                self.delete(expected_fingerprint.as_ref()).await?;
            }
            Step::ReadForRelease { account } => {
                let outcome = self.read_for_release(&account).await;
                self.observed.done.read_for_release = Some(attempted(outcome)?);
            }
            Step::ReleaseTag { account, arn } => {
                let outcome = self.release_tag(&account, &arn).await;
                self.observed.done.tag_release = Some(attempted(outcome)?);
            }
            Step::RemoveFinalizer { reason, message, abandons } => {
                return self.remove_finalizer(reason, &message, abandons).await.map(Some);
            }
            Step::EndFollowUp { reason, message } => {
                return Ok(Some(self.end_follow_up(reason, &message).await));
            }
            Step::Finish(verdict) => return self.publish(&verdict).await.map(Some),
            Step::Pause { reason, next } => return Ok(Some(Action::shows(reason, next))),
            Step::StartOver => return Err(Error::Conflict),
            Step::Leave => {
                self.leave_line();
                self.memory.drop_place(self.at, &self.desired.uid);
                return Ok(Some(Action::gone()));
            }
        }
        Ok(None)
    }
}
