//! Names that users meet in objects, and that the operator and its documentation share.

/// The API group of all kinds.
pub const GROUP: &str = "lightsail-operator.dev";
/// The served version of all kinds.
pub const VERSION: &str = "v1alpha1";
/// A new value of this annotation asks for a reconciliation now; `kubectl annotate` sets it.
pub const RECONCILE_ANNOTATION: &str = "lightsail-operator.dev/reconcile";
/// Holds a `LightsailKeyPair` back from deletion until its key pair is dealt with.
pub const FINALIZER: &str = "lightsail-operator.dev/key-pair";
/// Holds a `LightsailAccount` back from deletion until no object that has acted refers to it.
pub const ACCOUNT_FINALIZER: &str = "lightsail-operator.dev/account";
/// The label of a Secret with an access key: the name of the `LightsailAccount` that may use it.
pub const CREDENTIALS_LABEL: &str = "lightsail-operator.dev/aws-credentials";
/// What a `HostKeyReset` did, kept where a backup of the object keeps it too.
pub const EXECUTED_ANNOTATION: &str = "lightsail-operator.dev/executed";
/// The tag that tells whose key pair this is in Lightsail: `<cluster>/<namespace>/<name>`.
pub const OWNER_TAG: &str = "lightsail-operator.dev/owner";
/// The field manager of everything that the operator writes, and its name in Events.
pub const FIELD_MANAGER: &str = "lightsail-operator";

/// Whether this is the key of the owner tag, spelled otherwise: IAM compares the keys of tags
/// without regard to case, so it may be what IAM takes for the owner.
pub(crate) fn is_other_spelling(key: &String) -> bool {
    key != OWNER_TAG && key.eq_ignore_ascii_case(OWNER_TAG)
}
