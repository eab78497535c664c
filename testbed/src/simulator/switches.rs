//! What can be changed about the simulator's behaviour, because Lightsail's is unknown or because it varies.
//!
//! Each field says what AWS documents, if anything. The defaults are the likeliest behaviour.

/// Where Lightsail's behaviour is unknown or varies, the answer that the simulator gives.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent of each other, and tests set them by name")]
pub struct Switches {
    /// Send `x-amzn-errortype` with each error. By default the type is in the body alone, as
    /// <https://github.com/aws/aws-sdk/issues/665> shows for Lightsail.
    pub error_type_header: bool,
    /// Show the fingerprint of key pairs. `false` leaves the member out, which the API model allows.
    pub fingerprints: bool,
    /// How many entries a page of a list has. The real size is not documented. 0 counts as 1.
    pub page_size: usize,
    /// Which `GetOperation` first sees an operation of `DeleteKnownHostKeys` as terminal: the first (1), the second (2), ….
    /// With 0 it is terminal in the answer that starts it, as in the AWS CLI's example.
    pub operation_polls: u32,
    /// How operations of `DeleteKnownHostKeys` end.
    pub operation_status: OperationStatus,
    /// Compare the `expectedFingerprint` of `DeleteKeyPair` for custom key pairs too, if it is sent. The API Reference only
    /// speaks of the default pair; for it the comparison is always made.
    pub expected_fingerprint_on_custom_pairs: bool,
    /// Let `GetKeyPair` find the default key pair by its name. Not documented.
    pub default_pair_by_name: bool,
    /// Let the default key pair be tagged. Not documented.
    pub default_pair_taggable: bool,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            error_type_header: false,
            fingerprints: true,
            page_size: 20,
            operation_polls: 0,
            operation_status: OperationStatus::Succeeded,
            expected_fingerprint_on_custom_pairs: true,
            default_pair_by_name: true,
            default_pair_taggable: true,
        }
    }
}

/// How an operation ends. `Succeeded` and `Completed` both mean success in Lightsail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
