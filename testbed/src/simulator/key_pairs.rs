//! The operations on key pairs, the default one included.
//!
//! Each takes the site and the checked input and either changes the site and answers, or answers an error and changes nothing.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde_json::{Value, json};

use super::error::{ApiError, Result};
use super::input::{Input, check_tag_count};
use super::key_material::{self, PrivateKey};
use super::operations::page;
use super::state::{DEFAULT_KEY_PAIR, KeyPair, Site, StoredPair, Tags, epoch_seconds, now};

const KEY_PAIR: &str = "KeyPair";

/// `ImportKeyPair`. The type of its operation is not in the API model's enumeration and is unverified.
pub(super) fn import(site: &mut Site<'_>, input: &Input) -> Result<Value> {
    let name = input.resource_name("keyPairName")?;
    import_as(site, name, input.required_text("publicKeyBase64")?)?;
    let operation = site.done("ImportKeyPair", KEY_PAIR, name);
    Ok(json!({"operation": operation.to_json()}))
}

/// Imports without recording an operation.
pub(super) fn import_as(site: &mut Site<'_>, name: &str, line: &str) -> Result<KeyPair> {
    check_free(site, name)?;
    let fingerprint = key_material::imported_fingerprint(line)?;
    Ok(insert(site, name, fingerprint, line, Tags::new(), None))
}

/// `CreateKeyPair`: the only time that the private key of such a pair is shown.
pub(super) fn create(site: &mut Site<'_>, input: &Input) -> Result<Value> {
    let name = input.resource_name("keyPairName")?;
    let tags = input.tags()?.unwrap_or_default();
    check_tag_count(&tags)?;
    check_free(site, name)?;
    let new = key_material::generate();
    issue(site, name, &new.sha1_fingerprint, &new.private_key)?;
    let pair = insert(site, name, new.sha1_fingerprint, &new.public_key, tags, None);
    let operation = site.done("CreateKeyPair", KEY_PAIR, name);
    Ok(json!({
        "keyPair": pair.to_json(&site.switches),
        "publicKeyBase64": new.public_key,
        "privateKeyBase64": new.private_key.0,
        "operation": operation.to_json(),
    }))
}

/// `GetKeyPair`.
pub(super) fn get(site: &mut Site<'_>, input: &Input) -> Result<Value> {
    let name = input.resource_name("keyPairName")?;
    let stored = site.region.key_pairs.get(name);
    let visible = stored.filter(|_| name != DEFAULT_KEY_PAIR || site.switches.default_pair_by_name);
    let stored = visible.ok_or_else(|| ApiError::does_not_exist(KEY_PAIR, name))?;
    Ok(json!({"keyPair": stored.pair.to_json(&site.switches)}))
}

/// `GetKeyPairs`: the default pair only on request.
pub(super) fn list(site: &mut Site<'_>, input: &Input) -> Result<Value> {
    let with_default = input.flag("includeDefaultKeyPair")?;
    let pairs = site.region.key_pairs.values().filter(|stored| with_default || stored.pair.name != DEFAULT_KEY_PAIR);
    let entries = pairs.map(|stored| (stored.pair.name.clone(), stored.pair.to_json(&site.switches)));
    page("keyPairs", entries, input.text("pageToken")?, site.switches.page_size)
}

/// `DeleteKeyPair`.
pub(super) fn delete(site: &mut Site<'_>, input: &Input) -> Result<Value> {
    let name = input.resource_name("keyPairName")?;
    let expected = input.text("expectedFingerprint")?;
    let stored = site.region.key_pairs.get(name).ok_or_else(|| ApiError::does_not_exist(KEY_PAIR, name))?;
    check_expected(name, &stored.pair.fingerprint, expected, site.switches.expected_fingerprint_on_custom_pairs)?;
    site.region.key_pairs.remove(name);
    let operation = site.done("DeleteKeyPair", KEY_PAIR, name);
    Ok(json!({"operation": operation.to_json()}))
}

/// The API Reference requires `expectedFingerprint` for the default pair. Which error a missing or a wrong one gives, and
/// whether it counts for custom pairs, is unverified.
fn check_expected(name: &str, actual: &str, expected: Option<&str>, on_custom_pairs: bool) -> Result<()> {
    let is_default = name == DEFAULT_KEY_PAIR;
    match expected {
        None if is_default => {
            Err(ApiError::invalid_input(format!("expectedFingerprint is required to delete {DEFAULT_KEY_PAIR}")))
        }
        Some(expected) if (is_default || on_custom_pairs) && expected != actual => {
            Err(ApiError::invalid_input(format!("The fingerprint of {name} is not the expected one")))
        }
        None | Some(_) => Ok(()),
    }
}

/// `DownloadDefaultKeyPair`, which makes the pair if there is none.
pub(super) fn download_default(site: &mut Site<'_>, _: &Input) -> Result<Value> {
    let pair = ensure_default(site);
    let stored = site.region.key_pairs.get(DEFAULT_KEY_PAIR);
    let private_key = stored.and_then(|stored| stored.private_key.clone());
    let private_key = private_key.ok_or_else(|| ApiError::service("The default key pair has no private key."))?;
    issue(site, DEFAULT_KEY_PAIR, &pair.fingerprint, &private_key)?;
    Ok(json!({
        "publicKeyBase64": pair.public_key,
        "privateKeyBase64": private_key.0,
        "createdAt": epoch_seconds(pair.created_at),
    }))
}

/// The default pair; a new one if there is none.
pub(super) fn ensure_default(site: &mut Site<'_>) -> KeyPair {
    if let Some(stored) = site.region.key_pairs.get(DEFAULT_KEY_PAIR) {
        return stored.pair.clone();
    }
    let new = key_material::generate();
    insert(site, DEFAULT_KEY_PAIR, new.md5_fingerprint, &new.public_key, Tags::new(), Some(new.private_key))
}

/// A name must be free. That nobody can take the default pair's name while it is absent is unverified.
fn check_free(site: &Site<'_>, name: &str) -> Result<()> {
    if name == DEFAULT_KEY_PAIR || site.is_taken(name) {
        return Err(ApiError::name_exists(name));
    }
    Ok(())
}

fn insert(
    site: &mut Site<'_>,
    name: &str,
    fingerprint: String,
    public_key: &str,
    tags: Tags,
    private_key: Option<PrivateKey>,
) -> KeyPair {
    let pair = KeyPair {
        name: name.to_owned(),
        arn: site.arn(KEY_PAIR),
        support_code: site.support_code(name),
        created_at: now(),
        region: site.scope.region.clone(),
        tags,
        fingerprint,
        public_key: public_key.to_owned(),
    };
    site.region.key_pairs.insert(name.to_owned(), StoredPair { pair: pair.clone(), private_key });
    pair
}

/// Writes down a private key that is handed out: the same file for the same key. If that fails the request fails, since a test
/// that searches for issued keys would otherwise pass by not knowing them.
fn issue(site: &Site<'_>, name: &str, fingerprint: &str, private_key: &PrivateKey) -> Result<()> {
    let Some(directory) = &site.issued_keys else { return Ok(()) };
    let file = format!("{}-{}-{name}-{}.pem", site.scope.account, site.scope.region, fingerprint.replace(':', ""));
    write_private(&directory.join(file), &private_key.0)
        .map_err(|error| ApiError::service(format!("An issued key could not be written down: {}", error.kind())))
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}
