//! What many objects cost that are as they should be: at a restart, and afterwards.

use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result};
use http::Request;
use kube::Client;
use testbed::operator::Operator;

use super::bed::{Bed, bounded, poll, respawn};
use super::fleet::resource;
use super::table::{Figure, Table};
use crate::cli::bench::machine::{Usage, running_time};

/// The simulator's page size; each page is a call.
const PAGE: usize = 20;
const IDLE: Duration = Duration::from_secs(30);
/// How exact times are that are polled for.
const LOOK: Duration = Duration::from_millis(10);
/// The metric that counts passes by kind and outcome.
pub(super) const RECONCILES: &str = "lightsail_operator_reconciles_total";
/// The metric that counts objects which were found as they should be.
pub(super) const UNCHANGED: &str =
    r#"lightsail_operator_reconciles_total{kind="LightsailKeyPair",outcome="Unchanged"}"#;

/// A time of the simulator's log, since another one.
pub(super) fn since(at: f64, start: SystemTime) -> Duration {
    let start = start.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    // Clocks may be set back.
    Duration::try_from_secs_f64(at - start).unwrap_or_default()
}

/// Restarts the operator, and waits until it has found every object as it should be. Returns its
/// peak memory in KiB.
pub(super) async fn restart(
    bed: &mut Bed,
    operator: &mut Operator,
    size: usize,
    table: &mut Table,
) -> Result<u64> {
    // What was written before.
    bed.audit.writes()?;
    let listed = list(&bed.client_as_operator().await?).await?;
    let calls = bed.simulator.counts().await?;
    // The list and whose credentials they are: two pairs beside the fleet would be on a page of
    // their own.
    let pages = u64::try_from(size.div_ceil(PAGE)).context("a number of pages")?;
    let (start, start_of_clock) = (Instant::now(), SystemTime::now());
    respawn(operator)?;
    operator.wait_until_ready().await?;
    let ready = start.elapsed();
    let running = &*operator;
    let found = poll("every object is found unchanged", LOOK, async || {
        let (_, metrics) = running.get("/metrics").await?;
        let count = metrics
            .lines()
            .find_map(|line| line.strip_prefix(UNCHANGED)?.trim().parse::<usize>().ok());
        Ok(count.filter(|count| *count >= size).map(|_| start.elapsed()))
    });
    let found = found.await?;
    // Whatever may still be on its way.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let requests = bed.simulator.requests_after(calls.total()).await?;
    let last_page = requests
        .iter()
        .filter(|it| it.operation == "GetKeyPairs")
        .map(|it| it.at)
        .fold(0.0, f64::max);
    let made = bed.simulator.counts().await?.total() - calls.total();
    let writes = bed.audit.writes().context("read the audit log")?.total();
    let peak = Usage::of(operator.pid())?.peak;
    let expected = Figure::count(pages + 1);
    table.compare(
        "restart: calls of AWS (control: pages + 1)",
        size,
        Figure::count(made),
        expected,
    );
    table.compare(
        "restart: writes of Kubernetes",
        size,
        Figure::count(writes),
        Figure::count(0_u32),
    );
    let what = "restart: time until /readyz says 200 (control: a client reads the same pages)";
    table.compare(what, size, Figure::time(ready), Figure::time(listed));
    table.add(
        "restart: time until the last page was asked for",
        size,
        Figure::time(since(last_page, start_of_clock)),
    );
    table.add("restart: time until all were found unchanged", size, Figure::time(found));
    table.add("restart: peak memory", size, Figure::memory(peak));
    Ok(peak)
}

/// How long the API server takes for a list of all key pairs, by pages as the operator asks for
/// them. Nothing is made of what comes.
async fn list(client: &Client) -> Result<Duration> {
    let resource = resource();
    let path = format!("/apis/{}/{}?limit=500", resource.api_version, resource.plural);
    let (start, mut next) = (Instant::now(), String::new());
    loop {
        let request = Request::get(format!("{path}&continue={next}")).body(Vec::new())?;
        let page = bounded("read a page", client.request_text(request)).await?;
        // It stands before the items.
        let (_, rest) = page.split_once("\"continue\":\"").unwrap_or_default();
        rest.split('"').next().unwrap_or_default().clone_into(&mut next);
        if next.is_empty() {
            return Ok(start.elapsed());
        }
    }
}

/// Looks at an operator that has nothing to do.
pub(super) async fn idle(operator: &Operator, size: usize, table: &mut Table) -> Result<()> {
    let lines = || operator.log_text().lines().count();
    let (before, lines_before, start) = (running_time(operator.pid())?, lines(), Instant::now());
    tokio::time::sleep(IDLE).await;
    let cpu = running_time(operator.pid())?.saturating_sub(before);
    let share = cpu.as_secs_f64() / start.elapsed().as_secs_f64() * 1000.0;
    table.add("idle for 30 s: CPU in thousandths of a core", size, Figure::new(share, ""));
    let lines = lines().saturating_sub(lines_before);
    table.add("idle for 30 s: lines of log", size, Figure::count(lines));
    Ok(())
}
