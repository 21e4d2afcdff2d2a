//! Its input, and every 1,000 frames an echo of half the height: a tail that a reset must clear.

use std::ffi::CStr;

use crate::kit::{About, Block, Bus, Plugin, Sample};

const SIZE: usize = 1000;

pub struct Echo {
    lines: [Vec<f64>; 2],
    at: usize,
}

impl Plugin for Echo {
    const URI: &'static CStr = c"urn:plugpen:test:echo";
    const ABOUT: About = About {
        title: "Test Echo",
        inputs: &[Bus::main(2)],
        outputs: &[Bus::main(2)],
        tail_frames: 24_000,
        ..About::NOTHING
    };

    fn new() -> Option<Self> {
        Some(Self {
            lines: [vec![0.0; SIZE], vec![0.0; SIZE]],
            at: 0,
        })
    }

    fn activate(&mut self, _rate: f64) {
        self.lines.iter_mut().for_each(|line| line.fill(0.0));
        self.at = 0;
    }

    fn run<S: Sample>(&mut self, block: &mut Block<'_, S>) {
        for frame in 0..block.frames() {
            for (channel, line) in self.lines.iter_mut().enumerate() {
                let sum = block.input(channel, frame).wide() + line[self.at] * 0.5;
                line[self.at] = sum;
                block.put(channel, frame, S::of(sum));
            }
            self.at = (self.at + 1) % SIZE;
        }
    }
}
