//! The HTTP client of all AWS clients. Without it each client of a region would have its own: a
//! pool of connections, and all of the machine's CA certificates, once more.
//!
//! The SDK's own client keeps any number of idle connections for 90 seconds. Here few are kept, and
//! only for as long as a burst of requests lasts, so that many region names leave few connections
//! behind.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::{Connector, tls};
use aws_smithy_runtime_api::client::http::{
    HttpConnectorSettings, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use parking_lot::Mutex;

/// As many as the reconciliations of one kind in a region, at the default `--concurrency`, with
/// some to spare.
const MOST_IDLE_PER_HOST: usize = 16;
/// Longer than the pause between two requests of a reconciliation or of a crowd of them; shorter
/// than an interval, between which a connection would only wait.
const IDLE_FOR: Duration = Duration::from_secs(20);

/// Clients with these times share their connections.
type Times = (Option<Duration>, Option<Duration>);

/// The client. It uses the proxy that the environment names, as the SDK's own does.
#[must_use]
pub fn http_client() -> SharedHttpClient {
    let connectors: Arc<Mutex<HashMap<Times, SharedHttpConnector>>> = Arc::default();
    http_client_fn(move |settings, components| {
        let times = (settings.connect_timeout(), settings.read_timeout());
        let new = || SharedHttpConnector::new(connector(settings, components.sleep_impl()));
        connectors.lock().entry(times).or_insert_with(new).clone()
    })
}

fn connector(
    settings: &HttpConnectorSettings,
    sleep: Option<aws_smithy_async::rt::sleep::SharedAsyncSleep>,
) -> Connector {
    let mut builder = Connector::builder()
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc))
        .connector_settings(settings.clone())
        .pool_idle_timeout(IDLE_FOR)
        .pool_max_idle_per_host(MOST_IDLE_PER_HOST)
        .proxy_config(ProxyConfig::from_env());
    builder.set_sleep_impl(sleep);
    builder.build()
}
