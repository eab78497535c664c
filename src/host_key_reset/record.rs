//! What earlier reconciliations recorded in the status of a `HostKeyReset`. Pure.

use super::mark::MarkState;
use crate::api::HostKeyResetStatus;
use crate::api::conditions::{COMPLETE, FAILED, READY, find, is_true};

/// The status of an object that was not observed yet.
pub(super) fn unobserved() -> HostKeyResetStatus {
    HostKeyResetStatus { observed_generation: -1, ..HostKeyResetStatus::default() }
}

/// Whether and how the reset ended.
pub(super) fn end(status: &HostKeyResetStatus) -> Option<MarkState> {
    let id =
        status.operations.first().and_then(|operation| operation.id.clone()).unwrap_or_default();
    if is_true(&status.conditions, COMPLETE) {
        Some(MarkState::Succeeded(id))
    } else if is_true(&status.conditions, FAILED) {
        Some(MarkState::Failed(id))
    } else {
        None
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
