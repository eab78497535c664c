//! What the chart's templates know of its values.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

fn read(name: &str) -> String {
    let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/lightsail-operator");
    std::fs::read_to_string(chart.join(name)).unwrap()
}

/// The values that have a default. Not lists and the user's own maps, which may be empty, nor what
/// is shared with other charts.
fn with_default(at: &str, schema: &Value, values: &Value, found: &mut BTreeSet<String>) {
    for (name, value) in values.as_object().unwrap() {
        let (path, schema) = (format!("{at}{name}"), &schema["properties"][name]);
        match value {
            Value::Object(_) if schema["additionalProperties"] == false => {
                with_default(&format!("{path}."), schema, value, found);
            }
            Value::Bool(_) | Value::Number(_) => {}
            Value::String(text) if !text.is_empty() => {}
            Value::Null | Value::String(_) | Value::Array(_) | Value::Object(_) => continue,
        }
        found.insert(path);
    }
}

/// A null value removes its default, and the template would go on with nothing.
#[test]
fn the_chart_refuses_null_for_every_value_with_a_default() {
    let schema: Value = serde_json::from_str(&read("values.schema.json")).unwrap();
    let values: Value = serde_yaml_ng::from_str(&read("values.yaml")).unwrap();
    let mut expected = BTreeSet::new();
    with_default("", &schema, &values, &mut expected);
    assert!(expected.contains("crds.keep") && !expected.contains("nodeSelector"), "{expected:?}");
    // The user's own maps whose defaults limit and harden the pods.
    expected.extend(["resources", "podSecurityContext", "securityContext"].map(str::to_owned));
    let checks = read("templates/_checks.tpl");
    let (_, list) = checks.split_once("define \"lightsail-operator.neverNull\" -}}").unwrap();
    let (list, _) = list.split_once("{{-").unwrap();
    let list: BTreeSet<String> = list.split_whitespace().map(str::to_owned).collect();
    assert_eq!(list, expected, "neverNull in _checks.tpl");
}
