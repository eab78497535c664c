//! The operations on key pairs, the default one included.
//!
//! Each takes the site and the checked input and either changes the site and answers, or answers an
//! error and changes nothing.

use std::ops::Bound;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::clock::epoch_seconds;
use super::error::{ApiError, Result};
use super::input::Input;
use super::key_material::{self, PrivateKey};
use super::ledger::Course;
use super::pages::Page;
use super::resource::{DEFAULT_KEY_PAIR, FormerPair, KeyPair, KeyPairChange, StoredPair};
use super::state::Site;
use super::switches::{ImportOperationType, MismatchError, OperationStatus, Switches};
use super::tags::{self, Tags};
use crate::private_file;

const KEY_PAIR: &str = "KeyPair";

/// `ImportKeyPair`.
pub(super) fn import(site: &mut Site<'_>, input: &Input) -> Result<Value> {
    let name = input.resource_name("keyPairName", &site.switches)?;
    let line = input.required_text("publicKeyBase64")?;
    site.check_free(name)?;
    let fingerprint = key_material::imported_fingerprint(line, &site.switches)?;
    if !site.fails() {
        let pair = insert(site, name, fingerprint, line, Tags::new(), None);
        site.region.changes.push(KeyPairChange::Made(pair));
    }
    let operation_type = match site.switches.import_operation_type {
        ImportOperationType::ImportKeyPair => "ImportKeyPair",
        ImportOperationType::CreateKeyPair => "CreateKeyPair",
        ImportOperationType::Absent => "",
    };
    let operation = site.record(operation_type, KEY_PAIR, name);
    Ok(json!({"operation": operation.to_json()}))
}

/// Imports without recording an operation.
pub(super) fn import_as(site: &mut Site<'_>, name: &str, line: &str) -> Result<KeyPair> {
    site.check_free(name)?;
    let fingerprint = key_material::imported_fingerprint(line, &site.switches)?;
    Ok(insert(site, name, fingerprint, line, Tags::new(), None))
}

/// Creates a key pair without recording an operation.
pub(super) fn create_as(site: &mut Site<'_>, name: &str) -> Result<(KeyPair, PrivateKey)> {
    site.check_free(name)?;
    let new = site.new_key();
    let fingerprint = new.fingerprint(site.switches.created_fingerprint).to_owned();
    issue(site, name, &fingerprint, &new.private_key)?;
    let pair = insert(site, name, fingerprint, &new.public_key, Tags::new(), None);
    Ok((pair, new.private_key))
}

/// `CreateKeyPair`: the only time that the private key of such a pair is shown.
pub(super) fn create(site: &mut Site<'_>, input: &Input) -> Result<Value> {
    let name = input.resource_name("keyPairName", &site.switches)?;
    let tags = input.tags()?.unwrap_or_default();
    tags::check_count(&tags)?;
    site.check_free(name)?;
    let new = site.new_key();
    let fingerprint = new.fingerprint(site.switches.created_fingerprint);
    issue(site, name, fingerprint, &new.private_key)?;
    let pair = insert(site, name, fingerprint.to_owned(), &new.public_key, tags, None);
    site.region.changes.push(KeyPairChange::Made(pair.clone()));
    let ends_as = OperationStatus::Succeeded;
    let course = Course { ends_as, ..Course::of_key_pair(&site.switches) };
    let operation = site.start("CreateKeyPair", KEY_PAIR, name, course);
    let mut shown_pair = pair.to_json(&site.switches);
    if let (true, Some(members)) = (site.switches.created_pair_is_short, shown_pair.as_object_mut())
    {
        members.retain(|member, _| member != "tags" && member != "fingerprint");
    }
    Ok(json!({
        "keyPair": shown_pair,
        "publicKeyBase64": new.public_key,
        "privateKeyBase64": shown(site, &new.private_key),
        "operation": operation.to_json(),
    }))
}

/// `GetKeyPair`.
pub(super) fn get(site: &mut Site<'_>, input: &Input) -> Result<Value> {
    let name = input.resource_name("keyPairName", &site.switches)?;
    let (now, lag) = (site.now, site.switches.key_pair_lag);
    let mut former = site.region.former_pairs.iter();
    let former = former.find(|former| former.name == name && former.until + lag > now);
    let stored = || site.region.key_pairs.get(name).map(|stored| &stored.pair);
    let pair = former.map_or_else(stored, |former| former.pair.as_ref());
    let visible = pair.filter(|_| name != DEFAULT_KEY_PAIR || site.switches.default_pair_by_name);
    let pair = visible.ok_or_else(|| ApiError::does_not_exist(KEY_PAIR, name))?;
    Ok(json!({"keyPair": pair.to_json(&site.switches)}))
}

/// What the name stands for is about to change.
fn note_former(site: &mut Site<'_>, name: &str) {
    if !site.switches.key_pair_lag.is_zero() {
        let pair = site.region.key_pairs.get(name).map(|stored| stored.pair.clone());
        let former = FormerPair { name: name.to_owned(), pair, until: site.now };
        site.region.former_pairs.push(former);
    }
}

/// `GetKeyPairs`: the default pair only on request.
pub(super) fn list(site: &mut Site<'_>, input: &Input) -> Result<Value> {
    let with_default = input.flag("includeDefaultKeyPair")?;
    let page = Page::asked("GetKeyPairs", input, site.switches.page_size)?;
    let from = page.after().map_or(Bound::Unbounded, Bound::Excluded);
    let pairs = site
        .region
        .key_pairs
        .range::<str, _>((from, Bound::Unbounded))
        .map(|(_, stored)| &stored.pair);
    let pairs = pairs.filter(|pair| with_default || pair.name != DEFAULT_KEY_PAIR);
    let entries = pairs.map(|pair| (pair.name.clone(), pair));
    Ok(page.answer("keyPairs", entries, |pair| pair.to_json(&site.switches)))
}

/// `DeleteKeyPair`.
pub(super) fn delete(site: &mut Site<'_>, input: &Input) -> Result<Value> {
    let name = input.resource_name("keyPairName", &site.switches)?;
    let expected = input.text("expectedFingerprint")?;
    let stored =
        site.region.key_pairs.get(name).ok_or_else(|| ApiError::does_not_exist(KEY_PAIR, name))?;
    check_expected(&stored.pair, expected, &site.switches)?;
    if !site.fails() {
        note_former(site, name);
        if let Some(stored) = site.region.key_pairs.remove(name) {
            site.region.changes.push(KeyPairChange::Deleted(stored.pair));
        }
    }
    let operation = site.record("DeleteKeyPair", KEY_PAIR, name);
    Ok(json!({"operation": operation.to_json()}))
}

/// The API Reference requires `expectedFingerprint` for the default pair; what else about it, is up
/// to the switches.
fn check_expected(pair: &KeyPair, expected: Option<&str>, switches: &Switches) -> Result<()> {
    let name = &pair.name;
    let is_default = name == DEFAULT_KEY_PAIR;
    let refuse = |message: String| match switches.mismatch_error {
        MismatchError::InvalidInput => Err(ApiError::invalid_input(message)),
        MismatchError::OperationFailure => Err(ApiError::operation_failure(message)),
    };
    match expected {
        None if is_default => refuse(format!("expectedFingerprint is required to delete {name}")),
        Some(expected)
            if (is_default || switches.expected_fingerprint_on_custom_pairs)
                && expected != pair.fingerprint =>
        {
            refuse(format!("The fingerprint of {name} is not the expected one"))
        }
        None | Some(_) => Ok(()),
    }
}

/// `DownloadDefaultKeyPair`, which makes the pair if there is none.
pub(super) fn download_default(site: &mut Site<'_>, _: &Input) -> Result<Value> {
    let was_there = site.region.key_pairs.contains_key(DEFAULT_KEY_PAIR);
    let pair = ensure_default(site);
    if !was_there {
        site.region.changes.push(KeyPairChange::Made(pair.clone()));
    }
    let stored = site.region.key_pairs.get(DEFAULT_KEY_PAIR);
    let private_key = stored.and_then(|stored| stored.private_key.clone());
    let private_key =
        private_key.ok_or_else(|| ApiError::service("The default key pair has no private key."))?;
    issue(site, DEFAULT_KEY_PAIR, &pair.fingerprint, &private_key)?;
    Ok(json!({
        "publicKeyBase64": pair.public_key,
        "privateKeyBase64": shown(site, &private_key),
        "createdAt": epoch_seconds(pair.created_at),
    }))
}

/// The default pair; a new one if there is none.
pub(super) fn ensure_default(site: &mut Site<'_>) -> KeyPair {
    if let Some(stored) = site.region.key_pairs.get(DEFAULT_KEY_PAIR) {
        return stored.pair.clone();
    }
    let new = site.new_key();
    let fingerprint = new.fingerprint(site.switches.default_pair_fingerprint_form).to_owned();
    insert(site, DEFAULT_KEY_PAIR, fingerprint, &new.public_key, Tags::new(), Some(new.private_key))
}

/// A private key as the members called `privateKeyBase64` show it.
fn shown(site: &Site<'_>, private_key: &PrivateKey) -> String {
    if site.switches.private_keys_as_base64 {
        STANDARD.encode(&private_key.0)
    } else {
        private_key.0.clone()
    }
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
        created_at: site.now,
        region: site.scope.region.clone(),
        tags,
        fingerprint,
        public_key: public_key.to_owned(),
    };
    note_former(site, name);
    site.region.key_pairs.insert(name.to_owned(), StoredPair { pair: pair.clone(), private_key });
    pair
}

/// Writes down a private key that is handed out: the same file for the same key. If that fails the
/// request fails, since a test that searches for issued keys would otherwise pass by not knowing
/// them.
pub(super) fn issue(
    site: &Site<'_>,
    name: &str,
    fingerprint: &str,
    private_key: &PrivateKey,
) -> Result<()> {
    let Some(directory) = site.issued_keys else { return Ok(()) };
    let file = format!(
        "{}-{}-{name}-{}.pem",
        site.scope.account,
        site.scope.region,
        fingerprint.replace(':', "")
    );
    private_file::write(&directory.join(file), &private_key.0).map_err(|error| {
        ApiError::service(format!("An issued key could not be written down: {}", error.kind()))
    })
}
