//! Who may use an account for what.

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
    let granted = |namespace: &str| {
        let mut account = account();
        account["allowed"]["defaultKeyPair"] =
            json!({ "namespace": namespace, "actions": ["Download"] });
        account
    };
    let may_delete = || {
        let mut account = granted("team-a");
        account["allowed"]["defaultKeyPair"]["actions"] = json!(["Delete"]);
        account
    };
    let default = "LightsailDefaultKeyPair";
    let missing = || Grant::Missing("production".into());
    let resets = || {
        let mut account = account();
        account["allowed"]["hostKeyReset"] = json!({ "instanceTags": { "team": "a" } });
        account
    };
    for (name, grant, namespace, region, key_pair, expected) in [
        ("the operator's own", Grant::Operator, "team-a", "eu-west-1", "fleet", false),
        ("an account is needed", Grant::Required, "team-a", "eu-west-1", "fleet", true),
        ("it is not there", missing(), "team-a", "eu-west-1", "fleet", true),
        ("it may", used(account()), "team-a", "eu-west-1", "team-a_web", false),
        ("another namespace", used(account()), "team-c", "eu-west-1", "fleet", true),
        ("another region", used(account()), "team-a", "us-east-1", "fleet", true),
        ("another's name", used(account()), "team-a", "eu-west-1", "team-b_web", true),
        ("the default pair", used(granted("team-a")), "team-a", "eu-west-1", default, false),
        ("to delete it only", used(may_delete()), "team-a", "eu-west-1", default, false),
        ("of another namespace", used(granted("team-b")), "team-a", "eu-west-1", default, true),
        ("of none", used(account()), "team-a", "eu-west-1", default, true),
        ("labels that nobody knows here", used(labels()), "team-c", "eu-west-1", "fleet", false),
        ("and another's name", used(labels()), "team-c", "eu-west-1", "team-b_web", true),
    ] {
        let (region, key_pair) = (Region::from(region), KeyPairName::from(key_pair));
        let what = What::at_least(&key_pair);
        let found = surely_refuses(&grant, namespace, &region, what, false);
        assert_eq!(found, expected, "{name}");
    }
    let (region, key_pair) = (Region::from("eu-west-1"), KeyPairName::from("team-a_web"));
    let entry = crate::access::tests::of_spec(&account());
    let deleting = crate::access::tests::used(crate::access::Entry { is_deleting: true, ..entry });
    for has_acted in [false, true] {
        let what = What::at_least(&key_pair);
        let found = surely_refuses(&deleting, "team-a", &region, what, has_acted);
        assert_eq!(found, !has_acted, "the account is being deleted");
        let unreadable = Grant::Unreadable("production".into());
        let found = surely_refuses(&unreadable, "team-a", &region, what, has_acted);
        assert_eq!(found, !has_acted, "nobody knows what the account allows");
        let shown = permission(&unreadable, ("team-a", None), &region, &[what], has_acted);
        assert_eq!(shown, Permission::Refused(Refused::NotFound("production")));
    }
    for (name, grant, namespace, expected) in [
        ("resets are not allowed", used(account()), "team-a", true),
        ("they are", used(resets()), "team-a", false),
        ("but not to another namespace", used(resets()), "team-c", true),
    ] {
        let found = surely_refuses(&grant, namespace, &region, What::HostKeyReset, false);
        assert_eq!(found, expected, "{name}");
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
    let not_found = || Permission::Refused(Refused::NotFound("production"));
    for (name, account, ask, expected) in [
        ("by its name", as_is(), ask("team-a", &none, &eu), reset),
        ("another one", as_is(), ask("team-c", &labels, &eu), None),
        ("another one in a region that is not allowed", as_is(), ask("team-c", &none, &us), None),
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
            None,
        ),
        (
            "by an expression",
            selects(json!({ "matchExpressions": [
            { "key": "team", "operator": "In", "values": ["a"] }] })),
            ask("any", &labels, &eu),
            reset,
        ),
        ("an empty selector selects none", selects(json!({})), ask("any", &labels, &eu), None),
        (
            "one that is wrong selects none",
            selects(json!({ "matchExpressions": [
            { "key": "team", "operator": "Like", "values": ["a"] }] })),
            ask("any", &labels, &eu),
            None,
        ),
        ("another region", as_is(), ask("team-a", &none, &us), Some(Refusal::Region)),
    ] {
        let account = serde_json::to_value(account).unwrap();
        let grant = crate::access::tests::used(crate::access::tests::of_spec(&account));
        let of = (ask.namespace, Some(ask.labels));
        let shown = permission(&grant, of, ask.region, &[ask.what], false);
        let expected = expected.map_or_else(not_found, |why| {
            Permission::Refused(Refused::NotAllowed("production", why))
        });
        assert_eq!(shown, expected, "{name}");
    }
}

#[test]
fn a_selector_that_kubernetes_would_refuse_selects_no_namespace() {
    let team = BTreeMap::from([("team".to_owned(), "b".to_owned())]);
    let none = BTreeMap::new();
    let is_selected = |selector: &Value, labels: &BTreeMap<String, String>| {
        let by_label = json!({ "from": "Selector", "selector": selector });
        let account = with(account(), "/allowedNamespaces", by_label);
        is_namespace_allowed(&account, "any", labels)
    };
    let of = |key: &str, operator: &str, values: Value| -> Value {
        json!({ "key": key, "operator": operator, "values": values })
    };
    let long = "a".repeat(64);
    for (name, labels, wrong) in [
        ("values for Exists", &team, of("team", "Exists", json!(["a"]))),
        ("values for DoesNotExist", &none, of("team", "DoesNotExist", json!(["a"]))),
        ("an empty list for NotIn", &team, of("team", "NotIn", json!([]))),
        ("no values for NotIn", &team, of("team", "NotIn", Value::Null)),
        ("no values for In", &team, of("team", "In", Value::Null)),
        ("a label with its value", &team, of("team: b", "DoesNotExist", Value::Null)),
        ("a space", &none, of("a b", "DoesNotExist", Value::Null)),
        ("no key", &none, of("", "DoesNotExist", Value::Null)),
        ("no name behind the prefix", &none, of("x.io/", "DoesNotExist", Value::Null)),
        ("no prefix", &none, of("/team", "DoesNotExist", Value::Null)),
        ("two prefixes", &none, of("x.io/a/team", "DoesNotExist", Value::Null)),
        ("a prefix in capitals", &none, of("X.io/team", "DoesNotExist", Value::Null)),
        ("too long a name", &none, of(&long, "DoesNotExist", Value::Null)),
        ("Cyrillic", &none, of("tеam", "DoesNotExist", Value::Null)),
        ("a value with a space", &team, of("team", "NotIn", json!(["a", "a b"]))),
        ("too long a value", &team, of("team", "NotIn", json!([long]))),
        ("an unknown operator", &team, of("team", "Like", json!(["b"]))),
    ] {
        let alone = json!({ "matchExpressions": [wrong] });
        assert!(!is_selected(&alone, labels), "{name}");
        let all = of("other", "DoesNotExist", Value::Null);
        let beside = json!({ "matchExpressions": [all, wrong] });
        assert!(!is_selected(&beside, labels), "{name}, beside one that is right");
    }
    for (name, labels, right) in [
        ("any value", &team, of("team", "Exists", Value::Null)),
        ("an empty list for Exists", &team, of("team", "Exists", json!([]))),
        ("another value", &team, of("team", "NotIn", json!(["a", ""]))),
        ("a prefix", &none, of("x.io/team_A.1", "DoesNotExist", Value::Null)),
    ] {
        assert!(is_selected(&json!({ "matchExpressions": [right] }), labels), "{name}");
    }
    let all = of("other", "DoesNotExist", Value::Null);
    for wrong in [json!({ "a b": "c" }), json!({ "team": "a b" })] {
        let odd: BTreeMap<String, String> = serde_json::from_value(wrong.clone()).unwrap();
        let selector = json!({ "matchLabels": wrong, "matchExpressions": [all] });
        assert!(!is_selected(&selector, &odd), "{selector}");
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
