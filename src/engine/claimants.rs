//! The objects that claim the same thing in Lightsail, nearly always one. Whoever may create
//! objects can let thousands claim the same, so the next one of them is found without going through
//! all.

use std::collections::{BTreeSet, HashSet};

use super::object_ref::ObjectRef;
use super::uid::Uid;

/// The order of those that wait: the rank of the claim, and then the uid.
pub(super) type Turn<R> = (Option<R>, Uid);

/// The objects that claim the same.
#[derive(Debug, Default)]
pub(super) enum Claimants<R> {
    #[default]
    Nobody,
    One(ObjectRef),
    /// Boxed, since there are hardly ever several.
    Several(Box<Several<R>>),
}

#[derive(Debug)]
pub(super) struct Several<R> {
    all: HashSet<ObjectRef>,
    waiting: BTreeSet<(Turn<R>, ObjectRef)>,
}

impl<R: Ord> Claimants<R> {
    /// Adds an object. `turn_of` is that of each of them, if it waits.
    pub(super) fn add(&mut self, at: ObjectRef, turn_of: impl Fn(&ObjectRef) -> Option<Turn<R>>) {
        *self = match std::mem::take(self) {
            Self::Nobody => Self::One(at),
            Self::One(first) => {
                let all = [first, at];
                let waiting = all.iter().filter_map(|at| Some((turn_of(at)?, at.clone())));
                let waiting = waiting.collect();
                Self::Several(Box::new(Several { all: HashSet::from(all), waiting }))
            }
            Self::Several(mut several) => {
                if let Some(turn) = turn_of(&at) {
                    several.waiting.insert((turn, at.clone()));
                }
                several.all.insert(at);
                Self::Several(several)
            }
        };
    }

    /// Removes an object, which had this turn if it waited.
    pub(super) fn remove(&mut self, at: &ObjectRef, turn: Option<Turn<R>>) {
        if let Some(turn) = turn {
            self.stop_waiting(at, turn);
        }
        match self {
            Self::One(one) if one == at => *self = Self::Nobody,
            Self::Several(several) => drop(several.all.remove(at)),
            Self::Nobody | Self::One(_) => {}
        }
    }

    /// One of them does not wait any more.
    pub(super) fn stop_waiting(&mut self, at: &ObjectRef, turn: Turn<R>) {
        if let Self::Several(several) = self {
            several.waiting.remove(&(turn, at.clone()));
        }
    }

    /// The first one that waits.
    pub(super) fn first_waiting(
        &self,
        turn_of: impl Fn(&ObjectRef) -> Option<Turn<R>>,
    ) -> Option<&ObjectRef> {
        match self {
            Self::Nobody => None,
            Self::One(one) => turn_of(one).map(|_| one),
            Self::Several(several) => several.waiting.first().map(|(_, at)| at),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Nobody => true,
            Self::One(_) => false,
            Self::Several(several) => several.all.is_empty(),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &ObjectRef> {
        let (one, several) = match self {
            Self::Nobody => (None, None),
            Self::One(one) => (Some(one), None),
            Self::Several(several) => (None, Some(&several.all)),
        };
        one.into_iter().chain(several.into_iter().flatten())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_waits_is_found_whoever_comes_and_goes() {
        let at = |name: &str| ObjectRef::new("n", name);
        let turn = |name: &str| match name {
            "first" => Some((Some(1), "u".into())),
            "second" => Some((Some(2), "a".into())),
            "third" => Some((Some(2), "b".into())),
            _ => None,
        };
        let turn_of = |at: &ObjectRef| turn(&at.name);
        let mut there = Claimants::default();
        let first = |there: &Claimants<u32>| there.first_waiting(turn_of).map(ToString::to_string);
        assert!(there.is_empty() && first(&there).is_none());
        there.add(at("owner"), turn_of);
        assert_eq!(first(&there), None, "alone, and it does not wait");
        for (name, expected) in [("third", "third"), ("first", "first"), ("second", "first")] {
            there.add(at(name), turn_of);
            assert_eq!(first(&there).as_deref(), Some(&*format!("n/{expected}")));
        }
        assert_eq!(there.iter().count(), 4);
        there.remove(&at("first"), turn("first"));
        assert_eq!(first(&there).as_deref(), Some("n/second"), "by uid");
        there.stop_waiting(&at("second"), turn("second").unwrap());
        assert_eq!(first(&there).as_deref(), Some("n/third"));
        there.remove(&at("owner"), None);
        there.remove(&at("third"), turn("third"));
        assert!(first(&there).is_none() && !there.is_empty());
        there.remove(&at("second"), turn("second"));
        assert!(there.is_empty());
    }
}
