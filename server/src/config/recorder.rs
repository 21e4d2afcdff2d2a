//! What is recorded of plugins that may die, and how much of it is kept.

use plugpen_proto::v1::Recording;
use serde::Deserialize;

use super::ConfigError;

const LEVELS: [(&str, Recording); 3] = [
    ("full", Recording::Full),
    ("calls", Recording::Calls),
    ("off", Recording::Off),
];

/// The flight recorder.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RecorderTerms {
    /// For plugins that were opened without a wish: full, calls (without samples) or off.
    pub recording: String,
    /// Recordings that are kept.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
}

impl Default for RecorderTerms {
    fn default() -> Self {
        Self {
            recording: "full".into(),
            files: 64,
            bytes: 256 << 20,
        }
    }
}

impl RecorderTerms {
    /// What is recorded of a plugin that was opened with this wish.
    pub fn level(&self, wished: Recording) -> Recording {
        let named = LEVELS.iter().find(|(name, _)| *name == self.recording);
        match wished {
            Recording::Unspecified => named.map_or(Recording::Off, |(_, level)| *level),
            wished => wished,
        }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        match LEVELS.iter().any(|(name, _)| *name == self.recording) {
            true => Ok(()),
            false => Err(ConfigError::Value(format!(
                "recorder.recording is {:?}; use full, calls or off",
                self.recording
            ))),
        }
    }
}
