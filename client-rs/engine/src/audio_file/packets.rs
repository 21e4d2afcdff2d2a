//! Audio files of all formats as packets to decode.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};

use claxon::{Block, FlacReader, FlacReaderOptions};
use symphonia::core::audio::Channels;
use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::AudioCodecParameters;
use symphonia::core::codecs::audio::well_known::CODEC_ID_FLAC;
use symphonia::core::common::Limit;
use symphonia::core::errors::Error as SymphoniaError;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{
    FormatOptions, FormatReader, SeekMode, SeekTo, Track, TrackType, well_known,
};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;
use symphonia::core::packet::Packet;
use symphonia::core::units::{TimeBase, Timestamp};

use super::wave::{Layout, WavePackets, is_wave};

/// What comes next in a file.
pub enum Next {
    Packet(Packet),
    /// Frames that are decoded already, `[channel][frame]`.
    Block(Vec<Vec<f32>>),
    /// Another stream follows, to be decoded with these parameters.
    Stream(Box<AudioCodecParameters>),
    End,
}

/// Where packets come from.
pub enum Packets {
    Wave(WavePackets, Layout),
    /// symphonia 0.6 loses a file's first frames where noise in them looks like the head of another.
    Flac(Box<FlacReader<BufReader<File>>>),
    Container(Container),
}

/// Packets of one track of a file that symphonia takes apart.
pub struct Container {
    format: Box<dyn FormatReader>,
    track: u32,
    time_base: Option<TimeBase>,
    sample_rate: u32,
    /// Packets say how long they are before they are trimmed: symphonia 0.6.1 forgets to take that
    /// off for MP3.
    untrimmed: bool,
}

impl Packets {
    /// Finds out what a file is by its content.
    pub fn open(mut file: File) -> Result<(Self, AudioCodecParameters), String> {
        let length = file.metadata().map_err(|e| e.to_string())?.len();
        let mut head = Vec::new();
        let read = file.by_ref().take(16).read_to_end(&mut head);
        read.map_err(|error| error.to_string())?;
        if is_wave(&head) {
            let mut file = BufReader::new(file);
            let layout = Layout::read(&mut file, length)?;
            let parameters = layout.codec_parameters();
            let packets = WavePackets::new(file, layout.clone()).map_err(|e| e.to_string())?;
            return Ok((Self::Wave(packets, layout), parameters));
        }
        file.seek(SeekFrom::Start(0)).map_err(|e| e.to_string())?;
        if head.starts_with(b"fLaC") {
            let options = FlacReaderOptions {
                metadata_only: false,
                read_vorbis_comment: false,
            };
            let reader = FlacReader::new_ext(BufReader::new(file), options);
            let reader = reader.map_err(|error| error.to_string())?;
            let info = reader.streaminfo();
            let mut parameters = AudioCodecParameters::new();
            parameters
                .for_codec(CODEC_ID_FLAC)
                .with_sample_rate(info.sample_rate)
                .with_channels(Channels::Discrete(
                    u16::try_from(info.channels).unwrap_or(0),
                ));
            return Ok((Self::Flac(Box::new(reader)), parameters));
        }
        let (container, parameters) = Container::open(file)?;
        Ok((Self::Container(container), parameters))
    }

    /// The frames, where the header says that exactly.
    pub fn frames_said(&self) -> Option<u64> {
        match self {
            Self::Wave(_, layout) => Some(layout.frames),
            Self::Flac(reader) => reader.streaminfo().samples,
            Self::Container(container) => container.frames_said(),
        }
    }

    pub fn next(&mut self) -> Result<Next, String> {
        match self {
            Self::Wave(packets, _) => match packets.next_packet() {
                Ok(Some(packet)) => Ok(Next::Packet(packet)),
                Ok(None) => Ok(Next::End),
                Err(error) => Err(error.to_string()),
            },
            Self::Flac(reader) => flac_block(reader),
            Self::Container(container) => container.next(),
        }
    }

    /// Goes to a packet at or before that frame; returns its first frame. `None`: it cannot.
    pub fn seek(&mut self, frame: u64) -> Option<u64> {
        match self {
            Self::Wave(packets, _) => packets.seek(frame).ok(),
            Self::Flac(_) => None,
            Self::Container(container) => container.seek(frame),
        }
    }

    /// The first valid frame of a packet.
    pub fn start(&self, packet: &Packet) -> Option<u64> {
        let start = packet
            .pts
            .get()
            .checked_add_unsigned(packet.trim_start.get())?;
        let start = u64::try_from(start).ok()?;
        match self {
            Self::Wave(..) | Self::Flac(_) => Some(start),
            Self::Container(container) => Some(container.frames(start)),
        }
    }

    /// The valid frames of a packet.
    pub fn length(&self, packet: &Packet) -> u64 {
        match self {
            Self::Wave(..) | Self::Flac(_) => packet.dur.get(),
            Self::Container(container) => container.length(packet),
        }
    }
}

impl Container {
    fn open(file: File) -> Result<(Self, AudioCodecParameters), String> {
        let stream = MediaSourceStream::new(Box::new(file), MediaSourceStreamOptions::default());
        // Pictures are of no use here, and what they take is a stranger's choice.
        let metadata = MetadataOptions::default().limit_visual_bytes(Limit::Maximum(0));
        let format = symphonia::default::get_probe()
            .probe(&Hint::new(), stream, FormatOptions::default(), metadata)
            .map_err(|error| match error {
                SymphoniaError::Unsupported(_) | SymphoniaError::IoError(_) => {
                    "it is not an audio file of a known format (WAV, AIFF, CAF, FLAC, MP3, Ogg Vorbis, AAC, M4A)".to_owned()
                }
                error => error.to_string(),
            })?;
        let (track, parameters) = audio_track(&*format)?;
        let (track, time_base) = (track.id, track.time_base);
        let container = Self {
            untrimmed: format.format_info().format == well_known::FORMAT_ID_MP3,
            format,
            track,
            time_base,
            sample_rate: parameters.sample_rate.unwrap_or(0),
        };
        Ok((container, parameters))
    }

    fn frames_said(&self) -> Option<u64> {
        // The others estimate, or count what an encoder put in front.
        let exact = [well_known::FORMAT_ID_AIFF, well_known::FORMAT_ID_CAF];
        let tracks = self.format.tracks();
        let track = tracks.iter().find(|track| track.id == self.track)?;
        match exact.contains(&self.format.format_info().format) {
            true => track.num_frames,
            false => None,
        }
    }

    fn next(&mut self) -> Result<Next, String> {
        loop {
            match self.format.next_packet() {
                Ok(Some(packet)) if packet.track_id == self.track => {
                    return Ok(Next::Packet(packet));
                }
                Ok(Some(_)) => {}
                Ok(None) => return Ok(Next::End),
                // Cut short: what there is has been read.
                Err(SymphoniaError::IoError(error))
                    if error.kind() == std::io::ErrorKind::UnexpectedEof =>
                {
                    return Ok(Next::End);
                }
                Err(SymphoniaError::ResetRequired) => {
                    let (track, parameters) = audio_track(&*self.format)?;
                    (self.track, self.time_base) = (track.id, track.time_base);
                    return Ok(Next::Stream(Box::new(parameters)));
                }
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    fn seek(&mut self, frame: u64) -> Option<u64> {
        let to = SeekTo::Timestamp {
            ts: Timestamp::new(i64::try_from(frame).ok()?),
            track_id: self.track,
        };
        // Where time is not counted in frames a position cannot be exact.
        if self.frames(1_000_000) != 1_000_000 {
            return None;
        }
        let found = self.format.seek(SeekMode::Accurate, to).ok()?;
        u64::try_from(found.actual_ts.get()).ok()
    }

    fn length(&self, packet: &Packet) -> u64 {
        let mut length = packet.dur.get();
        if self.untrimmed {
            length = length.saturating_sub(
                packet
                    .trim_start
                    .get()
                    .saturating_add(packet.trim_end.get()),
            );
        }
        self.frames(length)
    }

    /// Ticks of the track as frames.
    fn frames(&self, ticks: u64) -> u64 {
        let Some(base) = self.time_base else {
            return ticks;
        };
        let wide = u128::from(ticks) * u128::from(base.numer.get()) * u128::from(self.sample_rate);
        u64::try_from(wide / u128::from(base.denom.get())).unwrap_or(u64::MAX)
    }
}

/// The next block of a FLAC file.
fn flac_block(reader: &mut FlacReader<BufReader<File>>) -> Result<Next, String> {
    let info = reader.streaminfo();
    let block: Block = match reader.blocks().read_next_or_eof(Vec::new()) {
        Ok(Some(block)) => block,
        Ok(None) => return Ok(Next::End),
        // Cut short: what there is has been read.
        Err(claxon::Error::IoError(error)) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            return Ok(Next::End);
        }
        Err(error) => return Err(error.to_string()),
    };
    if block.channels() != info.channels {
        return Err("it changes its channels half-way".into());
    }
    let bits = i32::try_from(info.bits_per_sample).unwrap_or(32);
    let step = 2.0_f64.powi(1 - bits);
    #[allow(
        clippy::cast_possible_truncation,
        reason = "the nearest single precision number is meant"
    )]
    let plane = |channel| {
        let samples = block.channel(channel).iter();
        samples.map(|s| (f64::from(*s) * step) as f32).collect()
    };
    Ok(Next::Block((0..block.channels()).map(plane).collect()))
}

/// The track to read.
fn audio_track(format: &dyn FormatReader) -> Result<(&Track, AudioCodecParameters), String> {
    let track = format.default_track(TrackType::Audio);
    let parameters = track.and_then(|track| match &track.codec_params {
        Some(CodecParameters::Audio(parameters)) => Some((track, parameters.clone())),
        _ => None,
    });
    parameters.ok_or_else(|| "it has no audio that can be decoded".into())
}
