//! The operator with an account whose role has the policies of `docs/iam` for tenants, and nothing
//! else.

use lightsail_operator::api::LightsailKeyPair;
use serde_json::{Value, json};
use testbed::simulator::Role;

use super::teams::{OF_A, Teams, pair};
use crate::bed::ACCOUNT;
use crate::iam_files::{document, statements};

/// A file, for the account of the first team.
fn filled(file: &str) -> String {
    let text = document(&statements(file, "")).replace(ACCOUNT, OF_A);
    let caller = format!("arn:aws:iam::{ACCOUNT}:root");
    text.replace("arn:aws:iam::210987654321:role/lightsail-operator", &caller)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_namespaces_share_a_role_that_holds_them_apart() {
    let teams = Teams::new("tenants-iam").await;
    let role = Role {
        name: "lightsail".to_owned(),
        trust_policy: Some(filled("tenants-trust.json")),
        ..Role::default()
    };
    let policy = filled("tenants.json");
    teams.a.simulator.set_role(OF_A, role, Some(&policy)).unwrap();
    let _operator = teams.start().await;
    let chain = json!([{ "roleARN": format!("arn:aws:iam::{OF_A}:role/lightsail"),
        "externalID": "example-external-id" }]);
    let both = json!([teams.a.namespace, teams.b.namespace]);
    let spec = Teams::spec(
        OF_A,
        "",
        &[
            ("/allowedNamespaces/names", both),
            ("/allowed/keyPairNames", json!(["$(namespace)_*"])),
            ("/assumeRoleChain", chain),
            ("/sessionTags", json!("Namespace")),
        ],
    );
    let name = teams.create_account("shared", &spec).await;
    teams.wait_account(&name, "Identified").await;
    for bed in [&teams.a, &teams.b] {
        let spec = pair(&name, &format!("{}_web", bed.namespace));
        bed.create::<LightsailKeyPair>("web", &spec).await;
        bed.wait_ready::<LightsailKeyPair>("web", "Imported").await;
    }
    let tags = |tags: Value| json!({ "spec": { "tags": tags } });
    for change in [tags(json!({ "team": "a" })), tags(json!({ "team": null }))] {
        teams.a.patch::<LightsailKeyPair>("web", &change).await;
        teams.a.wait_ready::<LightsailKeyPair>("web", "Imported").await;
    }
    for bed in [&teams.a, &teams.b] {
        bed.delete::<LightsailKeyPair>("web").await;
        bed.wait_gone::<LightsailKeyPair>("web").await;
    }
    assert_eq!(teams.region(OF_A).key_pairs(), []);
    let denied = teams.requests().into_iter().filter(|request| request.outcome != "ok");
    let denied: Vec<_> = denied.filter(|request| request.outcome.contains("Denied")).collect();
    assert!(denied.is_empty(), "{denied:?}");
    teams.remove_accounts().await;
}
