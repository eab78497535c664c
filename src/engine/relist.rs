//! When a watch is given up, and a list follows.

use std::time::{Duration, Instant};

use futures::stream;
use futures::{Stream, StreamExt};
use kube::runtime::watcher::{self, Event};

use super::served::Served;
use crate::api::Reconciled;
use crate::page_limit::{self, FEW, MANY};

/// A watch that is given up does not restart immediately: its list may be allowed, and long.
pub(super) const AFTER_REFUSAL: Duration = Duration::from_secs(15);

/// What kube's watcher says.
pub(super) type Happened<K> = Result<Event<Served<K>>, watcher::Error>;

/// What a watch said, and whether it is given up with that: a list follows after a pause.
pub(super) struct Watched<K> {
    pub(super) event: Happened<K>,
    pub(super) is_given_up: bool,
}

/// A watch that is refused because its CRD or the right to it is gone would be retried forever, and
/// nothing would show that it works again. A list shows both, and so changes are seen where only
/// watches fail. A list that is given up because its pages are too large begins anew with smaller
/// ones, which are kept to.
pub(super) fn lists_again<K: Reconciled, S: Stream<Item = Happened<K>>>(
    watch: impl Fn(u32) -> S,
) -> impl Stream<Item = Watched<K>> {
    let events = Box::pin(watch(MANY));
    let start = (events, MANY, Failing::default(), false, watch);
    stream::unfold(start, async |(mut events, mut page, mut failing, mut is_over, watch)| {
        loop {
            if is_over {
                tokio::time::sleep(AFTER_REFUSAL).await;
                events = Box::pin(watch(page));
            }
            let event = events.next().await?;
            if page == MANY && is_too_large(&event) {
                page = FEW;
                events = Box::pin(watch(page));
                is_over = false;
                continue;
            }
            is_over = failing.gives_up(&event, Instant::now());
            let watched = Watched { event, is_given_up: is_over };
            return Some((watched, (events, page, failing, is_over, watch)));
        }
    })
}

fn is_too_large<K>(event: &Happened<K>) -> bool {
    let Err(watcher::Error::InitialListFailed(error)) = event else { return false };
    page_limit::is_too_large(error)
}

/// A watch that fails for so long is given up. An API server that restarts takes less, and watches
/// go on then where they were.
const GIVEN_UP: Duration = Duration::from_mins(2);
/// Failures that are farther apart are unrelated: a watch between them may have been quiet.
const UNRELATED: Duration = Duration::from_mins(1);

/// Since when a watch has been failing, and when it failed last.
#[derive(Debug, Default)]
struct Failing(Option<(Instant, Instant)>);

impl Failing {
    /// Whether the watch is given up after this.
    fn gives_up<K>(&mut self, event: &Happened<K>, now: Instant) -> bool {
        let error = match event {
            // A list is retried anyway.
            Ok(_) | Err(watcher::Error::InitialListFailed(_)) => {
                self.0 = None;
                return false;
            }
            Err(error) => error,
        };
        let related = self.0.filter(|(_, last)| now.duration_since(*last) < UNRELATED);
        let since = related.map_or(now, |(since, _)| since);
        self.0 = Some((since, now));
        let gives_up = is_refused(error) || now.duration_since(since) >= GIVEN_UP;
        if gives_up {
            self.0 = None;
        }
        gives_up
    }
}

/// Whether a watch would be answered like that again, whoever answers: to list proves nothing.
fn is_refused(error: &watcher::Error) -> bool {
    let watcher::Error::WatchStartFailed(kube::Error::Api(answer)) = error else { return false };
    // Credentials are renewed, and what is too much, too late or too old passes.
    let passes = matches!(answer.code, 401 | 408 | 410 | 429);
    ((400..500).contains(&answer.code) && !passes) || answer.code == 501
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    #[test]
    fn a_watch_that_is_refused_or_fails_for_long_is_given_up() {
        let answer = |code| kube::Error::Api(Status::failure("", "").with_code(code).boxed());
        let second = Duration::from_secs(1);
        let start = Instant::now();
        let gives_up = |failing: &mut Failing, error, after: u32| {
            failing.gives_up::<()>(&Err(error), start + second * after)
        };
        for (code, expected) in [
            (400, true),
            (401, false),
            (403, true),
            (404, true),
            (405, true),
            (408, false),
            (410, false),
            (429, false),
            (500, false),
            (501, true),
            (503, false),
        ] {
            let error = watcher::Error::WatchStartFailed(answer(code));
            assert_eq!(gives_up(&mut Failing::default(), error, 0), expected, "{code}");
        }
        let failed = || watcher::Error::WatchFailed(answer(500));
        for (name, times, expected) in [
            ("a failure now and then", vec![0, 61, 122, 183], false),
            ("an API server that restarts", vec![0, 1, 5, 30, 60, 119], false),
            ("one after the other", vec![0, 5, 30, 80, 119, 121], true),
        ] {
            let mut failing = Failing::default();
            let outcomes: Vec<_> =
                times.iter().map(|after| gives_up(&mut failing, failed(), *after)).collect();
            assert_eq!(outcomes.last(), Some(&expected), "{name}");
            assert!(!outcomes[..outcomes.len() - 1].contains(&true), "{name}");
        }
        let mut failing = Failing::default();
        gives_up(&mut failing, failed(), 0);
        assert!(!failing.gives_up::<()>(&Ok(Event::InitDone), start + second * 60));
        assert!(!gives_up(&mut failing, failed(), 119), "it worked in between");
        assert!(!gives_up(&mut failing, failed(), 121));
        // A list is retried anyway, however it fails.
        let unlisted = watcher::Error::InitialListFailed(answer(403));
        assert!(!gives_up(&mut failing, unlisted, 300));
    }
}
