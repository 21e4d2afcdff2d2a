//! The events there are.

use vst3::Steinberg::Vst::DataEvent_::DataTypes_::kMidiSysEx;
use vst3::Steinberg::Vst::Event_::EventTypes_ as types;
use vst3::Steinberg::Vst::{
    DataEvent, Event__type0 as Body, NoteOffEvent, NoteOnEvent, PolyPressureEvent,
};

pub const NOTE_ON: u16 = low(types::kNoteOnEvent);
pub const NOTE_OFF: u16 = low(types::kNoteOffEvent);
pub const DATA: u16 = low(types::kDataEvent);
pub const PRESSURE: u16 = low(types::kPolyPressureEvent);
/// A MIDI controller, from a plugin.
pub const LEGACY: u16 = low(types::kLegacyMIDICCOutEvent);

/// A kind as an event has it.
const fn low(kind: u32) -> u16 {
    let [a, b, ..] = kind.to_le_bytes();
    u16::from_le_bytes([a, b])
}

/// A note begins.
pub fn note_on(channel: i16, pitch: i16, velocity: f32, id: i32) -> (u16, Body) {
    let note = NoteOnEvent {
        channel,
        pitch,
        tuning: 0.0,
        velocity,
        length: 0,
        noteId: id,
    };
    (NOTE_ON, Body { noteOn: note })
}

/// A note ends.
pub fn note_off(channel: i16, pitch: i16, velocity: f32, id: i32) -> (u16, Body) {
    let note = NoteOffEvent {
        channel,
        pitch,
        velocity,
        noteId: id,
        tuning: 0.0,
    };
    (NOTE_OFF, Body { noteOff: note })
}

/// A key is pressed on.
pub fn key_pressure(channel: i16, pitch: i16, pressure: f32, id: i32) -> (u16, Body) {
    let pressed = PolyPressureEvent {
        channel,
        pitch,
        pressure,
        noteId: id,
    };
    (
        PRESSURE,
        Body {
            polyPressure: pressed,
        },
    )
}

/// A message of any length, which must outlive the event.
pub fn sysex(data: &[u8]) -> (u16, Body) {
    let message = DataEvent {
        size: crate::formats::count(data.len()),
        r#type: kMidiSysEx,
        bytes: data.as_ptr(),
    };
    (DATA, Body { data: message })
}
