//! What the operator takes to work on many objects, beside a client that sends the same requests
//! and nothing else.
//!
//! Each size has a control plane, a simulator and an operator of its own, each a process; the
//! control run has another control plane and simulator, before and after it. Time is that of this
//! machine, on which the API server and the simulator take most of it; what carries over to another
//! one are the counts and the ratios.

mod accounts;
mod churn;
mod control;
mod create;
mod crowd;
mod edits;
mod healthy;
mod instructions;
mod resets;
mod run;
mod scale;
mod throttled;

use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;

pub(super) use self::run::Settings;

use self::accounts::accounts;
use self::churn::churn;
use self::create::Created;
use self::crowd::crowd;
use self::instructions::instructions;
use self::resets::resets;
use self::run::Part::{
    Accounts, Churn, Create, Crowd, Edit, Growth, Idle, Instructions, Resets, Restart, Scale,
    ScaleInOne, Throttled,
};
use self::run::{OfPage, Part, Run};
use self::throttled::throttled;
use super::figures::{Figure, Table, real, slope};
use super::machine::machine;
use super::page::Page;
use crate::cli::interrupts::{Interrupts, exit_code_of};
use crate::cli::report::Report;

/// What the columns of the table mean.
const LEGEND: &str = "\
The control of `create` is a client that sends the same requests for as many objects, ten at a time,
with the operator's permissions, and does nothing else, once before and once after the operator's
run. API server, etcd, simulator, creation and watch are as in the operator's run, and all of them
share the machine. Another control is named in its line. The ratio is figure / control. before: the
same figure of an older operator, measured in turn with this one; change: figure / before.";

/// The same, of the table of other workloads.
const LEGEND_OF_WORKLOADS: &str = "\
The control is named in its line; that of a reset is the time that Lightsail takes. API server,
etcd, the simulator and the operator share the machine. The ratio is figure / control. before: the
same figure of an older operator, measured in turn with this one; change: figure / before.";

pub(super) async fn operator(settings: &Settings) -> Result<ExitCode> {
    // Before anything is started.
    let binary = settings.stage.binary()?;
    if let Some(before) = &settings.before {
        ensure!(before.is_file(), "there is no operator {}", before.display());
    }
    let mut interrupts = Interrupts::listen()?;
    let temporary = tempfile::Builder::new().prefix("testbed-").tempdir();
    let (directory, report) = (temporary.context("make a directory")?, Report::on_stdout());
    let run = |binary, name: &'static str| {
        let directory = directory.path().join(name);
        Run { settings, binary, name, directory, report, table: Table::default() }
    };
    // In turn: what slows the machine down for a while slows both down.
    let before = settings.before.clone().map(|binary| run(binary, "before"));
    let runs: Vec<_> = before.into_iter().chain([run(binary, "")]).collect();
    report.line(&machine());
    let outcome = tokio::select! {
        outcome = measure(&runs) => outcome,
        signal = interrupts.next() => return Ok(exit_code_of(signal)),
    };
    let table = match &*runs {
        [before, now] => now.table.text(Some(&before.table)),
        runs => runs.iter().map(|run| run.table.text(None)).collect(),
    };
    let (file, title, legend) = match settings.page() {
        OfPage::Many => ("operator.md", "What the operator takes", LEGEND),
        OfPage::Workloads => ("workloads.md", "What other workloads take", LEGEND_OF_WORKLOADS),
        OfPage::Scale => {
            ("scale.md", "What a hundred thousand objects of four operators take", scale::LEGEND)
        }
        OfPage::ScaleInOne => {
            let title = "What a hundred thousand objects of one operator take";
            ("scale-in-one.md", title, scale::LEGEND_IN_ONE)
        }
    };
    // Nothing that was measured before a failure is lost.
    report.line(&format!("\n{table}\n{legend}"));
    if let Err(error) = outcome {
        return Err(error.context(format!("the logs are in {}", directory.keep().display())));
    }
    if let Some(to) = &settings.write {
        let text = format!("```text\n{table}```\n\n{legend}");
        Page { file, title, text }.write(to, &settings.stage.project)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Everything that is wanted, each part by one version after the other.
async fn measure(runs: &[Run<'_>]) -> Result<()> {
    let mut grown: Vec<_> = runs.iter().map(|run| (run, Grown::default())).collect();
    for size in runs.iter().take(1).flat_map(|run| &run.settings.sizes) {
        for (run, grown) in &mut grown {
            measure_size(run, *size, grown).await?;
        }
    }
    for (run, grown) in &grown {
        if run.wants(&[Growth]) {
            growth(&run.table, grown);
        }
    }
    for part in Part::value_variants() {
        for run in runs {
            measure_part(run, *part).await?;
        }
    }
    Ok(())
}

/// What does not depend on the number of objects.
async fn measure_part(run: &Run<'_>, part: Part) -> Result<()> {
    let (parts, scaled) = ([part], run.settings.scaled);
    match part {
        Create | Restart | Idle | Edit | Growth => Ok(None),
        Crowd => run.step(&parts, "a quiet namespace beside failing objects", crowd(run)).await,
        Churn => run.step(&parts, "objects come and go", churn(run)).await,
        Resets => run.step(&parts, "resets", resets(run)).await,
        Accounts => run.step(&parts, "50 accounts with 200 objects each", accounts(run)).await,
        Instructions => {
            run.step(&parts, "instructions for each unchanged object", instructions(run)).await
        }
        Throttled => run.step(&parts, "five requests a second", throttled(run)).await,
        Scale => run.step(&parts, &format!("{scaled} objects in shards"), scale::scale(run)).await,
        ScaleInOne => {
            let step = scale::in_one_process(run);
            run.step(&parts, &format!("{scaled} objects of one operator"), step).await
        }
    }
    .map(drop)
}

/// What fleets of different sizes took.
#[derive(Debug, Default)]
struct Grown {
    created: Vec<Created>,
    /// Sizes, and the peak memory in KiB after a restart.
    restarted: Vec<(f64, f64)>,
}

/// What depends on the number of objects.
async fn measure_size(run: &Run<'_>, size: usize, grown: &mut Grown) -> Result<()> {
    let (name, table) = (|what: &str| format!("{size} objects{what}"), &run.table);
    // There is one before and one after the operator's run, since a machine that others use is not
    // as fast all the time: how far the two are apart says how well the operator's run is known.
    let control = async || {
        let step = control::control(run, size);
        run.step(&[Create, Growth], &name(" by the control run"), step).await
    };
    let parts = [Create, Restart, Idle, Edit, Growth];
    if !run.wants(&parts) {
        return Ok(());
    }
    let before = control().await?;
    let bed = run.bed(&format!("operator-{size}")).await?;
    let mut operator = bed.start_operator().await?;
    let step = create::create(&bed, &operator, size);
    let created = run.step(&parts, &name(" by the operator"), step).await?;
    if let (Some(before), Some(mut created), Some(after)) = (before, created, control().await?) {
        created.tell([before, after], table);
        grown.created.push(created);
    }
    run.step(&[Idle], &name(", idle"), healthy::idle(&operator, size, table)).await?;
    run.step(&[Edit], &name(", edits"), edits::idle(&bed, size, table)).await?;
    let step = healthy::restart(&bed, &mut operator, size, table);
    let peak = run.step(&[Restart, Growth], &name(", restart"), step).await?;
    grown.restarted.extend(peak.map(|peak| (real(size), real(peak))));
    let step = edits::after_restarts(&bed, &mut operator, size, table);
    run.step(&[Edit], &name(", edits after restarts"), step).await?;
    drop(operator);
    bed.end()
}

/// What each further object takes.
fn growth(table: &Table, grown: &Grown) {
    let created = grown.created.iter();
    let memory: Vec<_> = created.clone().map(|it| (real(it.size), real(it.peak))).collect();
    let time = created.map(|it| (real(it.size), it.until.all.as_secs_f64() * 1000.0));
    for (what, points, unit) in [
        ("each further object: peak memory, created", &*memory, "KiB"),
        ("each further object: peak memory, after a restart", &grown.restarted, "KiB"),
        ("each further object: time until Ready", &time.collect::<Vec<_>>(), "ms"),
    ] {
        if let Some(slope) = slope(points) {
            table.add(what, None, Figure::new(slope, unit));
        }
    }
}
