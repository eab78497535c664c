//! Everything that the conditions and Events of a reset say, beside the errors of Lightsail: one
//! place for the words.
//!
//! Each text says what was or was not done, and what a person can do. It is the same as long as the
//! state is the same.

use std::collections::BTreeMap;
use std::fmt;

use k8s_openapi::jiff::Timestamp;

use crate::api::{Operation, Reason};
use crate::host_key_reset::world::Call;
use crate::ids::Arn;
use crate::lightsail;

/// What there is to say; `Display` has the texts.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum Message<'a> {
    // Complete
    Succeeded { instance: &'a str },
    DoneBefore { id: &'a str },

    // Reconciling
    Suspended { until: Timestamp },
    WaitingForTurn,
    InstanceNotTagged { instance: &'a str, tags: &'a BTreeMap<String, String> },
    Begun,
    UnderWay,
    NotKnownYet { id: &'a str },
    AboutAnother { id: &'a str },
    Searching,
    MakingSure,

    // What keeps it from its call
    NotYet { reason: Reason, why: &'a str, until: Timestamp },

    // Failed: nothing was reset
    InstanceNotFound { instance: &'a str, nothing: Nothing },
    NothingToReset { instance: &'a str, error: &'a lightsail::Error },
    OtherInstance { instance: &'a str, arn: &'a Arn, expected: &'a Arn, nothing: Nothing },
    Expired { not_after: Timestamp, last: Option<Last<'a>>, nothing: Nothing },
    NotInTime { deadline: Timestamp, last: Option<Last<'a>>, nothing: Nothing },
    Refused { error: &'a lightsail::Error },

    // Failed: a call was made
    OperationFailed { operation: &'a Operation },
    FailedBefore { id: &'a str },
    NotSeenToEnd { last: &'a str, nameless: Option<&'a str> },
    OperationLost { id: &'a str },
    EndUnknown { status: Option<&'a str> },
    Unknown { instance: &'a str, call: Option<&'a Call> },
    UnknownInTime { instance: &'a str, last: &'a str },
    DoneThoughThrottled { instance: &'a str, id: Option<&'a str> },
    RecordLost,

    // In the condition Suspended
    Resumed,
    // In an Event
    MarkIgnored,
    Kept { message: &'a str, tracked_by: &'a str },
    Hindered { message: &'a str, why: &'a str },
}

/// What held a reset up until its time was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Last<'a> {
    /// The reason of the condition `Ready`.
    pub reason: &'a str,
    /// Its message.
    pub message: &'a str,
}

/// How it is known that a reset made no call. `Display` has the words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nothing {
    /// It was never about to.
    WasReset,
    /// It was about to when it was interrupted, and a search found no call.
    WasFound,
}

impl fmt::Display for Nothing {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(match self {
            Self::WasReset => "nothing was reset",
            Self::WasFound => "as far as Lightsail's operations show, nothing was reset",
        })
    }
}

impl Message<'_> {
    /// The word for it.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Succeeded { .. } => Reason::OperationSucceeded,
            Self::DoneBefore { .. } | Self::FailedBefore { .. } => Reason::AlreadyExecuted,
            Self::Suspended { .. } => Reason::Suspended,
            Self::WaitingForTurn => Reason::WaitingForTurn,
            Self::InstanceNotTagged { .. } => Reason::AccountNotAllowed,
            Self::Begun
            | Self::UnderWay
            | Self::NotKnownYet { .. }
            | Self::AboutAnother { .. }
            | Self::Searching
            | Self::MakingSure => Reason::InProgress,
            Self::NotYet { reason, .. } => *reason,
            Self::InstanceNotFound { .. } | Self::NothingToReset { .. } => Reason::InstanceNotFound,
            Self::OtherInstance { .. } => Reason::PreconditionFailed,
            Self::Expired { .. } => Reason::Expired,
            Self::NotInTime { .. } | Self::NotSeenToEnd { .. } | Self::UnknownInTime { .. } => {
                Reason::DeadlineExceeded
            }
            Self::Refused { .. } | Self::OperationFailed { .. } => Reason::OperationFailed,
            Self::OperationLost { .. }
            | Self::EndUnknown { .. }
            | Self::Unknown { .. }
            | Self::DoneThoughThrottled { .. }
            | Self::RecordLost => Reason::OutcomeUnknown,
            Self::Resumed => Reason::Resumed,
            Self::MarkIgnored => Reason::MarkIgnored,
            Self::Kept { .. } => Reason::TTLIgnored,
            Self::Hindered { .. } => Reason::KubernetesError,
        }
    }
}

/// Why a mark that the API server accepted is not there.
pub(super) const MARK_NOT_KEPT: &str =
    "it does not keep the annotation lightsail-operator.dev/executed";

/// Why nothing is called under a mark that is there.
pub(super) const MARK_LATE: &str =
    "writing the annotation lightsail-operator.dev/executed took too long";

/// What follows on what keeps a reset from its call.
const NOT_YET: &str = "; nothing has been reset so far, and the operator retries until ";

/// What kept a reset from its call, without what was said of its retries.
#[must_use]
pub fn cause(message: &str) -> &str {
    message.split(NOT_YET).next().unwrap_or_default()
}

const AGAIN: &str = "create a new HostKeyReset";
/// What comes before another reset if nobody knows whether Lightsail accepted the call.
const FIND_OUT: &str = "look for the call in CloudTrail, and check the server's host key. Create a \
                        new HostKeyReset only if the browser-based client still refuses to connect";

impl fmt::Display for Message<'_> {
    #[expect(clippy::too_many_lines, reason = "an arm for each text")]
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Succeeded { instance } => {
                write!(to, "Lightsail has forgotten the recorded host keys of {instance}")
            }
            Self::DoneBefore { id } => write!(
                to,
                "this reset succeeded{} before its status was lost; the operator did not repeat \
                 it. To reset the host keys again, {AGAIN}",
                Id(id)
            ),
            Self::Suspended { until } => write!(
                to,
                "spec.suspend is true; set it to false by {until}, or the reset will fail"
            ),
            Self::WaitingForTurn => to.write_str(
                "another reset of this instance comes first; the operator runs them one at a time",
            ),
            Self::InstanceNotTagged { instance, tags } => {
                let tags: Vec<_> =
                    tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
                write!(
                    to,
                    "allowed.hostKeyReset of the LightsailAccount requires the tags {}, but \
                     {instance} does not exist in this region or does not have them; if the name \
                     is wrong, create a new HostKeyReset; otherwise tag the instance, or ask \
                     whoever manages the accounts",
                    tags.join(" ")
                )
            }
            Self::Begun => to.write_str("the reset has started"),
            Self::UnderWay => to.write_str("Lightsail has not finished the operation"),
            Self::NotKnownYet { id } => {
                write!(to, "Lightsail does not know the operation {id} yet")
            }
            Self::AboutAnother { id } => {
                write!(to, "Lightsail's response about the operation {id} describes another one")
            }
            Self::Searching => to.write_str(
                "the result of the call is unknown; the operator is searching the instance's \
                 operations for it",
            ),
            Self::MakingSure => to.write_str(
                "the operator does not know whether it has made the call; it is searching the \
                 instance's operations for the call, and makes the call only if it finds none",
            ),
            Self::NotYet { why, until, .. } => {
                write!(to, "{why}{NOT_YET}{until}; to cancel the reset, delete this object")
            }
            Self::InstanceNotFound { instance, nothing } => write!(
                to,
                "{nothing}: there is no instance {instance} in this region; check \
                 spec.instanceName and spec.region, and {AGAIN}"
            ),
            Self::NothingToReset { instance, error } => write!(
                to,
                "nothing was reset: Lightsail did not find {instance} ({error}); check \
                 spec.instanceName and spec.region, and {AGAIN}"
            ),
            Self::OtherInstance { instance, arn, expected, nothing } => write!(
                to,
                "{nothing}: the instance {instance} has the ARN {arn}, but \
                 spec.preconditions.instanceARN is {expected}; if you mean the instance that now \
                 has this name, {AGAIN} with its ARN"
            ),
            Self::Expired { not_after, last, nothing } => {
                let again = if *nothing == Nothing::WasFound { " again" } else { "" };
                write!(to, "{nothing}: this reset was not started{again} by {not_after}")?;
                held_up(to, last.as_ref())?;
                write!(to, "; if you still need it, {AGAIN}")
            }
            Self::NotInTime { deadline, last, nothing } => {
                write!(to, "{nothing} before activeDeadlineSeconds ran out at {deadline}")?;
                held_up(to, last.as_ref())?;
                write!(to, "; to try again, {AGAIN}")
            }
            Self::Refused { error } => {
                write!(to, "Lightsail refused the reset: {error}; to try again, {AGAIN}")
            }
            Self::OperationFailed { operation } => {
                let error = lightsail::Error::operation_failed(operation);
                write!(to, "the operation failed: {error}; to try again, {AGAIN}")
            }
            Self::FailedBefore { id } => write!(
                to,
                "this reset{} failed or had an unknown result before its status was lost; the \
                 operator did not repeat it. To find out which, {FIND_OUT}",
                Id(id)
            ),
            Self::NotSeenToEnd { last, nameless } => {
                write!(
                    to,
                    "the operation did not finish within activeDeadlineSeconds, but may still \
                     finish (last seen: {last}); to see its result, run aws lightsail "
                )?;
                match nameless {
                    None => to.write_str(
                        "get-operation --region REGION --operation-id ID, with the ID in \
                         status.operations",
                    ),
                    Some(instance) => write!(
                        to,
                        "get-operations-for-resource --region REGION --resource-name {instance}"
                    ),
                }
            }
            Self::OperationLost { id } => write!(
                to,
                "Lightsail no longer knows the operation {id}, so its result is unknown; {FIND_OUT}"
            ),
            Self::EndUnknown { status } => {
                to.write_str("the operation ended with ")?;
                match status {
                    Some(status) => write!(to, "the status {status:.40}")?,
                    None => to.write_str("no status")?,
                }
                write!(to, ", so its result is unknown; {FIND_OUT}")
            }
            Self::Unknown { instance, call } => {
                to.write_str("the result is unknown: ")?;
                match call {
                    Some(Ok(_)) => {
                        to.write_str("the response to the call does not show its operation")?;
                    }
                    Some(Err(error)) => write!(to, "the call failed ({error})")?,
                    None => to.write_str("the operator has no record of a response to the call")?,
                }
                write!(
                    to,
                    ", and none of the instance's operations can be matched to it; {FIND_OUT} to \
                     {instance}"
                )
            }
            Self::UnknownInTime { instance, last } => write!(
                to,
                "the result was still unknown after activeDeadlineSeconds (last seen: {last}); \
                 {FIND_OUT} to {instance}"
            ),
            Self::DoneThoughThrottled { instance, id } => {
                to.write_str(
                    "the result is unknown: Lightsail throttled the call, but shows a later reset \
                     of the instance's host keys (",
                )?;
                match id {
                    Some(id) => write!(to, "operation {id}")?,
                    None => to.write_str("without an id")?,
                }
                write!(to, "), which no other HostKeyReset has recorded; {FIND_OUT} to {instance}")
            }
            Self::RecordLost => write!(
                to,
                "the status of this object was lost after a call had started, so the result is \
                 unknown, and the operator makes no further call; {FIND_OUT}"
            ),
            Self::Resumed => to.write_str("spec.suspend was set to false"),
            Self::MarkIgnored => to.write_str(
                "the annotation lightsail-operator.dev/executed was ignored, because it belongs to \
                 another object or spec; this object counts as a new reset",
            ),
            Self::Kept { message, tracked_by } => write!(
                to,
                "{message}; ttlSecondsAfterFinished is ignored, because the object has \
                 {tracked_by}: the tool that set it would create the object again, and the reset \
                 would run again. Remove the object from its source instead"
            ),
            Self::Hindered { message, why } => write!(to, "{message}; however, {why}"),
        }
    }
}

fn held_up(to: &mut fmt::Formatter<'_>, last: Option<&Last<'_>>) -> fmt::Result {
    match last {
        Some(Last { reason, message }) => write!(to, " (last seen: {reason}: {message})"),
        None => Ok(()),
    }
}

/// An operation, if it is known.
struct Id<'a>(&'a str);

impl fmt::Display for Id<'_> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(to, " (operation {})", self.0) }
    }
}
