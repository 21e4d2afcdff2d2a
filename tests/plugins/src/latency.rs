//! A delay that reports itself as latency. It has no bypass of its own.

use std::ffi::CStr;

use crate::kit::{Host, Plugin, Ports};

const INPUTS: [usize; 2] = [0, 1];
const OUTPUTS: [usize; 2] = [2, 3];
const DELAY: usize = 4;
const LATENCY: usize = 5;
const MAX_DELAY: usize = 10_000;

pub struct Latency {
    lines: [Vec<f32>; 2],
    at: usize,
}

impl Plugin for Latency {
    const URI: &'static CStr = c"urn:plugpen:test:latency";

    fn instantiate(_host: &Host) -> Option<Self> {
        Some(Self {
            lines: [vec![0.0; MAX_DELAY + 1], vec![0.0; MAX_DELAY + 1]],
            at: 0,
        })
    }

    fn activate(&mut self) {
        self.lines.iter_mut().for_each(|line| line.fill(0.0));
        self.at = 0;
    }

    fn run(&mut self, ports: &Ports, frames: usize) {
        let delay = ports.count(DELAY).min(MAX_DELAY);
        let size = MAX_DELAY + 1;
        for frame in 0..frames {
            for (line, (input, output)) in
                self.lines.iter_mut().zip(INPUTS.into_iter().zip(OUTPUTS))
            {
                line[self.at] = ports.sample(input, frame);
                ports.put(output, frame, line[(self.at + size - delay) % size]);
            }
            self.at = (self.at + 1) % size;
        }
        #[allow(clippy::cast_precision_loss, reason = "at most 10,000")]
        ports.set_control(LATENCY, delay as f32);
    }
}
