//! Until when this process holds the Lease. The election in `leader` records it; every write to
//! Kubernetes or AWS checks it first.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::clock::Moment;

/// The Lease as this process holds it. Clones are the same.
#[derive(Clone, Debug)]
pub struct HeldLease(Arc<Mutex<Term>>);

#[derive(Clone, Copy, Debug)]
enum Term {
    /// Nobody stands for election: this process is the only one.
    Unlimited,
    /// It was never held, or is not any more.
    NotHeld,
    /// Others may take it from then on.
    Until(Moment),
}

impl HeldLease {
    /// There is no Lease, and nobody else acts.
    #[must_use]
    pub fn unlimited() -> Self {
        Self(Arc::new(Mutex::new(Term::Unlimited)))
    }

    /// It is not held yet.
    #[must_use]
    pub fn not_held() -> Self {
        Self(Arc::new(Mutex::new(Term::NotHeld)))
    }

    /// It was renewed.
    pub fn hold_until(&self, end: Moment) {
        *self.0.lock() = Term::Until(end);
    }

    /// It is given back, or lost.
    pub fn give_up(&self) {
        *self.0.lock() = Term::NotHeld;
    }

    /// Whether a call that is sent now and takes this long at most is over before another process
    /// can have the Lease.
    #[must_use]
    pub fn outlives(&self, call: Duration) -> bool {
        match *self.0.lock() {
            Term::Unlimited => true,
            Term::NotHeld => false,
            Term::Until(end) => Moment::now() + call < end,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_sent_only_if_the_lease_outlives_it() {
        let seconds = Duration::from_secs;
        assert!(HeldLease::unlimited().outlives(seconds(1_000)));
        let lease = HeldLease::not_held();
        assert!(!lease.outlives(Duration::ZERO));
        lease.hold_until(Moment::now() + seconds(100));
        assert!(lease.outlives(seconds(50)) && !lease.outlives(seconds(100)));
        assert!(lease.clone().outlives(seconds(50)), "clones are the same");
        lease.hold_until(Moment::now());
        assert!(!lease.outlives(Duration::ZERO), "it has run out");
        lease.hold_until(Moment::now() + seconds(100));
        lease.give_up();
        assert!(!lease.outlives(seconds(50)));
    }
}
