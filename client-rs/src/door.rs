//! Trades a one-time ticket for the descriptors of a plugin's audio rings.
//!
//! gRPC cannot carry descriptors, so they come through a second Unix socket of the daemon.

use std::io::{IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use plugpen_proto::limits::MAX_TEXT;
use plugpen_proto::v1::{AudioRings, ErrorReason};
use plugpen_shm::{ClientEnd, RingSpec};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use crate::error::{Error, Result};

const DEADLINE: Duration = Duration::from_secs(5);
/// Client region, worker region, status page.
const REGIONS: usize = 3;

/// Fetches the rings' descriptors and maps them.
///
/// # Errors
/// `ServerUnavailable` where the door is shut, `NotAllowed` where it refuses the ticket,
/// `ServerBug` where what it hands out is not what was agreed.
pub(crate) fn attach(rings: &AudioRings) -> Result<ClientEnd> {
    let agreed = |e: &dyn std::fmt::Display| {
        Error::bug(format!(
            "the daemon's audio rings are not what was agreed: {e}"
        ))
    };
    let spec = RingSpec::try_from(rings).map_err(|e| agreed(&e))?;
    let layout = spec.layout().map_err(|e| agreed(&e))?;
    let descriptors = fetch(&rings.door, &rings.ticket)?;
    ClientEnd::attach(descriptors, &layout).map_err(|e| agreed(&e))
}

fn fetch(door: &str, ticket: &[u8]) -> Result<[OwnedFd; REGIONS]> {
    let shut = |e: std::io::Error| {
        let reason = match e.kind() {
            std::io::ErrorKind::WouldBlock => ErrorReason::TimedOut,
            _ => ErrorReason::ServerUnavailable,
        };
        Error::new(reason, format!("the daemon's descriptor door {door}: {e}"))
    };
    let mut stream = UnixStream::connect(door).map_err(shut)?;
    stream.set_read_timeout(Some(DEADLINE)).map_err(shut)?;
    stream.set_write_timeout(Some(DEADLINE)).map_err(shut)?;
    stream.write_all(ticket).map_err(shut)?;
    let (answer, descriptors) = receive(&stream).map_err(shut)?;
    if answer != b'k' {
        let mut why = String::new();
        let limit = u64::try_from(MAX_TEXT).unwrap_or(u64::MAX);
        let _ = stream.take(limit).read_to_string(&mut why);
        return Err(Error::new(
            ErrorReason::NotAllowed,
            format!("the daemon did not hand out the audio rings: {why}"),
        ));
    }
    let count = descriptors.len();
    descriptors.try_into().map_err(|_| {
        Error::bug(format!(
            "the daemon handed out {count} descriptors for the audio rings, expected {REGIONS}"
        ))
    })
}

#[cfg(target_os = "linux")]
const RECEIVING: RecvFlags = RecvFlags::CMSG_CLOEXEC;
/// Where descriptors cannot be received as close-on-exec, they are made so at once.
#[cfg(not(target_os = "linux"))]
const RECEIVING: RecvFlags = RecvFlags::empty();

/// One byte and the descriptors beside it.
fn receive(stream: &UnixStream) -> std::io::Result<(u8, Vec<OwnedFd>)> {
    let mut byte = [0];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(REGIONS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = loop {
        let mut buffers = [IoSliceMut::new(&mut byte)];
        match recvmsg(stream, &mut buffers, &mut control, RECEIVING) {
            Err(rustix::io::Errno::INTR) => {}
            other => break other?,
        }
    };
    if received.bytes == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    let mut descriptors = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            for descriptor in rights {
                #[cfg(not(target_os = "linux"))]
                rustix::io::fcntl_setfd(&descriptor, rustix::io::FdFlags::CLOEXEC)?;
                descriptors.push(descriptor);
            }
        }
    }
    Ok((byte[0], descriptors))
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixListener;
    use std::thread;

    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

    use super::*;

    /// Answers one visitor with `byte`, `files` descriptors and `text`.
    fn visit(byte: u8, files: usize, text: &'static str) -> Result<[OwnedFd; REGIONS]> {
        let folder = tempfile::tempdir().unwrap();
        let door = folder.path().join("door.sock");
        let listener = UnixListener::bind(&door).unwrap();
        let doorkeeper = thread::spawn(move || {
            let (mut visitor, _) = listener.accept().unwrap();
            let mut ticket = [0; 32];
            visitor.read_exact(&mut ticket).unwrap();
            assert_eq!(ticket, [7; 32]);
            let file = tempfile::tempfile().unwrap();
            let rights = vec![file.as_fd(); files];
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(REGIONS))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            if files > 0 {
                assert!(control.push(SendAncillaryMessage::ScmRights(&rights)));
            }
            let data = [IoSlice::new(std::slice::from_ref(&byte))];
            sendmsg(&visitor, &data, &mut control, SendFlags::empty()).unwrap();
            visitor.write_all(text.as_bytes()).unwrap();
        });
        let fetched = fetch(door.to_str().unwrap(), &[7; 32]);
        doorkeeper.join().unwrap();
        fetched
    }

    #[test]
    fn a_good_ticket_gets_three_descriptors() {
        assert_eq!(visit(b'k', 3, "").unwrap().len(), REGIONS);
    }

    #[test]
    fn a_refusal_says_why() {
        let error = visit(b'n', 0, "the ticket is stale").unwrap_err();
        assert_eq!(error.reason, ErrorReason::NotAllowed);
        assert!(error.message.contains("the ticket is stale"));
    }

    #[test]
    fn too_few_descriptors_are_a_bug_not_a_panic() {
        let error = visit(b'k', 1, "").unwrap_err();
        assert_eq!(error.reason, ErrorReason::ServerBug);
    }

    #[test]
    fn a_shut_door_is_unavailable() {
        let error = fetch("/nowhere/door.sock", &[7; 32]).unwrap_err();
        assert_eq!(error.reason, ErrorReason::ServerUnavailable);
    }
}
