//! Connections from other machines: accepted, shaken hands with, counted.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::connection::Connection;
use crate::tls::Tls;

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// After a failed accept (out of descriptors, most likely) others may give some back.
const PAUSE: Duration = Duration::from_millis(50);
/// Connections that have shaken hands and wait to be served.
const WAITING: usize = 16;

/// Serves a listener for ever: TLS, or in the clear where there is none. Connections beyond
/// `places` are closed at once.
pub async fn accept(
    listener: TcpListener,
    mut tls: Option<Tls>,
    places: Arc<Semaphore>,
    ready: mpsc::Sender<Connection>,
) {
    loop {
        let (stream, address) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let Ok(place) = places.clone().try_acquire_owned() else {
            tracing::warn!(%address, "too many connections (limit \"connections\"); refused");
            continue;
        };
        // Small answers must not wait for more.
        let _ = stream.set_nodelay(true);
        let acceptor = tls.as_mut().map(Tls::acceptor);
        let ready = ready.clone();
        tokio::spawn(async move {
            let greeted = tokio::time::timeout(HANDSHAKE, greet(stream, address, acceptor, place));
            match greeted.await {
                Ok(Ok(connection)) => drop(ready.send(connection).await),
                Ok(Err(error)) => tracing::warn!(%address, %error, "a handshake failed"),
                Err(_) => tracing::warn!(%address, "a handshake took too long"),
            }
        });
    }
}

async fn greet(
    stream: TcpStream,
    address: SocketAddr,
    acceptor: Option<tokio_rustls::TlsAcceptor>,
    place: OwnedSemaphorePermit,
) -> std::io::Result<Connection> {
    match acceptor {
        None => Ok(Connection::plain(stream, address, place)),
        Some(acceptor) => {
            let stream = acceptor.accept(stream).await?;
            Ok(Connection::tls(stream, address, place))
        }
    }
}

/// The two ends between [`accept`] and the server.
pub fn channel() -> (mpsc::Sender<Connection>, mpsc::Receiver<Connection>) {
    mpsc::channel(WAITING)
}
