//! Objects that vanish while their pair is being imported.

use http::Method;
use lightsail_operator::api::LightsailKeyPair;
use serde_json::json;
use testbed::api_proxy::{ApiProxy, Matcher};
use testbed::operator::Operator;
use testbed::simulator::{Fault, FaultEffect};

use crate::bed::{Bed, imported, public_key};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pair_whose_object_vanishes_during_the_import_follows_it() {
    vanishes_during_the_import(404).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pair_follows_its_object_also_if_that_conflicts() {
    vanishes_during_the_import(409).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pair_follows_its_object_also_if_nobody_says_that_it_is_gone() {
    vanishes_during_the_import(500).await;
}

/// Somebody takes the finalizer off and deletes the object while its key is being imported. The API
/// server answers so to the status of an object that is gone; which it is depends on its version
/// and its caches.
async fn vanishes_during_the_import(status: u16) {
    let bed = Bed::new("deserted").await;
    let proxy = ApiProxy::start(&bed.cluster).await.unwrap();
    let of_pair = Matcher::new(Method::PATCH, "/lightsailkeypairs/fleet/status");
    let answered = proxy.fail(of_pair.with_body("\"arn\""), 1, status);
    let held = bed.region.add_fault(Fault::new("ImportKeyPair", FaultEffect::HoldBefore).times(1));
    let operator = Operator::start(bed.options(Some(&proxy.url())).await).await.unwrap();
    bed.create::<LightsailKeyPair>("fleet", &imported(&public_key("ed25519"))).await;
    held.reached().await;
    bed.patch::<LightsailKeyPair>("fleet", &json!({ "metadata": { "finalizers": null } })).await;
    bed.delete::<LightsailKeyPair>("fleet").await;
    bed.wait_gone::<LightsailKeyPair>("fleet").await;
    // Lightsail does not answer for a while: that is no reason to leave the pair behind.
    bed.region.add_fault(Fault {
        operation: "DeleteKeyPair".to_owned(),
        resource: None,
        times: 2,
        effect: FaultEffect::Error {
            error_type: "ServiceException".to_owned(),
            code: None,
            message: "try again".to_owned(),
            status: 500,
        },
    });
    held.release();
    let ended = "lightsail_operator_vanished_objects_ended_total{kind=\"LightsailKeyPair\",\
                 reason=\"Deleted\"} 1";
    let start = std::time::Instant::now();
    while !operator.get("/metrics").await.unwrap().1.contains(ended) {
        assert!(start.elapsed().as_secs() < 60, "the pair stays");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(answered.count(), 1);
    assert_eq!(bed.region.find_key_pair("fleet"), None);
    assert_eq!((bed.calls("ImportKeyPair"), bed.calls("DeleteKeyPair")), (1, 3));
    // A new object of that name has a pair of its own.
    bed.create::<LightsailKeyPair>("fleet", &imported(&public_key("ed25519"))).await;
    bed.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
}
