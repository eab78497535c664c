//! What is known of a reset before its first step. No decisions here.

use std::time::Duration;

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::mark::Mark;
use super::memory::Memory;
use super::record;
use super::world::{Observed, Turn};
use crate::api::{EXECUTED_ANNOTATION, HostKeyReset};
use crate::engine::objects::annotation;
use crate::engine::{Context, ObjectRef, Settings};

/// What is known before anything is read.
pub(super) fn observed(
    ctx: &Context,
    memory: &Memory,
    at: &ObjectRef,
    object: &HostKeyReset,
) -> Observed {
    let status = object.status.clone().unwrap_or_else(record::unobserved);
    let known = memory.recollection(at, object.metadata.uid.as_deref().unwrap_or_default());
    Observed {
        now: Timestamp::now(),
        end: record::end(&status),
        status,
        mark: annotation(object, EXECUTED_ANNOTATION).map(Mark::parse),
        foreign_mark_reported: false,
        intent_written: false,
        marked_at: None,
        account: None,
        instance: None,
        turn: Turn::NotAsked,
        operations: None,
        lightsail_date: None,
        taken: Vec::new(),
        call: known.call,
        polled: None,
        failure: None,
        search: known.search,
        lease_duration: signed(ctx.settings.lease_duration),
        call_timeout: signed(ctx.settings.call_timeout),
        settle_time: signed(ctx.settings.settle_time),
        search_interval: ctx.settings.search_interval,
    }
}

/// How long after a call its effect may still appear.
pub(super) fn effect_window(settings: &Settings) -> SignedDuration {
    signed(settings.effect_window())
}

fn signed(time: Duration) -> SignedDuration {
    SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX)
}
