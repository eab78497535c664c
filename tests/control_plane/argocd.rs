//! Argo CD's own engine, with its own Lua, applies the samples and a hook that waits for the reset
//! among them: `docs/gitops.md`.
//!
//! Run by `make test-all` only; `make gitops` builds the engine.

use std::fs::{self, File};
use std::process::Child;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, ResourceExt};
use lightsail_operator::api::{HostKeyReset, LightsailKeyPair};
use serde_json::{Value, json};
use testbed::cluster::Cluster;
use testbed::process::bound_to_this_process;

use crate::bed::{Bed, public_key, ready_reason};
use crate::gitops::{
    check_accepted, check_health_tests, define, documents, documents_of_page, kustomize,
};

const DEADLINE: Duration = Duration::from_mins(3);
/// The hook of the page.
const HOOK: &str = "notify-operations";

/// A sync under way. Dropping it kills it.
struct Sync {
    child: Child,
    folder: tempfile::TempDir,
}

impl Drop for Sync {
    fn drop(&mut self) {
        // Both only fail if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Sync {
    async fn start(bed: &Bed, objects: &[Value]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        fs::write(file("argocd-cm.yaml"), kustomize(&bed.cluster, "deploy/argocd").await).unwrap();
        let objects: Vec<_> = objects.iter().map(Value::to_string).collect();
        fs::write(file("objects.yaml"), objects.join("\n---\n")).unwrap();
        let child = bound_to_this_process(bed.cluster.tools().join("../argocd/argocd"))
            .arg("sync")
            .arg(file("argocd-cm.yaml"))
            .arg(&bed.namespace)
            .env("KUBECONFIG", bed.cluster.kubeconfig())
            .stdin(File::open(file("objects.yaml")).unwrap())
            .stdout(File::create(file("report.json")).unwrap())
            .stderr(File::create(file("log")).unwrap())
            .spawn()
            .unwrap();
        Self { child, folder }
    }

    /// Waits for the end; returns what the engine says of it.
    async fn end(mut self) -> Value {
        let start = Instant::now();
        let read = |name: &str| fs::read_to_string(self.folder.path().join(name)).unwrap();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                assert!(status.success(), "{}", read("log"));
                return serde_json::from_str(&read("report.json")).unwrap();
            }
            assert!(start.elapsed() < DEADLINE, "the sync does not end\n{}", read("log"));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// The reset and the hook of the page. No Job can end here, where nothing runs pods, so a ConfigMap
/// stands for it.
fn reset_and_hook() -> [Value; 2] {
    let page = documents_of_page();
    let of_kind =
        |kind: &str| page.iter().find(|document| document["kind"] == kind).unwrap().clone();
    let hook =
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": of_kind("Job")["metadata"] });
    assert_eq!(hook["metadata"]["name"], HOOK);
    [of_kind("HostKeyReset"), hook]
}

/// The key pairs of the samples.
async fn samples(bed: &Bed) -> Vec<Value> {
    let all = documents(&kustomize(&bed.cluster, "deploy/samples").await);
    all.into_iter().filter(|object| object["kind"] == "LightsailKeyPair").collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hook_waits_for_the_reset_and_nothing_is_out_of_sync() {
    let bed = Bed::new("argocd").await;
    bed.region.add_instance("web-1");
    bed.region.create_default_key_pair();
    // Its end is seen at the second look, three seconds after the first.
    bed.region.set_switches(|switches| switches.operation_polls = 2);
    let mut objects = samples(&bed).await;
    let legacy = objects.iter().find(|object| object["metadata"]["name"] == "legacy").unwrap();
    bed.region.import_key_pair("legacy", legacy["spec"]["imported"]["publicKey"].as_str().unwrap());
    objects.extend(reset_and_hook());

    let first = Sync::start(&bed, &objects).await;
    bed.wait("web-1-2026-11-26", "applied", |_: &HostKeyReset| true).await;
    let _operator = bed.start().await;
    let report = first.end().await;
    assert_eq!(report["phase"], "Succeeded", "{report:#}");
    assert_eq!(report["outOfSync"], json!([]), "without any ignoreDifferences");
    let reset: HostKeyReset = bed.api().get("web-1-2026-11-26").await.unwrap();
    assert_eq!(ready_reason(&reset), "OperationSucceeded");
    let hooks: Api<ConfigMap> = Api::namespaced(bed.cluster.client(), &bed.namespace);
    let hook = hooks.get(HOOK).await.unwrap();
    let completed = reset.status.as_ref().unwrap().completion_time.clone().unwrap();
    assert!(
        hook.creation_timestamp().unwrap() >= completed,
        "the hook was run before: {hook:?} {completed:?}"
    );

    // The next sync runs the hook again and not the reset, and prunes what is gone, but for what is
    // protected.
    objects.retain(|object| {
        object["metadata"]["name"] != "fleet" && object["metadata"]["name"] != "default-eu-west-1"
    });
    let protect = json!({ "metadata": { "annotations": {
        "argocd.argoproj.io/sync-options": "Prune=false" } } });
    bed.patch::<LightsailKeyPair>("default-eu-west-1", &protect).await;
    let report = Sync::start(&bed, &objects).await.end().await;
    assert_eq!(report["phase"], "Succeeded", "{report:#}");
    bed.wait_gone::<LightsailKeyPair>("fleet").await;
    assert_eq!(bed.region.find_key_pair("fleet"), None);
    let kept: LightsailKeyPair = bed.api().get("default-eu-west-1").await.unwrap();
    assert_eq!(
        (ready_reason(&kept).as_str(), kept.metadata.deletion_timestamp),
        ("Downloaded", None)
    );
    assert_ne!(hooks.get(HOOK).await.unwrap().uid(), hook.uid());
    let again: HostKeyReset = bed.api().get("web-1-2026-11-26").await.unwrap();
    assert_eq!((again.uid(), bed.calls("DeleteKnownHostKeys")), (reset.uid(), 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sync_fails_with_the_reset_and_the_hook_is_not_run() {
    let bed = Bed::new("argocd-failed").await;
    // There is no such instance.
    let _operator = bed.start().await;
    let report = Sync::start(&bed, &reset_and_hook()).await.end().await;
    assert_eq!(report["phase"], "Failed", "{report:#}");
    let resources = report["resources"].as_array().unwrap();
    let reset = resources.iter().find(|resource| resource["kind"] == "HostKeyReset").unwrap();
    assert!(reset["message"].as_str().unwrap().starts_with("InstanceNotFound: "), "{report:#}");
    let hooks: Api<ConfigMap> = Api::namespaced(bed.cluster.client(), &bed.namespace);
    assert_eq!(hooks.get_opt(HOOK).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blocked_deletion_is_released_by_a_commit() {
    let bed = Bed::new("argocd-blocked").await;
    let _operator = bed.start().await;
    let mut objects = samples(&bed).await;
    objects.retain(|object| {
        object["metadata"]["name"] == "fleet" || object["metadata"]["name"] == "deploy"
    });
    let report = Sync::start(&bed, &objects).await.end().await;
    assert_eq!(report["phase"], "Succeeded", "{report:#}");
    bed.wait_ready::<LightsailKeyPair>("deploy", "Generated").await;
    bed.region.delete_key_pair("deploy");
    let foreign = bed.region.import_key_pair("deploy", public_key("ed25519").trim());

    // The sync that prunes waits for the deletion. It is ended, as `argocd app terminate-op` does.
    let mut deploy = objects
        .remove(objects.iter().position(|object| object["metadata"]["name"] == "deploy").unwrap());
    let pruning = Sync::start(&bed, &objects).await;
    let (blocked, _) = bed.wait_stalled::<LightsailKeyPair>("deploy", "FingerprintMismatch").await;
    assert!(blocked.metadata.deletion_timestamp.is_some());
    drop(pruning);

    deploy["spec"]["deletionPolicy"] = json!("Retain");
    objects.push(deploy);
    let report = Sync::start(&bed, &objects).await.end().await;
    assert_eq!(report["phase"], "Succeeded", "{report:#}");
    bed.wait_gone::<LightsailKeyPair>("deploy").await;
    assert_eq!(bed.region.find_key_pair("deploy"), Some(foreign));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_health_checks_pass_their_tests_in_argo_cd_itself() {
    let cluster = Cluster::from_env().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let [settings_file, objects_file] =
        ["argocd-cm.yaml", "objects.json"].map(|name| folder.path().join(name));
    fs::write(&settings_file, kustomize(&cluster, "deploy/argocd").await).unwrap();
    check_health_tests(|objects| {
        fs::write(&objects_file, serde_json::to_string(objects).unwrap()).unwrap();
        let output = std::process::Command::new(cluster.tools().join("../argocd/argocd"))
            .arg("health")
            .arg(&settings_file)
            .stdin(File::open(&objects_file).unwrap())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_shown_of_argo_cd_is_accepted_by_its_definitions() {
    let bed = Bed::new("argocd-yaml").await;
    let definition = bed.cluster.tools().join("../argocd/application-crd.yaml");
    define(&bed.cluster, &definition, &["applications.argoproj.io"]).await;
    let page = documents_of_page();
    let applications: Vec<_> = page
        .into_iter()
        .filter(|document| document["apiVersion"] == "argoproj.io/v1alpha1")
        .collect();
    assert!(!applications.is_empty());
    for application in applications {
        check_accepted(&bed, application).await;
    }
}
