//! Each output sample is the number of frames played before it since the instance was made,
//! modulo 2^24 (what a float can count to). The count is the plugin's state; `activate`, and so
//! a host's reset, keeps it.

use std::ffi::CStr;

use crate::kit::{About, Block, Bus, Plugin, Sample, Values};

pub struct Counter {
    frames: u32,
}

impl Plugin for Counter {
    const URI: &'static CStr = c"urn:plugpen:test:counter";
    const ABOUT: About = About {
        title: "Test Counter",
        outputs: &[Bus::main(1)],
        state: true,
        double: false,
        ..About::NOTHING
    };

    fn new() -> Option<Self> {
        Some(Self { frames: 0 })
    }

    fn run<S: Sample>(&mut self, block: &mut Block<'_, S>) {
        for frame in 0..block.frames() {
            block.put(0, frame, S::of(f64::from(self.frames)));
            self.frames = (self.frames + 1) % (1 << 24);
        }
    }

    fn save(&self, _values: &Values) -> Vec<u8> {
        self.frames.to_le_bytes().into()
    }

    fn restore(&mut self, _values: &Values, bytes: &[u8]) {
        if let Ok(bytes) = bytes.try_into() {
            self.frames = u32::from_le_bytes(bytes) % (1 << 24);
        }
    }
}
