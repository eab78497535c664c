//! The rows of a generated pair.

use super::*;
use crate::api::Reason;
use crate::key_pair::world::DeletedPair;

type GeneratedRow = (&'static str, fn(&mut Desired, &mut Observed, &PrivateKey), &'static str);

fn generated(replace: ReplacePolicy) -> DesiredPair {
    DesiredPair::Generated { algorithm: KeyAlgorithm::Ed25519, secret: kept(), replace }
}

/// A spec that was just applied; nothing is there.
fn check_generated(rows: &[GeneratedRow]) {
    for (name, change, expected) in rows {
        let key = private_key();
        let mut desired = Desired { pair: generated(ReplacePolicy::Never), ..desired() };
        let mut observed = Observed { has_finalizer: true, pair: live(None),
            secret: Lookup::Absent, ..observed() };
        change(&mut desired, &mut observed, &key);
        let step = plan(&desired, &observed);
        assert_eq!(word(&step), *expected, "{name}: {step:?}");
    }
}

fn listed(key: &PrivateKey) -> KeyPair {
    KeyPair { fingerprint: Some(key.public().sha256().into()), ..pair(FIRST) }
}

/// The pair stands, and the Secret has its key.
fn stands(observed: &mut Observed, key: &PrivateKey) {
    observed.has_finalizer = true;
    observed.recorded = recorded(&listed(key), Origin::Generated);
    observed.recorded.public_key_sha256 = Some(key.public().sha256());
    observed.pair = live(Some(tagged(listed(key), OWNER)));
    observed.secret = secret(Some(key));
}

fn lost(observed: &mut Observed, key: &PrivateKey, since: &str) {
    stands(observed, key);
    observed.secret = Lookup::Absent;
    observed.key_missing_since = Some(time(since));
}

#[test]
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn a_generated_pair_that_shall_be_there() {
    check_generated(&[
        ("the Secret is read first", |_, o, _| o.secret = Lookup::Unread, "ReadSecret"),
        ("the finalizer comes before the key",
         |_, o, _| o.has_finalizer = false, "AddFinalizer"),
        ("a key is made", |_, _, _| {}, "Generate"),
        ("but not on old news", |_, o, _| o.pair = cached(None), "Read pair live"),
        ("I3: and is in the Secret before it is imported",
         |_, o, key| o.done.generated = Some(key.clone()), "Create Secret"),
        ("then the import of its public half is on record",
         |_, o, key| o.secret = secret(Some(key)), "WriteIntent"),
        ("and sent", |_, o, key| {
            o.secret = secret(Some(key));
            o.recorded.intent = intent(key.public().line());
            (o.done.intent, o.sent) = (Some(time(NOW)), None);
        }, "Import"),
        ("after a crash in between, the key of the Secret is", |_, o, key| {
            o.has_finalizer = true;
            o.secret = secret(Some(key));
            o.recorded.intent = intent(key.public().line());
            (o.done.intent, o.sent) = (Some(time(NOW)), None);
        }, "Import"),
        ("I3: no key is made while the pair of an earlier one may only be hidden", |_, o, key| {
            (o.has_finalizer, o.recorded.intent) = (true, intent(key.public().line()));
            o.sent = sent("2026-11-24T12:00:30Z", true);
        }, "Reconciling InProgress"),
        ("what was imported before a crash is the object's own", |_, o, key| {
            (o.has_finalizer, o.recorded.intent) = (true, intent(key.public().line()));
            o.secret = secret(Some(key));
            o.pair = live(Some(listed(key)));
        }, "Tag"),
        ("it is Ready", |_, o, key| stands(o, key), "Ready Generated"),
        ("I3: a Secret of somebody else is left alone", |_, o, _| {
            o.secret = Lookup::Found(Found { key: Some(private_key()), ..somebodys_secret() });
        }, "Stalled SecretNotOwned"),
        ("but one that was created here, and does not say whose it is, is written again",
         |_, o, key| {
            o.secret = Lookup::Found(Found { key: Some(key.clone()), ..somebodys_secret() });
            o.created_secret = Some("s".to_owned());
        }, "Replace Secret"),
        ("once in each reconciliation: a policy removes that", |_, o, key| {
            o.secret = Lookup::Found(Found { key: Some(key.clone()), ..somebodys_secret() });
            (o.created_secret, o.done.wrote_secret) = (Some("s".to_owned()), true);
        }, "Stalled SecretRejected"),
        ("I15: not one that somebody has put in its place", |_, o, key| {
            o.secret = Lookup::Found(Found { key: Some(key.clone()), ..somebodys_secret() });
            o.created_secret = Some("another".to_owned());
        }, "Stalled SecretNotOwned"),
        ("nor one that another object has taken since", |_, o, key| {
            o.secret = Lookup::Found(Found { key: Some(key.clone()), is_of_another: true,
                ..somebodys_secret() });
            o.created_secret = Some("s".to_owned());
        }, "Stalled SecretNotOwned"),
        ("what a Secret holds that cannot be read is said, whosever it is", |_, o, _| {
            let rejects = Some(Rejection::Unreadable(InvalidPrivateKey::PuTTY));
            o.secret = Lookup::Found(Found { rejects, ..somebodys_secret() });
        }, "Stalled SecretRejected"),
        ("but not of another object's", |_, o, _| {
            let rejects = Some(Rejection::Unreadable(InvalidPrivateKey::PuTTY));
            o.secret = Lookup::Found(Found { rejects, is_of_another: true,
                ..somebodys_secret() });
        }, "Stalled SecretNotOwned"),
        ("a Secret that cannot be written is said", |_, o, _| {
            o.secret = Lookup::Found(Found { is_own: true, rejects: Some(Rejection::Immutable),
                ..somebodys_secret() });
        }, "Stalled SecretRejected"),
        ("I15: the Secret of a pair that is adopted is marked only when the pair is own",
         |_, o, key| {
            o.has_finalizer = true;
            o.secret = Lookup::Found(Found { key: Some(key.clone()), ..somebodys_secret() });
            o.pair = live(Some(listed(key)));
        }, "RecordAdoption"),
        ("not the copy of another object's that still says so", |_, o, key| {
            o.secret = Lookup::Found(Found { key: Some(key.clone()), is_of_another: true,
                ..somebodys_secret() });
            o.pair = live(Some(listed(key)));
        }, "Stalled SecretNotOwned"),
        ("then it is", |_, o, key| {
            stands(o, key);
            o.secret = Lookup::Found(Found { key: Some(key.clone()), ..somebodys_secret() });
        }, "Replace Secret"),
        ("a public half that is not the key's is corrected", |_, o, key| {
            stands(o, key);
            o.secret = Lookup::Found(Found { is_own: true, has_public_half: false,
                key: Some(key.clone()), ..somebodys_secret() });
        }, "Replace Secret"),
        ("what a policy changes each time is not written again and again", |_, o, key| {
            stands(o, key);
            o.secret = Lookup::Found(Found { is_own: true, has_public_half: false,
                key: Some(key.clone()), ..somebodys_secret() });
            o.done.wrote_secret = true;
        }, "Stalled SecretRejected"),
        ("but not in a Secret that cannot be written", |_, o, key| {
            stands(o, key);
            o.secret = Lookup::Found(Found { is_own: true, has_public_half: false,
                rejects: Some(Rejection::Immutable), key: Some(key.clone()),
                ..somebodys_secret() });
        }, "Ready Generated"),
        ("I15: it never goes with the object: the operator did not create it", |d, o, key| {
            let spec = SecretSpec { delete_with_object: true, ..kept() };
            d.pair = DesiredPair::Generated { algorithm: KeyAlgorithm::Ed25519, secret: spec,
                replace: ReplacePolicy::Never };
            stands(o, key);
        }, "Ready Generated"),
        ("where nothing is adopted, the Secret is left as it is", |d, o, key| {
            d.adoption = AdoptionPolicy::Never;
            o.secret = Lookup::Found(Found { key: Some(key.clone()), ..somebodys_secret() });
            o.pair = live(Some(listed(key)));
        }, "Stalled NameConflict"),
        ("the key of a default pair is not taken for a new pair", |_, o, key| {
            o.secret = Lookup::Found(Found { is_own: true, key: Some(key.clone()),
                key_type: Some("Default".to_owned()), ..somebodys_secret() });
        }, "Stalled SecretNotOwned"),
        ("a pair that Lightsail created is known by the private key", |_, o, _| {
            let key = PrivateKey::parse(&Key::generate(&["-t", "rsa", "-b", "2048", "-m", "PEM"])
                .private()).unwrap();
            let created = key.fingerprints().forms().last().cloned().unwrap();
            o.has_finalizer = true;
            o.secret = Lookup::Found(Found { key: Some(key), ..somebodys_secret() });
            o.pair = live(Some(KeyPair { fingerprint: Some(created.into()), ..pair(FIRST) }));
        }, "RecordAdoption"),
        ("a Secret that is refused on what a list says is not refused yet", |_, o, key| {
            o.pair = cached(None);
            o.secret = Lookup::Found(Found { key: Some(key.clone()), ..somebodys_secret() });
        }, "Read pair live"),
        ("a foreign pair is a conflict before any key is made",
         |_, o, _| o.pair = live(Some(pair(SECOND))), "Stalled NameConflict"),
        ("a pair that is gone is imported again with the same key", |_, o, key| {
            stands(o, key);
            o.pair = live(None);
        }, "WriteIntent"),
        ("with both gone a new key is made", |_, o, key| {
            stands(o, key);
            (o.pair, o.secret) = (live(None), Lookup::Absent);
        }, "Generate"),
    ]);
}

#[test]
fn i3_a_secret_that_kubernetes_would_delete_gets_rid_of_its_owner_before_its_key_is_used() {
    fn goes_with_object(desired: &mut Desired) {
        let secret = SecretSpec { delete_with_object: true, ..kept() };
        desired.pair = DesiredPair::Generated { algorithm: KeyAlgorithm::Ed25519, secret,
            replace: ReplacePolicy::Never };
    }
    check_generated(&[
        ("one of an earlier object, which may be gone",
         |_, o, key| o.secret = Lookup::Found(of_earlier(key)), "DisownSecret"),
        ("not if the spec was edited meanwhile, which may let the Secret go", |_, o, key| {
            o.secret = Lookup::Found(of_earlier(key));
            o.changed_meanwhile = true;
        }, "StartOver"),
        ("also where it goes with this object", |d, o, key| {
            goes_with_object(d);
            o.secret = Lookup::Found(of_earlier(key));
        }, "DisownSecret"),
        ("then its key is imported", |d, o, key| {
            goes_with_object(d);
            o.secret = Lookup::Found(Found { owners: Vec::new(), ..of_earlier(key) });
        }, "WriteIntent"),
        ("and this object is its owner", |d, o, key| {
            goes_with_object(d);
            stands(o, key);
            o.secret = Lookup::Found(Found { owners: Vec::new(), ..of_earlier(key) });
        }, "Replace Secret"),
        ("nothing keeps one that is on its way out", |_, o, key| {
            o.secret = Lookup::Found(Found { is_terminating: true, ..of_earlier(key) });
        }, "Reconciling InProgress"),
        ("somebody who puts the owner back each time is not fought with", |_, o, key| {
            o.secret = Lookup::Found(of_earlier(key));
            o.done.disowned = vec!["kept".to_owned()];
        }, "Stalled SecretRejected"),
        ("this object, once the spec says that the Secret stays", |_, o, key| {
            stands(o, key);
            o.secret = Lookup::Found(owned(key));
        }, "DisownSecret"),
        ("also if it is suspended, as it is too late under foreground deletion", |d, o, key| {
            stands(o, key);
            (d.suspend, o.secret) = (true, Lookup::Found(owned(key)));
        }, "DisownSecret"),
        ("or Stalled", |_, o, key| {
            stands(o, key);
            o.secret = Lookup::Found(owned(&private_key()));
        }, "DisownSecret"),
        ("I15: of a user's, not before the pair is own", |_, o, key| {
            o.secret = Lookup::Found(Found { was_created: false, ..owned(key) });
        }, "WriteIntent"),
        ("another kind of that name is another owner", |_, o, key| {
            let mut secret = of_earlier(key);
            secret.owners[0].kind = "HostKeyReset".to_owned();
            o.secret = Lookup::Found(secret);
        }, "WriteIntent"),
        ("so is another object", |_, o, key| {
            let mut secret = of_earlier(key);
            secret.owners[0].name = "other".to_owned();
            o.secret = Lookup::Found(secret);
        }, "WriteIntent"),
    ]);
}

#[test]
fn an_owner_that_may_not_be_set_changes_nothing_of_an_object_that_works() {
    /// It was to become the owner of its Secret, and that was refused.
    fn refused(desired: &mut Desired, observed: &mut Observed, key: &PrivateKey) {
        let secret = SecretSpec { delete_with_object: true, ..kept() };
        desired.pair = DesiredPair::Generated { algorithm: KeyAlgorithm::Ed25519, secret,
            replace: ReplacePolicy::Never };
        stands(observed, key);
        observed.secret = Lookup::Found(Found { owners: Vec::new(), ..owned(key) });
        observed.failure = Some(Failure::SecretRejected { name: "kept".to_owned(),
            why: "forbidden".to_owned() });
    }
    check_generated(&[
        ("the Secret stays", refused, "Ready Generated"),
        ("what else was to be written is said", |d, o, key| {
            refused(d, o, key);
            o.secret = Lookup::Found(Found { owners: Vec::new(), has_public_half: false,
                ..owned(key) });
        }, "Stalled SecretRejected"),
        ("also of a Secret that is not to go", |d, o, key| {
            refused(d, o, key);
            d.pair = generated(ReplacePolicy::Never);
        }, "Stalled SecretRejected"),
        ("or of another one", |d, o, key| {
            refused(d, o, key);
            o.failure = Some(Failure::SecretRejected { name: "other".to_owned(),
                why: "forbidden".to_owned() });
        }, "Stalled SecretRejected"),
        ("so is an owner that may not be taken off", |d, o, key| {
            refused(d, o, key);
            o.secret = Lookup::Found(of_earlier(key));
        }, "Stalled SecretRejected"),
    ]);
}

#[test]
fn i3_a_secret_that_the_spec_does_not_name_any_more_stays_too() {
    /// The status has the name of the Secret before.
    fn renamed(observed: &mut Observed, key: &PrivateKey) {
        stands(observed, key);
        observed.recorded.secret_name = Some("former".to_owned());
    }
    check_generated(&[
        ("it is read before its name is forgotten", |_, o, key| renamed(o, key),
         "ReadFormerSecret"),
        ("also while the pair is replaced", |d, o, key| {
            d.pair = generated(ReplacePolicy::Recreate);
            renamed(o, key);
            o.secret = secret(Some(&private_key()));
        }, "ReadFormerSecret"),
        ("then its owner is taken off", |_, o, key| {
            renamed(o, key);
            o.former_secret = Lookup::Found(owned(&private_key()));
        }, "DisownSecret"),
        ("and that is all", |_, o, key| {
            renamed(o, key);
            o.former_secret = Lookup::Found(Found { owners: Vec::new(), ..owned(key) });
        }, "Ready Generated"),
        ("or it is gone", |_, o, key| {
            renamed(o, key);
            o.former_secret = Lookup::Absent;
        }, "Ready Generated"),
        ("once the status has the new name, nothing is read", |_, o, key| {
            renamed(o, key);
            o.recorded.secret_name = Some("kept".to_owned());
        }, "Ready Generated"),
        ("where nothing is imported any more", |d, o, key| {
            renamed(o, key);
            (d.goal, o.recorded.arn, o.pair) = (Goal::Absent, None, live(None));
        }, "ReadFormerSecret"),
        ("it goes where the spec says that Secrets do", |d, o, key| {
            let secret = SecretSpec { delete_with_object: true, ..kept() };
            d.pair = DesiredPair::Generated { algorithm: KeyAlgorithm::Ed25519, secret,
                replace: ReplacePolicy::Never };
            renamed(o, key);
            o.secret = Lookup::Found(owned(key));
        }, "Ready Generated"),
    ]);
}

#[test]
fn a_private_key_that_is_lost_or_another_one() {
    check_generated(&[
        ("a Secret that is missing may come back",
         |_, o, key| lost(o, key, NOW), "Reconciling InProgress"),
        ("after a minute it is lost",
         |_, o, key| lost(o, key, "2026-11-24T11:59:00Z"), "Stalled PrivateKeyLost"),
        ("or after the time that is set", |_, o, key| {
            o.timing.missing_key_grace = Duration::from_secs(3);
            lost(o, key, "2026-11-24T11:59:57Z");
        }, "Stalled PrivateKeyLost"),
        ("and not before", |_, o, key| {
            o.timing.missing_key_grace = Duration::from_secs(3);
            lost(o, key, "2026-11-24T11:59:58Z");
        }, "Reconciling InProgress"),
        ("which is still said after a restart", |_, o, key| {
            o.stalled_for = Some(Reason::PrivateKeyLost);
            lost(o, key, NOW);
        }, "Stalled PrivateKeyLost"),
        ("of nothing else", |_, o, key| {
            o.stalled_for = Some(Reason::NameConflict);
            lost(o, key, NOW);
        }, "Reconciling InProgress"),
        ("and justifies no new key by itself", |d, o, key| {
            d.pair = generated(ReplacePolicy::Recreate);
            o.stalled_for = Some(Reason::PrivateKeyLost);
            lost(o, key, NOW);
        }, "Reconciling InProgress"),
        ("I7: that is not said on old news", |_, o, key| {
            lost(o, key, "2026-11-24T11:59:00Z");
            o.pair = cached(Some(tagged(listed(key), OWNER)));
        }, "Read pair live"),
        ("also of a pair that only its tag tells", |_, o, key| {
            lost(o, key, "2026-11-24T11:59:00Z");
            o.recorded = Recorded::default();
        }, "Stalled PrivateKeyLost"),
        ("I13: not of one that was deleted for another object", |_, o, key| {
            lost(o, key, "2026-11-24T11:59:00Z");
            o.recorded = Recorded::default();
            let pair = DeletedPair::digest(o.pair.as_ref().unwrap().pair.as_ref().unwrap());
            o.deleted = Some(DeletedPair { pair, until: time("2026-11-24T12:00:30Z") });
        }, "Reconciling InProgress"),
        ("Recreate makes another one", |d, o, key| {
            d.pair = generated(ReplacePolicy::Recreate);
            lost(o, key, "2026-11-24T11:59:00Z");
        }, "Generate"),
        ("but not immediately", |d, o, key| {
            d.pair = generated(ReplacePolicy::Recreate);
            lost(o, key, NOW);
        }, "Reconciling InProgress"),
        ("I3: which is in the Secret before the old pair goes", |d, o, key| {
            d.pair = generated(ReplacePolicy::Recreate);
            lost(o, key, "2026-11-24T11:59:00Z");
            o.done.generated = Some(private_key());
        }, "Create Secret"),
        ("then the old pair goes", |d, o, key| {
            d.pair = generated(ReplacePolicy::Recreate);
            stands(o, key);
            o.secret = secret(Some(&private_key()));
        }, "Delete"),
        ("I1: Recreate never touches an adopted pair", |d, o, key| {
            d.pair = generated(ReplacePolicy::Recreate);
            lost(o, key, "2026-11-24T11:59:00Z");
            o.recorded.origin = Some(Origin::Adopted);
        }, "Stalled PrivateKeyLost"),
        ("another key in the Secret is said", |_, o, key| {
            stands(o, key);
            o.secret = secret(Some(&private_key()));
        }, "Stalled PrivateKeyMismatch"),
    ]);
}

#[test]
fn a_lost_key_may_come_from_a_secret_that_the_spec_named_before() {
    for origin in [Origin::Generated, Origin::Adopted] {
        let (key, mut observed) = (private_key(), observed());
        lost(&mut observed, &key, "2026-11-24T11:59:00Z");
        observed.recorded.origin = Some(origin);
        let desired = Desired { pair: generated(ReplacePolicy::Never), ..desired() };
        let Step::Finish(verdict) = plan(&desired, &observed) else { panic!("{origin:?}") };
        assert!(verdict.message.contains("or from another Secret"), "{}", verdict.message);
    }
}

#[test]
fn a_generated_pair_that_shall_go() {
    check_generated(&[
        ("the recorded pair goes, the Secret unseen", |d, o, key| {
            stands(o, key);
            (d.goal, o.secret) = (Goal::ObjectDeleted, Lookup::Unread);
        }, "Delete"),
        ("one that is not recorded is known by the Secret", |d, o, key| {
            stands(o, key);
            o.recorded = Recorded::default();
            (d.goal, o.secret) = (Goal::ObjectDeleted, Lookup::Unread);
        }, "ReadSecret"),
        ("and goes if the policy says so", |d, o, key| {
            stands(o, key);
            o.recorded = Recorded::default();
            (d.goal, d.deletion_policy) = (Goal::ObjectDeleted, Some(DeletionPolicy::Delete));
        }, "Delete"),
        ("or if its import is on record, the Secret unseen", |d, o, key| {
            stands(o, key);
            o.recorded = Recorded { intent: intent(key.public().line()), ..Recorded::default() };
            (d.goal, o.secret) = (Goal::ObjectDeleted, Lookup::Unread);
        }, "Delete"),
        ("what is gone is gone", |d, o, key| {
            stands(o, key);
            (d.goal, o.pair) = (Goal::ObjectDeleted, live(None));
        }, "Remove finalizer Deleted"),
    ]);
}

#[test]
fn no_key_is_made_that_could_not_be_imported() {
    check_generated(&[
        ("its namespace is counted first", |d, o, _| {
            d.limits.max_key_pairs = Some(3);
            o.has_finalizer = false;
        }, "CountKeyPairs"),
        ("it has all its pairs, and the object keeps neither a finalizer nor a Secret",
         |d, o, _| {
            d.limits.max_key_pairs = Some(3);
            (o.has_finalizer, o.owned) = (false, Some(3));
        }, "Stalled AccountNotAllowed"),
        ("it has not", |d, o, _| {
            d.limits.max_key_pairs = Some(3);
            (o.has_finalizer, o.owned) = (false, Some(2));
        }, "AddFinalizer"),
        ("then a key is made", |d, o, _| {
            d.limits.max_key_pairs = Some(3);
            o.owned = Some(2);
        }, "Generate"),
        ("an import of the object's own may have taken its place", |d, o, key| {
            d.limits.max_key_pairs = Some(3);
            (o.recorded.intent, o.sent) = (intent(key.public().line()), None);
        }, "Generate"),
    ]);
}
