//! What objects refer to: accounts, Secrets, `ConfigMap`s, regions.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use kube::api::PostParams;
use lightsail_operator::api::LightsailKeyPair;
use serde_json::{Value, json};

use super::arena::{Arena, PLATFORM, SHARED, set};
use super::{refused, shows, try_all};
use crate::accounts::teams::EXTERNAL_ID;
use crate::bed::{ACCOUNT, REGION, imported, public_key};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn to_accounts_and_regions_of_others_lead_nowhere() {
    let types = [("/allowed/types", json!(["Imported"]))];
    let arena = Arena::new("attack-refs", &types).await;
    let pair = |changes: &[(&str, Value)]| arena.pair("x", changes);
    let with = |name: &str| pair(&[("/accountRef/name", json!(name))]);
    let default = |changes: &[(&str, Value)]| {
        let mut spec = json!({ "accountRef": { "name": arena.ours }, "type": "Default",
            "region": REGION, "default": {} });
        set(&mut spec, changes);
        spec
    };
    let generated = [("/type", json!("Generated")), ("/imported", Value::Null)];
    let fingerprint = arena.teams.region(SHARED).find_default_key_pair().unwrap().fingerprint;
    let fingerprint = ("/expectedFingerprint", json!(fingerprint));
    let delete = ("/deletionPolicy", json!("Delete"));
    let (absent, create) =
        (("/ensure", json!("Absent")), ("/default/createIfMissing", json!(true)));
    let elsewhere = |region: &str| pair(&[("/region", json!(region))]);
    try_all::<LightsailKeyPair>(
        &arena,
        vec![
            shows(
                "another team's account, which is the same in AWS",
                with(&arena.theirs),
                "AccountNotFound",
            ),
            shows("the platform team's account", with(&arena.platform), "AccountNotFound"),
            shows("an account that is not there", with("production"), "AccountNotFound"),
            refused(
                "its own in upper case",
                with(&arena.ours.to_uppercase()),
                "accountRef.name must",
            ),
            refused(
                "a path to another",
                with(&format!("{}/../{}", arena.ours, arena.theirs)),
                "accountRef.name must",
            ),
            refused("a line break", with(&format!("{}\n", arena.theirs)), "accountRef.name must"),
            refused("an empty name", with(""), "should be at least 1"),
            shows(
                "none, which would be the operator's own credentials",
                pair(&[("/accountRef", Value::Null)]),
                "AccountRequired",
            ),
            shows("another region", elsewhere("us-east-1"), "AccountNotAllowed"),
            shows("a region that is not there", elsewhere("aa-north-1"), "AccountNotAllowed"),
            refused("its region in upper case", elsewhere("EU-WEST-1"), "region must be"),
            refused(
                "a host in the place of a region",
                elsewhere("eu-west-1.example.com/"),
                "region must be",
            ),
            shows("another type", pair(&generated), "AccountNotAllowed"),
            shows("the default pair's private key", default(&[]), "AccountNotAllowed"),
            shows(
                "a new default pair",
                default(std::slice::from_ref(&create)),
                "AccountNotAllowed",
            ),
            shows(
                "the end of the default pair",
                default(&[absent, fingerprint.clone()]),
                "AccountNotAllowed",
            ),
            shows("its end with the object", default(&[delete, fingerprint]), "AccountNotAllowed"),
        ],
    )
    .await;
    arena.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn to_secrets_and_config_maps_stay_in_the_namespace() {
    let arena = Arena::new("attack-sources", &[]).await;
    let map = json!({ "metadata": { "name": "keys" }, "data": { "key": public_key("ed25519") } });
    let maps = kube::Api::<ConfigMap>::namespaced(
        arena.teams.a.cluster.client(),
        &arena.teams.b.namespace,
    );
    maps.create(&PostParams::default(), &serde_json::from_value(map).unwrap()).await.unwrap();
    let from = |kind: &str, name: &str, key: &str| {
        let source = json!({ kind: { "name": name, "key": key } });
        arena.pair("x", &[("/imported", json!({ "publicKeyFrom": source }))])
    };
    let b = &arena.teams.b.namespace;
    let kept_in = |name: &str| {
        let generated = json!({ "secret": { "name": name } });
        let changes =
            [("/type", json!("Generated")), ("/imported", Value::Null), ("/generated", generated)];
        arena.pair("x", &changes)
    };
    let before = arena.reads_of(b, "made");
    try_all::<LightsailKeyPair>(
        &arena,
        vec![
            shows(
                "another namespace's Secret",
                from("secretKeyRef", "made", "ssh-publickey"),
                "SourceNotFound",
            ),
            shows(
                "another namespace's ConfigMap",
                from("configMapKeyRef", "keys", "key"),
                "SourceNotFound",
            ),
            refused(
                "a path to a Secret",
                from("secretKeyRef", &format!("../../{b}/secrets/made"), "ssh-publickey"),
                "name must be that of",
            ),
            refused(
                "a name with the namespace",
                from("secretKeyRef", &format!("{b}/made"), "key"),
                "name must be that of",
            ),
            refused(
                "a path in a key",
                from("secretKeyRef", "made", "../ssh-privatekey"),
                "key must be",
            ),
            refused(
                "a path to keep a private key in",
                kept_in(&format!("../../{b}/secrets/made")),
                "name must be a valid name",
            ),
        ],
    )
    .await;
    assert_eq!(arena.reads_of(b, "made"), before, "the operator has not read it for team a");
    assert_eq!(arena.reads_of(b, "keys"), 0);
    for elsewhere in [b.as_str(), arena.teams.operators.namespace.as_str(), "lightsail-operator"] {
        let object = json!({ "apiVersion": "lightsail-operator.dev/v1alpha1",
            "kind": "LightsailKeyPair", "metadata": { "name": "x", "namespace": elsewhere },
            "spec": arena.pair("x", &[]) });
        let api = arena.attacker.api_in::<LightsailKeyPair>(elsewhere);
        let object = serde_json::from_value(object).unwrap();
        let refused = api.create(&PostParams::default(), &object).await.unwrap_err().to_string();
        assert!(refused.contains("forbidden"), "an object in {elsewhere}: {refused}");
    }
    arena.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn to_an_account_stay_once_they_are_set() {
    let arena = Arena::new("attack-late", &[]).await;
    let (attacker, ours) = (&arena.attacker, &arena.ours);
    let refer = |name: &str| json!({ "spec": { "accountRef": { "name": name } } });
    let none = json!({ "spec": { "accountRef": null } });
    attacker.create::<LightsailKeyPair>("kept", &arena.pair("kept", &[])).await.unwrap();
    arena.wait::<LightsailKeyPair>("kept", "Imported").await;
    for (row, change) in [
        ("another account for a pair that is there", refer(&arena.theirs)),
        ("none for a pair that is there", none),
    ] {
        let refused = attacker.patch::<LightsailKeyPair>("kept", &change).await.unwrap_err();
        assert!(refused.contains("accountRef is immutable"), "{row}: {refused}");
    }
    let without = arena.pair("late", &[("/accountRef", Value::Null)]);
    attacker.create::<LightsailKeyPair>("late", &without).await.unwrap();
    arena.wait::<LightsailKeyPair>("late", "AccountRequired").await;
    attacker.patch::<LightsailKeyPair>("late", &refer(&arena.theirs)).await.unwrap();
    arena.wait::<LightsailKeyPair>("late", "AccountNotFound").await;
    arena.check("another's account, set late").await;
    let refused = attacker.patch::<LightsailKeyPair>("late", &refer(ours)).await.unwrap_err();
    assert!(refused.contains("accountRef is immutable"), "and changed after that: {refused}");
    arena.clean_up::<LightsailKeyPair>("late").await;
    arena.clean_up::<LightsailKeyPair>("kept").await;
    arena.check("all of them deleted").await;
    arena.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_pairs_of_another_aws_account_do_nothing_there() {
    let mut arena = Arena::new("attack-moved", &[]).await;
    // A pair in the operator's own account, of the time before there were accounts.
    arena.teams.remove_accounts().await;
    let own = arena.own("early");
    let mut spec = imported(&arena.known_key);
    spec["keyPairName"] = json!(own);
    arena.attacker.create::<LightsailKeyPair>("early", &spec).await.unwrap();
    arena.wait::<LightsailKeyPair>("early", "Imported").await;
    assert!(arena.teams.region(ACCOUNT).find_key_pair(&own).is_some());
    let namespace = arena.attacker.namespace.clone();
    let account = |id: &str| {
        let role = if id == SHARED { "team-a" } else { "platform" };
        json!({
            "accountID": id,
            "assumeRoleChain": [{ "roleARN": format!("arn:aws:iam::{id}:role/{role}"),
                "externalID": EXTERNAL_ID }],
            "allowedNamespaces": { "from": "Names", "names": [namespace] },
            "allowed": { "regions": [REGION], "adoption": "Full" },
        })
    };
    arena.teams.create_account("ours", &account(SHARED)).await;
    arena.teams.wait_account(&arena.ours, "Identified").await;
    arena.wait::<LightsailKeyPair>("early", "AccountRequired").await;
    arena.teams.region(SHARED).import_key_pair(&own, &arena.known_key);
    arena.start_over().await;
    let late = json!({ "spec": { "accountRef": { "name": arena.ours } } });
    arena.attacker.patch::<LightsailKeyPair>("early", &late).await.unwrap();
    arena.wait::<LightsailKeyPair>("early", "WrongAccount").await;
    arena.attacker.delete::<LightsailKeyPair>("early").await.unwrap();
    arena.wait::<LightsailKeyPair>("early", "WrongAccount").await;
    arena.clean_up::<LightsailKeyPair>("early").await;
    arena.check("an account that is set late is another one").await;

    // The account is made anew, and is another one.
    arena.attacker.create::<LightsailKeyPair>("kept", &arena.pair("kept", &[])).await.unwrap();
    arena.wait::<LightsailKeyPair>("kept", "Imported").await;
    arena.teams.remove_accounts().await;
    arena.teams.wait_no_account(&arena.ours).await;
    arena.teams.region(PLATFORM).import_key_pair(&arena.own("kept"), &arena.known_key);
    arena.teams.create_account("ours", &account(PLATFORM)).await;
    arena.teams.wait_account(&arena.ours, "Identified").await;
    arena.wait::<LightsailKeyPair>("kept", "WrongAccount").await;
    arena.start_over().await;
    let delete = json!({ "spec": { "deletionPolicy": "Delete" } });
    arena.attacker.patch::<LightsailKeyPair>("kept", &delete).await.unwrap();
    arena.attacker.delete::<LightsailKeyPair>("kept").await.unwrap();
    arena.wait::<LightsailKeyPair>("kept", "WrongAccount").await;
    arena.clean_up::<LightsailKeyPair>("kept").await;
    arena.check("an account that was made anew is another one").await;
    assert!(arena.teams.api().get(&arena.ours).await.unwrap().name_any() == arena.ours);
    arena.end().await;
}
