//! What memory keeps of an object when what came of its reconciliation is published.

use crate::api::conditions::{READY, reason};
use crate::api::{LightsailKeyPairStatus, Reason};
use crate::key_pair::record;

/// What is kept of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aftermath {
    /// Whether it is kept that the object is within the limit of its account.
    pub keeps_within_limit: bool,
    /// Whether it is kept that an import was sent.
    pub keeps_import: bool,
    /// Whether it is kept that an import or deletion failed.
    pub keeps_failure: bool,
}

/// What is kept of an object that shows this status.
#[must_use]
pub fn aftermath(status: &LightsailKeyPairStatus) -> Aftermath {
    let has_pair = status.arn.is_some();
    let may_have_one = record::may_be_under_way(status);
    Aftermath {
        // Without any of them, it has nothing that would count, and is not about to.
        keeps_within_limit: has_pair || may_have_one,
        // The pair that an import makes is on record.
        keeps_import: !has_pair,
        keeps_failure: reason(&status.conditions, READY) == Some(Reason::OperationFailed),
    }
}
