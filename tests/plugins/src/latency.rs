//! A delay that reports itself as latency. It has no bypass of its own.

use std::ffi::CStr;

use crate::kit::{About, Block, Bus, Parameter, Plugin, Sample, Values};

const DELAY: usize = 0;
const MAX_DELAY: usize = 10_000;
const SIZE: usize = MAX_DELAY + 1;

pub struct Latency {
    lines: [Vec<f64>; 2],
    at: usize,
}

impl Plugin for Latency {
    const URI: &'static CStr = c"urn:plugpen:test:latency";
    const ABOUT: About = About {
        title: "Test Latency",
        inputs: &[Bus::main(2)],
        outputs: &[Bus::main(2)],
        parameters: &[Parameter::whole("Delay", 10_000.0, 480.0)],
        latency: true,
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
        let delay = Self::latency(block.values);
        for frame in 0..block.frames() {
            for (channel, line) in self.lines.iter_mut().enumerate() {
                line[self.at] = block.input(channel, frame).wide();
                let late = line[(self.at + SIZE - delay) % SIZE];
                block.put(channel, frame, S::of(late));
            }
            self.at = (self.at + 1) % SIZE;
        }
    }

    fn latency(values: &Values) -> usize {
        values.count(DELAY).min(MAX_DELAY)
    }
}
