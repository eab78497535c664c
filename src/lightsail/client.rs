//! The calls: one method for each operation of Lightsail.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_lightsail::Client;
use aws_sdk_lightsail::operation::RequestId;
use aws_sdk_lightsail::operation::get_key_pairs::GetKeyPairsOutput;
use aws_sdk_lightsail::types::{self, Tag};
use k8s_openapi::jiff::Timestamp;

use super::clock::Clock;
use super::convert;
use super::error::{Error, ErrorKind};
use super::identifier::request_id;
use super::pages::Pages;
use super::retry::Policy;
use super::sender::{ALWAYS, IsWanted, Sender};
use super::types::{
    Acknowledged, Downloaded, Imported, Instance, KeyPair, ListedPairs, Read, Result,
};
use crate::api::Operation;
use crate::ids::{Arn, Fingerprint, KeyPairName, Region, Scope};

/// The turn of requests that belong to no single namespace. No namespace has this name.
pub(super) const SHARED: &str = "";

/// Lightsail in one account and region.
#[derive(Clone, Debug)]
pub struct Lightsail {
    client: Client,
    sender: Sender,
    clock: Clock,
}

impl Lightsail {
    /// A client that sends its calls with `sender`.
    pub(super) fn new(sender: Sender, clock: Clock, config: &aws_config::SdkConfig) -> Self {
        use aws_sdk_lightsail::config::retry::{RetryConfig, RetryPartition, TokenBucket};
        use aws_sdk_lightsail::config::{
            Builder, Region, SharedInterceptor, timeout::TimeoutConfig,
        };
        let call_timeout = sender.call_timeout;
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(call_timeout.min(Duration::from_secs(5)))
            .operation_attempt_timeout(call_timeout)
            .operation_timeout(call_timeout);
        let region = Region::new(sender.scope.region.to_string());
        let mut config = Builder::from(config).region(region).timeout_config(timeouts.build());
        config = config.retry_config(RetryConfig::disabled());
        // Otherwise the SDK makes a bucket for each region, and keeps it forever.
        let partition = RetryPartition::custom("lightsail").token_bucket(TokenBucket::unlimited());
        config = config.retry_partition(partition.build());
        config.push_interceptor(SharedInterceptor::new(clock.clone()));
        Self { client: Client::from_conf(config.build()), sender, clock }
    }

    /// The same, for an object of this namespace: namespaces take turns.
    #[must_use]
    pub(super) fn for_namespace(&self, namespace: &Arc<str>) -> Self {
        let mut own = self.clone();
        own.sender.namespace = Arc::clone(namespace);
        own
    }

    /// The same, for all namespaces: shared reads have turns of their own.
    #[must_use]
    pub(super) fn for_all(&self) -> Self {
        self.for_namespace(&SHARED.into())
    }

    /// Which account and region this is.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.sender.scope
    }

    /// Whose rights it has. What is read with some rights is not shown to holders of other rights.
    pub(crate) fn rights(&self) -> &Arc<str> {
        &self.sender.rights
    }

    /// What Lightsail's clock shows now, to the second: the `Date` of its last answer, plus the
    /// time since. `None` if no answer had one.
    #[must_use]
    pub fn clock(&self) -> Option<Timestamp> {
        self.clock.now()
    }

    /// `GetKeyPair`. It may not know the default pair by its name (unverified): use
    /// [`Self::key_pairs`] for that.
    ///
    /// # Errors
    /// As classified; never [`ErrorKind::NotFound`], which is `None`. Also if the answer is about
    /// another pair. Whether Lightsail tells names apart by their case is unverified, so one that
    /// differs only in that is returned as it is: who owns it is decided by what else it shows.
    pub async fn find_key_pair(&self, name: &KeyPairName) -> Result<Read<Option<KeyPair>>> {
        let call = self.client.get_key_pair().key_pair_name(name.as_str());
        let read = self.sender.find(("GetKeyPair", Policy::Read), || call.clone().send()).await?;
        let pair =
            read.value.map(|answer| answer.key_pair.ok_or_else(|| Error::incomplete("keyPair")));
        let pair = pair.transpose()?.map(convert::key_pair).transpose()?;
        if pair.as_ref().is_some_and(|pair| !is_name(pair.name.as_str(), name.as_str())) {
            return Err(Error::incomplete("keyPair.name"));
        }
        Ok(Read { value: pair, at: read.at })
    }

    /// `GetKeyPairs` over all pages, the default pair included.
    ///
    /// # Errors
    /// As for [`Self::each_key_pair`].
    pub async fn key_pairs(&self) -> Result<ListedPairs> {
        let mut listed = ListedPairs { pairs: Vec::new(), unusable: 0 };
        self.each_key_pair(|_, pair| match pair {
            Ok(pair) => listed.pairs.push(pair),
            Err(_) => listed.unusable += 1,
        })
        .await?;
        Ok(listed)
    }

    /// `GetKeyPairs` over all pages, the default pair included. A pair that comes without its name
    /// or ARN is an error in its place. Returns the number of pages.
    ///
    /// # Errors
    /// As classified; also when a page token is repeated.
    pub async fn each_key_pair(
        &self,
        mut take: impl FnMut(usize, Result<KeyPair>),
    ) -> Result<usize> {
        let (mut count, mut pages) = (0, Pages::default());
        loop {
            let mut page = self.page_of_key_pairs(&pages).await?.value;
            count += 1;
            for pair in list(page.key_pairs.take(), &page, "keyPairs")? {
                take(count, convert::key_pair(pair));
            }
            if !pages.turn(page.next_page_token)? {
                return Ok(count);
            }
        }
    }

    /// The pair of a name by `GetKeyPairs`, the default pair included: no more pages than it takes
    /// to find it. It is as old as the page that has it, or as the last one.
    ///
    /// # Errors
    /// As for [`Self::each_key_pair`]. Also if only a pair without a name can be it.
    pub async fn find_listed(&self, name: &KeyPairName) -> Result<Read<Option<KeyPair>>> {
        let (mut pages, mut may_be_nameless) = (Pages::default(), false);
        loop {
            let Read { value: mut page, at } = self.page_of_key_pairs(&pages).await?;
            let of_name = |pair: &types::KeyPair| pair.name.as_deref() == Some(name.as_str());
            let pairs = list(page.key_pairs.take(), &page, "keyPairs")?;
            may_be_nameless |= pairs.iter().any(convert::is_nameless);
            let found = pairs.into_iter().find(of_name);
            if found.is_some() || !pages.turn(page.next_page_token)? {
                if found.is_none() && may_be_nameless {
                    return Err(Error::incomplete("keyPair.name"));
                }
                return Ok(Read { value: found.map(convert::key_pair).transpose()?, at });
            }
        }
    }

    async fn page_of_key_pairs(&self, pages: &Pages) -> Result<Read<GetKeyPairsOutput>> {
        let call = self.client.get_key_pairs().include_default_key_pair(true);
        let call = call.set_page_token(pages.token.clone());
        self.sender.read("GetKeyPairs", || call.clone().send()).await
    }

    /// `ImportKeyPair` with an OpenSSH line, raw: the member's name `publicKeyBase64` misleads
    /// (<https://github.com/aws/aws-cli/issues/6020>).
    ///
    /// # Errors
    /// As classified; never [`ErrorKind::NameTaken`], which is [`Imported::NameTaken`]. Also
    /// [`ErrorKind::Outdated`], if it is not wanted any more when its turn comes.
    pub async fn import_key_pair(
        &self,
        name: &KeyPairName,
        line: &str,
        is_wanted: &IsWanted<'_>,
    ) -> Result<Imported> {
        let call =
            self.client.import_key_pair().key_pair_name(name.as_str()).public_key_base64(line);
        let what = ("ImportKeyPair", name.as_str(), Policy::Change);
        let answer = self.sender.change(
            what,
            is_wanted,
            || call.clone().send(),
            |answer| answer.operation.as_slice().to_vec(),
        );
        match answer.await {
            Ok(answer) => {
                Ok(Imported::Accepted(self.operation_of(answer.operation, "ImportKeyPair")))
            }
            Err(error) if error.kind == ErrorKind::NameTaken => Ok(Imported::NameTaken),
            Err(error) => Err(error),
        }
    }

    /// `DeleteKeyPair`. The fingerprint is sent along if it is given. For the default pair, it must
    /// be.
    ///
    /// # Errors
    /// As classified; never [`ErrorKind::NotFound`], which is `None`: the pair was already gone.
    pub async fn delete_key_pair(
        &self,
        name: &KeyPairName,
        expected_fingerprint: Option<&Fingerprint>,
    ) -> Result<Option<Operation>> {
        let call = self.client.delete_key_pair().key_pair_name(name.as_str());
        let call = call.set_expected_fingerprint(expected_fingerprint.map(Fingerprint::to_string));
        let what = ("DeleteKeyPair", name.as_str(), Policy::ChangeAfterRead);
        let answer = self.sender.change(
            what,
            &ALWAYS,
            || call.clone().send(),
            |answer| answer.operation.as_slice().to_vec(),
        );
        match answer.await {
            Ok(answer) => Ok(Some(self.operation_of(answer.operation, "DeleteKeyPair"))),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// `DownloadDefaultKeyPair`. **It creates the default pair if there is none.**
    ///
    /// # Errors
    /// As classified; also if the private key cannot be read.
    pub async fn download_default_key_pair(&self) -> Result<Downloaded> {
        let call = self.client.download_default_key_pair();
        let what = ("DownloadDefaultKeyPair", KeyPairName::DEFAULT, Policy::ChangeAfterRead);
        let answer =
            self.sender.change(what, &ALWAYS, || call.clone().send(), |_| Vec::new()).await?;
        convert::downloaded(answer)
    }

    /// `TagResource`: adds tags, and replaces the values of existing ones. It does not touch a
    /// resource of that name with another ARN, and waits only for a moment to be sent.
    ///
    /// # Errors
    /// As classified; [`ErrorKind::NotFound`] if there is no such pair any more.
    pub async fn tag(&self, pair: &KeyPair, tags: &BTreeMap<String, String>) -> Result<()> {
        self.set_tags(&pair.name, Some(&pair.arn), tags).await
    }

    /// `TagResource` by the name alone, for a pair that was imported a moment ago and whose ARN is
    /// not known yet: the ARN is optional
    /// (<https://docs.aws.amazon.com/lightsail/2016-11-28/api-reference/API_TagResource.html>).
    ///
    /// # Errors
    /// As [`Self::tag`].
    pub async fn tag_by_name(
        &self,
        name: &KeyPairName,
        tags: &BTreeMap<String, String>,
    ) -> Result<()> {
        self.set_tags(name, None, tags).await
    }

    async fn set_tags(
        &self,
        name: &KeyPairName,
        arn: Option<&Arn>,
        tags: &BTreeMap<String, String>,
    ) -> Result<()> {
        let tags =
            tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect();
        let call = self
            .client
            .tag_resource()
            .resource_name(name.as_str())
            .set_resource_arn(arn.map(Arn::to_string))
            .set_tags(Some(tags));
        let what = ("TagResource", name.as_str(), Policy::ChangeAfterRead);
        let answer = self
            .sender
            .change(what, &ALWAYS, || call.clone().send(), |answer| answer.operations().to_vec())
            .await?;
        convert::not_failed(answer.operations)
    }

    /// `UntagResource`. It does not touch a resource of that name with another ARN, and waits only
    /// for a moment to be sent.
    ///
    /// # Errors
    /// As classified; [`ErrorKind::NotFound`] if there is no such pair any more.
    pub async fn untag(&self, name: &KeyPairName, arn: &Arn, keys: &[String]) -> Result<()> {
        let call = self
            .client
            .untag_resource()
            .resource_name(name.as_str())
            .resource_arn(arn.as_str())
            .set_tag_keys(Some(keys.to_vec()));
        let what = ("UntagResource", name.as_str(), Policy::ChangeAfterRead);
        let answer = self
            .sender
            .change(what, &ALWAYS, || call.clone().send(), |answer| answer.operations().to_vec())
            .await?;
        convert::not_failed(answer.operations)
    }

    /// `GetInstances` over all pages: the names of the Windows instances that use the default key
    /// pair, or the ARN where there is no name. An instance that names no key pair uses the default
    /// one.
    ///
    /// # Errors
    /// As classified; also when a page token is repeated, or one of them has neither.
    pub async fn windows_instances_with_default_key(&self) -> Result<Vec<String>> {
        self.instances(convert::windows_with_default_key).await
    }

    /// `GetInstances` over all pages: the name of each instance, and that of its key pair. An
    /// instance that names none uses the default one.
    ///
    /// # Errors
    /// As classified; also when a page token is repeated.
    pub async fn key_pairs_of_instances(&self) -> Result<Vec<(String, KeyPairName)>> {
        self.instances(|instance| Ok(convert::instance_and_key_pair(instance))).await
    }

    async fn instances<T>(
        &self,
        take: impl Fn(types::Instance) -> Result<Option<T>>,
    ) -> Result<Vec<T>> {
        let mut taken = Vec::new();
        let mut pages = Pages::default();
        loop {
            let call = self.client.get_instances().set_page_token(pages.token.clone());
            let mut page = self.sender.read("GetInstances", || call.clone().send()).await?.value;
            let instances = list(page.instances.take(), &page, "instances")?;
            for instance in instances {
                taken.extend(take(instance)?);
            }
            if !pages.turn(page.next_page_token)? {
                return Ok(taken);
            }
        }
    }

    /// `GetRegions`: the names of all regions of Lightsail. Whether it omits regions that the
    /// account has not enabled is unverified.
    ///
    /// # Errors
    /// As classified.
    pub async fn regions(&self) -> Result<Vec<Region>> {
        let call = self.client.get_regions();
        let mut answer = self.sender.read("GetRegions", || call.clone().send()).await?.value;
        let regions = list(answer.regions.take(), &answer, "regions")?;
        let names = regions.into_iter().filter_map(|it| it.name);
        Ok(names.map(|name| Region::from(name.as_str())).collect())
    }

    /// `GetInstance`. Only the ARN and the tags are read.
    ///
    /// # Errors
    /// As classified; never [`ErrorKind::NotFound`], which is `None`. Also if the answer is about
    /// another instance.
    pub async fn find_instance(&self, name: &str) -> Result<Read<Option<Instance>>> {
        let call = self.client.get_instance().instance_name(name);
        let read = self.sender.find(("GetInstance", Policy::Read), || call.clone().send()).await?;
        let instance =
            read.value.map(|answer| answer.instance.ok_or_else(|| Error::incomplete("instance")));
        let instance = instance.transpose()?;
        let answered = instance.as_ref().and_then(|instance| instance.name.as_deref());
        if answered.is_some_and(|answered| !is_name(answered, name)) {
            return Err(Error::incomplete("instance.name"));
        }
        Ok(Read { value: instance.map(convert::instance).transpose()?, at: read.at })
    }

    /// `DeleteKnownHostKeys`. It may return several operations, or none.
    ///
    /// # Errors
    /// As [`Self::import_key_pair`]. Only [`ErrorKind::proves_refusal`] shows that the call was not
    /// done.
    pub async fn delete_known_host_keys(
        &self,
        instance: &str,
        is_wanted: &IsWanted<'_>,
    ) -> Result<Acknowledged> {
        let call = self.client.delete_known_host_keys().instance_name(instance);
        let what = ("DeleteKnownHostKeys", instance, Policy::Once);
        let answer = self.sender.change(
            what,
            is_wanted,
            || call.clone().send(),
            |answer| answer.operations().to_vec(),
        );
        let mut answer = answer.await?;
        let request_id = request_id(&answer);
        let operations = list(answer.operations.take(), &answer, "operations")?;
        let operations = convert::most_telling(operations);
        Ok(Acknowledged { operations, request_id })
    }

    /// The operation in the answer to this call, whose name is its type, whatever Lightsail calls
    /// it: `OperationType` has no value for these
    /// (<https://docs.aws.amazon.com/lightsail/2016-11-28/api-reference/API_Operation.html>). If it
    /// names no time, it has that of the answer, so that nobody waits for it forever or not at all.
    fn operation_of(&self, answer: Option<types::Operation>, call: &str) -> Operation {
        let operation = answer.map(convert::operation).unwrap_or_default();
        let answered = || Some(self.clock.now().unwrap_or_else(Timestamp::now).to_string());
        let created_at = match operation.created() {
            None if operation.id.is_some() => answered(),
            _ => operation.created_at,
        };
        Operation { type_: Some(call.to_owned()), created_at, ..operation }
    }

    /// `GetOperation`. An answer that names no id is about the one that was asked for.
    ///
    /// # Errors
    /// As classified; never [`ErrorKind::NotFound`], which is `None`. Also if the answer is about
    /// another operation.
    pub async fn find_operation(&self, id: &str) -> Result<Option<Operation>> {
        let call = self.client.get_operation().operation_id(id);
        let Some(answer) =
            self.sender.find(("GetOperation", Policy::Read), || call.clone().send()).await?.value
        else {
            return Ok(None);
        };
        let operation = answer.operation.ok_or_else(|| Error::incomplete("operation"))?;
        let answered = operation.id.as_deref().filter(|answered| !answered.is_empty());
        if answered.is_some_and(|answered| !is_name(answered, id)) {
            return Err(Error::incomplete("operation.id"));
        }
        let operation = convert::operation(operation);
        let asked = || Some(id.to_owned());
        Ok(Some(Operation { id: operation.id.or_else(asked), ..operation }))
    }

    /// `GetOperationsForResource` over all pages. What it returns for a resource without operations
    /// is unverified: not found counts as an empty list.
    ///
    /// # Errors
    /// As classified; also when a page token is repeated.
    pub async fn operations_of(&self, resource: &str) -> Result<Read<Vec<Operation>>> {
        // Resets read the instance before it.
        let what = ("GetOperationsForResource", Policy::ReadAfterRead);
        let mut operations: Option<Read<Vec<Operation>>> = None;
        let mut pages = Pages::default();
        loop {
            let call = self.client.get_operations_for_resource().resource_name(resource);
            let call = call.set_page_token(pages.token.clone());
            let read = self.sender.find(what, || call.clone().send()).await?;
            // The list is as old as its first page.
            let all = operations.get_or_insert(Read { value: Vec::new(), at: read.at });
            let mut next = None;
            if let Some(mut page) = read.value {
                let found = list(page.operations.take(), &page, "operations")?;
                all.value.extend(found.into_iter().map(convert::operation));
                next = page.next_page_token;
            }
            if !pages.turn(next)? {
                return Ok(operations.unwrap_or(Read { value: Vec::new(), at: read.at }));
            }
        }
    }
}

/// Whether an answer is about what was asked for, in whatever case Lightsail writes its name.
fn is_name(answered: &str, asked: &str) -> bool {
    answered.eq_ignore_ascii_case(asked)
}

/// The list in an answer. Whether Lightsail leaves out an empty one is unverified. But an answer
/// that has neither the list nor the id of the request may be anybody's, and proves no absence.
fn list<T>(list: Option<Vec<T>>, answer: &impl RequestId, member: &str) -> Result<Vec<T>> {
    match list {
        Some(list) => Ok(list),
        None if answer.request_id().is_some_and(|id| !id.is_empty()) => Ok(Vec::new()),
        None => Err(Error::incomplete(member)),
    }
}
