//! Sessions as EKS Pod Identity gives them to pods: EKS assumes the role with six tags, all of them
//! transitive (<https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html>).

use std::time::Duration;

use super::super::error::ApiError;
use super::super::identity::{Session, uuid};
use super::super::role::POD_IDENTITY;
use super::super::session_tags::{SessionTag, requested};
use super::ask::Ask;
use super::desk::Desk;
use super::packed::percentage;
use super::permission::Request;

/// A pod, as the session tags describe it.
#[derive(Clone, Debug, Default)]
pub struct Pod {
    /// `arn:aws:eks:REGION:ACCOUNT:cluster/NAME`.
    pub cluster_arn: String,
    /// Its namespace.
    pub namespace: String,
    /// Its ServiceAccount.
    pub service_account: String,
    /// Its own name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// Leave the tags out, as an association can be set to.
    pub disable_session_tags: bool,
}

impl Pod {
    fn cluster_name(&self) -> &str {
        self.cluster_arn.rsplit('/').next().unwrap_or_default()
    }

    fn region(&self) -> &str {
        self.cluster_arn.split(':').nth(3).unwrap_or_default()
    }

    fn tags(&self) -> Vec<(String, String)> {
        let pairs = [
            ("eks-cluster-arn", self.cluster_arn.as_str()),
            ("eks-cluster-name", self.cluster_name()),
            ("kubernetes-namespace", &self.namespace),
            ("kubernetes-service-account", &self.service_account),
            ("kubernetes-pod-name", &self.name),
            ("kubernetes-pod-uid", &self.uid),
        ];
        let shown = pairs.into_iter().filter(|_| !self.disable_session_tags);
        shown.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    /// `eks-CLUSTER-POD-UUID`. Its form is that of names in public logs; that either name is cut
    /// after 10 characters is unverified.
    fn session_name(&self) -> String {
        let short = |name: &str| name.chars().take(10).collect::<String>();
        format!("eks-{}-{}-{}", short(self.cluster_name()), short(&self.name), uuid())
    }
}

/// The session of a role that a pod gets, or why EKS can give none.
pub(in super::super) fn pod_session(
    desk: &mut Desk<'_>,
    account: &str,
    role: &str,
    pod: &Pod,
    life: Duration,
) -> Result<Session, String> {
    let role_arn = format!("arn:aws:iam::{account}:role/{role}");
    let session_name = pod.session_name();
    let ask = Ask::new(&role_arn, &session_name, life).ok_or("that is no role")?;
    let said = |error: ApiError| error.message;
    let pairs = pod.tags();
    let keys: Vec<_> = pairs.iter().map(|(key, _)| key.clone()).collect();
    let tags: Vec<SessionTag> = requested(pairs, &keys).map_err(said)?;
    let request = Request {
        ask: &ask,
        external_id: None,
        region: pod.region(),
        tags: tags.iter().collect(),
        tags_session: !tags.is_empty(),
    };
    let known = ask.find(desk.identities).ok_or("there is no such role")?;
    if let Some(action) = request.service_lacks(POD_IDENTITY, &pod.cluster_arn, &known.trust) {
        return Err(format!("the role does not let {POD_IDENTITY} do {action}"));
    }
    percentage(&tags, None).map_err(said)?;
    Ok(ask.session(desk.identities, tags, desk.now).session)
}
