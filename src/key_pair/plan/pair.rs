//! A pair whose public key was imported: the user's, or the public half of a generated one.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use super::ending::{gone, release};
use super::key::compare;
use super::ownership::{Whose, is_first, is_replaced, origin, whose};
use super::refusals::{SOON, name_conflict, operation_failed, unfinished_deletion, yield_to_rival};
use super::step::Step;
use crate::api::key_pair::{AdoptionPolicy, DeletionPolicy, Origin, ReplacePolicy};
use crate::api::{OWNER_TAG, Reason};
use crate::engine::Verdict;
use crate::engine::queue::Next;
use crate::key_pair::world::{Desired, DesiredPair, Finalizer, Goal, Observed, PairRead, Recorded};
use crate::lightsail::{Imported, KeyPair};
use crate::ssh::{Match, PublicKey};

/// What was read of the pair, if this object is the first of those that want it; otherwise the step
/// that reads it, or makes way.
pub(super) fn read_in_turn<'a>(
    desired: &Desired,
    observed: &'a Observed,
) -> Result<&'a PairRead, Box<Step>> {
    let Some(read) = &observed.pair else {
        // What a list said before an import counts no more.
        let live = observed.asked || observed.done.import.is_some();
        return Err(Box::new(Step::ReadPair { live }));
    };
    if is_first(desired, observed, read.pair.as_ref()) {
        Ok(read)
    } else {
        Err(Box::new(yield_to_rival(desired, observed)))
    }
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
    if let Some(step) = wait_for_current_read(observed, read, pair) {
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
        Whose::Marked(Match::Same) => adopt(desired, observed, read, pair),
        Whose::Marked(Match::Different | Match::Unknown) => name_conflict(desired),
        Whose::Foreign { tagged } => {
            if may_adopt(desired, observed, tagged, matches) {
                adopt(desired, observed, read, pair)
            } else {
                name_conflict(desired)
            }
        }
    }
}

fn import(desired: &Desired, observed: &Observed, read: &PairRead, key: &PublicKey) -> Step {
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
    let recorded = &observed.recorded;
    let has_pair = recorded.arn.is_some() || recorded.origin.is_some();
    let unsettled = unsettled_import(observed, read);
    if (has_pair || unsettled.is_some()) && !read.live {
        return Step::ReadPair { live: true };
    }
    if let Some(step) = unsettled.or_else(|| unsettled_absence(observed)) {
        return step;
    }
    if observed.finalizer == Finalizer::Missing {
        return Step::AddFinalizer;
    }
    // Each import has its own intent: an older one has another date. A process that slept since
    // would import a pair that was made outside its window.
    let is_just_written = observed
        .done
        .intent
        .is_some_and(|at| observed.now.duration_since(at).unsigned_abs() <= observed.intent_holds);
    if !is_just_written {
        return Step::WriteIntent(key.clone());
    }
    Step::Import(key.clone())
}

/// The key that the pair was imported with.
#[must_use]
pub fn imported_key(recorded: &Recorded) -> Option<&String> {
    let intent = recorded.intent.as_ref().filter(|_| recorded.arn.is_none());
    recorded.public_key_sha256.as_ref().or(intent.map(|intent| &intent.public_key_sha256))
}

/// What comes before anything is concluded from the absence of the pair: as long as an import of
/// the intent on record may still take effect, that proves nothing, and nor does a read that was
/// begun before that time was over. A list is one: it may be as old as an interval.
fn unsettled_import(observed: &Observed, read: &PairRead) -> Option<Step> {
    let is_open = observed.recorded.intent.is_some() && observed.recorded.arn.is_none();
    let until = observed.sent.map(|sent| sent.until).filter(|_| is_open)?;
    if until > observed.now {
        let pause = until.duration_since(observed.now).unsigned_abs().max(SOON);
        return Some(wait_for_import(observed, pause.min(observed.search_interval)));
    }
    let is_early = !read.live || until > read.at;
    is_early.then_some(Step::ReadPair { live: true })
}

/// What comes before anything is concluded from the absence of the pair on record: if Lightsail
/// made it a moment ago, a server may not know it yet. Whoever deletes it has seen it.
pub(super) fn unsettled_absence(observed: &Observed) -> Option<Step> {
    let recorded = &observed.recorded;
    let is_recorded = recorded.arn.is_some() && observed.done.delete.is_none();
    let made: Timestamp = recorded.created_at.as_ref().filter(|_| is_recorded)?.parse().ok()?;
    let age = observed.lightsail_date.unwrap_or(observed.now).duration_since(made);
    let left = observed.settle_time.saturating_sub(Duration::try_from(age).unwrap_or_default());
    let message =
        "Lightsail created the key pair a moment ago and does not list it yet; reading again";
    let pause = left.max(SOON).min(observed.search_interval);
    (!left.is_zero()).then(|| Step::Finish(Verdict::wait(Reason::InProgress, message, pause)))
}

fn was_accepted(observed: &Observed) -> bool {
    observed.sent.is_some_and(|sent| sent.accepted)
}

fn wait_for_import(observed: &Observed, pause: Duration) -> Step {
    let message = if was_accepted(observed) {
        "Lightsail accepted the import and does not show the key pair yet"
    } else {
        "an import that was not answered may still take effect"
    };
    Step::Finish(Verdict::wait(Reason::InProgress, message, pause))
}

/// The pair that was recorded before is shown, though it is gone, and the one that was imported in
/// its place may not be visible yet: nothing is concluded from that until it is.
fn wait_for_current_read(observed: &Observed, read: &PairRead, pair: &KeyPair) -> Option<Step> {
    let step = unsettled_import(observed, read).filter(|_| is_replaced(observed, pair))?;
    if !read.live {
        return Some(Step::ReadPair { live: true });
    }
    let waits = matches!(step, Step::Finish(_));
    Some(if was_accepted(observed) && waits { wait_for_import(observed, SOON) } else { step })
}

/// An import of this object may have made the pair, and nothing tells whether it did.
fn doubtful(desired: &Desired) -> Step {
    let way_out = if desired.goal.ends() {
        "; if it is not, set deletionPolicy: Retain to release the object without it"
    } else {
        ""
    };
    let message = format!(
        "an import of this object was not answered, and Lightsail lists no fingerprint that tells \
         whether the key pair {} comes from it; if it does, set its tag {OWNER_TAG} to \
         {}{way_out}",
        desired.name, desired.owner
    );
    let next = Next::After(desired.interval);
    Step::Finish(Verdict::stalled(Reason::FingerprintMismatch, message, next))
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

fn adopt(desired: &Desired, observed: &Observed, read: &PairRead, pair: &KeyPair) -> Step {
    // The pair may go, and that of an import that is under way come in its place: the intent stays
    // on record until then.
    if let Some(step) = unsettled_import(observed, read) {
        return step;
    }
    if observed.finalizer == Finalizer::Missing {
        return Step::AddFinalizer;
    }
    if observed.recorded.origin != Some(Origin::Adopted) || observed.recorded.arn.is_some() {
        return Step::RecordAdoption;
    }
    tag(observed, pair, wanted_tags(desired))
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

/// The pair is there with this key: keep its tags, and be content.
fn keep(desired: &Desired, observed: &Observed, pair: &KeyPair) -> Step {
    if observed.finalizer == Finalizer::Missing {
        return Step::AddFinalizer;
    }
    if let Some(step) = keep_tags(desired, observed, pair) {
        return step;
    }
    let (reason, how) = match (origin(desired, observed, pair), &desired.pair) {
        (Origin::Adopted, _) => (Reason::Adopted, adopted_words(desired, observed, pair)),
        (_, DesiredPair::Generated { .. }) => (Reason::Generated, "was generated"),
        (_, DesiredPair::Imported { .. } | DesiredPair::Default { .. }) => {
            (Reason::Imported, "was imported")
        }
    };
    let message = format!("the key pair {} {how} and is in {}", desired.name, desired.region);
    Step::Finish(Verdict::ready(reason, message, Next::After(desired.interval)))
}

/// An adopted pair whose key cannot be told is said to be that, and never deleted or replaced.
fn adopted_words(desired: &Desired, observed: &Observed, pair: &KeyPair) -> &'static str {
    if compare(desired, observed, pair) == Some(Match::Same) {
        "was there with this key"
    } else {
        "was there before, and Lightsail lists no fingerprint that tells whether it has this key,"
    }
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
        return Some(tag(observed, pair, tags));
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
    if replace == ReplacePolicy::Recreate && observed.recorded.arn.is_none() {
        // Its import was answered, and something else came before the record of that.
        let message = "the key pair is being recorded, and is then replaced: its key was changed";
        return Step::Finish(Verdict::wait(Reason::InProgress, message, SOON));
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
        let unsettled = unsettled_import(observed, read).or_else(|| unsettled_absence(observed));
        return unsettled.unwrap_or_else(|| gone(desired, observed));
    };
    if let Some(step) = wait_for_current_read(observed, read, pair) {
        return step;
    }
    let is_first = is_first(desired, observed, Some(pair));
    let is_named = names(desired, pair);
    match whose(desired, observed, pair) {
        Whose::Doubtful if is_first && (!is_named || desired.goal.ends()) => doubtful(desired),
        // Its status was lost, and it may have been there before the object: nothing but a policy
        // says that it goes with it.
        Whose::Marked(Match::Same)
            if is_first
                && desired.deletion_policy == Some(DeletionPolicy::Delete)
                && is_expected(desired, pair) =>
        {
            delete(desired, observed)
        }
        Whose::Marked(_) if is_first && desired.goal.ends() => mismatch(
            desired,
            "has this object's tag, but the object has no record of it; with deletionPolicy: \
             Delete it is deleted if it has this object's key",
        ),
        Whose::Own if is_first && !is_named && !is_known(desired, observed, pair) => mismatch(
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
                && is_named
                && may_name(desired, tagged) =>
        {
            delete(desired, observed)
        }
        Whose::Doubtful | Whose::Marked(_)
            if is_first && desired.goal == Goal::Absent && is_named =>
        {
            delete(desired, observed)
        }
        Whose::Own | Whose::TaggedAway | Whose::Doubtful | Whose::Foreign { .. }
            if desired.goal.ends() && observed.recorded.arn.is_none() =>
        {
            // The pair may go, and that of an import that is under way come in its place.
            unsettled_import(observed, read).unwrap_or_else(|| {
                release(desired, observed, "the object had no key pair of its own")
            })
        }
        // The pair on record is gone, and the name is somebody else's now.
        Whose::Foreign { tagged } if desired.goal.ends() && (tagged || !is_first) => {
            release(desired, observed, "its key pair is gone, and another owner has the name")
        }
        Whose::Foreign { tagged: false } | Whose::Marked(_) if is_first => mismatch(
            desired,
            "is not this object's, or not any more; with ensure: Absent and its \
             expectedFingerprint it is deleted",
        ),
        Whose::Own
        | Whose::TaggedAway
        | Whose::Doubtful
        | Whose::Marked(_)
        | Whose::Foreign { .. } => yield_to_rival(desired, observed),
    }
}

/// Whether it is known which key the pair has: this object imported it, or found it with this key.
fn is_known(desired: &Desired, observed: &Observed, pair: &KeyPair) -> bool {
    let recorded = &observed.recorded;
    let was_verified = recorded.arn.is_some() && recorded.public_key_sha256.is_some();
    origin(desired, observed, pair) != Origin::Adopted
        || (was_verified && pair.fingerprint.is_some())
        || compare(desired, observed, pair) == Some(Match::Same)
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
