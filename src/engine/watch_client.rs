//! The client of one watch. kube's watcher passes on what a watch says, but not how long it ran:
//! one that ends immediately begins again and again, and one that had no news is like none.

use std::error::Error as StdError;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use http::{Request, Response};
use hyper::body::{Bytes, Frame};
use kube::Client;
use kube::client::Body;
use parking_lot::Mutex;
use tower_service::Service;

use crate::api_shares::is_watch;

/// A watch that ends sooner has failed: the API server lets it run for many seconds.
const SHORTEST: Duration = Duration::from_secs(1);

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
    let service = WatchService { client: client.clone(), last_run: last_run.clone() };
    (Client::new(service, namespace), last_run)
}

struct WatchService {
    client: Client,
    last_run: LastRun,
}

type BoxError = Box<dyn StdError + Send + Sync>;

impl Service<Request<Body>> for WatchService {
    type Response = Response<WatchBody>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (client, last_run) = (self.client.clone(), self.last_run.clone());
        Box::pin(async move {
            let is_watch = is_watch(request.uri());
            // A proxy may hold the beginning back until the end.
            let begun = Instant::now();
            let answer = client.send(request).await?;
            let status = answer.status();
            // kube takes everything else for the watch.
            let is_refused = status.is_client_error() || status.is_server_error();
            let is_run = is_watch && !is_refused;
            let run = is_run.then(|| Run::new(begun, status.is_success().then_some(last_run)));
            Ok(answer.map(|body| WatchBody { body, run }))
        })
    }
}

/// The body of an answer. If it is that of a watch that ended immediately, an error is its end.
struct WatchBody {
    body: Body,
    /// Of a watch that has not ended.
    run: Option<Run>,
}

impl hyper::body::Body for WatchBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Some(run) = &mut self.run {
            run.note(polled.is_pending(), Instant::now());
        }
        // The client around it wraps errors as well.
        let frame = ready!(polled).map(|frame| {
            frame.map_err(|error| {
                if let kube::Error::Service(error) = error { error } else { error.into() }
            })
        });
        if let Some(Ok(_)) = frame {
            if let Some(run) = &mut self.run {
                run.had_news = true;
            }
            return Poll::Ready(frame);
        }
        // Of some errors, kube makes an ordinary end.
        let has_failed = self.run.take().is_some_and(|run| run.end(frame.is_some()));
        Poll::Ready(if has_failed { Some(Err("the watch was cut off".into())) } else { frame })
    }
}

/// A watch that the API server has begun. Only the time counts in which something was waited for:
/// between two events, whoever reads them may pause.
struct Run {
    waited: Duration,
    waits_since: Option<Instant>,
    /// It said something.
    had_news: bool,
    /// `None` if it does not count.
    shown_in: Option<LastRun>,
}

impl Run {
    fn new(begun: Instant, last_run: Option<LastRun>) -> Self {
        let (waited, waits_since) = (Duration::ZERO, Some(begun));
        Self { waited, waits_since, had_news: false, shown_in: last_run }
    }

    /// Whether it has failed: it was short, or broke without having said anything. Then nobody
    /// knows whether it would have.
    fn end(mut self, broke: bool) -> bool {
        let has_failed = self.is_short() || (broke && !self.had_news);
        if has_failed {
            self.shown_in = None;
        }
        has_failed
    }

    /// Somebody asked for more, and waits for it or not.
    fn note(&mut self, waits: bool, now: Instant) {
        if let Some(since) = self.waits_since.take() {
            self.waited += now.duration_since(since);
        }
        self.waits_since = waits.then_some(now);
    }

    fn is_short(&self) -> bool {
        self.waited < SHORTEST
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let now = Instant::now();
        self.note(false, now);
        if let Some(last_run) = self.shown_in.as_ref().filter(|_| !self.is_short()) {
            *last_run.0.lock() = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;
    use crate::api_server::fake::Answers;

    #[tokio::test]
    async fn only_a_watch_that_ends_immediately_has_failed() {
        for (path, status, is_short) in [
            ("/keys?&watch=true&timeoutSeconds=20", 200, true),
            ("/keys?&watch=true&timeoutSeconds=20", 302, true),
            ("/keys?&watch=true&timeoutSeconds=20", 403, false),
            ("/keys?&watch=true&timeoutSeconds=20", 503, false),
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
            let expected = is_short.then(|| "ServiceError: the watch was cut off".to_owned());
            assert_eq!(end, expected, "{path} {status}");
            assert!(body.frame().await.is_none());
            assert_eq!(last_run.get(), None, "{path} {status}");
        }
    }

    #[test]
    fn a_watch_has_run_if_the_api_server_was_waited_for_and_not_its_reader() {
        let start = Instant::now();
        // When something was asked for, in milliseconds, and whether there was nothing yet.
        for (asked, has_run) in [
            (vec![], false),
            (vec![(0, true), (900, false)], false),
            (vec![(0, true), (1_000, false)], true),
            (vec![(0, true), (500, true), (1_100, false), (9_000, false)], true),
            // Its reader pauses after each event.
            (vec![(0, false), (5_000, false), (10_000, true), (10_100, false)], false),
            (vec![(0, true), (600, false), (5_000, true), (5_600, false)], true),
        ] {
            let last_run = LastRun::default();
            let mut run = Run::new(start, Some(last_run.clone()));
            run.note(false, start);
            for (at, waits) in &asked {
                run.note(*waits, start + Duration::from_millis(*at));
            }
            assert_eq!(run.end(false), !has_run, "{asked:?}");
            assert_eq!(last_run.get().is_some(), has_run, "{asked:?}");
        }
    }

    /// As kube does it with a connection that is silent for too long.
    #[test]
    fn a_watch_that_is_given_up_while_it_is_waited_for_has_run() {
        let last_run = LastRun::default();
        drop(Run::new(before(SHORTEST), Some(last_run.clone())));
        assert!(last_run.get().is_some());
    }

    fn before(time: Duration) -> Instant {
        Instant::now().checked_sub(time).unwrap()
    }

    /// A proxy may hold a watch and cut it off at its own time, and let nothing through.
    #[test]
    fn a_watch_that_breaks_without_a_word_has_failed() {
        for (broke, had_news, is_success, has_failed, has_run) in [
            (true, false, true, true, false),
            (true, true, true, false, true),
            (false, false, true, false, true),
            (false, true, false, false, false),
        ] {
            let last_run = LastRun::default();
            let mut run = Run::new(before(SHORTEST), is_success.then(|| last_run.clone()));
            run.note(false, Instant::now());
            run.had_news = had_news;
            assert_eq!(run.end(broke), has_failed);
            assert_eq!(last_run.get().is_some(), has_run);
        }
    }
}
