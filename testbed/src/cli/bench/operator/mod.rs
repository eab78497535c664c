//! What the operator takes to work on many objects, beside a client that sends the same requests
//! and nothing else.
//!
//! Each size has a control plane, a simulator and an operator of its own, each a process; the
//! control run has another control plane and simulator, before and after it. Time is that of this
//! machine, on which the API server and the simulator take most of it; what carries over to another
//! one are the counts and the ratios.

mod audit;
mod bed;
mod churn;
mod control;
mod create;
mod crowd;
mod edits;
mod fleet;
mod healthy;
mod instructions;
mod page;
mod plot;
mod table;
mod throttled;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::ValueEnum;

use self::bed::Bed;
use self::create::Created;
use self::table::{Figure, Table, real};
use super::machine::machine;
use crate::cli::interrupts::{Interrupts, exit_code_of};
use crate::cli::report::Report;
use crate::cli::scene::operator_binary;
use crate::cli::tools::Tools;

/// Measure the operator.
#[derive(Debug, clap::Args)]
pub(crate) struct Settings {
    #[command(flatten)]
    tools: Tools,
    /// The operator's binary; without it, the one beside this program
    #[arg(long, value_name = "FILE")]
    operator: Option<PathBuf>,
    /// The project's directory
    #[arg(long, value_name = "DIR", default_value = ".")]
    project: PathBuf,
    /// How many objects, for each measurement that depends on that
    #[arg(long, value_name = "COUNTS", value_delimiter = ',', default_value = "100,1000,10000",
        value_parser = clap::value_parser!(u32).range(1..=100_000))]
    sizes: Vec<u32>,
    /// How many objects are created while Lightsail takes five requests a second
    #[arg(long, value_name = "COUNT", default_value_t = 2000,
        value_parser = clap::value_parser!(u32).range(1..))]
    throttled: u32,
    /// How many objects fail beside a quiet namespace
    #[arg(long, value_name = "COUNT", default_value_t = 5000,
        value_parser = clap::value_parser!(u32).range(1..))]
    failing: u32,
    /// How many objects come and go
    #[arg(long, value_name = "COUNT", default_value_t = 1000,
        value_parser = clap::value_parser!(u32).range(1..))]
    churned: u32,
    /// Measure only this; may be repeated
    #[arg(long, value_name = "PARTS", value_delimiter = ',')]
    only: Vec<Part>,
    /// Write operator.md and its plots into this directory
    #[arg(long, value_name = "DIR")]
    write: Option<PathBuf>,
}

/// What can be measured alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Many objects created at once, beside the control run
    Create,
    /// A restart with all of them healthy
    Restart,
    /// Doing nothing with all of them healthy
    Idle,
    /// From an edit to the call of Lightsail
    Edit,
    /// Lightsail takes five requests a second
    Throttled,
    /// A quiet namespace beside one whose objects all fail
    Crowd,
    /// Objects that come and go
    Churn,
    /// What each further object takes
    Growth,
    /// Instructions for each unchanged object, by Valgrind
    Instructions,
}

impl Settings {
    fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }

    fn wants_any(&self, parts: &[Part]) -> bool {
        parts.iter().any(|part| self.wants(*part))
    }
}

/// What was measured so far.
#[derive(Debug, Default)]
struct Measured {
    table: Table,
    created: Vec<Created>,
    /// The peak memory after a restart in KiB, by the number of objects.
    restarted: Vec<(usize, u64)>,
}

pub(crate) async fn operator(settings: &Settings) -> Result<ExitCode> {
    // Before anything is started.
    operator_binary(settings.operator.as_deref())?;
    let mut interrupts = Interrupts::listen()?;
    let report = Report::on_stdout();
    report.line(&machine());
    let directory =
        tempfile::Builder::new().prefix("testbed-").tempdir().context("make a directory")?;
    let measured = tokio::select! {
        measured = Box::pin(measure(settings, report, directory.path())) => measured,
        signal = interrupts.next() => return Ok(exit_code_of(signal)),
    };
    let measured = match measured {
        Ok(measured) => measured,
        Err(error) => {
            return Err(error.context(format!("the logs are in {}", directory.keep().display())));
        }
    };
    report.line("");
    report.line(&measured.table.text());
    report.line(page::LEGEND);
    if let Some(to) = &settings.write {
        page::write(to, &settings.project, &measured)?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn measure(settings: &Settings, report: Report, directory: &Path) -> Result<Measured> {
    let mut measured = Measured::default();
    if settings.wants_any(&[Part::Create, Part::Restart, Part::Idle, Part::Edit, Part::Growth]) {
        for size in &settings.sizes {
            let size = usize::try_from(*size).context("a size")?;
            measure_size(settings, report, directory, size, &mut measured).await?;
        }
    }
    if settings.wants(Part::Growth) {
        growth(&mut measured);
    }
    let table = &mut measured.table;
    if settings.wants(Part::Crowd) {
        let step = crowd::crowd(settings, directory, table);
        report
            .step(&format!("a quiet namespace beside {} failing objects", settings.failing), step)
            .await?;
    }
    if settings.wants(Part::Churn) {
        let step = churn::churn(settings, directory, table);
        report.step(&format!("{} objects come and go", settings.churned), step).await?;
    }
    if settings.wants(Part::Instructions) {
        let step = instructions::instructions(settings, directory, table);
        report.step("instructions for each unchanged object", step).await?;
    }
    if settings.wants(Part::Throttled) {
        let step = Box::pin(throttled::throttled(settings, directory, table));
        report
            .step(&format!("{} objects at five requests a second", settings.throttled), step)
            .await?;
    }
    Ok(measured)
}

async fn measure_size(
    settings: &Settings,
    report: Report,
    directory: &Path,
    size: usize,
    measured: &mut Measured,
) -> Result<()> {
    let wants_created = settings.wants_any(&[Part::Create, Part::Growth]);
    let before = if wants_created {
        Some(control_run(settings, report, directory, size).await?)
    } else {
        None
    };
    let mut bed = Bed::start(settings, directory, &format!("operator-{size}")).await?;
    let mut operator = bed.start_operator().await?;
    let step = create::create(&mut bed, &mut operator, size);
    let mut created = report.step(&format!("{size} objects by the operator"), step).await?;
    if let Some(before) = before {
        let after = control_run(settings, report, directory, size).await?;
        created.control = [before, after];
        created.tell(&mut measured.table);
        measured.created.push(created);
    }
    let table = &mut measured.table;
    if settings.wants(Part::Idle) {
        report
            .step(&format!("{size} objects, idle"), healthy::idle(&operator, size, table))
            .await?;
    }
    if settings.wants(Part::Edit) {
        report.step(&format!("{size} objects, edits"), edits::idle(&bed, size, table)).await?;
    }
    if settings.wants_any(&[Part::Restart, Part::Growth]) {
        let step = healthy::restart(&mut bed, &mut operator, size, table);
        let peak = report.step(&format!("{size} objects, restart"), step).await?;
        measured.restarted.push((size, peak));
    }
    if settings.wants(Part::Edit) {
        let step = edits::after_restarts(&bed, &mut operator, size, table);
        report.step(&format!("{size} objects, edits after restarts"), step).await?;
    }
    drop(operator);
    bed.end()
}

/// A control run on a control plane of its own. There is one before and one after the operator's
/// run, since a machine that others use is not as fast all the time: how far the two are apart says
/// how well the operator's run is known.
async fn control_run(
    settings: &Settings,
    report: Report,
    directory: &Path,
    size: usize,
) -> Result<Duration> {
    let bed = Bed::start(settings, directory, &format!("control-{size}")).await?;
    let time = report
        .step(&format!("{size} objects by the control run"), create::control(&bed, size))
        .await?;
    bed.end()?;
    Ok(time)
}

/// What each further object takes.
fn growth(measured: &mut Measured) {
    let created = |value: fn(&Created) -> f64| -> Vec<(f64, f64)> {
        measured.created.iter().map(|it| (real(it.size), value(it))).collect()
    };
    let memory = created(|it| real(it.peak));
    let restarted: Vec<_> =
        measured.restarted.iter().map(|(size, peak)| (real(*size), real(*peak))).collect();
    let time = created(|it| it.time.as_secs_f64() * 1000.0);
    for (what, points, unit) in [
        ("each further object: peak memory, created", memory, "KiB"),
        ("each further object: peak memory, after a restart", restarted, "KiB"),
        ("each further object: time until Ready", time, "ms"),
    ] {
        if let Some(slope) = slope(&points) {
            measured.table.add_overall(what, Figure::new(slope, unit));
        }
    }
}

/// The slope of the line that fits best; none through one size.
fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let count = real(points.len());
    let (x, y) =
        points.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0 / count, y + point.1 / count));
    let spread: f64 = points.iter().map(|it| (it.0 - x).powi(2)).sum();
    (spread > 0.0).then(|| points.iter().map(|it| (it.0 - x) * (it.1 - y)).sum::<f64>() / spread)
}

#[cfg(test)]
mod tests {
    use super::slope;

    #[test]
    fn a_line_is_found_again() {
        let points: Vec<_> = [100.0, 1_000.0, 10_000.0].map(|x| (x, 7.0 + 3.0 * x)).to_vec();
        assert!(slope(&points).is_some_and(|slope| (slope - 3.0).abs() < 1e-9));
        assert_eq!(slope(&points[..1]), None);
    }
}
