//! A value that is shared until it is out of date, or an error that is shared for a moment.

use std::time::{Duration, Instant};

use super::error::Error;
use super::types::Result;

/// A failed read fails for all callers within this time, so that many waiting callers do not become
/// many failing reads.
const ERROR_HOLDS: Duration = Duration::from_secs(2);
/// A list without an end costs thousands of requests. It fails for all callers for at least this
/// long, or for as long as it took to find out.
const ENDLESS_HOLDS: Duration = Duration::from_secs(30);

fn holds(error: &Error, took: Duration) -> Duration {
    if error.is_endless_list() { took.max(ENDLESS_HOLDS) } else { ERROR_HOLDS }
}

/// The last outcome of a shared read.
#[derive(Debug)]
pub(super) struct Cached<T> {
    value: Option<T>,
    /// When it is forgotten.
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
        let error = self.error.as_ref().filter(|(until, _)| Instant::now() < *until);
        error.map(|(_, error)| Err(error.clone()))
    }

    /// Keeps the outcome of a read, which took this long. An error drops the value.
    pub(super) fn put(&mut self, outcome: Result<T>, took: Duration) -> Result<T> {
        *self = match &outcome {
            Ok(value) => Self { value: Some(value.clone()), error: None },
            Err(error) => {
                let until = Instant::now() + holds(error, took);
                Self { value: None, error: Some((until, error.clone())) }
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_costs_much_to_find_out_holds_longer() {
        let seconds = Duration::from_secs;
        for (error, took, expected) in [
            (Error::timeout(), 600, 2),
            (Error::repeated_page_token(), 600, 2),
            (Error::endless_list(10_000), 10, 30),
            (Error::endless_list(10_000), 600, 600),
        ] {
            let mut cached = Cached::<()>::default();
            let _ = cached.put(Err(error.clone()), seconds(took));
            assert_eq!(cached.find(|()| true), Some(Err(error.clone())));
            let (until, _) = cached.error.unwrap();
            let left = until.duration_since(Instant::now());
            assert!(left <= seconds(expected), "{error}: {left:?}");
            assert!(left + seconds(1) > seconds(expected), "{error}: {left:?}");
        }
    }
}
