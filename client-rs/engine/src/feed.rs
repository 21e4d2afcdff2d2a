//! Where the samples of a render come from, block by block.

use plugpen_proto::Error;

use crate::audio_file::AudioReader;
use crate::resample::{Quality, Resampler};

/// Frames that are read at a time to be resampled.
const BLOCK: usize = 4096;

/// Samples that are read from start to end.
pub trait AudioFeed: Send {
    /// Channels.
    fn channels(&self) -> usize;

    /// Frames there will be. A damaged file may have fewer.
    fn frames(&self) -> u64;

    /// Reads the next frames into planes of one length, as many as there are channels; returns how
    /// many: fewer than there is room for only at the end.
    ///
    /// # Errors
    /// What is read from fails.
    fn read(&mut self, planes: &mut [&mut [f32]]) -> Result<usize, Error>;
}

impl<F: AudioFeed + ?Sized> AudioFeed for Box<F> {
    fn channels(&self) -> usize {
        (**self).channels()
    }
    fn frames(&self) -> u64 {
        (**self).frames()
    }
    fn read(&mut self, planes: &mut [&mut [f32]]) -> Result<usize, Error> {
        (**self).read(planes)
    }
}

impl AudioFeed for AudioReader {
    fn channels(&self) -> usize {
        self.info().channels
    }
    fn frames(&self) -> u64 {
        Self::frames(self)
    }
    fn read(&mut self, planes: &mut [&mut [f32]]) -> Result<usize, Error> {
        Self::read(self, planes)
    }
}

/// Samples in memory, `[channel][frame]`. Channels may differ in length; what is missing is
/// silence.
#[derive(Debug, Clone)]
pub struct PlanesFeed<'a> {
    planes: Vec<&'a [f32]>,
    frames: usize,
    position: usize,
}

impl<'a> PlanesFeed<'a> {
    /// A feed at its beginning.
    pub fn new(planes: &[&'a [f32]]) -> Self {
        Self {
            planes: planes.to_vec(),
            frames: planes.iter().map(|plane| plane.len()).max().unwrap_or(0),
            position: 0,
        }
    }
}

impl AudioFeed for PlanesFeed<'_> {
    fn channels(&self) -> usize {
        self.planes.len()
    }

    fn frames(&self) -> u64 {
        u64::try_from(self.frames).unwrap_or(u64::MAX)
    }

    fn read(&mut self, planes: &mut [&mut [f32]]) -> Result<usize, Error> {
        let room = planes.iter().map(|plane| plane.len()).min().unwrap_or(0);
        let frames = room.min(self.frames - self.position);
        for (plane, samples) in planes.iter_mut().zip(&self.planes) {
            let rest = samples.get(self.position..).unwrap_or_default();
            let there = frames.min(rest.len());
            plane[..there].copy_from_slice(&rest[..there]);
            plane[there..frames].fill(0.0);
        }
        self.position += frames;
        Ok(frames)
    }
}

/// A feed made to fit a processor: at its sample rate, and one channel made to be all of its.
///
/// # Errors
/// Those of [`Resampler::new`].
pub fn fitted<'a>(
    feed: impl AudioFeed + 'a,
    rate: u32,
    to_rate: u32,
    channels: usize,
) -> Result<Box<dyn AudioFeed + 'a>, Error> {
    let mut fitted: Box<dyn AudioFeed + 'a> = Box::new(feed);
    if rate != to_rate {
        let resampler = Resampler::new(fitted.channels(), rate, to_rate, Quality::Best)?;
        fitted = Box::new(Resampled::new(fitted, resampler));
    }
    if fitted.channels() == 1 && channels > 1 {
        fitted = Box::new(Spread {
            feed: fitted,
            channels,
        });
    }
    Ok(fitted)
}

/// A feed at another sample rate.
struct Resampled<F> {
    frames: u64,
    resampler: Option<Resampler>,
    input: Vec<Vec<f32>>,
    /// What came out and was not read yet begins at `taken`.
    output: Vec<Vec<f32>>,
    taken: usize,
    feed: F,
}

impl<F: AudioFeed> Resampled<F> {
    fn new(feed: F, resampler: Resampler) -> Self {
        let channels = feed.channels();
        Self {
            frames: resampler.frames_out(feed.frames()),
            resampler: Some(resampler),
            input: vec![vec![0.0; BLOCK]; channels],
            output: vec![Vec::new(); channels],
            taken: 0,
            feed,
        }
    }

    fn waiting(&self) -> usize {
        self.output.first().map_or(0, Vec::len) - self.taken
    }

    /// Sees to it that there are so many frames, if there will be.
    fn fill(&mut self, frames: usize) -> Result<(), Error> {
        while self.waiting() < frames {
            let Some(mut resampler) = self.resampler.take() else {
                return Ok(());
            };
            for plane in &mut self.output {
                plane.drain(..self.taken);
            }
            self.taken = 0;
            let mut room: Vec<_> = self.input.iter_mut().map(Vec::as_mut_slice).collect();
            let read = self.feed.read(&mut room)?;
            let block: Vec<_> = self.input.iter().map(|plane| &plane[..read]).collect();
            resampler.push(&block, &mut self.output)?;
            if read < BLOCK {
                resampler.finish(&mut self.output)?;
            } else {
                self.resampler = Some(resampler);
            }
        }
        Ok(())
    }
}

impl<F: AudioFeed> AudioFeed for Resampled<F> {
    fn channels(&self) -> usize {
        self.output.len()
    }

    fn frames(&self) -> u64 {
        self.frames
    }

    fn read(&mut self, planes: &mut [&mut [f32]]) -> Result<usize, Error> {
        let room = planes.iter().map(|plane| plane.len()).min().unwrap_or(0);
        self.fill(room)?;
        let frames = room.min(self.waiting());
        for (plane, output) in planes.iter_mut().zip(&self.output) {
            plane[..frames].copy_from_slice(&output[self.taken..self.taken + frames]);
        }
        self.taken += frames;
        Ok(frames)
    }
}

/// One channel as several.
struct Spread<F> {
    feed: F,
    channels: usize,
}

impl<F: AudioFeed> AudioFeed for Spread<F> {
    fn channels(&self) -> usize {
        self.channels
    }

    fn frames(&self) -> u64 {
        self.feed.frames()
    }

    fn read(&mut self, planes: &mut [&mut [f32]]) -> Result<usize, Error> {
        let Some((first, others)) = planes.split_first_mut() else {
            return Ok(0);
        };
        let frames = self.feed.read(&mut [&mut **first])?;
        for plane in others {
            plane[..frames].copy_from_slice(&first[..frames]);
        }
        Ok(frames)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(feed: &mut dyn AudioFeed, block: usize) -> Vec<Vec<f32>> {
        let mut planes = vec![Vec::new(); feed.channels()];
        let mut room = vec![vec![9.0; block]; feed.channels()];
        loop {
            let mut slices: Vec<_> = room.iter_mut().map(Vec::as_mut_slice).collect();
            let read = feed.read(&mut slices).unwrap();
            for (plane, room) in planes.iter_mut().zip(&room) {
                plane.extend_from_slice(&room[..read]);
            }
            if read < block {
                return planes;
            }
        }
    }

    #[test]
    fn short_channels_end_in_silence() {
        let mut feed = PlanesFeed::new(&[&[1.0, 2.0, 3.0], &[4.0]]);
        assert_eq!((feed.channels(), feed.frames()), (2, 3));
        assert_eq!(all(&mut feed, 2), [[1.0, 2.0, 3.0], [4.0, 0.0, 0.0]]);
    }

    #[test]
    fn a_feed_is_made_to_fit() {
        let tone: Vec<f32> = (0..30_000_u16)
            .map(|n| (f32::from(n) * 0.05).sin())
            .collect();
        let planes = [&tone[..]];
        let mut fitted = fitted(PlanesFeed::new(&planes), 44_100, 48_000, 3).unwrap();
        assert_eq!((fitted.channels(), fitted.frames()), (3, 32_653));
        let expected = crate::resample(&planes, 44_100, 48_000, Quality::Best).unwrap();
        for (block, plane) in [(1000, 0), (7, 1), (40_000, 2)] {
            let mut again = super::fitted(PlanesFeed::new(&planes), 44_100, 48_000, 3).unwrap();
            assert_eq!(all(&mut *again, block)[plane], expected[0]);
        }
        assert_eq!(all(&mut *fitted, 512)[2].len(), 32_653);
        let unchanged = super::fitted(PlanesFeed::new(&planes), 48_000, 48_000, 1).unwrap();
        assert_eq!((unchanged.channels(), unchanged.frames()), (1, 30_000));
    }
}
