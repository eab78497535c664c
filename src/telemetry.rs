//! Logs and metrics.
//!
//! The log is structured, one line an event, as JSON or text, on standard error. What libraries say is cut at INFO whatever the
//! filter asks for: below that the AWS SDK and the HTTP stack print bodies, and with them private keys (I4).

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use tracing::{Level, Metadata};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::api::Reason;
use crate::config::LogFormat;

/// Starts the log.
///
/// # Errors
/// The filter cannot be parsed, or a log was started before.
pub fn start_log(format: LogFormat, filter: &str) -> anyhow::Result<()> {
    let filter = EnvFilter::builder().parse(filter)?;
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let layer = match format {
        LogFormat::Json => layer.json().flatten_event(true).with_span_list(false).boxed(),
        LogFormat::Text => layer.with_ansi(std::io::stderr().is_terminal()).boxed(),
    };
    tracing_subscriber::registry().with(layer.with_filter(filter_fn(may_be_logged)).with_filter(filter)).try_init()?;
    Ok(())
}

fn may_be_logged(metadata: &Metadata<'_>) -> bool {
    *metadata.level() <= Level::INFO || metadata.target().starts_with(env!("CARGO_CRATE_NAME"))
}

/// What is counted. Clones count into the same place. No label names an object.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Arc<Registry>,
    reconciles: Family<ReconcileLabels, Counter>,
    reconcile_seconds: Family<KindLabels, Histogram>,
    objects: Family<KindLabels, Gauge>,
    lightsail_requests: Family<RequestLabels, Counter>,
    lightsail_request_seconds: Family<OperationLabels, Histogram>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ReconcileLabels {
    kind: String,
    reason: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct KindLabels {
    kind: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    operation: String,
    region: String,
    code: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OperationLabels {
    operation: String,
}

fn seconds() -> Histogram {
    // From 5 ms, a fast answer on a near network, doubling to 41 s, longer than any pass may take.
    Histogram::new(exponential_buckets(0.005, 2.0, 14))
}

impl Default for Metrics {
    fn default() -> Self {
        let reconciles = Family::default();
        let reconcile_seconds = Family::<KindLabels, Histogram>::new_with_constructor(seconds);
        let objects = Family::default();
        let lightsail_requests = Family::default();
        let lightsail_request_seconds = Family::<OperationLabels, Histogram>::new_with_constructor(seconds);
        let mut registry = Registry::with_prefix("lightsail_operator");
        registry.register("reconciles", "Passes by kind and the reason they ended with", reconciles.clone());
        registry.register_with_unit("reconcile", "Duration of passes", Unit::Seconds, reconcile_seconds.clone());
        registry.register("objects", "Objects that are watched", objects.clone());
        registry.register(
            "lightsail_requests",
            "Requests to Lightsail by operation, region and code",
            lightsail_requests.clone(),
        );
        registry.register_with_unit(
            "lightsail_request",
            "Duration of requests to Lightsail",
            Unit::Seconds,
            lightsail_request_seconds.clone(),
        );
        let build = Gauge::<i64>::default();
        build.set(1);
        let labels = [("version".into(), env!("CARGO_PKG_VERSION").into())];
        registry.sub_registry_with_labels(labels.into_iter()).register("build_info", "The version that runs", build);
        let registry = Arc::new(registry);
        Self { registry, reconciles, reconcile_seconds, objects, lightsail_requests, lightsail_request_seconds }
    }
}

impl Metrics {
    /// A pass has ended. `reason` is absent if the object was gone.
    pub fn reconciled(&self, kind: &str, reason: Option<Reason>, duration: Duration) {
        let reason = reason.map_or_else(|| "None".to_owned(), |reason| reason.to_string());
        self.reconciles.get_or_create(&ReconcileLabels { kind: kind.to_owned(), reason }).inc();
        let labels = KindLabels { kind: kind.to_owned() };
        self.reconcile_seconds.get_or_create(&labels).observe(duration.as_secs_f64());
    }

    /// How many objects of a kind there are.
    pub fn set_objects(&self, kind: &str, count: usize) {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.objects.get_or_create(&KindLabels { kind: kind.to_owned() }).set(count);
    }

    /// A request to Lightsail was answered, or not.
    pub fn lightsail_request(&self, operation: &str, region: &str, code: &str, duration: Duration) {
        let labels =
            RequestLabels { operation: operation.to_owned(), region: region.to_owned(), code: code.to_owned() };
        self.lightsail_requests.get_or_create(&labels).inc();
        let labels = OperationLabels { operation: operation.to_owned() };
        self.lightsail_request_seconds.get_or_create(&labels).observe(duration.as_secs_f64());
    }

    /// All of it in OpenMetrics text.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::new();
        // Writing into a String does not fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        text
    }
}
