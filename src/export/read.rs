//! Reads Lightsail: with the operator's own clients, credentials and proxies.

use std::sync::Arc;

use futures::StreamExt;
use k8s_openapi::jiff::Timestamp;

use super::exported::{Failed, RegionRead};
use super::report::{self, Report};
use crate::config::{Config, Environment, Export, Output};
use crate::ids::{AccountId, Region};
use crate::lease::HeldLease;
use crate::lightsail::{
    ErrorKind, Lightsail, ListedPairs, Regions, Sessions, Sources, configuration,
};
use crate::metrics::Metrics;
use crate::proxies::Proxies;
use crate::readiness::Readiness;

/// This many regions are read at the same time: each has a rate limit of its own, but they share
/// this machine's connection.
const AT_ONCE: usize = 4;
/// Where the list of regions is read if no region is configured: this one is enabled in every
/// account (<https://docs.aws.amazon.com/accounts/latest/reference/manage-acct-regions.html>).
const ALWAYS_ENABLED: &str = "us-east-1";

/// The AWS of the reader's credentials.
pub(super) struct Reader<'a> {
    sessions: Sessions,
    /// The region of the environment or profile.
    configured: Option<Region>,
    expected: Option<AccountId>,
    report: &'a Report,
}

impl<'a> Reader<'a> {
    /// # Errors
    /// A setting cannot be used.
    pub(super) async fn new(
        config: &Config,
        environment: Environment,
        proxies: Proxies,
        report: &'a Report,
    ) -> anyhow::Result<Self> {
        let metrics = Metrics::default();
        let complain = |problem| report.error(&format!("no AWS profile is used: {problem}"));
        let aws = configuration(config, &environment, proxies, metrics.clone(), complain).await?;
        let configured = aws.region().map(|region| region.as_ref().into());
        let sessions = Sessions::new(
            aws,
            Sources::new(config, environment),
            config.aws_call_timeout,
            Arc::new(Regions::new(Vec::new())),
            // So no call is sent that changes anything.
            HeldLease::not_held(),
            metrics,
            Readiness::default(),
        );
        let expected = config.aws_account_id.clone().map(AccountId::from);
        Ok(Self { sessions, configured, expected, report })
    }

    /// Reads the regions of the flags, in no order; and what could not be read.
    pub(super) async fn read(&self, flags: &Export) -> (Vec<RegionRead>, Failed) {
        let Some(regions) = self.regions(flags).await else { return (Vec::new(), Failed::List) };
        let count = regions.len();
        let reads = regions.into_iter().map(|region| async move {
            let read = self.region(&region, flags.output).await;
            (region, read)
        });
        let mut reads = futures::stream::iter(reads).buffer_unordered(AT_ONCE);
        let (mut all, mut failed) = (Vec::new(), Vec::new());
        while let Some((region, read)) = reads.next().await {
            let done = all.len() + failed.len() + 1;
            match read {
                Ok(read) => {
                    let pairs = report::count(read.pairs.len(), "key pair");
                    self.report.note(&format!("{region}: {pairs} ({done} of {count})"));
                    all.push(read);
                }
                Err(why) => {
                    self.report.error(&format!("{region}: {why} ({done} of {count})"));
                    failed.push(region);
                }
            }
        }
        failed.sort();
        (all, Failed::Regions(failed))
    }

    async fn regions(&self, flags: &Export) -> Option<Vec<Region>> {
        if !flags.all_regions {
            let mut regions: Vec<Region> =
                flags.region.iter().map(|region| region.as_str().into()).collect();
            regions.sort();
            regions.dedup();
            return Some(regions);
        }
        let from = self.configured.clone().unwrap_or_else(|| ALWAYS_ENABLED.into());
        let list = match self.open(&from).await {
            Ok(lightsail) => lightsail.regions().await.map_err(|error| error.to_string()),
            Err(why) => Err(why),
        };
        let failed = |why: &String| {
            self.report.error(&format!("the list of regions could not be read in {from}: {why}"));
        };
        list.inspect_err(failed).ok()
    }

    async fn region(&self, region: &Region, output: Output) -> Result<RegionRead, String> {
        let lightsail = self.open(region).await?;
        let ListedPairs { pairs, unusable } = lightsail.key_pairs().await.map_err(|error| {
            // How Lightsail answers in a region that is not enabled is unverified. That a session
            // has expired has nothing to do with it.
            let may_be_off =
                matches!(error.kind, ErrorKind::BadCredentials | ErrorKind::RegionSetup)
                    && !error.code.contains("Expired");
            let hint = if may_be_off { "; is the region enabled for the account?" } else { "" };
            format!("{error}{hint}")
        })?;
        if unusable > 0 {
            let left_out = report::count(unusable, "key pair");
            self.report.error(&format!(
                "{region}: left out {left_out} that Lightsail lists without a name or an ARN"
            ));
        }
        let instances = match output {
            Output::Yaml => None,
            Output::Table | Output::Json => match lightsail.key_pairs_of_instances().await {
                Ok(instances) => Some(instances),
                Err(error) => {
                    self.report.error(&format!("{region}: instances could not be read: {error}"));
                    None
                }
            },
        };
        let now = lightsail.clock().map(Timestamp::as_second);
        Ok(RegionRead { scope: lightsail.scope().clone(), pairs, instances, now })
    }

    async fn open(&self, region: &Region) -> Result<Lightsail, String> {
        // No namespace has this name.
        let access = self.sessions.open(None, region, &"".into()).await;
        let access = access.map_err(|error| {
            // Its own words are about objects.
            let is_one_of_many = error.kind == ErrorKind::TooManyRegions;
            let words = "skipped, because too many other regions never responded; check \
                         --region for typos";
            if is_one_of_many { words.to_owned() } else { error.to_string() }
        })?;
        let found = &access.account.id;
        match &self.expected {
            Some(expected) if expected != found => Err(format!(
                "the credentials belong to the account {found}, and --aws-account-id is {expected}"
            )),
            Some(_) | None => Ok(access.own),
        }
    }
}
