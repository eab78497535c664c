//! What is in the way of asking Lightsail.

use crate::engine::Verdict;
use crate::engine::account_rule::refuse_account;
use crate::host_key_reset::world::{Desired, Observed};
use crate::ids::AccountId;

/// What is in the way of asking Lightsail about this reset.
pub(super) enum Hindrance {
    /// Nobody has asked whose credentials these are.
    Unidentified,
    /// Something to be published, and waited for.
    Refused(Verdict),
}

/// Whether the last read failed, or the account is not known to be the right one. Another account
/// knows nothing of this reset: its operations would look lost there.
pub(super) fn hindrance(desired: &Desired, observed: &Observed) -> Option<Hindrance> {
    if let Some(error) = &observed.failure {
        return Some(Hindrance::Refused(Verdict::from(error)));
    }
    let Some(account) = &observed.account else { return Some(Hindrance::Unidentified) };
    let recorded = observed.status.account_id.as_deref().map(AccountId::from);
    let refusal = refuse_account(account, recorded.as_ref(), desired.pinned_account.as_ref(), None);
    refusal.map(Hindrance::Refused)
}
