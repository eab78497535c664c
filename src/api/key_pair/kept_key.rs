//! The settings of `type: Generated` and `type: Default`, whose private keys a Secret keeps.

#![expect(unreachable_pub, reason = "derive(KubeSchema) copies the types into functions")]

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::policies::ReplacePolicy;
use crate::api::schema::{self, is_object_name};

/// The settings of `type: Generated`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GeneratedKeyPair {
    /// The type of the keys that are made from now on. Default: `Ed25519`.
    #[serde(default)]
    pub algorithm: KeyAlgorithm,

    /// The Secret that keeps the private key. It is written before the public half is imported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "KeySecret")]
    pub secret: Option<KeySecret>,

    /// What happens if the Secret lost its key, or has another one. Default: `Never`.
    ///
    /// - `Never`: nothing; the object becomes Stalled with the reason `PrivateKeyLost` or
    ///   `PrivateKeyMismatch`.
    /// - `Recreate`: the key pair is deleted and imported anew, with a new key or with that of the
    ///   Secret. A key pair that was adopted is never replaced.
    #[serde(default)]
    pub replace_policy: ReplacePolicy,
}

/// The type of a generated key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum KeyAlgorithm {
    /// Ed25519, RFC 8032.
    #[default]
    Ed25519,
    /// RSA with 4096 bits.
    RSA4096,
}

/// The settings of `type: Default`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DefaultKeyPair {
    /// Whether a default key pair is created where the region has none. Default: `false`, and the
    /// object is Stalled with the reason `DefaultKeyPairMissing`.
    #[serde(default)]
    pub create_if_missing: bool,

    /// The Secret that keeps the private key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "KeySecret")]
    pub secret: Option<KeySecret>,

    /// Whether the Secret must hold the private key before the key pair is deleted. Default:
    /// `Required`.
    ///
    /// With `Skip` a private key that nobody has kept is lost with the key pair.
    #[serde(default)]
    pub backup: Backup,

    /// Whether the passwords of Windows instances that use the key pair are saved elsewhere.
    /// Default: `false`, and the key pair is not deleted while there are such instances.
    ///
    /// The initial password of a Windows instance can be decrypted only while the default key pair
    /// is there.
    #[serde(default)]
    pub windows_passwords_saved: bool,
}

/// Whether the private key must be kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Backup {
    /// It must.
    #[default]
    Required,
    /// It need not.
    Skip,
}

/// Where a private key is kept.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeySecret {
    /// The name of the Secret in the namespace of this object. Default: the name of this object.
    ///
    /// The Secret has the type `kubernetes.io/ssh-auth` and the keys `ssh-privatekey` and
    /// `ssh-publickey`. A Secret of this name that is not the operator's is left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 240))]
    #[x_kube(validation = Rule::new(is_object_name("self"))
        .message("name must be one for a Secret: lower case letters, digits, - and .; write for \
                  example fleet-ssh"))]
    pub name: Option<String>,

    /// Labels of the Secret, for example `team: a`. At most 20. Their keys have no prefix: labels
    /// with one make other programs take a Secret for theirs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::labels")]
    #[x_kube(validation = Rule::new(
        "self.all(key, key.matches('^[a-zA-Z0-9]([-a-zA-Z0-9_.]{0,61}[a-zA-Z0-9])?$') && \
         self[key].matches('^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$'))")
        .message("keys of a Secret's labels have no prefix; keys and values have at most 63 \
                  letters, digits, - _ and ., with a letter or digit at each end; write for \
                  example team: a"))]
    pub labels: BTreeMap<String, String>,

    /// Whether the Secret is deleted with this object. Default: `false`: the private key outlives
    /// the object.
    #[serde(default)]
    pub delete_with_object: bool,
}
