//! What a test stands on, and what it prints when it fails.

use std::fmt::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::events::v1::Event;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, Resource, ResourceExt};
use lightsail_operator::api::conditions::{FINGERPRINT_VERIFIED, READY, STALLED, find, is_true};
use lightsail_operator::api::{HostKeyReset, LightsailKeyPair, Reconciled};
use serde_json::{Value, json};
use testbed::cluster::Cluster;
use testbed::operator::{Operator, OperatorOptions};
use testbed::simulator::{Credentials, Options, Region, Simulator};

/// The account of every test; each has a Lightsail of its own.
pub(crate) const ACCOUNT: &str = "123456789012";
/// The region of every test.
pub(crate) const REGION: &str = "eu-west-1";
/// Things take tenths of a second; a loaded machine may be much slower.
pub(crate) const DEADLINE: Duration = Duration::from_secs(90);
pub(crate) const POLL: Duration = Duration::from_millis(50);

/// What an operator has to know of the simulated AWS.
pub(crate) fn aws_environment(
    simulator: &Simulator,
    credentials: &Credentials,
) -> Vec<(String, String)> {
    let all = [
        ("AWS_ENDPOINT_URL", simulator.url()),
        ("AWS_REGION", REGION.to_owned()),
        ("AWS_ACCESS_KEY_ID", credentials.access_key_id.clone()),
        ("AWS_SECRET_ACCESS_KEY", credentials.secret_access_key.clone()),
    ];
    all.map(|(name, value)| (name.to_owned(), value)).to_vec()
}

/// A namespace, a Lightsail, and what an operator needs to work on both.
pub(crate) struct Bed {
    pub(crate) cluster: Cluster,
    pub(crate) namespace: String,
    pub(crate) simulator: Simulator,
    pub(crate) region: Region,
    credentials: Credentials,
    directory: PathBuf,
}

/// A kind of the operator's whose objects are in namespaces.
pub(crate) trait Namespaced: Reconciled + Resource<Scope = NamespaceResourceScope> {}
impl<K: Reconciled + Resource<Scope = NamespaceResourceScope>> Namespaced for K {}

impl Bed {
    pub(crate) async fn new(name: &str) -> Self {
        let cluster = Cluster::from_env().await.unwrap();
        let namespace = cluster.create_namespace(name).await.unwrap();
        // The logs below are searched for the keys beside them when all tests are over.
        let directory = cluster.directory().join("tests").join(&namespace);
        std::fs::create_dir_all(&directory).unwrap();
        let options = Options {
            request_log: Some(directory.join("requests.log")),
            issued_keys: Some(directory.join("issued")),
            ..Options::default()
        };
        let simulator = Simulator::start(options).await.unwrap();
        let credentials = simulator.add_account(ACCOUNT);
        let region = simulator.region(ACCOUNT, REGION);
        Self { cluster, namespace, simulator, region, credentials, directory }
    }

    /// Another namespace, with the same Lightsail.
    pub(crate) async fn beside(&self, name: &str) -> Self {
        Self {
            cluster: self.cluster.clone(),
            namespace: self.cluster.create_namespace(name).await.unwrap(),
            simulator: self.simulator.clone(),
            region: self.region.clone(),
            credentials: self.credentials.clone(),
            directory: self.directory.clone(),
        }
    }

    /// How the operator is started here: it watches this namespace, and waits for lost answers for
    /// seconds instead of a minute.
    pub(crate) async fn options(&self, api_server: Option<&str>) -> OperatorOptions {
        let kubeconfig = self.directory.join("kubeconfig");
        let account = ("lightsail-operator", "lightsail-operator");
        self.cluster
            .service_account_kubeconfig(account.0, account.1, &kubeconfig, api_server)
            .await
            .unwrap();
        let arguments = [
            ["--watch-namespace", &self.namespace],
            ["--cluster-id", "test"],
            ["--log", "trace"],
            ["--aws-call-timeout", "5s"],
            ["--settle-time", "3s"],
            // Each has one operator, and several tests have two that both act.
            ["--leader-election", "false"],
            // All tests share a cluster, and some have accounts there.
            ["--accounts", "false"],
        ];
        OperatorOptions {
            binary: env!("CARGO_BIN_EXE_lightsail-operator").into(),
            kubeconfig,
            arguments: arguments.iter().flatten().map(|text| (*text).to_owned()).collect(),
            environment: aws_environment(&self.simulator, &self.credentials),
            log: self.directory.join("operator.log"),
        }
    }

    pub(crate) async fn start(&self) -> Operator {
        Operator::start(self.options(None).await).await.unwrap()
    }

    /// The options of an operator that waits for an answer as long as a test may hold it back.
    pub(crate) async fn patient(&self, url: Option<&str>) -> OperatorOptions {
        let mut options = self.options(url).await;
        set(&mut options, "--aws-call-timeout", "60s");
        options
    }

    /// A Lease of this test's own, with the right to it: the chart grants the one that it makes,
    /// which another test is using.
    pub(crate) async fn grant_lease(&self) -> &str {
        let lease = &*self.namespace;
        for arguments in [
            format!(
                "create role {lease} --verb=get,update --resource=leases --resource-name={lease}"
            ),
            format!(
                "create rolebinding {lease} --role={lease} \
                 --serviceaccount=lightsail-operator:lightsail-operator"
            ),
        ] {
            let arguments =
                [&["--namespace=lightsail-operator"], &*arguments.split(' ').collect::<Vec<_>>()]
                    .concat();
            self.cluster.kubectl(&arguments).await.unwrap().or_error().unwrap();
        }
        lease
    }

    pub(crate) fn api<K: Namespaced>(&self) -> Api<K> {
        Api::namespaced(self.cluster.client(), &self.namespace)
    }

    pub(crate) fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.cluster.client(), &self.namespace)
    }

    /// Creates an object of a kind with this spec. A field that the schema does not know is
    /// refused: the API server would drop it, and the test would be about another object.
    pub(crate) async fn try_create<K: Namespaced>(
        &self,
        name: &str,
        spec: &Value,
    ) -> kube::Result<K> {
        let object = json!({
            "apiVersion": K::api_version(&()),
            "kind": K::kind(&()),
            "metadata": { "name": name, "namespace": self.namespace },
            "spec": spec,
        });
        let path = K::url_path(&(), Some(&self.namespace));
        let request = http::Request::post(format!("{path}?fieldValidation=Strict"))
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(serde_json::to_vec(&object).unwrap());
        self.cluster.client().request(request.unwrap()).await
    }

    pub(crate) async fn create<K: Namespaced>(&self, name: &str, spec: &Value) -> K {
        self.try_create(name, spec).await.unwrap()
    }

    /// Changes an object by a merge patch, with fields that the schema knows.
    pub(crate) async fn patch<K: Namespaced>(&self, name: &str, change: &Value) -> K {
        let strict = PatchParams::default().validation_strict();
        self.api::<K>().patch(name, &strict, &Patch::Merge(change)).await.unwrap()
    }

    /// Asks for a reconciliation now, in the words of a user.
    pub(crate) async fn reconcile_now<K: Namespaced>(&self, name: &str) {
        let annotations = json!({ "lightsail-operator.dev/reconcile": "now" });
        self.patch::<K>(name, &json!({ "metadata": { "annotations": annotations } })).await;
    }

    pub(crate) async fn delete<K: Namespaced>(&self, name: &str) {
        self.api::<K>().delete(name, &DeleteParams::default()).await.unwrap();
    }

    /// Waits until the object is as wanted; prints what there is if it does not come to that.
    pub(crate) async fn wait<K: Namespaced>(
        &self,
        name: &str,
        what: &str,
        is_so: impl Fn(&K) -> bool,
    ) -> K {
        let (start, api) = (Instant::now(), self.api::<K>());
        loop {
            let object = api.get_opt(name).await.unwrap();
            if let Some(object) = object.filter(&is_so) {
                return object;
            }
            assert!(
                start.elapsed() < DEADLINE,
                "{name} does not come to this: {what}\n{}",
                self.report().await
            );
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits until the present generation is Ready with this reason.
    pub(crate) async fn wait_ready<K: Namespaced>(&self, name: &str, reason: &str) -> K {
        self.wait(name, &format!("Ready {reason}"), |object: &K| is_ready(object, reason)).await
    }

    /// Waits until the present generation is Stalled with this reason; returns the message too.
    pub(crate) async fn wait_stalled<K: Namespaced>(
        &self,
        name: &str,
        reason: &str,
    ) -> (K, String) {
        let object: K = self
            .wait(name, &format!("Stalled {reason}"), |object| is_stalled(object, reason))
            .await;
        let message = find(object.conditions(), STALLED).unwrap().message.clone();
        (object, message)
    }

    pub(crate) async fn wait_gone<K: Namespaced>(&self, name: &str) {
        let (start, api) = (Instant::now(), self.api::<K>());
        while api.get_opt(name).await.unwrap().is_some() {
            assert!(start.elapsed() < DEADLINE, "{name} does not go away\n{}", self.report().await);
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits until there is an Event with this reason.
    pub(crate) async fn wait_event(&self, reason: &str) -> Event {
        let start = Instant::now();
        let api: Api<Event> = Api::namespaced(self.cluster.client(), &self.namespace);
        loop {
            let events = api.list(&ListParams::default()).await.unwrap();
            if let Some(event) =
                events.items.into_iter().find(|event| event.reason.as_deref() == Some(reason))
            {
                return event;
            }
            assert!(start.elapsed() < DEADLINE, "no Event {reason}\n{}", self.report().await);
            tokio::time::sleep(POLL).await;
        }
    }

    /// How often an operation was asked for in Lightsail.
    pub(crate) fn calls(&self, operation: &str) -> usize {
        self.simulator.requests().iter().filter(|request| request.operation == operation).count()
    }

    /// How often anything was asked for that changes something.
    pub(crate) fn changes(&self) -> usize {
        let reads = |operation: &str| operation.starts_with("Get");
        self.simulator.requests().iter().filter(|request| !reads(&request.operation)).count()
    }

    /// How many of the operator's requests about a resource the API server has answered, by its
    /// audit log.
    pub(crate) fn count_requests(
        &self,
        resource: &str,
        is_meant: impl Fn(&Value) -> bool,
    ) -> usize {
        let log = std::fs::read_to_string(self.cluster.audit_log()).unwrap();
        // The log is large: most lines are not worth reading.
        let lines = log.lines().filter(|line| line.contains(&*self.namespace));
        let entries = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let of_operator = entries.filter(|entry| {
            let at = &entry["objectRef"];
            entry["user"]["username"]
                == "system:serviceaccount:lightsail-operator:lightsail-operator"
                && entry["stage"] == "ResponseComplete"
                && at["namespace"] == self.namespace.as_str()
                && at["resource"] == resource
        });
        of_operator.filter(is_meant).count()
    }

    /// How often the operator wrote an object, its status included, by the API server's audit log.
    /// Waits until that many are there: a line may come a moment after its answer.
    pub(crate) async fn writes(&self, resource: &str, name: &str, expected: usize) -> usize {
        let start = Instant::now();
        loop {
            let is_write = |entry: &Value| {
                !["get", "list", "watch"].contains(&entry["verb"].as_str().unwrap())
                    && entry["objectRef"]["name"] == name
            };
            let count = self.count_requests(resource, is_write);
            if count >= expected || start.elapsed() > DEADLINE {
                return count;
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Leaves a private key where the search of all logs finds it.
    pub(crate) fn note_private_key(&self, name: &str, text: &str) {
        let folder = self.directory.join("issued");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(name), text).unwrap();
    }

    pub(crate) async fn report(&self) -> String {
        let mut report = String::new();
        for pair in self.api::<LightsailKeyPair>().list(&ListParams::default()).await.unwrap() {
            let _ = writeln!(report, "{}", serde_json::to_string_pretty(&pair).unwrap());
        }
        for reset in self.api::<HostKeyReset>().list(&ListParams::default()).await.unwrap() {
            let _ = writeln!(report, "{}", serde_json::to_string_pretty(&reset).unwrap());
        }
        let events: Api<Event> = Api::namespaced(self.cluster.client(), &self.namespace);
        for event in events.list(&ListParams::default()).await.unwrap() {
            let _ = writeln!(report, "event {:?} {:?}", event.reason, event.note);
        }
        for request in self.simulator.requests() {
            let _ = writeln!(
                report,
                "{} {:?} {}",
                request.operation, request.resource, request.outcome
            );
        }
        let log = std::fs::read_to_string(self.directory.join("operator.log")).unwrap_or_default();
        let tail: Vec<&str> = log.lines().rev().take(40).collect();
        for line in tail.into_iter().rev() {
            let _ = writeln!(report, "{line}");
        }
        report
    }
}

/// Waits until something is so that is no object's status.
pub(crate) async fn wait_for(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !is_so().await {
        assert!(start.elapsed() < DEADLINE, "it does not come to this: {what}");
        tokio::time::sleep(POLL).await;
    }
}

pub(crate) fn is_of_this_generation<K: Reconciled>(object: &K) -> bool {
    let shown = serde_json::to_value(object).unwrap();
    shown["status"]["observedGeneration"].as_i64() == object.meta().generation
}

pub(crate) fn is_ready<K: Reconciled>(object: &K, reason: &str) -> bool {
    let ready = find(object.conditions(), READY);
    is_of_this_generation(object)
        && ready.is_some_and(|ready| ready.status == "True" && ready.reason == reason)
}

fn is_stalled<K: Reconciled>(object: &K, reason: &str) -> bool {
    let stalled = find(object.conditions(), STALLED);
    is_of_this_generation(object)
        && !is_true(object.conditions(), READY)
        && stalled.is_some_and(|stalled| stalled.status == "True" && stalled.reason == reason)
}

/// A public key that `ssh-keygen` made just now.
pub(crate) fn public_key(type_: &str) -> String {
    key_pair_files(type_).1
}

/// A private and a public key that `ssh-keygen` made just now.
pub(crate) fn key_pair_files(type_: &str) -> (String, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    let status = std::process::Command::new("ssh-keygen")
        .args(["-q", "-N", "", "-C", "a comment", "-t", type_, "-f"])
        .arg(&path)
        .status()
        .unwrap();
    assert!(status.success());
    let read = |path: PathBuf| std::fs::read_to_string(path).unwrap();
    (read(path.clone()), read(path.with_extension("pub")))
}

/// The public half of a private key, as `ssh-keygen` sees it.
pub(crate) fn public_half(private: &str) -> String {
    use std::os::unix::fs::OpenOptionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).unwrap();
    std::io::Write::write_all(&mut file, private.as_bytes()).unwrap();
    let output = std::process::Command::new("ssh-keygen").arg("-yf").arg(&path).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A spec of type Imported.
pub(crate) fn imported(public_key: &str) -> Value {
    json!({ "type": "Imported", "region": REGION, "imported": { "publicKey": public_key } })
}

/// A spec of type Default that keeps the key in the Secret `kept`.
pub(crate) fn default_pair() -> Value {
    json!({ "type": "Default", "region": REGION, "default": { "secret": { "name": "kept" } } })
}

/// A spec of a reset of `web-1`.
pub(crate) fn reset() -> Value {
    json!({ "region": REGION, "instanceName": "web-1", "reason": "sshd keys rotated" })
}

/// The reason of the condition Ready.
pub(crate) fn ready_reason<K: Reconciled>(object: &K) -> String {
    find(object.conditions(), READY).map(|ready| ready.reason.clone()).unwrap_or_default()
}

/// The name of an object.
pub(crate) fn name_of<K: Reconciled>(object: &K) -> String {
    object.name_any()
}

/// Gives a flag of [`Bed::options`] another value.
pub(crate) fn set(options: &mut OperatorOptions, flag: &str, value: &str) {
    let at = options.arguments.iter().position(|argument| argument == flag).unwrap();
    value.clone_into(&mut options.arguments[at + 1]);
}

/// Waits until the operator's metrics have this text.
pub(crate) async fn wait_metric(operator: &Operator, line: &str) {
    let start = Instant::now();
    while !operator.get("/metrics").await.unwrap().1.contains(line) {
        assert!(start.elapsed() < Duration::from_mins(1), "there is no {line}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The status of the condition `FingerprintVerified`.
pub(crate) fn is_verified(pair: &LightsailKeyPair) -> Option<&str> {
    let status = pair.status.as_ref().unwrap();
    find(&status.conditions, FINGERPRINT_VERIFIED).map(|condition| condition.status.as_str())
}
