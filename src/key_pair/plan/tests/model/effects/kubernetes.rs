//! What a step does to the object, its Secret and other things of Kubernetes.

use super::*;

impl At<'_> {
    /// Reads of Kubernetes, and of what the model does not vary.
    pub(super) fn read(&mut self, act: Act, fate: Fate) -> Option<Then> {
        if fate != Fate::Fine {
            return None;
        }
        let (secret, source, uid) = (self.state.secret, self.state.source, self.uid());
        let (kept, copy_taken) = (self.state.kept, self.state.copy_taken);
        let memory = &mut self.state.processes[self.process].missing[uid];
        let is_missing = match act {
            Act::ReadSource => source.is_none(),
            Act::ReadSecret => secret.is_none_or(|it| it.key.is_none() || it.unreadable),
            _ => false,
        };
        if matches!(act, Act::ReadSource | Act::ReadSecret) {
            *memory = match (is_missing, *memory) {
                (false, _) => Missing::No,
                (true, Missing::No) => Missing::Recent,
                (true, since) => since,
            };
        }
        let missing = *memory;
        let run = self.run();
        match act {
            Act::ReadSource => {
                run.source = source.map_or(Found::Absent, Found::There);
                run.missing = missing;
            }
            Act::ReadSecret => {
                run.secret = secret.map_or(Found::Absent, Found::There);
                (run.missing, run.secret_outdated) = (missing, false);
            }
            Act::ReadCopy => {
                let key = match run.secret { Found::There(secret) => secret.key, _ => None };
                let copy = key.filter(|key| kept[*key as usize]);
                run.copy = match (copy, copy_taken) {
                    (Some(key), _) => Found::There(Some(key)),
                    (None, true) => Found::There(None),
                    (None, false) => Found::Absent,
                };
            }
            Act::FindWindowsInstances => (run.windows_read, run.secret) = (true, Found::Unread),
            _ => run.namespace_read = true,
        }
        Some(Then::GoOn)
    }

    /// A write of the object under the version that was read. `None` if it fails for that.
    pub(super) fn write(&mut self, change: impl FnOnce(&mut Object)) -> Option<()> {
        let (place, slot, read) = (self.place, self.slot, *self.run());
        let object = self.state.objects[place].as_mut()?;
        if read.outdated || object.uid != read.object.uid {
            return None;
        }
        change(object);
        let object = *object;
        self.state.outdate(place);
        let run = self.state.runs[slot].as_mut()?;
        (run.object, run.outdated) = (object, false);
        Some(())
    }

    /// The run ends by a conflict, or as the object is gone.
    pub(super) fn conflict(&mut self, decision: &Decision) -> Option<Then> {
        if decision.is_left_behind {
            let (object, sent, place) = (self.run().object, self.run().sent, self.place);
            self.note_sent(sent);
            self.state.processes[self.process].vanished[place] = Some(object);
        }
        Some(Then::End)
    }

    pub(super) fn record(&mut self, decision: &Decision, fate: Fate) -> Option<Then> {
        let is_intent = matches!(decision.act, Act::WriteIntent(_));
        let is_finalizer = decision.act == Act::AddFinalizer;
        let record = decision.record;
        if is_intent {
            let (uid, process) = (self.uid(), self.process);
            self.state.processes[process].sent[uid].forget_answer();
        }
        match fate {
            Fate::LostBefore => return Some(Then::End),
            Fate::Fine | Fate::LostAfter => {}
            Fate::Late | Fate::Slow | Fate::Throttled | Fate::Denied | Fate::Stale => return None,
        }
        let written = self.write(|object| {
            if is_finalizer { object.finalizer = true } else { object.record = record }
            object.intent_open = is_intent || object.intent_open && record.intent.is_some();
        });
        if written.is_none() {
            return self.conflict(decision);
        }
        if is_intent {
            let uid = self.run().object.uid;
            self.state.forget_window(uid);
        }
        if fate == Fate::LostAfter {
            return Some(Then::End);
        }
        self.run().finalizer_new |= is_finalizer;
        if is_intent {
            self.run().intent_written = true;
            self.note_sent(Sent::No);
        }
        Some(Then::GoOn)
    }

    pub(super) fn publish(&mut self, decision: &Decision, fate: Fate) -> Option<Then> {
        let record = decision.record;
        match fate {
            Fate::LostBefore => return Some(Then::End),
            Fate::Fine | Fate::LostAfter => {}
            Fate::Late | Fate::Slow | Fate::Throttled | Fate::Denied | Fate::Stale => return None,
        }
        let written = self.write(|object| {
            object.record = record;
            object.intent_open &= record.intent.is_some();
        });
        if written.is_none() {
            return self.conflict(decision);
        }
        if fate == Fate::Fine {
            let (uid, process) = (self.uid(), self.process);
            self.state.processes[process].named[uid] = false;
            if record.id.is_some() {
                self.note_sent(Sent::Unknown);
            }
        }
        Some(Then::End)
    }

    pub(super) fn set_aside(&mut self, key: Key, fate: Fate) -> Option<Then> {
        let is_taken = self.state.kept[key as usize] || self.state.copy_taken;
        match fate {
            Fate::LostBefore => return Some(Then::End),
            Fate::LostAfter if is_taken => return None,
            Fate::Fine | Fate::LostAfter => {}
            Fate::Late | Fate::Slow | Fate::Throttled | Fate::Denied | Fate::Stale => return None,
        }
        if !is_taken {
            self.state.kept[key as usize] = true;
        }
        self.run().copied = if is_taken { Copied::NameTaken } else { Copied::Yes };
        Some(if fate == Fate::Fine { Then::GoOn } else { Then::End })
    }

    pub(super) fn write_secret(&mut self, key: Key, owner: bool, decision: &Decision,
        fate: Fate) -> Option<Then> {
        match fate {
            Fate::LostBefore => return Some(Then::End),
            Fate::Fine | Fate::LostAfter => {}
            Fate::Late | Fate::Slow | Fate::Throttled | Fate::Denied | Fate::Stale => return None,
        }
        let (run, there) = (*self.run(), self.state.secret);
        let is_create = run.secret == Found::Absent;
        let owner = owner.then_some(run.object.uid);
        let secret = match there {
            None if is_create => Secret { key: Some(key), annotation: Annotation::Own,
                created: true, owner, terminating: false, unreadable: false },
            Some(there) if !is_create && !run.secret_outdated => {
                Secret { key: Some(key), annotation: Annotation::Own, owner, unreadable: false,
                    ..there }
            }
            None | Some(_) => return self.conflict(decision),
        };
        self.state.set_secret(Some(secret));
        if fate == Fate::LostAfter {
            return Some(Then::End);
        }
        self.read(Act::ReadSecret, Fate::Fine)
    }

    pub(super) fn disown_secret(&mut self, decision: &Decision, fate: Fate) -> Option<Then> {
        match fate {
            Fate::LostBefore => return Some(Then::End),
            Fate::Fine | Fate::LostAfter => {}
            Fate::Late | Fate::Slow | Fate::Throttled | Fate::Denied | Fate::Stale => return None,
        }
        let is_outdated = self.run().secret_outdated;
        match self.state.secret {
            Some(there) if !is_outdated => {
                self.state.set_secret(Some(Secret { owner: None, ..there }));
            }
            None | Some(_) => return self.conflict(decision),
        }
        if fate == Fate::LostAfter {
            return Some(Then::End);
        }
        self.run().secret = Found::Unread;
        Some(Then::GoOn)
    }

    pub(super) fn remove_finalizer(&mut self, fate: Fate) -> Option<Then> {
        match fate {
            Fate::LostBefore => return Some(Then::End),
            Fate::Fine | Fate::LostAfter => {}
            Fate::Late | Fate::Slow | Fate::Throttled | Fate::Denied | Fate::Stale => return None,
        }
        if self.write(|object| object.finalizer = false).is_some() {
            self.state.object_is_gone(self.place, false);
        }
        Some(Then::End)
    }
}
