//! What one run stands on: a namespace, a Lightsail and a proxy of its own, and one operator or
//! two.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use kube::api::{
    ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, PostParams,
};
use kube::{Api, Client};
use rustix::process::{Pid, Signal, kill_process};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use testbed::api_proxy::ApiProxy;
use testbed::cluster::Cluster;
use testbed::operator::{Operator, OperatorOptions};
use testbed::simulator::{Options, Region, Simulator};
use tokio::sync::Mutex;

use super::keys::Key;
use super::point::is_counted;
use crate::cli::scene::OPERATOR;
use crate::cli::simulator::{ACCOUNT, REGION, environment};

/// The settings of the operator: as short as a busy machine allows.
pub(super) const CALL_TIMEOUT: Duration = Duration::from_secs(1);
const SETTLE_TIME: Duration = Duration::from_secs(2);
pub(super) const LEASE_DURATION: Duration = Duration::from_secs(3);
const GRACE: Duration = Duration::from_secs(3);
const SEARCH_INTERVAL: Duration = Duration::from_secs(1);
/// The first part of the owner tags.
pub(super) const CLUSTER_ID: &str = "explored";
/// The tag that says whose a key pair is.
pub(super) const OWNER_TAG: &str = "lightsail-operator.dev/owner";
/// The name of the default key pair.
pub(super) const DEFAULT_KEY_PAIR: &str = "LightsailDefaultKeyPair";

/// How often a condition is polled.
pub(super) const POLL: Duration = Duration::from_millis(150);
/// How late a request takes effect: later than a call may take, and not as late as the settle
/// time allows.
pub(super) const LATE: Duration = Duration::from_millis(1_700);
const _: () = assert!(LATE.as_millis() > CALL_TIMEOUT.as_millis());
const _: () = assert!(LATE.as_millis() < SETTLE_TIME.as_millis());
/// Nothing happens for this long once a run is over.
const QUIET: Duration = Duration::from_millis(400);
/// A run takes seconds; on a busy machine it may take many.
pub(super) const DEADLINE: Duration = Duration::from_mins(3);

/// The kinds of the operator whose objects are in namespaces.
pub(super) const KINDS: [&str; 2] = ["LightsailKeyPair", "HostKeyReset"];
/// The kind whose objects are for the whole cluster. Nobody writes their status: the operators of
/// all runs see them.
pub(super) const ACCOUNT_KIND: &str = "LightsailAccount";

/// What all runs share.
#[derive(Clone)]
pub(super) struct Ground {
    pub(super) cluster: Cluster,
    pub(super) binary: PathBuf,
    pub(super) directory: PathBuf,
    /// By letter.
    pub(super) keys: BTreeMap<&'static str, Key>,
}

impl Ground {
    /// Lets the operator have a Lease of its own in each run. There is one account all the time:
    /// the first and the last one make a difference to all objects.
    pub(super) async fn prepare(&self) -> Result<()> {
        let client = self.cluster.client();
        let role: ClusterRole = object(json!({
            "metadata": { "name": "explorer-leases" },
            "rules": [{ "apiGroups": ["coordination.k8s.io"], "resources": ["leases"],
                "verbs": ["get", "create", "update", "patch"] }],
        }))?;
        let binding: ClusterRoleBinding = object(json!({
            "metadata": { "name": "explorer-leases" },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole",
                "name": "explorer-leases" },
            "subjects": [{ "kind": "ServiceAccount", "name": OPERATOR, "namespace": OPERATOR }],
        }))?;
        ignore_conflict(Api::all(client.clone()).create(&PostParams::default(), &role).await)?;
        ignore_conflict(Api::all(client.clone()).create(&PostParams::default(), &binding).await)?;
        let account: DynamicObject = object(json!({
            "apiVersion": "lightsail-operator.dev/v1alpha1", "kind": ACCOUNT_KIND,
            "metadata": { "name": "explorer" },
            "spec": {
                "accountID": ACCOUNT,
                "allowedNamespaces": { "from": "Names", "names": ["nobody"] },
                "allowed": { "regions": [REGION] },
            },
        }))?;
        let accounts: Api<DynamicObject> = Api::all_with(client, &resource(ACCOUNT_KIND));
        ignore_conflict(accounts.create(&PostParams::default(), &account).await)
    }
}

pub(super) fn object<T: DeserializeOwned>(json: Value) -> Result<T> {
    serde_json::from_value(json).context("an object")
}

fn ignore_conflict<T>(outcome: kube::Result<T>) -> Result<()> {
    match outcome {
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
        outcome => outcome.map(drop).context("write an object"),
    }
}

/// One run. Dropping it ends its operators.
pub(super) struct Stage {
    ground: Ground,
    pub(super) namespace: String,
    pub(super) proxy: ApiProxy,
    pub(super) simulator: Simulator,
    pub(super) region: Region,
    options: OperatorOptions,
    /// The one that leads first, and the one that takes over, if there is one.
    operators: Mutex<Vec<Operator>>,
    /// How often a user asked for a reconciliation.
    pub(super) asked: std::sync::atomic::AtomicUsize,
    /// Objects that are to be created once their name is free.
    later: std::sync::Mutex<Vec<(String, Value)>>,
    /// Private keys that somebody deleted with their Secret, by their public half.
    pub(super) deleted_keys: std::sync::Mutex<Vec<String>>,
    /// The uids of Secrets that a user created.
    pub(super) users_secrets: std::sync::Mutex<Vec<String>>,
    /// By object: the name of its key pair, where that is another one.
    pub(super) pair_names: std::sync::Mutex<BTreeMap<String, String>>,
    /// The fingerprints that specs have named.
    pub(super) named: std::sync::Mutex<Vec<String>>,
    /// The accounts that are there, by their names in the cluster.
    pub(super) accounts: std::sync::Mutex<BTreeSet<String>>,
}

impl Stage {
    /// Starts what a run needs, with one operator that leads, and a warm second one if wanted.
    pub(super) async fn start(ground: &Ground, with_second: bool) -> Result<Arc<Self>> {
        let cluster = &ground.cluster;
        let namespace = cluster.create_namespace("explore").await?;
        let directory = ground.directory.join(&namespace);
        std::fs::create_dir_all(&directory).context("make a directory")?;
        let simulator = Simulator::start(Options {
            request_log: Some(directory.join("requests.log")),
            issued_keys: Some(directory.join("issued")),
            ..Options::default()
        });
        let simulator = simulator.await.context("start a simulator")?;
        let proxy = ApiProxy::start(cluster).await?;
        let kubeconfig = directory.join("kubeconfig");
        let url = proxy.url();
        cluster.service_account_kubeconfig(OPERATOR, OPERATOR, &kubeconfig, Some(&url)).await?;
        let seconds = |time: Duration| format!("{}s", time.as_secs());
        let arguments = [
            ["--watch-namespace", &namespace],
            ["--cluster-id", CLUSTER_ID],
            ["--lease-name", &namespace],
            ["--lease-duration", &seconds(LEASE_DURATION)],
            ["--aws-call-timeout", &seconds(CALL_TIMEOUT)],
            ["--settle-time", &seconds(SETTLE_TIME)],
            ["--missing-key-grace", &seconds(GRACE)],
            ["--source-grace", &seconds(GRACE)],
            ["--search-interval", &seconds(SEARCH_INTERVAL)],
            ["--primary", "false"],
            // Objects that name no account use the operator's own credentials.
            ["--unscoped-namespace", &namespace],
        ];
        let options = OperatorOptions {
            binary: ground.binary.clone(),
            kubeconfig,
            arguments: arguments.iter().flatten().map(|text| (*text).to_owned()).collect(),
            environment: environment(&simulator.url(), &simulator.add_account(ACCOUNT)),
            log: directory.join("operator.log"),
        };
        let stage = Arc::new(Self {
            ground: ground.clone(),
            region: simulator.region(ACCOUNT, REGION),
            namespace,
            proxy,
            simulator,
            options: options.clone(),
            operators: Mutex::default(),
            asked: std::sync::atomic::AtomicUsize::default(),
            later: std::sync::Mutex::default(),
            deleted_keys: std::sync::Mutex::default(),
            users_secrets: std::sync::Mutex::default(),
            pair_names: std::sync::Mutex::default(),
            named: std::sync::Mutex::default(),
            accounts: std::sync::Mutex::default(),
        });
        stage.add_lease().await?;
        stage.operators.lock().await.push(Operator::spawn(options)?);
        stage.wait_until_it_leads(0).await?;
        if with_second {
            let log = stage.options.log.with_file_name("second.log");
            let second = OperatorOptions { log, ..stage.options.clone() };
            stage.operators.lock().await.push(Operator::spawn(second)?);
            stage.wait_until_it_is_ready(1).await?;
        }
        Ok(stage)
    }

    async fn add_lease(&self) -> Result<()> {
        let leases: Api<Lease> = Api::namespaced(self.client(), OPERATOR);
        let lease: Lease = object(json!({ "metadata": { "name": self.namespace } }))?;
        leases.create(&PostParams::default(), &lease).await.context("create a Lease").map(drop)
    }

    /// Waits until an operator acts. One that ends meanwhile is restarted: on a busy machine it
    /// may lose its short Lease.
    async fn wait_until_it_leads(&self, which: usize) -> Result<()> {
        self.wait("the operator leads", async || {
            self.keep_running().await?;
            let metrics = self.get(which, "/metrics").await;
            Ok(metrics.is_some_and(|(_, text)| text.contains("lightsail_operator_leader 1")))
        })
        .await
    }

    async fn wait_until_it_is_ready(&self, which: usize) -> Result<()> {
        self.wait("the operator is ready", async || {
            self.keep_running().await?;
            Ok(self.get(which, "/readyz").await.is_some_and(|(status, _)| status == 200))
        })
        .await
    }

    /// Waits until an operator acts, and has reconciled as many objects as there are since it was
    /// started: it has seen what there is.
    pub(super) async fn wait_until_seen(&self) -> Result<()> {
        self.wait("an operator has seen what there is", async || {
            self.keep_running().await?;
            let count = self.all_objects().await?.len();
            let operators = self.operators.lock().await.len();
            for which in 0..operators {
                let Some((_, metrics)) = self.get(which, "/metrics").await else { continue };
                let acts = metrics.contains("lightsail_operator_leader 1");
                if acts && reconciliations(&metrics) >= count {
                    return Ok(true);
                }
            }
            Ok(false)
        })
        .await
    }

    /// What an operator answers, if it serves.
    async fn get(&self, which: usize, path: &str) -> Option<(u16, String)> {
        let operators = self.operators.lock().await;
        operators.get(which)?.get(path).await.ok()
    }

    /// Waits until the second operator leads, while the first one is paused.
    pub(super) async fn wait_until_taken_over(&self) -> Result<()> {
        self.wait_until_it_leads(1).await
    }

    pub(super) fn client(&self) -> Client {
        self.ground.cluster.client()
    }

    pub(super) fn keys(&self) -> &BTreeMap<&'static str, Key> {
        &self.ground.keys
    }

    /// Where the logs of the run are.
    pub(super) fn directory(&self) -> PathBuf {
        self.ground.directory.join(&self.namespace)
    }

    pub(super) fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client(), &self.namespace)
    }

    pub(super) fn objects(&self, kind: &str) -> Api<DynamicObject> {
        if kind == ACCOUNT_KIND {
            return Api::all_with(self.client(), &resource(kind));
        }
        Api::namespaced_with(self.client(), &self.namespace, &resource(kind))
    }

    /// The name in the cluster. Accounts are in no namespace, so they have its name in theirs.
    pub(super) fn name(&self, kind: &str, name: &str) -> String {
        if kind == ACCOUNT_KIND { format!("{}-{name}", self.namespace) } else { name.to_owned() }
    }

    /// Removes the accounts of the run: the operators of all other runs see them.
    pub(super) async fn remove_accounts(&self) -> Result<()> {
        let accounts = self.objects(ACCOUNT_KIND);
        let made =
            std::mem::take(&mut *self.accounts.lock().unwrap_or_else(PoisonError::into_inner));
        for name in made {
            accounts.delete(&name, &DeleteParams::default()).await?;
        }
        Ok(())
    }

    /// All objects of the operator's kinds, as in `LightsailKeyPair/fleet`.
    pub(super) async fn all_objects(&self) -> Result<BTreeMap<String, Value>> {
        let mut all = BTreeMap::new();
        for kind in KINDS {
            for object in self.objects(kind).list(&ListParams::default()).await? {
                let name = object.metadata.name.clone().unwrap_or_default();
                all.insert(format!("{kind}/{name}"), serde_json::to_value(object)?);
            }
        }
        Ok(all)
    }

    /// The Secrets by name.
    pub(super) async fn all_secrets(&self) -> Result<BTreeMap<String, Secret>> {
        let all = self.secrets().list(&ListParams::default()).await?;
        let named = |secret: Secret| (secret.metadata.name.clone().unwrap_or_default(), secret);
        Ok(all.into_iter().map(named).collect())
    }

    /// Kills the operator that leads first, and restarts it.
    pub(super) async fn kill_and_restart(&self) -> Result<()> {
        self.kill().await;
        self.keep_running().await
    }

    /// Kills it. [`Self::keep_running`] restarts it.
    pub(super) async fn kill(&self) {
        if let Some(operator) = self.operators.lock().await.first_mut() {
            operator.kill();
        }
    }

    /// Sends a signal to the operator that leads first, if it runs.
    pub(super) async fn signal(&self, signal: Signal) -> Result<()> {
        let mut operators = self.operators.lock().await;
        let first = operators.first_mut().context("there is an operator")?;
        if first.has_ended()?.is_some() {
            return Ok(());
        }
        let pid = Pid::from_raw(i32::try_from(first.pid())?).context("a process id")?;
        kill_process(pid, signal).context("send a signal")
    }

    /// Whether the first operator has ended, or says that it does not act: on a busy machine it may
    /// have lost its short Lease before.
    pub(super) async fn acts_no_more(&self) -> Result<bool> {
        let mut operators = self.operators.lock().await;
        let first = operators.first_mut().context("there is an operator")?;
        if first.has_ended()?.is_some() {
            return Ok(true);
        }
        let metrics = first.get("/metrics").await;
        Ok(metrics.is_ok_and(|(_, text)| text.contains("lightsail_operator_leader 0")))
    }

    /// Restarts those that have ended, as a cluster does.
    pub(super) async fn keep_running(&self) -> Result<()> {
        for operator in self.operators.lock().await.iter_mut() {
            if operator.has_ended()?.is_some() {
                *operator = Operator::spawn(operator.options().clone())?;
            }
        }
        Ok(())
    }

    /// Waits until something is so.
    pub(super) async fn wait(
        &self,
        what: &str,
        mut is_so: impl AsyncFnMut() -> Result<bool>,
    ) -> Result<()> {
        let start = Instant::now();
        while !is_so().await? {
            anyhow::ensure!(start.elapsed() < DEADLINE, "timed out waiting until {what}");
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    /// The name of the key pair that an object is about.
    pub(super) fn pair_name(&self, object: &str) -> String {
        let names = self.pair_names.lock().unwrap_or_else(PoisonError::into_inner);
        names.get(object).cloned().unwrap_or_else(|| object.to_owned())
    }

    /// Notes an object that is to be created once its name is free.
    pub(super) fn add_later(&self, at: String, spec: Value) {
        self.later.lock().unwrap_or_else(PoisonError::into_inner).push((at, spec));
    }

    /// The objects that are to be created.
    pub(super) fn take_later(&self) -> Vec<(String, Value)> {
        std::mem::take(&mut *self.later.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether no object is to be created any more.
    pub(super) fn has_no_more(&self) -> bool {
        self.later.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// How many requests of reconciliations there were.
    pub(super) fn request_count(&self) -> usize {
        let of_kubernetes = self.proxy.forwarded().iter().filter(|it| is_counted(it)).count();
        of_kubernetes + self.simulator.requests().len()
    }

    /// Waits until the operator asks nothing more.
    pub(super) async fn wait_until_quiet(&self) -> Result<()> {
        let mut count = self.request_count();
        let start = Instant::now();
        loop {
            tokio::time::sleep(QUIET).await;
            let now = self.request_count();
            if now == count {
                return Ok(());
            }
            anyhow::ensure!(start.elapsed() < DEADLINE, "the operator does not come to rest");
            count = now;
        }
    }
}

fn resource(kind: &str) -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk("lightsail-operator.dev", "v1alpha1", kind))
}

/// How many reconciliations of the run's objects have ended, by the metrics of an operator.
fn reconciliations(metrics: &str) -> usize {
    let of_accounts = format!("kind=\"{ACCOUNT_KIND}\"");
    let counts = metrics.lines().filter(|line| !line.contains(&of_accounts)).filter_map(|line| {
        let rest = line.strip_prefix("lightsail_operator_reconciles_total{")?;
        rest.rsplit(' ').next()?.parse::<usize>().ok()
    });
    counts.sum()
}

/// `LightsailKeyPair/fleet`: the kind and the name.
pub(super) fn split(object: &str) -> Result<(&str, &str)> {
    object.split_once('/').with_context(|| format!("{object}: write KIND/NAME"))
}
