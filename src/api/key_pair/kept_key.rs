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
    /// The algorithm of the keys that the operator generates. A change applies only to keys that
    /// are generated later; an existing key stays. Default: `Ed25519`.
    #[serde(default)]
    pub algorithm: KeyAlgorithm,

    /// The Secret that holds the private key. Default: a Secret with the name of this object. The
    /// operator writes it before it imports the public key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "KeySecret")]
    pub secret: Option<KeySecret>,

    /// What the operator does if the Secret has lost its key, or holds a different one. Default:
    /// `Never`.
    ///
    /// - `Never`: nothing. The object becomes Stalled with the reason `PrivateKeyLost` or
    ///   `PrivateKeyMismatch`.
    /// - `Recreate`: it deletes the key pair and imports the key that the Secret holds, or else a
    ///   new one. An adopted key pair is never replaced.
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
    /// Whether the operator creates the default key pair if the region has none. Default: `false`;
    /// the object is then Stalled with the reason `DefaultKeyPairMissing`.
    #[serde(default)]
    pub create_if_missing: bool,

    /// The Secret that holds the private key. Default: a Secret with the name of this object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "KeySecret")]
    pub secret: Option<KeySecret>,

    /// Whether the Secret must hold the private key before the operator deletes the key pair.
    /// Default: `Required`.
    ///
    /// With `Skip`, a private key that nobody has kept is lost with the key pair.
    #[serde(default)]
    pub backup: Backup,

    /// Whether the passwords of the Windows instances that use the key pair are saved elsewhere.
    /// Default: `false`; the operator then does not delete the key pair while there are such
    /// instances.
    ///
    /// Only the key pair's private key can decrypt the initial password of a Windows instance.
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
    /// The name of the Secret, in the namespace of this object. Default: the name of this object.
    ///
    /// The Secret has the type `kubernetes.io/ssh-auth` and the keys `ssh-privatekey` and
    /// `ssh-publickey`. If a Secret with this name does not belong to this object, the
    /// operator leaves it alone, and the object becomes Stalled with the reason `SecretNotOwned`.
    /// Exception: if the Secret has no owner and holds the private key of the key pair, this object
    /// takes it over.
    ///
    /// With `type: Generated`, copy the Secret to the new name before you change this field.
    /// Otherwise, the private key counts as lost, and with `replacePolicy: Recreate` the operator
    /// replaces the key pair.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 240))]
    #[x_kube(validation = Rule::new(is_object_name("self"))
        .message("name must be a valid name of a Secret: lowercase letters, digits, - and .; \
                  write, for example, fleet-ssh"))]
    pub name: Option<String>,

    /// Labels for the Secret, for example `team: a`. At most 20. Default: none.
    ///
    /// Keys must have no prefix, because other programs recognize their Secrets by prefixed labels.
    /// If you remove a label here, it stays on the Secret.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::labels")]
    #[x_kube(validation = Rule::new(
        "self.all(key, key.matches('^[a-zA-Z0-9]([-a-zA-Z0-9_.]{0,61}[a-zA-Z0-9])?$') && \
         self[key].matches('^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$'))")
        .message("keys of secret.labels must have no prefix; keys and values have at most 63 \
                  letters, digits, -, _ and ., with a letter or digit at each end; write, for \
                  example, team: a"))]
    pub labels: BTreeMap<String, String>,

    /// Whether the Secret is deleted with this object, if the operator created it. The Secret of a
    /// generated key pair stays if the key pair does. With foreground deletion, Kubernetes may
    /// delete the Secret before the operator deletes the key pair. Default: `false`; the private
    /// key outlives the object.
    #[serde(default)]
    pub delete_with_object: bool,
}
