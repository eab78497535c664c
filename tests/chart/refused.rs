//! What cannot be meant is refused before anything is installed, with a word on where it stands.

use std::collections::HashMap;

use clap::{Arg, CommandFactory};
use lightsail_operator::config::Config;
use serde_json::{Value, json};

use testbed::cluster::Output;
use testbed::helm::{Helm, VERSIONS};

use crate::{chart, render, tools, try_render};

/// The chart is not rendered with these values, and the error has this word.
fn check(rows: Vec<(Value, &str)>) {
    for (values, word) in rows {
        match try_render(&values) {
            Ok(_) => panic!("{values} is taken"),
            Err(error) => assert!(error.contains(word), "{values}: {error}"),
        }
    }
}

#[test]
fn what_has_the_wrong_name_or_form_is_refused() {
    check(vec![
        (json!({ "replica": 1 }), "'replica'"),
        (json!({ "image": { "name": "x" } }), "'name'"),
        (json!({ "watch": { "namespace": "a" } }), "'namespace'"),
        (json!({ "roles": { "aggregate": { "admin": true } } }), "'admin'"),
        (json!({ "replicas": "2" }), "/replicas"),
        (json!({ "replicas": -1 }), "/replicas"),
        (json!({ "image": { "digest": "latest" } }), "/image/digest"),
        (json!({ "image": { "pullPolicy": "Sometimes" } }), "/image/pullPolicy"),
        (json!({ "watch": { "namespaces": "a" } }), "/watch/namespaces"),
        (json!({ "watch": { "namespaces": ["a", "a"] } }), "/watch/namespaces"),
        (json!({ "watch": { "namespaces": ["A"] } }), "/watch/namespaces/0"),
        (json!({ "secrets": { "mode": "some" } }), "/secrets/mode"),
        (json!({ "accounts": true }), "/accounts"),
        (json!({ "accounts": { "enable": true } }), "'enable'"),
        (json!({ "accounts": { "enabled": "false" } }), "/accounts/enabled"),
        (json!({ "accounts": { "primary": "false" } }), "/accounts/primary"),
        (json!({ "accounts": { "unscopedNamespaces": "a" } }), "/accounts/unscopedNamespaces"),
        (
            json!({ "accounts": { "unscopedNamespaces": ["a", "a"] } }),
            "/accounts/unscopedNamespaces",
        ),
        // It is no pattern.
        (
            json!({ "accounts": { "unscopedNamespaces": ["team-*"] } }),
            "/accounts/unscopedNamespaces/0",
        ),
        (json!({ "roles": { "aggregate": { "accountReader": true } } }), "'accountReader'"),
        (json!({ "clusterID": "a/b" }), "/clusterID"),
        // As a number it would lose its first digit.
        (json!({ "aws": { "accountID": 123_456_789_012_u64 } }), "/aws/accountID"),
        (json!({ "aws": { "accountID": "1234" } }), "/aws/accountID"),
        (json!({ "aws": { "region": "Ireland" } }), "/aws/region"),
        (json!({ "aws": { "endpointURL": "example.org" } }), "/aws/endpointURL"),
        (json!({ "concurrency": 0 }), "/concurrency"),
        (json!({ "aws": { "allowedRegions": ["eu-west-1a"] } }), "/aws/allowedRegions/0"),
        (json!({ "log": { "format": "xml" } }), "/log/format"),
        (json!({ "podLabels": { "a": 1 } }), "/podLabels/a"),
        (json!({ "commonLabels": { "a": "x@example.com" } }), "/commonLabels/a"),
        (json!({ "serviceMonitor": { "labels": { "a": "b c" } } }), "/serviceMonitor/labels/a"),
        (json!({ "prometheusRule": { "labels": { "a": "b c" } } }), "/prometheusRule/labels/a"),
        (json!({ "dashboard": { "labels": { "a": "b c" } } }), "/dashboard/labels/a"),
        (json!({ "commonLabels": { "a b": "x" } }), "'/commonLabels'"),
        (json!({ "podLabels": { "a/b/c": "x" } }), "'/podLabels'"),
        (json!({ "podLabels": { "a..b/c": "x" } }), "'/podLabels'"),
        (json!({ "podLabels": { "A.example.com/b": "x" } }), "'/podLabels'"),
        (json!({ "dashboard": { "labels": { "a".repeat(64): "x" } } }), "'/dashboard/labels'"),
        (json!({ "nodeSelector": { "a b": "x" } }), "'/nodeSelector'"),
        (json!({ "nodeSelector": { "a": "b c" } }), "/nodeSelector/a"),
        (json!({ "podAnnotations": { "a b": "x" } }), "'/podAnnotations'"),
        (json!({ "deploymentAnnotations": { "": "x" } }), "'/deploymentAnnotations'"),
        (json!({ "service": { "annotations": { "a/": "x" } } }), "'/service/annotations'"),
        (
            json!({ "serviceAccount": { "annotations": { "/a": "x" } } }),
            "'/serviceAccount/annotations'",
        ),
        // Prometheus takes each unit once, the longest first.
        (json!({ "serviceMonitor": { "interval": "30s1m" } }), "/serviceMonitor/interval"),
        (json!({ "serviceMonitor": { "interval": "1m1m" } }), "/serviceMonitor/interval"),
        (
            json!({ "networkPolicy": { "extraEgress": [{ "port": 3128 }] } }),
            "/networkPolicy/extraEgress/0",
        ),
        (json!({ "extraArgs": "--x" }), "/extraArgs"),
        (json!({ "extraEnv": [{ "value": "x" }] }), "/extraEnv/0"),
    ]);
}

#[test]
fn what_cannot_be_meant_is_refused() {
    check(vec![
        (json!({ "leaderElection": { "enabled": false } }), "replicas must be at most 1"),
        (json!({ "fullnameOverride": "a".repeat(41) }), "at most 40 fit: set fullnameOverride"),
        (json!({ "nameOverride": "a".repeat(40) }), "at most 40 fit: set fullnameOverride"),
        (json!({ "podLabels": { "app.kubernetes.io/name": "x" } }), "the chart sets itself"),
        (json!({ "commonLabels": { "helm.sh/chart": "x" } }), "the chart sets itself"),
        (json!({ "log": { "filter": "verbose" } }), "write, for example, info"),
        (json!({ "log": { "filter": "info," } }), "write, for example, info"),
        (json!({ "log": { "filter": "a[b{c=d,e=f}]=info" } }), "write, for example, info"),
        (json!({ "log": { "filter": "lightsail_operator" } }), "write, for example, info"),
        (json!({ "watch": { "labelSelector": "team in x" } }), "write, for example, team=a"),
        (json!({ "extraArgs": ["--settle-time=1m", "--settle-time=2m"] }), "--settle-time twice"),
        (json!({ "extraArgs": ["--settle-time=60"] }), "a time with its unit"),
        (json!({ "extraArgs": ["--concurrency=3"] }), "set concurrency instead"),
        (json!({ "extraArgs": ["--verbose"] }), "which the operator does not know"),
        (json!({ "extraArgs": ["--bind-address=[::]:9090"] }), "and port 8080"),
        // As programs in Go take it.
        (json!({ "extraArgs": ["--bind-address=:8080"] }), "the pod's IP address"),
        (json!({ "extraArgs": ["--bind-address=localhost:8080"] }), "the pod's IP address"),
        // Neither the probes nor the Service would reach it.
        (json!({ "extraArgs": ["--bind-address=127.0.0.1:8080"] }), "the pod's IP address"),
        (json!({ "extraArgs": ["--settle-time=0s"] }), "a time with its unit"),
        (json!({ "extraArgs": ["--bind-address", "[::]:8080"] }), "as one item"),
        (json!({ "extraArgs": ["--bind-address [::]:8080"] }), "as one item"),
        (json!({ "extraArgs": ["--settle-time", "60"] }), "as one item"),
        (json!({ "extraArgs": ["export"] }), "which the operator does not know"),
        // The roles for the Lease and for access keys are in the release's namespace.
        (json!({ "extraArgs": ["--lease-namespace=x"] }), "set namespaceOverride instead"),
        (
            json!({ "extraEnv": [{ "name": "A", "value": "x" }, { "name": "A", "value": "y" }] }),
            "A twice",
        ),
        (
            json!({ "extraEnv": [{ "name": "LIGHTSAIL_OPERATOR_LOG", "value": "info" }] }),
            "set log.filter instead",
        ),
        (
            json!({ "extraEnv": [
                { "name": "LIGHTSAIL_OPERATOR_BIND_ADDRESS", "value": "[::]:9090" }] }),
            "into extraArgs",
        ),
        (
            json!({ "extraEnv": [{ "name": "LIGHTSAIL_OPERATOR_SETTLE_TIME", "value": "60" }] }),
            "into extraArgs",
        ),
        (json!({ "image": { "repository": "example.com/i:1" } }), "into image.tag"),
        (json!({ "image": { "repository": "https://example.com/i" } }), "the registry's host"),
        (
            json!({ "accounts": { "enabled": false, "unscopedNamespaces": ["a"] } }),
            "needs accounts.enabled=true",
        ),
        (json!({ "accounts": { "enabled": false, "required": true } }), "needs accounts.enabled"),
        (
            json!({ "roles": { "create": false, "aggregate": { "reader": true } } }),
            "needs roles.create=true",
        ),
        (
            json!({ "extraEnv": [{ "name": "AWS_ACCESS_KEY_ID", "value": "x" }],
                "serviceAccount": { "annotations": {
                    "eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/x" } } }),
            "leave one of them out",
        ),
        (json!({ "fullnameOverride": "", "nameOverride": "", "watch": null }), "--reset-then"),
        (json!({ "aws": { "endpointURL": "http://s.x.svc" } }), "is plain http"),
        (
            json!({ "extraEnv": [{ "name": "AWS_ENDPOINT_URL_STS", "value": "HTTP://s.x.svc" }] }),
            "is plain http",
        ),
        (json!({ "aws": { "allowInsecureEndpoint": true } }), "has no effect without"),
        (json!({ "dnsPolicy": "None" }), "needs nameservers"),
        (json!({ "networkPolicy": { "enabled": true, "egress": [] } }), "leave egress out"),
        (
            json!({ "serviceAccount": { "create": false, "annotations": { "a": "b" } } }),
            "annotate the ServiceAccount",
        ),
        // Its permissions would be those of every other pod in the namespace.
        (json!({ "serviceAccount": { "create": false } }), "needs serviceAccount.name"),
        (
            json!({ "aws": { "existingSecret": "s" }, "serviceAccount": { "annotations": {
                "eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/x" } } }),
            "leave one of them out",
        ),
        (json!({ "watch": null }), "watch is null"),
        (json!({ "replicas": null }), "replicas is null"),
        (
            json!({ "serviceMonitor": { "enabled": true }, "service": { "enabled": false } }),
            "needs service.enabled",
        ),
        (
            json!({ "serviceMonitor": { "enabled": true, "interval": "1m30s",
                "scrapeTimeout": "91s" } }),
            "of at most the interval",
        ),
        (json!({ "podDisruptionBudget": { "maxUnavailable": 0 } }), "set it to 1 or more"),
        (json!({ "podDisruptionBudget": { "maxUnavailable": "0%" } }), "set it to 1 or more"),
        (json!({ "podDisruptionBudget": { "minAvailable": 2 } }), "lower it"),
        (json!({ "podDisruptionBudget": { "minAvailable": "100%" } }), "lower it"),
        // Rounded up, these are both of two.
        (json!({ "podDisruptionBudget": { "minAvailable": "51%" } }), "lower it"),
        (json!({ "replicas": 1, "podDisruptionBudget": { "minAvailable": 1 } }), "lower it"),
        // The interval of Prometheus may be shorter.
        (
            json!({ "serviceMonitor": { "enabled": true, "scrapeTimeout": "10s" } }),
            "needs serviceMonitor.interval",
        ),
    ]);
}

/// A values file that has nothing below one of these.
#[test]
fn what_protects_the_node_from_the_pods_is_not_removed_by_accident() {
    let names = ["securityContext", "podSecurityContext", "resources"];
    check(names.map(|name| (json!({ name: null }), "is null")).into());
}

#[test]
fn an_access_key_has_one_source() {
    let keys = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];
    let values = |name: &str| {
        let environment = json!([{ "name": name, "value": "x" }]);
        json!({ "aws": { "existingSecret": "s" }, "extraEnv": environment })
    };
    let refusal = "replaces the one in aws.existingSecret";
    check(keys.map(|name| (values(name), refusal)).into());
}

/// The operator has the same rows.
#[test]
fn label_selectors_are_those_that_the_operator_takes() {
    const ROWS: &str = include_str!("../support/label_selectors.yaml");
    let rows: HashMap<String, Vec<String>> = serde_yaml_ng::from_str(ROWS).unwrap();
    let values = |text: &str| json!({ "watch": { "labelSelector": text } });
    for text in &rows["taken"] {
        render(&values(text));
    }
    let refused = &rows["refused"];
    check(refused.iter().map(|text| (values(text), "write, for example, team=a")).collect());
}

/// The name of a Service may begin with a digit since Kubernetes 1.36.
#[test]
fn a_name_that_begins_with_a_digit_is_refused_where_a_service_cannot_have_it() {
    let home = tempfile::tempdir().unwrap();
    let long = format!("2026{}", "-a".repeat(20));
    for helm in VERSIONS.map(|name| Helm::new(&tools(), name, home.path(), None)) {
        let template = |release: &str, version: &str, values: Value| {
            let path = chart();
            let chart = path.to_string_lossy();
            helm.run(&["template", release, &chart, "--kube-version", version], &values).unwrap()
        };
        for version in ["1.31", "v1.35.4-eks-ecaa3a6"] {
            let no_service = json!({ "service": { "enabled": false } });
            assert!(template("1a", version, no_service).success);
            for (release, values) in [("1a", json!({})), ("a", json!({ "fullnameOverride": "1" }))]
            {
                let Output { success, stderr, .. } = template(release, version, values);
                assert!(!success && stderr.contains("set fullnameOverride, for"), "{stderr}");
            }
        }
        for version in ["1.36", "v1.36.0-eks-ecaa3a6"] {
            assert!(template("1a", version, json!({})).success);
        }
        let output = template("a", "1.31", json!({ "fullnameOverride": long }));
        assert!(output.stderr.contains("example to a-a-a"), "{}", output.stderr);
        let output = template("a", "1.31", json!({ "fullnameOverride": "1" }));
        assert!(output.stderr.contains("example to lightsail-operator"), "{}", output.stderr);
    }
}

/// A flag that the chart does not know would be refused though the operator takes it.
#[test]
fn the_chart_knows_every_flag_of_the_operator() {
    let checks = std::fs::read_to_string(crate::chart().join("templates/_checks.tpl")).unwrap();
    let operator = Config::command();
    let flags: Vec<&str> = operator.get_arguments().filter_map(Arg::get_long).collect();
    assert!(flags.contains(&"settle-time"), "{flags:?}");
    for flag in flags {
        let is_known =
            checks.contains(&format!("\n--{flag}: ")) || checks.contains(&format!("\"--{flag}\""));
        assert!(is_known, "--{flag} is not in _checks.tpl");
    }
}

/// A value that is not in the schema would be refused, and one that is only there could not be set
/// by anybody who reads the values.
#[test]
fn schema_and_values_are_of_the_same_things() {
    let read = |name| std::fs::read_to_string(crate::chart().join(name)).unwrap();
    let schema: Value = serde_json::from_str(&read("values.schema.json")).unwrap();
    let values: Value = serde_yaml_ng::from_str(&read("values.yaml")).unwrap();
    let mut differences = Vec::new();
    compare("", &schema, &values, &mut differences);
    assert_eq!(differences, [".enabled"], "which is for charts that depend on this one");
    render(&values);
}

fn compare(at: &str, schema: &Value, values: &Value, differences: &mut Vec<String>) {
    let Some(properties) = schema["properties"].as_object() else { return };
    // Other charts of the same installation have values there.
    let is_global = at == ".global";
    assert!(is_global || schema["additionalProperties"] == false, "{at} takes anything");
    let values = values.as_object().unwrap();
    for (name, schema) in properties {
        match values.get(name) {
            Some(value) => compare(&format!("{at}.{name}"), schema, value, differences),
            None => differences.push(format!("{at}.{name}")),
        }
    }
    differences.extend(
        values
            .keys()
            .filter(|name| !properties.contains_key(*name))
            .map(|name| format!("{at}.{name}")),
    );
}
