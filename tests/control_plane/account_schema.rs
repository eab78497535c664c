//! The rules of `LightsailAccount` that the API server checks.

use kube::api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::{Api, Resource};
use lightsail_operator::api::account::LightsailAccount;
use serde_json::{Value, json};
use testbed::cluster::Cluster;

/// One team, one namespace.
fn account() -> Value {
    json!({
        "accountID": "123456789012",
        "allowedNamespaces": { "from": "Names", "names": ["team-a"] },
        "allowed": { "regions": ["eu-west-1"] },
    })
}

fn with(mut spec: Value, pointer: &str, value: Value) -> Value {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = spec.pointer_mut(parent).unwrap();
    if value.is_null() {
        parent.as_object_mut().unwrap().remove(name);
    } else {
        parent[name] = value;
    }
    spec
}

fn role(account: &str) -> Value {
    json!({ "roleARN": format!("arn:aws:iam::{account}:role/lightsail") })
}

fn object(name: &str, spec: &Value) -> LightsailAccount {
    serde_json::from_value(json!({
        "apiVersion": LightsailAccount::api_version(&()),
        "kind": LightsailAccount::kind(&()),
        "metadata": { "name": name },
        "spec": spec,
    }))
    .unwrap()
}

/// Whether the API server would take an account of this spec, as it was written.
async fn try_create(cluster: &Cluster, spec: &Value) -> kube::Result<DynamicObject> {
    let resource = ApiResource::erase::<LightsailAccount>(&());
    let object = json!({ "apiVersion": LightsailAccount::api_version(&()),
        "kind": LightsailAccount::kind(&()), "metadata": { "name": "tried" }, "spec": spec });
    let api = Api::<DynamicObject>::all_with(cluster.client(), &resource);
    let parameters = PostParams { dry_run: true, ..PostParams::default() };
    api.create(&parameters, &serde_json::from_value(object).unwrap()).await
}

async fn check_refused(cluster: &Cluster, cases: &[(&str, Value, &str)]) {
    for (name, spec, expected) in cases {
        let refusal = try_create(cluster, spec).await.map(drop).expect_err(name).to_string();
        assert!(refusal.contains(expected), "{name}: {refusal}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::too_many_lines, reason = "a line for each rule")]
async fn accounts_are_refused_with_what_to_write_instead() {
    let cluster = Cluster::from_env().await.unwrap();
    let api: Api<LightsailAccount> = Api::all(cluster.client());
    let names = |list: Value| with(account(), "/allowed/keyPairNames", list);
    let cases = [
        ("too short an id", with(account(), "/accountID", json!("1234")), "spec.accountID"),
        (
            "an id of letters",
            with(account(), "/accountID", json!("12345678901x")),
            "accountID must have 12 digits",
        ),
        (
            "no namespaces",
            with(account(), "/allowedNamespaces", Value::Null),
            "spec.allowedNamespaces: Required",
        ),
        (
            "names that are not asked for",
            with(account(), "/allowedNamespaces/from", json!("All")),
            "allowedNamespaces.names is required with from: Names",
        ),
        (
            "no names",
            with(account(), "/allowedNamespaces/names", Value::Null),
            "allowedNamespaces.names is required with from: Names",
        ),
        (
            "a namespace that cannot be",
            with(account(), "/allowedNamespaces/names", json!(["Team"])),
            "the name of a namespace has at most 63",
        ),
        (
            "a selector that is missing",
            with(account(), "/allowedNamespaces", json!({ "from": "Selector" })),
            "allowedNamespaces.selector is required with from: Selector",
        ),
        (
            "two namespaces and no names of key pairs",
            with(account(), "/allowedNamespaces/names", json!(["a", "b"])),
            "allowed.keyPairNames is required",
        ),
        (
            "all namespaces and no names of key pairs",
            with(account(), "/allowedNamespaces", json!({ "from": "All" })),
            "allowed.keyPairNames is required",
        ),
        ("no regions", with(account(), "/allowed/regions", json!([])), "spec.allowed.regions"),
        (
            "a zone",
            with(account(), "/allowed/regions", json!(["eu-west-1a"])),
            "a region must be the name of an AWS region",
        ),
        ("a hyphen behind the namespace", names(json!(["$(namespace)-*"])), "a name must be exact"),
        ("the namespace alone", names(json!(["$(namespace)*"])), "a name must be exact"),
        ("the namespace in the middle", names(json!(["a-$(namespace)_*"])), "a name must be exact"),
        ("an asterisk in the middle", names(json!(["a*b"])), "a name must be exact"),
        ("another variable", names(json!(["$(name)_*"])), "a name must be exact"),
        ("Cyrillic", names(json!(["flеet"])), "a name must be exact"),
        (
            "a default pair among the types",
            with(account(), "/allowed/types", json!(["Default"])),
            "Imported",
        ),
        (
            "a take-over from nobody",
            with(account(), "/allowed/takeOver", json!("OtherClusters")),
            "allowed.takeOverFrom is required with takeOver",
        ),
        (
            "clusters without a take-over",
            with(account(), "/allowed/takeOverFrom", json!(["red"])),
            "allowed.takeOverFrom is required with takeOver",
        ),
        ("no key pairs at all", with(account(), "/allowed/maxKeyPairs", json!(0)), "maxKeyPairs"),
        (
            "a default pair for nobody",
            with(
                account(),
                "/allowed/defaultKeyPair",
                json!({ "namespace": "ops", "actions": [] }),
            ),
            "actions",
        ),
        (
            "a Secret that is not named",
            with(account(), "/credentials", json!({ "source": "Secret" })),
            "credentials.secretRef is required with source: Secret",
        ),
        (
            "a Secret that is not asked for",
            with(account(), "/credentials", json!({ "secretRef": { "name": "aws" } })),
            "credentials.secretRef is required with source: Secret",
        ),
        (
            "a role of another account",
            with(account(), "/assumeRoleChain", json!([role("210987654321")])),
            "the last role of assumeRoleChain must belong to accountID",
        ),
        (
            "four roles",
            with(
                account(),
                "/assumeRoleChain",
                json!([
                    role("1".repeat(12).as_str()),
                    role("2".repeat(12).as_str()),
                    role("3".repeat(12).as_str()),
                    role("123456789012")
                ]),
            ),
            "assumeRoleChain",
        ),
        (
            "a user",
            with(
                account(),
                "/assumeRoleChain",
                json!([{ "roleARN": "arn:aws:iam::123456789012:user/a" }]),
            ),
            "roleARN must be the ARN of a role",
        ),
        (
            "too short a session",
            with(
                account(),
                "/assumeRoleChain",
                json!([{
             "roleARN": "arn:aws:iam::123456789012:role/a", "duration": "5m" }]),
            ),
            "duration must be from 15m to 1h",
        ),
        (
            "session tags without a role",
            with(account(), "/sessionTags", json!("Namespace")),
            "sessionTags: Namespace needs a role",
        ),
        ("no requests", with(account(), "/callsPerSecond", json!(0)), "callsPerSecond"),
    ];
    check_refused(&cluster, &cases).await;
    // The label of the Secret has the name of the account.
    let secret = json!({ "source": "Secret", "secretRef": { "name": "keys" } });
    let long = object(&"a".repeat(64), &with(account(), "/credentials", secret));
    let refusal = api.create(&PostParams::default(), &long).await.unwrap_err().to_string();
    assert!(refusal.contains("at most 63 characters"), "{refusal}");

    let full = json!({
        "accountID": "123456789012",
        "credentials": { "source": "Secret", "secretRef": { "name": "aws-prod" } },
        "assumeRoleChain": [role("210987654321"),
            { "roleARN": "arn:aws:iam::123456789012:role/path/lightsail", "externalID": "a/b:c",
                "duration": "15m" }],
        "sessionTags": "Namespace",
        "allowedNamespaces": { "from": "Selector", "selector": {
            "matchLabels": { "team": "a" },
            "matchExpressions": [{ "key": "env", "operator": "In", "values": ["prod"] }] } },
        "allowed": {
            "regions": ["eu-west-1", "eusc-de-east-1"],
            "types": ["Imported"],
            "keyPairNames": ["$(namespace)_*", "fleet", "team-*", "*"],
            "adoption": "Full",
            "takeOver": "OtherClusters",
            "takeOverFrom": ["red"],
            "maxKeyPairs": 10,
            "hostKeyReset": { "instanceTags": { "team": "$(namespace)" } },
            "defaultKeyPair": { "namespace": "ops", "actions": ["Download", "Create", "Delete"] },
        },
        "callsPerSecond": 2,
    });
    for (name, spec) in [("plain", account()), ("full", full)] {
        let made = api.create(&PostParams::default(), &object(name, &spec)).await.unwrap();
        let change = json!({ "spec": { "accountID": "210987654321", "assumeRoleChain": [] } });
        let edit = api.patch(name, &PatchParams::default(), &Patch::Merge(change)).await;
        let refusal = edit.unwrap_err().to_string();
        assert!(refusal.contains("accountID is immutable"), "{name}: {refusal}");
        assert_eq!(
            made.spec.allowed.adoption,
            match name {
                "plain" => lightsail_operator::api::account::Adoption::Retain,
                _ => lightsail_operator::api::account::Adoption::Full,
            }
        );
        api.delete(name, &DeleteParams::default()).await.unwrap();
    }
}

fn by_label(selector: &Value) -> Value {
    let names = with(account(), "/allowed/keyPairNames", json!(["$(namespace)_*"]));
    with(names, "/allowedNamespaces", json!({ "from": "Selector", "selector": selector }))
}

fn requirement(key: &str, operator: &str, values: Value) -> Value {
    let mut requirement = json!({ "key": key, "operator": operator });
    if !values.is_null() {
        requirement["values"] = values;
    }
    by_label(&json!({ "matchExpressions": [requirement] }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn selectors_are_refused_that_kubernetes_would_refuse_elsewhere() {
    let cluster = Cluster::from_env().await.unwrap();
    let values = "In and NotIn need values, and Exists and DoesNotExist must have none";
    let (key, value) = ("must be the key of a label", "must be the value of a label");
    let labels = "matchLabels must have keys and values of labels";
    let none = || Value::Null;
    let absent = |key: &str| requirement(key, "DoesNotExist", Value::Null);
    let cases = [
        ("values for Exists", requirement("team", "Exists", json!(["a"])), values),
        ("values for DoesNotExist", requirement("team", "DoesNotExist", json!(["a"])), values),
        ("an empty list for NotIn", requirement("team", "NotIn", json!([])), values),
        ("no values for NotIn", requirement("team", "NotIn", none()), values),
        ("no values for In", requirement("team", "In", none()), values),
        ("a label with its value", absent("team: b"), key),
        ("a space", absent("a b"), key),
        ("no key", absent(""), key),
        ("no name behind the prefix", absent("x.io/"), key),
        ("no prefix", absent("/team"), key),
        ("two prefixes", absent("x.io/a/team"), key),
        ("a prefix in capitals", absent("X.io/team"), key),
        ("too long a name", absent(&"a".repeat(64)), key),
        ("too long a prefix", absent(&format!("{}a/b", "a.".repeat(127))), key),
        ("a value with a space", requirement("team", "NotIn", json!(["a", "a b"])), value),
        ("a label that cannot be", by_label(&json!({ "matchLabels": { "a b": "c" } })), labels),
        ("its value", by_label(&json!({ "matchLabels": { "team": "a b" } })), labels),
    ];
    check_refused(&cluster, &cases).await;
    let long = format!("{}a/{}", "a.".repeat(126), "b".repeat(63));
    for (name, spec) in [
        ("an empty list for Exists", requirement("team", "Exists", json!([]))),
        ("an empty value", requirement("team", "NotIn", json!(["a", ""]))),
        ("a prefix", by_label(&json!({ "matchLabels": { "x.io/team_A.1": "B-1" } }))),
        ("the longest key", absent(&long)),
    ] {
        try_create(&cluster, &spec).await.expect(name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_namespace_or_tag_can_be_is_refused() {
    let cluster = Cluster::from_env().await.unwrap();
    let default = |namespace: &str| {
        let grant = json!({ "namespace": namespace, "actions": ["Download"] });
        with(account(), "/allowed/defaultKeyPair", grant)
    };
    let tags =
        |tags: Value| with(account(), "/allowed/hostKeyReset", json!({ "instanceTags": tags }));
    let (namespace, tag) = ("the name of a namespace has at most 63", "keys of instanceTags must");
    let cases = [
        ("capitals", default("Team"), namespace),
        ("every namespace", default("*"), namespace),
        ("a variable", default("$(namespace)"), namespace),
        ("no key", tags(json!({ "": "a" })), tag),
        ("a key with other characters", tags(json!({ "a!": "b" })), tag),
        ("too long a key", tags(json!({ "a".repeat(129): "b" })), tag),
        ("the namespace in a key", tags(json!({ "$(namespace)": "b" })), tag),
        ("a value with other characters", tags(json!({ "a": "b?" })), tag),
        ("another variable", tags(json!({ "a": "$(name)" })), tag),
    ];
    check_refused(&cluster, &cases).await;
    let good = tags(json!({ "Kosten Stelle": "ä + 1", "aws:x": "", "team": "a-$(namespace)/b" }));
    try_create(&cluster, &good).await.unwrap();
}
