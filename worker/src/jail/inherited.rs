//! What the worker inherits, and how it leaves.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

/// Number of the control socket's descriptor, agreed with the warden.
const CONTROL: i32 = 3;

/// Takes the control socket over. Call once, before anything else is opened.
///
/// # Errors
/// Descriptor 3 is not open or no stream socket.
pub fn control_socket() -> io::Result<OwnedFd> {
    // SAFETY: fcntl(F_GETFD) on a number touches no memory.
    if unsafe { libc::fcntl(CONTROL, libc::F_GETFD) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: open (checked above) and inherited; nothing else of this process knows the number
    // because nothing was opened before.
    let socket = unsafe { OwnedFd::from_raw_fd(CONTROL) };
    let kind = rustix::net::sockopt::socket_type(&socket)?;
    if kind != rustix::net::SocketType::STREAM {
        return Err(io::Error::other("not a stream socket"));
    }
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
    Ok(socket)
}

/// Ends the process at once: no exit handlers, no destructors, all of which could be a plugin's.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: _exit may be called at any time by any thread.
    unsafe { libc::_exit(code) }
}
