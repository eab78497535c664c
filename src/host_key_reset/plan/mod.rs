//! What to do next for a reset: a function of the object, of what was seen in Lightsail, and of the
//! time. Every decision about resets is here.
//!
//! `DeleteKnownHostKeys` is called at most once (I6): a second call could wipe a host key that was
//! recorded in between. So the intent is written into the status and the mark into an annotation
//! before the call, and where the outcome cannot be known the answer is `Failed`, and a person
//! decides. No I/O, no clock.

mod aftermath;
mod begin;
mod deadline;
mod finished;
mod follow;
mod hindrance;
mod search;
mod step;
mod take_back;

pub(super) use aftermath::may_have_called;
pub use aftermath::{Aftermath, CallAfter, Ended, Seen, aftermath, outcome};
pub use step::{End, ReadStep, Step};
pub use take_back::unwritten_mark;

use self::deadline::{in_time, last_start, not_yet};
use super::message::Message;
use super::world::{Call, Desired, Observed};
use crate::engine::Verdict;
use crate::lightsail::ErrorKind;

/// The next step.
#[must_use]
pub fn plan(desired: &Desired, observed: &Observed) -> Step {
    let mark = observed.own_mark(desired);
    let is_new = observed.status.observed_generation < 0 && !observed.foreign_mark_reported;
    if is_new && observed.mark.is_some() && mark.is_none() {
        // It was copied here with the metadata of another object. It counts for nothing.
        return Step::ReportForeignMark;
    }
    if let Some(end) = &observed.end {
        return finished::keep(desired, observed, mark, end);
    }
    let on_record = &observed.status.operations;
    if let Some(mark) = mark.filter(|mark| finished::is_remembered(mark, &observed.status)) {
        return Step::End(finished::remembered(mark));
    }
    if !on_record.is_empty() {
        let are_shown = follow::are_shown(&desired.instance, on_record);
        let go_on = if are_shown { follow::follow } else { search::search };
        return go_on(desired, observed);
    }
    if let Some(call) = &observed.call {
        return after_call(desired, observed, call);
    }
    match mark {
        // Whoever calls writes the mark first. But somebody may have taken it off.
        None => begin::begin(desired, observed),
        Some(_) if is_just_marked(observed) => begin::call(desired, observed),
        Some(_) if observed.marked_at.is_some() => begin::marked_too_late(desired, observed),
        Some(_) => search::search(desired, observed),
    }
}

/// Whether this reconciliation wrote the mark a moment ago. If it took longer (a suspended machine,
/// a slow webhook), it must not call any more: others that saw the mark may look for a call that
/// was sent while the Lease lasted, and say that nothing shows it.
fn is_just_marked(observed: &Observed) -> bool {
    let holds = observed.lease_duration.max(observed.call_timeout);
    let is_in_time = |at| observed.now.duration_since(at) <= holds;
    // I7: the instance was read before the mark was written.
    let read = observed.instance.as_ref();
    let is_fresh =
        read.is_none_or(|read| observed.now.duration_since(read.at) <= observed.call_timeout * 2);
    observed.marked_at.is_some_and(is_in_time) && is_fresh
}

/// What is left to do about a reconciliation that could not be finished, for this reason: to say
/// so, and to retry before time is up. What is over stays so.
#[must_use]
pub fn unfinished(desired: &Desired, observed: &Observed, verdict: Verdict) -> Step {
    if observed.end.is_some() {
        return Step::Hinder(verdict);
    }
    Step::Wait(until_its_end(desired, observed, verdict))
}

/// The verdict with a reconciliation no later than when the reset must have ended, or begun. After
/// that, what keeps failing is retried with the pauses of every failure.
fn until_its_end(desired: &Desired, observed: &Observed, verdict: Verdict) -> Verdict {
    let has_begun = observed.status.attempts > 0;
    let deadline = deadline::deadline(desired, observed).filter(|_| has_begun);
    let end = deadline.unwrap_or_else(|| last_start(desired, observed));
    if observed.now > end {
        verdict
    } else if !has_begun && observed.own_mark(desired).is_none() {
        not_yet(desired, observed, verdict)
    } else {
        in_time(observed, end, verdict)
    }
}

/// Whether the reconciliation may be left where it is. Between the mark and the record of the
/// answer it may not: nobody could tell afterwards that the call was not made.
#[must_use]
pub fn may_stop(observed: &Observed) -> bool {
    observed.marked_at.is_none() && (observed.call.is_none() || observed.end.is_some())
}

/// The call has ended.
fn after_call(desired: &Desired, observed: &Observed, call: &Call) -> Step {
    match call {
        _ if !follow::is_answered(&desired.instance, call) => search::search(desired, observed),
        Ok(answer) => follow::conclude(desired, observed, answer.operations.clone()),
        Err(error) if error.kind == ErrorKind::NotFound => {
            let message = Message::NothingToReset { instance: &desired.instance, error };
            Step::End(message.uncalled())
        }
        Err(error) if error.kind == ErrorKind::Invalid => {
            Step::End(Message::Refused { error }.uncalled())
        }
        Err(error) => take_back::take_back(desired, observed, hindrance::failed(observed, error)),
    }
}

#[cfg(test)]
#[rustfmt::skip]
mod tests;
