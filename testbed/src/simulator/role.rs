//! Roles: who may assume them, and what their sessions may do.
//!
//! The simple fields of a role are turned into a trust policy, so that one code decides.

use std::sync::Arc;

use serde_json::{Value, json};

use super::policy::{Policy, TrustPolicy};

/// The service that gives pods the sessions of EKS Pod Identity.
pub(super) const POD_IDENTITY: &str = "pods.eks.amazonaws.com";

/// A role that can be assumed: by whom its trust policy says, or else by anybody who sends the
/// external id.
#[derive(Clone, Debug, Default)]
pub struct Role {
    /// The last part of its ARN.
    pub name: String,
    /// The trust policy, a JSON document. It stands in the place of `external_id` and
    /// `session_tags`.
    pub trust_policy: Option<String>,
    /// The `sts:ExternalId` that `AssumeRole` must send. Without one, any caller may assume the
    /// role.
    pub external_id: Option<String>,
    /// Let its callers set session tags, and hand transitive ones on (`sts:TagSession`).
    pub session_tags: bool,
    /// Whose tokens `AssumeRoleWithWebIdentity` takes; without one, none.
    pub web_identity: Option<WebIdentity>,
}

impl Role {
    /// The trust policy, or the one that says the same as the simple fields.
    fn trust(&self) -> Result<TrustPolicy, String> {
        let Some(document) = &self.trust_policy else {
            return TrustPolicy::parse(&self.simple_trust().to_string());
        };
        if self.external_id.is_some() || self.session_tags {
            return Err("a trust policy says itself what externalId and sessionTags say".to_owned());
        }
        TrustPolicy::parse(document)
    }

    fn simple_trust(&self) -> Value {
        let everybody = json!("*");
        let mut assume = allow("sts:AssumeRole", &everybody);
        if let Some(external_id) = &self.external_id {
            // An id has no `$`, so it is no policy variable.
            assume["Condition"] = json!({"StringEquals": {"sts:ExternalId": external_id}});
        }
        let mut statements = vec![assume, allow("sts:*", &json!({"Service": POD_IDENTITY}))];
        if self.session_tags {
            statements.push(allow("sts:TagSession", &everybody));
        }
        json!({"Statement": statements})
    }
}

fn allow(action: &str, principal: &Value) -> Value {
    json!({"Effect": "Allow", "Principal": principal, "Action": action})
}

/// A token's claims that a role trusts.
#[derive(Clone, Debug)]
pub struct WebIdentity {
    /// `iss`.
    pub issuer: String,
    /// `sub`, for example `system:serviceaccount:NAMESPACE:NAME`.
    pub subject: String,
    /// One of `aud`, usually `sts.amazonaws.com`.
    pub audience: String,
}

/// A role, and what its sessions may do; without a policy what the account's user may.
#[derive(Debug)]
pub(super) struct KnownRole {
    pub(super) role: Role,
    pub(super) trust: Arc<TrustPolicy>,
    pub(super) policy: Option<Arc<Policy>>,
}

impl KnownRole {
    /// A role with its permission policy, or what is wrong with its policies.
    pub(super) fn new(role: Role, policy: Option<&str>) -> Result<Self, String> {
        let policy = policy.map(Policy::parse).transpose()?.map(Arc::new);
        Ok(Self { trust: Arc::new(role.trust()?), role, policy })
    }
}
