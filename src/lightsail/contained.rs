//! Panics of the AWS SDK become errors. It has some: for a key with a line break in it, or for what
//! the instance's metadata answer. One of them must not end the process, nor the task that renews
//! credentials. The release profile keeps `panic = "unwind"` for this.

use std::future::Future;
use std::panic::AssertUnwindSafe;

use futures::FutureExt;

use super::error::{Error, ErrorKind};
use super::types::Result;

/// What becomes of a call of the SDK. Nothing that it leaves behind is used again: a client keeps
/// no state of a call but what its locks guard.
///
/// # Errors
/// It panics. What was sent until then is not known.
pub(super) async fn contained<T>(call: impl Future<Output = T>) -> Result<T> {
    let outcome = AssertUnwindSafe(call).catch_unwind().await;
    outcome.map_err(|_| {
        let message = "the AWS SDK cannot cope with what it was given or got; the log says where";
        Error::new(ErrorKind::Transient, "SDKPanic", message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_error_that_proves_nothing() {
        assert_eq!(contained(async { 1 }).await, Ok(1));
        let panics = async { [1_u8].get(1).copied().expect("a test of panics") };
        let error = contained(panics).await.unwrap_err();
        assert!(!error.kind.proves_refusal(), "{error}");
    }
}
