//! Events of a block as bytes.
//!
//! One after another, each a head of 16 bytes in native order (kind, offset in frames, bytes of
//! payload, and a parameter's index or a note's id) and its payload, padded with zeros to a
//! multiple of 8:
//!
//! | kind | payload |
//! |---|---|
//! | 1, MIDI | the message |
//! | 2, parameter | its value (`f64`) |
//! | 3, note | velocity and tuning (`f32`), then a byte each: begins, channel, key, 0 |
//! | 4, expression | its value (`f64`), its type (`u32`) |

use plugpen_proto::event::{Event, EventBody, EventList, Note, NoteExpression, is_client_note};

const HEAD: usize = 16;
const MIDI: u32 = 1;
const PARAMETER: u32 = 2;
const NOTE: u32 = 3;
const EXPRESSION: u32 = 4;

/// Bytes of a note.
const NOTE_BYTES: usize = 12;
/// Bytes of an expression.
const EXPRESSION_BYTES: usize = 12;

/// The block's event area has no room for an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the event needs {needed} bytes and {room} of the block's event area are left: send fewer events a block or open the plugin with more event_bytes"
)]
pub struct EventsFull {
    /// Bytes the event takes.
    pub needed: usize,
    /// Bytes that are left.
    pub room: usize,
}

/// Bytes an event takes.
pub(crate) fn encoded_len(event: &Event<'_>) -> usize {
    let payload = match event.body {
        EventBody::Midi(data) => data.len(),
        EventBody::Parameter { .. } => 8,
        EventBody::Note(_) => NOTE_BYTES,
        EventBody::Expression(_) => EXPRESSION_BYTES,
    };
    HEAD + payload.next_multiple_of(8)
}

/// Writes an event through `write(offset, bytes)`, which has room for [`encoded_len`] bytes. An
/// offset at or past the block's end is moved to its last frame, as the documented API does.
pub(crate) fn encode(event: &Event<'_>, frames: u32, mut write: impl FnMut(usize, &[u8])) {
    let mut bytes = [0; 12];
    let (kind, index, payload): (_, _, &[u8]) = match event.body {
        EventBody::Midi(data) => (MIDI, 0, data),
        EventBody::Parameter { index, value } => {
            bytes[..8].copy_from_slice(&value.to_ne_bytes());
            (PARAMETER, index, &bytes[..8])
        }
        EventBody::Note(note) => {
            bytes[..4].copy_from_slice(&note.velocity.to_ne_bytes());
            bytes[4..8].copy_from_slice(&note.tuning.to_ne_bytes());
            bytes[8..].copy_from_slice(&[note.is_on.into(), note.channel, note.key, 0]);
            (NOTE, note.id.cast_unsigned(), &bytes)
        }
        EventBody::Expression(expression) => {
            bytes[..8].copy_from_slice(&expression.value.to_ne_bytes());
            bytes[8..].copy_from_slice(&expression.type_id.to_ne_bytes());
            (EXPRESSION, expression.note_id.cast_unsigned(), &bytes)
        }
    };
    let offset = event.offset.min(frames.saturating_sub(1));
    // An area holds at most 16 MiB, so what fits it has a length that fits.
    let len = u32::try_from(payload.len()).expect("an event that fits its area");
    let mut head = [0; HEAD];
    for (bytes, value) in head.chunks_exact_mut(4).zip([kind, offset, len, index]) {
        bytes.copy_from_slice(&value.to_ne_bytes());
    }
    write(0, &head);
    write(HEAD, payload);
    let padding = payload.len().next_multiple_of(8) - payload.len();
    write(HEAD + payload.len(), &[0; 8][..padding]);
}

/// What the events of a block are checked against, and whether the list may grow.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub frames: u32,
    pub parameters: u32,
    /// Notes have ids that a client may give.
    pub from_client: bool,
    pub may_allocate: bool,
}

/// Appends the events in `area`, a private copy of what the peer wrote; returns how many were
/// refused: out of the block, a bad index, id or value, an empty message, or no room in a list
/// that may not grow.
///
/// # Errors
///
/// The bytes are not a sequence of events; those before the damage have been appended.
pub(crate) fn decode(area: &[u8], bounds: Bounds, list: &mut EventList) -> Result<u32, String> {
    let mut refused = 0;
    let mut rest = area;
    while !rest.is_empty() {
        let at = area.len() - rest.len();
        let Some((head, after)) = rest.split_at_checked(HEAD) else {
            return Err(format!(
                "an event at byte {at} of {} has no head",
                area.len()
            ));
        };
        let mut fields = head
            .chunks_exact(4)
            .map(|bytes| u32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
        let mut field = || fields.next().expect("four fields in a head");
        let (kind, offset, len, index) = (field(), field(), field(), field());
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        let padded = len.checked_next_multiple_of(8);
        let Some((payload, next)) = padded.and_then(|padded| after.split_at_checked(padded)) else {
            return Err(format!(
                "an event at byte {at} says it has {len} bytes; {} are left",
                after.len()
            ));
        };
        let payload = &payload[..len];
        rest = next;
        let wrong = |what: &str| Err(format!("{what} at byte {at} has {len} bytes"));
        let body = match kind {
            MIDI => EventBody::Midi(payload),
            PARAMETER => match <[u8; 8]>::try_from(payload) {
                Ok(bits) => EventBody::Parameter {
                    index,
                    value: f64::from_ne_bytes(bits),
                },
                Err(_) => return wrong("a parameter change"),
            },
            NOTE => match note(index, payload) {
                Some(note) => EventBody::Note(note),
                None => return wrong("a note"),
            },
            EXPRESSION => match expression(index, payload) {
                Some(expression) => EventBody::Expression(expression),
                None => return wrong("a note expression"),
            },
            _ => return Err(format!("an event at byte {at} is of unknown kind {kind}")),
        };
        let event = Event { offset, body };
        match accepts(&event, bounds)
            && (bounds.may_allocate || list.has_room(event.body.midi_bytes()))
        {
            true => list.push(event),
            false => refused += 1,
        }
    }
    Ok(refused)
}

fn accepts(event: &Event<'_>, bounds: Bounds) -> bool {
    let is_known = |id| !bounds.from_client || is_client_note(id);
    let sound = match event.body {
        EventBody::Midi(data) => !data.is_empty(),
        EventBody::Parameter { index, value } => {
            index < bounds.parameters && (0.0..=1.0).contains(&value)
        }
        EventBody::Note(note) => note.is_sound() && is_known(note.id),
        EventBody::Expression(expression) => expression.is_sound() && is_known(expression.note_id),
    };
    sound && event.offset < bounds.frames.max(1)
}

/// The note in a payload; `None` where that has another length.
fn note(id: u32, payload: &[u8]) -> Option<Note> {
    let [a, b, c, d, e, f, g, h, is_on, channel, key, _] = *payload else {
        return None;
    };
    Some(Note {
        id: id.cast_signed(),
        is_on: is_on != 0,
        channel,
        key,
        velocity: f32::from_ne_bytes([a, b, c, d]),
        tuning: f32::from_ne_bytes([e, f, g, h]),
    })
}

/// The expression in a payload; `None` where that has another length.
fn expression(id: u32, payload: &[u8]) -> Option<NoteExpression> {
    let payload: [u8; EXPRESSION_BYTES] = payload.try_into().ok()?;
    let [a, b, c, d, e, f, g, h, type_id @ ..] = payload;
    Some(NoteExpression {
        note_id: id.cast_signed(),
        type_id: u32::from_ne_bytes(type_id),
        value: f64::from_ne_bytes([a, b, c, d, e, f, g, h]),
    })
}

#[cfg(test)]
mod tests {
    use plugpen_proto::limits::MAX_NOTE_ID;
    use proptest::prelude::*;

    use super::*;
    use crate::testing::cases;

    const BOUNDS: Bounds = Bounds {
        frames: 64,
        parameters: 5,
        from_client: true,
        may_allocate: true,
    };

    fn encoded(list: &EventList, frames: u32) -> Vec<u8> {
        let mut area = Vec::new();
        for event in list.iter() {
            let start = area.len();
            area.resize(start + encoded_len(&event), 0xAA);
            encode(&event, frames, |offset, bytes| {
                area[start + offset..][..bytes.len()].copy_from_slice(bytes);
            });
        }
        area
    }

    #[derive(Debug, Clone)]
    enum Body {
        Midi(Vec<u8>),
        Parameter(u32, f64),
        Note(Note),
        Expression(NoteExpression),
    }

    fn lists() -> impl Strategy<Value = EventList> {
        let midi = prop::collection::vec(any::<u8>(), 1..20).prop_map(Body::Midi);
        let parameter =
            (0..5u32, 0.0..=1.0f64).prop_map(|(index, value)| Body::Parameter(index, value));
        let note = (
            0..=MAX_NOTE_ID,
            any::<bool>(),
            0..16u8,
            0..128u8,
            0.0..=1.0f32,
            -99.0..99.0f32,
        );
        let note = note.prop_map(|(id, is_on, channel, key, velocity, tuning)| {
            Body::Note(Note {
                id,
                is_on,
                channel,
                key,
                velocity,
                tuning,
            })
        });
        let expression = (0..=MAX_NOTE_ID, 0..u32::MAX, 0.0..=1.0f64);
        let expression = expression.prop_map(|(note_id, type_id, value)| {
            Body::Expression(NoteExpression {
                note_id,
                type_id,
                value,
            })
        });
        let body = prop_oneof![midi, parameter, note, expression];
        let events = prop::collection::vec((0..64u32, body), 0..20);
        events.prop_map(|events| {
            let mut list = EventList::new();
            for (offset, event) in events {
                match event {
                    Body::Midi(data) => list.push_midi(offset, &data),
                    Body::Parameter(index, value) => list.push_parameter(offset, index, value),
                    Body::Note(note) => list.push_note(offset, note),
                    Body::Expression(expression) => list.push_expression(offset, expression),
                }
            }
            list
        })
    }

    proptest! {
        #![proptest_config(cases(256))]

        #[test]
        fn events_come_back_as_they_went(list in lists()) {
            let area = encoded(&list, 64);
            let mut back = EventList::new();
            prop_assert_eq!(decode(&area, BOUNDS, &mut back), Ok(0));
            prop_assert_eq!(back, list);
        }

        #[test]
        fn damaged_events_are_refused_or_sound(
            list in lists(),
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut area = encoded(&list, 64);
            if !area.is_empty() {
                for (at, byte) in damage {
                    let at = at.index(area.len());
                    area[at] = byte;
                }
                area.truncate(cut.index(area.len() + 1));
            }
            let mut back = EventList::new();
            let _ = decode(&area, BOUNDS, &mut back);
            prop_assert!(back.iter().all(|event| accepts(&event, BOUNDS)));
        }

        #[test]
        fn noise_is_refused_or_sound(area in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut back = EventList::new();
            let _ = decode(&area, BOUNDS, &mut back);
            prop_assert!(back.iter().all(|event| accepts(&event, BOUNDS)));
        }
    }

    #[test]
    fn unsound_events_are_counted_and_left_out() {
        let mut list = EventList::new();
        list.push_midi(0, &[]);
        list.push_parameter(0, 5, 0.5);
        list.push_parameter(0, 0, f64::NAN);
        list.push_parameter(0, 0, 1.5);
        list.push_midi(3, &[0xFE]);
        let mut back = EventList::new();
        assert_eq!(decode(&encoded(&list, 64), BOUNDS, &mut back), Ok(4));
        assert_eq!(back.len(), 1);
        let late = Bounds {
            frames: 3,
            ..BOUNDS
        };
        assert_eq!(decode(&encoded(&list, 64), late, &mut back), Ok(5));
    }

    #[test]
    fn notes_have_ids_that_their_sender_may_give() {
        let note = |id, velocity| Note {
            id,
            is_on: true,
            channel: 0,
            key: 60,
            velocity,
            tuning: 0.0,
        };
        let expression = |note_id, type_id, value| NoteExpression {
            note_id,
            type_id,
            value,
        };
        let mut list = EventList::new();
        // What neither may send.
        list.push_note(0, note(-1, 0.5));
        list.push_note(0, note(1, f32::NAN));
        list.push_expression(0, expression(1, u32::MAX, 0.5));
        list.push_expression(0, expression(1, 0, 1.5));
        list.push_expression(0, expression(-1, 0, 0.5));
        // What only a plugin may.
        list.push_note(0, note(-1000, 0.5));
        list.push_expression(0, expression(MAX_NOTE_ID + 1, 0, 0.5));
        // What both may.
        list.push_note(0, note(MAX_NOTE_ID, 0.0));
        list.push_expression(0, expression(0, u32::MAX - 1, 1.0));
        let area = encoded(&list, 64);
        for (from_client, refused) in [(true, 7), (false, 5)] {
            let mut back = EventList::new();
            let bounds = Bounds {
                from_client,
                ..BOUNDS
            };
            assert_eq!(decode(&area, bounds, &mut back), Ok(refused));
            assert!(back.iter().eq(list.iter().skip(refused as usize)));
        }
    }

    #[test]
    fn an_event_of_another_length_is_damage() {
        let mut list = EventList::new();
        list.push_expression(
            0,
            NoteExpression {
                note_id: 1,
                type_id: 0,
                value: 0.5,
            },
        );
        let mut area = encoded(&list, 64);
        for kind in [PARAMETER, NOTE, EXPRESSION] {
            area[..4].copy_from_slice(&kind.to_ne_bytes());
            area[8] = 11;
            let told = decode(&area, BOUNDS, &mut EventList::new());
            assert!(told.unwrap_err().contains("has 11 bytes"));
        }
    }

    #[test]
    fn offsets_past_the_block_move_to_its_last_frame() {
        let mut list = EventList::new();
        list.push_midi(u32::MAX, &[0xFE]);
        for (frames, expected) in [(64, 63), (1, 0), (0, 0)] {
            let mut back = EventList::new();
            let bounds = Bounds { frames, ..BOUNDS };
            assert_eq!(decode(&encoded(&list, frames), bounds, &mut back), Ok(0));
            assert_eq!(back.get(0).map(|event| event.offset), Some(expected));
        }
    }

    #[test]
    fn a_list_that_may_not_grow_does_not() {
        let mut list = EventList::new();
        for _ in 0..3 {
            list.push_midi(0, &[0x90, 60, 100]);
        }
        let area = encoded(&list, 64);
        let bounds = Bounds {
            may_allocate: false,
            ..BOUNDS
        };
        let mut back = EventList::with_capacity(2, 64);
        assert_eq!(decode(&area, bounds, &mut back), Ok(1));
        assert_eq!(back.len(), 2);
    }
}
