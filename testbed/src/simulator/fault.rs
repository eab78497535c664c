//! Faults: chosen requests that fail, are cut off, are held back or get a strange answer.
//!
//! A fault is taken when a request arrives, so that two requests at the same time never share one turn of it. This file does
//! not know HTTP; the server carries out what a fault says.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::error::ApiError;
use super::identity::Scope;

/// Which requests go wrong, and how.
#[derive(Clone, Debug)]
pub struct Fault {
    /// The operation, for example `ImportKeyPair`.
    pub operation: String,
    /// Only requests that name this resource; `None` is every request of the operation.
    pub resource: Option<String>,
    /// How many requests it strikes.
    pub times: usize,
    /// What happens to them.
    pub effect: FaultEffect,
}

/// What happens to a request. The error and the body stand in for the effect: nothing is changed.
#[derive(Clone, Debug)]
pub enum FaultEffect {
    /// An error is answered, in the form that the switches ask for.
    Error {
        /// `__type`, for example `ThrottlingException`.
        error_type: String,
        /// Lightsail's own sub-code, if the error has one.
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
    /// The request takes effect after this long.
    Delay(Duration),
    /// Something that is no answer of the API, for example a proxy's page.
    Body {
        /// The HTTP status.
        status: u16,
        /// The body as it is.
        body: String,
    },
}

impl FaultEffect {
    /// The error of [`FaultEffect::Error`].
    pub(super) fn error(&self) -> Option<ApiError> {
        if let Self::Error { error_type, code, message, status } = self {
            let (error_type, code, message) = (error_type.clone(), code.clone(), message.clone());
            Some(ApiError { error_type, code, message, status: *status })
        } else {
            None
        }
    }
}

/// A fault that was added. Dropping it lets held requests go on; the other kinds of fault stay in place.
#[derive(Debug)]
pub struct FaultHandle {
    turn: Arc<Turns>,
}

impl FaultHandle {
    /// Completes once a request has met the fault: it is held now, or was cut, or has taken effect, whichever the fault says.
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
    fault: Fault,
    scope: Option<Scope>,
    left: AtomicUsize,
    hits: watch::Sender<usize>,
    released: watch::Sender<bool>,
}

impl Turns {
    pub(super) fn effect(&self) -> &FaultEffect {
        &self.fault.effect
    }

    /// Tells the handle that a request has met the fault.
    pub(super) fn hit(&self) {
        self.hits.send_modify(|hits| *hits += 1);
    }

    /// Tells the handle, and waits until it lets go.
    pub(super) async fn hold(&self) {
        self.hit();
        let mut released = self.released.subscribe();
        released.wait_for(|released| *released).await.expect("the sender lives in this fault");
    }

    fn is_for(&self, scope: &Scope, operation: &str, resource: Option<&str>) -> bool {
        self.fault.operation == operation
            && self.scope.as_ref().is_none_or(|own| own == scope)
            && self.fault.resource.as_deref().is_none_or(|own| Some(own) == resource)
    }

    fn take(&self) -> bool {
        self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
    }
}

/// All faults in place, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Faults(Mutex<Vec<Arc<Turns>>>);

impl Faults {
    pub(super) fn add(&self, fault: Fault, scope: Option<Scope>) -> FaultHandle {
        let turn = Arc::new(Turns {
            left: AtomicUsize::new(fault.times),
            fault,
            scope,
            hits: watch::Sender::new(0),
            released: watch::Sender::new(false),
        });
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&turn));
        FaultHandle { turn }
    }

    /// The oldest fault with a turn left for this request; the turn is used up.
    pub(super) fn take(&self, scope: &Scope, operation: &str, resource: Option<&str>) -> Option<Arc<Turns>> {
        let faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        faults.iter().find(|turn| turn.is_for(scope, operation, resource) && turn.take()).cloned()
    }
}
