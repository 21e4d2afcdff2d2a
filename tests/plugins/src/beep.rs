//! A small synthesiser: a sine that fades for each note, 16 notes at once.

use std::ffi::CStr;

use crate::kit::{About, Block, Bus, Parameter, Plugin, Sample};

const LEVEL: usize = 0;
const DECAY: usize = 1;
const VOICES: usize = 16;

#[derive(Clone, Copy, Default)]
struct Voice {
    key: u8,
    phase: f32,
    step: f32,
    height: f32,
    held: bool,
}

pub struct Beep {
    rate: f32,
    voices: [Voice; VOICES],
    next: usize,
}

impl Beep {
    fn hear(&mut self, message: &[u8]) {
        let &[status, key, velocity, ..] = message else {
            return;
        };
        match (status & 0xF0, velocity) {
            (0x90, 1..) => {
                self.voices[self.next] = Voice {
                    key,
                    phase: 0.0,
                    step: 440.0 * ((f32::from(key) - 69.0) / 12.0).exp2() / self.rate,
                    height: f32::from(velocity) / 127.0,
                    held: true,
                };
                self.next = (self.next + 1) % VOICES;
            }
            (0x80 | 0x90, _) => {
                for voice in self.voices.iter_mut().filter(|voice| voice.key == key) {
                    voice.held = false;
                }
            }
            _ => {}
        }
    }
}

impl Plugin for Beep {
    const URI: &'static CStr = c"urn:plugpen:test:beep";
    const ABOUT: About = About {
        title: "Test Beep",
        outputs: &[Bus::main(2)],
        parameters: &[
            Parameter::new("Level", 0.0, 1.0, 0.8),
            Parameter::new("Decay", 0.01, 4.0, 0.6).unit("s"),
        ],
        midi_in: true,
        synth: true,
        double: false,
        separate: true,
        ..About::NOTHING
    };

    fn new() -> Option<Self> {
        Some(Self {
            rate: 0.0,
            voices: [Voice::default(); VOICES],
            next: 0,
        })
    }

    fn activate(&mut self, rate: f64) {
        self.rate = f32::of(rate);
        self.voices = [Voice::default(); VOICES];
    }

    fn run<S: Sample>(&mut self, block: &mut Block<'_, S>) {
        let mut incoming = block.midi().peekable();
        let level = f32::of(block.values.get(LEVEL)) * 0.25;
        let decay = f32::of(block.values.get(DECAY)).max(0.01);
        let held = (-1.0 / (self.rate * decay)).exp();
        let released = (-1.0 / (self.rate * 0.05)).exp();
        for frame in 0..block.frames() {
            while let Some((_, message)) = incoming.next_if(|(at, _)| *at <= frame) {
                self.hear(message);
            }
            let mut sum = 0.0;
            for voice in self.voices.iter_mut().filter(|voice| voice.height > 1e-4) {
                sum += (voice.phase * std::f32::consts::TAU).sin() * voice.height;
                voice.phase = (voice.phase + voice.step).fract();
                voice.height *= if voice.held { held } else { released };
            }
            for output in 0..2 {
                block.put(output, frame, S::of(f64::from(sum * level)));
            }
        }
    }
}
