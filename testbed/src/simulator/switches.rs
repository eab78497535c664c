//! What can be changed about the simulator's behavior, because Lightsail's is unknown or because
//! it varies.
//!
//! This is the one place where each of them is named; `testbed/README.md` has the same list as a
//! table. Each field says what AWS documents, if anything. The defaults are the likeliest
//! behavior. In JSON the names are in camelCase and times are seconds.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Where Lightsail's behavior is unknown or varies, the answer that the simulator gives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are independent of each other, and tests set them by name"
)]
pub struct Switches {
    /// Send `x-amzn-errortype` with each error. By default the type is in the body alone, as
    /// <https://github.com/aws/aws-sdk/issues/665> shows for Lightsail.
    pub error_type_header: bool,
    /// Answer the HTTP statuses of the SDKs' models (404 for `NotFoundException`, 428 for a setup
    /// in progress, 403, 401). By default they are those of the API Reference: 400 for every error
    /// of a client.
    pub model_http_statuses: bool,

    /// Show the fingerprint of key pairs. `false` leaves the member out, which the API model
    /// allows.
    pub fingerprints: bool,
    /// Show the fingerprint of the default key pair, if [`fingerprints`](Self::fingerprints) are
    /// shown at all.
    pub default_pair_fingerprint: bool,
    /// What an imported RSA key pair shows. As nobody sent its private key, `Sha1OfPrivateKey`
    /// counts as `Md5OfSpki`.
    pub imported_rsa_fingerprint: RsaFingerprint,
    /// What a key pair of `CreateKeyPair` shows.
    pub created_fingerprint: RsaFingerprint,
    /// What the default key pair shows.
    pub default_pair_fingerprint_form: RsaFingerprint,
    /// What an imported Ed25519 key pair shows.
    pub ed25519_fingerprint: Ed25519Fingerprint,

    /// Let `ImportKeyPair` take the base64 blob of a key without its `ssh-rsa ` or `ssh-ed25519 `
    /// in front.
    pub blob_alone: bool,
    /// Let `ImportKeyPair` take a line with its line break at the end.
    pub trailing_newline: bool,
    /// Let `ImportKeyPair` take RSA keys of 1024, 2048 and 4096 bits only, as EC2 does. By default
    /// it takes all in between.
    pub ec2_rsa_sizes_only: bool,
    /// Let `ImportKeyPair` take ECDSA, DSA and security keys, and certificates, too. Their
    /// fingerprint is that of Ed25519 keys.
    pub other_key_types: bool,
    /// Let `ImportKeyPair` take RFC 4716 and PEM (`BEGIN PUBLIC KEY`) of RSA keys too.
    pub other_key_formats: bool,
    /// Hand out private keys as the base64 of their PEM. By default they are PEM as it is.
    pub private_keys_as_base64: bool,

    /// Let names have dots inside, as the service's own message says
    /// (<https://github.com/hashicorp/terraform-provider-aws/pull/8647>); the pattern of the API
    /// model has none.
    pub dots_in_names: bool,
    /// The longest name, in characters; 0 is no limit. None is documented.
    pub max_name_length: usize,
    /// Keep the name of the default key pair from everything else while that pair is absent.
    pub default_name_reserved: bool,

    /// Let `GetKeyPair` find the default key pair by its name. Not documented.
    pub default_pair_by_name: bool,
    /// Let the default key pair be tagged. Not documented.
    pub default_pair_taggable: bool,
    /// Compare the `expectedFingerprint` of `DeleteKeyPair` for custom key pairs too, if it is
    /// sent. The API Reference only speaks of the default pair; for it the comparison is always
    /// made.
    pub expected_fingerprint_on_custom_pairs: bool,
    /// The error for an `expectedFingerprint` that is wrong, or missing for the default pair.
    pub mismatch_error: MismatchError,

    /// How many entries a page of a list has. The real size is not documented. 0 counts as 1.
    pub page_size: usize,
    /// Which `GetOperation` first sees an operation of `DeleteKnownHostKeys` as terminal: the first
    /// (1), the second (2), …. With 0 it is terminal in the answer that starts it, as in the AWS
    /// CLI's example.
    pub operation_polls: u32,
    /// How long after its answer an operation of `DeleteKnownHostKeys` is terminal, whoever asks
    /// for it. Zero leaves that to [`operation_polls`](Self::operation_polls). Not documented.
    #[serde(with = "seconds")]
    pub operation_time: Duration,
    /// How operations of `DeleteKnownHostKeys` end.
    pub operation_status: OperationStatus,
    /// The same as [`operation_polls`](Self::operation_polls) for operations on key pairs and tags.
    /// They take effect immediately.
    pub key_pair_operation_polls: u32,
    /// How operations on key pairs and tags end. With `Failed` they have no effect, but for
    /// `CreateKeyPair`, which never fails this way, as it has answered the key.
    pub key_pair_operation_status: OperationStatus,
    /// How long after a key pair was imported, created or deleted `GetKeyPair` shows the name as it
    /// was before. Lists show the change immediately. Not documented.
    #[serde(with = "seconds")]
    pub key_pair_lag: Duration,
    /// What the operation of `ImportKeyPair` calls its type. The API model's enumeration has no
    /// word for it.
    pub import_operation_type: ImportOperationType,
    /// How many operations `DeleteKnownHostKeys` answers; 0 is an empty list, and nothing is
    /// recorded either.
    pub reset_operations: usize,
    /// How long after it has started an operation appears in lists. `GetOperation` knows it
    /// immediately.
    #[serde(with = "seconds")]
    pub operation_list_lag: Duration,
    /// How long an operation is known; zero is forever. Not documented. The newest 100 000 of a
    /// region are kept at most.
    #[serde(with = "seconds")]
    pub operation_retention: Duration,
    /// Let `GetOperationsForResource` know key pairs. The documentation speaks of instances and
    /// static IPs.
    pub operations_of_key_pairs: bool,
    /// Let lists begin with the newest operation, as in the AWS CLI's examples. The API Reference
    /// says of `GetOperations` that the oldest comes first.
    pub newest_operations_first: bool,
    /// Leave tags and fingerprint out of `CreateKeyPair`'s answer, as in the AWS CLI's example.
    pub created_pair_is_short: bool,

    /// Have the host keys of an instance on record as soon as it is launched. Otherwise the first
    /// connection of the browser client records them.
    pub host_keys_at_launch: bool,
    /// Record the host keys anew right after `DeleteKnownHostKeys`. Otherwise the next connection
    /// of the browser client does.
    pub host_keys_return_at_once: bool,
    /// Let `DeleteKnownHostKeys` succeed where nothing is on record. Otherwise that is a
    /// `NotFoundException`.
    pub reset_without_record_succeeds: bool,

    /// Whether account and region can be used already.
    pub setup: Setup,
    /// Refuse signatures for a region where Lightsail has no endpoint.
    pub known_regions_only: bool,
    /// Say that a resource does not exist before asking IAM about it. Otherwise a policy that names
    /// tags or ARNs denies it.
    pub not_found_before_denied: bool,
    /// Let IAM see the instance, with its tags, of `DeleteKnownHostKeys`. Otherwise its resource is
    /// `*`.
    pub reset_is_resource_level: bool,
    /// Show IAM the transitive tags that a session inherits as `aws:RequestTag/…`, `aws:TagKeys`
    /// and `sts:TransitiveTagKeys` too, beside `aws:PrincipalTag/…` of the session that asks. The
    /// trust policy for target roles in
    /// <https://docs.aws.amazon.com/eks/latest/userguide/pod-id-assign-target-role.html> needs
    /// that; the IAM User Guide says nothing of it.
    pub inherited_tags_in_request: bool,

    /// How many requests a second an account can make in a region; zero or less is no limit. The
    /// rate is not documented.
    pub requests_per_second: f64,
    /// How many requests can come in a burst under that rate.
    pub burst: f64,
    /// How long each request takes.
    #[serde(with = "seconds")]
    pub latency: Duration,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            error_type_header: false,
            model_http_statuses: false,
            fingerprints: true,
            default_pair_fingerprint: true,
            imported_rsa_fingerprint: RsaFingerprint::Md5OfSpki,
            created_fingerprint: RsaFingerprint::Sha1OfPrivateKey,
            default_pair_fingerprint_form: RsaFingerprint::Md5OfSpki,
            ed25519_fingerprint: Ed25519Fingerprint::Padded,
            blob_alone: false,
            trailing_newline: false,
            ec2_rsa_sizes_only: false,
            other_key_types: false,
            other_key_formats: false,
            private_keys_as_base64: false,
            dots_in_names: true,
            max_name_length: 0,
            default_name_reserved: true,
            default_pair_by_name: true,
            default_pair_taggable: true,
            expected_fingerprint_on_custom_pairs: true,
            mismatch_error: MismatchError::InvalidInput,
            page_size: 20,
            operation_polls: 0,
            operation_time: Duration::ZERO,
            operation_status: OperationStatus::Succeeded,
            key_pair_operation_polls: 0,
            key_pair_operation_status: OperationStatus::Succeeded,
            key_pair_lag: Duration::ZERO,
            import_operation_type: ImportOperationType::ImportKeyPair,
            reset_operations: 1,
            operation_list_lag: Duration::ZERO,
            operation_retention: Duration::ZERO,
            operations_of_key_pairs: true,
            newest_operations_first: true,
            created_pair_is_short: true,
            host_keys_at_launch: true,
            host_keys_return_at_once: false,
            reset_without_record_succeeds: true,
            setup: Setup::Done,
            known_regions_only: true,
            not_found_before_denied: true,
            reset_is_resource_level: true,
            inherited_tags_in_request: true,
            requests_per_second: 0.0,
            burst: 10.0,
            latency: Duration::ZERO,
        }
    }
}

impl Switches {
    /// The switches with some of them changed, by their names in JSON.
    pub(super) fn with(&self, changes: Map<String, Value>) -> Result<Self, String> {
        let mut all = serde_json::to_value(self).map_err(|error| error.to_string())?;
        for (name, value) in changes {
            all[name] = value;
        }
        serde_json::from_value(all).map_err(|error| error.to_string())
    }

    /// Changes one switch, by its name in JSON and its value in JSON, where a word needs no quotes.
    ///
    /// # Errors
    ///
    /// There is no such switch, or it has no such value.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
        *self = self.with(Map::from_iter([(name.to_owned(), value)]))?;
        Ok(())
    }
}

/// How an operation ends. `Succeeded` and `Completed` both mean success in Lightsail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OperationStatus {
    /// The usual success.
    Succeeded,
    /// The other success.
    Completed,
    /// The operation had no effect.
    Failed,
}

impl OperationStatus {
    /// The name in the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "Succeeded",
            Self::Completed => "Completed",
            Self::Failed => "Failed",
        }
    }
}

/// What is shown for an RSA key. The EC2 API Reference has the first for imported and the last for
/// created keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RsaFingerprint {
    /// MD5 over the DER `SubjectPublicKeyInfo`, in 16 pairs of hex digits.
    Md5OfSpki,
    /// MD5 over the blob of the OpenSSH line, in 16 pairs: what RFC 4716 itself says.
    Md5OfBlob,
    /// SHA-1 over the DER PKCS#8 private key, in 20 pairs.
    Sha1OfPrivateKey,
}

/// How the SHA-256 of an Ed25519 key's blob is written in base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ed25519Fingerprint {
    /// With `=` at its end.
    Padded,
    /// Without.
    Unpadded,
    /// `SHA256:` and without padding, as OpenSSH prints it.
    Prefixed,
}

/// How a wrong `expectedFingerprint` is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MismatchError {
    /// `InvalidInputException`.
    InvalidInput,
    /// `OperationFailureException`.
    OperationFailure,
}

/// The `operationType` of an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ImportOperationType {
    /// After the operation.
    ImportKeyPair,
    /// The one that the AWS CLI's examples show for created key pairs.
    CreateKeyPair,
    /// The member is left out.
    Absent,
}

/// Whether Lightsail can be used already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Setup {
    /// It can.
    Done,
    /// Every request is answered with `AccountSetupInProgressException`.
    AccountInProgress,
    /// Every request is answered with `RegionSetupInProgressException`.
    RegionInProgress,
}

/// Times as numbers of seconds.
pub(super) mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(in super::super) fn serialize<S: Serializer>(
        time: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(time.as_secs_f64())
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        Duration::try_from_secs_f64(f64::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::{OperationStatus, Switches};

    #[test]
    fn switches_are_set_by_name() {
        let mut switches = Switches::default();
        switches.set("pageSize", "3").expect("a number");
        switches.set("operationStatus", "Completed").expect("a word");
        switches.set("operationListLag", "1.5").expect("seconds");
        assert_eq!(
            (switches.page_size, switches.operation_status),
            (3, OperationStatus::Completed)
        );
        assert_eq!(switches.operation_list_lag.as_millis(), 1500);
        for (name, value) in [
            ("pagesize", "3"),
            ("pageSize", "many"),
            ("operationStatus", "Done"),
            ("latency", "-1"),
        ] {
            assert!(switches.clone().set(name, value).is_err(), "{name}={value}");
        }
    }

    #[test]
    fn the_table_in_the_documentation_has_every_switch_with_its_default() {
        let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
        let page = std::fs::read_to_string(&page).expect("the page is there");
        let Ok(Value::Object(defaults)) = serde_json::to_value(Switches::default()) else {
            panic!("an object")
        };
        for (name, default) in defaults {
            let number = default.as_f64().map(|number| number.to_string());
            let shown = number.unwrap_or_else(|| default.to_string().replace('"', ""));
            let row = format!("| `{name}` | `{shown}` |");
            assert!(page.contains(&row), "testbed/README.md has no row that begins with {row}");
        }
    }
}
