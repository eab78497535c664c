//! One account's resources in one region, for whoever sets a scene: somebody else's changes, and
//! what is really there.
//!
//! Nothing here is a request: it is not logged, meets no faults and records no operations.

#![expect(
    clippy::must_use_candidate,
    reason = "these are called for what they do; what they return is often of no interest"
)]

use std::sync::Arc;

use tokio_util::sync::DropGuard;

use super::fault::{FaultHandle, FaultPoint};
use super::identity::Scope;
use super::ledger::Operation;
use super::resource::{DEFAULT_KEY_PAIR, KeyPair, KeyPairChange, NewInstance};
use super::shared::Shared;
use super::state::Site;
use super::switches::Switches;
use super::{instances, key_pairs, tagging};

/// One account's resources in one region.
#[derive(Clone, Debug)]
pub struct Region {
    shared: Arc<Shared>,
    _stop: Arc<DropGuard>,
    scope: Scope,
}

impl Region {
    /// The simulator stops when the last clone of `stop` is dropped.
    pub(super) fn new(shared: Arc<Shared>, stop: Arc<DropGuard>, scope: Scope) -> Self {
        Self { shared, _stop: stop, scope }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Site<'_>) -> T) -> T {
        act(&mut self.shared.state().site(&self.scope))
    }

    /// Launches an instance.
    ///
    /// # Panics
    ///
    /// Something else has the name.
    pub fn add_instance(&self, name: &str) {
        self.launch(NewInstance { name: name.to_owned(), ..NewInstance::default() });
    }

    /// Launches an instance with a platform, a key pair's name or tags of its own.
    ///
    /// # Panics
    ///
    /// Something else has the name.
    pub fn launch(&self, instance: NewInstance) {
        self.with(|site| instances::add(site, instance)).expect("the name is free");
    }

    /// Connects Lightsail's browser client to an instance, which puts its host keys on record.
    /// Whether there is one.
    pub fn connect_browser(&self, instance: &str) -> bool {
        self.with(|site| instances::connect_browser(site, instance))
    }

    /// Whether the host keys of an instance are on record.
    #[must_use]
    pub fn are_host_keys_on_record(&self, instance: &str) -> bool {
        self.with(|site| {
            site.region
                .instances
                .get(instance)
                .is_some_and(|instance| instance.witnessed_at.is_some())
        })
    }

    /// The ARN of an instance, which has another id for each launch under the same name.
    #[must_use]
    pub fn find_instance_arn(&self, name: &str) -> Option<String> {
        self.with(|site| site.region.instances.get(name).map(|instance| instance.arn.clone()))
    }

    /// Deletes an instance. Whether there was one.
    pub fn remove_instance(&self, name: &str) -> bool {
        self.with(|site| site.region.instances.remove(name).is_some())
    }

    /// Imports a key pair as somebody else.
    ///
    /// # Panics
    ///
    /// Something else has the name, or the line is no public key that Lightsail takes.
    pub fn import_key_pair(&self, name: &str, openssh_line: &str) -> KeyPair {
        let pair = self.with(|site| key_pairs::import_as(site, name, openssh_line));
        pair.expect("the name is free and the key is one that Lightsail takes")
    }

    /// Creates a key pair as somebody else, as the console and the CLI do. The private key is in
    /// PEM.
    ///
    /// # Panics
    ///
    /// Something else has the name.
    pub fn create_key_pair(&self, name: &str) -> (KeyPair, String) {
        let created = self.with(|site| key_pairs::create_as(site, name));
        let (pair, private_key) = created.expect("the name is free");
        (pair, private_key.0)
    }

    /// Creates the default key pair, as launching an instance without a key pair does. If there is
    /// one, that one stays.
    pub fn create_default_key_pair(&self) -> KeyPair {
        self.with(key_pairs::ensure_default)
    }

    /// Deletes a key pair, the default one too, as somebody else. Whether there was one.
    pub fn delete_key_pair(&self, name: &str) -> bool {
        self.with(|site| site.region.key_pairs.remove(name).is_some())
    }

    /// All key pairs by name, the default one included.
    #[must_use]
    pub fn key_pairs(&self) -> Vec<KeyPair> {
        self.with(|site| site.region.key_pairs.values().map(|stored| stored.pair.clone()).collect())
    }

    /// What requests have made and deleted, the oldest first; others' changes are not in it.
    #[must_use]
    pub fn changes(&self) -> Vec<KeyPairChange> {
        self.with(|site| site.region.changes.clone())
    }

    /// The key pair with this name.
    #[must_use]
    pub fn find_key_pair(&self, name: &str) -> Option<KeyPair> {
        self.with(|site| site.region.key_pairs.get(name).map(|stored| stored.pair.clone()))
    }

    /// The default key pair.
    #[must_use]
    pub fn find_default_key_pair(&self) -> Option<KeyPair> {
        self.find_key_pair(DEFAULT_KEY_PAIR)
    }

    /// The operations that requests have started on a resource of this name, the oldest first.
    #[must_use]
    pub fn operations_for(&self, resource: &str) -> Vec<Operation> {
        self.with(|site| {
            site.region
                .operations
                .of_resource(resource)
                .map(|(_, operation)| operation.clone())
                .collect()
        })
    }

    /// Replaces all tags of a key pair or an instance, as somebody else. A tag without a value is a
    /// key-only tag.
    ///
    /// # Panics
    ///
    /// There is no such resource, or there are more than 50 tags.
    pub fn set_tags(&self, name: &str, tags: &[(&str, Option<&str>)]) {
        let tags =
            tags.iter().map(|(key, value)| ((*key).to_owned(), value.map(str::to_owned))).collect();
        let set = self.with(|site| tagging::replace_tags(site, name, tags));
        set.expect("the resource exists and the tags are within the limits");
    }

    /// How many times `DeleteKnownHostKeys` has taken effect on an instance; 0 if there is none.
    #[must_use]
    pub fn known_host_keys_resets(&self, instance: &str) -> usize {
        self.with(|site| {
            site.region
                .instances
                .get(instance)
                .map_or(0, |instance| instance.known_host_keys_resets)
        })
    }

    /// Gives this region switches of its own, which start as those that hold now.
    /// [`Simulator::set_switches`](super::Simulator::set_switches) does not change them any more.
    pub fn set_switches(&self, change: impl FnOnce(&mut Switches)) {
        self.with(|site| {
            let mut switches = site.switches.clone();
            change(&mut switches);
            site.region.switches = Some(switches);
        });
    }

    /// Lets requests of this account in this region go wrong.
    pub fn add_fault(&self, fault: impl Into<FaultPoint>) -> FaultHandle {
        self.shared.faults.add(fault.into(), Some(self.scope.clone()))
    }
}
