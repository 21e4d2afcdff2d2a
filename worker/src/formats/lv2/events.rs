//! Buffers of the event extension, which atoms replaced: what a plugin of its day reads and
//! writes MIDI in.

use std::ptr::NonNull;

use lv2_sys::LV2_Event_Buffer;

/// Bytes of an `LV2_Event`: frames, subframes, type and size.
const EVENT: usize = 12;
/// Largest buffer; the extension counts events' bytes in 16 bits each and plugins' own code in
/// 32, so more is never needed.
const MOST: usize = 1 << 20;

/// A header and its events, which a plugin holds a pointer to. Rust touches it only while the
/// plugin does not run.
#[derive(Debug)]
pub struct EventBuffer {
    header: NonNull<LV2_Event_Buffer>,
    data: NonNull<u64>,
    words: usize,
}

// SAFETY: plain memory, owned; whoever has `&mut` has it alone, the plugin's pointer included,
// because the plugin runs only inside calls that its owner makes.
unsafe impl Send for EventBuffer {}

/// An event that a plugin wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OldEvent<'a> {
    /// Frame within the run.
    pub frame: u32,
    /// Number of its type.
    pub kind: u32,
    /// Its body.
    pub body: &'a [u8],
}

impl EventBuffer {
    /// Room for `bytes` of events.
    pub fn new(bytes: usize) -> Self {
        let data = vec![0u64; bytes.min(MOST).div_ceil(8).max(2)].into_boxed_slice();
        let words = data.len();
        let data: NonNull<u64> = NonNull::from(Box::leak(data)).cast();
        let header = Box::new(LV2_Event_Buffer {
            data: data.as_ptr().cast(),
            header_size: u16::try_from(size_of::<LV2_Event_Buffer>()).unwrap_or(u16::MAX),
            stamp_type: 0,
            event_count: 0,
            capacity: u32::try_from(words * 8).unwrap_or(u32::MAX),
            size: 0,
        });
        Self {
            header: NonNull::from(Box::leak(header)),
            data,
            words,
        }
    }

    /// What the plugin's port is connected to.
    pub fn as_ptr(&self) -> *mut LV2_Event_Buffer {
        self.header.as_ptr()
    }

    /// Makes it empty, whatever the plugin made of the header.
    pub fn clear(&mut self) {
        let (data, capacity) = (self.data.as_ptr().cast(), self.words * 8);
        let header = self.header_mut();
        header.data = data;
        header.stamp_type = 0;
        header.event_count = 0;
        header.capacity = u32::try_from(capacity).unwrap_or(u32::MAX);
        header.size = 0;
    }

    /// Appends an event; false if it does not fit.
    pub fn push(&mut self, frame: u32, kind: u32, body: &[u8]) -> bool {
        let used = usize::try_from(self.header_mut().size).unwrap_or(usize::MAX);
        let (Ok(kind), Ok(size)) = (u16::try_from(kind), u16::try_from(body.len())) else {
            return false;
        };
        let next = used.saturating_add((EVENT + body.len()).next_multiple_of(8));
        let Some(room) = self.bytes_mut().get_mut(used..next) else {
            return false;
        };
        room.fill(0);
        room[..4].copy_from_slice(&frame.to_ne_bytes());
        room[8..10].copy_from_slice(&kind.to_ne_bytes());
        room[10..12].copy_from_slice(&size.to_ne_bytes());
        room[EVENT..EVENT + body.len()].copy_from_slice(body);
        let header = self.header_mut();
        header.size = u32::try_from(next).unwrap_or(u32::MAX);
        header.event_count += 1;
        true
    }

    /// The events a plugin wrote, as far as they make sense.
    pub fn events(&self) -> OldEvents<'_> {
        // SAFETY: our allocation; the plugin does not run now.
        let header = unsafe { self.header.as_ref() };
        let bytes = self.bytes();
        let size = usize::try_from(header.size).unwrap_or(0).min(bytes.len());
        OldEvents {
            bytes: &bytes[..size],
            left: header.event_count,
        }
    }

    fn header_mut(&mut self) -> &mut LV2_Event_Buffer {
        // SAFETY: our allocation; `&mut self` and the struct's rule exclude the plugin.
        unsafe { self.header.as_mut() }
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: our allocation, whole; the plugin does not run now.
        unsafe { std::slice::from_raw_parts(self.data.as_ptr().cast(), self.words * 8) }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`, and `&mut self` excludes others.
        unsafe { std::slice::from_raw_parts_mut(self.data.as_ptr().cast(), self.words * 8) }
    }
}

impl Drop for EventBuffer {
    fn drop(&mut self) {
        let data = std::ptr::slice_from_raw_parts_mut(self.data.as_ptr(), self.words);
        // SAFETY: both leaked in `new`, taken back once.
        unsafe {
            drop(Box::from_raw(data));
            drop(Box::from_raw(self.header.as_ptr()));
        }
    }
}

/// Iterates over a buffer; stops at the first thing that makes no sense.
#[derive(Debug)]
pub struct OldEvents<'a> {
    bytes: &'a [u8],
    left: u32,
}

impl<'a> Iterator for OldEvents<'a> {
    type Item = OldEvent<'a>;

    fn next(&mut self) -> Option<OldEvent<'a>> {
        self.left = self.left.checked_sub(1)?;
        let header = self.bytes.first_chunk::<EVENT>()?;
        let short = |at: usize| u16::from_ne_bytes([header[at], header[at + 1]]);
        let size = usize::from(short(10));
        let body = self.bytes.get(EVENT..EVENT + size)?;
        let event = OldEvent {
            frame: u32::from_ne_bytes([header[0], header[1], header[2], header[3]]),
            kind: u32::from(short(8)),
            body,
        };
        let next = (EVENT + size).next_multiple_of(8).min(self.bytes.len());
        self.bytes = &self.bytes[next..];
        Some(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut buffer = EventBuffer::new(64);
        assert!(buffer.push(3, 7, &[0x90, 60, 100]));
        assert!(buffer.push(5, 8, &[0x80, 60, 0, 1, 2]));
        assert!(!buffer.push(6, 7, &[0; 40]), "no room");
        assert!(!buffer.push(6, 1 << 16, &[1]), "no such number");
        let events: Vec<_> = buffer.events().collect();
        assert_eq!(
            events[0],
            OldEvent {
                frame: 3,
                kind: 7,
                body: &[0x90, 60, 100]
            }
        );
        assert_eq!(events[1].body, [0x80, 60, 0, 1, 2]);
        assert_eq!(events.len(), 2);
        buffer.clear();
        assert_eq!(buffer.events().count(), 0);
    }

    #[test]
    fn a_lying_header_ends_where_the_memory_does() {
        let mut buffer = EventBuffer::new(32);
        assert!(buffer.push(1, 2, &[3]));
        let header = buffer.header_mut();
        header.size = u32::MAX;
        header.event_count = u32::MAX;
        header.data = std::ptr::null_mut();
        assert!(buffer.events().count() <= 2);
        buffer.bytes_mut()[10..12].copy_from_slice(&u16::MAX.to_ne_bytes());
        assert_eq!(buffer.events().count(), 0);
        buffer.clear();
        assert!(buffer.push(1, 2, &[3]));
    }
}
