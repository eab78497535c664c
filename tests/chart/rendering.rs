//! A row turns one thing on or off, and says what is then in the objects that was not there before, or is gone.

use serde_json::{Value, json};

use crate::{NAME, find, render};

/// Values; the kind and the name of an object; where in it to look; what must be there, `null` for nothing.
type Row = (&'static str, Value, &'static str, &'static str, &'static str, Value);

const POD: &str = "/spec/template/spec";
const NONE: Value = Value::Null;

/// What stands at a pointer of an object. The pointer may begin with [`POD`], as `@`, or be that of the argument or variable of a name:
/// `--flag` and `$NAME`.
fn look(objects: &[Value], kind: &str, name: &str, at: &str) -> Value {
    let Some(object) = find(objects, kind, name) else { return NONE };
    let container = &object["spec"]["template"]["spec"]["containers"][0];
    if at.starts_with("--") {
        let arguments = container["args"].as_array().unwrap();
        let found: Vec<&str> = arguments.iter().filter_map(|it| it.as_str().unwrap().strip_prefix(at)).collect();
        return if found.is_empty() { NONE } else { json!(found) };
    }
    if let Some(name) = at.strip_prefix('$') {
        let mut variables = container["env"].as_array().unwrap().iter().filter(|it| it["name"] == name);
        return variables.next().map_or(NONE, |it| it.get("value").or(it.get("valueFrom")).unwrap().clone());
    }
    let pointer = at.replacen('@', POD, 1);
    object.pointer(&pointer).cloned().unwrap_or(NONE)
}

fn rows() -> Vec<Row> {
    let d = "Deployment";
    vec![
        ("other name", json!({ "fullnameOverride": "other" }), d, "other", "/metadata/name", json!("other")),
        (
            "part of the name",
            json!({ "nameOverride": "x" }),
            d,
            "lightsail-operator-x",
            "/metadata/name",
            json!("lightsail-operator-x"),
        ),
        (
            "image",
            json!({ "image": { "repository": "r/i" } }),
            d,
            NAME,
            "@/containers/0/image",
            json!(format!("r/i:{}", env!("CARGO_PKG_VERSION"))),
        ),
        (
            "tag",
            json!({ "image": { "repository": "r/i", "tag": "t" } }),
            d,
            NAME,
            "@/containers/0/image",
            json!("r/i:t"),
        ),
        (
            "digest",
            json!({ "image": { "repository": "r/i", "tag": "t", "digest": digest() } }),
            d,
            NAME,
            "@/containers/0/image",
            json!(format!("r/i:t@{}", digest())),
        ),
        (
            "pull policy",
            json!({ "image": { "pullPolicy": "Always" } }),
            d,
            NAME,
            "@/containers/0/imagePullPolicy",
            json!("Always"),
        ),
        (
            "pull secrets",
            json!({ "imagePullSecrets": [{ "name": "s" }] }),
            d,
            NAME,
            "@/imagePullSecrets",
            json!([{ "name": "s" }]),
        ),
        ("replicas", json!({ "replicas": 3 }), d, NAME, "/spec/replicas", json!(3)),
        ("no election: the flag", alone(), d, NAME, "--leader-election", json!(["=false"])),
        ("no election: no name of a Lease", alone(), d, NAME, "--lease-name", NONE),
        ("no election: one after the other", alone(), d, NAME, "/spec/strategy/type", json!("Recreate")),
        ("no Lease", json!({ "leaderElection": { "createLease": false } }), "Lease", NAME, "", NONE),
        ("no election: no Lease", alone(), "Lease", NAME, "", NONE),
        ("no election: no right to it", alone(), "Role", "lightsail-operator-leader-election", "", NONE),
        ("no election: no binding", alone(), "RoleBinding", "lightsail-operator-leader-election", "", NONE),
        (
            "namespaces",
            json!({ "watch": { "namespaces": ["a", "b"] } }),
            d,
            NAME,
            "--watch-namespace",
            json!(["=a", "=b"]),
        ),
        (
            "selector",
            json!({ "watch": { "labelSelector": "a=b,c in (d, e)" } }),
            d,
            NAME,
            "--watch-label-selector",
            json!(["=a=b,c in (d, e)"]),
        ),
        ("cluster", json!({ "clusterID": "c" }), d, NAME, "--cluster-id", json!(["=c"])),
        (
            "account",
            json!({ "aws": { "accountID": "012345678901" } }),
            d,
            NAME,
            "--aws-account-id",
            json!(["=012345678901"]),
        ),
        ("region", json!({ "aws": { "region": "eu-west-1" } }), d, NAME, "$AWS_REGION", json!("eu-west-1")),
        (
            "endpoint",
            json!({ "aws": { "endpointURL": "https://e" } }),
            d,
            NAME,
            "$AWS_ENDPOINT_URL",
            json!("https://e"),
        ),
        (
            "insecure",
            json!({ "aws": { "allowInsecureEndpoint": true } }),
            d,
            NAME,
            "--allow-insecure-endpoints",
            json!([""]),
        ),
        (
            "the node's role",
            json!({ "aws": { "instanceMetadata": true } }),
            d,
            NAME,
            "$AWS_EC2_METADATA_DISABLED",
            json!("false"),
        ),
        (
            "secret: id",
            json!({ "aws": { "existingSecret": "aws" } }),
            d,
            NAME,
            "$AWS_ACCESS_KEY_ID",
            json!({ "secretKeyRef": { "name": "aws", "key": "AWS_ACCESS_KEY_ID" } }),
        ),
        (
            "secret: key",
            json!({ "aws": { "existingSecret": "aws" } }),
            d,
            NAME,
            "$AWS_SECRET_ACCESS_KEY",
            json!({ "secretKeyRef": { "name": "aws", "key": "AWS_SECRET_ACCESS_KEY" } }),
        ),
        (
            "secret: token",
            json!({ "aws": { "existingSecret": "aws" } }),
            d,
            NAME,
            "$AWS_SESSION_TOKEN",
            json!({ "secretKeyRef": { "name": "aws", "key": "AWS_SESSION_TOKEN", "optional": true } }),
        ),
        ("concurrency", json!({ "concurrency": 1000 }), d, NAME, "--concurrency", json!(["=1000"])),
        ("log", json!({ "log": { "filter": "warn,a=debug" } }), d, NAME, "--log=", json!(["warn,a=debug"])),
        ("format", json!({ "log": { "format": "text" } }), d, NAME, "--log-format", json!(["=text"])),
        (
            "no definitions",
            json!({ "crds": { "enabled": false } }),
            "CustomResourceDefinition",
            "lightsailkeypairs.lightsail-operator.dev",
            "",
            NONE,
        ),
        (
            "no other definition",
            json!({ "crds": { "enabled": false } }),
            "CustomResourceDefinition",
            "hostkeyresets.lightsail-operator.dev",
            "",
            NONE,
        ),
        (
            "definitions that go",
            json!({ "crds": { "keep": false } }),
            "CustomResourceDefinition",
            "lightsailkeypairs.lightsail-operator.dev",
            "/metadata/annotations",
            NONE,
        ),
        (
            "another definition that goes",
            json!({ "crds": { "keep": false } }),
            "CustomResourceDefinition",
            "hostkeyresets.lightsail-operator.dev",
            "/metadata/annotations",
            NONE,
        ),
        ("no account", json!({ "serviceAccount": { "create": false } }), "ServiceAccount", NAME, "", NONE),
        (
            "no account: default",
            json!({ "serviceAccount": { "create": false } }),
            d,
            NAME,
            "@/serviceAccountName",
            json!("default"),
        ),
        (
            "no account: another",
            json!({ "serviceAccount": { "create": false, "name": "x" } }),
            d,
            NAME,
            "@/serviceAccountName",
            json!("x"),
        ),
        (
            "no account: the rights go there",
            json!({ "serviceAccount": { "create": false, "name": "x" } }),
            "ClusterRoleBinding",
            NAME,
            "/subjects/0/name",
            json!("x"),
        ),
        (
            "account of another name",
            json!({ "serviceAccount": { "name": "x" } }),
            "ServiceAccount",
            "x",
            "/metadata/name",
            json!("x"),
        ),
        (
            "annotations of the account",
            json!({ "serviceAccount": { "annotations": { "a": "b" } } }),
            "ServiceAccount",
            NAME,
            "/metadata/annotations/a",
            json!("b"),
        ),
        ("no rights", json!({ "rbac": { "create": false } }), "ClusterRole", NAME, "", NONE),
        ("no rights: no binding", json!({ "rbac": { "create": false } }), "ClusterRoleBinding", NAME, "", NONE),
        (
            "no rights: nor to the Lease",
            json!({ "rbac": { "create": false } }),
            "Role",
            "lightsail-operator-leader-election",
            "",
            NONE,
        ),
        ("no roles", json!({ "roles": { "create": false } }), "ClusterRole", "lightsail-operator-reader", "", NONE),
        (
            "no roles: editor",
            json!({ "roles": { "create": false } }),
            "ClusterRole",
            "lightsail-operator-key-pair-editor",
            "",
            NONE,
        ),
        (
            "no roles: resetter",
            json!({ "roles": { "create": false } }),
            "ClusterRole",
            "lightsail-operator-host-key-resetter",
            "",
            NONE,
        ),
        (
            "reader for all who view",
            json!({ "roles": { "aggregate": { "reader": true } } }),
            "ClusterRole",
            "lightsail-operator-reader",
            "/metadata/labels/rbac.authorization.k8s.io~1aggregate-to-view",
            json!("true"),
        ),
        (
            "editor for all who edit",
            json!({ "roles": { "aggregate": { "keyPairEditor": true } } }),
            "ClusterRole",
            "lightsail-operator-key-pair-editor",
            "/metadata/labels/rbac.authorization.k8s.io~1aggregate-to-edit",
            json!("true"),
        ),
        (
            "resetter for admins",
            json!({ "roles": { "aggregate": { "hostKeyResetter": true } } }),
            "ClusterRole",
            "lightsail-operator-host-key-resetter",
            "/metadata/labels/rbac.authorization.k8s.io~1aggregate-to-admin",
            json!("true"),
        ),
        ("no service", json!({ "service": { "enabled": false } }), "Service", NAME, "", NONE),
        (
            "annotations of the service",
            json!({ "service": { "annotations": { "a": "b" } } }),
            "Service",
            NAME,
            "/metadata/annotations/a",
            json!("b"),
        ),
        (
            "monitor",
            json!({ "serviceMonitor": { "enabled": true } }),
            "ServiceMonitor",
            NAME,
            "/spec/endpoints",
            json!([{ "port": "metrics" }]),
        ),
        (
            "monitor: labels",
            json!({ "serviceMonitor": { "enabled": true, "labels": { "a": "b" } } }),
            "ServiceMonitor",
            NAME,
            "/metadata/labels/a",
            json!("b"),
        ),
        (
            "monitor: interval",
            json!({ "serviceMonitor": { "enabled": true, "interval": "30s" } }),
            "ServiceMonitor",
            NAME,
            "/spec/endpoints/0/interval",
            json!("30s"),
        ),
        ("rules", json!({ "prometheusRule": { "enabled": true } }), "PrometheusRule", NAME, "/spec", rules()),
        (
            "rules: labels",
            json!({ "prometheusRule": { "enabled": true, "labels": { "a": "b" } } }),
            "PrometheusRule",
            NAME,
            "/metadata/labels/a",
            json!("b"),
        ),
        (
            "dashboard",
            json!({ "dashboard": { "enabled": true } }),
            "ConfigMap",
            "lightsail-operator-dashboard",
            "/metadata/labels/grafana_dashboard",
            json!("1"),
        ),
        (
            "dashboard: labels",
            json!({ "dashboard": { "enabled": true, "labels": { "grafana_dashboard": null, "a": "b" } } }),
            "ConfigMap",
            "lightsail-operator-dashboard",
            "/metadata/labels/a",
            json!("b"),
        ),
        (
            "dashboard: annotations",
            json!({ "dashboard": { "enabled": true, "annotations": { "a": "b" } } }),
            "ConfigMap",
            "lightsail-operator-dashboard",
            "/metadata/annotations/a",
            json!("b"),
        ),
        ("no budget", json!({ "podDisruptionBudget": { "enabled": false } }), "PodDisruptionBudget", NAME, "", NONE),
        (
            "network policy",
            json!({ "networkPolicy": { "enabled": true } }),
            "NetworkPolicy",
            NAME,
            "/spec/policyTypes",
            json!(["Ingress", "Egress"]),
        ),
        (
            "network policy: anybody may scrape",
            json!({ "networkPolicy": { "enabled": true } }),
            "NetworkPolicy",
            NAME,
            "/spec/ingress",
            json!([{ "ports": [{ "port": "metrics", "protocol": "TCP" }] }]),
        ),
        (
            "network policy: who may scrape",
            json!({ "networkPolicy": { "enabled": true, "ingressFrom": [{ "podSelector": {} }] } }),
            "NetworkPolicy",
            NAME,
            "/spec/ingress/0/from",
            json!([{ "podSelector": {} }]),
        ),
        (
            "network policy: where to",
            json!({ "networkPolicy": { "enabled": true, "egress": [{}] } }),
            "NetworkPolicy",
            NAME,
            "/spec/egress",
            json!([{}]),
        ),
        (
            "resources",
            json!({ "resources": { "limits": { "cpu": "1" } } }),
            d,
            NAME,
            "@/containers/0/resources/limits/cpu",
            json!("1"),
        ),
        (
            "no fixed user",
            json!({ "podSecurityContext": { "runAsUser": null } }),
            d,
            NAME,
            "@/securityContext/runAsUser",
            NONE,
        ),
        (
            "security of the container",
            json!({ "securityContext": { "runAsUser": 7 } }),
            d,
            NAME,
            "@/containers/0/securityContext/runAsUser",
            json!(7),
        ),
        (
            "labels of the pods",
            json!({ "podLabels": { "a": "b" } }),
            d,
            NAME,
            "/spec/template/metadata/labels/a",
            json!("b"),
        ),
        (
            "annotations of the pods",
            json!({ "podAnnotations": { "a": "b" } }),
            d,
            NAME,
            "/spec/template/metadata/annotations",
            json!({ "a": "b" }),
        ),
        ("nodes", json!({ "nodeSelector": { "a": "b" } }), d, NAME, "@/nodeSelector/a", json!("b")),
        (
            "taints",
            json!({ "tolerations": [{ "operator": "Exists" }] }),
            d,
            NAME,
            "@/tolerations",
            json!([{ "operator": "Exists" }]),
        ),
        (
            "affinity instead of ours",
            json!({ "affinity": { "podAffinity": {} } }),
            d,
            NAME,
            "@/affinity",
            json!({ "podAffinity": {} }),
        ),
        (
            "spread",
            json!({ "topologySpreadConstraints": [{ "maxSkew": 1 }] }),
            d,
            NAME,
            "@/topologySpreadConstraints",
            json!([{ "maxSkew": 1 }]),
        ),
        ("priority", json!({ "priorityClassName": "p" }), d, NAME, "@/priorityClassName", json!("p")),
        ("arguments", json!({ "extraArgs": ["--settle-time=1m"] }), d, NAME, "--settle-time", json!(["=1m"])),
        (
            "variables",
            json!({ "extraEnv": [{ "name": "HTTPS_PROXY", "value": "v" }] }),
            d,
            NAME,
            "$HTTPS_PROXY",
            json!("v"),
        ),
        (
            "volumes",
            json!({ "extraVolumes": [{ "name": "v", "emptyDir": {} }] }),
            d,
            NAME,
            "@/volumes",
            json!([{ "name": "v", "emptyDir": {} }]),
        ),
        (
            "mounts",
            json!({ "extraVolumeMounts": [{ "name": "v", "mountPath": "/v" }] }),
            d,
            NAME,
            "@/containers/0/volumeMounts",
            json!([{ "name": "v", "mountPath": "/v" }]),
        ),
        (
            "objects",
            json!({ "extraObjects": [{ "kind": "X", "metadata": { "name": "{{ .Release.Namespace }}-x" } }] }),
            "X",
            "lightsail-operator-x",
            "/kind",
            json!("X"),
        ),
        (
            "part of a chart",
            json!({ "global": { "a": 1 }, "enabled": true, "replicas": 1 }),
            d,
            NAME,
            "/spec/replicas",
            json!(1),
        ),
    ]
}

fn digest() -> String {
    format!("sha256:{}", "0".repeat(64))
}

fn alone() -> Value {
    json!({ "replicas": 1, "leaderElection": { "enabled": false } })
}

fn rules() -> Value {
    let rules = std::fs::read_to_string(crate::chart().join("files/rules.yaml")).unwrap();
    serde_yaml_ng::from_str(&rules).unwrap()
}

#[test]
fn each_value_does_what_it_says() {
    let defaults = render(&NONE);
    let mut wrong = Vec::new();
    for (name, values, kind, object, at, expected) in rows() {
        let seen = look(&render(&values), kind, object, at);
        if seen != expected {
            wrong.push(format!("{name}: {seen} instead of {expected}"));
        }
        // Otherwise the row would hold whatever the value did.
        if look(&defaults, kind, object, at) == expected {
            wrong.push(format!("{name}: that is so without the value"));
        }
    }
    assert_eq!(wrong, [""; 0]);
    // And no value is without a row, but for those that rights.rs is about.
    let text = std::fs::read_to_string(crate::chart().join("values.yaml")).unwrap();
    let values: Value = serde_yaml_ng::from_str(&text).unwrap();
    let names = values.as_object().unwrap().keys();
    let rows = rows();
    let untold: Vec<&String> = names.filter(|&name| !rows.iter().any(|row| row.1.get(name).is_some())).collect();
    assert_eq!(untold, ["secrets"]);
}

#[test]
fn the_defaults_need_no_change() {
    let objects = render(&NONE);
    let see = |at| look(&objects, "Deployment", NAME, at);
    assert_eq!(see("--log-format"), json!(["=json"]));
    assert_eq!(see("--lease-name"), json!(["=lightsail-operator"]));
    assert_eq!(see("$AWS_EC2_METADATA_DISABLED"), json!("true"));
    assert_eq!(see("@/containers/0/livenessProbe/httpGet"), json!({ "path": "/livez", "port": "metrics" }));
    assert_eq!(see("@/containers/0/readinessProbe/httpGet"), json!({ "path": "/readyz", "port": "metrics" }));
    assert_eq!(see("@/containers/0/ports/0/containerPort"), json!(8080));
    assert_eq!(see("@/containers/0/resources/limits/cpu"), NONE);
    // Each object says whose it is, and where.
    let is_cluster_wide =
        |kind: &Value| kind.as_str().unwrap().starts_with("Cluster") || kind == "CustomResourceDefinition";
    for object in &objects {
        let metadata = &object["metadata"];
        assert_eq!(metadata["labels"]["app.kubernetes.io/instance"], NAME, "{metadata}");
        let namespace = if is_cluster_wide(&object["kind"]) { NONE } else { json!(NAME) };
        assert_eq!(metadata["namespace"], namespace, "{metadata}");
    }
    // The selectors meet the pods.
    let labels =
        objects.iter().find(|it| it["kind"] == "Deployment").unwrap()["spec"]["template"]["metadata"]["labels"].clone();
    let selectors = [
        ("Service", "/spec/selector"),
        ("PodDisruptionBudget", "/spec/selector/matchLabels"),
        ("Deployment", "/spec/selector/matchLabels"),
    ];
    for (kind, at) in selectors {
        let selector = look(&objects, kind, NAME, at);
        assert!(selector.as_object().unwrap().iter().all(|(key, value)| labels[key] == *value), "{kind}");
    }
}

/// Every flag of the operator that may be set is, by some row or by default, one that it knows.
#[test]
fn the_operator_takes_the_arguments() {
    use clap::Parser;
    for (name, values, ..) in rows() {
        let objects = render(&values);
        let deployment = objects.iter().find(|it| it["kind"] == "Deployment").unwrap();
        let arguments = deployment["spec"]["template"]["spec"]["containers"][0]["args"].as_array().unwrap();
        let arguments = std::iter::once("lightsail-operator").chain(arguments.iter().map(|it| it.as_str().unwrap()));
        if let Err(error) = lightsail_operator::config::Config::try_parse_from(arguments) {
            panic!("{name}: {error}");
        }
    }
}
