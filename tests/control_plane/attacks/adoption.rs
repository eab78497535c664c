//! Ways to have a pair deleted that was there already, though the account says `adoption: Retain`.

use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, PropagationPolicy};
use lightsail_operator::api::{FINALIZER, LightsailKeyPair};
use serde_json::{Value, json};

use super::arena::{Arena, OWNER, SHARED, set};
use super::{shows, try_all};
use crate::bed::key_pair_files;

const DELETE: (&str, &str) = ("/deletionPolicy", "Delete");

/// What the tenant does with the object of a pair that it has adopted.
enum Act {
    Patch(Value),
    Delete,
    /// With `--force`.
    Replace(Value),
    Shows(&'static str),
    Gone,
    Create(Value),
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::too_many_lines, reason = "a row for each way")]
async fn of_a_pair_never_ends_in_its_deletion() {
    use Act::{Create, Delete, Gone, Patch, Replace, Shows};
    let arena = Arena::new("attack-adopt", &[]).await;
    let legacy = arena.teams.region(SHARED).find_key_pair(&arena.own("legacy")).unwrap();
    let delete = (DELETE.0, json!(DELETE.1));
    let spec = |changes: &[(&str, Value)]| {
        arena.pair("legacy", &[std::slice::from_ref(&delete), changes].concat())
    };
    let patch = |changes: &[(&str, Value)]| {
        let mut change = json!({ "spec": { "imported": {} } });
        set(&mut change["spec"], changes);
        Patch(change)
    };
    let other = crate::bed::public_key("ed25519");
    let other_key = ("/imported/publicKey", json!(other));
    let recreate = ("/imported/replacePolicy", json!("Recreate"));
    let absent = ("/ensure", json!("Absent"));
    let expected = ("/expectedFingerprint", json!(legacy.fingerprint));
    let suspend = |suspend: bool| ("/suspend", json!(suspend));
    let take_over = ("/adoptionPolicy", json!("TakeOver"));
    let adopt = || vec![Create(spec(&[])), Shows("Adopted")];
    let after_adoption = |acts: Vec<Act>| adopt().into_iter().chain(acts).collect::<Vec<_>>();
    let strip = || Patch(json!({ "metadata": { "finalizers": null } }));
    let rows: Vec<(&str, Vec<Act>)> = vec![
        ("its object is deleted", after_adoption(vec![Delete, Gone])),
        (
            "it is not wanted any more",
            after_adoption(vec![
                patch(std::slice::from_ref(&absent)),
                Shows("AccountNotAllowed"),
                Delete,
                Gone,
            ]),
        ),
        (
            "by its fingerprint",
            after_adoption(vec![
                patch(&[absent.clone(), expected.clone()]),
                Shows("AccountNotAllowed"),
                Delete,
                Gone,
            ]),
        ),
        (
            "in another key's place",
            after_adoption(vec![
                patch(&[recreate.clone(), other_key.clone()]),
                Shows("PublicKeyChanged"),
                Delete,
                Gone,
            ]),
        ),
        (
            "suspended, deleted, and made again",
            vec![
                Create(spec(&[suspend(true)])),
                Shows("Suspended"),
                patch(&[suspend(false)]),
                Shows("Adopted"),
                patch(&[suspend(true)]),
                Shows("Adopted"),
                Delete,
                Gone,
                Create(spec(&[])),
                Shows("Adopted"),
                Delete,
                Gone,
            ],
        ),
        (
            "made again without its status",
            after_adoption(vec![
                strip(),
                Shows("Adopted"),
                strip(),
                Delete,
                Gone,
                Create(spec(&[])),
                Shows("Adopted"),
                Delete,
                Gone,
            ]),
        ),
        (
            "made again to be deleted",
            after_adoption(vec![
                patch(&[suspend(true)]),
                Shows("Adopted"),
                strip(),
                Delete,
                Gone,
                Create(spec(&[absent.clone(), expected.clone()])),
                Shows("AccountNotAllowed"),
                Delete,
                Gone,
            ]),
        ),
        (
            "with a forged finalizer",
            after_adoption(vec![
                patch(&[suspend(true)]),
                Shows("Adopted"),
                strip(),
                Delete,
                Gone,
                Create(spec(std::slice::from_ref(&absent))),
                Patch(json!({ "metadata": { "finalizers": [FINALIZER] } })),
                Shows("FingerprintMismatch"),
                Delete,
            ]),
        ),
        (
            "replaced by force",
            after_adoption(vec![
                Replace(spec(&[])),
                Shows("Adopted"),
                Replace(spec(&[recreate.clone(), other_key.clone()])),
                Shows("NameConflict"),
                Delete,
                Gone,
            ]),
        ),
        (
            "taken over from itself",
            after_adoption(vec![
                Replace(spec(std::slice::from_ref(&take_over))),
                Shows("AccountNotAllowed"),
                Delete,
                Gone,
            ]),
        ),
    ];
    for (row, acts) in rows {
        for act in acts {
            run(&arena, row, act).await;
            arena.check(row).await;
        }
        arena.clean_up::<LightsailKeyPair>("legacy").await;
        arena.teams.region(SHARED).set_tags(&legacy.name, &[]);
    }
    let refused = spec(&[take_over]);
    try_all::<LightsailKeyPair>(&arena, vec![shows("taken over", refused, "AccountNotAllowed")])
        .await;
    arena.end().await;
}

async fn run(arena: &Arena, row: &str, act: Act) {
    const NAME: &str = "legacy";
    let attacker = &arena.attacker;
    match act {
        Act::Create(spec) => drop(attacker.create::<LightsailKeyPair>(NAME, &spec).await.unwrap()),
        Act::Patch(change) => {
            attacker.patch::<LightsailKeyPair>(NAME, &change).await.expect(row);
        }
        Act::Delete => attacker.delete::<LightsailKeyPair>(NAME).await.unwrap(),
        Act::Replace(spec) => {
            let force = DeleteParams {
                grace_period_seconds: Some(0),
                propagation_policy: Some(PropagationPolicy::Background),
                ..DeleteParams::default()
            };
            attacker.api::<LightsailKeyPair>().delete(NAME, &force).await.unwrap();
            arena.teams.a.wait_gone::<LightsailKeyPair>(NAME).await;
            attacker.create::<LightsailKeyPair>(NAME, &spec).await.unwrap();
        }
        Act::Shows(reason) => drop(arena.wait::<LightsailKeyPair>(NAME, reason).await),
        Act::Gone => arena.teams.a.wait_gone::<LightsailKeyPair>(NAME).await,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_a_secret_with_its_key_is_no_other_thing() {
    let arena = Arena::new("attack-generated", &[]).await;
    let (shared, name) = (arena.teams.region(SHARED), arena.own("known"));
    let (private, public) = key_pair_files("ed25519");
    arena.teams.a.note_private_key("known", &private);
    let before = shared.import_key_pair(&name, public.trim());
    let secret = json!({ "type": "kubernetes.io/ssh-auth",
        "stringData": { "ssh-privatekey": private } });
    arena.attacker.keep("known", &secret).await;
    let spec = json!({ "accountRef": { "name": arena.ours }, "type": "Generated",
        "region": "eu-west-1", "keyPairName": name, "deletionPolicy": "Delete",
        "generated": { "replacePolicy": "Recreate", "secret": { "name": "known" } } });
    arena.attacker.create::<LightsailKeyPair>("known", &spec).await.unwrap();
    arena.wait::<LightsailKeyPair>("known", "Adopted").await;
    // Another key in the Secret does not replace it.
    let (other, _) = key_pair_files("ed25519");
    arena.teams.a.note_private_key("other", &other);
    let change = json!({ "stringData": { "ssh-privatekey": other } });
    arena.attacker.patch::<Secret>("known", &change).await.unwrap();
    let now = json!({ "metadata": { "annotations": { "lightsail-operator.dev/reconcile": "1" } } });
    arena.attacker.patch::<LightsailKeyPair>("known", &now).await.unwrap();
    arena.wait::<LightsailKeyPair>("known", "PrivateKeyMismatch").await;
    assert_eq!(shared.find_key_pair(&name).unwrap().arn, before.arn);
    arena.attacker.delete::<LightsailKeyPair>("known").await.unwrap();
    arena.teams.a.wait_gone::<LightsailKeyPair>("known").await;
    assert_eq!(shared.find_key_pair(&name).unwrap().arn, before.arn);
    arena.check("a Secret with the key of a pair that is there").await;

    // No tag is set beside the owner tag.
    let tags = json!({ "team": "a", "cost": "0" });
    let spec = arena.pair("legacy", &[("/tags", tags)]);
    arena.attacker.create::<LightsailKeyPair>("legacy", &spec).await.unwrap();
    arena.wait::<LightsailKeyPair>("legacy", "Adopted").await;
    let legacy = shared.find_key_pair(&arena.own("legacy")).unwrap();
    assert_eq!(legacy.tags.keys().collect::<Vec<_>>(), [OWNER]);
    arena.clean_up::<LightsailKeyPair>("legacy").await;
    assert!(shared.find_key_pair(&arena.own("legacy")).unwrap().tags.is_empty());
    arena.check("tags of a pair that was there").await;
    arena.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_take_over_are_what_the_account_says() {
    let changes = [
        ("/allowed/adoption", json!("Never")),
        ("/allowed/takeOver", json!("OtherClusters")),
        ("/allowed/takeOverFrom", json!(["blue"])),
    ];
    let mut arena = Arena::new("attack-never", &changes).await;
    let take_over = ("/adoptionPolicy", json!("TakeOver"));
    try_all::<LightsailKeyPair>(
        &arena,
        vec![
            shows("a pair that is there", arena.pair("legacy", &[]), "NameConflict"),
            shows(
                "by take-over",
                arena.pair("legacy", std::slice::from_ref(&take_over)),
                "NameConflict",
            ),
            shows(
                "of a cluster that is listed",
                arena.pair("blue", std::slice::from_ref(&take_over)),
                "NameConflict",
            ),
        ],
    )
    .await;
    // What may be taken over is kept all the same.
    let retain = json!({ "allowed": { "adoption": "Retain" } });
    arena.teams.patch_account(&arena.ours, &retain).await;
    let delete = ("/deletionPolicy", json!("Delete"));
    let spec = arena.pair("blue", &[take_over, delete]);
    arena.attacker.create::<LightsailKeyPair>("blue", &spec).await.unwrap();
    arena.wait::<LightsailKeyPair>("blue", "Adopted").await;
    arena.start_over().await;
    arena.attacker.delete::<LightsailKeyPair>("blue").await.unwrap();
    arena.teams.a.wait_gone::<LightsailKeyPair>("blue").await;
    assert!(arena.teams.region(SHARED).find_key_pair(&arena.own("blue")).is_some());
    arena.end().await;
}
