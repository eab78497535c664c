//! What objects may ask of an account.

#![expect(unreachable_pub, reason = "derive(KubeSchema) copies the types into functions")]

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::schema;

/// What objects may ask of an account. What is not named here is not allowed.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(self.takeOver == 'OtherClusters') == \
                                 (has(self.takeOverFrom) && size(self.takeOverFrom) > 0)")
    .message("allowed.takeOverFrom belongs to takeOver: OtherClusters, which needs it; list the \
              ids of the clusters"))]
pub struct Allowed {
    /// The regions, for example `eu-west-1`.
    #[schemars(schema_with = "schema::regions")]
    pub regions: Vec<String>,

    /// The types of `LightsailKeyPair`. Default: `Imported` and `Generated`.
    ///
    /// `Default` is not among them: `defaultKeyPair` allows it to one namespace.
    #[serde(default = "all_types")]
    #[schemars(length(min = 1, max = 2))]
    pub types: Vec<AllowedKeyPairType>,

    /// The names that key pairs may have in Lightsail. Required where more than one namespace is
    /// allowed.
    ///
    /// Each is an exact name, a beginning and `*`, `$(namespace)_*`, or `*` for every name. No
    /// namespace has a `_` in its name, so `$(namespace)_*` of one never covers another's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::key_pair_names")]
    pub key_pair_names: Option<Vec<String>>,

    /// What may become of key pairs that are there already. Default: `Retain`.
    ///
    /// - `Never`: objects adopt none.
    /// - `Retain`: objects may adopt one, which sets the owner tag. It is never deleted or
    ///   replaced, and gets no other tags.
    /// - `Full`: an adopted key pair is as an object's own.
    #[serde(default)]
    pub adoption: Adoption,

    /// Whose owner tags `adoptionPolicy: TakeOver` may replace. Default: `Never`.
    ///
    /// With `OtherClusters`, those of the clusters in `takeOverFrom`.
    #[serde(default)]
    pub take_over: TakeOver,

    /// The ids of clusters for `takeOver: OtherClusters`: the first part of the owner tag.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::cluster_ids")]
    pub take_over_from: Vec<String>,

    /// How many key pairs each namespace may have. Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::positive")]
    pub max_key_pairs: Option<i32>,

    /// Which instances `HostKeyReset`s may name. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "HostKeyResetGrant")]
    pub host_key_reset: Option<HostKeyResetGrant>,

    /// Which namespace may use the default key pairs. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "DefaultKeyPairGrant")]
    pub default_key_pair: Option<DefaultKeyPairGrant>,
}

fn all_types() -> Vec<AllowedKeyPairType> {
    vec![AllowedKeyPairType::Imported, AllowedKeyPairType::Generated]
}

/// A type of `LightsailKeyPair` that every allowed namespace may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AllowedKeyPairType {
    /// A public key that the user has.
    Imported,
    /// A key pair that the operator makes.
    Generated,
}

/// What may become of key pairs that are there already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Adoption {
    /// None is adopted.
    Never,
    /// An adopted one stays as it is.
    #[default]
    Retain,
    /// An adopted one is as an object's own.
    Full,
}

/// Whose owner tags may be replaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TakeOver {
    /// Nobody's.
    #[default]
    Never,
    /// Those of the clusters that are listed.
    OtherClusters,
}

/// Which instances resets may name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HostKeyResetGrant {
    /// The tags that an instance must have in Lightsail, for example `team: $(namespace)`. With
    /// none, every instance.
    #[schemars(schema_with = "schema::tags")]
    pub instance_tags: BTreeMap<String, String>,
}

/// Which namespace may use the default key pairs of the account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DefaultKeyPairGrant {
    /// The namespace. It is one: who has the private key of a region's default key pair can log in
    /// to all instances that were launched without another one.
    #[schemars(length(min = 1, max = 63))]
    pub namespace: String,

    /// What it may do.
    #[schemars(length(min = 1, max = 3))]
    pub actions: Vec<DefaultKeyPairAction>,
}

/// What may be done with a default key pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DefaultKeyPairAction {
    /// Download its private key into a Secret.
    Download,
    /// Create it where there is none.
    Create,
    /// Delete it.
    Delete,
}
