//! How fast to send requests for one account and region. Lightsail publishes no rate, so it is
//! found out from which requests are accepted and which are refused ([`belief`]). Refusals that
//! continue at any rate do not lower it for long.
//!
//! Lightsail may also refuse one operation alone. That shows while others are sent: if only one
//! operation was refused for so long that, by its share, the others should have been refused ten
//! times in between, it is no coincidence. From then on, that operation has a rate of its own, and
//! the region's rate is what it was before. When the operation's own rate no longer matters, it is
//! dropped.
//!
//! Callers wait for a token. Namespaces take turns, and within a namespace the first caller comes
//! first. Only a few reconciliations of a region run at the same time, so only a few wait here; the
//! others wait in the queue.

mod belief;
mod bucket;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use self::bucket::Bucket;
use crate::fair_line::{FairLine, Rank};

/// This many refusals of only one operation are no coincidence.
const REFUSALS: u32 = 3;
/// How often the others should have been refused by then, if all were refused alike.
const OTHERS_SHOULD: u32 = 10;

/// Refusals that are farther apart are unrelated.
const RECENT: Duration = Duration::from_secs(2);
/// An operation's own rate is dropped when it reaches the region's, or this many requests a second,
/// which is more than ten reconciliations send on most networks. This many requests must have been
/// accepted since the last refusal.
const UNFELT: f64 = 200.0;
const ENOUGH_ACCEPTED: u32 = 50;

/// Gives out tokens for requests.
#[derive(Debug)]
pub(super) struct Limiter {
    buckets: Mutex<Buckets>,
    line: FairLine,
    /// Of operations that have a rate of their own.
    lines: Mutex<HashMap<&'static str, FairLine>>,
}

/// A request of an operation may be sent now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    operation: &'static str,
    /// Of the operation's own rate, if it has one.
    own: Option<bucket::Token>,
    common: bucket::Token,
}

impl Default for Limiter {
    fn default() -> Self {
        let buckets = Mutex::new(Buckets::new(Instant::now()));
        Self { buckets, line: FairLine::default(), lines: Mutex::default() }
    }
}

impl Limiter {
    /// Waits until a request of this operation may be sent for this namespace.
    pub(super) async fn token(
        &self,
        operation: &'static str,
        namespace: &Arc<str>,
        rank: Rank,
    ) -> Token {
        // A caller that waits for an operation's own rate waits outside the region's line.
        let own = if self.buckets.lock().has_own_rate(operation) {
            let line = self.lines.lock().entry(operation).or_default().clone();
            let take = || self.buckets.lock().take_own(operation, Instant::now());
            wait(&line, namespace, rank, take).await
        } else {
            None
        };
        let take = || self.buckets.lock().take(Instant::now());
        let common = wait(&self.line, namespace, rank, take).await;
        Token { operation, own, common }
    }

    /// The request with this token was accepted, whatever its outcome.
    pub(super) fn accepted(&self, token: Token) {
        self.buckets.lock().answered(token, Instant::now(), false);
    }

    /// The request with this token was refused because there were too many.
    pub(super) fn refused(&self, token: Token) {
        self.buckets.lock().answered(token, Instant::now(), true);
    }

    /// No more requests a second than this, however many are accepted.
    pub(super) fn set_most(&self, most: Option<f64>) {
        self.buckets.lock().common.set_most(most);
    }

    /// Requests a second, as of the last one.
    #[must_use]
    pub(super) fn rate(&self) -> f64 {
        self.buckets.lock().common.rate()
    }
}

/// Waits for the turn of a namespace in a line, and then for a token.
async fn wait<T>(
    line: &FairLine,
    namespace: &Arc<str>,
    rank: Rank,
    take: impl Fn() -> Result<T, Duration>,
) -> T {
    let _permit = line.turn(namespace, rank).await;
    loop {
        match take() {
            Ok(token) => return token,
            Err(pause) => tokio::time::sleep(pause).await,
        }
    }
}

/// The rate of the region, and those of operations with rates of their own.
#[derive(Debug)]
struct Buckets {
    common: Bucket,
    own: HashMap<&'static str, Own>,
    suspicion: Option<Suspicion>,
}

/// The rate of one operation.
#[derive(Debug)]
struct Own {
    bucket: Bucket,
    /// How many requests were accepted since the last refusal.
    accepted: u32,
}

/// Since the last refusal of any other operation, only this one was refused.
#[derive(Clone, Debug)]
struct Suspicion {
    operation: &'static str,
    sent: u32,
    refused: u32,
    /// How many of the others were accepted between these refusals, and since the last.
    others: u32,
    since: u32,
    first_sent_at: Instant,
    last_refused: Instant,
    /// The region's rate before the first of these refusals.
    before: Bucket,
}

impl Suspicion {
    fn is_recent(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.last_refused) <= RECENT
    }

    fn is_proved(&self) -> bool {
        // Requests accepted after the last refusal may have been sent at a lower rate.
        let should = u64::from(self.refused) * u64::from(self.others);
        self.refused >= REFUSALS && should >= u64::from(OTHERS_SHOULD) * u64::from(self.sent)
    }
}

impl Buckets {
    fn new(now: Instant) -> Self {
        Self { common: Bucket::new(now), own: HashMap::new(), suspicion: None }
    }

    fn has_own_rate(&self, operation: &str) -> bool {
        self.own.contains_key(operation)
    }

    /// A token of an operation's own rate; `None` if it no longer has one.
    fn take_own(
        &mut self,
        operation: &str,
        now: Instant,
    ) -> Result<Option<bucket::Token>, Duration> {
        self.own.get_mut(operation).map(|own| own.bucket.take(now)).transpose()
    }

    fn take(&mut self, now: Instant) -> Result<bucket::Token, Duration> {
        self.common.take(now)
    }

    fn answered(&mut self, token: Token, now: Instant, is_refused: bool) {
        if let Some(own) = self.own.get_mut(token.operation) {
            // Requests that were sent before it had its own rate say nothing about that rate.
            if let Some(token) = token.own {
                own.bucket.answered(token, now, is_refused);
            }
            own.accepted = if is_refused { 0 } else { own.accepted + 1 };
            if own.accepted >= ENOUGH_ACCEPTED
                && own.bucket.rate() >= self.common.rate().min(UNFELT)
            {
                self.own.remove(token.operation);
            }
            if !is_refused {
                self.common.answered(token.common, now, false);
            }
            return;
        }
        self.suspect(token, is_refused, now);
        self.common.answered(token.common, now, is_refused);
        if let Some(suspicion) = self.suspicion.take_if(|suspicion| suspicion.is_proved()) {
            let before = std::mem::replace(&mut self.common, suspicion.before);
            // What a user allows may have been set since.
            self.common.set_most(before.most());
            // What both learned together holds for neither.
            self.own.insert(suspicion.operation, Own { bucket: Bucket::new(now), accepted: 0 });
        }
    }

    /// Notes an answer that is about to change the region's rate.
    fn suspect(&mut self, token: Token, is_refused: bool, now: Instant) {
        let (operation, sent_at) = (token.operation, token.common.sent_at);
        let suspicion = self.suspicion.as_mut();
        let own = suspicion.filter(|it| it.operation == operation && it.is_recent(now));
        match own {
            Some(suspicion) if is_refused => {
                suspicion.sent += 1;
                suspicion.refused += 1;
                suspicion.others += std::mem::take(&mut suspicion.since);
                suspicion.last_refused = now;
            }
            Some(suspicion) => suspicion.sent += 1,
            None if is_refused => {
                self.suspicion = Some(Suspicion {
                    operation,
                    sent: 1,
                    refused: 1,
                    others: 0,
                    since: 0,
                    first_sent_at: sent_at,
                    last_refused: now,
                    before: self.common.clone(),
                });
            }
            None => {
                let suspicion = self.suspicion.as_mut();
                if let Some(suspicion) = suspicion.filter(|it| it.first_sent_at < sent_at) {
                    suspicion.since += 1;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READ: &str = "GetKeyPair";
    const IMPORT: &str = "ImportKeyPair";

    /// Two crowds of ten, in made-up time: one reads, one imports. Each request takes 50 ms. This
    /// many imports a second are accepted, and this many of both.
    struct World {
        now: Instant,
        buckets: Buckets,
        imports: Theirs,
        all: Theirs,
    }

    /// Lightsail's own bucket.
    struct Theirs {
        rate: f64,
        tokens: f64,
        filled_at: Instant,
    }

    impl Theirs {
        fn new(rate: f64, now: Instant) -> Self {
            Self { rate, tokens: 10.0, filled_at: now }
        }

        fn fill(&mut self, now: Instant) -> bool {
            let passed = now.duration_since(self.filled_at).as_secs_f64();
            self.tokens = (self.tokens + self.rate * passed).min(10.0);
            self.filled_at = now;
            self.tokens >= 1.0
        }
    }

    impl World {
        fn new(imports: f64, all: f64) -> Self {
            let now = Instant::now();
            let (imports, all) = (Theirs::new(imports, now), Theirs::new(all, now));
            Self { now, buckets: Buckets::new(now), imports, all }
        }

        /// How many reads and imports are accepted in this many seconds, and how many are refused.
        fn run(&mut self, seconds: u64) -> ([u32; 2], u32) {
            self.run_in_phases(seconds, 0)
        }

        /// As [`Self::run`]; if `phase` is not 0, the crowds take turns of this many seconds.
        fn run_in_phases(&mut self, seconds: u64, phase: u64) -> ([u32; 2], u32) {
            let start = self.now;
            let (end, step) = (self.now + Duration::from_secs(seconds), Duration::from_millis(1));
            let (mut done, mut refused) = ([0, 0], 0);
            let mut under_way: Vec<(Instant, Token, bool)> = Vec::new();
            while self.now < end {
                self.now += step;
                let now = self.now;
                let (over, rest): (Vec<_>, Vec<_>) =
                    under_way.into_iter().partition(|(at, _, _)| *at <= now);
                under_way = rest;
                for (_, token, is_accepted) in over {
                    self.buckets.answered(token, now, !is_accepted);
                }
                for (place, operation) in [READ, IMPORT].into_iter().enumerate() {
                    let own = under_way.iter().filter(|(_, it, _)| it.operation == operation);
                    let second = now.duration_since(start).as_secs();
                    let is_its_turn =
                        second.checked_div(phase).is_none_or(|turn| turn % 2 == place as u64);
                    if own.count() >= 10 || !is_its_turn {
                        continue;
                    }
                    let Ok(own) = self.buckets.take_own(operation, now) else { continue };
                    let Ok(common) = self.buckets.take(now) else { continue };
                    let passes =
                        self.all.fill(now) && (operation == READ || self.imports.fill(now));
                    if passes {
                        self.all.tokens -= 1.0;
                        self.imports.tokens -= if operation == IMPORT { 1.0 } else { 0.0 };
                        done[place] += 1;
                    } else {
                        refused += 1;
                    }
                    let token = Token { operation, own, common };
                    under_way.push((now + Duration::from_millis(50), token, passes));
                }
            }
            (done, refused)
        }
    }

    #[test]
    fn an_operation_that_is_refused_alone_does_not_slow_down_the_others() {
        let ([reads_alone, _], _) = World::new(f64::INFINITY, f64::INFINITY).run(60);
        for limit in [1.0, 5.0, 20.0] {
            let mut world = World::new(limit, f64::INFINITY);
            let ([reads, imports], refused) = world.run(60);
            assert!(reads * 10 >= reads_alone * 9, "{limit}/s: {reads} of {reads_alone} reads");
            assert!(f64::from(imports) >= limit * 60.0 * 0.8, "{limit}/s: {imports} imports");
            assert!(refused <= 100, "{limit}/s: {refused} refused");
            assert_eq!(world.buckets.own.keys().collect::<Vec<_>>(), [&IMPORT]);
        }
    }

    #[test]
    fn what_a_user_allows_is_kept_when_an_operation_gets_a_rate_of_its_own() {
        for most in [Some(7.0), None] {
            let mut now = Instant::now();
            let mut buckets = Buckets::new(now);
            let mut token = |buckets: &mut Buckets, operation| {
                let common = loop {
                    now += Duration::from_millis(10);
                    if let Ok(token) = buckets.take(now) {
                        break token;
                    }
                };
                (Token { operation, own: None, common }, now)
            };
            for refusal in 1..=REFUSALS {
                let (refused, now) = token(&mut buckets, IMPORT);
                if refusal == REFUSALS {
                    // It is set while only imports are refused, and that is not proved yet.
                    assert!(!buckets.has_own_rate(IMPORT));
                    buckets.common.set_most(most);
                }
                buckets.answered(refused, now, true);
                for _ in 0..OTHERS_SHOULD {
                    if refusal < REFUSALS {
                        let (accepted, now) = token(&mut buckets, READ);
                        buckets.answered(accepted, now, false);
                    }
                }
            }
            assert!(buckets.has_own_rate(IMPORT), "it is proved");
            assert_eq!(buckets.common.most(), most);
        }
    }

    #[test]
    fn when_the_refusals_end_so_does_the_rate_of_its_own() {
        let mut world = World::new(20.0, f64::INFINITY);
        world.run(20);
        assert!(world.buckets.has_own_rate(IMPORT));
        world.imports.rate = f64::INFINITY;
        world.run(60);
        assert!(!world.buckets.has_own_rate(IMPORT));
    }

    #[test]
    fn crowds_that_come_after_each_other_share_the_limit_of_the_region() {
        for (limit, phase) in [(5, 5), (20, 10), (20, 3)] {
            let mut world = World::new(f64::INFINITY, f64::from(limit));
            let ([reads, imports], refused) = world.run_in_phases(120, phase);
            let needed = limit * 120;
            let what = format!("{limit}/s, {phase} s each: {reads} + {imports}, {refused} refused");
            assert!((reads + imports) * 20 >= needed * 17, "{what}");
            assert!(refused * 10 <= needed, "{what}");
            assert!(world.buckets.own.is_empty(), "{what}");
        }
    }

    #[test]
    fn a_limit_of_the_region_is_nobodys_own() {
        let mut world = World::new(f64::INFINITY, 20.0);
        let ([reads, imports], refused) = world.run(200);
        assert!(reads + imports >= 3_600, "{reads} + {imports} of 4 000");
        assert!(refused <= 200, "{refused} refused");
    }
}
