//! What is kept in memory of each object: enough to know whether a change of it asks for a pass, and which objects want the same
//! thing in Lightsail. Whatever decides anything else is read live in the pass.

use std::collections::{HashMap, HashSet};

use super::ObjectRef;

/// An object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row<C> {
    /// The object's uid.
    pub uid: String,
    /// What a pass depends on: when it changes, a pass is due. The status is not in it, as the operator writes that itself.
    pub trigger: Trigger,
    /// What the object wants that others may want too.
    pub claim: Option<C>,
}

/// What a pass depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// The generation of the spec.
    pub generation: i64,
    /// Whether the object is being deleted.
    pub deleting: bool,
    /// Whether the finalizer is there.
    pub finalizer: bool,
    /// The annotation that asks for a pass.
    pub reconcile: Option<String>,
    /// The mark of a reset.
    pub executed: Option<String>,
    /// The tool that tracks the object as one of those that it has applied.
    pub tracked_by: Option<&'static str>,
}

/// What an object wants of one thing in Lightsail.
pub trait Claim {
    /// The region, and the name in it.
    fn place(&self) -> (&str, &str);

    /// Whether it stands in the way of others, and who of those that do comes first: the lesser.
    fn rank(&self) -> Option<impl Ord>;

    /// Whether it waits for others, and wants to hear when one of them steps aside.
    fn waits(&self) -> bool;
}

/// All objects of a kind.
#[derive(Debug)]
pub struct Rows<C> {
    rows: HashMap<ObjectRef, Row<C>>,
    by_place: HashMap<(String, String), HashSet<ObjectRef>>,
}

impl<C> Default for Rows<C> {
    fn default() -> Self {
        Self { rows: HashMap::new(), by_place: HashMap::new() }
    }
}

impl<C: Claim> Rows<C> {
    /// Takes in what an object is now. The objects for which a pass is due: itself, if what a pass depends on has changed, and the one that
    /// waited for it, if it does not stand in the way any more.
    pub fn apply(&mut self, at: &ObjectRef, row: Row<C>) -> Vec<ObjectRef> {
        let before = self.take(at);
        if let Some(claim) = &row.claim {
            self.by_place.entry(key(claim)).or_default().insert(at.clone());
        }
        let is_due = before.as_ref().is_none_or(|before| before.uid != row.uid || before.trigger != row.trigger);
        let stands = row.claim.as_ref().is_some_and(|claim| claim.rank().is_some());
        self.rows.insert(at.clone(), row);
        let mut due: Vec<ObjectRef> = is_due.then(|| at.clone()).into_iter().collect();
        if !stands {
            due.extend(before.and_then(|before| self.heir(&before)));
        }
        due
    }

    /// Forgets an object that is gone. The object that waited for it, if one did.
    pub fn remove(&mut self, at: &ObjectRef) -> Option<ObjectRef> {
        let row = self.take(at)?;
        self.heir(&row)
    }

    fn take(&mut self, at: &ObjectRef) -> Option<Row<C>> {
        let row = self.rows.remove(at)?;
        if let Some(claim) = &row.claim
            && let Some(there) = self.by_place.get_mut(&key(claim))
        {
            there.remove(at);
            if there.is_empty() {
                self.by_place.remove(&key(claim));
            }
        }
        Some(row)
    }

    /// Who comes next when this one steps aside.
    fn heir(&self, row: &Row<C>) -> Option<ObjectRef> {
        let claim = row.claim.as_ref().filter(|claim| claim.rank().is_some())?;
        let waiting = self.at_place(claim).filter(|(_, other)| other.claim.as_ref().is_some_and(Claim::waits));
        waiting.min_by_key(|(_, other)| other.claim.as_ref().and_then(Claim::rank)).map(|(at, _)| at.clone())
    }

    fn at_place(&self, claim: &C) -> impl Iterator<Item = (&ObjectRef, &Row<C>)> {
        let there = self.by_place.get(&key(claim)).into_iter().flatten();
        there.filter_map(|at| self.rows.get(at).map(|row| (at, row)))
    }

    /// The objects of a namespace, or all, that are not among those.
    #[must_use]
    pub fn others(&self, namespace: Option<&str>, seen: &HashSet<ObjectRef>) -> Vec<ObjectRef> {
        let in_namespace = |at: &&ObjectRef| namespace.is_none_or(|namespace| namespace == at.namespace);
        self.rows.keys().filter(in_namespace).filter(|at| !seen.contains(*at)).cloned().collect()
    }

    /// How many objects there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The other objects that want the same.
    pub fn rivals(&self, at: &ObjectRef, claim: &C) -> impl Iterator<Item = (&Row<C>, &C)> {
        let others = self.at_place(claim).filter(move |(other, _)| *other != at);
        others.filter_map(|(_, row)| row.claim.as_ref().map(|claim| (row, claim)))
    }
}

fn key<C: Claim>(claim: &C) -> (String, String) {
    let (region, name) = claim.place();
    (region.to_owned(), name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, PartialEq, Eq)]
    struct Wish {
        name: &'static str,
        rank: Option<u32>,
        waits: bool,
    }

    impl Claim for Wish {
        fn place(&self) -> (&str, &str) {
            ("eu-west-1", self.name)
        }
        fn rank(&self) -> Option<impl Ord> {
            self.rank
        }
        fn waits(&self) -> bool {
            self.waits
        }
    }

    fn at(name: &str) -> ObjectRef {
        ObjectRef { namespace: "n".to_owned(), name: name.to_owned() }
    }

    fn row(generation: i64, name: &'static str) -> Row<Wish> {
        let (finalizer, deleting, reconcile, executed, tracked_by) = (false, false, None, None, None);
        let trigger = Trigger { generation, deleting, finalizer, reconcile, executed, tracked_by };
        Row { uid: "u".to_owned(), trigger, claim: Some(Wish { name, rank: None, waits: false }) }
    }

    fn wishing(name: &'static str, rank: Option<u32>, waits: bool) -> Row<Wish> {
        Row { claim: Some(Wish { name, rank, waits }), ..row(1, name) }
    }

    #[test]
    fn a_pass_is_due_for_what_is_new_or_changed_and_not_for_a_status() {
        let mut rows = Rows::default();
        assert_eq!(rows.apply(&at("a"), row(1, "fleet")), [at("a")]);
        assert_eq!(rows.apply(&at("a"), wishing("fleet", Some(1), false)), []);
        assert_eq!(rows.apply(&at("a"), row(2, "fleet")), [at("a")]);
        assert_eq!(rows.apply(&at("a"), Row { uid: "made again".to_owned(), ..row(2, "fleet") }), [at("a")]);
    }

    #[test]
    fn rivals_are_those_that_want_the_same_name_in_the_same_region() {
        let mut rows = Rows::default();
        for (object, name) in [("a", "fleet"), ("b", "fleet"), ("c", "other")] {
            rows.apply(&at(object), row(1, name));
        }
        let wish = |name| Wish { name, rank: None, waits: false };
        assert_eq!(rows.rivals(&at("a"), &wish("fleet")).count(), 1);
        assert_eq!(rows.rivals(&at("a"), &wish("none")).count(), 0);
        rows.apply(&at("b"), row(2, "other"));
        assert_eq!(rows.rivals(&at("a"), &wish("fleet")).count(), 0);
        rows.remove(&at("c"));
        assert_eq!(rows.rivals(&at("b"), &wish("other")).count(), 0);
        assert_eq!(rows.others(Some("n"), &HashSet::from([at("a")])), [at("b")]);
        assert!(rows.others(Some("elsewhere"), &HashSet::new()).is_empty());
    }

    #[test]
    fn whoever_steps_aside_calls_the_first_of_those_that_wait() {
        let mut rows = Rows::default();
        rows.apply(&at("a"), wishing("fleet", Some(0), false));
        for (name, rank) in [("c", 2), ("b", 1)] {
            rows.apply(&at(name), wishing("fleet", Some(rank), true));
        }
        rows.apply(&at("elsewhere"), wishing("other", Some(0), true));
        assert_eq!(rows.apply(&at("a"), wishing("fleet", None, false)), [at("b")]);
        assert_eq!(rows.apply(&at("a"), wishing("fleet", None, false)), [], "it was not in the way any more");
        assert_eq!(rows.remove(&at("b")), Some(at("c")));
        assert_eq!(rows.remove(&at("a")), None);
        assert_eq!(rows.remove(&at("c")), None);
    }
}
