//! What all measurements of a run share: what to measure, where they work, and the table.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::cli::bench::bed::{Bed, Stage};
use crate::cli::bench::figures::Table;
use crate::cli::report::Report;

/// Measure the operator.
#[derive(Debug, clap::Args)]
pub(crate) struct Settings {
    #[command(flatten)]
    pub(super) stage: Stage,
    /// How many objects, for each measurement that depends on that
    #[arg(long, value_name = "COUNTS", value_delimiter = ',', default_value = "100,1000,10000",
        value_parser = parse_count)]
    pub(super) sizes: Vec<usize>,
    /// How many objects are created while Lightsail takes five requests a second
    #[arg(long, value_name = "COUNT", default_value = "2000", value_parser = parse_count)]
    pub(super) throttled: usize,
    /// How many objects fail beside a quiet namespace
    #[arg(long, value_name = "COUNT", default_value = "5000", value_parser = parse_count)]
    pub(super) failing: usize,
    /// How many objects come and go
    #[arg(long, value_name = "COUNT", default_value = "1000", value_parser = parse_count)]
    pub(super) churned: usize,
    /// How many accounts there are
    #[arg(long, value_name = "COUNT", default_value = "50", value_parser = parse_count)]
    pub(super) accounts: usize,
    /// How many objects each account has
    #[arg(long, value_name = "COUNT", default_value = "200", value_parser = parse_count)]
    pub(super) objects: usize,
    /// How many objects several operators share
    #[arg(long, value_name = "COUNT", default_value = "100000", value_parser = parse_count)]
    pub(super) scaled: usize,
    /// Another operator's binary, for example an older one, to measure alternately with this one
    #[arg(long, value_name = "FILE")]
    pub(super) before: Option<PathBuf>,
    /// Measure only this; may be repeated. Without it, what many key pairs take: all from `create`
    /// to `growth`
    #[arg(long, value_name = "PARTS", value_delimiter = ',')]
    only: Vec<Part>,
    /// Write the page into this directory: operator.md, or scale.md or scale-in-one.md if only that
    /// is measured, or workloads.md
    #[arg(long, value_name = "DIR")]
    pub(super) write: Option<PathBuf>,
}

impl Settings {
    /// The page that tells what is measured.
    pub(super) fn page(&self) -> OfPage {
        match &*self.only {
            [Part::Scale] => OfPage::Scale,
            [Part::ScaleInOne] => OfPage::ScaleInOne,
            parts if parts.iter().all(|part| part.is_of_many()) => OfPage::Many,
            _ => OfPage::Workloads,
        }
    }
}

/// A page that the benchmark writes.
pub(super) enum OfPage {
    Many,
    Workloads,
    Scale,
    ScaleInOne,
}

fn parse_count(text: &str) -> Result<usize, String> {
    let count = text.parse().ok().filter(|count| (1..=100_000).contains(count));
    count.ok_or_else(|| "a number from 1 to 100000".to_owned())
}

/// What can be measured alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Part {
    /// Many objects created together, beside the control run
    Create,
    /// A restart with all of them healthy
    Restart,
    /// Doing nothing with all of them healthy
    Idle,
    /// From an edit to the call of Lightsail
    Edit,
    /// Lightsail takes five requests a second
    Throttled,
    /// What each further object takes
    Growth,
    /// A quiet namespace beside one whose objects all fail
    Crowd,
    /// Objects that come and go
    Churn,
    /// Many accounts, beside as many objects without one
    Accounts,
    /// From the call of a reset until it is Complete
    Resets,
    /// Instructions for each unchanged object, by Valgrind
    Instructions,
    /// A hundred thousand objects that four operators share, in more than an hour
    Scale,
    /// A hundred thousand objects of one operator, in half an hour
    ScaleInOne,
}

impl Part {
    /// Whether it is about many key pairs of one kind. The others are measured only if they are
    /// asked for.
    fn is_of_many(self) -> bool {
        match self {
            Self::Create
            | Self::Restart
            | Self::Idle
            | Self::Edit
            | Self::Throttled
            | Self::Growth => true,
            Self::Crowd
            | Self::Churn
            | Self::Accounts
            | Self::Resets
            | Self::Instructions
            | Self::Scale
            | Self::ScaleInOne => false,
        }
    }
}

/// A run of the benchmark with one version of the operator.
pub(super) struct Run<'a> {
    pub(super) settings: &'a Settings,
    /// Its binary.
    pub(super) binary: PathBuf,
    /// What to tell beside each step, if it is not the version that is measured as such.
    pub(super) name: &'static str,
    /// Each measurement has a directory of its own in it.
    pub(super) directory: PathBuf,
    pub(super) report: Report,
    pub(super) table: Table,
}

impl Run<'_> {
    /// Whether any of these is to be measured.
    pub(super) fn wants(&self, parts: &[Part]) -> bool {
        let only = &self.settings.only;
        let is_wanted = |part: &Part| {
            if only.is_empty() { part.is_of_many() } else { only.contains(part) }
        };
        parts.iter().any(is_wanted)
    }

    /// A control plane and a simulator, in a directory of this name.
    pub(super) async fn bed(&self, name: &str) -> Result<Bed> {
        Bed::start(&self.settings.stage, &self.binary, &self.directory.join(name)).await
    }

    /// Does a step if any of these parts is to be measured. Most take minutes, and none two hours;
    /// the client library would wait forever for an answer that does not come.
    pub(super) fn step<T>(
        &self,
        parts: &[Part],
        name: &str,
        step: impl Future<Output = Result<T>>,
    ) -> impl Future<Output = Result<Option<T>>> {
        let step = Box::pin(tokio::time::timeout(Duration::from_hours(2), step));
        let step = async { step.await.context("not done within two hours")? };
        let name = [name, self.name].join(if self.name.is_empty() { "" } else { ", " });
        async move {
            let done = async || self.report.step(&name, step).await.map(Some);
            if self.wants(parts) { done().await } else { Ok(None) }
        }
    }
}
