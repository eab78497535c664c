//! Many objects at once: how many become Ready in a second, what that costs in requests, and what
//! memory it takes.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use testbed::operator::Operator;
use tokio::sync::mpsc;

use super::bed::Bed;
use super::control;
use super::fleet::{Watch, create_all, create_namespaces, fleet};
use super::table::{Figure, Table, real};
use crate::cli::bench::machine::{Usage, running_time};

/// How long after the last object was Ready the memory is looked at again.
const REST: Duration = Duration::from_secs(5);

/// How it went.
#[derive(Debug)]
pub(super) struct Created {
    pub(super) size: usize,
    /// From the first creation until the last object was seen Ready.
    pub(super) time: Duration,
    /// The same by the control runs before and after it; zero if there was none.
    pub(super) control: [Duration; 2],
    /// In KiB.
    pub(super) peak: u64,
    /// In KiB, a while after.
    steady: u64,
    cpu: Duration,
    finalizers: usize,
    statuses: usize,
    events: usize,
    writes: usize,
    /// By operation, those that took effect.
    calls: Vec<(&'static str, u64)>,
    /// Those of all operations, whatever became of them.
    all_calls: u64,
}

/// The control run: how long it takes for so many objects.
pub(super) async fn control(bed: &Bed, size: usize) -> Result<Duration> {
    let (client, objects) = (bed.cluster.client(), fleet(size));
    create_namespaces(&client, &objects).await?;
    let mut watch = Watch::start(&client).await?;
    let (teller, told) = mpsc::unbounded_channel();
    let worker = control::work(bed.client_as_operator().await?, bed.simulator.target.clone(), told);
    let start = Instant::now();
    tokio::try_join!(create_all(&client, &objects, Some(teller)), worker)?;
    Ok(watch.wait(size, None).await?.duration_since(start))
}

/// The operator's run, from the start of which nothing else is asked of the control plane or of the
/// simulator.
pub(super) async fn create(bed: &mut Bed, operator: &mut Operator, size: usize) -> Result<Created> {
    let (client, objects) = (bed.cluster.client(), fleet(size));
    create_namespaces(&client, &objects).await?;
    let mut watch = Watch::start(&client).await?;
    let cpu_before = running_time(operator.pid())?;
    let start = Instant::now();
    create_all(&client, &objects, None).await?;
    let time = watch.wait(size, Some(operator)).await?.duration_since(start);
    let (peak, cpu) = (Usage::of(operator.pid())?.peak, running_time(operator.pid())?);
    tokio::time::sleep(REST).await;
    let steady = Usage::of(operator.pid())?.memory;
    let (writes, counts) =
        (bed.audit.writes().context("read the audit log")?, bed.simulator.counts().await?);
    let operations = ["ImportKeyPair", "GetKeyPair", "TagResource"];
    Ok(Created {
        size,
        time,
        control: [Duration::ZERO; 2],
        peak,
        steady,
        cpu: cpu.saturating_sub(cpu_before),
        finalizers: writes.of("lightsailkeypairs"),
        statuses: writes.of("lightsailkeypairs/status"),
        events: writes.of("events"),
        writes: writes.total(),
        calls: operations.map(|operation| (operation, counts.succeeded(operation))).to_vec(),
        all_calls: counts.total(),
    })
}

impl Created {
    /// Objects Ready in a second.
    pub(super) fn rate(&self) -> f64 {
        real(self.size) / self.time.as_secs_f64()
    }

    /// The same in both control runs together.
    pub(super) fn control_rate(&self) -> f64 {
        2.0 * real(self.size) / (self.control[0] + self.control[1]).as_secs_f64()
    }

    pub(super) fn tell(&self, table: &mut Table) {
        let size = self.size;
        let rate = |rate: f64| Figure::new(rate, "/s");
        table.compare(
            "create: objects Ready a second",
            size,
            rate(self.rate()),
            rate(self.control_rate()),
        );
        let [before, after] = self.control.map(|time| rate(real(size) / time.as_secs_f64()));
        table.compare("create: the control run after it, and before it", size, after, before);
        let each = |count: f64| Figure::new(count / real(size), "");
        let mut compare = |what: &str, count: f64, control: f64| {
            table.compare(&format!("create: {what}"), size, each(count), Figure::new(control, ""));
        };
        compare("writes of Kubernetes an object: finalizer", real(self.finalizers), 1.0);
        compare("writes of Kubernetes an object: status", real(self.statuses), 1.0);
        compare("writes of Kubernetes an object: Event", real(self.events), 1.0);
        compare("writes of Kubernetes an object: all", real(self.writes), 3.0);
        for (operation, count) in &self.calls {
            compare(&format!("calls of AWS an object: {operation}"), real(*count), 1.0);
        }
        let others = self.all_calls - self.calls.iter().map(|(_, count)| count).sum::<u64>();
        table.add(
            "create: other calls of AWS, in all (lists, account)",
            size,
            Figure::count(others),
        );
        let cpu = Figure::new(self.cpu.as_secs_f64() * 1000.0 / real(size), "ms");
        table.add("create: CPU time of the operator an object", size, cpu);
        table.add("create: peak memory", size, Figure::memory(self.peak));
        table.add("create: memory 5 s later", size, Figure::memory(self.steady));
    }
}
