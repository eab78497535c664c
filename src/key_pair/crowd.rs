//! Who is creating key pairs at the same time, by lane. The pairs that were imported there are
//! found together in one shared list where that costs fewer calls than a read of each: the plan
//! decides when (`plan::confirmation`), by the counts that are kept here.
//!
//! Losing this costs calls and time, never safety: an object that is not known here reads its own
//! pair. A plain data structure, without I/O and with the time as an argument.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Moment;
use crate::digest::Digest;
use crate::engine::ObjectRef;
use crate::engine::tables::{shared, shrink};
use crate::engine::uid::Uid;
use crate::ids::LaneId;
use crate::lightsail::Listing;

/// What an import adds to the calls that lists may cost while others are still to come: so few that
/// a crowd of new objects costs little more than two calls each, however large it is.
const EARNED: f64 = 0.06;
/// As long as only one page was ever read, a page is taken to have room for this many pairs. The
/// page size is not published.
const PAGE: usize = 20;

/// Recent is what happened about this long ago.
pub(crate) const RECENT: Duration = Duration::from_secs(5);

/// Who is creating key pairs in the lane of an object, and how far it is itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crowd {
    /// How many pages a list of all pairs would have.
    pub pages: usize,
    /// All objects there.
    pub all: CrowdCounts,
    /// Those of the object's namespace.
    pub own: CrowdCounts,
    /// How many calls lists may cost while others are still to come.
    pub credit: usize,
    /// The tags of the object's pair were set by its name, and no read has shown it since.
    pub is_named: bool,
    /// A list is there whose walk began after that.
    pub is_listed: bool,
}

impl Default for Crowd {
    fn default() -> Self {
        let (all, own) = (CrowdCounts::default(), CrowdCounts::default());
        Self { pages: 1, all, own, credit: 0, is_named: false, is_listed: false }
    }
}

/// How many objects are being created.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CrowdCounts {
    /// Those whose pair is yet to be imported.
    pub coming: usize,
    /// Those whose pair was tagged by its name, and that no read has shown yet.
    pub waiting: usize,
    /// How many were tagged by name in about the last [`RECENT`].
    pub recent: usize,
    /// How long ago the last one was; `None` if none was.
    pub quiet_for: Option<Duration>,
    /// How long ago anything became of one of them: its pair was tagged, or it is no more among
    /// them.
    pub still_for: Option<Duration>,
}

impl CrowdCounts {
    /// How many are being created, or were a moment ago.
    #[must_use]
    pub fn size(&self) -> usize {
        self.coming + self.waiting.max(self.recent)
    }
}

/// All objects that are being created.
#[derive(Debug, Default)]
pub(super) struct Crowds {
    members: HashMap<Digest<Uid>, Member>,
    lanes: HashMap<LaneId, Lane>,
    /// Those that have a list to read now.
    woken: Vec<Digest<Uid>>,
}

#[derive(Debug)]
struct Member {
    lane: LaneId,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// The pair of an object of this namespace is yet to be imported.
    Coming(Arc<str>),
    /// The pair of this object was tagged by name then.
    Named(ObjectRef, Moment),
}

impl Member {
    fn namespace(&self) -> &Arc<str> {
        match &self.stage {
            Stage::Coming(namespace) => namespace,
            Stage::Named(at, _) => &at.namespace,
        }
    }

    fn named(&self) -> Option<(&ObjectRef, Moment)> {
        match &self.stage {
            Stage::Coming(_) => None,
            Stage::Named(at, named_at) => Some((at, *named_at)),
        }
    }

    fn named_at(&self) -> Option<Moment> {
        self.named().map(|(_, named_at)| named_at)
    }
}

#[derive(Debug, Default)]
struct Lane {
    /// Of the last list: when its walk began, and how many pages and pairs it had.
    list: Option<(Moment, usize, usize)>,
    credit: f64,
    all: Counts,
    namespaces: HashMap<Arc<str>, Counts>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    coming: usize,
    waiting: usize,
    /// How many were tagged by name, each counting less as time passes.
    recent: f64,
    last: Option<Moment>,
    /// When the last one left.
    left: Option<Moment>,
}

impl Counts {
    fn recent(&self, now: Moment) -> f64 {
        let age = self.last.map_or(Duration::MAX, |last| now.since(last));
        self.recent * (-age.as_secs_f64() / RECENT.as_secs_f64()).exp()
    }

    fn arrive(&mut self, now: Moment) {
        self.recent = self.recent(now) + 1.0;
        self.last = Some(now);
    }

    fn crowd_counts(&self, now: Moment) -> CrowdCounts {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is small")]
        let recent = self.recent(now).round() as usize;
        let since = |last: Moment| now.since(last);
        let (quiet_for, still_for) = (self.last.map(since), self.last.max(self.left).map(since));
        CrowdCounts { coming: self.coming, waiting: self.waiting, recent, quiet_for, still_for }
    }

    fn is_idle(&self, now: Moment) -> bool {
        self.coming == 0 && self.waiting == 0 && self.recent(now) < 0.5
    }
}

impl Lane {
    /// Changes the counts that one object is in.
    fn edit_counts(&mut self, namespace: &Arc<str>, change: impl Fn(&mut Counts)) {
        change(&mut self.all);
        change(self.namespaces.entry(Arc::clone(namespace)).or_default());
    }

    /// How many pages a list would have now.
    fn pages(&self) -> usize {
        let (pages, pairs) = self.list.map_or((1, 0), |(_, pages, pairs)| (pages.max(1), pairs));
        let page = if pages > 1 { pairs.div_ceil(pages).max(1) } else { pairs.max(PAGE) };
        pages.max((pairs + self.all.waiting).div_ceil(page))
    }
}

impl Crowds {
    /// An object is there whose pair is yet to be imported.
    pub(super) fn note_coming(&mut self, uid: &str, at: &ObjectRef, lane: &LaneId, now: Moment) {
        if self.members.get(&Digest::of(uid)).is_some_and(|member| member.lane == *lane) {
            return;
        }
        self.leave(uid, now);
        let (lane, own) = self.lane(lane);
        own.namespaces.retain(|_, counts| !counts.is_idle(now));
        let namespace = shared(&own.namespaces, &at.namespace);
        own.edit_counts(&namespace, |counts| counts.coming += 1);
        self.members.insert(Digest::of(uid), Member { lane, stage: Stage::Coming(namespace) });
    }

    /// The pair of an object was imported and tagged by name: a list whose walk begins now or later
    /// shows it.
    pub(super) fn note_named(&mut self, uid: &str, at: &ObjectRef, lane: &LaneId, now: Moment) {
        self.leave(uid, now);
        let (lane, own) = self.lane(lane);
        own.credit += EARNED;
        own.edit_counts(&at.namespace, |counts| {
            counts.waiting += 1;
            counts.arrive(now);
        });
        let stage = Stage::Named(at.clone(), now);
        self.members.insert(Digest::of(uid), Member { lane, stage });
    }

    /// What is known of a lane, and its name, which all its objects share.
    fn lane(&mut self, lane: &LaneId) -> (LaneId, &mut Lane) {
        let known = self.lanes.get_key_value(lane).map(|(lane, _)| lane.clone());
        let lane = known.unwrap_or_else(|| lane.clone());
        let own = self.lanes.entry(lane.clone()).or_default();
        (lane, own)
    }

    /// An object shows what became of it, or is gone.
    pub(super) fn leave(&mut self, uid: &str, now: Moment) {
        let Some(member) = self.members.remove(&Digest::of(uid)) else { return };
        shrink(&mut self.members);
        let Some(lane) = self.lanes.get_mut(&member.lane) else { return };
        lane.edit_counts(member.namespace(), |counts| {
            counts.left = Some(now);
            match member.stage {
                Stage::Named(..) => counts.waiting -= 1,
                Stage::Coming(_) => counts.coming -= 1,
            }
        });
        if lane.all.coming == 0 && lane.all.waiting == 0 {
            lane.credit = 0.0;
            // Nothing ever came of it, as where its account does not exist.
            if lane.list.is_none() && lane.all.last.is_none() {
                self.lanes.remove(&member.lane);
                shrink(&mut self.lanes);
            }
        }
    }

    /// A list was read: who waited for it is woken.
    pub(super) fn note_list(&mut self, lane: &LaneId, list: &Listing) {
        let read = (list.started_at(), list.pages(), list.len());
        self.note_read(lane, read);
    }

    fn note_read(&mut self, lane: &LaneId, read: (Moment, usize, usize)) {
        let Some(own) = self.lanes.get_mut(lane) else { return };
        if own.list.is_some_and(|(before, _, _)| before >= read.0) {
            return;
        }
        own.list = Some(read);
        let has_waited = |member: &Member| {
            member.lane == *lane && member.named_at().is_some_and(|named_at| named_at <= read.0)
        };
        let woken = self.members.iter().filter(|(_, member)| has_waited(member));
        self.woken.extend(woken.map(|(uid, _)| *uid));
    }

    /// This many calls are about to be spent on finding pairs that were imported. Those who share a
    /// list each say so: they owe no more than that list.
    pub(super) fn spend(&mut self, lane: &LaneId, calls: usize) {
        if let Some(lane) = self.lanes.get_mut(lane) {
            let calls = f64::from(u32::try_from(calls).unwrap_or(u32::MAX));
            lane.credit = lane.credit.min((lane.credit - calls).max(-calls));
        }
    }

    /// The objects that have a list to read now, and their lanes. Who has read it meanwhile is none
    /// of them.
    pub(super) fn take_woken(&mut self) -> Vec<(ObjectRef, LaneId)> {
        let woken = std::mem::take(&mut self.woken);
        let members = woken.iter().filter_map(|uid| self.members.get(uid));
        let named = members.filter_map(|member| Some((member.named()?.0.clone(), &member.lane)));
        named.map(|(at, lane)| (at, lane.clone())).collect()
    }

    /// No object is in this lane any more.
    pub(super) fn forget_lane(&mut self, lane: &LaneId) {
        if self.lanes.remove(lane).is_some() {
            shrink(&mut self.lanes);
            self.members.retain(|_, member| member.lane != *lane);
        }
    }

    /// When the pair of this object was tagged by name, if it was and no read has shown it since.
    pub(super) fn named_at(&self, uid: &str) -> Option<Moment> {
        self.members.get(&Digest::of(uid))?.named_at()
    }

    /// What an object in a lane sees of the others there.
    pub(super) fn crowd(&self, uid: &str, at: &ObjectRef, lane: &LaneId, now: Moment) -> Crowd {
        let Some(own) = self.lanes.get(lane) else { return Crowd::default() };
        let named_at = self.named_at(uid);
        let listed_from = own.list.map(|(started_at, _, _)| started_at);
        let counts = own.namespaces.get(&at.namespace).copied().unwrap_or_default();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is small")]
        let credit = own.credit.max(0.0) as usize;
        Crowd {
            pages: own.pages(),
            all: own.all.crowd_counts(now),
            own: counts.crowd_counts(now),
            credit,
            is_named: named_at.is_some(),
            is_listed: named_at.is_some_and(|at| listed_from.is_some_and(|from| from >= at)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane() -> LaneId {
        "eu-west-1".into()
    }

    fn at(number: u32) -> (String, ObjectRef) {
        (format!("u{number}"), ObjectRef::new("team-a", &format!("pair-{number}")))
    }

    /// This many come, and of them this many are tagged by name, one each 10 ms.
    fn crowd(crowds: &mut Crowds, start: Moment, coming: u32, named: u32) -> Moment {
        let mut now = start;
        for number in 0..coming {
            let (uid, at) = at(number);
            crowds.note_coming(&uid, &at, &lane(), now);
        }
        for number in 0..named {
            now = now + Duration::from_millis(10);
            let (uid, at) = at(number);
            crowds.note_named(&uid, &at, &lane(), now);
        }
        now
    }

    #[test]
    fn who_waits_is_woken_by_a_list_whose_walk_began_later() {
        let (mut crowds, start) = (Crowds::default(), Moment::now());
        let now = crowd(&mut crowds, start, 4, 3);
        let last_but_one = start + Duration::from_millis(20);
        crowds.note_read(&lane(), (last_but_one, 1, 3));
        let mut woken = crowds.take_woken();
        woken.sort();
        let expected: Vec<_> = (0..2).map(|number| (at(number).1, lane())).collect();
        assert_eq!(woken, expected, "not who was tagged since, and not who is yet to come");
        crowds.note_read(&lane(), (last_but_one, 1, 3));
        assert_eq!(crowds.take_woken(), [], "once for each list");
        crowds.note_read(&lane(), (now, 1, 3));
        (0..2).for_each(|number| crowds.leave(&at(number).0, now));
        assert_eq!(crowds.take_woken().len(), 1, "not who has read it");
        let sees = |number: u32| crowds.crowd(&at(number).0, &at(number).1, &lane(), now);
        assert_eq!((sees(2).is_named, sees(2).is_listed), (true, true));
        assert_eq!((sees(3).is_named, sees(3).is_listed), (false, false));
    }

    #[test]
    fn i14_nothing_is_kept_of_a_lane_in_which_nothing_ever_happened() {
        let (mut crowds, start) = (Crowds::default(), Moment::now());
        let (uid, at) = at(1);
        crowds.note_coming(&uid, &at, &"eu-west-1/no-such-account".into(), start);
        crowds.leave(&uid, start);
        assert!(crowds.lanes.is_empty());
        crowds.note_named(&uid, &at, &lane(), start);
        crowds.leave(&uid, start);
        assert!(crowds.lanes.contains_key(&lane()), "others may come a moment later");
        crowds.forget_lane(&lane());
        assert!(crowds.lanes.is_empty());
    }

    #[test]
    fn those_who_share_a_list_owe_one() {
        let (mut crowds, start) = (Crowds::default(), Moment::now());
        crowd(&mut crowds, start, 500, 1);
        (0..8).for_each(|_| crowds.spend(&lane(), 10));
        // Nor does who reads its own pair meanwhile pay for it.
        crowds.spend(&lane(), 1);
        let now = crowd(&mut crowds, start, 0, 334);
        let sees = crowds.crowd(&at(0).0, &at(0).1, &lane(), now);
        assert_eq!(sees.credit, 10, "334 earn two lists of ten pages");
    }

    #[test]
    fn a_list_that_one_of_them_reads_is_not_read_by_each() {
        use crate::key_pair::plan::{Confirmation, confirmation};
        let (mut crowds, start) = (Crowds::default(), Moment::now());
        let now = crowd(&mut crowds, start, 500, 200);
        let sees = |crowds: &Crowds, number: u32| {
            let crowd = crowds.crowd(&at(number).0, &at(number).1, &lane(), now);
            (confirmation(&crowd), crowd.pages)
        };
        let (first, pages) = sees(&crowds, 0);
        assert_eq!(first, Confirmation::Shared);
        crowds.spend(&lane(), pages);
        assert!(matches!(sees(&crowds, 1).0, Confirmation::Later(_)), "it is not there yet");
    }

    #[test]
    fn a_crowd_is_counted_by_lane_and_by_namespace() {
        let (mut crowds, start) = (Crowds::default(), Moment::now());
        let now = crowd(&mut crowds, start, 10, 4);
        let other = ObjectRef::new("team-b", "pair");
        crowds.note_coming("other", &other, &lane(), now);
        let sees = crowds.crowd("other", &other, &lane(), now);
        assert_eq!((sees.all.coming, sees.all.waiting, sees.all.recent), (7, 4, 4));
        assert_eq!((sees.own.coming, sees.own.waiting, sees.own.recent), (1, 0, 0));
        let elsewhere = crowds.crowd("other", &other, &"us-east-1".into(), now);
        assert_eq!(elsewhere, Crowd::default());
        for number in 0..10 {
            crowds.leave(&at(number).0, now);
        }
        crowds.leave("other", now);
        let minute = Duration::from_mins(1);
        let sees = crowds.crowd("other", &other, &lane(), now + minute);
        assert_eq!((sees.all.size(), sees.all.quiet_for), (0, Some(minute)));
    }

    /// Objects come one after another, and a list has twenty pairs on a page: how many calls find
    /// them all, by what the plan says.
    fn calls_to_find(count: u32) -> usize {
        use crate::key_pair::plan::{Confirmation, confirmation};
        let (mut crowds, mut now) = (Crowds::default(), Moment::now());
        let (mut calls, mut waiting) = (0, Vec::new());
        for number in 0..count {
            let (uid, own) = at(number);
            crowds.note_coming(&uid, &own, &lane(), now);
        }
        for step in 0..count + 1_000 {
            now = now + Duration::from_millis(5);
            if step < count {
                let (uid, own) = at(step);
                crowds.note_named(&uid, &own, &lane(), now);
                waiting.push(step);
            }
            let Some(last) = waiting.last().copied() else { break };
            let sees = crowds.crowd(&at(last).0, &at(last).1, &lane(), now);
            match confirmation(&sees) {
                Confirmation::Own => {
                    calls += 1;
                    crowds.spend(&lane(), 1);
                    crowds.leave(&at(last).0, now);
                    waiting.pop();
                }
                Confirmation::Shared => {
                    let pairs = step.min(count - 1) as usize + 1;
                    let pages = pairs.div_ceil(PAGE);
                    calls += pages;
                    crowds.spend(&lane(), sees.pages);
                    crowds.note_read(&lane(), (now, pages, pairs));
                    for number in waiting.drain(..) {
                        crowds.leave(&at(number).0, now);
                    }
                }
                Confirmation::Later(_) => {}
            }
        }
        assert!(waiting.is_empty(), "all are found");
        calls
    }

    #[test]
    fn a_crowd_is_found_by_few_calls() {
        assert_eq!(calls_to_find(1), 1);
        for count in [300_u32, 1_000, 2_000, 10_000] {
            let calls = calls_to_find(count);
            assert!(calls * 1_000 <= count as usize * 95, "{count} pairs: {calls} calls");
        }
    }

    /// Objects come one after another, each 50 ms, and each is imported before the next one comes:
    /// how long the first of them wait.
    #[test]
    fn a_steady_flow_gets_a_list_before_it_ends() {
        use crate::key_pair::plan::{Confirmation, confirmation};
        let (mut crowds, mut now) = (Crowds::default(), Moment::now());
        let mut lists = Vec::new();
        for number in 0..2_000 {
            let (uid, own) = at(number);
            crowds.note_coming(&uid, &own, &lane(), now);
            crowds.note_named(&uid, &own, &lane(), now);
            now = now + Duration::from_millis(50);
            let sees = crowds.crowd(&uid, &own, &lane(), now);
            if confirmation(&sees) == Confirmation::Shared {
                crowds.spend(&lane(), sees.pages);
                let pairs = number as usize + 1;
                crowds.note_read(&lane(), (now, pairs.div_ceil(PAGE), pairs));
                (0..=number).for_each(|number| crowds.leave(&at(number).0, now));
                lists.push(number);
            }
        }
        assert!(lists.len() > 4, "{lists:?}");
    }
}
