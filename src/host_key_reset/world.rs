//! What a plan for a reset is made of: the desired state, and what was read and done.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::mark::{Mark, MarkState};
use crate::access::Grant;
use crate::api::Operation;
use crate::api::host_key_reset::HostKeyResetStatus;
use crate::engine::Verdict;
use crate::ids::{AccountId, Arn, Region};
use crate::lightsail::{self, Instance};

/// What the object asks for.
#[derive(Clone, Debug)]
pub struct Desired {
    /// The instance.
    pub instance: String,
    /// The ARN that the instance must have, if the spec says.
    pub instance_arn: Option<Arn>,
    /// The reset is not started after this time.
    pub not_after: Timestamp,
    /// How long the reset may take from its start.
    pub deadline: SignedDuration,
    /// Whether a person wants it to wait.
    pub suspend: bool,
    /// How long the object is kept when it is over; `None` is forever.
    pub ttl: Option<SignedDuration>,
    /// The tool that would make the object again if it were deleted.
    pub tracked_by: Option<&'static str>,
    /// Whether the object is being deleted.
    pub deleting: bool,
    /// Names the object and its immutable spec: what the mark must say.
    pub hash: String,
    /// The account that the operator must be in, if it is pinned.
    pub pinned_account: Option<AccountId>,
    /// The namespace.
    pub namespace: String,
    /// The region.
    pub region: Region,
    /// The tags that the account wants the instance to have.
    pub instance_tags: BTreeMap<String, String>,
}

/// What was read and done in this reconciliation. `None` means that it was not read yet.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is one thing that is so or not")]
pub struct Observed {
    /// The time.
    pub now: Timestamp,
    /// Which credentials the reset uses.
    pub grant: Grant,
    /// The account was edited, deleted or created again since then.
    pub account_changed: bool,
    /// The labels of its namespace.
    pub namespace_labels: Option<BTreeMap<String, String>>,
    /// The status as it is.
    pub status: HostKeyResetStatus,
    /// When it was started, if this process knows better than the status: clocks jump.
    pub started: Option<Timestamp>,
    /// Whether and how it ended, by its conditions.
    pub end: Option<MarkState>,
    /// The mark, if there is one, whoever wrote it.
    pub mark: Option<Mark>,
    /// The mark is that of another object or spec, and that was said.
    pub foreign_mark_reported: bool,
    /// Whether this reconciliation wrote the intent.
    pub intent_written: bool,
    /// When this reconciliation began to write the mark: then nobody has called yet.
    pub marked_at: Option<Timestamp>,
    /// What to show if the mark of this reconciliation was surely not written.
    pub mark_unwritten: Option<Verdict>,
    /// The mark that the API server accepted last in this reconciliation. Something may have
    /// removed it before it was stored: `mark` says what is there.
    pub mark_accepted: Option<MarkState>,
    /// Whether somebody asks for a reconciliation now.
    pub asked: bool,
    /// The account of the credentials.
    pub account: Option<AccountId>,
    /// The instance.
    pub instance: Option<InstanceRead>,
    /// Whether a call that is sent now is over before another process can have the Lease.
    pub lease_outlives_call: bool,
    /// The turn of this object among the resets of the instance.
    pub turn: Turn,
    /// The operations of the instance, and when they were asked for.
    pub operations: Option<(Vec<Operation>, Timestamp)>,
    /// When the last page of them had come.
    pub listed_by: Option<Timestamp>,
    /// The time by Lightsail's clock when they were listed, or looked up, or the instance was read,
    /// whichever was last; if its answers have one.
    pub lightsail_date: Option<Timestamp>,
    /// The operations that other resets of the instance have recorded as theirs.
    pub operations_of_others: Vec<KnownOperation>,
    /// How the call ended, in this reconciliation or in an earlier one that could not record it.
    pub call: Option<Call>,
    /// The operations of the status that were under way, as they were looked up in this
    /// reconciliation, and when they were asked for. `None` in it: Lightsail does not know it.
    pub polled: Option<(Vec<Option<Operation>>, Timestamp)>,
    /// Why the last read failed.
    pub failure: Option<lightsail::Error>,
    /// The search for a call whose outcome is not known.
    pub search: Search,
    /// How long another process may still act that has lost its lease.
    pub lease_duration: SignedDuration,
    /// How long after a call was sent its effect may still appear, in two parts: the call itself,
    /// and the settle time.
    pub call_timeout: SignedDuration,
    /// See `call_timeout`.
    pub settle_time: SignedDuration,
    /// How often the operations are listed again while a call is searched for.
    pub search_interval: Duration,
}

impl Observed {
    /// The mark, if it is that of this very object and spec.
    pub(super) fn own_mark(&self, desired: &Desired) -> Option<&Mark> {
        self.mark.as_ref().filter(|mark| mark.hash == desired.hash)
    }

    /// When it was started, if it was.
    pub(super) fn start(&self) -> Option<Timestamp> {
        self.started.or(self.status.start_time.as_ref().map(|start| start.0))
    }

    /// What Lightsail's clock showed when the intent was written.
    #[must_use]
    pub fn intent_date(&self) -> Option<Timestamp> {
        self.status.lightsail_date.as_ref().and_then(|date| date.parse().ok())
    }
}

/// How the call ended.
pub(super) type Call = Result<lightsail::Acknowledged, lightsail::Error>;

/// What is kept of the operation of a reset: enough to know it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownOperation {
    /// Its id.
    pub id: String,
    /// When Lightsail created it.
    pub created: Option<Timestamp>,
}

impl KnownOperation {
    /// Of these operations, those that have an id.
    pub(super) fn all(operations: &[Operation]) -> Vec<Self> {
        let known = |it: &Operation| Some(Self { id: it.id.clone()?, created: it.created() });
        operations.iter().filter_map(known).collect()
    }
}

/// The search for a call whose outcome is not known. Kept in memory; when it is lost, the search
/// begins anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Search {
    /// `lightsailDate` of the intent that the call was made under. What was searched for an earlier
    /// one says nothing about it.
    pub intent: Option<Timestamp>,
    /// When the search began.
    pub since: Option<Timestamp>,
    /// When the first list that counts was read, without the operation in it.
    pub first_list: Option<Timestamp>,
}

/// What was read of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceRead {
    /// The instance, if there is one of that name.
    pub instance: Option<Instance>,
    /// When it was asked for.
    pub at: Timestamp,
    /// Whether it was read for another reset of the instance.
    pub shared: bool,
}

/// The turn of an object among the resets of its instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Turn {
    /// It was not asked for.
    #[default]
    NotAsked,
    /// It is this object's.
    Taken,
    /// Somebody else comes first, until then at most.
    After(Timestamp),
}

/// A time after another one.
pub(super) fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.saturating_add(by).unwrap_or(Timestamp::MAX)
}
