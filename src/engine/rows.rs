//! What is kept in memory of each object: enough to know whether a change of it asks for a
//! reconciliation, and which objects want the same thing in Lightsail. Whatever decides anything
//! else is read live in the reconciliation.

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;
use std::sync::Arc;

use super::object_ref::ObjectRef;
use super::objects::{annotation, has_finalizer};
use super::queue::Class;
use super::tracking::tracked_by;
use crate::api::conditions::{READY, is_true, reason};
use crate::api::{FINALIZER, RECONCILE_ANNOTATION, Reason, Reconciled};

/// An object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row<C> {
    /// The object's uid.
    pub uid: String,
    /// The lane of the queue: the region in which it asks Lightsail.
    pub lane: String,
    /// What a reconciliation depends on: when it changes, one is due. The status is not in it, as
    /// the operator writes that itself.
    pub trigger: Trigger,
    /// Whether its region has answered, at any time.
    pub was_answered: bool,
    /// Whether this generation was acted on, so that the object is only checked again.
    pub was_acted_on: bool,
    /// What the object shows.
    pub shown: Shown,
    /// What the object wants that others may want too.
    pub claim: Option<C>,
}

/// What the condition Ready of an object shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shown {
    /// Whether it is True.
    pub ready: bool,
    /// Its reason, if it has one that this version knows.
    pub reason: Option<Reason>,
}

impl Shown {
    /// What an object shows.
    pub fn of<K: Reconciled>(object: &K) -> Self {
        let conditions = object.conditions();
        Self { ready: is_true(conditions, READY), reason: reason(conditions, READY) }
    }

    /// The reason as it is counted: empty until the object was observed.
    #[must_use]
    pub fn word(&self) -> String {
        self.reason.map(|reason| reason.to_string()).unwrap_or_default()
    }
}

/// What a reconciliation of an object of any kind depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// The generation of the spec.
    pub generation: i64,
    /// Whether the object is being deleted.
    pub deleting: bool,
    /// Whether the finalizer is there.
    pub finalizer: bool,
    /// The annotation that asks for a reconciliation.
    pub reconcile: Option<String>,
    /// The tool that tracks the object as one of those that it has applied.
    pub tracked_by: Option<&'static str>,
}

impl Trigger {
    /// What a reconciliation of this object depends on.
    pub fn of<K: Reconciled>(object: &K) -> Self {
        let meta = object.meta();
        Self {
            generation: meta.generation.unwrap_or_default(),
            deleting: meta.deletion_timestamp.is_some(),
            finalizer: has_finalizer(object, FINALIZER),
            reconcile: annotation(object, RECONCILE_ANNOTATION).map(str::to_owned),
            tracked_by: tracked_by(object),
        }
    }

    /// Whether this asks for a reconciliation, after that. A finalizer that is added does not: the
    /// operator does that itself.
    fn asks(&self, before: &Self) -> bool {
        self.generation != before.generation
            || self.deleting != before.deleting
            || (before.finalizer && !self.finalizer)
            || self.reconcile != before.reconcile
            || self.tracked_by != before.tracked_by
    }
}

impl<C: Claim> Row<C> {
    /// Whether this asks for a reconciliation, after that.
    fn asks(&self, before: &Self) -> bool {
        let claims = (self.claim.as_ref(), before.claim.as_ref());
        // The operator never takes its status away; a tool that restores a backup may.
        let has_lost_status = before.shown.reason.is_some() && self.shown.reason.is_none();
        self.uid != before.uid
            || has_lost_status
            || self.trigger.asks(&before.trigger)
            || matches!(claims, (Some(after), Some(before)) if after.asks(before))
    }
}

/// What an object wants of one thing in Lightsail.
pub trait Claim {
    /// The region, and the name in it.
    fn place(&self) -> (&str, &str);

    /// Whether it stands in the way of others, and the order of those that do: the lesser comes
    /// first, or else the one with the lesser uid.
    fn rank(&self) -> Option<impl Ord>;

    /// Whether it waits for others, and wants to hear when one of them steps aside.
    fn waits(&self) -> bool;

    /// Whether it asks for a reconciliation, after that.
    fn asks(&self, before: &Self) -> bool;
}

/// A namespace has its first object in a lane, or none any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// The lane.
    pub lane: String,
    /// The namespace.
    pub namespace: Arc<str>,
    /// Whether it has objects there now.
    pub enters: bool,
}

/// All objects of a kind.
#[derive(Debug)]
pub struct Rows<C> {
    /// Boxed: a table has room for almost twice as many as there are.
    all: HashMap<ObjectRef, Box<Row<C>>>,
    /// By the hash of a place: the objects that want something there, or at another place with that
    /// hash.
    by_place: HashMap<u64, Vec<ObjectRef>>,
    /// How many show what. What nobody shows any more stays with 0.
    shown: HashMap<Shown, usize>,
    /// How many of which namespace are in which lane.
    lanes: HashMap<String, HashMap<Arc<str>, usize>>,
    /// The namespaces that came into a lane or left it, since somebody asked.
    moves: Vec<Move>,
    /// The namespaces whose objects are all known; `None` is every one.
    listed: HashSet<Option<String>>,
}

impl<C> Default for Rows<C> {
    fn default() -> Self {
        Self {
            all: HashMap::new(),
            by_place: HashMap::new(),
            shown: HashMap::new(),
            lanes: HashMap::new(),
            moves: Vec::new(),
            listed: HashSet::new(),
        }
    }
}

impl<C: Claim> Rows<C> {
    /// Notes what an object is now. Returns the objects for which a reconciliation is due: itself,
    /// if what a reconciliation depends on has changed, and the one that waited for it, if it does
    /// not stand in the way any more.
    pub fn apply(&mut self, at: &ObjectRef, row: Row<C>) -> Vec<(ObjectRef, Class)> {
        // First the new lane: an object that stays in its own does not leave it.
        self.enter(&row.lane, &at.namespace);
        let before = self.take(at);
        *self.shown.entry(row.shown).or_default() += 1;
        if let Some(claim) = &row.claim {
            // Nearly always the only one there, for which a growing list would have room for four.
            self.by_place
                .entry(self.key(claim))
                .or_insert_with(|| Vec::with_capacity(1))
                .push(at.clone());
        }
        // One that was acted on before this process saw it first is only checked again.
        let is_old = before.is_none() && row.was_acted_on;
        let class = if is_old { Class::Resync } else { Class::Change };
        let is_due = before.as_ref().is_none_or(|before| row.asks(before));
        let stands = row.claim.as_ref().is_some_and(|claim| claim.rank().is_some());
        self.all.insert(at.clone(), Box::new(row));
        let mut due: Vec<_> = is_due.then(|| (at.clone(), class)).into_iter().collect();
        if !stands {
            due.extend(
                before.and_then(|before| self.heir(&before)).map(|heir| (heir, Class::Change)),
            );
        }
        due
    }

    /// A reconciliation is about to change what its object claims: that this is seen then asks for
    /// no other reconciliation.
    pub fn edit_claim(&mut self, at: &ObjectRef, edit: impl FnOnce(&mut C)) {
        if let Some(claim) = self.all.get_mut(at).and_then(|row| row.claim.as_mut()) {
            edit(claim);
        }
    }

    /// What is known of an object.
    #[must_use]
    pub fn get(&self, at: &ObjectRef) -> Option<&Row<C>> {
        self.all.get(at).map(Box::as_ref)
    }

    /// The lane of an object in the queue.
    #[must_use]
    pub fn lane(&self, at: &ObjectRef) -> &str {
        self.all.get(at).map_or("", |row| &row.lane)
    }

    /// Whether no object is in this lane.
    #[must_use]
    pub fn is_empty(&self, lane: &str) -> bool {
        !self.lanes.contains_key(lane)
    }

    fn enter(&mut self, lane: &str, namespace: &Arc<str>) {
        let namespaces = match self.lanes.get_mut(lane) {
            Some(namespaces) => namespaces,
            None => self.lanes.entry(lane.to_owned()).or_default(),
        };
        let count = namespaces.entry(Arc::clone(namespace)).or_default();
        *count += 1;
        if *count == 1 {
            self.note_move(lane, namespace, true);
        }
    }

    fn leave(&mut self, lane: &str, namespace: &Arc<str>) {
        let Some(namespaces) = self.lanes.get_mut(lane) else { return };
        let Some(count) = namespaces.get_mut(namespace) else { return };
        *count -= 1;
        if *count > 0 {
            return;
        }
        namespaces.remove(namespace);
        if namespaces.is_empty() {
            self.lanes.remove(lane);
        }
        self.note_move(lane, namespace, false);
    }

    fn note_move(&mut self, lane: &str, namespace: &Arc<str>, enters: bool) {
        self.moves.push(Move { lane: lane.to_owned(), namespace: Arc::clone(namespace), enters });
    }

    /// The namespaces that came into a lane or left it, since this was asked last.
    pub fn take_moves(&mut self) -> Vec<Move> {
        std::mem::take(&mut self.moves)
    }

    /// Forgets an object that is gone. The object that waited for it, if one did.
    pub fn remove(&mut self, at: &ObjectRef) -> Option<ObjectRef> {
        let row = self.take(at)?;
        self.heir(&row)
    }

    fn take(&mut self, at: &ObjectRef) -> Option<Row<C>> {
        let row = *self.all.remove(at)?;
        if let Some(count) = self.shown.get_mut(&row.shown) {
            *count -= 1;
        }
        self.leave(&row.lane, &at.namespace);
        if let Some(key) = row.claim.as_ref().map(|claim| self.key(claim))
            && let Some(there) = self.by_place.get_mut(&key)
        {
            there.retain(|other| other != at);
            if there.is_empty() {
                self.by_place.remove(&key);
            }
        }
        Some(row)
    }

    /// Who comes next when this one steps aside.
    fn heir(&self, row: &Row<C>) -> Option<ObjectRef> {
        let claim = row.claim.as_ref().filter(|claim| claim.rank().is_some())?;
        let waiting = self
            .at_place(claim)
            .filter(|(_, other)| other.claim.as_ref().is_some_and(Claim::waits));
        waiting
            .min_by_key(|(_, other)| (other.claim.as_ref().and_then(Claim::rank), &other.uid))
            .map(|(at, _)| at.clone())
    }

    /// A namespace was listed, or all.
    pub fn note_listed(&mut self, namespace: Option<&str>) {
        self.listed.insert(namespace.map(str::to_owned));
    }

    /// Whether an object of this namespace that has no row does not exist.
    #[must_use]
    pub fn are_complete(&self, namespace: &str) -> bool {
        self.listed.contains(&None) || self.listed.contains(&Some(namespace.to_owned()))
    }

    /// Whether an object wants what is there.
    #[must_use]
    pub fn is_wanted(&self, place: (&str, &str)) -> bool {
        let there = self.by_place.get(&self.by_place.hasher().hash_one(place));
        let rows = there.into_iter().flatten().filter_map(|at| self.get(at));
        rows.filter_map(|row| row.claim.as_ref()).any(|claim| claim.place() == place)
    }

    fn at_place(&self, claim: &C) -> impl Iterator<Item = (&ObjectRef, &Row<C>)> {
        let there = self.by_place.get(&self.key(claim)).into_iter().flatten();
        let is_there =
            |row: &&Row<C>| row.claim.as_ref().is_some_and(|other| other.place() == claim.place());
        there.filter_map(move |at| {
            self.all.get(at).map(Box::as_ref).filter(is_there).map(|row| (at, row))
        })
    }

    fn key(&self, claim: &C) -> u64 {
        self.by_place.hasher().hash_one(claim.place())
    }

    /// The objects of a namespace, or all, that are not among those.
    #[must_use]
    pub fn others(&self, namespace: Option<&str>, seen: &HashSet<ObjectRef>) -> Vec<ObjectRef> {
        let in_namespace =
            |at: &&ObjectRef| namespace.is_none_or(|namespace| *namespace == *at.namespace);
        self.all.keys().filter(in_namespace).filter(|at| !seen.contains(*at)).cloned().collect()
    }

    /// How many objects show what.
    pub fn shown(&self) -> impl Iterator<Item = (&Shown, usize)> {
        self.shown.iter().map(|(shown, count)| (shown, *count))
    }

    /// The other objects that want the same.
    pub fn rivals(&self, at: &ObjectRef, claim: &C) -> impl Iterator<Item = (&Row<C>, &C)> {
        let others = self.at_place(claim).filter(move |(other, _)| *other != at);
        others.filter_map(|(_, row)| row.claim.as_ref().map(|claim| (row, claim)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, PartialEq, Eq)]
    struct Wanted {
        name: &'static str,
        rank: Option<u32>,
        waits: bool,
    }

    impl Claim for Wanted {
        fn place(&self) -> (&str, &str) {
            ("eu-west-1", self.name)
        }
        fn rank(&self) -> Option<impl Ord> {
            self.rank
        }
        fn waits(&self) -> bool {
            self.waits
        }
        fn asks(&self, before: &Self) -> bool {
            self.name == "asks" && before.name != "asks"
        }
    }

    fn at(name: &str) -> ObjectRef {
        ObjectRef::new("n", name)
    }

    fn row(generation: i64, name: &'static str) -> Row<Wanted> {
        let (finalizer, deleting, reconcile, tracked_by) = (false, false, None, None);
        let trigger = Trigger { generation, deleting, finalizer, reconcile, tracked_by };
        let shown = Shown { ready: true, reason: Some(Reason::Imported) };
        Row {
            uid: "u".to_owned(),
            lane: String::new(),
            trigger,
            was_answered: false,
            was_acted_on: false,
            shown,
            claim: Some(Wanted { name, rank: None, waits: false }),
        }
    }

    fn changed(name: &str) -> (ObjectRef, Class) {
        (at(name), Class::Change)
    }

    fn claiming(name: &'static str, rank: Option<u32>, waits: bool) -> Row<Wanted> {
        Row { claim: Some(Wanted { name, rank, waits }), ..row(1, name) }
    }

    #[test]
    fn a_reconciliation_is_due_for_what_is_new_or_changed_and_not_for_a_status() {
        let mut rows = Rows::default();
        assert_eq!(rows.apply(&at("a"), row(1, "fleet")), [changed("a")]);
        assert_eq!(rows.apply(&at("a"), claiming("fleet", Some(1), false)), []);
        assert_eq!(rows.apply(&at("a"), row(2, "fleet")), [changed("a")]);
        assert_eq!(
            rows.apply(&at("a"), Row { uid: "made again".to_owned(), ..row(2, "fleet") }),
            [changed("a")]
        );
        let acted_on = Row { was_acted_on: true, ..row(1, "fleet") };
        assert_eq!(
            rows.apply(&at("b"), acted_on.clone()),
            [(at("b"), Class::Resync)],
            "it was acted on by another process"
        );
        let edited =
            Row { trigger: Trigger { generation: 2, ..acted_on.trigger.clone() }, ..acted_on };
        assert_eq!(rows.apply(&at("b"), edited), [changed("b")]);
    }

    #[test]
    fn what_a_reconciliation_writes_asks_for_no_other() {
        let row = |finalizer, name| {
            let row = row(1, name);
            Row { trigger: Trigger { finalizer, ..row.trigger }, ..row }
        };
        let shows = |reason| Row { shown: Shown { ready: false, reason }, ..row(false, "a") };
        for (name, before, after, expected) in [
            ("a finalizer that is added", row(false, "a"), row(true, "a"), false),
            ("one that is taken off", row(true, "a"), row(false, "a"), true),
            ("a claim that does not ask", row(false, "a"), row(false, "b"), false),
            ("one that does", row(false, "a"), row(false, "asks"), true),
            ("another reason", row(false, "a"), shows(Some(Reason::Throttled)), false),
            ("a status that somebody took away", row(false, "a"), shows(None), true),
        ] {
            assert_eq!(after.asks(&before), expected, "{name}");
        }
    }

    #[test]
    fn rivals_are_those_that_want_the_same_name_in_the_same_region() {
        let mut rows = Rows::default();
        for (object, name) in [("a", "fleet"), ("b", "fleet"), ("c", "other")] {
            rows.apply(&at(object), row(1, name));
        }
        let claim = |name| Wanted { name, rank: None, waits: false };
        assert_eq!(rows.rivals(&at("a"), &claim("fleet")).count(), 1);
        assert_eq!(rows.rivals(&at("a"), &claim("none")).count(), 0);
        rows.apply(&at("b"), row(2, "other"));
        assert_eq!(rows.rivals(&at("a"), &claim("fleet")).count(), 0);
        rows.remove(&at("c"));
        assert_eq!(rows.rivals(&at("b"), &claim("other")).count(), 0);
        assert_eq!(rows.others(Some("n"), &HashSet::from([at("a")])), [at("b")]);
        assert!(rows.others(Some("elsewhere"), &HashSet::new()).is_empty());
        let is_wanted = |region, name| rows.is_wanted((region, name));
        assert!(is_wanted("eu-west-1", "fleet"));
        assert!(!is_wanted("eu-west-1", "none") && !is_wanted("eu-west-2", "fleet"));
        assert!(!rows.are_complete("n"));
        rows.note_listed(Some("n"));
        assert!(rows.are_complete("n") && !rows.are_complete("elsewhere"));
        rows.note_listed(None);
        assert!(rows.are_complete("elsewhere"));
    }

    #[test]
    fn what_is_shown_is_counted() {
        let mut rows = Rows::default();
        let count = |rows: &Rows<Wanted>, ready| {
            rows.shown()
                .filter(|(shown, _)| shown.ready == ready)
                .map(|(_, count)| count)
                .sum::<usize>()
        };
        for name in ["a", "b"] {
            rows.apply(&at(name), row(1, "fleet"));
        }
        assert_eq!((count(&rows, true), count(&rows, false)), (2, 0));
        rows.apply(
            &at("a"),
            Row {
                shown: Shown { ready: false, reason: Some(Reason::Throttled) },
                ..row(1, "fleet")
            },
        );
        assert_eq!((count(&rows, true), count(&rows, false)), (1, 1));
        rows.remove(&at("a"));
        assert_eq!((count(&rows, true), count(&rows, false)), (1, 0));
    }

    #[test]
    fn a_lane_is_empty_when_its_last_object_left_it() {
        let mut rows = Rows::default();
        let in_lane = |lane: &str| Row { lane: lane.to_owned(), ..row(1, "fleet") };
        assert!(rows.is_empty("a"));
        for object in ["first", "second"] {
            rows.apply(&at(object), in_lane("a"));
        }
        rows.apply(&at("second"), in_lane("b"));
        assert!(!rows.is_empty("a") && !rows.is_empty("b"));
        rows.apply(&at("second"), in_lane("b"));
        rows.remove(&at("first"));
        assert!(rows.is_empty("a") && !rows.is_empty("b"));
        let moves: Vec<_> = rows.take_moves().into_iter().map(|it| (it.lane, it.enters)).collect();
        let expected = [("a", true), ("b", true), ("a", false)];
        assert_eq!(moves, expected.map(|(lane, enters)| (lane.to_owned(), enters)));
        assert_eq!(rows.take_moves(), []);
    }

    #[test]
    fn whoever_steps_aside_calls_the_first_of_those_that_wait() {
        let mut rows = Rows::default();
        rows.apply(&at("a"), claiming("fleet", Some(0), false));
        for (name, rank) in [("c", 2), ("b", 1)] {
            rows.apply(&at(name), claiming("fleet", Some(rank), true));
        }
        rows.apply(&at("elsewhere"), claiming("other", Some(0), true));
        assert_eq!(rows.apply(&at("a"), claiming("fleet", None, false)), [changed("b")]);
        assert_eq!(
            rows.apply(&at("a"), claiming("fleet", None, false)),
            [],
            "it was not in the way any more"
        );
        assert_eq!(rows.remove(&at("b")), Some(at("c")));
        assert_eq!(rows.remove(&at("a")), None);
        assert_eq!(rows.remove(&at("c")), None);
    }
}
