//! What kind of key pair there is, and what may become of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
