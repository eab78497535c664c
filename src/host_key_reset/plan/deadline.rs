//! When a reset has taken as long as it may.

use std::time::Duration;

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use crate::engine::Verdict;
use crate::engine::action::Next;
use crate::host_key_reset::message::Message;
use crate::host_key_reset::world::{Desired, Observed, later};

/// When the reset has taken as long as it may, if it was started.
pub(super) fn deadline(desired: &Desired, observed: &Observed) -> Option<Timestamp> {
    observed.start().map(|start| later(start, desired.deadline))
}

/// Whether the reset has taken longer than it may.
pub(super) fn is_late(desired: &Desired, observed: &Observed) -> bool {
    deadline(desired, observed).is_some_and(|deadline| observed.now > deadline)
}

/// When a reset that was not called ends: at its deadline, if it was started before, or when it may
/// not be started any more.
pub(super) fn last_start(desired: &Desired, observed: &Observed) -> Timestamp {
    deadline(desired, observed)
        .map_or(desired.not_after, |deadline| deadline.min(desired.not_after))
}

/// The deadline by the start on record, which is the same in each message.
pub(super) fn deadline_on_record(desired: &Desired, observed: &Observed) -> Option<Timestamp> {
    observed.status.start_time.as_ref().map(|start| later(start.0, desired.deadline))
}

/// The verdict about what keeps a reset from its call, of which nothing was reset, in words that
/// stay the same: the start on record, and not as this process knows it.
pub(super) fn not_yet(desired: &Desired, observed: &Observed, mut verdict: Verdict) -> Verdict {
    let until = deadline_on_record(desired, observed)
        .map_or(desired.not_after, |end| end.min(desired.not_after));
    let message = Message::NotYet { reason: verdict.reason, why: &verdict.message, until };
    verdict.message = message.to_string();
    in_time(observed, last_start(desired, observed), verdict)
}

/// The verdict with a reconciliation no later than when time is up, so that this is reported when
/// it happens.
pub(super) fn in_time(observed: &Observed, end: Timestamp, mut verdict: Verdict) -> Verdict {
    let left = end.duration_since(observed.now).max(SignedDuration::ZERO).unsigned_abs()
        + Duration::from_secs(1);
    verdict.next = match verdict.next {
        Next::Change => Next::After(left),
        Next::After(pause) => Next::After(pause.min(left)),
        Next::Meanwhile(pause) => Next::Meanwhile(pause.min(left)),
        Next::Backoff | Next::StartOver => Next::BackoffWithin(left),
        Next::BackoffWithin(pause) => Next::BackoffWithin(pause.min(left)),
    };
    verdict
}
