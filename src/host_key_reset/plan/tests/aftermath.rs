//! What is kept of a reset after a reconciliation.

use super::*;
use crate::api::conditions::COMPLETE;
use crate::engine::Outcome;
use crate::error::Error as Failure;

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
    let (there, replaced, gone) = ((true, true), (true, false), (false, false));
    let (conflict, vanished, silent) = (Failure::Conflict, Failure::Gone, Failure::NotLeading);
    for (name, status, (is_watched, has_uid), failure, expected) in [
        ("it was not observed yet", None, there, None, kept(false, true, false)),
        ("it waits", Some(&waits), there, None, kept(false, true, false)),
        ("it waits, and cannot say so", Some(&waits), there, Some(&conflict),
         kept(false, true, true)),
        ("nobody knows what was written", Some(&waits), there, Some(&silent),
         kept(false, true, false)),
        ("a call may be under way", Some(&open), there, None, kept(true, true, false)),
        ("and cannot be recorded", Some(&open), there, Some(&conflict), kept(true, true, false)),
        ("it is over", Some(&over), there, None, nothing),
        ("it is over without a call", Some(&never_begun), there, None, nothing),
        ("it is over, and its mark cannot be written", Some(&over), there, Some(&conflict),
         nothing),
        ("the watch says that it is gone", Some(&open), gone, None, nothing),
        ("a write does not find it", Some(&open), there, Some(&vanished), kept(true, true, false)),
        ("another object has its name", Some(&waits), replaced, Some(&conflict), nothing),
        ("what is known of a call counts for that uid only", Some(&open), replaced, None,
         kept(true, false, false)),
    ] {
        let ended = Ended { status, is_watched, has_uid, failure, may_have_called: false };
        assert_eq!(aftermath(ended), expected, "{name}");
        let called = aftermath(Ended { may_have_called: true, ..ended });
        let call = if is_watched { expected.call } else { CallAfter::Left };
        let expected = Aftermath { call, ..expected };
        assert_eq!(called, expected, "{name}, and its call was not answered");
    }
}

#[test]
fn what_was_published_counts_as_the_failure_that_it_is() {
    assert_eq!(outcome(&Failure::Conflict), Outcome::Conflict);
    assert_eq!(outcome(&Failure::Unreadable("HostKeyReset")), Outcome::KubernetesError);
}
