//! What the project tells its users to apply and to run, on a real API server: the samples, the
//! YAML of all pages, the values of the chart, and the README from top to bottom with the operator
//! at work.

use std::collections::BTreeSet;
use std::path::Path;

use kube::api::ListParams;
use lightsail_operator::api::LightsailKeyPair;
use serde::Deserialize;
use serde_json::{Value, json};
use testbed::cluster::{Cluster, Output};
use testbed::control_plane::ControlPlane;
use testbed::operator::{Operator, OperatorOptions};
use testbed::simulator::{Options, Simulator};

use crate::bed::{ACCOUNT, Bed, REGION, aws_environment, public_key};
use crate::markdown::{Block, blocks, pages, read, root};

/// Groups whose kinds pages show and this API server does not have: Flux, Argo CD, kustomize, the
/// Prometheus operator, External Secrets.
const OTHERS: &[&str] = &[
    "toolkit.fluxcd.io",
    "argoproj.io",
    "kustomize.config.k8s.io",
    "monitoring.coreos.com",
    "fluxcd.controlplane.io",
    "external-secrets.io",
];
/// Where the README has the chart and the manifests, which a checkout has too.
pub(crate) const CHART: &str = "oci://ghcr.io/OWNER/charts/lightsail-operator";
const MANIFESTS: &str = "https://github.com/OWNER/lightsail-operator//deploy/base?ref=v";
/// Columns that are others each time.
pub(crate) const VARYING: &[&str] = &["FINGERPRINT", "OPERATION", "AGE"];

pub(crate) fn documents(yaml: &str) -> Vec<Value> {
    serde_yaml_ng::Deserializer::from_str(yaml).map(|it| Value::deserialize(it).unwrap()).collect()
}

/// Blocks of all pages with this name, each with its page.
fn all_blocks(info: &str) -> Vec<(String, Block)> {
    let of = |page: &std::path::PathBuf| {
        let name = page.display().to_string();
        blocks(&read(page)).into_iter().map(|block| (name.clone(), block)).collect::<Vec<_>>()
    };
    pages().iter().flat_map(of).filter(|(_, block)| block.info == info).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_samples_and_the_yaml_of_all_pages_are_accepted() {
    let bed = Bed::new("samples").await;
    let served = bed.cluster.kubectl(&["api-versions"]).await.unwrap().or_error().unwrap();
    let served: BTreeSet<&str> = served.lines().collect();
    let mut texts: Vec<(String, String)> =
        all_blocks("yaml").into_iter().map(|(page, block)| (page, block.text)).collect();
    let samples = root().join("deploy/samples");
    let rendered =
        bed.cluster.kubectl(&[Path::new("kustomize"), &samples]).await.unwrap().or_error().unwrap();
    texts.push((samples.display().to_string(), rendered));
    let mut accepted = 0;
    for (place, text) in &texts {
        for mut document in documents(text) {
            let api_version = document["apiVersion"].as_str().unwrap_or_default().to_owned();
            if !served.contains(api_version.as_str()) {
                let group = api_version.split('/').next().unwrap();
                assert!(
                    OTHERS.iter().any(|other| group.ends_with(other)),
                    "{place}: nobody knows {api_version:?}:\n{text}"
                );
                continue;
            }
            // Namespaces of examples are not there.
            if document["metadata"]["namespace"].is_string() {
                document["metadata"]["namespace"] = json!(bed.namespace);
            }
            let arguments = ["apply", "--dry-run=server", "--validate=strict", "-f", "-"];
            let output =
                bed.cluster.kubectl_with_input(&arguments, &document.to_string()).await.unwrap();
            assert!(output.success, "{place}: {}\n{text}", output.stderr);
            accepted += usize::from(api_version.starts_with("lightsail-operator.dev/"));
        }
    }
    assert!(accepted >= 15, "{accepted} objects of ours");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_values_of_all_pages_are_accepted_by_the_chart() {
    let bed = Bed::new("values").await;
    let values = all_blocks("yaml values");
    assert!(values.len() >= 5, "{} blocks", values.len());
    for (page, block) in values {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("values.yaml"), &block.text).unwrap();
        let command = format!("helm template lightsail-operator {} --values values.yaml", chart());
        let output = run(&bed.cluster, &bed.namespace, folder.path(), &command).await;
        assert!(
            output.success && output.stdout.contains("kind: Deployment"),
            "{page}: {}\n{}",
            output.stderr,
            block.text
        );
    }
}

pub(crate) fn chart() -> String {
    root().join("charts/lightsail-operator").display().to_string()
}

/// Runs a command of a page in a folder, with kubectl in a namespace.
pub(crate) async fn run(
    cluster: &Cluster,
    namespace: &str,
    folder: &Path,
    command: &str,
) -> Output {
    let kubeconfig = folder.join("kubeconfig-of-the-reader");
    std::fs::copy(cluster.kubeconfig(), &kubeconfig).unwrap();
    let tools = cluster.tools().display().to_string();
    let script = format!(
        "kubectl config set-context --current --namespace {namespace} >/dev/null\n{command}"
    );
    let output =
        tokio::process::Command::from(testbed::process::bound_to_this_process("/bin/bash"))
            .args(["-euo", "pipefail", "-c", &script])
            .current_dir(folder)
            .env("KUBECONFIG", &kubeconfig)
            .env("KUBERC", "off")
            .env("PATH", format!("{tools}:{}", std::env::var("PATH").unwrap()))
            .kill_on_drop(true)
            .output()
            .await
            .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Output {
        success: output.status.success(),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
    }
}

/// What is run for a command of a page: the same, but for what is fetched from elsewhere, and would
/// install the operator a second time.
fn here(command: &str) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let manifests = format!("\"{MANIFESTS}{version}\"");
    if let Some(rest) =
        command.strip_prefix("helm install ").or_else(|| command.strip_prefix("helm upgrade "))
    {
        assert!(rest.contains(CHART), "{command}");
        return format!("helm template {}", rest.replace(CHART, &chart()));
    }
    if command.contains(MANIFESTS) {
        assert!(command.contains(&manifests), "{command}: the version is {version}");
        let base = root().join("deploy/base").display().to_string();
        return format!(
            "{} --dry-run=server --force-conflicts",
            command.replace(&manifests, &base)
        );
    }
    assert!(command.starts_with("kubectl "), "{command}");
    command.to_owned()
}

/// The commands of a block, with what continues in the next line.
fn commands(text: &str) -> Vec<String> {
    text.replace("\\\n", " ")
        .lines()
        .map(str::to_owned)
        .filter(|line| !line.trim().is_empty())
        .collect()
}

/// The tables of kubectl in an output: the header and the rows, in cells.
fn tables(output: &str) -> Vec<Vec<Vec<String>>> {
    let cells = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let mut tables: Vec<Vec<Vec<String>>> = Vec::new();
    for line in output.lines().filter(|line| !line.is_empty()) {
        if line.starts_with("NAME ") {
            tables.push(Vec::new());
        }
        tables.last_mut().unwrap().push(cells(line));
    }
    tables
}

/// The tables without what is another value each time, in any order: of several kinds kubectl shows
/// first what the API server names first.
fn shape(output: &str) -> Vec<Vec<Vec<String>>> {
    let mut tables = tables(output);
    for table in &mut tables {
        let header = table[0].clone();
        for row in &mut table[1..] {
            assert_eq!(row.len(), header.len(), "{row:?}");
            for (cell, _) in
                row.iter_mut().zip(&header).filter(|(_, column)| VARYING.contains(&column.as_str()))
            {
                "…".clone_into(cell);
            }
        }
    }
    tables.sort();
    tables
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_readme_can_be_followed() {
    let bed = Bed::new("readme").await;
    bed.region.create_default_key_pair();
    bed.region.add_instance("web-1");
    let _operator = bed.start().await;
    let makefile = std::fs::read_to_string(root().join("Makefile")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (mut ran, mut compared) = (0, 0);
    for block in blocks(&read(Path::new("README.md"))) {
        match block.info.as_str() {
            "yaml" => {
                let object = &documents(&block.text)[0];
                let file = format!("{}.yaml", object["metadata"]["name"].as_str().unwrap());
                std::fs::write(folder.path().join(file), &block.text).unwrap();
            }
            "sh" => {
                for command in commands(&block.text) {
                    if let Some(rest) = command.strip_prefix("make ") {
                        // The tests are run by one of them, and the other is run by CI.
                        let target = rest.split_whitespace().next().unwrap();
                        assert!(
                            makefile.contains(&format!("\n{target}: ")),
                            "there is no target {target}"
                        );
                        continue;
                    }
                    let output =
                        run(&bed.cluster, &bed.namespace, folder.path(), &here(&command)).await;
                    assert!(output.success, "{command}\n{}\n{}", output.stdout, output.stderr);
                    ran += 1;
                }
            }
            "console" => {
                let (command, shown) =
                    block.text.strip_prefix("$ ").unwrap().split_once('\n').unwrap();
                let output = run(&bed.cluster, &bed.namespace, folder.path(), command).await;
                assert!(output.success, "{command}\n{}", output.stderr);
                assert_eq!(shape(shown), shape(&output.stdout), "{command}\n{}", output.stdout);
                compared += 1;
            }
            _ => {}
        }
    }
    assert!(ran >= 6 && compared == 1, "{ran} commands, {compared} outputs");
    let pairs = bed.api::<LightsailKeyPair>().list(&ListParams::default()).await.unwrap();
    assert!(pairs.items.len() > 2 && pairs.iter().all(|pair| !pair.spec.suspend), "{pairs:?}");
}

/// The part of `docs/operations.md` about the end, on a control plane of its own, since it is about
/// all objects of the cluster.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operator_is_uninstalled_as_the_page_says_and_no_key_pair_is_lost() {
    let page = read(Path::new("docs/operations.md"));
    let part = page.split("\n## Uninstall\n").nth(1).unwrap();
    let of_kubectl = |block: Block| {
        let is_ours = |line: &&str| !line.starts_with("helm ") && !line.starts_with("aws ");
        block.text.lines().filter(is_ours).collect::<Vec<_>>().join("\n")
    };
    let scripts: Vec<String> = blocks(part)
        .into_iter()
        .filter(|block| block.info == "sh")
        .map(of_kubectl)
        .filter(|it| !it.is_empty())
        .collect();
    let [retain, delete, definitions, let_go] = scripts.try_into().unwrap();

    let shared = Cluster::from_env().await.unwrap();
    let folder = tempfile::tempdir_in(shared.directory()).unwrap();
    let control_plane = ControlPlane::start(shared.tools(), folder.path()).await.unwrap();
    let cluster = Cluster::of(&control_plane).await.unwrap();
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let (credentials, region) = (simulator.add_account(ACCOUNT), simulator.region(ACCOUNT, REGION));
    let sh = async |command: &str| {
        let output = run(&cluster, "default", folder.path(), command).await;
        assert!(output.success, "{command}\n{}\n{}", output.stdout, output.stderr);
        output.stdout
    };
    let crds = root().join("crds").display().to_string();
    sh(&format!(
        "kubectl apply --server-side -f {crds} && kubectl wait --for=condition=Established crd \
         --all --timeout=60s"
    ))
    .await;
    let options = OperatorOptions {
        binary: env!("CARGO_BIN_EXE_lightsail-operator").into(),
        kubeconfig: cluster.kubeconfig().to_owned(),
        arguments: vec!["--leader-election=false".to_owned()],
        environment: aws_environment(&simulator, &credentials),
        log: folder.path().join("operator.log"),
    };
    let mut operator = Operator::start(options).await.unwrap();
    let object = json!({
        "apiVersion": "lightsail-operator.dev/v1alpha1", "kind": "LightsailKeyPair",
            "metadata": { "name": "fleet" },
        "spec": { "type": "Imported", "region": REGION,
            "imported": { "publicKey": public_key("ed25519") } },
    });
    std::fs::write(folder.path().join("fleet.json"), object.to_string()).unwrap();
    let create = "kubectl apply -f fleet.json && kubectl wait --for=condition=Ready lskp/fleet \
                  --timeout=60s";
    sh(create).await;
    let there = region.find_key_pair("fleet").unwrap();

    // The operator went first.
    assert!(operator.stop().await.unwrap().success());
    sh("kubectl delete lskp fleet --wait=false").await;
    assert!(!sh("kubectl get lskp fleet -o name").await.is_empty(), "it waits");
    sh(&let_go).await;
    sh("kubectl wait --for=delete lskp/fleet --timeout=60s").await;
    assert_eq!(region.find_key_pair("fleet"), Some(there.clone()));

    // In the right order.
    operator.restart().await.unwrap();
    sh(create).await;
    for script in [&retain, &delete] {
        sh(script).await;
    }
    assert_eq!(
        region.find_key_pair("fleet").map(|pair| (pair.arn, pair.tags.len())),
        Some((there.arn, 0)),
        "released"
    );
    sh(&definitions).await;
    assert_eq!(sh("kubectl get crd -o name").await, "");
}
