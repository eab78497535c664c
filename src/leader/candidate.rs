//! Who stands for election, and the times of the Lease.

use std::time::Duration;

/// A Lease object has its duration in whole seconds, at least one.
const SHORTEST_LEASE: Duration = Duration::from_secs(1);

/// The times of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// How long the Lease holds after a renewal, as others see it.
    pub lease_duration: Duration,
    /// How long to try to renew it before it counts as lost. A holder that cannot renew it knows
    /// that before others take it.
    pub renew_deadline: Duration,
    /// How often it is renewed.
    pub renew_period: Duration,
}

impl Times {
    /// The times of a Lease of this duration.
    ///
    /// # Errors
    /// What to set instead, if a call that was sent while the Lease was held could still be under
    /// way when another process holds it.
    pub fn new(lease_duration: Duration, call_timeout: Duration) -> Result<Self, String> {
        let renew_deadline = lease_duration * 2 / 3;
        let renew_period = lease_duration * 2 / 15;
        if lease_duration < SHORTEST_LEASE {
            return Err(format!("--lease-duration must be at least {SHORTEST_LEASE:?}"));
        }
        if lease_duration <= call_timeout + renew_period {
            return Err(format!(
                "--aws-call-timeout is {call_timeout:?}, and the Lease lasts {lease_duration:?} \
                 and is renewed every {renew_period:?}: a call could outlive the Lease; set a \
                 shorter timeout, a longer --lease-duration, or --leader-election=false for a \
                 single replica"
            ));
        }
        Ok(Self { lease_duration, renew_deadline, renew_period })
    }

    /// How long one attempt may take, so that an unanswered one leaves time for another.
    pub(super) fn attempt(&self) -> Duration {
        self.renew_deadline / 2
    }

    /// How long the Lease must last when a write to Kubernetes is sent: most are answered by then.
    #[must_use]
    pub fn write_margin(&self) -> Duration {
        self.lease_duration / 3
    }
}

/// The lease, and who this process is in it.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Where the lease is.
    pub namespace: String,
    /// Its name.
    pub lease: String,
    /// Unique among the replicas.
    pub identity: String,
    /// How long it lasts.
    pub times: Times,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_outlives_each_call_that_is_sent_while_it_is_held() {
        let seconds = Duration::from_secs_f64;
        let times = Times::new(seconds(15.0), seconds(10.0)).unwrap();
        assert_eq!(times.renew_deadline, seconds(10.0), "as client-go's");
        assert_eq!(times.renew_period, seconds(2.0));
        for (lease, call, expected) in [
            (15.0, 12.9, true),
            (15.0, 13.0, false),
            (3.0, 1.0, true),
            (1.0, 0.5, true),
            (0.9, 0.1, false),
        ] {
            let times = Times::new(seconds(lease), seconds(call));
            assert_eq!(times.is_ok(), expected, "{lease} s, {call} s");
        }
    }
}
