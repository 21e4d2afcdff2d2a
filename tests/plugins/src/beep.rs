//! A small synthesiser: a sine that fades for each note, 16 notes at once.

use std::ffi::CStr;

use crate::kit::{Host, Plugin, Ports};

const MIDI_IN: usize = 0;
const OUTPUTS: [usize; 2] = [1, 2];
const LEVEL: usize = 3;
const DECAY: usize = 4;
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
    midi: u32,
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

    fn instantiate(host: &Host) -> Option<Self> {
        #[allow(clippy::cast_possible_truncation, reason = "a sample rate")]
        let rate = host.rate as f32;
        Some(Self {
            rate,
            midi: host.urid(c"http://lv2plug.in/ns/ext/midi#MidiEvent"),
            voices: [Voice::default(); VOICES],
            next: 0,
        })
    }

    fn activate(&mut self) {
        self.voices = [Voice::default(); VOICES];
    }

    fn run(&mut self, ports: &Ports, frames: usize) {
        let mut incoming = ports.atoms(MIDI_IN).peekable();
        let level = ports.control(LEVEL) * 0.25;
        let held = (-1.0 / (self.rate * ports.control(DECAY).max(0.01))).exp();
        let released = (-1.0 / (self.rate * 0.05)).exp();
        for frame in 0..frames {
            while let Some((_, body)) = incoming.next_if(|(at, _)| *at <= frame) {
                if body.kind == self.midi {
                    self.hear(body.bytes);
                }
            }
            let mut sum = 0.0;
            for voice in self.voices.iter_mut().filter(|voice| voice.height > 1e-4) {
                sum += (voice.phase * std::f32::consts::TAU).sin() * voice.height;
                voice.phase = (voice.phase + voice.step).fract();
                voice.height *= if voice.held { held } else { released };
            }
            for output in OUTPUTS {
                ports.put(output, frame, sum * level);
            }
        }
    }
}
