//! Reads a cluster, by the reader's own kubeconfig and rights: keys in Secrets, and whether owners
//! are still there. Answers with Secrets are read as text and parsed here, because the client
//! library logs a body that it cannot parse (I4).

use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::api::{ListParams, ObjectList};
use kube::core::Request;
use kube::{Api, Client, Resource};
use zeroize::Zeroizing;

use super::exported::{Exported, Finding, Gone, Managed};
use super::keys::Keys;
use super::report::Report;
use super::sources::add_secret;
use crate::api::LightsailKeyPair;
use crate::api_server::ApiServer;
use crate::config::Environment;
use crate::error::Error;
use crate::kube_error::found;
use crate::kubeconfig;
use crate::lease::HeldLease;
use crate::proxies::Proxies;
use crate::readiness::Readiness;

/// This many Secrets come in one answer: each may have 1 MiB.
const PAGE: u32 = 20;
/// Types of Secrets that have no keys for SSH, and may be many or large.
const OTHER_TYPES: &str =
    "type!=helm.sh/release.v1,type!=kubernetes.io/service-account-token,type!=kubernetes.io/tls";
/// The namespace whose uid is the cluster's id, unless another one is given.
const CLUSTER_NAMESPACE: &str = "kube-system";

/// The cluster of the kubeconfig.
pub(super) struct Cluster<'a> {
    api_server: ApiServer,
    report: &'a Report,
}

impl<'a> Cluster<'a> {
    /// # Errors
    /// There is none, or its configuration cannot be used.
    pub(super) fn new(
        environment: &Environment,
        proxies: &Proxies,
        report: &'a Report,
    ) -> anyhow::Result<Self> {
        let config = kubeconfig::load(environment, proxies)?;
        let client = kubeconfig::client(&config, &Readiness::default())?;
        // So no write is sent.
        let lease = HeldLease::not_held();
        let api_server = ApiServer::new(client, lease, std::time::Duration::ZERO);
        Ok(Self { api_server, report })
    }

    fn client(&self) -> Client {
        self.api_server.client().clone()
    }

    /// Reads the keys in the Secrets of a namespace. `is_target`: whether the manifests are for it.
    pub(super) async fn add_secrets(&self, namespace: &str, is_target: bool, keys: &mut Keys) {
        let mut unreadable = Vec::new();
        self.add_pages(namespace, is_target, keys, &mut unreadable).await;
        self.report.errors_of("", unreadable);
    }

    async fn add_pages(
        &self,
        namespace: &str,
        is_target: bool,
        keys: &mut Keys,
        unreadable: &mut Vec<(String, String)>,
    ) {
        let mut parameters = ListParams::default().fields(OTHER_TYPES).limit(PAGE);
        loop {
            let list = match self.page(namespace, &parameters).await {
                Ok(list) => list,
                Err(why) => {
                    let what = format!("the Secrets of the namespace {namespace}");
                    self.report.error(&format!("{what} cannot be read: {why}"));
                    return;
                }
            };
            for secret in list.items {
                add_secret(namespace, secret, is_target, keys, unreadable);
            }
            match list.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => parameters.continue_token = Some(token),
                None => return,
            }
        }
    }

    async fn page(
        &self,
        namespace: &str,
        parameters: &ListParams,
    ) -> Result<ObjectList<Secret>, Error> {
        let request = Request::new(Secret::url_path(&(), Some(namespace))).list(parameters);
        let request = request.map_err(kube::Error::BuildRequest)?;
        let answer = self.client();
        let answer =
            self.api_server.read(answer.request_text(request)).await.map(Zeroizing::new)?;
        serde_json::from_str(&answer).map_err(|_| Error::Unreadable("list of Secrets"))
    }

    /// Marks pairs whose owner in this cluster is gone.
    pub(super) async fn check_owners(&self, cluster_id: Option<&str>, all: &mut [Exported]) {
        let own = match cluster_id {
            Some(id) => id.to_owned(),
            None => match self.find_namespace(CLUSTER_NAMESPACE).await {
                Ok(Some(uid)) => uid,
                Ok(None) => {
                    let why = format!("there is no namespace {CLUSTER_NAMESPACE}");
                    self.report.error(&format!("no owner is checked: {why}; set --cluster-id"));
                    return;
                }
                Err(why) => {
                    self.report.error(&format!("the cluster's ID cannot be read: {why}"));
                    return;
                }
            },
        };
        let (mut unread, mut silent) = (Vec::new(), None);
        for exported in all {
            let Finding::Managed { owner: Managed::By(owner), is_gone } = &mut exported.finding
            else {
                continue;
            };
            if owner.cluster() != own {
                continue;
            }
            if let Some(words) = &silent {
                unread.push((owner.to_string(), String::clone(words)));
                continue;
            }
            let (namespace, name) = owner.object();
            match self.gone(namespace, name).await {
                Ok(gone) => *is_gone = gone,
                Err(why) => {
                    let words = format!("the owner cannot be read: {why}");
                    // To wait for each of the others could take hours.
                    silent = (!is_answer(&why)).then(|| words.clone());
                    unread.push((owner.to_string(), words));
                }
            }
        }
        self.report.errors_of("", unread);
    }

    async fn gone(&self, namespace: &str, name: &str) -> Result<Option<Gone>, Error> {
        if self.find_namespace(namespace).await?.is_none() {
            return Ok(Some(Gone::Namespace));
        }
        let objects: Api<LightsailKeyPair> = Api::namespaced(self.client(), namespace);
        let read = async { found(objects.get_metadata(name).await) };
        let found = self.api_server.read(read).await?;
        Ok(found.is_none().then_some(Gone::Object))
    }

    /// The uid of a namespace.
    async fn find_namespace(&self, name: &str) -> Result<Option<String>, Error> {
        let namespaces: Api<Namespace> = Api::all(self.client());
        let read = async { found(namespaces.get_metadata(name).await) };
        let found = self.api_server.read(read).await?;
        Ok(found.and_then(|namespace| namespace.metadata.uid))
    }
}

/// Whether the API server answered.
fn is_answer(error: &Error) -> bool {
    matches!(error, Error::Kubernetes(error) if matches!(**error, kube::Error::Api(_)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use http::Response;
    use kube::client::Body;

    use super::*;
    use crate::api_server::fake::Answers;
    use crate::export::samples::{Said, exported};
    use crate::ids::Owner;

    /// Each request without an answer takes [`crate::api_server::READ_TIMEOUT`].
    #[tokio::test]
    async fn a_silent_api_server_is_asked_about_one_owner_and_not_about_each() {
        const OWNERS: usize = 5;
        for (status, cluster_id, expected) in
            [(None, None, 1), (None, Some("c"), 1), (Some(403), Some("c"), OWNERS)]
        {
            let (said, requests) = (Said::default(), Arc::new(AtomicUsize::new(0)));
            let count = Arc::clone(&requests);
            let server = Answers(move |_: &_| {
                count.fetch_add(1, Ordering::Relaxed);
                let Some(status) = status else { return Err("no response in time".into()) };
                Ok(Response::builder().status::<u16>(status).body(Body::empty()).unwrap())
            });
            let (client, lease) = (Client::new(server, "default"), HeldLease::not_held());
            let api_server = ApiServer::new(client, lease, std::time::Duration::ZERO);
            let report = Report::new(said.clone());
            let owner = Managed::By(Owner::new("c", "team-a", "fleet"));
            let managed = Finding::Managed { owner, is_gone: None };
            let mut all = vec![exported("fleet", managed.clone()); OWNERS];
            Cluster { api_server, report: &report }.check_owners(cluster_id, &mut all).await;
            assert_eq!(requests.load(Ordering::Relaxed), expected, "{status:?} {cluster_id:?}");
            assert!(all.iter().all(|exported| exported.finding == managed), "nothing is gone");
            let said = said.take();
            assert_eq!((report.errors(), said.matches("error: ").count()), (1, 1), "{said}");
        }
    }
}
