//! What is kept of a reset in memory: its place in the line for its instance.

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::mark::Mark;
use super::record;
use super::world::KnownOperation;
use crate::access::Directory;
use crate::access::permission::{What, surely_refuses};
use crate::api::conditions::{READY, find, reason};
use crate::api::{HostKeyReset, Reason};
use crate::digest::Digest;
use crate::engine::ObjectRef;
use crate::engine::rows::{Claim, ClaimKey, Rival, Row, Rows, Shown, claim_key};
use crate::engine::trigger::Trigger;
use crate::ids::{AccountId, Arn, LaneId, Region};

/// An object's place in the line for its instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResetClaim {
    pub(super) region: Region,
    pub(super) instance: String,
    /// The account on record.
    pub(super) account: Option<AccountId>,
    pub(super) created_at: Option<Timestamp>,
    pub(super) uid: String,
    pub(super) stage: Stage,
    /// The mark, if there is one, whoever wrote it.
    pub mark: Option<Mark>,
    /// The operations that it has recorded as its own.
    pub operations: Vec<KnownOperation>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It was not observed yet.
    New,
    /// It waits for others.
    Waiting,
    /// It waits for somebody to act, or for Lightsail.
    Blocked,
    /// It has an intent, and holds the instance for this long at most.
    Begun {
        start: Timestamp,
        holds: SignedDuration,
    },
    Over,
}

impl ResetClaim {
    /// The place of an object, by what it says of itself. `effect_window` is how long after a call
    /// its effect may still appear.
    #[must_use]
    pub fn of(object: &HostKeyReset, effect_window: SignedDuration) -> Self {
        let status = object.status.clone().unwrap_or_default();
        let ready = find(&status.conditions, READY);
        let mark = Mark::of(object);
        let is_deleting = object.metadata.deletion_timestamp.is_some();
        // No call is made under an intent without a mark once the object is being deleted.
        let is_given_up = is_deleting && mark.is_none() && status.operations.is_empty();
        let stage = if status.is_over() {
            Stage::Over
        } else if let Some(start) =
            status.start_time.filter(|_| status.attempts > 0 && !is_given_up)
        {
            let deadline =
                SignedDuration::from_secs(i64::from(object.spec.active_deadline_seconds));
            // A call that was sent last, and the search for it.
            Stage::Begun { start: start.0, holds: deadline + effect_window * 2 }
        } else if is_deleting || object.spec.suspend {
            Stage::Blocked
        } else if ready.is_none() {
            Stage::New
        } else if reason(&status.conditions, READY) == Some(Reason::WaitingForTurn) {
            Stage::Waiting
        } else {
            Stage::Blocked
        };
        Self {
            region: object.spec.region.as_str().into(),
            instance: object.spec.instance_name.clone(),
            account: status.account_id.as_deref().map(AccountId::from),
            created_at: object.metadata.creation_timestamp.as_ref().map(|time| time.0),
            uid: object.metadata.uid.clone().unwrap_or_default(),
            stage,
            mark,
            operations: KnownOperation::all(&status.operations),
        }
    }

    pub(super) fn age(&self) -> (Option<Timestamp>, &str) {
        (self.created_at, &self.uid)
    }
}

impl Claim for ResetClaim {
    /// Whether it has not begun, and when it was created.
    type Rank = (bool, Option<Timestamp>);

    fn key(&self) -> ClaimKey {
        claim_key(self.region.as_str(), &self.instance)
    }

    fn rank(&self) -> Self::Rank {
        (!matches!(self.stage, Stage::Begun { .. }), self.created_at)
    }

    fn blocks(&self) -> bool {
        !matches!(self.stage, Stage::Blocked | Stage::Over)
    }

    fn waits(&self) -> bool {
        // One that is reconciled for the first time may be about to say that it waits: who steps
        // aside meanwhile calls it too.
        matches!(self.stage, Stage::New | Stage::Waiting)
    }

    fn asks(&self, before: &Self) -> bool {
        // The operator never takes an end back, but a tool that restores a status may.
        let has_lost_end = before.stage == Stage::Over && self.stage != Stage::Over;
        has_lost_end || !Mark::follows(self.mark.as_ref(), before.mark.as_ref())
    }

    // They take turns.
    fn held(&self) -> Option<Digest<Arn>> {
        None
    }
}

/// The name of the account that the reset uses, if it uses one.
pub(super) fn account_ref(object: &HostKeyReset) -> Option<&str> {
    object.spec.account_ref.as_ref().map(|account| account.name.as_str())
}

/// Those that are about the same instance as the object with this claim. One that had its name
/// before is one of them as long as nobody has seen it go: its call may still take effect.
pub(super) fn rivals<'a>(
    rows: &'a Rows<ResetClaim>,
    at: &'a ObjectRef,
    own: &ResetClaim,
) -> impl Iterator<Item = Rival<'a, ResetClaim>> {
    let key = own.key();
    let predecessor = rows.predecessor(at, &own.uid).and_then(|row| {
        let claim = row.claim.as_ref().filter(|claim| claim.key() == key)?;
        Some(Rival { at, row, claim })
    });
    rows.rivals(at, key).chain(predecessor)
}

/// Whether a rival of the object at this name may be in line: one that had the name before is gone,
/// and only its call counts.
pub(super) fn may_be_in_line(reset: &Rival<'_, ResetClaim>, at: &ObjectRef) -> bool {
    reset.at != at || has_begun(reset.claim)
}

/// Whether a reset is in this account, or may be: by its record, or else by the account that it
/// names, `of_lane`.
pub(super) fn may_be_in(
    reset: &Rival<'_, ResetClaim>,
    account: Option<&AccountId>,
    of_lane: impl FnOnce() -> Option<Digest<AccountId>>,
) -> bool {
    let other = reset.claim.account.as_ref().map(Digest::of).or_else(of_lane);
    other.is_none() || account.is_none() || other == account.map(Digest::of)
}

/// Whether a reset has an intent.
pub(super) fn has_begun(claim: &ResetClaim) -> bool {
    matches!(claim.stage, Stage::Begun { .. })
}

/// Whether a reset that has not begun surely may not: its account does not allow it. Then it holds
/// up no other.
pub(super) fn may_not_begin(reset: &Rival<'_, ResetClaim>, directory: &Directory) -> bool {
    let has_begun = has_begun(reset.claim);
    let (namespace, region) = (&reset.at.namespace, &reset.claim.region);
    let grant = directory.grant(namespace, reset.row.lane.account());
    !has_begun && surely_refuses(&grant, namespace, region, What::HostKeyReset, false)
}

/// The lane of the queue that a reset is in.
pub(super) fn lane_of(object: &HostKeyReset) -> LaneId {
    LaneId::new(&object.spec.region, account_ref(object))
}

/// What is kept of a reset. `effect_window` is as for [`ResetClaim::of`].
pub(super) fn row_of(object: &HostKeyReset, effect_window: SignedDuration) -> Row<ResetClaim> {
    let claim = ResetClaim::of(object, effect_window);
    Row {
        uid: claim.uid.as_str().into(),
        lane: lane_of(object),
        trigger: Trigger::of(object),
        region_answered: object.status.as_ref().is_some_and(|status| status.instance_arn.is_some()),
        was_acted_on: object.status.as_ref().is_some_and(|status| record::end(status).is_some()),
        shown: Shown::of(object),
        claim: Some(claim),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use serde_json::{Value, json};

    use super::*;
    use crate::api::EXECUTED_ANNOTATION;

    /// Its stage, with this beside what any other that was begun has.
    fn stage(metadata: &Value) -> Stage {
        let mut object = json!({
            "metadata": { "name": "reset", "namespace": "team-a" },
            "spec": { "region": "eu-west-1", "instanceName": "web-1", "reason": "test" },
            "status": { "attempts": 1, "startTime": "2026-11-24T12:00:00Z" },
        });
        for (key, value) in metadata.as_object().unwrap() {
            object["metadata"][key] = value.clone();
        }
        ResetClaim::of(&serde_json::from_value(object).unwrap(), SignedDuration::from_secs(85))
            .stage
    }

    #[test]
    fn an_intent_that_is_deleted_before_its_mark_holds_nothing() {
        let start: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        let begun = Stage::Begun { start, holds: SignedDuration::from_secs(600 + 2 * 85) };
        let deleting = "2026-11-24T12:00:01Z";
        let marked = json!({ EXECUTED_ANNOTATION: "h/Started" });
        assert_eq!(stage(&json!({})), begun);
        assert_eq!(stage(&json!({ "annotations": marked })), begun);
        assert_eq!(stage(&json!({ "annotations": marked, "deletionTimestamp": deleting })), begun);
        assert_eq!(stage(&json!({ "deletionTimestamp": deleting })), Stage::Blocked);
    }

    #[test]
    fn i6_one_whose_name_another_object_has_counts_until_it_is_seen_to_go() {
        let at = ObjectRef::new("team-a", "reset");
        let object = |uid: &str, instance: &str, status: &Value| -> HostKeyReset {
            serde_json::from_value(json!({
                "metadata": { "name": "reset", "namespace": "team-a", "uid": uid },
                "spec": { "region": "eu-west-1", "instanceName": instance, "reason": "test" },
                "status": status,
            }))
            .unwrap()
        };
        let own = ResetClaim::of(&object("new", "web-1", &json!({})), SignedDuration::ZERO);
        let begun = json!({ "attempts": 1, "startTime": "2026-11-24T12:00:00Z" });
        for (name, old, expected) in [
            ("it has begun", object("old", "web-1", &begun), Some(true)),
            (
                "it is gone, and so it does not begin",
                object("old", "web-1", &json!({})),
                Some(false),
            ),
            ("another instance", object("old", "web-2", &begun), None),
            ("it is itself", object("new", "web-1", &begun), None),
        ] {
            let mut rows = Rows::default();
            rows.apply(&at, row_of(&old, SignedDuration::ZERO), Instant::now());
            let mut found = rivals(&rows, &at, &own).map(|rival| may_be_in_line(&rival, &at));
            assert_eq!((found.next(), found.next()), (expected, None), "{name}");
        }
    }

    #[test]
    fn an_older_status_over_that_of_a_finished_reset_asks_for_a_reconciliation() {
        let claim = |status: &Value| {
            let object = json!({
                "metadata": { "name": "reset", "namespace": "team-a" },
                "spec": { "region": "eu-west-1", "instanceName": "web-1", "reason": "test" },
                "status": status,
            });
            let effect_window = SignedDuration::from_secs(85);
            ResetClaim::of(&serde_json::from_value(object).unwrap(), effect_window)
        };
        let condition = |type_, status, reason| {
            let at = "2026-11-24T12:00:00Z";
            json!({ "type": type_, "status": status, "reason": reason, "message": "",
                "lastTransitionTime": at })
        };
        let waiting = json!({ "conditions": [condition("Ready", "False", "WaitingForTurn")] });
        let begun = json!({ "attempts": 1, "startTime": "2026-11-24T12:00:00Z" });
        let over = json!({ "attempts": 1, "startTime": "2026-11-24T12:00:00Z",
            "conditions": [condition("Complete", "True", "OperationSucceeded")] });
        for (name, before, after, expected) in [
            ("it waits as it did before its turn", &over, &waiting, true),
            ("it has an intent as it did before its call", &over, &begun, true),
            ("it ends", &begun, &over, false),
            ("it stays over", &over, &over, false),
            ("it begins", &waiting, &begun, false),
        ] {
            assert_eq!(claim(after).asks(&claim(before)), expected, "{name}");
        }
    }
}
