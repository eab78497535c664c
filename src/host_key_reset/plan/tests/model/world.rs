//! The states of the model: one instance in Lightsail, one reset, and two processes of the
//! operator.

use crate::api::Reason;

/// Seconds since the object was created. Each write of an intent or of a mark, and each operation,
/// takes one.
pub(super) type Second = u16;

pub(super) const CALL_TIMEOUT: Second = 20;
pub(super) const SETTLE_TIME: Second = 60;
pub(super) const LEASE: Second = 15;
/// The reset is not started later: a call that comes after three ticks is in time if it is the
/// first or follows a search, and a second too late if an earlier one was refused.
pub(super) const NOT_AFTER: Second = 124;
/// How long it may take from its start.
pub(super) const DEADLINE: Second = 200;
/// How much time a step takes: more than a Lease and a call, and less than the settle time.
pub(super) const TICK: Second = 40;
/// Nothing is disturbed later than this; all deadlines are over then.
pub(super) const LATEST: Second = 480;

/// An operation `DeleteKnownHostKeys` of the instance; its id is its place in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Operation {
    pub(super) created: Second,
    pub(super) progress: Progress,
    pub(super) by: By,
}

/// Who caused an operation: the truth, of which a plan sees only what other resets have recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum By { Call, AnotherReset, Person }

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Progress { Started, Succeeded, Failed }

/// How the reset ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Ended {
    pub(super) succeeded: bool,
    pub(super) reason: Reason,
    pub(super) operation: Option<u8>,
}

/// What the status says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Status {
    pub(super) observed: bool,
    pub(super) attempts: bool,
    pub(super) start: Option<Second>,
    pub(super) account: bool,
    pub(super) before: Option<u8>,
    /// The time by Lightsail's clock.
    pub(super) date: Option<Second>,
    pub(super) operation: Option<(u8, Progress)>,
    pub(super) end: Option<Ended>,
}

/// What the mark says was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Marked {
    Started,
    Ended { succeeded: bool, operation: Option<u8> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Object {
    pub(super) uid: u8,
    pub(super) suspend: bool,
    pub(super) status: Status,
    pub(super) mark: Option<Marked>,
}

/// How the call ended, as a process knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Call {
    Accepted(Option<(u8, Progress)>),
    /// With an operation that has no id.
    Nameless,
    NoAnswer,
    Throttled,
    Invalid,
}

/// When the search for a lost call began, and when its first list was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Searching {
    pub(super) intent: Option<Second>,
    pub(super) since: Option<Second>,
    pub(super) first_list: Option<Second>,
}

/// What a process remembers of the reset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Memory {
    pub(super) search: Searching,
    pub(super) call: Option<Call>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Role {
    Follows,
    Leads,
    /// Another process leads; what this one has begun may go on until its Lease has run out.
    Deposed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Process {
    pub(super) role: Role,
    pub(super) memory: Memory,
}

/// The operations that a list shows, by their place.
pub(super) type Shown = [Option<Operation>; OPERATIONS];
pub(super) const OPERATIONS: usize = 3;

/// A list of the operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Listed {
    pub(super) shown: Shown,
    /// What other resets have recorded, and the list does not show yet.
    pub(super) unlisted: Shown,
    pub(super) at: Second,
}

/// A reconciliation under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Run {
    pub(super) object: Object,
    /// The object was changed since it was read.
    pub(super) outdated: bool,
    pub(super) identified: bool,
    pub(super) instance: Option<Second>,
    pub(super) has_turn: bool,
    pub(super) listed: Option<Listed>,
    /// The state of its operation, `None` if Lightsail does not know it, and when it was read.
    pub(super) polled: Option<(Option<Progress>, Second)>,
    pub(super) intent_written: bool,
    pub(super) marked: Option<Second>,
    pub(super) failed: bool,
    pub(super) memory: Memory,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Budget {
    pub(super) acts: u8,
    pub(super) crashes: u8,
    pub(super) faults: u8,
}

/// All there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct State {
    pub(super) now: Second,
    pub(super) object: Object,
    pub(super) operations: Shown,
    /// When a call was sent that was not answered and may still take effect.
    pub(super) delayed: Option<Second>,
    /// How many calls were sent that were not refused: the truth, which no plan sees.
    pub(super) calls: u8,
    pub(super) processes: [Process; 2],
    pub(super) runs: [Option<Run>; 2],
    pub(super) budget: Budget,
}

impl State {
    /// A call takes effect.
    pub(super) fn operate(&mut self, by: By) -> Option<u8> {
        let free = self.operations.iter().position(Option::is_none)?;
        self.now += 1;
        let progress = if by == By::Call { Progress::Started } else { Progress::Succeeded };
        self.operations[free] = Some(Operation { created: self.now, progress, by });
        u8::try_from(free).ok()
    }

    /// Whether an operation may be missing in a list: it was created less than the settle time ago.
    pub(super) fn may_lag(&self, operation: &Operation) -> bool {
        self.now - operation.created < SETTLE_TIME
    }

    pub(super) fn outdate(&mut self) {
        self.runs.iter_mut().flatten().for_each(|run| run.outdated = true);
    }
}
