//! Reading audio files. The bytes are a stranger's.

use std::fs::File;
use std::path::{Path, PathBuf};

use plugpen_proto::Error;
use plugpen_proto::v1::ErrorReason;
use symphonia::core::codecs::audio::well_known::{CODEC_ID_AAC, CODEC_ID_MP3, CODEC_ID_VORBIS};
use symphonia::core::codecs::audio::{
    AudioCodecId, AudioCodecParameters, AudioDecoder, AudioDecoderOptions,
};
use symphonia::core::errors::Error as SymphoniaError;
use symphonia::core::packet::Packet;

use super::packets::{Next, Packets};
use super::{not_found, unreadable};

/// Most samples of a file that is read at once, 16 GiB of them. A short file can stand for a very
/// long silence.
const MOST_SAMPLES: u64 = 1 << 32;
/// Codecs whose damage is made up for.
const LOSSY: [AudioCodecId; 3] = [CODEC_ID_MP3, CODEC_ID_VORBIS, CODEC_ID_AAC];
/// Frames before a position from which a codec with a memory is decoded to be exact there.
const RUN_UP: u64 = 16_384;

/// What an audio file is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AudioInfo {
    /// Channels.
    pub channels: usize,
    /// Frames a second.
    pub sample_rate: u32,
    /// Frames.
    pub frames: u64,
    /// Length in seconds.
    pub duration_seconds: f64,
}

/// An audio file that is read block by block: WAV (also RF64, BW64 and Wave64), AIFF, CAF, FLAC,
/// MP3, Ogg Vorbis, AAC and ALAC (M4A). What it is is told by its content.
///
/// What encoders of MP3 and Vorbis put before and after the sound is left out. A file cut short
/// gives the frames it has. A packet of MP3, Vorbis or AAC that is damaged is silent, and counted
/// ([`damaged`](Self::damaged)); a damaged file of another format is an error.
pub struct AudioReader {
    path: PathBuf,
    packets: Packets,
    /// `None` where what comes is decoded.
    decoder: Option<Box<dyn AudioDecoder>>,
    /// Damage is made up for.
    lossy: bool,
    info: AudioInfo,
    /// What was decoded and not read yet begins at `taken`.
    block: Vec<Vec<f32>>,
    taken: usize,
    /// The frame that is read next.
    position: u64,
    decoded: u64,
    damaged: u64,
}

impl std::fmt::Debug for AudioReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AudioReader")
            .field("path", &self.path)
            .field("info", &self.info)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

impl AudioReader {
    /// Opens a file, at its beginning. Where the header does not say how long it is (MP3, Vorbis,
    /// AAC), all packets are looked at once, without decoding.
    ///
    /// # Errors
    /// `NotFound`, or `InvalidInput` if it is not such a file.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let (packets, decoder, parameters) = opened(path)?;
        let channels = parameters.channels.as_ref();
        let mut reader = Self {
            path: path.to_owned(),
            info: AudioInfo {
                channels: channels.map_or(0, |channels| channels.count()),
                sample_rate: parameters.sample_rate.unwrap_or(0),
                frames: 0,
                duration_seconds: 0.0,
            },
            packets,
            decoder,
            lossy: LOSSY.contains(&parameters.codec),
            block: Vec::new(),
            taken: 0,
            position: 0,
            decoded: 0,
            damaged: 0,
        };
        let said = reader.packets.frames_said();
        if said.is_none() || reader.info.channels == 0 {
            // Some say how many channels they have only to their decoder.
            reader.look_through(said)?;
        } else {
            reader.info.frames = said.unwrap_or(0);
        }
        if reader.info.channels == 0 || reader.info.sample_rate == 0 {
            return Err(reader.unreadable("it has no channels or no sample rate"));
        }
        #[allow(clippy::cast_precision_loss, reason = "seconds for people")]
        let frames = reader.info.frames as f64;
        reader.info.duration_seconds = frames / f64::from(reader.info.sample_rate);
        Ok(reader)
    }

    /// What it is.
    pub fn info(&self) -> AudioInfo {
        self.info
    }

    /// Its frames.
    pub fn frames(&self) -> u64 {
        self.info.frames
    }

    /// The frame that is read next.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Packets read so far that were damaged and are silent.
    pub fn damaged(&self) -> u64 {
        self.damaged
    }

    /// Reads the next frames into planes of one length, `[channel][frame]`; returns how many: fewer
    /// than there is room for only at the end, and 0 from then on. Channels that the file has not
    /// got are left untouched, surplus ones dropped.
    ///
    /// # Errors
    /// `InvalidInput` if the file is damaged, or changes its channels or rate half-way.
    pub fn read(&mut self, planes: &mut [&mut [f32]]) -> Result<usize, Error> {
        let room = planes.iter().map(|plane| plane.len()).min().unwrap_or(0);
        let mut done = 0;
        while done < room {
            let left = self.info.frames.saturating_sub(self.position);
            if left == 0 || !self.fill()? {
                break;
            }
            let block = self.block.first().map_or(0, Vec::len);
            let frames = (block - self.taken)
                .min(room - done)
                .min(usize::try_from(left).unwrap_or(usize::MAX));
            for (plane, samples) in planes.iter_mut().zip(&self.block) {
                plane[done..done + frames]
                    .copy_from_slice(&samples[self.taken..self.taken + frames]);
            }
            self.taken += frames;
            done += frames;
            self.position += u64::try_from(frames).unwrap_or(0);
        }
        Ok(done)
    }

    /// Goes to a frame; beyond the end is the end. A FLAC file is decoded from its beginning to
    /// there.
    ///
    /// # Errors
    /// As [`open`](Self::open) and [`read`](Self::read).
    pub fn seek(&mut self, frame: u64) -> Result<(), Error> {
        let frame = frame.min(self.info.frames);
        let run_up = if self.lossy { RUN_UP } else { 0 };
        self.block.iter_mut().for_each(Vec::clear);
        self.taken = 0;
        let found = match frame.checked_sub(run_up) {
            Some(before) => self.packets.seek(before).filter(|found| *found <= frame),
            None => None,
        };
        match (&mut self.decoder, found) {
            (Some(decoder), Some(_)) => decoder.reset(),
            _ => (self.packets, self.decoder, _) = opened(&self.path)?,
        }
        self.position = found.unwrap_or(0);
        // The first packet says where it is, which need not be where the format thought.
        let mut first = found.is_some();
        while self.position < frame {
            let at = match self.packets.next().map_err(|why| self.unreadable(why))? {
                Next::Packet(packet) => {
                    let start = self.packets.start(&packet);
                    self.decode(&packet)?;
                    start
                }
                Next::Block(block) => {
                    self.block = block;
                    None
                }
                Next::Stream(parameters) => {
                    self.start_stream(&parameters)?;
                    None
                }
                Next::End => break,
            };
            if let Some(at) = at.filter(|_| std::mem::take(&mut first)) {
                self.position = at;
            }
            let frames = u64::try_from(self.block.first().map_or(0, Vec::len)).unwrap_or(0);
            let skip = frames.min(frame.saturating_sub(self.position));
            self.taken = usize::try_from(skip).unwrap_or(0);
            self.position += skip;
        }
        Ok(())
    }

    /// Sees to it that there are frames to take; `false` at the end.
    fn fill(&mut self) -> Result<bool, Error> {
        while self.taken >= self.block.first().map_or(0, Vec::len) {
            match self.packets.next().map_err(|why| self.unreadable(why))? {
                Next::Packet(packet) => self.decode(&packet)?,
                Next::Block(block) => (self.block, self.taken) = (block, 0),
                Next::Stream(parameters) => self.start_stream(&parameters)?,
                Next::End if self.decoded == 0 && self.damaged > 0 => {
                    return Err(self.unreadable("none of it can be decoded"));
                }
                Next::End => return Ok(false),
            }
        }
        Ok(true)
    }

    fn decode(&mut self, packet: &Packet) -> Result<(), Error> {
        self.taken = 0;
        let Some(decoder) = &mut self.decoder else {
            return Err(Error::bug("a packet came where decoded blocks do"));
        };
        match decoder.decode(packet) {
            Ok(decoded) => {
                let spec = decoded.spec();
                let changed = decoded.frames() > 0
                    && self.info.channels > 0
                    && decoded.num_planes() != self.info.channels
                    || spec.rate() != self.info.sample_rate;
                if changed {
                    return Err(self.unreadable(
                        "it changes its channels or its sample rate half-way; split it there",
                    ));
                }
                decoded.copy_to_vecs_planar(&mut self.block);
                self.decoded += 1;
                Ok(())
            }
            Err(SymphoniaError::DecodeError(_) | SymphoniaError::IoError(_)) if self.lossy => {
                self.damaged += 1;
                let frames = self.packets.length(packet).min(RUN_UP);
                self.block.resize(self.info.channels, Vec::new());
                for plane in &mut self.block {
                    plane.clear();
                    plane.resize(usize::try_from(frames).unwrap_or(0), 0.0);
                }
                Ok(())
            }
            Err(error) => Err(self.unreadable(format!("frame {}: {error}", self.position))),
        }
    }

    fn start_stream(&mut self, parameters: &AudioCodecParameters) -> Result<(), Error> {
        self.decoder = Some(decoder(parameters).map_err(|why| self.unreadable(why))?);
        Ok(())
    }

    /// Counts the frames, and asks a decoder for what the header does not say.
    fn look_through(&mut self, said: Option<u64>) -> Result<(), Error> {
        let mut frames = 0_u64;
        loop {
            match self.packets.next().map_err(|why| self.unreadable(why))? {
                Next::Packet(packet) => {
                    frames = frames.saturating_add(self.packets.length(&packet));
                    if self.info.channels == 0 && self.decode(&packet).is_ok() {
                        self.info.channels = self.block.len();
                    }
                    if said.is_some() && self.info.channels > 0 {
                        break;
                    }
                }
                Next::Block(block) => {
                    let length = block.first().map_or(0, Vec::len);
                    frames = frames.saturating_add(u64::try_from(length).unwrap_or(0));
                }
                Next::Stream(_) => {}
                Next::End => break,
            }
        }
        self.info.frames = said.unwrap_or(frames);
        (self.packets, self.decoder, _) = opened(&self.path)?;
        self.block.clear();
        (self.taken, self.decoded, self.damaged) = (0, 0, 0);
        Ok(())
    }

    fn unreadable(&self, why: impl std::fmt::Display) -> Error {
        unreadable(&self.path, why)
    }
}

type Opened = (Packets, Option<Box<dyn AudioDecoder>>, AudioCodecParameters);

fn opened(path: &Path) -> Result<Opened, Error> {
    let file = File::open(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => not_found(path),
        _ => unreadable(path, error),
    })?;
    let (packets, parameters) = Packets::open(file).map_err(|why| unreadable(path, why))?;
    let decoder = match packets {
        Packets::Flac(_) => None,
        _ => Some(decoder(&parameters).map_err(|why| unreadable(path, why))?),
    };
    Ok((packets, decoder, parameters))
}

fn decoder(parameters: &AudioCodecParameters) -> Result<Box<dyn AudioDecoder>, String> {
    symphonia::default::get_codecs()
        .make_audio_decoder(parameters, &AudioDecoderOptions::default())
        .map_err(|error| error.to_string())
}

/// Reads a whole audio file: `[channel][frame]` and frames a second. See [`AudioReader`].
///
/// # Errors
/// Those of [`AudioReader`]; `LimitReached` where it does not fit into memory.
pub fn read_audio(path: impl AsRef<Path>) -> Result<(Vec<Vec<f32>>, u32), Error> {
    let mut reader = AudioReader::open(path)?;
    let info = reader.info();
    let channels = u64::try_from(info.channels).unwrap_or(u64::MAX);
    if info.frames.saturating_mul(channels) > MOST_SAMPLES {
        return Err(too_long(&reader));
    }
    let frames = usize::try_from(info.frames).map_err(|_| too_long(&reader))?;
    let mut planes: Vec<Vec<f32>> = vec![Vec::new(); info.channels];
    for plane in &mut planes {
        let reserved = plane.try_reserve_exact(frames);
        reserved.map_err(|_| too_long(&reader))?;
        // A header can promise what does not come: memory is used as it is read.
    }
    let mut block = vec![vec![0.0; 8192]; info.channels];
    loop {
        let mut room: Vec<_> = block.iter_mut().map(Vec::as_mut_slice).collect();
        let read = reader.read(&mut room)?;
        if read == 0 {
            return Ok((planes, info.sample_rate));
        }
        for (plane, block) in planes.iter_mut().zip(&block) {
            plane.extend_from_slice(&block[..read]);
        }
    }
}

/// What an audio file is, without decoding it. See [`AudioReader::open`].
///
/// # Errors
/// As [`AudioReader::open`].
pub fn audio_info(path: impl AsRef<Path>) -> Result<AudioInfo, Error> {
    AudioReader::open(path).map(|reader| reader.info())
}

fn too_long(reader: &AudioReader) -> Error {
    Error::new(
        ErrorReason::LimitReached,
        format!(
            "Failed to read audio file: {}: {} frames of {} channels do not fit into memory; read it block by block",
            reader.path.display(),
            reader.info.frames,
            reader.info.channels
        ),
    )
}
