//! The plan of a reset as a table: a row changes one thing in a world and says which step comes next. The names are sentences.

#![expect(clippy::unnecessary_wraps, reason = "helpers have the shape of the fields of Observed")]

use super::*;
use crate::api::conditions::{Conditions, READY};
use crate::lightsail::{Class, Error};

const NOW: &str = "2026-11-24T12:00:00Z";

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn desired() -> Desired {
    Desired {
        instance: "web-1".to_owned(),
        deadline: SignedDuration::from_mins(10),
        hash: "own".to_owned(),
        pinned_account: None,
    }
}

/// A reset that was just applied; the account is known.
fn observed() -> Observed {
    Observed {
        now: time(NOW),
        status: HostKeyResetStatus { observed_generation: -1, ..HostKeyResetStatus::default() },
        end: None,
        mark: None,
        marked_at: None,
        account: Some("123456789012".to_owned()),
        instance_arn: None,
        operations: None,
        call: None,
        polled: None,
        search: Search::default(),
        call_timeout: SignedDuration::from_secs(20),
        settle_time: SignedDuration::from_secs(60),
    }
}

/// The intent is written, and the mark.
fn begun(observed: &mut Observed) {
    observed.status.attempts = 1;
    observed.status.start_time = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(time(NOW)));
    observed.status.account_id = Some("123456789012".to_owned());
    observed.mark = Some(mark("own", Outcome::Started));
}

fn mark(hash: &str, outcome: Outcome) -> Mark {
    Mark { hash: hash.to_owned(), outcome }
}

fn operation(id: &str, status: &str, created_at: &str) -> Operation {
    Operation {
        id: Some(id.to_owned()),
        type_: Some("DeleteKnownHostKeys".to_owned()),
        status: Some(status.to_owned()),
        created_at: Some(created_at.to_owned()),
        ..Operation::default()
    }
}

fn error(class: Class) -> Option<Result<Vec<Operation>, Error>> {
    Some(Err(Error { class, code: "Code".to_owned(), message: "message".to_owned() }))
}

fn word(step: &Step) -> String {
    match step {
        Step::End(end) => format!("{} {}", if end.succeeded { "Complete" } else { "Failed" }, end.reason),
        Step::Wait(verdict) => format!("Wait {}", verdict.reason),
        Step::WriteMark(outcome) => format!("Mark {outcome}"),
        Step::NoteSearch(Search { first_list: None, .. }) => "Begin search".to_owned(),
        Step::NoteSearch(_) => "First list".to_owned(),
        other @ (Step::Identify
        | Step::FindInstance
        | Step::ListOperations
        | Step::WriteIntent { .. }
        | Step::Call
        | Step::TakeBack(_)
        | Step::Poll
        | Step::Progress { .. }
        | Step::Nothing) => format!("{other:?}").split(['(', ' ', '{']).next().unwrap_or_default().to_owned(),
    }
}

type Row = (&'static str, fn(&mut Observed), &'static str);

fn check(rows: &[Row]) {
    for (name, change, expected) in rows {
        let mut observed = observed();
        change(&mut observed);
        let step = plan(&desired(), &observed);
        assert_eq!(word(&step), *expected, "{name}: {step:?}");
    }
}

#[test]
fn what_is_over_stays_over() {
    check(&[
        ("I6: with its mark there is nothing to do", |o| {
            o.end = Some(Outcome::Succeeded("a".to_owned()));
            o.mark = Some(mark("own", Outcome::Succeeded("a".to_owned())));
        }, "Nothing"),
        ("I6: a mark that was not written any more is written", |o| {
            begun(o);
            o.end = Some(Outcome::Succeeded("a".to_owned()));
        }, "Mark Succeeded/a"),
        ("I6: a mark that was stripped is written again", |o| o.end = Some(Outcome::Failed(String::new())), "Mark Failed/"),
    ]);
}

#[test]
fn a_mark_without_a_status_is_remembered() {
    check(&[
        ("I6: it was done", |o| o.mark = Some(mark("own", Outcome::Succeeded("a".to_owned()))), "Complete AlreadyExecuted"),
        ("I6: it failed", |o| o.mark = Some(mark("own", Outcome::Failed("a".to_owned()))), "Failed AlreadyExecuted"),
        ("I6: it was begun", |o| o.mark = Some(mark("own", Outcome::Started)), "Failed OutcomeUnknown"),
        ("the mark of another object or spec counts for nothing", |o| {
            o.mark = Some(mark("other", Outcome::Succeeded("a".to_owned())));
        }, "FindInstance"),
    ]);
}

#[test]
fn before_the_intent_nothing_is_called() {
    check(&[
        ("the account comes first", |o| o.account = None, "Identify"),
        ("a wrong account is said", |o| o.status.account_id = Some("999999999999".to_owned()), "Wait WrongAccount"),
        ("then the instance", |_| {}, "FindInstance"),
        ("an instance that is not there ends it", |o| o.instance_arn = Some(None), "Failed InstanceNotFound"),
        ("then its operations", |o| o.instance_arn = Some(Some("arn".to_owned())), "ListOperations"),
        ("then the intent", |o| {
            o.instance_arn = Some(Some("arn".to_owned()));
            o.operations = Some(Vec::new());
        }, "WriteIntent"),
        ("a reset that was refused until its deadline ends", |o| {
            begun(o);
            o.status.attempts = 0;
            o.status.conditions = Conditions::new(&[], 1, o.now).with(READY, "False", "Throttled", "").into_list();
            o.mark = None;
            o.now = time("2026-11-24T12:10:01Z");
        }, "Failed DeadlineExceeded"),
    ]);
}

#[test]
fn the_intent_remembers_the_newest_operation_of_the_kind() {
    let mut observed = observed();
    observed.instance_arn = Some(Some("arn".to_owned()));
    let other = Operation { type_: Some("StopInstance".to_owned()), ..operation("c", "Succeeded", "2026-11-24T11:59:00Z") };
    observed.operations = Some(vec![
        operation("b", "Succeeded", "2026-11-24T11:00:00Z"),
        operation("a", "Succeeded", "2026-11-24T10:00:00Z"),
        other,
    ]);
    let expected = Step::WriteIntent { last_operation_before: Some("b".to_owned()), instance_arn: "arn".to_owned() };
    assert_eq!(plan(&desired(), &observed), expected);
}

#[test]
fn the_call_is_made_once() {
    check(&[
        ("an intent without a mark was never called and goes on", |o| { begun(o); o.mark = None; }, "Mark Started"),
        ("and finds out the account first", |o| { begun(o); o.mark = None; o.account = None; }, "Identify"),
        ("a wrong account begins nothing", |o| { begun(o); o.mark = None; o.account = Some("9".to_owned()); }, "Wait WrongAccount"),
        ("also with the mark of another object", |o| { begun(o); o.mark = Some(mark("other", Outcome::Started)); }, "Mark Started"),
        ("I6: the call follows the mark of the same pass", |o| { begun(o); o.marked_at = Some(o.now); }, "Call"),
        ("I6: but not after a nap, when others may have looked for it and found nothing", |o| {
            begun(o);
            o.marked_at = Some(time("2026-11-24T11:59:39Z"));
        }, "Begin search"),
        ("I6: a mark of an earlier pass is never followed by a call", |o| begun(o), "Begin search"),
        ("an answer without operations is a success", |o| { begun(o); o.call = Some(Ok(Vec::new())); }, "Complete OperationSucceeded"),
        ("both words for success are one", |o| {
            begun(o);
            o.call = Some(Ok(vec![operation("a", "Succeeded", NOW), operation("b", "Completed", NOW)]));
        }, "Complete OperationSucceeded"),
        ("one of several that failed fails it", |o| {
            begun(o);
            o.call = Some(Ok(vec![operation("a", "Succeeded", NOW), operation("b", "Failed", NOW)]));
        }, "Failed OperationFailed"),
        ("an operation that takes time is followed", |o| {
            begun(o);
            o.call = Some(Ok(vec![operation("a", "NotStarted", NOW)]));
        }, "Progress"),
        ("throttling proves that nothing was done", |o| { begun(o); o.call = error(Class::Throttled); }, "TakeBack"),
        ("so does a denial", |o| { begun(o); o.call = error(Class::Denied); }, "TakeBack"),
        ("and a region that is being set up", |o| { begun(o); o.call = error(Class::RegionSetup); }, "TakeBack"),
        ("and a connection that was refused", |o| { begun(o); o.call = error(Class::NeverSent); }, "TakeBack"),
        ("an instance that is gone ends it", |o| { begun(o); o.call = error(Class::NotFound); }, "Failed InstanceNotFound"),
        ("an input that is refused ends it", |o| { begun(o); o.call = error(Class::Invalid); }, "Failed OperationFailed"),
        ("I6: no answer is no proof", |o| { begun(o); o.call = error(Class::Transient); }, "Begin search"),
        ("I6: nor is a failure of the service", |o| { begun(o); o.call = error(Class::OperationFailed); }, "Begin search"),
    ]);
}

#[test]
fn a_pass_is_not_left_between_the_mark_and_the_record() {
    let mut observed = observed();
    assert!(may_stop(&observed));
    begun(&mut observed);
    observed.marked_at = Some(observed.now);
    assert!(!may_stop(&observed));
    (observed.marked_at, observed.call) = (None, Some(Ok(Vec::new())));
    assert!(!may_stop(&observed));
    observed.end = Some(Outcome::Succeeded(String::new()));
    assert!(may_stop(&observed));
}

/// The call was made, and its operation is under way.
fn under_way(observed: &mut Observed) {
    begun(observed);
    observed.status.operations = vec![operation("a", "Started", NOW)];
}

#[test]
fn an_operation_is_followed_to_its_end() {
    check(&[
        ("it is looked up", |o| under_way(o), "Poll"),
        ("with an account", |o| { under_way(o); o.account = None; }, "Identify"),
        ("a wrong account is not asked for it", |o| { under_way(o); o.account = Some("9".to_owned()); }, "Wait WrongAccount"),
        ("it is still under way", |o| { under_way(o); o.polled = Some(vec![Some(operation("a", "Started", NOW))]); }, "Progress"),
        ("it is done", |o| { under_way(o); o.polled = Some(vec![Some(operation("a", "Completed", NOW))]); }, "Complete OperationSucceeded"),
        ("it failed", |o| { under_way(o); o.polled = Some(vec![Some(operation("a", "Failed", NOW))]); }, "Failed OperationFailed"),
        ("Lightsail does not know it any more", |o| { under_way(o); o.polled = Some(vec![None]); }, "Failed OutcomeUnknown"),
        ("it takes longer than it may", |o| {
            under_way(o);
            o.now = time("2026-11-24T12:10:01Z");
            o.polled = Some(vec![Some(operation("a", "Started", NOW))]);
        }, "Failed DeadlineExceeded"),
        ("after a crash between answer and end it is not called again", |o| {
            begun(o);
            o.status.operations = vec![operation("a", "Succeeded", NOW)];
        }, "Complete OperationSucceeded"),
    ]);
}

fn searching(observed: &mut Observed) {
    begun(observed);
    observed.search.since = Some(time(NOW));
    observed.operations = Some(Vec::new());
}

#[test]
fn a_call_whose_outcome_is_not_known_is_looked_for_and_never_repeated() {
    check(&[
        ("the operations are listed", |o| { searching(o); o.operations = None; }, "ListOperations"),
        ("not by another account, to which it would look lost", |o| {
            searching(o);
            o.account = Some("9".to_owned());
        }, "Wait WrongAccount"),
        ("a newer one is taken for it", |o| {
            searching(o);
            o.status.last_operation_before = Some("a".to_owned());
            o.operations = Some(vec![operation("b", "Succeeded", "2026-11-24T12:00:01Z"), operation("a", "Succeeded", NOW)]);
        }, "Complete OperationSucceeded"),
        ("one that was there before is not", |o| {
            searching(o);
            o.status.last_operation_before = Some("a".to_owned());
            o.operations = Some(vec![operation("a", "Succeeded", NOW), operation("0", "Succeeded", "2026-11-24T11:00:00Z")]);
        }, "Progress"),
        ("any is, if none was there before", |o| {
            searching(o);
            o.operations = Some(vec![operation("b", "Failed", NOW)]);
        }, "Failed OperationFailed"),
        ("and if the one before is not listed any more", |o| {
            searching(o);
            o.status.last_operation_before = Some("long ago".to_owned());
            o.operations = Some(vec![operation("b", "Started", NOW)]);
        }, "Progress"),
        ("one of another kind is not", |o| {
            searching(o);
            let other = Operation { type_: Some("StopInstance".to_owned()), ..operation("b", "Succeeded", NOW) };
            o.operations = Some(vec![other]);
        }, "Progress"),
        ("a list that is as old as the call may be proves nothing", |o| {
            searching(o);
            o.now = time("2026-11-24T12:00:19Z");
        }, "Progress"),
        ("a later list is the first that counts", |o| {
            searching(o);
            o.now = time("2026-11-24T12:00:20Z");
        }, "First list"),
        ("a second one too soon does not count", |o| {
            searching(o);
            o.search.first_list = Some(time("2026-11-24T12:00:20Z"));
            o.now = time("2026-11-24T12:01:19Z");
        }, "Progress"),
        ("I6: a second one later ends it, without another call", |o| {
            searching(o);
            o.search.first_list = Some(time("2026-11-24T12:00:20Z"));
            o.now = time("2026-11-24T12:01:20Z");
        }, "Failed OutcomeUnknown"),
    ]);
}
