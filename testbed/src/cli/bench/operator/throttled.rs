//! A Lightsail that takes five requests a second: how near to the limit the operator comes, and how
//! much it is refused. Steadily; with an outage; and after a sudden cut.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::json;

use super::Settings;
use super::bed::{Bed, poll};
use super::fleet::{Watch, create_all, create_namespaces, fleet};
use super::healthy::RECONCILES;
use super::table::{Figure, Table, real};

const RATE: f64 = 5.0;
/// Before the cut.
const FASTER: f64 = 20.0;
/// So little that nothing comes through in an outage; the switch takes 0 for no limit.
const NOTHING: f64 = 1e-9;
const BURST: f64 = 10.0;
const OUTAGE: Duration = Duration::from_mins(1);
/// What an object needs: to be imported, looked at and tagged.
const CALLS: f64 = 3.0;
/// How exactly it is seen that it is time for a change.
const LOOK: Duration = Duration::from_millis(500);
/// What passes may come to while there are too many requests.
const EXPECTED: [&str; 4] = ["Imported", "Throttled", "Unchanged", "Conflict"];

/// What Lightsail does when a quarter of the calls were taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Steady,
    Outage,
    Cut,
}

impl Way {
    fn name(self) -> &'static str {
        match self {
            Self::Steady => "throttled to 5 calls/s",
            Self::Outage => "throttled to 5 calls/s, with none for 60 s",
            Self::Cut => "throttled to 20 calls/s, suddenly to 5",
        }
    }
}

/// All three at the same time: they have next to nothing to do.
pub(super) async fn throttled(
    settings: &Settings,
    directory: &Path,
    table: &mut Table,
) -> Result<()> {
    let measure = |way, name| measure(settings, directory, way, name);
    let (steady, outage, cut) = futures::try_join!(
        measure(Way::Steady, "throttled"),
        measure(Way::Outage, "throttled-outage"),
        measure(Way::Cut, "throttled-cut"),
    )?;
    for (way, measured) in [(Way::Steady, steady), (Way::Outage, outage), (Way::Cut, cut)] {
        let (name, size) = (way.name(), measured.size);
        let what = format!("{name}: time until all Ready (control: by the limit)");
        table.compare(&what, size, Figure::time(measured.time), Figure::time(measured.needed));
        table.add(
            &format!("{name}: share of calls refused"),
            size,
            Figure::new(measured.refused, "%"),
        );
        let what = format!("{name}: passes that ended otherwise than Imported or Throttled");
        table.add(&what, size, Figure::count(measured.others));
    }
    Ok(())
}

struct Measured {
    size: usize,
    time: Duration,
    needed: Duration,
    /// In hundredths of all calls.
    refused: f64,
    others: u32,
}

async fn measure(settings: &Settings, directory: &Path, way: Way, name: &str) -> Result<Measured> {
    let size = usize::try_from(settings.throttled).context("a size")?;
    let bed = Bed::start(settings, directory, name).await?;
    limit(&bed, if way == Way::Cut { FASTER } else { RATE }).await?;
    let mut operator = bed.start_operator().await?;
    let (client, objects) = (bed.cluster.client(), fleet(size));
    create_namespaces(&client, &objects).await?;
    let mut watch = Watch::start(&client).await?;
    let start = Instant::now();
    create_all(&client, &objects, None).await?;
    let calls = real(size) * CALLS;
    // What the limit itself takes: first a burst, and then so many a second.
    let mut needed = Duration::from_secs_f64((calls - BURST).max(0.0) / RATE);
    if way != Way::Steady {
        let taken = quarter(&bed, calls / 4.0).await?;
        let until_now = start.elapsed();
        if way == Way::Outage {
            limit(&bed, NOTHING).await?;
            tokio::time::sleep(OUTAGE).await;
            needed += OUTAGE;
        } else {
            needed = until_now + Duration::from_secs_f64((calls - taken).max(0.0) / RATE);
        }
        limit(&bed, RATE).await?;
    }
    let time = watch.wait(size, Some(&mut operator)).await?.duration_since(start);
    let counts = bed.simulator.counts().await?;
    let refused = real(counts.throttled()) / real(counts.total()).max(1.0) * 100.0;
    let (_, metrics) = operator.get("/metrics").await?;
    let others = metrics.lines().filter_map(others).sum();
    drop(operator);
    bed.end()?;
    Ok(Measured { size, time, needed, refused, others })
}

async fn limit(bed: &Bed, rate: f64) -> Result<()> {
    let switches = json!({"requestsPerSecond": rate, "burst": BURST});
    bed.simulator.admin("PATCH", "/switches", &switches.to_string()).await?;
    Ok(())
}

/// Waits until so many calls were taken; how many it were then.
async fn quarter(bed: &Bed, calls: f64) -> Result<f64> {
    poll("a quarter of the calls", LOOK, async || {
        let counts = bed.simulator.counts().await?;
        let taken = real(counts.total()) - real(counts.throttled());
        Ok((taken >= calls).then_some(taken))
    })
    .await
}

/// How many passes a line of the metrics counts that are not expected here.
fn others(line: &str) -> Option<u32> {
    let (labels, count) = line.strip_prefix(RECONCILES)?.rsplit_once(' ')?;
    let is_expected = EXPECTED.iter().any(|outcome| labels.contains(&format!("\"{outcome}\"")));
    if is_expected { None } else { count.parse().ok() }
}
