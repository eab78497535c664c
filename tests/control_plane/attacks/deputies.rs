//! The operator as somebody else's deputy: whose session does what, and what roles and accounts let
//! happen.

use kube::api::PostParams;
use lightsail_operator::api::{FINALIZER, LightsailKeyPair};
use serde_json::{Value, json};

use super::arena::{Arena, PLATFORM, SHARED};
use super::{shows, try_all};
use crate::accounts::teams::{EXTERNAL_ID, Teams};
use crate::bed::{REGION, wait_for};

fn role(account: &str, name: &str, external_id: Option<&str>) -> Value {
    let mut role = json!({ "roleARN": format!("arn:aws:iam::{account}:role/{name}") });
    if let Some(external_id) = external_id {
        role["externalID"] = json!(external_id);
    }
    role
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acts_for_a_team_with_its_own_session_alone() {
    let arena = Arena::new("attack-session", &[]).await;
    let (a, b) = (&arena.teams.a, &arena.teams.b);
    arena.attacker.create::<LightsailKeyPair>("x", &arena.pair("x", &[])).await.unwrap();
    arena.wait::<LightsailKeyPair>("x", "Imported").await;
    let late = json!({ "spec": { "tags": { "team": "b" } } });
    b.patch::<LightsailKeyPair>("fleet", &late).await;
    b.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
    arena.clean_up::<LightsailKeyPair>("x").await;
    for (bed, role) in [(a, "team-a"), (b, "team-b")] {
        let session = format!("arn:aws:sts::{SHARED}:assumed-role/{role}/{}", bed.namespace);
        let requests = arena.requests_of(&bed.namespace);
        assert!(!requests.is_empty());
        let name = format!("{}_", bed.namespace);
        for request in requests {
            assert_eq!(request.principal, session, "{request:?}");
            assert!(request.resource.as_deref().unwrap().starts_with(&name), "{request:?}");
        }
    }
    for request in arena.requests_of("_read") {
        assert_eq!(request.operation, "GetKeyPairs", "what is read for all changes nothing");
    }
    arena.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serves_nobody_by_what_another_role_may_read() {
    let arena = Arena::new("attack-rights", &[]).await;
    // The same AWS account, by a role that may read nothing.
    let deny = json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Action": "lightsail:*", "Resource": "*" },
        { "Effect": "Deny", "Action": "lightsail:Get*", "Resource": "*" }] });
    arena.teams.set_role(SHARED, "blind", Some(&deny.to_string()));
    let spec = json!({
        "accountID": SHARED,
        "assumeRoleChain": [role(SHARED, "blind", Some(EXTERNAL_ID))],
        "allowedNamespaces": { "from": "Names", "names": [arena.attacker.namespace] },
        "allowed": { "regions": [REGION] },
    });
    let blind = arena.teams.create_account("blind", &spec).await;
    arena.teams.wait_account(&blind, "Identified").await;
    let account = ("/accountRef/name", json!(blind));
    let names = ["legacy", "x"].map(|name| arena.pair(name, std::slice::from_ref(&account)));
    let [there, free] = names;
    let theirs = arena.pair("x", &[account, ("/keyPairName", json!(arena.foreign("fleet")))]);
    try_all::<LightsailKeyPair>(
        &arena,
        vec![
            shows("a pair that another role could read", there, "AccessDenied"),
            shows("a free name", free, "AccessDenied"),
            shows("a neighbor's, whose list is fresh", theirs, "AccessDenied"),
        ],
    )
    .await;
    let (_, report) = arena.operator.get("/readyz").await.unwrap();
    assert!(report.contains("AccessDenied") && !report.contains("blind"), "{report}");
    arena.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ends_in_the_account_that_the_platform_team_wrote() {
    let mut arena = Arena::new("attack-chain", &[]).await;
    arena.teams.set_role(PLATFORM, "hub", None);
    let key = arena.teams.name("key");
    arena.teams.keep_key(PLATFORM, "of-platform", Some(&key)).await;
    arena.start_over().await;
    let keys = |secret: &str| json!({ "source": "Secret", "secretRef": { "name": secret } });
    let with = |changes: &[(&str, Value)]| Teams::spec(SHARED, &arena.attacker.namespace, changes);
    let chain = |roles: Value| with(&[("/assumeRoleChain", roles)]);
    let bare = ("/assumeRoleChain", json!([]));
    let rows = [
        ("wrong-id", chain(json!([role(SHARED, "team-a", Some("external-2"))]))),
        ("no-id", chain(json!([role(SHARED, "team-a", None)]))),
        ("no-role", chain(json!([role(SHARED, "none", Some(EXTERNAL_ID))]))),
        (
            "hub-without-id",
            chain(json!([role(PLATFORM, "hub", None), role(SHARED, "team-a", Some(EXTERNAL_ID))])),
        ),
        ("own", with(std::slice::from_ref(&bare))),
        ("key", with(&[("/credentials", keys("of-platform")), bare])),
    ];
    for (name, spec) in rows {
        let account = arena.teams.create_account(name, &spec).await;
        let spec = arena.pair("x", &[("/accountRef/name", json!(account))]);
        let row = shows(name, spec, "AccountNotReady");
        try_all::<LightsailKeyPair>(&arena, vec![row]).await;
        assert!(arena.requests().is_empty(), "{name}: {:?}", arena.requests());
        arena.teams.delete_account(&account).await;
    }
    // The API server does not take a chain that ends elsewhere.
    let elsewhere = chain(json!([role(PLATFORM, "platform", Some(EXTERNAL_ID))]));
    let object = json!({ "apiVersion": "lightsail-operator.dev/v1alpha1",
        "kind": "LightsailAccount", "metadata": { "name": "elsewhere" }, "spec": elsewhere });
    let object = serde_json::from_value(object).unwrap();
    let refused = arena.teams.api().create(&PostParams::default(), &object).await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("the last role of assumeRoleChain"), "{refused}");
    arena.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn is_not_held_by_finalizers_that_tenants_write() {
    let arena = Arena::new("attack-finalizers", &[]).await;
    let forged = |name: &str, account: &str| {
        let spec = arena.pair("new", &[("/accountRef/name", json!(account))]);
        json!({ "metadata": { "name": name, "finalizers": [FINALIZER] }, "spec": spec })
    };
    // An account that is not the tenant's to use goes, whoever refers to it.
    let object = forged("holds", &arena.platform);
    arena.attacker.create_raw::<LightsailKeyPair>(&object).await.unwrap();
    arena.wait::<LightsailKeyPair>("holds", "AccountNotFound").await;
    arena.teams.delete_account(&arena.platform).await;
    arena.teams.wait_no_account(&arena.platform).await;
    arena.clean_up::<LightsailKeyPair>("holds").await;
    // An account that is being deleted takes nobody new.
    arena.attacker.create::<LightsailKeyPair>("old", &arena.pair("old", &[])).await.unwrap();
    arena.wait::<LightsailKeyPair>("old", "Imported").await;
    arena.teams.delete_account(&arena.ours).await;
    arena.teams.wait_account(&arena.ours, "AccountInUse").await;
    arena.attacker.create_raw::<LightsailKeyPair>(&forged("new", &arena.ours)).await.unwrap();
    arena.wait::<LightsailKeyPair>("new", "AccountNotReady").await;
    assert!(arena.teams.region(SHARED).find_key_pair(&arena.own("new")).is_none());
    arena.clean_up::<LightsailKeyPair>("new").await;
    arena.attacker.delete::<LightsailKeyPair>("old").await.unwrap();
    arena.teams.a.wait_gone::<LightsailKeyPair>("old").await;
    arena.teams.wait_no_account(&arena.ours).await;
    wait_for("the pair of the old one goes with it", async || {
        arena.teams.region(SHARED).find_key_pair(&arena.own("old")).is_none()
    })
    .await;
    arena.check("finalizers").await;
    arena.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forgets_what_is_withdrawn_before_the_next_call() {
    let arena = Arena::new("attack-withdrawn", &[]).await;
    for name in ["one", "two"] {
        arena.attacker.create::<LightsailKeyPair>(name, &arena.pair(name, &[])).await.unwrap();
        arena.wait::<LightsailKeyPair>(name, "Imported").await;
    }
    let names = json!({ "allowedNamespaces": { "names": [arena.teams.b.namespace] } });
    arena.teams.patch_account(&arena.ours, &names).await;
    arena.wait::<LightsailKeyPair>("one", "AccountNotFound").await;
    arena.wait::<LightsailKeyPair>("two", "AccountNotFound").await;
    let requests = arena.requests().len();
    let tags = json!({ "spec": { "tags": { "a": "b" } } });
    arena.attacker.patch::<LightsailKeyPair>("one", &tags).await.unwrap();
    arena.wait::<LightsailKeyPair>("one", "AccountNotFound").await;
    let absent = json!({ "spec": { "ensure": "Absent" } });
    arena.attacker.patch::<LightsailKeyPair>("one", &absent).await.unwrap();
    arena.wait::<LightsailKeyPair>("one", "AccountNotFound").await;
    let strip = json!({ "metadata": { "finalizers": null } });
    arena.attacker.patch::<LightsailKeyPair>("two", &strip).await.unwrap();
    arena.attacker.delete::<LightsailKeyPair>("two").await.unwrap();
    arena.attacker.delete::<LightsailKeyPair>("one").await.unwrap();
    arena.wait::<LightsailKeyPair>("one", "AccountNotFound").await;
    arena.clean_up::<LightsailKeyPair>("one").await;
    arena.clean_up::<LightsailKeyPair>("two").await;
    assert_eq!(arena.requests().len(), requests, "no call for an account that was withdrawn");
    for name in ["one", "two"] {
        assert!(arena.teams.region(SHARED).find_key_pair(&arena.own(name)).is_some(), "{name}");
    }
    arena.end().await;
}
