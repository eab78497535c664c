//! What is reported when an object is released, and how a person can release one.

use std::fmt;

/// Why an object is released while its pair, if it has one, stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum Release {
    Suspended,
    Retain,
    NeverHadPair,
    HasNoPair,
    DefaultIsOfAnother,
    NameIsOfAnother,
    SecretIsDeleted,
    SecretGoesWithObject,
    IsBeingDeleted,
    NoAccess,
    NamespaceIsDeleted,
    NoAccessNoRecord,
    StillCounted,
    MayBeCounted,
}

/// What releases an object that is being deleted.
pub(super) const RETAIN: &str =
    "set deletionPolicy: Retain to release the object and leave the key pair alone";

/// An object that is being deleted can always be released.
pub(super) fn way_out(ends: bool, otherwise: &'static str) -> &'static str {
    if ends { RETAIN } else { otherwise }
}

/// The same beside what a text advises.
pub(super) fn or_retain(ends: bool) -> String {
    if ends { format!(", or {RETAIN}") } else { String::new() }
}

impl fmt::Display for Release {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(match self {
            Self::Suspended => "the key pair stays in Lightsail because the object was suspended",
            Self::Retain => "the key pair stays in Lightsail because of deletionPolicy: Retain",
            Self::NeverHadPair => "the object never had a key pair",
            Self::HasNoPair => "the object had no key pair of its own",
            Self::DefaultIsOfAnother => {
                "the default key pair stays in Lightsail because another object has it"
            }
            Self::NameIsOfAnother => {
                "the object's key pair is gone, and the name belongs to another owner"
            }
            Self::SecretIsDeleted => {
                "the default key pair stays in Lightsail because the Secret that holds its \
                 private key is being deleted"
            }
            Self::IsBeingDeleted => {
                "the object was released while Lightsail was deleting its key pair, which may be \
                 gone"
            }
            Self::StillCounted => {
                "the key pair stays in Lightsail with its owner tag, and still counts toward \
                 allowed.maxKeyPairs of the LightsailAccount"
            }
            Self::MayBeCounted => {
                "the import was not finished: if the key pair exists in Lightsail, it stays there, \
                 and with its owner tag it counts toward allowed.maxKeyPairs of the \
                 LightsailAccount"
            }
            Self::NoAccess => {
                "the key pair stays in Lightsail, and so does its owner tag if it has one: the \
                 object is not allowed to use its AWS account, and is suspended or \
                 retains its key pair"
            }
            Self::NamespaceIsDeleted => {
                "the key pair stays in Lightsail, and so does its owner tag if it has one: the \
                 object is not allowed to use its AWS account, and its namespace is being \
                 deleted"
            }
            Self::NoAccessNoRecord => {
                "the object is not allowed to use its AWS account, and has no key pair on \
                 record"
            }
            Self::SecretGoesWithObject => {
                "the default key pair stays in Lightsail because the Secret that holds its \
                 private key is deleted with the object"
            }
        })
    }
}
