//! What becomes of a reset that is over: it can be edited, and goes or stays.

use std::time::Duration;

use http::Method;
use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use lightsail_operator::api::HostKeyReset;
use lightsail_operator::api::conditions::{COMPLETE, READY, find, is_true};
use serde_json::json;
use testbed::api_proxy::{ApiProxy, Matcher};
use testbed::operator::Operator;

use crate::bed::{Bed, reset};
use crate::reset_life::{NO_CHANGE, kubectl, with};
use crate::resets::{wait_complete, wait_failed};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i10_an_edit_of_a_finished_reset_is_observed_and_waited_for() {
    let bed = Bed::new("edited").await;
    bed.region.add_instance("web-1");
    let _operator = bed.start().await;
    bed.create::<HostKeyReset>("done", &reset()).await;
    bed.create::<HostKeyReset>("lost", &with(&json!({ "instanceName": "web-2" }))).await;
    wait_complete(&bed, "done").await;
    wait_failed(&bed, "lost", "InstanceNotFound").await;
    let calls = bed.simulator.requests().len();
    for (name, condition) in [("done", "Complete"), ("lost", "Failed")] {
        let change = json!({ "spec": { "ttlSecondsAfterFinished": 86_400 } });
        let generation = bed.patch::<HostKeyReset>(name, &change).await.metadata.generation;
        // kubectl takes a condition of an older generation for none.
        let condition = format!("--for=condition={condition}");
        kubectl(&bed, &["wait", &condition, "--timeout=60s", &format!("hkr/{name}")]).await;
        let status = bed.api::<HostKeyReset>().get(name).await.unwrap().status.unwrap();
        assert_eq!(Some(status.observed_generation), generation);
        assert!(
            status.conditions.iter().all(|condition| condition.observed_generation == generation)
        );
    }
    assert_eq!(bed.simulator.requests().len(), calls);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_finished_reset_goes_when_its_time_has_come() {
    let bed = Bed::new("ttl").await;
    bed.region.add_instance("web-1");
    let _operator = bed.start().await;
    bed.create::<HostKeyReset>("brief", &with(&json!({ "ttlSecondsAfterFinished": 2 }))).await;
    bed.create::<HostKeyReset>("kept", &with(&json!({ "instanceName": "web-2" }))).await;
    wait_failed(&bed, "kept", "InstanceNotFound").await;
    bed.wait_event("OperationSucceeded").await;
    bed.wait_gone::<HostKeyReset>("brief").await;
    assert_eq!(bed.region.known_host_keys_resets("web-1"), 1);
    // Unset is forever; 0, set later, is immediately.
    bed.api::<HostKeyReset>().get("kept").await.unwrap();
    bed.patch::<HostKeyReset>("kept", &json!({ "spec": { "ttlSecondsAfterFinished": 0 } })).await;
    bed.wait_gone::<HostKeyReset>("kept").await;
    assert_eq!(bed.calls("DeleteKnownHostKeys"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i8_a_finished_reset_that_cannot_be_deleted_says_why() {
    let bed = Bed::new("stays").await;
    bed.region.add_instance("web-1");
    let proxy = ApiProxy::start(&bed.cluster).await.unwrap();
    let _operator = Operator::start(bed.options(Some(&proxy.url())).await).await.unwrap();
    let delete = Matcher::new(Method::DELETE, "/hostkeyresets/brief");
    proxy.fail(delete, 6, 403);
    bed.create::<HostKeyReset>("brief", &with(&json!({ "ttlSecondsAfterFinished": 0 }))).await;
    let is_told = |reset: &HostKeyReset| {
        let ready = find(&reset.status.as_ref().unwrap().conditions, READY);
        ready.is_some_and(|ready| ready.message.contains("however, the Kubernetes API server"))
    };
    let reset = bed.wait::<HostKeyReset>("brief", "it says why", is_told).await;
    let conditions = reset.status.unwrap().conditions;
    assert!(is_true(&conditions, READY) && is_true(&conditions, COMPLETE));
    let complete = find(&conditions, COMPLETE).unwrap();
    assert!(!complete.message.contains("however"), "{}", complete.message);
    bed.wait_event("KubernetesError").await;
    bed.wait_gone::<HostKeyReset>("brief").await;
    assert_eq!(bed.calls("DeleteKnownHostKeys"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i8_a_finished_reset_whose_mark_is_removed_stays_finished_and_says_why() {
    let bed = Bed::new("removed").await;
    bed.region.add_instance("web-1");
    let proxy = ApiProxy::start(&bed.cluster).await.unwrap();
    let _operator = Operator::start(bed.options(Some(&proxy.url())).await).await.unwrap();
    let mark = Matcher::new(Method::PATCH, "/hostkeyresets/done").with_body("/Succeeded/");
    let removed = proxy.rewrite(mark, 2, NO_CHANGE);
    bed.create::<HostKeyReset>("done", &reset()).await;
    let is_told = |reset: &HostKeyReset| {
        let status = reset.status.clone().unwrap_or_default();
        let ready = find(&status.conditions, READY);
        ready.is_some_and(|ready| ready.message.contains("does not keep the annotation"))
    };
    let told = bed.wait::<HostKeyReset>("done", "it says why", is_told).await;
    let conditions = told.status.unwrap().conditions;
    assert!(is_true(&conditions, READY) && is_true(&conditions, COMPLETE));
    bed.wait_event("KubernetesError").await;
    wait_complete(&bed, "done").await;
    assert_eq!((removed.count(), bed.calls("DeleteKnownHostKeys")), (2, 1));
}

/// A tool restores the status of before the reset began.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i8_an_older_status_over_that_of_a_finished_reset_holds_up_nobody() {
    let bed = Bed::new("older").await;
    bed.region.add_instance("web-1");
    let _operator = bed.start().await;
    bed.create::<HostKeyReset>("done", &reset()).await;
    wait_complete(&bed, "done").await;
    let older = json!({ "status": {
        "attempts": 0, "startTime": null, "completionTime": null, "operations": null,
        "conditions": [{
            "type": "Ready", "status": "False", "reason": "WaitingForTurn", "message": "it waits",
            "lastTransitionTime": "2026-11-24T12:00:00Z",
        }],
    } });
    let api = bed.api::<HostKeyReset>();
    api.patch_status("done", &PatchParams::default(), &Patch::Merge(older)).await.unwrap();
    bed.wait_ready::<HostKeyReset>("done", "AlreadyExecuted").await;
    bed.create::<HostKeyReset>("younger", &reset()).await;
    wait_complete(&bed, "younger").await;
    assert_eq!(bed.region.known_host_keys_resets("web-1"), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_tool_would_make_again_is_kept_and_says_so() {
    let bed = Bed::new("tracked").await;
    bed.region.add_instance("web-1");
    let _operator = bed.start().await;
    let marks = [
        ("flux", json!({ "labels": { "kustomize.toolkit.fluxcd.io/name": "apps" } }), "of Flux"),
        (
            "argo",
            json!({ "annotations": { "argocd.argoproj.io/tracking-id": "apps:x" } }),
            "of Argo CD",
        ),
    ];
    for (name, metadata, words) in marks {
        let mut object = json!({
            "apiVersion": "lightsail-operator.dev/v1alpha1", "kind": "HostKeyReset",
                "metadata": metadata,
            "spec": with(&json!({ "ttlSecondsAfterFinished": 0 })),
        });
        object["metadata"]["name"] = json!(name);
        let api = bed.api::<HostKeyReset>();
        api.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
        let says = |reset: &HostKeyReset| {
            let status = reset.status.clone().unwrap_or_default();
            let ready = find(&status.conditions, READY);
            is_true(&status.conditions, COMPLETE)
                && ready.is_some_and(|ready| {
                    ready.message.contains("is ignored") && ready.message.contains(words)
                })
        };
        bed.wait(name, "it says why it is kept", says).await;
        let events: Api<Event> = Api::namespaced(bed.cluster.client(), &bed.namespace);
        let start = std::time::Instant::now();
        loop {
            let told = events.list(&ListParams::default()).await.unwrap().items.into_iter().filter(
                |event| {
                    let is_own =
                        event.regarding.as_ref().is_some_and(|at| at.name.as_deref() == Some(name));
                    is_own && event.reason.as_deref() == Some("TTLIgnored")
                },
            );
            if told.count() == 1 {
                break;
            }
            assert!(start.elapsed() < Duration::from_mins(1), "no Event TTLIgnored of {name}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    // Taken out of the tool's hands, it goes.
    let change = Patch::Merge(json!({ "metadata": { "labels": null } }));
    bed.api::<HostKeyReset>().patch("flux", &PatchParams::default(), &change).await.unwrap();
    bed.wait_gone::<HostKeyReset>("flux").await;
    bed.api::<HostKeyReset>().delete("argo", &DeleteParams::default()).await.unwrap();
    assert_eq!(bed.region.known_host_keys_resets("web-1"), 2);
}
