//! How an object ends: released, or vanished.

use super::*;
use crate::api::Reason;
use crate::ids::AccountId;

#[test]
fn a_release_never_waits_for_lightsail() {
    /// An object with a pair is deleted under Retain.
    fn retained() -> (Desired, Observed) {
        let (mut desired, mut observed) = (desired(), observed());
        unchanged(&mut observed);
        (desired.goal, desired.deletion_policy) =
            (Goal::ObjectDeleted, Some(DeletionPolicy::Retain));
        (desired, observed)
    }
    fn deletion(observed: &mut Observed, began: &str) {
        observed.done.read_for_release = Some(Ok(Some(pair(FIRST))));
        observed.recorded.deleted_at = Some(time(began));
        observed.recorded.deletion = Some(Operation { status: Some("Started".to_owned()),
            created_at: Some(began.to_owned()), ..Operation::default() });
    }
    fn read(pair: KeyPair) -> Option<lightsail::Result<Option<KeyPair>>> {
        Some(Ok(Some(pair)))
    }
    check(retained, &[
        ("the pair is read first", |_, _| {}, "ReadForRelease"),
        ("with whatever account", |_, o| o.account = Some("999999999999".into()),
         "ReadForRelease"),
        ("unless that is not the pinned one",
         |d, _| d.pinned_account = Some("999999999999".into()), "Remove finalizer Released"),
        ("its own tag is taken off",
         |_, o| o.done.read_for_release = read(tagged(pair(FIRST), OWNER)), "ReleaseTag"),
        ("another owner's is not", |_, o| {
            o.done.read_for_release = read(tagged(pair(FIRST), "other/team-a/fleet"));
        }, "Remove finalizer Released"),
        ("nor that of another pair of the name", |_, o| {
            let other = KeyPair { arn: "arn:another".into(), ..tagged(pair(FIRST), OWNER) };
            o.done.read_for_release = read(other);
        }, "Remove finalizer Released"),
        ("nor where there is none",
         |_, o| o.done.read_for_release = read(pair(FIRST)), "Remove finalizer Released"),
        ("what is gone does not stay", |_, o| o.done.read_for_release = Some(Ok(None)),
         "Remove finalizer Deleted"),
        ("unless it is so new that a server may not know it yet", |_, o| {
            o.done.read_for_release = Some(Ok(None));
            o.timing.settle_time = Duration::from_mins(1);
        }, "Remove finalizer Released"),
        ("what may still appear is not gone", |_, o| {
            o.recorded = Recorded { account: o.account.clone(), intent: intent(FIRST),
                ..Recorded::default() };
            o.done.read_for_release = Some(Ok(None));
        }, "Remove finalizer Released"),
        ("a read that fails holds up nothing", |_, o| {
            o.done.read_for_release = Some(Err(lightsail::Error::of_kind(ErrorKind::Transient)));
        }, "Remove finalizer Released"),
        ("then the object is released", |_, o| {
            o.done.read_for_release = read(tagged(pair(FIRST), OWNER));
            o.done.tag_release = Some(Ok(()));
        }, "Remove finalizer Released"),
        ("also if the tag could not be taken off", |_, o| {
            o.done.read_for_release = read(tagged(pair(FIRST), OWNER));
            o.done.tag_release = Some(Err(lightsail::Error::of_kind(ErrorKind::Denied)));
        }, "Remove finalizer Released"),
        ("nothing is recorded, so nothing is read", |_, o| o.recorded = Recorded::default(),
         "Remove finalizer Released"),
    ]);
    let (mut desired, observed) = retained();
    desired.pinned_account = Some("999999999999".into());
    let Step::RemoveFinalizer { message, .. } = plan(&desired, &observed) else { panic!() };
    assert!(message.ends_with("its owner tag stays too: WrongAccount: --aws-account-id allows \
        calls only to the account 999999999999"), "{message}");
    let said = |change: fn(&mut Observed)| {
        let (desired, mut observed) = retained();
        observed.done.read_for_release =
            Some(Err(lightsail::Error::of_kind(ErrorKind::NeverSent)));
        change(&mut observed);
        let Step::RemoveFinalizer { message, .. } = plan(&desired, &observed) else {
            panic!("the object is released")
        };
        message
    };
    assert!(said(|_| {}).contains("its owner tag stays"));
    let nothing = said(|observed| observed.recorded = Recorded::default());
    assert_eq!(nothing, "the object had no key pair of its own");
    let under_way = said(|observed| deletion(observed, NOW));
    assert!(under_way.contains("while Lightsail was deleting its key pair"), "{under_way}");
    let unanswered = said(|observed| {
        observed.deletion_may_follow = Some(time("2026-11-24T12:00:30Z"));
    });
    assert!(unanswered.contains("while Lightsail was deleting its key pair"), "{unanswered}");
    let over = said(|observed| deletion(observed, "2026-11-24T11:00:00Z"));
    assert!(over.contains("the key pair stays"), "it is another pair: {over}");
}

#[test]
fn an_object_that_vanished_is_followed_until_its_pair_is_dealt_with() {
    /// The object vanished despite its finalizer, and its pair is there.
    fn vanished() -> (Desired, Observed) {
        let (mut desired, mut observed) = (desired(), observed());
        unchanged(&mut observed);
        desired.goal = Goal::ObjectVanished;
        (desired, observed)
    }
    check(vanished, &[
        ("its pair is deleted", |_, _| {}, "Delete"),
        ("then it is over", |_, o| o.pair = live(None), "End follow-up Deleted"),
        ("under Retain the pair is released", |d, o| {
            d.deletion_policy = Some(DeletionPolicy::Retain);
            o.done.read_for_release = Some(Ok(Some(pair(FIRST))));
        }, "End follow-up Released"),
        ("a read that fails is retried", |_, o| o.failure = failed(ErrorKind::Transient),
         "Pause ServiceError"),
        ("so is what somebody can allow", |_, o| o.failure = failed(ErrorKind::Denied),
         "Pause AccessDenied"),
        ("so are the credentials of another account",
         |_, o| o.account = Some("999999999999".into()), "Pause WrongAccount"),
        ("an import that may still take effect is waited for", |_, o| {
            o.recorded = Recorded { intent: intent(FIRST), ..Recorded::default() };
            o.pair = live(None);
            o.sent = sent("2026-11-24T12:01:00Z", false);
        }, "Pause InProgress"),
        ("what only its spec could solve ends it, and the pair stays", |_, o| {
            o.pair = live(Some(KeyPair { fingerprint: None, ..tagged(pair(FIRST), OWNER) }));
        }, "End follow-up Released"),
    ]);
    check(|| (desired(), observed()), &[
        ("a new object of its name waits until then",
         |_, o| o.predecessor = Some(Reason::AccessDenied), "Reconciling WaitingForOwner"),
        ("unless that is released itself", |d, o| {
            (d.goal, d.deletion_policy) = (Goal::ObjectDeleted, Some(DeletionPolicy::Retain));
            (o.predecessor, o.has_finalizer) = (Some(Reason::AccessDenied), true);
        }, "Remove finalizer Released"),
    ]);
    let of_arn = Recorded { arn: Some("arn:own".into()), ..Recorded::default() };
    let of_intent = Recorded { intent: intent(FIRST), ..Recorded::default() };
    let of_nothing = Recorded::default();
    for (name, recorded, has_finalizer, is_deleting, acts, expected) in [
        ("one that vanished despite its finalizer", &of_arn, true, false, true, true),
        ("and may have a pair", &of_intent, true, false, true, true),
        ("one that was deleted as it should be", &of_arn, true, true, true, false),
        ("one that never had a pair", &of_nothing, true, false, true, false),
        ("one without a finalizer", &of_arn, false, false, true, false),
        ("whoever does not act leaves it to the one that does", &of_arn, true, false, false, false),
    ] {
        let is_followed_up = is_followed_up(recorded, has_finalizer, is_deleting, acts);
        assert_eq!(is_followed_up, expected, "{name}");
    }
    for (name, uid, uid_of_its_name, expected) in [
        ("nothing has its name", Some("a"), None, true),
        ("a new object has its name", Some("a"), Some("b"), true),
        ("it is there all the same", Some("a"), Some("a"), false),
    ] {
        assert_eq!(is_gone(uid, uid_of_its_name), expected, "{name}");
    }
}

#[test]
fn what_a_reconciliation_leaves_behind() {
    let intended = Recorded { intent: intent(FIRST), ..Recorded::default() };
    let made = Recorded { arn: Some("arn".into()), ..intended.clone() };
    for (name, recorded, comes_later, acts, expected) in [
        ("an object comes from another operator, with an intent", &intended, true, true, true),
        ("its pair is on record", &made, true, true, false),
        ("it has no intent", &Recorded::default(), true, true, false),
        ("it was here before, or is in the first list", &intended, false, true, false),
        ("whoever does not act yet counts from when it does", &intended, true, false, false),
    ] {
        assert_eq!(may_be_sent_elsewhere(recorded, comes_later, acts), expected, "{name}");
    }
    for (name, recorded, sent, goal, expected) in [
        ("nothing was imported", &Recorded::default(), true, Goal::Present, false),
        ("an import was sent", &intended, true, Goal::Present, true),
        ("no import was sent that was not refused", &intended, false, Goal::Present, false),
        ("its deletion deals with it", &intended, true, Goal::ObjectDeleted, false),
    ] {
        let desired = Desired { goal, ..desired() };
        let mut observed = Observed { recorded: recorded.clone(), ..observed() };
        observed.sent = observed.sent.filter(|_| sent);
        assert_eq!(is_left_behind(&desired, &observed, false), expected, "{name}");
        assert!(!is_left_behind(&desired, &observed, true), "{name}, or moved");
    }
    let not_kept = crate::error::Error::NotKept("status.origin");
    assert!(!may_be_gone(None) && !may_be_gone(Some(&not_kept)), "the API server has it");
    assert!(may_be_gone(Some(&crate::error::Error::Gone)));
}

/// The spec said once that the Secret goes with the object, and says now that it stays.
fn deleted() -> (Desired, Observed) {
    let (mut desired, mut observed) = (desired(), observed());
    unchanged(&mut observed);
    observed.recorded.origin = Some(Origin::Generated);
    desired.pair = DesiredPair::Generated { algorithm: KeyAlgorithm::Ed25519, secret: kept(),
        replace: ReplacePolicy::Never };
    desired.goal = Goal::ObjectDeleted;
    observed.pair = live(None);
    observed.secret = Lookup::Found(owned(&private_key()));
    (desired, observed)
}

fn lets_go(desired: &mut Desired) {
    let secret = SecretSpec { delete_with_object: true, ..kept() };
    desired.pair = DesiredPair::Generated { algorithm: KeyAlgorithm::Ed25519, secret,
        replace: ReplacePolicy::Never };
}

/// Nothing tells whether it stays.
fn refused() -> (Desired, Observed) {
    let (desired, mut observed) = deleted();
    observed.secret = Lookup::Unread;
    observed.failure = Some(Failure::SecretRejected { name: "kept".to_owned(),
        why: "forbidden".to_owned() });
    (desired, observed)
}

#[test]
fn i3_a_secret_that_is_to_stay_does_not_go_with_its_object() {
    check(deleted, &[
        ("its owner is taken off first", |_, _| {}, "DisownSecret"),
        ("it is read for that", |_, o| o.secret = Lookup::Unread, "ReadSecret"),
        ("then the object goes", |_, o| o.secret = Lookup::Found(Found { owners: Vec::new(),
            ..owned(&private_key()) }), "Remove finalizer Deleted"),
        ("nothing keeps one that is on its way out", |_, o| o.secret = Lookup::Found(Found {
            is_terminating: true, ..owned(&private_key()) }), "Remove finalizer Deleted"),
        ("or that is gone", |_, o| o.secret = Lookup::Absent, "Remove finalizer Deleted"),
        ("under Retain", |d, o| {
            d.deletion_policy = Some(DeletionPolicy::Retain);
            o.done.read_for_release = Some(Ok(None));
        }, "DisownSecret"),
        ("of an object that is suspended", |d, o| {
            d.suspend = true;
            o.done.read_for_release = Some(Ok(None));
        }, "DisownSecret"),
        ("of one that may not use its account any more", |d, o| {
            (d.suspend, o.grant) = (true, Grant::Required);
        }, "DisownSecret"),
        ("of one that vanished, it is too late", |d, _| d.goal = Goal::ObjectVanished,
         "End follow-up Deleted"),
        ("one that the spec lets go is left as it is", |d, o| {
            lets_go(d);
            o.secret = Lookup::Unread;
        }, "Remove finalizer Deleted"),
        ("but not if its pair stays, of which it is the only copy", |d, o| {
            lets_go(d);
            d.deletion_policy = Some(DeletionPolicy::Retain);
            o.done.read_for_release = Some(Ok(Some(pair(FIRST))));
        }, "DisownSecret"),
        ("nor if that cannot be read", |d, o| {
            lets_go(d);
            d.suspend = true;
            (o.secret, o.done.read_for_release) =
                (Lookup::Unread, Some(Err(lightsail::Error::of_kind(ErrorKind::Transient))));
        }, "ReadSecret"),
        ("nor if Lightsail is not asked", |d, o| {
            lets_go(d);
            (d.suspend, o.grant) = (true, Grant::Required);
        }, "DisownSecret"),
        ("nor if a pair of somebody else's has its name, which may have the same key", |d, o| {
            lets_go(d);
            let other = KeyPair { arn: "arn:other".into(),
                ..tagged(pair(FIRST), "other/team-a/fleet") };
            o.done.read_for_release = Some(Ok(Some(other.clone())));
            o.pair = live(Some(other));
        }, "DisownSecret"),
        ("it goes if its pair is gone", |d, o| {
            lets_go(d);
            d.deletion_policy = Some(DeletionPolicy::Retain);
            o.done.read_for_release = Some(Ok(None));
        }, "Remove finalizer Deleted"),
        ("the Secret on record is one, though the spec names another now", |_, o| {
            o.recorded.secret_name = Some("former".to_owned());
            o.secret = Lookup::Absent;
        }, "ReadFormerSecret"),
        ("and stays too", |_, o| {
            o.recorded.secret_name = Some("former".to_owned());
            (o.secret, o.former_secret) = (Lookup::Absent, Lookup::Found(owned(&private_key())));
        }, "DisownSecret"),
        ("while the object stays, so does the Secret", |d, _| d.goal = Goal::Absent,
         "Ready Absent"),
    ]);
}

#[test]
fn i3_a_secret_that_may_not_be_read_or_kept_holds_an_object_up() {
    let refuse = |(desired, mut observed): (Desired, Observed), name: &str| {
        let failure = Failure::SecretRejected { name: name.to_owned(), why: "no".to_owned() };
        observed.failure = Some(failure);
        let Step::Finish(verdict) = plan(&desired, &observed) else {
            panic!("a person must act")
        };
        verdict.message
    };
    let retained = || {
        let (mut desired, mut observed) = deleted();
        desired.deletion_policy = Some(DeletionPolicy::Retain);
        observed.namespace_terminating = Some(false);
        (desired, observed)
    };
    let way_out = "remove metadata.ownerReferences from the Secret, or, if";
    assert!(refuse(retained(), "kept").contains(way_out), "{}", refuse(retained(), "kept"));
    assert!(!refuse(retained(), "former").contains(way_out), "that one has no owner");
    check(refused, &[
        ("where it cannot be kept, a person decides, whatever the spec said before", |d, o| {
            lets_go(d);
            (d.suspend, o.namespace_terminating) = (true, Some(false));
            o.done.read_for_release = Some(Ok(Some(pair(FIRST))));
        }, "Stalled SecretRejected"),
        ("and may let it go", |d, o| {
            lets_go(d);
            (d.suspend, o.refused_secret_stayed) = (true, true);
            o.done.read_for_release = Some(Ok(Some(pair(FIRST))));
        }, "Remove finalizer Released"),
        ("one that may not be read may go with its namespace", |_, _| {}, "ReadNamespace"),
        ("if not, nothing is known of it", |_, o| o.namespace_terminating = Some(false),
         "Stalled SecretRejected"),
        ("if so, nothing is kept", |_, o| o.namespace_terminating = Some(true),
         "Remove finalizer Deleted"),
        ("nor in the Secret on record", |_, o| {
            o.recorded.secret_name = Some("former".to_owned());
            o.namespace_terminating = Some(true);
            o.failure = Some(Failure::SecretRejected { name: "former".to_owned(),
                why: "forbidden".to_owned() });
        }, "Remove finalizer Deleted"),
        ("of a public key, that says nothing", |d, o| {
            o.namespace_terminating = Some(true);
            d.pair = with_key(FIRST);
        }, "Stalled SecretRejected"),
    ]);
}

#[test]
fn i8_an_object_whose_secret_may_not_be_read_says_how_it_is_released() {
    let released = "secret.deleteWithObject: true in the spec to release the object";
    for (name, recorded, is_read, expected) in [
        ("kept", None, false, true),
        ("former", Some("former".to_owned()), true, true),
        ("kept", None, true, false),
    ] {
        let (mut desired, mut observed) = (desired(), observed());
        unchanged(&mut observed);
        desired.pair = DesiredPair::Generated { algorithm: KeyAlgorithm::Ed25519, secret: kept(),
            replace: ReplacePolicy::Never };
        (desired.goal, desired.deletion_policy) =
            (Goal::ObjectDeleted, Some(DeletionPolicy::Retain));
        observed.namespace_terminating = Some(false);
        observed.secret = if is_read { Lookup::Absent } else { Lookup::Unread };
        observed.recorded.secret_name = recorded;
        let (name, why) = (name.to_owned(), "forbidden".to_owned());
        observed.failure = Some(Failure::SecretRejected { name, why });
        let Step::Finish(verdict) = plan(&desired, &observed) else { panic!("a person must act") };
        assert_eq!(verdict.message.contains(released), expected, "{}", verdict.message);
    }
}

#[test]
fn an_object_leaves_its_pair_behind_unless_that_is_known_to_be_gone() {
    let of_arn = Recorded { arn: Some("arn:own".into()), ..Recorded::default() };
    let of_intent = Recorded { intent: intent(FIRST), ..Recorded::default() };
    for (name, recorded, pair, expected) in [
        ("released without a read", &of_arn, None, true),
        ("while its import is on record", &of_intent, None, true),
        ("released after a read that shows the pair", &of_arn, live(Some(pair(FIRST))), true),
        ("an old list proves nothing", &of_arn, cached(None), true),
        ("its pair was deleted", &of_arn, live(None), false),
        ("its import came to nothing", &of_intent, live(None), false),
        ("it never had one", &Recorded::default(), None, false),
    ] {
        let observed = Observed { recorded: recorded.clone(), pair, ..observed() };
        assert_eq!(leaves_pair(&observed), expected, "{name}");
    }
}

#[test]
fn a_release_says_of_no_tag_that_it_is_there_unless_the_pair_is_on_record() {
    for (is_recorded, expected) in [(true, "with its owner tag, and still counts"),
        (false, "with its owner tag it counts")]
    {
        let (mut desired, mut observed) = (desired(), observed());
        unchanged(&mut observed);
        if !is_recorded {
            observed.recorded = Recorded { intent: intent(FIRST), ..Recorded::default() };
        }
        desired.limits.max_key_pairs = Some(3);
        desired.deletion_policy = Some(DeletionPolicy::Retain);
        desired.goal = Goal::ObjectDeleted;
        let Step::RemoveFinalizer { message, .. } = plan(&desired, &observed) else { panic!() };
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn i3_a_secret_goes_only_if_its_object_showed_that_it_was_to_stay_and_could_not() {
    let stays = |with_object, is_refused: bool| {
        let (mut desired, mut observed) = (desired(), observed());
        let secret = SecretSpec { delete_with_object: with_object, ..kept() };
        desired.pair = DesiredPair::Generated { algorithm: KeyAlgorithm::Ed25519, secret,
            replace: ReplacePolicy::Never };
        let (name, why) = ("kept".to_owned(), "forbidden".to_owned());
        let failure = Failure::SecretRejected { name, why };
        observed.failure = is_refused.then_some(failure);
        refused_secret_stays(&desired, &observed)
    };
    assert!(stays(false, true));
    assert!(!stays(true, true), "no edit but one that lets it go again is an answer");
    assert!(!stays(false, false), "what was refused once is settled");
}

#[test]
fn objects_in_different_accounts_have_different_pairs() {
    let account = |id: &str| Some(AccountId::from(id));
    let (one, other) = (account("123456789012"), account("999999999999"));
    let elsewhere = Desired { region: "us-east-1".into(), ..desired() };
    let of_name = Desired { name: "other".into(), ..desired() };
    for (name, of_one, wants, of_other, expected) in [
        ("the same", &one, desired(), &one, true),
        ("another account", &one, desired(), &other, false),
        ("nobody knows which", &one, desired(), &None, true),
        ("another region", &one, elsewhere, &one, false),
        ("another name", &one, of_name, &one, false),
    ] {
        let found = may_be_same_pair(&desired(), of_one.as_ref(), &wants, of_other.as_ref());
        assert_eq!(found, expected, "{name}");
    }
}
