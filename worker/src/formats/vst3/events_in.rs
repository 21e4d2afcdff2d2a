//! Events of one call to a processor, on their way to the plugin. All memory is made before the
//! first block.

use std::cell::UnsafeCell;

use plugpen_proto::event::{Note, NoteExpression};
use plugpen_proto::limits::MAX_NOTE_ID;
use vst3::Steinberg::Vst::{Event, Event__type0 as Body, IEventList, IEventListTrait};
use vst3::Steinberg::{kInvalidArgument, kResultFalse, kResultOk, tresult};
use vst3::{Class, ComPtr, ComWrapper};

use super::event::{expression, key_pressure, note, sysex};
use super::midi_map::CHANNELS;

/// Keys of a channel.
const KEYS: usize = 128;
/// Id of the first note that comes as MIDI: no client gives one as large.
const FIRST: i32 = MAX_NOTE_ID + 1;

/// Events on their way to the plugin.
pub struct Input {
    list: ComWrapper<Listed>,
    pointer: ComPtr<IEventList>,
    /// Id of the note last begun on each key.
    notes: Box<[i32]>,
    next_note: i32,
}

struct Listed {
    /// Written by whoever owns the processor, between calls; read by the plugin within them.
    events: UnsafeCell<Vec<Event>>,
}

impl Class for Listed {
    type Interfaces = (IEventList,);
}

impl IEventListTrait for Listed {
    unsafe fn getEventCount(&self) -> i32 {
        // SAFETY: not written while the plugin has the list.
        let events = unsafe { &*self.events.get() };
        i32::try_from(events.len()).unwrap_or(i32::MAX)
    }

    unsafe fn getEvent(&self, index: i32, event: *mut Event) -> tresult {
        // SAFETY: as above.
        let events = unsafe { &*self.events.get() };
        let found = usize::try_from(index).ok().and_then(|at| events.get(at));
        match found {
            // SAFETY: not null, and room by the interface.
            Some(found) if !event.is_null() => unsafe {
                event.write(*found);
                kResultOk
            },
            _ => kInvalidArgument,
        }
    }

    unsafe fn addEvent(&self, _: *mut Event) -> tresult {
        kResultFalse
    }
}

impl Input {
    /// Room for so many events. `None` cannot happen.
    pub fn new(events: usize) -> Option<Self> {
        let list = ComWrapper::new(Listed {
            events: UnsafeCell::new(Vec::with_capacity(events)),
        });
        let pointer = list.to_com_ptr()?;
        Some(Self {
            list,
            pointer,
            notes: vec![-1; CHANNELS * KEYS].into(),
            next_note: FIRST,
        })
    }

    /// For the plugin.
    pub fn as_ptr(&self) -> *mut IEventList {
        self.pointer.as_ptr()
    }

    /// Forgets all events.
    pub fn clear(&mut self) {
        self.events().clear();
    }

    /// Adds a MIDI message that has an event of its own: notes, key pressure and SysEx; true
    /// where it has none. `data` must stay until the list is cleared. `beats` is where the event
    /// lies in the song, in quarter notes.
    pub fn add(&mut self, offset: i32, beats: f64, data: &[u8]) -> bool {
        let event = match *data {
            [status @ 0x80..=0xaf, key, value] => {
                let (channel, key) = (status & 0x0f, key & 0x7f);
                let level = f32::from(value & 0x7f) / 127.0;
                match (status & 0xf0, value) {
                    (0xa0, _) => {
                        let id = *self.note_on(channel, key);
                        key_pressure(channel.into(), key.into(), level, id)
                    }
                    (kind, value) => {
                        let is_on = kind == 0x90 && value > 0;
                        let id = match is_on {
                            true => self.fresh_id(),
                            false => *self.note_on(channel, key),
                        };
                        let midi = Note {
                            id,
                            is_on,
                            channel,
                            key,
                            velocity: level,
                            tuning: 0.0,
                        };
                        return self.add_note(offset, beats, &midi);
                    }
                }
            }
            [0xf0, ..] => sysex(data),
            _ => return true,
        };
        self.push(offset, beats, event)
    }

    /// Adds a note with an id of the client's.
    pub fn add_note(&mut self, offset: i32, beats: f64, one: &Note) -> bool {
        let held = self.note_on(one.channel, one.key);
        if one.is_on {
            *held = one.id;
        } else if *held == one.id {
            *held = -1;
        }
        self.push(offset, beats, note(one))
    }

    /// Adds a property of a note.
    pub fn add_expression(&mut self, offset: i32, beats: f64, one: &NoteExpression) -> bool {
        self.push(offset, beats, expression(one))
    }

    fn push(&mut self, offset: i32, beats: f64, (kind, body): (u16, Body)) -> bool {
        let events = self.events();
        if events.len() == events.capacity() {
            return false;
        }
        events.push(Event {
            busIndex: 0,
            sampleOffset: offset,
            ppqPosition: beats,
            flags: 0,
            r#type: kind,
            __field0: body,
        });
        true
    }

    /// Id of the note last begun on a key, -1 where there is none.
    fn note_on(&mut self, channel: u8, key: u8) -> &mut i32 {
        let channel = usize::from(channel) % CHANNELS;
        &mut self.notes[channel * KEYS + usize::from(key) % KEYS]
    }

    fn fresh_id(&mut self) -> i32 {
        let id = self.next_note;
        self.next_note = id.checked_add(1).unwrap_or(FIRST);
        id
    }

    fn events(&mut self) -> &mut Vec<Event> {
        // SAFETY: `&mut self`, and the plugin has the list only within a call.
        unsafe { &mut *self.list.events.get() }
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::{EXPRESSION, NOTE_OFF, NOTE_ON, PRESSURE};
    use super::*;

    fn listed(input: &Input) -> Vec<Event> {
        // SAFETY: an object of a test, alive; the event is written before it is read.
        unsafe {
            (0..input.pointer.getEventCount())
                .map(|at| {
                    let mut event = std::mem::MaybeUninit::uninit();
                    assert_eq!(input.pointer.getEvent(at, event.as_mut_ptr()), kResultOk);
                    event.assume_init()
                })
                .collect()
        }
    }

    #[test]
    fn notes_have_ids_and_a_silent_note_on_is_a_note_off() {
        let mut input = Input::new(5).unwrap();
        for (offset, data) in [
            (0, [0x91, 60, 127]),
            (1, [0x91, 61, 1]),
            (2, [0xa1, 60, 127]),
            (3, [0x91, 60, 0]),
            (4, [0x81, 60, 64]),
        ] {
            assert!(input.add(offset, 0.0, &data));
        }
        assert!(!input.add(5, 0.0, &[0x90, 1, 1]), "no room");
        assert!(input.add(5, 0.0, &[0xb0, 7, 1]), "not an event");
        let events = listed(&input);
        let kinds: Vec<u16> = events.iter().map(|event| event.r#type).collect();
        assert_eq!(kinds, [NOTE_ON, NOTE_ON, PRESSURE, NOTE_OFF, NOTE_OFF]);
        // SAFETY: of these kinds, checked on the line above.
        let ids = unsafe {
            [
                events[0].__field0.noteOn.noteId,
                events[1].__field0.noteOn.noteId,
                events[2].__field0.polyPressure.noteId,
                events[3].__field0.noteOff.noteId,
                events[4].__field0.noteOff.noteId,
            ]
        };
        assert_eq!(ids, [FIRST, FIRST + 1, FIRST, FIRST, -1]);
        input.clear();
        assert!(listed(&input).is_empty());
    }

    #[test]
    fn a_client_s_ids_are_kept_and_midi_finds_its_notes() {
        let mut input = Input::new(8).unwrap();
        let note = Note {
            id: 7,
            is_on: true,
            channel: 3,
            key: 60,
            velocity: 0.25,
            tuning: 50.0,
        };
        let shape = NoteExpression {
            note_id: 7,
            type_id: 2,
            value: 0.75,
        };
        let off = Note {
            is_on: false,
            ..note
        };
        assert!(input.add_note(0, 0.0, &note));
        assert!(input.add_expression(1, 0.0, &shape));
        assert!(input.add(2, 0.0, &[0xa3, 60, 127]));
        assert!(input.add_note(3, 0.0, &Note { id: 8, ..note }));
        assert!(input.add_note(4, 0.0, &off));
        assert!(input.add(5, 0.0, &[0x83, 60, 0]));
        let events = listed(&input);
        let kinds: Vec<u16> = events.iter().map(|event| event.r#type).collect();
        assert_eq!(
            kinds,
            [NOTE_ON, EXPRESSION, PRESSURE, NOTE_ON, NOTE_OFF, NOTE_OFF]
        );
        // SAFETY: of these kinds, checked on the line above.
        unsafe {
            let on = events[0].__field0.noteOn;
            assert_eq!((on.noteId, on.velocity, on.tuning), (7, 0.25, 50.0));
            let value = events[1].__field0.noteExpressionValue;
            assert_eq!((value.noteId, value.typeId, value.value), (7, 2, 0.75));
            assert_eq!(events[2].__field0.polyPressure.noteId, 7);
            assert_eq!(events[4].__field0.noteOff.noteId, 7);
            assert_eq!(events[5].__field0.noteOff.noteId, 8, "the one that sounds");
        }
    }
}
