//! A cluster that an earlier version has filled: the new one takes everything for what it is,
//! changes nothing in AWS, and writes no more than it must.

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use lightsail_operator::api::conditions::{READY, find};
use lightsail_operator::api::{EXECUTED_ANNOTATION, HostKeyReset, LightsailKeyPair};
use serde_json::{Map, Value, json};
use testbed::simulator::{Fault, FaultEffect};

use crate::bed::{
    Bed, Namespaced, REGION, default_pair, imported, is_ready, public_key, ready_reason, reset,
    wait_for,
};

/// The fields of a status before imports were on record, and before resets had Lightsail's time.
const KEY_PAIR_FIELDS: [&str; 14] = [
    "observedGeneration",
    "lastHandledReconcile",
    "accountID",
    "keyPairName",
    "arn",
    "origin",
    "createdAt",
    "supportCode",
    "fingerprint",
    "publicKeySHA256",
    "effectiveDeletionPolicy",
    "managedTagKeys",
    "secretName",
    "lastOperation",
];
const RESET_FIELDS: [&str; 12] = [
    "observedGeneration",
    "lastHandledReconcile",
    "startTime",
    "completionTime",
    "attempts",
    "accountID",
    "instanceARN",
    "callerARN",
    "requestID",
    "lastOperationBefore",
    "operations",
    "conditions",
];
/// When the objects became what they are.
const LONG_AGO: &str = "2026-11-20T10:00:00Z";

/// Gives an object the status that the earlier version wrote: these fields, and these conditions.
async fn write_old_status<K: Namespaced>(
    bed: &Bed,
    name: &str,
    fields: &[&str],
    conditions: Option<Value>,
) {
    let object = bed.api::<K>().get(name).await.unwrap();
    let now = serde_json::to_value(&object).unwrap()["status"].clone();
    let mut status: Map<String, Value> = now.as_object().unwrap().clone();
    for (field, value) in &mut status {
        if !fields.contains(&field.as_str()) && field != "conditions" {
            *value = Value::Null;
        }
    }
    if let Some(conditions) = conditions {
        status.insert("conditions".to_owned(), conditions);
    }
    let patch = Patch::Merge(json!({ "status": status }));
    bed.api::<K>().patch_status(name, &PatchParams::default(), &patch).await.unwrap();
}

/// The conditions as the earlier version wrote them.
fn conditions(reason: &str, message: &str, has_fingerprint: bool) -> Value {
    let condition = |type_, reason, message| {
        json!({ "type": type_, "status": "True", "reason": reason, "message": message,
            "observedGeneration": 1, "lastTransitionTime": LONG_AGO })
    };
    let fingerprint = condition(
        "FingerprintVerified",
        "FingerprintMatches",
        "the fingerprint in Lightsail is that of the key",
    );
    let all = [condition("Ready", reason, message), fingerprint];
    json!(all[..=usize::from(has_fingerprint)])
}

/// The pairs of each type: the name, the spec, and what the earlier version said of it.
fn key_pairs() -> Vec<(&'static str, Value, &'static str, String)> {
    let there = |name, how| format!("the key pair {name} {how} and exists in {REGION}");
    let source = json!({ "configMapKeyRef": { "name": "keys", "key": "sourced" } });
    let sourced =
        json!({ "type": "Imported", "region": REGION, "imported": { "publicKeyFrom": source } });
    let generated = |secret: Value| {
        let generated = json!({ "secret": secret });
        json!({ "type": "Generated", "region": REGION, "generated": generated })
    };
    let tagged = {
        let mut spec = imported(&public_key("ed25519"));
        spec["tags"] = json!({ "team": "a" });
        spec
    };
    let absent = json!({ "type": "Imported", "region": REGION, "ensure": "Absent" });
    let adopted = format!(
        "adopted the key pair adopted, which already existed in {REGION} with this key; it stays \
         when you delete this object, unless you set deletionPolicy: Delete"
    );
    let kept = format!("the Secret kept holds the private key of the default key pair of {REGION}");
    vec![
        ("inline", tagged, "Imported", there("inline", "was imported")),
        ("sourced", sourced, "Imported", there("sourced", "was imported")),
        ("adopted", imported(ADOPTED), "Adopted", adopted),
        (
            "generated",
            generated(json!({ "name": "generated" })),
            "Generated",
            there("generated", "was generated"),
        ),
        (
            "owned",
            generated(json!({ "name": "owned", "deleteWithObject": true })),
            "Generated",
            there("owned", "was generated"),
        ),
        ("default", default_pair(), "Downloaded", kept),
        ("absent", absent, "Absent", format!("the key pair absent does not exist in {REGION}")),
    ]
}

const ADOPTED: &str = "ssh-ed25519 \
                       AAAAC3NzaC1lZDI1NTE5AAAAIInr0RHyB4V7DJqGqPA5Vy+9U501OmgDwTtpC3DgRvHS x";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i13_what_an_earlier_version_left_is_taken_for_what_it_is() {
    let bed = Bed::new("upgrade").await;
    bed.region.import_key_pair("adopted", ADOPTED);
    bed.region.create_default_key_pair();
    for instance in ["web-1", "web-2"] {
        bed.region.add_instance(instance);
    }
    let maps: Api<ConfigMap> = Api::namespaced(bed.cluster.client(), &bed.namespace);
    let metadata = ObjectMeta { name: Some("keys".to_owned()), ..ObjectMeta::default() };
    let data = Some([("sourced".to_owned(), public_key("ed25519"))].into());
    let map = ConfigMap { metadata, data, ..ConfigMap::default() };
    maps.create(&PostParams::default(), &map).await.unwrap();
    let mut operator = bed.start().await;
    let key_pairs = key_pairs();
    for (name, spec, reason, _) in &key_pairs {
        bed.create::<LightsailKeyPair>(name, spec).await;
        bed.wait_ready::<LightsailKeyPair>(name, reason).await;
    }
    bed.create::<HostKeyReset>("done", &reset()).await;
    let is_done = |reset: &HostKeyReset| ready_reason(reset) == "OperationSucceeded";
    let is_marked = |reset: &HostKeyReset| {
        is_done(reset) && reset.annotations()[EXECUTED_ANNOTATION].contains("/Succeeded/")
    };
    bed.wait("done", "done", is_marked).await;
    // One was called, and its answer is not on record.
    let fault = Fault {
        operation: "DeleteKnownHostKeys".to_owned(),
        resource: Some("web-2".to_owned()),
        times: 1,
        effect: FaultEffect::HoldAfter,
    };
    let held = bed.region.add_fault(fault);
    let mut called = reset();
    called["instanceName"] = json!("web-2");
    bed.create::<HostKeyReset>("called", &called).await;
    held.reached().await;
    operator.kill();
    held.release();
    wait_for("both calls", async || bed.calls("DeleteKnownHostKeys") == 2).await;
    // All of that as the earlier version wrote it.
    for (name, _, reason, message) in &key_pairs {
        let has_fingerprint = *reason != "Absent";
        let conditions = conditions(reason, message, has_fingerprint);
        write_old_status::<LightsailKeyPair>(&bed, name, &KEY_PAIR_FIELDS, Some(conditions)).await;
    }
    for name in ["done", "called"] {
        write_old_status::<HostKeyReset>(&bed, name, &RESET_FIELDS, None).await;
    }
    for name in ["generated", "owned", "kept"] {
        let names = ["created", "key-type"].map(|name| format!("lightsail-operator.dev/{name}"));
        let annotations: Map<String, Value> =
            names.into_iter().map(|name| (name, Value::Null)).collect();
        let change = Patch::Merge(json!({ "metadata": { "annotations": annotations } }));
        bed.secrets().patch(name, &PatchParams::default(), &change).await.unwrap();
    }
    let versions = async || {
        let mut versions = Vec::new();
        for (name, ..) in &key_pairs {
            let object: LightsailKeyPair = bed.api().get(name).await.unwrap();
            versions.push(((*name).to_owned(), object.resource_version()));
        }
        let done: HostKeyReset = bed.api().get("done").await.unwrap();
        versions.push(("done".to_owned(), done.resource_version()));
        for name in ["generated", "kept"] {
            let secret: Secret = bed.secrets().get(name).await.unwrap();
            versions.push((format!("Secret {name}"), secret.resource_version()));
        }
        versions
    };
    let (before, changes) = (versions().await, bed.changes());
    operator.restart().await.unwrap();
    bed.wait("called", "its operation is found", is_done).await;
    let owned = async || bed.secrets().get("owned").await.unwrap();
    // The earlier version also gave an owner to Secrets that it did not create; which those are
    // cannot be told any more, so that none is deleted with its object (I15).
    wait_for("it belongs to nobody", async || owned().await.owner_references().is_empty()).await;
    // Each is reconciled when somebody asks, too, and then only says that it was.
    let reconciled = async || {
        let (_, metrics) = operator.get("/metrics").await.unwrap();
        let of_pairs = |line: &&str| {
            line.starts_with("lightsail_operator_reconciles_total")
                && line.contains(r#"kind="LightsailKeyPair""#)
        };
        let counts = metrics.lines().filter(of_pairs).filter_map(|line| line.rsplit(' ').next());
        counts.filter_map(|count| count.parse::<usize>().ok()).sum::<usize>()
    };
    wait_for("all are reconciled", async || reconciled().await >= key_pairs.len()).await;
    assert_eq!(versions().await, before, "nothing is written");
    assert_eq!(bed.changes(), changes);
    for (name, _, reason, _) in &key_pairs {
        bed.reconcile_now::<LightsailKeyPair>(name).await;
        let handled = |pair: &LightsailKeyPair| {
            let handled = &pair.status.as_ref().unwrap().last_handled_reconcile;
            handled.as_deref() == Some("now") && is_ready(pair, reason)
        };
        let pair = bed.wait(name, &format!("still {reason}"), handled).await;
        let status = pair.status.unwrap();
        let ready = find(&status.conditions, READY).unwrap();
        let since = serde_json::to_value(&ready.last_transition_time).unwrap();
        assert_eq!(since, LONG_AGO, "{name} was Ready all the time");
    }
    assert_eq!(bed.changes(), changes);
}
