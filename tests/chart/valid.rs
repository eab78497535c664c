//! The API server takes what the chart renders, strictly: a field that it does not know is refused.
//!
//! Only a dry run. `ServiceMonitor` and `PrometheusRule` are left out: their CRDs are not here.
//! What the latter holds is tested by promtool, in `tests/offline/monitoring.rs`.

use serde_json::{Value, json};
use testbed::cluster::{Cluster, Output};

use crate::{NAME, render};

fn everything() -> Value {
    let label = json!({ "matchLabels": { "app.kubernetes.io/name": NAME } });
    json!({
        "image": { "digest": format!("sha256:{}", "0".repeat(64)) },
        "imagePullSecrets": [{ "name": "registry" }],
        "global": { "imageRegistry": "registry.example.com", "imagePullSecrets": ["others"] },
        "commonLabels": { "a": "b" },
        "deploymentAnnotations": { "a": "b" },
        "revisionHistoryLimit": 3,
        "dnsPolicy": "None",
        "dnsConfig": { "nameservers": ["10.0.0.10"] },
        "hostAliases": [{ "ip": "10.0.0.1", "hostnames": ["a"] }],
        "initContainers": [{ "name": "before", "image": "i" }],
        "extraContainers": [{ "name": "beside", "image": "i" }],
        "envFrom": [{ "secretRef": { "name": "proxy" } }],
        "podDisruptionBudget": { "minAvailable": 1 },
        "watch": { "namespaces": ["default", NAME], "labelSelector": "team in (a, b)" },
        "clusterID": "c",
        "accounts": { "unscopedNamespaces": ["infra"] },
        "aws": { "accountID": "123456789012", "region": "eu-west-1", "endpointURL": "https://e",
            "existingSecret": "aws" },
        "serviceAccount": { "annotations": { "a": "b" } },
        "roles": { "aggregate": { "reader": true, "keyPairEditor": true,
            "hostKeyResetter": true } },
        "service": { "annotations": { "a": "b" } },
        "dashboard": { "enabled": true, "annotations": { "a": "b" } },
        "networkPolicy": { "enabled": true, "ingressFrom": [{ "namespaceSelector": {} }],
            "extraEgress": [{ "ports": [{ "port": 3128 }] }] },
        "podLabels": { "a": "b" },
        "podAnnotations": { "a": "b" },
        "tolerations": [{ "operator": "Exists" }],
        "affinity": { "nodeAffinity": {} },
        "topologySpreadConstraints": [
            { "maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule",
                "labelSelector": label }
        ],
        "priorityClassName": "system-cluster-critical",
        "extraArgs": ["--settle-time=1m"],
        "extraEnv": [{ "name": "A", "value": "b" }],
        "extraVolumes": [{ "name": "v", "emptyDir": {} }],
        "extraVolumeMounts": [{ "name": "v", "mountPath": "/v" }],
        "extraObjects": [{ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "x",
            "namespace": NAME } }],
    })
}

/// What the API server says of these objects, which it does not keep.
pub(crate) async fn dry_run(cluster: &Cluster, objects: &[Value]) -> Output {
    let arguments = [
        "apply",
        "--server-side",
        "--dry-run=server",
        "--validate=strict",
        "--force-conflicts",
        "--filename",
        "-",
    ];
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": objects });
    cluster.kubectl_with_input(&arguments, &list.to_string()).await.unwrap()
}

#[tokio::test]
async fn the_api_server_takes_all_of_it_strictly() {
    let cluster = Cluster::from_env().await.unwrap();
    for values in [
        Value::Null,
        everything(),
        json!({ "replicas": 1, "leaderElection": { "enabled": false } }),
        // The Roles for accounts beside those of watched namespaces.
        json!({ "watch": { "namespaces": ["kube-public"] } }),
        json!({ "accounts": { "enabled": false } }),
        // Names that YAML could take for numbers.
        json!({ "fullnameOverride": "123", "nameOverride": "1e3",
            "serviceAccount": { "create": false, "name": "0123" } }),
    ] {
        let mut objects = render(&values);
        dry_run(&cluster, &objects).await.or_error().unwrap();

        let deployment = objects.iter_mut().find(|it| it["kind"] == "Deployment").unwrap();
        deployment["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = json!({});
        let output = dry_run(&cluster, &objects).await;
        assert!(!output.success && output.stderr.contains("readynessProbe"), "{}", output.stderr);
    }
}
