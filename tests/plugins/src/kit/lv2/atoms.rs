//! Atom sequences in and out.

use std::marker::PhantomData;
use std::ptr;

use lv2_sys::{LV2_Atom, LV2_Atom_Sequence};

const HEADER: usize = size_of::<LV2_Atom>();
const SEQUENCE: usize = size_of::<LV2_Atom_Sequence>();
/// An event's time, before its atom.
const STAMP: usize = size_of::<i64>();

const fn padded(bytes: usize) -> usize {
    bytes.next_multiple_of(8)
}

/// An atom's type and bytes.
#[derive(Clone, Copy)]
pub struct Body<'a> {
    /// URID of its type.
    pub kind: u32,
    /// What follows its header.
    pub bytes: &'a [u8],
}

impl<'a> Body<'a> {
    /// The properties of an object (key and value), none for anything that is too short for one.
    pub fn properties(self) -> impl Iterator<Item = (u32, Body<'a>)> {
        let mut rest = self.bytes.get(8..).unwrap_or(&[]);
        std::iter::from_fn(move || {
            let key = word(rest, 0)?;
            let size = usize::try_from(word(rest, 8)?).ok()?;
            let kind = word(rest, 12)?;
            let bytes = rest.get(16..16 + size)?;
            rest = rest.get(padded(16 + size)..).unwrap_or(&[]);
            Some((key, Body { kind, bytes }))
        })
    }

    /// The type of an object.
    pub fn object_kind(self) -> Option<u32> {
        word(self.bytes, 4)
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at..at + 4)
        .map(|four| u32::from_ne_bytes([four[0], four[1], four[2], four[3]]))
}

/// The events of a sequence, in its order.
pub struct Atoms<'a> {
    next: *const u8,
    left: usize,
    _ports: PhantomData<&'a ()>,
}

impl Atoms<'_> {
    /// # Safety
    /// `sequence` is null or a valid sequence for as long as the result lives.
    pub(super) unsafe fn new(sequence: *const LV2_Atom_Sequence) -> Self {
        let mut atoms = Self {
            next: ptr::null(),
            left: 0,
            _ports: PhantomData,
        };
        if !sequence.is_null() {
            // SAFETY: the caller's promise.
            let size = unsafe { (*sequence).atom.size };
            let size = usize::try_from(size).unwrap_or(0);
            atoms.left = size.saturating_sub(SEQUENCE - HEADER);
            // SAFETY: a sequence's events follow it; an empty one is not read past its header.
            atoms.next = unsafe { sequence.cast::<u8>().add(SEQUENCE) };
        }
        atoms
    }
}

impl<'a> Iterator for Atoms<'a> {
    type Item = (usize, Body<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.left < STAMP + HEADER {
            return None;
        }
        // SAFETY: `left` bytes from `next` on belong to the sequence, and events are aligned.
        let (frames, atom) = unsafe {
            (
                self.next.cast::<i64>().read(),
                self.next.add(STAMP).cast::<LV2_Atom>().read(),
            )
        };
        let size = usize::try_from(atom.size).ok()?;
        if size > self.left - STAMP - HEADER {
            return None;
        }
        // SAFETY: the check above keeps the body inside the sequence.
        let bytes = unsafe { std::slice::from_raw_parts(self.next.add(STAMP + HEADER), size) };
        let step = padded(STAMP + HEADER + size).min(self.left);
        // SAFETY: `step` is at most `left`.
        self.next = unsafe { self.next.add(step) };
        self.left -= step;
        let frame = usize::try_from(frames).unwrap_or(0);
        Some((
            frame,
            Body {
                kind: atom.type_,
                bytes,
            },
        ))
    }
}

/// Appends events to an output sequence; what does not fit is left out.
pub struct Writer<'a> {
    start: *mut LV2_Atom_Sequence,
    used: usize,
    room: usize,
    _ports: PhantomData<&'a ()>,
}

impl Writer<'_> {
    /// # Safety
    /// `start` is null or a writable buffer of its atom's size plus a header, for as long as the
    /// result lives.
    pub(super) unsafe fn new(start: *mut LV2_Atom_Sequence, sequence_urid: u32) -> Self {
        let mut writer = Self {
            start,
            used: SEQUENCE,
            room: 0,
            _ports: PhantomData,
        };
        if !start.is_null() {
            // SAFETY: the caller's promise.
            unsafe {
                writer.room = usize::try_from((*start).atom.size).unwrap_or(0) + HEADER;
                if writer.room >= SEQUENCE {
                    (*start).atom.type_ = sequence_urid;
                    (*start).body.unit = 0;
                    (*start).body.pad = 0;
                }
            }
            writer.close();
        }
        writer
    }

    /// Appends an event; false if it did not fit.
    pub fn push(&mut self, frame: usize, kind: u32, bytes: &[u8]) -> bool {
        let size = padded(STAMP + HEADER + bytes.len());
        let (Ok(frame), Ok(length)) = (i64::try_from(frame), u32::try_from(bytes.len())) else {
            return false;
        };
        if self.used + size > self.room {
            return false;
        }
        // SAFETY: the check above keeps the event inside the buffer, whose events are aligned.
        unsafe {
            let event = self.start.cast::<u8>().add(self.used);
            event.cast::<i64>().write(frame);
            event.add(STAMP).cast::<LV2_Atom>().write(LV2_Atom {
                size: length,
                type_: kind,
            });
            event
                .add(STAMP + HEADER)
                .copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        }
        self.used += size;
        self.close();
        true
    }

    fn close(&mut self) {
        if self.room >= SEQUENCE {
            let size = u32::try_from(self.used - HEADER).unwrap_or(u32::MAX);
            // SAFETY: `new`'s promise.
            unsafe { (*self.start).atom.size = size };
        }
    }
}
