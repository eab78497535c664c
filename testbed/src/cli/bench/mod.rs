//! `testbed bench`: measurements, with what they were measured on. Nothing here passes or fails on
//! a time.

mod bare_client;
mod bed;
mod client;
mod figures;
mod fleet;
mod machine;
mod neighbors;
mod operator;
mod page;
mod process;
mod simulator;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(super) enum Bench {
    /// Measure how many requests the simulator serves, and what memory it takes
    Simulator(simulator::Settings),
    /// Measure the operator, beside a client that sends the same requests and nothing else
    Operator(operator::Settings),
    /// Measure a quiet namespace beside a hostile one
    Neighbors(neighbors::Settings),
}

pub(super) async fn bench(bench: &Bench) -> Result<ExitCode> {
    match bench {
        Bench::Simulator(settings) => simulator::simulator(settings).await,
        Bench::Operator(settings) => operator::operator(settings).await,
        Bench::Neighbors(settings) => neighbors::neighbors(settings).await,
    }
}
