//! The way to the call: whatever prevents it is reported without a call.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use super::deadline::{deadline_on_record, in_time, is_late, last_start, not_yet};
use super::hindrance::{Hindrance, hindrance};
use super::search::{find_call, last_before, maybe_newer, newer};
use super::step::{End, ReadStep, Step};
use super::take_back::take_back;
use crate::api::conditions::{READY, find, reason};
use crate::api::{Operation, Reason};
use crate::engine::{self, Verdict};
use crate::host_key_reset::mark::MarkState;
use crate::host_key_reset::message::{Last, MARK_LATE, MARK_NOT_KEPT, Message, Nothing, cause};
use crate::host_key_reset::world::{Desired, InstanceRead, Observed, Turn, later};
use crate::ids::Arn;
use crate::lightsail::Instance;

/// How soon to ask for a turn again at the latest, if nobody calls before.
const ASK_AGAIN: Duration = Duration::from_mins(5);
/// Who waits in a long line asks only after this part of the time that the line takes: each of them
/// goes over all others.
const OF_A_LONG_LINE: u32 = 10;

/// What must hold before the intent is written, in this order. A check lets it pass, or answers
/// with what comes instead.
const CHECKS: [fn(&Desired, &Observed) -> Option<Step>; 9] = [
    // Nothing is begun for an object that is on its way out.
    the_object_stays,
    // I6: a mark without its intent would pass for that of a copy, whose call was made.
    its_intent_was_stored,
    // I6: nobody called under an intent whose mark was not stored, so the intent is taken back.
    its_mark_was_stored,
    // I6: a call may have been made under an intent whose mark somebody took off since.
    nothing_was_called_under_its_intent,
    // A reset that comes late could wipe a key that was recorded in the meantime.
    there_is_time_left,
    // A person wants it to wait. One that has begun goes on.
    nobody_suspends_it,
    // Its credentials may not be meant for it, fail, or be those of another account.
    lightsail_can_be_asked,
    // A reset that is not allowed neither takes a turn nor waits for one.
    the_account_allows_this_instance,
    // I6: if two resets waited for an operation, nobody could tell whose it is.
    no_other_reset_comes_first,
];

/// Nothing was called yet, or what was called was refused and taken back.
pub(super) fn begin(desired: &Desired, observed: &Observed) -> Step {
    CHECKS
        .iter()
        .find_map(|check| check(desired, observed))
        .unwrap_or_else(|| write_ahead(desired, observed).unwrap_or_else(|step| step))
}

/// Writes the intent, and then the mark. `Err` is what comes before that.
fn write_ahead(desired: &Desired, observed: &Observed) -> Result<Step, Step> {
    let instance_arn = right_instance(desired, observed)?.clone();
    let operations = operations_before(observed)?;
    if let Some(done) = done_though_throttled(desired, observed, operations) {
        let (instance, id) = (desired.instance.as_str(), done.id.as_deref());
        let message = Message::DoneThoughThrottled { instance, id };
        return Err(Step::End(message.failed(Vec::new())));
    }
    // An intent without time for its call would only be taken back.
    if !observed.lease_outlives_call {
        return Err(Step::AwaitLease);
    }
    if observed.intent_written {
        return Ok(Step::WriteMark(MarkState::Started));
    }
    // It may no longer allow this.
    if observed.account_changed {
        return Err(Step::StartOver);
    }
    Ok(Step::WriteIntent {
        last_operation_before: last_before(observed, operations),
        instance_arn,
        // An account's role is shown only in the log.
        shows_caller: observed.grant.route().is_none(),
    })
}

/// What was done since a call of this reset was throttled, and is on record for no other one. I6:
/// it may come from that call all the same, and another call could delete a key that was recorded
/// since. Of a call that was refused otherwise, no date is on record.
fn done_though_throttled<'a>(
    desired: &Desired,
    observed: &Observed,
    operations: &'a [Operation],
) -> Option<&'a Operation> {
    let was_throttled = !is_open(observed) && observed.intent_date().is_some();
    newer(desired, observed, operations).filter(|_| was_throttled)
}

fn is_open(observed: &Observed) -> bool {
    observed.status.attempts > 0
}

/// Says why it waits, and looks again no later than when it may not be started any more.
fn wait(desired: &Desired, observed: &Observed, verdict: Verdict) -> Step {
    Step::Wait(in_time(observed, last_start(desired, observed), verdict))
}

fn the_object_stays(desired: &Desired, _: &Observed) -> Option<Step> {
    desired.deleting.then_some(Step::Leave)
}

/// A policy or a webhook may remove the intent without a word, or the CRD may not know it.
fn its_intent_was_stored(desired: &Desired, observed: &Observed) -> Option<Step> {
    let is_lost = observed.intent_written && !is_open(observed);
    let message =
        engine::message::Message::RefusedByKubernetes { why: "it does not keep status.attempts" };
    is_lost.then(|| Step::Wait(not_yet(desired, observed, Verdict::retried(&message))))
}

/// The API server may refuse the mark, a webhook may remove it without a word, and others may keep
/// it from being sent.
fn its_mark_was_stored(desired: &Desired, observed: &Observed) -> Option<Step> {
    let is_accepted = observed.mark_accepted == Some(MarkState::Started);
    let not_kept = engine::message::Message::RefusedByKubernetes { why: MARK_NOT_KEPT };
    let removed = is_accepted.then(|| Verdict::retried(&not_kept));
    let verdict = observed.mark_unwritten.clone().or(removed);
    verdict.filter(|_| observed.intent_written).map(|it| take_back(desired, observed, it))
}

fn nothing_was_called_under_its_intent(desired: &Desired, observed: &Observed) -> Option<Step> {
    // The mark of an intent of this reconciliation comes next.
    if !is_open(observed) || observed.intent_written {
        return None;
    }
    match find_call(desired, observed, &Message::MakingSure) {
        Err(step) => Some(step),
        Ok(operations) => maybe_newer(observed, operations).next().map(|_| {
            let message = Message::Unknown { instance: &desired.instance, call: None };
            Step::End(message.failed(Vec::new()))
        }),
    }
}

fn there_is_time_left(desired: &Desired, observed: &Observed) -> Option<Step> {
    out_of_time(desired, observed).map(Step::End)
}

fn nobody_suspends_it(desired: &Desired, observed: &Observed) -> Option<Step> {
    let message = Message::Suspended { until: last_start(desired, observed) };
    let is_held = desired.suspend && !is_open(observed);
    is_held.then(|| wait(desired, observed, message.suspended()))
}

fn lightsail_can_be_asked(desired: &Desired, observed: &Observed) -> Option<Step> {
    hindrance(desired, observed).map(|hindrance| match hindrance {
        Hindrance::Unread(read) => read,
        Hindrance::Refused(verdict) if nothing(observed) == Nothing::WasReset => {
            Step::Wait(not_yet(desired, observed, verdict))
        }
        Hindrance::Refused(verdict) => wait(desired, observed, verdict),
    })
}

/// What was read of the instance serves all resets of it that are not allowed (I14).
fn the_account_allows_this_instance(desired: &Desired, observed: &Observed) -> Option<Step> {
    if desired.instance_tags.is_empty() || waits_in_line(observed) {
        return None;
    }
    let Some(read) = observed.instance.as_ref().filter(|read| is_fresh(observed, read)) else {
        if observed.asked || is_open(observed) {
            return Some(Step::Read(ReadStep::FindInstance));
        }
        // Half of the time is left for what follows.
        let fresh_for = (observed.call_timeout / 2).unsigned_abs();
        return Some(Step::Read(ReadStep::FindSharedInstance { fresh_for }));
    };
    let message =
        Message::InstanceNotTagged { instance: &desired.instance, tags: &desired.instance_tags };
    let is_forbidden = is_forbidden(desired, read.instance.as_ref());
    is_forbidden.then(|| wait(desired, observed, message.stalled()))
}

/// Whether it was found to be allowed before, and has waited for its turn since: it asks for that
/// first, and so its wait costs no call. When it has its turn, the instance is read again.
fn waits_in_line(observed: &Observed) -> bool {
    let shows = reason(&observed.status.conditions, READY);
    let has_turn = observed.turn == Turn::Taken || is_open(observed);
    shows == Some(Reason::WaitingForTurn) && !has_turn && !observed.asked
}

/// Whoever has an intent has its turn. Who waits for it asks Lightsail nothing else.
fn no_other_reset_comes_first(desired: &Desired, observed: &Observed) -> Option<Step> {
    if is_open(observed) {
        return None;
    }
    match observed.turn {
        Turn::Taken => None,
        Turn::NotAsked => Some(Step::TakeTurn),
        Turn::After(until) => {
            let left = until.duration_since(observed.now).unsigned_abs();
            let longest = ASK_AGAIN.max(left / OF_A_LONG_LINE);
            let pause = left.clamp(Duration::from_secs(1), longest);
            Some(wait(desired, observed, Message::WaitingForTurn.wait(pause)))
        }
    }
}

/// The ARN of the instance, if it is the one that the spec means, or the step that reads it or
/// says that it is not.
fn right_instance<'a>(desired: &Desired, observed: &'a Observed) -> Result<&'a Arn, Step> {
    let Some(Instance { arn, .. }) = find_instance(observed)? else {
        let (instance, nothing) = (desired.instance.as_str(), nothing(observed));
        let message = Message::InstanceNotFound { instance, nothing };
        return Err(Step::End(not_done(observed, &message)));
    };
    match desired.instance_arn.as_ref().filter(|wanted| *wanted != arn) {
        None => Ok(arn),
        Some(expected) => {
            let (instance, nothing) = (desired.instance.as_str(), nothing(observed));
            let message = Message::OtherInstance { instance, arn, expected, nothing };
            Err(Step::End(not_done(observed, &message)))
        }
    }
}

/// The operations of the instance before the call, or the step that lists them. What was done
/// before the instance was looked at is not newer than the call.
///
/// A list of many pages may take so long that the instance must be read again after it. Such a list
/// still counts for a while. I6: what others did between the two reads is not in it, but Lightsail
/// created it before the date of the second read, which the intent records, and so a search does
/// not take it for this reset's call. Without that date, only a list that is younger counts.
fn operations_before(observed: &Observed) -> Result<&[Operation], Step> {
    let looked_at = observed.instance.as_ref().map(|read| read.at);
    let counts_until = observed
        .listed_by
        .filter(|_| observed.lightsail_date.is_some())
        .map(|listed_by| later(listed_by, observed.call_timeout));
    let counts = |at: Timestamp| Some(at) >= looked_at || counts_until >= looked_at;
    let listed = observed.operations.as_ref().filter(|(_, at)| counts(*at));
    listed.map(|(operations, _)| operations.as_slice()).ok_or(Step::Read(ReadStep::ListOperations))
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
/// would tell more of it, but for what may have been called. I11: one that does not exist is no
/// other than one without the tags, or whoever may create resets learns which instances there are.
fn is_forbidden(desired: &Desired, instance: Option<&Instance>) -> bool {
    let wanted = &desired.instance_tags;
    let has_all = |it: &Instance| wanted.iter().all(|(key, value)| it.tags.get(key) == Some(value));
    !instance.is_some_and(has_all)
}

/// Makes the call, unless its time ran out while the mark was written.
pub(super) fn call(desired: &Desired, observed: &Observed) -> Step {
    out_of_time(desired, observed).map_or(Step::Call, Step::End)
}

/// The mark was written too long ago for a call. None was made, and so the mark and the intent are
/// taken back, unless somebody has acted on them since: then the object has another version.
pub(super) fn marked_too_late(desired: &Desired, observed: &Observed) -> Step {
    let message = engine::message::Message::KubernetesFails { why: MARK_LATE };
    take_back(desired, observed, Verdict::retried(&message))
}

/// Whether it is too late to start.
fn out_of_time(desired: &Desired, observed: &Observed) -> Option<End> {
    let last = find(&observed.status.conditions, READY)
        .filter(|ready| Reason::parse(&ready.reason) != Some(Reason::InProgress))
        .map(|ready| Last { reason: &ready.reason, message: cause(&ready.message) });
    let nothing = nothing(observed);
    if is_late(desired, observed) {
        let deadline = deadline_on_record(desired, observed)?;
        return Some(not_done(observed, &Message::NotInTime { deadline, last, nothing }));
    }
    let not_after = desired.not_after;
    let message = Message::Expired { not_after, last, nothing };
    (observed.now > not_after).then(|| not_done(observed, &message))
}

/// Under an intent of an earlier reconciliation that has no mark nothing was called, unless
/// somebody took the mark off. It was searched for, and counts as an attempt.
fn nothing(observed: &Observed) -> Nothing {
    let is_certain = observed.status.attempts == 0 || observed.intent_written;
    if is_certain { Nothing::WasReset } else { Nothing::WasFound }
}

/// It ends without a call.
fn not_done(observed: &Observed, message: &Message<'_>) -> End {
    End { called: nothing(observed) == Nothing::WasFound, ..message.uncalled() }
}
