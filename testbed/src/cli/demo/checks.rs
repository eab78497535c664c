//! What the demo's last looks must have found. Each answers what differs, if anything; never with a
//! key's data.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use testbed::simulator::KeyPair;

use super::samples::{GENERATED, IMPORTED};
use crate::cli::scene::ADOPTED;
use crate::cli::simulator::ACCOUNT;

/// The Secret must hold this pair, under the usual names and nothing else.
pub(super) fn secret_differs(secret: &Value, pair: Option<&KeyPair>) -> Option<String> {
    let Some(pair) = pair else { return Some("Lightsail has no default key pair".to_owned()) };
    let text = |key: &str| {
        let bytes = secret["data"][key].as_str().and_then(|data| STANDARD.decode(data).ok());
        bytes.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
    };
    let keys: Vec<&String> =
        secret["data"].as_object().map(|data| data.keys().collect()).unwrap_or_default();
    let mut differs = String::new();
    let mut require = |holds: bool, otherwise: &str| {
        if !holds {
            let _ = write!(differs, "{otherwise}; ");
        }
    };
    require(secret["type"] == "kubernetes.io/ssh-auth", &format!("its type is {}", secret["type"]));
    require(keys == ["ssh-privatekey", "ssh-publickey"], &format!("it has the keys {keys:?}"));
    require(text("ssh-privatekey").starts_with("-----BEGIN "), "ssh-privatekey is not PEM");
    require(
        type_and_data(&text("ssh-publickey")) == type_and_data(&pair.public_key),
        "ssh-publickey is not the public key that Lightsail has",
    );
    (!differs.is_empty()).then_some(differs)
}

/// An OpenSSH line without its comment.
fn type_and_data(line: &str) -> Vec<&str> {
    line.split_whitespace().take(2).collect()
}

/// boto3 must see the pairs of the samples, each owned by its object, and two resets.
pub(super) fn view_differs(view: &Value, pairs: &[KeyPair]) -> Option<String> {
    let of_pair =
        |pair: &Value| json!([pair["name"], pair["fingerprint"], owner_end(&pair["tags"])]);
    let seen = json!({
        "account": view["account"],
        "key pairs": view["keyPairs"].as_array().into_iter().flatten().map(of_pair)
            .collect::<Vec<_>>(),
        "operations": names_of_succeeded(&view["operations"]),
    });
    let samples = [GENERATED, IMPORTED, ADOPTED];
    let fingerprint =
        |name: &str| pairs.iter().find(|pair| pair.name == name).map(|pair| &pair.fingerprint);
    let wanted = json!({
        "account": ACCOUNT,
        "key pairs": samples.map(|name| json!([name, fingerprint(name),
            format!("default/{name}")])),
        "operations": ["DeleteKnownHostKeys", "DeleteKnownHostKeys"],
    });
    (seen != wanted).then(|| format!("expected {wanted}, got {seen}"))
}

fn names(list: &Value, member: &str) -> Vec<Value> {
    list.as_array().into_iter().flatten().map(|entry| entry[member].clone()).collect()
}

fn names_of_succeeded(operations: &Value) -> Vec<Value> {
    let succeeded = operations
        .as_array()
        .into_iter()
        .flatten()
        .filter(|it| it["status"] == "Succeeded")
        .cloned();
    names(&succeeded.collect(), "type")
}

/// The owner tag is `CLUSTER/NAMESPACE/NAME`; the cluster is another one each time.
fn owner_end(tags: &Value) -> Option<String> {
    let owner = tags["lightsail-operator.dev/owner"].as_str()?;
    owner.split_once('/').map(|(_, end)| end.to_owned())
}
