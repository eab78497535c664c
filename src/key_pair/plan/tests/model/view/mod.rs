//! Between the model and the plan: the `Desired` and `Observed` that a run of the model stands for,
//! and what the step of the plan, or the status that is published, is in the model.

mod answer;

use super::super::*;
use super::scenario::{Scenario, Spec, Type};
use super::world::{self, Annotation, Answer, Copied, Found as Read, How, Key, Missing, Record, Run,
    Seen, Sent, Tag};
use crate::api::{LightsailKeyPair, LightsailKeyPairStatus, Reason};
use crate::digest::Digest;
use crate::engine::tests::search::{ByHash, hash_of};
use crate::key_pair::crowd::CrowdCounts;
use crate::key_pair::{record, status};
use crate::lightsail::Downloaded;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

/// A step of the plan, as far as the model tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    ReadPair { live: bool },
    ReadSource,
    ReadSecret,
    ReadCopy,
    FindWindowsInstances,
    ReadNamespace,
    AddFinalizer,
    WriteIntent(Key),
    RecordAdoption,
    Generate,
    Import(Key),
    TagByName,
    Tag,
    RemoveTags,
    Download,
    SetAside(Key),
    WriteSecret { key: Key, owner: bool },
    DisownSecret,
    Delete { expected: Option<Key> },
    ReadForRelease,
    ReleaseTag(u8),
    RemoveFinalizer { deleted: bool },
    EndFollowUp { deleted: bool },
    Finish { state: State, reason: Reason },
    Pause,
    Leave,
}

impl Act {
    /// Whether the run only waits, for time or for a person, or reads: nothing is brought forward
    /// by that.
    pub(super) fn waits(self) -> bool {
        matches!(self, Self::ReadPair { .. } | Self::ReadSource | Self::ReadSecret | Self::Pause
            | Self::Finish { state: State::Reconciling | State::Stalled, .. })
    }
}

/// What the plan says to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decision {
    pub(super) act: Act,
    /// What the status records after the step, if that writes it.
    pub(super) record: Record,
    /// Whether the run leaves a pair behind if its object is gone.
    pub(super) is_left_behind: bool,
    /// What a process that remembers nothing would do.
    pub(super) without_memory: Act,
}

/// What there is once for all runs: keys, and what the plan said before.
pub(super) struct Plans {
    pub(super) scenario: Scenario,
    keys: Vec<PrivateKey>,
    decisions: ByHash<Decision>,
}

const OWNERS: [&str; 2] = [OWNER, "cluster/team-b/fleet"];
const UNKNOWN_FORM: &str = "of a new form";
const ACCOUNT: &str = "123456789012";

fn arn(id: u8) -> String {
    format!("arn:{id}")
}

fn created_at(id: u8) -> String {
    format!("2026-11-24T11:59:{:02}Z", 30 + id)
}

/// A deletion that is over.
fn deletion() -> Operation {
    Operation { id: Some("1".to_owned()), type_: Some("DeleteKeyPair".to_owned()),
        status: Some("Succeeded".to_owned()), created_at: Some(NOW.to_owned()),
        ..Operation::default() }
}

impl Plans {
    pub(super) fn new(scenario: Scenario) -> Self {
        let keys = Key::ALL.map(|_| crate::ssh::generate(KeyAlgorithm::Ed25519).unwrap());
        Self { scenario, keys: keys.to_vec(), decisions: ByHash::default() }
    }

    fn private(&self, key: Key) -> &PrivateKey {
        &self.keys[key as usize]
    }

    fn public(&self, key: Key) -> PublicKey {
        self.private(key).public().clone()
    }

    fn key_of(&self, public: &PublicKey) -> Key {
        let is = |key: &Key| self.private(*key).public() == public;
        Key::ALL.into_iter().find(is).expect("there is no other key")
    }

    fn key_of_sha256(&self, sha256: &str) -> Option<Key> {
        Key::ALL.into_iter().find(|key| self.private(*key).public().sha256() == sha256)
    }

    pub(super) fn spec(&self, run: &Run) -> &Spec {
        &self.scenario.specs[usize::from(run.object.spec)]
    }

    /// The desired state of the object of this place.
    fn desired(&self, place: usize, run: &Run) -> Desired {
        let spec = self.spec(run);
        let secret = SecretSpec { delete_with_object: spec.delete_with_object, ..kept() };
        let pair = match self.scenario.type_ {
            Type::Imported if spec.from_source => DesiredPair::Imported {
                key: ImportedKey::From(SourceRef { kind: SourceKind::Secret, name: "s".to_owned(),
                    key: "k".to_owned() }),
                replace: spec.replace,
            },
            Type::Imported => DesiredPair::Imported {
                key: ImportedKey::Inline(Ok(self.public(spec.key))), replace: spec.replace },
            Type::Generated => DesiredPair::Generated { algorithm: KeyAlgorithm::Ed25519, secret,
                replace: spec.replace },
            Type::Default => DesiredPair::Default {
                create_if_missing: spec.create_if_missing,
                secret: SecretSpec { key_type: "Default", ..secret },
                backup: spec.backup,
                windows_passwords_saved: false,
            },
        };
        let goal = match (run.follow_up, run.object.deleting, spec.absent) {
            (true, _, _) => Goal::ObjectVanished,
            (false, true, _) => Goal::ObjectDeleted,
            (false, false, true) => Goal::Absent,
            (false, false, false) => Goal::Present,
        };
        let is_default = self.scenario.type_ == Type::Default;
        Desired {
            pair,
            name: if is_default { KeyPairName::DEFAULT } else { "fleet" }.into(),
            goal,
            deletion_policy: spec.policy,
            expected_fingerprint: spec.expected.map(|key| self.public(key).sha256().into()),
            owner: OWNERS[place].into(),
            adoption: spec.adoption,
            suspend: spec.suspend,
            uid: format!("u{}", run.object.uid),
            ..desired()
        }
    }

    fn pair(&self, seen: Seen) -> KeyPair {
        let is_default = self.scenario.type_ == Type::Default;
        let form = if seen.listed { self.public(seen.key).sha256() } else { UNKNOWN_FORM.into() };
        let pair = KeyPair {
            name: if is_default { KeyPairName::DEFAULT } else { "fleet" }.into(),
            arn: arn(seen.id).into(),
            created_at: Some(created_at(seen.id)),
            support_code: None,
            fingerprint: Some(form.into()),
            tags: Tags::default(),
        };
        match seen.tag {
            Tag::Absent => pair,
            Tag::Of(place) => tagged(pair, OWNERS[usize::from(place)]),
            Tag::Elsewhere => tagged(pair, "other/team-z/fleet"),
        }
    }

    fn status(&self, record: &Record, seen: Option<Seen>) -> LightsailKeyPairStatus {
        let is_within = seen.is_some_and(|seen| seen.within);
        let origin = |how| match how {
            How::Imported => Origin::Imported,
            How::Generated => Origin::Generated,
            How::Adopted => Origin::Adopted,
            How::Default => Origin::Default,
        };
        let fingerprint = |key| self.public(key).sha256();
        LightsailKeyPairStatus {
            observed_generation: 1,
            account_id: record.account.then(|| ACCOUNT.to_owned()),
            arn: record.id.map(arn),
            created_at: record.id.map(created_at),
            fingerprint: record.id.map(|_| record.fingerprint.map_or(UNKNOWN_FORM.to_owned(),
                fingerprint)),
            public_key_sha256: record.sha256.map(fingerprint),
            origin: record.how.map(origin),
            import_intent: record.intent.map(|key| crate::api::key_pair::ImportIntent {
                account_id: ACCOUNT.to_owned(),
                public_key_sha256: self.public(key).sha256(),
                fingerprints: self.public(key).fingerprints().forms().to_vec(),
                date: (!record.undated).then(|| if is_within { "2026-11-24T11:59:30Z" } else {
                    "2026-11-24T12:30:00Z" }.to_owned()),
                replaced_arn: record.replaced.map(arn),
                replaced_created_at: record.replaced.map(created_at),
                replaced_origin: record.replaced_how.map(origin),
            }),
            last_operation: record.deleted.then(deletion),
            ..LightsailKeyPairStatus::default()
        }
    }

    fn record(&self, status: &LightsailKeyPairStatus) -> Record {
        let how = |origin| match origin {
            Origin::Imported => How::Imported,
            Origin::Generated => How::Generated,
            Origin::Adopted => How::Adopted,
            Origin::Default => How::Default,
        };
        let key = |text: &Option<String>| text.as_ref().and_then(|text| self.key_of_sha256(text));
        let id = |arn: &String| arn["arn:".len()..].parse().unwrap();
        let intent = status.import_intent.as_ref();
        Record {
            account: status.account_id.is_some(),
            id: status.arn.as_ref().map(id),
            replaced: intent.and_then(|intent| intent.replaced_arn.as_ref()).map(id),
            replaced_how: intent.and_then(|intent| intent.replaced_origin).map(how),
            fingerprint: key(&status.fingerprint),
            sha256: key(&status.public_key_sha256),
            how: status.origin.map(how),
            deleted: status.last_operation.as_ref()
                .is_some_and(|last| last.type_ == deletion().type_),
            undated: intent.is_some_and(|intent| intent.date.is_none()),
            intent: intent
                .and_then(|intent| self.key_of_sha256(&intent.public_key_sha256)),
        }
    }

    fn object(&self, run: &Run) -> LightsailKeyPair {
        let spec = serde_json::json!({ "type": "Default", "region": "eu-west-1" });
        let mut object = LightsailKeyPair::new("fleet", serde_json::from_value(spec).unwrap());
        let seen = run.pair.and_then(|read| read.pair);
        object.status = Some(self.status(&run.object.record, seen));
        object
    }

    fn found(&self, secret: &world::Secret) -> Found {
        Found {
            is_own: secret.annotation == Annotation::Own,
            is_of_another: secret.annotation == Annotation::Another,
            was_created: secret.created,
            key_type: (secret.annotation == Annotation::Own)
                .then(|| format!("{:?}", self.scenario.type_)),
            is_terminating: secret.terminating,
            rejects: secret.unreadable.then_some(
                Rejection::Unreadable(InvalidPrivateKey::Passphrase)),
            key: secret.key.filter(|_| !secret.unreadable).map(|key| self.private(key).clone()),
            owners: secret.owner.into_iter().map(|uid| OwnerReference {
                api_version: "lightsail-operator.dev/v1alpha1".to_owned(),
                kind: "LightsailKeyPair".to_owned(), name: "fleet".to_owned(),
                uid: format!("u{uid}"), ..OwnerReference::default() }).collect(),
            ..somebodys_secret()
        }
    }

    fn observed(&self, place: usize, run: &Run, object: &LightsailKeyPair) -> Observed {
        let (before, after) = ("2026-11-24T11:30:00Z", "2026-11-24T12:00:30Z");
        let long_ago = time(before);
        let sent = match run.sent {
            Sent::Unknown | Sent::No => None,
            Sent::Open { accepted } => sent(after, accepted),
            Sent::Over { accepted } => sent(before, accepted),
        };
        let is_settling = run.pair.is_some_and(|read| read.settling);
        let missing = match run.missing {
            Missing::No => None,
            Missing::Recent => Some(time(NOW)),
            Missing::Long => Some(long_ago),
        };
        let failure = run.failure.map(|failure| match failure {
            world::Failure::NoAnswer => ErrorKind::Transient,
            world::Failure::Throttled => ErrorKind::Throttled,
            world::Failure::Denied => ErrorKind::Denied,
        });
        let failure = failure.map(|kind| Failure::Lightsail(lightsail::Error::of_kind(kind)));
        let tag = run.pair.and_then(|read| read.pair).map(|pair| pair.tag);
        let is_tagged = tag == Some(Tag::Of(u8::try_from(1 - place).unwrap()));
        let rival = run.rival.filter(|rival| !rival.idle || is_tagged);
        let rival = rival.map(|rival| Rival {
            uid: format!("u{}", rival.uid).into(),
            owner: Digest::of(OWNERS[1 - place]),
            created_at: Some(time(NOW)),
            arn: rival.id.map(|id| Digest::of(arn(id))),
            deleting: rival.deleting,
        });
        Observed {
            recorded: record::recorded(object),
            has_finalizer: run.finalizer_new || run.object.finalizer || run.follow_up,
            pair: run.pair.map(|read| PairRead {
                live: read.live,
                at: match (read.early, read.old) {
                    (true, _) => time("2026-11-24T11:00:00Z"),
                    (false, true) => time("2026-11-24T11:58:00Z"),
                    (false, false) => time(NOW),
                },
                pair: read.pair.map(|seen| self.pair(seen)),
            }),
            source: match run.source {
                Read::Unread => None,
                Read::Absent => Some(PublicKeySource::Missing { since: missing.unwrap_or(time(NOW)),
                    has_object: false }),
                Read::There(key) => Some(PublicKeySource::Found(Ok(self.public(key)))),
            },
            secret: match run.secret {
                Read::Unread => Lookup::Unread,
                Read::Absent => Lookup::Absent,
                Read::There(secret) => Lookup::Found(self.found(&secret)),
            },
            operation: Lookup::Unread,
            copy: match run.copy {
                Read::Unread => Lookup::Unread,
                Read::Absent => Lookup::Absent,
                Read::There(key) => Lookup::Found(Found {
                    key: key.map(|key| self.private(key).clone()), ..somebodys_secret() }),
            },
            key_missing_since: missing,
            windows_instances: run.windows_read.then(Vec::new),
            namespace_terminating: run.namespace_read.then_some(false),
            rivals: rival.into_iter().collect(),
            crowd: self.crowd(run),
            sent,
            deletion_may_follow: run.deletion_open.then(|| time(after)),
            download_may_follow: run.download_open.then(|| time(after)),
            predecessors_may_act: time(if run.predecessors { after } else { before }),
            timing: Timing {
                settle_time: Duration::from_secs(if is_settling { 60 } else { 0 }),
                ..observed().timing
            },
            predecessor: run.predecessor.then_some(Reason::InProgress),
            failure,
            done: self.done(run),
            ..observed()
        }
    }

    /// Alone, or among many: the run that has tagged its pair then waits, and the next one finds a
    /// list.
    fn crowd(&self, run: &Run) -> Crowd {
        let size = if self.scenario.in_crowd { 100 } else { 1 };
        let counts = CrowdCounts { coming: size, ..CrowdCounts::default() };
        let is_listed = self.scenario.in_crowd && run.named && !run.tagged_by_name;
        let quiet_for = Some(Duration::ZERO);
        let counts = CrowdCounts { quiet_for, still_for: quiet_for, ..counts };
        Crowd { all: counts, own: counts, is_named: run.named, is_listed, ..Crowd::default() }
    }

    fn done(&self, run: &Run) -> Done {
        // It is on record from then on, and no deletion before it.
        let over = Operation { id: Some("import".to_owned()),
            type_: Some("ImportKeyPair".to_owned()), status: Some("Succeeded".to_owned()),
            ..Operation::default() };
        let deletion = deletion();
        let failed = || lightsail::Error::of_kind(ErrorKind::Transient);
        Done {
            import: run.import.map(|answer| match answer {
                Answer::Accepted => Imported::Accepted(over.clone()),
                Answer::NameTaken => Imported::NameTaken,
            }),
            // A run that slept since has lost this too.
            import_answered: run.import.map(|_| time(if run.intent_written { NOW } else {
                "2026-11-24T11:30:00Z" })),
            tagged_by_name: run.tagged_by_name,
            intent: run.intent_written.then(|| time(NOW)),
            import_refused: run.import_refused,
            delete: run.deleted.then_some(deletion),
            // Here, a change of tags that finds none fails.
            found_none: run.found_none,
            repeated_reads: 0,
            generated: run.generated.map(|key| self.private(key).clone()),
            download: run.download.map(|(key, id)| Downloaded { key: self.private(key).clone(),
                created_at: Some(created_at(id)) }),
            read_since_download: run.read_since_download,
            // Here, nobody changes what was written just now.
            wrote_secret: false,
            disowned: Vec::new(),
            set_aside: match run.copied {
                Copied::Not => SetAside::Not,
                Copied::Yes => SetAside::Copied,
                Copied::NameTaken => SetAside::NameTaken,
            },
            read_for_release: run.release_read.map(|read| match read {
                Ok(seen) => Ok(seen.map(|seen| self.pair(seen))),
                Err(()) => Err(failed()),
            }),
            tag_release: run.tag_released.map(|tag| tag.map_err(|()| failed())),
        }
    }
}
