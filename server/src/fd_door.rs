//! The socket on which a local client trades a one-time ticket for descriptors, which gRPC cannot
//! carry.
//!
//! The client sends 32 bytes. The answer is the byte `k` with the descriptors of the client's end
//! beside it, or `n` and a sentence; then the connection is closed.

use std::collections::HashMap;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use plugpen_proto::limits::{TICKET_BYTES, TICKET_SECONDS};
use plugpen_shm::Regions;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;

use crate::connection::is_allowed;
use crate::ids;
use crate::lock::lock;

/// Tickets that wait for their holder.
const MAX_TICKETS: usize = 1024;
/// Connections that are served at the same time; further ones wait in the listener's queue.
const MAX_CONNECTIONS: usize = 32;
/// How long a connection may take.
const CONNECTION_DEADLINE: Duration = Duration::from_secs(5);

type Key = [u8; TICKET_BYTES];

struct Ticket {
    regions: Weak<Regions>,
    until: Instant,
}

/// The tickets, and where they are taken.
pub struct FdDoor {
    path: PathBuf,
    tickets: Mutex<HashMap<Key, Ticket>>,
}

impl FdDoor {
    /// A door at this path; [`FdDoor::serve`] opens it.
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            tickets: Mutex::default(),
        }
    }

    /// The socket's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A ticket for the client's end of these regions, good once and for ten seconds.
    ///
    /// # Errors
    /// Too many tickets are waiting.
    pub fn issue(&self, regions: &Arc<Regions>) -> io::Result<Key> {
        let key = ids::random::<TICKET_BYTES>()?;
        let now = Instant::now();
        let mut tickets = lock(&self.tickets);
        tickets.retain(|_, ticket| ticket.until > now && ticket.regions.strong_count() > 0);
        if tickets.len() >= MAX_TICKETS {
            return Err(io::Error::other("too many audio tickets are waiting"));
        }
        let ticket = Ticket {
            regions: Arc::downgrade(regions),
            until: now + Duration::from_secs(TICKET_SECONDS),
        };
        tickets.insert(key, ticket);
        Ok(key)
    }

    fn redeem(&self, key: &Key) -> Result<[OwnedFd; 3], String> {
        let ticket = lock(&self.tickets).remove(key);
        let ticket =
            ticket.ok_or("no such ticket; each is good once: ask AttachAudio for another")?;
        if ticket.until <= Instant::now() {
            return Err(format!(
                "the ticket is older than {TICKET_SECONDS} seconds; ask AttachAudio for another"
            ));
        }
        let regions = ticket.regions.upgrade();
        let regions = regions.filter(|regions| !regions.is_dead());
        let regions = regions.ok_or("the plugin was closed, restarted or died meanwhile")?;
        regions.client_fds().map_err(|error| error.to_string())
    }

    /// Serves the door for ever.
    pub async fn serve(self: Arc<Self>, listener: UnixListener) {
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            let Ok(place) = places.clone().acquire_owned().await else {
                return;
            };
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of descriptors, most likely; others may give some back.
                    tracing::warn!(%error, "the descriptor door cannot accept");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            let door = self.clone();
            tokio::spawn(async move {
                let served = tokio::time::timeout(CONNECTION_DEADLINE, door.answer(stream)).await;
                if !matches!(served, Ok(Ok(()))) {
                    tracing::debug!("a connection to the descriptor door came to nothing");
                }
                drop(place);
            });
        }
    }

    async fn answer(&self, mut stream: UnixStream) -> io::Result<()> {
        if !is_allowed(stream.peer_cred()?.uid()) {
            return refuse(stream, "this daemon serves another user").await;
        }
        let mut key = Key::default();
        stream.read_exact(&mut key).await?;
        match self.redeem(&key) {
            Ok(fds) => grant(&stream, &fds).await,
            Err(reason) => refuse(stream, &reason).await,
        }
    }
}

async fn refuse(mut stream: UnixStream, reason: &str) -> io::Result<()> {
    stream.write_all(format!("n{reason}").as_bytes()).await
}

async fn grant(stream: &UnixStream, fds: &[OwnedFd; 3]) -> io::Result<()> {
    let send = || {
        let fds = fds.each_ref().map(AsFd::as_fd);
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
        let mut beside = SendAncillaryBuffer::new(&mut space);
        beside.push(SendAncillaryMessage::ScmRights(&fds));
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        rustix::net::sendmsg(stream, &[IoSlice::new(b"k")], &mut beside, flags)
            .map_err(io::Error::from)
    };
    stream.async_io(Interest::WRITABLE, send).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use plugpen_shm::RingSpec;

    use super::*;

    fn regions() -> Arc<Regions> {
        let spec = RingSpec {
            depth: 4,
            max_frames: 64,
            input_channels: 1,
            output_channels: 1,
            event_bytes: 4096,
            sample_bytes: 4,
            parameters: 0,
        };
        Arc::new(Regions::create(&spec.layout().unwrap()).unwrap())
    }

    #[test]
    fn a_ticket_is_good_once_and_only_while_the_worker_lives() {
        let door = FdDoor::new("/door".into());
        let regions = regions();
        let key = door.issue(&regions).unwrap();
        assert!(door.redeem(&[7; TICKET_BYTES]).is_err());
        assert!(door.redeem(&key).is_ok());
        assert!(door.redeem(&key).unwrap_err().contains("once"));
        let key = door.issue(&regions).unwrap();
        regions.mark_dead();
        assert!(door.redeem(&key).unwrap_err().contains("died"));
    }

    #[test]
    fn tickets_are_bounded_and_those_of_closed_plugins_make_room() {
        let door = FdDoor::new("/door".into());
        let first = regions();
        for _ in 0..MAX_TICKETS {
            door.issue(&first).unwrap();
        }
        assert!(door.issue(&first).is_err());
        drop(first);
        assert!(door.issue(&regions()).is_ok());
    }
}
