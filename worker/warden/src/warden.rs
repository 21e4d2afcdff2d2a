//! The handle of one worker.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use plugpen_proto::framing::{self, FramingError};
use plugpen_proto::worker::ToWorker;
use rustix::event::EventfdFlags;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustix::pipe::PipeFlags;
use rustix::process::Signal;

use crate::end::{ExitStatus, KillCause};
use crate::launch::Launch;
use crate::outbox::{MAX_FDS, Outbox};
use crate::private_dir;
use crate::register::Register;
use crate::spawn::{self, Child, SpawnError, Stdio, step};
use crate::tracer::{Dying, Inquest, Tracer};
use crate::watch::{Report, Watch};

/// How long a drop waits for the thread. After SIGKILL it takes well below a millisecond, unless
/// the worker is stuck in the kernel.
const JOIN_DEADLINE: Duration = Duration::from_secs(2);
/// Stack of a watching thread; its depth is ours, buffers are on the heap.
const THREAD_STACK: usize = 512 * 1024;

/// Why a message was not sent.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum SendError {
    /// The worker reads too slowly: its queue is full.
    #[error("the worker does not read: too many messages wait for it")]
    Full,
    /// The worker has closed its end; its death is being reported.
    #[error("the worker has closed its control channel")]
    Closed,
    /// More descriptors than a message can carry.
    #[error("a message carries at most {MAX_FDS} descriptors")]
    TooManyDescriptors,
    /// The message is too long for the channel.
    #[error(transparent)]
    Framing(#[from] FramingError),
}

/// What the handle and the thread share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) control: UnixStream,
    pub(crate) outbox: Mutex<Outbox>,
    /// An eventfd: something waits in the outbox.
    pub(crate) doorbell: OwnedFd,
    pub(crate) pidfd: OwnedFd,
    pub(crate) first: Option<First>,
    pub(crate) cause: Mutex<Option<KillCause>>,
    pub(crate) inquest: Inquest,
    over: Mutex<bool>,
    over_changed: Condvar,
}

/// The first process of the worker's namespaces, which waits for the worker and ends with it.
#[derive(Debug)]
pub(crate) struct First {
    pidfd: OwnedFd,
    register: Register,
}

impl First {
    /// How the worker ended.
    fn status(&self) -> ExitStatus {
        match self.register.end() {
            // It was killed itself, and the kernel took the worker with it.
            ExitStatus::Unknown => ExitStatus::from(spawn::reap(&self.pidfd)),
            told => told,
        }
    }
}

impl Shared {
    /// How the worker ended, which it has.
    pub(crate) fn status(&self) -> ExitStatus {
        match &self.first {
            None => ExitStatus::from(spawn::reap(&self.pidfd)),
            Some(first) => first.status(),
        }
    }

    /// Waits until nothing of the worker's namespaces is left.
    pub(crate) fn bury(&self) {
        if let Some(first) = &self.first {
            spawn::reap(&first.pidfd);
        }
    }

    pub(crate) fn kill(&self, cause: KillCause) {
        let wants_stacks = cause.wants_stacks();
        lock(&self.cause).get_or_insert(cause);
        let dying = Dying {
            status: ExitStatus::Signaled(libc::SIGKILL),
            fault: None,
        };
        if wants_stacks && self.inquest.want(dying) {
            self.ring();
        } else if self.inquest.dying().is_none() {
            self.end_it();
        }
        // Else it is being looked at, which has an end.
    }

    /// Sends SIGKILL.
    pub(crate) fn end_it(&self) {
        self.signal(Signal::KILL);
    }

    /// Stops it for the tracer, which then looks at it. SIGSTOP reaches whatever runs, SIGCONT what
    /// was stopped before.
    pub(crate) fn stop(&self) {
        self.signal(Signal::CONT);
        self.signal(Signal::STOP);
    }

    fn signal(&self, signal: Signal) {
        // It may have ended already; the pidfd cannot name another process.
        let _ = rustix::process::pidfd_send_signal(&self.pidfd, signal);
    }

    /// Wakes up the watching thread.
    pub(crate) fn ring(&self) {
        // It fails only when the counter is full, and then the bell is ringing.
        let _ = rustix::io::write(&self.doorbell, &1u64.to_ne_bytes());
    }

    fn set_over(&self) {
        *lock(&self.over) = true;
        self.over_changed.notify_all();
    }
}

/// No code of ours panics while holding one of these locks, and a poisoned one holds valid data.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One worker process and the thread that watches it. Dropping it kills the worker and waits up
/// to two seconds for the thread.
#[derive(Debug)]
pub struct Warden {
    shared: Arc<Shared>,
    pid: u32,
    private_dir: PathBuf,
    thread: Option<JoinHandle<()>>,
}

impl Warden {
    /// Starts a worker and its watching thread. Blocks until the program runs or has failed to,
    /// a few milliseconds.
    ///
    /// # Errors
    /// The step that failed; no process, thread or directory is left behind.
    pub fn spawn(launch: Launch, report: impl Report) -> Result<Self, SpawnError> {
        let private_dir = launch.private_dir.clone();
        let (started, starting) = mpsc::sync_channel(1);
        let thread = thread::Builder::new()
            .name("warden".into())
            .stack_size(THREAD_STACK)
            .spawn(move || live(launch, report, &started))
            .map_err(step("starting a thread"))?;
        match starting.recv() {
            Ok(Ok((shared, pid))) => Ok(Self {
                shared,
                pid,
                private_dir,
                thread: Some(thread),
            }),
            Ok(Err(error)) => {
                let _ = thread.join();
                Err(error)
            }
            Err(gone) => Err(step("the watching thread")(std::io::Error::other(gone))),
        }
    }

    /// The worker's process id, as the daemon sees it.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether the worker's death will be looked at; why not. Waits a little where that is not
    /// known yet, right after the start.
    ///
    /// # Errors
    /// What the system says to tracing.
    pub fn traced(&self) -> Result<(), String> {
        self.shared.inquest.traced(JOIN_DEADLINE)
    }

    /// The worker's private directory.
    pub fn private_dir(&self) -> &Path {
        &self.private_dir
    }

    /// Sends a message, and descriptors beside its first byte. Never blocks. Any thread.
    ///
    /// # Errors
    /// See [`SendError`]; the message was not sent, not even in part.
    pub fn send(&self, message: &ToWorker, fds: Vec<OwnedFd>) -> Result<(), SendError> {
        if fds.len() > MAX_FDS {
            return Err(SendError::TooManyDescriptors);
        }
        let mut bytes = Vec::new();
        framing::encode(message, &mut bytes)?;
        let mut outbox = lock(&self.shared.outbox);
        let was_empty = outbox.is_empty();
        if !outbox.push(bytes, fds) {
            return Err(SendError::Full);
        }
        // Usually the socket takes it here and now, which spares a change of thread.
        if was_empty {
            outbox
                .flush(self.shared.control.as_fd())
                .map_err(|_| SendError::Closed)?;
            if !outbox.is_empty() {
                self.shared.ring();
            }
        }
        Ok(())
    }

    /// Kills the worker; the first cause given is the one reported. Never blocks. Any thread.
    pub fn kill(&self, cause: KillCause) {
        self.shared.kill(cause);
    }

    /// Waits until the end has been reported and the private directory is gone; `false` if that
    /// takes longer. Blocks.
    pub fn wait(&self, timeout: Duration) -> bool {
        let over = lock(&self.shared.over);
        let (over, _) = self
            .shared
            .over_changed
            .wait_timeout_while(over, timeout, |over| !*over)
            .unwrap_or_else(PoisonError::into_inner);
        *over
    }
}

impl Drop for Warden {
    fn drop(&mut self) {
        self.kill(KillCause::Closed);
        let Some(thread) = self.thread.take() else {
            return;
        };
        // A report may hold the last handle of its own worker.
        if thread.thread().id() == thread::current().id() {
            return;
        }
        if self.wait(JOIN_DEADLINE) {
            let _ = thread.join();
        } else {
            tracing::error!(
                pid = self.pid,
                "a killed worker does not end; it is stuck in the kernel"
            );
        }
    }
}

type Started = Result<(Arc<Shared>, u32), SpawnError>;

/// The whole life of the watching thread.
fn live(launch: Launch, report: impl Report, started: &mpsc::SyncSender<Started>) {
    if let Err(source) = private_dir::create(&launch.private_dir) {
        let path = launch.private_dir;
        let _ = started.send(Err(SpawnError::PrivateDir { path, source }));
        return;
    }
    match start(&launch) {
        Ok((shared, pid, output, error)) => {
            let _ = started.send(Ok((shared.clone(), pid)));
            Watch::new(&shared, output, error, report).run();
            shared.bury();
            remove(&launch.private_dir);
            shared.set_over();
        }
        Err(failure) => {
            remove(&launch.private_dir);
            let _ = started.send(Err(failure));
        }
    }
}

fn remove(dir: &Path) {
    if let Err(error) = private_dir::remove_tree(dir) {
        tracing::warn!(dir = %dir.display(), %error, "cannot remove a worker's private directory");
    }
}

/// Ours and theirs.
fn register_pair() -> Result<(Register, OwnedFd), SpawnError> {
    let (ours, theirs) = rustix::net::socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )
    .map_err(step("socketpair"))?;
    Ok((Register::new(ours), theirs))
}

fn start(launch: &Launch) -> Result<(Arc<Shared>, u32, OwnedFd, OwnedFd), SpawnError> {
    let null = File::open("/dev/null").map_err(step("opening /dev/null"))?;
    let (control, theirs) = UnixStream::pair().map_err(step("socketpair"))?;
    control.set_nonblocking(true).map_err(step("fcntl"))?;
    let doorbell = rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
        .map_err(step("eventfd"))?;
    // Only our ends do not block: a worker that prints waits for its reader.
    let pipe = || rustix::pipe::pipe_with(PipeFlags::CLOEXEC).map_err(step("pipe2"));
    let (output, output_end) = pipe()?;
    let (error, error_end) = pipe()?;
    for end in [&output, &error] {
        rustix::io::ioctl_fionbio(end, true).map_err(step("ioctl(FIONBIO)"))?;
    }
    let (register, register_end) = match launch.has_register() {
        true => Some(register_pair()?),
        false => None,
    }
    .unzip();
    let mut child = spawn::spawn(
        launch,
        &Stdio {
            input: null.as_fd(),
            output: output_end.as_fd(),
            error: error_end.as_fd(),
            control: theirs.as_fd(),
            register: register_end.as_ref().map(OwnedFd::as_fd),
        },
    )?;
    drop(register_end);
    let mut first = None;
    if let Some(register) = register {
        match register.birth(control.as_fd()) {
            Ok((pid, pidfd)) => {
                let pidfd = std::mem::replace(&mut child, Child { pid, pidfd }).pidfd;
                first = Some(First { pidfd, register });
            }
            // Then the process itself is what is watched: it has died, or is no worker of ours,
            // and either will be told in its place.
            Err(error) => tracing::warn!(%error, "a worker is the first of its namespaces"),
        }
    }
    let Child { pid, pidfd } = child;
    let shared = Shared {
        control,
        outbox: Mutex::default(),
        doorbell,
        pidfd,
        first,
        cause: Mutex::default(),
        inquest: Inquest::default(),
        over: Mutex::new(false),
        over_changed: Condvar::new(),
    };
    let shared = Arc::new(shared);
    trace(pid, &shared);
    let pid = u32::try_from(pid).unwrap_or(0);
    Ok((shared, pid, output, error))
}

/// Starts the thread that traces a worker. Without one a death is still seen, but not looked at.
fn trace(pid: i32, shared: &Arc<Shared>) {
    let traced = shared.clone();
    let thread = thread::Builder::new()
        .name("tracer".into())
        .stack_size(THREAD_STACK)
        .spawn(move || Tracer::run(pid, traced));
    if let Err(error) = thread {
        shared.inquest.set_traced(Err(error.to_string()));
    }
}
