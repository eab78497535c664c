//! Key pairs from their application to their deletion.

use http::Method;
use kube::api::PostParams;
use kube::{Api, ResourceExt};
use lightsail_operator::api::conditions::{READY, find};
use lightsail_operator::api::{FINALIZER, LightsailKeyPair, OWNER_TAG};
use serde_json::json;
use testbed::api_proxy::{ApiProxy, Matcher, Place};
use testbed::operator::Operator;
use testbed::simulator::{Fault, FaultEffect, OperationStatus};

use crate::bed::{ACCOUNT, Bed, default_pair, imported, is_verified, public_key, ready_reason};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_imported_pair_is_applied_edited_and_deleted() {
    let bed = Bed::new("imported").await;
    let _operator = bed.start().await;
    let key = public_key("ed25519");
    bed.create::<LightsailKeyPair>("fleet", &imported(&key)).await;
    let object: LightsailKeyPair = bed.wait_ready("fleet", "Imported").await;
    let there = bed.region.find_key_pair("fleet").unwrap();
    let status = object.status.as_ref().unwrap();
    assert_eq!(there.public_key, key.trim(), "the raw line, trimmed");
    assert_eq!(status.arn.as_ref(), Some(&there.arn));
    assert_eq!(status.fingerprint.as_ref(), Some(&there.fingerprint));
    assert_eq!(status.support_code.as_ref(), Some(&there.support_code));
    assert_eq!(status.account_id.as_deref(), Some(ACCOUNT));
    assert_eq!(is_verified(&object), Some("True"));
    let owner = format!("test/{}/fleet", bed.namespace);
    assert_eq!(there.tags.get(OWNER_TAG), Some(&Some(owner)));
    let event = bed.wait_event("Imported").await;
    assert_eq!(event.type_.as_deref(), Some("Normal"));

    // Another comment is no other key; another key is refused, and back is well again.
    let renamed = key.replace("a comment", "another comment");
    bed.patch::<LightsailKeyPair>(
        "fleet",
        &json!({ "spec": { "imported": { "publicKey": renamed } } }),
    )
    .await;
    bed.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
    let other = public_key("ed25519");
    bed.patch::<LightsailKeyPair>(
        "fleet",
        &json!({ "spec": { "imported": { "publicKey": other } } }),
    )
    .await;
    bed.wait_stalled::<LightsailKeyPair>("fleet", "PublicKeyChanged").await;
    assert_eq!(bed.region.find_key_pair("fleet").unwrap().arn, there.arn);
    bed.patch::<LightsailKeyPair>(
        "fleet",
        &json!({ "spec": { "imported": { "publicKey": key } } }),
    )
    .await;
    bed.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;

    bed.delete::<LightsailKeyPair>("fleet").await;
    bed.wait_gone::<LightsailKeyPair>("fleet").await;
    assert_eq!(bed.region.find_key_pair("fleet"), None);
    let counts =
        ["ImportKeyPair", "TagResource", "DeleteKeyPair"].map(|operation| bed.calls(operation));
    assert_eq!(counts, [1, 1, 1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_rsa_key_is_verified_by_the_fingerprint_of_its_form() {
    let bed = Bed::new("rsa").await;
    let _operator = bed.start().await;
    bed.create::<LightsailKeyPair>("fleet", &imported(&public_key("rsa"))).await;
    let object: LightsailKeyPair = bed.wait_ready("fleet", "Imported").await;
    assert_eq!(is_verified(&object), Some("True"));
    let fingerprint = object.status.unwrap().fingerprint.unwrap();
    assert_eq!(fingerprint.split(':').count(), 16, "{fingerprint}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pair_that_is_gone_is_imported_again_at_the_reconcile_annotation() {
    let bed = Bed::new("drift").await;
    let _operator = bed.start().await;
    bed.create::<LightsailKeyPair>("fleet", &imported(&public_key("ed25519"))).await;
    let before: LightsailKeyPair = bed.wait_ready("fleet", "Imported").await;
    assert!(bed.region.delete_key_pair("fleet"));
    let change =
        json!({ "metadata": { "annotations": { "lightsail-operator.dev/reconcile": "now" } } });
    bed.patch::<LightsailKeyPair>("fleet", &change).await;
    let arn = before.status.unwrap().arn;
    let is_new = |object: &LightsailKeyPair| {
        let status = object.status.clone().unwrap_or_default();
        ready_reason(object) == "Imported" && status.arn.is_some() && status.arn != arn
    };
    let after = bed.wait("fleet", "another pair", is_new).await;
    assert_eq!(after.status.as_ref().unwrap().last_handled_reconcile.as_deref(), Some("now"));
    assert_eq!(after.status.unwrap().arn, bed.region.find_key_pair("fleet").map(|pair| pair.arn));
}

/// A restore by `kubectl replace --subresource=status` makes its tool an owner of what it wrote.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_manager_wrote_to_the_status_does_not_stay() {
    let bed = Bed::new("restored").await;
    let _operator = bed.start().await;
    bed.create::<LightsailKeyPair>("fleet", &imported(&public_key("ed25519"))).await;
    let mut before: LightsailKeyPair = bed.wait_ready("fleet", "Imported").await;
    let arn = before.status.as_ref().unwrap().arn.clone();
    before.metadata.managed_fields = None;
    before.status.as_mut().unwrap().planned_step = Some("Restored".to_owned());
    let tool =
        PostParams { field_manager: Some("velero-server".to_owned()), ..PostParams::default() };
    let api: Api<LightsailKeyPair> = Api::namespaced(bed.cluster.client(), &bed.namespace);
    api.replace_status("fleet", &tool, &before).await.unwrap();

    assert!(bed.region.delete_key_pair("fleet"));
    let change =
        json!({ "metadata": { "annotations": { "lightsail-operator.dev/reconcile": "now" } } });
    bed.patch::<LightsailKeyPair>("fleet", &change).await;
    let is_new = |object: &LightsailKeyPair| {
        let status = object.status.clone().unwrap_or_default();
        ready_reason(object) == "Imported" && status.arn.is_some() && status.arn != arn
    };
    let after = bed.wait("fleet", "another pair", is_new).await;
    assert_eq!(after.status.unwrap().planned_step, None);
    assert_eq!(bed.calls("ImportKeyPair"), 2);
}

/// A minute is the shortest interval; it passes while other tests run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pair_that_is_gone_is_imported_again_at_its_interval() {
    let bed = Bed::new("interval").await;
    let _operator = bed.start().await;
    let mut spec = imported(&public_key("ed25519"));
    spec["interval"] = json!("1m");
    bed.create::<LightsailKeyPair>("fleet", &spec).await;
    let before: LightsailKeyPair = bed.wait_ready("fleet", "Imported").await;
    assert!(bed.region.delete_key_pair("fleet"));
    let arn = before.status.unwrap().arn;
    let is_new = |object: &LightsailKeyPair| {
        let now = &object.status.as_ref().unwrap().arn;
        ready_reason(object) == "Imported" && now.is_some() && *now != arn
    };
    bed.wait("fleet", "another pair", is_new).await;
    assert_eq!((bed.calls("ImportKeyPair"), bed.region.key_pairs().len()), (2, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_pair_of_the_same_name_is_left_alone() {
    let bed = Bed::new("conflict").await;
    let _operator = bed.start().await;
    let foreign = bed.region.import_key_pair("fleet", public_key("ed25519").trim());
    bed.create::<LightsailKeyPair>("fleet", &imported(&public_key("ed25519"))).await;
    let (object, message) = bed.wait_stalled::<LightsailKeyPair>("fleet", "NameConflict").await;
    // I11: nothing is told about it.
    assert!(
        !message.contains(&foreign.fingerprint) && !message.contains(&foreign.arn),
        "{message}"
    );
    assert_eq!(object.status.unwrap().fingerprint, None);
    bed.delete::<LightsailKeyPair>("fleet").await;
    bed.wait_gone::<LightsailKeyPair>("fleet").await;
    assert_eq!(bed.region.find_key_pair("fleet"), Some(foreign));
    assert_eq!(
        bed.calls("ImportKeyPair") + bed.calls("TagResource") + bed.calls("DeleteKeyPair"),
        0
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_an_instance_has_is_a_conflict() {
    let bed = Bed::new("taken").await;
    bed.region.add_instance("fleet");
    let _operator = bed.start().await;
    bed.create::<LightsailKeyPair>("fleet", &imported(&public_key("ed25519"))).await;
    bed.wait_stalled::<LightsailKeyPair>("fleet", "NameConflict").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pair_with_the_same_key_is_adopted_and_stays_when_the_object_goes() {
    let bed = Bed::new("adopted").await;
    let key = public_key("ed25519");
    bed.region.import_key_pair("fleet", key.trim());
    let _operator = bed.start().await;
    bed.create::<LightsailKeyPair>("fleet", &imported(&key)).await;
    let object: LightsailKeyPair = bed.wait_ready("fleet", "Adopted").await;
    let status = serde_json::to_value(object.status.unwrap()).unwrap();
    assert_eq!(
        (&status["origin"], &status["effectiveDeletionPolicy"]),
        (&json!("Adopted"), &json!("Retain"))
    );
    assert!(bed.region.find_key_pair("fleet").unwrap().tags.contains_key(OWNER_TAG));
    bed.delete::<LightsailKeyPair>("fleet").await;
    bed.wait_gone::<LightsailKeyPair>("fleet").await;
    bed.wait_event("Released").await;
    assert!(
        bed.region.find_key_pair("fleet").unwrap().tags.is_empty(),
        "the owner tag is taken off"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i1_a_pair_that_was_made_anew_outside_is_not_deleted() {
    let bed = Bed::new("remade").await;
    let _operator = bed.start().await;
    let key = public_key("ed25519");
    bed.create::<LightsailKeyPair>("fleet", &imported(&key)).await;
    bed.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
    bed.region.delete_key_pair("fleet");
    let foreign = bed.region.import_key_pair("fleet", key.trim());
    bed.delete::<LightsailKeyPair>("fleet").await;
    bed.wait_stalled::<LightsailKeyPair>("fleet", "FingerprintMismatch").await;
    assert_eq!(bed.region.find_key_pair("fleet"), Some(foreign.clone()));
    // The way out is in the message.
    bed.patch::<LightsailKeyPair>("fleet", &json!({ "spec": { "deletionPolicy": "Retain" } }))
        .await;
    bed.wait_gone::<LightsailKeyPair>("fleet").await;
    assert_eq!(bed.region.find_key_pair("fleet"), Some(foreign));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_whose_answer_is_lost_is_found_and_not_repeated() {
    let bed = Bed::new("lost").await;
    let fault = bed.region.add_fault(Fault {
        operation: "ImportKeyPair".to_owned(),
        resource: None,
        times: 1,
        effect: FaultEffect::CutAfter,
    });
    let _operator = bed.start().await;
    bed.create::<LightsailKeyPair>("fleet", &imported(&public_key("ed25519"))).await;
    bed.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
    assert_eq!(fault.hits(), 1);
    let taken = bed
        .simulator
        .requests()
        .iter()
        .filter(|request| request.operation == "ImportKeyPair" && request.outcome == "ok")
        .count();
    assert_eq!(taken, 1);
    bed.delete::<LightsailKeyPair>("fleet").await;
    bed.wait_gone::<LightsailKeyPair>("fleet").await;
    assert_eq!(bed.region.key_pairs(), []);
}

/// The first is gone before the second has said that it waits for the name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_comes_free_before_the_next_says_that_it_waits_is_not_missed() {
    let bed = Bed::new("name-missed").await;
    let proxy = ApiProxy::start(&bed.cluster).await.unwrap();
    let _operator = Operator::start(bed.options(Some(&proxy.url())).await).await.unwrap();
    let mut spec = imported(&public_key("ed25519"));
    spec["keyPairName"] = json!("shared");
    bed.create::<LightsailKeyPair>("first", &spec).await;
    bed.wait_ready::<LightsailKeyPair>("first", "Imported").await;
    let conflict = Matcher::new(Method::PATCH, "/lightsailkeypairs/second/status");
    let held = proxy.hold(conflict.with_body("NameConflict"), Place::BeforeRequest);
    bed.create::<LightsailKeyPair>("second", &spec).await;
    held.reached().await;
    bed.delete::<LightsailKeyPair>("first").await;
    bed.wait_gone::<LightsailKeyPair>("first").await;
    held.release();
    bed.wait_ready::<LightsailKeyPair>("second", "Imported").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_that_only_another_tool_holds_claims_nothing_any_more() {
    let bed = Bed::new("held").await;
    let _operator = bed.start().await;
    let key = public_key("ed25519");
    bed.create::<LightsailKeyPair>("fleet", &imported(&key)).await;
    bed.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
    let both = json!({ "metadata": { "finalizers": [FINALIZER, "example.com/other"] },
        "spec": { "deletionPolicy": "Retain" } });
    bed.patch::<LightsailKeyPair>("fleet", &both).await;
    bed.delete::<LightsailKeyPair>("fleet").await;
    let is_let_go = |object: &LightsailKeyPair| object.finalizers() == ["example.com/other"];
    bed.wait("fleet", "released", is_let_go).await;
    let mut again = imported(&key);
    again["keyPairName"] = json!("fleet");
    bed.create::<LightsailKeyPair>("again", &again).await;
    bed.wait_ready::<LightsailKeyPair>("again", "Adopted").await;
    let nothing = json!({ "metadata": { "finalizers": null } });
    bed.patch::<LightsailKeyPair>("fleet", &nothing).await;
    bed.wait_gone::<LightsailKeyPair>("fleet").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_denial_asks_for_a_person_and_heals_when_it_is_allowed() {
    let bed = Bed::new("denied").await;
    let error = FaultEffect::Error {
        error_type: "AccessDeniedException".to_owned(),
        code: None,
        message: "User is not authorized to perform lightsail:ImportKeyPair".to_owned(),
        status: 403,
    };
    bed.region.add_fault(Fault {
        operation: "ImportKeyPair".to_owned(),
        resource: None,
        times: 1,
        effect: error,
    });
    let _operator = bed.start().await;
    bed.create::<LightsailKeyPair>("fleet", &imported(&public_key("ed25519"))).await;
    let event = bed.wait_event("AccessDenied").await;
    assert_eq!(event.type_.as_deref(), Some("Warning"));
    assert!(event.note.as_ref().unwrap().contains("lightsail:ImportKeyPair"), "{event:?}");
    bed.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_of_writes_and_calls_are_as_few_as_can_be() {
    let bed = Bed::new("counts").await;
    let mut operator = bed.start().await;
    bed.create::<LightsailKeyPair>("fleet", &imported(&public_key("ed25519"))).await;
    let object: LightsailKeyPair = bed.wait_ready("fleet", "Imported").await;
    bed.wait_event("Imported").await;
    let creation = bed
        .simulator
        .requests()
        .iter()
        .filter(|request| request.operation != "GetCallerIdentity")
        .count();
    assert_eq!(creation, 4, "the shared list, the import, a read, and the tag");
    let writes = bed.writes("lightsailkeypairs", "fleet", 3).await;
    assert_eq!(writes, 3, "finalizer, intent and result");

    // I9: restarted, with nothing changed, it reads the list once and writes nothing.
    let before = bed.simulator.requests().len();
    operator.restart().await.unwrap();
    let start = std::time::Instant::now();
    while bed.simulator.requests().len() < before + 2 {
        assert!(start.elapsed().as_secs() < 60, "the operator does not read it");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    // A second object that is Ready shows that the queue has gone past the first.
    bed.create::<LightsailKeyPair>("second", &imported(&public_key("ed25519"))).await;
    bed.wait_ready::<LightsailKeyPair>("second", "Imported").await;
    let after = bed.simulator.requests();
    let about_first =
        |request: &&testbed::simulator::Request| request.resource.as_deref() == Some("fleet");
    assert_eq!(after[before..].iter().filter(about_first).count(), 0);
    let now: LightsailKeyPair = bed.api().get("fleet").await.unwrap();
    assert_eq!(now.metadata.resource_version, object.metadata.resource_version);

    let before = bed.simulator.requests().len();
    bed.delete::<LightsailKeyPair>("fleet").await;
    bed.wait_gone::<LightsailKeyPair>("fleet").await;
    let requests = bed.simulator.requests();
    let deletion: Vec<&str> =
        requests[before..].iter().map(|request| request.operation.as_str()).collect();
    assert_eq!(deletion, ["GetKeyPair", "DeleteKeyPair"]);
    assert_eq!(bed.writes("lightsailkeypairs", "fleet", 4).await, 4, "and the finalizer again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_objects_that_want_one_name_the_first_gets_it() {
    let bed = Bed::new("rivals").await;
    let _operator = bed.start().await;
    let key = public_key("ed25519");
    let mut spec = imported(&key);
    spec["keyPairName"] = json!("shared");
    bed.create::<LightsailKeyPair>("first", &spec).await;
    bed.wait_ready::<LightsailKeyPair>("first", "Imported").await;
    let there = bed.region.find_key_pair("shared");
    bed.create::<LightsailKeyPair>("second", &spec).await;
    bed.wait_stalled::<LightsailKeyPair>("second", "NameConflict").await;
    bed.delete::<LightsailKeyPair>("second").await;
    bed.wait_gone::<LightsailKeyPair>("second").await;
    assert_eq!(bed.region.find_key_pair("shared"), there);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn switches_that_nobody_knows_of_lightsail_make_no_difference() {
    for (header, by_name, fingerprints) in
        [(true, false, true), (false, false, false), (true, true, false)]
    {
        let bed = Bed::new("switches").await;
        bed.region.set_switches(|switches| {
            switches.error_type_header = header;
            switches.default_pair_by_name = by_name;
            switches.fingerprints = fingerprints;
            switches.page_size = 1;
            switches.default_pair_taggable = false;
        });
        bed.region.create_default_key_pair();
        bed.region.import_key_pair("another", public_key("ed25519").trim());
        let _operator = bed.start().await;
        bed.create::<LightsailKeyPair>("fleet", &imported(&public_key("ed25519"))).await;
        bed.create::<LightsailKeyPair>("default", &default_pair()).await;
        let pairs = [("fleet", "Imported"), ("default", "Downloaded")];
        for (name, reason) in pairs {
            let object: LightsailKeyPair = bed.wait_ready(name, reason).await;
            assert_eq!(
                is_verified(&object),
                Some(if fingerprints { "True" } else { "Unknown" }),
                "{name}"
            );
        }
        bed.delete::<LightsailKeyPair>("fleet").await;
        bed.wait_gone::<LightsailKeyPair>("fleet").await;
        assert_eq!(bed.region.find_key_pair("fleet"), None);
        assert_eq!(bed.calls("DownloadDefaultKeyPair"), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_is_not_ready_before_it_was_looked_at() {
    let bed = Bed::new("unseen").await;
    let object: LightsailKeyPair = bed.create("fleet", &imported(&public_key("ed25519"))).await;
    assert_eq!(object.status.as_ref().map(|status| status.observed_generation), Some(-1));
    assert!(find(&object.status.unwrap().conditions, READY).is_none());
}

/// Lightsail answers the request, with an operation that failed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tags_that_lightsail_fails_to_set_do_not_count_as_set() {
    let bed = Bed::new("failed-tags").await;
    let _operator = bed.start().await;
    bed.create::<LightsailKeyPair>("fleet", &imported(&public_key("ed25519"))).await;
    bed.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
    let operations_end_as = |status| {
        bed.region.set_switches(|switches| switches.key_pair_operation_status = status);
    };
    operations_end_as(OperationStatus::Failed);
    let tags = json!({ "spec": { "tags": { "team": "a" } } });
    bed.patch::<LightsailKeyPair>("fleet", &tags).await;
    bed.wait_stalled::<LightsailKeyPair>("fleet", "OperationFailed").await;
    operations_end_as(OperationStatus::Succeeded);
    bed.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
    assert_eq!(bed.region.find_key_pair("fleet").unwrap().tags["team"].as_deref(), Some("a"));
}
