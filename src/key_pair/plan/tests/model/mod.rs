//! An exhaustive check of the plan that ships, in a small world: Lightsail with one name, one or
//! two objects, and one or two processes of the operator.

mod disturbances;
mod effects;
mod properties;
mod row;
mod scenario;
mod settle;
mod view;
mod world;

use self::disturbances::{Event, acts, at, begins, failures, natural};
use self::effects::{At, Fate};
use self::properties::Step as Taken;
use self::scenario::{May, PLAIN, Scenario, Spec, Type};
use self::settle::Settled;
use self::view::{Act, Decision, Plans};
use self::world::{Budget, Key, Maker, Object, Process, Record, Role, State};
use crate::api::key_pair::{AdoptionPolicy, DeletionPolicy, ReplacePolicy};
use crate::engine::tests::search::{Model, Violation, is_whole, search};

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
        Act::AddFinalizer | Act::WriteIntent(_) | Act::RecordAdoption | Act::Tag | Act::Download
        | Act::SetAside(_) | Act::WriteSecret { .. } | Act::Delete { .. } | Act::ReleaseTag(_)
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
        self.settled.check(&mut self.plans, state)?;
        natural(state, to);
        failures(&self.plans.scenario, state, to);
        acts(&self.plans.scenario, state, to);
        for slot in 0..2 {
            begins(&self.plans.scenario, state, slot, to);
            let Some(run) = &state.runs[slot] else { continue };
            let (process, place) = at(&self.plans.scenario, slot);
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
                fates(act).iter().for_each(|fate| go(&disturbed, *fate));
            }
        }
        Ok(())
    }

    fn describe(&self, state: &State) -> String {
        format!("{:#?}\n{:#?}", state.pair, state.objects)
    }
}

/// Searches scenarios and prints a line for each.
#[expect(clippy::print_stdout, reason = "the counts are what a run of it tells")]
fn search_all(scenarios: Vec<Scenario>) {
    for scenario in scenarios {
        let (name, type_) = (scenario.name, scenario.type_);
        match search(&mut KeyPairs::new(scenario)) {
            Ok(searched) => println!("model: {type_:?}: {name}: {} states, {} transitions, {:.1} s",
                searched.states, searched.transitions, searched.time.as_secs_f64()),
            Err(found) => panic!("{type_:?}: {name}: {found}"),
        }
    }
}

fn budget(share: [u8; 3], whole: [u8; 3]) -> Budget {
    let [acts, crashes, faults] = if is_whole() { whole } else { share };
    Budget { acts, crashes, faults }
}

/// Deletion and absence, with and without a policy.
const SPECS: [Spec; 4] = [
    PLAIN,
    Spec { absent: true, ..PLAIN },
    Spec { policy: Some(DeletionPolicy::Delete), ..PLAIN },
    Spec { policy: Some(DeletionPolicy::Retain), ..PLAIN },
];

#[test]
fn imported() {
    let replaced = Spec { replace: ReplacePolicy::Recreate, ..PLAIN };
    let keys = [PLAIN, Spec { key: Key::B, ..replaced }, replaced, Spec { key: Key::B, ..PLAIN }];
    let expected = Spec { expected: Some(Key::A), ..PLAIN };
    let others = [PLAIN, Spec { absent: true, ..expected }, Spec { suspend: true, ..PLAIN },
        Spec { adoption: AdoptionPolicy::TakeOver, ..PLAIN },
        Spec { adoption: AdoptionPolicy::Never, ..PLAIN }];
    let referring = Spec { from_source: true, ..PLAIN };
    let sources = [referring, Spec { absent: true, ..referring }];
    let users = [May::DeleteObject, May::Edit];
    let all = [May::DeleteObject, May::Edit, May::Import, May::DeletePair, May::Retag];
    let ends = [May::DeleteObject, May::StripFinalizer, May::Restore, May::Vanish, May::Import];
    let imported = |name, specs: &[Spec], may: &[May], share, whole| Scenario {
        budget: budget(share, whole), ..Scenario::new(name, Type::Imported, specs, may)
    };
    let unknown = |name, specs: &[Spec], may: &[May], share, whole| Scenario {
        unknown_form: true, ..imported(name, specs, may, share, whole)
    };
    search_all(vec![
        imported("a pair comes and goes", &SPECS[..2],
            &[May::DeleteObject, May::Edit, May::Import, May::DeletePair], [1, 1, 1], [2, 1, 2]),
        imported("policies and tags", &SPECS, &all, [1, 1, 1], [2, 1, 1]),
        imported("keys change", &keys, &all, [1, 1, 0], [2, 1, 1]),
        imported("adoption and names", &others, &all, [1, 1, 0], [2, 1, 1]),
        Scenario { pair: Some(Key::A),
            ..imported("a pair that was there", &SPECS, &all, [1, 1, 1], [2, 1, 1]) },
        imported("objects that vanish", &SPECS[..1], &ends, [1, 1, 1], [2, 1, 1]),
        imported("a key that is read", &sources,
            &[May::DeleteObject, May::Edit, May::EditSource], [1, 1, 1], [2, 1, 1]),
        unknown("fingerprints of a new form", &SPECS, &all, [1, 1, 1], [2, 1, 1]),
        unknown("other objects of a new form", &others, &users, [1, 1, 1], [2, 1, 1]),
    ]);
}
