//! All objects as they are kept in memory, and which of them claim the same thing in Lightsail. A
//! reconciliation reads live whatever else it decides by.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use super::claimants::{Claimants, WaitOrder};
use super::concurrency::Class;
use super::object_ref::ObjectRef;
use super::row::wait_order_of;
pub use super::row::{Claim, ClaimKey, Due, Row, Shown, claim_key};
use super::served::SeenUnreadable;
use super::tables::{shared, shrink};
use super::trigger::{Asks, paced};
use super::unreadable::Unreadables;
use crate::digest::Digest;
use crate::ids::{Arn, LaneId, Region};

/// A namespace has its first object in a lane, or none any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// The lane.
    pub lane: LaneId,
    /// The namespace.
    pub namespace: Arc<str>,
    /// Whether it has objects there now.
    pub enters: bool,
}

/// All objects of a kind.
#[derive(Debug)]
pub struct Rows<C: Claim> {
    /// By namespace. Boxed: a table has room for almost twice as many as there are.
    all: HashMap<Arc<str>, HashMap<ObjectRef, Box<Row<C>>>>,
    /// By what they claim.
    by_claim: HashMap<ClaimKey, Claimants<C::Rank>>,
    /// When a change of metadata last queued an object, or will.
    last_paced: HashMap<ObjectRef, Instant>,
    /// When the log last named an object that cannot be read.
    last_logged: HashMap<ObjectRef, Instant>,
    /// The objects that this version cannot read, by uid and generation. The row of such an object
    /// is from when it could be read.
    unreadable: Unreadables,
    /// How many objects show each value. A value that no object shows any more stays, with 0.
    shown: HashMap<Shown, usize>,
    /// How many objects of each namespace are in each lane. In order: those of a region follow each
    /// other.
    lanes: BTreeMap<LaneId, HashMap<Arc<str>, usize>>,
    /// The namespaces that entered or left a lane since the last query.
    moves: Vec<Move>,
    /// The namespaces whose objects are all known; `None` is every one.
    listed: HashSet<Option<String>>,
}

impl<C: Claim> Default for Rows<C> {
    fn default() -> Self {
        Self {
            all: HashMap::new(),
            by_claim: HashMap::new(),
            last_paced: HashMap::new(),
            last_logged: HashMap::new(),
            unreadable: Unreadables::default(),
            shown: HashMap::new(),
            lanes: BTreeMap::new(),
            moves: Vec::new(),
            listed: HashSet::new(),
        }
    }
}

impl<C: Claim> Rows<C> {
    /// Notes what an object is now. Returns the reconciliations that are due: its own, if what one
    /// depends on has changed or it could not be read before, those of the objects that waited for
    /// it, if it does not stand in the way any more, and those of the objects that have what it has
    /// now, although only one may: each of them is told whose it is.
    pub fn apply(&mut self, at: &ObjectRef, row: Row<C>, now: Instant) -> Vec<Due> {
        let was_unreadable = self.unreadable.remove(at).is_some();
        // First the new lane: an object that stays in its own does not leave it.
        let (lane, namespace) = self.enter(&row.lane, &at.namespace);
        let row = Row { lane, ..row };
        let (at, before) = match self.remove_row(at) {
            Some((at, row)) => (at, Some(row)),
            None => (ObjectRef::within(&namespace, &at.name), None),
        };
        *self.shown.entry(row.shown).or_default() += 1;
        // One that was acted on before this process saw it first is only checked again.
        let is_old = before.is_none() && row.was_acted_on;
        let class = if is_old { Class::Resync } else { Class::Change };
        let asks = match before.as_ref().map_or(Asks::Now, |before| row.asks(before)) {
            Asks::Nothing if was_unreadable => Asks::Paced,
            asks @ (Asks::Nothing | Asks::Paced | Asks::Now) => asks,
        };
        let from = match asks {
            Asks::Nothing => None,
            Asks::Paced => Some(self.pace(&at, now)),
            Asks::Now => Some(now),
        };
        let stepped_aside = before.as_ref().is_some_and(|before| row.steps_aside(before));
        let claimed = row.claim.as_ref().map(Claim::key);
        let collides = self.collides(&at, &row, before.as_ref());
        let of_namespace = self.all.entry(Arc::clone(&at.namespace)).or_default();
        of_namespace.insert(at.clone(), Box::new(row));
        if let Some(key) = claimed {
            let mut there = self.by_claim.remove(&key).unwrap_or_default();
            there.add(at.clone(), |at| self.wait_order(at));
            self.by_claim.insert(key, there);
        }
        let mut due: Vec<_> = from.map(|from| Due { at, class, from }).into_iter().collect();
        let stood = before.filter(|_| stepped_aside);
        let next = stood.as_ref().map(|before| self.called_by(before)).unwrap_or_default();
        due.extend(next.into_iter().map(|at| Due { at, class: Class::Change, from: now }));
        for at in collides {
            let from = self.pace(&at, now);
            due.push(Due { at, class: Class::Change, from });
        }
        due
    }

    /// The objects that have what one has now, and did not have before, although only one may; if
    /// there are any, it is one of them.
    fn collides(&self, at: &ObjectRef, row: &Row<C>, before: Option<&Row<C>>) -> Vec<ObjectRef> {
        let held = |row: &Row<C>| row.claim.as_ref().and_then(Claim::held);
        let Some((now, claim)) = held(row).zip(row.claim.as_ref()) else { return Vec::new() };
        // Whoever may create objects can let thousands claim the same, but none of these has it.
        if before.and_then(held) == Some(now) {
            return Vec::new();
        }
        let others = self.rivals(at, claim.key()).filter(|rival| held(rival.row) == Some(now));
        let others: Vec<_> = others.map(|rival| rival.at.clone()).collect();
        let own = (!others.is_empty()).then(|| at.clone());
        others.into_iter().chain(own).collect()
    }

    /// Whether the log may name an object that cannot be read. If so, it does.
    pub(super) fn may_name(&mut self, at: &ObjectRef, now: Instant) -> bool {
        let may_name = paced(self.last_logged.get(at).copied(), now) == now;
        if may_name {
            self.last_logged.insert(at.clone(), now);
        }
        may_name
    }

    /// When a change of an object's metadata is due.
    pub(super) fn pace(&mut self, at: &ObjectRef, now: Instant) -> Instant {
        let from = paced(self.last_paced.get(at).copied(), now);
        self.last_paced.insert(at.clone(), from);
        from
    }

    /// A reconciliation is about to change its object's claim, but neither what it claims nor its
    /// position. When the watch shows that, no other reconciliation is due.
    pub fn edit_claim(&mut self, at: &ObjectRef, edit: impl FnOnce(&mut C)) {
        let row = self.all.get_mut(&at.namespace).and_then(|there| there.get_mut(at));
        if let Some(claim) = row.and_then(|row| row.claim.as_mut()) {
            edit(claim);
        }
    }

    /// What is known of an object.
    #[must_use]
    pub fn get(&self, at: &ObjectRef) -> Option<&Row<C>> {
        self.all.get(&at.namespace)?.get(at).map(Box::as_ref)
    }

    fn all(&self) -> impl Iterator<Item = (&ObjectRef, &Row<C>)> {
        self.all.values().flatten().map(|(at, row)| (at, row.as_ref()))
    }

    /// The position of an object that waits for others, or may be about to.
    fn wait_order(&self, at: &ObjectRef) -> Option<WaitOrder<C::Rank>> {
        wait_order_of(self.get(at)?).filter(|_| !self.is_unreadable(at))
    }

    /// The lane of an object in the queue, or one of nothing if the object is gone.
    #[must_use]
    pub fn lane(&self, at: &ObjectRef) -> LaneId {
        self.get(at).map_or_else(|| LaneId::new("", None), |row| row.lane.clone())
    }

    /// The lanes in this region that have objects.
    pub fn lanes_of(&self, region: &Region) -> impl Iterator<Item = &LaneId> {
        let first = LaneId::new(region.as_str(), None);
        let from_there = self.lanes.range(first.clone()..).map(|(lane, _)| lane);
        from_there.take_while(move |lane| lane.region() == first.region())
    }

    /// Whether an object names this region.
    #[must_use]
    pub fn names_region(&self, region: &Region) -> bool {
        self.lanes_of(region).next().is_some()
    }

    /// The objects that use this account, or all that use none.
    #[must_use]
    pub fn of_account(&self, account: Option<&str>) -> Vec<ObjectRef> {
        let uses = |row: &Row<C>| row.lane.account() == account;
        self.all().filter(|(_, row)| uses(row)).map(|(at, _)| at.clone()).collect()
    }

    /// The objects of a namespace.
    pub fn of_namespace(&self, namespace: &str) -> impl Iterator<Item = (&ObjectRef, &Row<C>)> {
        let there = self.all.get(namespace).into_iter().flatten();
        there.map(|(at, row)| (at, row.as_ref()))
    }

    /// How many objects a namespace has.
    #[must_use]
    pub fn count_in(&self, namespace: &str) -> usize {
        self.all.get(namespace).map_or(0, HashMap::len)
    }

    /// One more object of a namespace is in a lane. Returns what all there share.
    fn enter(&mut self, lane: &LaneId, namespace: &str) -> (LaneId, Arc<str>) {
        let known = self.lanes.get_key_value(lane).map(|(lane, _)| lane.clone());
        let lane = known.unwrap_or_else(|| lane.clone());
        let namespaces = self.lanes.entry(lane.clone()).or_default();
        let namespace = shared(namespaces, namespace);
        let count = namespaces.entry(Arc::clone(&namespace)).or_default();
        *count += 1;
        if *count == 1 {
            self.note_move(&lane, &namespace, true);
        }
        (lane, namespace)
    }

    fn leave(&mut self, lane: &LaneId, namespace: &Arc<str>) {
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

    fn note_move(&mut self, lane: &LaneId, namespace: &Arc<str>, enters: bool) {
        let (lane, namespace) = (lane.clone(), Arc::clone(namespace));
        self.moves.push(Move { lane, namespace, enters });
    }

    /// The namespaces that entered or left a lane since the last call. One that left it and came
    /// back did neither.
    pub fn take_moves(&mut self) -> Vec<Move> {
        let mut moves: Vec<Move> = Vec::new();
        for next in self.moves.drain(..) {
            let is_left =
                |it: &Move| !it.enters && it.lane == next.lane && it.namespace == next.namespace;
            let left = if next.enters { moves.iter().rposition(is_left) } else { None };
            match left {
                Some(left) => drop(moves.remove(left)),
                None => moves.push(next),
            }
        }
        moves
    }

    /// Whether any object is in this lane.
    #[must_use]
    pub fn has_lane(&self, lane: &LaneId) -> bool {
        self.lanes.contains_key(lane)
    }

    /// Records that an object cannot be read. Returns how that was seen before.
    pub(super) fn note_unreadable(
        &mut self,
        at: ObjectRef,
        seen: SeenUnreadable,
    ) -> Option<SeenUnreadable> {
        if let Some(row) = self.get(&at)
            && let Some((key, order)) = row.claim.as_ref().map(Claim::key).zip(wait_order_of(row))
            && let Some(there) = self.by_claim.get_mut(&key)
        {
            there.stop_waiting(&at, order);
        }
        self.unreadable.insert(at, seen)
    }

    /// Whether this version cannot read an object. Its row is then out of date.
    #[must_use]
    pub fn is_unreadable(&self, at: &ObjectRef) -> bool {
        self.unreadable.get(at).is_some()
    }

    /// The object that records this key pair and that this version cannot read.
    pub(crate) fn unreadable_recording(&self, arn: Digest<Arn>) -> Option<&SeenUnreadable> {
        self.unreadable.recording(arn)
    }

    /// How many objects this version cannot read.
    pub(super) fn unreadable(&self) -> usize {
        self.unreadable.len()
    }

    /// Whether an object is there, as far as the watch says.
    #[must_use]
    pub fn is_watched(&self, at: &ObjectRef) -> bool {
        self.get(at).is_some() || self.is_unreadable(at)
    }

    /// Whether the object with this uid is there, as far as the watch says. Another one may have
    /// its name by now.
    #[must_use]
    pub fn has_uid(&self, at: &ObjectRef, uid: &str) -> bool {
        let unreadable = self.unreadable.get(at).is_some_and(|seen| seen.uid == uid);
        unreadable || self.get(at).is_some_and(|row| row.uid == *uid)
    }

    /// What was kept of the object that had this name, if another one has it now. It went, and this
    /// one came, while no watch was there.
    #[must_use]
    pub fn predecessor(&self, at: &ObjectRef, uid: &str) -> Option<&Row<C>> {
        self.get(at).filter(|row| row.uid != *uid)
    }

    /// Drops an object that is gone.
    pub fn remove(&mut self, at: &ObjectRef) -> Removed<C> {
        self.unreadable.remove(at);
        self.last_paced.remove(at);
        self.last_logged.remove(at);
        shrink(&mut self.last_paced);
        shrink(&mut self.last_logged);
        let row = self.remove_row(at).map(|(_, row)| row);
        let next = row.as_ref().map(|row| self.called_by(row)).unwrap_or_default();
        Removed { row, next }
    }

    fn remove_row(&mut self, at: &ObjectRef) -> Option<(ObjectRef, Row<C>)> {
        let of_namespace = self.all.get_mut(&at.namespace)?;
        let (at, row) = of_namespace.remove_entry(at)?;
        if of_namespace.is_empty() {
            self.all.remove(&at.namespace);
        } else {
            shrink(of_namespace);
        }
        let row = *row;
        if let Some(count) = self.shown.get_mut(&row.shown) {
            *count -= 1;
        }
        self.leave(&row.lane, &at.namespace);
        if let Some(key) = row.claim.as_ref().map(Claim::key)
            && let Some(there) = self.by_claim.get_mut(&key)
        {
            there.remove(&at, wait_order_of(&row));
            if there.is_empty() {
                self.by_claim.remove(&key);
                shrink(&mut self.by_claim);
            }
        }
        Some((at, row))
    }

    /// The next objects when the one with this row steps aside.
    fn called_by(&self, row: &Row<C>) -> Vec<ObjectRef> {
        let claim = row.claim.as_ref();
        claim.map(|claim| self.next(claim.key(), &row.lane)).unwrap_or_default()
    }

    /// The next objects when one in this lane claims this no more: two at most.
    #[must_use]
    pub fn next(&self, key: ClaimKey, lane: &LaneId) -> Vec<ObjectRef> {
        let there = self.by_claim.get(&key).into_iter();
        let next = |there| Claimants::first_waiting(there, lane, |at| self.wait_order(at));
        there.flat_map(next).cloned().collect()
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

    /// Whether an object claims this that blocks others.
    #[must_use]
    pub fn is_wanted(&self, key: ClaimKey) -> bool {
        self.with_same_claim(key).any(|(_, row)| row.claim.as_ref().is_some_and(Claim::blocks))
    }

    fn with_same_claim(&self, key: ClaimKey) -> impl Iterator<Item = (&ObjectRef, &Row<C>)> {
        let there = self.by_claim.get(&key);
        let there = there.into_iter().flat_map(Claimants::iter);
        there.filter_map(|at| Some((at, self.get(at)?)))
    }

    /// The objects of a namespace, or all, that are not among those.
    #[must_use]
    pub fn others(&self, namespace: Option<&str>, seen: &HashSet<ObjectRef>) -> Vec<ObjectRef> {
        let in_namespace =
            |at: &&ObjectRef| namespace.is_none_or(|namespace| *namespace == *at.namespace);
        let never_read = self.unreadable.keys().filter(|at| self.get(at).is_none());
        let all = self.all().map(|(at, _)| at).chain(never_read);
        all.filter(in_namespace).filter(|at| !seen.contains(*at)).cloned().collect()
    }

    /// How many objects show each value.
    pub fn shown(&self) -> impl Iterator<Item = (&Shown, usize)> {
        self.shown.iter().map(|(shown, count)| (shown, *count))
    }

    /// The other objects that claim this. An object that waited when it was last readable, and
    /// no longer is, does not count, because it will not be reconciled.
    pub fn rivals(&self, at: &ObjectRef, key: ClaimKey) -> impl Iterator<Item = Rival<'_, C>> {
        let others = self.with_same_claim(key).filter(move |(other, _)| *other != at);
        let counts = |other: &ObjectRef, claim: &C| !claim.waits() || !self.is_unreadable(other);
        others.filter_map(move |(at, row)| {
            let claim = row.claim.as_ref().filter(|claim| counts(at, claim))?;
            Some(Rival { at, row, claim })
        })
    }
}

/// An object that is gone.
#[derive(Debug)]
pub struct Removed<C> {
    /// What was kept of it. Of one that was never readable, that is nothing.
    pub row: Option<Row<C>>,
    /// The objects that waited for it and come next.
    pub next: Vec<ObjectRef>,
}

/// Another object that claims the same.
#[derive(Debug)]
pub struct Rival<'a, C> {
    /// The object.
    pub at: &'a ObjectRef,
    /// What is known of it.
    pub row: &'a Row<C>,
    /// What it claims.
    pub claim: &'a C,
}

#[cfg(test)]
#[path = "tests/rows.rs"]
mod tests;
