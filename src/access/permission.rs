//! Whether an account allows what an object asks for: an ordered chain of checks, before any AWS
//! call. No I/O, no clock.

use std::collections::BTreeMap;
use std::fmt;

use kube::core::{Selector, SelectorExt};

use super::directory::Grant;
use crate::api::account::{
    Allowed, AllowedKeyPairType, AllowedNamespaces, DefaultKeyPairAction, LightsailAccountSpec,
    NamespacesFrom, TakeOver,
};
use crate::api::key_pair::KeyPairType;
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

/// Why an account does not allow what an object asks for. The texts name the rule and reveal
/// nothing about other objects or namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It allows other namespaces. The message is the same as if it did not exist.
    Namespace,
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
    /// It must name an account, but does not.
    Required,
    /// There is no such account, or it does not allow the namespace. Both look the same to somebody
    /// who may not use it.
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
        Grant::Required => return Permission::Refused(Refused::Required),
        Grant::Missing(name) => return Permission::Refused(Refused::NotFound(name)),
        Grant::Account(entry) => entry,
    };
    let is_by_labels = entry.spec.allowed_namespaces.from == NamespacesFrom::Selector;
    let none = BTreeMap::new();
    let labels = match labels {
        None if is_by_labels => return Permission::LabelsUnread,
        labels => labels.unwrap_or(&none),
    };
    let refuse = |what: &What<'_>| {
        self::refuse(&entry.spec, &Ask { namespace, labels, region, what: *what })
    };
    match asks.iter().find_map(refuse) {
        Some(Refusal::Namespace) => Permission::Refused(Refused::NotFound(&entry.name)),
        _ if entry.is_deleting && !has_acted => {
            Permission::Refused(Refused::Terminating(&entry.name))
        }
        Some(refusal) => Permission::Refused(Refused::NotAllowed(&entry.name, refusal)),
        None => Permission::Granted,
    }
}

/// Whether an object certainly may not have a key pair of this name, whatever else it asks for.
/// That does not depend on the reason that the object shows, which its user can delay. `has_acted`
/// is whether a key pair or an account is on record.
#[must_use]
pub fn surely_refuses(
    grant: &Grant,
    namespace: &str,
    region: &Region,
    name: &KeyPairName,
    has_acted: bool,
) -> bool {
    let account = match grant {
        Grant::Operator => return false,
        Grant::Required | Grant::Missing(_) => return true,
        Grant::Account(entry) if entry.is_deleting && !has_acted => return true,
        Grant::Account(entry) => &entry.spec,
    };
    // The default key pair is allowed separately, and has no name to check.
    let what = if name.is_default() {
        What::HostKeyReset
    } else {
        What::KeyPair { type_: AllowedKeyPairType::Imported, name, takes_over: false }
    };
    let ask = Ask { namespace, labels: &BTreeMap::new(), region, what };
    let is_by_labels = account.allowed_namespaces.from == NamespacesFrom::Selector;
    (!is_by_labels && the_namespace_is_allowed(account, &ask).is_some())
        || the_region_is_allowed(account, &ask).is_some()
        || the_name_is_allowed(account, &ask).is_some()
}

/// The checks, in this order. Each refuses, or lets the next one decide.
const CHECKS: [fn(&LightsailAccountSpec, &Ask<'_>) -> Option<Refusal>; 5] = [
    // Somebody who may not use the account learns nothing about it.
    the_namespace_is_allowed,
    // Stolen credentials are used in regions that nobody monitors.
    the_region_is_allowed,
    // A private key in a Secret is not for everybody.
    the_type_is_allowed,
    // Only names separate the tenants of one account: IAM cannot.
    the_name_is_allowed,
    // Another cluster's key pairs are not for this cluster to take.
    taking_over_is_allowed,
];

/// Why the account may not be used like this, if it may not.
#[must_use]
pub fn refuse(account: &LightsailAccountSpec, ask: &Ask<'_>) -> Option<Refusal> {
    CHECKS.iter().find_map(|check| check(account, ask))
}

fn the_namespace_is_allowed(account: &LightsailAccountSpec, ask: &Ask<'_>) -> Option<Refusal> {
    let AllowedNamespaces { from, names, selector } = &account.allowed_namespaces;
    let is_allowed = match from {
        NamespacesFrom::All => true,
        NamespacesFrom::Names => names.iter().flatten().any(|name| name == ask.namespace),
        // A selector that cannot be read selects nothing.
        NamespacesFrom::Selector => selector
            .clone()
            .and_then(|selector| Selector::try_from(selector).ok())
            .is_some_and(|selector| !selector.selects_all() && selector.matches(ask.labels)),
    };
    (!is_allowed).then_some(Refusal::Namespace)
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
            Self::Namespace => to.write_str("it does not exist, or does not allow this namespace"),
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

/// The type as accounts name it; `None` for the default key pair.
#[must_use]
pub fn allowed_type(type_: KeyPairType) -> Option<AllowedKeyPairType> {
    match type_ {
        KeyPairType::Imported => Some(AllowedKeyPairType::Imported),
        KeyPairType::Generated => Some(AllowedKeyPairType::Generated),
        KeyPairType::Default => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn account() -> Value {
        json!({
            "accountID": "123456789012",
            "allowedNamespaces": { "from": "Names", "names": ["team-a", "team-b"] },
            "allowed": { "regions": ["eu-west-1"], "keyPairNames": ["$(namespace)_*", "fleet"] },
        })
    }

    fn with(mut account: Value, pointer: &str, value: Value) -> LightsailAccountSpec {
        if let Some((parent, name)) = pointer.rsplit_once('/') {
            account.pointer_mut(parent).unwrap()[name] = value;
        }
        serde_json::from_value(account).unwrap()
    }

    fn as_is() -> LightsailAccountSpec {
        with(account(), "", Value::Null)
    }

    /// Whether an Imported key pair of this name is refused to a namespace.
    fn of_name(account: &LightsailAccountSpec, namespace: &str, name: &str) -> Option<Refusal> {
        let what = What::KeyPair {
            type_: AllowedKeyPairType::Imported,
            name: &name.into(),
            takes_over: false,
        };
        refuse(account, &Ask { what, ..ask(namespace, &BTreeMap::new(), &"eu-west-1".into()) })
    }

    fn ask<'a>(
        namespace: &'a str,
        labels: &'a BTreeMap<String, String>,
        region: &'a Region,
    ) -> Ask<'a> {
        Ask { namespace, labels, region, what: What::HostKeyReset }
    }

    #[test]
    fn a_name_is_a_namespaces_own_or_nobodys() {
        for (namespace, name, expected) in [
            ("team-a", "team-a_web", None),
            ("team-a", "fleet", None),
            ("team-a", "team-a_", Some(Refusal::Name)),
            ("team-a", "team-a", Some(Refusal::Name)),
            ("team-a", "team-a-web", Some(Refusal::Name)),
            ("team-a", "team-b_web", Some(Refusal::Name)),
            ("team-a", "Team-A_web", Some(Refusal::Name)),
            ("team-a", "fleet-1", Some(Refusal::Name)),
            ("team-a", "Fleet", Some(Refusal::Name)),
            ("team-a", "$(namespace)_web", Some(Refusal::Name)),
            ("team-a", "tеam-a_web", Some(Refusal::Name)),
            ("team", "team_a", Some(Refusal::Namespace)),
            ("team-c", "fleet", Some(Refusal::Namespace)),
        ] {
            assert_eq!(of_name(&as_is(), namespace, name), expected, "{namespace} {name}");
        }
        let everything = with(account(), "/allowed/keyPairNames", json!(["*"]));
        assert_eq!(of_name(&everything, "team-a", "anything"), None);
        assert_eq!(
            of_name(&everything, "team-a", "LightsailDefaultKeyPair"),
            Some(Refusal::Name),
            "the default key pair is granted on its own"
        );
        let wrong = with(account(), "/allowed/keyPairNames", json!(["$(namespace)-*", "$(name)*"]));
        assert_eq!(of_name(&wrong, "team-a", "team-a-web"), Some(Refusal::Name));
        let one = json!({ "from": "Names", "names": ["team-a"] });
        let mut one = with(account(), "/allowedNamespaces", one);
        one.allowed.key_pair_names = None;
        assert_eq!(of_name(&one, "team-a", "anything"), None, "where one namespace is allowed");
        let mut two = as_is();
        two.allowed.key_pair_names = None;
        let expected = Some(Refusal::Name);
        assert_eq!(of_name(&two, "team-a", "anything"), expected, "which the API server refuses");
    }

    #[test]
    fn what_surely_may_not_have_a_name_is_known_without_the_object() {
        let used = |spec| crate::access::tests::used(crate::access::tests::of_spec(&spec));
        let by_label = json!({ "from": "Selector",
            "selector": { "matchLabels": { "team": "a" } } });
        let labels = || {
            let mut account = account();
            account["allowedNamespaces"] = by_label.clone();
            account
        };
        let missing = || Grant::Missing("production".into());
        for (name, grant, namespace, region, key_pair, expected) in [
            ("the operator's own", Grant::Operator, "team-a", "eu-west-1", "fleet", false),
            ("an account is needed", Grant::Required, "team-a", "eu-west-1", "fleet", true),
            ("it is not there", missing(), "team-a", "eu-west-1", "fleet", true),
            ("it may", used(account()), "team-a", "eu-west-1", "team-a_web", false),
            ("another namespace", used(account()), "team-c", "eu-west-1", "fleet", true),
            ("another region", used(account()), "team-a", "us-east-1", "fleet", true),
            ("another's name", used(account()), "team-a", "eu-west-1", "team-b_web", true),
            (
                "the default pair",
                used(account()),
                "team-a",
                "eu-west-1",
                "LightsailDefaultKeyPair",
                false,
            ),
            (
                "labels that nobody knows here",
                used(labels()),
                "team-c",
                "eu-west-1",
                "fleet",
                false,
            ),
            ("and another's name", used(labels()), "team-c", "eu-west-1", "team-b_web", true),
        ] {
            let (region, key_pair) = (Region::from(region), KeyPairName::from(key_pair));
            let found = surely_refuses(&grant, namespace, &region, &key_pair, false);
            assert_eq!(found, expected, "{name}");
        }
        let (region, key_pair) = (Region::from("eu-west-1"), KeyPairName::from("team-a_web"));
        let entry = crate::access::tests::of_spec(&account());
        let deleting =
            crate::access::tests::used(crate::access::Entry { is_deleting: true, ..entry });
        for has_acted in [false, true] {
            let found = surely_refuses(&deleting, "team-a", &region, &key_pair, has_acted);
            assert_eq!(found, !has_acted, "the account is being deleted");
        }
    }

    #[test]
    fn who_may_not_use_an_account_learns_nothing_about_it() {
        let labels = BTreeMap::from([("team".to_owned(), "a".to_owned())]);
        let selects = |selector: Value| {
            with(
                account(),
                "/allowedNamespaces",
                json!({ "from": "Selector",
                "selector": selector }),
            )
        };
        let (eu, us) = (Region::from("eu-west-1"), Region::from("us-east-1"));
        let none = BTreeMap::new();
        let reset = Some(Refusal::HostKeyReset);
        for (name, account, ask, expected) in [
            ("by its name", as_is(), ask("team-a", &none, &eu), reset),
            ("another one", as_is(), ask("team-c", &labels, &eu), Some(Refusal::Namespace)),
            (
                "another one in a region that is not allowed",
                as_is(),
                ask("team-c", &none, &us),
                Some(Refusal::Namespace),
            ),
            (
                "all",
                with(account(), "/allowedNamespaces", json!({ "from": "All" })),
                ask("team-c", &none, &eu),
                reset,
            ),
            (
                "by its label",
                selects(json!({ "matchLabels": { "team": "a" } })),
                ask("any", &labels, &eu),
                reset,
            ),
            (
                "without it",
                selects(json!({ "matchLabels": { "team": "a" } })),
                ask("any", &none, &eu),
                Some(Refusal::Namespace),
            ),
            (
                "by an expression",
                selects(json!({ "matchExpressions": [
                { "key": "team", "operator": "In", "values": ["a"] }] })),
                ask("any", &labels, &eu),
                reset,
            ),
            (
                "an empty selector selects none",
                selects(json!({})),
                ask("any", &labels, &eu),
                Some(Refusal::Namespace),
            ),
            (
                "one that is wrong selects none",
                selects(json!({ "matchExpressions": [
                { "key": "team", "operator": "Like", "values": ["a"] }] })),
                ask("any", &labels, &eu),
                Some(Refusal::Namespace),
            ),
            ("another region", as_is(), ask("team-a", &none, &us), Some(Refusal::Region)),
        ] {
            assert_eq!(refuse(&account, &ask), expected, "{name}");
        }
    }

    #[test]
    fn what_is_not_named_is_not_allowed() {
        use DefaultKeyPairAction::{Create, Delete, Download};
        let pair = |type_, takes_over| {
            let name: &'static KeyPairName = Box::leak(Box::new("fleet".into()));
            What::KeyPair { type_, name, takes_over }
        };
        let (imported, generated) = (AllowedKeyPairType::Imported, AllowedKeyPairType::Generated);
        let grant = |namespace: &str| {
            with(
                account(),
                "/allowed/defaultKeyPair",
                json!({ "namespace": namespace, "actions": ["Download"] }),
            )
        };
        let take_over = with(account(), "/allowed/takeOver", json!("OtherClusters"));
        let only_imported = with(account(), "/allowed/types", json!(["Imported"]));
        let resets = json!({ "instanceTags": { "team": "$(namespace)" } });
        let resets = with(account(), "/allowed/hostKeyReset", resets);
        for (name, account, what, expected) in [
            ("an imported key pair", as_is(), pair(imported, false), None),
            ("a generated one", as_is(), pair(generated, false), None),
            ("of the other type", only_imported, pair(generated, false), Some(Refusal::Type)),
            ("a take-over", as_is(), pair(imported, true), Some(Refusal::TakeOver)),
            ("one that is allowed", take_over, pair(imported, true), None),
            ("a reset", as_is(), What::HostKeyReset, Some(Refusal::HostKeyReset)),
            ("one that is allowed", resets, What::HostKeyReset, None),
            (
                "a default key pair",
                as_is(),
                What::DefaultKeyPair(Download),
                Some(Refusal::DefaultKeyPair(Download)),
            ),
            ("one that is allowed", grant("team-a"), What::DefaultKeyPair(Download), None),
            (
                "to another namespace",
                grant("team-b"),
                What::DefaultKeyPair(Download),
                Some(Refusal::DefaultKeyPair(Download)),
            ),
            (
                "its creation",
                grant("team-a"),
                What::DefaultKeyPair(Create),
                Some(Refusal::DefaultKeyPair(Create)),
            ),
            (
                "its deletion",
                grant("team-a"),
                What::DefaultKeyPair(Delete),
                Some(Refusal::DefaultKeyPair(Delete)),
            ),
        ] {
            let (labels, region) = (BTreeMap::new(), "eu-west-1".into());
            let ask = Ask { what, ..ask("team-a", &labels, &region) };
            assert_eq!(refuse(&account, &ask), expected, "{name}");
        }
    }
}
