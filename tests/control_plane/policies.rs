//! Adoption, replacement, tags, suspension, and keys that stand elsewhere.

use lightsail_operator::api::{LightsailKeyPair, OWNER_TAG};
use serde_json::{Value, json};
use testbed::operator::Operator;
use testbed::simulator::{Fault, FaultEffect, FaultHandle, KeyPair, NewInstance, Platform};

use crate::bed::{Bed, REGION, default_pair, imported, key_pair_files, public_key, ready_reason};

fn with(mut spec: Value, field: &str, value: Value) -> Value {
    spec[field] = value;
    spec
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn adoption_follows_its_policy() {
    let bed = Bed::new("adoption").await;
    let key = public_key("ed25519");
    let theirs = "other-cluster/team-z/fleet";
    for name in ["never", "tagged", "taken"] {
        bed.region.import_key_pair(name, key.trim());
    }
    for name in ["tagged", "taken"] {
        bed.region.set_tags(name, &[(OWNER_TAG, Some(theirs))]);
    }
    let _operator = bed.start().await;
    bed.create::<LightsailKeyPair>(
        "never",
        &with(imported(&key), "adoptionPolicy", json!("Never")),
    )
    .await;
    bed.create::<LightsailKeyPair>("tagged", &imported(&key)).await;
    bed.create::<LightsailKeyPair>(
        "taken",
        &with(imported(&key), "adoptionPolicy", json!("TakeOver")),
    )
    .await;
    bed.wait_stalled::<LightsailKeyPair>("never", "NameConflict").await;
    bed.wait_stalled::<LightsailKeyPair>("tagged", "NameConflict").await;
    bed.wait_ready::<LightsailKeyPair>("taken", "Adopted").await;
    let owner =
        |name: &str| bed.region.find_key_pair(name).unwrap().tags.get(OWNER_TAG).cloned().flatten();
    assert_eq!(owner("never"), None);
    assert_eq!(owner("tagged").as_deref(), Some(theirs));
    assert_eq!(owner("taken"), Some(format!("test/{}/taken", bed.namespace)));
    // No tug of war: who loses the tag afterwards says so.
    bed.region.set_tags("taken", &[(OWNER_TAG, Some(theirs))]);
    let ask = json!({ "metadata": { "annotations": { "lightsail-operator.dev/reconcile": "1" } } });
    bed.patch::<LightsailKeyPair>("taken", &ask).await;
    bed.wait_stalled::<LightsailKeyPair>("taken", "OwnershipLost").await;
    assert_eq!(owner("taken").as_deref(), Some(theirs));
}

/// A backup keeps the spec and leaves the status out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_restored_without_its_status_finds_its_pair_again() {
    let bed = Bed::new("restored").await;
    let key = public_key("ed25519");
    let operator = bed.start().await;
    bed.create::<LightsailKeyPair>("fleet", &imported(&key)).await;
    bed.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
    drop(operator);
    let there = bed.region.find_key_pair("fleet");
    // The object is lost with its cluster: no operator sees that.
    bed.patch::<LightsailKeyPair>("fleet", &json!({ "metadata": { "finalizers": null } })).await;
    bed.delete::<LightsailKeyPair>("fleet").await;
    bed.wait_gone::<LightsailKeyPair>("fleet").await;
    bed.create::<LightsailKeyPair>("fleet", &imported(&key)).await;
    let _operator = bed.start().await;
    // Only the status knew that the object had imported it.
    let object: LightsailKeyPair = bed.wait_ready("fleet", "Adopted").await;
    assert_eq!(bed.region.find_key_pair("fleet"), there);
    assert_eq!(object.status.unwrap().arn, there.map(|pair| pair.arn));
    assert_eq!(bed.calls("ImportKeyPair") + bed.calls("TagResource"), 2, "of before");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recreate_replaces_an_imported_pair_and_never_an_adopted_one() {
    let bed = Bed::new("recreate").await;
    let keys = [public_key("ed25519"), public_key("ed25519")];
    bed.region.import_key_pair("adopted", keys[0].trim());
    let _operator = bed.start().await;
    let spec = |key: &str| {
        json!({ "type": "Imported", "region": REGION,
        "imported": { "publicKey": key, "replacePolicy": "Recreate" } })
    };
    for (name, reason) in [("adopted", "Adopted"), ("own", "Imported")] {
        bed.create::<LightsailKeyPair>(name, &spec(&keys[0])).await;
        bed.wait_ready::<LightsailKeyPair>(name, reason).await;
        bed.patch::<LightsailKeyPair>(
            name,
            &json!({ "spec": { "imported": { "publicKey": keys[1] } } }),
        )
        .await;
    }
    bed.wait_stalled::<LightsailKeyPair>("adopted", "PublicKeyChanged").await;
    bed.wait_ready::<LightsailKeyPair>("own", "Imported").await;
    let public = |name: &str| bed.region.find_key_pair(name).unwrap().public_key;
    assert_eq!(
        (public("adopted"), public("own")),
        (keys[0].trim().to_owned(), keys[1].trim().to_owned())
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tags_are_set_changed_and_taken_off_and_others_left_alone() {
    let bed = Bed::new("tags").await;
    let _operator = bed.start().await;
    let spec = with(
        imported(&public_key("ed25519")),
        "tags",
        json!({ "team": "a", "cost center": "1 + 1" }),
    );
    bed.create::<LightsailKeyPair>("fleet", &spec).await;
    let object: LightsailKeyPair = bed.wait_ready("fleet", "Imported").await;
    assert_eq!(object.status.unwrap().managed_tag_keys, ["cost center", "team"]);
    assert_eq!(bed.calls("TagResource"), 1, "with the owner tag in one call");
    let tags = |bed: &Bed| bed.region.find_key_pair("fleet").unwrap().tags;
    let owner = tags(&bed)[OWNER_TAG].clone().unwrap();
    bed.region.set_tags(
        "fleet",
        &[
            (OWNER_TAG, Some(&owner)),
            ("team", Some("a")),
            ("cost center", Some("1 + 1")),
            ("theirs", None),
        ],
    );
    bed.patch::<LightsailKeyPair>(
        "fleet",
        &json!({ "spec": { "tags": { "team": "b", "cost center": null } } }),
    )
    .await;
    let is_done = |object: &LightsailKeyPair| {
        let status = object.status.as_ref().unwrap();
        ready_reason(object) == "Imported" && status.managed_tag_keys == ["team"]
    };
    bed.wait("fleet", "other tags", is_done).await;
    let now: Vec<_> = tags(&bed).into_iter().filter(|(key, _)| key != OWNER_TAG).collect();
    assert_eq!(now, [("team".to_owned(), Some("b".to_owned())), ("theirs".to_owned(), None)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspended_object_changes_nothing_and_says_what_it_would_do() {
    let bed = Bed::new("suspended").await;
    let _operator = bed.start().await;
    bed.create::<LightsailKeyPair>(
        "fleet",
        &with(imported(&public_key("ed25519")), "suspend", json!(true)),
    )
    .await;
    let is_suspended = |object: &LightsailKeyPair| ready_reason(object) == "Suspended";
    let object = bed.wait("fleet", "Suspended", is_suspended).await;
    let status = serde_json::to_value(object.status.unwrap()).unwrap();
    assert_eq!(status["plannedStep"], "Import");
    assert_eq!(
        status["conditions"].as_array().unwrap().len(),
        1,
        "neither Reconciling nor Stalled"
    );
    assert_eq!(bed.calls("ImportKeyPair"), 0);
    bed.patch::<LightsailKeyPair>("fleet", &json!({ "spec": { "suspend": false } })).await;
    bed.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
    bed.patch::<LightsailKeyPair>("fleet", &json!({ "spec": { "suspend": true } })).await;
    let object: LightsailKeyPair = bed.wait_ready("fleet", "Imported").await;
    assert_eq!(object.status.unwrap().planned_step.as_deref(), Some("None"));
    // Deleting it lets the pair stay.
    bed.delete::<LightsailKeyPair>("fleet").await;
    bed.wait_gone::<LightsailKeyPair>("fleet").await;
    assert!(bed.region.find_key_pair("fleet").is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn public_keys_stand_in_secrets_and_config_maps() {
    let bed = Bed::new("sources").await;
    let _operator = bed.start().await;
    let (private, public) = key_pair_files("ed25519");
    bed.note_private_key("source.pem", &private);
    let from = |kind: &str, name: &str, key: &str| {
        let reference = json!({ kind: { "name": name, "key": key } });
        json!({ "type": "Imported", "region": REGION, "imported": { "publicKeyFrom": reference } })
    };
    bed.create::<LightsailKeyPair>("map", &from("configMapKeyRef", "keys", "fleet.pub")).await;
    bed.create::<LightsailKeyPair>("secret", &from("secretKeyRef", "keys", "ssh-publickey")).await;
    bed.create::<LightsailKeyPair>("wrong", &from("secretKeyRef", "keys", "ssh-privatekey")).await;
    for name in ["map", "secret", "wrong"] {
        bed.wait(name, "waiting", |object: &LightsailKeyPair| {
            ready_reason(object) == "SourceNotFound"
        })
        .await;
    }
    assert_eq!(bed.changes(), 0);
    let sources = json!({ "apiVersion": "v1", "kind": "List", "items": [
        { "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "keys",
            "namespace": bed.namespace }, "data": { "fleet.pub": public } },
        { "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "keys",
            "namespace": bed.namespace },
          "stringData": { "ssh-publickey": public, "ssh-privatekey": private } },
    ] });
    bed.cluster
        .kubectl_with_input(&["apply", "-f", "-"], &sources.to_string())
        .await
        .unwrap()
        .or_error()
        .unwrap();
    for name in ["map", "secret"] {
        bed.wait_ready::<LightsailKeyPair>(name, "Imported").await;
        assert_eq!(bed.region.find_key_pair(name).unwrap().public_key, public.trim());
    }
    let (_, message) = bed.wait_stalled::<LightsailKeyPair>("wrong", "InvalidPublicKey").await;
    assert!(message.contains("private key"), "{message}");
    // The pair is known without its source.
    bed.cluster
        .kubectl(&["-n", &bed.namespace, "delete", "configmap/keys"])
        .await
        .unwrap()
        .or_error()
        .unwrap();
    bed.delete::<LightsailKeyPair>("map").await;
    bed.wait_gone::<LightsailKeyPair>("map").await;
    assert_eq!(bed.region.find_key_pair("map"), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn windows_instances_keep_the_default_pair_until_their_passwords_are_saved() {
    let bed = Bed::new("windows").await;
    let there = bed.region.create_default_key_pair();
    bed.region.launch(NewInstance {
        platform: Platform::Windows,
        name: "desk".to_owned(),
        ..NewInstance::default()
    });
    let _operator = bed.start().await;
    let spec = with(default_pair(), "expectedFingerprint", json!(there.fingerprint));
    bed.create::<LightsailKeyPair>("default", &with(spec, "ensure", json!("Absent"))).await;
    let (_, message) =
        bed.wait_stalled::<LightsailKeyPair>("default", "WindowsInstancesUseKey").await;
    assert!(message.contains("desk"), "{message}");
    assert_eq!(bed.calls("DeleteKeyPair"), 0);
    bed.patch::<LightsailKeyPair>(
        "default",
        &json!({ "spec": { "default": { "windowsPasswordsSaved": true } } }),
    )
    .await;
    bed.wait_ready::<LightsailKeyPair>("default", "Absent").await;
    assert!(bed.secrets().get_opt("kept").await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_default_pair_goes_without_a_backup_only_if_that_is_wanted() {
    let bed = Bed::new("skip").await;
    let there = bed.region.create_default_key_pair();
    let _operator = bed.start().await;
    let spec = json!({
        "type": "Default", "region": REGION, "ensure": "Absent",
            "expectedFingerprint": there.fingerprint,
        "default": { "backup": "Skip" },
    });
    bed.create::<LightsailKeyPair>("default", &spec).await;
    bed.wait_ready::<LightsailKeyPair>("default", "Absent").await;
    assert_eq!(bed.calls("DownloadDefaultKeyPair"), 0);
    assert_eq!(bed.secrets().get_opt("default").await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i3_a_namespace_that_goes_away_does_not_take_the_default_pair_with_it() {
    let bed = Bed::new("terminating").await;
    let there = bed.region.create_default_key_pair();
    let _operator = bed.start().await;
    let spec = with(default_pair(), "expectedFingerprint", json!(there.fingerprint));
    bed.create::<LightsailKeyPair>("default", &with(spec, "deletionPolicy", json!("Delete"))).await;
    bed.wait_ready::<LightsailKeyPair>("default", "Downloaded").await;
    bed.cluster
        .kubectl(&["delete", "namespace", &bed.namespace, "--wait=false"])
        .await
        .unwrap()
        .or_error()
        .unwrap();
    bed.wait_gone::<LightsailKeyPair>("default").await;
    assert_eq!(bed.region.find_default_key_pair(), Some(there));
    assert_eq!(bed.calls("DeleteKeyPair"), 0);
}

/// An operator that would delete the default pair, and waits for the list of instances.
async fn about_to_delete_the_default_pair(bed: &Bed) -> (Operator, KeyPair, FaultHandle) {
    let there = bed.region.create_default_key_pair();
    let held = bed.region.add_fault(Fault::new("GetInstances", FaultEffect::HoldBefore).times(1));
    let operator = Operator::start(bed.patient(None).await).await.unwrap();
    let spec = with(default_pair(), "expectedFingerprint", json!(there.fingerprint));
    bed.create::<LightsailKeyPair>("default", &with(spec, "ensure", json!("Absent"))).await;
    held.reached().await;
    (operator, there, held)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i3_nor_if_it_goes_while_windows_instances_are_looked_for() {
    let bed = Bed::new("terminating-later").await;
    let (_operator, there, held) = about_to_delete_the_default_pair(&bed).await;
    let delete = ["delete", "namespace", &bed.namespace, "--wait=false"];
    bed.cluster.kubectl(&delete).await.unwrap().or_error().unwrap();
    held.release();
    bed.wait_gone::<LightsailKeyPair>("default").await;
    assert_eq!(bed.region.find_default_key_pair(), Some(there));
    assert_eq!(bed.calls("DeleteKeyPair"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_deleted_that_an_edit_keeps_while_windows_instances_are_looked_for() {
    let bed = Bed::new("edited-later").await;
    let (_operator, there, held) = about_to_delete_the_default_pair(&bed).await;
    bed.patch::<LightsailKeyPair>("default", &json!({ "spec": { "suspend": true } })).await;
    // The watch tells of the edit before it tells of another object.
    bed.create::<LightsailKeyPair>("fleet", &imported(&public_key("ed25519"))).await;
    bed.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
    held.release();
    bed.wait::<LightsailKeyPair>("default", "suspended", |it| ready_reason(it) == "Suspended")
        .await;
    assert_eq!(bed.region.find_default_key_pair(), Some(there));
    assert_eq!(bed.calls("DeleteKeyPair"), 0);
}
