//! Amazon Lightsail in the words of this project: the only place, with the loader in `main.rs`,
//! that knows the AWS SDK.
//!
//! Every call takes and gives domain types, is bounded in time, is counted, and, if it changes
//! anything, is logged with its request id. Calls are sent as fast as the limiter lets them. Those
//! that change something are repeated only if an answer proves that they were not carried out:
//! whoever made the call looks what became of it. No decisions here; the controllers make them.

mod account;
mod convert;
mod endpoint;
pub mod error;
mod inventory;
mod limiter;
mod retry;

use std::collections::{BTreeMap, HashSet};
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_sdk_lightsail::Client;
use aws_sdk_lightsail::config::http::HttpResponse;
use aws_sdk_lightsail::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_lightsail::operation::RequestId;
use aws_sdk_lightsail::types::{self, Tag};
use k8s_openapi::jiff::Timestamp;

pub use self::account::{Account, Accounts};
pub use self::error::{Class, Error};
pub use self::inventory::{Inventory, Listing};

use self::limiter::{Limiter, Token};
use self::retry::Kind;
use crate::api::Operation;
use crate::metrics::Metrics;
use crate::ssh::PrivateKey;

/// The name of every region's default key pair
/// (<https://docs.aws.amazon.com/lightsail/latest/userguide/understanding-ssh-in-amazon-lightsail.html>).
pub const DEFAULT_KEY_PAIR: &str = "LightsailDefaultKeyPair";

/// What failed for one who asks fails for everybody who asks within this time, so that a queue of
/// askers does not become a queue of failing reads.
const ERROR_HOLDS: Duration = Duration::from_secs(2);

/// The result of a call.
pub type Result<T> = std::result::Result<T, Error>;

/// Tags. A sorted list: most pairs have one or two, for which a B-tree keeps room for eleven (half
/// a kilobyte a pair).
pub type Tags = litemap::LiteMap<String, Option<String>>;

/// A key pair as Lightsail lists it. The public key is never listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPair {
    /// Unique in its region among all types of resources.
    pub name: String,
    /// `arn:aws:lightsail:<region>:<account>:KeyPair/<uuid>`: another one for each pair of the same
    /// name.
    pub arn: String,
    /// RFC 3339, by AWS's clock.
    pub created_at: Option<String>,
    /// For inquiries to AWS.
    pub support_code: Option<String>,
    /// Verbatim.
    pub fingerprint: Option<String>,
    /// A key-only tag has no value.
    pub tags: Tags,
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
    limiter: Arc<Limiter>,
    call_timeout: Duration,
    metrics: Metrics,
}

/// What was seen, and when the request for it was sent.
#[derive(Clone, Debug)]
pub struct Seen<T> {
    /// What was seen.
    pub value: T,
    /// It may have changed since.
    pub at: Timestamp,
}

impl Lightsail {
    fn new(
        scope: Scope,
        config: &aws_config::SdkConfig,
        call_timeout: Duration,
        allow_insecure_endpoints: bool,
        limiter: Arc<Limiter>,
        metrics: Metrics,
    ) -> Self {
        use aws_sdk_lightsail::config::retry::RetryConfig;
        use aws_sdk_lightsail::config::{
            Builder, Region, SharedInterceptor, timeout::TimeoutConfig,
        };
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(call_timeout.min(Duration::from_secs(5)))
            .operation_attempt_timeout(call_timeout)
            .operation_timeout(call_timeout);
        let region = Region::new(scope.region.clone());
        let mut config = Builder::from(config).region(region).timeout_config(timeouts.build());
        config = config.retry_config(RetryConfig::disabled());
        if !allow_insecure_endpoints {
            config.push_interceptor(SharedInterceptor::new(endpoint::SecureEndpoints));
        }
        Self { scope, client: Client::from_conf(config.build()), limiter, call_timeout, metrics }
    }

    /// Which account and region this is.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// `GetKeyPair`. It may not know the default pair by its name (unverified): use
    /// [`Self::key_pairs`] for that.
    ///
    /// # Errors
    /// As classified; never [`Class::NotFound`], which is `None`.
    pub async fn find_key_pair(&self, name: &str) -> Result<Seen<Option<KeyPair>>> {
        let call = self.client.get_key_pair().key_pair_name(name);
        let seen = self.find("GetKeyPair", || call.clone().send()).await?;
        let pair =
            seen.value.map(|answer| answer.key_pair.ok_or_else(|| Error::incomplete("keyPair")));
        Ok(Seen { value: pair.transpose()?.map(convert::key_pair).transpose()?, at: seen.at })
    }

    /// `GetKeyPairs` over all pages, the default pair included.
    ///
    /// # Errors
    /// As classified; also when a page token is repeated.
    pub async fn key_pairs(&self) -> Result<Vec<KeyPair>> {
        let mut pairs = Vec::new();
        let mut pages = Pages::default();
        loop {
            let call = self
                .client
                .get_key_pairs()
                .include_default_key_pair(true)
                .set_page_token(pages.token.clone());
            let page = self.read("GetKeyPairs", || call.clone().send()).await?.value;
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
        let call = self.client.import_key_pair().key_pair_name(name).public_key_base64(line);
        let what = ("ImportKeyPair", name, Kind::Change);
        let answer = self.change(
            what,
            || call.clone().send(),
            |answer| answer.operation.as_slice().to_vec(),
        );
        Ok(answer.await?.operation.map(convert::operation).unwrap_or_default())
    }

    /// `DeleteKeyPair`. The fingerprint is sent along if it is given; for the default pair it has
    /// to be.
    ///
    /// # Errors
    /// As classified; [`Class::NotFound`] if there is no such pair any more.
    pub async fn delete_key_pair(
        &self,
        name: &str,
        expected_fingerprint: Option<&str>,
    ) -> Result<Operation> {
        let call = self.client.delete_key_pair().key_pair_name(name);
        let call = call.set_expected_fingerprint(expected_fingerprint.map(str::to_owned));
        let what = ("DeleteKeyPair", name, Kind::ChangeAfterLook);
        let answer = self.change(
            what,
            || call.clone().send(),
            |answer| answer.operation.as_slice().to_vec(),
        );
        Ok(answer.await?.operation.map(convert::operation).unwrap_or_default())
    }

    /// `DownloadDefaultKeyPair`. **It creates the default pair if there is none.**
    ///
    /// # Errors
    /// As classified; also if the private key cannot be read.
    pub async fn download_default_key_pair(&self) -> Result<Downloaded> {
        let call = self.client.download_default_key_pair();
        let what = ("DownloadDefaultKeyPair", DEFAULT_KEY_PAIR, Kind::ChangeAfterLook);
        let answer = self.change(what, || call.clone().send(), |_| Vec::new()).await?;
        convert::downloaded(answer)
    }

    /// `TagResource`: adds tags, and replaces the values of those that are there.
    ///
    /// # Errors
    /// As classified; [`Class::NotFound`] if there is no such pair any more.
    pub async fn tag(&self, pair: &KeyPair, tags: &BTreeMap<String, String>) -> Result<()> {
        let tags =
            tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect();
        let call = self
            .client
            .tag_resource()
            .resource_name(&pair.name)
            .resource_arn(&pair.arn)
            .set_tags(Some(tags));
        let what = ("TagResource", pair.name.as_str(), Kind::Change);
        self.change(what, || call.clone().send(), |answer| answer.operations().to_vec())
            .await
            .map(drop)
    }

    /// `UntagResource`. A resource of that name with another ARN is not touched.
    ///
    /// # Errors
    /// As classified; [`Class::NotFound`] if there is no such pair any more.
    pub async fn untag(&self, name: &str, arn: &str, keys: &[String]) -> Result<()> {
        let call = self
            .client
            .untag_resource()
            .resource_name(name)
            .resource_arn(arn)
            .set_tag_keys(Some(keys.to_vec()));
        let what = ("UntagResource", name, Kind::Change);
        self.change(what, || call.clone().send(), |answer| answer.operations().to_vec())
            .await
            .map(drop)
    }

    /// `GetInstances` over all pages: the names of the Windows instances that use the default key
    /// pair. An instance that names no key pair uses the default one.
    ///
    /// # Errors
    /// As classified; also when a page token is repeated.
    pub async fn windows_instances_with_default_key(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        let mut pages = Pages::default();
        loop {
            let call = self.client.get_instances().set_page_token(pages.token.clone());
            let page = self.read("GetInstances", || call.clone().send()).await?.value;
            names.extend(
                page.instances
                    .unwrap_or_default()
                    .into_iter()
                    .filter_map(convert::windows_with_default_key),
            );
            if !pages.turn(page.next_page_token)? {
                return Ok(names);
            }
        }
    }

    /// `GetInstance`, of which only the ARN is of interest.
    ///
    /// # Errors
    /// As classified; never [`Class::NotFound`], which is `None`.
    pub async fn find_instance_arn(&self, name: &str) -> Result<Seen<Option<String>>> {
        let call = self.client.get_instance().instance_name(name);
        let seen = self.find("GetInstance", || call.clone().send()).await?;
        let arn = |instance: types::Instance| {
            instance.arn.ok_or_else(|| Error::incomplete("instance.arn"))
        };
        let instance =
            seen.value.map(|answer| answer.instance.ok_or_else(|| Error::incomplete("instance")));
        Ok(Seen { value: instance.transpose()?.map(arn).transpose()?, at: seen.at })
    }

    /// `DeleteKnownHostKeys`. It may answer several operations, or none.
    ///
    /// # Errors
    /// As classified. Ask [`Class::proves_refusal`] before you take it for not done.
    pub async fn delete_known_host_keys(&self, instance: &str) -> Result<Acknowledged> {
        let call = self.client.delete_known_host_keys().instance_name(instance);
        let what = ("DeleteKnownHostKeys", instance, Kind::Once);
        let answer =
            self.change(what, || call.clone().send(), |answer| answer.operations().to_vec());
        let answer = answer.await?;
        let request_id = answer.request_id().unwrap_or_default().to_owned();
        let operations =
            answer.operations.unwrap_or_default().into_iter().map(convert::operation).collect();
        Ok(Acknowledged { operations, request_id })
    }

    /// `GetOperation`.
    ///
    /// # Errors
    /// As classified; never [`Class::NotFound`], which is `None`.
    pub async fn find_operation(&self, id: &str) -> Result<Option<Operation>> {
        let call = self.client.get_operation().operation_id(id);
        let Some(answer) = self.find("GetOperation", || call.clone().send()).await?.value else {
            return Ok(None);
        };
        answer
            .operation
            .map(convert::operation)
            .ok_or_else(|| Error::incomplete("operation"))
            .map(Some)
    }

    /// `GetOperationsForResource` over all pages. What it says of a resource without operations is
    /// unverified: not to know it is the same as an empty list.
    ///
    /// # Errors
    /// As classified; also when a page token is repeated.
    pub async fn operations_of(&self, resource: &str) -> Result<Seen<Vec<Operation>>> {
        let mut operations: Option<Seen<Vec<Operation>>> = None;
        let mut pages = Pages::default();
        loop {
            let call = self.client.get_operations_for_resource().resource_name(resource);
            let call = call.set_page_token(pages.token.clone());
            let seen = self.find("GetOperationsForResource", || call.clone().send()).await?;
            // The list is as old as its first page.
            let list = operations.get_or_insert(Seen { value: Vec::new(), at: seen.at });
            let next = seen.value.and_then(|page| {
                list.value.extend(
                    page.operations.unwrap_or_default().into_iter().map(convert::operation),
                );
                page.next_page_token
            });
            if !pages.turn(next)? {
                return Ok(operations.unwrap_or(Seen { value: Vec::new(), at: seen.at }));
            }
        }
    }

    async fn read<T, E, F>(&self, operation: &'static str, call: impl Fn() -> F) -> Result<Seen<T>>
    where
        F: Future<Output = std::result::Result<T, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        self.send(operation, Kind::Read, call, |_| {}).await
    }

    /// As [`Self::read`]; that there is no such thing is `None`.
    async fn find<T, E, F>(
        &self,
        operation: &'static str,
        call: impl Fn() -> F,
    ) -> Result<Seen<Option<T>>>
    where
        F: Future<Output = std::result::Result<T, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let asked_at = Timestamp::now();
        match self.read(operation, call).await {
            Ok(Seen { value, at }) => Ok(Seen { value: Some(value), at }),
            Err(error) if error.class == Class::NotFound => Ok(Seen { value: None, at: asked_at }),
            Err(error) => Err(error),
        }
    }

    /// Sends a call when its turn has come, and again if that is of use.
    async fn send<T, E, F>(
        &self,
        operation: &'static str,
        kind: Kind,
        call: impl Fn() -> F,
        mut look: impl FnMut(&std::result::Result<T, SdkError<E, HttpResponse>>),
    ) -> Result<Seen<T>>
    where
        F: Future<Output = std::result::Result<T, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let begun = Instant::now();
        let mut sent = 0;
        loop {
            let token = self
                .token(kind.patience(self.call_timeout).saturating_sub(begun.elapsed()))
                .await?;
            let (at, start) = (Timestamp::now(), Instant::now());
            let outcome = call().await;
            sent += 1;
            look(&outcome);
            let outcome = outcome.map_err(|error| Error::from(&error));
            let code = outcome.as_ref().map_or_else(|error| error.code.as_str(), |_| "OK");
            self.metrics.lightsail_request(operation, &self.scope.region, code, start.elapsed());
            if outcome.as_ref().is_err_and(|error| error.class == Class::Throttled) {
                self.limiter.refused(token);
                self.metrics.throttled(&self.scope);
            } else {
                self.limiter.taken(token);
            }
            let error = match outcome {
                Ok(value) => return Ok(Seen { value, at }),
                Err(error) => error,
            };
            match retry::pause(kind, &error, begun.elapsed(), sent, self.call_timeout) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return Err(error),
            }
        }
    }

    async fn token(&self, patience: Duration) -> Result<Token> {
        let _waits = self.metrics.waits(&self.scope);
        let token = tokio::time::timeout(patience, self.limiter.token()).await;
        self.metrics.set_rate(&self.scope, self.limiter.rate());
        token.map_err(|_| Error::waited_too_long())
    }

    /// As [`Self::read`], with a line in the log: it tells what was changed in AWS, and joins it
    /// with CloudTrail.
    async fn change<T, E, F>(
        &self,
        (operation, resource, kind): (&'static str, &str, Kind),
        call: impl Fn() -> F,
        operations: impl Fn(&T) -> Vec<types::Operation>,
    ) -> Result<T>
    where
        F: Future<Output = std::result::Result<T, SdkError<E, HttpResponse>>>,
        T: RequestId,
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let mut request_id = String::new();
        let note_id = |outcome: &std::result::Result<T, SdkError<E, HttpResponse>>| {
            request_id = outcome.as_ref().map_or_else(
                |error| error::request_id(error.raw_response()),
                |answer| answer.request_id().unwrap_or_default().to_owned(),
            );
        };
        let outcome = self.send(operation, kind, call, note_id).await.map(|seen| seen.value);
        let Scope { account, region } = &self.scope;
        match &outcome {
            Ok(answer) => {
                let ids = operations(answer)
                    .into_iter()
                    .filter_map(|operation| operation.id)
                    .collect::<Vec<_>>()
                    .join(" ");
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
