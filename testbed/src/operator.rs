//! The operator's binary as a child process, as it runs in a cluster: its own kubeconfig, a bare
//! environment, a log in a file.
//!
//! It knows of the operator only what its users know: flags, one line of its log, and the paths of
//! its probes. See [`crate::process`] for the thread that may start one.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::child::Child;
use crate::process::bound_to_this_process;

/// Measured in tenths of a second; a loaded machine may be much slower.
const READY_DEADLINE: Duration = Duration::from_mins(1);
/// The usual `terminationGracePeriodSeconds`.
const STOP_DEADLINE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);
/// The message of the log line that tells the address.
const SERVING: &str = "serving probes and metrics";

/// How an operator is started.
#[derive(Clone, Debug)]
pub struct OperatorOptions {
    /// The binary.
    pub binary: PathBuf,
    /// The kubeconfig that it gets.
    pub kubeconfig: PathBuf,
    /// Arguments beyond `--bind-address` and `--log-format`.
    pub arguments: Vec<String>,
    /// All of its environment beyond `PATH`, `HOME` and `KUBECONFIG`.
    pub environment: Vec<(String, String)>,
    /// The file that gets its output. Its directory is the operator's `HOME`, so that nobody's
    /// `~/.aws` is read.
    pub log: PathBuf,
}

/// An operator. Dropping it kills it.
#[derive(Debug)]
pub struct Operator {
    options: OperatorOptions,
    child: Child,
    /// Where in the log the output of this start begins.
    log_offset: u64,
}

impl Operator {
    /// Starts an operator and waits until it is ready.
    ///
    /// # Errors
    ///
    /// It cannot be started, ends, or is not ready within a minute; the error shows the end of its
    /// log.
    pub async fn start(options: OperatorOptions) -> Result<Self> {
        let mut operator = Self::spawn(options)?;
        operator.wait_until_ready().await?;
        Ok(operator)
    }

    /// Starts an operator and does not wait.
    ///
    /// # Errors
    ///
    /// It cannot be started.
    pub fn spawn(options: OperatorOptions) -> Result<Self> {
        // No file yet is an empty one.
        let log_offset = fs::metadata(&options.log).map_or(0, |metadata| metadata.len());
        let child = spawn(&options)?;
        Ok(Self { options, child, log_offset })
    }

    /// Waits until `/readyz` answers 200.
    ///
    /// # Errors
    ///
    /// It ends, or is not ready within a minute; the error shows the end of its log.
    pub async fn wait_until_ready(&mut self) -> Result<()> {
        let started = Instant::now();
        let mut said = format!("its log has no line \"{SERVING}\"");
        while started.elapsed() < READY_DEADLINE {
            self.child.check_running()?;
            match self.try_get("/readyz").await {
                Ok(Some((200, _))) => return Ok(()),
                Ok(Some((status, body))) => said = format!("/readyz says {status} {}", body.trim()),
                Ok(None) => {}
                Err(error) => said = format!("/readyz: {error:#}"),
            }
            tokio::time::sleep(POLL).await;
        }
        bail!(
            self.child
                .with_log(&format!("the operator is not ready after {READY_DEADLINE:?}: {said}"))
        )
    }

    /// Where it serves probes and metrics; `None` until it does.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.log_text().lines().find_map(|line| {
            let line: Value = serde_json::from_str(line).ok()?;
            (line["message"] == SERVING).then(|| line["address"].as_str()?.parse().ok())?
        })
    }

    /// Gets a path; returns the status and the body.
    ///
    /// # Errors
    ///
    /// It does not serve.
    pub async fn get(&self, path: &str) -> Result<(u16, String)> {
        self.try_get(path).await?.context("the operator does not serve yet")
    }

    async fn try_get(&self, path: &str) -> Result<Option<(u16, String)>> {
        let Some(address) = self.address() else { return Ok(None) };
        Ok(Some(http_get(address, path).await?))
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// Kills it with SIGKILL and waits for its end.
    pub fn kill(&mut self) {
        self.child.kill();
    }

    /// Asks it with SIGTERM to end and waits for that.
    ///
    /// # Errors
    ///
    /// It still runs after 30 seconds.
    pub async fn stop(&mut self) -> Result<ExitStatus> {
        self.child.signal(Signal::TERM)?;
        self.child.wait(STOP_DEADLINE).await
    }

    /// Kills it if it still runs, starts it with the same options, and waits until it is ready.
    ///
    /// # Errors
    ///
    /// As [`Self::start`].
    pub async fn restart(&mut self) -> Result<()> {
        self.kill();
        *self = Self::spawn(self.options.clone())?;
        self.wait_until_ready().await
    }

    /// How it has ended, if it has.
    ///
    /// # Errors
    ///
    /// The system does not tell.
    pub fn has_ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.has_ended()
    }

    /// What it has logged since it was started last. Earlier output stays in the file.
    #[must_use]
    pub fn log_text(&self) -> String {
        let log = fs::read(&self.options.log).unwrap_or_default();
        let start = usize::try_from(self.log_offset).unwrap_or(usize::MAX).min(log.len());
        String::from_utf8_lossy(&log[start..]).into_owned()
    }

    /// What it was started with.
    #[must_use]
    pub fn options(&self) -> &OperatorOptions {
        &self.options
    }
}

fn spawn(options: &OperatorOptions) -> Result<Child> {
    let home = options.log.parent().context("the log is a file in a directory")?;
    let mut command = bound_to_this_process(&options.binary);
    command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    command.env("HOME", home).env("KUBECONFIG", &options.kubeconfig);
    command.envs(options.environment.iter().map(|(name, value)| (name, value)));
    command
        .args(["--bind-address", "127.0.0.1:0", "--log-format", "json"])
        .args(&options.arguments);
    Child::spawn("the operator", &mut command, &options.log)
}

/// A request in HTTP/1.0, whose answer ends with the connection and is never chunked.
async fn http_get(address: SocketAddr, path: &str) -> Result<(u16, String)> {
    const DEADLINE: Duration = Duration::from_secs(10);
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        stream
            .write_all(format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").as_bytes())
            .await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        std::io::Result::Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    let answer = tokio::time::timeout(DEADLINE, exchange).await.context("no answer")?;
    let answer = answer.with_context(|| format!("get {path}"))?;
    let (head, body) = answer.split_once("\r\n\r\n").context("an answer has a head and a body")?;
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .context("an answer has a status")?;
    Ok((status, body.to_owned()))
}
