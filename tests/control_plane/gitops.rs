//! What those see who wait for objects: `kubectl wait`, kstatus (Flux, and Helm 4's `--wait`) and
//! Argo CD. Never ready early, and failed immediately where somebody must act.
//!
//! The objects are brought into each state that they can be in, on the real API server, and shown
//! to the library of kstatus and to Argo CD's Lua: `testbed/gitops`. They are also the test data of
//! `deploy/argocd`; `make health` writes them anew.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use lightsail_operator::api::conditions::{RECONCILING, is_true};
use lightsail_operator::api::{HostKeyReset, LightsailKeyPair, Reconciled};
use serde::Deserialize;
use serde_json::{Value, json};
use testbed::cluster::Cluster;
use testbed::simulator::{Fault, FaultEffect};

use crate::bed::{Bed, REGION, imported, public_key, ready_reason};
use crate::resets::{wait_complete, wait_failed};

/// Below `deploy/argocd`.
const CUSTOMIZATIONS: &str = "resource_customizations/lightsail-operator.dev";
const KINDS: [&str; 3] = ["LightsailKeyPair", "HostKeyReset", "LightsailAccount"];
pub(crate) const PROGRESSING: [&str; 2] = ["InProgress", "Progressing"];
pub(crate) const CURRENT: [&str; 2] = ["Current", "Healthy"];
pub(crate) const FAILED: [&str; 2] = ["Failed", "Degraded"];
/// kstatus has no word for what waits for somebody on purpose.
const SUSPENDED: [&str; 2] = ["InProgress", "Suspended"];
const DELETED: [&str; 2] = ["Terminating", "Progressing"];

/// An object as the API server gave it, and what is to be said of it by kstatus and Argo CD.
pub(crate) struct Seen {
    pub(crate) state: &'static str,
    pub(crate) object: Value,
    pub(crate) expected: [&'static str; 2],
}

/// What is reported about an object.
struct Said {
    kstatus: (String, String),
    argocd: (String, String),
}

pub(crate) fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn argocd() -> PathBuf {
    project().join("deploy/argocd")
}

/// The documents of a YAML text.
pub(crate) fn documents(yaml: &str) -> Vec<Value> {
    serde_yaml_ng::Deserializer::from_str(yaml)
        .map(|document| Value::deserialize(document).unwrap())
        .collect()
}

/// The YAML of `docs/gitops.md`.
pub(crate) fn documents_of_page() -> Vec<Value> {
    let page = fs::read_to_string(project().join("docs/gitops.md")).unwrap();
    page.split("```yaml\n")
        .skip(1)
        .flat_map(|rest| documents(rest.split("```").next().unwrap()))
        .collect()
}

/// What `kubectl kustomize` makes of a folder of the project.
pub(crate) async fn kustomize(cluster: &Cluster, folder: &str) -> String {
    let rendered =
        cluster.kubectl(&[Path::new("kustomize"), &project().join(folder)]).await.unwrap();
    rendered.or_error().unwrap()
}

/// Asks the real library of kstatus, and Argo CD's Lua with the scripts of `deploy/argocd`.
fn ask(tools: &Path, objects: &[Value]) -> Vec<Said> {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("objects.json");
    fs::write(&input, serde_json::to_string(objects).unwrap()).unwrap();
    let output = std::process::Command::new(tools.join("gitops-health"))
        .arg(argocd().join("resource_customizations"))
        .stdin(File::open(input).unwrap())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said.len(), objects.len());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let pair = |value: &Value| (text(&value["status"]), text(&value["message"]));
    said.iter()
        .map(|said| Said { kstatus: pair(&said["kstatus"]), argocd: pair(&said["argocd"]) })
        .collect()
}

impl Bed {
    /// The object as anybody sees it.
    pub(crate) async fn seen<K: Reconciled>(
        &self,
        name: &str,
        state: &'static str,
        expected: [&'static str; 2],
    ) -> Seen {
        let resource = format!("{}/{name}", K::plural(&()));
        // Of what is in no namespace, kubectl ignores it.
        let arguments = ["get", &resource, "--namespace", &self.namespace, "--output=json"];
        let text = self.cluster.kubectl(&arguments).await.unwrap().or_error().unwrap();
        Seen { state, object: serde_json::from_str(&text).unwrap(), expected }
    }

    /// Whether `kubectl wait` finds the condition at its first read.
    async fn kubectl_finds(&self, object: &Value, condition: &str) -> bool {
        let kind = object["kind"].as_str().unwrap();
        let name = format!("{kind}/{}", object["metadata"]["name"].as_str().unwrap());
        let condition = format!("--for=condition={condition}");
        let arguments = ["wait", &name, &condition, "--timeout=0", "--namespace", &self.namespace];
        let output = self.cluster.kubectl(&arguments).await.unwrap();
        assert!(output.success || output.stderr.contains("condition not met"), "{}", output.stderr);
        output.success
    }
}

/// What is reported about each object is as wanted, `kubectl wait` finds `condition` on those alone
/// that are current, and the message is the operator's where a person must act.
pub(crate) async fn check(bed: &Bed, condition: &str, all: &[Seen]) {
    let objects: Vec<_> = all.iter().map(|seen| seen.object.clone()).collect();
    for (seen, said) in all.iter().zip(ask(bed.cluster.tools(), &objects)) {
        let status = [said.kstatus.0.as_str(), said.argocd.0.as_str()];
        let object = serde_json::to_string_pretty(&seen.object).unwrap();
        assert_eq!(
            status, seen.expected,
            "{}: {} / {}\n{object}",
            seen.state, said.kstatus.1, said.argocd.1
        );
        if seen.expected == FAILED {
            let conditions = seen.object["status"]["conditions"].as_array().unwrap();
            let stalled =
                conditions.iter().find(|condition| condition["type"] == "Stalled").unwrap();
            let (reason, message) =
                (stalled["reason"].as_str().unwrap(), stalled["message"].as_str().unwrap());
            assert_eq!(
                (said.kstatus.1, said.argocd.1),
                (message.to_owned(), format!("{reason}: {message}"))
            );
        }
    }
    for seen in all {
        // What it is now, which for some is not what it was.
        let name = seen.object["metadata"]["name"].as_str().unwrap();
        if all.iter().rev().find(|other| other.object["metadata"]["name"] == name).unwrap().state
            == seen.state
        {
            assert_eq!(
                bed.kubectl_finds(&seen.object, condition).await,
                seen.expected == CURRENT,
                "{}",
                seen.state
            );
        }
    }
}

/// The public key of `deploy/samples/fleet.yaml`, so that the test data always have the same.
fn key_of_sample() -> String {
    let sample = fs::read_to_string(project().join("deploy/samples/fleet.yaml")).unwrap();
    let sample = documents(&sample).remove(0);
    sample["spec"]["imported"]["publicKey"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_pair_is_ready_for_those_who_wait_when_it_is_and_not_before() {
    let bed = Bed::new("wait-pairs").await;
    let key = key_of_sample();
    let with = |fields: &Value| {
        let mut spec = imported(&key);
        spec.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        spec
    };
    let mut all = Vec::new();
    // Nobody has looked at it: there is no operator yet.
    bed.create::<LightsailKeyPair>("fleet", &with(&json!({}))).await;
    all.push(bed.seen::<LightsailKeyPair>("fleet", "new", PROGRESSING).await);

    let mut operator = bed.start().await;
    bed.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
    all.push(bed.seen::<LightsailKeyPair>("fleet", "ready", CURRENT).await);

    bed.create::<LightsailKeyPair>("asleep", &with(&json!({ "suspend": true }))).await;
    let is_suspended = |pair: &LightsailKeyPair| ready_reason(pair) == "Suspended";
    bed.wait("asleep", "Suspended", is_suspended).await;
    all.push(bed.seen::<LightsailKeyPair>("asleep", "suspended", SUSPENDED).await);

    // Nothing is to be done for it, so there is nothing to wait for.
    bed.create::<LightsailKeyPair>("idle", &with(&json!({}))).await;
    bed.wait_ready::<LightsailKeyPair>("idle", "Imported").await;
    bed.patch::<LightsailKeyPair>("idle", &json!({ "spec": { "suspend": true } })).await;
    bed.wait_ready::<LightsailKeyPair>("idle", "Imported").await;
    all.push(bed.seen::<LightsailKeyPair>("idle", "suspended-ready", CURRENT).await);

    let source = json!({ "configMapKeyRef": { "name": "later", "key": "fleet.pub" } });
    let spec =
        json!({ "type": "Imported", "region": REGION, "imported": { "publicKeyFrom": source } });
    bed.create::<LightsailKeyPair>("waits", &spec).await;
    bed.wait("waits", "Reconciling", |pair: &LightsailKeyPair| {
        is_true(pair.conditions(), RECONCILING) && ready_reason(pair) == "SourceNotFound"
    })
    .await;
    all.push(bed.seen::<LightsailKeyPair>("waits", "reconciling", PROGRESSING).await);

    bed.region.import_key_pair("taken", public_key("ed25519").trim());
    bed.create::<LightsailKeyPair>("taken", &with(&json!({}))).await;
    bed.wait_stalled::<LightsailKeyPair>("taken", "NameConflict").await;
    all.push(bed.seen::<LightsailKeyPair>("taken", "stalled", FAILED).await);

    // Its deletion is blocked: somebody made the pair anew.
    bed.create::<LightsailKeyPair>("leaving", &with(&json!({}))).await;
    bed.wait_ready::<LightsailKeyPair>("leaving", "Imported").await;
    bed.region.delete_key_pair("leaving");
    bed.region.import_key_pair("leaving", key.trim());
    bed.delete::<LightsailKeyPair>("leaving").await;
    bed.wait_stalled::<LightsailKeyPair>("leaving", "FingerprintMismatch").await;
    all.push(bed.seen::<LightsailKeyPair>("leaving", "deleting", DELETED).await);

    // A change that nobody has looked at: what is Ready is so for the generation before it.
    operator.kill();
    bed.patch::<LightsailKeyPair>("fleet", &json!({ "spec": { "tags": { "team": "b" } } })).await;
    all.push(bed.seen::<LightsailKeyPair>("fleet", "changed", PROGRESSING).await);

    check(&bed, "Ready", &all).await;
    check_test_data("LightsailKeyPair", &bed, &all);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_is_complete_for_those_who_wait_when_it_is_and_not_before() {
    let bed = Bed::new("wait-resets").await;
    let with = |instance: &str, fields: &Value| {
        bed.region.add_instance(instance);
        let mut spec = json!({ "region": REGION, "instanceName": instance, "reason": "sshd keys \
            rotated, CHG-1234" });
        spec.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        spec
    };
    let mut all = Vec::new();
    bed.create::<HostKeyReset>("web-1", &with("web-1", &json!({}))).await;
    all.push(bed.seen::<HostKeyReset>("web-1", "new", PROGRESSING).await);

    let mut operator = bed.start().await;
    wait_complete(&bed, "web-1").await;
    all.push(bed.seen::<HostKeyReset>("web-1", "complete", CURRENT).await);

    bed.create::<HostKeyReset>(
        "web-2",
        &with("web-2", &json!({ "notAfter": "2026-11-01T00:00:00Z" })),
    )
    .await;
    wait_failed(&bed, "web-2", "Expired").await;
    all.push(bed.seen::<HostKeyReset>("web-2", "failed", FAILED).await);

    bed.create::<HostKeyReset>(
        "web-3",
        &with("web-3", &json!({ "suspend": true, "notAfter": "2099-01-01T00:00:00Z" })),
    )
    .await;
    bed.wait("web-3", "Suspended", |reset: &HostKeyReset| ready_reason(reset) == "Suspended").await;
    all.push(bed.seen::<HostKeyReset>("web-3", "suspended", SUSPENDED).await);

    // Retried, but not before somebody allows it.
    let denied = FaultEffect::Error {
        error_type: "AccessDeniedException".to_owned(),
        code: None,
        message: "User is not authorized to perform lightsail:GetInstance".to_owned(),
        status: 403,
    };
    bed.region.add_fault(Fault::new("GetInstance", denied).on("web-4"));
    let in_time = json!({ "notAfter": "2099-01-01T00:00:00Z" });
    bed.create::<HostKeyReset>("web-4", &with("web-4", &in_time)).await;
    bed.wait_stalled::<HostKeyReset>("web-4", "AccessDenied").await;
    all.push(bed.seen::<HostKeyReset>("web-4", "stalled", FAILED).await);

    bed.region.set_switches(|switches| switches.operation_polls = 1_000);
    bed.create::<HostKeyReset>("web-5", &with("web-5", &json!({}))).await;
    let is_running = |reset: &HostKeyReset| {
        reset.status.as_ref().is_some_and(|status| !status.operations.is_empty())
    };
    bed.wait("web-5", "under way", is_running).await;
    all.push(bed.seen::<HostKeyReset>("web-5", "running", PROGRESSING).await);

    operator.kill();
    bed.patch::<HostKeyReset>("web-1", &json!({ "spec": { "ttlSecondsAfterFinished": 86_400 } }))
        .await;
    all.push(bed.seen::<HostKeyReset>("web-1", "changed", PROGRESSING).await);

    check(&bed, "Complete", &all).await;
    check_test_data("HostKeyReset", &bed, &all);
}

/// The test data of the kind are these objects, a file for each state; with `WRITE_TEST_DATA` they
/// are written.
pub(crate) fn check_test_data(kind: &str, bed: &Bed, all: &[Seen]) {
    let folder = argocd().join(CUSTOMIZATIONS).join(kind).join("testdata");
    let write = std::env::var_os("WRITE_TEST_DATA").is_some();
    // Argo CD asks no script about what is being deleted.
    let all: Vec<_> = all.iter().filter(|seen| seen.expected != DELETED).collect();
    for seen in &all {
        let path = folder.join(format!("{}.yaml", seen.state));
        let object = masked(&seen.object, &bed.namespace);
        if write {
            fs::write(&path, serde_yaml_ng::to_string(&object).unwrap()).unwrap();
        }
        let text = fs::read_to_string(&path).unwrap_or_default();
        let committed: Value = serde_yaml_ng::from_str(&text).unwrap();
        assert_eq!(
            committed,
            object,
            "{} is not as the API server gives it; `make health` writes it anew",
            path.display()
        );
    }
    assert_eq!(fs::read_dir(folder).unwrap().count(), all.len(), "there are others");
}

/// An object without what is another one each time: times, ids, hashes, the namespace.
fn masked(object: &Value, namespace: &str) -> Value {
    const TIMES: [&str; 8] = [
        "creationTimestamp",
        "deletionTimestamp",
        "lastTransitionTime",
        "startTime",
        "completionTime",
        "createdAt",
        "statusChangedAt",
        "lightsailDate",
    ];
    let field = |(name, value): (&String, &Value)| {
        let masked = match name.as_str() {
            "resourceVersion" => json!("1000"),
            name if TIMES.contains(&name) => json!("2026-11-24T10:00:00Z"),
            _ => masked(value, namespace),
        };
        (name.clone(), masked)
    };
    match object {
        Value::String(text) => Value::String(masked_text(&text.replace(namespace, "default"))),
        Value::Array(items) => items.iter().map(|item| masked(item, namespace)).collect(),
        Value::Object(fields) => Value::Object(fields.iter().map(field).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) => object.clone(),
    }
}

/// Every word that is an id or a hash, with zeros for its digits.
fn masked_text(text: &str) -> String {
    let is_part = |character: char| character.is_ascii_hexdigit() || character == '-';
    let mask = |word: &str| {
        let is_id = word.len() >= 16 && word.bytes().any(|byte| byte.is_ascii_digit());
        if is_id {
            word.replace(|character: char| character.is_ascii_hexdigit(), "0")
        } else {
            word.to_owned()
        }
    };
    let words = text.split_inclusive(|character| !is_part(character));
    words.map(mask).collect()
}

/// Applies the CRDs of others and waits until their kinds are served.
pub(crate) async fn define(cluster: &Cluster, definitions: &Path, resources: &[&str]) {
    let start = Instant::now();
    let definitions = definitions.to_string_lossy();
    cluster
        .kubectl(&["apply", "--server-side", "--filename", &definitions])
        .await
        .unwrap()
        .or_error()
        .unwrap();
    for resource in resources {
        while !cluster.kubectl(&["get", resource, "--all-namespaces"]).await.unwrap().success {
            assert!(start.elapsed() < Duration::from_mins(1), "{resource} is not served");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// The API server takes an object of somebody else's kind, as strictly as it can.
pub(crate) async fn check_accepted(bed: &Bed, mut object: Value) {
    object["metadata"]["namespace"] = json!(bed.namespace);
    let apply = ["apply", "--dry-run=server", "--validate=strict", "-f", "-"];
    let output = bed.cluster.kubectl_with_input(&apply, &object.to_string()).await.unwrap();
    assert!(output.success, "{object:#}\n{}", output.stderr);
}

/// The scripts with their tests, in the form in which Argo CD takes contributions: each expectation
/// holds, and each file has one.
#[test]
fn the_health_checks_pass_their_tests() {
    let tools = PathBuf::from(std::env::var_os("TESTBED_TOOLS").expect("`make env` tells"));
    check_health_tests(|objects| {
        let said = ask(&tools, objects).into_iter();
        said.map(|said| json!({ "status": said.argocd.0, "message": said.argocd.1 })).collect()
    });
}

/// Runs them by what tells the health of each of some objects, as Argo CD says it.
pub(crate) fn check_health_tests(health_of: impl Fn(&[Value]) -> Vec<Value>) {
    for kind in KINDS {
        let folder = argocd().join(CUSTOMIZATIONS).join(kind);
        let read = |path: &str| -> Value {
            serde_yaml_ng::from_str(&fs::read_to_string(folder.join(path)).unwrap()).unwrap()
        };
        let tests = read("health_test.yaml");
        let tests = tests["tests"].as_array().unwrap();
        let objects: Vec<_> =
            tests.iter().map(|test| read(test["inputPath"].as_str().unwrap())).collect();
        let said = health_of(&objects);
        assert_eq!(said.len(), tests.len());
        for (test, said) in tests.iter().zip(said) {
            assert_eq!(said, test["healthStatus"], "{kind} {}", test["inputPath"]);
        }
        assert_eq!(
            fs::read_dir(folder.join("testdata")).unwrap().count(),
            tests.len(),
            "each file has an expectation"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kustomize_knows_all_samples() {
    let cluster = Cluster::from_env().await.unwrap();
    for folder in ["deploy/samples", "deploy/accounts"] {
        let samples = documents(&kustomize(&cluster, folder).await);
        let files = fs::read_dir(project().join(folder)).unwrap().count();
        assert_eq!(samples.len() + 1, files, "each file of {folder} but kustomization.yaml");
        for account in samples.iter().filter(|it| it["kind"] == "LightsailAccount") {
            // Not created: every object of the cluster would need an account from then on.
            let apply = ["apply", "--dry-run=server", "--validate=strict", "-f", "-"];
            let output = cluster.kubectl_with_input(&apply, &account.to_string()).await.unwrap();
            assert!(output.success, "{account:#}\n{}", output.stderr);
        }
    }
}

/// `kubectl kustomize deploy/argocd` makes of the scripts what is applied to Argo CD's own
/// settings, and leaves those alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_health_checks_are_added_to_the_settings_of_argo_cd() {
    let cluster = Cluster::from_env().await.unwrap();
    let namespace = cluster.create_namespace("argocd").await.unwrap();
    let settings = [
        "create",
        "configmap",
        "argocd-cm",
        "--namespace",
        &namespace,
        "--from-literal=url=https://argocd.example.com",
    ];
    cluster.kubectl(&settings).await.unwrap().or_error().unwrap();
    let rendered = kustomize(&cluster, "deploy/argocd")
        .await
        .replace("namespace: argocd", &format!("namespace: {namespace}"));
    let apply = ["apply", "--server-side", "--field-manager=lightsail-operator-health", "-f", "-"];
    cluster.kubectl_with_input(&apply, &rendered).await.unwrap().or_error().unwrap();
    let config_maps: Api<ConfigMap> = Api::namespaced(cluster.client(), &namespace);
    let mut data = config_maps.get("argocd-cm").await.unwrap().data.unwrap();
    assert_eq!(data.remove("url").as_deref(), Some("https://argocd.example.com"));
    for kind in KINDS {
        let script =
            data.remove(&format!("resource.customizations.health.lightsail-operator.dev_{kind}"));
        assert_eq!(
            script,
            fs::read_to_string(argocd().join(CUSTOMIZATIONS).join(kind).join("health.lua")).ok()
        );
    }
    assert!(data.is_empty(), "{data:?}");
}
