//! What a step does to the model's world, as `act` does it to the real one, whatever becomes of
//! the request and its answer.

mod kubernetes;
mod lightsail;

use super::view::{Act, Decision};
use super::world::{Annotation, Answer, Copied, Delayed, Failure, Found, Key, Maker, Missing, Object,
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

    fn generate(&mut self, fate: Fate) -> Option<Then> {
        let key = self.state.new_key().filter(|_| fate == Fate::Fine)?;
        self.run().generated = Some(key);
        Some(Then::GoOn)
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
