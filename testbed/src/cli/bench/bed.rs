//! What a measurement stands on: a control plane, a simulator and an operator of its own, each a
//! process.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::api::rbac::v1::ClusterRole;
use kube::api::{Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::{Value, json};
use testbed::cluster::Cluster;
use testbed::control_plane::ControlPlane;
use testbed::operator::{Operator, OperatorOptions};

use super::figures::Figure;
use super::machine::memory;
use super::process::Simulator;
use crate::cli::run::apply;
use crate::cli::scene::{OPERATOR, operator_binary};
use crate::cli::tools::Tools;

/// What a control plane and an operator are started from.
#[derive(Debug, clap::Args)]
pub(super) struct Stage {
    #[command(flatten)]
    tools: Tools,
    /// The operator's binary; without it, the one beside this program
    #[arg(long, value_name = "FILE")]
    operator: Option<PathBuf>,
    /// The project's directory
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(super) project: PathBuf,
}

impl Stage {
    /// The operator's binary.
    pub(super) fn binary(&self) -> Result<PathBuf> {
        operator_binary(self.operator.as_deref())
    }
}

/// A control plane and a Lightsail that nobody has used yet. Dropping it ends both.
pub(super) struct Bed {
    pub(super) simulator: Simulator,
    pub(super) client: Client,
    cluster: Cluster,
    binary: PathBuf,
    directory: PathBuf,
    control_plane: ControlPlane,
}

/// Lets an older operator write the status, which it does by updates.
async fn grant_updates(client: &Client) -> Result<()> {
    let kinds = ["lightsailaccounts", "lightsailkeypairs", "hostkeyresets"];
    let rule = json!({ "apiGroups": ["lightsail-operator.dev"], "verbs": ["update"],
        "resources": kinds.map(|kind| format!("{kind}/status")) });
    let change = json!([{ "op": "add", "path": "/rules/-", "value": rule }]);
    let change = Patch::<()>::Json(serde_json::from_value(change)?);
    let roles = Api::<ClusterRole>::all(client.clone());
    roles.patch(OPERATOR, &PatchParams::default(), &change).await?;
    Ok(())
}

impl Bed {
    /// Starts both, in this directory, for an operator with this binary.
    pub(super) async fn start(stage: &Stage, binary: &Path, directory: &Path) -> Result<Self> {
        let (binary, directory) = (binary.to_owned(), directory.to_owned());
        let control_plane = ControlPlane::start(&stage.tools.tools, &directory).await?;
        let cluster = Cluster::of(&control_plane).await?;
        apply(&cluster, &stage.project.join("testbed/deploy")).await?;
        let (simulator, client) = (Simulator::start()?, cluster.client());
        if binary != stage.binary()? {
            grant_updates(&client).await?;
        }
        Ok(Self { simulator, client, cluster, binary, directory, control_plane })
    }

    /// A kubeconfig of the operator's ServiceAccount.
    async fn kubeconfig(&self, name: &str) -> Result<PathBuf> {
        let file = self.directory.join(name);
        self.cluster.service_account_kubeconfig(OPERATOR, OPERATOR, &file, None).await?;
        Ok(file)
    }

    /// An operator that runs as its ServiceAccount and logs what it logs by default, into a file of
    /// this name.
    pub(super) async fn operator(
        &self,
        name: &str,
        arguments: impl IntoIterator<Item = &str>,
    ) -> Result<OperatorOptions> {
        let kubeconfig = self.kubeconfig(&format!("{name}.kubeconfig")).await?;
        let arguments = arguments.into_iter().chain(["--log=info"]).map(str::to_owned).collect();
        let environment = self.simulator.environment.clone().into_iter().collect();
        let (binary, log) = (self.binary.clone(), self.directory.join(format!("{name}.log")));
        Ok(OperatorOptions { binary, kubeconfig, arguments, environment, log })
    }

    /// Starts the only operator, and waits until it is ready.
    pub(super) async fn start_operator(&self) -> Result<Operator> {
        Operator::start(self.operator("operator", ["--leader-election=false"]).await?).await
    }

    /// A client with the operator's rights, which the API server serves no sooner and no later than
    /// the operator.
    pub(super) async fn client_as_operator(&self) -> Result<Client> {
        let kubeconfig = Kubeconfig::read_from(self.kubeconfig("client.kubeconfig").await?)?;
        let options = KubeConfigOptions::default();
        Ok(Client::try_from(Config::from_custom_kubeconfig(kubeconfig, &options).await?)?)
    }

    /// What the operator has written, by resource, as in `lightsailkeypairs/status`: creates,
    /// patches, updates and deletions, those that were refused included. A line of the audit log
    /// may come a moment after its answer.
    pub(super) fn writes(&self) -> Result<BTreeMap<String, usize>> {
        let user = format!("system:serviceaccount:{OPERATOR}:{OPERATOR}");
        let log = std::fs::read_to_string(self.cluster.audit_log()).context("the audit log")?;
        let mut writes = BTreeMap::new();
        // Most lines are somebody else's, and not worth parsing; the last may be half a line.
        for line in log.split_inclusive('\n').filter(|it| it.ends_with('\n') && it.contains(&user))
        {
            let entry: Value = serde_json::from_str(line).context("a line of the audit log")?;
            let is_read = ["get", "list", "watch"].map(Value::from).contains(&entry["verb"]);
            if !is_read
                && entry["user"]["username"] == *user
                && entry["stage"] == "ResponseComplete"
            {
                let of = |name: &str| entry["objectRef"][name].as_str().unwrap_or_default();
                let resource = format!("{}/{}", of("resource"), of("subresource"));
                *writes.entry(resource.trim_end_matches('/').to_owned()).or_default() += 1;
            }
        }
        Ok(writes)
    }

    /// What the control plane takes now: the memory of its API server and that of etcd, and etcd's
    /// database on disk.
    pub(super) fn of_control_plane(&self) -> Result<[(&'static str, Figure); 3]> {
        let [api_server, etcd] = self.control_plane.pids().map(memory);
        let database = self.control_plane.database_size()? / 1024;
        Ok([
            ("memory of kube-apiserver", Figure::memory(api_server?.0)),
            ("memory of etcd", Figure::memory(etcd?.0)),
            ("etcd's database on disk", Figure::memory(database)),
        ])
    }

    /// Ends both and removes their directory.
    pub(super) fn end(self) -> Result<()> {
        let directory = self.directory.clone();
        drop(self);
        std::fs::remove_dir_all(directory).context("remove a directory")
    }
}

/// Kills the operator, starts it anew and waits until it is ready. It gets another log each time:
/// whoever waits for it reads that again and again.
pub(super) async fn restart(operator: &mut Operator) -> Result<()> {
    let options = restarted(operator);
    operator.kill();
    *operator = Operator::start(options).await?;
    Ok(())
}

/// What an operator is started with that takes this one's place.
pub(super) fn restarted(operator: &Operator) -> OperatorOptions {
    let log = format!("operator-after-{}.log", operator.pid());
    let options = operator.options().clone();
    OperatorOptions { log: options.log.with_file_name(log), ..options }
}

/// Objects that were found as they should be, by the operator's metrics.
pub(super) const UNCHANGED: &str =
    r#"lightsail_operator_reconciles_total{kind="LightsailKeyPair",outcome="Unchanged"}"#;

/// Waits until a metric of the operator has come to so much.
pub(super) async fn wait_for_metric(
    operator: &Operator,
    every: Duration,
    metric: &str,
    count: usize,
) -> Result<()> {
    let is_there = async || Ok((self::metric(operator, metric).await? >= count).then_some(()));
    poll(every, is_there).await.with_context(|| format!("{metric} does not come to {count}"))
}

/// A metric of the operator; 0 if it has none of that name.
pub(super) async fn metric(operator: &Operator, name: &str) -> Result<usize> {
    let (_, metrics) = operator.get("/metrics").await?;
    let mut values = metrics.lines().filter_map(|line| line.strip_prefix(name));
    Ok(values.find_map(|value| value.trim().parse().ok()).unwrap_or_default())
}

/// Often enough for what is timed, and little beside the work.
pub(super) const OFTEN: Duration = Duration::from_millis(10);
/// Enough for what is only waited for.
pub(super) const SELDOM: Duration = Duration::from_millis(200);

/// Polls until there is something, for ten minutes at most.
pub(super) async fn poll<T>(
    every: Duration,
    mut look: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let polling = async {
        loop {
            if let Some(found) = look().await? {
                return Ok(found);
            }
            tokio::time::sleep(every).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(10), polling).await.context("not in ten minutes")?
}
