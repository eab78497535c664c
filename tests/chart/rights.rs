//! What the operator may do, by what it watches and whether it has to do with Secrets and accounts.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{NAME, render};

/// Where, what, and the names that it is bound to, if any: `* secrets get`, `a secrets get`, `*
/// namespaces/kube-system get`.
fn rights(objects: &[Value]) -> BTreeSet<String> {
    let mut rights = BTreeSet::new();
    for binding in objects.iter().filter(|it| it["kind"].as_str().unwrap().ends_with("RoleBinding"))
    {
        let namespace = &binding["metadata"]["namespace"];
        assert_eq!(
            binding["subjects"],
            json!([{ "kind": "ServiceAccount", "name": NAME, "namespace": NAME }])
        );
        let role = objects.iter().find(|it| {
            it["kind"] == binding["roleRef"]["kind"]
                && it["metadata"]["name"] == binding["roleRef"]["name"]
                && it["metadata"]["namespace"] == *namespace
        });
        let place = namespace.as_str().unwrap_or("*");
        for rule in role.unwrap()["rules"].as_array().unwrap() {
            let of = |key: &str| -> Vec<&str> {
                rule[key]
                    .as_array()
                    .map_or(vec![], |all| all.iter().map(|it| it.as_str().unwrap()).collect())
            };
            let names: Vec<String> =
                of("resourceNames").iter().map(|name| format!("/{name}")).collect();
            let names = if names.is_empty() { vec![String::new()] } else { names };
            assert_eq!(of("apiGroups").len(), 1);
            for resource in of("resources") {
                for verb in of("verbs") {
                    rights.extend(
                        names.iter().map(|name| format!("{place} {resource}{name} {verb}")),
                    );
                }
            }
        }
    }
    rights
}

/// The rights to the objects that an operator without Secrets has in a place.
fn always(place: &str) -> Vec<String> {
    let all = [
        "lightsailkeypairs get",
        "lightsailkeypairs list",
        "lightsailkeypairs watch",
        "lightsailkeypairs patch",
        "lightsailkeypairs/status patch",
        "hostkeyresets get",
        "hostkeyresets list",
        "hostkeyresets watch",
        "hostkeyresets patch",
        "hostkeyresets delete",
        "hostkeyresets/status patch",
        "configmaps get",
        "events create",
        "namespaces get",
    ];
    all.iter().map(|right| format!("{place} {right}")).collect()
}

fn with_secrets(place: &str) -> Vec<String> {
    let secrets = ["secrets get", "secrets create", "secrets patch"];
    always(place)
        .into_iter()
        .chain(secrets.iter().map(|right| format!("{place} {right}")))
        .collect()
}

#[test]
fn nothing_more_than_what_is_watched_and_kept() {
    let cluster_id = || vec!["* namespaces/kube-system get".to_owned()];
    let none = json!({ "mode": "none" });
    let rows: Vec<(&str, Value, Vec<Vec<String>>)> = vec![
        ("the cluster", json!({}), vec![with_secrets("*")]),
        ("a named cluster", json!({ "clusterID": "c" }), vec![with_secrets("*")]),
        ("no Secrets", json!({ "secrets": none }), vec![always("*")]),
        ("no Secrets, named", json!({ "secrets": none, "clusterID": "c" }), vec![always("*")]),
        (
            "two namespaces",
            json!({ "watch": { "namespaces": ["a", "b"] } }),
            vec![with_secrets("a"), with_secrets("b"), cluster_id()],
        ),
        (
            "its own namespace",
            json!({ "watch": { "namespaces": [NAME] } }),
            vec![with_secrets(NAME), cluster_id()],
        ),
        (
            "a namespace, named",
            json!({ "watch": { "namespaces": ["a"] }, "clusterID": "c" }),
            vec![with_secrets("a")],
        ),
        (
            "a namespace, no Secrets, named",
            json!({ "watch": { "namespaces": ["a"] }, "clusterID": "c", "secrets": none }),
            vec![always("a")],
        ),
        (
            "without an election",
            json!({ "replicas": 1, "leaderElection": { "enabled": false } }),
            vec![with_secrets("*")],
        ),
    ];
    for (name, values, expected) in rows {
        let lease = [
            "lightsail-operator leases/lightsail-operator get",
            "lightsail-operator leases/lightsail-operator update",
            "lightsail-operator leases create",
        ];
        let lease = if values.get("leaderElection").is_some() { &[][..] } else { &lease };
        let expected = expected
            .concat()
            .into_iter()
            .chain(lease.iter().map(|right| (*right).to_owned()))
            .collect();
        assert_eq!(rights(&render(&without_accounts(values))), expected, "{name}");
    }
}

fn without_accounts(mut values: Value) -> Value {
    values["accounts"] = json!({ "enabled": false });
    values
}

/// Values, and what else there is with accounts, and what else where they are written.
type RightsRow = (Value, &'static [&'static str], &'static [&'static str]);

#[test]
fn accounts_take_these_rights_and_no_others() {
    let reads =
        ["* lightsailaccounts get", "* lightsailaccounts list", "* lightsailaccounts watch"];
    let writes = ["* lightsailaccounts patch", "* lightsailaccounts/status patch"];
    let none = json!({ "mode": "none" });
    let scope = |names: &[&str]| json!({ "namespaces": names });
    let rows: Vec<RightsRow> = vec![
        (json!({}), &[], &[]),
        (json!({ "clusterID": "c" }), &[], &[]),
        (json!({ "secrets": none }), &[], &[]),
        (
            json!({ "watch": scope(&["a", "b"]) }),
            &["lightsail-operator secrets get"],
            &["default events create"],
        ),
        (
            json!({ "watch": scope(&["a"]), "clusterID": "c" }),
            &["lightsail-operator secrets get"],
            &["default events create"],
        ),
        (json!({ "watch": scope(&["a", "b"]), "secrets": none }), &[], &["default events create"]),
        (json!({ "watch": scope(&["default"]) }), &["lightsail-operator secrets get"], &[]),
        (json!({ "watch": scope(&[NAME]) }), &[], &["default events create"]),
        (json!({ "watch": scope(&[NAME, "default"]) }), &[], &[]),
    ];
    for (values, with_them, with_writes) in rows {
        let without = rights(&render(&without_accounts(values.clone())));
        for primary in [true, false] {
            let mut values = values.clone();
            values["accounts"] = json!({ "primary": primary });
            let with = rights(&render(&values));
            let added: Vec<&[&str]> = if primary {
                vec![&reads, with_them, &writes, with_writes]
            } else {
                vec![&reads, with_them]
            };
            let words = |list: &[&str]| list.iter().map(|it| (*it).to_owned()).collect();
            let differences: (BTreeSet<String>, BTreeSet<String>) = (
                with.difference(&without).cloned().collect(),
                without.difference(&with).cloned().collect(),
            );
            assert_eq!(differences, (words(&added.concat()), BTreeSet::new()), "{values}");
        }
    }
}

#[test]
fn without_accounts_nothing_speaks_of_them() {
    for primary in [true, false] {
        for scope in [json!([]), json!(["a"])] {
            let values = json!({ "watch": { "namespaces": scope },
                "accounts": { "enabled": false, "primary": primary } });
            for object in render(&values) {
                assert!(!object.to_string().contains("lightsailaccount"), "{values}: {object}");
            }
        }
    }
}

/// In the tables of the chart's page: `lightsailkeypairs get`, `lightsailkeypairs/status patch`.
fn described(page: &str, resources: &BTreeSet<&str>) -> BTreeSet<String> {
    let section = page.split("\n## Permissions\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let cells = section.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    let resource_in = |words: &str| {
        let plural = |word: &str| format!("{}s", word.to_lowercase().trim_end_matches('s'));
        let word = words.split(' ').map(plural).find(|word| resources.contains(word.as_str()));
        word.unwrap_or_else(|| panic!("no resource in {words:?}"))
    };
    let mut rights = BTreeSet::new();
    for cell in cells {
        let mut of_status = Vec::new();
        for (subject, verbs) in cell.split("; ").filter_map(|part| part.split_once(": ")) {
            let all: Vec<String> = match subject {
                "status" => of_status.clone(),
                _ => subject.split(" and ").map(resource_in).collect(),
            };
            of_status = all.iter().map(|resource| format!("{resource}/status")).collect();
            for verb in verbs.split(", ").map(|verb| verb.split(' ').next().unwrap()) {
                rights.extend(all.iter().map(|resource| format!("{resource} {verb}")));
            }
        }
    }
    rights
}

#[test]
fn the_page_names_each_right() {
    let scopes = [json!({}), json!({ "watch": { "namespaces": ["a"] } })];
    // Without the place, and without the names that a right is bound to.
    let what = |right: String| {
        let (_, what) = right.split_once(' ').unwrap();
        let (resource, verb) = what.split_once(' ').unwrap();
        let name = resource.split_once('/').filter(|(_, name)| *name != "status");
        format!("{} {verb}", name.map_or(resource, |(resource, _)| resource))
    };
    let granted: BTreeSet<String> =
        scopes.iter().flat_map(|values| rights(&render(values))).map(what).collect();
    let resources = granted.iter().map(|right| right.split([' ', '/']).next().unwrap()).collect();
    let page = std::fs::read_to_string(crate::chart().join("README.md.gotmpl")).unwrap();
    assert_eq!(described(&page, &resources), granted);
}

/// Whoever may write accounts uses every credential, and whoever reads them learns whose they are.
#[test]
fn roles_for_accounts_are_never_added_to_others() {
    let everything = json!({ "roles": { "aggregate": { "reader": true, "keyPairEditor": true,
        "hostKeyResetter": true } } });
    let objects = render(&everything);
    let of_accounts = |it: &&Value| {
        it["kind"] == "ClusterRole" && it["rules"].to_string().contains("lightsailaccounts")
    };
    let is_added = |it: &Value| {
        let labels = it["metadata"]["labels"].as_object().unwrap();
        labels.keys().any(|label| label.contains("rbac.authorization.k8s.io"))
    };
    let roles: BTreeSet<(&str, bool)> = objects
        .iter()
        .filter(of_accounts)
        .map(|it| (it["metadata"]["name"].as_str().unwrap(), is_added(it)))
        .collect();
    assert_eq!(
        roles,
        [
            (NAME, false),
            ("lightsail-operator-account-editor", false),
            ("lightsail-operator-account-reader", false),
        ]
        .into()
    );
    assert_eq!(objects.iter().filter(|it| it["kind"] == "ClusterRole" && is_added(it)).count(), 3);
    // Nobody is bound to them.
    let bound: Vec<&Value> = objects
        .iter()
        .filter(|it| it["kind"] == "ClusterRoleBinding")
        .map(|it| &it["roleRef"]["name"])
        .collect();
    assert_eq!(bound, [NAME]);
}

/// Secrets and `ConfigMaps` can never be listed, which would show them all, nor watched or deleted;
/// nor can namespaces. Nothing is granted by a star, nor any right to get more rights.
#[test]
fn no_rendering_grants_what_is_never_used() {
    let accounts = [
        json!({}),
        json!({ "primary": false, "unscopedNamespaces": ["b"] }),
        json!({ "enabled": false }),
    ];
    let scopes = [json!([]), json!(["a"]), json!([NAME, "b"])];
    for (mode, cluster) in [("full", ""), ("full", "c"), ("none", ""), ("none", "c")] {
        for (scope, accounts) in
            scopes.iter().flat_map(|scope| accounts.iter().map(move |it| (scope, it)))
        {
            check_rules(&json!({
                "secrets": { "mode": mode }, "watch": { "namespaces": scope },
                "clusterID": cluster, "accounts": accounts,
                "roles": { "aggregate": { "reader": true, "keyPairEditor": true,
                    "hostKeyResetter": true } },
            }));
        }
    }
}

fn check_rules(values: &Value) {
    let watched = values["watch"]["namespaces"].as_array().unwrap();
    for role in render(values).iter().filter(|it| it["kind"].as_str().unwrap().ends_with("Role")) {
        for rule in role["rules"].as_array().unwrap() {
            let has = |key: &str, words: &[&str]| {
                rule[key]
                    .as_array()
                    .is_some_and(|all| all.iter().any(|it| words.contains(&it.as_str().unwrap())))
            };
            assert!(
                !has("verbs", &["*", "escalate", "bind", "impersonate", "deletecollection"]),
                "{values}: {rule}"
            );
            assert!(!has("resources", &["*"]) && !has("apiGroups", &["*"]), "{values}: {rule}");
            let reads_by_name = has("resources", &["secrets", "configmaps", "namespaces"]);
            assert!(
                !reads_by_name || !has("verbs", &["list", "watch", "delete", "update"]),
                "{values}: {rule}"
            );
            if has("resources", &["secrets"]) {
                assert_eq!(values["secrets"]["mode"], "full", "{values}: {rule}");
                assert_eq!(role["kind"] == "ClusterRole", watched.is_empty(), "{values}: {rule}");
                let namespace = &role["metadata"]["namespace"];
                assert!(
                    watched.is_empty()
                        || watched.contains(namespace)
                        || (*namespace == NAME && rule["verbs"] == json!(["get"])),
                    "{values}: {rule}"
                );
            }
        }
    }
}
