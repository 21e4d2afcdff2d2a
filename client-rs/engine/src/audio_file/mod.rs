//! WAV files, `[channel][frame]` in single precision.

mod read;
mod write;

use std::path::Path;

use plugpen_proto::Error;
use plugpen_proto::v1::ErrorReason;

pub use read::{AudioInfo, read_wav, wav_info};
pub use write::{BitDepth, WavWriter, write_wav};

/// What integer samples are multiples of: 1 / 2^(bits - 1).
fn full_scale(bits: u16) -> f64 {
    f64::from(2.0_f32).powi(i32::from(bits) - 1)
}

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
