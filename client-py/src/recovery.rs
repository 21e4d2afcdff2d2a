//! What becomes of dead plugins: policies, limits, recordings.

use std::collections::BTreeMap;

use plugpen::{
    Life, OnDead, OpenOptions, Replay,
    v1::{Death, Recording, ReplayRecordingResponse, RestartPolicy, WorkerLimits},
};
use pyo3::{prelude::*, types::PyDict};

use crate::errors::{death_object, invalid};

/// How a plugin is to be brought back, recorded and limited, as Python gives it.
#[derive(Default)]
pub struct Care {
    pub restart: Option<String>,
    pub recording: Option<String>,
    pub limits: Option<BTreeMap<String, u64>>,
}

impl Care {
    /// Puts it into the options.
    pub fn apply(self, options: &mut OpenOptions) -> PyResult<()> {
        options.restart = match self.restart.as_deref() {
            None => RestartPolicy::Unspecified,
            Some("never") => RestartPolicy::Never,
            Some("on-crash") => RestartPolicy::OnCrash,
            Some("always") => RestartPolicy::Always,
            Some(other) => {
                return Err(invalid(format!(
                    "restart must be \"never\", \"on-crash\", \"always\" or None, got {other:?}"
                )));
            }
        };
        options.recording = match self.recording.as_deref() {
            None => Recording::Unspecified,
            Some("full") => Recording::Full,
            Some("calls") => Recording::Calls,
            Some("off") => Recording::Off,
            Some(other) => {
                return Err(invalid(format!(
                    "recording must be \"full\", \"calls\", \"off\" or None, got {other:?}"
                )));
            }
        };
        let mut limits = WorkerLimits::default();
        for (name, value) in self.limits.unwrap_or_default() {
            let limit = match name.as_str() {
                "memory_bytes" => &mut limits.memory_bytes,
                "cpu_seconds" => &mut limits.cpu_seconds,
                "threads" => &mut limits.threads,
                "descriptors" => &mut limits.descriptors,
                "disk_bytes" => &mut limits.disk_bytes,
                _ => {
                    return Err(invalid(format!(
                        "limits has no {name:?}; use memory_bytes, cpu_seconds, threads, descriptors or disk_bytes"
                    )));
                }
            };
            *limit = value;
        }
        options.limits = limits;
        Ok(())
    }
}

/// What a chain plays for a dead plugin.
pub fn on_dead(word: &str) -> PyResult<OnDead> {
    match word {
        "error" => Ok(OnDead::Error),
        "silence" => Ok(OnDead::Silence),
        "dry" => Ok(OnDead::Dry),
        other => Err(invalid(format!(
            "on_dead must be \"error\", \"silence\" or \"dry\", got {other:?}"
        ))),
    }
}

/// The word of it.
pub fn on_dead_word(on_dead: OnDead) -> &'static str {
    match on_dead {
        OnDead::Error => "error",
        OnDead::Silence => "silence",
        OnDead::Dry => "dry",
    }
}

/// What a life callback is told: what happened, and more of it.
pub fn life_dict<'py>(py: Python<'py>, life: &Life) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    match life {
        Life::Died(death) => {
            dict.set_item("event", "died")?;
            dict.set_item("death", death_object(py, death)?)?;
        }
        Life::Restored(generation) => {
            dict.set_item("event", "restored")?;
            dict.set_item("generation", generation)?;
        }
        Life::GaveUp(reason) => {
            dict.set_item("event", "gave-up")?;
            dict.set_item("reason", reason)?;
        }
        Life::MemoryGrowth(growth) => {
            dict.set_item("event", "memory-growth")?;
            dict.set_item("bytes", growth.bytes)?;
            dict.set_item("bytes_per_second", growth.bytes_per_second)?;
            dict.set_item("limit_bytes", growth.limit_bytes)?;
        }
    }
    Ok(dict)
}

/// What is to be replayed: a report id or the bytes of a recording.
#[derive(FromPyObject)]
pub enum What {
    Report(String),
    Recording(Vec<u8>),
}

impl What {
    pub fn as_replay(&self) -> Replay<'_> {
        match self {
            Self::Report(id) => Replay::Report(id),
            Self::Recording(bytes) => Replay::Recording(bytes),
        }
    }
}

/// How a replay went.
pub fn replay_dict<'py>(
    py: Python<'py>,
    outcome: &ReplayRecordingResponse,
) -> PyResult<Bound<'py, PyDict>> {
    let death = |death: Option<&Death>| death.map(|death| death_object(py, death)).transpose();
    let dict = PyDict::new(py);
    dict.set_item("same", outcome.same)?;
    dict.set_item("recorded", death(outcome.recorded.as_ref())?)?;
    dict.set_item("replayed", death(outcome.replayed.as_ref())?)?;
    dict.set_item("calls", outcome.calls)?;
    dict.set_item("calls_made", outcome.calls_made)?;
    dict.set_item("blocks", outcome.blocks)?;
    dict.set_item("blocks_played", outcome.blocks_played)?;
    dict.set_item("cautions", &outcome.cautions)?;
    Ok(dict)
}
