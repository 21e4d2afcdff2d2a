//! Atom sequences: writing the ones a plugin reads, reading the ones it wrote.

use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use plugpen_proto::limits::MAX_TEXT;

/// Bytes of an `LV2_Atom`.
const ATOM: usize = 8;
/// Bytes of a sequence's header.
const SEQUENCE: usize = 16;
/// Bytes of an event's header: frames and an atom.
const EVENT: usize = 16;
/// Bytes of an object's body before its properties.
const OBJECT: usize = 8;
/// Bytes of a property before its value: key, context and an atom.
const PROPERTY: usize = 16;

/// Memory that a plugin holds a pointer to, aligned for atoms. Rust touches it only while the
/// plugin does not run.
#[derive(Debug)]
pub struct AtomBuffer {
    words: NonNull<u64>,
    count: usize,
    /// Bytes of it that are in use now; may grow between and within runs.
    room: Arc<AtomicUsize>,
}

// SAFETY: plain memory, owned; whoever has `&mut` has it alone, the plugin's pointer included,
// because the plugin runs only inside calls that its owner makes.
unsafe impl Send for AtomBuffer {}

impl AtomBuffer {
    /// Zeroed memory of at least `most` bytes, of which `room` are in use.
    pub fn new(most: usize, room: Arc<AtomicUsize>) -> Self {
        // The system makes present only what is touched.
        let words = vec![0u64; most.div_ceil(8).max(SEQUENCE)].into_boxed_slice();
        let count = words.len();
        Self {
            words: NonNull::from(Box::leak(words)).cast(),
            count,
            room,
        }
    }

    /// Bytes in use, whole words of them.
    fn room(&self) -> usize {
        let words = self.room.load(Ordering::Relaxed).div_ceil(8);
        words.clamp(SEQUENCE, self.count) * 8
    }

    /// What the plugin's port is connected to.
    pub fn as_ptr(&self) -> *mut u64 {
        self.words.as_ptr()
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: our allocation, whole; `&mut self` and the struct's rule exclude the plugin.
        unsafe { std::slice::from_raw_parts_mut(self.words.as_ptr().cast(), self.count * 8) }
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: as in `bytes_mut`.
        unsafe { std::slice::from_raw_parts(self.words.as_ptr().cast(), self.count * 8) }
    }

    /// Makes it an empty sequence and returns a writer.
    pub fn write(&mut self, sequence_type: u32) -> SequenceWriter<'_> {
        let room = self.room();
        let bytes = &mut self.bytes_mut()[..room];
        put(bytes, 0, ATOM);
        put32(bytes, 4, sequence_type);
        put32(bytes, 8, 0);
        put32(bytes, 12, 0);
        SequenceWriter {
            bytes,
            end: SEQUENCE,
        }
    }

    /// Makes it room for a plugin to write in: a chunk of all that is in use.
    pub fn offer(&mut self, chunk_type: u32) {
        let room = self.room() - ATOM;
        let bytes = self.bytes_mut();
        put(bytes, 0, room);
        put32(bytes, 4, chunk_type);
    }

    /// The events a plugin wrote, as far as they make sense.
    pub fn events(&self, sequence_type: u32) -> Events<'_> {
        let bytes = self.bytes();
        let size = get(bytes, 0).unwrap_or(0);
        let end = if get32(bytes, 4) == Some(sequence_type) && size >= ATOM {
            (ATOM + size).min(bytes.len())
        } else {
            0
        };
        Events {
            bytes: &bytes[..end],
            at: SEQUENCE,
        }
    }
}

impl Drop for AtomBuffer {
    fn drop(&mut self) {
        let words = std::ptr::slice_from_raw_parts_mut(self.words.as_ptr(), self.count);
        // SAFETY: leaked in `new`, taken back once.
        drop(unsafe { Box::from_raw(words) });
    }
}

/// Appends events to a sequence.
#[derive(Debug)]
pub struct SequenceWriter<'a> {
    bytes: &'a mut [u8],
    end: usize,
}

impl SequenceWriter<'_> {
    /// Appends an event with a body of bytes; false if it does not fit.
    pub fn event(&mut self, frame: u32, kind: u32, body: &[u8]) -> bool {
        let next = self.end + EVENT + pad(body.len());
        if next > self.bytes.len() {
            return false;
        }
        self.header(frame, kind, body.len());
        let at = self.end + EVENT;
        self.bytes[at..at + body.len()].copy_from_slice(body);
        self.bytes[at + body.len()..next].fill(0);
        self.close(next);
        true
    }

    /// Appends an object with these properties; false if it does not fit.
    pub fn object(
        &mut self,
        frame: u32,
        object_type: u32,
        kind: u32,
        properties: &[(u32, Value<'_>)],
        known: &super::urids::Known,
    ) -> bool {
        let sizes = properties
            .iter()
            .map(|(_, value)| PROPERTY + pad(value.size()));
        let size = OBJECT + sizes.sum::<usize>();
        let next = self.end + EVENT + size;
        if next > self.bytes.len() {
            return false;
        }
        self.header(frame, object_type, size);
        let mut at = self.end + EVENT;
        put32(self.bytes, at, 0);
        put32(self.bytes, at + 4, kind);
        at += OBJECT;
        for (key, value) in properties {
            let size = value.size();
            put32(self.bytes, at, *key);
            put32(self.bytes, at + 4, 0);
            put(self.bytes, at + 8, size);
            put32(self.bytes, at + 12, value.kind(known));
            at += PROPERTY;
            value.write(&mut self.bytes[at..at + pad(size)]);
            at += pad(size);
        }
        self.close(next);
        true
    }

    fn header(&mut self, frame: u32, kind: u32, size: usize) {
        let frames = i64::from(frame).to_ne_bytes();
        self.bytes[self.end..self.end + 8].copy_from_slice(&frames);
        put(self.bytes, self.end + 8, size);
        put32(self.bytes, self.end + 12, kind);
    }

    fn close(&mut self, end: usize) {
        self.end = end;
        put(self.bytes, 0, end - ATOM);
    }
}

/// What kind of text an atom is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextType {
    /// `atom:String`.
    String,
    /// `atom:Path`.
    Path,
    /// `atom:URI`.
    Uri,
}

/// An atom with a value of its own, no container.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// `atom:Bool`.
    Bool(bool),
    /// `atom:Int`.
    Int(i32),
    /// `atom:Long`.
    Long(i64),
    /// `atom:Float`.
    Float(f32),
    /// `atom:Double`.
    Double(f64),
    /// `atom:URID`.
    Urid(u32),
    /// A text, without its zero byte.
    Text(TextType, &'a str),
}

impl<'a> Value<'a> {
    fn size(self) -> usize {
        match self {
            Self::Bool(_) | Self::Int(_) | Self::Float(_) | Self::Urid(_) => 4,
            Self::Long(_) | Self::Double(_) => 8,
            Self::Text(_, text) => text.len() + 1,
        }
    }

    fn kind(self, known: &super::urids::Known) -> u32 {
        match self {
            Self::Bool(_) => known.atom_bool,
            Self::Int(_) => known.atom_int,
            Self::Long(_) => known.atom_long,
            Self::Float(_) => known.atom_float,
            Self::Double(_) => known.atom_double,
            Self::Urid(_) => known.atom_urid,
            Self::Text(TextType::String, _) => known.atom_string,
            Self::Text(TextType::Path, _) => known.atom_path,
            Self::Text(TextType::Uri, _) => known.atom_uri,
        }
    }

    /// Fills a body of [`Value::size`] bytes and its padding.
    fn write(self, body: &mut [u8]) {
        body.fill(0);
        let mut put = |bytes: &[u8]| body[..bytes.len()].copy_from_slice(bytes);
        match self {
            Self::Bool(value) => put(&i32::from(value).to_ne_bytes()),
            Self::Int(value) => put(&value.to_ne_bytes()),
            Self::Long(value) => put(&value.to_ne_bytes()),
            Self::Float(value) => put(&value.to_ne_bytes()),
            Self::Double(value) => put(&value.to_ne_bytes()),
            Self::Urid(value) => put(&value.to_ne_bytes()),
            Self::Text(_, text) => put(text.as_bytes()),
        }
    }

    /// Reads an atom of one of these types.
    pub fn decode(kind: u32, body: &'a [u8], known: &super::urids::Known) -> Option<Self> {
        let four = || body.first_chunk::<4>().copied();
        let eight = || body.first_chunk::<8>().copied();
        if kind == known.atom_bool {
            Some(Self::Bool(i32::from_ne_bytes(four()?) != 0))
        } else if kind == known.atom_int {
            Some(Self::Int(i32::from_ne_bytes(four()?)))
        } else if kind == known.atom_long {
            Some(Self::Long(i64::from_ne_bytes(eight()?)))
        } else if kind == known.atom_float {
            Some(Self::Float(f32::from_ne_bytes(four()?)))
        } else if kind == known.atom_double {
            Some(Self::Double(f64::from_ne_bytes(eight()?)))
        } else if kind == known.atom_urid {
            Some(Self::Urid(u32::from_ne_bytes(four()?)))
        } else {
            let kind = match kind {
                kind if kind == known.atom_string => TextType::String,
                kind if kind == known.atom_path => TextType::Path,
                kind if kind == known.atom_uri => TextType::Uri,
                _ => return None,
            };
            let text = body.split(|byte| *byte == 0).next()?;
            let text = text.get(..text.len().min(MAX_TEXT))?;
            Some(Self::Text(kind, std::str::from_utf8(text).ok()?))
        }
    }

    /// As a number; URIDs and texts are none.
    pub fn number(self) -> Option<f64> {
        match self {
            Self::Bool(value) => Some(f64::from(u8::from(value))),
            Self::Int(value) => Some(f64::from(value)),
            #[allow(
                clippy::cast_precision_loss,
                reason = "parameters above 2^53 lose their last digits"
            )]
            Self::Long(value) => Some(value as f64),
            Self::Float(value) => Some(f64::from(value)),
            Self::Double(value) => Some(value),
            Self::Urid(_) | Self::Text(..) => None,
        }
    }
}

/// An event that a plugin wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AtomEvent<'a> {
    /// Frame within the run, clamped to 0 and up.
    pub frame: u32,
    /// Type of the atom.
    pub kind: u32,
    /// Its body.
    pub body: &'a [u8],
}

/// Iterates over a sequence; stops at the first thing that makes no sense.
#[derive(Debug)]
pub struct Events<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Events<'a> {
    type Item = AtomEvent<'a>;

    fn next(&mut self) -> Option<AtomEvent<'a>> {
        let header = self.bytes.get(self.at..self.at + EVENT)?;
        let frames = i64::from_ne_bytes(*header.first_chunk()?);
        let size = get(header, 8)?;
        let body = self.bytes.get(self.at + EVENT..)?.get(..size)?;
        self.at += EVENT + pad(size);
        Some(AtomEvent {
            frame: u32::try_from(frames.max(0)).unwrap_or(u32::MAX),
            kind: get32(header, 12)?,
            body,
        })
    }
}

/// The type of an object and its properties.
pub fn object(body: &[u8]) -> Option<(u32, Properties<'_>)> {
    let kind = get32(body, 4)?;
    Some((
        kind,
        Properties {
            bytes: body,
            at: OBJECT,
        },
    ))
}

/// Iterates over an object's properties: key, type, body.
#[derive(Debug, Clone)]
pub struct Properties<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Properties<'a> {
    type Item = (u32, u32, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let header = self.bytes.get(self.at..self.at + PROPERTY)?;
        let size = get(header, 8)?;
        let body = self.bytes.get(self.at + PROPERTY..)?.get(..size)?;
        self.at += PROPERTY + pad(size);
        Some((get32(header, 0)?, get32(header, 12)?, body))
    }
}

fn pad(size: usize) -> usize {
    size.next_multiple_of(8)
}

fn put32(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_ne_bytes());
}

/// Sizes are below the buffer's, which is far below 4 GiB.
fn put(bytes: &mut [u8], at: usize, value: usize) {
    put32(bytes, at, u32::try_from(value).unwrap_or(u32::MAX));
}

fn get32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn get(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(get32(bytes, at)?).ok()
}

#[cfg(test)]
mod tests {
    use super::super::urids::{Known, Urids};
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let known = Known::new(&Urids::default());
        let mut buffer = AtomBuffer::new(256, Arc::new(256.into()));
        let mut writer = buffer.write(known.atom_sequence);
        assert!(writer.event(3, known.midi_event, &[0x90, 60, 100]));
        let path = Value::Text(TextType::Path, "/impulse.wav");
        let properties = [(7, Value::Float(0.5)), (8, path), (9, Value::Long(-2))];
        assert!(writer.object(5, known.atom_object, 42, &properties, &known));
        assert!(!writer.event(6, known.midi_event, &[0; 300]));
        let events: Vec<_> = buffer.events(known.atom_sequence).collect();
        assert_eq!(events.len(), 2);
        assert_eq!((events[0].frame, events[0].body), (3, &[0x90, 60, 100][..]));
        let (kind, properties) = object(events[1].body).unwrap();
        let values: Vec<_> = properties
            .map(|(key, kind, body)| (key, Value::decode(kind, body, &known)))
            .collect();
        assert_eq!(kind, 42);
        assert_eq!(
            values,
            [
                (7, Some(Value::Float(0.5))),
                (8, Some(path)),
                (9, Some(Value::Long(-2)))
            ]
        );
    }

    #[test]
    fn a_lying_sequence_ends_where_the_memory_does() {
        let mut buffer = AtomBuffer::new(64, Arc::new(64.into()));
        buffer.write(1).event(0, 2, &[1, 2, 3]);
        let bytes = buffer.bytes_mut();
        put32(bytes, 0, u32::MAX);
        put32(bytes, SEQUENCE + 8, u32::MAX);
        assert_eq!(buffer.events(1).count(), 0);
        put32(buffer.bytes_mut(), SEQUENCE + 8, 3);
        assert!(buffer.events(1).next().is_some());
        assert_eq!(buffer.events(9).count(), 0);
        buffer.offer(5);
        assert_eq!(buffer.events(1).count(), 0);
        assert!(object(&[0; 3]).is_none());
    }
}
