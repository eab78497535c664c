//! What may stand between the operator and AWS: proxies, a private CA, and addresses that do not
//! answer. All of them are on this machine.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::IntoRawFd;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

/// A name that TLS certificates here are for; only proxies know where it is.
pub(crate) const HOST: &str = "lightsail.example";

/// A proxy that tunnels everything to one address.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    pub(crate) heads: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Proxy {
    /// Answers with this status; with 200 it opens a tunnel to `to`.
    pub(crate) async fn start(status: u16, to: SocketAddr) -> Self {
        Self::start_at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), status, to).await
    }

    pub(crate) async fn start_at(address: SocketAddr, status: u16, to: SocketAddr) -> Self {
        let listener = tokio::net::TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::<Mutex<Vec<String>>>::default();
        let seen = Arc::clone(&heads);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(tunnel(client, status, to, Arc::clone(&seen)));
            }
        });
        Self { address, heads, task }
    }

    /// Nobody listens at its address any more.
    pub(crate) async fn stop(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }

    pub(crate) fn first_lines(&self) -> BTreeSet<String> {
        let heads = self.heads.lock();
        heads.iter().map(|head| head.lines().next().unwrap_or_default().to_owned()).collect()
    }
}

async fn tunnel(
    mut client: TcpStream,
    status: u16,
    to: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    heads.lock().push(String::from_utf8(head).unwrap());
    client.write_all(format!("HTTP/1.1 {status} Whatever\r\n\r\n").as_bytes()).await?;
    if status == 200 {
        let mut server = TcpStream::connect(to).await?;
        copy_bidirectional(&mut client, &mut server).await?;
    }
    Ok(())
}

/// A server with a certificate of a private CA, in front of the simulator. Its address, and the
/// CA's certificate in PEM.
pub(crate) async fn behind_tls(to: SocketAddr) -> (SocketAddr, String) {
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.distinguished_name.push(DnType::CommonName, "Example Private CA");
    let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let server = CertificateParams::new([HOST.to_owned(), "localhost".to_owned()]).unwrap();
    let certificate = server.signed_by(&key, &ca).unwrap().der().clone();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut client = acceptor.accept(client).await?;
                copy_bidirectional(&mut client, &mut TcpStream::connect(to).await?).await
            });
        }
    });
    (address, ca.pem())
}

/// An address where nobody listens. Its socket stays, so that nobody else gets the port.
pub(crate) fn closed() -> SocketAddr {
    use socket2::{Domain, Socket, Type};
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_reuse_address(true).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let _open = socket.into_raw_fd();
    address
}

/// An address that takes connections and says nothing.
pub(crate) fn silent() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// An address where connections are neither taken nor refused: its queue is full.
pub(crate) fn black_hole() -> (socket2::Socket, Vec<socket2::Socket>, SocketAddr) {
    use socket2::{Domain, Socket, Type};
    let new = || Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let listener = new();
    listener.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let is_in =
        |socket: &Socket| socket.connect_timeout(&address, Duration::from_millis(200)).is_ok();
    let queue: Vec<_> = std::iter::repeat_with(new).take_while(is_in).collect();
    (listener, queue, address.as_socket().unwrap())
}
