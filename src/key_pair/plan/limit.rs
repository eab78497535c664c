//! How many key pairs a namespace may have.

use std::time::Duration;

use k8s_openapi::jiff::SignedDuration;

use super::conflict::paced;
use super::permission::account_name;
use super::reads::max_age_of_list;
use super::step::Step;
use crate::api::Reason;
use crate::engine::State;
use crate::engine::action::Next;
use crate::key_pair::message::Message;
use crate::key_pair::record::Recorded;
use crate::key_pair::world::{Desired, Observed};

/// How soon an object for which there is no room counts again, where it has few neighbors: nobody
/// says that a pair went that no object has, or that another account has in the same AWS account.
const COUNTS_AGAIN: Duration = Duration::from_mins(5);

fn counts_again(desired: &Desired) -> Duration {
    desired.interval.min(COUNTS_AGAIN)
}

/// How old a list may be in which pairs are counted.
#[must_use]
pub fn max_age_to_count(desired: &Desired) -> Duration {
    max_age_of_list(counts_again(desired))
}

/// The step that counts how many key pairs the namespace has, or refuses one more. A pair is not
/// replaced either that could not be imported then.
pub(super) fn beyond_limit(desired: &Desired, observed: &Observed) -> Option<Step> {
    let most = desired.limits.max_key_pairs?;
    let counts_in = observed.counts_at.map(|at| at.duration_since(observed.now));
    match observed.owned {
        None if let Some(left) = counts_in.filter(SignedDuration::is_positive) => {
            let left = left.unsigned_abs();
            // What shows that there was no room goes on to show that: it counts for nothing.
            let was_refused = observed.stalled_for == Some(Reason::AccountNotAllowed);
            let message = Message::CountsLater;
            Some(if was_refused { message.pause(left) } else { message.wait(left) })
        }
        None => Some(Step::CountKeyPairs),
        Some(owned) if !desired.limits.have_room(owned) => {
            let account = account_name(observed).unwrap_or_default();
            let message = Message::TooManyKeyPairs { account, most };
            let pause = paced(counts_again(desired), observed.neighbors);
            Some(message.stalled(Next::After(pause)))
        }
        Some(_) => None,
    }
}

/// Whether an object that ends its reconciliation like this tries again when another one has its
/// pair no more: it has found no room, or has yet to count.
#[must_use]
pub fn stays_in_line(desired: &Desired, observed: &Observed, state: State) -> bool {
    let found_none = observed.owned.is_some_and(|owned| !desired.limits.have_room(owned));
    found_none || state == State::Reconciling
}

/// Whether an object counts with any list, also one from before another object left its pair
/// behind: it was found to be within the limit, and its pair is on record, or the import or
/// adoption of one. One that replaces its pair adds none.
#[must_use]
pub fn has_its_place(recorded: &Recorded, is_within_limit: bool) -> bool {
    is_within_limit && recorded.may_have_pair()
}
