//! Where the samples of a WAV file are: RIFF, RF64, BW64 and Sony's Wave64.
//!
//! symphonia is not left to look for them: it knows none of the three formats that may pass 4 GiB,
//! gives up on a file whose end is missing or whose length was never filled in, and has no channel
//! layout for more than 26 channels. Decoding is its.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};

use symphonia::core::audio::Channels;
use symphonia::core::codecs::audio::well_known::*;
use symphonia::core::codecs::audio::{AudioCodecId, AudioCodecParameters};
use symphonia::core::packet::Packet;
use symphonia::core::units::{Duration, Timestamp};

/// Longest description of a format that is read, in bytes; the longest known has 50 and, for
/// ADPCM, a table of up to 256 coefficients.
const MAX_FORMAT: u64 = 2048;
/// Most chunks before the samples that are looked at.
const MAX_CHUNKS: usize = 10_000;
/// Samples of a packet at most, one frame excepted.
const PACKET_SAMPLES: u64 = 16_384;

/// What follows the first four bytes of Sony's chunk names.
const W64_RIFF: [u8; 12] = *b"\x2E\x91\xCF\x11\xA5\xD6\x28\xDB\x04\xC1\x00\x00";
const W64_CHUNK: [u8; 12] = *b"\xF3\xAC\xD3\x11\x8C\xD1\x00\xC0\x4F\x8E\xDB\x8A";

/// A WAV file's format and where its samples are.
#[derive(Debug, Clone)]
pub struct Layout {
    pub codec: AudioCodecId,
    pub channels: u16,
    pub sample_rate: u32,
    /// Bytes of the least that can be decoded by itself, and its frames.
    block_bytes: u64,
    block_frames: u64,
    begin: u64,
    bytes: u64,
    pub frames: u64,
}

/// Whether a file that begins like this is one of these.
pub fn is_wave(head: &[u8]) -> bool {
    match (head.get(..4), head.get(8..12)) {
        (Some(b"RIFF" | b"RF64" | b"BW64"), Some(b"WAVE")) => true,
        (Some(b"riff"), _) => head.get(4..16) == Some(&W64_RIFF),
        _ => false,
    }
}

impl Layout {
    /// Reads what comes before the samples of a file of `length` bytes.
    pub fn read(file: &mut (impl Read + Seek), length: u64) -> Result<Self, String> {
        let mut head = [0; 16];
        file.seek(SeekFrom::Start(0))
            .and_then(|_| file.read_exact(&mut head))
            .map_err(|_| "it is too short for a WAV file".to_owned())?;
        let sony = head.starts_with(b"riff");
        let large = head.starts_with(b"RF64") || head.starts_with(b"BW64");
        // Where the file ends by its own account.
        let said_end = match sony || large {
            true => u64::MAX,
            false => u64::from(number(&head, 4, 4)?) + 8,
        };
        let mut chunks = Chunks {
            at: if sony { 40 } else { 12 },
            sony,
        };
        let (mut format, mut fact, mut large_bytes) = (None, None, None);
        for _ in 0..MAX_CHUNKS {
            let chunk = chunks.next(file).ok_or("it has no samples")?;
            match &chunk.name {
                b"fmt " if chunk.bytes <= MAX_FORMAT => {
                    format = Some(Format::parse(&bytes(file, &chunk)?)?);
                }
                b"fact" if (4..=64).contains(&chunk.bytes) => {
                    let body = bytes(file, &chunk)?;
                    fact = Some(u64::from(number(&body, 0, 4)?));
                }
                b"ds64" if (28..=MAX_FORMAT).contains(&chunk.bytes) => {
                    let body = bytes(file, &chunk)?;
                    let (low, high) = (number(&body, 8, 4)?, number(&body, 12, 4)?);
                    large_bytes = Some(u64::from(high) << 32 | u64::from(low));
                }
                b"data" => {
                    let format = format.ok_or("its samples come before their format")?;
                    let said = match large_bytes {
                        Some(bytes) if large && chunk.bytes == u64::from(u32::MAX) => bytes,
                        // Its lengths were never filled in: whoever wrote it was killed.
                        _ if chunk.bytes == 0 && said_end <= chunk.begin => u64::MAX,
                        _ => chunk.bytes,
                    };
                    let there = said.min(length.saturating_sub(chunk.begin));
                    return Ok(format.at(chunk.begin, there, fact));
                }
                _ => {}
            }
        }
        Err(format!("its first {MAX_CHUNKS} chunks have no samples"))
    }

    /// What symphonia's decoder is to know.
    pub fn codec_parameters(&self) -> AudioCodecParameters {
        let mut parameters = AudioCodecParameters::new();
        parameters
            .for_codec(self.codec)
            .with_sample_rate(self.sample_rate)
            .with_channels(Channels::Discrete(self.channels))
            .with_max_frames_per_packet(self.packet_blocks() * self.block_frames)
            .with_frames_per_block(self.block_frames);
        parameters
    }

    fn packet_blocks(&self) -> u64 {
        let samples = self.block_frames * u64::from(self.channels);
        (PACKET_SAMPLES / samples).max(1)
    }
}

/// The samples of a WAV file, some at a time.
#[derive(Debug)]
pub struct WavePackets {
    file: BufReader<File>,
    layout: Layout,
    /// The next block.
    block: u64,
}

impl WavePackets {
    pub fn new(mut file: BufReader<File>, layout: Layout) -> std::io::Result<Self> {
        file.seek(SeekFrom::Start(layout.begin))?;
        Ok(Self {
            file,
            layout,
            block: 0,
        })
    }

    pub fn next_packet(&mut self) -> std::io::Result<Option<Packet>> {
        let layout = &self.layout;
        let left = (layout.bytes / layout.block_bytes).saturating_sub(self.block);
        let blocks = left.min(layout.packet_blocks());
        if blocks == 0 {
            return Ok(None);
        }
        let bytes = usize::try_from(blocks * layout.block_bytes).unwrap_or(usize::MAX);
        let mut data = vec![0; bytes];
        self.file.read_exact(&mut data)?;
        let start = i64::try_from(self.block * layout.block_frames).unwrap_or(i64::MAX);
        let frames = Duration::new(blocks * layout.block_frames);
        self.block += blocks;
        Ok(Some(Packet::new(0, Timestamp::new(start), frames, data)))
    }

    /// Goes to the block with that frame; returns the block's first.
    pub fn seek(&mut self, frame: u64) -> std::io::Result<u64> {
        let blocks = self.layout.bytes / self.layout.block_bytes;
        self.block = (frame / self.layout.block_frames).min(blocks);
        let at = self.layout.begin + self.block * self.layout.block_bytes;
        self.file.seek(SeekFrom::Start(at))?;
        Ok(self.block * self.layout.block_frames)
    }
}

struct Chunk {
    name: [u8; 4],
    begin: u64,
    bytes: u64,
}

struct Chunks {
    at: u64,
    sony: bool,
}

impl Chunks {
    /// The head of the next chunk; `None` where there is none.
    fn next(&mut self, file: &mut (impl Read + Seek)) -> Option<Chunk> {
        file.seek(SeekFrom::Start(self.at)).ok()?;
        let mut name = [0; 4];
        file.read_exact(&mut name).ok()?;
        let (head, bytes) = if self.sony {
            let (mut rest, mut size) = ([0; 12], [0; 8]);
            file.read_exact(&mut rest).ok()?;
            file.read_exact(&mut size).ok()?;
            if rest != W64_CHUNK {
                name = *b"    ";
            }
            (24, u64::from_le_bytes(size).checked_sub(24)?)
        } else {
            let mut size = [0; 4];
            file.read_exact(&mut size).ok()?;
            (8, u64::from(u32::from_le_bytes(size)))
        };
        let begin = self.at.checked_add(head)?;
        let align = if self.sony { 8 } else { 2 };
        // What ends nowhere, as a stream's samples do, is the last.
        let end = begin.saturating_add(bytes);
        self.at = end.checked_next_multiple_of(align).unwrap_or(u64::MAX);
        Some(Chunk { name, begin, bytes })
    }
}

/// The body of a chunk that is known to be short.
fn bytes(file: &mut (impl Read + Seek), chunk: &Chunk) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    file.seek(SeekFrom::Start(chunk.begin))
        .and_then(|_| file.take(chunk.bytes).read_to_end(&mut body))
        .map_err(|error| error.to_string())?;
    Ok(body)
}

/// A number of up to four bytes, the least significant first.
fn number(body: &[u8], at: usize, bytes: usize) -> Result<u32, String> {
    let bytes = body.get(at..at + bytes).ok_or("its format is too short")?;
    Ok(bytes
        .iter()
        .rev()
        .fold(0, |number, byte| number << 8 | u32::from(*byte)))
}

struct Format {
    codec: AudioCodecId,
    channels: u16,
    sample_rate: u32,
    block_bytes: u64,
    block_frames: u64,
}

impl Format {
    fn parse(body: &[u8]) -> Result<Self, String> {
        let short = |at| number(body, at, 2).map(|n| u16::try_from(n).unwrap_or(u16::MAX));
        let (mut tag, channels, block) = (short(0)?, short(2)?, short(12)?);
        let sample_rate = number(body, 4, 4)?;
        let bits = short(14).unwrap_or(0);
        if tag == 0xFFFE {
            // What it really is are the first two bytes of an identifier.
            tag = short(24)?;
        }
        if channels == 0 || sample_rate == 0 || block == 0 {
            return Err("it has no channels or no sample rate".into());
        }
        let sample = block / channels;
        let (block_bytes, count) = (u64::from(block), u64::from(channels));
        // A sample with fewer bits than its bytes have is filled up with zeros at its low end.
        let codec = match (tag, sample) {
            (1, 1) => CODEC_ID_PCM_U8,
            (1, 2) => CODEC_ID_PCM_S16LE,
            (1, 3) => CODEC_ID_PCM_S24LE,
            (1, 4) => CODEC_ID_PCM_S32LE,
            (3, 4) => CODEC_ID_PCM_F32LE,
            (3, 8) => CODEC_ID_PCM_F64LE,
            (6, 1) => CODEC_ID_PCM_ALAW,
            (7, 1) => CODEC_ID_PCM_MULAW,
            (2, _) => CODEC_ID_ADPCM_MS,
            (0x11, _) => CODEC_ID_ADPCM_IMA_WAV,
            (1 | 3 | 6 | 7, _) => {
                return Err(format!(
                    "its samples of {sample} bytes are not supported: WAV files are read with 8, 16, 24 and 32 bit integers, 32 and 64 bit floats"
                ));
            }
            _ => {
                return Err(format!(
                    "its samples are compressed in a way that is not supported (WAVE format {tag:#06x}); convert it to PCM"
                ));
            }
        };
        let block_frames = match tag {
            2 | 0x11 => {
                let (head, first) = if tag == 2 { (7, 2) } else { (4, 1) };
                let coded = block_bytes.checked_sub(head * count);
                match coded {
                    Some(coded) if count <= 2 && bits == 4 => coded * 2 / count + first,
                    _ => return Err("its ADPCM format makes no sense".into()),
                }
            }
            _ if block % channels != 0 => {
                return Err(format!(
                    "its frames of {block} bytes are no multiple of its {channels} channels"
                ));
            }
            _ => 1,
        };
        Ok(Self {
            codec,
            channels,
            sample_rate,
            block_bytes,
            block_frames,
        })
    }

    fn at(self, begin: u64, bytes: u64, fact: Option<u64>) -> Layout {
        let frames = bytes / self.block_bytes * self.block_frames;
        Layout {
            codec: self.codec,
            channels: self.channels,
            sample_rate: self.sample_rate,
            block_bytes: self.block_bytes,
            block_frames: self.block_frames,
            begin,
            bytes,
            // A last block of ADPCM may have to be cut; PCM says nothing else in "fact".
            frames: match fact {
                Some(fact) if self.block_frames > 1 => frames.min(fact),
                _ => frames,
            },
        }
    }
}
