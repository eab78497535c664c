//! How a host is reached: directly or through a proxy, with TLS or without.

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
use hyper_util::client::legacy::connect::dns::GaiResolver;
use hyper_util::client::legacy::connect::proxy::SocksV5;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tower_service::Service;

use super::super::endpoint;
use super::failure::{Cause, Failure, cause_of};
use super::resolve::Resolver;
use crate::loopback::is_loopback;
use crate::proxies::{Protocol, Proxies, Proxy};

/// Makes connections.
#[derive(Clone, Debug)]
pub(super) struct Connect {
    tcp: HttpConnector<Resolver<GaiResolver>>,
    tls: Arc<ClientConfig>,
    /// The time limit of a connection, proxy and TLS included.
    timeout: Duration,
    proxies: Arc<Proxies>,
}

/// This machine, or hosts that only this machine can reach: no proxy can reach them, and plain http
/// is allowed.
fn is_near(host: &str) -> bool {
    let is_link_local = |ip: IpAddr| match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    is_loopback(host)
        || host.trim_matches(['[', ']']).parse().is_ok_and(is_link_local)
        || endpoint::gives_credentials(host)
}

impl Connect {
    pub(super) fn new(proxies: Proxies, tls: Arc<ClientConfig>, timeout: Duration) -> Self {
        let resolver = Resolver::new(GaiResolver::new(), timeout.mul_f64(0.6));
        let mut tcp = HttpConnector::new_with_resolver(resolver);
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        // For all addresses of a host together; each gets a share.
        tcp.set_connect_timeout(Some(timeout.mul_f64(0.9)));
        Self { tcp, tls, timeout, proxies: proxies.into() }
    }

    /// The proxy on the way there.
    pub(super) fn proxy(&self, uri: &Uri) -> Option<Proxy> {
        let is_near = uri.host().is_none_or(is_near);
        self.proxies.find(uri).filter(|_| !is_near).cloned()
    }

    /// Without a tunnel, a proxy needs its password with each request.
    pub(super) fn authorization_of_requests(&self, uri: &Uri) -> Option<HeaderValue> {
        let proxy = self.proxy(uri).filter(|_| uri.scheme_str() == Some("http"))?;
        proxy.authorization().filter(|_| proxy.protocol != Protocol::Socks5)
    }

    async fn connect(mut self, uri: Uri) -> Result<Stream, Failure> {
        let deadline = Instant::now() + self.timeout;
        let is_tls = uri.scheme_str() == Some("https");
        let failed = |cause| Failure::new(&uri, cause);
        let Some(proxy) = self.proxy(&uri) else {
            let plain = in_time(deadline, self.tcp(&uri)).await.map_err(failed)?;
            let inner = if is_tls { self.tls(deadline, &uri, plain).await? } else { plain };
            return Ok(Stream { inner: TokioIo::new(inner), is_forwarded: false });
        };
        let at = proxy.uri();
        let failed_there = |cause| Failure::of_proxy(&uri, &at, cause);
        let mut to_proxy = in_time(deadline, self.tcp(&at)).await.map_err(failed_there)?;
        if proxy.protocol == Protocol::Https {
            let failed = |failure: Failure| failed_there(failure.cause);
            to_proxy = self.tls(deadline, &at, to_proxy).await.map_err(failed)?;
        }
        let is_socks = proxy.protocol == Protocol::Socks5;
        if !is_socks && !is_tls {
            return Ok(Stream { inner: TokioIo::new(to_proxy), is_forwarded: true });
        }
        let tunnel = if is_socks {
            in_time(deadline, socks(to_proxy, &uri, &proxy)).await
        } else {
            in_time(deadline, tunnel(to_proxy, &uri, proxy.authorization())).await
        };
        let tunnel = tunnel.map_err(failed_there)?;
        let inner = if is_tls { self.tls(deadline, &uri, tunnel).await? } else { tunnel };
        Ok(Stream { inner: TokioIo::new(inner), is_forwarded: false })
    }

    async fn tcp(&mut self, uri: &Uri) -> Result<Bytestream, Cause> {
        let stream = self.tcp.call(uri.clone()).await.map_err(|error| cause_of(&error))?;
        Ok(Box::new(stream.into_inner()))
    }

    async fn tls(
        &self,
        deadline: Instant,
        uri: &Uri,
        stream: Bytestream,
    ) -> Result<Bytestream, Failure> {
        let failed = |cause| Failure::new(uri, cause);
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(host).map_err(|error| failed(cause_of(&error)))?;
        let stream = TlsConnector::from(Arc::clone(&self.tls)).connect(name, stream);
        let late = |_| failed(Cause::Tls("it did not respond in time".to_owned()));
        let stream = tokio::time::timeout_at(deadline, stream).await.map_err(late)?;
        Ok(Box::new(stream.map_err(|error| failed(cause_of(&error)))?))
    }
}

async fn in_time<T>(
    deadline: Instant,
    connecting: impl Future<Output = Result<T, Cause>>,
) -> Result<T, Cause> {
    let late = |_| Cause::ConnectTimeout;
    tokio::time::timeout_at(deadline, connecting).await.map_err(late).flatten()
}

/// Opens a tunnel through a SOCKS proxy, which resolves the name, as with other clients.
async fn socks(stream: Bytestream, uri: &Uri, proxy: &Proxy) -> Result<Bytestream, Cause> {
    let mut socks = SocksV5::new(proxy.uri(), Established(Some(stream)));
    if let Some((user, password)) = proxy.login() {
        socks = socks.with_auth(user.to_owned(), password.to_owned());
    }
    let stream = socks.call(uri.clone()).await.map_err(|error| cause_of(&error))?;
    Ok(stream.into_inner())
}

/// An existing connection, for a handshake on it.
struct Established(Option<Bytestream>);

impl Service<Uri> for Established {
    type Response = TokioIo<Bytestream>;
    type Error = io::Error;
    type Future = std::future::Ready<io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let stream = self.0.take().ok_or_else(|| io::ErrorKind::NotConnected.into());
        std::future::ready(stream.map(TokioIo::new))
    }
}

/// Opens a tunnel through an HTTP proxy.
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
    // It ends with the tunnel, or with the proxy's refusal.
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
        Box::pin(self.clone().connect(uri))
    }
}

trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}
type Bytestream = Box<dyn Transport>;

/// A connection.
pub(super) struct Stream {
    inner: TokioIo<Bytestream>,
    /// Requests go to a proxy that reads them, so they name their host.
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
