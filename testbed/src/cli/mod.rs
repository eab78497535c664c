//! The subcommands, each in a file of its own.

mod bench;
mod check_rights;
mod demo;
mod explore;
mod interrupts;
mod report;
mod run;
mod scene;
mod search_logs;
mod simulator;
mod tools;
mod up;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "testbed", about = "Real Kubernetes and a simulated Lightsail on this machine")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a command with a control plane of its own, and exit with the command's status
    Run(run::Run),
    /// Run a control plane, the simulator and the operator until Ctrl-C
    Up(scene::Settings),
    /// Run the Lightsail simulator alone until Ctrl-C
    Simulator(simulator::Settings),
    /// Run a benchmark, and report the machine that it ran on
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Check that no log of a run has a private key that was created in that run
    SearchLogs(search_logs::Settings),
    /// Compare the permissions that the chart grants the operator with those that it used in a run
    CheckRights(check_rights::Settings),
    /// Run scenarios while disturbing their requests, and compare their results
    Explore(explore::Settings),
    /// Apply the samples to a fresh control plane, and show and check the results
    Demo(scene::Settings),
}

/// Reads the arguments and does what they say.
pub(crate) async fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Run(run) => run::run(run).await,
        Command::Up(settings) => up::up(&settings).await,
        Command::Simulator(settings) => simulator::simulator(&settings).await,
        Command::Bench(bench) => bench::bench(&bench).await,
        Command::SearchLogs(settings) => search_logs::search_logs(&settings),
        Command::CheckRights(settings) => check_rights::check_rights(&settings).await,
        Command::Explore(settings) => explore::explore(&settings).await,
        Command::Demo(settings) => demo::demo(&settings).await,
    };
    outcome.unwrap_or_else(|error| {
        report::error(&error);
        ExitCode::FAILURE
    })
}
