//! The steps of the plan, done one at a time, and what came of them published. No decisions here.

mod publish;

use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use super::claim::{self, ResetClaim};
use super::mark::{Mark, MarkState};
use super::memory::{InstanceKey, Memory, Recollection, SearchMoments};
use super::message::Message;
use super::observe::{effect_window, observed, turn_timing};
use super::plan::{self, ReadStep, Step};
use super::record;
use super::turns::is_in_the_way;
use super::world::{Call, Desired, InstanceRead, KnownOperation, Observed, Search, Turn};
use super::{desired, status};
use crate::access::Limits;
use crate::api::{EXECUTED_ANNOTATION, HostKeyReset, HostKeyResetStatus, Reason};
use crate::clock::Clocks;
use crate::digest::Digest;
use crate::engine::last_found::LastFound;
use crate::engine::objects;
use crate::engine::rows::Rival;
use crate::engine::verdict::Severity;
use crate::engine::written::find_written;
use crate::engine::{Action, Context, MAX_STEPS, ObjectRef, Outcome, Verdict};
use crate::error::Error;
use crate::ids::{LaneId, Region};
use crate::lightsail::{self, Account, Lightsail};

/// A reconciliation under way.
pub(super) struct Run<'a> {
    ctx: &'a Context,
    clocks: Clocks,
    memory: &'a Memory,
    at: &'a ObjectRef,
    object: HostKeyReset,
    desired: Desired,
    observed: Observed,
    account: Option<(Arc<Account>, Lightsail)>,
}

impl<'a> Run<'a> {
    /// Of an object as it was read just now.
    pub(super) fn new(
        ctx: &'a Context,
        memory: &'a Memory,
        at: &'a ObjectRef,
        object: HostKeyReset,
    ) -> Self {
        let clocks = ctx.read_clocks();
        let desired = desired::desired(&object, &ctx.settings, clocks.time());
        let grant = ctx.directory.grant(&at.namespace, claim::account_ref(&object));
        let limits = Limits::of(&grant, &at.namespace);
        let desired = Desired { instance_tags: limits.instance_tags, ..desired };
        let observed = Observed { grant, ..observed(ctx, &clocks, memory, at, &object) };
        Self { ctx, clocks, memory, at, object, desired, observed, account: None }
    }

    pub(super) fn uid(&self) -> &str {
        self.object.metadata.uid.as_deref().unwrap_or_default()
    }

    /// The status on record, as far as this reconciliation knows.
    pub(super) fn status(&self) -> Option<&HostKeyResetStatus> {
        self.object.status.as_ref()
    }

    /// How its call ended, as far as this reconciliation knows.
    pub(super) fn call_outcome(&self) -> Option<&Call> {
        self.observed.call.as_ref()
    }

    pub(super) fn lane(&self) -> LaneId {
        claim::lane_of(&self.object)
    }

    /// Does what the plan says until it ends the reconciliation.
    pub(super) async fn reconcile(&mut self) -> Result<Action, Error> {
        for _ in 0..MAX_STEPS {
            self.observed.now = self.clocks.now();
            self.observed.lease_outlives_call = self.ctx.lease_outlives_call();
            self.observed.account_changed = self.has_account_changed();
            let step = plan::plan(&self.desired, &self.observed);
            if let Some(action) = self.act(step).await? {
                return Ok(action);
            }
            if self.ctx.stop.is_cancelled() && plan::may_stop(&self.observed) {
                return Err(Error::Stopping);
            }
        }
        let verdict = Verdict::too_many_steps();
        let action = Action::shows(verdict.reason, verdict.next);
        Ok(self.publish_unfinished(verdict).await?.unwrap_or(action))
    }

    fn has_account_changed(&self) -> bool {
        let (grant, account) = (&self.observed.grant, claim::account_ref(&self.object));
        self.ctx.directory.has_changed(grant, &self.at.namespace, account)
    }

    fn lightsail(&self) -> &Lightsail {
        let (_, lightsail) = self
            .account
            .as_ref()
            .expect("the plan identifies the account before it calls Lightsail");
        lightsail
    }

    /// Does one step and notes what it taught, or ends the reconciliation.
    async fn act(&mut self, step: Step) -> Result<Option<Action>, Error> {
        match step {
            Step::ReadNamespace => {
                let api_server = &self.ctx.api_server;
                let read = objects::read_namespace(api_server, &self.at.namespace).await?;
                self.observed.namespace_labels = Some(read.labels);
            }
            Step::Read(read) => {
                if let Err(error) = self.read(read).await {
                    self.observed.failure = Some(error);
                }
            }
            Step::ReportForeignMark => {
                let note = Message::MarkIgnored;
                self.publish_event(Severity::Normal, note.reason(), &note.to_string()).await;
                self.observed.foreign_mark_reported = true;
            }
            Step::TakeTurn => self.take_turn(),
            Step::AwaitLease => return Err(Error::NotLeading),
            Step::StartOver => return Err(Error::Conflict),
            Step::WriteIntent { last_operation_before, instance_arn, shows_caller } => {
                let caller = self.account.as_ref().filter(|_| shows_caller);
                let caller = caller.map(|(account, _)| account.caller_arn.clone());
                let status = status::intent(
                    &self.object,
                    &self.observed,
                    last_operation_before,
                    &instance_arn,
                    caller,
                );
                if let Err(failure) = self.write(status.clone()).await {
                    let mark = self.observed.mark.clone();
                    self.find_written(failure, Some(&status), mark.as_ref()).await?;
                }
                self.observed.intent_written = true;
                // What was searched for under an earlier intent says nothing of this one.
                self.observed.search = Search::default();
                self.remember();
            }
            Step::WriteMark(state) => self.write_mark(state).await?,
            Step::Call => self.call().await,
            Step::NoteSearch(search) => {
                self.observed.search = search;
                self.remember();
            }
            Step::End(end) => self.end(&end).await?,
            Step::TakeBack { verdict, remove_mark, was_throttled } => {
                // First the mark: under an intent without one, nothing was done.
                if remove_mark {
                    self.annotate(None).await?;
                }
                self.memory.note_taken_back(self.at, &self.claim(), &self.lane());
                record::take_back(&mut self.observed.status, was_throttled);
                return self.wait(verdict).await.map(Some);
            }
            Step::Progress { operations, verdict } => {
                self.note_begun(&operations);
                self.observed.status.operations = operations;
                return self.wait(verdict).await.map(Some);
            }
            Step::Wait(verdict) => return self.wait(verdict).await.map(Some),
            Step::Hinder(verdict) => return self.hinder(&verdict).await.map(Some),
            Step::Keep { tracked_by, next } => {
                let status = status::kept(&self.object, &self.observed, tracked_by);
                let news = status::news_of_keeping(&self.observed.status, &status, tracked_by);
                self.write(status).await?;
                if let Some(note) = news {
                    self.publish_event(Severity::Warning, Reason::TTLIgnored, &note).await;
                }
                return Ok(Some(Action { next, outcome: Outcome::Unchanged }));
            }
            Step::Delete => {
                objects::delete(&self.ctx.api_server, &self.object).await?;
                tracing::info!(
                    uid = self.object.uid(),
                    "deleted, because ttlSecondsAfterFinished has passed"
                );
                return Ok(Some(Action::gone()));
            }
            Step::Leave => return Ok(Some(Action::gone())),
        }
        Ok(None)
    }

    async fn read(&mut self, read: ReadStep) -> Result<(), lightsail::Error> {
        match read {
            ReadStep::Identify => {
                let region = Region::from(self.object.spec.region.as_str());
                let (route, namespace) = (self.observed.grant.route(), &self.at.namespace);
                let access = self.ctx.sessions.open(route, &region, namespace).await?;
                self.observed.account = Some(access.account.id.clone());
                self.account = Some((access.account, access.own));
            }
            ReadStep::FindInstance => self.find_instance().await?,
            ReadStep::FindSharedInstance { fresh_for } => {
                match self.memory.find_instance(&self.instance_key(), fresh_for) {
                    Some((instance, at)) => {
                        let at = self.clocks.time_of(at);
                        self.observed.instance = Some(InstanceRead { instance, at, shared: true });
                    }
                    None => self.find_instance().await?,
                }
            }
            ReadStep::ListOperations => {
                let read = self.lightsail().operations_of(&self.desired.instance).await?;
                self.observed.operations = Some((read.value, self.clocks.time_of(read.at)));
                self.observed.listed_by = Some(self.clocks.now());
                self.observed.lightsail_date = self.lightsail().clock();
                self.observed.operations_of_others = self.operations_of_others();
            }
            ReadStep::PollOperations { ids } => {
                let (mut polled, at) = (Vec::new(), self.clocks.now());
                for id in ids {
                    polled.push(self.lightsail().find_operation(&id).await?);
                }
                self.observed.polled = Some((polled, at));
                self.observed.lightsail_date = self.lightsail().clock();
            }
        }
        Ok(())
    }

    async fn find_instance(&mut self) -> Result<(), lightsail::Error> {
        let read = self.lightsail().find_instance(&self.desired.instance).await?;
        self.memory.note_instance(self.instance_key(), read.value.clone(), read.at);
        let at = self.clocks.time_of(read.at);
        self.observed.instance = Some(InstanceRead { instance: read.value, at, shared: false });
        self.observed.lightsail_date = self.lightsail().clock();
        Ok(())
    }

    fn instance_key(&self) -> InstanceKey {
        let own = self.lightsail();
        (own.scope().clone(), Arc::clone(own.rights()), self.desired.instance.clone())
    }

    /// What the object says of itself, as far as this reconciliation knows.
    pub(super) fn claim(&self) -> ResetClaim {
        ResetClaim::of(&self.object, effect_window(&self.ctx.settings))
    }

    /// Its claim in the account that it is about to call.
    fn claim_here(&self) -> ResetClaim {
        ResetClaim { account: self.observed.account.clone(), ..self.claim() }
    }

    fn take_turn(&mut self) {
        let (own, at) = (self.claim_here(), self.at);
        let rows = self.memory.rows.lock();
        let (clocks, timing) = (self.clocks.advanced(), turn_timing(self.ctx));
        let (mut is_rival, mut refusals) = (self.is_rival(), LastFound::default());
        let mut may_begin = |rival: &Rival<'_, ResetClaim>| {
            let (namespace, lane) = (Arc::clone(&rival.at.namespace), rival.row.lane.clone());
            let key = (namespace, lane, claim::has_begun(rival.claim));
            !refusals.get(&key, || claim::may_not_begin(rival, &self.ctx.directory))
        };
        let mut failed = self.memory.failed.lock();
        let has_failed = |uid: &str| failed.contains(uid);
        let rivals = claim::rivals(&rows, at, &own).map(move |rival| {
            let is_in_line = is_rival(&rival)
                && claim::may_be_in_line(&rival, at)
                && may_begin(&rival)
                && is_in_the_way(rival.claim.stage, has_failed(&rival.claim.uid));
            (rival.claim, is_in_line)
        });
        let start_of = |uid: &str| self.memory.find_start(uid).map(|start| clocks.time_of(start));
        let mut turns = self.memory.turns.lock();
        self.observed.turn = turns.take(&own, rivals, start_of, &clocks, timing);
        if self.observed.turn == Turn::Taken {
            // From now on it may begin at any time.
            failed.remove(&own.uid);
        }
    }

    fn operations_of_others(&self) -> Vec<KnownOperation> {
        let (rows, own) = (self.memory.rows.lock(), self.claim());
        let others = claim::rivals(&rows, self.at, &own);
        let others = others.filter(|rival| !rival.claim.operations.is_empty());
        let others = others.filter(self.is_rival());
        let others = others.flat_map(|rival| rival.claim.operations.iter().cloned());
        let (begun, scope) = (self.memory.begun.lock(), self.lightsail().scope().clone());
        let of_others = begun.of_others(scope, &self.desired.instance, self.uid());
        others.chain(of_others.cloned()).collect()
    }

    /// Whether another reset of an instance of this name is in the same account. Where there are
    /// thousands, most are alike.
    fn is_rival(&self) -> impl FnMut(&Rival<'_, ResetClaim>) -> bool {
        let mut accounts = LastFound::default();
        move |rival| {
            let lane = &rival.row.lane;
            let account_of = || self.ctx.directory.account_of(lane.account());
            let of_lane = || accounts.get(lane, || account_of().map(Digest::of));
            claim::may_be_in(rival, self.observed.account.as_ref(), of_lane)
        }
    }

    fn remember(&self) {
        let uid = self.object.uid().unwrap_or_default();
        let moment_of = |time: Option<Timestamp>| time.map(|time| self.clocks.moment_of(time));
        let search = SearchMoments {
            intent: self.observed.search.intent,
            since: moment_of(self.observed.search.since),
            first_list: moment_of(self.observed.search.first_list),
        };
        let is_marked = self.observed.mark.as_ref().is_some_and(Mark::is_started);
        let memory = Recollection { uid, search, call: self.observed.call.clone(), is_marked };
        self.memory.open.lock().insert(self.at.clone(), memory);
    }

    /// The one call. Who asked for it and why is in the log, to be joined with the cluster's audit
    /// log and with CloudTrail.
    async fn call(&mut self) {
        let caller = self
            .account
            .as_ref()
            .map(|(account, _)| account.caller_arn.clone())
            .unwrap_or_default();
        let (uid, reason) = (self.object.uid().unwrap_or_default(), &self.object.spec.reason);
        tracing::info!(
            uid,
            caller,
            reason,
            instance = self.desired.instance,
            "calling DeleteKnownHostKeys"
        );
        // An account that is edited meanwhile may no longer allow it.
        let is_wanted = || !self.has_account_changed();
        let instance = &self.desired.instance;
        let call = self.lightsail().delete_known_host_keys(instance, &is_wanted).await;
        self.observed.marked_at = None;
        self.observed.operations = None;
        self.observed.call = Some(call);
        self.remember();
    }

    /// Writes what was done, or is about to be, into an annotation.
    async fn write_mark(&mut self, state: MarkState) -> Result<(), Error> {
        let begins = state == MarkState::Started;
        self.observed.marked_at = begins.then_some(self.observed.now);
        if begins {
            let (claim, effect) = (self.claim_here(), effect_window(&self.ctx.settings));
            self.memory.note_marking(self.at, &claim, effect);
        }
        let mark = Mark { hash: self.desired.hash.clone(), state: state.clone() };
        match self.annotate(Some(mark.clone())).await {
            Ok(()) => self.observed.mark_accepted = Some(state),
            Err(error) => match plan::unwritten_mark(&state, error) {
                Ok(verdict) => self.note_unwritten_mark(verdict),
                Err(error) => {
                    let status = self.object.status.clone();
                    self.find_written(error, status.as_ref(), Some(&mark)).await?;
                }
            },
        }
        Ok(())
    }

    fn note_unwritten_mark(&mut self, verdict: Verdict) {
        self.observed.marked_at = None;
        self.memory.rows.lock().edit_claim(self.at, |claim| claim.mark = None);
        self.observed.mark_unwritten = Some(verdict);
    }

    async fn annotate(&mut self, mark: Option<Mark>) -> Result<(), Error> {
        let value = mark.as_ref().map(ToString::to_string);
        self.memory.rows.lock().edit_claim(self.at, |claim| claim.mark = mark);
        let (api_server, key) = (&self.ctx.api_server, EXECUTED_ANNOTATION);
        self.object = objects::annotate(api_server, &self.object, key, value.as_deref()).await?;
        self.note_mark();
        Ok(())
    }

    fn note_mark(&mut self) {
        self.observed.mark = Mark::of(&self.object);
        // What the API server answered is what the watch will show.
        let mark = self.observed.mark.clone();
        self.memory.rows.lock().edit_claim(self.at, |claim| claim.mark = mark);
    }

    /// A write was not answered. If the object has this status and this mark by now, nobody has
    /// acted on it since, and the reconciliation goes on as after an answer.
    async fn find_written(
        &mut self,
        failure: Error,
        status: Option<&HostKeyResetStatus>,
        mark: Option<&Mark>,
    ) -> Result<(), Error> {
        let is_written =
            |read: &HostKeyReset| read.status.as_ref() == status && Mark::of(read).as_ref() == mark;
        let api_server = &self.ctx.api_server;
        self.object = find_written(api_server, &self.object, failure, is_written).await?;
        self.note_status();
        self.note_mark();
        Ok(())
    }
}
