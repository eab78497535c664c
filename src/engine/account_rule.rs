//! The one rule about accounts.

use std::time::Duration;

use super::queue::Next;
use super::verdict::Verdict;
use crate::api::Reason;
use crate::ids::AccountId;

/// How soon to ask again whose the credentials are.
const ASK_AGAIN: Duration = Duration::from_mins(1);

/// Refuses an object of another account than that of the credentials: it makes no call and releases
/// nothing, since from here everything that it has would look gone.
#[must_use]
pub fn refuse_account(
    account: &AccountId,
    recorded: Option<&AccountId>,
    pinned: Option<&AccountId>,
) -> Option<Verdict> {
    let wanted = recorded.into_iter().chain(pinned).find(|wanted| *wanted != account)?;
    let message = format!(
        "the operator's credentials are for the account {account}, and this object is for {wanted}"
    );
    Some(Verdict::stalled(Reason::WrongAccount, message, Next::After(ASK_AGAIN)))
}
