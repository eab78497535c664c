//! One session of AWS: the current credentials and their expiry, what failed since, and what
//! follows. No I/O and no clock: `opener.rs` asks, and does what this says.
//!
//! A session is a value, and there can be many. It keeps what was opened (`A`) and the credentials
//! (`C`) without knowing their types.

mod identity;
mod term;

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

pub(super) use self::identity::{Identified, Identity, identified};
use self::term::Attempts;
pub(super) use self::term::{Now, Term};
use super::error::{Error, ErrorKind};
use super::types::Result;
use crate::ids::Region;

/// The clock is read this often, since it may jump.
const TICK: Duration = Duration::from_secs(30);
/// The operator's own credentials are read at least this often.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// Refused credentials are replaced at most this often: a request to a region of another partition
/// is refused too.
const REFUSED: Duration = Duration::from_mins(1);

/// The state of a session, and of the attempts to open or renew it.
#[derive(Debug)]
pub(super) struct Session<A, C> {
    in_force: Option<Opened<A, C>>,
    /// Credentials whose owner is not known yet, and when they expire.
    unidentified: Option<(C, Option<SystemTime>)>,
    /// Lookups that failed, by the region where STS was asked.
    failures: BTreeMap<Region, (Attempts, Error)>,
    /// Renewals that brought nothing.
    renewals: Option<Attempts>,
    /// AWS refuses the current credentials, and why there are no others.
    refusal: Option<Error>,
    /// Somebody asked what the source has now, and it has not answered yet.
    is_asked: bool,
    /// When refused credentials were last due for replacement.
    last_refused: Option<Instant>,
    /// Whose credentials are in force, as the log says.
    said: Option<String>,
    /// The longest pause between failing attempts.
    longest_pause: Duration,
    /// Whether people keep the credentials. When they remove them, that is intended.
    is_revocable: bool,
    /// How often people have removed them, or those that they were assumed with.
    withdrawals: u64,
    /// Why AWS does not accept those that people have put in the place of the ones in force. Their
    /// source is read on: it may be removed.
    superseded: Option<Error>,
}

/// What credentials opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Opened<A, C> {
    pub(super) account: A,
    pub(super) identity: Identity,
    pub(super) credentials: C,
    pub(super) term: Term,
    /// Where STS was called.
    pub(super) region: Region,
    /// How often people had removed the credentials, or those that these were assumed with, before.
    pub(super) withdrawals: u64,
}

/// What to do for a caller.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step<A> {
    Use(A),
    /// It failed a moment ago.
    Fail(Error),
    Open,
}

/// Where a lookup takes credentials from.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NextCredentials<C> {
    /// Credentials at hand, whose owner is not known yet.
    AtHand(C),
    Load {
        had_some: bool,
    },
}

/// What credentials from a source turn out to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Loaded<A, C> {
    /// They have expired.
    Expired { had_some: bool },
    /// The current ones. Those that people keep are read again after this term.
    Again(Opened<A, C>),
    /// Others, so STS is called. With what the current ones opened, and for whom.
    Others(Option<(A, Identity)>),
}

/// What makes a renewal due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    Clock,
    /// Somebody asked.
    Asked,
    /// AWS does not accept the current credentials.
    Refused,
}

/// What to do about credentials that AWS refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Others are in force, or none.
    Past,
    /// Ask their source for others.
    Due,
    /// Their source was asked a moment ago, or is being asked.
    Known,
}

/// What follows when other credentials are in force.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Put {
    /// There were none before.
    pub(super) is_first: bool,
    pub(super) news: Option<LogLine>,
}

/// What follows from a lookup, besides its outcome.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Noted {
    /// For the metric.
    pub(super) is_failing: bool,
    /// For `/readyz`: what fails in a region, or that it works again.
    pub(super) troubles: Vec<(Region, Option<String>)>,
    pub(super) news: Option<LogLine>,
}

/// What has not been logged yet.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum LogLine {
    InForce(Identity),
    BackAgain,
    /// The current ones are used until they expire.
    NotRenewed(Error),
    /// AWS refuses the current ones, and this is why there are no others.
    Refused(Error),
    NotHad(Error),
}

impl<A, C> Default for Session<A, C> {
    fn default() -> Self {
        Self {
            in_force: None,
            unidentified: None,
            failures: BTreeMap::new(),
            renewals: None,
            refusal: None,
            is_asked: false,
            last_refused: None,
            said: None,
            longest_pause: LONGEST_PAUSE,
            is_revocable: false,
            withdrawals: 0,
            superseded: None,
        }
    }
}

impl<A, C> Session<A, C> {
    /// A session that is one of many: failing attempts may be this far apart.
    pub(super) fn of_account(longest_pause: Duration) -> Self {
        Self { longest_pause, ..Self::default() }
    }

    /// A session of credentials that people keep: once they are removed, they are no longer used.
    pub(super) fn revocable(self) -> Self {
        Self { is_revocable: true, ..self }
    }
}

/// Lookups.
impl<A: Clone, C: Clone + PartialEq> Session<A, C> {
    /// What is in force, good or not.
    pub(super) fn in_force(&self) -> Option<&Opened<A, C>> {
        self.in_force.as_ref()
    }

    /// What may be used now.
    pub(super) fn good(&self, time: SystemTime) -> Option<&A> {
        let is_good = |it: &&Opened<A, C>| it.term.is_good(time) && self.is_current(it);
        self.in_force.as_ref().filter(is_good).map(|it| &it.account)
    }

    /// Whether people have neither removed nor replaced these.
    fn is_current(&self, opened: &Opened<A, C>) -> bool {
        opened.withdrawals == self.withdrawals && self.superseded.is_none()
    }

    /// How often people have removed the credentials, or those that they were assumed with.
    pub(super) fn withdrawals(&self) -> u64 {
        self.withdrawals
    }

    /// People have removed the credentials that these were assumed with so often by now. What was
    /// assumed before the last time is used no more, although AWS would accept it.
    pub(super) fn follow(&mut self, withdrawals: u64) {
        self.withdrawals = self.withdrawals.max(withdrawals);
    }

    /// Why the current credentials are of no use, though they have not expired: AWS refuses them.
    pub(super) fn refusal(&self) -> Option<&Error> {
        self.refusal.as_ref()
    }

    /// Somebody asks: the next lookup does not wait until its pause after a failure is over. What
    /// people keep may have changed, so its renewal is due.
    pub(super) fn ask(&mut self) {
        let lookups = self.failures.values_mut().map(|(attempts, _)| attempts);
        lookups.chain(&mut self.renewals).for_each(Attempts::ask);
        self.is_asked = self.is_revocable && self.in_force.is_some();
    }

    /// Why whoever asked has no answer yet, if the source was tried since. What people have put in
    /// the place of the credentials in force, and AWS does not accept, is no answer to anybody.
    pub(super) fn unanswered(&self) -> Option<&Error> {
        let opened = self.in_force.as_ref().filter(|_| self.is_asked);
        let failed = opened.and_then(|opened| self.failures.get(&opened.region));
        failed.map(|(_, error)| error).or(self.superseded.as_ref())
    }

    /// What to do for the caller whose turn it is in this region.
    pub(super) fn next(&self, region: &Region, now: Now) -> Step<A> {
        if let Some(account) = self.good(now.time) {
            return Step::Use(account.clone());
        }
        match self.failures.get(region) {
            Some((attempts, error))
                if !attempts.until_next(now.instant, self.longest_pause).is_zero() =>
            {
                Step::Fail(error.clone())
            }
            _ => Step::Open,
        }
    }

    /// Where to take credentials from. Credentials at hand are moved out.
    pub(super) fn next_credentials(&mut self, time: SystemTime) -> NextCredentials<C> {
        match self.unidentified.take() {
            Some((credentials, expiry)) if Term::new(time, expiry).is_of_use(time) => {
                NextCredentials::AtHand(credentials)
            }
            _ => NextCredentials::Load { had_some: self.in_force.is_some() },
        }
    }

    /// What these credentials are.
    pub(super) fn loaded(&self, credentials: &C, term: Term, time: SystemTime) -> Loaded<A, C> {
        match &self.in_force {
            before if !term.is_of_use(time) => Loaded::Expired { had_some: before.is_some() },
            Some(before) if before.credentials == *credentials && self.is_current(before) => {
                Loaded::Again(Opened { term, ..before.clone() })
            }
            before => {
                let before = before.as_ref();
                Loaded::Others(before.map(|it| (it.account.clone(), it.identity.clone())))
            }
        }
    }

    /// Keeps credentials whose owner is unknown for now, unless another lookup has found it
    /// meanwhile. Those that people keep are read again: they may be removed meanwhile.
    pub(super) fn keep(&mut self, credentials: C, expiry: Option<SystemTime>) {
        let is_of_use = !self.is_revocable && !self.uses(&credentials);
        self.unidentified = is_of_use.then_some((credentials, expiry));
    }

    /// These are in force from now on.
    pub(super) fn put(&mut self, opened: Opened<A, C>) -> Put {
        let identity = opened.identity.clone();
        let is_first = self.in_force.replace(opened).is_none();
        (self.renewals, self.refusal, self.superseded) = (None, None, None);
        let role = role(&identity.caller_arn);
        let is_news = self.said.as_deref() != Some(role);
        if is_news {
            self.said = Some(role.to_owned());
        }
        Put { is_first, news: is_news.then_some(LogLine::InForce(identity)) }
    }

    /// What follows from a lookup in this region, and what its caller gets. If it failed, one in
    /// another region may have succeeded meanwhile, and then the failure does not count: nobody
    /// would try again there and end it.
    pub(super) fn looked_up(
        &mut self,
        region: &Region,
        outcome: Result<A>,
        now: Now,
    ) -> (Option<Noted>, Result<A>) {
        match (self.good(now.time), outcome) {
            (Some(account), Err(_)) => (None, Ok(account.clone())),
            (_, outcome) => {
                let error = outcome.as_ref().err();
                self.withdraw(error);
                (Some(self.note(region, error, now)), outcome)
            }
        }
    }

    /// If this is why there are no credentials, those that people keep are used no more: they are
    /// gone, and so is what was assumed with them, or others are in their place.
    fn withdraw(&mut self, error: Option<&Error>) {
        let error = error.filter(|it| self.is_revocable && it.kind == ErrorKind::BadCredentials);
        let Some(error) = error else { return };
        if error.is_of_source() {
            (self.in_force, self.superseded) = (None, None);
            self.withdrawals += 1;
        } else if self.in_force.is_some() {
            self.superseded = Some(error.clone());
        }
    }

    /// How a lookup or a renewal in this region went.
    fn note(&mut self, region: &Region, error: Option<&Error>, now: Now) -> Noted {
        let Some(error) = error else {
            let news = (!self.failures.is_empty()).then_some(LogLine::BackAgain);
            return Noted { news, ..self.forget_failures() };
        };
        let before = self.failures.get(region);
        let is_news = before.is_none_or(|(_, before)| before.message != error.message);
        let attempts = Attempts::one_more(before.map(|(attempts, _)| *attempts), now.instant);
        self.failures.insert(region.clone(), (attempts, error.clone()));
        let has_no_others = error.kind == ErrorKind::BadCredentials;
        let news = match self.good(now.time) {
            None => LogLine::NotHad,
            Some(_) if self.refusal.is_some() && has_no_others => LogLine::Refused,
            Some(_) => LogLine::NotRenewed,
        };
        Noted {
            is_failing: true,
            troubles: vec![(region.clone(), Some(error.for_probes()))],
            news: is_news.then(|| news(error.clone())),
        }
    }

    /// No object names the region any more. `is_unused`: nobody calls STS any more.
    pub(super) fn forget_region(&mut self, region: &Region, is_unused: bool) -> Noted {
        self.failures.remove(region);
        if is_unused {
            return self.forget_failures();
        }
        Noted { is_failing: !self.failures.is_empty(), troubles: Vec::new(), news: None }
    }

    /// Nobody calls STS any more, or it works again.
    pub(super) fn forget_failures(&mut self) -> Noted {
        let failures = std::mem::take(&mut self.failures);
        let troubles = failures.into_keys().map(|region| (region, None)).collect();
        Noted { is_failing: false, troubles, news: None }
    }
}

/// Renewals.
impl<A: Clone, C: Clone + PartialEq> Session<A, C> {
    /// How long until the clock must be read again.
    pub(super) fn pause(&self, now: Now) -> Duration {
        self.until_renewal(now).map_or(TICK, |left| left.min(TICK))
    }

    /// Whether a renewal is due now. Refused credentials then count as replaced.
    pub(super) fn is_due(&mut self, cause: Cause, now: Now) -> bool {
        match cause {
            Cause::Clock => self.until_renewal(now).is_some_and(|left| left.is_zero()),
            Cause::Asked => self.is_asked && self.is_due(Cause::Clock, now),
            Cause::Refused => {
                let since = |last| now.instant.saturating_duration_since(last);
                let is_due = self.last_refused.is_none_or(|last| since(last) >= REFUSED);
                if is_due {
                    self.last_refused = Some(now.instant);
                }
                is_due
            }
        }
    }

    /// What to do about these credentials, which AWS refused. They then count as replaced.
    pub(super) fn refused(&mut self, credentials: &C, now: Now) -> Refusal {
        if !self.uses(credentials) {
            Refusal::Past
        } else if self.is_due(Cause::Refused, now) {
            Refusal::Due
        } else {
            Refusal::Known
        }
    }

    /// Whether these credentials are in force.
    pub(super) fn uses(&self, credentials: &C) -> bool {
        let in_force = self.in_force.as_ref().filter(|_| self.superseded.is_none());
        in_force.is_some_and(|it| it.credentials == *credentials)
    }

    /// `None`: they are valid until AWS refuses them, or there are none.
    fn until_renewal(&self, now: Now) -> Option<Duration> {
        let left = match self.in_force.as_ref()?.term {
            _ if self.is_asked => Duration::ZERO,
            term => term.until_renewal(now)?,
        };
        let pause = self.renewals.map(|last| last.until_next(now.instant, self.longest_pause));
        Some(left.max(pause.unwrap_or_default()))
    }

    /// How the renewal of `before` went.
    pub(super) fn renewed(
        &mut self,
        before: &Opened<A, C>,
        outcome: &Result<Opened<A, C>>,
        cause: Cause,
        now: Now,
    ) -> Noted {
        let is_new = outcome.as_ref().is_ok_and(|found| found.credentials != before.credentials);
        match outcome {
            Ok(found) if self.is_revocable => {
                self.renewals = None;
                self.in_force.iter_mut().for_each(|it| it.term = found.term);
            }
            _ if is_new => {}
            _ => self.renewals = Some(Attempts::one_more(self.renewals, now.instant)),
        }
        let error = outcome.as_ref().err();
        // Others may have been put in force meanwhile.
        let is_current = |it: &Opened<A, C>| it.credentials == before.credentials;
        if self.in_force.as_ref().is_none_or(is_current) {
            self.withdraw(error);
        }
        self.is_asked &= outcome.is_err();
        if cause == Cause::Refused && !is_new {
            self.refusal = Some(error.cloned().unwrap_or_else(Error::refused_credentials));
        }
        // The same ones again, which AWS refused, do not work by that.
        let refusal = self.refusal.clone().filter(|_| !is_new);
        self.note(&before.region, error.or(refusal.as_ref()), now)
    }

    /// Refused credentials may be accepted again, and there may be no need for any now.
    /// `are_accepted`: AWS has accepted the current ones since it last refused them.
    pub(super) fn recovered(&mut self, are_accepted: bool) -> Option<Noted> {
        self.refusal.take_if(|_| are_accepted);
        let are_refusals =
            self.failures.values().all(|(_, error)| error.is_of_refused_credentials());
        let is_over = are_accepted && !self.failures.is_empty() && are_refusals;
        is_over.then(|| Noted { news: Some(LogLine::BackAgain), ..self.forget_failures() })
    }
}

/// Whose rights a session has: those of its caller. A policy may allow more or less to a session
/// with the tags of a namespace.
pub(super) fn rights(caller_arn: &str, tagged_for: Option<&str>) -> String {
    let role = role(caller_arn);
    tagged_for.map_or_else(|| role.to_owned(), |namespace| format!("{role} for {namespace}"))
}

/// Whose rights a caller has: its ARN without the name of its session, of which some providers make
/// a new one for each.
pub(crate) fn role(caller_arn: &str) -> &str {
    let parts = caller_arn.rsplit_once('/').filter(|(role, _)| role.contains(":assumed-role/"));
    parts.map_or(caller_arn, |(role, _)| role)
}

#[cfg(test)]
#[rustfmt::skip]
mod tests;
