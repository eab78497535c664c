//! A client that sends the requests of the operator and does nothing else. It decides nothing,
//! watches nothing, keeps nothing, and signs as cheaply as can be.

use anyhow::{Context, Result};
use k8s_openapi::jiff::Timestamp;
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::runtime::events::{Event, EventType, Recorder};
use kube::{Api, Client, Resource};
use serde_json::{Value, json};

use super::client::Target;
use super::fleet::{At, resource};
use super::simulator::KEY;
use crate::cli::scene::OPERATOR;
use crate::cli::simulator::{ACCOUNT, REGION};

/// The client.
pub(super) struct BareClient {
    client: Client,
    recorder: Recorder,
    lightsail: Option<Target>,
}

impl BareClient {
    /// One with the operator's rights. Without Lightsail it sends only what goes to Kubernetes.
    pub(super) fn new(client: Client, lightsail: Option<Target>) -> Self {
        let recorder = Recorder::new(client.clone(), OPERATOR.into());
        Self { client, recorder, lightsail }
    }

    /// The requests for one object, in the operator's order.
    pub(super) async fn make_ready(&self, at: &At) -> Result<()> {
        let (api, name) = (at.api(&self.client), &at.name);
        let object = api.get(name).await.context("get")?;
        let object = set_finalizers(&api, &object, &["lightsail-operator.dev/finalizer"]).await?;

        // The import is on record before it is sent.
        let intent = json!({"observedGeneration": -1, "accountID": ACCOUNT, "importIntent": {
            "accountID": ACCOUNT, "publicKeySHA256": KEY, "fingerprints": [KEY],
        }});
        let object = write_status(&api, object, intent).await.context("intent")?;

        self.call("ImportKeyPair", json!({"keyPairName": name, "publicKeyBase64": KEY})).await?;
        let owner = format!("00000000-0000-0000-0000-000000000000/{}/{name}", at.namespace);
        let tag = json!({"key": "lightsail-operator.dev/owner", "value": owner});
        self.call("TagResource", json!({"resourceName": name, "tags": [tag]})).await?;

        let status = status(&object, name);
        let object = write_status(&api, object, status).await.context("status")?;
        let event = Event {
            type_: EventType::Normal,
            reason: "Imported".to_owned(),
            note: Some(format!("the key pair {name} was imported in {REGION}")),
            action: "Reconcile".to_owned(),
            secondary: None,
        };
        self.recorder.publish(&event, &object.object_ref(&resource())).await.context("event")
    }

    /// Lets an object go that is being deleted.
    pub(super) async fn release(&self, at: &At) -> Result<()> {
        let api = at.api(&self.client);
        let object = api.get(&at.name).await.context("get")?;
        set_finalizers(&api, &object, &[]).await.map(drop)
    }

    async fn call(&self, operation: &str, input: Value) -> Result<()> {
        let Some(lightsail) = &self.lightsail else { return Ok(()) };
        let answer = lightsail.send(lightsail.call(operation, &input)?).await;
        answer.map(drop).context(operation.to_owned())
    }
}

/// Sets the finalizers of the object that was read.
async fn set_finalizers(
    api: &Api<DynamicObject>,
    object: &DynamicObject,
    finalizers: &[&str],
) -> Result<DynamicObject> {
    let change = json!({"metadata": {
        "uid": object.metadata.uid, "resourceVersion": object.metadata.resource_version,
        "finalizers": finalizers,
    }});
    let parameters = PatchParams { field_manager: Some(OPERATOR.to_owned()), ..Default::default() };
    let name = object.metadata.name.clone().unwrap_or_default();
    api.patch(&name, &parameters, &Patch::Merge(change)).await.context("finalizers")
}

/// Writes the whole status under the version that was read, as the operator does.
async fn write_status(
    api: &Api<DynamicObject>,
    object: DynamicObject,
    status: Value,
) -> Result<DynamicObject> {
    let change = json!([
        { "op": "replace", "path": "/metadata/resourceVersion",
          "value": object.metadata.resource_version },
        { "op": "add", "path": "/status", "value": status },
    ]);
    let change = Patch::<()>::Json(serde_json::from_value(change)?);
    let parameters = PatchParams { field_manager: Some(OPERATOR.to_owned()), ..Default::default() };
    let name = object.metadata.name.clone().unwrap_or_default();
    Ok(api.patch_status(&name, &parameters, &change).await?)
}

/// As large as the operator's, which has read the pair in a list for all.
fn status(object: &DynamicObject, name: &str) -> Value {
    let (now, generation) = (Timestamp::now(), object.metadata.generation);
    let uid = object.metadata.uid.as_deref().unwrap_or_default();
    let now = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let conditions = [
        ("Ready", "True", "the key pair was imported"),
        ("Reconciling", "False", "the key pair was imported"),
        ("Stalled", "False", "the key pair was imported"),
        ("FingerprintVerified", "True", "the fingerprint is that of the public key"),
    ];
    let conditions = conditions.map(|(type_, status, message)| {
        json!({
            "type": type_, "status": status, "reason": "Imported", "message": message,
            "lastTransitionTime": now, "observedGeneration": generation,
        })
    });
    json!({
        "observedGeneration": generation, "conditions": conditions, "accountID": ACCOUNT,
        "arn": format!("arn:aws:lightsail:{REGION}:{ACCOUNT}:KeyPair/{uid}"),
        "createdAt": now, "effectiveDeletionPolicy": "Delete", "keyPairName": name,
        "fingerprint": "98b8WHbBOKkCue42+sz8cXM45FEA/9mMmd+WF59BIjg=", "origin": "Imported",
        "supportCode": format!("{ACCOUNT}/{name}"),
    })
}
