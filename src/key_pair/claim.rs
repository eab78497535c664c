//! What is kept of a key pair object in memory: what it wants of Lightsail, and what it has
//! recorded.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use super::world::{Desired, DesiredPair, Goal, ImportedKey, Rival};
use super::{desired, record};
use crate::access::directory::Grant;
use crate::access::permission::{What, selects_by_labels, surely_refuses};
use crate::api::key_pair::{Ensure, GeneratedKeyPair, KeyAlgorithm, KeyPairType};
use crate::api::{FINALIZER, LightsailKeyPair, OWNER_TAG, Reason};
use crate::digest::{self, Digest};
use crate::engine::last_found::LastFound;
use crate::engine::objects::has_finalizer;
use crate::engine::rows::{self, Claim, ClaimKey, Row, Rows, Shown, claim_key};
use crate::engine::tables::ByUid;
use crate::engine::trigger::Trigger;
use crate::engine::uid::Uid;
use crate::engine::{ObjectRef, Settings};
use crate::ids::{AccountId, Arn, Fingerprint, KeyPairName, LaneId, Owner, Scope};
use crate::lightsail::{KeyPair, Listing};

/// What an object wants of a name in a region.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is one thing that is so or not")]
pub struct PairClaim {
    /// The name in the region.
    pub key: ClaimKey,
    /// The name in Lightsail.
    pub name: Digest<KeyPairName>,
    /// The owner tag of the object.
    pub owner: Digest<Owner>,
    /// When the object was created.
    pub created_at: Option<Timestamp>,
    /// The pair that the status records.
    pub arn: Option<Digest<Arn>>,
    /// The account of that pair, or the one that the object belongs to.
    pub account: Option<Digest<AccountId>>,
    /// Whether there should be a pair.
    pub wants_pair: bool,
    /// Whether there may be one already: its import or adoption is on record, and not what came of
    /// it.
    pub may_have_one: bool,
    /// Whether it has no pair and cannot act now: it stands in nobody's way, unless the pair has
    /// its owner tag.
    pub is_idle: bool,
    /// Whether it may have used its account by now, or is over.
    pub has_acted: bool,
    /// Whether it waits for another object that has the name, or may be about to.
    pub waits: bool,
    /// Whether it may not use its account, as it shows, or as its last reconciliation found.
    pub is_refused: bool,
    /// What else is recorded, if nothing but the pair can have changed since.
    pub baseline: Option<Baseline>,
}

/// What an object that was acted on has recorded, beside the ARN: as long as the shared list says
/// the same, it needs no reconciliation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Baseline {
    /// The account.
    pub account: Digest<AccountId>,
    /// The fingerprint, verbatim.
    pub fingerprint: Option<Digest<Fingerprint>>,
    /// The digests of the tags of the spec, key and value together.
    pub tags: Box<[u64]>,
    /// How often it is checked.
    pub interval: Duration,
}

impl PairClaim {
    /// The claim of an object with this desired state.
    #[must_use]
    pub fn of(desired: &Desired, arn: Option<&str>) -> Self {
        let account = arn.and_then(|arn| arn.split(':').nth(4)).filter(|text| !text.is_empty());
        Self {
            key: claim_key(desired.region.as_str(), desired.name.as_str()),
            name: Digest::of(&desired.name),
            owner: Digest::of(&desired.owner),
            created_at: desired.created_at,
            arn: arn.map(Digest::of),
            account: account.map(Digest::of),
            wants_pair: desired.goal == Goal::Present,
            may_have_one: false,
            is_idle: false,
            has_acted: false,
            waits: false,
            is_refused: false,
            baseline: None,
        }
    }
}

impl PairClaim {
    /// Whether the object counts toward the key pairs of its namespace for what it has on record.
    #[must_use]
    pub fn counts(&self) -> bool {
        // Two whose imports came to nothing must not refuse each other.
        self.arn.is_some() || (self.may_have_one && !self.is_refused)
    }
}

impl Claim for PairClaim {
    type Rank = Option<Timestamp>;

    fn key(&self) -> ClaimKey {
        self.key
    }

    // Whose a pair is depends on the pair too: the plan decides that.
    fn rank(&self) -> Self::Rank {
        self.created_at
    }

    fn blocks(&self) -> bool {
        !self.is_idle
    }

    fn waits(&self) -> bool {
        self.waits
    }

    fn asks(&self, _: &Self) -> bool {
        false
    }

    // Two that may act at the same moment, such as when their account appears, may both record the
    // pair. Whoever was refused its account meanwhile has it again when it no longer is.
    fn held(&self) -> Option<Digest<Arn>> {
        self.arn.filter(|_| !self.is_refused)
    }
}

/// What is kept of an object. `was_refused`: its last reconciliation found that it may not use its
/// account, whether or not the object shows it.
pub(super) fn row_of(
    object: &LightsailKeyPair,
    settings: &Settings,
    was_refused: bool,
) -> Row<PairClaim> {
    let desired = desired::desired(object, settings);
    let arn = object.status.as_ref().and_then(|status| status.arn.as_deref());
    let shown = Shown::of(object);
    let may_have_one = arn.is_none() && may_have_one(object);
    // An object that can do nothing does not stand in the way of those that can, unless it has a
    // pair. If it may have one, that counts, and so does its owner tag on a pair.
    let is_left = is_left(object);
    let is_refused = was_refused || is_refused(shown.reason);
    let may_act = can_act(&desired) && !is_refused;
    let may_be_tagged = desired.invalid_name.is_none() && !is_refused;
    let claims = !is_left && (arn.is_some() || may_have_one || may_be_tagged);
    let baseline = baseline(object, &desired);
    let arn_is_known = arn.is_some();
    // One that is reconciled for the first time may be about to say that it waits: who steps aside
    // meanwhile calls it too.
    let shows_wait = has_no_outcome(shown)
        || matches!(shown.reason, Some(Reason::NameConflict | Reason::WaitingForOwner));
    // Nearly all objects have a pair, and what is recorded is copied to be read.
    let has_acted = arn.is_some() || desired.has_used_account(&record::recorded(object));
    let is_idle = arn.is_none() && !may_act;
    let waits = shows_wait && !is_idle;
    let of_object = || {
        let claim = PairClaim::of(&desired, arn);
        // It never has a pair in another one.
        let recorded = object.status.as_ref().and_then(|status| status.account_id.as_ref());
        let account = claim.account.or_else(|| recorded.map(Digest::of));
        PairClaim {
            account,
            may_have_one,
            is_idle,
            has_acted,
            waits,
            is_refused,
            baseline,
            ..claim
        }
    };
    let claim = claims.then(of_object);
    Row {
        lane: lane_of(object),
        trigger: Trigger::of(object),
        claim,
        region_answered: arn_is_known,
        was_acted_on: record::was_acted_on(object),
        shown,
        uid: desired.uid.into(),
    }
}

/// Whether the operator has released an object that another tool's finalizer keeps: it has no pair
/// any more.
fn is_left(object: &LightsailKeyPair) -> bool {
    object.metadata.deletion_timestamp.is_some() && !has_finalizer(object, FINALIZER)
}

/// Whether the import or the adoption of its pair is on record.
fn may_have_one(object: &LightsailKeyPair) -> bool {
    object.status.as_ref().is_some_and(record::may_be_under_way)
}

/// Whether an object may get a pair: until then, it counts for younger ones.
pub(super) fn may_get_one(row: &Row<PairClaim>) -> bool {
    let is_able = |claim: &PairClaim| claim.wants_pair && !claim.is_refused && !claim.is_idle;
    row.claim.as_ref().is_some_and(is_able) && !is_hindered(row.shown.reason)
}

/// Whether anything can be done for an object.
fn can_act(desired: &Desired) -> bool {
    let has_bad_key =
        matches!(desired.pair, DesiredPair::Imported { key: ImportedKey::Inline(Err(_)), .. });
    desired.invalid_name.is_none() && !desired.suspend && !has_bad_key
}

/// Whether an object shows nothing yet, or that something is under way.
fn has_no_outcome(shown: Shown) -> bool {
    matches!(shown.reason, None | Some(Reason::InProgress))
}

/// Whether the pair of an object is yet to be imported, or is being imported, for the first time.
/// One that shows what came of its first reconciliation may not be imported for long.
pub(super) fn is_coming(object: &LightsailKeyPair) -> bool {
    let spec = &object.spec;
    let is_wanted = spec.ensure == Ensure::Present && !spec.suspend;
    let status = object.status.as_ref();
    let is_new = status.is_none_or(|status| status.arn.is_none() && status.observed_generation < 0);
    let is_named = spec.type_ != KeyPairType::Default;
    // RSA keys are generated one by one, which takes longer than all the rest.
    let is_rsa = |generated: &GeneratedKeyPair| generated.algorithm == KeyAlgorithm::RSA4096;
    let is_generated = spec.generated.as_ref().is_some_and(is_rsa)
        && status.is_none_or(|status| status.import_intent.is_none());
    is_wanted
        && is_new
        && is_named
        && !is_generated
        && object.metadata.deletion_timestamp.is_none()
        && has_no_outcome(Shown::of(object))
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
        account: Digest::of(status.account_id.as_ref().filter(|_| stands)?),
        fingerprint: status.fingerprint.as_ref().map(Digest::of),
        tags: desired.tags.iter().map(digest::keyed).collect(),
        interval: desired.interval,
    })
}

/// The name of the account that the object uses, if it uses one.
pub(super) fn account_ref(object: &LightsailKeyPair) -> Option<&str> {
    object.spec.account_ref.as_ref().map(|account| account.name.as_str())
}

/// The lane of an object.
pub(super) fn lane_of(object: &LightsailKeyPair) -> LaneId {
    LaneId::new(&object.spec.region, account_ref(object))
}

/// Whether an object that shows this may not use its account: then it claims nothing.
pub(super) fn is_refused(reason: Option<Reason>) -> bool {
    matches!(
        reason,
        Some(Reason::AccountRequired | Reason::AccountNotFound | Reason::AccountNotAllowed)
    )
}

/// Whether what an object claims, or how it is counted, depends on its showing this.
pub(super) fn decides_claims(reason: Option<Reason>) -> bool {
    is_refused(reason) || is_hindered(reason) || reason == Some(Reason::WaitingForOwner)
}

/// Whether an object that shows this imports nothing until somebody acts. It counts how many pairs
/// there are before it does.
fn is_hindered(reason: Option<Reason>) -> bool {
    matches!(
        reason,
        Some(
            Reason::NameConflict
                | Reason::SecretNotOwned
                | Reason::SourceNotFound
                | Reason::SourceTooLarge
                | Reason::InvalidPublicKey
        )
    )
}

/// The other objects that want the same name in the same account and region. `account_of` knows
/// the account of a lane, and `may_not` whether an object surely may not want that. One that can do
/// nothing counts where `pair`, as it was read, has its owner tag: the name is not free.
pub(super) fn rivals(
    at: &ObjectRef,
    rows: &Rows<PairClaim>,
    desired: &Desired,
    account: Option<&AccountId>,
    pair: Option<&KeyPair>,
    account_of: impl Fn(&LaneId) -> Option<AccountId>,
    may_not: impl Fn(&ObjectRef, &Row<PairClaim>) -> bool,
) -> Vec<Rival> {
    let account = account.map(Digest::of);
    let tag = pair.and_then(|pair| pair.tags.get(OWNER_TAG)).and_then(Option::as_deref);
    let tag: Option<Digest<Owner>> = tag.map(Digest::of);
    // Where there are thousands, most are alike.
    let (mut accounts, mut refusals) = (LastFound::default(), LastFound::default());
    let counts = |other: &rows::Rival<'_, PairClaim>| {
        let (row, claim) = (other.row, other.claim);
        let of_lane = || accounts.get(&row.lane, || account_of(&row.lane).map(Digest::of));
        let of_other = claim.account.or_else(of_lane);
        let is_elsewhere = of_other.is_some() && account.is_some() && of_other != account;
        let is_idle = claim.is_idle && tag != Some(claim.owner);
        // Whoever has the pair on record keeps it while its account is replaced.
        let is_out = is_elsewhere || is_idle || (claim.is_refused && claim.arn.is_none());
        let (namespace, lane) = (Arc::clone(&other.at.namespace), row.lane.clone());
        let key = (namespace, lane, claim.has_acted, claim.is_refused);
        !is_out && !refusals.get(&key, || may_not(other.at, row))
    };
    let rival = |other: rows::Rival<'_, PairClaim>| Rival {
        uid: other.row.uid.clone(),
        owner: other.claim.owner,
        created_at: other.claim.created_at,
        arn: other.claim.arn,
        deleting: other.row.trigger.is_deleting,
    };
    let key = claim_key(desired.region.as_str(), desired.name.as_str());
    rows.rivals(at, key).filter(counts).map(rival).collect()
}

/// Whether another object surely may not want the same name. Where labels decide that, those of
/// other namespaces have not been read, and what the object's last reconciliation found counts.
pub(super) fn surely_refused(
    grant: &Grant,
    own_namespace: &str,
    desired: &Desired,
    at: &ObjectRef,
    row: &Row<PairClaim>,
) -> bool {
    let claim = row.claim.as_ref();
    let has_acted = claim.is_some_and(|claim| claim.has_acted);
    let was_refused = claim.is_some_and(|claim| claim.is_refused);
    let are_labels_unread = *at.namespace != *own_namespace && selects_by_labels(grant);
    let what = What::at_least(&desired.name);
    (are_labels_unread && was_refused)
        || surely_refuses(grant, &at.namespace, &desired.region, what, has_acted)
}

/// An object that this version cannot read, and that records this pair: it comes before all that do
/// not, as if it could be read.
pub(super) fn unreadable_rival(
    rows: &Rows<PairClaim>,
    uid: &str,
    pair: Option<&KeyPair>,
) -> Option<Rival> {
    let arn = Digest::of(&pair?.arn);
    let seen = rows.unreadable_recording(arn).filter(|seen| seen.uid != uid)?;
    Some(Rival {
        uid: seen.uid.as_str().into(),
        owner: Digest::of(""),
        created_at: seen.created_at,
        arn: Some(arn),
        deleting: false,
    })
}

/// How many key pairs the namespace has in this account and region, or is about to have before this
/// object has one: those of older objects that may get one, those of younger ones that have theirs
/// or were found to be within the limit before, and all others that carry the namespace's owner
/// tag. That an object has the name in the tag proves nothing: it may be a new one, which wants
/// another key pair. Nothing is counted beyond the most that the account allows.
pub(super) fn owned(
    at: &ObjectRef,
    rows: &Rows<PairClaim>,
    desired: &Desired,
    scope: &Scope,
    account_of: impl Fn(&LaneId) -> Option<AccountId>,
    list: &Listing,
    within: &ByUid<Digest<KeyPairName>>,
) -> usize {
    let (own_uid, account) = (Uid::from(desired.uid.as_str()), Digest::of(&scope.account));
    let has_place = within.get(&desired.uid).is_some();
    // Where there are thousands, most are alike.
    let mut accounts = LastFound::default();
    let mut is_there = |other: &ObjectRef, row: &Row<PairClaim>| {
        let of_claim = row.claim.as_ref().and_then(|claim| claim.account);
        let of_lane = || accounts.get(&row.lane, || account_of(&row.lane).map(Digest::of));
        other != at
            && *row.lane.region() == scope.region
            && of_claim.or_else(of_lane) == Some(account)
    };
    let name_of = |row: &Row<PairClaim>| {
        let claim = row.claim.as_ref();
        let is_ahead = |claim: &&PairClaim| {
            let is_older = || (claim.created_at, &row.uid) < (desired.created_at, &own_uid);
            claim.counts() || (may_get_one(row) && !has_place && is_older())
        };
        let may_have_one = |claim: &PairClaim| claim.wants_pair || claim.may_have_one;
        // One that cannot act may have been edited while it was about to import.
        let may_import = claim.is_none_or(|claim| claim.is_idle || may_have_one(claim));
        // One that the operator has released imports nothing any more.
        let is_left = row.trigger.is_deleting && !row.trigger.has_finalizer;
        let may_import = may_import && !is_left;
        let of_within = || within.get_of(&row.uid).copied().filter(|_| may_import);
        claim.filter(is_ahead).map(|claim| claim.name).or_else(of_within)
    };
    let most = desired.limits.max_key_pairs.unwrap_or(usize::MAX);
    let of_namespace = rows.of_namespace(&at.namespace);
    let there = of_namespace.filter(|(other, row)| is_there(other, row));
    let of_objects: Vec<_> = there.filter_map(|(_, row)| name_of(row)).take(most).collect();
    let names: HashSet<_> = of_objects.iter().copied().chain([Digest::of(&desired.name)]).collect();
    let tagged = list.owned_in(desired.owner.cluster(), &at.namespace);
    let tagged = tagged.filter(|name| !names.contains(name)).take(most - of_objects.len());
    of_objects.len() + tagged.count()
}
