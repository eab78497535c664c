//! The plan as a table: a row changes one thing in a world and says which step comes next. The names are sentences.
//!
//! The invariants that a row holds are named in it; `docs/architecture.md` has them.

#![expect(clippy::unnecessary_wraps, clippy::option_option, reason = "helpers have the shape of the fields of Observed")]

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;

use super::*;
use crate::controllers::outcome::State;

mod default_pair;

const FIRST: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIInr0RHyB4V7DJqGqPA5Vy+9U501OmgDwTtpC3DgRvHS first";
const SECOND: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGOg8x1KKUn7tht3BG5yIFuvz0i4Tc4vL+ES7obngiIE second";
const OWNER: &str = "cluster/team-a/fleet";
const NOW: &str = "2026-11-24T12:00:00Z";

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn key(line: &str) -> PublicKey {
    PublicKey::parse(line).unwrap()
}

/// A spec that was just applied, of type Imported.
fn desired() -> Desired {
    Desired {
        kind: Kind::Imported(Some(PublicKey::parse(FIRST))),
        name: "fleet".to_owned(),
        region: "eu-west-1".to_owned(),
        goal: Goal::Present,
        deletion_policy: None,
        expected_fingerprint: None,
        owner: OWNER.to_owned(),
        created_at: Some(time(NOW)),
        uid: "b".to_owned(),
        interval: Duration::from_mins(10),
        invalid_name: None,
        pinned_account: None,
    }
}

/// Nobody has looked at anything but the account.
fn observed() -> Observed {
    Observed {
        now: time(NOW),
        asked: false,
        recorded: Recorded::default(),
        finalizer: Finalizer::Missing,
        account: Some("123456789012".to_owned()),
        look: None,
        secret: None,
        namespace_terminating: None,
        rivals: Vec::new(),
        import_may_land_until: None,
        done: Done::default(),
    }
}

/// What Lightsail lists for a key.
fn pair(line: &str) -> KeyPair {
    KeyPair {
        name: "fleet".to_owned(),
        arn: "arn:own".to_owned(),
        created_at: Some(NOW.to_owned()),
        support_code: None,
        fingerprint: Some(key(line).sha256()),
        tags: BTreeMap::new(),
    }
}

fn tagged(mut pair: KeyPair, owner: &str) -> KeyPair {
    pair.tags.insert(crate::api::OWNER_TAG.to_owned(), Some(owner.to_owned()));
    pair
}

fn live(pair: Option<KeyPair>) -> Option<Look> {
    Some(Look { live: true, pair })
}

fn cached(pair: Option<KeyPair>) -> Option<Look> {
    Some(Look { live: false, pair })
}

fn recorded(pair: &KeyPair, origin: Origin) -> Recorded {
    Recorded {
        account: Some("123456789012".to_owned()),
        arn: Some(pair.arn.clone()),
        created_at: pair.created_at.clone(),
        fingerprint: pair.fingerprint.clone(),
        public_key_sha256: Some(key(FIRST).sha256()),
        origin: Some(origin),
    }
}

/// The own pair stands as it was recorded.
fn settled(observed: &mut Observed) {
    observed.finalizer = Finalizer::Old;
    observed.recorded = recorded(&pair(FIRST), Origin::Imported);
    observed.look = live(Some(tagged(pair(FIRST), OWNER)));
}

fn rival(uid: &str, arn: Option<&str>) -> Rival {
    let owner = "cluster/team-b/fleet".to_owned();
    Rival { uid: uid.to_owned(), owner, created_at: Some(time(NOW)), arn: arn.map(str::to_owned), deleting: false }
}

/// A step in a word or two, as the tables write it.
fn word(step: &Step) -> String {
    match step {
        Step::Finish(verdict) => format!("{:?} {}", verdict.state, verdict.reason),
        Step::Look { live: true } => "Look live".to_owned(),
        Step::Look { live: false } => "Look".to_owned(),
        Step::RemoveFinalizer { reason, .. } => format!("Remove finalizer {reason}"),
        Step::Delete { expected_fingerprint: Some(_) } => "Delete with fingerprint".to_owned(),
        Step::WriteSecret { found: Some(_), .. } => "Replace Secret".to_owned(),
        Step::WriteSecret { found: None, .. } => "Create Secret".to_owned(),
        other @ (Step::Identify
        | Step::ReadSecret(_)
        | Step::ReadNamespace
        | Step::AddFinalizer
        | Step::ForgetPair
        | Step::RecordAdoption(_)
        | Step::Import(_)
        | Step::Tag(_)
        | Step::Download
        | Step::SetAside { .. }
        | Step::Delete { .. }
        | Step::Untag { .. }
        | Step::Leave) => format!("{other:?}").split(['(', ' ', '{']).next().unwrap_or_default().to_owned(),
    }
}

type Row = (&'static str, fn(&mut Desired, &mut Observed), &'static str);

fn check(base: fn() -> (Desired, Observed), rows: &[Row]) {
    for (name, change, expected) in rows {
        let (mut desired, mut observed) = base();
        change(&mut desired, &mut observed);
        let step = plan(&desired, &observed);
        assert_eq!(word(&step), *expected, "{name}: {step:?}");
    }
}

#[test]
fn an_imported_pair_that_shall_be_there() {
    check(|| (desired(), observed()), &[
        ("nothing is called before the account is known", |_, o| o.account = None, "Identify"),
        ("a look may come from the shared list", |_, _| {}, "Look"),
        ("but not if somebody asked for a look now", |_, o| o.asked = true, "Look live"),
        ("the finalizer comes before the import", |_, o| o.look = cached(None), "AddFinalizer"),
        ("what is not there is imported", |_, o| { o.look = cached(None); o.finalizer = Finalizer::New; }, "Import"),
        ("a private key is refused before any call", |d, o| {
            d.kind = Kind::Imported(Some(Err(InvalidPublicKey::Private)));
            o.look = cached(None);
        }, "Stalled InvalidPublicKey"),
        ("a name that cannot be is refused before any call", |d, o| {
            d.invalid_name = Some("no".to_owned());
            o.account = None;
        }, "Stalled InvalidName"),
        ("an answered import that is not to be seen yet is waited for", |_, o| {
            o.finalizer = Finalizer::New;
            o.look = live(None);
            o.done.import = Some(Operation { status: Some("Started".to_owned()), ..Operation::default() });
        }, "Reconciling InProgress"),
        ("an import that failed in Lightsail is said", |_, o| {
            o.look = live(None);
            o.done.import = Some(Operation { status: Some("Failed".to_owned()), ..Operation::default() });
        }, "Stalled OperationFailed"),
        ("a name that another type of resource has is a conflict", |_, o| {
            o.finalizer = Finalizer::New;
            o.look = live(None);
            o.done.name_taken = true;
        }, "Stalled NameConflict"),
        ("an imported pair is tagged", |_, o| {
            o.finalizer = Finalizer::New;
            o.look = live(Some(pair(FIRST)));
            o.done.import = Some(Operation::default());
        }, "Tag"),
        ("an imported pair without a fingerprint is tagged too", |_, o| {
            o.finalizer = Finalizer::New;
            o.look = live(Some(KeyPair { fingerprint: None, ..pair(FIRST) }));
            o.done.import = Some(Operation::default());
        }, "Tag"),
        ("I1: a pair with another key that took the name after the import is not", |_, o| {
            o.finalizer = Finalizer::New;
            o.look = live(Some(pair(SECOND)));
            o.done.import = Some(Operation::default());
        }, "Stalled NameConflict"),
        ("an import whose status was lost is the object's own", |_, o| {
            o.finalizer = Finalizer::Old;
            o.look = live(Some(pair(FIRST)));
        }, "Tag"),
        ("a settled pair is Ready", |_, o| settled(o), "Ready Imported"),
        ("a settled pair in the shared list is Ready", |_, o| {
            settled(o);
            o.look = cached(Some(tagged(pair(FIRST), OWNER)));
        }, "Ready Imported"),
        ("a tag that was taken off is put back", |_, o| { settled(o); o.look = live(Some(pair(FIRST))); }, "Tag"),
        ("a finalizer that was stripped is put back", |_, o| { settled(o); o.finalizer = Finalizer::Missing; }, "AddFinalizer"),
        ("a pair that seems to be gone is looked for live", |_, o| { settled(o); o.look = cached(None); }, "Look live"),
        ("a pair that is gone is forgotten before another is imported", |_, o| { settled(o); o.look = live(None); }, "ForgetPair"),
        ("another key in the spec replaces nothing", |d, o| {
            settled(o);
            d.kind = Kind::Imported(Some(PublicKey::parse(SECOND)));
        }, "Stalled PublicKeyChanged"),
        ("another key is noticed without a fingerprint", |d, o| {
            settled(o);
            d.kind = Kind::Imported(Some(PublicKey::parse(SECOND)));
            o.look = live(Some(KeyPair { fingerprint: None, ..tagged(pair(FIRST), OWNER) }));
        }, "Stalled PublicKeyChanged"),
        ("another comment is no other key", |d, o| {
            settled(o);
            d.kind = Kind::Imported(Some(PublicKey::parse(&FIRST.replace("first", "renamed"))));
        }, "Ready Imported"),
        ("an unknown fingerprint is Ready", |_, o| {
            settled(o);
            o.look = live(Some(KeyPair { fingerprint: Some("of a new form".to_owned()), ..tagged(pair(FIRST), OWNER) }));
        }, "Ready Imported"),
        ("another owner's tag on the own pair is no tug of war", |_, o| {
            settled(o);
            o.look = live(Some(tagged(pair(FIRST), "other/team-a/fleet")));
        }, "Stalled OwnershipLost"),
    ]);
}

#[test]
fn an_imported_pair_that_somebody_else_made() {
    fn base() -> (Desired, Observed) {
        let mut observed = observed();
        observed.look = live(Some(KeyPair { created_at: Some("2020-01-01T00:00:00Z".to_owned()), ..pair(FIRST) }));
        (desired(), observed)
    }
    check(base, &[
        ("the same key is adopted, the finalizer first", |_, _| {}, "AddFinalizer"),
        ("an adoption is recorded before it is tagged", |_, o| o.finalizer = Finalizer::New, "RecordAdoption"),
        ("a recorded adoption is tagged", |_, o| {
            o.finalizer = Finalizer::New;
            o.recorded = recorded(&pair(FIRST), Origin::Adopted);
        }, "Tag"),
        ("an adopted pair is Ready as that", |_, o| {
            settled(o);
            o.recorded.origin = Some(Origin::Adopted);
        }, "Ready Adopted"),
        ("a pair that is older than the object is not the object's own", |_, o| o.finalizer = Finalizer::Old, "RecordAdoption"),
        ("another key is a conflict", |_, o| o.look = live(Some(pair(SECOND))), "Stalled NameConflict"),
        ("a conflict is not said on old news", |_, o| o.look = cached(Some(pair(SECOND))), "Look live"),
        ("another owner's pair is a conflict", |_, o| {
            o.look = live(Some(tagged(pair(FIRST), "other/team-a/fleet")));
        }, "Stalled NameConflict"),
        ("our tag on another key is a conflict", |_, o| o.look = live(Some(tagged(pair(SECOND), OWNER))), "Stalled NameConflict"),
        ("an object whose status was lost knows its pair by tag and key", |_, o| {
            o.finalizer = Finalizer::Old;
            o.look = live(Some(tagged(pair(FIRST), OWNER)));
        }, "Ready Imported"),
        ("another object that records the pair comes first", |_, o| {
            o.rivals = vec![rival("z", Some("arn:own"))];
        }, "Stalled NameConflict"),
        ("another object that is on its way out is waited for", |_, o| {
            o.rivals = vec![Rival { deleting: true, ..rival("z", Some("arn:own")) }];
        }, "Reconciling WaitingForOwner"),
        ("of two objects of one age the smaller uid comes first", |_, o| o.rivals = vec![rival("a", None)], "Stalled NameConflict"),
        ("and the greater one waits for it", |_, o| o.rivals = vec![rival("c", None)], "AddFinalizer"),
    ]);
}

#[test]
fn deleting_an_object_with_an_imported_pair() {
    fn base() -> (Desired, Observed) {
        let mut observed = observed();
        settled(&mut observed);
        (Desired { goal: Goal::ObjectDeleted, ..desired() }, observed)
    }
    check(base, &[
        ("an object without a finalizer never did anything", |_, o| o.finalizer = Finalizer::Missing, "Leave"),
        ("the own pair is deleted", |_, _| {}, "Delete"),
        ("I7: not on what a list said a while ago", |_, o| o.look = cached(Some(pair(FIRST))), "Look live"),
        ("I7: nor without any look", |_, o| o.look = None, "Look live"),
        ("what is gone is gone", |_, o| o.look = live(None), "Remove finalizer Deleted"),
        ("an adopted pair stays", |_, o| o.recorded.origin = Some(Origin::Adopted), "Untag"),
        ("I8: a release needs no account and no look", |d, o| {
            d.deletion_policy = Some(DeletionPolicy::Retain);
            (o.account, o.look) = (None, None);
        }, "Untag"),
        ("I8: a release goes on when the tag could not be taken off", |d, o| {
            d.deletion_policy = Some(DeletionPolicy::Retain);
            o.done.untagged = true;
        }, "Remove finalizer Released"),
        ("an adopted pair goes if the spec says so", |d, o| {
            d.deletion_policy = Some(DeletionPolicy::Delete);
            o.recorded.origin = Some(Origin::Adopted);
        }, "Delete"),
        ("I1: a pair that was made anew by somebody else stays", |_, o| {
            o.look = live(Some(KeyPair { arn: "arn:another".to_owned(), ..pair(FIRST) }));
        }, "Stalled FingerprintMismatch"),
        ("I1: a pair with another fingerprint stays", |_, o| {
            o.look = live(Some(pair(SECOND)));
        }, "Stalled FingerprintMismatch"),
        ("I1: a pair whose fingerprint vanished stays", |_, o| {
            o.look = live(Some(KeyPair { fingerprint: None, ..pair(FIRST) }));
        }, "Stalled FingerprintMismatch"),
        ("I1: a pair with another time of creation stays", |_, o| {
            o.look = live(Some(KeyPair { created_at: None, ..pair(FIRST) }));
        }, "Stalled FingerprintMismatch"),
        ("I1: a pair that another owner tagged stays", |_, o| {
            o.look = live(Some(tagged(pair(FIRST), "other/team-a/fleet")));
        }, "Stalled OwnershipLost"),
        ("a fingerprint that was absent both times is as it was", |_, o| {
            o.recorded.fingerprint = None;
            o.look = live(Some(KeyPair { fingerprint: None, ..pair(FIRST) }));
        }, "Delete"),
        ("the spec's fingerprint counts as well", |d, _| d.expected_fingerprint = Some("another".to_owned()), "Stalled FingerprintMismatch"),
        ("and is sent along", |d, o| d.expected_fingerprint.clone_from(&o.recorded.fingerprint), "Delete with fingerprint"),
        ("an import without a status is known by its key", |_, o| {
            o.recorded = Recorded::default();
            o.look = live(Some(pair(FIRST)));
        }, "Delete"),
        ("I1: without a record, somebody else's pair is left", |_, o| {
            o.recorded = Recorded::default();
            o.look = live(Some(pair(SECOND)));
        }, "Remove finalizer Released"),
        ("I1: without a record, a pair that is older than the object is left", |_, o| {
            o.recorded = Recorded::default();
            o.look = live(Some(KeyPair { created_at: Some("2020-01-01T00:00:00Z".to_owned()), ..pair(FIRST) }));
        }, "Remove finalizer Released"),
        ("an import that may still land is waited for", |_, o| {
            o.recorded = Recorded::default();
            o.look = live(None);
            o.import_may_land_until = Some(time("2026-11-24T12:00:30Z"));
        }, "Reconciling InProgress"),
        ("but not for ever", |_, o| {
            o.recorded = Recorded::default();
            o.look = live(None);
            o.import_may_land_until = Some(time(NOW));
        }, "Remove finalizer Deleted"),
        ("an object of another account releases nothing", |_, o| o.account = Some("999999999999".to_owned()), "Stalled WrongAccount"),
        ("a deletion that failed in Lightsail is said", |_, o| {
            o.look = live(None);
            o.done.delete = Some(Operation { status: Some("Failed".to_owned()), ..Operation::default() });
        }, "Stalled OperationFailed"),
        ("a key that cannot be read does not hold the object", |d, o| {
            d.kind = Kind::Imported(Some(Err(InvalidPublicKey::Data)));
            o.recorded = Recorded::default();
        }, "Remove finalizer Released"),
    ]);
}

#[test]
fn an_imported_pair_that_shall_not_be_there() {
    fn base() -> (Desired, Observed) {
        let mut observed = observed();
        observed.look = live(Some(KeyPair { created_at: Some("2020-01-01T00:00:00Z".to_owned()), ..pair(FIRST) }));
        (Desired { goal: Goal::Absent, ..desired() }, observed)
    }
    check(base, &[
        ("what is not there is Ready", |_, o| o.look = live(None), "Ready Absent"),
        ("that is not said on old news", |_, o| o.look = cached(None), "Look live"),
        ("I1: somebody else's pair stays", |_, _| {}, "Stalled FingerprintMismatch"),
        ("the own pair goes", |_, o| settled(o), "Delete"),
        ("somebody else's pair goes by its exact fingerprint, the finalizer first", |d, _| {
            d.expected_fingerprint = Some(key(FIRST).sha256());
        }, "AddFinalizer"),
        ("and then it goes", |d, o| {
            d.expected_fingerprint = Some(key(FIRST).sha256());
            o.finalizer = Finalizer::New;
        }, "Delete with fingerprint"),
        ("I1: not by another fingerprint", |d, _| d.expected_fingerprint = Some(key(SECOND).sha256()), "Stalled FingerprintMismatch"),
        ("I1: nor if another owner has tagged it", |d, o| {
            d.expected_fingerprint = Some(key(FIRST).sha256());
            o.look = live(Some(tagged(pair(FIRST), "other/team-a/fleet")));
        }, "Stalled NameConflict"),
        ("I1: nor if another object records it", |d, o| {
            d.expected_fingerprint = Some(key(FIRST).sha256());
            o.rivals = vec![rival("z", Some("arn:own"))];
        }, "Stalled NameConflict"),
        ("no public key is needed for that", |d, o| {
            d.kind = Kind::Imported(None);
            o.look = live(None);
        }, "Ready Absent"),
    ]);
}

#[test]
fn an_account_that_is_pinned_or_recorded_is_kept() {
    check(|| (desired(), observed()), &[
        ("the account that is pinned", |d, _| d.pinned_account = Some("123456789012".to_owned()), "Look"),
        ("another one", |d, _| d.pinned_account = Some("999999999999".to_owned()), "Stalled WrongAccount"),
        ("the account that is recorded", |_, o| o.recorded.account = Some("123456789012".to_owned()), "Look"),
        ("another one is recorded", |_, o| o.recorded.account = Some("999999999999".to_owned()), "Stalled WrongAccount"),
        ("the recorded one is right and the pinned one is not", |d, o| {
            o.recorded.account = Some("123456789012".to_owned());
            d.pinned_account = Some("999999999999".to_owned());
        }, "Stalled WrongAccount"),
    ]);
}

#[test]
fn i9_an_object_that_was_acted_on_keeps_still_for_three_intervals() {
    let (desired, minutes) = (desired(), Duration::from_mins);
    assert!(keeps_still(&desired, true, minutes(29)));
    assert!(!keeps_still(&desired, true, minutes(30)));
    assert!(!keeps_still(&desired, false, minutes(1)));
    assert!(!keeps_still(&Desired { goal: Goal::ObjectDeleted, ..desired }, true, minutes(1)));
}

#[test]
fn i11_a_conflict_tells_nothing_about_the_other_pair() {
    let (desired, mut observed) = (desired(), observed());
    let foreign = tagged(KeyPair { arn: "arn:secret".to_owned(), ..pair(SECOND) }, "other/team-z/name");
    observed.look = live(Some(foreign));
    let Step::Finish(verdict) = plan(&desired, &observed) else { panic!("a conflict ends the pass") };
    assert_eq!(verdict.state, State::Stalled);
    for told in ["arn:secret", "team-z", &key(SECOND).sha256()] {
        assert!(!verdict.message.contains(told), "{}", verdict.message);
    }
    assert_eq!(own_pair(&desired, &observed), None);
}
