//! What the steps change: records in the status, the pair and its tags, copies of keys. Each notes
//! for the plan what is known by it.

use std::collections::BTreeMap;

use super::Run;
use crate::api::key_pair::KeyAlgorithm;
use crate::api::{LightsailKeyPair, LightsailKeyPairStatus};
use crate::clock::Moment;
use crate::engine::written::find_written;
use crate::engine::{Lookup, objects};
use crate::error::Error;
use crate::ids::Fingerprint;
use crate::key_pair::unrecorded::{ImportCall, Sent};
use crate::key_pair::world::{DesiredPair, PairRead, SetAside, shows_absence};
use crate::key_pair::{claim, observe, plan, record, status};
use crate::lightsail::{ErrorKind, Imported, KeyPair};
use crate::secret::{self, Found, SecretSpec};
use crate::ssh::{PrivateKey, PublicKey};

impl Run<'_> {
    /// From here on the pair that the import makes is known as this object's own, whatever becomes
    /// of this process. Until the import is sent, none can take effect.
    pub(super) async fn write_intent(&mut self, key: &PublicKey) -> Result<(), Error> {
        let date = self.lightsail().clock();
        let status = status::intending(&self.object, &self.desired, &self.observed, key, date);
        // If the write is not answered, the new intent may be on record all the same, and nothing
        // was accepted under that one.
        self.memory.edit(&self.desired.uid, |known| {
            if let ImportCall::Sent(sent) = &mut known.import {
                sent.accepted = false;
            }
        });
        // It may use its account, whatever it shows.
        self.memory.note_refusal(self.at, &self.desired.uid, false);
        self.record(&status).await?;
        self.note_sent(None);
        self.observed.done.intent = Some(self.observed.now);
        Ok(())
    }

    pub(super) async fn record_adoption(&mut self) -> Result<(), Error> {
        let status = status::adopting(&self.object, &self.desired, &self.observed);
        // As above.
        self.memory.note_refusal(self.at, &self.desired.uid, false);
        self.record(&status).await
    }

    pub(super) async fn import(&mut self, key: &PublicKey) -> Result<(), Error> {
        let until = || Moment::now() + self.ctx.settings.effect_window();
        // Noted before the call is sent: its answer may never come.
        let sent = Sent { until: until(), accepted: false };
        self.memory.edit(&self.desired.uid, |known| known.import = ImportCall::Sent(sent));
        // It may wait for minutes for its turn.
        let is_there = || self.memory.rows.lock().has_uid(self.at, &self.desired.uid);
        let is_wanted = || is_there() && !self.has_news();
        let import = self.lightsail().import_key_pair(&self.desired.name, key.line(), &is_wanted);
        let outcome = import.await;
        // Counted from the answer: the call may have waited for its turn.
        let sent =
            plan::answer_to_import(&outcome).map(|accepted| Sent { until: until(), accepted });
        self.note_sent(sent);
        self.observed.done.import_refused = sent.is_none();
        self.memory.edit(&self.desired.uid, |known| {
            known.has_failed |= plan::import_failed(&outcome);
            if let Ok(Imported::Accepted(operation)) = &outcome {
                known.begun = Some(Box::new(operation.clone()));
            }
        });
        let imported = outcome?;
        self.observed.done.import = Some(imported);
        self.observed.done.import_answered = Some(self.clocks.now());
        self.observed.pair = None;
        Ok(())
    }

    pub(super) fn note_sent(&mut self, sent: Option<Sent>) {
        self.memory.edit(&self.desired.uid, |known| known.import = sent.into());
        self.observed.sent = sent.map(|sent| observe::import_sent(&self.clocks, sent));
    }

    /// Sets tags by the name of the pair that was imported a moment ago. What comes of it is seen
    /// by the read that follows: a pair that is not there is none to be tagged.
    pub(super) async fn tag_by_name(
        &mut self,
        tags: &BTreeMap<String, String>,
    ) -> Result<(), Error> {
        self.observed.done.tagged_by_name = true;
        match self.lightsail().tag_by_name(&self.desired.name, tags).await {
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(()),
            outcome => outcome?,
        }
        let (uid, lane, now) = (&self.desired.uid, claim::lane_of(&self.object), Moment::now());
        self.memory.crowds.lock().note_named(uid, self.at, &lane, now);
        Ok(())
    }

    /// A change of tags found no pair, so it is read again, live.
    fn found_none(&mut self) {
        self.observed.done.found_none = true;
        self.read_again();
    }

    fn read_again(&mut self) {
        self.correct_inventory(None);
        self.observed.pair = None;
    }

    /// What is known by a change of one's own.
    fn learn(&mut self, pair: Option<KeyPair>) {
        self.correct_inventory(pair.as_ref());
        self.observed.pair = Some(PairRead { live: true, at: self.clocks.now(), pair });
    }

    pub(super) fn correct_inventory(&self, pair: Option<&KeyPair>) {
        self.ctx.inventory.correct(&self.opened().shared, &self.desired.name, pair);
    }

    pub(super) async fn tag(
        &mut self,
        mut pair: KeyPair,
        tags: BTreeMap<String, String>,
    ) -> Result<(), Error> {
        let outcome = self.lightsail().tag(&pair, &tags).await;
        if plan::needs_another_read(&self.observed, &outcome) {
            self.found_none();
            return Ok(());
        }
        outcome?;
        pair.tags.extend(tags.into_iter().map(|(key, value)| (key, Some(value))));
        self.learn(Some(pair));
        Ok(())
    }

    pub(super) async fn remove_tags(
        &mut self,
        mut pair: KeyPair,
        keys: &[String],
    ) -> Result<(), Error> {
        let outcome = self.lightsail().untag(&pair.name, &pair.arn, keys).await;
        if plan::needs_another_read(&self.observed, &outcome) {
            self.found_none();
            return Ok(());
        }
        outcome?;
        pair.tags.retain(|key, _| !keys.contains(key));
        self.learn(Some(pair));
        Ok(())
    }

    pub(super) async fn generate(&mut self, algorithm: KeyAlgorithm) -> Result<(), Error> {
        // It may wait for others. Giving up is safe: nobody has seen the key.
        let key = tokio::select! {
            key = self.ctx.key_maker.make(&self.at.namespace, algorithm) => key?,
            () = self.ctx.stop.cancelled() => return Err(Error::Stopping),
        };
        self.observed.done.generated = Some(key);
        Ok(())
    }

    pub(super) async fn write_secret(
        &mut self,
        spec: &SecretSpec,
        found: Option<&Found>,
        key: &PrivateKey,
        keep_public_half: bool,
    ) -> Result<(), Error> {
        let (api_server, owner) = (&self.ctx.api_server, self.owner());
        let written = match found {
            Some(found) => secret::replace(api_server, owner, spec, found, key, keep_public_half)
                .await
                .map(|()| None),
            None => secret::create(api_server, owner, spec, key).await.map(Some),
        };
        if matches!(written, Err(Error::SecretRejected { .. }))
            && let DesiredPair::Generated { algorithm, .. } = self.desired.pair
            && let Some(key) = self.observed.done.generated.take()
        {
            self.ctx.key_maker.give_back(&self.at.namespace, algorithm, key);
        }
        if let Some(created) = written? {
            self.memory.edit(&self.desired.uid, |known| {
                known.created_secret = Some(created.clone());
            });
            self.observed.created_secret = Some(created);
        }
        self.observed.done.wrote_secret = true;
        self.read_secret(&spec.name).await
    }

    /// What was read of the Secrets is not so any more.
    pub(super) async fn disown_secret(&mut self, found: &Found) -> Result<(), Error> {
        secret::disown(&self.ctx.api_server, self.owner(), found).await?;
        self.observed.done.disowned.push(found.name.clone());
        self.observed.secret = Lookup::Unread;
        self.observed.former_secret = Lookup::Unread;
        Ok(())
    }

    pub(super) async fn set_aside(&mut self, name: String, key: &PrivateKey) -> Result<(), Error> {
        let spec = SecretSpec { name, ..SecretSpec::default() };
        self.observed.done.set_aside =
            match secret::create(&self.ctx.api_server, self.owner(), &spec, key).await {
                Ok(_) => SetAside::Copied,
                Err(Error::Conflict) => SetAside::NameTaken,
                Err(error) => return Err(error),
            };
        Ok(())
    }

    /// One that is not answered may create the pair again after it was deleted. One that is may
    /// have created a pair that no list shows yet.
    pub(super) async fn download(&mut self) -> Result<(), Error> {
        let answer = self.lightsail().download_default_key_pair().await;
        let until = Moment::now() + self.ctx.settings.settle_time;
        if plan::may_still_take_effect(&answer) {
            let (scope, name) = (self.lightsail().scope(), &self.desired.name);
            self.memory.downloads.lock().note(scope, name, Some(until));
        }
        self.observed.done.download = Some(answer?);
        if plan::may_be_unlisted(&self.observed) {
            self.memory.edit(&self.desired.uid, |known| known.unlisted_until = Some(until));
        }
        Ok(())
    }

    pub(super) async fn delete(
        &mut self,
        expected_fingerprint: Option<&Fingerprint>,
    ) -> Result<(), Error> {
        let until = || Moment::now() + self.ctx.settings.settle_time;
        let pair = self.observed.pair.as_ref().and_then(|read| read.pair.clone());
        let answer = self.lightsail().delete_key_pair(&self.desired.name, expected_fingerprint);
        let answer = answer.await;
        if let Some(pair) = pair.filter(|_| plan::may_have_deleted(&answer)) {
            self.memory.deleted.lock().note(self.lightsail().scope(), &pair, until());
        }
        // The reconciliation may be given up meanwhile, but then the process ends.
        self.note_deletion(plan::may_still_take_effect(&answer).then(until));
        self.memory.edit(&self.desired.uid, |known| {
            known.has_failed |= plan::deletion_failed(&answer);
            if let Ok(Some(operation)) = &answer {
                known.begun = Some(Box::new(operation.clone()));
            }
        });
        self.observed.done.delete = answer?;
        if shows_absence(self.observed.done.delete.as_ref()) {
            self.learn(None);
        } else {
            self.observed.done.found_none |= self.observed.done.delete.is_none();
            self.read_again();
        }
        Ok(())
    }

    /// Until when a deletion may still take effect that was sent and not answered.
    fn note_deletion(&mut self, until: Option<Moment>) {
        let (scope, name) = (self.lightsail().scope(), &self.desired.name);
        self.memory.deletions.lock().note(scope, name, until);
        self.observed.deletion_may_follow = until.map(|until| self.clocks.time_of(until));
    }

    /// Writes a status before the step that it is about, which relies on it.
    pub(super) async fn record(&mut self, status: &LightsailKeyPairStatus) -> Result<(), Error> {
        let api_server = &self.ctx.api_server;
        self.object = match objects::write_status(api_server, &self.object, status).await {
            Ok(object) => object,
            Err(failure) => {
                let is_written = |read: &LightsailKeyPair| read.status.as_ref() == Some(status);
                find_written(api_server, &self.object, failure, is_written).await?
            }
        };
        let begun = self.observed.begun.as_ref();
        self.observed.recorded = record::recorded_and_begun(&self.object, begun);
        record::lost(status, self.object.status.as_ref())
            .map_or(Ok(()), |field| Err(Error::NotKept(field)))
    }
}
