//! Writing WAV files.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use hound::{SampleFormat, WavSpec};
use plugpen_proto::Error;
use plugpen_proto::v1::ErrorReason;

use super::{full_scale, unwritable};

/// Bytes of everything but samples in the longest header that is written, and the padding.
const HEADER: u64 = 80;

/// How samples are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BitDepth {
    /// 16 bit integers.
    Int16,
    /// 24 bit integers.
    #[default]
    Int24,
    /// 32 bit floats.
    Float32,
}

impl BitDepth {
    /// That of 16, 24 or 32 bits.
    ///
    /// # Errors
    /// `InvalidInput` for other numbers.
    pub fn from_bits(bits: i64) -> Result<Self, Error> {
        match bits {
            16 => Ok(Self::Int16),
            24 => Ok(Self::Int24),
            32 => Ok(Self::Float32),
            _ => Err(Error::invalid(format!(
                "bit_depth must be 16, 24, or 32, got {bits}"
            ))),
        }
    }

    /// Bits a sample.
    pub fn bits(self) -> u16 {
        match self {
            Self::Int16 => 16,
            Self::Int24 => 24,
            Self::Float32 => 32,
        }
    }
}

/// A WAV file that is written block by block.
///
/// Integers are rounded to the nearest step of 1 / 2^(bits - 1) and saturate at full scale, a
/// sample that is no number becomes 0; floats are stored as they are. A file that would pass 4 GiB,
/// which the format cannot hold, is refused before it does.
pub struct WavWriter {
    writer: hound::WavWriter<BufWriter<File>>,
    path: PathBuf,
    depth: BitDepth,
    channels: usize,
    frames: u64,
    most_frames: u64,
}

impl std::fmt::Debug for WavWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WavWriter")
            .field("path", &self.path)
            .field("depth", &self.depth)
            .field("frames", &self.frames)
            .finish_non_exhaustive()
    }
}

impl WavWriter {
    /// Creates a file, or empties the one that is there.
    ///
    /// # Errors
    /// `InvalidInput` for no channels, no rate, or more of either than the format can name;
    /// `NotAllowed` if the file cannot be created.
    pub fn create(
        path: impl AsRef<Path>,
        channels: usize,
        sample_rate: u32,
        depth: BitDepth,
    ) -> Result<Self, Error> {
        let path = path.as_ref();
        let frame_bytes = channels.saturating_mul(usize::from(depth.bits() / 8));
        let named = u16::try_from(frame_bytes)
            .ok()
            .zip(u16::try_from(channels).ok());
        let Some((frame_bytes, count)) = named.filter(|(frame_bytes, _)| {
            *frame_bytes > 0
                && sample_rate > 0
                && u32::from(*frame_bytes).checked_mul(sample_rate).is_some()
        }) else {
            return Err(Error::invalid(format!(
                "a WAV file cannot have {channels} channels at {sample_rate} Hz: at least 1 of each, at most 65535 bytes a frame and 4 GiB a second"
            )));
        };
        let spec = WavSpec {
            channels: count,
            sample_rate,
            bits_per_sample: depth.bits(),
            sample_format: match depth {
                BitDepth::Int16 | BitDepth::Int24 => SampleFormat::Int,
                BitDepth::Float32 => SampleFormat::Float,
            },
        };
        let file = File::create(path).map_err(|error| unwritable(path, error))?;
        let writer = hound::WavWriter::new(BufWriter::new(file), spec);
        Ok(Self {
            writer: writer.map_err(|error| unwritable(path, error))?,
            path: path.to_owned(),
            depth,
            channels,
            frames: 0,
            most_frames: (u64::from(u32::MAX) - HEADER) / u64::from(frame_bytes),
        })
    }

    /// Appends a block: as many channels as the file has, all of one length.
    ///
    /// # Errors
    /// `InvalidInput` for other shapes, `LimitReached` if the file would pass 4 GiB, `NotAllowed` if
    /// it cannot be written.
    pub fn write(&mut self, planes: &[&[f32]]) -> Result<(), Error> {
        let frames = planes.first().map_or(0, |plane| plane.len());
        if planes.len() != self.channels || planes.iter().any(|plane| plane.len() != frames) {
            return Err(Error::invalid(format!(
                "a block for this file must have {} channels of one length",
                self.channels
            )));
        }
        let after = self
            .frames
            .saturating_add(u64::try_from(frames).unwrap_or(u64::MAX));
        if after > self.most_frames {
            return Err(Error::new(
                ErrorReason::LimitReached,
                format!(
                    "{} would pass 4 GiB, which a WAV file cannot hold: {} frames are the most; write several files or fewer bits",
                    self.path.display(),
                    self.most_frames
                ),
            ));
        }
        for frame in 0..frames {
            for plane in planes {
                let sample = plane[frame];
                let written = match self.depth {
                    BitDepth::Float32 => self.writer.write_sample(sample),
                    BitDepth::Int16 | BitDepth::Int24 => self
                        .writer
                        .write_sample(quantise(sample, self.depth.bits())),
                };
                written.map_err(|error| self.failed(error))?;
            }
        }
        self.frames = after;
        Ok(())
    }

    /// Frames written so far.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Completes the file; returns its frames. (A dropped writer completes it too, but cannot say
    /// whether that worked.)
    ///
    /// # Errors
    /// `NotAllowed` if it cannot be written.
    pub fn finish(self) -> Result<u64, Error> {
        let Self {
            writer,
            path,
            frames,
            ..
        } = self;
        match writer.finalize() {
            Ok(()) => Ok(frames),
            Err(error) => Err(failed(&path, error)),
        }
    }

    fn failed(&self, error: hound::Error) -> Error {
        failed(&self.path, error)
    }
}

fn failed(path: &Path, error: hound::Error) -> Error {
    Error::new(
        ErrorReason::NotAllowed,
        format!("Failed to write audio file: {}: {error}", path.display()),
    )
}

/// The nearest integer sample, full scale at most.
#[allow(
    clippy::cast_possible_truncation,
    reason = "clamped to that many bits; what is no number becomes 0"
)]
fn quantise(sample: f32, bits: u16) -> i32 {
    let scale = full_scale(bits);
    (f64::from(sample) * scale)
        .round()
        .clamp(-scale, scale - 1.0) as i32
}

/// Writes a whole WAV file, `[channel][frame]`.
///
/// # Errors
/// As [`WavWriter`].
pub fn write_wav(
    path: impl AsRef<Path>,
    planes: &[&[f32]],
    sample_rate: u32,
    depth: BitDepth,
) -> Result<(), Error> {
    let mut writer = WavWriter::create(path, planes.len(), sample_rate, depth)?;
    writer.write(planes)?;
    writer.finish().map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_round_and_saturate() {
        for (sample, expected) in [
            (0.0, 0),
            (1.0, 32767),
            (-1.0, -32768),
            (9.0, 32767),
            (-9.0, -32768),
            (f32::NAN, 0),
            (f32::INFINITY, 32767),
            (0.49 / 32768.0, 0),
            (0.51 / 32768.0, 1),
            (-0.51 / 32768.0, -1),
        ] {
            assert_eq!(quantise(sample, 16), expected, "{sample}");
        }
        assert_eq!(quantise(1.0, 24), 0x7F_FFFF);
    }

    #[test]
    fn four_gibibytes_are_the_most() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("long.wav");
        let mut writer = WavWriter::create(&path, 1, 48_000, BitDepth::Int24).unwrap();
        writer.frames = writer.most_frames - 1;
        writer.write(&[&[0.0]]).unwrap();
        let error = writer.write(&[&[0.0]]).unwrap_err();
        assert_eq!(error.reason, ErrorReason::LimitReached);
        assert!(
            error.message.contains("1431655738 frames"),
            "{}",
            error.message
        );
    }
}
