//! What a measurement stands on: a control plane, a simulator and an operator of its own, each a
//! process.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use testbed::cluster::Cluster;
use testbed::control_plane::ControlPlane;
use testbed::operator::{Operator, OperatorOptions};

use super::Settings;
use super::audit::Audit;
use crate::cli::bench::process::Simulator;
use crate::cli::run::apply;
use crate::cli::scene::{OPERATOR, operator_binary};

/// A control plane and a Lightsail that nobody has used yet. Dropping it ends both.
pub(super) struct Bed {
    pub(super) simulator: Simulator,
    pub(super) cluster: Cluster,
    /// What the operator has asked of the API server.
    pub(super) audit: Audit,
    binary: PathBuf,
    directory: PathBuf,
    _control_plane: ControlPlane,
}

impl Bed {
    /// Starts both, in a directory of this name.
    pub(super) async fn start(settings: &Settings, directory: &Path, name: &str) -> Result<Self> {
        let binary = operator_binary(settings.operator.as_deref())?;
        let directory = directory.join(name);
        let control_plane = ControlPlane::start(&settings.tools.tools, &directory).await?;
        let cluster = Cluster::of(&control_plane).await?;
        apply(&cluster, &settings.project.join("testbed").join("deploy")).await?;
        let audit = Audit::of(&directory, &format!("system:serviceaccount:{OPERATOR}:{OPERATOR}"));
        let simulator = Simulator::start()?;
        Ok(Self { simulator, cluster, audit, binary, directory, _control_plane: control_plane })
    }

    /// Starts the operator as its ServiceAccount, and waits until it is ready. It logs what it logs
    /// by default.
    pub(super) async fn start_operator(&self) -> Result<Operator> {
        let home = self.directory.join("operator");
        std::fs::create_dir_all(&home).with_context(|| format!("create {}", home.display()))?;
        let kubeconfig = home.join("kubeconfig");
        self.cluster.service_account_kubeconfig(OPERATOR, OPERATOR, &kubeconfig, None).await?;
        let arguments = vec!["--leader-election=false".to_owned(), "--log=info".to_owned()];
        let (environment, log) = (self.simulator.environment.clone(), home.join("operator.log"));
        let binary = self.binary.clone();
        Operator::start(OperatorOptions { binary, kubeconfig, arguments, environment, log }).await
    }

    /// A client with the operator's rights, which the API server serves no sooner and no later than
    /// the operator.
    pub(super) async fn client_as_operator(&self) -> Result<Client> {
        let file = self.directory.join("client.kubeconfig");
        self.cluster.service_account_kubeconfig(OPERATOR, OPERATOR, &file, None).await?;
        let kubeconfig = Kubeconfig::read_from(&file).context("read the client's kubeconfig")?;
        let config =
            Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
        Client::try_from(config.context("use the client's kubeconfig")?).context("make a client")
    }

    /// Ends both and removes their directory.
    pub(super) fn end(self) -> Result<()> {
        let directory = self.directory.clone();
        drop(self);
        std::fs::remove_dir_all(&directory)
            .with_context(|| format!("remove {}", directory.display()))
    }
}

/// Kills the operator and starts it anew, with a log of its own: whoever waits for it reads that
/// again and again. Does not wait.
pub(super) fn respawn(operator: &mut Operator) -> Result<()> {
    let log = format!("operator-after-{}.log", operator.pid());
    let options = operator.options().clone();
    operator.kill();
    *operator =
        Operator::spawn(OperatorOptions { log: options.log.with_file_name(log), ..options })?;
    Ok(())
}

/// A request that must be answered within a minute; requests take milliseconds, and the client
/// library waits for ever.
pub(super) async fn bounded<T, E>(
    what: &str,
    request: impl Future<Output = std::result::Result<T, E>>,
) -> Result<T>
where
    E: Into<anyhow::Error>,
{
    const DEADLINE: Duration = Duration::from_mins(1);
    let answer = tokio::time::timeout(DEADLINE, request).await;
    answer
        .with_context(|| format!("no answer within {DEADLINE:?}"))
        .and_then(|it| it.map_err(Into::into))
        .with_context(|| what.to_owned())
}

/// Polls until there is something, for ten minutes at most.
pub(super) async fn poll<T>(
    what: &str,
    every: Duration,
    mut look: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    const DEADLINE: Duration = Duration::from_mins(10);
    let polling = async {
        loop {
            if let Some(found) = look().await? {
                return anyhow::Ok(found);
            }
            tokio::time::sleep(every).await;
        }
    };
    let found = tokio::time::timeout(DEADLINE, polling).await;
    found.with_context(|| format!("{what}: not within {DEADLINE:?}")).flatten()
}
