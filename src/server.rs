//! `/livez` (the process), `/readyz` (what is missing), `/metrics` (OpenMetrics), over plain HTTP
//! for kubelet and Prometheus.

use std::net::SocketAddr;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Router, routing};
use http::{StatusCode, header};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use crate::readiness::Readiness;

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
