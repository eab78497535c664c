//! An AWS account that the current credentials open: its clients by region.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_lightsail::config::IdentityCache;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::client::{Lightsail, SHARED};
use super::clock::Clock;
use super::current_credentials::CurrentCredentials;
use super::limiter::Limiter;
use super::regions::Regions;
use super::sender::Sender;
use super::types::Result;
use crate::ids::{AccountId, Region, Scope};
use crate::lease::HeldLease;
use crate::metrics::Metrics;

/// What is known of Lightsail by account and region. It outlives credentials and clients, so new
/// ones keep the old limits.
#[derive(Debug, Default)]
pub(super) struct Limiters(Mutex<Limits>);

#[derive(Debug, Default)]
struct Limits {
    by_scope: HashMap<Scope, (Arc<Limiter>, Clock)>,
    /// The most requests a second for an account in each region, if a user limits them.
    most: HashMap<AccountId, f64>,
}

impl Limiters {
    fn get(&self, scope: &Scope) -> (Arc<Limiter>, Clock) {
        let Limits { by_scope, most } = &mut *self.0.lock();
        let new = || {
            let limiter = Limiter::default();
            limiter.set_most(most.get(&scope.account).copied());
            (Arc::new(limiter), Clock::default())
        };
        by_scope.entry(scope.clone()).or_insert_with(new).clone()
    }

    pub(super) fn forget_region(&self, region: &Region) {
        self.0.lock().by_scope.retain(|scope, _| scope.region != *region);
    }

    /// Limits the requests a second of accounts from now on.
    pub(super) fn set_most(&self, most: HashMap<AccountId, f64>) {
        let mut limits = self.0.lock();
        for (scope, (limiter, _)) in &limits.by_scope {
            limiter.set_most(most.get(&scope.account).copied());
        }
        limits.most = most;
    }
}

/// What all accounts share: how calls are sent.
#[derive(Clone, Debug)]
pub(super) struct Sending {
    pub(super) config: SdkConfig,
    pub(super) call_timeout: Duration,
    pub(super) lease: HeldLease,
    pub(super) metrics: Metrics,
    pub(super) limiters: Arc<Limiters>,
    pub(super) regions: Arc<Regions>,
}

/// At most this many clients are kept for an account, which is more than Lightsail has regions. A
/// client takes 20 kB (measured), so a thousand invented regions would take 20 MB. Creating one
/// takes a tenth of a millisecond, and clients share connections.
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

/// An account that the current credentials open.
#[derive(Debug)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// Who the credentials are, for the log.
    pub caller_arn: String,
    /// Whose rights they have, and for which namespace, if the session has tags. What is read with
    /// some rights is not shown to holders of other rights.
    pub(super) rights: Arc<str>,
    pub(super) credentials: CurrentCredentials,
    sending: Sending,
    clients: Mutex<Clients>,
}

/// Whose credentials open an account.
#[derive(Clone, Debug)]
pub(super) struct Who {
    pub(super) id: AccountId,
    pub(super) caller_arn: String,
    pub(super) rights: Arc<str>,
}

impl Account {
    pub(super) fn new(
        who: Who,
        credentials: Credentials,
        refused: Arc<Notify>,
        sending: &Sending,
    ) -> Self {
        let credentials = CurrentCredentials::new(credentials, refused);
        let own = SharedCredentialsProvider::new(credentials.clone());
        // Calls use exactly these credentials, and their renewals.
        let config = sending.config.to_builder().credentials_provider(own);
        let config = config.identity_cache(IdentityCache::no_cache()).build();
        let sending = Sending { config, ..sending.clone() };
        let Who { id, caller_arn, rights } = who;
        Self { id, caller_arn, rights, credentials, sending, clients: Mutex::default() }
    }

    /// Lightsail in a region, for an object of this namespace.
    ///
    /// # Errors
    /// The region is not allowed.
    pub fn region(&self, region: &Region, namespace: &Arc<str>) -> Result<Lightsail> {
        let sending = &self.sending;
        sending.regions.admit(region, namespace)?;
        let new = || {
            let scope = Scope { account: self.id.clone(), region: region.clone() };
            let (limiter, clock) = sending.limiters.get(&scope);
            let sender = Sender {
                scope,
                rights: Arc::clone(&self.rights),
                namespace: SHARED.into(),
                limiter,
                regions: Arc::clone(&sending.regions),
                call_timeout: sending.call_timeout,
                lease: sending.lease.clone(),
                credentials: self.credentials.clone(),
                denied: Arc::default(),
                metrics: sending.metrics.clone(),
            };
            Lightsail::new(sender, clock, &sending.config)
        };
        Ok(self.clients.lock().get(region, new).for_namespace(namespace))
    }

    pub(super) fn forget_region(&self, region: &Region) {
        self.clients.lock().by_region.remove(region);
        self.credentials.forget_region(region);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lightsail::{HttpOptions, http_client};

    #[test]
    fn the_clients_of_the_regions_used_last_are_kept_and_what_is_known_of_all() {
        let call_timeout = Duration::from_secs(1);
        let http = http_client(HttpOptions { call_timeout, ..HttpOptions::default() });
        let sending = Sending {
            config: SdkConfig::builder()
                .behavior_version(aws_config::BehaviorVersion::latest())
                .http_client(http.unwrap())
                .build(),
            call_timeout: Duration::from_secs(1),
            lease: HeldLease::unlimited(),
            metrics: Metrics::default(),
            limiters: Arc::default(),
            regions: Arc::default(),
        };
        let credentials = Credentials::new("key", "secret", None, None, "test");
        let who = Who { id: "123456789012".into(), caller_arn: String::new(), rights: "".into() };
        let account = Account::new(who, credentials, Arc::default(), &sending);
        let region = |index: usize| Region::from(format!("region-{index}"));
        for index in 0..1_000 {
            sending.regions.note_answer(&region(index));
            for region in [region(0), region(index)] {
                account.region(&region, &"team-a".into()).unwrap();
            }
        }
        let clients = account.clients.lock();
        assert_eq!(clients.by_region.len(), MOST_CLIENTS);
        for kept in [0, 999] {
            assert!(clients.by_region.contains_key(&region(kept)), "{kept}");
        }
        assert_eq!(sending.limiters.0.lock().by_scope.len(), 1_000);
    }
}
