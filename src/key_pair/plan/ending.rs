//! How an object ends: its key pair is deleted with it, or released.

use super::deletion_policy::is_gone_at_release;
use super::kept_key;
use super::operations::{
    late_operation, unanswered_deletion, unfinished_deletion, was_deleted_lately,
};
use super::ownership::{OwnerTag, owner_tag};
use super::step::Step;
use crate::access::Grant;
use crate::api::Reason;
use crate::engine::action::Next;
use crate::engine::{Lookup, State};
use crate::error::Error;
use crate::ids::AccountId;
use crate::key_pair::message::{Message, Release};
use crate::key_pair::record::Recorded;
use crate::key_pair::world::{Desired, DesiredPair, Goal, Observed};
use crate::lightsail::{self, KeyPair};

/// Releases the object without AWS having to answer. The owner tag is taken off if that works
/// immediately, and only if it is this object's: by now another owner's may be in its place.
pub(super) fn release(desired: &Desired, observed: &Observed, why: Release) -> Step {
    let (recorded, done) = (&observed.recorded, &observed.done);
    let is_tagged = !matches!(desired.pair, DesiredPair::Default { .. });
    let had_pair = recorded.may_have_pair();
    // A pair without its tag would not count any more for whoever may have so many.
    if desired.limits.max_key_pairs.is_some() && is_tagged && had_pair {
        let is_known = recorded.arn.is_some() || recorded.origin.is_some();
        let why = if is_known { Release::StillCounted } else { Release::MayBeCounted };
        return end(desired, observed, &Message::Released { why, tag_stays: None });
    }
    let is_asked_for = matches!(why, Release::Retain | Release::Suspended);
    let why = match (is_asked_for, had_pair) {
        (true, false) => Release::HasNoPair,
        (true, true) if is_being_deleted(observed) => Release::IsBeingDeleted,
        (true | false, _) => why,
    };
    let is_own = |pair: &KeyPair| {
        recorded.arn.as_ref().is_none_or(|arn| *arn == pair.arn)
            && owner_tag(desired, pair) == OwnerTag::Own
    };
    let is_other = |pinned: &&AccountId| recorded.account.as_ref() != Some(*pinned);
    let tag_stays = match (&recorded.account, desired.pinned_account.as_ref().filter(is_other)) {
        (Some(_), Some(pinned)) if is_tagged && had_pair => {
            Some(lightsail::Error::not_pinned(pinned))
        }
        (Some(account), None) if is_tagged && had_pair => {
            let account = account.clone();
            match (&done.read_for_release, &done.tag_release) {
                (None, _) => return Step::ReadForRelease { account },
                (Some(Ok(Some(pair))), None) if is_own(pair) => {
                    return Step::ReleaseTag { account, arn: pair.arn.clone() };
                }
                (Some(Err(error)), _) | (_, Some(Err(error))) => {
                    Some(for_the_object(observed, error))
                }
                (Some(Ok(_)), None | Some(Ok(()))) => None,
            }
        }
        _ => None,
    };
    if is_asked_for && is_gone_at_release(observed) {
        let (name, region) = (&desired.name, &desired.region);
        return end(desired, observed, &Message::Deleted { name, region });
    }
    end(desired, observed, &Message::Released { why, tag_stays: tag_stays.as_ref() })
}

/// Whether a deletion that an earlier reconciliation began, or only sent, may still take effect.
fn is_being_deleted(observed: &Observed) -> bool {
    let is_under_way = observed.recorded.deletion.is_some() && was_deleted_lately(observed);
    is_under_way || unanswered_deletion(observed).is_some()
}

/// Of an account's, the messages are for whoever manages it: they name its roles and its Secret.
fn for_the_object(observed: &Observed, error: &lightsail::Error) -> lightsail::Error {
    let Grant::Account(entry) = &observed.grant else { return error.clone() };
    if error.is_timeout() {
        return lightsail::Error::timeout();
    }
    let message = format!("ask whoever manages the LightsailAccount {}", entry.name);
    lightsail::Error { message, ..error.clone() }
}

/// The pair is not there, and should not be.
pub(super) fn gone(desired: &Desired, observed: &Observed) -> Step {
    if let Some(step) = unfinished_deletion(observed) {
        return step;
    }
    let (name, region) = (&desired.name, &desired.region);
    if desired.goal.ends() {
        // Another object may be created as soon as this one is gone, and its name must be free.
        let began = observed.recorded.deletion.as_ref().filter(|_| observed.done.delete.is_none());
        let late = began.and_then(|began| late_operation(observed, began, &Message::Deleting));
        if let Some(step) = late {
            return step;
        }
        return end(desired, observed, &Message::Deleted { name, region });
    }
    Message::Absent { name, region }.ready(desired.interval)
}

pub(super) fn end(desired: &Desired, observed: &Observed, message: &Message<'_>) -> Step {
    let abandons =
        matches!(message, Message::Released { why: Release::NamespaceIsDeleted, tag_stays: None });
    let (reason, message) = (message.reason(), message.to_string());
    if desired.goal == Goal::ObjectVanished {
        return Step::EndFollowUp { reason, message };
    }
    let removal = Step::RemoveFinalizer { reason, message, abandons };
    secret_stays(desired, observed).unwrap_or(removal)
}

/// What comes before the object goes, so that its Secret stays if the spec says so. An earlier spec
/// may have made the object its owner, and Kubernetes would delete it (I3).
pub(super) fn secret_stays(desired: &Desired, observed: &Observed) -> Option<Step> {
    let secret = desired.pair.secret().filter(|_| kept_key::is_to_stay(desired, observed))?;
    if matches!(observed.secret, Lookup::Unread) {
        return Some(Step::ReadSecret(secret.name.clone()));
    }
    kept_key::stays(desired, observed)
}

/// What a step means for an object that vanished. Nobody can edit its spec, so what needs a person
/// to do that ends the follow-up, and the pair stays. What a person can mend elsewhere, and what
/// passes, is retried.
pub(super) fn follow_up(desired: &Desired, step: Step) -> Step {
    let Step::Finish(verdict) = step else { return step };
    let is_mended_elsewhere = matches!(
        verdict.reason,
        Reason::AccessDenied
            | Reason::InvalidCredentials
            | Reason::WrongAccount
            | Reason::AccountNotFound
            | Reason::AccountNotReady
    );
    let is_under_way =
        verdict.state == State::Reconciling || matches!(verdict.next, Next::Meanwhile(_));
    if is_under_way || is_mended_elsewhere {
        return Step::Pause { reason: verdict.reason, next: verdict.next };
    }
    let message = Message::Orphaned { name: &desired.name, why: &verdict.message };
    Step::EndFollowUp { reason: message.reason(), message: message.to_string() }
}

/// Whether to follow up an object that the watch reports as gone: it may have a pair, and was never
/// marked for deletion, though its finalizer is there. A finalizer does not hold an object whose
/// deletion was under way when it was added: the API server may have checked for finalizers before.
/// Whoever acts does so immediately: later, another object may own the pair. An operator with a
/// selector does not act: the object may only have another label now, and the operator that has it
/// since may have ended or replaced it. If nothing is on record, as for an object that was restored
/// without its status, the pair stays.
#[must_use]
pub fn is_followed_up(
    recorded: &Recorded,
    has_finalizer: bool,
    is_deleting: bool,
    acts: bool,
) -> bool {
    acts && recorded.may_have_pair() && has_finalizer && !is_deleting
}

/// Whether the pair of an object that goes may stay.
#[must_use]
pub fn leaves_pair(observed: &Observed) -> bool {
    let is_gone = observed.pair.as_ref().is_some_and(|read| read.live && read.pair.is_none());
    observed.recorded.may_have_pair() && !is_gone
}

/// Whether an object that vanished is still to be followed up: one that is there under its UID is
/// not gone, whatever the watch said.
#[must_use]
pub fn is_gone(vanished_uid: Option<&str>, uid_of_its_name: Option<&str>) -> bool {
    uid_of_its_name.is_none() || uid_of_its_name != vanished_uid
}

/// Whether two objects may have the same pair: it has one name, in a region of one account, as far
/// as their accounts are known.
#[must_use]
pub fn may_be_same_pair(
    one: &Desired,
    of_one: Option<&AccountId>,
    other: &Desired,
    of_other: Option<&AccountId>,
) -> bool {
    let are_elsewhere = of_one.zip(of_other).is_some_and(|(one, other)| one != other);
    one.region == other.region && one.name == other.name && !are_elsewhere
}

/// Whether the object of a reconciliation that failed so, or did not fail, may be gone, and another
/// one may have its name.
#[must_use]
pub fn may_be_gone(failure: Option<&Error>) -> bool {
    // The API server has answered with the object then.
    !matches!(failure, None | Some(Error::NotKept(_)))
}

/// Whether an object that is gone leaves a pair behind that it imported, or may have imported. If
/// it may have moved to another operator, that one ends it.
#[must_use]
pub fn is_left_behind(desired: &Desired, observed: &Observed, may_move: bool) -> bool {
    let has_intent = observed.recorded.intent.is_some() && observed.recorded.arn.is_none();
    !may_move && has_intent && observed.sent.is_some() && !desired.goal.ends()
}
