//! Which objects are about to have key pairs where their number is limited, and which ones wait in
//! line for room. One rule: when an object that counted counts no more, the oldest in its line
//! tries again.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;

use crate::clock::Moment;
use crate::digest::Digest;
use crate::engine::ObjectRef;
use crate::engine::tables::{ByUid, shrink};
use crate::engine::uid::Uid;
use crate::ids::{KeyPairName, LaneId};

/// Why an object counts toward the key pairs of its namespace, if it does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counted {
    /// A pair is on record, or an import or adoption.
    pub(super) on_record: bool,
    /// It was found to be within the limit, and may be about to import.
    pub(super) has_place: bool,
    /// It may get a pair, and is older than all that wait in its line, which leave it that.
    pub(super) is_ahead: bool,
}

/// Whether there is room for the pair of another object once one that counted like this counts like
/// that. One that replaces its pair makes none.
fn makes_room(before: Counted, after: Counted) -> bool {
    let counts = |it: Counted| it.on_record || it.has_place || it.is_ahead;
    counts(before) && !counts(after)
}

/// An object that waits in line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waits<'a> {
    pub(super) at: &'a ObjectRef,
    pub(super) lane: &'a LaneId,
    pub(super) uid: &'a str,
    pub(super) created_at: Option<Timestamp>,
}

/// A namespace, and a lane.
type LineKey = (Arc<str>, LaneId);

fn line_of(at: &ObjectRef, lane: &LaneId) -> LineKey {
    (Arc::clone(&at.namespace), lane.clone())
}

/// The oldest comes first.
type Age = (Option<Timestamp>, Uid);

/// Objects of a namespace in a lane for whose pairs there was no room.
#[derive(Debug, Default)]
struct Line {
    waiting: BTreeMap<Age, ObjectRef>,
    /// How many have been called, and have not counted since.
    called: usize,
    /// How many calls found nobody who waited. Those that had been called may count without seeing
    /// that room.
    missed: usize,
}

/// Where an object stands.
#[derive(Debug)]
struct Standing {
    line: LineKey,
    age: Age,
    /// Since when it is to try again.
    called_at: Option<Moment>,
}

/// What is known of all of them.
#[derive(Debug, Default)]
pub(super) struct Room {
    /// Of objects that were found to be within the limit of their account and may be about
    /// to import: the names of their pairs, which count though none is on record.
    places: ByUid<Digest<KeyPairName>>,
    lines: HashMap<LineKey, Line>,
    standing: ByUid<Standing>,
    /// Those that are to try again, and their lanes, until they are queued.
    called: Vec<(ObjectRef, LaneId)>,
}

impl Room {
    /// The names that are about to be imported.
    pub(super) fn places(&self) -> &ByUid<Digest<KeyPairName>> {
        &self.places
    }

    /// Whether the object with this uid may be about to import.
    pub(super) fn has_place(&self, uid: &str) -> bool {
        self.places.get(uid).is_some()
    }

    /// Whether anybody waits in the line of this object, or has been called.
    pub(super) fn has_line(&self, at: &ObjectRef, lane: &LaneId) -> bool {
        self.lines.contains_key(&line_of(at, lane))
    }

    /// Whether somebody waits in the line of this object, and nobody who is as old.
    pub(super) fn is_ahead(
        &self,
        at: &ObjectRef,
        lane: &LaneId,
        created_at: Option<Timestamp>,
        uid: &Uid,
    ) -> bool {
        let first = self.lines.get(&line_of(at, lane)).and_then(|it| it.waiting.first_key_value());
        first.is_some_and(|((first_created_at, first_uid), _)| {
            (created_at, uid) < (*first_created_at, first_uid)
        })
    }

    /// An object in this lane has counted, and may import a pair of this name.
    pub(super) fn take_place(
        &mut self,
        at: &ObjectRef,
        lane: &LaneId,
        uid: &str,
        name: Digest<KeyPairName>,
    ) {
        self.step_over(uid, &line_of(at, lane));
        self.places.insert(uid, name);
    }

    /// The object with this uid is not about to import any more.
    pub(super) fn drop_place(&mut self, uid: &str) {
        self.places.remove(uid);
    }

    /// An object has counted, and found no room. Before that, it counted like this: if it counts no
    /// more, the next one tries.
    pub(super) fn wait(&mut self, it: Waits<'_>, before: Counted, after: Counted) {
        let key = line_of(it.at, it.lane);
        let missed = self.lines.get(&key).map_or(0, |line| line.missed);
        self.step_over(it.uid, &key);
        self.drop_place(it.uid);
        self.note(it.at, it.lane, before, after);
        let age = (it.created_at, Uid::from(it.uid));
        let line = self.lines.entry(key.clone()).or_default();
        line.waiting.insert(age.clone(), it.at.clone());
        line.missed = line.missed.max(missed);
        let is_missed = line.missed > 0;
        line.missed = line.missed.saturating_sub(1);
        self.standing.insert(it.uid, Standing { line: key.clone(), age, called_at: None });
        if is_missed {
            self.call_next(&key);
        }
    }

    /// An object in this lane counted like that before, and counts like this now.
    pub(super) fn note(&mut self, at: &ObjectRef, lane: &LaneId, before: Counted, after: Counted) {
        if makes_room(before, after) {
            self.make_room(at, lane);
        }
    }

    /// The pair of an object is gone, or came to nothing: the oldest in its line tries again.
    pub(super) fn make_room(&mut self, at: &ObjectRef, lane: &LaneId) {
        if self.lines.is_empty() {
            return;
        }
        self.call_next(&line_of(at, lane));
    }

    fn call_next(&mut self, key: &LineKey) {
        let Some(line) = self.lines.get_mut(key) else { return };
        let Some(((_, uid), at)) = line.waiting.pop_first() else {
            line.missed = (line.missed + 1).min(line.called);
            return;
        };
        line.called += 1;
        if let Some(standing) = self.standing.get_mut(&uid.to_string()) {
            standing.called_at = Some(Moment::now());
        }
        self.called.push((at, key.1.clone()));
    }

    /// Takes an object out of its line. Returns the line if it was called.
    fn step_out(&mut self, uid: &str) -> Option<LineKey> {
        let Standing { line: key, age, called_at } = self.standing.remove(uid)?;
        if let Some(line) = self.lines.get_mut(&key) {
            if called_at.is_some() {
                line.called -= 1;
            } else {
                line.waiting.remove(&age);
            }
            if line.called == 0 && line.waiting.is_empty() {
                self.lines.remove(&key);
                shrink(&mut self.lines);
            }
        }
        called_at.map(|_| key)
    }

    /// Takes an object out of its line, as it has counted in this one. If it was called in another
    /// one, that was another account: the next one there tries.
    fn step_over(&mut self, uid: &str, counted_in: &LineKey) {
        if let Some(key) = self.step_out(uid).filter(|key| key != counted_in) {
            self.call_next(&key);
        }
    }

    /// A reconciliation that began then ended without a count: the object waits for something else.
    /// If it was called before, the next one tries. If it was called since, it comes again.
    pub(super) fn leave(&mut self, uid: &str, began: Moment) {
        let called_at = self.standing.get(uid).and_then(|it| it.called_at);
        if called_at.is_none_or(|at| at < began) {
            self.give_up(uid);
        }
    }

    /// The object with this uid tries no more: if it was called, the next one does.
    pub(super) fn give_up(&mut self, uid: &str) {
        if let Some(key) = self.step_out(uid) {
            self.call_next(&key);
        }
    }

    /// The object with this uid is gone.
    pub(super) fn forget(&mut self, uid: &str) {
        self.give_up(uid);
        self.drop_place(uid);
    }

    /// When the object with this uid was called, if it has not counted since: a list from before
    /// that does not show the room.
    pub(super) fn since(&self, uid: &str) -> Option<Moment> {
        self.standing.get(uid)?.called_at
    }

    /// Those that are to try again.
    pub(super) fn take_called(&mut self) -> Vec<(ObjectRef, LaneId)> {
        std::mem::take(&mut self.called)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Counted = Counted { on_record: false, has_place: false, is_ahead: false };
    const PAIR: Counted = Counted { on_record: true, ..NOTHING };
    const PLACE: Counted = Counted { has_place: true, ..NOTHING };
    const BOTH: Counted = Counted { has_place: true, ..PAIR };
    const AHEAD: Counted = Counted { is_ahead: true, ..NOTHING };

    fn lane() -> LaneId {
        "eu-west-1/a".into()
    }

    fn at(name: &str) -> ObjectRef {
        ObjectRef::new("team-a", name)
    }

    /// An object of this uid and age finds no room.
    fn wait(room: &mut Room, uid: &str, seconds: i64) {
        wait_in(room, &at(uid), &lane(), seconds);
    }

    fn wait_in(room: &mut Room, at: &ObjectRef, lane: &LaneId, seconds: i64) {
        let created_at = Some(Timestamp::from_second(seconds).unwrap());
        room.wait(Waits { at, lane, uid: &at.name, created_at }, NOTHING, NOTHING);
    }

    /// The names of those that are called.
    fn called(room: &mut Room) -> Vec<String> {
        room.take_called().into_iter().map(|(at, _)| at.name.to_string()).collect()
    }

    fn take_place(room: &mut Room, uid: &str) {
        room.take_place(&at(uid), &lane(), uid, Digest::of(KeyPairName::from("fleet")));
    }

    fn is_empty(room: &Room) -> bool {
        room.lines.is_empty() && room.standing.count() == 0 && room.places.count() == 0
    }

    #[test]
    fn there_is_room_when_an_object_counts_no_more() {
        for (sentence, before, after, expected) in [
            ("its pair is gone", PAIR, NOTHING, true),
            ("its import came to nothing", PLACE, NOTHING, true),
            ("both at the same time", BOTH, NOTHING, true),
            ("its import is on record", PLACE, BOTH, false),
            ("it replaces its pair", PAIR, PAIR, false),
            ("its pair is gone, and it may import another", BOTH, PLACE, false),
            ("the pair that it has imported is on record", BOTH, PAIR, false),
            ("it is no longer to get one before younger ones", AHEAD, NOTHING, true),
            ("its import came to nothing, and it tries again", BOTH, AHEAD, false),
            ("it never counted", NOTHING, NOTHING, false),
            ("it counts", NOTHING, PLACE, false),
        ] {
            assert_eq!(makes_room(before, after), expected, "{sentence}");
        }
    }

    #[test]
    fn the_oldest_of_its_namespace_region_and_account_is_called() {
        let mut room = Room::default();
        wait_in(&mut room, &at("1"), &"eu-west-1/b".into(), 1);
        wait_in(&mut room, &ObjectRef::new("team-b", "2"), &lane(), 1);
        wait(&mut room, "3", 9);
        wait(&mut room, "4", 8);
        room.note(&at("gone"), &lane(), BOTH, PLACE);
        assert_eq!(called(&mut room), [""; 0], "it still counts");
        for uid in ["4", "3"] {
            room.note(&at("gone"), &lane(), PAIR, NOTHING);
            assert_eq!(called(&mut room), [uid], "each time another one");
            assert!(room.since(uid).is_some());
        }
        room.note(&at("gone"), &lane(), PAIR, NOTHING);
        assert_eq!(called(&mut room), [""; 0], "nobody waits any more");
        assert_eq!((room.since("1"), room.since("2")), (None, None));
    }

    #[test]
    fn whoever_was_called_counts_again_if_it_may_have_missed_more_room() {
        let mut room = Room::default();
        wait(&mut room, "a", 1);
        for _ in 0..10 {
            room.make_room(&at("gone"), &lane());
        }
        assert_eq!(called(&mut room), ["a"]);
        let first = room.since("a");
        wait(&mut room, "a", 1);
        assert_eq!(called(&mut room), ["a"], "the list that it counted in may be older");
        assert!(room.since("a") > first);
        wait(&mut room, "a", 1);
        assert_eq!(called(&mut room), [""; 0], "I14: once");
        assert_eq!(room.since("a"), None);
        room.make_room(&at("gone"), &lane());
        take_place(&mut room, "a");
        assert_eq!(room.since("a"), None, "it has its place");
    }

    #[test]
    fn i14_whoever_was_called_and_finds_no_room_calls_nobody() {
        let mut room = Room::default();
        wait(&mut room, "a", 1);
        wait(&mut room, "b", 2);
        room.make_room(&at("gone"), &lane());
        assert_eq!(called(&mut room), ["a"]);
        wait(&mut room, "a", 1);
        room.leave("b", Moment::now());
        assert_eq!(called(&mut room), [""; 0]);
        room.make_room(&at("gone"), &lane());
        assert_eq!(called(&mut room), ["a"], "it waits again");
    }

    #[test]
    fn a_call_is_passed_on_by_whoever_has_no_use_for_it() {
        type End = fn(&mut Room);
        for (sentence, end, expected) in [
            ("it waits for something else", (|room| room.leave("a", Moment::now())) as End, "b"),
            ("it is gone", |room| room.forget("a"), "b"),
            ("it cannot be read", |room| room.give_up("a"), "b"),
            ("it imports", |room| take_place(room, "a"), ""),
            (
                "its import came to nothing",
                |room| {
                    take_place(room, "a");
                    room.drop_place("a");
                    room.note(&at("a"), &lane(), PLACE, NOTHING);
                },
                "b",
            ),
        ] {
            let mut room = Room::default();
            wait(&mut room, "a", 1);
            wait(&mut room, "b", 2);
            room.make_room(&at("gone"), &lane());
            assert_eq!(called(&mut room), ["a"]);
            end(&mut room);
            assert_eq!(called(&mut room).concat(), expected, "{sentence}");
            room.forget("a");
            room.forget("b");
            assert!(is_empty(&room), "{sentence}: {room:?}");
        }
    }

    #[test]
    fn whoever_is_called_while_it_is_reconciled_comes_again() {
        let (mut room, began) = (Room::default(), Moment::now());
        wait(&mut room, "a", 1);
        wait(&mut room, "b", 2);
        room.make_room(&at("gone"), &lane());
        assert_eq!(called(&mut room), ["a"]);
        room.leave("a", began);
        assert_eq!(called(&mut room), [""; 0]);
        assert!(room.since("a").is_some(), "it still needs a list from after that");
        room.leave("a", Moment::now());
        assert_eq!(called(&mut room), ["b"]);
    }

    #[test]
    fn the_place_of_one_that_finds_no_room_goes_to_another_one() {
        let mut room = Room::default();
        take_place(&mut room, "a");
        wait(&mut room, "b", 2);
        let own = at("a");
        let waits = Waits { at: &own, lane: &lane(), uid: "a", created_at: None };
        room.wait(waits, PLACE, NOTHING);
        assert_eq!(called(&mut room), ["b"]);
        assert!(!room.has_place("a"));
        room.wait(waits, PAIR, PAIR);
        assert_eq!(called(&mut room), [""; 0], "it has its pair");
    }

    #[test]
    fn whoever_is_older_than_all_that_wait_is_ahead_of_them() {
        let mut room = Room::default();
        let time = |seconds| Some(Timestamp::from_second(seconds).unwrap());
        let is_ahead = |room: &Room, uid: &str, lane: &str, seconds| {
            room.is_ahead(&at(uid), &lane.into(), time(seconds), &Uid::from(uid))
        };
        assert!(!is_ahead(&room, "a", "eu-west-1/a", 1), "nobody waits");
        wait(&mut room, "b", 5);
        wait(&mut room, "d", 7);
        for (uid, lane, seconds, expected) in [
            ("a", "eu-west-1/a", 4, true),
            ("a", "eu-west-1/a", 5, true),
            ("c", "eu-west-1/a", 5, false),
            ("a", "eu-west-1/a", 6, false),
            ("a", "eu-west-1/b", 4, false),
        ] {
            assert_eq!(is_ahead(&room, uid, lane, seconds), expected, "{uid} {lane} {seconds}");
        }
    }

    #[test]
    fn whoever_was_called_and_uses_another_account_now_leaves_that_room_to_the_next() {
        let (other, name) = ("eu-west-1/b".into(), Digest::of(KeyPairName::from("fleet")));
        for finds_room in [true, false] {
            let mut room = Room::default();
            wait(&mut room, "a", 1);
            wait(&mut room, "b", 2);
            room.make_room(&at("gone"), &lane());
            assert_eq!(called(&mut room), ["a"]);
            if finds_room {
                room.take_place(&at("a"), &other, "a", name);
            } else {
                wait_in(&mut room, &at("a"), &other, 1);
            }
            assert_eq!(called(&mut room), ["b"], "{finds_room}");
        }
    }

    #[test]
    fn nothing_is_kept_of_objects_that_are_gone() {
        let mut room = Room::default();
        for uid in ["a", "b", "c"] {
            wait(&mut room, uid, 1);
        }
        wait(&mut room, "a", 1);
        take_place(&mut room, "d");
        room.make_room(&at("gone"), &lane());
        for uid in ["d", "c", "b", "a", "never seen"] {
            room.forget(uid);
        }
        assert!(is_empty(&room), "{room:?}");
    }
}
