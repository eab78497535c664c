//! What changes of objects make due, and which objects claim the same thing.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::api::{LightsailKeyPair, Reason};
use crate::engine::served::Served;
use crate::engine::trigger::Trigger;
use crate::engine::watch::Change;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Wanted {
    name: &'static str,
    rank: Option<u32>,
    waits: bool,
}

impl Claim for Wanted {
    type Rank = u32;

    fn key(&self) -> ClaimKey {
        claim_key("eu-west-1", self.name)
    }
    fn rank(&self) -> u32 {
        self.rank.unwrap_or_default()
    }
    fn blocks(&self) -> bool {
        self.rank.is_some()
    }
    fn waits(&self) -> bool {
        self.waits
    }
    fn asks(&self, before: &Self) -> bool {
        self.name == "asks" && before.name != "asks"
    }
    fn held(&self) -> Option<Digest<Arn>> {
        self.rank.filter(|_| self.name == "held").map(|rank| Digest::of(rank.to_string()))
    }
}

fn at(name: &str) -> ObjectRef {
    ObjectRef::new("n", name)
}

fn row(generation: i64, name: &'static str) -> Row<Wanted> {
    let (has_finalizer, is_deleting, reconcile, tracked_by) = (false, false, None, None);
    let trigger = Trigger { generation, is_deleting, has_finalizer, reconcile, tracked_by };
    let shown = Shown { ready: true, reason: Some(Reason::Imported) };
    Row {
        uid: "u".into(),
        lane: "".into(),
        trigger,
        region_answered: false,
        was_acted_on: false,
        shown,
        claim: Some(Wanted { name, rank: None, waits: false }),
    }
}

#[test]
fn an_object_that_was_created_again_unseen_has_a_predecessor() {
    let mut rows = Rows::default();
    assert_eq!(rows.predecessor(&at("a"), "u"), None);
    apply(&mut rows, &at("a"), row(1, "x"));
    assert_eq!(rows.predecessor(&at("a"), "u"), None);
    assert_eq!(
        rows.predecessor(&at("a"), "other").map(|row| row.uid.to_string()),
        Some("u".into())
    );
}

#[test]
fn what_was_kept_of_an_object_is_known_when_it_is_gone() {
    let (mut rows, now) = (Rows::default(), Instant::now());
    apply(&mut rows, &at("a"), row(1, "x"));
    let list = Change::<LightsailKeyPair>::Listed { namespace: None, seen: HashSet::new() };
    let gone = list.apply_to(&mut rows, |_| unreachable!("no object is applied"), now).gone;
    assert_eq!(gone, [(at("a"), Some(row(1, "x")))]);
}

/// What is due immediately after a change.
fn apply(rows: &mut Rows<Wanted>, at: &ObjectRef, row: Row<Wanted>) -> Vec<(ObjectRef, Class)> {
    let now = Instant::now();
    let due = rows.apply(at, row, now).into_iter();
    due.inspect(|due| assert_eq!(due.from, now)).map(|due| (due.at, due.class)).collect()
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
    assert_eq!(apply(&mut rows, &at("a"), row(1, "fleet")), [changed("a")]);
    assert_eq!(apply(&mut rows, &at("a"), claiming("fleet", Some(1), false)), []);
    assert_eq!(apply(&mut rows, &at("a"), row(2, "fleet")), [changed("a")]);
    assert_eq!(
        apply(&mut rows, &at("a"), Row { uid: "made again".into(), ..row(2, "fleet") }),
        [changed("a")]
    );
    let acted_on = Row { was_acted_on: true, ..row(1, "fleet") };
    assert_eq!(
        apply(&mut rows, &at("b"), acted_on.clone()),
        [(at("b"), Class::Resync)],
        "it was acted on by another process"
    );
    let edited = Row { trigger: Trigger { generation: 2, ..acted_on.trigger.clone() }, ..acted_on };
    assert_eq!(apply(&mut rows, &at("b"), edited), [changed("b")]);
}

#[test]
fn what_a_reconciliation_writes_asks_for_no_other() {
    let row = |has_finalizer, name| {
        let row = row(1, name);
        Row { trigger: Trigger { has_finalizer, ..row.trigger }, ..row }
    };
    let shows = |reason| Row { shown: Shown { ready: false, reason }, ..row(false, "a") };
    for (name, before, after, expected) in [
        ("a finalizer that is added", row(false, "a"), row(true, "a"), Asks::Nothing),
        ("one that is taken off", row(true, "a"), row(false, "a"), Asks::Paced),
        ("a claim that does not ask", row(false, "a"), row(false, "b"), Asks::Nothing),
        ("one that does", row(false, "a"), row(false, "asks"), Asks::Paced),
        ("another reason", row(false, "a"), shows(Some(Reason::Throttled)), Asks::Nothing),
        ("a status that somebody took away", row(false, "a"), shows(None), Asks::Paced),
    ] {
        assert_eq!(after.asks(&before), expected, "{name}");
    }
}

#[test]
fn metadata_moves_an_object_once_and_a_spec_always() {
    let (mut rows, start) = (Rows::default(), Instant::now());
    let row = |generation, reconcile: u64| {
        let row = row(generation, "a");
        Row { trigger: Trigger { reconcile: Some(Digest::of(reconcile)), ..row.trigger }, ..row }
    };
    for (name, second, after, expected) in [
        ("it is new", 0, row(1, 0), Some(0)),
        ("the annotation", 1, row(1, 1), Some(1)),
        ("again", 2, row(1, 2), Some(11)),
        ("and again", 3, row(1, 3), Some(11)),
        ("nothing", 4, row(1, 3), None),
        ("the spec", 5, row(2, 3), Some(5)),
        ("the annotation, after all that", 30, row(2, 4), Some(30)),
    ] {
        let at_second = |second| start + Duration::from_secs(second);
        let due = rows.apply(&at("a"), after, at_second(second));
        assert_eq!(due.first().map(|due| due.from), expected.map(at_second), "{name}");
    }
    rows.remove(&at("a"));
    assert!(rows.last_paced.is_empty());
}

fn seen(uid: &str, generation: i64, field: u64) -> SeenUnreadable {
    SeenUnreadable { uid: uid.to_owned(), generation, field, ..SeenUnreadable::default() }
}

#[test]
fn the_log_says_once_that_an_object_cannot_be_read() {
    let now = seen("u", 7, 1);
    for (name, before, expected) in [
        ("it was readable", None, true),
        ("it was edited", Some(seen("u", 6, 1)), false),
        ("another field", Some(seen("u", 6, 2)), true),
        ("another object of its name", Some(seen("v", 6, 1)), true),
    ] {
        assert_eq!(now.is_news(before.as_ref()), expected, "{name}");
    }
}

#[test]
fn an_object_is_known_by_its_uid() {
    let mut rows = Rows::default();
    apply(&mut rows, &at("a"), row(1, "fleet"));
    rows.note_unreadable(at("b"), seen("v", 1, 1));
    let uid = rows.get(&at("a")).unwrap().uid.to_string();
    for (name, uid, expected) in
        [("a", uid.as_str(), true), ("a", "before", false), ("b", "v", true), ("b", "w", false)]
    {
        assert_eq!(rows.has_uid(&at(name), uid), expected, "{name} {uid}");
    }
}

#[test]
fn an_object_that_cannot_be_read_is_there_and_keeps_its_row() {
    let mut rows = Rows::default();
    apply(&mut rows, &at("a"), row(1, "fleet"));
    assert_eq!(rows.note_unreadable(at("a"), seen("u", 2, 1)), None);
    assert_eq!(rows.note_unreadable(at("b"), seen("v", 1, 1)), None);
    assert_eq!(rows.note_unreadable(at("a"), seen("u", 3, 1)), Some(seen("u", 2, 1)));
    assert_eq!(rows.unreadable(), 2);
    assert!(rows.get(&at("a")).is_some() && rows.is_watched(&at("b")));
    assert!(rows.others(None, &HashSet::from([at("a"), at("b")])).is_empty());
    let mut gone = rows.others(None, &HashSet::new());
    gone.sort();
    assert_eq!(gone, [at("a"), at("b")]);
    assert_eq!(apply(&mut rows, &at("a"), row(1, "fleet")), [changed("a")], "as it was before");
    rows.remove(&at("b"));
    assert_eq!(rows.unreadable(), 0);
    assert!(!rows.is_watched(&at("b")));
}

/// Whoever may edit an object can add 65 finalizers and take them off, again and again.
#[test]
fn an_object_that_is_readable_now_and_then_moves_at_most_once_in_a_while() {
    let (mut rows, start) = (Rows::default(), Instant::now());
    let mut see = |finalizers: usize, seconds| {
        let finalizers: Vec<_> = (0..finalizers).map(|number| format!("a/{number}")).collect();
        let object = json!({
            "metadata": { "name": "a", "namespace": "n", "uid": "u-a", "finalizers": finalizers },
            "spec": { "type": "Imported", "region": "eu-west-1" },
        });
        let object: Served<LightsailKeyPair> = serde_json::from_str(&object.to_string()).unwrap();
        let now = start + Duration::from_secs(seconds);
        let effects = Change::Applied(object).apply_to(&mut rows, |_| row(1, "fleet"), now);
        let due = effects.due.iter().map(|due| (due.from - start).as_secs()).collect::<Vec<_>>();
        (due, effects.unreadable.is_some())
    };
    assert_eq!(see(0, 0), (vec![0], false));
    assert_eq!(see(65, 1), (vec![1], true), "it is named in the log");
    assert_eq!(see(65, 1), (vec![], false));
    assert_eq!(see(0, 2), (vec![11], false));
    assert_eq!(see(65, 3), (vec![11], false), "not so soon again");
    assert_eq!(see(0, 4), (vec![11], false));
    assert_eq!(see(65, 30), (vec![30], true));
}

#[test]
fn one_that_waited_and_cannot_be_read_any_more_holds_up_nobody() {
    let mut rows = Rows::default();
    for (name, waits) in [("first", false), ("unreadable", true), ("waits", true)] {
        apply(&mut rows, &at(name), claiming("fleet", Some(0), waits));
    }
    let rivals =
        |rows: &Rows<Wanted>| rows.rivals(&at("waits"), claim_key("eu-west-1", "fleet")).count();
    assert_eq!(rivals(&rows), 2);
    for name in ["first", "unreadable"] {
        rows.note_unreadable(at(name), seen("u", 2, 1));
    }
    assert_eq!(rivals(&rows), 1, "the one that has it counts");
    assert_eq!(rows.remove(&at("first")).next, [at("waits")]);
}

#[test]
fn rivals_are_those_that_want_the_same_name_in_the_same_region() {
    let mut rows = Rows::default();
    for (object, name) in [("a", "fleet"), ("b", "fleet"), ("c", "other")] {
        apply(&mut rows, &at(object), row(1, name));
    }
    let claim = |name| claim_key("eu-west-1", name);
    assert_eq!(rows.rivals(&at("a"), claim("fleet")).count(), 1);
    assert_eq!(rows.rivals(&at("a"), claim("none")).count(), 0);
    apply(&mut rows, &at("b"), row(2, "other"));
    assert_eq!(rows.rivals(&at("a"), claim("fleet")).count(), 0);
    rows.remove(&at("c"));
    assert_eq!(rows.rivals(&at("b"), claim("other")).count(), 0);
    assert_eq!(rows.others(Some("n"), &HashSet::from([at("a")])), [at("b")]);
    assert!(rows.others(Some("elsewhere"), &HashSet::new()).is_empty());
    assert!(!rows.is_wanted(claim("fleet")), "it blocks nobody");
    apply(&mut rows, &at("a"), claiming("fleet", Some(0), false));
    let is_wanted = |region, name| rows.is_wanted(claim_key(region, name));
    assert!(is_wanted("eu-west-1", "fleet"));
    assert!(!is_wanted("eu-west-1", "none") && !is_wanted("eu-west-2", "fleet"));
    assert!(!rows.are_complete("n"));
    rows.note_listed(Some("n"));
    assert!(rows.are_complete("n") && !rows.are_complete("elsewhere"));
    rows.note_listed(None);
    assert!(rows.are_complete("elsewhere"));
}

#[test]
fn two_that_have_what_only_one_may_have_are_both_reconciled_once() {
    let mut rows = Rows::default();
    let mut see = |name, rank| {
        let due = rows.apply(&at(name), claiming("held", Some(rank), false), Instant::now());
        let due: HashSet<_> = due.into_iter().map(|due| due.at.name.to_string()).collect();
        let mut due: Vec<_> = due.into_iter().collect();
        due.sort();
        due.join(" ")
    };
    assert_eq!(see("a", 1), "a");
    assert_eq!(see("b", 2), "b");
    assert_eq!(see("b", 1), "a b", "now it has what a has");
    assert_eq!(see("b", 1), "", "and still has");
    assert_eq!(see("b", 3), "");
    assert_eq!(see("a", 3), "a b");
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
        apply(&mut rows, &at(name), row(1, "fleet"));
    }
    assert_eq!((count(&rows, true), count(&rows, false)), (2, 0));
    apply(
        &mut rows,
        &at("a"),
        Row { shown: Shown { ready: false, reason: Some(Reason::Throttled) }, ..row(1, "fleet") },
    );
    assert_eq!((count(&rows, true), count(&rows, false)), (1, 1));
    rows.remove(&at("a"));
    assert_eq!((count(&rows, true), count(&rows, false)), (1, 0));
}

#[test]
fn a_region_is_named_until_its_last_object_left_it() {
    let mut rows = Rows::default();
    let names = |rows: &Rows<Wanted>, region: &str| rows.names_region(&region.into());
    let in_lane = |lane: &str| Row { lane: lane.into(), ..row(1, "fleet") };
    assert!(!names(&rows, "a"));
    for object in ["first", "second"] {
        apply(&mut rows, &at(object), in_lane("a"));
    }
    apply(&mut rows, &at("second"), in_lane("b"));
    assert!(names(&rows, "a") && names(&rows, "b"));
    apply(&mut rows, &at("second"), in_lane("b"));
    rows.remove(&at("first"));
    assert!(!names(&rows, "a") && names(&rows, "b"));
    let moves: Vec<_> = rows.take_moves().into_iter().map(|it| (it.lane, it.enters)).collect();
    let expected = [("a", true), ("b", true), ("a", false)];
    assert_eq!(moves, expected.map(|(lane, enters)| (lane.into(), enters)));
    assert_eq!(rows.take_moves(), []);
    assert!(!rows.has_lane(&"a".into()) && rows.has_lane(&"b".into()));
    // The only object of a namespace gives way to another one.
    rows.remove(&at("second"));
    apply(&mut rows, &at("third"), in_lane("b"));
    assert_eq!(rows.take_moves(), [], "it left and came back");
    rows.remove(&at("third"));
    assert_eq!(rows.take_moves().len(), 1);
}

#[test]
fn the_lanes_of_a_region_are_not_those_of_regions_that_begin_like_it() {
    let mut rows = Rows::default();
    let lanes = ["us-east-1", "us-east-1/a", "us-east-1/z", "us-east-1-x/a", "us-east-10", "us/b"];
    for lane in lanes {
        apply(&mut rows, &at(lane), Row { lane: lane.into(), ..row(1, "fleet") });
    }
    for (region, expected) in
        [("us-east-1", 3), ("us-east-1-x", 1), ("us-east-10", 1), ("us", 1), ("us-east", 0)]
    {
        let found: Vec<_> = rows.lanes_of(&region.into()).collect();
        assert!(found.iter().all(|lane| lane.region().as_str() == region), "{found:?}");
        assert_eq!(found.len(), expected, "{region}");
    }
}

#[test]
fn whoever_steps_aside_calls_the_first_of_those_that_wait() {
    let mut rows = Rows::default();
    apply(&mut rows, &at("a"), claiming("fleet", Some(0), false));
    for (name, rank) in [("c", 2), ("b", 1)] {
        apply(&mut rows, &at(name), claiming("fleet", Some(rank), true));
    }
    apply(&mut rows, &at("elsewhere"), claiming("other", Some(0), true));
    assert_eq!(apply(&mut rows, &at("a"), claiming("fleet", None, false)), [changed("b")]);
    assert_eq!(
        apply(&mut rows, &at("a"), claiming("fleet", None, false)),
        [],
        "it was not in the way any more"
    );
    assert_eq!(rows.remove(&at("b")).next, [at("c")]);
    let without = || Row { claim: None, ..claiming("fleet", None, false) };
    assert_eq!(apply(&mut rows, &at("a"), without()), [changed("c")], "it claims it no more");
    assert_eq!(apply(&mut rows, &at("a"), without()), []);
    apply(&mut rows, &at("a"), claiming("fleet", Some(0), false));
    let other = Row { uid: "v".into(), ..claiming("own", Some(0), false) };
    assert_eq!(apply(&mut rows, &at("a"), other), [changed("a"), changed("c")]);
    apply(&mut rows, &at("a"), claiming("fleet", None, false));
    assert_eq!(rows.remove(&at("a")).next, [at("c")], "it may have been in the way by its tag");
    assert_eq!(rows.remove(&at("c")).next, []);
}

/// What is waited for is in one account, and the first that waits for its like in another.
#[test]
fn whoever_steps_aside_calls_the_first_of_its_lane_too() {
    let mut rows = Rows::default();
    let claiming =
        |lane: &str, rank, waits| Row { lane: lane.into(), ..claiming("fleet", rank, waits) };
    apply(&mut rows, &at("a1"), claiming("a", Some(0), false));
    apply(&mut rows, &at("b1"), claiming("b", Some(0), false));
    for (name, lane, rank) in [("b2", "b", 1), ("a2", "a", 2), ("a3", "a", 3), ("c2", "c", 4)] {
        apply(&mut rows, &at(name), claiming(lane, Some(rank), true));
    }
    let over = apply(&mut rows, &at("a1"), claiming("a", None, false));
    assert_eq!(over, [changed("b2"), changed("a2")]);
    assert_eq!(rows.remove(&at("b1")).next, [at("b2")]);
    assert_eq!(rows.remove(&at("a2")).next, [at("b2"), at("a3")]);
}
