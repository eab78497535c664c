//! The region's default key pair, and the Secret that keeps its private key.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::{DeleteParams, ListParams, PostParams};
use lightsail_operator::api::LightsailKeyPair;
use serde_json::{Value, json};

use crate::bed::{Bed, default_pair, is_verified, key_pair_files, public_half, ready_reason};

async fn secret_data(bed: &Bed, name: &str, key: &str) -> String {
    let secret = bed.secrets().get(name).await.unwrap();
    String::from_utf8(secret.data.unwrap()[key].0.clone()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_default_pair_is_downloaded_kept_and_deleted_by_its_fingerprint() {
    let bed = Bed::new("default").await;
    let there = bed.region.create_default_key_pair();
    let _operator = bed.start().await;
    bed.create::<LightsailKeyPair>("default", &default_pair()).await;
    let object: LightsailKeyPair = bed.wait_ready("default", "Downloaded").await;
    assert_eq!(is_verified(&object), Some("True"));
    assert_eq!(object.status.as_ref().unwrap().secret_name.as_deref(), Some("kept"));
    let secret = bed.secrets().get("kept").await.unwrap();
    assert_eq!(secret.type_.as_deref(), Some("kubernetes.io/ssh-auth"));
    assert_eq!(secret.metadata.owner_references, None, "the key outlives the object");
    let public = secret_data(&bed, "kept", "ssh-publickey").await;
    assert_eq!(
        public.split(' ').nth(1).map(str::trim),
        there.public_key.split(' ').nth(1).map(str::trim)
    );
    let private = secret_data(&bed, "kept", "ssh-privatekey").await;
    assert_eq!(public_half(&private), there.public_key.trim(), "as ssh-keygen reads it");
    assert!(private.ends_with("-----\n"));

    // I2: another fingerprint deletes nothing.
    let wrong = "00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff";
    let absent = |fingerprint: &str| {
        json!({ "spec": { "ensure": "Absent",
        "expectedFingerprint": fingerprint } })
    };
    bed.patch::<LightsailKeyPair>("default", &absent(wrong)).await;
    bed.wait_stalled::<LightsailKeyPair>("default", "FingerprintMismatch").await;
    assert_eq!(bed.calls("DeleteKeyPair"), 0);
    assert_eq!(bed.region.find_default_key_pair(), Some(there.clone()));

    bed.patch::<LightsailKeyPair>("default", &absent(&there.fingerprint)).await;
    bed.wait_ready::<LightsailKeyPair>("default", "Absent").await;
    assert_eq!(bed.region.find_default_key_pair(), None);
    // I5: it stays away, and nothing is downloaded.
    let downloads = bed.calls("DownloadDefaultKeyPair");
    bed.patch::<LightsailKeyPair>("default", &json!({ "spec": { "ensure": "Present" } })).await;
    bed.wait_stalled::<LightsailKeyPair>("default", "DefaultKeyPairMissing").await;
    bed.delete::<LightsailKeyPair>("default").await;
    bed.wait_gone::<LightsailKeyPair>("default").await;
    assert_eq!(bed.region.find_default_key_pair(), None);
    assert_eq!((downloads, bed.calls("DownloadDefaultKeyPair")), (1, 1));
    assert_eq!(
        secret_data(&bed, "kept", "ssh-privatekey").await,
        private,
        "the Secret outlives all of that"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_default_pair_is_created_only_where_that_is_asked_for() {
    let bed = Bed::new("create").await;
    let _operator = bed.start().await;
    bed.create::<LightsailKeyPair>("default", &default_pair()).await;
    bed.wait_stalled::<LightsailKeyPair>("default", "DefaultKeyPairMissing").await;
    assert_eq!(bed.region.find_default_key_pair(), None);
    bed.patch::<LightsailKeyPair>(
        "default",
        &json!({ "spec": { "default": { "createIfMissing": true } } }),
    )
    .await;
    bed.wait_ready::<LightsailKeyPair>("default", "Downloaded").await;
    assert!(bed.region.find_default_key_pair().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i3_a_default_pair_that_was_replaced_outside_leaves_its_old_key_aside() {
    let bed = Bed::new("rotated").await;
    bed.region.create_default_key_pair();
    let _operator = bed.start().await;
    bed.create::<LightsailKeyPair>("default", &default_pair()).await;
    let first: LightsailKeyPair = bed.wait_ready("default", "Downloaded").await;
    let old = secret_data(&bed, "kept", "ssh-privatekey").await;
    bed.region.delete_key_pair("LightsailDefaultKeyPair");
    let replaced = bed.region.create_default_key_pair();
    let change =
        json!({ "metadata": { "annotations": { "lightsail-operator.dev/reconcile": "1" } } });
    bed.patch::<LightsailKeyPair>("default", &change).await;
    let fingerprint = replaced.fingerprint.clone();
    let is_new = move |object: &LightsailKeyPair| {
        ready_reason(object) == "Downloaded"
            && object.status.as_ref().unwrap().fingerprint.as_ref() == Some(&fingerprint)
    };
    bed.wait("default", "the new pair", is_new).await;
    assert_eq!(
        public_half(&secret_data(&bed, "kept", "ssh-privatekey").await),
        replaced.public_key.trim()
    );
    assert_eq!(secret_data(&bed, &name_of_copy(&first), "ssh-privatekey").await, old);
}

/// The Secret to which the old key of an object is copied: `SHA256:` and base64 of the digest, of
/// which the name has the first four bytes in hexadecimal digits.
fn name_of_copy(object: &LightsailKeyPair) -> String {
    let sha256 = object.status.as_ref().unwrap().public_key_sha256.clone().unwrap();
    let digest = STANDARD.decode(format!("{}=", sha256.strip_prefix("SHA256:").unwrap())).unwrap();
    format!("kept-{:02x}{:02x}{:02x}{:02x}", digest[0], digest[1], digest[2], digest[3])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i3_a_secret_in_the_way_of_the_old_keys_copy_is_reported_and_nothing_is_replaced() {
    let bed = Bed::new("in-the-way").await;
    bed.region.create_default_key_pair();
    let _operator = bed.start().await;
    bed.create::<LightsailKeyPair>("default", &default_pair()).await;
    let first: LightsailKeyPair = bed.wait_ready("default", "Downloaded").await;
    let old = secret_data(&bed, "kept", "ssh-privatekey").await;
    let copy = name_of_copy(&first);
    let somebodys = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": copy },
        "stringData": { "something": "else" },
    });
    let secrets: Api<Secret> = Api::namespaced(bed.cluster.client(), &bed.namespace);
    let somebodys = serde_json::from_value(somebodys).unwrap();
    secrets.create(&PostParams::default(), &somebodys).await.unwrap();
    bed.region.delete_key_pair("LightsailDefaultKeyPair");
    let replaced = bed.region.create_default_key_pair();
    let ask = |value: &str| {
        let annotations = json!({ "lightsail-operator.dev/reconcile": value });
        json!({ "metadata": { "annotations": annotations } })
    };
    bed.patch::<LightsailKeyPair>("default", &ask("1")).await;
    let (_, message) = bed.wait_stalled::<LightsailKeyPair>("default", "SecretNotOwned").await;
    assert!(message.contains(&copy), "{message}");
    assert_eq!(secret_data(&bed, "kept", "ssh-privatekey").await, old);
    assert_eq!(bed.calls("DownloadDefaultKeyPair"), 2, "it does not go on and on");
    // The way out that the message names.
    secrets.delete(&copy, &DeleteParams::default()).await.unwrap();
    bed.patch::<LightsailKeyPair>("default", &ask("2")).await;
    let fingerprint = replaced.fingerprint.clone();
    let is_new = move |object: &LightsailKeyPair| {
        ready_reason(object) == "Downloaded"
            && object.status.as_ref().unwrap().fingerprint.as_ref() == Some(&fingerprint)
    };
    bed.wait("default", "the new pair", is_new).await;
    assert_eq!(secret_data(&bed, &copy, "ssh-privatekey").await, old);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_that_is_not_ours_is_left_alone_and_said() {
    let bed = Bed::new("foreign").await;
    bed.region.create_default_key_pair();
    let (private, _) = key_pair_files("ed25519");
    bed.note_private_key("foreign.pem", &private);
    let foreign: Value = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "kept" },
            "type": "kubernetes.io/ssh-auth",
        "stringData": { "ssh-privatekey": private },
    });
    let created = bed
        .secrets()
        .create(&kube::api::PostParams::default(), &serde_json::from_value(foreign).unwrap())
        .await;
    let version = created.unwrap().metadata.resource_version;
    let _operator = bed.start().await;
    bed.create::<LightsailKeyPair>("default", &default_pair()).await;
    let (_, message) = bed.wait_stalled::<LightsailKeyPair>("default", "SecretNotOwned").await;
    assert!(message.contains("kept"), "{message}");
    assert_eq!(bed.wait_event("SecretNotOwned").await.type_.as_deref(), Some("Warning"));
    assert_eq!(bed.secrets().get("kept").await.unwrap().metadata.resource_version, version);
    assert_eq!(bed.calls("DownloadDefaultKeyPair"), 0);
    // Another name heals it.
    bed.patch::<LightsailKeyPair>(
        "default",
        &json!({ "spec": { "default": { "secret": { "name": "own" } } } }),
    )
    .await;
    bed.wait_ready::<LightsailKeyPair>("default", "Downloaded").await;
    assert_eq!(bed.secrets().get("kept").await.unwrap().metadata.resource_version, version);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_that_the_api_server_refuses_is_reported() {
    let bed = Bed::new("refused").await;
    bed.region.create_default_key_pair();
    let quota = json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": { "name": "none",
            "namespace": bed.namespace },
        "spec": { "hard": { "count/secrets": "0" } },
    });
    bed.cluster
        .kubectl_with_input(&["apply", "-f", "-"], &quota.to_string())
        .await
        .unwrap()
        .or_error()
        .unwrap();
    let quota_counts = [
        "-n",
        &bed.namespace,
        "wait",
        "--for=jsonpath={.status.hard}",
        "resourcequota/none",
        "--timeout=60s",
    ];
    bed.cluster.kubectl(&quota_counts).await.unwrap().or_error().unwrap();
    let _operator = bed.start().await;
    bed.create::<LightsailKeyPair>("default", &default_pair()).await;
    let (_, message) = bed.wait_stalled::<LightsailKeyPair>("default", "SecretRejected").await;
    assert!(message.contains("quota"), "{message}");
    // It heals by itself.
    bed.cluster
        .kubectl(&["-n", &bed.namespace, "delete", "resourcequota/none"])
        .await
        .unwrap()
        .or_error()
        .unwrap();
    bed.wait_ready::<LightsailKeyPair>("default", "Downloaded").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleting_the_object_takes_the_default_pair_along_only_by_its_fingerprint() {
    let bed = Bed::new("goes").await;
    let there = bed.region.create_default_key_pair();
    let _operator = bed.start().await;
    let mut spec = default_pair();
    spec["deletionPolicy"] = json!("Delete");
    spec["expectedFingerprint"] = json!(there.fingerprint);
    bed.create::<LightsailKeyPair>("default", &spec).await;
    bed.wait_ready::<LightsailKeyPair>("default", "Downloaded").await;
    bed.delete::<LightsailKeyPair>("default").await;
    bed.wait_gone::<LightsailKeyPair>("default").await;
    assert_eq!(bed.region.find_default_key_pair(), None);
    assert_eq!(
        public_half(&secret_data(&bed, "kept", "ssh-privatekey").await),
        there.public_key.trim()
    );
}

/// Lists may miss a pair that a download has just created, but this one was listed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_deleted_right_after_its_download_is_gone_without_another_word() {
    let bed = Bed::new("default-deleted").await;
    let there = bed.region.create_default_key_pair();
    let _operator = bed.start().await;
    // Until then, a process before this one may have sent a download.
    let elsewhere = json!({ "region": "us-east-1", "ensure": "Absent",
        "expectedFingerprint": there.fingerprint });
    let elsewhere = [default_pair(), elsewhere].map(|part| part.as_object().unwrap().clone());
    let elsewhere: Value = elsewhere.into_iter().flatten().collect();
    bed.create::<LightsailKeyPair>("elsewhere", &elsewhere).await;
    bed.wait_ready::<LightsailKeyPair>("elsewhere", "Absent").await;
    bed.create::<LightsailKeyPair>("default", &default_pair()).await;
    bed.wait_ready::<LightsailKeyPair>("default", "Downloaded").await;
    let absent = json!({ "ensure": "Absent", "expectedFingerprint": there.fingerprint });
    bed.patch::<LightsailKeyPair>("default", &json!({ "spec": absent })).await;
    bed.wait_ready::<LightsailKeyPair>("default", "Absent").await;
    bed.wait_event("Absent").await;
    let events: Api<Event> = Api::namespaced(bed.cluster.client(), &bed.namespace);
    let events = events.list(&ListParams::default()).await.unwrap().into_iter();
    let is_of_it =
        |event: &Event| event.regarding.as_ref().unwrap().name.as_deref() == Some("default");
    let reasons: BTreeSet<_> = events.filter(is_of_it).filter_map(|event| event.reason).collect();
    assert_eq!(reasons, ["Absent", "Downloaded"].map(str::to_owned).into());
}
