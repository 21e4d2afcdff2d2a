//! The dry signal of a stage, as late as the wet one.

use std::collections::VecDeque;

use crate::processor::{Planes, PlanesMut};

/// What went into a stage and has not come out, and before it as much as the stage is late.
///
/// Double precision throughout, in which single precision is exact.
#[derive(Debug, Clone, Default)]
pub struct DryLine {
    channels: Vec<VecDeque<f64>>,
    latency: usize,
}

impl DryLine {
    /// With memory for so many channels of so many frames.
    pub fn with_room(channels: usize, frames: usize) -> Self {
        let line = |_| VecDeque::with_capacity(frames);
        Self {
            channels: (0..channels).map(line).collect(),
            latency: 0,
        }
    }

    /// Forgets the signal and keeps the memory.
    pub fn clear(&mut self) {
        self.channels.iter_mut().for_each(VecDeque::clear);
        self.latency = 0;
    }

    /// Takes the input of a block of `frames` frames for a stage that is now `latency` late.
    pub fn push(&mut self, planes: Planes<'_>, frames: usize, latency: usize) {
        if self.channels.len() < planes.channels() {
            let held = self.channels.first().map_or(self.latency, VecDeque::len);
            let line = VecDeque::from(vec![0.0; held]);
            self.channels.resize(planes.channels(), line);
        }
        for (channel, line) in self.channels.iter_mut().enumerate() {
            match planes {
                Planes::F32(planes) if channel < planes.len() => {
                    line.extend(planes[channel][..frames].iter().map(|s| f64::from(*s)));
                }
                Planes::F64(planes) if channel < planes.len() => {
                    line.extend(&planes[channel][..frames]);
                }
                _ => line.extend(std::iter::repeat_n(0.0, frames)),
            }
            // A stage whose latency changes makes a jump; so does the dry signal.
            for _ in self.latency..latency {
                line.push_front(0.0);
            }
            let surplus = self.latency.saturating_sub(latency);
            line.drain(..surplus.min(line.len() - frames));
        }
        self.latency = latency;
    }

    /// Mixes the oldest `frames` frames into the wet signal: `wet` of that, the rest dry.
    #[allow(
        clippy::cast_possible_truncation,
        reason = "rounded to single precision where the block has it"
    )]
    pub fn mix(&mut self, output: &mut PlanesMut<'_>, frames: usize, wet: f64) {
        match output {
            PlanesMut::None => {}
            PlanesMut::F32(planes) => {
                for (channel, plane) in planes.iter_mut().enumerate() {
                    let dry = self.oldest(channel, frames);
                    for (sample, dry) in plane[..frames].iter_mut().zip(dry) {
                        *sample = (f64::from(*sample) * wet + dry * (1.0 - wet)) as f32;
                    }
                }
            }
            PlanesMut::F64(planes) => {
                for (channel, plane) in planes.iter_mut().enumerate() {
                    let dry = self.oldest(channel, frames);
                    for (sample, dry) in plane[..frames].iter_mut().zip(dry) {
                        *sample = *sample * wet + dry * (1.0 - wet);
                    }
                }
            }
        }
        for line in &mut self.channels {
            line.drain(..frames.min(line.len()));
        }
    }

    /// The oldest frames of a channel; a channel that is not there is silent.
    fn oldest(&self, channel: usize, frames: usize) -> impl Iterator<Item = f64> {
        let line = self.channels.get(channel).into_iter().flatten().copied();
        line.chain(std::iter::repeat(0.0)).take(frames)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass(line: &mut DryLine, input: &[f32], latency: usize) -> Vec<f32> {
        line.push(Planes::F32(&[input]), input.len(), latency);
        let mut wet = vec![0.0; input.len()];
        line.mix(&mut PlanesMut::F32(&mut [&mut wet]), input.len(), 0.5);
        wet.iter().map(|sample| sample * 2.0).collect()
    }

    #[test]
    fn dry_is_as_late_as_wet() {
        let mut line = DryLine::default();
        assert_eq!(pass(&mut line, &[1.0, 2.0], 3), [0.0, 0.0]);
        assert_eq!(pass(&mut line, &[3.0, 4.0], 3), [0.0, 1.0]);
        assert_eq!(pass(&mut line, &[5.0, 6.0], 3), [2.0, 3.0]);
        // Less late: a jump forward, nothing later lost.
        assert_eq!(pass(&mut line, &[7.0, 8.0], 1), [6.0, 7.0]);
        assert_eq!(pass(&mut line, &[9.0], 2), [0.0]);
        assert_eq!(pass(&mut line, &[1.0], 2), [8.0]);
    }

    #[test]
    fn what_was_forgotten_is_not_heard() {
        let mut line = DryLine::with_room(2, 8);
        assert_eq!(pass(&mut line, &[1.0, 2.0], 1), [0.0, 1.0]);
        line.clear();
        assert_eq!(pass(&mut line, &[3.0, 4.0], 2), [0.0, 0.0]);
        assert_eq!(pass(&mut line, &[5.0, 6.0], 2), [3.0, 4.0]);
    }

    #[test]
    fn channels_may_come_later_and_be_missing() {
        let mut line = DryLine::default();
        line.push(Planes::F64(&[&[1.0]]), 1, 0);
        line.push(Planes::F64(&[&[2.0], &[3.0]]), 1, 0);
        line.push(Planes::None, 1, 0);
        let mut heard = Vec::new();
        for _ in 0..3 {
            let (mut a, mut b, mut c) = ([0.0], [0.0], [1.0]);
            line.mix(&mut PlanesMut::F64(&mut [&mut a, &mut b, &mut c]), 1, 0.0);
            heard.push([a[0], b[0], c[0]]);
        }
        assert_eq!(heard, [[1.0, 0.0, 0.0], [2.0, 3.0, 0.0], [0.0; 3]]);
    }
}
