//! Parameters by their ids: the plugin's own, the program, and hidden ones that MIDI controllers
//! are mapped to.

use vst3::Steinberg::Vst::ControllerNumbers_::{kAfterTouch, kCtrlProgramChange, kPitchBend};

use crate::kit::Plugin;

/// Ids are no indices, and no host may take them for such.
const FIRST_OWN: u32 = 100;
const PROGRAM: u32 = 90;
const FIRST_CONTROLLER: u32 = 10_000;
/// Ids from one channel to the next.
const CHANNEL: u32 = 1_000;
const CHANNELS: u8 = 16;

/// Controllers that are mapped: modulation, volume, the pedal, and two that are none in MIDI.
const CONTROLLERS: [u8; 5] = [1, 7, 64, AFTERTOUCH, PITCH_BEND];
pub const AFTERTOUCH: u8 = number(kAfterTouch);
pub const PITCH_BEND: u8 = number(kPitchBend);
/// For messages out only: no host can map it.
pub const PROGRAM_CHANGE: u8 = number(kCtrlProgramChange);

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::allow_attributes,
    reason = "128 to 130"
)]
const fn number(controller: vst3::Steinberg::Vst::ControllerNumbers) -> u8 {
    controller as u8
}

/// What an id stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// A parameter of the plugin, by index.
    Own(usize),
    /// The program.
    Program,
    /// A MIDI controller of a channel.
    Controller(u8, u8),
}

impl Target {
    /// All of a plugin's, in their order.
    pub fn all<P: Plugin>() -> impl Iterator<Item = Self> {
        let about = P::ABOUT;
        let own = (0..about.parameters.len()).map(Self::Own);
        let program = (!about.programs.is_empty()).then_some(Self::Program);
        let channels = if about.midi_in { CHANNELS } else { 0 };
        let controllers = (0..channels).flat_map(|channel| {
            CONTROLLERS.map(|controller| Self::Controller(channel, controller))
        });
        own.chain(program).chain(controllers)
    }

    /// Its id.
    pub fn id(self) -> u32 {
        match self {
            Self::Own(index) => FIRST_OWN + u32::try_from(index).unwrap_or(0),
            Self::Program => PROGRAM,
            Self::Controller(channel, controller) => {
                FIRST_CONTROLLER + u32::from(channel) * CHANNEL + u32::from(controller)
            }
        }
    }

    /// What an id stands for.
    pub fn of<P: Plugin>(id: u32) -> Option<Self> {
        Self::all::<P>().find(|target| target.id() == id)
    }
}

/// The program that a normalised value stands for.
pub fn program<P: Plugin>(normal: f64) -> usize {
    #[allow(clippy::cast_precision_loss, reason = "a few programs")]
    let last = P::ABOUT.programs.len().saturating_sub(1) as f64;
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0 to a few programs"
    )]
    let program = (normal * last).round() as usize;
    program
}

/// The message of a controller that a parameter stands for.
pub fn message(channel: u8, controller: u8, normal: f64) -> ([u8; 3], usize) {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "`normal` is 0 to 1"
    )]
    let (seven, fourteen) = (
        (normal * 127.0).round() as u8,
        (normal * 16_383.0).round() as u16,
    );
    let low = u8::try_from(fourteen & 0x7F).unwrap_or(0);
    let high = u8::try_from(fourteen >> 7).unwrap_or(0);
    match controller {
        AFTERTOUCH => ([0xD0 | channel, seven, 0], 2),
        PITCH_BEND => ([0xE0 | channel, low, high], 3),
        _ => ([0xB0 | channel, controller, seven], 3),
    }
}
