//! Several replicas: one acts, and when it cannot any more another one does. One that wakes up late
//! does no harm.

use std::time::{Duration, Instant};

use http::Method;
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use lightsail_operator::api::LightsailKeyPair;
use rustix::process::{Pid, Signal, kill_process};
use testbed::api_proxy::{ApiProxy, Matcher, Place};
use testbed::operator::Operator;
use testbed::simulator::{Fault, FaultEffect};

use crate::bed::{Bed, REGION, default_pair, imported, public_half, public_key, set, wait_for};

/// What a process logs that had no time to give the Lease back: the API server was slow.
const NOT_RELEASED: &str = "the Lease was not released";

/// The Lease that the chart makes, and that its Role names.
const LEASE: &str = "lightsail-operator";

/// A replica with a log of its own.
async fn replica(bed: &Bed, lease: &str, log: &str) -> Operator {
    replica_with(bed, lease, log, None, &[]).await
}

/// A replica with other times, or with something before its API server.
async fn replica_with(
    bed: &Bed,
    lease: &str,
    log: &str,
    api_server: Option<&str>,
    times: &[(&str, &str)],
) -> Operator {
    let mut options = bed.options(api_server).await;
    set(&mut options, "--leader-election", "true");
    options.arguments.extend(["--lease-name".to_owned(), lease.to_owned()]);
    for (flag, time) in times {
        match options.arguments.iter().position(|argument| argument == flag) {
            Some(at) => (*time).clone_into(&mut options.arguments[at + 1]),
            None => options.arguments.push(format!("{flag}={time}")),
        }
    }
    options.log = options.log.with_file_name(log);
    Operator::start(options).await.unwrap()
}

/// Waits until it has ended by itself.
async fn exit_code(operator: &mut Operator) -> Option<i32> {
    let start = Instant::now();
    loop {
        if let Some(status) = operator.has_ended().unwrap() {
            return status.code();
        }
        assert!(start.elapsed() < Duration::from_mins(1), "it goes on: {}", operator.log_text());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

pub(crate) fn signal(operator: &Operator, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(operator.pid()).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

async fn leads(operator: &Operator) -> bool {
    operator
        .get("/metrics")
        .await
        .is_ok_and(|(_, metrics)| metrics.contains("lightsail_operator_leader 1"))
}

/// Returns a moment before that was seen.
async fn wait_until_it_leads(operator: &Operator) -> Instant {
    let start = Instant::now();
    let mut before = start;
    loop {
        let now = Instant::now();
        if leads(operator).await {
            return before;
        }
        before = now;
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
    let report = async |replica: &Operator| replica.get("/readyz").await.unwrap();
    assert_eq!(report(&first).await, (200, "ok\n".to_owned()));
    let follows = "ok\nthis replica: it does not lead, so it does not call AWS\n";
    assert_eq!(report(&second).await, (200, follows.to_owned()));
    let known =
        r#"lightsail_operator_objects{kind="LightsailKeyPair",ready="true",reason="Imported"} 1"#;
    let start = Instant::now();
    while !second.get("/metrics").await.unwrap().1.contains(known) {
        assert!(start.elapsed() < Duration::from_mins(1), "the follower does not know the objects");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(!leads(&second).await && !second.log_text().contains("AWS credentials are in use"));
    let leases: Api<Lease> = Api::namespaced(bed.cluster.client(), "lightsail-operator");
    let transitions = async || {
        leases.get(LEASE).await.unwrap().spec.unwrap().lease_transitions.unwrap_or_default()
    };
    let before = transitions().await;
    let ended_at = Instant::now();
    assert!(first.stop().await.unwrap().success());
    wait_until_it_leads(&second).await;
    // The lease was given back, unless the API server was slow: it holds for 15 seconds when nobody
    // renews it.
    let took = ended_at.elapsed();
    assert!(took < Duration::from_secs(14) || first.log_text().contains(NOT_RELEASED), "{took:?}");
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
    assert_eq!(exit_code(&mut first).await, Some(1));
    assert!(first.log_text().contains("lease"), "{}", first.log_text());
    assert_eq!(bed.simulator.requests().len(), calls);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_go_silent_are_noticed_and_cost_nobody_the_lease() {
    let bed = Bed::new("silent").await;
    let lease = bed.grant_lease().await;
    let proxy = ApiProxy::start(&bed.cluster).await.unwrap();
    let mut operator = replica_with(&bed, lease, "operator.log", Some(&proxy.url()), &[]).await;
    wait_until_it_leads(&operator).await;
    bed.create::<LightsailKeyPair>("one", &imported(&public_key("ed25519"))).await;
    bed.wait_ready::<LightsailKeyPair>("one", "Imported").await;
    proxy.go_silent();
    let connections = proxy.connections();
    // kube's own watches would notice this after five minutes.
    bed.create::<LightsailKeyPair>("two", &imported(&public_key("ed25519"))).await;
    bed.wait_ready::<LightsailKeyPair>("two", "Imported").await;
    assert!(proxy.connections() > connections);
    assert_eq!(operator.has_ended().unwrap(), None, "it still has the Lease");
    assert_eq!(bed.calls("ImportKeyPair"), 2);
}

/// What is next when a leader falls asleep.
#[derive(Clone, Copy, Debug)]
enum Nap {
    /// The list was read.
    Finalizer,
    /// The intent is written.
    Import,
    /// The pair was read live.
    Deletion,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i13_a_leader_that_slept_between_a_read_and_a_change_does_not_make_the_change() {
    let naps = [Nap::Finalizer, Nap::Import, Nap::Deletion];
    let times = [("--lease-duration", "10s"), ("--aws-call-timeout", "2s")];
    let checks = naps.map(|nap| async move {
        let bed = Bed::new("nap").await;
        let lease = bed.grant_lease().await;
        let proxy = ApiProxy::start(&bed.cluster).await.unwrap();
        let mut first = replica_with(&bed, lease, "first.log", Some(&proxy.url()), &times).await;
        wait_until_it_leads(&first).await;
        let second = replica_with(&bed, lease, "second.log", None, &times).await;
        let spec = imported(&public_key("ed25519"));
        let answered = |operation: &str| {
            let (operation, effect) = (operation.to_owned(), FaultEffect::HoldAfter);
            bed.region.add_fault(Fault { operation, resource: None, times: 1, effect })
        };
        match nap {
            Nap::Finalizer => {
                let held = answered("GetKeyPairs");
                bed.create::<LightsailKeyPair>("fleet", &spec).await;
                held.reached().await;
                signal(&first, Signal::STOP);
                held.release();
            }
            Nap::Import => {
                let intent = Matcher::new(Method::PATCH, "/fleet/status").with_body("importIntent");
                let held = proxy.hold(intent, Place::BeforeAnswer);
                bed.create::<LightsailKeyPair>("fleet", &spec).await;
                held.reached().await;
                signal(&first, Signal::STOP);
                held.release();
            }
            Nap::Deletion => {
                bed.create::<LightsailKeyPair>("fleet", &spec).await;
                bed.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
                let held = answered("GetKeyPair");
                bed.delete::<LightsailKeyPair>("fleet").await;
                held.reached().await;
                signal(&first, Signal::STOP);
                held.release();
            }
        }
        wait_until_it_leads(&second).await;
        if matches!(nap, Nap::Deletion) {
            bed.wait_gone::<LightsailKeyPair>("fleet").await;
            bed.create::<LightsailKeyPair>("fleet", &spec).await;
        }
        let ready = bed.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
        let (there, changes) = (bed.region.find_key_pair("fleet"), bed.changes());
        signal(&first, Signal::CONT);
        assert_eq!(exit_code(&mut first).await, Some(1), "{nap:?}");
        let after: LightsailKeyPair = bed.api().get("fleet").await.unwrap();
        assert_eq!(after.metadata.resource_version, ready.metadata.resource_version, "{nap:?}");
        assert_eq!(bed.region.find_key_pair("fleet"), there, "{nap:?}");
        assert_eq!(bed.changes(), changes, "{nap:?}");
    });
    futures::future::join_all(checks).await;
}

/// The Lease is held, and another cannot have it yet; but it could run out while a call is under
/// way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_could_outlive_the_lease_is_sent_only_after_a_renewal() {
    let bed = Bed::new("old-lease").await;
    let lease = bed.grant_lease().await;
    let proxy = ApiProxy::start(&bed.cluster).await.unwrap();
    // It is renewed every 4 seconds, and then a little older than a call leaves time for.
    let times = [("--lease-duration", "30s"), ("--aws-call-timeout", "25900ms")];
    let operator = replica_with(&bed, lease, "operator.log", Some(&proxy.url()), &times).await;
    wait_until_it_leads(&operator).await;
    let renewal = Matcher::new(Method::PUT, format!("/leases/{lease}"));
    // All of them: an attempt that gets no answer is followed by another one.
    let held = proxy.hold_all(renewal, Place::BeforeRequest);
    held.reached().await;
    // The Lease gets older; there is nothing to wait for.
    tokio::time::sleep(Duration::from_secs(1)).await;
    bed.create::<LightsailKeyPair>("fleet", &imported(&public_key("ed25519"))).await;
    let is_refused = || operator.log_text().contains("nothing was sent");
    wait_for("it is not sent", async || is_refused()).await;
    assert_eq!(bed.calls("ImportKeyPair"), 0);
    let object: LightsailKeyPair = bed.api().get("fleet").await.unwrap();
    let status = object.status.unwrap();
    assert!(status.import_intent.is_some());
    let said: Vec<_> = status.conditions.iter().map(|it| it.reason.as_str()).collect();
    assert_eq!(said, ["InProgress"; 2], "nothing is said of it");
    held.release();
    bed.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
    assert_eq!(bed.calls("ImportKeyPair"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i14_the_lease_is_renewed_while_keys_are_generated() {
    let bed = Bed::new("busy").await;
    let lease = bed.grant_lease().await;
    let times = [("--lease-duration", "10s"), ("--aws-call-timeout", "2s")];
    let mut operator = replica_with(&bed, lease, "operator.log", None, &times).await;
    wait_until_it_leads(&operator).await;
    // Each takes about a second of one core.
    let names: Vec<String> = (0..12).map(|number| format!("rsa-{number}")).collect();
    for name in &names {
        let spec = serde_json::json!({ "type": "Generated", "region": REGION,
            "generated": { "algorithm": "RSA4096", "secret": { "name": name } } });
        bed.create::<LightsailKeyPair>(name, &spec).await;
    }
    for name in &names {
        bed.wait_ready::<LightsailKeyPair>(name, "Generated").await;
    }
    assert_eq!(operator.has_ended().unwrap(), None);
    let leases: Api<Lease> = Api::namespaced(bed.cluster.client(), "lightsail-operator");
    let spec = leases.get(lease).await.unwrap().spec.unwrap();
    assert_eq!(spec.lease_transitions, Some(0), "it was never anybody else's");
    assert!(leads(&operator).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_leaves_a_step_that_does_not_end_and_gives_the_lease_back() {
    let bed = Bed::new("hanging-step").await;
    let lease = bed.grant_lease().await;
    let times = [("--aws-call-timeout", "12s")];
    let mut operator = replica_with(&bed, lease, "operator.log", None, &times).await;
    wait_until_it_leads(&operator).await;
    let hanging = bed.region.add_fault(Fault::new("GetKeyPairs", FaultEffect::Hang));
    bed.create::<LightsailKeyPair>("fleet", &imported(&public_key("ed25519"))).await;
    hanging.reached().await;
    let told_at = Instant::now();
    assert!(operator.stop().await.unwrap().success());
    // After 4 of 5 seconds, and sooner than the call would have been given up.
    assert!(told_at.elapsed() < Duration::from_secs(11), "{:?}", told_at.elapsed());
    assert!(operator.log_text().contains("a step did not finish in time"));
    let leases: Api<Lease> = Api::namespaced(bed.cluster.client(), "lightsail-operator");
    let holder = leases.get(lease).await.unwrap().spec.unwrap().holder_identity;
    let is_free = holder.unwrap_or_default().is_empty();
    assert!(is_free || operator.log_text().contains(NOT_RELEASED), "it was given back");
}

/// A follower that has been there for longer than any effect can be late knows nothing of what the
/// leader sent a moment ago.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i13_a_follower_that_takes_over_waits_for_an_import_of_the_leader_before_it() {
    let bed = Bed::new("takeover").await;
    let lease = bed.grant_lease().await;
    let (lease_duration, call_timeout, settle_time) = (10, 2, 25);
    let seconds = |seconds: u64| format!("{seconds}s");
    let window = Duration::from_secs(lease_duration + call_timeout + settle_time);
    let times = [
        ("--lease-duration", &*seconds(lease_duration)),
        ("--aws-call-timeout", &*seconds(call_timeout)),
        ("--settle-time", &*seconds(settle_time)),
        ("--search-interval", "1s"),
    ];
    let mut first = replica_with(&bed, lease, "first.log", None, &times).await;
    wait_until_it_leads(&first).await;
    let second = replica_with(&bed, lease, "second.log", None, &times).await;
    // It has to have followed for longer than that; there is nothing to wait for.
    tokio::time::sleep(window + Duration::from_secs(1)).await;
    // One is imported late, when the second has led for a while; the other never.
    let import = |name: &str, effect| {
        let (operation, resource) = ("ImportKeyPair".to_owned(), Some(name.to_owned()));
        bed.region.add_fault(Fault { operation, resource, times: 1, effect })
    };
    let late = import("late", FaultEffect::Late(Duration::from_secs(settle_time - 2)));
    let never = import("never", FaultEffect::Hang);
    for name in ["late", "never"] {
        bed.create::<LightsailKeyPair>(name, &imported(&public_key("ed25519"))).await;
    }
    tokio::join!(late.reached(), never.reached());
    first.kill();
    for name in ["late", "never"] {
        bed.delete::<LightsailKeyPair>(name).await;
    }
    let led_at = wait_until_it_leads(&second).await;
    assert_eq!(bed.region.find_key_pair("late"), None, "the second leads before it is there");
    bed.wait_gone::<LightsailKeyPair>("late").await;
    assert_eq!(bed.calls("DeleteKeyPair"), 1, "it was there by then");
    bed.wait_gone::<LightsailKeyPair>("never").await;
    let waited = led_at.elapsed();
    assert!(waited >= window, "nothing is final before: {waited:?}");
    assert_eq!(bed.region.key_pairs(), []);
    assert_eq!(bed.calls("ImportKeyPair"), 2);
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
    // Longer than a read holds. It has to pass; there is nothing to wait for.
    tokio::time::sleep(Duration::from_secs(11)).await;
    signal(&old, Signal::CONT);
    // The old one goes on with its reconciliation, and says that it has ended it by handling this:
    // there is nobody else who could.
    drop(new);
    bed.reconcile_now::<LightsailKeyPair>("fleet").await;
    let handled = |object: &LightsailKeyPair| {
        object.status.as_ref().unwrap().last_handled_reconcile.is_some()
    };
    bed.wait("fleet", "handled by the old one", handled).await;
    assert_eq!(bed.region.find_key_pair("fleet"), there);
    assert_eq!(bed.calls("DeleteKeyPair"), 1);
}
