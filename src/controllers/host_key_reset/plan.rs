//! What to do next for a reset: a function of the object, of what was seen in Lightsail, and of the
//! time. Every decision about resets is here.
//!
//! `DeleteKnownHostKeys` is called at most once (I6): a second call could wipe a host key that was
//! recorded in between. So the intent is written into the status and the mark into an annotation
//! before the call, and where the outcome cannot be known the answer is `Failed`, and a person
//! decides. No I/O, no clock.

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

mod begin;
mod follow;
mod over;
mod search;
mod turns;

pub use turns::{Ahead, Turn, Turns};

/// What the object asks for.
#[derive(Clone, Debug)]
pub struct Desired {
    /// The instance.
    pub instance: String,
    /// The ARN that the instance must have, if the spec says.
    pub instance_arn: Option<String>,
    /// The reset is not started after this time.
    pub not_after: Timestamp,
    /// How long the reset may take from its start.
    pub deadline: SignedDuration,
    /// Whether a person wants it to wait.
    pub suspend: bool,
    /// How long the object is kept when it is over; `None` is for ever.
    pub ttl: Option<SignedDuration>,
    /// The tool that would make the object again if it were deleted.
    pub tracked_by: Option<&'static str>,
    /// Whether the object is being deleted.
    pub deleting: bool,
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
    /// Whether this pass wrote the intent.
    pub intent_written: bool,
    /// When this pass began to write the mark: then nobody has called yet.
    pub marked_at: Option<Timestamp>,
    /// The account of the credentials.
    pub account: Option<String>,
    /// The ARN of the instance, if there is one, and when it was asked for.
    pub instance: Option<(Option<String>, Timestamp)>,
    /// The turn was asked for; `Some` in it: somebody else comes first.
    pub turn: Option<Option<Ahead>>,
    /// The operations of the instance, and when they were asked for.
    pub operations: Option<(Vec<Operation>, Timestamp)>,
    /// The ids of operations that other resets of the instance have recorded as theirs.
    pub taken: Vec<String>,
    /// How the call ended, in this pass or in an earlier one that could not record it.
    pub call: Option<Call>,
    /// The operations of the status were looked up in this pass. `None` in it: Lightsail does not
    /// know it.
    pub polled: Option<Vec<Option<Operation>>>,
    /// Why the last look failed.
    pub trouble: Option<lightsail::Error>,
    /// The search for a call whose outcome is not known.
    pub search: Search,
    /// How long another process may still act that has lost its lease.
    pub lease_duration: SignedDuration,
    /// How long after a call was sent its effect may still appear, in two parts: the call itself,
    /// and the settle time.
    pub call_timeout: SignedDuration,
    /// See `call_timeout`.
    pub settle_time: SignedDuration,
}

/// How the call ended.
pub type Call = Result<lightsail::Acknowledged, lightsail::Error>;

/// The search for a call whose outcome is not known. Kept in memory; when it is lost, the search
/// begins anew.
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
    /// Look at something. That may fail, and then is tried again later.
    Look(Look),
    /// Ask for this object's turn among the resets of the instance.
    TakeTurn,
    /// Write the intent into the status.
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
    /// It is over, and its record is right. Keep it.
    Keep {
        /// The tool that would make the object again, if that is why it is kept beyond its time.
        tracked_by: Option<&'static str>,
        /// When to look again.
        next: Next,
    },
    /// It has been over for long enough: delete the object.
    Delete,
    /// The object is on its way out, and nothing was begun for it.
    Leave,
}

/// What to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Which account the credentials belong to.
    Identify,
    /// The instance.
    FindInstance,
    /// The operations of the instance, all pages.
    ListOperations,
    /// The operations of the status that are not over.
    Poll,
}

/// How a reset ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// Whether it was done.
    pub succeeded: bool,
    /// Whether a call may have been made.
    pub called: bool,
    /// Why.
    pub reason: Reason,
    /// For people.
    pub message: String,
    /// The operations as they are now.
    pub operations: Vec<Operation>,
}

impl End {
    fn succeeded(reason: Reason, message: impl Into<String>, operations: Vec<Operation>) -> Self {
        Self { succeeded: true, called: true, reason, message: message.into(), operations }
    }

    fn failed(reason: Reason, message: impl Into<String>, operations: Vec<Operation>) -> Self {
        Self { succeeded: false, ..Self::succeeded(reason, message, operations) }
    }

    /// It ends before any call, or after one that was refused.
    fn uncalled(reason: Reason, message: impl Into<String>) -> Self {
        Self { called: false, ..Self::failed(reason, message, Vec::new()) }
    }
}

/// The next step.
#[must_use]
pub fn plan(desired: &Desired, observed: &Observed) -> Step {
    let mark = observed.mark.as_ref().filter(|mark| mark.hash == desired.hash);
    if let Some(end) = &observed.end {
        return over::keep(desired, observed, mark, end);
    }
    if let Some(mark) = mark.filter(|_| observed.status.attempts == 0) {
        // Only a copy of the object, from a backup, say, has its mark and no intent.
        return Step::End(over::remembered(mark));
    }
    if !observed.status.operations.is_empty() {
        return follow::follow(desired, observed);
    }
    if let Some(call) = &observed.call {
        return after_call(desired, observed, call);
    }
    match mark {
        // An intent without a mark was never called: whoever calls has the mark first.
        None => begin::begin(desired, observed),
        Some(_) if is_just_marked(observed) => begin::call(desired, observed),
        Some(_) => search::search(desired, observed),
    }
}

/// Whether this pass wrote the mark a moment ago. A process that slept in between (a suspended
/// machine, an old leader) must not call any more: others may have looked for the call since, and
/// said that nothing is to be seen of it.
fn is_just_marked(observed: &Observed) -> bool {
    observed.marked_at.is_some_and(|at| observed.now.duration_since(at) <= observed.call_timeout)
}

/// Whether the pass may be left where it is. Between the mark and the record of the answer it may
/// not: nobody could tell afterwards that the call was not made.
#[must_use]
pub fn may_stop(observed: &Observed) -> bool {
    !is_just_marked(observed) && (observed.call.is_none() || observed.end.is_some())
}

/// What is in the way of asking Lightsail about this reset.
enum Hindrance {
    /// Nobody has looked whose credentials these are.
    Unidentified,
    /// Something to be said, and waited for.
    Trouble(Verdict),
}

/// Whether the last look failed, or the account is not known to be the right one. Another account
/// knows nothing of this reset: its operations would look lost there.
fn hindrance(desired: &Desired, observed: &Observed) -> Option<Hindrance> {
    if let Some(trouble) = &observed.trouble {
        return Some(Hindrance::Trouble(Verdict::from(trouble)));
    }
    let Some(account) = &observed.account else { return Some(Hindrance::Unidentified) };
    let wanted = [observed.status.account_id.as_ref(), desired.pinned_account.as_ref()];
    let wanted = wanted.into_iter().flatten().find(|wanted| *wanted != account)?;
    let message = format!(
        "the operator's credentials are for the account {account}, and this object is for {wanted}"
    );
    Some(Hindrance::Trouble(Verdict::stalled(
        Reason::WrongAccount,
        message,
        Next::After(Duration::from_mins(1)),
    )))
}

/// The call has ended.
fn after_call(desired: &Desired, observed: &Observed, call: &Call) -> Step {
    match call {
        Ok(answer) => follow::settle(desired, observed, answer.operations.clone()),
        Err(error) if error.class == lightsail::Class::NotFound => {
            let message =
                format!("Lightsail knows nothing to reset for {}: {error}", desired.instance);
            Step::End(End::uncalled(Reason::InstanceNotFound, message))
        }
        Err(error) if error.class == lightsail::Class::Invalid => Step::End(End::uncalled(
            Reason::OperationFailed,
            format!("Lightsail refused the reset: {error}"),
        )),
        Err(error) if error.class.proves_refusal() => {
            Step::TakeBack(in_time(observed, last_start(desired, observed), Verdict::from(error)))
        }
        Err(_) => search::search(desired, observed),
    }
}

fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.saturating_add(by).unwrap_or(Timestamp::MAX)
}

/// When the reset has taken as long as it may, if it was started.
fn deadline(desired: &Desired, observed: &Observed) -> Option<Timestamp> {
    observed.status.start_time.as_ref().map(|start| later(start.0, desired.deadline))
}

/// Whether the reset has taken longer than it may.
fn is_late(desired: &Desired, observed: &Observed) -> bool {
    deadline(desired, observed).is_some_and(|deadline| observed.now > deadline)
}

/// When a reset that was not called ends: at its deadline, if it was started before, or when it may
/// not be started any more.
fn last_start(desired: &Desired, observed: &Observed) -> Timestamp {
    deadline(desired, observed)
        .map_or(desired.not_after, |deadline| deadline.min(desired.not_after))
}

/// The verdict with a look no later than when time is up, so that this is said when it happens.
fn in_time(observed: &Observed, end: Timestamp, mut verdict: Verdict) -> Verdict {
    let left = end.duration_since(observed.now).max(SignedDuration::ZERO).unsigned_abs()
        + Duration::from_secs(1);
    verdict.next = match verdict.next {
        Next::Change => Next::After(left),
        Next::After(pause) => Next::After(pause.min(left)),
        Next::Backoff => Next::BackoffWithin(left),
        Next::BackoffWithin(pause) => Next::BackoffWithin(pause.min(left)),
    };
    verdict
}

#[cfg(test)]
#[rustfmt::skip]
mod tests;
