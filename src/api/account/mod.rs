//! The kind `LightsailAccount`.

#![expect(unreachable_pub, reason = "derive(KubeSchema) copies the types into functions")]

mod allowed;
mod credentials;
mod namespaces;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::allowed::{
    Adoption, Allowed, AllowedKeyPairType, DefaultKeyPairAction, DefaultKeyPairGrant,
    HostKeyResetGrant, TakeOver,
};
pub use self::credentials::{
    AssumedRole, CredentialSource, Credentials, CredentialsSecret, SessionTags,
};
pub use self::namespaces::{AllowedNamespaces, NamespacesFrom};
use super::names::ACCOUNT_FINALIZER;
use super::reconciled::Reconciled;
use super::schema;

/// An AWS account: how to get credentials for it, which namespaces may use it, and for what.
///
/// Several `LightsailAccount`s may describe one AWS account with different permissions, for example
/// one for each team. Anyone who can write a `LightsailAccount` can use every credential that the
/// operator has.
// In no category: `kubectl get lightsail` is for tenants, who may not list accounts.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "lightsail-operator.dev",
    version = "v1alpha1",
    kind = "LightsailAccount",
    doc = "An AWS account: how to get credentials for it, which namespaces may use it, and for \
           what.",
    plural = "lightsailaccounts",
    singular = "lightsailaccount",
    shortname = "lsa",
    status = "LightsailAccountStatus",
    derive = "PartialEq",
    // The name of the account is the value of a label on its Secret, and such a value has at most
    // 63 characters. The rule is on the root, because only there can it read both the name and the
    // spec. The API server also checks a rule on the root at each write of the status, even if name
    // and spec stay the same. So this rule must never become stricter: an object that breaks it
    // could get no status. No object breaks it today, because a name never changes, and the API
    // server has checked the rule since the first version.
    validation = Rule::new("self.spec.credentials.source != 'Secret' || \
                            size(self.metadata.name) <= 63")
        .message("with credentials.source: Secret, the name of the LightsailAccount must have at \
                  most 63 characters, because it is the value of the Secret's label"),
    printcolumn(name = "Account", type_ = "string", json_path = ".spec.accountID"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.assumeRoleChain) || size(self.assumeRoleChain) == 0 || \
                            self.assumeRoleChain[size(self.assumeRoleChain) - 1].roleARN\
                            .contains('::' + self.accountID + ':role/')")
        .message("the last role of assumeRoleChain must belong to accountID; correct whichever is \
                  wrong"),
    validation = Rule::new("self.sessionTags == 'None' || \
                            (has(self.assumeRoleChain) && size(self.assumeRoleChain) > 0)")
        .message("sessionTags: Namespace needs a role, which the operator assumes once for each \
                  namespace; add a role to assumeRoleChain, or remove sessionTags"),
    validation = Rule::new("has(self.allowed.keyPairNames) || \
                            (has(self.allowedNamespaces.names) && \
                            size(self.allowedNamespaces.names) == 1)")
        .message("allowed.keyPairNames is required if more than one namespace is allowed; write, \
                  for example, $(namespace)_*, or * for every name"),
)]
pub struct LightsailAccountSpec {
    /// The ID of the AWS account: 12 digits, in quotes. Immutable.
    ///
    /// The operator never uses credentials that turn out to belong to another account.
    #[serde(rename = "accountID")]
    #[schemars(length(min = 12, max = 12))]
    #[x_kube(
        validation = Rule::new("self.matches('^[0-9]{12}$')")
            .message("accountID must have 12 digits; write, for example, \"123456789012\""),
        validation = Rule::new("self == oldSelf")
            .message("accountID is immutable; create a new LightsailAccount for another account"),
    )]
    pub account_id: String,

    /// Where the operator gets credentials, before it assumes any role. Default: its own
    /// credentials.
    #[serde(default)]
    pub credentials: Credentials,

    /// The roles to assume, in this order, at most 3. Each later role is assumed with the session
    /// of the previous one. The last one must belong to `accountID`. Default: none; the operator
    /// then uses `credentials` as they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 3))]
    pub assume_role_chain: Vec<AssumedRole>,

    /// Whether the sessions of the last role have tags that name the namespace of the object.
    /// Default: `None`.
    ///
    /// With `Namespace`, the operator assumes the last role once for each namespace, with the
    /// session tags `lightsail-operator-cluster` and `lightsail-operator-namespace`. IAM policies
    /// can use these tags to keep namespaces apart. The role's trust policy must allow
    /// `sts:TagSession`.
    #[serde(default)]
    pub session_tags: SessionTags,

    /// The namespaces whose objects may use the account.
    pub allowed_namespaces: AllowedNamespaces,

    /// What objects in the allowed namespaces may do with the account.
    ///
    /// If a change no longer allows what an object does, the operator makes no more calls for it.
    /// Its key pair stays in Lightsail.
    pub allowed: Allowed,

    /// The maximum number of requests per second to each region, for example `5`.
    /// Default: as many as Lightsail accepts.
    ///
    /// If several `LightsailAccount`s have the same `accountID`, the lowest value applies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::positive")]
    pub calls_per_second: Option<i32>,
}

/// The state of the account, as the operator last observed it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LightsailAccountStatus {
    /// The generation of the spec that this status describes; -1 until the first reconciliation.
    #[serde(default = "schema::never_observed")]
    #[schemars(schema_with = "schema::observed_generation")]
    pub observed_generation: i64,

    /// The last value of the annotation `lightsail-operator.dev/reconcile` that the operator acted
    /// on. If the value has more than 253 bytes, this is `sha256:` and its SHA-256 in hexadecimal
    /// digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile: Option<String>,

    /// The identity that the operator uses in the account. CloudTrail shows it as
    /// `userIdentity.arn`. With `sessionTags: Namespace`, this is the identity for shared reads;
    /// each namespace has its own session.
    #[serde(default, rename = "callerARN", skip_serializing_if = "Option::is_none")]
    pub caller_arn: Option<String>,

    /// `Ready` is always present. `Reconciling` and `Stalled` are present only while they are True.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Vec<Condition>,
}

impl Reconciled for LightsailAccount {
    type Status = LightsailAccountStatus;

    const IS_NAMESPACED: bool = false;
    const FINALIZER: Option<&'static str> = Some(ACCOUNT_FINALIZER);

    fn last_handled_reconcile(&self) -> Option<&str> {
        self.status.as_ref()?.last_handled_reconcile.as_deref()
    }

    fn conditions(&self) -> &[Condition] {
        self.status.as_ref().map_or(&[], |status| &status.conditions)
    }
}
