//! Where the operator's own checks are down, the policies of `docs/iam` hold tenants apart.

use lightsail_operator::api::LightsailKeyPair;
use serde_json::{Value, json};
use testbed::simulator::Role;

use super::arena::{Arena, OWNER, Reach, SHARED};
use super::{shows, try_all};
use crate::accounts::teams::EXTERNAL_ID;
use crate::bed::{ACCOUNT, REGION};

fn document(name: &str) -> String {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/iam");
    let text = std::fs::read_to_string(folder.join(name)).unwrap();
    let caller = format!("arn:aws:iam::{ACCOUNT}:root");
    let filled = [
        ("<ACCOUNT>", SHARED),
        ("<REGION>", REGION),
        ("<CLUSTER>", "test"),
        ("<EXTERNAL_ID>", EXTERNAL_ID),
        ("<CALLER>", &caller),
    ];
    filled.into_iter().fold(text, |text, (name, value)| text.replace(name, value))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stops_what_an_account_allows_by_mistake() {
    // It allows all names, all adoption, and take-overs from a cluster.
    let changes = [
        ("/allowed/keyPairNames", json!(["*"])),
        ("/allowed/adoption", json!("Full")),
        ("/allowed/takeOver", json!("OtherClusters")),
        ("/allowed/takeOverFrom", json!(["blue"])),
    ];
    let mut arena = Arena::new("attack-wall", &changes).await;
    arena.reach = Reach::Refusals;
    let role = Role {
        name: "team-a".to_owned(),
        trust_policy: Some(document("tenants-trust.json")),
        ..Role::default()
    };
    let policy = document("tenants.json");
    arena.teams.a.simulator.set_role(SHARED, role, Some(&policy)).unwrap();
    let blue = arena.teams.region(SHARED).find_key_pair(&arena.own("blue")).unwrap();
    let legacy = arena.teams.region(SHARED).find_key_pair(&arena.foreign("legacy")).unwrap();
    arena.teams.region(SHARED).set_tags(&legacy.name, &[(OWNER, Some("blue/team/other"))]);
    arena.start_over().await;
    let take_over = ("/adoptionPolicy", json!("TakeOver"));
    let end = |name: &str, fingerprint: &str| {
        let changes: [(&str, Value); 4] = [
            ("/keyPairName", json!(name)),
            ("/ensure", json!("Absent")),
            ("/expectedFingerprint", json!(fingerprint)),
            take_over.clone(),
        ];
        arena.pair("x", &changes)
    };
    let named = ("/keyPairName", json!(legacy.name));
    try_all::<LightsailKeyPair>(
        &arena,
        vec![
            shows(
                "another cluster's pair, taken over",
                arena.pair("blue", std::slice::from_ref(&take_over)),
                "AccessDenied",
            ),
            shows("its end", end(&blue.name, &blue.fingerprint), "AccessDenied"),
            shows(
                "one in another team's name, taken over",
                arena.pair("x", &[named, take_over.clone()]),
                "AccessDenied",
            ),
            shows("its end", end(&legacy.name, &legacy.fingerprint), "AccessDenied"),
        ],
    )
    .await;
    arena.end().await;
}
