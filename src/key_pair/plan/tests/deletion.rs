//! The rows of an imported pair that goes, with its object or without.

use serde_json::json;

use super::*;
use crate::api::Reason;
use crate::key_pair::{record, status};

/// What differs from the record is refused, and must not be recorded by that refusal.
#[test]
fn i1_a_pair_that_is_not_as_recorded_never_becomes_it() {
    const LATER: &str = "2026-11-24T13:00:00Z";
    let found = KeyPair { created_at: Some(LATER.to_owned()), ..pair(SECOND) };
    let object = |recorded: &KeyPair| {
        let fingerprint = recorded.fingerprint.as_ref().map(ToString::to_string);
        serde_json::from_value(json!({
            "metadata": {"name": "fleet", "namespace": "team-a"},
            "spec": {"type": "Imported", "region": "eu-west-1"},
            "status": {
                "observedGeneration": 1, "accountID": "123456789012", "origin": "Imported",
                "arn": "arn:own", "createdAt": recorded.created_at, "fingerprint": fingerprint,
                "publicKeySHA256": key(FIRST).sha256(),
            },
        }))
        .unwrap()
    };
    // The same key in another form is the same pair.
    let relisted = KeyPair { created_at: Some(LATER.to_owned()), ..tagged(pair(FIRST), OWNER) };
    let known = object(&pair(SECOND));
    let seen = Observed {
        recorded: record::recorded(&known),
        pair: live(Some(relisted.clone())),
        has_finalizer: true,
        ..observed()
    };
    let step = plan(&desired(), &seen);
    assert_eq!(word(&step), "Ready Imported");
    let Step::Finish(verdict) = step else { unreachable!("it is Ready") };
    let status = status::status(&known, &desired(), &seen, &verdict);
    assert_eq!(status.fingerprint, relisted.fingerprint.map(|it| it.to_string()));

    let desired = Desired { goal: Goal::ObjectDeleted, ..desired() };
    let unnamed = KeyPair { created_at: None, fingerprint: None, ..pair(FIRST) };
    for recorded in [pair(FIRST), unnamed] {
        let object = object(&recorded);
        let observed = Observed {
            recorded: record::recorded(&object),
            pair: live(Some(found.clone())),
            has_finalizer: true,
            ..observed()
        };
        let step = plan(&desired, &observed);
        assert_eq!(word(&step), "Stalled FingerprintMismatch");
        let Step::Finish(verdict) = step else { unreachable!("it is a refusal") };
        let status = status::status(&object, &desired, &observed, &verdict);
        let fingerprint = recorded.fingerprint.map(|it| it.to_string());
        assert_eq!((status.created_at, status.fingerprint), (recorded.created_at, fingerprint));
    }
}

/// An operation that is over.
fn succeeded() -> Operation {
    let (id, status) = (Some("1".to_owned()), Some("Succeeded".to_owned()));
    Operation { id, status, ..Operation::default() }
}

/// One that is under way since.
fn started(since: &str) -> Operation {
    let (id, status) = (Some("a".to_owned()), Some("Started".to_owned()));
    Operation { id, status, created_at: Some(since.to_owned()), ..Operation::default() }
}

#[test]
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn deleting_an_object_with_an_imported_pair() {
    fn base() -> (Desired, Observed) {
        let mut observed = observed();
        unchanged(&mut observed);
        (Desired { goal: Goal::ObjectDeleted, ..desired() }, observed)
    }
    check(base, &[
        ("an object without a finalizer never did anything",
         |_, o| o.has_finalizer = false, "Leave"),
        ("not again immediately, if the answer named no operation and the pair is there",
         |_, o| o.done.delete = Some(Operation::default()), "Reconciling InProgress"),
        ("nor if none was found and the pair is there", |_, o| o.done.found_none = true,
         "Reconciling InProgress"),
        ("it is read again after that", |_, o| (o.done.found_none, o.pair) = (true, None),
         "Read pair live"),
        ("and is gone if the read finds none either",
         |_, o| (o.done.found_none, o.pair) = (true, live(None)), "Remove finalizer Deleted"),
        ("it is gone, whatever the answer named", |_, o| {
            o.done.delete = Some(Operation::default());
            o.pair = live(None);
        }, "Remove finalizer Deleted"),
        ("the own pair is deleted", |_, _| {}, "Delete"),
        ("I1: the pair that the spec names, in capitals", |d, o| {
            let listed = "0a:1b:2c:3d:4e:5f:60:71:82:93:a4:b5:c6:d7:e8:f9";
            d.expected_fingerprint = Some(listed.to_uppercase().into());
            (d.goal, o.recorded) = (Goal::Absent, Recorded::default());
            o.pair = live(Some(KeyPair { fingerprint: Some(listed.into()), ..pair(FIRST) }));
        }, "Delete with fingerprint"),
        ("I1: not again while an earlier deletion may take effect, on whatever has the name then",
         |_, o| o.deletion_may_follow = Some(time("2026-11-24T12:00:30Z")),
         "Reconciling InProgress"),
        ("it is when that is over",
         |_, o| o.deletion_may_follow = Some(time(NOW)), "Delete"),
        ("I1: nor while one may that another process sent", |_, o| {
            o.deleted_elsewhere_until = Some(time("2026-11-24T12:00:30Z"));
        }, "Reconciling InProgress"),
        ("nor a moment after the status says that it was deleted", |_, o| {
            (o.recorded.was_deleted, o.timing.settle_time) = (true, Duration::from_mins(1));
            o.recorded.deleted_at = Some(time("2026-11-24T11:59:01Z"));
        }, "Reconciling InProgress"),
        ("in the end that did not take effect", |_, o| {
            (o.recorded.was_deleted, o.timing.settle_time) = (true, Duration::from_mins(1));
            o.recorded.deleted_at = Some(time("2026-11-24T11:59:00Z"));
        }, "Delete"),
        ("which had no reason for it",
         |_, o| o.predecessors_may_act = time("2026-11-24T12:00:30Z"), "Delete"),
        ("it took effect", |_, o| {
            o.deletion_may_follow = Some(time("2026-11-24T12:00:30Z"));
            o.pair = live(None);
        }, "Remove finalizer Deleted"),
        ("I7: not on what a list said a while ago",
         |_, o| o.pair = cached(Some(pair(FIRST))), "Read pair live"),
        ("I7: nor without any read", |_, o| o.pair = None, "Read pair live"),
        ("I7: nor on a live read before a nap",
         |_, o| o.now = time("2026-11-24T12:00:06Z"), "Read pair live"),
        ("I7: nor on one that takes too long each time", |_, o| {
            (o.now, o.done.repeated_reads) = (time("2026-11-24T12:00:06Z"), 2);
        }, "Reconciling InProgress"),
        ("what is gone is gone", |_, o| o.pair = live(None), "Remove finalizer Deleted"),
        ("one that was made a moment ago may only not be visible yet",
         |_, o| (o.pair, o.timing.settle_time) = (live(None), Duration::from_mins(1)),
         "Reconciling InProgress"),
        ("nor is another one that is shown until then", |_, o| {
            o.pair = live(Some(KeyPair { arn: "arn:before".into(), ..pair(FIRST) }));
            o.timing.settle_time = Duration::from_mins(1);
        }, "Reconciling InProgress"),
        ("unless it was deleted just now", |_, o| {
            (o.pair, o.timing.settle_time) = (live(None), Duration::from_mins(1));
            o.done.delete = Some(succeeded());
        }, "Remove finalizer Deleted"),
        ("or by an earlier reconciliation, which left the Secret to read", |d, o| {
            (o.pair, o.timing.settle_time) = (live(None), Duration::from_mins(1));
            o.recorded.was_deleted = true;
            d.pair = DesiredPair::Generated { algorithm: KeyAlgorithm::Ed25519, secret: kept(),
                replace: ReplacePolicy::Never };
        }, "ReadSecret"),
        ("and the answer named the operation", |_, o| {
            (o.pair, o.timing.settle_time) = (live(None), Duration::from_mins(1));
            o.done.delete = Some(Operation::default());
        }, "Reconciling InProgress"),
        ("an earlier deletion is not asked about then", |_, o| {
            o.pair = live(None);
            o.recorded.deletion = Some(started("2026-11-24T11:59:00Z"));
            o.done.delete = Some(succeeded());
        }, "Remove finalizer Deleted"),
        ("one that began a moment ago by Lightsail's clock is not sent again", |_, o| {
            o.lightsail_date = Some(time("2026-11-24T12:05:00Z"));
            o.recorded.deletion = Some(started("2026-11-24T12:04:59Z"));
        }, "Reconciling InProgress"),
        ("an adopted pair stays",
         |_, o| o.recorded.origin = Some(Origin::Adopted), "ReadForRelease"),
        ("I8: a release needs no account and no read", |d, o| {
            d.deletion_policy = Some(DeletionPolicy::Retain);
            (o.account, o.pair) = (None, None);
        }, "ReadForRelease"),
        ("an adopted pair goes if the spec says so", |d, o| {
            d.deletion_policy = Some(DeletionPolicy::Delete);
            o.recorded.origin = Some(Origin::Adopted);
        }, "Delete"),
        ("I1: a pair that was made anew by somebody else stays", |_, o| {
            o.pair = live(Some(KeyPair { arn: "arn:another".into(), ..pair(FIRST) }));
        }, "Stalled FingerprintMismatch"),
        ("nor does one that another owner made hold the object", |_, o| {
            let another = KeyPair { arn: "arn:another".into(), ..pair(FIRST) };
            o.pair = live(Some(tagged(another, "other/team-a/fleet")));
        }, "ReadForRelease"),
        ("for which no key is read", |d, o| {
            d.pair = DesiredPair::Imported { key: ImportedKey::From(SourceRef {
                kind: SourceKind::Secret, name: "keys".to_owned(), key: "fleet".to_owned() }),
                replace: ReplacePolicy::Never };
            d.expected_fingerprint = Some(key(FIRST).fingerprints().forms()[1].clone().into());
            let another = KeyPair { arn: "arn:another".into(), ..pair(FIRST) };
            o.pair = live(Some(tagged(another, "other/team-a/fleet")));
        }, "ReadForRelease"),
        ("nor one that another object has recorded", |_, o| {
            o.pair = live(Some(KeyPair { arn: "arn:another".into(), ..pair(FIRST) }));
            o.rivals = vec![rival("z", Some("arn:another"))];
        }, "ReadForRelease"),
        ("I1: nor is its own deleted that another object records too, and comes first", |_, o| {
            o.pair = live(Some(pair(FIRST)));
            o.rivals = vec![rival("a", Some("arn:own"))];
        }, "Stalled NameConflict"),
        ("I1: a pair with another fingerprint stays", |_, o| {
            o.pair = live(Some(pair(SECOND)));
        }, "Stalled FingerprintMismatch"),
        ("I1: a pair whose fingerprint vanished stays", |_, o| {
            o.pair = live(Some(KeyPair { fingerprint: None, ..pair(FIRST) }));
        }, "Stalled FingerprintMismatch"),
        ("I1: a pair with another time of creation stays", |_, o| {
            o.pair = live(Some(KeyPair { created_at: None, ..pair(FIRST) }));
        }, "Stalled FingerprintMismatch"),
        ("I1: a pair that another owner tagged stays", |_, o| {
            o.pair = live(Some(tagged(pair(FIRST), "other/team-a/fleet")));
        }, "Stalled OwnershipLost"),
        ("a fingerprint that was absent both times is as it was", |_, o| {
            o.recorded.fingerprint = None;
            o.pair = live(Some(KeyPair { fingerprint: None, ..pair(FIRST) }));
        }, "Delete"),
        ("the spec's fingerprint counts as well",
         |d, _| d.expected_fingerprint = Some("another".into()), "Stalled FingerprintMismatch"),
        ("and is sent along",
         |d, o| d.expected_fingerprint.clone_from(&o.recorded.fingerprint),
             "Delete with fingerprint"),
        ("in another form it counts if the spec's key is of both",
         |d, _| d.expected_fingerprint = Some(key(FIRST).fingerprints().forms()[1]
            .replace(':', "").to_uppercase().into()), "Delete with fingerprint"),
        ("not if the spec's key is another one", |d, _| {
            d.pair = with_key(SECOND);
            d.expected_fingerprint = Some(key(SECOND).sha256().into());
        }, "Stalled FingerprintMismatch"),
        ("a key that is not read yet is read for that", |d, _| {
            d.pair = DesiredPair::Imported { key: ImportedKey::From(SourceRef {
                kind: SourceKind::Secret, name: "keys".to_owned(), key: "fleet".to_owned() }),
                replace: ReplacePolicy::Never };
            d.expected_fingerprint = Some(key(FIRST).fingerprints().forms()[1].clone().into());
        }, "ReadSource"),
        ("not if Lightsail lists it as expected", |d, _| {
            d.pair = DesiredPair::Imported { key: ImportedKey::From(SourceRef {
                kind: SourceKind::Secret, name: "keys".to_owned(), key: "fleet".to_owned() }),
                replace: ReplacePolicy::Never };
            d.expected_fingerprint = Some(key(FIRST).sha256().into());
        }, "Delete with fingerprint"),
        ("an own pair that is not as recorded goes by its exact fingerprint", |d, o| {
            o.recorded.fingerprint = Some("another".into());
            d.expected_fingerprint = Some(key(FIRST).sha256().into());
        }, "Delete with fingerprint"),
        ("an adopted pair whose key is not known is not deleted", |d, o| {
            d.deletion_policy = Some(DeletionPolicy::Delete);
            o.recorded.origin = Some(Origin::Adopted);
            o.recorded.fingerprint = None;
            o.pair = live(Some(KeyPair { fingerprint: None, ..tagged(pair(FIRST), OWNER) }));
        }, "Stalled FingerprintMismatch"),
        ("I1: without a record, somebody else's pair is left", |_, o| {
            o.recorded = Recorded::default();
            o.pair = live(Some(pair(SECOND)));
        }, "Remove finalizer Released"),
        ("I1: without a record, a pair that is older than the object is left", |_, o| {
            o.recorded = Recorded::default();
            o.pair = live(Some(KeyPair { created_at: Some("2020-01-01T00:00:00Z".to_owned()),
                ..pair(FIRST) }));
        }, "Remove finalizer Released"),
        ("I12: a read from before that time was over does not say that it did not", |_, o| {
            o.recorded = Recorded { intent: intent(FIRST), ..Recorded::default() };
            o.pair = live(None);
            (o.now, o.sent) = (time("2026-11-24T12:00:09Z"), sent("2026-11-24T12:00:05Z", false));
        }, "Read pair live"),
        ("an import that may still take effect is waited for", |_, o| {
            o.recorded = Recorded { intent: intent(FIRST), ..Recorded::default() };
            o.pair = live(None);
            o.sent = sent("2026-11-24T12:00:30Z", false);
        }, "Reconciling InProgress"),
        ("but not forever", |_, o| {
            o.recorded = Recorded { intent: intent(FIRST), ..Recorded::default() };
            o.pair = live(None);
            o.sent = sent(NOW, false);
        }, "Remove finalizer Deleted"),
        ("an object of another account releases nothing",
         |_, o| o.account = Some("999999999999".into()), "Stalled WrongAccount"),
        ("a deletion that failed in Lightsail is said, although the pair is there", |_, o| {
            o.done.delete = Some(Operation { status: Some("Failed".to_owned()),
                ..Operation::default() });
        }, "Stalled OperationFailed"),
        ("and if it is not", |_, o| {
            o.pair = live(None);
            o.done.delete = Some(Operation { id: Some("1".to_owned()),
                status: Some("Failed".to_owned()), ..Operation::default() });
        }, "Stalled OperationFailed"),
        ("one that was answered, and did nothing, is not called a failure", |_, o| {
            o.done.delete = Some(Operation::default());
        }, "Reconciling InProgress"),
        ("where no import was sent, nothing is waited for", |_, o| {
            o.recorded = Recorded::default();
            o.pair = live(None);
            o.sent = sent("2026-11-24T12:00:30Z", false);
        }, "Remove finalizer Deleted"),
        ("a key that cannot be read does not hold the object", |d, o| {
            d.pair = inline(Err(InvalidPublicKey::Data));
            o.recorded = Recorded::default();
            o.pair = live(Some(pair(FIRST)));
        }, "Remove finalizer Released"),
    ]);
}

/// Lightsail rejects the input of this operation.
fn rejected(operation: &'static str) -> Option<Failure> {
    let error = lightsail::Error::of_kind(ErrorKind::Invalid);
    Some(Failure::Lightsail(lightsail::Error { operation: Some(operation), ..error }))
}

#[test]
fn i8_a_name_that_lightsail_rejects_keeps_no_object_that_never_had_a_pair() {
    fn base() -> (Desired, Observed) {
        let failure = rejected("GetKeyPair");
        let observed = Observed { has_finalizer: true, failure, ..observed() };
        (Desired { goal: Goal::ObjectDeleted, ..desired() }, observed)
    }
    check(base, &[
        ("it is released", |_, _| {}, "Remove finalizer Released"),
        ("its own Secret stays if the spec says so", |d, _| {
            d.pair = DesiredPair::Generated { algorithm: KeyAlgorithm::Ed25519, secret: kept(),
                replace: ReplacePolicy::Never };
        }, "ReadSecret"),
        ("not where a pair is on record", |_, o| {
            o.recorded = recorded(&pair(FIRST), Origin::Imported);
        }, "Stalled OperationFailed"),
        ("nor an adoption", |_, o| o.recorded.origin = Some(Origin::Adopted),
         "Stalled OperationFailed"),
        ("nor an import that may have been sent", |_, o| o.recorded.intent = intent(FIRST),
         "Stalled OperationFailed"),
        ("nor by what is said of other input", |_, o| o.failure = rejected("GetKeyPairs"),
         "Stalled OperationFailed"),
        ("nor by another error", |_, o| o.failure = failed(ErrorKind::Denied),
         "Stalled AccessDenied"),
        ("an object that stays says it", |d, _| d.goal = Goal::Present, "Stalled OperationFailed"),
    ]);
    let (desired, mut observed) = base();
    observed.recorded = recorded(&pair(FIRST), Origin::Imported);
    let Step::Finish(verdict) = plan(&desired, &observed) else { panic!("it is a refusal") };
    let way_out = "set deletionPolicy: Retain to release the object";
    assert!(verdict.message.contains(way_out), "{}", verdict.message);
}

#[test]
fn an_imported_pair_that_shall_not_be_there() {
    fn base() -> (Desired, Observed) {
        let mut observed = observed();
        observed.pair = live(Some(KeyPair { created_at: Some("2020-01-01T00:00:00Z".to_owned()),
            ..pair(FIRST) }));
        (Desired { goal: Goal::Absent, ..desired() }, observed)
    }
    check(base, &[
        ("what is not there is Ready", |_, o| o.pair = live(None), "Ready Absent"),
        ("that is not said on old news", |_, o| o.pair = cached(None), "Read pair live"),
        ("I1: somebody else's pair stays", |_, _| {}, "Stalled FingerprintMismatch"),
        ("the own pair goes", |_, o| unchanged(o), "Delete"),
        ("somebody else's pair goes by its exact fingerprint, the finalizer first", |d, _| {
            d.expected_fingerprint = Some(key(FIRST).sha256().into());
        }, "AddFinalizer"),
        ("and then it goes", |d, o| {
            d.expected_fingerprint = Some(key(FIRST).sha256().into());
            o.has_finalizer = true;
        }, "Delete with fingerprint"),
        ("I1: not by another fingerprint",
         |d, _| d.expected_fingerprint = Some(key(SECOND).sha256().into()),
             "Stalled FingerprintMismatch"),
        ("I1: nor if another owner has tagged it", |d, o| {
            d.expected_fingerprint = Some(key(FIRST).sha256().into());
            o.pair = live(Some(tagged(pair(FIRST), "other/team-a/fleet")));
        }, "Stalled NameConflict"),
        ("unless that tag is to be ignored", |d, o| {
            d.expected_fingerprint = Some(key(FIRST).sha256().into());
            d.adoption = AdoptionPolicy::TakeOver;
            o.has_finalizer = true;
            o.pair = live(Some(tagged(pair(FIRST), "other/team-a/fleet")));
        }, "Delete with fingerprint"),
        ("I1: that is not so for a tag in another spelling", |d, o| {
            d.expected_fingerprint = Some(key(FIRST).sha256().into());
            d.adoption = AdoptionPolicy::TakeOver;
            o.has_finalizer = true;
            let mut pair = tagged(pair(FIRST), "other/team-a/fleet");
            pair.tags.insert(OWNER_TAG.to_uppercase(), Some("other/team-a/fleet".to_owned()));
            o.pair = live(Some(pair));
        }, "Stalled NameConflict"),
        ("I1: nor if another object records it", |d, o| {
            d.expected_fingerprint = Some(key(FIRST).sha256().into());
            o.rivals = vec![rival("z", Some("arn:own"))];
        }, "Stalled NameConflict"),
        ("no public key is needed for that", |d, o| {
            d.pair = DesiredPair::Imported { key: ImportedKey::Absent,
                replace: ReplacePolicy::Never };
            o.pair = live(None);
        }, "Ready Absent"),
    ]);
}

#[test]
fn another_name_is_advised_only_to_an_object_that_wants_a_pair() {
    for (goal, expected) in [
        (Goal::Present, "create it again with another keyPairName"),
        (Goal::Absent, "create it again with the right keyPairName"),
    ] {
        let (desired, mut observed) = (Desired { goal, ..desired() }, observed());
        observed.pair = live(Some(tagged(pair(FIRST), "other/team-a/fleet")));
        let Step::Finish(verdict) = plan(&desired, &observed) else { panic!("it is a refusal") };
        assert_eq!(verdict.reason, Reason::NameConflict);
        assert!(verdict.message.ends_with(expected), "{}", verdict.message);
    }
}

/// A refusal that lasts is shown whatever the object showed before. What decides what it claims
/// stays in `Ready`: an object that may not use its account would claim its name again.
#[test]
fn i8_what_keeps_it_from_ending_is_shown_beside_an_older_reason_or_in_its_place() {
    let object = |reason: &str| -> crate::api::LightsailKeyPair {
        let condition = |type_: &str, status: &str| {
            json!({"type": type_, "status": status, "reason": reason, "message": "before",
                "lastTransitionTime": NOW})
        };
        serde_json::from_value(json!({
            "metadata": {"name": "fleet", "namespace": "team-a"},
            "spec": {"type": "Imported", "region": "eu-west-1"},
            "status": {
                "observedGeneration": 1,
                "conditions": [condition("Ready", "False"), condition("Stalled", "True")],
            },
        }))
        .unwrap()
    };
    let verdict = Verdict::wait(Reason::KubernetesError, "a webhook refuses", Duration::ZERO);
    for (before, ready) in [
        ("OwnershipLost", "KubernetesError"),
        ("AccountNotAllowed", "AccountNotAllowed"),
        ("NameConflict", "NameConflict"),
    ] {
        let status = status::unfinished(&object(before), &verdict, time(NOW));
        let shown: Vec<_> = status.conditions.iter().map(|it| (&*it.type_, &*it.reason)).collect();
        let expected = [("Ready", ready), ("Reconciling", "KubernetesError")];
        assert_eq!(shown, expected, "{before}");
        assert_eq!(status.conditions[1].message, "a webhook refuses");
    }
}

#[test]
fn a_deletion_counts_for_the_pair_that_it_deleted() {
    let was_deleted = |type_: &str, status: &str, at: &str| {
        let object = |last: Option<&Operation>| -> crate::api::LightsailKeyPair {
            serde_json::from_value(json!({
                "metadata": {"name": "fleet", "namespace": "team-a"},
                "spec": {"type": "Imported", "region": "eu-west-1"},
                "status": { "observedGeneration": 1, "arn": "arn:own", "createdAt": NOW,
                    "lastOperation": last },
            }))
            .unwrap()
        };
        let [type_, status, at] = [type_, status, at].map(|text| Some(text.to_owned()));
        let operation = Operation { type_, status, created_at: at, ..Operation::default() };
        let on_record = record::recorded(&object(Some(&operation))).was_deleted;
        // A status that could not be written does not show it.
        let begun = record::recorded_and_begun(&object(None), Some(&operation)).was_deleted;
        assert_eq!(on_record, begun);
        begun
    };
    assert!(was_deleted("DeleteKeyPair", "Succeeded", "2026-11-24T12:00:05Z"));
    // It deleted the pair that this one replaced.
    assert!(!was_deleted("DeleteKeyPair", "Succeeded", "2026-11-24T11:59:59Z"));
    assert!(!was_deleted("DeleteKeyPair", "Failed", "2026-11-24T12:00:05Z"));
    assert!(!was_deleted("DeleteKeyPair", "Started", "2026-11-24T12:00:05Z"));
    assert!(!was_deleted("ImportKeyPair", "Succeeded", "2026-11-24T12:00:05Z"));
}
