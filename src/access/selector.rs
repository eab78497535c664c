//! Which namespaces a selector of labels selects. Called for each object of an account that selects
//! by labels, and for the account itself. No I/O.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use kube::core::{Selector, SelectorExt};

use crate::config::label_selector::{is_label_key, is_label_value};

/// Whether Kubernetes would accept the selector.
///
/// The API server checks this too, but not for objects from before it did. What `Selector` makes of
/// a wrong one can select every namespace: that a label is absent whose key cannot exist.
#[must_use]
pub fn is_valid(selector: &LabelSelector) -> bool {
    let LabelSelector { match_labels, match_expressions } = selector;
    let is_label = |(key, value): (&String, &String)| is_label_key(key) && is_label_value(value);
    match_labels.iter().flatten().all(is_label)
        && match_expressions.iter().flatten().all(is_valid_requirement)
}

fn is_valid_requirement(requirement: &LabelSelectorRequirement) -> bool {
    let LabelSelectorRequirement { key, operator, values } = requirement;
    let values = values.as_deref().unwrap_or_default();
    let has_its_values = match operator.as_str() {
        "In" | "NotIn" => !values.is_empty(),
        "Exists" | "DoesNotExist" => values.is_empty(),
        _ => false,
    };
    has_its_values && is_label_key(key) && values.iter().all(|value| is_label_value(value))
}

/// Whether the selector selects a namespace with these labels. One that is empty or not valid
/// selects none.
pub(super) fn selects(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> bool {
    is_valid(selector)
        && Selector::try_from(selector.clone())
            .is_ok_and(|selector| !selector.selects_all() && selector.matches(labels))
}
