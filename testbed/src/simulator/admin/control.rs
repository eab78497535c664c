//! Admin requests about the simulator as a whole: state, request log, switches, clock and faults.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Path, State};
use http::Uri;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::clock::epoch_seconds;
use super::super::dump::{dump, fault_json};
use super::super::fault::{Fault, FaultEffect, FaultHandle, FaultPoint};
use super::super::identity::Scope;
use super::super::request_log::request_json;
use super::super::shared::Shared;
use super::super::switches::Switches;
use super::reply::{Refusal, Reply, done, read};

pub(super) async fn state(State(shared): State<Arc<Shared>>) -> Reply {
    Reply(Ok(dump(&shared)))
}

/// `?after=N` leaves out the first N that ever came.
pub(super) async fn requests(State(shared): State<Arc<Shared>>, uri: Uri) -> Reply {
    let query = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    let after = query.filter(|(name, _)| name == "after").map(|(_, value)| value.parse()).last();
    Reply(
        after
            .unwrap_or(Ok(0))
            .map_err(|_| Refusal::bad("after is no number"))
            .map(|after| shared.requests.after(after).iter().map(request_json).collect()),
    )
}

/// By operation, and in it by outcome.
pub(super) async fn counts(State(shared): State<Arc<Shared>>) -> Reply {
    let mut counts: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for ((operation, outcome), count) in shared.requests.counts() {
        counts.entry(operation).or_default().insert(outcome, json!(count));
    }
    Reply(Ok(json!(counts)))
}

pub(super) async fn switches(State(shared): State<Arc<Shared>>) -> Reply {
    Reply(Ok(json!(shared.state().switches)))
}

pub(super) async fn change_switches(State(shared): State<Arc<Shared>>, body: Bytes) -> Reply {
    let mut state = shared.state();
    let changed = changed(&state.switches, &body);
    Reply(changed.map(|changed| {
        state.switches = changed;
        json!(state.switches)
    }))
}

/// The switches with those members replaced that the body has.
pub(super) fn changed(switches: &Switches, body: &[u8]) -> Result<Switches, Refusal> {
    let changes: Map<String, Value> = read(body)?;
    switches.with(changes).map_err(Refusal::bad)
}

pub(super) async fn clock(State(shared): State<Arc<Shared>>) -> Reply {
    Reply(Ok(clock_json(&shared)))
}

fn clock_json(shared: &Shared) -> Value {
    json!({"now": epoch_seconds(shared.clock.now()), "offsetMillis": shared.clock.offset_millis()})
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewOffset {
    offset_millis: i64,
}

pub(super) async fn set_clock(State(shared): State<Arc<Shared>>, body: Bytes) -> Reply {
    Reply(read::<NewOffset>(&body).map(|new| {
        shared.clock.set_offset_millis(new.offset_millis);
        clock_json(&shared)
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    seconds: f64,
}

pub(super) async fn advance_clock(State(shared): State<Arc<Shared>>, body: Bytes) -> Reply {
    let time = read::<Advance>(&body).and_then(|advance| {
        Duration::try_from_secs_f64(advance.seconds)
            .map_err(|_| Refusal::bad("time only goes forward"))
    });
    Reply(time.map(|time| {
        shared.clock.advance(time);
        clock_json(&shared)
    }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewFault {
    operation: String,
    effect: FaultEffect,
    resource: Option<String>,
    times: Option<usize>,
    probability: Option<f64>,
    seed: Option<u64>,
    after: Option<usize>,
    account: Option<String>,
    region: Option<String>,
}

impl NewFault {
    fn place(self) -> Result<(FaultPoint, Option<Scope>), Refusal> {
        let scope = match (self.account, self.region) {
            (None, None) => None,
            (Some(account), Some(region)) => Some(Scope { account, region }),
            _ => return Err(Refusal::bad("account and region go together")),
        };
        let times = self.times.unwrap_or(usize::MAX);
        let fault = Fault {
            operation: self.operation,
            resource: self.resource,
            times,
            effect: self.effect,
        };
        let (probability, seed) = (self.probability.unwrap_or(1.0), self.seed.unwrap_or_default());
        Ok((FaultPoint { fault, probability, seed, after: self.after.unwrap_or_default() }, scope))
    }
}

fn in_place(shared: &Shared) -> MutexGuard<'_, BTreeMap<usize, FaultHandle>> {
    shared.admin_faults.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) async fn faults(State(shared): State<Arc<Shared>>) -> Reply {
    Reply(Ok(in_place(&shared).iter().map(|(id, handle)| fault_json(*id, handle)).collect()))
}

pub(super) async fn add_fault(State(shared): State<Arc<Shared>>, body: Bytes) -> Reply {
    Reply(read::<NewFault>(&body).and_then(NewFault::place).map(|(point, scope)| {
        let mut in_place = in_place(&shared);
        let id = shared.last_admin_fault.fetch_add(1, Ordering::SeqCst) + 1;
        let handle = shared.faults.add(point, scope);
        let answer = fault_json(id, &handle);
        in_place.insert(id, handle);
        answer
    }))
}

pub(super) async fn remove_fault(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<usize>,
) -> Reply {
    let removed = in_place(&shared).remove(&id);
    Reply(removed.ok_or_else(|| Refusal::not_found("such fault")).map(|handle| {
        handle.remove();
        done()
    }))
}

pub(super) async fn release_fault(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<usize>,
) -> Reply {
    let in_place = in_place(&shared);
    Reply(in_place.get(&id).ok_or_else(|| Refusal::not_found("such fault")).map(|handle| {
        handle.release();
        done()
    }))
}
