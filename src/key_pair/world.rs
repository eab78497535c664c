//! What a plan for a key pair is made of: the desired state, and what was read and done.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use super::crowd::Crowd;
use super::record::Recorded;
use crate::access::Grant;
use crate::access::Limits;
use crate::api::key_pair::{AdoptionPolicy, Backup, DeletionPolicy, KeyAlgorithm, ReplacePolicy};
use crate::api::{Operation, Reason};
use crate::digest::Digest;
use crate::engine::Lookup;
use crate::engine::uid::Uid;
use crate::ids::{AccountId, Arn, Fingerprint, KeyPairName, Owner, Region};
use crate::lightsail::{self, Downloaded, Imported, KeyPair};
use crate::secret::{Found, SecretSpec};
use crate::ssh::{InvalidPublicKey, PrivateKey, PublicKey};

/// What the object asks for, after validation.
#[derive(Clone, Debug)]
pub struct Desired {
    /// What pair.
    pub pair: DesiredPair,
    /// The name in Lightsail.
    pub name: KeyPairName,
    /// The region.
    pub region: Region,
    /// What is to become of the pair.
    pub goal: Goal,
    /// What deleting the object does, if the spec says.
    pub deletion_policy: Option<DeletionPolicy>,
    /// The fingerprint of a pair that may be deleted.
    pub expected_fingerprint: Option<Fingerprint>,
    /// The value of the owner tag.
    pub owner: Owner,
    /// The tags that the spec names.
    pub tags: BTreeMap<String, String>,
    /// What to do with a pair that is already there.
    pub adoption: AdoptionPolicy,
    /// Whether nothing is to be changed.
    pub suspend: bool,
    /// When the object was created.
    pub created_at: Option<Timestamp>,
    /// Since when the object has been being deleted.
    pub deleted_at: Option<Timestamp>,
    /// The object's uid.
    pub uid: String,
    /// How often to check for drift.
    pub interval: Duration,
    /// Why nothing can be done with this name, if so.
    pub invalid_name: Option<InvalidName>,
    /// The account that the operator must be in, if it is pinned.
    pub pinned_account: Option<AccountId>,
    /// What the credentials allow.
    pub limits: Limits,
}

impl Desired {
    /// Whether the object, which has this on record, is not new to its account, which may be about
    /// to go. One that wants no pair may have had one.
    #[must_use]
    pub fn has_used_account(&self, recorded: &Recorded) -> bool {
        let had_pair = self.goal == Goal::Absent && recorded.account.is_some();
        self.goal.ends() || had_pair || recorded.may_have_pair()
    }
}

/// The pair that the spec describes, by its type.
#[derive(Clone, Debug)]
pub enum DesiredPair {
    /// With a public key that the user has.
    Imported {
        /// The public key.
        key: ImportedKey,
        /// What another key does.
        replace: ReplacePolicy,
    },
    /// With a private key that the operator makes.
    Generated {
        /// The type of new keys.
        algorithm: KeyAlgorithm,
        /// The Secret that keeps the private key.
        secret: SecretSpec,
        /// What a lost or another key does.
        replace: ReplacePolicy,
    },
    /// The region's default pair.
    Default {
        /// Whether it may be created.
        create_if_missing: bool,
        /// The Secret that keeps its private key.
        secret: SecretSpec,
        /// Whether the Secret must hold the key before the pair is deleted.
        backup: Backup,
        /// Whether the passwords of Windows instances are saved.
        windows_passwords_saved: bool,
    },
}

impl DesiredPair {
    /// The Secret that keeps its private key, if the operator has that.
    #[must_use]
    pub fn secret(&self) -> Option<&SecretSpec> {
        match self {
            Self::Imported { .. } => None,
            Self::Generated { secret, .. } | Self::Default { secret, .. } => Some(secret),
        }
    }
}

/// Where a public key comes from.
#[derive(Clone, Debug)]
pub enum ImportedKey {
    /// From nowhere; enough where the pair is to be absent.
    Absent,
    /// From the spec.
    Inline(Result<PublicKey, InvalidPublicKey>),
    /// From a Secret or ConfigMap.
    From(SourceRef),
}

/// A key of a Secret or ConfigMap in the object's namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SourceRef {
    /// `Secret` or `ConfigMap`.
    pub kind: SourceKind,
    /// Its name.
    pub name: String,
    /// The key in its data.
    pub key: String,
}

/// What a public key stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SourceKind {
    /// A Secret.
    Secret,
    /// A ConfigMap.
    ConfigMap,
}

/// What was found at a [`SourceRef`].
#[derive(Clone, Debug)]
pub enum PublicKeySource {
    /// Nothing, and that since then, as far as this process knows.
    Missing {
        /// When it was missed first.
        since: Timestamp,
        /// Whether the Secret or `ConfigMap` is there, and has no such key.
        has_object: bool,
    },
    /// A text that is too large to be a public key.
    TooLarge {
        /// Its length in bytes.
        bytes: usize,
    },
    /// A text, which is a public key or not.
    Found(Result<PublicKey, InvalidPublicKey>),
}

/// Why nothing can be done with a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// The object's name does not fit into a tag.
    #[error(
        "the name of this object has more than {most} characters; create an object with a shorter \
         name"
    )]
    TooLong {
        /// This many characters fit.
        most: usize,
    },
    /// It is the default pair's name.
    #[error(
        "{0} is the name of the region's default key pair; create an object of type Default for \
         it, or one with another keyPairName"
    )]
    IsDefault(KeyPairName),
    /// Lightsail takes no name of this length.
    #[error(
        "{0} cannot be a name in Lightsail, where names have 2 to 255 characters; create an object \
         with another keyPairName"
    )]
    Length(KeyPairName),
}

/// What is to become of the pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// It exists.
    Present,
    /// It does not exist, and the object stays.
    Absent,
    /// The object is being deleted.
    ObjectDeleted,
    /// The object vanished despite its finalizer; the operator still follows its deletion policy.
    ObjectVanished,
}

impl Goal {
    /// Whether the object ends, or has ended.
    #[must_use]
    pub fn ends(self) -> bool {
        matches!(self, Self::ObjectDeleted | Self::ObjectVanished)
    }
}

/// What was read and done in this reconciliation. `None` means that it was not read yet.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is one thing that is so or not")]
pub struct Observed {
    /// The time.
    pub now: Timestamp,
    /// Somebody asked for a reconciliation now, and none has handled that yet.
    pub asked: bool,
    /// Which credentials the object uses.
    pub grant: Grant,
    /// Since the reconciliation began, the spec was edited, the object deleted, or the account
    /// edited, deleted or created again.
    pub changed_meanwhile: bool,
    /// The labels of its namespace.
    pub namespace_labels: Option<BTreeMap<String, String>>,
    /// How many key pairs its namespace has, or is about to have, where that is limited.
    pub owned: Option<usize>,
    /// From when on the list may be read that shows how many it has, where the last one is from
    /// before one was left behind.
    pub counts_at: Option<Timestamp>,
    /// What the status records of earlier reconciliations.
    pub recorded: Recorded,
    /// Whether the object has the finalizer.
    pub has_finalizer: bool,
    /// The account of the credentials.
    pub account: Option<AccountId>,
    /// The pair in Lightsail.
    pub pair: Option<PairRead>,
    /// What stands where the spec says that the public key is.
    pub source: Option<PublicKeySource>,
    /// The Secret that keeps the private key.
    pub secret: Lookup<Found>,
    /// The Secret on record, where the spec names another one since.
    pub former_secret: Lookup<Found>,
    /// Since when the Secret has no key, as far as this process knows.
    pub key_missing_since: Option<Timestamp>,
    /// The Secret that has the name of the copy of an old private key, where it is in the way.
    pub copy: Lookup<Found>,
    /// The operation that an earlier reconciliation began, and that is not in the status yet.
    pub begun: Option<Operation>,
    /// The operation on record that was under way, as it is now.
    pub operation: Lookup<Operation>,
    /// The Windows instances that use the default pair.
    pub windows_instances: Option<Vec<String>>,
    /// The uid of the Secret that this process created, unless a read has shown whose it is.
    pub created_secret: Option<String>,
    /// Whether the namespace is being deleted.
    pub namespace_terminating: Option<bool>,
    /// Whether the object was Ready for its present generation, and nobody asks for more.
    pub was_acted_on: bool,
    /// Why the object is Stalled, if it shows that for its present generation.
    pub stalled_for: Option<Reason>,
    /// With which words it shows that a call or operation of its own has failed.
    pub failed_with: Option<String>,
    /// Whether this process knows that its last import or deletion has failed.
    pub has_failed: bool,
    /// Whether the object changed since it was observed.
    pub edited: bool,
    /// Whether the shared list is there and young enough.
    pub list_at_hand: bool,
    /// How many pages the shared list has, as far as is known; 0 if nothing is.
    pub list_pages: usize,
    /// Whether the shared list has more pages than this object waits for. It is being read, or the
    /// last read failed after this many.
    pub list_takes_long: bool,
    /// Whether the object has one of the places that changes have in any case, and all of which
    /// would otherwise wait for one list.
    pub is_change: bool,
    /// How many objects the namespace has, if they were counted.
    pub neighbors: usize,
    /// Other objects that want the same name in the same region.
    pub rivals: Vec<Rival>,
    /// Who else is creating key pairs in the same lane.
    pub crowd: Crowd,
    /// The import that was sent under the intent on record, as far as this process knows; `None`
    /// if none was sent that was not refused.
    pub sent: Option<ImportSent>,
    /// Until when a deletion of the pair may still take effect that this process sent, and that was
    /// not answered.
    pub deletion_may_follow: Option<Timestamp>,
    /// The pair of this name that this process has deleted lately.
    pub deleted: Option<DeletedPair>,
    /// Until when a download of the default pair may still take effect that this process sent, and
    /// that was not answered.
    pub download_may_follow: Option<Timestamp>,
    /// Until when a default pair may be missing from a list that this object has downloaded.
    pub unlisted_until: Option<Timestamp>,
    /// Until when a call may still take effect that a process sent before this one led.
    pub predecessors_may_act: Timestamp,
    /// Whether the object shows that its Secret could not be read or changed, and did so with a
    /// spec that keeps the Secret.
    pub refused_secret_stayed: bool,
    /// Until when a deletion of the pair may take effect that another process may have begun.
    pub deleted_elsewhere_until: Option<Timestamp>,
    /// The time by Lightsail's clock when the pair was read, if its answers have one.
    pub lightsail_date: Option<Timestamp>,
    /// How long the operator waits, by its settings.
    pub timing: Timing,
    /// Why the pair of an object of the same name that vanished is not dealt with yet, if that had
    /// the same name in Lightsail.
    pub predecessor: Option<Reason>,
    /// How long Lightsail has not been read, in the region of the object.
    pub silent_for: Duration,
    /// Why the last step failed, if it did.
    pub failure: Option<Failure>,
    /// What this reconciliation has done.
    pub done: Done,
}

impl Observed {
    /// Whether the pair is read live, whatever a list shows and whoever waits for one: somebody
    /// asks for that, or the answer to a change does not tell how the pair is now.
    #[must_use]
    pub fn reads_live(&self) -> bool {
        self.asked || self.done.leaves_unknown()
    }
}

/// How long the operator waits, by its settings.
#[derive(Clone, Debug)]
pub struct Timing {
    /// How long after the answer to an import its effect may appear.
    pub effect_window: Duration,
    /// How long after its intent was dated the effect of an import may appear.
    pub intent_window: Duration,
    /// How old an intent may be when its import is sent.
    pub intent_holds: Duration,
    /// How long what Lightsail has done may be missing from its answers.
    pub settle_time: Duration,
    /// How long the Secret of a generated pair may be missing before its key counts as lost.
    pub missing_key_grace: Duration,
    /// How long the source of the public key may be missing before that asks for a person.
    pub source_grace: Duration,
    /// How often the operator checks whether an unanswered import took effect.
    pub search_interval: Duration,
}

/// An import that was sent, or may have been, and was not refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImportSent {
    /// Until when it can still take effect.
    pub until: Timestamp,
    /// Lightsail said that it does.
    pub accepted: bool,
}

/// A pair that was deleted, or may have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeletedPair {
    /// Which one.
    pub pair: Digest<KeyPair>,
    /// Until when a read may still show it.
    pub until: Timestamp,
}

impl DeletedPair {
    /// Which pair this is. A fake of Lightsail may make ARNs of names: then the next one of its
    /// name has another time.
    #[must_use]
    pub fn digest(pair: &KeyPair) -> Digest<KeyPair> {
        Digest::of((&pair.arn, &pair.created_at))
    }
}

/// What was read of a pair in Lightsail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairRead {
    /// Whether it was read in this reconciliation, and not taken from a shared list (I7).
    pub live: bool,
    /// When it was asked for. A shared list may have been read long before.
    pub at: Timestamp,
    /// The pair, if there is one.
    pub pair: Option<KeyPair>,
}

/// Another object that wants the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rival {
    /// Its uid.
    pub uid: Uid,
    /// The owner tag that it would set.
    pub owner: Digest<Owner>,
    /// When it was created.
    pub created_at: Option<Timestamp>,
    /// The pair that its status records.
    pub arn: Option<Digest<Arn>>,
    /// Whether it is being deleted.
    pub deleting: bool,
}

/// Why a step failed, where the plan decides what that means for the object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Lightsail, STS or the way there.
    Lightsail(lightsail::Error),
    /// The API server does not let the operator read or write a Secret.
    SecretRejected {
        /// The Secret.
        name: String,
        /// What the API server said.
        why: String,
    },
    /// The API server does not let the operator read this ConfigMap.
    ConfigMapForbidden(String),
}

/// What this reconciliation has done, and what it learned by it.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is one thing that was done or not")]
pub struct Done {
    /// The answer to an import.
    pub import: Option<Imported>,
    /// When the answer to an import came.
    pub import_answered: Option<Timestamp>,
    /// It was tried to set tags by the name of the pair that was imported.
    pub tagged_by_name: bool,
    /// When this reconciliation began to write the intent that an import needs.
    pub intent: Option<Timestamp>,
    /// An import was refused: it proves that it did not take effect.
    pub import_refused: bool,
    /// The answer to a deletion.
    pub delete: Option<Operation>,
    /// A change found no pair where a read had shown one.
    pub found_none: bool,
    /// How often the pair was read live again, because the read before was too old.
    pub repeated_reads: usize,
    /// The key that was generated.
    pub generated: Option<PrivateKey>,
    /// The key that was downloaded.
    pub download: Option<Downloaded>,
    /// The pair was read again after the download.
    pub read_since_download: bool,
    /// A key was written into the Secret.
    pub wrote_secret: bool,
    /// The Secrets that an owner was taken off.
    pub disowned: Vec<String>,
    /// Whether the Secret's old key was copied aside.
    pub set_aside: SetAside,
    /// The pair as it was before its release, or why it could not be read.
    pub read_for_release: Option<lightsail::Result<Option<KeyPair>>>,
    /// Whether the owner tag was taken off, if that was tried.
    pub tag_release: Option<lightsail::Result<()>>,
}

impl Done {
    /// Whether the answer to a change does not tell how the pair is now.
    fn leaves_unknown(&self) -> bool {
        let is_silent = |deletion| !shows_absence(Some(deletion));
        self.found_none || self.delete.as_ref().is_some_and(is_silent)
    }
}

/// Whether the answer to a deletion shows that the pair is gone. An answer without an operation may
/// be none of Lightsail's, and one that failed leaves the pair. If it found none, a read has just
/// shown the pair all the same, and it is read again: one of Lightsail's servers may not know it.
#[must_use]
pub(super) fn shows_absence(answer: Option<&Operation>) -> bool {
    answer.is_some_and(|operation| operation.id.is_some() && !operation.failed())
}

/// Whether an old private key was copied to a Secret of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SetAside {
    /// That was not tried.
    #[default]
    Not,
    /// It was.
    Copied,
    /// There is a Secret of that name already.
    NameTaken,
}
