//! What holds for every plan, whatever is wanted and whatever was seen: the invariants, over worlds
//! that nobody thought of.

use std::cell::Cell;

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};

use super::*;
use crate::lightsail::Downloaded;

/// A world is 20 or so choices of two to five: these are enough to meet each pair of choices many
/// times. The variable `PROPTEST_CASES` may ask for more.
const CASES: u32 = 20_000;

/// A property that is about fewer of these worlds holds by chance. Each is about more than twice as
/// many, so that no seed fails.
const FEWEST: u32 = 40;

fn keys() -> [PrivateKey; 2] {
    [private_key(), private_key()]
}

/// What a case is made of, as plain choices.
#[derive(Clone, Debug)]
struct Choices {
    kind: usize,
    goal: Goal,
    replace: ReplacePolicy,
    policy: Option<DeletionPolicy>,
    adoption: AdoptionPolicy,
    backup: Backup,
    flags: [bool; 6],
    expected: Option<usize>,
    listed: Option<(usize, usize, usize, usize)>,
    recorded: Option<(usize, usize, Origin)>,
    has_finalizer: bool,
    live: Option<bool>,
    secret: Option<Option<(Option<usize>, u8)>>,
    source: Option<Option<usize>>,
    rival: Option<(bool, bool)>,
    downloaded: Option<usize>,
    intent: Option<(usize, bool)>,
}

/// Most worlds have what a destructive step needs, or the properties would hardly be about one.
fn choices() -> impl Strategy<Value = Choices> {
    use proptest::bool::weighted as often;
    use proptest::option::weighted as mostly;

    let kind = (select(vec![0, 1, 2, 3, 3]), select(vec![Goal::Present, Goal::Absent,
        Goal::ObjectDeleted, Goal::ObjectVanished]));
    let policies = (
        select(vec![ReplacePolicy::Never, ReplacePolicy::Recreate]),
        proptest::option::of(select(vec![DeletionPolicy::Delete, DeletionPolicy::Retain])),
        select(vec![AdoptionPolicy::IfFingerprintMatches, AdoptionPolicy::TakeOver,
            AdoptionPolicy::Never]),
        select(vec![Backup::Required, Backup::Skip]),
        // In the order in which `world` names them.
        (often(0.3), often(0.3), often(0.1), any::<bool>(), often(0.1), often(0.2))
            .prop_map(<[bool; 6]>::from),
        mostly(0.7, 0..2_usize),
    );
    let origin = select(vec![Origin::Imported, Origin::Generated, Origin::Adopted,
        Origin::Default]);
    let seen = (
        mostly(0.8, (select(vec![0, 0, 0, 1, 2]), select(vec![0, 0, 1]), 0..3_usize, 0..2_usize)),
        mostly(0.6, (0..2_usize, select(vec![0, 0, 1, 2]), origin)),
        often(0.9),
        mostly(0.9, often(0.8)),
        // The first bits say whose the Secret is.
        mostly(0.8, mostly(0.9, (mostly(0.8, 0..2_usize), select(vec![0, 0, 0, 1, 2, 3, 4, 7])))),
        mostly(0.7, mostly(0.8, 0..2_usize)),
        mostly(0.3, (any::<bool>(), any::<bool>())),
        proptest::option::of(0..2_usize),
        proptest::option::of((0..2_usize, any::<bool>())),
    );
    (kind, policies, seen).prop_map(|(kind, policies, seen)| Choices {
        kind: kind.0,
        goal: kind.1,
        replace: policies.0,
        policy: policies.1,
        adoption: policies.2,
        backup: policies.3,
        flags: policies.4,
        expected: policies.5,
        listed: seen.0,
        recorded: seen.1,
        has_finalizer: seen.2,
        live: seen.3,
        secret: seen.4,
        source: seen.5,
        rival: seen.6,
        downloaded: seen.7,
        intent: seen.8,
    })
}

fn fingerprint(keys: &[PrivateKey; 2], choice: usize) -> Option<String> {
    keys.get(choice).map(|key| key.public().sha256())
}

fn world(choices: &Choices, keys: &[PrivateKey; 2]) -> (Desired, Observed) {
    let [create, passwords, suspend, asked, terminating, windows] = choices.flags;
    let line = |choice: usize| keys[choice].public().line().to_owned();
    let desired_pair = match choices.kind {
        0 => DesiredPair::Imported { key: ImportedKey::Inline(PublicKey::parse(&line(0))),
            replace: choices.replace },
        1 => {
            let at = SourceRef { kind: SourceKind::Secret, name: "s".to_owned(),
                key: "k".to_owned() };
            DesiredPair::Imported { key: ImportedKey::From(at), replace: choices.replace }
        }
        2 => DesiredPair::Generated { algorithm: KeyAlgorithm::Ed25519, secret: kept(),
            replace: choices.replace },
        _ => DesiredPair::Default {
            create_if_missing: create,
            secret: kept(),
            backup: choices.backup,
            windows_passwords_saved: passwords,
        },
    };
    let is_default = matches!(desired_pair, DesiredPair::Default { .. });
    let name = if is_default { KeyPairName::DEFAULT } else { "fleet" };
    let desired = Desired {
        pair: desired_pair,
        name: name.into(),
        goal: choices.goal,
        deletion_policy: choices.policy,
        adoption: choices.adoption,
        suspend,
        expected_fingerprint: choices.expected.and_then(|choice| fingerprint(keys,
            choice)).map(Into::into),
        ..desired()
    };
    let pair = choices.listed.map(|(key, arn, tag, age)| {
        let tag = [None, Some(OWNER), Some("other/team-z/fleet")][tag];
        let pair = KeyPair {
            name: name.into(),
            arn: ["arn:own", "arn:another"][arn].into(),
            created_at: Some(["2020-01-01T00:00:00Z", NOW][age].to_owned()),
            fingerprint: fingerprint(keys, key).map(Into::into),
            ..pair(FIRST)
        };
        tag.map_or(pair.clone(), |tag| tagged(pair, tag))
    });
    let intent = choices.intent.map(|(key, is_before)| Intent {
        account: "123456789012".into(),
        public_key_sha256: keys[key].public().sha256(),
        fingerprints: keys[key].public().fingerprints(),
        date: Some(time(if is_before { "2019-01-01T00:00:00Z" } else { NOW })),
        replaced: None,
    });
    let unrecorded = || Recorded { intent: intent.clone(), ..Recorded::default() };
    let recorded = choices.recorded.map_or_else(unrecorded, |(key, listed,
        origin)| Recorded {
        account: Some("123456789012".into()),
        arn: Some("arn:own".into()),
        created_at: Some(NOW.to_owned()),
        fingerprint: fingerprint(keys, listed).map(Into::into),
        public_key_sha256: fingerprint(keys, key),
        origin: Some(origin),
        ..Recorded::default()
    });
    let secret = choices.secret.map_or(Lookup::Unread, |found| {
        Lookup::from(found.map(|(key, bits)| Found {
            is_own: bits & 1 == 0,
            is_of_another: bits & 3 == 3,
            is_terminating: bits & 4 != 0,
            key: key.map(|choice| keys[choice].clone()),
            ..somebodys_secret()
        }))
    });
    let source = choices.source.map(|found| match found {
        Some(choice) => PublicKeySource::Found(PublicKey::parse(&line(choice))),
        None => PublicKeySource::Missing { since: time(NOW), has_object: false },
    });
    let rival = choices.rival.map(|(records, deleting)| Rival {
        arn: records.then(|| Digest::of("arn:own")),
        deleting,
        ..rival("c", None)
    });
    let mut observed = Observed {
        asked,
        recorded,
        has_finalizer: choices.has_finalizer,
        pair: choices.live.map(|live| PairRead { live, at: time(NOW), pair }),
        source,
        secret,
        namespace_terminating: Some(terminating),
        windows_instances: Some(if windows { vec!["desk".to_owned()] } else { Vec::new() }),
        edited: false,
        rivals: rival.into_iter().collect(),
        ..observed()
    };
    observed.done.download = choices
        .downloaded
        .filter(|_| is_default)
        .map(|choice| Downloaded { key: keys[choice].clone(), created_at: None });
    (desired, observed)
}

/// Whether a world is one that the property is about.
enum About {
    Yes,
    No,
}

fn for_all(property: impl Fn(&Desired, &Observed) -> Result<About, TestCaseError>) {
    let (keys, reached) = (keys(), Cell::new(0));
    let mut runner = TestRunner::new(Config { cases: Config::default().cases.max(CASES),
        failure_persistence: None, ..Config::default() });
    let run = runner.run(&choices(), |choices| {
        let (desired, observed) = world(&choices, &keys);
        if let About::Yes = property(&desired, &observed)? {
            reached.set(reached.get() + 1);
        }
        Ok(())
    });
    run.unwrap_or_else(|error| panic!("{error}"));
    let reached = reached.get();
    assert!(reached >= FEWEST, "the property is about {reached} worlds only");
}

#[test]
fn i1_i7_nothing_is_deleted_without_ownership_identity_and_a_live_read() {
    for_all(|desired, observed| {
        let Step::Delete { .. } = plan(desired, observed) else { return Ok(About::No) };
        let read = observed.pair.as_ref().expect("it was read");
        prop_assert!(read.live);
        let pair = read.pair.as_ref().expect("there is a pair");
        let recorded = &observed.recorded;
        let is_as_recorded = recorded.arn.as_ref() == Some(&pair.arn)
            && recorded.created_at == pair.created_at
            && recorded.fingerprint == pair.fingerprint;
        let is_named = desired.expected_fingerprint.is_some()
            && desired.expected_fingerprint == pair.fingerprint;
        // The key of a Secret counts unless the Secret is another object's, as for an adoption.
        let kept = observed.secret.found().filter(|found| !found.is_of_another
            && matches!(desired.pair, DesiredPair::Generated { .. }));
        let kept = kept.and_then(|found| found.key.as_ref()).map(PrivateKey::fingerprints);
        let has_its_key = wanted_key(desired, observed).map(PublicKey::fingerprints).or(kept)
            .is_some_and(|key| key.compare(pair.fingerprint.as_ref()) == Match::Same);
        let has_own_tag = pair.tags.get(OWNER_TAG).is_some_and(|tag| tag.as_deref() == Some(OWNER));
        let is_of_intent = recorded.intent.as_ref().is_some_and(|intent| {
            let matches = intent.fingerprints.compare(pair.fingerprint.as_ref());
            let is_told = matches == Match::Same || (matches == Match::Unknown && has_own_tag);
            pair.created() >= intent.date && is_told
        });
        let is_wanted_away = desired.deletion_policy == Some(DeletionPolicy::Delete)
            || recorded.origin == Some(Origin::Adopted);
        let is_without_arn = recorded.arn.is_none()
            && (is_of_intent || (has_own_tag && has_its_key && is_wanted_away));
        prop_assert!(is_as_recorded || is_named || is_without_arn);
        prop_assert!(desired.expected_fingerprint.is_none() || is_named);
        let others_tag = pair.tags.get(crate::api::OWNER_TAG).is_some_and(|tag| tag
            .as_deref() != Some(OWNER));
        let is_default = matches!(desired.pair, DesiredPair::Default { .. });
        prop_assert!(is_default || !others_tag || desired.adoption == AdoptionPolicy::TakeOver);
        prop_assert!(observed.rivals.iter().all(|rival| rival.arn != Some(Digest::of(&pair.arn))
            || recorded.arn.as_ref().map(Digest::of) == rival.arn));
        if desired.goal == Goal::Present {
            prop_assert!(matches!(recorded.origin, Some(Origin::Imported | Origin::Generated)));
        }
        prop_assert!(!desired.suspend);
        Ok(About::Yes)
    });
}

#[test]
fn i2_i3_the_default_pair_goes_only_by_its_fingerprint_and_with_its_key_kept() {
    for_all(|desired, observed| {
        let (Step::Delete { expected_fingerprint }, DesiredPair::Default { backup,
            .. }) = (plan(desired,
            observed), &desired.pair)
        else {
            return Ok(About::No);
        };
        let pair = observed.pair.as_ref().and_then(|read| read.pair.as_ref())
            .expect("there is a pair");
        prop_assert!(pair.fingerprint.is_some());
        prop_assert_eq!(&pair.fingerprint, &desired.expected_fingerprint);
        prop_assert_eq!(&pair.fingerprint, &expected_fingerprint);
        if *backup == Backup::Required {
            let found = observed.secret.found()
                .expect("there is a Secret");
            let key = found.key.as_ref().expect("it has a key");
            prop_assert!(found.is_own && !found.is_terminating);
            prop_assert_eq!(key.fingerprints().compare(pair.fingerprint.as_ref()), Match::Same);
        }
        Ok(About::Yes)
    });
}

#[test]
fn i5_nothing_is_downloaded_unless_it_is_listed_or_may_be_created() {
    for_all(|desired, observed| {
        let Step::Download = plan(desired, observed) else { return Ok(About::No) };
        let DesiredPair::Default { create_if_missing, .. } = &desired.pair else {
            return Err(TestCaseError::fail("only a default pair is downloaded"));
        };
        let read = observed.pair.as_ref().expect("it was read");
        prop_assert!(read.live);
        prop_assert!(read.pair.is_some() || (*create_if_missing && desired.goal == Goal::Present));
        Ok(About::Yes)
    });
}

#[test]
fn i3_a_secret_is_never_overwritten_while_it_may_hold_the_only_copy_of_a_key() {
    for_all(|desired, observed| {
        let Step::WriteSecret { found: Some(found), key, .. } = plan(desired,
            observed) else { return Ok(About::No) };
        prop_assert!(!found.is_of_another && !found.is_terminating);
        if let Some(old) = &found.key {
            prop_assert!(old.public() == key.public()
                || observed.done.set_aside == SetAside::Copied);
        }
        Ok(About::Yes)
    });
}

#[test]
fn i11_nothing_is_said_about_a_pair_that_is_not_the_objects_own() {
    for_all(|desired, observed| {
        let Step::Finish(verdict) = plan(desired, observed) else { return Ok(About::No) };
        let Some(pair) = observed.pair.as_ref().and_then(|read| read.pair.as_ref()) else {
            return Ok(About::No) };
        if own_pair(desired, observed).is_none() {
            let is_told = |text: &str| verdict.message.contains(text);
            let fingerprint = pair.fingerprint.as_ref();
            prop_assert!(!is_told(pair.arn.as_str()));
            prop_assert!(!fingerprint.is_some_and(|listed| is_told(listed.as_str())));
        }
        prop_assert!(!verdict.message.contains("team-z") && !verdict.message.contains("team-b"));
        Ok(About::Yes)
    });
}
