//! A pair whose public key was imported: the user's, or the public half of a generated one.

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;

use super::confirmation::next_read;
use super::conflict::{name_conflict, yield_to_rival};
use super::expected::{self, Named};
use super::import::{
    import, imported_key, take_back, unsettled_import, wait_for_current_read,
    wait_for_recorded_pair,
};
use super::key::compare;
use super::limit::beyond_limit;
use super::operations::{deletion_under_way, unanswered_deletion, unsettled_absence};
use super::ownership::{Whose, all_tags, has_other_spelling, is_first, is_replaced, origin, whose};
use super::refusals::{SOON, stalled};
use super::step::Step;
use crate::api::OWNER_TAG;
use crate::api::account::Adoption;
use crate::api::key_pair::{AdoptionPolicy, Origin, ReplacePolicy};
use crate::key_pair::message::{Message, NotDeleted};
use crate::key_pair::world::{Desired, DesiredPair, Observed, PairRead};
use crate::lightsail::KeyPair;
use crate::ssh::{Match, PublicKey};

/// What was read of the pair, if this object is the first of those that want it; otherwise the step
/// that reads it, or makes way.
pub(super) fn read_in_turn<'a>(
    desired: &Desired,
    observed: &'a Observed,
) -> Result<&'a PairRead, Box<Step>> {
    let Some(read) = &observed.pair else { return Err(Box::new(next_read(desired, observed))) };
    if is_first(desired, observed, read.pair.as_ref()) {
        return Ok(read);
    }
    // The object's own pair, which would make it the first, may not be visible yet.
    let is_hidden = || unsettled_import(observed, read).or_else(|| unsettled_absence(observed));
    let wait = is_hidden().filter(|_| read.pair.is_none());
    Err(Box::new(wait.unwrap_or_else(|| yield_to_rival(desired, observed))))
}

/// The pair should be there with this key.
pub(super) fn present(
    desired: &Desired,
    observed: &Observed,
    key: &PublicKey,
    replace: ReplacePolicy,
) -> Step {
    let read = match read_in_turn(desired, observed) {
        Ok(read) => read,
        Err(step) => return *step,
    };
    let Some(pair) = &read.pair else {
        return import(desired, observed, read, key);
    };
    let early = wait_for_current_read(observed, read, pair);
    if let Some(step) = early.or_else(|| wait_for_recorded_pair(observed, read, pair)) {
        return step;
    }
    let matches = compare(desired, observed, pair).unwrap_or(Match::Unknown);
    let recorded = &observed.recorded;
    let changed = imported_key(recorded).is_some_and(|own| *own != key.sha256());
    let whose = whose(desired, observed, pair);
    // A pair is adopted, or refused, only as it is now.
    if whose != Whose::Own && !read.live {
        return Step::ReadPair { live: true };
    }
    match whose {
        Whose::Own if matches == Match::Different || changed => {
            other_key(desired, observed, pair, changed, replace)
        }
        Whose::Own => keep(desired, observed, pair),
        Whose::TaggedAway => ownership_lost(desired),
        Whose::Doubtful => doubtful(desired),
        Whose::TaggedWithoutRecord(Match::Same) => adopt(desired, observed, read, pair),
        Whose::TaggedWithoutRecord(Match::Different | Match::Unknown) => {
            take_back(desired, observed, pair).unwrap_or_else(|| name_conflict(desired, observed))
        }
        Whose::Foreign { tagged } => {
            if may_adopt(desired, observed, pair, tagged, matches) {
                // Also if the adoption is on record: it may not have counted in the meantime.
                let refusal = beyond_limit(desired, observed);
                refusal.unwrap_or_else(|| adopt(desired, observed, read, pair))
            } else {
                take_back(desired, observed, pair)
                    .unwrap_or_else(|| name_conflict(desired, observed))
            }
        }
    }
}

/// An import of this object may have made the pair, and nothing tells whether it did.
pub(super) fn doubtful(desired: &Desired) -> Step {
    let (name, owner, ends) = (&desired.name, &desired.owner, desired.goal.ends());
    stalled(desired, &Message::Doubtful { name, owner, ends })
}

/// Whether a pair of somebody else's may become this object's.
fn may_adopt(
    desired: &Desired,
    observed: &Observed,
    pair: &KeyPair,
    tagged: bool,
    matches: Match,
) -> bool {
    if desired.limits.adoption == Adoption::Never {
        return false;
    }
    match desired.adoption {
        AdoptionPolicy::Never => false,
        AdoptionPolicy::IfFingerprintMatches => !tagged && matches != Match::Different,
        // Another owner's tag is ignored only for exactly this key, and only once.
        AdoptionPolicy::TakeOver => {
            let may_take_over = !tagged || may_take_over(desired, pair);
            (matches == Match::Same && observed.recorded.arn.is_none() && may_take_over)
                || (!tagged && matches != Match::Different)
        }
    }
}

/// Whether the owner tag that the pair has may be replaced. One in another spelling cannot be: it
/// would still be there.
pub(super) fn may_take_over(desired: &Desired, pair: &KeyPair) -> bool {
    if has_other_spelling(pair) {
        return false;
    }
    let tag = pair.tags.get(OWNER_TAG).and_then(Option::as_deref);
    tag.is_some_and(|tag| desired.limits.may_take_over(tag, desired.owner.cluster()))
        || desired.limits.take_over_from.is_none()
}

fn adopt(desired: &Desired, observed: &Observed, read: &PairRead, pair: &KeyPair) -> Step {
    // The pair may go, and that of an import that is under way come in its place: the intent stays
    // on record until then.
    if let Some(step) = unsettled_import(observed, read) {
        return step;
    }
    if !observed.has_finalizer {
        return Step::AddFinalizer;
    }
    if observed.recorded.origin != Some(Origin::Adopted) || observed.recorded.arn.is_some() {
        return Step::RecordAdoption;
    }
    tag(observed, pair, wanted_tags(desired, observed, pair))
}

/// Sets tags, whose keys are on record before.
fn tag(observed: &Observed, pair: &KeyPair, tags: BTreeMap<String, String>) -> Step {
    let known = &observed.recorded.managed_tag_keys;
    let is_known = |key: &String| key == OWNER_TAG || known.contains(key);
    if tags.keys().all(is_known) {
        Step::Tag { pair: pair.clone(), tags }
    } else {
        Step::RecordTagKeys
    }
}

/// What comes first if the pair may be about to go, because the object did not want it a moment
/// ago. A list may be older than that.
pub(super) fn about_to_go(desired: &Desired, observed: &Observed, pair: &KeyPair) -> Option<Step> {
    let is_recorded = observed.recorded.arn.as_ref() == Some(&pair.arn);
    let was_unwanted = (is_recorded || is_replaced(observed, pair)) && !observed.was_acted_on;
    // A list is not older than the interval.
    let may_show_it = |until: Timestamp| until + desired.interval > observed.now;
    let was_deleted = observed.recorded.deletion.is_some()
        || observed.deletion_may_follow.is_some_and(may_show_it);
    if !was_unwanted || !was_deleted {
        return None;
    }
    let is_live = observed.pair.as_ref().is_some_and(|read| read.live);
    if !is_live {
        return Some(Step::ReadPair { live: true });
    }
    unanswered_deletion(observed).or_else(|| deletion_under_way(observed))
}

/// The pair is there with this key: keep its tags, and be content.
fn keep(desired: &Desired, observed: &Observed, pair: &KeyPair) -> Step {
    if let Some(step) = about_to_go(desired, observed, pair) {
        return step;
    }
    if !observed.has_finalizer {
        return Step::AddFinalizer;
    }
    if let Some(step) = keep_tags(desired, observed, pair) {
        return step;
    }
    let (name, region) = (&desired.name, &desired.region);
    let message = match (origin(desired, observed, pair), &desired.pair) {
        (Origin::Adopted, _) if compare(desired, observed, pair) == Some(Match::Same) => {
            // Whoever created the object again expects the pair to go with it, as before.
            let is_unset = desired.deletion_policy.is_none() && !desired.suspend;
            let stays = is_unset && !desired.limits.keep_adopted();
            Message::Adopted { name, region, stays }
        }
        // It is never deleted or replaced.
        (Origin::Adopted, _) => Message::AdoptedUnverified { name, region },
        (_, DesiredPair::Generated { .. }) => Message::Generated { name, region },
        (_, DesiredPair::Imported { .. } | DesiredPair::Default { .. }) => {
            Message::Imported { name, region }
        }
    };
    message.ready(desired.interval)
}

/// Whether a pair that the object came to like this stays as it is: it gets the owner tag, and no
/// other. The default pair is the region's, and does not get that one either.
#[must_use]
pub fn is_kept_as_it_is(desired: &Desired, origin: Option<Origin>) -> bool {
    let is_there_before = matches!(origin, Some(Origin::Adopted | Origin::Default));
    is_there_before && desired.limits.keep_adopted()
}

fn wanted_tags(desired: &Desired, observed: &Observed, pair: &KeyPair) -> BTreeMap<String, String> {
    let mut tags = all_tags(desired);
    if is_kept_as_it_is(desired, Some(origin(desired, observed, pair))) {
        tags.retain(|key, _| key == OWNER_TAG);
    }
    tags
}

/// The next step until the pair has the tags that are wanted, and those no more that were wanted
/// once. Others are left alone.
pub(super) fn keep_tags(desired: &Desired, observed: &Observed, pair: &KeyPair) -> Option<Step> {
    let wanted = wanted_tags(desired, observed, pair);
    // A tag without a value may be listed as one with an empty value, or the other way round
    // (unverified).
    let there = |key: &String| pair.tags.get(key).map(|value| value.as_deref().unwrap_or_default());
    let differs = |(key, value): &(String, String)| there(key) != Some(value.as_str());
    let tags: BTreeMap<String, String> = wanted.clone().into_iter().filter(differs).collect();
    if !tags.is_empty() {
        return Some(tag(observed, pair, tags));
    }
    let is_left_over = |key: &&String| !wanted.contains_key(*key) && pair.tags.contains_key(*key);
    let is_kept = is_kept_as_it_is(desired, Some(origin(desired, observed, pair)));
    let is_left_over = |key: &&String| !is_kept && is_left_over(key);
    let keys: Vec<String> =
        observed.recorded.managed_tag_keys.iter().filter(is_left_over).cloned().collect();
    (!keys.is_empty()).then(|| Step::RemoveTags { pair: pair.clone(), keys })
}

/// The pair has another key than it should have.
fn other_key(
    desired: &Desired,
    observed: &Observed,
    pair: &KeyPair,
    changed: bool,
    replace: ReplacePolicy,
) -> Step {
    if observed.pair.as_ref().is_none_or(|read| !read.live) {
        return Step::ReadPair { live: true };
    }
    if replace == ReplacePolicy::Recreate && observed.recorded.arn.is_none() {
        // Its import was answered, and something else came before the record of that.
        return Message::BeingRecorded.wait(SOON);
    }
    if replace == ReplacePolicy::Recreate && may_be_replaced(observed) {
        return match expected::named(desired, observed, pair) {
            Named::Unread(step) => *step,
            Named::Other(expected) => expected::mismatch(desired, pair, expected),
            Named::Unset if !is_as_recorded(observed, pair) => {
                expected::not_deleted(desired, NotDeleted::NotAsRecorded)
            }
            Named::Same | Named::Unset => {
                beyond_limit(desired, observed).unwrap_or_else(|| delete(desired, observed, pair))
            }
        };
    }
    let (name, is_made_here) = (&desired.name, is_made_here(desired, observed, pair));
    let message = match &desired.pair {
        DesiredPair::Generated { secret, .. } if is_made_here => {
            Message::PrivateKeyMismatch { name, secret: &secret.name }
        }
        DesiredPair::Generated { secret, .. } => {
            Message::PrivateKeyOfAdoptedMismatch { name, secret: &secret.name }
        }
        DesiredPair::Imported { .. } | DesiredPair::Default { .. } if !changed => {
            Message::OtherKeyListed { name }
        }
        DesiredPair::Imported { .. } | DesiredPair::Default { .. } if is_made_here => {
            Message::PublicKeyChanged { name }
        }
        DesiredPair::Imported { .. } | DesiredPair::Default { .. } => {
            Message::PublicKeyOfAdoptedChanged { name }
        }
    };
    stalled(desired, &message)
}

/// Whether the pair is one that `replacePolicy: Recreate` replaces: the object made it, and that is
/// on record.
fn may_be_replaced(observed: &Observed) -> bool {
    matches!(observed.recorded.origin, Some(Origin::Imported | Origin::Generated))
        && observed.recorded.arn.is_some()
}

/// Whether the object made the pair: then a policy replaces it, now or once that is on record.
pub(super) fn is_made_here(desired: &Desired, observed: &Observed, pair: &KeyPair) -> bool {
    matches!(origin(desired, observed, pair), Origin::Imported | Origin::Generated)
}

pub(super) fn ownership_lost(desired: &Desired) -> Step {
    let (name, ends) = (&desired.name, desired.goal.ends());
    stalled(desired, &Message::OwnershipLost { name, ends })
}

/// Whether it is the very pair that the status records. Where nothing is recorded, ownership has
/// compared the key, or all that is recorded of the pair before.
pub(super) fn is_as_recorded(observed: &Observed, pair: &KeyPair) -> bool {
    let recorded = &observed.recorded;
    recorded.arn.is_none()
        || (recorded.arn.as_ref() == Some(&pair.arn)
            && pair.is_created_at(recorded.created_at.as_deref())
            && recorded.fingerprint == pair.fingerprint)
}

/// What is expected is sent along in the form that Lightsail prints (I2).
pub(super) fn delete(desired: &Desired, observed: &Observed, pair: &KeyPair) -> Step {
    if !observed.has_finalizer {
        return Step::AddFinalizer;
    }
    let is_expected = desired.expected_fingerprint.is_some();
    let expected_fingerprint = pair.fingerprint.clone().filter(|_| is_expected);
    Step::Delete { expected_fingerprint }
}
