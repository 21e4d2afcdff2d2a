//! Buses: what a plugin has, what is asked of it, and which channels a block carries.

use plugpen_proto::Error;
use plugpen_proto::limits::MAX_CHANNELS;
use plugpen_proto::v1::{Bus, ErrorReason, OpenOptions};
use vst3::ComPtr;
use vst3::Steinberg::Vst::BusDirections_::{kInput, kOutput};
use vst3::Steinberg::Vst::BusTypes_::kMain;
use vst3::Steinberg::Vst::MediaTypes_::{kAudio, kEvent};
use vst3::Steinberg::Vst::{
    BusInfo as Sdk, IAudioProcessor, IAudioProcessorTrait, IComponent, IComponentTrait, SpeakerArr,
    SpeakerArrangement,
};
use vst3::Steinberg::kResultOk;

use super::roomy::Roomy;
use super::text;
use crate::formats::{count, fpu};

/// Buses of one direction, at most. The most met are 50.
const MAX_BUSES: i32 = 512;

/// Kind of a bus, as calls have it.
const AUDIO: i32 = kAudio.cast_signed();
/// As above.
const EVENT: i32 = kEvent.cast_signed();
const INPUT: i32 = kInput.cast_signed();
const OUTPUT: i32 = kOutput.cast_signed();

/// An audio bus.
#[derive(Debug, Clone, PartialEq)]
pub struct BusInfo {
    pub name: String,
    pub channels: u32,
    pub is_main: bool,
    /// A fresh plugin has it on.
    pub is_default: bool,
    pub arrangement: SpeakerArrangement,
    /// Blocks carry it, from this channel on.
    pub first: Option<u32>,
}

/// All buses of a plugin.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Buses {
    pub inputs: Vec<BusInfo>,
    pub outputs: Vec<BusInfo>,
    pub event_inputs: i32,
    pub event_outputs: i32,
}

/// What the client wants carried, in channels.
#[derive(Debug, Clone, Copy)]
pub struct Wishes {
    pub inputs: u32,
    pub outputs: u32,
    pub sidechain: u32,
}

impl From<&OpenOptions> for Wishes {
    fn from(options: &OpenOptions) -> Self {
        Self {
            inputs: options.in_channels,
            outputs: options.out_channels,
            sidechain: options.sidechain_channels,
        }
    }
}

/// Both faces of a plugin's audio half.
#[derive(Clone)]
pub struct Plug {
    pub component: ComPtr<IComponent>,
    pub processor: ComPtr<IAudioProcessor>,
}

impl Buses {
    /// Reads all buses; nothing is carried yet.
    ///
    /// # Errors
    /// More channels than a block can have.
    pub fn read(component: &ComPtr<IComponent>) -> Result<Self, Error> {
        let number = |kind, direction| {
            // SAFETY: kinds and directions of the SDK.
            let found = fpu::guarded(|| unsafe { component.getBusCount(kind, direction) });
            found.clamp(0, MAX_BUSES)
        };
        let audio = |direction| {
            let buses = (0..number(AUDIO, direction)).map(|at| bus(component, direction, at));
            buses.collect::<Vec<BusInfo>>()
        };
        let buses = Self {
            inputs: audio(INPUT),
            outputs: audio(OUTPUT),
            event_inputs: number(EVENT, INPUT),
            event_outputs: number(EVENT, OUTPUT),
        };
        for side in [&buses.inputs, &buses.outputs] {
            let channels: u64 = side.iter().map(|bus| u64::from(bus.channels)).sum();
            if channels > u64::from(MAX_CHANNELS) {
                return Err(Error::new(
                    ErrorReason::Unsupported,
                    format!("the plugin has {channels} channels; plugpen carries {MAX_CHANNELS}"),
                ));
            }
        }
        Ok(buses)
    }

    /// Asks an inactive plugin for the client's wishes, then takes what it has. Which buses blocks
    /// carry is decided by `carry`.
    ///
    /// # Errors
    /// As for [`Buses::read`].
    pub fn negotiate(plug: &Plug, wishes: Wishes) -> Result<Self, Error> {
        let mut buses = Self::read(&plug.component)?;
        buses.read_arrangements(plug);
        let sidechain = buses.sidechain();
        let wanted = |side: &[BusInfo], main: u32, aside: Option<usize>| {
            let arrange = |(at, bus): (usize, &BusInfo)| match at {
                0 if bus.is_main && main > 0 && bus.channels > 0 => bus.asked(main),
                at if aside == Some(at) && wishes.sidechain > 0 => bus.asked(wishes.sidechain),
                _ => bus.arrangement,
            };
            side.iter().enumerate().map(arrange).collect::<Vec<_>>()
        };
        let as_is = |side: &[BusInfo]| side.iter().map(|bus| bus.arrangement).collect::<Vec<_>>();
        let inputs = wanted(&buses.inputs, wishes.inputs, sidechain);
        let outputs = wanted(&buses.outputs, wishes.outputs, None);
        // Both sides as wished, then each alone, then as they are: some plugins take only some.
        let (inputs_now, outputs_now) = (as_is(&buses.inputs), as_is(&buses.outputs));
        let tries = [
            (&inputs, &outputs),
            (&inputs_now, &outputs),
            (&inputs, &outputs_now),
            (&inputs_now, &outputs_now),
        ];
        for (inputs, outputs) in tries {
            if arrange(plug, inputs, outputs) {
                break;
            }
        }
        buses = Self::read(&plug.component)?;
        buses.read_arrangements(plug);
        buses.carry(wishes);
        Ok(buses)
    }

    /// Takes the names of the same buses.
    pub fn rename(&mut self, component: &ComPtr<IComponent>) {
        if let Ok(found) = Self::read(component) {
            let sides = [
                (&mut self.inputs, found.inputs),
                (&mut self.outputs, found.outputs),
            ];
            for (buses, named) in sides {
                for (bus, named) in buses.iter_mut().zip(named) {
                    bus.name = named.name;
                }
            }
        }
    }

    /// Decides which buses blocks carry: the main ones, the first sidechain where the client has
    /// one, and further outputs as far as it has channels for them. Two channels are what a client
    /// has that does not care, and no reason to carry a second mono bus.
    pub fn carry(&mut self, wishes: Wishes) {
        let sidechain = self.sidechain();
        let mut next = 0;
        for (at, bus) in self.inputs.iter_mut().enumerate() {
            let carried =
                (at == 0 && bus.is_main) || (sidechain == Some(at) && wishes.sidechain > 0);
            bus.first = carried.then_some(next);
            next += if carried { bus.channels } else { 0 };
        }
        let (mut next, mut room) = (0, wishes.outputs > 2);
        for (at, bus) in self.outputs.iter_mut().enumerate() {
            room &= next + bus.channels <= wishes.outputs;
            let carried = at == 0 || room;
            bus.first = carried.then_some(next);
            next += if carried { bus.channels } else { 0 };
        }
    }

    /// Position of the first input that is not the main one.
    fn sidechain(&self) -> Option<usize> {
        let mut inputs = self.inputs.iter().enumerate();
        inputs.find_map(|(at, bus)| (!(at == 0 && bus.is_main) && bus.channels > 0).then_some(at))
    }

    /// Switches every bus on that blocks carry, all others off, and all event buses on.
    pub fn activate(&self, component: &ComPtr<IComponent>) {
        let switch = |kind, direction, at, on: bool| {
            // SAFETY: a bus of the plugin. Refusals change nothing: it has memory either way.
            fpu::guarded(|| unsafe {
                component.activateBus(kind, direction, at, u8::from(on));
            });
        };
        for (direction, side) in [(INPUT, &self.inputs), (OUTPUT, &self.outputs)] {
            for (bus, at) in side.iter().zip(0..) {
                switch(AUDIO, direction, at, bus.first.is_some());
            }
        }
        for (direction, number) in [(INPUT, self.event_inputs), (OUTPUT, self.event_outputs)] {
            for at in 0..number {
                switch(EVENT, direction, at, true);
            }
        }
    }

    /// Channels of the main input.
    pub fn main_inputs(&self) -> u32 {
        let main = self.inputs.first().filter(|bus| bus.is_main);
        main.map_or(0, |bus| bus.channels)
    }

    /// Channels of the sidechain that blocks carry.
    pub fn sidechain_channels(&self) -> u32 {
        let aside = self.sidechain().map(|at| &self.inputs[at]);
        aside
            .filter(|bus| bus.first.is_some())
            .map_or(0, |bus| bus.channels)
    }

    /// Output channels that blocks carry.
    pub fn carried_outputs(&self) -> u32 {
        let carried = self.outputs.iter().filter(|bus| bus.first.is_some());
        carried.map(|bus| bus.channels).sum()
    }

    /// For clients.
    pub fn describe(&self) -> (Vec<Bus>, Vec<Bus>) {
        let all = |side: &[BusInfo]| {
            let bus = |bus: &BusInfo| Bus {
                name: bus.name.clone(),
                channels: bus.channels,
                is_main: bus.is_main,
                is_enabled: bus.first.is_some(),
            };
            side.iter().map(bus).collect()
        };
        (all(&self.inputs), all(&self.outputs))
    }

    /// Channels of the buses that a fresh plugin has on, inputs and outputs.
    pub fn default_channels(&self) -> (u32, u32) {
        let sum = |side: &[BusInfo]| {
            let on = side.iter().filter(|bus| bus.is_default);
            on.map(|bus| bus.channels).sum()
        };
        (sum(&self.inputs), sum(&self.outputs))
    }

    /// Asks which speakers its channels are.
    pub fn read_arrangements(&mut self, plug: &Plug) {
        for (direction, side) in [(INPUT, &mut self.inputs), (OUTPUT, &mut self.outputs)] {
            for (bus, at) in side.iter_mut().zip(0..) {
                let mut found = 0;
                // SAFETY: a bus of the plugin, and room for the answer.
                let told = fpu::guarded(|| unsafe {
                    plug.processor
                        .getBusArrangement(direction, at, &raw mut found)
                });
                if told == kResultOk && found.count_ones() == bus.channels {
                    bus.arrangement = found;
                }
            }
        }
    }
}

impl BusInfo {
    /// The arrangement for so many channels; the bus's own where it has that many.
    pub fn asked(&self, channels: u32) -> SpeakerArrangement {
        match channels == self.channels {
            true => self.arrangement,
            false => arrangement(channels),
        }
    }
}

fn bus(component: &ComPtr<IComponent>, direction: i32, index: i32) -> BusInfo {
    let mut info = Roomy::<Sdk>::zeroed();
    // SAFETY: a bus of the plugin, and room for the answer; all zero where it refuses.
    fpu::guarded(|| unsafe {
        component.getBusInfo(AUDIO, direction, index, info.as_mut_ptr());
    });
    let info = info.get();
    let channels = u32::try_from(info.channelCount).unwrap_or(0);
    BusInfo {
        name: text::wide(&info.name),
        channels,
        is_main: info.busType == kMain.cast_signed(),
        is_default: info.flags & vst3::Steinberg::Vst::BusInfo_::BusFlags_::kDefaultActive != 0,
        arrangement: arrangement(channels),
        first: None,
    }
}

/// The usual arrangement of so many channels.
fn arrangement(channels: u32) -> SpeakerArrangement {
    match channels {
        0 => SpeakerArr::kEmpty,
        1 => SpeakerArr::kMono,
        2 => SpeakerArr::kStereo,
        3 => SpeakerArr::k30Cine,
        4 => SpeakerArr::k40Music,
        5 => SpeakerArr::k50,
        6 => SpeakerArr::k51,
        7 => SpeakerArr::k70Cine,
        8 => SpeakerArr::k71Music,
        more => 1u64
            .checked_shl(more)
            .map_or(u64::MAX, |bit| bit.wrapping_sub(1)),
    }
}

/// Asks an inactive plugin to take these arrangements.
pub fn arrange(plug: &Plug, inputs: &[SpeakerArrangement], outputs: &[SpeakerArrangement]) -> bool {
    // The plugin reads them only, but the interface says otherwise.
    let (mut inputs, mut outputs) = (inputs.to_vec(), outputs.to_vec());
    let length = |side: &[SpeakerArrangement]| i32::try_from(count(side.len())).unwrap_or(0);
    let (in_count, out_count) = (length(&inputs), length(&outputs));
    let (ins, outs) = (inputs.as_mut_ptr(), outputs.as_mut_ptr());
    // SAFETY: arrays of these lengths; the plugin is inactive, says the caller.
    let told = fpu::guarded(|| unsafe {
        plug.processor
            .setBusArrangements(ins, in_count, outs, out_count)
    });
    told == kResultOk
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A bus of so many channels.
    pub fn bus(channels: u32, is_main: bool) -> BusInfo {
        BusInfo {
            name: String::new(),
            channels,
            is_main,
            is_default: is_main,
            arrangement: arrangement(channels),
            first: None,
        }
    }

    fn firsts(side: &[BusInfo]) -> Vec<Option<u32>> {
        side.iter().map(|bus| bus.first).collect()
    }

    #[test]
    fn blocks_carry_what_the_client_has_channels_for() {
        let mut buses = Buses {
            inputs: vec![bus(2, true), bus(1, false), bus(2, false)],
            outputs: vec![bus(2, true), bus(2, false), bus(2, false)],
            ..Buses::default()
        };
        let mut wishes = Wishes {
            inputs: 2,
            outputs: 2,
            sidechain: 0,
        };
        buses.carry(wishes);
        assert_eq!(firsts(&buses.inputs), [Some(0), None, None]);
        assert_eq!(firsts(&buses.outputs), [Some(0), None, None]);
        assert_eq!((buses.main_inputs(), buses.sidechain_channels()), (2, 0));
        (wishes.sidechain, wishes.outputs) = (2, 5);
        buses.carry(wishes);
        assert_eq!(firsts(&buses.inputs), [Some(0), Some(2), None]);
        assert_eq!(firsts(&buses.outputs), [Some(0), Some(2), None]);
        assert_eq!(
            (buses.sidechain_channels(), buses.carried_outputs()),
            (1, 4)
        );
        assert_eq!(buses.default_channels(), (2, 2));
    }

    #[test]
    fn a_plugin_may_have_nothing_but_a_sidechain() {
        let mut buses = Buses {
            inputs: vec![bus(2, false)],
            ..Buses::default()
        };
        let wishes = Wishes {
            inputs: 2,
            outputs: 2,
            sidechain: 2,
        };
        buses.carry(wishes);
        assert_eq!((buses.main_inputs(), buses.sidechain_channels()), (0, 2));
        assert_eq!(buses.carried_outputs(), 0);
    }

    #[test]
    fn an_arrangement_has_its_channels() {
        for channels in 0..=64 {
            assert_eq!(arrangement(channels).count_ones(), channels);
        }
    }
}
