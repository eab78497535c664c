//! The one rule about accounts.

use std::time::Duration;

use super::action::Next;
use super::message::Message;
use super::verdict::Verdict;
use crate::ids::AccountId;

/// How soon to check again which account the credentials belong to.
const ASK_AGAIN: Duration = Duration::from_mins(1);

/// Refuses an object that belongs to another account than the credentials do. It makes no call and
/// releases nothing, because with these credentials everything that the object has would look gone.
/// `name` is the `LightsailAccount` that it uses, and `way_out` is what else a person can do.
#[must_use]
pub fn refuse_account(
    account: &AccountId,
    recorded: Option<&AccountId>,
    pinned: Option<&AccountId>,
    name: Option<&str>,
    way_out: Option<&str>,
) -> Option<Verdict> {
    let is_other = |wanted: &&AccountId| *wanted != account;
    let message = match (recorded.filter(is_other), pinned.filter(is_other)) {
        (Some(other), _) => Message::OfOtherAccount { account, other, name, way_out },
        (None, Some(pinned)) => Message::NotThePinnedAccount { account, pinned, way_out },
        (None, None) => return None,
    };
    Some(Verdict::stalled(message.reason(), message.to_string(), Next::After(ASK_AGAIN)))
}
