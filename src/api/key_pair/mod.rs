//! The kind `LightsailKeyPair`.

#![expect(unreachable_pub, reason = "derive(KubeSchema) copies the types into functions")]

mod imported;
mod kept_key;
mod policies;
mod status;

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

pub use self::imported::{ImportedKeyPair, KeyReference, PublicKeySource};
pub use self::kept_key::{Backup, DefaultKeyPair, GeneratedKeyPair, KeyAlgorithm, KeySecret};
pub use self::policies::{AdoptionPolicy, DeletionPolicy, Ensure, KeyPairType, ReplacePolicy};
pub use self::status::{ImportIntent, LightsailKeyPairStatus, Origin};
use super::account_ref::AccountRef;
use super::names::FINALIZER;
use super::reconciled::Reconciled;
use super::schema::{self, are_tags};

/// A key pair in one region of Amazon Lightsail: the operator makes sure that it exists with the
/// right key, or, with `ensure: Absent`, that it does not exist.
///
/// With `type: Imported`, the operator imports a public key that you provide. With `type:
/// Generated`, it generates a key, writes the private key to a Secret, and imports the public key.
/// With `type: Default`, it downloads the private key of the region's default key pair to a Secret.
///
/// The name of the object can have at most 100 characters.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "lightsail-operator.dev",
    version = "v1alpha1",
    kind = "LightsailKeyPair",
    doc = "A key pair in one region of Amazon Lightsail: the operator makes sure that it exists \
           with the right key, or that it does not exist.",
    plural = "lightsailkeypairs",
    singular = "lightsailkeypair",
    shortname = "lskp",
    category = "lightsail",
    namespaced,
    status = "LightsailKeyPairStatus",
    selectable = ".spec.accountRef.name",
    derive = "PartialEq",
    // On the root, because only there can a rule read the name. As with LightsailAccounts, such
    // rules must never become stricter: an object that breaks one can get no status, nor lose its
    // finalizer.
    validation = Rule::new("size(self.metadata.name) <= 100")
        .message("the name of a LightsailKeyPair must have at most 100 characters, because it is \
                  part of the owner tag; choose a shorter name"),
    validation = Rule::new("self.spec.type == 'Default' || has(self.spec.keyPairName) || \
                            size(self.metadata.name) >= 2")
        .message("the name of a key pair in Lightsail must have at least 2 characters; choose a \
                  longer name for the object, or set spec.keyPairName"),
    printcolumn(name = "Type", type_ = "string", json_path = ".spec.type"),
    printcolumn(name = "Region", type_ = "string", json_path = ".spec.region"),
    printcolumn(name = "Key", type_ = "string", json_path = ".status.keyPairName"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#
    ),
    printcolumn(
        name = "Fingerprint",
        type_ = "string",
        json_path = ".status.fingerprint",
        priority = 1
    ),
    printcolumn(name = "Account", type_ = "string", json_path = ".status.accountID", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.type != 'Imported' || has(self.imported) || self.ensure == \
                            'Absent'")
        .message("type Imported needs spec.imported with a publicKey or publicKeyFrom; it may be \
                  left out only with ensure: Absent"),
    validation = Rule::new("self.type == 'Imported' || !has(self.imported)")
        .message("spec.imported is allowed only with type: Imported; remove it"),
    validation = Rule::new("self.type == 'Generated' || !has(self.generated)")
        .message("spec.generated is allowed only with type: Generated; remove it"),
    validation = Rule::new("self.type == 'Default' || !has(self.default)")
        .message("spec.default is allowed only with type: Default; remove it"),
    validation = Rule::new("!has(self.keyPairName) || \
                            self.keyPairName.matches('^[A-Za-z0-9_][A-Za-z0-9_.-]*[A-Za-z0-9_]$')")
        .message("keyPairName may contain only letters, digits and _ . -, with a letter, digit or \
                  _ at each end, as Lightsail requires; write, for example, fleet-1"),
    validation = Rule::new("self.type != 'Default' || !has(self.keyPairName)")
        .message("the default key pair has a fixed name; remove spec.keyPairName"),
    validation = Rule::new("self.type == 'Default' || !has(self.keyPairName) || \
                            self.keyPairName.lowerAscii() != 'lightsaildefaultkeypair'")
        .message("keyPairName is the name of the region's default key pair; use type: Default for \
                  it, or choose another name"),
    validation = Rule::new("!has(oldSelf.accountRef) || (has(self.accountRef) && \
                            self.accountRef.name == oldSelf.accountRef.name)")
        .message("accountRef is immutable once it is set; create a new object to use another \
                  account"),
    validation = Rule::new("has(self.keyPairName) == has(oldSelf.keyPairName) && \
                            (!has(self.keyPairName) || self.keyPairName == oldSelf.keyPairName)")
        .message("keyPairName is immutable, and cannot be set later; create a new object for \
                  another key pair"),
    validation = Rule::new("!has(self.expectedFingerprint) || \
                            (self.expectedFingerprint.matches('^[A-Za-z0-9:+/=_.,() -]*$') && \
                            !self.expectedFingerprint.matches('PRIVATE|^MII|MC4CAQ|MHcCAQ|b3BlbnN'))")
        .message("expectedFingerprint must be a fingerprint as Lightsail lists it; write, for \
                  example, 1f:5f:96:39:59:6a:47:a2:f2:b7:b9:d4:28:8b:fd:13"),
    validation = Rule::new("self.type != 'Default' || self.ensure != 'Absent' || \
                            has(self.expectedFingerprint)")
        .message("deleting the default key pair needs spec.expectedFingerprint; copy it from \
                  status.fingerprint"),
    validation = Rule::new("self.type != 'Default' || !has(self.deletionPolicy) || \
                            self.deletionPolicy != 'Delete' || has(self.expectedFingerprint)")
        .message("deletionPolicy: Delete for the default key pair needs spec.expectedFingerprint; \
                  copy it from status.fingerprint, or use Retain"),
)]
pub struct LightsailKeyPairSpec {
    /// The `LightsailAccount` to use. Immutable once it is set. Default: none; the operator then
    /// uses its own credentials.
    ///
    /// Required as soon as the cluster has a `LightsailAccount`, and always with the operator's
    /// flag `--accounts-required`, except in the namespaces that `--unscoped-namespace` names. If
    /// you set it on an object that has a key pair, the `accountID` of the account must equal
    /// `status.accountID`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "AccountRef")]
    pub account_ref: Option<AccountRef>,

    /// The type of the key pair. Immutable.
    ///
    /// - `Imported`: the operator imports the public key in `spec.imported`. You keep the private
    ///   key.
    /// - `Generated`: the operator generates the key, writes the private key to a Secret, and
    ///   imports the public key.
    /// - `Default`: the default key pair of the region, which has the name
    ///   `LightsailDefaultKeyPair`. The operator downloads its private key to a Secret.
    #[serde(rename = "type")]
    #[x_kube(validation = Rule::new("self == oldSelf").message("type is immutable; create a new \
        object"))]
    pub type_: KeyPairType,

    /// The AWS region of the key pair, for example `eu-west-1`. Immutable.
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(
        validation = Rule::new("self.matches('^[a-z]{2,4}(-[a-z]+)+-[0-9]+$')")
            .message("region must be the name of an AWS region, not of a zone; write, for example, \
                      eu-west-1"),
        validation = Rule::new("self == oldSelf")
            .message("region is immutable; create a new object for another region"),
    )]
    pub region: String,

    /// The name of the key pair in Lightsail, for example `fleet`. Immutable, and cannot be set
    /// later. Default: the name of this object. Not allowed with `type: Default`.
    ///
    /// Names are unique among all resources of a region: the key pair cannot have the name of an
    /// instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 255))]
    pub key_pair_name: Option<String>,

    /// Whether the key pair should exist. Default: `Present`.
    ///
    /// With `Absent`, the operator deletes the key pair if it belongs to this object, or if it has
    /// exactly the fingerprint in `expectedFingerprint`. The operator keeps this object and the
    /// Secret.
    #[serde(default)]
    pub ensure: Ensure,

    /// What deleting this object does to the key pair in Lightsail: `Delete` or `Retain`.
    ///
    /// Default: `Delete` for a key pair that this object imported or generated; `Retain` for an
    /// adopted one, and for `type: Default`. A suspended object always retains its key pair.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "DeletionPolicy")]
    pub deletion_policy: Option<DeletionPolicy>,

    /// What to do if a key pair with this name already exists. Default:
    /// `IfFingerprintMatches`. It has no effect with `type: Default`.
    ///
    /// - `IfFingerprintMatches`: adopt it if it has no other owner's tag, and no fingerprint that
    ///   shows another key.
    /// - `TakeOver`: the same; if it has this key, also replace another owner's tag. This happens
    ///   once: if the tag is changed again later, the object becomes Stalled with the reason
    ///   `OwnershipLost`.
    /// - `Never`: do not adopt it.
    ///
    /// A key pair that has this key and this object's own owner tag is always adopted: the object
    /// was restored without its status.
    ///
    /// An object that cannot adopt the key pair becomes Stalled with the reason `NameConflict`.
    #[serde(default)]
    pub adoption_policy: AdoptionPolicy,

    /// The fingerprint of the key pair that may be deleted, as `status.fingerprint` shows it, for
    /// example `1f:5f:96:39:59:6a:47:a2:f2:b7:b9:d4:28:8b:fd:13`. Default: none.
    ///
    /// If it is set, the operator deletes only a key pair with exactly this fingerprint. With
    /// `type: Default`, every deletion requires it. A fingerprint in another form, such as that of
    /// `ssh-keygen -l`, works only if the spec or the Secret holds the key, so that the operator
    /// can compare the two forms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub expected_fingerprint: Option<String>,

    /// The tags of the key pair in Lightsail, for example `team: a`. At most 40. Default: none.
    ///
    /// If you remove a tag here, the operator removes it in Lightsail. It leaves alone tags that
    /// were never listed here. Keys have 1 to 128 characters and values up to 256: letters, digits,
    /// spaces and `+ - = . _ : / @`. Keys must not start with `aws:` or `lightsail-operator.dev/`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::tags")]
    #[x_kube(
        validation = Rule::new(are_tags("self[key]"))
            .message("keys of tags must have 1 to 128 characters; use letters, digits, spaces and \
                      + - = . _ : / @ in keys and values"),
        validation = Rule::new("self.all(key, !key.lowerAscii().startsWith('aws:') && \
                                !key.lowerAscii().startsWith('lightsail-operator.dev/'))")
            .message("keys of tags must not start with aws: or lightsail-operator.dev/, in upper \
                      or lower case; choose another prefix"),
    )]
    pub tags: BTreeMap<String, String>,

    /// If `true`, the operator changes nothing, and shows its next step in `status.plannedStep`.
    /// Exception: if a Secret must outlive this object, the operator removes the Secret's owner
    /// reference to it. Default: `false`.
    ///
    /// If you delete a suspended object, its key pair stays in Lightsail, as with `deletionPolicy:
    /// Retain`.
    #[serde(default)]
    pub suspend: bool,

    /// How often the operator checks whether Lightsail still has what this spec describes, from
    /// `1m` to `168h`, for example `1h30m`. Default: `10m`.
    #[serde(default = "default_interval")]
    #[schemars(length(min = 2, max = 32))]
    #[x_kube(validation = Rule::new("self.matches('^([0-9]{1,7}([.][0-9]{1,3})?(s|m|h))+$') && \
                                     duration(self) >= duration('1m') && \
                                     duration(self) <= duration('168h')")
        .message("interval must be from 1m to 168h, in h, m and s; write, for example, 10m or \
                  1h30m"))]
    pub interval: String,

    /// The settings for `type: Imported`. Required with it, except with `ensure: Absent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<ImportedKeyPair>,

    /// The settings for `type: Generated`. All fields have defaults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generated: Option<GeneratedKeyPair>,

    /// The settings for `type: Default`. All fields have defaults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<DefaultKeyPair>,
}

fn default_interval() -> String {
    "10m".to_owned()
}

impl Reconciled for LightsailKeyPair {
    type Status = LightsailKeyPairStatus;

    const IS_NAMESPACED: bool = true;
    const FINALIZER: Option<&'static str> = Some(FINALIZER);

    fn last_handled_reconcile(&self) -> Option<&str> {
        self.status.as_ref()?.last_handled_reconcile.as_deref()
    }

    fn conditions(&self) -> &[Condition] {
        self.status.as_ref().map_or(&[], |status| &status.conditions)
    }
}
