//! Audio files, `[channel][frame]` in single precision.

mod broadcast;
mod flac_writer;
mod output;
mod packets;
mod read;
mod wave;
mod wave_writer;
mod write;

use std::path::Path;

use plugpen_proto::Error;
use plugpen_proto::v1::ErrorReason;

pub use broadcast::BroadcastInfo;
pub use read::{AudioInfo, AudioReader, audio_info, read_audio};
pub use write::{AudioFormat, AudioWriter, BitDepth, WriteOptions, write_audio};

fn not_found(path: &Path) -> Error {
    Error::new(
        ErrorReason::NotFound,
        format!("Audio file not found: {}", path.display()),
    )
}

fn unreadable(path: &Path, why: impl std::fmt::Display) -> Error {
    Error::invalid(format!(
        "Failed to read audio file: {}: {why}",
        path.display()
    ))
}

fn unwritable(path: &Path, why: impl std::fmt::Display) -> Error {
    Error::new(
        ErrorReason::NotAllowed,
        format!("Failed to open file for writing: {}: {why}", path.display()),
    )
}

pub(crate) fn unwritten(path: &Path, why: impl std::fmt::Display) -> Error {
    Error::new(
        ErrorReason::NotAllowed,
        format!("Failed to write audio file: {}: {why}", path.display()),
    )
}
