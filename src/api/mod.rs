//! What users write and read: the custom resources of `lightsail-operator.dev/v1alpha1`.
//!
//! The doc comments here are the users' documentation: `crdgen` turns them into the descriptions
//! that `kubectl explain` prints. No I/O, no decisions; nothing here knows the engine, a kind's
//! plan or the AWS SDK.

pub mod account;
mod account_ref;
pub mod conditions;
pub mod host_key_reset;
pub mod key_pair;
mod names;
pub mod operation;
pub mod reason;
mod reconciled;
mod schema;

pub use account::{LightsailAccount, LightsailAccountSpec, LightsailAccountStatus};
pub use account_ref::AccountRef;
pub use host_key_reset::{HostKeyReset, HostKeyResetSpec, HostKeyResetStatus};
pub use key_pair::{LightsailKeyPair, LightsailKeyPairSpec, LightsailKeyPairStatus};
pub(crate) use names::is_other_spelling;
pub use names::{
    ACCOUNT_FINALIZER, CREDENTIALS_LABEL, EXECUTED_ANNOTATION, FIELD_MANAGER, FINALIZER, GROUP,
    OWNER_TAG, RECONCILE_ANNOTATION, VERSION,
};
pub use operation::{Operation, OperationLocation};
pub use reason::Reason;
pub use reconciled::Reconciled;
