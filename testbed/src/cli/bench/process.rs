//! The simulator as a process of its own, started as a person starts it, so that its time and
//! memory are its own; and the part of its admin API that benchmarks need.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use aws_credential_types::Credentials;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use testbed::process::bound_to_this_process;

use super::client::Target;

/// The simulator's process. It is killed when this is dropped, and does not outlive this process.
#[derive(Debug)]
pub(super) struct Simulator {
    child: Child,
    pub(super) target: Target,
    /// What makes an AWS client talk to it.
    pub(super) environment: BTreeMap<String, String>,
}

impl Simulator {
    /// Starts it, and reads the lines by which it tells where it is.
    pub(super) fn start() -> Result<Self> {
        let program = std::env::current_exe().context("find this program")?;
        let mut command = bound_to_this_process(program);
        command.args(["simulator", "--instance", "web-1"]).stdout(Stdio::piped());
        let mut child = command.spawn().context("start the simulator")?;
        let output = BufReader::new(child.stdout.take().context("read the simulator's output")?);
        let environment = output.lines().take(5).map(|line| {
            let line = line.context("read the simulator's output")?;
            let pair = line.strip_prefix("export ").and_then(|pair| pair.split_once('='));
            let (name, value) = pair.with_context(|| format!("read the line {line:?}"))?;
            Ok((name.to_owned(), value.to_owned()))
        });
        let environment: BTreeMap<_, _> = environment.collect::<Result<_>>()?;
        let value = |name: &str| environment.get(name).cloned().context(name.to_owned());
        let (id, secret) = (value("AWS_ACCESS_KEY_ID")?, value("AWS_SECRET_ACCESS_KEY")?);
        let credentials = Credentials::new(id, secret, None, None, "bench");
        let target = Target::new(value("AWS_ENDPOINT_URL")?, credentials);
        Ok(Self { child, target, environment })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A request to the admin API, whose answer must be a success.
    pub(super) async fn admin<T: DeserializeOwned>(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> Result<T> {
        let path = format!("/_simulator{path}");
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let answer = self.target.send(self.target.plain(method, &path, body)?).await;
        let answer = answer.with_context(|| format!("{method} {path} at the simulator"))?;
        serde_json::from_slice(&answer).context("read the simulator's answer")
    }

    /// How many requests there were of these operations and outcomes.
    pub(super) async fn count(&self, is_meant: impl Fn(&str, &str) -> bool) -> Result<u64> {
        let counts: BTreeMap<String, BTreeMap<String, u64>> =
            self.admin("GET", "/counts", None).await?;
        let of = |(operation, outcomes): (&String, &BTreeMap<String, u64>)| -> u64 {
            let meant = outcomes.iter().filter(|(outcome, _)| is_meant(operation, outcome));
            meant.map(|(_, count)| count).sum()
        };
        Ok(counts.iter().map(of).sum())
    }

    /// How many requests there were.
    pub(super) async fn total(&self) -> Result<u64> {
        self.count(|_, _| true).await
    }

    /// The requests without the first `skip` that ever came, in the order in which their fate was
    /// settled.
    pub(super) async fn requests_after(&self, skip: u64) -> Result<Vec<Logged>> {
        self.admin("GET", &format!("/requests?after={skip}"), None).await
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
pub(super) struct Logged {
    /// When it arrived, in seconds since 1970.
    at: f64,
    pub(super) operation: String,
    pub(super) resource: Option<String>,
}

impl Logged {
    /// How long before another time it arrived.
    pub(super) fn until(&self, end: SystemTime) -> Duration {
        let end = end.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Duration::try_from_secs_f64(end.as_secs_f64() - self.at).unwrap_or_default()
    }

    /// How long after another time it arrived.
    pub(super) fn since(&self, start: SystemTime) -> Duration {
        let start = start.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        // Clocks may be set back.
        Duration::try_from_secs_f64(self.at - start.as_secs_f64()).unwrap_or_default()
    }
}
