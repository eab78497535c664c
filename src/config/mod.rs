//! Every flag and variable: the only reader of the environment but the loaders of AWS's and
//! Kubernetes' own configuration.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use clap::{ArgAction, Parser, ValueEnum};
use sha2::{Digest, Sha256};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

pub(crate) mod endpoints;
mod environment;
mod export;
pub(crate) mod label_selector;
pub(crate) mod names;

pub use endpoints::check_endpoints;
pub use environment::{Environment, without_empty_aws_variables};
pub use export::{Command, Export, Output};
use label_selector::label_selector;
use names::{namespace, region};

/// Kubernetes operator for Amazon Lightsail key pairs and known host keys.
///
/// In a pod, the operator connects to the API server of its cluster; elsewhere, to the one in
/// KUBECONFIG. It finds AWS credentials and endpoints as the AWS SDK does, through variables such
/// as `AWS_PROFILE`, `AWS_ENDPOINT_URL` and `AWS_ENDPOINT_URL_LIGHTSAIL`.
#[derive(Clone, Debug, Parser)]
#[command(
    version,
    disable_help_subcommand = true,
    override_usage = "lightsail-operator [OPTIONS] [COMMAND]"
)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub struct Config {
    /// A command to run instead of the operator.
    #[command(subcommand)]
    pub command: Option<Command>,

    /// The address and port of /livez, /readyz and /metrics, for example 127.0.0.1:8080. `[::]`
    /// means all IPv6 and IPv4 addresses.
    #[arg(long, env = "LIGHTSAIL_OPERATOR_BIND_ADDRESS", default_value = "[::]:8080",
        value_parser = bind_address, value_name = "ADDRESS:PORT")]
    pub bind_address: SocketAddr,

    /// The format of the log.
    #[arg(long, global = true, env = "LIGHTSAIL_OPERATOR_LOG_FORMAT", default_value = "text")]
    pub log_format: LogFormat,

    /// What to log, for example `info` or `warn,lightsail_operator=debug`. Whatever the filter,
    /// libraries log only a few warnings, because they could log private keys.
    #[arg(long, global = true, env = "LIGHTSAIL_OPERATOR_LOG", default_value = LOG,
        value_parser = log_filter, value_name = "FILTER")]
    pub log: String,

    /// Watch only this namespace, for example team-a; may be repeated. Default: all namespaces.
    #[arg(long, env = "LIGHTSAIL_OPERATOR_WATCH_NAMESPACE", value_delimiter = ',',
        value_parser = namespace, value_name = "NAMESPACE")]
    pub watch_namespace: Vec<String>,

    /// Watch only objects whose labels match, for example `team=a,tier in (x,y),!legacy`. Several
    /// operators can share a cluster if no two selectors match the same object. Default: all
    /// objects.
    #[arg(long, env = "LIGHTSAIL_OPERATOR_WATCH_LABEL_SELECTOR", value_parser = label_selector,
        value_name = "SELECTOR")]
    pub watch_label_selector: Option<String>,

    /// Support `LightsailAccount`s. Set `--accounts=false` for an operator without access to them.
    /// Objects without accountRef then use the operator's own credentials, unless accounts are
    /// required, and those with accountRef report `AccountNotFound`.
    #[arg(long, env = "LIGHTSAIL_OPERATOR_ACCOUNTS", default_value_t = true,
        action = ArgAction::Set, num_args = 0..=1, default_missing_value = "true",
            value_name = "BOOL")]
    pub accounts: bool,

    /// Never use the operator's own credentials for objects without accountRef, even if the cluster
    /// has no `LightsailAccount` (yet, or any more), except in the namespaces of
    /// `--unscoped-namespace`.
    #[arg(long, env = "LIGHTSAIL_OPERATOR_ACCOUNTS_REQUIRED", default_value_t = false,
        action = ArgAction::Set, num_args = 0..=1, default_missing_value = "true",
            value_name = "BOOL")]
    pub accounts_required: bool,

    /// A namespace, for example platform, whose objects may leave out accountRef, and then use the
    /// operator's own credentials, even if the cluster has `LightsailAccount`s; may be repeated.
    /// Default: none.
    #[arg(long, env = "LIGHTSAIL_OPERATOR_UNSCOPED_NAMESPACE", value_delimiter = ',',
        value_parser = namespace, value_name = "NAMESPACE")]
    pub unscoped_namespace: Vec<String>,

    /// Write the status and the finalizer of `LightsailAccount`s. If several operators share a
    /// cluster, exactly one of them must do this: set `--primary=false` for the others.
    #[arg(long, env = "LIGHTSAIL_OPERATOR_PRIMARY", default_value_t = true,
        action = ArgAction::Set, num_args = 0..=1, default_missing_value = "true",
            value_name = "BOOL")]
    pub primary: bool,

    /// Act only while holding a Lease, so that only one of several replicas acts. Set
    /// `--leader-election=false` only for a single replica.
    #[arg(long, env = "LIGHTSAIL_OPERATOR_LEADER_ELECTION", default_value_t = true,
        action = ArgAction::Set, num_args = 0..=1, default_missing_value = "true",
            value_name = "BOOL")]
    pub leader_election: bool,

    /// The name of the Lease. Default: lightsail-operator, followed by a hash of the watched
    /// namespaces and labels if there are any, so that several operators have different Leases. Set
    /// a name if you may change these: otherwise, old and new pods have different Leases, and both
    /// act while they are being replaced.
    #[arg(long, env = "LIGHTSAIL_OPERATOR_LEASE_NAME", value_parser = namespace,
        value_name = "NAME")]
    pub lease_name: Option<String>,

    /// How long the Lease lasts without renewal, for example 15s. The operator renews it every 2/15
    /// of that time, and exits if it cannot do so for 2/3 of that time. Below 10s, a slow API
    /// server can cost the operator its Lease.
    #[arg(long, env = "LIGHTSAIL_OPERATOR_LEASE_DURATION", default_value = "15s",
        value_parser = duration, value_name = "TIME")]
    pub lease_duration: Duration,

    /// The namespace of the Lease. Default: that of the pod, or of the kubeconfig.
    #[arg(long, env = "LIGHTSAIL_OPERATOR_LEASE_NAMESPACE", value_parser = namespace,
        value_name = "NAMESPACE")]
    pub lease_namespace: Option<String>,

    /// The ID of this cluster in the owner tag of key pairs, for example prod-1; at most 64
    /// characters. Default: the UID of the namespace kube-system.
    #[arg(long, global = true, env = "LIGHTSAIL_OPERATOR_CLUSTER_ID", value_parser = cluster_id,
        value_name = "ID")]
    pub cluster_id: Option<String>,

    /// The AWS account that the operator's own credentials must belong to, 12 digits. With
    /// credentials of another account, the operator makes no call to Lightsail for objects without
    /// accountRef. Default: any account.
    #[arg(long, global = true, env = "LIGHTSAIL_OPERATOR_AWS_ACCOUNT_ID", value_parser = account_id,
        value_name = "ACCOUNT")]
    pub aws_account_id: Option<String>,

    /// Allow objects to name only this AWS region, for example eu-west-1; may be repeated. Default:
    /// all regions.
    #[arg(long, env = "LIGHTSAIL_OPERATOR_ALLOWED_REGIONS", value_delimiter = ',',
        value_parser = region, value_name = "REGION")]
    pub allowed_regions: Vec<String>,

    /// Allow plain HTTP to AWS endpoints on other machines. Whoever can read that traffic can read
    /// private keys.
    #[arg(long, global = true, env = "LIGHTSAIL_OPERATOR_ALLOW_INSECURE_ENDPOINTS")]
    pub allow_insecure_endpoints: bool,

    /// A PEM file with the CA certificates for AWS endpoints, for a private CA or a proxy that
    /// decrypts TLS.
    /// Default: the CAs of the machine, or those in `SSL_CERT_FILE`.
    #[arg(
        long,
        global = true,
        env = "AWS_CA_BUNDLE",
        value_name = "FILE",
        default_value = "",
        hide_default_value = true
    )]
    aws_ca_bundle: String,

    /// The role to assume with the token in --aws-web-identity-token-file. IRSA sets this.
    #[arg(
        long,
        global = true,
        env = "AWS_ROLE_ARN",
        value_name = "ARN",
        default_value = "",
        hide_default_value = true
    )]
    pub aws_role_arn: String,

    /// A file with the token of a web identity. IRSA sets this.
    #[arg(
        long,
        global = true,
        env = "AWS_WEB_IDENTITY_TOKEN_FILE",
        value_name = "FILE",
        default_value = "",
        hide_default_value = true
    )]
    pub aws_web_identity_token_file: String,

    /// The session name that CloudTrail shows for --aws-role-arn.
    #[arg(long, global = true, env = "AWS_ROLE_SESSION_NAME", default_value = SESSION_NAME,
        value_parser = session_name, value_name = "NAME")]
    pub aws_role_session_name: String,

    /// How long one AWS call may take, for example 10s. With leader election, this must be less
    /// than 13/15 of --lease-duration, so that no call outlives the Lease.
    #[arg(long, global = true, env = "LIGHTSAIL_OPERATOR_AWS_CALL_TIMEOUT", default_value = "10s",
        value_parser = duration, value_name = "TIME")]
    pub aws_call_timeout: Duration,

    /// How long after the timeout of a call its effect may still appear in Lightsail, for example
    /// 60s. Until then, the operator concludes nothing from the absence of that effect.
    #[arg(long, env = "LIGHTSAIL_OPERATOR_SETTLE_TIME", default_value = "60s",
        value_parser = duration, value_name = "TIME")]
    pub settle_time: Duration,

    /// How long the Secret of a generated key pair may be missing before its private key counts as
    /// lost, for example 1m. Below 1m, the operator can generate a new key while a Secret is being
    /// reapplied.
    #[arg(long, env = "LIGHTSAIL_OPERATOR_MISSING_KEY_GRACE", default_value = "1m",
        value_parser = duration, value_name = "TIME")]
    pub missing_key_grace: Duration,

    /// How long the Secret or ConfigMap with a public key may be missing before the
    /// `LightsailKeyPair` is Stalled, for example 2m. Below 30s, objects that are applied together
    /// can be Stalled.
    #[arg(long, env = "LIGHTSAIL_OPERATOR_SOURCE_GRACE", default_value = "2m",
        value_parser = duration, value_name = "TIME")]
    pub source_grace: Duration,

    /// How often the operator checks whether an unanswered call took effect, for example 15s. Below
    /// 5s, searches use up the request rate of other objects during an outage.
    #[arg(long, env = "LIGHTSAIL_OPERATOR_SEARCH_INTERVAL", default_value = "15s",
        value_parser = duration, value_name = "TIME")]
    pub search_interval: Duration,

    /// How many objects of a kind are reconciled at the same time for each namespace in each
    /// account and region. The limits for a namespace, and for an account and region, are twice
    /// this number; the limit for all is ten times this number.
    #[arg(long, env = "LIGHTSAIL_OPERATOR_CONCURRENCY", default_value_t = 10,
        value_parser = concurrency)]
    pub concurrency: u16,
}

/// What is logged, if nobody says otherwise.
pub const LOG: &str = "info";
/// What CloudTrail calls a session, if nobody says otherwise.
const SESSION_NAME: &str = "lightsail-operator";

impl Config {
    /// The file with the CAs of AWS endpoints, if it is not the machine's.
    #[must_use]
    pub fn aws_ca_bundle(&self) -> Option<&Path> {
        Some(Path::new(&self.aws_ca_bundle)).filter(|path| !path.as_os_str().is_empty())
    }

    /// A warning for each flag with a time that is shorter than is safe.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let seconds = Duration::from_secs;
        let times = [
            // On a new connection, a request takes three round trips, at times around the world.
            (
                "--aws-call-timeout",
                self.aws_call_timeout,
                seconds(1),
                "calls can time out that Lightsail carries out",
            ),
            // A renewal that takes a second or two, as during a restart of the API server, must not
            // cost the Lease.
            (
                "--lease-duration",
                self.lease_duration,
                seconds(10),
                "a slow API server can cost the operator its Lease",
            ),
            // `kubectl replace` and a restored backup take a while to make a Secret again.
            (
                "--missing-key-grace",
                self.missing_key_grace,
                seconds(60),
                "the operator can generate a new key while a Secret is being reapplied",
            ),
            // A folder of hundreds of objects is applied in half a minute.
            (
                "--source-grace",
                self.source_grace,
                seconds(30),
                "objects that are applied together can be Stalled",
            ),
            // Each search is a call; in an outage all objects search.
            (
                "--search-interval",
                self.search_interval,
                seconds(5),
                "searches use up the request rate of other objects during an outage",
            ),
        ];
        let mut warnings = Vec::new();
        for (flag, time, least, what) in times {
            let counts = flag != "--lease-duration" || self.leader_election;
            if counts && time < least {
                warnings.push(format!("{flag} is {time:?}; below {least:?}, {what}"));
            }
        }
        if self.aws_role_arn.is_empty() != self.aws_web_identity_token_file.is_empty() {
            warnings.push(
                "only one of AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE is set; set both, or \
                 neither"
                    .to_owned(),
            );
        }
        warnings
    }

    /// The name of the Lease: another one for each share of the cluster.
    #[must_use]
    pub fn lease(&self) -> String {
        let is_everything = self.watch_namespace.is_empty() && self.watch_label_selector.is_none();
        let own = || {
            if is_everything {
                return "lightsail-operator".to_owned();
            }
            let mut namespaces = self.watch_namespace.clone();
            namespaces.sort();
            namespaces.dedup();
            let share = format!(
                "{}\0{}",
                namespaces.join(","),
                self.watch_label_selector.as_deref().unwrap_or_default()
            );
            format!("lightsail-operator-{}", hex::encode(&Sha256::digest(share)[..4]))
        };
        self.lease_name.clone().unwrap_or_else(own)
    }
}

/// The format of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// Human-readable text.
    Text,
}

fn bind_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        "write an IP address and a port, for example 127.0.0.1:8080 or [::]:8080".to_owned()
    })
}

fn concurrency(text: &str) -> Result<u16, String> {
    let number = text.parse().ok().filter(|number| (1..=1000).contains(number));
    number.ok_or_else(|| "use a number from 1 to 1000".to_owned())
}

/// A word alone is a level: `EnvFilter` takes any other for a module, and logs nothing else.
fn log_filter(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Ok(LOG.to_owned());
    }
    // An empty word would be the level `error`.
    let is_level = |word: &str| !word.is_empty() && word.parse::<LevelFilter>().is_ok();
    let is_clear = |word: &str| word.contains(['=', '[']) || is_level(word);
    let is_plain = text.split(',').all(|word| is_clear(word.trim()));
    let parsed = EnvFilter::builder().parse(text);
    parsed
        .ok()
        .filter(|_| is_plain)
        .map(|_| text.to_owned())
        .ok_or_else(|| "write, for example, info, or warn,lightsail_operator=debug".to_owned())
}

fn cluster_id(text: &str) -> Result<String, String> {
    let allowed = |char: char| char.is_ascii_alphanumeric() || "._-".contains(char);
    if (1..=64).contains(&text.len()) && text.chars().all(allowed) {
        Ok(text.to_owned())
    } else {
        Err("use 1 to 64 letters, digits, dots, hyphens and underscores".to_owned())
    }
}

fn account_id(text: &str) -> Result<String, String> {
    if text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        Ok(text.to_owned())
    } else {
        Err("an AWS account ID has 12 digits".to_owned())
    }
}

/// <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>
fn session_name(text: &str) -> Result<String, String> {
    let allowed = |char: char| char.is_ascii_alphanumeric() || "_+=,.@-".contains(char);
    if text.is_empty() {
        Ok(SESSION_NAME.to_owned())
    } else if (2..=64).contains(&text.len()) && text.chars().all(allowed) {
        Ok(text.to_owned())
    } else {
        Err("use 2 to 64 letters, digits and any of _+=,.@-".to_owned())
    }
}

/// The longest time of a flag.
const LONGEST: Duration = Duration::from_hours(24);
/// The parser panics for numbers that do not fit into a duration.
const MOST_DIGITS: usize = 12;

fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let parsed = Some(text).filter(|text| !text.is_empty() && digits <= MOST_DIGITS);
    let parsed = parsed.and_then(|text| text.parse::<kube::core::Duration>().ok());
    let duration = parsed.ok_or_else(|| "write, for example, 20s or 1m30s".to_owned())?;
    let (negative, duration) = (duration.is_negative(), Duration::from(duration));
    if negative || duration.is_zero() {
        Err("it must be more than 0s".to_owned())
    } else if duration > LONGEST {
        Err("it must be at most 24h".to_owned())
    } else {
        Ok(duration)
    }
}

#[cfg(test)]
mod tests;
