//! The binary interface of VST 2.4, as far as these plugins use it.

use std::ffi::{c_char, c_void};

/// What a host passes for the plugin's questions: effect, opcode, index, value, pointer, number.
pub type HostCallback =
    unsafe extern "C" fn(*mut AEffect, i32, i32, isize, *mut c_void, f32) -> isize;
/// What a plugin gives for its host's questions.
pub type Dispatcher =
    unsafe extern "C" fn(*mut AEffect, i32, i32, isize, *mut c_void, f32) -> isize;
/// Plays a block of samples.
pub type Process<S> = unsafe extern "C" fn(*mut AEffect, *const *const S, *const *mut S, i32);

/// A plugin.
#[repr(C)]
pub struct AEffect {
    pub magic: i32,
    pub dispatcher: Dispatcher,
    pub process: Process<f32>,
    pub set_parameter: unsafe extern "C" fn(*mut AEffect, i32, f32),
    pub get_parameter: unsafe extern "C" fn(*mut AEffect, i32) -> f32,
    pub num_programs: i32,
    pub num_params: i32,
    pub num_inputs: i32,
    pub num_outputs: i32,
    pub flags: i32,
    pub reserved: [isize; 2],
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

/// `VstP`.
pub const MAGIC: i32 = 0x5673_7450;

/// Bits of [`AEffect::flags`].
pub mod flags {
    pub const CAN_REPLACING: i32 = 1 << 4;
    pub const PROGRAM_CHUNKS: i32 = 1 << 5;
    pub const IS_SYNTH: i32 = 1 << 8;
    pub const CAN_DOUBLE_REPLACING: i32 = 1 << 12;
}

/// What a host asks a plugin.
pub mod ask {
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
    pub const GET_PLUG_CATEGORY: i32 = 35;
    pub const SET_SPEAKER_ARRANGEMENT: i32 = 42;
    pub const SET_BYPASS: i32 = 44;
    pub const GET_EFFECT_NAME: i32 = 45;
    pub const GET_VENDOR: i32 = 47;
    pub const GET_PRODUCT: i32 = 48;
    pub const GET_VENDOR_VERSION: i32 = 49;
    pub const CAN_DO: i32 = 51;
    pub const GET_TAIL_SIZE: i32 = 52;
    pub const GET_VST_VERSION: i32 = 58;
    pub const SHELL_GET_NEXT: i32 = 70;
    pub const SET_PRECISION: i32 = 77;
}

/// What a plugin asks its host.
pub mod tell {
    pub const AUTOMATE: i32 = 0;
    pub const CURRENT_ID: i32 = 2;
    pub const GET_TIME: i32 = 7;
    pub const PROCESS_EVENTS: i32 = 8;
    pub const IO_CHANGED: i32 = 13;
    pub const UPDATE_DISPLAY: i32 = 42;
    pub const BEGIN_EDIT: i32 = 43;
    pub const END_EDIT: i32 = 44;
}

/// Kinds of plugins.
pub mod category {
    pub const EFFECT: isize = 1;
    pub const SYNTH: isize = 2;
    pub const SHELL: isize = 10;
}

/// The transport.
#[repr(C)]
pub struct TimeInfo {
    pub sample_pos: f64,
    pub sample_rate: f64,
    pub nanoseconds: f64,
    pub ppq_pos: f64,
    pub tempo: f64,
    pub bar_start: f64,
    pub cycle_start: f64,
    pub cycle_end: f64,
    pub numerator: i32,
    pub denominator: i32,
    pub smpte_offset: i32,
    pub smpte_rate: i32,
    pub samples_to_clock: i32,
    pub flags: i32,
}

/// Bits of [`TimeInfo::flags`].
pub mod time {
    pub const PLAYING: i32 = 1 << 1;
    pub const CYCLE_ACTIVE: i32 = 1 << 2;
    pub const RECORDING: i32 = 1 << 3;
    pub const PPQ_VALID: i32 = 1 << 9;
    pub const TEMPO_VALID: i32 = 1 << 10;
    pub const CYCLE_VALID: i32 = 1 << 12;
    pub const SIGNATURE_VALID: i32 = 1 << 13;
}

/// The head of every event.
#[repr(C)]
pub struct Event {
    pub kind: i32,
    pub byte_size: i32,
    pub delta_frames: i32,
    pub flags: i32,
}

/// A short MIDI message.
#[repr(C)]
pub struct MidiEvent {
    pub event: Event,
    pub note_length: i32,
    pub note_offset: i32,
    pub data: [u8; 4],
    pub detune: [u8; 4],
}

/// A SysEx message.
#[repr(C)]
pub struct SysexEvent {
    pub event: Event,
    pub dump_bytes: i32,
    pub reserved: isize,
    pub dump: *const u8,
    pub reserved_too: isize,
}

/// [`Event::kind`] of a [`MidiEvent`].
pub const MIDI: i32 = 1;
/// [`Event::kind`] of a [`SysexEvent`].
pub const SYSEX: i32 = 6;

/// The head of a list of events; pointers to them follow.
#[repr(C)]
pub struct Events {
    pub count: i32,
    pub reserved: isize,
}

/// What a channel is.
#[repr(C)]
pub struct PinProperties {
    pub label: [c_char; 64],
    pub flags: i32,
    pub arrangement: i32,
    pub short_label: [c_char; 8],
    pub future: [u8; 48],
}

/// The head of a speaker arrangement.
#[repr(C)]
pub struct SpeakerArrangement {
    pub kind: i32,
    pub channels: i32,
}

const _: () = {
    assert!(size_of::<TimeInfo>() == 88);
    assert!(size_of::<MidiEvent>() == 32);
    assert!(size_of::<PinProperties>() == 128);
    #[cfg(target_pointer_width = "64")]
    {
        assert!(size_of::<AEffect>() == 192);
        assert!(size_of::<SysexEvent>() == 48);
        assert!(size_of::<Events>() == 16);
    }
};
