//! Events of one call to a processor, on their way from the plugin: notes with ids of its own and
//! note expressions as they are, the rest as MIDI. All memory is made before the first block.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard};

use plugpen_proto::event::{Event as Out, EventBody, EventList, Note, NoteExpression};
use plugpen_proto::limits::{MAX_NOTE_ID, MAX_TUNING};
use vst3::Steinberg::Vst::DataEvent_::DataTypes_::kMidiSysEx;
use vst3::Steinberg::Vst::{Event, IEventList, IEventListTrait, LegacyMIDICCOutEvent};
use vst3::Steinberg::{kInvalidArgument, kResultFalse, kResultOk, tresult};
use vst3::{Class, ComPtr, ComWrapper};

use super::event::{DATA, EXPRESSION, LEGACY, NOTE_OFF, NOTE_ON, PRESSURE};
use super::turns::take_turn;

/// Where a plugin's events go.
pub struct Output {
    list: ComWrapper<Heard>,
    pointer: ComPtr<IEventList>,
}

struct Heard {
    /// Taken in turns: some plugins speak from threads of their own.
    list: Mutex<EventList>,
    /// Events without room, or that nothing can be made of.
    lost: AtomicU32,
}

impl Class for Heard {
    type Interfaces = (IEventList,);
}

impl IEventListTrait for Heard {
    unsafe fn getEventCount(&self) -> i32 {
        let list = self.list();
        list.map_or(0, |list| i32::try_from(list.len()).unwrap_or(i32::MAX))
    }

    unsafe fn getEvent(&self, _: i32, _: *mut Event) -> tresult {
        kResultFalse
    }

    unsafe fn addEvent(&self, event: *mut Event) -> tresult {
        if event.is_null() {
            return kInvalidArgument;
        }
        // SAFETY: not null, and an event by the interface.
        let event = unsafe { &*event };
        // SAFETY: the body is the one its kind says.
        let said = unsafe { said(event) };
        let taken = said.is_some_and(|said| {
            let body = match &said {
                Said::Short(bytes, length) => EventBody::Midi(&bytes[..*length]),
                Said::Long(bytes) => EventBody::Midi(bytes),
                Said::Note(note) => EventBody::Note(*note),
                Said::Expression(expression) => EventBody::Expression(*expression),
            };
            self.keep(Out {
                offset: u32::try_from(event.sampleOffset).unwrap_or(0),
                body,
            })
        });
        if taken {
            kResultOk
        } else {
            self.lost.fetch_add(1, Ordering::Relaxed);
            kResultFalse
        }
    }
}

impl Heard {
    fn list(&self) -> Option<MutexGuard<'_, EventList>> {
        take_turn(&self.list)
    }

    fn keep(&self, event: Out<'_>) -> bool {
        let Some(mut list) = self.list() else {
            return false;
        };
        let room = list.has_room(event.body.midi_bytes());
        if room {
            list.push(event);
        }
        room
    }
}

/// What an event says.
enum Said<'a> {
    Short([u8; 3], usize),
    Long(&'a [u8]),
    Note(Note),
    Expression(NoteExpression),
}

/// A note of the plugin. One without an id, or which the plugin got as MIDI, is MIDI.
fn note(
    channel: i16,
    pitch: i16,
    velocity: f32,
    is_on: bool,
    id: i32,
    cents: f32,
) -> Option<Said<'static>> {
    let number = |value: f32| if value.is_nan() { 0.0 } else { value };
    let note = Note {
        id,
        is_on,
        channel: u8::try_from(channel).ok().filter(|c| *c < 16)?,
        key: u8::try_from(pitch).ok().filter(|key| *key < 128)?,
        velocity: number(velocity).clamp(0.0, 1.0),
        tuning: number(cents).clamp(-MAX_TUNING, MAX_TUNING),
    };
    Some(match id == -1 || id > MAX_NOTE_ID {
        true => Said::Short(note.midi(), 3),
        false => Said::Note(note),
    })
}

/// Nothing where there is no such channel or key, or the event is of a kind that clients do not
/// get: chords, scales, texts.
///
/// # Safety
/// The event's body is the one that its kind says.
unsafe fn said(event: &Event) -> Option<Said<'_>> {
    let body = &event.__field0;
    match event.r#type {
        NOTE_ON => {
            // SAFETY: the caller's promise.
            let on = unsafe { body.noteOn };
            note(
                on.channel,
                on.pitch,
                on.velocity,
                true,
                on.noteId,
                on.tuning,
            )
        }
        NOTE_OFF => {
            // SAFETY: the caller's promise.
            let off = unsafe { body.noteOff };
            note(
                off.channel,
                off.pitch,
                off.velocity,
                false,
                off.noteId,
                off.tuning,
            )
        }
        PRESSURE => {
            // SAFETY: the caller's promise.
            let pressed = unsafe { body.polyPressure };
            let channel = u8::try_from(pressed.channel).ok().filter(|c| *c < 16)?;
            let key = u8::try_from(pressed.pitch).ok().filter(|key| *key < 128)?;
            let bytes = [0xa0 | channel, key, seven_bits(pressed.pressure)];
            Some(Said::Short(bytes, 3))
        }
        EXPRESSION => {
            // SAFETY: the caller's promise.
            let value = unsafe { body.noteExpressionValue };
            let expression = NoteExpression {
                note_id: value.noteId,
                type_id: value.typeId,
                value: value.value.clamp(0.0, 1.0),
            };
            expression
                .is_sound()
                .then_some(Said::Expression(expression))
        }
        DATA => {
            // SAFETY: the caller's promise.
            let data = unsafe { body.data };
            let size = usize::try_from(data.size).unwrap_or(usize::MAX);
            if data.r#type != kMidiSysEx || data.bytes.is_null() {
                return None;
            }
            // SAFETY: not null, and as long as the plugin says, for the length of its call.
            let bytes = unsafe { std::slice::from_raw_parts(data.bytes, size) };
            let whole = bytes.len() > 1 && bytes[0] == 0xf0;
            whole.then_some(Said::Long(bytes))
        }
        // SAFETY: the caller's promise.
        LEGACY => legacy(unsafe { body.midiCCOut }),
        _ => None,
    }
}

/// A controller's event as MIDI.
fn legacy(event: LegacyMIDICCOutEvent) -> Option<Said<'static>> {
    let [channel] = event.channel.to_ne_bytes();
    let [value] = event.value.to_ne_bytes().map(|value| value & 0x7f);
    let [value2] = event.value2.to_ne_bytes().map(|value| value & 0x7f);
    let on = |status: u8| status | channel & 0x0f;
    let number = event.controlNumber;
    let (bytes, length) = match number {
        0..=127 => ([on(0xb0), number, value], 3),
        128 => ([on(0xd0), value, 0], 2),
        129 => ([on(0xe0), value, value2], 3),
        130 => ([on(0xc0), value, 0], 2),
        131 => ([on(0xa0), value, value2], 3),
        132 => ([0xf1, value, 0], 2),
        133 => ([0xf3, value, 0], 2),
        134 => ([0xf2, value, value2], 3),
        136 => ([0xf6, 0, 0], 1),
        137 => ([0xfa, 0, 0], 1),
        138 => ([0xfb, 0, 0], 1),
        139 => ([0xfc, 0, 0], 1),
        140 => ([0xfe, 0, 0], 1),
        _ => return None,
    };
    Some(Said::Short(bytes, length))
}

fn seven_bits(level: f32) -> u8 {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to 0 to 127; what is not a number becomes 0"
    )]
    let value = (level * 127.0).round().clamp(0.0, 127.0) as u8;
    value
}

impl Output {
    /// Room for so many events with so many bytes. `None` cannot happen.
    pub fn new(events: usize, bytes: usize) -> Option<Self> {
        let list = ComWrapper::new(Heard {
            list: Mutex::new(EventList::with_capacity(events, bytes)),
            lost: AtomicU32::new(0),
        });
        let pointer = list.to_com_ptr()?;
        Some(Self { list, pointer })
    }

    /// For the plugin.
    pub fn as_ptr(&self) -> *mut IEventList {
        self.pointer.as_ptr()
    }

    /// Takes all events, by offset, and returns how many had to go.
    pub fn take(&mut self, mut each: impl FnMut(Out<'_>)) -> u32 {
        if let Some(mut list) = self.list.list() {
            list.sort();
            list.iter().for_each(&mut each);
            list.clear();
        }
        self.list.lost.swap(0, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use vst3::Steinberg::Vst::Event__type0 as Body;

    use super::super::event::{expression, sysex};
    use super::*;

    fn note_event(is_on: bool, pitch: u8, velocity: f32, id: i32) -> (u16, Body) {
        super::super::event::note(&Note {
            id,
            is_on,
            channel: 1,
            key: pitch,
            velocity,
            tuning: 0.0,
        })
    }

    fn wrong_note(channel: i16, pitch: i16) -> (u16, Body) {
        let (kind, mut body) = note_event(true, 60, 1.0, -1);
        body.noteOn.channel = channel;
        body.noteOn.pitch = pitch;
        (kind, body)
    }

    #[test]
    fn a_plugin_s_events_become_midi() {
        let mut output = Output::new(16, 64).unwrap();
        let say = |offset, (kind, body): (u16, Body)| {
            let mut event = Event {
                busIndex: 0,
                sampleOffset: offset,
                ppqPosition: 0.0,
                flags: 0,
                r#type: kind,
                __field0: body,
            };
            // SAFETY: an event of this test.
            unsafe { output.pointer.addEvent(&raw mut event) }
        };
        let cc = |number: u8, value: i8, value2: i8| {
            let byte = |value: i8| std::ffi::c_char::from_ne_bytes(value.to_ne_bytes());
            let event = LegacyMIDICCOutEvent {
                controlNumber: number,
                channel: byte(2),
                value: byte(value),
                value2: byte(value2),
            };
            (LEGACY, Body { midiCCOut: event })
        };
        let message = [0xf0, 1, 2, 0xf7];
        assert_eq!(say(9, note_event(true, 60, 1.0, -1)), kResultOk);
        assert_eq!(
            say(3, note_event(false, 60, f32::NAN, MAX_NOTE_ID + 1)),
            kResultOk
        );
        assert_eq!(say(-4, sysex(&message)), kResultOk);
        assert_eq!(say(4, wrong_note(16, 60)), kResultFalse, "no such channel");
        assert_eq!(say(4, wrong_note(0, -1)), kResultFalse, "no such key");
        for event in [cc(7, 100, 0), cc(129, 1, 64), cc(128, 5, 0), cc(130, 6, 0)] {
            assert_eq!(say(10, event), kResultOk);
        }
        let long = [0xf0; 60];
        assert_eq!(say(0, sysex(&long)), kResultFalse, "no room");
        let mut taken = Vec::new();
        let lost = output.take(|event| match event.body {
            EventBody::Midi(data) => taken.push((event.offset, data.to_vec())),
            other => panic!("{other:?}"),
        });
        assert_eq!(lost, 3);
        let wanted = [
            (0, message.to_vec()),
            (3, vec![0x81, 60, 0]),
            (9, vec![0x91, 60, 127]),
            (10, vec![0xb2, 7, 100]),
            (10, vec![0xe2, 1, 64]),
            (10, vec![0xd2, 5]),
            (10, vec![0xc2, 6]),
        ];
        assert_eq!(taken, wanted);
        assert_eq!(output.take(|_| panic!("taken twice")), 0);
    }

    #[test]
    fn notes_with_ids_and_expressions_stay_what_they_are() {
        let mut output = Output::new(16, 64).unwrap();
        let say = |(kind, body): (u16, Body)| {
            let mut event = Event {
                busIndex: 0,
                sampleOffset: 5,
                ppqPosition: 0.0,
                flags: 0,
                r#type: kind,
                __field0: body,
            };
            // SAFETY: an event of this test.
            unsafe { output.pointer.addEvent(&raw mut event) }
        };
        let shape = |note_id, value| NoteExpression {
            note_id,
            type_id: 4,
            value,
        };
        assert_eq!(say(note_event(true, 60, f32::NAN, 0)), kResultOk);
        assert_eq!(say(expression(&shape(0, 7.0))), kResultOk);
        assert_eq!(say(note_event(false, 60, 2.0, -1000)), kResultOk);
        assert_ne!(say(expression(&shape(0, f64::NAN))), kResultOk);
        assert_ne!(say(expression(&shape(-1, 0.5))), kResultOk);
        let mut taken = EventList::new();
        assert_eq!(output.take(|event| taken.push(event)), 2);
        let note = |id, is_on, velocity| Note {
            id,
            is_on,
            channel: 1,
            key: 60,
            velocity,
            tuning: 0.0,
        };
        let mut wanted = EventList::new();
        wanted.push_note(5, note(0, true, 0.0));
        wanted.push_expression(5, shape(0, 1.0));
        wanted.push_note(5, note(-1000, false, 1.0));
        assert_eq!(taken, wanted);
    }

    #[test]
    fn threads_take_turns() {
        const EACH: u32 = 500;
        let mut output = Output::new(2000, 8000).unwrap();
        let speak = |list: &ComPtr<IEventList>| {
            let (kind, body) = note_event(true, 60, 1.0, -1);
            let mut event = Event {
                busIndex: 0,
                sampleOffset: 0,
                ppqPosition: 0.0,
                flags: 0,
                r#type: kind,
                __field0: body,
            };
            for _ in 0..EACH {
                // SAFETY: an event of this test.
                unsafe { list.addEvent(&raw mut event) };
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..3 {
                let list = output.pointer.clone();
                scope.spawn(move || speak(&list));
            }
        });
        let mut taken = 0;
        let lost = output.take(|_| taken += 1);
        assert_eq!(taken + lost, 3 * EACH, "{lost} lost");
    }
}
