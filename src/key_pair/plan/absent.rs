//! A pair whose public key was imported, and that should not be there.

use super::conflict::{name_conflict, yield_to_rival};
use super::deletion_policy::effective_deletion_policy;
use super::ending::{gone, release};
use super::expected::{self, Named, not_deleted};
use super::import::{take_back, unsettled_import, wait_for_current_read, wait_for_recorded_pair};
use super::key::compare;
use super::operations::unsettled_absence;
use super::ownership::{Whose, is_first, origin, whose};
use super::pair::{
    delete, doubtful, is_as_recorded, is_kept_as_it_is, may_take_over, ownership_lost,
};
use super::refusals::stalled;
use super::step::Step;
use crate::api::key_pair::{AdoptionPolicy, DeletionPolicy, Origin};
use crate::key_pair::message::{Message, NotDeleted, Release};
use crate::key_pair::world::{Desired, Goal, Observed, PairRead};
use crate::lightsail::KeyPair;
use crate::ssh::Match;

/// What is asked of a deletion.
struct Deletion<'a> {
    desired: &'a Desired,
    observed: &'a Observed,
    /// The live read, and the pair that it shows.
    read: &'a PairRead,
    pair: &'a KeyPair,
    whose: Whose,
    /// Whether the spec names the pair by its fingerprint.
    named: Named<'a>,
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
    let early = wait_for_current_read(observed, read, pair);
    if let Some(step) = early.or_else(|| wait_for_recorded_pair(observed, read, pair)) {
        return step;
    }
    let whose = whose(desired, observed, pair);
    // Nothing is read for a pair that is not deleted with the object anyway.
    let is_released =
        desired.goal.ends() && matches!(whose, Whose::TaggedAway | Whose::Foreign { .. });
    let named = match expected::named(desired, observed, pair) {
        Named::Unread(step) if !is_released => return *step,
        named @ (Named::Unset | Named::Same | Named::Other(_) | Named::Unread(_)) => named,
    };
    let deletion = Deletion { desired, observed, read, pair, whose, named };
    if let Some(step) = take_back_of_another(&deletion) {
        return step;
    }
    if !is_first(desired, observed, Some(pair)) {
        return absent_of_another(&deletion);
    }
    match whose {
        Whose::Own => absent_own(&deletion),
        Whose::TaggedAway => ownership_lost(desired),
        Whose::Doubtful => absent_doubtful(&deletion),
        Whose::TaggedWithoutRecord(matches) => absent_tagged(&deletion, matches),
        Whose::Foreign { tagged } => absent_foreign(&deletion, tagged),
    }
}

/// Removes tags that were set by name on another's pair. A release removes the owner tag itself.
fn take_back_of_another(deletion: &Deletion<'_>) -> Option<Step> {
    let Deletion { desired, observed, pair, whose, named, .. } = deletion;
    let is_of_another = matches!(
        whose,
        Whose::Foreign { .. } | Whose::TaggedWithoutRecord(Match::Different | Match::Unknown)
    );
    let stays = is_of_another && !desired.goal.ends() && !matches!(named, Named::Same);
    take_back(desired, observed, pair).filter(|_| stays)
}

/// Another object of the cluster comes first.
fn absent_of_another(deletion: &Deletion<'_>) -> Step {
    let Deletion { desired, observed, whose, .. } = deletion;
    let (ends, is_tagged) = (desired.goal.ends(), matches!(whose, Whose::TaggedWithoutRecord(_)));
    if ends && observed.recorded.arn.is_none() && !is_tagged {
        return end_without_pair(deletion);
    }
    if ends && matches!(whose, Whose::Foreign { .. }) {
        // The pair on record is gone, and the name is somebody else's now.
        return release(desired, observed, Release::NameIsOfAnother);
    }
    yield_to_rival(desired, observed)
}

/// The pair is not the object's, and none is on record. An import under way may still put the
/// object's own pair in its place.
fn end_without_pair(deletion: &Deletion<'_>) -> Step {
    let Deletion { desired, observed, read, .. } = deletion;
    let unsettled = unsettled_import(observed, read);
    unsettled.unwrap_or_else(|| release(desired, observed, Release::HasNoPair))
}

fn absent_own(deletion: &Deletion<'_>) -> Step {
    let Deletion { desired, observed, pair, named, .. } = deletion;
    let is_named = matches!(named, Named::Same);
    if !is_named && !is_known(desired, observed, pair) {
        return not_deleted(desired, NotDeleted::UnknownKey);
    }
    if !is_named && !is_as_recorded(observed, pair) {
        return not_deleted(desired, NotDeleted::NotAsRecorded);
    }
    // How the object came to a pair that is there after all is not on record.
    let origin = Some(origin(desired, observed, pair));
    if is_kept_as_it_is(desired, origin) {
        return kept(desired);
    }
    let policy = effective_deletion_policy(desired, origin);
    if desired.goal.ends() && policy == DeletionPolicy::Retain {
        return release(desired, observed, Release::Retain);
    }
    match named {
        Named::Other(expected) => expected::mismatch(desired, pair, expected),
        Named::Unread(step) => Step::clone(step),
        Named::Same | Named::Unset => delete(desired, observed, pair),
    }
}

/// Deleted only if the spec names it.
fn absent_doubtful(deletion: &Deletion<'_>) -> Step {
    let Deletion { desired, observed, pair, named, .. } = deletion;
    let is_named = desired.goal == Goal::Absent && matches!(named, Named::Same);
    if !is_named {
        doubtful(desired)
    } else if desired.limits.keep_adopted() {
        kept(desired)
    } else {
        delete(desired, observed, pair)
    }
}

/// The account does not let the object delete a pair that was there before it.
fn kept(desired: &Desired) -> Step {
    let (name, ends) = (&desired.name, desired.goal.ends());
    stalled(desired, &Message::AdoptedIsKept { name, ends })
}

/// The status of the object was lost, and the pair may have been there before the object: nothing
/// but a policy says that it goes with it.
fn absent_tagged(deletion: &Deletion<'_>, matches: Match) -> Step {
    let Deletion { desired, observed, pair, named, .. } = deletion;
    let is_asked_for = matches == Match::Same
        && desired.deletion_policy == Some(DeletionPolicy::Delete)
        && matches!(named, Named::Same | Named::Unset);
    let is_named = desired.goal == Goal::Absent && matches!(named, Named::Same);
    let keeps = desired.limits.keep_adopted();
    if (is_asked_for || is_named) && !keeps {
        return delete(desired, observed, pair);
    }
    // No policy of the object's would change that.
    if keeps && (is_named || desired.goal.ends()) {
        return kept(desired);
    }
    if desired.goal.ends() {
        return not_deleted(desired, NotDeleted::TaggedWithoutRecord);
    }
    match named {
        Named::Other(expected) => expected::mismatch(desired, pair, expected),
        Named::Same | Named::Unset | Named::Unread(_) => not_deleted(desired, NotDeleted::NotOwn),
    }
}

fn absent_foreign(deletion: &Deletion<'_>, tagged: bool) -> Step {
    let Deletion { desired, observed, pair, named, .. } = deletion;
    let is_named = desired.goal == Goal::Absent && matches!(named, Named::Same);
    if is_named && may_name(desired, pair, tagged) {
        return delete(desired, observed, pair);
    }
    if is_named && !tagged && desired.limits.keep_adopted() {
        return kept(desired);
    }
    if desired.goal.ends() && observed.recorded.arn.is_none() {
        return end_without_pair(deletion);
    }
    match named {
        _ if tagged && desired.goal.ends() => {
            // The pair on record is gone, and the name is somebody else's now.
            release(desired, observed, Release::NameIsOfAnother)
        }
        _ if tagged => name_conflict(desired, observed),
        // Which form the fingerprint has would tell something of its key (I11).
        Named::Other(expected) => expected::not_expected(desired, expected),
        Named::Same | Named::Unset | Named::Unread(_) => not_deleted(desired, NotDeleted::NotOwn),
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

/// Whether somebody else's pair may be deleted by its name and fingerprint. With another owner's
/// tag, only if the spec says `TakeOver`.
fn may_name(desired: &Desired, pair: &KeyPair, tagged: bool) -> bool {
    let takes_over = desired.adoption == AdoptionPolicy::TakeOver && may_take_over(desired, pair);
    !desired.limits.keep_adopted() && (!tagged || takes_over)
}
