//! Samples of the messages about key pairs.

use std::collections::BTreeSet;

use super::{Row, names, variants};
use crate::access::permission::{Refusal, Refused};
use crate::api::{Operation, Reason};
use crate::engine::message::{Message as Shared, WayOut};
use crate::ids::{Fingerprint, KeyPairName, Owner, Region};
use crate::key_pair::message::{Message, NotDeleted, Release, SecretProblem};
use crate::key_pair::world::{InvalidName, SourceKind, SourceRef};
use crate::lightsail::{Error, ErrorKind};
use crate::secret::Rejection;
use crate::ssh::{Form, InvalidPrivateKey, InvalidPublicKey};

const PUBLIC: [InvalidPublicKey; 17] = [
    InvalidPublicKey::Private,
    InvalidPublicKey::PrivateDer,
    InvalidPublicKey::PuTTY,
    InvalidPublicKey::Empty,
    InvalidPublicKey::Lines,
    InvalidPublicKey::TooLong,
    InvalidPublicKey::Certificate,
    InvalidPublicKey::X509,
    InvalidPublicKey::Pgp,
    InvalidPublicKey::SecurityKey,
    InvalidPublicKey::Unsupported,
    InvalidPublicKey::Options,
    InvalidPublicKey::Fingerprint,
    InvalidPublicKey::Url,
    InvalidPublicKey::FileName,
    InvalidPublicKey::NoType,
    InvalidPublicKey::Data,
];

const PRIVATE: [InvalidPrivateKey; 16] = [
    InvalidPrivateKey::Passphrase,
    InvalidPrivateKey::PuTTY,
    InvalidPrivateKey::Ecdsa,
    InvalidPrivateKey::SecurityKey,
    InvalidPrivateKey::Unsupported,
    InvalidPrivateKey::TooShort,
    InvalidPrivateKey::TooBig,
    InvalidPrivateKey::Public,
    InvalidPrivateKey::TooLong,
    InvalidPrivateKey::Several,
    InvalidPrivateKey::NotAlone,
    InvalidPrivateKey::Der,
    InvalidPrivateKey::Pkcs12,
    InvalidPrivateKey::OtherForm,
    InvalidPrivateKey::Damaged,
    InvalidPrivateKey::Unknown,
];

const RELEASES: [Release; 14] = [
    Release::Suspended,
    Release::Retain,
    Release::NeverHadPair,
    Release::HasNoPair,
    Release::DefaultIsOfAnother,
    Release::NameIsOfAnother,
    Release::SecretIsDeleted,
    Release::SecretGoesWithObject,
    Release::IsBeingDeleted,
    Release::NoAccess,
    Release::NamespaceIsDeleted,
    Release::NoAccessNoRecord,
    Release::StillCounted,
    Release::MayBeCounted,
];

fn not_deleted<'a>(md5: &'a Fingerprint, sha256: &'a Fingerprint) -> [(NotDeleted<'a>, bool); 10] {
    [
        (NotDeleted::TaggedWithoutRecord, true),
        (NotDeleted::UnknownKey, false),
        (NotDeleted::NotAsRecorded, false),
        (NotDeleted::NotOwn, false),
        (NotDeleted::NotOwn, true),
        (NotDeleted::NoExpectedFingerprint, true),
        (NotDeleted::NotExpected { expected: md5 }, false),
        (NotDeleted::NoFingerprint, false),
        (NotDeleted::OtherForm { expected: sha256, form: Form::Md5 }, true),
        (NotDeleted::OtherForm { expected: sha256, form: Form::Base64 }, false),
    ]
}

#[expect(clippy::too_many_lines, reason = "a line for each message")]
pub(super) fn with_samples<T>(read: impl FnOnce(&[Message<'_>]) -> T) -> T {
    let (name, region) = (&KeyPairName::from("fleet"), &Region::from("eu-west-1"));
    let owner = &Owner::from("0cf2a6e0-5bd1-4b6c-9d5e-6f2d8a7b1c3e/team-a/fleet");
    let at = &SourceRef {
        kind: SourceKind::ConfigMap,
        name: "keys".to_owned(),
        key: "fleet.pub".to_owned(),
    };
    let secret_source = &SourceRef { kind: SourceKind::Secret, ..at.clone() };
    let md5 = &Fingerprint::from("ce:5a:93:4c:7b:53:ad:76:24:ff:31:2b:69:69:a8:e1");
    let sha256 = &Fingerprint::from("SHA256:Pf1NuCZxpW3pm0gzWqnm0KXN2cCjkzgMU8Fu8Rj6lKU");
    let error = Error {
        kind: ErrorKind::Denied,
        code: "AccessDeniedException".to_owned(),
        message: "AWS's own words".to_owned(),
        operation: Some("ImportKeyPair"),
    };
    let rejected = Error {
        kind: ErrorKind::Invalid,
        code: "InvalidInputException".to_owned(),
        ..error.clone()
    };
    let operation = Operation {
        error_code: Some("InternalError".to_owned()),
        error_details: Some("Lightsail's own words".to_owned()),
        ..Operation::default()
    };
    let names = [
        InvalidName::TooLong { most: 100 },
        InvalidName::IsDefault(KeyPairName::DEFAULT.into()),
        InvalidName::Length("x".into()),
    ];
    let secret = "fleet";
    let of_secret = |why| Message::Secret { secret, why };
    let mut samples = vec![
        Message::Imported { name, region },
        Message::Generated { name, region },
        Message::Adopted { name, region, stays: true },
        Message::Adopted { name, region, stays: false },
        Message::AdoptedUnverified { name, region },
        Message::Downloaded { secret, region },
        Message::Absent { name, region },
        Message::Suspended { step: "Import" },
        Message::RivalIsDeleted { name },
        Message::PredecessorFirst { why: Reason::InProgress },
        Message::PredecessorFirst { why: Reason::AccessDenied },
        Message::Deleting,
        Message::Importing,
        Message::Adopting,
        Message::NotListedYet,
        Message::NotFoundToDelete,
        Message::StillThere { name },
        Message::NameNotFreeYet { name },
        Message::NameInUse { name },
        Message::ImportNotListedYet,
        Message::ImportNotAnswered,
        Message::DeletionMayFollow,
        Message::DownloadMayFollow,
        Message::CountsLater,
        Message::BeingRecorded,
        Message::ReadsTakeLong,
        Message::Creating,
        of_secret(SecretProblem::IsDeleted),
        Message::Secret { secret: "fleet-1f5f9639", why: SecretProblem::IsReplaced },
        of_secret(SecretProblem::IsMissing),
        Message::SourceNotFound { at },
        Message::NoKeyInSource { at },
    ];
    samples.extend(names.iter().map(|why| Message::InvalidName { why }));
    samples.extend(PUBLIC.map(|why| Message::InvalidPublicKey { why }));
    samples.extend([
        Message::InvalidSource { at, why: InvalidPublicKey::Empty },
        Message::PrivateKeyInSource { at: secret_source },
        Message::NoPublicKey,
        Message::SourceTooLarge { at, bytes: 100_000, most: 65_536 },
        Message::ConfigMapForbidden { name: "keys" },
        Message::NameTaken { name, region },
        Message::PairOfOther { name, region },
        Message::ClaimedByOther { name, region },
        Message::DefaultClaimedByOther { region },
        Message::ClaimedByOtherInDeletion { name },
        Message::OwnershipLost { name, ends: false },
        Message::OwnershipLost { name, ends: true },
        Message::Doubtful { name, owner, ends: false },
        Message::Doubtful { name, owner, ends: true },
        Message::PublicKeyChanged { name },
        Message::PublicKeyOfAdoptedChanged { name },
        Message::OtherKeyListed { name },
        Message::PrivateKeyMismatch { name, secret },
        Message::PrivateKeyOfAdoptedMismatch { name, secret },
        Message::PrivateKeyLost { name, secret },
        Message::PrivateKeyOfAdoptedLost { name, secret },
    ]);
    samples.extend(not_deleted(md5, sha256).map(|(why, ends)| Message::NotDeleted {
        name,
        ends,
        why,
    }));
    samples.extend([
        of_secret(SecretProblem::BackupIsDeleted),
        of_secret(SecretProblem::GoesWithNamespace),
        of_secret(SecretProblem::HasOwner { kind: "ExternalSecret", owner: "fleet", ends: true }),
        Message::WindowsInstances { first: "win-1", others: 0 },
        Message::WindowsInstances { first: "win-1", others: 2 },
        Message::DefaultMissing { region },
        Message::DefaultReplaced { secret, has_copy: true },
        Message::DefaultReplaced { secret, has_copy: false },
        of_secret(SecretProblem::OfOtherType { needs_key: true }),
        of_secret(SecretProblem::OfOtherType { needs_key: false }),
        of_secret(SecretProblem::NotOwned { ends: false }),
        of_secret(SecretProblem::NotOwned { ends: true }),
        of_secret(SecretProblem::WithoutOwner { object: "fleet", needs_key: true, ends: false }),
        of_secret(SecretProblem::WithoutOwner { object: "fleet", needs_key: false, ends: true }),
        of_secret(SecretProblem::CopyNotOwned { copy: "fleet-1f5f9639" }),
    ]);
    let unusable = |why, needs_key| of_secret(SecretProblem::Rejected { why, needs_key });
    samples.extend([Rejection::Immutable, Rejection::OtherType].map(|why| unusable(why, true)));
    samples.extend(PRIVATE.map(|why| unusable(Rejection::Unreadable(why), true)));
    samples.extend([
        unusable(Rejection::Unreadable(InvalidPrivateKey::Unknown), false),
        of_secret(SecretProblem::Overwritten { why: InvalidPrivateKey::Unknown, needs_key: true }),
        of_secret(SecretProblem::Overwritten { why: InvalidPrivateKey::Unknown, needs_key: false }),
        of_secret(SecretProblem::IsChanged),
        of_secret(SecretProblem::Refused { why: "the API server's own words" }),
        of_secret(SecretProblem::Unread {
            why: "the API server's own words",
            way_out: "secret.deleteWithObject: true",
        }),
        Message::NameRejected { error: &rejected },
        of_secret(SecretProblem::OwnerStays {
            why: "the API server's own words",
            way_out: Some("secret.deleteWithObject to false and then to true"),
        }),
        Message::OperationFailed { what: "ImportKeyPair", operation: &operation },
        Message::Deleted { name, region },
        Message::Account(Shared::NoAccess {
            why: Refused::NotAllowed("production", Refusal::Name),
            way_out: WayOut::None,
        }),
        Message::TooManyKeyPairs { account: "production", most: 20 },
        Message::AdoptedIsKept { name, ends: false },
        Message::AdoptedIsKept { name, ends: true },
    ]);
    samples.extend(RELEASES.map(|why| Message::Released { why, tag_stays: None }));
    samples.extend([
        Message::Released { why: Release::Retain, tag_stays: Some(&error) },
        Message::Orphaned { name, why: "the reason why it could not be deleted" },
    ]);
    read(&samples)
}

pub(super) fn rows() -> Vec<Row> {
    with_samples(|samples| {
        let row = |message: &Message<'_>| (message.reason().to_string(), message.to_string());
        samples.iter().map(row).collect()
    })
}

#[test]
fn every_reason_why_nothing_was_deleted_has_a_sample() {
    let fingerprint = &Fingerprint::from("any");
    let samples = not_deleted(fingerprint, fingerprint).map(|(why, _)| why);
    let source = include_str!("../../key_pair/message/not_deleted.rs");
    assert_eq!(names(&samples), variants(source, "NotDeleted"));
}

#[test]
fn every_problem_of_a_secret_has_a_sample() {
    let of_secret = |message: &Message<'_>| {
        let Message::Secret { why, .. } = message else { return None };
        Some(format!("{why:?}"))
    };
    let problems = with_samples(|samples| samples.iter().filter_map(of_secret).collect::<Vec<_>>());
    let name = |text: &String| text.split(' ').next().unwrap_or_default().to_owned();
    let source = include_str!("../../key_pair/message/secret.rs");
    let names: BTreeSet<_> = problems.iter().map(name).collect();
    assert_eq!(names, variants(source, "SecretProblem"));
}

#[test]
fn every_kind_of_key_has_a_sample() {
    let enums = include_str!("../../ssh/invalid.rs");
    let count = |name: &str| {
        let body = enums.split(&format!("pub enum {name}")).nth(1).unwrap();
        let body = body.split("\n}").next().unwrap();
        let is_name = |line: &str| {
            let word = line.trim().strip_suffix(',').unwrap_or_default();
            !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        body.lines().filter(|line| is_name(line)).count()
    };
    assert_eq!(count("InvalidPublicKey"), PUBLIC.len());
    assert_eq!(count("InvalidPrivateKey"), PRIVATE.len());
}
