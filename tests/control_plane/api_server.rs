//! An API server that does not keep still: the operator stays up and goes on.

use std::time::Duration;

use http::Method;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{
    ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams,
    PostParams,
};
use lightsail_operator::api::conditions::{READY, find};
use lightsail_operator::api::{HostKeyReset, LightsailKeyPair};
use serde_json::{Value, json};
use testbed::api_proxy::{ApiProxy, Matcher, Place};
use testbed::operator::Operator;

use crate::bed::{Bed, REGION, imported, public_key, reset, wait_for};
use crate::reset_life::NO_CHANGE;
use crate::resets::wait_complete;

/// The right to a resource is taken away, or somebody before the API server says that it has none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_taken_away_is_reported_and_so_is_when_it_is_back() {
    for (status, words) in [
        (403, "not allowed to list and watch lightsailkeypairs.lightsail-operator.dev"),
        (404, "does not respond as it should"),
    ] {
        let bed = Bed::new("taken-away").await;
        let proxy = ApiProxy::start(&bed.cluster).await.unwrap();
        proxy.close_watches_after(Duration::from_secs(2));
        let operator = Operator::start(bed.options(Some(&proxy.url())).await).await.unwrap();
        let refused = proxy.fail(Matcher::new(Method::GET, "/lightsailkeypairs?"), 8, status);
        wait_for("it is said", async || {
            let (ready, report) = operator.get("/readyz").await.unwrap();
            ready == 503 && report.contains(words)
        })
        .await;
        wait_for("it is back", async || refused.count() == 8).await;
        wait_for("the operator is ready", async || {
            operator.get("/readyz").await.is_ok_and(|(status, _)| status == 200)
        })
        .await;
        bed.create::<LightsailKeyPair>("pair", &imported(&public_key("ed25519"))).await;
        bed.wait_ready::<LightsailKeyPair>("pair", "Imported").await;
        let log = operator.log_text();
        let said = |line: &&str| line.contains("\"WARN\"") && line.contains(words);
        assert_eq!(log.lines().filter(said).count(), 1, "{log}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i8_an_api_server_that_does_not_keep_still_is_outlasted() {
    for status in [410, 429, 500] {
        let bed = Bed::new("unsteady").await;
        let proxy = ApiProxy::start(&bed.cluster).await.unwrap();
        let watch =
            || Matcher::new(Method::GET, "/lightsailkeypairs?").with_path_part("watch=true");
        // Watches fail again and again, and so do the first lists.
        proxy.fail(watch(), 3, status);
        proxy.fail(Matcher::new(Method::GET, "/lightsailkeypairs?"), 2, status);
        proxy.close_watches_after(Duration::from_secs(2));
        let mut operator = Operator::start(bed.options(Some(&proxy.url())).await).await.unwrap();
        for number in 0..5 {
            let name = format!("pair-{number}");
            bed.create::<LightsailKeyPair>(&name, &imported(&public_key("ed25519"))).await;
            bed.wait_ready::<LightsailKeyPair>(&name, "Imported").await;
            proxy.fail(watch(), 1, status);
        }
        wait_for("the operator is ready", async || {
            operator.get("/readyz").await.is_ok_and(|(status, _)| status == 200)
        })
        .await;
        assert_eq!(operator.has_ended().unwrap(), None, "{status}");
        assert_eq!(bed.calls("ImportKeyPair"), 5, "{status}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_a_proxy_does_not_say_that_an_object_or_its_secret_is_gone() {
    let bed = Bed::new("page").await;
    let proxy = ApiProxy::start(&bed.cluster).await.unwrap();
    let mut options = bed.options(Some(&proxy.url())).await;
    options.arguments.push("--missing-key-grace=1s".to_owned());
    let _operator = Operator::start(options).await.unwrap();
    let spec = json!({
        "type": "Generated", "region": REGION, "generated": { "replacePolicy": "Recreate" },
    });
    bed.create::<LightsailKeyPair>("fleet", &spec).await;
    let before: LightsailKeyPair = bed.wait_ready("fleet", "Generated").await;
    let secret = bed.secrets().get("fleet").await.unwrap();
    let creations = || {
        let sent = proxy.forwarded().into_iter();
        sent.filter(|it| it.method == Method::POST && it.path.contains("/secrets")).count()
    };
    assert_eq!(creations(), 1);
    // Whoever takes a page for the absence of the Secret has waited for it long enough when it gets
    // the last one, and writes another key.
    let pages = [("/lightsailkeypairs/fleet", 2), ("/secrets/fleet", 3)].map(|(path, times)| {
        (proxy.answer_with_page(Matcher::new(Method::GET, path), times, 404), times)
    });
    bed.reconcile_now::<LightsailKeyPair>("fleet").await;
    wait_for("both were asked for, and no page is left", async || {
        pages.iter().all(|(page, times)| page.count() == *times)
    })
    .await;
    wait_for("it is reconciled all the same", async || {
        let object: LightsailKeyPair = bed.api().get("fleet").await.unwrap();
        object.status.unwrap().last_handled_reconcile.is_some()
    })
    .await;
    let after: LightsailKeyPair = bed.wait_ready("fleet", "Generated").await;
    assert_eq!(after.status.unwrap().arn, before.status.unwrap().arn);
    assert_eq!(bed.secrets().get("fleet").await.unwrap().data, secret.data);
    assert_eq!((bed.calls("ImportKeyPair"), bed.calls("DeleteKeyPair")), (1, 0));
    assert_eq!(creations(), 1);
}

/// A proxy lets lists through and no watch: changes are seen all the same, from list to list.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i8_a_watch_that_a_proxy_refuses_is_listed_again() {
    for status in [403, 404] {
        let bed = Bed::new("no-watch").await;
        let proxy = ApiProxy::start(&bed.cluster).await.unwrap();
        let watch = Matcher::new(Method::GET, "/lightsailkeypairs?").with_path_part("watch=true");
        let refused = proxy.answer_with_page(watch, usize::MAX, status);
        let operator = Operator::spawn(bed.options(Some(&proxy.url())).await).unwrap();
        wait_for("the watch is refused", async || refused.count() > 0).await;
        bed.create::<LightsailKeyPair>("fleet", &imported(&public_key("ed25519"))).await;
        bed.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
        wait_for("it says so", async || {
            operator.address().is_some()
                && operator.get("/readyz").await.is_ok_and(|(_, report)| {
                    report.contains("LightsailKeyPair")
                        && report.contains("does not respond as it should")
                })
        })
        .await;
    }
}

/// A webhook removes the finalizer, and says nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i12_a_finalizer_that_is_removed_is_reported_and_nothing_is_imported_without_it() {
    let bed = Bed::new("stripped-pair").await;
    let proxy = ApiProxy::start(&bed.cluster).await.unwrap();
    let _operator = Operator::start(bed.options(Some(&proxy.url())).await).await.unwrap();
    let path = "/lightsailkeypairs/fleet";
    let finalizer = Matcher::new(Method::PATCH, path).with_body("finalizers");
    let removed = proxy.rewrite(finalizer, 3, NO_CHANGE);
    bed.create::<LightsailKeyPair>("fleet", &imported(&public_key("ed25519"))).await;
    let said = |pair: &LightsailKeyPair| {
        let status = pair.status.clone().unwrap_or_default();
        let ready = find(&status.conditions, READY);
        ready.is_some_and(|ready| ready.message.contains("does not keep metadata.finalizers"))
    };
    let told: LightsailKeyPair = bed.wait("fleet", "it says why", said).await;
    assert!(told.status.unwrap().import_intent.is_none(), "nothing is to be sent");
    bed.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
    // Each reconciliation writes it once.
    assert_eq!((removed.count(), bed.calls("ImportKeyPair")), (3, 1));
}

/// A CRD without its subresource `status` does that. The object cannot say so, but comes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i8_an_object_that_a_write_does_not_find_is_not_forgotten_while_it_is_there() {
    let bed = Bed::new("not-found").await;
    let proxy = ApiProxy::start(&bed.cluster).await.unwrap();
    let _operator = Operator::start(bed.options(Some(&proxy.url())).await).await.unwrap();
    let refused = proxy.fail(Matcher::new(Method::PATCH, "/status"), 4, 404);
    bed.create::<LightsailKeyPair>("fleet", &imported(&public_key("ed25519"))).await;
    bed.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
    assert_eq!((refused.count(), bed.calls("ImportKeyPair")), (4, 1));
}

/// The API server may keep Events in an etcd of their own, and hang only there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_that_hang_hold_up_nothing_else() {
    let bed = Bed::new("events-hang").await;
    let proxy = ApiProxy::start(&bed.cluster).await.unwrap();
    let _operator = Operator::start(bed.options(Some(&proxy.url())).await).await.unwrap();
    let hanging = proxy.hold_all(Matcher::new(Method::POST, "/events"), Place::BeforeRequest);
    let names: Vec<_> = (0..60).map(|number| format!("p{number}")).collect();
    for name in &names {
        bed.create::<LightsailKeyPair>(name, &imported(&public_key("ed25519"))).await;
    }
    for name in &names {
        bed.wait_ready::<LightsailKeyPair>(name, "Imported").await;
    }
    hanging.reached().await;
    hanging.release();
    bed.wait_event("Imported").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_that_is_there_is_not_said_to_have_vanished() {
    let bed = Bed::new("still-there").await;
    let proxy = ApiProxy::start(&bed.cluster).await.unwrap();
    let operator = Operator::start(bed.options(Some(&proxy.url())).await).await.unwrap();
    let result = Matcher::new(Method::PATCH, "/status").with_body("\"arn\"");
    let failed = proxy.fail(result, 2, 504);
    bed.create::<LightsailKeyPair>("fleet", &imported(&public_key("ed25519"))).await;
    bed.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
    assert_eq!(failed.count(), 2);
    assert!(!operator.log_text().contains("was removed before"), "{}", operator.log_text());
}

/// A tool that reads or marks all objects sees the whole object, not only what is written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_status_is_written_where_policies_read_and_change_the_whole_object() {
    let bed = Bed::new("mutated").await;
    let made = mutate(
        &bed,
        &json!({ "apiGroups": ["lightsail-operator.dev"], "apiVersions": ["*"],
            "operations": ["UPDATE"],
            "resources": ["lightsailkeypairs/status", "hostkeyresets/status"] }),
        "op: 'add', path: '/metadata/labels/mark', value: object.spec.region",
    )
    .await;
    // What it marks must have labels.
    let spec = imported(&public_key("ed25519"));
    bed.create::<LightsailKeyPair>("bare", &spec).await;
    let labels = json!({ "a": "b" });
    let object =
        json!({ "metadata": { "name": "marked", "labels": labels }, "spec": spec.clone() });
    let pairs = bed.api::<LightsailKeyPair>();
    pairs.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
    let touch = Patch::Merge(json!({ "status": { "observedGeneration": 0 } }));
    wait_for("the policy takes effect", async || {
        pairs.patch_status("bare", &PatchParams::default(), &touch).await.is_err()
    })
    .await;
    let _operator = bed.start().await;
    bed.wait_ready::<LightsailKeyPair>("marked", "Imported").await;
    let name = bed.namespace.clone();
    for api in made {
        api.delete(&name, &DeleteParams::default()).await.unwrap();
    }
}

/// Has the API server change what is written in the namespace. Returns what is to be removed after
/// that, by the name of the namespace.
async fn mutate(bed: &Bed, what: &Value, patch: &str) -> Vec<Api<DynamicObject>> {
    let name = bed.namespace.clone();
    let here = json!([{ "name": "here", "expression": format!("request.namespace == '{name}'") }]);
    let mutation = format!("[JSONPatch{{{patch}}}]");
    let policy = json!({ "spec": {
        "matchConstraints": { "resourceRules": [what] },
        "matchConditions": here, "failurePolicy": "Fail", "reinvocationPolicy": "Never",
        "mutations": [{ "patchType": "JSONPatch", "jsonPatch": { "expression": mutation } }],
    } });
    let binding = json!({ "spec": { "policyName": name } });
    let mut made = Vec::new();
    for (kind, object) in
        [("MutatingAdmissionPolicy", policy), ("MutatingAdmissionPolicyBinding", binding)]
    {
        let kind = GroupVersionKind::gvk("admissionregistration.k8s.io", "v1", kind);
        let resource = ApiResource::from_gvk(&kind);
        let object = DynamicObject::new(&name, &resource).data(object);
        let api: Api<DynamicObject> = Api::all_with(bed.cluster.client(), &resource);
        api.create(&PostParams::default(), &object).await.unwrap();
        made.push(api);
    }
    made
}

/// The API server accepts each Secret, and keeps something else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i15_a_key_that_is_changed_on_its_way_into_the_secret_is_not_imported() {
    let bed = Bed::new("changed-secret").await;
    let made = mutate(
        &bed,
        &json!({ "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"],
            "resources": ["secrets"] }),
        "op: 'replace', path: '/data/ssh-privatekey', value: 'Zm9v'",
    )
    .await;
    let probe = json!({ "metadata": { "name": "probe" }, "data": { "ssh-privatekey": "" } });
    let probe: Secret = serde_json::from_value(probe).unwrap();
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    wait_for("the policy takes effect", async || {
        let created = bed.secrets().create(&dry_run, &probe).await.unwrap();
        created.data.is_some_and(|data| data["ssh-privatekey"].0 == b"foo")
    })
    .await;
    let _operator = bed.start().await;
    let spec = json!({ "type": "Generated", "region": REGION });
    bed.create::<LightsailKeyPair>("fleet", &spec).await;
    let words = "something has changed it; if an admission policy or webhook did";
    let (_, said) = bed.wait_stalled::<LightsailKeyPair>("fleet", "SecretRejected").await;
    assert!(said.contains(words), "{said}");
    assert_eq!((bed.calls("ImportKeyPair"), bed.region.key_pairs()), (0, Vec::new()));
    let name = bed.namespace.clone();
    for api in made {
        api.delete(&name, &DeleteParams::default()).await.unwrap();
    }
    let other = json!({ "spec": { "generated": { "secret": { "name": "other" } } } });
    wait_for("the policy is gone", async || {
        let created = bed.secrets().create(&dry_run, &probe).await.unwrap();
        created.data.is_none_or(|data| data["ssh-privatekey"].0.is_empty())
    })
    .await;
    bed.patch::<LightsailKeyPair>("fleet", &other).await;
    bed.wait_ready::<LightsailKeyPair>("fleet", "Generated").await;
}

/// A proxy does not pass on the responses to writes. What they wrote is there, and is found.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i6_i12_a_write_whose_response_is_lost_is_found_and_its_call_follows() {
    let bed = Bed::new("lost-responses").await;
    bed.region.add_instance("web-1");
    let proxy = ApiProxy::start(&bed.cluster).await.unwrap();
    let _operator = Operator::start(bed.options(Some(&proxy.url())).await).await.unwrap();
    let lost = [
        Matcher::new(Method::PATCH, "/lightsailkeypairs/fleet/status").with_body("importIntent"),
        Matcher::new(Method::PATCH, "/hostkeyresets/rotate/status").with_body("\"attempts\":1"),
        Matcher::new(Method::PATCH, "/hostkeyresets/rotate?").with_body("/Started"),
    ];
    let lost = lost.map(|write| proxy.lose(write, 1, 504));
    bed.create::<LightsailKeyPair>("fleet", &imported(&public_key("ed25519"))).await;
    bed.create::<HostKeyReset>("rotate", &reset()).await;
    bed.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
    wait_complete(&bed, "rotate").await;
    assert_eq!(lost.map(|write| write.count()), [1, 1, 1]);
    assert_eq!((bed.calls("ImportKeyPair"), bed.calls("DeleteKnownHostKeys")), (1, 1));
    // Neither the intents nor the mark are written again.
    let writes = async |resource, name, expected| bed.writes(resource, name, expected).await;
    assert_eq!(writes("lightsailkeypairs", "fleet", 3).await, 3, "finalizer, intent, result");
    assert_eq!(writes("hostkeyresets", "rotate", 4).await, 4, "intent, mark, result, mark");
}

/// Something removes what says whose a Secret is, and says nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i3_a_created_secret_that_loses_its_owner_gets_it_again_with_its_key() {
    let bed = Bed::new("stripped-secret").await;
    let proxy = ApiProxy::start(&bed.cluster).await.unwrap();
    let _operator = Operator::start(bed.options(Some(&proxy.url())).await).await.unwrap();
    let created = proxy.hold(Matcher::new(Method::POST, "/secrets"), Place::BeforeAnswer);
    let spec = json!({ "type": "Generated", "region": REGION });
    bed.create::<LightsailKeyPair>("fleet", &spec).await;
    created.reached().await;
    let before = bed.secrets().get("fleet").await.unwrap();
    let strip = json!({ "metadata": { "labels": null, "annotations": null } });
    let (as_admin, strip) = (PatchParams::default(), Patch::Merge(&strip));
    bed.secrets().patch("fleet", &as_admin, &strip).await.unwrap();
    created.release();
    bed.wait_ready::<LightsailKeyPair>("fleet", "Generated").await;
    let after = bed.secrets().get("fleet").await.unwrap();
    assert_eq!(after.data, before.data);
    assert_eq!(after.metadata.labels, before.metadata.labels);
    assert_eq!(after.metadata.annotations, before.metadata.annotations);
    assert_eq!(bed.secrets().list(&ListParams::default()).await.unwrap().items.len(), 1);
}
