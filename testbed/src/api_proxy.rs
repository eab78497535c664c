//! A proxy before the API server, which lets chosen requests wait, fail, or take effect without
//! being answered.
//!
//! It speaks plain HTTP on loopback and passes on whatever a request carries, the bearer token too,
//! so that the API server sees the same identity. Answers are streamed, watches among them. When
//! its client goes away, a request that waits before the API server is dropped and never gets
//! there.

#![expect(
    clippy::must_use_candidate,
    reason = "rules are made for what they do; how often one was met is often of no interest"
)]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use axum::{Router, routing};
use futures::StreamExt;
use http::{HeaderMap, HeaderName, Method, StatusCode, header};
use kube::Client;
use kube::config::AuthInfo;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::cluster::Cluster;
use crate::silent_connections::Connections;

/// Bodies are objects of the API, which refuses more than 3 MiB.
const BODY_LIMIT: usize = 4 * 1024 * 1024;

/// Which requests are meant. What is not set matches all of them.
#[derive(Clone, Debug, Default)]
pub struct Matcher {
    /// The method.
    pub method: Option<Method>,
    /// A part of the path with its query.
    pub path: String,
    /// Another part of it.
    pub more: String,
    /// A part of the body.
    pub body: String,
    /// The whole path without its query.
    pub whole_path: Option<String>,
    /// This many requests that match come first.
    pub after: usize,
}

impl Matcher {
    /// Requests of one method with this in their path.
    #[must_use]
    pub fn new(method: Method, path: impl Into<String>) -> Self {
        Self { method: Some(method), path: path.into(), ..Self::default() }
    }

    /// The request of one method with exactly this path, whatever its query, after this many others
    /// of that kind.
    #[must_use]
    pub fn nth(method: Method, path: impl Into<String>, after: usize) -> Self {
        Self { method: Some(method), whole_path: Some(path.into()), after, ..Self::default() }
    }

    /// And with this, too, in their path.
    #[must_use]
    pub fn with_path_part(self, part: impl Into<String>) -> Self {
        Self { more: part.into(), ..self }
    }

    /// And with this in their body.
    #[must_use]
    pub fn with_body(self, body: impl Into<String>) -> Self {
        Self { body: body.into(), ..self }
    }

    fn matches(&self, method: &Method, path: &str, body: &Bytes) -> bool {
        self.method.as_ref().is_none_or(|wanted| wanted == method)
            && path.contains(&self.path)
            && self.whole_path.as_deref().is_none_or(|whole| whole == without_query(path))
            && path.contains(&self.more)
            && (self.body.is_empty() || String::from_utf8_lossy(body).contains(&self.body))
    }
}

/// Where a request waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Before the API server has seen it.
    BeforeRequest,
    /// After the API server has answered, and so committed, and before the client knows.
    BeforeAnswer,
}

/// Requests that wait, or will when they come. Dropping this lets them go on.
#[derive(Debug)]
pub struct Held {
    reached: watch::Sender<bool>,
    released: watch::Sender<bool>,
}

impl Held {
    /// Completes once a request is there and waits.
    pub async fn reached(&self) {
        let mut reached = self.reached.subscribe();
        // It only fails without a sender, and that lives in this handle.
        let _ = reached.wait_for(|reached| *reached).await;
    }

    /// Lets them go on. What has not come yet will not wait.
    pub fn release(&self) {
        self.released.send_replace(true);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.release();
    }
}

/// How many requests a rule has met.
#[derive(Clone, Debug, Default)]
pub struct Hits(Arc<AtomicUsize>);

impl Hits {
    /// This many so far.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

#[derive(Debug)]
enum Effect {
    Hold { place: Place, reached: watch::Sender<bool>, released: watch::Receiver<bool> },
    Fail(u16),
    Page(u16),
    Lose(u16),
    Cut,
    Truncate,
    Delay(Duration),
    Rewrite(Bytes),
}

#[derive(Debug)]
struct Rule {
    matcher: Matcher,
    times: usize,
    hits: Hits,
    effect: Arc<Effect>,
}

/// A request that the API server has answered, or that the proxy has answered for it.
#[derive(Clone, Debug)]
pub struct Forwarded {
    /// When it came.
    pub at: SystemTime,
    /// The method.
    pub method: Method,
    /// The path with its query.
    pub path: String,
    /// The body.
    pub body: Bytes,
    /// The status of the API server's answer; `None` if it has not seen the request.
    pub status: Option<u16>,
}

impl Forwarded {
    /// The path without its query.
    #[must_use]
    pub fn whole_path(&self) -> &str {
        without_query(&self.path)
    }
}

fn without_query(path: &str) -> &str {
    path.split('?').next().unwrap_or(path)
}

/// What the API server answered.
type Sent = kube::Result<http::Response<kube::client::Body>>;

struct Shared {
    client: Client,
    rules: Mutex<Vec<Rule>>,
    forwarded: Mutex<Vec<Forwarded>>,
    watch_time: Mutex<Option<Duration>>,
}

impl Shared {
    fn add(&self, matcher: Matcher, times: usize, effect: Effect) -> Hits {
        let hits = Hits::default();
        let rule = Rule { matcher, times, hits: hits.clone(), effect: Arc::new(effect) };
        self.rules.lock().unwrap_or_else(PoisonError::into_inner).push(rule);
        hits
    }

    /// Sends a request to the API server and notes it.
    async fn send(&self, request: Request<kube::client::Body>, mut forwarded: Forwarded) -> Sent {
        let answer = self.client.send(request).await;
        forwarded.status = answer.as_ref().ok().map(|answer| answer.status().as_u16());
        self.note(forwarded);
        answer
    }

    fn note(&self, forwarded: Forwarded) {
        self.forwarded.lock().unwrap_or_else(PoisonError::into_inner).push(forwarded);
    }

    /// Takes one turn of the oldest rule that matches.
    fn take(&self, method: &Method, path: &str, body: &Bytes) -> Option<Arc<Effect>> {
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        let rule = rules
            .iter_mut()
            .find(|rule| rule.times > 0 && rule.matcher.matches(method, path, body))?;
        if rule.matcher.after > 0 {
            rule.matcher.after -= 1;
            return None;
        }
        rule.times -= 1;
        rule.hits.0.fetch_add(1, Ordering::SeqCst);
        Some(Arc::clone(&rule.effect))
    }
}

/// A running proxy. It stops when it is dropped.
pub struct ApiProxy {
    shared: Arc<Shared>,
    connections: Arc<AtomicUsize>,
    silent: Arc<AtomicUsize>,
    address: SocketAddr,
    _stop: DropGuard,
}

impl ApiProxy {
    /// Listens on a free port of 127.0.0.1.
    ///
    /// # Errors
    ///
    /// The administrator's kubeconfig cannot be used.
    pub async fn start(cluster: &Cluster) -> Result<Self> {
        let mut config = cluster.config().await?;
        // The requests bring their own identity, and it is their sender who tries again.
        config.auth_info = AuthInfo::default();
        config.default_retry = false;
        let client = Client::try_from(config).context("make a client")?;
        let shared = Arc::new(Shared {
            client,
            rules: Mutex::default(),
            forwarded: Mutex::default(),
            watch_time: Mutex::default(),
        });
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("listen on loopback")?;
        let address = listener.local_addr().context("listen on loopback")?;
        let (connections, silent) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let (count, all_silent) = (Arc::clone(&connections), Arc::clone(&silent));
        let listener = Connections { listener, count, silent: all_silent };
        let stop = CancellationToken::new();
        let router = Router::new().fallback(routing::any(respond)).with_state(Arc::clone(&shared));
        let stopped = stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                // The listener never gives up, so there is no error to tell anybody.
                _ = axum::serve(listener, router) => {}
                () = stopped.cancelled() => {}
            }
        });
        Ok(Self { shared, connections, silent, address, _stop: stop.drop_guard() })
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests so far, in the order of their answers.
    #[must_use]
    pub fn forwarded(&self) -> Vec<Forwarded> {
        self.shared.forwarded.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets the next request that matches wait; later ones do not.
    #[must_use = "dropping it lets the request go on"]
    pub fn hold(&self, matcher: Matcher, place: Place) -> Held {
        self.hold_next(matcher, 1, place)
    }

    /// Lets every request that matches wait, until all are released.
    #[must_use = "dropping it lets the requests go on"]
    pub fn hold_all(&self, matcher: Matcher, place: Place) -> Held {
        self.hold_next(matcher, usize::MAX, place)
    }

    fn hold_next(&self, matcher: Matcher, times: usize, place: Place) -> Held {
        let held = Held { reached: watch::Sender::new(false), released: watch::Sender::new(false) };
        let effect = Effect::Hold {
            place,
            reached: held.reached.clone(),
            released: held.released.subscribe(),
        };
        self.shared.add(matcher, times, effect);
        held
    }

    /// Lets the next `times` requests that match fail with a status, before the API server has seen
    /// them.
    pub fn fail(&self, matcher: Matcher, times: usize, status: u16) -> Hits {
        self.shared.add(matcher, times, Effect::Fail(status))
    }

    /// Answers the next `times` requests that match with a page that is none of the API server's.
    pub fn answer_with_page(&self, matcher: Matcher, times: usize, status: u16) -> Hits {
        self.shared.add(matcher, times, Effect::Page(status))
    }

    /// Lets the next request that matches take effect, and cuts its answer off in the middle.
    pub fn cut(&self, matcher: Matcher) -> Hits {
        self.shared.add(matcher, 1, Effect::Cut)
    }

    /// Lets the next request that matches take effect, and leaves out the end of its answer.
    pub fn truncate(&self, matcher: Matcher) -> Hits {
        self.shared.add(matcher, 1, Effect::Truncate)
    }

    /// Lets the next request that matches take effect after this long, even if the client has given
    /// up by then.
    pub fn delay(&self, matcher: Matcher, time: Duration) -> Hits {
        self.shared.add(matcher, 1, Effect::Delay(time))
    }

    /// Gives the next `times` requests that match this body, as a webhook may that changes objects.
    pub fn rewrite(&self, matcher: Matcher, times: usize, body: impl Into<Bytes>) -> Hits {
        self.shared.add(matcher, times, Effect::Rewrite(body.into()))
    }

    /// How many connections there were so far.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Drops all connections that there are without closing them: nothing comes through on them any
    /// more. New ones are as always.
    pub fn go_silent(&self) {
        self.silent.store(self.connections(), Ordering::SeqCst);
    }

    /// Ends each watch after this time, as a proxy that knows no long answers does.
    pub fn close_watches_after(&self, time: Duration) {
        *self.shared.watch_time.lock().unwrap_or_else(PoisonError::into_inner) = Some(time);
    }

    /// Lets the next `times` requests that match take effect, and answers with a status of failure
    /// all the same.
    pub fn lose(&self, matcher: Matcher, times: usize, status: u16) -> Hits {
        self.shared.add(matcher, times, Effect::Lose(status))
    }
}

async fn respond(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let body = match axum::body::to_bytes(body, BODY_LIMIT).await {
        Ok(body) => body,
        Err(error) => return failure(400, &format!("the body of the request: {error}")),
    };
    let path = parts.uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string);
    let effect = shared.take(&parts.method, &path, &body);
    let (at, method) = (SystemTime::now(), parts.method.clone());
    let forwarded = Forwarded { at, method, path: path.clone(), body: body.clone(), status: None };
    if let Some(Effect::Fail(status)) = effect.as_deref() {
        shared.note(forwarded);
        return failure(*status, "the proxy was told to fail this request");
    }
    if let Some(Effect::Page(status)) = effect.as_deref() {
        shared.note(forwarded);
        return with_status(*status, Body::from("<html>there is nothing here</html>"));
    }
    wait_at(Place::BeforeRequest, effect.as_deref()).await;
    remove_connection_headers(&mut parts.headers);
    let delay = match effect.as_deref() {
        Some(Effect::Delay(time)) => *time,
        _ => Duration::ZERO,
    };
    let body = match effect.as_deref() {
        Some(Effect::Rewrite(body)) => body,
        _ => &body,
    };
    let request = Request::from_parts(parts, kube::client::Body::from(body.to_vec()));
    // In a task of its own: from here on it takes effect although the client may be gone.
    let sending = Arc::clone(&shared);
    let sending = tokio::spawn(async move {
        tokio::time::sleep(delay).await;
        sending.send(request, forwarded).await
    });
    let answer = sending.await.expect("sending does not panic");
    wait_at(Place::BeforeAnswer, effect.as_deref()).await;
    if let Some(Effect::Lose(status)) = effect.as_deref() {
        return failure(*status, "the proxy was told to lose this answer");
    }
    match answer {
        Ok(answer) => {
            let (mut parts, body) = answer.into_parts();
            remove_connection_headers(&mut parts.headers);
            if let Some(Effect::Cut) = effect.as_deref() {
                let cut = futures::stream::iter([
                    Ok(Bytes::from_static(b"{")),
                    Err(std::io::Error::other("the proxy was told to cut this answer")),
                ]);
                return Response::from_parts(parts, Body::from_stream(cut));
            }
            if let Some(Effect::Truncate) = effect.as_deref() {
                return match axum::body::to_bytes(Body::new(body), usize::MAX).await {
                    Ok(body) => {
                        let most = body.slice(..body.len().saturating_sub(2));
                        Response::from_parts(parts, Body::from(most))
                    }
                    Err(error) => failure(502, &format!("the body of the answer: {error}")),
                };
            }
            let watch_time = *shared.watch_time.lock().unwrap_or_else(PoisonError::into_inner);
            match watch_time.filter(|_| path.contains("watch=true")) {
                Some(time) => {
                    let end = tokio::time::sleep(time);
                    Response::from_parts(
                        parts,
                        Body::from_stream(Body::new(body).into_data_stream().take_until(end)),
                    )
                }
                None => Response::from_parts(parts, Body::new(body)),
            }
        }
        Err(error) => failure(502, &format!("the API server does not answer: {error}")),
    }
}

async fn wait_at(here: Place, effect: Option<&Effect>) {
    if let Some(Effect::Hold { place, reached, released }) = effect
        && *place == here
    {
        reached.send_replace(true);
        // A handle that is gone has released everything.
        let _ = released.clone().wait_for(|released| *released).await;
    }
}

/// What speaks of one connection is not for the next one.
fn remove_connection_headers(headers: &mut HeaderMap) {
    const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
    for name in [
        header::CONNECTION,
        header::TRANSFER_ENCODING,
        header::CONTENT_LENGTH,
        header::HOST,
        KEEP_ALIVE,
    ] {
        headers.remove(name);
    }
}

/// An error as the API server writes them.
fn failure(status: u16, message: &str) -> Response {
    let reason = if status == 404 { "NotFound" } else { "InternalError" };
    let body = json!({
        "apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Failure", "code": status,
        "message": message, "reason": reason,
    });
    let mut response = with_status(status, Body::from(body.to_string()));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response
}

fn with_status(status: u16, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
}
