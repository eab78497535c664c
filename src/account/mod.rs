//! Reconciles a `LightsailAccount`: `act` reads or does what [`plan`] asks for, one step at a time,
//! and publishes the result once. No decisions here.
//!
//! What an account allows is decided where an object asks for it, not here: `access` keeps the
//! accounts as the watch shows them.

mod act;
mod claim;
mod memory;
pub mod message;
pub mod plan;
mod status;
pub(crate) mod world;

use std::sync::Arc;

use parking_lot::Mutex;

use self::act::Run;
use self::claim::NoClaim;
use self::memory::Memory;
use crate::api::{LightsailAccount, Reason};
use crate::engine::queue::{Item, Next};
use crate::engine::rows::{Row, Rows};
use crate::engine::served::Served;
use crate::engine::{Action, Context, Controller, ObjectRef, guarded, lasting, objects};
use crate::error::Error;

const KIND: &str = "LightsailAccount";

/// The controller of `LightsailAccount`.
pub struct Accounts {
    ctx: Arc<Context>,
    memory: Memory,
}

impl Accounts {
    /// A controller that knows nothing yet.
    #[must_use]
    pub fn new(ctx: Arc<Context>) -> Self {
        Self { ctx, memory: Memory::default() }
    }

    async fn reconcile_live(&self, item: &Item) -> Result<Action, Error> {
        let action = self.try_to_reconcile(item).await;
        // A conflict may only mean that the watch is behind.
        if let Err(error @ (Error::Kubernetes(_) | Error::Unreadable(_))) = &action
            && self.ctx.settings.is_primary
            && let Some(verdict) = lasting(error, item.failures)
            && let Some(Served::Readable(object)) =
                objects::find::<LightsailAccount>(&self.ctx.api_server, &item.at).await?
        {
            Run::new(&self.ctx, object).publish(&verdict).await?;
        }
        action
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

impl Controller for Accounts {
    type Object = LightsailAccount;
    type Claim = NoClaim;

    fn context(&self) -> &Context {
        &self.ctx
    }

    fn rows(&self) -> &Mutex<Rows<NoClaim>> {
        &self.memory.rows
    }

    fn row_of(&self, object: &LightsailAccount) -> Row<NoClaim> {
        claim::row_of(object)
    }

    fn forget_lane(&self, _: &str) {}

    fn note_applied(&self, object: &LightsailAccount) {
        self.ctx.directory.note(object);
    }

    fn note_unreadable(&self, at: &ObjectRef) {
        self.ctx.directory.note_unreadable(&at.name);
    }

    fn note_listed(&self) {
        self.ctx.directory.note_listed();
    }

    fn note_gone(&self, _: &LightsailAccount) {}

    fn follow_up_lane(&self, _: &ObjectRef) -> Option<String> {
        None
    }

    fn forget(&self, at: &ObjectRef, _: &str) {
        self.ctx.directory.note_gone(&at.name);
    }

    async fn reconcile(&self, item: Item) -> Action {
        guarded(KIND, &item, Box::pin(self.reconcile_live(&item))).await
    }
}
