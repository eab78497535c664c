//! What all figures of a creation are compared with: the [`BareClient`].

use std::time::Instant;

use anyhow::{Context, Result};
use futures::channel::mpsc;
use futures::{StreamExt, TryStreamExt};

use super::run::Run;
use crate::cli::bench::bare_client::BareClient;
use crate::cli::bench::fleet::{At, UntilReady, all_ready, create_all, fleet};

/// As many as the operator works on at the same time.
const AT_ONCE: usize = 10;

/// How long it takes for this many objects, on a control plane of its own.
pub(super) async fn control(run: &Run<'_>, size: usize) -> Result<UntilReady> {
    let bed = run.bed(&format!("control-{size}")).await?;
    let objects = fleet(&bed.client, size).await?;
    let ((teller, told), lightsail) = (mpsc::unbounded(), Some(bed.simulator.target.clone()));
    let bare = BareClient::new(bed.client_as_operator().await?, lightsail);
    let ready = all_ready(&bed.client, size, Instant::now());
    let work = told.map(Ok).try_for_each_concurrent(AT_ONCE, async |at: At| {
        bare.make_ready(&at).await.with_context(|| format!("the control run at {at:?}"))
    });
    let created = create_all(&bed.client, &objects, Some(teller));
    let ((), (), ready) = futures::try_join!(created, work, ready)?;
    bed.end()?;
    Ok(ready)
}
