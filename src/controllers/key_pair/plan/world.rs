//! What a plan for a key pair is made of: what is wanted, and what was seen and done.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use super::settled::Settled;
use crate::api::Operation;
use crate::api::key_pair::{
    AdoptionPolicy, Backup, DeletionPolicy, KeyAlgorithm, Origin, ReplacePolicy,
};
use crate::controllers::rows::Claim;
use crate::lightsail::{Downloaded, KeyPair};
use crate::secret::{Found, SecretSpec};
use crate::ssh::{InvalidPublicKey, PrivateKey, PublicKey};

/// What the object asks for, after validation.
#[derive(Clone, Debug)]
pub struct Desired {
    /// What kind of pair.
    pub kind: Kind,
    /// The name in Lightsail.
    pub name: String,
    /// The region.
    pub region: String,
    /// What is to become of the pair.
    pub goal: Goal,
    /// What deleting the object does, if the spec says.
    pub deletion_policy: Option<DeletionPolicy>,
    /// The fingerprint of a pair that may be deleted.
    pub expected_fingerprint: Option<String>,
    /// The value of the owner tag.
    pub owner: String,
    /// The tags that the spec names.
    pub tags: BTreeMap<String, String>,
    /// What to do with a pair that is already there.
    pub adoption: AdoptionPolicy,
    /// Whether nothing is to be changed.
    pub suspend: bool,
    /// When the object was created.
    pub created_at: Option<Timestamp>,
    /// The object's uid.
    pub uid: String,
    /// How often to look for drift.
    pub interval: Duration,
    /// Why nothing can be done with this name, if so.
    pub invalid_name: Option<String>,
    /// The account that the operator must be in, if it is pinned.
    pub pinned_account: Option<String>,
}

/// What kind of pair, with what belongs to it.
#[derive(Clone, Debug)]
pub enum Kind {
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceRef {
    /// `Secret` or `ConfigMap`.
    pub kind: SourceKind,
    /// Its name.
    pub name: String,
    /// The key in its data.
    pub key: String,
}

/// What a public key stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// A Secret.
    Secret,
    /// A ConfigMap.
    ConfigMap,
}

/// What was found at a [`SourceRef`].
#[derive(Clone, Debug)]
pub enum Source {
    /// Nothing, and that since then, as far as this process knows.
    Missing {
        /// When it was missed first.
        since: Timestamp,
    },
    /// A text, which is a public key or not.
    Found(Result<PublicKey, InvalidPublicKey>),
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
}

/// What was seen and done. `None` means that nobody has looked yet.
#[derive(Clone, Debug)]
pub struct Observed {
    /// The time.
    pub now: Timestamp,
    /// Somebody asked for a look now, and no pass has handled that yet.
    pub asked: bool,
    /// What the status says from earlier passes.
    pub recorded: Recorded,
    /// The finalizer.
    pub finalizer: Finalizer,
    /// The account of the credentials.
    pub account: Option<String>,
    /// The pair in Lightsail.
    pub look: Option<Look>,
    /// What stands where the spec says that the public key is.
    pub source: Option<Source>,
    /// The Secret that keeps the private key.
    pub secret: Option<Option<Found>>,
    /// Since when the Secret has no key, as far as this process knows.
    pub key_missing_since: Option<Timestamp>,
    /// The Windows instances that use the default pair.
    pub windows_instances: Option<Vec<String>>,
    /// Whether the namespace is being deleted.
    pub namespace_terminating: Option<bool>,
    /// Whether the object changed since it was acted on.
    pub edited: bool,
    /// Whether the shared list is there and young enough.
    pub list_at_hand: bool,
    /// Other objects that want the same name in the same region.
    pub rivals: Vec<Rival>,
    /// Until when an import that this object may have sent can still take effect.
    pub import_may_land_until: Option<Timestamp>,
    /// What this pass has done.
    pub done: Done,
}

/// What the status says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// The account.
    pub account: Option<String>,
    /// The pair that is this object's.
    pub arn: Option<String>,
    /// When Lightsail created it.
    pub created_at: Option<String>,
    /// Its fingerprint, verbatim.
    pub fingerprint: Option<String>,
    /// The public key that it was imported with.
    pub public_key_sha256: Option<String>,
    /// How the object came to it.
    pub origin: Option<Origin>,
    /// The keys of the tags that it has set.
    pub managed_tag_keys: Vec<String>,
}

/// Whether the object has the finalizer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finalizer {
    /// No.
    Missing,
    /// Since this pass: before it, this object cannot have changed anything in Lightsail.
    New,
    /// Since an earlier pass.
    Old,
}

/// A look at Lightsail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// Whether the look was made in this pass, and not taken from a shared list (I7).
    pub live: bool,
    /// When it was begun.
    pub at: Timestamp,
    /// The pair, if there is one.
    pub pair: Option<KeyPair>,
}

/// An object's wish for a key pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairClaim {
    /// The region.
    pub region: String,
    /// The name in Lightsail.
    pub name: String,
    /// The owner tag of the object.
    pub owner: String,
    /// When the object was created.
    pub created_at: Option<Timestamp>,
    /// The pair that the status records.
    pub arn: Option<String>,
    /// What else is recorded, if the object was acted on and needs a pass only if its pair changes.
    pub settled: Option<Settled>,
}

impl Claim for PairClaim {
    fn place(&self) -> (&str, &str) {
        (&self.region, &self.name)
    }

    // Whose a pair is depends on the pair too; those that are not the owner look again by
    // themselves.
    fn rank(&self) -> Option<impl Ord> {
        None::<()>
    }

    fn waits(&self) -> bool {
        false
    }
}

/// Another object that wants the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rival {
    /// Its uid.
    pub uid: String,
    /// The owner tag that it would set.
    pub owner: String,
    /// When it was created.
    pub created_at: Option<Timestamp>,
    /// The pair that its status records.
    pub arn: Option<String>,
    /// Whether it is being deleted.
    pub deleting: bool,
}

/// What this pass has done, and what it learnt by it.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is one thing that was done or not")]
pub struct Done {
    /// The answer to an import.
    pub import: Option<Operation>,
    /// An import was refused because something has the name.
    pub name_taken: bool,
    /// The answer to a deletion.
    pub delete: Option<Operation>,
    /// The key that was generated.
    pub generated: Option<PrivateKey>,
    /// The key that was downloaded.
    pub download: Option<Downloaded>,
    /// Lightsail was looked at after the download.
    pub looked_since_download: bool,
    /// The Secret's old key was copied aside.
    pub set_aside: bool,
    /// The owner tag was taken off, or that was tried.
    pub untagged: bool,
}
