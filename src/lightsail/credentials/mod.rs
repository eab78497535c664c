//! Where AWS credentials come from: the first source of the SDK's standard chain that is set up.
//! Sources are read again each time, so that a corrected file counts and one error of a provider
//! does not stay.

mod files;
mod profile;
mod program;
mod sources;

use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::ecs::EcsCredentialsProvider;
use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::web_identity_token::{StaticConfiguration, WebIdentityTokenCredentialsProvider};
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sts::config::Region;
use aws_sdk_sts::config::retry::RetryConfig;
use aws_sdk_sts::config::timeout::TimeoutConfig;

pub(super) use self::files::ProfileFiles;
use self::profile::{Base, Role, Token};
use self::sources::Setup;
pub use self::sources::Sources;
use super::credentials_error::texts;
use super::error::Error;
use super::sdk_panics::contained;
use super::types::Result;
use super::usable_credentials;

/// The provider of a configuration, or else the first source that is set up, with the HTTP client,
/// the endpoints and the switches of the configuration.
#[derive(Debug)]
pub(super) struct Chain {
    pub(super) config: SdkConfig,
    pub(super) sources: Sources,
    pub(super) call_timeout: Duration,
}

const INSTANCE: &str = "the instance's metadata";

/// The message for what makes the SDK panic.
const PANIC: &str =
    "the AWS SDK cannot process what is there; check for a line break in a key or in a name";

impl Chain {
    /// The credentials of the first source that is set up. STS is called in this region. If there
    /// were credentials before and no source has any now, that may be temporary: the SDK reports
    /// metadata that do not answer in the same way.
    ///
    /// # Errors
    /// It fails, or none is set up.
    pub(super) async fn load(&self, region: &Region, had_some: bool) -> Result<Credentials> {
        // Two attempts, and the work before and after them.
        let limit = self.call_timeout * 3;
        let found = tokio::time::timeout(limit, Box::pin(self.find(region, had_some))).await;
        found.unwrap_or_else(|_| Err(Error::credentials_late(limit)))
    }

    async fn find(&self, region: &Region, had_some: bool) -> Result<Credentials> {
        if let Some(configured) = self.config.credentials_provider() {
            return ask("the configured provider", &configured).await;
        }
        let (environment, config) = (&self.sources.environment, self.provider_config(region));
        let mut reasons = Vec::new();
        let source = "the environment";
        if given(source, sources::keys(environment), &mut reasons)?.is_some() {
            return ask(source, &EnvironmentVariableCredentialsProvider::new()).await;
        }
        let source = "the profile";
        let files = ProfileFiles::read(environment).await;
        match given(source, of_profile(&files).await, &mut reasons)? {
            Some(Base::Sdk { token }) => {
                let mut source = source.to_owned();
                if let Some(Token { file, role_arn }) = token {
                    check_partition(&role_arn, region)?;
                    source = format!("{source}'s token in {file}");
                }
                let provider = ProfileFileCredentialsProvider::builder().configure(&config);
                let provider = provider.profile_files(files.for_sdk());
                return ask(&source, &provider.profile_name(files.profile()).build()).await;
            }
            Some(Base::Program { command, account_id, roles }) => {
                let credentials = program::credentials(&command, account_id.as_deref()).await;
                let credentials = credentials.map_err(|why| Error::unusable(source, &why));
                return self.assume(source, region, roles, credentials?).await;
            }
            None => {}
        }
        let web_identity = &self.sources.web_identity;
        let source = format!("the token in {}", web_identity.token_file.display());
        let setup = sources::web_identity(web_identity);
        if given("the web identity", setup, &mut reasons)?.is_some() {
            check_partition(&web_identity.role_arn, region)?;
            let provider = WebIdentityTokenCredentialsProvider::builder()
                .configure(&config)
                .static_configuration(StaticConfiguration {
                    web_identity_token_file: web_identity.token_file.clone(),
                    role_arn: web_identity.role_arn.clone(),
                    session_name: web_identity.session_name.clone(),
                });
            return ask(&source, &provider.build()).await;
        }
        let setup = sources::container(environment);
        if given(sources::CONTAINER, setup, &mut reasons)?.is_some() {
            let provider = EcsCredentialsProvider::builder().configure(&config).build();
            return ask(&sources::container_and_token(environment), &provider).await;
        }
        // Whether an instance has any is only known afterwards.
        let instance = ImdsCredentialsProvider::builder().configure(&config).build();
        let credentials = contained(instance.provide_credentials()).await;
        match credentials.map_err(|_| Error::unusable(INSTANCE, PANIC))? {
            Ok(credentials) => checked(INSTANCE, credentials),
            Err(error @ CredentialsError::CredentialsNotLoaded(_)) => {
                reasons.push(format!("{INSTANCE}: {}", texts(&error)));
                Err(Error::no_credentials(&reasons, had_some))
            }
            Err(error) => Err(Error::credentials(INSTANCE, &error)),
        }
    }

    /// The credentials of these roles, assumed one after the other.
    async fn assume(
        &self,
        source: &str,
        region: &Region,
        roles: Vec<Role>,
        mut credentials: Credentials,
    ) -> Result<Credentials> {
        let config = self.config.to_builder().region(region.clone());
        let config = config.retry_config(retries()).timeout_config(self.timeouts()).build();
        for Role { arn, external_id, session_name } in roles {
            let mut role = AssumeRoleProvider::builder(arn).configure(&config);
            if let Some(id) = external_id {
                role = role.external_id(id);
            }
            if let Some(name) = session_name {
                role = role.session_name(name);
            }
            credentials = ask(source, &role.build_from_provider(credentials).await).await?;
        }
        Ok(credentials)
    }

    fn timeouts(&self) -> TimeoutConfig {
        TimeoutConfig::builder().operation_attempt_timeout(self.call_timeout).build()
    }

    fn provider_config(&self, region: &Region) -> ProviderConfig {
        let config = ProviderConfig::without_region()
            .with_region(Some(region.clone()))
            .with_use_fips(self.config.use_fips())
            .with_use_dual_stack(self.config.use_dual_stack())
            .with_retry_config(retries())
            .with_timeout_config(self.timeouts());
        match self.config.http_client() {
            Some(client) => config.with_http_client(client),
            None => config,
        }
    }
}

fn retries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(2)
}

/// The credentials, if the source is set up.
fn given<T>(source: &str, setup: Setup<T>, reasons: &mut Vec<String>) -> Result<Option<T>> {
    match setup {
        Setup::Given(given) => Ok(Some(given)),
        Setup::Unusable(why) => Err(Error::unusable(source, &why)),
        Setup::Absent(why) => {
            reasons.push(format!("{source}: {why}"));
            Ok(None)
        }
    }
}

/// A source that is set up but has no credentials is a failure like any other.
async fn ask(source: &str, provider: &impl ProvideCredentials) -> Result<Credentials> {
    let credentials = contained(provider.provide_credentials()).await;
    let credentials = credentials.map_err(|_| Error::unusable(source, PANIC))?;
    checked(source, credentials.map_err(|error| Error::credentials(source, &error))?)
}

/// Refuses credentials that cannot be sent, because the SDK would panic.
fn checked(source: &str, credentials: Credentials) -> Result<Credentials> {
    match usable_credentials::fault(&credentials) {
        Some(why) => Err(Error::unusable(source, &why)),
        None => Ok(credentials),
    }
}

async fn of_profile(files: &ProfileFiles) -> Setup<Base> {
    let setup = async {
        let named = files.named().map_err(Clone::clone)?;
        let profiles = files.profiles().await?;
        let is_bare = files.has_bare_section(&files.profile());
        Ok(profile::setup(&profiles, named, is_bare))
    };
    setup.await.into()
}

/// The token of a role goes to the STS of its own partition only.
fn check_partition(role_arn: &str, region: &Region) -> Result<()> {
    let partition = role_arn.strip_prefix("arn:").and_then(|role| role.split(':').next());
    match partition {
        Some(partition) if partition != partition_of_region(region.as_ref()) => {
            Err(Error::other_partition(region.as_ref()))
        }
        Some(_) | None => Ok(()),
    }
}

/// By its first letters, like the SDK's own endpoints
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

#[cfg(test)]
mod tests {
    use aws_config::BehaviorVersion;

    use super::sources::WebIdentity;
    use super::*;
    use crate::lightsail::{HttpOptions, http_client};

    /// A role that STS of one partition gives for a token, whose file is missing.
    #[tokio::test]
    async fn a_token_goes_to_no_other_partition_wherever_its_role_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config");
        for (arn, region, expected) in [
            ("arn:aws:iam::123456789012:role/r", "eu-west-1", "CredentialsError"),
            ("arn:aws:iam::123456789012:role/r", "cn-north-1", "OtherPartition"),
            ("arn:aws-us-gov:iam::123456789012:role/r", "us-gov-west-1", "CredentialsError"),
            ("arn:aws-us-gov:iam::123456789012:role/r", "eu-west-1", "OtherPartition"),
        ] {
            let token = "/nowhere/token";
            let text = format!("[default]\nrole_arn = {arn}\nweb_identity_token_file = {token}\n");
            std::fs::write(&file, text).unwrap();
            let of_variables = WebIdentity {
                token_file: token.into(),
                role_arn: arn.to_owned(),
                session_name: String::new(),
            };
            for (of_profile, web_identity) in
                [(true, WebIdentity::default()), (false, of_variables)]
            {
                let path = if of_profile { file.to_str().unwrap() } else { "/dev/null" };
                let environment =
                    [("AWS_CONFIG_FILE", path), ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")];
                let sources = Sources { environment: environment.into(), web_identity };
                let call_timeout = Duration::from_secs(5);
                let http = http_client(HttpOptions { call_timeout, ..HttpOptions::default() });
                let config = SdkConfig::builder()
                    .behavior_version(BehaviorVersion::latest())
                    .http_client(http.unwrap())
                    .build();
                let chain = Chain { config, sources, call_timeout };
                let error = chain.load(&Region::new(region), false).await.unwrap_err();
                assert_eq!(error.code, expected, "{arn} in {region}, {of_profile}: {error}");
                let names = error.message.contains(token);
                assert_eq!(names, expected == "CredentialsError", "{error}");
            }
        }
    }
}
