//! The search for a call whose outcome is not known.

use std::time::Duration;

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::deadline::{deadline, in_time};
use super::follow::{DELETE_KNOWN_HOST_KEYS, conclude};
use super::hindrance::{Hindrance, hindrance};
use super::step::{ReadStep, Step};
use crate::api::Operation;
use crate::engine::Verdict;
use crate::engine::action::Next;
use crate::host_key_reset::message::Message;
use crate::host_key_reset::world::{Desired, Observed, Search, later};

/// A timer does not fire early, but it counts from now, which has a fraction of a second.
const TIMER: Duration = Duration::from_millis(10);

/// A call was made, or is likely to have been, and nobody knows what became of it.
pub(super) fn search(desired: &Desired, observed: &Observed) -> Step {
    let unknown = Message::Unknown { instance: &desired.instance, call: observed.call.as_ref() };
    match find_call(desired, observed, &Message::Searching) {
        Err(step) => step,
        Ok(_) => Step::End(unknown.failed(Vec::new())),
    }
}

/// Looks for a call that may have been made among the operations of the instance. What is newer
/// than the newest one before the call, and not another reset's, is taken for it. If two lists, far
/// enough apart, do not contain it, the later one is returned; until then, the next step.
pub(super) fn find_call<'a>(
    desired: &Desired,
    observed: &'a Observed,
    searching: &Message<'_>,
) -> Result<&'a [Operation], Step> {
    let (search, intent) = (observed.search, observed.intent_date());
    let Some(since) = search.since.filter(|_| search.intent == intent) else {
        let since = Some(observed.now);
        return Err(Step::NoteSearch(Search { intent, since, first_list: None }));
    };
    match hindrance(desired, observed) {
        Some(Hindrance::Unread(read)) => return Err(read),
        Some(Hindrance::Refused(verdict)) => {
            return Err(go_on(desired, observed, since, verdict));
        }
        None => {}
    }
    let Some((operations, read_at)) = &observed.operations else {
        return Err(Step::Read(ReadStep::ListOperations));
    };
    if let Some(found) = newer(desired, observed, operations) {
        return Err(conclude(desired, observed, vec![found.clone()]));
    }
    let waiting = |until: Timestamp| {
        let left = until.duration_since(observed.now).max(SignedDuration::ZERO).unsigned_abs();
        let pause = (left + TIMER).min(observed.search_interval);
        // What failed before, such as a write to Kubernetes, is repeated after that.
        let verdict = Verdict { next: Next::Meanwhile(pause), ..searching.wait(pause) };
        Err(Step::Progress { operations: Vec::new(), verdict })
    };
    let counts_from = later(since, observed.lease_duration + observed.call_timeout);
    let Some(first_list) = search.first_list else {
        // A list that was read before the call can have been answered proves nothing.
        return if *read_at < counts_from {
            waiting(counts_from)
        } else {
            Err(Step::NoteSearch(Search { first_list: Some(*read_at), ..search }))
        };
    };
    let concluded = later(first_list, observed.settle_time);
    if *read_at < concluded { waiting(concluded) } else { Ok(operations) }
}

/// Lightsail does not tell, and its time may be up. A search gets the time that it needs, even if
/// the deadline is shorter.
fn go_on(desired: &Desired, observed: &Observed, since: Timestamp, verdict: Verdict) -> Step {
    let needed = later(since, search_time(observed));
    let end = deadline(desired, observed).map_or(needed, |deadline| deadline.max(needed));
    if observed.now > end {
        let (instance, last) = (desired.instance.as_str(), verdict.message.as_str());
        return Step::End(Message::UnknownInTime { instance, last }.failed(Vec::new()));
    }
    Step::Progress { operations: Vec::new(), verdict: in_time(observed, end, verdict) }
}

/// How long it can take until an effect is visible: until nobody else acts, the call's own time,
/// the settle time; and as much for the reads.
fn search_time(observed: &Observed) -> SignedDuration {
    (observed.lease_duration + observed.call_timeout + observed.settle_time) * 2
}

fn resets(operations: &[Operation]) -> impl Iterator<Item = &Operation> {
    operations.iter().filter(|operation| operation.type_.as_deref() == Some(DELETE_KNOWN_HOST_KEYS))
}

/// The order of the list is unverified, so the time that Lightsail gives decides. Its times are
/// compared with each other only.
fn newest(operations: &[Operation]) -> Option<&Operation> {
    resets(operations).max_by_key(|operation| operation.created())
}

/// The id of the newest operation before the call, empty if it has none. It may be one that another
/// reset has recorded, and no list shows yet: the next process may not know whose that is, if the
/// other object is gone by then. Without it in the list, only the date of the intent tells what is
/// older, so it takes that.
pub(super) fn last_before(observed: &Observed, operations: &[Operation]) -> Option<String> {
    let listed = newest(operations);
    let newest_listed = listed.and_then(Operation::created);
    let others = observed.operations_of_others.iter().filter(|it| it.created > newest_listed);
    let unlisted = others.max_by_key(|it| it.created).filter(|_| observed.lightsail_date.is_some());
    let listed = || listed.map(|it| it.id.clone().unwrap_or_default());
    unlisted.map(|it| it.id.clone()).or_else(listed)
}

/// The oldest operation of the kind that is newer than the one before the call, was not created
/// before the intent by Lightsail's clock, and is on record for no other reset. If the one before
/// the call is not listed any more, all that are listed with a time are newer.
pub(super) fn newer<'a>(
    desired: &Desired,
    observed: &Observed,
    operations: &'a [Operation],
) -> Option<&'a Operation> {
    let is_known = |operation: &&Operation| match observed.status.last_operation_before.as_deref() {
        None => true,
        // The one before the call may be any that has no id. Only the date of the intent tells.
        Some("") => {
            let (id, intent) = (operation.id.as_ref(), observed.intent_date());
            id.is_some() && operation.created().is_some() && intent.is_some()
        }
        // Without a time, one is known to be newer only if there was none before.
        Some(_) => operation.created().is_some(),
    };
    maybe_newer(observed, operations)
        .filter(|operation| operation.may_be_of(&desired.instance))
        .filter(is_known)
        .min_by_key(|operation| operation.created())
}

/// As [`newer`], and those of which nothing tells when they were created, or that name another
/// resource.
pub(super) fn maybe_newer<'a>(
    observed: &Observed,
    operations: &'a [Operation],
) -> impl Iterator<Item = &'a Operation> {
    let before = observed.status.last_operation_before.as_deref().filter(|id| !id.is_empty());
    let since = observed.intent_date();
    let is_before =
        move |operation: &&Operation| before.is_some() && operation.id.as_deref() == before;
    let is_taken = move |operation: &&Operation| {
        observed.operations_of_others.iter().any(|it| operation.id.as_ref() == Some(&it.id))
    };
    let is_older = move |operation: &&Operation| {
        operation.created().zip(since).is_some_and(|(created, since)| created < since)
    };
    let border = resets(operations).find(is_before).and_then(Operation::created);
    resets(operations)
        .filter(move |it| !is_before(it) && !is_taken(it) && !is_older(it))
        .filter(move |it| border.is_none() || it.created().is_none() || it.created() > border)
}
