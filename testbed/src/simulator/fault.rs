//! Faults: chosen requests that fail, are cut off, are held back or get a strange answer.
//!
//! A fault is taken when a request arrives, so that two requests at the same time never share one
//! turn of it. This file does not know HTTP; the server carries out what a fault says.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::error::ApiError;
use super::identity::Scope;
use super::switches::seconds;
use crate::dice::number_at;

/// Which requests go wrong, and how.
#[derive(Clone, Debug)]
pub struct Fault {
    /// The operation, for example `ImportKeyPair`; `*` is every operation.
    pub operation: String,
    /// Only requests that name this resource; `None` is every request of the operation.
    pub resource: Option<String>,
    /// How many requests it strikes.
    pub times: usize,
    /// What happens to them.
    pub effect: FaultEffect,
}

impl Fault {
    /// This happens to every request of the operation, from now on.
    #[must_use]
    pub fn new(operation: &str, effect: FaultEffect) -> Self {
        Self { operation: operation.to_owned(), resource: None, times: usize::MAX, effect }
    }

    /// Only to requests that name this resource.
    #[must_use]
    pub fn on(self, resource: &str) -> Self {
        Self { resource: Some(resource.to_owned()), ..self }
    }

    /// Only this many times.
    #[must_use]
    pub fn times(self, times: usize) -> Self {
        Self { times, ..self }
    }

    /// Only with this probability, from 0 to 1. The same requests in the same order meet the same
    /// fate each time.
    #[must_use]
    pub fn with_probability(self, probability: f64) -> FaultPoint {
        FaultPoint { probability, ..self.into() }
    }

    /// Only after this many requests for which it would be.
    #[must_use]
    pub fn after(self, requests: usize) -> FaultPoint {
        FaultPoint { after: requests, ..self.into() }
    }
}

/// A fault, and when it strikes. A plain [`Fault`] always does.
#[derive(Clone, Debug)]
pub struct FaultPoint {
    /// What goes wrong.
    pub fault: Fault,
    /// From 0 to 1.
    pub probability: f64,
    /// What the chances are drawn from; the same seed gives the same draws.
    pub seed: u64,
    /// How many requests it lets pass first.
    pub after: usize,
}

impl From<Fault> for FaultPoint {
    fn from(fault: Fault) -> Self {
        Self { fault, probability: 1.0, seed: 0, after: 0 }
    }
}

/// What happens to a request. The error and the body stand in for the effect: nothing is changed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum FaultEffect {
    /// An error is answered, in the form that the switches ask for.
    Error {
        /// `__type`, for example `ThrottlingException`.
        error_type: String,
        /// Lightsail's own sub-code, if the error has one.
        #[serde(default)]
        code: Option<String>,
        /// The message.
        message: String,
        /// The HTTP status.
        status: u16,
    },
    /// The connection is closed without an answer, and nothing was done.
    CutBefore,
    /// The request takes effect, and the connection is closed without an answer.
    CutAfter,
    /// The request waits before it takes effect. If the client goes away meanwhile, it never does.
    HoldBefore,
    /// The request takes effect, and its answer waits.
    HoldAfter,
    /// The request takes effect after this long. If the client goes away meanwhile, it never does.
    Delay(#[serde(with = "seconds")] Duration),
    /// The request takes effect after this long, even if the client has given up by then.
    Late(#[serde(with = "seconds")] Duration),
    /// Nothing happens, ever: no effect and no answer, on a connection that stays open.
    Hang,
    /// The request takes effect, and throttling is answered, as by a gateway that counts late. AWS
    /// is not known to do that.
    ThrottledAfter,
    /// The request takes effect, and the answer is no JSON.
    Garbage,
    /// The request takes effect, and the connection is closed in the middle of the answer.
    HalfAnswer,
    /// The next page's token is that of the page that was asked for, forever. The first page has
    /// none and is as it should be.
    RepeatPageToken,
    /// Something that is no answer of the API, for example a proxy's page.
    Body {
        /// The HTTP status.
        status: u16,
        /// The body as it is.
        body: String,
    },
}

impl FaultEffect {
    /// Too many requests: HTTP 400.
    #[must_use]
    pub fn throttling() -> Self {
        let error = ApiError::throttled();
        Self::Error {
            error_type: error.error_type,
            code: None,
            message: error.message,
            status: error.status,
        }
    }

    /// A `ServiceException`.
    #[must_use]
    pub fn service_error() -> Self {
        let error = ApiError::service("The service failed.");
        Self::Error {
            error_type: error.error_type,
            code: error.code,
            message: error.message,
            status: error.status,
        }
    }

    /// 503 with a page of HTML, as a load balancer answers in the place of the service.
    #[must_use]
    pub fn unavailable() -> Self {
        let body = "<html><body><h1>503 Service Unavailable</h1></body></html>\n".to_owned();
        Self::Body { status: 503, body }
    }
}

/// A fault that was added. Dropping it lets held requests go on; the other kinds of fault stay in
/// place.
#[derive(Debug)]
pub struct FaultHandle {
    turn: Arc<Turns>,
}

impl FaultHandle {
    /// Completes once a request has met the fault: it is held now, or was cut, or has taken effect,
    /// whichever the fault says.
    pub async fn reached(&self) {
        self.wait_for_hits(1).await;
    }

    /// Completes once that many requests have met the fault.
    pub async fn wait_for_hits(&self, count: usize) {
        let mut hits = self.turn.hits.subscribe();
        // It only fails without a sender, and that lives in this handle.
        let _ = hits.wait_for(|hits| *hits >= count).await;
    }

    /// How many requests have met the fault.
    #[must_use]
    pub fn hits(&self) -> usize {
        *self.turn.hits.borrow()
    }

    /// Takes the fault away: it strikes no more, and held requests go on.
    pub fn remove(&self) {
        self.turn.left.store(0, Ordering::SeqCst);
        self.release();
    }

    /// The fault as it was put in place.
    pub(super) fn turns(&self) -> &Turns {
        &self.turn
    }

    /// Lets held requests go on. Later ones are not held any more.
    pub fn release(&self) {
        self.turn.released.send_replace(true);
    }
}

impl Drop for FaultHandle {
    fn drop(&mut self) {
        self.release();
    }
}

/// A fault in place, with its turns.
#[derive(Debug)]
pub(super) struct Turns {
    point: FaultPoint,
    scope: Option<Scope>,
    left: AtomicUsize,
    met: AtomicU64,
    hits: watch::Sender<usize>,
    released: watch::Sender<bool>,
}

impl Turns {
    pub(super) fn effect(&self) -> &FaultEffect {
        &self.point.fault.effect
    }

    /// Tells the handle that a request has met the fault.
    pub(super) fn hit(&self) {
        self.hits.send_modify(|hits| *hits += 1);
    }

    /// Tells the handle, and waits until it releases the request.
    pub(super) async fn hold(&self) {
        self.hit();
        let mut released = self.released.subscribe();
        released.wait_for(|released| *released).await.expect("the sender lives in this fault");
    }

    pub(super) fn scope(&self) -> Option<&Scope> {
        self.scope.as_ref()
    }

    pub(super) fn point(&self) -> &FaultPoint {
        &self.point
    }

    fn is_for(&self, scope: &Scope, operation: &str, resource: Option<&str>) -> bool {
        let fault = &self.point.fault;
        (fault.operation == "*" || fault.operation == operation)
            && self.scope.as_ref().is_none_or(|own| own == scope)
            && fault.resource.as_deref().is_none_or(|own| Some(own) == resource)
    }

    /// Whether it strikes this time; that uses a turn up.
    fn take(&self) -> bool {
        let met = self.met.fetch_add(1, Ordering::SeqCst);
        let is_due =
            met >= self.point.after as u64 && draw(self.point.seed, met) < self.point.probability;
        is_due
            && self
                .left
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
                .is_ok()
    }
}

/// A number from 0 up to 1 for a place in the row of a seed: its top 53 bits are the fraction.
#[expect(clippy::cast_precision_loss, reason = "53 bits fit into the fraction")]
fn draw(seed: u64, place: u64) -> f64 {
    (number_at(seed, place) >> 11) as f64 / (1_u64 << 53) as f64
}

/// All faults in place, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Faults(Mutex<Vec<Arc<Turns>>>);

impl Faults {
    pub(super) fn add(&self, point: FaultPoint, scope: Option<Scope>) -> FaultHandle {
        let turn = Arc::new(Turns {
            left: AtomicUsize::new(point.fault.times),
            met: AtomicU64::new(0),
            point,
            scope,
            hits: watch::Sender::new(0),
            released: watch::Sender::new(false),
        });
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&turn));
        FaultHandle { turn }
    }

    /// The oldest fault with a turn left for this request; the turn is used up.
    pub(super) fn take(
        &self,
        scope: &Scope,
        operation: &str,
        resource: Option<&str>,
    ) -> Option<Arc<Turns>> {
        let mut faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if faults.is_empty() {
            return None;
        }
        faults.retain(|turn| turn.left.load(Ordering::SeqCst) > 0);
        faults.iter().find(|turn| turn.is_for(scope, operation, resource) && turn.take()).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::{Fault, FaultEffect, FaultPoint, Faults, Scope, draw};

    fn hits(point: impl Into<FaultPoint>, requests: usize) -> usize {
        let faults = Faults::default();
        faults.add(point.into(), None);
        let scope = Scope { account: String::new(), region: String::new() };
        (0..requests).filter(|_| faults.take(&scope, "GetKeyPair", Some("a")).is_some()).count()
    }

    fn fault(operation: &str) -> Fault {
        Fault::new(operation, FaultEffect::CutBefore)
    }

    #[test]
    fn a_fault_strikes_what_it_is_for() {
        for (fault, wanted) in [
            (fault("GetKeyPair"), 5),
            (fault("*"), 5),
            (fault("GetKeyPairs"), 0),
            (fault("GetKeyPair").on("a"), 5),
            (fault("GetKeyPair").on("b"), 0),
            (fault("GetKeyPair").times(2), 2),
        ] {
            assert_eq!(hits(fault.clone(), 5), wanted, "{fault:?}");
        }
        assert_eq!(hits(fault("*").times(2).after(4), 5), 1);
        assert_eq!(hits(fault("*").with_probability(0.0), 100), 0);
        assert_eq!(hits(fault("*").with_probability(1.0), 100), 100);
    }

    #[test]
    fn chances_are_spread_evenly_and_repeat() {
        let often = hits(fault("*").with_probability(0.25), 10_000);
        // 25 % of 10 000, give or take five standard deviations of 43.
        assert!((2_285..=2_715).contains(&often), "{often}");
        assert_eq!(hits(fault("*").with_probability(0.25), 10_000), often);
        assert!(
            (0..1000).any(|place| draw(1, place) < 0.5)
                && (0..1000).any(|place| draw(1, place) >= 0.5)
        );
    }
}
