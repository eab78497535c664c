//! What an account lets an object do to something that already exists. Pure.

use std::collections::BTreeMap;

use super::directory::Grant;
use crate::api::account::Adoption;

/// What an account lets an object do to something that already exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// What may happen to key pairs that already exist.
    pub adoption: Adoption,
    /// The clusters whose owner tags may be replaced; `None` means every cluster.
    pub take_over_from: Option<Vec<String>>,
    /// How many key pairs its namespace may have in a region.
    pub max_key_pairs: Option<usize>,
    /// The tags that an instance needs before its host keys may be reset.
    pub instance_tags: BTreeMap<String, String>,
}

impl Default for Limits {
    /// The operator's own credentials have no limits.
    fn default() -> Self {
        Self {
            adoption: Adoption::Full,
            take_over_from: None,
            max_key_pairs: None,
            instance_tags: BTreeMap::new(),
        }
    }
}

impl Limits {
    /// What the credentials allow to an object of this namespace.
    #[must_use]
    pub fn of(grant: &Grant, namespace: &str) -> Self {
        let Grant::Account(entry) = grant else { return Self::default() };
        let allowed = &entry.spec.allowed;
        let tags = allowed.host_key_reset.iter().flat_map(|grant| &grant.instance_tags);
        let with_namespace = |(key, value): (&String, &String)| {
            (key.clone(), value.replace("$(namespace)", namespace))
        };
        Self {
            adoption: allowed.adoption,
            take_over_from: Some(allowed.take_over_from.clone()),
            max_key_pairs: allowed.max_key_pairs.and_then(|most| usize::try_from(most).ok()),
            instance_tags: tags.map(with_namespace).collect(),
        }
    }

    /// Whether an owner tag may be replaced with another one of this cluster.
    #[must_use]
    pub fn may_take_over(&self, tag: &str, cluster: &str) -> bool {
        let Some(clusters) = &self.take_over_from else { return true };
        let of = tag.split('/').next().unwrap_or_default();
        of != cluster && clusters.iter().any(|listed| listed == of)
    }

    /// Whether a namespace with this many key pairs may have another one.
    #[must_use]
    pub fn have_room(&self, owned: usize) -> bool {
        self.max_key_pairs.is_none_or(|most| owned < most)
    }

    /// Whether a pair that already existed stays as it is.
    #[must_use]
    pub fn keep_adopted(&self) -> bool {
        self.adoption != Adoption::Full
    }
}
