//! How AWS is reached, by its variables and files.

use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_types::service_config::ServiceConfigKey;

use super::credentials::ProfileFiles;
use super::http::{HttpOptions, http_client};
use crate::config::{Config, Environment, endpoints};
use crate::metrics::Metrics;
use crate::proxies::Proxies;

/// The services, by the names of their endpoints in the SDK.
const SERVICES: [&str; 4] = ["Lightsail", "STS", "SSO", "SSO OIDC"];

/// The SDK's configuration by the flags, the variables and the profile, without credentials.
/// `complain` is told why no profile is used, if that is so.
///
/// # Errors
/// A setting cannot be used.
pub async fn configuration(
    config: &Config,
    environment: &Environment,
    proxies: Proxies,
    metrics: Metrics,
    complain: impl FnOnce(String),
) -> anyhow::Result<SdkConfig> {
    let files = ProfileFiles::read(environment).await;
    if let Some(problem) = files.problem().await {
        complain(problem);
    }
    let http = http_client(HttpOptions {
        call_timeout: config.aws_call_timeout,
        allow_insecure_endpoints: config.allow_insecure_endpoints,
        ca_bundle: config.aws_ca_bundle(),
        proxies,
        use_fips: files.use_fips(environment).await,
        metrics,
    })?;
    of_files(http, &files).await
}

async fn of_files(http: SharedHttpClient, files: &ProfileFiles) -> anyhow::Result<SdkConfig> {
    // Each object names its region. So the region is not read from the instance's metadata, which
    // fails slowly outside EC2.
    let of_profile = ProfileFileRegionProvider::builder().profile_files(files.for_sdk());
    let of_profile = of_profile.profile_name(files.profile()).build();
    let region = EnvironmentVariableRegionProvider::new();
    let region = RegionProviderChain::first_try(region).or_else(of_profile);
    let region = region.region().await.filter(|region| !region.as_ref().is_empty());
    let config = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        .profile_files(files.for_sdk())
        .profile_name(files.profile())
        .region(region)
        // Each client has its own. The SDK panics for what it does not know in AWS_RETRY_MODE,
        // such as the `legacy` of other SDKs.
        .retry_config(RetryConfig::disabled())
        .no_credentials()
        .load()
        .await;
    for service in SERVICES {
        if let Some(why) = endpoint_of(&config, service).as_deref().and_then(endpoints::fault) {
            anyhow::bail!("endpoint_url of the profile, for {service}, {why}");
        }
    }
    Ok(config)
}

/// As the SDK's clients find it.
fn endpoint_of(config: &SdkConfig, service: &str) -> Option<String> {
    let key = ServiceConfigKey::builder().service_id(service).env("AWS_ENDPOINT_URL");
    let key = key.profile("endpoint_url").build().ok()?;
    let own = config.service_config().and_then(|own| own.load_config(key));
    own.or_else(|| config.endpoint_url().map(str::to_owned))
}
