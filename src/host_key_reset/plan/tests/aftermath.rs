//! What is kept of a reset after a reconciliation.

use super::*;
use crate::api::HostKeyReset;
use crate::api::conditions::COMPLETE;
use crate::engine::Outcome;
use crate::error::Error as Failure;
use crate::host_key_reset::claim::ResetClaim;

fn status(attempts: i32, is_over: bool) -> HostKeyResetStatus {
    let conditions = Conditions::new(&[], 1, time(NOW));
    let conditions = if is_over {
        conditions.with(COMPLETE, "True", Reason::OperationSucceeded, "")
    } else {
        conditions
    };
    let conditions = conditions.into_list();
    HostKeyResetStatus { attempts, conditions, ..HostKeyResetStatus::default() }
}

#[test]
fn nothing_is_kept_of_what_is_over_or_gone() {
    let (waits, open, over) = (status(0, false), status(1, false), status(1, true));
    let never_begun = status(0, true);
    let kept = |keeps_call, keeps_start, has_failed| Aftermath {
        call: if keeps_call { CallAfter::Kept } else { CallAfter::Over }, keeps_start, has_failed };
    let nothing = kept(false, false, false);
    let of_gone = Aftermath { call: CallAfter::Gone, ..nothing };
    let (there, replaced, gone) = ((true, true), (true, false), (false, false));
    let (conflict, vanished, silent) = (Failure::Conflict, Failure::Gone, Failure::NotLeading);
    for (name, status, (is_watched, has_uid), failure, expected) in [
        ("it was not observed yet", None, there, None, kept(false, true, false)),
        ("it waits", Some(&waits), there, None, kept(false, true, false)),
        ("it waits, and cannot say so", Some(&waits), there, Some(&conflict),
         kept(false, true, true)),
        ("nobody knows what was written, and it may be an intent", Some(&waits), there,
         Some(&silent), kept(true, true, false)),
        ("a call may be under way", Some(&open), there, None, kept(true, true, false)),
        ("and cannot be recorded", Some(&open), there, Some(&conflict), kept(true, true, false)),
        ("it is over", Some(&over), there, None, nothing),
        ("it is over without a call", Some(&never_begun), there, None, nothing),
        ("it is over, and its mark cannot be written", Some(&over), there, Some(&conflict),
         nothing),
        ("it is over, and nobody knows what was written", Some(&over), there, Some(&silent),
         nothing),
        ("the watch says that it is gone", Some(&open), gone, None, of_gone),
        ("so it does of one that was over", Some(&over), gone, Some(&vanished), of_gone),
        ("a write does not find it", Some(&open), there, Some(&vanished), kept(true, true, false)),
        ("another object has its name", Some(&waits), replaced, Some(&conflict), nothing),
        ("what is known of a call counts for that uid only", Some(&open), replaced, None,
         kept(true, false, false)),
    ] {
        let ended = Ended { status, is_watched, has_uid, failure };
        assert_eq!(aftermath(ended), expected, "{name}");
    }
}

/// The turn of one that is gone lasts while its call may take effect.
#[test]
fn i6_a_call_may_take_effect_until_something_tells_which_operation_it_began() {
    fn own() -> Operation {
        operation("a", "Started", NOW)
    }
    type Case = (&'static str, fn(&mut Observed), Option<Call>, bool);
    let claim = |change: fn(&mut Observed)| {
        let mut observed = observed();
        begun(&mut observed);
        change(&mut observed);
        let mut object: HostKeyReset = serde_json::from_value(serde_json::json!({
            "metadata": { "name": "r", "namespace": "n" },
            "spec": { "region": "eu-west-1", "instanceName": "web-1", "reason": "why" },
        })).unwrap();
        object.status = Some(observed.status);
        ResetClaim { mark: observed.mark, ..ResetClaim::of(&object, SignedDuration::ZERO) }
    };
    let of_another = Operation { resource_name: Some("web-2".to_owned()), ..own() };
    let cases: [Case; 13] = [
        ("another process called, or was about to", |_| {}, None, true),
        ("it has no answer", |_| {}, error(ErrorKind::Transient), true),
        ("it was refused", |_| {}, error(ErrorKind::Throttled), false),
        ("it was answered, and that was not recorded", |_| {}, answer(vec![own()]), false),
        ("without an operation", |_| {}, answer(Vec::new()), false),
        ("with one that cannot be looked up", |_| {}, answer(vec![nameless("Started")]), true),
        ("with that of another instance", |_| {}, answer(vec![of_another]), true),
        ("its operation is on record", |o| o.status.operations = vec![own()], None, false),
        ("only a list can tell of it", |o| o.status.operations = vec![nameless("Started")], None,
         true),
        ("it has no mark", |o| o.mark = None, None, false),
        ("its mark has an end", |o| o.mark = Some(mark("own", MarkState::Failed(String::new()))),
         None, false),
        ("it is over", |o| o.status = status(1, true), None, false),
        ("it is a copy from a backup", |o| o.status = status(0, false), None, false),
    ];
    for (name, change, call, expected) in cases {
        let claim = claim(change);
        assert_eq!(may_have_called(&claim, Seen::Nothing, call.as_ref()), expected, "{name}");
    }
    let unseen = claim(|o| o.status = status(0, false));
    assert!(may_have_called(&unseen, Seen::Intent, None), "the watch does not show its intent yet");
    let unmarked = claim(|o| o.mark = None);
    for (seen, expected) in [(Seen::Intent, false), (Seen::Mark, true)] {
        assert_eq!(may_have_called(&unmarked, seen, None), expected, "nor its mark");
    }
    let lost = error(ErrorKind::Transient);
    assert!(may_have_called(&unmarked, Seen::Intent, lost.as_ref()), "somebody took its mark off");
    let over = claim(|o| o.status = status(1, true));
    assert!(!may_have_called(&over, Seen::Mark, None));
}

#[test]
fn what_was_published_counts_as_the_failure_that_it_is() {
    assert_eq!(outcome(&Failure::Conflict), Outcome::Conflict);
    assert_eq!(outcome(&Failure::Unreadable("HostKeyReset")), Outcome::KubernetesError);
}
