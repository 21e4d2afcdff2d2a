//! Sends every MIDI event on as it came, SysEx too. Its audio output clicks at each event's
//! frame with the height `data1 / 127`. Every `period` frames (0: never) since it was activated
//! it makes a note of its own, and at the start of every block a burst of `burst` controllers.

use std::ffi::CStr;

use crate::kit::{Host, Plugin, Ports};

const MIDI_IN: usize = 0;
const MIDI_OUT: usize = 1;
const CLICKS: usize = 2;
const PERIOD: usize = 3;
const BURST: usize = 4;

pub struct Midi {
    midi: u32,
    sequence: u32,
    played: usize,
}

impl Plugin for Midi {
    const URI: &'static CStr = c"urn:plugpen:test:midi";

    fn instantiate(host: &Host) -> Option<Self> {
        Some(Self {
            midi: host.urid(c"http://lv2plug.in/ns/ext/midi#MidiEvent"),
            sequence: host.urid(c"http://lv2plug.in/ns/ext/atom#Sequence"),
            played: 0,
        })
    }

    fn activate(&mut self) {
        self.played = 0;
    }

    fn run(&mut self, ports: &Ports, frames: usize) {
        for frame in 0..frames {
            ports.put(CLICKS, frame, 0.0);
        }
        let mut writer = ports.writer(MIDI_OUT, self.sequence);
        for number in 0..ports.count(BURST) {
            let number = u8::try_from(number % 128).unwrap_or(0);
            writer.push(0, self.midi, &[0xB0, number, 1]);
        }
        let mut incoming = ports
            .atoms(MIDI_IN)
            .filter(|(_, body)| body.kind == self.midi)
            .peekable();
        let period = ports.count(PERIOD);
        for frame in 0..frames {
            while let Some((_, body)) = incoming.next_if(|(at, _)| *at <= frame) {
                writer.push(frame, self.midi, body.bytes);
                let height = body.bytes.get(1).copied().unwrap_or(0);
                ports.put(CLICKS, frame, f32::from(height) / 127.0);
            }
            if period > 0 && (self.played + frame).is_multiple_of(period) {
                writer.push(frame, self.midi, &[0x90, 60, 100]);
            }
        }
        self.played += frames;
    }
}
