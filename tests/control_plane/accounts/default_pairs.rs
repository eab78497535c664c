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
            let mut reasons = Vec::new();
            for name in ["one", "other"] {
                reasons.push(shown(&teams, &format!("{name}-{region}")).await);
            }
            reasons.sort();
            reasons == ["Downloaded", "NameConflict"]
        })
        .await;
    }
    teams.remove_accounts().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_a_default_pair_keeps_it_while_the_account_is_replaced() {
    let teams = Teams::new("default-kept").await;
    let _operator = teams.start().await;
    let regions = ["eu-west-1", "eu-west-2", "eu-west-3", "eu-north-1"];
    let allowed = json!({ "regions": regions,
        "defaultKeyPair": { "namespace": teams.a.namespace, "actions": ["Download"] } });
    let spec = Teams::spec(OF_A, &teams.a.namespace, &[("/allowed", allowed)]);
    let account = teams.create_account("replaced", &spec).await;
    // The older one would come first if nobody had the pair.
    for (name, suspend) in [("older", true), ("owner", false)] {
        for region in regions {
            if name == "older" {
                teams.a.simulator.region(OF_A, region).create_default_key_pair();
            }
            let name = format!("{name}-{region}");
            let spec = json!({ "type": "Default", "region": region, "interval": "24h",
                "accountRef": { "name": account }, "suspend": suspend,
                "default": { "secret": { "name": name } } });
            teams.a.create::<LightsailKeyPair>(&name, &spec).await;
            let expected = if suspend { "Suspended" } else { "Downloaded" };
            wait_for(&format!("{name} shows {expected}"), async || {
                shown(&teams, &name).await == expected
            })
            .await;
        }
    }
    for region in regions {
        let name = format!("older-{region}");
        teams.a.patch::<LightsailKeyPair>(&name, &json!({ "spec": { "suspend": false } })).await;
        teams.a.wait_stalled::<LightsailKeyPair>(&name, "NameConflict").await;
    }
    for _ in 0..2 {
        teams.remove_accounts().await;
        for region in regions {
            for name in ["older", "owner"] {
                let name = format!("{name}-{region}");
                teams.a.wait_stalled::<LightsailKeyPair>(&name, "AccountNotFound").await;
            }
        }
        teams.create_account("replaced", &spec).await;
        for region in regions {
            for (name, expected) in [("owner", "Downloaded"), ("older", "NameConflict")] {
                let name = format!("{name}-{region}");
                wait_for(&format!("{name} shows {expected}"), async || {
                    shown(&teams, &name).await == expected
                })
                .await;
            }
        }
    }
    assert_eq!(teams.a.calls("DownloadDefaultKeyPair"), regions.len());
    teams.remove_accounts().await;
}

/// What an object shows as the reason of its condition `Ready`.
async fn shown(teams: &Teams, name: &str) -> String {
    ready_reason(&teams.a.api::<LightsailKeyPair>().get(name).await.unwrap())
}
