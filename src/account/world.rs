//! What a plan for an account depends on.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use crate::lightsail;

/// What was read and done in this reconciliation. `None` means that it was not read yet.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is one thing that is so or not")]
pub struct Observed {
    /// The time.
    pub now: Timestamp,
    /// Whether this operator writes about accounts.
    pub is_primary: bool,
    /// Whether the object is being deleted.
    pub is_deleting: bool,
    /// Whether it has the finalizer.
    pub has_finalizer: bool,
    /// Whether it does without a selector, or Kubernetes would accept the one that it has.
    pub has_valid_selector: bool,
    /// The operator's identity in the account, as AWS says, or why it is not known.
    pub caller: Option<lightsail::Result<String>>,
    /// How many objects that have acted refer to it.
    pub users: Option<usize>,
    /// How often to check that there are credentials for it.
    pub interval: Duration,
}
