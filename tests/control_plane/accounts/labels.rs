//! Accounts that select namespaces by their labels.

use http::Method;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{Patch, PatchParams};
use lightsail_operator::api::LightsailKeyPair;
use serde_json::{Value, json};
use testbed::api_proxy::{ApiProxy, Matcher};
use testbed::operator::Operator;

use super::teams::{OF_A, Teams, pair};
use crate::bed::{Bed, wait_for};

/// An account of each name for the namespaces of a team.
async fn create_account(teams: &Teams, team: &str) -> String {
    let selector = json!({ "from": "Selector", "selector": { "matchLabels": { "team": team } } });
    let any_name = json!(["*"]);
    let changes = [("/allowedNamespaces", selector), ("/allowed/keyPairNames", any_name)];
    let name = teams.create_account("selected", &Teams::spec(OF_A, "", &changes)).await;
    teams.wait_account(&name, "Identified").await;
    name
}

async fn label(bed: &Bed, team: Value) {
    let namespaces: Api<Namespace> = Api::all(bed.cluster.client());
    let patch = Patch::Merge(json!({ "metadata": { "labels": { "team": team } } }));
    namespaces.patch(&bed.namespace, &PatchParams::default(), &patch).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn namespaces_are_selected_by_the_labels_that_they_have_now() {
    let teams = Teams::new("labels").await;
    let _operator = teams.start().await;
    let name = create_account(&teams, "a").await;
    teams.a.create::<LightsailKeyPair>("fleet", &pair(&name, "fleet")).await;
    teams.a.wait_stalled::<LightsailKeyPair>("fleet", "AccountNotFound").await;
    label(&teams.a, json!("a")).await;
    teams.a.reconcile_now::<LightsailKeyPair>("fleet").await;
    teams.a.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
    label(&teams.a, Value::Null).await;
    let calls = teams.requests().len();
    teams.a.delete::<LightsailKeyPair>("fleet").await;
    teams.a.wait_stalled::<LightsailKeyPair>("fleet", "AccountNotFound").await;
    assert_eq!(teams.requests().len(), calls, "a label that is gone is noticed before a call");
    assert!(teams.region(OF_A).find_key_pair("fleet").is_some());
    teams.remove_accounts().await;
}

/// As if its owner edited it again and again: no write of its status succeeds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i14_who_cannot_show_that_it_is_refused_holds_no_name() {
    let teams = Teams::new("edited").await;
    let proxy = ApiProxy::start(&teams.a.cluster).await.unwrap();
    let _operator = Operator::start(teams.options_by(Some(&proxy.url())).await).await.unwrap();
    let name = create_account(&teams, "b").await;
    label(&teams.b, json!("b")).await;

    let status = format!("/namespaces/{}/lightsailkeypairs/fleet/status", teams.a.namespace);
    let conflicts = proxy.fail(Matcher::new(Method::PATCH, status), usize::MAX, 409);
    teams.a.create::<LightsailKeyPair>("fleet", &pair(&name, "shared")).await;
    wait_for("its refusal is to be written", async || conflicts.count() > 0).await;
    teams.b.create::<LightsailKeyPair>("fleet", &pair(&name, "shared")).await;
    teams.b.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
    teams.remove_accounts().await;
}
