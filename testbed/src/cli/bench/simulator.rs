//! How many requests the simulator serves with many key pairs in a region, signatures checked, and
//! what memory it takes.
//!
//! The simulator is a process of its own, started as a person starts it, so that its time and
//! memory are its own.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::client::{Connection, Target, run};
use super::machine::{Usage, machine};
use super::process::Simulator;
use crate::cli::report::Report;

/// A throw-away key.
pub(super) const KEY: &str = "ssh-ed25519 \
    AAAAC3NzaC1lZDI1NTE5AAAAIGYGM/NPcdGggttKSC7j5z5y179RRUwu3mytcqmkhNbA bench@lightsail";

/// So many different requests of a kind are signed ahead.
const DISTINCT: usize = 2000;

/// Measure the simulator.
#[derive(Debug, clap::Args)]
pub(crate) struct Settings {
    /// Key pairs in the region
    #[arg(long, default_value_t = 20_000)]
    key_pairs: usize,
    /// Requests of each kind
    #[arg(long, default_value_t = 50_000)]
    requests: usize,
    /// Connections at the same time
    #[arg(long, default_value_t = 16)]
    connections: usize,
}

pub(crate) async fn simulator(settings: &Settings) -> Result<ExitCode> {
    let report = Report::on_stdout();
    report.line(&machine());
    let simulator = Simulator::start()?;
    let idle = simulator.usage()?;
    let (pairs, connections) = (settings.key_pairs, settings.connections);
    report.line(&format!(
        "{pairs} key pairs in a region, {connections} connections, every signature checked"
    ));
    report.line(
        "                              requests    a second    median       p99   CPU a request",
    );

    let target = &simulator.target;
    let name = |number: usize| format!("pair-{number:06}");
    let bodies =
        (0..pairs).map(|number| json!({"keyPairName": name(number), "publicKeyBase64": KEY}));
    let imports = requests(target, "ImportKeyPair", bodies)?;
    measure(&simulator, report, settings, "ImportKeyPair", imports, pairs).await?;
    let filled = simulator.usage()?;

    let spread = |number: usize| name(number * pairs.max(1) / DISTINCT);
    let gets = requests(
        target,
        "GetKeyPair",
        (0..DISTINCT).map(|number| json!({"keyPairName": spread(number)})),
    )?;
    let lists = requests(
        target,
        "GetKeyPairs",
        tokens(target).await?.iter().map(|token| json!({"pageToken": token})),
    )?;
    let tag = |number: usize| {
        json!({"resourceName": spread(number), "tags": [{"key": "n",
        "value": number.to_string()}]})
    };
    let tags = requests(target, "TagResource", (0..DISTINCT).map(tag))?;
    let of = |number: usize| json!({"resourceName": spread(number)});
    let operations = requests(target, "GetOperationsForResource", (0..DISTINCT).map(of))?;
    // Seven gets, a page, a change and a look at operations of every ten.
    let mix = (0..DISTINCT).map(|number| match number % 10 {
        0 => Arc::clone(&lists[number % lists.len()]),
        1 => Arc::clone(&tags[number]),
        2 => Arc::clone(&operations[number]),
        _ => Arc::clone(&gets[number]),
    });
    let mix = mix.collect();
    for (what, requests) in [
        ("GetKeyPair", gets),
        ("GetKeyPairs, a page of 20", lists),
        ("TagResource", tags),
        ("GetOperationsForResource", operations),
        ("a mix of these", mix),
    ] {
        measure(&simulator, report, settings, what, requests, settings.requests).await?;
    }
    let end = simulator.usage()?;
    let mebibytes = |usage: Usage| usage.memory / 1024;
    report.line(&format!(
        "memory of the simulator: {} MiB idle, {} MiB with the key pairs, {} MiB at the end",
        mebibytes(idle),
        mebibytes(filled),
        mebibytes(end)
    ));
    Ok(ExitCode::SUCCESS)
}

fn requests(
    target: &Target,
    operation: &str,
    bodies: impl Iterator<Item = Value>,
) -> Result<Vec<Arc<[u8]>>> {
    bodies.map(|body| target.request(operation, &body.to_string())).collect()
}

/// The tokens of all pages, which also shows that a walk over them comes to an end.
async fn tokens(target: &Target) -> Result<Vec<String>> {
    let mut connection = Connection::open(&target.host).await?;
    let mut tokens = vec![String::new()];
    loop {
        let body = json!({"pageToken": tokens.last()}).to_string();
        let answer: Value = serde_json::from_slice(
            connection.exchange(&target.request("GetKeyPairs", &body)?).await?,
        )?;
        match answer["nextPageToken"].as_str() {
            Some(token) => tokens.push(token.to_owned()),
            None => return Ok(tokens),
        }
    }
}

async fn measure(
    simulator: &Simulator,
    report: Report,
    settings: &Settings,
    what: &str,
    requests: Vec<Arc<[u8]>>,
    count: usize,
) -> Result<()> {
    let before = simulator.usage()?;
    let run = run(&simulator.target, requests, count, settings.connections)
        .await
        .context(what.to_owned())?;
    let cpu = simulator.usage()?.cpu.saturating_sub(before.cpu);
    let count = u32::try_from(run.count()).unwrap_or(u32::MAX).max(1);
    let rate = f64::from(count) / run.time.as_secs_f64();
    let micros = |time: std::time::Duration| time.as_micros();
    report.line(&format!(
        "{what:<28} {count:>9} {rate:>11.0} {:>6} µs {:>6} µs {:>10} µs",
        micros(run.quantile(500)),
        micros(run.quantile(990)),
        micros(cpu / count)
    ));
    Ok(())
}
