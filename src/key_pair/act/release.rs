//! The two calls before an object is released, whose pair stays. It is released whatever comes of
//! them.

use std::time::Duration;

use super::Run;
use crate::api::OWNER_TAG;
use crate::ids::{AccountId, Arn};
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
}
