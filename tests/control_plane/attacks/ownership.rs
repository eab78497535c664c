//! Whose a pair is: what tenants write into status, finalizers, tags and fingerprints.

use kube::api::{ListParams, Patch, PatchParams, PostParams};
use lightsail_operator::api::{FINALIZER, HostKeyReset, LightsailKeyPair};
use serde_json::{Value, json};

use super::arena::{Arena, OWNER, Reach, SHARED};
use super::{refused, shows, try_all};

/// What the API server says of keys of tags.
const PREFIX: &str = "keys of tags must not";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn is_not_what_the_tenant_writes() {
    let arena = Arena::new("attack-status", &[]).await;
    let attacker = &arena.attacker;
    let theirs =
        serde_json::to_value(arena.teams.b.api::<LightsailKeyPair>().get("fleet").await.unwrap())
            .unwrap();
    let status = theirs["status"].clone();
    attacker.create::<LightsailKeyPair>("own", &arena.pair("own", &[])).await.unwrap();
    arena.wait::<LightsailKeyPair>("own", "Imported").await;
    // RBAC refuses the status, by each verb.
    let body = json!({ "status": { "arn": status["arn"], "origin": "Imported" } });
    for kind in ["LightsailKeyPair", "HostKeyReset"] {
        let pairs = attacker.api::<LightsailKeyPair>();
        let resets = attacker.api::<HostKeyReset>();
        let api = if kind == "LightsailKeyPair" { pairs } else { resets };
        for patch in [Patch::Merge(&body), Patch::Apply(&body)] {
            let parameters = PatchParams::apply("kubectl");
            let refused = api.patch_status("own", &parameters, &patch).await;
            let refused = refused.unwrap_err().to_string();
            assert!(refused.contains("forbidden"), "{kind}: {refused}");
        }
    }
    let mut forged = arena.show::<LightsailKeyPair>("own").await;
    forged["status"] = status.clone();
    let forged = serde_json::from_value(forged).unwrap();
    let api = attacker.api::<LightsailKeyPair>();
    let refused = api.replace_status("own", &PostParams::default(), &forged).await;
    assert!(refused.unwrap_err().to_string().contains("forbidden"));
    let replaced = api.replace("own", &PostParams::default(), &forged).await.unwrap();
    let replaced = serde_json::to_value(replaced).unwrap();
    assert_ne!(replaced["status"]["arn"], status["arn"], "the status of a replace is dropped");
    arena.clean_up::<LightsailKeyPair>("own").await;

    // Another team's object, copied as it is.
    let copy = |spec: Value| {
        json!({ "metadata": { "name": "copy", "finalizers": [FINALIZER],
        "labels": theirs["metadata"]["labels"], "uid": theirs["metadata"]["uid"] },
        "spec": spec, "status": status })
    };
    let fingerprint = status["fingerprint"].clone();
    let absent = |name: &str| {
        arena.pair(
            "x",
            &[
                ("/keyPairName", json!(name)),
                ("/ensure", json!("Absent")),
                ("/expectedFingerprint", fingerprint.clone()),
            ],
        )
    };
    let foreign = arena.foreign("fleet");
    for (row, spec, reason) in [
        ("as it is", theirs["spec"].clone(), "AccountNotFound"),
        ("with its own account", absent(&foreign), "AccountNotAllowed"),
        ("with a name of its own", absent(&arena.own("none")), "Absent"),
    ] {
        let created = attacker.create_raw::<LightsailKeyPair>(&copy(spec)).await.unwrap();
        assert!(created["status"]["arn"].is_null(), "{row}: {created}");
        arena.wait::<LightsailKeyPair>("copy", reason).await;
        arena.check(row).await;
        arena.clean_up::<LightsailKeyPair>("copy").await;
        arena.check(row).await;
    }
    arena.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn is_not_what_tags_and_fingerprints_say() {
    let arena = Arena::new("attack-tags", &[]).await;
    let tagged = |key: &str| arena.pair("x", &[("/tags", json!({ key: "test/team-b/fleet" }))]);
    let on = |name: &str, changes: &[(&str, Value)]| arena.pair(name, changes);
    let take_over = ("/adoptionPolicy", json!("TakeOver"));
    let fingerprint = arena.teams.region(SHARED).find_key_pair("everyones").unwrap().fingerprint;
    let absent = [("/ensure", json!("Absent")), ("/expectedFingerprint", json!(fingerprint))];
    let both = [&absent[..], std::slice::from_ref(&take_over)].concat();
    try_all::<LightsailKeyPair>(
        &arena,
        vec![
            refused("the owner tag", tagged(OWNER), PREFIX),
            refused("the owner tag in upper case", tagged("LIGHTSAIL-OPERATOR.DEV/OWNER"), PREFIX),
            refused(
                "the owner tag in another case",
                tagged("Lightsail-operator.dev/owner"),
                PREFIX,
            ),
            refused("another tag of the operator's", tagged("lightsail-operator.dev/x"), PREFIX),
            refused("a tag of AWS's", tagged("AWS:cloudformation:stack"), PREFIX),
            shows(
                "a tag that resembles the owner tag",
                tagged("light\u{17f}ail-operator.dev/owner"),
                "Imported",
            ),
            shows("a pair with another cluster's tag", on("blue", &[]), "NameConflict"),
            shows("the end of that", on("blue", &absent), "NameConflict"),
            shows(
                "its take-over",
                on("blue", std::slice::from_ref(&take_over)),
                "AccountNotAllowed",
            ),
            shows("its take-over and end", on("blue", &both), "AccountNotAllowed"),
            shows("a pair with the tag in another spelling", on("twice", &[]), "NameConflict"),
            shows("the end of that", on("twice", &absent), "NameConflict"),
            shows(
                "the end of a pair that nobody has tagged",
                on("legacy", &absent),
                "AccountNotAllowed",
            ),
            shows(
                "the end of a pair by its name alone",
                on("legacy", &absent[..1]),
                "FingerprintMismatch",
            ),
        ],
    )
    .await;
    arena.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn is_decided_by_more_than_names_where_names_overlap() {
    let changes = [
        ("/allowed/keyPairNames", json!(["*"])),
        ("/allowed/takeOver", json!("OtherClusters")),
        ("/allowed/takeOverFrom", json!(["green", "test"])),
    ];
    let mut arena = Arena::new("attack-overlap", &changes).await;
    arena.reach = Reach::Reads;
    let theirs = arena.teams.region(SHARED).find_key_pair(&arena.foreign("fleet")).unwrap();
    let made = arena.teams.region(SHARED).find_key_pair(&arena.foreign("made")).unwrap();
    let key = ("/imported/publicKey", json!(theirs.public_key));
    let on = |name: &str, changes: &[(&str, Value)]| {
        let changes = [&[("/keyPairName", json!(name))], changes].concat();
        arena.pair("x", &changes)
    };
    let absent = |fingerprint: &str| {
        [("/ensure", json!("Absent")), ("/expectedFingerprint", json!(fingerprint))]
    };
    let take_over = ("/adoptionPolicy", json!("TakeOver"));
    let with =
        |changes: &[(&'static str, Value)]| [changes, std::slice::from_ref(&take_over)].concat();
    let recreate = [("/imported/replacePolicy", json!("Recreate"))];
    let generated = [
        ("/type", json!("Generated")),
        ("/imported", Value::Null),
        ("/generated", json!({ "replacePolicy": "Recreate" })),
    ];
    let (fleet, other) = (theirs.name.as_str(), made.name.as_str());
    try_all::<LightsailKeyPair>(
        &arena,
        vec![
            shows("a neighbor's pair", on(fleet, &[]), "NameConflict"),
            shows("with its key", on(fleet, std::slice::from_ref(&key)), "NameConflict"),
            shows(
                "with its key, by take-over",
                on(fleet, &with(std::slice::from_ref(&key))),
                "NameConflict",
            ),
            shows(
                "its end by its fingerprint",
                on(fleet, &absent(&theirs.fingerprint)),
                "NameConflict",
            ),
            shows(
                "and by take-over",
                on(fleet, &with(&absent(&theirs.fingerprint))),
                "NameConflict",
            ),
            shows("in another key's place", on(fleet, &recreate), "NameConflict"),
            shows("one that the operator generated", on(other, &generated), "NameConflict"),
            shows("the end of that", on(other, &with(&absent(&made.fingerprint))), "NameConflict"),
            shows(
                "one that a cluster has which is not listed",
                on(&arena.own("blue"), std::slice::from_ref(&take_over)),
                "NameConflict",
            ),
            shows(
                "the default pair by the object's name",
                on("", &[("/keyPairName", Value::Null)]),
                "AccountNotAllowed",
            )
            .with(json!({ "name": "lightsaildefaultkeypair" })),
        ],
    )
    .await;
    // An object that was made first comes first only where nobody has the pair.
    let spec = on(fleet, &[("/suspend", json!(true))]);
    arena.attacker.create::<LightsailKeyPair>("quiet", &spec).await.unwrap();
    arena.wait::<LightsailKeyPair>("quiet", "NameConflict").await;
    arena.check("a neighbor's pair, suspended").await;
    arena.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn is_not_a_matter_of_speed() {
    let arena = Arena::new("attack-races", &[]).await;
    let attacker = &arena.attacker;
    let own = arena.own("race");
    let delete = ("/deletionPolicy", json!("Delete"));
    let again = arena.pair("race", std::slice::from_ref(&delete));
    let other = [("/imported/publicKey", json!(crate::bed::public_key("ed25519"))), delete];
    let other = arena.pair("race", &other);
    let strip = json!({ "metadata": { "finalizers": null } });
    // Made, released in one of four ways, and made again immediately.
    for number in 0..40 {
        let spec = if number % 3 == 0 { &other } else { &again };
        let _ = attacker.create::<LightsailKeyPair>("race", spec).await;
        let _ = attacker.create::<LightsailKeyPair>(&format!("rival-{number}"), spec).await;
        if number % 2 == 0 {
            let _ = attacker.patch::<LightsailKeyPair>("race", &strip).await;
        }
        if number % 5 != 0 {
            let _ = attacker.delete::<LightsailKeyPair>("race").await;
        }
        if number % 4 == 0 {
            let name = format!("rival-{number}");
            let _ = attacker.patch::<LightsailKeyPair>(&name, &strip).await;
            let _ = attacker.delete::<LightsailKeyPair>(&name).await;
        }
    }
    let all = arena.teams.a.api::<LightsailKeyPair>();
    for object in all.list(&ListParams::default()).await.unwrap() {
        arena.clean_up::<LightsailKeyPair>(&object.metadata.name.unwrap()).await;
    }
    arena.check("objects that come and go").await;
    let mut changes = arena.requests_of(&attacker.namespace);
    changes.retain(|request| !request.operation.starts_with("Get"));
    assert!(!changes.is_empty());
    assert!(changes.iter().all(|it| it.resource.as_deref() == Some(&*own)), "{changes:?}");
    // What was deleted without its finalizer is there, with the tag of the tenant's own namespace.
    let tag = format!("test/{}/", attacker.namespace);
    if let Some(pair) = arena.teams.region(SHARED).find_key_pair(&own) {
        let owner = pair.tags.get(OWNER).cloned().flatten();
        assert!(owner.is_none_or(|owner| owner.starts_with(&tag)), "{:?}", pair.tags);
    }
    arena.end().await;
}
