//! The calls of ptrace(2) and wait(2) that the tracer needs. Each must be made by the thread that
//! seized the process.

use std::ffi::c_void;
use std::{io, ptr};

use libc::{c_int, c_uint};

use super::registers::Registers;
use super::signal::SignalInfo;

/// What a thread of the process did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// It ended with this code.
    Exited(i32),
    /// A signal ended it.
    Killed(i32),
    /// It is stopped: this signal is about to be delivered.
    Signal(i32),
    /// It is stopped: it made a thread.
    Cloned,
    /// It is stopped: it is about to end.
    Exiting,
    /// It is stopped as all threads are by SIGSTOP and its like.
    Suspended,
    /// It is stopped because it is new, or was asked to.
    Trapped,
}

impl Stop {
    fn of(status: c_int) -> Self {
        if libc::WIFEXITED(status) {
            return Self::Exited(libc::WEXITSTATUS(status));
        }
        if libc::WIFSIGNALED(status) {
            return Self::Killed(libc::WTERMSIG(status));
        }
        let signal = libc::WSTOPSIG(status);
        match status >> 16 {
            0 => Self::Signal(signal),
            libc::PTRACE_EVENT_CLONE => Self::Cloned,
            libc::PTRACE_EVENT_EXIT => Self::Exiting,
            libc::PTRACE_EVENT_STOP if signal != libc::SIGTRAP => Self::Suspended,
            _ => Self::Trapped,
        }
    }
}

/// Becomes the tracer of a thread without stopping it. The kernel kills the process when the
/// calling thread ends.
pub(super) fn seize(tid: i32) -> io::Result<()> {
    let options = libc::PTRACE_O_EXITKILL | libc::PTRACE_O_TRACECLONE | libc::PTRACE_O_TRACEEXIT;
    let options = usize::try_from(options).unwrap_or(0);
    call(libc::PTRACE_SEIZE, tid, 0, options as *mut c_void)
}

/// Lets a stopped thread go on, with a signal or (0) without.
pub(super) fn resume(tid: i32, signal: i32) -> io::Result<()> {
    let signal = usize::try_from(signal).unwrap_or(0);
    call(libc::PTRACE_CONT, tid, 0, signal as *mut c_void)
}

/// Leaves a suspended thread suspended, but ready to tell what comes next.
pub(super) fn listen(tid: i32) -> io::Result<()> {
    call(libc::PTRACE_LISTEN, tid, 0, ptr::null_mut())
}

/// Asks a running thread to stop.
pub(super) fn interrupt(tid: i32) -> io::Result<()> {
    call(libc::PTRACE_INTERRUPT, tid, 0, ptr::null_mut())
}

/// The status a thread that is [`Stop::Exiting`] ends with, as wait(2) codes it.
pub(super) fn exit_status(tid: i32) -> io::Result<i32> {
    let mut message: libc::c_ulong = 0;
    call(libc::PTRACE_GETEVENTMSG, tid, 0, (&raw mut message).cast())?;
    Ok(i32::try_from(message).unwrap_or(0))
}

/// What the kernel says of the signal a thread is stopped for.
pub(super) fn signal_info(tid: i32) -> io::Result<SignalInfo> {
    // As large as the kernel's own, and aligned like it.
    let mut raw = [0u64; 16];
    call(libc::PTRACE_GETSIGINFO, tid, 0, raw.as_mut_ptr().cast())?;
    Ok(SignalInfo::of(&raw))
}

/// The registers of a stopped thread.
pub(super) fn registers(tid: i32) -> io::Result<Registers> {
    /// The general registers, of elf.h.
    const NT_PRSTATUS: usize = 1;
    // SAFETY: plain numbers, for which zeros are a value.
    let mut raw: libc::user_regs_struct = unsafe { std::mem::zeroed() };
    let mut room = libc::iovec {
        iov_base: (&raw mut raw).cast(),
        iov_len: size_of::<libc::user_regs_struct>(),
    };
    call(
        libc::PTRACE_GETREGSET,
        tid,
        NT_PRSTATUS,
        (&raw mut room).cast(),
    )?;
    Ok(Registers(raw))
}

/// Waits for the next thing that happens to a thread of this tracer; `None` when it has none left.
/// Blocks.
pub(super) fn wait() -> Option<(i32, Stop)> {
    loop {
        let mut status: c_int = 0;
        // Never the children of other threads.
        // SAFETY: `status` is ours and valid for the call.
        let tid = unsafe { libc::waitpid(-1, &raw mut status, libc::__WALL | libc::__WNOTHREAD) };
        if tid > 0 {
            return Some((tid, Stop::of(status)));
        }
        if io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return None;
        }
    }
}

fn call(request: c_uint, tid: i32, address: usize, data: *mut c_void) -> io::Result<()> {
    // SAFETY: the requests made above write at most what `data` has room for (their callers pass
    // pointers to values of the kernel's sizes) or take it as a number; the kernel checks the rest.
    let done = unsafe { libc::ptrace(request, tid, address as *mut c_void, data) };
    match done {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
