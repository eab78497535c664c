//! The rows of an operation that is known.

use super::*;
use super::super::follow::conclude;

/// The call was made, and its operation is under way.
fn under_way(observed: &mut Observed) {
    begun(observed);
    observed.status.operations = vec![operation("a", "Started", NOW)];
}

/// It has ended with this status.
fn ended(status: Option<&str>) -> Operation {
    let status = status.map(str::to_owned);
    Operation { status, is_terminal: Some(true), ..operation("a", "", NOW) }
}

/// An earlier call was refused and taken back. Lightsail made the operation of another one at this
/// time, if it says so, and does not know it 90 seconds after the start.
fn taken_back(observed: &mut Observed, created_at: Option<&str>) {
    under_way(observed);
    let created_at = created_at.map(str::to_owned);
    observed.status.operations = vec![Operation { created_at, ..operation("a", "Started", NOW) }];
    observed.status.lightsail_date = Some("2026-11-24T12:01:27Z".to_owned());
    observed.now = time("2026-11-24T12:01:30Z");
    observed.lightsail_date = Some(observed.now);
    observed.polled = Some((vec![None], observed.now));
}

#[test]
fn an_operation_is_followed_to_its_end() {
    check(&[
        ("it is looked up", |_, o| under_way(o), "PollOperations"),
        ("with an account", |_, o| { under_way(o); o.account = None; }, "Identify"),
        ("a wrong account is not asked for it",
         |_, o| { under_way(o); o.account = Some("9".into()); }, "Progress WrongAccount"),
        ("what is known of the answer does not stand in for a read",
         |_, o| { under_way(o); o.call = answer(o.status.operations.clone()); }, "PollOperations"),
        ("it is still under way",
         |_, o| {
             under_way(o);
             o.polled = Some((vec![Some(operation("a", "Started", NOW))], o.now));
         }, "Progress InProgress"),
        ("it is done",
         |_, o| {
             under_way(o);
             o.polled = Some((vec![Some(operation("a", "Completed", NOW))], o.now));
         }, "Complete OperationSucceeded"),
        ("it failed",
         |_, o| {
             under_way(o);
             o.polled = Some((vec![Some(operation("a", "Failed", NOW))], o.now));
         }, "Failed OperationFailed"),
        ("Lightsail may not know it yet",
         |_, o| { under_way(o); o.polled = Some((vec![None], o.now)); }, "Progress InProgress"),
        ("what was read then says nothing later", |_, o| {
            under_way(o);
            o.polled = Some((vec![None], o.now));
            o.now = later(o.now, SignedDuration::from_secs(81));
        }, "Progress InProgress"),
        ("Lightsail does not know it any more", |_, o| {
            under_way(o);
            o.now = time("2026-11-24T12:01:20Z");
            o.polled = Some((vec![None], o.now));
        }, "Failed OutcomeUnknown"),
        ("nor if it made it a moment ago, long after the start", |_, o| {
            taken_back(o, Some("2026-11-24T12:01:28Z"));
        }, "Progress InProgress"),
        ("nor if it was called a moment ago, as far as is known", |_, o| {
            taken_back(o, None);
        }, "Progress InProgress"),
        ("it made it long enough ago", |_, o| {
            taken_back(o, Some("2026-11-24T12:00:10Z"));
        }, "Failed OutcomeUnknown"),
        ("but that says nothing of a read from before that", |_, o| {
            taken_back(o, Some("2026-11-24T12:00:10Z"));
            o.polled = Some((vec![None], time("2026-11-24T12:01:29Z")));
        }, "Progress InProgress"),
        ("a read that fails is said",
         |_, o| { under_way(o); o.failure = Some(failure(ErrorKind::Denied)); },
             "Progress AccessDenied"),
        ("but not forever", |_, o| {
            under_way(o);
            o.failure = Some(failure(ErrorKind::Denied));
            o.now = time("2026-11-24T12:10:01Z");
        }, "Failed DeadlineExceeded"),
        ("nor is a wrong account", |_, o| {
            under_way(o);
            o.account = Some("9".into());
            o.now = time("2026-11-24T12:10:01Z");
        }, "Failed DeadlineExceeded"),
        ("after a long absence there is a last read",
         |_, o| { under_way(o); o.now = time("2026-11-24T18:00:00Z"); }, "PollOperations"),
        ("an answer that could not be written down is", |_, o| {
            begun(o);
            o.call = answer(vec![operation("a", "Succeeded", NOW)]);
            o.now = time("2026-11-24T12:05:00Z");
        }, "Complete OperationSucceeded"),
        ("it takes longer than it may", |_, o| {
            under_way(o);
            o.now = time("2026-11-24T12:10:01Z");
            o.polled = Some((vec![Some(operation("a", "Started", NOW))], o.now));
        }, "Failed DeadlineExceeded"),
        ("after a crash between answer and end it is not called again", |_, o| {
            begun(o);
            o.status.operations = vec![operation("a", "Succeeded", NOW)];
        }, "Complete OperationSucceeded"),
    ]);
}

#[test]
fn no_end_is_claimed_that_lightsail_does_not_show() {
    check(&[
        ("it ended in a way that Lightsail does not call a success", |_, o| {
            under_way(o);
            o.polled = Some((vec![Some(ended(Some("Started")))], o.now));
        }, "Failed OutcomeUnknown"),
        ("nor a failure", |_, o| {
            under_way(o);
            o.polled = Some((vec![Some(ended(Some("Rolling")))], o.now));
        }, "Failed OutcomeUnknown"),
        ("it ended, and nothing says how", |_, o| {
            under_way(o);
            o.polled = Some((vec![Some(ended(None))], o.now));
        }, "Failed OutcomeUnknown"),
        ("what has ended so may be on record", |_, o| {
            under_way(o);
            o.status.operations = vec![ended(Some("Rolling"))];
        }, "Failed OutcomeUnknown"),
        ("one of several is still under way", |_, o| {
            under_way(o);
            o.status.operations = vec![ended(None), operation("b", "Started", NOW)];
            o.polled = Some((vec![Some(operation("b", "Started", NOW))], o.now));
        }, "Progress InProgress"),
        ("an answer about another instance is none", |_, o| {
            under_way(o);
            let other = Some("web-2".to_owned());
            let done = Operation { resource_name: other, ..operation("a", "Succeeded", NOW) };
            o.polled = Some((vec![Some(done)], o.now));
        }, "Progress InProgress"),
        ("nor is one about another type of operation", |_, o| {
            under_way(o);
            let other = Some("DeleteInstance".to_owned());
            let done = Operation { type_: other, ..operation("a", "Failed", NOW) };
            o.polled = Some((vec![Some(done)], o.now));
        }, "Progress InProgress"),
        ("the type is on record, whatever Lightsail calls it", |_, o| {
            under_way(o);
            let type_ = Some("ForgetEverything".to_owned());
            let called = |status: &str| Operation { type_: type_.clone(), ..operation("a", status,
                NOW) };
            o.status.operations = vec![called("Started")];
            o.polled = Some((vec![Some(called("Succeeded"))], o.now));
        }, "Complete OperationSucceeded"),
        ("the instance is named in another case", |_, o| {
            under_way(o);
            let name = Some("WEB-1".to_owned());
            let done = Operation { resource_name: name, ..operation("a", "Succeeded", NOW) };
            o.polled = Some((vec![Some(done)], o.now));
        }, "Complete OperationSucceeded"),
    ]);
}

#[test]
fn an_end_that_says_nothing_is_told_by_its_status_and_asks_for_no_second_reset() {
    for (status, expected) in [(Some("Rolling"), "the status Rolling,"), (None, "no status,")] {
        let mut observed = observed();
        under_way(&mut observed);
        observed.status.operations = vec![ended(status)];
        let Step::End(end) = plan(&desired(), &observed) else { panic!("it is over") };
        assert!(end.message.contains(expected), "{}", end.message);
        assert!(end.message.contains("check the server's host key"), "{}", end.message);
        assert!(!end.message.contains("to try again"), "{}", end.message);
    }
}

/// When an operation is seen to be over that is over this long after the call, and how often it was
/// read by then. The call was answered this long after the start on record.
fn seen_over(over: Duration, answered: Duration) -> (Duration, u32) {
    let mut observed = observed();
    begun(&mut observed);
    let (start, mut waited, mut reads) = (observed.start().unwrap(), Duration::ZERO, 0);
    while waited < over {
        observed.now = start + answered + waited;
        let operations = vec![operation("a", "Started", NOW)];
        let Step::Progress { verdict, .. } = conclude(&desired(), &observed, operations) else {
            panic!("it is under way");
        };
        let Next::After(pause) = verdict.next else { panic!("it is read again") };
        waited += pause;
        reads += 1;
    }
    (waited, reads)
}

#[test]
fn what_is_over_soon_is_seen_soon_and_what_takes_long_is_read_seldom() {
    for (over, seen_by, most_reads) in [(300, 500, 2), (2_000, 2_400, 10), (590_000, 593_000, 215)]
    {
        for answered in [100, 1_100] {
            let (over, answered) = (Duration::from_millis(over), Duration::from_millis(answered));
            let (seen, reads) = seen_over(over, answered);
            assert!(seen <= Duration::from_millis(seen_by), "{over:?}: seen after {seen:?}");
            assert!(reads <= most_reads, "{over:?}: {reads} reads");
        }
    }
}
