//! The HTTP client of everything that speaks to AWS: Lightsail, STS, and other sources of
//! credentials.
//!
//! The SDK's own client cannot say why a host was not reached, sends to proxies what must stay on
//! this machine, and keeps any number of idle connections for 90 seconds for each region. This
//! client refuses plain http to other machines before it sends a byte, names the host and the cause
//! of each failure ([`Failure`]), and limits the time of each request and the size of each answer.

mod answer;
mod connect;
mod failure;
mod hosts;
mod operation;
mod resolve;
mod tls;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use self::answer::Success;
pub(super) use self::answer::{date, has_request_id};
use self::connect::Connect;
pub(super) use self::failure::{
    Cause, Failure, TIMEOUT, TOO_MANY, UNREADABLE, unreadable as unreadable_answer,
};
use self::hosts::Hosts;
use self::operation::credentials_operation;
use super::endpoint::is_secure;
use crate::metrics::Metrics;
use crate::proxies::Proxies;

/// As many as the reconciliations of one kind for a namespace in an account and region, at the
/// default `--concurrency`, with some to spare.
const MOST_IDLE_PER_HOST: usize = 16;
/// Longer than the pause between two requests of a reconciliation or of a crowd of them; shorter
/// than an interval, between which a connection would only wait.
const IDLE_FOR: Duration = Duration::from_secs(20);
/// The time limit of a connection, or half a call's timeout if that is less.
const MOST_TO_CONNECT: Duration = Duration::from_secs(5);
/// More bytes than a page of any Lightsail list has.
const LARGEST_ANSWER: usize = 16 * 1024 * 1024;

/// How the client is set up.
#[derive(Clone, Debug, Default)]
pub struct HttpOptions<'a> {
    /// A request ends a little before this, so that the error can name the slow host.
    pub call_timeout: Duration,
    /// Whether plain http may leave this machine.
    pub allow_insecure_endpoints: bool,
    /// The file with the CAs that are trusted, or else those of the machine, or of `SSL_CERT_FILE`.
    pub ca_bundle: Option<&'a Path>,
    /// They are used, but never for this machine and its link-local addresses.
    pub proxies: Proxies,
    /// For messages only.
    pub use_fips: bool,
    /// Where requests for credentials are counted.
    pub metrics: Metrics,
}

/// The client.
///
/// # Errors
/// There is no certificate in the file of CAs.
pub fn http_client(options: HttpOptions<'_>) -> anyhow::Result<SharedHttpClient> {
    let exchange = exchange(options)?;
    Ok(http_client_fn(move |settings, _| {
        let timeout = exchange.timeout.min(patience(settings));
        SharedHttpConnector::new(Exchange { timeout, ..exchange.clone() })
    }))
}

fn exchange(options: HttpOptions<'_>) -> anyhow::Result<Exchange> {
    let HttpOptions { call_timeout, allow_insecure_endpoints, use_fips, metrics, .. } = options;
    let connect_timeout = MOST_TO_CONNECT.min(call_timeout / 2);
    let tls = tls::config(options.ca_bundle)?;
    let connect = Connect::new(options.proxies, tls, connect_timeout);
    let client = Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_FOR)
        .pool_max_idle_per_host(MOST_IDLE_PER_HOST)
        .build(connect.clone());
    let hosts = Arc::default();
    let timeout = call_timeout.mul_f64(0.95);
    Ok(Exchange { client, connect, timeout, allow_insecure_endpoints, hosts, use_fips, metrics })
}

/// The time limit that the SDK sets, for connecting and reading together: the instance's metadata
/// gets two seconds.
fn patience(settings: &HttpConnectorSettings) -> Duration {
    let read = settings.read_timeout().unwrap_or(Duration::MAX);
    settings.connect_timeout().unwrap_or(MOST_TO_CONNECT).saturating_add(read)
}

#[derive(Clone, Debug)]
struct Exchange {
    client: Client<Connect, Full<Bytes>>,
    connect: Connect,
    timeout: Duration,
    allow_insecure_endpoints: bool,
    hosts: Arc<Hosts>,
    /// For messages only.
    use_fips: bool,
    metrics: Metrics,
}

impl HttpConnector for Exchange {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let this = self.clone();
        HttpConnectorFuture::new(async move { this.exchange(request).await })
    }
}

impl Exchange {
    async fn exchange(self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let request =
            request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
        let (parts, body) = request.into_parts();
        // Read to its end before sending: the SDK takes a body that is not read for a stalled one,
        // and ends the request after some seconds, although the server may still answer.
        let body = body.collect().await.map_err(ConnectorError::user)?.to_bytes();
        let request = http::Request::from_parts(parts.clone(), body);
        let (host, operation) = (failure::host(&parts.uri), credentials_operation(&request));
        let uri = parts.uri.clone();
        // The header of the protocol that Lightsail speaks.
        let is_of_api = request.headers().contains_key("x-amz-target");
        let outcome = self.send(request).await.and_then(|mut answer| {
            // The SDK signs by this clock, and the operator compares times with it.
            if !answer::has_date_of_service(&answer) {
                answer.headers_mut().remove("date");
            }
            let fault = |operation| answer::fault(operation, &parts, &answer);
            if let Some(cause) = operation.and_then(fault) {
                return Err(Failure::new(&uri, cause));
            }
            if is_of_api && answer.status().is_success() {
                match answer::success(&answer) {
                    Success::Good => {}
                    // So it is read as what it is.
                    Success::Error => *answer.status_mut() = http::StatusCode::BAD_REQUEST.into(),
                    Success::Unreadable => {
                        let cause = Cause::Unreadable(answer.status().as_u16());
                        return Err(Failure::new(&uri, cause));
                    }
                }
            }
            answer.add_extension(AnsweredBy(host.clone()));
            Ok(answer)
        });
        let outcome =
            outcome.map_err(|error| if self.use_fips { error.with_fips() } else { error });
        if let Some(operation) = operation {
            let code = outcome.as_ref().map_or_else(
                |failure| failure.cause.code().to_owned(),
                |answer| answer.status().as_u16().to_string(),
            );
            self.metrics.credentials_request(operation, &code);
        }
        // Where a foreign server answers, one request may get a good answer and the next one not.
        let is_answer = |failure: &Failure| {
            matches!(failure.cause, Cause::Unreadable(_) | Cause::Denied { .. })
        };
        let failure = outcome.as_ref().err().filter(|failure| !is_answer(failure));
        self.hosts.note(&host, failure, outcome.is_ok());
        // A refusal stays a refusal. The SDK retries other failures where that is useful.
        outcome.map_err(|failure| {
            let is_final = matches!(failure.cause, Cause::Insecure | Cause::Denied { .. });
            let error = if is_final { ConnectorError::user } else { ConnectorError::io };
            error(failure.into())
        })
    }

    async fn send(&self, mut request: http::Request<Bytes>) -> Result<HttpResponse, Failure> {
        let uri = request.uri().clone();
        let failed = |cause| Failure::new(&uri, cause);
        if !self.allow_insecure_endpoints && !is_secure(&uri) {
            return Err(failed(Cause::Insecure));
        }
        if let Some(authorization) = self.connect.authorization_of_requests(&uri) {
            request.headers_mut().insert(http::header::PROXY_AUTHORIZATION, authorization);
        }
        let answer = async {
            let answer = self.client.request(request.map(Full::new)).await;
            let answer = answer.map_err(|error| Failure::of(&uri, &error))?;
            let (parts, body) = answer.into_parts();
            let body = Limited::new(body, LARGEST_ANSWER).collect().await;
            let body = body.map_err(|error| Failure::of(&uri, &*error))?;
            let answer = http::Response::from_parts(parts, body.to_bytes().into());
            let answer = HttpResponse::try_from(answer);
            answer.map_err(|error| failed(Cause::Lost(error.to_string())))
        };
        let late = |_| failed(Cause::Timeout(self.timeout));
        let answer = tokio::time::timeout(self.timeout, answer).await.map_err(late).flatten();
        answer.map_err(|failure| {
            failure.by_way_of(self.connect.proxy(&uri).map(|proxy| proxy.uri()).as_ref())
        })
    }
}

/// The host of an answer, for its reader.
#[derive(Clone, Debug)]
pub(super) struct AnsweredBy(pub(super) String);

#[cfg(test)]
mod tests;
