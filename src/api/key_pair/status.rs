//! What was found and done.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::policies::DeletionPolicy;
use crate::api::operation::Operation;
use crate::api::schema;

/// What was found and done.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LightsailKeyPairStatus {
    /// The generation of the spec that this status speaks of; -1 until the first reconciliation.
    #[serde(default = "never_observed")]
    #[schemars(schema_with = "schema::observed_generation")]
    pub observed_generation: i64,
    /// The value of the annotation `lightsail-operator.dev/reconcile` that was acted on last. A
    /// value of more than 253 bytes is recorded as `sha256:` and its SHA-256 in hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile: Option<String>,
    /// The AWS account, 12 digits.
    #[serde(default, rename = "accountID", skip_serializing_if = "Option::is_none")]
    pub account_id: Option<String>,
    /// The name of the key pair in Lightsail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_pair_name: Option<String>,
    /// The ARN of the key pair; it holds an id that a key pair imported again under this name would
    /// not have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
    /// How this object came to the key pair.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Origin")]
    pub origin: Option<Origin>,
    /// When Lightsail made the key pair, in RFC 3339, by AWS's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
    /// The support code of the key pair, for inquiries to AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub support_code: Option<String>,
    /// The fingerprint exactly as Lightsail prints it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// The SHA-256 fingerprint of the public key as `ssh-keygen -l` prints it, computed by the
    /// operator.
    #[serde(default, rename = "publicKeySHA256", skip_serializing_if = "Option::is_none")]
    pub public_key_sha256: Option<String>,
    /// What deleting this object does to the key pair.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "DeletionPolicy")]
    pub effective_deletion_policy: Option<DeletionPolicy>,
    /// The keys of the tags that this object has set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub managed_tag_keys: Vec<String>,
    /// The import that is under way, on record before it is sent. With it the operator recognizes
    /// the key pair that this import made, also after a crash and without the key's source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ImportIntent")]
    pub import_intent: Option<ImportIntent>,
    /// While the object is suspended: the next step that would be taken, or `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planned_step: Option<String>,
    /// The Secret that holds the private key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_name: Option<String>,
    /// The last operation that this object caused in Lightsail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Operation")]
    pub last_operation: Option<Operation>,
    /// `Ready`, `FingerprintVerified`, and `Reconciling` or `Stalled` while they are True.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Vec<Condition>,
}

/// An import that is about to be sent, or whose answer is not on record yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImportIntent {
    /// The AWS account, 12 digits.
    #[serde(rename = "accountID")]
    pub account_id: String,
    /// The SHA-256 fingerprint of the public key as `ssh-keygen -l` prints it.
    #[serde(rename = "publicKeySHA256")]
    pub public_key_sha256: String,
    /// The fingerprints that Lightsail may print for this key.
    pub fingerprints: Vec<String>,
    /// The time by Lightsail's clock, in RFC 3339: the import comes later. Unset if Lightsail's
    /// answers have no time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    /// The ARN of the key pair that was recorded before, and is gone. Lightsail may still show it
    /// for a moment. Unset if none was.
    #[serde(default, rename = "replacedARN", skip_serializing_if = "Option::is_none")]
    pub replaced_arn: Option<String>,
}

fn never_observed() -> i64 {
    -1
}

/// How an object came to its key pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Origin {
    /// The operator imported it.
    Imported,
    /// The operator made it.
    Generated,
    /// It was there with the same key.
    Adopted,
    /// It is the region's default key pair.
    Default,
}
