//! The requests: Secrets are read by name, created, and replaced under the uid and version that
//! were read.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Resource;
use kube::api::Patch;
use kube::core::Request;
use kube::core::params::{GetParams, PostParams};
use serde_json::json;
use zeroize::Zeroizing;

use super::values::{
    CREATED, Found, KEY_TYPE, MANAGED_BY, OWNER, Owner, PRIVATE_KEY, PUBLIC_KEY, SecretSpec, TYPE,
    found, is_stale, owner_annotation,
};
use crate::api::{FIELD_MANAGER, LightsailKeyPair};
use crate::api_server::{ApiServer, patch_parameters};
use crate::data_object::{Keys, parse_secret};
use crate::error::Error;
use crate::key_text::without_keys;
use crate::kube_error::{is_status, status};
use crate::ssh::PrivateKey;

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

/// Creates a Secret with a key. Returns its uid.
///
/// # Errors
/// [`Error::Conflict`] if there is one of this name by now.
pub async fn create(
    api_server: &ApiServer,
    owner: Owner<'_>,
    spec: &SecretSpec,
    key: &PrivateKey,
) -> Result<String, Error> {
    let mut metadata = metadata(owner, spec, &[], true);
    metadata["name"] = json!(spec.name);
    metadata["namespace"] = json!(owner.namespace);
    let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": TYPE,
        "data": data(key, false) });
    let parameters =
        PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
    let request = request(owner.namespace).create(&parameters, secret.to_string().into_bytes());
    let created = write(api_server, (owner.namespace, &spec.name), request).await?;
    Ok(created.metadata.uid.unwrap_or_default())
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
    let parameters = patch_parameters();
    let request = request(owner.namespace).patch(&found.name, &parameters, &Patch::Merge(change));
    write(api_server, (owner.namespace, &found.name), request).await.map(drop)
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
    if was_created {
        annotations[CREATED] = json!("true");
    }
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

async fn write(
    api_server: &ApiServer,
    (namespace, name): (&str, &str),
    request: Built<Vec<u8>>,
) -> Result<Secret, Error> {
    let answer = api_server.client().request_text(built(request)?);
    let answer = api_server.write(Some(namespace), answer).await;
    // Whatever else the Secret of a user holds.
    parsed(name, answer, Keys::these([])).await
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
    if is_about_the_secret(code) {
        return Error::SecretRejected { name: name.to_owned(), code, why };
    }
    let kube::Error::Api(mut status) = error else { return error.into() };
    status.message = why;
    kube::Error::Api(status).into()
}

/// Whether the API server will say the same again: bad requests, forbidden ones and those that a
/// policy or a quota refuses.
fn is_about_the_secret(code: u16) -> bool {
    matches!(code, 400 | 403 | 413 | 422)
}

/// What the API server or a policy said, unless it repeats what was sent.
fn harmless(message: &str) -> String {
    let is_harmless = !message.contains("PRIVATE KEY") && !message.contains("LS0tLS1");
    let message = if is_harmless { message } else { "the API server refused it" };
    without_keys(message).chars().take(300).collect()
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

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    #[test]
    fn a_policy_that_quotes_the_secret_is_quoted_without_the_key() {
        let key = "MIIEpAIBAAKCAQEA7vJ/x+Qz2kLw".repeat(3);
        for (said, code, expected) in [
            ("denied by the quota".to_owned(), 403, "denied by the quota"),
            (format!("denied: {key}"), 403, "denied: …"),
            (format!("denied: {key}"), 500, "denied: …"),
            (format!("denied: LS0tLS1 {key}"), 403, "the API server refused it"),
        ] {
            let status = Status::failure(&said, "Forbidden").with_code(code).boxed();
            let told = refused("a", kube::Error::Api(status)).to_string();
            assert!(told.ends_with(expected), "{said}: {told}");
        }
    }
}
