//! The rows of what comes before the call, and of the call.

use super::*;

#[test]
fn before_the_intent_nothing_is_called() {
    check(&[
        ("an object that is being deleted is left", |d, _| d.deleting = true, "Leave"),
        ("a suspended one reads nothing",
         |d, o| { d.suspend = true; o.account = None; }, "Wait Suspended"),
        ("one that comes too late ends",
         |d, o| { d.not_after = time("2026-11-24T11:59:59Z"); o.account = None; },
             "Failed Expired"),
        ("and not a moment before",
         |d, o| { d.not_after = time(NOW); o.account = None; }, "Identify"),
        ("a suspended one expires too",
         |d, _| { d.not_after = time("2026-11-24T11:59:59Z"); d.suspend = true; },
             "Failed Expired"),
        ("the account comes first", |_, o| o.account = None, "Identify"),
        ("a wrong account is said",
         |_, o| o.status.account_id = Some("999999999999".to_owned()), "Wait WrongAccount"),
        ("so is another one than the pinned",
         |d, _| d.pinned_account = Some("999999999999".into()), "Wait WrongAccount"),
        ("whatever goes wrong is said",
         |_, o| { o.account = None; o.failure = Some(failure(ErrorKind::BadCredentials)); },
             "Wait InvalidCredentials"),
        ("a search under an earlier intent says nothing", |_, o| {
            searching(o);
            o.status.lightsail_date = Some(NOW.to_owned());
            o.search.intent = Some(time("2026-11-24T11:00:00Z"));
            o.search.first_list = Some(time("2026-11-24T11:58:00Z"));
        }, "Begin search"),
        ("a read that fails is said",
         |_, o| o.failure = Some(failure(ErrorKind::Denied)), "Wait AccessDenied"),
        ("until it is too late",
         |d, o| { o.failure = Some(failure(ErrorKind::Denied));
             d.not_after = time("2026-11-24T11:59:59Z"); }, "Failed Expired"),
        ("then the turn", |_, _| {}, "TakeTurn"),
        ("whoever waits for it asks Lightsail nothing",
         |_, o| o.turn = Turn::After(time("2026-11-24T12:05:00Z")), "Wait WaitingForTurn"),
        ("then the instance", |_, o| o.turn = Turn::Taken, "FindInstance"),
        ("a read from before a nap is none", |_, o| {
            found(o);
            o.instance = looked(web(&[]), time("2026-11-24T11:59:39Z"));
        }, "FindInstance"),
        ("an instance that is not there ends it", |_, o| {
            found(o);
            o.instance = looked(None, o.now);
        }, "Failed InstanceNotFound"),
        ("another instance of that name ends it",
         |d, o| { found(o); d.instance_arn = Some("arn:other".into()); },
             "Failed PreconditionFailed"),
        ("the right one does not",
         |d, o| { found(o); d.instance_arn = Some("arn".into()); }, "ListOperations"),
        ("then its operations", |_, o| found(o), "ListOperations"),
        ("then the intent",
         |_, o| { found(o); o.operations = Some((Vec::new(), o.now)); }, "WriteIntent"),
        ("but not if the Lease might not outlive the call", |_, o| {
            found(o);
            (o.operations, o.lease_outlives_call) = (Some((Vec::new(), o.now)), false);
        }, "AwaitLease"),
        ("nor is the mark written then",
         |_, o| { intended(o); o.lease_outlives_call = false; }, "AwaitLease"),
        ("between the mark and the call it is not waited for", |_, o| {
            begun(o);
            (o.marked_at, o.lease_outlives_call) = (Some(o.now), false);
        }, "Call"),
        ("then the mark", |_, o| intended(o), "Mark Started"),
        ("one that is refused was not written, so nothing was called", |_, o| {
            intended(o);
            let why = "a policy says no";
            let message = crate::engine::message::Message::RefusedByKubernetes { why };
            o.mark_unwritten = Some(Verdict::retried(&message));
        }, "TakeBack"),
        ("a reset that was refused until its deadline ends", |_, o| {
            begun(o);
            o.status.attempts = 0;
            o.status.conditions = Conditions::new(&[], 1, o.now).with(READY, "False",
                Reason::Throttled,
                "").into_list();
            o.mark = None;
            o.now = time("2026-11-24T12:10:01Z");
        }, "Failed DeadlineExceeded"),
        ("and can be suspended in between",
         |d, o| { begun(o); o.status.attempts = 0; o.mark = None; d.suspend = true; },
             "Wait Suspended"),
    ]);
}

#[test]
fn the_mark_of_another_object_is_reported_once_and_counts_for_nothing() {
    check(&[
        ("a copy with the mark of another object", |_, o| {
            o.mark = Some(mark("other", MarkState::Started));
            o.foreign_mark_reported = false;
        }, "ReportForeignMark"),
        ("begins as any other", |_, o| o.mark = Some(mark("other", MarkState::Started)),
         "TakeTurn"),
        ("it is not reported again by the next reconciliation", |_, o| {
            o.mark = Some(mark("other", MarkState::Started));
            (o.foreign_mark_reported, o.status.observed_generation) = (false, 1);
        }, "TakeTurn"),
        ("nor is its own mark", |_, o| {
            o.mark = Some(mark("own", MarkState::Started));
            o.foreign_mark_reported = false;
        }, "Failed OutcomeUnknown"),
    ]);
}

#[test]
fn the_end_says_what_the_last_trouble_was() {
    let (mut desired, mut observed) = (desired(), observed());
    desired.not_after = time("2026-11-24T11:59:59Z");
    observed.status.conditions =
        Conditions::new(&[], 1, observed.now).with(READY, "False", Reason::AccessDenied,
            "not authorized").into_list();
    let Step::End(end) = plan(&desired, &observed) else { panic!("it is over") };
    assert!(end.message.contains("AccessDenied: not authorized"), "{}", end.message);
    assert!(!end.called);
}

#[test]
fn a_deadline_is_told_by_the_start_on_record() {
    let (mut desired, mut observed) = (desired(), observed());
    desired.deadline = SignedDuration::from_secs(30);
    observed.status.start_time = Some(Time(time("2026-11-24T11:59:00Z")));
    // As this process knows it, by another clock.
    observed.started = Some(time("2026-11-24T11:59:00.00000001Z"));
    let Step::End(end) = plan(&desired, &observed) else { panic!("it is over") };
    assert!(end.message.contains("ran out at 2026-11-24T11:59:30Z"), "{}", end.message);
}

#[test]
fn the_intent_remembers_the_newest_operation_of_the_kind() {
    let mut observed = observed();
    found(&mut observed);
    let other = Operation { type_: Some("StopInstance".to_owned()), ..operation("c", "Succeeded",
        "2026-11-24T11:59:00Z") };
    observed.operations = Some((vec![
        operation("b", "Succeeded", "2026-11-24T11:00:00Z"),
        operation("a", "Succeeded", "2026-11-24T10:00:00Z"),
        other,
    ], observed.now));
    let expected = Step::WriteIntent { last_operation_before: Some("b".to_owned()),
        instance_arn: "arn".into(), shows_caller: true };
    assert_eq!(plan(&desired(), &observed), expected);
}

/// Its object may be gone before the call is searched for.
#[test]
fn i6_the_intent_remembers_the_operation_of_another_reset_that_is_not_listed_yet() {
    let last_before = |others: Vec<KnownOperation>, date: Option<&str>| {
        let mut observed = observed();
        found(&mut observed);
        observed.lightsail_date = date.map(time);
        let listed = operation("b", "Succeeded", "2026-11-24T11:00:00Z");
        observed.operations = Some((vec![listed], observed.now));
        observed.operations_of_others = others;
        let step = plan(&desired(), &observed);
        let Step::WriteIntent { last_operation_before, .. } = step else { panic!("{step:?}") };
        last_operation_before.unwrap()
    };
    let (early, late) = ("2026-11-24T10:00:00Z", "2026-11-24T11:59:59Z");
    let both = || vec![known("y", Some(late)), known("x", Some("2026-11-24T11:30:00Z"))];
    assert_eq!(last_before(both(), Some(NOW)), "y", "the newest");
    assert_eq!(last_before(both(), None), "b", "nothing else would tell what is older");
    assert_eq!(last_before(vec![known("x", Some(early))], Some(NOW)), "b", "it is newer");
    assert_eq!(last_before(vec![known("x", None)], Some(NOW)), "b", "it may be newer");
}

#[test]
fn a_reset_that_was_interrupted_begins_again_when_nothing_shows_a_call() {
    check(&[
        ("I6: an intent without a mark may have been called under: the mark may be taken off",
         |_, o| interrupted(o), "Begin search"),
        ("it is looked for",
         |_, o| { interrupted(o); o.search.since = Some(time(NOW)); }, "ListOperations"),
        ("I6: one list proves nothing", |_, o| {
            interrupted(o);
            o.search.since = Some(time(NOW));
            o.operations = Some((Vec::new(), o.now));
        }, "Progress InProgress"),
        ("nor does one as old as the second that must come later", |_, o| {
            made_sure(o);
            o.search.first_list = Some(time("2026-11-24T11:59:00.1Z"));
        }, "Progress InProgress"),
        ("what an earlier intent was searched for says nothing", |_, o| {
            made_sure(o);
            o.status.lightsail_date = Some(NOW.to_owned());
        }, "Begin search"),
        ("with two lists, far enough apart, it goes on from a new read",
         |_, o| made_sure(o), "FindInstance"),
        ("and writes down anew what was there before",
         |_, o| { made_sure(o); found(o); }, "WriteIntent"),
        ("I6: not if it was done meanwhile", |_, o| {
            interrupted(o);
            o.search.since = Some(time(NOW));
            o.operations = Some((vec![operation("a", "Succeeded", NOW)], o.now));
        }, "Complete OperationSucceeded"),
        ("I6: nor if what was done meanwhile names another instance", |_, o| {
            made_sure(o);
            let other = Some("web-2".to_owned());
            let found = Operation { resource_name: other, ..operation("a", "Succeeded", NOW) };
            o.operations = Some((vec![found], o.now));
        }, "Failed OutcomeUnknown"),
        ("I6: nor if one of unknown age may have been done meanwhile", |_, o| {
            made_sure(o);
            o.status.last_operation_before = Some("b".to_owned());
            let found = Operation { created_at: None, ..operation("a", "Succeeded", NOW) };
            o.operations = Some((vec![found], o.now));
        }, "Failed OutcomeUnknown"),
        ("it has its turn",
         |_, o| { made_sure(o); found(o); o.turn = Turn::NotAsked; }, "WriteIntent"),
        ("suspended or not", |d, o| { made_sure(o); d.suspend = true; }, "FindInstance"),
        ("but not on another instance of that name",
         |d, o| { made_sure(o); found(o);
             d.instance_arn = Some("arn:other".into()); }, "Failed PreconditionFailed"),
        ("nor when it is too late",
         |d, o| { made_sure(o); d.not_after = time("2026-11-24T11:59:59Z"); },
             "Failed Expired"),
        ("that is said when it is known that nothing was called",
         |d, o| { interrupted(o); d.not_after = time("2026-11-24T11:59:59Z"); },
             "Begin search"),
        ("nor when its deadline is over",
         |_, o| { made_sure(o); o.now = time("2026-11-24T12:10:01Z"); },
             "Failed DeadlineExceeded"),
        ("which a search may outlast", |_, o| {
            interrupted(o);
            o.now = time("2026-11-24T12:10:01Z");
            o.search.since = Some(time("2026-11-24T12:09:01Z"));
            o.operations = Some((Vec::new(), o.now));
        }, "First list"),
        ("nor for an object that is being deleted",
         |d, o| { interrupted(o); d.deleting = true; }, "Leave"),
        ("and finds out the account first",
         |_, o| { made_sure(o); o.account = None; }, "Identify"),
        ("a wrong account begins nothing",
         |_, o| { made_sure(o); o.account = Some("9".into()); },
             "Progress WrongAccount"),
    ]);
}

#[test]
fn the_call_is_made_once() {
    check(&[
        ("also with the mark of another object",
         |_, o| { intended(o); o.mark = Some(mark("other", MarkState::Started)); }, "Mark Started"),
        ("I7: a read from before a nap does not do",
         |_, o| { intended(o); o.now = time("2026-11-24T12:00:21Z"); }, "FindInstance"),
        ("I6: the call follows the mark of the same reconciliation",
         |_, o| { begun(o); o.marked_at = Some(o.now); }, "Call"),
        ("not when it has become too late meanwhile",
         |d, o| { begun(o); o.marked_at = Some(o.now); d.not_after = time("2026-11-24T11:59:59Z");
             }, "Failed Expired"),
        ("nor when the deadline is over",
         |_, o| { begun(o); o.now = time("2026-11-24T12:10:01Z"); o.marked_at = Some(o.now); },
             "Failed DeadlineExceeded"),
        ("I6: but not after a nap, when others may have looked for it and found nothing", |_, o| {
            begun(o);
            o.marked_at = Some(time("2026-11-24T11:59:39Z"));
        }, "TakeBack"),
        ("a webhook may take as long as the Lease lasts", |_, o| {
            begun(o);
            o.lease_duration = SignedDuration::from_secs(21);
            o.marked_at = Some(time("2026-11-24T11:59:39Z"));
        }, "Call"),
        ("I7: but not after a read of the instance that is much older", |_, o| {
            intended(o);
            begun(o);
            o.lease_duration = SignedDuration::from_secs(21);
            o.marked_at = Some(time("2026-11-24T11:59:39Z"));
            o.instance.as_mut().unwrap().at = time("2026-11-24T11:59:00Z");
        }, "TakeBack"),
        ("I6: a mark of an earlier reconciliation is never followed by a call",
         |_, o| begun(o), "Begin search"),
        ("an answer without operations is a success",
         |_, o| { begun(o); o.call = answer(Vec::new()); }, "Complete OperationSucceeded"),
        ("both words for success are one", |_, o| {
            begun(o);
            o.call = answer(vec![operation("a", "Succeeded", NOW), operation("b", "Completed",
                NOW)]);
        }, "Complete OperationSucceeded"),
        ("an answer about another instance is none", |_, o| {
            begun(o);
            let other = Some("web-2".to_owned());
            let done = Operation { resource_name: other, ..operation("a", "Succeeded", NOW) };
            o.call = answer(vec![done]);
        }, "Begin search"),
        ("I6: nor is one about an operation that nobody can ask for",
         |_, o| { begun(o); o.call = answer(vec![nameless("Started")]); }, "Begin search"),
        ("whatever else it says", |_, o| {
            begun(o);
            o.call = answer(vec![Operation::default(), operation("a", "Succeeded", NOW)]);
        }, "Begin search"),
        ("unless it is over",
         |_, o| { begun(o); o.call = answer(vec![nameless("Succeeded")]); },
             "Complete OperationSucceeded"),
        ("one of several that failed fails it", |_, o| {
            begun(o);
            o.call = answer(vec![operation("a", "Succeeded", NOW), operation("b", "Failed", NOW)]);
        }, "Failed OperationFailed"),
        ("an operation that takes time is followed", |_, o| {
            begun(o);
            o.call = answer(vec![operation("a", "NotStarted", NOW)]);
        }, "Progress InProgress"),
        ("throttling proves that nothing was done",
         |_, o| { begun(o); o.call = error(ErrorKind::Throttled); }, "TakeBack"),
        ("so does a denial", |_, o| { begun(o); o.call = error(ErrorKind::Denied); }, "TakeBack"),
        ("and a region that is being set up",
         |_, o| { begun(o); o.call = error(ErrorKind::RegionSetup); }, "TakeBack"),
        ("and a connection that was refused",
         |_, o| { begun(o); o.call = error(ErrorKind::NeverSent); }, "TakeBack"),
        ("and a Lease that might not have outlived the call: it was not sent",
         |_, o| { begun(o); o.call = error(ErrorKind::NotLeading); }, "TakeBack"),
        ("and an account that changed before its turn came: it was not sent",
         |_, o| { begun(o); o.call = error(ErrorKind::Outdated); }, "TakeBack"),
        ("an instance that is gone ends it",
         |_, o| { begun(o); o.call = error(ErrorKind::NotFound); }, "Failed InstanceNotFound"),
        ("an input that is refused ends it",
         |_, o| { begun(o); o.call = error(ErrorKind::Invalid); }, "Failed OperationFailed"),
        ("I6: no answer is no proof",
         |_, o| { begun(o); o.call = error(ErrorKind::Transient); }, "Begin search"),
        ("I6: nor is a failure of the service",
         |_, o| { begun(o); o.call = error(ErrorKind::OperationFailed); }, "Begin search"),
    ]);
}

fn shows(observed: &mut Observed, reason: Reason) {
    let conditions = Conditions::new(&[], 1, observed.now).with(READY, "False", reason, "");
    observed.status.conditions = conditions.into_list();
}

/// A call was throttled and taken back, and now it is this object's turn again. This was done for
/// the instance.
fn throttled(observed: &mut Observed, done: Vec<Operation>) {
    begun(observed);
    (observed.status.attempts, observed.mark) = (0, None);
    observed.status.lightsail_date = Some("2026-11-24T11:59:50Z".to_owned());
    observed.status.last_operation_before = Some("before".to_owned());
    found(observed);
    let before = operation("before", "Succeeded", "2026-11-24T11:00:00Z");
    observed.operations = Some(([done, vec![before]].concat(), observed.now));
}

#[test]
fn i6_what_was_done_since_a_call_was_throttled_may_come_from_it() {
    fn since() -> Vec<Operation> {
        vec![operation("since", "Succeeded", "2026-11-24T11:59:52Z")]
    }
    check(&[
        ("nothing was done, so it is called again", |_, o| throttled(o, Vec::new()), "WriteIntent"),
        ("something was", |_, o| throttled(o, since()), "Failed OutcomeUnknown"),
        ("something is being done",
         |_, o| throttled(o, vec![operation("since", "Started", NOW)]), "Failed OutcomeUnknown"),
        ("by another reset", |_, o| {
            throttled(o, since());
            o.operations_of_others = vec![known("since", None)];
        }, "WriteIntent"),
        ("before its intent", |_, o| {
            throttled(o, vec![operation("older", "Succeeded", "2026-11-24T11:59:49Z")]);
        }, "WriteIntent"),
        ("whatever was shown since", |_, o| {
            throttled(o, since());
            shows(o, Reason::ServiceError);
        }, "Failed OutcomeUnknown"),
        ("after a denial, which is certain", |_, o| {
            throttled(o, since());
            record::take_back(&mut o.status, false);
        }, "WriteIntent"),
        ("a read was throttled, and nothing was called yet", |_, o| {
            throttled(o, since());
            record::take_back(&mut o.status, false);
            shows(o, Reason::Throttled);
        }, "WriteIntent"),
        ("once the new intent is written, it counts as done before", |_, o| {
            throttled(o, since());
            (o.status.attempts, o.intent_written) = (1, true);
            o.status.lightsail_date = Some(NOW.to_owned());
        }, "Mark Started"),
    ]);
}

#[test]
fn a_reconciliation_is_not_left_between_the_mark_and_the_record() {
    let mut observed = observed();
    assert!(may_stop(&observed));
    begun(&mut observed);
    observed.marked_at = Some(observed.now);
    assert!(!may_stop(&observed));
    (observed.marked_at, observed.call) = (None, answer(Vec::new()));
    assert!(!may_stop(&observed));
    observed.end = Some(MarkState::Succeeded(String::new()));
    assert!(may_stop(&observed));
}
