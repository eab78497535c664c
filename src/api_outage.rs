//! What is reported when the Kubernetes API server cannot be reached: one line in the log when that
//! begins, one when it is over, and why in `/readyz`. The client library says it at each attempt,
//! without the host.

use std::error::Error as StdError;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::{Request, Response, StatusCode, Uri};
use kube::client::Body;
use parking_lot::Mutex;
use tower_layer::Layer;
use tower_service::Service;

use crate::api_shares::is_watch;
use crate::kube_error::told;
use crate::outage::{News, Spoken};
use crate::readiness::{Extent, Readiness};

const API_SERVER: &str = "the Kubernetes API server";
/// Who gave up waiting after this time did so because there was no answer.
const SLOW: Duration = Duration::from_secs(3);
/// Whoever still waits after this time may wait forever: a credential plugin may hang.
const SILENT: Duration = Duration::from_secs(10);

/// The way to the API server, whose requests are observed. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct ApiOutage(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    server: String,
    proxy: Option<String>,
    /// Whether a credential plugin may be what is waited for.
    has_plugin: bool,
    readiness: Readiness,
    told: Mutex<Told>,
}

/// What was said, and whether the last request failed.
#[derive(Debug, Default)]
struct Told {
    spoken: Spoken,
    is_failing: bool,
}

impl ApiOutage {
    /// For the server at this URL, which is reached by this proxy, with credentials of a plugin or
    /// without one.
    #[must_use]
    pub(crate) fn new(
        server: &Uri,
        proxy: Option<&Uri>,
        has_plugin: bool,
        readiness: Readiness,
    ) -> Self {
        let (server, proxy) = (host(server), proxy.map(host));
        Self(Arc::new(Inner { server, proxy, has_plugin, readiness, told: Mutex::default() }))
    }

    /// A request has no answer, although that was waited for.
    fn note_silence(&self) {
        self.note(Some(if self.0.has_plugin {
            "no response in time from it, or from the kubeconfig's credential plugin"
        } else {
            "no response in time"
        }));
    }

    fn note(&self, failure: Option<&str>) {
        let Inner { server, proxy, readiness, told, has_plugin: _ } = &*self.0;
        let mut told = told.lock();
        if failure.is_none() && !told.is_failing {
            return;
        }
        told.is_failing = failure.is_some();
        let trouble = failure.map(|why| match proxy {
            Some(proxy) => format!("{server} by the proxy {proxy}: {why}"),
            None => format!("{server}: {why}"),
        });
        readiness.trouble(Extent::All, API_SERVER.to_owned(), trouble);
        match told.spoken.note(failure.is_some(), Instant::now()) {
            Some(News::Begins) => tracing::warn!(
                host = server,
                proxy,
                error = failure,
                "requests to the Kubernetes API server are failing"
            ),
            Some(News::IsOver) => {
                tracing::info!(
                    host = server,
                    "requests to the Kubernetes API server are succeeding again"
                );
            }
            None => {}
        }
    }
}

fn host(uri: &Uri) -> String {
    let port = uri.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}{port}", uri.host().unwrap_or_default())
}

/// A status with which whatever answers is not the API server, or does not know the operator.
fn told_of_status(status: StatusCode) -> Option<String> {
    let fails = matches!(status.as_u16(), 401 | 407 | 502..=504);
    fails.then(|| format!("HTTP {}", status.as_u16()))
}

impl<S> Layer<S> for ApiOutage {
    type Service = OutageService<S>;

    fn layer(&self, inner: S) -> OutageService<S> {
        OutageService { inner, outage: self.clone(), slow: SLOW, silent: SILENT }
    }
}

/// A client whose requests are observed.
#[derive(Debug)]
pub(crate) struct OutageService<S> {
    inner: S,
    outage: ApiOutage,
    /// What else than a watch was given up without an answer after this time was missed.
    slow: Duration,
    /// What else than a watch has no answer after this time is missed.
    silent: Duration,
}

type BoxError = Box<dyn StdError + Send + Sync>;

impl<S, B> Service<Request<Body>> for OutageService<S>
where
    S: Service<Request<Body>, Response = Response<B>, Error = BoxError>,
    S::Future: Send + 'static,
    B: Send,
{
    type Response = Response<B>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<B>, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // A proxy may hold the beginning of a watch back until its end.
        let is_watch = is_watch(request.uri());
        let patience = if is_watch { Duration::MAX } else { self.silent };
        let slow = if is_watch { Duration::MAX } else { self.slow };
        let (answer, outage) = (self.inner.call(request), self.outage.clone());
        Box::pin(async move {
            // Before that it waits for its namespace's share, and nothing is sent.
            let mut waiting = Waiting { outage, slow, since: Some(Instant::now()) };
            let mut answer = pin!(answer);
            let early = tokio::time::timeout(patience, answer.as_mut()).await;
            let answer = if let Ok(answer) = early {
                answer
            } else {
                waiting.outage.note_silence();
                answer.await
            };
            waiting.since = None;
            let failure = match &answer {
                Ok(answer) => told_of_status(answer.status()),
                Err(error) => Some(told(&**error)),
            };
            waiting.outage.note(failure.as_deref());
            answer
        })
    }
}

/// A request without an answer so far.
struct Waiting {
    outage: ApiOutage,
    slow: Duration,
    since: Option<Instant>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if self.since.is_some_and(|since| since.elapsed() >= self.slow) {
            self.outage.note_silence();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// An API server that answers a watch late, and anything else when `/readyz` shows that it is
    /// missed. With what that shows before the answer.
    struct Late(Readiness);

    impl Service<Request<Body>> for Late {
        type Response = Response<String>;
        type Error = BoxError;
        type Future = Pin<Box<dyn Future<Output = Result<Response<String>, BoxError>> + Send>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: Request<Body>) -> Self::Future {
            let readiness = self.0.clone();
            Box::pin(async move {
                tokio::time::sleep(Duration::from_millis(20)).await;
                while !is_watch(request.uri()) && readiness.report().1 == "ok\n" {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                Ok(Response::new(readiness.report().1))
            })
        }
    }

    #[tokio::test]
    async fn a_watch_whose_beginning_a_proxy_holds_back_is_no_outage() {
        let silent = "ok\nthe Kubernetes API server: api.example: no response in time\n";
        for (path, expected) in [("/apis?watch=1", "ok\n"), ("/apis", silent)] {
            let readiness = Readiness::default();
            let server = "https://api.example".parse().unwrap();
            let outage = ApiOutage::new(&server, None, false, readiness.clone());
            let service = outage.layer(Late(readiness.clone()));
            let mut service = OutageService { silent: Duration::from_millis(1), ..service };
            let request = Request::get(path).body(Body::empty()).unwrap();
            let before = service.call(request).await.unwrap().into_body();
            assert_eq!(before, expected, "{path}");
            assert_eq!(readiness.report().1, "ok\n", "{path}: it was answered");
            // The operator stops meanwhile.
            let mut service = OutageService { slow: Duration::ZERO, ..service };
            let mut given_up = service.call(Request::get(path).body(Body::empty()).unwrap());
            assert!(given_up.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            drop(given_up);
            assert_eq!(readiness.report().1, expected, "{path}: it was given up");
        }
    }

    #[test]
    fn readyz_names_the_server_the_proxy_and_the_cause() {
        let readiness = Readiness::default();
        let (server, proxy) = ("https://api.example:6443", "http://ann:PW@proxy:3128/");
        let (server, proxy) = (server.parse().unwrap(), proxy.parse().unwrap());
        let outage = ApiOutage::new(&server, Some(&proxy), false, readiness.clone());
        outage.note(None);
        assert_eq!(readiness.report().1, "ok\n");
        outage.note(Some(&told_of_status(StatusCode::BAD_GATEWAY).unwrap()));
        let line = "the Kubernetes API server: api.example:6443 by the proxy proxy:3128: HTTP 502";
        assert_eq!(readiness.report().1, format!("ok\n{line}\n"));
        outage.note(None);
        assert_eq!(readiness.report().1, "ok\n");
        for status in [200, 403, 404, 409, 422, 429, 500] {
            assert_eq!(told_of_status(StatusCode::from_u16(status).unwrap()), None, "{status}");
        }
    }
}
