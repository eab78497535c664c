//! The client of one watch. kube's watcher passes on what a watch says, but not how long it ran:
//! one that ends immediately begins again and again, and one that had no news is like none.

use std::error::Error as StdError;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt, stream};
use http::{Request, Response};
use http_body_util::{BodyStream, StreamBody};
use hyper::body::{Bytes, Frame};
use kube::Client;
use kube::client::Body;
use parking_lot::Mutex;
use tower_service::Service;

/// A watch that ends sooner has failed: the API server lets it run for many seconds.
const AT_ONCE: Duration = Duration::from_secs(1);

/// When the last watch ended that had run, however it ended. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(super) struct LastRun(Arc<Mutex<Option<Instant>>>);

impl LastRun {
    pub(super) fn get(&self) -> Option<Instant> {
        *self.0.lock()
    }
}

/// A client for one watch, and when that has run.
pub(super) fn of(client: &Client) -> (Client, LastRun) {
    let last_run = LastRun::default();
    let namespace = client.default_namespace();
    let observed = Observed { client: client.clone(), last_run: last_run.clone() };
    (Client::new(observed, namespace), last_run)
}

struct Observed {
    client: Client,
    last_run: LastRun,
}

/// A watch that the API server has begun.
struct Running {
    since: Instant,
    last_run: LastRun,
}

impl Running {
    fn is_short(&self) -> bool {
        self.since.elapsed() < AT_ONCE
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.is_short() {
            *self.last_run.0.lock() = Some(Instant::now());
        }
    }
}

type BoxError = Box<dyn StdError + Send + Sync>;
type Frames = stream::BoxStream<'static, Result<Frame<Bytes>, BoxError>>;

impl Service<Request<Body>> for Observed {
    type Response = Response<StreamBody<Frames>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (client, last_run) = (self.client.clone(), self.last_run.clone());
        Box::pin(async move {
            let mut parameters = request.uri().query().unwrap_or_default().split('&');
            let is_watch = parameters.any(|it| it == "watch=true");
            let answer = client.send(request).await?;
            let is_begun = is_watch && answer.status().is_success();
            let running = is_begun.then(|| Running { since: Instant::now(), last_run });
            Ok(answer.map(|body| StreamBody::new(frames(body, running))))
        })
    }
}

/// What the body has, and then an error if it is that of a watch which ended immediately.
fn frames(body: Body, running: Option<Running>) -> Frames {
    // The client around it wraps errors as well.
    let frames = BodyStream::new(body).map_err(|error| {
        if let kube::Error::Service(error) = error { error } else { error.into() }
    });
    let end = async move {
        let is_short = running.is_some_and(|watch| watch.is_short());
        is_short.then(|| Err(BoxError::from("the watch ended immediately")))
    };
    frames.chain(stream::once(end).filter_map(ready)).boxed()
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;
    use crate::api_server::fake::Answers;

    #[tokio::test]
    async fn only_a_watch_that_ends_at_once_has_failed() {
        for (path, status, is_short) in [
            ("/keys?&watch=true&timeoutSeconds=20", 200, true),
            ("/keys?&watch=true&timeoutSeconds=20", 403, false),
            ("/keys?&limit=100", 200, false),
            ("/keys?labelSelector=watch%3Dtrue&limit=100", 200, false),
        ] {
            let server = Answers(move |_: &_| {
                Ok(Response::builder().status(status).body(b"{}\n".to_vec().into()).unwrap())
            });
            let (client, last_run) = of(&Client::new(server, "default"));
            let request = Request::get(path).body(Body::empty()).unwrap();
            let mut body = client.send(request).await.unwrap().into_body();
            let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
            assert_eq!(&*first, b"{}\n", "what it says comes first: {path}");
            let end = body.frame().await.map(|end| end.unwrap_err().to_string());
            let expected = is_short.then(|| "ServiceError: the watch ended immediately".to_owned());
            assert_eq!(end, expected, "{path}");
            assert_eq!(last_run.get(), None, "{path}");
        }
    }

    #[tokio::test]
    async fn a_watch_that_ran_has_run_however_it_ends() {
        let began = Instant::now().checked_sub(AT_ONCE).unwrap();
        for is_read in [true, false] {
            let last_run = LastRun::default();
            let running = Running { since: began, last_run: last_run.clone() };
            let mut frames = frames(Body::empty(), Some(running));
            if is_read {
                assert!(frames.next().await.is_none());
            }
            drop(frames);
            assert!(last_run.get().is_some());
        }
    }
}
