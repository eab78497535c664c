//! The steps of an import: its intent, the call, and how its pair is tagged and found.

use std::collections::BTreeMap;
use std::time::Instant;

use super::super::memory::Sent;
use super::super::observe::Needs;
use super::super::{claim, observe, plan, status};
use super::Run;
use crate::clock::Moment;
use crate::error::Error;
use crate::lightsail::ErrorKind;
use crate::ssh::PublicKey;

impl Run<'_> {
    /// From here on the pair that the import makes is known as this object's own, whatever becomes
    /// of this process. Until the import is sent, none can take effect.
    pub(super) async fn write_intent(&mut self, key: &PublicKey) -> Result<(), Error> {
        let (account, date) = (self.observed.account.as_ref(), self.lightsail().clock());
        let status = status::intending(&self.object, &self.desired, account, key, date);
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

    pub(super) async fn import(&mut self, key: &PublicKey) -> Result<(), Error> {
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

    pub(super) fn note_sent(&mut self, sent: Option<Sent>) {
        self.memory.imports.lock().insert(self.desired.uid.clone(), sent);
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
        let (uid, lane, now) = (&self.desired.uid, claim::lane_of(&self.object), Instant::now());
        let mut crowds = self.memory.crowds.lock();
        crowds.note_named(uid, self.at, &lane, now);
        self.observed.crowd = crowds.crowd(uid, self.at, &lane, now);
        Ok(())
    }

    /// Which list will do for this object. One that waits for others reads a list for all of them
    /// whose walk begins now, if none is there that began after its pair was tagged.
    pub(super) fn needs_of_list(&self, lane: &str) -> Needs {
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
    pub(super) fn note_own_read(&self) {
        if self.observed.crowd.is_named {
            self.memory.crowds.lock().spend(&claim::lane_of(&self.object), 1);
        }
    }
}
