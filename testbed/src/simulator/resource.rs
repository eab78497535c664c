//! Key pairs and instances, and how they look in the API's JSON.

use std::time::SystemTime;

use serde_json::{Map, Value, json};

use super::clock::epoch_seconds;
use super::host_keys::HostKey;
use super::key_material::PrivateKey;
use super::switches::Switches;
use super::tags::{self, Tags};

/// The name of the default key pair in every region.
pub(super) const DEFAULT_KEY_PAIR: &str = "LightsailDefaultKeyPair";

/// One of RFC 5737's addresses for documentation.
pub(super) const PUBLIC_ADDRESS: &str = "192.0.2.10";

/// A key pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPair {
    /// Unique in its region over all types of resources.
    pub name: String,
    /// Ends in a UUID, not in the name.
    pub arn: String,
    /// What AWS support asks for.
    pub support_code: String,
    /// To the millisecond, like the API's answers.
    pub created_at: SystemTime,
    /// The region.
    pub region: String,
    /// The tags; a key-only tag has no value.
    pub tags: Tags,
    /// In the form that Lightsail uses for this type and origin of key.
    pub fingerprint: String,
    /// The OpenSSH line. The API never returns it.
    pub public_key: String,
}

/// What the name of a key pair stood for, until a change.
#[derive(Debug)]
pub(super) struct FormerPair {
    pub(super) name: String,
    /// `None` if nothing had the name.
    pub(super) pair: Option<KeyPair>,
    pub(super) until: SystemTime,
}

impl KeyPair {
    pub(super) fn to_json(&self, switches: &Switches) -> Value {
        let mut pair =
            resource_json(&self.name, &self.arn, &self.support_code, self.created_at, &self.tags);
        pair.insert(
            "location".to_owned(),
            json!({"availabilityZone": "all", "regionName": self.region}),
        );
        pair.insert("resourceType".to_owned(), json!("KeyPair"));
        let is_shown = switches.default_pair_fingerprint || self.name != DEFAULT_KEY_PAIR;
        if switches.fingerprints && is_shown {
            pair.insert("fingerprint".to_owned(), json!(self.fingerprint));
        }
        Value::Object(pair)
    }
}

/// What a request has done to a key pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyPairChange {
    /// It was imported or created.
    Made(KeyPair),
    /// It was deleted; this is how it was then.
    Deleted(KeyPair),
}

/// A key pair, and its private key if Lightsail has it.
#[derive(Debug)]
pub(super) struct StoredPair {
    pub(super) pair: KeyPair,
    /// Only of the default pair: that of a created pair is handed out once and forgotten.
    pub(super) private_key: Option<PrivateKey>,
}

/// What an instance runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Platform {
    /// Debian, with SSH.
    #[default]
    Linux,
    /// Windows Server, with RDP; its first password is encrypted for its key pair.
    Windows,
}

/// An instance to be launched.
#[derive(Clone, Debug, Default)]
pub struct NewInstance {
    /// Unique in its region over all types of resources.
    pub name: String,
    /// What it runs.
    pub platform: Platform,
    /// Its key pair, which need not exist; `None` is the default pair.
    pub key_pair_name: Option<String>,
    /// Its tags; a key-only tag has no value.
    pub tags: Tags,
}

/// An instance, as far as host keys need one.
#[derive(Debug)]
pub(super) struct Instance {
    pub(super) name: String,
    pub(super) arn: String,
    pub(super) support_code: String,
    pub(super) created_at: SystemTime,
    pub(super) availability_zone: String,
    pub(super) region: String,
    pub(super) tags: Tags,
    pub(super) platform: Platform,
    pub(super) key_pair_name: String,
    pub(super) known_host_keys_resets: usize,
    /// When the host keys were put on record; `None` if they are not.
    pub(super) witnessed_at: Option<SystemTime>,
    /// Made when somebody first asks for them.
    pub(super) host_keys: Option<Vec<HostKey>>,
    pub(super) password: Option<String>,
}

impl Instance {
    pub(super) fn to_json(&self) -> Value {
        let (blueprint, blueprint_name) = match self.platform {
            Platform::Linux => ("debian_12", "Debian"),
            Platform::Windows => ("windows_server_2022", "Windows Server 2022"),
        };
        let mut instance =
            resource_json(&self.name, &self.arn, &self.support_code, self.created_at, &self.tags);
        for (member, value) in [
            (
                "location",
                json!({"availabilityZone": self.availability_zone, "regionName": self.region}),
            ),
            ("resourceType", json!("Instance")),
            ("blueprintId", json!(blueprint)),
            ("blueprintName", json!(blueprint_name)),
            ("bundleId", json!("nano_3_0")),
            ("isStaticIp", json!(false)),
            ("privateIpAddress", json!("172.26.0.10")),
            ("publicIpAddress", json!(PUBLIC_ADDRESS)),
            ("ipAddressType", json!("dualstack")),
            ("sshKeyName", json!(self.key_pair_name)),
            ("state", json!({"code": 16, "name": "running"})),
            ("username", json!(self.username())),
        ] {
            instance.insert(member.to_owned(), value);
        }
        Value::Object(instance)
    }

    pub(super) fn username(&self) -> &'static str {
        match self.platform {
            Platform::Linux => "admin",
            Platform::Windows => "Administrator",
        }
    }
}

/// The members that all resources have.
fn resource_json(
    name: &str,
    arn: &str,
    support_code: &str,
    created_at: SystemTime,
    tags: &Tags,
) -> Map<String, Value> {
    let mut resource = Map::new();
    resource.insert("name".to_owned(), json!(name));
    resource.insert("arn".to_owned(), json!(arn));
    resource.insert("supportCode".to_owned(), json!(support_code));
    resource.insert("createdAt".to_owned(), json!(epoch_seconds(created_at)));
    resource.insert("tags".to_owned(), tags::to_json(tags));
    resource
}
