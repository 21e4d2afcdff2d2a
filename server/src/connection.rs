//! A client's connection: who is at the other end, and whether it still is.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use crate::runtime_dir::own_uid;

/// Whether processes of this user may use the daemon: its own user, and root.
pub fn is_allowed(uid: u32) -> bool {
    uid == own_uid() || uid == 0
}

/// The other end of a connection. Sessions hold it weakly: it lives as long as the connection.
#[derive(Debug)]
pub enum Peer {
    /// A process of this machine, at a Unix socket.
    Local {
        /// Its user; `None` if the kernel would not say.
        uid: Option<u32>,
        /// Its process, for logs only: it may have been reused.
        pid: Option<i32>,
    },
    /// Whoever is at that address.
    Remote {
        /// The address.
        address: SocketAddr,
        /// Whether it proved to have a certificate of the configured authority.
        is_certified: bool,
    },
}

impl std::fmt::Display for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Local { pid: Some(pid), .. } => write!(f, "process {pid}"),
            Self::Local { pid: None, .. } => f.write_str("a local process"),
            Self::Remote { address, .. } => write!(f, "{address}"),
        }
    }
}

#[derive(Debug)]
enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A connection that tells each request of its [`Peer`].
#[derive(Debug)]
pub struct Connection {
    stream: Stream,
    peer: Arc<Peer>,
    /// Its place among the connections from elsewhere, given back at its end.
    _place: Option<tokio::sync::OwnedSemaphorePermit>,
}

impl Connection {
    /// Asks the kernel who is at the other end.
    pub fn local(stream: UnixStream) -> Self {
        let credentials = stream.peer_cred().ok();
        let peer = Arc::new(Peer::Local {
            uid: credentials.map(|c| c.uid()),
            pid: credentials.and_then(|c| c.pid()),
        });
        Self {
            stream: Stream::Unix(stream),
            peer,
            _place: None,
        }
    }

    /// In the clear, which only loopback addresses may be.
    pub fn plain(
        stream: TcpStream,
        address: SocketAddr,
        place: tokio::sync::OwnedSemaphorePermit,
    ) -> Self {
        let peer = Peer::Remote {
            address,
            is_certified: false,
        };
        Self {
            stream: Stream::Tcp(stream),
            peer: Arc::new(peer),
            _place: Some(place),
        }
    }

    /// With its handshake behind it.
    pub fn tls(
        stream: TlsStream<TcpStream>,
        address: SocketAddr,
        place: tokio::sync::OwnedSemaphorePermit,
    ) -> Self {
        // One that was asked for was checked against the authority.
        let certificates = stream.get_ref().1.peer_certificates();
        let peer = Peer::Remote {
            address,
            is_certified: certificates.is_some_and(|chain| !chain.is_empty()),
        };
        Self {
            stream: Stream::Tls(Box::new(stream)),
            peer: Arc::new(peer),
            _place: Some(place),
        }
    }
}

impl Connected for Connection {
    type ConnectInfo = Arc<Peer>;

    fn connect_info(&self) -> Arc<Peer> {
        self.peer.clone()
    }
}

/// Passes a call on to whichever stream it is.
macro_rules! either {
    ($self:ident, $stream:ident => $call:expr) => {
        match &mut $self.stream {
            Stream::Unix($stream) => $call,
            Stream::Tcp($stream) => $call,
            Stream::Tls($stream) => $call,
        }
    };
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        either!(self, stream => Pin::new(stream).poll_read(cx, buf))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        either!(self, stream => Pin::new(stream).poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(self, stream => Pin::new(stream).poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Unix(stream) => stream.is_write_vectored(),
            Stream::Tcp(stream) => stream.is_write_vectored(),
            Stream::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => Pin::new(stream).poll_shutdown(cx))
    }
}
