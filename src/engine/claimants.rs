//! The objects that claim the same thing in Lightsail, nearly always one. Whoever may create
//! objects can let thousands claim the same, so the next one of them is found without going through
//! all.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::object_ref::ObjectRef;
use super::uid::Uid;
use crate::ids::LaneId;

/// The position of an object among those that wait: the rank of the claim, and then the uid.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct WaitOrder<R> {
    pub(super) rank: R,
    pub(super) uid: Uid,
    /// Where it waits.
    pub(super) lane: LaneId,
}

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
    waiting: Line<R>,
    by_lane: HashMap<LaneId, Line<R>>,
}

/// Those that wait, the first one first.
type Line<R> = BTreeSet<(WaitOrder<R>, ObjectRef)>;

impl<R: Ord + Clone> Several<R> {
    fn wait(&mut self, at: ObjectRef, order: WaitOrder<R>) {
        let of_lane = self.by_lane.entry(order.lane.clone()).or_default();
        of_lane.insert((order.clone(), at.clone()));
        self.waiting.insert((order, at));
    }

    fn stop_waiting(&mut self, at: &ObjectRef, order: WaitOrder<R>) {
        let place = (order, at.clone());
        let lane = &place.0.lane;
        if let Some(of_lane) = self.by_lane.get_mut(lane) {
            of_lane.remove(&place);
            if of_lane.is_empty() {
                self.by_lane.remove(lane);
            }
        }
        self.waiting.remove(&place);
    }
}

impl<R: Ord + Clone> Claimants<R> {
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
                let (waiting, by_lane) = (BTreeSet::new(), HashMap::new());
                let mut several = Several { all: HashSet::new(), waiting, by_lane };
                for at in [first, at] {
                    if let Some(order) = wait_order(&at) {
                        several.wait(at.clone(), order);
                    }
                    several.all.insert(at);
                }
                Self::Several(Box::new(several))
            }
            Self::Several(mut several) => {
                if let Some(order) = wait_order(&at) {
                    several.wait(at.clone(), order);
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
            several.stop_waiting(at, order);
        }
    }

    /// The first one that waits, and the first one in this lane: the other may be in another
    /// account. Not the first one of each lane, because whoever may create objects can name
    /// thousands of accounts.
    pub(super) fn first_waiting(
        &self,
        lane: &LaneId,
        wait_order: impl Fn(&ObjectRef) -> Option<WaitOrder<R>>,
    ) -> impl Iterator<Item = &ObjectRef> {
        let (one, lines) = match self {
            Self::Nobody => (None, [None, None]),
            Self::One(one) => (wait_order(one).map(|_| one), [None, None]),
            Self::Several(several) => (None, [Some(&several.waiting), several.by_lane.get(lane)]),
        };
        let [first, first_in_lane] = lines.map(|line| line?.first().map(|(_, at)| at));
        let first_in_lane = first_in_lane.filter(|at| Some(*at) != first);
        one.into_iter().chain(first).chain(first_in_lane)
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
            "first" => Some((1, "u", "here")),
            "second" => Some((2, "a", "here")),
            "third" => Some((2, "b", "there")),
            _ => None,
        };
        let order = |name: &str| {
            let (rank, uid, lane) = order(name)?;
            Some(WaitOrder { rank, uid: uid.into(), lane: lane.into() })
        };
        let wait_order = |at: &ObjectRef| order(&at.name);
        let mut there = Claimants::default();
        let first_in = |there: &Claimants<u32>, lane: &str| {
            there
                .first_waiting(&lane.into(), wait_order)
                .map(ToString::to_string)
                .collect::<Vec<_>>()
        };
        let first = |there: &Claimants<u32>| first_in(there, "").pop();
        assert!(there.is_empty() && first(&there).is_none());
        there.add(at("owner"), wait_order);
        assert_eq!(first(&there), None, "alone, and it does not wait");
        for (name, expected) in [("third", "third"), ("first", "first"), ("second", "first")] {
            there.add(at(name), wait_order);
            assert_eq!(first(&there).as_deref(), Some(&*format!("n/{expected}")));
        }
        assert_eq!(there.iter().count(), 4);
        assert_eq!(first_in(&there, "here"), ["n/first"], "it is named once");
        assert_eq!(first_in(&there, "there"), ["n/first", "n/third"]);
        there.remove(&at("first"), order("first"));
        assert_eq!(first(&there).as_deref(), Some("n/second"), "by uid");
        there.stop_waiting(&at("second"), order("second").unwrap());
        assert_eq!(first(&there).as_deref(), Some("n/third"));
        there.remove(&at("owner"), None);
        there.remove(&at("third"), order("third"));
        assert!(matches!(&there, Claimants::Several(several) if several.by_lane.is_empty()));
        assert!(first(&there).is_none() && !there.is_empty());
        there.remove(&at("second"), order("second"));
        assert!(there.is_empty());
    }
}
