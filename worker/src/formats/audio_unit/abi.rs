//! The part of Apple's C interface to AudioUnits (version 2) and Core Foundation that a host
//! needs, declared here so that it compiles on every system. On Apple's own, `layout.rs` compares
//! it with bindings that were generated from the system's headers.

use std::ffi::{c_char, c_void};

/// 0, or what went wrong.
pub type OSStatus = i32;
/// Core Foundation's `Boolean`.
pub type Boolean = u8;
/// Core Foundation's count of things.
pub type CFIndex = isize;

/// Any Core Foundation object; the kinds differ by name only.
pub type CFTypeRef = *const c_void;
/// A `CFString`.
pub type CFStringRef = *const c_void;
/// A `CFArray`.
pub type CFArrayRef = *const c_void;
/// A `CFDictionary`.
pub type CFDictionaryRef = *const c_void;
/// A `CFData`.
pub type CFDataRef = *const c_void;

/// A registered kind of unit.
pub type AudioComponent = *mut c_void;
/// A unit.
pub type AudioUnit = *mut c_void;
/// An event listener.
pub type AUEventListenerRef = *mut c_void;

/// `CFRange`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct CFRange {
    pub location: CFIndex,
    pub length: CFIndex,
}

/// What a kind of unit is called by: three codes of four characters.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AudioComponentDescription {
    pub kind: u32,
    pub subtype: u32,
    pub manufacturer: u32,
    pub flags: u32,
    pub flags_mask: u32,
}

/// Makes a unit, for components that the host registers.
pub type AudioComponentFactoryFunction =
    unsafe extern "C" fn(*const AudioComponentDescription) -> *mut c_void;

/// The format of a bus.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct AudioStreamBasicDescription {
    pub sample_rate: f64,
    pub format_id: u32,
    pub format_flags: u32,
    pub bytes_per_packet: u32,
    pub frames_per_packet: u32,
    pub bytes_per_frame: u32,
    pub channels_per_frame: u32,
    pub bits_per_channel: u32,
    pub reserved: u32,
}

/// `AudioChannelLayout` without descriptions.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct AudioChannelLayout {
    pub tag: u32,
    pub bitmap: u32,
    pub descriptions: u32,
}

/// One buffer: here always one channel.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct AudioBuffer {
    pub channels: u32,
    pub bytes: u32,
    pub data: *mut c_void,
}

/// The head of a buffer list; the buffers follow it.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct AudioBufferList {
    pub count: u32,
    pub buffers: [AudioBuffer; 1],
}

/// `SMPTETime`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct SmpteTime {
    pub subframes: i16,
    pub subframe_divisor: i16,
    pub counter: u32,
    pub kind: u32,
    pub flags: u32,
    pub hours: i16,
    pub minutes: i16,
    pub seconds: i16,
    pub frames: i16,
}

/// When a block is.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct AudioTimeStamp {
    pub sample_time: f64,
    pub host_time: u64,
    pub rate_scalar: f64,
    pub word_clock_time: u64,
    pub smpte_time: SmpteTime,
    pub flags: u32,
    pub reserved: u32,
}

/// Asks the host for a unit's input: user data, flags, time, bus, frames, buffers.
pub type AURenderCallback = unsafe extern "C" fn(
    *mut c_void,
    *mut u32,
    *const AudioTimeStamp,
    u32,
    u32,
    *mut AudioBufferList,
) -> OSStatus;

/// Where a bus gets its input.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct AURenderCallbackStruct {
    pub callback: Option<AURenderCallback>,
    pub user_data: *mut c_void,
}

/// Beat and tempo.
pub type GetBeatAndTempo = unsafe extern "C" fn(*mut c_void, *mut f64, *mut f64) -> OSStatus;
/// Frames to the next beat, time signature, beat of the bar's start.
pub type GetMusicalTimeLocation =
    unsafe extern "C" fn(*mut c_void, *mut u32, *mut f32, *mut u32, *mut f64) -> OSStatus;
/// Playing, changed, frame, cycling, the cycle's beats.
pub type GetTransportState = unsafe extern "C" fn(
    *mut c_void,
    *mut Boolean,
    *mut Boolean,
    *mut f64,
    *mut Boolean,
    *mut f64,
    *mut f64,
) -> OSStatus;
/// Playing, recording, changed, frame, cycling, the cycle's beats.
pub type GetTransportState2 = unsafe extern "C" fn(
    *mut c_void,
    *mut Boolean,
    *mut Boolean,
    *mut Boolean,
    *mut f64,
    *mut Boolean,
    *mut f64,
    *mut f64,
) -> OSStatus;

/// The host's playhead.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct HostCallbackInfo {
    pub user_data: *mut c_void,
    pub beat_and_tempo: Option<GetBeatAndTempo>,
    pub musical_time_location: Option<GetMusicalTimeLocation>,
    pub transport_state: Option<GetTransportState>,
    pub transport_state2: Option<GetTransportState2>,
}

/// What is constant about a parameter.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct AudioUnitParameterInfo {
    pub name: [c_char; 52],
    pub unit_name: CFStringRef,
    pub clump: u32,
    pub cf_name: CFStringRef,
    pub unit: u32,
    pub min: f32,
    pub max: f32,
    pub default: f32,
    pub flags: u32,
}

/// Asks for a value's text.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct AudioUnitParameterStringFromValue {
    pub id: u32,
    pub value: *const f32,
    pub string: CFStringRef,
}

/// Asks for a text's value.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct AudioUnitParameterValueFromString {
    pub id: u32,
    pub string: CFStringRef,
    pub value: f32,
}

/// A preset of the unit.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct AUPreset {
    pub number: i32,
    pub name: CFStringRef,
}

/// Channels in and out that a unit can have; negative numbers are wildcards.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AUChannelInfo {
    pub inputs: i16,
    pub outputs: i16,
}

/// Tells that a property changed: user data, unit, property, scope, element.
pub type AudioUnitPropertyListenerProc =
    unsafe extern "C" fn(*mut c_void, AudioUnit, u32, u32, u32);

/// A parameter of a unit.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct AudioUnitParameter {
    pub unit: AudioUnit,
    pub id: u32,
    pub scope: u32,
    pub element: u32,
}

/// A change of a parameter, or a gesture; the property it may name instead has the same layout.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct AudioUnitEvent {
    pub kind: u32,
    pub parameter: AudioUnitParameter,
}

/// Tells an event: user data, object, event, time, value.
pub type AUEventListenerProc =
    unsafe extern "C" fn(*mut c_void, *mut c_void, *const AudioUnitEvent, u64, f32);

/// Takes a unit's MIDI: user data, time, output, packets (`MIDIPacketList`).
pub type AUMIDIOutputCallback =
    unsafe extern "C" fn(*mut c_void, *const AudioTimeStamp, u32, *const c_void) -> OSStatus;

/// Who takes a unit's MIDI.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct AUMIDIOutputCallbackStruct {
    pub callback: Option<AUMIDIOutputCallback>,
    pub user_data: *mut c_void,
}

/// A code of four characters.
pub const fn code(characters: [u8; 4]) -> u32 {
    u32::from_be_bytes(characters)
}

/// Kinds of units.
pub mod kind {
    use super::code;
    pub const EFFECT: u32 = code(*b"aufx");
    pub const MUSIC_EFFECT: u32 = code(*b"aumf");
    pub const INSTRUMENT: u32 = code(*b"aumu");
    pub const MIDI_PROCESSOR: u32 = code(*b"aumi");
    pub const GENERATOR: u32 = code(*b"augn");
    pub const PANNER: u32 = code(*b"aupn");
    pub const MIXER: u32 = code(*b"aumx");
}

/// Properties.
pub mod property {
    pub const CLASS_INFO: u32 = 0;
    pub const SAMPLE_RATE: u32 = 2;
    pub const PARAMETER_LIST: u32 = 3;
    pub const PARAMETER_INFO: u32 = 4;
    pub const STREAM_FORMAT: u32 = 8;
    pub const ELEMENT_COUNT: u32 = 11;
    pub const LATENCY: u32 = 12;
    pub const SUPPORTED_NUM_CHANNELS: u32 = 13;
    pub const MAXIMUM_FRAMES_PER_SLICE: u32 = 14;
    pub const PARAMETER_VALUE_STRINGS: u32 = 16;
    pub const AUDIO_CHANNEL_LAYOUT: u32 = 19;
    pub const TAIL_TIME: u32 = 20;
    pub const BYPASS_EFFECT: u32 = 21;
    pub const SET_RENDER_CALLBACK: u32 = 23;
    pub const FACTORY_PRESETS: u32 = 24;
    pub const CONTEXT_NAME: u32 = 25;
    pub const HOST_CALLBACKS: u32 = 27;
    pub const ELEMENT_NAME: u32 = 30;
    pub const PARAMETER_STRING_FROM_VALUE: u32 = 33;
    pub const PRESENT_PRESET: u32 = 36;
    pub const OFFLINE_RENDER: u32 = 37;
    pub const PARAMETER_VALUE_FROM_STRING: u32 = 38;
    pub const MIDI_OUTPUT_CALLBACK_INFO: u32 = 47;
    pub const MIDI_OUTPUT_CALLBACK: u32 = 48;
}

/// Parts of a unit.
pub mod scope {
    pub const GLOBAL: u32 = 0;
    pub const INPUT: u32 = 1;
    pub const OUTPUT: u32 = 2;
}

/// What a listener is told.
pub mod event {
    pub const PARAMETER_VALUE_CHANGE: u32 = 0;
    pub const BEGIN_GESTURE: u32 = 1;
    pub const END_GESTURE: u32 = 2;
}

/// Units of parameters that are more than a number.
pub mod parameter_unit {
    pub const INDEXED: u32 = 1;
    pub const BOOLEAN: u32 = 2;
    pub const CUSTOM: u32 = 26;
}

/// Flags of parameters.
pub mod parameter_flag {
    pub const CF_NAME_RELEASE: u32 = 1 << 4;
    pub const VALUES_HAVE_STRINGS: u32 = 1 << 21;
    pub const NON_REAL_TIME: u32 = 1 << 24;
    pub const HAS_CF_NAME: u32 = 1 << 27;
    pub const IS_WRITABLE: u32 = 1 << 31;
}

/// Flags of a render call.
pub mod render_flag {
    pub const OUTPUT_IS_SILENCE: u32 = 1 << 4;
}

/// Sample time and rate scalar of a time stamp are valid.
pub const TIME_VALID: u32 = 1 | 4;
/// `kAudioFormatLinearPCM`.
pub const LINEAR_PCM: u32 = code(*b"lpcm");
/// Native 32-bit floats, packed, a buffer for each channel.
pub const FLOAT_PLANES: u32 = 1 | 8 | 32;
/// UTF-8, in Core Foundation's numbers.
pub const UTF8: u32 = 0x0800_0100;
/// `kCFNumberSInt32Type`.
pub const NUMBER_I32: CFIndex = 3;
/// `kCFPropertyListXMLFormat_v1_0`.
pub const PLIST_XML: CFIndex = 100;

/// Errors that the host itself answers with or expects.
pub mod error {
    /// `kAudioUnitErr_NoConnection`.
    pub const NO_CONNECTION: i32 = -10_876;
    /// `kAudioUnitErr_TooManyFramesToProcess`.
    pub const TOO_MANY_FRAMES: i32 = -10_874;
    /// `kAudioUnitErr_FormatNotSupported`.
    pub const FORMAT_NOT_SUPPORTED: i32 = -10_868;
    /// `kAudioUnitErr_CannotDoInCurrentContext`.
    pub const CANNOT_DO_NOW: i32 = -10_863;
}
