//! The Kubernetes API server. Reconciliations send their requests through here: each is bounded in
//! time, since the client library has no read timeout of its own, and a write is sent only while
//! the Lease is not about to run out. What is written after that does no harm: a change is for the
//! version that was read, so it fails if anybody has written since, and no object is created twice.
//! An Event is sent without the Lease, as nobody acts on it. Watches, the election and the start
//! have ways of their own.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::events::v1::Event;
use kube::api::{PatchParams, PostParams};
use kube::{Api, Client};
use tokio::sync::Semaphore;
use tracing::Instrument;

use crate::api::FIELD_MANAGER;
use crate::api_shares::ApiShares;
use crate::error::Error;
use crate::kube_error::NotSent;
use crate::lease::HeldLease;

/// How long the API server may take for a request that changes nothing. Also how long a connection
/// may be silent while something is waited for: a page of a list, or what follows in it.
pub const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// How long the API server may take for a write: a bit longer than an admission webhook may.
/// ([Timeouts](https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#timeouts):
/// 10 seconds by default, 30 at most.) One that nobody answers may be configured to let writes pass
/// after that.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(33);

/// The API server, as reconciliations use it.
#[derive(Clone)]
pub struct ApiServer {
    client: Client,
    lease: HeldLease,
    lease_margin: Duration,
    /// For Secrets and `ConfigMap`s, which may be large.
    large: Arc<Semaphore>,
    /// The same, for each namespace.
    large_of: ApiShares,
    /// For the Events of each namespace.
    events_of: ApiShares,
    /// For the writes of each namespace.
    writes_of: ApiShares,
}

/// This many of these are read at the same time: each may have 1 MiB, and is in memory a few times
/// while it is read.
const LARGE: usize = 4;
/// And this many of one namespace.
const LARGE_OF_NAMESPACE: usize = 2;

/// This many writes of a namespace are under way at the same time: hanging ones leave room for its
/// reads.
const WRITES_OF_NAMESPACE: usize = 3;

/// This many Events of a namespace wait to be sent; no more are sent meanwhile.
const MOST_EVENTS: usize = 100;
/// This many are sent at the same time: hanging ones leave room for the other requests of the
/// namespace.
const EVENTS_OF_NAMESPACE: usize = 2;
/// How long an Event may take.
const EVENT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a reconciliation waits for its Event.
const EVENT_WAIT: Duration = Duration::from_secs(1);

impl ApiServer {
    /// A write is sent only if the Lease lasts for `lease_margin` from then on.
    #[must_use]
    pub fn new(client: Client, lease: HeldLease, lease_margin: Duration) -> Self {
        let large = Arc::new(Semaphore::new(LARGE));
        let large_of = ApiShares::new(LARGE_OF_NAMESPACE);
        let events_of = ApiShares::new(EVENTS_OF_NAMESPACE);
        let writes_of = ApiShares::new(WRITES_OF_NAMESPACE);
        Self { client, lease, lease_margin, large, large_of, events_of, writes_of }
    }

    /// For watches, and to make a request that is then given to `read` or `write`.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Sends a request that changes nothing.
    ///
    /// # Errors
    /// The API server refuses or does not answer.
    pub(crate) async fn read<T>(
        &self,
        request: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, Error> {
        bounded(READ_TIMEOUT, request).await
    }

    /// As [`Self::read`], for a Secret or a `ConfigMap` in this namespace: few are read at the same
    /// time. `take` leaves of the answer what is needed, before the next one is read.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub(crate) async fn read_large<T, Taken: Future>(
        &self,
        namespace: &str,
        request: impl Future<Output = Result<T, kube::Error>>,
        take: impl FnOnce(Result<T, Error>) -> Taken,
    ) -> Taken::Output {
        let share = self.large_of.enter(namespace);
        // Neither is ever closed.
        let _of_namespace = share.place().await;
        let _place = self.large.acquire().await;
        take(self.read(request).await).await
    }

    /// Sends an Event of an object in this namespace, or in none. Nobody waits long for it: an API
    /// server may keep Events apart, and hang only there. A refusal is no error: a namespace that
    /// is being deleted takes no new objects.
    pub(crate) async fn send_event(&self, namespace: Option<&str>, event: Event) {
        // Whoever may create objects in `default` holds up no Event of an object in no namespace.
        let share = self.events_of.enter(namespace.unwrap_or_default());
        if share.count() > MOST_EVENTS {
            tracing::debug!("an Event was not sent, because too many others wait");
            return;
        }
        let to = event.metadata.namespace.as_deref().unwrap_or_default();
        let api: Api<Event> = Api::namespaced(self.client.clone(), to);
        let send = async move {
            let _place = share.place().await;
            let parameters = PostParams::default();
            if let Err(error) = bounded(EVENT_TIMEOUT, api.create(&parameters, &event)).await {
                tracing::debug!(%error, "an Event was not written");
            }
        };
        let sending = tokio::spawn(send.in_current_span());
        // It goes on after that.
        let _ = tokio::time::timeout(EVENT_WAIT, sending).await;
    }

    /// Sends a write in this namespace, or in none, if the Lease lasts long enough when its turn
    /// among the writes comes. Reads may still be ahead of it in the client's own line: it may be
    /// sent later then, and does no harm.
    ///
    /// # Errors
    /// As [`Self::read`]. Nothing was sent if it is [`Error::NotLeading`], or if others took so
    /// long that its turn did not come.
    pub(crate) async fn write<T>(
        &self,
        namespace: Option<&str>,
        request: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, Error> {
        let share = namespace.map(|namespace| self.writes_of.enter(namespace));
        let _place = match &share {
            Some(share) => {
                let place = tokio::time::timeout(WRITE_TIMEOUT, share.place()).await;
                Some(place.map_err(|_| kube::Error::Service(NotSent.into()))?)
            }
            None => None,
        };
        if !self.lease.outlives(self.lease_margin) {
            return Err(Error::NotLeading);
        }
        bounded(WRITE_TIMEOUT, request).await
    }
}

/// A patch names the operator as the manager of its fields.
pub(crate) fn patch_parameters() -> PatchParams {
    PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() }
}

async fn bounded<T>(
    timeout: Duration,
    request: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, Error> {
    match tokio::time::timeout(timeout, request).await {
        Ok(answer) => Ok(answer?),
        Err(_) => {
            Err(Error::Kubernetes(Box::new(kube::Error::Service("no response in time".into()))))
        }
    }
}

/// An API server for tests.
#[cfg(test)]
pub(crate) mod fake {
    use std::future::{Ready, ready};
    use std::task::{Context, Poll};

    use http::{Request, Response};
    use kube::client::Body;
    use tower_service::Service;

    type Error = Box<dyn std::error::Error + Send + Sync>;

    /// Answers each request as this function says.
    #[derive(Clone)]
    pub(crate) struct Answers<F>(pub(crate) F);

    impl<F> Service<Request<Body>> for Answers<F>
    where
        F: FnMut(&Request<Body>) -> Result<Response<Body>, Error>,
    {
        type Response = Response<Body>;
        type Error = Error;
        type Future = Ready<Result<Response<Body>, Error>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: Request<Body>) -> Self::Future {
            ready((self.0)(&request))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use super::*;
    use crate::clock::Moment;

    #[tokio::test]
    async fn a_write_is_sent_only_if_the_lease_lasts_long_enough() {
        let config = kube::Config::new("http://localhost".parse().unwrap());
        let lease = HeldLease::not_held();
        let margin = Duration::from_secs(10);
        let server = ApiServer::new(Client::try_from(config).unwrap(), lease.clone(), margin);
        let written = server.write(None, async { Ok(()) }).await;
        assert!(matches!(written, Err(Error::NotLeading)));
        assert!(server.read(async { Ok(()) }).await.is_ok());
        lease.hold_until(Moment::now() + margin / 2);
        assert!(server.write(None, async { Ok(()) }).await.is_err(), "it could run out meanwhile");
        lease.hold_until(Moment::now() + margin * 2);
        assert!(server.write(None, async { Ok(()) }).await.is_ok());
    }

    #[tokio::test]
    async fn a_write_that_waits_for_others_asks_for_the_lease_when_its_turn_comes() {
        let config = kube::Config::new("http://localhost".parse().unwrap());
        let lease = HeldLease::unlimited();
        let client = Client::try_from(config).unwrap();
        let server = ApiServer::new(client, lease.clone(), Duration::ZERO);
        let (hangs, sent) = (tokio::sync::Notify::new(), std::cell::Cell::new(0));
        let write = |namespace| {
            server.write(Some(namespace), async {
                sent.set(sent.get() + 1);
                hangs.notified().await;
                Ok(())
            })
        };
        let mut first: Vec<_> = (0..WRITES_OF_NAMESPACE).map(|_| Box::pin(write("a"))).collect();
        let (mut next, mut other) = (Box::pin(write("a")), Box::pin(write("b")));
        for each in first.iter_mut().chain([&mut next, &mut other]) {
            assert!(futures::poll!(each.as_mut()).is_pending());
        }
        assert_eq!(sent.get(), WRITES_OF_NAMESPACE + 1, "those of another one do not wait");
        lease.give_up();
        first.clear();
        assert!(matches!(next.await, Err(Error::NotLeading)));
        assert_eq!(sent.get(), WRITES_OF_NAMESPACE + 1);
    }

    #[tokio::test]
    async fn a_namespace_leaves_room_for_the_secrets_of_others() {
        let config = kube::Config::new("http://localhost".parse().unwrap());
        let client = Client::try_from(config).unwrap();
        let server = ApiServer::new(client, HeldLease::not_held(), Duration::ZERO);
        let never = || std::future::pending::<Result<(), kube::Error>>();
        let mut crowd: Vec<_> =
            (0..9).map(|_| Box::pin(server.read_large("crowd", never(), ready))).collect();
        for read in &mut crowd {
            assert!(futures::poll!(read).is_pending());
        }
        let quiet = server.read_large("quiet", async { Ok(()) }, ready);
        assert!(quiet.await.is_ok());
    }
}
