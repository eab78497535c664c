//! What a plan answers with: one next effect.

use std::time::Duration;

use crate::api::{Operation, Reason};
use crate::engine::Verdict;
use crate::engine::action::Next;
use crate::engine::verdict::Severity;
use crate::host_key_reset::mark::MarkState;
use crate::host_key_reset::message::Message;
use crate::host_key_reset::world::Search;
use crate::ids::Arn;

/// One next effect.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Read something of AWS. That may fail, and then is tried again later.
    Read(ReadStep),
    /// Read the labels of the namespace.
    ReadNamespace,
    /// Publish an Event that the mark is that of another object or spec.
    ReportForeignMark,
    /// Ask for this object's turn among the resets of the instance.
    TakeTurn,
    /// The Lease could run out before a call is over: start over after its next renewal.
    AwaitLease,
    /// The account is no longer as it was read: begin a new reconciliation.
    StartOver,
    /// Write the intent into the status.
    WriteIntent {
        /// The newest operation of the kind that is there before the call.
        last_operation_before: Option<String>,
        /// The instance.
        instance_arn: Arn,
        /// Whether the status says with whose credentials the call is made.
        shows_caller: bool,
    },
    /// Write the mark.
    WriteMark(MarkState),
    /// Call `DeleteKnownHostKeys`.
    Call,
    /// Take the mark off, and then the intent back: the call was refused.
    TakeBack {
        /// What to say.
        verdict: Verdict,
        /// Whether there is a mark of this object's to take off.
        remove_mark: bool,
        /// Whether Lightsail throttled the call. Then what was there before it stays on record, so
        /// that the list tells if it took effect all the same.
        was_throttled: bool,
    },
    /// Note when the search began, or when its first list was read.
    NoteSearch(Search),
    /// Write the end into the status.
    End(End),
    /// Write what is under way into the status, and read again later.
    Progress {
        /// The operations as they are now.
        operations: Vec<Operation>,
        /// What to say.
        verdict: Verdict,
    },
    /// Nothing was begun. Write why into the status.
    Wait(Verdict),
    /// It is over, but its record cannot be corrected. Only a message says why.
    Hinder(Verdict),
    /// It is over, and its record is right. Keep it.
    Keep {
        /// The tool that would make the object again, if that is why it is kept beyond its time.
        tracked_by: Option<&'static str>,
        /// When to reconcile again.
        next: Next,
    },
    /// It has been over for long enough: delete the object.
    Delete,
    /// The object is on its way out, and nothing was begun for it.
    Leave,
}

/// What to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadStep {
    /// Which account the credentials belong to.
    Identify,
    /// The instance.
    FindInstance,
    /// The instance, as it was read a moment ago for another reset of it, or else now.
    FindSharedInstance {
        /// How old what was read may be.
        fresh_for: Duration,
    },
    /// The operations of the instance, all pages.
    ListOperations,
    /// The operations of the status that are under way.
    PollOperations {
        /// Their ids, in the order of the status.
        ids: Vec<String>,
    },
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
    /// The type of the Event that says this.
    #[must_use]
    pub fn severity(&self) -> Severity {
        if self.succeeded { Severity::Normal } else { Severity::Warning }
    }
}

impl Message<'_> {
    /// It is under way, and read again after a while.
    pub(in crate::host_key_reset) fn wait(&self, pause: Duration) -> Verdict {
        Verdict::wait(self.reason(), self.to_string(), pause)
    }

    /// A person must act, though not on the object.
    pub(super) fn stalled(&self) -> Verdict {
        Verdict::stalled(self.reason(), self.to_string(), Next::Backoff)
    }

    /// A person wants it to wait.
    pub(super) fn suspended(&self) -> Verdict {
        Verdict::suspended(self.to_string(), Next::Change)
    }

    /// It was done.
    pub(super) fn succeeded(&self, operations: Vec<Operation>) -> End {
        let (reason, message) = (self.reason(), self.to_string());
        End { succeeded: true, called: true, reason, message, operations }
    }

    /// A call may have been made, and it failed.
    pub(super) fn failed(&self, operations: Vec<Operation>) -> End {
        End { succeeded: false, ..self.succeeded(operations) }
    }

    /// It ends before any call, or after one that was refused.
    pub(super) fn uncalled(&self) -> End {
        End { called: false, ..self.failed(Vec::new()) }
    }
}
