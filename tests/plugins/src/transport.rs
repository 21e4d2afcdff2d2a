//! Its outputs are what its host last said of the transport: tempo, position in beats, position
//! in frames, speed, time signature (two), whether it records, the loop's end in beats. -1 for
//! what was never said.

use std::ffi::CStr;

use crate::kit::{About, Block, Bus, Plugin, Sample};

pub struct Transport;

impl Plugin for Transport {
    const URI: &'static CStr = c"urn:plugpen:test:transport";
    const ABOUT: About = About {
        title: "Test Transport",
        outputs: &[Bus::main(8)],
        transport: true,
        ..About::NOTHING
    };

    fn new() -> Option<Self> {
        Some(Self)
    }

    fn run<S: Sample>(&mut self, block: &mut Block<'_, S>) {
        let said = block.transport;
        let values = [
            said.tempo,
            said.beats,
            said.frame,
            said.speed,
            said.signature[0],
            said.signature[1],
            said.recording,
            said.loop_end,
        ];
        for frame in 0..block.frames() {
            for (channel, value) in values.into_iter().enumerate() {
                block.put(channel, frame, S::of(value));
            }
        }
    }
}
