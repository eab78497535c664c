//! What a step carries, so that whoever does it decides nothing.

use super::*;

#[test]
fn only_its_own_mark_is_taken_off() {
    let own = mark("own", MarkState::Started);
    for (name, mark, expected) in [
        ("its own", Some(own), true),
        ("none", None, false),
        ("that of another object", Some(mark("other", MarkState::Started)), false),
    ] {
        let mut observed = observed();
        intended(&mut observed);
        observed.mark = mark;
        observed.call = error(ErrorKind::Throttled);
        let Step::TakeBack { remove_mark, .. } = plan(&desired(), &observed) else {
            panic!("{name}: the call was refused");
        };
        assert_eq!(remove_mark, expected, "{name}");
    }
}

#[test]
fn i6_what_was_there_before_a_throttled_call_stays_on_record() {
    let waited_too_long = || {
        let error = failure(ErrorKind::Throttled);
        Some(Err(Error { code: "WaitedTooLong".to_owned(), ..error }))
    };
    for (name, call, expected) in [
        ("Lightsail throttled it", error(ErrorKind::Throttled), true),
        ("it waited for its turn in vain, and was never sent", waited_too_long(), false),
        ("it was denied", error(ErrorKind::Denied), false),
    ] {
        let mut observed = observed();
        begun(&mut observed);
        observed.status.lightsail_date = Some(NOW.to_owned());
        observed.call = call;
        let Step::TakeBack { was_throttled, .. } = plan(&desired(), &observed) else {
            panic!("{name}");
        };
        record::take_back(&mut observed.status, was_throttled);
        assert_eq!(observed.status.attempts, 0, "{name}");
        assert_eq!(observed.status.lightsail_date.is_some(), expected, "{name}");
    }
}

#[test]
fn only_operations_that_are_under_way_are_looked_up_and_the_others_stay_as_they_are() {
    let mut observed = observed();
    begun(&mut observed);
    let nameless = Operation { id: None, ..operation("", "Succeeded", NOW) };
    observed.status.operations = vec![
        operation("a", "Succeeded", NOW),
        operation("b", "Started", NOW),
        nameless.clone(),
        operation("c", "NotStarted", NOW),
    ];
    let ids = vec!["b".to_owned(), "c".to_owned()];
    let expected = Step::Read(ReadStep::PollOperations { ids });
    assert_eq!(plan(&desired(), &observed), expected);
    let polled = vec![Some(operation("b", "Completed", NOW)), Some(operation("c", "Started", NOW))];
    observed.polled = Some((polled, observed.now));
    let Step::Progress { operations, .. } = plan(&desired(), &observed) else {
        panic!("it is under way");
    };
    assert_eq!(operations, [
        operation("a", "Succeeded", NOW),
        operation("b", "Completed", NOW),
        nameless,
        operation("c", "Started", NOW),
    ]);
    // Who is lost is reported, whatever stands before it.
    observed.now = time("2026-11-24T12:01:20Z");
    observed.polled = Some((vec![Some(operation("b", "Completed", NOW)), None], observed.now));
    let Step::End(end) = plan(&desired(), &observed) else { panic!("it is lost") };
    assert!(end.message.contains("operation c"), "{}", end.message);
}

#[test]
fn what_is_known_of_some_operations_is_kept_if_others_are_not_known() {
    let mut observed = observed();
    begun(&mut observed);
    let is = |id, status| operation(id, status, NOW);
    observed.status.operations = vec![is("a", "Started"), is("b", "Started")];
    let (soon, late) = (observed.now, time("2026-11-24T12:01:20Z"));
    for (name, now, status, expected) in [
        ("not known yet", soon, "Completed", "Progress InProgress"),
        ("not known any more", late, "Completed", "Failed OutcomeUnknown"),
        ("it does not matter any more", soon, "Failed", "Failed OperationFailed"),
        ("nor later", late, "Failed", "Failed OperationFailed"),
    ] {
        observed.now = now;
        observed.polled = Some((vec![None, Some(is("b", status))], now));
        let step = plan(&desired(), &observed);
        assert_eq!(word(&step), expected, "{name}");
        let (Step::Progress { operations, .. } | Step::End(End { operations, .. })) = step else {
            panic!("{name}: {step:?}");
        };
        assert_eq!(operations, [is("a", "Started"), is("b", status)], "{name}");
    }
}

#[test]
fn what_a_lookup_leaves_out_stays_on_record() {
    let mut observed = observed();
    begun(&mut observed);
    observed.status.operations = vec![operation("a", "Started", NOW)];
    let bare = Operation { status: Some("Started".to_owned()), ..Operation::default() };
    observed.polled = Some((vec![Some(bare)], observed.now));
    let Step::Progress { operations, .. } = plan(&desired(), &observed) else {
        panic!("it is under way");
    };
    assert_eq!(operations, [operation("a", "Started", NOW)]);
}

#[test]
fn a_shared_read_is_at_most_half_a_call_timeout_old() {
    let (mut desired, mut observed) = (desired(), observed());
    desired.instance_tags.insert("team".to_owned(), "team-a".to_owned());
    observed.call_timeout = SignedDuration::from_secs(30);
    let fresh_for = Duration::from_secs(15);
    let expected = Step::Read(ReadStep::FindSharedInstance { fresh_for });
    assert_eq!(plan(&desired, &observed), expected);
}

#[test]
fn i6_under_a_mark_that_is_not_there_nothing_is_called() {
    check(&[
        ("one that a webhook removed", |_, o| {
            intended(o);
            (o.marked_at, o.mark_accepted) = (Some(o.now), Some(MarkState::Started));
        }, "TakeBack"),
        ("one that was replaced by that of another object", |_, o| {
            intended(o);
            (o.marked_at, o.mark_accepted) = (Some(o.now), Some(MarkState::Started));
            o.mark = Some(mark("other", MarkState::Started));
        }, "TakeBack"),
    ]);
}

/// A policy or a webhook removes it, or the CRD does not know it. With the mark alone, the object
/// would pass for a copy whose call was made.
#[test]
fn i6_under_an_intent_that_is_not_there_no_mark_is_written() {
    let mut observed = observed();
    intended(&mut observed);
    observed.status.attempts = 0;
    let Step::Wait(verdict) = plan(&desired(), &observed) else { panic!("nothing was called") };
    assert_eq!(verdict.reason, Reason::KubernetesError);
    assert!(verdict.message.contains("does not keep status.attempts"), "{}", verdict.message);
}

#[test]
fn i8_whoever_removes_the_mark_is_named_and_a_record_stays_as_it_is() {
    let mut observed = observed();
    intended(&mut observed);
    observed.mark_accepted = Some(MarkState::Started);
    let Step::TakeBack { verdict, remove_mark, .. } = plan(&desired(), &observed) else {
        panic!("nothing was called");
    };
    assert!(!remove_mark, "there is none");
    let end = MarkState::Failed(String::new());
    (observed.mark_accepted, observed.end) = (Some(end.clone()), Some(end));
    let Step::Hinder(of_end) = plan(&desired(), &observed) else { panic!("it is over") };
    for verdict in [verdict, of_end] {
        assert_eq!(verdict.reason, Reason::KubernetesError);
        assert!(verdict.message.contains("does not keep the annotation"), "{}", verdict.message);
    }
}

#[test]
fn an_unfinished_reset_is_reported_and_one_that_is_over_stays_over() {
    let desired = desired();
    let step = |change: fn(&mut Observed)| {
        let mut observed = observed();
        change(&mut observed);
        let verdict = Verdict::wait(Reason::KubernetesError, "a webhook refuses", Duration::ZERO);
        let verdict = Verdict { next: Next::Backoff, ..verdict };
        unfinished(&desired, &observed, verdict)
    };
    let Step::Wait(verdict) = step(begun) else { panic!("it is not over") };
    let deadline = Duration::from_mins(10) + Duration::from_secs(1);
    assert_eq!(verdict.next, Next::BackoffWithin(deadline));
    let Step::Hinder(verdict) = step(|o| o.end = Some(MarkState::Failed(String::new()))) else {
        panic!("it is over");
    };
    assert_eq!((verdict.reason, verdict.next), (Reason::KubernetesError, Next::Backoff));
}

#[test]
fn only_what_surely_did_not_write_the_mark_of_a_call_takes_it_back() {
    use crate::error::Error as Failure;
    use crate::kube_error::NotSent;
    let answer = |code| {
        let status = kube::core::Status::failure("a policy says no", "Forbidden").with_code(code);
        Failure::from(kube::Error::Api(status.boxed()))
    };
    let not_sent = || Failure::from(kube::Error::Service(NotSent.into()));
    let over = MarkState::Succeeded("a".to_owned());
    for (name, state, failure, expected) in [
        ("a policy refuses it", &MarkState::Started, answer(403), true),
        ("it was never sent", &MarkState::Started, not_sent(), true),
        ("nobody knows whether it was written", &MarkState::Started, answer(500), false),
        ("somebody else wrote the object", &MarkState::Started, answer(409), false),
        ("the Lease is too old", &MarkState::Started, Failure::NotLeading, false),
        ("the mark of an end", &over, answer(403), false),
    ] {
        assert_eq!(unwritten_mark(state, failure).is_ok(), expected, "{name}");
    }
}
