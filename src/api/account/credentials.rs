//! How to get credentials for an account.

#![expect(unreachable_pub, reason = "derive(KubeSchema) copies the types into functions")]

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::schema::is_object_name;

/// Where the operator gets credentials, before it assumes any role.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(self.source == 'Secret') == has(self.secretRef)")
    .message("credentials.secretRef is required with source: Secret, and allowed only with it; add \
              or remove it"))]
pub struct Credentials {
    /// Where the credentials come from. Default: `Operator`.
    ///
    /// - `Operator`: the operator's own credentials.
    /// - `Secret`: an access key in the Secret that `secretRef` names.
    #[serde(default)]
    pub source: CredentialSource,

    /// The Secret with the access key, in the operator's own namespace. Required with `source:
    /// Secret`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "CredentialsSecret")]
    pub secret_ref: Option<CredentialsSecret>,
}

/// Where the credentials of an account come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum CredentialSource {
    /// The operator's own.
    #[default]
    Operator,
    /// An access key in a Secret.
    Secret,
}

/// A Secret with an access key, in the operator's own namespace.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CredentialsSecret {
    /// The name of the Secret, for example `aws-production`. The Secret must have the label
    /// `lightsail-operator.dev/aws-credentials` with the name of this `LightsailAccount`, and the
    /// keys `aws_access_key_id` and `aws_secret_access_key`. The key `aws_session_token` is
    /// optional.
    ///
    /// The operator reads the Secret again every few minutes. If the Secret or its label is gone,
    /// the operator stops using the access key, and the roles that it assumed with it.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new(is_object_name("self"))
        .message("name must be the name of a Secret: lowercase letters, digits, - and .; write, \
                  for example, aws-production"))]
    pub name: String,
}

/// A role to assume.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AssumedRole {
    /// The ARN of the role, for example `arn:aws:iam::123456789012:role/lightsail`.
    #[serde(rename = "roleARN")]
    #[schemars(length(min = 1, max = 2048))]
    #[x_kube(validation = Rule::new(
        "self.matches('^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]+$')")
        .message("roleARN must be the ARN of a role; write, for example, \
                  arn:aws:iam::123456789012:role/lightsail"))]
    pub role_arn: String,

    /// The external ID that the role's trust policy requires. Default: none.
    #[serde(default, rename = "externalID", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 1224))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z0-9_+=,.@:/-]+$')")
        .message("externalID may contain only letters, digits and _ + = , . @ : / -, as AWS \
                  requires; correct it"))]
    pub external_id: Option<String>,

    /// How long a session of this role lasts, from `15m` to `1h`. Default: `1h`.
    #[serde(default = "an_hour")]
    #[schemars(length(min = 2, max = 32))]
    #[x_kube(validation = Rule::new("self.matches('^([0-9]+([.][0-9]+)?(s|m|h))+$') && \
                                     duration(self) >= duration('15m') && \
                                     duration(self) <= duration('1h')")
        .message("duration must be from 15m to 1h; write, for example, 30m"))]
    pub duration: String,
}

fn an_hour() -> String {
    "1h".to_owned()
}

/// What the session tags of the last role say about who uses the session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SessionTags {
    /// Nothing: the session has no tags.
    #[default]
    None,
    /// The cluster and the namespace of the object.
    Namespace,
}
