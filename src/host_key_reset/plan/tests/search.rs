//! The rows of a call whose outcome is not known.

use super::*;

/// A list without operations was read at that time.
fn listed(observed: &mut Observed, at: &str) {
    observed.now = time(at);
    observed.operations = Some((Vec::new(), observed.now));
}

#[test]
fn a_clock_that_was_set_makes_no_deadline_shorter_or_longer() {
    check(&[
        ("set back: it is late by what this process knows", |_, o| {
            searching(o);
            o.failure = Some(failure(ErrorKind::Denied));
            o.status.start_time = Some(Time(time("2026-11-24T13:55:00Z")));
            o.started = Some(time("2026-11-24T11:49:00Z"));
            o.search.since = Some(time("2026-11-24T11:49:01Z"));
        }, "Failed DeadlineExceeded"),
        ("set forward: it is not", |_, o| {
            searching(o);
            o.failure = Some(failure(ErrorKind::Denied));
            o.status.start_time = Some(Time(time("2026-11-24T09:59:00Z")));
            o.started = Some(time("2026-11-24T11:59:00Z"));
        }, "Progress AccessDenied"),
    ]);
}

#[test]
fn an_operation_of_unknown_age_is_evidence_only_if_none_was_there_before() {
    check(&[
        ("one was there before", |_, o| {
            searching(o);
            o.status.last_operation_before = Some("long ago".to_owned());
            let found = Operation { created_at: None, ..operation("b", "Succeeded", NOW) };
            o.operations = Some((vec![found], o.now));
        }, "Progress InProgress"),
        ("none was", |_, o| {
            searching(o);
            let found = Operation { created_at: None, ..operation("b", "Succeeded", NOW) };
            o.operations = Some((vec![found], o.now));
        }, "Complete OperationSucceeded"),
    ]);
}

#[test]
fn an_operation_without_an_id_before_the_call_is_one_that_was_there() {
    fn nameless(created_at: Option<&str>) -> Operation {
        let created_at = created_at.map(str::to_owned);
        Operation { id: None, created_at, ..operation("", "Succeeded", NOW) }
    }
    /// The intent is from this second, and one without an id was there.
    fn listed(o: &mut Observed, operations: Vec<Operation>) {
        searching(o);
        o.status.last_operation_before = Some(String::new());
        o.status.lightsail_date = Some(NOW.to_owned());
        o.search.intent = Some(time(NOW));
        o.operations = Some((operations, o.now));
    }
    check(&[
        ("it is not taken for the call", |_, o| listed(o, vec![nameless(None)]),
         "Progress InProgress"),
        ("nor in the second of the intent", |_, o| listed(o, vec![nameless(Some(NOW))]),
         "Progress InProgress"),
        ("nor is another one whose age is unknown", |_, o| {
            let found = Operation { created_at: None, ..operation("b", "Succeeded", NOW) };
            listed(o, vec![found]);
        }, "Progress InProgress"),
        ("nor one of before the intent", |_, o| {
            listed(o, vec![operation("b", "Succeeded", "2026-11-24T11:59:59Z")]);
        }, "Progress InProgress"),
        ("nor one with a time, if Lightsail's clock is not known", |_, o| {
            listed(o, vec![operation("b", "Succeeded", NOW)]);
            (o.status.lightsail_date, o.search.intent) = (None, None);
        }, "Progress InProgress"),
        ("one of after the intent is", |_, o| {
            listed(o, vec![nameless(None), operation("b", "Succeeded", NOW)]);
        }, "Complete OperationSucceeded"),
    ]);
    let mut observed = observed();
    found(&mut observed);
    observed.operations = Some((vec![nameless(Some(NOW))], observed.now));
    let Step::WriteIntent { last_operation_before, .. } = plan(&desired(), &observed) else {
        panic!("nothing speaks against it");
    };
    assert_eq!(last_operation_before.as_deref(), Some(""), "it is on record that there was one");
}

#[test]
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn a_call_whose_outcome_is_not_known_is_looked_for_and_never_repeated() {
    check(&[
        ("the operations are listed",
         |_, o| { searching(o); o.operations = None; }, "ListOperations"),
        ("not by another account, to which it would look lost", |_, o| {
            searching(o);
            o.account = Some("9".into());
        }, "Progress WrongAccount"),
        ("a newer one is taken for it", |_, o| {
            searching(o);
            o.status.last_operation_before = Some("a".to_owned());
            o.operations = Some((vec![operation("b", "Succeeded", "2026-11-24T12:00:01Z"),
                operation("a", "Succeeded", NOW)], o.now));
        }, "Complete OperationSucceeded"),
        ("the call was answered, but not with an operation that has an id", |_, o| {
            searching(o);
            o.call = answer(vec![nameless("Started")]);
            o.operations = Some((vec![operation("b", "Succeeded", NOW)], o.now));
        }, "Complete OperationSucceeded"),
        ("nor may one be on record", |_, o| {
            searching(o);
            (o.status.operations, o.operations) = (vec![nameless("Started")], None);
        }, "ListOperations"),
        ("one without an id is followed by the list", |_, o| {
            searching(o);
            o.status.operations = vec![nameless("Started")];
            o.operations = Some((vec![nameless("Started")], o.now));
        }, "Progress InProgress"),
        ("to its end", |_, o| {
            searching(o);
            o.status.operations = vec![nameless("Started")];
            o.operations = Some((vec![nameless("Succeeded")], o.now));
        }, "Complete OperationSucceeded"),
        ("one that names another instance is not", |_, o| {
            searching(o);
            let other = Some("web-2".to_owned());
            let found = Operation { resource_name: other, ..operation("b", "Succeeded", NOW) };
            o.operations = Some((vec![found], o.now));
        }, "Progress InProgress"),
        ("one that was there before is not", |_, o| {
            searching(o);
            o.status.last_operation_before = Some("a".to_owned());
            o.operations = Some((vec![operation("a", "Succeeded", NOW), operation("0",
                "Succeeded", "2026-11-24T11:00:00Z")], o.now));
        }, "Progress InProgress"),
        ("nor is one of the same second: either may be the older one", |_, o| {
            searching(o);
            o.status.last_operation_before = Some("a".to_owned());
            o.operations = Some((vec![operation("b", "Succeeded", NOW),
                operation("a", "Succeeded", NOW)], o.now));
        }, "Progress InProgress"),
        ("any is, if none was there before", |_, o| {
            searching(o);
            o.operations = Some((vec![operation("b", "Failed", NOW)], o.now));
        }, "Failed OperationFailed"),
        ("and if the one before is not listed any more", |_, o| {
            searching(o);
            o.status.last_operation_before = Some("long ago".to_owned());
            o.operations = Some((vec![operation("b", "Started", NOW)], o.now));
        }, "Progress InProgress"),
        ("not if another reset has it on record", |_, o| {
            searching(o);
            o.operations = Some((vec![operation("b", "Succeeded", NOW)], o.now));
            o.operations_of_others = vec![known("b", None)];
        }, "Progress InProgress"),
        ("not if Lightsail created it before the intent", |_, o| {
            searching(o);
            o.status.lightsail_date = Some(NOW.to_owned());
            o.search.intent = Some(time(NOW));
            o.operations = Some((vec![operation("b", "Succeeded", "2026-11-24T11:59:59.9Z")],
                o.now));
        }, "Progress InProgress"),
        ("one of the same second is", |_, o| {
            searching(o);
            o.status.lightsail_date = Some(NOW.to_owned());
            o.search.intent = Some(time(NOW));
            o.operations = Some((vec![operation("b", "Succeeded", "2026-11-24T12:00:00.1Z")],
                o.now));
        }, "Complete OperationSucceeded"),
        ("the oldest of several is", |_, o| {
            searching(o);
            o.operations = Some((vec![operation("c", "Failed", "2026-11-24T12:00:02Z"),
                operation("b", "Succeeded", NOW)], o.now));
        }, "Complete OperationSucceeded"),
        ("a read that fails is said",
         |_, o| { searching(o); o.failure = Some(failure(ErrorKind::Denied)); },
             "Progress AccessDenied"),
        ("but not forever: nothing tells what became of it", |_, o| {
            searching(o);
            o.failure = Some(failure(ErrorKind::Denied));
            o.now = time("2026-11-24T12:10:01Z");
        }, "Failed DeadlineExceeded"),
        ("nor before it had the time that it needs, however short the deadline is", |d, o| {
            searching(o);
            d.deadline = SignedDuration::from_secs(60);
            o.failure = Some(failure(ErrorKind::Denied));
            o.now = time("2026-11-24T12:02:00Z");
        }, "Progress AccessDenied"),
        ("one of another kind is not", |_, o| {
            searching(o);
            let other = Operation { type_: Some("StopInstance".to_owned()), ..operation("b",
                "Succeeded", NOW) };
            o.operations = Some((vec![other], o.now));
        }, "Progress InProgress"),
        ("a list that is as old as the call may be proves nothing", |_, o| {
            searching(o);
            listed(o, "2026-11-24T12:00:19Z");
        }, "Progress InProgress"),
        ("nor does one that is as old as a call of a leader that has lost its lease", |_, o| {
            searching(o);
            o.lease_duration = SignedDuration::from_secs(15);
            listed(o, "2026-11-24T12:00:34Z");
        }, "Progress InProgress"),
        ("a later list is the first that counts", |_, o| {
            searching(o);
            listed(o, "2026-11-24T12:00:20Z");
        }, "First list"),
        ("a second one too soon does not count", |_, o| {
            searching(o);
            o.search.first_list = Some(time("2026-11-24T12:00:20Z"));
            listed(o, "2026-11-24T12:01:19Z");
        }, "Progress InProgress"),
        ("I6: a second one later ends it, without another call", |_, o| {
            searching(o);
            o.search.first_list = Some(time("2026-11-24T12:00:20Z"));
            listed(o, "2026-11-24T12:01:20Z");
        }, "Failed OutcomeUnknown"),
        ("I6: not by the first one again, after a nap", |_, o| {
            searching(o);
            o.search.first_list = Some(time("2026-11-24T12:00:20Z"));
            listed(o, "2026-11-24T12:00:20Z");
            o.now = time("2026-11-24T12:05:00Z");
        }, "Progress InProgress"),
    ]);
}

#[test]
fn a_search_without_a_result_ends_with_the_error_of_the_call() {
    let message = |call| {
        let (desired, mut observed) = (desired(), observed());
        searching(&mut observed);
        observed.search.first_list = Some(time("2026-11-24T12:00:20Z"));
        listed(&mut observed, "2026-11-24T12:01:20Z");
        observed.call = call;
        let Step::End(end) = plan(&desired, &observed) else { panic!("it goes on") };
        end.message
    };
    let failed = message(error(ErrorKind::OperationFailed));
    assert!(failed.contains("the call failed ("), "{failed}");
    // The process that made the call is gone.
    let unknown = message(None);
    assert!(unknown.contains("no record of a response"), "{unknown}");
}

#[test]
fn only_what_was_never_about_to_be_called_says_that_nothing_was_reset() {
    let over: [fn(&mut Desired, &mut Observed); 4] = [
        |d, _| d.not_after = time("2026-11-24T11:59:59Z"),
        |_, o| o.status.start_time = Some(Time(time("2026-11-24T11:49:59Z"))),
        |_, o| o.instance = looked(None, o.now),
        |d, _| d.instance_arn = Some("arn:other".into()),
    ];
    for over in over {
        for (is_interrupted, expected) in
            [(false, "nothing was reset"), (true, "as far as Lightsail's operations show, nothing")]
        {
            let (mut desired, mut observed) = (desired(), observed());
            found(&mut observed);
            if is_interrupted {
                made_sure(&mut observed);
            }
            over(&mut desired, &mut observed);
            let Step::End(end) = plan(&desired, &observed) else { panic!("it is over") };
            assert!(end.message.starts_with(expected), "{}", end.message);
            assert_eq!(end.called, is_interrupted, "{}", end.message);
        }
    }
}

#[test]
fn a_search_lists_again_in_its_interval_and_when_a_window_ends() {
    let pause = |change: fn(&mut Observed)| {
        let mut observed = observed();
        searching(&mut observed);
        change(&mut observed);
        let Step::Progress { verdict, .. } = plan(&desired(), &observed) else { panic!("it ends") };
        verdict.next
    };
    let (interval, timer) = (Next::Meanwhile(Duration::from_secs(15)), Duration::from_millis(10));
    assert_eq!(pause(|o| listed(o, NOW)), interval);
    assert_eq!(pause(|o| listed(o, "2026-11-24T12:00:18Z")),
        Next::Meanwhile(Duration::from_secs(2) + timer), "no later than a call can be answered");
    assert_eq!(pause(|o| {
        o.search.first_list = Some(time("2026-11-24T12:00:20Z"));
        listed(o, "2026-11-24T12:00:30Z");
    }), interval);
    assert_eq!(pause(|o| {
        o.search.first_list = Some(time("2026-11-24T12:00:20Z"));
        listed(o, "2026-11-24T12:01:19Z");
    }), Next::Meanwhile(Duration::from_secs(1) + timer), "no later than the settle time ends");
    assert_eq!(pause(|o| {
        o.search_interval = Duration::from_millis(500);
        listed(o, NOW);
    }), Next::Meanwhile(Duration::from_millis(500)));
}

#[test]
fn nobody_is_told_to_look_for_an_id_that_is_not_there() {
    for (listed, expected) in [
        (nameless("Started"), "get-operations-for-resource --region REGION --resource-name web-1"),
        (operation("b", "Started", NOW), "get-operation --region REGION --operation-id ID"),
    ] {
        let mut observed = observed();
        searching(&mut observed);
        observed.now = time("2026-11-24T12:10:01Z");
        observed.operations = Some((vec![listed], observed.now));
        let Step::End(end) = plan(&desired(), &observed) else { panic!("its time is over") };
        assert_eq!(end.reason, Reason::DeadlineExceeded);
        assert!(end.message.contains(expected), "{}", end.message);
    }
    let mut observed = observed();
    searching(&mut observed);
    observed.call = answer(vec![nameless("Started")]);
    observed.search.first_list = Some(time("2026-11-24T12:00:20Z"));
    listed(&mut observed, "2026-11-24T12:02:00Z");
    let Step::End(end) = plan(&desired(), &observed) else { panic!("it was searched for") };
    assert!(end.message.contains("does not show its operation"), "{}", end.message);
}
