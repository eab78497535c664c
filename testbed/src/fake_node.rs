//! A node that only says that it runs pods, so that a Deployment rolls out and `helm install
//! --wait` has something to wait for.
//!
//! kube-scheduler is the real one; [kwok](https://kwok.sigs.k8s.io/) plays the kubelet. No
//! container is ever started.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use k8s_openapi::api::core::v1::Node;
use kube::Api;
use kube::api::PostParams;
use serde_json::json;

use crate::child::Child;
use crate::cluster::Cluster;
use crate::process::bound_to_this_process;

const NAME: &str = "fake";
/// What kwok does with nodes and pods: its own descriptions, as fast as it can.
const STAGES: [&str; 5] = [
    "node/fast/node-initialize.yaml",
    "node/heartbeat-with-lease/node-heartbeat-with-lease.yaml",
    "pod/fast/pod-ready.yaml",
    "pod/fast/pod-complete.yaml",
    "pod/fast/pod-delete.yaml",
];
const DEADLINE: Duration = Duration::from_mins(2);
const POLL: Duration = Duration::from_millis(50);

/// kube-scheduler and kwok. Dropping it ends them.
#[derive(Debug)]
pub struct FakeNode {
    _scheduler: Child,
    _kwok: Child,
}

impl FakeNode {
    /// Starts both and waits until the node is ready.
    ///
    /// # Errors
    ///
    /// A program is missing, ends early, or the node is not ready within two minutes.
    pub async fn start(cluster: &Cluster) -> Result<Self> {
        let tools = cluster.tools();
        let log = |name: &str| cluster.directory().join(format!("{name}.log"));

        let mut command = bound_to_this_process(tools.join("kube-scheduler"));
        command.arg("--kubeconfig").arg(cluster.kubeconfig());
        command.args(["--leader-elect=false", "--secure-port=0", "--authentication-skip-lookup"]);
        let mut scheduler = Child::spawn("kube-scheduler", &mut command, &log("kube-scheduler"))?;

        let mut command = bound_to_this_process(tools.join("kwok"));
        command.arg("--kubeconfig").arg(cluster.kubeconfig());
        command.args(["--manage-all-nodes=true", "--node-lease-duration-seconds=40"]);
        let stage =
            |path: &Path| format!("--config={}", tools.join("kwok-stages").join(path).display());
        command.args(STAGES.iter().map(|path| stage(Path::new(path))));
        let mut kwok = Child::spawn("kwok", &mut command, &log("kwok"))?;

        let room = json!({ "cpu": "8", "memory": "16Gi", "pods": "110" });
        let node = json!({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": NAME,
                "annotations": { "kwok.x-k8s.io/node": NAME },
                "labels": {
                    "kubernetes.io/hostname": NAME,
                    "kubernetes.io/os": "linux",
                    "kubernetes.io/arch": "amd64",
                },
            },
            "status": { "capacity": room, "allocatable": room },
        });
        let node = serde_json::from_value(node).context("the node is one")?;
        let nodes: Api<Node> = Api::all(cluster.client());
        nodes.create(&PostParams::default(), &node).await.context("create the node")?;
        let started = Instant::now();
        while !is_ready(&nodes.get(NAME).await.context("read the node")?) {
            scheduler.check_running()?;
            kwok.check_running()?;
            if started.elapsed() > DEADLINE {
                bail!(kwok.with_log(&format!("the node is not ready after {DEADLINE:?}")));
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(Self { _scheduler: scheduler, _kwok: kwok })
    }
}

fn is_ready(node: &Node) -> bool {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
    let is_ready =
        conditions.into_iter().flatten().any(|it| it.type_ == "Ready" && it.status == "True");
    // The taint goes a moment later, and no pod is placed before.
    is_ready && node.spec.as_ref().is_none_or(|spec| spec.taints.is_none())
}
