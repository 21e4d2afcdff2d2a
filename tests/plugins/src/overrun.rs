//! Leaves its buffers: by how many frames, and where, say its parameters. It passes its input
//! through, before it does anything else.

use std::ffi::CStr;

use crate::kit::{About, Block, Bus, Parameter, Plugin, Sample};

const WHERE: usize = 0;
const FRAMES: usize = 1;

pub struct Overrun;

impl Plugin for Overrun {
    const URI: &'static CStr = c"urn:plugpen:test:overrun";
    const ABOUT: About = About {
        title: "Test Overrun",
        inputs: &[Bus::main(2)],
        outputs: &[Bus::main(2)],
        parameters: &[
            Parameter::whole("Where", 8.0, 0.0).labels(&[
                (0.0, "Nowhere"),
                (1.0, "Writes past output 1"),
                (2.0, "Reads past input 0"),
                (3.0, "Writes before output 1"),
                (4.0, "Writes to input 1"),
                (5.0, "Gives NaN on output 1"),
                (6.0, "Gives infinity on output 0"),
                (7.0, "Gives denormals and silence"),
                (8.0, "Gives 2 and 0.5"),
            ]),
            Parameter::whole("Frames", 16.0, 1.0),
        ],
        double: false,
        ..About::NOTHING
    };

    fn new() -> Option<Self> {
        Some(Self)
    }

    fn run<S: Sample>(&mut self, block: &mut Block<'_, S>) {
        let frames = block.frames();
        for channel in 0..2 {
            for frame in 0..frames {
                let sample = block.input(channel, frame);
                block.put(channel, frame, sample);
            }
        }
        let far = block.values.count(FRAMES);
        let (first, second) = match block.values.count(WHERE) {
            1 => return block.poke_output(1, frames + far - 1),
            2 => {
                std::hint::black_box(block.peek_input(0, frames + far - 1));
                return;
            }
            3 => return block.poke_output(1, 0_usize.wrapping_sub(far)),
            4 => return block.poke_input(1),
            5 => (None, Some(S::of(f64::NAN))),
            6 => (Some(S::of(f64::INFINITY)), None),
            7 => (Some(S::DENORMAL), Some(S::ZERO)),
            8 => (Some(S::of(2.0)), Some(S::of(0.5))),
            _ => (None, None),
        };
        for (channel, sample) in [first, second].into_iter().enumerate() {
            if let Some(sample) = sample {
                for frame in 0..frames {
                    block.put(channel, frame, sample);
                }
            }
        }
    }
}
