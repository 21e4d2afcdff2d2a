//! From a wish to a plugin that plays.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Instant;

use plugpen_proto::Error;
use plugpen_proto::limits::{MAX_BLOCK_SIZE, MAX_CHANNELS, MAX_TEXT};
use plugpen_proto::v1::watch_events_response::Event;
use plugpen_proto::v1::{
    AudioPath, AudioRings, ErrorReason, OpenOptions, Opened, OpenedPlugin, PluginState,
};
use plugpen_proto::worker::{Hello, Load};
use plugpen_warden::{KillCause, Role};
use tokio::runtime::Handle;
use tokio::sync::{OnceCell, watch};

use super::recovery::Recovery;
use super::{Now, Plugin};
use crate::config::{Class, check_own};
use crate::daemon::Daemon;
use crate::discovery::{self, Reach, Target};
use crate::jail::Jail;
use crate::launcher::Errand;
use crate::lock::lock;
use crate::rings;
use crate::session::Session;
use crate::worker_client::{Terms, Told, Worker};

static NEXT_NUMBER: AtomicU64 = AtomicU64::new(1);

/// Highest sample rate, in frames a second: four times what any interface offers.
const MAX_SAMPLE_RATE: f64 = 3_072_000.0;

/// Ports of several types that one plugin's options can name.
const MAX_PORT_TYPES: usize = 256;

/// Checks what can be checked of a wish before a worker is started.
///
/// # Errors
/// Names the field and its range.
pub fn check(options: &OpenOptions) -> Result<(), Error> {
    let rate = options.sample_rate;
    if !(rate > 0.0 && rate <= MAX_SAMPLE_RATE) {
        return Err(Error::invalid(format!(
            "sample_rate is {rate}; it must be finite, above 0 and at most {MAX_SAMPLE_RATE}"
        )));
    }
    if !(1..=MAX_BLOCK_SIZE).contains(&options.max_block_size) {
        return Err(Error::invalid(format!(
            "max_block_size is {}; it must be in [1, {MAX_BLOCK_SIZE}]",
            options.max_block_size
        )));
    }
    for (name, channels) in [
        ("in_channels", options.in_channels),
        ("out_channels", options.out_channels),
        ("sidechain_channels", options.sidechain_channels),
    ] {
        if channels > MAX_CHANNELS {
            return Err(Error::invalid(format!(
                "{name} is {channels}; it must be in [0, {MAX_CHANNELS}]"
            )));
        }
    }
    if options.port_types.len() > MAX_PORT_TYPES
        || options
            .port_types
            .iter()
            .any(|(symbol, kind)| symbol.len().max(kind.len()) > MAX_TEXT)
    {
        return Err(Error::invalid(format!(
            "port_types has more than {MAX_PORT_TYPES} entries, or texts longer than {MAX_TEXT} \
             bytes"
        )));
    }
    if options.selector.len() > MAX_TEXT {
        return Err(Error::invalid(format!(
            "selector is longer than {MAX_TEXT} bytes"
        )));
    }
    if let Some(deadlines) = &options.deadlines {
        check_own(deadlines)?;
    }
    rings::check_wishes(options)
}

/// The same, and its limits.
///
/// # Errors
/// As [`check`]; limits that are looser than the daemon's.
pub fn check_options(daemon: &Daemon, options: &OpenOptions) -> Result<(), Error> {
    check(options)?;
    daemon.config.limits.tightened(options.limits.as_ref())?;
    Ok(())
}

impl Plugin {
    /// Opens a plugin in this session.
    ///
    /// # Errors
    /// A wish out of range, a plugin that is not there, refuses, crashes or hangs, a limit.
    pub async fn open(
        daemon: &Daemon,
        session: &Arc<Session>,
        mut options: OpenOptions,
        reach: &Reach,
    ) -> Result<(Arc<Self>, Option<AudioRings>), Error> {
        check_options(daemon, &options)?;
        if *reach != Reach::Everywhere && !options.grants.is_empty() {
            return Err(Error::new(
                ErrorReason::NotAllowed,
                "callers from other machines cannot grant paths of this one; hand files over by StageFile",
            ));
        }
        session.check_crash_rate(Instant::now())?;
        let place = session.reserve()?;
        let target = discovery::resolve(daemon, &options.path, reach).await?;
        if options.selector.is_empty() {
            options.selector.clone_from(&target.identifier);
        }
        let number = NEXT_NUMBER.fetch_add(1, Ordering::Relaxed);
        let plugin = Arc::new(Self {
            handle: format!("p{number}"),
            number,
            session: session.clone(),
            opened_at: Instant::now(),
            target,
            lifecycle: tokio::sync::Mutex::default(),
            now: Mutex::new(Now {
                options: options.clone(),
                state: PluginState::Loading,
                opened: OpenedPlugin::default(),
                worker: None,
                audio: None,
                played_by: None,
                recovering: 0,
            }),
            recovery: watch::Sender::new(Recovery::None),
            identity: OnceCell::new(),
            daemon: daemon.me.clone(),
            runtime: Handle::current(),
        });
        let audio = plugin.start(daemon, options, 1, true).await?;
        if let Err((error, plugin)) = place.take(plugin.clone()) {
            plugin.close(daemon).await;
            return Err(error);
        }
        let opened = plugin.describe();
        tracing::info!(
            handle = %plugin.handle, session = %session.name, pid = opened.worker_pid,
            plugin = opened.description.as_ref().map(|d| d.name.as_str()), "opened"
        );
        let told = Event::Opened(Opened {
            plugin: Some(opened),
        });
        session.everyone.publish(&plugin.handle, 1, told);
        Ok((plugin, audio))
    }

    /// Starts a worker, loads the plugin and attaches rings, if that is wished. On an error nothing
    /// of it is left.
    pub(super) async fn start(
        self: &Arc<Self>,
        daemon: &Daemon,
        options: OpenOptions,
        generation: u64,
        attach: bool,
    ) -> Result<Option<AudioRings>, Error> {
        let me = Arc::downgrade(self);
        let errand = Errand {
            role: Role::Plugin,
            read_only: self.target.readable.clone(),
            name: display_name(&options.path),
            generation,
            jail: Some(Jail::wished(&daemon.config, &options)?),
            path: options.path.clone(),
            bundle: self.target.bundle.clone(),
            limits: Some(daemon.config.limits.tightened(options.limits.as_ref())?),
            recording: daemon.config.recorder.level(options.recording()),
        };
        let tell = move |told: Told| {
            if let Some(plugin) = Weak::upgrade(&me) {
                plugin.told(generation, told);
            }
        };
        let (worker, hello) = daemon.launcher.launch(errand, tell).await?;
        let me = Arc::downgrade(self);
        worker.on_growth(move |growth| {
            if let Some(plugin) = Weak::upgrade(&me) {
                tracing::warn!(
                    handle = %plugin.handle,
                    "its memory grows by {:.0} bytes a second, to {} of {}",
                    growth.bytes_per_second, growth.bytes, growth.limit_bytes
                );
                plugin.publish(generation, Event::MemoryGrowth(growth));
            }
        });
        let playing = self.load(daemon, &worker, hello, options, attach).await;
        if let Err(error) = &playing
            && let Some(death) = &error.death
        {
            self.record(&worker, death);
        }
        if playing.is_err() {
            worker.close(daemon.close_deadline()).await;
        }
        playing
    }

    async fn load(
        &self,
        daemon: &Daemon,
        worker: &Arc<Worker>,
        hello: Hello,
        options: OpenOptions,
        attach: bool,
    ) -> Result<Option<AudioRings>, Error> {
        let generation = worker.generation();
        let deadlines = daemon.config.deadlines.with(options.deadlines.as_ref());
        let terms = Terms {
            after_block: 0,
            deadline: deadlines.of(Class::Load),
        };
        let load = Load {
            options: Some(options.clone()),
            bundle: self.target.bundle.to_string_lossy().into_owned(),
            private_dir: worker.private_dir().to_string_lossy().into_owned(),
            format: self.target.format.into(),
        };
        let loaded = worker.call(load, terms, Vec::new()).await?;
        let mut opened = loaded.plugin.unwrap_or_default();
        if let Err(violation) = rings::check_loaded(&opened) {
            worker.kill(KillCause::Protocol(violation));
            return Err(worker.ended_error().await);
        }
        if let Some(description) = &opened.description {
            worker.set_plugin(description);
        }
        // A worker does not get to say who it is.
        opened.handle.clone_from(&self.handle);
        opened.generation = generation;
        opened.worker_pid = worker.pid();
        opened.sandbox = hello.sandbox;
        opened.session_name.clone_from(&self.session.name);
        opened.death = None;
        let policy = daemon.config.restarts.policy(options.restart());
        opened.set_restart(policy);
        let shape = match options.audio_path() {
            AudioPath::None => None,
            _ => Some(rings::shape(&options, &opened, generation)?),
        };
        let is_played = lock(&self.now).played_by.is_some();
        let audio = match &shape {
            None => None,
            // The device gets rings of its own, once the client has restored what it knows.
            Some(_) if is_played || !attach => None,
            Some(shape) if options.audio_path() == AudioPath::Stream => {
                rings::check_stream(shape)?;
                Some(shape.clone())
            }
            Some(shape) => {
                let block_deadline = deadlines.of_block(shape.max_frames, options.sample_rate);
                let regions = rings::attach(worker, shape, terms, block_deadline).await?;
                Some(daemon.ticket(shape.clone(), &regions)?)
            }
        };
        if self.is_alive_with(worker, opened, shape) {
            return Ok(audio);
        }
        Err(worker.ended_error().await)
    }
}

impl Plugin {
    /// Takes a worker over, unless it died since its last answer: that death was told when the
    /// plugin was not yet there to be dead. A later one is told behind this lock.
    fn is_alive_with(
        &self,
        worker: &Arc<Worker>,
        opened: OpenedPlugin,
        audio: Option<AudioRings>,
    ) -> bool {
        let mut now = lock(&self.now);
        if worker.has_ended().is_some() {
            return false;
        }
        let restarts = now.opened.restarts;
        now.opened = opened;
        now.opened.restarts = restarts;
        now.audio = audio;
        now.state = PluginState::Ready;
        now.worker = Some(worker.clone());
        true
    }
}

/// What a plugin is called before it has said its name.
fn display_name(path: &str) -> String {
    match Path::new(path).file_name() {
        Some(name) if !Target::is_uri(path) => name.to_string_lossy().into_owned(),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> OpenOptions {
        OpenOptions {
            path: "x".into(),
            sample_rate: 48_000.0,
            max_block_size: 512,
            ..OpenOptions::default()
        }
    }

    #[test]
    fn wishes_out_of_range_are_named() {
        assert!(check(&options()).is_ok());
        type Spoil = fn(&mut OpenOptions);
        let wrong: [(&str, Spoil); 7] = [
            ("sample_rate", |o| o.sample_rate = f64::NAN),
            ("sample_rate", |o| o.sample_rate = f64::INFINITY),
            ("sample_rate", |o| o.sample_rate = 0.0),
            ("max_block_size", |o| o.max_block_size = 0),
            ("in_channels", |o| o.in_channels = 100_000),
            ("ring_depth", |o| o.ring_depth = 65),
            ("event_bytes", |o| o.event_bytes = 1),
        ];
        for (word, spoil) in wrong {
            let mut options = options();
            spoil(&mut options);
            let error = check(&options).unwrap_err();
            assert!(error.message.contains(word), "{error}");
        }
    }

    #[test]
    fn a_plugin_has_a_name_before_it_says_one() {
        assert_eq!(display_name("/usr/lib/lv2/mda.lv2"), "mda.lv2");
        assert_eq!(display_name("http://x.org/a/b"), "http://x.org/a/b");
    }
}
