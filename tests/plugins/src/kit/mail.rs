//! Messages and notes with a frame, in memory that is taken once.

use std::ops::Range;

use super::notes::{self, Notes};

/// Messages in order of their frames.
pub struct Mail {
    bytes: Vec<u8>,
    messages: Vec<(usize, Range<usize>)>,
    /// Notes with ids, where the format has them.
    pub notes: Notes,
}

impl Mail {
    /// Room for what a block of a test has.
    pub fn new() -> Self {
        Self {
            bytes: Vec::with_capacity(1 << 16),
            messages: Vec::with_capacity(1 << 12),
            notes: notes::room(),
        }
    }

    /// Throws all away.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.messages.clear();
        self.notes.clear();
    }

    /// Appends a message; later frames come later.
    pub fn push(&mut self, frame: usize, message: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(message);
        self.messages.push((frame, start..self.bytes.len()));
    }

    /// Orders messages by their frames, those of one frame as they came.
    pub fn sort(&mut self) {
        self.messages.sort_by_key(|(frame, _)| *frame);
        self.notes.sort_by_key(|(frame, _)| *frame);
    }

    /// All messages.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &[u8])> {
        self.messages
            .iter()
            .map(|(frame, range)| (*frame, &self.bytes[range.clone()]))
    }
}
