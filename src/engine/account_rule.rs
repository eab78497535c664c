//! The rules about accounts that key pairs and resets share.

use std::time::Duration;

use super::action::Next;
use super::message::{Message, WayOut};
use super::verdict::Verdict;
use crate::access::Grant;
use crate::ids::AccountId;
use crate::lightsail;

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
    way_out: WayOut<'_>,
) -> Option<Verdict> {
    let is_other = |wanted: &&AccountId| *wanted != account;
    let message = match (recorded.filter(is_other), pinned.filter(is_other)) {
        (Some(other), _) => Message::OfOtherAccount { account, other, name, way_out },
        (None, Some(pinned)) => Message::NotThePinnedAccount { account, pinned, way_out },
        (None, None) => return None,
    };
    Some(Verdict::stalled(message.reason(), message.to_string(), Next::After(ASK_AGAIN)))
}

/// What an error means. Of an account's, the texts of AWS are for whoever manages it. Until the
/// account is identified, what fails is its credentials. `way_out` is what else a person can do
/// then.
#[must_use]
pub fn verdict_of(
    error: &lightsail::Error,
    grant: &Grant,
    is_identified: bool,
    way_out: WayOut<'_>,
) -> Verdict {
    let verdict = Verdict::from(error);
    let Grant::Account(entry) = grant else { return verdict };
    let (name, code) = (&*entry.name, error.code.as_str());
    let message = if !is_identified && !error.kind.is_of_region() {
        let is_tagged = grant.has_tagged_sessions();
        Message::AccountFails { name, code, is_tagged, way_out }
    } else if error.kind.is_of_rights() {
        Message::RefusedByAws { name, action: error.operation, code }
    } else {
        return verdict;
    };
    Verdict { reason: message.reason(), message: message.to_string(), ..verdict }
}
