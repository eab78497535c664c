//! `testbed simulator`: Lightsail alone, with one account, for whoever wants to try a client on it.
//!
//! Standard output has the lines that make an AWS client use it, ready to paste, and nothing else.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use testbed::simulator::{Credentials, NewInstance, Options, Platform, Simulator, Switches};

use super::interrupts::Interrupts;
use super::report::Report;

/// The account that there is to begin with.
pub(super) const ACCOUNT: &str = "123456789012";
/// The region that the printed lines choose.
pub(super) const REGION: &str = "eu-west-1";

/// Start the simulator alone.
#[derive(Debug, clap::Args)]
pub(super) struct Settings {
    /// The address to listen on. If it is not a loopback address, whoever reaches it can do
    /// everything
    #[arg(long, default_value_t = Ipv4Addr::LOCALHOST.into())]
    address: IpAddr,
    /// The port to listen on; 0 chooses a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// The id of an access key that clients already have; by default, a new one
    #[arg(
        long,
        value_name = "ID",
        env = "SIMULATOR_ACCESS_KEY_ID",
        requires = "secret_access_key"
    )]
    access_key_id: Option<String>,
    /// The secret of that access key
    #[arg(
        long,
        value_name = "SECRET",
        env = "SIMULATOR_SECRET_ACCESS_KEY",
        hide_env_values = true,
        requires = "access_key_id"
    )]
    secret_access_key: Option<String>,
    /// An instance to begin with; may be repeated
    #[arg(long = "instance", value_name = "NAME")]
    instances: Vec<String>,
    /// A Windows instance to begin with; may be repeated
    #[arg(long = "windows-instance", value_name = "NAME")]
    windows_instances: Vec<String>,
    /// Begin with a default key pair, as a region has after its first instance
    #[arg(long)]
    default_key_pair: bool,
    /// A switch, for example pageSize=2; may be repeated. testbed/README.md lists them
    #[arg(long = "switch", value_name = "NAME=VALUE")]
    switches: Vec<String>,
    /// A file with the IAM policy of the account; by default, everything is allowed
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Write a line of JSON for each request to this file, for example /dev/stderr
    #[arg(long, value_name = "FILE")]
    request_log: Option<PathBuf>,
    /// How many requests the admin API can show
    #[arg(long, value_name = "COUNT", default_value_t = 10_000)]
    kept_requests: usize,
}

impl Settings {
    fn known(&self) -> Option<Credentials> {
        let (id, secret) = (self.access_key_id.clone()?, self.secret_access_key.clone()?);
        Some(Credentials { access_key_id: id, secret_access_key: secret })
    }

    fn switches(&self) -> Result<Switches> {
        let mut switches = Switches::default();
        for setting in &self.switches {
            let (name, value) =
                setting.split_once('=').with_context(|| format!("{setting} is not NAME=VALUE"))?;
            switches
                .set(name, value)
                .map_err(anyhow::Error::msg)
                .with_context(|| format!("--switch {setting}"))?;
        }
        Ok(switches)
    }
}

pub(super) async fn simulator(settings: &Settings) -> Result<ExitCode> {
    let mut interrupts = Interrupts::listen()?;
    let options = Options {
        address: Some(settings.address),
        port: settings.port,
        request_log: settings.request_log.clone(),
        kept_requests: Some(settings.kept_requests),
        switches: settings.switches()?,
        ..Options::default()
    };
    let simulator = Simulator::start(options).await.context("start the simulator")?;
    let credentials = match settings.known() {
        Some(known) => {
            simulator.add_credentials(ACCOUNT, &known);
            known
        }
        None => simulator.add_account(ACCOUNT),
    };
    if let Some(path) = &settings.policy {
        let document =
            std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
        let set = simulator.set_policy(ACCOUNT, Some(&document));
        set.map_err(anyhow::Error::msg)
            .with_context(|| format!("take the policy in {}", path.display()))?;
    }
    let region = simulator.region(ACCOUNT, REGION);
    for name in &settings.instances {
        region.add_instance(name);
    }
    for name in settings.windows_instances.clone() {
        region.launch(NewInstance { name, platform: Platform::Windows, ..NewInstance::default() });
    }
    if settings.default_key_pair {
        let _ = region.create_default_key_pair();
    }
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
