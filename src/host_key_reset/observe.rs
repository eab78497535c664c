//! What is known of a reset before its first step. No decisions here.

use std::time::Duration;

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::mark::Mark;
use super::memory::Memory;
use super::record;
use super::turns::TurnTiming;
use super::world::{Observed, Search, Turn};
use crate::access::Grant;
use crate::api::{HostKeyReset, HostKeyResetStatus};
use crate::clock::{Clocks, Moment};
use crate::engine::objects::is_asked;
use crate::engine::{Context, ObjectRef, Settings};

/// What is known before anything is read.
pub(super) fn observed(
    ctx: &Context,
    clocks: &Clocks,
    memory: &Memory,
    at: &ObjectRef,
    object: &HostKeyReset,
) -> Observed {
    let status = object.status.clone().unwrap_or_else(record::unobserved);
    let uid = object.metadata.uid.as_deref().unwrap_or_default();
    let known = memory.recollection(at, uid);
    let time_of = |moment: Option<Moment>| moment.map(|moment| clocks.time_of(moment));
    let (since, first_list) = (time_of(known.search.since), time_of(known.search.first_list));
    Observed {
        now: clocks.now(),
        grant: Grant::Required,
        account_changed: false,
        namespace_labels: None,
        started: started(clocks, memory, uid, &status),
        end: record::end(&status),
        status,
        mark: Mark::of(object),
        foreign_mark_reported: false,
        intent_written: false,
        marked_at: None,
        mark_unwritten: None,
        mark_accepted: None,
        asked: is_asked(object),
        account: None,
        instance: None,
        lease_outlives_call: ctx.lease_outlives_call(),
        turn: Turn::NotAsked,
        operations: None,
        listed_by: None,
        lightsail_date: None,
        operations_of_others: Vec::new(),
        call: known.call,
        polled: None,
        failure: None,
        search: Search { intent: known.search.intent, since, first_list },
        lease_duration: signed(ctx.settings.lease_duration),
        call_timeout: signed(ctx.settings.call_timeout),
        settle_time: signed(ctx.settings.settle_time),
        search_interval: ctx.settings.search_interval,
    }
}

/// When the reset was started, if it was and is not over. It is noted when it is seen first: from
/// then on a clock that jumps makes no difference.
pub(super) fn started(
    clocks: &Clocks,
    memory: &Memory,
    uid: &str,
    status: &HostKeyResetStatus,
) -> Option<Timestamp> {
    let start = status.start_time.as_ref().filter(|_| record::end(status).is_none())?;
    // A time to come is that of a clock that was set back since.
    let moment = || clocks.moment_of(start.0.min(clocks.now()));
    Some(clocks.time_of(memory.start(uid, moment)))
}

/// How long after a call its effect may still appear.
pub(super) fn effect_window(settings: &Settings) -> SignedDuration {
    signed(settings.effect_window())
}

/// What turns depend on.
pub(super) fn turn_timing(ctx: &Context) -> TurnTiming {
    TurnTiming { effect: effect_window(&ctx.settings), leads_for: signed(ctx.leads_for()) }
}

fn signed(time: Duration) -> SignedDuration {
    SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX)
}
