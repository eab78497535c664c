//! Whether a pair is the one that `spec.expectedFingerprint` names (I1, I2).
//!
//! It names a pair as Lightsail prints it. In another form, such as `ssh-keygen` prints, it counts
//! only if a key that is held here, in the spec or a Secret, has both that fingerprint and the one
//! that Lightsail lists.

use super::key::held_fingerprints;
use super::refusals::stalled;
use super::step::Step;
use crate::engine::Lookup;
use crate::ids::Fingerprint;
use crate::key_pair::message::{Message, NotDeleted};
use crate::key_pair::world::{Desired, DesiredPair, ImportedKey, Observed};
use crate::lightsail::KeyPair;
use crate::ssh::{Fingerprints, Form, Match, is_written};

/// What `spec.expectedFingerprint` says about a pair.
pub(super) enum Named<'a> {
    /// It is not set.
    Unset,
    /// It is this pair.
    Same,
    /// It is not known to be this pair.
    Other(&'a Fingerprint),
    /// The key that may tell must be read first.
    Unread(Box<Step>),
}

pub(super) fn named<'a>(desired: &'a Desired, observed: &Observed, pair: &KeyPair) -> Named<'a> {
    let Some(expected) = &desired.expected_fingerprint else { return Named::Unset };
    let is_it = |listed: &Fingerprint| is_written(listed.as_str(), expected.as_str());
    if pair.fingerprint.as_ref().is_some_and(is_it) {
        return Named::Same;
    }
    if let Some(step) = unread_key(desired, observed) {
        return Named::Unread(Box::new(step));
    }
    let is_of_key = |key: Fingerprints| {
        key.include(expected.as_str()) && key.compare(pair.fingerprint.as_ref()) == Match::Same
    };
    if held_fingerprints(desired, observed).is_some_and(is_of_key) {
        Named::Same
    } else {
        Named::Other(expected)
    }
}

/// The step that reads the key of the spec or of the Secret, if nobody has yet. It is no call of
/// AWS.
fn unread_key(desired: &Desired, observed: &Observed) -> Option<Step> {
    match &desired.pair {
        DesiredPair::Imported { key: ImportedKey::From(at), .. } => {
            observed.source.is_none().then(|| Step::ReadSource(at.clone()))
        }
        DesiredPair::Imported { key: ImportedKey::Absent | ImportedKey::Inline(_), .. } => None,
        DesiredPair::Generated { secret, .. } | DesiredPair::Default { secret, .. } => {
            let is_unread = matches!(observed.secret, Lookup::Unread);
            is_unread.then(|| Step::ReadSecret(secret.name.clone()))
        }
    }
}

/// Nothing was deleted, because the pair is not the expected one.
pub(super) fn mismatch(desired: &Desired, pair: &KeyPair, expected: &Fingerprint) -> Step {
    let Some(listed) = &pair.fingerprint else {
        return not_deleted(desired, NotDeleted::NoFingerprint);
    };
    let (form, given) = (Form::of(listed.as_str()), Form::of(expected.as_str()));
    if form != given || form == Form::Other {
        return not_deleted(desired, NotDeleted::OtherForm { expected, form });
    }
    not_expected(desired, expected)
}

/// As [`mismatch`], without a word on what the pair has.
pub(super) fn not_expected(desired: &Desired, expected: &Fingerprint) -> Step {
    not_deleted(desired, NotDeleted::NotExpected { expected })
}

/// Nothing was deleted.
pub(super) fn not_deleted(desired: &Desired, why: NotDeleted<'_>) -> Step {
    let (name, ends) = (&desired.name, desired.goal.ends());
    stalled(desired, &Message::NotDeleted { name, ends, why })
}
