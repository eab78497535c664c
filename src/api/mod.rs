//! What users write and read: the custom resources of `lightsail-operator.dev/v1alpha1`.
//!
//! The doc comments here are the users' documentation: `crdgen` turns them into the descriptions
//! that `kubectl explain` prints. No I/O, no decisions; nothing here knows the controllers or the
//! AWS SDK.

pub mod conditions;
pub mod host_key_reset;
pub mod key_pair;
pub mod operation;
pub mod reason;
mod schema;

pub use host_key_reset::{HostKeyReset, HostKeyResetSpec, HostKeyResetStatus};
pub use key_pair::{LightsailKeyPair, LightsailKeyPairSpec, LightsailKeyPairStatus};
pub use operation::{Operation, OperationLocation};
pub use reason::Reason;

/// The API group of all kinds.
pub const GROUP: &str = "lightsail-operator.dev";
/// The served version of all kinds.
pub const VERSION: &str = "v1alpha1";
/// A new value of this annotation asks for a reconciliation now; `kubectl annotate` sets it.
pub const RECONCILE_ANNOTATION: &str = "lightsail-operator.dev/reconcile";
/// Holds a `LightsailKeyPair` back from deletion until its key pair is dealt with.
pub const FINALIZER: &str = "lightsail-operator.dev/key-pair";
/// What a `HostKeyReset` did, kept where a backup of the object keeps it too.
pub const EXECUTED_ANNOTATION: &str = "lightsail-operator.dev/executed";
/// The tag that tells whose key pair this is in Lightsail: `<cluster>/<namespace>/<name>`.
pub const OWNER_TAG: &str = "lightsail-operator.dev/owner";
/// The field manager of everything that the operator writes, and its name in Events.
pub const FIELD_MANAGER: &str = "lightsail-operator";

/// What every kind of this group lets the shared parts of the controllers see.
pub trait Reconciled:
    kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
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

    /// The generation that the status speaks of; -1 before anybody looked.
    fn observed_generation(&self) -> i64;
    /// The value of [`RECONCILE_ANNOTATION`] that was acted on last.
    fn last_handled_reconcile(&self) -> Option<&str>;
    /// The conditions of the status.
    fn conditions(&self) -> &[k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition];
    /// The status, if one was written.
    fn status(&self) -> Option<&Self::Status>;
}
