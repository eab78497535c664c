//! The listener, and the way of a request through authentication, faults and its operation.
//!
//! A connection can be cut from within a request: its writes then fail, so that the server closes it and the client sees an end
//! before any byte of an answer. When a client goes away, the future of its request is dropped where it waits.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, State};
use axum::response::Response;
use axum::serve::{IncomingStream, Listener};
use axum::{Router, routing};
use http::HeaderMap;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::error::{ApiError, Result};
use super::fault::FaultEffect;
use super::identity::{Scope, uuid};
use super::input::Input;
use super::operations::Perform;
use super::request_log::Entry;
use super::wire::{self, Ask, Protocol};

/// Serves until `stop`. Idle connections are closed then; requests under way are finished.
pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>, stop: CancellationToken) {
    let router = Router::new().fallback(routing::any(respond)).with_state(shared);
    let service = router.into_make_service_with_connect_info::<Cutter>();
    let served = axum::serve(CuttableListener(listener), service).with_graceful_shutdown(stop.cancelled_owned());
    // The listener never gives up, so there is no error to tell anybody.
    let _ = served.await;
}

/// What becomes of a request.
enum Fate {
    Answer(Result<Value>),
    Body { status: u16, body: String },
    Cut,
}

async fn respond(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(cutter): ConnectInfo<Cutter>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let ask = Ask::read(&headers, &body);
    let request_id = uuid();
    let mut entry = Entry::new(&shared.requests, &request_id, &ask.operation, ask.resource());
    let admitted = admit(&shared, &ask);
    let scope = admitted.as_ref().ok().map(|request| request.scope.clone());
    let fate = match admitted {
        Ok(request) => carry_out(&shared, &request, &mut entry).await,
        Err(error) => Fate::Answer(Err(error)),
    };
    conclude(&shared, &ask, scope.as_ref(), fate, entry, &cutter)
}

/// Records the fate and makes the response of it.
fn conclude(
    shared: &Shared,
    ask: &Ask,
    scope: Option<&Scope>,
    fate: Fate,
    mut entry: Entry<'_>,
    cutter: &Cutter,
) -> Response {
    match fate {
        Fate::Answer(outcome) => {
            outcome_name(&outcome).clone_into(&mut entry.request.outcome);
            entry.request.answered = true;
            let header = error_type_header(shared, scope);
            wire::answer(ask.protocol, &outcome, &entry.request.request_id, header)
        }
        Fate::Body { status, body } => {
            "body".clone_into(&mut entry.request.outcome);
            entry.request.answered = true;
            wire::plain(status, body)
        }
        Fate::Cut => {
            cutter.cut();
            wire::plain(500, String::new())
        }
    }
}

fn outcome_name(outcome: &Result<Value>) -> &str {
    outcome.as_ref().map_or_else(ApiError::outcome, |_| "ok")
}

fn error_type_header(shared: &Shared, scope: Option<&Scope>) -> bool {
    let mut state = shared.state();
    scope.map_or(state.switches.error_type_header, |scope| state.site(scope).switches.error_type_header)
}

/// A request of somebody known, for an operation that exists.
struct Admitted<'a> {
    operation: &'a str,
    scope: Scope,
    perform: Perform,
    input: &'a Input,
}

impl Admitted<'_> {
    fn perform(&self, shared: &Shared) -> Result<Value> {
        (self.perform)(&mut shared.state().site(&self.scope), self.input)
    }
}

fn admit<'a>(shared: &Shared, ask: &'a Ask) -> Result<Admitted<'a>> {
    let perform = *ask.perform.as_ref().map_err(Clone::clone)?;
    let service = ask.protocol.service();
    let scope = shared.state().identities.scope_of(ask.authorization.as_deref(), service);
    let scope = scope.map_err(|error| if ask.protocol == Protocol::Query { in_sts_words(error) } else { error })?;
    let input = ask.input.as_ref().map_err(Clone::clone)?;
    Ok(Admitted { operation: &ask.operation, scope, perform, input })
}

fn in_sts_words(error: ApiError) -> ApiError {
    if error == ApiError::unrecognized_client() { ApiError::invalid_client_token() } else { error }
}

/// Does what is asked, unless a fault says otherwise.
async fn carry_out(shared: &Shared, request: &Admitted<'_>, entry: &mut Entry<'_>) -> Fate {
    entry.request.account.clone_from(&request.scope.account);
    entry.request.region.clone_from(&request.scope.region);
    let Some(fault) = shared.faults.take(&request.scope, request.operation, request.input.resource()) else {
        return Fate::Answer(request.perform(shared));
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
            outcome_name(&request.perform(shared)).clone_into(&mut entry.request.outcome);
            fault.hit();
            Fate::Cut
        }
        FaultEffect::CutBefore => {
            "cut".clone_into(&mut entry.request.outcome);
            fault.hit();
            Fate::Cut
        }
        FaultEffect::Delay(time) => {
            fault.hit();
            tokio::time::sleep(*time).await;
            Fate::Answer(request.perform(shared))
        }
        FaultEffect::Body { status, body } => {
            fault.hit();
            Fate::Body { status: *status, body: body.clone() }
        }
        FaultEffect::Error { .. } => {
            fault.hit();
            let error = fault.effect().error().expect("this effect is an error");
            Fate::Answer(Err(error))
        }
    }
}

/// Cuts its connection.
#[derive(Clone, Debug, Default)]
struct Cutter(Arc<AtomicBool>);

impl Cutter {
    fn cut(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    fn check(&self) -> io::Result<()> {
        if self.0.load(Ordering::SeqCst) { Err(io::ErrorKind::ConnectionAborted.into()) } else { Ok(()) }
    }
}

impl Connected<IncomingStream<'_, CuttableListener>> for Cutter {
    fn connect_info(stream: IncomingStream<'_, CuttableListener>) -> Self {
        stream.remote_addr().clone()
    }
}

/// Hands each connection out with its cutter in the place of an address.
struct CuttableListener(TcpListener);

impl Listener for CuttableListener {
    type Io = CuttableStream;
    type Addr = Cutter;

    async fn accept(&mut self) -> (CuttableStream, Cutter) {
        loop {
            if let Ok((stream, _)) = self.0.accept().await {
                let cutter = Cutter::default();
                return (CuttableStream { stream, cutter: cutter.clone() }, cutter);
            }
            // Out of file descriptors, most likely: the next moment is another one.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn local_addr(&self) -> io::Result<Cutter> {
        Ok(Cutter::default())
    }
}

/// A connection whose writes fail once it is cut.
struct CuttableStream {
    stream: TcpStream,
    cutter: Cutter,
}

impl AsyncRead for CuttableStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for CuttableStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.cutter.check() {
            Ok(()) => Pin::new(&mut self.stream).poll_write(cx, bytes),
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
