//! What was found and done.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::policies::DeletionPolicy;
use crate::api::operation::Operation;
use crate::api::schema;

/// The state of the key pair, as the operator last observed it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LightsailKeyPairStatus {
    /// The generation of the spec that this status describes; -1 until the first reconciliation.
    #[serde(default = "schema::never_observed")]
    #[schemars(schema_with = "schema::observed_generation")]
    pub observed_generation: i64,
    /// The last value of the annotation `lightsail-operator.dev/reconcile` that the operator acted
    /// on. If the value has more than 253 bytes, this is `sha256:` and its SHA-256 in hexadecimal
    /// digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile: Option<String>,
    /// The ID of the AWS account, 12 digits. The object stays with this account.
    #[serde(default, rename = "accountID", skip_serializing_if = "Option::is_none")]
    pub account_id: Option<String>,
    /// The name of the key pair in Lightsail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_pair_name: Option<String>,
    /// The ARN of the key pair. It contains an ID, which changes if the key pair is deleted and
    /// imported again under the same name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
    /// How this object got its key pair: the operator imported, generated or adopted it, or it is
    /// the region's default key pair.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Origin")]
    pub origin: Option<Origin>,
    /// When Lightsail created the key pair, in RFC 3339, by AWS's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
    /// The support code of the key pair, for inquiries to AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub support_code: Option<String>,
    /// The fingerprint, exactly as Lightsail lists it. `ssh-keygen -l` can print a different one
    /// for the same key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// The SHA-256 fingerprint of the public key, as `ssh-keygen -l` prints it. The operator
    /// computes it.
    #[serde(default, rename = "publicKeySHA256", skip_serializing_if = "Option::is_none")]
    pub public_key_sha256: Option<String>,
    /// What deleting this object does to the key pair.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "DeletionPolicy")]
    pub effective_deletion_policy: Option<DeletionPolicy>,
    /// The keys of the tags in `spec.tags` that this object has set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub managed_tag_keys: Vec<String>,
    /// The import that is in progress. The operator records it before it sends the import, so that
    /// it recognizes the key pair even after a crash, and even if the source of the key is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ImportIntent")]
    pub import_intent: Option<ImportIntent>,
    /// While the object is suspended, the step that the operator would take next: `Import`,
    /// `Adopt`, `Generate`, `WriteSecret`, `Tag`, `RemoveTags`, `Download` or `Delete`; `None` if
    /// there is nothing to do. `Delete` can be the first step of a replacement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planned_step: Option<String>,
    /// The name of the Secret that holds the private key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_name: Option<String>,
    /// The last import or deletion that this object caused in Lightsail. If Lightsail omits
    /// `createdAt`, the operator sets it to the time of the response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Operation")]
    pub last_operation: Option<Operation>,
    /// `Ready` is always present. `Reconciling` and `Stalled` are present only while they are True,
    /// and `FingerprintVerified` if there is a key pair, and a key to compare it with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Vec<Condition>,
}

/// An import that is about to be sent, or whose response is not on record yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImportIntent {
    /// The ID of the AWS account, 12 digits.
    #[serde(rename = "accountID")]
    pub account_id: String,
    /// The SHA-256 fingerprint of the public key, as `ssh-keygen -l` prints it.
    #[serde(rename = "publicKeySHA256")]
    pub public_key_sha256: String,
    /// The fingerprints that Lightsail may list for this key.
    pub fingerprints: Vec<String>,
    /// The time right before the import, in RFC 3339, by Lightsail's clock. Unset if Lightsail's
    /// responses have no `Date`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    /// The ARN of the previous key pair, which is gone. Lightsail may still list it
    /// for a moment. Unset if there was none.
    #[serde(default, rename = "replacedARN", skip_serializing_if = "Option::is_none")]
    pub replaced_arn: Option<String>,
    /// When the key pair in `replacedARN` was created, in RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced_created_at: Option<String>,
    /// How this object got the key pair in `replacedARN`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Origin")]
    pub replaced_origin: Option<Origin>,
}

/// How an object got its key pair.
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
