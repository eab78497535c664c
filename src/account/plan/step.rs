//! What a plan answers with: one next effect.

use crate::engine::Verdict;

/// One next effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Find out who the operator is in the account.
    Identify,
    /// Count the objects that have acted and refer to it.
    CountUsers,
    /// Add the finalizer.
    AddFinalizer,
    /// Take the finalizer off.
    RemoveFinalizer,
    /// The reconciliation is over, and this is to be published.
    Finish(Verdict),
    /// The reconciliation is over and there is nothing to publish.
    Leave,
}
