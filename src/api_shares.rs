//! A share of the Kubernetes API server for each namespace. Objects of one namespace in many
//! regions are reconciled at the same time; if each had a request under way, those of another
//! namespace would wait for all of them in an API server that is busy.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Method, Request, Response, Uri};
use hyper::body::{Frame, SizeHint};
use kube::client::Body;
use parking_lot::Mutex;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tower_layer::Layer;
use tower_service::Service;

/// This many requests that name a namespace are under way at the same time, beside reads of its
/// Secrets and `ConfigMap`s, and watches, of which there are a few. The others wait in the order of
/// asking.
const OF_NAMESPACE: usize = 4;

/// Places for the requests of each namespace. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct ApiShares {
    /// How many places each has.
    places: usize,
    by_namespace: Arc<Mutex<HashMap<String, Line>>>,
}

/// The requests of a namespace.
#[derive(Debug)]
struct Line {
    places: Arc<Semaphore>,
    /// How many of them have a place, or wait for one.
    requests: usize,
}

impl Default for ApiShares {
    fn default() -> Self {
        Self::new(OF_NAMESPACE)
    }
}

impl ApiShares {
    /// This many places for each namespace.
    #[must_use]
    pub(crate) fn new(places: usize) -> Self {
        Self { places, by_namespace: Arc::default() }
    }

    /// A place in the line of a namespace.
    pub(crate) fn enter(&self, namespace: &str) -> Share {
        let mut all = self.by_namespace.lock();
        let line = all
            .entry(namespace.to_owned())
            .or_insert_with(|| Line { places: Arc::new(Semaphore::new(self.places)), requests: 0 });
        line.requests += 1;
        let places = Arc::clone(&line.places);
        Share { all: self.clone(), namespace: namespace.to_owned(), places }
    }
}

/// A request that has a place, or waits for one. A namespace is kept only while it has some.
#[derive(Debug)]
pub(crate) struct Share {
    all: ApiShares,
    namespace: String,
    places: Arc<Semaphore>,
}

impl Share {
    /// Waits for the place.
    pub(crate) async fn place(&self) -> Result<SemaphorePermit<'_>, AcquireError> {
        self.places.acquire().await
    }

    /// How many requests the namespace has, with this one.
    pub(crate) fn count(&self) -> usize {
        self.all.by_namespace.lock().get(&self.namespace).map_or(0, |line| line.requests)
    }

    async fn into_place(self) -> Result<OwnedPlace, AcquireError> {
        let permit = Arc::clone(&self.places).acquire_owned().await?;
        Ok(OwnedPlace { _permit: permit, _share: self })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut all = self.all.by_namespace.lock();
        let Some(line) = all.get_mut(&self.namespace) else { return };
        line.requests -= 1;
        if line.requests == 0 {
            all.remove(&self.namespace);
        }
    }
}

/// A place that is held on its own.
#[derive(Debug)]
struct OwnedPlace {
    // Given back before the share is, which forgets a namespace without any.
    _permit: OwnedSemaphorePermit,
    _share: Share,
}

/// Whether a request begins a watch.
pub(crate) fn is_watch(uri: &Uri) -> bool {
    let mut parameters = uri.query().unwrap_or_default().split('&');
    parameters.any(|parameter| parameter.starts_with("watch="))
}

/// Whether a request reads a Secret or a `ConfigMap`. Few are read at the same time, of all
/// namespaces too: one that waited here would hold a place that others wait for.
fn is_counted_apart(request: &Request<Body>) -> bool {
    let rest = request.uri().path().strip_prefix("/api/v1/namespaces/");
    let kind = rest.and_then(|rest| rest.split('/').nth(1));
    *request.method() == Method::GET && matches!(kind, Some("secrets" | "configmaps"))
}

/// The namespace that a request names.
fn namespace(uri: &Uri) -> Option<&str> {
    let (_, rest) = uri.path().split_once("/namespaces/")?;
    rest.split('/').next()
}

impl<S> Layer<S> for ApiShares {
    type Service = Shared<S>;

    fn layer(&self, inner: S) -> Shared<S> {
        Shared { inner, shares: self.clone() }
    }
}

/// A client whose namespaces have shares.
#[derive(Debug)]
pub(crate) struct Shared<S> {
    inner: S,
    shares: ApiShares,
}

type BoxError = Box<dyn StdError + Send + Sync>;

impl<S, B> Service<Request<Body>> for Shared<S>
where
    S: Service<Request<Body>, Response = Response<B>, Error = BoxError>,
    S::Future: Send + 'static,
{
    type Response = Response<Read<B>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // A proxy may hold the beginning of a watch back until its end.
        let takes_place = !is_watch(request.uri()) && !is_counted_apart(&request);
        let namespace = namespace(request.uri()).filter(|_| takes_place);
        let share = namespace.map(|namespace| self.shares.enter(namespace));
        // Nothing is sent before it is polled.
        let answer = self.inner.call(request);
        Box::pin(async move {
            let place = match share {
                Some(share) => Some(share.into_place().await?),
                None => None,
            };
            let answer = answer.await?;
            Ok(answer.map(|body| Read { body, _place: place }))
        })
    }
}

/// The body of an answer, which holds its place until it was read: it may have 1.5 MB, which the
/// client library has in memory twice.
#[derive(Debug)]
pub(crate) struct Read<B> {
    body: B,
    _place: Option<OwnedPlace>,
}

impl<B: hyper::body::Body + Unpin> hyper::body::Body for Read<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Waker;

    use tokio::sync::Notify;

    use super::*;

    /// An API server that answers when it is told to.
    struct Held(Arc<Notify>, Arc<AtomicUsize>);

    impl Service<Request<Body>> for Held {
        type Response = Response<Body>;
        type Error = BoxError;
        type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, BoxError>> + Send>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request<Body>) -> Self::Future {
            let (answer, arrived) = (Arc::clone(&self.0), Arc::clone(&self.1));
            Box::pin(async move {
                arrived.fetch_add(1, Ordering::SeqCst);
                answer.notified().await;
                Ok(Response::new(Body::empty()))
            })
        }
    }

    type Sent = <Shared<Held> as Service<Request<Body>>>::Future;

    #[test]
    fn a_namespace_has_so_many_requests_under_way_and_others_do_not_wait_for_it() {
        let (answer, arrived) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
        let shares = ApiShares::default();
        let mut server = shares.layer(Held(Arc::clone(&answer), Arc::clone(&arrived)));
        let mut send = |path: &str| {
            let mut request = server.call(Request::get(path).body(Body::empty()).unwrap());
            assert!(poll(&mut request).is_pending());
            request
        };
        let of_kind = |namespace, kind| {
            format!("/apis/lightsail-operator.dev/v1alpha1/namespaces/{namespace}/{kind}")
        };
        let of_crowd = of_kind("crowd", "lightsailkeypairs/fleet");
        let mut crowd: Vec<_> = (0..OF_NAMESPACE + 2).map(|_| send(&of_crowd)).collect();
        assert_eq!(arrived.load(Ordering::SeqCst), OF_NAMESPACE);
        let given_up = crowd.remove(OF_NAMESPACE);
        let other = send(&of_kind("quiet", "hostkeyresets"));
        let of_cluster = send("/apis/lightsail-operator.dev/v1alpha1/lightsailkeypairs?watch=1");
        assert_eq!(arrived.load(Ordering::SeqCst), OF_NAMESPACE + 2);
        let of_secrets = (0..=OF_NAMESPACE).map(|_| send(&of_kind("secrets", "hostkeyresets/a")));
        let of_secrets: Vec<_> = of_secrets.collect();
        assert_eq!(arrived.load(Ordering::SeqCst), 2 * OF_NAMESPACE + 2, "by its kind alone");
        drop(of_secrets);
        let arrived = || arrived.load(Ordering::SeqCst) - OF_NAMESPACE;
        let secret = send("/api/v1/namespaces/crowd/secrets/fleet");
        assert_eq!(arrived(), OF_NAMESPACE + 3, "it has a place already");
        drop(send(&of_kind("crowd", "hostkeyresets?watch=1")));
        let arrived = || arrived() - 1;
        assert_eq!(arrived(), OF_NAMESPACE + 3, "it needs none");

        drop(given_up);
        answer.notify_one();
        let mut answered = Vec::new();
        let mut ask = |answered: &mut Vec<_>| {
            crowd.retain_mut(|request| match poll(request) {
                Poll::Ready(answer) => {
                    answered.push(answer);
                    false
                }
                Poll::Pending => true,
            });
        };
        ask(&mut answered);
        assert_eq!(answered.len(), 1);
        assert_eq!(arrived(), OF_NAMESPACE + 3, "its body was not read");
        answered.clear();
        ask(&mut answered);
        assert_eq!(answered.len(), 0);
        assert_eq!(arrived(), OF_NAMESPACE + 4, "the last has its place");
        drop((crowd, other, of_cluster, secret));
        assert!(shares.by_namespace.lock().is_empty(), "nothing is kept");
    }

    #[test]
    fn a_namespace_whose_last_requests_end_together_is_forgotten() {
        let shares = ApiShares::default();
        let [one, other] = [(); 2].map(|()| shares.enter("team"));
        assert_eq!(one.count(), 2);
        // The other one has said that it ends, on another thread, and still has its places.
        let places = Arc::clone(&other.places);
        drop((one, other));
        assert!(shares.by_namespace.lock().is_empty());
        drop(places);
    }

    fn poll(request: &mut Sent) -> Poll<Response<Read<Body>>> {
        request.as_mut().poll(&mut Context::from_waker(Waker::noop())).map(Result::unwrap)
    }
}
