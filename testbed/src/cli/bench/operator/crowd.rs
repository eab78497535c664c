//! A quiet namespace beside one whose objects all fail, again and again: how long a new object in
//! the quiet one takes.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use kube::Client;
use kube::runtime::wait::await_condition;
use serde_json::{Value, json};

use super::run::Run;
use crate::cli::bench::bed::{SELDOM, wait_for_metric};
use crate::cli::bench::figures::{Figure, quantile};
use crate::cli::bench::fleet::{At, create, create_all, create_namespace, is_ready};

const SAMPLES: usize = 9;
/// Between samples, so that they are spread over the time in which the crowd fails.
const PAUSE: Duration = Duration::from_secs(1);
/// What becomes of an object of the crowd, again and again: between that, it looks for what its
/// import may have made.
const FAILED: &str =
    r#"lightsail_operator_reconciles_total{kind="LightsailKeyPair",outcome="ServiceError"}"#;

pub(super) async fn crowd(run: &Run<'_>) -> Result<()> {
    let (size, bed) = (run.settings.failing, run.bed("crowd").await?);
    let (operator, client) = (bed.start_operator().await?, &bed.client);
    let (crowd, quiet) =
        (objects(client, "crowd", size).await?, objects(client, "quiet", SAMPLES * 3).await?);
    let error = json!({"errorType": "ServiceException", "message": "It failed.", "status": 500});
    for At { name, .. } in &crowd {
        let effect = json!({"error": error});
        let fault = json!({"operation": "ImportKeyPair", "resource": name, "effect": effect});
        bed.simulator.admin::<Value>("POST", "/faults", Some(fault)).await?;
    }
    let alone = median(client, &quiet[..SAMPLES]).await?;
    // The crowd still comes when it is measured first.
    let at_first = median(client, &quiet[SAMPLES..SAMPLES * 2]);
    let ((), at_first) = futures::try_join!(create_all(client, &crowd, None), at_first)?;
    wait_for_metric(&operator, SELDOM, FAILED, size).await?;
    let beside = median(client, &quiet[SAMPLES * 2..]).await?;
    let tell = |what: &str, time| {
        let what = format!("quiet namespace {what}: time until Ready (control: alone)");
        run.table.compare(&what, size, Figure::time(time), Figure::time(alone));
    };
    tell("while failing objects are created beside it", at_first);
    tell("beside failing objects", beside);
    drop(operator);
    bed.end()
}

/// This many objects in a namespace, which is made for them.
async fn objects(client: &Client, namespace: &str, count: usize) -> Result<Vec<At>> {
    create_namespace(client, namespace).await?;
    let at = |number| At {
        namespace: namespace.to_owned(),
        name: format!("{namespace}-{number}"),
        ..At::default()
    };
    Ok((0..count).map(at).collect())
}

/// The median time until an object is Ready that was created just now.
async fn median(client: &Client, samples: &[At]) -> Result<Duration> {
    let mut times = Vec::new();
    for at in samples {
        let is_ready = |object: Option<&_>| object.is_some_and(is_ready);
        let ready = await_condition(at.api(client), &at.name, is_ready);
        let ready = async { ready.await.context("a sample is Ready") };
        let start = Instant::now();
        futures::try_join!(create(client, at), ready)?;
        times.push(start.elapsed());
        tokio::time::sleep(PAUSE).await;
    }
    Ok(quantile(&mut times, 500))
}
