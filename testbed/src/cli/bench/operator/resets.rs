//! How long after its call a reset is Complete whose operation Lightsail ends a moment later: from
//! the call's arrival at the simulator to what a client reads, by the clock that both share.

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use kube::Api;
use kube::api::{DynamicObject, PostParams};
use serde_json::{Value, json};

use super::run::Run;
use crate::cli::bench::bed::{Bed, OFTEN, poll};
use crate::cli::bench::figures::{Figure, quantile};
use crate::cli::bench::fleet::{create_namespace, resets as kind};
use crate::cli::simulator::REGION;

const NAMESPACE: &str = "resets";
/// The one that the simulator begins with.
const INSTANCE: &str = "web-1";
const SAMPLES: usize = 20;
/// How long Lightsail takes.
const TIMES: [Duration; 2] = [Duration::from_millis(300), Duration::from_secs(2)];

/// One reset after the other, for each time that an operation takes.
pub(super) async fn resets(run: &Run<'_>) -> Result<()> {
    let bed = run.bed("resets").await?;
    let operator = bed.start_operator().await?;
    create_namespace(&bed.client, NAMESPACE).await?;
    for time in TIMES {
        let switches = json!({ "operationTime": time.as_secs_f64() });
        let _: Value = bed.simulator.admin("PATCH", "/switches", Some(switches)).await?;
        let mut times = Vec::new();
        for number in 0..SAMPLES {
            times.push(reset(&bed, &format!("after-{}-{number}", time.as_millis())).await?);
        }
        let takes = Figure::time(time);
        for (name, share) in [("p50 of 20", 500), ("longest", 1000)] {
            let what = format!(
                "reset that Lightsail ends after {takes}: time from the call until Complete, {name}"
            );
            let figure = Figure::time(quantile(&mut times, share));
            run.table.compare(&what, 1, figure, Figure::time(time));
        }
    }
    drop(operator);
    bed.end()
}

/// Creates a reset; returns the time from its call until it is Complete.
async fn reset(bed: &Bed, name: &str) -> Result<Duration> {
    let api: Api<DynamicObject> = Api::namespaced_with(bed.client.clone(), NAMESPACE, &kind());
    let spec = json!({ "region": REGION, "instanceName": INSTANCE, "reason": "benchmark" });
    let object = DynamicObject::new(name, &kind()).data(json!({ "spec": spec }));
    let seen = bed.simulator.total().await?;
    api.create(&PostParams::default(), &object).await.context("create a reset")?;
    let complete = poll(OFTEN, async || {
        let is_there = is_complete(&api.get(name).await?);
        Ok(is_there.then(SystemTime::now))
    });
    let complete = complete.await.context("a reset is Complete")?;
    let requests = bed.simulator.requests_after(seen).await?;
    let call = requests.iter().find(|it| it.operation == "DeleteKnownHostKeys");
    Ok(call.context("the call of a reset")?.until(complete))
}

fn is_complete(object: &DynamicObject) -> bool {
    let mut conditions = object.data["status"]["conditions"].as_array().into_iter().flatten();
    conditions.any(|it| it["type"] == "Complete" && it["status"] == "True")
}
