//! What must hold of each step. Each check gets the state before it.

use super::super::*;
use super::scenario::{Spec, Type};
use super::view::{Act, Decision};
use crate::api::Reason;
use super::world::{Annotation, Delayed, Found as Seen, How, Maker, Pair, Run, Sent,
    State as World, Tag};

/// A step that is about to be taken.
pub(super) struct Step<'a> {
    pub(super) world: &'a World,
    pub(super) type_: Type,
    pub(super) place: usize,
    pub(super) spec: &'a Spec,
    pub(super) run: &'a Run,
    pub(super) decision: &'a Decision,
}

/// What must hold, in the order of the invariants; each says what does not.
const CHECKS: [fn(&Step<'_>) -> Option<&'static str>; 11] = [
    i1_only_the_own_pair_is_deleted,
    i1_only_the_own_tag_is_taken_off,
    i2_the_default_pair_goes_by_its_fingerprint,
    i3_no_key_is_lost,
    i3_a_key_is_kept_that_is_said_to_be,
    i5_nothing_comes_back_by_a_download,
    i7_what_destroys_follows_a_live_read,
    i12_an_import_is_on_record,
    i12_nothing_is_own_by_inference,
    i13_memory_brings_nothing_forward,
    i15_a_users_secret_is_left_alone,
];

impl Step<'_> {
    /// What does not hold, if anything.
    pub(super) fn broken(&self) -> Option<&'static str> {
        CHECKS.iter().find_map(|check| check(self)).or_else(|| self.is_left_behind())
    }

    fn seen(&self) -> Option<super::world::Seen> {
        self.run.pair.and_then(|read| read.pair)
    }

    /// The pair that the run has read, as it is now. Between the read and the step somebody may
    /// have put another one in its place; Lightsail deletes by name, so nobody can help that.
    fn live(&self) -> Option<Pair> {
        let seen = self.seen()?;
        self.world.pair.filter(|pair| pair.id == seen.id)
    }

    fn is_own(&self, pair: &Pair) -> bool {
        pair.maker == Maker::Object(self.run.object.uid)
    }

    /// Whether the one case is met that cannot be told apart: what follows from it is left out.
    pub(super) fn is_left_out(&self) -> bool {
        let after = &self.decision.record;
        let takes = matches!(self.decision.act, Act::Delete { .. })
            || matches!(after.how, Some(How::Imported | How::Generated))
                && after.id != self.run.object.record.id;
        self.live().is_some_and(|pair| {
            takes && !self.is_own(&pair) && !self.is_given(&pair) && self.cannot_be_told(&pair)
        })
    }

    /// The one case that cannot be told apart: somebody else has imported the same key in the
    /// window of the intent, and the answer to the own import is not known, or was lost with a
    /// process. With a fingerprint of an unknown form any key may be the same.
    fn cannot_be_told(&self, pair: &Pair) -> bool {
        let intent = self.run.object.record.intent;
        let is_same = intent == Some(pair.key) || intent.is_some() && !pair.listed;
        let may_be_of_it = is_same && !self.run.object.record.undated && self.run.sent != Sent::No;
        may_be_of_it && self.seen().is_some_and(|seen| seen.within)
    }

    /// Somebody else has set the object's tag: that is how a person says whose a pair is.
    fn is_given(&self, pair: &Pair) -> bool {
        pair.tagged_by_others && pair.tag == Tag::Of(u8::try_from(self.place).unwrap())
    }
}

fn i1_only_the_own_pair_is_deleted(step: &Step<'_>) -> Option<&'static str> {
    let (Act::Delete { .. }, Some(pair)) = (step.decision.act, step.live()) else { return None };
    let (run, spec) = (step.run, step.spec);
    // Whether an adopted pair has the object's key is not known by a fingerprint of a new form.
    let is_known = run.object.record.how != Some(How::Adopted) || pair.listed;
    let is_recorded = run.object.record.id == Some(pair.id) && is_known;
    let tag = step.seen().map_or(pair.tag, |seen| seen.tag);
    let own_tag = Tag::Of(u8::try_from(step.place).unwrap());
    let is_elsewhere = tag != Tag::Absent && tag != own_tag;
    let is_rivals = run.rival.is_some_and(|rival| rival.id == Some(pair.id));
    let is_named = pair.listed && spec.expected == Some(pair.key) && !is_rivals
        && (spec.absent || step.type_ == Type::Default)
        && (!is_elsewhere || spec.adoption == AdoptionPolicy::TakeOver
            || step.type_ == Type::Default);
    let is_own = step.is_own(&pair) || step.cannot_be_told(&pair) || step.is_given(&pair);
    // A restored object that says so deletes what has its tag and its key, and so does one whose
    // adoption is on record.
    let is_tagged = tag == own_tag
        && (spec.policy == Some(DeletionPolicy::Delete)
            && (step.type_ != Type::Imported || pair.key == spec.key)
            || run.object.record.how == Some(How::Adopted) && run.object.record.id.is_none());
    let may = (is_recorded || is_own || is_tagged) && !is_rivals || is_named;
    (!may).then_some("I1: a pair is deleted that is not the object's own")
}

/// Whoever takes another owner's tag off lets a third object delete the pair.
fn i1_only_the_own_tag_is_taken_off(step: &Step<'_>) -> Option<&'static str> {
    let Act::ReleaseTag(id) = step.decision.act else { return None };
    let read = step.run.release_read.and_then(Result::ok).flatten();
    let own_tag = Tag::Of(u8::try_from(step.place).unwrap());
    let is_own = read.is_some_and(|read| read.id == id && read.tag == own_tag);
    (!is_own).then_some("I1: another owner's tag is taken off")
}

fn i2_the_default_pair_goes_by_its_fingerprint(step: &Step<'_>) -> Option<&'static str> {
    let Act::Delete { expected } = step.decision.act else { return None };
    let is_wrong = step.type_ == Type::Default
        && (expected.is_none() || expected != step.spec.expected
            || step.seen().is_none_or(|seen| Some(seen.key) != expected));
    is_wrong.then_some("I2: the default pair is deleted without its fingerprint")
}

fn i3_no_key_is_lost(step: &Step<'_>) -> Option<&'static str> {
    match step.decision.act {
        Act::WriteSecret { key, .. } => {
            let Seen::There(secret) = step.run.secret else { return None };
            let is_only_copy = secret.unreadable
                || secret.key.is_some_and(|old| old != key && !step.world.kept[old as usize]);
            (is_only_copy && !step.run.secret_outdated)
                .then_some("I3: a Secret is overwritten that holds the only copy of a key")
        }
        Act::Delete { .. } if step.type_ == Type::Default && step.spec.backup == Backup::Required =>
        {
            let Seen::There(secret) = step.run.secret else {
                return Some("I3: the default pair is deleted without a Secret");
            };
            let is_kept = secret.key == step.seen().map(|seen| seen.key) && !secret.terminating
                && secret.annotation == Annotation::Own;
            let own = Some(step.run.object.uid);
            let goes = secret.owner.is_some()
                && (secret.owner != own || step.run.object.deleting);
            let is_kept = is_kept && !goes;
            (!is_kept).then_some("I3: the default pair is deleted and its key is not kept")
        }
        Act::Import(_) if step.type_ == Type::Generated => {
            let Seen::There(secret) = step.run.secret else { return None };
            let is_of_earlier = secret.owner.is_some_and(|uid| uid != step.run.object.uid);
            (is_of_earlier && secret.created)
                .then_some("I3: a key is imported whose Secret goes with an earlier object")
        }
        Act::RemoveFinalizer { .. } => {
            let owned = step.world.secret.filter(|it| it.owner == Some(step.run.object.uid));
            let is_known = !step.run.outdated && !step.run.secret_outdated;
            let stays = !step.spec.delete_with_object && is_known;
            (stays && owned.is_some_and(|secret| !secret.terminating))
                .then_some("I3: a Secret goes with its object though the spec says that it stays")
        }
        _ => None,
    }
}

fn i3_a_key_is_kept_that_is_said_to_be(step: &Step<'_>) -> Option<&'static str> {
    let Act::Finish { reason: Reason::Downloaded, .. } = step.decision.act else { return None };
    let Seen::There(secret) = step.run.secret else { return Some("I3: there is no Secret") };
    (secret.key != step.seen().map(|seen| seen.key))
        .then_some("I3: the key of the default pair is said to be kept, and is not")
}

fn i5_nothing_comes_back_by_a_download(step: &Step<'_>) -> Option<&'static str> {
    if step.decision.act != Act::Download {
        return None;
    }
    let was_there = step.run.pair.is_some_and(|read| read.live && !read.old && read.pair.is_some());
    let may_create = step.spec.create_if_missing && !step.spec.absent && !step.run.object.deleting;
    (!was_there && !may_create).then_some("I5: a download brings back a pair that was gone")
}

fn i7_what_destroys_follows_a_live_read(step: &Step<'_>) -> Option<&'static str> {
    let is_destructive = matches!(step.decision.act, Act::Delete { .. } | Act::Download);
    let is_fresh = step.run.pair.is_some_and(|read| read.live && !read.old);
    (is_destructive && !is_fresh).then_some("I7: a step that destroys follows no live read")
}

fn i12_an_import_is_on_record(step: &Step<'_>) -> Option<&'static str> {
    let Act::Import(key) = step.decision.act else { return None };
    let record = &step.run.object.record;
    (record.intent != Some(key) || record.id.is_some() || !step.run.object.finalizer)
        .then_some("I12: an import is not on record before it is sent")
}

fn i12_nothing_is_own_by_inference(step: &Step<'_>) -> Option<&'static str> {
    let after = &step.decision.record;
    let is_news = after.id.is_some() && after.id != step.run.object.record.id && !step.run.outdated;
    let is_made = matches!(after.how, Some(How::Imported | How::Generated));
    let pair = step.live().filter(|_| is_news && is_made)?;
    let may = step.is_own(&pair) || step.cannot_be_told(&pair) || step.is_given(&pair);
    (!may).then_some("I12: somebody else's pair is recorded as the object's own import")
}

fn i13_memory_brings_nothing_forward(step: &Step<'_>) -> Option<&'static str> {
    let (run, decision) = (step.run, step.decision);
    let is_first = run.import.is_none() && !run.intent_written && run.failure.is_none();
    // A refusal that is known says that a pair which appears in the window is somebody else's.
    let is_refused = run.sent == Sent::No && step.seen().is_some_and(|seen| seen.within);
    let is_same = decision.without_memory == decision.act || decision.without_memory.waits();
    // A deletion that was not answered is on no record.
    (is_first && !run.outdated && !is_refused && !run.deletion_open && !is_same)
        .then_some("I13: a process that remembers nothing does something else")
}

fn i15_a_users_secret_is_left_alone(step: &Step<'_>) -> Option<&'static str> {
    let (Act::WriteSecret { key, owner }, Seen::There(secret)) = (step.decision.act,
        step.run.secret) else { return None };
    if owner && !secret.created {
        return Some("I15: a Secret gets an owner that the operator did not create");
    }
    let record = &step.run.object.record;
    let seen = step.seen();
    let is_own = step.type_ == Type::Default
        || seen.is_some_and(|seen| record.id == Some(seen.id)
            || record.id.is_none() && (record.intent.is_some() || record.how.is_some()));
    let has_its_key = seen.is_some_and(|seen| seen.key == key) && secret.key == Some(key);
    (secret.annotation != Annotation::Own && !(is_own && has_its_key))
        .then_some("I15: somebody's Secret is written before the pair is the object's own")
}

impl Step<'_> {
    /// The object ends, and a pair that its import made is there, or may still appear.
    fn is_left_behind(&self) -> Option<&'static str> {
        let ends = matches!(self.decision.act, Act::RemoveFinalizer { .. }
            | Act::EndFollowUp { .. } | Act::Leave);
        let (run, spec, type_) = (self.run, self.spec, self.type_);
        let stays = spec.policy == Some(DeletionPolicy::Retain) || spec.suspend
            || type_ == Type::Default || run.outdated || !run.object.finalizer;
        let uid = run.object.uid;
        let own_tag = Tag::Of(u8::try_from(self.place).unwrap());
        let is_there = self.world.pair.is_some_and(|pair| {
            let read = self.seen().filter(|seen| seen.id == pair.id);
            let tags = [Some(pair.tag), read.map(|seen| seen.tag)];
            pair.maker == Maker::Object(uid)
                && tags.into_iter().flatten().all(|tag| [Tag::Absent, own_tag].contains(&tag))
        });
        let may_appear = self.world.delayed.is_some_and(|delayed| 
            matches!(delayed, Delayed::Import { .. }) && delayed.uid() == uid)
            && self.world.pair.is_none();
        (ends && !stays && (is_there || may_appear))
            .then_some("a pair that the object imported is left behind without a word")
    }
}
