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
