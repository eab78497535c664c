//! Reconciles a `LightsailKeyPair`: what [`plan`] asks for is seen or done here, one step at a time, and what came of it is
//! published once. No decisions here.

mod desired;
pub mod plan;
mod status;

use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::jiff::Timestamp;
use tracing::Instrument;

use crate::api::key_pair::Origin;
use crate::api::{FINALIZER, LightsailKeyPair, OWNER_TAG, Reason};
use crate::error::Error;
use crate::lightsail::{Class, KeyPair, Lightsail};
use crate::secret;
use crate::ssh::PublicKey;

use self::plan::{Desired, Finalizer, Goal, Kind, Look, Observed, Step};
use super::outcome::{State, Verdict};
use super::queue::Next;
use super::rows::{Claim, Row};
use super::{Context, ObjectRef, Passed, lock, objects, trigger};

/// More steps than the longest way through the plan: a pass that needs more goes in circles, and is begun anew after a pause.
const MAX_STEPS: usize = 30;
/// How old the shared list may be for an object that changed. Lists of a moment ago serve a crowd of new objects together.
const FRESH: Duration = Duration::from_secs(10);
/// How long the one try to take the owner tag off may take.
const UNTAG_TIMEOUT: Duration = Duration::from_secs(5);

/// What is kept of an object in memory.
#[must_use]
pub fn row_of(ctx: &Context, object: &LightsailKeyPair) -> Row {
    let desired = desired::desired(object, &ctx.settings);
    let arn = object.status.as_ref().and_then(|status| status.arn.clone());
    // An object that can do nothing does not stand in the way of those that can, unless it has a pair.
    let claims = arn.is_some() || plan::is_valid(&desired);
    let claim =
        Claim { region: desired.region, name: desired.name, owner: desired.owner, created_at: desired.created_at, arn };
    Row { uid: desired.uid, trigger: trigger(object), claim: Some(claim).filter(|_| claims) }
}

/// One pass.
pub async fn reconcile(at: ObjectRef, ctx: Arc<Context>) -> Passed {
    let span = tracing::info_span!("reconcile", kind = "LightsailKeyPair", namespace = at.namespace, object = at.name);
    async {
        match pass(&at, &ctx).await {
            Ok(passed) => passed,
            Err(Error::Stopping) => Passed { next: Next::Change, reason: None },
            Err(Error::Conflict) => Passed { next: Next::After(Duration::from_millis(100)), reason: None },
            Err(error) => {
                tracing::warn!(%error, "the pass could not be finished and will be tried again");
                Passed { next: Next::Backoff, reason: None }
            }
        }
    }
    .instrument(span)
    .await
}

async fn pass(at: &ObjectRef, ctx: &Context) -> Result<Passed, Error> {
    let Some(object) = objects::find::<LightsailKeyPair>(&ctx.client, at).await? else {
        return Ok(Passed { next: Next::Change, reason: None });
    };
    let desired = desired::desired(&object, &ctx.settings);
    let observed = observed(at, ctx, &object, &desired);
    let mut pass = Pass { ctx, object, desired, observed, lightsail: None };
    let end = match pass.work().await {
        Ok(end) => end,
        Err(Error::Lightsail(error)) if pass.keeps_still() => {
            return Ok(Passed { next: Next::Backoff, reason: Some(Verdict::from(&error).reason) });
        }
        Err(Error::Lightsail(error)) => End::Verdict(Verdict::from(&error)),
        Err(error @ Error::SecretRejected { .. }) => {
            End::Verdict(Verdict::stalled(Reason::SecretRejected, error.to_string(), Next::Backoff))
        }
        Err(error) => return Err(error),
    };
    match end {
        End::Left => Ok(Passed { next: Next::Change, reason: None }),
        End::Verdict(verdict) => {
            pass.publish(&verdict).await?;
            Ok(Passed { next: verdict.next, reason: Some(verdict.reason) })
        }
    }
}

/// What is known before anything is read.
fn observed(at: &ObjectRef, ctx: &Context, object: &LightsailKeyPair, desired: &Desired) -> Observed {
    let is_there = objects::has_finalizer(object, FINALIZER);
    // An import may have been sent by this process, or by one before it.
    let sent_here = lock(&ctx.memory.imports).get(&desired.uid).copied();
    let sent_before = ctx.settings.started_at.saturating_add(ctx.settings.landing_time()).ok();
    Observed {
        now: Timestamp::now(),
        asked: status::is_asked(object),
        recorded: status::recorded(object),
        finalizer: if is_there { Finalizer::Old } else { Finalizer::Missing },
        account: None,
        look: None,
        secret: None,
        namespace_terminating: None,
        rivals: lock(&ctx.key_pairs).rivals(at, &desired.region, &desired.name),
        import_may_land_until: sent_here.max(sent_before),
        done: plan::Done::default(),
    }
}

/// How the steps of a pass end.
enum End {
    Verdict(Verdict),
    Left,
}

struct Pass<'a> {
    ctx: &'a Context,
    object: LightsailKeyPair,
    desired: Desired,
    observed: Observed,
    lightsail: Option<Lightsail>,
}

impl Pass<'_> {
    async fn work(&mut self) -> Result<End, Error> {
        for _ in 0..MAX_STEPS {
            if let Some(end) = self.act(plan::plan(&self.desired, &self.observed)).await? {
                return Ok(end);
            }
            if self.ctx.stop.is_cancelled() {
                return Err(Error::Stopping);
            }
        }
        Ok(End::Verdict(Verdict {
            state: State::Reconciling,
            reason: Reason::ServiceError,
            message: "the key pair keeps changing while it is worked on".to_owned(),
            next: Next::Backoff,
        }))
    }

    fn lightsail(&self) -> &Lightsail {
        self.lightsail.as_ref().expect("the plan identifies the account before it calls Lightsail")
    }

    fn namespace(&self) -> &str {
        self.object.metadata.namespace.as_deref().unwrap_or_default()
    }

    fn object_name(&self) -> &str {
        self.object.metadata.name.as_deref().unwrap_or_default()
    }

    /// Does one step and notes what it taught, or ends the pass.
    async fn act(&mut self, step: Step) -> Result<Option<End>, Error> {
        let client = &self.ctx.client;
        match step {
            Step::Identify => {
                let account = self.ctx.accounts.current().await?;
                self.lightsail = Some(account.region(&self.desired.region));
                self.observed.account = Some(account.id.clone());
            }
            Step::Look { live: false } => {
                let since = Instant::now().checked_sub(self.max_age()).unwrap_or_else(Instant::now);
                let list = self.ctx.inventory.list(self.lightsail(), since).await?;
                self.observed.look = Some(Look { live: false, pair: list.find(&self.desired.name).cloned() });
                self.note_read();
            }
            Step::Look { live: true } => {
                let pair = self.look().await?;
                self.observed.look = Some(Look { live: true, pair });
                self.observed.done.looked_since_download = self.observed.done.download.is_some();
            }
            Step::ReadSecret(name) => {
                let found = secret::find(client, self.namespace(), &name, self.object_name()).await?;
                self.observed.secret = Some(found);
            }
            Step::ReadNamespace => {
                let is_terminating = objects::is_terminating(client, self.namespace()).await?;
                self.observed.namespace_terminating = Some(is_terminating);
            }
            Step::AddFinalizer => {
                self.object = objects::add_finalizer(client, &self.object, FINALIZER).await?;
                self.observed.finalizer = Finalizer::New;
            }
            Step::ForgetPair => self.record(None).await?,
            Step::RecordAdoption(pair) => self.record(Some(&pair)).await?,
            Step::Import(key) => self.import(&key).await?,
            Step::Tag(pair) => {
                let owner = self.desired.owner.clone();
                self.lightsail().tag(&pair, OWNER_TAG, &owner).await?;
                let mut pair = pair;
                pair.tags.insert(OWNER_TAG.to_owned(), Some(owner));
                self.learn(Some(pair)).await;
            }
            Step::Download => {
                self.observed.done.download = Some(self.lightsail().download_default_key_pair().await?);
            }
            Step::SetAside { found, key } => {
                let name = format!("{}-{}", found.name, key.public().short_id());
                let copied = secret::create(client, self.namespace(), &name, self.object_name(), &key).await;
                if matches!(copied, Err(Error::Conflict)) {
                    secret::confirm(client, self.namespace(), &name, &key).await?;
                } else {
                    copied?;
                }
                self.observed.done.set_aside = true;
            }
            Step::WriteSecret { name, found: Some(found), key } => {
                secret::replace(client, self.namespace(), &found, self.object_name(), &key).await?;
                self.observed.secret = Some(secret::find(client, self.namespace(), &name, self.object_name()).await?);
            }
            Step::WriteSecret { name, found: None, key } => {
                secret::create(client, self.namespace(), &name, self.object_name(), &key).await?;
                self.observed.secret = Some(secret::find(client, self.namespace(), &name, self.object_name()).await?);
            }
            Step::Delete { expected_fingerprint } => self.delete(expected_fingerprint.as_deref()).await?,
            Step::Untag { arn } => {
                self.untag(&arn).await;
                self.observed.done.untagged = true;
            }
            Step::RemoveFinalizer { reason, message } => {
                objects::tell(client, &self.object, false, reason, &message).await;
                objects::remove_finalizer(client, &self.object, FINALIZER).await?;
                lock(&self.ctx.memory.imports).remove(&self.desired.uid);
                return Ok(Some(End::Left));
            }
            Step::Finish(verdict) => return Ok(Some(End::Verdict(verdict))),
            Step::Leave => return Ok(Some(End::Left)),
        }
        Ok(None)
    }

    /// Whether a failure is not worth a word in the status yet: nothing could be read, and so nothing was done.
    fn keeps_still(&self) -> bool {
        let silent_for =
            lock(&self.ctx.memory.reads).get(&self.desired.region).map_or(self.ctx.started.elapsed(), Instant::elapsed);
        self.observed.look.is_none() && plan::keeps_still(&self.desired, status::was_acted_on(&self.object), silent_for)
    }

    fn note_read(&self) {
        lock(&self.ctx.memory.reads).insert(self.desired.region.clone(), Instant::now());
    }

    /// An object that was acted on follows its interval; one that changed does not wait for that.
    fn max_age(&self) -> Duration {
        let status = self.object.status.as_ref();
        let is_settled =
            status.is_some_and(|status| Some(status.observed_generation) == self.object.metadata.generation);
        if is_settled { self.desired.interval.saturating_sub(FRESH) } else { FRESH }
    }

    /// A live look. The default pair is only found for sure in a list that asks for it.
    async fn look(&self) -> Result<Option<KeyPair>, Error> {
        match &self.desired.kind {
            Kind::Default { .. } => {
                let list = self.ctx.inventory.list(self.lightsail(), Instant::now()).await?;
                Ok(list.find(&self.desired.name).cloned())
            }
            Kind::Imported(_) => {
                let pair = self.lightsail().find_key_pair(&self.desired.name).await?;
                self.correct_inventory(pair.as_ref()).await;
                Ok(pair)
            }
        }
    }

    async fn learn(&mut self, pair: Option<KeyPair>) {
        self.correct_inventory(pair.as_ref()).await;
        self.observed.look = Some(Look { live: true, pair });
    }

    async fn correct_inventory(&self, pair: Option<&KeyPair>) {
        self.ctx.inventory.correct(self.lightsail().scope(), &self.desired.name, pair).await;
    }

    async fn import(&mut self, key: &PublicKey) -> Result<(), Error> {
        // Noted before the call is sent: its answer may never come.
        let landed = Timestamp::now().saturating_add(self.ctx.settings.landing_time()).unwrap_or(Timestamp::MAX);
        lock(&self.ctx.memory.imports).insert(self.desired.uid.clone(), landed);
        match self.lightsail().import_key_pair(&self.desired.name, key.line()).await {
            Ok(operation) => self.observed.done.import = Some(operation),
            Err(error) if error.class == Class::NameTaken => self.observed.done.name_taken = true,
            Err(error) => {
                if error.class.proves_refusal() {
                    lock(&self.ctx.memory.imports).remove(&self.desired.uid);
                }
                return Err(error.into());
            }
        }
        let pair = self.look().await?;
        self.learn(pair).await;
        Ok(())
    }

    async fn delete(&mut self, expected_fingerprint: Option<&str>) -> Result<(), Error> {
        match self.lightsail().delete_key_pair(&self.desired.name, expected_fingerprint).await {
            Ok(operation) => self.observed.done.delete = Some(operation),
            Err(error) if error.class == Class::NotFound => {}
            Err(error) => return Err(error.into()),
        }
        self.learn(None).await;
        Ok(())
    }

    /// Best effort: a release must not depend on AWS. The ARN is sent along, so that a pair that took the name is not touched.
    async fn untag(&self, arn: &str) {
        let name = self.desired.name.clone();
        let attempt = async {
            let account = self.ctx.accounts.current().await?;
            if self.observed.recorded.account.as_ref() != Some(&account.id) {
                return Ok(());
            }
            account.region(&self.desired.region).untag(&name, arn, OWNER_TAG).await
        };
        match tokio::time::timeout(UNTAG_TIMEOUT, attempt).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the owner tag was not taken off; it does no harm"),
            Err(_) => tracing::warn!("the owner tag was not taken off in time; it does no harm"),
        }
    }

    /// Writes into the status which pair is this object's, and leaves the rest of it as it is.
    async fn record(&mut self, pair: Option<&KeyPair>) -> Result<(), Error> {
        let account = self.observed.account.clone();
        let status = status::with_record(&self.object, account, pair, pair.map(|_| Origin::Adopted));
        // Only the status is taken in: the answer may have a newer spec than the one that this pass acts on (I10).
        self.object.status = objects::apply_status(&self.ctx.client, &self.object, &status, None).await?.status;
        self.observed.recorded = status::recorded(&self.object);
        Ok(())
    }

    /// Writes the status if it changed, and tells people if the reason did.
    async fn publish(&mut self, verdict: &Verdict) -> Result<(), Error> {
        let before = self.object.status.clone().unwrap_or_default();
        let status = status::status(&self.object, &self.desired, &self.observed, verdict);
        if status != before {
            objects::apply_status(&self.ctx.client, &self.object, &status, None).await?;
        }
        if verdict.is_news(&before.conditions) {
            let is_warning = verdict.state == State::Stalled;
            objects::tell(&self.ctx.client, &self.object, is_warning, verdict.reason, &verdict.message).await;
        }
        if self.desired.goal != Goal::ObjectDeleted && status.arn.is_some() {
            lock(&self.ctx.memory.imports).remove(&self.desired.uid);
        }
        Ok(())
    }
}
