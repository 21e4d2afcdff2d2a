//! Output is the parameter: left `Value`, right `Plain`. `Steps` and `Switch` are only there.

use std::ffi::CStr;

use crate::kit::{About, Block, Bus, Parameter as Knob, Plugin, Program, Sample};

const VALUE: usize = 0;
const PLAIN: usize = 1;

pub struct Parameter;

impl Plugin for Parameter {
    const URI: &'static CStr = c"urn:plugpen:test:parameter";
    const ABOUT: About = About {
        title: "Test Parameter",
        outputs: &[Bus::main(2)],
        parameters: &[
            Knob::new("Value", 0.0, 1.0, 0.5),
            Knob::new("Plain", -10.0, 10.0, 0.0).unit("dB"),
            Knob::whole("Steps", 4.0, 2.0).labels(&[(0.0, "Zero"), (2.0, "Two"), (4.0, "Four")]),
            Knob::whole("Switch", 1.0, 1.0),
        ],
        programs: &[
            Program {
                name: "Low",
                values: &[(VALUE, 0.25), (PLAIN, -5.0)],
            },
            Program {
                name: "High",
                values: &[(VALUE, 0.75), (PLAIN, 5.0)],
            },
        ],
        separate: true,
        ..About::NOTHING
    };

    fn new() -> Option<Self> {
        Some(Self)
    }

    fn run<S: Sample>(&mut self, block: &mut Block<'_, S>) {
        let (value, plain) = (block.values.get(VALUE), block.values.get(PLAIN));
        for frame in 0..block.frames() {
            block.put(0, frame, S::of(value));
            block.put(1, frame, S::of(plain));
        }
    }
}
