//! The operations are known: they are followed to their end.

use std::time::Duration;

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::deadline::{deadline, in_time, is_late};
use super::hindrance::{Hindrance, hindrance};
use super::step::{ReadStep, Step};
use crate::api::Operation;
use crate::engine::{Verdict, next_poll};
use crate::host_key_reset::message::Message;
use crate::host_key_reset::world::{Call, Desired, Observed};

/// The type of operation that a reset is
/// (<https://docs.aws.amazon.com/lightsail/2016-11-28/api-reference/API_DeleteKnownHostKeys.html>).
pub(super) const DELETE_KNOWN_HOST_KEYS: &str = "DeleteKnownHostKeys";

/// An operation that is under way is read at least so often.
const LONGEST_POLL: Duration = Duration::from_secs(3);

/// The operations of the status: find out whether they are over.
pub(super) fn follow(desired: &Desired, observed: &Observed) -> Step {
    let operations = &observed.status.operations;
    if operations.iter().all(Operation::is_over) {
        return conclude(desired, observed, operations.clone());
    }
    match hindrance(desired, observed) {
        Some(Hindrance::Unread(read)) => return read,
        Some(Hindrance::Refused(verdict)) => {
            return go_on(desired, observed, operations.clone(), verdict);
        }
        None => {}
    }
    let Some((polled, read_at)) = &observed.polled else {
        let ids = under_way(operations).filter_map(|operation| operation.id.clone()).collect();
        return Step::Read(ReadStep::PollOperations { ids });
    };
    let answers: Vec<_> = under_way(operations).zip(polled).collect();
    let is_other = |(operation, answer): &&(&Operation, &Option<Operation>)| {
        answer.as_ref().is_some_and(|answer| is_another(desired, operation, answer))
    };
    if let Some((operation, _)) = answers.iter().find(is_other) {
        let id = operation.id.as_deref().unwrap_or_default();
        let verdict = Message::AboutAnother { id }.wait(pause(observed));
        return go_on(desired, observed, operations.clone(), verdict);
    }
    let latest = as_polled(operations, polled);
    let lost = answers.iter().find(|(_, answer)| answer.is_none());
    let Some((operation, _)) = lost.filter(|_| !latest.iter().any(Operation::failed)) else {
        return conclude(desired, observed, latest);
    };
    let id = operation.id.as_deref().unwrap_or_default();
    // A moment after the call it may be that not every server of Lightsail knows it yet. What was
    // read then says nothing later either.
    if age_of_call(observed, operation, *read_at) < observed.call_timeout + observed.settle_time {
        let verdict = Message::NotKnownYet { id }.wait(pause(observed));
        return go_on(desired, observed, latest, verdict);
    }
    Step::End(Message::OperationLost { id }.failed(latest))
}

/// Whether these are what the call has begun, as far as they say, and Lightsail can be asked about
/// those of them that are not over.
pub(super) fn are_shown(instance: &str, operations: &[Operation]) -> bool {
    let is_shown = |it: &Operation| it.may_be_of(instance) && !is_nameless(it);
    operations.iter().all(is_shown)
}

/// Whether the end of the call tells that it was refused, or which operations it began.
pub(super) fn is_answered(instance: &str, call: &Call) -> bool {
    match call {
        Ok(answer) => are_shown(instance, &answer.operations),
        Err(error) => error.kind.proves_refusal(),
    }
}

/// Whether only a list can tell what becomes of it.
fn is_nameless(operation: &Operation) -> bool {
    !operation.is_over() && operation.id.is_none()
}

/// Whether an answer about the operation contradicts what it is.
fn is_another(desired: &Desired, operation: &Operation, answer: &Operation) -> bool {
    let type_ = operation.type_.as_deref().unwrap_or(DELETE_KNOWN_HOST_KEYS);
    !answer.may_be_of(&desired.instance)
        || answer.type_.as_ref().is_some_and(|answered| answered != type_)
}

/// Those that Lightsail can be asked about, and that are not over.
fn under_way(operations: &[Operation]) -> impl Iterator<Item = &Operation> {
    operations.iter().filter(|operation| operation.is_under_way())
}

/// All of them, those that were under way as they were looked up, if Lightsail knows them.
fn as_polled(operations: &[Operation], polled: &[Option<Operation>]) -> Vec<Operation> {
    let mut polled = polled.iter();
    let latest = operations.iter().map(|operation| {
        let polled = if operation.is_under_way() { polled.next() } else { None };
        let polled = polled.and_then(Option::as_ref);
        polled.map_or_else(|| operation.clone(), |polled| completed(polled, operation))
    });
    latest.collect()
}

/// An operation as it was looked up. What the answer leaves out stays as it is on record: what it
/// is, and when it was created, does not change.
fn completed(polled: &Operation, on_record: &Operation) -> Operation {
    Operation {
        id: polled.id.clone().or_else(|| on_record.id.clone()),
        type_: polled.type_.clone().or_else(|| on_record.type_.clone()),
        created_at: polled.created_at.clone().or_else(|| on_record.created_at.clone()),
        ..polled.clone()
    }
}

/// How old the call was when its operation was asked for. The start of the reset may be long before
/// it: an earlier call may have been refused and taken back. So what counts is when Lightsail made
/// the operation, or else when it was about to be asked for, both by Lightsail's clock.
fn age_of_call(observed: &Observed, operation: &Operation, read_at: Timestamp) -> SignedDuration {
    let intent = observed.intent_date();
    match operation.created().or(intent).zip(observed.lightsail_date) {
        Some((called, date)) => date.duration_since(called) - observed.now.duration_since(read_at),
        None => read_at.duration_since(observed.start().unwrap_or(observed.now)),
    }
}

/// What operations in this state mean. An empty list is a success: there was nothing to wait for.
pub(super) fn conclude(desired: &Desired, observed: &Observed, operations: Vec<Operation>) -> Step {
    if let Some(failed) = operations.iter().find(|operation| operation.failed()) {
        let end = Message::OperationFailed { operation: failed }.failed(operations.clone());
        return Step::End(end);
    }
    if operations.iter().all(Operation::succeeded) {
        let message = Message::Succeeded { instance: &desired.instance };
        return Step::End(message.succeeded(operations));
    }
    if operations.iter().all(Operation::is_over) {
        let unknown = operations.iter().find(|operation| !operation.succeeded());
        let status = unknown.and_then(|operation| operation.status.as_deref());
        let end = Message::EndUnknown { status }.failed(operations.clone());
        return Step::End(end);
    }
    let is_listed = operations.iter().any(is_nameless);
    let pause = if is_listed { observed.search_interval } else { pause(observed) };
    go_on(desired, observed, operations, Message::UnderWay.wait(pause))
}

/// When to read operations again that are under way. The start is on record to the second: it may
/// be one later than that.
fn pause(observed: &Observed) -> Duration {
    let waited = observed.start().map(|start| observed.now.duration_since(start).unsigned_abs());
    let waited = waited.map(|waited| waited.saturating_sub(Duration::from_secs(1)));
    waited.map_or(LONGEST_POLL, |waited| next_poll(waited, LONGEST_POLL))
}

/// They are not over, unless their time is.
fn go_on(
    desired: &Desired,
    observed: &Observed,
    operations: Vec<Operation>,
    verdict: Verdict,
) -> Step {
    if is_late(desired, observed) {
        let nameless = operations.iter().any(is_nameless).then_some(desired.instance.as_str());
        let message = Message::NotSeenToEnd { last: &verdict.message, nameless };
        return Step::End(message.failed(operations));
    }
    let end = deadline(desired, observed).unwrap_or(observed.now);
    Step::Progress { operations, verdict: in_time(observed, end, verdict) }
}
