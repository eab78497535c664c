//! Reads that show what was so a moment ago: a pair that was deleted by this process or by the one
//! before it, and calls that have not taken effect yet.

use std::time::{Duration, Instant};

use lightsail_operator::api::LightsailKeyPair;
use lightsail_operator::api::conditions::{READY, find};
use serde_json::json;
use testbed::operator::Operator;
use testbed::simulator::{Fault, FaultEffect};

use crate::bed::{Bed, imported, public_key, ready_reason, set, wait_for};

/// As `kubectl replace --force` does it. Meanwhile Lightsail shows the pair from before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i13_an_object_that_is_created_again_records_its_own_pair() {
    let bed = Bed::new("replaced").await;
    let _operator = bed.start().await;
    bed.region.set_switches(|switches| switches.key_pair_lag = Duration::from_secs(2));
    let (first, second) = (public_key("ed25519"), public_key("ed25519"));
    bed.create::<LightsailKeyPair>("fleet", &imported(&first)).await;
    bed.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
    let mut earlier = vec![bed.region.find_key_pair("fleet").unwrap().arn];
    for key in [&first, &second] {
        bed.delete::<LightsailKeyPair>("fleet").await;
        bed.wait_gone::<LightsailKeyPair>("fleet").await;
        bed.create::<LightsailKeyPair>("fleet", &imported(key)).await;
        let object: LightsailKeyPair = bed.wait_ready("fleet", "Imported").await;
        let there = bed.region.find_key_pair("fleet").unwrap();
        assert_eq!(there.public_key, key.trim());
        assert!(!earlier.contains(&there.arn), "it was imported again");
        assert_eq!(object.status.unwrap().arn.as_ref(), Some(&there.arn));
        earlier.push(there.arn);
    }
    assert_eq!(["ImportKeyPair", "DeleteKeyPair"].map(|it| bed.calls(it)), [3, 2]);
    assert_eq!(bed.calls("UntagResource"), 0);
}

/// The process that deleted the pair is gone, and nothing is on record.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i13_a_process_that_has_just_started_does_not_record_what_the_last_one_deleted() {
    let bed = Bed::new("replaced-restart").await;
    let mut options = bed.options(None).await;
    set(&mut options, "--settle-time", "20s");
    let mut operator = Operator::start(options).await.unwrap();
    let first = public_key("ed25519");
    bed.create::<LightsailKeyPair>("fleet", &imported(&first)).await;
    bed.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
    bed.region.set_switches(|switches| switches.key_pair_lag = Duration::from_secs(8));
    for key in [&first, &public_key("ed25519")] {
        let before = bed.region.find_key_pair("fleet").unwrap();
        let made = Instant::now();
        wait_for("it is seconds old", async || made.elapsed() > Duration::from_secs(2)).await;
        bed.delete::<LightsailKeyPair>("fleet").await;
        bed.wait_gone::<LightsailKeyPair>("fleet").await;
        operator.restart().await.unwrap();
        bed.create::<LightsailKeyPair>("fleet", &imported(key)).await;
        let object: LightsailKeyPair = bed.wait_ready("fleet", "Imported").await;
        let there = bed.region.find_key_pair("fleet").unwrap();
        assert_eq!(there.public_key, key.trim());
        assert_ne!(there.arn, before.arn, "it was imported again");
        assert_eq!(object.status.unwrap().arn.as_ref(), Some(&there.arn));
    }
    assert_eq!(["ImportKeyPair", "DeleteKeyPair"].map(|it| bed.calls(it)), [3, 2]);
}

/// The call of a process that was killed may still take effect, on whatever has the name then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i1_a_deletion_that_the_last_process_may_have_sent_is_not_sent_again() {
    let bed = Bed::new("deleted-twice").await;
    let mut options = bed.options(None).await;
    set(&mut options, "--settle-time", "15s");
    options.arguments.push("--search-interval=5s".to_owned());
    let mut operator = Operator::start(options).await.unwrap();
    bed.create::<LightsailKeyPair>("fleet", &imported(&public_key("ed25519"))).await;
    bed.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
    let late = FaultEffect::Late(Duration::from_secs(10));
    let late = bed.region.add_fault(Fault::new("DeleteKeyPair", late));
    bed.delete::<LightsailKeyPair>("fleet").await;
    late.reached().await;
    operator.restart().await.unwrap();
    let waits = |object: &LightsailKeyPair| {
        let ready = find(&object.status.as_ref().unwrap().conditions, READY).cloned();
        ready.is_some_and(|ready| ready.message.contains("may still take effect"))
    };
    bed.wait("fleet", "it waits", waits).await;
    bed.wait_gone::<LightsailKeyPair>("fleet").await;
    assert_eq!((bed.region.key_pairs(), bed.calls("DeleteKeyPair")), (Vec::new(), 1));
}

/// Reads show the pair that was deleted a moment ago, whoever deleted it. A second deletion would
/// take what has the name by then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i1_a_pair_that_is_unwanted_is_not_deleted_again_by_an_old_read() {
    let replaced = || json!({ "imported": { "publicKey": public_key("ed25519") } });
    let checks = [
        (replaced(), "Imported", true),
        (replaced(), "Imported", false),
        (json!({ "ensure": "Absent" }), "Absent", true),
    ];
    let checks = checks.map(|(change, end, restarts)| async move {
        let bed = Bed::new("unwanted").await;
        let mut options = bed.options(None).await;
        set(&mut options, "--settle-time", "10s");
        options.arguments.push("--search-interval=5s".to_owned());
        let mut operator = Operator::start(options).await.unwrap();
        let mut spec = imported(&public_key("ed25519"));
        spec["imported"]["replacePolicy"] = json!("Recreate");
        bed.create::<LightsailKeyPair>("fleet", &spec).await;
        bed.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
        bed.region.set_switches(|switches| switches.key_pair_lag = Duration::from_secs(8));
        bed.patch::<LightsailKeyPair>("fleet", &json!({ "spec": change })).await;
        wait_for("the deletion", async || bed.calls("DeleteKeyPair") > 0).await;
        if restarts {
            operator.restart().await.unwrap();
        }
        let is_done = |object: &LightsailKeyPair| {
            let status = object.status.clone().unwrap_or_default();
            let is_current = Some(status.observed_generation) == object.metadata.generation;
            is_current && ready_reason(object) == end
        };
        bed.wait("fleet", end, is_done).await;
        assert_eq!(bed.calls("DeleteKeyPair"), 1, "{end}, restarted: {restarts}");
    });
    futures::future::join_all(checks).await;
}
