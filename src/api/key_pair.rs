//! The kind `LightsailKeyPair`.

#![expect(clippy::duplicated_attributes, reason = "each printer column has a type of its own")]
#![expect(unreachable_pub, reason = "derive(KubeSchema) copies the types into functions")]

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::operation::Operation;
use super::reconciled::Reconciled;
use super::schema;

/// A key pair in a region of Amazon Lightsail: that it exists with a public key, or that it does
/// not exist.
///
/// `type: Imported` imports the public key that you give. `type: Generated` makes a key pair in the
/// cluster, keeps the private key in a Secret and imports the public half. `type: Default` is the
/// region's default key pair, which Lightsail makes by itself: its private key is downloaded into a
/// Secret, and it is deleted only if you name its fingerprint.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "lightsail-operator.dev",
    version = "v1alpha1",
    kind = "LightsailKeyPair",
    doc = "A key pair in a region of Amazon Lightsail: that it exists with a public key, or that \
           it does not exist.",
    plural = "lightsailkeypairs",
    singular = "lightsailkeypair",
    shortname = "lskp",
    category = "lightsail",
    namespaced,
    status = "LightsailKeyPairStatus",
    derive = "PartialEq",
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
        .message("spec.imported belongs to type Imported; remove it"),
    validation = Rule::new("self.type == 'Generated' || !has(self.generated)")
        .message("spec.generated belongs to type Generated; remove it"),
    validation = Rule::new("self.type == 'Default' || !has(self.default)")
        .message("spec.default belongs to type Default; remove it"),
    validation = Rule::new("self.type != 'Default' || !has(self.keyPairName)")
        .message("the default key pair has a fixed name; remove spec.keyPairName"),
    validation = Rule::new("self.type == 'Default' || !has(self.keyPairName) || \
                            self.keyPairName.lowerAscii() != 'lightsaildefaultkeypair'")
        .message("that is the name of the region's default key pair; use type: Default for it, or \
                  choose another keyPairName"),
    validation = Rule::new("has(self.keyPairName) == has(oldSelf.keyPairName) && \
                            (!has(self.keyPairName) || self.keyPairName == oldSelf.keyPairName)")
        .message("keyPairName is immutable, and so is leaving it unset; make a new object for \
                  another key pair"),
    validation = Rule::new("self.type != 'Default' || self.ensure != 'Absent' || \
                            has(self.expectedFingerprint)")
        .message("deleting the default key pair needs spec.expectedFingerprint; copy it from \
                  status.fingerprint"),
    validation = Rule::new("self.type != 'Default' || !has(self.deletionPolicy) || \
                            self.deletionPolicy != 'Delete' || has(self.expectedFingerprint)")
        .message("deletionPolicy: Delete of the default key pair needs spec.expectedFingerprint; \
                  copy it from status.fingerprint, or use Retain"),
)]
pub struct LightsailKeyPairSpec {
    /// What kind of key pair this is. Immutable.
    ///
    /// - `Imported`: Lightsail gets the public key of `spec.imported`; the private key stays with
    ///   you.
    /// - `Generated`: the operator makes the key pair, writes the private key into a Secret, and
    ///   imports the public half.
    /// - `Default`: the region's default key pair, called `LightsailDefaultKeyPair`; its private
    ///   key is downloaded into a Secret.
    #[serde(rename = "type")]
    #[x_kube(validation = Rule::new("self == oldSelf").message("type is immutable; make a new \
        object"))]
    pub type_: KeyPairType,

    /// The AWS region, for example `eu-west-1`. Immutable: a key pair lives in one region.
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(
        validation = Rule::new("self.matches('^[a-z]{2,4}(-[a-z]+)+-[0-9]+$')")
            .message("region must be the name of an AWS region and not of a zone; write for \
                      example eu-west-1"),
        validation = Rule::new("self == oldSelf")
            .message("region is immutable; make a new object for another region"),
    )]
    pub region: String,

    /// The name of the key pair in Lightsail, for example `fleet`. Immutable. Default: the name of
    /// this object.
    ///
    /// Names are unique in a region among all resources of Lightsail. Not allowed for `type:
    /// Default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 255))]
    #[x_kube(
        validation = Rule::new("self.matches('^[A-Za-z0-9_][A-Za-z0-9_.-]*[A-Za-z0-9_]$')")
            .message("keyPairName must have letters, digits and _ . - only, with a letter, digit \
                      or _ at each end, as names in Lightsail do; write for example fleet-1"),
    )]
    pub key_pair_name: Option<String>,

    /// Whether the key pair should be there. Default: `Present`.
    ///
    /// `Absent` deletes the key pair if it is this object's own, or if `expectedFingerprint` names
    /// it exactly.
    #[serde(default)]
    pub ensure: Ensure,

    /// What deleting this object does to the key pair in Lightsail: `Delete` or `Retain`.
    ///
    /// Default: `Delete` for a key pair that this object imported or generated; `Retain` for one
    /// that was there before, and for `type: Default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "DeletionPolicy")]
    pub deletion_policy: Option<DeletionPolicy>,

    /// What to do with a key pair of this name that is already there. Default:
    /// `IfFingerprintMatches`.
    ///
    /// - `IfFingerprintMatches`: it becomes this object's if it has this key, and if no other
    ///   owner's tag is on it.
    /// - `TakeOver`: it becomes this object's if it has this key, even then. That happens once: if
    ///   the tag is changed again later, the object becomes Stalled with the reason
    ///   `OwnershipLost`.
    /// - `Never`: the object becomes Stalled with the reason `NameConflict`.
    #[serde(default)]
    pub adoption_policy: AdoptionPolicy,

    /// The fingerprint of the key pair that may be deleted, as Lightsail prints it, for example
    /// `1f:5f:96:39:59:6a:47:a2:f2:b7:b9:d4:28:8b:fd:13`.
    ///
    /// With another fingerprint nothing is deleted. `type: Default` needs it for every deletion.
    /// Copy it from `status.fingerprint`. In another form, such as that of `ssh-keygen -l`, it
    /// counts only if the key in this spec or in the Secret has both fingerprints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub expected_fingerprint: Option<String>,

    /// The tags of the key pair in Lightsail, for example `team: a`. At most 40. Default: none.
    ///
    /// Tags that are not named here, and never were, are left alone. Keys have 1 to 128 and values
    /// up to 256 characters: letters, digits, spaces and `+ - = . _ : / @`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::tags")]
    #[x_kube(
        validation = Rule::new("self.all(key, key.matches('^[\\\\p{L}\\\\p{N} +=._:/@-]{1,128}$') \
                                && self[key].matches('^[\\\\p{L}\\\\p{N} +=._:/@-]*$'))")
            .message("tags have keys of 1 to 128 characters; use letters, digits, spaces and + - = \
                      . _ : / @ in keys and values"),
        validation = Rule::new("self.all(key, !key.lowerAscii().startsWith('aws:') && \
                                !key.lowerAscii().startsWith('lightsail-operator.dev/'))")
            .message("keys of tags must not start with aws: or lightsail-operator.dev/, in upper \
                      or lower case; choose another prefix"),
    )]
    pub tags: BTreeMap<String, String>,

    /// Whether to change nothing and only say what would be done, in `status.plannedStep`. Default:
    /// `false`.
    ///
    /// Deleting a suspended object lets the key pair stay in Lightsail.
    #[serde(default)]
    pub suspend: bool,

    /// How often to check whether Lightsail still has what this spec wants, for example `10m` or
    /// `1h30m`. At least `1m`. Default: `10m`.
    #[serde(default = "default_interval")]
    #[schemars(length(min = 2, max = 32))]
    #[x_kube(validation = Rule::new("self.matches('^([0-9]+([.][0-9]+)?(s|m|h))+$') && \
                                     duration(self) >= duration('1m') && \
                                     duration(self) <= duration('168h')")
        .message("interval must be a time from 1m to 168h; write for example 10m or 1h30m"))]
    pub interval: String,

    /// The settings of `type: Imported`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<ImportedKeyPair>,

    /// The settings of `type: Generated`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generated: Option<GeneratedKeyPair>,

    /// The settings of `type: Default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<DefaultKeyPair>,
}

fn default_interval() -> String {
    "10m".to_owned()
}

/// What kind of key pair it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum KeyPairType {
    /// A public key that you give is imported.
    Imported,
    /// The operator makes the key pair.
    Generated,
    /// The region's default key pair.
    Default,
}

/// What to do with a key pair that is already there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AdoptionPolicy {
    /// It is adopted if it has this key and no other owner's tag.
    #[default]
    IfFingerprintMatches,
    /// It is adopted if it has this key.
    TakeOver,
    /// It is left alone.
    Never,
}

/// What another key does to the key pair in Lightsail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ReplacePolicy {
    /// Nothing; the object says so.
    #[default]
    Never,
    /// The key pair is deleted and made anew.
    Recreate,
}

/// Whether a key pair should be there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Ensure {
    /// It should be there.
    #[default]
    Present,
    /// It should not be there.
    Absent,
}

/// What deleting the object does to the key pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    /// The key pair is deleted too.
    Delete,
    /// The key pair stays in Lightsail.
    Retain,
}

/// In a CEL rule: what has a private key in it, in OpenSSH's form, in PEM or of `PuTTY`. Rules are
/// short: the API server estimates what they cost.
const PRIVATE: &str = "self.publicKey.contains('PRIVATE KEY') || \
                       self.publicKey.contains('PuTTY-User-Key')";
/// A private key in base64: the data of OpenSSH's form, or the beginning of a file of `PuTTY` or in
/// PEM (`-----BEGIN OPEN`, `RSA PRI`, `PRIV`, `ENCR`, `EC P`, `DSA`).
const ENCODED: &str = "b3BlbnNzaC1rZXktdj|UHVUVFktVXNl|\
                       LS0tLS1CRUdJTiB(PUEVO|SU0EgUFJJ|QUklW|FTkNS|FQyBQ|EU0Eg)";
/// The beginning of what may be a public key, or base64 of one.
const PUBLIC: &str =
    r"^\\W*(ssh-|ecdsa-|sk-|BEGIN (RSA )?PUBLIC|BEGIN SSH2|[A-Za-z0-9+/=\\s]{60,}$)";
/// A line of OpenSSH's form, and another line below it.
const TWO_LINES: &str = r"^\\W*(ssh|ecdsa|sk)-[^\\n]*\\n\\s*[^\\s#]";

/// In a CEL rule: whether this is a name that an object can have, RFC 1123.
fn is_object_name(value: &str) -> String {
    let part = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
    format!("{value}.matches('^{part}([.]{part})*$')")
}

/// The settings of `type: Imported`.
// Rules about the key sit here, on its parent, and the field has no pattern: the API server echoes
// the value of the field that breaks a rule, and that value may be a private key that was pasted by
// mistake.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.publicKey) != has(self.publicKeyFrom)")
        .message("spec.imported needs exactly one of publicKey and publicKeyFrom"),
    validation = Rule::new(format!(
        "!has(self.publicKey) || !({PRIVATE} || self.publicKey.matches('{ENCODED}'))"
    ))
        .message("publicKey holds a private key; give its public key, which ssh-keygen -y -f \
                  KEYFILE or puttygen KEY.ppk -O public-openssh prints, and better make a new key \
                  pair, since this one may have been recorded here"),
    validation = Rule::new(format!(
        "!has(self.publicKey) || {PRIVATE} || self.publicKey.matches('{PUBLIC}')"
    ))
        .message("publicKey must be a public key without anything in front of it: the line of a \
                  .pub file, for example ssh-ed25519 AAAA… or ssh-rsa AAAA…, or one in RFC 4716 or \
                  PEM; ssh-keygen -y -f KEYFILE prints such a line"),
    validation = Rule::new(format!(
        "!has(self.publicKey) || {PRIVATE} || !self.publicKey.matches('{TWO_LINES}')"
    ))
        .message("publicKey must be one key; give the line of one key as in a .pub file, and make \
                  one object for each key"),
    validation = Rule::new("!has(self.publicKey) || self.publicKey.size() <= 16384")
        .message("publicKey must be at most 16384 characters; give the line of a .pub file alone"),
)]
pub struct ImportedKeyPair {
    /// The public key as in a `.pub` file, for example `ssh-ed25519 AAAAC3Nz… you@example.com`.
    /// Ed25519 and RSA are known to work.
    ///
    /// RFC 4716 and PEM are taken too, with the lines that they have, and base64 of any of these.
    /// A change of comment or white space is no change. What another key does is up to
    /// `replacePolicy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,

    /// Where the public key stands, instead of `publicKey`. It is read at each reconciliation: a
    /// change is seen within `interval`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "PublicKeySource")]
    pub public_key_from: Option<PublicKeySource>,

    /// What another public key does to the key pair in Lightsail. Default: `Never`.
    ///
    /// - `Never`: nothing; the object becomes Stalled with the reason `PublicKeyChanged`.
    /// - `Recreate`: the key pair is deleted and imported anew. Running instances do not get the
    ///   new key by that. A key pair that was adopted is never replaced.
    #[serde(default)]
    pub replace_policy: ReplacePolicy,
}

/// Where a public key stands, in the namespace of this object.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.secretKeyRef) != has(self.configMapKeyRef)")
    .message("publicKeyFrom needs exactly one of secretKeyRef and configMapKeyRef"))]
pub struct PublicKeySource {
    /// A key of a Secret, for example name `fleet-ssh`, key `ssh-publickey`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "KeyReference")]
    pub secret_key_ref: Option<KeyReference>,
    /// A key of a ConfigMap, for example name `keys`, key `fleet.pub`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "KeyReference")]
    pub config_map_key_ref: Option<KeyReference>,
}

/// A key of a Secret or ConfigMap.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyReference {
    /// The name of the Secret or ConfigMap.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new(is_object_name("self"))
        .message("name must be that of a Secret or ConfigMap in this namespace: lower case \
                  letters, digits, - and .; write for example fleet-keys"))]
    pub name: String,
    /// The key in its data.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new("self.matches('^[-._a-zA-Z0-9]+$')")
        .message("key must be a key in the data: letters, digits and - _ . only; write for \
                  example fleet.pub"))]
    pub key: String,
}

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
    #[x_kube(validation = Rule::new("self.all(key, \
                                     key.matches('^[a-zA-Z0-9]([-a-zA-Z0-9_.]{0,61}[a-zA-Z0-9])?$'))")
        .message("keys of a Secret's labels have no prefix, and at most 63 letters, digits, \
                  hyphens, underscores and dots"))]
    pub labels: BTreeMap<String, String>,

    /// Whether the Secret is deleted with this object. Default: `false`: the private key outlives
    /// the object.
    #[serde(default)]
    pub delete_with_object: bool,
}

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

impl Reconciled for LightsailKeyPair {
    type Status = LightsailKeyPairStatus;

    fn observed_generation(&self) -> i64 {
        self.status.as_ref().map_or(-1, |status| status.observed_generation)
    }

    fn last_handled_reconcile(&self) -> Option<&str> {
        self.status.as_ref()?.last_handled_reconcile.as_deref()
    }

    fn conditions(&self) -> &[Condition] {
        self.status.as_ref().map_or(&[], |status| &status.conditions)
    }

    fn status(&self) -> Option<&Self::Status> {
        self.status.as_ref()
    }
}
