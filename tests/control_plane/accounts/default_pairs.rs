//! Default key pairs in the account of a team.

use lightsail_operator::api::LightsailKeyPair;
use serde_json::json;

use super::teams::{OF_A, OF_B, Teams};
use crate::bed::{ready_reason, wait_for};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_that_are_allowed_at_the_same_moment_one_has_the_pair() {
    let teams = Teams::new("default-late").await;
    let _operator = teams.start().await;
    let regions = ["eu-west-1", "eu-west-2", "eu-west-3", "eu-north-1"];
    // They wait for an account that somebody is about to create.
    let late = teams.name("late");
    teams.create_account("other", &Teams::spec(OF_B, &teams.b.namespace, &[])).await;
    for region in regions {
        teams.a.simulator.region(OF_A, region).create_default_key_pair();
        for name in ["one", "other"] {
            let name = format!("{name}-{region}");
            let spec = json!({ "type": "Default", "region": region, "interval": "24h",
                "accountRef": { "name": late }, "default": { "secret": { "name": name } } });
            teams.a.create::<LightsailKeyPair>(&name, &spec).await;
        }
    }
    for region in regions {
        for name in ["one", "other"] {
            let name = format!("{name}-{region}");
            teams.a.wait_stalled::<LightsailKeyPair>(&name, "AccountNotFound").await;
        }
    }
    let allowed = json!({ "regions": regions,
        "defaultKeyPair": { "namespace": teams.a.namespace, "actions": ["Download"] } });
    let spec = Teams::spec(OF_A, &teams.a.namespace, &[("/allowed", allowed)]);
    teams.create_account("late", &spec).await;
    for region in regions {
        wait_for("one has the pair, and the other one is told", async || {
            let names = ["one", "other"].map(|name| format!("{name}-{region}"));
            let mut reasons = Vec::new();
            for name in &names {
                reasons.push(ready_reason(
                    &teams.a.api::<LightsailKeyPair>().get(name).await.unwrap(),
                ));
            }
            reasons.sort();
            reasons == ["Downloaded", "NameConflict"]
        })
        .await;
    }
    teams.remove_accounts().await;
}
