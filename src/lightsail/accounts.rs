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
use super::credentials::{Chain, WebIdentity};
use super::error::{Error, ErrorKind};
use super::regions::Regions;
use super::session::{Attempts, Term};
use super::types::Result;
use crate::ids::{AccountId, Region};
use crate::lease::HeldLease;
use crate::metrics::Metrics;
use crate::readiness::Readiness;

/// Whoever asks waits so long for the lookup in another region, which may not exist, before
/// it makes its own.
const PATIENCE: Duration = Duration::from_secs(2);
/// The clock is read this often, since it may jump.
const TICK: Duration = Duration::from_secs(30);
/// Refused credentials are replaced at most this often: a request to a region of another partition
/// is refused too.
const REFUSED: Duration = Duration::from_mins(1);

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

#[derive(Debug, Default)]
struct State {
    session: Option<Session>,
    /// Credentials whose account could not be asked for.
    unidentified: Option<Credentials>,
    /// Lookups that failed, by the region where STS was asked.
    failures: HashMap<Region, (Attempts, Error)>,
    /// One lookup at a time in each region, however long it takes there.
    turns: HashMap<Region, Arc<Turn>>,
    /// Renewals that brought nothing.
    renewals: Option<Attempts>,
    /// Whose credentials the log says are in force.
    said: Option<String>,
    is_renewing: bool,
}

#[derive(Clone, Debug)]
struct Session {
    account: Arc<Account>,
    term: Term,
    /// Where STS was asked.
    region: Region,
}

impl Accounts {
    /// Uses the endpoints, the HTTP client and the credentials of `config`, or if it has none, the
    /// credentials of the SDK's standard chain. A write is sent only if the Lease outlives its
    /// timeout.
    #[must_use]
    pub fn new(
        config: SdkConfig,
        web_identity: Option<WebIdentity>,
        call_timeout: Duration,
        regions: Arc<Regions>,
        lease: HeldLease,
        metrics: Metrics,
        readiness: Readiness,
    ) -> Self {
        let limiters = Arc::default();
        let chain = Chain { config: config.clone(), web_identity, call_timeout };
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
        state.failures.remove(region);
        if self.0.sending.regions.are_unused() {
            for (region, _) in state.failures.drain() {
                self.0.readiness.trouble(&region, CREDENTIALS.to_owned(), None);
            }
        }
        if state.failures.is_empty() {
            self.0.sending.metrics.set_credentials_failing(false);
        }
        if let Some(session) = &state.session {
            session.account.forget_region(region);
        }
    }

    /// The account of the credentials that are in force now, for an object of this namespace in
    /// this region: STS is asked there, unless another region is configured.
    ///
    /// # Errors
    /// There are no credentials, or STS does not answer, or the region may not be asked.
    pub async fn current(&self, region: &Region, namespace: &Arc<str>) -> Result<Arc<Account>> {
        if let Some(account) = self.0.in_force() {
            return Ok(account);
        }
        self.0.sending.regions.admit(region, namespace)?;
        let region = self.0.sts_region(region);
        let turn = Arc::clone(self.0.state.lock().turns.entry(region.clone()).or_default());
        let _here = turn.lock().await;
        let _everywhere = tokio::time::timeout(PATIENCE, self.0.lookup.lock()).await;
        if let Some(account) = self.0.in_force() {
            return Ok(account);
        }
        if let Some((attempts, error)) = self.0.state.lock().failures.get(&region)
            && !attempts.until_next(Instant::now()).is_zero()
        {
            return Err(error.clone());
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
    fn in_force(&self) -> Option<Arc<Account>> {
        let state = self.state.lock();
        let session = state.session.as_ref()?;
        session.term.is_good(SystemTime::now()).then(|| Arc::clone(&session.account))
    }

    fn sts_region(&self, region: &Region) -> Region {
        let configured = self.sending.config.region();
        configured.map_or_else(|| region.clone(), |configured| configured.as_ref().into())
    }

    /// Gets credentials, and finds out whose they are.
    async fn open(self: &Arc<Self>, region: &Region) -> Result<Session> {
        let sts_region = aws_sdk_sts::config::Region::new(region.to_string());
        let now = SystemTime::now();
        let at_hand = self.state.lock().unidentified.take();
        let is_good = |at_hand: &Credentials| Term::new(now, at_hand.expiry()).is_good(now);
        let credentials = if let Some(at_hand) = at_hand.filter(is_good) {
            at_hand
        } else {
            let had_some = self.state.lock().session.is_some();
            self.chain.load(&sts_region, had_some).await?
        };
        let term = Term::new(SystemTime::now(), credentials.expiry());
        let before = self.state.lock().session.clone();
        if let Some(before) =
            before.as_ref().filter(|before| before.account.in_force.get() == credentials)
        {
            return Ok(before.clone());
        }
        let identity = self.identify(&credentials, sts_region).await;
        let known = || {
            let account = before.as_ref().map(|before| &before.account)?;
            let is_same = credentials.account_id()?.as_str() == account.id.as_str();
            is_same.then(|| (account.id.clone(), account.caller_arn.clone()))
        };
        let (id, caller_arn) = match identity {
            Ok(identity) => identity,
            // Those who gave the credentials said whose they are.
            Err(error)
                if error.is_passing()
                    && let Some(known) = known() =>
            {
                known
            }
            Err(error) => {
                if error.is_passing() {
                    self.state.lock().unidentified = Some(credentials);
                }
                return Err(error);
            }
        };
        let account = match before {
            Some(before) if before.account.id == id && before.account.caller_arn == caller_arn => {
                before.account.in_force.replace(credentials);
                before.account
            }
            _ => {
                let refused = Arc::clone(&self.refused);
                Arc::new(Account::new(id, caller_arn, credentials, refused, &self.sending))
            }
        };
        let session = Session { account, term, region: region.clone() };
        self.put(&session);
        Ok(session)
    }

    fn put(self: &Arc<Self>, session: &Session) {
        let mut state = self.state.lock();
        state.session = Some(session.clone());
        state.renewals = None;
        let Account { id, caller_arn, .. } = &*session.account;
        // Some providers name each session anew.
        let caller = caller_arn.rsplit_once('/').map_or(&**caller_arn, |(role, _)| role);
        if state.said.as_deref() != Some(caller) {
            tracing::info!(
                account = id.as_str(),
                caller = caller_arn,
                "AWS credentials are in force"
            );
            state.said = Some(caller.to_owned());
        }
        if !state.is_renewing {
            state.is_renewing = true;
            tokio::spawn(keep_fresh(Arc::downgrade(self), Arc::clone(&self.refused)));
        }
    }

    /// `GetCallerIdentity`. It needs no permission
    /// (<https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html>).
    async fn identify(
        &self,
        credentials: &Credentials,
        region: aws_sdk_sts::config::Region,
    ) -> Result<(AccountId, String)> {
        use aws_sdk_sts::config::{Builder, retry::RetryConfig, timeout::TimeoutConfig};
        let own = SharedCredentialsProvider::new(credentials.clone());
        let timeouts = TimeoutConfig::builder();
        let timeouts = timeouts.operation_attempt_timeout(self.sending.call_timeout).build();
        let config = Builder::from(&self.sending.config)
            .credentials_provider(own)
            .region(region)
            .retry_config(RetryConfig::standard().with_max_attempts(2))
            .timeout_config(timeouts);
        let answer =
            aws_sdk_sts::Client::from_conf(config.build()).get_caller_identity().send().await;
        let answer = answer.map_err(|error| Error::from(&error).of_identity())?;
        let id = answer.account.map(AccountId::from).ok_or_else(|| Error::incomplete("Account"))?;
        Ok((id, answer.arn.unwrap_or_default()))
    }

    /// Notes how a lookup went: in the log if it is news, in `/readyz`, and for whoever asks next.
    fn note(&self, region: &Region, error: Option<&Error>) {
        let mut state = self.state.lock();
        self.sending.metrics.set_credentials_failing(error.is_some());
        let Some(error) = error else {
            if !state.failures.is_empty() {
                tracing::info!("AWS credentials can be had again");
            }
            for (region, _) in state.failures.drain() {
                self.readiness.trouble(&region, CREDENTIALS.to_owned(), None);
            }
            return;
        };
        let before = state.failures.get(region);
        let is_news = before.is_none_or(|(_, before)| before.message != error.message);
        let attempts = Attempts::one_more(before.map(|(attempts, _)| *attempts), Instant::now());
        state.failures.insert(region.clone(), (attempts, error.clone()));
        self.readiness.trouble(region, CREDENTIALS.to_owned(), Some(error.to_string()));
        let now = SystemTime::now();
        let are_good = state.session.as_ref().is_some_and(|session| session.term.is_good(now));
        let (code, error) = (&error.code, &error.message);
        if is_news && are_good {
            tracing::warn!(
                code,
                error,
                "AWS credentials cannot be renewed; those in hand are used until they expire"
            );
        } else if is_news {
            tracing::warn!(code, error, "AWS credentials cannot be had");
        }
    }

    /// How long until credentials are to be renewed, if they are good for some time.
    fn until_renewal(&self) -> Duration {
        let state = self.state.lock();
        let term = state.session.as_ref().map(|session| session.term);
        let Some(left) = term.and_then(|term| term.until_renewal(SystemTime::now())) else {
            return TICK;
        };
        let pause = state.renewals.map_or(Duration::ZERO, |last| last.until_next(Instant::now()));
        left.max(pause)
    }

    /// Gets new credentials. `refused`: AWS does not take those in force.
    async fn renew(self: &Arc<Self>, refused: bool) {
        let _turn = self.lookup.lock().await;
        let Some(session) = self.state.lock().session.clone() else { return };
        let outcome = self.open(&session.region).await;
        // The same credentials again: whoever gives them renews them when it sees fit.
        let is_new = outcome.as_ref().is_ok_and(|found| found.term != session.term);
        if !is_new {
            let mut state = self.state.lock();
            state.renewals = Some(Attempts::one_more(state.renewals, Instant::now()));
        }
        let refusal = (refused && !is_new).then(Error::refused_credentials);
        self.note(&session.region, outcome.as_ref().err().or(refusal.as_ref()));
    }

    /// Credentials that were refused may be taken again, and nobody may need any now.
    fn note_recovery(&self) {
        let is_over = {
            let state = self.state.lock();
            let is_refusal =
                |(_, error): &(Attempts, Error)| error.code == Error::refused_credentials().code;
            let are_taken =
                || state.session.as_ref().is_some_and(|it| it.account.in_force.are_taken());
            !state.failures.is_empty() && state.failures.values().all(is_refusal) && are_taken()
        };
        if let Some(region) =
            is_over.then(|| self.state.lock().failures.keys().next().cloned()).flatten()
        {
            self.note(&region, None);
        }
    }
}

/// Renews credentials before they expire, and those that AWS refuses.
async fn keep_fresh(accounts: Weak<Inner>, refused: Arc<Notify>) {
    let mut last_refused: Option<Instant> = None;
    loop {
        let Some(pause) = accounts.upgrade().map(|accounts| accounts.until_renewal()) else {
            return;
        };
        let is_refused = tokio::select! {
            () = tokio::time::sleep(pause.min(TICK)) => false,
            () = refused.notified() => true,
        };
        let Some(accounts) = accounts.upgrade() else { return };
        accounts.note_recovery();
        if is_refused {
            if last_refused.is_none_or(|last| last.elapsed() >= REFUSED) {
                last_refused = Some(Instant::now());
                accounts.renew(true).await;
            }
        } else if pause <= TICK && accounts.until_renewal().is_zero() {
            accounts.renew(false).await;
        }
    }
}

impl Error {
    /// Whether the same credentials may be accepted when they are tried again.
    fn is_passing(&self) -> bool {
        matches!(self.kind, ErrorKind::Transient | ErrorKind::Throttled | ErrorKind::NeverSent)
    }

    /// Nobody is denied to ask who he is, but by a policy on the way, and then the credentials are
    /// of no use.
    fn of_identity(self) -> Self {
        let message = format!("the account of the AWS credentials is not known: {}", self.message);
        Self { message, ..self }
    }
}
