//! What there is to say of a Secret that keeps a private key, or should.

use std::fmt::{Formatter, Result};

use super::release::or_retain;
use crate::api::{FIELD_MANAGER, Reason};
use crate::secret::{MANAGED_BY, OWNER, PRIVATE_KEY, Rejection, owner_annotation};
use crate::ssh::InvalidPrivateKey;

/// What is in the way of a Secret. `ends`: the object is being deleted.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum SecretProblem<'a> {
    IsDeleted,
    IsReplaced,
    IsMissing,
    BackupIsDeleted,
    GoesWithNamespace,
    HasOwner { kind: &'a str, owner: &'a str, ends: bool },
    OfOtherType { needs_key: bool },
    NotOwned { ends: bool },
    WithoutOwner { object: &'a str, needs_key: bool, ends: bool },
    CopyNotOwned { copy: &'a str },
    Rejected { why: Rejection, needs_key: bool },
    Overwritten { why: InvalidPrivateKey, needs_key: bool },
    Refused { why: &'a str },
    Unread { why: &'a str, way_out: &'a str },
    OwnerStays { why: &'a str, way_out: Option<&'a str> },
    IsChanged,
}

impl SecretProblem<'_> {
    /// The word for it.
    pub(super) fn reason(&self) -> Reason {
        match self {
            Self::IsDeleted | Self::IsReplaced | Self::IsMissing => Reason::InProgress,
            Self::BackupIsDeleted | Self::GoesWithNamespace | Self::HasOwner { .. } => {
                Reason::BackupMissing
            }
            Self::OfOtherType { .. }
            | Self::NotOwned { .. }
            | Self::WithoutOwner { .. }
            | Self::CopyNotOwned { .. } => Reason::SecretNotOwned,
            Self::Rejected { .. }
            | Self::Overwritten { .. }
            | Self::Refused { .. }
            | Self::Unread { .. }
            | Self::OwnerStays { .. }
            | Self::IsChanged => Reason::SecretRejected,
        }
    }

    /// The text.
    pub(super) fn write(&self, to: &mut Formatter<'_>, secret: &str) -> Result {
        match self {
            Self::IsDeleted => write!(
                to,
                "the Secret {secret} is being deleted; the operator creates it again once it is \
                 gone. If that takes too long, find out which finalizer blocks the deletion"
            ),
            Self::IsReplaced => write!(to, "the Secret {secret} is being replaced"),
            Self::IsMissing => write!(
                to,
                "the private key is not in the Secret {secret}; put it there, for example from a \
                 backup: after the operator's --missing-key-grace, it counts as lost"
            ),
            Self::BackupIsDeleted => write!(
                to,
                "nothing was deleted: the Secret {secret}, which holds the private key, is being \
                 deleted; find out which finalizer blocks the deletion. The operator creates the \
                 Secret again once it is gone"
            ),
            Self::GoesWithNamespace => write!(
                to,
                "nothing was deleted: this namespace is being deleted, and with it the Secret \
                 {secret}, which holds the private key; to delete the key pair anyway, copy the \
                 private key elsewhere and set spec.default.backup: Skip"
            ),
            Self::HasOwner { kind, owner, ends } => write!(
                to,
                "nothing was deleted: the Secret {secret} holds the private key, and Kubernetes \
                 will delete it with its owner, the {kind} {owner}; remove that owner from \
                 metadata.ownerReferences of the Secret, or copy the private key elsewhere and set \
                 spec.default.backup: Skip{}",
                or_retain(*ends)
            ),
            Self::OfOtherType { needs_key } => write!(
                to,
                "the Secret {secret} holds the private key of a key pair of another type, from an \
                 earlier object with this name; {}",
                other_secret(*needs_key)
            ),
            Self::NotOwned { ends } => write!(
                to,
                "the Secret {secret} does not belong to this object and was not changed; set \
                 secret.name in the spec to another name{}",
                or_retain(*ends)
            ),
            Self::WithoutOwner { object, needs_key, ends } => write!(
                to,
                "the Secret {secret} does not belong to this object and was not changed; if its \
                 private key is the right one, and no other object uses the Secret, set its label \
                 {MANAGED_BY} to {FIELD_MANAGER} and its annotation {OWNER} to {}; otherwise, {}{}",
                owner_annotation(object),
                other_secret(*needs_key),
                or_retain(*ends)
            ),
            Self::CopyNotOwned { copy } => write!(
                to,
                "the old private key in the Secret {secret} must first be copied to the Secret \
                 {copy}, but that Secret already exists and holds something else; save the content \
                 of {copy} in a Secret with another name, and then remove {copy}"
            ),
            Self::Rejected { why, needs_key } => write!(
                to,
                "the Secret {secret} cannot be used: {why}{}",
                readable_key(*why, *needs_key)
            ),
            Self::Overwritten { why, needs_key } => overwritten(to, secret, *why, *needs_key),
            Self::Refused { why } => write!(
                to,
                "the Secret {secret} cannot be read or written: {why}; if a permission, policy, \
                 webhook or quota prevents this, correct it"
            ),
            Self::Unread { why, way_out } => write!(
                to,
                "the Secret {secret} cannot be read: {why}; allow the operator to read it, or, if \
                 the private key is saved elsewhere, set deletionPolicy: Retain and {way_out} in \
                 the spec to release the object without reading the Secret"
            ),
            Self::OwnerStays { why, way_out } => {
                write!(
                    to,
                    "the Secret {secret} should be kept, but Kubernetes will delete it with its \
                     owner, because the operator is not allowed to remove the owner reference: \
                     {why}; remove metadata.ownerReferences from the Secret"
                )?;
                if let Some(way_out) = way_out {
                    write!(
                        to,
                        ", or, if the private key is saved elsewhere, set {way_out} in the spec"
                    )?;
                }
                Ok(())
            }
            Self::IsChanged => write!(
                to,
                "an admission policy or webhook probably changes the Secret {secret} whenever the \
                 operator writes it; exempt the Secret, or remove from secret.labels in the spec \
                 the labels that the policy or webhook changes"
            ),
        }
    }
}

/// The key that the operator wrote is not what is there.
fn overwritten(
    to: &mut Formatter<'_>,
    secret: &str,
    why: InvalidPrivateKey,
    needs_key: bool,
) -> Result {
    write!(
        to,
        "the Secret {secret} cannot be used: its {PRIVATE_KEY} {why}. The operator wrote a private \
         key there, so something has changed it; if an admission policy or webhook did, exempt the \
         operator's Secrets{}",
        readable_key(Rejection::Unreadable(why), needs_key)
    )
}

/// How the spec comes to name a Secret whose key can be read.
fn readable_key(why: Rejection, needs_key: bool) -> &'static str {
    match why {
        Rejection::Unreadable(_) if needs_key => {
            "; copy the key pair's private key to a Secret with another name, and then set \
             secret.name in the spec to that name; or save what ssh-privatekey holds elsewhere, \
             and then replace it with the key pair's private key"
        }
        Rejection::Unreadable(_) => "; set secret.name in the spec to an unused name",
        Rejection::Immutable | Rejection::OtherType => "",
    }
}

/// How the spec comes to name another Secret, and the key of a pair is not lost with that.
fn other_secret(needs_key: bool) -> &'static str {
    if needs_key {
        "copy the right private key to a Secret with another name, and then set secret.name in the \
         spec to that name"
    } else {
        "set secret.name in the spec to another name"
    }
}
