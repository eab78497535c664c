//! The plan as a table: a row changes one thing in a world and says which step comes next. The
//! names are sentences.
//!
//! The invariants that a row holds are named in it; `docs/architecture.md` has them.

#![expect(clippy::unnecessary_wraps, clippy::option_option,
    reason = "helpers have the shape of the fields of Observed")]

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use k8s_openapi::jiff::Timestamp;

use super::*;
use crate::access::Limits;
use crate::access::{Entry, Grant};
use crate::api::key_pair::{AdoptionPolicy, Backup, KeyAlgorithm, Origin, ReplacePolicy};
use crate::api::{OWNER_TAG, Operation};
use crate::digest::Digest;
use crate::engine::{Lookup, State};
use crate::ids::KeyPairName;
use crate::key_pair::crowd::Crowd;
use crate::key_pair::record::{Intent, Recorded};
use crate::key_pair::world::{
    Done, Failure, ImportSent, ImportedKey, InvalidName, PairRead, PublicKeySource, Rival, SetAside,
    SourceKind, SourceRef, Timing,
};
use crate::lightsail::{self, ErrorKind, Imported, KeyPair, Tags};
use crate::secret::{Found, Rejection, SecretSpec};
use crate::ssh::{InvalidPrivateKey, InvalidPublicKey, Match, PrivateKey, PublicKey};
use crate::ssh::tests::Key;

mod accounts;
mod aftermath;
mod changes;
mod counts;
mod default_pair;
mod deletion;
mod ending;
mod generated;
mod imported;
mod intent;
mod kept_key;
mod model;
mod old_reads;
mod operations;
mod polling;
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

fn inline(key: Result<PublicKey, InvalidPublicKey>) -> DesiredPair {
    DesiredPair::Imported { key: ImportedKey::Inline(key), replace: ReplacePolicy::Never }
}

fn with_key(line: &str) -> DesiredPair {
    inline(PublicKey::parse(line))
}

/// A spec that was just applied, of type Imported.
fn desired() -> Desired {
    Desired {
        pair: with_key(FIRST),
        name: "fleet".into(),
        region: "eu-west-1".into(),
        goal: Goal::Present,
        deletion_policy: None,
        expected_fingerprint: None,
        owner: OWNER.into(),
        tags: BTreeMap::new(),
        adoption: AdoptionPolicy::IfFingerprintMatches,
        suspend: false,
        created_at: Some(time(NOW)),
        uid: "b".to_owned(),
        interval: Duration::from_mins(10),
        invalid_name: None,
        pinned_account: None,
        deleted_at: None,
        limits: Limits::default(),
    }
}

/// Nobody has looked at anything but the account.
fn observed() -> Observed {
    Observed {
        now: time(NOW),
        asked: false,
        grant: Grant::Operator,
        changed_meanwhile: false,
        namespace_labels: None,
        owned: None,
        counts_at: None,
        recorded: Recorded::default(),
        has_finalizer: false,
        account: Some("123456789012".into()),
        pair: None,
        source: None,
        secret: Lookup::Unread,
        former_secret: Lookup::Unread,
        key_missing_since: None,
        created_secret: None,
        copy: Lookup::Unread,
        begun: None,
        operation: Lookup::Unread,
        windows_instances: None,
        namespace_terminating: None,
        was_acted_on: false,
        stalled_for: None,
        failed_with: None,
        has_failed: false,
        edited: false,
        list_at_hand: true,
        list_pages: 0,
        list_takes_long: false,
        is_change: false,
        neighbors: 0,
        rivals: Vec::new(),
        crowd: Crowd::default(),
        sent: sent(NOW, false),
        deletion_may_follow: None,
        deleted: None,
        download_may_follow: None,
        unlisted_until: None,
        predecessors_may_act: time(NOW),
        timing: Timing {
            effect_window: Duration::from_mins(1),
            intent_window: Duration::from_mins(2),
            intent_holds: Duration::from_secs(15),
            settle_time: Duration::ZERO,
            missing_key_grace: Duration::from_mins(1),
            source_grace: Duration::from_mins(2),
            search_interval: Duration::from_secs(15),
        },
        lightsail_date: None,
        predecessor: None,
        refused_secret_stayed: false,
        deleted_elsewhere_until: None,
        silent_for: Duration::ZERO,
        failure: None,
        done: Done::default(),
    }
}

/// What Lightsail lists for a key.
fn pair(line: &str) -> KeyPair {
    KeyPair {
        name: "fleet".into(),
        arn: "arn:own".into(),
        created_at: Some(NOW.to_owned()),
        support_code: None,
        fingerprint: Some(key(line).sha256().into()),
        tags: Tags::default(),
    }
}

fn tagged(mut pair: KeyPair, owner: &str) -> KeyPair {
    pair.tags.insert(OWNER_TAG.to_owned(), Some(owner.to_owned()));
    pair
}

fn live(pair: Option<KeyPair>) -> Option<PairRead> {
    Some(PairRead { live: true, at: time(NOW), pair })
}

fn cached(pair: Option<KeyPair>) -> Option<PairRead> {
    Some(PairRead { live: false, at: time(NOW), pair })
}

fn recorded(pair: &KeyPair, origin: Origin) -> Recorded {
    Recorded {
        account: Some("123456789012".into()),
        arn: Some(pair.arn.clone()),
        created_at: pair.created_at.clone(),
        fingerprint: pair.fingerprint.clone(),
        public_key_sha256: Some(key(FIRST).sha256()),
        origin: Some(origin),
        secret_name: None,
        managed_tag_keys: Vec::new(),
        intent: None,
        deletion: None,
        deleted_at: None,
        was_deleted: false,
        imported_at: None,
        import: None,
    }
}

/// The own pair stands as it was recorded.
fn unchanged(observed: &mut Observed) {
    observed.has_finalizer = true;
    observed.recorded = recorded(&pair(FIRST), Origin::Imported);
    observed.pair = live(Some(tagged(pair(FIRST), OWNER)));
}

/// The import of the first key is on record, from before the pair was made.
fn intent(line: &str) -> Option<Intent> {
    Some(Intent {
        account: "123456789012".into(),
        public_key_sha256: key(line).sha256(),
        fingerprints: key(line).fingerprints(),
        date: Some(time("2026-11-24T11:59:59Z")),
        replaced: None,
    })
}

fn sent(until: &str, accepted: bool) -> Option<ImportSent> {
    Some(ImportSent { until: time(until), accepted })
}

fn rival(uid: &str, arn: Option<&str>) -> Rival {
    let owner = Digest::of("cluster/team-b/fleet");
    Rival { uid: uid.into(), owner, created_at: Some(time(NOW)), arn: arn.map(Digest::of),
        deleting: false }
}

/// A step in a word or two, as the tables write it.
fn word(step: &Step) -> String {
    match step {
        Step::Finish(verdict) => format!("{:?} {}", verdict.state, verdict.reason),
        Step::ReadPair { live: true } => "Read pair live".to_owned(),
        Step::ReadPair { live: false } => "Read pair".to_owned(),
        Step::RemoveFinalizer { reason, .. } => format!("Remove finalizer {reason}"),
        Step::EndFollowUp { reason, .. } => format!("End follow-up {reason}"),
        Step::Pause { reason, .. } => format!("Pause {reason}"),
        Step::Delete { expected_fingerprint: Some(_) } => "Delete with fingerprint".to_owned(),
        Step::WriteSecret { found: Some(_), .. } => "Replace Secret".to_owned(),
        Step::WriteSecret { found: None, .. } => "Create Secret".to_owned(),
        other @ (Step::Identify
        | Step::ReadSecret(_)
        | Step::ReadNamespace
        | Step::CountKeyPairs
        | Step::AddFinalizer
        | Step::ReadSource(_)
        | Step::FindWindowsInstances
        | Step::WriteIntent(_)
        | Step::RecordAdoption
        | Step::RecordTagKeys
        | Step::Generate(_)
        | Step::Import(_)
        | Step::TagByName { .. }
        | Step::Tag { .. }
        | Step::RemoveTags { .. }
        | Step::Download
        | Step::SetAside { .. }
        | Step::ReadCopy { .. }
        | Step::ReadOperation { .. }
        | Step::ReadDefaultPair
        | Step::DisownSecret(_)
        | Step::ReadFormerSecret(_)
        | Step::Delete { .. }
        | Step::ReadForRelease { .. }
        | Step::ReleaseTag { .. }
        | Step::StartOver
        | Step::Leave) => format!("{other:?}").split(['(', ' ',
            '{']).next().unwrap_or_default().to_owned(),
    }
}

fn kept() -> SecretSpec {
    SecretSpec { name: "kept".to_owned(), key_type: "Generated", ..SecretSpec::default() }
}

fn private_key() -> PrivateKey {
    PrivateKey::parse(&Key::generate(&["-t", "ed25519"]).private()).unwrap()
}

/// A Secret without annotations.
fn somebodys_secret() -> Found {
    Found {
        name: "kept".to_owned(),
        is_own: false,
        is_of_another: false,
        was_created: false,
        key_type: None,
        is_terminating: false,
        rejects: None,
        key: None,
        has_public_half: true,
        labels: BTreeMap::new(),
        owners: Vec::new(),
        uid: "s".to_owned(),
        resource_version: "1".to_owned(),
    }
}

fn secret(key: Option<&PrivateKey>) -> Lookup<Found> {
    Lookup::Found(Found { is_own: true, key: key.cloned(), ..somebodys_secret() })
}

/// The object's Secret, which Kubernetes deletes with it.
fn owned(key: &PrivateKey) -> Found {
    let owner = OwnerReference { uid: "b".to_owned(), ..OwnerReference::default() };
    Found { is_own: true, was_created: true, key: Some(key.clone()), owners: vec![owner],
        ..somebodys_secret() }
}

/// The same Secret of an earlier object of the name, which the garbage collector has not taken yet.
fn of_earlier(key: &PrivateKey) -> Found {
    let owner = OwnerReference { api_version: "lightsail-operator.dev/v1alpha1".to_owned(),
        kind: "LightsailKeyPair".to_owned(), name: "fleet".to_owned(), uid: "a".to_owned(),
        ..OwnerReference::default() };
    Found { owners: vec![owner], ..owned(key) }
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
         |d, _| d.pinned_account = Some("123456789012".into()), "Read pair"),
        ("another one",
         |d, _| d.pinned_account = Some("999999999999".into()), "Stalled WrongAccount"),
        ("the account that is recorded",
         |_, o| o.recorded.account = Some("123456789012".into()), "Read pair"),
        ("another one is recorded",
         |_, o| o.recorded.account = Some("999999999999".into()), "Stalled WrongAccount"),
        ("another one is pinned, also where the object is deleted", |d, o| {
            (d.goal, o.has_finalizer) = (Goal::ObjectDeleted, true);
            d.pinned_account = Some("999999999999".into());
        }, "Stalled WrongAccount"),
        ("the recorded one is right and the pinned one is not", |d, o| {
            o.recorded.account = Some("123456789012".into());
            d.pinned_account = Some("999999999999".into());
        }, "Stalled WrongAccount"),
    ]);
}

/// A failure of Lightsail.
fn failed(kind: ErrorKind) -> Option<Failure> {
    Some(Failure::Lightsail(lightsail::Error::of_kind(kind)))
}

#[test]
fn a_key_that_lightsail_refuses_is_not_sent_again_before_the_interval() {
    let (desired, mut observed) = (desired(), observed());
    for (kind, next) in [
        (ErrorKind::BadKey, Next::After(desired.interval)),
        (ErrorKind::Throttled, Next::Backoff),
        (ErrorKind::Invalid, Next::Backoff),
        (ErrorKind::Transient, Next::Backoff),
    ] {
        observed.failure = failed(kind);
        let Step::Finish(verdict) = plan(&desired, &observed) else { panic!() };
        assert_eq!(verdict.next, next, "{kind:?}");
    }
}

#[test]
fn a_failure_is_published_with_what_it_asks_for() {
    check(|| (desired(), observed()), &[
        ("throttling is no failure", |_, o| o.failure = failed(ErrorKind::Throttled),
         "Reconciling Throttled"),
        ("nor is a service that fails", |_, o| o.failure = failed(ErrorKind::Transient),
         "Reconciling ServiceError"),
        ("what is denied needs a person", |_, o| o.failure = failed(ErrorKind::Denied),
         "Stalled AccessDenied"),
        ("so do credentials that are not good",
         |_, o| o.failure = failed(ErrorKind::BadCredentials), "Stalled InvalidCredentials"),
        ("a Secret that the API server rejects", |_, o| {
            o.failure = Some(Failure::SecretRejected { name: "kept".to_owned(),
                why: "quota".to_owned() });
        }, "Stalled SecretRejected"),
        ("a ConfigMap that may not be read",
         |_, o| o.failure = Some(Failure::ConfigMapForbidden("keys".to_owned())),
         "Stalled AccessDenied"),
        ("a suspended object says it too", |d, o| {
            d.suspend = true;
            o.failure = failed(ErrorKind::Denied);
        }, "Stalled AccessDenied"),
        ("so does one that is being deleted", |d, o| {
            d.goal = Goal::ObjectDeleted;
            o.has_finalizer = true;
            o.failure = failed(ErrorKind::Throttled);
        }, "Reconciling Throttled"),
    ]);
}

#[test]
fn i9_an_object_that_was_acted_on_keeps_still_for_three_intervals() {
    /// Lightsail cannot be read.
    fn silent() -> (Desired, Observed) {
        let observed = Observed { was_acted_on: true, silent_for: Duration::from_mins(29),
            failure: failed(ErrorKind::Transient), ..observed() };
        (desired(), observed)
    }
    check(silent, &[
        ("one that was acted on keeps what it shows", |_, _| {}, "Pause ServiceError"),
        ("for three intervals", |_, o| o.silent_for = Duration::from_mins(30),
         "Reconciling ServiceError"),
        ("one that was not reports it immediately", |_, o| o.was_acted_on = false,
         "Reconciling ServiceError"),
        ("so does one whose pair was read", |_, o| o.pair = live(None),
         "Reconciling ServiceError"),
        ("so does one that is being deleted", |d, o| {
            d.goal = Goal::ObjectDeleted;
            o.has_finalizer = true;
        }, "Reconciling ServiceError"),
        ("so is a region that may not be asked",
         |_, o| o.failure = failed(ErrorKind::RegionNotAllowed), "Stalled RegionNotAllowed"),
        ("a refused Secret is said", |_, o| {
            o.failure = Some(Failure::SecretRejected { name: String::new(), why: String::new() });
        }, "Stalled SecretRejected"),
    ]);
}

#[test]
fn an_import_that_was_refused_leaves_no_doubt() {
    let error = lightsail::Error::of_kind;
    for (name, outcome, expected) in [
        ("an answer", Ok(Imported::Accepted(Operation::default())), Some(true)),
        ("the name is taken", Ok(Imported::NameTaken), None),
        ("no answer", Err(error(ErrorKind::Transient)), Some(false)),
        ("throttled", Err(error(ErrorKind::Throttled)), None),
        ("denied", Err(error(ErrorKind::Denied)), None),
    ] {
        assert_eq!(answer_to_import(&outcome), expected, "{name}");
    }
}

#[test]
fn i11_a_conflict_tells_nothing_about_the_other_pair() {
    let (desired, mut observed) = (desired(), observed());
    let foreign = tagged(KeyPair { arn: "arn:secret".into(), ..pair(SECOND) },
        "other/team-z/name");
    observed.pair = live(Some(foreign));
    let Step::Finish(verdict) = plan(&desired,
        &observed) else { panic!("a conflict ends the reconciliation") };
    assert_eq!(verdict.state, State::Stalled);
    for told in ["arn:secret", "team-z", &key(SECOND).sha256()] {
        assert!(!verdict.message.contains(told), "{}", verdict.message);
    }
    assert_eq!(own_pair(&desired, &observed), None);
}
