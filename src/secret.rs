//! The Secrets that keep private keys: read by name, created, and replaced under the uid and
//! version that were read.
//!
//! Never by a forced apply: an old leader that wakes up would replace the key of the new one (I3).
//! Answers are read as text and parsed here, because the client library logs a body that it cannot
//! parse (I4). What to write is decided by the plan.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Resource;
use kube::api::Patch;
use kube::core::Request;
use kube::core::params::{GetParams, PatchParams, PostParams};
use serde_json::json;
use zeroize::Zeroizing;

use crate::api::{FIELD_MANAGER, LightsailKeyPair};
use crate::api_server::ApiServer;
use crate::data_object::{Keys, parse_secret};
use crate::error::Error;
use crate::kube_error::{is_status, status};
use crate::ssh::{InvalidPrivateKey, InvalidPublicKey, PrivateKey, PublicKey};

/// The type of the Secrets; `kubernetes.io/ssh-auth` requires the key `ssh-privatekey`.
const TYPE: &str = "kubernetes.io/ssh-auth";
/// The key of the data with the private key.
pub(crate) const PRIVATE_KEY: &str = "ssh-privatekey";
const PUBLIC_KEY: &str = "ssh-publickey";
pub(crate) const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Names the object that a Secret belongs to by kind and name; not by uid, since a restored backup
/// has another.
pub(crate) const OWNER: &str = "lightsail-operator.dev/owner";
const KIND: &str = "LightsailKeyPair/";
/// Set by the create: only a Secret that the operator created is ever deleted with its object
/// (I15).
const CREATED: &str = "lightsail-operator.dev/created";
/// Whose key it is: `Generated` or `Default`.
const KEY_TYPE: &str = "lightsail-operator.dev/key-type";

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
    #[error(
        "its {PRIVATE_KEY} {0}. The Secret was not changed; put the key pair's private key there, \
         or set secret.name in the spec to an unused name"
    )]
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
         set secret.name in the spec to its name"
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

/// Reads the Secret of this name.
///
/// # Errors
/// The API server refuses or does not answer.
pub async fn find(
    api_server: &ApiServer,
    owner: Owner<'_>,
    name: &str,
) -> Result<Option<Found>, Error> {
    let keys = Keys::these([PRIVATE_KEY, PUBLIC_KEY]);
    let secret = get(api_server, owner.namespace, name, keys).await?;
    Ok(secret.map(|secret| found(name, secret, owner.name)))
}

/// What stands under a key of the data of a Secret or `ConfigMap`. It has no `Debug`, because that
/// may be a private key (I4).
pub enum DataValue {
    /// The object is not there.
    NoObject,
    /// It has no such key.
    NoKey,
    /// This.
    Found(Zeroizing<Vec<u8>>),
}

/// Reads one key of the data of a Secret.
///
/// # Errors
/// The API server refuses or does not answer.
pub async fn find_value(
    api_server: &ApiServer,
    namespace: &str,
    name: &str,
    key: &str,
) -> Result<DataValue, Error> {
    let Some(secret) = get(api_server, namespace, name, Keys::these([key])).await? else {
        return Ok(DataValue::NoObject);
    };
    let mut data = secret.data.unwrap_or_default().into_iter();
    let found = data.find(|(other, _)| other == key);
    Ok(found.map_or(DataValue::NoKey, |(_, bytes)| DataValue::Found(Zeroizing::new(bytes.0))))
}

/// What a Secret holds, whoever wrote it.
pub struct Content {
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its data.
    pub data: BTreeMap<String, Zeroizing<Vec<u8>>>,
}

/// Reads all that the Secret of this name holds.
///
/// # Errors
/// The API server refuses or does not answer.
pub async fn read(
    api_server: &ApiServer,
    namespace: &str,
    name: &str,
) -> Result<Option<Content>, Error> {
    let Some(secret) = get(api_server, namespace, name, Keys::All).await? else {
        return Ok(None);
    };
    let data = secret.data.unwrap_or_default().into_iter();
    Ok(Some(Content {
        labels: secret.metadata.labels.unwrap_or_default(),
        data: data.map(|(key, bytes)| (key, Zeroizing::new(bytes.0))).collect(),
    }))
}

/// The Secret of this name, with these keys.
async fn get(
    api_server: &ApiServer,
    namespace: &str,
    name: &str,
    keys: Keys,
) -> Result<Option<Secret>, Error> {
    let request = built(request(namespace).get(name, &GetParams::default()))?;
    let answer = api_server.client().request_text(request);
    match api_server.read_large(namespace, answer, |answer| parsed(name, answer, keys)).await {
        Ok(secret) => Ok(Some(secret)),
        Err(Error::Kubernetes(error)) if is_status(&error, 404) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Creates a Secret with a key.
///
/// # Errors
/// [`Error::Conflict`] if there is one of this name by now.
pub async fn create(
    api_server: &ApiServer,
    owner: Owner<'_>,
    spec: &SecretSpec,
    key: &PrivateKey,
) -> Result<(), Error> {
    let mut metadata = metadata(owner, spec, &[], true);
    metadata["annotations"][CREATED] = json!("true");
    metadata["name"] = json!(spec.name);
    metadata["namespace"] = json!(owner.namespace);
    let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": TYPE,
        "data": data(key, false) });
    let parameters =
        PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
    let request = request(owner.namespace).create(&parameters, secret.to_string().into_bytes());
    write(api_server, &spec.name, request).await
}

/// Puts a key into the Secret that was found, and the labels and annotations that the spec wants.
/// What stands beside the key stays if the plan says so.
///
/// # Errors
/// [`Error::Conflict`] if it is not any more as it was found.
pub async fn replace(
    api_server: &ApiServer,
    owner: Owner<'_>,
    spec: &SecretSpec,
    found: &Found,
    key: &PrivateKey,
    keep_public_half: bool,
) -> Result<(), Error> {
    let mut metadata = metadata(owner, spec, &found.owners, found.was_created);
    metadata["uid"] = json!(found.uid);
    metadata["resourceVersion"] = json!(found.resource_version);
    let data = data(key, keep_public_half);
    patch(api_server, owner, found, json!({ "metadata": metadata, "data": data })).await
}

/// Takes the owner references of an object, and of earlier ones of its name, off the Secret that
/// was found, and changes nothing else: Kubernetes allows that for an immutable Secret too.
///
/// # Errors
/// [`Error::Conflict`] if it is not any more as it was found.
pub async fn disown(api_server: &ApiServer, owner: Owner<'_>, found: &Found) -> Result<(), Error> {
    let metadata = json!({ "uid": found.uid, "resourceVersion": found.resource_version,
        "ownerReferences": other_owners(owner, &found.owners) });
    patch(api_server, owner, found, json!({ "metadata": metadata })).await
}

async fn patch(
    api_server: &ApiServer,
    owner: Owner<'_>,
    found: &Found,
    change: serde_json::Value,
) -> Result<(), Error> {
    let parameters =
        PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    let request = request(owner.namespace).patch(&found.name, &parameters, &Patch::Merge(change));
    write(api_server, &found.name, request).await
}

/// Whether an owner reference names an earlier object of the name.
fn is_stale(owner: Owner<'_>, other: &OwnerReference) -> bool {
    let group = other.api_version.split('/').next();
    other.kind == LightsailKeyPair::kind(&())
        && group == Some(LightsailKeyPair::group(&()).as_ref())
        && other.name == owner.name
        && other.uid != owner.uid
}

fn other_owners(owner: Owner<'_>, owners: &[OwnerReference]) -> Vec<OwnerReference> {
    let is_other = |other: &&OwnerReference| other.uid != owner.uid && !is_stale(owner, other);
    owners.iter().filter(is_other).cloned().collect()
}

/// Labels, annotations and owners. The other owners that it has are kept.
fn metadata(
    owner: Owner<'_>,
    spec: &SecretSpec,
    owners: &[OwnerReference],
    was_created: bool,
) -> serde_json::Value {
    let mut labels = spec.labels.clone();
    labels.insert(MANAGED_BY.to_owned(), FIELD_MANAGER.to_owned());
    let mut owners = other_owners(owner, owners);
    if spec.delete_with_object && was_created {
        owners.push(OwnerReference {
            api_version: LightsailKeyPair::api_version(&()).into_owned(),
            kind: LightsailKeyPair::kind(&()).into_owned(),
            name: owner.name.to_owned(),
            uid: owner.uid.to_owned(),
            ..OwnerReference::default()
        });
    }
    let mut annotations = json!({ OWNER: owner_annotation(owner.name) });
    if !spec.key_type.is_empty() {
        annotations[KEY_TYPE] = json!(spec.key_type);
    }
    json!({ "labels": labels, "annotations": annotations, "ownerReferences": owners })
}

fn request(namespace: &str) -> Request {
    Request::new(Secret::url_path(&(), Some(namespace)))
}

type Built<T> = Result<http::Request<T>, kube::core::request::Error>;

fn built<T>(request: Built<T>) -> Result<http::Request<T>, Error> {
    request.map_err(|error| kube::Error::BuildRequest(error).into())
}

async fn write(api_server: &ApiServer, name: &str, request: Built<Vec<u8>>) -> Result<(), Error> {
    let answer = api_server.write(api_server.client().request_text(built(request)?)).await;
    // Whatever else the Secret of a user holds.
    parsed(name, answer, Keys::these([])).await.map(drop)
}

/// The Secret that the API server sent, or why it did not.
async fn parsed(name: &str, answer: Result<String, Error>, keys: Keys) -> Result<Secret, Error> {
    let text = match answer.map(Zeroizing::new) {
        Ok(text) => text,
        Err(Error::Kubernetes(error)) => return Err(refused(name, *error)),
        Err(error) => return Err(error),
    };
    parse_secret(text, keys).await.ok_or(Error::Unreadable("Secret"))
}

/// What a refusal means. The page of a proxy is none, and is not repeated.
fn refused(name: &str, error: kube::Error) -> Error {
    let Some(status) = status(&error) else { return error.into() };
    let (code, why) = (status.code, harmless(&status.message));
    if is_refusal(code) {
        return Error::SecretRejected { name: name.to_owned(), code, why };
    }
    let kube::Error::Api(mut status) = error else { return error.into() };
    status.message = why;
    kube::Error::Api(status).into()
}

/// Whether the API server will say the same again: bad requests, forbidden ones and those that a
/// policy or a quota refuses.
fn is_refusal(code: u16) -> bool {
    matches!(code, 400 | 403 | 413 | 422)
}

/// What the API server or a policy said, unless it repeats what was sent.
fn harmless(message: &str) -> String {
    let is_harmless = !message.contains("PRIVATE KEY") && !message.contains("LS0tLS1");
    let message = if is_harmless { message } else { "the API server refused it" };
    message.chars().take(300).collect()
}

/// What names an object of this name as the owner of a Secret.
pub(crate) fn owner_annotation(owner: &str) -> String {
    format!("{KIND}{owner}")
}

/// What is written of a key. A public half that is there already, or stands in its place, may stay.
fn data(key: &PrivateKey, keep_public_half: bool) -> serde_json::Value {
    let private = STANDARD.encode(key.expose_pem());
    if keep_public_half {
        return json!({ PRIVATE_KEY: private });
    }
    let public = format!("{}\n", key.public().line());
    json!({ PRIVATE_KEY: private, PUBLIC_KEY: STANDARD.encode(public) })
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
