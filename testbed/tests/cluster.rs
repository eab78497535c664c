//! What a test has of the control plane: namespaces, `kubectl`, a ServiceAccount's kubeconfig, and
//! the proxy with its faults.
//!
//! These run below `testbed run`, as the operator's own tests do.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::StreamExt;
use http::Method;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, ObjectMeta, PostParams, WatchEvent, WatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use testbed::api_proxy::{ApiProxy, Matcher, Place};
use testbed::cluster::Cluster;

const DEADLINE: Duration = Duration::from_mins(1);
/// Long enough for a request that is not held to be done.
const MOMENT: Duration = Duration::from_millis(300);

/// A namespace, and a ServiceAccount that may edit what is in it and comes through a proxy.
struct Setting {
    cluster: Cluster,
    proxy: ApiProxy,
    /// By the administrator, past the proxy.
    truth: Api<ConfigMap>,
    /// By the ServiceAccount, through the proxy.
    config_maps: Api<ConfigMap>,
    _directory: tempfile::TempDir,
}

impl Setting {
    async fn new() -> Result<Self> {
        let cluster = Cluster::from_env().await?;
        let namespace = cluster.create_namespace("harness").await?;
        let bind = format!("--serviceaccount={namespace}:editor");
        cluster
            .kubectl(&["create", "serviceaccount", "editor", "-n", &namespace])
            .await?
            .or_error()?;
        let create =
            ["create", "rolebinding", "editor", "--clusterrole=edit", &bind, "-n", &namespace];
        cluster.kubectl(&create).await?.or_error()?;

        let proxy = ApiProxy::start(&cluster).await?;
        let directory = tempfile::tempdir_in(cluster.directory())?;
        let kubeconfig = directory.path().join("kubeconfig");
        cluster
            .service_account_kubeconfig(&namespace, "editor", &kubeconfig, Some(&proxy.url()))
            .await?;
        let truth = Api::namespaced(cluster.client(), &namespace);
        let config_maps = Api::namespaced(client(&kubeconfig).await?, &namespace);
        Ok(Self { cluster, proxy, truth, config_maps, _directory: directory })
    }

    async fn exists(&self, name: &str) -> Result<bool> {
        Ok(self.truth.get_opt(name).await?.is_some())
    }
}

async fn client(kubeconfig: &Path) -> Result<Client> {
    let file = Kubeconfig::read_from(kubeconfig)?;
    let mut config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
    config.default_retry = false;
    Ok(Client::try_from(config)?)
}

fn named(name: &str) -> ConfigMap {
    ConfigMap {
        metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
        ..ConfigMap::default()
    }
}

/// Creates in a task, so that the request can be held meanwhile.
fn create(api: &Api<ConfigMap>, name: &str) -> tokio::task::JoinHandle<kube::Result<ConfigMap>> {
    let (api, object) = (api.clone(), named(name));
    tokio::spawn(async move { api.create(&PostParams::default(), &object).await })
}

#[tokio::test]
async fn a_service_account_has_its_own_rights_and_no_others() -> Result<()> {
    let setting = Setting::new().await?;
    setting.config_maps.create(&PostParams::default(), &named("mine")).await?;
    ensure!(setting.exists("mine").await?);
    let elsewhere: Api<ConfigMap> =
        Api::namespaced(setting.config_maps.clone().into_client(), "kube-system");
    let refused = elsewhere.create(&PostParams::default(), &named("not-mine")).await;
    ensure!(matches!(&refused, Err(kube::Error::Api(status)) if status.code == 403), "{refused:?}");
    // The line may come a moment after the answer.
    let recorded = async {
        while !is_recorded(&setting)? {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(DEADLINE, recorded).await.context("not in the audit log")?
}

fn is_recorded(setting: &Setting) -> Result<bool> {
    let audit = std::fs::read_to_string(setting.cluster.audit_log())?;
    let parts = ["/namespaces/kube-system/configmaps", ":editor", "\"code\":403"];
    Ok(audit.lines().any(|line| parts.iter().all(|part| line.contains(part))))
}

#[tokio::test]
async fn a_request_held_before_the_api_server_takes_effect_when_it_is_released() -> Result<()> {
    let setting = Setting::new().await?;
    let held = setting
        .proxy
        .hold(Matcher::new(Method::POST, "/configmaps").with_body("late"), Place::BeforeRequest);
    setting.config_maps.create(&PostParams::default(), &named("other")).await?;
    let request = create(&setting.config_maps, "late");
    tokio::time::timeout(DEADLINE, held.reached()).await?;
    ensure!(!setting.exists("late").await?);
    held.release();
    request.await??;
    ensure!(setting.exists("late").await?);
    Ok(())
}

#[tokio::test]
async fn a_request_whose_client_goes_away_while_it_is_held_never_takes_effect() -> Result<()> {
    let setting = Setting::new().await?;
    let held = setting.proxy.hold(Matcher::new(Method::POST, "/configmaps"), Place::BeforeRequest);
    let request = create(&setting.config_maps, "never");
    tokio::time::timeout(DEADLINE, held.reached()).await?;
    request.abort();
    ensure!(request.await.is_err_and(|error| error.is_cancelled()));
    held.release();
    tokio::time::sleep(MOMENT).await;
    ensure!(!setting.exists("never").await?);
    Ok(())
}

#[tokio::test]
async fn a_request_held_after_the_api_server_has_taken_effect() -> Result<()> {
    let setting = Setting::new().await?;
    let held = setting.proxy.hold(Matcher::new(Method::POST, "/configmaps"), Place::BeforeAnswer);
    let request = create(&setting.config_maps, "early");
    tokio::time::timeout(DEADLINE, held.reached()).await?;
    ensure!(setting.exists("early").await?);
    ensure!(!request.is_finished());
    drop(held);
    request.await??;
    Ok(())
}

#[tokio::test]
async fn requests_fail_as_often_as_they_are_told_to() -> Result<()> {
    let setting = Setting::new().await?;
    setting.proxy.fail(Matcher::new(Method::DELETE, "/configmaps/kept"), 2, 503);
    setting.config_maps.create(&PostParams::default(), &named("kept")).await?;
    for _ in 0..2 {
        let failed = setting.config_maps.delete("kept", &DeleteParams::default()).await;
        ensure!(
            matches!(&failed, Err(kube::Error::Api(status)) if status.code == 503),
            "{failed:?}"
        );
        ensure!(setting.exists("kept").await?);
    }
    setting.config_maps.delete("kept", &DeleteParams::default()).await?;
    ensure!(!setting.exists("kept").await?);
    Ok(())
}

#[tokio::test]
async fn a_watch_streams_through_the_proxy() -> Result<()> {
    let setting = Setting::new().await?;
    let mut events = setting.config_maps.watch(&WatchParams::default(), "0").await?.boxed();
    setting.truth.create(&PostParams::default(), &named("seen")).await?;
    let seen = async {
        while let Some(event) = events.next().await {
            if let WatchEvent::Added(object) = event?
                && object.metadata.name.as_deref() == Some("seen")
            {
                return Ok(());
            }
        }
        anyhow::bail!("the watch has ended")
    };
    tokio::time::timeout(DEADLINE, seen).await.context("no event")?
}
