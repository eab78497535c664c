//! The command `testbed`: a control plane for a command, for a person, or for the demo. See
//! [`cli`].

mod cli;

use std::process::ExitCode;

/// The main thread starts all processes, since they end with the thread that started them.
#[tokio::main]
async fn main() -> ExitCode {
    cli::main().await
}
