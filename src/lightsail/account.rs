//! Which AWS account the credentials belong to: no call of Lightsail is made before that is known.
//!
//! Credentials that fall back to others (a node's role, say) would make every key pair look gone.
//! So the account is asked for once for each set of credentials, and calls are made with exactly
//! those credentials.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant, SystemTime};

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{
    ProvideCredentials, SharedCredentialsProvider, error::CredentialsError,
};
use parking_lot::Mutex;

use super::cached::Cached;
use super::client::{Lightsail, SHARED};
use super::clock::Clock;
use super::endpoint::SecureEndpoints;
use super::error::Error;
use super::limiter::Limiter;
use super::regions::Regions;
use super::sender::Sender;
use super::types::Result;
use crate::ids::{AccountId, Region, Scope};
use crate::lease::HeldLease;
use crate::metrics::Metrics;

/// Where STS is asked if no region is configured.
const DEFAULT_REGION: &str = "us-east-1";
/// How long credentials that do not expire are used before they are looked up again.
const RECHECK: Duration = Duration::from_mins(1);
/// Credentials are looked up again this long before they expire.
const EXPIRY_MARGIN: Duration = Duration::from_mins(5);

/// The account that the operator's credentials belong to.
#[derive(Debug)]
pub struct Accounts {
    config: SdkConfig,
    provider: Option<SharedCredentialsProvider>,
    call_timeout: Duration,
    allow_insecure_endpoints: bool,
    lease: HeldLease,
    metrics: Metrics,
    limiters: Arc<Limiters>,
    known_regions: Arc<Regions>,
    /// The account that was identified last.
    latest: Mutex<Weak<Account>>,
    current: tokio::sync::Mutex<Cached<Current>>,
}

/// What is known of Lightsail by account and region. It outlives credentials and clients: new ones
/// have the old limits.
type Limiters = Mutex<HashMap<Scope, (Arc<Limiter>, Clock)>>;

/// So many clients are kept for an account: more than Lightsail has regions. A client takes 20 kB
/// (measured), so a thousand invented regions would take 20 MB. Making one anew takes a tenth of a
/// millisecond, and connections are not its own.
const MOST_CLIENTS: usize = 64;

/// The clients by region, and when each was used last.
#[derive(Debug, Default)]
struct Clients {
    by_region: HashMap<Region, (u64, Lightsail)>,
    uses: u64,
}

impl Clients {
    fn get(&mut self, region: &Region, new: impl FnOnce() -> Lightsail) -> Lightsail {
        self.uses += 1;
        let entry = self.by_region.entry(region.clone()).or_insert_with(|| (0, new()));
        entry.0 = self.uses;
        let client = entry.1.clone();
        if self.by_region.len() > MOST_CLIENTS {
            let oldest = self.by_region.iter().min_by_key(|(_, (used, _))| *used);
            if let Some(oldest) = oldest.map(|(region, _)| region.clone()) {
                self.by_region.remove(&oldest);
            }
        }
        client
    }
}

#[derive(Clone, Debug)]
struct Current {
    account: Arc<Account>,
    credentials: Credentials,
    recheck_at: Instant,
}

/// An account, as one set of credentials opens it.
#[derive(Debug)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// Who the credentials are, for the log.
    pub caller_arn: String,
    config: SdkConfig,
    call_timeout: Duration,
    allow_insecure_endpoints: bool,
    lease: HeldLease,
    metrics: Metrics,
    limiters: Arc<Limiters>,
    known_regions: Arc<Regions>,
    clients: Mutex<Clients>,
}

impl Account {
    /// Lightsail in a region, for an object of this namespace.
    ///
    /// # Errors
    /// The region may not be asked.
    pub fn region(&self, region: &Region, namespace: &Arc<str>) -> Result<Lightsail> {
        self.known_regions.admit(region, namespace)?;
        let new = || {
            let scope = Scope { account: self.id.clone(), region: region.clone() };
            let (limiter, clock) = self.limiters.lock().entry(scope.clone()).or_default().clone();
            let sender = Sender {
                scope,
                namespace: SHARED.into(),
                limiter,
                regions: Arc::clone(&self.known_regions),
                call_timeout: self.call_timeout,
                lease: self.lease.clone(),
                metrics: self.metrics.clone(),
            };
            Lightsail::new(sender, clock, &self.config, self.allow_insecure_endpoints)
        };
        Ok(self.clients.lock().get(region, new).for_namespace(namespace))
    }
}

impl Accounts {
    /// Uses the credentials, endpoints and the HTTP client of `config`. A write is sent only if the
    /// Lease outlives its timeout.
    #[must_use]
    pub fn new(
        config: SdkConfig,
        call_timeout: Duration,
        allow_insecure_endpoints: bool,
        regions: Arc<Regions>,
        lease: HeldLease,
        metrics: Metrics,
    ) -> Self {
        let provider = config.credentials_provider();
        let current = tokio::sync::Mutex::default();
        let limiters = Arc::default();
        Self {
            config,
            provider,
            call_timeout,
            allow_insecure_endpoints,
            lease,
            metrics,
            limiters,
            known_regions: regions,
            latest: Mutex::default(),
            current,
        }
    }

    /// Forgets what is kept of a region. What is under way there goes on.
    pub fn forget_region(&self, region: &Region) {
        self.limiters.lock().retain(|scope, _| scope.region != *region);
        if let Some(account) = self.latest.lock().upgrade() {
            account.clients.lock().by_region.remove(region);
        }
    }

    /// The account of the credentials that are in force now.
    ///
    /// # Errors
    /// There are no credentials, or STS does not answer.
    pub async fn current(&self) -> Result<Arc<Account>> {
        let mut cached = self.current.lock().await;
        let is_good = |current: &Current| Instant::now() < current.recheck_at;
        if let Some(current) = cached.find(is_good) {
            return Ok(current?.account);
        }
        let current = self.look_up(cached.value()).await;
        Ok(cached.put(current)?.account)
    }

    /// The account of the credentials that are in force now, which must be this one.
    ///
    /// # Errors
    /// As [`Self::current`]; also if they belong to another account.
    pub async fn expect(&self, id: &AccountId) -> Result<Arc<Account>> {
        let account = self.current().await?;
        if account.id == *id { Ok(account) } else { Err(Error::wrong_account(&account.id)) }
    }

    async fn look_up(&self, before: Option<&Current>) -> Result<Current> {
        let credentials = self.credentials().await?;
        let recheck_at = recheck_at(&credentials);
        if let Some(before) = before.filter(|before| before.credentials == credentials) {
            return Ok(Current { recheck_at, ..before.clone() });
        }
        let account = Arc::new(self.identify(&credentials).await?);
        *self.latest.lock() = Arc::downgrade(&account);
        tracing::info!(
            account = account.id.as_str(),
            caller = account.caller_arn,
            "AWS credentials are in force"
        );
        Ok(Current { account, credentials, recheck_at })
    }

    async fn credentials(&self) -> Result<Credentials> {
        let missing = || CredentialsError::not_loaded("no provider is configured");
        let provider = self.provider.as_ref().ok_or_else(|| Error::credentials(&missing()))?;
        let credentials =
            tokio::time::timeout(self.call_timeout, provider.provide_credentials()).await;
        let late = |_| CredentialsError::provider_timed_out(self.call_timeout);
        credentials.map_err(late).flatten().map_err(|error| Error::credentials(&error))
    }

    /// `GetCallerIdentity`. It needs no permission
    /// (<https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html>).
    async fn identify(&self, credentials: &Credentials) -> Result<Account> {
        let own = SharedCredentialsProvider::new(credentials.clone());
        let config = self.config.to_builder().credentials_provider(own).build();
        let region = config
            .region()
            .cloned()
            .unwrap_or_else(|| aws_sdk_sts::config::Region::from_static(DEFAULT_REGION));
        let timeouts = aws_sdk_sts::config::timeout::TimeoutConfig::builder()
            .operation_timeout(self.call_timeout)
            .build();
        let mut sts =
            aws_sdk_sts::config::Builder::from(&config).region(region).timeout_config(timeouts);
        if !self.allow_insecure_endpoints {
            sts.push_interceptor(aws_sdk_sts::config::SharedInterceptor::new(SecureEndpoints));
        }
        let answer = aws_sdk_sts::Client::from_conf(sts.build()).get_caller_identity().send().await;
        let answer = answer.map_err(|error| Error::from(&error))?;
        Ok(Account {
            id: answer.account.map(AccountId::from).ok_or_else(|| Error::incomplete("Account"))?,
            caller_arn: answer.arn.unwrap_or_default(),
            config,
            call_timeout: self.call_timeout,
            allow_insecure_endpoints: self.allow_insecure_endpoints,
            lease: self.lease.clone(),
            metrics: self.metrics.clone(),
            limiters: Arc::clone(&self.limiters),
            known_regions: Arc::clone(&self.known_regions),
            clients: Mutex::default(),
        })
    }
}

/// Whoever has the credentials of a file or a role that changed finds out in time, and those that
/// expire are never used late.
fn recheck_at(credentials: &Credentials) -> Instant {
    let left = credentials
        .expiry()
        .map_or(RECHECK, |expiry| expiry.duration_since(SystemTime::now()).unwrap_or_default());
    Instant::now() + left.saturating_sub(EXPIRY_MARGIN).clamp(Duration::from_secs(1), RECHECK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clients_of_the_regions_used_last_are_kept_and_what_is_known_of_all() {
        let account = Account {
            id: "123456789012".into(),
            caller_arn: String::new(),
            config: SdkConfig::builder()
                .behavior_version(aws_config::BehaviorVersion::latest())
                .http_client(crate::lightsail::http_client())
                .build(),
            call_timeout: Duration::from_secs(1),
            allow_insecure_endpoints: false,
            lease: HeldLease::unlimited(),
            metrics: Metrics::default(),
            limiters: Arc::default(),
            known_regions: Arc::default(),
            clients: Mutex::default(),
        };
        let region = |index: usize| Region::from(format!("region-{index}"));
        for index in 0..1_000 {
            account.known_regions.note_answer(&region(index));
            for region in [region(0), region(index)] {
                account.region(&region, &"team-a".into()).unwrap();
            }
        }
        let clients = account.clients.lock();
        assert_eq!(clients.by_region.len(), MOST_CLIENTS);
        for kept in [0, 999] {
            assert!(clients.by_region.contains_key(&region(kept)), "{kept}");
        }
        assert_eq!(account.limiters.lock().len(), 1_000);
    }
}
