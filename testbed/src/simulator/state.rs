//! What exists in each account and region: key pairs, instances and the operations that changed them.
//!
//! The types here know how they look in the API's JSON; the operations decide what happens to them.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value, json};

use super::identity::{Identities, Scope, uuid};
use super::key_material::PrivateKey;
use super::switches::{OperationStatus, Switches};

/// The name of the default key pair in every region.
pub(super) const DEFAULT_KEY_PAIR: &str = "LightsailDefaultKeyPair";

/// Tags; a key-only tag has no value.
pub(super) type Tags = BTreeMap<String, Option<String>>;

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
    pub tags: BTreeMap<String, Option<String>>,
    /// In the form that Lightsail uses for this type and origin of key.
    pub fingerprint: String,
    /// The OpenSSH line. The API never returns it.
    pub public_key: String,
}

impl KeyPair {
    pub(super) fn to_json(&self, switches: &Switches) -> Value {
        let mut pair = resource_json(&self.name, &self.arn, &self.support_code, self.created_at, &self.tags);
        pair.insert("location".to_owned(), location_json("all", &self.region));
        pair.insert("resourceType".to_owned(), json!("KeyPair"));
        if switches.fingerprints {
            pair.insert("fingerprint".to_owned(), json!(self.fingerprint));
        }
        Value::Object(pair)
    }
}

/// A key pair, and its private key if Lightsail has it.
#[derive(Debug)]
pub(super) struct StoredPair {
    pub(super) pair: KeyPair,
    /// Only of the default pair: that of a created pair is handed out once and forgotten.
    pub(super) private_key: Option<PrivateKey>,
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
    pub(super) known_host_keys_resets: usize,
}

impl Instance {
    pub(super) fn to_json(&self) -> Value {
        let mut instance = resource_json(&self.name, &self.arn, &self.support_code, self.created_at, &self.tags);
        instance.insert("location".to_owned(), location_json(&self.availability_zone, &self.region));
        instance.insert("resourceType".to_owned(), json!("Instance"));
        instance.insert("blueprintId".to_owned(), json!("debian_12"));
        instance.insert("bundleId".to_owned(), json!("nano_3_0"));
        instance.insert("sshKeyName".to_owned(), json!(DEFAULT_KEY_PAIR));
        instance.insert("state".to_owned(), json!({"code": 16, "name": "running"}));
        instance.insert("username".to_owned(), json!("admin"));
        Value::Object(instance)
    }
}

/// Something that was asked of Lightsail, with its progress.
#[derive(Clone, Debug)]
pub struct Operation {
    /// A UUID.
    pub id: String,
    /// The name of the resource.
    pub resource_name: String,
    /// `KeyPair` or `Instance`.
    pub resource_type: &'static str,
    /// For example `ImportKeyPair`; not always one of the API model's enumeration.
    pub operation_type: &'static str,
    /// `Started`, or how it ended.
    pub status: &'static str,
    /// Whether the status is final.
    pub is_terminal: bool,
    /// To the millisecond.
    pub created_at: SystemTime,
    /// When the status was last set.
    pub status_changed_at: SystemTime,
    /// The availability zone of an instance; `all` for key pairs.
    pub availability_zone: String,
    /// The region.
    pub region: String,
    pub(super) polls_left: u32,
    pub(super) ends_as: OperationStatus,
}

impl Operation {
    /// Another `GetOperation` has asked for it.
    pub(super) fn poll(&mut self) {
        self.polls_left = self.polls_left.saturating_sub(1);
        if self.polls_left == 0 && !self.is_terminal {
            self.end();
        }
    }

    fn end(&mut self) {
        self.status = self.ends_as.name();
        self.is_terminal = true;
        self.status_changed_at = now();
    }

    pub(super) fn to_json(&self) -> Value {
        let mut operation = json!({
            "id": self.id,
            "resourceName": self.resource_name,
            "resourceType": self.resource_type,
            "createdAt": epoch_seconds(self.created_at),
            "location": location_json(&self.availability_zone, &self.region),
            "isTerminal": self.is_terminal,
            "operationDetails": "",
            "operationType": self.operation_type,
            "status": self.status,
            "statusChangedAt": epoch_seconds(self.status_changed_at),
        });
        if self.status == OperationStatus::Failed.name() {
            operation["errorCode"] = json!("InternalError");
            operation["errorDetails"] = json!("The operation failed.");
        }
        operation
    }
}

/// One account's resources in one region.
#[derive(Debug, Default)]
pub(super) struct RegionState {
    pub(super) key_pairs: BTreeMap<String, StoredPair>,
    pub(super) instances: BTreeMap<String, Instance>,
    pub(super) operations: Vec<Operation>,
    pub(super) switches: Option<Switches>,
}

/// Everything there is.
#[derive(Debug)]
pub(super) struct State {
    pub(super) identities: Identities,
    pub(super) switches: Switches,
    pub(super) issued_keys: Option<PathBuf>,
    regions: HashMap<Scope, RegionState>,
}

impl State {
    pub(super) fn new(switches: Switches, issued_keys: Option<PathBuf>) -> Self {
        Self { identities: Identities::default(), switches, issued_keys, regions: HashMap::new() }
    }

    pub(super) fn site(&mut self, scope: &Scope) -> Site<'_> {
        let region = self.regions.entry(scope.clone()).or_default();
        let switches = region.switches.clone().unwrap_or_else(|| self.switches.clone());
        Site { scope: scope.clone(), region, switches, issued_keys: self.issued_keys.clone() }
    }
}

/// Where an operation takes effect, and under which switches.
#[derive(Debug)]
pub(super) struct Site<'a> {
    pub(super) scope: Scope,
    pub(super) region: &'a mut RegionState,
    pub(super) switches: Switches,
    pub(super) issued_keys: Option<PathBuf>,
}

impl Site<'_> {
    /// Names are unique over all types of resources (<https://github.com/hashicorp/terraform-provider-aws/pull/9008>).
    pub(super) fn is_taken(&self, name: &str) -> bool {
        self.region.key_pairs.contains_key(name) || self.region.instances.contains_key(name)
    }

    /// The tags of the resource with this name, whichever type it is.
    pub(super) fn tags_mut(&mut self, name: &str) -> Option<&mut Tags> {
        let pair = self.region.key_pairs.get_mut(name).map(|stored| &mut stored.pair.tags);
        pair.or_else(|| self.region.instances.get_mut(name).map(|instance| &mut instance.tags))
    }

    pub(super) fn arn(&self, resource_type: &str) -> String {
        format!("arn:aws:lightsail:{}:{}:{resource_type}/{}", self.scope.region, self.scope.account, uuid())
    }

    pub(super) fn support_code(&self, name: &str) -> String {
        format!("{}/{name}", self.scope.account)
    }

    /// Records an operation that is over at once, as in the AWS CLI's examples.
    pub(super) fn done(&mut self, operation_type: &'static str, resource_type: &'static str, name: &str) -> Operation {
        self.start(operation_type, resource_type, name, OperationStatus::Succeeded, 0)
    }

    /// Records an operation that `polls` calls of `GetOperation` bring to its end.
    pub(super) fn start(
        &mut self,
        operation_type: &'static str,
        resource_type: &'static str,
        name: &str,
        ends_as: OperationStatus,
        polls: u32,
    ) -> Operation {
        let zone = self.region.instances.get(name).map_or("all", |instance| &instance.availability_zone);
        let at = now();
        let mut operation = Operation {
            id: uuid(),
            resource_name: name.to_owned(),
            resource_type,
            operation_type,
            status: "Started",
            is_terminal: false,
            created_at: at,
            status_changed_at: at,
            availability_zone: zone.to_owned(),
            region: self.scope.region.clone(),
            polls_left: polls,
            ends_as,
        };
        if polls == 0 {
            operation.end();
            operation.status_changed_at = at;
        }
        self.region.operations.push(operation.clone());
        operation
    }
}

/// The time to the millisecond: what the API's timestamps carry.
pub(super) fn now() -> SystemTime {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let millis = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
    SystemTime::UNIX_EPOCH + Duration::from_millis(millis)
}

/// A timestamp of awsJson: seconds since 1970 with a fraction.
pub(super) fn epoch_seconds(at: SystemTime) -> f64 {
    at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

fn location_json(availability_zone: &str, region: &str) -> Value {
    json!({"availabilityZone": availability_zone, "regionName": region})
}

fn resource_json(name: &str, arn: &str, support_code: &str, created_at: SystemTime, tags: &Tags) -> Map<String, Value> {
    let mut resource = Map::new();
    resource.insert("name".to_owned(), json!(name));
    resource.insert("arn".to_owned(), json!(arn));
    resource.insert("supportCode".to_owned(), json!(support_code));
    resource.insert("createdAt".to_owned(), json!(epoch_seconds(created_at)));
    resource.insert("tags".to_owned(), tags.iter().map(tag_json).collect());
    resource
}

fn tag_json((key, value): (&String, &Option<String>)) -> Value {
    value.as_ref().map_or_else(|| json!({"key": key}), |value| json!({"key": key, "value": value}))
}
