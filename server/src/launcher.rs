//! Starts workers: program, jail, private directory, hello.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use plugpen_proto::v1::{ErrorReason, Recording, WorkerLimits};
use plugpen_proto::worker::Hello;
use plugpen_proto::{Error, VERSION};
use plugpen_warden::{KillCause, Launch, Namespaces, Role, Sandbox, Users};
use tokio::sync::{Notify, Semaphore};

use crate::config::{Class, Config};
use crate::crashes::{Crashes, Subject};
use crate::jail::Jail;
use crate::jail_check;
use crate::live_workers::LiveWorkers;
use crate::recorder::Recorder;
use crate::worker_client::{Birth, Told, Worker};

/// How all workers of this daemon are started.
pub struct Launcher {
    program: PathBuf,
    device_program: PathBuf,
    sound: Vec<(OsString, OsString)>,
    jail: Jail,
    /// Looked for once, when the first worker is started.
    means: OnceLock<Means>,
    wants_namespaces: bool,
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
    max_devices: usize,
    devices: Arc<Semaphore>,
    live: LiveWorkers,
    started: Notify,
    crashes: Arc<Crashes>,
}

/// What this system has for jails from outside.
struct Means {
    namespaces: Namespaces,
    users: Option<Users>,
}

impl Means {
    /// Blocks for some milliseconds.
    fn find(wants_namespaces: bool) -> Self {
        let namespaces = match wants_namespaces {
            true => Namespaces::find(),
            false => Namespaces::none("switched off by the daemon's configuration"),
        };
        let users = Users::find();
        Self { namespaces, users }
    }
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
    /// Its jail, where it is not the daemon's own choice.
    pub jail: Option<Jail>,
    /// The path it was asked for, and the file or bundle that this is.
    pub path: String,
    /// See above; empty where there is none.
    pub bundle: PathBuf,
    /// What it may use; `None` for all that need no limits of their own.
    pub limits: Option<WorkerLimits>,
    /// How much is kept of what it is told.
    pub recording: Recording,
}

impl Launcher {
    /// For workers whose private directories go below `private_dirs`.
    pub fn new(config: &Config, private_dirs: PathBuf) -> Self {
        Self {
            program: config.worker.clone(),
            device_program: config.device.clone(),
            sound: config.sound.clone(),
            jail: Jail::of(config),
            means: OnceLock::new(),
            wants_namespaces: config.namespaces,
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
            max_devices: config.limits.devices,
            devices: Arc::new(Semaphore::new(config.limits.devices)),
            live: LiveWorkers::default(),
            started: Notify::new(),
            crashes: Arc::new(Crashes::new(config)),
        }
    }

    /// How workers died.
    pub fn crashes(&self) -> Arc<Crashes> {
        self.crashes.clone()
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
            Role::Device => self.devices.clone().try_acquire_owned().ok(),
        };
        let permit = permit.ok_or_else(|| {
            let message = match errand.role {
                Role::Device => format!(
                    "all {} devices are in use (limit \"devices\"); close audio devices and MIDI inputs that are not needed",
                    self.max_devices
                ),
                Role::Plugin | Role::Probe => format!(
                    "all {} workers are in use (limit \"workers\"); close plugins that are not needed",
                    self.max_workers
                ),
            };
            Error::new(ErrorReason::LimitReached, message)
        })?;
        let program = self.program_of(errand.role)?;
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let is_worker = errand.role != Role::Device;
        let jail = errand.jail.unwrap_or_else(|| self.jail.clone());
        let level = jail.level;
        let (namespaces, user) = match is_worker && level != Sandbox::Off {
            true => {
                let means = self
                    .means
                    .get_or_init(|| Means::find(self.wants_namespaces));
                let user = means.users.as_ref().and_then(Users::take);
                (means.namespaces.clone(), user.map(Arc::new))
            }
            false => (Namespaces::default(), None),
        };
        let launch = Launch {
            program,
            role: errand.role,
            sandbox: level,
            private_dir: self.private_dirs.join(format!("w{number}")),
            read_only: [errand.read_only, jail.read_only, self.read_only.clone()].concat(),
            lv2_path: match errand.role {
                Role::Device => None,
                Role::Plugin | Role::Probe => self.lv2_path.clone(),
            },
            sound: match errand.role {
                Role::Device => self.sound.clone(),
                Role::Plugin | Role::Probe => Vec::new(),
            },
            mode: jail.mode,
            read_write: jail.read_write,
            namespaces,
            user,
            limits: errand.limits,
        };
        let birth = Birth {
            name: errand.name,
            generation: errand.generation,
            max_pending: self.max_pending,
            permit,
            subject: Subject::new(errand.role, &errand.path, errand.bundle),
            crashes: self.crashes.clone(),
            limits: errand.limits,
            recorder: Recorder::new(errand.recording),
        };
        let spawned = tokio::task::spawn_blocking(move || Worker::spawn(launch, birth, tell)).await;
        let (worker, greeting) = match spawned {
            Ok(Ok(spawned)) => spawned,
            Ok(Err(error)) => return Err(Error::bug(error.to_string())),
            Err(error) => return Err(Error::bug(format!("starting a worker: {error}"))),
        };
        self.live.add(&worker);
        self.started.notify_one();
        let required = is_worker && level == Sandbox::Required;
        match self.greet(&worker, greeting, is_worker, required).await {
            Ok(hello) => Ok((worker, hello)),
            Err(error) => {
                worker.close(self.close_deadline).await;
                Err(error)
            }
        }
    }

    fn program_of(&self, role: Role) -> Result<PathBuf, Error> {
        let program = match role {
            Role::Plugin | Role::Probe => return Ok(self.program.clone()),
            Role::Device => &self.device_program,
        };
        program.canonicalize().map_err(|error| {
            Error::new(
                ErrorReason::Unsupported,
                format!(
                    "there are no sound devices without the program {} ({error}); install plugpen-device beside plugpend or name it with --device",
                    program.display()
                ),
            )
        })
    }

    async fn greet(
        &self,
        worker: &Worker,
        greeting: tokio::sync::oneshot::Receiver<Hello>,
        is_worker: bool,
        required: bool,
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
        worker.is_known_as(hello.sandbox.clone());
        // A device loads no plugin, and has no jail.
        if required && hello.sandbox.as_ref().is_none_or(jail_check::is_refuted) {
            return Err(Error::bug(
                "the sandbox is required, and the worker's jail does not stand as it says; report this",
            ));
        }
        if hello.version != VERSION {
            return Err(Error::new(
                ErrorReason::VersionMismatch,
                format!(
                    "the program {} is version {:?}, the daemon is {VERSION}; install both from one build",
                    match is_worker {
                        true => self.program.display(),
                        false => self.device_program.display(),
                    },
                    hello.version
                ),
            ));
        }
        Ok(hello)
    }
}
