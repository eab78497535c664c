//! Resets of host keys: done once, whatever happens in between (I6).

use std::time::{Duration, Instant};

use http::Method;
use kube::api::{Patch, PatchParams};
use lightsail_operator::api::HostKeyReset;
use lightsail_operator::api::conditions::{COMPLETE, FAILED, READY, find, is_true};
use serde_json::json;
use testbed::api_proxy::{ApiProxy, Held, Matcher, Place};
use testbed::operator::Operator;
use testbed::simulator::{Fault, FaultEffect, OperationStatus};

use crate::bed::{ACCOUNT, Bed, ready_reason, reset, set};

const MARK: &str = "lightsail-operator.dev/executed";

pub(crate) async fn wait_complete(bed: &Bed, name: &str) -> HostKeyReset {
    bed.wait(name, "Complete", |reset: &HostKeyReset| {
        is_true(&reset.status.clone().unwrap_or_default().conditions, COMPLETE)
            && mark(reset).contains("/Succeeded/")
    })
    .await
}

pub(crate) async fn wait_failed(bed: &Bed, name: &str, reason: &str) -> HostKeyReset {
    bed.wait(name, &format!("Failed {reason}"), |reset: &HostKeyReset| {
        is_true(&reset.status.clone().unwrap_or_default().conditions, FAILED)
            && ready_reason(reset) == reason
            && mark(reset).contains("/Failed/")
    })
    .await
}

pub(crate) fn mark(reset: &HostKeyReset) -> String {
    reset
        .metadata
        .annotations
        .as_ref()
        .and_then(|annotations| annotations.get(MARK))
        .cloned()
        .unwrap_or_default()
}

pub(crate) fn fault(operation: &str, effect: FaultEffect) -> Fault {
    Fault { operation: operation.to_owned(), resource: None, times: 1, effect }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i6_a_reset_that_was_throttled_too_late_is_not_repeated() {
    let bed = Bed::new("gateway").await;
    bed.region.add_instance("web-1");
    let _operator = bed.start().await;
    let throttled = bed.region.add_fault(Fault {
        times: usize::MAX,
        ..fault("DeleteKnownHostKeys", FaultEffect::ThrottledAfter)
    });
    bed.create::<HostKeyReset>("reset", &reset()).await;
    let object = wait_failed(&bed, "reset", "OutcomeUnknown").await;
    assert_eq!((throttled.hits(), bed.region.known_host_keys_resets("web-1")), (1, 1));
    let status = object.status.unwrap();
    assert_eq!((status.attempts, status.operations), (1, Vec::new()), "it may be another's");
    let [done] = &bed.region.operations_for("web-1")[..] else { panic!("it is the only one") };
    let message = &find(&status.conditions, READY).unwrap().message;
    assert!(message.contains("throttled the call") && message.contains(&done.id), "{message}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_is_done_once_and_recorded() {
    let bed = Bed::new("reset").await;
    bed.region.add_instance("web-1");
    let mut operator = bed.start().await;
    bed.create::<HostKeyReset>("first", &reset()).await;
    let object = wait_complete(&bed, "first").await;
    let status = object.status.clone().unwrap();
    let done = bed.region.operations_for("web-1");
    assert_eq!(done.len(), 1);
    let recorded = &status.operations[0];
    assert_eq!(recorded.id.as_ref(), Some(&done[0].id));
    assert_eq!(recorded.type_.as_deref(), Some("DeleteKnownHostKeys"));
    assert_eq!(recorded.status.as_deref(), Some("Succeeded"));
    assert_eq!(recorded.resource_name.as_deref(), Some("web-1"));
    assert_eq!(recorded.location.as_ref().unwrap().region_name.as_deref(), Some("eu-west-1"));
    assert_eq!((status.attempts, status.account_id.as_deref()), (1, Some(ACCOUNT)));
    assert!(
        status.start_time.is_some()
            && status.completion_time.is_some()
            && status.instance_arn.is_some()
    );
    assert_eq!(bed.writes("hostkeyresets", "first", 4).await, 4, "intent, mark, result, mark");
    let event = bed.wait_event("OperationSucceeded").await;
    assert!(event.note.unwrap().contains("sshd keys rotated"));

    // I9: neither a restart nor the annotation brings another call, and only the handled value is
    // written.
    operator.restart().await.unwrap();
    let change =
        json!({ "metadata": { "annotations": { "lightsail-operator.dev/reconcile": "again" } } });
    bed.patch::<HostKeyReset>("first", &change).await;
    let handled = |reset: &HostKeyReset| {
        reset
            .status
            .as_ref()
            .is_some_and(|status| status.last_handled_reconcile.as_deref() == Some("again"))
    };
    bed.wait("first", "the annotation is handled", handled).await;
    assert_eq!(bed.region.known_host_keys_resets("web-1"), 1);
    // A second object is another reset, and knows what was there before it.
    bed.create::<HostKeyReset>("second", &reset()).await;
    let second = wait_complete(&bed, "second").await;
    assert_eq!(second.status.unwrap().last_operation_before.as_ref(), Some(&done[0].id));
    assert_eq!(bed.region.known_host_keys_resets("web-1"), 2);
    // Deleting them calls nothing. A later one that calls nothing either shows that the deletion
    // was seen.
    let calls = bed.simulator.requests().len();
    bed.delete::<HostKeyReset>("first").await;
    bed.wait_gone::<HostKeyReset>("first").await;
    let mut late = reset();
    late["notAfter"] = json!("2026-11-01T00:00:00Z");
    bed.create::<HostKeyReset>("late", &late).await;
    wait_failed(&bed, "late", "Expired").await;
    assert_eq!(bed.simulator.requests().len(), calls);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operation_that_takes_time_is_followed_to_either_end() {
    for (ends_as, succeeds) in
        [(OperationStatus::Completed, true), (OperationStatus::Failed, false)]
    {
        let bed = Bed::new("slow").await;
        bed.region.add_instance("web-1");
        bed.region.set_switches(|switches| {
            switches.operation_polls = 2;
            switches.operation_status = ends_as;
        });
        let _operator = bed.start().await;
        bed.create::<HostKeyReset>("slow", &reset()).await;
        if succeeds {
            wait_complete(&bed, "slow").await;
        } else {
            let object = wait_failed(&bed, "slow", "OperationFailed").await;
            assert!(object.status.unwrap().operations[0].error_code.is_some());
        }
        assert_eq!((bed.calls("DeleteKnownHostKeys"), bed.calls("GetOperation")), (1, 2));
    }
}

/// An instance that was reset often has many pages of operations.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_that_takes_longer_than_a_call_may_is_read_once() {
    let bed = Bed::new("pages").await;
    bed.region.add_instance("web-1");
    let _operator = bed.start().await;
    for name in ["first", "second"] {
        bed.create::<HostKeyReset>(name, &reset()).await;
        wait_complete(&bed, name).await;
    }
    let before = bed.calls("GetOperationsForResource");
    bed.region.set_switches(|switches| switches.page_size = 1);
    // Two pages take longer than the call timeout, and neither of them does.
    let slow = FaultEffect::Delay(Duration::from_secs(3));
    bed.region.add_fault(Fault { times: 100, ..fault("GetOperationsForResource", slow) });
    bed.create::<HostKeyReset>("third", &reset()).await;
    let third = wait_complete(&bed, "third").await;
    assert_eq!(bed.calls("GetOperationsForResource") - before, 2);
    let newest = wait_complete(&bed, "second").await.status.unwrap().operations[0].id.clone();
    assert_eq!(third.status.unwrap().last_operation_before, newest);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_is_not_there_fails_it_without_a_call() {
    let bed = Bed::new("nowhere").await;
    let _operator = bed.start().await;
    bed.create::<HostKeyReset>("lost", &reset()).await;
    wait_failed(&bed, "lost", "InstanceNotFound").await;
    assert_eq!(bed.calls("DeleteKnownHostKeys"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_is_taken_back_and_tried_again() {
    for header in [false, true] {
        let bed = Bed::new("refused").await;
        bed.region.add_instance("web-1");
        bed.region.set_switches(|switches| switches.error_type_header = header);
        let throttled = FaultEffect::Error {
            error_type: "ThrottlingException".to_owned(),
            code: None,
            message: "Rate exceeded".to_owned(),
            status: 400,
        };
        bed.region.add_fault(fault("DeleteKnownHostKeys", throttled));
        let _operator = bed.start().await;
        bed.create::<HostKeyReset>("patient", &reset()).await;
        let object = wait_complete(&bed, "patient").await;
        assert_eq!(object.status.unwrap().attempts, 1);
        assert_eq!(bed.region.known_host_keys_resets("web-1"), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_lost_is_looked_for() {
    let bed = Bed::new("cut").await;
    bed.region.add_instance("web-1");
    bed.region.add_fault(fault("DeleteKnownHostKeys", FaultEffect::CutAfter));
    let _operator = bed.start().await;
    bed.create::<HostKeyReset>("cut", &reset()).await;
    let object = wait_complete(&bed, "cut").await;
    assert_eq!(
        object.status.unwrap().operations[0].id.as_ref(),
        Some(&bed.region.operations_for("web-1")[0].id)
    );
    assert_eq!(bed.region.known_host_keys_resets("web-1"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i6_an_operation_that_was_found_and_not_recorded_is_found_again() {
    let bed = Bed::new("found").await;
    bed.region.add_instance("web-1");
    bed.region.add_fault(fault("DeleteKnownHostKeys", FaultEffect::CutAfter));
    let proxy = ApiProxy::start(&bed.cluster).await.unwrap();
    let end =
        Matcher::new(Method::PATCH, "/hostkeyresets/found/status").with_body("OperationSucceeded");
    let refused = proxy.fail(end, 1, 409);
    let _operator = Operator::start(bed.options(Some(&proxy.url())).await).await.unwrap();
    bed.create::<HostKeyReset>("found", &reset()).await;
    let object = wait_complete(&bed, "found").await;
    let found = object.status.unwrap().operations[0].id.clone();
    assert_eq!(found.as_ref(), Some(&bed.region.operations_for("web-1")[0].id));
    assert_eq!((refused.count(), bed.calls("DeleteKnownHostKeys")), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_leaves_no_trace_is_never_repeated() {
    let bed = Bed::new("untold").await;
    bed.region.add_instance("web-1");
    bed.region.add_fault(fault("DeleteKnownHostKeys", FaultEffect::CutBefore));
    let _operator = bed.start().await;
    bed.create::<HostKeyReset>("untold", &reset()).await;
    wait_failed(&bed, "untold", "OutcomeUnknown").await;
    assert_eq!(bed.region.known_host_keys_resets("web-1"), 0);
    assert_eq!(bed.calls("DeleteKnownHostKeys"), 1);
}

/// The first is over before the second has said that it waits for it: nobody calls later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_that_comes_free_before_the_next_says_that_it_waits_is_not_missed() {
    let bed = Bed::new("missed").await;
    bed.region.add_instance("web-1");
    let call = bed.region.add_fault(fault("DeleteKnownHostKeys", FaultEffect::HoldBefore));
    let proxy = ApiProxy::start(&bed.cluster).await.unwrap();
    let _operator = Operator::start(bed.patient(Some(&proxy.url())).await).await.unwrap();
    bed.create::<HostKeyReset>("first", &reset()).await;
    call.reached().await;
    let waits =
        Matcher::new(Method::PATCH, "/hostkeyresets/second/status").with_body("WaitingForTurn");
    let held = proxy.hold(waits, Place::BeforeRequest);
    bed.create::<HostKeyReset>("second", &reset()).await;
    held.reached().await;
    call.release();
    wait_complete(&bed, "first").await;
    held.release();
    wait_complete(&bed, "second").await;
    assert_eq!(bed.region.known_host_keys_resets("web-1"), 2);
}

/// An operator that was killed when the request was held. That is held until the end of the test:
/// released, it might still reach the API server.
async fn killed(bed: &Bed, proxy: &ApiProxy, held: (Matcher, Place)) -> (Operator, Held) {
    let held = proxy.hold(held.0, held.1);
    let mut operator = Operator::start(bed.options(Some(&proxy.url())).await).await.unwrap();
    bed.create::<HostKeyReset>("killed", &reset()).await;
    held.reached().await;
    operator.kill();
    (operator, held)
}

/// As [`killed`], and started again. With the reset as it was before the restart.
async fn kill_at(
    bed: &Bed,
    proxy: &ApiProxy,
    held: (Matcher, Place),
) -> (Operator, Held, HostKeyReset) {
    let (mut operator, held) = killed(bed, proxy, held).await;
    let between: HostKeyReset = bed.api().get("killed").await.unwrap();
    operator.restart().await.unwrap();
    (operator, held, between)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i6_killed_between_intent_and_mark_it_is_called_once() {
    let bed = Bed::new("kill-intent").await;
    bed.region.add_instance("web-1");
    let proxy = ApiProxy::start(&bed.cluster).await.unwrap();
    let mark_request = Matcher::new(Method::PATCH, "/hostkeyresets/killed?").with_body("/Started");
    let (_operator, _held, between) =
        kill_at(&bed, &proxy, (mark_request, Place::BeforeRequest)).await;
    assert_eq!((between.status.as_ref().unwrap().attempts, mark(&between).as_str()), (1, ""));
    wait_complete(&bed, "killed").await;
    assert_eq!(bed.region.known_host_keys_resets("web-1"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i6_killed_between_mark_and_call_it_is_not_called_again() {
    let bed = Bed::new("kill-mark").await;
    bed.region.add_instance("web-1");
    let proxy = ApiProxy::start(&bed.cluster).await.unwrap();
    let mark_request = Matcher::new(Method::PATCH, "/hostkeyresets/killed?").with_body("/Started");
    let (_operator, _held, between) =
        kill_at(&bed, &proxy, (mark_request, Place::BeforeAnswer)).await;
    assert!(mark(&between).ends_with("/Started"), "{}", mark(&between));
    // It is unknown whether the call was made: a person decides.
    wait_failed(&bed, "killed", "OutcomeUnknown").await;
    assert_eq!(bed.calls("DeleteKnownHostKeys"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i8_what_was_left_long_ago_is_searched_for_before_the_next_reset_begins() {
    let bed = Bed::new("left").await;
    bed.region.add_instance("web-1");
    let proxy = ApiProxy::start(&bed.cluster).await.unwrap();
    let mark_request = Matcher::new(Method::PATCH, "/hostkeyresets/killed?").with_body("/Started");
    let (mut operator, _held) = killed(&bed, &proxy, (mark_request, Place::BeforeAnswer)).await;
    // No operator runs until its time is up.
    let long_ago = Patch::Merge(json!({ "status": { "startTime": "2026-01-01T00:00:00Z" } }));
    let api = bed.api::<HostKeyReset>();
    api.patch_status("killed", &PatchParams::default(), &long_ago).await.unwrap();
    bed.create::<HostKeyReset>("next", &reset()).await;
    let answered =
        Matcher::new(Method::PATCH, "/hostkeyresets/next/status").with_body("OperationSucceeded");
    let recorded = proxy.hold(answered, Place::BeforeRequest);
    operator.restart().await.unwrap();
    wait_failed(&bed, "killed", "OutcomeUnknown").await;
    recorded.release();
    wait_complete(&bed, "next").await;
    assert_eq!(bed.calls("DeleteKnownHostKeys"), 1);
}

/// Whoever called may have called just before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i6_a_reset_that_another_process_left_has_its_turn_for_a_while_when_it_is_deleted() {
    let bed = Bed::new("left-gone").await;
    bed.region.add_instance("web-1");
    let proxy = ApiProxy::start(&bed.cluster).await.unwrap();
    let mark_request = Matcher::new(Method::PATCH, "/hostkeyresets/killed?").with_body("/Started");
    let held = proxy.hold(mark_request, Place::BeforeAnswer);
    let mut options = bed.options(Some(&proxy.url())).await;
    set(&mut options, "--settle-time", "15s");
    let mut operator = Operator::start(options).await.unwrap();
    bed.create::<HostKeyReset>("killed", &reset()).await;
    held.reached().await;
    operator.kill();
    operator.restart().await.unwrap();
    bed.create::<HostKeyReset>("next", &reset()).await;
    let waits = |reset: &HostKeyReset| ready_reason(reset) == "WaitingForTurn";
    bed.wait("next", "WaitingForTurn", waits).await;
    let deleted = Instant::now();
    bed.delete::<HostKeyReset>("killed").await;
    wait_complete(&bed, "next").await;
    // While another process may still stop, a call and the settle time.
    let waited = deleted.elapsed();
    assert!(waited >= Duration::from_secs(5 + 5 + 15), "{waited:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i6_killed_between_call_and_status_its_operation_is_found() {
    let bed = Bed::new("kill-call").await;
    bed.region.add_instance("web-1");
    let proxy = ApiProxy::start(&bed.cluster).await.unwrap();
    let status_request =
        Matcher::new(Method::PATCH, "/hostkeyresets/killed/status").with_body("OperationSucceeded");
    let (_operator, _held, between) =
        kill_at(&bed, &proxy, (status_request, Place::BeforeRequest)).await;
    assert_eq!(between.status.unwrap().operations, []);
    wait_complete(&bed, "killed").await;
    assert_eq!(bed.region.known_host_keys_resets("web-1"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i6_killed_between_end_and_mark_only_the_mark_is_written() {
    let bed = Bed::new("kill-end").await;
    bed.region.add_instance("web-1");
    let proxy = ApiProxy::start(&bed.cluster).await.unwrap();
    let mark_request =
        Matcher::new(Method::PATCH, "/hostkeyresets/killed?").with_body("/Succeeded/");
    let (_operator, _held, between) =
        kill_at(&bed, &proxy, (mark_request, Place::BeforeRequest)).await;
    assert!(is_true(&between.status.unwrap().conditions, COMPLETE));
    let calls = bed.simulator.requests().len();
    wait_complete(&bed, "killed").await;
    assert_eq!(bed.simulator.requests().len(), calls);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i6_an_object_restored_from_a_backup_is_not_carried_out_again() {
    let bed = Bed::new("restored").await;
    bed.region.add_instance("web-1");
    let _operator = bed.start().await;
    bed.create::<HostKeyReset>("kept", &reset()).await;
    let object = wait_complete(&bed, "kept").await;
    bed.delete::<HostKeyReset>("kept").await;
    bed.wait_gone::<HostKeyReset>("kept").await;
    // Backups leave the status out and keep annotations.
    let restored = json!({
        "apiVersion": "lightsail-operator.dev/v1alpha1", "kind": "HostKeyReset",
        "metadata": { "name": "kept", "namespace": bed.namespace,
            "annotations": { MARK: mark(&object) } },
        "spec": object.spec,
    });
    let output =
        bed.cluster.kubectl_with_input(&["apply", "-f", "-"], &restored.to_string()).await.unwrap();
    output.or_error().unwrap();
    bed.wait_ready::<HostKeyReset>("kept", "AlreadyExecuted").await;
    // A copy under another name has a mark that is not its own: it is a new reset, and that is
    // said.
    let copied = restored.to_string().replace("\"kept\"", "\"copied\"");
    bed.cluster
        .kubectl_with_input(&["apply", "-f", "-"], &copied)
        .await
        .unwrap()
        .or_error()
        .unwrap();
    wait_complete(&bed, "copied").await;
    bed.wait_event("MarkIgnored").await;
    assert_eq!(bed.region.known_host_keys_resets("web-1"), 2);
}
