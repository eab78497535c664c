//! What becomes of a reconciliation that could not finish.

use kube::core::Status;

use super::*;
use crate::api::Reason;
use crate::engine::State;

fn item(failures: Failures) -> Item {
    let at = ObjectRef::new("n", "a");
    Item { at, class: Class::Change, waited: Duration::ZERO, failures }
}

fn many() -> Failures {
    Failures { conflicts: MANY_FAILURES, failed: MANY_FAILURES, ..Failures::default() }
}

fn answer(code: u16) -> Error {
    let status = Status::failure("quota exceeded", "Quota").with_code(code);
    Error::Kubernetes(Box::new(kube::Error::Api(Box::new(status))))
}

#[tokio::test]
async fn what_was_not_sent_for_want_of_the_lease_is_tried_again_soon_however_often() {
    for failures in [Failures::default(), many()] {
        let action = run_in_span("Kind", &item(failures), async { Err(Error::NotLeading) }).await;
        assert_eq!(action.next, Next::After(UNTIL_RENEWAL));
        assert_eq!(action.outcome, Outcome::NotLeading);
    }
}

#[test]
fn i8_whatever_keeps_a_reconciliation_from_finishing_is_shown_when_it_lasts() {
    let page = Status::failure("<html>", "Failed to parse error data").with_code(403);
    let silence = || kube::Error::Service("no response in time".into());
    for (name, failure, state, words) in [
        ("a conflict", Error::Conflict, State::Stalled, "something keeps changing"),
        ("a refusal", answer(403), State::Reconciling, "refuses a request"),
        (
            "too many requests",
            answer(429),
            State::Reconciling,
            "from the operator to the Kubernetes API server failed",
        ),
        (
            "a failure",
            answer(500),
            State::Reconciling,
            "from the operator to the Kubernetes API server failed",
        ),
        ("silence", silence().into(), State::Reconciling, "no response in time"),
        (
            "the page of a proxy",
            kube::Error::Api(Box::new(page)).into(),
            State::Reconciling,
            "has the HTTP status 403 and no explanation",
        ),
        ("something else", Error::Unreadable("Secret"), State::Reconciling, "is not a Secret"),
    ] {
        assert_eq!(verdict_if_lasting(&failure, Failures::default()), None, "{name} once");
        let shown = verdict_if_lasting(&failure, many()).expect(name);
        assert_eq!(shown.state, state, "{name}");
        assert!(shown.message.contains(words), "{name}: {}", shown.message);
        assert!(!shown.message.contains("html"), "{name}");
    }
}

#[test]
fn i8_what_is_not_kept_is_shown_the_first_time() {
    let failure = Error::NotKept("status.importIntent");
    let shown = verdict_if_lasting(&failure, Failures::default()).unwrap();
    assert_eq!((shown.state, shown.reason), (State::Reconciling, Reason::KubernetesError));
    assert!(shown.message.contains("it does not keep status.importIntent"), "{}", shown.message);
}

#[test]
fn failures_of_one_kind_say_nothing_about_another() {
    let (conflicts, refusals) =
        (Failures { failed: 0, ..many() }, Failures { conflicts: 0, ..many() });
    assert_eq!(verdict_if_lasting(&Error::Conflict, refusals), None);
    assert_eq!(verdict_if_lasting(&answer(500), conflicts), None);
    let shown = verdict_if_lasting(&Error::Conflict, conflicts).map(|shown| shown.reason);
    assert_eq!(shown, Some(Reason::WriteConflict));
}
