//! Flux's own kustomize-controller applies the samples, waits for them, and takes them away again.
//!
//! Run by `make test-all` only; `make gitops` builds the controller. There is no source-controller:
//! the test writes into the status of a `GitRepository` what that would write, and serves the
//! archive itself.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use kube::ResourceExt;
use kube::api::ListParams;
use lightsail_operator::api::conditions::{READY, is_true};
use lightsail_operator::api::{EXECUTED_ANNOTATION, HostKeyReset, LightsailKeyPair};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use testbed::process::bound_to_this_process;

use crate::bed::{Bed, public_key, wait_for};
use crate::gitops::{check_accepted, define, documents, documents_of_page, kustomize, project};

/// Flux reads what it waits for every five seconds.
const DEADLINE: Duration = Duration::from_mins(3);

/// What it reads, and what is shown.
const KINDS: [&str; 4] = [
    "gitrepositories.source.toolkit.fluxcd.io",
    "ocirepositories.source.toolkit.fluxcd.io",
    "kustomizations.kustomize.toolkit.fluxcd.io",
    "helmreleases.helm.toolkit.fluxcd.io",
];

/// A controller with what it reads: a folder that is published in revisions, and a Kustomization.
struct Flux<'a> {
    bed: &'a Bed,
    folder: tempfile::TempDir,
    url: String,
    log: PathBuf,
    _controller: Controller,
}

struct Controller(Child);

impl Drop for Controller {
    fn drop(&mut self) {
        // Both only fail if it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl<'a> Flux<'a> {
    async fn start(bed: &'a Bed) -> Self {
        let built = bed.cluster.tools().join("../flux");
        define(&bed.cluster, &built, &KINDS).await;
        let folder = tempfile::tempdir().unwrap();
        let url = serve(folder.path().to_owned()).await;
        let log = bed.cluster.directory().join("tests").join(&bed.namespace).join("flux.log");
        let output = File::create(&log).unwrap();
        let mut command = bound_to_this_process(built.join("kustomize-controller"));
        command
            .args([
                "--watch-all-namespaces=false",
                "--enable-leader-election=false",
                "--metrics-addr=0",
                "--health-addr=0",
            ])
            .env("RUNTIME_NAMESPACE", &bed.namespace)
            .env("KUBECONFIG", bed.cluster.kubeconfig())
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output);
        Self { bed, folder, url, log, _controller: Controller(command.spawn().unwrap()) }
    }

    /// Makes a folder the newest revision of `fleet`.
    async fn publish(&self, number: usize, source: &Path) -> String {
        let name = format!("{number}.tar.gz");
        let archive = self.folder.path().join(&name);
        let tar = std::process::Command::new("tar")
            .arg("-czf")
            .arg(&archive)
            .arg("-C")
            .arg(source)
            .arg(".")
            .status();
        assert!(tar.unwrap().success());
        let bytes = fs::read(archive).unwrap();
        let revision = format!("main@sha1:{number:040x}");
        let status = json!({ "status": {
            "observedGeneration": 1,
            "artifact": {
                "url": format!("{}/{name}", self.url),
                "path": name,
                "digest": format!("sha256:{:x}", Sha256::digest(&bytes)),
                "revision": revision,
                "size": bytes.len(),
                "lastUpdateTime": "2026-11-24T10:00:00Z",
            },
            "conditions": [{
                "type": "Ready", "status": "True", "reason": "Succeeded", "message": "stored",
                "observedGeneration": 1, "lastTransitionTime": "2026-11-24T10:00:00Z",
            }],
        } });
        let patch = [
            "patch",
            "gitrepository",
            "fleet",
            "--subresource=status",
            "--type=merge",
            "-p",
            &status.to_string(),
        ];
        kubectl(self.bed, &patch).await;
        revision
    }

    /// Waits until the Kustomization is as wanted.
    async fn wait(&self, what: &str, is_so: impl Fn(&Value) -> bool) {
        let start = Instant::now();
        loop {
            let text =
                kubectl(self.bed, &["get", "kustomization", "lightsail", "--output=json"]).await;
            let object: Value = serde_json::from_str(&text).unwrap();
            if is_so(&object) {
                return;
            }
            let log = || fs::read_to_string(&self.log).unwrap();
            assert!(
                start.elapsed() < DEADLINE,
                "the Kustomization does not come to this: {what}\n{text}\n{}",
                log()
            );
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// The requests of the controller for our objects in the audit log: those that changed
    /// something, and those that only asked what would be changed.
    fn writes(&self) -> (usize, usize) {
        let log = fs::read_to_string(self.bed.cluster.audit_log()).unwrap();
        let entries = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let ours = entries.filter(|entry| {
            let at = &entry["objectRef"];
            entry["userAgent"]
                .as_str()
                .is_some_and(|agent| agent.starts_with("kustomize-controller"))
                && entry["stage"] == "ResponseComplete"
                && (at["apiGroup"] == "lightsail-operator.dev"
                    && at["namespace"] == self.bed.namespace.as_str())
                && !["get", "list", "watch"].contains(&entry["verb"].as_str().unwrap())
        });
        let (dry, wet): (Vec<_>, Vec<_>) =
            ours.partition(|entry| entry["requestURI"].as_str().unwrap().contains("dryRun=All"));
        (wet.len(), dry.len())
    }
}

/// Serves the files of a folder on loopback.
async fn serve(folder: PathBuf) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let file = move |axum::extract::Path(name): axum::extract::Path<String>| async move {
        fs::read(folder.join(name)).map_err(|_| axum::http::StatusCode::NOT_FOUND)
    };
    tokio::spawn(axum::serve(listener, Router::new().route("/{name}", get(file))).into_future());
    url
}

async fn kubectl(bed: &Bed, arguments: &[&str]) -> String {
    let arguments = [&["--namespace", &bed.namespace], arguments].concat();
    bed.cluster.kubectl(&arguments).await.unwrap().or_error().unwrap()
}

fn is_of_flux(object: &Value) -> bool {
    object["apiVersion"].as_str().is_some_and(|version| version.contains(".fluxcd.io/"))
}

/// The Kustomization `lightsail` of `deploy/flux`, in the namespace of the test.
fn kustomization(namespace: &str) -> Value {
    let text = fs::read_to_string(project().join("deploy/flux/kustomizations.yaml")).unwrap();
    let mut object = documents(&text)
        .into_iter()
        .find(|object| object["metadata"]["name"] == "lightsail")
        .unwrap();
    object["metadata"]["namespace"] = json!(namespace);
    let spec = object["spec"].as_object_mut().unwrap();
    // The operator of a test is a process, and the samples name another namespace.
    spec.remove("dependsOn").unwrap();
    spec.insert("targetNamespace".to_owned(), json!(namespace));
    spec.insert("path".to_owned(), json!("./"));
    spec.insert("sourceRef".to_owned(), json!({ "kind": "GitRepository", "name": "fleet" }));
    object
}

fn has_condition(object: &Value, type_: &str, status: &str) -> bool {
    let conditions = object["status"]["conditions"].as_array();
    conditions.is_some_and(|all| {
        all.iter().any(|condition| condition["type"] == type_ && condition["status"] == status)
    })
}

fn is_ready(object: &Value, revision: &str) -> bool {
    has_condition(object, "Ready", "True") && object["status"]["lastAppliedRevision"] == revision
}

/// The name of each of our objects with its version.
async fn versions(bed: &Bed) -> Vec<(String, Option<String>)> {
    let pairs = bed.api::<LightsailKeyPair>().list(&ListParams::default()).await.unwrap();
    let resets = bed.api::<HostKeyReset>().list(&ListParams::default()).await.unwrap();
    let pairs = pairs.iter().map(|pair| (pair.name_any(), pair.resource_version()));
    pairs.chain(resets.iter().map(|reset| (reset.name_any(), reset.resource_version()))).collect()
}

async fn are_all_ready(bed: &Bed) -> bool {
    let pairs = bed.api::<LightsailKeyPair>().list(&ListParams::default()).await.unwrap();
    let resets = bed.api::<HostKeyReset>().list(&ListParams::default()).await.unwrap();
    let of_pairs = pairs
        .iter()
        .map(|pair| pair.status.as_ref().is_some_and(|it| is_true(&it.conditions, READY)));
    let of_resets = resets
        .iter()
        .map(|reset| reset.status.as_ref().is_some_and(|it| is_true(&it.conditions, READY)));
    of_pairs.chain(of_resets).all(|is_ready| is_ready)
}

async fn are_all_marked(bed: &Bed) -> bool {
    let resets = bed.api::<HostKeyReset>().list(&ListParams::default()).await.unwrap();
    let mark = |reset: &HostKeyReset| reset.annotations().get(EXECUTED_ANNOTATION).cloned();
    resets.iter().all(|reset| mark(reset).is_some_and(|mark| mark.contains("/Succeeded/")))
}

/// A copy of the samples with these resources, of which `taken.yaml` is in conflict and
/// `retained.yaml` is a changed `deploy.yaml`.
fn folder_with(resources: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(project().join("deploy/samples")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    let taken = json!({
        "apiVersion": "lightsail-operator.dev/v1alpha1", "kind": "LightsailKeyPair",
            "metadata": { "name": "taken" },
        "spec": crate::bed::imported(&public_key("ed25519")),
    });
    fs::write(folder.path().join("taken.yaml"), taken.to_string()).unwrap();
    let mut retained: Value =
        serde_yaml_ng::from_str(&fs::read_to_string(folder.path().join("deploy.yaml")).unwrap())
            .unwrap();
    retained["spec"]["deletionPolicy"] = json!("Retain");
    fs::write(folder.path().join("retained.yaml"), retained.to_string()).unwrap();
    fs::write(
        folder.path().join("kustomization.yaml"),
        json!({ "resources": resources }).to_string(),
    )
    .unwrap();
    folder
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::too_many_lines, reason = "it is one story")]
async fn flux_waits_for_our_objects_fails_fast_and_prunes() {
    let bed = Bed::new("flux").await;
    // What the samples speak of.
    bed.region.add_instance("web-1");
    bed.region.create_default_key_pair();
    let samples = project().join("deploy/samples");
    let legacy: Value =
        serde_yaml_ng::from_str(&fs::read_to_string(samples.join("legacy.yaml")).unwrap()).unwrap();
    bed.region.import_key_pair("legacy", legacy["spec"]["imported"]["publicKey"].as_str().unwrap());
    let flux = Flux::start(&bed).await;
    let source = json!({
        "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository",
            "metadata": { "name": "fleet" },
        "spec": { "url": "https://git.example.com/fleet", "interval": "1h" },
    });
    for object in [source, kustomization(&bed.namespace)] {
        let apply = ["--namespace", &bed.namespace, "apply", "-f", "-"];
        bed.cluster
            .kubectl_with_input(&apply, &object.to_string())
            .await
            .unwrap()
            .or_error()
            .unwrap();
    }

    // Everything is applied and nobody has looked at it: it waits.
    let first = flux.publish(1, &samples).await;
    flux.wait("waits for health", |object| {
        has_condition(object, "Healthy", "Unknown") && !has_condition(object, "Ready", "True")
    })
    .await;
    assert_eq!(versions(&bed).await.len(), 5);
    let _operator = bed.start().await;
    flux.wait("Ready", |object| is_ready(object, &first)).await;
    assert!(are_all_ready(&bed).await, "it was ready early");

    wait_for("each mark, which is written last", async || are_all_marked(&bed).await).await;
    // The same again: everything is compared and nothing written, here and in AWS.
    let (before, (wet, dry), changes) = (versions(&bed).await, flux.writes(), bed.changes());
    kubectl(
        &bed,
        &["annotate", "kustomization", "lightsail", "reconcile.fluxcd.io/requestedAt=again"],
    )
    .await;
    flux.wait("again", |object| {
        object["status"]["lastHandledReconcileAt"] == "again" && is_ready(object, &first)
    })
    .await;
    let start = Instant::now();
    // A line of the audit log may come a moment after its answer.
    while flux.writes().1 < dry + before.len() {
        assert!(start.elapsed() < DEADLINE, "{:?} after {:?}", flux.writes(), (wet, dry));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!((versions(&bed).await, flux.writes().0, bed.changes()), (before, wet, changes));

    // Somebody must act on one: it fails immediately, and not after its timeout of ten minutes.
    let foreign = bed.region.import_key_pair("taken", public_key("ed25519").trim());
    let all = [
        "default-eu-west-1.yaml",
        "deploy.yaml",
        "fleet.yaml",
        "legacy.yaml",
        "web-1-2026-11-24.yaml",
        "taken.yaml",
    ];
    let second = flux.publish(2, folder_with(&all).path()).await;
    flux.wait("failed", |object| {
        let conditions = object["status"]["conditions"].as_array().unwrap();
        object["status"]["lastAttemptedRevision"] == second
            && conditions.iter().any(|condition| {
                condition["type"] == "Ready"
                    && condition["reason"] == "HealthCheckFailed"
                    && condition["message"].as_str().unwrap().contains("taken")
            })
    })
    .await;

    // What is no longer there is pruned, also in Lightsail, but for what was never this object's.
    assert!(bed.region.find_key_pair("fleet").is_some());
    let third = flux
        .publish(3, folder_with(&["deploy.yaml", "legacy.yaml", "default-eu-west-1.yaml"]).path())
        .await;
    flux.wait("Ready", |object| is_ready(object, &third)).await;
    for name in ["fleet", "taken"] {
        bed.wait_gone::<LightsailKeyPair>(name).await;
    }
    bed.wait_gone::<HostKeyReset>("web-1-2026-11-24").await;
    assert_eq!(
        (bed.region.find_key_pair("fleet"), bed.region.find_key_pair("taken")),
        (None, Some(foreign))
    );

    // A deletion that is blocked is released by a commit: the object comes back with another
    // policy.
    bed.region.delete_key_pair("deploy");
    bed.region.import_key_pair("deploy", public_key("ed25519").trim());
    let fourth =
        flux.publish(4, folder_with(&["legacy.yaml", "default-eu-west-1.yaml"]).path()).await;
    flux.wait("Ready", |object| is_ready(object, &fourth)).await;
    let (blocked, _) = bed.wait_stalled::<LightsailKeyPair>("deploy", "FingerprintMismatch").await;
    assert!(blocked.metadata.deletion_timestamp.is_some());
    // When the object is gone, Flux waits for it until the timeout, and then makes it anew.
    let short = r#"{"spec":{"timeout":"10s","retryInterval":"5s"}}"#;
    kubectl(&bed, &["patch", "kustomization", "lightsail", "--type=merge", "-p", short]).await;
    flux.publish(
        5,
        folder_with(&["legacy.yaml", "default-eu-west-1.yaml", "retained.yaml"]).path(),
    )
    .await;
    let is_another = |object: &LightsailKeyPair| object.uid() != blocked.uid();
    let another = bed.wait("deploy", "made anew", is_another).await;
    assert_eq!(serde_json::to_value(another.spec).unwrap()["deletionPolicy"], "Retain");
    let sixth =
        flux.publish(6, folder_with(&["legacy.yaml", "default-eu-west-1.yaml"]).path()).await;
    flux.wait("Ready", |object| is_ready(object, &sixth)).await;
    bed.wait_gone::<LightsailKeyPair>("deploy").await;

    // With the Kustomization all objects go, and it waits until they are gone.
    kubectl(&bed, &["delete", "kustomization", "lightsail", "--timeout=3m"]).await;
    assert_eq!(versions(&bed).await, []);
    let left: Vec<_> = bed.region.key_pairs().into_iter().map(|pair| pair.name).collect();
    assert_eq!(
        left,
        ["LightsailDefaultKeyPair", "deploy", "legacy", "taken"],
        "what was adopted, and what is not ours"
    );
    assert!(
        bed.secrets().get_opt("deploy-ssh").await.unwrap().is_some(),
        "a generated private key outlives its object"
    );
    assert_eq!(bed.region.known_host_keys_resets("web-1"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_shown_of_flux_is_accepted_by_its_definitions() {
    let bed = Bed::new("flux-yaml").await;
    define(&bed.cluster, &bed.cluster.tools().join("../flux"), &KINDS).await;
    let kustomizations =
        fs::read_to_string(project().join("deploy/flux/kustomizations.yaml")).unwrap();
    let mut shown = documents(&kustomizations);
    shown.extend(
        documents(&kustomize(&bed.cluster, "deploy/flux/operator").await)
            .into_iter()
            .filter(is_of_flux),
    );
    let of_page: Vec<_> = documents_of_page().into_iter().filter(is_of_flux).collect();
    assert!(
        !of_page.is_empty() && of_page.iter().all(|object| shown.contains(object)),
        "the page has what is in the files"
    );
    for object in shown {
        check_accepted(&bed, object).await;
    }
}
