//! I8: from each state, when nothing goes wrong any more, few steps lead to an object that is
//! Ready, Stalled or gone.

use super::disturbances::{Event, at, begins, informed, later};
use super::effects::{Fate, is_stable};
use super::view::Plans;
use super::world::{Budget, State};
use super::stepped;
use crate::engine::MAX_STEPS;
use crate::engine::tests::search::{ByHash, Violation, hash_of};

/// No more than this many steps lead from anywhere to where nothing changes any more, those counted
/// that the world takes on its own.
const STEPS: u32 = 60;

/// How many steps each state is away from where nothing changes any more, as far as that was
/// found out.
#[derive(Default)]
pub(super) struct Settled(ByHash<u32>);

impl Settled {
    /// Goes on from a state without disturbances.
    ///
    /// # Errors
    /// It does not settle.
    pub(super) fn check(&mut self, plans: &mut Plans, state: &State)
        -> Result<(), Violation<Event>> {
        let mut at = State { budget: Budget::default(), ..*state };
        let mut path = Vec::new();
        let mut unstable = None;
        let left = loop {
            let hash = hash_of(&at);
            if let Some(left) = self.0.get(&hash) {
                break *left;
            }
            path.push(hash);
            if path.len() > STEPS as usize {
                return Err(hangs(plans, &at, "I8: it goes on forever", unstable));
            }
            match next(plans, &at) {
                Next::State(to, stable) => {
                    at = to;
                    if let Some((is_stable, place, run)) = stable && !is_stable {
                        unstable = Some((place, run));
                    }
                }
                Next::Quiet => break 0,
                Next::Hangs(place, run) => {
                    let what = "I8: nothing changes any more, and it is neither Ready nor Stalled";
                    return Err(hangs(plans, &at, what, Some((place, run))));
                }
            }
        };
        for (steps, hash) in (left + 1..).zip(path.into_iter().rev()) {
            if steps > STEPS {
                return Err(hangs(plans, &at, "I8: it takes too many steps", unstable));
            }
            self.0.insert(hash, steps);
        }
        Ok(())
    }
}

fn hangs(plans: &Plans, state: &State, what: &str, run: Option<(usize, super::world::Run)>)
    -> Violation<Event> {
    let row = run.map_or_else(String::new, |(place, run)| plans.row(place, &run));
    Violation { event: None, what: format!("{what}: {:#?}", state.objects), row }
}

/// What comes after a state when nobody disturbs anything.
#[expect(clippy::large_enum_variant, reason = "one is alive at a time, for a moment")]
enum Next {
    State(State, Option<(bool, usize, super::world::Run)>),
    /// Nothing changes any more, and all objects are Ready, Stalled or gone.
    Quiet,
    /// Nothing changes any more, and that is not so for this run.
    Hangs(usize, super::world::Run),
}

fn next(plans: &mut Plans, state: &State) -> Next {
    if state.delayed.is_some() {
        let mut next = *state;
        next.land();
        return Next::State(next, None);
    }
    if state.secret_goes() {
        let mut next = *state;
        next.set_secret(None);
        return Next::State(next, None);
    }
    if let Some(slot) = (0..2).find(|slot| state.runs[*slot].is_some()) {
        let (to, _) = step(plans, state, slot);
        return Next::State(to, None);
    }
    // Nothing is under way: one after the other is reconciled, until that changes nothing.
    let mut unstable = None;
    for slot in 0..2 {
        let mut begun = None;
        let place = at(&plans.scenario, slot).1;
        begins(&plans.scenario, state, slot, &mut |_, to| { begun.get_or_insert(to); });
        let Some(mut to) = begun else { continue };
        let first = to;
        let (mut last, mut stable) = (None, false);
        for _ in 0..MAX_STEPS {
            let Some(run) = to.runs[slot] else { break };
            last = Some((place, run));
            (to, stable) = step(plans, &to, slot);
        }
        if to != *state {
            return Next::State(first, last.map(|(place, run)| (stable, place, run)));
        }
        unstable = if stable { unstable } else { last };
    }
    match (later(state), unstable) {
        (Some(to), _) => Next::State(to, None),
        (None, Some((place, run))) => Next::Hangs(place, run),
        (None, None) => Next::Quiet,
    }
}

/// A step of a run without disturbances, and whether the object is stable if that ends it.
fn step(plans: &mut Plans, state: &State, slot: usize) -> (State, bool) {
    let (process, place) = at(&plans.scenario, slot);
    let run = informed(state, slot, process).expect("there is a run");
    let decision = plans.decide(place, &run);
    let to = stepped(state, (slot, process, place), &decision, Fate::Fine);
    (to.unwrap_or(State { runs: [None; 2], ..*state }), is_stable(decision.act))
}
