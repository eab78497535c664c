//! Accounts by the role of an operator that EKS Pod Identity gives its credentials.

use std::time::Duration;

use lightsail_operator::api::LightsailKeyPair;
use serde_json::json;
use testbed::operator::Operator;
use testbed::simulator::{Pod, Role};

use super::teams::{OF_A, Teams, pair};
use crate::bed::{ACCOUNT, REGION};

/// Pod Identity sets six transitive tags, one of them `kubernetes-namespace`, unless the
/// association is set to leave them out
/// (<https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html>).
async fn check(disable_session_tags: bool) {
    let teams = Teams::new("pod-identity").await;
    let operator = "lightsail-operator".to_owned();
    let role = Role { name: operator.clone(), session_tags: true, ..Role::default() };
    teams.a.simulator.set_role(ACCOUNT, role, None).unwrap();
    let pod = Pod {
        cluster_arn: format!("arn:aws:eks:{REGION}:{ACCOUNT}:cluster/test"),
        namespace: operator.clone(),
        service_account: operator.clone(),
        name: format!("{operator}-5d8f7c9b6d-x2x7k"),
        uid: "b7a1c5d0-5b7e-4f7c-9a51-0d4f1f0c5a7e".to_owned(),
        disable_session_tags,
    };
    let life = Duration::from_hours(6);
    let session = teams.a.simulator.add_pod_session(ACCOUNT, &operator, &pod, life).unwrap();
    let mut options = teams.options().await;
    options.environment.retain(|(name, _)| !name.contains("KEY"));
    options.environment.extend(
        [
            ("AWS_ACCESS_KEY_ID", session.credentials.access_key_id),
            ("AWS_SECRET_ACCESS_KEY", session.credentials.secret_access_key),
            ("AWS_SESSION_TOKEN", session.token),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    let _operator = Operator::start(options).await.unwrap();
    let tagged = [("/sessionTags", json!("Namespace"))];
    let spec = Teams::spec(OF_A, &teams.a.namespace, &tagged);
    let name = teams.create_account("pods", &spec).await;
    teams.wait_account(&name, "Identified").await;
    teams.a.create::<LightsailKeyPair>("fleet", &pair(&name, "fleet")).await;
    teams.a.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
    teams.remove_accounts().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tags_of_eks_pod_identity_are_in_nobodys_way() {
    for disable_session_tags in [true, false] {
        check(disable_session_tags).await;
    }
}
