//! The rows of an import that is on record, and whose pair is not (I12, I13).

use super::*;
use crate::api::conditions::{Conditions, READY, RECONCILING, STALLED, is_true, reason};
use crate::api::{LightsailKeyPair, LightsailKeyPairStatus, Reason};
use crate::engine::tests::settings;
use crate::key_pair::claim::{PairClaim, is_coming, row_of};
use crate::key_pair::{record, status};

/// Nothing but what a row says is on record, and the finalizer is there from before.
pub(super) fn unrecorded(goal: Goal) -> (Desired, Observed) {
    let observed = Observed { has_finalizer: true, pair: live(Some(pair(FIRST))),
        ..observed() };
    (Desired { goal, ..desired() }, observed)
}

#[test]
fn a_new_object_shows_that_its_import_is_under_way() {
    let (desired, observed) = unrecorded(Goal::Present);
    let spec = serde_json::json!({ "type": "Imported", "region": "eu-west-1" });
    let mut object = LightsailKeyPair::new("fleet", serde_json::from_value(spec).unwrap());
    let mut shown = |conditions: Vec<_>| {
        let before = LightsailKeyPairStatus { conditions, ..LightsailKeyPairStatus::default() };
        object.status = Some(before);
        status::intending(&object, &desired, &observed, &key(FIRST), None).conditions
    };
    let first = shown(Vec::new());
    assert_eq!(reason(&first, READY), Some(Reason::InProgress));
    assert_eq!(reason(&first, RECONCILING), Some(Reason::InProgress));
    let ready = Verdict::ready(Reason::Imported, "it is there", Next::Backoff);
    let before = ready.conditions(Conditions::new(&first, 1, observed.now)).into_list();
    assert_eq!(shown(before.clone()), before, "what it shows already stays");
    let stalled = |reason| {
        let stalled = Verdict::stalled(reason, "it is not", Next::Backoff);
        stalled.conditions(Conditions::new(&first, 1, observed.now)).into_list()
    };
    let denied = stalled(Reason::AccessDenied);
    assert_eq!(shown(denied.clone()), denied, "and does not come and go with each attempt");
    let allowed_now = shown(stalled(Reason::AccountNotFound));
    assert_eq!(reason(&allowed_now, READY), Some(Reason::InProgress));
    assert!(!is_true(&allowed_now, STALLED));
}

#[test]
fn an_object_that_adopts_shows_nothing_for_which_it_would_not_count() {
    let (desired, observed) = unrecorded(Goal::Present);
    let spec = serde_json::json!({ "type": "Imported", "region": "eu-west-1" });
    let mut object = LightsailKeyPair::new("fleet", serde_json::from_value(spec).unwrap());
    for (before, expected) in [
        (Reason::AccountNotAllowed, Reason::InProgress),
        (Reason::NameConflict, Reason::InProgress),
        (Reason::AccessDenied, Reason::AccessDenied),
    ] {
        let stalled = Verdict::stalled(before, "it is not", Next::Backoff);
        let conditions = stalled.conditions(Conditions::new(&[], 1, observed.now)).into_list();
        object.status = Some(LightsailKeyPairStatus { conditions, ..Default::default() });
        let adopting = status::adopting(&object, &desired, &observed);
        assert_eq!(reason(&adopting.conditions, READY), Some(expected));
        object.status = Some(adopting);
        let claim = row_of(&object, &settings(), false).claim;
        assert!(claim.as_ref().is_some_and(PairClaim::counts));
    }
}

#[test]
fn an_object_is_on_its_way_until_it_shows_what_came_of_it() {
    let (desired, observed) = unrecorded(Goal::Present);
    let spec = serde_json::json!({ "type": "Imported", "region": "eu-west-1" });
    let mut object = LightsailKeyPair::new("fleet", serde_json::from_value(spec).unwrap());
    assert!(is_coming(&object), "nothing is on record");
    let first = status::intending(&object, &desired, &observed, &key(FIRST), None);
    object.status = Some(first);
    assert!(is_coming(&object), "its import is about to be sent");
    let mut generated = object.clone();
    generated.spec.generated = Some(
        serde_json::from_value(serde_json::json!({ "algorithm": "RSA4096",
            "secret": { "name": "fleet" } })).unwrap(),
    );
    assert!(is_coming(&generated), "its key is there");
    generated.status = None;
    assert!(!is_coming(&generated), "others do not wait until a key of RSA is generated");
    let unanswered = Verdict::wait(Reason::InProgress, "no answer yet", Duration::from_mins(1));
    object.status = Some(status::status(&object, &desired, &observed, &unanswered));
    object.status.as_mut().unwrap().observed_generation = 1;
    assert!(!is_coming(&object), "it waits for something else");
}

pub(super) fn of_no_known_form(pair: KeyPair) -> KeyPair {
    KeyPair { fingerprint: Some("of a new form".into()), ..pair }
}

fn older(pair: KeyPair) -> KeyPair {
    KeyPair { created_at: Some("2026-11-24T11:59:58Z".to_owned()), ..pair }
}

fn newer(pair: KeyPair) -> KeyPair {
    KeyPair { created_at: Some("2026-11-24T12:02:00Z".to_owned()), ..pair }
}

#[test]
fn i12_whose_a_pair_is_without_its_arn_on_record() {
    check(|| unrecorded(Goal::Present), &[
        ("an intent, and its key: own", |_, o| o.recorded.intent = intent(FIRST), "Tag"),
        ("an intent, an unknown fingerprint and our tag: own", |_, o| {
            o.recorded.intent = intent(FIRST);
            o.pair = live(Some(of_no_known_form(tagged(pair(FIRST), OWNER))));
        }, "Ready Imported"),
        ("an intent, an unknown fingerprint and no tag: nothing tells", |_, o| {
            o.recorded.intent = intent(FIRST);
            o.pair = live(Some(of_no_known_form(pair(FIRST))));
        }, "Stalled FingerprintMismatch"),
        ("an intent, and another key: not own", |_, o| {
            (o.recorded.intent, o.pair) = (intent(FIRST), live(Some(pair(SECOND))));
        }, "Stalled NameConflict"),
        ("an intent, and a pair from before it: as without an intent", |_, o| {
            (o.recorded.intent, o.pair) = (intent(FIRST), live(Some(older(pair(FIRST)))));
        }, "RecordAdoption"),
        ("or from long after it", |_, o| {
            (o.recorded.intent, o.pair) = (intent(FIRST), live(Some(newer(pair(FIRST)))));
        }, "RecordAdoption"),
        ("not while an import is under way that may come in its place", |_, o| {
            (o.recorded.intent, o.pair) = (intent(FIRST), live(Some(older(pair(FIRST)))));
            o.sent = sent("2026-11-24T12:00:30Z", false);
        }, "Reconciling InProgress"),
        ("an intent, and every import of it was refused", |_, o| {
            (o.recorded.intent, o.sent) = (intent(FIRST), None);
        }, "RecordAdoption"),
        ("an intent, its key, and an older rival", |_, o| {
            o.recorded.intent = intent(FIRST);
            o.rivals = vec![rival("0", None)];
        }, "Tag"),
        ("an intent, its key, and a rival that records the pair", |_, o| {
            o.recorded.intent = intent(FIRST);
            o.rivals = vec![rival("z", Some("arn:own"))];
        }, "Stalled NameConflict"),
        ("an intent for a key that the spec has no more", |d, o| {
            d.pair = with_key(SECOND);
            o.recorded.intent = intent(FIRST);
            o.pair = live(Some(of_no_known_form(tagged(pair(FIRST), OWNER))));
        }, "Stalled PublicKeyChanged"),
        ("that may be replaced: first it is recorded", |d, o| {
            d.pair = DesiredPair::Imported { key: ImportedKey::Inline(PublicKey::parse(SECOND)),
                replace: ReplacePolicy::Recreate };
            o.recorded.intent = intent(FIRST);
        }, "Reconciling InProgress"),
        ("an accepted import that is not tagged yet", |_, o| {
            (o.recorded.intent, o.sent) = (intent(FIRST), sent("2026-11-24T12:00:30Z", true));
            o.pair = live(Some(of_no_known_form(pair(FIRST))));
        }, "Tag"),
        ("an accepted import, and a list that shows the pair from before it", |_, o| {
            (o.recorded.intent, o.sent) = (intent(FIRST), sent("2026-11-24T12:00:30Z", true));
            o.pair = cached(Some(older(pair(FIRST))));
        }, "Read pair live"),
        ("an intent, and a pair that another owner has tagged", |_, o| {
            o.recorded.intent = intent(FIRST);
            o.pair = live(Some(tagged(pair(FIRST), "other/team-a/fleet")));
        }, "Stalled NameConflict"),
        ("our tag and our key: a restored object adopts it", |_, o| {
            o.pair = live(Some(tagged(pair(FIRST), OWNER)));
        }, "RecordAdoption"),
        ("whoever the tag names comes before an older rival", |_, o| {
            o.pair = live(Some(tagged(pair(FIRST), OWNER)));
            o.rivals = vec![rival("0", None)];
        }, "RecordAdoption"),
        ("also where nothing else is adopted", |d, o| {
            d.adoption = AdoptionPolicy::Never;
            o.pair = live(Some(tagged(pair(FIRST), OWNER)));
        }, "RecordAdoption"),
        ("our tag and another key", |_, o| o.pair = live(Some(tagged(pair(SECOND), OWNER))),
         "Stalled NameConflict"),
        ("our tag and an unknown fingerprint", |_, o| {
            o.pair = live(Some(of_no_known_form(tagged(pair(FIRST), OWNER))));
        }, "Stalled NameConflict"),
        ("no tag, our key: adopted, whatever the finalizer and its age say", |_, _| {},
         "RecordAdoption"),
        ("no tag, an unknown fingerprint: adopted by policy",
         |_, o| o.pair = live(Some(of_no_known_form(pair(FIRST)))), "RecordAdoption"),
        ("no tag, another key", |_, o| o.pair = live(Some(pair(SECOND))), "Stalled NameConflict"),
    ]);
}

#[test]
fn i12_a_deletion_leaves_no_pair_behind_that_may_be_the_objects_own() {
    check(|| unrecorded(Goal::ObjectDeleted), &[
        ("an intent, and its key", |_, o| o.recorded.intent = intent(FIRST), "Delete"),
        ("without the source of that key", |d, o| {
            let at = SourceRef { kind: SourceKind::Secret, name: "gone".to_owned(),
                key: "key".to_owned() };
            d.pair = DesiredPair::Imported { key: ImportedKey::From(at),
                replace: ReplacePolicy::Never };
            o.recorded.intent = intent(FIRST);
        }, "Delete"),
        ("an intent, an unknown fingerprint and our tag", |_, o| {
            o.recorded.intent = intent(FIRST);
            o.pair = live(Some(of_no_known_form(tagged(pair(FIRST), OWNER))));
        }, "Delete"),
        ("an intent, an unknown fingerprint and no tag: never released silently", |_, o| {
            o.recorded.intent = intent(FIRST);
            o.pair = live(Some(of_no_known_form(pair(FIRST))));
        }, "Stalled FingerprintMismatch"),
        ("I1: nor deleted with the object, though the spec names its fingerprint", |d, o| {
            d.expected_fingerprint = Some("of a new form".into());
            o.recorded.intent = intent(FIRST);
            o.pair = live(Some(of_no_known_form(pair(FIRST))));
        }, "Stalled FingerprintMismatch"),
        ("an intent, and a pair from before it", |_, o| {
            (o.recorded.intent, o.pair) = (intent(FIRST), live(Some(older(pair(FIRST)))));
        }, "Remove finalizer Released"),
        ("that may go, and the pair of an import that is under way come in its place", |_, o| {
            (o.recorded.intent, o.pair) = (intent(FIRST), live(Some(older(pair(FIRST)))));
            o.sent = sent("2026-11-24T12:00:30Z", false);
        }, "Reconciling InProgress"),
        ("our tag and our key, but no record", |_, o| {
            o.pair = live(Some(tagged(pair(FIRST), OWNER)));
        }, "Stalled FingerprintMismatch"),
        ("unless the policy says that it goes", |d, o| {
            d.deletion_policy = Some(DeletionPolicy::Delete);
            o.pair = live(Some(tagged(pair(FIRST), OWNER)));
        }, "Delete"),
        ("I2: and only with the fingerprint that the spec expects", |d, o| {
            d.deletion_policy = Some(DeletionPolicy::Delete);
            d.expected_fingerprint = Some(key(SECOND).sha256().into());
            o.pair = live(Some(tagged(pair(FIRST), OWNER)));
        }, "Stalled FingerprintMismatch"),
        ("or that it stays", |d, o| {
            d.deletion_policy = Some(DeletionPolicy::Retain);
            o.pair = live(Some(tagged(pair(FIRST), OWNER)));
        }, "Remove finalizer Released"),
        ("our tag on a pair that another object records: not released silently either", |_, o| {
            o.pair = live(Some(tagged(pair(FIRST), OWNER)));
            o.rivals = vec![rival("z", Some("arn:own"))];
        }, "Stalled NameConflict"),
        ("our tag and another key", |d, o| {
            d.deletion_policy = Some(DeletionPolicy::Delete);
            o.pair = live(Some(tagged(pair(SECOND), OWNER)));
        }, "Stalled FingerprintMismatch"),
        ("our tag and a key that cannot be read", |d, o| {
            d.pair = inline(Err(InvalidPublicKey::Data));
            o.pair = live(Some(tagged(pair(FIRST), OWNER)));
        }, "Stalled FingerprintMismatch"),
        ("no tag, our key: somebody else's", |_, _| {}, "Remove finalizer Released"),
    ]);
    check(|| unrecorded(Goal::Absent), &[
        ("I1: an adopted pair of no known fingerprint is not deleted", |_, o| {
            o.pair = live(Some(of_no_known_form(tagged(pair(FIRST), OWNER))));
            o.recorded = recorded(&of_no_known_form(pair(FIRST)), Origin::Adopted);
            o.recorded.public_key_sha256 = None;
        }, "Stalled FingerprintMismatch"),
        ("unless its exact fingerprint names it", |d, o| {
            d.expected_fingerprint = Some("of a new form".into());
            o.pair = live(Some(of_no_known_form(tagged(pair(FIRST), OWNER))));
            o.recorded = recorded(&of_no_known_form(pair(FIRST)), Origin::Adopted);
            o.recorded.public_key_sha256 = None;
        }, "Delete with fingerprint"),
    ]);
}

#[test]
fn what_is_said_of_an_import_that_is_waited_for_is_what_is_known_of_it() {
    for (accepted, expected) in [(false, "did not respond"), (true, "accepted the import")] {
        let mut observed = observed();
        (observed.pair, observed.recorded.intent) = (live(None), intent(FIRST));
        observed.has_finalizer = true;
        observed.sent = sent("2026-11-24T12:00:30Z", accepted);
        let Step::Finish(verdict) = plan(&desired(), &observed) else { panic!("it goes on") };
        assert!(verdict.message.contains(expected), "{}", verdict.message);
    }
}

/// An object with an intent on record, in place of the pair with this ARN.
fn with_intent(replaced: Option<&str>) -> LightsailKeyPair {
    serde_json::from_value(serde_json::json!({
        "metadata": { "name": "fleet", "namespace": "team-a", "generation": 1 },
        "spec": { "type": "Imported", "region": "eu-west-1" },
        "status": { "observedGeneration": 1, "importIntent": {
            "accountID": "123456789012", "publicKeySHA256": key(FIRST).sha256(),
            "fingerprints": key(FIRST).fingerprints().forms(), "date": NOW,
            "replacedARN": replaced,
        } },
    }))
    .unwrap()
}

/// What the refusal of an import leaves on record.
#[test]
fn i12_a_refusal_ends_the_intent_and_keeps_only_what_pair_was_there_before() {
    let other = || live(Some(KeyPair { arn: "arn:new".into(), ..pair(SECOND) }));
    let before = Some("arn:own");
    for (sentence, failure, before, seen, is_kept) in [
        ("throttled", Some(ErrorKind::Throttled), None, None, false),
        ("an account that is not set up", Some(ErrorKind::AccountSetup), None, None, false),
        ("denied", Some(ErrorKind::Denied), None, None, false),
        ("the name is taken", None, None, live(None), false),
        ("throttled, in place of another pair", Some(ErrorKind::Throttled), before, None, false),
        ("its name is taken, and no server may have known it", None, before, live(None), true),
        ("another pair has the name", None, before, other(), false),
    ] {
        let object = with_intent(before);
        let (desired, mut observed) = unrecorded(Goal::Present);
        (observed.recorded, observed.sent) = (record::recorded(&object), None);
        (observed.pair, observed.done.import_refused) = (seen, true);
        observed.done.import = failure.is_none().then_some(Imported::NameTaken);
        observed.failure = failure.and_then(failed);
        let step = plan(&desired, &observed);
        let Step::Finish(verdict) = &step else { panic!("{sentence}: {step:?}") };
        let status = status::status(&object, &desired, &observed, verdict);
        let dates = status.import_intent.map(|intent| intent.date);
        assert_eq!(dates, is_kept.then_some(None), "{sentence}");
    }
}

/// The next process would not know that nothing was sent.
#[test]
fn i12_an_intent_ends_under_which_nothing_was_sent() {
    let rival = || vec![rival("a", None)];
    for (sentence, replaced, sent, expected) in [
        ("another object comes first", None, None, None),
        ("what pair was there before is kept", Some("arn:own"), None, Some(None)),
        ("it may have been sent", None, sent("2026-11-24T12:00:30Z", false),
         Some(Some(NOW.to_owned()))),
        ("in the end it came to nothing: another pair has the name", None, sent(NOW, false), None),
    ] {
        let object = with_intent(replaced);
        let (desired, mut observed) = unrecorded(Goal::Present);
        (observed.recorded, observed.sent) = (record::recorded(&object), sent);
        (observed.pair, observed.rivals) = (live(Some(pair(SECOND))), rival());
        let step = plan(&desired, &observed);
        let Step::Finish(verdict) = &step else { panic!("{sentence}: {step:?}") };
        let status = status::status(&object, &desired, &observed, verdict);
        assert_eq!(status.import_intent.map(|intent| intent.date), expected, "{sentence}");
    }
}

#[test]
fn i12_an_intent_outlives_a_tag_that_somebody_sets_on_the_pair_that_it_made() {
    for (sentence, listed, is_kept) in [
        ("its key", pair(FIRST), true),
        ("a fingerprint that tells nothing", of_no_known_form(pair(FIRST)), true),
        ("another key", pair(SECOND), false),
    ] {
        let object = with_intent(None);
        let (desired, mut observed) = unrecorded(Goal::Present);
        (observed.recorded, observed.sent) = (record::recorded(&object), sent(NOW, false));
        observed.pair = live(Some(tagged(listed, "other/team-z/fleet")));
        let step = plan(&desired, &observed);
        let Step::Finish(verdict) = &step else { panic!("{sentence}: {step:?}") };
        assert_eq!(verdict.reason, Reason::NameConflict, "{sentence}");
        let status = status::status(&object, &desired, &observed, verdict);
        assert_eq!(status.import_intent.is_some(), is_kept, "{sentence}");
    }
}

/// The key that was to replace that of a pair which was not gone is not the pair's.
#[test]
fn a_pair_that_is_shown_again_is_recorded_without_the_key_of_the_intent() {
    let former = tagged(pair(SECOND), OWNER);
    let mut object = with_intent(Some("arn:own"));
    let intent = object.status.as_mut().unwrap().import_intent.as_mut().unwrap();
    intent.replaced_created_at.clone_from(&former.created_at);
    intent.replaced_origin = Some(Origin::Imported);
    let (mut desired, mut observed) = unrecorded(Goal::Present);
    desired.pair = DesiredPair::Imported {
        key: ImportedKey::Inline(PublicKey::parse(FIRST)),
        replace: ReplacePolicy::Recreate,
    };
    observed.recorded = record::recorded(&object);
    (observed.pair, observed.sent) = (live(Some(former)), None);
    let step = plan(&desired, &observed);
    let Step::Finish(verdict) = &step else { panic!("{step:?}") };
    object.status = Some(status::status(&object, &desired, &observed, verdict));
    let status = object.status.clone().unwrap();
    assert_eq!((status.arn.as_deref(), status.origin), (Some("arn:own"), Some(Origin::Imported)));
    assert_eq!((status.public_key_sha256, status.import_intent), (None, None));
    observed.recorded = record::recorded(&object);
    assert!(matches!(plan(&desired, &observed), Step::Delete { .. }));
    desired.pair = with_key(SECOND);
    assert!(own_pair(&desired, &observed).is_some());
    let step = plan(&desired, &observed);
    assert!(matches!(&step, Step::Finish(it) if it.reason == Reason::Imported), "{step:?}");
}

/// The key was imported just now.
fn imported_just_now() -> (Desired, Observed) {
    let (desired, mut observed) = unrecorded(Goal::Present);
    let over = Operation { status: Some("Succeeded".to_owned()), ..Operation::default() };
    (observed.recorded.intent, observed.pair) = (intent(FIRST), None);
    observed.sent = sent("2026-11-24T12:00:30Z", true);
    observed.done.import = Some(Imported::Accepted(over));
    observed.done.import_answered = Some(time(NOW));
    (desired, observed)
}

#[test]
fn a_pair_is_tagged_by_its_name_only_as_the_very_next_call() {
    check(imported_just_now, &[
        ("just now", |_, _| {}, "TagByName"),
        ("not long ago", |_, o| o.now = time("2026-11-24T12:00:05Z"), "TagByName"),
        ("too long ago: it is read first", |_, o| o.now = time("2026-11-24T12:00:06Z"),
         "Read pair live"),
        ("once", |_, o| o.done.tagged_by_name = true, "Read pair live"),
        ("not what failed", |_, o| {
            let failed = Operation { status: Some("Failed".to_owned()), ..Operation::default() };
            o.done.import = Some(Imported::Accepted(failed));
        }, "Read pair live"),
        ("then it is read: its own, alone", |_, o| {
            (o.done.tagged_by_name, o.crowd.is_named) = (true, true);
        }, "Read pair live"),
        ("or a list that is there", |_, o| {
            (o.done.tagged_by_name, o.crowd.is_named, o.crowd.is_listed) = (true, true, true);
        }, "Read pair"),
        ("or a list that will be there", |_, o| {
            (o.done.tagged_by_name, o.crowd.is_named) = (true, true);
            o.crowd.all.coming = 100;
            o.crowd.own = crate::key_pair::crowd::CrowdCounts {
                quiet_for: Some(Duration::ZERO), still_for: Some(Duration::ZERO),
                ..o.crowd.all };
        }, "Pause InProgress"),
        ("but not if somebody asked for a reconciliation now", |_, o| {
            (o.done.tagged_by_name, o.crowd.is_named, o.asked) = (true, true, true);
            o.crowd.all.coming = 100;
            o.crowd.own = crate::key_pair::crowd::CrowdCounts {
                quiet_for: Some(Duration::ZERO), still_for: Some(Duration::ZERO),
                ..o.crowd.all };
        }, "Read pair live"),
    ]);
}

#[test]
fn a_tag_that_stands_on_another_pair_than_the_imported_is_taken_off() {
    let named = || {
        let (desired, mut observed) = imported_just_now();
        (observed.done, observed.crowd.is_named) = (Done::default(), true);
        observed.pair = live(Some(tagged(pair(SECOND), OWNER)));
        (desired, observed)
    };
    check(named, &[
        ("another key", |_, _| {}, "RemoveTags"),
        ("as a list shows it: it is read first",
         |_, o| o.pair = cached(Some(tagged(pair(SECOND), OWNER))), "Read pair live"),
        ("its tag is off", |_, o| o.pair = live(Some(pair(SECOND))), "Stalled NameConflict"),
        ("another owner has tagged it since",
         |_, o| o.pair = live(Some(tagged(pair(SECOND), "c/n/o"))), "Stalled NameConflict"),
        ("after a restart: it was made after the intent", |_, o| o.crowd.is_named = false,
         "RemoveTags"),
        ("or in its second", |_, o| {
            o.crowd.is_named = false;
            let created_at = Some("2026-11-24T11:59:59Z".to_owned());
            o.pair = live(Some(KeyPair { created_at, ..tagged(pair(SECOND), OWNER) }));
        }, "RemoveTags"),
        ("or before it", |_, o| {
            o.crowd.is_named = false;
            o.pair = live(Some(older(tagged(pair(SECOND), OWNER))));
        }, "Stalled NameConflict"),
        ("which this process has named all the same",
         |_, o| o.pair = live(Some(older(tagged(pair(SECOND), OWNER)))), "RemoveTags"),
        ("after a restart, where every import was refused",
         |_, o| (o.crowd.is_named, o.sent) = (false, None), "Stalled NameConflict"),
        ("the imported one", |_, o| o.pair = live(Some(tagged(pair(FIRST), OWNER))),
         "Ready Imported"),
        ("as a list shows it", |_, o| o.pair = cached(Some(tagged(pair(FIRST), OWNER))),
         "Ready Imported"),
        ("without its tag", |_, o| o.pair = live(Some(pair(FIRST))), "Tag"),
        ("as a list shows it: another owner may have tagged it since",
         |_, o| o.pair = cached(Some(pair(FIRST))), "Read pair live"),
        ("no pair is wanted any more", |d, _| d.goal = Goal::Absent, "RemoveTags"),
        ("and its tag is off", |d, o| {
            (d.goal, o.pair) = (Goal::Absent, live(Some(pair(SECOND))));
        }, "Stalled FingerprintMismatch"),
        ("the object is being deleted: its import may still take effect",
         |d, _| d.goal = Goal::ObjectDeleted, "Reconciling InProgress"),
    ]);
}

#[test]
fn a_pair_that_the_object_made_is_not_said_to_have_been_there_before() {
    let (mut desired, mut observed) = (desired(), observed());
    desired.pair = with_key(SECOND);
    (observed.has_finalizer, observed.recorded.intent) = (true, intent(FIRST));
    observed.pair = live(Some(tagged(pair(FIRST), OWNER)));
    let said = |desired: &Desired, observed: &Observed| {
        let Step::Finish(verdict) = plan(desired, observed) else { panic!("it is refused") };
        verdict.message
    };
    assert!(!said(&desired, &observed).contains("existed before this object"));
    observed.recorded = recorded(&pair(FIRST), Origin::Adopted);
    assert!(said(&desired, &observed).contains("existed before this object"));
}
