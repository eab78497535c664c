//! Private keys stay where they belong (I4). `testbed search-logs` searches all logs when all tests
//! are over; this reads what users and other programs can read.

use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::ListParams;
use lightsail_operator::api::LightsailKeyPair;
use serde_json::json;

use crate::bed::{Bed, default_pair};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i4_a_downloaded_key_is_in_the_secret_and_nowhere_else() {
    let bed = Bed::new("private").await;
    bed.region.create_default_key_pair();
    let operator = bed.start().await;
    bed.create::<LightsailKeyPair>("default", &default_pair()).await;
    bed.wait_ready::<LightsailKeyPair>("default", "Downloaded").await;
    // A Secret that was deleted makes the operator read, download and write again.
    bed.secrets().delete("kept", &kube::api::DeleteParams::default()).await.unwrap();
    let again =
        json!({ "metadata": { "annotations": { "lightsail-operator.dev/reconcile": "1" } } });
    bed.patch::<LightsailKeyPair>("default", &again).await;
    let handled = |object: &LightsailKeyPair| {
        object.status.as_ref().unwrap().last_handled_reconcile.is_some()
    };
    let object = bed.wait("default", "written again", handled).await;
    let secret = bed.secrets().get("kept").await.unwrap();
    let private = String::from_utf8(secret.data.unwrap()["ssh-privatekey"].0.clone()).unwrap();
    let lines: Vec<&str> = private.lines().filter(|line| !line.starts_with("-----")).collect();
    assert!(lines.len() > 20);

    // So that it is among what is read below.
    bed.wait_event("Downloaded").await;
    let events: Api<Event> = Api::namespaced(bed.cluster.client(), &bed.namespace);
    let events =
        serde_json::to_string(&events.list(&ListParams::default()).await.unwrap()).unwrap();
    let (_, metrics) = operator.get("/metrics").await.unwrap();
    let readable =
        [serde_json::to_string(&object).unwrap(), events, metrics, operator.log_text()].concat();
    assert!(readable.contains("Downloaded"));
    for line in lines {
        assert!(!readable.contains(line));
    }
}
