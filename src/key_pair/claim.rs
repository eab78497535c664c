//! What is kept of a key pair object in memory: what it wants of Lightsail, and what it has
//! recorded.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use super::world::{Desired, DesiredPair, ImportedKey, Rival};
use super::{desired, record};
use crate::api::{FINALIZER, LightsailKeyPair, Reason};
use crate::digest;
use crate::engine::objects::has_finalizer;
use crate::engine::rows::{Claim, Row, Rows, Shown};
use crate::engine::trigger::Trigger;
use crate::engine::{ObjectRef, Settings};
use crate::ids::{AccountId, Arn, Fingerprint, KeyPairName, Owner, Region};

/// What an object wants of a name in a region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairClaim {
    /// The region.
    pub region: Region,
    /// The name in Lightsail.
    pub name: KeyPairName,
    /// The owner tag of the object.
    pub owner: Owner,
    /// When the object was created.
    pub created_at: Option<Timestamp>,
    /// The pair that the status records.
    pub arn: Option<Arn>,
    /// Whether it waits for another object that has the name.
    pub waits: bool,
    /// What else is recorded, if nothing but the pair can have changed since.
    pub baseline: Option<Baseline>,
}

/// What an object that was acted on has recorded, beside the ARN: as long as the shared list says
/// the same, it needs no reconciliation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Baseline {
    /// The account.
    pub account: AccountId,
    /// The fingerprint, verbatim.
    pub fingerprint: Option<Fingerprint>,
    /// The digests of the tags of the spec, key and value together.
    pub tags: Box<[u64]>,
    /// How often it is checked.
    pub interval: Duration,
}

impl PairClaim {
    /// The claim of an object with this desired state.
    #[must_use]
    pub fn of(desired: &Desired, arn: Option<Arn>) -> Self {
        Self {
            region: desired.region.clone(),
            name: desired.name.clone(),
            owner: desired.owner.clone(),
            created_at: desired.created_at,
            arn,
            waits: false,
            baseline: None,
        }
    }
}

impl Claim for PairClaim {
    fn place(&self) -> (&str, &str) {
        (self.region.as_str(), self.name.as_str())
    }

    // Whose a pair is depends on the pair too: the plan decides that.
    fn rank(&self) -> Option<impl Ord> {
        Some(self.created_at)
    }

    fn waits(&self) -> bool {
        self.waits
    }

    fn asks(&self, _: &Self) -> bool {
        false
    }
}

/// What is kept of an object.
pub(super) fn row_of(object: &LightsailKeyPair, settings: &Settings) -> Row<PairClaim> {
    let desired = desired::desired(object, settings);
    let arn = object.status.as_ref().and_then(|status| status.arn.clone()).map(Arn::from);
    // An object that can do nothing does not stand in the way of those that can, unless it has a
    // pair.
    let claims = arn.is_some() || can_act(&desired);
    let baseline = baseline(object, &desired);
    let arn_is_known = arn.is_some();
    let shown = Shown::of(object);
    let waits = matches!(shown.reason, Some(Reason::NameConflict | Reason::WaitingForOwner));
    let claim = claims.then(|| PairClaim { waits, baseline, ..PairClaim::of(&desired, arn) });
    Row {
        lane: desired.region.to_string(),
        trigger: Trigger::of(object),
        claim,
        was_answered: arn_is_known,
        was_acted_on: record::was_acted_on(object),
        shown,
        uid: desired.uid,
    }
}

/// Whether anything can be done for an object.
fn can_act(desired: &Desired) -> bool {
    let has_bad_key =
        matches!(desired.pair, DesiredPair::Imported { key: ImportedKey::Inline(Err(_)), .. });
    desired.invalid_name.is_none() && !desired.suspend && !has_bad_key
}

/// What is recorded, if the object was acted on and nothing but its pair can have changed since:
/// its key is in its spec.
fn baseline(object: &LightsailKeyPair, desired: &Desired) -> Option<Baseline> {
    let has_own_key = matches!(
        desired.pair,
        DesiredPair::Imported { key: ImportedKey::Inline(Ok(_)) | ImportedKey::Absent, .. }
    );
    let status = object.status.as_ref()?;
    let stands = has_own_key
        && !desired.suspend
        && !desired.goal.ends()
        && record::was_acted_on(object)
        && has_finalizer(object, FINALIZER) == status.arn.is_some();
    Some(Baseline {
        account: status.account_id.clone().filter(|_| stands)?.into(),
        fingerprint: status.fingerprint.clone().map(Fingerprint::from),
        tags: desired.tags.iter().map(digest::keyed).collect(),
        interval: desired.interval,
    })
}

/// The other objects that want the same name in the same region.
pub(super) fn rivals(at: &ObjectRef, rows: &Rows<PairClaim>, desired: &Desired) -> Vec<Rival> {
    let rival = |(row, claim): (&Row<PairClaim>, &PairClaim)| Rival {
        uid: row.uid.clone(),
        owner: claim.owner.clone(),
        created_at: claim.created_at,
        arn: claim.arn.clone(),
        deleting: row.trigger.deleting,
    };
    rows.rivals(at, &PairClaim::of(desired, None)).map(rival).collect()
}
