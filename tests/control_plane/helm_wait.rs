//! `helm install --wait` of a chart with our objects: Helm 4 waits for them by kstatus.

use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use lightsail_operator::api::{HostKeyReset, LightsailKeyPair};
use serde_json::{Value, json};
use testbed::process::bound_to_this_process;

use crate::bed::{Bed, imported, public_key, ready_reason, reset};

/// `helm install --wait` of a chart with these objects.
fn helm_install(bed: &Bed, folder: &Path, objects: &[Value]) -> std::process::Child {
    let chart = folder.join("chart");
    fs::create_dir_all(chart.join("templates")).unwrap();
    let about = json!({ "apiVersion": "v2", "name": "objects", "version": "0.1.0" });
    fs::write(chart.join("Chart.yaml"), about.to_string()).unwrap();
    let objects: Vec<_> = objects.iter().map(Value::to_string).collect();
    fs::write(chart.join("templates/objects.yaml"), objects.join("\n---\n")).unwrap();
    bound_to_this_process(bed.cluster.tools().join("helm"))
        .args(["install", "objects", "--wait", "--timeout=10m", "--namespace", &bed.namespace])
        .arg(chart)
        .env("KUBECONFIG", bed.cluster.kubeconfig())
        // Nothing of whoever runs this, and nothing into a home directory.
        .envs(
            ["HOME", "HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"]
                .map(|name| (name, folder)),
        )
        .stdin(Stdio::null())
        .stdout(File::create(folder.join("output")).unwrap())
        .stderr(File::create(folder.join("errors")).unwrap())
        .spawn()
        .unwrap()
}

async fn end_of(mut helm: std::process::Child) -> bool {
    let start = Instant::now();
    loop {
        if let Some(status) = helm.try_wait().unwrap() {
            return status.success();
        }
        assert!(
            start.elapsed() < Duration::from_mins(3),
            "helm does not end, and its timeout is longer"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn helm_waits_for_our_objects_and_fails_before_its_timeout() {
    let bed = Bed::new("wait-helm").await;
    bed.region.add_instance("web-1");
    let object = |kind: &str, name: &str, spec: &Value| {
        json!({ "apiVersion": "lightsail-operator.dev/v1alpha1", "kind": kind,
            "metadata": { "name": name }, "spec": spec })
    };
    let fleet = object("LightsailKeyPair", "fleet", &imported(&public_key("ed25519")));
    let objects = [fleet, object("HostKeyReset", "web-1", &reset())];
    let folder = tempfile::tempdir().unwrap();
    let mut helm = helm_install(&bed, folder.path(), &objects);
    bed.wait("fleet", "applied", |_: &LightsailKeyPair| true).await;
    bed.wait("web-1", "applied", |_: &HostKeyReset| true).await;
    assert_eq!(helm.try_wait().unwrap(), None, "nobody has looked at them");
    let _operator = bed.start().await;
    let succeeded = end_of(helm).await;
    let pair: LightsailKeyPair = bed.api().get("fleet").await.unwrap();
    let done: HostKeyReset = bed.api().get("web-1").await.unwrap();
    assert_eq!(
        (ready_reason(&pair).as_str(), ready_reason(&done).as_str()),
        ("Imported", "OperationSucceeded")
    );
    assert!(succeeded, "{}", fs::read_to_string(folder.path().join("errors")).unwrap());

    let bed = Bed::new("wait-helm-failed").await;
    let _operator = bed.start().await;
    bed.region.import_key_pair("taken", public_key("ed25519").trim());
    let folder = tempfile::tempdir().unwrap();
    let taken = object("LightsailKeyPair", "taken", &imported(&public_key("ed25519")));
    let helm = helm_install(&bed, folder.path(), &[taken]);
    assert!(!end_of(helm).await);
    let errors = fs::read_to_string(folder.path().join("errors")).unwrap();
    assert!(errors.contains("taken") && errors.contains("Failed"), "{errors}");
}
