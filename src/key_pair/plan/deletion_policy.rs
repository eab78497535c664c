//! Whether the key pair goes with its object.

use super::operations::unsettled_absence;
use crate::api::key_pair::{DeletionPolicy, Origin};
use crate::key_pair::world::{Desired, DesiredPair, Observed};

/// What deleting the object does: what the spec says, or else `Delete` for a pair that this object
/// imported. A suspended object is released.
#[must_use]
pub fn effective_deletion_policy(desired: &Desired, origin: Option<Origin>) -> DeletionPolicy {
    if desired.suspend {
        return DeletionPolicy::Retain;
    }
    if origin == Some(Origin::Adopted) && desired.limits.keep_adopted() {
        return DeletionPolicy::Retain;
    }
    let is_kept = matches!(desired.pair, DesiredPair::Default { .. })
        || matches!(origin, Some(Origin::Adopted | Origin::Default));
    let by_origin = if is_kept { DeletionPolicy::Retain } else { DeletionPolicy::Delete };
    desired.deletion_policy.unwrap_or(by_origin)
}

/// Whether the pair on record was gone before the object was to be released.
pub(super) fn is_gone_at_release(observed: &Observed) -> bool {
    observed.recorded.arn.is_some()
        && matches!(observed.done.read_for_release, Some(Ok(None)))
        && unsettled_absence(observed).is_none()
}
