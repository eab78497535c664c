//! The kind `HostKeyReset`.

#![expect(clippy::duplicated_attributes, reason = "each printer column has a type of its own")]
#![expect(unreachable_pub, reason = "derive(KubeSchema) copies the types into functions")]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::account_ref::AccountRef;
use super::operation::Operation;
use super::reconciled::Reconciled;
use super::schema;

/// Forgets the host keys that Lightsail's browser-based SSH or RDP client has recorded for one
/// instance, once.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "lightsail-operator.dev",
    version = "v1alpha1",
    kind = "HostKeyReset",
    doc = "Forgets the host keys that Lightsail's browser-based SSH or RDP client has recorded for \
           one instance, once, and keeps the record of it.",
    plural = "hostkeyresets",
    singular = "hostkeyreset",
    shortname = "hkr",
    category = "lightsail",
    namespaced,
    status = "HostKeyResetStatus",
    selectable = ".spec.accountRef.name",
    derive = "PartialEq",
    printcolumn(name = "Instance", type_ = "string", json_path = ".spec.instanceName"),
    printcolumn(name = "Region", type_ = "string", json_path = ".spec.region"),
    printcolumn(
        name = "Complete",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Complete")].status"#
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#
    ),
    printcolumn(name = "Operation", type_ = "string", json_path = ".status.operations[0].id"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.notAfter) == has(oldSelf.notAfter) && (!has(self.notAfter) || \
                            self.notAfter == oldSelf.notAfter)")
        .message("a reset is done once, so its notAfter is immutable, and so is leaving it unset; \
                  make a new HostKeyReset"),
    validation = Rule::new("has(self.accountRef) == has(oldSelf.accountRef) && \
                            (!has(self.accountRef) || self.accountRef.name == \
                            oldSelf.accountRef.name)")
        .message("a reset is done once, so its accountRef is immutable, and so is leaving it \
                  unset; make a new HostKeyReset"),
    validation = Rule::new("has(self.preconditions) == has(oldSelf.preconditions) && \
                            (!has(self.preconditions) || self.preconditions == \
                            oldSelf.preconditions)")
        .message("a reset is done once, so its preconditions are immutable, and so is leaving them \
                  unset; make a new HostKeyReset"),
    validation = Rule::new("!has(self.preconditions) || \
                            self.preconditions.instanceARN.contains(':lightsail:' + self.region + \
                            ':')")
        .message("preconditions.instanceARN must name an instance in spec.region; correct the one \
                  that is wrong"),
)]
pub struct HostKeyResetSpec {
    /// The `LightsailAccount` to use. Immutable, even if it is unset. Default: none, so that the
    /// operator uses its own credentials.
    ///
    /// Required as soon as the cluster has a `LightsailAccount`, except in the namespaces that the
    /// operator's flag `--unscoped-namespace` names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "AccountRef")]
    pub account_ref: Option<AccountRef>,

    /// The AWS region of the instance, for example `eu-west-1`. Immutable.
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(
        validation = Rule::new("self.matches('^[a-z]{2,4}(-[a-z]+)+-[0-9]+$')")
            .message("region must be the name of an AWS region and not of a zone; write for \
                      example eu-west-1"),
        validation = Rule::new("self == oldSelf")
            .message("a reset is done once, so its region is immutable; make a new HostKeyReset"),
    )]
    pub region: String,

    /// The name of the Lightsail instance, for example `web-1`. Immutable.
    #[schemars(length(min = 2, max = 255))]
    #[x_kube(
        validation = Rule::new("self.matches('^[A-Za-z0-9_][A-Za-z0-9_.-]*[A-Za-z0-9_]$')")
            .message("instanceName must have letters, digits and _ . - only, with a letter, digit \
                      or _ at each end, as names in Lightsail do; write for example web-1"),
        validation = Rule::new("self == oldSelf")
            .message("a reset is done once, so its instanceName is immutable; make a new \
                      HostKeyReset"),
    )]
    pub instance_name: String,

    /// Why the recorded host keys may be forgotten, and who says so, for example
    /// `sshd keys rotated, CHG-1234`. Immutable. 1 to 512 characters on one line.
    ///
    /// A host key that does not match its record can be an attack. Only a person may say that it is
    /// not: this is where it is said.
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(
        validation = Rule::new("self == oldSelf").message("a reset is done once, so its reason is \
            immutable; make a new HostKeyReset"),
        validation = Rule::new("self.trim() != '' && \
            !self.matches('[\\\\x00-\\\\x1f\\\\x7f-\\\\x{9f}\\\\x{61c}\\\\x{200e}\\\\x{200f}\
            \\\\x{2028}-\\\\x{202e}\\\\x{2066}-\\\\x{2069}]')")
            .message("reason must say on one line, without control characters (those that turn the \
                      direction of writing too), why the recorded host keys may be forgotten"),
    )]
    pub reason: String,

    /// The reset is not started after this time, in RFC 3339, for example `2026-12-01T00:00:00Z`:
    /// it then fails with `Expired`. Immutable. Default: 24 hours after the object was created.
    ///
    /// Set it in whatever is kept in Git or in a backup: a copy that is applied later then starts
    /// nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::future_time")]
    pub not_after: Option<Time>,

    /// What must be so right before the call; otherwise the reset fails with `PreconditionFailed`,
    /// without any call. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Preconditions")]
    pub preconditions: Option<Preconditions>,

    /// How long the reset may take from its start until its operation is over, in seconds, 30 to
    /// 3600. Immutable. Default: 600.
    #[serde(default = "default_deadline")]
    #[schemars(range(min = 30, max = 3600))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("a reset is done once, so its \
        activeDeadlineSeconds is immutable; make a new HostKeyReset"))]
    pub active_deadline_seconds: i32,

    /// Delete this object so many seconds after it was over, and with it the record. Default: keep
    /// it for ever.
    ///
    /// It is ignored while the object carries the marks by which Argo CD, Flux or Helm track
    /// what they have applied: they would make the object again, and the reset would be done again.
    /// Remove it from its source instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::seconds")]
    pub ttl_seconds_after_finished: Option<i32>,

    /// Do not start yet. Once a call may have been made (`status.attempts` is 1) this changes
    /// nothing. A suspended reset expires like any other. Default: `false`.
    #[serde(default)]
    pub suspend: bool,
}

fn default_deadline() -> i32 {
    600
}

/// What must be so right before the call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Preconditions {
    /// The instance of this name must have this ARN, for example
    /// `arn:aws:lightsail:eu-west-1:123456789012:Instance/05859e3d-331d-48ba-9034-12345aabbcc2`.
    /// The id in it is another one if the instance was deleted and launched again under the same
    /// name. `aws lightsail get-instance` prints it as `arn`.
    #[serde(rename = "instanceARN")]
    #[schemars(schema_with = "schema::instance_arn")]
    pub instance_arn: String,
}

/// The record of the reset.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HostKeyResetStatus {
    /// The generation of the spec that this status speaks of; -1 until the first reconciliation.
    #[serde(default = "never_observed")]
    #[schemars(schema_with = "schema::observed_generation")]
    pub observed_generation: i64,
    /// The value of the annotation `lightsail-operator.dev/reconcile` that was acted on last. A
    /// value of more than 253 bytes is recorded as `sha256:` and its SHA-256 in hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile: Option<String>,
    /// When the reset was started. Set once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub start_time: Option<Time>,
    /// When the reset was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub completion_time: Option<Time>,
    /// How many calls of DeleteKnownHostKeys may have happened: 0 or 1. A call that Lightsail
    /// refused does not count.
    #[serde(default)]
    pub attempts: i32,
    /// The AWS account, 12 digits.
    #[serde(default, rename = "accountID", skip_serializing_if = "Option::is_none")]
    pub account_id: Option<String>,
    /// The ARN of the instance when the reset was started.
    #[serde(default, rename = "instanceARN", skip_serializing_if = "Option::is_none")]
    pub instance_arn: Option<String>,
    /// Whose AWS credentials the call was made with, as `GetCallerIdentity` says:
    /// `userIdentity.arn` in CloudTrail.
    #[serde(default, rename = "callerARN", skip_serializing_if = "Option::is_none")]
    pub caller_arn: Option<String>,
    /// The id of the request that was answered: `requestID` in CloudTrail.
    #[serde(default, rename = "requestID", skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The id of the newest DeleteKnownHostKeys operation of the instance that was there before the
    /// call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_operation_before: Option<String>,
    /// The time by Lightsail's clock before the call, in RFC 3339: an operation that Lightsail
    /// created earlier is not this reset's. Unset if Lightsail's answers have no time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lightsail_date: Option<String>,
    /// The operations that Lightsail answered with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operations: Vec<Operation>,
    /// `Complete` or `Failed` once it is over; `Suspended` if it is or was; `Ready`, and
    /// `Reconciling` or `Stalled` while they are True.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Vec<Condition>,
}

fn never_observed() -> i64 {
    -1
}

impl Reconciled for HostKeyReset {
    type Status = HostKeyResetStatus;

    const IS_NAMESPACED: bool = true;

    fn observed_generation(&self) -> i64 {
        self.status.as_ref().map_or(-1, |status| status.observed_generation)
    }

    fn last_handled_reconcile(&self) -> Option<&str> {
        self.status.as_ref()?.last_handled_reconcile.as_deref()
    }

    fn conditions(&self) -> &[Condition] {
        self.status.as_ref().map_or(&[], |status| &status.conditions)
    }

    fn status(&self) -> Option<&Self::Status> {
        self.status.as_ref()
    }
}
