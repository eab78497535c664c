//! Admission webhooks that take their time.

use std::net::TcpListener;
use std::time::Duration;

use http::Method;
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use lightsail_operator::api::{HostKeyReset, LightsailKeyPair};
use serde_json::json;
use testbed::api_proxy::{ApiProxy, Matcher};
use testbed::operator::Operator;

use crate::bed::{Bed, imported, public_key, reset, set};
use crate::resets::wait_complete;

/// Longer than a third of the Lease's duration, which the operator once gave to a write.
const WEBHOOK_SECONDS: u32 = 6;

/// A webhook that accepts connections and never answers, as behind a firewall that drops packets.
/// Its failures are ignored, so the API server is slow, and refuses nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_that_nobody_answers_and_that_may_be_ignored_stops_nothing() {
    let bed = Bed::new("slow-webhook").await;
    bed.region.add_instance("web-1");
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/validate", silent.local_addr().unwrap());
    let webhook = json!({ "metadata": { "name": bed.namespace }, "webhooks": [{
        "name": "silent.example.com",
        "clientConfig": { "url": url },
        "failurePolicy": "Ignore",
        "timeoutSeconds": WEBHOOK_SECONDS,
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": bed.namespace } },
        "rules": [{ "apiGroups": ["lightsail-operator.dev"], "apiVersions": ["*"],
            "operations": ["UPDATE"], "resources": ["hostkeyresets", "lightsailkeypairs"] }],
    }] });
    let webhooks: Api<ValidatingWebhookConfiguration> = Api::all(bed.cluster.client());
    let webhook = serde_json::from_value(webhook).unwrap();
    webhooks.create(&PostParams::default(), &webhook).await.unwrap();

    let mut options = bed.options(None).await;
    set(&mut options, "--leader-election", "true");
    options.arguments.extend(["--lease-name".to_owned(), bed.grant_lease().await.to_owned()]);
    let _operator = Operator::start(options).await.unwrap();
    bed.create::<LightsailKeyPair>("fleet", &imported(&public_key("ed25519"))).await;
    bed.create::<HostKeyReset>("first", &reset()).await;
    bed.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
    wait_complete(&bed, "first").await;
    assert_eq!(bed.calls("DeleteKnownHostKeys"), 1);
    webhooks.delete(&bed.namespace, &DeleteParams::default()).await.unwrap();
}

/// It is known that no call was made, so the next reconciliation makes it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_whose_mark_took_too_long_is_tried_again() {
    let bed = Bed::new("slow-mark").await;
    bed.region.add_instance("web-1");
    let proxy = ApiProxy::start(&bed.cluster).await.unwrap();
    let marking = Matcher::new(Method::PATCH, "/hostkeyresets/first?").with_body("/Started");
    let delayed = proxy.delay(marking, Duration::from_secs(7));
    let mut options = bed.options(Some(&proxy.url())).await;
    set(&mut options, "--aws-call-timeout", "2s");
    let _operator = Operator::start(options).await.unwrap();
    bed.create::<HostKeyReset>("first", &reset()).await;
    let reset = wait_complete(&bed, "first").await;
    assert_eq!(delayed.count(), 1);
    assert_eq!(bed.calls("DeleteKnownHostKeys"), 1);
    assert_eq!(reset.status.unwrap().operations.len(), 1);
}
