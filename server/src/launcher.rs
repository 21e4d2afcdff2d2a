//! Starts workers: program, jail, private directory, hello.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use plugpen_proto::worker::Hello;
use plugpen_proto::{Error, VERSION, v1::ErrorReason};
use plugpen_warden::{KillCause, Launch, Role, Sandbox};
use tokio::sync::{Notify, Semaphore};

use crate::config::{Class, Config};
use crate::jail_check;
use crate::live_workers::LiveWorkers;
use crate::worker_client::{Birth, Told, Worker};

/// How all workers of this daemon are started.
pub struct Launcher {
    program: PathBuf,
    sandbox: Sandbox,
    read_only: Vec<PathBuf>,
    lv2_path: Option<OsString>,
    private_dirs: PathBuf,
    hello_deadline: Duration,
    close_deadline: Duration,
    max_pending: usize,
    max_workers: usize,
    next: AtomicU64,
    workers: Arc<Semaphore>,
    probes: Arc<Semaphore>,
    live: LiveWorkers,
    started: Notify,
}

/// What a worker is started for.
pub struct Errand {
    /// Hosting or probing.
    pub role: Role,
    /// What it may read.
    pub read_only: Vec<PathBuf>,
    /// What it is called in a death's summary.
    pub name: String,
    /// Which worker of its plugin it is.
    pub generation: u64,
}

impl Launcher {
    /// For workers whose private directories go below `private_dirs`.
    pub fn new(config: &Config, private_dirs: PathBuf) -> Self {
        Self {
            program: config.worker.clone(),
            sandbox: config.sandbox,
            read_only: config.read_only.clone(),
            lv2_path: config.search_paths.lv2.clone(),
            private_dirs,
            hello_deadline: config.deadlines.of(Class::Control),
            close_deadline: Duration::from_secs_f64(config.deadlines.close_seconds),
            max_pending: config.limits.calls_per_plugin,
            max_workers: config.limits.workers,
            next: AtomicU64::new(1),
            workers: Arc::new(Semaphore::new(config.limits.workers)),
            probes: Arc::new(Semaphore::new(config.limits.probes.max(1))),
            live: LiveWorkers::default(),
            started: Notify::new(),
        }
    }

    /// All workers that live.
    pub fn live(&self) -> Vec<Arc<Worker>> {
        self.live.get()
    }

    /// Waits for a worker to be started; one that was since this was last asked counts. For one
    /// task only.
    pub async fn started(&self) {
        self.started.notified().await;
    }

    /// Starts a worker and waits for its hello. A probe waits for its turn; a plugin does not.
    ///
    /// # Errors
    /// Too many workers; a worker that cannot be started, dies before its hello, is silent or of
    /// another version.
    pub async fn launch(
        &self,
        errand: Errand,
        tell: impl FnMut(Told) + Send + 'static,
    ) -> Result<(Arc<Worker>, Hello), Error> {
        let permit = match errand.role {
            Role::Probe => self.probes.clone().acquire_owned().await.ok(),
            Role::Plugin => self.workers.clone().try_acquire_owned().ok(),
        };
        let permit = permit.ok_or_else(|| {
            Error::new(
                ErrorReason::LimitReached,
                format!(
                    "all {} workers are in use (limit \"workers\"); close plugins that are not needed",
                    self.max_workers
                ),
            )
        })?;
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let launch = Launch {
            program: self.program.clone(),
            role: errand.role,
            sandbox: self.sandbox,
            private_dir: self.private_dirs.join(format!("w{number}")),
            read_only: [errand.read_only, self.read_only.clone()].concat(),
            lv2_path: self.lv2_path.clone(),
        };
        let birth = Birth {
            name: errand.name,
            generation: errand.generation,
            max_pending: self.max_pending,
            permit,
        };
        let spawned = tokio::task::spawn_blocking(move || Worker::spawn(launch, birth, tell)).await;
        let (worker, greeting) = match spawned {
            Ok(Ok(spawned)) => spawned,
            Ok(Err(error)) => return Err(Error::bug(error.to_string())),
            Err(error) => return Err(Error::bug(format!("starting a worker: {error}"))),
        };
        self.live.add(&worker);
        self.started.notify_one();
        match self.greet(&worker, greeting).await {
            Ok(hello) => Ok((worker, hello)),
            Err(error) => {
                worker.close(self.close_deadline).await;
                Err(error)
            }
        }
    }

    async fn greet(
        &self,
        worker: &Worker,
        greeting: tokio::sync::oneshot::Receiver<Hello>,
    ) -> Result<Hello, Error> {
        let hello = match tokio::time::timeout(self.hello_deadline, greeting).await {
            Ok(Ok(hello)) => hello,
            Ok(Err(_)) => return Err(worker.ended_error().await),
            Err(_) => {
                worker.kill(KillCause::Hang);
                return Err(worker.ended_error().await);
            }
        };
        let hello = Hello {
            sandbox: hello
                .sandbox
                .map(|report| jail_check::checked(report, worker.pid())),
            ..hello
        };
        if self.sandbox == Sandbox::Required
            && hello.sandbox.as_ref().is_none_or(jail_check::is_refuted)
        {
            return Err(Error::bug(
                "the sandbox is required, and the worker's jail does not stand as it says; report this",
            ));
        }
        if hello.version != VERSION {
            return Err(Error::new(
                ErrorReason::VersionMismatch,
                format!(
                    "the worker {} is version {:?}, the daemon is {VERSION}; install both from one build",
                    self.program.display(),
                    hello.version
                ),
            ));
        }
        Ok(hello)
    }
}
