//! A quiet namespace beside a hostile one: how long the quiet one's key pairs take, what the
//! operator takes, and whether it keeps its Lease and answers its probes.
//!
//! Each attack has a control plane, a simulator and two replicas of its own, each a process. What
//! the quiet namespace sees is compared with what it sees before the attack, on the same machine.

mod attack;
mod aws;
mod connections;
mod ground;
mod lease;
mod limits;
mod measure;
mod objects;
mod probes;
mod quiet;
mod replicas;
mod row;
mod set_aside;

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use self::attack::Attack;
use self::measure::measure;
use self::row::{LEGEND, Rows};
use super::bed::Stage;
use super::machine::machine;
use super::page::Page;
use crate::cli::interrupts::{Interrupts, exit_code_of};
use crate::cli::report::Report;

/// The most time that an attack may take.
const LONGEST: Duration = Duration::from_mins(20);

/// Measure a quiet namespace beside a hostile one.
#[derive(Debug, clap::Args)]
pub(crate) struct Settings {
    #[command(flatten)]
    stage: Stage,
    /// Only these attacks; without any, all of them
    attacks: Vec<Attack>,
    /// Let replicas take more memory than the chart's limit
    #[arg(long)]
    no_memory_limit: bool,
    /// Write neighbors.md into this directory
    #[arg(long, value_name = "DIR")]
    write: Option<PathBuf>,
}

pub(crate) async fn neighbors(settings: &Settings) -> Result<ExitCode> {
    // Before anything is started.
    settings.stage.binary()?;
    let limit = limits::of_chart(&settings.stage.project)?;
    let limit = (!settings.no_memory_limit).then_some(limit);
    let mut interrupts = Interrupts::listen()?;
    let temporary = tempfile::Builder::new().prefix("testbed-").tempdir();
    let directory = temporary.context("make a directory")?;
    let report = Report::on_stdout();
    report.line(&machine());
    let limits = limit.map_or_else(
        || "no limit of memory, no limit of CPU".to_owned(),
        |limit| {
            let limit = limit / 1024;
            format!("a replica that takes more than {limit} MiB is killed; no limit of CPU")
        },
    );
    report.line(&limits);
    let rows = RefCell::default();
    let measured = measure_all(settings, limit, directory.path(), report, &rows);
    let outcome = tokio::select! {
        failed = measured => failed.map(Ok),
        signal = interrupts.next() => Ok(Err(signal)),
    };
    // What was measured is told in any case.
    report.line(&format!("\n{}\n{LEGEND}", rows.borrow().text()));
    let failed = match outcome? {
        Ok(failed) => failed,
        Err(signal) => return Ok(exit_code_of(signal)),
    };
    let text = format!(
        "```text\n{}```\n\n{limits}.\n\n{LEGEND}\n\n{}",
        rows.borrow().text(),
        Attack::all_sentences()?
    );
    if let Some(to) = &settings.write {
        let page = Page { file: "neighbors.md", title: "What a hostile namespace does", text };
        page.write(to, &settings.stage.project)?;
    }
    if failed {
        bail!("not everything could be measured; the logs are in {}", directory.keep().display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether an attack could not be measured; the others are all the same.
async fn measure_all(
    settings: &Settings,
    limit: Option<u64>,
    directory: &Path,
    report: Report,
    rows: &RefCell<Rows>,
) -> Result<bool> {
    let all =
        if settings.attacks.is_empty() { Attack::value_variants() } else { &settings.attacks };
    let mut failed = false;
    for attack in all {
        let (name, sentence) = attack.name_and_sentence()?;
        let directory = directory.join(&name);
        let measured = async {
            let step = Box::pin(measure(*attack, &settings.stage, limit, &directory));
            tokio::time::timeout(LONGEST, step).await.context("it takes too long")?
        };
        match report.step(&format!("{name}: {sentence}"), measured).await {
            Ok((measured, notes)) => {
                for row in measured {
                    rows.borrow_mut().add(row);
                }
                for note in notes {
                    report.line(&format!("      {note}"));
                }
            }
            Err(error) => {
                report.line(&format!("      {error:#}"));
                rows.borrow_mut().add_failed(name);
                failed = true;
            }
        }
    }
    Ok(failed)
}
