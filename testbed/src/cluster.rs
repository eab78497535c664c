//! What a test, the demo or a person has of a running control plane: a client, namespaces,
//! `kubectl`, kubeconfigs.
//!
//! A test is another process than the one that owns the control plane, and learns of it by the
//! environment that `testbed run` sets. It must not outlive that one: without a control plane it
//! can only wait for deadlines.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Once;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::api::{ObjectMeta, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::control_plane::ControlPlane;
use crate::kubeconfig;
use crate::process;

/// The variables that `testbed run` sets for its command.
pub mod variables {
    /// The kubeconfig of an administrator.
    pub const KUBECONFIG: &str = "KUBECONFIG";
    /// The directory of the run, with the logs.
    pub const DIRECTORY: &str = "TESTBED_DIR";
    /// The directory with `kubectl` and the others.
    pub const TOOLS: &str = "TESTBED_TOOLS";
    /// The process that owns the control plane.
    pub const OWNER: &str = "TESTBED_PID";
}

/// What a process exits with whose control plane's owner is gone: `EX_UNAVAILABLE`.
const OWNER_GONE: i32 = 69;

/// A running control plane, as its administrator sees it.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    kubeconfig: PathBuf,
    directory: PathBuf,
    tools: PathBuf,
}

/// What a program said.
#[derive(Clone, Debug)]
pub struct Output {
    /// Whether it exited with 0.
    pub success: bool,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Output {
    /// The standard output, or an error with the standard error.
    ///
    /// # Errors
    ///
    /// The program failed.
    pub fn or_error(self) -> Result<String> {
        ensure!(self.success, "{}", self.stderr.trim());
        Ok(self.stdout)
    }
}

impl Cluster {
    /// The control plane of the `testbed run` that this process was started by. From here on this
    /// process exits as soon as that one is gone.
    ///
    /// # Errors
    ///
    /// There is none, and the error tells how to start one.
    pub async fn from_env() -> Result<Self> {
        let owner = variable(variables::OWNER)?
            .parse()
            .with_context(|| format!("read {}", variables::OWNER))?;
        exit_with(owner);
        let path = |name| variable(name).map(PathBuf::from);
        Self::new(
            path(variables::KUBECONFIG)?,
            path(variables::DIRECTORY)?,
            path(variables::TOOLS)?,
        )
        .await
    }

    /// A control plane that this process owns.
    ///
    /// # Errors
    ///
    /// Its kubeconfig makes no client.
    pub async fn of(control_plane: &ControlPlane) -> Result<Self> {
        let (directory, tools) =
            (control_plane.directory().to_owned(), control_plane.tools().to_owned());
        Self::new(control_plane.kubeconfig(), directory, tools).await
    }

    async fn new(kubeconfig: PathBuf, directory: PathBuf, tools: PathBuf) -> Result<Self> {
        let config = config(&kubeconfig).await?;
        let client = Client::try_from(config).context("make a client")?;
        Ok(Self { client, kubeconfig, directory, tools })
    }

    /// A client of the administrator.
    #[must_use]
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// The kubeconfig of the administrator.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The directory with `kubectl` and the others.
    #[must_use]
    pub fn tools(&self) -> &Path {
        &self.tools
    }

    /// The directory of the run, which goes with it. A test makes one of its own in it.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// A JSON line for each answered request to the API server, at the level Metadata.
    #[must_use]
    pub fn audit_log(&self) -> PathBuf {
        self.directory.join("audit.log")
    }

    /// The settings of a client of the administrator.
    pub(crate) async fn config(&self) -> Result<Config> {
        config(&self.kubeconfig).await
    }

    /// Makes a namespace with a name of its own, `prefix-…`.
    ///
    /// # Errors
    ///
    /// The API server refuses.
    pub async fn create_namespace(&self, prefix: &str) -> Result<String> {
        let metadata =
            ObjectMeta { generate_name: Some(format!("{prefix}-")), ..ObjectMeta::default() };
        let namespace = Namespace { metadata, ..Namespace::default() };
        let created = Api::all(self.client()).create(&PostParams::default(), &namespace).await;
        let created: Namespace =
            created.with_context(|| format!("create a namespace {prefix}-…"))?;
        created.metadata.name.context("the API server names what it creates")
    }

    /// Runs `kubectl` as the administrator. That it fails is no error here.
    ///
    /// # Errors
    ///
    /// It cannot be started.
    pub async fn kubectl(&self, arguments: &[impl AsRef<OsStr>]) -> Result<Output> {
        self.kubectl_with_input(arguments, "").await
    }

    /// As [`Self::kubectl`], with a standard input: for `-f -`.
    ///
    /// # Errors
    ///
    /// It cannot be started.
    pub async fn kubectl_with_input(
        &self,
        arguments: &[impl AsRef<OsStr>],
        input: &str,
    ) -> Result<Output> {
        let mut command = Command::from(process::bound_to_this_process(self.tools.join("kubectl")));
        command.args(arguments).env(variables::KUBECONFIG, &self.kubeconfig);
        // Neither the preferences of whoever runs this, nor anything into a home directory.
        command.env("KUBERC", "off").env("KUBECACHEDIR", self.kubectl_cache());
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().context("start kubectl")?;
        let mut stdin = child.stdin.take().context("the standard input is a pipe")?;
        // It may end without having read everything, and then says why itself.
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        let output = child.wait_with_output().await.context("wait for kubectl")?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (success, stdout, stderr) =
            (output.status.success(), text(&output.stdout), text(&output.stderr));
        Ok(Output { success, stdout, stderr })
    }

    fn kubectl_cache(&self) -> PathBuf {
        self.directory.join("kubectl-cache")
    }

    /// Makes kubectl ask anew which resources there are.
    ///
    /// # Errors
    ///
    /// What it knows cannot be removed.
    pub fn forget_discovery(&self) -> Result<()> {
        match std::fs::remove_dir_all(self.kubectl_cache()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).context("remove kubectl's cache")
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Writes a kubeconfig with a ServiceAccount's token, which is good for a day.
    /// `server_override` is the URL of something before the API server, without TLS; `None` is the
    /// API server itself.
    ///
    /// # Errors
    ///
    /// There is no such ServiceAccount, or the file cannot be written.
    pub async fn service_account_kubeconfig(
        &self,
        namespace: &str,
        service_account: &str,
        path: &Path,
        server_override: Option<&str>,
    ) -> Result<()> {
        const DAY: i64 = 24 * 60 * 60;
        let spec =
            TokenRequestSpec { expiration_seconds: Some(DAY), ..TokenRequestSpec::default() };
        let request = TokenRequest { spec, ..TokenRequest::default() };
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client(), namespace);
        let answer =
            accounts.create_token_request(service_account, &PostParams::default(), &request).await;
        let answer =
            answer.with_context(|| format!("make a token for {namespace}/{service_account}"))?;
        let token = answer.status.context("the answer to a TokenRequest has a status")?.token;

        kubeconfig::write_for_token(path, &self.kubeconfig, server_override, namespace, &token)
    }
}

async fn config(kubeconfig: &Path) -> Result<Config> {
    let file = Kubeconfig::read_from(kubeconfig)
        .with_context(|| format!("read {}", kubeconfig.display()))?;
    let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await;
    config.with_context(|| format!("use {}", kubeconfig.display()))
}

fn variable(name: &str) -> Result<String> {
    let value = std::env::var(name);
    value.with_context(|| {
        format!(
            "{name} is not set: this needs a control plane; run `make test`, or `testbed run \
            -- COMMAND`"
        )
    })
}

/// Exits when the process is gone. Test runners put tests into process groups of their own, so that
/// a signal to the owner does not reach them.
fn exit_with(owner: u32) {
    static WATCH: Once = Once::new();
    const POLL: Duration = Duration::from_millis(500);
    WATCH.call_once(|| {
        let started_at = process::started_at(owner);
        std::thread::spawn(move || {
            while started_at.is_some() && process::started_at(owner) == started_at {
                std::thread::sleep(POLL);
            }
            std::process::exit(OWNER_GONE);
        });
    });
}
