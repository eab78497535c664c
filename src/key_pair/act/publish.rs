//! What came of a reconciliation: the status, and an Event if the reason changed.

use super::Run;
use crate::api::Reason;
use crate::clock::Moment;
use crate::engine::verdict::{Severity, seconds_to_ready};
use crate::engine::{Action, Verdict, objects};
use crate::error::Error;
use crate::key_pair::unrecorded::ImportCall;
use crate::key_pair::{claim, plan, status};

impl Run<'_> {
    pub(super) async fn publish_event(&self, severity: Severity, reason: Reason, note: &str) {
        objects::publish_event(self.ctx, &self.object, severity, reason, note).await;
    }

    /// Publishes this verdict alone, about a reconciliation that could not be finished. Where the
    /// API server refuses the status too, nothing but an Event tells of it.
    pub(in crate::key_pair) async fn publish_unfinished(
        &self,
        verdict: &Verdict,
    ) -> Result<(), Error> {
        self.leave_line();
        let before = self.object.status.clone().unwrap_or_default();
        let status = status::unfinished(&self.object, verdict, self.clocks.now());
        if status != before {
            let api_server = &self.ctx.api_server;
            let written = objects::write_status(api_server, &self.object, &status).await;
            let is_told = written.is_ok() || objects::is_refused(&written);
            if is_told && verdict.is_news(&before.conditions) {
                self.publish_event(verdict.severity(), verdict.reason, &verdict.message).await;
            }
            written?;
        }
        Ok(())
    }

    /// The object waits for no other pair to go.
    pub(super) fn leave_line(&self) {
        self.memory.room.lock().leave(&self.desired.uid, self.began);
    }

    /// Writes the status if it changed, and an Event if the reason did.
    pub(super) async fn publish(&mut self, verdict: &Verdict) -> Result<Action, Error> {
        let uid = &self.desired.uid;
        self.memory.note_refusal(self.at, uid, claim::is_refused(Some(verdict.reason)));
        if !plan::stays_in_line(&self.desired, &self.observed, verdict.state) {
            self.leave_line();
        }
        let before = self.object.status.clone().unwrap_or_default();
        let status = status::status(&self.object, &self.desired, &self.observed, verdict);
        if status != before {
            objects::write_status(&self.ctx.api_server, &self.object, &status).await?;
        }
        let stays = plan::refused_secret_stays(&self.desired, &self.observed);
        self.memory.note_refused_secret(&self.desired.uid, stays);
        let aftermath = plan::aftermath(&status);
        self.memory.edit(&self.desired.uid, |known| {
            known.begun = None;
            known.has_failed &= aftermath.keeps_failure;
            if !aftermath.keeps_import {
                known.import = ImportCall::Unknown;
            }
        });
        if !aftermath.keeps_within_limit {
            self.memory.drop_place(self.at, &self.desired.uid);
        }
        let now = self.clocks.now();
        if let Some(seconds) = seconds_to_ready(&self.object, verdict.state, now) {
            self.ctx.metrics.became_ready("LightsailKeyPair", seconds);
        }
        if verdict.is_news(&before.conditions) {
            self.publish_event(verdict.severity(), verdict.reason, &verdict.message).await;
        }
        self.memory.crowds.lock().leave(&self.desired.uid, Moment::now());
        Ok(Action::shows(verdict.reason, verdict.next))
    }
}
