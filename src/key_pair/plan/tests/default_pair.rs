//! The rows of the default pair.

use super::*;
use crate::api::account::Adoption;
use crate::api::{LightsailKeyPair, Reason};
use crate::key_pair::world::{DeletedPair, shows_absence};
use crate::key_pair::{record, status};
use crate::lightsail::Downloaded;

mod deletion;

fn default_kind(create_if_missing: bool, backup: Backup,
    windows_passwords_saved: bool) -> DesiredPair {
    DesiredPair::Default { create_if_missing, secret: kept(), backup, windows_passwords_saved }
}

/// The default pair is there, and this is its private key.
fn default_world() -> (Desired, Observed, PrivateKey) {
    let key = private_key();
    let pair = KeyPair {
        name: KeyPairName::DEFAULT.into(),
        fingerprint: Some(key.public().sha256().into()),
        ..pair(FIRST)
    };
    let kind = default_kind(false, Backup::Required, false);
    let desired = Desired { pair: kind, name: KeyPairName::DEFAULT.into(), ..desired() };
    let mut observed = observed();
    observed.has_finalizer = true;
    observed.pair = live(Some(pair));
    observed.secret = Lookup::Absent;
    (desired, observed, key)
}

type DefaultRow = (&'static str, fn(&mut Desired, &mut Observed, &PrivateKey), &'static str);

fn check_default(goal: Goal, rows: &[DefaultRow]) {
    for (name, change, expected) in rows {
        let (mut desired, mut observed, key) = default_world();
        desired.goal = goal;
        change(&mut desired, &mut observed, &key);
        let step = plan(&desired, &observed);
        assert_eq!(word(&step), *expected, "{name}: {step:?}");
    }
}

fn download(key: &PrivateKey) -> Option<Downloaded> {
    Some(Downloaded { key: key.clone(), created_at: Some(NOW.to_owned()) })
}

/// This process has deleted the pair that a read shows.
fn just_deleted(observed: &mut Observed) {
    let pair = observed.pair.as_ref().and_then(|read| read.pair.as_ref()).unwrap();
    let until = time("2026-11-24T12:00:30Z");
    observed.deleted = Some(DeletedPair { pair: DeletedPair::digest(pair), until });
}

#[test]
fn i5_a_default_pair_that_was_just_deleted_is_not_created_again_by_a_download() {
    check_default(Goal::Present, &[
        ("it is downloaded", |_, _, _| {}, "Download"),
        ("not if it was deleted a moment ago", |_, o, _| just_deleted(o),
         "Reconciling InProgress"),
        ("a list is no better", |_, o, _| {
            just_deleted(o);
            o.pair.as_mut().unwrap().live = false;
        }, "Read pair live"),
        ("one that somebody has created since is another one", |_, o, _| {
            just_deleted(o);
            o.pair.as_mut().unwrap().pair.as_mut().unwrap().arn = "arn:new".into();
        }, "Download"),
    ]);
}

#[test]
fn a_new_key_that_may_not_be_written_is_reported_whoever_owns_the_secret() {
    check_default(Goal::Present, &[
        ("it was to become the owner of its Secret, too", |d, o, key| {
            going_with_object(d);
            o.secret = Lookup::Found(Found { owners: Vec::new(), ..owned(&private_key()) });
            (o.done.download, o.done.set_aside) = (download(key), SetAside::Copied);
            o.failure = Some(Failure::SecretRejected { name: "kept".to_owned(),
                why: "forbidden".to_owned() });
        }, "Stalled SecretRejected"),
    ]);
}

#[test]
fn an_object_has_the_default_pair_once_it_has_its_key() {
    type Change = fn(&mut Desired, &mut Observed, &PrivateKey);
    let rows: [(&str, Change, bool); 6] = [
        ("nothing is downloaded yet", |_, _, _| {}, false),
        ("it is", |_, o, key| o.done.download = download(key), true),
        ("the Secret has the key", |_, o, key| o.secret = secret(Some(key)), true),
        ("it has another one", |_, o, _| o.secret = secret(Some(&private_key())), false),
        ("the Secret is another object's", |_, o, key| {
            o.secret = Lookup::Found(Found { is_of_another: true, key: Some(key.clone()),
                ..somebodys_secret() });
        }, false),
        ("the pair is on record", |_, o, _| {
            o.recorded.arn = o.pair.as_ref().and_then(|read| Some(read.pair.as_ref()?.arn.clone()));
        }, true),
    ];
    for (name, change, expected) in rows {
        let (mut desired, mut observed, key) = default_world();
        change(&mut desired, &mut observed, &key);
        assert_eq!(own_pair(&desired, &observed).is_some(), expected, "{name}");
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn a_default_pair_that_should_be_there() {
    check_default(Goal::Present, &[
        ("the Secret is read before anything is downloaded",
         |_, o, _| o.secret = Lookup::Unread, "ReadSecret"),
        ("a missing Secret asks for a download", |_, _, _| {}, "Download"),
        ("the finalizer comes first", |_, o, _| o.has_finalizer = false, "AddFinalizer"),
        ("I5: and a live read before that",
         |_, o, _| o.pair = cached(o.pair.clone().and_then(|read| read.pair)), "Read pair live"),
        ("what was downloaded is written",
         |_, o, key| o.done.download = download(key), "Create Secret"),
        ("a Secret with the key is enough, and nothing is downloaded",
         |_, o, key| o.secret = secret(Some(key)), "Ready Downloaded"),
        ("its labels are kept as the spec wants them", |d, o, key| {
            let labels = tags(&[("team", "a")]);
            let secret = SecretSpec { labels, ..kept() };
            d.pair = DesiredPair::Default { create_if_missing: false, secret,
                backup: Backup::Required,
                windows_passwords_saved: false };
            o.secret = super::secret(Some(key));
        }, "Replace Secret"),
        ("nor on what a list said", |_, o, key| {
            o.secret = secret(Some(key));
            o.pair = cached(o.pair.clone().and_then(|read| read.pair));
        }, "Ready Downloaded"),
        ("a Secret that lost its key gets it again", |_, o, key| {
            o.secret = secret(None);
            o.done.download = download(key);
        }, "Replace Secret"),
        ("I3: a key that was rotated outside is copied aside first", |_, o, key| {
            o.secret = secret(Some(&private_key()));
            o.done.download = download(key);
        }, "SetAside"),
        ("and then replaced", |_, o, key| {
            o.secret = secret(Some(&private_key()));
            o.done.download = download(key);
            o.done.set_aside = SetAside::Copied;
        }, "Replace Secret"),
        ("I3: a Secret that has the name of the copy is read", |_, o, key| {
            o.secret = secret(Some(&private_key()));
            o.done.download = download(key);
            o.done.set_aside = SetAside::NameTaken;
        }, "ReadCopy"),
        ("it may hold the old key already", |_, o, key| {
            let old = private_key();
            o.secret = secret(Some(&old));
            o.done.download = download(key);
            (o.done.set_aside, o.copy) = (SetAside::NameTaken, secret(Some(&old)));
        }, "Replace Secret"),
        ("I3: if it holds something else, nothing is replaced", |_, o, key| {
            o.secret = secret(Some(&private_key()));
            o.done.download = download(key);
            (o.done.set_aside, o.copy) = (SetAside::NameTaken, secret(Some(&private_key())));
        }, "Stalled SecretNotOwned"),
        ("nor if it holds nothing", |_, o, key| {
            o.secret = secret(Some(&private_key()));
            o.done.download = download(key);
            o.done.set_aside = SetAside::NameTaken;
            o.copy = Lookup::Found(somebodys_secret());
        }, "Stalled SecretNotOwned"),
        ("if it is gone by now, that is tried again", |_, o, key| {
            o.secret = secret(Some(&private_key()));
            o.done.download = download(key);
            (o.done.set_aside, o.copy) = (SetAside::NameTaken, Lookup::Absent);
        }, "Reconciling InProgress"),
        ("I3: a Secret of somebody else is left alone", |_, o, _| {
            o.secret = Lookup::Found(Found { key: Some(private_key()), ..somebodys_secret() });
        }, "Stalled SecretNotOwned"),
        ("I3: also an empty one, and one of another object's", |_, o, key| {
            o.secret = Lookup::Found(Found { is_of_another: true, key: Some(key.clone()),
                ..somebodys_secret() });
        }, "Stalled SecretNotOwned"),
        ("a Secret without annotations that holds the key is taken over", |_, o, key| {
            o.secret = Lookup::Found(Found { key: Some(key.clone()), ..somebodys_secret() });
        }, "Replace Secret"),
        ("a Secret that cannot be written is said", |_, o, _| {
            o.secret = Lookup::Found(Found { is_own: true, rejects: Some(Rejection::Immutable),
                ..somebodys_secret() });
        }, "Stalled SecretRejected"),
        ("a Secret on its way out is waited for", |_, o, key| {
            o.secret = Lookup::Found(Found { is_own: true, is_terminating: true,
                key: Some(key.clone()), ..somebodys_secret() });
        }, "Reconciling InProgress"),
        ("I5: a pair that was replaced meanwhile is noticed, and its key kept", |_, o, _| {
            o.done.download = download(&private_key());
        }, "Create Secret"),
        ("I5: and then said", |_, o, _| {
            let other = private_key();
            o.done.download = download(&other);
            o.secret = secret(Some(&other));
        }, "Stalled DefaultKeyPairReplaced"),
        ("a fraction of a second is no other time", |_, o, key| {
            let created_at = Some("2026-11-24T12:00:00.9Z".to_owned());
            o.done.download = Some(Downloaded { key: key.clone(), created_at });
            o.secret = secret(Some(key));
        }, "Ready Downloaded"),
        ("nor is one that was rounded up", |_, o, key| {
            let created_at = Some("2026-11-24T12:00:01Z".to_owned());
            o.done.download = Some(Downloaded { key: key.clone(), created_at });
            o.secret = secret(Some(key));
        }, "Ready Downloaded"),
        ("I5: the same key of another time is another pair", |_, o, key| {
            let created_at = Some("2026-11-24T12:00:02Z".to_owned());
            o.done.download = Some(Downloaded { key: key.clone(), created_at });
            o.secret = secret(Some(key));
        }, "Stalled DefaultKeyPairReplaced"),
        ("without a fingerprint the key is downloaded once", |_, o, key| {
            o.secret = secret(Some(key));
            o.pair = live(Some(KeyPair { fingerprint: None, ..pair(FIRST) }));
        }, "Download"),
        ("also where the Secret cannot be written", |_, o, key| {
            o.secret = Lookup::Found(Found { is_own: true, rejects: Some(Rejection::Immutable),
                key: Some(key.clone()), ..somebodys_secret() });
            o.pair = live(Some(KeyPair { fingerprint: None, ..pair(FIRST) }));
        }, "Download"),
        ("which is said if it holds another key", |_, o, key| {
            o.secret = Lookup::Found(Found { is_own: true, rejects: Some(Rejection::Immutable),
                key: Some(private_key()), ..somebodys_secret() });
            o.done.download = download(key);
            o.pair = live(Some(KeyPair { fingerprint: None, ..pair(FIRST) }));
        }, "Stalled SecretRejected"),
        ("and is known the next time, without another download", |_, o, key| {
            o.secret = Lookup::Found(Found { is_own: true, rejects: Some(Rejection::Immutable),
                key: Some(private_key()), ..somebodys_secret() });
            let unlisted = KeyPair { fingerprint: None, ..pair(FIRST) };
            o.recorded = Recorded { arn: Some(unlisted.arn.clone()),
                created_at: unlisted.created_at.clone(),
                public_key_sha256: Some(key.public().sha256()), ..Recorded::default() };
            o.pair = live(Some(unlisted));
        }, "Stalled SecretRejected"),
        ("and is enough if it does not", |_, o, key| {
            o.secret = Lookup::Found(Found { is_own: true, rejects: Some(Rejection::Immutable),
                key: Some(key.clone()), ..somebodys_secret() });
            o.done.download = download(key);
            o.pair = live(Some(KeyPair { fingerprint: None, ..pair(FIRST) }));
        }, "Ready Downloaded"),
        ("and then it is enough", |_, o, key| {
            o.secret = secret(Some(key));
            o.done.download = download(key);
            o.pair = live(Some(KeyPair { fingerprint: None, ..pair(FIRST) }));
        }, "Ready Downloaded"),
        ("and at the next pass the record tells that it is the same pair", |_, o, key| {
            o.secret = secret(Some(key));
            o.recorded = recorded(&pair(FIRST), Origin::Default);
            o.recorded.public_key_sha256 = Some(key.public().sha256());
            o.pair = live(Some(KeyPair { fingerprint: None, ..pair(FIRST) }));
        }, "Ready Downloaded"),
        ("but not of another key that is in the Secret by now", |_, o, key| {
            o.secret = secret(Some(key));
            o.recorded = recorded(&pair(FIRST), Origin::Default);
            o.pair = live(Some(KeyPair { fingerprint: None, ..pair(FIRST) }));
        }, "Download"),
        ("I3: nor of a pair that was made anew, where ARNs are made of names", |_, o, key| {
            o.secret = secret(Some(key));
            o.recorded = recorded(&pair(FIRST), Origin::Default);
            o.recorded.public_key_sha256 = Some(key.public().sha256());
            o.recorded.created_at = Some("2026-11-24T11:00:00Z".to_owned());
            o.pair = live(Some(KeyPair { fingerprint: None, ..pair(FIRST) }));
        }, "Download"),
        ("I5: no pair is created unasked",
         |_, o, _| o.pair = live(None), "Stalled DefaultKeyPairMissing"),
        ("nor is its absence said on old news", |_, o, _| o.pair = cached(None), "Read pair live"),
        ("nor of one that was made a moment ago, and may only not be visible yet", |_, o, _| {
            o.recorded = recorded(&pair(FIRST), Origin::Default);
            (o.pair, o.timing.settle_time) = (live(None), Duration::from_mins(1));
        }, "Reconciling InProgress"),
        ("one is created where that is asked for",
         |d, o, _| { may_create(d); o.pair = live(None); }, "Download"),
        ("once: a list may not show it yet", |d, o, _| {
            may_create(d);
            (o.pair, o.unlisted_until) = (live(None), Some(time("2026-11-24T12:00:30Z")));
        }, "Reconciling InProgress"),
        ("and again if none shows it for long", |d, o, _| {
            may_create(d);
            (o.pair, o.unlisted_until) = (live(None), Some(time(NOW)));
        }, "Download"),
        ("and looked for", |d, o, key| {
            may_create(d);
            o.pair = live(None);
            o.done.download = download(key);
        }, "Read pair live"),
        ("and waited for", |d, o, key| {
            may_create(d);
            o.pair = live(None);
            o.done.download = download(key);
            o.done.read_since_download = true;
        }, "Reconciling InProgress"),
        ("another object that has the pair comes first", |_, o, _| {
            o.rivals = vec![rival("z", Some("arn:own"))];
        }, "Stalled NameConflict"),
    ]);
}

#[test]
fn a_default_pair_that_is_about_to_go_is_waited_for() {
    check_default(Goal::Present, &[
        ("I5: nothing is downloaded while a deletion is under way", |_, o, _| {
            o.recorded = recorded(&pair(FIRST), Origin::Default);
            o.recorded.deletion = Some(under_way(NOW));
        }, "Reconciling InProgress"),
        ("nor is it Ready", |_, o, key| {
            o.secret = secret(Some(key));
            o.recorded = recorded(&pair(FIRST), Origin::Default);
            o.recorded.deletion = Some(under_way(NOW));
        }, "Reconciling InProgress"),
        ("I5: nor while one may follow that was not answered",
         |_, o, _| o.deletion_may_follow = Some(time("2026-11-24T12:00:30Z")),
         "Reconciling InProgress"),
        ("and none is created then", |d, o, _| {
            may_create(d);
            (o.pair, o.deletion_may_follow) = (live(None), Some(time("2026-11-24T12:00:30Z")));
        }, "Reconciling InProgress"),
        ("nor while one may that another process sent", |d, o, _| {
            may_create(d);
            (o.pair, o.predecessors_may_act) = (live(None), time("2026-11-24T12:00:30Z"));
            o.recorded.deleted_at = Some(time("2026-11-24T11:59:55Z"));
        }, "Reconciling InProgress"),
    ]);
}

/// Lightsail lists no fingerprint, and somebody has replaced the pair since its key was written.
#[test]
fn i3_the_key_of_a_pair_is_not_recorded_of_the_one_that_comes_after_it() {
    let (desired, seen, key) = default_world();
    let object = |arn: &str| -> LightsailKeyPair {
        serde_json::from_value(serde_json::json!({
            "metadata": { "name": "fleet", "namespace": "team-a", "generation": 1 },
            "spec": { "type": "Default", "region": "eu-west-1" },
            "status": {
                "observedGeneration": 1, "accountID": "123456789012", "origin": "Default",
                "arn": arn, "createdAt": NOW, "publicKeySHA256": key.public().sha256(),
            },
        }))
        .unwrap()
    };
    for (sentence, arn, expected) in [
        ("it is the same pair", "arn:own", "Ready Downloaded"),
        ("it is another one", "arn:before", "Download"),
    ] {
        let mut object = object(arn);
        let pair = live(Some(KeyPair { fingerprint: None, ..pair(FIRST) }));
        let seen = |object: &LightsailKeyPair| Observed {
            recorded: record::recorded(object), pair: pair.clone(),
            secret: secret(Some(&key)), ..seen.clone() };
        let refused = Observed { failure: failed(ErrorKind::Denied), ..seen(&object) };
        let Step::Finish(verdict) = plan(&desired, &refused) else { panic!("it is refused") };
        object.status = Some(status::status(&object, &desired, &refused, &verdict));
        let step = plan(&desired, &seen(&object));
        assert_eq!(word(&step), expected, "{sentence}: {step:?}");
    }
}

fn under_way(since: &str) -> Operation {
    let (id, status) = (Some("a".to_owned()), Some("Started".to_owned()));
    Operation { id, status, created_at: Some(since.to_owned()), ..Operation::default() }
}

fn may_create(desired: &mut Desired) {
    desired.pair = default_kind(true, Backup::Required, false);
}

#[test]
fn a_change_that_found_none_is_followed_by_a_read_and_only_once() {
    let (_, mut observed, _) = default_world();
    let answered = Operation { id: Some("1".to_owned()), ..Operation::default() };
    assert!(!shows_absence(None), "a read has just shown it");
    assert!(shows_absence(Some(&answered)));
    assert!(!shows_absence(Some(&Operation::default())), "nobody says so");
    let failed = Operation { status: Some("Failed".to_owned()), ..answered };
    assert!(!shows_absence(Some(&failed)), "it says the contrary");
    let found_none = || Err(lightsail::Error::of_kind(ErrorKind::NotFound));
    let throttled = || Err(lightsail::Error::of_kind(ErrorKind::Throttled));
    assert!(needs_another_read(&observed, &found_none()));
    assert!(!needs_another_read(&observed, &throttled()));
    assert!(!needs_another_read(&observed, &Ok(())));
    observed.done.found_none = true;
    assert!(!needs_another_read(&observed, &found_none()));
}

/// The Secret is to be deleted with the object.
fn going_with_object(desired: &mut Desired) {
    let secret = SecretSpec { delete_with_object: true, ..kept() };
    desired.pair = DesiredPair::Default { create_if_missing: false, secret,
        backup: Backup::Required, windows_passwords_saved: false };
}

#[test]
fn the_tags_of_a_default_pair_change_only_where_all_that_was_there_may_be_changed() {
    fn tagged_once(desired: &mut Desired, observed: &mut Observed, key: &PrivateKey) {
        desired.limits.adoption = Adoption::Retain;
        observed.secret = secret(Some(key));
        observed.recorded.managed_tag_keys = vec!["team".to_owned()];
        let pair = observed.pair.as_mut().and_then(|read| read.pair.as_mut()).unwrap();
        pair.tags.insert("team".to_owned(), Some("a".to_owned()));
    }
    fn to_be_tagged(desired: &mut Desired, observed: &mut Observed, key: &PrivateKey) {
        tagged_once(desired, observed, key);
        desired.tags = tags(&[("team", "b")]);
    }
    check_default(Goal::Present, &[
        ("what was there stays", to_be_tagged, "Ready Downloaded"),
        ("and is not removed", tagged_once, "Ready Downloaded"),
        ("it may be set", |d, o, key| {
            to_be_tagged(d, o, key);
            d.limits = Limits::default();
        }, "Tag"),
        ("and removed", |d, o, key| {
            tagged_once(d, o, key);
            d.limits = Limits::default();
        }, "RemoveTags"),
    ]);
}

#[test]
fn a_download_creates_no_pair_that_was_listed() {
    for (name, read, expected) in [
        ("nobody has read a list", None, true),
        ("a list shows none", live(None), true),
        ("a list shows it", live(Some(pair(FIRST))), false),
    ] {
        assert_eq!(may_be_unlisted(&Observed { pair: read, ..observed() }), expected, "{name}");
    }
}
