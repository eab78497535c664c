//! What is searched: specs, where it begins, and which disturbances there are.

use super::super::*;
use super::world::{Budget, Key, Secret};

/// The type of the key pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type { Imported, Generated, Default }

/// A spec that an object may have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spec {
    pub(super) absent: bool,
    pub(super) key: Key,
    pub(super) from_source: bool,
    pub(super) policy: Option<DeletionPolicy>,
    pub(super) adoption: AdoptionPolicy,
    pub(super) replace: ReplacePolicy,
    pub(super) expected: Option<Key>,
    pub(super) suspend: bool,
    pub(super) create_if_missing: bool,
    pub(super) backup: Backup,
    pub(super) delete_with_object: bool,
}

/// As an object is applied that says nothing but its key.
pub(super) const PLAIN: Spec = Spec {
    absent: false,
    key: Key::A,
    from_source: false,
    policy: None,
    adoption: AdoptionPolicy::IfFingerprintMatches,
    replace: ReplacePolicy::Never,
    expected: None,
    suspend: false,
    create_if_missing: false,
    backup: Backup::Required,
    delete_with_object: false,
};

/// What users and others do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum May {
    /// Users delete and recreate the object.
    DeleteObject,
    /// Users edit the spec to another one of the scenario.
    Edit,
    /// Somebody removes the finalizer by force.
    StripFinalizer,
    /// The object comes back from a backup, without its status and with another uid.
    Restore,
    /// The object vanishes despite its finalizer, which was added while the deletion was under way.
    Vanish,
    /// Others import a pair of this name.
    Import,
    /// Others delete the pair.
    DeletePair,
    /// Others set and remove the owner tag.
    Retag,
    /// Others edit and delete the Secret.
    EditSecret,
    /// Others edit and delete what a public key is read from.
    EditSource,
}

/// What is searched.
#[derive(Clone, Debug)]
pub(super) struct Scenario {
    pub(super) name: &'static str,
    pub(super) type_: Type,
    pub(super) specs: Vec<Spec>,
    /// The specs of the objects that are there at the start, by place.
    pub(super) objects: [Option<u8>; 2],
    /// Two processes and one object, or one process at a time and two objects.
    pub(super) two_processes: bool,
    /// Whether many others are being created: a pair is found by a list that is read for all.
    pub(super) in_crowd: bool,
    /// Whether Lightsail prints fingerprints of a form that is not known.
    pub(super) unknown_form: bool,
    pub(super) may: Vec<May>,
    pub(super) secret: Option<Secret>,
    pub(super) source: Option<Key>,
    /// A key that a pair has that was there before, made by somebody else.
    pub(super) pair: Option<Key>,
    pub(super) budget: Budget,
}

impl Scenario {
    /// An object that was just applied, and nothing in Lightsail.
    pub(super) fn new(name: &'static str, type_: Type, specs: &[Spec], may: &[May]) -> Self {
        Self {
            name,
            type_,
            specs: specs.to_vec(),
            objects: [Some(0), None],
            two_processes: true,
            in_crowd: false,
            unknown_form: false,
            may: may.to_vec(),
            secret: None,
            source: Some(Key::A),
            pair: None,
            budget: Budget { acts: 1, crashes: 1, faults: 1 },
        }
    }

    pub(super) fn may(&self, what: May) -> bool {
        self.may.contains(&what)
    }
}
