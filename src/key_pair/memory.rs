//! What is remembered of key pair objects between reconciliations. Losing it costs time, never
//! safety; only an object that vanished with its finalizer is then not followed up any more.

use std::collections::HashMap;
use std::time::Instant;

use k8s_openapi::jiff::Timestamp;
use parking_lot::Mutex;

use super::claim::PairClaim;
use crate::api::LightsailKeyPair;
use crate::engine::ObjectRef;
use crate::engine::rows::Rows;
use crate::ids::Region;
use crate::lightsail::Imported;

/// What is remembered.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// What is kept of each object.
    pub(super) rows: Mutex<Rows<PairClaim>>,
    /// By region: when Lightsail was read last.
    pub(super) reads: Mutex<HashMap<Region, Instant>>,
    /// By uid, of objects whose intent this process wrote: until when an import of it that was sent
    /// can take effect, if one was.
    pub(super) imports: Mutex<HashMap<String, Option<Instant>>>,
    /// By uid: since when the Secret or ConfigMap that an object needs has been missing.
    pub(super) missing: Mutex<HashMap<String, Timestamp>>,
    /// Objects that vanished with their finalizer and are to be followed up.
    pub(super) vanished: Mutex<HashMap<ObjectRef, Vanished>>,
}

/// An object that vanished with its finalizer.
#[derive(Clone, Debug)]
pub(super) struct Vanished {
    /// How it was last.
    pub(super) object: LightsailKeyPair,
    /// The answer to the import that was under way, if one was.
    pub(super) import: Option<Imported>,
}

impl Memory {
    /// The object with this uid is gone, or its pair is.
    pub(super) fn forget(&self, uid: &str) {
        self.imports.lock().remove(uid);
        self.missing.lock().remove(uid);
    }

    /// Since when what an object needs has been missing: since now, if that is news.
    pub(super) fn missing_since(&self, uid: &str) -> Timestamp {
        *self.missing.lock().entry(uid.to_owned()).or_insert_with(Timestamp::now)
    }
}
