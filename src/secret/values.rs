//! What a Secret is for an object, and what the spec wants of it.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Resource;
use zeroize::Zeroizing;

use crate::api::{FIELD_MANAGER, LightsailKeyPair};
use crate::ssh::{InvalidPrivateKey, InvalidPublicKey, PrivateKey, PublicKey};

/// The type of the Secrets; `kubernetes.io/ssh-auth` requires the key `ssh-privatekey`.
pub(super) const TYPE: &str = "kubernetes.io/ssh-auth";
/// The key of the data with the private key.
pub(crate) const PRIVATE_KEY: &str = "ssh-privatekey";
pub(super) const PUBLIC_KEY: &str = "ssh-publickey";
pub(crate) const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Names the object that a Secret belongs to by kind and name; not by uid, since a restored backup
/// has another.
pub(crate) const OWNER: &str = "lightsail-operator.dev/owner";
const KIND: &str = "LightsailKeyPair/";
/// Set by the create: only a Secret that the operator created is ever deleted with its object
/// (I15).
pub(super) const CREATED: &str = "lightsail-operator.dev/created";
/// Whose key it is: `Generated` or `Default`.
pub(super) const KEY_TYPE: &str = "lightsail-operator.dev/key-type";

/// A Secret as the spec wants it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecretSpec {
    /// Its name.
    pub name: String,
    /// Its labels, beside the operator's own.
    pub labels: BTreeMap<String, String>,
    /// Whether it goes with its object.
    pub delete_with_object: bool,
    /// The type of the key pair: `Generated` or `Default`; empty for a copy of an old key.
    pub key_type: &'static str,
}

/// The object that a Secret belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Owner<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Its uid.
    pub uid: &'a str,
}

/// A Secret as it was found.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is one thing that is so or not")]
pub struct Found {
    /// Its name.
    pub name: String,
    /// Whether this object wrote it.
    pub is_own: bool,
    /// Whether another object of the operator's wrote it.
    pub is_of_another: bool,
    /// Whether the operator created it.
    pub was_created: bool,
    /// The type of the key pair whose key it holds, if it says so.
    pub key_type: Option<String>,
    /// Whether it is being deleted.
    pub is_terminating: bool,
    /// Why it cannot be written, if so.
    pub rejects: Option<Rejection>,
    /// The private key that it holds, if it can be read.
    pub key: Option<PrivateKey>,
    /// Whether it holds the public half of that key too, or something else that a user put there
    /// and that is to stay, such as a certificate.
    pub has_public_half: bool,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its owners, with which it is deleted.
    pub owners: Vec<OwnerReference>,
    /// Its uid.
    pub uid: String,
    /// Its version.
    pub resource_version: String,
}

/// Why a Secret cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// It holds what cannot be used here, and may be the only copy of something (I3).
    #[error("its {PRIVATE_KEY} {0}. The Secret was not changed")]
    Unreadable(InvalidPrivateKey),
    /// Its content is fixed.
    #[error(
        "it is immutable; copy it to a mutable Secret, and set secret.name in the spec to the \
         name of the copy"
    )]
    Immutable,
    /// It has another type, which is fixed.
    #[error(
        "its type is not {TYPE}; copy its private key to {PRIVATE_KEY} in a Secret of that type \
         (kubectl create secret generic NAME --type={TYPE} --from-file={PRIVATE_KEY}=FILE), and \
         set secret.name in the spec to the name of that Secret"
    )]
    OtherType,
}

impl Found {
    /// Whether it has the labels that the spec wants, and goes with the object of this uid if, and
    /// only if, the spec wants that and the operator created it.
    #[must_use]
    pub fn fits(&self, spec: &SecretSpec, uid: &str) -> bool {
        let has_labels = spec.labels.iter().all(|(key, value)| self.labels.get(key) == Some(value));
        let goes_with_object = spec.delete_with_object && self.was_created;
        has_labels && self.is_owned_by(uid) == goes_with_object
    }

    /// Whether Kubernetes deletes it with the object of this uid.
    #[must_use]
    pub fn is_owned_by(&self, uid: &str) -> bool {
        self.owners.iter().any(|owner| owner.uid == uid)
    }

    /// Whether Kubernetes deletes it with an earlier object of this name, which may be gone by now:
    /// the garbage collector takes its time.
    #[must_use]
    pub fn has_stale_owner(&self, owner: Owner<'_>) -> bool {
        self.owners.iter().any(|other| is_stale(owner, other))
    }
}

/// Whether an owner reference names an earlier object of the name.
pub(super) fn is_stale(owner: Owner<'_>, other: &OwnerReference) -> bool {
    let group = other.api_version.split('/').next();
    other.kind == LightsailKeyPair::kind(&())
        && group == Some(LightsailKeyPair::group(&()).as_ref())
        && other.name == owner.name
        && other.uid != owner.uid
}

/// What names an object of this name as the owner of a Secret.
pub(crate) fn owner_annotation(owner: &str) -> String {
    format!("{KIND}{owner}")
}

/// The name of the object that a Secret names as its owner.
pub(crate) fn owner_of(secret: &Secret) -> Option<&str> {
    owner_annotation_of(secret).map(|owner| owner.strip_prefix(KIND).unwrap_or(owner))
}

/// The owner that a Secret names, if it also has the operator's label.
fn owner_annotation_of(secret: &Secret) -> Option<&str> {
    let labels = secret.metadata.labels.as_ref()?;
    let is_ours = labels.get(MANAGED_BY).is_some_and(|manager| manager == FIELD_MANAGER);
    secret.metadata.annotations.as_ref()?.get(OWNER).filter(|_| is_ours).map(String::as_str)
}

/// What a Secret is for the object of this name.
pub(crate) fn found(name: &str, mut secret: Secret, owner: &str) -> Found {
    let value = |map: &Option<BTreeMap<String, String>>, key: &str| {
        map.as_ref().and_then(|map| map.get(key)).cloned()
    };
    let annotated = owner_annotation_of(&secret).map(str::to_owned);
    // Either may be a private key, so it is overwritten when it is dropped.
    let mut data = secret.data.take().unwrap_or_default();
    let mut data = |key: &str| data.remove(key).map(|bytes| Zeroizing::new(bytes.0));
    let private = data(PRIVATE_KEY).filter(|bytes| !bytes.trim_ascii().is_empty());
    let read = private.map(|bytes| PrivateKey::parse_file(&bytes)).transpose();
    let is_of_type = secret.type_.as_deref() == Some(TYPE);
    let rejects = match &read {
        Err(why) => Some(Rejection::Unreadable(*why)),
        Ok(_) if secret.immutable == Some(true) => Some(Rejection::Immutable),
        Ok(_) if !is_of_type => Some(Rejection::OtherType),
        Ok(_) => None,
    };
    let key = read.ok().flatten();
    let public = data(PUBLIC_KEY).map(|bytes| PublicKey::parse_file(&bytes));
    let was_created = value(&secret.metadata.annotations, CREATED).is_some();
    let has_public_half = match (&key, public) {
        (Some(key), Some(Ok(public))) => key.public().sha256() == public.sha256(),
        (_, Some(Err(InvalidPublicKey::Certificate | InvalidPublicKey::Options))) => !was_created,
        (_, None | Some(_)) => false,
    };
    Found {
        name: name.to_owned(),
        is_own: annotated.as_deref() == Some(&owner_annotation(owner)),
        is_of_another: annotated.is_some_and(|annotated| annotated != owner_annotation(owner)),
        was_created,
        key_type: value(&secret.metadata.annotations, KEY_TYPE),
        is_terminating: secret.metadata.deletion_timestamp.is_some(),
        rejects,
        key,
        has_public_half,
        labels: secret.metadata.labels.unwrap_or_default(),
        owners: secret.metadata.owner_references.unwrap_or_default(),
        uid: secret.metadata.uid.unwrap_or_default(),
        resource_version: secret.metadata.resource_version.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::ByteString;

    use super::*;
    use crate::api::key_pair::KeyAlgorithm;

    #[test]
    fn what_a_user_put_beside_the_private_key_counts_as_its_public_half() {
        let generated = || crate::ssh::generate(KeyAlgorithm::Ed25519).unwrap();
        let (own, other) = (generated(), generated());
        let certificate = "ssh-ed25519-cert-v01@openssh.com AAAA";
        for (name, public, created, expected) in [
            ("its own", own.public().line(), true, true),
            ("another one", other.public().line(), true, false),
            ("a certificate of a user's", certificate, false, true),
            ("one in a Secret that was created here", certificate, true, false),
            ("none", "", true, false),
        ] {
            let bytes = |text: &str| ByteString(text.as_bytes().to_vec());
            let data = BTreeMap::from([
                (PRIVATE_KEY.to_owned(), bytes(own.expose_pem())),
                (PUBLIC_KEY.to_owned(), bytes(public)),
            ]);
            let mut secret =
                Secret { data: Some(data), type_: Some(TYPE.to_owned()), ..Secret::default() };
            secret.metadata.annotations =
                created.then(|| BTreeMap::from([(CREATED.to_owned(), "true".to_owned())]));
            let found = found("fleet", secret, "fleet");
            assert_eq!(found.has_public_half, expected, "{name}");
        }
    }

    #[test]
    fn i3_what_cannot_be_read_as_a_key_may_be_the_only_copy_of_something() {
        let data = |content: &str| {
            let bytes = ByteString(content.as_bytes().to_vec());
            BTreeMap::from([(PRIVATE_KEY.to_owned(), bytes)])
        };
        for (name, content, is_rejected) in [
            ("nothing", "", false),
            ("white space", " \n", false),
            ("a PuTTY key", "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n", true),
            ("a key with a passphrase", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMI==\n", true),
            ("anything else", "something", true),
        ] {
            let secret = Secret {
                data: Some(data(content)),
                type_: Some(TYPE.to_owned()),
                ..Secret::default()
            };
            let found = found("fleet", secret, "fleet");
            assert_eq!(found.rejects.is_some(), is_rejected, "{name}: {:?}", found.rejects);
        }
    }
}
