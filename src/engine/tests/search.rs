//! A breadth-first search through all states of a model, for the models around the plans. It keeps
//! hashes of the visited states, and not the states themselves: a path is reconstructed by
//! repeating its transitions.

use std::collections::HashMap;
use std::fmt::Display;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::time::{Duration, Instant};

/// What is searched.
pub(crate) trait Model {
    /// A state, small and without pointers.
    type State: Copy + Eq + Hash;
    /// What leads from one state to another, as a short sentence.
    type Event: Display;

    /// The states that it starts in.
    fn initial(&self) -> Vec<Self::State>;

    /// All transitions from a state. `Err` says what does not hold.
    ///
    /// # Errors
    /// A property does not hold: for the transition, with its event, or for the state.
    fn transitions(
        &mut self,
        state: &Self::State,
        to: &mut dyn FnMut(Self::Event, Self::State),
    ) -> Result<(), Violation<Self::Event>>;

    /// A description, for people, of a state in which something does not hold.
    fn describe(&self, state: &Self::State) -> String;
}

/// A property does not hold.
pub(crate) struct Violation<E> {
    /// In this transition, or in the state itself.
    pub(crate) event: Option<E>,
    /// What does not hold.
    pub(crate) what: String,
    /// What the plan was asked and what it answered, as a row of its table.
    pub(crate) row: String,
}

/// How far a search came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Searched {
    /// Distinct states.
    pub(crate) states: usize,
    /// Transitions between them.
    pub(crate) transitions: usize,
    /// How long it took.
    pub(crate) time: Duration,
}

/// A hasher for small values: each number is mixed in by a multiplication that loses nothing.
#[derive(Clone, Copy, Default)]
pub(crate) struct Mixer(u64);

impl Mixer {
    fn mix(&mut self, value: u64) {
        let mixed = (self.0 ^ value)
            .wrapping_add(0x9e37_79b9_7f4a_7c15)
            .wrapping_mul(0xbf58_476d_1ce4_e5b9);
        self.0 = mixed ^ (mixed >> 29);
    }
}

impl Hasher for Mixer {
    fn finish(&self) -> u64 {
        let mixed = self.0.wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 32)
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.mix(u64::from(*byte));
        }
    }

    fn write_u8(&mut self, value: u8) {
        self.mix(u64::from(value));
    }

    fn write_u64(&mut self, value: u64) {
        self.mix(value);
    }

    fn write_usize(&mut self, value: usize) {
        self.mix(value as u64);
    }

    fn write_isize(&mut self, value: isize) {
        self.mix(value.cast_unsigned() as u64);
    }
}

/// A map from hashes, which are not hashed again.
pub(crate) type ByHash<T> = HashMap<u64, T, BuildHasherDefault<Taken>>;

/// Uses a hash as it is.
#[derive(Clone, Copy, Default)]
pub(crate) struct Taken(u64);

impl Hasher for Taken {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("only hashes are keys");
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

/// The hash of a value. Of 10⁷ states two have the same one with a chance of 1 in 10⁵.
pub(crate) fn hash_of(value: &impl Hash) -> u64 {
    let mut mixer = Mixer::default();
    value.hash(&mut mixer);
    mixer.finish()
}

/// Whether to search the models in full, and not only the share of `make test`.
pub(crate) fn is_whole() -> bool {
    std::env::var("MODEL").is_ok_and(|text| text == "all")
}

/// Searches all states.
///
/// # Errors
/// The shortest path to something that does not hold, as text.
pub(crate) fn search<M: Model>(model: &mut M) -> Result<Searched, String> {
    let begun = Instant::now();
    let mut origins: ByHash<u64> = ByHash::default();
    let mut transitions = 0;
    let mut layer = model.initial();
    for state in &layer {
        origins.insert(hash_of(state), 0);
    }
    while !layer.is_empty() {
        let mut next = Vec::new();
        for state in &layer {
            let origin = hash_of(state);
            let outcome = model.transitions(state, &mut |_, to| {
                transitions += 1;
                let hash = hash_of(&to);
                if let std::collections::hash_map::Entry::Vacant(entry) = origins.entry(hash) {
                    entry.insert(origin);
                    next.push(to);
                }
            });
            if let Err(violation) = outcome {
                let searched = format!(
                    "found after {} states in {:.1} s",
                    origins.len(),
                    begun.elapsed().as_secs_f64()
                );
                return Err(report(model, &origins, state, &violation, &searched));
            }
        }
        layer = next;
    }
    Ok(Searched { states: origins.len(), transitions, time: begun.elapsed() })
}

/// The path to a state, and what does not hold there.
fn report<M: Model>(
    model: &mut M,
    origins: &ByHash<u64>,
    state: &M::State,
    violation: &Violation<M::Event>,
    searched: &str,
) -> String {
    let mut hashes = vec![hash_of(state)];
    while let Some(origin) = origins.get(&hashes[hashes.len() - 1]).filter(|origin| **origin != 0) {
        hashes.push(*origin);
    }
    let first = hashes.pop();
    let start = model.initial().into_iter().find(|state| Some(hash_of(state)) == first);
    let mut at = start.expect("a path begins in an initial state");
    let mut lines = vec![violation.what.clone(), searched.to_owned()];
    while let Some(hash) = hashes.pop() {
        let mut found = None;
        let _ = model.transitions(&at, &mut |event, to| {
            if found.is_none() && hash_of(&to) == hash {
                found = Some((event.to_string(), to));
            }
        });
        let (event, to) = found.expect("what led to a state once leads there again");
        lines.push(format!("- {event}"));
        at = to;
    }
    lines.extend(violation.event.as_ref().map(|event| format!("- {event}")));
    lines.push(model.describe(&at));
    lines.push(violation.row.clone());
    lines.join("\n")
}
