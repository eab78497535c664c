//! Prometheus evaluates the queries of the dashboard: each panel has something to show, before
//! anything has happened and afterwards.

use std::collections::BTreeSet;
use std::time::Duration;

use lightsail_operator::clock::Moment;
use lightsail_operator::engine::Outcome;
use lightsail_operator::engine::concurrency::Class;
use lightsail_operator::ids::Scope;
use lightsail_operator::metrics::Metrics;
use serde_json::{Value, json};

use crate::monitoring::{
    DASHBOARD, RULES, alerts, list, panels, path, promtool, read, strings, yaml,
};

const KINDS: [&str; 3] = ["LightsailKeyPair", "HostKeyReset", "LightsailAccount"];
const REGION: &str = "eu-west-1";

fn scope() -> Scope {
    Scope { account: "123456789012".into(), region: REGION.into() }
}

/// What a leader counts before anything has happened.
fn quiet() -> Metrics {
    let metrics = Metrics::default();
    for kind in KINDS {
        let outcomes = Outcome::all().map(|outcome| outcome.to_string());
        metrics.begin(kind, outcomes, Class::ALL.map(Class::word));
    }
    metrics.set_leader(true);
    metrics
}

/// What it counts when everything has happened.
fn busy() -> Metrics {
    let (metrics, scope) = (quiet(), scope());
    for kind in KINDS {
        for outcome in ["Imported", "KubernetesError"] {
            metrics.reconciled(kind, outcome, Duration::from_millis(20));
        }
        for class in Class::ALL.map(Class::word) {
            metrics.set_depth(kind, class, 2);
            metrics.waited(kind, class, Duration::from_millis(70));
        }
        metrics.set_objects(kind, true, "Imported", 3);
        metrics.set_objects(kind, false, "OutcomeUnknown", 1);
        metrics.became_ready(kind, 1.5);
    }
    metrics.set_rate(&scope, 5.0);
    for code in ["OK", "Timeout"] {
        metrics.lightsail_request("GetKeyPairs", REGION, code, Duration::from_millis(40));
    }
    metrics.throttled(&scope);
    metrics.set_inventory(&scope, Moment::now(), 7, 1);
    metrics
}

/// What Prometheus scrapes, each minute for two hours. Counters grow by what they are.
fn series(metrics: &Metrics) -> Vec<Value> {
    let text = metrics.encode();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            let (name, labels) = name.split_once('{').unwrap_or((name, "}"));
            let value: f64 = value.parse().unwrap();
            let counts = ["_total", "_bucket", "_count", "_sum"].iter();
            let grows = counts.clone().any(|suffix| name.ends_with(suffix));
            let values =
                if grows { format!("0+{value:.6}x120") } else { format!("{value:.6}x120") };
            let scrape = r#"namespace="o",job="lightsail",instance="a""#;
            json!({ "series": format!("{name}{{{scrape},{labels}"), "values": values })
        })
        .collect()
}

fn queries() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&read(DASHBOARD)).unwrap();
    let panels = panels(&dashboard);
    let queries = panels.iter().flat_map(|panel| strings(list(panel, "/targets"), "/expr"));
    let variables =
        [("$namespace", ".*"), ("$job", ".*"), ("$__rate_interval", "5m"), ("$__range", "1h")];
    queries
        .map(|query| {
            variables
                .iter()
                .fold(query.to_owned(), |query, (name, value)| query.replace(name, value))
        })
        .collect()
}

/// Whether a query gives a value. A quantile of nothing is none.
fn gives_a_value(query: &str, is_busy: bool) -> Value {
    let value = if is_busy || !query.contains("histogram_quantile") {
        format!("({query}) >= 0")
    } else {
        query.to_owned()
    };
    json!({
        "expr": format!("count({value}) > bool 0"),
        "eval_time": "90m",
        "exp_samples": [{ "labels": "{}", "value": 1 }],
    })
}

#[test]
fn every_panel_has_something_to_show() {
    let (queries, rules) = (queries(), yaml(RULES));
    assert!(queries.len() > 20);
    let silent: Vec<Value> = strings(alerts(&rules), "/alert")
        .iter()
        .map(|alert| json!({ "alertname": alert, "eval_time": "2h" }))
        .collect();
    let case = |name: &str, metrics: &Metrics, is_busy: bool, alerts: &[Value]| {
        let values: Vec<Value> =
            queries.iter().map(|query| gives_a_value(query, is_busy)).collect();
        json!({
            "name": name,
            "interval": "1m",
            "input_series": series(metrics),
            "promql_expr_test": values,
            "alert_rule_test": alerts,
        })
    };
    let tests = json!({
        "rule_files": [path(RULES)],
        "evaluation_interval": "1m",
        "tests": [
            case("before anything has happened", &quiet(), false, &silent),
            case("when everything has happened", &busy(), true, &[]),
        ],
    });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("dashboard.yaml");
    std::fs::write(&file, tests.to_string()).unwrap();
    promtool(&["test", "rules"], &file);
}

/// The values of a label that a query names.
fn named<'a>(query: &'a str, label: &str) -> Vec<&'a str> {
    let rests = query.split(label).skip(1);
    let values = rests.filter_map(|rest| rest.trim_start_matches(['=', '~']).strip_prefix('"'));
    values.filter_map(|rest| rest.split('"').next()).flat_map(|words| words.split('|')).collect()
}

#[test]
fn counters_that_a_query_names_begin_at_0() {
    let (metrics, rules, mut count) = (quiet().encode(), yaml(RULES), 0);
    let rules = alerts(&rules).into_iter().map(|alert| alert["expr"].as_str().unwrap().to_owned());
    for query in queries().into_iter().chain(rules) {
        for outcome in named(&query, "outcome") {
            for kind in KINDS {
                let zero = format!("reconciles_total{{kind=\"{kind}\",outcome=\"{outcome}\"}} 0\n");
                assert!(metrics.contains(&zero), "{zero}");
                count += 1;
            }
        }
    }
    assert!(count > 10);
}

#[test]
fn the_requests_of_a_region_begin_at_0_and_go_with_it() {
    let source = read("src/lightsail/client.rs");
    let is_operation =
        |word: &&str| word.starts_with(char::is_uppercase) && word.chars().all(char::is_alphabetic);
    let mut called: BTreeSet<&str> =
        source.split('"').skip(1).step_by(2).filter(is_operation).collect();
    assert!(called.remove("GetRegions"), "which only an export calls");
    let metrics = quiet();
    metrics.set_rate(&scope(), 5.0);
    let begun = metrics.encode();
    let counted = begun.lines().filter(|line| line.contains("lightsail_requests_total{"));
    let counted = counted.inspect(|line| assert!(line.ends_with("code=\"OK\"} 0"), "{line}"));
    assert_eq!(counted.flat_map(|line| named(line, "operation")).collect::<BTreeSet<_>>(), called);
    assert!(begun.contains("throttled_requests_total{account=\"123456789012\""));
    metrics.forget_region(REGION);
    assert!(!metrics.encode().contains(REGION));
}
