//! The sound system that is here: JACK where a server runs, else ALSA.

use std::sync::Arc;

use jack::PortFlags;
use plugpen_proto::Error;
use plugpen_proto::v1::{
    AudioDeviceInfo, ErrorReason, ListAudioDevicesResponse, ListMidiPortsResponse, MidiDirection,
    MidiPortInfo,
};

use crate::clock::Clock;
use crate::meters::Meters;
use crate::player::Player;
use crate::{alsa, jack as jack_system};

/// The sound system of this machine, as it was when this process began to use it.
pub enum System {
    /// A JACK server, PipeWire's included.
    Jack(jack::Client),
    /// The kernel's, through whatever ALSA is configured to do.
    Alsa,
}

/// What a device should be like.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Frames a second; 0: the device's own.
    pub sample_rate: f64,
    /// Frames of a period; 0: as usual.
    pub buffer_frames: u32,
    /// Channels to play.
    pub channels: u32,
    /// Whether to record.
    pub capture: bool,
    /// Channels that the plugins take.
    pub inputs: u32,
    /// Which device plays.
    pub playback_device: Option<u32>,
    /// Which device records.
    pub capture_device: Option<u32>,
}

/// What a device is.
#[derive(Debug, Clone)]
pub struct Facts {
    /// "JACK" or "ALSA".
    pub system: &'static str,
    /// Its name.
    pub name: String,
    /// Frames a second.
    pub sample_rate: f64,
    /// Frames of a period.
    pub buffer_frames: u32,
    /// Channels that are played.
    pub channels: u32,
    /// Channels that are recorded.
    pub capture_channels: u32,
}

/// Which MIDI port.
#[derive(Debug, Clone)]
pub enum PortChoice {
    /// One of those that are listed.
    Index(u32),
    /// One of our own, for others to connect.
    Virtual(String),
}

/// An open device, as the main thread holds it. Dropping it closes it.
pub trait Running {
    /// Lets periods come.
    ///
    /// # Errors
    /// The device refuses.
    fn start(&mut self) -> Result<(), Error>;
    /// Lets no more come, as far as the device can.
    ///
    /// # Errors
    /// The device refuses.
    fn stop(&mut self) -> Result<(), Error>;
    /// Connects a MIDI port in the place of an earlier one, which may be gone after an error too;
    /// returns its name.
    ///
    /// # Errors
    /// There is no such port, or it cannot be connected.
    fn connect(&mut self, direction: MidiDirection, choice: &PortChoice) -> Result<String, Error>;
    /// Whether there is one.
    fn is_connected(&self, direction: MidiDirection) -> bool;
    /// Disconnects it; without one that is no error.
    ///
    /// # Errors
    /// The sound system does not react.
    fn disconnect(&mut self, direction: MidiDirection) -> Result<(), Error>;
}

/// A device that was found and is not open yet.
pub enum Found {
    /// JACK's.
    Jack(jack::Client),
    /// ALSA's.
    Alsa(alsa::Found),
}

impl System {
    /// Looks for it. Libraries may print about a server that does not run.
    pub fn find() -> Self {
        jack_system::client().map_or(Self::Alsa, Self::Jack)
    }

    /// Devices in both directions.
    ///
    /// # Errors
    /// The sound system does not answer.
    pub fn devices(&self) -> Result<ListAudioDevicesResponse, Error> {
        let (playback, capture) = match self {
            Self::Jack(client) => (
                jack_system::devices(client, PortFlags::IS_INPUT),
                jack_system::devices(client, PortFlags::IS_OUTPUT),
            ),
            Self::Alsa => alsa::devices()?,
        };
        Ok(ListAudioDevicesResponse { playback, capture })
    }

    /// MIDI ports in both directions; none where there is no sequencer.
    pub fn midi_ports(&self) -> ListMidiPortsResponse {
        let (inputs, outputs) = match self {
            Self::Jack(client) => (
                jack_system::midi_ports(client, PortFlags::IS_OUTPUT),
                jack_system::midi_ports(client, PortFlags::IS_INPUT),
            ),
            Self::Alsa => alsa::midi_ports(),
        };
        ListMidiPortsResponse { inputs, outputs }
    }

    /// Finds a device and what it will be like.
    ///
    /// # Errors
    /// There is none, or none like that.
    pub fn choose(self, wish: &Wish) -> Result<(Found, Facts), Error> {
        match self {
            Self::Jack(client) => {
                let facts = jack_system::facts(&client, wish)?;
                Ok((Found::Jack(client), facts))
            }
            Self::Alsa => {
                let (found, facts) = alsa::choose(wish)?;
                Ok((Found::Alsa(found), facts))
            }
        }
    }

    /// Listens to a MIDI port; dropping what comes back ends that.
    ///
    /// # Errors
    /// There is no such port, no sequencer, or it cannot be connected.
    pub fn listen(
        self,
        choice: &PortChoice,
        heard: impl FnMut(u64, &[u8]) + Send + 'static,
    ) -> Result<Box<dyn Send>, Error> {
        match self {
            Self::Jack(client) => jack_system::listen(client, choice, heard),
            Self::Alsa => alsa::listen(choice, heard),
        }
    }
}

impl Found {
    /// Opens it, stopped. The facts learn what really came out.
    ///
    /// # Errors
    /// It refuses.
    pub fn open(
        self,
        facts: &mut Facts,
        player: Player,
        meters: &Arc<Meters>,
        clock: Clock,
    ) -> Result<Box<dyn Running>, Error> {
        match self {
            Self::Jack(client) => jack_system::open(client, facts, player, meters),
            Self::Alsa(found) => found.open(facts, player, meters, clock),
        }
    }
}

/// A device as it is listed.
pub fn listed(names: impl IntoIterator<Item = (String, bool)>) -> Vec<AudioDeviceInfo> {
    (0..)
        .zip(names)
        .map(|(index, (name, is_default))| AudioDeviceInfo {
            index,
            name,
            is_default,
        })
        .collect()
}

/// A MIDI port as it is listed.
pub fn listed_ports(names: impl IntoIterator<Item = String>) -> Vec<MidiPortInfo> {
    (0..)
        .zip(names)
        .map(|(index, name)| MidiPortInfo { index, name })
        .collect()
}

/// Something that the sound system does not do.
pub fn failed(what: &str, why: &dyn std::fmt::Display) -> Error {
    Error::new(ErrorReason::WrongState, format!("{what}: {why}"))
}

/// A MIDI port that is not there.
pub fn port_missing(index: u32, count: usize) -> Error {
    Error::invalid(format!(
        "Invalid port index: {index}; there are {count} such MIDI ports"
    ))
}

/// A device that is not there.
pub fn device_missing(index: u32, count: usize) -> Error {
    Error::invalid(format!(
        "there is no audio device {index}; there are {count} of that kind"
    ))
}
