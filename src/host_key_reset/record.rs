//! What earlier reconciliations recorded in the status of a `HostKeyReset`. Pure.

use super::mark::{LONGEST_ID, MarkState};
use crate::api::HostKeyResetStatus;
use crate::api::conditions::{COMPLETE, FAILED, READY, find, is_true};

/// The status of an object that was not observed yet.
pub(super) fn unobserved() -> HostKeyResetStatus {
    HostKeyResetStatus { observed_generation: -1, ..HostKeyResetStatus::default() }
}

/// Whether and how the reset ended.
pub(super) fn end(status: &HostKeyResetStatus) -> Option<MarkState> {
    let id = status.operations.first().and_then(|operation| operation.id.clone());
    let id = id.filter(|id| id.len() <= LONGEST_ID).unwrap_or_default();
    if is_true(&status.conditions, COMPLETE) {
        Some(MarkState::Succeeded(id))
    } else if is_true(&status.conditions, FAILED) {
        Some(MarkState::Failed(id))
    } else {
        None
    }
}

/// The status after the intent is taken back: no call took effect. If one was throttled, what was
/// there before it stays, until the next intent.
pub(super) fn take_back(status: &mut HostKeyResetStatus, was_throttled: bool) {
    status.attempts = 0;
    if !was_throttled {
        (status.last_operation_before, status.lightsail_date) = (None, None);
    }
}

/// What `Ready` says.
pub(super) fn message(status: &HostKeyResetStatus) -> &str {
    find(&status.conditions, READY).map_or("", |ready| &ready.message)
}

/// What the end says.
pub(super) fn message_of_end(status: &HostKeyResetStatus) -> &str {
    let end = [COMPLETE, FAILED].into_iter().find_map(|type_| find(&status.conditions, type_));
    end.map_or("", |end| &end.message)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::jiff::Timestamp;

    use super::*;
    use crate::api::Operation;
    use crate::api::Reason;
    use crate::api::conditions::Conditions;
    use crate::digest;
    use crate::host_key_reset::mark::Mark;

    #[test]
    fn the_mark_of_an_end_is_read_as_it_was_written_however_long_an_id_is() {
        let reason = Reason::OperationFailed;
        let conditions = Conditions::new(&[], 1, Timestamp::UNIX_EPOCH);
        let conditions = conditions.with(COMPLETE, "True", reason, "").into_list();
        for (length, expected) in [(36, 36), (210, 210), (211, 0), (10_000, 0)] {
            let operation = Operation { id: Some("a".repeat(length)), ..Operation::default() };
            let (conditions, operations) = (conditions.clone(), vec![operation]);
            let status = HostKeyResetStatus { operations, conditions, ..unobserved() };
            let state = end(&status).unwrap();
            assert_eq!(state, MarkState::Succeeded("a".repeat(expected)), "{length}");
            let mark = Mark { hash: "0".repeat(32), state };
            // As the annotation is kept of what the API server sends.
            assert_eq!(Mark::parse(&digest::short(&mark.to_string())), mark, "{length}");
        }
    }
}
