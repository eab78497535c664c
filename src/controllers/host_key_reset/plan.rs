//! What to do next for a reset: a function of the object, of what was seen in Lightsail, and of the time. Every decision about
//! resets is here.
//!
//! `DeleteKnownHostKeys` is called at most once (I6): a second call could wipe a host key that was recorded in between. So the
//! intent is written into the status and the mark into an annotation before the call, and where the outcome cannot be known the
//! answer is `Failed`, and a person decides. No I/O, no clock.

use std::time::Duration;

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use crate::api::host_key_reset::HostKeyResetStatus;
use crate::api::{Operation, Reason};
use crate::controllers::outcome::Verdict;
use crate::controllers::queue::Next;
use crate::lightsail;

use super::mark::{Mark, Outcome};

/// How often an operation that is under way is looked at.
const POLL: Duration = Duration::from_secs(3);
/// The type of operation that a reset is
/// (<https://docs.aws.amazon.com/lightsail/2016-11-28/api-reference/API_DeleteKnownHostKeys.html>).
const DELETE_KNOWN_HOST_KEYS: &str = "DeleteKnownHostKeys";

mod search;

use search::{newest, search};

/// What the object asks for.
#[derive(Clone, Debug)]
pub struct Desired {
    /// The instance.
    pub instance: String,
    /// How long the reset may take from its start.
    pub deadline: SignedDuration,
    /// Names the object and its immutable spec: what the mark must say.
    pub hash: String,
    /// The account that the operator must be in, if it is pinned.
    pub pinned_account: Option<String>,
}

/// What was seen and done. `None` means that nobody has looked yet.
#[derive(Clone, Debug)]
pub struct Observed {
    /// The time.
    pub now: Timestamp,
    /// The status as it is.
    pub status: HostKeyResetStatus,
    /// Whether and how it ended, by its conditions.
    pub end: Option<Outcome>,
    /// The mark, if there is one, whoever wrote it.
    pub mark: Option<Mark>,
    /// When this pass began to write the mark: then nobody has called yet.
    pub marked_at: Option<Timestamp>,
    /// The account of the credentials.
    pub account: Option<String>,
    /// The ARN of the instance, if there is one.
    pub instance_arn: Option<Option<String>>,
    /// The operations of the instance.
    pub operations: Option<Vec<Operation>>,
    /// How the call of this pass ended.
    pub call: Option<Result<Vec<Operation>, lightsail::Error>>,
    /// The operations of the status were looked up in this pass. `None` in it: Lightsail does not know it any more.
    pub polled: Option<Vec<Option<Operation>>>,
    /// The search for a call whose outcome is not known.
    pub search: Search,
    /// How long after a call was sent its effect may still appear, in two parts: the call itself, and the settle time.
    pub call_timeout: SignedDuration,
    /// See `call_timeout`.
    pub settle_time: SignedDuration,
}

/// The search for a call whose outcome is not known. Kept in memory; when it is lost, the search begins anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Search {
    /// When the search began.
    pub since: Option<Timestamp>,
    /// When the first list that counts was read, without the operation in it.
    pub first_list: Option<Timestamp>,
}

/// One next effect.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Find out which account the credentials belong to.
    Identify,
    /// Look up the instance.
    FindInstance,
    /// Read the operations of the instance, all pages.
    ListOperations,
    /// Write the intent into the status, under the version of the object that was read.
    WriteIntent {
        /// The newest operation of the kind that is there before the call.
        last_operation_before: Option<String>,
        /// The instance.
        instance_arn: String,
    },
    /// Write the mark.
    WriteMark(Outcome),
    /// Call `DeleteKnownHostKeys`.
    Call,
    /// Take the mark off, and then the intent back: the call was refused.
    TakeBack(Verdict),
    /// Look up the operations of the status.
    Poll,
    /// Note when the search began, or when its first list was read.
    NoteSearch(Search),
    /// Write the end into the status.
    End(End),
    /// Write what is under way into the status, and look again later.
    Progress {
        /// The operations as they are now.
        operations: Vec<Operation>,
        /// What to say.
        verdict: Verdict,
    },
    /// Nothing was begun. Write why into the status.
    Wait(Verdict),
    /// Nothing is left to do.
    Nothing,
}

/// How a reset ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// Whether it was done.
    pub succeeded: bool,
    /// Why.
    pub reason: Reason,
    /// For people.
    pub message: String,
    /// The operations as they are now.
    pub operations: Vec<Operation>,
}

impl End {
    fn failed(reason: Reason, message: impl Into<String>, operations: Vec<Operation>) -> Self {
        Self { succeeded: false, reason, message: message.into(), operations }
    }
}

/// The next step.
#[must_use]
pub fn plan(desired: &Desired, observed: &Observed) -> Step {
    let mark = observed.mark.as_ref().filter(|mark| mark.hash == desired.hash);
    if let Some(end) = &observed.end {
        // Over: no call, ever again. A mark that was lost or not written any more is put right.
        let is_marked = mark.is_some_and(|mark| mark.outcome == *end);
        return if is_marked { Step::Nothing } else { Step::WriteMark(end.clone()) };
    }
    if observed.status.attempts == 0 {
        return match mark {
            // Only a copy of the object, from a backup, say, has a mark and no status.
            Some(mark) if observed.status.conditions.is_empty() => Step::End(remembered(mark)),
            _ => begin(desired, observed),
        };
    }
    if let Some(call) = &observed.call {
        return after_call(desired, observed, call);
    }
    if !observed.status.operations.is_empty() {
        return follow(desired, observed);
    }
    match mark {
        None => account(desired, observed).unwrap_or(Step::WriteMark(Outcome::Started)),
        Some(_) if is_just_marked(observed) => Step::Call,
        Some(_) => search(desired, observed),
    }
}

/// Whether this pass wrote the mark a moment ago. A process that slept in between (a suspended machine, an old leader) must not call any
/// more: others may have looked for the call since, and said that nothing is to be seen of it.
fn is_just_marked(observed: &Observed) -> bool {
    observed.marked_at.is_some_and(|at| observed.now.duration_since(at) <= observed.call_timeout)
}

/// Whether the pass may be left where it is. Between the mark and the record of the answer it may not: nobody could tell afterwards
/// that the call was not made.
#[must_use]
pub fn may_stop(observed: &Observed) -> bool {
    !is_just_marked(observed) && (observed.call.is_none() || observed.end.is_some())
}

/// What the mark of a copy says.
fn remembered(mark: &Mark) -> End {
    match &mark.outcome {
        Outcome::Started => End::failed(
            Reason::OutcomeUnknown,
            "a call was begun for this object before its status was lost, and nobody can tell what became of it; no call was made",
            Vec::new(),
        ),
        Outcome::Succeeded(id) => End {
            succeeded: true,
            reason: Reason::AlreadyExecuted,
            message: format!("this reset was done before its status was lost{}; no call was made", of_operation(id)),
            operations: Vec::new(),
        },
        Outcome::Failed(id) => End::failed(
            Reason::AlreadyExecuted,
            format!("this reset failed before its status was lost{}; no call was made", of_operation(id)),
            Vec::new(),
        ),
    }
}

fn of_operation(id: &str) -> String {
    if id.is_empty() { String::new() } else { format!(" (operation {id})") }
}

/// Nothing was begun, or what was begun was refused and taken back.
fn begin(desired: &Desired, observed: &Observed) -> Step {
    if is_late(desired, observed) {
        let message =
            "Lightsail refused the reset until activeDeadlineSeconds were over; make a new HostKeyReset to try again";
        return Step::End(End::failed(Reason::DeadlineExceeded, message, Vec::new()));
    }
    if let Some(step) = account(desired, observed) {
        return step;
    }
    let Some(instance_arn) = &observed.instance_arn else { return Step::FindInstance };
    let Some(instance_arn) = instance_arn else {
        let message = format!("there is no instance {} in this region; nothing was reset", desired.instance);
        return Step::End(End::failed(Reason::InstanceNotFound, message, Vec::new()));
    };
    let Some(operations) = &observed.operations else { return Step::ListOperations };
    Step::WriteIntent {
        last_operation_before: newest(operations).and_then(|operation| operation.id.clone()),
        instance_arn: instance_arn.clone(),
    }
}

/// The step until the account is known to be the right one. Another account knows nothing of this reset: its operations would look
/// lost there.
fn account(desired: &Desired, observed: &Observed) -> Option<Step> {
    let Some(account) = &observed.account else { return Some(Step::Identify) };
    let wanted = [observed.status.account_id.as_ref(), desired.pinned_account.as_ref()];
    let wanted = wanted.into_iter().flatten().find(|wanted| *wanted != account)?;
    let message = format!("the operator's credentials are for the account {account}, and this object is for {wanted}");
    Some(Step::Wait(Verdict::stalled(Reason::WrongAccount, message, Next::After(Duration::from_mins(1)))))
}

/// The call of this pass has ended.
fn after_call(desired: &Desired, observed: &Observed, call: &Result<Vec<Operation>, lightsail::Error>) -> Step {
    match call {
        Ok(operations) => settle(desired, observed, operations.clone()),
        Err(error) if error.class == lightsail::Class::NotFound => {
            let message = format!("Lightsail knows nothing to reset for {}: {error}", desired.instance);
            Step::End(End::failed(Reason::InstanceNotFound, message, Vec::new()))
        }
        Err(error) if error.class == lightsail::Class::Invalid => {
            let message = format!("Lightsail refused the reset: {error}");
            Step::End(End::failed(Reason::OperationFailed, message, Vec::new()))
        }
        Err(error) if error.class.proves_refusal() => Step::TakeBack(Verdict::from(error)),
        Err(_) => search(desired, observed),
    }
}

/// The operations are known: look whether they are over.
fn follow(desired: &Desired, observed: &Observed) -> Step {
    let operations = &observed.status.operations;
    if operations.iter().all(Operation::is_over) {
        return settle(desired, observed, operations.clone());
    }
    if let Some(step) = account(desired, observed) {
        return step;
    }
    let Some(polled) = &observed.polled else { return Step::Poll };
    if let Some(lost) = polled.iter().position(Option::is_none) {
        let id = operations.get(lost).and_then(|operation| operation.id.as_deref()).unwrap_or_default();
        let message =
            format!("Lightsail does not know the operation {id} any more, and nobody can tell what became of it");
        return Step::End(End::failed(Reason::OutcomeUnknown, message, operations.clone()));
    }
    settle(desired, observed, polled.iter().flatten().cloned().collect())
}

/// What operations in this state mean. An empty list is a success: there was nothing to wait for.
fn settle(desired: &Desired, observed: &Observed, operations: Vec<Operation>) -> Step {
    if let Some(failed) = operations.iter().find(|operation| operation.failed()) {
        let code = failed.error_code.as_deref().unwrap_or("no error code");
        let details = failed.error_details.as_deref().unwrap_or("no details");
        let message = format!("the operation failed: {code}: {details}");
        return Step::End(End::failed(Reason::OperationFailed, message, operations));
    }
    if operations.iter().all(Operation::is_over) {
        let message = format!("the recorded host keys of {} are forgotten", desired.instance);
        return Step::End(End { succeeded: true, reason: Reason::OperationSucceeded, message, operations });
    }
    if is_late(desired, observed) {
        let message = "the operation was not over within activeDeadlineSeconds; what becomes of it is up to Lightsail";
        return Step::End(End::failed(Reason::DeadlineExceeded, message, operations));
    }
    let verdict = Verdict::wait(Reason::InProgress, "Lightsail is working on it", POLL);
    Step::Progress { operations, verdict }
}

fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.saturating_add(by).unwrap_or(Timestamp::MAX)
}

/// Whether the reset has taken longer than it may.
fn is_late(desired: &Desired, observed: &Observed) -> bool {
    let start = observed.status.start_time.as_ref().map(|time| time.0);
    start.is_some_and(|start| observed.now > later(start, desired.deadline))
}

#[cfg(test)]
#[rustfmt::skip]
mod tests;
