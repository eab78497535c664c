//! The labels and annotations by which tools find what they applied. If an object that has one is
//! deleted while it is in the tool's source, the tool creates it again.

use kube::Resource;

/// Annotations and labels, and their descriptions.
const ANNOTATIONS: [(&str, &str); 2] = [
    // https://argo-cd.readthedocs.io/en/stable/user-guide/resource_tracking/
    ("argocd.argoproj.io/tracking-id", "the annotation argocd.argoproj.io/tracking-id of Argo CD"),
    // https://helm.sh/docs/topics/advanced/
    ("meta.helm.sh/release-name", "the annotation meta.helm.sh/release-name of Helm"),
];
const LABELS: [(&str, &str); 3] = [
    // https://fluxcd.io/flux/components/kustomize/kustomizations/
    ("kustomize.toolkit.fluxcd.io/name", "the label kustomize.toolkit.fluxcd.io/name of Flux"),
    ("helm.toolkit.fluxcd.io/name", "the label helm.toolkit.fluxcd.io/name of Flux"),
    // Argo CD's default until version 3. Other tools set it too, but keeping a record does no harm.
    (
        "app.kubernetes.io/instance",
        "the label app.kubernetes.io/instance, by which Argo CD may track it",
    ),
];

/// Whether a tool tracks its objects by an annotation with this key.
pub(super) fn is_annotation(key: &str) -> bool {
    ANNOTATIONS.iter().any(|(own, _)| *own == key)
}

/// Whether a tool tracks its objects by a label with this key.
pub(super) fn is_label(key: &str) -> bool {
    LABELS.iter().any(|(own, _)| *own == key)
}

/// The label or annotation by which a tool tracks an object, in words.
#[must_use]
pub fn tracked_by<K: Resource>(object: &K) -> Option<&'static str> {
    let metadata = object.meta();
    let has_annotation =
        |key: &str| metadata.annotations.as_ref().is_some_and(|all| all.contains_key(key));
    let has_label = |key: &str| metadata.labels.as_ref().is_some_and(|all| all.contains_key(key));
    let annotation = ANNOTATIONS.iter().find(|(key, _)| has_annotation(key));
    annotation.or_else(|| LABELS.iter().find(|(key, _)| has_label(key))).map(|(_, words)| *words)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::ResourceExt;

    use super::*;

    #[test]
    fn each_tool_is_known() {
        assert_eq!(tracked_by(&ConfigMap::default()), None);
        for (key, words) in ANNOTATIONS {
            let mut object = ConfigMap::default();
            object.annotations_mut().insert(key.to_owned(), String::new());
            assert_eq!(tracked_by(&object), Some(words));
        }
        for (key, words) in LABELS {
            let mut object = ConfigMap::default();
            object.labels_mut().insert(key.to_owned(), String::new());
            assert_eq!(tracked_by(&object), Some(words));
        }
    }
}
