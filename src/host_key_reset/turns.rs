//! Resets of one instance take turns by their age, whatever namespace they are in: if two of them
//! waited for an operation, neither could tell whose it is. A reset that is suspended, or waits for
//! Lightsail, holds nobody up.

use std::collections::HashMap;

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::claim::{ResetClaim, Stage};
use super::world::{Turn, later};
use crate::clock::{Clocks, Moment};
use crate::error::Error;
use crate::ids::{AccountId, Region};
use crate::kube_error::was_not_written;

/// A reset that was created a moment ago, and was not reconciled yet, comes before a younger one.
/// If it is not reconciled within this time, it is not waited for.
const NEW_FOR: SignedDuration = SignedDuration::from_secs(30);
/// How soon one that waits asks again for each that is ahead of it, if it is not called: a long
/// line must not cost more than a short one (I14).
const LINE_MOVES: SignedDuration = SignedDuration::from_secs(5);

/// By uid: who has a turn, from before its intent is written, so that no two reconciliations take
/// it at the same time. Whoever is gone while its call may still take effect has one too.
#[derive(Debug, Default)]
pub(super) struct Turns(HashMap<String, Holder>);

/// An instance.
type Place = (Option<AccountId>, Region, String);

fn place(claim: &ResetClaim) -> Place {
    (claim.account.clone(), claim.region.clone(), claim.instance.clone())
}

#[derive(Debug)]
struct Holder {
    place: Place,
    until: Moment,
    /// The object is gone, and its call may still take effect.
    is_left: bool,
}

/// Whether later resets of the instance wait for this one. One that fails before it begins may fail
/// forever, and nothing else would end the wait: its status cannot be written. It comes first again
/// once a reconciliation of it succeeds, or takes the turn.
pub(super) fn is_in_the_way(stage: Stage, has_failed: bool) -> bool {
    stage != Stage::Waiting || !has_failed
}

/// Whether this failure proves that the reconciliation wrote no intent. Without proof, the watch
/// may still show one.
pub(super) fn has_surely_failed(failure: &Error) -> bool {
    match failure {
        Error::Conflict => true,
        Error::Kubernetes(error) => was_not_written(error),
        Error::Outdated
        | Error::Unreadable(_)
        | Error::NotKept(_)
        | Error::Lightsail(_)
        | Error::Gone
        | Error::SecretRejected { .. }
        | Error::ConfigMapForbidden(_)
        | Error::GenerationFailed(_)
        | Error::NotLeading
        | Error::Stopping => false,
    }
}

/// What turns depend on besides the resets.
#[derive(Clone, Copy, Debug)]
pub(super) struct TurnTiming {
    /// As for [`ResetClaim::of`].
    pub(super) effect: SignedDuration,
    /// How long this process has been acting. A reset that another process has left is searched for
    /// by this one first, however long ago it was begun: an operation of the next reset could not
    /// be told from its own.
    pub(super) leads_for: SignedDuration,
}

impl Turns {
    /// Takes the turn, unless somebody comes first. With each rival comes whether it is in line.
    /// One that has the turn keeps it whatever is known of it: that may be older than its turn.
    /// `start_of` is when a reset began, if this process knows: clocks jump.
    pub(super) fn take<'a>(
        &mut self,
        own: &ResetClaim,
        rivals: impl Iterator<Item = (&'a ResetClaim, bool)>,
        start_of: impl Fn(&str) -> Option<Timestamp>,
        clocks: &Clocks,
        timing: TurnTiming,
    ) -> Turn {
        let now = clocks.time();
        let searched_by = later(now, timing.effect * 2 - timing.leads_for);
        let place = place(own);
        let until_of = |holder: &Holder| clocks.time_of(holder.until);
        let others = self.0.iter().filter(|(uid, _)| **uid != own.uid).map(|(_, holder)| holder);
        let left = others.filter(|holder| holder.is_left && holder.place == place);
        let (mut until, mut ahead, mut new_until) = (left.map(until_of).max(), 0, Some(now));
        for (rival, is_in_line) in rivals {
            // One that is over holds nothing.
            let holder = self.0.get(&rival.uid).filter(|_| rival.stage != Stage::Over);
            let holder = holder.filter(|holder| holder.place == place);
            until = until.max(holder.map(until_of));
            if !is_in_line {
                continue;
            }
            let new_for = rival.created_at.map(|created| later(created, NEW_FOR));
            let may_be_next = match rival.stage {
                Stage::Begun { start, holds } => {
                    let start = start_of(&rival.uid).unwrap_or(start);
                    until = until.max(Some(later(start, holds).max(searched_by)));
                    false
                }
                Stage::New => new_for.is_some_and(|until| until > now),
                Stage::Waiting => true,
                Stage::Blocked | Stage::Over => false,
            };
            if may_be_next && rival.age() < own.age() {
                ahead += 1;
                // By then, it is not waited for any more.
                let ends = new_for.filter(|_| rival.stage == Stage::New);
                new_until = new_until.zip(ends).map(|(until, ends)| until.max(ends));
            }
        }
        let line_moves = later(now, LINE_MOVES * ahead);
        let line_moves = new_until.map_or(line_moves, |until| until.min(line_moves));
        let line_moves = (ahead > 0).then_some(line_moves);
        if let Some(until) = until.max(line_moves).filter(|until| *until > now) {
            return Turn::After(until);
        }
        self.hold(own, clocks.moment_of(now), timing.effect);
        Turn::Taken
    }

    /// The reset has its turn, and is about to write ahead of its call: from now on the turn lasts
    /// as long as a call that is sent last, and the search for it. `effect` is as for
    /// [`TurnTiming`].
    pub(super) fn hold(&mut self, own: &ResetClaim, now: Moment, effect: SignedDuration) {
        let until = now + (effect * 2).unsigned_abs();
        self.insert(own.uid.clone(), Holder { place: place(own), until, is_left: false }, now);
    }

    /// The reset with this claim needs its turn no more. Returns whether it had one of which nobody
    /// is told otherwise that it is over: a change of the object calls those who wait, but one that
    /// is gone changes no more, and one that was blocked and is so again has not changed.
    pub(super) fn give_up(&mut self, claim: &ResetClaim) -> bool {
        let held = self.0.remove(&claim.uid);
        held.is_some_and(|holder| holder.is_left || claim.stage == Stage::Blocked)
    }

    /// The object with this claim is gone, and its call may still take effect. Nobody has its turn
    /// before that is over, whichever process made the call. The claim may be older than the turn.
    pub(super) fn leave(&mut self, claim: &ResetClaim, now: Moment, effect: SignedDuration) {
        let lasts = now + effect.unsigned_abs();
        let holder = match self.0.remove(&claim.uid) {
            Some(it) => Holder { until: it.until.max(lasts), is_left: true, ..it },
            None => Holder { place: place(claim), until: lasts, is_left: true },
        };
        self.insert(claim.uid.clone(), holder, now);
    }

    /// Those whose time is up hold nothing.
    fn insert(&mut self, uid: String, holder: Holder, now: Moment) {
        self.0.retain(|_, holder| holder.until > now);
        self.0.insert(uid, holder);
    }
}

#[cfg(test)]
#[rustfmt::skip]
mod tests {
    use std::time::Duration;

    use kube::core::Status;

    use super::*;
    use crate::clock::tests::clocks;

    const TIMING: TurnTiming = TurnTiming {
        effect: SignedDuration::from_secs(80),
        leads_for: SignedDuration::from_hours(1),
    };

    fn time(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// The clocks at that second, if the wall clock has not jumped.
    fn now(second: u64) -> Clocks {
        clocks(time(second.cast_signed()), Duration::from_secs(second))
    }

    fn moment(second: u64) -> Moment {
        now(second).moment_of(time(second.cast_signed()))
    }

    fn begun(until: i64) -> Stage {
        Stage::Begun { start: time(900), holds: SignedDuration::from_secs(until - 900) }
    }

    fn claim(uid: &str, created: i64, stage: Stage) -> ResetClaim {
        ResetClaim {
            region: "eu-west-1".into(),
            instance: "web-1".to_owned(),
            account: Some("123456789012".into()),
            created_at: Some(time(created)),
            uid: uid.to_owned(),
            stage,
            mark: None,
            operations: Vec::new(),
        }
    }

    fn in_line(rivals: &[ResetClaim]) -> impl Iterator<Item = (&ResetClaim, bool)> {
        rivals.iter().map(|rival| (rival, true))
    }

    #[test]
    fn a_reset_waits_for_those_that_come_first() {
        let own = claim("own", 1_000, Stage::New);
        let until = |second| Turn::After(time(second));
        let line = until(1_005);
        for (name, rival, expected) in [
            ("nobody else", None, Turn::Taken),
            ("one that has begun, however young",
             Some(claim("b", 2_000, begun(1_600))), until(1_600)),
            ("one whose time is up", Some(claim("b", 900, begun(1_000))), Turn::Taken),
            ("an older one that waits too", Some(claim("b", 900, Stage::Waiting)), line),
            ("a younger one that waits", Some(claim("b", 1_001, Stage::Waiting)), Turn::Taken),
            ("one of the same age with a smaller uid",
             Some(claim("b", 1_000, Stage::Waiting)), line),
            ("one of the same age with a greater uid",
             Some(claim("z", 1_000, Stage::Waiting)), Turn::Taken),
            ("an older one that was not observed yet", Some(claim("b", 999, Stage::New)), line),
            ("one that nobody observes", Some(claim("b", 970, Stage::New)), Turn::Taken),
            ("one that is suspended, or blocked",
             Some(claim("b", 900, Stage::Blocked)), Turn::Taken),
            ("one that is over", Some(claim("b", 900, Stage::Over)), Turn::Taken),
        ] {
            let rivals: Vec<ResetClaim> = rival.into_iter().collect();
            assert_eq!(Turns::default().take(&own, in_line(&rivals), |_| None,
                &now(1_000), TIMING), expected, "{name}");
        }
        let crowd: Vec<_> = (0..60).map(|age| claim("b", age, Stage::Waiting)).collect();
        assert_eq!(Turns::default().take(&own, in_line(&crowd), |_| None, &now(1_000),
            TIMING), until(1_300), "the longer the line, the later it asks again");
        let new: Vec<_> = (0..60).map(|_| claim("b", 999, Stage::New)).collect();
        assert_eq!(Turns::default().take(&own, in_line(&new), |_| None, &now(1_000),
            TIMING), until(1_029), "those that nobody observes are not waited for longer");
    }

    #[test]
    fn one_that_waits_and_fails_holds_nobody_up() {
        for (name, stage, has_failed, expected) in [
            ("it waits", Stage::Waiting, false, true),
            ("its status cannot be written", Stage::Waiting, true, false),
            ("it has begun, and fails since", begun(1_600), true, true),
            ("it is not waited for long anyway", Stage::New, true, true),
            ("it is not waited for", Stage::Blocked, true, true),
        ] {
            assert_eq!(is_in_the_way(stage, has_failed), expected, "{name}");
            let rival = claim("b", 900, stage);
            let rivals = [(&rival, is_in_the_way(stage, has_failed))].into_iter();
            let own = claim("own", 1_000, Stage::New);
            let turn = Turns::default().take(&own, rivals, |_| None, &now(1_000),
                TIMING);
            let is_taken = !expected || matches!(stage, Stage::New | Stage::Blocked);
            assert_eq!(turn == Turn::Taken, is_taken, "{name}");
        }
    }

    #[test]
    fn only_what_surely_wrote_nothing_is_a_failure_to_write() {
        const TOO_LARGE: &str = "etcdserver: request is too large";
        let answer = |code, reason, message| {
            let status = Status::failure(message, reason).with_code(code);
            Error::Kubernetes(Box::new(kube::Error::Api(Box::new(status))))
        };
        let page = Status::failure("<html>", "Failed to parse error data").with_code(403);
        for (name, failure, expected) in [
            ("somebody changes it all the time", Error::Conflict, true),
            ("a policy forbids the status", answer(403, "Forbidden", "no"), true),
            ("a webhook is not there", answer(500, "InternalError", "failed calling"), true),
            ("it is as large as it may be", answer(500, "", TOO_LARGE), true),
            ("etcd does not know", answer(500, "", "etcdserver: request timed out"), false),
            ("nobody knows", answer(504, "Timeout", "no"), false),
            ("nor here", kube::Error::Service("no response in time".into()).into(), false),
            ("the page of a proxy", kube::Error::Api(Box::new(page)).into(), false),
            ("another process leads", Error::NotLeading, false),
        ] {
            assert_eq!(has_surely_failed(&failure), expected, "{name}");
        }
    }

    #[test]
    fn a_reset_that_another_process_left_is_searched_for_before_the_next_one_begins() {
        let own = claim("own", 1_000, Stage::Waiting);
        for (name, stage, leads_for, expected) in [
            ("this process is new", begun(1_000), 0, Turn::After(time(1_160))),
            ("it searches", begun(1_000), 100, Turn::After(time(1_060))),
            ("it has had the time", begun(1_000), 160, Turn::Taken),
            ("it ends later", begun(1_100), 100, Turn::After(time(1_100))),
            ("it never began", Stage::Blocked, 0, Turn::Taken),
            ("it is over", Stage::Over, 0, Turn::Taken),
        ] {
            let rivals = [claim("b", 900, stage)];
            let leads_for = SignedDuration::from_secs(leads_for);
            assert_eq!(Turns::default().take(&own, in_line(&rivals), |_| None,
                &now(1_000), TurnTiming { leads_for, ..TIMING }), expected, "{name}");
        }
    }

    #[test]
    fn a_turn_is_taken_by_one_at_a_time() {
        let (first, second) = (claim("b", 1_001, Stage::Waiting), claim("a", 1_000,
            Stage::Blocked));
        let mut turns = Turns::default();
        let mut take = |own: &ResetClaim, rivals: &[ResetClaim], second| {
            turns.take(own, in_line(rivals), |_| None, &now(second), TIMING)
        };
        let others = |claim: &ResetClaim| [claim.clone()];
        assert_eq!(take(&first, &others(&second), 1_000), Turn::Taken);
        // What it says of itself does not show it yet.
        assert_eq!(take(&second, &others(&first), 1_001), Turn::After(time(1_160)));
        assert_eq!(take(&first, &others(&second), 1_002), Turn::Taken, "it has it");
        assert_eq!(take(&second, &[claim("b", 1_001, Stage::Over)], 1_003), Turn::Taken,
            "one that is over holds nothing");
        assert_eq!(take(&first, &[], 1_004), Turn::Taken, "nor does one that is gone");
        assert_eq!(take(&second, &others(&first), 1_200), Turn::Taken, "nor one whose time is up");
        turns.give_up(&second);
        assert_eq!(turns.0.len(), 0, "nothing is kept of one whose time is up");
    }

    /// Its operation could not be told from that of the next one.
    #[test]
    fn i6_the_turn_of_one_that_is_gone_lasts_while_its_call_may_take_effect() {
        let (own, first) = (claim("own", 1_001, Stage::Waiting), claim("b", 1_000, begun(1_600)));
        let until = |second| Turn::After(time(second));
        let take = |turns: &mut Turns, own: &ResetClaim, second| {
            turns.take(own, in_line(&[]), |_| None, &now(second), TIMING)
        };
        let leave = |turns: &mut Turns, claim: &ResetClaim, second| {
            turns.leave(claim, moment(second), TIMING.effect);
        };
        let mut turns = Turns::default();
        assert_eq!(take(&mut turns, &first, 1_000), Turn::Taken);
        leave(&mut turns, &first, 1_001);
        assert_eq!(take(&mut turns, &own, 1_001), until(1_160), "as long as its turn was to last");
        // Its reconciliation ends without an answer.
        leave(&mut turns, &first, 1_100);
        assert_eq!(take(&mut turns, &own, 1_101), until(1_180), "and no shorter than its effect");
        assert!(turns.give_up(&first), "it was answered");
        assert!(!turns.give_up(&first));
        assert_eq!(take(&mut turns, &own, 1_102), Turn::Taken);
        assert!(!turns.give_up(&own), "its own change says it");
        // Another process made the call, and this one never gave it a turn.
        leave(&mut turns, &first, 1_200);
        assert_eq!(take(&mut turns, &own, 1_201), until(1_280));
        let elsewhere = ResetClaim { instance: "web-2".to_owned(), ..own.clone() };
        assert_eq!(take(&mut turns, &elsewhere, 1_201), Turn::Taken);
        // Several went, and one was answered.
        leave(&mut turns, &claim("c", 1_000, begun(1_600)), 1_210);
        turns.give_up(&claim("c", 1_000, begun(1_600)));
        assert_eq!(take(&mut turns, &own, 1_211), until(1_280));
        assert_eq!(take(&mut turns, &own, 1_280), Turn::Taken, "its time is up");
    }

    #[test]
    fn i6_a_turn_is_held_from_the_mark_of_its_call_on() {
        let (own, first) = (claim("own", 1_001, Stage::Waiting), claim("b", 1_000, Stage::New));
        let mut turns = Turns::default();
        assert_eq!(turns.take(&first, in_line(&[]), |_| None, &now(1_000), TIMING), Turn::Taken);
        // Its intent was there long before its mark, and the watch shows neither.
        turns.hold(&first, moment(1_150), TIMING.effect);
        turns.leave(&ResetClaim { account: None, ..first }, moment(1_151), TIMING.effect);
        assert_eq!(turns.take(&own, in_line(&[]), |_| None, &now(1_152), TIMING),
            Turn::After(time(1_310)));
    }

    /// Its row may be from before its turn, and its account was edited since, or it has failed.
    #[test]
    fn i6_a_turn_is_kept_whatever_is_known_of_the_one_that_has_it() {
        let own = claim("own", 1_001, Stage::Waiting);
        for stage in [Stage::New, Stage::Waiting, Stage::Blocked] {
            let first = claim("b", 1_000, stage);
            let mut turns = Turns::default();
            assert_eq!(turns.take(&first, in_line(&[]), |_| None, &now(1_000), TIMING),
                Turn::Taken);
            let mut take = |first: &ResetClaim, second| {
                let rivals = [(first, false)].into_iter();
                turns.take(&own, rivals, |_| None, &now(second), TIMING)
            };
            assert_eq!(take(&first, 1_001), Turn::After(time(1_160)), "{stage:?}");
            assert_eq!(take(&claim("b", 1_000, Stage::Over), 1_002), Turn::Taken, "{stage:?}");
        }
        let mut turns = Turns::default();
        for stage in [Stage::New, Stage::Waiting, begun(1_600)] {
            let rival = claim("b", 900, stage);
            assert_eq!(turns.take(&own, [(&rival, false)].into_iter(), |_| None,
                &now(1_000), TIMING), Turn::Taken, "{stage:?} has no turn, and is not in line");
        }
    }

    #[test]
    fn a_turn_lasts_as_long_if_the_wall_clock_jumps() {
        let first = claim("a", 1_000, Stage::Waiting);
        let second = claim("b", 1_001, Stage::Blocked);
        for jump in [-7_200, 7_200] {
            let mut turns = Turns::default();
            assert_eq!(turns.take(&first, in_line(&[]), |_| None, &now(1_000),
                TIMING), Turn::Taken);
            let jumped = |second: u64| {
                clocks(time(second.cast_signed() + jump), Duration::from_secs(second))
            };
            let rivals = [claim("a", 1_000, Stage::Blocked)];
            let mut take = |at_second| {
                let rivals = in_line(&rivals);
                turns.take(&second, rivals, |_| None, &jumped(at_second), TIMING)
            };
            assert_eq!(take(1_159), Turn::After(time(1_160 + jump)));
            assert_eq!(take(1_160), Turn::Taken);
        }
    }
}
