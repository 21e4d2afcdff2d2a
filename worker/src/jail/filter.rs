//! The system calls a worker may make, as data. What is not here fails with EPERM.
//!
//! The lists come from 872 real plugins loaded, played and saved, and the harmless siblings of
//! what they call.

use libc::*;

/// A condition on one argument.
#[derive(Debug, Clone, Copy)]
pub struct Condition {
    /// Which argument, from 0.
    pub argument: u8,
    /// What it must be.
    pub is: Is,
}

/// What an argument must be.
#[derive(Debug, Clone, Copy)]
pub enum Is {
    /// This 32-bit value.
    Equal(u64),
    /// These bits of a 64-bit value.
    Masked(u64, u64),
    /// This process.
    Self_,
}

const fn equal(argument: u8, value: u64) -> Condition {
    Condition {
        argument,
        is: Is::Equal(value),
    }
}

/// Calls allowed whatever their arguments.
pub const ALLOWED: &[c_long] = &[
    // Memory. Writable and executable at once is not prevented.
    SYS_brk,
    SYS_mmap,
    SYS_munmap,
    SYS_mremap,
    SYS_mprotect,
    SYS_madvise,
    SYS_msync,
    SYS_mincore,
    SYS_mlock,
    SYS_mlock2,
    SYS_munlock,
    SYS_membarrier,
    SYS_pkey_alloc,
    SYS_pkey_free,
    SYS_pkey_mprotect,
    // Threads and waiting.
    SYS_futex,
    SYS_set_robust_list,
    SYS_get_robust_list,
    SYS_set_tid_address,
    SYS_rseq,
    SYS_exit,
    SYS_exit_group,
    SYS_restart_syscall,
    SYS_nanosleep,
    SYS_clock_nanosleep,
    SYS_sched_yield,
    SYS_sched_getaffinity,
    SYS_sched_getparam,
    SYS_sched_getscheduler,
    SYS_sched_get_priority_max,
    SYS_sched_get_priority_min,
    SYS_sched_rr_get_interval,
    SYS_getcpu,
    SYS_getpriority,
    // Signals of its own.
    SYS_rt_sigaction,
    SYS_rt_sigprocmask,
    SYS_rt_sigreturn,
    SYS_rt_sigpending,
    SYS_rt_sigsuspend,
    SYS_rt_sigtimedwait,
    SYS_sigaltstack,
    // Time.
    SYS_clock_gettime,
    SYS_clock_getres,
    SYS_gettimeofday,
    SYS_times,
    SYS_getitimer,
    SYS_timerfd_create,
    SYS_timerfd_settime,
    SYS_timerfd_gettime,
    // Who and where it is.
    SYS_getpid,
    SYS_gettid,
    SYS_getppid,
    SYS_getuid,
    SYS_geteuid,
    SYS_getgid,
    SYS_getegid,
    SYS_getgroups,
    SYS_getresuid,
    SYS_getresgid,
    SYS_getpgid,
    SYS_getsid,
    SYS_getrusage,
    SYS_sysinfo,
    SYS_uname,
    SYS_getcwd,
    SYS_getrandom,
    SYS_umask,
    SYS_capget,
    // Files: Landlock decides which.
    SYS_openat,
    SYS_close,
    SYS_read,
    SYS_readv,
    SYS_pread64,
    SYS_preadv,
    SYS_write,
    SYS_writev,
    SYS_pwrite64,
    SYS_pwritev,
    SYS_lseek,
    SYS_fstat,
    SYS_newfstatat,
    SYS_statx,
    SYS_statfs,
    SYS_fstatfs,
    SYS_faccessat,
    SYS_faccessat2,
    SYS_readlinkat,
    SYS_getdents64,
    SYS_chdir,
    SYS_fchdir,
    SYS_mkdirat,
    SYS_unlinkat,
    SYS_renameat,
    SYS_renameat2,
    SYS_ftruncate,
    SYS_truncate,
    SYS_fallocate,
    SYS_fadvise64,
    SYS_readahead,
    SYS_fsync,
    SYS_fdatasync,
    SYS_sync_file_range,
    SYS_flock,
    SYS_copy_file_range,
    SYS_sendfile,
    SYS_dup,
    SYS_dup3,
    SYS_pipe2,
    SYS_eventfd2,
    SYS_ppoll,
    SYS_pselect6,
    SYS_epoll_create1,
    SYS_epoll_ctl,
    SYS_epoll_pwait,
    // The control channel.
    SYS_recvmsg,
    SYS_sendmsg,
    SYS_shutdown,
];

/// The older spellings that only x86-64 has.
#[cfg(target_arch = "x86_64")]
pub const ALLOWED_LEGACY: &[c_long] = &[
    SYS_open,
    SYS_stat,
    SYS_lstat,
    SYS_access,
    SYS_readlink,
    SYS_mkdir,
    SYS_rmdir,
    SYS_unlink,
    SYS_rename,
    SYS_creat,
    SYS_dup2,
    SYS_pipe,
    SYS_eventfd,
    SYS_poll,
    SYS_select,
    SYS_epoll_create,
    SYS_epoll_wait,
    SYS_getdents,
    SYS_getpgrp,
    SYS_time,
    SYS_getrlimit,
    SYS_pause,
];

/// See above.
#[cfg(not(target_arch = "x86_64"))]
pub const ALLOWED_LEGACY: &[c_long] = &[SYS_getrlimit];

/// Bits of clone(2) that make a thread.
const THREAD: u64 = (CLONE_THREAD | CLONE_VM | CLONE_SIGHAND).unsigned_abs() as u64;
/// Bits of clone(2) that make namespaces; the last is the sign bit's neighbour.
const NAMESPACES: u64 = (CLONE_NEWNS
    | CLONE_NEWCGROUP
    | CLONE_NEWUTS
    | CLONE_NEWIPC
    | CLONE_NEWUSER
    | CLONE_NEWPID
    | CLONE_NEWNET)
    .unsigned_abs() as u64;

/// Calls allowed where one of the conditions holds.
pub const CONDITIONAL: &[(c_long, &[Condition])] = &[
    // Threads, never processes.
    (
        SYS_clone,
        &[Condition {
            argument: 0,
            is: Is::Masked(THREAD | NAMESPACES, THREAD),
        }],
    ),
    // abort() and raise(): signals to itself.
    (
        SYS_tgkill,
        &[Condition {
            argument: 0,
            is: Is::Self_,
        }],
    ),
    (
        SYS_kill,
        &[Condition {
            argument: 0,
            is: Is::Self_,
        }],
    ),
    // The audio thread moves away from its client's CPU; nobody else is moved.
    (SYS_sched_setaffinity, &[equal(0, 0)]),
    // Asking for its limits; setting them is not asking.
    (
        SYS_prlimit64,
        &[Condition {
            argument: 2,
            is: Is::Masked(u64::MAX, 0),
        }],
    ),
    // What C libraries ask of any descriptor.
    (
        SYS_ioctl,
        &[
            equal(1, TCGETS),
            equal(1, FIONREAD),
            equal(1, FIONBIO),
            equal(1, FIOCLEX),
        ],
    ),
    // Flags, copies and locks; not F_SETOWN, which sends signals, nor F_ADD_SEALS.
    (
        SYS_fcntl,
        &[
            equal(1, F_GETFD.unsigned_abs() as u64),
            equal(1, F_SETFD.unsigned_abs() as u64),
            equal(1, F_GETFL.unsigned_abs() as u64),
            equal(1, F_SETFL.unsigned_abs() as u64),
            equal(1, F_DUPFD.unsigned_abs() as u64),
            equal(1, F_DUPFD_CLOEXEC.unsigned_abs() as u64),
            equal(1, F_GETLK.unsigned_abs() as u64),
            equal(1, F_SETLK.unsigned_abs() as u64),
            equal(1, F_SETLKW.unsigned_abs() as u64),
            equal(1, F_GET_SEALS.unsigned_abs() as u64),
        ],
    ),
    // Thread names and the like; nothing that loosens the jail or the death signal.
    (
        SYS_prctl,
        &[
            equal(0, PR_SET_NAME.unsigned_abs() as u64),
            equal(0, PR_GET_NAME.unsigned_abs() as u64),
            equal(0, PR_CAPBSET_READ.unsigned_abs() as u64),
            equal(0, PR_GET_DUMPABLE.unsigned_abs() as u64),
            equal(0, PR_GET_NO_NEW_PRIVS.unsigned_abs() as u64),
            equal(0, PR_SET_TIMERSLACK.unsigned_abs() as u64),
            // PR_SET_VMA: allocators name their memory.
            equal(0, 0x5356_4d41),
        ],
    ),
    // Asking, not setting.
    (SYS_personality, &[equal(0, 0xffff_ffff)]),
    // glibc asks for the CPU's shadow stack (ARCH_CET_STATUS).
    #[cfg(target_arch = "x86_64")]
    (SYS_arch_prctl, &[equal(0, 0x3001)]),
];

/// Calls allowed where all of the conditions hold.
pub const ALL_OF: &[(c_long, &[Condition])] = &[
    // Two ends of one thing, both its own: message queues of plugins (JUCE). Streams only: a
    // datagram can be addressed to any socket there is.
    (
        SYS_socketpair,
        &[
            equal(0, AF_UNIX.unsigned_abs() as u64),
            Condition {
                argument: 1,
                is: Is::Masked(SOCKET_TYPE, SOCK_STREAM.unsigned_abs() as u64),
            },
        ],
    ),
];

/// The bits of a socket's type beside its flags.
const SOCKET_TYPE: u64 = 0xf;

/// Calls answered ENOSYS, so that C libraries fall back to what the lists above can judge:
/// clone3 hides its flags behind a pointer, and threads break on EPERM. They are allowed in the
/// list filter, since the newest of several filters' errnos wins.
pub const NOT_IMPLEMENTED: &[c_long] = &[
    SYS_clone3,
    SYS_openat2,
    SYS_io_uring_setup,
    SYS_io_uring_enter,
    SYS_io_uring_register,
    SYS_pidfd_open,
    SYS_close_range,
    SYS_process_madvise,
    SYS_memfd_create,
    // cachestat, futex_wake, futex_wait, futex_requeue, mseal and the xattrat family.
    451,
    454,
    455,
    456,
    462,
    463,
    464,
    465,
    466,
    467,
    468,
    469,
    470,
];

/// Calls answered with an errno that programs expect of a poorer system.
pub const REFUSED: &[(c_long, c_int)] = &[
    // Not an error, but not done either: a thread that asks for a priority goes on without.
    // Where this fails, glibc starts no thread at all, and JUCE plugins wait for theirs.
    (SYS_sched_setscheduler, 0),
    (SYS_socket, EAFNOSUPPORT),
    #[cfg(target_arch = "x86_64")]
    (SYS_fork, EAGAIN),
    #[cfg(target_arch = "x86_64")]
    (SYS_vfork, EAGAIN),
    (SYS_execve, EACCES),
    (SYS_execveat, EACCES),
];
