//! The plan as a table: a row changes one thing in a world and says which step comes next. The names are sentences.
//!
//! The invariants that a row holds are named in it; `docs/architecture.md` has them.

#![expect(clippy::unnecessary_wraps, clippy::option_option, reason = "helpers have the shape of the fields of Observed")]

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;

use super::*;
use crate::api::key_pair::{AdoptionPolicy, Backup, ReplacePolicy};
use crate::controllers::outcome::State;
use crate::ssh::InvalidPublicKey;
use crate::ssh::tests::Key;

mod default_pair;
mod generated;
mod properties;

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

fn inline(key: Result<PublicKey, InvalidPublicKey>) -> Kind {
    Kind::Imported { key: ImportedKey::Inline(key), replace: ReplacePolicy::Never }
}

fn with_key(line: &str) -> Kind {
    inline(PublicKey::parse(line))
}

/// A spec that was just applied, of type Imported.
fn desired() -> Desired {
    Desired {
        kind: with_key(FIRST),
        name: "fleet".to_owned(),
        region: "eu-west-1".to_owned(),
        goal: Goal::Present,
        deletion_policy: None,
        expected_fingerprint: None,
        owner: OWNER.to_owned(),
        tags: BTreeMap::new(),
        adoption: AdoptionPolicy::IfFingerprintMatches,
        suspend: false,
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
        source: None,
        secret: None,
        key_missing_since: None,
        windows_instances: None,
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
    Some(Look { live: true, at: time(NOW), pair })
}

fn cached(pair: Option<KeyPair>) -> Option<Look> {
    Some(Look { live: false, at: time(NOW), pair })
}

fn recorded(pair: &KeyPair, origin: Origin) -> Recorded {
    Recorded {
        account: Some("123456789012".to_owned()),
        arn: Some(pair.arn.clone()),
        created_at: pair.created_at.clone(),
        fingerprint: pair.fingerprint.clone(),
        public_key_sha256: Some(key(FIRST).sha256()),
        origin: Some(origin),
        managed_tag_keys: Vec::new(),
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
        | Step::ReadSource(_)
        | Step::FindWindowsInstances
        | Step::ForgetPair
        | Step::RecordAdoption
        | Step::Generate(_)
        | Step::Import(_)
        | Step::Tag { .. }
        | Step::RemoveTags { .. }
        | Step::Download
        | Step::SetAside { .. }
        | Step::Delete { .. }
        | Step::ReleaseTag { .. }
        | Step::Leave) => format!("{other:?}").split(['(', ' ', '{']).next().unwrap_or_default().to_owned(),
    }
}

fn kept() -> SecretSpec {
    SecretSpec { name: "kept".to_owned(), ..SecretSpec::default() }
}

fn private_key() -> PrivateKey {
    PrivateKey::parse(&Key::generate(&["-t", "ed25519"]).private()).unwrap()
}

/// A Secret without marks.
fn somebodys_secret() -> Found {
    Found {
        name: "kept".to_owned(),
        is_own: false,
        is_of_another: false,
        is_terminating: false,
        rejects: None,
        key: None,
        labels: BTreeMap::new(),
        owners: Vec::new(),
        uid: "s".to_owned(),
        resource_version: "1".to_owned(),
    }
}

fn secret(key: Option<&PrivateKey>) -> Option<Option<Found>> {
    Some(Some(Found { is_own: true, key: key.cloned(), ..somebodys_secret() }))
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
            d.kind = inline(Err(InvalidPublicKey::Private));
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
            d.kind = with_key(SECOND);
        }, "Stalled PublicKeyChanged"),
        ("another key is noticed without a fingerprint", |d, o| {
            settled(o);
            d.kind = with_key(SECOND);
            o.look = live(Some(KeyPair { fingerprint: None, ..tagged(pair(FIRST), OWNER) }));
        }, "Stalled PublicKeyChanged"),
        ("another comment is no other key", |d, o| {
            settled(o);
            d.kind = with_key(&FIRST.replace("first", "renamed"));
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
            o.recorded.origin = Some(Origin::Adopted);
        }, "Tag"),
        ("and is then Ready", |_, o| {
            o.finalizer = Finalizer::New;
            o.recorded.origin = Some(Origin::Adopted);
            o.look = live(Some(tagged(pair(FIRST), OWNER)));
        }, "Ready Adopted"),
        ("also without a fingerprint", |_, o| {
            o.finalizer = Finalizer::New;
            o.recorded.origin = Some(Origin::Adopted);
            o.look = live(Some(KeyPair { fingerprint: None, ..tagged(pair(FIRST), OWNER) }));
        }, "Ready Adopted"),
        ("an adoption that came to nothing is forgotten before an import", |_, o| {
            o.finalizer = Finalizer::New;
            o.recorded.origin = Some(Origin::Adopted);
            o.look = live(None);
        }, "ForgetPair"),
        ("Never leaves it alone", |d, _| d.adoption = AdoptionPolicy::Never, "Stalled NameConflict"),
        ("TakeOver ignores another owner's tag", |d, o| {
            d.adoption = AdoptionPolicy::TakeOver;
            o.look = live(Some(tagged(pair(FIRST), "other/team-a/fleet")));
        }, "AddFinalizer"),
        ("and puts this object's in its place", |d, o| {
            d.adoption = AdoptionPolicy::TakeOver;
            o.finalizer = Finalizer::New;
            o.recorded.origin = Some(Origin::Adopted);
            o.look = live(Some(tagged(pair(FIRST), "other/team-a/fleet")));
        }, "Tag"),
        ("but never another key", |d, o| {
            d.adoption = AdoptionPolicy::TakeOver;
            o.look = live(Some(tagged(pair(SECOND), "other/team-a/fleet")));
        }, "Stalled NameConflict"),
        ("nor one whose key is not known", |d, o| {
            d.adoption = AdoptionPolicy::TakeOver;
            o.look = live(Some(KeyPair { fingerprint: None, ..tagged(pair(FIRST), "other/team-a/fleet") }));
        }, "Stalled NameConflict"),
        ("and not twice", |d, o| {
            d.adoption = AdoptionPolicy::TakeOver;
            o.recorded = recorded(&pair(FIRST), Origin::Adopted);
            o.look = live(Some(tagged(pair(FIRST), "other/team-a/fleet")));
        }, "Stalled OwnershipLost"),
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

fn recreate(desired: &mut Desired, line: &str) {
    let key = ImportedKey::Inline(PublicKey::parse(line));
    desired.kind = Kind::Imported { key, replace: ReplacePolicy::Recreate };
}

fn tags(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn with_tag(mut pair: KeyPair, key: &str, value: &str) -> KeyPair {
    pair.tags.insert(key.to_owned(), Some(value.to_owned()));
    pair
}

#[test]
fn an_own_pair_that_changes() {
    fn base() -> (Desired, Observed) {
        let mut observed = observed();
        settled(&mut observed);
        (desired(), observed)
    }
    check(base, &[
        ("Recreate deletes the recorded pair", |d, _| recreate(d, SECOND), "Delete"),
        ("I7: after a live look", |d, o| {
            recreate(d, SECOND);
            o.look = cached(Some(tagged(pair(FIRST), OWNER)));
        }, "Look live"),
        ("waits until it is gone", |d, o| {
            recreate(d, SECOND);
            o.look = live(None);
            o.done.delete = Some(Operation { id: Some("a".to_owned()), status: Some("Started".to_owned()), ..Operation::default() });
        }, "Reconciling InProgress"),
        ("forgets it", |d, o| { recreate(d, SECOND); o.look = live(None); }, "ForgetPair"),
        ("and imports the new key", |d, o| {
            recreate(d, SECOND);
            o.look = live(None);
            o.recorded = Recorded::default();
        }, "Import"),
        ("I1: Recreate never touches an adopted pair", |d, o| {
            recreate(d, SECOND);
            o.recorded.origin = Some(Origin::Adopted);
        }, "Stalled PublicKeyChanged"),
        ("I1: nor one that is not as it was recorded", |d, o| {
            recreate(d, SECOND);
            o.recorded.fingerprint = Some("another".to_owned());
        }, "Stalled PublicKeyChanged"),
        ("nor the same key", |d, _| recreate(d, FIRST), "Ready Imported"),
        ("a tag that is missing is set", |d, _| d.tags = tags(&[("team", "a")]), "Tag"),
        ("a tag with another value is set", |d, o| {
            d.tags = tags(&[("team", "a")]);
            o.look = live(Some(with_tag(tagged(pair(FIRST), OWNER), "team", "b")));
        }, "Tag"),
        ("a tag that is there is left", |d, o| {
            d.tags = tags(&[("team", "a")]);
            o.look = live(Some(with_tag(tagged(pair(FIRST), OWNER), "team", "a")));
        }, "Ready Imported"),
        ("a tag that was set once and is not wanted any more is taken off", |_, o| {
            o.recorded.managed_tag_keys = vec!["team".to_owned()];
            o.look = live(Some(with_tag(tagged(pair(FIRST), OWNER), "team", "a")));
        }, "RemoveTags"),
        ("a tag of somebody else is left alone", |_, o| {
            o.look = live(Some(with_tag(tagged(pair(FIRST), OWNER), "cost", "b")));
        }, "Ready Imported"),
    ]);
}

#[test]
fn a_suspended_object_says_what_it_would_do() {
    fn base() -> (Desired, Observed) {
        (Desired { suspend: true, ..desired() }, observed())
    }
    fn planned(change: fn(&mut Desired, &mut Observed)) -> Option<&'static str> {
        let (mut desired, mut observed) = base();
        change(&mut desired, &mut observed);
        let Step::Finish(verdict) = plan(&desired, &observed) else { panic!("the pass is over") };
        verdict.planned
    }
    check(base, &[
        ("it looks", |_, _| {}, "Look"),
        ("and does nothing", |_, o| o.look = live(None), "Suspended Suspended"),
        ("a settled one stays Ready", |_, o| settled(o), "Ready Imported"),
        ("a refusal is a refusal", |_, o| o.look = live(Some(pair(SECOND))), "Stalled NameConflict"),
        ("deleting it releases the pair", |d, o| { settled(o); d.goal = Goal::ObjectDeleted; }, "ReleaseTag"),
        ("and then lets it go", |d, o| {
            settled(o);
            d.goal = Goal::ObjectDeleted;
            (o.account, o.look, o.done.untagged) = (None, None, true);
        }, "Remove finalizer Released"),
    ]);
    assert_eq!(planned(|_, o| o.look = live(None)), Some("Import"), "not the finalizer");
    assert_eq!(planned(|_, o| { settled(o); o.look = live(Some(pair(FIRST))); }), Some("Tag"));
    assert_eq!(planned(|d, o| { settled(o); d.goal = Goal::Absent; }), Some("Delete"));
    assert_eq!(planned(|_, o| settled(o)), None);
}

#[test]
fn a_public_key_that_stands_elsewhere() {
    fn base() -> (Desired, Observed) {
        let at = SourceRef { kind: SourceKind::ConfigMap, name: "keys".to_owned(), key: "fleet".to_owned() };
        let kind = Kind::Imported { key: ImportedKey::From(at), replace: ReplacePolicy::Never };
        (Desired { kind, ..desired() }, observed())
    }
    check(base, &[
        ("it is read first", |_, _| {}, "ReadSource"),
        ("what is missing may be on its way", |_, o| o.source = Some(Source::Missing { since: o.now }), "Reconciling SourceNotFound"),
        ("after two minutes a person must act", |_, o| {
            o.source = Some(Source::Missing { since: time("2026-11-24T11:58:00Z") });
        }, "Stalled SourceNotFound"),
        ("what is no public key is refused", |_, o| {
            o.source = Some(Source::Found(Err(InvalidPublicKey::Private)));
        }, "Stalled InvalidPublicKey"),
        ("then it is as one in the spec", |_, o| o.source = Some(Source::Found(PublicKey::parse(FIRST))), "Look"),
        ("another one is another key", |_, o| {
            settled(o);
            o.source = Some(Source::Found(PublicKey::parse(SECOND)));
        }, "Stalled PublicKeyChanged"),
        ("a recorded pair is deleted without it", |d, o| { settled(o); d.goal = Goal::ObjectDeleted; }, "Delete"),
        ("one that is not recorded is known by it", |d, o| {
            o.finalizer = Finalizer::Old;
            o.look = live(Some(pair(FIRST)));
            d.goal = Goal::ObjectDeleted;
        }, "ReadSource"),
        ("and left alone if it is not there any more", |d, o| {
            o.finalizer = Finalizer::Old;
            o.look = live(Some(pair(FIRST)));
            o.source = Some(Source::Missing { since: o.now });
            d.goal = Goal::ObjectDeleted;
        }, "Remove finalizer Released"),
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
        ("I7: nor on a live look before a nap", |_, o| o.now = time("2026-11-24T12:00:11Z"), "Look live"),
        ("what is gone is gone", |_, o| o.look = live(None), "Remove finalizer Deleted"),
        ("an adopted pair stays", |_, o| o.recorded.origin = Some(Origin::Adopted), "ReleaseTag"),
        ("I8: a release needs no account and no look", |d, o| {
            d.deletion_policy = Some(DeletionPolicy::Retain);
            (o.account, o.look) = (None, None);
        }, "ReleaseTag"),
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
            d.kind = inline(Err(InvalidPublicKey::Data));
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
        ("unless that tag is to be ignored", |d, o| {
            d.expected_fingerprint = Some(key(FIRST).sha256());
            d.adoption = AdoptionPolicy::TakeOver;
            o.finalizer = Finalizer::New;
            o.look = live(Some(tagged(pair(FIRST), "other/team-a/fleet")));
        }, "Delete with fingerprint"),
        ("I1: nor if another object records it", |d, o| {
            d.expected_fingerprint = Some(key(FIRST).sha256());
            o.rivals = vec![rival("z", Some("arn:own"))];
        }, "Stalled NameConflict"),
        ("no public key is needed for that", |d, o| {
            d.kind = Kind::Imported { key: ImportedKey::Absent, replace: ReplacePolicy::Never };
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
