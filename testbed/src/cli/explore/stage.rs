//! What one run stands on: a namespace, a Lightsail and a proxy of its own, and one operator or
//! two.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use kube::api::{
    ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams,
    PostParams,
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
use super::object::{is_settled, key_of};
use super::point::is_counted;
use super::scenario::Act;
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

/// How often a condition is polled.
pub(super) const POLL: Duration = Duration::from_millis(150);
/// How late a request takes effect: later than a call may take, and not as late as the settle
/// time allows.
pub(super) const LATE: Duration = Duration::from_millis(1_700);
const _: () = assert!(LATE.as_millis() > CALL_TIMEOUT.as_millis());
const _: () = assert!(LATE.as_millis() < SETTLE_TIME.as_millis());
/// Nothing happens for so long once a run is over.
const QUIET: Duration = Duration::from_millis(400);
/// A run takes seconds; on a busy machine it may take many.
pub(super) const DEADLINE: Duration = Duration::from_mins(1);

/// The kinds of the operator.
pub(super) const KINDS: [&str; 2] = ["LightsailKeyPair", "HostKeyReset"];

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
    /// Lets the operator have a Lease of its own in each run.
    pub(super) async fn grant_leases(&self) -> Result<()> {
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
        ignore_conflict(Api::all(client).create(&PostParams::default(), &binding).await)
    }
}

fn object<T: DeserializeOwned>(json: Value) -> Result<T> {
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
    asked: std::sync::atomic::AtomicUsize,
    /// Objects that are to be created once their name is free.
    later: std::sync::Mutex<Vec<(String, Value)>>,
    /// Private keys that somebody deleted with their Secret, by their public half.
    pub(super) deleted_keys: std::sync::Mutex<Vec<String>>,
    /// The uids of Secrets that a user created.
    pub(super) users_secrets: std::sync::Mutex<Vec<String>>,
    /// By object: the name of its key pair, where that is another one.
    pair_names: std::sync::Mutex<BTreeMap<String, String>>,
    /// The fingerprints that specs have named.
    pub(super) named: std::sync::Mutex<Vec<String>>,
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
            ["--lease-namespace", OPERATOR],
            ["--lease-duration", &seconds(LEASE_DURATION)],
            ["--aws-call-timeout", &seconds(CALL_TIMEOUT)],
            ["--settle-time", &seconds(SETTLE_TIME)],
            ["--missing-key-grace", &seconds(GRACE)],
            ["--source-grace", &seconds(GRACE)],
            ["--search-interval", &seconds(SEARCH_INTERVAL)],
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
        let kind = GroupVersionKind::gvk("lightsail-operator.dev", "v1alpha1", kind);
        let resource = ApiResource::from_gvk(&kind);
        Api::namespaced_with(self.client(), &self.namespace, &resource)
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

    /// Does what a user or somebody else does.
    pub(super) async fn act(&self, act: &Act) -> Result<()> {
        match act {
            Act::Create { object, spec, metadata } => self.create(object, spec, metadata).await?,
            Act::Patch { object, change } => {
                let (kind, name) = split(object)?;
                let change = Patch::Merge(self.filled(change));
                self.objects(kind).patch(name, &PatchParams::default(), &change).await?;
            }
            Act::Delete(object) => self.delete(object).await?,
            Act::Reconcile(object) => {
                let (kind, name) = split(object)?;
                let times = self.asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                let annotations = json!({ "lightsail-operator.dev/reconcile": times.to_string() });
                let change = Patch::Merge(json!({ "metadata": { "annotations": annotations } }));
                self.objects(kind).patch(name, &PatchParams::default(), &change).await?;
            }
            Act::Secret { name, data } => {
                let is_key = data.contains_key("ssh-privatekey");
                let type_ = if is_key { "kubernetes.io/ssh-auth" } else { "Opaque" };
                let secret = json!({
                    "metadata": { "name": name }, "type": type_, "stringData": self.texts(data),
                });
                let secret = object(secret)?;
                let created = self.secrets().create(&PostParams::default(), &secret).await?;
                let uid = created.metadata.uid.unwrap_or_default();
                self.users_secrets.lock().unwrap_or_else(PoisonError::into_inner).push(uid);
            }
            Act::PatchSecret { name, data } => {
                let key = self.key_in(name).await?;
                let change = Patch::Merge(json!({ "stringData": self.texts(data) }));
                self.secrets().patch(name, &PatchParams::default(), &change).await?;
                self.note_deleted_key(key);
            }
            Act::Import { name, key, tags } => {
                self.region.import_key_pair(name, &self.text(key));
                self.tag(name, tags);
            }
            Act::Tag { name, tags } => self.tag(name, tags),
            Act::DeletePair(name) => {
                self.region.delete_key_pair(name);
            }
            Act::CreateDefaultPair => {
                self.region.create_default_key_pair();
            }
            Act::Launch(name) => self.region.add_instance(name),
            Act::Switches(switches) => {
                let mut outcome = Ok(());
                self.region.set_switches(|own| outcome = merge(own, switches));
                outcome?;
            }
            Act::Settle => {
                self.wait("all objects are settled", async || {
                    Ok(self.all_objects().await?.values().all(is_settled))
                })
                .await?;
            }
        }
        Ok(())
    }

    async fn create(&self, at: &str, spec: &Value, metadata: &Value) -> Result<()> {
        let (kind, name) = split(at)?;
        let mut spec = self.filled(spec);
        spec["region"] = json!(REGION);
        if let Some(pair) = spec["keyPairName"].as_str() {
            let mut names = self.pair_names.lock().unwrap_or_else(PoisonError::into_inner);
            names.insert(name.to_owned(), pair.to_owned());
        }
        let mut metadata = if metadata.is_object() { self.filled(metadata) } else { json!({}) };
        metadata["name"] = json!(name);
        let new: DynamicObject = object(json!({
            "apiVersion": "lightsail-operator.dev/v1alpha1", "kind": kind,
            "metadata": metadata, "spec": spec,
        }))?;
        self.objects(kind).create(&PostParams::default(), &new).await?;
        Ok(())
    }

    async fn delete(&self, at: &str) -> Result<()> {
        let (kind, name) = split(at)?;
        if kind == "Secret" {
            let key = self.key_in(name).await?;
            self.secrets().delete(name, &DeleteParams::default()).await?;
            self.note_deleted_key(key);
        } else {
            self.objects(kind).delete(name, &DeleteParams::default()).await?;
        }
        Ok(())
    }

    /// The public half of the private key that a Secret holds.
    async fn key_in(&self, secret: &str) -> Result<Option<String>> {
        Ok(self.secrets().get_opt(secret).await?.as_ref().and_then(key_of))
    }

    /// Somebody else has taken a key away: nobody can hold that against the operator.
    fn note_deleted_key(&self, key: Option<String>) {
        self.deleted_keys.lock().unwrap_or_else(PoisonError::into_inner).extend(key);
    }

    fn tag(&self, name: &str, tags: &BTreeMap<String, String>) {
        let tags: Vec<_> =
            tags.iter().map(|(key, value)| (key.as_str(), Some(self.text(value)))).collect();
        let tags: Vec<_> = tags.iter().map(|(key, value)| (*key, value.as_deref())).collect();
        self.region.set_tags(name, &tags);
    }

    fn texts(&self, data: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        data.iter().map(|(key, text)| (key.clone(), self.text(text))).collect()
    }

    /// A text with what stands for something: `$A` for a public key, `$A.private` for its private
    /// one, `$fingerprint(fleet)` for what Lightsail lists now, `$owner(fleet)` for an owner tag.
    fn text(&self, text: &str) -> String {
        let argument = |of: &str| text.strip_prefix(of)?.strip_prefix('(')?.strip_suffix(')');
        if let Some(name) = argument("$fingerprint") {
            let pair = self.region.find_key_pair(name);
            let fingerprint = pair.map(|it| it.fingerprint).unwrap_or_default();
            let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
            named.push(fingerprint.clone());
            return fingerprint;
        }
        if let Some(name) = argument("$owner") {
            return format!("{CLUSTER_ID}/{}/{name}", self.namespace);
        }
        let Some(letter) = text.strip_prefix('$') else { return text.to_owned() };
        let (letter, part) = letter.split_once('.').unwrap_or((letter, "public"));
        let key = self.ground.keys.get(letter);
        key.map_or_else(
            || text.to_owned(),
            |key| if part == "private" { key.private.clone() } else { key.public.clone() },
        )
    }

    /// The same in all texts of a value.
    fn filled(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(text)),
            Value::Array(values) => values.iter().map(|value| self.filled(value)).collect(),
            Value::Object(members) => members
                .iter()
                .map(|(name, value)| (name.clone(), self.filled(value)))
                .collect::<serde_json::Map<_, _>>()
                .into(),
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
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

/// How many reconciliations have ended, by the metrics of an operator.
fn reconciliations(metrics: &str) -> usize {
    let counts = metrics.lines().filter_map(|line| {
        let rest = line.strip_prefix("lightsail_operator_reconciles_total{")?;
        rest.rsplit(' ').next()?.parse::<usize>().ok()
    });
    counts.sum()
}

/// `LightsailKeyPair/fleet`: the kind and the name.
pub(super) fn split(object: &str) -> Result<(&str, &str)> {
    object.split_once('/').with_context(|| format!("{object}: write KIND/NAME"))
}

fn merge<T: serde::Serialize + DeserializeOwned>(own: &mut T, changes: &Value) -> Result<()> {
    let mut all = serde_json::to_value(&*own)?;
    for (name, value) in changes.as_object().context("switches are named")? {
        anyhow::ensure!(all.get(name).is_some(), "there is no switch {name}");
        all[name] = value.clone();
    }
    *own = serde_json::from_value(all)?;
    Ok(())
}
