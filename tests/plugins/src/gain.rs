//! Gain with a bypass of its own; stereo, or of as many channels as its host likes.

use std::ffi::CStr;

use crate::kit::{About, Block, Bus, Kind, Parameter, Plugin, Sample};

const GAIN: usize = 0;
const BYPASS: usize = 1;

pub struct Gain;

impl Plugin for Gain {
    const URI: &'static CStr = c"urn:plugpen:test:gain";
    const ABOUT: About = About {
        title: "Test Gain",
        inputs: &[Bus::main(2)],
        outputs: &[Bus::main(2)],
        parameters: &[
            Parameter::new("Gain", 0.0, 4.0, 1.0),
            Parameter::whole("Bypass", 1.0, 0.0).kind(Kind::Bypass),
        ],
        flexible: true,
        ..About::NOTHING
    };

    fn new() -> Option<Self> {
        Some(Self)
    }

    fn run<S: Sample>(&mut self, block: &mut Block<'_, S>) {
        let gain = if block.values.get(BYPASS) > 0.5 {
            1.0
        } else {
            block.values.get(GAIN)
        };
        for channel in 0..block.outputs() {
            for frame in 0..block.frames() {
                let sample = block.input(channel, frame).wide() * gain;
                block.put(channel, frame, S::of(sample));
            }
        }
    }
}
