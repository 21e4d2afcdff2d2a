//! Buses: how many channels each has, settled with the unit before it is initialised.

use plugpen_proto::limits::MAX_CHANNELS;
use plugpen_proto::v1::{Bus, OpenOptions};

use super::abi::*;
use super::foundation;
use super::instance::{Instance, Status};

/// Most buses used in either direction.
const MAX_BUSES: u32 = 64;

/// A bus that the host feeds or reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusInfo {
    pub name: String,
    pub channels: u32,
}

/// The buses in use; a bus's position is its element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Buses {
    /// The main input, and the sidechain where one was wished for and is there.
    pub inputs: Vec<BusInfo>,
    /// All outputs, the main one first.
    pub outputs: Vec<BusInfo>,
    /// Which channel counts the unit says it can have.
    allowed: Vec<AUChannelInfo>,
}

/// Channels of the main buses, `None` where the unit has no such bus.
type Main = (Option<u32>, Option<u32>);

/// What to try, in this order: as many channels as are wished for, as many in as out, as many as
/// the unit has by itself. What it says it cannot do is left out.
pub fn candidates(instance: &Instance, options: &OpenOptions) -> Vec<Main> {
    let own = |scope| {
        let has_bus = elements(instance, scope) > 0;
        channels(instance, scope, 0).filter(|_| has_bus)
    };
    let own = (own(scope::INPUT), own(scope::OUTPUT));
    let allowed = allowed(instance);
    let wish = |own: Option<u32>, wish: u32| own.map(|own| if wish > 0 { wish } else { own });
    let wished = (
        wish(own.0, options.in_channels),
        wish(own.1, options.out_channels),
    );
    let narrow = (wished.0.map(|inputs| wished.1.unwrap_or(inputs)), wished.1);
    let can = |(inputs, outputs): &Main| {
        allows(
            &allowed,
            [inputs, outputs].map(|main| main.unwrap_or(0)),
            [0, 0],
        )
    };
    let mut candidates: Vec<Main> = [wished, narrow].into_iter().filter(can).collect();
    candidates.push(own);
    candidates.dedup();
    candidates
}

fn elements(instance: &Instance, scope: u32) -> u32 {
    let count: Option<u32> = instance.get(property::ELEMENT_COUNT, scope, 0);
    count.unwrap_or(0).min(MAX_BUSES)
}

fn allowed(instance: &Instance) -> Vec<AUChannelInfo> {
    instance.list(property::SUPPORTED_NUM_CHANNELS, scope::GLOBAL, 0)
}

/// Sets the formats of all buses of a unit that is not initialised.
///
/// # Errors
/// Why the unit does not take them.
pub fn settle(instance: &Instance, options: &OpenOptions, main: Main) -> Result<Buses, Status> {
    let rate = options.sample_rate;
    let own = |scope, element| channels(instance, scope, element).unwrap_or(0);
    let mut buses = Buses {
        inputs: Vec::new(),
        outputs: Vec::new(),
        allowed: allowed(instance),
    };
    if let Some(channels) = main.0 {
        buses
            .inputs
            .push(bus(instance, scope::INPUT, 0, channels, rate)?);
    }
    let wish = options.sidechain_channels;
    if wish > 0 && elements(instance, scope::INPUT) > 1 {
        let side = bus(instance, scope::INPUT, 1, wish, rate)
            .or_else(|_| bus(instance, scope::INPUT, 1, own(scope::INPUT, 1), rate));
        buses.inputs.extend(side);
    }
    if let Some(channels) = main.1 {
        buses
            .outputs
            .push(bus(instance, scope::OUTPUT, 0, channels, rate)?);
    }
    for element in 1..elements(instance, scope::OUTPUT) {
        let channels = own(scope::OUTPUT, element);
        buses
            .outputs
            .push(bus(instance, scope::OUTPUT, element, channels, rate)?);
    }
    Ok(buses)
}

impl Buses {
    /// Channels of all outputs.
    pub fn output_channels(&self) -> u32 {
        self.outputs.iter().map(|bus| bus.channels).sum()
    }

    /// The sidechain's channels.
    pub fn sidechain(&self) -> u32 {
        self.inputs.get(1).map_or(0, |bus| bus.channels)
    }

    /// For clients.
    pub fn as_buses(&self) -> (Vec<Bus>, Vec<Bus>) {
        let list = |buses: &[BusInfo]| {
            let described = buses.iter().enumerate().map(|(at, bus)| Bus {
                name: bus.name.clone(),
                channels: bus.channels,
                is_main: at == 0,
                is_enabled: true,
            });
            described.collect()
        };
        (list(&self.inputs), list(&self.outputs))
    }

    /// Whether the unit could run with these channels, one number a bus.
    pub fn could_be(&self, inputs: &[i32], outputs: &[i32]) -> bool {
        let rest_is_same = |have: &[BusInfo], want: &[i32]| {
            have.len() == want.len()
                && want.iter().all(|want| *want > 0)
                && have
                    .iter()
                    .zip(want)
                    .skip(1)
                    .all(|(bus, want)| u32::try_from(*want) == Ok(bus.channels))
        };
        let main = |want: &[i32]| want.first().map_or(0, |want| want.unsigned_abs());
        let have = |buses: &[BusInfo]| buses.first().map_or(0, |bus| bus.channels);
        let further = [&self.inputs, &self.outputs].map(|buses| {
            let channels = buses.iter().skip(1).map(|bus| bus.channels);
            channels.sum()
        });
        let is_present = (main(inputs), main(outputs)) == (have(&self.inputs), have(&self.outputs));
        rest_is_same(&self.inputs, inputs)
            && rest_is_same(&self.outputs, outputs)
            && (is_present || allows(&self.allowed, [main(inputs), main(outputs)], further))
    }
}

/// What a unit says of a bus before anything was settled.
pub fn channels(instance: &Instance, scope: u32, element: u32) -> Option<u32> {
    let format: AudioStreamBasicDescription =
        instance.get(property::STREAM_FORMAT, scope, element)?;
    Some(format.channels_per_frame.min(MAX_CHANNELS))
}

/// Sets a bus's format and sees that the unit has it then.
fn bus(
    instance: &Instance,
    scope: u32,
    element: u32,
    channels: u32,
    rate: f64,
) -> Result<BusInfo, Status> {
    let wanted = AudioStreamBasicDescription {
        sample_rate: rate,
        format_id: LINEAR_PCM,
        format_flags: FLOAT_PLANES,
        bytes_per_packet: 4,
        frames_per_packet: 1,
        bytes_per_frame: 4,
        channels_per_frame: channels,
        bits_per_channel: 32,
        reserved: 0,
    };
    // Units that fix their format may still let the rate be set.
    let set = instance.set(property::STREAM_FORMAT, scope, element, &wanted);
    if set.is_err() {
        let _ = instance.set(property::SAMPLE_RATE, scope, element, &rate);
    }
    if instance.get(property::STREAM_FORMAT, scope, element) != Some(wanted) {
        return Err(set.err().unwrap_or(Status(error::FORMAT_NOT_SUPPORTED)));
    }
    if instance
        .size(property::AUDIO_CHANNEL_LAYOUT, scope, element)
        .is_some()
    {
        let layout = AudioChannelLayout {
            tag: layout_tag(channels),
            ..AudioChannelLayout::default()
        };
        // Many units know a few layouts only; the number of channels is settled already.
        let _ = instance.set(property::AUDIO_CHANNEL_LAYOUT, scope, element, &layout);
    }
    let name = instance.object(property::ELEMENT_NAME, scope, element);
    // SAFETY: the name is alive.
    let name = name.and_then(|name| unsafe { foundation::text(instance.toolbox(), name.get()) });
    let usual = match (scope, element) {
        (_, 0) => "Main".to_owned(),
        (scope::INPUT, _) => "Sidechain".to_owned(),
        (_, element) => format!("Output {}", element + 1),
    };
    Ok(BusInfo {
        name: name.unwrap_or(usual),
        channels,
    })
}

/// Mono, stereo, or channels without a meaning.
fn layout_tag(channels: u32) -> u32 {
    match channels {
        1 => 100 << 16 | 1,
        2 => 101 << 16 | 2,
        n => 147 << 16 | n,
    }
}

/// Whether a list of channel counts, as units give it, has room for these main buses, inputs and
/// outputs, beside `further` channels. An empty list means as many out as in.
fn allows(list: &[AUChannelInfo], main: [u32; 2], further: [u32; 2]) -> bool {
    let fits = |rule: i16, main: u32, further: u32| match rule {
        -2 | -1 => true,
        // Below that it is what all buses together may have.
        rule if rule < 0 => main.saturating_add(further) <= u32::from(rule.unsigned_abs()),
        rule => main == u32::from(rule.unsigned_abs()),
    };
    let [inputs, outputs] = main;
    let is_pair = |info: &AUChannelInfo| match (info.inputs, info.outputs) {
        (-1, -1) => inputs == outputs,
        (i, o) => fits(i, inputs, further[0]) && fits(o, outputs, further[1]),
    };
    if list.is_empty() {
        inputs == 0 || outputs == 0 || inputs == outputs
    } else {
        list.iter().any(is_pair)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_of_channel_counts_are_understood() {
        let info = |inputs, outputs| [AUChannelInfo { inputs, outputs }];
        for (list, inputs, outputs, expected) in [
            (info(-1, -1), 3, 3, true),
            (info(-1, -1), 1, 2, false),
            (info(-1, -2), 1, 2, true),
            (info(-1, 2), 7, 2, true),
            (info(-1, 2), 7, 1, false),
            (info(1, 2), 1, 2, true),
            (info(1, 2), 2, 2, false),
            (info(-16, -16), 16, 3, true),
            (info(-16, -16), 17, 3, false),
        ] {
            assert_eq!(
                allows(&list, [inputs, outputs], [0, 0]),
                expected,
                "{list:?} {inputs} {outputs}"
            );
        }
        for (main, expected) in [([2, 2], true), ([0, 2], true), ([1, 2], false)] {
            assert_eq!(allows(&[], main, [0, 0]), expected);
        }
        assert!(!allows(&info(-16, -16), [2, 2], [0, 15]), "16 in all");
    }
}
