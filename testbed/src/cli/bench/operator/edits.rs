//! How long an edit takes to reach Lightsail: from the API server's answer to the call's arrival at
//! the simulator, by the clock that both share.

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use kube::api::{Patch, PatchParams};
use serde_json::json;
use testbed::operator::Operator;

use crate::cli::bench::bed::{Bed, OFTEN, poll, restart};
use crate::cli::bench::figures::{Figure, Table, quantile};
use crate::cli::bench::fleet::{At, fleet, is_ready};

const EDITS: usize = 200;
const RESTARTS: usize = 10;

/// Changes a tag of an object; returns the time until the call. Ends when the object is Ready
/// again.
async fn edit(bed: &Bed, at: &At, value: &str) -> Result<Duration> {
    let (api, seen) = (at.api(&bed.client), bed.simulator.total().await?);
    let change = Patch::Merge(json!({"spec": {"tags": {"edit": value}}}));
    api.patch(&at.name, &PatchParams::default(), &change).await.context("edit an object")?;
    let patched = SystemTime::now();
    let called = poll(OFTEN, async || {
        let requests = bed.simulator.requests_after(seen).await?;
        let mut tags = requests.iter().filter(|it| it.operation == "TagResource");
        let call = tags.find(|it| it.resource.as_deref() == Some(&at.name));
        Ok(call.map(|call| call.since(patched)))
    });
    let called = called.await.context("the call that an edit asks for")?;
    let ready = poll(OFTEN, async || Ok(is_ready(&api.get(&at.name).await?).then_some(())));
    ready.await.context("an edited object is Ready again")?;
    Ok(called)
}

/// Edits of one object, one after the other, with nothing else to do.
pub(super) async fn idle(bed: &Bed, size: usize, table: &Table) -> Result<()> {
    let (object, mut times) = (&fleet(&bed.client, 1).await?[0], Vec::new());
    for number in 0..EDITS {
        times.push(edit(bed, object, &format!("idle-{number}")).await?);
    }
    let [middle, late] = [500, 990].map(|share| Figure::time(quantile(&mut times, share)));
    table.add("edit, idle: time until TagResource, p50 of 200", size, middle);
    table.add("edit, idle: time until TagResource, p99 of 200", size, late);
    Ok(())
}

/// An edit as soon as the operator is ready after a restart, while it reconciles all objects.
pub(super) async fn after_restarts(
    bed: &Bed,
    operator: &mut Operator,
    size: usize,
    table: &Table,
) -> Result<()> {
    // Some of them wait for the list by then, and most wait for their turn.
    let (objects, mut times) = (fleet(&bed.client, size).await?, Vec::new());
    for number in 0..RESTARTS {
        restart(operator).await?;
        let object = &objects[number * size / RESTARTS];
        times.push(edit(bed, object, &format!("restarted-{number}")).await?);
    }
    let [middle, last] = [500, 1000].map(|share| Figure::time(quantile(&mut times, share)));
    table.add("edit, just restarted: time until TagResource, p50 of 10", size, middle);
    table.add("edit, just restarted: time until TagResource, longest", size, last);
    Ok(())
}
