//! Why a pass could not be finished, and what that means for its object.

use std::time::Duration;

use crate::api::Reason;
use crate::lightsail::{self, Class};

/// A pass could not be finished.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Lightsail, STS or the way there.
    #[error("{0}")]
    Lightsail(#[from] lightsail::Error),
    /// Somebody else changed the object meanwhile: the pass starts over.
    #[error("the object was changed meanwhile")]
    Conflict,
    /// The object is gone.
    #[error("the object is gone")]
    Gone,
    /// The Kubernetes API server refused, or did not answer. Nothing is said in the status: it
    /// could not be written.
    #[error("the Kubernetes API server: {0}")]
    Kubernetes(Box<kube::Error>),
    /// The API server sent what is not the object that was asked for. The content is left out: it
    /// may be a Secret.
    #[error("the Kubernetes API server sent something that is not a {0}")]
    Unreadable(&'static str),
    /// The API server does not let the operator read or write a Secret. A person must act.
    #[error("the Secret {name} cannot be read or written: {why}")]
    SecretRejected {
        /// The Secret.
        name: String,
        /// What the API server said.
        why: String,
    },
    /// The API server does not let the operator read what an object refers to. A person must act.
    #[error("the operator's service account may not read the ConfigMap {0}")]
    Forbidden(String),
    /// A private key could not be made.
    #[error("{0}")]
    GenerationFailed(#[from] crate::ssh::GenerationFailed),
    /// The operator is told to end.
    #[error("the operator is ending")]
    Stopping,
}

impl From<kube::Error> for Error {
    fn from(error: kube::Error) -> Self {
        if is_status(&error, 409) { Self::Conflict } else { Self::Kubernetes(Box::new(error)) }
    }
}

/// Whether the API server answered with this HTTP status.
#[must_use]
pub fn is_status(error: &kube::Error, code: u16) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == code)
}

/// What an error of Lightsail means for an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Why.
    pub reason: Reason,
    /// Whether a person must act.
    pub stalled: bool,
    /// When it is tried again; `None`: with growing pauses.
    pub retry: Option<Duration>,
}

impl From<&lightsail::Error> for Trouble {
    fn from(error: &lightsail::Error) -> Self {
        let again = |reason| Self { reason, stalled: false, retry: None };
        let act = |reason| Self { reason, stalled: true, retry: None };
        // Setting up an account or a region takes minutes.
        let minutes = |reason| Self { retry: Some(Duration::from_mins(1)), ..again(reason) };
        match error.class {
            Class::Throttled => again(Reason::Throttled),
            Class::AccountSetup => minutes(Reason::AccountSetupInProgress),
            Class::RegionSetup => minutes(Reason::RegionSetupInProgress),
            Class::Denied => act(Reason::AccessDenied),
            Class::BadCredentials => act(Reason::InvalidCredentials),
            Class::BadKey => act(Reason::InvalidPublicKey),
            Class::NameTaken => act(Reason::NameConflict),
            Class::OperationFailed | Class::Invalid => act(Reason::OperationFailed),
            Class::NotFound | Class::Busy | Class::NeverSent | Class::Transient => {
                again(Reason::ServiceError)
            }
        }
    }
}
