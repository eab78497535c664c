//! Resets of one instance take turns by their age, whatever namespace they are in: an operation
//! that two of them wait for could not be told to be the one's or the other's. A reset that waits
//! for a person or for Lightsail holds nobody up.

use std::collections::HashMap;

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use crate::api::conditions::{COMPLETE, FAILED, READY, find, is_true};
use crate::api::{HostKeyReset, Reason};
use crate::controllers::ObjectRef;
use crate::controllers::rows::Claim;

use super::later;

/// A reset that was made a moment ago, and at which nobody has looked, comes before a younger one.
/// If nobody looks for this long, it is not waited for.
const NEW_FOR: SignedDuration = SignedDuration::from_secs(30);
/// How soon one that waits for another in the line asks again, if it is not called.
const LINE_MOVES: SignedDuration = SignedDuration::from_secs(5);

/// An object's place in the line for its instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    region: String,
    instance: String,
    created_at: Option<Timestamp>,
    uid: String,
    stage: Stage,
    /// The ids of the operations that it has recorded as its own.
    pub operations: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nobody has looked at it.
    New,
    /// It waits for others.
    Waiting,
    /// It waits for a person or for Lightsail.
    Blocked,
    /// It has an intent, and holds the instance until then at most.
    Begun(Timestamp),
    Over,
}

impl Turn {
    /// The place of an object, by what it says of itself. `landing` is how long after a call its
    /// effect may still appear.
    #[must_use]
    pub fn of(object: &HostKeyReset, landing: SignedDuration) -> Self {
        let status = object.status.clone().unwrap_or_default();
        let ready = find(&status.conditions, READY).map(|ready| ready.reason.as_str());
        let stage = if is_true(&status.conditions, COMPLETE) || is_true(&status.conditions, FAILED)
        {
            Stage::Over
        } else if let Some(start) = status.start_time.filter(|_| status.attempts > 0) {
            let deadline =
                SignedDuration::from_secs(i64::from(object.spec.active_deadline_seconds));
            Stage::Begun(later(start.0, deadline.max(landing * 2)))
        } else if object.metadata.deletion_timestamp.is_some() || object.spec.suspend {
            Stage::Blocked
        } else if ready.is_none() {
            Stage::New
        } else if ready == Some(&Reason::WaitingForTurn.to_string()) {
            Stage::Waiting
        } else {
            Stage::Blocked
        };
        Self {
            region: object.spec.region.clone(),
            instance: object.spec.instance_name.clone(),
            created_at: object.metadata.creation_timestamp.as_ref().map(|time| time.0),
            uid: object.metadata.uid.clone().unwrap_or_default(),
            stage,
            operations: status
                .operations
                .into_iter()
                .filter_map(|operation| operation.id)
                .collect(),
        }
    }

    fn age(&self) -> (Option<Timestamp>, &str) {
        (self.created_at, &self.uid)
    }
}

impl Claim for Turn {
    fn place(&self) -> (&str, &str) {
        (&self.region, &self.instance)
    }

    fn rank(&self) -> Option<impl Ord> {
        match self.stage {
            Stage::Begun(_) => Some((false, self.age())),
            Stage::New | Stage::Waiting => Some((true, self.age())),
            Stage::Blocked | Stage::Over => None,
        }
    }

    fn waits(&self) -> bool {
        self.stage == Stage::Waiting
    }
}

/// Somebody comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ahead {
    /// Until then at most.
    pub until: Timestamp,
}

/// Who has the turn at each instance, from before its intent is written, so that no two passes take
/// it at once.
#[derive(Debug, Default)]
pub struct Turns(HashMap<(String, String), Holder>);

#[derive(Debug)]
struct Holder {
    at: ObjectRef,
    uid: String,
    until: Timestamp,
}

impl Turns {
    /// Takes the turn, unless somebody comes first. `landing` is as for [`Turn::of`].
    pub fn take(
        &mut self,
        at: &ObjectRef,
        own: &Turn,
        rivals: &[&Turn],
        now: Timestamp,
        landing: SignedDuration,
    ) -> Option<Ahead> {
        let place = (own.region.clone(), own.instance.clone());
        let holder = self.0.get(&place).filter(|holder| holder.uid != own.uid).and_then(|holder| {
            // One that is gone, or over, holds nothing.
            let holds =
                rivals.iter().any(|rival| rival.uid == holder.uid && rival.stage != Stage::Over);
            holds.then_some(holder.until)
        });
        let in_line = |rival: &Turn| {
            let is_there = match rival.stage {
                Stage::New => {
                    rival.created_at.is_some_and(|created| now.duration_since(created) < NEW_FOR)
                }
                Stage::Waiting => true,
                Stage::Blocked | Stage::Begun(_) | Stage::Over => false,
            };
            (is_there && rival.age() < own.age()).then(|| later(now, LINE_MOVES))
        };
        let until = rivals.iter().filter_map(|rival| match rival.stage {
            Stage::Begun(until) => Some(until),
            Stage::New | Stage::Waiting | Stage::Blocked | Stage::Over => in_line(rival),
        });
        if let Some(until) = until.chain(holder).filter(|until| *until > now).max() {
            return Some(Ahead { until });
        }
        let holder =
            Holder { at: at.clone(), uid: own.uid.clone(), until: later(now, landing * 2) };
        self.0.insert(place, holder);
        None
    }

    /// The object needs its turn no more.
    pub fn give_up(&mut self, at: &ObjectRef) {
        self.0.retain(|_, holder| holder.at != *at);
    }
}

#[cfg(test)]
#[rustfmt::skip]
mod tests {
    use super::*;

    const LANDING: SignedDuration = SignedDuration::from_secs(80);

    fn time(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn at(name: &str) -> ObjectRef {
        ObjectRef::new("n", name)
    }

    fn turn(uid: &str, created: i64, stage: Stage) -> Turn {
        Turn {
            region: "eu-west-1".to_owned(),
            instance: "web-1".to_owned(),
            created_at: Some(time(created)),
            uid: uid.to_owned(),
            stage,
            operations: Vec::new(),
        }
    }

    #[test]
    fn a_reset_waits_for_those_that_come_first() {
        let own = turn("own", 1_000, Stage::New);
        let until = |second| Some(Ahead { until: time(second) });
        let line = until(1_005);
        for (name, rival, expected) in [
            ("nobody else", None, None),
            ("one that has begun, however young",
             Some(turn("b", 2_000, Stage::Begun(time(1_600)))), until(1_600)),
            ("one whose time is up", Some(turn("b", 900, Stage::Begun(time(1_000)))), None),
            ("an older one that waits too", Some(turn("b", 900, Stage::Waiting)), line),
            ("a younger one that waits", Some(turn("b", 1_001, Stage::Waiting)), None),
            ("one of the same age with a smaller uid",
             Some(turn("b", 1_000, Stage::Waiting)), line),
            ("one of the same age with a greater uid",
             Some(turn("z", 1_000, Stage::Waiting)), None),
            ("an older one at which nobody has looked yet", Some(turn("b", 999, Stage::New)), line),
            ("one at which nobody looks", Some(turn("b", 970, Stage::New)), None),
            ("one that is suspended, or blocked", Some(turn("b", 900, Stage::Blocked)), None),
            ("one that is over", Some(turn("b", 900, Stage::Over)), None),
        ] {
            let rivals: Vec<&Turn> = rival.iter().collect();
            assert_eq!(Turns::default().take(&at("own"), &own, &rivals, time(1_000), LANDING),
                expected, "{name}");
        }
    }

    #[test]
    fn a_turn_is_taken_by_one_at_a_time() {
        let (first, second) = (turn("b", 1_001, Stage::Waiting), turn("a", 1_000, Stage::Blocked));
        let mut turns = Turns::default();
        let mut take = |own: &Turn, rivals: &[&Turn], now| turns.take(&at(&own.uid), own, rivals,
            time(now), LANDING);
        assert_eq!(take(&first, &[&second], 1_000), None);
        // What it says of itself does not show it yet.
        assert_eq!(take(&second, &[&first], 1_001), Some(Ahead { until: time(1_160) }));
        assert_eq!(take(&first, &[&second], 1_002), None, "it has it");
        assert_eq!(take(&second, &[&turn("b", 1_001, Stage::Over)], 1_003), None, "one that is \
            over holds nothing");
        assert_eq!(take(&first, &[], 1_004), None, "nor does one that is gone");
        assert_eq!(take(&second, &[&first], 1_200), None, "nor one whose time is up");
        turns.give_up(&at("a"));
        assert_eq!(turns.0.len(), 0);
    }
}
