//! Attacks by name. A SysEx message names one and says what it may aim at; the answer, another
//! SysEx message, says whether it succeeded (see [`crate::attacks`]). What it hears otherwise it
//! ignores; it passes its input through.

use std::ffi::CStr;

use crate::attacks::{Outcome, Target, attack};
use crate::kit::{About, Block, Bus, Parameter, Plugin, Sample};

/// Does one attack for each SysEx message `name`, `key=value`..., a line each.
pub struct Attacker;

impl Plugin for Attacker {
    const URI: &'static CStr = c"urn:plugpen:test:attacker";
    const ABOUT: About = About {
        title: "Test Attacker",
        inputs: &[Bus::main(1)],
        outputs: &[Bus::main(1)],
        parameters: &[Parameter::whole("Unused", 1.0, 0.0)],
        midi_in: true,
        midi_out: true,
        ..About::NOTHING
    };

    fn new() -> Option<Self> {
        Some(Self)
    }

    fn run<S: Sample>(&mut self, block: &mut Block<'_, S>) {
        for frame in 0..block.frames() {
            let sample = block.input(0, frame);
            block.put(0, frame, sample);
        }
        for (frame, message) in block.midi() {
            if let Some(answer) = answer(message) {
                block.send(frame, &answer);
            }
        }
    }
}

fn answer(message: &[u8]) -> Option<Vec<u8>> {
    let text = message.strip_prefix(&[0xF0])?.strip_suffix(&[0xF7])?;
    let (name, target) = Target::read(std::str::from_utf8(text).ok()?)?;
    let said = match attack(name) {
        None => "unknown".to_owned(),
        Some(attack) => match attack(&target) {
            Outcome::Ok(()) => "succeeded".to_owned(),
            Outcome::Err(errno) => format!("denied {errno}"),
        },
    };
    let mut answer = vec![0xF0];
    answer.extend(said.bytes().filter(u8::is_ascii));
    answer.push(0xF7);
    Some(answer)
}
