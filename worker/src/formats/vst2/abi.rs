//! The binary interface, as it is publicly known: layouts and numbers.
//!
//! Function pointers are `Option`s and nothing is an enum, because whatever a plugin fills in
//! must be a valid value.

use std::ffi::{c_char, c_void};

/// `VstP`, the first word of every effect.
pub const MAGIC: i32 = i32::from_be_bytes(*b"VstP");
/// The version of the interface that this host speaks.
pub const VERSION: isize = 2400;
/// Room for any string of a plugin. The documented 8 to 64 bytes are overflown by real plugins.
pub const TEXT: usize = 1024;

/// Plugin to host.
pub type HostCallback =
    unsafe extern "C" fn(*mut Effect, i32, i32, isize, *mut c_void, f32) -> isize;
/// Host to plugin.
pub type Dispatcher = unsafe extern "C" fn(*mut Effect, i32, i32, isize, *mut c_void, f32) -> isize;
/// Processes a block in one of the sample types.
pub type Process<T> = unsafe extern "C" fn(*mut Effect, *const *const T, *const *mut T, i32);
/// Sets a parameter, 0 to 1.
pub type SetParameter = unsafe extern "C" fn(*mut Effect, i32, f32);
/// A parameter's value, 0 to 1.
pub type GetParameter = unsafe extern "C" fn(*mut Effect, i32) -> f32;
/// `VSTPluginMain`.
pub type Entry = unsafe extern "C" fn(HostCallback) -> *mut Effect;

/// What a plugin gives out: its functions and what it has, in its own memory.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Effect {
    pub magic: i32,
    pub dispatcher: Option<Dispatcher>,
    /// Adds to what is in the outputs; the only one of the oldest plugins.
    pub process_adding: Option<Process<f32>>,
    pub set_parameter: Option<SetParameter>,
    pub get_parameter: Option<GetParameter>,
    pub num_programs: i32,
    pub num_params: i32,
    pub num_inputs: i32,
    pub num_outputs: i32,
    pub flags: i32,
    pub host1: isize,
    pub host2: isize,
    pub initial_delay: i32,
    pub real_qualities: i32,
    pub off_qualities: i32,
    pub io_ratio: f32,
    pub object: *mut c_void,
    pub user: *mut c_void,
    pub unique_id: i32,
    pub version: i32,
    pub process_replacing: Option<Process<f32>>,
    pub process_double_replacing: Option<Process<f64>>,
    pub future: [u8; 56],
}

/// `Effect::flags`.
pub mod flags {
    pub const CAN_REPLACING: i32 = 1 << 4;
    pub const PROGRAM_CHUNKS: i32 = 1 << 5;
    pub const IS_SYNTH: i32 = 1 << 8;
    pub const CAN_DOUBLE_REPLACING: i32 = 1 << 12;
}

/// What the dispatcher is asked.
pub mod effect {
    pub const OPEN: i32 = 0;
    pub const CLOSE: i32 = 1;
    pub const SET_PROGRAM: i32 = 2;
    pub const GET_PROGRAM: i32 = 3;
    pub const GET_PROGRAM_NAME: i32 = 5;
    pub const GET_PARAM_LABEL: i32 = 6;
    pub const GET_PARAM_DISPLAY: i32 = 7;
    pub const GET_PARAM_NAME: i32 = 8;
    pub const SET_SAMPLE_RATE: i32 = 10;
    pub const SET_BLOCK_SIZE: i32 = 11;
    pub const MAINS_CHANGED: i32 = 12;
    pub const GET_CHUNK: i32 = 23;
    pub const SET_CHUNK: i32 = 24;
    pub const PROCESS_EVENTS: i32 = 25;
    pub const CAN_BE_AUTOMATED: i32 = 26;
    pub const STRING_TO_PARAMETER: i32 = 27;
    pub const GET_PROGRAM_NAME_INDEXED: i32 = 29;
    pub const GET_INPUT_PROPERTIES: i32 = 33;
    pub const GET_OUTPUT_PROPERTIES: i32 = 34;
    pub const GET_CATEGORY: i32 = 35;
    pub const SET_SPEAKER_ARRANGEMENT: i32 = 42;
    pub const SET_BYPASS: i32 = 44;
    pub const GET_EFFECT_NAME: i32 = 45;
    pub const GET_VENDOR: i32 = 47;
    pub const GET_PRODUCT: i32 = 48;
    pub const GET_VENDOR_VERSION: i32 = 49;
    pub const CAN_DO: i32 = 51;
    pub const GET_TAIL_SIZE: i32 = 52;
    pub const GET_PARAMETER_PROPERTIES: i32 = 56;
    pub const BEGIN_SET_PROGRAM: i32 = 67;
    pub const END_SET_PROGRAM: i32 = 68;
    pub const GET_SPEAKER_ARRANGEMENT: i32 = 69;
    pub const SHELL_NEXT_PLUGIN: i32 = 70;
    pub const START_PROCESS: i32 = 71;
    pub const STOP_PROCESS: i32 = 72;
    pub const BEGIN_LOAD_BANK: i32 = 75;
    pub const BEGIN_LOAD_PROGRAM: i32 = 76;
    pub const SET_PROCESS_PRECISION: i32 = 77;
}

/// The category of a file that holds several plugins.
pub const CATEGORY_SHELL: isize = 10;

/// What the host is asked.
pub mod host {
    pub const AUTOMATE: i32 = 0;
    pub const VERSION: i32 = 1;
    pub const CURRENT_ID: i32 = 2;
    pub const PIN_CONNECTED: i32 = 4;
    pub const WANT_MIDI: i32 = 6;
    pub const GET_TIME: i32 = 7;
    pub const PROCESS_EVENTS: i32 = 8;
    pub const TEMPO_AT: i32 = 10;
    pub const GET_NUM_AUTOMATABLE: i32 = 11;
    pub const IO_CHANGED: i32 = 13;
    pub const GET_SAMPLE_RATE: i32 = 16;
    pub const GET_BLOCK_SIZE: i32 = 17;
    pub const GET_PROCESS_LEVEL: i32 = 23;
    pub const GET_AUTOMATION_STATE: i32 = 24;
    pub const GET_VENDOR: i32 = 32;
    pub const GET_PRODUCT: i32 = 33;
    pub const GET_VENDOR_VERSION: i32 = 34;
    pub const CAN_DO: i32 = 37;
    pub const GET_LANGUAGE: i32 = 38;
    pub const GET_DIRECTORY: i32 = 41;
    pub const UPDATE_DISPLAY: i32 = 42;
    pub const BEGIN_EDIT: i32 = 43;
    pub const END_EDIT: i32 = 44;
    pub const WILL_REPLACE: i32 = 22;
}

/// Name of what a host is asked, empty for a number that means nothing.
pub fn host_name(opcode: i32) -> &'static str {
    const NAMES: [&str; 50] = [
        "Automate",
        "Version",
        "CurrentId",
        "Idle",
        "PinConnected",
        "",
        "WantMidi",
        "GetTime",
        "ProcessEvents",
        "SetTime",
        "TempoAt",
        "GetNumAutomatableParameters",
        "GetParameterQuantization",
        "IOChanged",
        "NeedIdle",
        "SizeWindow",
        "GetSampleRate",
        "GetBlockSize",
        "GetInputLatency",
        "GetOutputLatency",
        "GetPreviousPlug",
        "GetNextPlug",
        "WillReplaceOrAccumulate",
        "GetCurrentProcessLevel",
        "GetAutomationState",
        "OfflineStart",
        "OfflineRead",
        "OfflineWrite",
        "OfflineGetCurrentPass",
        "OfflineGetCurrentMetaPass",
        "SetOutputSampleRate",
        "GetOutputSpeakerArrangement",
        "GetVendorString",
        "GetProductString",
        "GetVendorVersion",
        "VendorSpecific",
        "SetIcon",
        "CanDo",
        "GetLanguage",
        "OpenWindow",
        "CloseWindow",
        "GetDirectory",
        "UpdateDisplay",
        "BeginEdit",
        "EndEdit",
        "OpenFileSelector",
        "CloseFileSelector",
        "EditFile",
        "GetChunkFile",
        "GetInputSpeakerArrangement",
    ];
    usize::try_from(opcode)
        .ok()
        .and_then(|at| NAMES.get(at))
        .copied()
        .unwrap_or("")
}

/// How a callback's thread is being used.
pub mod level {
    pub const USER: isize = 1;
    pub const REALTIME: isize = 2;
    pub const OFFLINE: isize = 4;
}

/// Head of an event list; `count` pointers follow.
#[repr(C)]
pub struct Events {
    pub count: i32,
    pub reserved: isize,
    pub events: [*mut Event; 0],
}

/// What all events begin with.
#[repr(C)]
pub struct Event {
    pub kind: i32,
    pub byte_size: i32,
    pub delta_frames: i32,
    pub flags: i32,
}

/// `Event::kind` of [`MidiEvent`].
pub const MIDI: i32 = 1;
/// `Event::kind` of [`SysexEvent`].
pub const SYSEX: i32 = 6;

/// A short MIDI message.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct MidiEvent {
    pub kind: i32,
    pub byte_size: i32,
    pub delta_frames: i32,
    pub flags: i32,
    pub note_length: i32,
    pub note_offset: i32,
    pub data: [u8; 4],
    pub detune: i8,
    pub note_off_velocity: u8,
    pub reserved: [u8; 2],
}

/// A long MIDI message.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct SysexEvent {
    pub kind: i32,
    pub byte_size: i32,
    pub delta_frames: i32,
    pub flags: i32,
    pub dump_bytes: i32,
    pub reserved1: isize,
    pub dump: *const u8,
    pub reserved2: isize,
}

/// Playhead and tempo.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TimeInfo {
    pub sample_pos: f64,
    pub sample_rate: f64,
    pub nano_seconds: f64,
    pub ppq_pos: f64,
    pub tempo: f64,
    pub bar_start_pos: f64,
    pub cycle_start_pos: f64,
    pub cycle_end_pos: f64,
    pub time_sig_numerator: i32,
    pub time_sig_denominator: i32,
    pub smpte_offset: i32,
    pub smpte_frame_rate: i32,
    pub samples_to_next_clock: i32,
    pub flags: i32,
}

/// `TimeInfo::flags`.
pub mod time {
    pub const CHANGED: i32 = 1;
    pub const PLAYING: i32 = 1 << 1;
    pub const CYCLE_ACTIVE: i32 = 1 << 2;
    pub const RECORDING: i32 = 1 << 3;
    pub const PPQ_VALID: i32 = 1 << 9;
    pub const TEMPO_VALID: i32 = 1 << 10;
    pub const BARS_VALID: i32 = 1 << 11;
    pub const CYCLE_VALID: i32 = 1 << 12;
    pub const TIME_SIG_VALID: i32 = 1 << 13;
    pub const CLOCK_VALID: i32 = 1 << 15;
}

/// One input or output of the plugin.
#[repr(C)]
pub struct PinProperties {
    pub label: [c_char; 64],
    pub flags: i32,
    pub arrangement: i32,
    pub short_label: [c_char; 8],
    pub future: [u8; 48],
    /// Not of the interface: for plugins that write beyond its end.
    pub overflow: [u8; TEXT],
}

/// How a parameter is meant.
#[repr(C)]
pub struct ParameterProperties {
    pub step_float: f32,
    pub small_step_float: f32,
    pub large_step_float: f32,
    pub label: [c_char; 64],
    pub flags: i32,
    pub min_integer: i32,
    pub max_integer: i32,
    pub step_integer: i32,
    pub large_step_integer: i32,
    pub short_label: [c_char; 8],
    pub display_index: i16,
    pub category: i16,
    pub num_parameters_in_category: i16,
    pub reserved: i16,
    pub category_label: [c_char; 24],
    pub future: [u8; 16],
    /// Not of the interface: for plugins that write beyond its end.
    pub overflow: [u8; TEXT],
}

/// `ParameterProperties::flags`.
pub mod parameter {
    pub const IS_SWITCH: i32 = 1;
    pub const USES_INTEGER_MIN_MAX: i32 = 1 << 1;
    pub const USES_FLOAT_STEP: i32 = 1 << 2;
}

/// Places of loudspeakers, `Speaker::kind`.
pub mod speaker {
    pub const UNDEFINED: i32 = 0x7fff_ffff;
    pub const MONO: i32 = 0;
    pub const L: i32 = 1;
    pub const R: i32 = 2;
    pub const C: i32 = 3;
    pub const LFE: i32 = 4;
    pub const LS: i32 = 5;
    pub const RS: i32 = 6;
    pub const SL: i32 = 10;
    pub const SR: i32 = 11;
    /// `SpeakerArrangement::kind` of one that has no name.
    pub const USER_DEFINED: i32 = -2;
}

/// One loudspeaker.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Speaker {
    pub azimuth: f32,
    pub elevation: f32,
    pub radius: f32,
    pub reserved: f32,
    pub name: [c_char; 64],
    pub kind: i32,
    pub future: [u8; 28],
}

/// Loudspeakers of all inputs or outputs; longer than this where there are more than 8.
#[repr(C)]
pub struct SpeakerArrangement {
    pub kind: i32,
    pub num_channels: i32,
    pub speakers: [Speaker; 8],
}

/// What is about to be restored.
#[repr(C)]
pub struct PatchChunkInfo {
    pub version: i32,
    pub plugin_id: i32,
    pub plugin_version: i32,
    pub num_elements: i32,
    pub future: [u8; 48],
}

#[cfg(all(test, target_pointer_width = "64"))]
mod tests {
    use std::mem::{offset_of, size_of};

    use super::*;

    #[test]
    fn layouts_are_the_interface_s() {
        assert_eq!(size_of::<Effect>(), 192);
        assert_eq!(offset_of!(Effect, flags), 56);
        assert_eq!(offset_of!(Effect, initial_delay), 80);
        assert_eq!(offset_of!(Effect, unique_id), 112);
        assert_eq!(offset_of!(Effect, process_replacing), 120);
        assert_eq!(offset_of!(Events, events), 16);
        assert_eq!(size_of::<MidiEvent>(), 32);
        assert_eq!(size_of::<SysexEvent>(), 48);
        assert_eq!(offset_of!(SysexEvent, dump), 32);
        assert_eq!(size_of::<TimeInfo>(), 88);
        assert_eq!(offset_of!(PinProperties, overflow), 128);
        assert_eq!(offset_of!(ParameterProperties, overflow), 152);
        assert_eq!(size_of::<SpeakerArrangement>(), 8 + 8 * 112);
        assert_eq!(size_of::<PatchChunkInfo>(), 64);
    }

    #[test]
    fn numbers_have_their_names() {
        assert_eq!(host_name(host::GET_TIME), "GetTime");
        assert_eq!(host_name(host::CAN_DO), "CanDo");
        assert_eq!(host_name(host::END_EDIT), "EndEdit");
        assert_eq!(host_name(49), "GetInputSpeakerArrangement");
        assert_eq!((host_name(-1), host_name(50)), ("", ""));
    }
}
