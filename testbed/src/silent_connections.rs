//! Connections that can go silent, as when a network drops all packets.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Poll, ready};

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// A connection of a client, which may go silent: then nothing comes through any more in either
/// direction, and it is not closed.
pub(crate) struct Connection {
    stream: TcpStream,
    number: usize,
    silent: Arc<AtomicUsize>,
}

impl Connection {
    /// Nobody wakes a task that waits for this.
    fn poll_heard(&self) -> Poll<()> {
        let is_silent = self.number < self.silent.load(Ordering::SeqCst);
        if is_silent { Poll::Pending } else { Poll::Ready(()) }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_heard());
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_heard());
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_heard());
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_heard());
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Numbers its connections. Those with a number below `silent` are silent.
pub(crate) struct Connections {
    pub(crate) listener: TcpListener,
    pub(crate) count: Arc<AtomicUsize>,
    pub(crate) silent: Arc<AtomicUsize>,
}

impl Listener for Connections {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        let (stream, address) = Listener::accept(&mut self.listener).await;
        let number = self.count.fetch_add(1, Ordering::SeqCst);
        (Connection { stream, number, silent: Arc::clone(&self.silent) }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}
