//! What a step does to the model's world, as `act` does it to the real one, whatever becomes of
//! the request and its answer.

use super::view::{Act, Decision};
use super::world::{Annotation, Answer, Copied, Delayed, Failure, Found, Maker, Missing, Object,
    Pair, Read, Run, Secret, Seen, Sent, State, Tag};
use super::super::State as Shown;

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Fine,
    /// It is never carried out, and not answered.
    LostBefore,
    /// It is carried out, and not answered.
    LostAfter,
    /// It is not answered, and may be carried out later.
    Late,
    /// It is accepted, and carried out later.
    Slow,
    Throttled,
    Denied,
    /// The read shows what was before.
    Stale,
}

/// A run between two steps, in the world that it is in.
pub(super) struct At<'a> {
    pub(super) state: &'a mut State,
    pub(super) slot: usize,
    pub(super) process: usize,
    pub(super) place: usize,
}

/// Whether the run goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then { GoOn, End }

impl At<'_> {
    fn run(&mut self) -> &mut Run {
        self.state.runs[self.slot].as_mut().expect("there is a run")
    }

    fn uid(&mut self) -> usize {
        usize::from(self.run().object.uid)
    }

    fn note_sent(&mut self, sent: Sent) {
        let (uid, process) = (self.uid(), self.process);
        self.state.processes[process].sent[uid] = sent;
        self.run().sent = sent;
    }

    /// Does the step. `false` if nothing of this kind can happen to it.
    pub(super) fn act(&mut self, decision: &Decision, fate: Fate) -> bool {
        let then = match decision.act {
            Act::ReadPair { live } => self.read_pair(live, fate),
            Act::ReadSource | Act::ReadSecret | Act::ReadCopy | Act::FindWindowsInstances
            | Act::ReadNamespace => self.read(decision.act, fate),
            Act::AddFinalizer | Act::WriteIntent(_) | Act::RecordAdoption => {
                self.record(decision, fate)
            }
            Act::Generate => self.generate(fate),
            Act::Import(key) => self.import(key, fate),
            Act::TagByName => self.tag_by_name(fate),
            Act::Tag => self.tag(fate),
            Act::RemoveTags => self.remove_tags(fate),
            Act::Download => self.download(fate),
            Act::SetAside(key) => self.set_aside(key, fate),
            Act::WriteSecret { key, owner } => self.write_secret(key, owner, decision, fate),
            Act::DisownSecret => self.disown_secret(decision, fate),
            Act::Delete { expected } => self.delete(expected, fate),
            Act::ReadForRelease => self.read_for_release(fate),
            Act::ReleaseTag(id) => self.release_tag(id, fate),
            Act::RemoveFinalizer { .. } => self.remove_finalizer(fate),
            Act::EndFollowUp { .. } if fate == Fate::Fine => {
                let (uid, place, process) = (self.uid(), self.place, self.process);
                let memory = &mut self.state.processes[process];
                memory.vanished[place] = None;
                (memory.sent[uid], memory.missing[uid]) = (Sent::Unknown, Missing::No);
                memory.named[uid] = false;
                Some(Then::End)
            }
            Act::Finish { .. } => self.publish(decision, fate),
            Act::Pause | Act::Leave if fate == Fate::Fine => Some(Then::End),
            Act::EndFollowUp { .. } | Act::Pause | Act::Leave => None,
        };
        if then == Some(Then::End) {
            self.state.runs[self.slot] = None;
        }
        then.is_some()
    }

    /// Lightsail, or the way there, fails: the plan says what that means.
    fn fail(&mut self, failure: Failure) -> Option<Then> {
        self.run().failure = Some(failure);
        Some(Then::GoOn)
    }

    fn read_pair(&mut self, live: bool, fate: Fate) -> Option<Then> {
        let uid = self.uid();
        let state = &*self.state;
        let seen = |pair: Option<Pair>| pair.map(|pair| pair.seen(uid));
        let pair = match fate {
            Fate::Fine => state.seen(uid),
            Fate::LostBefore => return self.fail(Failure::NoAnswer),
            Fate::Stale if live => {
                state.pair.filter(|pair| pair.recent)?;
                None
            }
            Fate::Stale => seen(state.earlier.filter(|earlier| *earlier != state.pair)?),
            Fate::LostAfter | Fate::Late | Fate::Slow | Fate::Throttled | Fate::Denied => {
                return None;
            }
        };
        let recent = state.pair.filter(|pair| pair.recent).map(|pair| pair.id);
        let run = self.run();
        let settling = recent.is_some() && recent == run.object.record.id;
        run.pair = Some(Read { settling, ..Read::now(live, pair) });
        run.read_since_download |= live && run.download.is_some();
        Some(Then::GoOn)
    }

    /// Reads of Kubernetes, and of what the model does not vary.
    fn read(&mut self, act: Act, fate: Fate) -> Option<Then> {
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
    fn write(&mut self, change: impl FnOnce(&mut Object)) -> Option<()> {
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
    fn conflict(&mut self, decision: &Decision) -> Option<Then> {
        if decision.is_left_behind {
            let (object, sent, place) = (self.run().object, self.run().sent, self.place);
            self.note_sent(sent);
            self.state.processes[self.process].vanished[place] = Some(object);
        }
        Some(Then::End)
    }

    fn record(&mut self, decision: &Decision, fate: Fate) -> Option<Then> {
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

    fn publish(&mut self, decision: &Decision, fate: Fate) -> Option<Then> {
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

    fn generate(&mut self, fate: Fate) -> Option<Then> {
        let key = self.state.new_key().filter(|_| fate == Fate::Fine)?;
        self.run().generated = Some(key);
        Some(Then::GoOn)
    }

    fn import(&mut self, key: super::world::Key, fate: Fate) -> Option<Then> {
        let (is_free, uid) = (self.state.pair.is_none(), self.run().object.uid);
        let (listed, delayed) = (self.state.listed, self.state.delayed);
        let unanswered = Sent::Open { accepted: false };
        let takes_effect = matches!(fate, Fate::Fine | Fate::LostAfter);
        let is_answered = matches!(fate, Fate::Fine | Fate::Slow);
        match fate {
            Fate::Stale => return None,
            Fate::LostAfter if !is_free => return None,
            Fate::Late | Fate::Slow if !is_free || delayed.is_some() => return None,
            Fate::Late | Fate::Slow => {
                self.state.delayed = Some(Delayed::Import { key, uid });
            }
            Fate::Throttled | Fate::Denied => {
                self.note_sent(Sent::No);
                self.run().import_refused = true;
                let is_denied = fate == Fate::Denied;
                return self.fail(if is_denied { Failure::Denied } else { Failure::Throttled });
            }
            Fate::Fine | Fate::LostBefore | Fate::LostAfter => {}
        }
        if takes_effect && is_free {
            self.state.create(key, listed, Maker::Object(uid));
        }
        self.note_sent(match (is_answered, is_free) {
            (true, true) => Sent::Open { accepted: true },
            (true, false) => Sent::No,
            (false, _) => unanswered,
        });
        if !is_answered {
            return self.fail(Failure::NoAnswer);
        }
        let run = self.run();
        run.import_refused = !is_free;
        run.import = Some(if is_free { Answer::Accepted } else { Answer::NameTaken });
        run.pair = None;
        Some(Then::GoOn)
    }

    /// Whatever has the name gets the tag.
    fn tag_by_name(&mut self, fate: Fate) -> Option<Then> {
        let place = u8::try_from(self.place).expect("there are two");
        match fate {
            Fate::LostBefore => return self.fail(Failure::NoAnswer),
            Fate::LostAfter if self.state.pair.is_none() => return None,
            Fate::Fine | Fate::LostAfter => {}
            Fate::Late | Fate::Slow | Fate::Throttled | Fate::Denied | Fate::Stale => return None,
        }
        self.run().tagged_by_name = true;
        if self.state.pair.is_none() {
            return Some(Then::GoOn);
        }
        self.state.set_tag(Tag::Of(place), false);
        if fate == Fate::LostAfter {
            return self.fail(Failure::NoAnswer);
        }
        let (uid, process) = (self.uid(), self.process);
        self.state.processes[process].named[uid] = true;
        self.run().named = true;
        Some(Then::GoOn)
    }

    fn remove_tags(&mut self, fate: Fate) -> Option<Then> {
        let seen = self.run().pair.and_then(|read| read.pair)?;
        let is_there = self.state.pair.is_some_and(|pair| pair.id == seen.id);
        match fate {
            Fate::Fine if !is_there => return self.fail(Failure::Throttled),
            Fate::LostBefore => return self.fail(Failure::NoAnswer),
            Fate::LostAfter if !is_there => return None,
            Fate::Fine | Fate::LostAfter => {}
            Fate::Late | Fate::Slow | Fate::Throttled | Fate::Denied | Fate::Stale => return None,
        }
        self.state.set_tag(Tag::Absent, false);
        if fate == Fate::LostAfter {
            return self.fail(Failure::NoAnswer);
        }
        let pair = Some(Seen { tag: Tag::Absent, ..seen });
        self.run().pair = Some(Read::now(true, pair));
        Some(Then::GoOn)
    }

    fn tag(&mut self, fate: Fate) -> Option<Then> {
        let place = u8::try_from(self.place).expect("there are two");
        let id = self.run().pair.and_then(|read| read.pair)?.id;
        let is_there = self.state.pair.is_some_and(|pair| pair.id == id);
        match fate {
            Fate::Fine if !is_there => return self.fail(Failure::Throttled),
            Fate::LostBefore => return self.fail(Failure::NoAnswer),
            Fate::LostAfter if !is_there => return None,
            Fate::Fine | Fate::LostAfter => {}
            Fate::Late | Fate::Slow | Fate::Throttled | Fate::Denied | Fate::Stale => return None,
        }
        let tag = |seen: Seen| Seen { tag: Tag::Of(place), ..seen };
        self.state.set_tag(Tag::Of(place), false);
        if fate == Fate::LostAfter {
            return self.fail(Failure::NoAnswer);
        }
        let pair = self.run().pair.and_then(|read| read.pair).map(tag);
        self.run().pair = Some(Read::now(true, pair));
        Some(Then::GoOn)
    }

    fn download(&mut self, fate: Fate) -> Option<Then> {
        if matches!(fate, Fate::LostBefore | Fate::LostAfter | Fate::Late) {
            self.state.processes[self.process].download_open = true;
        }
        match fate {
            Fate::LostBefore => return self.fail(Failure::NoAnswer),
            Fate::Late if self.state.delayed.is_some() => return None,
            Fate::Late => {
                let uid = self.run().object.uid;
                self.state.delayed = Some(Delayed::Download { uid, gone: false });
                return self.fail(Failure::NoAnswer);
            }
            Fate::Fine | Fate::LostAfter => {}
            Fate::Slow | Fate::Throttled | Fate::Denied | Fate::Stale => return None,
        }
        if self.state.pair.is_none() {
            let (key, uid) = (self.state.new_key()?, self.run().object.uid);
            self.state.create(key, self.state.listed, Maker::Object(uid));
        }
        let pair = self.state.pair?;
        if fate == Fate::LostAfter {
            return self.fail(Failure::NoAnswer);
        }
        self.run().download = Some((pair.key, pair.id));
        Some(Then::GoOn)
    }

    fn set_aside(&mut self, key: super::world::Key, fate: Fate) -> Option<Then> {
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

    fn write_secret(&mut self, key: super::world::Key, owner: bool, decision: &Decision,
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

    fn disown_secret(&mut self, decision: &Decision, fate: Fate) -> Option<Then> {
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

    fn delete(&mut self, expected: Option<super::world::Key>, fate: Fate) -> Option<Then> {
        let pair = self.state.pair.filter(|pair| !pair.refuses(expected));
        self.state.processes[self.process].deletion_open = fate != Fate::Fine;
        match (fate, pair) {
            (Fate::LostBefore, _) => return self.fail(Failure::NoAnswer),
            (Fate::Fine, None) if self.state.pair.is_some() => return self.fail(Failure::Denied),
            (Fate::Fine, _) | (Fate::LostAfter, Some(_)) => {}
            (Fate::Late, Some(Pair { id, .. })) if self.state.delayed.is_none() => {
                let uid = self.run().object.uid;
                self.state.delayed = Some(Delayed::Delete { uid, id, expected });
                return self.fail(Failure::NoAnswer);
            }
            (Fate::LostAfter | Fate::Late | Fate::Slow | Fate::Throttled | Fate::Denied
            | Fate::Stale, _) => return None,
        }
        if pair.is_some() {
            self.state.set_pair(None);
        }
        let leads = self.state.processes[self.process].role.leads();
        if let Some(Delayed::Download { gone, .. }) = &mut self.state.delayed {
            *gone |= leads;
        }
        if fate == Fate::LostAfter {
            return self.fail(Failure::NoAnswer);
        }
        let run = self.run();
        run.deleted = pair.is_some();
        run.pair = Some(Read::now(true, None));
        Some(Then::GoOn)
    }

    fn read_for_release(&mut self, fate: Fate) -> Option<Then> {
        let uid = self.uid();
        let seen = match fate {
            Fate::Fine => Ok(self.state.seen(uid)),
            Fate::LostBefore => Err(()),
            Fate::LostAfter | Fate::Late | Fate::Slow | Fate::Throttled | Fate::Denied
            | Fate::Stale => return None,
        };
        self.run().release_read = Some(seen);
        Some(Then::GoOn)
    }

    fn release_tag(&mut self, id: u8, fate: Fate) -> Option<Then> {
        let is_there = self.state.pair.is_some_and(|pair| pair.id == id);
        let answer = match fate {
            Fate::Fine => Ok(()),
            Fate::LostBefore => Err(()),
            Fate::LostAfter if is_there => Err(()),
            Fate::LostAfter | Fate::Late | Fate::Slow | Fate::Throttled | Fate::Denied
            | Fate::Stale => return None,
        };
        if is_there && fate != Fate::LostBefore {
            self.state.set_tag(Tag::Absent, false);
        }
        self.run().tag_released = Some(answer);
        Some(Then::GoOn)
    }

    fn remove_finalizer(&mut self, fate: Fate) -> Option<Then> {
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

/// Whether an object shows that a person must act, or that all is well.
pub(super) fn is_stable(act: Act) -> bool {
    match act {
        Act::Finish { state, .. } => state != Shown::Reconciling,
        Act::RemoveFinalizer { .. } | Act::EndFollowUp { .. } | Act::Leave => true,
        _ => false,
    }
}
