//! What is known of a key pair before its first step, and the shared list. No decisions here.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use parking_lot::Mutex;

use super::crowd::Crowd;
use super::memory::{Memory, Unanswered};
use super::plan::{self, TaggedObject};
use super::record;
use super::unrecorded::{ImportCall, Sent};
use super::world::{Desired, Done, ImportSent, Observed, Timing};
use crate::access::Grant;
use crate::api::{FINALIZER, LightsailKeyPair};
use crate::clock::{Clocks, Moment};
use crate::engine::objects::{has_finalizer, is_asked};
use crate::engine::rows::claim_key;
use crate::engine::{Context, Lookup, ObjectRef, Settings};
use crate::ids::{AccountId, Arn, KeyPairName, LaneId, Scope};
use crate::lightsail::{self, KeyPair, Lightsail, ListNeeds, Listing};
use crate::readiness::Extent;

/// What is known before anything is read.
pub(super) fn observed(
    ctx: &Context,
    clocks: &Clocks,
    memory: &Memory,
    object: &LightsailKeyPair,
    desired: &Desired,
) -> Observed {
    // Whoever wrote the intent knows what was sent under it. Another process, before this one led,
    // may have sent an import until a moment ago. Another operator, which had the object before,
    // does not end when this one begins to lead: it may be about to send one.
    let (window, settings) = (ctx.settings.effect_window(), &ctx.settings);
    let sent_before = || {
        let is_alone = settings.watches_all_labels();
        let may_be_sent = if is_alone { window } else { settings.intent_window() };
        let until = Moment::now() + may_be_sent.saturating_sub(ctx.leads_for());
        Sent { until, accepted: false }
    };
    let known = memory.unrecorded(&desired.uid);
    let begun = known.begun.map(|operation| *operation);
    let recorded = record::recorded_and_begun(object, begun.as_ref());
    // A release asks nobody whose the credentials are.
    let (deletion_may_follow, download_may_follow) = recorded
        .account
        .as_ref()
        .map_or((None, None), |account| unanswered(clocks, memory, desired, account));
    let predecessors_may_act = Moment::now() + window.saturating_sub(ctx.leads_for());
    let deleted_elsewhere = memory.deleted_elsewhere(&desired.uid);
    let deleted_elsewhere = deleted_elsewhere.map(|until| until.max(predecessors_may_act));
    let sent = match known.import {
        ImportCall::Unknown => Some(sent_before()),
        ImportCall::NotSent => None,
        ImportCall::Sent(sent) => Some(sent),
    };
    Observed {
        now: clocks.now(),
        asked: is_asked(object),
        recorded,
        has_finalizer: has_finalizer(object, FINALIZER),
        account: None,
        pair: None,
        source: None,
        secret: Lookup::Unread,
        former_secret: Lookup::Unread,
        key_missing_since: None,
        created_secret: known.created_secret,
        copy: Lookup::Unread,
        begun,
        operation: Lookup::Unread,
        windows_instances: None,
        namespace_terminating: None,
        was_acted_on: record::was_acted_on(object),
        stalled_for: record::stalled_for(object),
        failed_with: record::failed_with(object),
        has_failed: known.has_failed,
        edited: !record::is_current(object),
        list_at_hand: false,
        list_pages: 0,
        list_takes_long: false,
        is_change: false,
        neighbors: 0,
        // Whose they are is known when the account is.
        rivals: Vec::new(),
        grant: Grant::Required,
        changed_meanwhile: false,
        namespace_labels: None,
        owned: None,
        counts_at: None,
        crowd: Crowd::default(),
        sent: sent.map(|sent| import_sent(clocks, sent)),
        deletion_may_follow,
        deleted: None,
        download_may_follow,
        unlisted_until: known.unlisted_until.map(|until| clocks.time_of(until)),
        predecessors_may_act: clocks.time_of(predecessors_may_act),
        refused_secret_stayed: memory.refused_secret_stays(&desired.uid),
        deleted_elsewhere_until: deleted_elsewhere.map(|until| clocks.time_of(until)),
        timing: timing(settings),
        lightsail_date: None,
        predecessor: None,
        silent_for: Duration::ZERO,
        failure: None,
        done: Done::default(),
    }
}

fn timing(settings: &Settings) -> Timing {
    Timing {
        effect_window: settings.effect_window(),
        intent_window: settings.intent_window(),
        intent_holds: settings.intent_holds(),
        settle_time: settings.settle_time,
        missing_key_grace: settings.missing_key_grace,
        source_grace: settings.source_grace,
        search_interval: settings.search_interval,
    }
}

/// Until when a deletion and a download of the pair may still take effect that this process sent,
/// whichever object they were for.
pub(super) fn unanswered(
    clocks: &Clocks,
    memory: &Memory,
    desired: &Desired,
    account: &AccountId,
) -> (Option<Timestamp>, Option<Timestamp>) {
    let scope = Scope { account: account.clone(), region: desired.region.clone() };
    let until = |calls: &Mutex<Unanswered>| calls.lock().until(&scope, &desired.name);
    let time = |until| clocks.time_of(until);
    (until(&memory.deletions).map(time), until(&memory.downloads).map(time))
}

/// The import that was sent, for the plan, which knows only one clock.
pub(super) fn import_sent(clocks: &Clocks, sent: Sent) -> ImportSent {
    ImportSent { until: clocks.time_of(sent.until), accepted: sent.accepted }
}

/// The shared list, unless it is not worth waiting for. That it could be read is noted.
pub(super) async fn shared_list(
    ctx: &Context,
    memory: &Memory,
    region: &Lightsail,
    lane: &LaneId,
    needs: ListNeeds,
) -> lightsail::Result<Option<Arc<Listing>>> {
    let list = ctx.inventory.list_within(region, needs).await;
    let scope = region.scope();
    let (what, extent) = (list_of(scope), ctx.regions.extent(&scope.region));
    // Anybody may reach the probes, and AWS's answers name the roles of accounts.
    let why = |error: &lightsail::Error| {
        lane.account().map_or_else(|| error.for_probes(), |_| error.code.clone())
    };
    let Some(list) = list.transpose() else { return Ok(None) };
    ctx.readiness.trouble(extent, what, list.as_ref().err().map(why));
    let list = list?;
    memory.reads.lock().insert(lane.clone(), Moment::now());
    memory.crowds.lock().note_list(lane, &list);
    count_without_object(ctx, memory, scope, &list);
    Ok(Some(list))
}

/// What `/readyz` calls a shared list.
fn list_of(scope: &Scope) -> String {
    format!("the key pairs of {scope}")
}

/// Forgets what is known of a region, or an account there, in which no object is left: no list is
/// read there any more, and neither a count nor what is reported about the list would ever change
/// again.
pub(super) fn forget_lane(ctx: &Context, memory: &Memory, lane: &LaneId) {
    memory.reads.lock().remove(lane);
    memory.crowds.lock().forget_lane(lane);
    let account_of = |lane: &LaneId| ctx.directory.account_of(lane.account());
    let (region, left) = (lane.region(), account_of(lane));
    let mut all = memory.without_object.lock();
    // Locked before the rows, as where they are counted.
    let rows = memory.rows.lock();
    let may_be_left = |lane: &LaneId| account_of(lane).is_none_or(|it| Some(it) == left);
    if let Some(account) = left.clone().filter(|_| !rows.lanes_of(region).any(may_be_left)) {
        let scope = Scope { account, region: region.clone() };
        ctx.readiness.trouble(Extent::Region(region), list_of(&scope), None);
        ctx.inventory.forget_scope(&scope);
        all.remove(&scope);
        ctx.metrics.remove_without_object(&scope);
    }
    if !rows.names_region(region) {
        let scopes = all.extract_if(|scope, _| scope.region == *region);
        scopes.for_each(|(scope, _)| ctx.metrics.remove_without_object(&scope));
    }
}

/// This many names are in the line of the log that tells of pairs without an object. The next walk
/// names the next.
const NAMED: usize = 10;

/// Counts the pairs of this cluster that no object manages, once for each walk.
fn count_without_object(ctx: &Context, memory: &Memory, scope: &Scope, list: &Listing) {
    // With a selector, an object that is not watched may be another operator's.
    if !ctx.settings.watches_all_labels() {
        return;
    }
    let mut all = memory.without_object.lock();
    if all.get(scope).is_some_and(|known| known.walk == Some(list.started_at())) {
        return;
    }
    let (vanished, rows) = (memory.vanished.lock(), memory.rows.lock());
    // The last object may have gone while this was read for it.
    if !rows.names_region(&scope.region) {
        return;
    }
    let known = all.entry(scope.clone()).or_default();
    let cluster_id = &ctx.settings.cluster_id;
    let is_without_object = |pair: &KeyPair| {
        let Some((namespace, name)) = plan::tagged_object(cluster_id, pair) else { return false };
        let at = ObjectRef::new(namespace, name);
        let tagged = match rows.get(&at) {
            _ if !rows.are_complete(namespace) || vanished.contains_key(&at) => {
                TaggedObject::Unknown
            }
            None if rows.is_unreadable(&at) => TaggedObject::Unknown,
            None => TaggedObject::Gone,
            Some(row) if row.claim.as_ref().is_none_or(|it| it.is_idle) => TaggedObject::Quiet,
            Some(_) => TaggedObject::Wants,
        };
        let key = claim_key(scope.region.as_str(), pair.name.as_str());
        plan::is_without_object(tagged, rows.is_wanted(key))
    };
    let shown: HashMap<Arn, KeyPairName> =
        list.pairs().filter(is_without_object).map(|pair| (pair.arn, pair.name)).collect();
    let arns = shown.keys().cloned().collect();
    let (count, news) = known.note(list.started_at(), arns, NAMED);
    ctx.metrics.set_without_object(scope, count);
    if !news.is_empty() {
        let names = news.iter().filter_map(|arn| shown.get(arn));
        let names: Vec<&str> = names.map(KeyPairName::as_str).collect();
        tracing::warn!(
            account = scope.account.as_str(),
            region = scope.region.as_str(),
            count,
            names = names.join(" "),
            "found key pairs with this cluster's owner tag that no object manages; the operator \
             leaves them alone"
        );
    }
}
