//! What is known of an open plugin, shared by its handle, its ring and the event stream.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use plugpen_proto::v1::{
    AttachAudioRequest, AudioRings, Death, DeathKind, ErrorReason, GetPluginRequest,
    KillPluginRequest, OpenedPlugin, Parameter, ProcessorChanged,
};
use tonic::{Request, Response, Status};

use crate::callbacks::{
    CHANGE_LATENCY, CHANGE_NON_PARAM_STATE, CHANGE_PARAM_INFO, CHANGE_PROGRAM, Callbacks,
};
use crate::connection::{Api, Call, Connection, QUICK};
use crate::error::{self, Error, Result};
use crate::journal::Journal;
use crate::plugin::files::Handed;

/// How long a caller whose ring died waits for the daemon to say why. The news comes within a
/// millisecond of the death; this is for a machine with other things to do.
const WHY: Duration = Duration::from_millis(500);

pub(crate) struct Shared {
    pub(crate) connection: Arc<Connection>,
    pub(crate) handle: String,
    /// Blocks submitted to the present rings: the order between control and audio.
    pub(crate) submitted: AtomicU64,
    pub(crate) callbacks: Arc<Callbacks>,
    /// Parameter descriptions of the present generation; values and texts in them are old.
    pub(crate) descriptions: Mutex<Option<Arc<[Parameter]>>>,
    /// Files and texts given to the present worker.
    pub(crate) handed: Mutex<Handed>,
    facts: RwLock<Arc<OpenedPlugin>>,
    latency_samples: AtomicU32,
    /// The tail may have changed since it was last asked for.
    pub(crate) tail_is_stale: AtomicBool,
    journal: Mutex<Journal>,
    life: Mutex<Life>,
    changed: Condvar,
    /// Whether `life` has a death; a hint for those who do not want to lock.
    dead: AtomicBool,
    /// Called with each death.
    rescue: Mutex<Option<Rescue>>,
}

/// Begins to bring a dead plugin back. Must not block.
pub(crate) type Rescue = Arc<dyn Fn() + Send + Sync>;

#[derive(Default)]
struct Life {
    closed: bool,
    death: Option<Death>,
}

impl Shared {
    pub(crate) fn new(connection: Arc<Connection>, opened: OpenedPlugin) -> Shared {
        Shared {
            connection,
            handle: opened.handle.clone(),
            submitted: AtomicU64::new(0),
            callbacks: Arc::default(),
            descriptions: Mutex::default(),
            handed: Mutex::default(),
            latency_samples: AtomicU32::new(opened.latency_samples),
            tail_is_stale: AtomicBool::new(false),
            journal: Mutex::new(Journal::new(opened.num_parameters)),
            life: Mutex::new(Life {
                closed: false,
                death: opened.death.clone(),
            }),
            changed: Condvar::new(),
            dead: AtomicBool::new(opened.death.is_some()),
            rescue: Mutex::default(),
            facts: RwLock::new(Arc::new(opened)),
        }
    }

    /// What the daemon said when the present worker was ready.
    pub(crate) fn facts(&self) -> Arc<OpenedPlugin> {
        self.facts
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// A fresh worker has taken over.
    pub(crate) fn replace(&self, opened: OpenedPlugin) {
        let mut life = self.life();
        life.death = opened.death.clone();
        self.dead.store(opened.death.is_some(), Ordering::Release);
        self.latency_samples
            .store(opened.latency_samples, Ordering::Relaxed);
        self.submitted.store(0, Ordering::Release);
        self.journal().resize(opened.num_parameters);
        *lock(&self.descriptions) = None;
        self.tail_is_stale.store(false, Ordering::Relaxed);
        *self.facts.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(opened);
    }

    pub(crate) fn update(&self, change: impl FnOnce(&mut OpenedPlugin)) {
        let mut facts = self.facts.write().unwrap_or_else(PoisonError::into_inner);
        change(Arc::make_mut(&mut facts));
    }

    pub(crate) fn generation(&self) -> u64 {
        self.facts().generation
    }

    /// The plugin's name for messages.
    pub(crate) fn name(&self) -> String {
        let facts = self.facts();
        match facts.description.as_ref().map(|d| d.name.as_str()) {
            Some("") | None => "the plugin".into(),
            Some(name) => name.into(),
        }
    }

    pub(crate) fn latency_samples(&self) -> u32 {
        self.latency_samples.load(Ordering::Relaxed)
    }

    pub(crate) fn set_latency_samples(&self, latency: u32) {
        self.latency_samples.store(latency, Ordering::Relaxed);
    }

    pub(crate) fn journal(&self) -> MutexGuard<'_, Journal> {
        lock(&self.journal)
    }

    fn life(&self) -> MutexGuard<'_, Life> {
        lock(&self.life)
    }

    /// Takes in what the plugin said of itself; returns it as `CHANGE_` flags.
    pub(crate) fn note_change(&self, changed: &ProcessorChanged) -> u32 {
        self.tail_is_stale.store(true, Ordering::Relaxed);
        if changed.latency {
            self.set_latency_samples(changed.latency_samples);
        }
        if changed.parameter_info {
            *lock(&self.descriptions) = None;
        }
        [
            (changed.latency, CHANGE_LATENCY),
            (changed.parameter_info, CHANGE_PARAM_INFO),
            (changed.program, CHANGE_PROGRAM),
            (changed.non_parameter_state, CHANGE_NON_PARAM_STATE),
        ]
        .into_iter()
        .filter(|(is_set, _)| *is_set)
        .fold(0, |flags, (_, flag)| flags | flag)
    }

    /// Events were lost: whatever they might have said counts as said.
    pub(crate) fn lost_events(&self, count: u64) {
        self.callbacks.add_dropped(count);
        self.tail_is_stale.store(true, Ordering::Relaxed);
        *lock(&self.descriptions) = None;
    }

    /// The present worker died. A death of an earlier one is no news.
    pub(crate) fn note_death(&self, death: Death) {
        // Compared under the lock that `replace` holds: else this death could be the old worker's
        // and be noted for the fresh one.
        let mut life = self.life();
        if death.generation != 0 && death.generation < self.generation() {
            return;
        }
        life.death = Some(death);
        self.dead.store(true, Ordering::Release);
        drop(life);
        self.changed.notify_all();
        let rescue = lock(&self.rescue).clone();
        if let Some(rescue) = rescue {
            rescue();
        }
    }

    /// Whether the present worker is known to be dead.
    pub(crate) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Acquire)
    }

    /// What is called with each death from now on.
    pub(crate) fn set_rescue(&self, rescue: Rescue) {
        *lock(&self.rescue) = Some(rescue);
    }

    /// Wakes those who wait for news that will not come.
    pub(crate) fn wake(&self) {
        drop(self.life());
        self.changed.notify_all();
    }

    /// Marks the plugin closed; false where it already was.
    pub(crate) fn close(&self) -> bool {
        let mut life = self.life();
        let first = !life.closed;
        life.closed = true;
        self.changed.notify_all();
        first
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.life().closed
    }

    pub(crate) fn death(&self) -> Option<Death> {
        self.life().death.clone()
    }

    /// Refuses what cannot work: in a forked process, on a closed or dead plugin.
    pub(crate) fn check_alive(&self) -> Result<()> {
        self.check_open()?;
        match &self.life().death {
            Some(death) => Err(Error::dead(death.clone())),
            None => Ok(()),
        }
    }

    /// As [`Shared::check_alive`], but a dead plugin will do.
    pub(crate) fn check_open(&self) -> Result<()> {
        self.connection.core.check_process()?;
        if self.is_closed() {
            return Err(error::closed(&self.name()));
        }
        Ok(())
    }

    /// Makes a call that the plugin answers, after the blocks submitted so far.
    ///
    /// # Errors
    /// What the daemon says; a death in it is remembered.
    pub(crate) fn call<Q, R, F>(
        &self,
        name: &'static str,
        deadline: Duration,
        message: Q,
        send: impl FnOnce(Api, Request<Q>) -> F,
    ) -> Result<R>
    where
        F: Future<Output = std::result::Result<Response<R>, Status>>,
    {
        self.run(name, deadline, message, |api, request| {
            let answer = send(api, request);
            async move { answer.await.map(Response::into_inner) }
        })
    }

    /// As [`Shared::call`], for calls that are streams.
    ///
    /// # Errors
    /// As [`Shared::call`].
    pub(crate) fn run<Q, R, F>(
        &self,
        name: &'static str,
        deadline: Duration,
        message: Q,
        send: impl FnOnce(Api, Request<Q>) -> F,
    ) -> Result<R>
    where
        F: Future<Output = std::result::Result<R, Status>>,
    {
        self.check_alive()?;
        let call = Call {
            name,
            deadline,
            after_block: Some(self.submitted.load(Ordering::Acquire)),
        };
        let request = call.request(message);
        self.connection
            .run(call, send(self.connection.api(), request))
            .map_err(|error| self.note(error))
    }

    /// Remembers the death in an error.
    pub(crate) fn note(&self, error: Error) -> Error {
        if let Some(death) = &error.death {
            self.note_death((**death).clone());
        }
        error
    }

    /// Why the rings died: the error for a caller that had blocks under way, or had none.
    pub(crate) fn ring_died(&self, under_way: bool) -> Error {
        let mut death = match self.await_death() {
            Ok(death) => death,
            Err(error) => return error,
        };
        if death.summary.is_empty() {
            death.summary = error::unexplained_death(&self.name(), death.generation).summary;
        }
        if under_way {
            Error::died(death)
        } else {
            Error::dead(death)
        }
    }

    /// The worker scribbled over its rings: it is hostile or broken. Has the daemon end it.
    pub(crate) fn broke_protocol(&self, what: &str) -> Error {
        let request = KillPluginRequest {
            handle: self.handle.clone(),
            worker_pid: 0,
            broken_rings: what.to_owned(),
        };
        let killed = self.call(
            "KillPlugin",
            QUICK,
            request,
            |mut api, request| async move { api.plugins.kill_plugin(request).await },
        );
        if let Ok(Some(death)) = killed.map(|killed| killed.plugin.and_then(|plugin| plugin.death))
        {
            self.note_death(death.clone());
            return Error::died(death);
        }
        // Nobody is there to end it, or it has ended.
        let death = Death {
            kind: DeathKind::Protocol.into(),
            call: "process".into(),
            summary: format!(
                "{} broke the protocol of its audio rings: {what}.",
                self.name()
            ),
            generation: self.generation(),
            ..Death::default()
        };
        self.note_death(death.clone());
        Error::died(death)
    }

    /// The death of the present worker, which is certain; its cause comes on the event stream.
    fn await_death(&self) -> Result<Death> {
        let deadline = Instant::now() + WHY;
        let mut life = self.life();
        loop {
            if life.closed {
                return Err(error::closed(&self.name()));
            }
            if let Some(death) = &life.death {
                return Ok(death.clone());
            }
            if self.connection.is_gone() {
                return Err(self.connection.gone_error());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            life = self
                .changed
                .wait_timeout(life, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        drop(life);
        self.ask_for_death()
    }

    /// Rings for a new holder of this client's end.
    ///
    /// # Errors
    /// `PluginDead`, `PluginClosed`, and those of every call.
    pub(crate) fn fresh_rings(&self) -> Result<AudioRings> {
        self.check_alive()?;
        let request = AttachAudioRequest {
            handle: self.handle.clone(),
        };
        let attached = self.connection.call(
            Call::new("AttachAudio", QUICK),
            request,
            |mut api, request| async move { api.plugins.attach_audio(request).await },
        );
        attached
            .map_err(|error| self.note(error))?
            .audio
            .ok_or_else(|| Error::bug("the daemon attached audio and made no rings"))
    }

    /// What really went wrong where the rings were not handed out: the worker may have died since
    /// it was described.
    pub(crate) fn no_rings(&self, error: Error) -> Error {
        let request = GetPluginRequest {
            handle: self.handle.clone(),
        };
        let answer = self.connection.call(
            Call::new("GetPlugin", WHY),
            request,
            |mut api, request| async move { api.plugins.get_plugin(request).await },
        );
        let plugin = answer.ok().and_then(|answer| answer.plugin);
        match plugin.and_then(|plugin| plugin.death) {
            Some(death) => {
                self.note_death(death.clone());
                Error::dead(death)
            }
            None => error,
        }
    }

    fn ask_for_death(&self) -> Result<Death> {
        let request = GetPluginRequest {
            handle: self.handle.clone(),
        };
        let answer = self.connection.call(
            Call::new("GetPlugin", WHY),
            request,
            |mut api, request| async move { api.plugins.get_plugin(request).await },
        );
        let unexplained = || error::unexplained_death(&self.name(), self.generation());
        match answer {
            Ok(answer) => {
                let death = answer.plugin.and_then(|plugin| plugin.death);
                let death = death.unwrap_or_else(unexplained);
                self.note_death(death.clone());
                Ok(death)
            }
            Err(e) if e.reason == ErrorReason::TimedOut => Ok(unexplained()),
            Err(e) => match e.death {
                Some(death) => Ok(*death),
                None => Err(e),
            },
        }
    }
}

/// A lock whose holder panicked still guards usable data here: every write is a whole value.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
