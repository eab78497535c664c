//! What several plans refuse or wait for.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use super::step::Step;
use crate::api::Reason;
use crate::engine::Verdict;
use crate::engine::action::Next;
use crate::key_pair::message::Message;
use crate::key_pair::world::{Desired, Observed};

/// How soon to read again what was started a moment ago.
pub(super) const SOON: Duration = Duration::from_secs(2);

/// How soon to try again what another object is about to make possible.
const OWNER_IS_GOING: Duration = Duration::from_secs(10);

/// Refuses until something changes that no watch reports.
pub(super) fn stalled(desired: &Desired, message: &Message<'_>) -> Step {
    message.stalled(Next::After(desired.interval))
}

pub(super) fn refuse_spec(desired: &Desired) -> Option<Step> {
    let why = desired.invalid_name.as_ref()?;
    Some(Message::InvalidName { why }.stalled(Next::Change))
}

/// An object of the same name vanished, and its pair is dealt with first.
pub(super) fn wait_for_predecessor(why: Reason) -> Step {
    Message::PredecessorFirst { why }.wait(OWNER_IS_GOING)
}

/// Waits until a call cannot take effect any more.
pub(super) fn wait_until(observed: &Observed, until: Timestamp, message: &Message<'_>) -> Step {
    let left = until.duration_since(observed.now).unsigned_abs().max(SOON);
    await_outcome(observed, message, left.min(observed.timing.search_interval))
}

/// Waits until it shows what came of a call. An object whose last attempt failed keeps saying so:
/// only the end of this one is news, and the pause before the next grows if that is the same.
pub(super) fn await_outcome(observed: &Observed, message: &Message<'_>, pause: Duration) -> Step {
    still_failed(observed, pause).unwrap_or_else(|| message.wait(pause))
}

/// What an object keeps saying whose last attempt failed, while it waits for what comes of the
/// next.
pub(super) fn still_failed(observed: &Observed, pause: Duration) -> Option<Step> {
    // What a process before this one has seen is known only for as long as its calls may matter.
    let is_known = observed.has_failed || observed.predecessors_may_act > observed.now;
    let failure = observed.failed_with.as_ref().filter(|_| is_known)?;
    let next = Next::Meanwhile(pause);
    Some(Step::Finish(Verdict::stalled(Reason::OperationFailed, failure, next)))
}
