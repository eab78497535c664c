//! What a step does to the model's world, as `act` does it to the real one, and what else happens.

use std::fmt;

use super::view::{Act, Decision};
use super::world::{Budget, By, CALL_TIMEOUT, Call, LATEST, Listed, Marked, Memory, Object,
    Operation, Process, Progress, Role, Run, SETTLE_TIME, Searching, State, Status, TICK};

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Fine,
    LostBefore,
    LostAfter,
    /// It is not answered, and may be carried out later.
    Late,
    Throttled,
    Invalid,
    /// The list does not show the newest yet.
    Stale,
    /// It is answered without an operation.
    Empty,
    /// It is answered with an operation that has no id.
    Nameless,
}

/// A transition.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    Begin { process: usize },
    Step { process: usize, act: Act, fate: Fate },
    Crash { process: usize },
    Deposed { process: usize },
    TimePasses,
    Lands,
    Expires,
    Ends { operation: usize, progress: Progress },
    Suspend(bool),
    Touch,
    MarkRemoved,
    Restored,
    Others { by: By },
}

impl fmt::Display for Event {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begin { process } => write!(out, "process {process} begins to reconcile"),
            Self::Step { process, act, fate } => {
                write!(out, "process {process}: {act:?}, {fate:?}")
            }
            Self::Crash { process } => write!(out, "process {process} crashes, and another leads"),
            Self::Deposed { process } => {
                write!(out, "process {process} loses its Lease and acts until that has run out")
            }
            Self::TimePasses => write!(out, "{TICK} seconds pass"),
            Self::Lands => out.write_str("a call that was sent takes effect"),
            Self::Expires => out.write_str("a call that was sent will not take effect"),
            Self::Ends { operation, progress } => {
                write!(out, "operation {operation} becomes {progress:?}")
            }
            Self::Suspend(suspend) => write!(out, "a user sets spec.suspend to {suspend}"),
            Self::Touch => out.write_str("somebody changes the object's labels"),
            Self::MarkRemoved => out.write_str("somebody takes the mark off"),
            Self::Restored => out.write_str("the object comes back from a backup without status"),
            Self::Others { by } => write!(out, "the instance is reset by {by:?}"),
        }
    }
}

/// Whether something may be refused, lost or late in a step, and how.
pub(super) fn fates(act: Act) -> &'static [Fate] {
    match act {
        Act::Call => &[Fate::LostBefore, Fate::LostAfter, Fate::Late, Fate::Throttled,
            Fate::Invalid, Fate::Empty, Fate::Nameless],
        Act::ListOperations | Act::PollOperations => &[Fate::Stale, Fate::LostBefore],
        Act::FindInstance => &[Fate::LostBefore],
        Act::WriteIntent | Act::WriteMark(_) | Act::TakeBack | Act::End | Act::Publish => {
            &[Fate::LostBefore, Fate::LostAfter]
        }
        Act::Identify | Act::TakeTurn | Act::NoteSearch(_) | Act::Keep => &[],
    }
}

/// A run between two steps, in the world that it is in.
struct At<'a> {
    state: &'a mut State,
    process: usize,
}

/// The state after a step of a run, or `None` if that cannot happen to it.
pub(super) fn stepped(state: &State, process: usize, decision: &Decision, fate: Fate)
    -> Option<State> {
    let mut next = *state;
    let goes_on = At { state: &mut next, process }.act(decision, fate)?;
    if !goes_on {
        next.runs[process] = None;
    }
    Some(next)
}

impl At<'_> {
    fn run(&mut self) -> &mut Run {
        self.state.runs[self.process].as_mut().expect("there is a run")
    }

    /// Whether the run goes on; `None` if nothing of this kind can happen to the step.
    fn act(&mut self, decision: &Decision, fate: Fate) -> Option<bool> {
        let now = self.state.now;
        match (decision.act, fate) {
            (Act::Identify, _) => self.run().identified = true,
            (Act::TakeTurn, _) => self.run().has_turn = true,
            (Act::Keep, _) => {
                self.forget();
                return Some(false);
            }
            (Act::NoteSearch(search), _) => {
                self.run().memory.search = search;
                self.remember();
            }
            (Act::FindInstance | Act::ListOperations | Act::PollOperations, Fate::LostBefore) => {
                self.run().failed = true;
            }
            (Act::FindInstance, _) => self.run().instance = Some(now),
            (Act::ListOperations, _) => {
                let all = self.state.operations;
                let shown = all.map(|it| it.filter(|it| {
                    fate != Fate::Stale || !self.state.may_lag(it)
                }));
                if fate == Fate::Stale && shown == all {
                    return None;
                }
                let mut unlisted = all.map(|it| it.filter(|it| it.by == By::AnotherReset));
                for (place, _) in shown.iter().enumerate().filter(|(_, it)| it.is_some()) {
                    unlisted[place] = None;
                }
                self.run().listed = Some(Listed { shown, unlisted, at: now });
            }
            (Act::PollOperations, _) => {
                let number = self.run().object.status.operation.map_or(0, |(number, _)| number);
                let operation = self.state.operations[usize::from(number)];
                let is_new = operation.is_some_and(|it| {
                    self.state.may_lag(&it) && self.state.now - it.created < CALL_TIMEOUT
                });
                if fate == Fate::Stale && !is_new {
                    return None;
                }
                let polled = operation.filter(|_| fate == Fate::Fine).map(|it| it.progress);
                self.run().polled = Some((polled, now));
            }
            (Act::Call, _) => return self.call(fate),
            (Act::WriteIntent | Act::WriteMark(_) | Act::TakeBack | Act::End | Act::Publish, _) => {
                return self.write_step(decision, fate);
            }
        }
        Some(true)
    }

    fn remember(&mut self) {
        let memory = self.run().memory;
        self.state.processes[self.process].memory = memory;
    }

    /// Nothing is under way any more.
    fn forget(&mut self) {
        self.state.processes[self.process].memory = Memory::default();
    }

    fn call(&mut self, fate: Fate) -> Option<bool> {
        if fate == Fate::Late && self.state.delayed.is_some() {
            return None;
        }
        let is_refused = matches!(fate, Fate::Throttled | Fate::Invalid);
        self.state.calls += u8::from(!is_refused);
        let sent = self.state.now;
        let call = match fate {
            Fate::Fine => Call::Accepted(Some((self.state.operate(By::Call)?, Progress::Started))),
            Fate::Empty => Call::Accepted(None),
            Fate::Nameless => { self.state.operate(By::Call)?; Call::Nameless }
            Fate::LostBefore => Call::NoAnswer,
            Fate::LostAfter => { self.state.operate(By::Call)?; Call::NoAnswer }
            Fate::Late => { self.state.delayed = Some(sent); Call::NoAnswer }
            Fate::Throttled => Call::Throttled,
            Fate::Invalid => Call::Invalid,
            Fate::Stale => return None,
        };
        let run = self.run();
        (run.marked, run.listed, run.memory.call) = (None, None, Some(call));
        self.remember();
        Some(true)
    }

    /// A write of the object under the version that was read. `None` if it fails for that.
    fn write(&mut self, change: impl FnOnce(&mut Object)) -> Option<()> {
        let run = *self.run();
        if run.outdated || run.object.uid != self.state.object.uid {
            return None;
        }
        let before = self.state.object;
        change(&mut self.state.object);
        let object = self.state.object;
        if object != before {
            self.state.outdate();
        }
        let run = self.run();
        (run.object, run.outdated) = (object, false);
        Some(())
    }

    fn write_step(&mut self, decision: &Decision, fate: Fate) -> Option<bool> {
        if fate == Fate::LostBefore {
            return Some(self.ended());
        }
        let (now, status) = (self.state.now, decision.status);
        if matches!(decision.act, Act::WriteIntent | Act::WriteMark(Marked::Started)) {
            self.state.now += 1;
        }
        if matches!(decision.act, Act::WriteMark(Marked::Started)) {
            self.run().marked = Some(now);
        }
        let written = self.write(|object| match decision.act {
            Act::WriteMark(mark) => object.mark = Some(mark),
            Act::TakeBack => object.mark = None,
            _ => object.status = status,
        });
        if written.is_none() || fate == Fate::LostAfter {
            return Some(self.ended());
        }
        match decision.act {
            Act::WriteIntent => {
                let run = self.run();
                (run.intent_written, run.memory.search) = (true, Searching::default());
                self.remember();
            }
            Act::TakeBack => {
                let _ = self.write(|object| object.status = status);
                return Some(self.ended());
            }
            Act::Publish => return Some(self.ended()),
            _ => {}
        }
        Some(true)
    }

    /// The run is over. What is known is kept while a call may be under way.
    fn ended(&mut self) -> bool {
        let status = self.run().object.status;
        if status.end.is_some() || !status.attempts {
            self.forget();
        }
        false
    }
}

/// What happens on its own, and what goes wrong with processes.
pub(super) fn natural(state: &State, to: &mut dyn FnMut(Event, State)) {
    if state.delayed.is_some() {
        let mut next = State { delayed: None, ..*state };
        if next.operate(By::Call).is_some() {
            to(Event::Lands, next);
        }
        to(Event::Expires, State { delayed: None, ..*state });
    }
    for (operation, it) in state.operations.iter().enumerate() {
        if it.is_some_and(|it| it.progress == Progress::Started) {
            let faults = state.budget.faults.checked_sub(1);
            let failed = faults.map(|faults| (Progress::Failed, faults));
            let succeeded = (Progress::Succeeded, state.budget.faults);
            for (progress, faults) in failed.into_iter().chain([succeeded]) {
                let mut next = *state;
                next.budget.faults = faults;
                next.operations[operation] = it.map(|it| Operation { progress, ..it });
                to(Event::Ends { operation, progress }, next);
            }
        }
    }
    // Nothing of an end depends on the time.
    let may_wait = state.now < LATEST && state.object.status.end.is_none();
    if let Some(next) = later(state).filter(|_| may_wait) {
        to(Event::TimePasses, next);
    }
    let Some(crashes) = state.budget.crashes.checked_sub(1) else { return };
    for process in 0..2 {
        let role = state.processes[process].role;
        if role == Role::Follows {
            continue;
        }
        let mut next = *state;
        next.budget.crashes = crashes;
        next.runs[process] = None;
        let other = &mut next.processes[1 - process];
        let is_replaced = other.role == Role::Follows;
        if role == Role::Leads && is_replaced {
            other.role = Role::Leads;
        }
        let leads_again = role == Role::Leads && !is_replaced;
        let role_now = if leads_again { Role::Leads } else { Role::Follows };
        next.processes[process] = Process { role: role_now, memory: Memory::default() };
        to(Event::Crash { process }, next);
        if role == Role::Leads && is_replaced && state.runs[process].is_some() {
            let mut next = *state;
            next.budget.crashes = crashes;
            next.processes[process].role = Role::Deposed;
            next.processes[1 - process].role = Role::Leads;
            to(Event::Deposed { process }, next);
        }
    }
}

/// Some time later. What was sent takes effect before its settle time is over; an old leader has
/// ended. A run under way has slept then, which is a fault.
pub(super) fn later(state: &State) -> Option<State> {
    let mut next = State { now: state.now + TICK, ..*state };
    if state.delayed.is_some_and(|sent| next.now - sent >= CALL_TIMEOUT + SETTLE_TIME) {
        return None;
    }
    for process in 0..2 {
        if next.processes[process].role == Role::Deposed {
            next.processes[process] = Process { role: Role::Follows, memory: Memory::default() };
            next.runs[process] = None;
        }
    }
    if next.runs.iter().any(Option::is_some) {
        next.budget.faults = next.budget.faults.checked_sub(1)?;
    }
    Some(next)
}

/// What users and others do.
pub(super) fn acts(state: &State, to: &mut dyn FnMut(Event, State)) {
    let Some(acts) = state.budget.acts.checked_sub(1) else { return };
    let begun = State { budget: Budget { acts, ..state.budget }, ..*state };
    let mut touched = begun;
    touched.outdate();
    to(Event::Touch, touched);
    let suspend = !state.object.suspend;
    to(Event::Suspend(suspend), State { object: Object { suspend, ..state.object }, ..touched });
    if state.object.mark.is_some() {
        to(Event::MarkRemoved, State { object: Object { mark: None, ..state.object }, ..touched });
    }
    let restored = Object { uid: 1, status: Status::default(), ..state.object };
    if state.object.uid == 0 {
        to(Event::Restored, State { object: restored, ..touched });
    }
    for by in [By::AnotherReset, By::Person] {
        let mut next = begun;
        if next.operate(by).is_some() {
            to(Event::Others { by }, next);
        }
    }
}

/// The process that leads begins a run.
pub(super) fn begins(state: &State, process: usize) -> Option<State> {
    let it = &state.processes[process];
    if it.role != Role::Leads || state.runs[process].is_some() {
        return None;
    }
    let mut next = *state;
    next.runs[process] = Some(Run {
        object: state.object,
        outdated: false,
        identified: true,
        instance: None,
        has_turn: false,
        listed: None,
        polled: None,
        intent_written: false,
        marked: None,
        failed: false,
        memory: it.memory,
    });
    Some(next)
}
