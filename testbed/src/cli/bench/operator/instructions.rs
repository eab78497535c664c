//! How many instructions an unchanged object takes at a resync: counted by Valgrind, so that it
//! tells a regression on a machine where times tell nothing.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use testbed::operator::{Operator, OperatorOptions};

use super::Settings;
use super::bed::{Bed, poll};
use super::create::create;
use super::healthy::UNCHANGED;
use super::table::{Figure, Table, real};

/// Two fleets whose difference is that of so many objects; what a process takes to start is in
/// both.
const SIZES: [usize; 2] = [100, 1_100];
/// Valgrind makes a program some fifty times slower.
const LOOK: Duration = Duration::from_millis(200);

pub(super) async fn instructions(
    settings: &Settings,
    directory: &Path,
    table: &mut Table,
) -> Result<()> {
    let mut counts = Vec::new();
    for size in SIZES {
        let mut bed = Bed::start(settings, directory, &format!("instructions-{size}")).await?;
        let mut operator = bed.start_operator().await?;
        create(&mut bed, &mut operator, size).await?;
        operator.stop().await?;
        counts.push(real(count(&operator, size).await?) * 1_000.0);
        drop(operator);
        bed.end()?;
    }
    let slope = (counts[1] - counts[0]) / real(SIZES[1] - SIZES[0]);
    table.add_overall("restart: instructions for each unchanged object", Figure::new(slope, ""));
    Ok(())
}

/// Runs the operator until it has found all of them unchanged: so many thousand instructions in
/// all.
async fn count(operator: &Operator, size: usize) -> Result<u64> {
    let before = operator.options();
    let (script, log) =
        (before.log.with_file_name("counted.sh"), before.log.with_file_name("counted.log"));
    let program = before.binary.display();
    let text = format!(
        "#!/bin/sh\nexec valgrind --tool=callgrind --callgrind-out-file=/dev/null '{program}' \
            \"$@\"\n"
    );
    std::fs::write(&script, text).with_context(|| format!("write {}", script.display()))?;
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o700))
        .context("make it a program")?;
    let options = OperatorOptions { binary: script, log, ..before.clone() };
    let mut counted = Operator::start(options)
        .await
        .context("start the operator below valgrind; is it installed?")?;
    let running = &counted;
    poll("every object is found unchanged", LOOK, async || {
        let (_, metrics) = running.get("/metrics").await?;
        let count = metrics
            .lines()
            .find_map(|line| line.strip_prefix(UNCHANGED)?.trim().parse::<usize>().ok());
        Ok(count.filter(|count| *count >= size))
    })
    .await?;
    counted.stop().await?;
    let log = counted.log_text();
    let collected =
        log.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse::<u64>().ok());
    Ok(collected.context("valgrind does not say how much it has counted")? / 1_000)
}
