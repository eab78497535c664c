//! What several plans refuse or wait for.

use std::time::Duration;

use super::step::Step;
use crate::api::{Operation, Reason};
use crate::engine::Verdict;
use crate::engine::queue::Next;
use crate::key_pair::world::{Desired, Observed};

/// How soon to read again what was started a moment ago.
pub(super) const SOON: Duration = Duration::from_secs(2);
/// How soon to try again what another object is about to make possible.
const OWNER_IS_GOING: Duration = Duration::from_secs(10);

pub(super) fn refuse_spec(desired: &Desired) -> Option<Verdict> {
    let why = desired.invalid_name.as_ref()?;
    Some(Verdict::stalled(Reason::InvalidName, why.clone(), Next::Change))
}

/// Somebody else's pair, or another object's name. Nothing is said about it (I11).
pub(super) fn name_conflict(desired: &Desired) -> Step {
    let message = format!(
        "{} in {} belongs to somebody else; choose another keyPairName, or delete what has the \
         name",
        desired.name, desired.region
    );
    Step::Finish(Verdict::stalled(Reason::NameConflict, message, Next::After(desired.interval)))
}

/// Another object comes before this one.
pub(super) fn yield_to_rival(desired: &Desired, observed: &Observed) -> Step {
    if observed.rivals.iter().any(|rival| rival.deleting) {
        let message = "another object that has this key pair is being deleted";
        return Step::Finish(Verdict::wait(Reason::WaitingForOwner, message, OWNER_IS_GOING));
    }
    name_conflict(desired)
}

/// An object of the same name vanished, and its pair is dealt with first.
pub(super) fn wait_for_predecessor() -> Step {
    let message = "an object of this name was removed before its key pair was dealt with, and that \
                   comes first";
    Step::Finish(Verdict::wait(Reason::WaitingForOwner, message, OWNER_IS_GOING))
}

pub(super) fn unfinished_deletion(operation: &Operation) -> Option<Step> {
    if operation.failed() {
        return Some(Step::Finish(operation_failed("DeleteKeyPair", operation)));
    }
    // An answer without an operation is taken for done, as is one that is over.
    let is_under_way = operation.id.is_some() && !operation.is_over();
    let message = "Lightsail is deleting the key pair";
    is_under_way.then(|| Step::Finish(Verdict::wait(Reason::InProgress, message, SOON)))
}

pub(super) fn operation_failed(what: &str, operation: &Operation) -> Verdict {
    let code = operation.error_code.as_deref().unwrap_or("without a code,");
    let details = operation.error_details.as_deref().unwrap_or("without details");
    let message = format!("{what} failed: {code} {details}");
    Verdict::stalled(Reason::OperationFailed, message, Next::Backoff)
}
