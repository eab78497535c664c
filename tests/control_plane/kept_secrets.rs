//! A Secret that keeps the key of a pair and cannot be used any more: whoever does as the message
//! says keeps the pair, also where `replacePolicy: Recreate` would replace it.

use std::process::Command;

use k8s_openapi::api::core::v1::Secret;
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use lightsail_operator::api::LightsailKeyPair;
use serde_json::{Value, json};

use crate::bed::Bed;
use crate::generated::{generated, private_key};

/// What `kubectl create secret generic --type=kubernetes.io/ssh-auth --from-file=…` does.
async fn copy(bed: &Bed, name: &str, private: &str) {
    let secret = json!({ "metadata": { "name": name }, "type": "kubernetes.io/ssh-auth",
        "stringData": { "ssh-privatekey": private } });
    let secret: Secret = serde_json::from_value(secret).unwrap();
    bed.secrets().create(&PostParams::default(), &secret).await.unwrap();
}

/// Changes a Secret, and asks for a reconciliation of the object.
async fn change(bed: &Bed, secret: &str, object: &str, change: &Value) {
    let change = Patch::Merge(change);
    let secret = bed.secrets().patch(secret, &PatchParams::default(), &change).await.unwrap();
    let annotations =
        json!({ "lightsail-operator.dev/reconcile": secret.metadata.resource_version });
    let ask = json!({ "metadata": { "annotations": annotations } });
    bed.patch::<LightsailKeyPair>(object, &ask).await;
}

fn owner(name: &str) -> Value {
    json!({ "metadata": { "annotations": { "lightsail-operator.dev/owner": name } } })
}

fn with_passphrase(private: &str) -> String {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    std::fs::write(&path, private).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let mut command = Command::new("ssh-keygen");
    let status = command.args(["-q", "-p", "-P", "", "-N", "abcdefgh", "-f"]).arg(&path).status();
    assert!(status.unwrap().success());
    std::fs::read_to_string(path).unwrap()
}

async fn stalled(bed: &Bed, name: &str, reason: &str, way_out: &str) {
    let (_, message) = bed.wait_stalled::<LightsailKeyPair>(name, reason).await;
    assert!(message.contains(way_out), "{name}: {message}");
}

async fn name_secret(bed: &Bed, secret: &str) {
    let change = json!({ "spec": { "generated": { "secret": { "name": secret } } } });
    bed.patch::<LightsailKeyPair>("fleet", &change).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_leaves_a_secret_as_the_message_says_keeps_the_pair() {
    let bed = Bed::new("kept-secrets").await;
    let _operator = bed.start().await;
    let spec = generated(&json!({ "replacePolicy": "Recreate" }));
    bed.create::<LightsailKeyPair>("fleet", &spec).await;
    bed.wait_ready::<LightsailKeyPair>("fleet", "Generated").await;
    let made = bed.region.find_key_pair("fleet").unwrap();
    let private = private_key(&bed, "fleet").await;

    let encrypted = json!({ "stringData": { "ssh-privatekey": with_passphrase(&private) } });
    change(&bed, "fleet", "fleet", &encrypted).await;
    stalled(&bed, "fleet", "SecretRejected", "private key to a Secret with another name, and then")
        .await;
    copy(&bed, "second", &private).await;
    name_secret(&bed, "second").await;
    bed.wait_ready::<LightsailKeyPair>("fleet", "Generated").await;
    assert_eq!(bed.region.find_key_pair("fleet").unwrap().arn, made.arn);

    change(&bed, "second", "fleet", &owner("garbage")).await;
    let way_out = "annotation lightsail-operator.dev/owner to LightsailKeyPair/fleet; otherwise, \
                   copy the right private key to a Secret with another name, and then";
    stalled(&bed, "fleet", "SecretNotOwned", way_out).await;
    change(&bed, "second", "fleet", &owner("LightsailKeyPair/fleet")).await;
    bed.wait_ready::<LightsailKeyPair>("fleet", "Generated").await;

    change(&bed, "second", "fleet", &owner("LightsailKeyPair/other")).await;
    stalled(&bed, "fleet", "SecretNotOwned", way_out).await;
    copy(&bed, "third", &private).await;
    name_secret(&bed, "third").await;
    bed.wait_ready::<LightsailKeyPair>("fleet", "Generated").await;
    assert_eq!(bed.region.find_key_pair("fleet").unwrap().arn, made.arn);
    assert_eq!(bed.calls("ImportKeyPair"), 1);
    assert_eq!(bed.calls("DeleteKeyPair"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_is_renamed_and_moved_as_the_page_says() {
    let page = include_str!("../../docs/lightsailkeypair.md").replace('\n', " ");
    let says = "set `deletionPolicy: Retain`, delete it, and create the new one with the same \
                `keyPairName` and a copy of the Secret, without annotations and owner references.";
    assert!(page.contains(says));
    let bed = Bed::new("moved-object").await;
    let _operator = bed.start().await;
    let spec = |secret: &str| {
        let mut spec =
            generated(&json!({ "secret": { "name": secret, "deleteWithObject": true } }));
        spec["keyPairName"] = json!("fleet");
        spec["deletionPolicy"] = json!("Retain");
        spec
    };
    bed.create::<LightsailKeyPair>("fleet", &spec("fleet")).await;
    bed.wait_ready::<LightsailKeyPair>("fleet", "Generated").await;
    let made = bed.region.find_key_pair("fleet").unwrap();
    let mut copy = bed.secrets().get("fleet").await.unwrap();
    assert!(copy.metadata.annotations.is_some() && copy.metadata.owner_references.is_some());
    copy.metadata = ObjectMeta {
        name: Some("fleet2".to_owned()),
        labels: copy.metadata.labels,
        ..ObjectMeta::default()
    };
    bed.delete::<LightsailKeyPair>("fleet").await;
    bed.wait_gone::<LightsailKeyPair>("fleet").await;
    bed.secrets().create(&PostParams::default(), &copy).await.unwrap();
    bed.create::<LightsailKeyPair>("fleet2", &spec("fleet2")).await;
    bed.wait_ready::<LightsailKeyPair>("fleet2", "Adopted").await;
    assert_eq!(bed.region.find_key_pair("fleet").unwrap().arn, made.arn);
    assert_eq!(bed.calls("ImportKeyPair"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_that_was_renamed_takes_over_the_secret_and_the_pair() {
    let bed = Bed::new("renamed-object").await;
    let _operator = bed.start().await;
    let mut spec = generated(&json!({ "secret": { "name": "kept" } }));
    spec["keyPairName"] = json!("fleet");
    spec["deletionPolicy"] = json!("Retain");
    bed.create::<LightsailKeyPair>("old", &spec).await;
    bed.wait_ready::<LightsailKeyPair>("old", "Generated").await;
    let made = bed.region.find_key_pair("fleet").unwrap();
    private_key(&bed, "kept").await;
    bed.delete::<LightsailKeyPair>("old").await;
    bed.wait_gone::<LightsailKeyPair>("old").await;
    bed.create::<LightsailKeyPair>("new", &spec).await;
    let way_out = "annotation lightsail-operator.dev/owner to LightsailKeyPair/new";
    stalled(&bed, "new", "SecretNotOwned", way_out).await;
    change(&bed, "kept", "new", &owner("LightsailKeyPair/new")).await;
    bed.wait_ready::<LightsailKeyPair>("new", "Adopted").await;
    assert_eq!(bed.region.find_key_pair("fleet").unwrap().arn, made.arn);
    assert_eq!(bed.calls("ImportKeyPair"), 1);
}
