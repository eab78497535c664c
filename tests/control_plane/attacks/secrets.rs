//! Secrets of the tenant's own: what they make the operator write, read or lose.

use k8s_openapi::api::core::v1::ConfigMap;
use lightsail_operator::api::LightsailKeyPair;
use serde_json::{Value, json};

use super::arena::{Arena, PLATFORM, SHARED, set};
use super::{refused, shows, try_all};
use crate::bed::{key_pair_files, public_half, public_key};

/// What the API server says of keys of labels.
const NO_PREFIX: &str = "have no prefix";

fn generated(arena: &Arena, name: &str, secret: &Value) -> Value {
    let changes = [
        ("/type", json!("Generated")),
        ("/imported", Value::Null),
        ("/generated", json!({ "secret": secret })),
    ];
    arena.pair(name, &changes)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn that_are_there_are_left_as_they_are() {
    let arena = Arena::new("attack-secrets", &[]).await;
    let attacker = &arena.attacker;
    let (private, _) = key_pair_files("ed25519");
    arena.teams.a.note_private_key("tenants", &private);
    let key = json!({ "ssh-privatekey": private });
    // With an owner that is not there, it would be deleted.
    let maps =
        kube::Api::<ConfigMap>::namespaced(arena.teams.a.cluster.client(), &attacker.namespace);
    let map = maps.get("kube-root-ca.crt").await.unwrap();
    let owner = json!([{ "apiVersion": "v1", "kind": "ConfigMap", "name": "kube-root-ca.crt",
        "uid": map.metadata.uid }]);
    let forged = json!({ "app.kubernetes.io/managed-by": "lightsail-operator" });
    let of = |kind: &str| json!({ "type": kind, "stringData": key });
    let with = |members: &[(&str, Value)]| {
        let mut secret = of("kubernetes.io/ssh-auth");
        set(&mut secret, members);
        secret
    };
    let huge = json!({ "type": "Opaque", "stringData": { "ssh-privatekey": "x".repeat(900_000) } });
    let marks = |owner: &str| {
        json!({ "lightsail-operator.dev/owner": owner,
        "lightsail-operator.dev/created": "true" })
    };
    let rows = [
        ("another key", "SecretNotOwned", of("kubernetes.io/ssh-auth")),
        ("opaque", "SecretNotOwned", of("Opaque")),
        ("immutable", "SecretNotOwned", with(&[("/immutable", json!(true))])),
        ("with owners", "SecretNotOwned", with(&[("/ownerReferences", owner)])),
        ("with the operator's label", "SecretNotOwned", with(&[("/labels", forged.clone())])),
        (
            "marked as another object's",
            "SecretNotOwned",
            with(&[("/labels", forged), ("/annotations", marks("LightsailKeyPair/other"))]),
        ),
        ("huge", "SecretRejected", huge),
    ];
    for (number, (row, reason, secret)) in rows.into_iter().enumerate() {
        let name = format!("kept-{number}");
        attacker.keep(&name, &secret).await;
        let before = arena.teams.a.secrets().get(&name).await.unwrap();
        let wanted = json!({ "name": name, "labels": { "team": "a" }, "deleteWithObject": true });
        attacker
            .create::<LightsailKeyPair>(&name, &generated(&arena, &name, &wanted))
            .await
            .unwrap();
        arena.wait::<LightsailKeyPair>(&name, reason).await;
        arena.clean_up::<LightsailKeyPair>(&name).await;
        let after = arena.teams.a.secrets().get(&name).await.unwrap();
        assert_eq!(after.metadata, before.metadata, "{row}");
        assert_eq!(after.data, before.data, "{row}");
        arena.check(row).await;
    }
    // Another object's of the same namespace.
    let first = generated(&arena, "first", &json!({ "name": "one" }));
    attacker.create::<LightsailKeyPair>("first", &first).await.unwrap();
    arena.wait::<LightsailKeyPair>("first", "Generated").await;
    let before = arena.teams.a.secrets().get("one").await.unwrap();
    let second = generated(&arena, "second", &json!({ "name": "one", "deleteWithObject": true }));
    attacker.create::<LightsailKeyPair>("second", &second).await.unwrap();
    arena.wait::<LightsailKeyPair>("second", "SecretNotOwned").await;
    arena.clean_up::<LightsailKeyPair>("second").await;
    assert_eq!(arena.teams.a.secrets().get("one").await.unwrap(), before);
    let key = &before.data.unwrap()["ssh-privatekey"].0;
    let listed = arena.teams.region(SHARED).find_key_pair(&arena.own("first")).unwrap().public_key;
    let half = public_half(std::str::from_utf8(key).unwrap());
    assert_eq!(half.split(' ').nth(1), listed.split(' ').nth(1), "the first one's key is whole");
    arena.check("another object's Secret").await;
    arena.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn get_nothing_that_others_consume() {
    let arena = Arena::new("attack-labels", &[]).await;
    let labels = |labels: Value| generated(&arena, "x", &json!({ "name": "x", "labels": labels }));
    let private = "-----BEGIN OPENSSH PRIVATE KEY-----\nnone\n-----END OPENSSH PRIVATE KEY-----\n";
    let large = format!("{}\n{}", public_key("ed25519"), "#".repeat(70_000));
    let data = json!({ "large": large, "private": private, "other": "c2VjcmV0" });
    arena.attacker.keep("source", &json!({ "stringData": data })).await;
    let from = |key: &str| {
        let at = json!({ "publicKeyFrom": { "secretKeyRef": { "name": "source", "key": key } } });
        arena.pair("x", &[("/imported", at)])
    };
    try_all::<LightsailKeyPair>(
        &arena,
        vec![
            refused(
                "a repository of Argo CD's",
                labels(json!({ "argocd.argoproj.io/secret-type": "repository" })),
                NO_PREFIX,
            ),
            refused(
                "a cluster of Argo CD's",
                labels(json!({ "argocd.argoproj.io/secret-type": "cluster" })),
                NO_PREFIX,
            ),
            refused(
                "credentials of an account",
                labels(json!({ "lightsail-operator.dev/aws-credentials": arena.theirs })),
                NO_PREFIX,
            ),
            refused(
                "another manager",
                labels(json!({ "app.kubernetes.io/managed-by": "Helm" })),
                NO_PREFIX,
            ),
            shows("a source that is too large", from("large"), "SourceTooLarge"),
            shows("a private key as source", from("private"), "InvalidPublicKey"),
            shows("what is no key", from("other"), "InvalidPublicKey"),
        ],
    )
    .await;
    // What the schema does not know is not taken into the Secret.
    let secret = json!({ "name": "typed", "type": "bootstrap.kubernetes.io/token",
        "annotations": { "kubernetes.io/service-account.name": "default" } });
    let spec = generated(&arena, "typed", &secret);
    arena.attacker.create::<LightsailKeyPair>("typed", &spec).await.unwrap();
    arena.wait::<LightsailKeyPair>("typed", "Generated").await;
    let kept = arena.teams.a.secrets().get("typed").await.unwrap();
    assert_eq!(kept.type_.as_deref(), Some("kubernetes.io/ssh-auth"));
    let annotations = kept.metadata.annotations.unwrap_or_default();
    let of_operator = |key: &String| key.starts_with("lightsail-operator.dev/");
    assert!(annotations.keys().all(of_operator), "{annotations:?}");
    arena.check("a type and annotations").await;
    arena.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn are_no_credentials_of_an_account() {
    let arena = Arena::new("attack-keys", &[]).await;
    // The tenant's Secret is called as that of the account, with its label.
    let key = arena.teams.a.simulator.add_account(PLATFORM);
    let label = "lightsail-operator.dev/aws-credentials";
    let name = arena.teams.name("keys");
    let data = json!({ "aws_access_key_id": key.access_key_id,
        "aws_secret_access_key": key.secret_access_key });
    let secret = json!({ "labels": { label: name }, "stringData": data });
    arena.attacker.keep("aws", &secret).await;
    arena
        .attacker
        .keep("aws-2", &json!({ "labels": { label: arena.ours }, "stringData": data }))
        .await;
    let spec = json!({
        "accountID": SHARED,
        "credentials": { "source": "Secret", "secretRef": { "name": "aws" } },
        "allowedNamespaces": { "from": "Names", "names": [arena.attacker.namespace] },
        "allowed": { "regions": ["eu-west-1"] },
    });
    arena.teams.create_account("keys", &spec).await;
    let message = arena.teams.wait_account(&name, "InvalidCredentials").await;
    assert!(message.contains("there is no such Secret"), "{message}");
    let spec = arena.pair("x", &[("/accountRef/name", json!(name))]);
    arena.attacker.create::<LightsailKeyPair>("x", &spec).await.unwrap();
    arena.wait::<LightsailKeyPair>("x", "AccountNotReady").await;
    for secret in ["aws", "aws-2"] {
        assert_eq!(arena.reads_of(&arena.attacker.namespace, secret), 0, "{secret}");
    }
    arena.clean_up::<LightsailKeyPair>("x").await;
    arena.check("a Secret with credentials").await;
    arena.end().await;
}
