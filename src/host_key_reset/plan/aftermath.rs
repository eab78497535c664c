//! What memory keeps of a reset when a reconciliation of it has ended, however it ended, and when
//! its object is gone.

use super::follow::is_answered;
use crate::api::HostKeyResetStatus;
use crate::engine::Outcome;
use crate::error::Error;
use crate::host_key_reset::claim::{ResetClaim, Stage, has_begun};
use crate::host_key_reset::mark::Mark;
use crate::host_key_reset::turns::has_surely_failed;
use crate::host_key_reset::world::Call;

/// How a reconciliation ended.
#[derive(Clone, Copy, Debug)]
pub struct Ended<'a> {
    /// The status on record. What this reconciliation could not write is not in it.
    pub status: Option<&'a HostKeyResetStatus>,
    /// Whether an object of that name is there and is this operator's, as far as the watch says.
    pub is_watched: bool,
    /// Whether that object has the uid of this one.
    pub has_uid: bool,
    /// Why it could not be finished.
    pub failure: Option<&'a Error>,
}

/// What becomes of what is known of a call, and of the turn at the instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallAfter {
    /// Both are kept.
    Kept,
    /// The object is gone: what it did tells what becomes of its turn.
    Gone,
    /// Neither is needed any more.
    Over,
}

/// What is kept of a reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aftermath {
    /// What becomes of its call.
    pub call: CallAfter,
    /// Whether its start time is kept.
    pub keeps_start: bool,
    /// Whether it failed before it began, so that no other reset waits for it.
    pub has_failed: bool,
}

/// What is kept of the reset. Of one that is over, only its row is kept. That a write finds no
/// object proves nothing: it may be there all the same. Nor does a failure of which nobody knows
/// what it wrote: it may have written an intent, which the watch shows later.
#[must_use]
pub fn aftermath(ended: Ended<'_>) -> Aftermath {
    let is_over = ended.status.is_some_and(HostKeyResetStatus::is_over);
    let is_open = !is_over && ended.status.is_some_and(|status| status.attempts > 0);
    // Another object may have its name by now.
    let keeps_start = ended.has_uid && ended.is_watched && !is_over;
    let has_failed = keeps_start && !is_open && ended.failure.is_some_and(has_surely_failed);
    let is_proven = ended.failure.is_none_or(has_surely_failed);
    let call = if !ended.is_watched {
        CallAfter::Gone
    } else if is_open || !(is_over || is_proven) {
        CallAfter::Kept
    } else {
        CallAfter::Over
    };
    Aftermath { call, keeps_start, has_failed }
}

/// What this process knows of a reset that the watch may not show yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Nothing.
    Nothing,
    /// Its intent is written.
    Intent,
    /// Its mark is written too, or was about to be.
    Mark,
}

/// Whether a call was made, or is about to be, and nothing tells which operation it began: then the
/// turn of a reset whose object is gone lasts until that call cannot take effect any more.
///
/// This is asked of the claim that was shown last, whoever wrote its mark. It may be from before
/// the intent or the mark: `seen` is what this process knows of them, and `call` is how the call
/// ended, if this process knows.
#[must_use]
pub(in crate::host_key_reset) fn may_have_called(
    claim: &ResetClaim,
    seen: Seen,
    call: Option<&Call>,
) -> bool {
    let shows_mark = claim.mark.as_ref().is_some_and(Mark::is_started);
    let is_marked = shows_mark || seen == Seen::Mark || call.is_some();
    let is_begun = has_begun(claim) || (seen != Seen::Nothing && claim.stage != Stage::Over);
    let is_answered = call.is_some_and(|call| is_answered(&claim.instance, call));
    is_marked && is_begun && claim.operations.is_empty() && !is_answered
}

/// What a published failure counts as: it is still a failure.
#[must_use]
pub fn outcome(failure: &Error) -> Outcome {
    if matches!(failure, Error::Conflict) { Outcome::Conflict } else { Outcome::KubernetesError }
}
