//! Amazon Lightsail in the words of this project: the only place, with the loader in `main.rs`, that knows the AWS SDK.
//!
//! Every call takes and gives domain types, is bounded in time, is counted, and, if it changes anything, is logged with its
//! request id. Calls that change something are never repeated by the SDK: whoever made the call looks what became of it. No
//! decisions here; the controllers make them.

mod account;
mod convert;
mod endpoint;
pub mod error;
mod inventory;

use std::collections::{BTreeMap, HashSet};
use std::future::Future;
use std::time::{Duration, Instant};

use aws_sdk_lightsail::Client;
use aws_sdk_lightsail::config::http::HttpResponse;
use aws_sdk_lightsail::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_lightsail::operation::RequestId;
use aws_sdk_lightsail::types::Tag;
use k8s_openapi::jiff::Timestamp;

pub use self::account::{Account, Accounts};
pub use self::error::{Class, Error};
pub use self::inventory::{Inventory, Listing};

use crate::api::Operation;
use crate::ssh::PrivateKey;
use crate::telemetry::Metrics;

/// The name of every region's default key pair
/// (<https://docs.aws.amazon.com/lightsail/latest/userguide/understanding-ssh-in-amazon-lightsail.html>).
pub const DEFAULT_KEY_PAIR: &str = "LightsailDefaultKeyPair";

/// What failed for one who asks fails for everybody who asks within this time, so that a queue of askers does not become a queue of
/// failing reads.
const ERROR_HOLDS: Duration = Duration::from_secs(2);

/// The result of a call.
pub type Result<T> = std::result::Result<T, Error>;

/// A key pair as Lightsail lists it. The public key is never listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPair {
    /// Unique in its region among all types of resources.
    pub name: String,
    /// `arn:aws:lightsail:<region>:<account>:KeyPair/<uuid>`: another one for each pair of the same name.
    pub arn: String,
    /// RFC 3339, by AWS's clock.
    pub created_at: Option<String>,
    /// For inquiries to AWS.
    pub support_code: Option<String>,
    /// Verbatim.
    pub fingerprint: Option<String>,
    /// A key-only tag has no value.
    pub tags: BTreeMap<String, Option<String>>,
}

impl KeyPair {
    /// When it was created, if Lightsail said so.
    #[must_use]
    pub fn created(&self) -> Option<Timestamp> {
        self.created_at.as_ref()?.parse().ok()
    }
}

/// What `DownloadDefaultKeyPair` answered.
#[derive(Clone, Debug)]
pub struct Downloaded {
    /// The private key.
    pub key: PrivateKey,
    /// RFC 3339, by AWS's clock.
    pub created_at: Option<String>,
}

/// What `DeleteKnownHostKeys` answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acknowledged {
    /// Several, one, or none.
    pub operations: Vec<Operation>,
    /// The id of the request, as CloudTrail has it; empty if there was none.
    pub request_id: String,
}

/// One account in one region.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scope {
    /// 12 digits.
    pub account: String,
    /// For example `eu-west-1`.
    pub region: String,
}

/// Lightsail in one account and region.
#[derive(Clone, Debug)]
pub struct Lightsail {
    scope: Scope,
    client: Client,
    metrics: Metrics,
}

impl Lightsail {
    fn new(
        scope: Scope,
        config: &aws_config::SdkConfig,
        call_timeout: Duration,
        allow_insecure_endpoints: bool,
        metrics: Metrics,
    ) -> Self {
        use aws_sdk_lightsail::config::{Builder, Region, SharedInterceptor, timeout::TimeoutConfig};
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(call_timeout.min(Duration::from_secs(5)))
            .operation_attempt_timeout(call_timeout)
            .operation_timeout(call_timeout * READ_ATTEMPTS);
        let region = Region::new(scope.region.clone());
        let mut config = Builder::from(config).region(region).timeout_config(timeouts.build());
        if !allow_insecure_endpoints {
            config.push_interceptor(SharedInterceptor::new(endpoint::SecureEndpoints));
        }
        Self { scope, client: Client::from_conf(config.build()), metrics }
    }

    /// Which account and region this is.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// `GetKeyPair`. It may not know the default pair by its name (unverified): use [`Self::key_pairs`] for that.
    ///
    /// # Errors
    /// As classified; never [`Class::NotFound`], which is `None`.
    pub async fn find_key_pair(&self, name: &str) -> Result<Option<KeyPair>> {
        let answer = self.read("GetKeyPair", self.client.get_key_pair().key_pair_name(name).send()).await;
        let Some(answer) = found(answer)? else { return Ok(None) };
        let pair = answer.key_pair.ok_or_else(|| Error::incomplete("keyPair"))?;
        convert::key_pair(pair).map(Some)
    }

    /// `GetKeyPairs` over all pages, the default pair included.
    ///
    /// # Errors
    /// As classified; also when a page token is repeated.
    pub async fn key_pairs(&self) -> Result<Vec<KeyPair>> {
        let mut pairs = Vec::new();
        let mut pages = Pages::default();
        loop {
            let page = self.client.get_key_pairs().include_default_key_pair(true).set_page_token(pages.token.clone());
            let page = self.read("GetKeyPairs", page.send()).await?;
            for pair in page.key_pairs.unwrap_or_default() {
                pairs.push(convert::key_pair(pair)?);
            }
            if !pages.turn(page.next_page_token)? {
                return Ok(pairs);
            }
        }
    }

    /// `ImportKeyPair` with an OpenSSH line, raw: the member's name `publicKeyBase64` misleads
    /// (<https://github.com/aws/aws-cli/issues/6020>).
    ///
    /// # Errors
    /// As classified.
    pub async fn import_key_pair(&self, name: &str, line: &str) -> Result<Operation> {
        let call = self.client.import_key_pair().key_pair_name(name).public_key_base64(line).customize();
        let call = call.config_override(once());
        let answer = self.change("ImportKeyPair", name, call.send(), |answer| answer.operation.as_slice().to_vec());
        Ok(answer.await?.operation.map(convert::operation).unwrap_or_default())
    }

    /// `DeleteKeyPair`. The fingerprint is sent along if it is given; for the default pair it has to be.
    ///
    /// # Errors
    /// As classified; [`Class::NotFound`] if there is no such pair any more.
    pub async fn delete_key_pair(&self, name: &str, expected_fingerprint: Option<&str>) -> Result<Operation> {
        let call = self.client.delete_key_pair().key_pair_name(name);
        let call = call.set_expected_fingerprint(expected_fingerprint.map(str::to_owned)).customize();
        let call = call.config_override(once());
        let answer = self.change("DeleteKeyPair", name, call.send(), |answer| answer.operation.as_slice().to_vec());
        Ok(answer.await?.operation.map(convert::operation).unwrap_or_default())
    }

    /// `DownloadDefaultKeyPair`. **It creates the default pair if there is none.**
    ///
    /// # Errors
    /// As classified; also if the private key cannot be read.
    pub async fn download_default_key_pair(&self) -> Result<Downloaded> {
        let call = self.client.download_default_key_pair().customize().config_override(once());
        let answer = self.change("DownloadDefaultKeyPair", DEFAULT_KEY_PAIR, call.send(), |_| Vec::new()).await?;
        convert::downloaded(answer)
    }

    /// `TagResource`: adds tags, and replaces the values of those that are there.
    ///
    /// # Errors
    /// As classified; [`Class::NotFound`] if there is no such pair any more.
    pub async fn tag(&self, pair: &KeyPair, tags: &BTreeMap<String, String>) -> Result<()> {
        let tags = tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect();
        let call = self.client.tag_resource().resource_name(&pair.name).resource_arn(&pair.arn).set_tags(Some(tags));
        let call = call.customize().config_override(once());
        self.change("TagResource", &pair.name, call.send(), |answer| answer.operations().to_vec()).await.map(drop)
    }

    /// `UntagResource`. A resource of that name with another ARN is not touched.
    ///
    /// # Errors
    /// As classified; [`Class::NotFound`] if there is no such pair any more.
    pub async fn untag(&self, name: &str, arn: &str, keys: &[String]) -> Result<()> {
        let call = self.client.untag_resource().resource_name(name).resource_arn(arn).set_tag_keys(Some(keys.to_vec()));
        let call = call.customize().config_override(once());
        self.change("UntagResource", name, call.send(), |answer| answer.operations().to_vec()).await.map(drop)
    }

    /// `GetInstances` over all pages: the names of the Windows instances that use the default key pair. An instance that names no key
    /// pair uses the default one.
    ///
    /// # Errors
    /// As classified; also when a page token is repeated.
    pub async fn windows_instances_with_default_key(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        let mut pages = Pages::default();
        loop {
            let page = self.client.get_instances().set_page_token(pages.token.clone());
            let page = self.read("GetInstances", page.send()).await?;
            names.extend(page.instances.unwrap_or_default().into_iter().filter_map(convert::windows_with_default_key));
            if !pages.turn(page.next_page_token)? {
                return Ok(names);
            }
        }
    }

    /// `GetInstance`, of which only the ARN is of interest.
    ///
    /// # Errors
    /// As classified; never [`Class::NotFound`], which is `None`.
    pub async fn find_instance_arn(&self, name: &str) -> Result<Option<String>> {
        let answer = self.read("GetInstance", self.client.get_instance().instance_name(name).send()).await;
        let Some(answer) = found(answer)? else { return Ok(None) };
        answer.instance.and_then(|instance| instance.arn).ok_or_else(|| Error::incomplete("instance.arn")).map(Some)
    }

    /// `DeleteKnownHostKeys`. It may answer several operations, or none.
    ///
    /// # Errors
    /// As classified. Ask [`Class::proves_refusal`] before you take it for not done.
    pub async fn delete_known_host_keys(&self, instance: &str) -> Result<Acknowledged> {
        let call = self.client.delete_known_host_keys().instance_name(instance).customize().config_override(once());
        let answer = self.change("DeleteKnownHostKeys", instance, call.send(), |answer| answer.operations().to_vec());
        let answer = answer.await?;
        let request_id = answer.request_id().unwrap_or_default().to_owned();
        let operations = answer.operations.unwrap_or_default().into_iter().map(convert::operation).collect();
        Ok(Acknowledged { operations, request_id })
    }

    /// `GetOperation`.
    ///
    /// # Errors
    /// As classified; never [`Class::NotFound`], which is `None`.
    pub async fn find_operation(&self, id: &str) -> Result<Option<Operation>> {
        let answer = self.read("GetOperation", self.client.get_operation().operation_id(id).send()).await;
        let Some(answer) = found(answer)? else { return Ok(None) };
        answer.operation.map(convert::operation).ok_or_else(|| Error::incomplete("operation")).map(Some)
    }

    /// `GetOperationsForResource` over all pages. What it says of a resource without operations is unverified: not to know it is the
    /// same as an empty list.
    ///
    /// # Errors
    /// As classified; also when a page token is repeated.
    pub async fn operations_of(&self, resource: &str) -> Result<Vec<Operation>> {
        let mut operations = Vec::new();
        let mut pages = Pages::default();
        loop {
            let page = self.client.get_operations_for_resource().resource_name(resource);
            let page = page.set_page_token(pages.token.clone());
            let page = found(self.read("GetOperationsForResource", page.send()).await)?;
            let Some(page) = page else { return Ok(operations) };
            operations.extend(page.operations.unwrap_or_default().into_iter().map(convert::operation));
            if !pages.turn(page.next_page_token)? {
                return Ok(operations);
            }
        }
    }

    async fn read<T, E>(
        &self,
        operation: &'static str,
        call: impl Future<Output = std::result::Result<T, SdkError<E, HttpResponse>>>,
    ) -> Result<T>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let start = Instant::now();
        let outcome = call.await.map_err(|error| Error::from(&error));
        let code = outcome.as_ref().map_or_else(|error| error.code.as_str(), |_| "OK");
        self.metrics.lightsail_request(operation, &self.scope.region, code, start.elapsed());
        outcome
    }

    /// As [`Self::read`], with a line in the log: it tells what was changed in AWS, and joins it with CloudTrail.
    async fn change<T, E>(
        &self,
        operation: &'static str,
        resource: &str,
        call: impl Future<Output = std::result::Result<T, SdkError<E, HttpResponse>>>,
        operations: impl Fn(&T) -> Vec<aws_sdk_lightsail::types::Operation>,
    ) -> Result<T>
    where
        T: RequestId,
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let mut request_id = String::new();
        let call = async {
            let outcome = call.await;
            request_id = outcome.as_ref().map_or_else(
                |error| error::request_id(error.raw_response()),
                |answer| answer.request_id().unwrap_or_default().to_owned(),
            );
            outcome
        };
        let outcome = self.read(operation, call).await;
        let Scope { account, region } = &self.scope;
        match &outcome {
            Ok(answer) => {
                let ids =
                    operations(answer).into_iter().filter_map(|operation| operation.id).collect::<Vec<_>>().join(" ");
                tracing::info!(
                    operation,
                    resource,
                    account,
                    region,
                    request_id,
                    operation_id = ids,
                    "a call of Lightsail succeeded"
                );
            }
            Err(error) => {
                let (code, error) = (&error.code, &error.message);
                tracing::warn!(
                    operation,
                    resource,
                    account,
                    region,
                    request_id,
                    code,
                    error,
                    "a call of Lightsail failed"
                );
            }
        }
        outcome
    }
}

/// How often the SDK tries a call that changes nothing.
const READ_ATTEMPTS: u32 = 3;

/// A call that the SDK does not repeat.
fn once() -> aws_sdk_lightsail::config::Builder {
    use aws_sdk_lightsail::config::{Config, retry::RetryConfig};
    Config::builder().retry_config(RetryConfig::disabled())
}

fn found<T>(answer: Result<T>) -> Result<Option<T>> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.class == Class::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The walk over the pages of a list.
#[derive(Debug, Default)]
struct Pages {
    token: Option<String>,
    seen: HashSet<String>,
}

impl Pages {
    /// Whether there is another page; its token is then in `token`.
    fn turn(&mut self, next: Option<String>) -> Result<bool> {
        let Some(next) = next.filter(|token| !token.is_empty()) else { return Ok(false) };
        if !self.seen.insert(next.clone()) {
            return Err(Error::repeated_page_token());
        }
        self.token = Some(next);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::Pages;

    #[test]
    fn a_walk_ends_with_an_absent_or_empty_token_and_stops_at_a_repeated_one() {
        let mut pages = Pages::default();
        assert!(pages.turn(Some("a".to_owned())).unwrap());
        assert!(pages.turn(Some("b".to_owned())).unwrap());
        assert_eq!(pages.turn(Some("a".to_owned())).unwrap_err().code, "RepeatedPageToken");
        assert!(!pages.turn(Some(String::new())).unwrap());
        assert!(!pages.turn(None).unwrap());
    }
}
