//! A Lightsail that takes five requests a second: how near to the limit the operator comes, and how
//! much it is refused. Steadily; with an outage; and after a sudden cut.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::run::Run;
use crate::cli::bench::bed::{SELDOM, poll};
use crate::cli::bench::figures::{Figure, quantile, real};
use crate::cli::bench::fleet::{all_ready, create_all, fleet};

const RATE: f64 = 5.0;
/// So little that nothing comes through in an outage; the switch takes 0 for no limit.
const NOTHING: f64 = 1e-9;
const BURST: f64 = 10.0;
/// What an object needs: to be imported and tagged.
const CALLS: f64 = 2.0;
/// What reconciliations may come to while there are too many requests.
const EXPECTED: [&str; 5] = ["Imported", "InProgress", "Throttled", "Unchanged", "Conflict"];

/// All three at the same time: they have next to nothing to do.
pub(super) async fn throttled(run: &Run<'_>) -> Result<()> {
    let (minute, none) = (Duration::from_mins(1), Duration::ZERO);
    let steady = measure(run, "throttled to 5 calls/s", RATE, none);
    let outage = measure(run, "throttled to 5 calls/s, with none for 60 s", RATE, minute);
    let cut = measure(run, "throttled to 20 calls/s, suddenly to 5", 20.0, none);
    futures::try_join!(steady, outage, cut).map(drop)
}

/// Lightsail takes this many calls a second at first. When a quarter of them were taken comes an
/// outage, if any, and from then on it takes five.
async fn measure(run: &Run<'_>, name: &str, first: f64, outage: Duration) -> Result<()> {
    let (size, bed) = (run.settings.throttled, run.bed(name).await?);
    let limit = async |rate: f64| {
        let switches = json!({"requestsPerSecond": rate, "burst": BURST});
        bed.simulator.admin::<Value>("PATCH", "/switches", Some(switches)).await.map(drop)
    };
    let refused = || bed.simulator.count(|_, outcome| outcome.contains("Throttl"));
    limit(first).await?;
    let operator = bed.start_operator().await?;
    let objects = fleet(&bed.client, size).await?;
    let (start, calls) = (Instant::now(), real(size) * CALLS);
    let change = async {
        create_all(&bed.client, &objects, None).await?;
        let taken = poll(SELDOM, async || {
            let taken = real(bed.simulator.total().await? - refused().await?);
            Ok((taken >= calls / 4.0).then_some(taken))
        });
        let (taken, until_now) = (taken.await.context("a quarter of the calls")?, start.elapsed());
        if !outage.is_zero() {
            limit(NOTHING).await?;
            tokio::time::sleep(outage).await;
        }
        limit(RATE).await?;
        // What the limit itself takes: first a burst, and then this many a second.
        let at_rate = |calls: f64| Duration::from_secs_f64(calls.max(0.0) / RATE);
        let is_cut = first > RATE;
        Ok(if is_cut {
            until_now + at_rate(calls - taken)
        } else {
            outage + at_rate(calls - BURST)
        })
    };
    let (needed, mut ready) = futures::try_join!(change, all_ready(&bed.client, size, start))?;
    let share = real(refused().await?) / real(bed.simulator.total().await?) * 100.0;
    let (_, metrics) = operator.get("/metrics").await?;
    let others = metrics.lines().filter_map(others).sum::<u32>();
    let what = |what: &str| format!("{name}: {what}");
    let (time, needed) = (Figure::time(ready.all), Figure::time(needed));
    run.table.compare(&what("time until all Ready (control: by the limit)"), size, time, needed);
    for (name, share) in [("p50", 500), ("p99", 990)] {
        let time = Figure::time(quantile(&mut ready.each, share));
        run.table.add(&what(&format!("time until an object is Ready, {name}")), size, time);
    }
    run.table.add(&what("share of calls refused"), size, Figure::new(share, "%"));
    let what = what("reconciliations with an outcome other than Imported or Throttled");
    run.table.add(&what, size, Figure::count(others));
    drop(operator);
    bed.end()
}

/// How many reconciliations a line of the metrics counts that are not expected here.
fn others(line: &str) -> Option<u32> {
    let line = line.strip_prefix("lightsail_operator_reconciles_total")?;
    let (labels, count) = line.rsplit_once(' ')?;
    let is_expected = EXPECTED.iter().any(|outcome| labels.contains(&format!("\"{outcome}\"")));
    if is_expected { None } else { count.parse().ok() }
}
