//! The page with the table and its plots, for the documentation.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use k8s_openapi::jiff::Timestamp;

use super::Measured;
use super::create::Created;
use super::plot::{Curve, plot};
use super::table::real;
use crate::cli::bench::machine::machine;

/// What the columns of the table mean.
pub(super) const LEGEND: &str = "\
The control of `create` is a client that sends the same requests for as many objects, ten at a time,
with the operator's rights, and does nothing else, once before and once after the operator's run.
API server, etcd, simulator, creation and watch are as in the operator's run, and all of them share
the machine. Another control is named in its line. The ratio is figure / control.";

/// Writes `operator.md` and its plots.
pub(super) fn write(to: &Path, project: &Path, measured: &Measured) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("create {}", to.display()))?;
    let file = |name: &str, text: &str| {
        let path = to.join(name);
        fs::write(&path, text).with_context(|| format!("write {}", path.display()))
    };
    let mut page = format!(
        "# What the operator takes\n\nWritten by `make bench`.\n\n{}, {}, commit \
            {}.\n\n```text\n{}```\n\n{LEGEND}\n",
        machine(),
        Timestamp::now().strftime("%Y-%m-%d"),
        commit(project)?,
        measured.table.text()
    );
    if !measured.created.is_empty() {
        let points = |value: fn(&Created) -> f64| -> Vec<(usize, f64)> {
            measured.created.iter().map(|it| (it.size, value(it))).collect()
        };
        let (rate, control) = (points(Created::rate), points(Created::control_rate));
        let curves: [Curve<'_>; 2] = [("operator", &rate), ("control", &control)];
        file("operator-ready.svg", &plot("Objects Ready a second, all created at once", &curves))?;
        let memory = points(|it| real(it.peak) / 1024.0);
        file("operator-memory.svg", &plot("Peak memory in MiB", &[("operator", &memory)]))?;
        page.push_str(
            "\n![Objects Ready a second](operator-ready.svg)\n\n![Peak \
            memory](operator-memory.svg)\n",
        );
    }
    file("operator.md", &page)
}

fn commit(project: &Path) -> Result<String> {
    let output =
        Command::new("git").arg("-C").arg(project).args(["rev-parse", "--short", "HEAD"]).output();
    let output = output.context("ask git for the commit")?;
    ensure!(
        output.status.success(),
        "ask git for the commit: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
