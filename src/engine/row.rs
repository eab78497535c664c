//! What is kept in memory of one object: enough to know whether a change needs a reconciliation,
//! and what it claims in Lightsail.

use std::fmt;
use std::time::Instant;

use super::claimants::WaitOrder;
use super::concurrency::Class;
use super::object_ref::ObjectRef;
pub use super::shown::Shown;
use super::trigger::{Asks, Trigger};
use super::uid::Uid;
use crate::digest::Digest;
use crate::ids::{Arn, LaneId};

/// A name in a region, or another thing that several objects may claim.
pub type ClaimKey = Digest<(String, String)>;

/// What has this name in that region.
#[must_use]
pub fn claim_key(region: &str, name: &str) -> ClaimKey {
    Digest::of((region, name))
}

/// An object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row<C> {
    /// The object's uid.
    pub uid: Uid,
    /// The lane of the queue: the region in which it asks Lightsail, and the account that it uses.
    pub lane: LaneId,
    /// What a reconciliation depends on. A change of it makes one due. It excludes the status,
    /// which the operator writes itself.
    pub trigger: Trigger,
    /// Whether its region has ever answered.
    pub region_answered: bool,
    /// Whether this generation was acted on, so that the object is only checked again.
    pub was_acted_on: bool,
    /// What the object shows.
    pub shown: Shown,
    /// What the object claims that others may claim too.
    pub claim: Option<C>,
}

/// A reconciliation that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// The object.
    pub at: ObjectRef,
    /// Why.
    pub class: Class,
    /// The earliest time for it.
    pub from: Instant,
}

impl<C: Claim> Row<C> {
    /// Whether this asks for a reconciliation, after that.
    pub(super) fn asks(&self, before: &Self) -> Asks {
        let claims = (self.claim.as_ref(), before.claim.as_ref());
        // The operator never removes a status, but a tool that restores a backup may.
        let has_lost_status = before.shown.reason.is_some() && self.shown.reason.is_none();
        if self.uid != before.uid {
            return Asks::Now;
        }
        let claim_asks = matches!(claims, (Some(after), Some(before)) if after.asks(before));
        match self.trigger.asks(&before.trigger) {
            Asks::Nothing if has_lost_status || claim_asks => Asks::Paced,
            asks @ (Asks::Nothing | Asks::Paced | Asks::Now) => asks,
        }
    }

    /// Whether others of that claim may come next. It may have been in their way by its tag alone,
    /// until it claims that no more.
    pub(super) fn steps_aside(&self, before: &Self) -> bool {
        let Some(before) = &before.claim else { return false };
        let after = self.claim.as_ref().filter(|after| after.key() == before.key());
        after.is_none_or(|after| before.blocks() && !after.blocks())
    }
}

/// An object's claim to one thing in Lightsail.
pub trait Claim {
    /// The order of those that claim the same.
    type Rank: Ord + Clone + fmt::Debug;

    /// What it claims.
    fn key(&self) -> ClaimKey;

    /// Its position: the smaller value comes first, or else the smaller uid.
    fn rank(&self) -> Self::Rank;

    /// Whether it blocks others.
    fn blocks(&self) -> bool;

    /// Whether it waits for others, or may be about to, and must be queued when one of them steps
    /// aside.
    fn waits(&self) -> bool;

    /// Whether it asks for a reconciliation, after that.
    fn asks(&self, before: &Self) -> bool;

    /// What only one may have, if it has that.
    fn held(&self) -> Option<Digest<Arn>>;
}

/// The position of an object that waits for others, or may be about to.
pub(super) fn wait_order_of<C: Claim>(row: &Row<C>) -> Option<WaitOrder<C::Rank>> {
    let claim = row.claim.as_ref().filter(|claim| claim.waits())?;
    Some(WaitOrder { rank: claim.rank(), uid: row.uid.clone(), lane: row.lane.clone() })
}
