//! The page on metrics, the alerts and the dashboard are of the metrics that there are, and
//! Prometheus takes them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::docs::anchors;

const PREFIX: &str = "lightsail_operator_";
const PAGE: &str = "docs/metrics.md";
pub(crate) const RULES: &str = "charts/lightsail-operator/files/rules.yaml";
const RULES_TEST: &str = "tests/offline/rules_test.yaml";
pub(crate) const DASHBOARD: &str = "charts/lightsail-operator/files/dashboard.json";

pub(crate) fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

pub(crate) fn read(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap()
}

pub(crate) fn yaml(name: &str) -> Value {
    serde_yaml_ng::from_str(&read(name)).unwrap()
}

/// Of Debian's package `prometheus`, which `make setup` installs.
pub(crate) fn promtool(arguments: &[&str], file: &Path) {
    let output = Command::new("promtool")
        .args(arguments)
        .arg(file)
        .output()
        .expect("promtool; run `make setup`");
    let said = [output.stdout, output.stderr].concat();
    assert!(
        output.status.success(),
        "promtool {}: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&said)
    );
}

/// The strings that stand at this pointer in each of the values.
pub(crate) fn strings<'a>(
    values: impl IntoIterator<Item = &'a Value>,
    pointer: &str,
) -> Vec<&'a str> {
    values
        .into_iter()
        .map(|value| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default())
        .collect()
}

pub(crate) fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The names of the metrics in a text, without what a histogram adds to its name.
fn metrics_in(text: &str) -> BTreeSet<&str> {
    let starts = text.match_indices(PREFIX).map(|(start, _)| &text[start..]);
    let names = starts.map(|rest| {
        let end = rest
            .find(|char: char| !(char.is_ascii_alphanumeric() || char == '_'))
            .unwrap_or(rest.len());
        &rest[..end]
    });
    names
        .map(|name| {
            ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|it| name.strip_suffix(it))
                .unwrap_or(name)
        })
        .collect()
}

/// Name and type of each metric in the table of the page.
fn table(page: &str) -> Vec<(&str, &str)> {
    let rows = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter(|row| row.starts_with(PREFIX));
    rows.map(|row| {
        let mut cells = row.split(" | ");
        (cells.next().unwrap().trim_end_matches('`'), cells.next().unwrap())
    })
    .collect()
}

/// The names of the metrics that are registered, without `_total`.
fn registered(source: &str) -> BTreeSet<String> {
    let all = [(" add(", ""), (" add_seconds(", "_seconds")];
    let names = all.into_iter().flat_map(|(call, unit)| {
        let calls = source.split(call).skip(1);
        let names = calls.filter_map(|call| call.split_once(", \"")?.1.split('"').next());
        names.map(move |name| format!("{PREFIX}{name}{unit}"))
    });
    names.collect()
}

pub(crate) fn alerts(rules: &Value) -> Vec<&Value> {
    list(rules, "/groups").iter().flat_map(|group| list(group, "/rules")).collect()
}

pub(crate) fn panels(dashboard: &Value) -> Vec<&Value> {
    list(dashboard, "/panels").iter().filter(|panel| panel["type"] != "row").collect()
}

#[test]
fn every_metric_is_in_the_page() {
    let source = read("src/metrics/mod.rs");
    assert!(source.contains("Registry::with_prefix(\"lightsail_operator\")"));
    let (page, registered) = (read(PAGE), registered(&source));
    let table = table(&page);
    let described: BTreeSet<String> = table
        .iter()
        .map(|(name, _)| name.strip_suffix("_total").unwrap_or(name).to_owned())
        .collect();
    assert!(registered.len() > 10);
    assert_eq!(described, registered, "{PAGE} and src/metrics/mod.rs");
    for (name, kind) in table {
        assert!(["counter", "gauge", "histogram"].contains(&kind), "{name}: {kind}");
        assert_eq!(name.ends_with("_total"), kind == "counter", "{name}: {kind}");
    }
}

#[test]
fn what_becomes_of_vanished_objects_is_counted_from_0_on() {
    let metrics = lightsail_operator::metrics::Metrics::default().encode();
    for series in [
        "vanished_objects{kind=\"LightsailKeyPair\"}",
        "vanished_objects_ended_total{kind=\"LightsailKeyPair\",reason=\"Deleted\"}",
        "vanished_objects_ended_total{kind=\"LightsailKeyPair\",reason=\"Released\"}",
    ] {
        assert!(metrics.contains(&format!("\n{PREFIX}{series} 0\n")), "{series}: {metrics}");
    }
}

#[test]
fn no_other_metric_is_asked_for() {
    let page = read(PAGE);
    let known: BTreeSet<&str> = table(&page).into_iter().map(|(name, _)| name).collect();
    for name in [PAGE, RULES, RULES_TEST, DASHBOARD] {
        let text = read(name);
        let unknown: Vec<&str> = metrics_in(&text).difference(&known).copied().collect();
        assert_eq!(unknown, [""; 0], "{name}");
    }
}

#[test]
fn alerts_fire_when_they_should_and_are_silent_when_they_should_not() {
    promtool(&["check", "rules"], &path(RULES));
    promtool(&["test", "rules"], &path(RULES_TEST));
    let (rules, tests, page) = (yaml(RULES), yaml(RULES_TEST), read(PAGE));
    let cases: Vec<&Value> =
        list(&tests, "/tests").iter().flat_map(|test| list(test, "/alert_rule_test")).collect();
    let alerts = strings(alerts(&rules), "/alert");
    assert!(alerts.len() > 5);
    for alert in alerts {
        let counts = cases
            .iter()
            .filter(|case| case["alertname"] == alert)
            .map(|case| list(case, "/exp_alerts").len());
        assert!(
            counts.clone().any(|count| count > 0),
            "{RULES_TEST} does not say when {alert} fires"
        );
        assert!(
            counts.clone().any(|count| count == 0),
            "{RULES_TEST} does not say when {alert} is silent"
        );
        assert!(page.contains(&format!("| `{alert}` |")), "{alert} is not in {PAGE}");
    }
}

/// In the repository, at the tag of this version.
#[test]
fn every_alert_leads_to_a_heading() {
    let (rules, repository) = (yaml(RULES), env!("CARGO_PKG_REPOSITORY"));
    let start = format!("{repository}/blob/v{}/", env!("CARGO_PKG_VERSION"));
    let names = strings(alerts(&rules), "/alert");
    for (alert, url) in names.iter().zip(strings(alerts(&rules), "/annotations/runbook_url")) {
        let place = url.strip_prefix(&start).and_then(|place| place.split_once('#'));
        let leads = place.is_some_and(|(page, anchor)| anchors(&read(page)).contains(anchor));
        assert!(leads, "{alert}: {url}");
    }
}

/// The reasons that an alert names.
fn named_by<'a>(rules: &'a Value, alert: &str) -> BTreeSet<&'a str> {
    let rule = alerts(rules).into_iter().find(|rule| rule["alert"] == alert);
    rule.unwrap()["expr"].as_str().unwrap().split(['"', '|']).collect()
}

#[test]
fn every_reason_that_asks_for_a_person_has_an_alert() {
    let (reasons, rules) = (read("src/api/reason.rs"), yaml(RULES));
    let stalled = named_by(&rules, "LightsailOperatorObjectsStalled");
    let late = named_by(&rules, "LightsailOperatorObjectsNotReady");
    // The first was asked for, and the second may take hours.
    let waits = BTreeSet::from(["Suspended", "WaitingForTurn"]);
    let rows = [("Stalled", vec![&stalled]), ("Reconciling", vec![&stalled, &late, &waits])];
    for (part, alerting) in rows {
        let there = reasons.split(&format!("// {part}\n")).nth(1).unwrap();
        let there = there.split("//").next().unwrap().lines();
        let there = there.filter_map(|line| line.trim().strip_suffix(','));
        assert!(there.clone().count() > 8, "{part}");
        let left_out = there.filter(|reason| alerting.iter().all(|words| !words.contains(reason)));
        assert_eq!(left_out.collect::<Vec<_>>(), [""; 0], "{part}");
    }
}

#[test]
fn every_panel_says_what_it_shows() {
    let dashboard: Value = serde_json::from_str(&read(DASHBOARD)).unwrap();
    assert_eq!(dashboard["uid"], "lightsail-operator");
    let panels = panels(&dashboard);
    assert!(panels.len() > 10);
    for pointer in ["/title", "/description", "/fieldConfig/defaults/unit"] {
        assert!(
            !strings(panels.iter().copied(), pointer).contains(&""),
            "a panel has no {pointer}"
        );
    }
    for panel in panels {
        let targets = list(panel, "/targets");
        assert!(!targets.is_empty(), "{} asks for nothing", panel["title"]);
        for pointer in ["/expr", "/legendFormat"] {
            assert!(
                !strings(targets, pointer).contains(&""),
                "{} has no {pointer}",
                panel["title"]
            );
        }
    }
}

/// Prometheus checks the queries of a rule file, so they are made rules of one. Those of the
/// dashboard are evaluated elsewhere.
#[test]
fn queries_of_the_page_can_be_parsed() {
    let page = read(PAGE);
    let queries = page.split("```promql\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let rule = |(index, query): (usize, &str)| {
        let name = format!("query:{index}");
        json!({ "record": name, "expr": query })
    };
    let rules: Vec<Value> = queries.enumerate().map(rule).collect();
    assert!(rules.len() > 3);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("queries.yaml");
    std::fs::write(&file, json!({ "groups": [{ "name": "queries", "rules": rules }] }).to_string())
        .unwrap();
    promtool(&["check", "rules"], &file);
}

/// The series of an error begins with the first such error.
#[test]
fn the_first_error_is_found() {
    let page = read(PAGE);
    let part = page.split("\nErrors from Lightsail").nth(1).unwrap();
    let query = part.split("```promql\n").nth(1).unwrap().split("```").next().unwrap();
    let series = |code: &str| {
        let labels = format!(r#"operation="ImportKeyPair", region="eu-west-1", code="{code}""#);
        format!("lightsail_operator_lightsail_requests_total{{{labels}}}")
    };
    // Of the old series, one grows no more, and the other one does.
    let values =
        [("OK", "1+1x300"), ("First", "_x200 1x100"), ("Old", "7x300"), ("Again", "7x200 8x100")];
    let input_series: Vec<Value> = values
        .iter()
        .map(|(code, values)| json!({ "series": series(code), "values": values }))
        .collect();
    let is_found = |minute: u32, codes: &[&str]| {
        let sample = |code: &&str| {
            let labels = series(code).replace("lightsail_operator_lightsail_requests_total", "");
            json!({ "labels": labels, "value": 1 })
        };
        let samples: Vec<Value> = codes.iter().map(sample).collect();
        let eval_time = format!("{minute}m");
        json!({ "expr": format!("round({query})"), "eval_time": eval_time, "exp_samples": samples })
    };
    let queries = [
        is_found(199, &[]),
        is_found(200, &["First"]),
        is_found(201, &["First", "Again"]),
        is_found(250, &["First", "Again"]),
        is_found(290, &[]),
    ];
    let test = json!({
        "interval": "1m", "input_series": input_series, "promql_expr_test": queries,
    });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("first.yaml");
    std::fs::write(&file, json!({ "tests": [test] }).to_string()).unwrap();
    promtool(&["test", "rules"], &file);
}

/// Debian's Prometheus is built without Kubernetes' discovery, so that part is only parsed.
#[test]
fn prometheus_takes_the_settings_of_the_page() {
    let page = read(PAGE);
    let block = page.split("```text\n").nth(1).unwrap().split("```").next().unwrap();
    let mut settings: Value = serde_yaml_ng::from_str(block).unwrap();
    let job = settings["scrape_configs"][0].as_object_mut().unwrap();
    assert_eq!(job.remove("kubernetes_sd_configs").unwrap()[0]["role"], "pod");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("prometheus.yaml");
    std::fs::write(&file, settings.to_string()).unwrap();
    promtool(&["check", "config", "--syntax-only"], &file);
}
