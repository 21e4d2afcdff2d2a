//! Writing WAV files, beyond 4 GiB as RF64 (EBU Tech 3306).

use std::path::Path;

use plugpen_proto::Error;

use super::broadcast::BroadcastInfo;
use super::output::Output;
use super::write::{BitDepth, quantise};

/// Bytes of the chunk that is kept free for the lengths of a large file.
const LENGTHS: u32 = 28;
/// Where it begins.
const LENGTHS_AT: u64 = 12;
/// What follows the first two bytes of a format's identifier.
const SUBFORMAT: [u8; 14] = *b"\0\0\0\0\x10\0\x80\0\0\xAA\0\x38\x9B\x71";

/// A WAV file under way.
pub struct WaveWriter {
    file: Output,
    depth: BitDepth,
    channels: usize,
    /// Bytes before the samples.
    head: u64,
    /// Where the number of frames is written, if the format wants it.
    fact: Option<u64>,
    frames: u64,
    /// The largest length that the plain format names.
    most: u64,
    bytes: Vec<u8>,
}

impl WaveWriter {
    pub fn create(
        path: &Path,
        channels: usize,
        sample_rate: u32,
        depth: BitDepth,
        broadcast: Option<&BroadcastInfo>,
    ) -> Result<Self, Error> {
        let frame = channels.saturating_mul(usize::from(depth.bits() / 8));
        let named = u16::try_from(frame).ok().zip(u16::try_from(channels).ok());
        let rates = named.and_then(|(frame, count)| {
            let bytes = u32::from(frame).checked_mul(sample_rate)?;
            (bytes > 0).then_some((frame, count, bytes))
        });
        let Some((frame, count, bytes_a_second)) = rates else {
            return Err(Error::invalid(format!(
                "a WAV file cannot have {channels} channels at {sample_rate} Hz: at least 1 of each, at most 65535 bytes a frame and 4 GiB a second"
            )));
        };
        let mut head = b"RIFF\0\0\0\0WAVEJUNK".to_vec();
        head.extend(LENGTHS.to_le_bytes());
        head.resize(head.len() + 28, 0);
        if let Some(broadcast) = broadcast {
            chunk(&mut head, *b"bext", &broadcast.chunk()?);
        }
        let tag: u16 = match depth {
            BitDepth::Int16 | BitDepth::Int24 => 1,
            BitDepth::Float32 => 3,
        };
        // More than two channels need the long form; which is where, nobody has said.
        let long = channels > 2;
        let mut format = Vec::new();
        format.extend(if long { 0xFFFE } else { tag }.to_le_bytes());
        format.extend(count.to_le_bytes());
        format.extend(sample_rate.to_le_bytes());
        format.extend(bytes_a_second.to_le_bytes());
        format.extend(frame.to_le_bytes());
        format.extend(depth.bits().to_le_bytes());
        if long {
            format.extend(22_u16.to_le_bytes());
            format.extend(depth.bits().to_le_bytes());
            format.extend(0_u32.to_le_bytes());
            format.extend(tag.to_le_bytes());
            format.extend(SUBFORMAT);
        } else if depth == BitDepth::Float32 {
            format.extend(0_u16.to_le_bytes());
        }
        chunk(&mut head, *b"fmt ", &format);
        let mut fact = None;
        if depth == BitDepth::Float32 {
            fact = Some(length(&head) + 8);
            chunk(&mut head, *b"fact", &[0; 4]);
        }
        head.extend(b"data\0\0\0\0");
        let mut file = Output::create(path)?;
        file.write(&head)?;
        Ok(Self {
            file,
            depth,
            channels,
            head: length(&head),
            fact,
            frames: 0,
            most: u64::from(u32::MAX),
            bytes: Vec::new(),
        })
    }

    /// Appends frames: as many planes as channels, all of one length.
    pub fn write(&mut self, planes: &[&[f32]]) -> Result<(), Error> {
        let frames = planes.first().map_or(0, |plane| plane.len());
        self.bytes.clear();
        for frame in 0..frames {
            for plane in planes {
                let sample = plane[frame];
                match self.depth {
                    BitDepth::Int16 => {
                        let [a, b, ..] = quantise(sample, 16).to_le_bytes();
                        self.bytes.extend([a, b]);
                    }
                    BitDepth::Int24 => {
                        let [a, b, c, _] = quantise(sample, 24).to_le_bytes();
                        self.bytes.extend([a, b, c]);
                    }
                    BitDepth::Float32 => self.bytes.extend(sample.to_le_bytes()),
                }
            }
        }
        self.file.write(&self.bytes)?;
        self.frames += u64::try_from(frames).unwrap_or(0);
        Ok(())
    }

    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Fills in the lengths and gives the file its name.
    pub fn finish(mut self) -> Result<u64, Error> {
        let frame = u64::try_from(self.channels).unwrap_or(0) * u64::from(self.depth.bits() / 8);
        let data = self.frames * frame;
        if data % 2 == 1 {
            self.file.write(&[0])?;
        }
        let riff = self.head + data + data % 2 - 8;
        let short = |length: u64| u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
        if riff > self.most {
            let mut lengths = b"ds64".to_vec();
            lengths.extend(LENGTHS.to_le_bytes());
            for length in [riff, data, self.frames] {
                lengths.extend(length.to_le_bytes());
            }
            self.file.write_at(0, b"RF64\xFF\xFF\xFF\xFF")?;
            self.file.write_at(LENGTHS_AT, &lengths)?;
            self.file.write_at(self.head - 4, &[0xFF; 4])?;
        } else {
            self.file.write_at(4, &short(riff))?;
            self.file.write_at(self.head - 4, &short(data))?;
        }
        if let Some(fact) = self.fact {
            self.file.write_at(fact, &short(self.frames))?;
        }
        self.file.finish()?;
        Ok(self.frames)
    }
}

fn chunk(head: &mut Vec<u8>, name: [u8; 4], body: &[u8]) {
    head.extend(name);
    head.extend(u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes());
    head.extend(body);
    if body.len() % 2 == 1 {
        head.push(0);
    }
}

fn length(head: &[u8]) -> u64 {
    u64::try_from(head.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio_file::{audio_info, read_audio};

    #[test]
    fn a_file_that_outgrows_riff_becomes_rf64() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        let write = |most: u64, depth| {
            let mut writer = WaveWriter::create(&path, 1, 48_000, depth, None).unwrap();
            writer.most = most;
            writer.write(&[&[0.5, -0.5, 0.25]]).unwrap();
            writer.finish().unwrap();
            std::fs::read(&path).unwrap()
        };
        for depth in [BitDepth::Int16, BitDepth::Int24, BitDepth::Float32] {
            let plain = write(u64::from(u32::MAX), depth);
            let riff = plain.len() - 8;
            let riff = u64::try_from(riff).unwrap();
            assert_eq!(write(riff, depth), plain);
            let large = write(riff - 1, depth);
            assert_eq!(large.len(), plain.len());
            assert_eq!(&large[..20], b"RF64\xFF\xFF\xFF\xFFWAVEds64\x1C\0\0\0");
            let number = |at: usize| u64::from_le_bytes(large[at..at + 8].try_into().unwrap());
            let data = 3 * u64::from(depth.bits() / 8);
            assert_eq!((number(20), number(28), number(36)), (riff, data, 3));
            let (read, rate) = read_audio(&path).unwrap();
            assert_eq!((read, rate), (vec![vec![0.5, -0.5, 0.25]], 48_000));
            assert_eq!(audio_info(&path).unwrap().frames, 3);
        }
    }
}
