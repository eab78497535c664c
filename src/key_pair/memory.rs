//! What is remembered of key pair objects between reconciliations. Losing it costs time, never
//! safety; only an object that vanished despite its finalizer is then not followed up any more.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::claim::{self, PairClaim};
use super::crowd::Crowds;
use super::desired::LONGEST_INTERVAL;
use super::room::{Counted, Room, Waits};
use super::unrecorded::{AllUnrecorded, ImportCall, Sent, Unrecorded};
use super::world::{DeletedPair, SourceRef};
use crate::access::Grant;
use crate::api::account::NamespacesFrom;
use crate::api::{LightsailKeyPair, Reason};
use crate::clock::Moment;
use crate::digest::Digest;
use crate::engine::rows::{Row, Rows};
use crate::engine::tables::ByUid;
use crate::engine::{ObjectRef, Outcome, Settings};
use crate::ids::{Arn, KeyPairName, LaneId, Scope};
use crate::lightsail::KeyPair;

/// What is remembered.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// What is kept of each object.
    pub(super) rows: Mutex<Rows<PairClaim>>,
    /// By lane: when Lightsail was read last.
    pub(super) reads: Mutex<HashMap<LaneId, Moment>>,
    /// Of objects that use an account: what allowed that last.
    allowances: Mutex<ByUid<Allowance>>,
    /// Objects that may not use their account, as their last reconciliation found. Whoever edits
    /// an object again and again can keep its status from showing that.
    refused: Mutex<ByUid<()>>,
    /// What the calls of objects have come to, until their status shows it.
    unrecorded: Mutex<AllUnrecorded>,
    /// By scope and name of the pairs that this process tried to delete, without an answer: until
    /// when that may still take effect, whichever object has the name by then, and whichever
    /// credentials of the account that object uses.
    pub(super) deletions: Mutex<Unanswered>,
    /// By scope and name: the pairs that this process has deleted lately.
    pub(super) deleted: Mutex<Deleted>,
    /// As [`Self::deletions`], of downloads of default pairs.
    pub(super) downloads: Mutex<Unanswered>,
    /// Who is creating key pairs at the same time.
    pub(super) crowds: Mutex<Crowds>,
    /// Who is about to have a pair where their number is limited, and who waits for that. Locked
    /// after the rows.
    pub(super) room: Mutex<Room>,
    /// By namespace: when an object last went whose pair may have stayed. A list whose read began
    /// before may not show that pair, and does not tell how many the namespace has.
    left_at: Mutex<HashMap<Arc<str>, Moment>>,
    /// Objects that show that their Secret could not be read or changed, and keep it.
    refused_secret_stays: Mutex<ByUid<()>>,
    /// Objects whose pair another process may have begun to delete, and until when that may act if
    /// it goes on beside this one.
    deleted_elsewhere: Mutex<ByUid<Moment>>,
    /// Objects that go and leave no pair behind.
    without_pair: Mutex<ByUid<()>>,
    /// What an object needs and is missing, and since when.
    pub(super) missing: Mutex<ByUid<(Digest<SourceRef>, Moment)>>,
    /// Which pairs of a shared list no object manages.
    pub(super) without_object: Mutex<HashMap<Scope, WithoutObject>>,
    /// Objects that vanished despite their finalizer, or may have, and are to be followed up.
    pub(super) vanished: Mutex<HashMap<ObjectRef, Vanished>>,
}

/// Why an object counts in this lane, if it does. It is as its row says.
fn counted(row: &Row<PairClaim>, room: &Room, at: &ObjectRef, lane: &LaneId) -> Counted {
    let Some(claim) = &row.claim else {
        return Counted { has_place: room.has_place(&row.uid.to_string()), ..Counted::default() };
    };
    let may_get_one = row.lane == *lane && claim::may_get_one(row);
    Counted {
        on_record: claim.counts(),
        has_place: room.has_place(&row.uid.to_string()),
        is_ahead: may_get_one && room.is_ahead(at, lane, claim.created_at, &row.uid),
    }
}

/// The same of the object with this uid, if it is there.
fn counted_by_row(rows: &Rows<PairClaim>, room: &Room, at: &ObjectRef, uid: &str) -> Counted {
    let row = rows.get(at).filter(|row| row.uid == *uid);
    row.map_or_else(Counted::default, |row| counted(row, room, at, &row.lane))
}

/// No list is used that is older: that is the longest interval, and some time for reading one.
const OLDEST_LIST: Duration = LONGEST_INTERVAL.saturating_mul(2);

/// Pairs that no object manages. An object may go, or its pair be deleted, while a list is walked:
/// only what two walks show counts.
#[derive(Debug, Default)]
pub(super) struct WithoutObject {
    /// When the walk started that was counted last.
    pub(super) walk: Option<Moment>,
    shown: HashSet<Arn>,
    named: HashSet<Arn>,
}

impl WithoutObject {
    /// Records one more walk. Returns how many pairs count, and of those that were not named yet so
    /// many as are named now.
    pub(super) fn note(
        &mut self,
        walk: Moment,
        shown: HashSet<Arn>,
        most: usize,
    ) -> (usize, Vec<Arn>) {
        let counted: HashSet<Arn> = shown.intersection(&self.shown).cloned().collect();
        let news: Vec<Arn> = counted.difference(&self.named).take(most).cloned().collect();
        let known = counted.intersection(&self.named).chain(&news);
        let named = known.cloned().collect();
        *self = Self { walk: Some(walk), shown, named };
        (counted.len(), news)
    }
}

/// An object that vanished despite its finalizer, or may have.
#[derive(Debug)]
pub(super) struct Vanished {
    pub(super) object: LightsailKeyPair,
    is_gone: bool,
    /// Why its pair was not dealt with, as the log says.
    waits: Option<Reason>,
}

impl Vanished {
    /// Whether it is known to be gone.
    pub(super) fn is_gone(&self) -> bool {
        self.is_gone
    }

    /// It is gone. Returns whether that was known before.
    pub(super) fn note_gone(&mut self) -> bool {
        std::mem::replace(&mut self.is_gone, true)
    }

    /// Why its pair is not dealt with yet, if that is news.
    pub(super) fn news(&mut self, outcome: Outcome) -> Option<Reason> {
        let Outcome::Shows(reason) = outcome else { return None };
        (self.waits.replace(reason) != Some(reason)).then_some(reason)
    }
}

/// A version of an account: while it is that, it allows what it allowed before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Allowance(Digest<(String, i64)>);

impl Allowance {
    /// Of the account that an object uses. `None` if it uses none, or one that allows by the labels
    /// of namespaces, which change by themselves.
    pub(super) fn of(grant: &Grant) -> Option<Self> {
        let Grant::Account(entry) = grant else { return None };
        let is_by_labels = entry.spec.allowed_namespaces.from == NamespacesFrom::Selector;
        (!is_by_labels).then(|| Self(Digest::of((&entry.uid, entry.generation))))
    }
}

/// Until when calls may still take effect that were sent, and not answered.
#[derive(Debug, Default)]
pub(super) struct Unanswered(HashMap<Digest<(Scope, KeyPairName)>, Moment>);

impl Unanswered {
    /// A call about the pair of this name was not answered, or was, if `until` is not given.
    pub(super) fn note(&mut self, scope: &Scope, name: &KeyPairName, until: Option<Moment>) {
        self.0.retain(|_, until| until.elapsed() < OLDEST_LIST);
        let key = Digest::of((scope, name));
        match until {
            Some(until) => drop(self.0.insert(key, until)),
            None => drop(self.0.remove(&key)),
        }
    }

    /// Until when one may still take effect, or might have.
    pub(super) fn until(&self, scope: &Scope, name: &KeyPairName) -> Option<Moment> {
        self.0.get(&Digest::of((scope, name))).copied()
    }
}

/// Pairs that were deleted, each until no read shows it any more.
#[derive(Debug, Default)]
pub(super) struct Deleted(HashMap<Digest<(Scope, KeyPairName)>, DeletedLately>);

/// Which pair was deleted, and until when a read may show it.
type DeletedLately = (Digest<KeyPair>, Moment);

impl Deleted {
    /// The pair of this name was deleted, or may have been.
    pub(super) fn note(&mut self, scope: &Scope, pair: &KeyPair, until: Moment) {
        let now = Moment::now();
        self.0.retain(|_, (_, until)| *until > now);
        self.0.insert(Digest::of((scope, &pair.name)), (DeletedPair::digest(pair), until));
    }

    /// What was deleted last.
    pub(super) fn find(&self, scope: &Scope, name: &KeyPairName) -> Option<DeletedLately> {
        self.0.get(&Digest::of((scope, name))).copied()
    }
}

impl Memory {
    /// What the calls of the object with this uid have come to, if its status does not show it.
    pub(super) fn unrecorded(&self, uid: &str) -> Unrecorded {
        self.unrecorded.lock().get(uid)
    }

    /// Changes what [`Self::unrecorded`] returns.
    pub(super) fn edit(&self, uid: &str, change: impl FnOnce(&mut Unrecorded)) {
        self.unrecorded.lock().edit(uid, change);
    }

    /// An object vanished despite its finalizer, or may have; this is how it was last.
    pub(super) fn note_vanished(&self, at: &ObjectRef, object: LightsailKeyPair) {
        let mut all = self.vanished.lock();
        let known = all.get(at).filter(|it| it.object.metadata.uid == object.metadata.uid);
        let is_gone = known.is_some_and(Vanished::is_gone);
        all.insert(at.clone(), Vanished { object, is_gone, waits: None });
    }

    /// An object goes. `leaves_pair`: its pair may stay.
    pub(super) fn note_end(&self, uid: &str, leaves_pair: bool) {
        self.without_pair.lock().set(uid, (!leaves_pair).then_some(()));
    }

    /// An object is gone. `has_record`: a pair is on record, or its import or adoption.
    pub(super) fn note_left(&self, namespace: &Arc<str>, uid: &str, has_record: bool) {
        let may_have_pair = has_record || self.room.lock().has_place(uid);
        if may_have_pair && self.without_pair.lock().get(uid).is_none() {
            let mut left_at = self.left_at.lock();
            left_at.retain(|_, at| at.elapsed() < OLDEST_LIST);
            left_at.insert(Arc::clone(namespace), Moment::now());
        }
    }

    /// When an object of the namespace last went whose pair may have stayed.
    pub(super) fn left_at(&self, namespace: &str) -> Option<Moment> {
        self.left_at.lock().get(namespace).copied()
    }

    /// Forgets an object that is gone, unless its pair is still to be dealt with.
    pub(super) fn forget_gone(&self, at: &ObjectRef, uid: &str) {
        self.without_pair.lock().remove(uid);
        self.room.lock().forget(uid);
        let is_uid = |vanished: &Vanished| vanished.object.metadata.uid.as_deref() == Some(uid);
        if !self.vanished.lock().values().any(is_uid) {
            self.forget(at, uid);
        }
    }

    /// The pair of the object with this uid is dealt with.
    pub(super) fn forget(&self, at: &ObjectRef, uid: &str) {
        self.drop_place(at, uid);
        self.room.lock().forget(uid);
        self.allowances.lock().remove(uid);
        self.deleted_elsewhere.lock().remove(uid);
        self.refused_secret_stays.lock().remove(uid);
        self.refused.lock().remove(uid);
        self.edit(uid, |known| *known = Unrecorded::default());
        self.missing.lock().remove(uid);
        self.crowds.lock().leave(uid, Moment::now());
    }

    /// The object with this uid cannot be read, so nothing more is to come of it: those that are
    /// created at the same time do not wait for it.
    pub(super) fn note_unreadable(&self, uid: &str) {
        self.room.lock().give_up(uid);
        self.crowds.lock().leave(uid, Moment::now());
    }

    /// An object came with an intent: another operator, which keeps its Lease, may be about to send
    /// the import.
    pub(super) fn note_sent_elsewhere(&self, uid: &str, intent_window: Duration) {
        let sent = Sent { until: Moment::now() + intent_window, accepted: false };
        self.edit(uid, |known| known.import = ImportCall::Sent(sent));
    }

    /// An object is about to be this. It has its place, or has none, as before.
    pub(super) fn note_object(
        &self,
        at: &ObjectRef,
        object: &LightsailKeyPair,
        settings: &Settings,
    ) {
        let (rows, mut room) = (self.rows.lock(), self.room.lock());
        let uid = object.metadata.uid.as_deref().unwrap_or_default();
        let Some(before) = rows.get(at).filter(|row| row.uid == *uid) else { return };
        // Where nobody waits, it is not asked what the object says.
        if !room.has_line(at, &before.lane) {
            return;
        }
        let after = claim::row_of(object, settings, self.is_refused(uid));
        let of = |row: &Row<PairClaim>| counted(row, &room, at, &before.lane);
        let (counted, counts) = (of(before), of(&after));
        room.note(at, &before.lane, counted, counts);
    }

    /// An object is gone, of which this was kept.
    pub(super) fn note_gone(&self, at: &ObjectRef, row: &Row<PairClaim>) {
        let uid = row.uid.to_string();
        let before = counted(row, &self.room.lock(), at, &row.lane);
        self.forget_gone(at, &uid);
        self.room.lock().note(at, &row.lane, before, Counted::default());
    }

    /// The object with this uid is not about to import any more.
    pub(super) fn drop_place(&self, at: &ObjectRef, uid: &str) {
        if self.room.lock().has_place(uid) {
            self.change(at, uid, |_, room| room.drop_place(uid));
        }
    }

    /// Changes what is known of an object that is there. If it counted and counts no more, there is
    /// room for another one.
    fn change(
        &self,
        at: &ObjectRef,
        uid: &str,
        change: impl FnOnce(&mut Rows<PairClaim>, &mut Room),
    ) {
        let (mut rows, mut room) = (self.rows.lock(), self.room.lock());
        let before = counted_by_row(&rows, &room, at, uid);
        change(&mut rows, &mut room);
        let after = counted_by_row(&rows, &room, at, uid);
        room.note(at, &rows.lane(at), before, after);
    }

    /// Notes whether the object with this uid shows that its Secret could not be read or changed,
    /// with a spec that keeps it.
    pub(super) fn note_refused_secret(&self, uid: &str, stays: bool) {
        self.refused_secret_stays.lock().set(uid, stays.then_some(()));
    }

    /// Whether it does.
    pub(super) fn refused_secret_stays(&self, uid: &str) -> bool {
        self.refused_secret_stays.lock().get(uid).is_some()
    }

    /// Notes until when another process that may have begun to delete the pair of the object with
    /// this uid may act beside this one. `None`: none has.
    pub(super) fn note_deleted_elsewhere(&self, uid: &str, until: Option<Moment>) {
        self.deleted_elsewhere.lock().set(uid, until);
    }

    /// Until when it may.
    pub(super) fn deleted_elsewhere(&self, uid: &str) -> Option<Moment> {
        self.deleted_elsewhere.lock().get(uid).copied()
    }

    /// What allowed the object with this uid to use its credentials.
    pub(super) fn note_allowance(&self, uid: &str, allowance: Option<Allowance>) {
        self.allowances.lock().set(uid, allowance);
    }

    /// What allowed it last.
    pub(super) fn allowance(&self, uid: &str) -> Option<Allowance> {
        self.allowances.lock().get(uid).copied()
    }

    /// Notes whether a reconciliation of an object found that it may not use its account. Then it
    /// stands in nobody's way, even if no write of its status succeeds (I14). What the watch shows
    /// next calls those that wait, and tells all that have its pair once it may have that again.
    pub(super) fn note_refusal(&self, at: &ObjectRef, uid: &str, is_refused: bool) {
        self.refused.lock().set(uid, is_refused.then_some(()));
        if is_refused {
            // Another object may have its name by now.
            self.change(at, uid, |rows, _| {
                if rows.has_uid(at, uid) {
                    rows.edit_claim(at, |claim| claim.is_refused = true);
                }
            });
        }
    }

    /// An object has counted, and found no room. It says so in a moment, and counts for nothing
    /// from now on. That makes room for the next one, not for itself.
    pub(super) fn wait_for_room(&self, rows: &mut Rows<PairClaim>, room: &mut Room, it: Waits<'_>) {
        // Whoever is younger counts all that it counted.
        let of = |rows: &Rows<PairClaim>, room: &Room| Counted {
            is_ahead: false,
            ..counted_by_row(rows, room, it.at, it.uid)
        };
        let before = of(rows, room);
        self.refused.lock().set(it.uid, Some(()));
        rows.edit_claim(it.at, |claim| claim.is_refused = true);
        room.drop_place(it.uid);
        let after = of(rows, room);
        room.wait(it, before, after);
    }

    /// Whether it was refused last.
    pub(super) fn is_refused(&self, uid: &str) -> bool {
        self.refused.lock().get(uid).is_some()
    }

    /// Since when what an object needs has been missing: since now, if that is news.
    pub(super) fn missing_since(&self, uid: &str, what: &SourceRef) -> Moment {
        let (what, mut all) = (Digest::of(what), self.missing.lock());
        let missing = all.get_or_insert_with(uid, || (what, Moment::now()));
        if missing.0 != what {
            *missing = (what, Moment::now());
        }
        missing.1
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::key_pair::world::SourceKind;

    #[test]
    fn what_is_missing_now_was_not_missing_since_something_else_was() {
        let memory = Memory::default();
        let missing_since = |name: &str| {
            let (kind, key) = (SourceKind::Secret, "key".to_owned());
            memory.missing_since("u", &SourceRef { kind, name: name.to_owned(), key })
        };
        let first = missing_since("misspelt");
        assert_eq!(missing_since("misspelt"), first);
        let second = missing_since("right");
        assert!(second > first);
        assert_eq!(missing_since("right"), second);
    }

    #[test]
    fn what_was_not_answered_counts_for_the_next_object_of_the_name() {
        let (memory, name) = (Memory::default(), KeyPairName::from("fleet"));
        let later = Moment::now() + Duration::from_mins(1);
        let scope =
            |account: &str, region: &str| Scope { account: account.into(), region: region.into() };
        let until = |account: &str, region: &str, name: &str| {
            memory.deletions.lock().until(&scope(account, region), &name.into())
        };
        let own = scope("123456789012", "eu-west-1");
        memory.deletions.lock().note(&own, &name, Some(later));
        memory.forget(&ObjectRef::new("team-a", "fleet"), "u");
        assert_eq!(until("123456789012", "eu-west-1", "fleet"), Some(later));
        assert_eq!(until("123456789012", "eu-west-1", "other"), None);
        assert_eq!(until("123456789012", "eu-west-2", "fleet"), None);
        assert_eq!(until("999999999999", "eu-west-1", "fleet"), None);
        memory.deletions.lock().note(&own, &name, None);
        assert_eq!(until("123456789012", "eu-west-1", "fleet"), None);
    }

    #[test]
    fn why_the_pair_of_a_vanished_object_is_not_dealt_with_is_news_once() {
        let spec = json!({ "type": "Imported", "region": "eu-west-1" });
        let object: LightsailKeyPair = serde_json::from_value(json!({
            "apiVersion": "lightsail-operator.dev/v1alpha1", "kind": "LightsailKeyPair",
            "metadata": { "name": "fleet" }, "spec": spec,
        }))
        .unwrap();
        let mut vanished = Vanished { object, is_gone: false, waits: None };
        let (denied, silent) = (Reason::AccessDenied, Reason::ServiceError);
        for (name, outcome, expected) in [
            ("it is denied", Outcome::Shows(denied), Some(denied)),
            ("it still is", Outcome::Shows(denied), None),
            ("somebody has its name", Outcome::Conflict, None),
            ("and it still is", Outcome::Shows(denied), None),
            ("it is allowed, and Lightsail fails", Outcome::Shows(silent), Some(silent)),
            ("it is denied again", Outcome::Shows(denied), Some(denied)),
        ] {
            assert_eq!(vanished.news(outcome), expected, "{name}");
        }
    }

    #[test]
    fn lists_from_before_an_object_left_its_pair_do_not_count_for_its_namespace() {
        let namespace = Arc::from("team-a");
        for (name, is_within, has_record, leaves_pair, expected) in [
            ("its import is on record", false, true, None, true),
            ("it was about to import", true, false, None, true),
            ("it was released", false, true, Some(true), true),
            ("its pair was deleted with it", true, true, Some(false), false),
            ("it never had one", false, false, None, false),
        ] {
            let (memory, before) = (Memory::default(), Moment::now());
            if is_within {
                let name = Digest::of(KeyPairName::from("fleet"));
                let at = ObjectRef::new("team-a", "fleet");
                memory.room.lock().take_place(&at, &"eu-west-1".into(), "u", name);
            }
            if let Some(leaves_pair) = leaves_pair {
                memory.note_end("u", leaves_pair);
            }
            memory.note_left(&namespace, "u", has_record);
            let left_at = memory.left_at("team-a");
            assert_eq!(left_at.is_some_and(|left_at| left_at >= before), expected, "{name}");
            assert_eq!(memory.left_at("team-b"), None, "{name}");
            memory.forget_gone(&ObjectRef::new("team-a", "fleet"), "u");
            assert!(memory.without_pair.lock().get("u").is_none(), "{name}");
        }
    }

    #[test]
    fn nobody_waits_for_an_object_that_cannot_be_read() {
        let (memory, now) = (Memory::default(), Moment::now());
        let (at, lane) = (ObjectRef::new("team-a", "fleet"), "eu-west-1".into());
        for uid in ["u", "v"] {
            memory.crowds.lock().note_coming(uid, &at, &lane, now);
        }
        memory.note_unreadable("u");
        memory.note_unreadable("never seen");
        let crowd = memory.crowds.lock().crowd("v", &at, &lane, now);
        assert_eq!((crowd.all.coming, crowd.own.coming), (1, 1));
    }

    #[test]
    fn what_two_walks_show_counts_and_is_news_once() {
        let (mut without_object, walk) = (WithoutObject::default(), Moment::now());
        let mut note = |arns: &[&str]| {
            let (count, mut news) =
                without_object.note(walk, arns.iter().copied().map(Arn::from).collect(), 2);
            news.sort();
            (count, news)
        };
        let arns = |arns: &[&str]| arns.iter().copied().map(Arn::from).collect::<Vec<_>>();
        assert_eq!(note(&["a", "b"]), (0, arns(&[])));
        assert_eq!(note(&["a", "b", "c"]), (2, arns(&["a", "b"])));
        assert_eq!(note(&["a", "c"]), (2, arns(&["c"])));
        assert_eq!(note(&[]), (0, arns(&[])));
        // Two are named at a time.
        note(&["d", "e", "f"]);
        let (count, mut named) = note(&["d", "e", "f"]);
        assert_eq!((count, named.len()), (3, 2));
        let (count, rest) = note(&["d", "e", "f"]);
        assert_eq!((count, rest.len()), (3, 1));
        named.extend(rest);
        named.sort();
        assert_eq!(named, arns(&["d", "e", "f"]));
        assert_eq!(note(&["d", "e", "f"]), (3, arns(&[])));
    }
}
