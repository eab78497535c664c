//! Ten times as many objects as one operator is made for: four operators that share them by label,
//! and one with all of them. What an object takes is compared with what it takes among a tenth as
//! many in one process.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use kube::Api;
use kube::api::{DynamicObject, ListParams};
use testbed::operator::Operator;

use super::edits;
use super::healthy::list;
use super::run::Run;
use crate::cli::bench::bed::{Bed, SELDOM, UNCHANGED, metric, restarted};
use crate::cli::bench::figures::{Figure, Table, real};
use crate::cli::bench::fleet::{At, SHARD, create_all, fleet, is_ready, resource};
use crate::cli::bench::machine::{memory, running_time};

/// What the columns of the table mean.
pub(super) const LEGEND: &str = "\
Each object is in one of four operators' shards, by a label. The control is one operator with a
tenth of the objects, unless another control is named. API server, etcd, the simulator and all
operators share the machine. What an operator takes with no objects is not counted for an object.
The ratio is figure / control.";

/// The same, of the table of one operator.
pub(super) const LEGEND_IN_ONE: &str = "\
API server, etcd, the simulator and the operator share the machine.";

const SHARDS: usize = 4;
/// The control has this many times fewer objects.
const FEWER: usize = 10;
/// Objects that a slow machine still makes Ready in a second: `spec.interval` is so long that none
/// is looked at again before all are there.
const SLOW: usize = 90;
/// How long nothing more may happen, beyond what is waited for on purpose.
const PATIENCE: Duration = Duration::from_mins(5);
/// Whatever may still be on its way.
const REST: Duration = Duration::from_secs(3);
const IMPORTED: &str =
    r#"lightsail_operator_reconciles_total{kind="LightsailKeyPair",outcome="Imported"}"#;

/// Created, restarted, read again after the interval, and edited.
pub(super) async fn scale(run: &Run<'_>) -> Result<()> {
    let (size, table) = (run.settings.scaled, &run.table);
    let control = whole_life(run, (size / FEWER).max(1), 1).await?;
    let shards = whole_life(run, size, SHARDS).await?;
    shards.tell(&control, table);
    Ok(())
}

/// All of them created with one operator.
pub(super) async fn in_one_process(run: &Run<'_>) -> Result<()> {
    let size = run.settings.scaled;
    let mut ground = Ground::start(run, size, 1).await?;
    let created = ground.create().await?;
    let (peak, control_plane) = (ground.peaks()?[0], ground.bed.of_control_plane()?);
    let restarted = ground.restart().await?;
    let table = &run.table;
    table.add("one process: time until all are Ready", size, Figure::time(created.time));
    table.add("one process: peak memory, created", size, Figure::memory(peak));
    for (what, figure) in control_plane {
        table.add(&format!("one process: {what}, created"), size, figure);
    }
    table.add("one process: time until all were found unchanged", size, restarted.time());
    table.add("one process: peak memory, restarted", size, Figure::memory(ground.peaks()?[0]));
    ground.end()
}

async fn whole_life(run: &Run<'_>, size: usize, shards: usize) -> Result<Life> {
    let mut ground = Ground::start(run, size, shards).await?;
    let (empty, created) = (ground.peaks()?, ground.create().await?);
    let (memory_created, control_plane) = (ground.peaks()?, ground.bed.of_control_plane()?);
    let restarted = ground.restart().await?;
    let memory_restarted = ground.peaks()?;
    let resynced = ground.resync().await?;
    if shards > 1 {
        edits::idle(&ground.bed, size, &run.table).await?;
        ground.restart_as_one().await?;
        let all = "one process: peak memory, restarted";
        run.table.add(all, size, Figure::memory(ground.peaks()?[0]));
    }
    ground.end()?;
    Ok(Life {
        size,
        empty,
        created,
        memory_created,
        control_plane,
        restarted,
        memory_restarted,
        resynced,
    })
}

/// What one stretch of time took.
struct Cost {
    time: Duration,
    calls: u64,
    writes: usize,
    cpu: Duration,
}

/// A restart.
struct Restarted {
    cost: Cost,
    /// Until `/readyz` of every operator says 200.
    ready: Duration,
    /// Until a client has read the same pages.
    listed: Duration,
}

impl Restarted {
    fn time(&self) -> Figure {
        Figure::time(self.cost.time)
    }
}

/// A stretch by its name.
type Stretch = (&'static str, fn(&Life) -> &Cost);

/// Memory is in KiB, for each operator.
struct Life {
    size: usize,
    empty: Vec<u64>,
    created: Cost,
    memory_created: Vec<u64>,
    /// With all objects created.
    control_plane: [(&'static str, Figure); 3],
    restarted: Restarted,
    memory_restarted: Vec<u64>,
    resynced: Cost,
}

impl Life {
    fn tell(&self, control: &Self, table: &Table) {
        let size = self.size;
        let tell = |what: String, of: &dyn Fn(&Self) -> Figure| {
            table.compare(&what, size, of(self), of(control));
        };
        let stretches: [Stretch; 3] = [
            ("created", |life| &life.created),
            ("restarted", |life| &life.restarted.cost),
            ("read again after the interval", |life| &life.resynced),
        ];
        for (name, cost) in stretches {
            let each = |what: &str, unit, of: &dyn Fn(&Cost) -> f64| {
                tell(format!("{name}, for each object: {what}"), &|life| {
                    Figure::new(of(cost(life)) / real(life.size), unit)
                });
            };
            each("time", "ms", &|cost| cost.time.as_secs_f64() * 1000.0);
            each("CPU time of the operators", "ms", &|cost| cost.cpu.as_secs_f64() * 1000.0);
            each("AWS calls", "", &|cost| real(cost.calls));
            each("Kubernetes writes", "", &|cost| real(cost.writes));
        }
        let memory = |name: &str, of: &dyn Fn(&Self) -> &[u64]| {
            tell(format!("{name}, for each object: peak memory"), &|life| {
                let more = of(life).iter().sum::<u64>() - life.empty.iter().sum::<u64>();
                Figure::new(real(more) / real(life.size), "KiB")
            });
            let most = |life: &Self| of(life).iter().max().copied().unwrap_or_default();
            tell(format!("{name}: peak memory of the largest operator"), &|life| {
                Figure::memory(most(life))
            });
        };
        memory("created", &|life| &life.memory_created);
        memory("restarted", &|life| &life.memory_restarted);
        for ((what, own), (_, other)) in self.control_plane.iter().zip(&control.control_plane) {
            table.compare(&format!("created: {what}"), size, own.clone(), other.clone());
        }
        let Restarted { ready, listed, .. } = self.restarted;
        let what =
            "restarted: time until every /readyz says 200 (control: a client reads the pages)";
        table.compare(what, size, Figure::time(ready), Figure::time(listed));
        table.add("created: time until all are Ready", size, Figure::time(self.created.time));
        let what = "restarted: time until all were found unchanged";
        table.add(what, size, self.restarted.time());
    }
}

/// Where the objects are.
struct Ground {
    bed: Bed,
    operators: Vec<Operator>,
    size: usize,
    interval: Duration,
}

impl Ground {
    async fn start(run: &Run<'_>, size: usize, shards: usize) -> Result<Self> {
        let bed = run.bed(&format!("scale-{size}-{shards}")).await?;
        let mut operators = Vec::new();
        for shard in 0..shards {
            let selector = format!("--watch-label-selector={SHARD}={shard}");
            let selector = (shards > 1).then_some(selector.as_str());
            let arguments = ["--leader-election=false"].into_iter().chain(selector);
            let options = bed.operator(&format!("operator-{shard}"), arguments).await?;
            operators.push(Operator::start(options).await?);
        }
        let minutes = size.div_ceil(SLOW).div_ceil(60);
        let interval = Duration::from_mins(u64::try_from(minutes)?);
        Ok(Self { bed, operators, size, interval })
    }

    fn end(self) -> Result<()> {
        drop(self.operators);
        self.bed.end()
    }

    async fn create(&self) -> Result<Cost> {
        let mut objects = fleet(&self.bed.client, self.size).await?;
        for (number, at) in objects.iter_mut().enumerate() {
            *at = At {
                shard: Some(number % self.operators.len()),
                interval: Some(self.interval),
                ..at.clone()
            };
        }
        // While many objects come, those that are there wait for a list that shows all of them.
        let work = async {
            create_all(&self.bed.client, &objects, None).await?;
            self.wait_for(IMPORTED, self.size, PATIENCE * 6).await
        };
        let cost = self.cost_of(Duration::ZERO, work).await?;
        // The operators may have counted one twice.
        let ready = self.count_ready().await?;
        ensure!(ready == self.size, "{ready} of {} objects are Ready", self.size);
        Ok(cost)
    }

    async fn restart(&mut self) -> Result<Restarted> {
        let listed = list(&self.bed.client_as_operator().await?).await?;
        let (calls, writes) = self.so_far().await?;
        for operator in &mut self.operators {
            operator.kill();
        }
        let start = Instant::now();
        for operator in &mut self.operators {
            *operator = Operator::spawn(restarted(operator))?;
        }
        for operator in &mut self.operators {
            operator.wait_until_ready().await?;
        }
        let ready = start.elapsed();
        self.wait_for(UNCHANGED, self.size, PATIENCE).await?;
        let cost = self.cost_since(start.elapsed(), Duration::ZERO, calls, writes).await?;
        Ok(Restarted { cost, ready, listed })
    }

    /// One operator for all of them, in place of those that share them.
    async fn restart_as_one(&mut self) -> Result<()> {
        self.operators.clear();
        let options = self.bed.operator("operator-of-all", ["--leader-election=false"]).await?;
        self.operators.push(Operator::start(options).await?);
        self.wait_for(UNCHANGED, self.size, PATIENCE).await
    }

    /// All of them once more, as their interval asks for. Time counts from the first one.
    async fn resync(&self) -> Result<Cost> {
        let (calls, writes) = self.so_far().await?;
        let cpu = self.cpu()?;
        self.wait_for(UNCHANGED, self.size + 1, self.interval + PATIENCE).await?;
        let start = Instant::now();
        self.wait_for(UNCHANGED, 2 * self.size, PATIENCE).await?;
        self.cost_since(start.elapsed(), cpu, calls, writes).await
    }

    async fn cost_of(&self, cpu: Duration, work: impl Future<Output = Result<()>>) -> Result<Cost> {
        let (calls, writes) = self.so_far().await?;
        let start = Instant::now();
        work.await?;
        self.cost_since(start.elapsed(), cpu, calls, writes).await
    }

    async fn cost_since(
        &self,
        time: Duration,
        cpu: Duration,
        calls: u64,
        writes: usize,
    ) -> Result<Cost> {
        tokio::time::sleep(REST).await;
        let (cpu, (all_calls, all_writes)) =
            (self.cpu()?.saturating_sub(cpu), self.so_far().await?);
        Ok(Cost { time, cpu, calls: all_calls - calls, writes: all_writes - writes })
    }

    /// Calls of AWS and writes of Kubernetes.
    async fn so_far(&self) -> Result<(u64, usize)> {
        Ok((self.bed.simulator.total().await?, self.bed.writes()?.values().sum()))
    }

    fn cpu(&self) -> Result<Duration> {
        self.operators.iter().map(|operator| running_time(operator.pid())).sum()
    }

    /// The most memory that each operator ever had.
    fn peaks(&self) -> Result<Vec<u64>> {
        self.operators.iter().map(|operator| Ok(memory(operator.pid())?.1)).collect()
    }

    /// Waits until a metric comes to so much in all operators together; fails if it stands still.
    async fn wait_for(&self, name: &str, count: usize, patience: Duration) -> Result<()> {
        let (mut most, mut since) = (0, Instant::now());
        loop {
            let mut sum = 0;
            for operator in &self.operators {
                sum += metric(operator, name).await?;
            }
            if sum >= count {
                return Ok(());
            }
            if sum > most {
                (most, since) = (sum, Instant::now());
            }
            ensure!(since.elapsed() < patience, "{name} stays at {sum} and does not reach {count}");
            tokio::time::sleep(SELDOM).await;
        }
    }

    async fn count_ready(&self) -> Result<usize> {
        let api: Api<DynamicObject> = Api::all_with(self.bed.client.clone(), &resource());
        let (mut params, mut count) = (ListParams::default().limit(500), 0);
        loop {
            let page = api.list(&params).await.context("list the objects")?;
            count += page.iter().filter(|object| is_ready(object)).count();
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params = params.continue_token(&token),
                None => return Ok(count),
            }
        }
    }
}
