//! The register: a socket on which the first process of a worker's namespaces tells of the
//! worker's birth and of its end.
//!
//! A process that is number 1 in its namespace does not die of signals that it sends itself, so
//! the worker is number 2, and number 1 does nothing but wait for it. Nobody can forge what it
//! says: the worker closes its own copy of the socket before it hears what to load.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use plugpen_proto::register::{BIRTH, END_BYTES, decode_end};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use crate::end::ExitStatus;

/// How long the first process may take to start the worker, and to tell of its end.
const PATIENCE: Duration = Duration::from_secs(10);
/// How much earlier than that the worker may be heard.
const OVERTAKING: Duration = Duration::from_secs(1);

/// Our end.
#[derive(Debug)]
pub(crate) struct Register(OwnedFd);

impl Register {
    pub(crate) fn new(socket: OwnedFd) -> Self {
        Self(socket)
    }

    /// Waits for the worker's birth: its process id as we see it, and a descriptor that names it.
    /// `control` is our end of the control channel.
    ///
    /// # Errors
    /// The process ended before it had a child, or is a program that has none: it speaks itself.
    pub(crate) fn birth(&self, control: BorrowedFd<'_>) -> io::Result<(i32, OwnedFd)> {
        let mut byte = [0; 1];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut beside = RecvAncillaryBuffer::new(&mut space);
        wait(&[self.0.as_fd(), control], PATIENCE)?;
        // The worker's first word may overtake the news of its birth, but not by much.
        wait(&[self.0.as_fd()], OVERTAKING)?;
        let received = recvmsg(
            &self.0,
            &mut [io::IoSliceMut::new(&mut byte)],
            &mut beside,
            RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT,
        )?;
        let pidfd = beside.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
            _ => None,
        });
        match pidfd {
            Some(pidfd) if received.bytes == 1 && byte == BIRTH => Ok((pid_of(&pidfd)?, pidfd)),
            _ => Err(io::Error::other("it ended before it started the worker")),
        }
    }

    /// How the worker ended; unknown if the first process ended without a word.
    pub(crate) fn end(&self) -> ExitStatus {
        let mut bytes = [0; END_BYTES];
        let received = wait(&[self.0.as_fd()], PATIENCE).and_then(|()| {
            Ok(rustix::net::recv(
                &self.0,
                &mut bytes[..],
                RecvFlags::DONTWAIT,
            )?)
        });
        match received {
            Ok((END_BYTES, _)) => match decode_end(bytes) {
                (code, 0) => ExitStatus::Exited(code),
                (_, signal) => ExitStatus::Signaled(signal),
            },
            _ => ExitStatus::Unknown,
        }
    }
}

/// Waits until one of them can be read or is at its end.
fn wait(sockets: &[BorrowedFd<'_>], patience: Duration) -> io::Result<()> {
    let patience = Timespec::try_from(patience).unwrap_or_default();
    let mut ready: Vec<_> = sockets
        .iter()
        .map(|socket| PollFd::from_borrowed_fd(*socket, PollFlags::IN))
        .collect();
    loop {
        match poll(&mut ready, Some(&patience)) {
            Err(rustix::io::Errno::INTR) => {}
            Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
            Ok(_) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// The process that a descriptor names, by its number in our own namespace.
fn pid_of(pidfd: &OwnedFd) -> io::Result<i32> {
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd()))?;
    info.lines()
        .find_map(|line| line.strip_prefix("Pid:")?.trim().parse().ok())
        .filter(|pid| *pid > 0)
        .ok_or_else(|| io::Error::other("the worker has ended already"))
}
