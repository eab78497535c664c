//! `/livez` (the process), `/readyz` (what is missing), `/metrics` (OpenMetrics), over plain HTTP
//! for kubelet and Prometheus.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Router, routing};
use http::{StatusCode, header};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;

/// What is missing for the operator to be ready, and what is wrong all the same. Clones are the
/// same lists.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    missing: Arc<Mutex<BTreeMap<String, String>>>,
    troubles: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Readiness {
    /// Notes that something is missing, and why. Whether that is news.
    pub fn missing(&self, what: &str, why: impl Into<String>) -> bool {
        let why = why.into();
        let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        missing.insert(what.to_owned(), why.clone()).is_none_or(|before| before != why)
    }

    /// Notes that something is there.
    pub fn there(&self, what: &str) {
        self.missing.lock().unwrap_or_else(PoisonError::into_inner).remove(what);
    }

    /// Notes that something goes wrong that a restart would not mend, or that it does no more. The
    /// operator is ready all the same.
    pub fn trouble(&self, what: String, why: Option<String>) {
        let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        match why {
            Some(why) => drop(troubles.insert(what, why)),
            None => drop(troubles.remove(&what)),
        }
    }

    fn report(&self) -> (StatusCode, String) {
        let lines = |list: &Mutex<BTreeMap<String, String>>| -> String {
            let list = list.lock().unwrap_or_else(PoisonError::into_inner);
            let lines: Vec<String> =
                list.iter().map(|(what, why)| format!("{what}: {why}\n")).collect();
            lines.concat()
        };
        let (missing, troubles) = (lines(&self.missing), lines(&self.troubles));
        if missing.is_empty() {
            return (StatusCode::OK, format!("ok\n{troubles}"));
        }
        (StatusCode::SERVICE_UNAVAILABLE, missing + &troubles)
    }
}

/// Serves until `stop`, and says in the log where.
///
/// # Errors
/// The address cannot be had.
pub async fn serve(
    address: SocketAddr,
    readiness: Readiness,
    metrics: Metrics,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let router = Router::new()
        .route("/livez", routing::get(|| async { "ok\n" }))
        .route("/readyz", routing::get(readyz))
        .route("/metrics", routing::get(serve_metrics))
        .with_state((readiness, metrics));
    let context = |error| {
        anyhow::anyhow!("cannot listen on {address}: {error}; choose another --bind-address")
    };
    let listener = TcpListener::bind(address).await.map_err(context)?;
    tracing::info!(address = %listener.local_addr()?, "serving probes and metrics");
    axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await?;
    Ok(())
}

async fn readyz(State((readiness, _)): State<(Readiness, Metrics)>) -> (StatusCode, String) {
    readiness.report()
}

async fn serve_metrics(State((_, metrics)): State<(Readiness, Metrics)>) -> Response {
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, content_type)], metrics.encode()).into_response()
}
