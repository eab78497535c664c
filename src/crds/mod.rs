//! The CRDs as files, and the page about their fields: what `crdgen` writes and
//! `tests/offline/generated.rs` compares.

mod reference;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON,
};
use kube::CustomResourceExt;
use serde_json::{Value, json};

use crate::api::account::LightsailAccount;
use crate::api::{HostKeyReset, LightsailKeyPair};

const HEADER: &str = "# Generated from src/api by `make crds`. Do not edit.\n";

/// What makes a CRD a template of the chart: whether to install it, and whether Helm keeps it.
const TEMPLATE_METADATA: &str = r#"metadata:
  labels:
    {{- include "lightsail-operator.labels" . | nindent 4 }}
  {{- if .Values.crds.keep }}
  annotations:
    helm.sh/resource-policy: keep
  {{- end }}
"#;

/// The path and the content of each file: for each CRD a plain one and a template of the chart, and
/// the page `docs/reference.md`.
///
/// # Errors
/// If a CRD cannot be written as YAML, which a type of ours would have to cause.
pub fn files() -> Result<Vec<(String, String)>, serde_yaml_ng::Error> {
    let mut files = Vec::new();
    let mut described = Vec::new();
    let crds = [
        (LightsailKeyPair::crd(), ".Values.crds.enabled"),
        (HostKeyReset::crd(), ".Values.crds.enabled"),
        (LightsailAccount::crd(), "and .Values.crds.enabled .Values.accounts.enabled"),
    ];
    for (crd, condition) in crds {
        let name = format!("{}.yaml", crd.spec.names.plural);
        let mut crd = serde_yaml_ng::from_str(&serde_yaml_ng::to_string(&unobserved(crd))?)?;
        flow(&mut crd);
        let yaml = serde_yaml_ng::to_string(&crd)?;
        // The template language knows no other way to write its own opening.
        let template =
            yaml.replace("{{", r#"{{ "{{" }}"#).replacen("metadata:\n", TEMPLATE_METADATA, 1);
        let template = format!("{HEADER}{{{{- if {condition} }}}}\n{template}{{{{- end }}}}\n");
        files.push((format!("crds/{name}"), format!("{HEADER}{yaml}")));
        files.push((format!("charts/lightsail-operator/templates/crd-{name}"), template));
        described.push(crd);
    }
    files.push(("docs/reference.md".to_owned(), reference::page(&described)));
    Ok(files)
}

/// Descriptions as `kubectl explain` shows them well: it breaks lines by itself, so a paragraph is
/// one line.
fn flow(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                if key == "description"
                    && let Value::String(text) = value
                {
                    *text = paragraphs(text);
                } else {
                    flow(value);
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(flow),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Joins the lines of each paragraph; the items of a list stay on lines of their own.
fn paragraphs(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        match lines.last_mut() {
            Some(last) if !last.is_empty() && !line.is_empty() && !line.starts_with("- ") => {
                last.push(' ');
                last.push_str(line.trim_start());
            }
            _ => lines.push(line.to_owned()),
        }
    }
    lines.join("\n")
}

/// Gives a new object a status with `observedGeneration: -1`, so that no tool takes it for ready
/// before the operator has observed it. The default of the field alone would not do: it is applied
/// only where there is a status.
fn unobserved(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    for version in &mut crd.spec.versions {
        let status = version
            .schema
            .as_mut()
            .and_then(|schema| schema.open_api_v3_schema.as_mut())
            .and_then(|schema| schema.properties.as_mut())
            .and_then(|properties| properties.get_mut("status"));
        if let Some(status) = status {
            status.default = Some(JSON(json!({ "observedGeneration": -1 })));
            status.nullable = None;
        }
    }
    crd
}

#[cfg(test)]
mod tests {
    use super::paragraphs;

    #[test]
    fn a_paragraph_is_one_line_and_so_is_an_item() {
        let text = "One\ntwo.\n\nThree:\n- four\n  five\n- six";
        assert_eq!(paragraphs(text), "One two.\n\nThree:\n- four five\n- six");
    }
}
