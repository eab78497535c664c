//! The Secrets that keep private keys: read by name, created, and replaced under the uid and version that were read.
//!
//! Never by a forced apply: an old leader that wakes up would replace the key of the new one (I3). Answers are read as text and
//! parsed here, because the client library logs a body that it cannot parse (I4). What to write is decided by the controllers.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::Secret;
use kube::core::Request;
use kube::core::params::{GetParams, PatchParams, PostParams};
use kube::{Client, Resource};
use serde_json::json;
use zeroize::Zeroizing;

use crate::api::FIELD_MANAGER;
use crate::error::{Error, is_status};
use crate::ssh::PrivateKey;

/// The type of the Secrets; `kubernetes.io/ssh-auth` requires the key `ssh-privatekey`.
const TYPE: &str = "kubernetes.io/ssh-auth";
const PRIVATE_KEY: &str = "ssh-privatekey";
const PUBLIC_KEY: &str = "ssh-publickey";
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Names the object that a Secret belongs to by kind and name; not by uid, since a restored backup has another.
const OWNER: &str = "lightsail-operator.dev/owner";

/// A Secret as it was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its name.
    pub name: String,
    /// Whether this object wrote it.
    pub is_own: bool,
    /// Whether another object of the operator's wrote it.
    pub is_of_another: bool,
    /// Whether it is being deleted.
    pub is_terminating: bool,
    /// Why it cannot be written, if so.
    pub rejects: Option<&'static str>,
    /// The private key that it holds, if it can be read.
    pub key: Option<PrivateKey>,
    /// Its uid.
    pub uid: String,
    /// Its version.
    pub resource_version: String,
}

/// Reads the Secret of this name. `owner` is the name of the object that asks.
///
/// # Errors
/// The API server refuses or does not answer.
pub async fn find(client: &Client, namespace: &str, name: &str, owner: &str) -> Result<Option<Found>, Error> {
    let request = request(namespace).get(name, &GetParams::default());
    match send(client, name, request).await {
        Ok(secret) => Ok(Some(found(name, secret, owner))),
        Err(Error::Kubernetes(error)) if is_status(&error, 404) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Creates a Secret with a key.
///
/// # Errors
/// [`Error::Conflict`] if there is one of this name by now.
pub async fn create(client: &Client, namespace: &str, name: &str, owner: &str, key: &PrivateKey) -> Result<(), Error> {
    let secret = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": { "name": name, "namespace": namespace, "labels": labels(), "annotations": annotations(owner) },
        "type": TYPE,
        "data": data(key),
    });
    let request = request(namespace).create(
        &PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() },
        secret.to_string().into_bytes(),
    );
    send(client, name, request).await.map(drop)
}

/// Makes sure that the Secret of this name holds this very key.
///
/// # Errors
/// [`Error::Conflict`] if it does not.
pub async fn confirm(client: &Client, namespace: &str, name: &str, key: &PrivateKey) -> Result<(), Error> {
    let found = find(client, namespace, name, "").await?.and_then(|found| found.key);
    let is_kept = found.is_some_and(|found| found.public() == key.public());
    if is_kept { Ok(()) } else { Err(Error::Conflict) }
}

/// Puts a key into the Secret that was found, and the marks of its owner.
///
/// # Errors
/// [`Error::Conflict`] if it is not any more as it was found.
pub async fn replace(
    client: &Client,
    namespace: &str,
    found: &Found,
    owner: &str,
    key: &PrivateKey,
) -> Result<(), Error> {
    let change = json!({
        "metadata": {
            "uid": found.uid,
            "resourceVersion": found.resource_version,
            "labels": labels(),
            "annotations": annotations(owner),
        },
        "data": data(key),
    });
    let patch = kube::api::Patch::Merge(change);
    let parameters = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    let request = request(namespace).patch(&found.name, &parameters, &patch);
    send(client, &found.name, request).await.map(drop)
}

fn request(namespace: &str) -> Request {
    Request::new(Secret::url_path(&(), Some(namespace)))
}

async fn send(
    client: &Client,
    name: &str,
    request: Result<http::Request<Vec<u8>>, kube::core::request::Error>,
) -> Result<Secret, Error> {
    let request = request.map_err(|error| Error::from(kube::Error::BuildRequest(error)))?;
    let text = match client.request_text(request).await {
        Ok(text) => Zeroizing::new(text),
        Err(kube::Error::Api(status)) if is_refusal(status.code) => {
            return Err(Error::SecretRejected { name: name.to_owned(), why: harmless(&status.message) });
        }
        Err(error) => return Err(error.into()),
    };
    serde_json::from_str(&text).map_err(|_| Error::Unreadable("Secret"))
}

/// Whether the API server will say the same again: bad requests, forbidden ones and those that a policy or a quota refuses.
fn is_refusal(code: u16) -> bool {
    matches!(code, 400 | 403 | 413 | 422)
}

/// What the API server or a policy said, unless it repeats what was sent.
fn harmless(message: &str) -> String {
    let is_harmless = !message.contains("PRIVATE KEY") && !message.contains("LS0tLS1");
    let message = if is_harmless { message } else { "the API server refused it" };
    message.chars().take(300).collect()
}

fn labels() -> serde_json::Value {
    json!({ MANAGED_BY: FIELD_MANAGER })
}

fn annotations(owner: &str) -> serde_json::Value {
    json!({ OWNER: owner_mark(owner) })
}

fn owner_mark(owner: &str) -> String {
    format!("LightsailKeyPair/{owner}")
}

fn data(key: &PrivateKey) -> serde_json::Value {
    let public = format!("{}\n", key.public().line());
    json!({ PRIVATE_KEY: STANDARD.encode(key.expose_pem()), PUBLIC_KEY: STANDARD.encode(public) })
}

fn found(name: &str, secret: Secret, owner: &str) -> Found {
    let value = |map: &Option<BTreeMap<String, String>>, key: &str| map.as_ref().and_then(|map| map.get(key)).cloned();
    let is_ours = value(&secret.metadata.labels, MANAGED_BY).as_deref() == Some(FIELD_MANAGER);
    let mark = value(&secret.metadata.annotations, OWNER).filter(|_| is_ours);
    let rejects = if secret.immutable == Some(true) {
        Some("it is immutable")
    } else if secret.type_.as_deref() != Some(TYPE) {
        Some("its type is not kubernetes.io/ssh-auth")
    } else {
        None
    };
    let pem = secret.data.as_ref().and_then(|data| data.get(PRIVATE_KEY));
    let key = pem.and_then(|pem| std::str::from_utf8(&pem.0).ok()).and_then(|pem| PrivateKey::parse(pem).ok());
    Found {
        name: name.to_owned(),
        is_own: mark.as_deref() == Some(&owner_mark(owner)),
        is_of_another: mark.is_some_and(|mark| mark != owner_mark(owner)),
        is_terminating: secret.metadata.deletion_timestamp.is_some(),
        rejects,
        key,
        uid: secret.metadata.uid.unwrap_or_default(),
        resource_version: secret.metadata.resource_version.unwrap_or_default(),
    }
}
