//! What is rendered, as a file.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use plugpen_proto::Error;

use crate::audio_file::{AudioWriter, BitDepth, BroadcastInfo, WriteOptions, unwritten};

/// Frames that are scaled at a time.
const BLOCK: usize = 4096;

/// How a render becomes a file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FileOptions {
    /// How samples are stored.
    pub depth: BitDepth,
    /// Brings the peak to this many dB of full scale; silence stays as it is.
    pub normalize: Option<f64>,
    /// Makes a WAV file a Broadcast Wave file.
    pub broadcast: Option<BroadcastInfo>,
}

/// A file that is filled with blocks of a render.
///
/// To normalise, the peak must be known before the first sample is written: blocks wait in a
/// nameless file beside the place of the new one, in single precision, and not in memory.
#[derive(Debug)]
pub struct FileRender {
    writer: AudioWriter,
    channels: usize,
    waiting: Option<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    file: BufWriter<File>,
    path: PathBuf,
    decibels: f64,
    peak: f32,
    frames: u64,
    bytes: Vec<u8>,
}

impl FileRender {
    /// Begins a file, `.wav` or `.flac`, for a render at a sample rate.
    ///
    /// # Errors
    /// Those of [`AudioWriter::create`]; `InvalidInput` for a sample rate that is no whole number,
    /// or a level that is not finite.
    pub fn create(
        path: impl AsRef<Path>,
        channels: usize,
        sample_rate: f64,
        options: &FileOptions,
    ) -> Result<Self, Error> {
        let path = path.as_ref();
        if let Some(level) = options.normalize.filter(|level| !level.is_finite()) {
            return Err(Error::invalid(format!(
                "normalize must be finite dBFS, got {level}"
            )));
        }
        let Some(rate) = whole_rate(sample_rate) else {
            return Err(Error::invalid(format!(
                "an audio file needs a whole sample rate, the plugin runs at {sample_rate} Hz"
            )));
        };
        let write = WriteOptions {
            channels,
            sample_rate: rate,
            depth: options.depth,
            broadcast: options.broadcast.clone(),
        };
        let writer = AudioWriter::create(path, &write)?;
        let waiting = match options.normalize {
            None => None,
            Some(decibels) => {
                let folder = path.parent().filter(|folder| *folder != Path::new(""));
                let file = tempfile::tempfile_in(folder.unwrap_or(Path::new(".")));
                Some(Waiting {
                    file: BufWriter::new(file.map_err(|error| unwritten(path, error))?),
                    path: path.to_owned(),
                    decibels,
                    peak: 0.0,
                    frames: 0,
                    bytes: Vec::new(),
                })
            }
        };
        Ok(Self {
            writer,
            channels,
            waiting,
        })
    }

    /// Appends a block: as many channels as the file has, all of one length.
    ///
    /// # Errors
    /// Those of [`AudioWriter::write`].
    pub fn write(&mut self, planes: &[&[f32]]) -> Result<(), Error> {
        match &mut self.waiting {
            Some(waiting) if planes.len() == self.channels => waiting.write(planes),
            _ => self.writer.write(planes),
        }
    }

    /// Completes the file; returns its frames. A file without frames is a WAV file.
    ///
    /// # Errors
    /// Those of [`AudioWriter::finish`].
    pub fn finish(self) -> Result<u64, Error> {
        self.finish_telling(&mut || Ok(()))
    }

    /// The same; `on_block` is called after each block that is normalised, which takes its time
    /// with a long file, and may stop it by an error.
    ///
    /// # Errors
    /// As [`finish`](Self::finish), and whatever `on_block` fails with.
    pub fn finish_telling(
        mut self,
        on_block: &mut dyn FnMut() -> Result<(), Error>,
    ) -> Result<u64, Error> {
        if let Some(waiting) = self.waiting {
            waiting.bring(self.channels, &mut self.writer, on_block)?;
        }
        self.writer.finish()
    }
}

impl Waiting {
    fn write(&mut self, planes: &[&[f32]]) -> Result<(), Error> {
        let frames = planes.first().map_or(0, |plane| plane.len());
        self.bytes.clear();
        for frame in 0..frames {
            for plane in planes {
                let sample = plane.get(frame).copied().unwrap_or(0.0);
                self.peak = self.peak.max(sample.abs());
                self.bytes.extend(sample.to_ne_bytes());
            }
        }
        self.frames += u64::try_from(frames).unwrap_or(0);
        let written = self.file.write_all(&self.bytes);
        written.map_err(|error| unwritten(&self.path, error))
    }

    fn bring(
        self,
        channels: usize,
        writer: &mut AudioWriter,
        on_block: &mut dyn FnMut() -> Result<(), Error>,
    ) -> Result<(), Error> {
        let gain = match self.peak {
            peak if peak > 0.0 && peak.is_finite() => {
                10.0_f64.powf(self.decibels / 20.0) / f64::from(peak)
            }
            _ => 1.0,
        };
        let failed = |error| unwritten(&self.path, error);
        let mut file = self.file.into_inner().map_err(|e| failed(e.into_error()))?;
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        let mut file = BufReader::with_capacity(1 << 16, file);
        let mut planes = vec![Vec::with_capacity(BLOCK); channels];
        let mut left = self.frames;
        while left > 0 {
            let frames = BLOCK.min(usize::try_from(left).unwrap_or(BLOCK));
            planes.iter_mut().for_each(Vec::clear);
            for _ in 0..frames {
                for plane in &mut planes {
                    let mut sample = [0; 4];
                    file.read_exact(&mut sample).map_err(failed)?;
                    #[allow(
                        clippy::cast_possible_truncation,
                        reason = "the nearest single precision number is meant"
                    )]
                    plane.push((f64::from(f32::from_ne_bytes(sample)) * gain) as f32);
                }
            }
            let block: Vec<_> = planes.iter().map(Vec::as_slice).collect();
            writer.write(&block)?;
            left -= u64::try_from(frames).unwrap_or(left);
            on_block()?;
        }
        Ok(())
    }
}

/// A rate as an audio file names it, if it is a whole number above 0.
pub fn whole_rate(rate: f64) -> Option<u32> {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be a whole number in range"
    )]
    let whole = rate as u32;
    (f64::from(whole) == rate && whole > 0).then_some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio_file::read_audio;

    #[test]
    fn only_whole_rates_fit_into_a_file() {
        assert_eq!(whole_rate(44_100.0), Some(44_100));
        for rate in [44_100.5, 0.0, -1.0, 1e12, f64::NAN] {
            assert_eq!(whole_rate(rate), None);
        }
    }

    #[test]
    fn the_peak_is_brought_to_a_level() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        let render = |planes: &[&[f32]], normalize| {
            let options = FileOptions {
                depth: BitDepth::Float32,
                normalize,
                broadcast: None,
            };
            let mut file = FileRender::create(&path, 2, 48_000.0, &options).unwrap();
            file.write(planes).unwrap();
            file.write(planes).unwrap();
            assert!(file.write(&planes[..1]).is_err());
            assert_eq!(file.finish().unwrap(), 4);
            read_audio(&path).unwrap().0
        };
        let planes: [&[f32]; 2] = [&[0.25, -0.5], &[0.125, 0.0]];
        let louder = render(&planes, Some(0.0));
        assert_eq!(louder, [[0.5, -1.0, 0.5, -1.0], [0.25, 0.0, 0.25, 0.0]]);
        assert_eq!(render(&planes, None)[0], [0.25, -0.5, 0.25, -0.5]);
        let silence: [&[f32]; 2] = [&[0.0, 0.0], &[0.0, 0.0]];
        assert_eq!(render(&silence, Some(-6.0))[0], [0.0; 4]);
        let names = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(names, 1);
        // It can be stopped while it is brought there, and leaves what was there.
        let louder = FileOptions {
            normalize: Some(0.0),
            ..FileOptions::default()
        };
        let mut stopped = FileRender::create(&path, 1, 48_000.0, &louder).unwrap();
        stopped.write(&[&[0.5; 3 * BLOCK]]).unwrap();
        let mut blocks = 0;
        let error = stopped.finish_telling(&mut || {
            blocks += 1;
            match blocks {
                2 => Err(Error::invalid("enough")),
                _ => Ok(()),
            }
        });
        assert_eq!((error.unwrap_err().message.as_str(), blocks), ("enough", 2));
        assert_eq!(read_audio(&path).unwrap().0[0], [0.0; 4]);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        let infinite = FileOptions {
            normalize: Some(f64::NAN),
            ..FileOptions::default()
        };
        assert!(FileRender::create(&path, 2, 48_000.0, &infinite).is_err());
    }
}
