//! Admin requests about accounts: credentials, policies and roles.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::identity::{KnownRole, Role, WebIdentity};
use super::super::policy::Policy;
use super::super::shared::Shared;
use super::reply::{Refusal, Reply, done, read};

/// New credentials, and with them the account if it is new.
pub(super) async fn add_credentials(
    State(shared): State<Arc<Shared>>,
    Path(account): Path<String>,
) -> Reply {
    let credentials = shared.state().identities.add(&account);
    Reply(Ok(json!({
        "accessKeyId": credentials.access_key_id,
        "secretAccessKey": credentials.secret_access_key,
    })))
}

/// The body is the policy document.
pub(super) async fn set_policy(
    State(shared): State<Arc<Shared>>,
    Path(account): Path<String>,
    body: Bytes,
) -> Reply {
    Reply(Policy::parse(&String::from_utf8_lossy(&body)).map_err(Refusal::bad).map(|policy| {
        shared.state().identities.account_mut(&account).policy = Some(Arc::new(policy));
        done()
    }))
}

pub(super) async fn remove_policy(
    State(shared): State<Arc<Shared>>,
    Path(account): Path<String>,
) -> Reply {
    shared.state().identities.account_mut(&account).policy = None;
    Reply(Ok(done()))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewRole {
    external_id: Option<String>,
    #[serde(default)]
    session_tags: bool,
    web_identity: Option<Trusted>,
    policy: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Trusted {
    issuer: String,
    subject: String,
    audience: String,
}

pub(super) async fn set_role(
    State(shared): State<Arc<Shared>>,
    Path((account, name)): Path<(String, String)>,
    body: Bytes,
) -> Reply {
    let role = read::<NewRole>(&body).and_then(|new| {
        let policy = new.policy.map(|document| Policy::parse(&document.to_string())).transpose();
        let policy = policy.map_err(Refusal::bad)?.map(Arc::new);
        let trusted = |it: Trusted| WebIdentity {
            issuer: it.issuer,
            subject: it.subject,
            audience: it.audience,
        };
        let web_identity = new.web_identity.map(trusted);
        let role = Role {
            name: name.clone(),
            external_id: new.external_id,
            session_tags: new.session_tags,
            web_identity,
        };
        Ok(KnownRole { role, policy })
    });
    Reply(role.map(|known| {
        let arn = format!("arn:aws:iam::{account}:role/{name}");
        shared.state().identities.account_mut(&account).roles.insert(name, known);
        json!({"arn": arn})
    }))
}
