//! What an account allows to objects.

#![expect(unreachable_pub, reason = "derive(KubeSchema) copies the types into functions")]

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::schema::{self, are_tags};

/// What objects may do with the account. Each field says what applies if you leave it out.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(self.takeOver == 'OtherClusters') == \
                                 (has(self.takeOverFrom) && size(self.takeOverFrom) > 0)")
    .message("allowed.takeOverFrom is required with takeOver: OtherClusters, and allowed only with \
              it; list the IDs of the clusters, or remove it"))]
pub struct Allowed {
    /// The AWS regions that objects may use, for example `eu-west-1`.
    #[schemars(schema_with = "schema::regions")]
    pub regions: Vec<String>,

    /// The types of `LightsailKeyPair` that objects may have. Default: `Imported` and `Generated`.
    ///
    /// The type `Default` cannot be listed here: `defaultKeyPair` allows it for one namespace.
    #[serde(default = "all_types")]
    #[schemars(length(min = 1, max = 2))]
    pub types: Vec<AllowedKeyPairType>,

    /// The names that key pairs may have in Lightsail. Required if more than one namespace is
    /// allowed. Default with one namespace: every name.
    ///
    /// Each entry is an exact name, a prefix followed by `*`, `$(namespace)_*`, or `*` for every
    /// name. `$(namespace)` stands for the namespace of the object. No namespace has a `_` in its
    /// name, so `$(namespace)_*` for one namespace never matches the names of another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::key_pair_names")]
    pub key_pair_names: Option<Vec<String>>,

    /// What objects may do with key pairs that already exist. Default: `Retain`.
    ///
    /// - `Never`: objects cannot adopt them, except one with the object's own owner tag and key, as
    ///   after a restore.
    /// - `Retain`: objects can adopt them, which sets the owner tag. The operator never deletes or
    ///   replaces an adopted key pair, and gives it no other tags.
    /// - `Full`: objects can adopt them, delete them and change their other tags. The operator
    ///   still never replaces an adopted key pair, and by default keeps it when the object is
    ///   deleted.
    #[serde(default)]
    pub adoption: Adoption,

    /// The owner tags that objects with `adoptionPolicy: TakeOver` may replace. Default: `Never`.
    ///
    /// - `Never`: none.
    /// - `OtherClusters`: those of the clusters in `takeOverFrom`.
    #[serde(default)]
    pub take_over: TakeOver,

    /// The IDs of the clusters whose owner tags may be replaced. Required with `takeOver:
    /// OtherClusters`. The ID of a cluster is the first part of its owner tags; by default it is
    /// the UID of the namespace `kube-system`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::cluster_ids")]
    pub take_over_from: Vec<String>,

    /// How many key pairs each namespace may have in each region, for example `10`. Default: no
    /// limit. A key pair that stayed in Lightsail when its object was deleted keeps its owner tag,
    /// and still counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::positive")]
    pub max_key_pairs: Option<i32>,

    /// The instances whose host keys a `HostKeyReset` may reset. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "HostKeyResetGrant")]
    pub host_key_reset: Option<HostKeyResetGrant>,

    /// Which namespace may use the default key pairs of the account, and for what. Default: none.
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
    /// The user provides a public key.
    Imported,
    /// The operator generates the key pair.
    Generated,
}

/// What objects may do with key pairs that already exist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Adoption {
    /// Objects cannot adopt them.
    Never,
    /// Objects can adopt them; an adopted key pair stays as it is.
    #[default]
    Retain,
    /// Objects can adopt them, delete them and change their other tags. The operator still never
    /// replaces an adopted key pair, and by default keeps it when the object is deleted.
    Full,
}

/// Which owner tags objects may replace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TakeOver {
    /// None.
    #[default]
    Never,
    /// Those of the clusters in `takeOverFrom`.
    OtherClusters,
}

/// The instances whose host keys may be reset.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HostKeyResetGrant {
    /// The tags that an instance must have in Lightsail, for example `team: $(namespace)`.
    /// `$(namespace)` stands for the namespace of the object. If this is empty, the host keys of
    /// every instance may be reset.
    #[schemars(schema_with = "schema::tags")]
    #[x_kube(validation = Rule::new(are_tags("self[key].replace('$(namespace)', '')"))
        .message("keys of instanceTags must have 1 to 128 characters; use letters, digits, spaces \
                  and + - = . _ : / @ in keys and values, and $(namespace) only in values"))]
    pub instance_tags: BTreeMap<String, String>,
}

/// The namespace that may use the default key pairs of the account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DefaultKeyPairGrant {
    /// The name of the namespace. There can be only one: whoever has the private key of a region's
    /// default key pair can log in to every instance that was launched without another key pair.
    #[schemars(schema_with = "schema::namespace_name")]
    pub namespace: String,

    /// What the namespace may do with the default key pairs: `Download` the private key to a
    /// Secret, `Create` a default key pair in a region without one, or `Delete` it. It can
    /// set tags on them only with `adoption: Full`.
    #[schemars(length(min = 1, max = 3))]
    pub actions: Vec<DefaultKeyPairAction>,
}

/// What may be done with a default key pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DefaultKeyPairAction {
    /// Download its private key into a Secret.
    Download,
    /// Create it in a region that has none.
    Create,
    /// Delete it.
    Delete,
}
