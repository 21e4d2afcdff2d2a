//! Changing the sample rate.

use plugpen_proto::Error;
use plugpen_proto::v1::ErrorReason;
use rubato::audioadapter_buffers::direct::SequentialSliceOfVecs;
use rubato::{Fft, FixedSync, Resampler as _, Sample, WindowFunction};

/// Greatest ratio of two rates, either way.
const GREATEST_RATIO: u32 = 256;
/// Longest transform, in frames of the higher rate: that of two rates which share no factor.
const LONGEST: u64 = 1 << 20;
/// Frames that are handed over at a time.
const BLOCK: usize = 16_384;

/// How well to resample. All are linear in phase and free of delay. Rates that share few factors
/// (8000 and 8001 Hz) need a filter as long as the rates themselves: it rings, softly, for a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Quality {
    /// Flat to 97 % of the lower Nyquist frequency; errors below -150 dB, in double precision.
    #[default]
    Best,
    /// Flat to 94 %; errors below -110 dB.
    Medium,
    /// Flat to 80 %; errors below -100 dB.
    Fastest,
}

impl Quality {
    /// That of a name: `best`, `medium` or `fastest`.
    ///
    /// # Errors
    /// `InvalidInput` for others.
    pub fn from_name(name: &str) -> Result<Self, Error> {
        match name {
            "best" => Ok(Self::Best),
            "medium" => Ok(Self::Medium),
            "fastest" => Ok(Self::Fastest),
            _ => Err(Error::invalid(format!(
                "quality must be 'best', 'medium' or 'fastest', got '{name}'"
            ))),
        }
    }

    /// Least length of the filter, in frames of the lower rate.
    fn length(self) -> u64 {
        match self {
            Self::Best => 1024,
            Self::Medium => 512,
            Self::Fastest => 128,
        }
    }
}

enum Inner {
    /// The rates are the same.
    Copy,
    Single(Box<Stage<f32>>),
    Double(Box<Stage<f64>>),
}

/// A change of the sample rate, block by block. What comes out begins with what went in, without
/// delay; it is `frames * rate_out / rate_in` frames to the nearest once it has ended.
pub struct Resampler {
    inner: Inner,
    rates: (u64, u64),
    channels: usize,
    taken: u64,
    given: u64,
}

impl std::fmt::Debug for Resampler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resampler")
            .field("rates", &self.rates)
            .field("channels", &self.channels)
            .finish_non_exhaustive()
    }
}

impl Resampler {
    /// A resampler at its beginning.
    ///
    /// # Errors
    /// `InvalidInput` for a rate of 0 or a ratio beyond 1:256; `LimitReached` for rates above
    /// 1,048,576 Hz that share no factor.
    pub fn new(
        channels: usize,
        rate_in: u32,
        rate_out: u32,
        quality: Quality,
    ) -> Result<Self, Error> {
        if rate_in == 0 || rate_out == 0 {
            return Err(Error::invalid(format!(
                "Sample rates must be > 0, got {rate_in} and {rate_out}"
            )));
        }
        let (low, high) = (rate_in.min(rate_out), rate_in.max(rate_out));
        if high.div_ceil(GREATEST_RATIO) > low {
            return Err(Error::invalid(format!(
                "the ratio of two sample rates must be within 1:{GREATEST_RATIO}, got {rate_in} and {rate_out}"
            )));
        }
        let inner = match quality {
            _ if rate_in == rate_out => Inner::Copy,
            Quality::Best => Inner::Double(Stage::boxed(channels, rate_in, rate_out, quality)?),
            Quality::Medium | Quality::Fastest => {
                Inner::Single(Stage::boxed(channels, rate_in, rate_out, quality)?)
            }
        };
        Ok(Self {
            inner,
            rates: (rate_in.into(), rate_out.into()),
            channels,
            taken: 0,
            given: 0,
        })
    }

    /// Frames that come out for so many that go in: the nearest number, at least 1 of any.
    pub fn frames_out(&self, frames_in: u64) -> u64 {
        let (rate_in, rate_out) = (u128::from(self.rates.0), u128::from(self.rates.1));
        let nearest = (2 * u128::from(frames_in) * rate_out + rate_in) / (2 * rate_in);
        u64::try_from(nearest)
            .unwrap_or(u64::MAX)
            .max(frames_in.min(1))
    }

    /// Takes a block, `[channel][frame]`, and appends what comes out to `output`, one vector a
    /// channel.
    ///
    /// # Errors
    /// `InvalidInput` for another number of channels or channels that differ in length.
    pub fn push(&mut self, input: &[&[f32]], output: &mut [Vec<f32>]) -> Result<(), Error> {
        let frames = input.first().map_or(0, |plane| plane.len());
        if input.len() != self.channels
            || output.len() != self.channels
            || input.iter().any(|plane| plane.len() != frames)
        {
            return Err(Error::invalid(format!(
                "a block for this resampler must have {} channels of one length",
                self.channels
            )));
        }
        self.taken += u64::try_from(frames).unwrap_or(0);
        match &mut self.inner {
            Inner::Copy => {
                for (plane, input) in output.iter_mut().zip(input) {
                    plane.extend_from_slice(input);
                }
            }
            Inner::Single(stage) => self.given += stage.push(input, output)?,
            Inner::Double(stage) => self.given += stage.push(input, output)?,
        }
        Ok(())
    }

    /// Appends the rest, after the last block.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn finish(mut self, output: &mut [Vec<f32>]) -> Result<(), Error> {
        let end = self.frames_out(self.taken);
        let given = &mut self.given;
        match &mut self.inner {
            Inner::Copy => return Ok(()),
            Inner::Single(stage) => stage.flush(end, given, output)?,
            Inner::Double(stage) => stage.flush(end, given, output)?,
        }
        let surplus = usize::try_from(given.saturating_sub(end)).unwrap_or(0);
        for plane in output {
            plane.truncate(plane.len().saturating_sub(surplus));
        }
        Ok(())
    }
}

/// rubato's transform in one precision, with what it has not taken yet.
struct Stage<T: Sample> {
    fft: Fft<T>,
    /// The block that is being filled.
    input: Vec<Vec<T>>,
    filled: usize,
    output: Vec<Vec<T>>,
    /// Frames of the delay still to be dropped.
    late: usize,
}

/// What rubato calculates in.
trait Precision: Sample {
    fn of(sample: f32) -> Self;
    fn to(self) -> f32;
}

impl Precision for f32 {
    fn of(sample: f32) -> Self {
        sample
    }
    fn to(self) -> f32 {
        self
    }
}

impl Precision for f64 {
    fn of(sample: f32) -> Self {
        sample.into()
    }
    #[allow(
        clippy::cast_possible_truncation,
        reason = "the nearest single precision number is meant"
    )]
    fn to(self) -> f32 {
        self as f32
    }
}

impl<T: Precision> Stage<T> {
    fn boxed(
        channels: usize,
        rate_in: u32,
        rate_out: u32,
        quality: Quality,
    ) -> Result<Box<Self>, Error> {
        let divisor = greatest_divisor(rate_in, rate_out);
        let (step_in, step_out) = (u64::from(rate_in / divisor), u64::from(rate_out / divisor));
        // An even number of steps, so that the filter's middle falls on a frame of both rates.
        let steps = quality
            .length()
            .div_ceil(step_in.min(step_out))
            .next_power_of_two()
            .max(2);
        if step_in.max(step_out) > LONGEST {
            return Err(Error::new(
                ErrorReason::LimitReached,
                format!(
                    "{rate_in} Hz and {rate_out} Hz share too few factors: divided by them, neither may be over {LONGEST}"
                ),
            ));
        }
        let size = |rate: u32| usize::try_from(rate).unwrap_or(usize::MAX);
        let chunk = usize::try_from(steps * step_in).unwrap_or(usize::MAX);
        let fft = Fft::new_custom(
            size(rate_in),
            size(rate_out),
            chunk,
            1,
            channels.max(1),
            WindowFunction::BlackmanHarris2,
            FixedSync::Both,
        );
        let fft = fft.map_err(bug)?;
        let input = vec![vec![T::zero(); fft.input_frames_next()]; channels.max(1)];
        Ok(Box::new(Self {
            input,
            output: vec![vec![T::zero(); fft.output_frames_next()]; channels.max(1)],
            filled: 0,
            late: fft.output_delay(),
            fft,
        }))
    }

    /// Takes frames; returns how many came out.
    fn push(&mut self, input: &[&[f32]], output: &mut [Vec<f32>]) -> Result<u64, Error> {
        let (mut at, mut given) = (0, 0);
        let frames = input.first().map_or(0, |plane| plane.len());
        while at < frames {
            let room = self.input[0].len() - self.filled;
            let taken = room.min(frames - at);
            for (block, plane) in self.input.iter_mut().zip(input) {
                let block = &mut block[self.filled..self.filled + taken];
                for (sample, input) in block.iter_mut().zip(&plane[at..at + taken]) {
                    *sample = T::of(*input);
                }
            }
            self.filled += taken;
            at += taken;
            if taken == room {
                given += self.transform(output)?;
            }
        }
        Ok(given)
    }

    /// Feeds silence until `end` frames have come out.
    fn flush(&mut self, end: u64, given: &mut u64, output: &mut [Vec<f32>]) -> Result<(), Error> {
        while *given < end {
            for block in &mut self.input {
                block[self.filled..].fill(T::zero());
            }
            *given += self.transform(output)?;
        }
        Ok(())
    }

    fn transform(&mut self, output: &mut [Vec<f32>]) -> Result<u64, Error> {
        self.filled = 0;
        let (channels, frames) = (self.output.len(), self.output[0].len());
        let input = SequentialSliceOfVecs::new(&self.input, channels, self.input[0].len());
        let given = SequentialSliceOfVecs::new_mut(&mut self.output, channels, frames);
        let (input, mut given) = (input.map_err(bug)?, given.map_err(bug)?);
        let done = self.fft.process_into_buffer(&input, &mut given, None);
        done.map_err(bug)?;
        let late = self.late.min(frames);
        self.late -= late;
        for (plane, given) in output.iter_mut().zip(&self.output) {
            plane.extend(given[late..].iter().map(|sample| sample.to()));
        }
        Ok(u64::try_from(frames - late).unwrap_or(0))
    }
}

fn bug(error: impl std::fmt::Display) -> Error {
    Error::bug(format!("the resampler failed: {error}"))
}

fn greatest_divisor(a: u32, b: u32) -> u32 {
    match b {
        0 => a,
        _ => greatest_divisor(b, a % b),
    }
}

/// Resamples whole audio, `[channel][frame]`: `frames * rate_out / rate_in` frames to the nearest,
/// a copy if the rates are the same.
///
/// # Errors
/// As [`Resampler::new`] and [`Resampler::push`].
pub fn resample(
    planes: &[&[f32]],
    rate_in: u32,
    rate_out: u32,
    quality: Quality,
) -> Result<Vec<Vec<f32>>, Error> {
    let mut resampler = Resampler::new(planes.len(), rate_in, rate_out, quality)?;
    let frames = planes.iter().map(|plane| plane.len()).max().unwrap_or(0);
    let mut output = vec![Vec::new(); planes.len()];
    let expected = resampler.frames_out(u64::try_from(frames).unwrap_or(u64::MAX));
    for plane in &mut output {
        let expected = usize::try_from(expected).unwrap_or(usize::MAX);
        // What is flushed past the end is cut off again.
        let reserved = plane.try_reserve(expected.saturating_add(BLOCK));
        reserved.map_err(|_| {
            Error::new(
                ErrorReason::LimitReached,
                format!("{expected} frames do not fit into memory; resample block by block"),
            )
        })?;
    }
    for begin in (0..frames).step_by(BLOCK) {
        let block = planes.iter().map(|plane| {
            let end = plane.len().min(begin + BLOCK);
            plane.get(begin..end).unwrap_or_default()
        });
        resampler.push(&block.collect::<Vec<_>>(), &mut output)?;
    }
    resampler.finish(&mut output)?;
    Ok(output)
}
