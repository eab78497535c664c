//! A quiet namespace beside one whose objects all fail, again and again: how long a new object in the quiet one takes.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use kube::Client;
use serde_json::json;
use testbed::operator::Operator;

use super::Settings;
use super::bed::Bed;
use super::fleet::{At, Watch, create, create_all, create_namespaces, crowd as objects};
use super::table::{Figure, Table};

const SAMPLES: usize = 5;
/// Between samples, so that they are spread over the time in which the crowd fails.
const PAUSE: Duration = Duration::from_secs(1);

pub(super) async fn crowd(settings: &Settings, directory: &Path, table: &mut Table) -> Result<()> {
    let size = usize::try_from(settings.failing).context("a size")?;
    let bed = Bed::start(settings, directory, "crowd").await?;
    let mut operator = bed.start_operator().await?;
    let client = bed.cluster.client();
    let (crowd, quiet) = (objects("crowd", size), objects("quiet", SAMPLES * 2));
    create_namespaces(&client, &crowd).await?;
    create_namespaces(&client, &quiet).await?;
    for at in &crowd {
        let fault = json!({"operation": "ImportKeyPair", "resource": at.name, "effect": {"error": {
            "errorType": "ServiceException", "message": "The service failed.", "status": 500,
        }}});
        bed.simulator.admin("POST", "/faults", &fault.to_string()).await?;
    }
    let mut watch = Watch::start(&client).await?;
    let (alone, beside) = quiet.split_at(SAMPLES);
    let alone = median(&client, &mut watch, &mut operator, alone, 0).await?;
    create_all(&client, &crowd, None).await?;
    let beside = median(&client, &mut watch, &mut operator, beside, SAMPLES).await?;
    let what = "quiet namespace beside failing objects: time until Ready (control: alone)";
    table.compare(what, size, Figure::time(beside), Figure::time(alone));
    drop(operator);
    bed.end()
}

/// The median time until an object is Ready that was created just now. `before` is how many were Ready already.
async fn median(
    client: &Client,
    watch: &mut Watch,
    operator: &mut Operator,
    samples: &[At],
    before: usize,
) -> Result<Duration> {
    let mut times = Vec::new();
    for at in samples {
        let start = Instant::now();
        create(client, at).await?;
        times.push(watch.wait(before + times.len() + 1, Some(&mut *operator)).await?.duration_since(start));
        tokio::time::sleep(PAUSE).await;
    }
    times.sort_unstable();
    Ok(times[times.len() / 2])
}
