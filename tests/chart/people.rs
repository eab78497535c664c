//! Values as people write them, in `people.yaml`: what they meant is rendered, or they are told
//! what to write instead. The text goes to Helm as it is, whose YAML has `yes` and octal numbers.

use serde::Deserialize;
use serde_json::Value;
use testbed::helm::{Helm, VERSIONS};

use crate::{NAME, chart, tools};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    values: String,
    refused: Option<String>,
    gives: Option<String>,
}

#[test]
fn what_people_write_is_rendered_or_they_are_told_what_to_write() {
    let cases: Vec<Case> = serde_yaml_ng::from_str(include_str!("people.yaml")).unwrap();
    assert!(cases.len() >= 40);
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("values.yaml");
    let arguments = ["template", NAME, &chart().to_string_lossy(), "--namespace", NAME]
        .map(str::to_owned)
        .into_iter()
        .chain(["--values".to_owned(), file.to_string_lossy().into_owned()])
        .collect::<Vec<_>>();
    let mut wrong = Vec::new();
    for case in &cases {
        std::fs::write(&file, &case.values).unwrap();
        for version in VERSIONS {
            let helm = Helm::new(&tools(), version, home.path(), None);
            let output = helm.run(&arguments, &Value::Null).unwrap();
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
