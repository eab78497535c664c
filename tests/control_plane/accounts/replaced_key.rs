//! The operator's own access key is replaced while accounts are reached with it.

use std::path::PathBuf;

use lightsail_operator::api::LightsailKeyPair;
use serde_json::json;
use testbed::operator::Operator;
use testbed::simulator::Credentials;

use super::teams::{OF_A, OF_B, Teams, pair};
use crate::bed::{ACCOUNT, REGION};

/// The profile in which the operator finds its access key.
struct Profile {
    file: PathBuf,
    key: Credentials,
}

impl Profile {
    fn write(&self) {
        let Credentials { access_key_id, secret_access_key } = &self.key;
        let text = format!(
            "[default]\naws_access_key_id = {access_key_id}\n\
             aws_secret_access_key = {secret_access_key}\n"
        );
        std::fs::write(&self.file, text).unwrap();
    }

    /// Somebody creates another access key, writes it to the file, and deletes the old one.
    fn replace_key(&mut self, teams: &Teams) {
        let old = std::mem::replace(&mut self.key, teams.a.simulator.add_account(ACCOUNT));
        self.write();
        teams.a.simulator.remove_credentials(&old);
    }
}

/// Both teams have a key pair: one in an account that is reached with a role, one in the account of
/// the key itself.
async fn start(name: &str) -> (Teams, Operator, Profile, String) {
    let teams = Teams::new(name).await;
    let mut options = teams.options().await;
    let file = options.log.with_file_name("credentials");
    let profile = Profile { file, key: teams.a.simulator.add_account(ACCOUNT) };
    profile.write();
    options.environment.retain(|(name, _)| !name.contains("ACCESS_KEY"));
    let value = profile.file.to_str().unwrap().to_owned();
    options.environment.push(("AWS_SHARED_CREDENTIALS_FILE".to_owned(), value));
    let operator = Operator::start(options).await.unwrap();

    let role = teams.create_account("a", &Teams::spec(OF_A, &teams.a.namespace, &[])).await;
    let own = json!({
        "accountID": ACCOUNT,
        "allowedNamespaces": { "from": "Names", "names": [teams.b.namespace] },
        "allowed": { "regions": [REGION] },
    });
    let own = teams.create_account("own", &own).await;
    for (bed, account) in [(&teams.a, &role), (&teams.b, &own)] {
        bed.create::<LightsailKeyPair>("one", &pair(account, "one")).await;
        bed.wait_ready::<LightsailKeyPair>("one", "Imported").await;
    }
    (teams, operator, profile, own)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_is_assumed_with_the_key_that_replaced_one_that_sts_refuses() {
    let (teams, operator, mut profile, own) = start("sts-refuses").await;
    profile.replace_key(&teams);
    let late = teams.create_account("late", &Teams::spec(OF_B, &teams.a.namespace, &[])).await;
    teams.wait_account(&late, "Identified").await;
    teams.a.create::<LightsailKeyPair>("late", &pair(&late, "late")).await;
    teams.a.wait_ready::<LightsailKeyPair>("late", "Imported").await;
    // Whoever uses the key itself hears of the new one as well.
    teams.b.create::<LightsailKeyPair>("two", &pair(&own, "two")).await;
    teams.b.wait_ready::<LightsailKeyPair>("two", "Imported").await;
    let (_, report) = operator.get("/readyz").await.unwrap();
    assert!(!report.contains("the AWS credentials: "), "{report}");
    teams.remove_accounts().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_of_the_key_itself_gets_the_key_that_replaced_one_that_lightsail_refuses() {
    let (teams, _operator, mut profile, own) = start("lightsail-refuses").await;
    profile.replace_key(&teams);
    teams.b.create::<LightsailKeyPair>("two", &pair(&own, "two")).await;
    teams.b.wait_ready::<LightsailKeyPair>("two", "Imported").await;
    teams.remove_accounts().await;
}
