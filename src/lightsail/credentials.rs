//! Where AWS credentials come from: the SDK's standard chain, which is built anew each time, so
//! that a corrected file counts and a provider's first error is not its last.

use std::path::PathBuf;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::ecs::EcsCredentialsProvider;
use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::web_identity_token::{StaticConfiguration, WebIdentityTokenCredentialsProvider};
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_sts::config::Region;
use aws_sdk_sts::config::retry::RetryConfig;
use aws_sdk_sts::config::timeout::TimeoutConfig;

use super::contained::contained;
use super::credentials_error::texts;
use super::error::Error;
use super::types::Result;
use super::usable;

/// A role that a file with a token opens, as IRSA sets it up.
#[derive(Clone, Debug)]
pub struct WebIdentity {
    /// The file with the token (`AWS_WEB_IDENTITY_TOKEN_FILE`).
    pub token_file: PathBuf,
    /// The role (`AWS_ROLE_ARN`).
    pub role_arn: String,
    /// What CloudTrail calls the session (`AWS_ROLE_SESSION_NAME`).
    pub session_name: String,
}

const TOKEN: &str = "the token in";

/// What is said of what the SDK panics for.
const PANIC: &str =
    "the AWS SDK cannot cope with what is there; is there a line break in a key or in a name?";

/// The provider of a configuration, or else the SDK's standard chain, with the HTTP client, the
/// endpoints and the switches of the configuration.
#[derive(Debug)]
pub(super) struct Chain {
    pub(super) config: SdkConfig,
    pub(super) web_identity: Option<WebIdentity>,
    pub(super) call_timeout: Duration,
}

impl Chain {
    /// The credentials of the first provider that is set up. STS is asked in this region. If there
    /// were some before and no source has any, that may be over soon: of metadata that do not
    /// answer the SDK says nothing else.
    ///
    /// # Errors
    /// It fails, or none is set up.
    pub(super) async fn load(&self, region: &Region, had_some: bool) -> Result<Credentials> {
        let mut reasons = Vec::new();
        for (source, provider) in self.providers(region) {
            if source.starts_with(TOKEN) && !self.is_in_partition(region) {
                return Err(Error::other_partition(region.as_ref()));
            }
            let credentials = provider.provide_credentials();
            // Two attempts, and what is done before and after them.
            let limit = self.call_timeout * 3;
            let credentials = contained(tokio::time::timeout(limit, credentials)).await;
            let credentials = credentials.map_err(|_| Error::unusable(&source, PANIC))?;
            let late = |_| CredentialsError::provider_timed_out(limit);
            match credentials.map_err(late).flatten() {
                Ok(credentials) => {
                    let fault = usable::fault(&credentials);
                    return fault
                        .map_or(Ok(credentials), |why| Err(Error::unusable(&source, &why)));
                }
                Err(error @ CredentialsError::CredentialsNotLoaded(_)) => {
                    reasons.push(format!("{source}: {}", texts(&error)));
                }
                Err(error) => return Err(Error::credentials(&source, &error)),
            }
        }
        Err(Error::no_credentials(&reasons, had_some))
    }

    /// The token of a role goes to the STS of its own partition only.
    fn is_in_partition(&self, region: &Region) -> bool {
        let role = self.web_identity.as_ref().map(|web_identity| web_identity.role_arn.as_str());
        let partition = role.and_then(|role| role.strip_prefix("arn:")?.split(':').next());
        partition.is_none_or(|partition| partition == partition_of_region(region.as_ref()))
    }

    fn providers(&self, region: &Region) -> Vec<(String, SharedCredentialsProvider)> {
        if let Some(configured) = self.config.credentials_provider() {
            return vec![("the configured provider".to_owned(), configured)];
        }
        let mut config = ProviderConfig::without_region()
            .with_region(Some(region.clone()))
            .with_use_fips(self.config.use_fips())
            .with_use_dual_stack(self.config.use_dual_stack())
            .with_retry_config(RetryConfig::standard().with_max_attempts(2))
            .with_timeout_config(
                TimeoutConfig::builder().operation_attempt_timeout(self.call_timeout).build(),
            );
        if let Some(client) = self.config.http_client() {
            config = config.with_http_client(client);
        }
        let mut providers = Vec::new();
        let mut add = |source: &str, provider: SharedCredentialsProvider| {
            providers.push((source.to_owned(), provider));
        };
        add(
            "the environment",
            SharedCredentialsProvider::new(EnvironmentVariableCredentialsProvider::new()),
        );
        let profile = ProfileFileCredentialsProvider::builder().configure(&config).build();
        add("the profile", SharedCredentialsProvider::new(profile));
        if let Some(web_identity) = &self.web_identity {
            let provider = WebIdentityTokenCredentialsProvider::builder()
                .configure(&config)
                .static_configuration(StaticConfiguration {
                    web_identity_token_file: web_identity.token_file.clone(),
                    role_arn: web_identity.role_arn.clone(),
                    session_name: web_identity.session_name.clone(),
                });
            let source = format!("{TOKEN} {}", web_identity.token_file.display());
            add(&source, SharedCredentialsProvider::new(provider.build()));
        }
        // A file with its token may be missing, and the SDK does not name it.
        let container = EcsCredentialsProvider::builder().configure(&config).build();
        add("the container endpoint (AWS_CONTAINER_…)", SharedCredentialsProvider::new(container));
        let instance = ImdsCredentialsProvider::builder().configure(&config).build();
        add("the instance's metadata", SharedCredentialsProvider::new(instance));
        providers
    }
}

/// By its first letters, as the SDK's own endpoints go
/// (<https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html>).
fn partition_of_region(region: &str) -> &'static str {
    let partitions = [
        ("cn-", "aws-cn"),
        ("us-gov-", "aws-us-gov"),
        ("eusc-", "aws-eusc"),
        ("us-isob-", "aws-iso-b"),
        ("us-isof-", "aws-iso-f"),
        ("eu-isoe-", "aws-iso-e"),
        ("us-iso-", "aws-iso"),
    ];
    let found = partitions.iter().find(|(start, _)| region.starts_with(start));
    found.map_or("aws", |(_, partition)| partition)
}
