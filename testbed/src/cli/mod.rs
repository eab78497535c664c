//! The subcommands, each in a file of its own, and what they share.

mod bench;
mod check_rights;
mod demo;
mod report;
mod run;
mod scene;
mod search_logs;
mod simulator;
mod up;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use tokio::signal::unix::{Signal, SignalKind, signal};

#[derive(Debug, Parser)]
#[command(name = "testbed", about = "Real Kubernetes and a simulated Lightsail on this machine")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a command with a control plane of its own, and exit as it does
    Run(run::Run),
    /// Start control plane, simulator and operator, and keep them until Ctrl-C
    Up(scene::Settings),
    /// Start the Lightsail simulator alone, and keep it until Ctrl-C
    Simulator(simulator::Settings),
    /// Measure something, and say on what machine
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Search every log of a run for every private key that was handed out in it
    SearchLogs(search_logs::Settings),
    /// Compare what the chart grants the operator with what the operator asked for in a run
    CheckRights(check_rights::Settings),
    /// Apply the samples to a fresh control plane, and show and check what they become
    Demo(scene::Settings),
}

/// Where the programs of the control plane are.
#[derive(Debug, Args)]
struct Tools {
    /// The directory with kube-apiserver, kube-controller-manager, kubectl and etcd
    #[arg(long, env = "TESTBED_TOOLS", default_value = ".tools/bin")]
    tools: PathBuf,
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
        Command::Demo(settings) => demo::demo(&settings).await,
    };
    outcome.unwrap_or_else(|error| {
        report::error(&error);
        ExitCode::FAILURE
    })
}

/// The signals by which a person, a CI system or a closed terminal ends this.
struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Interrupts {
    /// From here on these signals no longer end the process by themselves.
    fn listen() -> Result<Self> {
        let listen = |kind| signal(kind).context("listen for signals");
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    /// Completes when one comes.
    async fn next(&mut self) -> rustix::process::Signal {
        tokio::select! {
            _ = self.interrupt.recv() => rustix::process::Signal::INT,
            _ = self.terminate.recv() => rustix::process::Signal::TERM,
            _ = self.hangup.recv() => rustix::process::Signal::HUP,
        }
    }
}

/// What a shell says of a command that a signal has ended.
fn exit_code_of(signal: rustix::process::Signal) -> ExitCode {
    ExitCode::from(u8::try_from(128 + signal.as_raw()).unwrap_or(u8::MAX))
}
