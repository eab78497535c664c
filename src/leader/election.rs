//! Takes, renews and gives back the Lease as client-go does: under the version that was read, so
//! one of two candidates fails. Whether another candidate's Lease has expired is measured by this
//! machine's clock, from when the Lease last changed, so clocks need not agree.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use kube::{Api, Client};

use super::candidate::Candidate;
use crate::clock::Moment;
use crate::kube_error::{existing, found, is_status};

/// A candidate's part in the election.
pub(super) struct Election {
    api: Api<Lease>,
    candidate: Candidate,
    /// Another candidate's Lease, and when this state of it was first seen.
    other: Option<(LeaseSpec, Moment)>,
}

/// A Lease that was deleted is waited for no longer than this after it was last seen to be renewed,
/// or than its own duration for this candidate, however long it was to last.
const FORGOTTEN: Duration = Duration::from_mins(10);

impl Election {
    pub(super) fn new(client: Client, candidate: Candidate) -> Self {
        let api = Api::namespaced(client, &candidate.namespace);
        Self { api, candidate, other: None }
    }

    /// Takes the Lease if it is free. Returns when the request was sent, or `None` if another
    /// candidate holds it.
    pub(super) async fn acquire(&mut self) -> kube::Result<Option<Moment>> {
        let sent = Moment::now();
        let lease = found(self.api.get(&self.candidate.lease).await)?;
        let spec = lease.as_ref().map(|lease| lease.spec.clone().unwrap_or_default());
        if !self.is_free(spec.as_ref(), Moment::now()) {
            return Ok(None);
        }
        let outcome = match lease {
            None => {
                let name = Some(self.candidate.lease.clone());
                let metadata = ObjectMeta { name, ..ObjectMeta::default() };
                let lease = Lease { metadata, spec: Some(self.next(None)) };
                self.api.create(&PostParams::default(), &lease).await.and_then(existing)
            }
            Some(lease) => self.replace(lease, self.next(spec.as_ref())).await,
        };
        match outcome {
            Ok(_) => Ok(Some(sent)),
            // Another candidate was faster.
            Err(error) if is_status(&error, 409) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Renews the Lease. Returns when the request was sent, or `None` if this candidate no longer
    /// holds it.
    pub(super) async fn renew(&self) -> kube::Result<Option<Moment>> {
        let sent = Moment::now();
        let Some(lease) = self.own().await? else { return Ok(None) };
        let spec = self.next(lease.spec.as_ref());
        self.replace(lease, spec).await.map(|_| Some(sent))
    }

    /// Gives the Lease back, if this candidate holds it, so that others need not wait until it
    /// expires.
    pub(super) async fn release(&self) -> kube::Result<()> {
        let Some(lease) = self.own().await? else { return Ok(()) };
        let transitions = lease.spec.as_ref().and_then(|spec| spec.lease_transitions);
        let spec = LeaseSpec { lease_transitions: transitions, ..LeaseSpec::default() };
        self.replace(lease, spec).await.map(drop)
    }

    async fn own(&self) -> kube::Result<Option<Lease>> {
        let lease = found(self.api.get(&self.candidate.lease).await)?;
        let is_own = |lease: &Lease| holder(lease.spec.as_ref()) == Some(&self.candidate.identity);
        Ok(lease.filter(is_own))
    }

    async fn replace(&self, mut lease: Lease, spec: LeaseSpec) -> kube::Result<Lease> {
        lease.spec = Some(spec);
        let (name, parameters) = (&self.candidate.lease, PostParams::default());
        self.api.replace(name, &parameters, &lease).await.and_then(existing)
    }

    fn next(&self, before: Option<&LeaseSpec>) -> LeaseSpec {
        let lease_duration = self.candidate.times.lease_duration;
        next(&self.candidate.identity, lease_duration, before, Timestamp::now())
    }

    /// Whether the Lease may be taken: nobody holds it, or its holder has not renewed it for its
    /// own duration. If somebody deleted or emptied it, its holder acts until it notices. Then, a
    /// duration that is far too long does not count.
    fn is_free(&mut self, spec: Option<&LeaseSpec>, now: Moment) -> bool {
        let is_over = |(seen, since): &(LeaseSpec, Moment)| {
            let lasts = seen.lease_duration_seconds.and_then(|time| u64::try_from(time).ok());
            let lasts = lasts.map(Duration::from_secs);
            now.since(*since) >= lasts.unwrap_or(self.candidate.times.lease_duration)
        };
        let longest = FORGOTTEN.max(self.candidate.times.lease_duration);
        let is_forgotten = |(_, since): &(LeaseSpec, Moment)| now.since(*since) >= longest;
        let Some(spec) = spec.filter(|spec| !is_empty(spec)) else {
            return self.other.as_ref().is_none_or(|it| is_over(it) || is_forgotten(it));
        };
        if holder(Some(spec)).is_none_or(|holder| *holder == self.candidate.identity) {
            self.other = None;
            return true;
        }
        match &self.other {
            Some(other) if other.0 == *spec => is_over(other),
            _ => {
                self.other = Some((spec.clone(), now));
                false
            }
        }
    }
}

/// Whether nobody has held the Lease, as far as it says. A candidate that gives it back leaves how
/// often it changed hands; whoever applies it anew, as with `kubectl replace`, does not.
fn is_empty(spec: &LeaseSpec) -> bool {
    holder(Some(spec)).is_none() && spec.lease_transitions.is_none()
}

/// Who holds the Lease. client-go writes an empty name when it gives a Lease back.
fn holder(spec: Option<&LeaseSpec>) -> Option<&String> {
    spec?.holder_identity.as_ref().filter(|holder| !holder.is_empty())
}

/// The Lease as this candidate writes it, given its state before.
fn next(
    identity: &str,
    lease_duration: Duration,
    before: Option<&LeaseSpec>,
    now: Timestamp,
) -> LeaseSpec {
    // Others must never take it to be shorter than it is.
    let seconds = lease_duration.as_secs() + u64::from(lease_duration.subsec_nanos() > 0);
    let is_own = holder(before).is_some_and(|holder| *holder == identity);
    let transitions = before.map(|before| before.lease_transitions.unwrap_or_default());
    let acquired = before.and_then(|before| before.acquire_time.clone()).filter(|_| is_own);
    LeaseSpec {
        holder_identity: Some(identity.to_owned()),
        lease_duration_seconds: Some(i32::try_from(seconds).unwrap_or(i32::MAX)),
        acquire_time: acquired.or(Some(MicroTime(now))),
        renew_time: Some(MicroTime(now)),
        lease_transitions: transitions
            .map(|count| if is_own { count } else { count.saturating_add(1) })
            .or(Some(0)),
        ..LeaseSpec::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leader::candidate::Times;

    fn time(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn spec(identity: &str, before: Option<&LeaseSpec>, now: i64) -> LeaseSpec {
        next(identity, Duration::from_millis(2_500), before, time(now))
    }

    #[test]
    fn a_lease_says_who_has_it_since_when_and_how_often_it_changed_hands() {
        let first = spec("a", None, 1_000);
        assert_eq!(first.holder_identity.as_deref(), Some("a"));
        assert_eq!(first.lease_duration_seconds, Some(3), "whole seconds, and not too few");
        assert_eq!(first.lease_transitions, Some(0));
        let renewed = spec("a", Some(&first), 1_001);
        assert_eq!(renewed.acquire_time, Some(MicroTime(time(1_000))));
        assert_eq!(renewed.renew_time, Some(MicroTime(time(1_001))));
        assert_eq!(renewed.lease_transitions, Some(0));
        let taken = spec("b", Some(&renewed), 1_010);
        assert_eq!(taken.acquire_time, Some(MicroTime(time(1_010))));
        assert_eq!(taken.lease_transitions, Some(1));
        let given_back = LeaseSpec { lease_transitions: Some(1), ..LeaseSpec::default() };
        assert_eq!(spec("b", Some(&given_back), 1_011).lease_transitions, Some(2));
    }

    #[tokio::test]
    async fn a_lease_is_free_if_nobody_has_it_or_it_was_not_renewed_for_its_own_duration() {
        let config = kube::Config::new("http://localhost".parse().unwrap());
        let times = Times::new(Duration::from_secs(100), Duration::from_secs(1)).unwrap();
        let candidate = Candidate {
            namespace: "n".to_owned(),
            lease: "l".to_owned(),
            identity: "own".to_owned(),
            times,
        };
        let mut election = Election::new(Client::try_from(config).unwrap(), candidate);
        let start = Moment::now();
        let mut is_free = |spec: Option<&LeaseSpec>, milliseconds| {
            election.is_free(spec, start + Duration::from_millis(milliseconds))
        };
        assert!(is_free(None, 0), "there is none, and none was seen");
        assert!(is_free(Some(&LeaseSpec::default()), 0));
        assert!(is_free(Some(&spec("", None, 1)), 0), "as client-go gives it back");
        assert!(is_free(Some(&spec("own", None, 1)), 0), "its own, whose answer was lost");
        let other = spec("other", None, 1);
        assert!(!is_free(Some(&other), 0), "nobody knows since when it is like that");
        assert!(!is_free(Some(&other), 2_999));
        let renewed = spec("other", Some(&other), 2);
        assert!(!is_free(Some(&renewed), 3_000), "it was renewed");
        assert!(!is_free(Some(&renewed), 5_999));
        assert!(!is_free(None, 5_999), "somebody deleted it, which its holder may not know yet");
        let empty = LeaseSpec::default();
        assert!(!is_free(Some(&empty), 5_999), "somebody replaced it by an empty one");
        assert!(!is_free(Some(&renewed), 5_999), "its holder wrote it meanwhile");
        assert!(is_free(Some(&renewed), 6_000), "as long as the other says, not as this one would");
        assert!(is_free(None, 6_000));
        assert!(is_free(Some(&empty), 6_000));
        assert!(is_free(Some(&spec("", Some(&renewed), 7)), 7_000), "it was given back");
        assert!(is_free(None, 7_000), "and deleted then");
        let forever = LeaseSpec { lease_duration_seconds: Some(i32::MAX), ..spec("x", None, 8) };
        assert!(!is_free(Some(&forever), 8_000));
        assert!(!is_free(None, 607_999), "it was deleted");
        assert!(!is_free(Some(&forever), 608_000), "as long as it is there, it counts");
        assert!(is_free(None, 608_000));
    }
}
