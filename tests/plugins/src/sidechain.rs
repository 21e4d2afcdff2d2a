//! Main input times sidechain.

use std::ffi::CStr;

use crate::kit::{About, Block, Bus, Plugin, Sample};

pub struct Sidechain;

impl Plugin for Sidechain {
    const URI: &'static CStr = c"urn:plugpen:test:sidechain";
    const ABOUT: About = About {
        title: "Test Sidechain",
        inputs: &[Bus::main(1), Bus::aux("Sidechain", 1)],
        outputs: &[Bus::main(1)],
        ..About::NOTHING
    };

    fn new() -> Option<Self> {
        Some(Self)
    }

    fn run<S: Sample>(&mut self, block: &mut Block<'_, S>) {
        for frame in 0..block.frames() {
            let product = block.input(0, frame).wide() * block.input(1, frame).wide();
            block.put(0, frame, S::of(product));
        }
    }
}
