//! Lightsail's resources, in the types of this project.

use std::collections::BTreeMap;

use k8s_openapi::jiff::{Timestamp, Unit};

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

    /// Whether it was created at this time, to the millisecond: an older version has recorded times
    /// a little less.
    #[must_use]
    pub fn is_created_at(&self, recorded: Option<&str>) -> bool {
        let to_millis = |text: &str| {
            let time: Timestamp = text.parse().ok()?;
            time.round(Unit::Millisecond).ok()
        };
        let shown = self.created_at.as_deref();
        let times = shown.and_then(to_millis).zip(recorded.and_then(to_millis));
        shown == recorded || times.is_some_and(|(shown, recorded)| shown == recorded)
    }
}

/// What `GetKeyPairs` lists.
#[derive(Clone, Debug)]
pub struct ListedPairs {
    /// The pairs.
    pub pairs: Vec<KeyPair>,
    /// How many entries besides have no name or no ARN, and are no pairs that anybody could use.
    pub unusable: usize,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_as_old_as_on_record_to_the_millisecond() {
        let pair = |created_at: Option<&str>| KeyPair {
            name: "fleet".into(),
            arn: "arn:1".into(),
            created_at: created_at.map(str::to_owned),
            support_code: None,
            fingerprint: None,
            tags: Tags::new(),
        };
        let now = Some("2026-11-30T09:05:14.238Z");
        for (shown, recorded, expected) in [
            (now, now, true),
            (now, Some("2026-11-30T09:05:14.237999Z"), true),
            (now, Some("2026-11-30T09:05:14.237Z"), false),
            (now, None, false),
            (None, now, false),
            (None, None, true),
            (Some("yesterday"), Some("yesterday"), true),
            (Some("yesterday"), Some("today"), false),
        ] {
            assert_eq!(pair(shown).is_created_at(recorded), expected, "{shown:?} {recorded:?}");
        }
    }
}
