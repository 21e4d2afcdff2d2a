//! What waits to be written to a worker: bounded, in order, descriptors beside their frame.

use std::collections::VecDeque;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use plugpen_proto::limits::MAX_WORKER_MESSAGE;
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};

/// Messages that may wait.
const MAX_WAITING: usize = 256;
/// Bytes that may wait: two states of the largest size.
const MAX_WAITING_BYTES: usize = 2 * MAX_WORKER_MESSAGE;
/// Descriptors beside one message.
pub(crate) const MAX_FDS: usize = 4;

/// A message on its way.
#[derive(Debug)]
struct Waiting {
    bytes: Vec<u8>,
    written: usize,
    fds: Vec<OwnedFd>,
}

/// The queue.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    waiting: VecDeque<Waiting>,
    bytes: usize,
}

impl Outbox {
    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Appends a message; `false` if the queue is full.
    pub(crate) fn push(&mut self, bytes: Vec<u8>, fds: Vec<OwnedFd>) -> bool {
        if self.waiting.len() >= MAX_WAITING || self.bytes + bytes.len() > MAX_WAITING_BYTES {
            return false;
        }
        self.bytes += bytes.len();
        self.waiting.push_back(Waiting {
            bytes,
            written: 0,
            fds,
        });
        true
    }

    /// Writes as much as the socket takes without blocking.
    ///
    /// # Errors
    /// The socket is gone; what waited is dropped.
    pub(crate) fn flush(&mut self, socket: BorrowedFd<'_>) -> io::Result<()> {
        while let Some(front) = self.waiting.front_mut() {
            match send(socket, &front.bytes[front.written..], &front.fds) {
                Ok(count) => {
                    // They go with the first byte; ours are closed once the kernel holds its own.
                    front.fds.clear();
                    front.written += count;
                    if front.written == front.bytes.len() {
                        self.bytes -= front.bytes.len();
                        self.waiting.pop_front();
                    }
                }
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(error) => {
                    self.waiting.clear();
                    self.bytes = 0;
                    return Err(error.into());
                }
            }
        }
        Ok(())
    }
}

fn send(socket: BorrowedFd<'_>, bytes: &[u8], fds: &[OwnedFd]) -> rustix::io::Result<usize> {
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    if fds.is_empty() {
        return rustix::net::send(socket, bytes, flags);
    }
    let fds: Vec<BorrowedFd<'_>> = fds.iter().map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut beside = SendAncillaryBuffer::new(&mut space);
    if !beside.push(SendAncillaryMessage::ScmRights(&fds)) {
        return Err(Errno::TOOBIG);
    }
    rustix::net::sendmsg(socket, &[io::IoSlice::new(bytes)], &mut beside, flags)
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn what_the_socket_does_not_take_waits_and_keeps_its_order() {
        let (near, mut far) = UnixStream::pair().unwrap();
        let mut outbox = Outbox::default();
        for byte in 0..64u8 {
            assert!(outbox.push(vec![byte; 64 * 1024], Vec::new()));
        }
        outbox.flush(near.as_fd()).unwrap();
        assert!(!outbox.is_empty());
        let mut got = Vec::new();
        let mut piece = vec![0; 64 * 1024];
        while got.len() < 64 * 64 * 1024 {
            let count = far.read(&mut piece).unwrap();
            got.extend_from_slice(&piece[..count]);
            outbox.flush(near.as_fd()).unwrap();
        }
        assert!(outbox.is_empty());
        assert!(got.is_sorted());
    }

    #[test]
    fn a_full_queue_refuses() {
        let mut outbox = Outbox::default();
        let taken = (0..1000)
            .filter(|_| outbox.push(vec![0], Vec::new()))
            .count();
        assert_eq!(taken, MAX_WAITING);
        let mut outbox = Outbox::default();
        assert!(outbox.push(vec![0; MAX_WAITING_BYTES], Vec::new()));
        assert!(!outbox.push(vec![0], Vec::new()));
    }

    #[test]
    fn a_socket_that_is_gone_is_an_error() {
        let (near, far) = UnixStream::pair().unwrap();
        drop(far);
        let mut outbox = Outbox::default();
        assert!(outbox.push(vec![1], Vec::new()));
        assert!(outbox.flush(near.as_fd()).is_err());
        assert!(outbox.is_empty());
    }
}
