//! What exists in each account and region: key pairs, instances and the operations that changed
//! them.
//!
//! The operations decide what happens to them; this file only knows where they are kept.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::clock::Clock;
use super::error::{ApiError, Result};
use super::identity::{Identities, Scope, uuid};
use super::key_material::{self, NewKeyPair};
use super::ledger::{Course, Ledger, Operation};
use super::limits::Bucket;
use super::resource::{DEFAULT_KEY_PAIR, FormerPair, Instance, KeyPairChange, StoredPair};
use super::sts::Desk;
use super::switches::{OperationStatus, Switches};
use super::tags::Tags;

/// One account's resources in one region.
#[derive(Debug, Default)]
pub(super) struct RegionState {
    pub(super) key_pairs: BTreeMap<String, StoredPair>,
    /// What requests have imported or deleted, the oldest first.
    pub(super) changes: Vec<KeyPairChange>,
    /// What key pairs were before each change, the oldest first, while `keyPairLag` is set.
    pub(super) former_pairs: Vec<FormerPair>,
    pub(super) instances: BTreeMap<String, Instance>,
    pub(super) operations: Ledger,
    pub(super) switches: Option<Switches>,
    pub(super) bucket: Bucket,
}

/// Everything there is.
#[derive(Debug)]
pub(super) struct State {
    pub(super) identities: Identities,
    pub(super) switches: Switches,
    pub(super) clock: Clock,
    /// RSA key pairs that were made while nobody had to wait for the state.
    pub(super) spare_keys: Vec<NewKeyPair>,
    issued_keys: Option<PathBuf>,
    regions: HashMap<Scope, RegionState>,
}

impl State {
    pub(super) fn new(switches: Switches, clock: Clock, issued_keys: Option<PathBuf>) -> Self {
        Self {
            identities: Identities::default(),
            switches,
            clock,
            spare_keys: Vec::new(),
            issued_keys,
            regions: HashMap::new(),
        }
    }

    pub(super) fn site(&mut self, scope: &Scope) -> Site<'_> {
        let now = self.clock.now();
        let region = self.regions.entry(scope.clone()).or_default();
        let switches = region.switches.clone().unwrap_or_else(|| self.switches.clone());
        let (issued_keys, spare_keys) = (self.issued_keys.as_deref(), &mut self.spare_keys);
        Site { scope: scope.clone(), region, switches, issued_keys, spare_keys, now }
    }

    /// The switches that hold in a region, or everywhere.
    pub(super) fn switches_of(&self, scope: Option<&Scope>) -> &Switches {
        let own = scope.and_then(|scope| self.regions.get(scope)?.switches.as_ref());
        own.unwrap_or(&self.switches)
    }

    /// Where AWS itself asks STS for something, as EKS does for a pod.
    pub(super) fn desk(&mut self) -> Desk<'_> {
        let now = self.clock.now();
        let inherited_tags_in_request = self.switches.inherited_tags_in_request;
        let identities = &mut self.identities;
        Desk { identities, caller: None, region: "", inherited_tags_in_request, now }
    }

    pub(super) fn regions(&self) -> impl Iterator<Item = (&Scope, &RegionState)> {
        self.regions.iter()
    }
}

/// Where an operation takes effect, when, and under which switches.
#[derive(Debug)]
pub(super) struct Site<'a> {
    pub(super) scope: Scope,
    pub(super) region: &'a mut RegionState,
    pub(super) switches: Switches,
    pub(super) issued_keys: Option<&'a Path>,
    pub(super) now: SystemTime,
    spare_keys: &'a mut Vec<NewKeyPair>,
}

/// What all types of resources have, for tags and for IAM.
#[derive(Debug)]
pub(super) struct Resource<'a> {
    /// `KeyPair` or `Instance`.
    pub(super) kind: &'static str,
    pub(super) arn: &'a str,
    pub(super) tags: &'a Tags,
}

impl Site<'_> {
    /// The resource with this name, whichever type it is. Names are unique over all types of
    /// resources (<https://github.com/hashicorp/terraform-provider-aws/pull/9008>).
    pub(super) fn find(&self, name: &str) -> Option<Resource<'_>> {
        let pair = self.region.key_pairs.get(name).map(|stored| &stored.pair);
        let pair = pair.map(|pair| Resource { kind: "KeyPair", arn: &pair.arn, tags: &pair.tags });
        pair.or_else(|| {
            let instance = self.region.instances.get(name)?;
            Some(Resource { kind: "Instance", arn: &instance.arn, tags: &instance.tags })
        })
    }

    /// The tags of the resource with this name.
    pub(super) fn tags_mut(&mut self, name: &str) -> Option<&mut Tags> {
        let pair = self.region.key_pairs.get_mut(name).map(|stored| &mut stored.pair.tags);
        pair.or_else(|| self.region.instances.get_mut(name).map(|instance| &mut instance.tags))
    }

    /// A name must be free.
    pub(super) fn check_free(&self, name: &str) -> Result<()> {
        let is_reserved = self.switches.default_name_reserved && name == DEFAULT_KEY_PAIR;
        if is_reserved || self.find(name).is_some() {
            Err(ApiError::name_exists(name))
        } else {
            Ok(())
        }
    }

    pub(super) fn arn(&self, resource_type: &str) -> String {
        format!(
            "arn:aws:lightsail:{}:{}:{resource_type}/{}",
            self.scope.region,
            self.scope.account,
            uuid()
        )
    }

    pub(super) fn support_code(&self, name: &str) -> String {
        format!("{}/{name}", self.scope.account)
    }

    /// A new RSA key pair, from those that were made ahead if there is one.
    pub(super) fn new_key(&mut self) -> NewKeyPair {
        self.spare_keys.pop().unwrap_or_else(key_material::generate)
    }

    /// Whether operations on key pairs and tags are to fail without an effect.
    pub(super) fn fails(&self) -> bool {
        self.switches.key_pair_operation_status == OperationStatus::Failed
    }

    /// Records an operation on a key pair or on tags.
    pub(super) fn record(
        &mut self,
        operation_type: &'static str,
        resource_type: &'static str,
        name: &str,
    ) -> Operation {
        self.start(operation_type, resource_type, name, Course::of_key_pair(&self.switches))
    }

    /// Records an operation that takes this course.
    pub(super) fn start(
        &mut self,
        operation_type: &'static str,
        resource_type: &'static str,
        name: &str,
        course: Course,
    ) -> Operation {
        let zone =
            self.region.instances.get(name).map_or("all", |instance| &instance.availability_zone);
        let mut operation = Operation {
            id: uuid(),
            resource_name: name.to_owned(),
            resource_type,
            operation_type,
            status: "Started",
            is_terminal: false,
            created_at: self.now,
            status_changed_at: self.now,
            availability_zone: zone.to_owned(),
            region: self.scope.region.clone(),
            course,
        };
        operation.begin();
        self.region.operations.add(operation.clone());
        operation
    }
}
