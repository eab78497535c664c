//! How to get credentials for an account.

#![expect(unreachable_pub, reason = "derive(KubeSchema) copies the types into functions")]

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::schema::is_object_name;

/// Where the first credentials come from.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(self.source == 'Secret') == has(self.secretRef)")
    .message("credentials.secretRef belongs to source: Secret, which needs it; add or remove it"))]
pub struct Credentials {
    /// Where they come from. Default: `Operator`.
    ///
    /// - `Operator`: the credentials that the operator itself has.
    /// - `Secret`: a Secret in the operator's own namespace.
    #[serde(default)]
    pub source: CredentialSource,

    /// The Secret of `source: Secret`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "CredentialsSecret")]
    pub secret_ref: Option<CredentialsSecret>,
}

/// Where credentials come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum CredentialSource {
    /// The operator's own.
    #[default]
    Operator,
    /// A Secret.
    Secret,
}

/// A Secret in the operator's own namespace.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CredentialsSecret {
    /// Its name. The Secret has the label `lightsail-operator.dev/aws-credentials` with the name of
    /// this LightsailAccount, and the keys `aws_access_key_id` and `aws_secret_access_key`.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new(is_object_name("self"))
        .message("name must be that of a Secret: lower case letters, digits, - and .; write for \
                  example aws-production"))]
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
        .message("roleARN must be the ARN of a role; write for example \
                  arn:aws:iam::123456789012:role/lightsail"))]
    pub role_arn: String,

    /// The external id that the role's trust policy asks for. Default: none.
    #[serde(default, rename = "externalID", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 1224))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z0-9_+=,.@:/-]+$')")
        .message("externalID must have letters, digits and _ + = , . @ : / - only, as AWS asks"))]
    pub external_id: Option<String>,

    /// How long a session lasts, from `15m` to `1h`. Default: `1h`.
    #[serde(default = "an_hour")]
    #[schemars(length(min = 2, max = 32))]
    #[x_kube(validation = Rule::new("self.matches('^([0-9]+([.][0-9]+)?(s|m|h))+$') && \
                                     duration(self) >= duration('15m') && \
                                     duration(self) <= duration('1h')")
        .message("duration must be a time from 15m to 1h; write for example 30m"))]
    pub duration: String,
}

fn an_hour() -> String {
    "1h".to_owned()
}

/// What the last session says about who uses it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SessionTags {
    /// Nothing.
    #[default]
    None,
    /// The cluster and the namespace.
    Namespace,
}
