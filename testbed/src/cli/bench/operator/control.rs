//! What all figures of a creation are compared with: a client that sends the requests of the
//! operator and does nothing else. It decides nothing, watches nothing, keeps nothing, and signs as
//! cheaply as can be.

use std::sync::Arc;

use anyhow::{Context, Result};
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::jiff::Timestamp;
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

use super::bed::bounded;
use super::fleet::{At, resource};
use crate::cli::bench::client::{Connection, Target};
use crate::cli::bench::simulator::KEY;
use crate::cli::simulator::{ACCOUNT, REGION};

/// As many as the operator works on at the same time.
const WORKERS: usize = 10;
const MANAGER: &str = "lightsail-operator";

/// Works on what is told until nobody tells any more.
pub(super) async fn work(
    client: Client,
    target: Target,
    told: mpsc::UnboundedReceiver<At>,
) -> Result<()> {
    let told = Arc::new(Mutex::new(told));
    let mut workers = JoinSet::new();
    for _ in 0..WORKERS {
        let (client, target, told) = (client.clone(), target.clone(), Arc::clone(&told));
        workers.spawn(async move {
            let mut lightsail = Connection::open(&target.host).await?;
            loop {
                let at = told.lock().await.recv().await;
                let Some(at) = at else { return anyhow::Ok(()) };
                let what = format!("the control run at {}/{}", at.namespace, at.name);
                bounded(&what, one(&client, &target, &mut lightsail, &at)).await?;
            }
        });
    }
    while let Some(worker) = workers.join_next().await {
        worker.context("a worker of the control run panicked")??;
    }
    Ok(())
}

/// The requests for one object, in the operator's order.
async fn one(client: &Client, target: &Target, lightsail: &mut Connection, at: &At) -> Result<()> {
    let resource = resource();
    let api = Api::<DynamicObject>::namespaced_with(client.clone(), &at.namespace, &resource);
    let object = api.get(&at.name).await.context("get")?;
    let (uid, version) = (object.metadata.uid.clone(), object.metadata.resource_version.clone());
    let change = json!({"metadata": {
        "uid": uid, "resourceVersion": version, "finalizers": ["lightsail-operator.dev/finalizer"],
    }});
    let parameters =
        PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
    let object =
        api.patch(&at.name, &parameters, &Patch::Merge(change)).await.context("finalizer")?;

    let name = &at.name;
    call(target, lightsail, "ImportKeyPair", &json!({"keyPairName": name, "publicKeyBase64": KEY}))
        .await?;
    let answer = call(target, lightsail, "GetKeyPair", &json!({"keyPairName": name})).await?;
    let owner = json!({
        "key": "lightsail-operator.dev/owner",
        "value": format!("00000000-0000-0000-0000-000000000000/{}/{name}", at.namespace),
    });
    call(target, lightsail, "TagResource", &json!({"resourceName": name, "tags": [owner]})).await?;

    let patch = json!({
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {"name": name, "uid": uid},
        "status": status(&object, name, &answer["keyPair"]),
    });
    let parameters = PatchParams::apply(MANAGER).force();
    api.patch_status(name, &parameters, &Patch::Apply(patch)).await.context("status")?;
    let events: Api<Event> = Api::namespaced(client.clone(), &at.namespace);
    events.create(&PostParams::default(), &event(at, uid.as_deref())?).await.context("event")?;
    Ok(())
}

async fn call(
    target: &Target,
    lightsail: &mut Connection,
    operation: &str,
    body: &Value,
) -> Result<Value> {
    let request = target.request(operation, &body.to_string())?;
    let answer = lightsail.exchange(&request).await.with_context(|| operation.to_owned())?;
    serde_json::from_slice(answer).with_context(|| format!("the answer of {operation}"))
}

/// As large as the operator's.
fn status(object: &DynamicObject, name: &str, pair: &Value) -> Value {
    let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let generation = object.metadata.generation;
    let condition = |type_: &str, status: &str, reason: &str, message: &str| {
        json!({
            "type": type_, "status": status, "reason": reason, "message": message,
            "lastTransitionTime": now, "observedGeneration": generation,
        })
    };
    let message = format!("the key pair {name} was imported");
    json!({
        "observedGeneration": generation,
        "accountID": ACCOUNT,
        "arn": pair["arn"],
        "createdAt": now,
        "effectiveDeletionPolicy": "Delete",
        "fingerprint": pair["fingerprint"],
        "keyPairName": name,
        "origin": "Imported",
        "supportCode": pair["supportCode"],
        "conditions": [
            condition("Ready", "True", "Imported", &message),
            condition("Reconciling", "False", "Imported", &message),
            condition("Stalled", "False", "Imported", &message),
            condition("FingerprintVerified", "True", "Matches", "the fingerprint is that of the \
                public key"),
        ],
    })
}

fn event(at: &At, uid: Option<&str>) -> Result<Event> {
    let now = Timestamp::now();
    let resource = resource();
    let event = json!({
        "metadata": {"name": format!("{}.{:x}", at.name, now.as_nanosecond()),
            "namespace": at.namespace},
        "action": "Reconcile",
        "eventTime": now.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string(),
        "note": format!("the key pair {} was imported in {REGION}", at.name),
        "reason": "Imported",
        "regarding": {
            "apiVersion": resource.api_version, "kind": resource.kind, "namespace": at.namespace,
                "name": at.name, "uid": uid,
        },
        "reportingController": MANAGER,
        "reportingInstance": MANAGER,
        "type": "Normal",
    });
    serde_json::from_value(event).context("make an Event")
}
