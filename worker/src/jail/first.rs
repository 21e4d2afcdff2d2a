//! The first process of a process namespace, and the worker as the second.
//!
//! Signals that the first process of a namespace sends itself do nothing: `abort()` would look
//! like a segmentation fault, and `raise()` like nothing at all. So the worker is the second, and
//! the first only waits for it, tells the daemon of its birth and its end, and ends with it, which
//! ends whatever else there is.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};

use plugpen_proto::register::{BIRTH, DESCRIPTOR, encode_end};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use rustix::process::{Pid, PidfdFlags, WaitOptions, pidfd_open, wait};

use super::identity;
use crate::arguments::Arguments;

/// Returns in the worker: at once, or as the second process of its namespace. Call first, while
/// there is one thread and nothing is open but what was inherited.
///
/// # Errors
/// No second process, or no socket to tell of it.
pub fn be_second(arguments: &Arguments) -> io::Result<()> {
    if !arguments.has("pid_ns") {
        return Ok(());
    }
    // SAFETY: fcntl(F_GETFD) on a number touches no memory.
    if unsafe { libc::fcntl(DESCRIPTOR, libc::F_GETFD) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: open (checked above) and inherited; nothing else of this process knows the number
    // because nothing was opened before.
    let register = unsafe { OwnedFd::from_raw_fd(DESCRIPTOR) };
    // SAFETY: there is one thread, so the child finds no lock held.
    match unsafe { libc::fork() } {
        // The worker must not hold the register: what is said there is believed.
        0 => {
            drop(register);
            Ok(())
        }
        -1 => Err(io::Error::last_os_error()),
        worker => {
            let end = Pid::from_raw(worker)
                .ok_or_else(|| io::Error::other("no process id"))
                .and_then(|worker| attend(worker, &register));
            super::exit_now(if end.is_ok() { 0 } else { 71 })
        }
    }
}

/// The rest of the first process's life.
fn attend(worker: Pid, register: &OwnedFd) -> io::Result<()> {
    let pidfd = pidfd_open(worker, PidfdFlags::empty())?;
    let descriptors = [pidfd.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut beside = SendAncillaryBuffer::new(&mut space);
    beside.push(SendAncillaryMessage::ScmRights(&descriptors));
    let birth = [IoSlice::new(&BIRTH)];
    sendmsg(register, &birth, &mut beside, SendFlags::NOSIGNAL)?;
    drop(pidfd);
    // The control socket and the outputs are the worker's: the daemon learns from their end that
    // it has none any more.
    for number in 0..DESCRIPTOR {
        // SAFETY: these four were inherited and nothing in this process uses them from here on.
        unsafe { libc::close(number) };
    }
    // Nothing that it could still need; the worker cannot reach it, and has no reason to.
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    let _ = rustix::thread::set_no_new_privs(true);
    let _ = identity::drop_capabilities();
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == worker => {
                let code = status.exit_status().unwrap_or(0);
                let signal = status.terminating_signal().unwrap_or(0);
                let end = encode_end(code, signal);
                rustix::net::send(register, &end, SendFlags::NOSIGNAL)?;
                return Ok(());
            }
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
