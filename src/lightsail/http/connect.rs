//! How a host is reached: directly or by a proxy, with TLS or without.

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderValue, Request, Uri, header};
use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::dns::{GaiAddrs, GaiFuture, GaiResolver, Name};
use hyper_util::client::legacy::connect::proxy::SocksV5;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tower_service::Service;

use super::super::endpoint;
use super::failure::{Cause, Failure, NoAddress, cause_of};

/// Makes connections.
#[derive(Clone, Debug)]
pub(super) struct Connect {
    tcp: HttpConnector<Resolver>,
    tls: Arc<ClientConfig>,
    /// A connection is there within this time, its proxy and TLS included.
    timeout: Duration,
    pub(super) proxies: Arc<Proxies>,
}

/// Which proxy is used for what.
#[derive(Debug)]
pub(super) struct Proxies(Matcher);

impl Proxies {
    /// As `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` say.
    pub(super) fn from_env() -> Self {
        Self(Matcher::from_env())
    }

    fn find(&self, uri: &Uri) -> Option<Intercept> {
        let is_near = uri.host().is_none_or(is_near);
        self.0.intercept(uri).filter(|_| !is_near)
    }

    /// A proxy that is not asked for a tunnel wants its password with each request.
    pub(super) fn authorization_of_requests(&self, uri: &Uri) -> Option<HeaderValue> {
        let proxy = self.find(uri).filter(|_| uri.scheme_str() == Some("http"))?;
        proxy.basic_auth().cloned()
    }
}

/// This machine, or what only this machine can reach: no proxy can, and what is said there may be
/// plain http.
fn is_near(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    host.eq_ignore_ascii_case("localhost")
        || host.parse().is_ok_and(|ip: IpAddr| match ip.to_canonical() {
            IpAddr::V4(ip) => ip.is_loopback() || ip.is_link_local(),
            IpAddr::V6(ip) => ip.is_loopback() || ip.is_unicast_link_local(),
        })
        || endpoint::gives_credentials(host)
}

impl Connect {
    pub(super) fn new(proxies: Proxies, tls: Arc<ClientConfig>, timeout: Duration) -> Self {
        let mut tcp = HttpConnector::new_with_resolver(Resolver(GaiResolver::new()));
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        Self { tcp, tls, timeout, proxies: proxies.into() }
    }

    async fn connect(mut self, uri: Uri) -> Result<Stream, Failure> {
        let is_tls = uri.scheme_str() == Some("https");
        let failed = |cause| Failure::new(&uri, cause);
        let Some(proxy) = self.proxies.find(&uri) else {
            let plain = self.tcp(&uri).await.map_err(failed)?;
            let inner = if is_tls { self.tls(&uri, plain).await.map_err(failed)? } else { plain };
            return Ok(Stream { inner: TokioIo::new(inner), is_forwarded: false });
        };
        let failed_there = |cause| Failure::of_proxy(&uri, proxy.uri(), cause);
        let to_proxy = match proxy.uri().scheme_str() {
            Some("socks5" | "socks5h") => {
                let tunnel = self.socks(&uri, &proxy).await.map_err(failed_there)?;
                let inner =
                    if is_tls { self.tls(&uri, tunnel).await.map_err(failed)? } else { tunnel };
                return Ok(Stream { inner: TokioIo::new(inner), is_forwarded: false });
            }
            Some("http") => self.tcp(proxy.uri()).await.map_err(failed_there)?,
            Some("https") => {
                let plain = self.tcp(proxy.uri()).await.map_err(failed_there)?;
                self.tls(proxy.uri(), plain).await.map_err(failed_there)?
            }
            other => {
                let scheme = other.unwrap_or("no").to_owned();
                let why = format!("proxies speak http, https or socks5, and not {scheme}");
                return Err(failed_there(Cause::ConnectFailed(why)));
            }
        };
        if !is_tls {
            return Ok(Stream { inner: TokioIo::new(to_proxy), is_forwarded: true });
        }
        let authorization = proxy.basic_auth().cloned();
        let tunnel = tunnel(to_proxy, &uri, authorization).await.map_err(failed_there)?;
        let inner = self.tls(&uri, tunnel).await.map_err(failed)?;
        Ok(Stream { inner: TokioIo::new(inner), is_forwarded: false })
    }

    async fn tcp(&mut self, uri: &Uri) -> Result<Bytestream, Cause> {
        let stream = self.tcp.call(uri.clone()).await.map_err(|error| cause_of(&error))?;
        Ok(Box::new(stream.into_inner()))
    }

    async fn socks(&mut self, uri: &Uri, proxy: &Intercept) -> Result<Bytestream, Cause> {
        let local_dns = proxy.uri().scheme_str() == Some("socks5");
        let mut socks = SocksV5::new(proxy.uri().clone(), self.tcp.clone()).local_dns(local_dns);
        if let Some((user, password)) = proxy.raw_auth() {
            socks = socks.with_auth(user.to_owned(), password.to_owned());
        }
        let stream = socks.call(uri.clone()).await.map_err(|error| cause_of(&error))?;
        Ok(Box::new(stream.into_inner()))
    }

    async fn tls(&self, uri: &Uri, stream: Bytestream) -> Result<Bytestream, Cause> {
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(host).map_err(|error| cause_of(&error))?;
        let stream = TlsConnector::from(Arc::clone(&self.tls)).connect(name, stream).await;
        Ok(Box::new(stream.map_err(|error| cause_of(&error))?))
    }
}

/// Asks a proxy for a tunnel.
async fn tunnel(
    stream: Bytestream,
    uri: &Uri,
    authorization: Option<HeaderValue>,
) -> Result<Bytestream, Cause> {
    let failed = |error: hyper::Error| cause_of(&error);
    let host = uri.host().unwrap_or_default();
    let authority = format!("{host}:{}", uri.port_u16().unwrap_or(443));
    let mut request = Request::connect(&authority).header(header::HOST, &authority);
    if let Some(authorization) = authorization {
        request = request.header(header::PROXY_AUTHORIZATION, authorization);
    }
    let request = request
        .body(Empty::<Bytes>::new())
        .map_err(|error| Cause::ConnectFailed(error.to_string()))?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
    // It ends with the tunnel, or with its refusal.
    tokio::spawn(connection.with_upgrades());
    let answer = sender.send_request(request).await.map_err(failed)?;
    if !answer.status().is_success() {
        return Err(Cause::ProxyAnswered(answer.status()));
    }
    Ok(Box::new(TokioIo::new(hyper::upgrade::on(answer).await.map_err(failed)?)))
}

impl Service<Uri> for Connect {
    type Response = Stream;
    type Error = Failure;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, Failure>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let late = Failure::new(&uri, Cause::ConnectTimeout(self.timeout));
        let (timeout, connecting) = (self.timeout, self.clone().connect(uri));
        Box::pin(async move {
            tokio::time::timeout(timeout, connecting).await.map_err(|_| late).flatten()
        })
    }
}

trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}
type Bytestream = Box<dyn Transport>;

/// A connection.
pub(super) struct Stream {
    inner: TokioIo<Bytestream>,
    /// Requests go to a proxy that reads them, and so name their host.
    is_forwarded: bool,
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new().proxy(self.is_forwarded)
    }
}

impl Read for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl Write for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

/// The system's resolver, with an error that can be told from others.
#[derive(Clone, Debug)]
struct Resolver(GaiResolver);

impl Service<Name> for Resolver {
    type Response = GaiAddrs;
    type Error = NoAddress;
    type Future = Resolving;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), NoAddress>> {
        self.0.poll_ready(context).map_err(NoAddress)
    }

    fn call(&mut self, name: Name) -> Resolving {
        Resolving(self.0.call(name))
    }
}

struct Resolving(GaiFuture);

impl Future for Resolving {
    type Output = Result<GaiAddrs, NoAddress>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map_err(NoAddress)
    }
}
