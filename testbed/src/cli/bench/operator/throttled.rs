//! A Lightsail that takes five requests a second: how near to the limit the operator comes, and how much it is refused.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::json;

use super::Settings;
use super::bed::Bed;
use super::fleet::{Watch, create_all, create_namespaces, fleet};
use super::table::{Figure, Table, real};

const RATE: f64 = 5.0;
const BURST: f64 = 10.0;
/// What an object needs: to be imported, looked at and tagged.
const CALLS: f64 = 3.0;

pub(super) async fn throttled(settings: &Settings, directory: &Path, table: &mut Table) -> Result<()> {
    let size = usize::try_from(settings.throttled).context("a size")?;
    let bed = Bed::start(settings, directory, "throttled").await?;
    let switches = json!({"requestsPerSecond": RATE, "burst": BURST});
    bed.simulator.admin("PATCH", "/switches", &switches.to_string()).await?;
    let mut operator = bed.start_operator().await?;
    let (client, objects) = (bed.cluster.client(), fleet(size));
    create_namespaces(&client, &objects).await?;
    let mut watch = Watch::start(&client).await?;
    let start = Instant::now();
    create_all(&client, &objects, None).await?;
    let time = watch.wait(size, Some(&mut operator)).await?.duration_since(start);
    let counts = bed.simulator.counts().await?;
    // What the limit itself takes.
    let needed = Duration::from_secs_f64((real(size) * CALLS - BURST).max(0.0) / RATE);
    let what = "throttled to 5 calls/s: time until all Ready (control: by the limit)";
    table.compare(what, size, Figure::time(time), Figure::time(needed));
    let share = real(counts.throttled()) / real(counts.total()).max(1.0) * 100.0;
    table.add("throttled to 5 calls/s: share of calls refused", size, Figure::new(share, "%"));
    drop(operator);
    bed.end()
}
