//! A client that costs little: requests are signed ahead, and several connections send them as fast
//! as they are answered.
//!
//! A signature holds for five minutes, so that a signed request may be sent again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, ensure};
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::cli::simulator::REGION;

/// Where requests go, and who signs them.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// Host and port.
    pub(super) host: String,
    pub(super) credentials: Credentials,
}

impl Target {
    /// The bytes of a signed request.
    pub(super) fn request(&self, operation: &str, body: &str) -> Result<Arc<[u8]>> {
        let target = format!("Lightsail_20161128.{operation}");
        let headers = [
            ("host", self.host.as_str()),
            ("x-amz-target", &target),
            ("content-type", "application/x-amz-json-1.1"),
        ];
        let identity = self.credentials.clone().into();
        let builder =
            v4::SigningParams::builder().identity(&identity).region(REGION).name("lightsail");
        let params =
            builder.time(SystemTime::now()).settings(SigningSettings::default()).build()?.into();
        let url = format!("http://{}/", self.host);
        let signable = SignableRequest::new(
            "POST",
            url,
            headers.into_iter(),
            SignableBody::Bytes(body.as_bytes()),
        )?;
        let (instructions, _) = sign(signable, &params)?.into_parts();
        let lines = headers
            .into_iter()
            .chain(instructions.headers())
            .map(|(name, value)| format!("{name}: {value}\r\n"));
        let head = lines.collect::<Vec<_>>().concat();
        Ok(format!("POST / HTTP/1.1\r\n{head}content-length: {}\r\n\r\n{body}", body.len())
            .into_bytes()
            .into())
    }
}

/// How a run went.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) time: Duration,
    /// Sorted.
    latencies: Vec<Duration>,
}

impl Run {
    pub(super) fn count(&self) -> usize {
        self.latencies.len()
    }

    /// `share` is in thousandths.
    pub(super) fn quantile(&self, share: usize) -> Duration {
        let last = self.latencies.len().saturating_sub(1);
        self.latencies.get(last * share / 1000).copied().unwrap_or_default()
    }
}

/// Sends the requests in turn, over so many connections, until `count` are answered. Each must
/// succeed.
pub(super) async fn run(
    target: &Target,
    requests: Vec<Arc<[u8]>>,
    count: usize,
    connections: usize,
) -> Result<Run> {
    let (next, requests) = (Arc::new(AtomicUsize::new(0)), Arc::new(requests));
    let start = Instant::now();
    let workers = (0..connections).map(|_| {
        let (next, requests, host) =
            (Arc::clone(&next), Arc::clone(&requests), target.host.clone());
        tokio::spawn(async move {
            let mut connection = Connection::open(&host).await?;
            let mut latencies = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return anyhow::Ok(latencies);
                }
                let sent = Instant::now();
                connection.exchange(&requests[number % requests.len()]).await?;
                latencies.push(sent.elapsed());
            }
        })
    });
    let workers: Vec<_> = workers.collect();
    let mut latencies = Vec::with_capacity(count);
    for worker in workers {
        latencies.extend(worker.await.context("a connection panicked")??);
    }
    let time = start.elapsed();
    latencies.sort_unstable();
    Ok(Run { time, latencies })
}

/// One connection that is kept open.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(super) async fn open(host: &str) -> Result<Self> {
        let stream = TcpStream::connect(host).await.context("connect to the simulator")?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::new() })
    }

    /// The body of the answer, which must be a success.
    pub(super) async fn exchange(&mut self, request: &[u8]) -> Result<&[u8]> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        loop {
            ensure!(
                self.stream.read_buf(&mut self.buffer).await? > 0,
                "the simulator has closed the connection"
            );
            let Some(head) = self.buffer.windows(4).position(|end| end == b"\r\n\r\n") else {
                continue;
            };
            let text = std::str::from_utf8(&self.buffer[..head])?;
            let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.context("an answer without a length")?.parse()?;
            if self.buffer.len() >= head + 4 + length {
                let is_success = text.starts_with("HTTP/1.1 200");
                let body = &self.buffer[head + 4..];
                ensure!(is_success, "a refusal: {}", String::from_utf8_lossy(body));
                return Ok(body);
            }
        }
    }
}
