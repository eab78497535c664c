//! Lightsail's clock, as its answers show it.
//!
//! Lightsail dates what it creates by its own clock, and the clocks of AWS and of the cluster are
//! never compared. So to know whether something is younger, the operator compares with the `Date`
//! of Lightsail's own answers.

use std::sync::Arc;

use aws_sdk_lightsail::config::http::HttpResponse;
use aws_sdk_lightsail::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_lightsail::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_lightsail::error::BoxError;
use k8s_openapi::jiff::Timestamp;
use k8s_openapi::jiff::fmt::rfc2822;
use parking_lot::Mutex;

use super::classify::has_request_id;
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
        // `GMT` is what HTTP writes and RFC 2822 calls obsolete.
        if let Ok(date) = rfc2822::parse(date) {
            *self.0.lock() = Some((date.timestamp(), Moment::now()));
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
        if let Some(date) = date(context.response()) {
            self.note(date);
        }
        Ok(())
    }
}

/// The `Date` of an answer of Lightsail's. The page of a proxy shows the proxy's clock, and an
/// answer from a cache an earlier time.
fn date(answer: &HttpResponse) -> Option<&str> {
    let headers = answer.headers();
    let is_json = headers.get("content-type").is_some_and(|type_| type_.contains("json"));
    let is_of_lightsail = has_request_id(answer) || (answer.status().is_success() && is_json);
    headers.get("date").filter(|_| is_of_lightsail && headers.get("age").is_none())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::Clocks;

    #[test]
    fn the_clocks_of_proxies_and_caches_are_not_lightsails() {
        const DATE: &str = "Tue, 24 Nov 2026 22:14:49 GMT";
        let (json, html) =
            (("content-type", "application/x-amz-json-1.1"), ("content-type", "text/html"));
        let id = ("x-amzn-requestid", "5d2c");
        for (name, status, headers, expected) in [
            ("an answer", 200, vec![json, id], true),
            ("an error", 400, vec![json, id], true),
            ("an answer without an id", 200, vec![json], true),
            ("a proxy's page", 502, vec![html], false),
            ("a proxy's page in place of an answer", 200, vec![html], false),
            ("a gateway's error", 404, vec![json], false),
            ("an id by its other name", 503, vec![("x-amz-request-id", "5d2c")], true),
            ("an empty id", 503, vec![("x-amzn-requestid", "")], false),
            ("an answer from a cache", 200, vec![json, id, ("age", "30")], false),
        ] {
            let status = u16::try_into(status).unwrap();
            let mut answer = HttpResponse::new(status, "".into());
            for (key, value) in headers {
                answer.headers_mut().insert(key, value);
            }
            answer.headers_mut().insert("date", DATE);
            assert_eq!(date(&answer), expected.then_some(DATE), "{name}");
        }
    }

    #[test]
    fn it_shows_the_date_of_the_last_answer_and_what_has_passed_since() {
        let clock = Clock::default();
        assert_eq!(clock.now(), None);
        clock.note("soon");
        assert_eq!(clock.now(), None);
        for date in ["Sun, 30 Aug 2015 12:36:01 GMT", "Tue, 24 Nov 2026 22:14:49 GMT"] {
            clock.note(date);
            let shown = clock.now().unwrap();
            let expected = rfc2822::parse(date).unwrap().timestamp();
            assert!((0..5).contains(&shown.duration_since(expected).as_secs()), "{shown}");
            let clocks = Clocks::read();
            let hour = Duration::from_hours(1);
            *clock.0.lock() = Some((expected, clocks.moment_of(clocks.time() - hour)));
            let shown = clock.now().unwrap().duration_since(expected);
            assert!((3_600..3_605).contains(&shown.as_secs()), "{shown}");
        }
    }
}
