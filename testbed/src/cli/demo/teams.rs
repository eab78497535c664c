//! Two teams, each with an AWS account of its own, and what one of them may not do.

use anyhow::{Result, anyhow};
use serde_json::json;
use testbed::simulator::Role;

use super::stage::Stage;
use crate::cli::simulator::REGION;

const TEAMS: [(&str, &str); 2] = [("team-a", "111111111111"), ("team-b", "222222222222")];
const EXTERNAL_ID: &str = "demo-1";

/// Shows that each team works in its account, and in no other.
pub(super) async fn two_teams(stage: &mut Stage) -> Result<()> {
    stage.report.section("9. Two teams, two AWS accounts, and one refusal");
    for (team, account) in TEAMS {
        let _ = stage.simulator().add_account(account);
        let role = Role {
            name: "lightsail".to_owned(),
            external_id: Some(EXTERNAL_ID.to_owned()),
            ..Role::default()
        };
        stage.simulator().set_role(account, role, None).map_err(|why| anyhow!(why))?;
        stage.show(&["create", "namespace", team]).await?;
        stage.apply(&account_of(team, account)).await?;
    }
    stage.wait(&["--for=condition=Ready", "lightsailaccounts", "--all"]).await?;
    stage.show(&["get", "lightsailaccounts"]).await?;
    for (namespace, account) in [("team-a", "team-a"), ("team-b", "team-b")] {
        stage.apply(&pair_of("fleet", namespace, account)).await?;
    }
    stage.apply(&pair_of("borrowed", "team-b", "team-a")).await?;
    let stalled = "--for=condition=Stalled";
    stage.wait(&[stalled, "lskp/borrowed", "--namespace=team-b"]).await?;
    for (team, _) in TEAMS {
        let namespace = format!("--namespace={team}");
        stage.wait(&["--for=condition=Ready", "lskp/fleet", &namespace]).await?;
        stage.show(&["get", "lskp", &namespace, "-o", "wide"]).await?;
    }
    let message = "jsonpath={.status.conditions[?(@.type==\"Stalled\")].message}";
    stage.show(&["get", "lskp", "borrowed", "--namespace=team-b", "-o", message]).await?;
    for (team, account) in TEAMS {
        let pairs = stage.simulator().region(account, REGION).key_pairs();
        let names: Vec<&str> = pairs.iter().map(|pair| pair.name.as_str()).collect();
        let statement = format!("the account of {team} has its key pair, and no other");
        stage.expect(&statement, &json!(names), &json!(["fleet"]));
    }
    Ok(())
}

fn account_of(team: &str, account: &str) -> String {
    format!(
        "apiVersion: lightsail-operator.dev/v1alpha1
kind: LightsailAccount
metadata:
  name: {team}
spec:
  accountID: \"{account}\"
  assumeRoleChain:
  - roleARN: arn:aws:iam::{account}:role/lightsail
    externalID: {EXTERNAL_ID}
  allowedNamespaces:
    from: Names
    names: [{team}]
  allowed:
    regions: [{REGION}]
"
    )
}

fn pair_of(name: &str, namespace: &str, account: &str) -> String {
    format!(
        "apiVersion: lightsail-operator.dev/v1alpha1
kind: LightsailKeyPair
metadata:
  name: {name}
  namespace: {namespace}
spec:
  accountRef:
    name: {account}
  type: Generated
  region: {REGION}
"
    )
}
