//! What the operator cannot read: objects of a newer CRD, and answers that are no objects. Nobody
//! else is held up by it, and nothing of it is in the log.

use http::Method;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use lightsail_operator::api::{HostKeyReset, LightsailKeyPair};
use lightsail_operator::crds;
use serde_json::{Value, json};
use testbed::api_proxy::{ApiProxy, Matcher};
use testbed::cluster::Cluster;
use testbed::control_plane::ControlPlane;
use testbed::operator::{Operator, OperatorOptions};
use testbed::simulator::{Options, Region, Simulator};

use crate::bed::{
    ACCOUNT, Bed, REGION, aws_environment, imported, key_pair_files, public_key, reset, wait_for,
};

/// The CRDs, as a newer version might have them: `suspend` may be anything.
async fn apply_newer_crds(cluster: &Cluster) {
    for (path, yaml) in crds::files().unwrap() {
        if !path.starts_with("crds/") {
            continue;
        }
        let mut crd: Value = serde_yaml_ng::from_str(&yaml).unwrap();
        // Accounts are not suspended.
        if crd["spec"]["names"]["kind"] != "LightsailAccount" {
            let schema = &mut crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
            let suspend = &mut schema["properties"]["spec"]["properties"]["suspend"];
            assert_eq!(suspend["type"], "boolean");
            *suspend = json!({ "x-kubernetes-preserve-unknown-fields": true });
        }
        let crd = crd.to_string();
        cluster.kubectl_with_input(&["apply", "-f", "-"], &crd).await.unwrap().or_error().unwrap();
    }
    let established =
        ["wait", "--for=condition=Established", "crd/lightsailkeypairs.lightsail-operator.dev"];
    cluster.kubectl(&established).await.unwrap().or_error().unwrap();
}

/// A cluster with newer CRDs, and key pairs in it, which the client of this test can always read.
struct Newer {
    api: Api<DynamicObject>,
    region: Region,
}

impl Newer {
    async fn create(&self, name: &str, suspend: &Value) {
        let mut spec = imported(&public_key("ed25519"));
        spec["suspend"] = suspend.clone();
        self.create_with(name, &spec).await;
    }

    /// Asks for the deletion of a key pair by its name and fingerprint, whoever owns it.
    async fn create_taker(&self, name: &str, of: &str) {
        let pair = self.region.find_key_pair(of).unwrap();
        let mut spec = imported(&public_key("ed25519"));
        spec["keyPairName"] = json!(of);
        spec["ensure"] = json!("Absent");
        spec["adoptionPolicy"] = json!("TakeOver");
        spec["expectedFingerprint"] = json!(pair.fingerprint);
        self.create_with(name, &spec).await;
    }

    async fn create_with(&self, name: &str, spec: &Value) {
        let object = json!({
            "apiVersion": "lightsail-operator.dev/v1alpha1", "kind": "LightsailKeyPair",
            "metadata": { "name": name }, "spec": spec,
        });
        let object = serde_json::from_value(object).unwrap();
        self.api.create(&PostParams::default(), &object).await.unwrap();
    }

    async fn suspend(&self, name: &str, suspend: &Value) {
        suspend_in(&self.api, name, suspend).await;
    }

    async fn wait(&self, name: &str, status: &str, reason: &str) -> DynamicObject {
        wait_in(&self.api, name, status, reason).await
    }
}

async fn suspend_in(api: &Api<DynamicObject>, name: &str, suspend: &Value) {
    let patch = Patch::Merge(json!({ "spec": { "suspend": suspend } }));
    api.patch(name, &PatchParams::default(), &patch).await.unwrap();
}

async fn wait_in(
    api: &Api<DynamicObject>,
    name: &str,
    status: &str,
    reason: &str,
) -> DynamicObject {
    wait_for(&format!("{name} says {reason}"), async || {
        let object = api.get(name).await.unwrap();
        let conditions = object.data["status"]["conditions"].as_array().cloned();
        conditions.into_iter().flatten().any(|condition| {
            condition["type"] == "Ready"
                && condition["status"] == status
                && condition["reason"] == reason
                && condition["observedGeneration"].as_i64() == object.metadata.generation
        })
    })
    .await;
    api.get(name).await.unwrap()
}

/// A finished reset that could not be read for a while says again how it ended.
async fn finish_a_reset(cluster: &Cluster, region: &Region) {
    let resource = ApiResource::erase::<HostKeyReset>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(cluster.client(), "default", &resource);
    region.add_instance("web-1");
    let object = json!({
        "apiVersion": "lightsail-operator.dev/v1alpha1", "kind": "HostKeyReset",
        "metadata": { "name": "done" }, "spec": reset(),
    });
    let object = serde_json::from_value(object).unwrap();
    api.create(&PostParams::default(), &object).await.unwrap();
    wait_in(&api, "done", "True", "OperationSucceeded").await;
    suspend_in(&api, "done", &json!("by somebody")).await;
    wait_in(&api, "done", "False", "UnsupportedObject").await;
    suspend_in(&api, "done", &json!(false)).await;
    let done = wait_in(&api, "done", "True", "OperationSucceeded").await;
    let conditions = done.data["status"]["conditions"].as_array().unwrap();
    let mut types: Vec<_> = conditions.iter().filter_map(|it| it["type"].as_str()).collect();
    types.sort_unstable();
    assert_eq!(types, ["Complete", "Ready"], "it is not stalled any more");
}

fn count(operator: &Operator, text: &str) -> usize {
    operator.log_text().matches(text).count()
}

async fn wait_for_unreadable(operator: &Operator, count: usize) {
    let line =
        format!("lightsail_operator_unreadable_objects{{kind=\"LightsailKeyPair\"}} {count}\n");
    wait_for(&line, async || operator.get("/metrics").await.unwrap().1.contains(&line)).await;
}

/// This needs a control plane of its own: the CRDs are others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_of_a_newer_crd_holds_up_nobody_and_says_so_itself() {
    const SAID: &str = "cannot read an object";
    let shared = Cluster::from_env().await.unwrap();
    let folder = tempfile::tempdir_in(shared.directory()).unwrap();
    let control_plane = ControlPlane::start(shared.tools(), folder.path()).await.unwrap();
    let cluster = Cluster::of(&control_plane).await.unwrap();
    apply_newer_crds(&cluster).await;
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let credentials = simulator.add_account(ACCOUNT);
    let options = OperatorOptions {
        binary: env!("CARGO_BIN_EXE_lightsail-operator").into(),
        kubeconfig: cluster.kubeconfig().to_owned(),
        arguments: ["--cluster-id", "test", "--log", "trace", "--leader-election", "false"]
            .map(str::to_owned)
            .to_vec(),
        environment: aws_environment(&simulator, &credentials),
        log: folder.path().join("operator.log"),
    };
    let resource = ApiResource::erase::<LightsailKeyPair>(&());
    let api = Api::namespaced_with(cluster.client(), "default", &resource);
    let newer = Newer { api, region: simulator.region(ACCOUNT, REGION) };
    let secret = key_pair_files("ed25519").0;
    let no = json!(false);

    let mut operator = Operator::start(options.clone()).await.unwrap();
    newer.create("first", &no).await;
    newer.wait("first", "True", "Imported").await;
    newer.create("bad", &json!(secret)).await;
    newer.create("last", &no).await;
    let bad = newer.wait("bad", "False", "UnsupportedObject").await;
    newer.wait("last", "True", "Imported").await;
    assert_eq!(bad.metadata.finalizers, None);
    assert!(newer.region.find_key_pair("bad").is_none());
    // One that could be read.
    newer.suspend("first", &json!([{ "key": secret }])).await;
    let first = newer.wait("first", "False", "UnsupportedObject").await;
    assert!(first.metadata.finalizers.is_some(), "none is taken off");
    assert_eq!(first.data["status"]["origin"], "Imported", "the rest of the status stays");
    wait_for_unreadable(&operator, 2).await;
    assert_eq!(count(&operator, SAID), 2);
    assert!(operator.stop().await.unwrap().success());

    let operator = Operator::start(options).await.unwrap();
    newer.create("later", &no).await;
    newer.wait("later", "True", "Imported").await;
    assert_eq!(operator.get("/readyz").await.unwrap(), (200, "ok\n".to_owned()));
    wait_for_unreadable(&operator, 2).await;
    let versions = async || {
        let objects = [newer.api.get("first").await.unwrap(), newer.api.get("bad").await.unwrap()];
        objects.map(|object| object.metadata.resource_version)
    };
    assert_eq!(versions().await, [first.metadata.resource_version, bad.metadata.resource_version]);
    // What it records is its own, though nothing else is known of it (I1).
    newer.create_taker("taker", "first").await;
    newer.wait("taker", "False", "NameConflict").await;
    newer.suspend("first", &no).await;
    newer.suspend("bad", &no).await;
    newer.wait("first", "True", "Imported").await;
    newer.wait("bad", "True", "Imported").await;
    wait_for_unreadable(&operator, 0).await;
    let log = std::fs::read_to_string(folder.path().join("operator.log")).unwrap();
    assert_eq!(log.matches(SAID).count(), 4, "once for each, at each start");
    for line in secret.lines().filter(|line| !line.is_empty()) {
        assert!(!log.contains(line), "the log has {line}");
    }
    finish_a_reset(&cluster, &newer.region).await;
    let deletions = simulator.requests().into_iter().filter(|it| it.operation == "DeleteKeyPair");
    assert_eq!(deletions.count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i4_answers_that_cannot_be_read_are_not_in_the_log() {
    let bed = Bed::new("truncated").await;
    let proxy = ApiProxy::start(&bed.cluster).await.unwrap();
    let operator = Operator::start(bed.options(Some(&proxy.url())).await).await.unwrap();
    let (private, public) = key_pair_files("ed25519");
    let maps: Api<ConfigMap> = Api::namespaced(bed.cluster.client(), &bed.namespace);
    let map = json!({ "metadata": { "name": "pasted" }, "data": { "key": private } });
    maps.create(&PostParams::default(), &serde_json::from_value(map).unwrap()).await.unwrap();
    let map = proxy.truncate(Matcher::new(Method::GET, "/configmaps/pasted"));
    let list =
        proxy.truncate(Matcher::new(Method::GET, "/lightsailkeypairs?").with_path_part("limit"));
    let source = json!({ "configMapKeyRef": { "name": "pasted", "key": "key" } });
    let spec = json!({
        "type": "Imported", "region": REGION, "imported": { "publicKeyFrom": source },
    });
    bed.create::<LightsailKeyPair>("fleet", &spec).await;
    bed.wait_stalled::<LightsailKeyPair>("fleet", "InvalidPublicKey").await;
    bed.create::<LightsailKeyPair>("other", &imported(&public)).await;
    let object = proxy.truncate(Matcher::new(Method::GET, "/lightsailkeypairs/other"));
    bed.reconcile_now::<LightsailKeyPair>("other").await;
    wait_for("an object that is cut off", async || object.count() == 1).await;
    bed.wait_ready::<LightsailKeyPair>("other", "Imported").await;
    drop(operator);
    let operator = Operator::start(bed.options(Some(&proxy.url())).await).await.unwrap();
    assert_eq!([map.count(), list.count(), object.count()], [1, 1, 1]);
    let log = std::fs::read_to_string(&operator.options().log).unwrap();
    let key: Vec<&str> =
        private.lines().chain(public.split(' ')).filter(|it| it.len() > 20).collect();
    for part in key {
        assert!(!log.contains(part), "the log has {part}");
    }
}
