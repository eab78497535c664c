//! The status of a `HostKeyReset`, made of what a reconciliation came to. Pure.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::message::Message;
use super::plan::End;
use super::record;
use super::world::Observed;
use crate::api::conditions::{
    COMPLETE, Conditions, FAILED, READY, RECONCILING, STALLED, SUSPENDED, find, reason,
    whole_seconds,
};
use crate::api::{HostKeyReset, HostKeyResetStatus};
use crate::engine::action::Next;
use crate::engine::objects;
use crate::engine::{State, Verdict};
use crate::ids::{AccountId, Arn};

/// The record of the reset for an Event, whose note has room for 1 kB: the longest part comes last.
pub(super) fn record(object: &HostKeyReset, message: &str) -> String {
    let status = object.status.clone().unwrap_or_default();
    let operations: Vec<_> =
        status.operations.iter().filter_map(|operation| operation.id.as_deref()).collect();
    let or_none = |text: &str| if text.is_empty() { "none".to_owned() } else { text.to_owned() };
    format!(
        "{}; operation: {}; request: {}; caller: {}; uid: {}; reason given: {}",
        message.chars().take(300).collect::<String>(),
        or_none(&operations.join(" ")),
        or_none(&status.request_id.unwrap_or_default()),
        or_none(&status.caller_arn.unwrap_or_default()),
        object.metadata.uid.as_deref().unwrap_or_default(),
        object.spec.reason,
    )
}

/// Says that the present generation was observed, in the status and in each condition.
fn refreshed(object: &HostKeyReset, before: &HostKeyResetStatus) -> HostKeyResetStatus {
    let generation = object.metadata.generation.unwrap_or_default();
    let mut status = before.clone();
    status.observed_generation = generation;
    status.last_handled_reconcile = objects::asked(object).map(Cow::into_owned);
    for condition in &mut status.conditions {
        condition.observed_generation = Some(generation);
    }
    status
}

/// It is over, and kept. `tracked_by` says why it is kept beyond its time.
pub(super) fn kept(
    object: &HostKeyReset,
    observed: &Observed,
    tracked_by: Option<&str>,
) -> HostKeyResetStatus {
    let message = record::message_of_end(&observed.status);
    let message = match tracked_by {
        Some(tracked_by) => Message::Kept { message, tracked_by }.to_string(),
        None => message.to_owned(),
    };
    with_end(object, observed, &message)
}

/// It is over, but its mark cannot be written, or the object cannot be deleted.
pub(super) fn hindered(
    object: &HostKeyReset,
    observed: &Observed,
    why: &str,
) -> HostKeyResetStatus {
    let message = Message::Hindered { message: record::message_of_end(&observed.status), why };
    with_end(object, observed, &message.to_string())
}

/// What is over, with this message. Its end says what `Ready` and `Stalled` are, whatever they say:
/// a version that could not read the object has written its own. A version that does not know the
/// reason of the end changes only the message.
fn with_end(object: &HostKeyReset, observed: &Observed, message: &str) -> HostKeyResetStatus {
    let mut status = refreshed(object, &observed.status);
    let before = &observed.status.conditions;
    let verdict = match (reason(before, COMPLETE), reason(before, FAILED)) {
        (Some(reason), _) => Verdict::ready(reason, message, Next::Change),
        (None, Some(reason)) => Verdict::stalled(reason, message, Next::Change),
        (None, None) => return with_message(status, message),
    };
    let of_verdict = [READY, RECONCILING, STALLED];
    let kept = before.iter().filter(|old| !of_verdict.contains(&old.type_.as_str()));
    let conditions = Conditions::new(before, status.observed_generation, observed.now);
    let conditions = kept.fold(conditions, Conditions::with_old);
    status.conditions = verdict.conditions(conditions).into_list();
    status
}

fn with_message(mut status: HostKeyResetStatus, message: &str) -> HostKeyResetStatus {
    for condition in status.conditions.iter_mut().filter(|condition| condition.type_ == READY) {
        message.clone_into(&mut condition.message);
    }
    status
}

/// What is new for an Event when an object is kept beyond its time, if that was not published yet.
pub(super) fn news_of_keeping(
    before: &HostKeyResetStatus,
    after: &HostKeyResetStatus,
    tracked_by: Option<&str>,
) -> Option<String> {
    let (before, after) = (record::message(before), record::message(after));
    tracked_by.filter(|_| before != after).map(|_| after.to_owned())
}

/// The intent: from here on a call may be made.
pub(super) fn intent(
    object: &HostKeyReset,
    observed: &Observed,
    last_operation_before: Option<String>,
    instance_arn: &Arn,
    caller_arn: Option<String>,
) -> HostKeyResetStatus {
    let mut status = refreshed(object, &observed.status);
    status.attempts = 1;
    status.start_time = status.start_time.or_else(|| Some(Time(whole_seconds(observed.now))));
    let account = observed.account.as_ref().map(AccountId::to_string);
    status.account_id = account.or(status.account_id);
    status.instance_arn = Some(instance_arn.to_string());
    status.caller_arn = caller_arn;
    status.last_operation_before = last_operation_before;
    status.lightsail_date = observed.lightsail_date.map(|date| date.to_string());
    let verdict = Message::Begun.wait(std::time::Duration::ZERO);
    with_conditions(object, observed, status, None, &verdict)
}

/// It is not over.
pub(super) fn waiting(
    object: &HostKeyReset,
    observed: &Observed,
    verdict: &Verdict,
) -> HostKeyResetStatus {
    let status = refreshed(object, &observed.status);
    with_conditions(object, observed, with_answer(status, observed), None, verdict)
}

/// It is over.
pub(super) fn ended(object: &HostKeyReset, observed: &Observed, end: &End) -> HostKeyResetStatus {
    let mut status = refreshed(object, &observed.status);
    status.operations.clone_from(&end.operations);
    status.completion_time = Some(Time(whole_seconds(observed.now)));
    status.attempts = i32::from(end.called);
    let verdict = if end.succeeded {
        Verdict::ready(end.reason, &end.message, Next::Change)
    } else {
        Verdict::stalled(end.reason, &end.message, Next::Change)
    };
    let type_ = if end.succeeded { COMPLETE } else { FAILED };
    with_conditions(object, observed, with_answer(status, observed), Some(type_), &verdict)
}

/// With the id of the request that was answered, if the answer is known.
fn with_answer(mut status: HostKeyResetStatus, observed: &Observed) -> HostKeyResetStatus {
    if let Some(Ok(answer)) = &observed.call {
        status.request_id = Some(answer.request_id.clone());
    }
    status
}

fn with_conditions(
    object: &HostKeyReset,
    observed: &Observed,
    mut status: HostKeyResetStatus,
    end: Option<&str>,
    verdict: &Verdict,
) -> HostKeyResetStatus {
    let before = object.status.as_ref().map_or(&[][..], |status| &status.conditions);
    let mut conditions = Conditions::new(before, status.observed_generation, observed.now);
    if let Some(type_) = end {
        conditions = conditions.with(type_, "True", verdict.reason, &verdict.message);
    }
    let conditions = suspension(conditions, find(before, SUSPENDED), object.spec.suspend, verdict);
    status.conditions = verdict.conditions(conditions).into_list();
    status
}

/// `Suspended`, as Jobs have it: there from the first suspension on. One that ends while it is
/// suspended stays so.
fn suspension<'a>(
    conditions: Conditions<'a>,
    before: Option<&Condition>,
    suspend: bool,
    verdict: &Verdict,
) -> Conditions<'a> {
    match before {
        _ if verdict.state == State::Suspended => {
            conditions.with(SUSPENDED, "True", verdict.reason, &verdict.message)
        }
        Some(before) if suspend => conditions.with_old(before),
        Some(_) => {
            let message = Message::Resumed;
            conditions.with(SUSPENDED, "False", message.reason(), &message.to_string())
        }
        None => conditions,
    }
}
