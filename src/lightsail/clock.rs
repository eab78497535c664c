//! Lightsail's clock, as its answers show it.
//!
//! Lightsail dates what it creates by its own clock, and the clocks of AWS and of the cluster are
//! never compared. So to know whether something is younger, the operator compares with the `Date`
//! of Lightsail's own answers. The HTTP client takes it from all others.

use std::sync::Arc;

use aws_sdk_lightsail::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_lightsail::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_lightsail::error::BoxError;
use k8s_openapi::jiff::Timestamp;
use parking_lot::Mutex;

use super::http;
use crate::clock::Moment;

/// The clock of one endpoint. Clones are the same clock.
#[derive(Clone, Debug, Default)]
pub(super) struct Clock(Arc<Mutex<Option<(Timestamp, Moment)>>>);

impl Clock {
    /// What the clock shows now: the last `Date` plus the time since, to the second. It runs ahead
    /// of Lightsail's clock only by this machine's drift since then. `None` before the first
    /// answer, or if answers have no `Date`.
    pub(super) fn now(&self) -> Option<Timestamp> {
        let (date, at) = (*self.0.lock())?;
        let now = date.checked_add(at.elapsed()).ok()?;
        Timestamp::from_second(now.as_second()).ok()
    }

    fn note(&self, date: &str) {
        if let Some(date) = http::date(date) {
            *self.0.lock() = Some((date, Moment::now()));
        }
    }
}

impl Intercept for Clock {
    fn name(&self) -> &'static str {
        "Clock"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(date) = context.response().headers().get("date") {
            self.note(date);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::Clocks;

    #[test]
    fn it_shows_the_date_of_the_last_answer_and_what_has_passed_since() {
        let clock = Clock::default();
        assert_eq!(clock.now(), None);
        clock.note("soon");
        assert_eq!(clock.now(), None);
        for date in ["Sun, 30 Aug 2015 12:36:01 GMT", "Tue, 24 Nov 2026 22:14:49 GMT"] {
            clock.note(date);
            let shown = clock.now().unwrap();
            let expected = http::date(date).unwrap();
            assert!((0..5).contains(&shown.duration_since(expected).as_secs()), "{shown}");
            let clocks = Clocks::read();
            let hour = Duration::from_hours(1);
            *clock.0.lock() = Some((expected, clocks.moment_of(clocks.time() - hour)));
            let shown = clock.now().unwrap().duration_since(expected);
            assert!((3_600..3_605).contains(&shown.as_secs()), "{shown}");
        }
    }
}
