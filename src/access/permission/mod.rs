//! Whether an account allows what an object asks for: an ordered chain of checks, before any AWS
//! call. No I/O, no clock.

use std::collections::BTreeMap;
use std::fmt;

use super::directory::Grant;
use super::selector::selects;
use crate::api::account::{
    Allowed, AllowedKeyPairType, AllowedNamespaces, DefaultKeyPairAction, LightsailAccountSpec,
    NamespacesFrom, TakeOver,
};
use crate::ids::{KeyPairName, Region};

/// What an object asks of an account.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The object's namespace.
    pub namespace: &'a str,
    /// The labels of the namespace, for accounts that select namespaces by label.
    pub labels: &'a BTreeMap<String, String>,
    /// The region.
    pub region: &'a Region,
    /// For what.
    pub what: What<'a>,
}

/// What an object asks for.
#[derive(Clone, Copy, Debug)]
pub enum What<'a> {
    /// A key pair.
    KeyPair {
        /// Its type: `Imported` or `Generated`.
        type_: AllowedKeyPairType,
        /// Its name in Lightsail, even if it is the object's own name.
        name: &'a KeyPairName,
        /// Whether it may ignore another owner's tag.
        takes_over: bool,
    },
    /// The default key pair, and what may be done with it.
    DefaultKeyPair(DefaultKeyPairAction),
    /// A reset.
    HostKeyReset,
}

impl<'a> What<'a> {
    /// The least that an object asks for that wants a key pair of this name.
    #[must_use]
    pub fn at_least(name: &'a KeyPairName) -> Self {
        if name.is_default() {
            // Any action will do: which ones it needs depends on its spec.
            Self::DefaultKeyPair(DefaultKeyPairAction::Download)
        } else {
            Self::KeyPair { type_: AllowedKeyPairType::Imported, name, takes_over: false }
        }
    }
}

/// Why an account does not allow what an object asks for. The texts name the rule and reveal
/// nothing about other objects or namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It allows other regions.
    Region,
    /// It allows key pairs of the other type.
    Type,
    /// It allows other names.
    Name,
    /// It does not allow takeovers.
    TakeOver,
    /// It allows this use of the default key pair to other namespaces, or to none.
    DefaultKeyPair(DefaultKeyPairAction),
    /// It does not allow resets of host keys.
    HostKeyReset,
}

/// Whether an object may use the credentials that it is to use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Permission<'a> {
    /// It may.
    Granted,
    /// That depends on the labels of its namespace, which have not been read.
    LabelsUnread,
    /// It may not.
    Refused(Refused<'a>),
}

/// Why an object may not use the credentials that it is to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused<'a> {
    /// It must name an account, but does not. The spec of a reset cannot be edited.
    Required {
        /// Whether it is a reset.
        is_reset: bool,
    },
    /// There is no such account that this version can read, or it does not allow the namespace. All
    /// look the same to somebody who may not use it.
    NotFound(&'a str),
    /// The account does not allow what the object asks for.
    NotAllowed(&'a str, Refusal),
    /// The account is being deleted, and the object is new to it.
    Terminating(&'a str),
}

/// Whether an object may use the credentials that it is to use. `labels` are those of its
/// namespace, if they were read; `has_acted` is whether the object may have done something by now.
#[must_use]
pub fn permission<'a>(
    grant: &'a Grant,
    (namespace, labels): (&str, Option<&BTreeMap<String, String>>),
    region: &Region,
    asks: &[What<'_>],
    has_acted: bool,
) -> Permission<'a> {
    let entry = match grant {
        Grant::Operator => return Permission::Granted,
        Grant::Required => {
            let is_reset = asks.iter().any(|what| matches!(what, What::HostKeyReset));
            return Permission::Refused(Refused::Required { is_reset });
        }
        Grant::Missing(name) | Grant::Unreadable(name) => {
            return Permission::Refused(Refused::NotFound(name));
        }
        Grant::Account(entry) => entry,
    };
    let is_by_labels = is_by_labels(&entry.spec);
    let none = BTreeMap::new();
    let labels = match labels {
        None if is_by_labels => return Permission::LabelsUnread,
        labels => labels.unwrap_or(&none),
    };
    // Also of an object that asks for nothing: it would learn that there is such an account.
    if !is_namespace_allowed(&entry.spec, namespace, labels) {
        return Permission::Refused(Refused::NotFound(&entry.name));
    }
    let refuse = |what: &What<'_>| {
        self::refuse(&entry.spec, &Ask { namespace, labels, region, what: *what })
    };
    match asks.iter().find_map(refuse) {
        _ if entry.is_deleting && !has_acted => {
            Permission::Refused(Refused::Terminating(&entry.name))
        }
        Some(refusal) => Permission::Refused(Refused::NotAllowed(&entry.name, refusal)),
        None => Permission::Granted,
    }
}

/// Whether the labels of a namespace decide if it may use this.
#[must_use]
pub fn selects_by_labels(grant: &Grant) -> bool {
    match grant {
        Grant::Account(entry) => is_by_labels(&entry.spec),
        Grant::Operator | Grant::Required | Grant::Missing(_) | Grant::Unreadable(_) => false,
    }
}

fn is_by_labels(account: &LightsailAccountSpec) -> bool {
    account.allowed_namespaces.from == NamespacesFrom::Selector
}

/// Whether an object certainly may not do what it asks for at least. That does not depend on the
/// reason that the object shows, which its user can delay. `has_acted` is whether it may have done
/// something by now.
#[must_use]
pub fn surely_refuses(
    grant: &Grant,
    namespace: &str,
    region: &Region,
    what: What<'_>,
    has_acted: bool,
) -> bool {
    let account = match grant {
        Grant::Operator => return false,
        Grant::Required | Grant::Missing(_) => return true,
        // What it allows is unknown, and so is whether it has changed.
        Grant::Unreadable(_) => return !has_acted,
        Grant::Account(entry) if entry.is_deleting && !has_acted => return true,
        Grant::Account(entry) => &entry.spec,
    };
    let is_for_nobody_here = match what {
        // It may be of either type.
        What::KeyPair { .. } => false,
        What::HostKeyReset => account.allowed.host_key_reset.is_none(),
        // It may need any of the actions, and there is at least one.
        What::DefaultKeyPair(_) => {
            let grant = account.allowed.default_key_pair.as_ref();
            grant.is_none_or(|grant| grant.namespace != namespace)
        }
    };
    let labels = &BTreeMap::new();
    let ask = Ask { namespace, labels, region, what };
    (!is_by_labels(account) && !is_namespace_allowed(account, namespace, labels))
        || the_region_is_allowed(account, &ask).is_some()
        || is_for_nobody_here
        || the_name_is_allowed(account, &ask).is_some()
}

/// The checks, in this order. Each refuses, or lets the next one decide.
const CHECKS: [fn(&LightsailAccountSpec, &Ask<'_>) -> Option<Refusal>; 4] = [
    // Stolen credentials are used in regions that nobody monitors.
    the_region_is_allowed,
    // A private key in a Secret is not for everybody.
    the_type_is_allowed,
    // Only names separate the tenants of one account: IAM cannot.
    the_name_is_allowed,
    // Another cluster's key pairs are not for this cluster to take.
    taking_over_is_allowed,
];

/// Why the account may not be used like this by a namespace that it allows, if it may not.
fn refuse(account: &LightsailAccountSpec, ask: &Ask<'_>) -> Option<Refusal> {
    CHECKS.iter().find_map(|check| check(account, ask))
}

fn is_namespace_allowed(
    account: &LightsailAccountSpec,
    namespace: &str,
    labels: &BTreeMap<String, String>,
) -> bool {
    let AllowedNamespaces { from, names, selector } = &account.allowed_namespaces;
    match from {
        NamespacesFrom::All => true,
        NamespacesFrom::Names => names.iter().flatten().any(|name| name == namespace),
        NamespacesFrom::Selector => {
            selector.as_ref().is_some_and(|selector| selects(selector, labels))
        }
    }
}

fn the_region_is_allowed(account: &LightsailAccountSpec, ask: &Ask<'_>) -> Option<Refusal> {
    let regions = &account.allowed.regions;
    let is_allowed = regions.iter().any(|region| region == ask.region.as_str());
    (!is_allowed).then_some(Refusal::Region)
}

fn the_type_is_allowed(account: &LightsailAccountSpec, ask: &Ask<'_>) -> Option<Refusal> {
    let Allowed { types, host_key_reset, default_key_pair, .. } = &account.allowed;
    match ask.what {
        What::KeyPair { type_, .. } => (!types.contains(&type_)).then_some(Refusal::Type),
        What::HostKeyReset => host_key_reset.is_none().then_some(Refusal::HostKeyReset),
        What::DefaultKeyPair(action) => {
            let grant = default_key_pair.as_ref();
            let is_allowed = grant.is_some_and(|grant| {
                grant.namespace == ask.namespace && grant.actions.contains(&action)
            });
            (!is_allowed).then_some(Refusal::DefaultKeyPair(action))
        }
    }
}

fn the_name_is_allowed(account: &LightsailAccountSpec, ask: &Ask<'_>) -> Option<Refusal> {
    let What::KeyPair { name, .. } = ask.what else { return None };
    let Some(patterns) = &account.allowed.key_pair_names else {
        let AllowedNamespaces { from, names, .. } = &account.allowed_namespaces;
        let is_of_one = *from == NamespacesFrom::Names && names.iter().flatten().count() == 1;
        return (!is_of_one).then_some(Refusal::Name);
    };
    let is_allowed = patterns.iter().any(|pattern| covers(pattern, ask.namespace, name.as_str()));
    (!is_allowed || name.is_default()).then_some(Refusal::Name)
}

/// Whether a pattern covers a name. A pattern with an unknown variable covers nothing.
fn covers(pattern: &str, namespace: &str, name: &str) -> bool {
    if pattern == "$(namespace)_*" {
        let rest = name.strip_prefix(namespace).and_then(|rest| rest.strip_prefix('_'));
        return rest.is_some_and(|rest| !rest.is_empty());
    }
    match pattern.strip_suffix('*') {
        _ if pattern.contains('$') => false,
        Some(start) => name.starts_with(start),
        None => name == pattern,
    }
}

fn taking_over_is_allowed(account: &LightsailAccountSpec, ask: &Ask<'_>) -> Option<Refusal> {
    let What::KeyPair { takes_over: true, .. } = ask.what else { return None };
    (account.allowed.take_over == TakeOver::Never).then_some(Refusal::TakeOver)
}

impl fmt::Display for Refusal {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Region => to.write_str("its allowed.regions does not list this region"),
            Self::Type => to.write_str("its allowed.types does not list this type"),
            Self::Name => to.write_str("its allowed.keyPairNames does not match this name"),
            Self::TakeOver => {
                to.write_str("its allowed.takeOver does not allow adoptionPolicy: TakeOver")
            }
            Self::DefaultKeyPair(action) => write!(
                to,
                "its allowed.defaultKeyPair does not let this namespace {} the default key pair",
                match action {
                    DefaultKeyPairAction::Download => "download",
                    DefaultKeyPairAction::Create => "create",
                    DefaultKeyPairAction::Delete => "delete",
                }
            ),
            Self::HostKeyReset => to.write_str("it does not set allowed.hostKeyReset"),
        }
    }
}

#[cfg(test)]
mod tests;
