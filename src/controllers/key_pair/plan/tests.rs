//! The plan as a table: a row changes one thing in a world and says which step comes next. The
//! names are sentences.
//!
//! The invariants that a row holds are named in it; `docs/architecture.md` has them.

#![expect(clippy::unnecessary_wraps, clippy::option_option, reason = "helpers have the shape of \
    the fields of Observed")]

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;

use super::*;
use crate::api::key_pair::{AdoptionPolicy, Backup, ReplacePolicy};
use crate::controllers::outcome::State;
use crate::lightsail::Tags;
use crate::ssh::InvalidPublicKey;
use crate::ssh::tests::Key;

mod changes;
mod default_pair;
mod generated;
mod imported;
mod properties;

const FIRST: &str = "ssh-ed25519 \
    AAAAC3NzaC1lZDI1NTE5AAAAIInr0RHyB4V7DJqGqPA5Vy+9U501OmgDwTtpC3DgRvHS first";
const SECOND: &str = "ssh-ed25519 \
    AAAAC3NzaC1lZDI1NTE5AAAAIGOg8x1KKUn7tht3BG5yIFuvz0i4Tc4vL+ES7obngiIE second";
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
        edited: false,
        list_at_hand: true,
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
        tags: Tags::default(),
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
    Rival { uid: uid.to_owned(), owner, created_at: Some(time(NOW)), arn: arn.map(str::to_owned),
        deleting: false }
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
        | Step::Leave) => format!("{other:?}").split(['(', ' ',
            '{']).next().unwrap_or_default().to_owned(),
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

fn tags(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
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
fn an_account_that_is_pinned_or_recorded_is_kept() {
    check(|| (desired(), observed()), &[
        ("the account that is pinned",
         |d, _| d.pinned_account = Some("123456789012".to_owned()), "Look"),
        ("another one", |d, _| d.pinned_account = Some("999999999999".to_owned()), "Stalled \
            WrongAccount"),
        ("the account that is recorded",
         |_, o| o.recorded.account = Some("123456789012".to_owned()), "Look"),
        ("another one is recorded",
         |_, o| o.recorded.account = Some("999999999999".to_owned()), "Stalled WrongAccount"),
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
    let foreign = tagged(KeyPair { arn: "arn:secret".to_owned(), ..pair(SECOND) },
        "other/team-z/name");
    observed.look = live(Some(foreign));
    let Step::Finish(verdict) = plan(&desired,
        &observed) else { panic!("a conflict ends the pass") };
    assert_eq!(verdict.state, State::Stalled);
    for told in ["arn:secret", "team-z", &key(SECOND).sha256()] {
        assert!(!verdict.message.contains(told), "{}", verdict.message);
    }
    assert_eq!(own_pair(&desired, &observed), None);
}
