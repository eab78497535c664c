//! An exhaustive check of the plan that ships, in a small world: Lightsail with one name, the
//! objects that want it, and the processes of the operator. The plan gets its own `Desired` and
//! `Observed`, and the statuses are written and read by the code that ships; what `act` does to the
//! world is [`effects`]. Every state within the bounds of a scenario is visited, breadth first, so
//! a path to something that does not hold is as short as it can be. It is printed with the last
//! question to the plan, as a row of its tables.
//!
//! What is left out, and why nothing is lost by it:
//!
//! - Time is what has run out. Between two disturbances either nothing does, or all windows, Leases
//!   and patience do: the plan only compares times with `now`, and windows that overlap in part
//!   differ only in which of them runs out first.
//! - A fingerprint is a key, or of a form that is not known. Annotation, tags beside the owner tag,
//!   accounts and messages are one each: no step depends on more than whether two are the same.
//! - A run knows the other object as the watch showed it when the run began. One process has one
//!   run of an object at a time, as the queue has it.
//! - A read never shows what a read before it showed to be gone or there: Lightsail is taken to be
//!   consistent from the first read on that shows a change. Before that, it may show the old.
//! - Lightsail deletes by name. If somebody replaces the pair between the read and the call, the
//!   other one goes; the properties are about the pair that was read.
//! - What follows from the one case that cannot be told apart is left out, exactly: somebody else's
//!   pair with the same key, made in the window of an intent under which an import was sent that
//!   was not refused (with any key, where the form of the fingerprint is not known).
//! - A late deletion of a pair that somebody else deletes first has no effect, and it may take the
//!   pair of another object: after a crash, nothing tells a process that it was sent. What a
//!   process deletes that does not lead any more, the next one may download meanwhile. When a
//!   deletion was is not on record here: that a process that newly leads waits for those of the one
//!   before is a row of the tables.
//! - Tags are set before the answer is due, or not at all. No operation is under way when it is
//!   answered. Later ones, operations that fail, limits of accounts and a Secret that the spec
//!   renames are rows of the tables.
//! - `AccessDenied` on reads, other accounts, Windows instances and namespaces that go away are
//!   rows of the tables.

#![expect(clippy::option_option, clippy::struct_excessive_bools,
    clippy::trivially_copy_pass_by_ref, clippy::wildcard_enum_match_arm,
    reason = "states are small values, and most code is about one variant")]

mod changes;
mod disturbances;
mod effects;
mod properties;
mod row;
mod scenario;
mod searches;
mod settle;
mod view;
mod world;

use self::disturbances::{Event, acts, at, begins, failures, informed, natural};
use self::effects::{At, Fate};
use self::properties::Step as Taken;
use self::scenario::Scenario;
use self::settle::Settled;
use self::view::{Act, Decision, Plans};
use self::world::{Budget, Maker, Object, Process, Record, Role, State};
use crate::engine::tests::search::{Model, Violation};

/// A scenario, and what was found out about it.
struct KeyPairs {
    plans: Plans,
    settled: Settled,
}

impl KeyPairs {
    fn new(scenario: Scenario) -> Self {
        Self { plans: Plans::new(scenario), settled: Settled::default() }
    }
}

/// Whether something may be refused, lost or late in a step, and how.
fn fates(act: Act) -> &'static [Fate] {
    match act {
        Act::ReadPair { .. } => &[Fate::Stale, Fate::LostBefore],
        Act::Import(_) => &[Fate::LostBefore, Fate::LostAfter, Fate::Late, Fate::Slow,
            Fate::Throttled, Fate::Denied],
        Act::Download | Act::Delete { .. } => &[Fate::LostBefore, Fate::LostAfter, Fate::Late],
        Act::AddFinalizer | Act::WriteIntent(_) | Act::RecordAdoption | Act::TagByName | Act::Tag
        | Act::RemoveTags
        | Act::SetAside(_) | Act::WriteSecret { .. } | Act::DisownSecret | Act::ReleaseTag(_)
        | Act::RemoveFinalizer { .. } | Act::Finish { .. } => &[Fate::LostBefore, Fate::LostAfter],
        Act::ReadForRelease => &[Fate::LostBefore],
        Act::ReadSource | Act::ReadSecret | Act::ReadCopy | Act::FindWindowsInstances
        | Act::ReadNamespace | Act::Generate | Act::EndFollowUp { .. } | Act::Pause
        | Act::Leave => &[],
    }
}

/// The state after a step of a run, or `None` if that cannot happen to it.
fn stepped(state: &State, (slot, process, place): (usize, usize, usize), decision: &Decision,
    fate: Fate) -> Option<State> {
    let mut next = *state;
    At { state: &mut next, slot, process, place }.act(decision, fate).then_some(next)
}

impl Model for KeyPairs {
    type State = State;
    type Event = Event;

    fn initial(&self) -> Vec<State> {
        let scenario = &self.plans.scenario;
        let object = |place: usize| scenario.objects[place].map(|spec| Object {
            uid: u8::try_from(place).unwrap(), spec, deleting: false, finalizer: false,
            record: Record::default(), intent_open: false });
        let mut state = State {
            pair: None,
            earlier: None,
            delayed: None,
            listed: !scenario.unknown_form,
            objects: [object(0), object(1)],
            secret: scenario.secret,
            source: scenario.source,
            kept: [false; 5],
            copy_taken: false,
            processes: [Process::new(Role::Leads), Process::new(Role::Follows)],
            runs: [None; 2],
            budget: scenario.budget,
        };
        if let Some(key) = scenario.pair {
            state.create(key, state.listed, Maker::Others);
            state.let_time_pass();
        }
        vec![state]
    }

    fn transitions(&mut self, state: &State, to: &mut dyn FnMut(Event, State))
        -> Result<(), Violation<Event>> {
        if let Some(what) = state.broken_by_landing() {
            return Err(Violation { event: Some(Event::Lands), what: what.to_owned(),
                row: String::new() });
        }
        self.settled.check(&mut self.plans, state)?;
        natural(state, to);
        failures(&self.plans.scenario, state, to);
        acts(&self.plans.scenario, state, to);
        for slot in 0..2 {
            begins(&self.plans.scenario, state, slot, to);
            let (process, place) = at(&self.plans.scenario, slot);
            let Some(run) = &informed(state, slot, process) else { continue };
            let decision = self.plans.decide(place, run);
            let act = decision.act;
            let step = Taken { world: state, type_: self.plans.scenario.type_, place,
                spec: self.plans.spec(run), run, decision: &decision };
            if let Some(what) = step.broken() {
                let event = Some(Event::Step { process, place, act, fate: Fate::Fine });
                return Err(Violation { event, what: what.to_owned(),
                    row: self.plans.row(place, run) });
            }
            if step.is_left_out() {
                continue;
            }
            let mut go = |state: &State, fate: Fate| {
                if let Some(next) = stepped(state, (slot, process, place), &decision, fate) {
                    to(Event::Step { process, place, act, fate }, next);
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
        format!("{:#?}\n{:#?}", state.pair, state.objects)
    }
}
