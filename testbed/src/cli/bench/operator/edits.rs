//! How long an edit takes to reach Lightsail: from the API server's answer to the call's arrival at
//! the simulator, by the clock that both share.

use std::time::{Duration, SystemTime};

use anyhow::Result;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use testbed::operator::Operator;

use super::bed::{Bed, bounded, poll, respawn};
use super::fleet::{At, KeyPair, fleet, is_ready, resource};
use super::healthy::since;
use super::table::{Figure, Table};

const EDITS: usize = 200;
const RESTARTS: usize = 10;
/// Often enough to go on soon, and little beside the work. Times do not depend on it.
const LOOK: Duration = Duration::from_millis(10);

/// Changes a tag of an object; returns the time until the call. Ends when the object is Ready
/// again.
async fn edit(bed: &Bed, at: &At, value: &str) -> Result<Duration> {
    let api: Api<KeyPair> = Api::namespaced_with(bed.cluster.client(), &at.namespace, &resource());
    let seen = bed.simulator.counts().await?.total();
    let change = Patch::Merge(json!({"spec": {"tags": {"edit": value}}}));
    bounded("edit an object", api.patch(&at.name, &PatchParams::default(), &change)).await?;
    let patched = SystemTime::now();
    let called = poll("the call that an edit asks for", LOOK, async || {
        let requests = bed.simulator.requests_after(seen).await?;
        let is_call = |it: &&_| is_call_for(it, at);
        Ok(requests.iter().find(is_call).map(|it| it.at))
    });
    let called = called.await?;
    let ready = poll("an edited object is Ready again", LOOK, async || {
        Ok(is_ready(&api.get(&at.name).await?).then_some(()))
    });
    ready.await?;
    Ok(since(called, patched))
}

fn is_call_for(request: &crate::cli::bench::process::Request, at: &At) -> bool {
    request.operation == "TagResource" && request.resource.as_deref() == Some(&at.name)
}

/// The share is in hundredths.
fn quantile(sorted: &[Duration], share: usize) -> Duration {
    let last = sorted.len().saturating_sub(1);
    sorted.get(last * share / 100).copied().unwrap_or_default()
}

/// Edits of one object, one after the other, with nothing else to do.
pub(super) async fn idle(bed: &Bed, size: usize, table: &mut Table) -> Result<()> {
    let objects = fleet(1);
    let mut times = Vec::new();
    for number in 0..EDITS {
        times.push(edit(bed, &objects[0], &format!("idle-{number}")).await?);
    }
    times.sort_unstable();
    table.add(
        "edit, idle: time until TagResource, p50 of 200",
        size,
        Figure::time(quantile(&times, 50)),
    );
    table.add(
        "edit, idle: time until TagResource, p99 of 200",
        size,
        Figure::time(quantile(&times, 99)),
    );
    Ok(())
}

/// An edit as soon as the operator is ready after a restart, while it looks at all objects.
pub(super) async fn after_restarts(
    bed: &Bed,
    operator: &mut Operator,
    size: usize,
    table: &mut Table,
) -> Result<()> {
    // One of the many that wait for their turn to be looked at again; the first ones have it, and
    // their edits wait for the list with them.
    let all = fleet(size);
    let object = &all[size / 2];
    let mut times = Vec::new();
    for number in 0..RESTARTS {
        respawn(operator)?;
        operator.wait_until_ready().await?;
        times.push(edit(bed, object, &format!("restarted-{number}")).await?);
    }
    times.sort_unstable();
    let (middle, last) = (quantile(&times, 50), quantile(&times, 100));
    table.add(
        "edit, just restarted: time until TagResource, p50 of 10",
        size,
        Figure::time(middle),
    );
    table.add("edit, just restarted: time until TagResource, longest", size, Figure::time(last));
    Ok(())
}
