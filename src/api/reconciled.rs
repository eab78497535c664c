//! What the kinds of this group have in common, for the parts of the operator that know no kind.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

/// What every kind of this group lets the engine see.
pub trait Reconciled:
    kube::Resource<DynamicType = ()>
    + kube::CustomResourceExt
    + Clone
    + std::fmt::Debug
    + serde::Serialize
    + serde::de::DeserializeOwned
    + Send
    + Sync
    + 'static
{
    /// The status as it is served.
    type Status: Clone
        + PartialEq
        + Default
        + serde::Serialize
        + serde::de::DeserializeOwned
        + std::fmt::Debug
        + Send
        + Sync;

    /// Whether its objects are in namespaces.
    const IS_NAMESPACED: bool;
    /// Its finalizer, if the operator gives its objects one.
    const FINALIZER: Option<&'static str>;

    /// The value of the annotation `lightsail-operator.dev/reconcile` that was acted on last.
    fn last_handled_reconcile(&self) -> Option<&str>;
    /// The conditions of the status.
    fn conditions(&self) -> &[Condition];
}
