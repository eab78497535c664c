//! What is remembered of resets between reconciliations. Losing it costs time, never safety.

use std::collections::HashMap;

use k8s_openapi::jiff::Timestamp;
use parking_lot::Mutex;

use super::claim::ResetClaim;
use super::turns::Turns;
use super::world::Call;
use crate::clock::Moment;
use crate::engine::ObjectRef;
use crate::engine::rows::Rows;

/// What is remembered.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// What is kept of each object.
    pub(super) rows: Mutex<Rows<ResetClaim>>,
    /// What is known of resets that are under way.
    pub(super) open: Mutex<HashMap<ObjectRef, Recollection>>,
    /// By uid: when those that are not over were started.
    pub(super) starts: Mutex<HashMap<String, Moment>>,
    /// Which reset has its turn at each instance.
    pub(super) turns: Mutex<Turns>,
}

/// What is known of a reset that is under way.
#[derive(Clone, Debug, Default)]
pub(super) struct Recollection {
    pub(super) uid: String,
    /// The search for a call whose outcome is not known.
    pub(super) search: SearchMoments,
    /// How the call ended, until that is recorded.
    pub(super) call: Option<Call>,
}

/// The search for a call whose outcome is not known, by the clock that does not jump.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SearchMoments {
    /// By Lightsail's clock.
    pub(super) intent: Option<Timestamp>,
    pub(super) since: Option<Moment>,
    pub(super) first_list: Option<Moment>,
}

impl Memory {
    /// When the object with this uid was started, as this process knew it first.
    pub(super) fn start(&self, uid: &str, known: impl FnOnce() -> Moment) -> Moment {
        let mut starts = self.starts.lock();
        *starts.entry(uid.to_owned()).or_insert_with(known)
    }

    /// When the object with this uid was started, if this process knows.
    pub(super) fn find_start(&self, uid: &str) -> Option<Moment> {
        self.starts.lock().get(uid).copied()
    }

    /// The object with this uid is over or gone.
    pub(super) fn forget_start(&self, uid: &str) {
        self.starts.lock().remove(uid);
    }

    /// Nothing is under way for this object, or it is gone.
    pub(super) fn forget(&self, at: &ObjectRef) {
        self.open.lock().remove(at);
        self.turns.lock().give_up(at);
    }

    /// What is known of the object with this uid, if it is under way.
    pub(super) fn recollection(&self, at: &ObjectRef, uid: &str) -> Recollection {
        let known = self.open.lock().get(at).filter(|known| known.uid == uid).cloned();
        known.unwrap_or_default()
    }
}
