//! Objects that come and go: whether the operator's memory ends where it began.

use anyhow::{Context, Result};
use kube::api::{DeleteParams, ListParams};

use super::run::Run;
use crate::cli::bench::bed::{SELDOM, poll};
use crate::cli::bench::figures::Figure;
use crate::cli::bench::fleet::{NAMESPACES, create_until_ready, fleet};
use crate::cli::bench::machine::memory;

const ROUNDS: usize = 6;

pub(super) async fn churn(run: &Run<'_>) -> Result<()> {
    let (size, bed) = (run.settings.churned, run.bed("churn").await?);
    let (operator, objects) = (bed.start_operator().await?, fleet(&bed.client, size).await?);
    let mut sizes = Vec::new();
    for _ in 0..ROUNDS {
        create_until_ready(&bed.client, &objects).await?;
        // The first ones are in all the namespaces.
        for at in objects.iter().take(NAMESPACES) {
            at.api(&bed.client).delete_collection(&DeleteParams::default(), &all()).await?;
        }
        for at in objects.iter().take(NAMESPACES) {
            let api = at.api(&bed.client);
            let gone =
                poll(SELDOM, async || Ok(api.list(&all()).await?.items.is_empty().then_some(())));
            gone.await.context("all objects are gone")?;
        }
        sizes.push(memory(operator.pid())?.0);
    }
    let (first, last) = (Figure::memory(sizes[0]), Figure::memory(sizes[ROUNDS - 1]));
    let what = "churn: memory after six rounds of creating and deleting (control: after the first)";
    run.table.compare(what, size, last, first);
    drop(operator);
    bed.end()
}

fn all() -> ListParams {
    ListParams::default()
}
