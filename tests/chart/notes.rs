//! What Helm says after an installation: its example is taken as it is.

use serde_json::{Value, json};
use testbed::helm::{Helm, VERSIONS};

use crate::{NAME, chart, tools};

/// Only Helm 4 says it without a cluster.
fn notes(values: &Value) -> String {
    let home = tempfile::tempdir().unwrap();
    let helm = Helm::new(&tools(), VERSIONS[0], home.path(), None);
    let chart = chart();
    let install = ["install", NAME, chart.to_str().unwrap(), "--namespace", NAME];
    let arguments = install.into_iter().chain(["--dry-run=client", "--output=json"]);
    let arguments: Vec<_> = arguments.collect();
    let output = helm.run(&arguments, values).unwrap().or_error().unwrap();
    let release: Value = serde_json::from_str(&output).unwrap();
    release["info"]["notes"].as_str().unwrap().to_owned()
}

/// The object of the example, as text.
fn example(notes: &str) -> &str {
    let (_, rest) = notes.split_once("<<END\n").unwrap();
    rest.split_once("\nEND\n").unwrap().0
}

#[test]
fn the_example_is_for_a_namespace_that_is_watched() {
    let of = |namespaces: &[&str]| json!({ "watch": { "namespaces": namespaces } });
    for (values, line) in [
        (Value::Null, "namespace: default"),
        (of(&["team-a", "b"]), "namespace: team-a"),
        // YAML could take these for something else.
        (of(&["123"]), r#"namespace: "123""#),
        (of(&["1e3"]), r#"namespace: "1e3""#),
        (of(&["on"]), r#"namespace: "on""#),
    ] {
        let notes = notes(&values);
        let example = example(&notes);
        assert!(example.lines().any(|it| it.trim() == line), "{line}: {example}");
        let object: Value = serde_yaml_ng::from_str(example).unwrap();
        assert!(object["metadata"]["namespace"].is_string(), "{example}");
        assert_eq!(object["spec"]["accountRef"], Value::Null, "{example}");
    }
}

#[test]
fn the_example_has_an_account_ref_where_one_is_needed() {
    let unscoped = |of: &str| json!({ "required": true, "unscopedNamespaces": [of] });
    for (accounts, is_needed) in [
        (json!({ "required": true }), true),
        (unscoped("other"), true),
        (unscoped("default"), false),
        (json!({ "unscopedNamespaces": ["other"] }), false),
        (json!({ "enabled": false }), false),
    ] {
        let notes = notes(&json!({ "accounts": accounts }));
        let object: Value = serde_yaml_ng::from_str(example(&notes)).unwrap();
        let account = &object["spec"]["accountRef"];
        let expected = if is_needed { json!({ "name": "ACCOUNT" }) } else { Value::Null };
        assert_eq!(*account, expected, "{accounts}");
    }
}

/// The warning of plain HTTP ends with the simulator, of which nothing more is said.
#[test]
fn the_notes_for_the_simulator_say_whose_pods_run_on_amd64() {
    let values = include_str!("../../deploy/simulator/values.yaml");
    let notes = notes(&serde_yaml_ng::from_str(values).unwrap());
    let at = |text: &str| notes.find(text).unwrap_or_else(|| panic!("no {text}: {notes}"));
    assert!(at("Its pods run only on amd64 nodes") < at("Warning: requests to http://"));
}
