//! The Secret that keeps a private key, of a default pair or of a generated one.

use super::refusals::SOON;
use super::step::Step;
use crate::api::Reason;
use crate::engine::queue::Next;
use crate::engine::{Lookup, Verdict};
use crate::key_pair::world::{Desired, Observed, SetAside};
use crate::lightsail::KeyPair;
use crate::secret::{Found, SecretSpec};
use crate::ssh::{Match, PrivateKey};

/// The Secret as it was found, or the step that reads it, waits for it or refuses it. A Secret that
/// is not this object's is left alone, unless it holds the key of the live pair.
pub(super) fn usable<'a>(
    desired: &Desired,
    observed: &'a Observed,
    spec: &SecretSpec,
    pair: Option<&KeyPair>,
) -> Result<Option<&'a Found>, Box<Step>> {
    let found = match &observed.secret {
        Lookup::Unread => return Err(Box::new(Step::ReadSecret(spec.name.clone()))),
        Lookup::Absent => return Ok(None),
        Lookup::Found(found) => found,
    };
    let name = &found.name;
    if found.is_terminating {
        let message =
            format!("the Secret {name} is being deleted; it is written again when it is gone");
        return Err(Box::new(Step::Finish(Verdict::wait(Reason::InProgress, message, SOON))));
    }
    let has_this_key = pair.is_some_and(|pair| compare(found, pair) == Some(Match::Same));
    let stalled = |reason, message| {
        Err(Box::new(Step::Finish(Verdict::stalled(
            reason,
            message,
            Next::After(desired.interval),
        ))))
    };
    let is_of_other_type =
        found.is_own && found.key_type.as_ref().is_some_and(|type_| type_ != spec.key_type);
    if is_of_other_type && !has_this_key {
        let message = format!(
            "the Secret {name} holds the private key of a key pair of another type, which an \
             earlier object of this name had; set another name of the Secret"
        );
        return stalled(Reason::SecretNotOwned, message);
    }
    if found.is_of_another || (!found.is_own && !has_this_key) {
        let message = format!(
            "the Secret {name} is not this object's and was left alone; set another name of the \
             Secret"
        );
        return stalled(Reason::SecretNotOwned, message);
    }
    match found
        .rejects
        .filter(|_| !(found.is_own && found.key.is_some() && (pair.is_none() || has_this_key)))
    {
        Some(why) => {
            let message = format!(
                "the Secret {name} cannot be written: {why}; set another name of the Secret, or \
                 first copy what it holds to a Secret with another name"
            );
            stalled(Reason::SecretRejected, message)
        }
        None => Ok(Some(found)),
    }
}

/// What the Secret's key is to the pair; `None` without a key.
pub(super) fn compare(found: &Found, pair: &KeyPair) -> Option<Match> {
    found.key.as_ref().map(|key| key.fingerprints().compare(pair.fingerprint.as_ref()))
}

/// The step that makes a Secret which holds the right key this object's, with the labels and the
/// owner that the spec wants.
pub(super) fn dress(desired: &Desired, spec: &SecretSpec, found: &Found) -> Option<Step> {
    let key = found.key.clone()?;
    let is_dressed = found.is_own && found.fits(spec, &desired.uid);
    // One that cannot be written keeps what it has.
    (!is_dressed && found.rejects.is_none()).then(|| write(spec, Some(found), key))
}

/// The step that writes a key.
pub(super) fn write(spec: &SecretSpec, found: Option<&Found>, key: PrivateKey) -> Step {
    Step::WriteSecret { spec: spec.clone(), found: found.cloned(), key }
}

/// The step that keeps an old private key before a new one is written: it may be the only copy
/// (I3). `None` once it is kept.
pub(super) fn set_aside(desired: &Desired, observed: &Observed, found: &Found) -> Option<Step> {
    let key = found.key.clone()?;
    let name = format!("{}-{}", found.name, key.public().short_id());
    match (observed.done.set_aside, &observed.copy) {
        (SetAside::Copied, _) => None,
        (SetAside::Not, _) => Some(Step::SetAside { name, key }),
        (SetAside::NameTaken, Lookup::Unread) => Some(Step::ReadCopy { name }),
        (SetAside::NameTaken, Lookup::Found(copy)) if holds(copy, &key) => None,
        (SetAside::NameTaken, Lookup::Found(_)) => {
            let message = format!(
                "the private key in the Secret {} is copied to a Secret named {name} before a new \
                 one is written, but that Secret exists and holds something else; move what it \
                 holds to a Secret with another name",
                found.name
            );
            let next = Next::After(desired.interval);
            Some(Step::Finish(Verdict::stalled(Reason::SecretNotOwned, message, next)))
        }
        (SetAside::NameTaken, Lookup::Absent) => {
            let message = format!("the Secret {name} is being replaced");
            Some(Step::Finish(Verdict::wait(Reason::InProgress, message, SOON)))
        }
    }
}

fn holds(copy: &Found, key: &PrivateKey) -> bool {
    copy.key.as_ref().is_some_and(|kept| kept.public() == key.public())
}
