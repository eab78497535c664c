//! The operations on instances, as far as key pairs and host keys need them.
//!
//! Each operation takes the site and the input and either changes the site and answers, or answers
//! an error and changes nothing.

use std::ops::Bound;
use std::time::Duration;

use aws_lc_rs::rsa::{Pkcs1PublicEncryptingKey, PublicEncryptingKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::clock::epoch_seconds;
use super::error::{ApiError, Result};
use super::host_keys::HostKey;
use super::identity::{random_word, uuid};
use super::imported::Imported;
use super::input::Input;
use super::key_pairs::{ensure_default, issue};
use super::ledger::Course;
use super::pages::Page;
use super::resource::{DEFAULT_KEY_PAIR, Instance, NewInstance, PUBLIC_ADDRESS, Platform};
use super::rsa_key::spki_der;
use super::state::Site;
use super::switches::OperationStatus;

/// Launches an instance; it does not make the default key pair.
pub(super) fn add(site: &mut Site<'_>, new: NewInstance) -> Result<()> {
    if site.find(&new.name).is_some() {
        return Err(ApiError::name_exists(&new.name));
    }
    let instance = Instance {
        arn: site.arn("Instance"),
        support_code: site.support_code(&format!("i-{}", &uuid().replace('-', "")[..17])),
        created_at: site.now,
        availability_zone: format!("{}a", site.scope.region),
        region: site.scope.region.clone(),
        tags: new.tags,
        platform: new.platform,
        key_pair_name: new.key_pair_name.unwrap_or_else(|| DEFAULT_KEY_PAIR.to_owned()),
        known_host_keys_resets: 0,
        witnessed_at: site.switches.host_keys_at_launch.then_some(site.now),
        host_keys: None,
        password: None,
        name: new.name,
    };
    site.region.instances.insert(instance.name.clone(), instance);
    Ok(())
}

/// Connects the browser client, which puts the host keys on record if they are not. Whether there
/// is such an instance.
pub(super) fn connect_browser(site: &mut Site<'_>, name: &str) -> bool {
    let now = site.now;
    let instance = site.region.instances.get_mut(name);
    instance.map(|instance| instance.witnessed_at.get_or_insert(now)).is_some()
}

fn find<'a>(site: &'a mut Site<'_>, name: &str) -> Result<&'a mut Instance> {
    site.region.instances.get_mut(name).ok_or_else(|| ApiError::does_not_exist("Instance", name))
}

/// `GetInstance`, without hardware and networking.
pub(super) fn get(site: &mut Site<'_>, input: &Input) -> Result<Value> {
    let name = input.resource_name("instanceName", &site.switches)?;
    Ok(json!({"instance": find(site, name)?.to_json()}))
}

/// `GetInstances`.
pub(super) fn list(site: &mut Site<'_>, input: &Input) -> Result<Value> {
    let page = Page::asked("GetInstances", input, site.switches.page_size)?;
    let from = page.after().map_or(Bound::Unbounded, Bound::Excluded);
    let instances = site.region.instances.range::<str, _>((from, Bound::Unbounded));
    let entries = instances.map(|(name, instance)| (name.clone(), instance));
    Ok(page.answer("instances", entries, Instance::to_json))
}

/// `DeleteKnownHostKeys`. The record is gone when this answers, unless the operation is to fail;
/// whether its operation is over by then depends on the switches.
pub(super) fn delete_known_host_keys(site: &mut Site<'_>, input: &Input) -> Result<Value> {
    let name = input.resource_name("instanceName", &site.switches)?;
    let switches = site.switches.clone();
    let now = site.now;
    let instance = find(site, name)?;
    if instance.witnessed_at.is_none() && !switches.reset_without_record_succeeds {
        return Err(ApiError::does_not_exist("KnownHostKeys", name));
    }
    if switches.operation_status != OperationStatus::Failed {
        instance.known_host_keys_resets += 1;
        instance.witnessed_at = switches.host_keys_return_at_once.then_some(now);
    }
    let course = Course::of_reset(&switches);
    let operations = (0..switches.reset_operations)
        .map(|_| site.start("DeleteKnownHostKeys", "Instance", name, course).to_json());
    Ok(json!({"operations": operations.collect::<Vec<_>>()}))
}

/// `GetInstanceAccessDetails`. The private key that it hands out opens nothing.
pub(super) fn access_details(site: &mut Site<'_>, input: &Input) -> Result<Value> {
    let name = input.resource_name("instanceName", &site.switches)?;
    let protocol = input.one_of("protocol", &["ssh", "rdp"])?;
    let platform = find(site, name)?.platform;
    let natural = if platform == Platform::Windows { "rdp" } else { "ssh" };
    if protocol.is_some_and(|protocol| protocol != natural) {
        return Err(ApiError::invalid_input(format!("{name} has no access by this protocol")));
    }
    let mut details = if platform == Platform::Windows {
        rdp_access(site, name)?
    } else {
        ssh_access(site, name)?
    };
    let now = site.now;
    let instance = find(site, name)?;
    details["instanceName"] = json!(name);
    details["protocol"] = json!(natural);
    details["username"] = json!(instance.username());
    details["ipAddress"] = json!(PUBLIC_ADDRESS);
    details["expiresAt"] = json!(epoch_seconds(now + Duration::from_mins(5)));
    let on_record = instance.witnessed_at.into_iter();
    let host_keys = on_record
        .flat_map(|at| instance.host_keys.iter().flatten().map(move |key| key.to_json(at)));
    details["hostKeys"] = host_keys.collect();
    Ok(json!({"accessDetails": details}))
}

/// A key for a short time. The certificate that belongs to it at Lightsail is left out.
fn ssh_access(site: &mut Site<'_>, name: &str) -> Result<Value> {
    if find(site, name)?.host_keys.is_none() {
        let rsa = site.new_key().public_key;
        find(site, name)?.host_keys = Some(HostKey::of_linux(&rsa));
    }
    let access = site.new_key();
    issue(
        site,
        name,
        access.fingerprint(super::switches::RsaFingerprint::Md5OfSpki),
        &access.private_key,
    )?;
    Ok(json!({"privateKey": format!("{}\n", access.private_key.0)}))
}

/// The API Reference: with the default key pair the password is answered, otherwise its text
/// encrypted for the custom one. That an absent pair gives neither is unverified.
fn rdp_access(site: &mut Site<'_>, name: &str) -> Result<Value> {
    let instance = find(site, name)?;
    let password = instance.password.get_or_insert_with(random_word).clone();
    let key_pair_name = instance.key_pair_name.clone();
    if key_pair_name == DEFAULT_KEY_PAIR {
        ensure_default(site);
        let data = json!({"ciphertext": "", "keyPairName": key_pair_name});
        return Ok(json!({"password": password, "passwordData": data}));
    }
    let line =
        site.region.key_pairs.get(&key_pair_name).map(|stored| stored.pair.public_key.clone());
    let ciphertext = line.and_then(|line| encrypted(&password, &line, site)).unwrap_or_default();
    Ok(json!({"passwordData": {"ciphertext": ciphertext, "keyPairName": key_pair_name}}))
}

/// A password for the owner of an RSA key: PKCS#1 v1.5 in base64, as EC2's `GetPasswordData` has
/// it.
fn encrypted(password: &str, line: &str, site: &Site<'_>) -> Option<String> {
    let Imported::Rsa(key) = Imported::read(line, &site.switches)? else { return None };
    let key = PublicEncryptingKey::from_der(&spki_der(&key)?).ok()?;
    let key = Pkcs1PublicEncryptingKey::new(key).ok()?;
    let mut ciphertext = vec![0; key.ciphertext_size()];
    let written = key.encrypt(password.as_bytes(), &mut ciphertext).ok()?;
    Some(STANDARD.encode(written))
}
