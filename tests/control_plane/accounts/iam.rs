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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namespace_that_the_trust_policy_lacks_is_sent_to_the_log() {
    let teams = Teams::new("trusted").await;
    let mut trust: Value = serde_json::from_str(&filled("tenants-trust.json")).unwrap();
    let namespaces = json!(["_read", teams.a.namespace]);
    trust["Statement"][0]["Condition"]["StringLike"] =
        json!({ "aws:RequestTag/lightsail-operator-namespace": namespaces });
    let trust_policy = Some(trust.to_string());
    let role = Role { name: "lightsail".to_owned(), trust_policy, ..Role::default() };
    teams.a.simulator.set_role(OF_A, role, Some(&filled("tenants.json"))).unwrap();
    let operator = teams.start().await;
    let chain = json!([{ "roleARN": format!("arn:aws:iam::{OF_A}:role/lightsail"),
        "externalID": "example-external-id" }]);
    let changes = [
        ("/allowedNamespaces/names", json!([teams.a.namespace, teams.b.namespace])),
        ("/allowed/keyPairNames", json!(["*"])),
        ("/assumeRoleChain", chain),
        ("/sessionTags", json!("Namespace")),
    ];
    let name = teams.create_account("shared", &Teams::spec(OF_A, "", &changes)).await;
    teams.wait_account(&name, "Identified").await;
    teams.b.create::<LightsailKeyPair>("web", &pair(&name, "web")).await;
    let (_, message) = teams.b.wait_stalled::<LightsailKeyPair>("web", "AccountNotReady").await;
    assert!(message.contains("the operator's log"), "{message}");
    let log = operator.log_text();
    let is_of_b = |line: &&str| {
        line.contains("cannot get AWS credentials") && line.contains(&teams.b.namespace)
    };
    assert_eq!(log.lines().filter(is_of_b).count(), 1, "{log}");
    teams.remove_accounts().await;
}
