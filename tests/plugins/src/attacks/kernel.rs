//! Rare doors into the kernel.

use libc::{CLONE_NEWUTS, IPC_CREAT, IPC_PRIVATE, IPC_RMID, O_CREAT, O_RDWR};

use super::files::private;
use super::sys::{owned, path, sys};
use super::{Attack, Outcome, Target};

pub const ALL: &[(&str, Attack)] = &[
    ("unshare", unshare),
    ("mount", mount),
    ("chroot", chroot),
    ("bpf", bpf),
    ("perf", perf),
    ("userfaultfd", userfaultfd),
    ("keyctl", keyctl),
    ("sysv-memory", sysv_memory),
    ("sysv-semaphore", sysv_semaphore),
    ("sysv-queue", sysv_queue),
    ("posix-queue", posix_queue),
    ("x32-call", x32_call),
    ("personality", personality),
    ("reboot", reboot),
    ("module", module),
];

fn unshare(_: &Target<'_>) -> Outcome {
    sys!(SYS_unshare, CLONE_NEWUTS).map(drop)
}

fn mount(_: &Target<'_>) -> Outcome {
    let place = path(private("").to_str().unwrap_or(""));
    sys!(SYS_mount, c"none", place, c"tmpfs", 0, 0).map(drop)
}

fn chroot(_: &Target<'_>) -> Outcome {
    sys!(SYS_chroot, c"/").map(drop)
}

fn bpf(_: &Target<'_>) -> Outcome {
    // BPF_MAP_CREATE of an array with one value of 4 bytes.
    let attributes = [2_u32, 4, 4, 1, 0, 0, 0, 0];
    let size = size_of_val(&attributes);
    sys!(SYS_bpf, 0, attributes.as_ptr(), size)
        .map(owned)
        .map(drop)
}

fn perf(_: &Target<'_>) -> Outcome {
    // struct perf_event_attr, first version: a software counter (type 1) of 64 bytes.
    let mut attributes = [0_u32; 16];
    (attributes[0], attributes[1]) = (1, 64);
    sys!(SYS_perf_event_open, attributes.as_ptr(), 0, -1, -1, 0)
        .map(owned)
        .map(drop)
}

fn userfaultfd(_: &Target<'_>) -> Outcome {
    sys!(SYS_userfaultfd, libc::O_CLOEXEC).map(owned).map(drop)
}

fn keyctl(_: &Target<'_>) -> Outcome {
    // KEYCTL_GET_KEYRING_ID of the session's keyring (-3), made if it is not there.
    sys!(SYS_keyctl, 0, -3, 1).map(drop)
}

fn sysv_memory(_: &Target<'_>) -> Outcome {
    let id = sys!(SYS_shmget, IPC_PRIVATE, 4096, IPC_CREAT | 0o600)?;
    sys!(SYS_shmctl, id, IPC_RMID, 0).map(drop)
}

fn sysv_semaphore(_: &Target<'_>) -> Outcome {
    let id = sys!(SYS_semget, IPC_PRIVATE, 1, IPC_CREAT | 0o600)?;
    sys!(SYS_semctl, id, 0, IPC_RMID, 0).map(drop)
}

fn sysv_queue(_: &Target<'_>) -> Outcome {
    let id = sys!(SYS_msgget, IPC_PRIVATE, IPC_CREAT | 0o600)?;
    sys!(SYS_msgctl, id, IPC_RMID, 0).map(drop)
}

fn posix_queue(_: &Target<'_>) -> Outcome {
    let name = c"plugpen-test-attack";
    let queue = sys!(SYS_mq_open, name, O_CREAT | O_RDWR, 0o600, 0).map(owned)?;
    drop(queue);
    sys!(SYS_mq_unlink, name).map(drop)
}

/// A socket by the numbers that programs of the x32 kind use.
fn x32_call(_: &Target<'_>) -> Outcome {
    const X32: libc::c_long = 0x4000_0000;
    let words: [&dyn super::sys::Word; 3] = [&libc::AF_INET, &libc::SOCK_STREAM, &0];
    super::sys::call(X32 + libc::SYS_socket, &words)
        .map(owned)
        .map(drop)
}

/// Switches address randomisation off for what it starts.
fn personality(_: &Target<'_>) -> Outcome {
    sys!(SYS_personality, libc::ADDR_NO_RANDOMIZE).map(drop)
}

/// With a wrong magic number: who may gets EINVAL.
fn reboot(_: &Target<'_>) -> Outcome {
    match sys!(SYS_reboot, 0, 0, 0, 0) {
        Err(libc::EINVAL) => Ok(()),
        result => result.map(drop),
    }
}

/// Of a name that no module has: who may gets ENOENT.
fn module(_: &Target<'_>) -> Outcome {
    match sys!(SYS_delete_module, c"plugpen-none", libc::O_NONBLOCK) {
        Err(libc::ENOENT) => Ok(()),
        result => result.map(drop),
    }
}
