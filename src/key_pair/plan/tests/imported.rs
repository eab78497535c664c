//! The rows of an imported pair: that it shall be there, that somebody else made it, and that it
//! shall go.

use super::*;

#[test]
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn an_imported_pair_that_should_be_there() {
    check(|| (desired(), observed()), &[
        ("nothing is called before the account is known", |_, o| o.account = None, "Identify"),
        ("a look may come from the shared list", |_, _| {}, "Read pair"),
        ("but not if somebody asked for a look now", |_, o| o.asked = true, "Read pair live"),
        ("the finalizer comes before the import", |_, o| o.pair = cached(None), "AddFinalizer"),
        ("I12: an import is on record before it is sent",
         |_, o| { o.pair = cached(None); o.finalizer = Finalizer::New; }, "WriteIntent"),
        ("then it is sent", |_, o| {
            (o.pair, o.finalizer) = (cached(None), Finalizer::New);
            (o.recorded.intent, o.sent) = (intent(FIRST), None);
            o.done.intent = Some(time(NOW));
        }, "Import"),
        ("a process that slept since the intent writes another one", |_, o| {
            (o.pair, o.finalizer) = (live(None), Finalizer::New);
            o.recorded.intent = intent(FIRST);
            o.done.intent = Some(time(NOW));
            (o.now, o.sent) = (time("2026-11-24T12:00:31Z"), None);
        }, "WriteIntent"),
        ("each import has its own intent", |_, o| {
            (o.pair, o.finalizer) = (live(None), Finalizer::Old);
            o.recorded.intent = intent(FIRST);
            o.sent = None;
        }, "WriteIntent"),
        ("an import that may have been sent before is waited for", |_, o| {
            (o.pair, o.finalizer) = (live(None), Finalizer::Old);
            o.recorded.intent = intent(SECOND);
            o.sent = sent("2026-11-24T12:00:30Z", false);
        }, "Reconciling InProgress"),
        ("a read from before it was over says nothing", |_, o| {
            (o.pair, o.finalizer) = (live(None), Finalizer::Old);
            o.recorded.intent = intent(SECOND);
            (o.now, o.sent) = (time("2026-11-24T12:00:09Z"), sent("2026-11-24T12:00:05Z", false));
        }, "Read pair live"),
        ("I1: nor does a list, which may be older than it says", |_, o| {
            (o.pair, o.finalizer) = (cached(None), Finalizer::Old);
            (o.recorded.intent, o.sent) = (intent(FIRST), sent(NOW, false));
        }, "Read pair live"),
        ("a list does if nothing was sent since the intent", |_, o| {
            (o.pair, o.finalizer) = (cached(None), Finalizer::Old);
            (o.recorded.intent, o.sent) = (intent(FIRST), None);
        }, "WriteIntent"),
        ("and then stated again", |_, o| {
            (o.pair, o.finalizer) = (live(None), Finalizer::Old);
            o.recorded.intent = intent(FIRST);
            o.sent = sent(NOW, false);
        }, "WriteIntent"),
        ("a private key is refused before any call", |d, o| {
            d.pair = inline(Err(InvalidPublicKey::Private));
            o.pair = cached(None);
        }, "Stalled InvalidPublicKey"),
        ("a name that cannot be is refused before any call", |d, o| {
            d.invalid_name = Some(InvalidName::Length("a".into()));
            o.account = None;
        }, "Stalled InvalidName"),
        ("an answered import that is not to be seen yet is waited for", |_, o| {
            o.finalizer = Finalizer::New;
            o.pair = live(None);
            o.done.import = Some(Imported::Accepted(Operation { status: Some("Started".to_owned()),
                ..Operation::default() }));
        }, "Reconciling InProgress"),
        ("an import that failed in Lightsail is said", |_, o| {
            o.pair = live(None);
            o.done.import = Some(Imported::Accepted(Operation { status: Some("Failed".to_owned()),
                ..Operation::default() }));
        }, "Stalled OperationFailed"),
        ("a name that another type of resource has is a conflict", |_, o| {
            o.finalizer = Finalizer::New;
            o.pair = live(None);
            o.done.import = Some(Imported::NameTaken);
        }, "Stalled NameConflict"),
        ("an imported pair is tagged", |_, o| {
            (o.finalizer, o.recorded.intent) = (Finalizer::New, intent(FIRST));
            o.pair = live(Some(pair(FIRST)));
            o.done.import = Some(Imported::Accepted(Operation::default()));
        }, "Tag"),
        ("an imported pair without a fingerprint is tagged too", |_, o| {
            (o.finalizer, o.recorded.intent) = (Finalizer::New, intent(FIRST));
            o.pair = live(Some(KeyPair { fingerprint: None, ..pair(FIRST) }));
            o.done.import = Some(Imported::Accepted(Operation::default()));
            o.sent = sent("2026-11-24T12:00:30Z", true);
        }, "Tag"),
        ("I1: a pair with another key that took the name after the import is not", |_, o| {
            (o.finalizer, o.recorded.intent) = (Finalizer::New, intent(FIRST));
            o.pair = live(Some(pair(SECOND)));
            o.done.import = Some(Imported::Accepted(Operation::default()));
        }, "Stalled NameConflict"),
        ("a settled pair is Ready", |_, o| unchanged(o), "Ready Imported"),
        ("an edited object does not wait until a list is read", |_, o| {
            unchanged(o);
            (o.pair, o.edited, o.list_at_hand) = (None, true, false);
        }, "Read pair live"),
        ("it takes the list that is there",
         |_, o| { unchanged(o); (o.pair, o.edited) = (None, true); }, "Read pair"),
        ("one that was not edited waits for the list",
         |_, o| { unchanged(o); (o.pair, o.list_at_hand) = (None, false); }, "Read pair"),
        ("so does one that has no pair yet",
         |_, o| (o.edited, o.list_at_hand) = (true, false), "Read pair"),
        ("a settled pair in the shared list is Ready", |_, o| {
            unchanged(o);
            o.pair = cached(Some(tagged(pair(FIRST), OWNER)));
        }, "Ready Imported"),
        ("a tag that was taken off is put back",
         |_, o| { unchanged(o); o.pair = live(Some(pair(FIRST))); }, "Tag"),
        ("a finalizer that was stripped is put back",
         |_, o| { unchanged(o); o.finalizer = Finalizer::Missing; }, "AddFinalizer"),
        ("a pair that seems to be gone is looked for live",
         |_, o| { unchanged(o); o.pair = cached(None); }, "Read pair live"),
        ("a pair that was made a moment ago may only not be visible yet", |_, o| {
            unchanged(o);
            (o.pair, o.settle_time) = (live(None), Duration::from_mins(1));
        }, "Reconciling InProgress"),
        ("by Lightsail's clock it was made long ago", |_, o| {
            unchanged(o);
            (o.pair, o.settle_time) = (live(None), Duration::from_mins(1));
            o.lightsail_date = Some(time("2026-11-24T12:01:00Z"));
        }, "WriteIntent"),
        ("a pair that is gone is forgotten before another is imported",
         |_, o| { unchanged(o); o.pair = live(None); }, "WriteIntent"),
        ("another key in the spec replaces nothing", |d, o| {
            unchanged(o);
            d.pair = with_key(SECOND);
        }, "Stalled PublicKeyChanged"),
        ("another key is noticed without a fingerprint", |d, o| {
            unchanged(o);
            d.pair = with_key(SECOND);
            o.pair = live(Some(KeyPair { fingerprint: None, ..tagged(pair(FIRST), OWNER) }));
        }, "Stalled PublicKeyChanged"),
        ("another comment is no other key", |d, o| {
            unchanged(o);
            d.pair = with_key(&FIRST.replace("first", "renamed"));
        }, "Ready Imported"),
        ("an unknown fingerprint is Ready", |_, o| {
            unchanged(o);
            o.pair = live(Some(KeyPair { fingerprint: Some("of a new form".into()),
                ..tagged(pair(FIRST), OWNER) }));
        }, "Ready Imported"),
        ("another owner's tag on the own pair is no tug of war", |_, o| {
            unchanged(o);
            o.pair = live(Some(tagged(pair(FIRST), "other/team-a/fleet")));
        }, "Stalled OwnershipLost"),
    ]);
}

#[test]
fn an_imported_pair_that_somebody_else_made() {
    fn base() -> (Desired, Observed) {
        let mut observed = observed();
        observed.pair = live(Some(KeyPair { created_at: Some("2020-01-01T00:00:00Z".to_owned()),
            ..pair(FIRST) }));
        (desired(), observed)
    }
    check(base, &[
        ("the same key is adopted, the finalizer first", |_, _| {}, "AddFinalizer"),
        ("an adoption follows a live read", |_, o| {
            (o.finalizer, o.pair) = (Finalizer::New, cached(o.pair.clone().and_then(|it| it.pair)));
        }, "Read pair live"),
        ("an adoption is recorded before it is tagged",
         |_, o| o.finalizer = Finalizer::New, "RecordAdoption"),
        ("a recorded adoption is tagged", |_, o| {
            o.finalizer = Finalizer::New;
            o.recorded.origin = Some(Origin::Adopted);
        }, "Tag"),
        ("and is then Ready", |_, o| {
            o.finalizer = Finalizer::New;
            o.recorded.origin = Some(Origin::Adopted);
            o.pair = live(Some(tagged(pair(FIRST), OWNER)));
        }, "Ready Adopted"),
        ("also without a fingerprint", |_, o| {
            o.finalizer = Finalizer::New;
            o.recorded.origin = Some(Origin::Adopted);
            o.pair = live(Some(KeyPair { fingerprint: None, ..tagged(pair(FIRST), OWNER) }));
        }, "Ready Adopted"),
        ("an adoption that came to nothing is forgotten before an import", |_, o| {
            o.finalizer = Finalizer::New;
            o.recorded.origin = Some(Origin::Adopted);
            o.pair = live(None);
        }, "WriteIntent"),
        ("Never leaves it alone",
         |d, _| d.adoption = AdoptionPolicy::Never, "Stalled NameConflict"),
        ("TakeOver ignores another owner's tag", |d, o| {
            d.adoption = AdoptionPolicy::TakeOver;
            o.pair = live(Some(tagged(pair(FIRST), "other/team-a/fleet")));
        }, "AddFinalizer"),
        ("and puts this object's in its place", |d, o| {
            d.adoption = AdoptionPolicy::TakeOver;
            o.finalizer = Finalizer::New;
            o.recorded.origin = Some(Origin::Adopted);
            o.pair = live(Some(tagged(pair(FIRST), "other/team-a/fleet")));
        }, "Tag"),
        ("but never another key", |d, o| {
            d.adoption = AdoptionPolicy::TakeOver;
            o.pair = live(Some(tagged(pair(SECOND), "other/team-a/fleet")));
        }, "Stalled NameConflict"),
        ("nor one whose key is not known", |d, o| {
            d.adoption = AdoptionPolicy::TakeOver;
            o.pair = live(Some(KeyPair { fingerprint: None, ..tagged(pair(FIRST),
                "other/team-a/fleet") }));
        }, "Stalled NameConflict"),
        ("and not twice", |d, o| {
            d.adoption = AdoptionPolicy::TakeOver;
            o.recorded = recorded(&pair(FIRST), Origin::Adopted);
            o.pair = live(Some(tagged(pair(FIRST), "other/team-a/fleet")));
        }, "Stalled OwnershipLost"),
        ("an adopted pair is Ready as that", |_, o| {
            unchanged(o);
            o.recorded.origin = Some(Origin::Adopted);
        }, "Ready Adopted"),
        ("a pair that is older than the object is not the object's own",
         |_, o| o.finalizer = Finalizer::Old, "RecordAdoption"),
        ("another key is a conflict",
         |_, o| o.pair = live(Some(pair(SECOND))), "Stalled NameConflict"),
        ("a conflict is not said on old news",
         |_, o| o.pair = cached(Some(pair(SECOND))), "Read pair live"),
        ("another owner's pair is a conflict", |_, o| {
            o.pair = live(Some(tagged(pair(FIRST), "other/team-a/fleet")));
        }, "Stalled NameConflict"),
        ("our tag on another key is a conflict",
         |_, o| o.pair = live(Some(tagged(pair(SECOND), OWNER))), "Stalled NameConflict"),
        ("another object that records the pair comes first", |_, o| {
            o.rivals = vec![rival("z", Some("arn:own"))];
        }, "Stalled NameConflict"),
        ("another object that is on its way out is waited for", |_, o| {
            o.rivals = vec![Rival { deleting: true, ..rival("z", Some("arn:own")) }];
        }, "Reconciling WaitingForOwner"),
        ("nor does it ask Lightsail for that", |_, o| {
            (o.pair, o.rivals) = (cached(Some(pair(FIRST))), vec![rival("z", Some("arn:own"))]);
        }, "Stalled NameConflict"),
        ("one that records nothing comes first only by a live read", |_, o| {
            (o.pair, o.rivals) = (cached(None), vec![rival("a", None)]);
        }, "Read pair live"),
        ("of two objects of one age the smaller uid comes first",
         |_, o| o.rivals = vec![rival("a", None)], "Stalled NameConflict"),
        ("and the greater one waits for it",
         |_, o| o.rivals = vec![rival("c", None)], "AddFinalizer"),
    ]);
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
         |_, o| o.finalizer = Finalizer::Missing, "Leave"),
        ("the own pair is deleted", |_, _| {}, "Delete"),
        ("I7: not on what a list said a while ago",
         |_, o| o.pair = cached(Some(pair(FIRST))), "Read pair live"),
        ("I7: nor without any look", |_, o| o.pair = None, "Read pair live"),
        ("I7: nor on a live look before a nap",
         |_, o| o.now = time("2026-11-24T12:00:11Z"), "Read pair live"),
        ("what is gone is gone", |_, o| o.pair = live(None), "Remove finalizer Deleted"),
        ("one that was made a moment ago may only not be visible yet",
         |_, o| (o.pair, o.settle_time) = (live(None), Duration::from_mins(1)),
         "Reconciling InProgress"),
        ("unless it was deleted just now", |_, o| {
            (o.pair, o.settle_time) = (live(None), Duration::from_mins(1));
            o.done.delete = Some(Operation::default());
        }, "Remove finalizer Deleted"),
        ("an adopted pair stays",
         |_, o| o.recorded.origin = Some(Origin::Adopted), "ReadForRelease"),
        ("I8: a release needs no account and no look", |d, o| {
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
        ("nor one that another object has recorded", |_, o| {
            o.pair = live(Some(KeyPair { arn: "arn:another".into(), ..pair(FIRST) }));
            o.rivals = vec![rival("z", Some("arn:another"))];
        }, "ReadForRelease"),
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
        ("but not for ever", |_, o| {
            o.recorded = Recorded { intent: intent(FIRST), ..Recorded::default() };
            o.pair = live(None);
            o.sent = sent(NOW, false);
        }, "Remove finalizer Deleted"),
        ("an object of another account releases nothing",
         |_, o| o.account = Some("999999999999".into()), "Stalled WrongAccount"),
        ("a deletion that failed in Lightsail is said", |_, o| {
            o.pair = live(None);
            o.done.delete = Some(Operation { status: Some("Failed".to_owned()),
                ..Operation::default() });
        }, "Stalled OperationFailed"),
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
            o.finalizer = Finalizer::New;
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
            o.finalizer = Finalizer::New;
            o.pair = live(Some(tagged(pair(FIRST), "other/team-a/fleet")));
        }, "Delete with fingerprint"),
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

/// Nothing but what a row says is on record, and the finalizer is there from before.
fn unrecorded(goal: Goal) -> (Desired, Observed) {
    let observed = Observed { finalizer: Finalizer::Old, pair: live(Some(pair(FIRST))),
        ..observed() };
    (Desired { goal, ..desired() }, observed)
}

fn of_no_known_form(pair: KeyPair) -> KeyPair {
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
        ("an intent, an unknown fingerprint and no tag: nobody can tell", |_, o| {
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
            o.rivals = vec![rival("0", Some("arn:own"))];
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
        ("or that it stays", |d, o| {
            d.deletion_policy = Some(DeletionPolicy::Retain);
            o.pair = live(Some(tagged(pair(FIRST), OWNER)));
        }, "Remove finalizer Released"),
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
    for (accepted, expected) in [(false, "was not answered"), (true, "accepted the import")] {
        let mut observed = observed();
        (observed.pair, observed.recorded.intent) = (live(None), intent(FIRST));
        observed.sent = sent("2026-11-24T12:00:30Z", accepted);
        let Step::Finish(verdict) = plan(&desired(), &observed) else { panic!("it goes on") };
        assert!(verdict.message.contains(expected), "{}", verdict.message);
    }
}

/// After a replacement, or when a pair was deleted outside, Lightsail may still show the old one.
#[test]
fn i13_a_read_that_shows_the_pair_that_was_replaced_is_an_old_one() {
    fn base() -> (Desired, Observed) {
        let mut observed = observed();
        observed.finalizer = Finalizer::Old;
        let intent = intent(FIRST)
            .map(|intent| Intent { replaced: Some("arn:own".into()), ..intent });
        observed.recorded = Recorded { intent, ..Recorded::default() };
        observed.sent = sent("2026-11-24T12:01:00Z", false);
        observed.pair = live(Some(tagged(pair(SECOND), OWNER)));
        (desired(), observed)
    }
    check(base, &[
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
        ("when no import can take effect any more it is somebody's",
         |_, o| o.sent = sent(NOW, false), "Stalled NameConflict"),
        ("or if every import was refused", |_, o| o.sent = None, "Stalled NameConflict"),
    ]);
    let pause = |accepted| {
        let (desired, mut observed) = base();
        observed.sent = sent("2026-11-24T12:01:00Z", accepted);
        let Step::Finish(verdict) = plan(&desired, &observed) else { panic!("it goes on") };
        assert!(own_pair(&desired, &observed).is_none(), "it is not recorded");
        verdict.next
    };
    assert_eq!(pause(false), Next::After(Duration::from_secs(15)));
    assert_eq!(pause(true), Next::After(Duration::from_secs(2)));
}
