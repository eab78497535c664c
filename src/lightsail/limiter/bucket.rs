//! The rate of requests: tokens at the rate that [`super::belief`] finds best.

use std::time::{Duration, Instant};

use super::belief::{self, Belief};

/// Requests a second at the beginning. Each accepted request raises the rate until the first
/// refusal. This is more than the reconciliations of a region, ten at a time, can send on most
/// networks.
const FIRST_RATE: f64 = 400.0;
const HIGHEST_RATE: f64 = 1_000.0;
const FASTER: f64 = 1.005;
/// The part of a second's requests that may be sent together.
const BURST: f64 = 0.05;
/// The pace is that of the last ten requests or so. A longer pause counts as ten of theirs.
const PACE: f64 = 0.1;
const LONGEST_PAUSE: f64 = 10.0;
/// After this many refusals in a row, Lightsail seems to accept nothing. Then each refusal of a
/// request sent since the last step lowers the rate by this step, and each accepted request doubles
/// it, up to the rate that was found.
const IN_A_ROW: u32 = 5;
const OUTAGE_STEP: f64 = 0.7;

/// A request may be sent now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    pub(super) sent_at: Instant,
    /// The rate at which it was sent.
    pace: f64,
}

/// The tokens, and how many arrive in a second.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    tokens: f64,
    filled_at: Instant,
    rate: f64,
    /// The highest rate that a user allows.
    most: Option<f64>,
    /// Requests a second that are really sent, which may be fewer than possible.
    pace: f64,
    sent_at: Instant,
    belief: Belief,
    /// Whether any request was refused.
    has_limit: bool,
    in_a_row: u32,
    /// The rate while nothing is accepted, and since when.
    outage: Option<f64>,
    slowed_at: Option<Instant>,
}

impl Bucket {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            tokens: FIRST_RATE * BURST,
            filled_at: now,
            rate: FIRST_RATE,
            most: None,
            pace: FIRST_RATE,
            sent_at: now,
            belief: Belief::new(),
            has_limit: false,
            in_a_row: 0,
            outage: None,
            slowed_at: None,
        }
    }

    /// Requests a second, as of the last one.
    pub(super) fn rate(&self) -> f64 {
        self.most.map_or(self.rate, |most| most.min(self.rate))
    }

    /// No more requests a second than this, however many are accepted.
    pub(super) fn set_most(&mut self, most: Option<f64>) {
        self.most = most;
    }

    /// The highest rate that a user allows.
    pub(super) fn most(&self) -> Option<f64> {
        self.most
    }

    /// A token, or how long to wait before asking again.
    pub(super) fn take(&mut self, now: Instant) -> Result<Token, Duration> {
        let rate = self.rate();
        let most = (rate * BURST).max(1.0);
        self.tokens = (self.tokens + rate * elapsed(self.filled_at, now)).min(most);
        self.filled_at = now;
        if self.tokens < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - self.tokens) / rate));
        }
        self.tokens -= 1.0;
        let usual = 1.0 / self.pace;
        let pause = elapsed(self.sent_at, now).min(usual * LONGEST_PAUSE);
        self.pace = (1.0 / (usual * (1.0 - PACE) + pause * PACE)).min(rate);
        self.sent_at = now;
        Ok(Token { sent_at: now, pace: self.pace })
    }

    /// The request with this token was accepted, or refused because there were too many.
    pub(super) fn answered(&mut self, token: Token, now: Instant, is_refused: bool) {
        self.belief.learn(token.pace, is_refused);
        self.in_a_row = if is_refused { self.in_a_row + 1 } else { 0 };
        self.has_limit |= is_refused;
        if !self.has_limit {
            self.rate = (self.rate * FASTER).min(HIGHEST_RATE);
            return;
        }
        let found = self.belief.best_rate();
        // Requests that were on their way when the rate was lowered say nothing about the current
        // rate.
        if self.slowed_at.is_none_or(|slowed_at| token.sent_at > slowed_at) {
            if !is_refused {
                self.outage = self.outage.map(|rate| rate * 2.0).filter(|rate| *rate < found);
            } else if self.in_a_row >= IN_A_ROW {
                let before = self.outage.unwrap_or(token.pace.min(self.rate));
                self.outage = Some((before * OUTAGE_STEP).max(belief::LOWEST));
                self.slowed_at = Some(now);
            }
        }
        self.rate = self.outage.map_or(found, |rate| rate.min(found));
        if is_refused {
            self.tokens = self.tokens.min((self.rate * BURST).max(1.0));
        }
    }
}

fn elapsed(since: Instant, now: Instant) -> f64 {
    now.saturating_duration_since(since).as_secs_f64()
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
