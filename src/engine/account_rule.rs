//! The one rule about accounts.

use std::time::Duration;

use super::message::Message;
use super::queue::Next;
use super::verdict::Verdict;
use crate::ids::AccountId;

/// How soon to ask again whose the credentials are.
const ASK_AGAIN: Duration = Duration::from_mins(1);

/// Refuses an object of another account than that of the credentials: it makes no call and releases
/// nothing, since from here everything that it has would look gone. `name` is that of the
/// `LightsailAccount` that it uses, and `way_out` what a person can do besides.
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
