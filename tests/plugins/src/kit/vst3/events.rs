//! Notes, pressure and SysEx, to MIDI and back; and notes with their ids as they are.

use vst3::ComRef;
use vst3::Steinberg::Vst::DataEvent_::DataTypes_::kMidiSysEx;
use vst3::Steinberg::Vst::Event_::EventTypes_::{
    kDataEvent, kLegacyMIDICCOutEvent, kNoteExpressionValueEvent, kNoteOffEvent, kNoteOnEvent,
    kPolyPressureEvent,
};
use vst3::Steinberg::Vst::{
    DataEvent, Event, Event__type0, IEventList, IEventListTrait, LegacyMIDICCOutEvent,
    NoteExpressionValueEvent, NoteOffEvent, NoteOnEvent, PolyPressureEvent,
};
use vst3::Steinberg::kResultOk;

use super::parameters::{AFTERTOUCH, PITCH_BEND, PROGRAM_CHANGE};
use crate::kit::demand;
use crate::kit::mail::Mail;
use crate::kit::notes::{Note, Notes};

fn seven(value: f32) -> u8 {
    #[allow(clippy::cast_possible_truncation, reason = "0 to 127")]
    #[allow(clippy::cast_sign_loss, reason = "as above, and `as` saturates")]
    let byte = (value * 127.0).round() as u8;
    byte & 0x7F
}

fn byte(value: i16) -> u8 {
    u8::try_from(value).unwrap_or(0)
}

/// Takes a host's events.
///
/// # Safety
/// `list` is null or a host's list.
pub unsafe fn read(list: *mut IEventList, frames: i32, into: &mut Mail, takes_expressions: bool) {
    // SAFETY: the caller's promise.
    let Some(list) = (unsafe { ComRef::from_raw(list) }) else {
        return;
    };
    // SAFETY: the list lives as long as the call.
    for at in 0..unsafe { list.getEventCount() } {
        // SAFETY: all zeros is an event, of a note on.
        let mut event: Event = unsafe { std::mem::zeroed() };
        // SAFETY: the host fills the event in.
        if unsafe { list.getEvent(at, &raw mut event) } != kResultOk {
            continue;
        }
        demand(
            (0..frames.max(1)).contains(&event.sampleOffset),
            "an event's offset is within its block",
        );
        let frame = usize::try_from(event.sampleOffset).unwrap_or(0);
        // SAFETY: the field that the type says is set.
        unsafe {
            match u32::from(event.r#type) {
                kNoteOnEvent => {
                    let note = event.__field0.noteOn;
                    let status = 0x90 | byte(note.channel);
                    into.push(frame, &[status, byte(note.pitch), seven(note.velocity)]);
                    demand(note.noteId >= -1, "a host's notes have ids from 0 on");
                    let key = Note::Key {
                        id: note.noteId,
                        is_on: true,
                        channel: byte(note.channel),
                        key: byte(note.pitch),
                        velocity: note.velocity,
                        tuning: note.tuning,
                    };
                    into.notes.push((frame, key));
                }
                kNoteOffEvent => {
                    let note = event.__field0.noteOff;
                    let status = 0x80 | byte(note.channel);
                    into.push(frame, &[status, byte(note.pitch), seven(note.velocity)]);
                    let key = Note::Key {
                        id: note.noteId,
                        is_on: false,
                        channel: byte(note.channel),
                        key: byte(note.pitch),
                        velocity: note.velocity,
                        tuning: note.tuning,
                    };
                    into.notes.push((frame, key));
                }
                kNoteExpressionValueEvent => {
                    let shape = event.__field0.noteExpressionValue;
                    demand(
                        (0.0..=1.0).contains(&shape.value),
                        "a note expression's value is 0 to 1",
                    );
                    demand(takes_expressions, "note expressions go to who lists some");
                    let shape = Note::Shape {
                        id: shape.noteId,
                        kind: shape.typeId,
                        value: shape.value,
                    };
                    into.notes.push((frame, shape));
                }
                kPolyPressureEvent => {
                    let note = event.__field0.polyPressure;
                    let status = 0xA0 | byte(note.channel);
                    into.push(frame, &[status, byte(note.pitch), seven(note.pressure)]);
                }
                kDataEvent if event.__field0.data.r#type == kMidiSysEx => {
                    let data = event.__field0.data;
                    let size = usize::try_from(data.size).unwrap_or(0);
                    demand(!data.bytes.is_null(), "a data event has bytes");
                    into.push(frame, std::slice::from_raw_parts(data.bytes, size));
                }
                _ => {}
            }
        }
    }
}

/// Gives the plugin's messages to the host; what VST3 has no event for is left out.
///
/// # Safety
/// As for [`read`]. The messages live until the host's call ends.
pub unsafe fn write(list: *mut IEventList, mail: &mut Mail) {
    // SAFETY: the caller's promise.
    let Some(list) = (unsafe { ComRef::from_raw(list) }) else {
        return;
    };
    mail.sort();
    for (frame, message) in mail.iter() {
        if let Some(event) = event(message) {
            add(list, frame, event);
        }
    }
}

/// Gives the plugin's notes to the host.
///
/// # Safety
/// As for [`read`].
pub unsafe fn write_notes(list: *mut IEventList, notes: &Notes) {
    // SAFETY: the caller's promise.
    let Some(list) = (unsafe { ComRef::from_raw(list) }) else {
        return;
    };
    for (frame, note) in notes {
        let event = match *note {
            Note::Key {
                id,
                is_on,
                channel,
                key,
                velocity,
                tuning,
            } => {
                let (channel, pitch) = (i16::from(channel), i16::from(key));
                if is_on {
                    let noteOn = NoteOnEvent {
                        channel,
                        pitch,
                        tuning,
                        velocity,
                        length: 0,
                        noteId: id,
                    };
                    (kNoteOnEvent, Event__type0 { noteOn })
                } else {
                    let noteOff = NoteOffEvent {
                        channel,
                        pitch,
                        velocity,
                        noteId: id,
                        tuning,
                    };
                    (kNoteOffEvent, Event__type0 { noteOff })
                }
            }
            Note::Shape { id, kind, value } => {
                let noteExpressionValue = NoteExpressionValueEvent {
                    typeId: kind,
                    noteId: id,
                    value,
                };
                let body = Event__type0 {
                    noteExpressionValue,
                };
                (kNoteExpressionValueEvent, body)
            }
        };
        add(list, *frame, event);
    }
}

fn add(list: ComRef<'_, IEventList>, frame: usize, (kind, __field0): (u32, Event__type0)) {
    let mut event = Event {
        busIndex: 0,
        sampleOffset: i32::try_from(frame).unwrap_or(0),
        ppqPosition: 0.0,
        flags: 0,
        r#type: u16::try_from(kind).unwrap_or(0),
        __field0,
    };
    // SAFETY: the host copies the event.
    unsafe { list.addEvent(&raw mut event) };
}

fn event(message: &[u8]) -> Option<(u32, Event__type0)> {
    let status = *message.first()?;
    let one = message.get(1).copied().unwrap_or(0);
    let two = message.get(2).copied().unwrap_or(0);
    let channel = i16::from(status & 0x0F);
    let float = f32::from(two) / 127.0;
    let pitch = i16::from(one);
    let controller = |controlNumber: u8, value: u8, value2: u8| {
        let midiCCOut = LegacyMIDICCOutEvent {
            controlNumber,
            channel: i8::try_from(channel).unwrap_or(0),
            value: value.cast_signed(),
            value2: value2.cast_signed(),
        };
        (kLegacyMIDICCOutEvent, Event__type0 { midiCCOut })
    };
    Some(match status & 0xF0 {
        0x90 => {
            let noteOn = NoteOnEvent {
                channel,
                pitch,
                tuning: 0.0,
                velocity: float,
                length: 0,
                noteId: -1,
            };
            (kNoteOnEvent, Event__type0 { noteOn })
        }
        0x80 => {
            let noteOff = NoteOffEvent {
                channel,
                pitch,
                velocity: float,
                noteId: -1,
                tuning: 0.0,
            };
            (kNoteOffEvent, Event__type0 { noteOff })
        }
        0xA0 => {
            let polyPressure = PolyPressureEvent {
                channel,
                pitch,
                pressure: float,
                noteId: -1,
            };
            (kPolyPressureEvent, Event__type0 { polyPressure })
        }
        0xB0 => controller(one, two, 0),
        0xC0 => controller(PROGRAM_CHANGE, one, 0),
        0xD0 => controller(AFTERTOUCH, one, 0),
        0xE0 => controller(PITCH_BEND, one, two),
        _ if status == 0xF0 => {
            let data = DataEvent {
                size: u32::try_from(message.len()).ok()?,
                r#type: kMidiSysEx,
                bytes: message.as_ptr(),
            };
            (kDataEvent, Event__type0 { data })
        }
        _ => return None,
    })
}
