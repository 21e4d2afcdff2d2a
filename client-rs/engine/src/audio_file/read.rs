//! Reading WAV files. The bytes are a stranger's.

use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::Path;

use hound::{SampleFormat, WavReader};
use plugpen_proto::Error;

use super::{full_scale, not_found, unreadable};

/// Longest description of a format that is read, in bytes; the longest known has 40.
const MAX_FORMAT: u64 = 1024;

/// What an audio file is, read from its header.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AudioInfo {
    /// Channels.
    pub channels: usize,
    /// Frames a second.
    pub sample_rate: u32,
    /// Frames.
    pub frames: u64,
    /// Length in seconds; 0 at a rate of 0.
    pub duration_seconds: f64,
}

/// A file as hound gets to see it: format and samples, nothing else.
type Samples = WavReader<std::io::Chain<Cursor<Vec<u8>>, std::io::Take<BufReader<File>>>>;

/// Reads a WAV file of 8, 16, 24 or 32 bit integers or 32 bit floats: `[channel][frame]` and
/// frames a second. A file cut short gives the frames it has.
///
/// # Errors
/// `NotFound`, or `InvalidInput` if it is not such a file.
pub fn read_wav(path: impl AsRef<Path>) -> Result<(Vec<Vec<f32>>, u32), Error> {
    let path = path.as_ref();
    let mut reader = open(path)?;
    let spec = reader.spec();
    let channels = usize::from(spec.channels);
    let mut planes = vec![Vec::new(); channels];
    let mut channel = 0;
    let mut push = |sample: f32| {
        planes[channel].push(sample);
        channel = (channel + 1) % channels;
    };
    match spec.sample_format {
        SampleFormat::Float => {
            for sample in reader.samples::<f32>() {
                push(sample.map_err(|error| unreadable(path, error))?);
            }
        }
        SampleFormat::Int => {
            let scale = full_scale(spec.bits_per_sample).recip();
            for sample in reader.samples::<i32>() {
                let sample = sample.map_err(|error| unreadable(path, error))?;
                #[allow(
                    clippy::cast_possible_truncation,
                    reason = "the nearest single precision number is meant"
                )]
                push((f64::from(sample) * scale) as f32);
            }
        }
    }
    Ok((planes, spec.sample_rate))
}

/// Reads the header of a WAV file.
///
/// # Errors
/// As [`read_wav`].
pub fn wav_info(path: impl AsRef<Path>) -> Result<AudioInfo, Error> {
    let reader = open(path.as_ref())?;
    let spec = reader.spec();
    let frames = reader.duration();
    Ok(AudioInfo {
        channels: usize::from(spec.channels),
        sample_rate: spec.sample_rate,
        frames: u64::from(frames),
        duration_seconds: match spec.sample_rate {
            0 => 0.0,
            rate => f64::from(frames) / f64::from(rate),
        },
    })
}

fn open(path: &Path) -> Result<Samples, Error> {
    let file = File::open(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => not_found(path),
        _ => unreadable(path, error),
    })?;
    let length = file
        .metadata()
        .map_err(|error| unreadable(path, error))?
        .len();
    let mut file = BufReader::new(file);
    let (format, begin, bytes) = find(&mut file, length).map_err(|why| unreadable(path, why))?;
    let seeked = file.seek(SeekFrom::Start(begin));
    seeked.map_err(|error| unreadable(path, error))?;
    let header = header(&format, bytes);
    let samples = Cursor::new(header).chain(file.take(u64::from(bytes)));
    WavReader::new(samples).map_err(|error| unreadable(path, error))
}

/// The format chunk, and where the samples begin and how many bytes of them there are.
///
/// hound is not left to look for them: it forgets the byte that pads a chunk of odd length, and
/// gives up on a file whose end is missing or whose length was never filled in.
fn find(file: &mut (impl Read + Seek), length: u64) -> Result<(Vec<u8>, u64, u32), String> {
    let mut head = [0; 12];
    file.read_exact(&mut head)
        .map_err(|_| "it is too short for a WAV file".to_owned())?;
    if !head.starts_with(b"RIFF") || !head.ends_with(b"WAVE") {
        return Err("it is not a WAV file".into());
    }
    let mut at = 12;
    let mut format = None;
    loop {
        let mut head = [0; 8];
        file.seek(SeekFrom::Start(at))
            .and_then(|_| file.read_exact(&mut head))
            .map_err(|_| "it has no samples".to_owned())?;
        let [a, b, c, d, size @ ..] = head;
        let size = u64::from(u32::from_le_bytes(size));
        let body = at + 8;
        match &[a, b, c, d] {
            b"fmt " if size <= MAX_FORMAT => {
                let mut bytes = Vec::new();
                let read = file.take(size).read_to_end(&mut bytes);
                read.map_err(|error| error.to_string())?;
                format = Some(bytes);
            }
            b"data" => {
                let format = format.ok_or("its samples come before their format")?;
                let frame = match format.get(12..14) {
                    Some(&[low, high]) => u64::from(u16::from_le_bytes([low, high])).max(1),
                    _ => return Err("its format is too short".into()),
                };
                let there = size.min(length.saturating_sub(body));
                let bytes = u32::try_from(there - there % frame);
                return Ok((format, body, bytes.map_err(|error| error.to_string())?));
            }
            _ => {}
        }
        at = body + size + size % 2;
    }
}

/// A WAV header with that format and so many bytes of samples.
fn header(format: &[u8], bytes: u32) -> Vec<u8> {
    let format_bytes = u32::try_from(format.len()).unwrap_or(u32::MAX);
    let mut header = b"RIFF\0\0\0\0WAVEfmt ".to_vec();
    header.extend(format_bytes.to_le_bytes());
    header.extend(format);
    header.extend(b"data");
    header.extend(bytes.to_le_bytes());
    header
}
