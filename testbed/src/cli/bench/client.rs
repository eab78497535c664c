//! A client that costs little: it signs a request once and may send it again, since a signature
//! holds for five minutes. Its connections are kept open.

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use axum::body::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use crate::cli::simulator::REGION;

/// Answers take milliseconds; a loaded machine may be much slower.
const DEADLINE: Duration = Duration::from_mins(1);

/// A request that can be sent again.
pub(super) type Request = http::Request<Full<Bytes>>;

/// Where requests go, and who signs them.
#[derive(Clone, Debug)]
pub(super) struct Target {
    url: String,
    credentials: Credentials,
    http: Client<HttpConnector, Full<Bytes>>,
}

impl Target {
    pub(super) fn new(url: String, credentials: Credentials) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self { url, credentials, http: Client::builder(TokioExecutor::new()).build(connector) }
    }

    /// An unsigned request.
    pub(super) fn plain(&self, method: &str, path: &str, body: String) -> Result<Request> {
        let builder = http::Request::builder().method(method).uri(format!("{}{path}", self.url));
        builder.body(Full::from(body)).context("make a request")
    }

    /// A signed call of Lightsail.
    pub(super) fn call(&self, operation: &str, input: &Value) -> Result<Request> {
        let body = input.to_string();
        let mut request = self.plain("POST", "/", body.clone())?;
        let host = self.url.trim_start_matches("http://");
        let target = format!("Lightsail_20161128.{operation}");
        let headers = [
            ("host", host),
            ("x-amz-target", &target),
            ("content-type", "application/x-amz-json-1.1"),
        ];
        for (name, value) in headers {
            request.headers_mut().insert(name, value.parse()?);
        }
        let identity = self.credentials.clone().into();
        let settings = SigningSettings::default();
        let params = v4::SigningParams::builder().identity(&identity).region(REGION);
        let params = params.name("lightsail").time(SystemTime::now()).settings(settings).build()?;
        let body = SignableBody::Bytes(body.as_bytes());
        let signable =
            SignableRequest::new("POST", format!("{}/", self.url), headers.into_iter(), body)?;
        let (instructions, _) = sign(signable, &params.into())?.into_parts();
        instructions.apply_to_request_http1x(&mut request);
        Ok(request)
    }

    /// The body of the answer, which must be a success.
    pub(super) async fn send(&self, request: Request) -> Result<Bytes> {
        let exchange = async {
            let answer = self.http.request(request).await?;
            let status = answer.status();
            let body = answer.into_body().collect().await?.to_bytes();
            ensure!(status == StatusCode::OK, "a refusal: {}", String::from_utf8_lossy(&body));
            Ok(body)
        };
        tokio::time::timeout(DEADLINE, exchange).await.context("no answer in time")?
    }
}
