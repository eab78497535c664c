//! Everything that the conditions and Events of a key pair say, beside the errors of Lightsail and
//! of the Kubernetes API server: one place for the words.
//!
//! Each text says what is wrong, with the value that is wrong, and what to do. It is the same as
//! long as the state is the same, advises nothing that could lose the only copy of something, and
//! says nothing about a key pair that is not the object's own (I11).

mod not_deleted;
mod release;
mod secret;

use std::fmt;

use self::release::{RETAIN, way_out};
pub use self::{not_deleted::NotDeleted, release::Release, secret::SecretProblem};
use super::world::{InvalidName, SourceRef};
use crate::api::{OWNER_TAG, Operation, Reason};
use crate::engine::message;
use crate::ids::{KeyPairName, Owner, Region};
use crate::lightsail;
use crate::ssh::InvalidPublicKey;

/// What there is to say; `Display` has the texts.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum Message<'a> {
    // Ready
    Imported { name: &'a KeyPairName, region: &'a Region },
    Generated { name: &'a KeyPairName, region: &'a Region },
    Adopted { name: &'a KeyPairName, region: &'a Region, stays: bool },
    AdoptedUnverified { name: &'a KeyPairName, region: &'a Region },
    Downloaded { secret: &'a str, region: &'a Region },
    Absent { name: &'a KeyPairName, region: &'a Region },

    // Reconciling
    Suspended { step: &'a str },
    RivalIsDeleted { name: &'a KeyPairName },
    PredecessorFirst { why: Reason },
    Deleting,
    Importing,
    Adopting,
    NotListedYet,
    NotFoundToDelete,
    StillThere { name: &'a KeyPairName },
    NameNotFreeYet { name: &'a KeyPairName },
    NameInUse { name: &'a KeyPairName },
    ImportNotListedYet,
    ImportNotAnswered,
    DeletionMayFollow,
    DownloadMayFollow,
    CountsLater,
    BeingRecorded,
    ReadsTakeLong,
    Creating,
    SourceNotFound { at: &'a SourceRef },
    NoKeyInSource { at: &'a SourceRef },

    // Stalled: the spec and what it refers to
    InvalidName { why: &'a InvalidName },
    InvalidPublicKey { why: InvalidPublicKey },
    InvalidSource { at: &'a SourceRef, why: InvalidPublicKey },
    PrivateKeyInSource { at: &'a SourceRef },
    NoPublicKey,
    SourceTooLarge { at: &'a SourceRef, bytes: usize, most: usize },
    ConfigMapForbidden { name: &'a str },

    // Stalled: whose pair it is
    NameTaken { name: &'a KeyPairName, region: &'a Region },
    PairOfOther { name: &'a KeyPairName, region: &'a Region },
    ClaimedByOther { name: &'a KeyPairName, region: &'a Region },
    DefaultClaimedByOther { region: &'a Region },
    ClaimedByOtherInDeletion { name: &'a KeyPairName },
    OwnershipLost { name: &'a KeyPairName, ends: bool },
    Doubtful { name: &'a KeyPairName, owner: &'a Owner, ends: bool },

    // Stalled: the key
    PublicKeyChanged { name: &'a KeyPairName },
    PublicKeyOfAdoptedChanged { name: &'a KeyPairName },
    OtherKeyListed { name: &'a KeyPairName },
    PrivateKeyMismatch { name: &'a KeyPairName, secret: &'a str },
    PrivateKeyOfAdoptedMismatch { name: &'a KeyPairName, secret: &'a str },
    PrivateKeyLost { name: &'a KeyPairName, secret: &'a str },
    PrivateKeyOfAdoptedLost { name: &'a KeyPairName, secret: &'a str },

    // Stalled: nothing was deleted
    NotDeleted { name: &'a KeyPairName, ends: bool, why: NotDeleted<'a> },
    WindowsInstances { first: &'a str, others: usize },

    // Stalled: the default pair
    DefaultMissing { region: &'a Region },
    DefaultReplaced { secret: &'a str, has_copy: bool },

    // The Secret
    Secret { secret: &'a str, why: SecretProblem<'a> },

    // Stalled: Lightsail
    NameRejected { error: &'a lightsail::Error },
    OperationFailed { what: &'a str, operation: &'a Operation },

    // In an Event only
    Deleted { name: &'a KeyPairName, region: &'a Region },
    // Of its account
    Account(message::Message<'a>),
    TooManyKeyPairs { account: &'a str, most: usize },
    AdoptedIsKept { name: &'a KeyPairName, ends: bool },
    Released { why: Release, tag_stays: Option<&'a lightsail::Error> },
    Orphaned { name: &'a KeyPairName, why: &'a str },
}

impl Message<'_> {
    /// The word for it.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Imported { .. } => Reason::Imported,
            Self::Generated { .. } => Reason::Generated,
            Self::Adopted { .. } | Self::AdoptedUnverified { .. } => Reason::Adopted,
            Self::Downloaded { .. } => Reason::Downloaded,
            Self::Absent { .. } => Reason::Absent,
            Self::Suspended { .. } => Reason::Suspended,
            Self::RivalIsDeleted { .. } | Self::PredecessorFirst { .. } => Reason::WaitingForOwner,
            Self::Deleting
            | Self::Importing
            | Self::Adopting
            | Self::NotListedYet
            | Self::NotFoundToDelete
            | Self::StillThere { .. }
            | Self::NameNotFreeYet { .. }
            | Self::NameInUse { .. }
            | Self::ImportNotListedYet
            | Self::ImportNotAnswered
            | Self::DeletionMayFollow
            | Self::DownloadMayFollow
            | Self::CountsLater
            | Self::BeingRecorded
            | Self::ReadsTakeLong
            | Self::Creating => Reason::InProgress,
            Self::SourceNotFound { .. } | Self::NoKeyInSource { .. } => Reason::SourceNotFound,
            Self::InvalidName { .. } => Reason::InvalidName,
            Self::InvalidPublicKey { .. }
            | Self::InvalidSource { .. }
            | Self::PrivateKeyInSource { .. }
            | Self::NoPublicKey => Reason::InvalidPublicKey,
            Self::SourceTooLarge { .. } => Reason::SourceTooLarge,
            Self::ConfigMapForbidden { .. } => Reason::AccessDenied,
            Self::NameTaken { .. }
            | Self::PairOfOther { .. }
            | Self::ClaimedByOther { .. }
            | Self::DefaultClaimedByOther { .. }
            | Self::ClaimedByOtherInDeletion { .. } => Reason::NameConflict,
            Self::OwnershipLost { .. } => Reason::OwnershipLost,
            Self::PublicKeyChanged { .. } | Self::PublicKeyOfAdoptedChanged { .. } => {
                Reason::PublicKeyChanged
            }
            Self::PrivateKeyMismatch { .. } | Self::PrivateKeyOfAdoptedMismatch { .. } => {
                Reason::PrivateKeyMismatch
            }
            Self::PrivateKeyLost { .. } | Self::PrivateKeyOfAdoptedLost { .. } => {
                Reason::PrivateKeyLost
            }
            Self::Doubtful { .. } | Self::OtherKeyListed { .. } | Self::NotDeleted { .. } => {
                Reason::FingerprintMismatch
            }
            Self::WindowsInstances { .. } => Reason::WindowsInstancesUseKey,
            Self::DefaultMissing { .. } => Reason::DefaultKeyPairMissing,
            Self::DefaultReplaced { .. } => Reason::DefaultKeyPairReplaced,
            Self::Secret { why, .. } => why.reason(),
            Self::NameRejected { .. } | Self::OperationFailed { .. } => Reason::OperationFailed,
            Self::Deleted { .. } => Reason::Deleted,
            Self::Account(message) => message.reason(),
            Self::TooManyKeyPairs { .. } | Self::AdoptedIsKept { .. } => Reason::AccountNotAllowed,
            Self::Released { .. } | Self::Orphaned { .. } => Reason::Released,
        }
    }
}

impl fmt::Display for Message<'_> {
    #[expect(clippy::too_many_lines, reason = "an arm for each text")]
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Imported { name, region } => {
                write!(to, "the key pair {name} was imported and exists in {region}")
            }
            Self::Generated { name, region } => {
                write!(to, "the key pair {name} was generated and exists in {region}")
            }
            Self::Adopted { name, region, stays } => {
                write!(
                    to,
                    "adopted the key pair {name}, which already existed in {region} with this key"
                )?;
                if *stays {
                    to.write_str(
                        "; it stays when you delete this object, unless you set deletionPolicy: \
                         Delete",
                    )?;
                }
                Ok(())
            }
            Self::AdoptedUnverified { name, region } => write!(
                to,
                "adopted the key pair {name}, which already existed in {region}; Lightsail lists \
                 no fingerprint that the operator can compare with this key"
            ),
            Self::Downloaded { secret, region } => write!(
                to,
                "the Secret {secret} holds the private key of the default key pair of {region}"
            ),
            Self::Absent { name, region } | Self::Deleted { name, region } => {
                write!(to, "the key pair {name} does not exist in {region}")
            }
            Self::Suspended { step } => {
                write!(
                    to,
                    "spec.suspend is true; once you set it to false, the next step is {step}"
                )
            }
            Self::RivalIsDeleted { name } => write!(
                to,
                "another object that has the key pair {name} is being deleted, and this object \
                 waits until it is gone; if that takes too long, check the Ready condition of the \
                 other object"
            ),
            Self::PredecessorFirst { why } => {
                to.write_str(
                    "an earlier object with this name was removed before the operator had handled \
                     its finalizer; the operator first deletes or releases the key pair of that \
                     object",
                )?;
                if *why == Reason::InProgress {
                    return Ok(());
                }
                write!(to, ", which waits with the reason {why}")
            }
            Self::Deleting => to.write_str("Lightsail is deleting the key pair"),
            Self::Importing => to.write_str("Lightsail is importing the key pair"),
            Self::Adopting => to.write_str("the operator is adopting the key pair"),
            Self::NotFoundToDelete => to.write_str(
                "Lightsail shows the key pair, but reports that there is none to delete; the \
                 operator will retry",
            ),
            Self::StillThere { name } => write!(
                to,
                "Lightsail's response to DeleteKeyPair has no operation, and the key pair {name} \
                 is still there; the operator will retry"
            ),
            Self::NameNotFreeYet { name } => write!(
                to,
                "the key pair {name} was deleted, but Lightsail reports that its name is still in \
                 use; the operator will retry"
            ),
            Self::NameInUse { name } => write!(
                to,
                "Lightsail reports that the name {name} is in use, but shows no key pair with it; \
                 this object's earlier import may not be visible yet; the operator will retry"
            ),
            Self::NotListedYet => {
                to.write_str("Lightsail has just created the key pair and does not list it yet")
            }
            Self::ImportNotListedYet => {
                to.write_str("Lightsail has accepted the import and does not list the key pair yet")
            }
            Self::ImportNotAnswered => {
                to.write_str("Lightsail did not respond to an import, which may still take effect")
            }
            Self::DeletionMayFollow => {
                to.write_str("an earlier deletion of the key pair may still take effect")
            }
            Self::DownloadMayFollow => {
                to.write_str("an earlier download of the key pair may still take effect")
            }
            Self::CountsLater => to.write_str(
                "key pairs of this namespace were deleted, or may have been left in Lightsail; \
                 the operator lists them again before it checks allowed.maxKeyPairs",
            ),
            Self::BeingRecorded => to.write_str(
                "the key was changed; the operator records the key pair first and then replaces it",
            ),
            Self::ReadsTakeLong => to.write_str(
                "Lightsail takes so long to show the key pair that it may have changed in the \
                 meantime; the operator changes nothing, and will retry",
            ),
            Self::Creating => to.write_str("Lightsail is creating the default key pair"),
            Self::SourceNotFound { at } => write!(
                to,
                "there is no {:?} {} in this namespace; create it with the entry {}",
                at.kind, at.name, at.key
            ),
            Self::NoKeyInSource { at } => write!(
                to,
                "the {:?} {} has no entry {}; add it, or correct spec.imported.publicKeyFrom",
                at.kind, at.name, at.key
            ),
            Self::InvalidName { why } => why.fmt(to),
            Self::InvalidPublicKey { why } => {
                write!(to, "the public key cannot be used: {why}")
            }
            Self::InvalidSource { at, why } => write!(
                to,
                "the entry {} of the {:?} {} cannot be used: {why}",
                at.key, at.kind, at.name
            ),
            Self::PrivateKeyInSource { at } => write!(
                to,
                "the entry {} of the {:?} {} holds a private key; refer to the entry that holds \
                 the public key, usually ssh-publickey",
                at.key, at.kind, at.name
            ),
            Self::NoPublicKey => to.write_str(
                "spec.imported has no public key; set spec.imported.publicKey to the line of a \
                 .pub file",
            ),
            Self::SourceTooLarge { at, bytes, most } => write!(
                to,
                "the entry {} of the {:?} {} has {bytes} bytes, and the operator reads at most \
                 {most}; refer to an entry with only the public key",
                at.key, at.kind, at.name
            ),
            Self::ConfigMapForbidden { name } => write!(
                to,
                "the operator's ServiceAccount is not allowed to read the ConfigMap {name}; grant \
                 it the verb get on configmaps in this namespace"
            ),
            Self::NameTaken { name, region } => write!(
                to,
                "the name {name} in {region} is already used by a key pair or another resource \
                 that does not belong to this object; to use another name, delete this object, \
                 which changes nothing in Lightsail, and create it again with another keyPairName"
            ),
            Self::PairOfOther { name, region } => write!(
                to,
                "nothing was deleted: the key pair {name} in {region} does not belong to this \
                 object; delete this object, which changes nothing in Lightsail, and if the name \
                 is wrong, create it again with the right keyPairName"
            ),
            Self::ClaimedByOther { name, region } => write!(
                to,
                "the name {name} in {region} belongs to another object in this cluster, which \
                 already has the key pair or is older; to use another name, delete this object, \
                 which changes nothing in Lightsail, and create it again with another keyPairName"
            ),
            Self::DefaultClaimedByOther { region } => write!(
                to,
                "the default key pair of {region} belongs to another object in this cluster, \
                 which already has it or is older; a region has only one default key pair, so \
                 delete this object, which changes nothing in Lightsail"
            ),
            Self::ClaimedByOtherInDeletion { name } => write!(
                to,
                "nothing was deleted: the key pair {name} belongs to another object in this \
                 cluster, which already has it or is older; {RETAIN}"
            ),
            Self::OwnershipLost { name, ends } => write!(
                to,
                "the key pair {name} now has another owner's tag; if it belongs to this object, \
                 remove that tag in Lightsail (key {OWNER_TAG}, in any capitalization); otherwise, \
                 {}",
                way_out(*ends, "set deletionPolicy: Retain and delete this object")
            ),
            Self::Doubtful { name, owner, ends } => write!(
                to,
                "Lightsail did not respond to this object's import, and lists no fingerprint that \
                 shows whether the key pair {name} came from that import; look for the call \
                 ImportKeyPair in CloudTrail. If the key pair is from that import, set its tag \
                 {OWNER_TAG} to {owner}; if it is not, {}",
                way_out(*ends, "set deletionPolicy: Retain and delete this object")
            ),
            Self::PublicKeyChanged { name } => write!(
                to,
                "the public key was changed, but the key pair {name} was not replaced, because \
                 that would not change the keys on instances; put the old key back, create a new \
                 object with another keyPairName for the new key, or set \
                 spec.imported.replacePolicy: Recreate"
            ),
            Self::PublicKeyOfAdoptedChanged { name } => write!(
                to,
                "the public key was changed, but the operator never replaces the key pair {name}, \
                 because it existed before this object; put the old key back, or create a new \
                 object with another keyPairName for the new key"
            ),
            Self::OtherKeyListed { name } => write!(
                to,
                "the fingerprint that Lightsail lists for the key pair {name} is not that of this \
                 object's key; put the public key of the key pair into the spec, or create a new \
                 object with another keyPairName for the new key"
            ),
            Self::PrivateKeyMismatch { name, secret } => write!(
                to,
                "the private key in the Secret {secret} does not belong to the key pair {name}; \
                 put the right key back, or set spec.generated.replacePolicy: Recreate to replace \
                 the key pair with one for the key in the Secret"
            ),
            Self::PrivateKeyOfAdoptedMismatch { name, secret } => write!(
                to,
                "the private key in the Secret {secret} does not belong to the key pair {name}, \
                 which the operator never replaces, because it existed before this object; put the \
                 right key back, or create a new object with another keyPairName"
            ),
            Self::PrivateKeyLost { name, secret } => write!(
                to,
                "the private key of the key pair {name} is lost: the Secret {secret} does not hold \
                 it; put it there, for example from a backup or from another Secret, or set \
                 spec.generated.replacePolicy: Recreate to replace the key pair"
            ),
            Self::PrivateKeyOfAdoptedLost { name, secret } => write!(
                to,
                "the private key of the key pair {name} is lost: the Secret {secret} does not hold \
                 it, and the operator never replaces this key pair, because it existed before this \
                 object; put the key there, for example from a backup or from another Secret, or \
                 create a new object with another keyPairName"
            ),
            Self::NotDeleted { name, ends, why } => why.write(to, name, *ends),
            Self::WindowsInstances { first, others } => {
                to.write_str("nothing was deleted: the default key pair is used by the Windows ")?;
                if *others > 0 {
                    write!(to, "instance {first} and {others} more")?;
                } else {
                    write!(to, "instance {first}")?;
                }
                to.write_str(
                    ", and only its private key can decrypt initial passwords; save the passwords, \
                     then set spec.default.windowsPasswordsSaved: true",
                )
            }
            Self::DefaultMissing { region } => write!(
                to,
                "{region} has no default key pair; to let Lightsail create one, set \
                 spec.default.createIfMissing: true"
            ),
            Self::DefaultReplaced { secret, has_copy } => {
                let earlier = if *has_copy {
                    format!("the key that it held before is in the Secret {secret}-<8 hex digits>")
                } else {
                    "if there was an earlier key pair, its key was not downloaded".to_owned()
                };
                write!(
                    to,
                    "the downloaded default key pair does not have the fingerprint or the creation \
                     time that Lightsail lists: it was replaced in the meantime, or its \
                     fingerprint has an unknown form. Nothing was deleted; the Secret {secret} \
                     holds the downloaded private key, and {earlier}. The operator continues at \
                     the next interval"
                )
            }
            Self::Secret { secret, why } => why.write(to, secret),
            Self::NameRejected { error } => write!(to, "nothing was deleted: {error}; {RETAIN}"),
            Self::OperationFailed { what, operation } => {
                let error = lightsail::Error::operation_failed(operation);
                write!(
                    to,
                    "{what} failed: {error}; the operator will retry, but somebody may have to \
                     correct the cause"
                )
            }
            Self::Account(message) => fmt::Display::fmt(message, to),
            Self::TooManyKeyPairs { account, most } => write!(
                to,
                "the LightsailAccount {account} has allowed.maxKeyPairs: {most}, and this \
                 namespace has reached that limit in this region; delete an object in this \
                 namespace and its key pair (one that stays in Lightsail still counts), or ask \
                 whoever manages the accounts"
            ),
            Self::AdoptedIsKept { name, ends } => write!(
                to,
                "the key pair {name} existed before this object, and allowed.adoption of the \
                 LightsailAccount does not allow objects to delete or replace such a key pair; {}",
                way_out(*ends, "set ensure: Present, or ask whoever manages the accounts")
            ),
            Self::Released { why, tag_stays } => {
                why.fmt(to)?;
                match tag_stays {
                    Some(error) => write!(to, "; its owner tag stays too: {error}"),
                    None => Ok(()),
                }
            }
            Self::Orphaned { name, why } => {
                write!(to, "the object is gone, but its key pair {name} stays: {why}")
            }
        }
    }
}
