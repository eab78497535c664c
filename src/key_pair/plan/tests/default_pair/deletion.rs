//! The rows of a default pair that is deleted.

use super::*;

/// The spec names the pair, and the Secret has its key.
fn may_go(desired: &mut Desired, observed: &mut Observed, key: &PrivateKey) {
    desired.expected_fingerprint = Some(key.public().sha256().into());
    desired.deletion_policy = Some(DeletionPolicy::Delete);
    observed.secret = secret(Some(key));
    observed.namespace_terminating = Some(false);
    observed.windows_instances = Some(Vec::new());
}

/// The object's Secret, which goes with an object of another operator.
fn of_somebody(key: &PrivateKey) -> Found {
    let owner = OwnerReference { kind: "ExternalSecret".to_owned(), uid: "x".to_owned(),
        ..OwnerReference::default() };
    Found { owners: vec![owner], ..owned(key) }
}

#[test]
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn a_default_pair_that_should_go() {
    let rows: &[DefaultRow] = &[
        ("I2: with the expected fingerprint, which is sent along",
         may_go, "Delete with fingerprint"),
        ("not again immediately, if it is listed and could not be found", |d, o, key| {
            may_go(d, o, key);
            o.done.found_none = true;
        }, "Reconciling InProgress"),
        ("nor if the answer to its deletion named no operation", |d, o, key| {
            may_go(d, o, key);
            o.done.delete = Some(Operation::default());
        }, "Reconciling InProgress"),
        ("I2: not with another one", |d, o, key| {
            may_go(d, o, key);
            d.expected_fingerprint = Some(private_key().public().sha256().into());
        }, "Stalled FingerprintMismatch"),
        ("I2: not without one", |d, o, key| {
            may_go(d, o, key);
            d.expected_fingerprint = None;
        }, "Stalled FingerprintMismatch"),
        ("I2: not where Lightsail gives none", |d, o, key| {
            may_go(d, o, key);
            o.pair = live(Some(KeyPair { fingerprint: None, ..pair(FIRST) }));
        }, "Stalled FingerprintMismatch"),
        ("I2: not where neither has one", |d, o, key| {
            may_go(d, o, key);
            d.expected_fingerprint = None;
            o.pair = live(Some(KeyPair { fingerprint: None, ..pair(FIRST) }));
        }, "Stalled FingerprintMismatch"),
        ("I7: not on what a list said a while ago", |d, o, key| {
            may_go(d, o, key);
            o.pair = cached(o.pair.clone().and_then(|read| read.pair));
        }, "Read pair live"),
        ("I3: not before the Secret was read",
         |d, o, key| { may_go(d, o, key); o.secret = Lookup::Unread; }, "ReadSecret"),
        ("I3: not before the Secret has the key",
         |d, o, key| { may_go(d, o, key); o.secret = Lookup::Absent; }, "Download"),
        ("I3: nor with another key in it", |d, o, key| {
            may_go(d, o, key);
            o.secret = secret(Some(&private_key()));
        }, "Download"),
        ("I3: nor with the key in somebody else's Secret", |d, o, key| {
            may_go(d, o, key);
            o.secret = Lookup::Found(Found { is_of_another: true, key: Some(key.clone()),
                ..somebodys_secret() });
        }, "Stalled SecretNotOwned"),
        ("I5: nothing is downloaded while a deletion is under way", |d, o, key| {
            may_go(d, o, key);
            o.secret = Lookup::Absent;
            o.recorded.deletion = Some(under_way(NOW));
        }, "Reconciling InProgress"),
        ("I5: not while a download may follow that was not answered", |d, o, key| {
            may_go(d, o, key);
            o.download_may_follow = Some(time("2026-11-24T12:00:30Z"));
        }, "Reconciling InProgress"),
        ("though what else keeps it is shown meanwhile", |d, o, key| {
            may_go(d, o, key);
            o.download_may_follow = Some(time("2026-11-24T12:00:30Z"));
            o.stalled_for = Some(Reason::WindowsInstancesUseKey);
        }, "Pause WindowsInstancesUseKey"),
        ("but not what is known to be over", |d, o, key| {
            may_go(d, o, key);
            o.download_may_follow = Some(time("2026-11-24T12:00:30Z"));
            o.stalled_for = Some(Reason::InvalidCredentials);
        }, "Reconciling InProgress"),
        ("and a pair that is not there is none that they need", |d, o, key| {
            may_go(d, o, key);
            o.pair = live(None);
            o.download_may_follow = Some(time("2026-11-24T12:00:30Z"));
            o.stalled_for = Some(Reason::WindowsInstancesUseKey);
        }, "Reconciling InProgress"),
        ("nor is it gone for good by then", |d, o, key| {
            may_go(d, o, key);
            o.pair = live(None);
            o.download_may_follow = Some(time("2026-11-24T12:00:30Z"));
        }, "Reconciling InProgress"),
        ("nor while a list may not show what was downloaded", |d, o, key| {
            may_go(d, o, key);
            (o.pair, o.unlisted_until) = (live(None), Some(time("2026-11-24T12:00:30Z")));
        }, "Reconciling InProgress"),
        ("it is when that is over", |d, o, key| {
            may_go(d, o, key);
            o.download_may_follow = Some(time(NOW));
        }, "Delete with fingerprint"),
        ("I13: nor one that another process sent", |d, o, key| {
            may_go(d, o, key);
            o.predecessors_may_act = time("2026-11-24T12:00:30Z");
        }, "Reconciling InProgress"),
        ("for another object of the name, too", |d, o, key| {
            may_go(d, o, key);
            o.predecessors_may_act = time("2026-11-24T12:00:30Z");
            o.has_finalizer = true;
            d.created_at = Some(o.now);
        }, "Reconciling InProgress"),
        ("nor is it gone for good by then, either", |d, o, key| {
            may_go(d, o, key);
            o.pair = live(None);
            o.predecessors_may_act = time("2026-11-24T12:00:30Z");
            d.created_at = Some(time("2026-11-24T11:00:00Z"));
        }, "Reconciling InProgress"),
        ("nor are Windows instances looked for", |d, o, key| {
            may_go(d, o, key);
            o.windows_instances = None;
            o.recorded.deletion = Some(under_way(NOW));
        }, "Reconciling InProgress"),
        ("one that takes long is asked about", |d, o, key| {
            may_go(d, o, key);
            o.recorded.deletion = Some(under_way("2026-11-24T11:59:50Z"));
        }, "ReadOperation"),
        ("and begun again, if Lightsail does not know it", |d, o, key| {
            may_go(d, o, key);
            o.recorded.deletion = Some(under_way("2026-11-24T11:59:50Z"));
            o.operation = Lookup::Absent;
        }, "Delete with fingerprint"),
        ("I7: a list of all would take as long again", |d, o, key| {
            may_go(d, o, key);
            o.now = time("2026-11-24T12:00:06Z");
        }, "ReadDefaultPair"),
        ("I5: a pair that was replaced during the download stays", |d, o, key| {
            may_go(d, o, key);
            let other = private_key();
            o.done.download = download(&other);
            o.secret = secret(Some(&other));
        }, "Stalled DefaultKeyPairReplaced"),
    ];
    check_default(Goal::Absent, rows);
    check_default(Goal::ObjectDeleted, rows);
    check_default(Goal::Absent, &[
        ("I5: what is gone is not downloaded",
         |d, o, key| { may_go(d, o, key); o.pair = live(None); }, "Ready Absent"),
        ("it is gone for good, if it was before another process might have sent one", |d, o, key| {
            may_go(d, o, key);
            (o.pair, o.was_acted_on) = (live(None), true);
            o.predecessors_may_act = time("2026-11-24T12:00:30Z");
        }, "Ready Absent"),
        ("I3: the Secret on record stays, too", |d, o, key| {
            may_go(d, o, key);
            o.recorded.secret_name = Some("former".to_owned());
            o.pair = live(None);
        }, "ReadFormerSecret"),
        ("the finalizer comes before the deletion",
         |d, o, key| { may_go(d, o, key); o.has_finalizer = false; }, "AddFinalizer"),
        ("I3: a Secret on its way out is no backup", |d, o, key| {
            may_go(d, o, key);
            o.secret = Lookup::Found(Found { is_own: true, is_terminating: true,
                key: Some(key.clone()), ..somebodys_secret() });
        }, "Stalled BackupMissing"),
        ("I3: one that goes with an earlier object is none until its owner is taken off",
         |d, o, key| { may_go(d, o, key); o.secret = Lookup::Found(of_earlier(key)); },
         "DisownSecret"),
        ("I15: that of a user is left as it is, and is none", |d, o, key| {
            may_go(d, o, key);
            o.secret = Lookup::Found(Found { was_created: false, ..of_earlier(key) });
        }, "Stalled BackupMissing"),
        ("I3: one that goes with something else is none", |d, o, key| {
            may_go(d, o, key);
            o.secret = Lookup::Found(of_somebody(key));
        }, "Stalled BackupMissing"),
        ("one that goes with this object is one, as long as that stays", |d, o, key| {
            may_go(d, o, key);
            going_with_object(d);
            o.secret = Lookup::Found(owned(key));
        }, "Delete with fingerprint"),
        ("without a backup, if that is wanted", |d, o, key| {
            may_go(d, o, key);
            d.pair = default_kind(false, Backup::Skip, false);
            o.secret = Lookup::Unread;
        }, "Delete with fingerprint"),
        ("I2: but not without its fingerprint", |d, o, key| {
            may_go(d, o, key);
            d.pair = default_kind(false, Backup::Skip, false);
            d.expected_fingerprint = None;
        }, "Stalled FingerprintMismatch"),
        ("Windows instances are looked for",
         |d, o, key| { may_go(d, o, key); o.windows_instances = None; }, "FindWindowsInstances"),
        ("one that uses the pair keeps it", |d, o, key| {
            may_go(d, o, key);
            o.windows_instances = Some(vec!["desk".to_owned()]);
        }, "Stalled WindowsInstancesUseKey"),
        ("unless the passwords are saved", |d, o, key| {
            may_go(d, o, key);
            d.pair = default_kind(false, Backup::Required, true);
            o.windows_instances = None;
        }, "Delete with fingerprint"),
        ("another object that has the pair comes first", |d, o, key| {
            may_go(d, o, key);
            o.rivals = vec![rival("z", Some("arn:own"))];
        }, "Stalled NameConflict"),
    ]);
    check_default(Goal::ObjectDeleted, &[
        ("by default the pair stays", |_, _, _| {}, "Remove finalizer Released"),
        ("I5: what is gone is not downloaded",
         |d, o, key| { may_go(d, o, key); o.pair = live(None); }, "Remove finalizer Deleted"),
        ("one that was made a moment ago may only not be visible yet", |d, o, key| {
            may_go(d, o, key);
            o.recorded = recorded(&pair(FIRST), Origin::Default);
            (o.pair, o.timing.settle_time) = (live(None), Duration::from_mins(1));
        }, "Reconciling InProgress"),
        ("I3: a namespace that goes away does not take the pair with it", |d, o, key| {
            may_go(d, o, key);
            o.namespace_terminating = Some(true);
        }, "Remove finalizer Released"),
        ("the namespace is read for that",
         |d, o, key| { may_go(d, o, key); o.namespace_terminating = None; }, "ReadNamespace"),
        ("I3: nor does a Secret that goes away", |d, o, key| {
            may_go(d, o, key);
            o.secret = Lookup::Found(Found { is_own: true, is_terminating: true,
                key: Some(key.clone()), ..somebodys_secret() });
        }, "Remove finalizer Released"),
        ("I3: nor does a Secret that goes with its object", |d, o, key| {
            may_go(d, o, key);
            going_with_object(d);
            o.secret = Lookup::Found(owned(key));
        }, "Remove finalizer Released"),
        ("a user's does not go with it", |d, o, key| {
            may_go(d, o, key);
            going_with_object(d);
            o.secret = Lookup::Found(Found { owners: Vec::new(), was_created: false,
                ..owned(key) });
        }, "Delete with fingerprint"),
        ("I3: nor does one that goes with something else", |d, o, key| {
            may_go(d, o, key);
            o.secret = Lookup::Found(of_somebody(key));
        }, "Stalled BackupMissing"),
        ("I3: one of an earlier object of the name gets rid of that first", |d, o, key| {
            may_go(d, o, key);
            o.secret = Lookup::Found(of_earlier(key));
        }, "DisownSecret"),
        ("I3: one that is to stay now gets rid of its owner first", |d, o, key| {
            may_go(d, o, key);
            o.secret = Lookup::Found(owned(key));
        }, "DisownSecret"),
        ("also one that is immutable", |d, o, key| {
            may_go(d, o, key);
            o.secret = Lookup::Found(Found { rejects: Some(Rejection::Immutable), ..owned(key) });
        }, "DisownSecret"),
        ("another object that has the pair keeps it", |d, o, key| {
            may_go(d, o, key);
            o.rivals = vec![rival("z", Some("arn:own"))];
        }, "Remove finalizer Released"),
    ]);
}
