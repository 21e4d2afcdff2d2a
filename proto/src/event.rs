//! Events of a block: MIDI, notes with ids, note expressions and parameter changes at sample
//! offsets.

use crate::limits::{MAX_NOTE_ID, MAX_TUNING};

/// A note that begins or ends, with an id by which expressions find it. Where there is no need of
/// an id, a MIDI message does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Note {
    /// The note among all that sound. A client's are 0 to [`MAX_NOTE_ID`]; a plugin's own may be
    /// any but -1, which is no id.
    pub id: i32,
    /// Whether it begins.
    pub is_on: bool,
    /// MIDI channel, 0 to 15.
    pub channel: u8,
    /// MIDI key, 0 to 127.
    pub key: u8,
    /// How hard the key was struck or let go, 0 to 1.
    pub velocity: f32,
    /// Cents off the key's pitch, at most [`MAX_TUNING`] either way.
    pub tuning: f32,
}

impl Note {
    /// Whether every number is one that a note can have.
    pub fn is_sound(&self) -> bool {
        self.id != -1
            && self.channel < 16
            && self.key < 128
            && (0.0..=1.0).contains(&self.velocity)
            && (-MAX_TUNING..=MAX_TUNING).contains(&self.tuning)
    }

    /// The same in MIDI, which has no ids and no tuning, and 127 velocities.
    pub fn midi(&self) -> [u8; 3] {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped to 0 to 127; what is not a number becomes 0"
        )]
        let velocity = (self.velocity * 127.0).round().clamp(0.0, 127.0) as u8;
        let (status, velocity) = match self.is_on {
            true => (0x90, velocity.max(1)),
            false => (0x80, velocity),
        };
        [status | (self.channel & 0x0f), self.key & 0x7f, velocity]
    }
}

/// A property of one sounding note takes a value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NoteExpression {
    /// The note's id.
    pub note_id: i32,
    /// Which property, as the plugin numbers them: 0 volume, 1 pan, 2 tuning, 3 vibrato,
    /// 4 expression, 5 brightness, from 100,000 on its own; never `u32::MAX`.
    pub type_id: u32,
    /// Normalised value, 0 to 1.
    pub value: f64,
}

impl NoteExpression {
    /// Whether every number is one that an expression can have.
    pub fn is_sound(&self) -> bool {
        self.note_id != -1 && self.type_id != u32::MAX && (0.0..=1.0).contains(&self.value)
    }
}

/// Whether a client may give a note this id.
pub fn is_client_note(id: i32) -> bool {
    (0..=MAX_NOTE_ID).contains(&id)
}

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
    /// A note with an id begins or ends. Plugins of formats without ids get its MIDI.
    Note(Note),
    /// A property of one note takes a value. Only for plugins that take note expression.
    Expression(NoteExpression),
}

impl EventBody<'_> {
    /// Whether it is addressed to a parameter, and not played.
    pub fn is_parameter(&self) -> bool {
        matches!(self, Self::Parameter { .. })
    }

    /// Bytes of MIDI in it.
    pub fn midi_bytes(&self) -> usize {
        match self {
            Self::Midi(data) => data.len(),
            _ => 0,
        }
    }
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
#[derive(Debug, Clone, Default)]
pub struct EventList {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    offset: u32,
    /// Position when it was appended, so that sorting keeps the order of equals.
    turn: usize,
    body: Kept,
}

#[derive(Debug, Clone, Copy)]
enum Kept {
    Midi { start: usize, end: usize },
    Parameter { index: u32, value: f64 },
    Note(Note),
    Expression(NoteExpression),
}

impl PartialEq for EventList {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
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
        let body = match event.body {
            EventBody::Midi(data) => {
                let start = self.bytes.len();
                self.bytes.extend_from_slice(data);
                Kept::Midi {
                    start,
                    end: self.bytes.len(),
                }
            }
            EventBody::Parameter { index, value } => Kept::Parameter { index, value },
            EventBody::Note(note) => Kept::Note(note),
            EventBody::Expression(expression) => Kept::Expression(expression),
        };
        self.entries.push(Entry {
            offset: event.offset,
            turn: self.entries.len(),
            body,
        });
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

    /// Appends a note with an id.
    pub fn push_note(&mut self, offset: u32, note: Note) {
        self.push(Event {
            offset,
            body: EventBody::Note(note),
        });
    }

    /// Appends a note expression.
    pub fn push_expression(&mut self, offset: u32, expression: NoteExpression) {
        self.push(Event {
            offset,
            body: EventBody::Expression(expression),
        });
    }

    /// Whether an event of `midi_bytes` fits without allocating.
    pub fn has_room(&self, midi_bytes: usize) -> bool {
        self.entries.len() < self.entries.capacity()
            && self.bytes.len() + midi_bytes <= self.bytes.capacity()
    }

    /// Removes all events, keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.entries.clear();
    }

    /// Sorts by offset; events at one offset keep their order. Does not allocate.
    pub fn sort(&mut self) {
        self.entries
            .sort_unstable_by_key(|entry| (entry.offset, entry.turn));
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

    fn event(&self, entry: &Entry) -> Event<'_> {
        let body = match entry.body {
            Kept::Midi { start, end } => EventBody::Midi(&self.bytes[start..end]),
            Kept::Parameter { index, value } => EventBody::Parameter { index, value },
            Kept::Note(note) => EventBody::Note(note),
            Kept::Expression(expression) => EventBody::Expression(expression),
        };
        Event {
            offset: entry.offset,
            body,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTE: Note = Note {
        id: 7,
        is_on: true,
        channel: 3,
        key: 60,
        velocity: 0.5,
        tuning: -12.5,
    };

    #[test]
    fn events_at_one_offset_keep_their_order() {
        let mut list = EventList::new();
        for at in 0..100u8 {
            let offset = u32::from(99 - at) / 10;
            match at % 3 {
                0 => list.push_midi(offset, &[at]),
                1 => list.push_parameter(offset, at.into(), 0.0),
                _ => list.push_note(offset, Note { key: at, ..NOTE }),
            }
        }
        let mut sorted: Vec<_> = list.iter().collect();
        sorted.sort_by_key(|event| event.offset);
        let mut list = list.clone();
        list.sort();
        assert!(list.iter().eq(sorted));
    }

    #[test]
    fn a_list_gives_back_what_it_took_in_order() {
        let mut list = EventList::with_capacity(4, 4);
        list.push_midi(7, &[0x90, 60, 100]);
        assert!(list.has_room(1) && !list.has_room(2));
        list.push_parameter(2, 4, 0.5);
        list.push_midi(2, &[0xF8]);
        let expression = NoteExpression {
            note_id: 7,
            type_id: 100_000,
            value: 0.25,
        };
        assert!(list.has_room(0));
        list.push_expression(2, expression);
        assert!(!list.has_room(0));
        list.sort();
        let offsets: Vec<_> = list.iter().map(|e| e.offset).collect();
        assert_eq!(offsets, [2, 2, 2, 7]);
        assert_eq!(
            list.get(0).unwrap().body,
            EventBody::Parameter {
                index: 4,
                value: 0.5
            }
        );
        assert_eq!(list.get(2).unwrap().body, EventBody::Expression(expression));
        assert_eq!(list.get(3).unwrap().body, EventBody::Midi(&[0x90, 60, 100]));
        list.clear();
        assert!(list.is_empty() && list.has_room(4));
    }

    #[test]
    fn a_note_is_sound_or_not_and_has_its_midi() {
        assert!(NOTE.is_sound());
        assert_eq!(NOTE.midi(), [0x93, 60, 64]);
        let off = Note {
            is_on: false,
            velocity: 0.0,
            ..NOTE
        };
        assert_eq!(off.midi(), [0x83, 60, 0]);
        assert_eq!(
            Note { is_on: true, ..off }.midi(),
            [0x93, 60, 1],
            "no note off"
        );
        for wrong in [
            Note { id: -1, ..NOTE },
            Note {
                channel: 16,
                ..NOTE
            },
            Note { key: 128, ..NOTE },
            Note {
                velocity: f32::NAN,
                ..NOTE
            },
            Note {
                velocity: 1.1,
                ..NOTE
            },
            Note {
                tuning: f32::INFINITY,
                ..NOTE
            },
            Note {
                tuning: -MAX_TUNING - 1.0,
                ..NOTE
            },
        ] {
            assert!(!wrong.is_sound(), "{wrong:?}");
        }
        assert!(is_client_note(0) && is_client_note(MAX_NOTE_ID));
        assert!(!is_client_note(-2) && !is_client_note(MAX_NOTE_ID + 1));
    }
}
