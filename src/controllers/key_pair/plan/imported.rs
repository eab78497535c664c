//! A pair whose public key is in the spec.

use crate::api::OWNER_TAG;
use crate::api::key_pair::Origin;
use crate::controllers::outcome::Verdict;
use crate::controllers::queue::Next;
use crate::lightsail::KeyPair;
use crate::ssh::{Match, PublicKey};

use super::ownership::{is_first, whose};
use super::{
    Desired, Finalizer, Goal, Observed, Reason, SOON, Step, Whose, gone, name_conflict, operation_failed, release,
    yield_to_rival,
};

/// The pair shall be there with this key.
pub(super) fn present(desired: &Desired, observed: &Observed, key: &PublicKey) -> Step {
    let Some(look) = &observed.look else { return Step::Look { live: observed.asked } };
    if !is_first(desired, observed, look.pair.as_ref()) {
        return yield_to_rival(desired, observed);
    }
    let Some(pair) = &look.pair else { return import(desired, observed, look.live, key) };
    let matches = key.fingerprints().compare(pair.fingerprint.as_deref());
    let changed = observed.recorded.public_key_sha256.as_ref().is_some_and(|recorded| *recorded != key.sha256());
    match whose(desired, observed, Some(key), pair) {
        Whose::Own if matches == Match::Different || changed => refuse_key(desired, observed, changed),
        Whose::Own => keep(desired, observed, pair),
        // A refusal is not made on old news.
        _ if !look.live => Step::Look { live: true },
        Whose::TaggedAway => ownership_lost(desired),
        Whose::Foreign { tagged: true } => name_conflict(desired),
        Whose::Foreign { tagged: false } if matches == Match::Different => name_conflict(desired),
        Whose::Foreign { tagged: false } => keep(desired, observed, pair),
    }
}

fn import(desired: &Desired, observed: &Observed, live: bool, key: &PublicKey) -> Step {
    if observed.done.name_taken {
        return name_conflict(desired);
    }
    if let Some(operation) = &observed.done.import {
        if operation.failed() {
            return Step::Finish(operation_failed("ImportKeyPair", operation));
        }
        return Step::Finish(Verdict::wait(Reason::InProgress, "Lightsail is importing the key pair", SOON));
    }
    if observed.recorded.arn.is_some() {
        // The recorded pair is gone. That is forgotten before another one is made, so that a crash in between leaves a pair
        // that is still known as this object's own.
        return if live { Step::ForgetPair } else { Step::Look { live: true } };
    }
    if observed.finalizer == Finalizer::Missing { Step::AddFinalizer } else { Step::Import(key.clone()) }
}

/// The pair is there with this key: tag it, and be content.
fn keep(desired: &Desired, observed: &Observed, pair: &KeyPair) -> Step {
    if observed.finalizer == Finalizer::Missing {
        return Step::AddFinalizer;
    }
    if whose(desired, observed, key_of(desired), pair) != Whose::Own {
        return Step::RecordAdoption(pair.clone());
    }
    if !pair.tags.contains_key(OWNER_TAG) {
        return Step::Tag(pair.clone());
    }
    let (reason, how) = match observed.recorded.origin {
        Some(Origin::Adopted) => (Reason::Adopted, "was there with this key"),
        Some(Origin::Imported | Origin::Default) | None => (Reason::Imported, "was imported"),
    };
    let message = format!("the key pair {} {how} and is in {}", desired.name, desired.region);
    Step::Finish(Verdict::ready(reason, message, Next::After(desired.interval)))
}

fn refuse_key(desired: &Desired, observed: &Observed, changed: bool) -> Step {
    if observed.look.as_ref().is_none_or(|look| !look.live) {
        return Step::Look { live: true };
    }
    let (reason, message) = if changed {
        let message = format!(
            "the public key was changed, and {} was not replaced: instances do not get another key by that; put the old key back, \
             or make a new object for the new key",
            desired.name
        );
        (Reason::PublicKeyChanged, message)
    } else {
        let message = format!("Lightsail lists another fingerprint for {} than that of its key", desired.name);
        (Reason::FingerprintMismatch, message)
    };
    Step::Finish(Verdict::stalled(reason, message, Next::After(desired.interval)))
}

fn ownership_lost(desired: &Desired) -> Step {
    let message = format!("another owner's tag is on {} now; settle whose it is, and take that tag off", desired.name);
    Step::Finish(Verdict::stalled(Reason::OwnershipLost, message, Next::After(desired.interval)))
}

/// The pair shall not be there, or the object is being deleted and its pair goes with it.
pub(super) fn absent(desired: &Desired, observed: &Observed, key: Option<&PublicKey>) -> Step {
    let Some(look) = observed.look.as_ref().filter(|look| look.live) else { return Step::Look { live: true } };
    let Some(pair) = &look.pair else {
        return match observed.import_may_land_until.filter(|until| *until > observed.now) {
            Some(until) if observed.recorded.arn.is_none() && observed.finalizer == Finalizer::Old => {
                let pause = until.duration_since(observed.now).unsigned_abs();
                let message = "an import that was not answered may still take effect";
                Step::Finish(Verdict::wait(Reason::InProgress, message, pause.max(SOON)))
            }
            _ => gone(desired, observed),
        };
    };
    let is_first = is_first(desired, observed, Some(pair));
    let is_expected = |pair: &KeyPair| desired.expected_fingerprint.is_none() || names(desired, pair);
    match whose(desired, observed, key, pair) {
        Whose::Own if is_first && is_as_recorded(observed, pair) && is_expected(pair) => delete(desired, observed),
        Whose::Own if is_first => mismatch(desired, "has another fingerprint than expected"),
        Whose::TaggedAway if is_first => ownership_lost(desired),
        Whose::Foreign { tagged: false } if is_first && desired.goal == Goal::Absent && names(desired, pair) => {
            delete(desired, observed)
        }
        _ if desired.goal == Goal::ObjectDeleted && observed.recorded.arn.is_none() => {
            release(desired, observed, "the object had no key pair of its own")
        }
        Whose::Foreign { tagged: false } if is_first => mismatch(
            desired,
            "is not this object's, or not any more; with ensure: Absent and its expectedFingerprint it is deleted",
        ),
        Whose::Own | Whose::TaggedAway | Whose::Foreign { .. } => yield_to_rival(desired, observed),
    }
}

fn key_of(desired: &Desired) -> Option<&PublicKey> {
    if let super::Kind::Imported(Some(Ok(key))) = &desired.kind { Some(key) } else { None }
}

/// Whether the spec names the pair by its exact fingerprint.
fn names(desired: &Desired, pair: &KeyPair) -> bool {
    desired.expected_fingerprint.is_some() && desired.expected_fingerprint == pair.fingerprint
}

/// Whether it is the very pair that the status records. Where nothing is recorded, ownership has compared the key.
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
        Goal::ObjectDeleted => "; set deletionPolicy: Retain to let the object go without it",
        Goal::Present | Goal::Absent => "",
    };
    let message = format!("nothing was deleted: the key pair {} {what}{way_out}", desired.name);
    Step::Finish(Verdict::stalled(Reason::FingerprintMismatch, message, Next::After(desired.interval)))
}
