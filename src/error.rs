//! Why a step could not be done. What that means for the object is decided by the kind's plan.

use crate::lightsail::{self, ErrorKind};

/// A step could not be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Lightsail, STS or the way there.
    #[error("{0}")]
    Lightsail(lightsail::Error),
    /// Somebody else changed the object meanwhile: the reconciliation starts over.
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
    /// The Lease could run out before the write is over: nothing was sent. Nothing is said in the
    /// status: another process may be writing it.
    #[error("the Lease is not held for long enough, and nothing was sent")]
    NotLeading,
    /// The operator is told to end.
    #[error("the operator is ending")]
    Stopping,
}

impl From<lightsail::Error> for Error {
    fn from(error: lightsail::Error) -> Self {
        if error.kind == ErrorKind::NotLeading { Self::NotLeading } else { Self::Lightsail(error) }
    }
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
