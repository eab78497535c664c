//! What an account allows: adoption, takeovers, so many key pairs, and the default pair.

use super::*;
use crate::api::Reason;

/// The object has adopted the pair.
fn adopted(desired: &mut Desired, observed: &mut Observed) {
    retain(desired, observed);
    unchanged(observed);
    observed.recorded.origin = Some(Origin::Adopted);
}

/// A pair with this key is there, and so is the finalizer.
fn there() -> (Desired, Observed) {
    let (desired, mut observed) = with_account();
    observed.pair = live(Some(pair(FIRST)));
    observed.has_finalizer = true;
    observed.recorded.intent = None;
    observed.sent = None;
    (desired, observed)
}

#[test]
fn a_pair_that_was_there_stays_as_it_is_unless_the_account_says_otherwise() {
    check(there, &[
        ("it is adopted", |_, _| {}, "RecordAdoption"),
        ("under Retain too", retain, "RecordAdoption"),
        ("not under Never", never, "Stalled NameConflict"),
        ("one that is marked as the object's own is not adopted by it",
         |d, o| { never(d, o); o.pair = live(Some(tagged(pair(FIRST), OWNER))); },
         "RecordAdoption"),
        ("it gets no other tags under Retain",
         |d, o| { adopted(d, o); d.tags = tags(&[("team", "a")]); }, "Ready Adopted"),
        ("and loses none", |d, o| {
            adopted(d, o);
            o.recorded.managed_tag_keys = vec!["team".to_owned()];
            let mut pair = tagged(pair(FIRST), OWNER);
            pair.tags.insert("team".to_owned(), Some("b".to_owned()));
            o.pair = live(Some(pair));
        }, "Ready Adopted"),
        ("it does not go with its object, whatever the policy says", |d, o| {
            adopted(d, o);
            d.goal = Goal::ObjectDeleted;
            d.deletion_policy = Some(DeletionPolicy::Delete);
        }, "ReadForRelease"),
        ("nor by ensure: Absent",
         |d, o| { adopted(d, o); d.goal = Goal::Absent; }, "Stalled AccountNotAllowed"),
        ("nor by its fingerprint", |d, o| {
            retain(d, o);
            d.goal = Goal::Absent;
            d.expected_fingerprint = pair(FIRST).fingerprint;
        }, "Stalled AccountNotAllowed"),
        ("nor by both, if the status was lost", |d, o| {
            retain(d, o);
            o.pair = live(Some(tagged(pair(FIRST), OWNER)));
            d.goal = Goal::Absent;
            d.expected_fingerprint = pair(FIRST).fingerprint;
        }, "Stalled AccountNotAllowed"),
        ("nor if nothing tells whether the object's import made it", |d, o| {
            retain(d, o);
            (o.recorded.intent, o.sent) = (intent(FIRST), sent(NOW, false));
            let fingerprint = Some("of a new form".into());
            o.pair = live(Some(KeyPair { fingerprint: fingerprint.clone(), ..pair(FIRST) }));
            (d.goal, d.expected_fingerprint) = (Goal::Absent, fingerprint);
        }, "Stalled AccountNotAllowed"),
        ("a fingerprint that is missing is asked for", |d, o| {
            retain(d, o);
            d.goal = Goal::Absent;
        }, "Stalled FingerprintMismatch"),
        ("which is enough under Full", |d, _| {
            d.goal = Goal::Absent;
            d.expected_fingerprint = pair(FIRST).fingerprint;
        }, "Delete with fingerprint"),
        ("nor by an owner tag, if the status was lost", |d, o| {
            retain(d, o);
            o.pair = live(Some(tagged(pair(FIRST), OWNER)));
            d.goal = Goal::ObjectDeleted;
            d.deletion_policy = Some(DeletionPolicy::Delete);
        }, "Stalled AccountNotAllowed"),
        ("one that the object imported does", |d, o| {
            retain(d, o);
            unchanged(o);
            d.goal = Goal::ObjectDeleted;
        }, "Delete"),
    ]);
}

#[test]
fn what_the_account_keeps_is_not_said_to_need_what_the_spec_has() {
    for (goal, advice, no_advice) in [
        (Goal::Absent, "set ensure: Present", "set expectedFingerprint"),
        (Goal::ObjectDeleted, "set deletionPolicy: Retain", "with Delete, the operator deletes"),
    ] {
        let (mut desired, mut observed) = there();
        retain(&mut desired, &mut observed);
        observed.pair = live(Some(tagged(pair(FIRST), OWNER)));
        (desired.goal, desired.deletion_policy) = (goal, Some(DeletionPolicy::Delete));
        desired.expected_fingerprint = pair(FIRST).fingerprint;
        let Step::Finish(verdict) = plan(&desired, &observed) else { panic!() };
        assert!(verdict.message.contains(advice), "{}", verdict.message);
        assert!(!verdict.message.contains(no_advice), "{}", verdict.message);
    }
}

/// Takes over the pair of this owner, where that is allowed from `old`.
fn takes_over(desired: &mut Desired, observed: &mut Observed, owner: &str) {
    let allowed = json!({ "takeOver": "OtherClusters", "takeOverFrom": ["old", "cluster"] });
    uses(desired, observed, &allowed);
    desired.adoption = AdoptionPolicy::TakeOver;
    observed.pair = live(Some(tagged(pair(FIRST), owner)));
}

#[test]
fn pairs_of_the_clusters_that_are_listed_are_taken_over_and_no_others() {
    check(there, &[
        ("of a listed one", |d, o| takes_over(d, o, "old/team-a/fleet"), "RecordAdoption"),
        ("of another one", |d, o| takes_over(d, o, "other/team-a/fleet"), "Stalled NameConflict"),
        ("of one that begins alike", |d, o| takes_over(d, o, "older/team-a/fleet"),
         "Stalled NameConflict"),
        ("of a neighbor in this cluster, though it is listed",
         |d, o| takes_over(d, o, "cluster/team-b/fleet"), "Stalled NameConflict"),
        ("with another key", |d, o| {
            takes_over(d, o, "old/team-a/fleet");
            o.pair = live(Some(tagged(pair(SECOND), "old/team-a/fleet")));
        }, "Stalled NameConflict"),
        ("an owner tag in another spelling is somebody's", |_, o| {
            let mut pair = pair(FIRST);
            pair.tags.insert(OWNER_TAG.to_uppercase(), Some(OWNER.to_owned()));
            o.pair = live(Some(pair));
        }, "Stalled NameConflict"),
        ("also beside the tag of one that is listed", |d, o| {
            takes_over(d, o, "old/team-a/fleet");
            let mut pair = tagged(pair(FIRST), "old/team-a/fleet");
            pair.tags.insert(OWNER_TAG.to_uppercase(), Some(OWNER.to_owned()));
            o.pair = live(Some(pair));
        }, "Stalled NameConflict"),
        ("also on a pair of one's own", |_, o| {
            unchanged(o);
            let mut pair = tagged(pair(FIRST), OWNER);
            pair.tags.insert(OWNER_TAG.to_uppercase(), Some("x".to_owned()));
            o.pair = live(Some(pair));
        }, "Stalled OwnershipLost"),
    ]);
}

/// No pair is there, and its namespace may have two.
fn limited() -> (Desired, Observed) {
    let (mut desired, mut observed) = there();
    uses(&mut desired, &mut observed, &json!({ "maxKeyPairs": 2 }));
    observed.pair = live(None);
    (desired, observed)
}

#[test]
fn a_namespace_has_so_many_key_pairs() {
    check(limited, &[
        ("they are counted", |_, _| {}, "CountKeyPairs"),
        ("I14: not before another list may be read",
         |_, o| o.counts_at = Some(time("2026-11-24T12:00:30Z")), "Reconciling InProgress"),
        ("nor does it say so, where it shows that there was no room", |_, o| {
            o.counts_at = Some(time("2026-11-24T12:00:30Z"));
            o.stalled_for = Some(Reason::AccountNotAllowed);
        }, "Pause InProgress"),
        ("then they are", |_, o| o.counts_at = Some(time(NOW)), "CountKeyPairs"),
        ("a pair that is there counts when it is adopted", |_, o| {
            o.pair = live(Some(pair(FIRST)));
            o.owned = Some(2);
        }, "Stalled AccountNotAllowed"),
        ("also if that is on record, and did not count meanwhile", |_, o| {
            o.pair = live(Some(pair(FIRST)));
            (o.recorded.origin, o.owned) = (Some(Origin::Adopted), Some(2));
        }, "Stalled AccountNotAllowed"),
        ("if there is room, it goes on", |_, o| {
            o.pair = live(Some(pair(FIRST)));
            (o.recorded.origin, o.owned) = (Some(Origin::Adopted), Some(1));
        }, "Tag"),
        ("one is left", |_, o| o.owned = Some(1), "WriteIntent"),
        ("none is left", |_, o| o.owned = Some(2), "Stalled AccountNotAllowed"),
        ("there is no limit", |d, o| uses(d, o, &json!({})), "WriteIntent"),
        ("a pair that is released still counts", |d, o| {
            unchanged(o);
            d.goal = Goal::ObjectDeleted;
            d.deletion_policy = Some(DeletionPolicy::Retain);
        }, "Remove finalizer Released"),
        ("without a limit its tag is taken off", |d, o| {
            uses(d, o, &json!({}));
            unchanged(o);
            d.goal = Goal::ObjectDeleted;
            d.deletion_policy = Some(DeletionPolicy::Retain);
        }, "ReadForRelease"),
    ]);
}

#[test]
fn an_object_that_has_its_place_does_not_wait_for_another_list() {
    let has_pair = recorded(&pair(FIRST), Origin::Imported);
    let has_intent = Recorded { intent: intent(FIRST), ..Recorded::default() };
    let adopts = Recorded { origin: Some(Origin::Adopted), ..Recorded::default() };
    for (sentence, recorded, is_within, expected) in [
        ("it replaces its pair", &has_pair, true, true),
        ("which is deleted", &has_intent, true, true),
        ("it adopts one", &adopts, true, true),
        ("it is new", &Recorded::default(), true, false),
        ("a pair that was never counted", &has_pair, false, false),
    ] {
        assert_eq!(has_its_place(recorded, is_within), expected, "{sentence}");
    }
}

#[test]
fn an_object_stays_in_line_until_it_knows_that_it_waits_for_something_else() {
    for (sentence, owned, state, expected) in [
        ("there is no room", Some(2), State::Stalled, true),
        ("it has yet to count", None, State::Reconciling, true),
        ("its name is taken", None, State::Stalled, false),
        ("it is suspended", None, State::Suspended, false),
        ("its account has no limit any more", None, State::Ready, false),
        ("there is room", Some(1), State::Stalled, false),
    ] {
        let (desired, observed) = limited();
        let observed = Observed { owned, ..observed };
        assert_eq!(stays_in_line(&desired, &observed, state), expected, "{sentence}");
    }
}

fn of_type_default(desired: &mut Desired, create_if_missing: bool) {
    desired.name = KeyPairName::DEFAULT.into();
    desired.pair = DesiredPair::Default {
        create_if_missing,
        secret: kept(),
        backup: Backup::Required,
        windows_passwords_saved: false,
    };
}

/// The default pair should not be there, where its namespace may do this with it.
fn deletes_default(desired: &mut Desired, observed: &mut Observed, create_if_missing: bool,
    backup: Backup, actions: &[&str]) {
    of_type_default(desired, create_if_missing);
    desired.pair = DesiredPair::Default { create_if_missing, secret: kept(), backup,
        windows_passwords_saved: false };
    desired.goal = Goal::Absent;
    let grant = json!({ "namespace": "team-a", "actions": actions });
    uses(desired, observed, &json!({ "defaultKeyPair": grant }));
}

#[test]
fn the_default_key_pair_is_granted_by_itself() {
    check(with_account, &[
        ("its download", |d, _| of_type_default(d, false), "Read pair"),
        ("its creation", |d, _| of_type_default(d, true), "Stalled AccountNotAllowed"),
        ("its deletion", |d, _| { of_type_default(d, false); d.goal = Goal::Absent; },
         "Stalled AccountNotAllowed"),
        ("to another namespace", |d, o| {
            of_type_default(d, false);
            let grant = json!({ "namespace": "ops", "actions": ["Download"] });
            uses(d, o, &json!({ "defaultKeyPair": grant }));
        }, "Stalled AccountNotAllowed"),
        ("nothing is created for a deletion",
         |d, o| deletes_default(d, o, true, Backup::Required, &["Delete", "Download"]),
         "Read pair live"),
        ("without a backup, nothing is downloaded either",
         |d, o| deletes_default(d, o, false, Backup::Skip, &["Delete"]), "Read pair live"),
        ("with one, it is",
         |d, o| deletes_default(d, o, false, Backup::Required, &["Delete"]),
         "Stalled AccountNotAllowed"),
        ("a deletion is not granted by the rest",
         |d, o| deletes_default(d, o, true, Backup::Skip, &["Download", "Create"]),
         "Stalled AccountNotAllowed"),
        ("a release needs neither", |d, o| {
            deletes_default(d, o, false, Backup::Skip, &["Delete"]);
            (d.goal, o.has_finalizer, o.secret) =
                (Goal::ObjectDeleted, true, Lookup::Absent);
        }, "Remove finalizer Released"),
    ]);
}

#[test]
fn i11_an_account_of_others_is_released_from_like_one_that_does_not_exist() {
    let released = |change: fn(&mut Desired, &mut Observed)| {
        let (mut desired, mut observed) = with_account();
        deletes_default(&mut desired, &mut observed, false, Backup::Skip, &["Delete"]);
        (desired.goal, observed.has_finalizer) = (Goal::ObjectDeleted, true);
        observed.secret = Lookup::Absent;
        change(&mut desired, &mut observed);
        let Step::RemoveFinalizer { message, .. } = plan(&desired, &observed) else { panic!() };
        message
    };
    let others = released(|d, _| d.owner = "cluster/team-b/fleet".into());
    assert_eq!(others, released(|_, o| o.grant = Grant::Missing("production".into())));
    assert_ne!(others, released(|_, _| {}), "who may use it hears more");
}
