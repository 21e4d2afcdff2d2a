//! What all services share.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use plugpen_proto::Error;
use plugpen_proto::v1::{AudioRings, ErrorReason};
use plugpen_shm::Regions;
use tokio::sync::{Notify, OnceCell};

use crate::config::Config;
use crate::crash_loops::CrashLoops;
use crate::crashes::Crashes;
use crate::discovery::Survey;
use crate::fd_door::FdDoor;
use crate::launcher::Launcher;
use crate::recordings::Recordings;
use crate::session::{Open, Session, Sessions};

/// The daemon's parts.
pub struct Daemon {
    /// What it was told.
    pub config: Config,
    /// Starts workers.
    pub launcher: Arc<Launcher>,
    /// Its clients.
    pub sessions: Sessions,
    /// Hands out shared memory.
    pub door: Arc<FdDoor>,
    /// When it started.
    pub started: Instant,
    /// What this machine can do, as a worker found out.
    pub survey: OnceCell<Survey>,
    /// Bundles of the LV2 URIs that were looked up.
    pub uris: Mutex<HashMap<String, PathBuf>>,
    /// How workers died.
    pub crashes: Arc<Crashes>,
    /// Calls that run.
    pub calls: Arc<Calls>,
    /// Which plugin files die all the time.
    pub crash_loops: CrashLoops,
    /// Recordings of deaths.
    pub recordings: Recordings,
    /// Itself, for work that outlives a call.
    pub me: Weak<Daemon>,
    draining: AtomicBool,
}

impl Daemon {
    /// A daemon without clients.
    pub fn new(config: Config, launcher: Launcher, door: FdDoor) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            me: me.clone(),
            crash_loops: CrashLoops::new(config.restarts.clone()),
            recordings: Recordings::new(
                config.cache_dir.join("recordings"),
                config.recorder.clone(),
            ),
            sessions: Sessions::new(config.limits.clone()),
            config,
            crashes: launcher.crashes(),
            launcher: Arc::new(launcher),
            door: Arc::new(door),
            started: Instant::now(),
            survey: OnceCell::new(),
            uris: Mutex::default(),
            calls: Arc::default(),
            draining: AtomicBool::new(false),
        })
    }

    /// How long a killed worker may take to be gone.
    pub fn close_deadline(&self) -> Duration {
        Duration::from_secs_f64(self.config.deadlines.close_seconds)
    }

    /// Takes no new work from now on.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether new work may begin.
    ///
    /// # Errors
    /// The daemon is shutting down.
    pub fn takes_work(&self) -> Result<(), Error> {
        if self.draining.load(Ordering::Relaxed) {
            return Err(Error::new(
                ErrorReason::Draining,
                "the daemon is shutting down and opens nothing more; start another",
            ));
        }
        Ok(())
    }

    /// The rings' shape with the door and a ticket for these regions.
    ///
    /// # Errors
    /// Too many tickets wait.
    pub fn ticket(&self, shape: AudioRings, regions: &Arc<Regions>) -> Result<AudioRings, Error> {
        let ticket = self
            .door
            .issue(regions)
            .map_err(|error| Error::new(ErrorReason::LimitReached, error.to_string()))?;
        Ok(AudioRings {
            door: self.door.path().to_string_lossy().into_owned(),
            ticket: ticket.to_vec(),
            ..shape
        })
    }

    /// Closes a session and all its plugins.
    pub async fn close_session(&self, session: &Session) {
        let Open { plugins, devices } = self.sessions.remove(session);
        let count = plugins.len();
        futures_util::future::join_all(devices.iter().map(|device| device.close(self))).await;
        futures_util::future::join_all(plugins.iter().map(|plugin| plugin.close(self))).await;
        session.hub.close();
        tracing::info!(session = %session.name, plugins = count, "session closed");
    }

    /// Closes sessions whose clients have been away for too long, for ever.
    pub async fn close_abandoned(&self) {
        let every = (self.config.grace / 4).clamp(MIN_LOOK, MAX_LOOK);
        loop {
            tokio::time::sleep(every).await;
            let now = Instant::now();
            for session in self.sessions.abandoned(now, self.config.grace) {
                tracing::warn!(session = %session.name, "its client is gone");
                self.close_session(&session).await;
            }
        }
    }
}

const MIN_LOOK: Duration = Duration::from_millis(50);
const MAX_LOOK: Duration = Duration::from_secs(5);

/// Counts the calls that run.
#[derive(Default)]
pub struct Calls {
    running: AtomicUsize,
    ended: Notify,
}

impl Calls {
    /// Counts one until it is dropped.
    pub fn enter(self: &Arc<Self>) -> Running {
        self.running.fetch_add(1, Ordering::Relaxed);
        Running(self.clone())
    }

    /// Waits until none runs.
    pub async fn none(&self) {
        loop {
            let ended = self.ended.notified();
            tokio::pin!(ended);
            ended.as_mut().enable();
            if self.running.load(Ordering::Relaxed) == 0 {
                return;
            }
            ended.await;
        }
    }
}

/// A call that runs.
pub struct Running(Arc<Calls>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
        self.0.ended.notify_waiters();
    }
}
