//! Why a step could not be done. What that means for the object is decided by the kind's plan.

use crate::kube_error::{is_status, without_content};
use crate::lightsail::{self, ErrorKind};

/// A step could not be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Lightsail, STS or the way there.
    #[error("{0}")]
    Lightsail(lightsail::Error),
    /// Somebody else changed the object meanwhile: the reconciliation starts over.
    #[error("the object changed in the meantime")]
    Conflict,
    /// The watch does not show what was read, or shows more already. It starts over.
    /// If that lasts, `/readyz` says why.
    #[error("the watch does not show yet what was read")]
    Outdated,
    /// The object is gone.
    #[error("the object is gone")]
    Gone,
    /// The Kubernetes API server refused, or did not answer. The status says so only if it lasts.
    #[error("the Kubernetes API server: {}", without_content(.0))]
    Kubernetes(Box<kube::Error>),
    /// The API server sent what is not the object that was asked for. The content is left out: it
    /// may be a Secret.
    #[error("the Kubernetes API server sent something that is not a {0}")]
    Unreadable(&'static str),
    /// The API server accepted a field of the object, and a policy or a webhook removed it without
    /// a word, or the CRD does not know it. A person must act.
    #[error("the Kubernetes API server does not keep {0}")]
    NotKept(&'static str),
    /// The API server does not let the operator read or write a Secret. A person must act.
    #[error("the Secret {name} cannot be read or written: {why}")]
    SecretRejected {
        /// The Secret.
        name: String,
        /// The code of the answer.
        code: u16,
        /// What the API server said.
        why: String,
    },
    /// The API server does not let the operator read what an object refers to. A person must act.
    #[error("the operator's ServiceAccount is not allowed to read the ConfigMap {0}")]
    ConfigMapForbidden(String),
    /// A private key could not be made.
    #[error("{0}")]
    GenerationFailed(#[from] crate::ssh::GenerationFailed),
    /// The Lease could run out before the write is over: nothing was sent. Nothing is said in the
    /// status, which another process may be writing, and the reconciliation is repeated. Only a
    /// reset that has its mark does not end so: it takes that back.
    #[error("nothing was sent, because the Lease might run out before the response arrives")]
    NotLeading,
    /// The operator is told to end.
    #[error("the operator is stopping")]
    Stopping,
}

impl From<lightsail::Error> for Error {
    fn from(error: lightsail::Error) -> Self {
        if error.kind == ErrorKind::NotLeading {
            Self::NotLeading
        } else if error.kind == ErrorKind::Outdated {
            Self::Conflict
        } else {
            Self::Lightsail(error)
        }
    }
}

impl From<kube::Error> for Error {
    fn from(error: kube::Error) -> Self {
        if is_status(&error, 409) { Self::Conflict } else { Self::Kubernetes(Box::new(error)) }
    }
}

/// How an attempt ended that is made only once, whatever comes of it. What was not sent for want of
/// the Lease was no attempt: the reconciliation starts over.
///
/// # Errors
/// [`Error::NotLeading`].
pub fn attempted<T>(outcome: lightsail::Result<T>) -> Result<lightsail::Result<T>, Error> {
    match outcome {
        Err(error) if error.kind == ErrorKind::NotLeading => Err(Error::NotLeading),
        outcome => Ok(outcome),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_does_not_repeat_what_could_not_be_read() {
        let body = r#"{"data":"-----BEGIN PRIVATE KEY-----"}"#;
        let error = serde_json::from_str::<Vec<u8>>(body).unwrap_err();
        let echoed = serde_json::from_str::<Vec<u8>>(r#""secret""#).unwrap_err();
        assert!(echoed.to_string().contains("secret"), "this is why");
        let not_text = String::from_utf8(b"secret\xff".to_vec()).unwrap_err();
        // As the client library makes it of an answer that is no Status.
        let page = kube::core::Status::failure("secret", "Failed to parse error data");
        for error in [
            kube::Error::SerdeError(error),
            kube::Error::SerdeError(echoed),
            kube::Error::FromUtf8(not_text),
            kube::Error::Api(Box::new(page.with_code(502))),
        ] {
            let text = Error::from(error).to_string();
            assert!(!text.contains("secret") && !text.contains("PRIVATE"), "{text}");
        }
        let status = kube::core::Status::failure("no room", "Quota").with_code(403);
        let text = Error::from(kube::Error::Api(Box::new(status))).to_string();
        assert!(text.contains("no room"), "what the API server says of itself: {text}");
    }

    #[test]
    fn what_was_not_sent_for_it_was_not_wanted_any_more_starts_over() {
        let outdated = lightsail::Error::of_kind(ErrorKind::Outdated);
        assert!(outdated.kind.proves_refusal());
        assert!(matches!(Error::from(outdated), Error::Conflict));
    }

    #[test]
    fn what_was_not_sent_for_want_of_the_lease_is_no_attempt() {
        let failed = |kind| attempted::<()>(Err(lightsail::Error::of_kind(kind)));
        assert!(matches!(failed(ErrorKind::NotLeading), Err(Error::NotLeading)));
        for kind in [ErrorKind::NeverSent, ErrorKind::Denied, ErrorKind::Transient] {
            assert!(matches!(failed(kind), Ok(Err(error)) if error.kind == kind), "{kind:?}");
        }
        assert!(matches!(attempted(Ok(())), Ok(Ok(()))));
    }
}
