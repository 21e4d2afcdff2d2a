//! MIDI to the plugin and from it.

use std::ffi::c_void;

use plugpen_proto::event::EventList;

use super::abi::{Event, Events, MIDI, MidiEvent, SYSEX, SysexEvent};

/// Most events of one list that are looked at.
const MOST: i32 = 65_536;

/// A list of events for the plugin, in memory that stays where it is until the next list.
pub struct Incoming {
    midi: Vec<MidiEvent>,
    sysex: Vec<SysexEvent>,
    bytes: Vec<u8>,
    /// The kind of each event in order.
    kinds: Vec<i32>,
    /// The list as the plugin gets it: two words of head, then pointers.
    list: Vec<*mut Event>,
}

// SAFETY: the pointers in `list` are into the other vectors and written anew before each use.
unsafe impl Send for Incoming {}

/// Words before the first pointer of a list.
const HEAD: usize = std::mem::offset_of!(Events, events) / size_of::<usize>();

impl Incoming {
    /// Room for so many events with so many bytes of SysEx.
    pub fn with_capacity(events: usize, bytes: usize) -> Self {
        Self {
            midi: Vec::with_capacity(events),
            sysex: Vec::with_capacity(events),
            bytes: Vec::with_capacity(bytes),
            kinds: Vec::with_capacity(events),
            list: Vec::with_capacity(HEAD + events),
        }
    }

    /// Forgets all events.
    pub fn clear(&mut self) {
        self.midi.clear();
        self.sysex.clear();
        self.bytes.clear();
        self.kinds.clear();
    }

    /// Adds a message, `frame` frames into the piece; false where there is no room for it.
    pub fn push(&mut self, frame: i32, data: &[u8]) -> bool {
        let is_long = data.first() == Some(&0xf0) || data.len() > 3;
        if self.kinds.len() == self.kinds.capacity()
            || (is_long && self.bytes.len() + data.len() > self.bytes.capacity())
        {
            return false;
        }
        if is_long {
            let start = self.bytes.len();
            self.bytes.extend_from_slice(data);
            self.sysex.push(SysexEvent {
                kind: SYSEX,
                byte_size: size::<SysexEvent>(),
                delta_frames: frame,
                flags: 0,
                dump_bytes: i32::try_from(data.len()).unwrap_or(0),
                reserved1: 0,
                // The bytes have their room and do not move.
                dump: self.bytes[start..].as_ptr(),
                reserved2: 0,
            });
            self.kinds.push(SYSEX);
        } else {
            let mut message = [0; 4];
            message[..data.len()].copy_from_slice(data);
            self.midi.push(MidiEvent {
                kind: MIDI,
                byte_size: size::<MidiEvent>(),
                delta_frames: frame,
                flags: 0,
                note_length: 0,
                note_offset: 0,
                data: message,
                detune: 0,
                note_off_velocity: 0,
                reserved: [0; 2],
            });
            self.kinds.push(MIDI);
        }
        true
    }

    /// The list for the plugin, `None` where it is empty. Valid until the next change.
    pub fn list(&mut self) -> Option<*mut Events> {
        if self.kinds.is_empty() {
            return None;
        }
        self.list.clear();
        self.list.resize(HEAD, std::ptr::null_mut());
        let (mut midi, mut sysex) = (self.midi.iter_mut(), self.sysex.iter_mut());
        for kind in &self.kinds {
            let event = match *kind {
                MIDI => midi.next().map(|event| std::ptr::from_mut(event).cast()),
                _ => sysex.next().map(|event| std::ptr::from_mut(event).cast()),
            };
            self.list.extend(event);
        }
        let count = i32::try_from(self.kinds.len()).unwrap_or(0);
        let list: *mut Events = self.list.as_mut_ptr().cast();
        // SAFETY: `list` begins with the words of a head, aligned for pointers.
        unsafe { (&raw mut (*list).count).write(count) };
        Some(list)
    }
}

/// Takes the plugin's events over into `outgoing`, frames as they are; counts what has no room,
/// no place or no sense.
///
/// # Safety
/// `pointer` is null or a list of events of the interface.
pub unsafe fn take(pointer: *const c_void, outgoing: Option<&mut EventList>) -> u32 {
    let list = pointer.cast::<Events>();
    if list.is_null() {
        return 0;
    }
    // SAFETY: not null, and a list, says the caller.
    let (count, first) = unsafe { ((*list).count, (&raw const (*list).events).cast()) };
    let count = count.clamp(0, MOST);
    let Some(outgoing) = outgoing else {
        return count.unsigned_abs();
    };
    let mut lost = 0;
    for at in 0..usize::try_from(count).unwrap_or(0) {
        let first: *const *const Event = first;
        // SAFETY: within the list's count.
        let event = unsafe { first.add(at).read() };
        // SAFETY: null, or an event, whose kind says which.
        if !unsafe { take_one(event, outgoing) } {
            lost += 1;
        }
    }
    lost
}

/// # Safety
/// `event` is null or an event of its kind.
unsafe fn take_one(event: *const Event, outgoing: &mut EventList) -> bool {
    if event.is_null() {
        return false;
    }
    // SAFETY: not null; every event begins like this.
    let (kind, frame) = unsafe { ((*event).kind, (*event).delta_frames) };
    let frame = u32::try_from(frame).unwrap_or(0);
    match kind {
        MIDI => {
            // SAFETY: its kind says so.
            let data = unsafe { (*event.cast::<MidiEvent>()).data };
            match message(&data) {
                Some(message) => push(outgoing, frame, message),
                None => false,
            }
        }
        SYSEX => {
            // SAFETY: as above.
            let (dump, bytes) = unsafe {
                let event = event.cast::<SysexEvent>();
                ((*event).dump, (*event).dump_bytes)
            };
            match usize::try_from(bytes) {
                Ok(bytes) if bytes > 0 && !dump.is_null() && outgoing.has_room(bytes) => {
                    // SAFETY: the plugin says that there are so many bytes.
                    let data = unsafe { std::slice::from_raw_parts(dump, bytes) };
                    data[0] >= 0x80 && push(outgoing, frame, data)
                }
                _ => false,
            }
        }
        _ => false,
    }
}

fn push(outgoing: &mut EventList, frame: u32, data: &[u8]) -> bool {
    let fits = outgoing.has_room(data.len());
    if fits {
        outgoing.push_midi(frame, data);
    }
    fits
}

/// The message that four bytes begin with.
fn message(data: &[u8; 4]) -> Option<&[u8]> {
    let length = match data[0] {
        0x80..=0xbf | 0xe0..=0xef | 0xf2 => 3,
        0xc0..=0xdf | 0xf1 | 0xf3 => 2,
        0xf4..=0xff => 1,
        // Not a status byte, or a SysEx in the wrong kind of event.
        _ => return None,
    };
    let message = &data[..length];
    message[1..]
        .iter()
        .all(|byte| *byte < 0x80)
        .then_some(message)
}

fn size<T>() -> i32 {
    i32::try_from(size_of::<T>()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use plugpen_proto::event::EventBody;

    use super::*;

    #[test]
    fn what_goes_in_comes_out_at_its_frames() {
        let long: Vec<u8> = std::iter::once(0xf0).chain([7; 30]).chain([0xf7]).collect();
        let mut incoming = Incoming::with_capacity(4, 40);
        for _ in 0..2 {
            incoming.clear();
            assert!(incoming.push(3, &[0x90, 60, 100]));
            assert!(incoming.push(4, &long));
            assert!(!incoming.push(5, &long), "no room for its bytes");
            assert!(incoming.push(5, &[0xc3, 1]));
            assert!(incoming.push(6, &[0xf8]));
            assert!(!incoming.push(7, &[0xf8]), "no room for an event");
            let mut outgoing = EventList::with_capacity(8, 64);
            let list = incoming.list().unwrap();
            // SAFETY: a list that was made just now.
            assert_eq!(unsafe { take(list.cast(), Some(&mut outgoing)) }, 0);
            let events: Vec<_> = outgoing.iter().map(|e| (e.offset, e.body)).collect();
            assert_eq!(
                events,
                [
                    (3, EventBody::Midi(&[0x90, 60, 100])),
                    (4, EventBody::Midi(&long)),
                    (5, EventBody::Midi(&[0xc3, 1])),
                    (6, EventBody::Midi(&[0xf8])),
                ]
            );
            // SAFETY: as above.
            assert_eq!(unsafe { take(list.cast(), None) }, 4);
        }
    }

    #[test]
    fn senseless_events_are_counted() {
        let mut incoming = Incoming::with_capacity(8, 8);
        for data in [&[0x10, 1, 2][..], &[0x90, 200, 1], &[0x90, 60, 100]] {
            incoming.push(-5, data);
        }
        let list = incoming.list().unwrap();
        let mut outgoing = EventList::with_capacity(8, 8);
        // SAFETY: a list that was made just now.
        unsafe {
            assert_eq!(take(list.cast(), Some(&mut outgoing)), 2);
            assert_eq!(take(std::ptr::null(), Some(&mut outgoing)), 0);
            let mut broken = [std::ptr::null_mut::<Event>(); HEAD + 2];
            broken[0] = std::ptr::without_provenance_mut(2);
            assert_eq!(take(broken.as_ptr().cast(), Some(&mut outgoing)), 2);
        }
        assert_eq!(outgoing.get(0).unwrap().offset, 0);
    }
}
