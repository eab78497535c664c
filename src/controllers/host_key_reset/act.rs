//! The steps of the plan, done one at a time, and what came of them published. No decisions here.

use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use crate::api::{EXECUTED_ANNOTATION, HostKeyReset, HostKeyResetStatus, Reason};
use crate::controllers::outcome::{State, Verdict};
use crate::controllers::queue::Next;
use crate::controllers::{
    Context, MAX_STEPS, ObjectRef, Outcome, Passed, lock, note_ready, objects,
};
use crate::error::Error;
use crate::lightsail::{self, Account, Lightsail};

use super::mark::{self, Mark};
use super::plan::{self, Desired, End, Look, Observed, Step, Turn};
use super::{Recollection, landing, status};

/// A pass under way.
pub(super) struct Pass<'a> {
    ctx: &'a Context,
    at: &'a ObjectRef,
    object: HostKeyReset,
    desired: Desired,
    observed: Observed,
    account: Option<(Arc<Account>, Lightsail)>,
}

impl<'a> Pass<'a> {
    pub(super) fn new(
        ctx: &'a Context,
        at: &'a ObjectRef,
        object: HostKeyReset,
        desired: Desired,
        observed: Observed,
    ) -> Self {
        Self { ctx, at, object, desired, observed, account: None }
    }

    /// Whether a call may be under way, as far as this pass knows.
    pub(super) fn is_open(&self) -> bool {
        self.observed.end.is_none()
            && self.object.status.as_ref().is_some_and(|status| status.attempts > 0)
    }

    /// Does what the plan says until it ends the pass.
    pub(super) async fn work(&mut self) -> Result<Passed, Error> {
        for _ in 0..MAX_STEPS {
            self.observed.now = Timestamp::now();
            if let Some(passed) = self.act(plan::plan(&self.desired, &self.observed)).await? {
                return Ok(passed);
            }
            if self.ctx.stop.is_cancelled() && plan::may_stop(&self.observed) {
                return Err(Error::Stopping);
            }
        }
        self.wait(Verdict::circling("reset")).await
    }

    fn lightsail(&self) -> &Lightsail {
        let (_, lightsail) = self
            .account
            .as_ref()
            .expect("the plan identifies the account before it calls Lightsail");
        lightsail
    }

    /// Does one step and notes what it taught, or ends the pass.
    async fn act(&mut self, step: Step) -> Result<Option<Passed>, Error> {
        match step {
            Step::Look(look) => {
                if let Err(error) = self.look(look).await {
                    self.observed.trouble = Some(error);
                }
            }
            Step::TakeTurn => self.take_turn(),
            Step::WriteIntent { last_operation_before, instance_arn } => {
                let caller = self.account.as_ref().map(|(account, _)| account.caller_arn.clone());
                let status = status::intent(
                    &self.object,
                    &self.observed,
                    last_operation_before,
                    instance_arn,
                    caller,
                );
                self.write(status).await?;
                self.observed.intent_written = true;
            }
            Step::WriteMark(outcome) => {
                self.observed.marked_at =
                    (outcome == mark::Outcome::Started).then_some(self.observed.now);
                self.annotate(Some(Mark { hash: self.desired.hash.clone(), outcome })).await?;
            }
            Step::Call => self.call().await,
            Step::NoteSearch(search) => {
                self.observed.search = search;
                self.remember();
            }
            Step::End(end) => self.end(&end).await?,
            Step::TakeBack(verdict) => {
                // First the mark: an intent without a mark was never called, and that is so.
                self.annotate(None).await?;
                lock(&self.ctx.memory.turns).give_up(self.at);
                self.observed.status.attempts = 0;
                return self.wait(verdict).await.map(Some);
            }
            Step::Progress { operations, verdict } => {
                self.observed.status.operations = operations;
                return self.wait(verdict).await.map(Some);
            }
            Step::Wait(verdict) => return self.wait(verdict).await.map(Some),
            Step::Keep { tracked_by, next } => {
                let status = status::kept(&self.object, &self.observed.status, tracked_by);
                let is_news = tracked_by.is_some()
                    && status::message(&status) != status::message(&self.observed.status);
                let note = status::message(&status).to_owned();
                self.write(status).await?;
                if is_news {
                    objects::tell(&self.ctx.client, &self.object, true, Reason::TTLIgnored, &note)
                        .await;
                }
                return Ok(Some(Passed { next, outcome: Outcome::Unchanged }));
            }
            Step::Delete => {
                objects::delete(&self.ctx.client, &self.object).await?;
                tracing::info!(
                    uid = self.object.uid(),
                    "deleted, ttlSecondsAfterFinished after its end"
                );
                return Ok(Some(Passed { next: Next::Change, outcome: Outcome::Gone }));
            }
            Step::Leave => return Ok(Some(Passed { next: Next::Change, outcome: Outcome::Gone })),
        }
        Ok(None)
    }

    async fn look(&mut self, look: Look) -> Result<(), lightsail::Error> {
        match look {
            Look::Identify => {
                let account = self.ctx.accounts.current().await?;
                self.observed.account = Some(account.id.clone());
                let lightsail = account.region(&self.object.spec.region);
                self.account = Some((account, lightsail));
            }
            Look::FindInstance => {
                let seen = self.lightsail().find_instance_arn(&self.desired.instance).await?;
                self.observed.instance = Some((seen.value, seen.at));
            }
            Look::ListOperations => {
                let seen = self.lightsail().operations_of(&self.desired.instance).await?;
                self.observed.operations = Some((seen.value, seen.at));
                self.observed.taken = self.operations_of_others();
            }
            Look::Poll => {
                let mut polled = Vec::new();
                for operation in &self.observed.status.operations {
                    polled.push(match (&operation.id, operation.is_over()) {
                        (Some(id), false) => self.lightsail().find_operation(id).await?,
                        _ => Some(operation.clone()),
                    });
                }
                self.observed.polled = Some(polled);
            }
        }
        Ok(())
    }

    fn turn(&self) -> Turn {
        Turn::of(&self.object, landing(&self.ctx.settings))
    }

    fn take_turn(&mut self) {
        let (own, rows) = (self.turn(), lock(&self.ctx.resets));
        let rivals: Vec<&Turn> = rows.rivals(self.at, &own).map(|(_, turn)| turn).collect();
        let (now, landing) = (self.observed.now, landing(&self.ctx.settings));
        self.observed.turn =
            Some(lock(&self.ctx.memory.turns).take(self.at, &own, &rivals, now, landing));
    }

    fn operations_of_others(&self) -> Vec<String> {
        let rows = lock(&self.ctx.resets);
        rows.rivals(self.at, &self.turn())
            .flat_map(|(_, turn)| turn.operations.iter().cloned())
            .collect()
    }

    fn remember(&self) {
        let uid = self.object.uid().unwrap_or_default();
        let memory =
            Recollection { uid, search: self.observed.search, call: self.observed.call.clone() };
        lock(&self.ctx.memory.resets).insert(self.at.clone(), memory);
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
        let call = self.lightsail().delete_known_host_keys(&self.desired.instance).await;
        self.observed.marked_at = None;
        self.observed.operations = None;
        self.observed.call = Some(call);
        self.remember();
    }

    async fn end(&mut self, end: &End) -> Result<(), Error> {
        let before = self.object.clone();
        self.write(status::ended(&self.object, &self.observed, end)).await?;
        if end.succeeded {
            note_ready(self.ctx, &before, &Verdict::ready(end.reason, "", Next::Change));
        }
        let note = status::record(&self.object, &end.message);
        let status = self.object.status.clone().unwrap_or_default();
        let operations: Vec<_> =
            status.operations.iter().filter_map(|operation| operation.id.clone()).collect();
        tracing::info!(
            uid = self.object.uid(),
            caller = status.caller_arn,
            reason = self.object.spec.reason,
            instance = self.desired.instance,
            request_id = status.request_id,
            operation_id = operations.join(" "),
            outcome = %end.reason,
            "the reset is over: {}",
            end.message
        );
        objects::tell(&self.ctx.client, &self.object, !end.succeeded, end.reason, &note).await;
        Ok(())
    }

    /// Says why it is not over, and ends the pass.
    async fn wait(&mut self, verdict: Verdict) -> Result<Passed, Error> {
        let before = self.object.status.clone().unwrap_or_default().conditions;
        self.write(status::waiting(&self.object, &self.observed, &verdict)).await?;
        if verdict.is_news(&before) {
            let is_warning = verdict.state == State::Stalled;
            objects::tell(
                &self.ctx.client,
                &self.object,
                is_warning,
                verdict.reason,
                &verdict.message,
            )
            .await;
        }
        Ok(Passed { next: verdict.next, outcome: Outcome::Said(verdict.reason) })
    }

    /// Writes the status if it changed, and takes in what the object is then. Only over what was
    /// read: an old leader must not write over the end that another one has found.
    async fn write(&mut self, status: HostKeyResetStatus) -> Result<(), Error> {
        if self.object.status.as_ref() != Some(&status) {
            let version = self.object.resource_version();
            self.object =
                objects::apply_status(&self.ctx.client, &self.object, &status, version.as_deref())
                    .await?;
        }
        self.observed.status = self.object.status.clone().unwrap_or_else(status::unobserved);
        self.observed.end = status::end(&self.observed.status);
        Ok(())
    }

    async fn annotate(&mut self, mark: Option<Mark>) -> Result<(), Error> {
        let value = mark.map(|mark| mark.to_string());
        lock(&self.ctx.resets).note_mark(self.at, value.clone());
        self.object = objects::annotate(
            &self.ctx.client,
            &self.object,
            EXECUTED_ANNOTATION,
            value.as_deref(),
        )
        .await?;
        self.observed.mark =
            objects::annotation(&self.object, EXECUTED_ANNOTATION).map(Mark::parse);
        Ok(())
    }

    /// A mark of another object or spec was copied here with its metadata. It counts for nothing,
    /// and that is said once.
    pub(super) async fn tell_of_foreign_mark(&self) {
        let foreign = self.observed.mark.as_ref().filter(|mark| mark.hash != self.desired.hash);
        if foreign.is_some() && self.observed.status.observed_generation < 0 {
            let note = "the annotation lightsail-operator.dev/executed is that of another object \
                or spec and was ignored";
            objects::tell(&self.ctx.client, &self.object, false, Reason::MarkIgnored, note).await;
        }
    }
}
