//! What came of a reconciliation: the status, an Event if the reason changed, and the line of the
//! log that tells of the end.

use kube::ResourceExt;

use super::Run;
use crate::api::{HostKeyResetStatus, Operation, Reason};
use crate::engine::verdict::{Severity, seconds_to_ready};
use crate::engine::{Action, State, Verdict, objects};
use crate::error::Error;
use crate::host_key_reset::observe::{effect_window, started};
use crate::host_key_reset::plan::{self, End};
use crate::host_key_reset::world::KnownOperation;
use crate::host_key_reset::{record, status};

impl Run<'_> {
    pub(super) async fn end(&mut self, end: &End) -> Result<(), Error> {
        self.note_begun(&end.operations);
        let before = self.object.clone();
        self.write(status::ended(&self.object, &self.observed, end)).await?;
        let state = if end.succeeded { State::Ready } else { State::Stalled };
        if let Some(seconds) = seconds_to_ready(&before, state, self.clocks.now()) {
            self.ctx.metrics.became_ready("HostKeyReset", seconds);
        }
        let note = status::record(&self.object, &end.message);
        let status = self.object.status.clone().unwrap_or_default();
        let operations = KnownOperation::all(&status.operations);
        let ids: Vec<_> = operations.iter().map(|operation| operation.id.as_str()).collect();
        let operation_id = (!ids.is_empty()).then(|| ids.join(" "));
        tracing::info!(
            uid = self.object.uid(),
            caller = status.caller_arn,
            reason = self.object.spec.reason,
            instance = self.desired.instance,
            request_id = status.request_id,
            operation_id,
            outcome = %end.reason,
            "the reset is over: {message}",
            message = end.message
        );
        self.publish_event(end.severity(), end.reason, &note).await;
        Ok(())
    }

    /// Notes operations before they are recorded: the object may be gone, and nothing is written.
    pub(super) fn note_begun(&self, operations: &[Operation]) {
        let effect = effect_window(&self.ctx.settings);
        self.memory.note_begun(&self.claim(), &KnownOperation::all(operations), effect);
    }

    pub(super) async fn publish_event(&self, severity: Severity, reason: Reason, note: &str) {
        objects::publish_event(self.ctx, &self.object, severity, reason, note).await;
    }

    /// Publishes this verdict about a reconciliation that could not be finished. Where the API
    /// server refuses the status too, nothing but an Event tells of it.
    pub(in crate::host_key_reset) async fn publish_unfinished(
        &mut self,
        verdict: Verdict,
    ) -> Result<Option<Action>, Error> {
        let is_news = verdict.is_news(&self.observed.status.conditions);
        let step = plan::unfinished(&self.desired, &self.observed, verdict.clone());
        let written = self.act(step).await;
        if is_news && objects::is_refused(&written) {
            self.publish_event(verdict.severity(), verdict.reason, &verdict.message).await;
        }
        written
    }

    /// Publishes what does not succeed about one that is over, and ends the reconciliation.
    pub(super) async fn hinder(&mut self, verdict: &Verdict) -> Result<Action, Error> {
        let before = self.observed.status.clone();
        let status = status::hindered(&self.object, &self.observed, &verdict.message);
        let is_news = record::message(&status) != record::message(&before);
        self.write(status).await?;
        if is_news {
            self.publish_event(Severity::Warning, verdict.reason, &verdict.message).await;
        }
        Ok(Action::shows(verdict.reason, verdict.next))
    }

    /// Publishes why it is not over, and ends the reconciliation.
    pub(super) async fn wait(&mut self, verdict: Verdict) -> Result<Action, Error> {
        let before = self.object.status.clone().unwrap_or_default().conditions;
        self.write(status::waiting(&self.object, &self.observed, &verdict)).await?;
        if verdict.is_news(&before) {
            self.publish_event(verdict.severity(), verdict.reason, &verdict.message).await;
        }
        Ok(Action::shows(verdict.reason, verdict.next))
    }

    /// Writes the status if it changed, and keeps what the object is then.
    pub(super) async fn write(&mut self, status: HostKeyResetStatus) -> Result<(), Error> {
        if self.object.status.as_ref() != Some(&status) {
            self.object =
                objects::write_status(&self.ctx.api_server, &self.object, &status).await?;
        }
        self.note_status();
        Ok(())
    }

    pub(super) fn note_status(&mut self) {
        self.observed.status = self.object.status.clone().unwrap_or_else(record::unobserved);
        self.observed.end = record::end(&self.observed.status);
        let status = &self.observed.status;
        self.observed.started = started(&self.clocks, self.memory, self.uid(), status);
    }
}
