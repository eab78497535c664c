//! The end of an object, and the two calls before it is released, whose pair stays. It is released
//! whatever comes of them.

use std::time::Duration;

use super::Run;
use crate::api::{FINALIZER, OWNER_TAG, Reason};
use crate::engine::verdict::Severity;
use crate::engine::{Action, objects};
use crate::error::Error;
use crate::ids::{AccountId, Arn};
use crate::key_pair::{claim, plan};
use crate::lightsail::{self, KeyPair, Lightsail};

/// How long each of the two calls may take: an object is released without AWS having to answer.
const TIMEOUT: Duration = Duration::from_secs(5);

impl Run<'_> {
    async fn region_for_release(&self, account: &AccountId) -> lightsail::Result<Lightsail> {
        self.open().await?.of_account(account)
    }

    pub(super) async fn read_for_release(
        &self,
        account: &AccountId,
    ) -> lightsail::Result<Option<KeyPair>> {
        let attempt = async {
            let region = self.region_for_release(account).await?;
            Ok(region.find_key_pair(&self.desired.name).await?.value)
        };
        let outcome = tokio::time::timeout(TIMEOUT, attempt).await;
        outcome.unwrap_or_else(|_| Err(lightsail::Error::timeout()))
    }

    /// The ARN is sent along, so that a pair that took the name is not touched.
    pub(super) async fn release_tag(
        &self,
        account: &AccountId,
        arn: &Arn,
    ) -> lightsail::Result<()> {
        let tags = [OWNER_TAG.to_owned()];
        let attempt = async {
            let region = self.region_for_release(account).await?;
            region.untag(&self.desired.name, arn, &tags).await
        };
        let outcome = tokio::time::timeout(TIMEOUT, attempt).await;
        outcome.unwrap_or_else(|_| Err(lightsail::Error::timeout()))
    }

    /// What others are to know of the pair is noted before: they may be told that the object is
    /// gone before the answer comes.
    pub(super) async fn remove_finalizer(
        &self,
        reason: Reason,
        message: &str,
        abandons: bool,
    ) -> Result<Action, Error> {
        let (uid, leaves_pair) = (&self.desired.uid, plan::leaves_pair(&self.observed));
        self.memory.note_end(uid, leaves_pair);
        // Another tool's finalizer may keep the object.
        self.memory.note_left(&self.at.namespace, uid, leaves_pair);
        objects::remove_finalizer(&self.ctx.api_server, &self.object, FINALIZER).await?;
        self.publish_event(Severity::Normal, reason, message).await;
        if abandons {
            self.ctx.metrics.abandoned();
        }
        self.memory.forget(self.at, uid);
        Ok(Action::gone())
    }

    /// The pair of an object that vanished is dealt with, or stays.
    pub(super) async fn end_follow_up(&self, reason: Reason, message: &str) -> Action {
        tracing::warn!(
            %reason,
            "an object was removed before the operator had handled its finalizer: {message}"
        );
        self.ctx.metrics.vanished_ended("LightsailKeyPair", &reason.to_string());
        self.publish_event(Severity::Warning, reason, message).await;
        self.memory.forget(self.at, &self.desired.uid);
        // Until now its tag has counted, or what its import may have made.
        self.memory.room.lock().make_room(self.at, &claim::lane_of(&self.object));
        Action::gone()
    }
}
