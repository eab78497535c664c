//! What is remembered of accounts between reconciliations.

use parking_lot::Mutex;

use super::claim::NoClaim;
use crate::engine::rows::Rows;

/// What is remembered.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// What is kept of each object.
    pub(super) rows: Mutex<Rows<NoClaim>>,
}
