//! From a [`Launch`] to a running process.
//!
//! `clone` with shared memory until the `execve`, as `posix_spawn` does it: no page table is
//! copied, the child reports a failed step through that memory, and the pidfd exists from the
//! first moment. `posix_spawn` itself cannot set a parent-death signal, and between `fork` and
//! `exec` the standard library keeps a pipe of its own that may sit where the control socket goes.
//! Namespaces are made by the same call, so no second process stands between daemon and worker
//! but the one that is number 1 in a process namespace (see `register.rs`).

use std::ffi::{CString, c_char, c_int, c_void};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::path::PathBuf;
use std::{io, ptr};

use rustix::io::fcntl_dupfd_cloexec;

use crate::launch::Launch;

/// Why a worker could not be started; each names its step.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// A path has a NUL byte in it.
    #[error("a path for the worker contains a NUL byte")]
    NulByte(#[from] std::ffi::NulError),
    /// The private directory cannot be made.
    #[error("cannot make the worker's private directory {path}: {source}")]
    PrivateDir {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A system call in the daemon failed.
    #[error("cannot start a worker: {step}: {source}")]
    Parent {
        /// The call.
        step: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// A system call in the new process failed.
    #[error("cannot start the worker {program}: {step}: {source}")]
    Child {
        /// The worker program.
        program: PathBuf,
        /// The call.
        step: &'static str,
        /// What the system says.
        source: io::Error,
    },
}

/// Names the failing step of a parent's system call.
pub(crate) fn step<E: Into<io::Error>>(name: &'static str) -> impl FnOnce(E) -> SpawnError {
    move |source| SpawnError::Parent {
        step: name,
        source: source.into(),
    }
}

/// A process that was started, and the descriptor that names it for as long as we hold it.
#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) pid: i32,
    pub(crate) pidfd: OwnedFd,
}

/// The worker's descriptors 0 to 3, and 4 where it has a register.
pub(crate) struct Stdio<'a> {
    pub(crate) input: BorrowedFd<'a>,
    pub(crate) output: BorrowedFd<'a>,
    pub(crate) error: BorrowedFd<'a>,
    pub(crate) control: BorrowedFd<'a>,
    pub(crate) register: Option<BorrowedFd<'a>>,
}

/// Bytes of the child's stack; it makes a dozen system calls, none deep.
const STACK: usize = 64 * 1024;
/// Descriptors from here on cannot collide with 0 to 4.
const ABOVE_STDIO: c_int = 10;

/// What the child needs and what it answers, in memory shared with the suspended parent.
struct Plan {
    path: *const c_char,
    argv: *const *const c_char,
    envp: *const *const c_char,
    /// The last is -1 where there is no register.
    fds: [c_int; 5],
    parent: libc::pid_t,
    namespaces: c_int,
    /// Contents of `uid_map` and `gid_map`.
    maps: [CString; 2],
    failed: Option<(&'static str, c_int)>,
}

/// Starts the worker. Must be called from the thread that watches it: the kernel kills the worker
/// when this thread ends. Blocks until the new program runs (below a millisecond).
///
/// # Errors
/// The step that failed, in either process; nothing is left running then.
pub(crate) fn spawn(launch: &Launch, stdio: &Stdio<'_>) -> Result<Child, SpawnError> {
    let arguments = launch.arguments()?;
    let environment = launch.environment()?;
    let argv = pointers(&arguments);
    let envp = pointers(&environment);
    let dup = |fd| fcntl_dupfd_cloexec(fd, ABOVE_STDIO).map_err(step("fcntl(F_DUPFD_CLOEXEC)"));
    let fds = [
        dup(stdio.input)?,
        dup(stdio.output)?,
        dup(stdio.error)?,
        dup(stdio.control)?,
    ];
    let register = stdio.register.map(dup).transpose()?;
    let [input, output, error, control] = fds.each_ref().map(AsRawFd::as_raw_fd);
    let register = register.as_ref().map_or(-1, AsRawFd::as_raw_fd);
    let mut plan = Plan {
        path: arguments[0].as_ptr(),
        argv: argv.as_ptr(),
        envp: envp.as_ptr(),
        fds: [input, output, error, control, register],
        parent: rustix::process::getpid().as_raw_nonzero().get(),
        namespaces: launch.namespaces.flags(),
        maps: maps(),
        failed: None,
    };
    let (pid, pidfd) = clone_vfork(&mut plan, child)?;
    let Some((step, errno)) = plan.failed else {
        return Ok(Child { pid, pidfd });
    };
    // The child has ended already.
    reap(&pidfd);
    Err(SpawnError::Child {
        program: launch.program.clone(),
        step,
        source: io::Error::from_raw_os_error(errno),
    })
}

/// Tries whether this process may have children in such namespaces; one is started and ends at
/// once.
pub(crate) fn try_namespaces(flags: c_int) -> io::Result<()> {
    let mut plan = Plan {
        path: ptr::null(),
        argv: ptr::null(),
        envp: ptr::null(),
        fds: [-1; 5],
        parent: 0,
        namespaces: flags,
        maps: maps(),
        failed: None,
    };
    let (_, pidfd) = clone_vfork(&mut plan, trial).map_err(|error| match error {
        SpawnError::Parent { source, .. } => source,
        other => io::Error::other(other),
    })?;
    reap(&pidfd);
    match plan.failed {
        None => Ok(()),
        Some((step, errno)) => {
            let error = io::Error::from_raw_os_error(errno);
            Err(io::Error::new(error.kind(), format!("{step}: {error}")))
        }
    }
}

/// Takes the zombie of a child that has ended or is about to.
pub(crate) fn reap(pidfd: &OwnedFd) -> Option<rustix::process::WaitIdStatus> {
    rustix::process::waitid(
        rustix::process::WaitId::PidFd(std::os::fd::AsFd::as_fd(pidfd)),
        rustix::process::WaitIdOptions::EXITED,
    )
    .ok()
    .flatten()
}

/// Root inside is who we are outside: a program keeps the capabilities that it mounts with only
/// if it is executed as root. They are capabilities inside, and given up before a plugin is read.
fn maps() -> [CString; 2] {
    let line = |id: u32| CString::new(format!("0 {id} 1")).unwrap_or_default();
    [
        line(rustix::process::geteuid().as_raw()),
        line(rustix::process::getegid().as_raw()),
    ]
}

fn pointers(strings: &[CString]) -> Vec<*const c_char> {
    let mut pointers: Vec<_> = strings.iter().map(|s| s.as_ptr()).collect();
    pointers.push(ptr::null());
    pointers
}

fn clone_vfork(
    plan: &mut Plan,
    child: extern "C" fn(*mut c_void) -> c_int,
) -> Result<(libc::pid_t, OwnedFd), SpawnError> {
    let mut stack = vec![0u128; STACK / size_of::<u128>()];
    let mut pidfd: c_int = -1;
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD | libc::SIGCHLD;
    let flags = flags | plan.namespaces;
    // SAFETY: a zeroed sigset_t is a valid value for sigfillset to overwrite.
    let mut all: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: as above.
    let mut before: libc::sigset_t = unsafe { std::mem::zeroed() };
    // A handler of the daemon must not run in the child, which shares its memory.
    // SAFETY: both sets are valid, and only this thread's mask changes.
    unsafe {
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
    }
    // SAFETY: `stack` is 16-aligned, grows down from its end and outlives the child's use of it,
    // because CLONE_VFORK suspends this thread until the child has executed or ended; so do
    // `plan` and everything it points to. The child only makes async-signal-safe calls.
    let pid = unsafe {
        let top = stack.as_mut_ptr().add(stack.len()).cast::<c_void>();
        libc::clone(
            child,
            top,
            flags,
            ptr::from_mut(plan).cast::<c_void>(),
            &raw mut pidfd,
        )
    };
    let error = io::Error::last_os_error();
    // SAFETY: `before` was filled in above.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, ptr::null_mut()) };
    if pid < 0 {
        return Err(step("clone")(error));
    }
    // SAFETY: with CLONE_PIDFD a successful clone stored a new descriptor that nobody else owns.
    Ok((pid, unsafe { OwnedFd::from_raw_fd(pidfd) }))
}

/// Runs in the new process, on its own stack, in memory shared with the suspended parent.
extern "C" fn child(plan: *mut c_void) -> c_int {
    let plan = plan.cast::<Plan>();
    // SAFETY: `plan` is the parent's, which is suspended: nobody else reads or writes it.
    let plan = unsafe { &mut *plan };
    // SAFETY: nothing in it but async-signal-safe calls, see there.
    let step = unsafe { become_worker(plan) };
    // SAFETY: errno of the call that failed; the parent is suspended and does not use it.
    plan.failed = Some((step, unsafe { *libc::__errno_location() }));
    127
}

/// As [`child`], of a process that is there to see whether it comes to be.
extern "C" fn trial(plan: *mut c_void) -> c_int {
    let plan = plan.cast::<Plan>();
    // SAFETY: as in `child`.
    let plan = unsafe { &mut *plan };
    // SAFETY: as in `child`.
    if let Err(step) = unsafe { enter_user_namespace(plan) } {
        // SAFETY: as in `child`.
        plan.failed = Some((step, unsafe { *libc::__errno_location() }));
    }
    0
}

/// Says who is who in a fresh user namespace, if there is one.
///
/// # Safety
/// As [`become_worker`].
unsafe fn enter_user_namespace(plan: &Plan) -> Result<(), &'static str> {
    if plan.namespaces & libc::CLONE_NEWUSER == 0 {
        return Ok(());
    }
    let [users, groups] = &plan.maps;
    for (file, content, step) in [
        (c"/proc/self/setgroups", c"deny", "writing setgroups"),
        (c"/proc/self/uid_map", users.as_c_str(), "writing uid_map"),
        (c"/proc/self/gid_map", groups.as_c_str(), "writing gid_map"),
    ] {
        let bytes = content.to_bytes();
        // SAFETY: system calls on strings that the suspended parent keeps valid.
        let written = unsafe {
            let fd = libc::open(file.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
            fd >= 0 && libc::write(fd, bytes.as_ptr().cast(), bytes.len()) >= 0
        };
        // The descriptor is closed by `execve`, or with the process.
        if !written {
            return Err(step);
        }
    }
    Ok(())
}

/// Returns only if something failed, with the name of the step.
///
/// # Safety
/// Must run in a fresh child made by [`clone_vfork`]; makes async-signal-safe calls only.
unsafe fn become_worker(plan: &Plan) -> &'static str {
    // SAFETY: plain system calls on descriptors and strings that the suspended parent keeps valid.
    unsafe {
        // Handlers point into the daemon's code. Signals 32 and 33 are glibc's own and refuse.
        for signal in 1..=64 {
            libc::signal(signal, libc::SIG_DFL);
        }
        if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) != 0 {
            return "prctl(PR_SET_PDEATHSIG)";
        }
        // The parent may have died before the line above; then nobody would end this worker but
        // the end of its control socket, which is all that a process can see that is the first of
        // its namespace: its parent has no number there.
        let is_first = plan.namespaces & libc::CLONE_NEWPID != 0;
        if !is_first && libc::getppid() != plan.parent {
            *libc::__errno_location() = libc::ESRCH;
            return "getppid";
        }
        // A terminal's Ctrl-C is for the daemon, which then ends its workers in order.
        if libc::setsid() < 0 {
            return "setsid";
        }
        if let Err(step) = enter_user_namespace(plan) {
            return step;
        }
        for (target, source) in (0..).zip(plan.fds) {
            if source >= 0 && libc::dup2(source, target) < 0 {
                return "dup2";
            }
        }
        let first_other: libc::c_uint = if plan.fds[4] < 0 { 4 } else { 5 };
        // Everything of ours is close-on-exec already; this covers what a library opened without.
        // Kernels before 5.11 lack the call.
        libc::syscall(
            libc::SYS_close_range,
            first_other,
            libc::c_uint::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        );
        libc::umask(0o077);
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut());
        libc::execve(plan.path, plan.argv, plan.envp);
    }
    "execve"
}
