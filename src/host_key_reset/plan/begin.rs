//! The way to the call: whatever speaks against it is said without a call.

use std::time::Duration;

use super::deadline::{deadline, in_time, is_late, last_start};
use super::hindrance::{Hindrance, hindrance};
use super::search::{find_call, maybe_newer, newest};
use super::step::{End, ReadStep, Step};
use super::take_back::take_back;
use crate::api::Reason;
use crate::api::conditions::{READY, find};
use crate::engine::{self, Verdict};
use crate::host_key_reset::mark::MarkState;
use crate::host_key_reset::message::{Last, Message};
use crate::host_key_reset::world::{Desired, InstanceRead, Observed, Turn};
use crate::lightsail::Instance;

/// How soon to ask for a turn again at the latest, if nobody calls before.
const ASK_AGAIN: Duration = Duration::from_mins(5);
/// Who waits in a long line asks only after this part of the time that the line takes: each of them
/// goes over all others.
const OF_A_LONG_LINE: u32 = 10;

/// Nothing was called yet, or what was called was refused and taken back.
pub(super) fn begin(desired: &Desired, observed: &Observed) -> Step {
    if desired.deleting {
        return Step::Leave;
    }
    let is_open = observed.status.attempts > 0;
    if let Some(why) = observed.mark_refused.as_ref().filter(|_| observed.intent_written) {
        let verdict = Verdict::retried(&engine::message::Message::RefusedByKubernetes { why });
        return take_back(desired, observed, verdict);
    }
    // Nobody called under an intent without a mark, unless somebody has taken that off since.
    let may_have_been_called = is_open && !observed.intent_written;
    if may_have_been_called {
        match find_call(desired, observed, &Message::MakingSure) {
            Err(step) => return step,
            Ok(operations) if maybe_newer(observed, operations).next().is_some() => {
                let message = Message::NotAnswered { instance: &desired.instance };
                return Step::End(message.failed(Vec::new()));
            }
            Ok(_) => {}
        }
    }
    if let Some(end) = out_of_time(desired, observed) {
        return Step::End(end);
    }
    let end = last_start(desired, observed);
    let wait = |verdict| Step::Wait(in_time(observed, end, verdict));
    if desired.suspend && !is_open {
        return wait(Message::Suspended { until: end }.suspended());
    }
    match hindrance(desired, observed) {
        Some(Hindrance::Unread(read)) => return Step::Read(read),
        Some(Hindrance::Refused(verdict)) => return wait(verdict),
        None => {}
    }
    // Who may not reset an instance takes no turn at it, and is none of those who wait for theirs.
    // All of these share what was read of the instance (I14).
    if !desired.instance_tags.is_empty() {
        let Some(read) = observed.instance.as_ref().filter(|read| is_fresh(observed, read)) else {
            if observed.asked || is_open {
                return Step::Read(ReadStep::FindInstance);
            }
            // Half of the time is left for what follows.
            let fresh_for = (observed.call_timeout / 2).unsigned_abs();
            return Step::Read(ReadStep::FindSharedInstance { fresh_for });
        };
        if is_forbidden(desired, read.instance.as_ref()) {
            let tags = &desired.instance_tags;
            let message = Message::InstanceNotTagged { instance: &desired.instance, tags };
            return wait(message.stalled());
        }
    }
    // Whoever has an intent has its turn. Who waits for it asks Lightsail nothing else.
    match observed.turn {
        Turn::NotAsked if !is_open => return Step::TakeTurn,
        Turn::After(until) if !is_open => {
            let left = until.duration_since(observed.now).unsigned_abs();
            let longest = ASK_AGAIN.max(left / OF_A_LONG_LINE);
            let pause = left.clamp(Duration::from_secs(1), longest);
            return wait(Message::WaitingForTurn.wait(pause));
        }
        Turn::NotAsked | Turn::Taken | Turn::After(_) => {}
    }
    let instance = match find_instance(observed) {
        Ok(instance) => instance,
        Err(step) => return step,
    };
    let Some(Instance { arn, .. }) = instance else {
        let message = Message::InstanceNotFound { instance: &desired.instance };
        return Step::End(not_done(observed, &message));
    };
    if let Some(wanted) = desired.instance_arn.as_ref().filter(|wanted| *wanted != arn) {
        let message = Message::OtherInstance { instance: &desired.instance, arn, expected: wanted };
        return Step::End(not_done(observed, &message));
    }
    // What was done before the instance was looked at is not newer than the call.
    let looked_at = observed.instance.as_ref().map(|read| read.at);
    let listed = observed.operations.as_ref().filter(|(_, at)| Some(*at) >= looked_at);
    let Some((operations, _)) = listed else {
        return Step::Read(ReadStep::ListOperations);
    };
    // What the call could not follow would only be taken back.
    if !observed.lease_outlives_call {
        return Step::AwaitLease;
    }
    if observed.intent_written {
        return Step::WriteMark(MarkState::Started);
    }
    // It may no longer allow this.
    if observed.account_changed {
        return Step::StartOver;
    }
    Step::WriteIntent {
        last_operation_before: newest(operations).and_then(|operation| operation.id.clone()),
        instance_arn: arn.clone(),
        // Of an account's role, only the log tells.
        shows_caller: observed.grant.route().is_none(),
    }
}

/// The instance, if there is one, as it was read a moment ago (I7); otherwise the step that reads
/// it.
fn find_instance(observed: &Observed) -> Result<Option<&Instance>, Step> {
    let read = observed.instance.as_ref().filter(|read| is_fresh(observed, read) && !read.shared);
    read.map(|read| read.instance.as_ref()).ok_or(Step::Read(ReadStep::FindInstance))
}

fn is_fresh(observed: &Observed, read: &InstanceRead) -> bool {
    observed.now.duration_since(read.at) <= observed.call_timeout
}

/// Whether the account does not allow resets of this instance. That comes before everything that
/// would tell more of it, but for what may have been called.
fn is_forbidden(desired: &Desired, instance: Option<&Instance>) -> bool {
    let wanted = &desired.instance_tags;
    let has_all = |it: &Instance| wanted.iter().all(|(key, value)| it.tags.get(key) == Some(value));
    instance.is_some_and(|instance| !has_all(instance))
}

/// Makes the call, unless its time ran out while the mark was written.
pub(super) fn call(desired: &Desired, observed: &Observed) -> Step {
    out_of_time(desired, observed).map_or(Step::Call, Step::End)
}

/// Whether it is too late to start.
fn out_of_time(desired: &Desired, observed: &Observed) -> Option<End> {
    let last = find(&observed.status.conditions, READY)
        .filter(|ready| Reason::parse(&ready.reason) != Some(Reason::InProgress))
        .map(|ready| Last { reason: &ready.reason, message: &ready.message });
    if is_late(desired, observed) {
        let deadline = deadline(desired, observed)?;
        return Some(not_done(observed, &Message::NotInTime { deadline, last }));
    }
    let not_after = desired.not_after;
    (observed.now > not_after).then(|| not_done(observed, &Message::Expired { not_after, last }))
}

/// It ends without a call. An intent of an earlier reconciliation that has no mark was never
/// called, unless somebody took the mark off: it still counts as an attempt.
fn not_done(observed: &Observed, message: &Message<'_>) -> End {
    let is_certain = observed.status.attempts == 0 || observed.intent_written;
    End { called: !is_certain, ..message.uncalled() }
}
