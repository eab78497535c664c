//! Opens a session of AWS, keeps it open, and knows its account. No call to Lightsail is made
//! before that is known.
//!
//! If credentials fell back to others (a node's role, for example), every key pair would look gone.
//! So STS is called once for each set of credentials, and calls use exactly those credentials. They
//! are renewed before they expire, beside the reconciliations, and used as long as they are valid,
//! even if STS does not answer meanwhile.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant, SystemTime};

use aws_credential_types::Credentials;
use aws_sdk_sts::operation::assume_role::AssumeRoleOutput;
use futures::future::BoxFuture;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;

use super::access_key::{AccessKey, KeySource};
use super::account::{Account, Sending, Who};
use super::client::SHARED;
use super::credentials::Chain;
use super::error::{Error, ErrorKind};
use super::limiter::Limiter;
use super::purpose::Purpose;
use super::session::{
    Cause, Identified, Identity, Loaded, NextCredentials, Noted, Now, Put, Refusal, Session, Step,
    Term, identified, rights,
};
use super::sts::{self, Role};
use super::types::Result;
use super::usable_credentials;
use crate::fair_line::Rank;
use crate::ids::{AccountId, Region};
use crate::readiness::Readiness;

/// How long a caller waits for the lookup in another region, which may not exist, before it makes
/// its own.
const PATIENCE: Duration = Duration::from_secs(2);
/// Failing attempts to open the session of an account are at most this far apart. There may be
/// hundreds of accounts.
const PAUSE_OF_ACCOUNTS: Duration = Duration::from_mins(5);
/// Keys that a person may replace are read again after this time.
const READ_AGAIN: Duration = Duration::from_mins(5);

/// The session of one set of credentials. Clones are the same.
#[derive(Clone, Debug)]
pub(super) struct Opener(Arc<Inner>);

/// The source of the credentials.
#[derive(Debug)]
pub(super) enum Provider {
    /// The operator's own.
    Chain(Box<Chain>),
    /// An access key that is kept elsewhere.
    Keys(Arc<dyn KeySource>),
    /// Another session, whose credentials they are.
    Parent(Opener),
    /// A role, which another session assumes.
    Role(RoleSession),
}

/// A role, and the session that assumes it.
#[derive(Debug)]
pub(super) struct RoleSession {
    pub(super) parent: Opener,
    pub(super) role: Role,
    pub(super) turn_of: Arc<str>,
}

#[derive(Debug)]
struct Inner {
    provider: Provider,
    purpose: Purpose,
    sending: Sending,
    readiness: Readiness,
    refused: Arc<Notify>,
    /// Whether a task renews the current credentials.
    is_kept_fresh: AtomicBool,
    /// One lookup for all, so that a session is opened once.
    lookup: Lock,
    state: Mutex<State>,
    /// How fast these credentials assume roles: STS limits the account that calls it.
    /// `LightsailAccount`s take turns.
    sts: Limiter,
}

type Lock = tokio::sync::Mutex<()>;

/// The account that the credentials open.
type Opened = super::session::Opened<Arc<Account>, Credentials>;

#[derive(Debug)]
struct State {
    session: Session<Arc<Account>, Credentials>,
    /// One lookup at a time in each region, however long it takes there.
    turns: HashMap<Region, Arc<Lock>>,
}

/// Credentials, how long they are valid, and whose they are, if their source says so.
struct Provided {
    credentials: Credentials,
    term: Term,
    identity: Option<Identity>,
}

impl Provided {
    fn new(credentials: Credentials) -> Self {
        let term = Term::new(SystemTime::now(), credentials.expiry());
        Self { credentials, term, identity: None }
    }
}

impl Opener {
    pub(super) fn new(
        provider: Provider,
        purpose: Purpose,
        sending: Sending,
        readiness: Readiness,
    ) -> Self {
        let session = match (&purpose.account, &provider) {
            (Some(_), Provider::Keys(_)) => Session::of_account(PAUSE_OF_ACCOUNTS).revocable(),
            (Some(_), _) => Session::of_account(PAUSE_OF_ACCOUNTS),
            (None, _) => Session::default(),
        };
        let state = Mutex::new(State { session, turns: HashMap::new() });
        Self(Arc::new(Inner {
            provider,
            purpose,
            sending,
            readiness,
            refused: Arc::default(),
            is_kept_fresh: AtomicBool::new(false),
            lookup: Lock::default(),
            state,
            sts: Limiter::default(),
        }))
    }

    /// Forgets what is kept of a region. What is under way there goes on. `is_unused`: nobody calls
    /// STS with these credentials any more, so nobody finds out whether they work again.
    pub(super) fn forget_region(&self, region: &Region, is_unused: bool) {
        let mut state = self.0.state.lock();
        state.turns.remove(region);
        self.0.tell(state.session.forget_region(region, is_unused));
        if let Some(opened) = state.session.in_force() {
            opened.account.forget_region(region);
        }
    }

    /// Forgets what failed: nobody calls STS with these credentials any more.
    pub(super) fn forget_failures(&self) {
        let mut state = self.0.state.lock();
        self.0.tell(state.session.forget_failures());
    }

    /// The account of the current credentials, if there are any.
    pub(super) fn known(&self) -> Option<AccountId> {
        self.0.state.lock().session.in_force().map(|opened| opened.account.id.clone())
    }

    /// The account of the current credentials, for an object of this namespace in this region. STS
    /// is called there, unless another region is configured.
    ///
    /// # Errors
    /// There are no credentials, STS does not answer, or the region is not allowed.
    pub(super) async fn current(
        &self,
        region: &Region,
        namespace: &Arc<str>,
    ) -> Result<Arc<Account>> {
        if let Some(account) = self.0.good() {
            return Ok(account);
        }
        self.0.sending.regions.admit(region, namespace)?;
        self.lookup_boxed(&self.0.sts_region(region), namespace).await
    }

    /// As [`Self::current`], for whoever says whether the credentials work. If AWS refused them,
    /// STS says whether it was the region of that call that does not take them.
    ///
    /// # Errors
    /// As [`Self::current`], or AWS refuses the credentials, and there are no others.
    pub(super) async fn identify(
        &self,
        region: &Region,
        namespace: &Arc<str>,
    ) -> Result<Arc<Account>> {
        let account = self.current(region, namespace).await?;
        let refusal = self.0.state.lock().session.refusal().cloned();
        let Some(refusal) = refusal else { return Ok(account) };
        let (sending, credentials) = (&self.0.sending, account.credentials.get());
        let region = sdk_region(&self.0.sts_region(region));
        let answer = sts::identify(sending, &credentials, &region).await;
        let is_refused = |error: &Error| error.kind == ErrorKind::BadCredentials;
        answer.map(|_| account).map_err(|error| if is_refused(&error) { refusal } else { error })
    }

    /// Somebody asks: the next lookup does not wait until its pause after a failure is over. Keys
    /// that people keep are read before [`Self::answer`] ends.
    pub(super) fn ask(&self) {
        self.0.state.lock().session.ask();
    }

    /// Whoever asked has an answer of now.
    ///
    /// # Errors
    /// The source does not say what it has, or STS whose that is.
    pub(super) async fn answer(&self) -> Result<()> {
        let is_due = self.0.state.lock().session.is_due(Cause::Asked, now());
        if is_due {
            self.0.renew(Cause::Asked).await;
        }
        self.0.state.lock().session.unanswered().map_or(Ok(()), |error| Err(error.clone()))
    }

    /// The account of the current credentials. If they are not good, STS is called in this region,
    /// which no object need name and which need not be allowed.
    async fn lookup_in(&self, region: &Region, namespace: &Arc<str>) -> Result<Arc<Account>> {
        if let Some(account) = self.0.good() {
            return Ok(account);
        }
        let turn = Arc::clone(self.0.state.lock().turns.entry(region.clone()).or_default());
        let _here = turn.lock().await;
        let _everywhere = tokio::time::timeout(PATIENCE, self.0.lookup.lock()).await;
        let next = self.0.state().session.next(region, now());
        match next {
            Step::Use(account) => return Ok(account),
            Step::Fail(error) => return Err(error),
            Step::Open => {}
        }
        let outcome = self.0.open(region, namespace).await;
        self.0.note(region, outcome.map(|opened| opened.account))
    }

    /// As [`Self::lookup_in`], whose future is large and seldom needed. A session that is opened
    /// through another one calls itself.
    fn lookup_boxed<'a>(
        &'a self,
        region: &'a Region,
        namespace: &'a Arc<str>,
    ) -> BoxFuture<'a, Result<Arc<Account>>> {
        Box::pin(self.lookup_in(region, namespace))
    }

    /// How fast these credentials assume roles.
    pub(super) fn sts(&self) -> &Limiter {
        &self.0.sts
    }

    /// Replaces these credentials, which AWS refused, if they are still in force. Returns whether
    /// others are now.
    fn replace<'a>(&'a self, refused: &'a Credentials) -> BoxFuture<'a, bool> {
        Box::pin(async {
            let refusal = self.0.refused(refused);
            match refusal {
                Refusal::Past => return true,
                Refusal::Due => self.0.renew(Cause::Refused).await,
                // Another caller is replacing them, or did so a moment ago.
                Refusal::Known => drop(self.0.lookup.lock().await),
            }
            !self.0.state.lock().session.uses(refused)
        })
    }

    /// AWS accepted these credentials in this region.
    fn note_accepted(&self, credentials: &Credentials, region: &Region) {
        let state = self.0.state.lock();
        if let Some(opened) = state.session.in_force().filter(|it| it.credentials == *credentials) {
            opened.account.credentials.note_accepted(region);
        }
    }
}

impl RoleSession {
    /// Assumes the role. If STS refuses the credentials that do so, and their source has others,
    /// those are tried as well.
    async fn assume(
        &self,
        sending: &Sending,
        region: &Region,
        namespace: &Arc<str>,
    ) -> Result<Provided> {
        let (caller, mut answer) = self.ask(sending, region, namespace).await?;
        if let Some(caller) = caller
            && self.parent.replace(&caller).await
        {
            answer = self.ask(sending, region, namespace).await?.1;
        }
        let answer = answer.map_err(|error| error.of_role(&self.role.arn))?;
        let (credentials, identity) = sts::session(&answer, &self.role)?;
        Ok(Provided { identity: Some(identity), ..Provided::new(credentials) })
    }

    /// Calls STS when it is this account's turn. Also returns the credentials that did so, if STS
    /// refused them and the region is not the cause.
    async fn ask(
        &self,
        sending: &Sending,
        region: &Region,
        namespace: &Arc<str>,
    ) -> Result<(Option<Credentials>, Result<AssumeRoleOutput>)> {
        let account = self.parent.lookup_boxed(region, namespace).await?;
        let sts = self.parent.sts();
        let token = sts.token("AssumeRole", &self.turn_of, Rank::InTurn);
        let token = tokio::time::timeout(sending.call_timeout, token).await;
        let token = token.map_err(|_| Error::waited_too_long())?;
        let caller = account.credentials.get();
        let answer = sts::assume(sending, &caller, &sdk_region(region), &self.role).await;
        match &answer {
            Err(error) if error.kind == ErrorKind::Throttled => sts.refused(token),
            Ok(_) | Err(_) => sts.accepted(token),
        }
        if answer.is_ok() {
            account.credentials.note_accepted(region);
        }
        let is_refused = answer.as_ref().is_err_and(Error::refuses_key)
            && account.credentials.are_refused(region);
        Ok((is_refused.then_some(caller), answer))
    }
}

impl Inner {
    /// The state, which knows whether the credentials that a role was assumed with are withdrawn.
    fn state(&self) -> MutexGuard<'_, State> {
        let withdrawals = match &self.provider {
            Provider::Role(session) => Some(session.parent.0.withdrawals()),
            Provider::Chain(_) | Provider::Keys(_) | Provider::Parent(_) => None,
        };
        let mut state = self.state.lock();
        if let Some(withdrawals) = withdrawals {
            state.session.follow(withdrawals);
        }
        state
    }

    fn withdrawals(&self) -> u64 {
        self.state().session.withdrawals()
    }

    fn good(&self) -> Option<Arc<Account>> {
        self.state().session.good(SystemTime::now()).cloned()
    }

    fn sts_region(&self, region: &Region) -> Region {
        let configured = self.sending.config.region();
        configured.map_or_else(|| region.clone(), |configured| configured.as_ref().into())
    }

    /// Gets credentials, and finds out whose they are.
    async fn open(self: &Arc<Self>, region: &Region, namespace: &Arc<str>) -> Result<Opened> {
        let withdrawals = self.withdrawals();
        let next = self.state.lock().session.next_credentials(SystemTime::now());
        let provided = match next {
            NextCredentials::AtHand(credentials) => Provided::new(credentials),
            NextCredentials::Load { had_some } => self.load(region, namespace, had_some).await?,
        };
        let Provided { credentials, term, identity } = provided;
        let loaded = self.state.lock().session.loaded(&credentials, term, SystemTime::now());
        let before = match loaded {
            Loaded::Expired { had_some } => return Err(Error::expired_credentials(had_some)),
            Loaded::Again(opened) => return Ok(opened),
            Loaded::Others(before) => before,
        };
        let answer = match identity {
            Some(identity) => Ok(identity),
            None => sts::identify(&self.sending, &credentials, &sdk_region(region)).await,
        };
        let answer = answer.and_then(|identity| self.purpose.as_expected(identity));
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
        let region = region.clone();
        let opened = Opened { account, identity, credentials, term, region, withdrawals };
        self.put(opened.clone());
        Ok(opened)
    }

    /// Gets credentials from their source.
    async fn load(
        &self,
        region: &Region,
        namespace: &Arc<str>,
        had_some: bool,
    ) -> Result<Provided> {
        match &self.provider {
            Provider::Chain(chain) => {
                Ok(Provided::new(chain.load(&sdk_region(region), had_some).await?))
            }
            Provider::Keys(source) => {
                let AccessKey { id, secret, session_token } = source.access_key().await?;
                let credentials = Credentials::new(id, secret, session_token, None, "Secret");
                if let Some(why) = usable_credentials::fault(&credentials) {
                    return Err(Error::unusable(&source.name(), &why));
                }
                let term = Term::read_again(Instant::now(), READ_AGAIN);
                Ok(Provided { credentials, term, identity: None })
            }
            Provider::Parent(parent) => {
                let account = parent.lookup_boxed(region, namespace).await?;
                let (id, caller_arn) = (account.id.clone(), account.caller_arn.clone());
                let identity = Some(Identity { account: id, caller_arn });
                Ok(Provided { identity, ..Provided::new(account.credentials.get()) })
            }
            Provider::Role(session) => session.assume(&self.sending, region, namespace).await,
        }
    }

    fn new_account(&self, identity: Identity, credentials: Credentials) -> Arc<Account> {
        let Identity { account, caller_arn } = identity;
        let rights = rights(&caller_arn, self.purpose.namespace.as_deref());
        let who = Who { id: account, caller_arn, rights: rights.into() };
        Arc::new(Account::new(who, credentials, Arc::clone(&self.refused), &self.sending))
    }

    fn put(self: &Arc<Self>, opened: Opened) {
        let mut state = self.state.lock();
        opened.account.credentials.replace(opened.credentials.clone());
        let Put { is_first, news } = state.session.put(opened);
        self.purpose.say(news);
        if is_first && !self.is_kept_fresh.swap(true, Ordering::Relaxed) {
            tokio::spawn(keep_fresh(Arc::downgrade(self), Arc::clone(&self.refused)));
        }
    }

    /// Records how a lookup went, for the next caller. Returns what its own caller gets.
    fn note(&self, region: &Region, outcome: Result<Arc<Account>>) -> Result<Arc<Account>> {
        let mut state = self.state();
        let (noted, outcome) = state.session.looked_up(region, outcome, now());
        if let Some(noted) = noted {
            self.tell(noted);
        }
        outcome
    }

    /// What to do about these credentials, which others use too, and which AWS refused.
    fn refused(&self, credentials: &Credentials) -> Refusal {
        let mut state = self.state.lock();
        let refusal = state.session.refused(credentials, now());
        if let (Refusal::Due, Some(opened)) = (refusal, state.session.in_force()) {
            opened.account.credentials.forget_accepted();
        }
        refusal
    }

    /// Gets new credentials.
    async fn renew(self: &Arc<Self>, cause: Cause) {
        let _turn = self.lookup.lock().await;
        let Some(before) = self.state.lock().session.in_force().cloned() else { return };
        if let (Cause::Refused, Provider::Parent(parent)) = (cause, &self.provider) {
            parent.replace(&before.credentials).await;
        }
        let outcome = self.open(&before.region, &SHARED.into()).await;
        let mut state = self.state.lock();
        self.tell(state.session.renewed(&before, &outcome, cause, now()));
    }

    /// Tells how the last lookup went. The session is locked meanwhile, so all describe that one.
    fn tell(&self, noted: Noted) {
        self.purpose.tell(noted, &self.sending, &self.readiness);
    }

    fn note_recovery(&self) {
        let mut state = self.state.lock();
        let accepted = state.session.in_force().filter(|it| it.account.credentials.are_accepted());
        let are_accepted = accepted.is_some();
        if let (Some(accepted), Provider::Parent(parent)) = (accepted, &self.provider) {
            parent.note_accepted(&accepted.credentials, &accepted.region);
        }
        if let Some(noted) = state.session.recovered(are_accepted) {
            self.tell(noted);
        }
    }
}

fn sdk_region(region: &Region) -> aws_sdk_sts::config::Region {
    aws_sdk_sts::config::Region::new(region.to_string())
}

fn now() -> Now {
    Now { time: SystemTime::now(), instant: Instant::now() }
}

/// Renews credentials before they expire, and those that AWS refuses.
async fn keep_fresh(opener: Weak<Inner>, refused: Arc<Notify>) {
    loop {
        let pause = opener.upgrade().map(|opener| opener.state.lock().session.pause(now()));
        let Some(pause) = pause else { return };
        let cause = tokio::select! {
            () = tokio::time::sleep(pause) => Cause::Clock,
            () = refused.notified() => Cause::Refused,
        };
        let Some(opener) = opener.upgrade() else { return };
        opener.note_recovery();
        let is_due = opener.state.lock().session.is_due(cause, now());
        if is_due {
            // Each session has such a task, which is small while it waits.
            Box::pin(opener.renew(cause)).await;
        }
    }
}
