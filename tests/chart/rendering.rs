//! A row turns one thing on or off, and says what is then in the objects that was not there before,
//! or is gone.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{NAME, find, render};

/// Values, an object by its kind (and name, where that is not the release's), where in it to look,
/// what must be there. Where: a pointer, or one within the pod's spec (`pod:`) or its container's
/// (`container:`), or the rest of the container's arguments that begin so (`--flag`), or one of its
/// variables (`$NAME`).
const ROWS: &str = r#"
fullnameOverride: other                                       | Deployment other | /metadata/name | other
nameOverride: x                                               | Deployment lightsail-operator-x | /metadata/name | lightsail-operator-x
image: {repository: r/i}                                      | Deployment | container:/image | r/i:VERSION
image: {repository: r/i, tag: t}                              | Deployment | container:/image | r/i:t
image: {repository: r/i, tag: "t@DIGEST"}                     | Deployment | container:/image | r/i:t@DIGEST
image: {repository: r/i, tag: t, digest: DIGEST}              | Deployment | container:/image | r/i@DIGEST
{global: {imageRegistry: r.example.com}, image: {repository: ghcr.io/o/i, tag: t}} | Deployment | container:/image | r.example.com/o/i:t
{global: {imageRegistry: r.example.com/}, image: {repository: o/i, tag: t}} | Deployment | container:/image | r.example.com/o/i:t
{global: {imageRegistry: r.example.com}, image: {repository: "localhost:5000/i", tag: t}} | Deployment | container:/image | r.example.com/i:t
image: {pullPolicy: Always}                                   | Deployment | container:/imagePullPolicy | Always
imagePullSecrets: [{name: s}]                                 | Deployment | pod:/imagePullSecrets | [{name: s}]
imagePullSecrets: [s]                                         | Deployment | pod:/imagePullSecrets | [{name: s}]
{global: {imagePullSecrets: [g, {name: s}]}, imagePullSecrets: [{name: s}]} | Deployment | pod:/imagePullSecrets | [{name: g}, {name: s}]
replicas: 3                                                   | Deployment | /spec/replicas | 3
replicas: 1                                                   | Deployment | /spec/strategy/rollingUpdate | {maxSurge: 1, maxUnavailable: 0}
{replicas: 1, leaderElection: {enabled: false}}               | Deployment | --leader-election | [=false]
{replicas: 1, leaderElection: {enabled: false}}               | Deployment | --lease-name | null
{replicas: 1, leaderElection: {enabled: false}}               | Deployment | /spec/strategy/type | Recreate
{replicas: 1, leaderElection: {enabled: false}}               | Lease | | null
{replicas: 1, leaderElection: {enabled: false}}               | Role lightsail-operator-leader-election | | null
{replicas: 1, leaderElection: {enabled: false}}               | RoleBinding lightsail-operator-leader-election | | null
leaderElection: {createLease: false}                          | Lease | | null
watch: {namespaces: [a, b]}                                   | Deployment | --watch-namespace | [=a, =b]
watch: {labelSelector: "a=b,c in (d, e)"}                     | Deployment | --watch-label-selector | ["=a=b,c in (d, e)"]
clusterID: c                                                  | Deployment | --cluster-id | [=c]
accounts: {enabled: false}                                    | Deployment | --accounts | [=false]
accounts: {enabled: false}                                    | CustomResourceDefinition lightsailaccounts.lightsail-operator.dev | | null
accounts: {enabled: false}                                    | ClusterRole lightsail-operator-account-reader | | null
accounts: {enabled: false}                                    | ClusterRole lightsail-operator-account-editor | | null
accounts: {primary: false}                                    | Deployment | --primary | [=false]
accounts: {required: true}                                    | Deployment | --accounts-required | [""]
accounts: {unscopedNamespaces: [a, b]}                        | Deployment | --unscoped-namespace | [=a, =b]
{accounts: {primary: false, enabled: false}}                    | Deployment | --accounts | [=false]
aws: {accountID: "012345678901"}                              | Deployment | --aws-account-id | ["=012345678901"]
aws: {allowedRegions: [eu-west-1, us-east-1]}                 | Deployment | --allowed-regions | [=eu-west-1, =us-east-1]
aws: {region: eu-west-1}                                      | Deployment | $AWS_REGION | eu-west-1
aws: {endpointURL: "https://e"}                               | Deployment | $AWS_ENDPOINT_URL | https://e
aws: {allowInsecureEndpoint: true, endpointURL: "http://s.x.svc"} | Deployment | --allow-insecure-endpoints | [""]
{aws: {allowInsecureEndpoint: true}, envFrom: [{configMapRef: {name: endpoints}}]} | Deployment | --allow-insecure-endpoints | [""]
{aws: {allowInsecureEndpoint: true}, extraEnv: [{name: AWS_ENDPOINT_URL_LIGHTSAIL, value: "http://s:80"}]} | Deployment | --allow-insecure-endpoints | [""]
aws: {endpointURL: "http://localhost:4566"}                   | Deployment | $AWS_ENDPOINT_URL | http://localhost:4566
namespaceOverride: x                                          | Deployment | /metadata/namespace | x
namespaceOverride: "123456789012"                             | Deployment | /metadata/namespace | "123456789012"
namespaceOverride: "123456789012"                             | ClusterRoleBinding | /subjects/0/namespace | "123456789012"
nameOverride: "1e3"                                           | Deployment lightsail-operator-1e3 | /spec/template/metadata/labels/app.kubernetes.io~1name | "1e3"
fullnameOverride: "123"                                       | Deployment 123 | pod:/serviceAccountName | "123"
watch: {namespaces: ["0x1f"]}                                 | Role | /metadata/namespace | "0x1f"
namespaceOverride: x                                          | ClusterRoleBinding | /subjects/0/namespace | x
commonLabels: {a: b}                                          | Deployment | /metadata/labels/a | b
commonLabels: {a: b}                                          | Deployment | /spec/template/metadata/labels/a | b
commonLabels: {a: b}                                          | Service | /metadata/labels/a | b
commonLabels: {a: b}                                          | ClusterRole | /metadata/labels/a | b
{commonLabels: {a: b}, podLabels: {a: c}}                     | Deployment | /spec/template/metadata/labels/a | c
deploymentAnnotations: {a: b}                                 | Deployment | /metadata/annotations/a | b
revisionHistoryLimit: 3                                       | Deployment | /spec/revisionHistoryLimit | 3
dnsPolicy: Default                                            | Deployment | pod:/dnsPolicy | Default
dnsConfig: {options: [{name: ndots, value: "1"}]}             | Deployment | pod:/dnsConfig | {options: [{name: ndots, value: "1"}]}
hostAliases: [{ip: 10.0.0.1, hostnames: [a]}]                 | Deployment | pod:/hostAliases | [{ip: 10.0.0.1, hostnames: [a]}]
initContainers: [{name: a, image: i}]                         | Deployment | pod:/initContainers | [{name: a, image: i}]
extraContainers: [{name: a, image: i}]                        | Deployment | pod:/containers/1 | {name: a, image: i}
envFrom: [{secretRef: {name: s}}]                             | Deployment | container:/envFrom | [{secretRef: {name: s}}]
aws: {instanceMetadata: true}                                 | Deployment | $AWS_EC2_METADATA_DISABLED | "false"
aws: {existingSecret: aws}                                    | Deployment | $AWS_ACCESS_KEY_ID | secretKeyRef: {name: aws, key: AWS_ACCESS_KEY_ID}
aws: {existingSecret: aws}                                    | Deployment | $AWS_SECRET_ACCESS_KEY | secretKeyRef: {name: aws, key: AWS_SECRET_ACCESS_KEY}
aws: {existingSecret: aws}                                    | Deployment | $AWS_SESSION_TOKEN | secretKeyRef: {name: aws, key: AWS_SESSION_TOKEN, optional: true}
concurrency: 1000                                             | Deployment | --concurrency | ["=1000"]
log: {filter: "warn,a=debug"}                                 | Deployment | --log= | ["warn,a=debug"]
log: {filter: "[span]=debug"}                                 | Deployment | --log= | ["[span]=debug"]
log: {filter: "hyper=trace,a[b{c=d}]=info,[e]"}               | Deployment | --log= | ["hyper=trace,a[b{c=d}]=info,[e]"]
log: {format: text}                                           | Deployment | --log-format | [=text]
crds: {enabled: false}                                        | CustomResourceDefinition lightsailkeypairs.lightsail-operator.dev | | null
crds: {enabled: false}                                        | CustomResourceDefinition hostkeyresets.lightsail-operator.dev | | null
crds: {enabled: false}                                        | CustomResourceDefinition lightsailaccounts.lightsail-operator.dev | | null
crds: {keep: false}                                           | CustomResourceDefinition lightsailaccounts.lightsail-operator.dev | /metadata/annotations | null
crds: {keep: false}                                           | CustomResourceDefinition lightsailkeypairs.lightsail-operator.dev | /metadata/annotations | null
crds: {keep: false}                                           | CustomResourceDefinition hostkeyresets.lightsail-operator.dev | /metadata/annotations | null
serviceAccount: {create: false, name: x}                      | ServiceAccount | | null
{serviceAccount: {create: false}, rbac: {create: false}}      | Deployment | pod:/serviceAccountName | default
serviceAccount: {create: false, name: x}                      | Deployment | pod:/serviceAccountName | x
serviceAccount: {create: false, name: x}                      | ClusterRoleBinding | /subjects/0/name | x
serviceAccount: {name: x}                                     | ServiceAccount x | /metadata/name | x
serviceAccount: {annotations: {a: b}}                         | ServiceAccount | /metadata/annotations/a | b
rbac: {create: false}                                         | ClusterRole | | null
rbac: {create: false}                                         | ClusterRoleBinding | | null
rbac: {create: false}                                         | Role lightsail-operator-leader-election | | null
roles: {create: false}                                        | ClusterRole lightsail-operator-reader | | null
roles: {create: false}                                        | ClusterRole lightsail-operator-key-pair-editor | | null
roles: {create: false}                                        | ClusterRole lightsail-operator-host-key-resetter | | null
roles: {create: false}                                        | ClusterRole lightsail-operator-account-reader | | null
roles: {create: false}                                        | ClusterRole lightsail-operator-account-editor | | null
roles: {aggregate: {reader: true}}                            | ClusterRole lightsail-operator-reader | /metadata/labels/rbac.authorization.k8s.io~1aggregate-to-view | "true"
roles: {aggregate: {keyPairEditor: true}}                     | ClusterRole lightsail-operator-key-pair-editor | /metadata/labels/rbac.authorization.k8s.io~1aggregate-to-edit | "true"
roles: {aggregate: {hostKeyResetter: true}}                   | ClusterRole lightsail-operator-host-key-resetter | /metadata/labels/rbac.authorization.k8s.io~1aggregate-to-admin | "true"
service: {enabled: false}                                     | Service | | null
service: {annotations: {a: b}}                                | Service | /metadata/annotations/a | b
serviceMonitor: {enabled: true}                               | ServiceMonitor | /spec/endpoints | [{port: metrics}]
serviceMonitor: {enabled: true, labels: {a: b}}               | ServiceMonitor | /metadata/labels/a | b
serviceMonitor: {enabled: true, namespace: m}                 | ServiceMonitor | /metadata/namespace | m
serviceMonitor: {enabled: true, namespace: m}                 | ServiceMonitor | /spec/namespaceSelector | {matchNames: [lightsail-operator]}
serviceMonitor: {enabled: true, interval: 1m30s, scrapeTimeout: 5s} | ServiceMonitor | /spec/endpoints/0/scrapeTimeout | 5s
serviceMonitor: {enabled: true, relabelings: [{targetLabel: a}]} | ServiceMonitor | /spec/endpoints/0/relabelings | [{targetLabel: a}]
serviceMonitor: {enabled: true, metricRelabelings: [{targetLabel: a}]} | ServiceMonitor | /spec/endpoints/0/metricRelabelings | [{targetLabel: a}]
serviceMonitor: {enabled: true, interval: 30s}                | ServiceMonitor | /spec/endpoints/0/interval | 30s
prometheusRule: {enabled: true}                               | PrometheusRule | /spec | RULES
prometheusRule: {enabled: true, labels: {a: b}}               | PrometheusRule | /metadata/labels/a | b
dashboard: {enabled: true}                                    | ConfigMap lightsail-operator-dashboard | /metadata/labels/grafana_dashboard | "1"
dashboard: {enabled: true, labels: {a: b}}                    | ConfigMap lightsail-operator-dashboard | /metadata/labels/a | b
dashboard: {enabled: true, annotations: {a: b}}               | ConfigMap lightsail-operator-dashboard | /metadata/annotations/a | b
podDisruptionBudget: {enabled: false}                         | PodDisruptionBudget | | null
podDisruptionBudget: {minAvailable: 1}                        | PodDisruptionBudget | /spec/minAvailable | 1
podDisruptionBudget: {minAvailable: 50%}                      | PodDisruptionBudget | /spec/maxUnavailable | null
podDisruptionBudget: {minAvailable: 0, maxUnavailable: 0}      | PodDisruptionBudget | /spec/minAvailable | 0
{replicas: 3, podDisruptionBudget: {minAvailable: 66%}}       | PodDisruptionBudget | /spec/minAvailable | 66%
{replicas: 0, podDisruptionBudget: {minAvailable: 1}}         | PodDisruptionBudget | /spec/minAvailable | 1
podDisruptionBudget: {maxUnavailable: 2}                      | PodDisruptionBudget | /spec/maxUnavailable | 2
networkPolicy: {enabled: true}                                | NetworkPolicy | /spec/policyTypes | [Ingress, Egress]
networkPolicy: {enabled: true}                                | NetworkPolicy | /spec/ingress | [{ports: [{port: metrics, protocol: TCP}]}]
networkPolicy: {enabled: true, ingressFrom: [{podSelector: {}}]} | NetworkPolicy | /spec/ingress/0/from | [{podSelector: {}}]
networkPolicy: {enabled: true}                                | NetworkPolicy | /spec/egress/0/ports | [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}, {port: 5353, protocol: UDP}, {port: 5353, protocol: TCP}]
networkPolicy: {enabled: true, egress: [{}]}                  | NetworkPolicy | /spec/egress | [{}]
networkPolicy: {enabled: true, egress: [], extraEgress: [{}]} | NetworkPolicy | /spec/egress | [{}]
{networkPolicy: {enabled: true, egress: [{}]}, aws: {endpointURL: "https://s.x.svc:8443/a"}} | NetworkPolicy | /spec/egress | [{ports: [{port: 8443, protocol: TCP}]}, {}]
{networkPolicy: {enabled: true, egress: [{}]}, aws: {endpointURL: "http://localhost"}} | NetworkPolicy | /spec/egress | [{ports: [{port: 80, protocol: TCP}]}, {}]
{networkPolicy: {enabled: true, egress: [{}]}, aws: {endpointURL: "https://s.x.svc:6443"}} | NetworkPolicy | /spec/egress | [{}]
{networkPolicy: {enabled: true, egress: [{}]}, aws: {endpointURL: "https://s.x.svc/a:1"}} | NetworkPolicy | /spec/egress | [{}]
{networkPolicy: {enabled: true}, aws: {instanceMetadata: true}} | NetworkPolicy | /spec/egress/0/to | [{ipBlock: {cidr: 169.254.169.254/32}}, {ipBlock: {cidr: "fd00:ec2::254/128"}}]
resources: {limits: {cpu: null, memory: 1Gi}}                 | Deployment | container:/resources/limits | {memory: 1Gi}
serviceAccount: {annotations: {a: null, c: d}}                | ServiceAccount | /metadata/annotations | {c: d}
nodeSelector: {a: null, b: c}                                 | Deployment | pod:/nodeSelector/b | c
resources: {limits: {cpu: "1"}}                               | Deployment | container:/resources/limits/cpu | "1"
podSecurityContext: {runAsUser: null}                         | Deployment | pod:/securityContext/runAsUser | null
securityContext: {runAsUser: 7}                               | Deployment | container:/securityContext/runAsUser | 7
podLabels: {a: b}                                             | Deployment | /spec/template/metadata/labels/a | b
podAnnotations: {a: b}                                        | Deployment | /spec/template/metadata/annotations | {a: b}
podAnnotations: {"A-b.c/D_e.f": g}                            | Deployment | /spec/template/metadata/annotations | {"A-b.c/D_e.f": g}
podLabels: {"a--b.c/D_e.f": g}                                | Deployment | /spec/template/metadata/labels/a--b.c~1D_e.f | g
nodeSelector: {a: b}                                          | Deployment | pod:/nodeSelector/a | b
tolerations: [{operator: Exists}]                             | Deployment | pod:/tolerations | [{operator: Exists}]
affinity: {podAffinity: {}}                                   | Deployment | pod:/affinity | {podAffinity: {}}
topologySpreadConstraints: [{maxSkew: 1}]                     | Deployment | pod:/topologySpreadConstraints | [{maxSkew: 1, labelSelector: {matchLabels: {app.kubernetes.io/name: lightsail-operator, app.kubernetes.io/instance: lightsail-operator}}}]
topologySpreadConstraints: [{labelSelector: {matchLabels: {a: b}}}] | Deployment | pod:/topologySpreadConstraints/0/labelSelector | {matchLabels: {a: b}}
priorityClassName: p                                          | Deployment | pod:/priorityClassName | p
extraArgs: [--settle-time=1m]                                 | Deployment | --settle-time | [=1m]
extraEnv: [{name: HTTPS_PROXY, value: v}]                     | Deployment | $HTTPS_PROXY | v
{aws: {region: eu-west-1}, extraEnv: [{name: AWS_REGION, value: eu-west-2}]} | Deployment | $AWS_REGION | eu-west-2
extraVolumes: [{name: v, emptyDir: {}}]                       | Deployment | pod:/volumes | [{name: v, emptyDir: {}}]
extraVolumeMounts: [{name: v, mountPath: /v}]                 | Deployment | container:/volumeMounts | [{name: v, mountPath: /v}]
extraObjects: ["{kind: X, metadata: {name: x}}"]              | X x | /kind | X
extraObjects: [{kind: X, metadata: {name: "{{ .Release.Namespace }}-x"}}] | X lightsail-operator-x | /kind | X
{global: {a: 1}, enabled: true, replicas: 1}                  | Deployment | /spec/replicas | 1
"#;

const NONE: Value = Value::Null;

struct Row {
    text: &'static str,
    values: Value,
    kind: &'static str,
    name: &'static str,
    at: &'static str,
    expected: Value,
}

fn rows() -> Vec<Row> {
    let rules = std::fs::read_to_string(crate::chart().join("files/rules.yaml")).unwrap();
    let yaml = |text: &str| -> Value {
        let text = text.replace("VERSION", env!("CARGO_PKG_VERSION"));
        let text = text.replace("DIGEST", &format!("sha256:{}", "0".repeat(64)));
        serde_yaml_ng::from_str(if text == "RULES" { &rules } else { &text }).unwrap()
    };
    let rows = ROWS.trim().lines().map(|text| {
        let cells: Vec<&str> = text.split('|').map(str::trim).collect();
        let [values, object, at, expected] = cells[..].try_into().expect(text);
        let (kind, name) = object.split_once(' ').unwrap_or((object, NAME));
        Row { text, values: yaml(values), kind, name, at, expected: yaml(expected) }
    });
    rows.collect()
}

fn look(objects: &[Value], kind: &str, name: &str, at: &str) -> Value {
    let Some(object) = find(objects, kind, name) else { return NONE };
    let pod = &object["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    if at.starts_with("--") {
        let arguments = container["args"].as_array().unwrap();
        let found: Vec<&str> =
            arguments.iter().filter_map(|it| it.as_str().unwrap().strip_prefix(at)).collect();
        return if found.is_empty() { NONE } else { json!(found) };
    }
    if let Some(name) = at.strip_prefix('$') {
        let variable = container["env"].as_array().unwrap().iter().find(|it| it["name"] == name);
        return variable
            .map_or(NONE, |it| it.get("value").or(it.get("valueFrom")).unwrap().clone());
    }
    let (within, pointer) = match at.split_once(':') {
        Some(("pod", pointer)) => (pod, pointer),
        Some((_, pointer)) => (container, pointer),
        None => (object, at),
    };
    within.pointer(pointer).cloned().unwrap_or(NONE)
}

#[test]
fn each_value_does_what_it_says() {
    let defaults = render(&NONE);
    let mut wrong = Vec::new();
    for Row { text, values, kind, name, at, expected } in rows() {
        let seen = look(&render(&values), kind, name, at);
        if seen != expected {
            wrong.push(format!("{text}: {seen}"));
        }
        // Otherwise the row would hold whatever the value did.
        if look(&defaults, kind, name, at) == expected {
            wrong.push(format!("{text}: that is so without the value"));
        }
    }
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn no_value_is_without_a_row() {
    fn leaves(at: &str, schema: &Value) -> Vec<String> {
        let Some(properties) = schema["properties"].as_object() else { return vec![at.to_owned()] };
        properties
            .iter()
            .flat_map(|(name, schema)| leaves(&format!("{at}/{name}"), schema))
            .collect()
    }
    let schema = std::fs::read_to_string(crate::chart().join("values.schema.json")).unwrap();
    let rows = rows();
    let all = leaves("", &serde_json::from_str(&schema).unwrap()).into_iter();
    let untold: Vec<String> =
        all.filter(|at| !rows.iter().any(|row| row.values.pointer(at).is_some())).collect();
    // What it does is in rights.rs.
    assert_eq!(untold, ["/secrets/mode"]);
}

/// What an upgrade may not leave out is written down where the next one finds it.
#[test]
fn the_deployment_names_the_crds_that_are_not_kept() {
    let crds = |objects: &[Value]| {
        let crds = objects.iter().filter(|it| it["kind"] == "CustomResourceDefinition");
        let names = crds.map(|it| it["metadata"]["name"].as_str().unwrap().to_owned());
        names.collect::<BTreeSet<_>>()
    };
    for (keep, accounts) in [(false, true), (false, false), (true, true)] {
        let objects = render(&json!({ "deploymentAnnotations": { "a": "b" },
            "crds": { "keep": keep }, "accounts": { "enabled": accounts } }));
        let annotations = look(&objects, "Deployment", NAME, "/metadata/annotations");
        let named = annotations["lightsail-operator.dev/crds-not-kept"].as_str().unwrap_or("");
        let named: BTreeSet<_> = named.split_whitespace().map(str::to_owned).collect();
        assert_eq!(named, if keep { BTreeSet::new() } else { crds(&objects) });
        assert_eq!(annotations["a"], "b");
    }
}

#[test]
fn the_defaults_need_no_change() {
    let objects = render(&NONE);
    let see = |at| look(&objects, "Deployment", NAME, at);
    assert_eq!(see("--log-format"), json!(["=json"]));
    assert_eq!(see("--lease-name"), json!(["=lightsail-operator"]));
    assert_eq!(see("$AWS_EC2_METADATA_DISABLED"), json!("true"));
    assert_eq!(
        see("container:/livenessProbe/httpGet"),
        json!({ "path": "/livez", "port": "metrics" })
    );
    assert_eq!(
        see("container:/readinessProbe/httpGet"),
        json!({ "path": "/readyz", "port": "metrics" })
    );
    assert_eq!(see("container:/ports/0/containerPort"), json!(8080));
    assert_eq!(see("container:/resources/limits/cpu"), NONE);
    // Each object says whose it is, and where.
    let is_cluster_wide = |kind: &Value| {
        kind.as_str().unwrap().starts_with("Cluster") || kind == "CustomResourceDefinition"
    };
    for object in &objects {
        let metadata = &object["metadata"];
        assert_eq!(metadata["labels"]["app.kubernetes.io/instance"], NAME, "{metadata}");
        let namespace = if is_cluster_wide(&object["kind"]) { NONE } else { json!(NAME) };
        assert_eq!(metadata["namespace"], namespace, "{metadata}");
    }
    // The selectors meet the pods.
    let labels = objects.iter().find(|it| it["kind"] == "Deployment").unwrap()["spec"]["template"]
        ["metadata"]["labels"]
        .clone();
    let selectors = [
        ("Service", "/spec/selector"),
        ("PodDisruptionBudget", "/spec/selector/matchLabels"),
        ("Deployment", "/spec/selector/matchLabels"),
    ];
    for (kind, at) in selectors {
        let selector = look(&objects, kind, NAME, at);
        assert!(
            selector.as_object().unwrap().iter().all(|(key, value)| labels[key] == *value),
            "{kind}"
        );
    }
}

/// Every flag of the operator that may be set is, by some row or by default, one that it knows.
#[test]
fn the_operator_takes_the_arguments() {
    use clap::Parser;
    for row in rows() {
        let objects = render(&row.values);
        let deployment = objects.iter().find(|it| it["kind"] == "Deployment").unwrap();
        let arguments =
            deployment["spec"]["template"]["spec"]["containers"][0]["args"].as_array().unwrap();
        let arguments = std::iter::once("lightsail-operator")
            .chain(arguments.iter().map(|it| it.as_str().unwrap()));
        if let Err(error) = lightsail_operator::config::Config::try_parse_from(arguments) {
            panic!("{}: {error}", row.text);
        }
    }
}
