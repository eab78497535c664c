//! The operations of Lightsail that an object has begun: which one the status shows, and what is
//! said of one that failed.

use super::accounts::error;
use super::*;
use crate::api::Reason;
use crate::engine::action::Next;
use crate::key_pair::status;

const LATER: &str = "2026-11-24T12:00:30Z";

fn operation(id: &str, type_: &str, status: &str) -> Operation {
    Operation {
        id: Some(id.to_owned()),
        type_: Some(type_.to_owned()),
        status: Some(status.to_owned()),
        created_at: Some(NOW.to_owned()),
        ..Operation::default()
    }
}

type Case = (&'static str, fn(&mut Desired, &mut Observed));

/// No pair is there, and the import of one is on record.
fn importing(desired: &mut Desired, observed: &mut Observed) {
    observed.recorded = Recorded { intent: intent(FIRST), ..Recorded::default() };
    (desired.goal, observed.pair) = (Goal::Present, live(None));
}

/// Nothing is known of the attempt that follows, so what is known of the one before stays.
#[test]
fn i8_a_failure_is_shown_until_the_next_attempt_has_an_end() {
    let failure = "DeleteKeyPair failed: Internal: a fault";
    let base = || {
        let mut observed = observed();
        unchanged(&mut observed);
        (observed.failed_with, observed.has_failed) = (Some(failure.to_owned()), true);
        (Desired { goal: Goal::ObjectDeleted, ..desired() }, observed)
    };
    let rows: [Case; 7] = [
        ("a deletion that was answered as under way", |_, o| {
            o.done.delete = Some(operation("a", "DeleteKeyPair", "Started"));
            o.pair = live(None);
        }),
        ("one that was begun before", |_, o| {
            o.recorded.deletion = Some(operation("a", "DeleteKeyPair", "Started"));
        }),
        ("one that was begun before, of a pair that was just made", |_, o| {
            o.recorded.deletion = Some(operation("a", "DeleteKeyPair", "Started"));
            (o.pair, o.timing.settle_time) = (live(None), Duration::from_hours(1));
        }),
        ("one that was not answered", |_, o| o.deletion_may_follow = Some(time(LATER))),
        ("an import that was answered as under way", |d, o| {
            (d.goal, o.pair) = (Goal::Present, live(None));
            let under_way = operation("a", "ImportKeyPair", "Started");
            (o.has_finalizer, o.done.tagged_by_name) = (true, true);
            o.done.import = Some(Imported::Accepted(under_way));
        }),
        ("one that was accepted before", |d, o| {
            importing(d, o);
            o.sent = sent(LATER, true);
        }),
        ("one that was not answered, or has failed", |d, o| {
            importing(d, o);
            o.sent = sent(LATER, false);
        }),
    ];
    for (name, change) in rows {
        let (mut desired, mut observed) = base();
        change(&mut desired, &mut observed);
        let step = plan(&desired, &observed);
        let Step::Finish(verdict) = &step else { panic!("{name}: {step:?}") };
        assert_eq!(word(&step), "Stalled OperationFailed", "{name}");
        assert_eq!(verdict.message, failure, "{name}");
        assert!(matches!(verdict.next, Next::Meanwhile(_)), "{name}: {:?}", verdict.next);
        observed.has_failed = false;
        let shown = |observed: &Observed| word(&plan(&desired, observed));
        assert_eq!(shown(&observed), "Reconciling InProgress", "{name}: a read has failed");
        observed.predecessors_may_act = time(LATER);
        assert_eq!(shown(&observed), "Stalled OperationFailed", "{name}: before this process");
    }
}

#[test]
fn an_object_that_vanished_is_followed_up_until_the_attempt_has_an_end() {
    check(|| {
        let mut observed = observed();
        unchanged(&mut observed);
        observed.failed_with = Some("ImportKeyPair failed: Internal: a fault".to_owned());
        observed.has_failed = true;
        (Desired { goal: Goal::ObjectVanished, ..desired() }, observed)
    }, &[
        ("a deletion", |_, o| {
            o.recorded.deletion = Some(operation("a", "DeleteKeyPair", "Started"));
        }, "Pause OperationFailed"),
        ("an import", |_, o| {
            o.recorded = Recorded { intent: intent(FIRST), ..Recorded::default() };
            (o.pair, o.sent) = (live(None), sent(LATER, true));
        }, "Pause OperationFailed"),
    ]);
}

#[test]
fn only_what_changes_a_pair_counts_as_an_attempt() {
    let failed = || Operation { status: Some("Failed".to_owned()), ..Operation::default() };
    for (name, import, expected) in [
        ("it failed", Ok(Imported::Accepted(failed())), true),
        ("it is under way", Ok(Imported::Accepted(Operation::default())), false),
        ("the name is taken", Ok(Imported::NameTaken), false),
        ("the call failed", Err(error(ErrorKind::OperationFailed)), true),
        ("nobody knows", Err(error(ErrorKind::Transient)), false),
    ] {
        assert_eq!(import_failed(&import), expected, "{name}");
    }
    for (name, deletion, expected) in [
        ("it failed", Ok(Some(failed())), true),
        ("it is under way", Ok(Some(Operation::default())), false),
        ("it found none", Ok(None), false),
        ("the call failed", Err(error(ErrorKind::OperationFailed)), true),
        ("nobody knows", Err(error(ErrorKind::Transient)), false),
    ] {
        assert_eq!(deletion_failed(&deletion), expected, "{name}");
    }
}

#[test]
fn the_last_operation_is_the_one_that_was_begun_last() {
    let deletion = || Some(operation("d", "DeleteKeyPair", "Succeeded"));
    let import = |id: Option<&str>| {
        let operation = operation("", "ImportKeyPair", "Started");
        Some(Imported::Accepted(Operation { id: id.map(str::to_owned), ..operation }))
    };
    let none = || Lookup::Absent;
    // What Lightsail calls an operation tells nothing of the call that began it.
    let read = || Lookup::Found(operation("r", "Generic", "Failed"));
    let (on_record, deleted) = (("r", "DeleteKeyPair"), ("d", "DeleteKeyPair"));
    let (imported, before) = (("i", "ImportKeyPair"), ("b", "ImportKeyPair"));
    let begun = || Some(operation("b", "ImportKeyPair", "Started"));
    let ended = || Lookup::Found(operation("b", "Generic", "Failed"));
    for (name, delete, import, begun, read, expected) in [
        ("none", None, None, None, none(), on_record),
        ("it was looked up", None, None, None, read(), on_record),
        ("a deletion", deletion(), None, None, none(), deleted),
        ("an import", None, import(Some("i")), None, none(), imported),
        ("one that was not shown", None, None, begun(), none(), before),
        ("it was looked up, too", None, None, begun(), ended(), before),
        ("one after that", None, import(Some("i")), begun(), none(), imported),
        ("a pair was replaced", deletion(), import(Some("i")), None, read(), imported),
        ("without the id of the import", deletion(), import(None), None, none(), deleted),
    ] {
        let object: crate::api::LightsailKeyPair = serde_json::from_value(serde_json::json!({
            "apiVersion": "lightsail-operator.dev/v1alpha1", "kind": "LightsailKeyPair",
            "metadata": { "name": "fleet", "generation": 1 },
            "spec": { "type": "Imported", "region": "eu-west-1" },
            "status": { "observedGeneration": 1,
                "lastOperation": { "id": "r", "type": "DeleteKeyPair", "status": "Started" } },
        }))
        .unwrap();
        let (desired, mut observed) = (desired(), observed());
        (observed.done.delete, observed.done.import) = (delete, import);
        (observed.begun, observed.operation) = (begun, read);
        let verdict = Verdict::wait(Reason::InProgress, "", Duration::ZERO);
        let status = status::status(&object, &desired, &observed, &verdict);
        let last = status.last_operation.unwrap();
        let found = (last.id.as_deref().unwrap(), last.type_.as_deref().unwrap());
        assert_eq!(found, expected, "{name}");
        let was_read = observed.operation.found().filter(|read| read.id == last.id);
        assert_eq!(last.failed(), was_read.is_some(), "{name}: as it is now");
    }
}

#[test]
fn an_operation_of_another_resource_is_as_good_as_none() {
    let answer = |resource: Option<&str>| {
        let resource_name = resource.map(str::to_owned);
        Ok(Some(Operation { resource_name, ..operation("a", "DeleteKeyPair", "Failed") }))
    };
    let desired = desired();
    for (resource, expected) in [(None, true), (Some("FLEET"), true), (Some("other"), false)] {
        let found = looked_up(&desired, true, answer(resource)).unwrap();
        assert_eq!(found.found().is_some(), expected, "{resource:?}");
    }
}

/// Otherwise a deletion would be sent a second time, and one of the two could delete what has the
/// name by then.
#[test]
fn nothing_is_concluded_from_a_lookup_that_failed_while_the_operation_may_be_under_way() {
    let desired = desired();
    for (name, kind, is_waited_for, expected) in [
        ("no policy needs to allow it", ErrorKind::Denied, true, Ok(())),
        ("it is throttled", ErrorKind::Throttled, true, Err(ErrorKind::Throttled)),
        ("there is no answer", ErrorKind::Transient, true, Err(ErrorKind::Transient)),
        ("a session is over", ErrorKind::BadCredentials, true, Err(ErrorKind::BadCredentials)),
        ("nobody waits for it any more", ErrorKind::Throttled, false, Ok(())),
    ] {
        let found = looked_up(&desired, is_waited_for, Err(error(kind)));
        let found = found.map(|found| assert!(matches!(found, Lookup::Absent), "{name}"));
        assert_eq!(found.map_err(|error| error.kind), expected, "{name}");
    }
    for (began, expected) in [
        ("2026-11-24T11:59:00Z", true),
        ("2026-11-24T11:50:01Z", true),
        ("2026-11-24T11:50:00Z", false),
        // Clocks differ too much to tell.
        ("2026-11-24T12:01:00Z", false),
    ] {
        let (mut desired, mut observed) = (super::desired(), observed());
        unchanged(&mut observed);
        desired.goal = Goal::ObjectDeleted;
        let deletion = operation("a", "DeleteKeyPair", "Started");
        observed.recorded.deletion =
            Some(Operation { created_at: Some(began.to_owned()), ..deletion });
        let step = plan(&desired, &observed);
        let Step::ReadOperation { is_waited_for, .. } = step else { panic!("{began}: {step:?}") };
        assert_eq!(is_waited_for, expected, "{began}");
    }
}
