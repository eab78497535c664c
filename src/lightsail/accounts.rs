//! Which AWS account the credentials belong to: no call of Lightsail is made before that is known.
//!
//! Credentials that fall back to others (a node's role, say) would make every key pair look gone.
//! So the account is asked for once for each set of credentials, and calls are made with exactly
//! those credentials. They are renewed before they expire, beside the reconciliations, and used as
//! long as they are good, whatever becomes of STS meanwhile.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant, SystemTime};

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::account::{Account, Sending};
use super::contained::contained;
use super::credentials::{Chain, Sources};
use super::error::Error;
use super::regions::Regions;
use super::session::{
    Cause, Identified, Identity, Loaded, News, Next, Noted, Now, Put, Session, Source, Term,
    identified,
};
use super::types::Result;
use crate::ids::{AccountId, Region};
use crate::lease::HeldLease;
use crate::metrics::Metrics;
use crate::readiness::Readiness;

/// Whoever asks waits so long for the lookup in another region, which may not exist, before
/// it makes its own.
const PATIENCE: Duration = Duration::from_secs(2);

const CREDENTIALS: &str = "the AWS credentials";

/// The account that the operator's credentials belong to. Clones are the same.
#[derive(Clone, Debug)]
pub struct Accounts(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    chain: Chain,
    sending: Sending,
    readiness: Readiness,
    refused: Arc<Notify>,
    /// One lookup for all, so that a session is opened once.
    lookup: Turn,
    state: Mutex<State>,
}

type Turn = tokio::sync::Mutex<()>;

/// What the credentials open.
type Opened = super::session::Opened<Arc<Account>, Credentials>;

#[derive(Debug, Default)]
struct State {
    session: Session<Arc<Account>, Credentials>,
    /// One lookup at a time in each region, however long it takes there.
    turns: HashMap<Region, Arc<Turn>>,
}

impl Accounts {
    /// Uses the endpoints, the HTTP client and the credentials of `config`, or if it has none, the
    /// credentials of the SDK's standard chain. A write is sent only if the Lease outlives its
    /// timeout.
    #[must_use]
    pub fn new(
        config: SdkConfig,
        sources: Sources,
        call_timeout: Duration,
        regions: Arc<Regions>,
        lease: HeldLease,
        metrics: Metrics,
        readiness: Readiness,
    ) -> Self {
        let limiters = Arc::default();
        let chain = Chain { config: config.clone(), sources, call_timeout };
        let sending = Sending { config, call_timeout, lease, metrics, limiters, regions };
        Self(Arc::new(Inner {
            chain,
            sending,
            readiness,
            refused: Arc::default(),
            lookup: Turn::default(),
            state: Mutex::default(),
        }))
    }

    /// Forgets what is kept of a region. What is under way there goes on.
    pub fn forget_region(&self, region: &Region) {
        self.0.sending.limiters.lock().retain(|scope, _| scope.region != *region);
        let mut state = self.0.state.lock();
        state.turns.remove(region);
        let is_last = self.0.sending.regions.are_unused();
        self.0.tell(state.session.forget_region(region, is_last));
        if let Some(opened) = state.session.in_force() {
            opened.account.forget_region(region);
        }
    }

    /// The account of the credentials that are in force now, for an object of this namespace in
    /// this region: STS is asked there, unless another region is configured.
    ///
    /// # Errors
    /// There are no credentials, or STS does not answer, or the region may not be asked.
    pub async fn current(&self, region: &Region, namespace: &Arc<str>) -> Result<Arc<Account>> {
        if let Some(account) = self.0.good() {
            return Ok(account);
        }
        self.0.sending.regions.admit(region, namespace)?;
        let region = self.0.sts_region(region);
        let turn = Arc::clone(self.0.state.lock().turns.entry(region.clone()).or_default());
        let _here = turn.lock().await;
        let _everywhere = tokio::time::timeout(PATIENCE, self.0.lookup.lock()).await;
        let next = self.0.state.lock().session.next(&region, now());
        match next {
            Next::Use(account) => return Ok(account),
            Next::Fail(error) => return Err(error),
            Next::Open => {}
        }
        let outcome = self.0.open(&region).await;
        self.0.note(&region, outcome.as_ref().err());
        Ok(outcome?.account)
    }

    /// As [`Self::current`], for credentials of this account.
    ///
    /// # Errors
    /// As [`Self::current`]; also if they belong to another account.
    pub async fn expect(
        &self,
        id: &AccountId,
        region: &Region,
        namespace: &Arc<str>,
    ) -> Result<Arc<Account>> {
        let account = self.current(region, namespace).await?;
        if account.id == *id { Ok(account) } else { Err(Error::wrong_account(&account.id)) }
    }
}

impl Inner {
    fn good(&self) -> Option<Arc<Account>> {
        self.state.lock().session.good(SystemTime::now()).cloned()
    }

    fn sts_region(&self, region: &Region) -> Region {
        let configured = self.sending.config.region();
        configured.map_or_else(|| region.clone(), |configured| configured.as_ref().into())
    }

    /// Gets credentials, and finds out whose they are.
    async fn open(self: &Arc<Self>, region: &Region) -> Result<Opened> {
        let sts_region = aws_sdk_sts::config::Region::new(region.to_string());
        let source = self.state.lock().session.source(SystemTime::now());
        let credentials = match source {
            Source::AtHand(credentials) => credentials,
            Source::Load { had_some } => self.chain.load(&sts_region, had_some).await?,
        };
        let time = SystemTime::now();
        let term = Term::new(time, credentials.expiry());
        let loaded = self.state.lock().session.loaded(&credentials, term, time);
        let before = match loaded {
            Loaded::Expired { had_some } => return Err(Error::expired_credentials(had_some)),
            Loaded::Again(opened) => return Ok(opened),
            Loaded::Others(before) => before,
        };
        let answer = self.identify(&credentials, sts_region).await;
        let own_account = credentials.account_id().map(|id| id.as_str().into());
        let (account, identity) = match identified(answer, own_account.as_ref(), before) {
            Identified::Same(account, identity) => (account, identity),
            Identified::New(identity) => {
                (self.new_account(identity.clone(), credentials.clone()), identity)
            }
            Identified::NotNow(error) => {
                let expiry = credentials.expiry();
                self.state.lock().session.keep(credentials, expiry);
                return Err(error);
            }
            Identified::Never(error) => return Err(error),
        };
        let opened = Opened { account, identity, credentials, term, region: region.clone() };
        self.put(opened.clone());
        Ok(opened)
    }

    fn new_account(&self, identity: Identity, credentials: Credentials) -> Arc<Account> {
        let Identity { account, caller_arn } = identity;
        let refused = Arc::clone(&self.refused);
        Arc::new(Account::new(account, caller_arn, credentials, refused, &self.sending))
    }

    fn put(self: &Arc<Self>, opened: Opened) {
        let mut state = self.state.lock();
        opened.account.in_force.replace(opened.credentials.clone());
        let Put { is_first, news } = state.session.put(opened);
        say(news);
        if is_first {
            tokio::spawn(keep_fresh(Arc::downgrade(self), Arc::clone(&self.refused)));
        }
    }

    /// `GetCallerIdentity`. It needs no permission
    /// (<https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html>).
    async fn identify(
        &self,
        credentials: &Credentials,
        region: aws_sdk_sts::config::Region,
    ) -> Result<Identity> {
        use aws_sdk_sts::config::{Builder, retry::RetryConfig, timeout::TimeoutConfig};
        let own = SharedCredentialsProvider::new(credentials.clone());
        let timeouts = TimeoutConfig::builder();
        let timeouts = timeouts.operation_attempt_timeout(self.sending.call_timeout).build();
        let config = Builder::from(&self.sending.config)
            .credentials_provider(own)
            .region(region)
            .retry_config(RetryConfig::standard().with_max_attempts(2))
            .timeout_config(timeouts);
        let client = aws_sdk_sts::Client::from_conf(config.build());
        let answer = contained(client.get_caller_identity().send()).await.and_then(|answer| {
            let answer = answer.map_err(|error| Error::from(&error))?;
            Identity::parse(answer.account(), answer.arn())
        });
        answer.map_err(Error::of_identity)
    }

    /// Notes how a lookup went, for whoever asks next.
    fn note(&self, region: &Region, error: Option<&Error>) {
        let mut state = self.state.lock();
        self.tell(state.session.note(region, error, now()));
    }

    /// Says what was noted: in the log, in `/readyz` and in the metric. The session is locked
    /// meanwhile, so that all three tell of the last lookup.
    fn tell(&self, noted: Noted) {
        self.sending.metrics.set_credentials_failing(noted.is_failing);
        for (region, why) in noted.troubles {
            let place = self.sending.regions.place(&region);
            self.readiness.trouble(place, CREDENTIALS.to_owned(), why);
        }
        say(noted.news);
    }

    /// Gets new credentials.
    async fn renew(self: &Arc<Self>, cause: Cause) {
        let _turn = self.lookup.lock().await;
        let Some(before) = self.state.lock().session.in_force().cloned() else { return };
        let outcome = self.open(&before.region).await;
        let mut state = self.state.lock();
        self.tell(state.session.renewed(&before, &outcome, cause, now()));
    }

    fn note_recovery(&self) {
        let mut state = self.state.lock();
        let in_force = state.session.in_force();
        let are_taken = in_force.is_some_and(|opened| opened.account.in_force.are_taken());
        if let Some(noted) = state.session.recovered(are_taken) {
            self.tell(noted);
        }
    }
}

fn now() -> Now {
    Now { time: SystemTime::now(), instant: Instant::now() }
}

fn say(news: Option<News>) {
    match news {
        None => {}
        Some(News::InForce(Identity { account, caller_arn })) => tracing::info!(
            account = account.as_str(),
            caller = caller_arn,
            "AWS credentials are in force"
        ),
        Some(News::BackAgain) => tracing::info!("AWS credentials can be had again"),
        Some(News::NotRenewed(Error { code, message, .. })) => tracing::warn!(
            code,
            error = message,
            "AWS credentials cannot be renewed; those in hand are used until they expire"
        ),
        Some(News::NotHad(Error { code, message, .. })) => {
            tracing::warn!(code, error = message, "AWS credentials cannot be had");
        }
    }
}

/// Renews credentials before they expire, and those that AWS refuses.
async fn keep_fresh(accounts: Weak<Inner>, refused: Arc<Notify>) {
    loop {
        let pause = accounts.upgrade().map(|accounts| accounts.state.lock().session.pause(now()));
        let Some(pause) = pause else { return };
        let cause = tokio::select! {
            () = tokio::time::sleep(pause) => Cause::Clock,
            () = refused.notified() => Cause::Refused,
        };
        let Some(accounts) = accounts.upgrade() else { return };
        accounts.note_recovery();
        let is_due = accounts.state.lock().session.is_due(cause, now());
        if is_due {
            accounts.renew(cause).await;
        }
    }
}

impl Error {
    /// Nobody is denied to ask who he is, but by a policy on the way, and then the credentials are
    /// of no use.
    fn of_identity(self) -> Self {
        let message = format!("the account of the AWS credentials is not known: {}", self.message);
        Self { message, ..self }
    }
}
