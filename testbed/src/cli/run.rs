//! `testbed run`: owns a control plane for as long as a command runs.
//!
//! The command has a process group of its own; signals are passed on to it. It gets SIGKILL when
//! this process is gone. What it has started in other groups must look after itself, as
//! [`testbed::cluster::Cluster::from_env`] does.

use std::ffi::OsString;
use std::fs;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitCode, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;
use testbed::cluster::{Cluster, variables};
use testbed::control_plane::ControlPlane;
use testbed::process::bound_to_this_process;

use super::interrupts::{Interrupts, exit_code_of};
use super::report::Report;
use super::tools::Tools;

const POLL: Duration = Duration::from_millis(20);
/// How long a command may take to end when it is asked to.
const GRACE: Duration = Duration::from_secs(10);

/// Run a command with a control plane of its own.
#[derive(Debug, clap::Args)]
pub(super) struct Run {
    #[command(flatten)]
    tools: Tools,
    /// Apply these files, directories or kustomizations first, and wait until their CRDs are
    /// established
    #[arg(long, value_name = "PATH")]
    apply: Vec<PathBuf>,
    /// Copy all logs to this directory at the end
    #[arg(long, value_name = "DIR")]
    keep_logs: Option<PathBuf>,
    /// The command with its arguments
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

pub(super) async fn run(settings: Run) -> Result<ExitCode> {
    let mut interrupts = Interrupts::listen()?;
    let directory =
        tempfile::Builder::new().prefix("testbed-").tempdir().context("make a directory")?;
    let outcome = with_control_plane(&settings, directory.path(), &mut interrupts).await;
    let succeeded = outcome.as_ref().is_ok_and(|code| *code == ExitCode::SUCCESS);
    keep_logs(directory, settings.keep_logs.as_deref(), succeeded)?;
    outcome
}

async fn with_control_plane(
    settings: &Run,
    directory: &Path,
    interrupts: &mut Interrupts,
) -> Result<ExitCode> {
    let report = Report::on_stderr();
    let (_control_plane, cluster) = tokio::select! {
        prepared = prepare(settings, directory, report) => prepared?,
        signal = interrupts.next() => return Ok(exit_code_of(signal)),
    };
    let started = Instant::now();
    let mut command = Running::spawn(&settings.command, &cluster)?;
    let status = command.wait(interrupts).await?;
    let name = settings.command[0].to_string_lossy();
    report
        .line(&format!("  {name} ended with {status} ({:.1} s)", started.elapsed().as_secs_f64()));
    Ok(exit_code(status))
}

async fn prepare(
    settings: &Run,
    directory: &Path,
    report: Report,
) -> Result<(ControlPlane, Cluster)> {
    let control_plane =
        report.step("control plane", ControlPlane::start(&settings.tools.tools, directory)).await?;
    let cluster = Cluster::of(&control_plane).await?;
    for path in &settings.apply {
        report.step(&format!("apply {}", path.display()), apply(&cluster, path)).await?;
    }
    Ok((control_plane, cluster))
}

/// `kubectl apply`, and then the wait for CRDs, without which their objects are refused.
pub(super) async fn apply(cluster: &Cluster, path: &Path) -> Result<()> {
    if !path.exists() {
        bail!("there is no {}", path.display());
    }
    let by = if path.join("kustomization.yaml").exists() { "--kustomize" } else { "--filename" };
    cluster.kubectl(&["apply", "--server-side", by, &path.to_string_lossy()]).await?.or_error()?;
    // All there are: with none this is an error, so it is asked for first.
    let crds = cluster.kubectl(&["get", "crds", "--output=name"]).await?.or_error()?;
    if !crds.is_empty() {
        let wait = ["wait", "--for=condition=Established", "--timeout=60s", "crds", "--all"];
        cluster.kubectl(&wait).await?.or_error()?;
    }
    for crd in crds.lines() {
        wait_until_served(cluster, crd.rsplit('/').next().unwrap_or(crd)).await?;
    }
    Ok(())
}

/// A CRD that is established is served a moment later, and kubectl keeps what it knew
/// before.
async fn wait_until_served(cluster: &Cluster, resource: &str) -> Result<()> {
    const DEADLINE: Duration = Duration::from_mins(1);
    let started = Instant::now();
    loop {
        cluster.forget_discovery()?;
        let output =
            cluster.kubectl(&["get", resource, "--all-namespaces", "--output=name"]).await?;
        if output.success {
            return Ok(());
        }
        if started.elapsed() > DEADLINE {
            bail!("{resource} is not served after {DEADLINE:?}: {}", output.stderr.trim());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The command. Dropping it kills its group.
struct Running {
    process: Child,
}

impl Running {
    fn spawn(command: &[OsString], cluster: &Cluster) -> Result<Self> {
        let tools = cluster.tools();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let paths = std::iter::once(tools.to_owned()).chain(std::env::split_paths(&path));
        let path = std::env::join_paths(paths).context("put the tools into PATH")?;
        let mut process = bound_to_this_process(&command[0]);
        process
            .args(&command[1..])
            .env("PATH", path)
            .env(variables::KUBECONFIG, cluster.kubeconfig())
            .env(variables::DIRECTORY, cluster.directory())
            .env(variables::TOOLS, tools)
            .env(variables::OWNER, std::process::id().to_string())
            // A background group that reads from a terminal would be stopped.
            .stdin(Stdio::null())
            .process_group(0);
        let process =
            process.spawn().context("start the command through setpriv (package util-linux)")?;
        Ok(Self { process })
    }

    /// Waits for its end. The first signal is passed on, and gives it some seconds.
    async fn wait(&mut self, interrupts: &mut Interrupts) -> Result<ExitStatus> {
        let mut deadline = None;
        loop {
            if let Some(status) = self.process.try_wait().context("wait for the command")? {
                return Ok(status);
            }
            if deadline.is_some_and(|deadline| Instant::now() > deadline) {
                self.signal(Signal::KILL);
            }
            tokio::select! {
                signal = interrupts.next() => {
                    self.signal(signal);
                    deadline.get_or_insert(Instant::now() + GRACE);
                }
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw) {
            // It only fails if nobody of the group is left.
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The command may have ended and left others of its group; while any is left, no other
        // group gets this id.
        self.signal(Signal::KILL);
        // It only fails if it was waited for.
        let _ = self.process.wait();
    }
}

fn exit_code(status: ExitStatus) -> ExitCode {
    let of_signal = || status.signal().map(|signal| 128 + signal);
    let code = status.code().or_else(of_signal).and_then(|code| u8::try_from(code).ok());
    code.map_or(ExitCode::FAILURE, ExitCode::from)
}

/// Copies the logs if that is wanted, and leaves the directory where it is after a failure.
fn keep_logs(directory: TempDir, wanted: Option<&Path>, succeeded: bool) -> Result<()> {
    if let Some(wanted) = wanted {
        copy_logs(directory.path(), wanted)
            .with_context(|| format!("copy the logs to {}", wanted.display()))?;
    }
    if succeeded {
        return directory.close().context("remove the directory");
    }
    let directory = directory.keep();
    // The database is large, and keys are nobody's business.
    for part in ["etcd", "certificates"] {
        let _ = fs::remove_dir_all(directory.join(part));
    }
    Report::on_stderr().line(&format!("  the logs are in {}", directory.display()));
    Ok(())
}

/// Copies `*.log`, with the directories that hold some.
fn copy_logs(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        if path.extension().is_some_and(|extension| extension == "log") {
            fs::create_dir_all(to)?;
            fs::copy(&path, to.join(name))?;
        } else if path.is_dir() && name != "etcd" {
            copy_logs(&path, &to.join(name))?;
        }
    }
    Ok(())
}
