//! What is kept of resets, and what those that are gone leave.

use std::time::Instant;

use serde_json::{Value, json};

use super::*;
use crate::api::{EXECUTED_ANNOTATION, HostKeyReset};
use crate::clock::Clocks;
use crate::host_key_reset::claim::{Stage, row_of};
use crate::host_key_reset::turns::TurnTiming;
use crate::host_key_reset::world::Turn;
use crate::lightsail::Acknowledged;

const EFFECT: SignedDuration = SignedDuration::from_secs(85);

fn at(name: &str) -> ObjectRef {
    ObjectRef::new("team-a", name)
}

fn lane() -> LaneId {
    "eu-west-1".into()
}

fn scope(region: &str) -> Scope {
    Scope { account: "123456789012".into(), region: region.into() }
}

/// A reset of this name, which is also its uid, with this besides its intent.
fn object(name: &str, mark: &str, status: &Value) -> HostKeyReset {
    let mut object = json!({
        "metadata": { "name": name, "namespace": "team-a", "uid": name,
            "annotations": { EXECUTED_ANNOTATION: mark } },
        "spec": { "region": "eu-west-1", "instanceName": "web-1", "reason": "test" },
        "status": { "attempts": 1, "startTime": "2026-11-24T12:00:00Z",
            "accountID": "123456789012" },
    });
    for (key, value) in status.as_object().unwrap() {
        object["status"][key] = value.clone();
    }
    serde_json::from_value(object).unwrap()
}

fn claim(name: &str, status: &Value) -> ResetClaim {
    ResetClaim::of(&object(name, "h/Started", status), EFFECT)
}

fn operation(id: &str) -> Value {
    json!({ "id": id, "type": "DeleteKnownHostKeys", "status": "Started",
        "createdAt": "2026-11-24T12:00:00Z" })
}

/// Whether a reset that nobody else is ahead of has its turn now.
fn may_begin(memory: &Memory, name: &str) -> bool {
    let own = claim(name, &json!({}));
    let timing = TurnTiming { effect: EFFECT, leads_for: SignedDuration::ZERO };
    let mut turns = memory.turns.lock();
    turns.take(&own, [].into_iter(), |_| None, &Clocks::read(), timing) == Turn::Taken
}

/// What is known to have been begun by others than this one.
fn of_others(memory: &Memory, uid: &str) -> Vec<String> {
    let begun = memory.begun.lock();
    begun.of_others(scope("eu-west-1"), "web-1", uid).map(|it| it.id.clone()).collect()
}

#[test]
fn only_what_is_still_needed_is_kept_after_a_reconciliation() {
    for (call, keeps_start) in [
        (CallAfter::Kept, true),
        (CallAfter::Over, true),
        (CallAfter::Over, false),
        (CallAfter::Gone, false),
    ] {
        let (memory, at, own) = (Memory::default(), at("own"), claim("own", &json!({})));
        memory.start("own", Moment::now);
        let known = Recollection { uid: "own".to_owned(), ..Recollection::default() };
        memory.open.lock().insert(at.clone(), known);
        let aftermath = Aftermath { call, keeps_start, has_failed: false };
        memory.settle(&at, &own, &lane(), None, aftermath, EFFECT);
        assert_eq!(memory.open.lock().contains_key(&at), call == CallAfter::Kept);
        assert_eq!(memory.find_start("own").is_some(), keeps_start);
        assert_eq!(may_begin(&memory, "next"), call != CallAfter::Gone);
    }
}

#[test]
fn i6_what_is_gone_leaves_its_turn_or_its_operations() {
    for (name, own, call, begun, expected) in [
        ("another process may have called", claim("own", &json!({})), None, vec![], false),
        (
            "its operation is under way",
            claim("own", &json!({ "operations": [operation("a")] })),
            None,
            vec!["a"],
            true,
        ),
        (
            "its answer is known, and not on record",
            claim("own", &json!({})),
            Some(Ok(Acknowledged { operations: Vec::new(), request_id: String::new() })),
            vec![],
            true,
        ),
        (
            "its intent was not seen yet",
            claim("own", &json!({ "attempts": 0 })),
            Some(Err(crate::lightsail::Error::of_kind(crate::lightsail::ErrorKind::Transient))),
            vec![],
            false,
        ),
    ] {
        let memory = Memory::default();
        if let Some(call) = call {
            let uid = "own".to_owned();
            let known = Recollection { uid, call: Some(call), ..Recollection::default() };
            memory.open.lock().insert(at("own"), known);
        }
        memory.note_gone(&at("own"), &own, &lane(), None, EFFECT);
        assert_eq!(of_others(&memory, "next"), begun, "{name}");
        assert_eq!(may_begin(&memory, "next"), expected, "{name}");
        assert!(memory.open.lock().is_empty(), "{name}");
    }
}

#[test]
fn i6_one_that_nobody_saw_go_leaves_its_turn_too() {
    let (memory, at) = (Memory::default(), at("reset"));
    let old = row_of(&object("old", "h/Started", &json!({})), EFFECT);
    memory.rows.lock().apply(&at, old, Instant::now());
    memory.start("old", Moment::now);
    memory.note_applied(&at, "old", EFFECT);
    assert!(memory.find_start("old").is_some() && may_begin(&memory, "first"));
    let known = Recollection { uid: "new".to_owned(), ..Recollection::default() };
    memory.open.lock().insert(at.clone(), known);
    memory.note_applied(&at, "new", EFFECT);
    assert!(memory.find_start("old").is_none() && !may_begin(&memory, "second"));
    assert_eq!(memory.recollection(&at, "new").uid, "new", "it may have been begun already");
}

#[test]
fn i6_one_that_no_watch_showed_with_its_mark_leaves_its_turn() {
    let (memory, at) = (Memory::default(), at("own"));
    let unmarked = |status| ResetClaim { mark: None, ..claim("own", &status) };
    let unseen = unmarked(json!({ "attempts": 0 }));
    for (is_marked, seen) in
        [(false, unmarked(json!({}))), (true, unmarked(json!({}))), (true, unseen)]
    {
        let uid = "own".to_owned();
        let known = Recollection { uid, ..Recollection::default() };
        memory.open.lock().insert(at.clone(), known);
        if is_marked {
            memory.note_marking(&at, &claim("own", &json!({})), EFFECT);
        }
        memory.note_gone(&at, &seen, &lane(), None, EFFECT);
        assert_eq!(may_begin(&memory, "next"), !is_marked);
        memory.give_up(&seen, &lane());
        memory.turns.lock().give_up(&claim("next", &json!({})));
    }
}

#[test]
fn one_that_was_taken_back_and_goes_leaves_no_turn() {
    let (memory, at, begun) = (Memory::default(), at("own"), claim("own", &json!({})));
    let known = Recollection { uid: "own".to_owned(), ..Recollection::default() };
    memory.open.lock().insert(at.clone(), known);
    memory.note_marking(&at, &begun, EFFECT);
    let unmarked = ResetClaim { mark: None, ..begun };
    memory.note_taken_back(&at, &unmarked, &lane());
    let known = memory.recollection(&at, "own");
    assert!(known.call.is_some_and(|call| call.is_err()), "its intent is on record still");
    memory.note_gone(&at, &unmarked, &lane(), None, EFFECT);
    assert!(may_begin(&memory, "next"));
}

#[test]
fn whoever_waits_for_a_turn_that_was_left_is_called_when_that_is_given_up() {
    let memory = Memory::default();
    let waits = object("next", "", &json!({ "attempts": 0 }));
    let mut row = row_of(&waits, EFFECT);
    row.lane = "eu-west-1".into();
    memory.rows.lock().apply(&at("next"), row, Instant::now());
    let own = claim("own", &json!({}));
    memory.give_up(&own, &lane());
    assert_eq!(memory.take_woken(), [], "it had left none");
    memory.note_gone(&at("own"), &own, &lane(), None, EFFECT);
    assert_eq!(memory.take_woken(), [], "its call may still take effect");
    let answer = Ok(Acknowledged { operations: Vec::new(), request_id: String::new() });
    let aftermath = Aftermath { call: CallAfter::Gone, keeps_start: false, has_failed: false };
    memory.settle(&at("own"), &own, &lane(), Some(&answer), aftermath, EFFECT);
    assert_eq!(memory.take_woken(), [(at("next"), "eu-west-1".into())]);
    assert_eq!(memory.take_woken(), [], "once");

    let blocked = ResetClaim { stage: Stage::Blocked, ..claim("blocked", &json!({})) };
    let over = Aftermath { call: CallAfter::Over, keeps_start: true, has_failed: false };
    for (stage, woken) in [(Stage::Blocked, 1), (Stage::Over, 0)] {
        let own = ResetClaim { stage, ..blocked.clone() };
        memory.turns.lock().hold(&own, Moment::now(), EFFECT);
        memory.settle(&at("blocked"), &own, &lane(), None, over, EFFECT);
        assert_eq!(memory.take_woken().len(), woken, "{stage:?}");
    }
}

#[test]
fn operations_of_resets_are_kept_for_a_while() {
    let mut begun = BegunOperations::default();
    let hour = Duration::from_hours(1);
    let known = |id: &str| KnownOperation { id: id.to_owned(), created: None };
    let one = claim("one", &json!({}));
    let elsewhere = ResetClaim { instance: "web-2".to_owned(), ..one.clone() };
    begun.note(&one, &[known("a"), known("b")], hour);
    begun.note(&one, &[known("b")], hour);
    begun.note(&elsewhere, &[known("c")], hour);
    let of = |begun: &BegunOperations, region: &str, uid: &str| {
        let of_others = begun.of_others(scope(region), "web-1", uid);
        of_others.map(|it| it.id.clone()).collect::<Vec<_>>()
    };
    assert_eq!(of(&begun, "eu-west-1", "next"), ["a", "b"]);
    assert!(of(&begun, "eu-west-1", "one").is_empty(), "I6: its own are nobody else's");
    assert!(of(&begun, "eu-west-2", "next").is_empty());
    begun.note(&one, &[known("d")], Duration::ZERO);
    assert_eq!(of(&begun, "eu-west-1", "next"), ["d"]);
    assert_eq!(begun.0.len(), 1, "nothing is kept of the other one");
}

#[test]
fn nothing_is_kept_of_failures_that_are_over() {
    let memory = Memory::default();
    let failed = || memory.failed.lock().len();
    memory.note_failed("u", true);
    memory.note_failed("v", true);
    assert_eq!(failed(), 2);
    memory.note_failed("u", false);
    memory.forget_uid("v");
    assert_eq!(failed(), 0);
}
