//! Values as people write them, in `people.yaml`: what they meant is rendered, or they are told
//! what to write instead. The text goes to Helm as it is, whose YAML has `yes` and octal numbers.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;
use testbed::cluster::{Cluster, Output};
use testbed::helm::{Helm, VERSIONS, objects};

use crate::valid::dry_run;
use crate::{NAME, chart, tools};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    values: String,
    refused: Option<String>,
    gives: Option<String>,
}

fn cases() -> Vec<Case> {
    let cases: Vec<Case> = serde_yaml_ng::from_str(include_str!("people.yaml")).unwrap();
    assert!(cases.len() >= 40);
    cases
}

/// What a version of Helm makes of a file of values.
fn template(version: &str, home: &Path, values: &str) -> Output {
    let file = home.join("values.yaml");
    std::fs::write(&file, values).unwrap();
    let (chart, file) = (chart(), file.to_string_lossy());
    let chart = chart.to_string_lossy();
    let arguments = ["template", NAME, &chart, "--namespace", NAME, "--values", &file];
    Helm::new(&tools(), version, home, None).run(&arguments, &Value::Null).unwrap()
}

#[test]
fn what_people_write_is_rendered_or_they_are_told_what_to_write() {
    let home = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    for case in cases() {
        for version in VERSIONS {
            let output = template(version, home.path(), &case.values);
            let is_right = match (&case.refused, &case.gives) {
                (Some(why), None) => !output.success && output.stderr.contains(why),
                (None, Some(text)) => output.success && output.stdout.contains(text),
                _ => false,
            };
            if !is_right {
                wrong.push(format!("{version}: {}: {}", case.name, output.stderr));
            }
        }
    }
    assert_eq!(wrong, [""; 0]);
}

/// The kinds of Prometheus' operator, which the API server does not serve.
const NOT_SERVED: [&str; 2] = ["ServiceMonitor", "PrometheusRule"];

/// What both versions of Helm render, without what is not served.
fn rendered(case: &Case, home: &Path) -> Vec<Value> {
    let [four, three] = VERSIONS.map(|version| {
        let output = template(version, home, &case.values).or_error().unwrap();
        objects(&output).unwrap()
    });
    assert_eq!(four, three, "{}", case.name);
    four.into_iter().filter(|it| !NOT_SERVED.contains(&it["kind"].as_str().unwrap())).collect()
}

#[tokio::test]
async fn what_people_write_is_taken_by_the_api_server() {
    let cluster = Cluster::from_env().await.unwrap();
    let home = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    for case in cases().iter().filter(|case| case.gives.is_some()) {
        let objects = rendered(case, home.path());
        assert!(objects.len() > 10, "{}", case.name);
        let output = dry_run(&cluster, &objects).await;
        if !output.success {
            wrong.push(format!("{}: {}", case.name, output.stderr));
        }
    }
    assert_eq!(wrong, [""; 0]);
}
