//! What to do next for a key pair: a function of what is wanted and what was seen. Every decision about key pairs is here.
//!
//! No I/O, no clock. [`plan`] is asked again after each step, with what the step has taught, until it answers
//! [`Step::Finish`]. It asks for what it needs to see, so that what needs no look (a release, a refusal) makes no call.

use std::time::Duration;

use k8s_openapi::jiff::SignedDuration;

use crate::api::key_pair::{DeletionPolicy, Origin};
use crate::api::{Operation, Reason};
use crate::controllers::outcome::Verdict;
use crate::controllers::queue::Next;
use crate::lightsail::KeyPair;
use crate::secret::Found;
use crate::ssh::{InvalidPublicKey, Match, PrivateKey, PublicKey};

mod default_pair;
mod imported;
mod ownership;
mod world;

pub use ownership::Whose;
pub use world::{Desired, Done, Finalizer, Goal, Kind, Look, Observed, Recorded, Rival};

/// An imported pair may be older than its object by this much: two clocks are compared, AWS's and the cluster's.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_mins(5);
/// How soon to look for something that was started a moment ago.
const SOON: Duration = Duration::from_secs(2);

/// One next effect.
#[derive(Clone, Debug)]
pub enum Step {
    /// Find out which account the credentials belong to.
    Identify,
    /// Look at Lightsail: live, or in the shared list.
    Look {
        /// Not from the shared list.
        live: bool,
    },
    /// Read the Secret of this name.
    ReadSecret(String),
    /// Read whether the namespace is being deleted.
    ReadNamespace,
    /// Add the finalizer.
    AddFinalizer,
    /// Take the recorded pair out of the status: it is gone, and another one will be made.
    ForgetPair,
    /// Write into the status that a pair that was there is this object's from now on. Before it is tagged: with the tag alone it
    /// would pass as imported after a crash, and would be deleted with the object.
    RecordAdoption(KeyPair),
    /// Import the public key.
    Import(PublicKey),
    /// Set the owner tag.
    Tag(KeyPair),
    /// Download the default pair.
    Download,
    /// Copy the Secret's key to another Secret.
    SetAside {
        /// The Secret as it was found.
        found: Found,
        /// Its key.
        key: PrivateKey,
    },
    /// Write the key into the Secret: into the one that was found, or into a new one.
    WriteSecret {
        /// The Secret's name.
        name: String,
        /// The Secret as it was found.
        found: Option<Found>,
        /// The key.
        key: PrivateKey,
    },
    /// Delete the pair.
    Delete {
        /// Sent along.
        expected_fingerprint: Option<String>,
    },
    /// Take the owner tag off, once; it may fail.
    Untag {
        /// The recorded pair.
        arn: String,
    },
    /// Let the object go.
    RemoveFinalizer {
        /// `Deleted` or `Released`.
        reason: Reason,
        /// For the Event.
        message: String,
    },
    /// The pass is over.
    Finish(Verdict),
    /// The pass is over and there is nothing to say: the object is on its way out.
    Leave,
}

/// The next step.
#[must_use]
pub fn plan(desired: &Desired, observed: &Observed) -> Step {
    if desired.goal == Goal::ObjectDeleted {
        if observed.finalizer == Finalizer::Missing {
            return Step::Leave;
        }
        if effective_deletion_policy(desired, observed) == DeletionPolicy::Retain {
            return release(desired, observed, "the key pair stays in Lightsail, as the deletion policy Retain says");
        }
    }
    if let Some(refusal) = refuse_spec(desired) {
        // Nothing was ever done for an object with such a name.
        return if desired.goal == Goal::ObjectDeleted {
            release(desired, observed, "the object never had a key pair")
        } else {
            Step::Finish(refusal)
        };
    }
    let Some(account) = &observed.account else { return Step::Identify };
    if let Some(refusal) = refuse_account(desired, observed, account) {
        return Step::Finish(refusal);
    }
    match (&desired.kind, desired.goal) {
        (Kind::Imported(Some(key)), Goal::Present) => match key {
            Ok(key) => imported::present(desired, observed, key),
            Err(error) => Step::Finish(invalid_public_key(desired, *error)),
        },
        (Kind::Imported(None), Goal::Present) => Step::Finish(invalid_public_key(desired, InvalidPublicKey::Empty)),
        (Kind::Imported(key), Goal::Absent | Goal::ObjectDeleted) => {
            imported::absent(desired, observed, key.as_ref().and_then(|key| key.as_ref().ok()))
        }
        (Kind::Default { create_if_missing, secret }, Goal::Present) => {
            default_pair::present(desired, observed, *create_if_missing, secret)
        }
        (Kind::Default { secret, .. }, Goal::Absent | Goal::ObjectDeleted) => {
            default_pair::absent(desired, observed, secret)
        }
    }
}

/// Whether anything can be done for a spec.
#[must_use]
pub fn is_valid(desired: &Desired) -> bool {
    desired.invalid_name.is_none() && !matches!(desired.kind, Kind::Imported(Some(Err(_))))
}

/// Whether an object shows what it showed before, though Lightsail could not be read: one that was acted on and is to be there does,
/// for three intervals (I9).
#[must_use]
pub fn keeps_still(desired: &Desired, was_acted_on: bool, silent_for: Duration) -> bool {
    desired.goal == Goal::Present && was_acted_on && silent_for < desired.interval * 3
}

/// What deleting the object does: what the spec says, or else `Delete` for a pair that this object imported.
#[must_use]
pub fn effective_deletion_policy(desired: &Desired, observed: &Observed) -> DeletionPolicy {
    let by_origin = match (&desired.kind, observed.recorded.origin) {
        (Kind::Default { .. }, _) | (Kind::Imported(_), Some(Origin::Adopted | Origin::Default)) => {
            DeletionPolicy::Retain
        }
        (Kind::Imported(_), Some(Origin::Imported) | None) => DeletionPolicy::Delete,
    };
    desired.deletion_policy.unwrap_or(by_origin)
}

/// The pair that is this object's, as far as this pass has seen, and how the object came to it.
#[must_use]
pub fn own_pair(desired: &Desired, observed: &Observed) -> Option<(KeyPair, Origin)> {
    let pair = observed.look.as_ref()?.pair.clone()?;
    match &desired.kind {
        Kind::Imported(key) => {
            let key = key.as_ref().and_then(|key| key.as_ref().ok());
            let recorded = observed.recorded.origin.filter(|_| observed.recorded.arn.as_ref() == Some(&pair.arn));
            match ownership::whose(desired, observed, key, &pair) {
                Whose::Own | Whose::TaggedAway => Some((pair, recorded.unwrap_or(Origin::Imported))),
                Whose::Foreign { .. } => None,
            }
        }
        Kind::Default { .. } => ownership::is_first(desired, observed, Some(&pair)).then_some((pair, Origin::Default)),
    }
}

/// Whether the fingerprint in Lightsail is that of the key that is known here; `None` if there is nothing to compare.
#[must_use]
pub fn verified(desired: &Desired, observed: &Observed, pair: &KeyPair) -> Option<Match> {
    match &desired.kind {
        Kind::Imported(Some(Ok(key))) => Some(key.fingerprints().compare(pair.fingerprint.as_deref())),
        Kind::Imported(_) => None,
        Kind::Default { .. } => {
            let key = observed.secret.as_ref()?.as_ref()?.key.as_ref()?;
            Some(key.fingerprints().compare(pair.fingerprint.as_deref()))
        }
    }
}

fn refuse_spec(desired: &Desired) -> Option<Verdict> {
    desired.invalid_name.as_ref().map(|why| Verdict::stalled(Reason::InvalidName, why.clone(), Next::Change))
}

/// An object of another account makes no call and releases nothing: its pair would look gone from here.
fn refuse_account(desired: &Desired, observed: &Observed, account: &str) -> Option<Verdict> {
    let wanted = observed.recorded.account.as_ref().or(desired.pinned_account.as_ref())?;
    let wanted = if wanted == account { desired.pinned_account.as_ref()? } else { wanted };
    (wanted != account).then(|| {
        let message =
            format!("the operator's credentials are for the account {account}, and this object is for {wanted}");
        Verdict::stalled(Reason::WrongAccount, message, Next::After(Duration::from_mins(1)))
    })
}

fn invalid_public_key(desired: &Desired, error: InvalidPublicKey) -> Verdict {
    Verdict::stalled(
        Reason::InvalidPublicKey,
        format!("spec.imported.publicKey cannot be used: {error}"),
        Next::After(desired.interval),
    )
}

/// Lets the object go without AWS having to answer. The owner tag is taken off if that works at once.
fn release(desired: &Desired, observed: &Observed, message: &str) -> Step {
    if let (Kind::Imported(_), Some(arn), false) = (&desired.kind, &observed.recorded.arn, observed.done.untagged) {
        return Step::Untag { arn: arn.clone() };
    }
    Step::RemoveFinalizer { reason: Reason::Released, message: message.to_owned() }
}

/// The pair is not there and shall not be.
fn gone(desired: &Desired, observed: &Observed) -> Step {
    if let Some(step) = observed.done.delete.as_ref().and_then(unfinished_deletion) {
        return step;
    }
    let message = format!("the key pair {} is not in {}", desired.name, desired.region);
    if desired.goal == Goal::ObjectDeleted {
        return Step::RemoveFinalizer { reason: Reason::Deleted, message };
    }
    Step::Finish(Verdict::ready(Reason::Absent, message, Next::After(desired.interval)))
}

fn unfinished_deletion(operation: &Operation) -> Option<Step> {
    if operation.failed() {
        return Some(Step::Finish(operation_failed("DeleteKeyPair", operation)));
    }
    // An answer without an operation is taken for done, as is one that is over.
    let is_under_way = operation.id.is_some() && !operation.is_over();
    is_under_way.then(|| Step::Finish(Verdict::wait(Reason::InProgress, "Lightsail is deleting the key pair", SOON)))
}

fn operation_failed(what: &str, operation: &Operation) -> Verdict {
    let (code, details) = (operation.error_code.as_deref(), operation.error_details.as_deref());
    let message =
        format!("{what} failed: {} {}", code.unwrap_or("without a code,"), details.unwrap_or("without details"));
    Verdict::stalled(Reason::OperationFailed, message, Next::Backoff)
}

/// Somebody else's pair, or another object's name. Nothing is said about it (I11).
fn name_conflict(desired: &Desired) -> Step {
    let message = format!(
        "{} in {} belongs to somebody else; choose another keyPairName, or delete what has the name",
        desired.name, desired.region
    );
    Step::Finish(Verdict::stalled(Reason::NameConflict, message, Next::After(desired.interval)))
}

/// Another object comes before this one.
fn yield_to_rival(desired: &Desired, observed: &Observed) -> Step {
    if observed.rivals.iter().any(|rival| rival.deleting) {
        let message = "another object that has this key pair is being deleted";
        return Step::Finish(Verdict::wait(Reason::WaitingForOwner, message, Duration::from_secs(10)));
    }
    name_conflict(desired)
}

#[cfg(test)]
#[rustfmt::skip]
mod tests;
