//! Imports and deletions that were begun: whether they may still take effect, and what comes before
//! one is begun again.

use std::time::Duration;

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::refusals::{SOON, await_outcome, wait_until};
use super::step::Step;
use crate::api::Operation;
use crate::engine::action::Next;
use crate::engine::{Lookup, next_poll};
use crate::key_pair::message::Message;
use crate::key_pair::world::{DeletedPair, Desired, Observed};
use crate::lightsail::{self, ErrorKind, KeyPair};

/// By how much clocks that tell the time to the second may seem to differ.
pub(super) const ONE_SECOND: SignedDuration = SignedDuration::from_secs(1);

/// A deletion that seems to take longer may have taken a second more, and is asked about.
const LONG_DELETION: SignedDuration = SignedDuration::from_secs(9);

/// How often to ask about an operation that takes long.
const ASK_AGAIN: Duration = Duration::from_secs(30);

/// What an operation should have done is begun again if it seems to take longer.
const STUCK: SignedDuration = SignedDuration::from_mins(10);

/// What comes before anything is concluded from the absence of the pair on record: if Lightsail
/// had made it a moment before the read, a server may not have known it. Whoever has deleted it,
/// now or in an earlier reconciliation, has seen it.
pub(super) fn unsettled_absence(observed: &Observed) -> Option<Step> {
    let recorded = &observed.recorded;
    let deletion = observed.done.delete.as_ref().and_then(|deletion| deletion.id.as_ref());
    let was_deleted = deletion.is_some() || recorded.was_deleted;
    let is_recorded = recorded.arn.is_some() && !was_deleted;
    let made: Timestamp = recorded.created_at.as_ref().filter(|_| is_recorded)?.parse().ok()?;
    // As of the read: the process may have slept since.
    let read_at = observed.pair.as_ref().map_or(observed.now, |read| read.at);
    let age = observed.lightsail_date.unwrap_or(read_at).duration_since(made);
    let left =
        observed.timing.settle_time.saturating_sub(Duration::try_from(age).unwrap_or_default());
    let pause = left.max(SOON).min(observed.timing.search_interval);
    let message =
        if recorded.deletion.is_some() { Message::Deleting } else { Message::NotListedYet };
    (!left.is_zero()).then(|| await_outcome(observed, &message, pause))
}

/// What comes of a deletion that was answered in this reconciliation.
pub(super) fn unfinished_deletion(observed: &Observed) -> Option<Step> {
    let operation = observed.done.delete.as_ref()?;
    if operation.failed() {
        return Some(operation_failed("DeleteKeyPair", operation));
    }
    // After an answer without an operation, the pair was read again.
    let pause = pause_of_deletion(observed, operation).unwrap_or(SOON);
    operation.is_under_way().then(|| await_outcome(observed, &Message::Deleting, pause))
}

/// A deletion that an earlier reconciliation began is not begun again while it may be under way.
pub(super) fn deletion_under_way(observed: &Observed) -> Option<Step> {
    let deletion = observed.recorded.deletion.as_ref()?;
    match pause_of_deletion(observed, deletion) {
        Some(pause) => Some(await_outcome(observed, &Message::Deleting, pause)),
        None => late_operation(observed, deletion, &Message::Deleting),
    }
}

/// What comes before a deletion is sent again: the first would delete by name whatever has that by
/// then, if it took effect after the second.
pub(super) fn unanswered_deletion(observed: &Observed) -> Option<Step> {
    let until = observed.deletion_may_follow.filter(|until| *until > observed.now)?;
    Some(wait_until(observed, until, &Message::DeletionMayFollow))
}

/// What comes before another pair gets the name: a deletion that was not answered would take that.
/// After one that was answered lately, a process that led before this one may have sent one too.
pub(super) fn deletion_of_former(observed: &Observed) -> Option<Step> {
    let until = observed.predecessors_may_act;
    let may_follow = until > observed.now && was_deleted_lately(observed);
    let of_predecessor =
        may_follow.then(|| wait_until(observed, until, &Message::DeletionMayFollow));
    unanswered_deletion(observed).or(of_predecessor)
}

/// What comes before the deletion of a pair that may be gone already, and that a read may show all
/// the same: the deletion would take what has the name by then. Another process may have sent
/// one. This process may have, for whichever object. Or the status tells of it.
pub(super) fn deletion_before(observed: &Observed, pair: &KeyPair) -> Option<Step> {
    let deleted = observed.deleted.filter(|deleted| deleted.pair == DeletedPair::digest(pair));
    let is_as_deleted = observed.recorded.arn.as_ref() == Some(&pair.arn)
        && pair.is_created_at(observed.recorded.created_at.as_deref());
    let recorded = observed.recorded.deleted_at;
    let recorded = recorded.filter(|_| observed.recorded.was_deleted && is_as_deleted);
    let recorded = recorded.and_then(|at| settles_at(observed, at));
    let elsewhere = observed.deleted_elsewhere_until;
    let until = elsewhere.max(deleted.map(|deleted| deleted.until)).max(recorded);
    let until = until.filter(|until| *until > observed.now)?;
    Some(wait_until(observed, until, &Message::DeletionMayFollow))
}

/// Until when a read may show a pair by mistake that this object has deleted, as its status tells:
/// Lightsail made the pair before the deletion, which took whatever had the name.
pub(super) fn deleted_on_record_until(observed: &Observed, pair: &KeyPair) -> Option<Timestamp> {
    let recorded = &observed.recorded;
    let deleted_at = recorded.deleted_at.filter(|_| recorded.arn.is_none())?;
    let until = settles_at(observed, deleted_at)?;
    let is_older = pair.created().is_some_and(|made| made < deleted_at);
    (is_older && until > observed.now).then_some(until)
}

/// When the settle time is over after what Lightsail began then, by the operator's clock.
fn settles_at(observed: &Observed, began: Timestamp) -> Option<Timestamp> {
    let age = Duration::try_from(time_since(observed, began)).unwrap_or_default();
    let left = SignedDuration::try_from(observed.timing.settle_time.saturating_sub(age)).ok()?;
    observed.now.saturating_add(left).ok()
}

/// Whether this object, or this process for another one, deleted the pair so lately that its name
/// may not be free yet (unverified).
pub(super) fn was_deleted_lately(observed: &Observed) -> bool {
    if observed.deleted.is_some_and(|deleted| deleted.until > observed.now) {
        return true;
    }
    let answered = observed.done.delete.as_ref().and_then(Operation::created);
    let began = answered.or(observed.recorded.deleted_at);
    began.is_some_and(|began| began_lately(observed, began))
}

/// Whether this object imported a pair so lately that Lightsail may not show it yet, although the
/// settle time is over.
pub(super) fn was_imported_lately(observed: &Observed) -> bool {
    observed.recorded.imported_at.is_some_and(|began| began_lately(observed, began))
}

/// Whether what Lightsail began then may not be over yet.
fn began_lately(observed: &Observed, began: Timestamp) -> bool {
    may_be_under_way(time_since(observed, began))
}

fn may_be_under_way(waited: SignedDuration) -> bool {
    (-ONE_SECOND..STUCK).contains(&waited)
}

/// What comes before something is begun again that was under way when it was answered, and should
/// be over by now. `None` if it is over, or if nothing tells: then what Lightsail shows of the pair
/// counts.
pub(super) fn late_operation(
    observed: &Observed,
    operation: &Operation,
    under_way: &Message<'_>,
) -> Option<Step> {
    let found = match &observed.operation {
        Lookup::Unread => {
            let is_waited_for =
                operation.created().is_some_and(|began| began_lately(observed, began));
            return Some(Step::ReadOperation { id: operation.id.clone()?, is_waited_for });
        }
        Lookup::Absent => return None,
        Lookup::Found(found) => found,
    };
    let waited = time_since(observed, found.created().or_else(|| operation.created())?);
    let is_likely = found.is_under_way() && may_be_under_way(waited);
    is_likely.then(|| {
        let pause = next_poll(Duration::try_from(waited).unwrap_or_default(), ASK_AGAIN);
        await_outcome(observed, under_way, pause)
    })
}

/// What the lookup of an operation tells. One that may not be read is as good as one that Lightsail
/// does not know any more: a policy need not allow it. So is one of another resource, and one that
/// nobody waits for any more, whatever fails. Any other failure tells nothing: the operation may
/// still be under way, and what it does must not be begun a second time.
///
/// # Errors
/// If the operation may be under way, and could not be read.
pub fn looked_up(
    desired: &Desired,
    is_waited_for: bool,
    outcome: lightsail::Result<Option<Operation>>,
) -> lightsail::Result<Lookup<Operation>> {
    let found = match outcome {
        Err(error) if is_waited_for && error.kind != ErrorKind::Denied => {
            return Err(error.of_lookup());
        }
        Err(_) => None,
        Ok(found) => found,
    };
    Ok(Lookup::from(found.filter(|operation| operation.may_be_of(desired.name.as_str()))))
}

/// What comes of an operation that was late, and has failed.
pub(super) fn failed_operation(observed: &Observed, what: &str) -> Option<Step> {
    let found = observed.operation.found().filter(|found| found.failed())?;
    Some(operation_failed(what, found))
}

/// By Lightsail's clock, whose answers tell the time to the second.
fn time_since(observed: &Observed, time: Timestamp) -> SignedDuration {
    observed.lightsail_date.unwrap_or(observed.now).duration_since(time)
}

/// When to read again whether the pair is deleted; `None` if the deletion takes too long to be
/// waited for, or nothing tells how long it takes.
fn pause_of_deletion(observed: &Observed, deletion: &Operation) -> Option<Duration> {
    let waited = time_since(observed, deletion.created()?);
    let is_likely = (-ONE_SECOND..LONG_DELETION).contains(&waited);
    is_likely.then(|| next_poll(Duration::try_from(waited).unwrap_or_default(), SOON))
}

pub(super) fn operation_failed(what: &str, operation: &Operation) -> Step {
    Message::OperationFailed { what, operation }.stalled(Next::Backoff)
}
