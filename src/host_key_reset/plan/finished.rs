//! It is over: no call, ever again. What is left to do is to keep its record right, and to let the
//! object go when its time has come.

use std::time::Duration;

use super::step::{End, Step};
use crate::api::{HostKeyResetStatus, Operation};
use crate::engine::action::Next;
use crate::engine::{self, Verdict};
use crate::host_key_reset::mark::{Mark, MarkState};
use crate::host_key_reset::message::{MARK_NOT_KEPT, Message};
use crate::host_key_reset::world::{Desired, Observed, later};

/// What the record of an end asks for.
pub(super) fn keep(
    desired: &Desired,
    observed: &Observed,
    mark: Option<&Mark>,
    end: &MarkState,
) -> Step {
    // A mark that was lost, or not written any more, is corrected.
    if mark.is_none_or(|mark| mark.state != *end) {
        // One that was just written, and is not there, is not there the next time either.
        let is_removed = observed.mark_accepted.as_ref() == Some(end);
        let message = engine::message::Message::RefusedByKubernetes { why: MARK_NOT_KEPT };
        return if is_removed {
            Step::Hinder(Verdict::retried(&message))
        } else {
            Step::WriteMark(end.clone())
        };
    }
    let completed = observed.status.completion_time.as_ref();
    let (Some(ttl), Some(completed), false) = (desired.ttl, completed, desired.deleting) else {
        return Step::Keep { tracked_by: None, next: Next::Change };
    };
    if desired.tracked_by.is_some() {
        // The tool would make it again, and it would be done again.
        return Step::Keep { tracked_by: desired.tracked_by, next: Next::Change };
    }
    let due = later(completed.0, ttl);
    if observed.now >= due {
        return Step::Delete;
    }
    // A timer does not fire early, but it counts from now, which has a fraction of a second.
    let left = due.duration_since(observed.now).unsigned_abs() + Duration::from_millis(10);
    Step::Keep { tracked_by: None, next: Next::After(left) }
}

/// Whether the mark tells more of the reset than its status, which has no end. Only a copy of the
/// object, from a backup, say, has its mark and no intent. And the mark has an end only once the
/// status has it: a tool has restored an older status since.
pub(super) fn is_remembered(mark: &Mark, status: &HostKeyResetStatus) -> bool {
    let operations = &status.operations;
    let are_over = !operations.is_empty() && operations.iter().all(Operation::is_over);
    let has_begun = status.attempts > 0 || !operations.is_empty();
    !has_begun || (mark.state != MarkState::Started && !are_over)
}

/// What the mark of an object says whose status does not tell.
pub(super) fn remembered(mark: &Mark) -> End {
    match &mark.state {
        MarkState::Started => Message::RecordLost.failed(Vec::new()),
        MarkState::Succeeded(id) => Message::DoneBefore { id }.succeeded(operation(id)),
        MarkState::Failed(id) => Message::FailedBefore { id }.failed(operation(id)),
    }
}

/// All that is still known of it.
fn operation(id: &str) -> Vec<Operation> {
    let is_known = !id.is_empty();
    is_known
        .then(|| Operation { id: Some(id.to_owned()), ..Operation::default() })
        .into_iter()
        .collect()
}
