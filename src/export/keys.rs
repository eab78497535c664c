//! The keys that the user has, each once, wherever it was found. Pure.

use std::collections::BTreeMap;
use std::fmt;

use crate::ids::Fingerprint;
use crate::ssh::{Fingerprints, Match, PrivateKey, PublicKey};

/// Where a key was found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Location {
    /// In a file, and in which line of it if it has several keys.
    File { path: String, line: Option<usize> },
    /// In a state or plan of Terraform.
    Terraform { path: String },
    /// In a Secret.
    Secret { namespace: String, name: String, key: String },
}

impl fmt::Display for Location {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line: None } | Self::Terraform { path } => to.write_str(path),
            Self::File { path, line: Some(line) } => write!(to, "{path}:{line}"),
            Self::Secret { namespace, name, key } => {
                write!(to, "Secret {namespace}/{name} {key}")
            }
        }
    }
}

/// A Secret of the target namespace that a `Generated` object can refer to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Keeper {
    /// Its name.
    pub(super) name: String,
    /// The object that it names as its owner.
    pub(super) owner: Option<String>,
    /// The fingerprints that the operator computes from it: those of another form of the same key
    /// do not help.
    pub(super) forms: Fingerprints,
}

/// A key, and where it was found. Nothing of a private key is in it.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) public: PublicKey,
    /// Those of the private key too, if that was found.
    pub(super) forms: Fingerprints,
    pub(super) locations: Vec<Location>,
    pub(super) keepers: Vec<Keeper>,
}

impl Key {
    /// The OpenSSH line without its comment, which may say whose key it is.
    pub(super) fn line(&self) -> String {
        self.public.line().split(' ').take(2).collect::<Vec<_>>().join(" ")
    }
}

/// All keys.
#[derive(Debug, Default)]
pub(super) struct Keys {
    by_sha256: BTreeMap<String, Key>,
    /// Fingerprints that Terraform has without a public key of that fingerprint.
    hints: BTreeMap<String, Location>,
}

impl Keys {
    /// A public key was found.
    pub(super) fn add_public(&mut self, public: &PublicKey, location: Location) {
        let forms = public.fingerprints();
        self.add(public, &forms, location, None);
    }

    /// A private key was found. Its public half is kept, and its fingerprints.
    pub(super) fn add_private(
        &mut self,
        private: &PrivateKey,
        location: Location,
        keeper: Option<Keeper>,
    ) {
        self.add(private.public(), &private.fingerprints(), location, keeper);
    }

    /// Terraform knows a key pair with this fingerprint.
    pub(super) fn add_hint(&mut self, fingerprint: &str, location: Location) {
        self.hints.entry(fingerprint.to_owned()).or_insert(location);
    }

    fn add(
        &mut self,
        public: &PublicKey,
        forms: &Fingerprints,
        location: Location,
        keeper: Option<Keeper>,
    ) {
        let new = || Key {
            public: public.clone(),
            forms: forms.clone(),
            locations: vec![],
            keepers: vec![],
        };
        let key = self.by_sha256.entry(public.sha256()).or_insert_with(new);
        let mut all = [key.forms.forms(), forms.forms()].concat();
        all.sort();
        all.dedup();
        key.forms = Fingerprints::from_forms(all);
        key.locations.push(location);
        key.locations.sort();
        key.locations.dedup();
        key.keepers.extend(keeper);
        key.keepers.sort_by(|one, other| one.name.cmp(&other.name));
    }

    /// How many different keys there are.
    pub(super) fn len(&self) -> usize {
        self.by_sha256.len()
    }

    /// The key that has this fingerprint.
    pub(super) fn find(&self, listed: &Fingerprint) -> Option<&Key> {
        self.by_sha256.values().find(|key| key.forms.compare(Some(listed)) == Match::Same)
    }

    /// Where Terraform has this fingerprint.
    pub(super) fn find_hint(&self, listed: &Fingerprint) -> Option<&Location> {
        self.hints.get(listed.as_str())
    }
}
