//! How fast one account in one region is asked. Lightsail publishes no rate, so it is found out:
//! slower when an answer says that there were too many requests, a little faster with each one that
//! was taken (additive increase, multiplicative decrease).
//!
//! Whoever asks waits for a token. Namespaces take turns, and within one the order of asking counts.
//! Only a handful of reconciliations of a region run at the same time, and so only a handful waits
//! here; the others wait in the queue.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::fair_line::FairLine;

/// Requests a second at the beginning: more than the reconciliations of a region, ten at the same
/// time, can send on most networks. Whatever is too many is known after a few of them.
const FIRST_RATE: f64 = 400.0;
/// No faster than that, whatever is answered.
const HIGHEST_RATE: f64 = 1_000.0;
/// No slower than that: a request each five seconds finds out that an outage is over.
const LOWEST_RATE: f64 = 0.2;
/// Until the first refusal the rate doubles in this time.
const DOUBLES_IN: f64 = 2.0;
/// So much of a second's requests may be sent at once.
const BURST: f64 = 0.05;
/// A refusal after so many requests that were taken is the sawtooth of a rate that was found, and
/// asks for a small step. Sooner, the rate is far off.
const MANY: u32 = 20;
const SMALL_STEP: f64 = 0.85;
const LARGE_STEP: f64 = 0.6;
/// A refusal after none that was taken: an outage, or a rate that is farther off.
const LARGEST_STEP: f64 = 0.5;
/// The share of the good rate by which each request that was taken makes the next ones faster. From
/// a small step back to the good rate takes 150 requests, so that in the steady state about one in
/// a hundred is refused.
const GROWTH: f64 = 0.001;

/// Gives out tokens for requests.
#[derive(Debug)]
pub(super) struct Limiter {
    bucket: Mutex<Bucket>,
    line: FairLine,
}

/// A request may be sent now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token(Instant);

impl Default for Limiter {
    fn default() -> Self {
        Self { bucket: Mutex::new(Bucket::new(Instant::now())), line: FairLine::default() }
    }
}

impl Limiter {
    fn bucket(&self) -> parking_lot::MutexGuard<'_, Bucket> {
        self.bucket.lock()
    }

    /// Waits until a request may be sent for this namespace.
    pub(super) async fn token(&self, namespace: &Arc<str>) -> Token {
        let _turn = self.line.turn(namespace).await;
        loop {
            let now = Instant::now();
            let taken = self.bucket().take(now);
            match taken {
                Ok(()) => return Token(now),
                Err(pause) => tokio::time::sleep(pause).await,
            }
        }
    }

    /// The request with this token was taken, whatever became of it.
    pub(super) fn taken(&self, token: Token) {
        self.bucket().taken(token.0);
    }

    /// The request with this token was refused because there were too many.
    pub(super) fn refused(&self, token: Token) {
        self.bucket().refused(token.0, Instant::now());
    }

    /// Requests a second, as of the last one.
    #[must_use]
    pub(super) fn rate(&self) -> f64 {
        self.bucket().rate
    }
}

/// The tokens, and how many come in a second.
#[derive(Debug)]
struct Bucket {
    tokens: f64,
    filled_at: Instant,
    rate: f64,
    /// The rate at the last refusal that followed one that was taken; none before the first.
    good: Option<f64>,
    /// When the rate was lowered last. What was sent before says nothing about the rate of now.
    lowered_at: Option<Instant>,
    /// How many were taken since.
    taken: u32,
}

impl Bucket {
    fn new(now: Instant) -> Self {
        let tokens = FIRST_RATE * BURST;
        Self { tokens, filled_at: now, rate: FIRST_RATE, good: None, lowered_at: None, taken: 0 }
    }

    fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let passed = elapsed(self.filled_at, now);
        if self.good.is_none() {
            self.rate = (self.rate * (passed / DOUBLES_IN).exp2()).min(HIGHEST_RATE);
        }
        let most = (self.rate * BURST).max(1.0);
        self.tokens = (self.tokens + self.rate * passed).min(most);
        self.filled_at = now;
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return Ok(());
        }
        Err(Duration::from_secs_f64((1.0 - self.tokens) / self.rate))
    }

    fn is_old(&self, sent: Instant) -> bool {
        self.lowered_at.is_some_and(|lowered_at| sent <= lowered_at)
    }

    fn taken(&mut self, sent: Instant) {
        let Some(good) = self.good.filter(|_| !self.is_old(sent)) else { return };
        self.taken += 1;
        let faster = if self.rate < good * LARGEST_STEP {
            // An outage is over.
            self.rate * 2.0
        } else if self.rate < good * SMALL_STEP {
            self.rate * 1.05
        } else {
            self.rate + good * GROWTH
        };
        self.rate = faster.min(HIGHEST_RATE);
    }

    fn refused(&mut self, sent: Instant, now: Instant) {
        if self.is_old(sent) {
            return;
        }
        let step = match self.taken {
            _ if self.good.is_none() => LARGEST_STEP,
            0 => LARGEST_STEP,
            1..MANY => LARGE_STEP,
            MANY.. => SMALL_STEP,
        };
        if self.taken > 0 || self.good.is_none() {
            self.good = Some(self.rate);
        }
        self.rate = (self.rate * step).max(LOWEST_RATE);
        (self.tokens, self.filled_at) = (0.0, now);
        (self.lowered_at, self.taken) = (Some(now), 0);
    }
}

fn elapsed(since: Instant, now: Instant) -> f64 {
    now.saturating_duration_since(since).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Lightsail with a bucket of its own, whose rate changes with time, and a crowd that always
    /// has something to ask. All of it in made-up time.
    struct World {
        start: Instant,
        now: Instant,
        bucket: Bucket,
        theirs: f64,
        filled_at: Instant,
        done: u32,
        refused: u32,
    }

    const THEIR_BURST: f64 = 10.0;
    const LATENCY: Duration = Duration::from_millis(50);
    /// So many ask at the same time: the reconciliations of a region.
    const CROWD: usize = 10;

    impl World {
        fn new() -> Self {
            let now = Instant::now();
            let (done, refused) = (0, 0);
            Self {
                start: now,
                now,
                bucket: Bucket::new(now),
                theirs: THEIR_BURST,
                filled_at: now,
                done,
                refused,
            }
        }

        /// Asks until so many requests were carried out. `rate` says how many a second Lightsail
        /// takes then.
        fn run(&mut self, wanted: u32, rate: impl Fn(f64) -> f64) {
            let mut answers = std::collections::VecDeque::new();
            while self.done < wanted {
                while let Some((sent, at, is_taken)) =
                    answers.front().copied().filter(|(_, at, _)| *at <= self.now)
                {
                    if is_taken {
                        self.bucket.taken(sent);
                    } else {
                        self.bucket.refused(sent, at);
                    }
                    answers.pop_front();
                }
                if answers.len() == CROWD {
                    self.now = answers.front().map_or(self.now, |(_, at, _)| *at);
                    continue;
                }
                if let Err(pause) = self.bucket.take(self.now) {
                    let next = self.now + pause.max(Duration::from_micros(100));
                    self.now = answers.front().map_or(next, |(_, at, _)| next.min(*at));
                    continue;
                }
                let theirs = rate(elapsed(self.start, self.now));
                self.theirs =
                    (self.theirs + theirs * elapsed(self.filled_at, self.now)).min(THEIR_BURST);
                self.filled_at = self.now;
                let is_taken = self.theirs >= 1.0;
                if is_taken {
                    self.theirs -= 1.0;
                    self.done += 1;
                } else {
                    self.refused += 1;
                }
                answers.push_back((self.now, self.now + LATENCY, is_taken));
            }
        }

        fn seconds(&self) -> f64 {
            elapsed(self.start, self.now)
        }
    }

    #[test]
    fn a_steady_limit_is_found_and_used() {
        for limit in [1.0, 5.0, 20.0, 100.0] {
            let mut world = World::new();
            world.run(4_000, |_| limit);
            let (needed, refused) = (4_000.0 / limit, f64::from(world.refused) / 4_000.0);
            assert!(
                world.seconds() <= needed * 1.10,
                "{limit}/s: {:.0} s instead of {needed} s",
                world.seconds()
            );
            assert!(refused <= 0.02, "{limit}/s: {} refused", world.refused);
        }
    }

    #[test]
    fn a_sudden_cut_is_followed() {
        let mut world = World::new();
        world.run(4_000, |second| if second < 60.0 { 20.0 } else { 5.0 });
        let needed = 60.0 + (4_000.0 - 1_200.0) / 5.0;
        assert!(world.seconds() <= needed * 1.10, "{:.0} s instead of {needed} s", world.seconds());
        assert!(world.refused <= 80, "{} refused", world.refused);
    }

    #[test]
    fn an_outage_is_waited_for_and_its_end_is_noticed() {
        let mut world = World::new();
        world.run(4_000, |second| if (60.0..120.0).contains(&second) { 0.0 } else { 5.0 });
        let needed = 60.0 + 4_000.0 / 5.0;
        assert!(world.seconds() <= needed * 1.10, "{:.0} s instead of {needed} s", world.seconds());
        assert!(world.refused <= 80, "{} refused", world.refused);
    }

    #[test]
    fn without_refusals_it_does_not_stand_in_the_way() {
        let mut world = World::new();
        world.run(3_000, |_| f64::INFINITY);
        // Ten at the same time, each in 50 ms, are 200 a second: 3 000 within 15 seconds, and the
        // limiter costs next to nothing.
        assert!(
            world.seconds() < 16.0 && world.refused == 0,
            "{:.1} s, {} refused",
            world.seconds(),
            world.refused
        );
    }

    #[test]
    fn refusals_of_what_was_on_its_way_count_once() {
        let start = Instant::now();
        let mut bucket = Bucket::new(start);
        let later = start + Duration::from_millis(10);
        bucket.refused(start, later);
        let rate = bucket.rate;
        bucket.refused(start, later);
        bucket.taken(start);
        assert!((bucket.rate - rate).abs() < f64::EPSILON);
    }
}
