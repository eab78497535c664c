//! A quiet namespace beside one whose objects all fail, again and again: how long a new object in
//! the quiet one takes.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use kube::Client;
use serde_json::json;
use testbed::operator::Operator;

use super::Settings;
use super::bed::{Bed, poll};
use super::fleet::{At, Watch, create, create_all, create_namespaces, crowd as objects};
use super::table::{Figure, Table};

const SAMPLES: usize = 9;
/// Between samples, so that they are spread over the time in which the crowd fails.
const PAUSE: Duration = Duration::from_secs(1);
/// How soon it is seen that all of the crowd have failed.
const LOOK: Duration = Duration::from_millis(500);
/// What an object of the crowd shows.
const FAILED: &str =
    r#"lightsail_operator_objects{kind="LightsailKeyPair",ready="false",reason="ServiceError"}"#;

pub(super) async fn crowd(settings: &Settings, directory: &Path, table: &mut Table) -> Result<()> {
    let size = usize::try_from(settings.failing).context("a size")?;
    let bed = Bed::start(settings, directory, "crowd").await?;
    let mut operator = bed.start_operator().await?;
    let client = bed.cluster.client();
    let (crowd, quiet) = (objects("crowd", size), objects("quiet", SAMPLES * 3));
    create_namespaces(&client, &crowd).await?;
    create_namespaces(&client, &quiet).await?;
    for at in &crowd {
        let fault = json!({"operation": "ImportKeyPair", "resource": at.name, "effect": {"error": {
            "errorType": "ServiceException", "message": "The service failed.", "status": 500,
        }}});
        bed.simulator.admin("POST", "/faults", &fault.to_string()).await?;
    }
    let mut watch = Watch::start(&client).await?;
    let mut samples = quiet.chunks(SAMPLES).enumerate();
    let mut next = async |operator: &mut Operator| {
        let (number, objects) = samples.next().context("there are samples for three times")?;
        median(&client, &mut watch, operator, objects, number * SAMPLES).await
    };
    let alone = next(&mut operator).await?;
    // The crowd still comes when it is measured first.
    let (created, at_first) =
        futures::join!(create_all(&client, &crowd, None), next(&mut operator));
    created?;
    let at_first = at_first?;
    let running = &operator;
    poll("all of the crowd have failed", LOOK, async || {
        let (_, metrics) = running.get("/metrics").await?;
        let failed = metrics
            .lines()
            .find_map(|line| line.strip_prefix(FAILED)?.trim().parse::<usize>().ok());
        Ok(failed.filter(|failed| *failed >= size))
    })
    .await?;
    let beside = next(&mut operator).await?;
    let mut tell = |what: &str, time| {
        let what = format!("quiet namespace {what}: time until Ready (control: alone)");
        table.compare(&what, size, Figure::time(time), Figure::time(alone));
    };
    tell("while failing objects are created beside it", at_first);
    tell("beside failing objects", beside);
    drop(operator);
    bed.end()
}

/// The median time until an object is Ready that was created just now. `before` is how many were
/// Ready already.
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
        times.push(
            watch.wait(before + times.len() + 1, Some(&mut *operator)).await?.duration_since(start),
        );
        tokio::time::sleep(PAUSE).await;
    }
    times.sort_unstable();
    Ok(times[times.len() / 2])
}
