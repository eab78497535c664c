//! What is known of a key pair in Lightsail, and what the export does with it.

use crate::ids::{AccountId, KeyPairName, Owner, Region, Scope};
use crate::lightsail::KeyPair;

use super::keys::Location;

/// What was read of one region.
#[derive(Clone, Debug)]
pub(super) struct RegionRead {
    pub(super) scope: Scope,
    pub(super) pairs: Vec<KeyPair>,
    /// The instances and their key pairs; `None` if they were not read.
    pub(super) instances: Option<Vec<(String, KeyPairName)>>,
    /// What Lightsail's clock showed, in seconds since 1970.
    pub(super) now: Option<i64>,
}

/// What came of an export.
#[derive(Clone, Debug)]
pub(super) struct Findings {
    pub(super) pairs: Vec<Exported>,
    pub(super) failed: Failed,
    /// How many default key pairs are left out, because no flag asks for them.
    pub(super) default_pairs: usize,
    /// The region of each key pair that is left out, because a value of it looks like a private
    /// key.
    pub(super) withheld: Vec<Region>,
}

/// What could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failed {
    /// These regions, or none.
    Regions(Vec<Region>),
    /// The list of regions, so that no region was read.
    List,
}

/// A key pair, and what the export does with it.
#[derive(Clone, Debug)]
pub(super) struct Exported {
    pub(super) account: AccountId,
    pub(super) region: Region,
    pub(super) pair: KeyPair,
    /// In seconds.
    pub(super) age: Option<i64>,
    /// Who uses it; `None` if that was not read.
    pub(super) instances: Option<Vec<String>>,
    /// The name of its object.
    pub(super) object: String,
    /// Where its key was found.
    pub(super) locations: Vec<Location>,
    pub(super) finding: Finding,
}

/// What the export does with a key pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// An object of type `Imported` with this public key.
    Imported { line: String },
    /// An object of type `Generated` with this Secret.
    Generated { secret: String },
    /// A suspended object of type `Default`.
    Default,
    /// An operator manages it already.
    Managed { owner: Managed, is_gone: Option<Gone> },
    /// No object.
    Unmatched(Why),
}

/// Who manages a key pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Managed {
    /// The owner in the owner tag, whose names are such that a cluster can have them.
    By(Owner),
    /// The tag has no value or one of another shape, or is spelled otherwise: the operator takes
    /// it for another owner's.
    Unknown,
}

/// What is gone of an owner of this cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gone {
    Namespace,
    Object,
}

impl Gone {
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Namespace => "namespace gone",
            Self::Object => "object gone",
        }
    }
}

/// Why there is no object for a key pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    NoFingerprint,
    UnknownFingerprint,
    NoKey,
    MadeByLightsail,
    PrivateKeyNeeded,
    NameUnusable,
}

impl Why {
    /// In letters, digits and `_.-` only, as comments have it.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::NoFingerprint => "Lightsail lists no fingerprint",
            Self::UnknownFingerprint => "its fingerprint has an unknown form",
            Self::NoKey => "no key has its fingerprint",
            Self::MadeByLightsail => "Lightsail made it and its private key was not found",
            Self::PrivateKeyNeeded => {
                "Lightsail made it and its private key must be in a Secret of the namespace"
            }
            Self::NameUnusable => "its name cannot be used in a manifest",
        }
    }

    /// For scripts.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::NoFingerprint => "NoFingerprint",
            Self::UnknownFingerprint => "UnknownFingerprint",
            Self::NoKey => "NoKey",
            Self::MadeByLightsail => "MadeByLightsail",
            Self::PrivateKeyNeeded => "PrivateKeyNeeded",
            Self::NameUnusable => "NameUnusable",
        }
    }
}
