//! The life of a release on a real API server: installed, upgraded under living objects, rolled
//! back, uninstalled, by each Helm.
//!
//! On a control plane of its own, with a node that only says that it runs pods. So the chart's pods
//! roll out and do nothing, and the operator is a process beside them, under the chart's
//! ServiceAccount and with its Lease.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use kube::{Api, ResourceExt};
use lightsail_operator::api::LightsailKeyPair;
use lightsail_operator::api::conditions::{READY, is_true};
use serde_json::{Value, json};
use testbed::cluster::Cluster;
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

struct Stage {
    cluster: Cluster,
    simulator: Simulator,
    credentials: Credentials,
    directory: PathBuf,
}

impl Stage {
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

    async fn wait_until_ready(&self, operator: &Operator) -> LightsailKeyPair {
        let pairs: Api<LightsailKeyPair> = Api::namespaced(self.cluster.client(), TEAM);
        let started = Instant::now();
        loop {
            if let Some(pair) = pairs.get_opt("fleet").await.unwrap()
                && pair.status.as_ref().is_some_and(|status| is_true(&status.conditions, READY))
            {
                return pair;
            }
            assert!(
                started.elapsed() < DEADLINE,
                "the pair does not get ready: {}",
                operator.log_text()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
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

/// The chart as a later version of itself: other CRDs, another version.
fn later_chart(to: &Path) -> PathBuf {
    let copy = to.join("later-chart");
    let status =
        std::process::Command::new("cp").arg("-R").arg(chart()).arg(&copy).status().unwrap();
    assert!(status.success());
    let edit = |name: &str, from: &str, to: &str| {
        let path = copy.join(name);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{name} has no {from}");
        std::fs::write(path, text.replacen(from, to, 1)).unwrap();
    };
    edit("Chart.yaml", "\nversion: 0.", "\nversion: 9.");
    edit(
        "templates/crd-lightsailkeypairs.yaml",
        "    shortNames:\n",
        "    shortNames:\n    - later\n",
    );
    copy
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_comes_changes_and_goes_and_leaves_the_objects_alone() {
    let shared = Cluster::from_env().await.unwrap();
    let folder = tempfile::tempdir_in(shared.directory()).unwrap();
    let control_plane = ControlPlane::start(shared.tools(), folder.path()).await.unwrap();
    let cluster = Cluster::of(&control_plane).await.unwrap();
    let _node = FakeNode::start(&cluster).await.unwrap();
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let credentials = simulator.add_account(ACCOUNT);
    let stage = Stage { cluster, simulator, credentials, directory: folder.path().to_owned() };

    // The level that admits least.
    stage.kubectl("create namespace lightsail-operator").await;
    stage
        .kubectl("label namespace lightsail-operator pod-security.kubernetes.io/enforce=restricted")
        .await;
    stage.kubectl(&format!("create namespace {TEAM}")).await;
    let before = stage.inventory().await;
    let later = later_chart(folder.path());
    // The first finds CRDs that were applied by hand, as the README says, and the second
    // those that the first has left.
    let crds = root().join("crds");
    stage.kubectl(&format!("apply --server-side --filename {}", crds.display())).await;
    let helm = |name| {
        Helm::new(stage.cluster.tools(), name, folder.path(), Some(stage.cluster.kubeconfig()))
    };
    let [four, three] = VERSIONS.map(helm);
    life(
        &stage,
        &four,
        &later,
        &before,
        ["--take-ownership"].as_slice(),
        ["--force-conflicts"].as_slice(),
    )
    .await;
    life(&stage, &three, &later, &before, &[], &[]).await;

    // What was kept is found again and goes in the right order.
    install(&four, &[]);
    let mut operator = stage.operator().await;
    stage
        .kubectl(&format!("delete lightsailkeypairs --all --namespace {TEAM} --timeout=60s"))
        .await;
    assert!(stage.simulator.region(ACCOUNT, REGION).find_key_pair("fleet").is_none());
    assert!(operator.stop().await.unwrap().success());
}

fn install(helm: &Helm, more: &[&str]) {
    let chart = chart();
    let chart = chart.to_string_lossy();
    let arguments = ["install", NAME, &chart, "--namespace", NAME, "--wait", TIMEOUT];
    helm.run(&[&arguments, more].concat(), &Value::Null).unwrap().or_error().unwrap();
}

/// Install, upgrade, roll back, uninstall, with a key pair that must not notice.
async fn life(
    stage: &Stage,
    helm: &Helm,
    later: &Path,
    before: &BTreeSet<String>,
    to_install: &[&str],
    to_upgrade: &[&str],
) {
    install(helm, to_install);
    let pods = "get pods --namespace lightsail-operator --field-selector=status.phase=Running \
                --output name";
    assert_eq!(stage.kubectl(pods).await.lines().count(), 2);

    let mut operator = stage.operator().await;
    let mut pair = objects(include_str!("../../deploy/samples/fleet.yaml")).unwrap().remove(0);
    pair["metadata"]["namespace"] = json!(TEAM);
    stage
        .cluster
        .kubectl_with_input(&["apply", "--filename", "-"], &pair.to_string())
        .await
        .unwrap()
        .or_error()
        .unwrap();
    let ready = stage.wait_until_ready(&operator).await;
    let changes = stage.changes();
    let holder = "get lease lightsail-operator --namespace lightsail-operator --output \
                  jsonpath={.spec.holderIdentity}";
    let leader = stage.kubectl(holder).await;

    let later = later.to_string_lossy();
    let arguments = ["upgrade", NAME, &later, "--namespace", NAME, "--wait", TIMEOUT];
    let values =
        json!({ "replicas": 3, "podAnnotations": { "a": "b" }, "log": { "filter": "debug" } });
    helm.run(&[&arguments, to_upgrade].concat(), &values).unwrap().or_error().unwrap();
    assert_eq!(stage.kubectl(pods).await.lines().count(), 3);
    let names = "get crd lightsailkeypairs.lightsail-operator.dev --output \
                 jsonpath={.spec.names.shortNames}";
    assert!(stage.kubectl(names).await.contains("later"), "the definitions were not upgraded");

    let arguments = ["rollback", NAME, "1", "--namespace", NAME, "--wait", TIMEOUT];
    helm.run(&arguments, &Value::Null).unwrap().or_error().unwrap();
    assert_eq!(stage.kubectl(pods).await.lines().count(), 2);
    assert!(!stage.kubectl(names).await.contains("later"), "the definitions were not rolled back");

    // A flap would have been two writes.
    let same = stage.wait_until_ready(&operator).await;
    assert_eq!(same.resource_version(), ready.resource_version(), "the object was written");
    assert_eq!(stage.changes(), changes);
    assert_eq!(stage.kubectl(holder).await, leader, "the Lease was touched");
    assert!(operator.stop().await.unwrap().success());

    let arguments = ["uninstall", NAME, "--namespace", NAME, "--wait", TIMEOUT];
    helm.run(&arguments, &Value::Null).unwrap().or_error().unwrap();
    let expected: BTreeSet<String> = [
        "CustomResourceDefinition <no value>/hostkeyresets.lightsail-operator.dev".to_owned(),
        "CustomResourceDefinition <no value>/lightsailaccounts.lightsail-operator.dev".to_owned(),
        "CustomResourceDefinition <no value>/lightsailkeypairs.lightsail-operator.dev".to_owned(),
        // The API server makes it of the CRDs.
        "APIService <no value>/v1alpha1.lightsail-operator.dev".to_owned(),
        format!("LightsailKeyPair {TEAM}/fleet"),
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
