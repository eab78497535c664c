//! The kind `HostKeyReset`.

#![expect(clippy::duplicated_attributes, reason = "each printer column has a type of its own")]
#![expect(unreachable_pub, reason = "derive(KubeSchema) copies the types into functions")]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::account_ref::AccountRef;
use super::conditions::{COMPLETE, FAILED, is_true};
use super::operation::Operation;
use super::reconciled::Reconciled;
use super::schema;

/// Makes Lightsail forget the host keys it has recorded for one instance, at most once.
///
/// Lightsail's browser-based SSH and RDP client compares the host key of an instance with that
/// record, and refuses to connect if they differ.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "lightsail-operator.dev",
    version = "v1alpha1",
    kind = "HostKeyReset",
    doc = "Makes Lightsail forget the host keys it has recorded for one instance, at most once, \
           and keeps a record of that.",
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
                            timestamp(self.notAfter) == timestamp(oldSelf.notAfter))")
        .message("a reset runs once, so its notAfter is immutable, and cannot be set later; \
                  create a new HostKeyReset"),
    validation = Rule::new("has(self.accountRef) == has(oldSelf.accountRef) && \
                            (!has(self.accountRef) || self.accountRef.name == \
                            oldSelf.accountRef.name)")
        .message("a reset runs once, so its accountRef is immutable, and cannot be set \
                  later; create a new HostKeyReset"),
    validation = Rule::new("has(self.preconditions) == has(oldSelf.preconditions) && \
                            (!has(self.preconditions) || self.preconditions == \
                            oldSelf.preconditions)")
        .message("a reset runs once, so its preconditions are immutable, and cannot be set \
                  later; create a new HostKeyReset"),
    validation = Rule::new("!has(self.preconditions) || \
                            self.preconditions.instanceARN.contains(':lightsail:' + self.region + \
                            ':')")
        .message("preconditions.instanceARN must name an instance in spec.region; correct the \
                  ARN or the region"),
)]
pub struct HostKeyResetSpec {
    /// The `LightsailAccount` to use. Immutable, and cannot be set later. Default: none; the
    /// operator then uses its own credentials.
    ///
    /// Required as soon as the cluster has a `LightsailAccount`, and always with the operator's
    /// flag `--accounts-required`, except in the namespaces that `--unscoped-namespace` names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "AccountRef")]
    pub account_ref: Option<AccountRef>,

    /// The AWS region of the instance, for example `eu-west-1`. Immutable.
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(
        validation = Rule::new("self.matches('^[a-z]{2,4}(-[a-z]+)+-[0-9]+$')")
            .message("region must be the name of an AWS region, not of a zone; write, for example, \
                      eu-west-1"),
        validation = Rule::new("self == oldSelf")
            .message("a reset runs once, so its region is immutable; create a new HostKeyReset"),
    )]
    pub region: String,

    /// The name of the Lightsail instance, for example `web-1`. Immutable.
    #[schemars(length(min = 2, max = 255))]
    #[x_kube(
        validation = Rule::new("self.matches('^[A-Za-z0-9_][A-Za-z0-9_.-]*[A-Za-z0-9_]$')")
            .message("instanceName may contain only letters, digits and _ . -, with a letter, \
                      digit or _ at each end, as Lightsail requires; write, for example, web-1"),
        validation = Rule::new("self == oldSelf")
            .message("a reset runs once, so its instanceName is immutable; create a new \
                      HostKeyReset"),
    )]
    pub instance_name: String,

    /// Why Lightsail may forget the recorded host keys, and who says so, for example `sshd keys
    /// rotated, CHG-1234`. Immutable. 1 to 512 characters on one line, with a letter or digit.
    ///
    /// A host key that differs from its record can be a sign of an attack. Only a person can rule
    /// that out; this field records that somebody has. The reason goes into the log and into an
    /// Event, so write no secrets.
    // The letters that are excepted are invisible: they fill the place of a letter in Hangul.
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(
        validation = Rule::new("self == oldSelf").message("a reset runs once, so its reason is \
            immutable; create a new HostKeyReset"),
        validation = Rule::new("self.matches('\\\\p{N}|[^\\\\P{L}\\\\x{115f}\\\\x{1160}\
            \\\\x{3164}\\\\x{ffa0}]') && \
            !self.matches('[\\\\x00-\\\\x1f\\\\x7f-\\\\x{9f}\\\\x{61c}\\\\x{200e}\\\\x{200f}\
            \\\\x{2028}-\\\\x{202e}\\\\x{2066}-\\\\x{2069}]')")
            .message("reason must say, on one line, why the recorded host keys may be forgotten; \
                      use a letter or digit, but no control characters or characters that \
                      change the direction of text"),
    )]
    pub reason: String,

    /// The latest time at which the operator may start the reset, in RFC 3339, for example
    /// `2026-12-01T00:00:00Z`. After this time, a reset that has not started fails with the reason
    /// `Expired`. Immutable, and cannot be set later. Default: 24 hours after the object was
    /// created. The operator compares this time with its own clock.
    ///
    /// Set it in every file that you keep, in Git or in a backup: a copy that is applied later then
    /// starts nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::future_time")]
    pub not_after: Option<Time>,

    /// What must be true right before the call. Otherwise the reset fails with the reason
    /// `PreconditionFailed`, and the operator makes no call. Immutable, and cannot be set later.
    /// Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Preconditions")]
    pub preconditions: Option<Preconditions>,

    /// How many seconds the reset may take, from its start until Lightsail finishes the operation:
    /// from 30 to 3600. Then it fails, usually with the reason `DeadlineExceeded`. Immutable.
    /// Default: 600.
    #[serde(default = "default_deadline")]
    #[schemars(range(min = 30, max = 3600))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("a reset runs once, so its \
        activeDeadlineSeconds is immutable; create a new HostKeyReset"))]
    pub active_deadline_seconds: i32,

    /// How many seconds after the end of the reset the operator deletes this object, the record of
    /// the reset, for example `7776000` for 90 days. Default: none; the object stays.
    ///
    /// The operator ignores it while the object has a label or annotation by which Argo CD, Flux or
    /// Helm track what they have applied: they would create the object again, and that would repeat
    /// the reset. Remove the object from its source instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::seconds")]
    pub ttl_seconds_after_finished: Option<i32>,

    /// If `true`, the reset does not start. This has no effect once the operator may have made the
    /// call (`status.attempts` is 1). A suspended reset expires like any other. Default: `false`.
    #[serde(default)]
    pub suspend: bool,
}

fn default_deadline() -> i32 {
    600
}

/// What must be true right before the call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Preconditions {
    /// The ARN that the instance must have, for example
    /// `arn:aws:lightsail:eu-west-1:123456789012:Instance/05859e3d-331d-48ba-9034-12345aabbcc2`.
    /// The ID in it changes if the instance is deleted and another one is created under the same
    /// name. To print the ARN, run `aws lightsail get-instance --region eu-west-1 --instance-name
    /// web-1 --query instance.arn`.
    #[serde(rename = "instanceARN")]
    #[schemars(schema_with = "schema::instance_arn")]
    pub instance_arn: String,
}

/// The record of the reset.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HostKeyResetStatus {
    /// The generation of the spec that this status describes; -1 until the first reconciliation.
    #[serde(default = "schema::never_observed")]
    #[schemars(schema_with = "schema::observed_generation")]
    pub observed_generation: i64,
    /// The last value of the annotation `lightsail-operator.dev/reconcile` that the operator acted
    /// on. If the value has more than 253 bytes, this is `sha256:` and its SHA-256 in hexadecimal
    /// digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile: Option<String>,
    /// When the reset was first started. Set once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub start_time: Option<Time>,
    /// When the reset ended, successfully or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub completion_time: Option<Time>,
    /// How many calls to `DeleteKnownHostKeys` this object may have made: 0 or 1. A call that
    /// Lightsail refused does not count.
    #[serde(default)]
    pub attempts: i32,
    /// The ID of the AWS account, 12 digits. A reset that has started stays with this account.
    #[serde(default, rename = "accountID", skip_serializing_if = "Option::is_none")]
    pub account_id: Option<String>,
    /// The ARN that the instance had when the reset was started.
    #[serde(default, rename = "instanceARN", skip_serializing_if = "Option::is_none")]
    pub instance_arn: Option<String>,
    /// The AWS identity that the operator made the call with, as STS `GetCallerIdentity` reports
    /// it. CloudTrail shows it as `userIdentity.arn`. Unset if the reset uses a `LightsailAccount`;
    /// only the operator's log then has it, as `caller`.
    #[serde(default, rename = "callerARN", skip_serializing_if = "Option::is_none")]
    pub caller_arn: Option<String>,
    /// The request ID in AWS's response to the call. CloudTrail shows it as `requestID`. Unset if
    /// the response was lost.
    #[serde(default, rename = "requestID", skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The ID of the newest `DeleteKnownHostKeys` operation of the instance before the call. Empty
    /// if Lightsail listed one without an ID; unset if there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_operation_before: Option<String>,
    /// The time right before the call, in RFC 3339, by Lightsail's clock. An operation that was
    /// created earlier does not belong to this reset. Unset if Lightsail's responses have no
    /// `Date`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lightsail_date: Option<String>,
    /// The operations in Lightsail's response. A response without operations counts as a success.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operations: Vec<Operation>,
    /// `Ready` is always present. `Reconciling` and `Stalled` are present only while they are True,
    /// `Complete` or `Failed` once the reset has ended, and `Suspended` once the reset has been
    /// suspended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Vec<Condition>,
}

impl HostKeyResetStatus {
    /// Whether the reset has ended, and is never called again.
    #[must_use]
    pub fn is_over(&self) -> bool {
        [COMPLETE, FAILED].iter().any(|type_| is_true(&self.conditions, type_))
    }
}

impl Reconciled for HostKeyReset {
    type Status = HostKeyResetStatus;

    const IS_NAMESPACED: bool = true;
    const FINALIZER: Option<&'static str> = None;

    fn last_handled_reconcile(&self) -> Option<&str> {
        self.status.as_ref()?.last_handled_reconcile.as_deref()
    }

    fn conditions(&self) -> &[Condition] {
        self.status.as_ref().map_or(&[], |status| &status.conditions)
    }
}
