//! An open plugin: its worker, what is known of it, and its restarts.

mod open;
mod recovery;

use std::sync::{Arc, Mutex, Weak};
use std::time::Instant;

use plugpen_proto::Error;
use plugpen_proto::v1::watch_events_response::Event;
use plugpen_proto::v1::{
    AudioPath, AudioRings, Closed, Death, ErrorReason, LogLine, LogSource, OpenOptions,
    OpenedPlugin, PluginState, Restarted,
};
use plugpen_proto::worker::{self, AttachStage};
use plugpen_shm::{ClientEnd, Regions};
use plugpen_warden::KillCause;
use tokio::runtime::Handle;
use tokio::sync::{OnceCell, watch};

use crate::config::{Class, Deadlines, restarts_after};
use crate::daemon::Daemon;
use crate::discovery::Target;
use crate::lock::lock;
use crate::proc_stat;
use crate::recorder::About;
use crate::rings;
use crate::session::Session;
use crate::worker_client::{Ended, Terms, Told, Worker};
use recovery::Recovery;

pub use open::check_options;

/// One plugin of one session.
pub struct Plugin {
    /// Its handle.
    pub handle: String,
    /// Rises by one a plugin.
    pub number: u64,
    session: Arc<Session>,
    opened_at: Instant,
    target: Target,
    /// Restarting, attaching and closing, one at a time.
    lifecycle: tokio::sync::Mutex<()>,
    now: Mutex<Now>,
    /// How its restart policy fares.
    recovery: watch::Sender<Recovery>,
    identity: OnceCell<String>,
    daemon: Weak<Daemon>,
    runtime: Handle,
}

/// What changes.
struct Now {
    options: OpenOptions,
    state: PluginState,
    opened: OpenedPlugin,
    worker: Option<Arc<Worker>>,
    /// The shape of its rings, without a ticket; `None` without audio.
    audio: Option<AudioRings>,
    /// The handle of the device that has the client's end of the rings.
    played_by: Option<String>,
    /// The generation whose death is dealt with by the policy.
    recovering: u64,
}

impl Plugin {
    /// The worker to call.
    ///
    /// # Errors
    /// It is being restarted, or was closed. A dead worker is returned: its calls say why.
    pub fn worker(&self) -> Result<Arc<Worker>, Error> {
        let now = lock(&self.now);
        match (&now.worker, now.state) {
            (_, PluginState::Closed) => Err(closed(&self.handle)),
            (Some(worker), _) => Ok(worker.clone()),
            (None, _) => match now.opened.death.clone() {
                Some(death) => Err(Error::dead(death)),
                None => Err(Error::new(
                    ErrorReason::WrongState,
                    format!("{} is being restarted; wait for RestartPlugin", self.handle),
                )),
            },
        }
    }

    /// What OpenPlugin said, as it stands now.
    pub fn describe(&self) -> OpenedPlugin {
        let now = lock(&self.now);
        let mut opened = now.opened.clone();
        opened.set_state(now.state);
        drop(now);
        opened.age_seconds = self.opened_at.elapsed().as_secs_f64();
        opened
    }

    /// The same, and what its worker uses. Reads files of /proc.
    pub fn describe_with_usage(&self) -> OpenedPlugin {
        let mut opened = self.describe();
        if opened.state() == PluginState::Ready {
            (opened.memory_bytes, opened.cpu_seconds) = proc_stat::usage(opened.worker_pid);
        }
        opened
    }

    /// How long its worker may take: the daemon's, or its own.
    pub fn deadlines(&self, daemon: &Daemon) -> Deadlines {
        let now = lock(&self.now);
        daemon.config.deadlines.with(now.options.deadlines.as_ref())
    }

    /// The generation of its worker.
    pub fn generation(&self) -> u64 {
        lock(&self.now).opened.generation
    }

    /// Puts a mark into the event streams behind everything this plugin did so far.
    pub fn mark_events(&self) -> u64 {
        self.session.hub.mark(&self.handle, self.generation())
    }

    /// Fresh rings for a new holder of the client's end, with a ticket for them.
    ///
    /// # Errors
    /// The plugin was opened without audio, is dead or closed.
    pub async fn attach_audio(&self, daemon: &Daemon) -> Result<AudioRings, Error> {
        let _turn = self.lifecycle.lock().await;
        if lock(&self.now).played_by.is_some() {
            return Err(played(&self.handle));
        }
        if lock(&self.now).options.audio_path() == AudioPath::Stream {
            // The rings are made when the stream begins.
            self.worker()?;
            let shape = lock(&self.now).audio.clone();
            return shape.ok_or_else(|| without_audio(&self.handle));
        }
        let (shape, regions) = self.fresh_rings(daemon).await?;
        daemon.ticket(shape, &regions)
    }

    /// Fresh rings for a stream of blocks: their shape, the client's end, and the worker at the
    /// other.
    ///
    /// # Errors
    /// The plugin was opened without audio, is played by a device, is dead or closed.
    pub async fn attach_stream(
        &self,
        daemon: &Daemon,
    ) -> Result<(AudioRings, ClientEnd, Arc<Worker>), Error> {
        let _turn = self.lifecycle.lock().await;
        if lock(&self.now).played_by.is_some() {
            return Err(played(&self.handle));
        }
        let worker = self.worker()?;
        let (shape, regions) = self.fresh_rings(daemon).await?;
        let end = rings::client_end(&shape, &regions)?;
        Ok((shape, end, worker))
    }

    async fn fresh_rings(&self, daemon: &Daemon) -> Result<(AudioRings, Arc<Regions>), Error> {
        let worker = self.worker()?;
        let shape = lock(&self.now).audio.clone();
        let shape = shape.ok_or_else(|| without_audio(&self.handle))?;
        let deadlines = self.deadlines(daemon);
        let rate = lock(&self.now).options.sample_rate;
        let terms = Terms {
            after_block: 0,
            deadline: deadlines.of(Class::State),
        };
        let block_deadline = deadlines.of_block(shape.max_frames, rate);
        let regions = rings::attach(&worker, &shape, terms, block_deadline).await?;
        Ok((shape, regions))
    }

    /// Lends the plugin's audio to a device.
    ///
    /// # Errors
    /// It has none, or another device has it.
    pub fn lend_to(&self, device: &str) -> Result<(), Error> {
        let mut now = lock(&self.now);
        if now.options.audio_path() == AudioPath::None {
            return Err(without_audio(&self.handle));
        }
        if now.played_by.is_some() {
            return Err(played(&self.handle));
        }
        now.played_by = Some(device.to_owned());
        Ok(())
    }

    /// The device lets go of it.
    pub fn take_back_from(&self, device: &str) {
        let mut now = lock(&self.now);
        if now.played_by.as_deref() == Some(device) {
            now.played_by = None;
        }
    }

    /// Hands fresh rings to the device that plays the plugin, at this place of its chain.
    ///
    /// # Errors
    /// The plugin or the device is dead, or the device has let go of it.
    pub async fn attach_device(
        &self,
        daemon: &Daemon,
        (handle, device): (&str, &Worker),
        index: u32,
    ) -> Result<(), Error> {
        let _turn = self.lifecycle.lock().await;
        // Fresh rings would be taken away from whoever has it now.
        if lock(&self.now).played_by.as_deref() != Some(handle) {
            return Err(Error::new(
                ErrorReason::WrongState,
                format!(
                    "the device {handle} has let go of the plugin {}",
                    self.handle
                ),
            ));
        }
        let (shape, regions) = self.fresh_rings(daemon).await?;
        let fds = regions.client_fds().map_err(|error| {
            let why = format!("no descriptors for the audio: {error}");
            Error::new(ErrorReason::LimitReached, why)
        })?;
        let call = AttachStage {
            index,
            rings: Some(shape),
            plugin: Some(self.describe()),
        };
        let terms = Terms {
            after_block: 0,
            deadline: daemon.config.deadlines.of(Class::Control),
        };
        device.call(call, terms, fds.into()).await?;
        Ok(())
    }

    /// Ends its worker.
    pub async fn close(&self, daemon: &Daemon) {
        let _turn = self.lifecycle.lock().await;
        let worker = {
            let mut now = lock(&self.now);
            if now.state == PluginState::Closed {
                return;
            }
            now.state = PluginState::Closed;
            now.worker.take()
        };
        self.publish(self.generation(), Event::Closed(Closed {}));
        if let Some(worker) = worker {
            worker.close(daemon.close_deadline()).await;
        }
        tracing::info!(handle = %self.handle, "closed");
    }

    /// Replaces its worker by a fresh one. A rate of 0 keeps the rate.
    ///
    /// # Errors
    /// The plugin was closed; everything that OpenPlugin can say.
    pub async fn restart(
        self: &Arc<Self>,
        daemon: &Daemon,
        sample_rate: f64,
    ) -> Result<(OpenedPlugin, Option<AudioRings>), Error> {
        self.session.check_crash_rate(Instant::now())?;
        let _turn = self.lifecycle.lock().await;
        self.replace(daemon, sample_rate, false).await
    }

    /// The same, in turn. Without rings where its policy does it: its client fetches them.
    async fn replace(
        self: &Arc<Self>,
        daemon: &Daemon,
        sample_rate: f64,
        automatic: bool,
    ) -> Result<(OpenedPlugin, Option<AudioRings>), Error> {
        let (options, generation, old) = {
            let mut now = lock(&self.now);
            if now.state == PluginState::Closed {
                return Err(closed(&self.handle));
            }
            let mut options = now.options.clone();
            if sample_rate != 0.0 {
                options.sample_rate = sample_rate;
            }
            open::check(&options)?;
            now.state = PluginState::Loading;
            now.opened.generation += 1;
            now.opened.death = None;
            now.options = options.clone();
            (options, now.opened.generation, now.worker.take())
        };
        let mut loading = Loading {
            plugin: self,
            done: false,
        };
        if let Some(old) = old {
            old.close(daemon.close_deadline()).await;
        }
        let started = self.start(daemon, options, generation, !automatic).await;
        loading.done = true;
        let audio = started.inspect_err(|error| self.not_restarted(error))?;
        if automatic {
            lock(&self.now).opened.restarts += 1;
        }
        let opened = self.describe();
        let restarted = Restarted {
            worker_pid: opened.worker_pid,
            automatic,
        };
        self.publish(generation, Event::Restarted(restarted));
        Ok((opened, audio))
    }

    fn not_restarted(&self, error: &Error) {
        let mut now = lock(&self.now);
        if now.state == PluginState::Loading {
            now.state = PluginState::Dead;
            let generation = now.opened.generation;
            now.opened.death.get_or_insert_with(|| {
                let death = error.death.as_deref().cloned();
                death.unwrap_or_else(|| Death {
                    summary: format!("it could not be restarted: {error}"),
                    generation,
                    ..Death::default()
                })
            });
        }
    }

    /// Whether its worker has that process id.
    pub fn is_in_process(&self, pid: u32) -> bool {
        let now = lock(&self.now);
        now.state != PluginState::Closed && now.opened.worker_pid == pid
    }

    /// Kills its worker, which counts as a death, and waits until it is gone. The plugin, dead.
    ///
    /// # Errors
    /// The plugin is closed, dead or being restarted; its worker is still there at the deadline.
    pub async fn kill(&self, daemon: &Daemon, cause: KillCause) -> Result<OpenedPlugin, Error> {
        let worker = self.worker()?;
        if let Some(Ended::Died(death)) = worker.has_ended() {
            return Err(Error::dead(Death::clone(&death)));
        }
        worker.kill(cause);
        let ended = tokio::time::timeout(daemon.close_deadline(), worker.ended()).await;
        let mut opened = self.describe();
        match ended {
            Ok(Ended::Died(death)) => {
                // The thread that watches it may not have come to note this.
                opened.set_state(PluginState::Dead);
                opened.death = Some(Death::clone(&death));
                Ok(opened)
            }
            Ok(Ended::Closed) => Err(closed(&self.handle)),
            Err(_) => Err(Error::new(
                ErrorReason::TimedOut,
                format!(
                    "the worker of {} was killed and has not ended yet",
                    self.handle
                ),
            )),
        }
    }

    /// Keeps the recording of a death. Returns at once.
    fn record(self: &Arc<Self>, worker: &Arc<Worker>, death: &Death) {
        let Some(daemon) = self.daemon.upgrade().filter(|_| worker.is_recorded()) else {
            return;
        };
        daemon.recordings.begin(&death.report_id);
        let (plugin, worker, death) = (self.clone(), worker.clone(), death.clone());
        self.runtime.spawn(async move {
            let identity = plugin.identity().await;
            let write = move || {
                let (options, opened) = {
                    let now = lock(&plugin.now);
                    (now.options.clone(), now.opened.clone())
                };
                let about = About {
                    options: &options,
                    bundle: &plugin.target.bundle,
                    identity,
                    opened: &opened,
                };
                let recording = worker.recording(&death, about);
                daemon.recordings.finish(&death.report_id, recording);
            };
            // It fails only when the daemon ends.
            let _ = tokio::task::spawn_blocking(write).await;
        });
    }

    fn publish(&self, generation: u64, event: Event) {
        // Calls to hosts come in masses, and are for those who asked for them.
        if !matches!(event, Event::HostCallback(_)) {
            let everyone = &self.session.everyone;
            everyone.publish(&self.handle, generation, event.clone());
        }
        self.session.hub.publish(&self.handle, generation, event);
    }

    /// Hears what the worker of that generation does; on its watching thread.
    fn told(self: &Arc<Self>, generation: u64, told: Told) {
        let event = match told {
            Told::Event(event) => self.event(event),
            Told::Output(source, text) => {
                log_output(&self.handle, source, &text);
                Some(Event::LogLine(LogLine {
                    source: source.into(),
                    text,
                }))
            }
            Told::Died(death) => {
                tracing::error!(
                    handle = %self.handle, generation, report_id = %death.report_id,
                    "{}", death.summary
                );
                self.session.note_crash(Instant::now());
                let mut now = lock(&self.now);
                // Whoever opens or restarts it hears from that call, and has no handle before.
                if now.state != PluginState::Ready || now.opened.generation != generation {
                    return;
                }
                now.state = PluginState::Dead;
                now.opened.death = Some(Death::clone(&death));
                let recovers = restarts_after(now.opened.restart(), death.kind());
                if recovers {
                    // Before anybody hears of the death: whoever asks then waits for its end.
                    now.recovering = generation;
                    self.recovery.send_replace(Recovery::UnderWay);
                } else {
                    self.recovery.send_replace(Recovery::None);
                }
                let worker = now.worker.clone();
                drop(now);
                if let Some(worker) = worker {
                    self.record(&worker, &death);
                }
                self.publish(generation, Event::Died(Death::clone(&death)));
                if recovers {
                    self.recover(generation);
                }
                None
            }
        };
        if let Some(event) = event {
            self.publish(generation, event);
        }
    }

    /// Takes over an event of the worker, if it is one that a correct worker would send.
    fn event(&self, event: worker::Event) -> Option<Event> {
        let mut now = lock(&self.now);
        let count = now.opened.num_parameters;
        let event = match event.event? {
            worker::event::Event::ParameterChanged(e)
                if e.index < count && (0.0..=1.0).contains(&e.value) =>
            {
                Event::ParameterChanged(e)
            }
            worker::event::Event::ParameterGesture(e) if e.index < count => {
                Event::ParameterGesture(e)
            }
            worker::event::Event::ProcessorChanged(e) => {
                if e.latency {
                    now.opened.latency_samples = e.latency_samples;
                }
                Event::ProcessorChanged(e)
            }
            worker::event::Event::LogLine(e) if e.text.len() <= plugpen_proto::limits::MAX_TEXT => {
                log_output(&self.handle, e.source(), &e.text);
                Event::LogLine(e)
            }
            worker::event::Event::HostCallback(e)
                if now.options.observe_host_callbacks
                    && e.text.len() <= plugpen_proto::limits::MAX_TEXT
                    && e.name.len() <= plugpen_proto::limits::MAX_TEXT =>
            {
                Event::HostCallback(e)
            }
            worker::event::Event::NumericsFound(e)
                if now.options.numerics && e.output < now.opened.num_output_channels =>
            {
                Event::NumericsFound(e)
            }
            worker::event::Event::Lost(e) => Event::Lost(e),
            event => {
                tracing::warn!(handle = %self.handle, ?event, "an event out of range was dropped");
                return None;
            }
        };
        Some(event)
    }
}

/// Notices that a restart was given up half way, because its client went away.
struct Loading<'a> {
    plugin: &'a Plugin,
    done: bool,
}

impl Drop for Loading<'_> {
    fn drop(&mut self) {
        if !self.done {
            let why = "its client gave up waiting";
            self.plugin
                .not_restarted(&Error::new(ErrorReason::Cancelled, why));
        }
    }
}

fn without_audio(handle: &str) -> Error {
    Error::new(
        ErrorReason::WrongState,
        format!(
            "the plugin {handle} was opened without audio; open it with AUDIO_PATH_SHARED_MEMORY"
        ),
    )
}

fn played(handle: &str) -> Error {
    Error::new(
        ErrorReason::WrongState,
        format!("an audio device plays the plugin {handle}; close the device first"),
    )
}

fn closed(handle: &str) -> Error {
    Error::new(
        ErrorReason::PluginClosed,
        format!("the plugin {handle} was closed; open it again"),
    )
}

fn log_output(handle: &str, source: LogSource, text: &str) {
    let source = match source {
        LogSource::Stdout => "stdout",
        LogSource::Stderr => "stderr",
        LogSource::Plugin => "plugin",
        LogSource::Worker => "worker",
        LogSource::Unspecified => "unknown",
    };
    tracing::info!(target: "plugin_output", handle, source, "{text}");
}
