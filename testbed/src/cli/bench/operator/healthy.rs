//! What many objects cost that are as they should be: at a restart, and afterwards.

use std::time::{Duration, Instant, SystemTime};

use anyhow::Result;
use http::Request;
use kube::Client;
use testbed::operator::Operator;

use crate::cli::bench::bed::{Bed, OFTEN, UNCHANGED, restart as restart_operator, wait_for_metric};
use crate::cli::bench::figures::{Figure, Table};
use crate::cli::bench::fleet::resource;
use crate::cli::bench::machine::{memory, running_time};

/// The simulator's page size; each page is a call.
const PAGE: usize = 20;
const IDLE: Duration = Duration::from_secs(30);

/// Restarts the operator, and waits until it has found every object as it should be. Returns its
/// peak memory in KiB.
pub(super) async fn restart(
    bed: &Bed,
    operator: &mut Operator,
    size: usize,
    table: &Table,
) -> Result<u64> {
    let written = || anyhow::Ok(bed.writes()?.values().sum::<usize>());
    let (written_before, calls) = (written()?, bed.simulator.total().await?);
    let listed = list(&bed.client_as_operator().await?).await?;
    let (start, start_of_clock) = (Instant::now(), SystemTime::now());
    restart_operator(operator).await?;
    let ready = start.elapsed();
    wait_for_metric(operator, OFTEN, UNCHANGED, size).await?;
    let found = start.elapsed();
    // Whatever may still be on its way.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let requests = bed.simulator.requests_after(calls).await?;
    let pages = requests.iter().filter(|it| it.operation == "GetKeyPairs");
    let last_page = pages.map(|it| it.since(start_of_clock)).max().unwrap_or_default();
    let (_, peak) = memory(operator.pid())?;
    // The pages, and whose credentials they are.
    let expected = Figure::count(size.div_ceil(PAGE) + 1);
    let calls = Figure::count(bed.simulator.total().await? - calls);
    table.compare("restart: AWS calls (control: pages + 1)", size, calls, expected);
    let written = Figure::count(written()? - written_before);
    table.compare("restart: Kubernetes writes", size, written, Figure::count(0_u32));
    let what = "restart: time until /readyz says 200 (control: a client reads the same pages)";
    table.compare(what, size, Figure::time(ready), Figure::time(listed));
    let what = "restart: time until the last page was asked for";
    table.add(what, size, Figure::time(last_page));
    table.add("restart: time until all were found unchanged", size, Figure::time(found));
    table.add("restart: peak memory", size, Figure::memory(peak));
    Ok(peak)
}

/// How long the API server takes for a list of all key pairs, in pages of a hundred as the operator
/// reads them. Nothing is made of what comes.
pub(super) async fn list(client: &Client) -> Result<Duration> {
    let path = format!("/apis/{}/lightsailkeypairs?limit=100", resource().api_version);
    let (start, mut next) = (Instant::now(), String::new());
    loop {
        let request = Request::get(format!("{path}&continue={next}")).body(Vec::new())?;
        let page = client.request_text(request).await?;
        // It stands before the items.
        let (_, rest) = page.split_once("\"continue\":\"").unwrap_or_default();
        rest.split('"').next().unwrap_or_default().clone_into(&mut next);
        if next.is_empty() {
            return Ok(start.elapsed());
        }
    }
}

/// Watches an operator that has nothing to do.
pub(super) async fn idle(operator: &Operator, size: usize, table: &Table) -> Result<()> {
    let now = || anyhow::Ok((running_time(operator.pid())?, operator.log_text().lines().count()));
    let (cpu, lines) = now()?;
    tokio::time::sleep(IDLE).await;
    let (cpu_after, lines_after) = now()?;
    let share = cpu_after.saturating_sub(cpu).as_secs_f64() / IDLE.as_secs_f64() * 1000.0;
    table.add("idle for 30 s: CPU in thousandths of a core", size, Figure::new(share, ""));
    table.add("idle for 30 s: lines of log", size, Figure::count(lines_after - lines));
    Ok(())
}
