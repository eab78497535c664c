//! Public keys in the forms that people have, from the spec, a Secret and a ConfigMap. Which forms
//! there are is tested beside the parser.

use std::process::Command;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Api;
use kube::api::{ObjectMeta, PostParams};
use lightsail_operator::api::LightsailKeyPair;
use serde_json::{Value, json};

use crate::bed::{Bed, REGION, imported, public_key};

/// As `ssh-keygen` exports it in this format.
fn exported(line: &str, format: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key.pub");
    std::fs::write(&file, line).unwrap();
    let output =
        Command::new("ssh-keygen").args(["-e", "-m", format, "-f"]).arg(&file).output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

/// As PowerShell writes it.
fn utf16(line: &str) -> Vec<u8> {
    [0xfeff].into_iter().chain(line.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

fn from(reference: &Value) -> Value {
    json!({ "type": "Imported", "region": REGION, "imported": { "publicKeyFrom": reference } })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_public_key_is_taken_as_people_have_it() {
    let bed = Bed::new("public-keys").await;
    let _operator = bed.start().await;
    let line = public_key("rsa");
    let value = ByteString(utf16(&line));
    let metadata = |name: &str| ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
    let map = ConfigMap {
        metadata: metadata("keys"),
        binary_data: Some([("utf16".to_owned(), value.clone())].into()),
        ..ConfigMap::default()
    };
    let maps = Api::<ConfigMap>::namespaced(bed.cluster.client(), &bed.namespace);
    maps.create(&PostParams::default(), &map).await.unwrap();
    let secret = Secret {
        metadata: metadata("keys"),
        data: Some([("utf16".to_owned(), value)].into()),
        ..Secret::default()
    };
    bed.secrets().create(&PostParams::default(), &secret).await.unwrap();
    let at = json!({ "name": "keys", "key": "utf16" });
    let wanted = line.split(' ').nth(1).unwrap();
    for (name, spec) in [
        ("rfc-4716", imported(&exported(&line, "RFC4716"))),
        ("pem", imported(&exported(&line, "PKCS8"))),
        ("pkcs-1", imported(&exported(&line, "PEM"))),
        ("byte-order-mark", imported(&format!("\u{feff}{line}"))),
        ("data", imported(wanted)),
        ("config-map", from(&json!({ "configMapKeyRef": at }))),
        ("secret", from(&json!({ "secretKeyRef": at }))),
    ] {
        bed.create::<LightsailKeyPair>(name, &spec).await;
        bed.wait_ready::<LightsailKeyPair>(name, "Imported").await;
        let imported = bed.region.find_key_pair(name).unwrap().public_key;
        assert!(imported.starts_with(&format!("ssh-rsa {wanted}")), "{name}: {imported}");
    }
}
