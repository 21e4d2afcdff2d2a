//! Typed calls to one worker, and its death.
//!
//! A worker's main thread executes calls in order, so the oldest pending call is the one that is
//! running: it is what a death is blamed on, and only its deadline counts. The deadline belongs to
//! the worker, not to whoever asked: a client that gives up leaves the call pending, and the
//! watchdog still kills the worker if it never answers.

mod listener;

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use plugpen_proto::Error;
use plugpen_proto::calls::WorkerCall;
use plugpen_proto::v1::{
    CrashedPlugin, Death, ErrorReason, FlightRecording, LogSource, MemoryGrowth, PluginDescription,
    SandboxReport, WorkerLimits,
};
use plugpen_proto::worker::{Event, Hello, ToWorker, from_worker, to_worker};
use plugpen_shm::Regions;
use plugpen_warden::{KillCause, SendError, Warden};
use tokio::sync::{OwnedSemaphorePermit, oneshot, watch};

use crate::crashes::{CallLog, Crashes, Subject};
use crate::deaths::LastSeen;
use crate::guards::{Block, Guards};
use crate::lock::lock;
use crate::meter::{Finding, Meter};
use crate::recorder::{About, Recorder};
use listener::Listener;

/// What a worker does by itself, told from its watching thread: must not block.
pub enum Told {
    /// Something the plugin did.
    Event(Event),
    /// A line the worker printed.
    Output(LogSource, String),
    /// It died, and nobody had closed it. The last thing told.
    Died(Arc<Death>),
}

/// How a call is to be made.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// Blocks the client had submitted before it.
    pub after_block: u64,
    /// How long the worker may take, counted from when it begins with this call.
    pub deadline: Duration,
}

/// How a worker ended.
#[derive(Debug, Clone)]
pub enum Ended {
    /// The daemon closed it.
    Closed,
    /// It died.
    Died(Arc<Death>),
}

impl Ended {
    /// What a call says that was running then.
    fn during(&self) -> Error {
        match self {
            Self::Closed => closed(),
            Self::Died(death) => Error::died(Death::clone(death)),
        }
    }

    /// What a later call says.
    fn after(&self) -> Error {
        match self {
            Self::Closed => closed(),
            Self::Died(death) => Error::dead(Death::clone(death)),
        }
    }
}

fn closed() -> Error {
    Error::new(
        ErrorReason::PluginClosed,
        "the plugin was closed or restarted; open it again, or use the restarted one",
    )
}

type Body = from_worker::Body;

struct Pending {
    name: &'static str,
    /// The worker stops playing for it.
    parks: bool,
    since: Instant,
    deadline: Duration,
    answer: oneshot::Sender<Result<Body, Error>>,
}

/// What a worker was killed for not doing in time.
#[derive(Clone, Copy)]
enum Overdue {
    /// The call that runs.
    Call(Duration),
    /// A block, whatever calls were answered meanwhile.
    Block(Duration),
}

struct Inner {
    name: String,
    next_id: u64,
    pending: BTreeMap<u64, Pending>,
    last_answer: Instant,
    hello: Option<oneshot::Sender<Hello>>,
    rings: Option<Arc<Regions>>,
    /// Where the plugin's buffers are, if they are guarded.
    guards: Guards,
    /// How long it may owe a block of these rings.
    block_deadline: Duration,
    /// Blocks completed when that last changed, and when; for the watchdog.
    progress: (u64, Instant),
    overdue: Option<Overdue>,
    /// The place among the live workers, given back at the end.
    permit: Option<OwnedSemaphorePermit>,
    subject: Subject,
    calls: CallLog,
}

struct Shared {
    generation: u64,
    max_pending: usize,
    inner: Mutex<Inner>,
    ended: watch::Sender<Option<Ended>>,
    crashes: Arc<Crashes>,
    /// What it used so far, where that is limited.
    meter: Option<Mutex<Meter>>,
    recorder: Option<Recorder>,
    on_growth: OnceLock<Box<dyn Fn(MemoryGrowth) + Send + Sync>>,
}

/// One worker process. Dropping the last handle kills it.
pub struct Worker {
    // Only `drop` takes it.
    warden: Option<Warden>,
    shared: Arc<Shared>,
}

/// What a worker is made with, beside its launch.
pub struct Birth {
    /// What it is called until its plugin's name is known.
    pub name: String,
    /// Which worker of its plugin it is.
    pub generation: u64,
    /// Calls that may wait for it.
    pub max_pending: usize,
    /// Its place among the live workers.
    pub permit: OwnedSemaphorePermit,
    /// What it is, for the report of its death.
    pub subject: Subject,
    /// Where that goes.
    pub crashes: Arc<Crashes>,
    /// What it may use.
    pub limits: Option<WorkerLimits>,
    /// Keeps what it is told.
    pub recorder: Option<Recorder>,
}

impl Worker {
    /// Starts a worker; its hello comes through the receiver, which fails if it ends before.
    /// Blocks for a few milliseconds.
    ///
    /// # Errors
    /// What the warden says.
    pub fn spawn(
        launch: plugpen_warden::Launch,
        birth: Birth,
        tell: impl FnMut(Told) + Send + 'static,
    ) -> Result<(Arc<Self>, oneshot::Receiver<Hello>), plugpen_warden::SpawnError> {
        let (hello, greeting) = oneshot::channel();
        let now = Instant::now();
        let shared = Arc::new(Shared {
            generation: birth.generation,
            max_pending: birth.max_pending,
            inner: Mutex::new(Inner {
                name: birth.name,
                next_id: 1,
                pending: BTreeMap::new(),
                last_answer: now,
                hello: Some(hello),
                rings: None,
                guards: Guards::default(),
                block_deadline: Duration::MAX,
                progress: (0, now),
                overdue: None,
                permit: Some(birth.permit),
                subject: birth.subject,
                calls: CallLog::default(),
            }),
            ended: watch::Sender::new(None),
            crashes: birth.crashes,
            meter: birth.limits.map(|limits| Mutex::new(Meter::new(limits))),
            recorder: birth.recorder,
            on_growth: OnceLock::new(),
        });
        let listener = Listener {
            shared: shared.clone(),
            tell,
            case: None,
        };
        let warden = Some(Warden::spawn(launch, listener)?);
        Ok((Arc::new(Self { warden, shared }), greeting))
    }

    fn warden(&self) -> &Warden {
        self.warden
            .as_ref()
            .expect("only drop takes the warden out")
    }

    /// Which worker of its plugin it is.
    pub fn generation(&self) -> u64 {
        self.shared.generation
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.warden().pid()
    }

    /// Its private directory.
    pub fn private_dir(&self) -> &std::path::Path {
        self.warden().private_dir()
    }

    /// What it is called in a death's summary, and what it reads.
    pub fn set_name(&self, name: &str) {
        let mut inner = lock(&self.shared.inner);
        name.clone_into(&mut inner.name);
        name.clone_into(&mut inner.subject.plugin.path);
    }

    /// What it has loaded, for the report of its death.
    pub fn set_plugin(&self, description: &PluginDescription) {
        let mut inner = lock(&self.shared.inner);
        inner.name.clone_from(&description.name);
        let plugin = &mut inner.subject.plugin;
        *plugin = CrashedPlugin {
            name: description.name.clone(),
            vendor: description.vendor.clone(),
            version: description.version.clone(),
            format: description.format,
            identifier: description.identifier.clone(),
            path: std::mem::take(&mut plugin.path),
            ..CrashedPlugin::default()
        };
    }

    /// How its jail stands, for the report of its death; with that, whether there will be one.
    pub fn is_known_as(&self, sandbox: Option<SandboxReport>) {
        // Known since before its first message was read.
        let untraced = self.warden().traced().err();
        if let Some(why) = &untraced {
            tracing::warn!(pid = self.pid(), %why, "this worker's death will not be looked into");
        }
        let mut inner = lock(&self.shared.inner);
        inner.subject.sandbox = sandbox;
        inner.subject.untraced = untraced.map(|why| {
            format!("the worker could not be traced ({why}), so nothing was seen of its death")
        });
    }

    /// Makes a call and waits for its answer. Dropping the future leaves the call running.
    ///
    /// # Errors
    /// The worker's own; its death during the call, or before it; a full queue.
    pub async fn call<R: WorkerCall>(
        &self,
        request: R,
        terms: Terms,
        fds: Vec<OwnedFd>,
    ) -> Result<R::Response, Error> {
        let answer = self.begin(request.into_call(), terms, fds)?;
        let body = match answer.await {
            Ok(answer) => answer?,
            Err(_) => return Err(Error::bug("a pending call was forgotten; report this")),
        };
        if let Some(response) = R::response(body) {
            return Ok(response);
        }
        self.kill(KillCause::Protocol(format!(
            "it answered {} with something else",
            R::NAME
        )));
        Err(self.ended_error().await)
    }

    /// As [`Worker::call`], for a call that is known at run time only; whatever it is answered with
    /// counts.
    ///
    /// # Errors
    /// As [`Worker::call`].
    pub async fn call_any(&self, call: to_worker::Call, terms: Terms) -> Result<(), Error> {
        match self.begin(call, terms, Vec::new())?.await {
            Ok(answer) => answer.map(drop),
            Err(_) => Err(Error::bug("a pending call was forgotten; report this")),
        }
    }

    fn begin(
        &self,
        call: to_worker::Call,
        terms: Terms,
        fds: Vec<OwnedFd>,
    ) -> Result<oneshot::Receiver<Result<Body, Error>>, Error> {
        let mut inner = lock(&self.shared.inner);
        if let Some(ended) = &*self.shared.ended.borrow() {
            return Err(ended.after());
        }
        if inner.pending.len() >= self.shared.max_pending {
            return Err(Error::new(
                ErrorReason::LimitReached,
                format!(
                    "{} calls wait for this plugin already; wait for some of them",
                    inner.pending.len()
                ),
            ));
        }
        let id = inner.next_id;
        let (name, parks) = (call.name(), call.parks());
        let message = ToWorker {
            id,
            after_block: terms.after_block,
            call: Some(call),
        };
        inner.calls.begin(
            id,
            public_name(name),
            message.call.as_ref(),
            terms.after_block,
        );
        // Under the lock, so that ids go out in order.
        match self.warden().send(&message, fds) {
            // Closed: the death that is being reported answers it.
            Ok(()) | Err(SendError::Closed) => {
                if let Some(recorder) = &self.shared.recorder {
                    recorder.note(&message);
                }
            }
            Err(SendError::Full) => {
                return Err(Error::new(
                    ErrorReason::LimitReached,
                    "the plugin does not take calls at the moment; wait for the ones that run",
                ));
            }
            Err(error) => return Err(Error::invalid(error.to_string())),
        }
        inner.next_id += 1;
        let (answer, receiver) = oneshot::channel();
        let pending = Pending {
            name,
            parks,
            since: Instant::now(),
            deadline: terms.deadline,
            answer,
        };
        inner.pending.insert(id, pending);
        Ok(receiver)
    }

    /// Plays through these regions and buffers from now on; the regions are declared dead with the worker, and
    /// earlier ones at once.
    pub fn set_rings(&self, regions: Arc<Regions>, guards: Guards, block_deadline: Duration) {
        if let Some(recorder) = &self.shared.recorder {
            recorder.rings_attached();
        }
        let mut inner = lock(&self.shared.inner);
        inner.guards = guards;
        inner.block_deadline = block_deadline;
        if self.shared.ended.borrow().is_some() {
            regions.mark_dead();
        }
        inner.progress = (0, Instant::now());
        if let Some(earlier) = inner.rings.replace(regions) {
            earlier.mark_dead();
        }
    }

    /// What it was told and played before it died; `None` where that was not kept. Reads the rings'
    /// memory.
    pub fn recording(&self, death: &Death, about: About<'_>) -> Option<FlightRecording> {
        let recorder = self.shared.recorder.as_ref()?;
        let rings = lock(&self.shared.inner).rings.clone();
        Some(recorder.take(death, rings.as_deref(), about))
    }

    /// Whether it is recorded.
    pub fn is_recorded(&self) -> bool {
        self.shared.recorder.is_some()
    }

    /// Kills it. Never blocks.
    pub fn kill(&self, cause: KillCause) {
        self.warden().kill(cause);
    }

    /// Waits until it has ended.
    pub async fn ended(&self) -> Ended {
        let mut ended = self.shared.ended.subscribe();
        match ended.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(ended)) => ended.clone(),
            // The sender lives in `self`.
            _ => Ended::Closed,
        }
    }

    /// Waits until it has ended; what a call says that was running then.
    pub async fn ended_error(&self) -> Error {
        self.ended().await.during()
    }

    /// How it ended, if it has.
    pub fn has_ended(&self) -> Option<Ended> {
        self.shared.ended.borrow().clone()
    }

    /// Kills it and waits until nothing is left of it, up to a deadline.
    pub async fn close(self: Arc<Self>, deadline: Duration) {
        self.kill(KillCause::Closed);
        let gone = tokio::task::spawn_blocking(move || self.warden().wait(deadline));
        if !matches!(gone.await, Ok(true)) {
            tracing::warn!("a worker did not end in time after it was killed");
        }
    }

    /// Has the growth of its memory told. Once.
    pub fn on_growth(&self, tell: impl Fn(MemoryGrowth) + Send + Sync + 'static) {
        let _ = self.shared.on_growth.set(Box::new(tell));
    }

    /// Looks at what it uses: kills it where that is too much, tells of its growth. Reads files of
    /// /proc. Blocks.
    pub fn measure(&self, now: Instant) {
        let Some(meter) = &self.shared.meter else {
            return;
        };
        let ring_bytes = {
            let inner = lock(&self.shared.inner);
            inner.rings.as_ref().map_or(0, |rings| rings.bytes())
        };
        // Where it has a root of its own, the directory is another one in there.
        let root = std::path::PathBuf::from(format!("/proc/{}/root", self.pid()));
        let dir = match self.private_dir().strip_prefix("/") {
            Ok(relative) => root.join(relative),
            Err(_) => self.private_dir().to_owned(),
        };
        let found = lock(meter).read(self.pid(), &dir, ring_bytes, now);
        match found {
            None => {}
            Some(Finding::TooMuch(cause)) => self.kill(cause),
            Some(Finding::Growth(growth)) => {
                if let Some(tell) = self.shared.on_growth.get() {
                    tell(growth);
                }
            }
        }
    }

    /// Kills it if the call that runs is overdue, or if blocks wait and none was completed for
    /// that long, but for the calls that stop the audio. For the watchdog.
    pub fn check(&self, now: Instant) {
        let mut inner = lock(&self.shared.inner);
        if self.shared.ended.borrow().is_some() || inner.overdue.is_some() {
            return;
        }
        inner.overdue = inner.call_overdue(now).or_else(|| inner.block_overdue(now));
        if inner.overdue.is_some() {
            self.warden().kill(KillCause::Hang);
        }
    }
}

impl Inner {
    fn call_overdue(&self, now: Instant) -> Option<Overdue> {
        let (_, oldest) = self.pending.first_key_value()?;
        let began = oldest.since.max(self.last_answer);
        let late = now.saturating_duration_since(began) > oldest.deadline;
        late.then_some(Overdue::Call(oldest.deadline))
    }

    fn block_overdue(&mut self, now: Instant) -> Option<Overdue> {
        let deadline = self.block_deadline;
        let progress = self.rings.as_ref()?.progress();
        let (completed, since) = self.progress;
        // A call that stops the audio has a deadline of its own. Others must not keep a hanging
        // block alive: a client may make them without end.
        let excused = self.pending.values().any(|call| call.parks);
        if excused || !progress.is_behind() || progress.completed != completed {
            self.progress = (progress.completed, now);
            return None;
        }
        let late = now.saturating_duration_since(since) > deadline;
        late.then_some(Overdue::Block(deadline))
    }

    fn last_seen(&self, generation: u64) -> LastSeen {
        let is_playing = || {
            self.rings
                .as_ref()
                .is_some_and(|r| r.progress().is_behind())
        };
        let (call, overdue) = match (self.overdue, self.pending.first_key_value()) {
            (Some(Overdue::Block(deadline)), _) => ("process", Some(deadline)),
            (Some(Overdue::Call(deadline)), Some((_, call))) => {
                (public_name(call.name), Some(deadline))
            }
            (_, Some((_, call))) => (public_name(call.name), None),
            (_, None) if is_playing() => ("process", None),
            (_, None) => ("", None),
        };
        LastSeen {
            name: self.name.clone(),
            call: call.to_owned(),
            overdue,
            generation,
            guards: self.guards.clone(),
            block: self.rings.as_ref().and_then(|rings| {
                let header = rings.block_under_way()?;
                Some(Block {
                    frames: header.frames,
                    sample: if header.double { 8 } else { 4 },
                })
            }),
        }
    }
}

/// What the client had called when the worker was asked for this.
fn public_name(name: &'static str) -> &'static str {
    match name {
        "Load" => "OpenPlugin",
        "Probe" => "ProbePlugin",
        "AttachRings" => "AttachAudio",
        "Ping" => "FlushEvents",
        name => name,
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let Some(warden) = self.warden.take() else {
            return;
        };
        warden.kill(KillCause::Closed);
        // Its drop waits for the thread, which an async thread should not.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || drop(warden))),
            Err(_) => drop(warden),
        }
    }
}
