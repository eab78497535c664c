//! What a failed step means for the object.

use super::step::Step;
use crate::engine::Verdict;
use crate::engine::queue::Next;
use crate::key_pair::message::Message;
use crate::key_pair::world::{Desired, Failure, Goal, Observed};
use crate::lightsail::{self, ErrorKind, Imported};

/// What follows from a failure. It always ends the reconciliation.
pub(super) fn after(desired: &Desired, observed: &Observed, failure: &Failure) -> Step {
    match failure {
        Failure::Lightsail(error) => {
            let verdict = Verdict::from(error);
            // A refusal of the operator's own is no silence of Lightsail's.
            let is_own =
                matches!(error.kind, ErrorKind::RegionNotAllowed | ErrorKind::TooManyRegions);
            if !is_own && keeps_still(desired, observed) {
                return Step::Pause { reason: verdict.reason, next: Next::Backoff };
            }
            Step::Finish(verdict)
        }
        Failure::SecretRejected { name, why } => {
            Message::SecretRefused { secret: name, why }.stalled(Next::Backoff)
        }
        Failure::ConfigMapForbidden(name) => {
            Message::ConfigMapForbidden { name }.stalled(Next::Backoff)
        }
    }
}

/// Whether the object shows what it showed before, though Lightsail could not be read: one that was
/// acted on and is to be there does, for three intervals (I9). Nothing was read, and so nothing was
/// done.
fn keeps_still(desired: &Desired, observed: &Observed) -> bool {
    desired.goal == Goal::Present
        && observed.pair.is_none()
        && observed.was_acted_on
        && observed.silent_for < desired.interval * 3
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
