//! An exhaustive check of the plan that ships, in a small world: one instance, one reset, and two
//! processes of the operator. It is built like the model of key pairs, with the statuses and the
//! record that ship.
//!
//! Time is in seconds here, as deadlines are added up: each write of an intent or of a mark, and
//! each operation, takes one, and otherwise a step takes [`world::TICK`] of them: more than a Lease
//! and a call, and less than the settle time. Deadlines are as short as they can be with all that
//! still possible before them. Turns have tests of their own: this reset always has its turn, and
//! others that are done show as operations that they have recorded. Nobody edits the object but to
//! suspend it, restore it, or take its mark off.

#![expect(clippy::option_option, clippy::struct_excessive_bools,
    clippy::trivially_copy_pass_by_ref, clippy::wildcard_enum_match_arm,
    reason = "states are small values, and most code is about one variant")]

mod transitions;
mod view;
mod world;

use self::transitions::{Event, Fate, acts, begins, fates, later, natural, stepped};
use self::view::{Act, Decision, Plans};
use self::world::{Budget, By, Memory, Object, Process, Progress, Role, Run, State, Status};
use crate::api::Reason;
use crate::engine::tests::search::{ByHash, Model, Violation, hash_of, is_whole, search};

/// No more than this many steps lead from anywhere to the end of a reset, those counted that the
/// world takes on its own.
const STEPS: u32 = 60;

/// The model, and what was found out about it.
struct Resets {
    plans: Plans,
    settled: ByHash<u32>,
    budget: Budget,
}

impl Model for Resets {
    type State = State;
    type Event = Event;

    fn initial(&self) -> Vec<State> {
        let process = |role| Process { role, memory: Memory::default() };
        let object = Object { uid: 0, suspend: false, status: Status::default(), mark: None };
        vec![State {
            now: 1,
            object,
            operations: [None; 3],
            delayed: None,
            calls: 0,
            processes: [process(Role::Leads), process(Role::Follows)],
            runs: [None; 2],
            budget: self.budget,
        }]
    }

    fn transitions(&mut self, state: &State, to: &mut dyn FnMut(Event, State))
        -> Result<(), Violation<Event>> {
        let broken = |event, what: &str, run: Option<&Run>| {
            let row = run.map_or_else(String::new, |run| Plans::row(run, state.now));
            Err(Violation { event, what: what.to_owned(), row })
        };
        if state.calls > 1 {
            return broken(None, "I6: it is called twice", None);
        }
        if let Some(run) = self.hangs(state) {
            return broken(None, "I8: it does not come to its end", run.as_ref());
        }
        natural(state, to);
        acts(state, to);
        for process in 0..2 {
            if let Some(next) = begins(state, process) {
                to(Event::Begin { process }, next);
            }
            let Some(run) = &state.runs[process] else { continue };
            let decision = self.plans.decide(run, state.now);
            let act = decision.act;
            if let Some(what) = wrong(state, run, &decision) {
                let event = Event::Step { process, act, fate: Fate::Fine };
                return broken(Some(event), what, Some(run));
            }
            let mut go = |state: &State, fate: Fate| {
                if let Some(next) = stepped(state, process, &decision, fate) {
                    to(Event::Step { process, act, fate }, next);
                }
            };
            go(state, Fate::Fine);
            if let Some(faults) = state.budget.faults.checked_sub(1) {
                let disturbed = State { budget: Budget { faults, ..state.budget }, ..*state };
                for fate in fates(act) {
                    go(&disturbed, *fate);
                }
            }
        }
        Ok(())
    }

    fn describe(&self, state: &State) -> String {
        format!("{state:#?}")
    }
}

/// What does not hold of a step that is about to be taken, if anything.
fn wrong(state: &State, run: &Run, decision: &Decision) -> Option<&'static str> {
    let is_written = !run.outdated && run.object.uid == state.object.uid;
    let end = decision.status.end.filter(|_| decision.act == Act::End && is_written);
    let on_record = run.object.status;
    let is_late = on_record.start.is_some_and(|start| state.now > start + world::DEADLINE);
    match (decision.act, end) {
        (Act::WriteIntent, _) if run.object.suspend && !on_record.attempts => {
            Some("it begins while it is suspended")
        }
        (Act::Call, _) if is_late || state.now > world::NOT_AFTER => Some("it comes too late"),
        (Act::Call, _) if run.object.status.end.is_some() => Some("I6: it is called after its end"),
        (Act::Call, _) if run.object.mark.is_none() || !run.object.status.attempts => {
            Some("I6: it is called without an intent and a mark")
        }
        (Act::Call, _) if run.instance.is_none_or(|read| state.now - read > 2 * world::TICK) => {
            Some("I7: it is called without a read of the instance")
        }
        (_, Some(_)) if run.object.status.end.is_some() => Some("an end is written twice"),
        (_, Some(end)) => {
            let is_there = state.operations.iter().flatten().any(|it| it.by != By::AnotherReset);
            let was_empty = run.memory.call == Some(world::Call::Accepted(None));
            let of_others = end.operation.and_then(|id| state.operations[usize::from(id)])
                .is_some_and(|it| it.by == By::AnotherReset);
            let may_be_under_way = state.calls > 0 && end.reason != Reason::AlreadyExecuted;
            let was_called = decision.status.attempts;
            let gives_up = end.reason == Reason::DeadlineExceeded;
            let is_under_way = run.failed
                || run.polled.is_some_and(|(it, _)| it != Some(Progress::Succeeded));
            if end.succeeded && !is_there && !was_empty && end.reason != Reason::AlreadyExecuted {
                Some("it says Complete, and nothing was done")
            } else if gives_up && !is_late {
                Some("it gives up before its time")
            } else if gives_up && on_record.operation.is_some() && !is_under_way {
                Some("it gives an operation up that may be over")
            } else if of_others {
                Some("it takes an operation that another reset has recorded")
            } else if may_be_under_way && !was_called {
                Some("it says that it was not called, and it was")
            } else if end.reason == Reason::OutcomeUnknown && state.calls > 0
                && state.object.uid == 0
                && state.operations.iter().flatten()
                    .any(|it| it.by == By::Call && !state.may_lag(it)) {
                Some("it says that nobody can know, and its operation is listed")
            } else {
                None
            }
        }
        _ => None,
    }
}

impl Resets {
    /// Whether a reset does not end though nobody disturbs anything: then the run that it hangs in.
    fn hangs(&mut self, state: &State) -> Option<Option<Run>> {
        let mut at = State { budget: Budget::default(), ..*state };
        let (mut path, mut last) = (Vec::new(), None);
        let left = loop {
            let hash = hash_of(&at);
            if let Some(left) = self.settled.get(&hash) {
                break *left;
            }
            path.push(hash);
            if path.len() > STEPS as usize {
                return Some(last);
            }
            if let Some(operation) = at.operations.iter_mut().flatten()
                .find(|it| it.progress == Progress::Started) {
                operation.progress = Progress::Succeeded;
            } else if at.delayed.is_some() {
                at.delayed = None;
                at.operate(By::Call);
            } else if let Some(process) = (0..2).find(|process| at.runs[*process].is_some()) {
                last = at.runs[process];
                let decision = self.plans.decide(&at.runs[process]?, at.now);
                at = stepped(&at, process, &decision, Fate::Fine)?;
                // Time passes between two runs.
                if at.runs.iter().all(Option::is_none) && !is_over(&at) {
                    at = later(&at)?;
                }
            } else if is_over(&at) {
                break 0;
            } else {
                at = (0..2).find_map(|process| begins(&at, process)).expect("one leads");
            }
        };
        for (steps, hash) in (left + 1..).zip(path.into_iter().rev()) {
            if steps > STEPS {
                return Some(last);
            }
            self.settled.insert(hash, steps);
        }
        None
    }
}

/// Whether the reset has ended, or somebody must act.
fn is_over(state: &State) -> bool {
    state.object.status.end.is_some()
}

#[test]
#[expect(clippy::print_stdout, reason = "the counts are what a run of it tells")]
fn resets() {
    for (name, share, whole) in [
        ("crashes", [0, 1, 0], [0, 2, 0]),
        ("faults", [0, 0, 2], [0, 0, 3]),
        ("crashes and faults", [0, 0, 1], [0, 2, 1]),
        ("users, others and faults", [1, 0, 0], [1, 0, 1]),
        ("users, others and crashes", [0, 0, 0], [1, 1, 0]),
    ] {
        let [acts, crashes, faults] = if is_whole() { whole } else { share };
        let budget = Budget { acts, crashes, faults };
        let mut resets = Resets { plans: Plans::new(), settled: ByHash::default(), budget };
        match search(&mut resets) {
            Ok(it) => println!("model: {:9} {name:32} {:9} states {:9} transitions {:6.1} s",
                "Reset", it.states, it.transitions, it.time.as_secs_f64()),
            Err(found) => panic!("{name}: {found}"),
        }
    }
}
