//! What a failed step means for the object.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

use super::deletion_policy::effective_deletion_policy;
use super::ending::release;
use super::kept_key;
use super::permission;
use super::step::Step;
use crate::api::Operation;
use crate::api::key_pair::DeletionPolicy;
use crate::engine::account_rule::verdict_of;
use crate::engine::action::Next;
use crate::engine::{Lookup, Verdict};
use crate::key_pair::message::{Message, Release, SecretProblem};
use crate::key_pair::world::{Desired, Failure, Goal, Observed};
use crate::lightsail::{self, ErrorKind, Imported};
use crate::secret::{Found, SecretSpec};

/// What follows from a failure. It always ends the reconciliation.
pub(super) fn after(desired: &Desired, observed: &Observed, failure: &Failure) -> Step {
    match failure {
        Failure::Lightsail(error) if desired.goal.ends() && is_of_name(error) => {
            ends_with_rejected_name(desired, observed, error)
        }
        Failure::Lightsail(error) => {
            let way_out = permission::way_out(desired, observed);
            let is_identified = observed.account.is_some();
            let verdict = verdict_of(error, &observed.grant, is_identified, way_out);
            if error.kind == ErrorKind::BadKey {
                // Lightsail says the same of the same key.
                return Step::Finish(Verdict { next: Next::After(desired.interval), ..verdict });
            }
            // A refusal of the operator's own is no silence of Lightsail's.
            if !error.kind.is_of_region() && keeps_still(desired, observed) {
                return Step::Pause { reason: verdict.reason, next: Next::Backoff };
            }
            Step::Finish(verdict)
        }
        // What goes with its namespace keeps nothing.
        Failure::SecretRejected { name, .. }
            if may_go_with_namespace(desired, observed, name)
                && observed.namespace_terminating.is_none() =>
        {
            Step::ReadNamespace
        }
        Failure::SecretRejected { name, why } => {
            let problem = if let Some(may_go) = owner_stays(desired, observed, name) {
                let way_out = may_go.then(|| let_go(desired));
                SecretProblem::OwnerStays { why, way_out }
            } else if is_unread_at_end(desired, observed, name) {
                SecretProblem::Unread { why, way_out: let_go(desired) }
            } else {
                SecretProblem::Refused { why }
            };
            Message::Secret { secret: name, why: problem }.stalled(Next::Backoff)
        }
        Failure::ConfigMapForbidden(name) => {
            Message::ConfigMapForbidden { name }.stalled(Next::Backoff)
        }
    }
}

fn lets_secret_go(desired: &Desired) -> bool {
    desired.pair.secret().is_some_and(|secret| secret.delete_with_object)
}

/// What says that a Secret may go with its object: that it is to go, after the object has shown
/// the refusal and that the Secret is to stay.
fn let_go(desired: &Desired) -> &'static str {
    if lets_secret_go(desired) {
        "secret.deleteWithObject to false and then to true"
    } else {
        "secret.deleteWithObject: true"
    }
}

/// Whether what is said of the object is that its Secret, which is to stay, could not be read or
/// changed. If the spec lets the Secret go after that, a person has answered.
#[must_use]
pub fn refused_secret_stays(desired: &Desired, observed: &Observed) -> bool {
    matches!(observed.failure, Some(Failure::SecretRejected { .. })) && !lets_secret_go(desired)
}

/// Whether Lightsail rejects the name of the pair: a read of it has no other input.
fn is_of_name(error: &lightsail::Error) -> bool {
    error.kind == ErrorKind::Invalid && error.operation == Some("GetKeyPair")
}

/// The object is being deleted, and Lightsail rejects its name. The import was rejected as well, so
/// nothing keeps an object that has nothing on record (I8).
fn ends_with_rejected_name(
    desired: &Desired,
    observed: &Observed,
    error: &lightsail::Error,
) -> Step {
    if observed.recorded.may_have_pair() {
        Message::NameRejected { error }.stalled(Next::Backoff)
    } else {
        release(desired, observed, Release::NeverHadPair)
    }
}

/// The same without the Secret, if it cannot be read or changed, and its namespace is being
/// deleted: it goes too, and the permission may be gone already. An object that leaves its pair is
/// released without the Secret too, if its spec lets that go since the refusal was shown.
pub(super) fn without_secret(desired: &Desired, observed: &Observed) -> Option<Observed> {
    let Some(Failure::SecretRejected { name, .. }) = &observed.failure else { return None };
    let may_go = || {
        let policy = effective_deletion_policy(desired, observed.recorded.origin);
        let leaves_pair =
            policy == DeletionPolicy::Retain || kept_key::is_of_another(desired, observed);
        lets_secret_go(desired) && leaves_pair && observed.refused_secret_stayed
    };
    let goes = may_go_with_namespace(desired, observed, name)
        && (observed.namespace_terminating == Some(true) || may_go());
    let (secret, former_secret) = (Lookup::Absent, Lookup::Absent);
    goes.then(|| Observed { secret, former_secret, failure: None, ..observed.clone() })
}

/// The same if nothing but the owner of the Secret could not be set, as where whoever may not
/// delete Secrets may not change their owners: the object works, and the Secret stays.
pub(super) fn without_owner(desired: &Desired, observed: &Observed) -> Option<Observed> {
    let Some(Failure::SecretRejected { name, .. }) = &observed.failure else { return None };
    let found = observed.secret.found().filter(|found| found.name == *name)?;
    let owner = OwnerReference { uid: desired.uid.clone(), ..OwnerReference::default() };
    let owners = found.owners.iter().cloned().chain([owner]).collect();
    let with_owner = Found { owners, ..found.clone() };
    let spec = desired.pair.secret().filter(|_| !found.is_owned_by(&desired.uid))?;
    let is_all = kept_key::is_dressed(desired, spec, &with_owner)
        && kept_key::disown(desired, observed, found).is_none()
        && !desired.goal.ends();
    let secret = Lookup::Found(with_owner);
    is_all.then(|| Observed { secret, failure: None, ..observed.clone() })
}

/// Whether what was refused was to take the owner off this Secret, and if so, whether the spec may
/// let the Secret go instead.
fn owner_stays(desired: &Desired, observed: &Observed, secret: &str) -> Option<bool> {
    let found = [&observed.secret, &observed.former_secret].into_iter().filter_map(Lookup::found);
    let found = found.into_iter().find(|found| found.name == secret)?;
    kept_key::disown(desired, observed, found)?;
    Some(found.is_owned_by(&desired.uid))
}

/// Whether the object ends, and this Secret keeps its private key, or did so before.
fn may_go_with_namespace(desired: &Desired, observed: &Observed, secret: &str) -> bool {
    let former = observed.recorded.secret_name.as_deref();
    let keeps = |kept: &SecretSpec| kept.name == secret || former == Some(secret);
    desired.goal.ends() && desired.pair.secret().is_some_and(keeps)
}

/// Whether the object ends, and cannot go before this Secret is read: nothing tells whether
/// Kubernetes would delete it, though it is to stay (I3).
fn is_unread_at_end(desired: &Desired, observed: &Observed, secret: &str) -> bool {
    let is_of_spec = desired.pair.secret().is_some_and(|kept| kept.name == secret);
    let read = if is_of_spec { &observed.secret } else { &observed.former_secret };
    may_go_with_namespace(desired, observed, secret) && matches!(read, Lookup::Unread)
}

/// Whether the object shows what it showed before, though Lightsail could not be read: one that was
/// acted on and is to be there does, for three intervals (I9). Nothing was read, and so nothing was
/// done: one session that fails changes nothing of objects that were acted on for a while.
fn keeps_still(desired: &Desired, observed: &Observed) -> bool {
    desired.goal == Goal::Present
        && observed.pair.is_none()
        && observed.was_acted_on
        && observed.silent_for < desired.interval * 3
}

/// Whether a call with this outcome may still take effect: nothing says whether it did.
#[must_use]
pub fn may_still_take_effect<T>(outcome: &lightsail::Result<T>) -> bool {
    outcome.as_ref().is_err_and(|error| !error.kind.proves_refusal())
}

/// Whether a deletion with this outcome has deleted the pair, or may do so yet.
#[must_use]
pub fn may_have_deleted(outcome: &lightsail::Result<Option<Operation>>) -> bool {
    let is_accepted = outcome.as_ref().is_ok_and(|it| it.as_ref().is_some_and(|it| !it.failed()));
    is_accepted || may_still_take_effect(outcome)
}

/// Whether Lightsail says that an import failed.
#[must_use]
pub fn import_failed(outcome: &lightsail::Result<Imported>) -> bool {
    match outcome {
        Ok(Imported::Accepted(operation)) => operation.failed(),
        Ok(Imported::NameTaken) => false,
        Err(error) => error.kind == ErrorKind::OperationFailed,
    }
}

/// Whether Lightsail says that a deletion failed.
#[must_use]
pub fn deletion_failed(outcome: &lightsail::Result<Option<Operation>>) -> bool {
    match outcome {
        Ok(operation) => operation.as_ref().is_some_and(Operation::failed),
        Err(error) => error.kind == ErrorKind::OperationFailed,
    }
}

/// What the answer to an import says: whether it was accepted, or `None` if it proves that the
/// import did not take effect.
#[must_use]
pub fn answer_to_import(outcome: &lightsail::Result<Imported>) -> Option<bool> {
    match outcome {
        Ok(Imported::NameTaken) => None,
        Ok(Imported::Accepted(operation)) => Some(!operation.failed()),
        Err(error) => (!error.kind.proves_refusal()).then_some(false),
    }
}
