//! Reconciles a `LightsailAccount`: `act` reads or does what [`plan`] asks for, one step at a time,
//! and publishes the result once. No decisions here.
//!
//! What an account allows is decided where an object asks for it, not here: `access` keeps the
//! accounts as the watch shows them.

mod act;
mod claim;
pub mod message;
pub mod plan;
mod status;
pub(crate) mod world;

use std::sync::Arc;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use self::act::Run;
use self::claim::NoClaim;
use crate::api::{LightsailAccount, Reason};
use crate::engine::action::Next;
use crate::engine::queue::{Failures, Item};
use crate::engine::rows::{Row, Rows};
use crate::engine::served::Served;
use crate::engine::{
    Action, Context, Controller, ObjectRef, Verdict, ignore_unless_final, objects, run_in_span,
    verdict_if_lasting,
};
use crate::error::Error;

const KIND: &str = "LightsailAccount";

/// The controller of `LightsailAccount`.
pub struct Accounts {
    ctx: Arc<Context>,
    /// What is kept of each object.
    rows: Mutex<Rows<NoClaim>>,
}

impl Accounts {
    /// A controller that knows nothing yet.
    #[must_use]
    pub fn new(ctx: Arc<Context>) -> Self {
        Self { ctx, rows: Mutex::default() }
    }

    async fn reconcile_live(&self, item: &Item) -> Result<Action, Error> {
        let action = self.try_to_reconcile(item).await;
        if let Err(error) = &action
            && self.ctx.settings.is_primary
            && let Some(verdict) = verdict_if_lasting_here(error, item.failures)
        {
            ignore_unless_final(self.publish_unfinished(&item.at, &verdict).await)?;
        }
        action
    }

    /// Publishes this verdict about the account as it is now.
    async fn publish_unfinished(&self, at: &ObjectRef, verdict: &Verdict) -> Result<(), Error> {
        let object = objects::find::<LightsailAccount>(&self.ctx.api_server, at).await?;
        if let Some(Served::Readable(object)) = object {
            Run::new(&self.ctx, object).publish(verdict).await?;
        }
        Ok(())
    }

    async fn try_to_reconcile(&self, item: &Item) -> Result<Action, Error> {
        match objects::find::<LightsailAccount>(&self.ctx.api_server, &item.at).await? {
            Some(Served::Readable(object)) => Run::new(&self.ctx, object).reconcile().await,
            Some(Served::Unreadable(object)) => {
                if self.ctx.settings.is_primary {
                    objects::refuse::<LightsailAccount>(&self.ctx.api_server, &object).await?;
                }
                Ok(Action::shows(Reason::UnsupportedObject, Next::Change))
            }
            None => Ok(Action::gone()),
        }
    }
}

/// After this many conflicts in a row, the watch is not just behind: the pauses between them add up
/// to more than the minute in which a dead watch is noticed.
const MORE_THAN_A_DELAY: u32 = 10;

/// What an account shows of a failure that lasts.
fn verdict_if_lasting_here(error: &Error, failures: Failures) -> Option<Verdict> {
    let may_be_behind = matches!(error, Error::Conflict) && failures.conflicts < MORE_THAN_A_DELAY;
    verdict_if_lasting(error, failures).filter(|_| !may_be_behind)
}

impl Controller for Accounts {
    type Object = LightsailAccount;
    type Claim = NoClaim;

    fn context(&self) -> &Context {
        &self.ctx
    }

    fn rows(&self) -> &Mutex<Rows<NoClaim>> {
        &self.rows
    }

    fn row_of(&self, object: &LightsailAccount) -> Row<NoClaim> {
        claim::row_of(object)
    }

    fn note_applied(&self, object: &LightsailAccount) {
        self.ctx.directory.note(object);
    }

    fn note_unreadable(&self, at: &ObjectRef, _: &str) {
        self.ctx.directory.note_unreadable(&at.name);
    }

    fn note_listed(&self) {
        self.ctx.directory.note_listed();
    }

    fn forget(&self, at: &ObjectRef, _: Option<&Row<NoClaim>>) {
        self.ctx.directory.note_gone(&at.name);
    }

    async fn reconcile(&self, item: Item, _: CancellationToken) -> Action {
        run_in_span(KIND, &item, Box::pin(self.reconcile_live(&item))).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i8_conflicts_are_shown_when_they_last_longer_than_a_watch_is_behind() {
        for (conflicts, expected) in [
            (5, None),
            (9, None),
            (10, Some(Reason::WriteConflict)),
            (99, Some(Reason::WriteConflict)),
        ] {
            let failures = Failures { conflicts, ..Failures::default() };
            let verdict = verdict_if_lasting_here(&Error::Conflict, failures);
            assert_eq!(verdict.map(|verdict| verdict.reason), expected, "{conflicts}");
        }
    }
}
