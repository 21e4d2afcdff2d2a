//! Stereo gain; a port designated `lv2:enabled` makes it pass its input through.

use std::ffi::CStr;

use crate::kit::{Host, Plugin, Ports};

const INPUTS: [usize; 2] = [0, 1];
const OUTPUTS: [usize; 2] = [2, 3];
const GAIN: usize = 4;
const ENABLED: usize = 5;

pub struct Gain;

impl Plugin for Gain {
    const URI: &'static CStr = c"urn:plugpen:test:gain";

    fn instantiate(_host: &Host) -> Option<Self> {
        Some(Self)
    }

    fn run(&mut self, ports: &Ports, frames: usize) {
        let gain = if ports.control(ENABLED) > 0.5 {
            ports.control(GAIN)
        } else {
            1.0
        };
        for (input, output) in INPUTS.into_iter().zip(OUTPUTS) {
            for frame in 0..frames {
                ports.put(output, frame, ports.sample(input, frame) * gain);
            }
        }
    }
}
