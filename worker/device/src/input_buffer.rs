//! The samples that a client writes for the plugins to hear.

use rtrb::{Consumer, Producer, RingBuffer};

/// Most frames of a buffer: ten seconds at the highest rates that are usual.
pub const LONGEST: u32 = 1 << 21;

/// The end that the client's samples go into.
pub struct InputWriter {
    frames: Producer<f32>,
    channels: usize,
}

/// The end that the callback reads.
pub struct InputReader {
    frames: Consumer<f32>,
    channels: usize,
}

/// A buffer for so many frames, less one, of so many channels; 0 frames mean half a second of this
/// rate. Rounded up to a power of two.
pub fn input_buffer(
    channels: usize,
    capacity_frames: u32,
    rate: f64,
) -> (InputWriter, InputReader) {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate is positive, and what comes out is clamped"
    )]
    let wanted = match capacity_frames {
        0 => (rate / 2.0) as u32,
        frames => frames,
    };
    let rounded = wanted.clamp(2, LONGEST).next_power_of_two();
    let capacity = usize::try_from(rounded - 1).unwrap_or(1);
    let (producer, consumer) = RingBuffer::new(capacity * channels.max(1));
    let writer = InputWriter {
        frames: producer,
        channels,
    };
    let reader = InputReader {
        frames: consumer,
        channels,
    };
    (writer, reader)
}

impl InputWriter {
    /// Appends planar samples, `channels` of them one after the other in `samples`; returns the
    /// frames that found room. Missing channels are silent, surplus ones are dropped.
    pub fn write(&mut self, channels: usize, samples: &[f32]) -> usize {
        let given = samples.len() / channels.max(1);
        let room = self.frames.slots() / self.channels.max(1);
        let frames = given.min(room);
        let Ok(chunk) = self.frames.write_chunk_uninit(frames * self.channels) else {
            return 0;
        };
        let interleaved = (0..frames).flat_map(|frame| {
            (0..self.channels).map(move |channel| match channel < channels {
                true => samples[channel * given + frame],
                false => 0.0,
            })
        });
        chunk.fill_from_iter(interleaved);
        frames
    }

    /// Appends interleaved samples of exactly this buffer's channels; those without room are lost.
    pub fn write_interleaved(&mut self, samples: impl ExactSizeIterator<Item = f32>) {
        let given = samples.len() / self.channels.max(1);
        let frames = given.min(self.frames.slots() / self.channels.max(1));
        if let Ok(chunk) = self.frames.write_chunk_uninit(frames * self.channels) {
            chunk.fill_from_iter(samples);
        }
    }

    /// Frames that wait to be played.
    pub fn available(&self) -> usize {
        let capacity = self.frames.buffer().capacity();
        (capacity - self.frames.slots()) / self.channels.max(1)
    }
}

impl InputReader {
    /// Takes the next frames out; where there are too few, silence follows.
    pub fn read(&mut self, planes: &mut [Vec<f32>], frames: usize) {
        let ready = self.frames.slots() / self.channels.max(1);
        let count = frames.min(ready);
        if let Ok(chunk) = self.frames.read_chunk(count * self.channels) {
            let (first, second) = chunk.as_slices();
            for (position, sample) in first.iter().chain(second).enumerate() {
                if let Some(plane) = planes.get_mut(position % self.channels) {
                    plane[position / self.channels] = *sample;
                }
            }
            chunk.commit_all();
        }
        for plane in planes {
            plane[count..frames].fill(0.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_once_and_then_silence() {
        let (mut writer, mut reader) = input_buffer(2, 16, 48_000.0);
        assert_eq!(writer.write(2, &[1.0, 2.0, 3.0, 10.0, 20.0, 30.0]), 3);
        assert_eq!(writer.available(), 3);
        let mut planes = vec![vec![9.0; 8]; 2];
        reader.read(&mut planes, 4);
        assert_eq!(planes[0][..5], [1.0, 2.0, 3.0, 0.0, 9.0]);
        assert_eq!(planes[1][..4], [10.0, 20.0, 30.0, 0.0]);
        assert_eq!(writer.available(), 0);
    }

    #[test]
    fn a_full_buffer_takes_a_part_and_says_so() {
        let (mut writer, _reader) = input_buffer(2, 4, 48_000.0);
        assert_eq!(
            writer.write(1, &[1.0; 5]),
            3,
            "one frame of four stays free"
        );
        assert_eq!(writer.write(1, &[1.0; 5]), 0);
    }

    #[test]
    fn the_default_is_half_a_second_rounded_up() {
        let (writer, _reader) = input_buffer(2, 0, 48_000.0);
        assert_eq!(writer.frames.buffer().capacity(), 2 * 32_767);
    }
}
