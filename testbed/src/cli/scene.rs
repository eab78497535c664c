//! Control plane, simulator and operator together: what `up` and `demo` have in common.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;
use testbed::cluster::Cluster;
use testbed::control_plane::ControlPlane;
use testbed::operator::{Operator, OperatorOptions};
use testbed::simulator::{Options, Region, Simulator};

use super::report::Report;
use super::run::apply;
use super::simulator::{ACCOUNT, REGION, environment};
use super::tools::Tools;

/// The namespace and the ServiceAccount of `deploy/base`.
pub(super) const OPERATOR: &str = "lightsail-operator";
/// The instance that the sample of a HostKeyReset names.
pub(super) const INSTANCE: &str = "web-1";
/// The key pair of `deploy/samples` that is in Lightsail before its object is.
pub(super) const ADOPTED: &str = "legacy";

/// The simulator answers soon, and what it does appears immediately. A deletion of the default key
/// pair waits for this long after the operator has begun to lead.
const FAST: [&str; 4] = ["--aws-call-timeout", "5s", "--settle-time", "3s"];

/// Start control plane, simulator and operator.
#[derive(Debug, clap::Args)]
pub(super) struct Settings {
    #[command(flatten)]
    pub(super) tools: Tools,
    /// The operator's binary; without it, the one beside this program
    #[arg(long, value_name = "FILE")]
    operator: Option<PathBuf>,
    /// The project's directory, with `crds` and `deploy`
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(super) project: PathBuf,
    /// The Python with boto3 that reads the simulator at the end of the demo
    #[arg(long, value_name = "FILE", env = "TESTBED_PYTHON", default_value = ".venv/bin/python")]
    pub(super) python: PathBuf,
}

/// Everything that runs. Dropping it ends all of it and removes its directory.
pub(super) struct Scene {
    pub(super) operator: Operator,
    pub(super) cluster: Cluster,
    pub(super) simulator: Simulator,
    /// What makes an AWS client talk to the simulator.
    pub(super) aws: Vec<(String, String)>,
    // After all that is in it.
    control_plane: ControlPlane,
    directory: TempDir,
}

/// The public key in a sample: that of a pair which is in Lightsail before its object is.
fn public_key_of(project: &Path, sample: &str) -> Result<String> {
    let path = project.join("deploy").join("samples").join(format!("{sample}.yaml"));
    let text =
        std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let line = text.lines().find_map(|line| line.trim().strip_prefix("publicKey: "));
    line.map(str::to_owned).with_context(|| format!("{} has no publicKey", path.display()))
}

impl Scene {
    /// Starts all of it, with the instance and the default key pair that the samples speak of.
    pub(super) async fn start(settings: &Settings, report: Report) -> Result<Self> {
        let directory =
            tempfile::Builder::new().prefix("testbed-").tempdir().context("make a directory")?;
        match Self::start_in(settings, report, directory.path()).await {
            Ok((operator, cluster, simulator, aws, control_plane)) => {
                Ok(Self { operator, cluster, simulator, aws, control_plane, directory })
            }
            Err(error) => {
                let kept = directory.keep();
                Err(error.context(format!("starting failed; the logs are in {}", kept.display())))
            }
        }
    }

    async fn start_in(
        settings: &Settings,
        report: Report,
        directory: &Path,
    ) -> Result<(Operator, Cluster, Simulator, Vec<(String, String)>, ControlPlane)> {
        let start = ControlPlane::start(&settings.tools.tools, directory);
        let control_plane =
            report.step("etcd, kube-apiserver, kube-controller-manager", start).await?;
        let cluster = Cluster::of(&control_plane).await?;
        let base = settings.project.join("testbed").join("deploy");
        report
            .step(
                "the CRDs, the operator's ServiceAccount and permissions: deploy/base/",
                apply(&cluster, &base),
            )
            .await?;

        let options =
            Options { request_log: Some(directory.join("simulator.log")), ..Options::default() };
        let simulator = Simulator::start(options).await.context("start the simulator")?;
        let aws = environment(&simulator.url(), &simulator.add_account(ACCOUNT));
        let region = simulator.region(ACCOUNT, REGION);
        region.add_instance(INSTANCE);
        region.create_default_key_pair();
        region.import_key_pair(ADOPTED, &public_key_of(&settings.project, ADOPTED)?);

        let start = start_operator(settings, directory, &cluster, aws.clone());
        let operator = report.step("the operator, as that ServiceAccount", start).await?;
        Ok((operator, cluster, simulator, aws, control_plane))
    }

    /// What Lightsail has.
    pub(super) fn region(&self) -> Region {
        self.simulator.region(ACCOUNT, REGION)
    }

    /// An error if something has ended that should not.
    pub(super) fn check_running(&mut self) -> Result<()> {
        if let Some(status) = self.operator.has_ended()? {
            anyhow::bail!(
                "the operator has ended ({status}); its log is {}",
                self.operator.options().log.display()
            );
        }
        self.control_plane.check_running()
    }

    /// Ends everything and leaves the directory with the logs.
    pub(super) fn keep_directory(self) -> PathBuf {
        let Self { operator, control_plane, directory, .. } = self;
        drop((operator, control_plane));
        directory.keep()
    }
}

/// The operator's binary: this one, or the one beside this program.
pub(super) fn operator_binary(chosen: Option<&Path>) -> Result<PathBuf> {
    let beside = || Ok::<_, anyhow::Error>(std::env::current_exe()?.with_file_name(OPERATOR));
    let binary =
        chosen.map(Path::to_owned).map_or_else(beside, Ok).context("find the operator's binary")?;
    binary.canonicalize().with_context(|| format!("{}: `make build` builds it", binary.display()))
}

async fn start_operator(
    settings: &Settings,
    directory: &Path,
    cluster: &Cluster,
    environment: Vec<(String, String)>,
) -> Result<Operator> {
    let binary = operator_binary(settings.operator.as_deref())?;
    let home = directory.join("operator");
    fs::create_dir_all(&home).with_context(|| format!("create {}", home.display()))?;
    let kubeconfig = home.join("kubeconfig");
    cluster.service_account_kubeconfig(OPERATOR, OPERATOR, &kubeconfig, None).await?;
    let log = home.join("operator.log");
    let arguments = FAST.map(str::to_owned).to_vec();
    Operator::start(OperatorOptions { binary, kubeconfig, arguments, environment, log }).await
}
