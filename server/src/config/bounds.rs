//! Limits and deadlines.

use std::path::PathBuf;
use std::time::Duration;

use plugpen_proto::Error;
use plugpen_proto::limits::{MAX_STAGED, MAX_STATE};
use plugpen_proto::v1::{self, WorkerLimits};
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
    /// Connections over TCP, those that shake hands included.
    pub connections: usize,
    /// Calls that one client may make in a second; blocks that go over rings or streams do not
    /// count.
    pub calls_per_second: u32,
    /// Deaths of one session's plugins within a minute; above it nothing is opened or restarted
    /// for it.
    pub crashes_per_minute: usize,
    /// Memory of one plugin worker beside its code and its audio rings, in bytes.
    pub worker_memory_bytes: u64,
    /// CPU time of one plugin worker, in seconds; 0: any.
    pub worker_cpu_seconds: u64,
    /// Threads of one plugin worker.
    pub worker_threads: u64,
    /// Open files of one plugin worker.
    pub worker_descriptors: u64,
    /// Files in one plugin worker's directory together, in bytes.
    pub worker_disk_bytes: u64,
}

/// The least that a worker can do with: memory, threads, descriptors, disk.
const LEAST: [u64; 4] = [16 << 20, 8, 32, 1 << 20];

impl Limits {
    /// What one plugin worker may use.
    pub fn of_worker(&self) -> WorkerLimits {
        WorkerLimits {
            memory_bytes: self.worker_memory_bytes,
            cpu_seconds: self.worker_cpu_seconds,
            threads: self.worker_threads,
            descriptors: self.worker_descriptors,
            disk_bytes: self.worker_disk_bytes,
        }
    }

    /// The same, tightened by what a client wishes.
    ///
    /// # Errors
    /// It wishes for more than the daemon allows, or for less than any worker needs.
    pub fn tightened(&self, wished: Option<&WorkerLimits>) -> Result<WorkerLimits, Error> {
        let mut limits = self.of_worker();
        let Some(wished) = wished else {
            return Ok(limits);
        };
        for ((name, limit, least), (_, wish, _)) in
            rows(&mut limits).into_iter().zip(rows(&mut { *wished }))
        {
            let unlimited = *limit == 0;
            if *wish == 0 {
                continue;
            }
            if *wish < least || (*wish > *limit && !unlimited) {
                let most = match unlimited {
                    true => "any number above".to_owned(),
                    false => limit.to_string(),
                };
                return Err(Error::invalid(format!(
                    "limits.{name} is {wish}; it must be in [{least}, {most}], or 0 for what the daemon allows \
                     (limit \"worker_{name}\")"
                )));
            }
            *limit = *wish;
        }
        Ok(limits)
    }
}

/// Name, value and least of each.
fn rows(limits: &mut WorkerLimits) -> [(&'static str, &mut u64, u64); 5] {
    let [memory, threads, descriptors, disk] = LEAST;
    [
        ("memory_bytes", &mut limits.memory_bytes, memory),
        ("cpu_seconds", &mut limits.cpu_seconds, 1),
        ("threads", &mut limits.threads, threads),
        ("descriptors", &mut limits.descriptors, descriptors),
        ("disk_bytes", &mut limits.disk_bytes, disk),
    ]
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
            connections: 256,
            calls_per_second: 50_000,
            crashes_per_minute: 10_000,
            worker_memory_bytes: 1 << 30,
            worker_cpu_seconds: 0,
            worker_threads: 256,
            worker_descriptors: 256,
            // All files a client may hand over, and as much again as one file may have.
            worker_disk_bytes: MAX_STAGED + (64 << 20),
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

/// What is kept of workers that died.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CrashSettings {
    /// Where.
    pub directory: Option<PathBuf>,
    /// Reports.
    pub max_reports: u32,
    /// Bytes of all minidumps.
    pub max_bytes: u64,
    /// Days that a report is kept.
    pub max_days: u32,
}

impl Default for CrashSettings {
    fn default() -> Self {
        Self {
            directory: None,
            max_reports: 1000,
            max_bytes: 256 << 20,
            max_days: 90,
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
pub(super) const LONGEST_SECONDS: f64 = 86_400.0;

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
    for (name, value, least) in rows(&mut limits.of_worker()) {
        if *value < least && !(name == "cpu_seconds" && *value == 0) {
            return Err(ConfigError::Value(format!(
                "limits.worker_{name} is {value}; no worker does with less than {least}"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_can_only_tighten() {
        let limits = Limits::default();
        assert_eq!(limits.tightened(None).unwrap(), limits.of_worker());
        let wish = WorkerLimits {
            memory_bytes: 64 << 20,
            cpu_seconds: 5,
            ..WorkerLimits::default()
        };
        let tight = limits.tightened(Some(&wish)).unwrap();
        assert_eq!((tight.memory_bytes, tight.cpu_seconds), (64 << 20, 5));
        assert_eq!(tight.threads, limits.worker_threads);
        for wish in [
            WorkerLimits {
                memory_bytes: 2 << 30,
                ..WorkerLimits::default()
            },
            WorkerLimits {
                threads: 1,
                ..WorkerLimits::default()
            },
        ] {
            let error = limits.tightened(Some(&wish)).unwrap_err();
            assert!(error.message.contains("(limit \"worker_"), "{error}");
        }
    }
}
