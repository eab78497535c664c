use std::time::Instant;

use k8s_openapi::jiff::Timestamp;

use super::*;
use crate::digest::Digest;
use crate::engine::rows::{Shown, claim_key};
use crate::engine::tests::settings;
use crate::engine::trigger::Trigger;
use crate::ids::KeyPairName;
use crate::key_pair::room::{Counted, Waits};

/// Those that wait have no time of creation, and are the oldest.
const YOUNGER: Timestamp = Timestamp::UNIX_EPOCH;

fn claim(arn: Option<&str>, may_have_one: bool) -> PairClaim {
    PairClaim {
        key: claim_key("eu-west-1", "fleet"),
        name: Digest::of("fleet"),
        owner: Digest::of("cluster/team-a/fleet"),
        created_at: Some(YOUNGER),
        arn: arn.map(Digest::of),
        account: None,
        wants_pair: true,
        may_have_one,
        is_idle: false,
        has_acted: true,
        waits: false,
        is_refused: false,
        baseline: None,
    }
}

fn row(lane: &str, claim: Option<PairClaim>) -> Row<PairClaim> {
    let (generation, has_finalizer) = (1, true);
    let (is_deleting, reconcile, tracked_by) = (false, None, None);
    Row {
        uid: "u".into(),
        lane: lane.into(),
        trigger: Trigger { generation, is_deleting, has_finalizer, reconcile, tracked_by },
        region_answered: true,
        was_acted_on: false,
        shown: Shown { ready: false, reason: None },
        claim,
    }
}

#[test]
fn an_object_that_nobody_saw_go_may_have_left_the_pair_on_its_record() {
    for (name, claim, expected) in [
        ("it has a pair", Some(claim(Some("arn"), false)), true),
        ("its import is on record", Some(claim(None, true)), true),
        ("neither", Some(claim(None, false)), false),
        ("it can do nothing", None, false),
    ] {
        let memory = Memory::default();
        forget(&memory, &ObjectRef::new("team-a", "fleet"), &row("eu-west-1", claim));
        assert_eq!(memory.left_at("team-a").is_some(), expected, "{name}");
    }
}

/// An object of this lane, which waits for room in its namespace.
fn wait(memory: &Memory, uid: &str) {
    let (at, lane) = (ObjectRef::new("team-a", uid), "eu-west-1/a".into());
    let waits = Waits { at: &at, lane: &lane, uid, created_at: None };
    memory.room.lock().wait(waits, Counted::default(), Counted::default());
}

fn called(memory: &Memory) -> usize {
    memory.room.lock().take_called().len()
}

const HAS_PAIR: Option<&str> = Some("arn");

/// Somebody waits, and this object is there, with a place or without.
fn beside(claim: Option<PairClaim>, has_place: bool) -> (Memory, ObjectRef) {
    let (memory, at) = (Memory::default(), ObjectRef::new("team-a", "fleet"));
    memory.rows.lock().apply(&at, row("eu-west-1/a", claim), Instant::now());
    if has_place {
        let name = Digest::of(KeyPairName::from("fleet"));
        memory.room.lock().take_place(&at, &"eu-west-1/a".into(), "u", name);
    }
    wait(&memory, "waits");
    (memory, at)
}

#[test]
fn an_object_that_counted_and_is_gone_makes_room() {
    for (name, claim, has_place, expected) in [
        ("it had a pair", Some(claim(HAS_PAIR, false)), false, 1),
        ("its import was on record", Some(claim(None, true)), false, 1),
        ("it was about to import", Some(claim(None, false)), true, 1),
        ("all of them", Some(claim(HAS_PAIR, false)), true, 1),
        ("none of them", Some(claim(None, false)), false, 0),
        (
            "none, but it was older than all that wait",
            Some(PairClaim { created_at: None, ..claim(None, false) }),
            false,
            1,
        ),
        ("another tool alone held it", None, false, 0),
    ] {
        let (memory, at) = beside(claim, has_place);
        let gone = memory.rows.lock().remove(&at).row.unwrap();
        forget(&memory, &at, &gone);
        assert_eq!(called(&memory), expected, "{name}");
        assert!(!memory.room.lock().has_place("u"), "{name}");
    }
}

#[test]
fn an_object_that_waits_and_is_gone_waits_no_more() {
    let (memory, at) = beside(Some(claim(None, false)), false);
    memory.forget_gone(&ObjectRef::new("team-a", "waits"), "waits");
    let gone = memory.rows.lock().remove(&at).row.unwrap();
    memory.room.lock().make_room(&at, &gone.lane);
    assert_eq!(called(&memory), 0);
    // It was called, and had no use for that.
    for uid in ["first", "second"] {
        wait(&memory, uid);
    }
    memory.room.lock().make_room(&at, &gone.lane);
    assert_eq!(called(&memory), 1);
    memory.forget_gone(&ObjectRef::new("team-a", "first"), "first");
    assert_eq!(called(&memory), 1, "the next one");
    memory.note_unreadable("second");
    wait(&memory, "third");
    memory.room.lock().make_room(&at, &gone.lane);
    assert_eq!(called(&memory), 1);
}

#[test]
fn a_place_that_came_to_nothing_makes_room_once_nothing_is_on_record() {
    for (name, claim, has_place, expected) in [
        ("the watch has shown that", Some(claim(None, false)), true, 1),
        ("it has not yet", Some(claim(None, true)), true, 0),
        ("it has its pair", Some(claim(HAS_PAIR, false)), true, 0),
        ("it had no place", Some(claim(None, false)), false, 0),
        ("it may not use its account any more", None, true, 1),
    ] {
        let (memory, at) = beside(claim, has_place);
        memory.drop_place(&at, "u");
        assert_eq!(called(&memory), expected, "{name}");
    }
}

#[test]
fn an_import_of_an_object_that_is_refused_makes_room() {
    for (claim, has_place, expected) in [
        (claim(None, true), false, 1),
        (claim(None, true), true, 0),
        (claim(HAS_PAIR, false), false, 0),
        (PairClaim { created_at: None, ..claim(None, false) }, false, 1),
    ] {
        let (memory, at) = beside(Some(claim), has_place);
        memory.note_refusal(&at, "u", true);
        assert_eq!(called(&memory), expected);
        memory.note_refusal(&at, "u", true);
        assert_eq!(called(&memory), 0, "once");
    }
}

#[test]
fn i14_an_object_that_finds_no_room_does_not_call_itself() {
    let at = ObjectRef::new("team-a", "fleet");
    let memory = Memory::default();
    memory.rows.lock().apply(&at, row("eu-west-1/a", Some(claim(None, true))), Instant::now());
    for _ in 0..2 {
        {
            let (mut rows, mut room) = (memory.rows.lock(), memory.room.lock());
            let (lane, created_at) = ("eu-west-1/a".into(), Some(YOUNGER));
            let waits = Waits { at: &at, lane: &lane, uid: "u", created_at };
            memory.wait_for_room(&mut rows, &mut room, waits);
        }
        assert!(memory.is_refused("u"), "also if the watch shows an older version of it");
        memory.note_refusal(&at, "u", true);
        assert_eq!(called(&memory), 0);
    }
}

#[test]
fn what_the_watch_shows_makes_room_if_nothing_is_on_record_any_more() {
    let object = |status: serde_json::Value, metadata: serde_json::Value| {
        let mut object = serde_json::json!({
            "apiVersion": "lightsail-operator.dev/v1alpha1", "kind": "LightsailKeyPair",
            "metadata": { "name": "fleet", "namespace": "team-a", "uid": "u",
                "creationTimestamp": YOUNGER.to_string(), "finalizers": [FINALIZER] },
            "spec": { "type": "Imported", "region": "eu-west-1", "accountRef": { "name": "a" } },
            "status": status,
        });
        object["metadata"].as_object_mut().unwrap().extend(metadata.as_object().unwrap().clone());
        serde_json::from_value::<LightsailKeyPair>(object).unwrap()
    };
    let intent = serde_json::json!({ "importIntent": { "accountID": "1", "publicKeySHA256": "",
        "fingerprints": [] } });
    let (arn, none) = (serde_json::json!({ "arn": "arn" }), serde_json::json!({}));
    let adopts = serde_json::json!({ "origin": "Adopted" });
    let released = serde_json::json!({ "deletionTimestamp": "2026-11-24T12:00:00Z",
        "finalizers": ["example.com/other"] });
    for (name, before, has_place, status, metadata, expected) in [
        ("its pair is gone", claim(HAS_PAIR, false), false, &none, &none, 1),
        ("unless it may import another", claim(HAS_PAIR, false), true, &none, &none, 0),
        ("its import came to nothing", claim(None, true), false, &none, &none, 1),
        ("it replaces its pair", claim(HAS_PAIR, false), false, &intent, &none, 0),
        ("it adopts another pair", claim(HAS_PAIR, false), false, &adopts, &none, 0),
        ("it has its pair", claim(None, true), false, &arn, &none, 0),
        ("it never had one", claim(None, false), false, &none, &none, 0),
        ("another tool alone holds it", claim(HAS_PAIR, false), false, &arn, &released, 1),
    ] {
        let (memory, at) = beside(Some(before), has_place);
        memory.note_object(&at, &object(status.clone(), metadata.clone()), &settings());
        assert_eq!(called(&memory), expected, "{name}");
    }
}

#[test]
fn an_object_that_is_older_than_all_that_wait_makes_room_when_it_is_to_get_no_pair() {
    let object = |spec: serde_json::Value, reason: &str| {
        let mut object = serde_json::json!({
            "apiVersion": "lightsail-operator.dev/v1alpha1", "kind": "LightsailKeyPair",
            "metadata": { "name": "fleet", "namespace": "team-a", "uid": "u" },
            "spec": { "type": "Generated", "region": "eu-west-1", "accountRef": { "name": "a" },
                "generated": { "algorithm": "Ed25519", "secret": { "name": "kept" } } },
            "status": { "conditions": [{ "type": "Ready", "status": "False", "reason": reason,
                "message": "", "lastTransitionTime": "2026-11-24T12:00:00Z" }] },
        });
        object["spec"].as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        serde_json::from_value::<LightsailKeyPair>(object).unwrap()
    };
    let other = serde_json::json!({ "accountRef": { "name": "b" } });
    let (suspended, absent) =
        (serde_json::json!({ "suspend": true }), serde_json::json!({ "ensure": "Absent" }));
    let none = serde_json::json!({});
    for (name, created_at, spec, reason, expected) in [
        ("it goes on", None, &none, "InProgress", 0),
        ("it is suspended", None, &suspended, "InProgress", 1),
        ("it is to have none", None, &absent, "InProgress", 1),
        ("it imports nothing until somebody acts", None, &none, "SecretNotOwned", 1),
        ("it may not use its account", None, &none, "AccountNotAllowed", 1),
        ("it uses another account", None, &other, "InProgress", 1),
        ("it never was ahead of those that wait", Some(YOUNGER), &suspended, "InProgress", 0),
    ] {
        let claim = PairClaim { created_at, ..claim(None, false) };
        let (memory, at) = beside(Some(claim), false);
        memory.note_object(&at, &object(spec.clone(), reason), &settings());
        assert_eq!(called(&memory), expected, "{name}");
    }
}
