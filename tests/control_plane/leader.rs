//! Several replicas: one acts, and when it cannot any more another one does. One that wakes up late
//! does no harm.

use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use lightsail_operator::api::LightsailKeyPair;
use rustix::process::{Pid, Signal, kill_process};
use testbed::operator::Operator;
use testbed::simulator::{Fault, FaultEffect};

use crate::bed::{Bed, default_pair, imported, public_half, public_key, set};

/// The Lease that the chart makes, and that its Role names.
const LEASE: &str = "lightsail-operator";

/// A replica with a log of its own.
async fn replica(bed: &Bed, lease: &str, log: &str) -> Operator {
    let mut options = bed.options(None).await;
    set(&mut options, "--leader-election", "true");
    options.arguments.extend(["--lease-name".to_owned(), lease.to_owned()]);
    options.log = options.log.with_file_name(log);
    Operator::start(options).await.unwrap()
}

fn signal(operator: &Operator, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(operator.pid()).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

async fn leads(operator: &Operator) -> bool {
    operator
        .get("/metrics")
        .await
        .is_ok_and(|(_, metrics)| metrics.contains("lightsail_operator_leader 1"))
}

async fn wait_until_it_leads(operator: &Operator) {
    let start = Instant::now();
    while !leads(operator).await {
        assert!(
            start.elapsed() < Duration::from_mins(1),
            "it does not take over: {}",
            operator.log_text()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_replica_acts_and_hands_over_when_it_ends() {
    let bed = Bed::new("handover").await;
    let mut first = replica(&bed, LEASE, "first.log").await;
    wait_until_it_leads(&first).await;
    let second = replica(&bed, LEASE, "second.log").await;
    bed.create::<LightsailKeyPair>("one", &imported(&public_key("ed25519"))).await;
    bed.wait_ready::<LightsailKeyPair>("one", "Imported").await;
    // The follower is ready, knows the objects, and does nothing.
    assert_eq!(second.get("/readyz").await.unwrap().0, 200);
    let known =
        r#"lightsail_operator_objects{kind="LightsailKeyPair",ready="true",reason="Imported"} 1"#;
    let start = Instant::now();
    while !second.get("/metrics").await.unwrap().1.contains(known) {
        assert!(start.elapsed() < Duration::from_mins(1), "the follower does not know the objects");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(!leads(&second).await && !second.log_text().contains("AWS credentials are in force"));
    let leases: Api<Lease> = Api::namespaced(bed.cluster.client(), "lightsail-operator");
    let transitions = async || {
        leases.get(LEASE).await.unwrap().spec.unwrap().lease_transitions.unwrap_or_default()
    };
    let before = transitions().await;
    let ended_at = Instant::now();
    assert!(first.stop().await.unwrap().success());
    wait_until_it_leads(&second).await;
    // The lease was given back: it holds for 15 seconds when nobody renews it.
    assert!(ended_at.elapsed() < Duration::from_secs(14), "it took {:?}", ended_at.elapsed());
    bed.create::<LightsailKeyPair>("two", &imported(&public_key("ed25519"))).await;
    bed.wait_ready::<LightsailKeyPair>("two", "Imported").await;
    assert_eq!(bed.calls("ImportKeyPair"), 2);
    assert_eq!(transitions().await, before + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_slept_through_its_lease_ends_without_another_call() {
    let bed = Bed::new("asleep").await;
    let lease = bed.grant_lease().await;
    let mut first = replica(&bed, lease, "first.log").await;
    wait_until_it_leads(&first).await;
    let second = replica(&bed, lease, "second.log").await;
    signal(&first, Signal::STOP);
    wait_until_it_leads(&second).await;
    bed.create::<LightsailKeyPair>("one", &imported(&public_key("ed25519"))).await;
    bed.wait_ready::<LightsailKeyPair>("one", "Imported").await;
    let calls = bed.simulator.requests().len();
    signal(&first, Signal::CONT);
    let start = Instant::now();
    let status = loop {
        if let Some(status) = first.has_ended().unwrap() {
            break status;
        }
        assert!(start.elapsed() < Duration::from_mins(1), "it goes on: {}", first.log_text());
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(status.code(), Some(1));
    assert!(first.log_text().contains("lease"), "{}", first.log_text());
    assert_eq!(bed.simulator.requests().len(), calls);
}

/// Two operators on the same objects: what a leader is that does not know yet that it is not one
/// any more.
async fn second(bed: &Bed) -> Operator {
    let mut options = bed.options(None).await;
    options.log = options.log.with_file_name("second.log");
    Operator::start(options).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i3_an_old_leader_that_wakes_up_replaces_no_key() {
    let bed = Bed::new("old-leader-key").await;
    bed.region.create_default_key_pair();
    let effect = FaultEffect::HoldAfter;
    let held = bed.region.add_fault(Fault {
        operation: "DownloadDefaultKeyPair".to_owned(),
        resource: None,
        times: 1,
        effect,
    });
    let old = bed.start().await;
    bed.create::<LightsailKeyPair>("default", &default_pair()).await;
    held.reached().await;
    signal(&old, Signal::STOP);
    held.release();
    bed.region.delete_key_pair("LightsailDefaultKeyPair");
    let there = bed.region.create_default_key_pair();
    let new = second(&bed).await;
    bed.wait_ready::<LightsailKeyPair>("default", "Downloaded").await;
    let version = bed.secrets().get("kept").await.unwrap().metadata.resource_version;
    signal(&old, Signal::CONT);
    // The old one takes the answer that it was waiting for, and says that it has by handling this:
    // there is nobody else who could.
    drop(new);
    bed.reconcile_now::<LightsailKeyPair>("default").await;
    let handled = |object: &LightsailKeyPair| {
        object.status.as_ref().unwrap().last_handled_reconcile.is_some()
    };
    bed.wait("default", "handled by the old one", handled).await;
    bed.wait_ready::<LightsailKeyPair>("default", "Downloaded").await;
    let secret = bed.secrets().get("kept").await.unwrap();
    assert_eq!(secret.metadata.resource_version, version);
    let key = String::from_utf8(secret.data.unwrap()["ssh-privatekey"].0.clone()).unwrap();
    assert_eq!(public_half(&key), there.public_key.trim());
    assert_eq!(bed.calls("DeleteKeyPair"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i1_an_old_leader_that_wakes_up_deletes_no_pair_that_it_has_not_seen() {
    let bed = Bed::new("old-leader-pair").await;
    let old = bed.start().await;
    let key = public_key("ed25519");
    bed.create::<LightsailKeyPair>("fleet", &imported(&key)).await;
    bed.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
    let effect = FaultEffect::HoldAfter;
    let held = bed.region.add_fault(Fault {
        operation: "GetKeyPair".to_owned(),
        resource: None,
        times: 1,
        effect,
    });
    bed.delete::<LightsailKeyPair>("fleet").await;
    held.reached().await;
    signal(&old, Signal::STOP);
    held.release();
    // Meanwhile the other one does what was asked for, and the user makes the object again.
    let new = second(&bed).await;
    bed.wait_gone::<LightsailKeyPair>("fleet").await;
    bed.create::<LightsailKeyPair>("fleet", &imported(&key)).await;
    bed.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
    let there = bed.region.find_key_pair("fleet");
    // Longer than a look holds. It has to pass; there is nothing to wait for.
    tokio::time::sleep(Duration::from_secs(11)).await;
    let looks = bed.calls("GetKeyPair");
    signal(&old, Signal::CONT);
    let start = Instant::now();
    while bed.calls("GetKeyPair") == looks {
        assert!(start.elapsed() < Duration::from_mins(1), "the old one does not look again");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    drop(new);
    bed.reconcile_now::<LightsailKeyPair>("fleet").await;
    let handled = |object: &LightsailKeyPair| {
        object.status.as_ref().unwrap().last_handled_reconcile.is_some()
    };
    bed.wait("fleet", "handled by the old one", handled).await;
    assert_eq!(bed.region.find_key_pair("fleet"), there);
    assert_eq!(bed.calls("DeleteKeyPair"), 1);
}
