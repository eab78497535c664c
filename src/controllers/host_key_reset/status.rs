//! The status of a `HostKeyReset`. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::api::conditions::{COMPLETE, Conditions, FAILED, is_true, whole_seconds};
use crate::api::{HostKeyReset, HostKeyResetStatus, RECONCILE_ANNOTATION};
use crate::controllers::objects;
use crate::controllers::outcome::Verdict;
use crate::controllers::queue::Next;

use super::mark::Outcome;
use super::plan::{End, Observed};

/// The status of an object that nobody has looked at.
pub(super) fn unobserved() -> HostKeyResetStatus {
    HostKeyResetStatus { observed_generation: -1, ..HostKeyResetStatus::default() }
}

/// Whether and how the reset ended.
pub(super) fn end(status: &HostKeyResetStatus) -> Option<Outcome> {
    let id = status.operations.first().and_then(|operation| operation.id.clone()).unwrap_or_default();
    if is_true(&status.conditions, COMPLETE) {
        Some(Outcome::Succeeded(id))
    } else if is_true(&status.conditions, FAILED) {
        Some(Outcome::Failed(id))
    } else {
        None
    }
}

/// Says that the present generation was looked at, in the status and in each condition.
pub(super) fn refreshed(object: &HostKeyReset, before: &HostKeyResetStatus) -> HostKeyResetStatus {
    let generation = object.metadata.generation.unwrap_or_default();
    let mut status = before.clone();
    status.observed_generation = generation;
    status.last_handled_reconcile = objects::annotation(object, RECONCILE_ANNOTATION).map(str::to_owned);
    for condition in &mut status.conditions {
        condition.observed_generation = Some(generation);
    }
    status
}

/// The intent: from here on a call may be made.
pub(super) fn intent(
    object: &HostKeyReset,
    observed: &Observed,
    last_operation_before: Option<String>,
    instance_arn: String,
) -> HostKeyResetStatus {
    let mut status = refreshed(object, &observed.status);
    status.attempts = 1;
    status.start_time = status.start_time.or_else(|| Some(Time(whole_seconds(observed.now))));
    status.account_id = observed.account.clone().or(status.account_id);
    status.instance_arn = Some(instance_arn);
    status.last_operation_before = last_operation_before;
    let verdict = Verdict::wait(crate::api::Reason::InProgress, "the reset was begun", std::time::Duration::ZERO);
    with_conditions(object, observed, status, &verdict)
}

/// It is not over.
pub(super) fn waiting(object: &HostKeyReset, observed: &Observed, verdict: &Verdict) -> HostKeyResetStatus {
    with_conditions(object, observed, refreshed(object, &observed.status), verdict)
}

/// It is over.
pub(super) fn ended(object: &HostKeyReset, observed: &Observed, end: &End) -> HostKeyResetStatus {
    let mut status = refreshed(object, &observed.status);
    status.operations.clone_from(&end.operations);
    status.completion_time = Some(Time(whole_seconds(observed.now)));
    let verdict = if end.succeeded {
        Verdict::ready(end.reason, &end.message, Next::Change)
    } else {
        Verdict::stalled(end.reason, &end.message, Next::Change)
    };
    let type_ = if end.succeeded { COMPLETE } else { FAILED };
    let conditions = Conditions::new(&observed.status.conditions, status.observed_generation, observed.now);
    let conditions = conditions.with(type_, "True", &end.reason.to_string(), &end.message);
    status.conditions = verdict.conditions(conditions).into_list();
    status
}

fn with_conditions(
    object: &HostKeyReset,
    observed: &Observed,
    mut status: HostKeyResetStatus,
    verdict: &Verdict,
) -> HostKeyResetStatus {
    let before = object.status.as_ref().map_or(&[][..], |status| &status.conditions);
    status.conditions =
        verdict.conditions(Conditions::new(before, status.observed_generation, observed.now)).into_list();
    status
}
