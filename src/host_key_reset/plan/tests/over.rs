//! What is over, and what a mark remembers of it.

use super::*;

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
        ("0 is at once", |d, o| { over(o); d.ttl = Some(SignedDuration::ZERO); }, "Delete"),
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
        ("the mark of another object or spec counts for nothing", |_, o| {
            o.mark = Some(mark("other", MarkState::Succeeded("a".to_owned())));
        }, "TakeTurn"),
    ]);
    // What the mark tells of the operation is kept: it is written into the next mark from there.
    let mut observed = observed();
    observed.mark = Some(mark("own", MarkState::Succeeded("a".to_owned())));
    let Step::End(end) = plan(&desired(), &observed) else { panic!("it is over") };
    assert_eq!(end.operations[0].id.as_deref(), Some("a"));
}
