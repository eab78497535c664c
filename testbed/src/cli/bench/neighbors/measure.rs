//! The measurement of one attack.

use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::attack::Attack;
use super::aws::{Calls, QUIET};
use super::ground::{Ground, HOSTILE};
use super::lease::{LeaseWatch, Renewals};
use super::objects::{delete_all, reasons};
use super::probes::{Probed, Probes};
use super::quiet::{BARE, SAMPLES, Sampled, Times, sample};
use super::replicas::{Replicas, Seen};
use super::row::Row;
use crate::cli::bench::bare_client::BareClient;
use crate::cli::bench::bed::{Bed, Stage};
use crate::cli::bench::figures::{Figure, real};
use crate::cli::bench::fleet::create_namespace;

/// How long the quiet namespace is measured at least once all of the attack is there.
const HOLD: Duration = Duration::from_secs(10);
/// Regions of Lightsail that nobody has used yet: for the control, and beside the attack.
const NEW_REGIONS: [&str; 2] = ["ca-central-1", "us-east-2"];

/// The rows of an attack, and what else is to be said.
pub(super) async fn measure(
    attack: Attack,
    stage: &Stage,
    limit: Option<u64>,
    directory: &Path,
) -> Result<(Vec<Row>, Vec<String>)> {
    let bed = Bed::start(stage, &stage.binary()?, directory).await?;
    for namespace in [QUIET, BARE, HOSTILE] {
        create_namespace(&bed.client, namespace).await?;
    }
    let replicas = Replicas::start(&bed, limit).await?;
    let ground = Ground { bed: &bed, replicas: &replicas, notes: RefCell::default() };
    attack.prepare(&ground).await.context("prepare the attack")?;
    let measured = tokio::select! {
        measured = Box::pin(beside_replicas(attack, &ground)) => measured?,
        ended = replicas.look_after() => bail!("the replicas: {ended:?}"),
    };
    let mut notes = ground.notes.take();
    notes.extend(measured.notes());
    drop(replicas);
    bed.end()?;
    Ok((measured.rows(&attack.name_and_sentence()?.0), notes))
}

/// What the quiet namespace sees.
struct Quiet {
    times: Sampled,
    /// In a region that nobody has used yet, if the attack fills regions.
    in_new_region: Option<Times>,
}

impl Quiet {
    /// A key pair in a region that nobody has used yet, after those of `times`.
    async fn new(ground: &Ground<'_>, attack: Attack, times: Sampled, region: &str) -> Self {
        let in_new_region = if attack.fills_regions() {
            let times = sample(ground.client(), None, "new", Some(region), 1, || true);
            Some(Box::pin(times).await.operator)
        } else {
            None
        };
        Self { times, in_new_region }
    }
}

/// All figures.
struct Measured {
    alone: Quiet,
    beside: Quiet,
    probed_alone: Probed,
    probed_beside: Probed,
    /// Memory in KiB; none could not be read.
    before: Option<u64>,
    after: Result<u64>,
    seen: Seen,
    /// While the attack lasted, and while its objects were deleted.
    renewals: [Renewals; 2],
    calls: Calls,
    /// Of the hostile objects, when the attack ended.
    reasons: Result<String>,
    gone: Result<()>,
}

/// The measurement itself, while somebody looks after the replicas.
async fn beside_replicas(attack: Attack, ground: &Ground<'_>) -> Result<Measured> {
    let (client, replicas) = (ground.client(), ground.replicas);
    let probes = Probes::start(&replicas.addresses);
    let lease = LeaseWatch::start(client.clone());

    // The first one waits for the account and the list, which is not what is measured.
    let bare = BareClient::new(ground.bed.client_as_operator().await?, None);
    Box::pin(sample(client, Some(&bare), "first", None, 1, || true)).await;
    let times = Box::pin(sample(client, Some(&bare), "alone", None, SAMPLES, || true)).await;
    let alone = Quiet::new(ground, attack, times, NEW_REGIONS[0]).await;
    let (probed_alone, before) = (probes.take(), replicas.resident());
    lease.take();
    replicas.begin();

    let mut calls = Calls::from_now(&ground.bed.simulator).await?;
    let beside = tokio::select! {
        beside = Box::pin(attack_beside_quiet(attack, ground, bare)) => beside?,
        followed = calls.follow(&ground.bed.simulator) => bail!("count calls: {followed:?}"),
    };
    calls.read(&ground.bed.simulator).await?;
    let (probed_beside, during) = (probes.take(), lease.take());
    let reasons = reasons(client, HOSTILE).await;

    attack.relent(ground).await.context("end the attack")?;
    let gone = delete_all(client, HOSTILE).await;
    let after = replicas.resident_at_rest().await;
    let (seen, renewals) = (replicas.seen(), [during, lease.take()]);
    Ok(Measured {
        alone,
        beside,
        probed_alone,
        probed_beside,
        before,
        after,
        seen,
        renewals,
        calls,
        reasons,
        gone,
    })
}

/// The attack, and the quiet namespace at the same time.
async fn attack_beside_quiet(
    attack: Attack,
    ground: &Ground<'_>,
    bare: BareClient,
) -> Result<Quiet> {
    let is_over = Arc::new(AtomicBool::new(false));
    // In a task of its own, so that the attack's own work delays it little.
    let quiet = tokio::spawn({
        let (client, is_over) = (ground.client().clone(), Arc::clone(&is_over));
        async move {
            let is_over = || is_over.load(Ordering::Relaxed);
            Box::pin(sample(&client, Some(&bare), "beside", None, SAMPLES, is_over)).await
        }
    });
    let hostile = async {
        let kept = attack.attack(ground).await.context("the attack");
        tokio::time::sleep(HOLD).await;
        is_over.store(true, Ordering::Relaxed);
        kept
    };
    let (kept, times) = futures::join!(hostile, quiet);
    let times = times.context("the quiet namespace")?;
    let beside = Quiet::new(ground, attack, times, NEW_REGIONS[1]).await;
    drop(kept?);
    Ok(beside)
}

impl Measured {
    fn rows(&self, name: &str) -> Vec<Row> {
        let (alone, beside) = (&self.alone.times, &self.beside.times);
        let [during, afterwards] = &self.renewals;
        let first = [
            name.to_owned(),
            alone.operator.text(),
            beside.operator.text(),
            beside.operator.ratio(&alone.operator),
            alone.bare.text(),
            beside.bare.text(),
            beside.bare.ratio(&alone.bare),
            mebibytes(self.before),
            mebibytes(Some(self.seen.peak).filter(|peak| *peak > 0)),
            mebibytes(self.after.as_ref().ok().copied()),
            (during.missed + afterwards.missed).to_string(),
            (during.transitions + afterwards.transitions).to_string(),
            self.seen.exits.len().to_string(),
            self.probed_alone.text(),
            self.probed_beside.text(),
            self.calls.text(),
        ];
        let new = self.alone.in_new_region.as_ref().zip(self.beside.in_new_region.as_ref());
        let second = new.map(|(alone, beside)| {
            let mut row = Row::default();
            row[0] = format!("{name}, a new region");
            row[1..4].clone_from_slice(&[alone.text(), beside.text(), beside.ratio(alone)]);
            row
        });
        std::iter::once(first).chain(second).collect()
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        for (when, times) in [("alone", &self.alone.times), ("beside", &self.beside.times)] {
            notes.extend(times.operator.notes(&format!("quiet {when}")));
            notes.extend(times.bare.notes(&format!("bare {when}")));
        }
        let new = self.beside.in_new_region.iter();
        notes.extend(new.flat_map(|times| times.notes("quiet in a new region")));
        let reasons = self.reasons.as_ref().map_or_else(ToString::to_string, Clone::clone);
        notes.push(format!("hostile objects: {reasons}"));
        notes.push(format!("AWS: {}", self.calls.most()));
        notes.extend(self.seen.exits_by_reason());
        notes.extend(self.seen.doubts.iter().cloned());
        let unread: usize = self.renewals.iter().map(|renewals| renewals.unread).sum();
        notes.extend((unread > 0).then(|| format!("the Lease could not be read {unread} times")));
        let errors = self.gone.as_ref().err().into_iter().chain(self.after.as_ref().err());
        notes.extend(errors.map(|error| format!("after the attack: {error:#}")));
        notes
    }
}

fn mebibytes(kibibytes: Option<u64>) -> String {
    let figure = |kibibytes| Figure::new(real(kibibytes) / 1024.0, "").to_string();
    kibibytes.map_or("failed".to_owned(), figure)
}
