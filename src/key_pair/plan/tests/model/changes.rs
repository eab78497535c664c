//! What changes in the model's world, whoever does it.

use super::world::{Delayed, Maker, Missing, Object, Pair, Role, Secret, Sent, State, Tag, UIDS};

impl State {
    /// Somebody changed the object of this place: what was read of it is not so any more.
    pub(super) fn outdate(&mut self, place: usize) {
        let uid = self.objects[place].map(|object| object.uid);
        for run in self.runs.iter_mut().flatten() {
            run.outdated |= uid == Some(run.object.uid);
        }
    }

    pub(super) fn set_secret(&mut self, secret: Option<Secret>) {
        self.secret = secret;
        self.runs.iter_mut().flatten().for_each(|run| run.secret_outdated = true);
    }

    pub(super) fn set_tag(&mut self, tag: Tag, by_others: bool) {
        if let Some(pair) = self.pair {
            let pair = Pair { tag, tagged_by_others: by_others, ..pair };
            self.set_pair(Some(pair));
        }
    }

    /// A new intent begins: what is there was made before its window.
    pub(super) fn forget_window(&mut self, uid: u8) {
        for pair in self.pair.iter_mut().chain(self.earlier.as_mut().and_then(Option::as_mut)) {
            pair.within[usize::from(uid)] = false;
        }
    }

    /// An object is gone. The watch tells the process that leads.
    pub(super) fn object_is_gone(&mut self, place: usize, with_finalizer: bool) {
        let Some(object) = self.objects[place].take() else { return };
        let uid = usize::from(object.uid);
        for run in self.runs.iter_mut().flatten() {
            run.outdated |= run.object.uid == object.uid;
        }
        for process in &mut self.processes {
            if with_finalizer && process.role.leads() {
                process.vanished[place] = Some(object);
            }
            if process.vanished[place].is_none_or(|vanished| vanished.uid != object.uid) {
                (process.sent[uid], process.missing[uid]) = (Sent::Unknown, Missing::No);
                process.named[uid] = false;
            }
        }
    }

    /// Whether the Secret is on its way out. The garbage collector takes that of an object that is
    /// gone, and takes its time.
    pub(super) fn secret_goes(&self) -> bool {
        let is_there = |uid| self.objects.iter().flatten().any(|object| object.uid == uid);
        self.secret.is_some_and(|secret| {
            secret.terminating || secret.owner.is_some_and(|uid| !is_there(uid))
        })
    }

    /// Where no intent is on record, nothing can be in its window.
    fn forget_windows(&mut self) {
        let mut has_intent = [false; UIDS];
        for object in self.known_objects() {
            has_intent[usize::from(object.uid)] |= object.record.intent.is_some();
        }
        if let Some(pair) = &mut self.pair {
            (0..UIDS).for_each(|uid| pair.within[uid] &= has_intent[uid]);
        }
    }

    /// A request that was sent earlier takes effect, if it still can.
    pub(super) fn land(&mut self) {
        match (self.delayed.take(), self.pair) {
            (Some(Delayed::Import { key, uid }), None) => {
                self.create(key, self.listed, Maker::Object(uid));
            }
            (Some(Delayed::Download { uid, .. }), None) => {
                if let Some(key) = self.new_key() {
                    self.create(key, self.listed, Maker::Object(uid));
                }
            }
            (Some(Delayed::Delete { expected, .. }), Some(pair)) if !pair.refuses(expected) => {
                self.set_pair(None);
            }
            (Some(_) | None, _) => {}
        }
    }

    /// What does not hold if the request that was sent earlier takes effect now.
    pub(super) fn broken_by_landing(&self) -> Option<&'static str> {
        match (self.delayed?, self.pair) {
            (Delayed::Delete { uid, id, expected }, Some(pair)) => {
                let is_made_since = pair.id != id && pair.maker == Maker::Object(uid);
                // A process that has just begun to lead knows by what is not modeled here.
                let leads_newly = self.processes.iter().any(|it| it.role == Role::LeadsNewly);
                (is_made_since && !leads_newly && !pair.refuses(expected))
                    .then_some("I1: a late deletion takes a pair that was made since")
            }
            (Delayed::Download { gone: true, .. }, None) => {
                Some("I5: a late download brings back a pair that was deleted")
            }
            (Delayed::Import { .. } | Delayed::Delete { .. } | Delayed::Download { .. }, _) => None,
        }
    }

    /// So much time that nothing that was sent can take effect any more, that Leases have run out
    /// and that patience is over. A shared list may be older still.
    pub(super) fn let_time_pass(&mut self) {
        let over = |sent: &mut Sent| if let Sent::Open { accepted } = *sent {
            *sent = Sent::Over { accepted };
        };
        let long = |missing: &mut Missing| if *missing == Missing::Recent {
            *missing = Missing::Long;
        };
        for process in &mut self.processes {
            process.sent.iter_mut().for_each(over);
            process.missing.iter_mut().for_each(long);
            (process.deletion_open, process.download_open) = (false, false);
            process.vanished.iter_mut().flatten().for_each(Object::let_time_pass);
            if process.role == Role::LeadsNewly {
                process.role = Role::Leads;
            }
        }
        for run in self.runs.iter_mut().flatten() {
            if let Some(read) = &mut run.pair {
                read.early |= matches!(run.sent, Sent::Open { .. });
                read.old = true;
            }
            over(&mut run.sent);
            long(&mut run.missing);
            run.object.let_time_pass();
            run.intent_written = false;
            (run.deletion_open, run.download_open, run.predecessors) = (false, false, false);
        }
        self.objects.iter_mut().flatten().for_each(Object::let_time_pass);
        self.forget_windows();
        if let Some(pair) = &mut self.pair {
            pair.recent = false;
        }
    }
}

impl Object {
    fn let_time_pass(&mut self) {
        (self.intent_open, self.record.deleted) = (false, false);
    }
}
