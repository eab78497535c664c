//! Panics of the AWS SDK become errors. Some are known: for a key with a line break in it, or for
//! an answer of the instance's metadata. Such a panic must not end the process or the task that
//! renews credentials. The release profile keeps `panic = "unwind"` for this.

use std::future::Future;
use std::panic::AssertUnwindSafe;

use futures::FutureExt;

use super::error::{Error, ErrorKind};
use super::types::Result;

/// The outcome of a call of the SDK. Nothing that a panic leaves behind is used again: a client
/// keeps no state of a call except what its locks guard.
///
/// # Errors
/// It panics. What was sent before is not known.
pub(super) async fn contained<T>(call: impl Future<Output = T>) -> Result<T> {
    let outcome = AssertUnwindSafe(call).catch_unwind().await;
    outcome.map_err(|_| {
        let message = "the AWS SDK failed on its input or on a response; the log says where";
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
