//! The rules that the API server checks: each refuses a bad object with a message that says what to
//! write.

use kube::api::{DeleteParams, Patch, PatchParams};
use lightsail_operator::api::{HostKeyReset, LightsailKeyPair};
use serde_json::{Value, json};

use crate::bed::{Bed, Namespaced, REGION, default_pair, imported, name_of, public_key, reset};

/// What a bad spec looks like, and words that the refusal must have.
pub(crate) type Case = (&'static str, Value, &'static str);

/// A spec with some fields set, or with `null` taken out.
pub(crate) fn with(mut spec: Value, fields: &Value) -> Value {
    merge(&mut spec, fields);
    spec
}

fn merge(into: &mut Value, change: &Value) {
    match (into, change) {
        (Value::Object(into), Value::Object(change)) => {
            for (key, value) in change {
                if value.is_null() {
                    into.remove(key);
                } else {
                    merge(into.entry(key).or_insert(json!({})), value);
                }
            }
        }
        (into, change) => *into = change.clone(),
    }
}

pub(crate) async fn check_refused<K: Namespaced>(bed: &Bed, cases: &[Case]) {
    for (name, spec, expected) in cases {
        let refusal = bed.try_create::<K>("bad", spec).await.map(|_| ()).unwrap_err().to_string();
        assert!(refusal.contains(expected), "{name}: {refusal}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::too_many_lines, reason = "it is a table")]
async fn bad_key_pairs_are_refused() {
    let bed = Bed::new("schema").await;
    let good = imported(&public_key("ed25519"));
    let key = |text: &str| with(good.clone(), &json!({ "imported": { "publicKey": text } }));
    check_refused::<LightsailKeyPair>(
        &bed,
        &[
            ("no type", with(good.clone(), &json!({ "type": null })), "spec.type: Required"),
            ("an unknown type", with(good.clone(), &json!({ "type": "Other" })), "Imported"),
            ("no region", with(good.clone(), &json!({ "region": null })), "spec.region: Required"),
            ("a zone instead of a region",
             with(good.clone(), &json!({ "region": "eu-west-1a" })), "spec.region"),
            ("an empty region", with(good.clone(), &json!({ "region": "" })), "spec.region"),
            ("no source",
             with(good.clone(), &json!({ "imported": { "publicKey": null } })),
                 "exactly one of publicKey and publicKeyFrom"),
        ("two sources",
         with(good.clone(), &json!({ "imported": { "publicKeyFrom": { "secretKeyRef": {
             "name": "a", "key": "b" } } } })), "exactly one of publicKey and publicKeyFrom"),
        ("a source that is two",
         with(good.clone(), &json!({ "imported": { "publicKey": null,
             "publicKeyFrom": { "secretKeyRef": { "name": "a", "key": "b" },
                 "configMapKeyRef": { "name": "a", "key": "b" } } } })),
                     "exactly one of secretKeyRef and configMapKeyRef"),
        ("a source that is none",
         with(good.clone(), &json!({ "imported": { "publicKey": null, "publicKeyFrom": {} } })),
             "exactly one of secretKeyRef and configMapKeyRef"),
        ("a source's name that cannot be",
         with(good.clone(), &json!({ "imported": { "publicKey": null,
             "publicKeyFrom": { "secretKeyRef": { "name": "../x", "key": "b" } } } })),
                 "name must be that of a Secret or ConfigMap"),
        ("a generated section for an imported pair",
         with(good.clone(), &json!({ "generated": {} })),
             "spec.generated is allowed only with type: Generated"),
        ("an unknown algorithm",
         json!({ "type": "Generated", "region": REGION, "generated": { "algorithm": "DSA" } }),
             "RSA4096"),
        ("a tag of AWS's in capitals", with(good.clone(), &json!({ "tags": { "AWS:x": "a" } })),
         "must not start with aws:"),
        ("the owner tag in other letters", with(good.clone(), &json!({ "tags": {
            "Lightsail-Operator.dev/owner": "a/b/c" } })), "must not start with aws:"),
        ("a tag of AWS's", with(good.clone(), &json!({ "tags": { "aws:x": "a" } })), "must not \
            start with aws:"),
        ("the owner tag",
         with(good.clone(), &json!({ "tags": { "lightsail-operator.dev/owner": "a" } })),
             "must not start with aws: or lightsail-operator.dev/"),
        ("a tag with other characters",
         with(good.clone(), &json!({ "tags": { "a!": "b" } })),
             "keys of tags must have 1 to 128 characters"),
        ("a tag's value with other characters",
         with(good.clone(), &json!({ "tags": { "a": "b?" } })),
             "keys of tags must have 1 to 128 characters"),
        ("an empty tag", with(good.clone(), &json!({ "tags": { "": "b" } })),
            "keys of tags must have 1 to 128 characters"),
        ("too many tags",
         with(good.clone(), &json!({ "tags": (0..41).map(|n| (format!("k{n}"),
             "v")).collect::<std::collections::BTreeMap<_, _>>() })), "spec.tags"),
        ("an unknown adoption",
         with(good.clone(), &json!({ "adoptionPolicy": "Always" })), "TakeOver"),
        ("an unknown replacement",
         with(good.clone(), &json!({ "imported": { "replacePolicy": "Always" } })), "Recreate"),
        ("a label that another program reads",
         json!({ "type": "Generated", "region": REGION,
             "generated": { "secret": { "labels": {
                 "argocd.argoproj.io/secret-type": "repository" } } } }),
                     "keys of secret.labels must have no prefix"),
        ("a backup that is neither",
         with(default_pair(), &json!({ "default": { "backup": "Maybe" } })), "Skip"),
(
                "no public key",
                with(good.clone(), &json!({ "imported": null })),
                "type Imported needs spec.imported with a publicKey",
            ),
            ("an empty public key", key(""), "publicKey must be a public key"),
            ("two keys", key("ssh-ed25519 AAAA\nssh-ed25519 AAAA"), "must be a single key"),
            ("options", key("no-pty ssh-ed25519 AAAA"), "without anything in front of it"),
            ("a fingerprint", key("SHA256:AAAA"), "publicKey must be a public key"),
            ("a certificate", key("-----BEGIN CERTIFICATE-----\nA"), "must be a public key"),
            ("a private key", key("-----BEGIN OPENSSH PRIVATE KEY-----\nA"), "a private key"),
            (
                "a private key behind a public one",
                key("ssh-rsa AAAA -----BEGIN RSA PRIVATE KEY----- A"),
                "a private key",
            ),
            (
                "a private key of PGP",
                key("-----BEGIN PGP PRIVATE KEY BLOCK-----\nA"),
                "a private key",
            ),
            (
                "a private key of ssh.com",
                key("---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\nP2/56wAAA"),
                "a private key",
            ),
            ("PuTTY's private key", key("PuTTY-User-Key-File-3: ssh-rsa\nA"), "a private key"),
            ("too long", key(&format!("ssh-rsa {}", "A".repeat(16_384))),
                "spec.imported.publicKey: Too long"),
            (
                "a default section for an imported pair",
                with(good.clone(), &json!({ "default": {} })),
                "spec.default is allowed only with type: Default",
            ),
            (
                "an imported section for a default pair",
                with(default_pair(), &json!({ "imported": { "publicKey": "ssh-rsa A" } })),
                "spec.imported is allowed only with type: Imported",
            ),
            (
                "a name for a default pair",
                with(default_pair(), &json!({ "keyPairName": "mine" })),
                "remove spec.keyPairName",
            ),
            (
                "the default pair's name",
                with(good.clone(), &json!({ "keyPairName": "lightsaildefaultkeypair" })),
                "use type: Default for it",
            ),
            ("a name of one character",
             with(good.clone(), &json!({ "keyPairName": "a" })), "spec.keyPairName"),
            ("a name with a slash",
             with(good.clone(), &json!({ "keyPairName": "a/b" })), "keyPairName may contain only"),
            (
                "a default pair to be deleted, unnamed",
                with(default_pair(), &json!({ "ensure": "Absent" })),
                "needs spec.expectedFingerprint",
            ),
            (
                "a default pair that goes with its object, unnamed",
                with(default_pair(), &json!({ "deletionPolicy": "Delete" })),
                "needs spec.expectedFingerprint",
            ),
            ("an unknown policy",
             with(good.clone(), &json!({ "deletionPolicy": "Keep" })), "Retain"),
            ("an unknown wish", with(good.clone(), &json!({ "ensure": "Gone" })), "Absent"),
            (
                "an empty fingerprint",
                with(good.clone(), &json!({ "expectedFingerprint": "" })),
                "spec.expectedFingerprint",
            ),
            (
                "too short an interval",
                with(good.clone(), &json!({ "interval": "30s" })),
                "interval must be from 1m to 168h",
            ),
            (
                "too long an interval",
                with(good.clone(), &json!({ "interval": "169h" })),
                "interval must be from 1m to 168h",
            ),
            ("an interval without a unit",
             with(good.clone(), &json!({ "interval": "10" })), "interval must be from 1m"),
            ("an interval in words",
             with(good.clone(), &json!({ "interval": "ten minutes" })), "interval must be from 1m"),
            (
                "a Secret's name that cannot be",
                with(default_pair(), &json!({ "default": { "secret": { "name": "No" } } })),
                "name must be a valid name of a Secret",
            ),
            (
                "a Secret's name that leaves no room for copies",
                with(default_pair(),
                    &json!({ "default": { "secret": { "name": "a".repeat(241) } } })),
                "spec.default.secret.name",
            ),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_names_an_entry_that_can_be() {
    let bed = Bed::new("entries").await;
    for kind in ["secretKeyRef", "configMapKeyRef"] {
        let entry = |key: &str| {
            json!({ "type": "Imported", "region": REGION,
                "imported": { "publicKeyFrom": { kind: { "name": "keys", "key": key } } } })
        };
        for key in ["", ".", "..", "..x", "a/b", "a b"] {
            let made = bed.try_create::<LightsailKeyPair>("bad", &entry(key)).await.map(|_| ());
            let refusal = made.unwrap_err().to_string();
            assert!(refusal.contains(&format!("{kind}.key")), "{key}: {refusal}");
            if !key.is_empty() {
                assert!(refusal.contains("key must be the name of an entry"), "{key}: {refusal}");
            }
        }
        for (name, key) in [("hidden", ".x"), ("dots", "a..b"), ("dot", "a.")] {
            bed.create::<LightsailKeyPair>(&format!("{name}-{}", kind.len()), &entry(key)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_immutable_cannot_be_changed_or_set_later() {
    let bed = Bed::new("immutable").await;
    let fleet: LightsailKeyPair = bed.create("fleet", &imported(&public_key("ed25519"))).await;
    bed.create::<HostKeyReset>("once", &reset()).await;
    let api = bed.api::<LightsailKeyPair>();
    for (change, expected) in [
        (json!({ "type": "Default", "imported": null }), "type is immutable"),
        (json!({ "region": "eu-west-2" }), "region is immutable"),
        (json!({ "keyPairName": "fleet" }), "keyPairName is immutable"),
    ] {
        let patch = Patch::Merge(json!({ "spec": change }));
        let refusal = api
            .patch(&name_of(&fleet), &PatchParams::default(), &patch)
            .await
            .unwrap_err()
            .to_string();
        assert!(refusal.contains(expected), "{refusal}");
    }
    let api = bed.api::<HostKeyReset>();
    for (field, value) in [
        ("region", json!("eu-west-2")),
        ("instanceName", json!("web-2")),
        ("reason", json!("another")),
        ("activeDeadlineSeconds", json!(30)),
        // Setting what was not set is a change.
        ("notAfter", json!("2026-12-01T00:00:00Z")),
        ("preconditions", json!({ "instanceARN": instance_arn("1") })),
    ] {
        let patch = Patch::Merge(json!({ "spec": { field: value } }));
        let refusal =
            api.patch("once", &PatchParams::default(), &patch).await.unwrap_err().to_string();
        assert!(
            refusal.contains(field) && refusal.contains("create a new HostKeyReset"),
            "{field}: {refusal}"
        );
    }
    let set = json!({ "notAfter": "2026-12-01T00:00:00Z",
        "preconditions": { "instanceARN": instance_arn("1") } });
    bed.create::<HostKeyReset>("set", &with(reset(), &set)).await;
    for (field, value) in [
        ("notAfter", json!("2026-12-02T00:00:00Z")),
        ("notAfter", Value::Null),
        ("preconditions", json!({ "instanceARN": instance_arn("2") })),
        ("preconditions", Value::Null),
    ] {
        let patch = Patch::Merge(json!({ "spec": { field: value } }));
        let refusal =
            api.patch("set", &PatchParams::default(), &patch).await.unwrap_err().to_string();
        assert!(
            refusal.contains(field) && refusal.contains("create a new HostKeyReset"),
            "{field}: {refusal}"
        );
    }
    let patch = Patch::Merge(json!({ "spec": { "suspend": true, "ttlSecondsAfterFinished": 60 } }));
    api.patch("set", &PatchParams::default(), &patch).await.unwrap();
}

pub(crate) fn instance_arn(id: &str) -> String {
    format!("arn:aws:lightsail:{REGION}:123456789012:Instance/{id}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn good_objects_are_accepted() {
    let bed = Bed::new("good").await;
    let key = public_key("ed25519");
    let pairs = [
        imported(&key),
        imported(key.trim()),
        imported(&key.replace('\n', "\r\n")),
        imported(&format!("{} my PRIVATE KEY", key.trim())),
        imported("ecdsa-sha2-nistp256 AAAA"),
        with(
            imported(&key),
            &json!({ "keyPairName": "Fleet.of_web-1", "interval": "1h30m", "ensure": "Present" }),
        ),
        with(
            imported(&key),
            &json!({ "ensure": "Absent", "imported": null, "expectedFingerprint": "a" }),
        ),
        with(imported(&key), &json!({ "region": "us-gov-west-1", "deletionPolicy": "Retain" })),
        json!({ "type": "Default", "region": REGION }),
        json!({ "type": "Generated", "region": REGION }),
        with(
            imported(&key),
            &json!({ "tags": { "Kosten Stelle": "ä + 1", "a/b:c@d=e": "" },
                "adoptionPolicy": "TakeOver", "suspend": true }),
        ),
        json!({ "type": "Imported", "region": REGION,
            "imported": { "publicKeyFrom": { "configMapKeyRef": { "name": "keys",
                "key": "fleet.pub" } } } }),
        json!({ "type": "Generated", "region": REGION, "generated": { "algorithm": "RSA4096",
            "replacePolicy": "Recreate", "secret": { "name": "x", "labels": { "team": "a" },
                "deleteWithObject": true } } }),
        with(
            default_pair(),
            &json!({ "ensure": "Absent", "expectedFingerprint": "a", "deletionPolicy": "Delete" }),
        ),
    ];
    for spec in &pairs {
        let created = bed.try_create::<LightsailKeyPair>("good", spec).await;
        assert!(created.is_ok(), "{spec}: {created:?}");
        bed.api::<LightsailKeyPair>().delete("good", &DeleteParams::default()).await.unwrap();
        bed.wait_gone::<LightsailKeyPair>("good").await;
    }
    for spec in [
        json!({ "activeDeadlineSeconds": 30, "reason": "Schlüssel erneuert, CHG-1 (見た)" }),
        json!({ "notAfter": "2026-12-01T00:00:00Z",
            "preconditions": { "instanceARN": instance_arn("05859e3d-331d") } }),
        json!({ "notAfter": "2026-12-01T00:00:00.123456789+05:30", "suspend": true,
            "ttlSecondsAfterFinished": 0 }),
        // The API server cannot know what time it is; the operator does.
        json!({ "notAfter": "2000-02-29T23:59:59-14:00", "ttlSecondsAfterFinished": i32::MAX }),
    ] {
        // That it can be read is part of it: one object that cannot be would hide all from the
        // operator.
        bed.create::<HostKeyReset>("good", &with(reset(), &spec)).await;
        bed.delete::<HostKeyReset>("good").await;
        bed.wait_gone::<HostKeyReset>("good").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_of_key_pairs_have_a_length() {
    let bed = Bed::new("names").await;
    let _operator = bed.start().await;
    let good = imported(&public_key("ed25519"));
    let named = with(good.clone(), &json!({ "keyPairName": "fleet" }));
    let absent = with(good.clone(), &json!({ "ensure": "Absent" }));
    let (longest, too_long) = ("a".repeat(100), "a".repeat(101));
    for (name, spec, expected) in [
        ("x", &good, "at least 2 characters"),
        ("x", &absent, "at least 2 characters"),
        (too_long.as_str(), &good, "at most 100 characters"),
        (too_long.as_str(), &named, "at most 100 characters"),
    ] {
        let refusal = bed.try_create::<LightsailKeyPair>(name, spec).await.map(|_| ());
        let refusal = refusal.unwrap_err().to_string();
        assert!(refusal.contains(expected), "{name}: {refusal}");
    }
    for (name, spec) in [("x", &named), ("xy", &good), (longest.as_str(), &good)] {
        bed.create::<LightsailKeyPair>(name, spec).await;
        bed.wait_ready::<LightsailKeyPair>(name, "Imported").await;
        bed.delete::<LightsailKeyPair>(name).await;
        bed.wait_gone::<LightsailKeyPair>(name).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_api_server_cannot_check_is_refused_before_any_call() {
    let bed = Bed::new("invalid").await;
    let _operator = bed.start().await;
    let key = public_key("ed25519");
    let mangled = key.replacen("AAAA", "AAAB", 1);
    for (name, spec, reason) in [
        ("mangled", imported(&mangled), "InvalidPublicKey"),
        ("token", imported("ssh-rsa"), "InvalidPublicKey"),
        ("certificate", imported("ssh-ed25519-cert-v01@openssh.com AAAA"), "InvalidPublicKey"),
        ("lightsaildefaultkeypair", imported(&key), "InvalidName"),
    ] {
        bed.create::<LightsailKeyPair>(name, &spec).await;
        let (_, message) = bed.wait_stalled::<LightsailKeyPair>(name, reason).await;
        assert!(!message.contains("AAAB"), "{message}");
        bed.delete::<LightsailKeyPair>(name).await;
        bed.wait_gone::<LightsailKeyPair>(name).await;
    }
    assert_eq!(bed.changes(), 0);
}
