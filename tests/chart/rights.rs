//! What the operator may do, by what it watches and whether it has to do with Secrets.

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
        "lightsailkeypairs/status update",
        "hostkeyresets get",
        "hostkeyresets list",
        "hostkeyresets watch",
        "hostkeyresets patch",
        "hostkeyresets delete",
        "hostkeyresets/status update",
        "configmaps get",
        "events create",
    ];
    all.iter().map(|right| format!("{place} {right}")).collect()
}

fn with_secrets(place: &str) -> Vec<String> {
    let secrets = ["secrets get", "secrets create", "secrets patch", "namespaces get"];
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
        ("no Secrets", json!({ "secrets": none }), vec![always("*"), cluster_id()]),
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
        assert_eq!(rights(&render(&values)), expected, "{name}");
    }
}

/// Secrets and `ConfigMaps` can never be listed, which would show them all, nor watched or deleted;
/// and nothing is granted by a star, nor any right to get more rights.
#[test]
fn no_rendering_grants_what_is_never_used() {
    let modes = ["full", "none"];
    let scopes = [json!([]), json!(["a"]), json!([NAME, "b"])];
    let clusters = ["", "c"];
    for (mode, scope, cluster) in modes.iter().flat_map(|mode| {
        scopes.iter().flat_map(move |scope| clusters.map(|cluster| (mode, scope, cluster)))
    }) {
        let values = json!({
            "secrets": { "mode": mode }, "watch": { "namespaces": scope }, "clusterID": cluster,
            "roles": { "aggregate": { "reader": true, "keyPairEditor": true,
                "hostKeyResetter": true } },
        });
        let objects = render(&values);
        for role in objects.iter().filter(|it| it["kind"].as_str().unwrap().ends_with("Role")) {
            for rule in role["rules"].as_array().unwrap() {
                let has = |key: &str, words: &[&str]| {
                    rule[key].as_array().is_some_and(|all| {
                        all.iter().any(|it| words.contains(&it.as_str().unwrap()))
                    })
                };
                assert!(
                    !has("verbs", &["*", "escalate", "bind", "impersonate", "deletecollection"]),
                    "{values}: {rule}"
                );
                assert!(!has("resources", &["*"]) && !has("apiGroups", &["*"]), "{values}: {rule}");
                let reads_content = has("resources", &["secrets", "configmaps"]);
                assert!(
                    !reads_content || !has("verbs", &["list", "watch", "delete", "update"]),
                    "{values}: {rule}"
                );
                assert!(!has("resources", &["secrets"]) || *mode == "full", "{values}: {rule}");
                let is_cluster_wide = role["kind"] == "ClusterRole";
                assert!(
                    !has("resources", &["secrets"])
                        || is_cluster_wide == scope.as_array().unwrap().is_empty(),
                    "{values}: {rule}"
                );
            }
        }
    }
}
