//! How many requests the simulator serves with many key pairs in a region, signatures checked, and
//! what memory it takes.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Context, Result};
use futures::future::try_join_all;
use serde_json::{Value, json};

use super::client::{Request, Target};
use super::figures::{quantile, real};
use super::machine::{machine, memory, running_time};
use super::process::Simulator;
use crate::cli::report::Report;

/// A throw-away key.
pub(super) const KEY: &str = "ssh-ed25519 \
    AAAAC3NzaC1lZDI1NTE5AAAAIGYGM/NPcdGggttKSC7j5z5y179RRUwu3mytcqmkhNbA bench@lightsail";

/// This many different requests of a kind are signed ahead.
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
    let (pairs, connections, target) =
        (settings.key_pairs, settings.connections, &simulator.target);
    report.line(&format!(
        "{pairs} key pairs in a region, {connections} connections, every signature checked\n\
         {:<28} {:>9} {:>11} {:>9} {:>9} {:>13}",
        "", "requests", "a second", "median", "p99", "CPU a request"
    ));
    let mebibytes = || anyhow::Ok(memory(simulator.pid())?.0 / 1024);
    let measure = async |what: &str, requests: Vec<Request>, count: usize| {
        let line = measure(&simulator, connections, what, requests, count).await;
        report.line(&line.context(what.to_owned())?);
        anyhow::Ok(())
    };

    let idle = mebibytes()?;
    let name = |number: usize| format!("pair-{number:06}");
    let import = |number| json!({"keyPairName": name(number), "publicKeyBase64": KEY});
    let imports = signed(target, "ImportKeyPair", (0..pairs).map(import))?;
    measure("ImportKeyPair", imports, pairs).await?;
    let filled = mebibytes()?;

    let spread = || (0..DISTINCT).map(|number| name(number * pairs.max(1) / DISTINCT));
    let gets = signed(target, "GetKeyPair", spread().map(|name| json!({"keyPairName": name})))?;
    let tokens = tokens(target).await?.into_iter();
    let lists = signed(target, "GetKeyPairs", tokens.map(|token| json!({"pageToken": token})))?;
    let tag = |name| json!({"resourceName": name, "tags": [{"key": "n", "value": name}]});
    let tags = signed(target, "TagResource", spread().map(tag))?;
    let of = |name| json!({"resourceName": name});
    let operations = signed(target, "GetOperationsForResource", spread().map(of))?;
    // Seven gets, a page, a change and a read of operations of every ten.
    let mix = (0..DISTINCT).map(|number| match number % 10 {
        0 => lists[number % lists.len()].clone(),
        1 => tags[number].clone(),
        2 => operations[number].clone(),
        _ => gets[number].clone(),
    });
    let mix = mix.collect();
    for (what, requests) in [
        ("GetKeyPair", gets),
        ("GetKeyPairs, a page of 20", lists),
        ("TagResource", tags),
        ("GetOperationsForResource", operations),
        ("a mix of these", mix),
    ] {
        measure(what, requests, settings.requests).await?;
    }
    let end = mebibytes()?;
    report.line(&format!(
        "memory of the simulator: {idle} MiB idle, {filled} MiB with the key pairs, {end} MiB at \
            the end"
    ));
    Ok(ExitCode::SUCCESS)
}

fn signed(
    target: &Target,
    operation: &str,
    inputs: impl Iterator<Item = Value>,
) -> Result<Vec<Request>> {
    inputs.map(|input| target.call(operation, &input)).collect()
}

/// The tokens of all pages, which also shows that a walk over them comes to an end.
async fn tokens(target: &Target) -> Result<Vec<String>> {
    let mut tokens = vec![String::new()];
    loop {
        let request = target.call("GetKeyPairs", &json!({"pageToken": tokens.last()}))?;
        let answer: Value = serde_json::from_slice(&target.send(request).await?)?;
        match answer["nextPageToken"].as_str() {
            Some(token) => tokens.push(token.to_owned()),
            None => return Ok(tokens),
        }
    }
}

/// Sends the requests in turn, over this many connections, until `count` are answered. A line that
/// tells how that went.
async fn measure(
    simulator: &Simulator,
    connections: usize,
    what: &str,
    requests: Vec<Request>,
    count: usize,
) -> Result<String> {
    let shared = Arc::new((AtomicUsize::new(0), requests, simulator.target.clone()));
    let (cpu, start) = (running_time(simulator.pid())?, Instant::now());
    let workers = (0..connections).map(|_| {
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let ((next, requests, target), mut latencies) = (&*shared, Vec::new());
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return anyhow::Ok(latencies);
                }
                let (request, sent) = (requests[number % requests.len()].clone(), Instant::now());
                target.send(request).await?;
                latencies.push(sent.elapsed());
            }
        })
    });
    let workers = try_join_all(workers).await.context("a worker panicked")?;
    let rate = real(count) / start.elapsed().as_secs_f64();
    let cpu = running_time(simulator.pid())?.saturating_sub(cpu).as_secs_f64() * 1e6;
    let mut latencies = workers.into_iter().collect::<Result<Vec<_>>>()?.concat();
    let [median, late] = [500, 990].map(|share| quantile(&mut latencies, share).as_micros());
    let cpu = cpu / real(count.max(1));
    Ok(format!("{what:<28} {count:>9} {rate:>11.0} {median:>6} µs {late:>6} µs {cpu:>10.0} µs"))
}
