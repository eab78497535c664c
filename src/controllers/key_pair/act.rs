//! The steps of the plan, done one at a time, and what came of them published. No decisions here.

use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::jiff::Timestamp;
use zeroize::Zeroizing;

use crate::api::key_pair::Origin;
use crate::api::{FINALIZER, LightsailKeyPair, OWNER_TAG};
use crate::controllers::outcome::{State, Verdict};
use crate::controllers::{Context, MAX_STEPS, lock, note_ready, objects};
use crate::error::Error;
use crate::lightsail::{self, Class, KeyPair, Lightsail, Listing};
use crate::secret::{self, Owner, SecretSpec};
use crate::ssh::{PrivateKey, PublicKey};

use super::plan::{
    self, Desired, Finalizer, Goal, Kind, Look, Observed, Source, SourceKind, SourceRef, Step,
};
use super::status;

/// How old the shared list may be for an object that changed. Lists of a moment ago serve a crowd
/// of new objects together.
const FRESH: Duration = Duration::from_secs(10);
/// How long the one try to take the owner tag off may take.
const UNTAG_TIMEOUT: Duration = Duration::from_secs(5);

/// How the steps of a pass end.
pub(super) enum End {
    /// With this to be published.
    Verdict(Verdict),
    /// With nothing to be said: the object is on its way out.
    Left,
}

/// A pass under way.
pub(super) struct Pass<'a> {
    ctx: &'a Context,
    object: LightsailKeyPair,
    desired: Desired,
    observed: Observed,
    lightsail: Option<Lightsail>,
}

impl<'a> Pass<'a> {
    pub(super) fn new(
        ctx: &'a Context,
        object: LightsailKeyPair,
        desired: Desired,
        observed: Observed,
    ) -> Self {
        Self { ctx, object, desired, observed, lightsail: None }
    }

    /// Does what the plan says until it ends the pass.
    pub(super) async fn work(&mut self) -> Result<End, Error> {
        for _ in 0..MAX_STEPS {
            self.observed.now = Timestamp::now();
            if let Some(end) = self.act(plan::plan(&self.desired, &self.observed)).await? {
                return Ok(end);
            }
            if self.ctx.stop.is_cancelled() {
                return Err(Error::Stopping);
            }
        }
        Ok(End::Verdict(Verdict::circling("key pair")))
    }

    fn lightsail(&self) -> &Lightsail {
        self.lightsail.as_ref().expect("the plan identifies the account before it calls Lightsail")
    }

    fn namespace(&self) -> &str {
        self.object.metadata.namespace.as_deref().unwrap_or_default()
    }

    fn owner(&self) -> Owner<'_> {
        let name = self.object.metadata.name.as_deref().unwrap_or_default();
        Owner { namespace: self.namespace(), name, uid: &self.desired.uid }
    }

    /// What is missing is remembered with the time at which it was missed first.
    async fn read_source(&self, at: &SourceRef) -> Result<Source, Error> {
        let client = &self.ctx.client;
        let text = match at.kind {
            SourceKind::Secret => {
                secret::find_text(client, self.namespace(), &at.name, &at.key).await?
            }
            SourceKind::ConfigMap => {
                objects::find_text(client, self.namespace(), &at.name, &at.key)
                    .await?
                    .map(Zeroizing::new)
            }
        };
        Ok(match text {
            Some(text) => {
                lock(&self.ctx.memory.missing).remove(&self.desired.uid);
                Source::Found(PublicKey::parse(&text))
            }
            None => Source::Missing { since: self.missing_since() },
        })
    }

    async fn read_secret(&mut self, name: &str) -> Result<(), Error> {
        let found = secret::find(&self.ctx.client, self.owner(), name).await?;
        let has_key = found.as_ref().is_some_and(|found| found.key.is_some());
        self.observed.key_missing_since = (!has_key).then(|| self.missing_since());
        if has_key {
            lock(&self.ctx.memory.missing).remove(&self.desired.uid);
        }
        self.observed.secret = Some(found);
        Ok(())
    }

    fn missing_since(&self) -> Timestamp {
        *lock(&self.ctx.memory.missing)
            .entry(self.desired.uid.clone())
            .or_insert_with(Timestamp::now)
    }

    /// Does one step and notes what it taught, or ends the pass.
    async fn act(&mut self, step: Step) -> Result<Option<End>, Error> {
        let client = &self.ctx.client;
        match step {
            Step::Identify => {
                let account = self.ctx.accounts.current().await?;
                let region = account.region(&self.desired.region);
                self.observed.list_at_hand =
                    self.ctx.inventory.is_at_hand(region.scope(), self.max_age());
                self.lightsail = Some(region);
                self.observed.account = Some(account.id.clone());
            }
            Step::Look { live: false } => {
                let at = Timestamp::now();
                let list = shared_list(self.ctx, self.lightsail(), self.max_age()).await?;
                self.observed.look =
                    Some(Look { live: false, at, pair: list.find(&self.desired.name).cloned() });
            }
            Step::Look { live: true } => {
                self.look().await?;
                self.observed.done.looked_since_download = self.observed.done.download.is_some();
            }
            Step::ReadSource(at) => self.observed.source = Some(self.read_source(&at).await?),
            Step::ReadSecret(name) => self.read_secret(&name).await?,
            Step::FindWindowsInstances => {
                self.observed.windows_instances =
                    Some(self.lightsail().windows_instances_with_default_key().await?);
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
            Step::RecordAdoption => self.record(Some(Origin::Adopted)).await?,
            Step::Generate(algorithm) => {
                // An RSA key takes a second of one core: the other passes go on meanwhile.
                self.observed.done.generated =
                    Some(tokio::task::block_in_place(|| PrivateKey::generate(algorithm))?);
            }
            Step::Import(key) => self.import(&key).await?,
            Step::Tag { mut pair, tags } => {
                self.lightsail().tag(&pair, &tags).await?;
                pair.tags.extend(tags.into_iter().map(|(key, value)| (key, Some(value))));
                self.learn(Some(pair));
            }
            Step::RemoveTags { mut pair, keys } => {
                self.lightsail().untag(&pair.name, &pair.arn, &keys).await?;
                pair.tags.retain(|key, _| !keys.contains(key));
                self.learn(Some(pair));
            }
            Step::Download => {
                self.observed.done.download =
                    Some(self.lightsail().download_default_key_pair().await?);
            }
            Step::SetAside { found, key } => {
                let name = format!("{}-{}", found.name, key.public().short_id());
                let spec = SecretSpec { name, ..SecretSpec::default() };
                let copied = secret::create(client, self.owner(), &spec, &key).await;
                if matches!(copied, Err(Error::Conflict)) {
                    secret::confirm(client, self.owner(), &spec.name, &key).await?;
                } else {
                    copied?;
                }
                self.observed.done.set_aside = true;
            }
            Step::WriteSecret { spec, found: Some(found), key } => {
                secret::replace(client, self.owner(), &spec, &found, &key).await?;
                self.read_secret(&spec.name).await?;
            }
            Step::WriteSecret { spec, found: None, key } => {
                secret::create(client, self.owner(), &spec, &key).await?;
                self.read_secret(&spec.name).await?;
            }
            Step::Delete { expected_fingerprint } => {
                self.delete(expected_fingerprint.as_deref()).await?
            }
            Step::ReleaseTag { arn } => {
                self.release_tag(&arn).await;
                self.observed.done.untagged = true;
            }
            Step::RemoveFinalizer { reason, message } => {
                objects::tell(client, &self.object, false, reason, &message).await;
                objects::remove_finalizer(client, &self.object, FINALIZER).await?;
                lock(&self.ctx.memory.imports).remove(&self.desired.uid);
                lock(&self.ctx.memory.missing).remove(&self.desired.uid);
                return Ok(Some(End::Left));
            }
            Step::Finish(verdict) => return Ok(Some(End::Verdict(verdict))),
            Step::Leave => return Ok(Some(End::Left)),
        }
        Ok(None)
    }

    /// Whether this pass imported a pair whose object is gone since. A finalizer does not hold an
    /// object whose deletion was under way when it was added: the API server may have looked for
    /// finalizers before.
    pub(super) fn is_deserted(&self) -> bool {
        self.observed.done.import.is_some() && self.desired.goal != Goal::ObjectDeleted
    }

    /// Does what the object's deletion asks for, as if it were still there.
    pub(super) fn follow_object(&mut self) {
        tracing::info!(
            "the object was deleted while its key pair was imported; its deletion policy is \
                followed now"
        );
        self.desired.goal = Goal::ObjectDeleted;
        self.observed.finalizer = Finalizer::Old;
        self.observed.look = None;
    }

    /// Whether a failure is not worth a word in the status yet: nothing could be read, and so
    /// nothing was done.
    pub(super) fn keeps_still(&self) -> bool {
        let silent_for = lock(&self.ctx.memory.reads)
            .get(&self.desired.region)
            .map_or(self.ctx.started.elapsed(), Instant::elapsed);
        self.observed.look.is_none()
            && plan::keeps_still(&self.desired, status::was_acted_on(&self.object), silent_for)
    }

    fn max_age(&self) -> Duration {
        let status = self.object.status.as_ref();
        let is_settled = status.is_some_and(|status| {
            Some(status.observed_generation) == self.object.metadata.generation
        });
        max_age(is_settled, self.desired.interval)
    }

    /// A live look. The default pair is only found for sure in a list that asks for it.
    async fn look(&mut self) -> Result<(), Error> {
        let (pair, at) = match &self.desired.kind {
            Kind::Default { .. } => {
                let at = Timestamp::now();
                let list = self.ctx.inventory.list_live(self.lightsail()).await?;
                (list.find(&self.desired.name).cloned(), at)
            }
            Kind::Imported { .. } | Kind::Generated { .. } => {
                let seen = self.lightsail().find_key_pair(&self.desired.name).await?;
                self.correct_inventory(seen.value.as_ref());
                (seen.value, seen.at)
            }
        };
        self.observed.look = Some(Look { live: true, at, pair });
        Ok(())
    }

    /// What is known by a change of one's own.
    fn learn(&mut self, pair: Option<KeyPair>) {
        self.correct_inventory(pair.as_ref());
        self.observed.look = Some(Look { live: true, at: Timestamp::now(), pair });
    }

    fn correct_inventory(&self, pair: Option<&KeyPair>) {
        self.ctx.inventory.correct(self.lightsail().scope(), &self.desired.name, pair);
    }

    async fn import(&mut self, key: &PublicKey) -> Result<(), Error> {
        // Noted before the call is sent: its answer may never come.
        let landed = Timestamp::now()
            .saturating_add(self.ctx.settings.landing_time())
            .unwrap_or(Timestamp::MAX);
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
        self.look().await
    }

    async fn delete(&mut self, expected_fingerprint: Option<&str>) -> Result<(), Error> {
        match self.lightsail().delete_key_pair(&self.desired.name, expected_fingerprint).await {
            Ok(operation) => self.observed.done.delete = Some(operation),
            Err(error) if error.class == Class::NotFound => {}
            Err(error) => return Err(error.into()),
        }
        self.learn(None);
        Ok(())
    }

    /// Best effort: a release must not depend on AWS. The ARN is sent along, so that a pair that
    /// took the name is not touched.
    async fn release_tag(&self, arn: &str) {
        let name = self.desired.name.clone();
        let attempt = async {
            let account = self.ctx.accounts.current().await?;
            if self.observed.recorded.account.as_ref() != Some(&account.id) {
                return Ok(());
            }
            account.region(&self.desired.region).untag(&name, arn, &[OWNER_TAG.to_owned()]).await
        };
        match tokio::time::timeout(UNTAG_TIMEOUT, attempt).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, "the owner tag was not taken off; it does no harm")
            }
            Err(_) => tracing::warn!("the owner tag was not taken off in time; it does no harm"),
        }
    }

    /// Writes into the status that no pair is this object's yet, or any more, and how the next one
    /// comes to it; leaves the rest of it as it is.
    async fn record(&mut self, origin: Option<Origin>) -> Result<(), Error> {
        let status = status::with_record(&self.object, self.observed.account.clone(), origin);
        // Only the status is taken in: the answer may have a newer spec than the one that this pass
        // acts on (I10).
        self.object.status =
            objects::apply_status(&self.ctx.client, &self.object, &status, None).await?.status;
        self.observed.recorded = status::recorded(&self.object);
        Ok(())
    }

    /// Writes the status if it changed, and tells people if the reason did.
    pub(super) async fn publish(&mut self, verdict: &Verdict) -> Result<(), Error> {
        let before = self.object.status.clone().unwrap_or_default();
        let status = status::status(&self.object, &self.desired, &self.observed, verdict);
        if status != before {
            objects::apply_status(&self.ctx.client, &self.object, &status, None).await?;
        }
        note_ready(self.ctx, &self.object, verdict);
        if verdict.is_news(&before.conditions) {
            let is_warning = verdict.state == State::Stalled;
            objects::tell(
                &self.ctx.client,
                &self.object,
                is_warning,
                verdict.reason,
                &verdict.message,
            )
            .await;
        }
        if self.desired.goal != Goal::ObjectDeleted && status.arn.is_some() {
            lock(&self.ctx.memory.imports).remove(&self.desired.uid);
        }
        Ok(())
    }
}

/// How old the shared list may be: an object that was acted on follows its interval; one that
/// changed does not wait for that.
pub(super) fn max_age(is_settled: bool, interval: Duration) -> Duration {
    if is_settled { interval.saturating_sub(FRESH) } else { FRESH }
}

/// The shared list, not older than that. That it could be read is noted.
pub(super) async fn shared_list(
    ctx: &Context,
    region: &Lightsail,
    max_age: Duration,
) -> Result<Arc<Listing>, lightsail::Error> {
    let list = ctx.inventory.list(region, max_age).await;
    let scope = region.scope();
    let what = format!("the key pairs of {} in {}", scope.account, scope.region);
    ctx.readiness.trouble(what, list.as_ref().err().map(ToString::to_string));
    let list = list?;
    lock(&ctx.memory.reads).insert(region.scope().region.clone(), Instant::now());
    Ok(list)
}
