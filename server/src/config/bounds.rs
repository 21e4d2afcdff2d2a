//! Limits and deadlines.

use std::time::Duration;

use plugpen_proto::limits::MAX_STATE;
use plugpen_proto::{Error, v1};
use serde::Deserialize;

use super::ConfigError;

/// Bounds on what clients may use.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Live plugin workers of all sessions.
    pub workers: usize,
    /// Plugins of one session, dead ones included.
    pub plugins_per_session: usize,
    /// Sessions.
    pub sessions: usize,
    /// Streams of events of one session.
    pub watchers_per_session: usize,
    /// Probe workers that run at the same time; further ones wait.
    pub probes: usize,
    /// Open sound devices and MIDI inputs of all sessions, and lists of them in the making.
    pub devices: usize,
    /// Calls that may wait for one worker.
    pub calls_per_plugin: usize,
    /// Largest state, in bytes.
    pub state_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            workers: 256,
            plugins_per_session: 128,
            sessions: 64,
            watchers_per_session: 8,
            probes: 4,
            devices: 16,
            calls_per_plugin: 64,
            state_bytes: MAX_STATE,
        }
    }
}

/// How long a worker may take, in seconds, before it counts as hung and is killed.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Deadlines {
    /// Loading a plugin.
    pub load_seconds: f64,
    /// State, programs, reset: what stops the audio for a while.
    pub state_seconds: f64,
    /// Everything else.
    pub control_seconds: f64,
    /// Reading the metadata of one batch of bundles.
    pub probe_seconds: f64,
    /// A killed worker may take this long to be gone.
    pub close_seconds: f64,
    /// A submitted block may wait this long without any progress.
    pub block_seconds: f64,
    /// Running calls may take this long when the daemon is told to end.
    pub drain_seconds: f64,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            load_seconds: 30.0,
            state_seconds: 10.0,
            control_seconds: 5.0,
            probe_seconds: 60.0,
            close_seconds: 2.0,
            block_seconds: 10.0,
            drain_seconds: 5.0,
        }
    }
}

/// What kind of call a deadline is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Loads a plugin.
    Load,
    /// Stops the audio for a while.
    State,
    /// Everything else.
    Control,
    /// Reads metadata.
    Probe,
}

impl Deadlines {
    /// The deadline of calls of that kind.
    pub fn of(&self, class: Class) -> Duration {
        Duration::from_secs_f64(match class {
            Class::Load => self.load_seconds,
            Class::State => self.state_seconds,
            Class::Control => self.control_seconds,
            Class::Probe => self.probe_seconds,
        })
    }

    /// These, and what a plugin was opened with where that says otherwise.
    pub fn with(&self, own: Option<&v1::Deadlines>) -> Self {
        let own = own.copied().unwrap_or_default();
        let or = |own: f64, usual: f64| if own > 0.0 { own } else { usual };
        Self {
            load_seconds: or(own.load_seconds, self.load_seconds),
            state_seconds: or(own.state_seconds, self.state_seconds),
            control_seconds: or(own.control_seconds, self.control_seconds),
            block_seconds: or(own.block_seconds, self.block_seconds),
            ..self.clone()
        }
    }

    /// How long a plugin may owe a block of at most so many frames.
    pub fn of_block(&self, max_frames: u32, sample_rate: f64) -> Duration {
        let longest = f64::from(max_frames) / sample_rate;
        let seconds = self.block_seconds + if longest.is_finite() { longest } else { 0.0 };
        Duration::from_secs_f64(seconds.clamp(0.0, 2.0 * LONGEST_SECONDS))
    }

    fn named(&self) -> [(&'static str, f64); 7] {
        [
            ("load_seconds", self.load_seconds),
            ("state_seconds", self.state_seconds),
            ("control_seconds", self.control_seconds),
            ("probe_seconds", self.probe_seconds),
            ("close_seconds", self.close_seconds),
            ("block_seconds", self.block_seconds),
            ("drain_seconds", self.drain_seconds),
        ]
    }
}

/// The longest a configured time may be: a day. Above it a typing error is likelier.
const LONGEST_SECONDS: f64 = 86_400.0;

/// Checks the deadlines that a plugin is opened with.
///
/// # Errors
/// Names the deadline and what is possible.
pub fn check_own(own: &v1::Deadlines) -> Result<(), Error> {
    for (name, seconds) in [
        ("load_seconds", own.load_seconds),
        ("state_seconds", own.state_seconds),
        ("control_seconds", own.control_seconds),
        ("block_seconds", own.block_seconds),
    ] {
        if !(0.0..=LONGEST_SECONDS).contains(&seconds) {
            return Err(Error::invalid(format!(
                "deadlines.{name} is {seconds}; it must be in [0, {LONGEST_SECONDS}], where 0 leaves \
                 it to the daemon"
            )));
        }
    }
    Ok(())
}

/// Checks what was configured.
///
/// # Errors
/// Names the key, its value and what is possible.
pub(super) fn check(limits: &Limits, deadlines: &Deadlines) -> Result<(), ConfigError> {
    for (name, seconds) in deadlines.named() {
        if !(seconds > 0.0 && seconds <= LONGEST_SECONDS) {
            return Err(ConfigError::Value(format!(
                "deadlines.{name} is {seconds}; expected above 0 and at most {LONGEST_SECONDS}"
            )));
        }
    }
    if limits.state_bytes > MAX_STATE {
        return Err(ConfigError::Value(format!(
            "limits.state_bytes is {}; the largest possible is {MAX_STATE}",
            limits.state_bytes
        )));
    }
    Ok(())
}
