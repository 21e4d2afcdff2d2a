//! Buses: which inputs are the main ones, and which a sidechain.

use plugpen_proto::v1::Bus;

use super::abi::{Speaker, SpeakerArrangement};
use super::instance::{Channels, Instance};
use super::text::decode_chars;
use crate::formats::count;

/// Arrangements by number of channels.
const EMPTY: i32 = -1;
const MONO: i32 = 0;
const STEREO: i32 = 1;
/// Words that name a sidechain's pins.
const ASIDE: [&str; 4] = ["sidechain", "side chain", "side-chain", "aux"];

/// A plugin's channels, in the order it has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Buses {
    pub main_inputs: usize,
    pub sidechain: usize,
    pub main_outputs: usize,
    pub further_outputs: usize,
    input_name: String,
    sidechain_name: String,
    output_name: String,
}

impl Buses {
    /// Asks the plugin. Its sidechain is apart for who wishes one; else it is part of the main
    /// input, so that nothing the plugin hears is out of reach.
    pub fn read(instance: &Instance, wishes_sidechain: bool) -> Self {
        let all = instance.channels();
        let speakers = arrange(instance, all);
        let within = |channels: Option<i32>, all: usize| {
            let channels = usize::try_from(channels?).ok()?;
            (channels > 0 && channels < all).then_some(channels)
        };
        let main_inputs = match wishes_sidechain {
            true => within(speakers.map(|(inputs, _)| inputs), all.inputs)
                .or_else(|| before_sidechain(instance, all.inputs))
                .unwrap_or(all.inputs),
            false => all.inputs,
        };
        let main_outputs =
            within(speakers.map(|(_, outputs)| outputs), all.outputs).unwrap_or(all.outputs);
        let name = |is_input: bool, at: usize, fallback: &str| {
            let label = instance
                .pin(is_input, at)
                .map(|pin| decode_chars(&pin.label));
            label
                .filter(|label| !label.is_empty())
                .unwrap_or_else(|| fallback.into())
        };
        Self {
            main_inputs,
            sidechain: all.inputs - main_inputs,
            main_outputs,
            further_outputs: all.outputs - main_outputs,
            input_name: match main_inputs {
                1 => name(true, 0, "Input"),
                _ => "Input".into(),
            },
            sidechain_name: match main_inputs < all.inputs {
                true => name(true, main_inputs, "Sidechain"),
                false => String::new(),
            },
            output_name: match main_outputs {
                1 => name(false, 0, "Output"),
                _ => "Output".into(),
            },
        }
    }

    /// All inputs.
    pub fn inputs(&self) -> usize {
        self.main_inputs + self.sidechain
    }

    /// All outputs.
    pub fn outputs(&self) -> usize {
        self.main_outputs + self.further_outputs
    }

    /// For the client.
    pub fn describe(&self) -> (Vec<Bus>, Vec<Bus>) {
        let bus = |name: &str, channels: usize, is_main: bool| Bus {
            name: name.into(),
            channels: count(channels),
            is_main,
            is_enabled: true,
        };
        let present = |bus: &Bus| bus.channels > 0;
        let inputs = [
            bus(&self.input_name, self.main_inputs, true),
            bus(&self.sidechain_name, self.sidechain, false),
        ];
        let outputs = [
            bus(&self.output_name, self.main_outputs, true),
            bus("Further outputs", self.further_outputs, false),
        ];
        (
            inputs.into_iter().filter(present).collect(),
            outputs.into_iter().filter(present).collect(),
        )
    }
}

/// What the plugin says of its loudspeakers. One that says nothing and has no more than two
/// channels either way is offered mono and stereo as it has them, because some play only what
/// they were offered.
fn arrange(instance: &Instance, all: Channels) -> Option<(i32, i32)> {
    let told = instance.speakers();
    if told.is_none() && all.inputs <= 2 && all.outputs <= 2 {
        let mut inputs = arrangement(all.inputs);
        let mut outputs = arrangement(all.outputs);
        instance.set_speakers(&mut inputs, &mut outputs);
    }
    told
}

fn arrangement(channels: usize) -> SpeakerArrangement {
    // SAFETY: all zeros are valid numbers and texts.
    let speaker: Speaker = unsafe { std::mem::zeroed() };
    SpeakerArrangement {
        kind: match channels {
            0 => EMPTY,
            1 => MONO,
            _ => STEREO,
        },
        num_channels: i32::try_from(channels).unwrap_or(0),
        speakers: [speaker; 8],
    }
}

/// Inputs before the first pin that is named for a sidechain.
fn before_sidechain(instance: &Instance, inputs: usize) -> Option<usize> {
    (1..inputs).find(|at| {
        instance.pin(true, *at).is_some_and(|pin| {
            let label = decode_chars(&pin.label).to_ascii_lowercase();
            ASIDE.iter().any(|word| label.contains(word))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_buses_with_channels_are_told() {
        let buses = Buses {
            main_inputs: 2,
            sidechain: 1,
            main_outputs: 0,
            further_outputs: 0,
            input_name: "Input".into(),
            sidechain_name: "Key".into(),
            output_name: "Output".into(),
        };
        let (inputs, outputs) = buses.describe();
        assert_eq!((inputs.len(), outputs.len()), (2, 0));
        assert!(inputs[0].is_main && !inputs[1].is_main);
        assert_eq!((inputs[1].name.as_str(), buses.inputs()), ("Key", 3));
    }
}
