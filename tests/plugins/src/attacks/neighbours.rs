//! Other processes: `victim` is one of the same user that sleeps, `daemon` is the daemon.

use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

use libc::{EFAULT, F_SETOWN, PTRACE_SEIZE, SIGTERM, c_long};

use super::sys::{code, owned, sys, when};
use super::{Attack, Outcome, Target};

pub const ALL: &[(&str, Attack)] = &[
    ("ptrace", ptrace),
    ("process-vm-readv", process_vm_readv),
    ("pidfd-open", pidfd_open),
    ("kill", kill),
    ("tgkill", tgkill),
    ("sigqueue", sigqueue),
    ("set-owner", set_owner),
    ("death-signal", death_signal),
    ("dumpable", dumpable),
    ("tracer", tracer),
    ("raise-limits", raise_limits),
    ("nice", nice),
    ("sched-fifo", sched_fifo),
    ("affinity-of-others", affinity_of_others),
];

fn ptrace(target: &Target<'_>) -> Outcome {
    let seize = c_long::from(PTRACE_SEIZE);
    sys!(SYS_ptrace, seize, target.number("victim"), 0, 0).map(drop)
}

fn process_vm_readv(target: &Target<'_>) -> Outcome {
    let mut room = [0_u8; 8];
    let here = [room.as_mut_ptr().expose_provenance(), room.len()];
    // Nothing is mapped there: whoever gets so far may read.
    let there = [8_usize, room.len()];
    let victim = target.number("victim");
    match sys!(
        SYS_process_vm_readv,
        victim,
        here.as_ptr(),
        1,
        there.as_ptr(),
        1,
        0
    ) {
        Ok(_) | Err(EFAULT) => Ok(()),
        Err(errno) => Err(errno),
    }
}

fn pidfd_open(target: &Target<'_>) -> Outcome {
    sys!(SYS_pidfd_open, target.number("victim"), 0)
        .map(owned)
        .map(drop)
}

fn kill(target: &Target<'_>) -> Outcome {
    sys!(SYS_kill, target.number("victim"), SIGTERM).map(drop)
}

fn tgkill(target: &Target<'_>) -> Outcome {
    let victim = target.number("victim");
    sys!(SYS_tgkill, victim, victim, SIGTERM).map(drop)
}

fn sigqueue(target: &Target<'_>) -> Outcome {
    // siginfo_t of 128 bytes: the signal, and at 8 SI_QUEUE.
    let mut about = [0_i32; 32];
    (about[0], about[2]) = (SIGTERM, -1);
    let victim = target.number("victim");
    sys!(SYS_rt_sigqueueinfo, victim, SIGTERM, about.as_ptr()).map(drop)
}

/// Has the kernel send signals to it.
fn set_owner(target: &Target<'_>) -> Outcome {
    let (one, _two) = UnixStream::pair().map_err(|error| code(&error))?;
    let victim = target.number("victim");
    sys!(SYS_fcntl, one.as_raw_fd(), F_SETOWN, victim).map(drop)
}

/// Lives on without its daemon.
fn death_signal(_: &Target<'_>) -> Outcome {
    sys!(SYS_prctl, libc::PR_SET_PDEATHSIG, 0, 0, 0, 0).map(drop)
}

fn dumpable(_: &Target<'_>) -> Outcome {
    sys!(SYS_prctl, libc::PR_SET_DUMPABLE, 1, 0, 0, 0).map(drop)
}

fn tracer(_: &Target<'_>) -> Outcome {
    sys!(SYS_prctl, libc::PR_SET_PTRACER, c_long::from(-1), 0, 0, 0).map(drop)
}

fn raise_limits(_: &Target<'_>) -> Outcome {
    let wide = [4096_u64, 4096];
    sys!(SYS_prlimit64, 0, libc::RLIMIT_NOFILE, wide.as_ptr(), 0).map(drop)
}

fn nice(_: &Target<'_>) -> Outcome {
    sys!(SYS_setpriority, libc::PRIO_PROCESS, 0, -5).map(drop)
}

/// A thread that asks for a priority may be told that it has it; what counts is what it has.
fn sched_fifo(_: &Target<'_>) -> Outcome {
    let priority = 1_i32;
    sys!(
        SYS_sched_setscheduler,
        0,
        libc::SCHED_FIFO,
        &raw const priority
    )?;
    let has = sys!(SYS_sched_getscheduler, 0)?;
    let back = 0_i32;
    let _ = sys!(
        SYS_sched_setscheduler,
        0,
        libc::SCHED_OTHER,
        &raw const back
    );
    when(has == c_long::from(libc::SCHED_FIFO))
}

fn affinity_of_others(target: &Target<'_>) -> Outcome {
    let first = 1_u64;
    let victim = target.number("victim");
    sys!(
        SYS_sched_setaffinity,
        victim,
        size_of_val(&first),
        &raw const first
    )
    .map(drop)
}
