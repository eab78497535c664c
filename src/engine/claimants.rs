//! The objects that claim the same thing in Lightsail, nearly always one. Whoever may create
//! objects can let thousands claim the same, so the next one of them is found without going through
//! all.

use std::collections::{BTreeSet, HashSet};

use super::object_ref::ObjectRef;
use super::uid::Uid;

/// The position of an object among those that wait: the rank of the claim, and then the uid.
pub(super) type WaitOrder<R> = (Option<R>, Uid);

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
    waiting: BTreeSet<(WaitOrder<R>, ObjectRef)>,
}

impl<R: Ord> Claimants<R> {
    /// Adds an object. `wait_order(at)` returns the object's position among those that wait, or
    /// `None` if it does not wait.
    pub(super) fn add(
        &mut self,
        at: ObjectRef,
        wait_order: impl Fn(&ObjectRef) -> Option<WaitOrder<R>>,
    ) {
        *self = match std::mem::take(self) {
            Self::Nobody => Self::One(at),
            Self::One(first) => {
                let all = [first, at];
                let waiting = all.iter().filter_map(|at| Some((wait_order(at)?, at.clone())));
                let waiting = waiting.collect();
                Self::Several(Box::new(Several { all: HashSet::from(all), waiting }))
            }
            Self::Several(mut several) => {
                if let Some(order) = wait_order(&at) {
                    several.waiting.insert((order, at.clone()));
                }
                several.all.insert(at);
                Self::Several(several)
            }
        };
    }

    /// Removes an object, which had this position if it waited.
    pub(super) fn remove(&mut self, at: &ObjectRef, order: Option<WaitOrder<R>>) {
        if let Some(order) = order {
            self.stop_waiting(at, order);
        }
        match self {
            Self::One(one) if one == at => *self = Self::Nobody,
            Self::Several(several) => drop(several.all.remove(at)),
            Self::Nobody | Self::One(_) => {}
        }
    }

    /// One of them does not wait any more.
    pub(super) fn stop_waiting(&mut self, at: &ObjectRef, order: WaitOrder<R>) {
        if let Self::Several(several) = self {
            several.waiting.remove(&(order, at.clone()));
        }
    }

    /// The first one that waits.
    pub(super) fn first_waiting(
        &self,
        wait_order: impl Fn(&ObjectRef) -> Option<WaitOrder<R>>,
    ) -> Option<&ObjectRef> {
        match self {
            Self::Nobody => None,
            Self::One(one) => wait_order(one).map(|_| one),
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
        let order = |name: &str| match name {
            "first" => Some((Some(1), "u".into())),
            "second" => Some((Some(2), "a".into())),
            "third" => Some((Some(2), "b".into())),
            _ => None,
        };
        let wait_order = |at: &ObjectRef| order(&at.name);
        let mut there = Claimants::default();
        let first =
            |there: &Claimants<u32>| there.first_waiting(wait_order).map(ToString::to_string);
        assert!(there.is_empty() && first(&there).is_none());
        there.add(at("owner"), wait_order);
        assert_eq!(first(&there), None, "alone, and it does not wait");
        for (name, expected) in [("third", "third"), ("first", "first"), ("second", "first")] {
            there.add(at(name), wait_order);
            assert_eq!(first(&there).as_deref(), Some(&*format!("n/{expected}")));
        }
        assert_eq!(there.iter().count(), 4);
        there.remove(&at("first"), order("first"));
        assert_eq!(first(&there).as_deref(), Some("n/second"), "by uid");
        there.stop_waiting(&at("second"), order("second").unwrap());
        assert_eq!(first(&there).as_deref(), Some("n/third"));
        there.remove(&at("owner"), None);
        there.remove(&at("third"), order("third"));
        assert!(first(&there).is_none() && !there.is_empty());
        there.remove(&at("second"), order("second"));
        assert!(there.is_empty());
    }
}
