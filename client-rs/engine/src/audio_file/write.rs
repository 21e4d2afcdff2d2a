//! Writing audio files.

use std::path::Path;

use plugpen_proto::Error;

use super::broadcast::BroadcastInfo;
use super::flac_writer::FlacWriter;
use super::wave_writer::WaveWriter;

/// Frames of a whole file that are written at a time.
const BLOCK: usize = 4096;

/// What kinds of file are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AudioFormat {
    /// `.wav`; RF64 where it becomes too large.
    Wav,
    /// `.flac`.
    Flac,
}

impl AudioFormat {
    /// That of a path's extension, whatever its case.
    ///
    /// # Errors
    /// `InvalidInput` for others.
    pub fn of(path: impl AsRef<Path>) -> Result<Self, Error> {
        let extension = path.as_ref().extension();
        let extension = extension.map_or(String::new(), |extension| {
            format!(".{}", extension.to_string_lossy())
        });
        match extension.to_ascii_lowercase().as_str() {
            ".wav" => Ok(Self::Wav),
            ".flac" => Ok(Self::Flac),
            _ => Err(Error::invalid(format!(
                "Unsupported audio format for writing: '{extension}'. Supported: WAV (.wav), FLAC (.flac)."
            ))),
        }
    }
}

/// How samples are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BitDepth {
    /// 16 bit integers.
    Int16,
    /// 24 bit integers.
    #[default]
    Int24,
    /// 32 bit floats, in WAV files only.
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

/// What is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteOptions {
    /// Channels.
    pub channels: usize,
    /// Frames a second.
    pub sample_rate: u32,
    /// How samples are stored.
    pub depth: BitDepth,
    /// Makes a WAV file a Broadcast Wave file.
    pub broadcast: Option<BroadcastInfo>,
}

impl WriteOptions {
    /// Checks that a file of this name can be written so, before anything is rendered for it.
    ///
    /// # Errors
    /// `InvalidInput` for another extension than `.wav` and `.flac`, 32 bits or Broadcast Wave
    /// fields with FLAC.
    pub fn check(&self, path: impl AsRef<Path>) -> Result<AudioFormat, Error> {
        let format = AudioFormat::of(path)?;
        if format == AudioFormat::Flac && self.depth == BitDepth::Float32 {
            return Err(Error::invalid(
                "bit_depth must be 16 or 24 for FLAC, got 32",
            ));
        }
        if format == AudioFormat::Flac && self.broadcast.is_some() {
            return Err(Error::invalid(
                "bwf: only WAV files have Broadcast Wave fields, not FLAC",
            ));
        }
        Ok(format)
    }
}

/// An audio file that is written block by block, in the format of its extension.
///
/// Integers are rounded to the nearest step of 1 / 2^(bits - 1) and saturate at full scale, a
/// sample that is no number becomes 0; floats are stored as they are. A WAV file that passes 4 GiB
/// becomes RF64.
///
/// The file gets its name, and replaces what had it, when it is complete
/// ([`finish`](Self::finish)). Until then it is `.NAME.*.part` beside it; a writer that is dropped
/// removes that, a process that is killed leaves it.
pub struct AudioWriter {
    inner: Inner,
    channels: usize,
    frames: u64,
}

enum Inner {
    Wave(WaveWriter),
    Flac(Box<FlacWriter>),
}

impl std::fmt::Debug for AudioWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AudioWriter")
            .field("path", &self.path())
            .field("channels", &self.channels)
            .field("frames", &self.frames)
            .finish_non_exhaustive()
    }
}

impl AudioWriter {
    /// Begins a file.
    ///
    /// # Errors
    /// Those of [`WriteOptions::check`]; `InvalidInput` for no channels, no rate, or more of either
    /// than the format can name; `NotAllowed` if the file cannot be created.
    pub fn create(path: impl AsRef<Path>, options: &WriteOptions) -> Result<Self, Error> {
        let path = path.as_ref();
        let WriteOptions {
            channels,
            sample_rate,
            depth,
            ref broadcast,
        } = *options;
        let inner = match options.check(path)? {
            AudioFormat::Wav => Inner::Wave(WaveWriter::create(
                path,
                channels,
                sample_rate,
                depth,
                broadcast.as_ref(),
            )?),
            AudioFormat::Flac => {
                let writer = FlacWriter::create(path, channels, sample_rate, depth)?;
                Inner::Flac(Box::new(writer))
            }
        };
        Ok(Self {
            inner,
            channels,
            frames: 0,
        })
    }

    /// Appends a block: as many channels as the file has, all of one length.
    ///
    /// # Errors
    /// `InvalidInput` for other shapes, `LimitReached` beyond 2^36 frames of FLAC, `NotAllowed` if
    /// it cannot be written.
    pub fn write(&mut self, planes: &[&[f32]]) -> Result<(), Error> {
        let frames = planes.first().map_or(0, |plane| plane.len());
        if planes.len() != self.channels || planes.iter().any(|plane| plane.len() != frames) {
            return Err(Error::invalid(format!(
                "a block for this file must have {} channels of one length",
                self.channels
            )));
        }
        match &mut self.inner {
            Inner::Wave(writer) => writer.write(planes),
            Inner::Flac(writer) => writer.write(planes),
        }?;
        self.frames += u64::try_from(frames).unwrap_or(0);
        Ok(())
    }

    /// Frames written so far.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Completes the file; returns its frames.
    ///
    /// # Errors
    /// `NotAllowed` if it cannot be written, `InvalidInput` for FLAC without a frame.
    pub fn finish(self) -> Result<u64, Error> {
        match self.inner {
            Inner::Wave(writer) => writer.finish(),
            Inner::Flac(writer) => writer.finish(),
        }
    }

    fn path(&self) -> &Path {
        match &self.inner {
            Inner::Wave(writer) => writer.path(),
            Inner::Flac(writer) => writer.path(),
        }
    }
}

/// The nearest integer sample, full scale at most.
#[allow(
    clippy::cast_possible_truncation,
    reason = "clamped to that many bits; what is no number becomes 0"
)]
pub(super) fn quantise(sample: f32, bits: u16) -> i32 {
    let scale = f64::from(2.0_f32).powi(i32::from(bits) - 1);
    (f64::from(sample) * scale)
        .round()
        .clamp(-scale, scale - 1.0) as i32
}

/// Writes a whole audio file, `[channel][frame]`; `options.channels` is theirs.
///
/// # Errors
/// As [`AudioWriter`].
pub fn write_audio(
    path: impl AsRef<Path>,
    planes: &[&[f32]],
    options: &WriteOptions,
) -> Result<(), Error> {
    let mut writer = AudioWriter::create(path, options)?;
    let frames = planes.iter().map(|plane| plane.len()).max().unwrap_or(0);
    for begin in (0..frames).step_by(BLOCK) {
        let block = planes.iter().map(|plane| {
            let end = plane.len().min(begin + BLOCK);
            plane.get(begin..end).unwrap_or_default()
        });
        writer.write(&block.collect::<Vec<_>>())?;
    }
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
}
