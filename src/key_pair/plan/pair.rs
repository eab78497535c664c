//! A pair whose public key was imported: the user's, or the public half of a generated one.

use std::collections::BTreeMap;

use super::ending::{gone, release};
use super::ownership::{Whose, is_first, origin, whose};
use super::refusals::{SOON, name_conflict, operation_failed, unfinished_deletion, yield_to_rival};
use super::step::Step;
use crate::api::key_pair::{AdoptionPolicy, Origin, ReplacePolicy};
use crate::api::{OWNER_TAG, Reason};
use crate::engine::Verdict;
use crate::engine::queue::Next;
use crate::key_pair::world::{Desired, DesiredPair, Finalizer, Goal, Observed};
use crate::lightsail::{Imported, KeyPair};
use crate::ssh::{Match, PublicKey};

/// The pair should be there with this key.
pub(super) fn present(
    desired: &Desired,
    observed: &Observed,
    key: &PublicKey,
    replace: ReplacePolicy,
) -> Step {
    let Some(read) = &observed.pair else {
        // What a list said before an import counts no more.
        let live = observed.asked || observed.done.import.is_some();
        return Step::ReadPair { live };
    };
    if !is_first(desired, observed, read.pair.as_ref()) {
        return yield_to_rival(desired, observed);
    }
    let Some(pair) = &read.pair else {
        return import(desired, observed, read.live, key);
    };
    let matches = key.fingerprints().compare(pair.fingerprint.as_ref());
    let changed = observed
        .recorded
        .public_key_sha256
        .as_ref()
        .is_some_and(|recorded| *recorded != key.sha256());
    match whose(desired, observed, pair) {
        Whose::Own if matches == Match::Different || changed => {
            other_key(desired, observed, pair, changed, replace)
        }
        Whose::Own => keep(desired, observed, pair),
        // A pair is adopted only as it is now.
        Whose::TaggedAway | Whose::Foreign { .. } if !read.live => Step::ReadPair { live: true },
        Whose::TaggedAway => ownership_lost(desired),
        Whose::Foreign { tagged } => {
            if may_adopt(desired, observed, tagged, matches) {
                adopt(desired, observed, pair)
            } else {
                name_conflict(desired)
            }
        }
    }
}

fn import(desired: &Desired, observed: &Observed, live: bool, key: &PublicKey) -> Step {
    if let Some(step) = observed.done.delete.as_ref().and_then(unfinished_deletion) {
        return step;
    }
    match &observed.done.import {
        Some(Imported::NameTaken) => return name_conflict(desired),
        Some(Imported::Accepted(operation)) if operation.failed() => {
            return Step::Finish(operation_failed("ImportKeyPair", operation));
        }
        Some(Imported::Accepted(_)) => {
            let message = "Lightsail is importing the key pair";
            return Step::Finish(Verdict::wait(Reason::InProgress, message, SOON));
        }
        None => {}
    }
    if observed.recorded.arn.is_some() || observed.recorded.origin.is_some() {
        // The recorded pair is gone. That is forgotten before another one is made, so that a crash
        // in between leaves a pair that is still known as this object's own.
        return if live { Step::ForgetPair } else { Step::ReadPair { live: true } };
    }
    if observed.finalizer == Finalizer::Missing {
        Step::AddFinalizer
    } else {
        Step::Import(key.clone())
    }
}

/// Whether a pair of somebody else's may become this object's.
fn may_adopt(desired: &Desired, observed: &Observed, tagged: bool, matches: Match) -> bool {
    match desired.adoption {
        AdoptionPolicy::Never => false,
        AdoptionPolicy::IfFingerprintMatches => !tagged && matches != Match::Different,
        // Another owner's tag is ignored only for exactly this key, and only once.
        AdoptionPolicy::TakeOver => {
            (matches == Match::Same && observed.recorded.arn.is_none())
                || (!tagged && matches != Match::Different)
        }
    }
}

fn adopt(desired: &Desired, observed: &Observed, pair: &KeyPair) -> Step {
    if observed.finalizer == Finalizer::Missing {
        return Step::AddFinalizer;
    }
    if observed.recorded.origin != Some(Origin::Adopted) || observed.recorded.arn.is_some() {
        return Step::RecordAdoption;
    }
    Step::Tag { pair: pair.clone(), tags: wanted_tags(desired) }
}

/// The pair is there with this key: keep its tags, and be content.
fn keep(desired: &Desired, observed: &Observed, pair: &KeyPair) -> Step {
    if observed.finalizer == Finalizer::Missing {
        return Step::AddFinalizer;
    }
    if let Some(step) = keep_tags(desired, observed, pair) {
        return step;
    }
    let (reason, how) = match (origin(desired, observed, pair), &desired.pair) {
        (Origin::Adopted, _) => (Reason::Adopted, "was there with this key"),
        (_, DesiredPair::Generated { .. }) => (Reason::Generated, "was generated"),
        (_, DesiredPair::Imported { .. } | DesiredPair::Default { .. }) => {
            (Reason::Imported, "was imported")
        }
    };
    let message = format!("the key pair {} {how} and is in {}", desired.name, desired.region);
    Step::Finish(Verdict::ready(reason, message, Next::After(desired.interval)))
}

fn wanted_tags(desired: &Desired) -> BTreeMap<String, String> {
    let mut tags = desired.tags.clone();
    if !matches!(desired.pair, DesiredPair::Default { .. }) {
        tags.insert(OWNER_TAG.to_owned(), desired.owner.to_string());
    }
    tags
}

/// The next step until the pair has the tags that are wanted, and those no more that were wanted
/// once. Others are left alone.
pub(super) fn keep_tags(desired: &Desired, observed: &Observed, pair: &KeyPair) -> Option<Step> {
    let wanted = wanted_tags(desired);
    // A tag without a value may be listed as one with an empty value, or the other way round
    // (unverified).
    let there = |key: &String| pair.tags.get(key).map(|value| value.as_deref().unwrap_or_default());
    let differs = |(key, value): &(String, String)| there(key) != Some(value.as_str());
    let tags: BTreeMap<String, String> = wanted.clone().into_iter().filter(differs).collect();
    if !tags.is_empty() {
        return Some(Step::Tag { pair: pair.clone(), tags });
    }
    let is_left_over = |key: &&String| !wanted.contains_key(*key) && pair.tags.contains_key(*key);
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
    let may_replace = replace == ReplacePolicy::Recreate
        && matches!(observed.recorded.origin, Some(Origin::Imported | Origin::Generated))
        && observed.recorded.arn.is_some()
        && is_as_recorded(observed, pair)
        && is_expected(desired, pair);
    if may_replace {
        return delete(desired, observed);
    }
    let name = &desired.name;
    let (reason, message) = match (&desired.pair, changed) {
        (DesiredPair::Generated { .. }, _) => (
            Reason::PrivateKeyMismatch,
            format!(
                "the private key in the Secret is not that of {name}: put the right one back, or \
                 set spec.generated.replacePolicy: Recreate to let the key pair be made anew from \
                 it"
            ),
        ),
        (DesiredPair::Imported { .. } | DesiredPair::Default { .. }, true) => (
            Reason::PublicKeyChanged,
            format!(
                "the public key was changed, and {name} was not replaced: instances do not get \
                 another key by that; put the old key back, or set spec.imported.replacePolicy: \
                 Recreate, or make a new object for the new key"
            ),
        ),
        (DesiredPair::Imported { .. } | DesiredPair::Default { .. }, false) => (
            Reason::FingerprintMismatch,
            format!("Lightsail lists another fingerprint for {name} than that of its key"),
        ),
    };
    Step::Finish(Verdict::stalled(reason, message, Next::After(desired.interval)))
}

pub(super) fn ownership_lost(desired: &Desired) -> Step {
    let message = format!(
        "another owner's tag is on {} now; decide whose it is, and remove that tag",
        desired.name
    );
    Step::Finish(Verdict::stalled(Reason::OwnershipLost, message, Next::After(desired.interval)))
}

/// The pair should not be there, or the object is being deleted and its pair goes with it.
pub(super) fn absent(desired: &Desired, observed: &Observed) -> Step {
    let Some(read) = observed.pair.as_ref().filter(|read| read.live) else {
        return Step::ReadPair { live: true };
    };
    let Some(pair) = &read.pair else {
        return match observed.import_may_take_effect_until.filter(|until| *until > observed.now) {
            Some(until)
                if observed.recorded.arn.is_none() && observed.finalizer == Finalizer::Old =>
            {
                let pause = until.duration_since(observed.now).unsigned_abs();
                let message = "an import that was not answered may still take effect";
                Step::Finish(Verdict::wait(Reason::InProgress, message, pause.max(SOON)))
            }
            _ => gone(desired, observed),
        };
    };
    let is_first = is_first(desired, observed, Some(pair));
    let is_adopted = origin(desired, observed, pair) == Origin::Adopted;
    match whose(desired, observed, pair) {
        // Its status was lost: the policy that holds for it was not known before this read.
        Whose::Own if desired.goal.ends() && is_adopted && desired.deletion_policy.is_none() => {
            release(
                desired,
                observed,
                "the key pair stays in Lightsail: it was there before the object",
            )
        }
        Whose::Own if is_first && is_adopted && pair.fingerprint.is_none() => mismatch(
            desired,
            "has no fingerprint that tells which key it is, and this object did not make it",
        ),
        Whose::Own if is_first && is_as_recorded(observed, pair) && is_expected(desired, pair) => {
            delete(desired, observed)
        }
        Whose::Own if is_first => mismatch(desired, "has another fingerprint than expected"),
        Whose::TaggedAway if is_first => ownership_lost(desired),
        Whose::Foreign { tagged }
            if is_first
                && desired.goal == Goal::Absent
                && names(desired, pair)
                && may_name(desired, tagged) =>
        {
            delete(desired, observed)
        }
        _ if desired.goal.ends() && observed.recorded.arn.is_none() => {
            release(desired, observed, "the object had no key pair of its own")
        }
        Whose::Foreign { tagged: false } if is_first => mismatch(
            desired,
            "is not this object's, or not any more; with ensure: Absent and its \
             expectedFingerprint it is deleted",
        ),
        Whose::Own | Whose::TaggedAway | Whose::Foreign { .. } => yield_to_rival(desired, observed),
    }
}

/// Whether somebody else's pair may be deleted by its name and fingerprint. One that another
/// owner's tag claims only if that tag is to be ignored.
fn may_name(desired: &Desired, tagged: bool) -> bool {
    !tagged || desired.adoption == AdoptionPolicy::TakeOver
}

/// Whether the spec names the pair by its exact fingerprint.
fn names(desired: &Desired, pair: &KeyPair) -> bool {
    desired.expected_fingerprint.is_some() && desired.expected_fingerprint == pair.fingerprint
}

/// Whether the pair has the fingerprint that the spec expects of a pair that is deleted, if it
/// expects one.
fn is_expected(desired: &Desired, pair: &KeyPair) -> bool {
    desired.expected_fingerprint.is_none() || names(desired, pair)
}

/// Whether it is the very pair that the status records. Where nothing is recorded, ownership has
/// compared the key.
fn is_as_recorded(observed: &Observed, pair: &KeyPair) -> bool {
    let recorded = &observed.recorded;
    recorded.arn.is_none()
        || (recorded.arn.as_ref() == Some(&pair.arn)
            && recorded.created_at == pair.created_at
            && recorded.fingerprint == pair.fingerprint)
}

fn delete(desired: &Desired, observed: &Observed) -> Step {
    if observed.finalizer == Finalizer::Missing {
        return Step::AddFinalizer;
    }
    Step::Delete { expected_fingerprint: desired.expected_fingerprint.clone() }
}

fn mismatch(desired: &Desired, what: &str) -> Step {
    let way_out = match desired.goal {
        Goal::ObjectDeleted | Goal::ObjectVanished => {
            "; set deletionPolicy: Retain to release the object without it"
        }
        Goal::Present | Goal::Absent => "",
    };
    let message = format!("nothing was deleted: the key pair {} {what}{way_out}", desired.name);
    Step::Finish(Verdict::stalled(
        Reason::FingerprintMismatch,
        message,
        Next::After(desired.interval),
    ))
}
