//! A reset from its first read to its end: what it waits for, what it refuses, what it records.

use std::time::{Duration, Instant};

use http::Method;
use kube::api::PostParams;
use kube::{Api, ResourceExt};
use lightsail_operator::api::HostKeyReset;
use lightsail_operator::api::conditions::{FAILED, READY, SUSPENDED, find, is_true};
use serde_json::{Value, json};
use testbed::api_proxy::{ApiProxy, Matcher};
use testbed::operator::Operator;
use testbed::simulator::{Fault, FaultEffect};

use crate::bed::{ACCOUNT, Bed, ready_reason, reset};
use crate::resets::{fault, wait_complete, wait_failed};

pub(crate) fn with(fields: &Value) -> Value {
    let mut spec = reset();
    spec.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    spec
}

/// The body of a merge patch that a webhook has emptied.
pub(crate) const NO_CHANGE: &str = "{}";

fn message(reset: &HostKeyReset) -> String {
    find(&reset.status.as_ref().unwrap().conditions, READY).unwrap().message.clone()
}

fn operation_id(reset: &HostKeyReset) -> String {
    reset.status.as_ref().unwrap().operations[0].id.clone().unwrap()
}

pub(crate) async fn kubectl(bed: &Bed, arguments: &[&str]) -> String {
    let arguments = [&["--namespace", &bed.namespace], arguments].concat();
    bed.cluster.kubectl(&arguments).await.unwrap().or_error().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_that_comes_too_late_calls_nothing() {
    let bed = Bed::new("late").await;
    bed.region.add_instance("web-1");
    let _operator = bed.start().await;
    bed.create::<HostKeyReset>("late", &with(&json!({ "notAfter": "2026-11-01T00:00:00Z" }))).await;
    let object = wait_failed(&bed, "late", "Expired").await;
    let status = object.status.clone().unwrap();
    assert_eq!((status.attempts, status.start_time), (0, None));
    assert!(message(&object).contains("2026-11-01T00:00:00Z"), "{}", message(&object));
    assert_eq!(bed.simulator.requests().len(), 0);
    // `kubectl wait` knows it as it knows a Job.
    kubectl(&bed, &["wait", "--for=condition=Failed", "--timeout=10s", "hkr/late"]).await;
}

/// A webhook lets the status be written and not the mark.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i8_a_mark_that_is_refused_is_reported_immediately_and_nothing_was_called() {
    let bed = Bed::new("unmarked").await;
    bed.region.add_instance("web-1");
    let proxy = ApiProxy::start(&bed.cluster).await.unwrap();
    let _operator = Operator::start(bed.options(Some(&proxy.url())).await).await.unwrap();
    let mark = Matcher::new(Method::PATCH, "/hostkeyresets/reset?").with_body("executed");
    let refused = proxy.fail(mark, 3, 403);
    bed.create::<HostKeyReset>("reset", &reset()).await;
    let said = |reset: &HostKeyReset| ready_reason(reset) == "KubernetesError";
    let waiting = bed.wait("reset", "it says why", said).await;
    assert_eq!(waiting.status.unwrap().attempts, 0, "nothing was called");
    wait_complete(&bed, "reset").await;
    assert_eq!((refused.count(), bed.calls("DeleteKnownHostKeys")), (3, 1));
}

/// A webhook removes the mark, and says nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i8_a_mark_that_is_removed_is_reported_and_nothing_was_called() {
    let bed = Bed::new("stripped").await;
    bed.region.add_instance("web-1");
    let proxy = ApiProxy::start(&bed.cluster).await.unwrap();
    let _operator = Operator::start(bed.options(Some(&proxy.url())).await).await.unwrap();
    let mark = Matcher::new(Method::PATCH, "/hostkeyresets/reset?").with_body("executed");
    let removed = proxy.rewrite(mark, 3, NO_CHANGE);
    bed.create::<HostKeyReset>("reset", &reset()).await;
    let said = |reset: &HostKeyReset| ready_reason(reset) == "KubernetesError";
    let waiting = bed.wait("reset", "it says why", said).await;
    assert_eq!(waiting.status.as_ref().unwrap().attempts, 0, "nothing was called");
    assert!(message(&waiting).contains("does not keep the annotation"), "{}", message(&waiting));
    // Each reconciliation writes it once.
    wait_complete(&bed, "reset").await;
    assert_eq!((removed.count(), bed.calls("DeleteKnownHostKeys")), (3, 1));
    assert_eq!(bed.calls("GetOperationsForResource"), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspended_reset_expires_too() {
    let bed = Bed::new("expiry").await;
    bed.region.add_instance("web-1");
    let _operator = bed.start().await;
    let soon = k8s_openapi::jiff::Timestamp::now() + Duration::from_secs(15);
    bed.create::<HostKeyReset>("asleep", &with(&json!({ "suspend": true, "notAfter": soon })))
        .await;
    bed.wait("asleep", "Suspended", |reset: &HostKeyReset| ready_reason(reset) == "Suspended")
        .await;
    // It is looked at when its time is up, and by nobody's asking.
    wait_failed(&bed, "asleep", "Expired").await;
    assert_eq!(bed.simulator.requests().len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_was_launched_again_under_its_name_is_not_the_one_that_was_meant() {
    let bed = Bed::new("rebuilt").await;
    bed.region.add_instance("web-1");
    let arn = bed.region.find_instance_arn("web-1").unwrap();
    let _operator = bed.start().await;
    let spec = with(&json!({ "preconditions": { "instanceARN": arn } }));
    bed.create::<HostKeyReset>("meant", &spec).await;
    let object = wait_complete(&bed, "meant").await;
    assert_eq!(object.status.unwrap().instance_arn.as_ref(), Some(&arn));
    assert!(bed.region.remove_instance("web-1"));
    bed.region.add_instance("web-1");
    bed.create::<HostKeyReset>("other", &spec).await;
    let object = wait_failed(&bed, "other", "PreconditionFailed").await;
    let rebuilt = bed.region.find_instance_arn("web-1").unwrap();
    assert!(
        message(&object).contains(&arn) && message(&object).contains(&rebuilt),
        "{}",
        message(&object)
    );
    assert_eq!(object.status.unwrap().attempts, 0);
    assert_eq!(
        (bed.calls("DeleteKnownHostKeys"), bed.region.known_host_keys_resets("web-1")),
        (1, 0)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_in_another_region_is_not_looked_for() {
    let bed = Bed::new("elsewhere").await;
    bed.simulator.region(ACCOUNT, "us-east-1").add_instance("web-1");
    let _operator = bed.start().await;
    bed.create::<HostKeyReset>("here", &reset()).await;
    wait_failed(&bed, "here", "InstanceNotFound").await;
    assert_eq!(bed.calls("DeleteKnownHostKeys"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i9_a_suspended_reset_costs_nothing_and_goes_on_when_it_may() {
    let bed = Bed::new("suspended").await;
    bed.region.add_instance("web-1");
    let mut operator = bed.start().await;
    bed.create::<HostKeyReset>("asleep", &with(&json!({ "suspend": true }))).await;
    let is_suspended = |reset: &HostKeyReset| ready_reason(reset) == "Suspended";
    let before: HostKeyReset = bed.wait("asleep", "Suspended", is_suspended).await;
    kubectl(&bed, &["wait", "--for=condition=Suspended", "--timeout=10s", "hkr/asleep"]).await;
    operator.restart().await.unwrap();
    // One that was made later, and that has to be read, shows that there was time for a read.
    bed.create::<HostKeyReset>("late", &with(&json!({ "notAfter": "2026-11-01T00:00:00Z" }))).await;
    wait_failed(&bed, "late", "Expired").await;
    let after: HostKeyReset = bed.api().get("asleep").await.unwrap();
    assert_eq!(after.resource_version(), before.resource_version());
    assert_eq!(bed.simulator.requests().len(), 0);
    bed.patch::<HostKeyReset>("asleep", &json!({ "spec": { "suspend": false } })).await;
    let object = wait_complete(&bed, "asleep").await;
    let conditions = object.status.unwrap().conditions;
    let suspended = find(&conditions, SUSPENDED).unwrap();
    assert_eq!((suspended.status.as_str(), suspended.reason.as_str()), ("False", "Resumed"));
    assert_eq!(bed.region.known_host_keys_resets("web-1"), 1);
    // Once it has started, a suspension changes nothing.
    bed.patch::<HostKeyReset>("asleep", &json!({ "spec": { "suspend": true } })).await;
    kubectl(&bed, &["wait", "--for=condition=Complete", "--timeout=60s", "hkr/asleep"]).await;
}

/// A reset in any namespace.
async fn create_in(bed: &Bed, namespace: &str, name: &str, spec: &Value) {
    let object = json!({
        "apiVersion": "lightsail-operator.dev/v1alpha1", "kind": "HostKeyReset",
        "metadata": { "name": name }, "spec": spec,
    });
    let api: Api<HostKeyReset> = Api::namespaced(bed.cluster.client(), namespace);
    api.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
}

async fn wait_in(bed: &Bed, namespace: &str, name: &str, reason: &str) -> HostKeyReset {
    let api: Api<HostKeyReset> = Api::namespaced(bed.cluster.client(), namespace);
    let start = std::time::Instant::now();
    loop {
        let object = api.get(name).await.unwrap();
        if ready_reason(&object) == reason {
            return object;
        }
        assert!(
            start.elapsed() < Duration::from_secs(90),
            "{name} is not {reason}: {:?}",
            object.status
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resets_of_one_instance_take_turns_in_all_namespaces() {
    let bed = Bed::new("turns").await;
    let other = bed.cluster.create_namespace("turns-other").await.unwrap();
    bed.region.add_instance("web-1");
    bed.region.set_switches(|switches| switches.operation_polls = 2);
    let mut options = bed.patient(None).await;
    options.arguments.extend(["--watch-namespace".to_owned(), other.clone()]);
    let _operator = Operator::start(options).await.unwrap();
    // The elder one is not over before the others wait.
    let look = Fault::new("GetOperation", FaultEffect::HoldBefore).times(1);
    let look = bed.region.add_fault(look);
    bed.create::<HostKeyReset>("asleep", &with(&json!({ "suspend": true }))).await;
    bed.create::<HostKeyReset>("elder", &reset()).await;
    look.reached().await;
    create_in(&bed, &other, "second", &reset()).await;
    // I11: the message reports that there is another one, and not which.
    let second = wait_in(&bed, &other, "second", "WaitingForTurn").await;
    assert!(
        !message(&second).contains(&bed.namespace) && !message(&second).contains("elder"),
        "{}",
        message(&second)
    );
    create_in(&bed, &other, "third", &reset()).await;
    look.release();
    let first = wait_complete(&bed, "elder").await;
    let second = wait_in(&bed, &other, "second", "OperationSucceeded").await;
    let third = wait_in(&bed, &other, "third", "OperationSucceeded").await;
    // Times of creation are whole seconds: of two that were made in the same one, either may be the
    // next.
    let before = |reset: &HostKeyReset| {
        reset.status.as_ref().unwrap().last_operation_before.clone().unwrap()
    };
    let (next, last) =
        if before(&third) == operation_id(&first) { (third, second) } else { (second, third) };
    assert_eq!(before(&next), operation_id(&first), "the next begins when the first is over");
    assert_eq!(before(&last), operation_id(&next), "and the last when that one is");
    let requests = bed.simulator.requests();
    let asked = requests.iter().map(|request| request.operation.as_str());
    let order: Vec<_> = asked
        .filter(|operation| ["DeleteKnownHostKeys", "GetOperation"].contains(operation))
        .collect();
    let turn = ["DeleteKnownHostKeys", "GetOperation", "GetOperation"];
    assert_eq!(order, turn.repeat(3));
    let asleep: HostKeyReset = bed.api().get("asleep").await.unwrap();
    assert_eq!(
        ready_reason(&asleep),
        "Suspended",
        "an older one that is suspended holds nobody up"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_that_goes_away_lets_the_next_one_go_on() {
    let bed = Bed::new("gone").await;
    bed.region.add_instance("web-1");
    // The first one's operation is never over.
    bed.region.set_switches(|switches| switches.operation_polls = 1_000);
    let _operator = bed.start().await;
    bed.create::<HostKeyReset>("first", &reset()).await;
    let is_known = |reset: &HostKeyReset| {
        reset.status.as_ref().is_some_and(|status| !status.operations.is_empty())
    };
    bed.wait("first", "under way", is_known).await;
    bed.create::<HostKeyReset>("second", &reset()).await;
    let waits = |reset: &HostKeyReset| ready_reason(reset) == "WaitingForTurn";
    bed.wait("second", "WaitingForTurn", waits).await;
    bed.region.set_switches(|switches| switches.operation_polls = 0);
    bed.delete::<HostKeyReset>("first").await;
    wait_complete(&bed, "second").await;
    assert_eq!(bed.region.known_host_keys_resets("web-1"), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_that_goes_in_mid_call_lets_the_next_one_go_on_when_that_is_answered() {
    let bed = Bed::new("gone-in-call").await;
    bed.region.add_instance("web-1");
    let call = bed.region.add_fault(fault("DeleteKnownHostKeys", FaultEffect::HoldBefore));
    let _operator = Operator::start(bed.patient(None).await).await.unwrap();
    bed.create::<HostKeyReset>("first", &reset()).await;
    call.reached().await;
    bed.delete::<HostKeyReset>("first").await;
    bed.wait_gone::<HostKeyReset>("first").await;
    bed.create::<HostKeyReset>("second", &reset()).await;
    let waits = |reset: &HostKeyReset| ready_reason(reset) == "WaitingForTurn";
    bed.wait("second", "WaitingForTurn", waits).await;
    let answered = Instant::now();
    call.release();
    wait_complete(&bed, "second").await;
    // Otherwise it waits as long as the call of the first may take effect: a minute and more.
    let waited = answered.elapsed();
    assert!(waited < Duration::from_secs(50), "{waited:?}");
    assert_eq!(bed.region.known_host_keys_resets("web-1"), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_record_tells_who_why_and_what() {
    let bed = Bed::new("record").await;
    bed.region.add_instance("web-1");
    let operator = bed.start().await;
    bed.create::<HostKeyReset>("told", &with(&json!({ "reason": "sshd keys rotated, CHG-1234" })))
        .await;
    let object = wait_complete(&bed, "told").await;
    let status = object.status.clone().unwrap();
    let call = bed
        .simulator
        .requests()
        .into_iter()
        .find(|request| request.operation == "DeleteKnownHostKeys")
        .unwrap();
    assert_eq!(status.caller_arn.as_ref(), Some(&call.principal));
    assert_eq!(status.request_id.as_ref(), Some(&call.request_id));
    let parts = [
        "sshd keys rotated, CHG-1234".to_owned(),
        object.uid().unwrap(),
        call.principal.clone(),
        call.request_id.clone(),
        operation_id(&object),
    ];
    let note = bed.wait_event("OperationSucceeded").await.note.unwrap();
    let log = operator.log_text();
    let line = log.lines().find(|line| line.contains("the reset is over")).unwrap();
    for part in &parts {
        assert!(note.contains(part), "{part} is not in the Event: {note}");
        assert!(line.contains(part), "{part} is not in the log: {line}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_reason_fits_into_the_event() {
    let bed = Bed::new("long").await;
    bed.region.add_instance("web-1");
    let _operator = bed.start().await;
    // 512 characters of three bytes each.
    bed.create::<HostKeyReset>("long", &with(&json!({ "reason": "見".repeat(512) }))).await;
    let object = wait_complete(&bed, "long").await;
    let note = bed.wait_event("OperationSucceeded").await.note.unwrap();
    assert!(
        note.len() < 1024 && note.contains(&operation_id(&object)) && note.ends_with('見'),
        "{note}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_may_have_no_operation_or_several() {
    for (count, switch) in [(0, 0), (3, 3)] {
        let bed = Bed::new("several").await;
        bed.region.add_instance("web-1");
        bed.region.set_switches(|switches| switches.reset_operations = switch);
        let _operator = bed.start().await;
        bed.create::<HostKeyReset>("several", &reset()).await;
        let object = wait_complete(&bed, "several").await;
        assert_eq!(object.status.unwrap().operations.len(), count);
        assert_eq!(bed.region.known_host_keys_resets("web-1"), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_field_of_an_operation_is_kept_also_those_of_types_that_nobody_knows() {
    let bed = Bed::new("verbatim").await;
    bed.region.add_instance("web-1");
    let operation = json!({
        "id": "op-1", "resourceName": "web-1", "resourceType": "Moonbase",
            "createdAt": 1_700_000_000.5, "isTerminal": true,
        "location": { "availabilityZone": "eu-west-1a", "regionName": "eu-west-9" },
            "operationDetails": "as asked",
        "operationType": "ForgetEverything", "status": "Completed",
            "statusChangedAt": 1_700_000_001, "errorCode": "none",
        "errorDetails": "nothing",
    });
    let body = json!({ "operations": [operation] }).to_string();
    bed.region.add_fault(fault("DeleteKnownHostKeys", FaultEffect::Body { status: 200, body }));
    let _operator = bed.start().await;
    bed.create::<HostKeyReset>("verbatim", &reset()).await;
    let object = wait_complete(&bed, "verbatim").await;
    let expected = json!([{
        "id": "op-1", "type": "ForgetEverything", "status": "Completed", "isTerminal": true,
            "resourceName": "web-1",
        "resourceType": "Moonbase", "location": { "availabilityZone": "eu-west-1a",
            "regionName": "eu-west-9" },
        "createdAt": "2023-11-14T22:13:20.5Z", "statusChangedAt": "2023-11-14T22:13:21Z",
            "operationDetails": "as asked",
        "errorCode": "none", "errorDetails": "nothing",
    }]);
    assert_eq!(serde_json::to_value(object.status.unwrap().operations).unwrap(), expected);
}

/// The API server refuses a condition of more than 32768 characters, whoever wrote them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_that_says_more_than_a_status_holds_is_recorded_in_part() {
    let bed = Bed::new("wordy").await;
    bed.region.add_instance("web-1");
    let page = "<p>It failed.</p>\r\n".repeat(10_000);
    let operation = json!({ "id": "op-1", "operationType": "DeleteKnownHostKeys",
        "status": "Failed", "isTerminal": true, "operationDetails": page, "errorCode": page,
        "errorDetails": page });
    let body = json!({ "operations": [operation] }).to_string();
    bed.region.add_fault(fault("DeleteKnownHostKeys", FaultEffect::Body { status: 200, body }));
    let _operator = bed.start().await;
    bed.create::<HostKeyReset>("wordy", &reset()).await;
    let object = wait_failed(&bed, "wordy", "OperationFailed").await;
    let message = message(&object);
    assert!(message.contains("OperationFailed: <p>It failed.</p> <p>It"), "{message}");
    assert!(message.len() < 1_000 && !message.contains('\n'), "{message}");
    let kept = object.status.unwrap().operations[0].error_details.clone().unwrap();
    assert!(page.starts_with(&kept) && kept.len() < 5_000, "{kept}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operation_that_does_not_end_fails_it_at_its_deadline() {
    let bed = Bed::new("deadline").await;
    bed.region.add_instance("web-1");
    bed.region.set_switches(|switches| switches.operation_polls = 1_000);
    let _operator = bed.start().await;
    bed.create::<HostKeyReset>("endless", &with(&json!({ "activeDeadlineSeconds": 30 }))).await;
    let object = wait_failed(&bed, "endless", "DeadlineExceeded").await;
    let status = object.status.unwrap();
    let (start, end) = (status.start_time.unwrap().0, status.completion_time.unwrap().0);
    assert!((end.as_second() - start.as_second()) >= 30);
    assert_eq!((status.attempts, status.operations[0].status.as_deref()), (1, Some("Started")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_outlives_an_api_server_that_does_not_take_it() {
    for status in [500, 409] {
        let bed = Bed::new("untaken").await;
        bed.region.add_instance("web-1");
        // There is nothing to find.
        bed.region.set_switches(|switches| switches.operation_list_lag = Duration::from_hours(1));
        let proxy = ApiProxy::start(&bed.cluster).await.unwrap();
        let result = Matcher::new(Method::PATCH, "/hostkeyresets/untaken/status")
            .with_body("OperationSucceeded");
        proxy.fail(result, 2, status);
        let _operator = Operator::start(bed.options(Some(&proxy.url())).await).await.unwrap();
        bed.create::<HostKeyReset>("untaken", &reset()).await;
        let object = wait_complete(&bed, "untaken").await;
        assert_eq!(operation_id(&object), bed.region.operations_for("web-1")[0].id);
        assert!(object.status.unwrap().request_id.is_some());
        assert_eq!(bed.region.known_host_keys_resets("web-1"), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_elses_operation_at_the_same_time_is_not_taken_for_its_own() {
    let bed = Bed::new("meanwhile").await;
    let other = bed.cluster.create_namespace("meanwhile-other").await.unwrap();
    bed.region.add_instance("web-1");
    let held = bed.region.add_fault(fault("DeleteKnownHostKeys", FaultEffect::HoldBefore));
    let _operator = Operator::start(bed.patient(None).await).await.unwrap();
    // Another operator, as in another cluster: it knows nothing of this one.
    let mut options = bed.options(None).await;
    options.arguments[1].clone_from(&other);
    options.log = options.log.with_file_name("other.log");
    let _elsewhere = Operator::start(options).await.unwrap();
    bed.create::<HostKeyReset>("own", &reset()).await;
    held.reached().await;
    create_in(&bed, &other, "theirs", &reset()).await;
    let theirs = wait_in(&bed, &other, "theirs", "OperationSucceeded").await;
    held.release();
    let own = wait_complete(&bed, "own").await;
    assert_ne!(operation_id(&own), operation_id(&theirs));
    assert_eq!(own.status.unwrap().last_operation_before, None);
    assert_eq!(bed.region.known_host_keys_resets("web-1"), 2);
}

/// Whoever searches for the second call may not know of the first reset any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i6_the_operation_of_a_reset_that_is_gone_comes_before_the_next_call() {
    let is_known = |reset: &HostKeyReset| {
        reset.status.as_ref().is_some_and(|status| !status.operations.is_empty())
    };
    for ends in [true, false] {
        let bed = Bed::new("unlisted").await;
        bed.region.add_instance("web-1");
        bed.region.set_switches(|switches| {
            switches.operation_list_lag = Duration::from_hours(1);
            switches.operation_polls = if ends { 0 } else { 1_000 };
        });
        let _operator = bed.start().await;
        bed.create::<HostKeyReset>("first", &reset()).await;
        let first = if ends {
            wait_complete(&bed, "first").await
        } else {
            bed.wait("first", "under way", is_known).await
        };
        bed.delete::<HostKeyReset>("first").await;
        bed.wait_gone::<HostKeyReset>("first").await;
        bed.region.set_switches(|switches| switches.operation_polls = 0);
        bed.create::<HostKeyReset>("second", &reset()).await;
        let second = wait_complete(&bed, "second").await;
        let before = second.status.unwrap().last_operation_before;
        assert_eq!(before, Some(operation_id(&first)), "its operation has ended: {ends}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_on_its_way_out_is_not_begun() {
    let bed = Bed::new("leaving").await;
    bed.region.add_instance("web-1");
    let object = json!({
        "apiVersion": "lightsail-operator.dev/v1alpha1", "kind": "HostKeyReset",
        "metadata": { "name": "leaving", "finalizers": ["example.com/somebody"] }, "spec": reset(),
    });
    bed.api::<HostKeyReset>()
        .create(&PostParams::default(), &serde_json::from_value(object).unwrap())
        .await
        .unwrap();
    bed.delete::<HostKeyReset>("leaving").await;
    let _operator = bed.start().await;
    bed.create::<HostKeyReset>("other", &reset()).await;
    wait_complete(&bed, "other").await;
    let change = json!({ "metadata": { "finalizers": null } });
    bed.patch::<HostKeyReset>("leaving", &change).await;
    bed.wait_gone::<HostKeyReset>("leaving").await;
    assert_eq!(bed.calls("DeleteKnownHostKeys"), 1);
}

/// What somebody can correct is waited for, and reported.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i8_a_denied_read_is_reported_and_goes_on_when_it_is_allowed() {
    let bed = Bed::new("denied").await;
    bed.region.add_instance("web-1");
    for operation in ["GetInstance", "GetOperationsForResource", "DeleteKnownHostKeys"] {
        let denied = FaultEffect::Error {
            error_type: "AccessDeniedException".to_owned(),
            code: None,
            message: format!("not authorized to perform: lightsail:{operation}"),
            status: 400,
        };
        let denial = bed.region.add_fault(Fault::new(operation, denied));
        let _operator = bed.start().await;
        let name = operation.to_lowercase();
        bed.create::<HostKeyReset>(&name, &reset()).await;
        let (object, said) = bed.wait_stalled::<HostKeyReset>(&name, "AccessDenied").await;
        assert!(said.contains(operation), "{said}");
        let status = object.status.unwrap();
        assert!(!is_true(&status.conditions, FAILED) && status.attempts == 0);
        denial.remove();
        let now =
            json!({ "metadata": { "annotations": { "lightsail-operator.dev/reconcile": "now" } } });
        bed.patch::<HostKeyReset>(&name, &now).await;
        wait_complete(&bed, &name).await;
    }
    assert_eq!(bed.region.known_host_keys_resets("web-1"), 3);
}
