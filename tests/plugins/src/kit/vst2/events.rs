//! MIDI in and out.

use std::ffi::c_void;
use std::ptr;

use super::abi::{AEffect, Event, Events, HostCallback, MIDI, MidiEvent, SYSEX, SysexEvent, tell};
use crate::kit::mail::Mail;

/// Takes a host's events.
///
/// # Safety
/// `events` is null or a list as VST2 defines it.
pub unsafe fn read(events: *const Events, into: &mut Mail) {
    if events.is_null() {
        return;
    }
    // SAFETY: the caller's promise; the pointers follow the head.
    let pointers = unsafe {
        let count = usize::try_from((*events).count).unwrap_or(0);
        std::slice::from_raw_parts(events.add(1).cast::<*const Event>(), count)
    };
    for &event in pointers {
        // SAFETY: VST2 has every pointer of the list point to an event of its kind.
        unsafe { read_one(event, into) };
    }
}

/// # Safety
/// `event` points to an event of its kind.
unsafe fn read_one(event: *const Event, into: &mut Mail) {
    // SAFETY: the caller's promise.
    unsafe {
        let frame = usize::try_from((*event).delta_frames).unwrap_or(0);
        match (*event).kind {
            MIDI => {
                let data = (*event.cast::<MidiEvent>()).data;
                into.push(frame, &data[..length(data[0])]);
            }
            SYSEX => {
                let sysex = event.cast::<SysexEvent>();
                let size = usize::try_from((*sysex).dump_bytes).unwrap_or(0);
                into.push(frame, std::slice::from_raw_parts((*sysex).dump, size));
            }
            _ => {}
        }
    }
}

/// Bytes of a message, by its status.
fn length(status: u8) -> usize {
    match status {
        0xC0..=0xDF | 0xF1 | 0xF3 => 2,
        0xF4..=0xFF => 1,
        _ => 3,
    }
}

/// A list for the host, its memory taken once.
pub struct Outbox {
    short: Vec<MidiEvent>,
    long: Vec<SysexEvent>,
    /// The head's two words, then the pointers.
    list: Vec<*const c_void>,
}

impl Outbox {
    pub fn new() -> Self {
        Self {
            short: Vec::with_capacity(1 << 12),
            long: Vec::with_capacity(1 << 8),
            list: Vec::with_capacity(1 << 12),
        }
    }

    /// Gives the plugin's messages to the host.
    ///
    /// # Safety
    /// `host` and `effect` belong together.
    pub unsafe fn send(&mut self, mail: &mut Mail, host: HostCallback, effect: *mut AEffect) {
        mail.sort();
        let count = mail.iter().count();
        if count == 0 {
            return;
        }
        self.fill(mail);
        let count = i32::try_from(count).unwrap_or(0);
        let list = self.list.as_mut_ptr();
        // SAFETY: the list begins with two empty words, room for the head; the host copies what
        // it keeps.
        unsafe {
            list.cast::<Events>().write(Events { count, reserved: 0 });
            host(effect, tell::PROCESS_EVENTS, 0, 0, list.cast(), 0.0);
        }
    }

    fn fill(&mut self, mail: &Mail) {
        self.short.clear();
        self.long.clear();
        for (frame, message) in mail.iter() {
            if message.first() == Some(&0xF0) {
                self.long.push(sysex(frame, message));
            } else {
                self.short.push(midi(frame, message));
            }
        }
        self.list.clear();
        self.list.extend([ptr::null(); 2]);
        // Both vectors stand still from here on.
        let (mut short, mut long) = (self.short.iter(), self.long.iter());
        for (_, message) in mail.iter() {
            self.list.push(match message.first() {
                Some(0xF0) => long
                    .next()
                    .map_or(ptr::null(), |event| ptr::from_ref(event).cast()),
                _ => short
                    .next()
                    .map_or(ptr::null(), |event| ptr::from_ref(event).cast()),
            });
        }
    }
}

fn head(kind: i32, size: usize, frame: usize) -> Event {
    Event {
        kind,
        byte_size: i32::try_from(size).unwrap_or(0),
        delta_frames: i32::try_from(frame).unwrap_or(0),
        flags: 0,
    }
}

fn midi(frame: usize, message: &[u8]) -> MidiEvent {
    let mut data = [0; 4];
    for (to, from) in data[..3].iter_mut().zip(message) {
        *to = *from;
    }
    MidiEvent {
        event: head(MIDI, size_of::<MidiEvent>(), frame),
        note_length: 0,
        note_offset: 0,
        data,
        detune: [0; 4],
    }
}

fn sysex(frame: usize, message: &[u8]) -> SysexEvent {
    SysexEvent {
        event: head(SYSEX, size_of::<SysexEvent>(), frame),
        dump_bytes: i32::try_from(message.len()).unwrap_or(0),
        reserved: 0,
        dump: message.as_ptr(),
        reserved_too: 0,
    }
}
