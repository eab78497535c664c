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
fn what_keeps_a_reset_from_its_call_says_that_nothing_was_reset_and_until_when_it_is_retried() {
    let message = |change: fn(&mut Observed)| {
        let mut observed = observed();
        change(&mut observed);
        let step = plan(&desired(), &observed);
        let (Step::Wait(verdict) | Step::TakeBack { verdict, .. }
            | Step::Progress { verdict, .. }) = step else { panic!("{step:?}") };
        verdict.message
    };
    let until = |time: &str| format!("; nothing has been reset so far, and the operator retries \
        until {time}; to cancel the reset, delete this object");
    let before = until("2026-11-24T18:00:00Z");
    let denied: fn(&mut Observed) = |o| o.failure = Some(failure(ErrorKind::Denied));
    assert_eq!(message(denied), format!("Code: message{before}"));
    assert!(message(|o| o.grant = Grant::Required).ends_with(&before));
    // It has begun, and its call was refused.
    let after = until("2026-11-24T12:10:00Z");
    let refused = message(|o| { begun(o); o.call = error(ErrorKind::Throttled); });
    assert!(refused.ends_with(&after), "{refused}");
    // What was done under an intent of before is not known.
    let unsure = message(|o| { made_sure(o); o.failure = Some(failure(ErrorKind::Denied)); });
    assert_eq!(unsure, "Code: message");
    // An end repeats the cause alone.
    let mut observed = observed();
    let ready = Conditions::new(&[], 1, observed.now);
    let shown = message(denied);
    observed.status.conditions =
        ready.with(READY, "False", Reason::AccessDenied, &shown).into_list();
    observed.now = time("2026-11-24T18:00:01Z");
    let Step::End(end) = plan(&desired(), &observed) else { panic!("it is too late") };
    assert!(end.message.contains("(last seen: AccessDenied: Code: message);"), "{}", end.message);
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
