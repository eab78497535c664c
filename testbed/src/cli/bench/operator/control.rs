//! What all figures of a creation are compared with: a client that sends the requests of the
//! operator and does nothing else. It decides nothing, watches nothing, keeps nothing, and signs as
//! cheaply as can be.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use futures::channel::mpsc;
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::jiff::Timestamp;
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use kube::runtime::events::{Event, EventType, Recorder};
use kube::{Api, Client, Resource};
use serde_json::{Value, json};

use super::run::Run;
use crate::cli::bench::client::Target;
use crate::cli::bench::fleet::{At, all_ready, create_all, fleet, resource};
use crate::cli::bench::simulator::KEY;
use crate::cli::scene::OPERATOR;
use crate::cli::simulator::{ACCOUNT, REGION};

/// As many as the operator works on at the same time.
const AT_ONCE: usize = 10;

/// How long it takes for so many objects, on a control plane of its own.
pub(super) async fn control(run: &Run<'_>, size: usize) -> Result<Duration> {
    let bed = run.bed(&format!("control-{size}")).await?;
    let objects = fleet(&bed.client, size).await?;
    let ((teller, told), own) = (mpsc::unbounded(), bed.client_as_operator().await?);
    let recorder = Recorder::new(own.clone(), OPERATOR.into());
    let start = Instant::now();
    let work = told.map(Ok).try_for_each_concurrent(AT_ONCE, async |at: At| {
        let done = one(&own, &recorder, &bed.simulator.target, &at).await;
        done.with_context(|| format!("the control run at {at:?}"))
    });
    let created = create_all(&bed.client, &objects, Some(teller));
    let ((), (), ready) = futures::try_join!(created, work, all_ready(&bed.client, size))?;
    bed.end()?;
    Ok(ready - start)
}

/// The requests for one object, in the operator's order.
async fn one(client: &Client, recorder: &Recorder, target: &Target, at: &At) -> Result<()> {
    let (api, name) = (at.api(client), &at.name);
    let object = api.get(name).await.context("get")?;
    let change = json!({"metadata": {
        "uid": object.metadata.uid, "resourceVersion": object.metadata.resource_version,
        "finalizers": ["lightsail-operator.dev/finalizer"],
    }});
    let parameters = PatchParams { field_manager: Some(OPERATOR.to_owned()), ..Default::default() };
    let object = api.patch(name, &parameters, &Patch::Merge(change)).await.context("finalizer")?;

    // The import is on record before it is sent.
    let intent = json!({"observedGeneration": -1, "accountID": ACCOUNT, "importIntent": {
        "accountID": ACCOUNT, "publicKeySHA256": KEY, "fingerprints": [KEY],
    }});
    let object = write_status(&api, object, intent).await.context("intent")?;

    let call = async |operation: &str, input: Value| {
        let answer = target.send(target.call(operation, &input)?).await;
        answer.map(drop).context(operation.to_owned())
    };
    call("ImportKeyPair", json!({"keyPairName": name, "publicKeyBase64": KEY})).await?;
    let owner = format!("00000000-0000-0000-0000-000000000000/{}/{name}", at.namespace);
    let tag = json!({"key": "lightsail-operator.dev/owner", "value": owner});
    call("TagResource", json!({"resourceName": name, "tags": [tag]})).await?;

    let status = status(&object, name);
    let object = write_status(&api, object, status).await.context("status")?;
    let event = Event {
        type_: EventType::Normal,
        reason: "Imported".to_owned(),
        note: Some(format!("the key pair {name} was imported in {REGION}")),
        action: "Reconcile".to_owned(),
        secondary: None,
    };
    recorder.publish(&event, &object.object_ref(&resource())).await.context("event")
}

/// Writes the whole status under the version that was read, as the operator does.
async fn write_status(
    api: &Api<DynamicObject>,
    mut object: DynamicObject,
    status: Value,
) -> kube::Result<DynamicObject> {
    object.data["status"] = status;
    let parameters =
        PostParams { field_manager: Some(OPERATOR.to_owned()), ..PostParams::default() };
    let name = object.metadata.name.clone().unwrap_or_default();
    api.replace_status(&name, &parameters, &object).await
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
