//! Events of a block: MIDI and parameter changes at sample offsets.

/// What happens at an offset.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum EventBody<'a> {
    /// One whole MIDI message, SysEx included, status byte first; never empty.
    Midi(&'a [u8]),
    /// A parameter takes a normalised value, 0 to 1.
    Parameter {
        /// Index of the parameter.
        index: u32,
        /// Normalised value, 0 to 1.
        value: f64,
    },
}

/// An event at a frame of its block.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Event<'a> {
    /// Frame within the block, from 0.
    pub offset: u32,
    /// What happens.
    pub body: EventBody<'a>,
}

/// Events in one allocation each for MIDI bytes and entries; reusable without allocating once it
/// has grown.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EventList {
    bytes: Vec<u8>,
    entries: Vec<(u32, Entry)>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Entry {
    Midi { start: usize, end: usize },
    Parameter { index: u32, value: f64 },
}

impl EventList {
    /// An empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty list that takes that much without allocating.
    pub fn with_capacity(events: usize, midi_bytes: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(midi_bytes),
            entries: Vec::with_capacity(events),
        }
    }

    /// Appends an event.
    pub fn push(&mut self, event: Event<'_>) {
        let entry = match event.body {
            EventBody::Midi(data) => {
                let start = self.bytes.len();
                self.bytes.extend_from_slice(data);
                Entry::Midi {
                    start,
                    end: self.bytes.len(),
                }
            }
            EventBody::Parameter { index, value } => Entry::Parameter { index, value },
        };
        self.entries.push((event.offset, entry));
    }

    /// Appends a MIDI message.
    pub fn push_midi(&mut self, offset: u32, data: &[u8]) {
        self.push(Event {
            offset,
            body: EventBody::Midi(data),
        });
    }

    /// Appends a parameter change.
    pub fn push_parameter(&mut self, offset: u32, index: u32, value: f64) {
        self.push(Event {
            offset,
            body: EventBody::Parameter { index, value },
        });
    }

    /// Whether an event of `midi_bytes` (0 for a parameter) fits without allocating.
    pub fn has_room(&self, midi_bytes: usize) -> bool {
        self.entries.len() < self.entries.capacity()
            && self.bytes.len() + midi_bytes <= self.bytes.capacity()
    }

    /// Removes all events, keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.entries.clear();
    }

    /// Sorts by offset; events at one offset keep their order.
    pub fn sort(&mut self) {
        self.entries.sort_by_key(|(offset, _)| *offset);
    }

    /// Sorts MIDI messages by offset without allocating; those at one offset keep their order.
    /// Of parameter changes at one offset the order is not kept.
    pub fn sort_messages(&mut self) {
        self.entries.sort_unstable_by_key(|(offset, entry)| {
            let order = match entry {
                Entry::Midi { start, .. } => *start,
                Entry::Parameter { .. } => 0,
            };
            (*offset, order)
        });
    }

    /// Number of events.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The event at a position.
    pub fn get(&self, position: usize) -> Option<Event<'_>> {
        self.entries.get(position).map(|entry| self.event(entry))
    }

    /// The events in their order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Event<'_>> {
        self.entries.iter().map(|entry| self.event(entry))
    }

    fn event(&self, &(offset, entry): &(u32, Entry)) -> Event<'_> {
        let body = match entry {
            Entry::Midi { start, end } => EventBody::Midi(&self.bytes[start..end]),
            Entry::Parameter { index, value } => EventBody::Parameter { index, value },
        };
        Event { offset, body }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_at_one_offset_keep_their_order() {
        let mut list = EventList::new();
        for byte in 0..100 {
            list.push_midi(u32::from(99 - byte) / 10, &[byte]);
        }
        let mut sorted = list.clone();
        sorted.sort();
        list.sort_messages();
        assert_eq!(list, sorted);
    }

    #[test]
    fn a_list_gives_back_what_it_took_in_order() {
        let mut list = EventList::with_capacity(3, 4);
        list.push_midi(7, &[0x90, 60, 100]);
        assert!(list.has_room(1) && !list.has_room(2));
        list.push_parameter(2, 4, 0.5);
        list.push_midi(2, &[0xF8]);
        assert!(!list.has_room(0));
        list.sort();
        let offsets: Vec<_> = list.iter().map(|e| e.offset).collect();
        assert_eq!(offsets, [2, 2, 7]);
        assert_eq!(
            list.get(0).unwrap().body,
            EventBody::Parameter {
                index: 4,
                value: 0.5
            }
        );
        assert_eq!(list.get(2).unwrap().body, EventBody::Midi(&[0x90, 60, 100]));
        list.clear();
        assert!(list.is_empty() && list.has_room(4));
    }
}
