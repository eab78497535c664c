//! I14: nothing that one namespace creates is felt in another, by the Lease or by the probes. What
//! is counted here are calls, connections and series; how long it takes is a benchmark's business.

use std::collections::HashSet;

use kube::Api;
use kube::api::PostParams;
use lightsail_operator::api::{HostKeyReset, LightsailKeyPair};
use serde_json::{Value, json};
use testbed::simulator::{Fault, FaultEffect};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::bed::{Bed, imported, public_key, ready_reason, reset, wait_for};

fn in_region(region: &str) -> Value {
    let mut spec = imported(&public_key("ed25519"));
    spec["region"] = region.into();
    spec
}

/// How many key pairs show this reason.
async fn count(bed: &Bed, reason: &str) -> usize {
    let all = bed.api::<LightsailKeyPair>().list(&kube::api::ListParams::default()).await.unwrap();
    all.items.iter().filter(|object| ready_reason(*object) == reason).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_regions_that_never_answer_a_namespace_has_32_tried() {
    let bed = Bed::new("regions").await;
    let quiet = bed.cluster.create_namespace("regions-quiet").await.unwrap();
    let mut options = bed.options(None).await;
    options.arguments.extend(["--watch-namespace".to_owned(), quiet.clone()]);
    let regions: Vec<String> = (1..=40).map(|number| format!("xx-nowhere-{number}")).collect();
    // Whatever answers there is not Lightsail: it knows no signature for such a region.
    let operator = testbed::operator::Operator::start(options).await.unwrap();
    for region in &regions {
        bed.create::<LightsailKeyPair>(region, &in_region(region)).await;
    }
    wait_for("the regions beyond the share are refused", async || {
        count(&bed, "TooManyRegions").await == 8 && count(&bed, "InvalidCredentials").await == 32
    })
    .await;
    // A region that nobody asked before is there for another namespace.
    let theirs: Api<LightsailKeyPair> = Api::namespaced(bed.cluster.client(), &quiet);
    let object = json!({
        "apiVersion": "lightsail-operator.dev/v1alpha1",
        "kind": "LightsailKeyPair",
        "metadata": { "name": "fleet", "namespace": quiet },
        "spec": in_region("us-west-2"),
    });
    theirs.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
    wait_for("the quiet namespace has its key pair", async || {
        ready_reason(&theirs.get("fleet").await.unwrap()) == "Imported"
    })
    .await;
    let (_, metrics) = operator.get("/metrics").await.unwrap();
    let asked: HashSet<&str> = metrics
        .lines()
        .filter_map(|line| line.split("region=\"").nth(1)?.split('"').next())
        .filter(|region| region.starts_with("xx-nowhere-"))
        .collect();
    assert_eq!(asked.len(), 32, "{asked:?}");
    // What nobody names any more is dropped.
    let all = kube::api::ListParams::default();
    bed.api::<LightsailKeyPair>()
        .delete_collection(&kube::api::DeleteParams::default(), &all)
        .await
        .unwrap();
    wait_for("nothing is kept of regions that no object names", async || {
        let (_, metrics) = operator.get("/metrics").await.unwrap();
        let (_, ready) = operator.get("/readyz").await.unwrap();
        !metrics.contains("xx-nowhere-") && !ready.contains("xx-nowhere-")
    })
    .await;
    let (_, metrics) = operator.get("/metrics").await.unwrap();
    assert!(metrics.contains("us-west-2"), "the other region is still counted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_region_that_is_not_allowed_is_not_asked() {
    let bed = Bed::new("allowed-regions").await;
    let mut options = bed.options(None).await;
    options.arguments.push("--allowed-regions=eu-west-1,us-east-1".to_owned());
    let _operator = testbed::operator::Operator::start(options).await.unwrap();
    bed.create::<LightsailKeyPair>("elsewhere", &in_region("eu-west-2")).await;
    bed.create::<LightsailKeyPair>("fleet", &in_region("us-east-1")).await;
    bed.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
    let (_, message) = bed.wait_stalled::<LightsailKeyPair>("elsewhere", "RegionNotAllowed").await;
    assert!(message.contains("only eu-west-1, us-east-1"), "{message}");
    assert!(bed.simulator.requests().iter().all(|request| request.region != "eu-west-2"));
    bed.delete::<LightsailKeyPair>("elsewhere").await;
    bed.wait_gone::<LightsailKeyPair>("elsewhere").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resets_that_wait_for_their_turn_ask_nothing() {
    let bed = Bed::new("turns-without-calls").await;
    bed.region.add_instance("web-1");
    let fault = bed.region.add_fault(Fault::new("DeleteKnownHostKeys", FaultEffect::HoldBefore));
    // The first one has its turn for as long as the others take on a busy machine.
    let options = bed.patient(None).await;
    let _operator = testbed::operator::Operator::start(options).await.unwrap();
    bed.create::<HostKeyReset>("first", &reset()).await;
    fault.reached().await;
    let before = bed.simulator.requests().len();
    for number in 0..20 {
        bed.create::<HostKeyReset>(&format!("waits-{number}"), &reset()).await;
    }
    for number in 0..20 {
        let name = format!("waits-{number}");
        bed.wait(&name, "WaitingForTurn", |reset: &HostKeyReset| {
            ready_reason(reset) == "WaitingForTurn"
        })
        .await;
    }
    let asked = bed.simulator.requests().split_off(before);
    assert!(asked.is_empty(), "{asked:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_requests_keep_nobody_out_and_take_few_descriptors() {
    let bed = Bed::new("half-requests").await;
    let mut operator = bed.start().await;
    let mut clients = Vec::new();
    for _ in 0..300 {
        let mut client = TcpStream::connect(operator.address().unwrap()).await.unwrap();
        // The operator may have closed it by then.
        let _ = client.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n").await;
        clients.push(client);
    }
    assert_eq!(operator.get("/livez").await.unwrap(), (200, "ok\n".to_owned()));
    // Connections are accepted in their order, so all have been by now. Nothing is waited for:
    // later they are closed because their requests do not come. Of 300, 64 are open at most; the
    // rest are files, and connections of the operator itself.
    let descriptors = std::fs::read_dir(format!("/proc/{}/fd", operator.pid())).unwrap().count();
    assert!(descriptors < 150, "{descriptors}");
    assert!(operator.stop().await.unwrap().success());
    drop(clients);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_is_too_large_is_refused() {
    let bed = Bed::new("large-source").await;
    let _operator = bed.start().await;
    let data = json!({
        "metadata": { "name": "keys" },
        "data": { "large": "x".repeat(70_000), "small": public_key("ed25519") },
    });
    let maps: Api<k8s_openapi::api::core::v1::ConfigMap> =
        Api::namespaced(bed.cluster.client(), &bed.namespace);
    maps.create(&PostParams::default(), &serde_json::from_value(data).unwrap()).await.unwrap();
    let from = |key: &str| {
        json!({
            "type": "Imported",
            "region": "eu-west-1",
            "imported": { "publicKeyFrom": { "configMapKeyRef": { "name": "keys", "key": key } } },
        })
    };
    bed.create::<LightsailKeyPair>("large", &from("large")).await;
    let (_, message) = bed.wait_stalled::<LightsailKeyPair>("large", "SourceTooLarge").await;
    assert!(message.contains("70000 bytes, and the operator reads at most 65536"), "{message}");
    bed.create::<LightsailKeyPair>("small", &from("small")).await;
    bed.wait_ready::<LightsailKeyPair>("small", "Imported").await;
}
