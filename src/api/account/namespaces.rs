//! Which namespaces may use an account.

#![expect(unreachable_pub, reason = "derive(KubeSchema) copies the types into functions")]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::schema;

/// Which namespaces may use an account.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("(self.from == 'Names') == has(self.names)")
        .message("allowedNamespaces.names is required with from: Names, and allowed only with it; \
                  add or remove it"),
    validation = Rule::new("(self.from == 'Selector') == has(self.selector)")
        .message("allowedNamespaces.selector is required with from: Selector, and allowed only \
                  with it; add or remove it"),
)]
pub struct AllowedNamespaces {
    /// How namespaces are selected.
    ///
    /// - `Names`: by the names in `names`.
    /// - `Selector`: by their labels, with `selector`.
    /// - `All`: every namespace may use the account.
    pub from: NamespacesFrom,

    /// The names of the namespaces. Required with `from: Names`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::namespace_names")]
    pub names: Option<Vec<String>>,

    /// The labels that a namespace must have. Required with `from: Selector`. An empty selector
    /// selects no namespace.
    ///
    /// Anyone who can change the labels of a namespace can let it use the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::label_selector")]
    pub selector: Option<LabelSelector>,
}

/// How namespaces are selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum NamespacesFrom {
    /// By their names.
    Names,
    /// By their labels.
    Selector,
    /// Every namespace.
    All,
}
