//! How many instructions an unchanged object takes at a resync: counted by Valgrind, so that it
//! tells a regression on a machine where times tell nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use anyhow::{Context, Result};
use testbed::operator::{Operator, OperatorOptions};

use super::run::Run;
use crate::cli::bench::bed::{SELDOM, UNCHANGED, wait_for_metric};
use crate::cli::bench::figures::{Figure, real};
use crate::cli::bench::fleet::{create_until_ready, fleet};

/// Two fleets whose difference is that of this many objects; what a process takes to start is in
/// both.
const SIZES: [usize; 2] = [100, 1_100];

pub(super) async fn instructions(run: &Run<'_>) -> Result<()> {
    let mut counts = Vec::new();
    for size in SIZES {
        let bed = run.bed(&format!("instructions-{size}")).await?;
        let mut operator = bed.start_operator().await?;
        create_until_ready(&bed.client, &fleet(&bed.client, size).await?).await?;
        operator.stop().await?;
        counts.push(count(&operator, size).await?);
        bed.end()?;
    }
    let each = (counts[1] - counts[0]) / real(SIZES[1] - SIZES[0]);
    let what = "restart: instructions for each unchanged object";
    run.table.add(what, None, Figure::new(each, ""));
    Ok(())
}

/// Runs the operator until it has found all of them unchanged: this many instructions in all.
async fn count(operator: &Operator, size: usize) -> Result<f64> {
    let before = operator.options();
    let [binary, log] =
        ["sh", "log"].map(|end| before.log.with_file_name(format!("counted.{end}")));
    let script = format!(
        "#!/bin/sh\nexec valgrind --tool=callgrind --callgrind-out-file=/dev/null '{}' \"$@\"\n",
        before.binary.display()
    );
    fs::write(&binary, script).context("write a program")?;
    fs::set_permissions(&binary, fs::Permissions::from_mode(0o700)).context("make it a program")?;
    let options = OperatorOptions { binary, log, ..before.clone() };
    let counted = Operator::start(options).await;
    let mut counted = counted.context("start the operator below valgrind; is it installed?")?;
    wait_for_metric(&counted, SELDOM, UNCHANGED, size).await?;
    counted.stop().await?;
    let log = counted.log_text();
    let count = log.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok());
    count.context("valgrind does not say how much it has counted")
}
