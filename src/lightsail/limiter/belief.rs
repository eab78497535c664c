//! What the answers so far say about Lightsail: how many requests a second it accepts, and which
//! share it refuses at any rate. Both are unknown, so each pair of them is a guess with a weight,
//! and each answer multiplies the weight by how well the guess explains it (Bayes' rule).
//!
//! That distinguishes what a rule of thumb cannot. If refusals depend on the rate, there are none
//! once it is below the limit. Otherwise they continue at any rate. Then a guess without a limit
//! explains them better, and the slower the requests, the more so. So slowing down ends by itself.
//!
//! Both may change. So a little of all weight is redistributed after each answer: a raised limit is
//! found, and a lowered limit takes no more than a few refusals.

use std::sync::LazyLock;

/// The lowest limit that the guesses distinguish.
pub(super) const LOWEST: f64 = 0.2;
/// The ratio of one guess to the next, small enough to use nearly all of a limit.
const STEP: f64 = 1.06;
/// Up to a thousand a second.
const LIMITS: usize = 148;
/// The share of the weight that goes to other limits, and to other kinds of refusals, after each
/// answer.
const CHANGES: f64 = 0.003;
/// No guess excludes an answer: with this probability, it has another reason.
const SURPRISE: f64 = 0.01;
/// An expected refusal costs as much as this many accepted requests.
const COST: f64 = 12.0;

/// A refusal right after another one says less than the first. This is its weight.
const FOLLOWING: f64 = 0.2;

/// The probabilities that a request below the limit is refused: after an accepted request, and
/// after a refused one. The two differ if refusals come in bursts.
struct Chance {
    first: f64,
    next: f64,
    /// How likely it is before anything is known.
    prior: f64,
}

const fn chance(first: f64, next: f64, prior: f64) -> Chance {
    Chance { first, next, prior }
}

/// None, at random, and bursts of five.
const CHANCES: [Chance; 8] = [
    chance(0.0, 0.0, 0.88),
    chance(0.03, 0.03, 0.02),
    chance(0.08, 0.08, 0.02),
    chance(0.15, 0.15, 0.02),
    chance(0.22, 0.22, 0.02),
    chance(0.32, 0.32, 0.02),
    chance(0.03, 0.8, 0.01),
    chance(0.06, 0.8, 0.01),
];

impl Chance {
    /// The share that is accepted in the long run.
    fn accepted(&self) -> f64 {
        (1.0 - self.next) / (1.0 - self.next + self.first)
    }
}

/// The weights of all guesses: by limit, and by chance.
#[derive(Clone, Debug)]
pub(super) struct Belief {
    weights: Vec<[f32; CHANCES.len()]>,
    was_refused: bool,
}

/// The limits, and how likely each is before anything is known: higher ones are likelier. The first
/// answers soon show if that is wrong, while too low a guess would show nothing.
static TABLE: LazyLock<Vec<(f64, f64)>> = LazyLock::new(|| {
    let limits: Vec<f64> =
        std::iter::successors(Some(LOWEST), |limit| Some(limit * STEP)).take(LIMITS).collect();
    let all: f64 = limits.iter().sum();
    limits.into_iter().map(|limit| (limit, limit / all)).collect()
});

#[expect(clippy::cast_possible_truncation, reason = "weights need no more")]
fn narrow(weight: f64) -> f32 {
    weight as f32
}

impl Belief {
    pub(super) fn new() -> Self {
        let of =
            |(_, prior): &(f64, f64)| CHANCES.each_ref().map(|chance| narrow(prior * chance.prior));
        Self { weights: TABLE.iter().map(of).collect(), was_refused: false }
    }

    /// Learns from an answer to a request at this rate.
    pub(super) fn learn(&mut self, pace: f64, is_refused: bool) {
        let weight = if is_refused && self.was_refused { FOLLOWING } else { 1.0 };
        let mut by_chance = [0.0; CHANCES.len()];
        for ((limit, _), guesses) in TABLE.iter().zip(&mut self.weights) {
            let passes = (limit / pace).min(1.0);
            for ((guess, chance), sum) in guesses.iter_mut().zip(&CHANCES).zip(&mut by_chance) {
                let refused = if self.was_refused { chance.next } else { chance.first };
                let accepted = ((1.0 - refused) * passes).clamp(SURPRISE, 1.0 - SURPRISE);
                let explains = if is_refused { 1.0 - accepted } else { accepted };
                let explains = if weight < 1.0 { explains.powf(weight) } else { explains };
                *guess *= narrow(explains);
                *sum += f64::from(*guess);
            }
        }
        self.was_refused = is_refused;
        self.spread(by_chance);
    }

    /// Anything may have changed since. Also makes the sum of all weights 1.
    fn spread(&mut self, by_chance: [f64; CHANCES.len()]) {
        let all: f64 = by_chance.iter().sum();
        for ((_, prior), guesses) in TABLE.iter().zip(&mut self.weights) {
            let by_limit: f64 = guesses.iter().copied().map(f64::from).sum();
            for ((guess, chance), sum) in guesses.iter_mut().zip(&CHANCES).zip(by_chance) {
                let same = f64::from(*guess) * (1.0 - 2.0 * CHANGES);
                let limit_changed = CHANGES * sum * prior;
                let chance_changed = CHANGES * by_limit * chance.prior;
                *guess = narrow((same + limit_changed + chance_changed) / all);
            }
        }
    }

    /// The best rate: the accepted requests minus the cost of those that the limit refuses.
    /// Requests that are refused at any rate cost nothing here, because a lower rate would not
    /// help.
    pub(super) fn best_rate(&self) -> f64 {
        let worth = |guesses: &[f32; CHANCES.len()]| -> f64 {
            guesses
                .iter()
                .zip(&CHANCES)
                .map(|(guess, chance)| f64::from(*guess) * chance.accepted())
                .sum()
        };
        let all: f64 = self.weights.iter().map(worth).sum();
        // Of the guesses with a limit below the rate: their weight, and what they accept.
        let (mut below, mut accepted_below) = (0.0, 0.0);
        let mut best = (f64::MIN, LOWEST);
        for ((rate, _), guesses) in TABLE.iter().zip(&self.weights) {
            let accepted = accepted_below + (all - below) * rate;
            let value = accepted - COST * (below * rate - accepted_below);
            if value > best.0 {
                best = (value, *rate);
            }
            below += worth(guesses);
            accepted_below += worth(guesses) * rate;
        }
        best.1
    }
}
