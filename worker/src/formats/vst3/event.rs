//! The events there are.

use plugpen_proto::event::{Note, NoteExpression};
use vst3::Steinberg::Vst::DataEvent_::DataTypes_::kMidiSysEx;
use vst3::Steinberg::Vst::Event_::EventTypes_ as types;
use vst3::Steinberg::Vst::{
    DataEvent, Event__type0 as Body, NoteExpressionValueEvent, NoteOffEvent, NoteOnEvent,
    PolyPressureEvent,
};

pub const NOTE_ON: u16 = low(types::kNoteOnEvent);
pub const NOTE_OFF: u16 = low(types::kNoteOffEvent);
pub const DATA: u16 = low(types::kDataEvent);
pub const PRESSURE: u16 = low(types::kPolyPressureEvent);
/// A property of one note.
pub const EXPRESSION: u16 = low(types::kNoteExpressionValueEvent);
/// A MIDI controller, from a plugin.
pub const LEGACY: u16 = low(types::kLegacyMIDICCOutEvent);

/// A kind as an event has it.
const fn low(kind: u32) -> u16 {
    let [a, b, ..] = kind.to_le_bytes();
    u16::from_le_bytes([a, b])
}

/// A note begins or ends.
pub fn note(note: &Note) -> (u16, Body) {
    let (channel, pitch) = (i16::from(note.channel), i16::from(note.key));
    if note.is_on {
        let on = NoteOnEvent {
            channel,
            pitch,
            tuning: note.tuning,
            velocity: note.velocity,
            length: 0,
            noteId: note.id,
        };
        (NOTE_ON, Body { noteOn: on })
    } else {
        let off = NoteOffEvent {
            channel,
            pitch,
            velocity: note.velocity,
            noteId: note.id,
            tuning: note.tuning,
        };
        (NOTE_OFF, Body { noteOff: off })
    }
}

/// A property of one note.
pub fn expression(expression: &NoteExpression) -> (u16, Body) {
    let value = NoteExpressionValueEvent {
        typeId: expression.type_id,
        noteId: expression.note_id,
        value: expression.value,
    };
    (
        EXPRESSION,
        Body {
            noteExpressionValue: value,
        },
    )
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
