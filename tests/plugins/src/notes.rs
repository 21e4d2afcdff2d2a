//! The sum of all notes that sound, each its velocity times its `Volume` expression, on the left;
//! the sum of their tunings in cents, with their `Bend` expressions of up to 100 cents either way,
//! on the right. What it hears of notes it says again. In formats without ids notes are MIDI, and
//! none has an expression.

use std::ffi::CStr;

use crate::kit::{About, Block, Bus, Expression, Note, Parameter, Plugin, Sample};

const LEVEL: usize = 0;
const VOLUME: u32 = 0;
const BEND: u32 = 100_001;

struct Sounding {
    id: i32,
    key: u8,
    velocity: f64,
    tuning: f64,
    volume: f64,
    bend: f64,
}

pub struct Notes {
    sounding: Vec<Sounding>,
}

impl Notes {
    fn hear(&mut self, note: Note) {
        match note {
            Note::Key {
                id,
                is_on: true,
                key,
                velocity,
                tuning,
                ..
            } => self.sounding.push(Sounding {
                id,
                key,
                velocity: velocity.into(),
                tuning: tuning.into(),
                volume: 1.0,
                bend: 0.5,
            }),
            Note::Key { id, key, .. } => {
                let mut all = self.sounding.iter();
                let same = |one: &Sounding| one.id == id && (id != -1 || one.key == key);
                if let Some(at) = all.position(same) {
                    self.sounding.remove(at);
                }
            }
            Note::Shape { id, kind, value } => {
                for one in self.sounding.iter_mut().filter(|one| one.id == id) {
                    match kind {
                        VOLUME => one.volume = value,
                        BEND => one.bend = value,
                        _ => {}
                    }
                }
            }
        }
    }
}

/// A note of a MIDI message.
fn of_midi(message: &[u8]) -> Option<Note> {
    let &[status @ 0x80..=0x9F, key, velocity] = message else {
        return None;
    };
    Some(Note::Key {
        id: -1,
        is_on: status & 0xF0 == 0x90 && velocity > 0,
        channel: status & 0x0F,
        key,
        velocity: f32::from(velocity) / 127.0,
        tuning: 0.0,
    })
}

impl Plugin for Notes {
    const URI: &'static CStr = c"urn:plugpen:test:notes";
    const ABOUT: About = About {
        title: "Test Notes",
        outputs: &[Bus::main(2)],
        parameters: &[Parameter::new("Level", 0.0, 1.0, 1.0)],
        midi_in: true,
        midi_out: true,
        synth: true,
        separate: true,
        expressions: &[
            Expression {
                id: VOLUME,
                name: "Volume",
                unit: "",
                default: 1.0,
                steps: 0,
                is_bipolar: false,
                parameter: Some(LEVEL),
            },
            Expression {
                id: BEND,
                name: "Bend",
                unit: "ct",
                default: 0.5,
                steps: 200,
                is_bipolar: true,
                parameter: None,
            },
        ],
        ..About::NOTHING
    };

    fn new() -> Option<Self> {
        Some(Self {
            sounding: Vec::with_capacity(256),
        })
    }

    fn activate(&mut self, _rate: f64) {
        self.sounding.clear();
    }

    fn run<S: Sample>(&mut self, block: &mut Block<'_, S>) {
        let mut notes = block.notes().peekable();
        let has_ids = notes.peek().is_some();
        let mut midi = block.midi().peekable();
        let level = block.values.get(LEVEL);
        for frame in 0..block.frames() {
            while let Some((_, note)) = notes.next_if(|(at, _)| *at <= frame) {
                self.hear(note);
                block.say(frame, note);
            }
            while let Some((_, message)) = midi.next_if(|(at, _)| *at <= frame) {
                if let Some(note) = of_midi(message).filter(|_| !has_ids) {
                    self.hear(note);
                    block.send(frame, message);
                }
            }
            let all = self.sounding.iter();
            let sum: f64 = all.clone().map(|one| one.velocity * one.volume).sum();
            let cents = all.map(|one| one.tuning + (one.bend - 0.5) * 200.0);
            block.put(0, frame, S::of(sum * level));
            block.put(1, frame, S::of(cents.sum()));
        }
    }
}
