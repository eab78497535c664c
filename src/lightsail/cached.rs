//! A value that is shared until it is out of date, or an error that is shared for a moment.

use std::time::{Duration, Instant};

use super::error::Error;
use super::types::Result;

/// A failed read fails for all callers within this time, so that many waiting callers do not become
/// many failing reads.
const ERROR_HOLDS: Duration = Duration::from_secs(2);

/// The last outcome of a shared read.
#[derive(Debug)]
pub(super) struct Cached<T> {
    value: Option<T>,
    error: Option<(Instant, Error)>,
}

impl<T> Default for Cached<T> {
    fn default() -> Self {
        Self { value: None, error: None }
    }
}

impl<T: Clone> Cached<T> {
    /// The value if it is still good, or else the recent error. `None` asks the caller to read, and
    /// to [`Self::put`] the outcome.
    pub(super) fn find(&self, is_good: impl Fn(&T) -> bool) -> Option<Result<T>> {
        if let Some(value) = self.value.as_ref().filter(|value| is_good(value)) {
            return Some(Ok(value.clone()));
        }
        let error = self.error.as_ref().filter(|(at, _)| at.elapsed() < ERROR_HOLDS);
        error.map(|(_, error)| Err(error.clone()))
    }

    /// Keeps the outcome of a read. An error drops the value.
    pub(super) fn put(&mut self, outcome: Result<T>) -> Result<T> {
        *self = match &outcome {
            Ok(value) => Self { value: Some(value.clone()), error: None },
            Err(error) => Self { value: None, error: Some((Instant::now(), error.clone())) },
        };
        outcome
    }

    /// The value, good or not.
    pub(super) fn value(&self) -> Option<&T> {
        self.value.as_ref()
    }

    /// The value, good or not.
    pub(super) fn value_mut(&mut self) -> Option<&mut T> {
        self.value.as_mut()
    }
}
