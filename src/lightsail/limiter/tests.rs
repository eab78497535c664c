//! The limiter in a made-up world.

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
    noise: Noise,
}

/// Refuses a share of all requests, in bursts of this length, whatever the rate.
struct Noise {
    share: f64,
    burst: u32,
    left: u32,
    random: u64,
}

impl Noise {
    fn new(share: f64, burst: u32, seed: u64) -> Self {
        Self { share, burst, left: 0, random: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1 }
    }

    fn none() -> Self {
        Self::new(0.0, 1, 1)
    }

    /// Xorshift: the same on every machine.
    fn refuses(&mut self) -> bool {
        if self.left > 0 {
            self.left -= 1;
            return true;
        }
        for (left, by) in [(true, 13), (false, 7), (true, 17)] {
            self.random ^= if left { self.random << by } else { self.random >> by };
        }
        let between = f64::from(self.burst) * (1.0 - self.share);
        let begins = self.share / (between + self.share);
        let chance = f64::from(u32::try_from(self.random >> 32).unwrap()) / f64::from(u32::MAX);
        let refuses = chance < begins;
        self.left = if refuses { self.burst - 1 } else { 0 };
        refuses
    }
}

const THEIR_BURST: f64 = 10.0;
const LATENCY: Duration = Duration::from_millis(50);
/// How many callers ask at the same time: the reconciliations of a region.
const CROWD: usize = 10;

impl World {
    fn new(noise: Noise) -> Self {
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
            noise,
        }
    }

    /// Sends requests until this many were carried out. `rate` is how many a second Lightsail
    /// accepts at a time.
    fn run(&mut self, wanted: u32, rate: impl Fn(f64) -> f64) {
        let mut answers = std::collections::VecDeque::<(Token, Instant, bool)>::new();
        while self.done < wanted {
            while let Some((token, at, is_accepted)) =
                answers.front().copied().filter(|(_, at, _)| *at <= self.now)
            {
                self.bucket.answered(token, at, !is_accepted);
                answers.pop_front();
            }
            if answers.len() == CROWD {
                self.now = answers.front().map_or(self.now, |(_, at, _)| *at);
                continue;
            }
            let outcome = self.bucket.take(self.now);
            if let Err(pause) = outcome {
                let next = self.now + pause.max(Duration::from_micros(100));
                self.now = answers.front().map_or(next, |(_, at, _)| next.min(*at));
                continue;
            }
            let Ok(token) = outcome else { continue };
            let theirs = rate(elapsed(self.start, self.now));
            self.theirs =
                (self.theirs + theirs * elapsed(self.filled_at, self.now)).min(THEIR_BURST);
            self.filled_at = self.now;
            let is_accepted = !self.noise.refuses() && self.theirs >= 1.0;
            if is_accepted {
                self.theirs -= 1.0;
                self.done += 1;
            } else {
                self.refused += 1;
            }
            answers.push_back((token, self.now + LATENCY, is_accepted));
        }
    }

    fn seconds(&self) -> f64 {
        elapsed(self.start, self.now)
    }
}

const WANTED: u32 = 4_000;

fn run(noise: Noise, rate: impl Fn(f64) -> f64) -> (f64, f64) {
    let mut world = World::new(noise);
    world.run(WANTED, rate);
    (world.seconds(), f64::from(world.refused) / f64::from(WANTED))
}

#[test]
fn a_limit_is_found_and_used_as_it_changes() {
    type Limit = fn(f64) -> f64;
    let rows: [(&str, Limit, f64, f64); 7] = [
        ("1/s", |_| 1.0, 4_000.0, 0.03),
        ("5/s", |_| 5.0, 800.0, 0.02),
        ("20/s", |_| 20.0, 200.0, 0.02),
        ("100/s", |_| 100.0, 40.0, 0.03),
        ("a cut", |second| if second < 60.0 { 20.0 } else { 5.0 }, 620.0, 0.02),
        ("a small cut", |second| if second < 60.0 { 20.0 } else { 12.0 }, 294.0, 0.02),
        (
            "an outage and its end",
            |second| if (60.0..120.0).contains(&second) { 0.0 } else { 5.0 },
            860.0,
            0.02,
        ),
    ];
    for (name, limit, needed, most_refused) in rows {
        let (seconds, refused) = run(Noise::none(), limit);
        assert!(seconds <= needed * 1.10, "{name}: {seconds:.0} s instead of {needed} s");
        assert!(refused <= most_refused, "{name}: {refused:.3} refused");
    }
}

#[test]
fn without_refusals_it_does_not_stand_in_the_way() {
    // Ten at the same time, each in 50 ms, are 200 a second.
    let (seconds, refused) = run(Noise::none(), |_| f64::INFINITY);
    assert!(seconds < 21.0 && refused < f64::EPSILON, "{seconds:.1} s, {refused} refused");
}

/// Random refusals are no more frequent at a higher rate, so slowing down is useless. The callers
/// need 20 seconds, and longer if some requests are refused. Distinguishing the refusals from a
/// limit costs at most a third of that, and more if they come in bursts, which look like a limit or
/// an outage while they last. Lowering the rate at each refusal would take 700 times as long.
#[test]
fn refusals_at_random_do_not_slow_down_for_long() {
    for (name, share, burst, slower) in [
        ("15 %", 0.15, 1, 1.35),
        ("20 %", 0.2, 1, 1.35),
        ("20 %, three in a row", 0.2, 3, 6.0),
        ("20 %, five in a row", 0.2, 5, 3.0),
        ("20 %, ten in a row", 0.2, 10, 12.0),
    ] {
        for seed in 1..=3 {
            let noise = Noise::new(share, burst, seed);
            let (seconds, refused) = run(noise, |_| f64::INFINITY);
            let needed = 20.0 / (1.0 - share);
            assert!(seconds <= needed * slower, "{name}, {seed}: {seconds:.0} s, not {needed:.0}");
            assert!(refused <= 0.35, "{name}, {seed}: {refused:.3} refused");
        }
    }
}

/// A fifth is refused at random, and so is everything above the limit.
#[test]
fn a_limit_is_found_in_spite_of_refusals_at_random() {
    type Limit = fn(f64) -> f64;
    let rows: [(&str, Limit, f64); 3] = [
        ("5/s", |_| 5.0, 800.0),
        ("a cut", |second| if second < 60.0 { 20.0 } else { 5.0 }, 620.0),
        (
            "an outage and its end",
            |second| if (60.0..120.0).contains(&second) { 0.0 } else { 5.0 },
            860.0,
        ),
    ];
    for (name, limit, needed) in rows {
        for seed in 1..=5 {
            let (seconds, refused) = run(Noise::new(0.2, 1, seed), limit);
            assert!(seconds <= needed * 1.35, "{name}, {seed}: {seconds:.0} s, not {needed}");
            assert!(refused <= 0.7, "{name}, {seed}: {refused:.3} refused");
        }
    }
}

#[test]
fn the_rate_never_exceeds_demand() {
    let start = Instant::now();
    let mut bucket = Bucket::new(start);
    bucket.set_most(Some(2.0));
    let (mut now, mut sent) = (start, 0_u32);
    while now < start + Duration::from_secs(100) {
        match bucket.take(now) {
            Ok(token) => {
                bucket.answered(token, now, false);
                sent += 1;
            }
            Err(pause) => now += pause,
        }
    }
    // The burst from before the limit was set is cut.
    assert!((199..=202).contains(&sent), "{sent}");
    bucket.set_most(None);
    assert!(bucket.rate() > 100.0, "what was found out before counts again: {}", bucket.rate());
}
