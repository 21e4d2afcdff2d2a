//! Edits its parameters itself. When `Trigger` is set to 1, it takes `Edited`, moves it to 0.75
//! and lets go. While it plays, `Meter` follows its input, told whenever that changes. `Channels`
//! is how many its buses have, in VST3, where a plugin may change them.

use std::ffi::CStr;

use crate::kit::{About, Block, Bus, Gesture, Kind, Parameter, Plugin, Sample, Values};

const TRIGGER: usize = 0;
const EDITED: usize = 1;
const METER: usize = 2;
const CHANNELS: usize = 3;

pub struct Edits;

impl Plugin for Edits {
    const URI: &'static CStr = c"urn:plugpen:test:edits";
    const ABOUT: About = About {
        title: "Test Edits",
        inputs: &[Bus::main(1)],
        outputs: &[Bus::main(1)],
        parameters: &[
            Parameter::whole("Trigger", 1.0, 0.0),
            Parameter::new("Edited", 0.0, 1.0, 0.5),
            Parameter::new("Meter", 0.0, 1.0, 0.0).kind(Kind::Meter),
            Parameter::whole("Channels", 2000.0, 1.0),
        ],
        ..About::NOTHING
    };

    fn new() -> Option<Self> {
        Some(Self)
    }

    fn run<S: Sample>(&mut self, block: &mut Block<'_, S>) {
        let edited = block.values.get(EDITED);
        let mut peak = 0.0_f64;
        for frame in 0..block.frames() {
            peak = peak.max(block.input(0, frame).wide().abs());
            block.put(0, frame, S::of(edited));
        }
        if peak.min(1.0) != block.values.get(METER) {
            block.tell(METER, peak.min(1.0));
        }
    }

    fn channels(values: &Values) -> Option<usize> {
        Some(values.count(CHANNELS))
    }

    fn answer(set: usize, values: &Values) -> Option<Gesture> {
        (set == TRIGGER && values.get(TRIGGER) > 0.5).then_some(Gesture {
            index: EDITED,
            plain: 0.75,
        })
    }
}
