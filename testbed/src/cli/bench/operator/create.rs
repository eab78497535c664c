//! Many objects together: how many become Ready in a second, what that costs in requests, and what
//! memory it takes.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use testbed::operator::Operator;

use crate::cli::bench::bed::Bed;
use crate::cli::bench::figures::{Figure, Table, quantile, real};
use crate::cli::bench::fleet::{UntilReady, create_until_ready, fleet};
use crate::cli::bench::machine::{memory, running_time};

/// How long after the last object was Ready the memory is looked at again.
const REST: Duration = Duration::from_secs(5);

/// How it went.
#[derive(Debug)]
pub(super) struct Created {
    pub(super) size: usize,
    /// How long it took.
    pub(super) until: UntilReady,
    /// In KiB.
    pub(super) peak: u64,
    /// In KiB, a while after.
    steady: u64,
    cpu: Duration,
    writes: BTreeMap<String, usize>,
    /// By operation, those that took effect.
    calls: Vec<(&'static str, u64)>,
    /// Those of all operations, whatever became of them.
    all_calls: u64,
    control_plane: [(&'static str, Figure); 3],
}

/// The operator's run, from the start of which nothing else is asked of the control plane or of the
/// simulator.
pub(super) async fn create(bed: &Bed, operator: &Operator, size: usize) -> Result<Created> {
    let (objects, before) = (fleet(&bed.client, size).await?, running_time(operator.pid())?);
    let until = create_until_ready(&bed.client, &objects).await?;
    let ((_, peak), cpu) = (memory(operator.pid())?, running_time(operator.pid())?);
    tokio::time::sleep(REST).await;
    let mut calls = Vec::new();
    for operation in ["ImportKeyPair", "TagResource"] {
        let is_meant = |name: &str, outcome: &str| name == operation && outcome == "ok";
        calls.push((operation, bed.simulator.count(is_meant).await?));
    }
    let (steady, writes) = (memory(operator.pid())?.0, bed.writes()?);
    let (cpu, all_calls) = (cpu.saturating_sub(before), bed.simulator.total().await?);
    let control_plane = bed.of_control_plane()?;
    Ok(Created { size, until, peak, steady, cpu, writes, calls, all_calls, control_plane })
}

impl Created {
    /// Tells it, beside the control runs before and after it.
    pub(super) fn tell(&mut self, control: [UntilReady; 2], table: &Table) {
        let size = self.size;
        let rate = |time: Duration| Figure::new(real(size) / time.as_secs_f64(), "/s");
        let [before, after] = control;
        let both = rate((before.all + after.all) / 2);
        table.compare("create: objects Ready a second", size, rate(self.until.all), both);
        let what = "create: the control run after it, and before it";
        table.compare(what, size, rate(after.all), rate(before.all));
        let mut both = [before.each, after.each].concat();
        for (name, share) in [("p50", 500), ("p99", 990)] {
            let what = format!("create: time until an object is Ready, {name}");
            let [own, control] = [&mut self.until.each, &mut both].map(|it| quantile(it, share));
            table.compare(&what, size, Figure::time(own), Figure::time(control));
        }
        let each = |what: &str, count: f64, control: f64| {
            let (what, each) = (format!("create: {what}"), count / real(size));
            table.compare(&what, size, Figure::new(each, ""), Figure::new(control, ""));
        };
        // The intent of the import is a status too (I12).
        for (what, resource, control) in [
            ("finalizer", "lightsailkeypairs", 1.0),
            ("status", "lightsailkeypairs/status", 2.0),
            ("Event", "events", 1.0),
        ] {
            let count = self.writes.get(resource).copied().unwrap_or_default();
            each(&format!("Kubernetes writes per object: {what}"), real(count), control);
        }
        let all: usize = self.writes.values().sum();
        each("Kubernetes writes per object: all", real(all), 4.0);
        for (operation, count) in &self.calls {
            each(&format!("AWS calls per object: {operation}"), real(*count), 1.0);
        }
        each("AWS calls per object: all", real(self.all_calls), 2.0);
        let others = self.all_calls - self.calls.iter().map(|(_, count)| count).sum::<u64>();
        let what = "create: other AWS calls, in all (lists, reads of one, account)";
        table.add(what, size, Figure::count(others));
        let cpu = Figure::new(self.cpu.as_secs_f64() * 1000.0 / real(size), "ms");
        table.add("create: CPU time of the operator per object", size, cpu);
        table.add("create: peak memory", size, Figure::memory(self.peak));
        table.add("create: memory 5 s later", size, Figure::memory(self.steady));
        for (what, figure) in &self.control_plane {
            table.add(&format!("create: {what}"), size, figure.clone());
        }
    }
}
