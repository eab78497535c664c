//! What is generated from the chart is as the chart has it now, and the chart as the operator has
//! it.

use std::process::Command;

use serde_json::{Value, json};
use testbed::helm::objects;

use crate::{NAME, chart, render, root, tools};

#[test]
fn readme_and_base_are_current() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(root().join("testbed/scripts/chart.sh"))
        .arg(folder.path())
        .env("TESTBED_TOOLS", tools())
        .output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for path in ["charts/lightsail-operator/README.md", "deploy/base/operator.yaml"] {
        let read = |root: &std::path::Path| std::fs::read_to_string(root.join(path)).unwrap();
        assert!(
            read(root()) == read(folder.path()),
            "{path} is not what the chart says; run `make chart`"
        );
    }
}

#[test]
fn base_is_the_chart_with_its_defaults_and_a_namespace() {
    let output = Command::new(tools().join("kubectl"))
        .arg("kustomize")
        .arg(root().join("deploy/base"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let base = objects(&String::from_utf8(output.stdout).unwrap()).unwrap();
    let (namespaces, base): (Vec<_>, Vec<_>) =
        base.into_iter().partition(|it| it["kind"] == "Namespace");
    assert_eq!(namespaces.iter().map(|it| &it["metadata"]["name"]).collect::<Vec<_>>(), [NAME]);
    let sorted = |objects: Vec<Value>| {
        let mut objects: Vec<Value> = objects.into_iter().map(without_tools_marks).collect();
        objects.sort_by_key(|it| format!("{} {}", it["kind"], it["metadata"]["name"]));
        objects
    };
    let (base, rendered) = (sorted(base), sorted(render(&Value::Null)));
    let names = |objects: &[Value]| -> Vec<String> {
        objects.iter().map(|it| format!("{}/{}", it["kind"], it["metadata"]["name"])).collect()
    };
    assert_eq!(names(&base), names(&rendered));
    for (base, rendered) in base.iter().zip(&rendered) {
        assert!(base == rendered, "{}/{} differs", base["kind"], base["metadata"]["name"]);
    }
}

/// Without what is only for Helm, and, of the CRDs, without the labels and annotations,
/// which tell each tool in its own words to keep them.
fn without_tools_marks(mut object: Value) -> Value {
    let is_definition = object["kind"] == "CustomResourceDefinition";
    for at in ["/metadata", "/spec/template/metadata"] {
        let Some(metadata) = object.pointer_mut(at).and_then(Value::as_object_mut) else {
            continue;
        };
        if is_definition {
            metadata.remove("labels");
            metadata.remove("annotations");
        }
        if let Some(labels) = metadata.get_mut("labels").and_then(Value::as_object_mut) {
            labels.remove("helm.sh/chart");
            labels.remove("app.kubernetes.io/managed-by");
        }
    }
    whole_numbers(&mut object);
    object
}

/// kustomize writes `0.0` as `0` where it has patched something.
fn whole_numbers(value: &mut Value) {
    match value {
        Value::Object(map) => map.values_mut().for_each(whole_numbers),
        Value::Array(list) => list.iter_mut().for_each(whole_numbers),
        Value::Number(number) => *value = json!(number.as_f64()),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

#[test]
fn the_chart_is_of_this_version_and_has_no_links() {
    let text = std::fs::read_to_string(chart().join("Chart.yaml")).unwrap();
    let about: Value = serde_yaml_ng::from_str(&text).unwrap();
    assert_eq!(about["appVersion"], env!("CARGO_PKG_VERSION"));
    let listed: Value =
        serde_yaml_ng::from_str(about["annotations"]["artifacthub.io/crds"].as_str().unwrap())
            .unwrap();
    let listed: Vec<&str> =
        listed.as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(
        listed,
        [
            "lightsailkeypairs.lightsail-operator.dev",
            "hostkeyresets.lightsail-operator.dev",
            "lightsailaccounts.lightsail-operator.dev"
        ]
    );
    // Flux leaves links out of what it loads.
    let mut folders = vec![chart()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            assert!(!entry.file_type().unwrap().is_symlink(), "{}", entry.path().display());
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            }
        }
    }
}

#[test]
fn helm_has_nothing_to_say_against_it() {
    let home = tempfile::tempdir().unwrap();
    for name in testbed::helm::VERSIONS {
        let helm = testbed::helm::Helm::new(&tools(), name, home.path(), None);
        let output =
            helm.run(&["lint", "--strict", &chart().to_string_lossy()], &Value::Null).unwrap();
        assert!(output.success, "{name}: {}{}", output.stdout, output.stderr);
        assert!(!output.stdout.contains("[WARNING]"), "{name}: {}", output.stdout);
    }
}
