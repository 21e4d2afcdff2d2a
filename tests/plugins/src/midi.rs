//! Sends every MIDI event on as it came, SysEx too. Its audio output clicks at each event's
//! frame with the height `data1 / 127`. Every `Period` frames (0: never) since it was activated
//! it makes a note of its own, and at the start of every block a burst of `Burst` controllers.

use std::ffi::CStr;

use crate::kit::{About, Block, Bus, Parameter, Plugin, Sample};

const PERIOD: usize = 0;
const BURST: usize = 1;

pub struct Midi {
    played: usize,
}

impl Plugin for Midi {
    const URI: &'static CStr = c"urn:plugpen:test:midi";
    const ABOUT: About = About {
        title: "Test MIDI",
        outputs: &[Bus::main(1)],
        parameters: &[
            Parameter::whole("Period", 10_000.0, 0.0),
            Parameter::whole("Burst", 1000.0, 0.0),
        ],
        midi_in: true,
        midi_out: true,
        ..About::NOTHING
    };

    fn new() -> Option<Self> {
        Some(Self { played: 0 })
    }

    fn activate(&mut self, _rate: f64) {
        self.played = 0;
    }

    fn run<S: Sample>(&mut self, block: &mut Block<'_, S>) {
        for number in 0..block.values.count(BURST) {
            let number = u8::try_from(number % 128).unwrap_or(0);
            block.send(0, &[0xB0, number, 1]);
        }
        let mut incoming = block.midi().peekable();
        let period = block.values.count(PERIOD);
        for frame in 0..block.frames() {
            block.put(0, frame, S::ZERO);
            while let Some((_, message)) = incoming.next_if(|(at, _)| *at <= frame) {
                block.send(frame, message);
                let height = message.get(1).copied().unwrap_or(0);
                block.put(0, frame, S::of(f64::from(height) / 127.0));
            }
            if period > 0 && (self.played + frame).is_multiple_of(period) {
                block.send(frame, &[0x90, 60, 100]);
            }
        }
        self.played += block.frames();
    }
}
