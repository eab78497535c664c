//! Why nothing was deleted, though a pair is there: it is not known to be the one that is meant.

use std::fmt::{Formatter, Result};

use super::release::{or_retain, way_out};
use crate::ids::{Fingerprint, KeyPairName};
use crate::ssh::Form;

/// Why nothing was deleted.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum NotDeleted<'a> {
    TaggedWithoutRecord,
    UnknownKey,
    NotAsRecorded,
    NotOwn,
    NoExpectedFingerprint,
    NotExpected { expected: &'a Fingerprint },
    NoFingerprint,
    OtherForm { expected: &'a Fingerprint, form: Form },
}

impl NotDeleted<'_> {
    /// The text. `ends`: the object is being deleted.
    pub(super) fn write(&self, to: &mut Formatter<'_>, name: &KeyPairName, ends: bool) -> Result {
        to.write_str("nothing was deleted: ")?;
        match self {
            Self::TaggedWithoutRecord => write!(
                to,
                "the key pair {name} has this object's owner tag, but the object has no record of \
                 it; set deletionPolicy to Delete or Retain: with Delete, the operator deletes the \
                 key pair if it has this object's key; with Retain, it releases the object and \
                 leaves the key pair alone"
            ),
            Self::UnknownKey => write!(
                to,
                "the operator cannot identify the key of the key pair {name} by its fingerprint, \
                 and this object did not create the key pair; {}",
                way_out(
                    ends,
                    "to delete it, set expectedFingerprint to the fingerprint that Lightsail \
                     lists; if Lightsail lists none, run aws lightsail delete-key-pair \
                     --region REGION --key-pair-name NAME"
                )
            ),
            Self::NotAsRecorded => write!(
                to,
                "the key pair {name} is not the one that this object recorded; compare its \
                 fingerprint with status.fingerprint; {}",
                way_out(
                    ends,
                    "to delete it anyway, set expectedFingerprint to the one that Lightsail lists \
                     now"
                )
            ),
            Self::NotOwn => write!(
                to,
                "the key pair {name} does not belong to this object; {}",
                way_out(ends, "to delete it anyway, set expectedFingerprint to its fingerprint")
            ),
            Self::NoExpectedFingerprint => write!(
                to,
                "the operator deletes the key pair {name} only if expectedFingerprint is set; \
                 copy it from status.fingerprint{}",
                or_retain(ends)
            ),
            Self::NotExpected { expected } => write!(
                to,
                "the fingerprint of the key pair {name} is not the expectedFingerprint \
                 {expected}; compare it with the output of aws lightsail get-key-pairs --region \
                 REGION --include-default-key-pair, and if this is the key pair that you want to \
                 delete, correct expectedFingerprint{}",
                or_retain(ends)
            ),
            Self::NoFingerprint => write!(
                to,
                "Lightsail lists no fingerprint for the key pair {name}, so expectedFingerprint \
                 cannot identify it; {}",
                way_out(
                    ends,
                    "to delete it, run aws lightsail delete-key-pair --region REGION \
                     --key-pair-name NAME"
                )
            ),
            Self::OtherForm { expected, form } => write!(
                to,
                "the operator cannot compare expectedFingerprint {expected} with the key pair \
                 {name}, because no key in the spec or in a Secret has both this fingerprint and \
                 the one that Lightsail lists; write the fingerprint as Lightsail lists it: {}{}",
                match form {
                    Form::Md5 => "16 pairs of hexadecimal digits with colons",
                    Form::Sha1 => "20 pairs of hexadecimal digits with colons",
                    Form::Sha256 => "SHA256: followed by base64",
                    Form::Base64 => "base64 that ends with =",
                    Form::Other => "every character as it is listed",
                },
                or_retain(ends)
            ),
        }
    }
}
