//! Writing FLAC files.

use std::path::Path;

use flacenc::bitsink::ByteSink;
use flacenc::component::{BitRepr, StreamInfo};
use flacenc::config::Encoder;
use flacenc::error::{Verified, Verify};
use flacenc::source::{Context, Fill, FrameBuf};
use plugpen_proto::Error;
use plugpen_proto::v1::ErrorReason;

use super::output::Output;
use super::write::{BitDepth, quantise};

/// Frames of a block.
const BLOCK: usize = 4096;
/// Bytes of a block besides its samples, at most.
const FRAME_HEAD: usize = 32;
/// The highest rate the encoder knows of, and one that its blocks cannot name: they refer to the
/// file's head then, which names what is wanted.
const HIGHEST_KNOWN: u32 = 96_000;
const UNNAMED: usize = 65_537;
/// What readers take: the first edition of the format ends there. The head has room for 36 bits.
const HIGHEST: u32 = 655_350;
const MOST_FRAMES: u64 = (1 << 36) - 1;

/// A FLAC file under way.
pub struct FlacWriter {
    file: Output,
    config: Verified<Encoder>,
    /// Stores samples as they are.
    verbatim: Verified<Encoder>,
    info: StreamInfo,
    sample_rate: u32,
    depth: BitDepth,
    channels: usize,
    block: FrameBuf,
    /// Counts and digests what is encoded.
    context: Context,
    /// Frames that do not fill a block yet, channel by channel.
    waiting: Vec<i32>,
    smallest: usize,
    largest: usize,
    frames: u64,
}

impl FlacWriter {
    pub fn create(
        path: &Path,
        channels: usize,
        sample_rate: u32,
        depth: BitDepth,
    ) -> Result<Self, Error> {
        if depth == BitDepth::Float32 {
            return Err(Error::invalid(
                "bit_depth must be 16 or 24 for FLAC, got 32",
            ));
        }
        if !(1..=8).contains(&channels) || !(1..=HIGHEST).contains(&sample_rate) {
            return Err(Error::invalid(format!(
                "a FLAC file cannot have {channels} channels at {sample_rate} Hz: 1 to 8 channels and 1 to {HIGHEST} Hz; a WAV file can"
            )));
        }
        let known = match sample_rate {
            rate if rate <= HIGHEST_KNOWN => usize::try_from(rate).unwrap_or(UNNAMED),
            _ => UNNAMED,
        };
        let bits = usize::from(depth.bits());
        let verified = |config: Encoder| config.into_verified().map_err(|(_, error)| bug(error));
        let mut verbatim = Encoder::default();
        verbatim.subframe_coding.use_fixed = false;
        verbatim.subframe_coding.use_lpc = false;
        verbatim.stereo_coding.use_leftside = false;
        verbatim.stereo_coding.use_rightside = false;
        verbatim.stereo_coding.use_midside = false;
        let info = StreamInfo::new(known, channels, bits).map_err(bug)?;
        let mut file = Output::create(path)?;
        file.write(&[0; 42])?;
        Ok(Self {
            file,
            config: verified(Encoder::default())?,
            verbatim: verified(verbatim)?,
            info,
            sample_rate,
            depth,
            channels,
            block: FrameBuf::with_size(channels, BLOCK).map_err(bug)?,
            context: Context::new(bits, channels),
            waiting: Vec::new(),
            smallest: usize::MAX,
            largest: 0,
            frames: 0,
        })
    }

    /// Appends frames: as many planes as channels, all of one length.
    pub fn write(&mut self, planes: &[&[f32]]) -> Result<(), Error> {
        let frames = planes.first().map_or(0, |plane| plane.len());
        let after = self.frames + u64::try_from(frames).unwrap_or(0);
        if after > MOST_FRAMES {
            return Err(Error::new(
                ErrorReason::LimitReached,
                format!(
                    "{} would pass {MOST_FRAMES} frames, the most a FLAC file can have",
                    self.path().display()
                ),
            ));
        }
        self.frames = after;
        for frame in 0..frames {
            for plane in planes {
                let sample = quantise(plane[frame], self.depth.bits());
                self.waiting.push(sample);
            }
            if self.waiting.len() == BLOCK * self.channels {
                self.encode()?;
            }
        }
        Ok(())
    }

    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Encodes what waits as a block; only the last may be short.
    fn encode(&mut self) -> Result<(), Error> {
        let filled = self.block.fill_interleaved(&self.waiting);
        filled
            .and_then(|()| self.context.fill_interleaved(&self.waiting))
            .map_err(bug)?;
        let plain = self.waiting.len() * usize::from(self.depth.bits() / 8);
        self.waiting.clear();
        let number = self.context.current_frame_number().unwrap_or(0);
        let mut sink = self.encoded(&self.config, number)?;
        if sink.as_slice().len() > plain + FRAME_HEAD {
            // The encoder has no parameters for loud noise of 24 bits, and would double it.
            sink = self.encoded(&self.verbatim, number)?;
        }
        let bytes = sink.as_slice();
        self.smallest = self.smallest.min(bytes.len());
        self.largest = self.largest.max(bytes.len());
        self.file.write(bytes)
    }

    fn encoded(&self, config: &Verified<Encoder>, number: usize) -> Result<ByteSink, Error> {
        let frame = flacenc::encode_fixed_size_frame(config, &self.block, number, &self.info);
        let mut sink = ByteSink::new();
        frame.map_err(bug)?.write(&mut sink).map_err(bug)?;
        Ok(sink)
    }

    /// Encodes the rest, fills in the head and gives the file its name. There must be a frame.
    pub fn finish(mut self) -> Result<u64, Error> {
        if self.frames == 0 {
            // Its head would say that its length is not known, and decoders wait for a block.
            return Err(Error::invalid(format!(
                "Failed to write audio file: {}: a FLAC file has at least one frame",
                self.path().display()
            )));
        }
        if !self.waiting.is_empty() {
            self.encode()?;
        }
        let block = u16::try_from(BLOCK).unwrap_or(u16::MAX).to_be_bytes();
        let bytes = |size: usize| u32::try_from(size).unwrap_or(0).to_be_bytes();
        let channels = u64::try_from(self.channels - 1).unwrap_or(0);
        let bits = u64::from(self.depth.bits() - 1);
        let numbers = u64::from(self.sample_rate) << 44 | channels << 41 | bits << 36 | self.frames;
        let mut head = b"fLaC\x80\0\0\x22".to_vec();
        head.extend([block, block].as_flattened());
        head.extend(&bytes(self.smallest)[1..]);
        head.extend(&bytes(self.largest)[1..]);
        head.extend(numbers.to_be_bytes());
        head.extend(self.context.md5_digest());
        self.file.write_at(0, &head)?;
        self.file.finish()?;
        Ok(self.frames)
    }
}

fn bug(error: impl std::fmt::Display) -> Error {
    Error::bug(format!("the FLAC encoder failed: {error}"))
}
