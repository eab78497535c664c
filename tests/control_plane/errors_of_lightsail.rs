//! What goes wrong on the way to Lightsail: each error of each call is reported in its own word,
//! and heals when its cause is gone.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::ListParams;
use lightsail_operator::api::LightsailKeyPair;
use lightsail_operator::api::conditions::{READY, STALLED, is_true};
use serde_json::json;
use testbed::operator::Operator;
use testbed::simulator::{Fault, FaultEffect};

use crate::bed::{ACCOUNT, Bed, DEADLINE, imported, public_half, public_key, ready_reason, set};

fn error(error_type: &str, status: u16) -> FaultEffect {
    FaultEffect::Error {
        error_type: error_type.to_owned(),
        code: None,
        message: "no".to_owned(),
        status,
    }
}

/// What a call can end with, and the reason that the object shows then; with its first letters,
/// since each has an object.
fn failures() -> Vec<(&'static str, FaultEffect, &'static str)> {
    let body = |status, body: &str| FaultEffect::Body { status, body: body.to_owned() };
    vec![
        ("service", error("ServiceException", 500), "ServiceError"),
        ("input", error("InvalidInputException", 400), "OperationFailed"),
        ("failure", error("OperationFailureException", 400), "OperationFailed"),
        ("denied", error("AccessDeniedException", 400), "AccessDenied"),
        ("account", error("AccountSetupInProgressException", 428), "AccountSetupInProgress"),
        ("region", error("RegionSetupInProgressException", 428), "RegionSetupInProgress"),
        ("credentials", error("UnauthenticatedException", 401), "InvalidCredentials"),
        ("unknown", error("SomethingNewException", 418), "ServiceError"),
        ("cut-before", FaultEffect::CutBefore, "ServiceError"),
        ("cut-after", FaultEffect::CutAfter, "ServiceError"),
        ("late", FaultEffect::Delay(Duration::from_secs(8)), "ServiceError"),
        ("html", body(503, "<html>busy</html>"), "ServiceError"),
        ("garbage", body(200, "{\"operation\": [1"), "ServiceError"),
    ]
}

async fn reasons(bed: &Bed, name: &str) -> BTreeSet<String> {
    let events: Api<Event> = Api::namespaced(bed.cluster.client(), &bed.namespace);
    let events = events.list(&ListParams::default()).await.unwrap().items.into_iter();
    let of_object = events.filter(|event| {
        event.regarding.as_ref().is_some_and(|at| at.name.as_deref() == Some(name))
    });
    of_object.filter_map(|event| event.reason).collect()
}

/// Waits until this was said of the object. The state may pass quickly; its Event stays.
async fn wait_said(bed: &Bed, name: &str, reason: &str) {
    let start = std::time::Instant::now();
    loop {
        let said = reasons(bed, name).await;
        if said.contains(reason) {
            return;
        }
        assert!(start.elapsed() < DEADLINE * 2, "{name}: {reason} is not said: {said:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Failures after which a call that changes nothing is sent again, three times in all.
const REPEATED: [&str; 7] =
    ["service", "unknown", "cut-before", "cut-after", "late", "html", "garbage"];

/// How often a call must fail so that it counts as failed once.
fn times(operation: &str, kind: &str) -> usize {
    if operation.starts_with("Get") && REPEATED.contains(&kind) { 3 } else { 1 }
}

async fn check_heals(bed: &Bed, operation: &str, kind: &str, effect: FaultEffect, reason: &str) {
    let name = format!("{}-{kind}", operation.to_lowercase());
    let fault = Fault {
        operation: operation.to_owned(),
        resource: Some(name.clone()),
        times: times(operation, kind),
        effect,
    };
    let (is_deletion, is_untagging) = (operation == "DeleteKeyPair", operation == "UntagResource");
    // In a crowd of new objects, none reads its own pair.
    let is_read = operation == "GetKeyPair";
    if !is_deletion && !is_untagging && !is_read {
        bed.region.add_fault(fault.clone());
    }
    let mut spec = imported(&public_key("ed25519"));
    if is_untagging {
        spec["tags"] = json!({ "team": "a" });
    }
    bed.create::<LightsailKeyPair>(&name, &spec).await;
    if is_untagging {
        bed.wait_ready::<LightsailKeyPair>(&name, "Imported").await;
        bed.region.add_fault(fault.clone());
        bed.patch::<LightsailKeyPair>(&name, &json!({ "spec": { "tags": null } })).await;
    }
    if is_read {
        bed.wait_ready::<LightsailKeyPair>(&name, "Imported").await;
        bed.region.add_fault(fault.clone());
        let annotations = json!({ "lightsail-operator.dev/reconcile": "first" });
        let change = json!({ "metadata": { "annotations": annotations } });
        bed.patch::<LightsailKeyPair>(&name, &change).await;
    }
    if is_deletion {
        bed.wait_ready::<LightsailKeyPair>(&name, "Imported").await;
        bed.region.add_fault(fault);
        bed.delete::<LightsailKeyPair>(&name).await;
    }
    wait_said(bed, &name, reason).await;
    if is_deletion {
        // It may be gone by now.
        let change =
            json!({ "metadata": { "annotations": { "lightsail-operator.dev/reconcile": "now" } } });
        let (parameters, patch) =
            (kube::api::PatchParams::default(), kube::api::Patch::Merge(change));
        let _ = bed.api::<LightsailKeyPair>().patch(&name, &parameters, &patch).await;
        bed.wait_gone::<LightsailKeyPair>(&name).await;
        assert_eq!(bed.region.find_key_pair(&name), None, "{name}");
    } else {
        bed.reconcile_now::<LightsailKeyPair>(&name).await;
        bed.wait_ready::<LightsailKeyPair>(&name, "Imported").await;
        assert!(!bed.region.find_key_pair(&name).unwrap().tags.contains_key("team"), "{name}");
        bed.delete::<LightsailKeyPair>(&name).await;
        bed.wait_gone::<LightsailKeyPair>(&name).await;
        assert_eq!(bed.region.find_key_pair(&name), None, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i8_each_error_of_each_call_is_reported_and_heals() {
    let bed = Bed::new("failures").await;
    let _operator = bed.start().await;
    let operations =
        ["ImportKeyPair", "GetKeyPair", "TagResource", "UntagResource", "DeleteKeyPair"];
    let cases = operations
        .iter()
        .flat_map(|operation| failures().into_iter().map(move |case| (*operation, case)));
    let checks = cases.map(|(operation, (kind, effect, reason))| {
        let bed = &bed;
        async move { check_heals(bed, operation, kind, effect, reason).await }
    });
    futures::future::join_all(checks).await;
    assert_eq!(bed.region.key_pairs(), []);
}

/// Lightsail deletes by name. A deletion that is sent again while the first may still take effect
/// would leave the first to whatever has the name by then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i1_a_deletion_that_was_not_answered_takes_no_later_pair() {
    let bed = Bed::new("late-deletion").await;
    let mut options = bed.options(None).await;
    set(&mut options, "--aws-call-timeout", "1s");
    set(&mut options, "--settle-time", "6s");
    let _operator = Operator::start(options).await.unwrap();
    let mut spec = imported(&public_key("ed25519"));
    spec["imported"]["replacePolicy"] = json!("Recreate");
    bed.create::<LightsailKeyPair>("fleet", &spec).await;
    bed.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
    let before = bed.region.find_key_pair("fleet").unwrap();
    bed.region.add_fault(Fault::new("DeleteKeyPair", FaultEffect::Late(Duration::from_secs(4))));
    let key = json!({ "publicKey": public_key("ed25519") });
    bed.patch::<LightsailKeyPair>("fleet", &json!({ "spec": { "imported": key } })).await;
    bed.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
    let after = bed.region.find_key_pair("fleet").unwrap();
    assert_ne!(after.arn, before.arn);
    assert_eq!(bed.calls("DeleteKeyPair"), 1, "it was not sent again");
}

/// Calls that name no key pair: each failure has a region of its own.
async fn check_heals_in_region(
    bed: &Bed,
    operation: &str,
    region: &str,
    (kind, effect, reason): (&str, FaultEffect, &str),
) {
    let times = times(operation, kind);
    let name = format!("{}-{kind}", operation.to_lowercase());
    let there = bed.simulator.region(ACCOUNT, region);
    let pair = there.find_default_key_pair().unwrap();
    there.add_fault(Fault { operation: operation.to_owned(), resource: None, times, effect });
    let mut spec =
        json!({ "type": "Default", "region": region, "default": { "secret": { "name": name } } });
    let mut ends_as = "Downloaded";
    if operation == "GetInstances" {
        spec["ensure"] = json!("Absent");
        spec["expectedFingerprint"] = json!(pair.fingerprint);
        ends_as = "Absent";
    }
    bed.create::<LightsailKeyPair>(&name, &spec).await;
    wait_said(bed, &name, reason).await;
    // A list that failed fails for all who ask within two seconds, and nothing shows their end.
    tokio::time::sleep(Duration::from_secs(3)).await;
    bed.reconcile_now::<LightsailKeyPair>(&name).await;
    bed.wait_ready::<LightsailKeyPair>(&name, ends_as).await;
    let secret = bed.secrets().get(&name).await.unwrap().data.unwrap();
    let key = String::from_utf8(secret["ssh-privatekey"].0.clone()).unwrap();
    assert_eq!(public_half(&key), pair.public_key.trim(), "{name}");
}

/// Each failure of one call, in a region each.
async fn check_default_pairs(operation: &str) {
    const REGIONS: [&str; 13] = [
        "ap-northeast-1",
        "ap-northeast-2",
        "ap-south-1",
        "ap-southeast-1",
        "ap-southeast-2",
        "ca-central-1",
        "eu-central-1",
        "eu-north-1",
        "eu-west-1",
        "eu-west-2",
        "eu-west-3",
        "us-east-1",
        "us-east-2",
    ];
    let bed = Bed::new("failures").await;
    // Before anything is timed: RSA keys take the simulator a while.
    for region in REGIONS {
        bed.simulator.region(ACCOUNT, region).create_default_key_pair();
    }
    let _operator = bed.start().await;
    let cases = REGIONS.iter().zip(failures());
    assert_eq!(cases.len(), failures().len());
    let checks = cases.map(|(region, case)| check_heals_in_region(&bed, operation, region, case));
    futures::future::join_all(checks).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i8_each_error_of_the_shared_list_is_reported_and_heals() {
    check_default_pairs("GetKeyPairs").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i8_each_error_of_a_download_is_reported_and_heals() {
    check_default_pairs("DownloadDefaultKeyPair").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i8_each_error_of_the_read_of_windows_instances_is_reported_and_heals() {
    check_default_pairs("GetInstances").await;
}

/// It is no failure, and said only where it lasts: a call that was refused so waits and is sent
/// again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i8_throttling_is_waited_for_and_said_where_it_lasts() {
    for operation in ["ImportKeyPair", "GetKeyPair", "TagResource"] {
        let bed = Bed::new("throttled").await;
        let _operator = bed.start().await;
        let brief = Fault {
            operation: operation.to_owned(),
            resource: None,
            times: 3,
            effect: FaultEffect::throttling(),
        };
        bed.region.add_fault(brief);
        bed.create::<LightsailKeyPair>("brief", &imported(&public_key("ed25519"))).await;
        bed.wait_ready::<LightsailKeyPair>("brief", "Imported").await;
        wait_said(&bed, "brief", "Imported").await;
        assert_eq!(
            reasons(&bed, "brief").await,
            BTreeSet::from(["Imported".to_owned()]),
            "{operation}"
        );
        let lasting = Fault::new(operation, FaultEffect::throttling());
        let lasting = bed.region.add_fault(lasting);
        bed.create::<LightsailKeyPair>("lasting", &imported(&public_key("ed25519"))).await;
        wait_said(&bed, "lasting", "Throttled").await;
        assert_eq!(bed.wait_event("Throttled").await.type_.as_deref(), Some("Normal"));
        let object: LightsailKeyPair = bed.api().get("lasting").await.unwrap();
        assert!(!is_true(&object.status.unwrap().conditions, STALLED), "{operation}");
        lasting.remove();
        bed.reconcile_now::<LightsailKeyPair>("lasting").await;
        bed.wait_ready::<LightsailKeyPair>("lasting", "Imported").await;
    }
}

/// An import that is throttled waits for its turn, and somebody suspends its object meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_that_is_suspended_while_its_import_waits_imports_nothing() {
    let bed = Bed::new("suspended-late").await;
    let _operator = bed.start().await;
    let throttled = Fault::new("ImportKeyPair", FaultEffect::throttling());
    let throttled = bed.region.add_fault(throttled);
    bed.create::<LightsailKeyPair>("fleet", &imported(&public_key("ed25519"))).await;
    // By now it waits for a good part of a second before it is sent again.
    throttled.wait_for_hits(10).await;
    bed.patch::<LightsailKeyPair>("fleet", &json!({ "spec": { "suspend": true } })).await;
    throttled.remove();
    bed.wait("fleet", "Suspended", |object: &LightsailKeyPair| ready_reason(object) == "Suspended")
        .await;
    assert!(bed.region.find_key_pair("fleet").is_none());
    bed.patch::<LightsailKeyPair>("fleet", &json!({ "spec": { "suspend": false } })).await;
    bed.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
}

/// A read is tried three times by itself; what fails more often is reported.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i9_a_shared_read_that_fails_changes_no_object_that_was_acted_on() {
    let bed = Bed::new("reads").await;
    let mut operator = bed.start().await;
    bed.create::<LightsailKeyPair>("settled", &imported(&public_key("ed25519"))).await;
    let before: LightsailKeyPair = bed.wait_ready("settled", "Imported").await;
    let fault = Fault {
        operation: "GetKeyPairs".to_owned(),
        resource: None,
        times: 1_000,
        effect: error("ServiceException", 500),
    };
    let fault = bed.region.add_fault(fault);
    operator.restart().await.unwrap();
    // A new object says what is wrong, and shows that the read was tried.
    bed.create::<LightsailKeyPair>("fresh", &imported(&public_key("ed25519"))).await;
    bed.wait("fresh", "ServiceError", |object: &LightsailKeyPair| {
        ready_reason(object) == "ServiceError"
    })
    .await;
    fault.wait_for_hits(6).await;
    let after: LightsailKeyPair = bed.api().get("settled").await.unwrap();
    assert_eq!(after.metadata.resource_version, before.metadata.resource_version);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_that_fails_after_its_answer_is_reported_and_begun_again() {
    let bed = Bed::new("fails-later").await;
    let _operator = Operator::start(bed.patient(None).await).await.unwrap();
    bed.create::<LightsailKeyPair>("fleet", &imported(&public_key("ed25519"))).await;
    bed.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
    let began = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let answer = |status: &str| {
        let body = json!({ "operation": {
            "id": "late", "operationType": "DeleteKeyPair", "status": status, "createdAt": began,
            "errorCode": "InternalError", "errorDetails": "no space is left",
        } });
        FaultEffect::Body { status: 200, body: body.to_string() }
    };
    bed.region.add_fault(Fault::new("DeleteKeyPair", answer("Started")).times(1));
    // Until it is known what became of it, it is not begun again.
    let fails = error("InternalFailure", 500);
    let fails = bed.region.add_fault(Fault::new("GetOperation", fails).times(3));
    bed.region.add_fault(Fault::new("GetOperation", answer("Failed")));
    // What is reported passes when it is begun again.
    let again = Fault::new("DeleteKeyPair", FaultEffect::HoldBefore).times(1);
    let again = bed.region.add_fault(again);
    bed.delete::<LightsailKeyPair>("fleet").await;
    fails.wait_for_hits(3).await;
    let (object, message) = bed.wait_stalled::<LightsailKeyPair>("fleet", "OperationFailed").await;
    let said = "DeleteKeyPair failed: InternalError: no space is left; the operator will retry";
    assert!(message.starts_with(said), "{message}");
    let recorded = object.status.unwrap().last_operation.unwrap();
    assert_eq!(recorded.status.as_deref(), Some("Failed"));
    again.release();
    bed.wait_gone::<LightsailKeyPair>("fleet").await;
    assert_eq!((bed.calls("DeleteKeyPair"), bed.calls("GetOperation")), (2, 4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_that_is_answered_without_an_operation_is_not_taken_for_done() {
    let bed = Bed::new("no-operation").await;
    let _operator = bed.start().await;
    bed.create::<LightsailKeyPair>("fleet", &imported(&public_key("ed25519"))).await;
    bed.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
    let body = FaultEffect::Body { status: 200, body: "{}".to_owned() };
    bed.region.add_fault(Fault::new("DeleteKeyPair", body).times(2));
    bed.delete::<LightsailKeyPair>("fleet").await;
    bed.wait_gone::<LightsailKeyPair>("fleet").await;
    assert_eq!(bed.region.key_pairs(), []);
    assert_eq!(bed.calls("DeleteKeyPair"), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_is_not_free_at_once_after_a_replacement_is_no_conflict() {
    let bed = Bed::new("not-free-yet").await;
    let _operator = bed.start().await;
    let (old, new) = (public_key("ed25519"), public_key("ed25519"));
    let mut spec = imported(&old);
    spec["imported"]["replacePolicy"] = json!("Recreate");
    bed.create::<LightsailKeyPair>("fleet", &spec).await;
    bed.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
    let taken = FaultEffect::Error {
        error_type: "InvalidInputException".to_owned(),
        code: Some("NameExists".to_owned()),
        message: "Some names are already in use: fleet".to_owned(),
        status: 400,
    };
    bed.region.add_fault(Fault::new("ImportKeyPair", taken).times(2));
    let changed = json!({ "spec": { "imported": { "publicKey": new } } });
    bed.patch::<LightsailKeyPair>("fleet", &changed).await;
    bed.wait::<LightsailKeyPair>("fleet", "it has the new key", |object| {
        let status = object.status.as_ref().unwrap();
        status.observed_generation == 2 && is_true(&status.conditions, READY)
    })
    .await;
    assert_eq!(bed.region.find_key_pair("fleet").unwrap().public_key, new.trim());
    assert!(!reasons(&bed, "fleet").await.contains("NameConflict"));
    assert_eq!((bed.calls("DeleteKeyPair"), bed.calls("ImportKeyPair")), (1, 4));
}
