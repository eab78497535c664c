//! The two calls to STS: finding out an identity, and assuming a role.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_sts::Client;
use aws_sdk_sts::config::retry::{RetryConfig, RetryPartition, TokenBucket};
use aws_sdk_sts::config::timeout::TimeoutConfig;
use aws_sdk_sts::config::{Builder, Region};
use aws_sdk_sts::operation::assume_role::AssumeRoleOutput;
use aws_sdk_sts::types::{AssumedRoleUser, Tag};

use super::account::Sending;
use super::error::Error;
use super::sdk_panics::contained;
use super::session::Identity;
use super::types::Result;
use super::usable_credentials;

/// A role to assume, and how.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Role {
    /// Its ARN.
    pub arn: String,
    /// The external id that its trust policy asks for.
    pub external_id: Option<String>,
    /// How long its session lasts.
    pub duration: Duration,
    /// What CloudTrail calls the session.
    pub session_name: String,
    /// The session tags; none is transitive.
    pub tags: Vec<(String, String)>,
}

fn client(sending: &Sending, credentials: &Credentials, region: &Region) -> Client {
    let own = SharedCredentialsProvider::new(credentials.clone());
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(sending.call_timeout);
    // Otherwise the SDK makes a bucket for each region, and keeps it forever. It limits retries,
    // of which each call has one at most.
    let partition = RetryPartition::custom("sts").token_bucket(TokenBucket::unlimited());
    let config = Builder::from(&sending.config)
        .credentials_provider(own)
        .region(region.clone())
        .retry_partition(partition.build())
        .retry_config(RetryConfig::standard().with_max_attempts(2))
        .timeout_config(timeouts.build());
    Client::from_conf(config.build())
}

/// `GetCallerIdentity`. It needs no permission
/// (<https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html>).
///
/// # Errors
/// As classified.
pub(super) async fn identify(
    sending: &Sending,
    credentials: &Credentials,
    region: &Region,
) -> Result<Identity> {
    let client = client(sending, credentials, region);
    let answer = contained(client.get_caller_identity().send()).await.and_then(|answer| {
        let answer = answer.map_err(|error| Error::from(&error))?;
        Identity::parse(answer.account(), answer.arn())
    });
    answer.map_err(Error::of_identity)
}

/// `AssumeRole`. Its answer says whose the credentials are, so no other call is needed
/// (<https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>).
///
/// # Errors
/// As classified.
pub(super) async fn assume(
    sending: &Sending,
    credentials: &Credentials,
    region: &Region,
    role: &Role,
) -> Result<AssumeRoleOutput> {
    let tag = |(key, value): &(String, String)| {
        let tag = Tag::builder().key(key).value(value).build();
        tag.map_err(|_| Error::incomplete("tag"))
    };
    let tags = role.tags.iter().map(tag).collect::<Result<Vec<_>>>()?;
    let seconds = i32::try_from(role.duration.as_secs()).unwrap_or(i32::MAX);
    let call = client(sending, credentials, region)
        .assume_role()
        .role_arn(&role.arn)
        .role_session_name(&role.session_name)
        .set_external_id(role.external_id.clone())
        .duration_seconds(seconds)
        .set_tags((!tags.is_empty()).then_some(tags));
    contained(call.send()).await?.map_err(|error| Error::from(&error))
}

/// The credentials of a role's session, and whose they are.
///
/// # Errors
/// The answer lacks something, or the credentials cannot be used.
pub(super) fn session(answer: &AssumeRoleOutput, role: &Role) -> Result<(Credentials, Identity)> {
    let (given, user) = (answer.credentials(), answer.assumed_role_user());
    let given = given.ok_or_else(|| Error::incomplete("Credentials").of_role(&role.arn))?;
    let credentials = Credentials::new(
        given.access_key_id(),
        given.secret_access_key(),
        Some(given.session_token().to_owned()),
        SystemTime::try_from(*given.expiration()).ok(),
        "AssumeRole",
    );
    if let Some(why) = usable_credentials::fault(&credentials) {
        return Err(Error::unusable(&format!("the role {}", role.arn), &why));
    }
    let arn = user.map(AssumedRoleUser::arn);
    let account = arn.and_then(|arn| arn.split(':').nth(4));
    let identity = Identity::parse(account, arn).map_err(|error| error.of_role(&role.arn))?;
    Ok((credentials, identity))
}

#[cfg(test)]
mod tests {
    use aws_sdk_sts::types;

    use super::*;

    /// Of several roles, the one whose session is of no use is the one to check.
    #[test]
    fn an_answer_that_does_not_say_whose_the_session_is_names_the_role() {
        let role = Role {
            arn: "arn:aws:iam::123456789012:role/lightsail".to_owned(),
            external_id: None,
            duration: Duration::from_hours(1),
            session_name: "lightsail-operator".to_owned(),
            tags: Vec::new(),
        };
        let expiration = SystemTime::now() + role.duration;
        let given = types::Credentials::builder()
            .access_key_id("AKIAEXAMPLE")
            .secret_access_key("secret")
            .session_token("token")
            .expiration(expiration.into())
            .build()
            .unwrap();
        let nobody = AssumeRoleOutput::builder().credentials(given).build();
        let error = session(&nobody, &role).unwrap_err();
        let expected = "role/lightsail: the response has no usable Account";
        assert!(error.message.ends_with(expected), "{error}");
    }
}
