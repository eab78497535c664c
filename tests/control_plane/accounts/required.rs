//! Who needs an account, and when.

use kube::api::{Patch, PatchParams};
use lightsail_operator::api::LightsailKeyPair;
use serde_json::json;
use testbed::operator::Operator;

use super::teams::{OF_A, Teams, pair};
use crate::bed::{ACCOUNT, REGION};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_account_makes_account_refs_required_and_the_last_one_not() {
    let teams = Teams::new("first-account").await;
    let _operator = teams.start().await;
    let mut spec = pair("", "fleet");
    spec.as_object_mut().unwrap().remove("accountRef");
    teams.a.create::<LightsailKeyPair>("fleet", &spec).await;
    teams.a.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
    let changes = teams.changes();
    // Its AWS account is the operator's own.
    let platform = json!({
        "accountID": ACCOUNT,
        "allowedNamespaces": { "from": "Names", "names": [teams.a.namespace] },
        "allowed": { "regions": [REGION] },
    });
    let name = teams.create_account("platform", &platform).await;
    teams.wait_account(&name, "Identified").await;
    let (_, message) = teams.a.wait_stalled::<LightsailKeyPair>("fleet", "AccountRequired").await;
    assert!(message.contains("spec.accountRef.name"), "{message}");
    teams.delete_account(&name).await;
    teams.wait_no_account(&name).await;
    teams.a.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
    // It comes back, and the object names it.
    teams.create_account("platform", &platform).await;
    teams.a.wait_stalled::<LightsailKeyPair>("fleet", "AccountRequired").await;
    let refers = json!({ "spec": { "accountRef": { "name": name } } });
    teams.a.patch::<LightsailKeyPair>("fleet", &refers).await;
    teams.a.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
    // An object whose pair is in another account stays with that.
    let of_a = Teams::spec(OF_A, &teams.a.namespace, &[]);
    let of_a = teams.create_account("a", &of_a).await;
    let refers = json!({ "spec": { "accountRef": { "name": of_a } } });
    let patch = Patch::Merge(&refers);
    let (api, parameters) = (teams.a.api::<LightsailKeyPair>(), PatchParams::default());
    let refused = api.patch("fleet", &parameters, &patch).await.unwrap_err().to_string();
    assert!(refused.contains("accountRef is immutable once it is set"), "{refused}");
    assert_eq!(teams.changes(), changes);
    teams.remove_accounts().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unscoped_namespaces_need_no_account() {
    let teams = Teams::new("unscoped").await;
    let mut options = teams.options().await;
    options.arguments.extend(["--unscoped-namespace".to_owned(), teams.b.namespace.clone()]);
    let _operator = testbed::operator::Operator::start(options).await.unwrap();
    teams.create_both().await;
    let mut spec = pair("", "fleet");
    spec.as_object_mut().unwrap().remove("accountRef");
    for bed in [&teams.a, &teams.b] {
        bed.create::<LightsailKeyPair>("fleet", &spec).await;
    }
    teams.b.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
    teams.a.wait_stalled::<LightsailKeyPair>("fleet", "AccountRequired").await;
    assert!(teams.requests().iter().all(|request| request.account == ACCOUNT));
    teams.remove_accounts().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_can_be_required_where_there_is_none() {
    let teams = Teams::new("required").await;
    let mut options = teams.options().await;
    let unscoped = teams.b.namespace.clone();
    options
        .arguments
        .extend(["--accounts-required", "--unscoped-namespace", &unscoped].map(str::to_owned));
    let _operator = Operator::start(options).await.unwrap();
    let mut spec = pair("", "fleet");
    spec.as_object_mut().unwrap().remove("accountRef");
    for bed in [&teams.a, &teams.b] {
        bed.create::<LightsailKeyPair>("fleet", &spec).await;
    }
    teams.b.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
    teams.a.wait_stalled::<LightsailKeyPair>("fleet", "AccountRequired").await;
    teams.remove_accounts().await;
}
