//! Objects that come and go: whether the operator's memory ends where it began.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use kube::Api;
use kube::api::{DeleteParams, ListParams};

use super::Settings;
use super::bed::{Bed, bounded, poll};
use super::fleet::{KeyPair, NAMESPACES, Watch, create_all, create_namespaces, fleet, resource};
use super::table::{Figure, Table};
use crate::cli::bench::machine::Usage;

const ROUNDS: usize = 6;
const LOOK: Duration = Duration::from_millis(200);

pub(super) async fn churn(settings: &Settings, directory: &Path, table: &mut Table) -> Result<()> {
    let size = usize::try_from(settings.churned).context("a size")?;
    let bed = Bed::start(settings, directory, "churn").await?;
    let mut operator = bed.start_operator().await?;
    let (client, objects) = (bed.cluster.client(), fleet(size));
    create_namespaces(&client, &objects).await?;
    let mut memory = Vec::new();
    for _ in 0..ROUNDS {
        let mut watch = Watch::start(&client).await?;
        create_all(&client, &objects, None).await?;
        watch.wait(size, Some(&mut operator)).await?;
        // The first ones are in all the namespaces.
        for at in objects.iter().take(NAMESPACES) {
            let api: Api<KeyPair> =
                Api::namespaced_with(client.clone(), &at.namespace, &resource());
            let (how, which) = (DeleteParams::default(), ListParams::default());
            bounded("delete the objects of a namespace", api.delete_collection(&how, &which))
                .await?;
        }
        let api: Api<KeyPair> = Api::all_with(client.clone(), &resource());
        poll("all objects are gone", LOOK, async || {
            let left = api.list(&ListParams::default().limit(1)).await?;
            Ok(left.items.is_empty().then_some(()))
        })
        .await?;
        memory.push(Usage::of(operator.pid())?.memory);
    }
    let (first, last) =
        memory.first().copied().zip(memory.last().copied()).context("there are rounds")?;
    let what = "churn: memory after six rounds of creating and deleting (control: after the first)";
    table.compare(what, size, Figure::memory(last), Figure::memory(first));
    drop(operator);
    bed.end()
}
