//! Whole MIDI messages from one thread to another, without locks or allocation.

use rtrb::{Consumer, Producer, RingBuffer};

/// Bytes of a queue: four SysEx of the longest kind, or 4,000 notes.
const CAPACITY: usize = 64 * 1024;
/// Longest message that is carried, in bytes.
pub const LONGEST: usize = 16 * 1024;
/// Time and length.
const HEADER: usize = 12;

/// The end that messages go into.
pub struct MidiSender(Producer<u8>);

/// The end that they come out of.
pub struct MidiReceiver {
    bytes: Consumer<u8>,
    /// Grown once to the longest message.
    message: Vec<u8>,
}

/// An empty queue.
pub fn midi_queue() -> (MidiSender, MidiReceiver) {
    let (sender, bytes) = RingBuffer::new(CAPACITY);
    let message = Vec::with_capacity(LONGEST);
    (MidiSender(sender), MidiReceiver { bytes, message })
}

impl MidiSender {
    /// Queues a message and the microsecond it belongs to; false where there is no room for it.
    pub fn push(&mut self, time_us: u64, message: &[u8]) -> bool {
        let Ok(length) = u32::try_from(message.len()) else {
            return false;
        };
        if message.len() > LONGEST {
            return false;
        }
        let Ok(chunk) = self.0.write_chunk_uninit(HEADER + message.len()) else {
            return false;
        };
        let time = time_us.to_le_bytes();
        let length = length.to_le_bytes();
        let all = time.iter().chain(&length).chain(message).copied();
        chunk.fill_from_iter(all);
        true
    }
}

impl MidiReceiver {
    /// The next message and its microsecond, if there is one.
    pub fn pop(&mut self) -> Option<(u64, &[u8])> {
        self.pop_before(u64::MAX)
    }

    /// The next message, if there is one and its microsecond comes before this one.
    pub fn pop_before(&mut self, end_us: u64) -> Option<(u64, &[u8])> {
        let chunk = self.bytes.read_chunk(HEADER).ok()?;
        let mut header = [0; HEADER];
        let (first, second) = chunk.as_slices();
        for (byte, read) in header.iter_mut().zip(first.iter().chain(second)) {
            *byte = *read;
        }
        let (time, length) = header.split_at(8);
        let time = u64::from_le_bytes(time.try_into().ok()?);
        let length = usize::try_from(u32::from_le_bytes(length.try_into().ok()?)).ok()?;
        if time >= end_us && end_us != u64::MAX {
            return None;
        }
        chunk.commit_all();
        self.message.clear();
        // The sender publishes a message whole, so it is here with its header.
        self.message.extend(self.bytes.read_chunk(length).ok()?);
        Some((time, &self.message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_out_whole_and_in_order() {
        let (mut sender, mut receiver) = midi_queue();
        for round in 0..10_000u64 {
            let sysex = vec![0x40; usize::try_from(round).unwrap() % 300 + 1];
            assert!(sender.push(round, &sysex));
            assert!(sender.push(round + 1, &[0x90, 60, 100]));
            assert_eq!(receiver.pop(), Some((round, sysex.as_slice())));
            assert_eq!(receiver.pop(), Some((round + 1, &[0x90, 60, 100][..])));
            assert_eq!(receiver.pop(), None);
        }
    }

    #[test]
    fn a_message_of_later_waits() {
        let (mut sender, mut receiver) = midi_queue();
        assert!(sender.push(10, &[0xFA]) && sender.push(20, &[0xFC]));
        assert_eq!(receiver.pop_before(15), Some((10, &[0xFA][..])));
        assert_eq!(receiver.pop_before(20), None);
        assert_eq!(receiver.pop_before(21), Some((20, &[0xFC][..])));
    }

    #[test]
    fn a_full_queue_refuses_and_keeps_what_it_has() {
        let (mut sender, mut receiver) = midi_queue();
        let mut taken = 0;
        while sender.push(taken, &[0xF8]) {
            taken += 1;
        }
        assert_eq!(taken, u64::try_from(CAPACITY / (HEADER + 1)).unwrap());
        assert!(!sender.push(0, &[0; LONGEST + 1]));
        for time in 0..taken {
            assert_eq!(receiver.pop(), Some((time, &[0xF8][..])));
        }
    }
}
