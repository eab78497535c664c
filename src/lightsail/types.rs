//! Lightsail's resources, in the types of this project.

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;

use super::error::Error;
use crate::api::Operation;
use crate::clock::Moment;
use crate::ids::{Arn, Fingerprint, KeyPairName};
use crate::ssh::PrivateKey;

/// The result of a call.
pub type Result<T> = std::result::Result<T, Error>;

/// Tags.
pub type Tags = BTreeMap<String, Option<String>>;

/// A key pair as Lightsail lists it. The public key is never listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPair {
    /// Unique in its region among all types of resources.
    pub name: KeyPairName,
    /// It differs between pairs of the same name.
    pub arn: Arn,
    /// RFC 3339, by AWS's clock.
    pub created_at: Option<String>,
    /// For inquiries to AWS.
    pub support_code: Option<String>,
    /// The fingerprint, if Lightsail lists one.
    pub fingerprint: Option<Fingerprint>,
    /// A key-only tag has no value.
    pub tags: Tags,
}

impl KeyPair {
    /// When it was created, if Lightsail said so.
    #[must_use]
    pub fn created(&self) -> Option<Timestamp> {
        self.created_at.as_ref()?.parse().ok()
    }
}

/// What `DownloadDefaultKeyPair` answered.
#[derive(Clone, Debug)]
pub struct Downloaded {
    /// The private key.
    pub key: PrivateKey,
    /// RFC 3339, by AWS's clock.
    pub created_at: Option<String>,
}

/// What `DeleteKnownHostKeys` answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acknowledged {
    /// Several, one, or none.
    pub operations: Vec<Operation>,
    /// The id of the request, as CloudTrail has it; empty if there was none.
    pub request_id: String,
}

/// What `ImportKeyPair` answered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "one is alive at a time, for a moment")]
pub enum Imported {
    /// Lightsail accepted the key. The operation may still be running.
    Accepted(Operation),
    /// Something in the region already has the name, and Lightsail does not say what.
    NameTaken,
}

/// The parts of an instance that the operator uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// Its ARN.
    pub arn: Arn,
    /// Its tags; one without a value counts as one with an empty value.
    pub tags: BTreeMap<String, String>,
}

/// What was read, and when the request for it was sent.
#[derive(Clone, Debug)]
pub struct Read<T> {
    /// What was read. It may have changed since.
    pub value: T,
    /// When the request was sent.
    pub at: Moment,
}
