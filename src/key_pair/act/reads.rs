//! What the steps read: the pair, alone and in lists; what the spec refers to; and who else wants
//! the same. Each notes for the plan what it found.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use super::Run;
use crate::api::Operation;
use crate::clock::Moment;
use crate::digest::Digest;
use crate::engine::rows::Row;
use crate::engine::{Lookup, ObjectRef, objects};
use crate::error::Error;
use crate::ids::LaneId;
use crate::key_pair::claim::{self, PairClaim};
use crate::key_pair::memory::Allowance;
use crate::key_pair::observe::shared_list;
use crate::key_pair::plan;
use crate::key_pair::room::Waits;
use crate::key_pair::world::{
    DeletedPair, DesiredPair, PairRead, PublicKeySource, Rival, SourceKind, SourceRef,
};
use crate::lightsail::{self, KeyPair, ListNeeds, Listing, OpenedRegion};
use crate::secret::{self, DataValue};

impl Run<'_> {
    /// What is missing is remembered with the time at which it was missed first.
    pub(super) async fn read_source(&self, at: &SourceRef) -> Result<PublicKeySource, Error> {
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
                PublicKeySource::Missing { since: self.missing_since(at), has_object: false }
            }
            DataValue::NoKey => {
                PublicKeySource::Missing { since: self.missing_since(at), has_object: true }
            }
        })
    }

    pub(super) async fn read_secret(&mut self, name: &str) -> Result<(), Error> {
        let found = secret::find(&self.ctx.api_server, self.owner(), name).await?;
        if found.as_ref().is_some_and(|found| found.is_own) {
            self.memory.edit(&self.desired.uid, |known| known.created_secret = None);
        }
        if found.as_ref().is_some_and(|found| found.key.is_some()) {
            self.memory.missing.lock().remove(&self.desired.uid);
            self.observed.key_missing_since = None;
        } else {
            let (name, key) = (name.to_owned(), secret::PRIVATE_KEY.to_owned());
            let at = SourceRef { kind: SourceKind::Secret, name, key };
            self.observed.key_missing_since = Some(self.missing_since(&at));
        }
        self.observed.secret = Lookup::from(found);
        Ok(())
    }

    pub(super) async fn read_operation(
        &mut self,
        id: &str,
        is_waited_for: bool,
    ) -> Result<(), Error> {
        let answer = self.lightsail().find_operation(id).await;
        self.observed.operation = plan::looked_up(&self.desired, is_waited_for, answer)?;
        let has_failed = self.observed.operation.found().is_some_and(Operation::failed);
        self.memory.edit(&self.desired.uid, |known| known.has_failed |= has_failed);
        Ok(())
    }

    pub(super) async fn find_windows_instances(&mut self) -> Result<(), Error> {
        let instances = self.lightsail().windows_instances_with_default_key().await?;
        self.observed.windows_instances = Some(instances);
        // That has many pages. A backup must be there when the pair is deleted, and stay.
        (self.observed.secret, self.observed.namespace_terminating) = (Lookup::Unread, None);
        // What the plan did without may succeed with the Secret that is read now.
        self.observed.failure = None;
        Ok(())
    }

    pub(super) async fn count_key_pairs(&mut self) -> Result<(), Error> {
        let (lane, uid) = (claim::lane_of(&self.object), &self.desired.uid);
        let most_pages = plan::pages_for_count(&self.observed);
        let needs = self.needs_of_list(&lane, most_pages);
        self.observed.counts_at = self.counts_at();
        if self.observed.counts_at.is_some() {
            return Ok(());
        }
        let most_age = plan::max_age_to_count(&self.desired);
        let needs = needs.to_count(most_age, self.counts_since());
        let Some(list) = self.shared_list(needs).await? else {
            self.note_long_list();
            return Ok(());
        };
        let account_of = |lane: &LaneId| self.ctx.directory.account_of(lane.account());
        // Two that are counted at the same time must not both take the last place.
        let (mut rows, scope) = (self.memory.rows.lock(), self.lightsail().scope());
        // Others would not know that it counts.
        if !rows.has_uid(self.at, uid) {
            return Err(Error::Conflict);
        }
        // An object may have left its pair behind while the list was read.
        if self.counts_since().is_some_and(|since| list.started_at() < since) {
            drop(rows);
            self.observed.counts_at = self.counts_at();
            return Ok(());
        }
        let (mut room, desired) = (self.memory.room.lock(), &self.desired);
        let owned = claim::owned(self.at, &rows, desired, scope, account_of, &list, room.places());
        if desired.limits.have_room(owned) {
            room.take_place(self.at, &lane, uid, Digest::of(&desired.name));
        } else {
            let created_at = desired.created_at;
            let waits = Waits { at: self.at, lane: &lane, uid, created_at };
            self.memory.wait_for_room(&mut rows, &mut room, waits);
        }
        self.observed.neighbors = rows.count_in(&self.at.namespace);
        drop((room, rows));
        self.observed.owned = Some(owned);
        Ok(())
    }

    pub(super) async fn read_pair_in_list(&mut self) -> Result<(), Error> {
        let at = self.clocks.now();
        let most_pages = plan::pages_for_pair(&self.desired, &self.observed);
        let needs = self.needs_of_list(&claim::lane_of(&self.object), most_pages);
        match self.shared_list(needs).await? {
            Some(list) => {
                let pair = list.find(&self.desired.name);
                self.observed.pair = Some(PairRead { live: false, at, pair });
            }
            None => self.note_long_list(),
        }
        Ok(())
    }

    /// When the list may be read that shows what was left behind, or that has gone, if that is not
    /// now.
    fn counts_at(&self) -> Option<Timestamp> {
        let shared = &self.opened().shared;
        let may_be_read = |since| self.ctx.inventory.may_be_read_since(shared, since);
        self.counts_since().and_then(may_be_read).map(|at| self.clocks.time_of(at))
    }

    /// Since when a list tells how many pairs there are, if that matters: an object of the
    /// namespace may have left its pair behind, or made room for this one's.
    fn counts_since(&self) -> Option<Moment> {
        let (uid, room) = (&self.desired.uid, self.memory.room.lock());
        let has_place = plan::has_its_place(&self.observed.recorded, room.has_place(uid));
        let left_at = self.memory.left_at(&self.at.namespace).filter(|_| !has_place);
        left_at.max(room.since(uid))
    }

    /// The shared list, unless it has more pages than are needed. An object that is changed
    /// meanwhile starts over.
    async fn shared_list(&self, needs: ListNeeds) -> Result<Option<Arc<Listing>>, Error> {
        let lane = claim::lane_of(&self.object);
        tokio::select! {
            biased;
            list = shared_list(self.ctx, self.memory, &self.opened().shared, &lane, needs) => {
                Ok(list?)
            }
            () = self.changed.cancelled() => Err(Error::Conflict),
        }
    }

    fn note_long_list(&mut self) {
        // The one at hand, if any, does not do.
        (self.observed.list_takes_long, self.observed.list_at_hand) = (true, false);
        self.observed.list_pages = self.ctx.inventory.pages(&self.opened().shared);
    }

    fn max_age_of_list(&self) -> Duration {
        plan::max_age_of_list_for(&self.desired, &self.observed)
    }

    /// The default pair is only found for sure in a list that asks for it.
    pub(super) async fn read_pair_live(&mut self) -> Result<(), Error> {
        let (pair, at) = match &self.desired.pair {
            DesiredPair::Default { .. } => {
                let at = self.clocks.now();
                let list = self.ctx.inventory.list_live(&self.opened().shared).await?;
                (list.find_for_sure(&self.desired.name)?, at)
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

    pub(super) async fn read_default_pair(&mut self) -> Result<(), Error> {
        let read = self.opened().shared.find_listed(&self.desired.name).await?;
        self.correct_inventory(read.value.as_ref());
        self.note_live_read(self.clocks.time_of(read.at), read.value);
        Ok(())
    }

    fn note_live_read(&mut self, at: Timestamp, pair: Option<KeyPair>) {
        if pair.is_some() {
            self.memory.edit(&self.desired.uid, |known| known.unlisted_until = None);
            self.observed.unlisted_until = None;
        }
        let was_live = self.observed.pair.as_ref().is_some_and(|read| read.live);
        self.observed.done.repeated_reads += usize::from(was_live);
        self.observed.pair = Some(PairRead { live: true, at, pair });
        // Another object may have deleted it since this reconciliation began.
        self.note_deleted();
        self.observed.lightsail_date = self.lightsail().clock();
        self.observed.done.read_since_download = self.observed.done.download.is_some();
    }

    /// Which list will do for this object. One that waits for others reads a list for all of them
    /// whose walk begins now, if none is there that began after its pair was tagged.
    fn needs_of_list(&self, lane: &LaneId, most_pages: usize) -> ListNeeds {
        let mut crowds = self.memory.crowds.lock();
        let crowd = &self.observed.crowd;
        let Some(named_at) = crowds.named_at(&self.desired.uid).filter(|_| crowd.is_named) else {
            return ListNeeds { max_age: self.max_age_of_list(), since: None, most_pages };
        };
        if !crowd.is_listed {
            crowds.spend(lane, crowd.pages);
        }
        ListNeeds { max_age: Duration::MAX, since: Some(named_at), most_pages: usize::MAX }
    }

    /// An object reads its own pair, and no list for all that wait.
    fn note_own_read(&self) {
        if self.observed.crowd.is_named {
            self.memory.crowds.lock().spend(&claim::lane_of(&self.object), 1);
        }
    }

    pub(super) async fn identify(&mut self) -> Result<(), Error> {
        let opened = self.open().await?;
        let (inventory, max_age) = (&self.ctx.inventory, self.max_age_of_list());
        self.observed.list_at_hand = inventory.is_at_hand(&opened.shared, max_age);
        self.observed.list_pages = inventory.pages(&opened.shared);
        let account = opened.account.id.clone();
        self.observed.account = Some(account);
        self.note_permission();
        self.opened = Some(opened);
        self.note_deleted();
        self.observed.rivals = self.rivals();
        Ok(())
    }

    pub(super) async fn open(&self) -> lightsail::Result<OpenedRegion> {
        let route = self.observed.grant.route();
        self.ctx.sessions.open(route, &self.desired.region, &self.at.namespace).await
    }

    fn note_deleted(&mut self) {
        let (scope, name) = (self.lightsail().scope(), &self.desired.name);
        let deleted = self.memory.deleted.lock().find(scope, name);
        self.observed.deleted =
            deleted.map(|(pair, until)| DeletedPair { pair, until: self.clocks.time_of(until) });
    }

    /// Notes who wants the same now. Returns whether the plan does not know that yet.
    pub(super) fn has_new_rivals(&mut self) -> bool {
        let rivals = self.rivals();
        let are_new = rivals != self.observed.rivals;
        self.observed.rivals = rivals;
        are_new
    }

    /// The other objects that want the same, now that the account is known.
    fn rivals(&self) -> Vec<Rival> {
        let account_of = |lane: &LaneId| self.ctx.directory.account_of(lane.account());
        let may_not = |at: &ObjectRef, row: &Row<PairClaim>| {
            let grant = self.ctx.directory.grant(&at.namespace, row.lane.account());
            claim::surely_refused(&grant, &self.at.namespace, &self.desired, at, row)
        };
        let (own, rows) = (self.observed.account.as_ref(), self.memory.rows.lock());
        let pair = self.observed.pair.as_ref().and_then(|read| read.pair.as_ref());
        let rivals = claim::rivals(self.at, &rows, &self.desired, own, pair, account_of, may_not);
        let unreadable = claim::unreadable_rival(&rows, &self.desired.uid, pair);
        rivals.into_iter().chain(unreadable).collect()
    }

    /// What the account allowed this object: as long as it is as it was, an object that is
    /// unchanged needs no reconciliation.
    fn note_permission(&self) {
        let allowance = Allowance::of(&self.observed.grant);
        self.memory.note_allowance(&self.desired.uid, allowance);
    }

    fn missing_since(&self, what: &SourceRef) -> Timestamp {
        self.clocks.time_of(self.memory.missing_since(&self.desired.uid, what))
    }
}
