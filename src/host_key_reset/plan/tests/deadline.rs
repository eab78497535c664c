//! What waits or fails is looked at when the reset's time is up.

use super::*;

#[test]
fn what_waits_is_looked_at_when_its_time_is_up() {
    let next = |change: fn(&mut Desired, &mut Observed)| {
        let (mut desired, mut observed) = (desired(), observed());
        change(&mut desired, &mut observed);
        let step = plan(&desired, &observed);
        let (Step::Wait(verdict) | Step::TakeBack { verdict, .. }
            | Step::Progress { verdict, .. }) = step else { panic!("{step:?}") };
        verdict.next
    };
    let (hours, minutes) = (Duration::from_hours(6) + Duration::from_secs(1),
        Duration::from_mins(10) + Duration::from_secs(1));
    assert_eq!(next(|d, _| d.suspend = true), Next::After(hours), "until notAfter");
    assert_eq!(next(|_, o| o.failure = Some(failure(ErrorKind::Denied))),
        Next::BackoffWithin(hours));
    assert_eq!(next(|_, o| { begun(o); o.call = error(ErrorKind::Throttled); }),
        Next::BackoffWithin(minutes), "until the deadline");
    assert_eq!(next(|_, o| {
        found(o);
        o.turn = Turn::After(time("2026-11-24T12:00:07Z"));
    }), Next::After(Duration::from_secs(7)), "until the other's time is up");
}

#[test]
fn i8_what_keeps_failing_is_retried_when_its_time_is_up_and_not_each_second_then() {
    let within = |minutes: u64| Next::BackoffWithin(Duration::from_secs(minutes * 60 + 1));
    for (name, change, now, expected) in [
        ("before it begins, when it may not begin any more", found as fn(&mut Observed),
            "2026-11-24T12:00:00Z", within(6 * 60)),
        ("then at its deadline", begun, "2026-11-24T12:00:00Z", within(10)),
        ("which it may reach later than it may begin", begun, "2026-11-24T12:09:00Z", within(1)),
        ("and after that as every failure", begun, "2026-11-24T12:11:00Z", Next::Backoff),
    ] {
        let (mut desired, mut observed) = (desired(), observed());
        change(&mut observed);
        observed.now = time(now);
        if name.contains("later than it may begin") {
            desired.not_after = time("2026-11-24T12:01:00Z");
        }
        let verdict = Verdict::wait(Reason::KubernetesError, "a webhook refuses", Duration::ZERO);
        let verdict = Verdict { next: Next::Backoff, ..verdict };
        assert_eq!(until_its_end(&desired, &observed, verdict).next, expected, "{name}");
    }
}
