//! Buses: which inputs are the main ones, and which a sidechain.

use plugpen_proto::v1::{Bus, OpenOptions};

use super::instance::{Channels, Instance};
use super::speakers::Arrangement;
use super::text::decode_chars;
use crate::formats::count;

/// Channels that a client has which does not care.
const USUAL: u32 = 2;
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
    /// Settles the channels with a plugin that is off, and asks what they are. Its sidechain is
    /// apart for who wishes one; else it is part of the main input, so that nothing the plugin
    /// hears is out of reach.
    pub fn settle(instance: &Instance, options: &OpenOptions) -> Self {
        let speakers = arrange(instance, options)
            .map(|(inputs, outputs)| [inputs, outputs].map(|arrangement| arrangement.channels()));
        let all = instance.channels();
        let wishes_sidechain = options.sidechain_channels > 0;
        let within = |channels: Option<usize>, all: usize| {
            channels.filter(|channels| (1..all).contains(channels))
        };
        let main_inputs = match wishes_sidechain {
            true => within(speakers.map(|[inputs, _]| inputs), all.inputs)
                .or_else(|| before_sidechain(instance, all.inputs))
                .unwrap_or(all.inputs),
            false => all.inputs,
        };
        let main_outputs =
            within(speakers.map(|[_, outputs]| outputs), all.outputs).unwrap_or(all.outputs);
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

    /// Channels of the whole plugin in another layout, one number a bus; `None` where there are
    /// other buses in it than these.
    pub fn as_layout(&self, inputs: &[i32], outputs: &[i32]) -> Option<Channels> {
        let (have_inputs, have_outputs) = self.describe();
        let sum = |have: &[Bus], want: &[i32]| {
            let channels = |want: &i32| usize::try_from(*want).ok().filter(|want| *want > 0);
            let mut wanted = want.iter().map(channels);
            let sum = wanted.try_fold(0usize, |sum, want| sum.checked_add(want?));
            sum.filter(|_| have.len() == want.len())
        };
        Some(Channels {
            inputs: sum(&have_inputs, inputs)?,
            outputs: sum(&have_outputs, outputs)?,
        })
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

/// What the plugin says of its loudspeakers, after it was offered what the client wishes. Two
/// channels are what a client has that does not care: a plugin is offered them only where it has
/// no more than two and says nothing, because some play only what they were offered.
fn arrange(instance: &Instance, options: &OpenOptions) -> Option<(Arrangement, Arrangement)> {
    let own = instance.channels();
    let wish = |own: usize, wish: u32| match wish {
        0 | USUAL => own,
        _ if own == 0 => 0,
        wish => usize::try_from(wish).unwrap_or(own),
    };
    // A sidechain is part of the inputs here.
    let aside = usize::try_from(options.sidechain_channels).unwrap_or(0);
    let wished = Channels {
        inputs: match wish(own.inputs, options.in_channels) {
            inputs if inputs == own.inputs => inputs,
            inputs => inputs.saturating_add(aside),
        },
        outputs: wish(own.outputs, options.out_channels),
    };
    let is_small = own.inputs <= 2 && own.outputs <= 2;
    if wished != own {
        // Both as wished, then as many in as out: effects mostly take no other.
        let even = Channels {
            inputs: wished.outputs,
            ..wished
        };
        if instance.offer(wished) || own.inputs > 0 && instance.offer(even) {
            return instance.speakers();
        }
    }
    let told = instance.speakers();
    if told.is_none() && is_small {
        let [mut inputs, mut outputs] = [own.inputs, own.outputs].map(Arrangement::of);
        instance.set_speakers(&mut inputs, &mut outputs);
    }
    told
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
        let all = |inputs, outputs| Some(Channels { inputs, outputs });
        assert_eq!(buses.as_layout(&[4, 2], &[]), all(6, 0));
        for (inputs, outputs) in [
            (&[3][..], &[][..]),
            (&[2, 1], &[2]),
            (&[2, 0], &[]),
            (&[2, -1], &[]),
        ] {
            assert_eq!(buses.as_layout(inputs, outputs), None);
        }
    }
}
