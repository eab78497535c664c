//! What is recorded before a call is taken back, because the call was surely not made.

use super::deadline::not_yet;
use super::step::Step;
use crate::engine::Verdict;
use crate::error::Error;
use crate::host_key_reset::mark::MarkState;
use crate::host_key_reset::world::{Desired, Observed};
use crate::kube_error::{is_lasting_refusal, was_not_sent};
use crate::lightsail;

/// Takes back the mark and the intent, and says why. The mark of another object or spec stays.
pub(super) fn take_back(desired: &Desired, observed: &Observed, verdict: Verdict) -> Step {
    let verdict = not_yet(desired, observed, verdict);
    let refusal = observed.call.as_ref().and_then(|call| call.as_ref().err());
    Step::TakeBack {
        verdict,
        remove_mark: observed.own_mark(desired).is_some(),
        was_throttled: refusal.is_some_and(lightsail::Error::is_throttled_by_aws),
    }
}

/// What an object shows, if the mark of its call was refused or never sent. The call is not made
/// then, and the reconciliation goes on with that.
///
/// # Errors
/// Any other failure ends it: the mark may be there, or the reset is over already.
pub fn unwritten_mark(state: &MarkState, failure: Error) -> Result<Verdict, Error> {
    if *state == MarkState::Started
        && let Error::Kubernetes(error) = &failure
        && (is_lasting_refusal(error) || was_not_sent(error))
    {
        return Ok(Verdict::failed_request(error));
    }
    Err(failure)
}
