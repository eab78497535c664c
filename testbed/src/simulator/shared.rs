//! What the server and the handles of a simulator have in common.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::clock::Clock;
use super::fault::{FaultHandle, Faults};
use super::request_log::RequestLog;
use super::state::State;

/// What the handles and the server have in common.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) state: Mutex<State>,
    pub(super) faults: Faults,
    /// Those that came over the admin API, by their ids.
    pub(super) admin_faults: Mutex<BTreeMap<usize, FaultHandle>>,
    /// Ids are never used twice: whoever removes a fault a second time must not hit another one.
    pub(super) last_admin_fault: AtomicUsize,
    pub(super) requests: Arc<RequestLog>,
    pub(super) clock: Clock,
}

impl Shared {
    /// The state. A panic in another thread does not take the simulator down with it.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
