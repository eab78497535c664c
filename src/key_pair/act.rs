//! The steps of the plan, done one at a time, and what came of them published. No decisions here.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::jiff::Timestamp;

use super::claim::{self, PairClaim, account_ref};
use super::memory::{Memory, Permit, Sent};
use super::observe::{Needs, observed, shared_list};
use super::plan::{self, Ended, Step};
use super::world::{
    Desired, DesiredPair, Failure, Finalizer, Goal, Observed, PairRead, Rival, SetAside, Source,
    SourceKind, SourceRef,
};
use super::{desired, observe, record, status};
use crate::access::Limits;
use crate::access::permission::surely_refuses;
use crate::api::{FINALIZER, LightsailKeyPair, LightsailKeyPairStatus, OWNER_TAG, Reason};
use crate::clock::{Clocks, Moment};
use crate::digest::Digest;
use crate::engine::objects;
use crate::engine::rows::Row;
use crate::engine::verdict::{Severity, seconds_to_ready};
use crate::engine::{Action, Context, Lookup, MAX_STEPS, ObjectRef, Verdict};
use crate::error::{Error, attempted};
use crate::ids::{AccountId, Arn, Fingerprint, lane_parts};
use crate::lightsail::{self, Access, ErrorKind, KeyPair, Lightsail, Listing};
use crate::secret::{self, DataValue, Owner, SecretSpec};
use crate::ssh::{PrivateKey, PublicKey};

/// How long each of the two calls before a release may take: an object is released without AWS
/// having to answer.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(5);

/// A reconciliation under way.
pub(super) struct Run<'a> {
    ctx: &'a Context,
    clocks: Clocks,
    memory: &'a Memory,
    at: &'a ObjectRef,
    object: LightsailKeyPair,
    desired: Desired,
    observed: Observed,
    access: Option<Access>,
}

impl<'a> Run<'a> {
    /// Of an object as it was read just now.
    pub(super) fn new(
        ctx: &'a Context,
        memory: &'a Memory,
        at: &'a ObjectRef,
        object: LightsailKeyPair,
        has_predecessor: bool,
    ) -> Self {
        let desired = desired::desired(&object, &ctx.settings);
        let grant = ctx.directory.grant(&at.namespace, account_ref(&object));
        let limits = Limits::of(&grant, &at.namespace);
        let desired = Desired { limits, ..desired };
        let clocks = ctx.read_clocks();
        let observed = observed(ctx, &clocks, memory, &object, &desired);
        let lane = claim::lane_of(&object);
        let crowd = memory.crowds.lock().crowd(&desired.uid, at, &lane, Instant::now());
        let observed = Observed { grant, crowd, has_predecessor, ..observed };
        Self { ctx, clocks, memory, at, object, desired, observed, access: None }
    }

    /// Of an object that vanished.
    pub(super) fn follow_up(
        ctx: &'a Context,
        memory: &'a Memory,
        at: &'a ObjectRef,
        vanished: LightsailKeyPair,
    ) -> Self {
        let mut run = Self::new(ctx, memory, at, vanished, false);
        run.desired.goal = Goal::ObjectVanished;
        run.observed.finalizer = Finalizer::Old;
        run
    }

    /// Whether the object, which is gone, leaves a pair behind that was imported here.
    pub(super) fn is_left_behind(&self, ended: Ended) -> bool {
        let may_move = !self.ctx.settings.watches_all_labels();
        plan::is_left_behind(&self.desired, &self.observed, ended, may_move)
    }

    /// The object, for the follow-up. What was sent under its intent is not forgotten with it, and
    /// is not younger by that: a pair that appears later is somebody else's.
    pub(super) fn into_vanished(mut self) -> LightsailKeyPair {
        let sent = self
            .observed
            .sent
            .map(|sent| Sent { until: self.clocks.moment_of(sent.until), accepted: sent.accepted });
        self.note_sent(sent);
        self.object
    }

    /// Does what the plan says until it ends the reconciliation.
    pub(super) async fn reconcile(&mut self) -> Result<Action, Error> {
        for _ in 0..MAX_STEPS {
            self.observed.now = self.clocks.now();
            let (grant, account) = (&self.observed.grant, account_ref(&self.object));
            self.observed.account_changed =
                self.ctx.directory.has_changed(grant, &self.at.namespace, account);
            let step = plan::plan(&self.desired, &self.observed);
            match self.act(step).await {
                Ok(Some(action)) => return Ok(action),
                Ok(None) => {}
                Err(error) => self.note_failure(error)?,
            }
            if self.ctx.stop.is_cancelled() {
                return Err(Error::Stopping);
            }
        }
        self.publish(&Verdict::circling("key pair")).await
    }

    /// Notes a failure for the plan. What only starts the reconciliation over is passed on.
    fn note_failure(&mut self, error: Error) -> Result<(), Error> {
        let failure = match error {
            Error::Lightsail(error) => plan::what_failed(&self.observed, error),
            Error::SecretRejected { name, why } => Failure::SecretRejected { name, why },
            Error::Forbidden(name) => Failure::ConfigMapForbidden(name),
            error @ (Error::Conflict
            | Error::Gone
            | Error::Kubernetes(_)
            | Error::Unreadable(_)
            | Error::GenerationFailed(_)
            | Error::NotLeading
            | Error::Stopping) => return Err(error),
        };
        let lane = claim::lane_of(&self.object);
        let last_read = self.memory.reads.lock().get(&lane).copied();
        let silent_for = last_read.map(Moment::elapsed);
        let leads_for = self.ctx.leads_for();
        self.observed.silent_for = silent_for.map_or(leads_for, |silent| silent.min(leads_for));
        self.observed.failure = Some(failure);
        Ok(())
    }

    fn lightsail(&self) -> &Lightsail {
        &self.access().own
    }

    fn access(&self) -> &Access {
        self.access.as_ref().expect("the plan identifies the account before it calls Lightsail")
    }

    fn owner(&self) -> Owner<'_> {
        Owner { namespace: &self.at.namespace, name: &self.at.name, uid: &self.desired.uid }
    }

    fn missing_since(&self) -> Timestamp {
        self.clocks.time_of(self.memory.missing_since(&self.desired.uid))
    }

    /// What is missing is remembered with the time at which it was missed first.
    async fn read_source(&self, at: &SourceRef) -> Result<Source, Error> {
        let (api_server, namespace) = (&self.ctx.api_server, &self.at.namespace);
        let value = match at.kind {
            SourceKind::Secret => {
                secret::find_value(api_server, namespace, &at.name, &at.key).await?
            }
            SourceKind::ConfigMap => {
                objects::find_value(api_server, namespace, &at.name, &at.key).await?
            }
        };
        Ok(match value {
            DataValue::Found(value) => {
                self.memory.missing.lock().remove(&self.desired.uid);
                plan::source(&value)
            }
            DataValue::NoObject => {
                Source::Missing { since: self.missing_since(), has_object: false }
            }
            DataValue::NoKey => Source::Missing { since: self.missing_since(), has_object: true },
        })
    }

    async fn read_secret(&mut self, name: &str) -> Result<(), Error> {
        let found = secret::find(&self.ctx.api_server, self.owner(), name).await?;
        if found.as_ref().is_some_and(|found| found.key.is_some()) {
            self.memory.missing.lock().remove(&self.desired.uid);
            self.observed.key_missing_since = None;
        } else {
            self.observed.key_missing_since = Some(self.missing_since());
        }
        self.observed.secret = Lookup::from(found);
        Ok(())
    }

    async fn read_operation(&mut self, id: &str) {
        self.observed.operation = plan::looked_up(self.lightsail().find_operation(id).await);
    }

    async fn find_windows_instances(&mut self) -> Result<(), Error> {
        let instances = self.lightsail().windows_instances_with_default_key().await?;
        self.observed.windows_instances = Some(instances);
        // That has many pages. A backup must be there when the pair is deleted.
        self.observed.secret = Lookup::Unread;
        Ok(())
    }

    /// Does one step and notes what it taught, or ends the reconciliation.
    async fn act(&mut self, step: Step) -> Result<Option<Action>, Error> {
        let api_server = &self.ctx.api_server;
        match step {
            Step::Identify => self.identify().await?,
            Step::ReadPair { live: false } => {
                let at = self.clocks.now();
                let list = self.shared_list().await?;
                let pair = list.find(&self.desired.name);
                self.observed.pair = Some(PairRead { live: false, at, pair });
            }
            Step::ReadPair { live: true } => self.read_pair_live().await?,
            Step::ReadDefaultPair => self.read_default_pair().await?,
            Step::ReadSource(at) => self.observed.source = Some(self.read_source(&at).await?),
            Step::ReadSecret(name) => self.read_secret(&name).await?,
            Step::ReadCopy { name } => {
                self.observed.copy = secret::find(api_server, self.owner(), &name).await?.into();
            }
            Step::ReadOperation { id } => self.read_operation(&id).await,
            Step::FindWindowsInstances => self.find_windows_instances().await?,
            Step::ReadNamespace => {
                let read = objects::read_namespace(api_server, &self.at.namespace).await?;
                self.observed.namespace_terminating = Some(read.is_terminating);
                self.observed.namespace_labels = Some(read.labels);
            }
            Step::CountKeyPairs => self.count_key_pairs().await?,
            Step::AddFinalizer => {
                self.object = objects::add_finalizer(api_server, &self.object, FINALIZER).await?;
                self.observed.finalizer = Finalizer::New;
            }
            Step::WriteIntent(key) => self.write_intent(&key).await?,
            Step::RecordAdoption => {
                let account = self.observed.account.as_ref();
                let status = status::adopting(&self.object, &self.desired, account);
                self.record(&status).await?;
            }
            Step::RecordTagKeys => {
                self.record(&status::tagging(&self.object, &self.desired)).await?;
            }
            Step::Generate(algorithm) => {
                // It may wait for others. Giving up is safe: nobody has seen the key.
                let key = tokio::select! {
                    key = self.ctx.key_maker.make(&self.at.namespace, algorithm) => key?,
                    () = self.ctx.stop.cancelled() => return Err(Error::Stopping),
                };
                self.observed.done.generated = Some(key);
            }
            Step::Import(key) => self.import(&key).await?,
            Step::TagByName { tags } => self.tag_by_name(&tags).await?,
            Step::Tag { pair, tags } => self.tag(pair, tags).await?,
            Step::RemoveTags { pair, keys } => self.remove_tags(pair, &keys).await?,
            Step::Download => {
                let downloaded = self.lightsail().download_default_key_pair().await?;
                self.observed.done.download = Some(downloaded);
            }
            Step::SetAside { name, key } => self.set_aside(name, &key).await?,
            Step::WriteSecret { spec, found: Some(found), key } => {
                secret::replace(api_server, self.owner(), &spec, &found, &key).await?;
                self.read_secret(&spec.name).await?;
            }
            Step::WriteSecret { spec, found: None, key } => {
                secret::create(api_server, self.owner(), &spec, &key).await?;
                self.read_secret(&spec.name).await?;
            }
            Step::Delete { expected_fingerprint } => {
                self.delete(expected_fingerprint.as_ref()).await?;
            }
            Step::ReadForRelease { account } => {
                let outcome = self.read_for_release(&account).await;
                self.observed.done.read_for_release = Some(attempted(outcome)?);
            }
            Step::ReleaseTag { account, arn } => {
                let outcome = self.release_tag(&account, &arn).await;
                self.observed.done.tag_release = Some(attempted(outcome)?);
            }
            Step::RemoveFinalizer { reason, message, abandons } => {
                self.publish_event(Severity::Normal, reason, &message).await;
                objects::remove_finalizer(api_server, &self.object, FINALIZER).await?;
                if abandons {
                    self.ctx.metrics.abandoned();
                }
                self.memory.forget(&self.desired.uid);
                return Ok(Some(Action::gone()));
            }
            Step::EndFollowUp { reason, message } => {
                tracing::warn!(%reason, "an object vanished although it had a finalizer: \
                                         {message}");
                self.ctx.metrics.vanished_ended("LightsailKeyPair", &reason.to_string());
                self.publish_event(Severity::Warning, reason, &message).await;
                self.memory.forget(&self.desired.uid);
                return Ok(Some(Action::gone()));
            }
            Step::Finish(verdict) => return self.publish(&verdict).await.map(Some),
            Step::Pause { reason, next } => return Ok(Some(Action::shows(reason, next))),
            Step::StartOver => return Err(Error::Conflict),
            Step::Leave => return Ok(Some(Action::gone())),
        }
        Ok(None)
    }

    async fn count_key_pairs(&mut self) -> Result<(), Error> {
        let list = self.shared_list().await?;
        let account_of = |lane: &str| self.ctx.directory.account_of(lane_parts(lane).1);
        // Two that are counted at the same time must not both take the last place.
        let (rows, scope) = (self.memory.rows.lock(), self.lightsail().scope());
        let mut within = self.memory.within_limit.lock();
        let desired = &self.desired;
        let owned = claim::owned(self.at, &rows, desired, scope, account_of, &list, &within);
        if desired.limits.have_room(owned) {
            within.insert(desired.uid.clone(), Digest::of(&desired.name));
        } else {
            within.remove(&desired.uid);
        }
        drop((within, rows));
        self.observed.owned = Some(owned);
        Ok(())
    }

    async fn shared_list(&self) -> lightsail::Result<Arc<Listing>> {
        let lane = claim::lane_of(&self.object);
        let needs = self.needs_of_list(&lane);
        shared_list(self.ctx, self.memory, &self.access().shared, &lane, needs).await
    }

    fn max_age_of_list(&self) -> Duration {
        plan::max_age_of_list_for(&self.desired, &self.observed)
    }

    /// The default pair is only found for sure in a list that asks for it.
    async fn read_pair_live(&mut self) -> Result<(), Error> {
        let (pair, at) = match &self.desired.pair {
            DesiredPair::Default { .. } => {
                let at = self.clocks.now();
                let list = self.ctx.inventory.list_live(&self.access().shared).await?;
                (list.find(&self.desired.name), at)
            }
            DesiredPair::Imported { .. } | DesiredPair::Generated { .. } => {
                self.note_own_read();
                let read = self.lightsail().find_key_pair(&self.desired.name).await?;
                self.correct_inventory(read.value.as_ref());
                (read.value, self.clocks.time_of(read.at))
            }
        };
        self.note_live_read(at, pair);
        Ok(())
    }

    async fn read_default_pair(&mut self) -> Result<(), Error> {
        let read = self.access().shared.find_listed(&self.desired.name).await?;
        self.correct_inventory(read.value.as_ref());
        self.note_live_read(self.clocks.time_of(read.at), read.value);
        Ok(())
    }

    fn note_live_read(&mut self, at: Timestamp, pair: Option<KeyPair>) {
        self.observed.pair = Some(PairRead { live: true, at, pair });
        self.observed.lightsail_date = self.lightsail().clock();
        self.observed.done.read_since_download = self.observed.done.download.is_some();
    }

    /// What is known by a change of one's own.
    fn learn(&mut self, pair: Option<KeyPair>) {
        self.correct_inventory(pair.as_ref());
        self.observed.pair = Some(PairRead { live: true, at: self.clocks.now(), pair });
    }

    fn correct_inventory(&self, pair: Option<&KeyPair>) {
        self.ctx.inventory.correct(&self.access().shared, &self.desired.name, pair);
    }

    /// From here on the pair that the import makes is known as this object's own, whatever becomes
    /// of this process. Until the import is sent, none can take effect.
    async fn write_intent(&mut self, key: &PublicKey) -> Result<(), Error> {
        let date = self.lightsail().clock();
        let status = status::intending(&self.object, &self.desired, &self.observed, key, date);
        // If the write is not answered, the new intent may be on record all the same, and nothing
        // was accepted under that one.
        if let Some(Some(sent)) = self.memory.imports.lock().get_mut(&self.desired.uid) {
            sent.accepted = false;
        }
        self.record(&status).await?;
        self.note_sent(None);
        self.observed.done.intent = Some(self.observed.now);
        Ok(())
    }

    async fn import(&mut self, key: &PublicKey) -> Result<(), Error> {
        let until = || Moment::now() + self.ctx.settings.effect_window();
        // Noted before the call is sent: its answer may never come.
        let sent = Sent { until: until(), accepted: false };
        self.memory.imports.lock().insert(self.desired.uid.clone(), Some(sent));
        let outcome = self.lightsail().import_key_pair(&self.desired.name, key.line()).await;
        // Counted from the answer: the call may have waited for its turn.
        let sent =
            plan::answer_to_import(&outcome).map(|accepted| Sent { until: until(), accepted });
        self.note_sent(sent);
        self.observed.done.import_refused = sent.is_none();
        self.observed.done.import = Some(outcome?);
        self.observed.done.import_answered = Some(self.clocks.now());
        self.observed.pair = None;
        Ok(())
    }

    fn note_sent(&mut self, sent: Option<Sent>) {
        self.memory.imports.lock().insert(self.desired.uid.clone(), sent);
        self.observed.sent = sent.map(|sent| observe::import_sent(&self.clocks, sent));
    }

    /// Sets tags by the name of the pair that was imported a moment ago. What comes of it is seen
    /// by the read that follows: a pair that is not there is none to be tagged.
    async fn tag_by_name(&mut self, tags: &BTreeMap<String, String>) -> Result<(), Error> {
        self.observed.done.tagged_by_name = true;
        match self.lightsail().tag_by_name(&self.desired.name, tags).await {
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(()),
            outcome => outcome?,
        }
        let (uid, lane, now) = (&self.desired.uid, claim::lane_of(&self.object), Instant::now());
        let mut crowds = self.memory.crowds.lock();
        crowds.note_named(uid, self.at, &lane, now);
        self.observed.crowd = crowds.crowd(uid, self.at, &lane, now);
        Ok(())
    }

    /// Which list will do for this object. One that waits for others reads a list for all of them
    /// whose walk begins now, if none is there that began after its pair was tagged.
    fn needs_of_list(&self, lane: &str) -> Needs {
        let mut crowds = self.memory.crowds.lock();
        let crowd = &self.observed.crowd;
        let Some(named_at) = crowds.named_at(&self.desired.uid).filter(|_| crowd.is_named) else {
            return Needs::NotOlder(self.max_age_of_list());
        };
        if !crowd.is_listed {
            crowds.spend(lane, crowd.pages);
        }
        Needs::Since(named_at)
    }

    /// An object reads its own pair, and no list for all that wait.
    fn note_own_read(&self) {
        if self.observed.crowd.is_named {
            self.memory.crowds.lock().spend(&claim::lane_of(&self.object), 1);
        }
    }

    /// A change found no pair, so it is read again, live.
    fn doubt(&mut self) {
        self.correct_inventory(None);
        self.observed.done.found_none = true;
        (self.observed.pair, self.observed.asked) = (None, true);
    }

    async fn tag(
        &mut self,
        mut pair: KeyPair,
        tags: BTreeMap<String, String>,
    ) -> Result<(), Error> {
        let outcome = self.lightsail().tag(&pair, &tags).await;
        if plan::needs_another_read(&self.observed, &outcome) {
            self.doubt();
            return Ok(());
        }
        outcome?;
        pair.tags.extend(tags.into_iter().map(|(key, value)| (key, Some(value))));
        self.learn(Some(pair));
        Ok(())
    }

    async fn remove_tags(&mut self, mut pair: KeyPair, keys: &[String]) -> Result<(), Error> {
        let outcome = self.lightsail().untag(&pair.name, &pair.arn, keys).await;
        if plan::needs_another_read(&self.observed, &outcome) {
            self.doubt();
            return Ok(());
        }
        outcome?;
        pair.tags.retain(|key, _| !keys.contains(key));
        self.learn(Some(pair));
        Ok(())
    }

    async fn set_aside(&mut self, name: String, key: &PrivateKey) -> Result<(), Error> {
        let spec = SecretSpec { name, ..SecretSpec::default() };
        self.observed.done.set_aside =
            match secret::create(&self.ctx.api_server, self.owner(), &spec, key).await {
                Ok(()) => SetAside::Copied,
                Err(Error::Conflict) => SetAside::NameTaken,
                Err(error) => return Err(error),
            };
        Ok(())
    }

    async fn delete(&mut self, expected_fingerprint: Option<&Fingerprint>) -> Result<(), Error> {
        let answer = self.lightsail().delete_key_pair(&self.desired.name, expected_fingerprint);
        self.observed.done.delete = answer.await?;
        if plan::shows_absence(&self.desired, self.observed.done.delete.as_ref()) {
            self.learn(None);
        } else {
            self.doubt();
        }
        Ok(())
    }

    async fn identify(&mut self) -> Result<(), Error> {
        let access = self.open().await?;
        let (inventory, max_age) = (&self.ctx.inventory, self.max_age_of_list());
        self.observed.list_at_hand = inventory.is_at_hand(&access.shared, max_age);
        self.observed.account = Some(access.account.id.clone());
        self.note_permission();
        self.access = Some(access);
        self.observed.rivals = self.rivals();
        Ok(())
    }

    async fn open(&self) -> lightsail::Result<Access> {
        let route = self.observed.grant.route();
        self.ctx.sessions.open(route, &self.desired.region, &self.at.namespace).await
    }

    /// The other objects that want the same, now that the account is known.
    fn rivals(&self) -> Vec<Rival> {
        let account_of = |lane: &str| self.ctx.directory.account_of(lane_parts(lane).1);
        let may_not = |at: &ObjectRef, row: &Row<PairClaim>| {
            let grant = self.ctx.directory.grant(&at.namespace, lane_parts(&row.lane).1);
            let desired = &self.desired;
            let has_acted = row.claim.as_ref().is_some_and(|claim| claim.has_acted);
            surely_refuses(&grant, &at.namespace, &desired.region, &desired.name, has_acted)
        };
        let own = self.observed.account.as_ref();
        claim::rivals(self.at, &self.memory.rows.lock(), &self.desired, own, account_of, may_not)
    }

    /// What the account allowed this object: as long as it is as it was, an object that is
    /// unchanged needs no reconciliation.
    fn note_permission(&self) {
        let permit = Permit::of(&self.observed.grant);
        self.memory.note_permit(&self.desired.uid, permit);
    }

    async fn region_for_release(&self, account: &AccountId) -> lightsail::Result<Lightsail> {
        self.open().await?.of_account(account)
    }

    async fn read_for_release(&self, account: &AccountId) -> lightsail::Result<Option<KeyPair>> {
        let attempt = async {
            let region = self.region_for_release(account).await?;
            Ok(region.find_key_pair(&self.desired.name).await?.value)
        };
        let outcome = tokio::time::timeout(RELEASE_TIMEOUT, attempt).await;
        outcome.unwrap_or_else(|_| Err(lightsail::Error::timeout()))
    }

    /// The ARN is sent along, so that a pair that took the name is not touched.
    async fn release_tag(&self, account: &AccountId, arn: &Arn) -> lightsail::Result<()> {
        let tags = [OWNER_TAG.to_owned()];
        let attempt = async {
            let region = self.region_for_release(account).await?;
            region.untag(&self.desired.name, arn, &tags).await
        };
        let outcome = tokio::time::timeout(RELEASE_TIMEOUT, attempt).await;
        outcome.unwrap_or_else(|_| Err(lightsail::Error::timeout()))
    }

    /// Writes a status before the step that it is about.
    async fn record(&mut self, status: &LightsailKeyPairStatus) -> Result<(), Error> {
        self.object = objects::write_status(&self.ctx.api_server, &self.object, status).await?;
        self.observed.recorded = record::recorded(&self.object);
        Ok(())
    }

    async fn publish_event(&self, severity: Severity, reason: Reason, note: &str) {
        objects::publish_event(self.ctx, &self.object, severity, reason, note).await;
    }

    /// Publishes this verdict alone, about a reconciliation that could not be finished.
    pub(super) async fn publish_unfinished(&self, verdict: &Verdict) -> Result<(), Error> {
        let before = self.object.status.clone().unwrap_or_default();
        let Some(status) = status::unfinished(&self.object, verdict, self.clocks.now()) else {
            return Ok(());
        };
        if status != before {
            objects::write_status(&self.ctx.api_server, &self.object, &status).await?;
        }
        if verdict.is_news(&before.conditions) {
            self.publish_event(verdict.severity(), verdict.reason, &verdict.message).await;
        }
        Ok(())
    }

    /// Writes the status if it changed, and an Event if the reason did.
    async fn publish(&mut self, verdict: &Verdict) -> Result<Action, Error> {
        let before = self.object.status.clone().unwrap_or_default();
        let status = status::status(&self.object, &self.desired, &self.observed, verdict);
        if status != before {
            objects::write_status(&self.ctx.api_server, &self.object, &status).await?;
        }
        let now = self.clocks.now();
        if let Some(seconds) = seconds_to_ready(&self.object, verdict.state, now) {
            self.ctx.metrics.became_ready("LightsailKeyPair", seconds);
        }
        if verdict.is_news(&before.conditions) {
            self.publish_event(verdict.severity(), verdict.reason, &verdict.message).await;
        }
        if status.arn.is_none() && status.import_intent.is_none() {
            // It imports nothing.
            self.memory.within_limit.lock().remove(&self.desired.uid);
        }
        if status.arn.is_some() {
            self.memory.imports.lock().remove(&self.desired.uid);
        }
        self.memory.crowds.lock().leave(&self.desired.uid);
        Ok(Action::shows(verdict.reason, verdict.next))
    }
}
