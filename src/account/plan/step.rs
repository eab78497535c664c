//! What a plan returns: one next effect.

use crate::engine::{Outcome, Verdict};

/// One next effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Find out the operator's identity in the account.
    Identify,
    /// Count the objects that have acted and refer to it.
    CountUsers,
    /// Add the finalizer.
    AddFinalizer,
    /// Remove the finalizer.
    RemoveFinalizer,
    /// The reconciliation ends, and this is published.
    Finish(Verdict),
    /// The reconciliation ends with nothing to publish, and counts as this.
    Leave(Outcome),
}
