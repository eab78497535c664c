//! Reconciles a `HostKeyReset`: what [`plan`] asks for is seen or done here, one step at a time. No decisions here.

mod mark;
pub mod plan;
mod status;

use std::sync::Arc;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use crate::api::{EXECUTED_ANNOTATION, HostKeyReset, HostKeyResetStatus, Reason};
use crate::error::Error;
use crate::lightsail::{Account, Lightsail};

use self::mark::{Mark, Outcome};
use self::plan::{Desired, End, Observed, Step};
use super::outcome::{State, Verdict};
use super::queue::Next;
use super::rows::Row;
use super::{Context, MAX_STEPS, ObjectRef, Passed, guarded, lock, objects, trigger};

/// What is kept of an object in memory.
#[must_use]
pub fn row_of(_: &Context, object: &HostKeyReset) -> Row {
    Row { uid: object.uid().unwrap_or_default(), trigger: trigger(object), claim: None }
}

/// One pass.
pub async fn reconcile(at: ObjectRef, ctx: Arc<Context>) -> Passed {
    guarded("HostKeyReset", &at, Box::pin(pass(&at, &ctx))).await
}

async fn pass(at: &ObjectRef, ctx: &Context) -> Result<Passed, Error> {
    let Some(object) = objects::find::<HostKeyReset>(&ctx.client, at).await? else {
        return Ok(Passed { next: Next::Change, reason: None });
    };
    let desired = Desired {
        instance: object.spec.instance_name.clone(),
        deadline: SignedDuration::from_secs(i64::from(object.spec.active_deadline_seconds)),
        hash: mark::hash(&at.namespace, &at.name, &object.spec),
        pinned_account: ctx.settings.aws_account_id.clone(),
    };
    let observed = observed(ctx, &object);
    let mut pass = Pass { ctx, object, desired, observed, account: None };
    pass.tell_of_foreign_mark().await;
    match pass.work().await {
        Err(Error::Lightsail(error)) => pass.wait(Verdict::from(&error)).await,
        outcome => outcome,
    }
}

/// What is known before anything is read.
fn observed(ctx: &Context, object: &HostKeyReset) -> Observed {
    let status = object.status.clone().unwrap_or_else(status::unobserved);
    Observed {
        now: Timestamp::now(),
        end: status::end(&status),
        status,
        mark: objects::annotation(object, EXECUTED_ANNOTATION).map(Mark::parse),
        marked_at: None,
        account: None,
        instance_arn: None,
        operations: None,
        call: None,
        polled: None,
        search: lock(&ctx.memory.searches).get(&object.uid().unwrap_or_default()).copied().unwrap_or_default(),
        call_timeout: SignedDuration::try_from(ctx.settings.call_timeout).unwrap_or(SignedDuration::MAX),
        settle_time: SignedDuration::try_from(ctx.settings.settle_time).unwrap_or(SignedDuration::MAX),
    }
}

struct Pass<'a> {
    ctx: &'a Context,
    object: HostKeyReset,
    desired: Desired,
    observed: Observed,
    account: Option<(Arc<Account>, Lightsail)>,
}

impl Pass<'_> {
    async fn work(&mut self) -> Result<Passed, Error> {
        for _ in 0..MAX_STEPS {
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
        let (_, lightsail) = self.account.as_ref().expect("the plan identifies the account before it calls Lightsail");
        lightsail
    }

    /// Does one step and notes what it taught, or ends the pass.
    async fn act(&mut self, step: Step) -> Result<Option<Passed>, Error> {
        match step {
            Step::Identify => {
                let account = self.ctx.accounts.current().await?;
                self.observed.account = Some(account.id.clone());
                let lightsail = account.region(&self.object.spec.region);
                self.account = Some((account, lightsail));
            }
            Step::FindInstance => {
                self.observed.instance_arn = Some(self.lightsail().find_instance_arn(&self.desired.instance).await?);
            }
            Step::ListOperations => {
                // The list is as old as its beginning.
                self.observed.now = Timestamp::now();
                self.observed.operations = Some(self.lightsail().operations_of(&self.desired.instance).await?);
            }
            Step::WriteIntent { last_operation_before, instance_arn } => {
                let status = status::intent(&self.object, &self.observed, last_operation_before, instance_arn);
                let version = self.object.resource_version();
                self.write(status, version.as_deref()).await?;
            }
            Step::WriteMark(outcome) => {
                self.observed.marked_at = (outcome == Outcome::Started).then(Timestamp::now);
                self.annotate(Some(Mark { hash: self.desired.hash.clone(), outcome })).await?;
                self.observed.now = Timestamp::now();
            }
            Step::Call => self.call().await?,
            Step::Poll => {
                let mut polled = Vec::new();
                for operation in &self.observed.status.operations {
                    polled.push(match (&operation.id, operation.is_over()) {
                        (Some(id), false) => self.lightsail().find_operation(id).await?,
                        _ => Some(operation.clone()),
                    });
                }
                self.observed.polled = Some(polled);
                self.observed.now = Timestamp::now();
            }
            Step::NoteSearch(search) => {
                lock(&self.ctx.memory.searches).insert(self.object.uid().unwrap_or_default(), search);
                self.observed.search = search;
            }
            Step::End(end) => self.end(&end).await?,
            Step::TakeBack(verdict) => {
                // First the mark: an intent without a mark was never called, and that is so.
                self.annotate(None).await?;
                self.observed.status.attempts = 0;
                return self.wait(verdict).await.map(Some);
            }
            Step::Progress { operations, verdict } => {
                self.observed.status.operations = operations;
                return self.wait(verdict).await.map(Some);
            }
            Step::Wait(verdict) => return self.wait(verdict).await.map(Some),
            Step::Nothing => {
                let status = status::refreshed(&self.object, &self.observed.status);
                self.write(status, None).await?;
                return Ok(Some(Passed { next: Next::Change, reason: None }));
            }
        }
        Ok(None)
    }

    /// The one call. Who asked for it and why is in the log, to be joined with the cluster's audit log and with CloudTrail.
    async fn call(&mut self) -> Result<(), Error> {
        let caller = self.account.as_ref().map(|(account, _)| account.caller_arn.clone()).unwrap_or_default();
        let (uid, reason) = (self.object.uid().unwrap_or_default(), &self.object.spec.reason);
        tracing::info!(uid, caller, reason, instance = self.desired.instance, "calling DeleteKnownHostKeys");
        self.observed.marked_at = None;
        self.observed.operations = None;
        self.observed.call = Some(self.lightsail().delete_known_host_keys(&self.desired.instance).await);
        self.observed.now = Timestamp::now();
        Ok(())
    }

    async fn end(&mut self, end: &End) -> Result<(), Error> {
        let status = status::ended(&self.object, &self.observed, end);
        self.write(status, None).await?;
        lock(&self.ctx.memory.searches).remove(&self.object.uid().unwrap_or_default());
        let note = format!("{}; asked for because: {}", end.message, self.object.spec.reason);
        objects::tell(&self.ctx.client, &self.object, !end.succeeded, end.reason, &note).await;
        Ok(())
    }

    /// Says why it is not over, and ends the pass.
    async fn wait(&mut self, verdict: Verdict) -> Result<Passed, Error> {
        let before = self.object.status.clone().unwrap_or_default().conditions;
        let status = status::waiting(&self.object, &self.observed, &verdict);
        self.write(status, None).await?;
        if verdict.is_news(&before) {
            let is_warning = verdict.state == State::Stalled;
            objects::tell(&self.ctx.client, &self.object, is_warning, verdict.reason, &verdict.message).await;
        }
        Ok(Passed { next: verdict.next, reason: Some(verdict.reason) })
    }

    /// Writes the status if it changed, and takes in what the object is then.
    async fn write(&mut self, status: HostKeyResetStatus, resource_version: Option<&str>) -> Result<(), Error> {
        if self.object.status.as_ref() != Some(&status) {
            self.object = objects::apply_status(&self.ctx.client, &self.object, &status, resource_version).await?;
        }
        self.take_in();
        Ok(())
    }

    async fn annotate(&mut self, mark: Option<Mark>) -> Result<(), Error> {
        let value = mark.map(|mark| mark.to_string());
        self.object = objects::annotate(&self.ctx.client, &self.object, EXECUTED_ANNOTATION, value.as_deref()).await?;
        self.observed.mark = objects::annotation(&self.object, EXECUTED_ANNOTATION).map(Mark::parse);
        Ok(())
    }

    fn take_in(&mut self) {
        self.observed.status = self.object.status.clone().unwrap_or_else(status::unobserved);
        self.observed.end = status::end(&self.observed.status);
    }

    /// A mark of another object or spec was copied here with its metadata. It counts for nothing, and that is said once.
    async fn tell_of_foreign_mark(&self) {
        let foreign = self.observed.mark.as_ref().filter(|mark| mark.hash != self.desired.hash);
        if foreign.is_some() && self.observed.status.observed_generation < 0 {
            let note =
                "the annotation lightsail-operator.dev/executed is that of another object or spec and was ignored";
            objects::tell(&self.ctx.client, &self.object, false, Reason::MarkIgnored, note).await;
        }
    }
}
