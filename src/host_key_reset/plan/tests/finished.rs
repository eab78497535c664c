//! What is over, and what a mark remembers of it.

use serde_json::json;

use super::*;
use crate::api::HostKeyReset;
use crate::api::conditions::{COMPLETE, FAILED, STALLED, SUSPENDED, find, is_true};
use crate::host_key_reset::{record, status};

/// It was done, its mark is right, and that was a minute ago.
fn over(observed: &mut Observed) {
    begun(observed);
    observed.status.completion_time = Some(Time(time("2026-11-24T11:59:00Z")));
    observed.end = Some(MarkState::Succeeded("a".to_owned()));
    observed.mark = Some(mark("own", MarkState::Succeeded("a".to_owned())));
}

#[test]
fn what_is_over_stays_over() {
    check(&[
        ("I6: with its mark there is nothing to do", |_, o| over(o), "Keep"),
        ("I6: a mark that was not written any more is written",
         |_, o| { over(o); o.mark = Some(mark("own", MarkState::Started)); }, "Mark Succeeded/a"),
        ("I6: a mark that was stripped is written again",
         |_, o| { over(o); o.mark = None; }, "Mark Succeeded/a"),
        ("I8: one that a webhook removes is not written again and again",
         |_, o| { over(o); o.mark = None;
             o.mark_accepted = Some(MarkState::Succeeded("a".to_owned())); }, "Hinder"),
        ("the mark of the call is not that of the end",
         |_, o| { over(o); o.mark_accepted = Some(MarkState::Started); o.mark = None; },
             "Mark Succeeded/a"),
        ("I6: so is one of another object",
         |_, o| { over(o); o.mark = Some(mark("other", MarkState::Started)); }, "Mark Succeeded/a"),
        ("I6: a failure stays one",
         |_, o| o.end = Some(MarkState::Failed(String::new())), "Mark Failed/"),
        ("I6: whatever an old leader still knows of a call",
         |_, o| { over(o); o.call = error(ErrorKind::Throttled); }, "Keep"),
        ("neither a suspension nor a time that has come changes it",
         |d, o| { over(o); d.suspend = true; d.not_after = time("2026-11-24T11:00:00Z"); }, "Keep"),
        ("its time to live is not over",
         |d, o| { over(o); d.ttl = Some(SignedDuration::from_secs(61)); }, "Keep for a while"),
        ("its time to live is over",
         |d, o| { over(o); d.ttl = Some(SignedDuration::from_secs(60)); }, "Delete"),
        ("no time to live is forever",
         |_, o| { over(o); o.now = time("2036-11-24T12:00:00Z"); }, "Keep"),
        ("0 deletes it now", |d, o| { over(o); d.ttl = Some(SignedDuration::ZERO); }, "Delete"),
        ("but not before the record is right",
         |d, o| { over(o); o.mark = None; d.ttl = Some(SignedDuration::ZERO); },
             "Mark Succeeded/a"),
        ("what a tool would make again is kept", |d, o| {
            over(o);
            d.ttl = Some(SignedDuration::ZERO);
            d.tracked_by = Some("Flux");
        }, "Keep in spite of its time"),
        ("what is being deleted is not deleted again",
         |d, o| { over(o); d.ttl = Some(SignedDuration::ZERO); d.deleting = true; }, "Keep"),
    ]);
}

#[test]
fn a_mark_without_a_status_is_remembered() {
    check(&[
        ("I6: it was done",
         |_, o| o.mark = Some(mark("own", MarkState::Succeeded("a".to_owned()))),
             "Complete AlreadyExecuted"),
        ("I6: it failed",
         |_, o| o.mark = Some(mark("own", MarkState::Failed("a".to_owned()))),
             "Failed AlreadyExecuted"),
        ("I6: it was begun",
         |_, o| o.mark = Some(mark("own", MarkState::Started)), "Failed OutcomeUnknown"),
        ("I6: also if it waited for something in its new life", |_, o| {
            o.mark = Some(mark("own", MarkState::Started));
            o.status.conditions = Conditions::new(&[], 1, o.now).with(READY, "False",
                Reason::Suspended,
                "").into_list();
        }, "Failed OutcomeUnknown"),
        ("I6: suspended or too late makes no difference", |d, o| {
            o.mark = Some(mark("own", MarkState::Succeeded("a".to_owned())));
            (d.suspend, d.not_after) = (true, time("2026-11-24T11:00:00Z"));
        }, "Complete AlreadyExecuted"),
        ("I6: it was done, and a tool has restored its status from before the answer", |_, o| {
            o.status.attempts = 1;
            o.mark = Some(mark("own", MarkState::Succeeded("a".to_owned())));
        }, "Complete AlreadyExecuted"),
        ("or from before the end of its operation", |_, o| {
            o.status.attempts = 1;
            o.status.operations = vec![operation("a", "Started", NOW)];
            o.mark = Some(mark("own", MarkState::Failed("a".to_owned())));
        }, "Failed AlreadyExecuted"),
        ("what is on record is followed, whatever else was taken off", |_, o| {
            o.status.operations = vec![operation("a", "Started", NOW)];
            o.mark = Some(mark("own", MarkState::Started));
        }, "PollOperations"),
        ("an operation on record that is over tells more", |_, o| {
            o.status.attempts = 1;
            o.status.operations = vec![operation("a", "Succeeded", NOW)];
            o.mark = Some(mark("own", MarkState::Succeeded("a".to_owned())));
        }, "Complete OperationSucceeded"),
        ("the mark of another object or spec counts for nothing", |_, o| {
            o.mark = Some(mark("other", MarkState::Succeeded("a".to_owned())));
        }, "TakeTurn"),
    ]);
    // What the mark tells of the operation is kept: it is written into the next mark from there.
    let mut observed = observed();
    observed.mark = Some(mark("own", MarkState::Succeeded("a".to_owned())));
    let Step::End(end) = plan(&desired(), &observed) else { panic!("it is over") };
    assert_eq!(end.operations[0].id.as_deref(), Some("a"));
    // The mark says Failed of both.
    observed.mark = Some(mark("own", MarkState::Failed("a".to_owned())));
    let Step::End(end) = plan(&desired(), &observed) else { panic!("it is over") };
    for part in ["(operation a) failed or had an unknown result", "CloudTrail"] {
        assert!(end.message.contains(part), "{}", end.message);
    }
}

/// How a reset ended, and the object with that status.
fn ended(succeeds: bool) -> (HostKeyReset, Observed) {
    let mut object: HostKeyReset = serde_json::from_value(json!({
        "metadata": { "name": "r", "namespace": "n", "generation": 1 },
        "spec": { "region": "eu-west-1", "instanceName": "web-1", "reason": "why" },
    })).unwrap();
    let mut observed = observed();
    begun(&mut observed);
    // It was suspended for a while.
    observed.status.conditions = Conditions::new(&[], 1, observed.now)
        .with(SUSPENDED, "True", Reason::Suspended, "").into_list();
    object.status = Some(observed.status.clone());
    let message = Message::Succeeded { instance: "web-1" };
    let end = if succeeds { message.succeeded(Vec::new()) } else { message.failed(Vec::new()) };
    observed.status = status::ended(&object, &observed, &end);
    observed.end = record::end(&observed.status);
    object.status = Some(observed.status.clone());
    (object, observed)
}

#[test]
fn i9_the_status_of_what_is_over_is_written_once() {
    for succeeds in [true, false] {
        let (object, mut observed) = ended(succeeds);
        assert_eq!(status::kept(&object, &observed, None), observed.status);
        for kept in [
            |object: &HostKeyReset, o: &Observed| status::kept(object, o, Some("Flux")),
            |object: &HostKeyReset, o: &Observed| status::hindered(object, o, "no"),
        ] {
            let once = kept(&object, &observed);
            assert_ne!(once, observed.status, "it says why");
            observed.status = once;
            assert_eq!(kept(&object, &observed), observed.status);
        }
    }
}

/// The version before an upgrade, or after its rollback, could not read it and said so.
#[test]
fn what_is_over_says_so_again_when_it_can_be_read_again() {
    for (type_, succeeds) in [(COMPLETE, true), (FAILED, false)] {
        let (object, mut observed) = ended(succeeds);
        let right = observed.status.clone();
        let reason = Reason::UnsupportedObject;
        let said = Conditions::new(&right.conditions, 1, observed.now)
            .with(READY, "False", reason, "it cannot be read")
            .with(STALLED, "True", reason, "it cannot be read").into_list();
        let others = right.conditions.iter()
            .filter(|it| it.type_ == type_ || it.type_ == SUSPENDED);
        observed.status.conditions = others.cloned().chain(said).collect();
        let kept = status::kept(&object, &observed, None);
        assert_eq!(kept, right);
        let hindered = status::hindered(&object, &observed, "no").conditions;
        assert_eq!((is_true(&hindered, READY), is_true(&hindered, STALLED)), (succeeds, !succeeds));
        assert!(find(&hindered, READY).unwrap().message.ends_with("however, no"));
    }
    // A newer version had a word for the end that this one does not know.
    let (object, mut observed) = ended(true);
    for condition in &mut observed.status.conditions {
        condition.reason = "NewWord".to_owned();
    }
    assert_eq!(status::kept(&object, &observed, None), observed.status);
}
