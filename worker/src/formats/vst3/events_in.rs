//! Events of one call to a processor, on their way to the plugin. All memory is made before the
//! first block.

use std::cell::UnsafeCell;

use vst3::Steinberg::Vst::{Event, IEventList, IEventListTrait};
use vst3::Steinberg::{kInvalidArgument, kResultFalse, kResultOk, tresult};
use vst3::{Class, ComPtr, ComWrapper};

use super::event::{key_pressure, note_off, note_on, sysex};
use super::midi_map::CHANNELS;

/// Keys of a channel.
const KEYS: usize = 128;

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
            next_note: 0,
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
        let (kind, body) = match *data {
            [status @ 0x80..=0xaf, key, value] => {
                let channel = i16::from(status & 0x0f);
                let at = usize::from(status & 0x0f) * KEYS + usize::from(key & 0x7f);
                let pitch = i16::from(key & 0x7f);
                let level = f32::from(value & 0x7f) / 127.0;
                match (status & 0xf0, value) {
                    (0x90, 1..) => {
                        let id = self.next_note;
                        self.next_note = (id + 1) & 0x3fff_ffff;
                        self.notes[at] = id;
                        note_on(channel, pitch, level, id)
                    }
                    (0xa0, _) => key_pressure(channel, pitch, level, self.notes[at]),
                    _ => {
                        let id = std::mem::replace(&mut self.notes[at], -1);
                        note_off(channel, pitch, level, id)
                    }
                }
            }
            [0xf0, ..] => sysex(data),
            _ => return true,
        };
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

    fn events(&mut self) -> &mut Vec<Event> {
        // SAFETY: `&mut self`, and the plugin has the list only within a call.
        unsafe { &mut *self.list.events.get() }
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::{NOTE_OFF, NOTE_ON, PRESSURE};
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
        assert_eq!(ids, [0, 1, 0, 0, -1]);
        input.clear();
        assert!(listed(&input).is_empty());
    }
}
