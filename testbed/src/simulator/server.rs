//! The listener, and the way of a request through authentication, limits, faults and its operation.
//!
//! When a client goes away, the future of its request is dropped where it waits: what has not taken
//! effect by then never does, unless a fault says that it comes late.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{ConnectInfo, State};
use axum::response::Response;
use axum::{Router, routing};
use http::{HeaderMap, Method, Uri};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::admit::{Admitted, admit};
use super::connection::{CuttableListener, Cutter};
use super::error::{ApiError, Result};
use super::fault::{FaultEffect, Turns};
use super::identity::Scope;
use super::request_log::Entry;
use super::shared::Shared;
use super::signature::Received;
use super::wire::{Answer, Ask, Protocol};
use super::{admin, key_material};

/// Serves until `stop`. Idle connections are closed then; requests under way are finished.
pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>, stop: CancellationToken) {
    let router = Router::new()
        .nest("/_simulator", admin::router())
        .fallback(routing::any(respond))
        .with_state(shared);
    let service = router.into_make_service_with_connect_info::<Cutter>();
    let served = axum::serve(CuttableListener(listener), service)
        .with_graceful_shutdown(stop.cancelled_owned());
    // The listener never gives up, so there is no error to tell anybody.
    let _ = served.await;
}

/// What becomes of a request.
enum Fate {
    Answer(Result<Value>),
    Half(Result<Value>),
    Garbage(Result<Value>),
    Body { status: u16, body: String },
    Cut,
}

async fn respond(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(cutter): ConnectInfo<Cutter>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let received = Received { method, uri, headers, body };
    let ask = Ask::read(&received);
    let protocol = ask.protocol;
    let entry = Entry::new(&shared.requests, shared.clock.now(), &ask.operation, ask.resource());
    let (scope, fate, entry) = match admit(&shared, ask, &received) {
        Ok(request) => {
            let scope = request.scope.clone();
            let (fate, entry) = carry_out(&shared, request, entry).await;
            (Some(scope), fate, entry)
        }
        Err(refusal) => {
            let (scope, error) = *refusal;
            let mut entry = entry;
            if let Some(scope) = &scope {
                entry.request.account.clone_from(&scope.account);
                entry.request.region.clone_from(&scope.region);
            }
            let error = if protocol == Protocol::Query { error.in_sts_words() } else { error };
            (scope, Fate::Answer(Err(error)), entry)
        }
    };
    conclude(&shared, protocol, scope.as_ref(), fate, entry, &cutter)
}

/// Records the fate and makes the response of it.
fn conclude(
    shared: &Shared,
    protocol: Protocol,
    scope: Option<&Scope>,
    fate: Fate,
    mut entry: Entry,
    cutter: &Cutter,
) -> Response {
    let mut answered = |outcome: &Result<Value>, answered: bool| {
        outcome_name(outcome).clone_into(&mut entry.request.outcome);
        entry.request.answered = answered;
        let state = shared.state();
        Answer::of(
            protocol,
            &entry.request.operation,
            outcome,
            &entry.request.request_id,
            state.switches_of(scope),
        )
    };
    let answer = match fate {
        Fate::Answer(outcome) => answered(&outcome, true),
        Fate::Half(outcome) => answered(&outcome, false).half(),
        Fate::Garbage(outcome) => answered(&outcome, true).garbled(),
        Fate::Body { status, body } => {
            "body".clone_into(&mut entry.request.outcome);
            entry.request.answered = true;
            Answer::plain(status, body)
        }
        Fate::Cut => {
            cutter.cut();
            Answer::plain(500, String::new())
        }
    };
    answer.into_response(shared.clock.now())
}

fn outcome_name(outcome: &Result<Value>) -> &str {
    outcome.as_ref().map_or_else(ApiError::outcome, |_| "ok")
}

/// Does what is asked, unless a fault says otherwise. What it does is recorded in the entry as soon
/// as it is done.
async fn carry_out(shared: &Arc<Shared>, request: Admitted, mut entry: Entry) -> (Fate, Entry) {
    entry.request.account.clone_from(&request.scope.account);
    entry.request.region.clone_from(&request.scope.region);
    if let Some(principal) = &request.principal {
        principal.arn.clone_into(&mut entry.request.principal);
    }
    if !request.latency.is_zero() {
        tokio::time::sleep(request.latency).await;
    }
    if request.needs_key(shared) {
        make_key(shared).await;
    }
    let Some(fault) =
        shared.faults.take(&request.scope, &request.operation, request.input.resource())
    else {
        return (Fate::Answer(request.perform(shared)), entry);
    };
    if let FaultEffect::Late(time) = *fault.effect() {
        return late(shared, request, entry, &fault, time).await;
    }
    let fate = go_wrong(shared, &request, &mut entry, &fault).await;
    (fate, entry)
}

async fn go_wrong(shared: &Shared, request: &Admitted, entry: &mut Entry, fault: &Turns) -> Fate {
    // Whoever waits for the fault finds its effect done.
    let mut perform_and_hit = || {
        let outcome = request.perform(shared);
        outcome_name(&outcome).clone_into(&mut entry.request.outcome);
        fault.hit();
        outcome
    };
    match fault.effect() {
        FaultEffect::HoldBefore => {
            fault.hold().await;
            Fate::Answer(request.perform(shared))
        }
        FaultEffect::HoldAfter => {
            let outcome = request.perform(shared);
            outcome_name(&outcome).clone_into(&mut entry.request.outcome);
            fault.hold().await;
            Fate::Answer(outcome)
        }
        FaultEffect::CutAfter => {
            // Its outcome is recorded; there is nobody to tell it to.
            let _ = perform_and_hit();
            Fate::Cut
        }
        FaultEffect::CutBefore => {
            "cut".clone_into(&mut entry.request.outcome);
            fault.hit();
            Fate::Cut
        }
        FaultEffect::Delay(time) | FaultEffect::Late(time) => {
            fault.hit();
            tokio::time::sleep(*time).await;
            Fate::Answer(request.perform(shared))
        }
        FaultEffect::Hang => {
            fault.hit();
            std::future::pending().await
        }
        FaultEffect::ThrottledAfter => {
            let _ = perform_and_hit();
            Fate::Answer(Err(ApiError::throttled()))
        }
        FaultEffect::Garbage => Fate::Garbage(perform_and_hit()),
        FaultEffect::HalfAnswer => Fate::Half(perform_and_hit()),
        FaultEffect::RepeatPageToken => {
            Fate::Answer(perform_and_hit().map(|answer| repeat_token(request, answer)))
        }
        FaultEffect::Body { status, body } => {
            fault.hit();
            Fate::Body { status: *status, body: body.clone() }
        }
        FaultEffect::Error { error_type, code, message, status } => {
            fault.hit();
            let (error_type, code, message) = (error_type.clone(), code.clone(), message.clone());
            Fate::Answer(Err(ApiError { error_type, code, message, status: *status }))
        }
    }
}

/// In a task of its own, so that it happens although the client is gone.
async fn late(
    shared: &Arc<Shared>,
    request: Admitted,
    mut entry: Entry,
    fault: &Turns,
    time: std::time::Duration,
) -> (Fate, Entry) {
    fault.hit();
    let shared = Arc::clone(shared);
    let task = tokio::spawn(async move {
        tokio::time::sleep(time).await;
        let outcome = request.perform(&shared);
        outcome_name(&outcome).clone_into(&mut entry.request.outcome);
        (Fate::Answer(outcome), entry)
    });
    task.await.expect("an operation does not panic")
}

fn repeat_token(request: &Admitted, mut answer: Value) -> Value {
    if let Some(token) = request.input.text("pageToken").ok().flatten() {
        answer["nextPageToken"] = json!(token);
    }
    answer
}

/// Makes an RSA key pair ahead, without the state being locked for it. It takes a tenth of a second
/// or more.
async fn make_key(shared: &Shared) {
    if let Ok(key) = tokio::task::spawn_blocking(key_material::generate).await {
        shared.state().spare_keys.push(key);
    }
}
