//! The custom resource definitions as files: what `crdgen` writes and `tests/crds.rs` compares.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{CustomResourceDefinition, JSON};
use kube::CustomResourceExt;
use serde_json::json;

use crate::api::{HostKeyReset, LightsailKeyPair};

const HEADER: &str = "# Generated from src/api by `make crds`. Do not edit.\n";

/// The file name and the content of each definition.
///
/// # Errors
/// If a definition cannot be written as YAML, which a type of ours would have to cause.
pub fn files() -> Result<Vec<(String, String)>, serde_yaml_ng::Error> {
    [LightsailKeyPair::crd(), HostKeyReset::crd()]
        .into_iter()
        .map(|crd| {
            let name = format!("{}.yaml", crd.spec.names.plural);
            Ok((name, format!("{HEADER}{}", serde_yaml_ng::to_string(&unobserved(crd))?)))
        })
        .collect()
}

/// Gives a new object a status with `observedGeneration: -1`, so that no tool takes it for ready before the operator has
/// looked at it. The default of the field alone would not do: it is applied only where there is a status.
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
