//! etcd, kube-apiserver and kube-controller-manager as children of this process, on loopback.
//!
//! They are the real ones, with RBAC, admission and garbage collection. There is no scheduler and
//! no kubelet: pods stay Pending, unless there is a [`crate::fake_node`]. Everything that a control
//! plane writes is in its directory; its ports are free ones, so that any number of them run side
//! by side. Spawned from the thread that calls [`ControlPlane::start`]: see [`crate::process`] for
//! which one that may be.

mod commands;

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use http::Request;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};

use crate::certificates::Certificates;
use crate::child::Child;
use crate::kubeconfig;

/// Each start is measured in seconds; a loaded machine may be ten times as slow.
const DEADLINE: Duration = Duration::from_mins(2);
const POLL: Duration = Duration::from_millis(50);
/// Somebody else can take a free port between its choice and its use. That this happens more often
/// has another cause.
const TRIES: usize = 3;

/// A running control plane. Dropping it ends it.
#[derive(Debug)]
pub struct ControlPlane {
    // In the order in which they are ended: clients before their servers.
    controller_manager: Child,
    api_server: Child,
    etcd: Child,
    directory: PathBuf,
    tools: PathBuf,
}

impl ControlPlane {
    /// Starts a control plane with the programs in `tools` and everything that it writes in
    /// `directory`. It is ready for use: the API server says so, and the controllers have made the
    /// ServiceAccount `default` in the namespace `default`.
    ///
    /// # Errors
    ///
    /// A program is missing, ends early (the error shows the end of its log) or is not ready within
    /// two minutes.
    pub async fn start(tools: &Path, directory: &Path) -> Result<Self> {
        let tools = tools.canonicalize().with_context(|| missing(tools))?;
        for program in ["etcd", "kube-apiserver", "kube-controller-manager", "kubectl"] {
            if !tools.join(program).is_file() {
                bail!("{} has no {program}; `make tools` builds it", tools.display());
            }
        }
        fs::create_dir_all(directory).with_context(|| format!("create {}", directory.display()))?;
        let directory = directory.canonicalize().context("resolve the directory")?;
        let certificates = Certificates::create(&directory.join("certificates"))?;
        for _ in 1..TRIES {
            match Self::try_start(&tools, &directory, &certificates).await {
                Err(error) if format!("{error:#}").contains("address already in use") => {
                    remove_traces(&directory)?;
                }
                outcome => return outcome,
            }
        }
        Self::try_start(&tools, &directory, &certificates).await
    }

    async fn try_start(
        tools: &Path,
        directory: &Path,
        certificates: &Certificates,
    ) -> Result<Self> {
        let [etcd_port, peer_port, api_port] = free_ports()?;
        let log = |name: &str| directory.join(format!("{name}.log"));

        let mut command = commands::etcd(tools, directory, certificates, etcd_port, peer_port);
        let mut etcd = Child::spawn("etcd", &mut command, &log("etcd"))?;
        wait_for_etcd(&mut etcd, &log("etcd")).await?;

        let mut command =
            commands::api_server(tools, directory, certificates, etcd_port, api_port)?;
        let mut api_server = Child::spawn("kube-apiserver", &mut command, &log("kube-apiserver"))?;
        let server = format!("https://127.0.0.1:{api_port}");
        let admin = directory.join("kubeconfig");
        kubeconfig::write_for_certificate(
            &admin,
            &server,
            &certificates.authority,
            &certificates.admin,
        )?;
        let client = client(&admin).await?;
        wait_for_api_server(&mut etcd, &mut api_server, &client).await?;

        let file = directory.join("controller-manager.kubeconfig");
        let identity = &certificates.controller_manager;
        kubeconfig::write_for_certificate(&file, &server, &certificates.authority, identity)?;
        let mut command = commands::controller_manager(tools, certificates, &file);
        let name = "kube-controller-manager";
        let mut controller_manager = Child::spawn(name, &mut command, &log(name))?;
        wait_for_controllers(&mut api_server, &mut controller_manager, client).await?;

        let (directory, tools) = (directory.to_owned(), tools.to_owned());
        Ok(Self { controller_manager, api_server, etcd, directory, tools })
    }

    /// A kubeconfig of an administrator.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        self.directory.join("kubeconfig")
    }

    /// Where its files are, logs and audit log included.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Where the programs are that it was started from, `kubectl` among them.
    #[must_use]
    pub fn tools(&self) -> &Path {
        &self.tools
    }

    /// The processes of kube-apiserver and etcd.
    #[must_use]
    pub fn pids(&self) -> [u32; 2] {
        [self.api_server.pid(), self.etcd.pid()]
    }

    /// The size of etcd's database on disk, in bytes.
    ///
    /// # Errors
    ///
    /// Its file cannot be read.
    pub fn database_size(&self) -> Result<u64> {
        let file = self.directory.join("etcd/member/snap/db");
        let metadata = fs::metadata(&file).with_context(|| format!("read {}", file.display()))?;
        Ok(metadata.len())
    }

    /// An error with the end of the log of whichever of its processes is gone.
    ///
    /// # Errors
    ///
    /// One of them has ended.
    pub fn check_running(&mut self) -> Result<()> {
        self.etcd.check_running()?;
        self.api_server.check_running()?;
        self.controller_manager.check_running()
    }
}

fn missing(tools: &Path) -> String {
    format!("there is no directory {}; `make tools` builds what belongs there", tools.display())
}

/// What a start leaves that another one cannot use. Logs stay, the next ones are appended.
fn remove_traces(directory: &Path) -> Result<()> {
    let data = directory.join("etcd");
    if data.exists() {
        fs::remove_dir_all(&data).with_context(|| format!("remove {}", data.display()))?;
    }
    let log = directory.join("etcd.log");
    fs::rename(&log, directory.join("etcd-before.log"))
        .with_context(|| format!("rename {}", log.display()))
}

/// Ports that are free now, and different from each other because they are taken together.
fn free_ports<const N: usize>() -> Result<[u16; N]> {
    let mut ports = [0; N];
    let mut taken = Vec::new();
    for port in &mut ports {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("find a free port")?;
        *port = listener.local_addr().context("find a free port")?.port();
        taken.push(listener);
    }
    Ok(ports)
}

async fn client(kubeconfig: &Path) -> Result<Client> {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).context("read the kubeconfig")?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
    Client::try_from(config.context("read the kubeconfig")?).context("make a client")
}

async fn wait_for_etcd(etcd: &mut Child, log: &Path) -> Result<()> {
    let started = Instant::now();
    while !fs::read_to_string(log).is_ok_and(|text| text.contains("ready to serve client requests"))
    {
        etcd.check_running()?;
        if started.elapsed() > DEADLINE {
            bail!(etcd.with_log(&format!("etcd is not ready after {DEADLINE:?}")));
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}

async fn wait_for_api_server(
    etcd: &mut Child,
    api_server: &mut Child,
    client: &Client,
) -> Result<()> {
    /// If somebody else has the port, an answer may never come, and the end of our own server must
    /// be seen.
    const ANSWER: Duration = Duration::from_secs(2);
    let started = Instant::now();
    loop {
        etcd.check_running()?;
        api_server.check_running()?;
        let request =
            Request::get("/readyz").body(Vec::new()).expect("a constant path makes a request");
        let said = match tokio::time::timeout(ANSWER, client.request_text(request)).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "it does not answer".to_owned(),
        };
        if started.elapsed() > DEADLINE {
            bail!(
                api_server
                    .with_log(&format!("kube-apiserver is not ready after {DEADLINE:?}: {said}"))
            );
        }
        tokio::time::sleep(POLL).await;
    }
}

/// That ServiceAccount is made by one controller in a namespace that the API server makes.
async fn wait_for_controllers(
    api_server: &mut Child,
    manager: &mut Child,
    client: Client,
) -> Result<()> {
    let service_accounts: Api<ServiceAccount> = Api::namespaced(client, "default");
    let started = Instant::now();
    loop {
        api_server.check_running()?;
        manager.check_running()?;
        if let Ok(Some(_)) = service_accounts.get_opt("default").await {
            return Ok(());
        }
        if started.elapsed() > DEADLINE {
            bail!(manager.with_log(&format!("the controllers do not work after {DEADLINE:?}")));
        }
        tokio::time::sleep(POLL).await;
    }
}
