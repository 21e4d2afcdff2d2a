//! Events of a block as bytes.
//!
//! One after another, each a head of 16 bytes in native order (kind, offset in frames, bytes of
//! payload, parameter index) and its payload, padded with zeros to a multiple of 8.

use plugpen_proto::event::{Event, EventBody, EventList};

const HEAD: usize = 16;
const MIDI: u32 = 1;
const PARAMETER: u32 = 2;

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
    };
    HEAD + payload.next_multiple_of(8)
}

/// Writes an event through `write(offset, bytes)`, which has room for [`encoded_len`] bytes. An
/// offset at or past the block's end is moved to its last frame, as the documented API does.
pub(crate) fn encode(event: &Event<'_>, frames: u32, mut write: impl FnMut(usize, &[u8])) {
    let bits;
    let (kind, index, payload): (_, _, &[u8]) = match event.body {
        EventBody::Midi(data) => (MIDI, 0, data),
        EventBody::Parameter { index, value } => {
            bits = value.to_ne_bytes();
            (PARAMETER, index, &bits)
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
    pub may_allocate: bool,
}

/// Appends the events in `area`, a private copy of what the peer wrote; returns how many were
/// refused: out of the block, a bad parameter index or value, an empty message, or no room in a
/// list that may not grow.
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
        let body = match (kind, <[u8; 8]>::try_from(payload)) {
            (MIDI, _) => EventBody::Midi(payload),
            (PARAMETER, Ok(bits)) => EventBody::Parameter {
                index,
                value: f64::from_ne_bytes(bits),
            },
            (PARAMETER, Err(_)) => {
                return Err(format!(
                    "a parameter change at byte {at} has {len} bytes, expected 8"
                ));
            }
            _ => return Err(format!("an event at byte {at} is of unknown kind {kind}")),
        };
        let event = Event { offset, body };
        match accepts(&event, bounds) && (bounds.may_allocate || has_room(list, &event)) {
            true => list.push(event),
            false => refused += 1,
        }
    }
    Ok(refused)
}

fn accepts(event: &Event<'_>, bounds: Bounds) -> bool {
    let sound = match event.body {
        EventBody::Midi(data) => !data.is_empty(),
        EventBody::Parameter { index, value } => {
            index < bounds.parameters && (0.0..=1.0).contains(&value)
        }
    };
    sound && event.offset < bounds.frames.max(1)
}

fn has_room(list: &EventList, event: &Event<'_>) -> bool {
    list.has_room(match event.body {
        EventBody::Midi(data) => data.len(),
        EventBody::Parameter { .. } => 0,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::cases;

    const BOUNDS: Bounds = Bounds {
        frames: 64,
        parameters: 5,
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

    fn lists() -> impl Strategy<Value = EventList> {
        let midi = prop::collection::vec(any::<u8>(), 1..20).prop_map(Ok);
        let parameter = (0..5u32, 0.0..=1.0f64).prop_map(Err);
        let events = prop::collection::vec((0..64u32, prop_oneof![midi, parameter]), 0..20);
        events.prop_map(|events| {
            let mut list = EventList::new();
            for (offset, event) in events {
                match event {
                    Ok(data) => list.push_midi(offset, &data),
                    Err((index, value)) => list.push_parameter(offset, index, value),
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
