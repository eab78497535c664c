//! `testbed simulator`: Lightsail alone, with one account and one instance, for whoever wants to try a client on it.

use std::process::ExitCode;

use anyhow::{Context, Result};
use testbed::simulator::{Credentials, Options, Simulator};

use super::Interrupts;
use super::report::Report;
use super::scene::INSTANCE;

/// The account that there is to begin with.
pub(super) const ACCOUNT: &str = "123456789012";
/// The region that the printed lines choose.
pub(super) const REGION: &str = "eu-west-1";

/// Start the simulator alone.
#[derive(Debug, clap::Args)]
pub(super) struct Settings {
    /// The port on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
}

pub(super) async fn simulator(settings: &Settings) -> Result<ExitCode> {
    let mut interrupts = Interrupts::listen()?;
    let options = Options { port: settings.port, ..Options::default() };
    let simulator = Simulator::start(options).await.context("start the simulator")?;
    let credentials = simulator.add_account(ACCOUNT);
    simulator.region(ACCOUNT, REGION).add_instance(INSTANCE);
    for (name, value) in environment(&simulator.url(), &credentials) {
        Report::on_stdout().line(&format!("export {name}={value}"));
    }
    interrupts.next().await;
    Ok(ExitCode::SUCCESS)
}

/// What makes an AWS client talk to the simulator. The access keys open nothing else.
pub(super) fn environment(url: &str, credentials: &Credentials) -> Vec<(String, String)> {
    let variables = [
        ("AWS_ENDPOINT_URL", url),
        ("AWS_REGION", REGION),
        // What boto3 reads instead.
        ("AWS_DEFAULT_REGION", REGION),
        ("AWS_ACCESS_KEY_ID", &credentials.access_key_id),
        ("AWS_SECRET_ACCESS_KEY", &credentials.secret_access_key),
    ];
    variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}
