//! The admission policy of `docs/hostkeyreset.md`, as it stands there: only approvers let a reset
//! go.

use std::time::{Duration, Instant};

use lightsail_operator::api::HostKeyReset;
use serde_json::json;
use testbed::cluster::Output;

use crate::bed::{Bed, ready_reason, reset};
use crate::resets::wait_complete;

/// The YAML of a section of the page, for another namespace.
fn yaml_of_section(heading: &str, namespace: &str) -> String {
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/hostkeyreset.md");
    let page = std::fs::read_to_string(page).unwrap();
    let section = page.split("\n## ").find(|section| section.starts_with(heading)).unwrap();
    let blocks: Vec<_> =
        section.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert_eq!(blocks.len(), 2, "the policy and the rights");
    blocks.join("---\n").replace("namespace: default", &format!("namespace: {namespace}"))
}

/// Somebody of a group.
async fn kubectl_as(bed: &Bed, group: &str, arguments: &[&str], input: &str) -> Output {
    let own = [
        "--as",
        "somebody",
        "--as-group",
        group,
        "--as-group",
        "system:authenticated",
        "-n",
        &bed.namespace,
    ];
    bed.cluster.kubectl_with_input(&[&own, arguments].concat(), input).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_approvers_let_a_reset_go() {
    let bed = Bed::new("approval").await;
    bed.region.add_instance("web-1");
    let _operator = bed.start().await;
    let yaml = yaml_of_section("Approval by a second person", &bed.namespace);
    bed.cluster.kubectl_with_input(&["apply", "-f", "-"], &yaml).await.unwrap().or_error().unwrap();
    let label = ["label", "namespace", &bed.namespace, "lightsail-operator.dev/approval=required"];
    bed.cluster.kubectl(&label).await.unwrap().or_error().unwrap();
    // Somebody who may change everything but approve.
    let editor = json!({
        "apiVersion": "v1", "kind": "List", "items": [{
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
            "metadata": { "name": "editor", "namespace": bed.namespace },
            "rules": [{ "apiGroups": ["lightsail-operator.dev"], "resources": ["hostkeyresets"],
                "verbs": ["get", "create", "patch"] }],
        }, {
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": { "name": "editor", "namespace": bed.namespace },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role",
                "name": "editor" },
            "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "Group",
                "name": "editors" }],
        }],
    });
    bed.cluster
        .kubectl_with_input(&["apply", "-f", "-"], &editor.to_string())
        .await
        .unwrap()
        .or_error()
        .unwrap();
    let object = |suspend: bool| {
        let mut spec = reset();
        spec["suspend"] = json!(suspend);
        let (api_version, kind) = ("lightsail-operator.dev/v1alpha1", "HostKeyReset");
        json!({ "apiVersion": api_version, "kind": kind, "metadata": { "name": "asked" },
            "spec": spec })
        .to_string()
    };
    // A policy takes a moment to be in force.
    let start = Instant::now();
    let create = ["create", "--dry-run=server", "-f", "-"];
    loop {
        let output = kubectl_as(&bed, "lightsail-requesters", &create, &object(false)).await;
        if !output.success
            && output.stderr.contains("a HostKeyReset needs approval in this namespace")
        {
            break;
        }
        assert!(
            start.elapsed() < Duration::from_mins(1),
            "the policy does not come into force: {output:?}"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    kubectl_as(&bed, "lightsail-requesters", &["create", "-f", "-"], &object(true))
        .await
        .or_error()
        .unwrap();
    bed.wait("asked", "Suspended", |reset: &HostKeyReset| ready_reason(reset) == "Suspended").await;
    let go = ["patch", "hkr", "asked", "--type=merge", "-p", r#"{"spec":{"suspend":false}}"#];
    let refused = kubectl_as(&bed, "lightsail-requesters", &go, "").await;
    assert!(!refused.success && refused.stderr.contains("cannot patch resource"), "{refused:?}");
    let refused = kubectl_as(&bed, "editors", &go, "").await;
    assert!(
        !refused.success && refused.stderr.contains("a HostKeyReset needs approval"),
        "{refused:?}"
    );
    assert_eq!(bed.calls("DeleteKnownHostKeys"), 0);
    kubectl_as(&bed, "security-approvers", &go, "").await.or_error().unwrap();
    // The operator's own writes pass.
    wait_complete(&bed, "asked").await;
    assert_eq!(bed.region.known_host_keys_resets("web-1"), 1);
}
