//! When a watch is given up, and a list follows.

use std::pin::Pin;
use std::time::{Duration, Instant};

use futures::stream;
use futures::{Stream, StreamExt};
use kube::runtime::watcher::{self, Event};

use super::served::Served;
use super::watch_client::LastRun;
use crate::api::Reconciled;

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
/// watches fail. After each failure there is a pause.
pub(super) fn lists_again<K: Reconciled, S: Stream<Item = Happened<K>>>(
    last_run: LastRun,
    watch: impl Fn() -> S,
) -> impl Stream<Item = Watched<K>> {
    let state = State { events: Box::pin(watch()), failing: Failing::default(), pause: None };
    stream::unfold((state, last_run, watch), async |(mut state, last_run, watch)| {
        if let Some(pause) = state.pause.take() {
            tokio::time::sleep(pause).await;
        }
        let event = state.events.next().await?;
        let is_given_up = state.failing.note(&event, Instant::now(), last_run.get());
        if is_given_up || is_outdated(&event) {
            state.events = Box::pin(watch());
        }
        if event.is_err() {
            let pause = if is_given_up { AFTER_REFUSAL } else { state.failing.pause() };
            state.pause = Some(pause);
        }
        Some((Watched { event, is_given_up }, (state, last_run, watch)))
    })
}

struct State<S> {
    events: Pin<Box<S>>,
    failing: Failing,
    /// Before the next event is asked for.
    pause: Option<Duration>,
}

/// Whether what was seen last is too old to go on from. kube's watcher lists again if an event of a
/// watch says so, but not if the API server begins none.
fn is_outdated<K>(event: &Happened<K>) -> bool {
    let Err(watcher::Error::WatchStartFailed(kube::Error::Api(answer))) = event else {
        return false;
    };
    answer.code == 410
}

/// A watch that fails for this long is given up. An API server that restarts takes less, and
/// watches then go on where they were.
const GIVEN_UP: Duration = Duration::from_mins(2);

/// The failures without a watch that ran.
#[derive(Debug, Default)]
struct Failing {
    /// Of lists and watches.
    count: u32,
    last: Option<Instant>,
    /// The first one of a watch since the last list.
    since: Option<Instant>,
}

impl Failing {
    /// Whether the watch is given up after this. One that has run since the last failure missed
    /// nothing, even if it had no news.
    fn note<K>(&mut self, event: &Happened<K>, now: Instant, last_run: Option<Instant>) -> bool {
        use watcher::Error::{InitialListFailed, NoResourceVersion};
        if last_run > self.last || matches!(event, Ok(Event::Apply(_) | Event::Delete(_))) {
            *self = Self::default();
        }
        let Err(error) = event else {
            self.since = None;
            return false;
        };
        (self.count, self.last) = (self.count.saturating_add(1), Some(now));
        if let InitialListFailed(_) | NoResourceVersion = error {
            // A list is retried anyway.
            self.since = None;
            return false;
        }
        let since = *self.since.get_or_insert(now);
        let gives_up = is_refused(error) || now.duration_since(since) >= GIVEN_UP;
        if gives_up {
            self.since = None;
        }
        gives_up
    }

    /// From half a second to five seconds, so that a CRD that was just applied is noticed soon.
    fn pause(&self) -> Duration {
        Duration::from_millis(500) * self.count.min(10)
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
            failing.note::<()>(&Err(error), start + second * after, None)
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
            ("an API server that restarts", vec![0, 1, 5, 30, 60, 119], false),
            ("one after the other", vec![0, 5, 30, 80, 119, 121], true),
            ("nobody answers", vec![0, 35, 70, 105, 140], true),
        ] {
            let mut failing = Failing::default();
            let outcomes: Vec<_> =
                times.iter().map(|after| gives_up(&mut failing, failed(), *after)).collect();
            assert_eq!(outcomes.last(), Some(&expected), "{name}");
            assert!(!outcomes[..outcomes.len() - 1].contains(&true), "{name}");
        }
        let mut failing = Failing::default();
        gives_up(&mut failing, failed(), 0);
        assert!(!failing.note::<()>(&Ok(Event::InitDone), start + second * 60, None));
        assert!(!gives_up(&mut failing, failed(), 119), "it worked in between");
        assert!(!gives_up(&mut failing, failed(), 121));
        let mut failing = Failing::default();
        for after in [0, 45, 90, 135, 180] {
            let (now, quiet) = (start + second * after, second * (after - after.min(5)));
            let gives_up = failing.note::<()>(&Err(failed()), now, Some(start + quiet));
            assert!(!gives_up, "a watch without news ran until five seconds before");
            assert_eq!(failing.pause(), second / 2);
        }
        // Failures in a row, of which lists are some.
        let mut failing = Failing::default();
        let pauses = [1, 2, 3].map(|after| {
            gives_up(&mut failing, failed(), after);
            failing.note::<()>(&Ok(Event::Init), start + second * after, None);
            failing.pause()
        });
        assert_eq!(pauses, [1, 2, 3].map(|half| second / 2 * half));
        // A list is retried anyway, however it fails.
        let unlisted = watcher::Error::InitialListFailed(answer(403));
        assert!(!gives_up(&mut failing, unlisted, 300));
    }
}
