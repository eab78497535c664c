//! Several replicas: one acts, and when it cannot any more another one does.

use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use lightsail_operator::api::LightsailKeyPair;
use rustix::process::{Pid, Signal, kill_process};
use testbed::operator::Operator;

use crate::bed::{Bed, imported, public_key, set};

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
    assert!(!leads(&second).await && !second.log_text().contains("AWS credentials are in force"));
    let known =
        r#"lightsail_operator_objects{kind="LightsailKeyPair",ready="true",reason="Imported"} 1"#;
    let start = Instant::now();
    while !second.get("/metrics").await.unwrap().1.contains(known) {
        assert!(start.elapsed() < Duration::from_mins(1), "the follower does not know the objects");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
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
    let pid = Pid::from_raw(i32::try_from(first.pid()).unwrap()).unwrap();
    kill_process(pid, Signal::STOP).unwrap();
    wait_until_it_leads(&second).await;
    bed.create::<LightsailKeyPair>("one", &imported(&public_key("ed25519"))).await;
    bed.wait_ready::<LightsailKeyPair>("one", "Imported").await;
    let calls = bed.simulator.requests().len();
    kill_process(pid, Signal::CONT).unwrap();
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
