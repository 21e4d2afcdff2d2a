//! The control channel to the daemon, from the side of a worker or a device: framed messages on
//! the inherited socket, descriptors beside them.
#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::time::Duration;

use plugpen_proto::framing::{Assembler, encode};
use plugpen_proto::limits::MAX_FRAME;
use plugpen_proto::worker::{FromWorker, ToWorker, to_worker};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendFlags, recvmsg,
    sendmsg, sockopt,
};

/// Descriptors of one call: the three regions of the rings.
pub const REGIONS: usize = 3;
/// A daemon that takes nothing for this long is not coming back.
const SENDING: Duration = Duration::from_secs(30);

#[cfg(target_os = "linux")]
const RECEIVING: RecvFlags = RecvFlags::CMSG_CLOEXEC;
/// Where descriptors cannot be received as close-on-exec, they are made so at once.
#[cfg(not(target_os = "linux"))]
const RECEIVING: RecvFlags = RecvFlags::empty();
#[cfg(target_os = "linux")]
const SENDING_FLAGS: SendFlags = SendFlags::NOSIGNAL;
/// Where a call cannot do without the signal, the socket does.
#[cfg(not(target_os = "linux"))]
const SENDING_FLAGS: SendFlags = SendFlags::empty();

/// A call and the descriptors that came with it.
#[derive(Debug)]
pub struct Incoming {
    /// The call.
    pub message: ToWorker,
    /// For AttachRings and AttachStage, else empty.
    pub descriptors: Vec<OwnedFd>,
}

/// The I/O thread's half.
pub struct Reader {
    socket: OwnedFd,
    buffer: Vec<u8>,
    assembler: Assembler,
    descriptors: VecDeque<OwnedFd>,
}

/// The main thread's half.
pub struct Writer {
    socket: OwnedFd,
    buffer: Vec<u8>,
}

/// Makes the two halves of a connected stream socket.
///
/// # Errors
/// Not a socket, or no descriptor left.
pub fn split(socket: OwnedFd) -> io::Result<(Reader, Writer)> {
    sockopt::set_socket_timeout(&socket, sockopt::Timeout::Send, Some(SENDING))?;
    #[cfg(target_vendor = "apple")]
    sockopt::set_socket_nosigpipe(&socket, true)?;
    let writer = Writer {
        socket: socket.try_clone()?,
        buffer: Vec::new(),
    };
    let reader = Reader {
        socket,
        buffer: vec![0; MAX_FRAME],
        assembler: Assembler::new(),
        descriptors: VecDeque::new(),
    };
    Ok((reader, writer))
}

impl Reader {
    /// The next call; `None` when the daemon has closed its end. Blocks.
    ///
    /// # Errors
    /// A broken socket, or bytes that no daemon sends.
    pub fn next_call(&mut self) -> io::Result<Option<Incoming>> {
        loop {
            if let Some(message) = self
                .assembler
                .next_message::<ToWorker>()
                .map_err(io::Error::other)?
            {
                return Ok(Some(self.with_descriptors(message)));
            }
            if !self.receive()? {
                return Ok(None);
            }
        }
    }

    /// The descriptors travel beside the first byte of their call's frame, so they are here when
    /// the call is.
    fn with_descriptors(&mut self, message: ToWorker) -> Incoming {
        let expects = matches!(
            message.call,
            Some(to_worker::Call::AttachRings(_) | to_worker::Call::AttachStage(_))
        );
        let count = if expects { REGIONS } else { 0 };
        let count = count.min(self.descriptors.len());
        Incoming {
            message,
            descriptors: self.descriptors.drain(..count).collect(),
        }
    }

    fn receive(&mut self) -> io::Result<bool> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(REGIONS))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let received = loop {
            match recvmsg(
                &self.socket,
                &mut [IoSliceMut::new(&mut self.buffer)],
                &mut ancillary,
                RECEIVING,
            ) {
                Err(rustix::io::Errno::INTR) => {}
                other => break other?,
            }
        };
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                for descriptor in descriptors {
                    #[cfg(not(target_os = "linux"))]
                    rustix::io::fcntl_setfd(&descriptor, rustix::io::FdFlags::CLOEXEC)?;
                    self.descriptors.push_back(descriptor);
                }
            }
        }
        // Descriptors that no call claims would pile up; only a broken daemon sends them.
        if self.descriptors.len() > 4 * REGIONS {
            return Err(io::Error::other("descriptors that belong to no call"));
        }
        self.assembler.push(&self.buffer[..received.bytes]);
        Ok(received.bytes > 0)
    }
}

impl Writer {
    /// Adds a message to those that [`Writer::flush`] sends.
    ///
    /// # Errors
    /// The message is too long; it is not added.
    pub fn add(&mut self, message: &FromWorker) -> io::Result<()> {
        encode(message, &mut self.buffer).map_err(io::Error::other)
    }

    /// Sends what was added, in one go if the socket takes it. Blocks while it is full.
    ///
    /// # Errors
    /// The daemon does not take it.
    pub fn flush(&mut self) -> io::Result<()> {
        let mut rest = self.buffer.as_slice();
        while !rest.is_empty() {
            let sent = sendmsg(
                &self.socket,
                &[IoSlice::new(rest)],
                &mut SendAncillaryBuffer::default(),
                SENDING_FLAGS,
            );
            match sent {
                Err(rustix::io::Errno::INTR) => {}
                other => rest = &rest[other?..],
            }
        }
        self.buffer.clear();
        // A large state passed through; the next messages are small.
        self.buffer.shrink_to(MAX_FRAME);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plugpen_proto::worker::{AttachRings, Ping};
    use rustix::net::{AddressFamily, SendAncillaryMessage, SocketFlags, SocketType, socketpair};
    use std::os::fd::AsFd;

    fn call(id: u64, call: to_worker::Call) -> Vec<u8> {
        let mut wire = Vec::new();
        let message = ToWorker {
            id,
            after_block: 0,
            call: Some(call),
        };
        encode(&message, &mut wire).unwrap();
        wire
    }

    #[test]
    fn descriptors_arrive_with_their_call() {
        let (ours, theirs) = socketpair(
            AddressFamily::UNIX,
            SocketType::STREAM,
            SocketFlags::CLOEXEC,
            None,
        )
        .unwrap();
        let mut wire = call(1, to_worker::Call::Ping(Ping {}));
        rustix::io::write(&ours, &wire).unwrap();
        wire = call(2, to_worker::Call::AttachRings(AttachRings::default()));
        let fds = [ours.as_fd(), ours.as_fd(), ours.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(REGIONS))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        assert!(ancillary.push(SendAncillaryMessage::ScmRights(&fds)));
        let sent = sendmsg(
            &ours,
            &[IoSlice::new(&wire[..1])],
            &mut ancillary,
            SendFlags::empty(),
        );
        assert_eq!(sent, Ok(1));
        rustix::io::write(&ours, &wire[1..]).unwrap();
        let (mut reader, _writer) = split(theirs).unwrap();
        let first = reader.next_call().unwrap().unwrap();
        assert_eq!((first.message.id, first.descriptors.len()), (1, 0));
        let second = reader.next_call().unwrap().unwrap();
        assert_eq!((second.message.id, second.descriptors.len()), (2, REGIONS));
    }
}
