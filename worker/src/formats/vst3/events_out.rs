//! Events of one call to a processor, on their way from the plugin, kept as MIDI. All memory is
//! made before the first block.

use std::cell::{Cell, RefCell};

use plugpen_proto::event::{EventBody, EventList};
use vst3::Steinberg::Vst::DataEvent_::DataTypes_::kMidiSysEx;
use vst3::Steinberg::Vst::{Event, IEventList, IEventListTrait, LegacyMIDICCOutEvent};
use vst3::Steinberg::{kInvalidArgument, kResultFalse, kResultOk, tresult};
use vst3::{Class, ComPtr, ComWrapper};

use super::event::{DATA, LEGACY, NOTE_OFF, NOTE_ON, PRESSURE};

/// Where a plugin's events go.
pub struct Output {
    list: ComWrapper<Heard>,
    pointer: ComPtr<IEventList>,
}

struct Heard {
    midi: RefCell<EventList>,
    /// Events without room.
    lost: Cell<u32>,
}

impl Class for Heard {
    type Interfaces = (IEventList,);
}

impl IEventListTrait for Heard {
    unsafe fn getEventCount(&self) -> i32 {
        let midi = self.midi.try_borrow();
        midi.map_or(0, |midi| i32::try_from(midi.len()).unwrap_or(i32::MAX))
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
        let offset = u32::try_from(event.sampleOffset).unwrap_or(0);
        // SAFETY: the body is the one its kind says.
        let taken = match unsafe { midi_of(event) } {
            Some(Midi::Short(bytes, length)) => self.keep(offset, &bytes[..length]),
            Some(Midi::Long(bytes)) => self.keep(offset, bytes),
            // Note expression, chords and scales: there is no MIDI for them.
            None => true,
        };
        if !taken {
            self.lost.set(self.lost.get().saturating_add(1));
        }
        if taken { kResultOk } else { kResultFalse }
    }
}

impl Heard {
    fn keep(&self, offset: u32, bytes: &[u8]) -> bool {
        let Ok(mut midi) = self.midi.try_borrow_mut() else {
            return false;
        };
        let room = midi.has_room(bytes.len());
        if room {
            midi.push_midi(offset, bytes);
        }
        room
    }
}

enum Midi<'a> {
    Short([u8; 3], usize),
    Long(&'a [u8]),
}

/// # Safety
/// The event's body is the one that its kind says.
unsafe fn midi_of(event: &Event) -> Option<Midi<'_>> {
    let body = &event.__field0;
    let short = |status: u8, channel: i16, key: i16, value: u8| {
        let channel = u8::try_from(channel).ok().filter(|c| *c < 16)?;
        let key = u8::try_from(key).ok().filter(|key| *key < 128)?;
        Some(Midi::Short([status | channel, key, value], 3))
    };
    match event.r#type {
        NOTE_ON => {
            // SAFETY: the caller's promise.
            let note = unsafe { body.noteOn };
            short(
                0x90,
                note.channel,
                note.pitch,
                seven_bits(note.velocity).max(1),
            )
        }
        NOTE_OFF => {
            // SAFETY: the caller's promise.
            let note = unsafe { body.noteOff };
            short(0x80, note.channel, note.pitch, seven_bits(note.velocity))
        }
        PRESSURE => {
            // SAFETY: the caller's promise.
            let note = unsafe { body.polyPressure };
            short(0xa0, note.channel, note.pitch, seven_bits(note.pressure))
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
            whole.then_some(Midi::Long(bytes))
        }
        // SAFETY: the caller's promise.
        LEGACY => legacy(unsafe { body.midiCCOut }),
        _ => None,
    }
}

/// A controller's event as MIDI.
fn legacy(event: LegacyMIDICCOutEvent) -> Option<Midi<'static>> {
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
    Some(Midi::Short(bytes, length))
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
            midi: RefCell::new(EventList::with_capacity(events, bytes)),
            lost: Cell::new(0),
        });
        let pointer = list.to_com_ptr()?;
        Some(Self { list, pointer })
    }

    /// For the plugin.
    pub fn as_ptr(&self) -> *mut IEventList {
        self.pointer.as_ptr()
    }

    /// Takes all messages, by offset, and returns how many had to go.
    pub fn take(&mut self, mut each: impl FnMut(u32, &[u8])) -> u32 {
        if let Ok(mut midi) = self.list.midi.try_borrow_mut() {
            midi.sort_messages();
            for event in midi.iter() {
                if let EventBody::Midi(data) = event.body {
                    each(event.offset, data);
                }
            }
            midi.clear();
        }
        self.list.lost.replace(0)
    }
}

#[cfg(test)]
mod tests {
    use vst3::Steinberg::Vst::Event__type0 as Body;

    use super::super::event::{note_off, note_on, sysex};
    use super::*;

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
        assert_eq!(say(9, note_on(1, 60, 1.0, 0)), kResultOk);
        assert_eq!(say(3, note_off(1, 60, f32::NAN, 0)), kResultOk);
        assert_eq!(say(-4, sysex(&message)), kResultOk);
        assert_eq!(
            say(4, note_on(16, 60, 1.0, 0)),
            kResultOk,
            "no such channel"
        );
        assert_eq!(say(4, note_on(0, -1, 1.0, 0)), kResultOk, "no such key");
        for event in [cc(7, 100, 0), cc(129, 1, 64), cc(128, 5, 0), cc(130, 6, 0)] {
            assert_eq!(say(10, event), kResultOk);
        }
        let long = [0xf0; 60];
        assert_eq!(say(0, sysex(&long)), kResultFalse, "no room");
        let mut taken = Vec::new();
        let lost = output.take(|offset, data| taken.push((offset, data.to_vec())));
        assert_eq!(lost, 1);
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
        assert_eq!(output.take(|_, _| panic!("taken twice")), 0);
    }
}
