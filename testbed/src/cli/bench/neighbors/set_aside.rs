//! The copy of an old private key finds its name taken.

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{ObjectMeta, PostParams};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use ssh_key::PublicKey;

use super::ground::{Ground, HOSTILE};
use super::objects::{Object, RECONCILE, patch_all};
use crate::cli::simulator::REGION;

const NAME: &str = "default-pair";

/// Makes a Default object with its Secret, takes the name of the copy, and replaces the pair.
pub(super) async fn occupy_set_aside_name(ground: &Ground<'_>) -> Result<()> {
    let default = json!({"secret": {"name": NAME}});
    let spec = json!({"type": "Default", "region": REGION, "default": default});
    let object = Object { name: NAME.to_owned(), spec, annotation: None };
    ground.create_pairs([object]).await?;
    ground.wait_until_ready(NAME).await?;

    let secrets: Api<Secret> = Api::namespaced(ground.client().clone(), HOSTILE);
    let data = secrets.get(NAME).await.context("read the Secret")?.data.unwrap_or_default();
    let key = data.get("ssh-publickey").context("the Secret has no ssh-publickey")?;
    let name = copy_name(std::str::from_utf8(&key.0).context("read the public key")?)?;
    let metadata = ObjectMeta { name: Some(name), ..ObjectMeta::default() };
    let taken = Secret { metadata, ..Secret::default() };
    secrets.create(&PostParams::default(), &taken).await.context("take the name")?;

    ground.at_region("DELETE", "key-pairs/LightsailDefaultKeyPair", Value::Null).await?;
    ground.at_region("POST", "default-key-pair", Value::Null).await?;
    let change = json!({"metadata": {"annotations": {RECONCILE: "now"}}});
    patch_all(&ground.pairs(), &[NAME.to_owned()], &change).await
}

/// As docs/lightsailkeypair.md has it.
fn copy_name(public_key: &str) -> Result<String> {
    let key = PublicKey::from_openssh(public_key.trim()).map_err(anyhow::Error::msg)?;
    let digest = Sha256::digest(key.to_bytes().map_err(anyhow::Error::msg)?);
    let start = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
    Ok(format!("{NAME}-{start:08x}"))
}
