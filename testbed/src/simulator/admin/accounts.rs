//! Admin requests about accounts: credentials, policies, roles and the sessions of pods.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::clock::iso_time;
use super::super::policy::Policy;
use super::super::role::{KnownRole, Role, WebIdentity};
use super::super::shared::Shared;
use super::super::sts::{Pod, pod_session};
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
    trust_policy: Option<Value>,
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
        let trusted = |it: Trusted| WebIdentity {
            issuer: it.issuer,
            subject: it.subject,
            audience: it.audience,
        };
        let role = Role {
            name: name.clone(),
            trust_policy: new.trust_policy.map(|document| document.to_string()),
            external_id: new.external_id,
            session_tags: new.session_tags,
            web_identity: new.web_identity.map(trusted),
        };
        let policy = new.policy.map(|document| document.to_string());
        KnownRole::new(role, policy.as_deref()).map_err(Refusal::bad)
    });
    Reply(role.map(|known| {
        shared.state().identities.set_role(&account, known);
        json!({"arn": format!("arn:aws:iam::{account}:role/{name}")})
    }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewPodSession {
    cluster_arn: String,
    namespace: String,
    service_account: String,
    pod_name: String,
    pod_uid: String,
    #[serde(default)]
    disable_session_tags: bool,
    seconds: Option<u64>,
}

/// The session that EKS Pod Identity gives a pod. EKS asks for six hours
/// (<https://docs.aws.amazon.com/eks/latest/userguide/pod-id-assign-target-role.html>).
pub(super) async fn add_pod_session(
    State(shared): State<Arc<Shared>>,
    Path((account, role)): Path<(String, String)>,
    body: Bytes,
) -> Reply {
    let session = read::<NewPodSession>(&body).and_then(|new| {
        let pod = Pod {
            cluster_arn: new.cluster_arn,
            namespace: new.namespace,
            service_account: new.service_account,
            name: new.pod_name,
            uid: new.pod_uid,
            disable_session_tags: new.disable_session_tags,
        };
        let life = new.seconds.map_or(Duration::from_hours(6), Duration::from_secs);
        let mut state = shared.state();
        pod_session(&mut state.desk(), &account, &role, &pod, life).map_err(Refusal::bad)
    });
    Reply(session.map(|session| {
        json!({
            "accessKeyId": session.credentials.access_key_id,
            "secretAccessKey": session.credentials.secret_access_key,
            "sessionToken": session.token,
            "expiration": iso_time(session.expires),
        })
    }))
}
