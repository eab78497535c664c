//! `testbed explore`: runs scenarios with each request of the operator disturbed, and compares how
//! they end with how they end undisturbed.
//!
//! Each run has a namespace, a Lightsail and an operator of its own; several are under way at the
//! same time, since a run mostly waits.

mod deed;
mod disturbance;
mod end;
mod keys;
mod object;
mod others;
mod point;
mod run;
mod scenario;
mod stage;
mod users;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::ValueEnum;
use futures::StreamExt;
use sha2::{Digest, Sha256};
use testbed::cluster::Cluster;
use testbed::control_plane::ControlPlane;

use self::disturbance::Disturbance;
use self::keys::Key;
use self::run::{Case, Reference};
use self::scenario::Scenario;
use self::stage::Ground;
use super::interrupts::{Interrupts, exit_code_of};
use super::report::Report;
use super::run::apply;
use super::scene::operator_binary;
use super::tools::Tools;

/// At most one in this many requests may fail to come: some are not sent if a process is slower.
const MANY_NOT_MET: usize = 10;

/// This many points are a share, unless another size is asked for.
const SHARE: usize = 100;

/// Run scenarios while disturbing their requests, and compare their results
#[derive(Debug, clap::Args)]
pub(super) struct Settings {
    /// Only these scenarios
    #[arg(value_name = "SCENARIO")]
    scenarios: Vec<String>,
    /// Only these disturbances
    #[arg(long, value_name = "NAME")]
    disturbance: Vec<Disturbance>,
    /// Only requests whose text contains this
    #[arg(long, value_name = "TEXT")]
    point: Option<String>,
    /// A point is a request together with a disturbance. Run all points; by default, a share of
    /// them, or all points of the scenarios that you name
    #[arg(long)]
    all: bool,
    /// The number of the share; the same number chooses the same points
    #[arg(long, value_name = "NUMBER", env = "SHARE", default_value_t = 1)]
    share: u64,
    /// Number of points in the share [default: 100; none with --sequences]
    #[arg(long, value_name = "POINTS")]
    size: Option<usize>,
    /// Run this many sequences in which others act during a scenario
    #[arg(long, value_name = "NUMBER")]
    sequences: Option<u64>,
    /// The number of the first sequence; the same number is the same sequence
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// How many runs there are at the same time
    #[arg(long, value_name = "RUNS", default_value_t = 10)]
    parallel: usize,
    /// Show the requests and the end of each scenario without disturbances
    #[arg(long)]
    show_ends: bool,
    /// The operator's binary; without it, the one beside this program
    #[arg(long, value_name = "FILE")]
    operator: Option<PathBuf>,
    /// The project's directory
    #[arg(long, value_name = "DIR", default_value = ".")]
    project: PathBuf,
    #[command(flatten)]
    tools: Tools,
}

impl Settings {
    fn wants_points(&self) -> bool {
        self.sequences.is_none() || self.all || self.size.is_some()
    }
}

pub(super) async fn explore(settings: &Settings) -> Result<ExitCode> {
    let mut interrupts = Interrupts::listen()?;
    let scenarios = scenario::read(&settings.project.join("testbed/scenarios.yaml"))?;
    let scenarios = scenario::choose(scenarios, &settings.scenarios)?;
    let temporary = tempfile::Builder::new().prefix("testbed-").tempdir().context("a directory")?;
    let outcome = tokio::select! {
        outcome = on_a_cluster(settings, &scenarios, temporary.path()) => outcome,
        signal = interrupts.next() => return Ok(exit_code_of(signal)),
    };
    let is_fine = matches!(outcome, Ok(0));
    if !is_fine {
        let kept = temporary.keep();
        Report::on_stdout().line(&format!("the logs are in {}", kept.display()));
    }
    outcome.map(|_| if is_fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// On the control plane of `testbed run`, if there is one, or on one of its own. How many ends
/// differ.
async fn on_a_cluster(
    settings: &Settings,
    scenarios: &[Scenario],
    directory: &Path,
) -> Result<usize> {
    let report = Report::on_stdout();
    let mut control_plane = None;
    let cluster = if std::env::var_os(testbed::cluster::variables::OWNER).is_some() {
        Cluster::from_env().await?
    } else {
        let start = ControlPlane::start(&settings.tools.tools, directory);
        let started = control_plane.insert(report.step("control plane", start).await?);
        let cluster = Cluster::of(started).await?;
        let base = settings.project.join("testbed/deploy");
        report.step("apply testbed/deploy", apply(&cluster, &base)).await?;
        cluster
    };
    let runs = cluster.directory().join("explore");
    std::fs::create_dir_all(&runs).context("make a directory")?;
    let keys = [("A", "key-a"), ("B", "key-b"), ("C", "key-c")]
        .map(|(letter, name)| Key::generate(directory, name).map(|key| (letter, key)));
    let ground = Ground {
        binary: operator_binary(settings.operator.as_deref())?,
        directory: runs,
        keys: keys.into_iter().collect::<Result<_>>()?,
        cluster,
    };
    ground.prepare().await?;
    let found = explore_all(settings, scenarios, &ground, report).await;
    drop(control_plane);
    found
}

/// A line of the table.
#[derive(Default)]
struct Line {
    requests: usize,
    points: usize,
    not_met: usize,
    differing: usize,
    time: Duration,
}

async fn explore_all(
    settings: &Settings,
    scenarios: &[Scenario],
    ground: &Ground,
    report: Report,
) -> Result<usize> {
    let references = futures::stream::iter(scenarios)
        .map(|scenario| async move { (scenario, run::undisturbed(ground, scenario, report).await) })
        .buffered(settings.parallel)
        .collect::<Vec<_>>()
        .await;
    let mut known: Vec<(&Scenario, Reference)> = Vec::new();
    let mut failed = 0;
    for (scenario, reference) in references {
        match reference {
            Ok(reference) => known.push((scenario, reference)),
            Err(error) => {
                failed += 1;
                report.line(&format!("{error:#}"));
            }
        }
    }
    if settings.show_ends {
        for (scenario, reference) in &known {
            report.section(&scenario.name);
            for point in &reference.points {
                report.line(&format!("  {point}"));
            }
            for (name, end) in &reference.end {
                report.line(&format!("  {name}: {end}"));
            }
        }
    }
    if settings.wants_points() {
        failed += tell_points(settings, ground, &known, report).await;
    }
    if let Some(count) = settings.sequences {
        failed += tell_sequences(settings, ground, scenarios, &known, count, report).await;
    }
    Ok(failed)
}

/// Disturbs points, and says which end differs, and how many there are. Returns how many differ.
async fn tell_points(
    settings: &Settings,
    ground: &Ground,
    known: &[(&Scenario, Reference)],
    report: Report,
) -> usize {
    let started = Instant::now();
    let cases = chosen_cases(settings, known);
    report.line(&format!("{} points; SHARE={} chooses a share", cases.len(), settings.share));
    let mut lines: BTreeMap<&str, Line> = BTreeMap::new();
    for (scenario, reference) in known {
        let line = lines.entry(&scenario.name).or_default();
        line.requests = reference.points.len();
    }
    let mut outcomes = futures::stream::iter(cases)
        .map(|(scenario, reference, case)| async move {
            let started = Instant::now();
            let outcome = run::disturbed(ground, scenario, reference, &case).await;
            (scenario, case, outcome, started.elapsed())
        })
        .buffer_unordered(settings.parallel);
    while let Some((scenario, case, outcome, time)) = outcomes.next().await {
        let line = lines.entry(&scenario.name).or_default();
        line.points += 1;
        line.time += time;
        let (differences, logs) = match outcome {
            Ok(outcome) => {
                line.not_met += usize::from(!outcome.met);
                (outcome.differences, outcome.logs)
            }
            Err(error) => (vec![format!("the run failed: {error:#}")], String::new()),
        };
        if !differences.is_empty() {
            line.differing += 1;
            tell_differing(report, scenario, &case, &differences, &logs);
        }
    }
    let sum = tell_table(report, &lines, started.elapsed());
    if sum.points == 0 {
        report.line("no request of the chosen scenarios was disturbed");
    } else if sum.not_met * MANY_NOT_MET > sum.points {
        report.line("too many requests did not come: the runs say little");
    } else {
        return sum.differing;
    }
    sum.differing + 1
}

/// Runs sequences, and says what does not hold in which. Returns how many those are.
async fn tell_sequences(
    settings: &Settings,
    ground: &Ground,
    scenarios: &[Scenario],
    known: &[(&Scenario, Reference)],
    count: u64,
    report: Report,
) -> usize {
    let started = Instant::now();
    let mut outcomes = futures::stream::iter(settings.seed..settings.seed + count)
        .map(|seed| async move {
            let which = usize::try_from(seed).unwrap_or_default() % scenarios.len();
            let name = &scenarios[which].name;
            let found = known.iter().find(|(scenario, _)| scenario.name == *name);
            let outcome = match found {
                Some((scenario, reference)) => {
                    others::sequence(ground, scenario, reference, seed).await
                }
                None => Err(anyhow::anyhow!("{name} did not run undisturbed")),
            };
            (seed, outcome)
        })
        .buffer_unordered(settings.parallel);
    let mut broken_ones = 0;
    while let Some((seed, outcome)) = outcomes.next().await {
        let (what, broken, logs) = match outcome {
            Ok(sequence) => (sequence.what, sequence.broken, sequence.logs),
            Err(error) => {
                (String::new(), vec![format!("the run failed: {error:#}")], String::new())
            }
        };
        if !broken.is_empty() {
            broken_ones += 1;
            report.line(&format!("\nsequence {seed}: {what}"));
            for one in broken {
                report.line(&format!("  {one}"));
            }
            let chosen = settings.scenarios.join(" ");
            report.line(&format!(
                "  again: testbed explore {chosen} --sequences 1 --seed {seed}\n  logs: {logs}"
            ));
        }
    }
    report.line(&format!(
        "\n{count} sequences from {} on, in {} scenarios: {broken_ones} in which something does \
         not hold; {:.0} s",
        settings.seed,
        known.len(),
        started.elapsed().as_secs_f64()
    ));
    broken_ones
}

/// The points of the scenarios with each disturbance: all of them, those that were asked for, or a
/// share.
fn chosen_cases<'a>(
    settings: &Settings,
    known: &'a [(&'a Scenario, Reference)],
) -> Vec<(&'a Scenario, &'a Reference, Case)> {
    let disturbances = if settings.disturbance.is_empty() {
        Disturbance::value_variants()
    } else {
        &settings.disturbance
    };
    let mut cases = Vec::new();
    for (scenario, reference) in known {
        for (turn, point) in reference.points.iter().enumerate() {
            if settings.point.as_ref().is_some_and(|part| !point.to_string().contains(part)) {
                continue;
            }
            for disturbance in disturbances {
                let case = Case { point: point.clone(), disturbance: *disturbance, turn };
                cases.push((*scenario, reference, case));
            }
        }
    }
    // In an order that has nothing to do with the scenarios: those with long waits are spread.
    cases.sort_by_cached_key(|(scenario, _, case)| {
        let name = format!("{} {} {:?}", settings.share, scenario.name, case.disturbance);
        Sha256::digest(format!("{name} {}", case.point))
    });
    let is_chosen = settings.all
        || settings.point.is_some()
        || !settings.scenarios.is_empty()
        || !settings.disturbance.is_empty();
    if !is_chosen {
        cases.truncate(settings.size.unwrap_or(SHARE));
    }
    cases
}

fn tell_differing(
    report: Report,
    scenario: &Scenario,
    case: &Case,
    differences: &[String],
    logs: &str,
) {
    let (name, point, disturbance) = (&scenario.name, &case.point, case.disturbance.name());
    report.line(&format!("\n{name}: {disturbance}: {point}"));
    for difference in differences {
        report.line(&format!("  {difference}"));
    }
    report.line(&format!(
        "  again: testbed explore {name} --disturbance {disturbance} --point '{point}'\n  logs: \
         {logs}"
    ));
}

fn tell_table(report: Report, lines: &BTreeMap<&str, Line>, time: Duration) -> Line {
    report.line(&format!(
        "\n{:28} {:>8} {:>7} {:>8} {:>10} {:>9}",
        "scenario", "requests", "points", "not met", "ends differ", "seconds"
    ));
    let mut sum = Line::default();
    for (name, line) in lines {
        tell_line(report, name, line, line.time);
        sum.requests += line.requests;
        sum.points += line.points;
        sum.not_met += line.not_met;
        sum.differing += line.differing;
    }
    tell_line(report, &format!("{} scenarios", lines.len()), &sum, time);
    sum
}

fn tell_line(report: Report, name: &str, line: &Line, time: Duration) {
    report.line(&format!(
        "{name:28} {:>8} {:>7} {:>8} {:>10} {:>9.0}",
        line.requests,
        line.points,
        line.not_met,
        line.differing,
        time.as_secs_f64()
    ));
}
