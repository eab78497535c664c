//! Many objects: what they cost together, counted.

use std::time::{Duration, Instant};

use kube::api::{ListParams, PostParams};
use lightsail_operator::api::LightsailKeyPair;
use lightsail_operator::api::conditions::{READY, is_true};
use serde_json::json;
use testbed::operator::Operator;
use testbed::simulator::{Fault, FaultEffect, KeyPair};

use crate::bed::{Bed, imported, public_key, ready_reason, set, wait_for, wait_metric};

const OBJECTS: usize = 300;
/// The simulator's.
const PAGE: usize = 20;

async fn create_all(bed: &Bed) {
    let spec = imported(&public_key("ed25519"));
    let creations = (0..OBJECTS).map(|number| {
        let (bed, spec) = (bed, spec.clone());
        async move { bed.create::<LightsailKeyPair>(&format!("pair-{number:04}"), &spec).await }
    });
    futures::future::join_all(creations).await;
}

/// Waits until all are Ready; returns the sum of their versions, which changes with any write.
async fn wait_all_ready(bed: &Bed) -> Vec<String> {
    let start = Instant::now();
    loop {
        let all = bed.api::<LightsailKeyPair>().list(&ListParams::default()).await.unwrap().items;
        let ready = |pair: &&LightsailKeyPair| {
            pair.status.as_ref().is_some_and(|status| is_true(&status.conditions, READY))
        };
        if all.iter().filter(ready).count() == OBJECTS {
            return all.into_iter().map(|pair| pair.metadata.resource_version.unwrap()).collect();
        }
        assert!(start.elapsed() < Duration::from_mins(3), "they do not become Ready");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// The verbs that change an object.
const WRITES: [&str; 3] = ["patch", "create", "update"];

/// Waits until the operator has written as often as expected: a line of the audit log may come a
/// moment after its answer.
async fn wait_for_writes(bed: &Bed, expected: usize) {
    let what = format!("{expected} writes");
    wait_for(&what, async || requests(bed, &WRITES) >= expected).await;
    assert_eq!(requests(bed, &WRITES), expected);
}

/// The operator's requests to the API server about key pairs, by verb.
fn requests(bed: &Bed, verbs: &[&str]) -> usize {
    bed.count_requests("lightsailkeypairs", |entry| {
        verbs.contains(&entry["verb"].as_str().unwrap_or_default())
    })
}

/// Something that is handled after all that was due before it.
async fn settle(bed: &Bed, name: &str) {
    let start = Instant::now();
    let reads = bed.calls("GetKeyPairs");
    while bed.calls("GetKeyPairs") == reads {
        assert!(start.elapsed() < Duration::from_mins(2), "{name}: the list is not read");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alone_an_object_costs_three_calls_and_a_page() {
    let bed = Bed::new("alone").await;
    let _operator = bed.start().await;
    bed.create::<LightsailKeyPair>("fleet", &imported(&public_key("ed25519"))).await;
    bed.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
    let requests = bed.simulator.requests().into_iter().map(|request| request.operation);
    let requests: Vec<_> = requests.filter(|operation| operation != "GetCallerIdentity").collect();
    assert_eq!(requests, ["GetKeyPairs", "ImportKeyPair", "TagResource", "GetKeyPair"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i9_a_fleet_costs_what_its_pages_cost() {
    let bed = Bed::new("fleet").await;
    let mut options = bed.options(None).await;
    // At TRACE the log of a fleet would be most of the work.
    set(&mut options, "--log", "info");
    let mut operator = Operator::start(options).await.unwrap();
    create_all(&bed).await;
    let versions = wait_all_ready(&bed).await;
    let created = [bed.calls("ImportKeyPair"), bed.calls("TagResource")];
    assert_eq!(created, [OBJECTS; 2], "to create an object: import, tag");
    let all = bed.simulator.requests().len() - bed.calls("GetCallerIdentity");
    assert!(all * 10 <= OBJECTS * 21, "{all} calls, with those that find the pairs");

    // The finalizer, the intent and the result of each.
    let writes = 3 * OBJECTS;
    wait_for_writes(&bed, writes).await;

    // A restart reads the pages, and asks neither Kubernetes nor Lightsail for any object alone.
    let pages = OBJECTS.div_ceil(PAGE);
    let (calls, reads) = (bed.simulator.requests().len(), requests(&bed, &["get"]));
    operator.kill();
    let restart = operator.restart();
    tokio::join!(settle(&bed, "restart"), async { restart.await.unwrap() });
    let unchanged = format!(
        r#"lightsail_operator_reconciles_total{{kind="LightsailKeyPair",outcome="Unchanged"}} {OBJECTS}"#
    );
    wait_metric(&operator, &unchanged).await;
    assert_eq!(
        bed.simulator.requests().len() - calls,
        pages + 1,
        "the pages, and whose credentials they are"
    );
    wait_for_writes(&bed, writes).await;
    assert_eq!(requests(&bed, &["get"]), reads);
    let after = bed.api::<LightsailKeyPair>().list(&ListParams::default()).await.unwrap().items;
    let shows_import = |pair: &&LightsailKeyPair| {
        let last = pair.status.as_ref().and_then(|status| status.last_operation.as_ref());
        last.is_some_and(|last| last.type_.as_deref() == Some("ImportKeyPair"))
    };
    assert_eq!(after.iter().filter(shows_import).count(), OBJECTS, "also those that waited");
    let unchanged = after
        .iter()
        .filter(|pair| versions.contains(pair.metadata.resource_version.as_ref().unwrap()));
    assert_eq!(unchanged.count(), OBJECTS);
    // The log has a line for each call that changes something, and none for an object that did not
    // change.
    let log = operator.log_text();
    assert!(!log.contains("a call to Lightsail"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resync_finds_what_changed_and_touches_nothing_else() {
    let bed = Bed::new("resync").await;
    let mut options = bed.options(None).await;
    set(&mut options, "--log", "info");
    let _operator = Operator::start(options).await.unwrap();
    let spec = imported(&public_key("ed25519"));
    let mut spec_each_minute = spec.clone();
    spec_each_minute["interval"] = json!("1m");
    for number in 0..40 {
        bed.create::<LightsailKeyPair>(&format!("pair-{number:04}"), &spec_each_minute).await;
    }
    for number in 0..40 {
        bed.wait_ready::<LightsailKeyPair>(&format!("pair-{number:04}"), "Imported").await;
    }
    let changes = bed.changes();
    // The one that was Ready last: the list that its resync reads is not one of before.
    let last = "pair-0039";
    let before = bed.region.find_key_pair(last).unwrap();
    assert!(bed.region.delete_key_pair(last));
    // Within a minute it is noticed, without anybody's asking, and imported again. The status tells
    // of the new pair when it has its tag; until then it tells of the old one.
    let is_new = |object: &LightsailKeyPair| {
        let arn = object.status.as_ref().unwrap().arn.as_ref();
        ready_reason(object) == "Imported" && arn.is_some_and(|arn| *arn != before.arn)
    };
    bed.wait(last, "imported again", is_new).await;
    assert_eq!(bed.changes() - changes, 2, "imported and tagged");
}

/// What an edit does is put into the list that is read meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_does_not_wait_for_a_list_that_is_being_read() {
    let bed = Bed::new("walk").await;
    let mut options = bed.options(None).await;
    // Longer than anything here takes: the list is not given up.
    set(&mut options, "--aws-call-timeout", "300s");
    let mut operator = Operator::start(options).await.unwrap();
    let spec = imported(&public_key("ed25519"));
    // More than the places for those that are looked at again: the last one waits for its turn.
    let names: Vec<_> = (0..10).map(|number| format!("pair-{number}")).collect();
    for name in &names {
        bed.create::<LightsailKeyPair>(name, &spec).await;
    }
    for name in &names {
        bed.wait_ready::<LightsailKeyPair>(name, "Imported").await;
    }
    operator.kill();
    let calls = |bed: &Bed| ["GetKeyPairs", "GetKeyPair"].map(|operation| bed.calls(operation));
    let [lists, looks] = calls(&bed);
    let list = bed.region.add_fault(Fault::new("GetKeyPairs", FaultEffect::HoldBefore));
    operator.restart().await.unwrap();
    list.reached().await;
    // Some of them wait for the list, and others for their turn.
    let edited = [0, 4, 9].map(|number| &names[number]);
    for name in edited {
        bed.patch::<LightsailKeyPair>(name, &json!({ "spec": { "tags": { "team": "a" } } })).await;
    }
    for name in edited {
        bed.wait_ready::<LightsailKeyPair>(name, "Imported").await;
    }
    assert_eq!(list.hits(), 1, "the list is still held");
    list.remove();
    let unchanged =
        r#"lightsail_operator_reconciles_total{kind="LightsailKeyPair",outcome="Unchanged"} 7"#;
    wait_metric(&operator, unchanged).await;
    assert_eq!(
        calls(&bed),
        [lists + 1, looks + 3],
        "one list for seven, and a read for each that was edited"
    );
}

/// Where a list has many pages, those who create key pairs while it is read wait neither for it nor
/// in the way of others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_object_does_not_wait_for_many_pages() {
    let bed = Bed::new("pages").await;
    let crowd = bed.beside("crowd").await;
    let mut options = bed.options(None).await;
    options.arguments.extend(["--watch-namespace".to_owned(), crowd.namespace.clone()]);
    set(&mut options, "--aws-call-timeout", "300s");
    let mut operator = Operator::start(options).await.unwrap();
    let spec = imported(&public_key("ed25519"));
    for number in 0..4 {
        bed.create::<LightsailKeyPair>(&format!("pair-{number}"), &spec).await;
    }
    for number in 0..4 {
        bed.wait_ready::<LightsailKeyPair>(&format!("pair-{number}"), "Imported").await;
    }
    operator.kill();
    bed.region.set_switches(|switches| switches.page_size = 1);
    let hold = Fault::new("GetKeyPairs", FaultEffect::HoldBefore).after(2);
    let list = bed.region.add_fault(hold);
    for number in 0..20 {
        crowd.create::<LightsailKeyPair>(&format!("crowd-{number}"), &spec).await;
    }
    operator.restart().await.unwrap();
    list.reached().await;
    let looks = bed.calls("GetKeyPair");
    bed.create::<LightsailKeyPair>("new", &spec).await;
    bed.wait_ready::<LightsailKeyPair>("new", "Imported").await;
    bed.patch::<LightsailKeyPair>("pair-0", &json!({ "spec": { "tags": { "team": "a" } } })).await;
    bed.wait_ready::<LightsailKeyPair>("pair-0", "Imported").await;
    assert_eq!(list.hits(), 1, "the list is still held");
    assert!(bed.calls("GetKeyPair") - looks >= 3, "before and after the import, and for the edit");
    list.remove();
    for number in 0..20 {
        crowd.wait_ready::<LightsailKeyPair>(&format!("crowd-{number}"), "Imported").await;
    }
}

/// Puts somebody else's pair in the place of one that was imported just now.
fn replace(bed: &Bed, name: &str) -> KeyPair {
    assert!(bed.region.delete_key_pair(name));
    bed.region.import_key_pair(name, public_key("rsa").trim())
}

/// The owner tag is set by the name of the pair that was imported just now. Somebody replaces that
/// pair before the tag arrives.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tag_that_arrives_at_another_pair_is_taken_off() {
    let bed = Bed::new("replaced").await;
    let _operator = bed.start().await;
    let tag = bed.region.add_fault(Fault::new("TagResource", FaultEffect::HoldBefore).times(1));
    bed.create::<LightsailKeyPair>("fleet", &imported(&public_key("ed25519"))).await;
    tag.reached().await;
    let theirs = replace(&bed, "fleet");
    tag.release();
    bed.wait_stalled::<LightsailKeyPair>("fleet", "NameConflict").await;
    assert_eq!(bed.region.find_key_pair("fleet"), Some(theirs));
    assert_eq!([bed.calls("TagResource"), bed.calls("UntagResource")], [1, 1]);
}

/// The same in a crowd that waits for a list, where the object is edited before there is one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tag_at_another_pair_is_taken_off_though_no_pair_is_wanted_any_more() {
    let bed = Bed::new("replaced-crowd").await;
    let names: Vec<_> = (0..12).map(|number| format!("pair-{number}")).collect();
    for name in &names {
        bed.create::<LightsailKeyPair>(name, &imported(&public_key("ed25519"))).await;
    }
    let hold = |operation| Fault::new(operation, FaultEffect::HoldBefore);
    let tag = bed.region.add_fault(hold("TagResource").on("pair-3").times(1));
    // The first list is read before they are imported.
    let list = bed.region.add_fault(hold("GetKeyPairs").after(1));
    let mut options = bed.options(None).await;
    set(&mut options, "--aws-call-timeout", "300s");
    let _operator = Operator::start(options).await.unwrap();
    tag.reached().await;
    let theirs = replace(&bed, "pair-3");
    tag.release();
    list.reached().await;
    let absent = json!({ "spec": { "ensure": "Absent" } });
    bed.patch::<LightsailKeyPair>("pair-3", &absent).await;
    bed.wait_stalled::<LightsailKeyPair>("pair-3", "FingerprintMismatch").await;
    assert_eq!(list.hits(), 1, "the list is still held");
    assert_eq!(bed.region.find_key_pair("pair-3"), Some(theirs));
    assert_eq!([bed.calls("UntagResource"), bed.calls("DeleteKeyPair")], [1, 0]);
    list.remove();
    for name in names.iter().filter(|name| *name != "pair-3") {
        bed.wait_ready::<LightsailKeyPair>(name, "Imported").await;
    }
}

/// I7: what an old list says deletes nothing. Somebody replaces the pair by another of its name
/// right after the list was read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i7_a_stale_list_deletes_nothing() {
    let bed = Bed::new("stale").await;
    let _operator = bed.start().await;
    let spec = imported(&public_key("ed25519"));
    bed.create::<LightsailKeyPair>("fleet", &spec).await;
    bed.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
    // The operator's list has the pair as its own; in truth it is another one now.
    assert!(bed.region.delete_key_pair("fleet"));
    let theirs = bed.region.import_key_pair("fleet", public_key("ed25519").trim());
    bed.delete::<LightsailKeyPair>("fleet").await;
    bed.wait_stalled::<LightsailKeyPair>("fleet", "FingerprintMismatch").await;
    assert_eq!(bed.region.find_key_pair("fleet").map(|pair| pair.arn), Some(theirs.arn));
    assert_eq!(bed.calls("DeleteKeyPair"), 0);
    bed.patch::<LightsailKeyPair>("fleet", &json!({ "spec": { "deletionPolicy": "Retain" } }))
        .await;
    bed.wait_gone::<LightsailKeyPair>("fleet").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_region_and_a_crowd_that_fails_hold_up_nobody_else() {
    let bed = Bed::new("crowd").await;
    let quiet = bed.cluster.create_namespace("quiet").await.unwrap();
    let mut options = bed.options(None).await;
    options.arguments.extend(["--watch-namespace".to_owned(), quiet.clone()]);
    // Longer than anything here takes: no call to the dead region is given up meanwhile.
    set(&mut options, "--aws-call-timeout", "300s");
    let dead = bed.simulator.region(crate::bed::ACCOUNT, "us-east-1");
    let hanging_calls = dead.add_fault(Fault::new("*", FaultEffect::Hang));
    bed.region.add_fault(Fault::new("ImportKeyPair", FaultEffect::service_error()).on("refused"));
    let _operator = Operator::start(options).await.unwrap();
    let good = imported(&public_key("ed25519"));
    let (mut hanging, mut failing) = (good.clone(), good.clone());
    hanging["region"] = json!("us-east-1");
    failing["keyPairName"] = json!("refused");
    let crowd = (0..60).map(|number| {
        let (bed, spec) = (&bed, if number % 2 == 0 { &hanging } else { &failing });
        async move { bed.create::<LightsailKeyPair>(&format!("crowd-{number:02}"), spec).await }
    });
    futures::future::join_all(crowd).await;
    hanging_calls.reached().await;
    let object = json!({
        "apiVersion": "lightsail-operator.dev/v1alpha1", "kind": "LightsailKeyPair",
        "metadata": { "name": "alone" }, "spec": good,
    });
    let api: kube::Api<LightsailKeyPair> = kube::Api::namespaced(bed.cluster.client(), &quiet);
    api.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
    let start = Instant::now();
    loop {
        let pair = api.get("alone").await.unwrap();
        if pair.status.as_ref().is_some_and(|status| is_true(&status.conditions, READY)) {
            break;
        }
        assert!(start.elapsed() < Duration::from_mins(1), "{:?}", pair.status);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // It did not wait for the crowd: of the calls that hang, none was over when it was done.
    let mut over = bed.simulator.requests().into_iter();
    assert!(over.all(|request| request.region != "us-east-1"));
}
