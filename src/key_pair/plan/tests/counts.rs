//! How many key pairs count for a namespace that may have only this many.

use std::cell::Cell;
use std::time::Instant;

use super::*;
use crate::api::{FINALIZER, LightsailKeyPair, Reason};
use crate::digest::Digest;
use crate::engine::ObjectRef;
use crate::engine::tests::settings;
use crate::engine::tables::ByUid;
use crate::engine::rows::{Row, Rows, Shown};
use crate::engine::trigger::Trigger;
use crate::ids::{AccountId, Arn, KeyPairName, LaneId, Owner, Scope};
use crate::engine::rows::Claim as _;
use crate::key_pair::claim::{PairClaim, owned, rivals, row_of, surely_refused};
use crate::lightsail::samples::listing;

const ACCOUNT: &str = "123456789012";

/// An object of this name and age that wants a pair of that name, and has it if it is there.
fn object(name: &str, of: &str, seconds: i64, has_pair: bool) -> (ObjectRef, Row<PairClaim>) {
    let arn = arn(of);
    let created_at = Some(Timestamp::from_second(seconds).unwrap());
    let owner = Owner::new("cluster", "team-a", name);
    let desired = Desired { name: of.into(), owner, created_at, ..desired() };
    let claim = PairClaim::of(&desired, Some(arn.as_str()).filter(|_| has_pair));
    let trigger = Trigger { generation: 1, is_deleting: false, has_finalizer: true, reconcile: None,
        tracked_by: None };
    let row = Row { uid: name.into(), lane: "eu-west-1/production".into(), trigger,
        region_answered: true, was_acted_on: has_pair,
        shown: Shown { ready: has_pair, reason: None }, claim: Some(claim) };
    (ObjectRef::new("team-a", name), row)
}

fn arn(of: &str) -> Arn {
    format!("arn:aws:lightsail:eu-west-1:{ACCOUNT}:KeyPair/{of}").into()
}

/// A pair with the tag of this owner.
fn of_owner(name: &str, owner: &str) -> KeyPair {
    tagged(KeyPair { name: name.into(), arn: arn(name), ..pair(FIRST) }, owner)
}

#[test]
fn pairs_count_once_with_their_object_and_without_it() {
    let there = |name, of, has_pair| object(name, of, 1, has_pair);
    let later = |name, of| object(name, of, 9, false);
    let own = |name| of_owner(name, "cluster/team-a/a");
    let refused = || {
        let (at, row) = there("a", "a", false);
        let shown = Shown { ready: false, reason: Some(Reason::AccountNotAllowed) };
        (at, Row { claim: None, shown, ..row })
    };
    let broken = || {
        let (at, row) = there("a", "a", false);
        let shown = Shown { ready: false, reason: Some(Reason::InvalidPublicKey) };
        (at, Row { claim: None, shown, ..row })
    };
    let hindered = |reason| {
        let (at, row) = there("a", "a", false);
        let is_refused = reason == Reason::AccountNotAllowed;
        let claim = row.claim.clone().map(|claim| PairClaim { is_refused, ..claim });
        (at, Row { shown: Shown { ready: false, reason: Some(reason) }, claim, ..row })
    };
    let imported = |(at, row): (ObjectRef, Row<PairClaim>)| {
        let claim = row.claim.clone().map(|claim| PairClaim { may_have_one: true, ..claim });
        (at, Row { claim, ..row })
    };
    let left = || {
        let (at, row) = there("a", "a", false);
        let trigger = Trigger { is_deleting: true, has_finalizer: false, ..row.trigger.clone() };
        (at, Row { claim: None, trigger, ..row })
    };
    let unwanted = |has_pair| {
        let (at, row) = there("a", "a", has_pair);
        let claim = row.claim.clone().map(|claim| PairClaim { wants_pair: false, ..claim });
        (at, Row { claim, ..row })
    };
    for (sentence, others, within, pairs, expected) in [
        ("nothing", vec![], "", vec![], 0),
        ("an object that has its pair", vec![there("a", "a", true)], "", vec![own("a")], 1),
        ("and one whose pair is not listed yet", vec![there("a", "a", true)], "", vec![], 1),
        ("an older one that is to have one", vec![there("a", "a", false)], "", vec![], 1),
        ("which this one does not wait for if it has its place by now",
         vec![there("a", "a", false)], "fleet", vec![], 0),
        ("and has it, but no record of it", vec![there("a", "a", false)], "", vec![own("a")], 1),
        ("not one that is to have none", vec![unwanted(false)], "", vec![], 0),
        ("nor one that was released, and kept a place", vec![left()], "a", vec![], 0),
        ("nor if it had a place before", vec![unwanted(false)], "a", vec![], 0),
        ("until its pair is gone", vec![unwanted(true)], "", vec![own("a")], 1),
        ("nor one whose name is somebody's",
         vec![hindered(Reason::NameConflict)], "", vec![], 0),
        ("nor one whose key is missing", vec![hindered(Reason::SourceNotFound)], "", vec![], 0),
        ("unless its import is on record, and may have made one",
         vec![imported(hindered(Reason::SourceNotFound))], "", vec![], 1),
        ("also if it is to have none since", vec![imported(unwanted(false))], "", vec![], 1),
        ("not one that is refused since: it may have come to nothing",
         vec![imported(hindered(Reason::AccountNotAllowed))], "", vec![], 0),
        ("unless it has its place", vec![imported(hindered(Reason::AccountNotAllowed))], "a",
         vec![], 1),
        ("a younger one waits", vec![later("a", "a")], "", vec![], 0),
        ("unless its import is on record", vec![imported(later("a", "a"))], "", vec![], 1),
        ("or it had a place before", vec![later("a", "a")], "a", vec![], 1),
        ("one that its account refuses", vec![refused()], "", vec![], 0),
        ("unless it has a place by now", vec![refused()], "a", vec![], 1),
        ("one that cannot act", vec![broken()], "", vec![], 0),
        ("unless it was edited after it got its place", vec![broken()], "a", vec![], 1),
        ("and has its pair", vec![refused()], "a", vec![own("a")], 1),
        ("a younger one has its pair, before that is on record",
         vec![later("a", "a")], "", vec![own("a")], 1),
        ("a pair whose object is gone", vec![], "", vec![own("a")], 1),
        ("a pair whose object was created again for another one",
         vec![there("a", "b", true)], "", vec![own("a"), own("b")], 2),
        ("also if this object is that one",
         vec![], "", vec![of_owner("a", OWNER), of_owner("b", OWNER)], 2),
        ("the pair that this object wants", vec![], "", vec![of_owner("fleet", OWNER)], 0),
        ("a pair whose name a younger object wants",
         vec![later("b", "a")], "", vec![own("a")], 1),
        ("of another namespace", vec![], "", vec![of_owner("x", "cluster/team/a")], 0),
        ("of another cluster", vec![], "", vec![of_owner("x", "other/team-a/a")], 0),
        ("somebody's", vec![], "", vec![pair(FIRST)], 0),
    ] {
        let mut rows = Rows::default();
        // This one is there too, and does not count.
        let created_at = Some(Timestamp::from_second(5).unwrap());
        let desired = Desired { created_at, uid: "fleet".to_owned(), ..desired() };
        let (at, itself) = object("fleet", "fleet", 5, false);
        rows.apply(&at, itself, Instant::now());
        for (at, row) in others {
            rows.apply(&at, row, Instant::now());
        }
        let scope = Scope { account: ACCOUNT.into(), region: "eu-west-1".into() };
        let account_of = |_: &LaneId| Some(ACCOUNT.into());
        let list = listing(&pairs);
        let mut found_within = ByUid::default();
        found_within.insert(within, Digest::of(KeyPairName::from("a")));
        let found = owned(&at, &rows, &desired, &scope, account_of, &list, &found_within);
        assert_eq!(found, expected, "{sentence}");
    }
}

#[test]
fn i14_a_namespace_with_many_objects_is_counted_only_as_far_as_it_matters() {
    let mut rows = Rows::default();
    for number in 0..50 {
        let name = format!("a-{number}");
        let (at, row) = object(&name, &name, 1, false);
        rows.apply(&at, row, Instant::now());
    }
    let at = ObjectRef::new("team-a", "fleet");
    let scope = Scope { account: ACCOUNT.into(), region: "eu-west-1".into() };
    let tagged = listing(&[of_owner("x", "cluster/team-a/x")]);
    for (most, expected) in [(None, 51), (Some(51), 51), (Some(50), 50), (Some(3), 3)] {
        let asked = Cell::new(0);
        let account_of = |_: &LaneId| {
            asked.set(asked.get() + 1);
            Some(ACCOUNT.into())
        };
        let created_at = Some(Timestamp::from_second(5).unwrap());
        let mut desired = Desired { created_at, uid: "fleet".to_owned(), ..desired() };
        desired.limits.max_key_pairs = most;
        let within = ByUid::default();
        let found = owned(&at, &rows, &desired, &scope, account_of, &tagged, &within);
        assert_eq!(found, expected, "{most:?}");
        assert_eq!(asked.get(), 1, "all are in one lane");
    }
}

#[test]
fn i1_an_object_that_cannot_act_stands_in_the_way_only_of_what_has_its_tag() {
    let tagged_as = |name: &str| Some(of_owner("fleet", &format!("cluster/team-a/{name}")));
    for (is_idle, pair, expected) in [
        (false, None, 1),
        (true, None, 0),
        (true, tagged_as("fleet"), 0),
        (true, tagged_as("a"), 1),
    ] {
        let mut rows = Rows::default();
        let (at, row) = object("a", "fleet", 1, false);
        let claim = row.claim.clone();
        let claim = claim.map(|claim| PairClaim { may_have_one: true, is_idle, ..claim });
        rows.apply(&at, Row { claim, ..row }, Instant::now());
        let at = ObjectRef::new("team-a", "fleet");
        let found = rivals(&at, &rows, &desired(), None, pair.as_ref(), |_| None,
            |_, _| false);
        assert_eq!(found.len(), expected, "{pair:?}");
    }
}

#[test]
fn an_object_that_its_account_refuses_stands_in_the_way_only_if_it_has_the_pair_on_record() {
    for (is_refused, has_pair, expected) in [
        (false, false, 1),
        (true, false, 0),
        (true, true, 1),
    ] {
        let mut rows = Rows::default();
        let (at, row) = object("a", "fleet", 1, has_pair);
        let claim = row.claim.clone().map(|claim| PairClaim { is_refused, ..claim });
        rows.apply(&at, Row { claim, ..row }, Instant::now());
        let at = ObjectRef::new("team-a", "fleet");
        let found = rivals(&at, &rows, &desired(), None, None, |_| None, |_, _| false);
        assert_eq!(found.len(), expected, "{is_refused} {has_pair}");
        let found = rivals(&at, &rows, &desired(), None, None, |_| None, |_, _| true);
        assert_eq!(found.len(), 0, "it may not have it now, whatever it shows");
    }
}

#[test]
fn an_object_that_belongs_to_another_aws_account_stands_in_nobodys_way() {
    const OTHER: &str = "210000000000";
    for (recorded, expected) in [(None, 1), (Some(OTHER), 1), (Some(ACCOUNT), 0)] {
        let status = recorded.map(|account| serde_json::json!({ "accountID": account }));
        let object = serde_json::json!({
            "apiVersion": "lightsail-operator.dev/v1alpha1", "kind": "LightsailKeyPair",
            "metadata": { "name": "old", "namespace": "team-a", "uid": "a" },
            "spec": { "type": "Imported", "region": "eu-west-1", "keyPairName": "fleet",
                "imported": { "publicKey": FIRST } },
            "status": status,
        });
        let row = row_of(&serde_json::from_value(object).unwrap(), &settings(), false);
        let mut rows = Rows::default();
        rows.apply(&ObjectRef::new("team-a", "old"), row, Instant::now());
        let (at, own) = (ObjectRef::new("team-a", "fleet"), AccountId::from(OTHER));
        let of_lane = |_: &LaneId| Some(own.clone());
        let found = rivals(&at, &rows, &desired(), Some(&own), None, of_lane, |_, _| false);
        assert_eq!(found.len(), expected, "{recorded:?}");
    }
}

#[test]
fn where_labels_decide_what_an_object_of_another_namespace_shows_counts() {
    let of_labels = serde_json::json!({ "from": "Selector",
        "selector": { "matchLabels": { "team": "a" } } });
    let of_names = serde_json::json!({ "from": "Names", "names": ["team-a", "team-b"] });
    for (namespaces, own_namespace, is_refused, expected) in [
        (&of_labels, "team-b", true, true),
        (&of_labels, "team-b", false, false),
        // The labels of this namespace are those that the account allows.
        (&of_labels, "team-a", true, false),
        (&of_names, "team-b", true, false),
    ] {
        let account = serde_json::json!({ "accountID": ACCOUNT, "allowedNamespaces": namespaces,
            "allowed": { "regions": ["eu-west-1"], "keyPairNames": ["*"] } });
        let grant = crate::access::tests::used(crate::access::tests::of_spec(&account));
        let (at, row) = object("a", "fleet", 1, true);
        let claim = row.claim.clone().map(|claim| PairClaim { is_refused, ..claim });
        let row = Row { claim, ..row };
        let found = surely_refused(&grant, own_namespace, &desired(), &at, &row);
        assert_eq!(found, expected, "{namespaces} {own_namespace} {is_refused}");
    }
}

#[test]
fn who_has_a_pair_again_and_who_has_it_meanwhile_are_both_told() {
    let mut rows = Rows::default();
    let mut apply = |name: &str, is_refused: bool| {
        let (at, row) = object(name, "fleet", 1, true);
        let claim = row.claim.clone().map(|claim| PairClaim { is_refused, ..claim });
        let due = rows.apply(&at, Row { claim, ..row }, Instant::now());
        let mut names: Vec<_> = due.into_iter().map(|due| due.at.name.to_string()).collect();
        names.sort();
        names
    };
    apply("a", true);
    assert_eq!(apply("b", false), ["b"], "it is new, and nobody else may have the pair");
    assert_eq!(apply("a", false), ["a", "b"]);
    assert!(apply("a", false).is_empty(), "they know by now");
}

#[test]
fn an_object_that_cannot_act_keeps_an_idle_claim_and_is_not_counted_for_it() {
    let spec = |suspend: bool, key: &str| serde_json::json!({ "type": "Imported",
        "region": "eu-west-1", "suspend": suspend, "imported": { "publicKey": key } });
    for (sentence, spec, expected) in [
        ("it may act", spec(false, FIRST), false),
        ("it is suspended", spec(true, FIRST), true),
        ("its key cannot be read", spec(false, "ssh-ed25519 no"), true),
    ] {
        let object = serde_json::from_value(serde_json::json!({
            "apiVersion": "lightsail-operator.dev/v1alpha1", "kind": "LightsailKeyPair",
            "metadata": { "name": "old", "namespace": "team-a", "uid": "a",
                "creationTimestamp": "2026-11-24T11:00:00Z" },
            "spec": spec,
        }));
        let row = row_of(&object.unwrap(), &settings(), false);
        let claim = row.claim.as_ref().expect("it may have been tagged");
        assert_eq!((claim.is_idle, !claim.blocks()), (expected, expected), "{sentence}");
        assert_eq!(claim.waits, !expected, "{sentence}");
        let mut rows = Rows::default();
        rows.apply(&ObjectRef::new("team-a", "old"), row, Instant::now());
        let (at, scope) = (ObjectRef::new("team-a", "fleet"),
            Scope { account: ACCOUNT.into(), region: "eu-west-1".into() });
        let mut desired = Desired { uid: "fleet".to_owned(), ..desired() };
        desired.limits.max_key_pairs = Some(3);
        let (account_of, within) = (|_: &LaneId| Some(ACCOUNT.into()), ByUid::default());
        let count = owned(&at, &rows, &desired, &scope, account_of, &listing(&[]), &within);
        assert_eq!(count, usize::from(!expected), "{sentence}");
    }
}

#[test]
fn an_object_claims_its_name_until_the_operator_has_let_it_go() {
    let settings = settings();
    let object = |deletes: bool, finalizers: &[&str], status: serde_json::Value| {
        let deleted_at = deletes.then_some(NOW);
        serde_json::from_value(serde_json::json!({
            "apiVersion": "lightsail-operator.dev/v1alpha1", "kind": "LightsailKeyPair",
            "metadata": { "name": "fleet", "namespace": "team-a", "uid": "u",
                "finalizers": finalizers, "deletionTimestamp": deleted_at },
            "spec": { "type": "Imported", "region": "eu-west-1",
                "imported": { "publicKey": FIRST } },
            "status": status,
        }))
        .unwrap()
    };
    let has_pair = || serde_json::json!({ "arn": arn("fleet").as_str() });
    let imports = || serde_json::json!({ "importIntent": { "accountID": ACCOUNT,
        "publicKeySHA256": key(FIRST).sha256(), "fingerprints": [] } });
    let nothing = || serde_json::json!({});
    let (own, both) = ([FINALIZER], [FINALIZER, "example.com/other"]);
    let other = ["example.com/other"];
    for (sentence, deletes, finalizers, status, expected) in [
        ("a new one", false, &[][..], nothing(), true),
        ("one that has its pair", false, &own, has_pair(), true),
        ("while it is being deleted", true, &both, has_pair(), true),
        ("until another tool alone holds it", true, &other, has_pair(), false),
        ("whatever it was about to import", true, &other, imports(), false),
        ("which counts as long as the operator holds it", true, &both, imports(), true),
        ("one that never had a pair", true, &other, nothing(), false),
        ("whose finalizer somebody took off", false, &other, has_pair(), true),
    ] {
        let row = row_of(&object(deletes, finalizers, status), &settings, false);
        assert_eq!(row.claim.is_some(), expected, "{sentence}");
    }
}

#[test]
fn what_is_on_record_counts_until_the_operator_has_released_the_object() {
    let adopts = || serde_json::json!({ "origin": "Adopted" });
    let in_conflict = || serde_json::json!({ "origin": "Adopted", "conditions": [{
        "type": "Ready", "status": "False", "reason": "NameConflict", "message": "",
        "lastTransitionTime": NOW }] });
    let imports = || serde_json::json!({ "importIntent": { "accountID": ACCOUNT,
        "publicKeySHA256": key(FIRST).sha256(), "fingerprints": [] } });
    let has_pair = || serde_json::json!({ "arn": arn("old").as_str(), "origin": "Imported" });
    let (mine, none) = ([FINALIZER], ["example.com/other"]);
    for (sentence, status, deletes, finalizers, was_refused, expected) in [
        ("nothing", serde_json::json!({}), false, &mine, false, false),
        ("its pair", has_pair(), false, &mine, false, true),
        ("though its account refuses it since", has_pair(), false, &mine, true, true),
        ("an import", imports(), false, &mine, false, true),
        ("which may have come to nothing", imports(), false, &mine, true, false),
        ("an adoption: its pair may have the tag", adopts(), false, &mine, false, true),
        ("or may have come to nothing", adopts(), false, &mine, true, false),
        ("or has, as it shows", in_conflict(), false, &mine, false, false),
        ("while it is deleted", has_pair(), true, &mine, false, true),
        ("not if another tool alone holds it", has_pair(), true, &none, false, false),
        ("whatever is on record", adopts(), true, &none, false, false),
    ] {
        let object: LightsailKeyPair = serde_json::from_value(serde_json::json!({
            "apiVersion": "lightsail-operator.dev/v1alpha1", "kind": "LightsailKeyPair",
            "metadata": { "name": "old", "namespace": "team-a", "uid": "a",
                "creationTimestamp": "2026-11-24T13:00:00Z", "finalizers": finalizers,
                "deletionTimestamp": deletes.then_some(NOW) },
            "spec": { "type": "Imported", "region": "eu-west-1",
                "imported": { "publicKey": FIRST } },
            "status": status,
        }))
        .unwrap();
        let row = row_of(&object, &settings(), was_refused);
        let of_row = row.claim.as_ref().is_some_and(PairClaim::counts);
        assert_eq!(of_row, expected, "{sentence}");
        let mut rows = Rows::default();
        rows.apply(&ObjectRef::new("team-a", "old"), row, Instant::now());
        let at = ObjectRef::new("team-a", "fleet");
        // It is older.
        let created_at = Some(Timestamp::UNIX_EPOCH);
        let desired = Desired { created_at, uid: "fleet".to_owned(), ..desired() };
        let scope = Scope { account: ACCOUNT.into(), region: "eu-west-1".into() };
        let (account_of, within) = (|_: &LaneId| Some(ACCOUNT.into()), ByUid::default());
        let count = owned(&at, &rows, &desired, &scope, account_of, &listing(&[]), &within);
        assert_eq!(count, usize::from(expected), "{sentence}");
    }
}
