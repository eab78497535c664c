//! Room for one more key pair: whoever waits for it learns of it long before it would count again.

use kube::ResourceExt;
use lightsail_operator::api::{FINALIZER, LightsailKeyPair};
use serde_json::{Value, json};
use testbed::simulator::{Fault, FaultEffect, NewInstance};

use super::teams::{OF_A, Teams, pair};

/// An object that is called as its key pair.
async fn create(teams: &Teams, account: &str, name: &str) {
    let mut spec: Value = pair(account, name);
    spec["interval"] = json!("168h");
    teams.a.create::<LightsailKeyPair>(name, &spec).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn room_is_made_by_whatever_ends_a_claim_to_it() {
    let teams = Teams::new("room").await;
    let limit = [("/allowed/maxKeyPairs", json!(1))];
    let spec = Teams::spec(OF_A, &teams.a.namespace, &limit);
    let account = teams.create_account("limited", &spec).await;
    let next = || Fault::new("ImportKeyPair", FaultEffect::HoldBefore).times(1);

    // An import that comes to nothing: an instance gets the name at the last moment.
    let held = teams.region(OF_A).add_fault(next());
    let _operator = teams.start().await;
    create(&teams, &account, "first").await;
    held.reached().await;
    create(&teams, &account, "second").await;
    teams.a.wait_stalled::<LightsailKeyPair>("second", "AccountNotAllowed").await;
    let instance = NewInstance { name: "first".to_owned(), ..NewInstance::default() };
    teams.region(OF_A).launch(instance);
    held.release();
    teams.a.wait_stalled::<LightsailKeyPair>("first", "NameConflict").await;
    teams.a.wait_ready::<LightsailKeyPair>("second", "Imported").await;

    // Another tool's finalizer keeps an object whose pair is gone.
    let held = teams.region(OF_A).add_fault(next());
    create(&teams, &account, "third").await;
    teams.a.wait_stalled::<LightsailKeyPair>("third", "AccountNotAllowed").await;
    let both = json!({ "metadata": { "finalizers": [FINALIZER, "example.com/other"] } });
    teams.a.patch::<LightsailKeyPair>("second", &both).await;
    teams.a.delete::<LightsailKeyPair>("second").await;
    let is_released = |object: &LightsailKeyPair| object.finalizers() == ["example.com/other"];
    teams.a.wait("second", "released", is_released).await;
    held.reached().await;
    let nothing = json!({ "metadata": { "finalizers": null } });
    teams.a.patch::<LightsailKeyPair>("second", &nothing).await;

    // The pair of an object that vanishes is deleted after it.
    create(&teams, &account, "fourth").await;
    teams.a.wait_stalled::<LightsailKeyPair>("fourth", "AccountNotAllowed").await;
    teams.a.patch::<LightsailKeyPair>("third", &nothing).await;
    teams.a.delete::<LightsailKeyPair>("third").await;
    teams.a.wait_gone::<LightsailKeyPair>("third").await;
    held.release();
    teams.a.wait_ready::<LightsailKeyPair>("fourth", "Imported").await;
    let pairs = teams.region(OF_A).key_pairs();
    assert_eq!(pairs.iter().map(|pair| &*pair.name).collect::<Vec<_>>(), ["fourth"]);
    teams.remove_accounts().await;
}
