//! Reading and writing the operator's own objects: a live read, a status, a finalizer, an
//! annotation, an Event.
//!
//! Every write names the uid that was read, so an object that was deleted and created again is
//! never mistaken for the old one.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Instant;

use k8s_openapi::api::core::v1::{ConfigMap, Namespace, ObjectReference};
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::api::{DeleteParams, Patch, Preconditions};
use kube::core::Request;
use kube::core::params::GetParams;
use kube::{Api, Client, Resource, ResourceExt};
use serde::Serialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::api::{FIELD_MANAGER, RECONCILE_ANNOTATION, Reason, Reconciled};
use crate::api_server::{ApiServer, patch_parameters};
use crate::data_object::{Keys, parse_config_map};
use crate::digest;
use crate::error::Error;
use crate::kube_error::{existing, found, is_lasting_refusal, is_status};
use crate::secret::DataValue;

use super::context::Context;
use super::object_ref::ObjectRef;
use super::served::{Served, Unreadable};
use super::verdict::Severity;

/// Event notes have at most this many bytes.
const MAX_NOTE: usize = 1024;
/// The longest name of an object.
const MAX_NAME: usize = 253;

/// The API for the objects of a kind: of a namespace, or of the cluster.
pub(crate) fn api<K: Reconciled>(client: &Client, namespace: Option<&str>) -> Api<Served<K>> {
    match namespace.filter(|_| K::IS_NAMESPACED) {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &()),
        None => Api::all_with(client.clone(), &()),
    }
}

/// The object as it is now.
pub(crate) async fn find<K: Reconciled>(
    api_server: &ApiServer,
    at: &ObjectRef,
) -> Result<Option<Served<K>>, Error> {
    let api = api::<K>(api_server.client(), Some(&at.namespace));
    api_server.read(async { found(api.get(&at.name).await) }).await
}

/// What the operator reads of a namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NamespaceRead {
    /// Whether it is being deleted.
    pub(crate) is_terminating: bool,
    /// Its labels.
    pub(crate) labels: BTreeMap<String, String>,
}

/// The namespace as it is now. One that is gone counts as being deleted, and has no labels: its
/// objects may have left work behind.
pub(crate) async fn read_namespace(
    api_server: &ApiServer,
    namespace: &str,
) -> Result<NamespaceRead, Error> {
    let api: Api<Namespace> = Api::all(api_server.client().clone());
    let read = api_server.read(async { found(api.get_metadata(namespace).await) }).await?;
    Ok(read.map_or_else(
        || NamespaceRead { is_terminating: true, labels: BTreeMap::new() },
        |namespace| NamespaceRead {
            is_terminating: namespace.metadata.deletion_timestamp.is_some(),
            labels: namespace.metadata.labels.unwrap_or_default(),
        },
    ))
}

/// One key of the data of a ConfigMap, or of its binary data.
pub(crate) async fn find_value(
    api_server: &ApiServer,
    namespace: &str,
    name: &str,
    key: &str,
) -> Result<DataValue, Error> {
    let request = Request::new(ConfigMap::url_path(&(), Some(namespace)))
        .get(name, &GetParams::default())
        .map_err(kube::Error::BuildRequest)?;
    let take = async |answer: Result<String, Error>| {
        let text = match answer {
            Ok(text) => Zeroizing::new(text),
            Err(Error::Kubernetes(error)) if is_status(&error, 404) => {
                return Ok(DataValue::NoObject);
            }
            Err(Error::Kubernetes(error)) if is_status(&error, 403) => {
                return Err(Error::ConfigMapForbidden(name.to_owned()));
            }
            Err(error) => return Err(error),
        };
        let map = parse_config_map(text, Keys::these([key])).await;
        let map = map.ok_or(Error::Unreadable("ConfigMap"))?;
        let text = map.data.and_then(|mut data| data.remove(key)).map(String::into_bytes);
        let bytes = map.binary_data.and_then(|mut data| data.remove(key));
        let found = text.or(bytes.map(|bytes| bytes.0)).map(Zeroizing::new);
        Ok(found.map_or(DataValue::NoKey, DataValue::Found))
    };
    api_server.read_large(namespace, api_server.client().request_text(request), take).await
}

/// Writes the whole status of exactly the object that was read. It is a JSON patch: an apply cannot
/// remove what another field manager also owns, and an update would show an object without a spec
/// and labels to whatever admits it.
pub(crate) async fn write_status<K: Reconciled>(
    api_server: &ApiServer,
    object: &K,
    status: &K::Status,
) -> Result<K, Error> {
    readable(put_status::<K>(api_server, object.meta(), status).await?)
}

/// Whether the API server refused a write and will refuse it again: what the status cannot say, an
/// Event may.
pub(crate) fn is_refused<T>(written: &Result<T, Error>) -> bool {
    matches!(written, Err(Error::Kubernetes(error)) if is_lasting_refusal(error))
}

/// Says in an object's conditions that this version cannot read it, if they do not say so yet.
/// Everything else in its status stays. If the API server refuses the write, only the log and the
/// metrics say so.
pub(crate) async fn refuse<K: Reconciled>(
    api_server: &ApiServer,
    object: &Unreadable,
) -> Result<(), Error> {
    let Some(status) = object.status(Timestamp::now()) else { return Ok(()) };
    match put_status::<K>(api_server, &object.metadata, &status).await {
        Err(Error::Kubernetes(error)) if is_status(&error, 422) => Ok(()),
        outcome => outcome.map(drop),
    }
}

/// The object after a write. An object that cannot be read is not the one that was written, so the
/// reconciliation starts over and finds that out.
fn readable<K>(written: Served<K>) -> Result<K, Error> {
    match written {
        Served::Readable(object) => Ok(object),
        Served::Unreadable(_) => Err(Error::Conflict),
    }
}

async fn put_status<K: Reconciled>(
    api_server: &ApiServer,
    metadata: &ObjectMeta,
    status: &impl Serialize,
) -> Result<Served<K>, Error> {
    let name = metadata.name.clone().unwrap_or_default();
    // No two objects of a name have the same version, so that tells their UIDs apart too.
    let version = &metadata.resource_version;
    let patch = json!([
        { "op": "replace", "path": "/metadata/resourceVersion", "value": version },
        { "op": "add", "path": "/status", "value": status },
    ]);
    let patch = serde_json::from_value(patch).map_err(kube::Error::SerdeError)?;
    let parameters = patch_parameters();
    let request = Request::new(K::url_path(&(), metadata.namespace.as_deref()))
        .patch_subresource("status", &name, &parameters, &Patch::<()>::Json(patch))
        .map_err(kube::Error::BuildRequest)?;
    let answer = async { api_server.client().request(request).await.and_then(existing) };
    api_server.write(metadata.namespace.as_deref(), answer).await.map_err(gone)
}

/// A write that finds no object reports it as gone.
fn gone(error: Error) -> Error {
    let is_gone = matches!(&error, Error::Kubernetes(error) if is_status(error, 404));
    if is_gone { Error::Gone } else { error }
}

/// Changes the metadata of exactly the object that was read.
async fn patch_metadata<K: Reconciled>(
    api_server: &ApiServer,
    object: &K,
    key: &str,
    value: Value,
) -> Result<K, Error> {
    let mut metadata = json!({ "uid": object.uid(), "resourceVersion": object.resource_version() });
    metadata[key] = value;
    let api = api::<K>(api_server.client(), object.namespace().as_deref());
    let parameters = patch_parameters();
    let patch = Patch::Merge(json!({ "metadata": metadata }));
    let name = object.name_any();
    let answer = async { api.patch(&name, &parameters, &patch).await.and_then(existing) };
    let written = api_server.write(object.namespace().as_deref(), answer).await;
    readable(written.map_err(gone)?)
}

/// Adds a finalizer.
///
/// # Errors
/// [`Error::NotKept`] if the object does not have it then.
pub(crate) async fn add_finalizer<K: Reconciled>(
    api_server: &ApiServer,
    object: &K,
    finalizer: &str,
) -> Result<K, Error> {
    let all = [object.finalizers(), &[finalizer.to_owned()]].concat();
    let kept = patch_metadata(api_server, object, "finalizers", json!(all)).await?;
    if has_finalizer(&kept, finalizer) {
        Ok(kept)
    } else {
        Err(Error::NotKept("metadata.finalizers"))
    }
}

/// Removes a finalizer; the object may be gone with it.
pub(crate) async fn remove_finalizer<K: Reconciled>(
    api_server: &ApiServer,
    object: &K,
    finalizer: &str,
) -> Result<(), Error> {
    let rest: Vec<_> = object.finalizers().iter().filter(|other| *other != finalizer).collect();
    match patch_metadata(api_server, object, "finalizers", json!(rest)).await {
        Err(Error::Gone) => Ok(()),
        outcome => outcome.map(drop),
    }
}

/// Sets an annotation, or removes it.
pub(crate) async fn annotate<K: Reconciled>(
    api_server: &ApiServer,
    object: &K,
    key: &str,
    value: Option<&str>,
) -> Result<K, Error> {
    patch_metadata(api_server, object, "annotations", json!({ key: value })).await
}

/// Deletes exactly the object that was read, if it is still as it was read.
pub(crate) async fn delete<K: Reconciled>(api_server: &ApiServer, object: &K) -> Result<(), Error> {
    let preconditions =
        Preconditions { uid: object.uid(), resource_version: object.resource_version() };
    let parameters = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
    let namespace = object.namespace();
    let api = api::<K>(api_server.client(), namespace.as_deref());
    let name = object.name_any();
    let answer = api.delete(&name, &parameters);
    let answer = api_server.write(namespace.as_deref(), answer).await;
    let is_done = answer
        .map_err(gone)?
        .either(|object| object.meta().uid.is_some(), |status| status.is_success());
    // Whatever else answers may be anybody.
    if is_done { Ok(()) } else { Err(Error::Unreadable("Status")) }
}

/// Sends an Event of an object, unless it had too many.
pub(crate) async fn publish_event<K: Reconciled>(
    ctx: &Context,
    object: &K,
    severity: Severity,
    reason: Reason,
    note: &str,
) {
    if !ctx.events.lock().admit(&object.uid().unwrap_or_default(), Instant::now()) {
        return;
    }
    let (namespace, name) = (object.namespace(), object.name_any());
    let now = Timestamp::now();
    let event = Event {
        metadata: ObjectMeta {
            name: Some(event_name(&name, now)),
            // As Kubernetes does for objects in no namespace.
            namespace: Some(namespace.clone().unwrap_or_else(|| "default".to_owned())),
            ..ObjectMeta::default()
        },
        action: Some("Reconcile".to_owned()),
        event_time: Some(MicroTime(now)),
        note: Some(note[..note.floor_char_boundary(MAX_NOTE - 1)].to_owned()),
        reason: Some(reason.to_string()),
        regarding: Some(reference(object)),
        reporting_controller: Some(FIELD_MANAGER.to_owned()),
        reporting_instance: Some(FIELD_MANAGER.to_owned()),
        type_: Some(format!("{severity:?}")),
        ..Event::default()
    };
    ctx.api_server.send_event(namespace.as_deref(), event).await;
}

/// As client-go names Events: unique for an object by the time in nanoseconds. A name that leaves
/// no room for that is cut.
fn event_name(object: &str, now: Timestamp) -> String {
    let time = format!(".{:x}", now.as_nanosecond());
    let most = MAX_NAME.saturating_sub(time.len());
    let object = &object[..object.floor_char_boundary(most)];
    object.trim_end_matches(['.', '-']).to_owned() + &time
}

fn reference<K: Reconciled>(object: &K) -> ObjectReference {
    ObjectReference {
        api_version: Some(K::api_version(&()).into_owned()),
        kind: Some(K::kind(&()).into_owned()),
        namespace: object.namespace(),
        name: Some(object.name_any()),
        uid: object.uid(),
        resource_version: object.resource_version(),
        ..ObjectReference::default()
    }
}

/// The value of the annotation that asks for a reconciliation, for comparing. A long value is kept
/// as its digest.
pub(crate) fn asked<K: Resource>(object: &K) -> Option<Cow<'_, str>> {
    annotation(object, RECONCILE_ANNOTATION).map(digest::short)
}

/// Whether somebody asked for a reconciliation now, and none has handled that yet.
pub(crate) fn is_asked<K: Reconciled>(object: &K) -> bool {
    let asked = asked(object);
    asked.is_some() && asked.as_deref() != object.last_handled_reconcile()
}

/// An annotation of an object.
pub(crate) fn annotation<'a, K: Resource>(object: &'a K, key: &str) -> Option<&'a str> {
    let annotations: &BTreeMap<String, String> = object.meta().annotations.as_ref()?;
    annotations.get(key).map(String::as_str)
}

/// Whether the object has a finalizer.
pub(crate) fn has_finalizer<K: Resource>(object: &K, finalizer: &str) -> bool {
    object.meta().finalizers.as_ref().is_some_and(|all| all.iter().any(|other| other == finalizer))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{Request, Response};
    use kube::client::Body;

    use super::*;
    use crate::api::{FINALIZER, LightsailKeyPair};
    use crate::api_server::fake::Answers;
    use crate::lease::HeldLease;

    #[tokio::test]
    async fn i12_a_finalizer_that_is_not_kept_is_a_failure() {
        let pair = |finalizers: &[&str]| {
            json!({
                "apiVersion": "lightsail-operator.dev/v1alpha1",
                "kind": "LightsailKeyPair",
                "metadata": { "name": "fleet", "uid": "u", "finalizers": finalizers },
                "spec": { "type": "Default", "region": "eu-west-1" },
            })
        };
        for (kept, expected) in [(&[FINALIZER][..], true), (&["other"], false)] {
            let answer = pair(kept).to_string().into_bytes();
            let server = Answers(move |_: &Request<Body>| Ok(Response::new(answer.clone().into())));
            let api_server = ApiServer::new(
                Client::new(server, "default"),
                HeldLease::unlimited(),
                Duration::from_secs(1),
            );
            let object: LightsailKeyPair = serde_json::from_value(pair(&[])).unwrap();
            match add_finalizer(&api_server, &object, FINALIZER).await {
                Ok(object) => assert!(expected && has_finalizer(&object, FINALIZER)),
                Err(Error::NotKept(field)) => {
                    assert_eq!((expected, field), (false, "metadata.finalizers"));
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    #[test]
    fn the_name_of_an_event_fits_whatever_its_object_is_called() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        assert_eq!(event_name("fleet", now), "fleet.18fae27693b40000");
        for object in ["a".repeat(253), format!("{}.b", "a".repeat(235))] {
            let name = event_name(&object, now);
            assert!(name.len() <= 253 && !name.contains(".."), "{name}");
            assert!(name.ends_with(".18fae27693b40000"), "{name}");
        }
    }
}
