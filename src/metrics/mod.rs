//! What is counted, for `/metrics`. `docs/metrics.md` has the same list, and a test compares. No
//! label names an object or has the text of an error. Series whose labels are known beforehand
//! begin at 0: Prometheus does not see the first increase of one that begins at 1.

mod labels;

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Metric, Registry, Unit};

use self::labels::{
    ClassLabels, CredentialsLabels, EndLabels, KindLabels, ObjectLabels, OperationLabels,
    PairLabels, ReconcileLabels, RequestLabels, ScopeLabels,
};
use crate::clock::Moment;
use crate::ids::Scope;

/// The operations of Lightsail that reconciliations call. An export also calls `GetRegions`.
const OPERATIONS: &str = "GetKeyPair GetKeyPairs ImportKeyPair DeleteKeyPair \
                          DownloadDefaultKeyPair TagResource UntagResource GetInstance \
                          GetInstances DeleteKnownHostKeys GetOperation GetOperationsForResource";
/// The code of a request that succeeded.
pub const OK: &str = "OK";

/// What is counted. Clones count into the same place.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Arc<Registry>,
    reconciles: Family<ReconcileLabels, Counter>,
    reconcile_seconds: Family<KindLabels, Histogram>,
    queue_depth: Family<ClassLabels, Gauge>,
    queue_wait_seconds: Family<ClassLabels, Histogram>,
    objects: Family<ObjectLabels, Gauge>,
    ready_seconds: Family<KindLabels, Histogram>,
    unreadable: Family<KindLabels, Gauge>,
    vanished: Family<KindLabels, Gauge>,
    vanished_ended: Family<EndLabels, Counter>,
    abandoned: Counter,
    requests: Family<RequestLabels, Counter>,
    request_seconds: Family<OperationLabels, Histogram>,
    credentials: Credentials,
    throttled: Family<ScopeLabels, Counter>,
    waiting: Family<ScopeLabels, Gauge>,
    rate: Family<ScopeLabels, Gauge<f64, std::sync::atomic::AtomicU64>>,
    inventory_age: Family<ScopeLabels, Gauge<f64, std::sync::atomic::AtomicU64>>,
    inventory_failures: Family<ScopeLabels, Counter>,
    inventory_pairs: Family<PairLabels, Gauge>,
    without_object: Family<ScopeLabels, Gauge>,
    inventory_read_at: Arc<Mutex<HashMap<ScopeLabels, Moment>>>,
    leader: Gauge,
    /// What has series, so that those of a region can be dropped.
    scopes: Arc<Mutex<HashSet<ScopeLabels>>>,
    /// By region.
    request_labels: Arc<Mutex<HashMap<String, HashSet<RequestLabels>>>>,
}

/// How AWS credentials are had.
#[derive(Clone, Debug)]
struct Credentials {
    requests: Family<CredentialsLabels, Counter>,
    failing: Gauge,
}

impl Credentials {
    fn registered(all: &mut Registry) -> Self {
        let help = "Requests for AWS credentials, by operation (of STS or IAM Identity Center, \
                    ContainerCredentials or InstanceMetadata) and code (the HTTP status, or why \
                    there was no response)";
        let requests = add(all, "credentials_requests", help, Family::default());
        let help = "Whether the operator could not get or renew its own AWS credentials when it \
                    last tried: 1, otherwise 0; objects shows those of LightsailAccounts";
        let failing = add(all, "credentials_failing", help, Gauge::default());
        Self { requests, failing }
    }
}

/// From 5 ms, a fast answer on a near network, doubling to 41 s, longer than any request may take.
fn short<L: Clone + Hash + Eq>() -> Family<L, Histogram> {
    Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.005, 2.0, 14)))
}

/// From 50 ms, doubling to 14 minutes: what waits behind thousands, or for a slow Lightsail.
fn long<L: Clone + Hash + Eq>() -> Family<L, Histogram> {
    Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.05, 2.0, 15)))
}

/// Registers a metric, and returns it.
fn add<M: Metric + Clone>(all: &mut Registry, name: &str, help: &str, metric: M) -> M {
    all.register(name, help, metric.clone());
    metric
}

/// As [`add`], for a number of seconds.
fn add_seconds<M: Metric + Clone>(all: &mut Registry, name: &str, help: &str, metric: M) -> M {
    all.register_with_unit(name, help, Unit::Seconds, metric.clone());
    metric
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("lightsail_operator");
        let all = &mut registry;
        let help = "Reconciliations by their outcome";
        let reconciles = add(all, "reconciles", help, Family::default());
        let help = "Duration of reconciliations";
        let reconcile_seconds = add_seconds(all, "reconcile", help, short());
        let help = "Objects that wait to be reconciled, by class: change (the object, or what it \
                    waited for, has changed), resync (its interval has ended) or retry";
        let queue_depth = add(all, "queue_depth", help, Family::default());
        let help = "Time that objects waited to be reconciled, since this replica began to act";
        let queue_wait_seconds = add_seconds(all, "queue_wait", help, long());
        let help = "Objects by the status and reason of their condition Ready; every replica \
                    counts all objects";
        let objects = add(all, "objects", help, Family::default());
        let help = "Time from an object's creation until it was Ready for the first time, unless \
                    it was edited before that";
        let ready_seconds = add_seconds(all, "time_to_ready", help, long());
        let help = "Objects that this version of the operator cannot read; every replica counts \
                    them";
        let unreadable = add(all, "unreadable_objects", help, Family::default());
        let help = "Objects that were removed before the operator had handled their finalizer, \
                    and whose key pairs it has yet to delete or release";
        let vanished = add(all, "vanished_objects", help, Family::default());
        let help = "Objects that were removed before the operator had handled their finalizer, \
                    by what became of their key pair: Deleted, or Released if it stays in \
                    Lightsail";
        let vanished_ended = add(all, "vanished_objects_ended", help, Family::default());
        let help = "Key pairs that stay in Lightsail, with their owner tag if they had one, \
                    because the namespace of their object was deleted while the object was not \
                    allowed to use its account";
        let abandoned = add(all, "abandoned_key_pairs", help, Counter::default());
        let help = "Requests sent to Lightsail, by operation, region and code: OK, Lightsail's \
                    error code, or why there was no response, such as Timeout";
        let requests = add(all, "lightsail_requests", help, Family::default());
        let help = "Time from sending a request to Lightsail until its response";
        let request_seconds = add_seconds(all, "lightsail_request", help, short());
        let credentials = Credentials::registered(all);
        let help = "Requests that Lightsail refused because there were too many";
        let throttled = add(all, "lightsail_throttled_requests", help, Family::default());
        let help = "Requests that wait to be sent";
        let waiting = add(all, "lightsail_waiting_requests", help, Family::default());
        let help = "The maximum number of requests per second that the operator sends, as of the \
                    last request";
        let rate = add(all, "lightsail_request_rate_limit", help, Family::default());
        let help = "Age of the list of key pairs that all objects of a region share";
        let inventory_age = add_seconds(all, "inventory_age", help, Family::default());
        let help = "Reads of that list that failed";
        let inventory_failures = add(all, "inventory_failures", help, Family::default());
        let help = "Key pairs in the shared list; managed is true for those with an owner tag of \
                    this cluster";
        let inventory_pairs = add(all, "inventory_key_pairs", help, Family::default());
        let help = "Key pairs with an owner tag of this cluster that no object manages";
        let without_object = add(all, "key_pairs_without_object", help, Family::default());
        let help = "Whether this replica acts: 1, or 0 for a follower";
        let leader = add(all, "leader", help, Gauge::default());
        let build = Gauge::<i64>::default();
        build.set(1);
        let labels = [("version".into(), env!("CARGO_PKG_VERSION").into())];
        let of_build = all.sub_registry_with_labels(labels.into_iter());
        add(of_build, "build_info", "Version of the operator; always 1", build);
        let all = Self {
            registry: Arc::new(registry),
            reconciles,
            reconcile_seconds,
            queue_depth,
            queue_wait_seconds,
            objects,
            ready_seconds,
            unreadable,
            vanished,
            vanished_ended,
            abandoned,
            requests,
            request_seconds,
            credentials,
            throttled,
            waiting,
            rate,
            inventory_age,
            inventory_failures,
            inventory_pairs,
            without_object,
            inventory_read_at: Arc::default(),
            leader,
            scopes: Arc::default(),
            request_labels: Arc::default(),
        };
        all.set_vanished("LightsailKeyPair", 0);
        for reason in ["Deleted", "Released"] {
            let (kind, reason) = ("LightsailKeyPair".to_owned(), reason.to_owned());
            drop(all.vanished_ended.get_or_create(&EndLabels { kind, reason }));
        }
        for operation in OPERATIONS.split_whitespace().map(str::to_owned) {
            drop(all.request_seconds.get_or_create(&OperationLabels { operation }));
        }
        all
    }
}

fn gauge(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

impl Metrics {
    /// A kind is reconciled from now on, with these outcomes. Its objects wait in these classes of
    /// the queue.
    pub fn begin<'a>(
        &self,
        kind: &str,
        outcomes: impl IntoIterator<Item = String>,
        classes: impl IntoIterator<Item = &'a str>,
    ) {
        for outcome in outcomes {
            let labels = ReconcileLabels { kind: kind.to_owned(), outcome };
            drop(self.reconciles.get_or_create(&labels));
        }
        for class in classes {
            let labels = ClassLabels { kind: kind.to_owned(), class: class.to_owned() };
            drop(self.queue_depth.get_or_create(&labels));
            drop(self.queue_wait_seconds.get_or_create(&labels));
        }
        let labels = KindLabels { kind: kind.to_owned() };
        drop(self.reconcile_seconds.get_or_create(&labels));
        drop(self.ready_seconds.get_or_create(&labels));
        self.set_unreadable(kind, 0);
        self.set_objects(kind, false, "", 0);
    }

    /// A reconciliation has ended. `outcome` is one CamelCase word.
    pub fn reconciled(&self, kind: &str, outcome: &str, duration: Duration) {
        let labels = ReconcileLabels { kind: kind.to_owned(), outcome: outcome.to_owned() };
        self.reconciles.get_or_create(&labels).inc();
        let labels = KindLabels { kind: kind.to_owned() };
        self.reconcile_seconds.get_or_create(&labels).observe(duration.as_secs_f64());
    }

    /// How many objects wait for their turn.
    pub fn set_depth(&self, kind: &str, class: &str, depth: usize) {
        let labels = ClassLabels { kind: kind.to_owned(), class: class.to_owned() };
        self.queue_depth.get_or_create(&labels).set(gauge(depth));
    }

    /// An object's turn has come.
    pub fn waited(&self, kind: &str, class: &str, time: Duration) {
        let labels = ClassLabels { kind: kind.to_owned(), class: class.to_owned() };
        self.queue_wait_seconds.get_or_create(&labels).observe(time.as_secs_f64());
    }

    /// How many objects show this.
    pub fn set_objects(&self, kind: &str, ready: bool, reason: &str, count: usize) {
        let labels = ObjectLabels {
            kind: kind.to_owned(),
            ready: ready.to_string(),
            reason: reason.to_owned(),
        };
        self.objects.get_or_create(&labels).set(gauge(count));
    }

    /// An object became Ready for the first time.
    pub fn became_ready(&self, kind: &str, seconds_after_creation: f64) {
        self.ready_seconds
            .get_or_create(&KindLabels { kind: kind.to_owned() })
            .observe(seconds_after_creation.max(0.0));
    }

    /// How many objects this version cannot read.
    pub fn set_unreadable(&self, kind: &str, count: usize) {
        self.unreadable.get_or_create(&KindLabels { kind: kind.to_owned() }).set(gauge(count));
    }

    /// How many objects vanished despite their finalizer and are still to be followed up.
    pub fn set_vanished(&self, kind: &str, count: usize) {
        self.vanished.get_or_create(&KindLabels { kind: kind.to_owned() }).set(gauge(count));
    }

    /// A key pair stays in Lightsail, though its object is deleted and nobody said so.
    pub fn abandoned(&self) {
        self.abandoned.inc();
    }

    /// An object that vanished was followed up: `Deleted` or `Released` says what became of its key
    /// pair.
    pub fn vanished_ended(&self, kind: &str, reason: &str) {
        let labels = EndLabels { kind: kind.to_owned(), reason: reason.to_owned() };
        self.vanished_ended.get_or_create(&labels).inc();
    }

    /// A request to Lightsail was answered, or not.
    pub fn lightsail_request(&self, operation: &str, region: &str, code: &str, duration: Duration) {
        // A code comes from the answer's body, and that may come from anybody on the way.
        let is_word = code.len() <= 64
            && code.chars().all(|char| char.is_ascii_alphanumeric() || char == '.');
        let code = if is_word { code } else { "Other" };
        let labels = RequestLabels {
            operation: operation.to_owned(),
            region: region.to_owned(),
            code: code.to_owned(),
        };
        self.requests.get_or_create(&labels).inc();
        self.request_labels.lock().entry(region.to_owned()).or_default().insert(labels);
        let labels = OperationLabels { operation: operation.to_owned() };
        self.request_seconds.get_or_create(&labels).observe(duration.as_secs_f64());
    }

    /// A request for AWS credentials, or about them, was answered, or not. `code` is the HTTP
    /// status, or the cause.
    pub fn credentials_request(&self, operation: &str, code: &str) {
        let labels = CredentialsLabels { operation: operation.to_owned(), code: code.to_owned() };
        self.credentials.requests.get_or_create(&labels).inc();
    }

    /// Whether credentials could not be had, or renewed, when that was last tried.
    pub fn set_credentials_failing(&self, are_failing: bool) {
        self.credentials.failing.set(i64::from(are_failing));
    }

    /// A request was refused because there were too many.
    pub fn throttled(&self, scope: &Scope) {
        self.throttled.get_or_create(&self.scope(scope)).inc();
    }

    /// A request waits to be sent, until what is returned is dropped.
    #[must_use]
    pub fn waits(&self, scope: &Scope) -> impl Drop + use<> {
        let gauge = self.waiting.get_or_create(&self.scope(scope)).clone();
        gauge.inc();
        Waits(gauge)
    }

    /// How many requests a second are sent at most.
    pub fn set_rate(&self, scope: &Scope, rate: f64) {
        self.rate.get_or_create(&self.scope(scope)).set(rate);
    }

    /// The shared list was read, or corrected.
    pub fn set_inventory(&self, scope: &Scope, read_at: Moment, managed: usize, unmanaged: usize) {
        for (managed, count) in [("true", managed), ("false", unmanaged)] {
            let (account, region) = (scope.account.to_string(), scope.region.to_string());
            let labels = PairLabels { account, region, managed: managed.to_owned() };
            self.inventory_pairs.get_or_create(&labels).set(gauge(count));
        }
        let labels = self.scope(scope);
        drop(self.inventory_failures.get_or_create(&labels));
        // Each role that reads the region has a list of its own: the youngest counts.
        let mut all = self.inventory_read_at.lock();
        let at = all.entry(labels).or_insert(read_at);
        *at = read_at.max(*at);
    }

    /// The shared list could not be read.
    pub fn inventory_failed(&self, scope: &Scope) {
        self.inventory_failures.get_or_create(&self.scope(scope)).inc();
    }

    /// How many pairs of the shared list have an owner tag of this cluster, and no object.
    pub fn set_without_object(&self, scope: &Scope, count: usize) {
        self.without_object.get_or_create(&self.scope(scope)).set(gauge(count));
    }

    /// Nothing is known any more of pairs without an object.
    pub fn remove_without_object(&self, scope: &Scope) {
        self.without_object.remove(&scope.into());
    }

    /// Nothing is asked any more in a region, of any account.
    pub fn forget_region(&self, region: &str) {
        for labels in self.request_labels.lock().remove(region).into_iter().flatten() {
            self.requests.remove(&labels);
        }
        let mut scopes = self.scopes.lock();
        for scope in scopes.extract_if(|scope| scope.region == region) {
            self.throttled.remove(&scope);
            self.waiting.remove(&scope);
            self.rate.remove(&scope);
            self.without_object.remove(&scope);
            self.forget_list(&scope);
        }
    }

    /// Nothing is asked any more about the list of an account and region.
    pub fn forget_inventory(&self, scope: &Scope) {
        self.forget_list(&scope.into());
    }

    fn forget_list(&self, labels: &ScopeLabels) {
        // First what its age is computed from, whenever somebody asks for it.
        self.inventory_read_at.lock().remove(labels);
        self.inventory_age.remove(labels);
        self.inventory_failures.remove(labels);
        for managed in ["true", "false"] {
            let (account, region) = (labels.account.clone(), labels.region.clone());
            let managed = managed.to_owned();
            self.inventory_pairs.remove(&PairLabels { account, region, managed });
        }
    }

    /// The labels of a scope, noted so that its series can be dropped. The first time, its
    /// counters begin.
    fn scope(&self, scope: &Scope) -> ScopeLabels {
        let labels = ScopeLabels::from(scope);
        if self.scopes.lock().insert(labels.clone()) {
            drop(self.throttled.get_or_create(&labels));
            let mut requests = self.request_labels.lock();
            let requests = requests.entry(labels.region.clone()).or_default();
            for operation in OPERATIONS.split_whitespace().map(str::to_owned) {
                let (region, code) = (labels.region.clone(), OK.to_owned());
                let labels = RequestLabels { operation, region, code };
                drop(self.requests.get_or_create(&labels));
                requests.insert(labels);
            }
        }
        labels
    }

    /// Whether this process acts.
    pub fn set_leader(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// All of it in OpenMetrics text.
    #[must_use]
    pub fn encode(&self) -> String {
        for (labels, read_at) in self.inventory_read_at.lock().iter() {
            self.inventory_age.get_or_create(labels).set(read_at.elapsed().as_secs_f64());
        }
        let mut text = String::new();
        // Writing into a String does not fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        text
    }
}

struct Waits(Gauge);

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.dec();
    }
}
