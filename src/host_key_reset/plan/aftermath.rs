//! What memory keeps of a reset when a reconciliation of it has ended, however it ended.

use crate::api::HostKeyResetStatus;
use crate::engine::Outcome;
use crate::error::Error;
use crate::host_key_reset::turns::has_surely_failed;

/// How a reconciliation ended.
#[derive(Clone, Copy, Debug)]
pub struct Ended<'a> {
    /// The status on record. What this reconciliation could not write is not in it.
    pub status: Option<&'a HostKeyResetStatus>,
    /// Whether an object of that name is there and is this operator's, as far as the watch says.
    pub is_watched: bool,
    /// Whether that object has the uid of this one.
    pub has_uid: bool,
    /// Whether its call may still take effect, and nothing tells which operation it began.
    pub may_have_called: bool,
    /// Why it could not be finished.
    pub failure: Option<&'a Error>,
}

/// What becomes of what is known of a call, and of the turn at the instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallAfter {
    /// Both are kept.
    Kept,
    /// The object is gone, and its turn lasts until its call cannot take effect any more.
    Left,
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

/// What is kept of the reset. Of an object that is gone, nothing is kept; of one that is over, only
/// its row. That a write finds none proves nothing: the object may be there all the same.
#[must_use]
pub fn aftermath(ended: Ended<'_>) -> Aftermath {
    let is_over = ended.status.is_some_and(HostKeyResetStatus::is_over);
    let is_open = !is_over && ended.status.is_some_and(|status| status.attempts > 0);
    // Another object may have its name by now.
    let keeps_start = ended.has_uid && ended.is_watched && !is_over;
    let has_failed = keeps_start && !is_open && ended.failure.is_some_and(has_surely_failed);
    let call = match (ended.is_watched, ended.may_have_called) {
        (true, _) if is_open => CallAfter::Kept,
        (false, true) => CallAfter::Left,
        (true, _) | (false, false) => CallAfter::Over,
    };
    Aftermath { call, keeps_start, has_failed }
}

/// What a published failure counts as: it is still a failure.
#[must_use]
pub fn outcome(failure: &Error) -> Outcome {
    if matches!(failure, Error::Conflict) { Outcome::Conflict } else { Outcome::KubernetesError }
}
