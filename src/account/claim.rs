//! What is kept of an account in memory, besides what `access` keeps.

use kube::ResourceExt;

use crate::api::LightsailAccount;
use crate::api::conditions::{READY, is_true};
use crate::digest::Digest;
use crate::engine::rows::{Claim, ClaimKey, Row, Shown};
use crate::engine::trigger::Trigger;
use crate::ids::{Arn, LaneId};

/// Accounts claim nothing that others could claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoClaim {}

impl Claim for NoClaim {
    type Rank = ();

    fn key(&self) -> ClaimKey {
        match *self {}
    }

    fn rank(&self) {
        match *self {}
    }

    fn blocks(&self) -> bool {
        match *self {}
    }

    fn waits(&self) -> bool {
        match *self {}
    }

    fn asks(&self, _: &Self) -> bool {
        match *self {}
    }

    fn held(&self) -> Option<Digest<Arn>> {
        match *self {}
    }
}

/// What is kept of an account. Each has a lane of its own, so one whose role does not answer delays
/// no other.
pub(super) fn row_of(object: &LightsailAccount) -> Row<NoClaim> {
    let status = object.status.clone().unwrap_or_default();
    let is_current = Some(status.observed_generation) == object.metadata.generation;
    Row {
        uid: object.uid().unwrap_or_default().into(),
        lane: LaneId::new("", Some(&object.name_any())),
        trigger: Trigger::of(object),
        region_answered: false,
        was_acted_on: is_current && is_true(&status.conditions, READY),
        shown: Shown::of(object),
        claim: None,
    }
}
