//! The life of a release on a real API server, by each Helm: an earlier version is installed,
//! upgraded to this one under living objects, rolled back and uninstalled.
//!
//! On a control plane of its own, with a node that only says that it runs pods. So the chart's pods
//! roll out and do nothing, and the operator is a process beside them, under the chart's
//! ServiceAccount and with its Lease.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use lightsail_operator::api::EXECUTED_ANNOTATION;
use serde_json::{Value, json};
use tempfile::TempDir;
use testbed::cluster::{Cluster, Output};
use testbed::control_plane::ControlPlane;
use testbed::fake_node::FakeNode;
use testbed::helm::{Helm, VERSIONS, objects};
use testbed::operator::{Operator, OperatorOptions};
use testbed::simulator::{Credentials, Options, Simulator};

use crate::{NAME, chart, root};

/// Each step takes seconds; a loaded machine may be much slower.
const TIMEOUT: &str = "--timeout=4m";
const DEADLINE: Duration = Duration::from_mins(2);
const ACCOUNT: &str = "123456789012";
const REGION: &str = "eu-west-1";
/// The namespace of the objects.
const TEAM: &str = "team-a";
/// One of each kind of which users have most, and one with a Secret.
const SAMPLES: [&str; 3] = [
    include_str!("../../deploy/samples/fleet.yaml"),
    include_str!("../../deploy/samples/deploy.yaml"),
    include_str!("../../deploy/samples/web-1-2026-11-24.yaml"),
];

struct Stage {
    cluster: Cluster,
    simulator: Simulator,
    credentials: Credentials,
    directory: PathBuf,
    _node: FakeNode,
    _control_plane: ControlPlane,
    _folder: TempDir,
}

impl Stage {
    async fn start() -> Self {
        let shared = Cluster::from_env().await.unwrap();
        let folder = tempfile::tempdir_in(shared.directory()).unwrap();
        let control_plane = ControlPlane::start(shared.tools(), folder.path()).await.unwrap();
        let cluster = Cluster::of(&control_plane).await.unwrap();
        let node = FakeNode::start(&cluster).await.unwrap();
        let simulator = Simulator::start(Options::default()).await.unwrap();
        let credentials = simulator.add_account(ACCOUNT);
        simulator.region(ACCOUNT, REGION).add_instance("web-1");
        let directory = folder.path().to_owned();
        let stage = Self {
            cluster,
            simulator,
            credentials,
            directory,
            _node: node,
            _control_plane: control_plane,
            _folder: folder,
        };
        stage.kubectl("create namespace lightsail-operator").await;
        stage.kubectl(&format!("create namespace {TEAM}")).await;
        stage
    }

    fn helms(&self) -> [Helm; 2] {
        let kubeconfig = Some(self.cluster.kubeconfig());
        VERSIONS.map(|name| Helm::new(self.cluster.tools(), name, &self.directory, kubeconfig))
    }

    async fn apply_samples(&self) {
        for sample in SAMPLES {
            let mut object = objects(sample).unwrap().remove(0);
            object["metadata"]["namespace"] = json!(TEAM);
            self.apply(&[], &object).await;
        }
    }

    async fn kubectl(&self, arguments: &str) -> String {
        let arguments: Vec<&str> = arguments.split(' ').collect();
        self.cluster.kubectl(&arguments).await.unwrap().or_error().unwrap()
    }

    /// An operator as the release's pods would be: its arguments, its ServiceAccount, the namespace
    /// of the release.
    async fn operator(&self) -> Operator {
        let kubeconfig = self.directory.join("operator.kubeconfig");
        self.cluster.service_account_kubeconfig(NAME, NAME, &kubeconfig, None).await.unwrap();
        let arguments = self
            .kubectl(
                "get deployment lightsail-operator --namespace lightsail-operator --output \
                 jsonpath={.spec.template.spec.containers[0].args}",
            )
            .await;
        let arguments: Vec<String> = serde_json::from_str(&arguments).unwrap();
        let environment = [
            ("AWS_ENDPOINT_URL", self.simulator.url()),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", self.credentials.access_key_id.clone()),
            ("AWS_SECRET_ACCESS_KEY", self.credentials.secret_access_key.clone()),
        ];
        let options = OperatorOptions {
            binary: env!("CARGO_BIN_EXE_lightsail-operator").into(),
            kubeconfig,
            arguments: arguments.into_iter().filter(|it| !it.starts_with("--log-format")).collect(),
            environment: environment
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            log: self.directory.join("operator.log"),
        };
        Operator::start(options).await.unwrap()
    }

    /// Ends an operator, and starts one with the arguments that the release has now. Returns when
    /// that one has reconciled the key pairs.
    async fn replace(&self, mut operator: Operator) -> Operator {
        assert!(operator.stop().await.unwrap().success());
        let operator = self.operator().await;
        let counted = r#"lightsail_operator_reconciles_total{kind="LightsailKeyPair""#;
        let started = Instant::now();
        loop {
            let (_, metrics) = operator.get("/metrics").await.unwrap();
            let lines = metrics.lines().filter(|line| line.starts_with(counted));
            let counts = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u32>().ok());
            if counts.sum::<u32>() >= 2 {
                return operator;
            }
            assert!(started.elapsed() < DEADLINE, "nothing is reconciled: {}", operator.log_text());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The versions of the objects, when all are Ready.
    async fn wait_until_ready(&self, operator: &Operator) -> Vec<(String, String)> {
        let started = Instant::now();
        loop {
            let list =
                self.kubectl(&format!("get lightsail --namespace {TEAM} --output json")).await;
            let list: Value = serde_json::from_str(&list).unwrap();
            let ready = list["items"].as_array().unwrap().iter().filter(|it| is_ready(it));
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let versions: Vec<_> = ready
                .map(|it| (text(&it["metadata"]["name"]), text(&it["metadata"]["resourceVersion"])))
                .collect();
            if versions.len() == SAMPLES.len() {
                return versions;
            }
            assert!(
                started.elapsed() < DEADLINE,
                "only {versions:?} are Ready: {}",
                operator.log_text()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn apply(&self, more: &[&str], object: &Value) {
        let arguments = [&["apply", "--filename", "-"], more].concat();
        let output = self.cluster.kubectl_with_input(&arguments, &object.to_string()).await;
        output.unwrap().or_error().unwrap();
    }

    /// Those of before may end a moment after Helm.
    async fn wait_for_running_pods(&self, count: usize) {
        let pods = "get pods --namespace lightsail-operator \
                    --field-selector=status.phase=Running --output name";
        let started = Instant::now();
        while self.kubectl(pods).await.lines().count() != count {
            assert!(started.elapsed() < DEADLINE, "there are not {count} pods");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn leader(&self) -> String {
        let holder = "get lease lightsail-operator --namespace lightsail-operator --output \
                      jsonpath={.spec.holderIdentity}";
        self.kubectl(holder).await
    }

    /// Whether the CRD of key pairs is one that knows accounts.
    async fn knows_accounts(&self) -> bool {
        let fields = "get crd lightsailkeypairs.lightsail-operator.dev --output \
                      jsonpath={.spec.versions[0].selectableFields}";
        self.kubectl(fields).await.contains("accountRef")
    }

    /// Nothing of this is gone but pods of the release.
    async fn lacks_only_pods(&self, there: &BTreeSet<String>) {
        let now = self.inventory().await;
        let mut gone = there.difference(&now).filter(|it| !it.starts_with("Pod "));
        assert_eq!(gone.next(), None);
    }

    /// The calls that change something in Lightsail.
    fn changes(&self) -> Vec<String> {
        let requests = self.simulator.requests();
        requests.into_iter().map(|it| it.operation).filter(|it| !it.starts_with("Get")).collect()
    }

    /// Everything that is in the cluster, by kind and name; without what is written all the time by
    /// the control plane itself.
    async fn inventory(&self) -> BTreeSet<String> {
        self.cluster.forget_discovery().unwrap();
        let resources = self.kubectl("api-resources --verbs=list --output=name").await;
        let resources: Vec<&str> =
            resources.lines().filter(|it| !it.starts_with("events")).collect();
        let resources = resources.join(",");
        let template = r#"{{range .items}}{{.kind}} {{.metadata.namespace}}/{{.metadata.name}}{{"\n"}}{{end}}"#;
        let arguments = [
            "get",
            &resources,
            "--all-namespaces",
            "--output",
            "go-template",
            "--template",
            template,
        ];
        let all = self.cluster.kubectl(&arguments).await.unwrap().or_error().unwrap();
        all.lines().map(str::to_owned).collect()
    }
}

/// Whether it is, and nothing more is to be written: the mark of a reset comes last.
fn is_ready(object: &Value) -> bool {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
    let mark = object["metadata"]["annotations"][EXECUTED_ANNOTATION].as_str();
    conditions.into_iter().flatten().any(|it| it["type"] == "Ready" && it["status"] == "True")
        && (object["kind"] != "HostKeyReset" || mark.is_some_and(|it| it.contains("/Succeeded/")))
}

/// A CRD of an earlier version, which knew no accounts.
fn earlier_crd(name: &str) -> Value {
    let text = std::fs::read_to_string(root().join("crds").join(name)).unwrap();
    let mut crd: Value = serde_yaml_ng::from_str(&text).unwrap();
    let version = crd.pointer_mut("/spec/versions/0").and_then(Value::as_object_mut).unwrap();
    assert!(version.remove("selectableFields").is_some(), "{name}");
    let spec = version["schema"].pointer_mut("/openAPIV3Schema/properties/spec").unwrap();
    assert!(spec["properties"].as_object_mut().unwrap().remove("accountRef").is_some(), "{name}");
    let rules = spec["x-kubernetes-validations"].as_array_mut().unwrap();
    rules.retain(|rule| !rule["rule"].to_string().contains("accountRef"));
    crd
}

/// The CRDs of that version, and the chart's templates of them.
const EARLIER_CRDS: [(&str, &str); 2] = [
    ("lightsailkeypairs.yaml", "templates/crd-lightsailkeypairs.yaml"),
    ("hostkeyresets.yaml", "templates/crd-hostkeyresets.yaml"),
];

/// The chart as that version of itself.
fn earlier_chart(to: &Path) -> PathBuf {
    let copy = to.join("earlier-chart");
    let status =
        std::process::Command::new("cp").arg("-R").arg(chart()).arg(&copy).status().unwrap();
    assert!(status.success());
    for (name, template) in EARLIER_CRDS {
        let mut crd = earlier_crd(name);
        crd["metadata"]["annotations"] = json!({ "helm.sh/resource-policy": "keep" });
        std::fs::write(copy.join(template), crd.to_string()).unwrap();
    }
    std::fs::remove_file(copy.join("templates/crd-lightsailaccounts.yaml")).unwrap();
    let (path, now) = (copy.join("Chart.yaml"), env!("CARGO_PKG_VERSION"));
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(&format!("\nversion: {now}\n")));
    std::fs::write(path, text.replace(&format!(": {now}\n"), ": 0.0.9\n")).unwrap();
    copy
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_comes_changes_and_goes_and_leaves_the_objects_alone() {
    let stage = Stage::start().await;
    // The level that admits least.
    stage
        .kubectl("label namespace lightsail-operator pod-security.kubernetes.io/enforce=restricted")
        .await;
    let made = "serviceaccount/default configmap/kube-root-ca.crt --timeout=60s";
    stage.kubectl(&format!("wait --for=create {made} --namespace {TEAM}")).await;
    let before = stage.inventory().await;
    let earlier = earlier_chart(&stage.directory);
    // The first finds CRDs that were applied by hand, as the README says, and the second those that
    // the first has left.
    for (name, _) in EARLIER_CRDS {
        stage.apply(&["--server-side"], &earlier_crd(name)).await;
    }
    let [four, three] = stage.helms();
    let chart = chart();
    let versions = [earlier.as_path(), &chart];
    life(&stage, &four, versions, &before, &["--take-ownership"], &["--force-conflicts"]).await;
    life(&stage, &three, versions, &before, &[], &[]).await;

    // Helm 4 goes on with client-side apply, where it refuses --force-conflicts.
    install(&three, &earlier, &[], &json!({ "accounts": { "enabled": false } }));
    assert!(!stage.knows_accounts().await);
    upgrade(&four, &chart, &[], &Value::Null);
    assert!(stage.knows_accounts().await, "the CRDs were not upgraded");
    uninstall(&four);

    // What was kept is found again and goes in the right order.
    // Helm 3 owns what it has written, as Helm 4 sees it.
    install(&four, &chart, &["--force-conflicts"], &Value::Null);
    let mut operator = stage.operator().await;
    for kind in ["lightsailkeypairs", "hostkeyresets"] {
        let delete = format!("delete {kind} --all --namespace {TEAM} --timeout=60s");
        stage.kubectl(&delete).await;
    }
    assert!(stage.simulator.region(ACCOUNT, REGION).find_key_pair("fleet").is_none());
    assert!(operator.stop().await.unwrap().success());
}

fn install(helm: &Helm, chart: &Path, more: &[&str], values: &Value) {
    let chart = chart.to_string_lossy();
    let arguments = ["install", NAME, &chart, "--namespace", NAME, "--wait", TIMEOUT];
    helm.run(&[&arguments, more].concat(), values).unwrap().or_error().unwrap();
}

fn upgrade(helm: &Helm, chart: &Path, more: &[&str], values: &Value) {
    try_upgrade(helm, chart, more, values).or_error().unwrap();
}

fn try_upgrade(helm: &Helm, chart: &Path, more: &[&str], values: &Value) -> Output {
    let chart = chart.to_string_lossy();
    let arguments = ["upgrade", NAME, &chart, "--namespace", NAME, "--wait", TIMEOUT];
    helm.run(&[&arguments, more].concat(), values).unwrap()
}

fn uninstall(helm: &Helm) {
    let arguments = ["uninstall", NAME, "--namespace", NAME, "--wait", TIMEOUT];
    helm.run(&arguments, &Value::Null).unwrap().or_error().unwrap();
}

/// Helm deletes what an upgrade leaves out, and with the CRDs all objects. The running operator
/// would then delete their key pairs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_deletes_no_crds_that_are_not_kept() {
    let stage = Stage::start().await;
    let ([four, three], chart) = (stage.helms(), chart());
    install(&four, &chart, &[], &json!({ "crds": { "keep": false } }));
    let mut operator = stage.operator().await;
    stage.apply_samples().await;
    let ready = stage.wait_until_ready(&operator).await;
    let (changes, there) = (stage.changes(), stage.inventory().await);

    let without_accounts = json!({ "crds": { "keep": false }, "accounts": { "enabled": false } });
    for (values, crds) in [
        (json!({ "crds": { "enabled": false } }), "lightsailkeypairs"),
        (json!({ "crds": { "enabled": false, "keep": false } }), "hostkeyresets"),
        (without_accounts, "lightsailaccounts"),
    ] {
        for helm in [&four, &three] {
            let Output { success, stderr, .. } = try_upgrade(helm, &chart, &[], &values);
            assert!(!success, "{values} is taken");
            let says = |word| stderr.contains(word);
            assert!(says(crds) && says("first upgrade with crds.keep=true"), "{stderr}");
        }
    }
    for values in [json!({ "crds": { "keep": true } }), json!({ "crds": { "enabled": false } })] {
        upgrade(&four, &chart, &[], &values);
        stage.lacks_only_pods(&there).await;
    }
    operator = stage.replace(operator).await;
    assert_eq!(stage.wait_until_ready(&operator).await, ready, "an object was written");
    assert_eq!(stage.changes(), changes);
    assert!(operator.stop().await.unwrap().success());
}

/// Whoever has all rights in a namespace, and none to CRDs, can upgrade what is only there.
#[tokio::test]
async fn an_upgrade_of_namespaced_objects_needs_no_other_permissions() {
    let cluster = Cluster::from_env().await.unwrap();
    let namespace = &cluster.create_namespace("tenant").await.unwrap();
    let bind = ["create", "rolebinding", "all", "--clusterrole=cluster-admin", "--user=tenant"];
    let bind = [&bind[..], &["--namespace", namespace]].concat();
    cluster.kubectl(&bind).await.unwrap().or_error().unwrap();
    let values = json!({ "watch": { "namespaces": [namespace] }, "clusterID": "c",
        "accounts": { "enabled": false }, "roles": { "create": false },
        "crds": { "enabled": false } });
    let (home, chart) = (tempfile::tempdir_in(cluster.directory()).unwrap(), chart());
    for (name, command) in VERSIONS.into_iter().zip(["install", "upgrade"]) {
        let helm = Helm::new(cluster.tools(), name, home.path(), Some(cluster.kubeconfig()));
        let chart = chart.to_string_lossy();
        let more = ["--namespace", namespace, "--kube-as-user", "tenant"];
        let arguments = [&[command, NAME, &*chart][..], &more].concat();
        helm.run(&arguments, &values).unwrap().or_error().unwrap();
    }
}

/// Install the earlier version, upgrade to this one, roll back, uninstall, with objects that must
/// not notice.
async fn life(
    stage: &Stage,
    helm: &Helm,
    [earlier, chart]: [&Path; 2],
    before: &BTreeSet<String>,
    to_install: &[&str],
    to_upgrade: &[&str],
) {
    install(helm, earlier, to_install, &json!({ "accounts": { "enabled": false } }));
    stage.wait_for_running_pods(2).await;
    let mut operator = stage.operator().await;
    stage.apply_samples().await;
    let ready = stage.wait_until_ready(&operator).await;
    let (changes, there) = (stage.changes(), stage.inventory().await);
    let leader = stage.leader().await;

    let values =
        json!({ "replicas": 3, "podAnnotations": { "a": "b" }, "log": { "filter": "debug" } });
    upgrade(helm, chart, to_upgrade, &values);
    stage.wait_for_running_pods(3).await;
    assert!(stage.knows_accounts().await, "the CRDs were not upgraded");
    assert_eq!(stage.leader().await, leader, "the Lease was touched");
    operator = stage.replace(operator).await;
    // A flap would have been two writes.
    assert_eq!(stage.wait_until_ready(&operator).await, ready, "an object was written");
    stage.lacks_only_pods(&there).await;
    let leader = stage.leader().await;

    let arguments = ["rollback", NAME, "1", "--namespace", NAME, "--wait", TIMEOUT];
    helm.run(&arguments, &Value::Null).unwrap().or_error().unwrap();
    stage.wait_for_running_pods(2).await;
    assert!(!stage.knows_accounts().await, "the CRDs were not rolled back");
    assert_eq!(stage.leader().await, leader, "the Lease was touched");
    operator = stage.replace(operator).await;
    assert_eq!(stage.wait_until_ready(&operator).await, ready, "an object was written");
    stage.lacks_only_pods(&there).await;
    assert_eq!(stage.changes(), changes);
    assert!(operator.stop().await.unwrap().success());

    uninstall(helm);
    let expected: BTreeSet<String> = [
        "CustomResourceDefinition <no value>/hostkeyresets.lightsail-operator.dev".to_owned(),
        "CustomResourceDefinition <no value>/lightsailaccounts.lightsail-operator.dev".to_owned(),
        "CustomResourceDefinition <no value>/lightsailkeypairs.lightsail-operator.dev".to_owned(),
        // The API server makes it of the CRDs.
        "APIService <no value>/v1alpha1.lightsail-operator.dev".to_owned(),
        format!("LightsailKeyPair {TEAM}/fleet"),
        format!("LightsailKeyPair {TEAM}/deploy"),
        format!("Secret {TEAM}/deploy-ssh"),
        format!("HostKeyReset {TEAM}/web-1-2026-11-24"),
    ]
    .into();
    // What is collected as garbage goes a moment later.
    let started = Instant::now();
    loop {
        let left: BTreeSet<String> = stage.inventory().await.difference(before).cloned().collect();
        if left == expected {
            break;
        }
        assert!(started.elapsed() < DEADLINE, "what is left: {left:?}");
    }
    assert_eq!(stage.changes(), changes);
}
