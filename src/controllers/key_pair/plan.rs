//! What to do next for a key pair: a function of what is wanted and what was seen. Every decision
//! about key pairs is here.
//!
//! No I/O, no clock. [`plan`] is asked again after each step, with what the step has taught, until
//! it answers [`Step::Finish`]. It asks for what it needs to see, so that what needs no look (a
//! release, a refusal) makes no call.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::jiff::SignedDuration;

use crate::api::key_pair::{DeletionPolicy, KeyAlgorithm, Origin};
use crate::api::{Operation, Reason};
use crate::controllers::outcome::Verdict;
use crate::controllers::queue::Next;
use crate::lightsail::KeyPair;
use crate::secret::{Found, SecretSpec};
use crate::ssh::{Match, PrivateKey, PublicKey};

mod default_pair;
mod generated;
mod kept_key;
mod ownership;
mod pair;
mod settled;
mod source;
mod world;

pub use ownership::Whose;
pub use settled::{Settled, stands};
pub use world::{
    Desired, Done, Finalizer, Goal, ImportedKey, Kind, Look, Observed, PairClaim, Recorded, Rival,
    Source, SourceKind, SourceRef,
};

/// An imported pair may be older than its object by this much: two clocks are compared, AWS's and
/// the cluster's.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_mins(5);
/// A live look justifies what follows it at once: reading a Secret, a download, not a nap.
const LOOK_HOLDS: SignedDuration = SignedDuration::from_secs(10);
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
    /// Read the public key.
    ReadSource(SourceRef),
    /// Read the Secret of this name.
    ReadSecret(String),
    /// Find the Windows instances that use the default pair.
    FindWindowsInstances,
    /// Read whether the namespace is being deleted.
    ReadNamespace,
    /// Add the finalizer.
    AddFinalizer,
    /// Take the recorded pair out of the status: it is gone, and another one will be made.
    ForgetPair,
    /// Write into the status that a pair that was there is to be adopted. Before it is tagged: with
    /// the tag alone it would pass as imported after a crash, and would be deleted with the object.
    RecordAdoption,
    /// Make a private key.
    Generate(KeyAlgorithm),
    /// Import the public key.
    Import(PublicKey),
    /// Set tags.
    Tag {
        /// The pair.
        pair: KeyPair,
        /// Those that are missing or other.
        tags: BTreeMap<String, String>,
    },
    /// Take tags off.
    RemoveTags {
        /// The pair.
        pair: KeyPair,
        /// Their keys.
        keys: Vec<String>,
    },
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
        /// The Secret as the spec wants it.
        spec: SecretSpec,
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
    ReleaseTag {
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
    let step = decide(desired, observed);
    if matches!(step, Step::Delete { .. } | Step::Download) && is_outdated(observed) {
        return Step::Look { live: true };
    }
    if matches!(step, Step::Look { live: false }) && prefers_own_look(desired, observed) {
        return Step::Look { live: true };
    }
    if desired.suspend && step.changes() { suspended(desired, observed) } else { step }
}

/// Whether an object that was edited asks for its own pair: one call, where a list would have to be
/// read first, or is being read for others.
fn prefers_own_look(desired: &Desired, observed: &Observed) -> bool {
    let has_pair = observed.recorded.arn.is_some() && !matches!(desired.kind, Kind::Default { .. });
    has_pair && observed.edited && !observed.list_at_hand
}

/// Whether the look is so old that the world may have changed since. A process that slept between
/// the look and the step (a machine that was suspended, an old leader) would destroy what it has
/// never seen.
fn is_outdated(observed: &Observed) -> bool {
    observed.look.as_ref().is_some_and(|look| observed.now.duration_since(look.at) > LOOK_HOLDS)
}

/// A suspended object tells what would be done. The finalizer comes before everything and tells
/// nothing.
fn suspended(desired: &Desired, observed: &Observed) -> Step {
    let with_finalizer = Observed { finalizer: Finalizer::New, ..observed.clone() };
    let step = decide(desired, &with_finalizer);
    if !step.changes() {
        return step;
    }
    let planned = step.name();
    let message = format!("suspended; the next step would be {planned}");
    Step::Finish(Verdict {
        planned: Some(planned),
        ..Verdict::suspended(message, Next::After(desired.interval))
    })
}

fn decide(desired: &Desired, observed: &Observed) -> Step {
    if desired.goal == Goal::ObjectDeleted {
        if observed.finalizer == Finalizer::Missing {
            return Step::Leave;
        }
        if desired.suspend {
            return release(
                desired,
                observed,
                "the key pair stays in Lightsail: the object was suspended",
            );
        }
        if effective_deletion_policy(desired, observed.recorded.origin) == DeletionPolicy::Retain {
            return release(
                desired,
                observed,
                "the key pair stays in Lightsail, as the deletion policy Retain says",
            );
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
        (Kind::Imported { key, replace }, Goal::Present) => {
            match source::public_key(desired, observed, key) {
                Ok(key) => pair::present(desired, observed, key, *replace),
                Err(step) => *step,
            }
        }
        (Kind::Imported { key, .. }, Goal::Absent | Goal::ObjectDeleted) => {
            source::needed(desired, observed, key)
                .unwrap_or_else(|| pair::absent(desired, observed))
        }
        (Kind::Generated { algorithm, secret, replace }, Goal::Present) => {
            generated::present(desired, observed, *algorithm, secret, *replace)
        }
        (Kind::Generated { secret, .. }, Goal::Absent | Goal::ObjectDeleted) => {
            generated::absent(desired, observed, secret)
        }
        (Kind::Default { create_if_missing, secret, .. }, Goal::Present) => {
            default_pair::present(desired, observed, *create_if_missing, secret)
        }
        (
            Kind::Default { secret, backup, windows_passwords_saved, .. },
            Goal::Absent | Goal::ObjectDeleted,
        ) => default_pair::absent(desired, observed, secret, *backup, *windows_passwords_saved),
    }
}

impl Step {
    /// Whether it changes anything, in Lightsail or in the cluster.
    #[must_use]
    pub fn changes(&self) -> bool {
        match self {
            Self::Identify
            | Self::Look { .. }
            | Self::ReadSource(_)
            | Self::ReadSecret(_)
            | Self::FindWindowsInstances
            | Self::ReadNamespace
            | Self::ReleaseTag { .. }
            | Self::RemoveFinalizer { .. }
            | Self::Finish(_)
            | Self::Leave => false,
            Self::AddFinalizer
            | Self::ForgetPair
            | Self::RecordAdoption
            | Self::Generate(_)
            | Self::Import(_)
            | Self::Tag { .. }
            | Self::RemoveTags { .. }
            | Self::Download
            | Self::SetAside { .. }
            | Self::WriteSecret { .. }
            | Self::Delete { .. } => true,
        }
    }

    /// Its name, as `status.plannedStep` shows it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Identify => "Identify",
            Self::Look { .. } => "Look",
            Self::ReadSource(_) => "ReadSource",
            Self::ReadSecret(_) => "ReadSecret",
            Self::FindWindowsInstances => "FindWindowsInstances",
            Self::ReadNamespace => "ReadNamespace",
            Self::AddFinalizer => "AddFinalizer",
            // Only a note in the status: what follows is the import.
            Self::ForgetPair | Self::Import(_) => "Import",
            Self::RecordAdoption => "Adopt",
            Self::Generate(_) => "Generate",
            Self::Tag { .. } => "Tag",
            Self::RemoveTags { .. } => "RemoveTags",
            Self::Download => "Download",
            Self::SetAside { .. } | Self::WriteSecret { .. } => "WriteSecret",
            Self::Delete { .. } => "Delete",
            Self::ReleaseTag { .. } => "ReleaseTag",
            Self::RemoveFinalizer { .. } => "RemoveFinalizer",
            Self::Finish(_) | Self::Leave => "None",
        }
    }
}

/// Whether anything can be done for a spec.
#[must_use]
pub fn is_valid(desired: &Desired) -> bool {
    let has_bad_key =
        matches!(desired.kind, Kind::Imported { key: ImportedKey::Inline(Err(_)), .. });
    desired.invalid_name.is_none() && !desired.suspend && !has_bad_key
}

/// Whether an object shows what it showed before, though Lightsail could not be read: one that was
/// acted on and is to be there does, for three intervals (I9).
#[must_use]
pub fn keeps_still(desired: &Desired, was_acted_on: bool, silent_for: Duration) -> bool {
    desired.goal == Goal::Present && was_acted_on && silent_for < desired.interval * 3
}

/// What deleting the object does: what the spec says, or else `Delete` for a pair that this object
/// imported.
#[must_use]
pub fn effective_deletion_policy(desired: &Desired, origin: Option<Origin>) -> DeletionPolicy {
    let is_kept = matches!(desired.kind, Kind::Default { .. })
        || matches!(origin, Some(Origin::Adopted | Origin::Default));
    let by_origin = if is_kept { DeletionPolicy::Retain } else { DeletionPolicy::Delete };
    desired.deletion_policy.unwrap_or(by_origin)
}

/// The pair that is this object's, as far as this pass has seen, and how the object came to it.
#[must_use]
pub fn own_pair(desired: &Desired, observed: &Observed) -> Option<(KeyPair, Origin)> {
    let pair = observed.look.as_ref()?.pair.clone()?;
    let is_own = match &desired.kind {
        Kind::Default { .. } => ownership::is_first(desired, observed, Some(&pair)),
        Kind::Imported { .. } | Kind::Generated { .. } => {
            matches!(ownership::whose(desired, observed, &pair), Whose::Own | Whose::TaggedAway)
        }
    };
    let origin = ownership::origin(desired, observed, &pair);
    is_own.then_some((pair, origin))
}

/// The public half of the key that the pair shall have, as far as it is known.
#[must_use]
pub fn wanted_key<'a>(desired: &'a Desired, observed: &'a Observed) -> Option<&'a PublicKey> {
    match &desired.kind {
        Kind::Imported { key: ImportedKey::Inline(key), .. } => key.as_ref().ok(),
        Kind::Imported { key: ImportedKey::From(_), .. } => match observed.source.as_ref()? {
            Source::Found(key) => key.as_ref().ok(),
            Source::Missing { .. } => None,
        },
        Kind::Generated { .. } => own_secret(observed)?.key.as_ref().map(PrivateKey::public),
        Kind::Imported { key: ImportedKey::Absent, .. } | Kind::Default { .. } => None,
    }
}

/// The Secret, if it is this object's.
fn own_secret(observed: &Observed) -> Option<&Found> {
    observed.secret.as_ref()?.as_ref().filter(|found| found.is_own)
}

/// Whether the fingerprint in Lightsail is that of the key that is known here; `None` if there is
/// nothing to compare.
#[must_use]
pub fn verified(desired: &Desired, observed: &Observed, pair: &KeyPair) -> Option<Match> {
    if let Kind::Default { .. } = &desired.kind {
        let key = observed.secret.as_ref()?.as_ref()?.key.as_ref()?;
        return Some(key.fingerprints().compare(pair.fingerprint.as_deref()));
    }
    wanted_key(desired, observed).map(|key| key.fingerprints().compare(pair.fingerprint.as_deref()))
}

fn refuse_spec(desired: &Desired) -> Option<Verdict> {
    desired
        .invalid_name
        .as_ref()
        .map(|why| Verdict::stalled(Reason::InvalidName, why.clone(), Next::Change))
}

/// An object of another account makes no call and releases nothing: its pair would look gone from
/// here.
fn refuse_account(desired: &Desired, observed: &Observed, account: &str) -> Option<Verdict> {
    let wanted = observed.recorded.account.as_ref().or(desired.pinned_account.as_ref())?;
    let wanted = if wanted == account { desired.pinned_account.as_ref()? } else { wanted };
    (wanted != account).then(|| {
        let message = format!(
            "the operator's credentials are for the account {account}, and this object is \
                for {wanted}"
        );
        Verdict::stalled(Reason::WrongAccount, message, Next::After(Duration::from_mins(1)))
    })
}

/// Lets the object go without AWS having to answer. The owner tag is taken off if that works at
/// once.
fn release(desired: &Desired, observed: &Observed, message: &str) -> Step {
    let is_tagged = !matches!(desired.kind, Kind::Default { .. });
    if let (true, Some(arn), false) = (is_tagged, &observed.recorded.arn, observed.done.untagged) {
        return Step::ReleaseTag { arn: arn.clone() };
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
    is_under_way.then(|| {
        Step::Finish(Verdict::wait(Reason::InProgress, "Lightsail is deleting the key pair", SOON))
    })
}

fn operation_failed(what: &str, operation: &Operation) -> Verdict {
    let (code, details) = (operation.error_code.as_deref(), operation.error_details.as_deref());
    let message = format!(
        "{what} failed: {} {}",
        code.unwrap_or("without a code,"),
        details.unwrap_or("without details")
    );
    Verdict::stalled(Reason::OperationFailed, message, Next::Backoff)
}

/// Somebody else's pair, or another object's name. Nothing is said about it (I11).
fn name_conflict(desired: &Desired) -> Step {
    let message = format!(
        "{} in {} belongs to somebody else; choose another keyPairName, or delete what has the \
            name",
        desired.name, desired.region
    );
    Step::Finish(Verdict::stalled(Reason::NameConflict, message, Next::After(desired.interval)))
}

/// Another object comes before this one.
fn yield_to_rival(desired: &Desired, observed: &Observed) -> Step {
    if observed.rivals.iter().any(|rival| rival.deleting) {
        let message = "another object that has this key pair is being deleted";
        return Step::Finish(Verdict::wait(
            Reason::WaitingForOwner,
            message,
            Duration::from_secs(10),
        ));
    }
    name_conflict(desired)
}

#[cfg(test)]
#[rustfmt::skip]
mod tests;
