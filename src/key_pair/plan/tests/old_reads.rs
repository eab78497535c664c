//! The rows of reads that show a pair which is gone (I13).

use super::intent::unrecorded;
use super::*;
use crate::api::Reason;
use crate::key_pair::record::Replaced;
use crate::key_pair::world::DeletedPair;

/// An object is deleted and created again, and Lightsail still shows the pair of the first one.
#[test]
fn i13_a_read_that_shows_a_pair_that_was_just_deleted_is_an_old_one() {
    fn base() -> (Desired, Observed) {
        let (desired, mut observed) = unrecorded(Goal::Present);
        let until = time("2026-11-24T12:00:30Z");
        observed.deleted = Some(DeletedPair { pair: DeletedPair::digest(&pair(FIRST)), until });
        observed.pair = live(Some(tagged(pair(FIRST), OWNER)));
        (desired, observed)
    }
    check(base, &[
        ("it is not adopted", |_, _| {}, "Reconciling InProgress"),
        ("no conflict is concluded from it",
         |_, o| o.pair = live(Some(pair(SECOND))), "Reconciling InProgress"),
        ("nor is it what was imported since", |_, o| {
            (o.recorded.intent, o.sent) = (intent(FIRST), sent("2026-11-24T12:01:00Z", true));
        }, "Reconciling InProgress"),
        ("nor is it missed at a deletion", |d, _| d.goal = Goal::ObjectDeleted,
         "Reconciling InProgress"),
        ("a list is no better",
         |_, o| o.pair = cached(Some(tagged(pair(FIRST), OWNER))), "Read pair live"),
        ("another one is as it seems", |_, o| {
            let arn = "arn:new".into();
            o.pair = live(Some(KeyPair { arn, ..tagged(pair(FIRST), OWNER) }));
        }, "RecordAdoption"),
        ("in the end its deletion did not take effect",
         |_, o| o.now = time("2026-11-24T12:00:30Z"), "RecordAdoption"),
        ("I1: an object that has deleted it itself does not do that again", |d, o| {
            d.goal = Goal::Absent;
            o.recorded = recorded(&pair(FIRST), Origin::Imported);
        }, "Reconciling InProgress"),
        ("one that was made since, and has the same ARN, is another one", |d, o| {
            d.goal = Goal::Absent;
            let created_at = Some("2026-11-24T12:00:05Z".to_owned());
            let again = KeyPair { created_at, ..tagged(pair(FIRST), OWNER) };
            (o.recorded, o.pair) = (recorded(&again, Origin::Imported), live(Some(again)));
        }, "Delete"),
    ]);
    let (desired, observed) = base();
    let intent = Observed { sent: sent("2026-11-24T12:01:00Z", true), ..observed };
    let recorded = Recorded { intent: super::intent(FIRST), ..Recorded::default() };
    assert_eq!(own_pair(&desired, &Observed { recorded, ..intent }), None, "it is not recorded");
}

/// As above, and the process that deleted the first one is gone.
#[test]
fn i13_a_read_that_shows_a_pair_from_before_the_import_is_an_old_one() {
    fn base() -> (Desired, Observed) {
        let (desired, mut observed) = unrecorded(Goal::Present);
        observed.recorded.intent =
            intent(FIRST).map(|it| Intent { date: Some(time("2026-11-24T11:59:50Z")), ..it });
        observed.recorded.imported_at = Some(time("2026-11-24T11:59:52Z"));
        observed.sent = sent("2026-11-24T12:01:00Z", true);
        let created_at = Some("2026-11-24T11:59:00Z".to_owned());
        observed.pair = live(Some(KeyPair { created_at, ..tagged(pair(FIRST), OWNER) }));
        (desired, observed)
    }
    check(base, &[
        ("it is not recorded", |_, _| {}, "Reconciling InProgress"),
        ("no conflict is concluded from it", |_, o| {
            let created_at = Some("2026-11-24T11:59:00Z".to_owned());
            o.pair = live(Some(KeyPair { created_at, ..pair(SECOND) }));
        }, "Reconciling InProgress"),
        ("nor is it missed at a deletion", |d, _| d.goal = Goal::ObjectDeleted,
         "Reconciling InProgress"),
        ("one of its second is that of the import, whatever Lightsail's date is", |_, o| {
            let created_at = Some("2026-11-24T11:59:52Z".to_owned());
            o.recorded.intent = intent(FIRST).map(|it| Intent { date: Some(time(NOW)), ..it });
            o.pair = live(Some(KeyPair { created_at, ..pair(FIRST) }));
        }, "Tag"),
        ("nothing is older than an import that was refused", |_, o| o.sent = None,
         "RecordAdoption"),
    ]);
    let (desired, observed) = base();
    assert_eq!(own_pair(&desired, &observed), None, "it is not recorded");
    let (mut desired, mut observed) = base();
    (observed.now, desired.adoption) = (time("2026-11-24T12:02:00Z"), AdoptionPolicy::Never);
    observed.pair = live(Some(pair(SECOND))).map(|read| PairRead { at: observed.now, ..read });
    let Step::Finish(verdict) = plan(&desired, &observed) else { panic!("it is another's") };
    assert_eq!((verdict.reason, verdict.next),
        (Reason::NameConflict, Next::BackoffWithin(desired.interval)), "it may still appear");
}

/// As above, and the status of an object without a pair tells that it has deleted one.
#[test]
fn i13_a_read_that_shows_a_pair_from_before_the_deletion_on_record_is_an_old_one() {
    fn base() -> (Desired, Observed) {
        let (desired, mut observed) = unrecorded(Goal::Absent);
        observed.timing.settle_time = Duration::from_mins(1);
        observed.recorded.deleted_at = Some(time("2026-11-24T11:59:30Z"));
        let created_at = Some("2026-11-24T11:59:00Z".to_owned());
        observed.pair = live(Some(KeyPair { created_at, ..tagged(pair(FIRST), OWNER) }));
        (desired, observed)
    }
    fn made_since(observed: &mut Observed) {
        let pair = observed.pair.as_mut().unwrap().pair.as_mut().unwrap();
        pair.created_at = Some("2026-11-24T11:59:31Z".to_owned());
    }
    check(base, &[
        ("nothing is concluded from it", |_, _| {}, "Reconciling InProgress"),
        ("it is not adopted", |d, _| d.goal = Goal::Present, "Reconciling InProgress"),
        ("somebody else's may have been made since", |_, o| made_since(o),
         "Stalled FingerprintMismatch"),
        ("in the end its deletion did not take effect",
         |_, o| o.recorded.deleted_at = Some(time("2026-11-24T11:59:00Z")),
         "Stalled FingerprintMismatch"),
    ]);
}

fn replaced(arn: &str, created_at: Option<&str>) -> Replaced {
    let (arn, created_at) = (arn.into(), created_at.map(str::to_owned));
    Replaced { arn, created_at, origin: Some(Origin::Generated) }
}

fn replace(observed: &mut Observed, by: Replaced) {
    observed.recorded.intent.as_mut().unwrap().replaced = Some(by);
}

/// A Generated object that is being deleted.
fn generated(desired: &mut Desired, delete_with_object: bool) {
    let secret = SecretSpec { delete_with_object, ..kept() };
    desired.pair = DesiredPair::Generated { algorithm: KeyAlgorithm::Ed25519, secret,
        replace: ReplacePolicy::Never };
    desired.goal = Goal::ObjectDeleted;
}

/// A read shows the pair that was replaced, while an import may take effect.
fn replaced_pair() -> (Desired, Observed) {
    let mut observed = observed();
    observed.has_finalizer = true;
    let intent = intent(FIRST)
        .map(|intent| Intent { replaced: Some(replaced("arn:own", None)), ..intent });
    observed.recorded = Recorded { intent, ..Recorded::default() };
    observed.sent = sent("2026-11-24T12:01:00Z", false);
    observed.pair = live(Some(tagged(pair(SECOND), OWNER)));
    (desired(), observed)
}

/// After a replacement, or when a pair was deleted outside, Lightsail may still show the old one.
#[test]
fn i13_a_read_that_shows_the_pair_that_was_replaced_is_an_old_one() {
    check(replaced_pair, &[
        ("no conflict is concluded from it", |_, _| {}, "Reconciling InProgress"),
        ("nor is it adopted, if it has the same key",
         |_, o| o.pair = live(Some(tagged(pair(FIRST), OWNER))), "Reconciling InProgress"),
        ("nor when the import was accepted just now", |_, o| {
            o.sent = sent("2026-11-24T12:01:00Z", true);
            o.pair = live(Some(tagged(pair(FIRST), OWNER)));
        }, "Reconciling InProgress"),
        ("a list is no better",
         |_, o| o.pair = cached(Some(tagged(pair(SECOND), OWNER))), "Read pair live"),
        ("I1: at deletion nothing is deleted or released by it",
         |d, _| d.goal = Goal::ObjectDeleted, "Reconciling InProgress"),
        ("the new one is own",
         |_, o| o.pair = live(Some(KeyPair { arn: "arn:new".into(), ..pair(FIRST) })), "Tag"),
        ("also where ARNs are made of names", |_, o| {
            replace(o, replaced("arn:own", Some("2026-11-24T11:00:00Z")));
            o.pair = live(Some(tagged(pair(FIRST), OWNER)));
        }, "Ready Imported"),
        ("but not the old one", |_, o| {
            let pair = tagged(pair(FIRST), OWNER);
            replace(o, replaced("arn:own", pair.created_at.as_deref()));
            o.pair = live(Some(pair));
        }, "Reconciling InProgress"),
        ("I1: at deletion, one that was adopted and is there after all stays", |d, o| {
            d.goal = Goal::ObjectDeleted;
            replace(o, Replaced { origin: Some(Origin::Adopted), ..replaced("arn:own", None) });
            (o.sent, o.pair) = (None, live(Some(tagged(pair(FIRST), OWNER))));
            o.done.read_for_release = Some(Ok(None));
        }, "Remove finalizer Released"),
        ("one that was made for the object goes", |d, o| {
            d.goal = Goal::ObjectDeleted;
            (o.sent, o.pair) = (None, live(Some(tagged(pair(FIRST), OWNER))));
        }, "Delete"),
        ("whose key is compared too, if a Secret has it", |d, o| {
            generated(d, false);
            (o.sent, o.pair) = (None, live(Some(tagged(pair(FIRST), OWNER))));
        }, "ReadSecret"),
        ("I3: the Secret of one that stays, stays", |d, o| {
            generated(d, true);
            let key = private_key();
            let fingerprint = Some(key.public().sha256().into());
            replace(o, Replaced { origin: Some(Origin::Adopted), ..replaced("arn:own", None) });
            let pair = KeyPair { fingerprint, ..tagged(pair(FIRST), OWNER) };
            (o.sent, o.pair, o.secret) = (None, live(Some(pair)), Lookup::Found(owned(&key)));
        }, "DisownSecret"),
        ("when no import can take effect any more it is somebody's",
         |_, o| o.sent = sent(NOW, false), "Stalled NameConflict"),
        ("or if every import was refused", |_, o| o.sent = None, "Stalled NameConflict"),
        ("but not while a read may show what was deleted for this import", |_, o| {
            (o.sent, o.done.intent) = (None, Some(time(NOW)));
            o.done.delete = Some(Operation { id: Some("a".to_owned()), ..Operation::default() });
            let until = time("2026-11-24T12:00:30Z");
            o.deleted = Some(DeletedPair { pair: DeletedPair::digest(&pair(FIRST)), until });
        }, "Reconciling InProgress"),
        ("with the right key it was never gone", |_, o| {
            (o.sent, o.pair) = (None, live(Some(tagged(pair(FIRST), OWNER))));
        }, "Ready Imported"),
        ("nor if no import can take effect any more", |_, o| {
            (o.sent, o.pair) = (sent(NOW, false), live(Some(tagged(pair(FIRST), OWNER))));
        }, "Ready Imported"),
        ("but it may still go, if its deletion was not answered", |_, o| {
            (o.sent, o.pair) = (None, live(Some(tagged(pair(FIRST), OWNER))));
            o.deletion_may_follow = Some(time("2026-11-24T12:00:30Z"));
        }, "Reconciling InProgress"),
        ("a list does not tell that", |_, o| {
            (o.sent, o.pair) = (None, cached(Some(tagged(pair(FIRST), OWNER))));
        }, "Read pair live"),
        ("unless another owner has tagged it since", |_, o| {
            o.sent = None;
            o.pair = live(Some(tagged(pair(FIRST), "other/team-a/fleet")));
        }, "Stalled NameConflict"),
    ]);
    let (desired, observed) = replaced_pair();
    let seen = Observed { sent: None, pair: live(Some(pair(FIRST))), ..observed };
    assert_eq!(own_pair(&desired, &seen), Some((pair(FIRST), Origin::Generated)), "as it was");
    let early = Observed { sent: sent("2026-11-24T12:01:00Z", false), ..seen };
    assert_eq!(own_pair(&desired, &early), None, "that read may be an old one");
    let pause = |accepted| {
        let (desired, mut observed) = replaced_pair();
        observed.sent = sent("2026-11-24T12:01:00Z", accepted);
        let Step::Finish(verdict) = plan(&desired, &observed) else { panic!("it goes on") };
        assert!(own_pair(&desired, &observed).is_none(), "it is not recorded");
        verdict.next
    };
    assert_eq!(pause(false), Next::Meanwhile(Duration::from_secs(15)));
    assert_eq!(pause(true), Next::After(Duration::from_millis(200)));
}

/// The key was changed, and a server did not know the pair when it was looked for.
fn from_source() -> DesiredPair {
    let at = SourceRef { kind: SourceKind::ConfigMap, name: "keys".to_owned(),
        key: "fleet".to_owned() };
    DesiredPair::Imported { key: ImportedKey::From(at), replace: ReplacePolicy::Never }
}

#[test]
fn i1_a_pair_with_another_key_is_shown_again_only_by_all_that_is_recorded_of_it() {
    fn base() -> (Desired, Observed) {
        let (mut desired, mut observed) = replaced_pair();
        desired.pair = DesiredPair::Imported { key: ImportedKey::Inline(PublicKey::parse(FIRST)),
            replace: ReplacePolicy::Recreate };
        let former = tagged(pair(SECOND), OWNER);
        replace(&mut observed, replaced("arn:own", former.created_at.as_deref()));
        (observed.sent, observed.pair) = (None, live(Some(former)));
        (desired, observed)
    }
    check(base, &[
        ("it is replaced once it is on record", |_, _| {}, "Reconciling InProgress"),
        ("also if no import can take effect any more", |_, o| o.sent = sent(NOW, false),
         "Reconciling InProgress"),
        ("it goes with the object", |d, _| d.goal = Goal::ObjectDeleted, "Delete"),
        ("a key that stands elsewhere is read before", |d, _| {
            (d.pair, d.goal) = (from_source(), Goal::ObjectDeleted);
        }, "ReadSource"),
        ("it goes with the object where its key is not there any more", |d, o| {
            (d.pair, d.goal) = (from_source(), Goal::ObjectDeleted);
            o.source = Some(PublicKeySource::Missing { since: time(NOW), has_object: false });
        }, "Delete"),
        ("or the spec has none", |d, _| {
            d.pair = DesiredPair::Imported { key: ImportedKey::Absent,
                replace: ReplacePolicy::Never };
            d.goal = Goal::Absent;
        }, "Delete"),
        ("or its Secret is gone", |d, o| {
            d.pair = DesiredPair::Generated { algorithm: KeyAlgorithm::Ed25519, secret: kept(),
                replace: ReplacePolicy::Never };
            (d.goal, o.secret) = (Goal::ObjectDeleted, Lookup::Absent);
        }, "Delete"),
        ("an adopted one only with its key", |d, o| {
            (d.pair, d.goal) = (from_source(), Goal::ObjectDeleted);
            d.deletion_policy = Some(DeletionPolicy::Delete);
            o.source = Some(PublicKeySource::Missing { since: time(NOW), has_object: false });
            let by = replaced("arn:own", pair(SECOND).created_at.as_deref());
            replace(o, Replaced { origin: Some(Origin::Adopted), ..by });
        }, "Stalled FingerprintMismatch"),
        ("not by its ARN alone", |_, o| replace(o, replaced("arn:own", None)),
         "Stalled NameConflict"),
        ("not with another time",
         |_, o| replace(o, replaced("arn:own", Some("2026-11-24T11:00:00Z"))),
         "Stalled NameConflict"),
        ("not without the tag", |_, o| o.pair = live(Some(pair(SECOND))), "Stalled NameConflict"),
        ("not if it was adopted", |_, o| {
            let by = replaced("arn:own", pair(SECOND).created_at.as_deref());
            replace(o, Replaced { origin: Some(Origin::Adopted), ..by });
        }, "Stalled NameConflict"),
        ("nor if no fingerprint tells that it has another key",
         |_, o| o.pair = live(Some(intent::of_no_known_form(tagged(pair(SECOND), OWNER)))),
         "Stalled NameConflict"),
    ]);
    let (desired, mut observed) = base();
    let shown = own_pair(&desired, &observed);
    assert_eq!(shown, Some((tagged(pair(SECOND), OWNER), Origin::Generated)));
    observed.sent = sent("2026-11-24T12:01:00Z", false);
    assert_eq!(own_pair(&desired, &observed), None, "that read may be an old one");
}
