//! The simulator as a process of its own, started as a person starts it, so that its time and
//! memory are its own; and the part of its admin API that benchmarks need.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use aws_credential_types::Credentials;
use serde::Deserialize;
use serde_json::Value;
use testbed::process::bound_to_this_process;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::client::Target;
use super::machine::Usage;

/// Answers take milliseconds; a loaded machine may be much slower.
const DEADLINE: Duration = Duration::from_secs(30);

/// The simulator's process. It is killed when this is dropped, and does not outlive this process.
#[derive(Debug)]
pub(super) struct Simulator {
    child: Child,
    pub(super) target: Target,
    /// What makes an AWS client talk to it.
    pub(super) environment: Vec<(String, String)>,
}

impl Simulator {
    /// Starts it, and reads the lines by which it tells where it is.
    pub(super) fn start() -> Result<Self> {
        let program = std::env::current_exe().context("find this program")?;
        let mut command = bound_to_this_process(program);
        command.args(["simulator", "--instance", "web-1"]).stdout(Stdio::piped());
        let mut child = command.spawn().context("start the simulator")?;
        let output = child.stdout.take().context("read the simulator's output")?;
        let mut environment = Vec::new();
        for line in BufReader::new(output).lines().take(5) {
            let line = line.context("read the simulator's output")?;
            let (name, value) = line
                .strip_prefix("export ")
                .and_then(|it| it.split_once('='))
                .context("read a line")?;
            environment.push((name.to_owned(), value.to_owned()));
        }
        let values: HashMap<_, _> = environment.iter().cloned().collect();
        let value = |name: &str| values.get(name).cloned().with_context(|| format!("find {name}"));
        let key = (value("AWS_ACCESS_KEY_ID")?, value("AWS_SECRET_ACCESS_KEY")?);
        let host = value("AWS_ENDPOINT_URL")?.replace("http://", "");
        let credentials = Credentials::new(key.0, key.1, None, None, "bench");
        Ok(Self { child, target: Target { host, credentials }, environment })
    }

    /// What it has used.
    pub(super) fn usage(&self) -> Result<Usage> {
        Usage::of(self.child.id())
    }

    /// A request to the admin API, whose answer must be a success.
    pub(super) async fn admin(&self, method: &str, path: &str, body: &str) -> Result<Value> {
        let exchange = self.exchange(method, path, body);
        let answer =
            tokio::time::timeout(DEADLINE, exchange).await.context("no answer in time").flatten();
        answer.with_context(|| format!("{method} /_simulator{path} at the simulator"))
    }

    /// In HTTP/1.0, whose answer ends with the connection.
    async fn exchange(&self, method: &str, path: &str, body: &str) -> Result<Value> {
        let host = &self.target.host;
        let mut stream = TcpStream::connect(host).await?;
        let head = format!(
            "{method} /_simulator{path} HTTP/1.0\r\nHost: {host}\r\nContent-Length: {}",
            body.len()
        );
        stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        let answer = String::from_utf8_lossy(&answer);
        let (head, body) =
            answer.split_once("\r\n\r\n").context("an answer has a head and a body")?;
        ensure!(head.split(' ').nth(1) == Some("200"), "a refusal: {}", body.trim());
        serde_json::from_str(body).context("the answer is JSON")
    }

    /// How many requests there were.
    pub(super) async fn counts(&self) -> Result<Counts> {
        Ok(Counts(serde_json::from_value(self.admin("GET", "/counts", "").await?)?))
    }

    /// The requests without the first `skip` that ever came, in the order in which their fate was
    /// settled.
    pub(super) async fn requests_after(&self, skip: u64) -> Result<Vec<Request>> {
        Ok(serde_json::from_value(
            self.admin("GET", &format!("/requests?after={skip}"), "").await?,
        )?)
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A request of the simulator's log.
#[derive(Debug, Deserialize)]
pub(super) struct Request {
    /// When it arrived, in seconds since 1970.
    pub(super) at: f64,
    pub(super) operation: String,
    pub(super) resource: Option<String>,
}

/// How many requests there were, by operation and in it by outcome.
#[derive(Debug)]
pub(super) struct Counts(BTreeMap<String, BTreeMap<String, u64>>);

impl Counts {
    /// All of them.
    pub(super) fn total(&self) -> u64 {
        self.0.values().flat_map(BTreeMap::values).sum()
    }

    /// Those of an operation that took effect.
    pub(super) fn succeeded(&self, operation: &str) -> u64 {
        self.0.get(operation).and_then(|outcomes| outcomes.get("ok")).copied().unwrap_or_default()
    }

    /// Those that were refused because there were too many.
    pub(super) fn throttled(&self) -> u64 {
        let outcomes = self.0.values().flatten();
        outcomes.filter(|(outcome, _)| outcome.contains("Throttl")).map(|(_, count)| count).sum()
    }
}
