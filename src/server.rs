//! `/livez` (whether the process can still work), `/readyz` (what is missing), `/metrics`
//! (OpenMetrics), over plain HTTP for kubelet and Prometheus.
//!
//! On a thread and runtime of its own, so that nothing that reconciliations do delays an answer.
//! Whoever can reach the port cannot fill the memory or keep others out: a connection serves one
//! request, within a bounded time, and when too many are open, one is closed of the client that has
//! most. Nobody waits for clients when the process ends.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::Context;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;

use crate::metrics::Metrics;
use crate::readiness::Readiness;

/// This many connections are open at the same time. There are a kubelet and one or two Prometheus.
const MOST: usize = 64;
/// The head of a request has to come within this time.
const HEAD: Duration = Duration::from_secs(5);
/// A connection is over after this time, whatever its client does.
const CONNECTION: Duration = Duration::from_secs(20);
/// A head has at most this many bytes.
const HEAD_BYTES: usize = 16 * 1024;
/// This many connections wait to be accepted, or as many as the kernel allows. The client of one
/// more tries again only after a second, and that may be a probe.
const BACKLOG: i32 = 4096;
/// How long to wait when no connection can be accepted, for want of descriptors, say.
const PAUSE: Duration = Duration::from_millis(100);

/// The operator's work shows so often that it goes on, and this server counts the beats that are
/// missing.
const BEAT: Duration = Duration::from_secs(1);
/// A process that misses so many beats is stuck, and only a restart helps.
const STUCK: u32 = 60;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// How many beats of the operator's work are missing. Clones are the same.
///
/// The server counts them, and not the time: while the whole process is paused, as by `SIGSTOP` or
/// a frozen cgroup, nothing counts. Probes that came meanwhile are answered before the next beat.
#[derive(Clone, Debug, Default)]
pub struct Heartbeat(Arc<AtomicU32>);

impl Heartbeat {
    /// Does the work, and beats meanwhile. Both are one task: if the work hangs, nothing beats.
    pub async fn during<T>(self, work: impl Future<Output = T>) -> T {
        let beats = async {
            loop {
                self.beat();
                tokio::time::sleep(BEAT).await;
            }
        };
        tokio::select! {
            outcome = work => outcome,
            never = beats => never,
        }
    }

    /// Counts forever, on the runtime that answers.
    async fn watch(self) -> Infallible {
        loop {
            // However late it wakes, that is one beat.
            tokio::time::sleep(BEAT).await;
            self.miss();
        }
    }

    fn beat(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    fn miss(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn is_alive(&self) -> bool {
        self.0.load(Ordering::Relaxed) < STUCK
    }
}

/// What is served.
#[derive(Clone, Debug)]
pub struct Shown {
    /// For `/livez`.
    pub heartbeat: Heartbeat,
    /// For `/readyz`.
    pub readiness: Readiness,
    /// For `/metrics`.
    pub metrics: Metrics,
}

/// Serves until the process ends, and says in the log where.
///
/// # Errors
/// The address cannot be had.
pub fn start(address: SocketAddr, shown: Shown) -> anyhow::Result<()> {
    let context = |error| {
        anyhow::anyhow!("cannot listen on {address}: {error}; choose another --bind-address")
    };
    let listener = listen(address).map_err(context)?;
    tracing::info!(address = %listener.local_addr()?, "serving probes and metrics");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the server has no runtime")?;
    let serve = move || {
        let Err(error) = runtime.block_on(serve(listener, shown));
        tracing::error!(%error, "cannot serve probes and metrics");
    };
    std::thread::Builder::new().name("server".to_owned()).spawn(serve)?;
    Ok(())
}

/// Listens on an address. On `[::]` it is IPv4's too; where there is no IPv6, IPv4's alone.
fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let is_any = address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    match bind(address, is_any) {
        Err(_) if is_any => bind((Ipv4Addr::UNSPECIFIED, address.port()).into(), false),
        bound => bound,
    }
}

fn bind(address: SocketAddr, both_families: bool) -> std::io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if both_families {
        // A machine may have it otherwise by default (`net.ipv6.bindv6only`).
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

async fn serve(listener: TcpListener, shown: Shown) -> std::io::Result<Infallible> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    tokio::spawn(shown.heartbeat.clone().watch());
    let mut open: VecDeque<(IpAddr, AbortHandle)> = VecDeque::new();
    loop {
        let Ok((stream, client)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let client = client.ip();
        open.retain(|(_, connection)| !connection.is_finished());
        if open.len() >= MOST
            && let Some((_, connection)) = to_close(&open).and_then(|place| open.remove(place))
        {
            connection.abort();
        }
        let connection = tokio::spawn(connection(stream, shown.clone()));
        open.push_back((client, connection.abort_handle()));
        // It is answered, if its request is there, before another is accepted.
        tokio::task::yield_now().await;
    }
}

/// Of the client that has most, the connection that has been open longest.
fn to_close<T>(open: &VecDeque<(IpAddr, T)>) -> Option<usize> {
    let mut counts: HashMap<IpAddr, usize> = HashMap::new();
    for (client, _) in open {
        *counts.entry(*client).or_default() += 1;
    }
    // Of several, the last: the oldest one.
    open.iter().enumerate().rev().max_by_key(|(_, (client, _))| counts[client]).map(|(at, _)| at)
}

async fn connection(stream: TcpStream, shown: Shown) {
    let service = service_fn(|request: Request<Incoming>| {
        let response = answer(request.method(), request.uri().path(), &shown);
        std::future::ready(Ok::<_, Infallible>(response))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(HEAD_BYTES)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    // A client that goes away, or is too slow, is nobody's concern.
    let _ = tokio::time::timeout(CONNECTION, connection).await;
}

fn answer(method: &Method, path: &str, shown: &Shown) -> Response<Full<Bytes>> {
    const TEXT: &str = "text/plain; charset=utf-8";
    let (status, content_type, body) = match path {
        _ if !matches!(*method, Method::GET | Method::HEAD) => {
            (StatusCode::METHOD_NOT_ALLOWED, TEXT, "only GET and HEAD\n".to_owned())
        }
        "/livez" if shown.heartbeat.is_alive() => (StatusCode::OK, TEXT, "ok\n".to_owned()),
        "/livez" => (StatusCode::SERVICE_UNAVAILABLE, TEXT, "the operator is stuck\n".to_owned()),
        "/readyz" => {
            let (status, report) = shown.readiness.report();
            (status, TEXT, report)
        }
        "/metrics" => (StatusCode::OK, OPEN_METRICS, shown.metrics.encode()),
        _ => (StatusCode::NOT_FOUND, TEXT, "try /livez, /readyz or /metrics\n".to_owned()),
    };
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    let content_type = header::HeaderValue::from_static(content_type);
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_whose_beats_are_missing_is_stuck() {
        let heartbeat = Heartbeat::default();
        (1..STUCK).for_each(|_| heartbeat.miss());
        assert!(heartbeat.is_alive());
        heartbeat.miss();
        assert!(!heartbeat.is_alive());
        heartbeat.beat();
        assert!(heartbeat.is_alive());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn work_that_hangs_is_stuck_although_other_tasks_go_on() {
        let heartbeat = Heartbeat::default();
        let missing = || heartbeat.0.load(Ordering::Relaxed);
        tokio::spawn(heartbeat.clone().watch());
        let work = async {
            heartbeat.miss();
            while missing() > 0 {
                tokio::task::yield_now().await;
            }
            while missing() < 3 {
                std::thread::yield_now();
            }
        };
        heartbeat.clone().during(work).await;
    }

    #[test]
    fn by_default_it_is_reached_by_both_families() {
        let listener = listen("[::]:0".parse().unwrap()).unwrap();
        let port = listener.local_addr().unwrap().port();
        for address in ["127.0.0.1", "::1"] {
            std::net::TcpStream::connect((address, port)).unwrap();
        }
        let one = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = one.local_addr().unwrap();
        std::net::TcpStream::connect(address).unwrap();
        assert!(address.is_ipv4() && listen(address).is_err(), "it is taken");
    }

    #[test]
    fn the_client_that_has_most_loses_its_oldest_connection() {
        let client = |number: u8| IpAddr::from([10, 0, 0, number]);
        let to_close = |clients: &[u8]| {
            to_close(&clients.iter().map(|number| (client(*number), ())).collect())
        };
        assert_eq!(to_close(&[]), None);
        assert_eq!(to_close(&[1]), Some(0));
        assert_eq!(to_close(&[1, 2, 2, 3]), Some(1));
        assert_eq!(to_close(&[1, 2, 1, 2]), Some(0), "of equals, the oldest of all");
    }
}
