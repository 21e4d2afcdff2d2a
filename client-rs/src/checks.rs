//! What may go into a block, checked before anything is sent. The messages are minihost's where
//! it has one.

use plugpen_engine::{BlockInput, Io, Planes, PlanesMut};
use plugpen_proto::event::{Event, EventBody, EventList, Note, NoteExpression, is_client_note};
use plugpen_proto::limits::{MAX_NOTE_ID, MAX_TUNING};
use plugpen_proto::v1::Transport;

use crate::error::{Error, Result};

/// A block is longer than agreed.
pub(crate) fn too_long(frames: usize, max_block_size: usize) -> Error {
    Error::invalid(format!(
        "Frame count {frames} exceeds max block size {max_block_size}"
    ))
}

/// The block's size, and that every channel is long enough. A side without planes is silence.
pub(crate) fn planes(io: &Io, block: &BlockInput<'_>) -> Result<()> {
    if block.frames > io.max_block_size {
        return Err(too_long(block.frames, io.max_block_size));
    }
    for planes in [&block.audio, &block.sidechain] {
        if let Some(found) = planes.frames().filter(|found| *found < block.frames) {
            return Err(Error::invalid(format!(
                "a channel of the input has {found} frames, the block has {}",
                block.frames
            )));
        }
    }
    Ok(())
}

/// The shapes of a block that a user wrote: all buffers of one length, and no channel missing.
pub(crate) fn shapes(
    io: &Io,
    frames: usize,
    input: &Planes<'_>,
    sidechain: &Planes<'_>,
    output: &PlanesMut<'_>,
) -> Result<()> {
    let differing = |found: &Option<usize>| found.is_some_and(|found| found != frames);
    let (given, taken) = (input_frames(input), output_frames(output));
    if differing(&given) || differing(&taken) {
        let said = |found: Option<usize>| found.unwrap_or(frames);
        return Err(Error::invalid(format!(
            "Input and output frame counts must match (input={}, output={})",
            said(given),
            said(taken)
        )));
    }
    if let Some(found) = input_frames(sidechain).filter(|found| *found != frames) {
        return Err(Error::invalid(format!(
            "All buffer frame counts must match (main={frames}, sidechain={found})"
        )));
    }
    if frames > io.max_block_size {
        return Err(too_long(frames, io.max_block_size));
    }
    enough(
        "Input",
        !matches!(input, Planes::None),
        input.channels(),
        io.inputs,
    )?;
    enough(
        "Sidechain input",
        !matches!(sidechain, Planes::None),
        sidechain.channels(),
        io.sidechain,
    )?;
    enough(
        "Output",
        !matches!(output, PlanesMut::None),
        output.channels(),
        io.outputs,
    )
}

fn enough(what: &str, is_given: bool, found: usize, needed: usize) -> Result<()> {
    if is_given && found < needed {
        return Err(Error::invalid(format!(
            "{what} has {found} channel(s) but plugin requires at least {needed}"
        )));
    }
    Ok(())
}

/// The length of the channels; of the odd one out where they differ.
fn input_frames(planes: &Planes<'_>) -> Option<usize> {
    match planes {
        Planes::None => None,
        Planes::F32(planes) => odd_length(planes.iter().map(|plane| plane.len())),
        Planes::F64(planes) => odd_length(planes.iter().map(|plane| plane.len())),
    }
}

fn output_frames(planes: &PlanesMut<'_>) -> Option<usize> {
    match planes {
        PlanesMut::None => None,
        PlanesMut::F32(planes) => odd_length(planes.iter().map(|plane| plane.len())),
        PlanesMut::F64(planes) => odd_length(planes.iter().map(|plane| plane.len())),
    }
}

fn odd_length(mut lengths: impl Iterator<Item = usize>) -> Option<usize> {
    let first = lengths.next()?;
    Some(lengths.find(|length| *length != first).unwrap_or(first))
}

/// Events for a chain as a whole, which has no parameters of its own.
pub(crate) fn midi_only(events: &EventList, frames: usize) -> Result<()> {
    if events.iter().any(|event| event.body.is_parameter()) {
        return Err(Error::invalid(
            "a chain takes MIDI and notes as its events; parameter changes name their plugin",
        ));
    }
    self::events(events, frames, 0)
}

/// Note expressions for a plugin that takes none are refused: nothing could be done with them.
pub(crate) fn expressions(events: &EventList, takes_them: bool) -> Result<()> {
    let is_one = |event: Event<'_>| matches!(event.body, EventBody::Expression(_));
    match !takes_them && events.iter().any(is_one) {
        true => Err(Error::unsupported(
            "this plugin takes no note expression: it is not a VST3 plugin, or one without any; \
             note_expressions() lists what a plugin takes",
        )),
        false => Ok(()),
    }
}

/// MIDI messages that are some, notes and expressions that are sound, parameters that exist,
/// numbers that are finite, offsets of parameter changes within the block. What is played beyond
/// the block's end moves to its last frame.
pub(crate) fn events(events: &EventList, frames: usize, parameters: u32) -> Result<()> {
    if events.is_empty() {
        return Ok(());
    }
    if frames == 0 {
        return Err(Error::invalid(
            "a block of 0 frames has no place for events; send them with the next block",
        ));
    }
    events
        .iter()
        .try_for_each(|event| check_event(&event, frames, parameters))
}

fn check_event(event: &Event<'_>, frames: usize, parameters: u32) -> Result<()> {
    match event.body {
        EventBody::Midi(data) => midi(data)
            .map_err(|what| Error::invalid(format!("MIDI event at {}: {what}", event.offset))),
        EventBody::Parameter { index, value } => {
            let wrong = |what: String| {
                Error::invalid(format!(
                    "automation entry ({}, {index}, {value}): {what}",
                    event.offset
                ))
            };
            if index >= parameters {
                return Err(wrong(match parameters.checked_sub(1) {
                    Some(last) => format!("param_index must be an integer in [0, {last}]"),
                    None => "the plugin has no parameters".into(),
                }));
            }
            if usize::try_from(event.offset).is_ok_and(|offset| offset >= frames) {
                let last = frames - 1;
                return Err(wrong(format!(
                    "sample_offset must be an integer in [0, {last}]"
                )));
            }
            if !value.is_finite() {
                return Err(wrong("value must be a finite number".into()));
            }
            Ok(())
        }
        EventBody::Note(note) => self::note(&note)
            .map_err(|what| Error::invalid(format!("note event at {}: {what}", event.offset))),
        EventBody::Expression(expression) => self::expression(&expression)
            .map_err(|what| Error::invalid(format!("note expression at {}: {what}", event.offset))),
    }
}

fn note_id(id: i32) -> std::result::Result<(), String> {
    match is_client_note(id) {
        true => Ok(()),
        false => Err(format!(
            "note_id must be an integer in [0, {MAX_NOTE_ID}], got {id}"
        )),
    }
}

fn note(note: &Note) -> std::result::Result<(), String> {
    note_id(note.id)?;
    if note.channel > 15 || note.key > 127 {
        return Err(format!(
            "channel must be in [0, 15] and key in [0, 127], got {} and {}",
            note.channel, note.key
        ));
    }
    match note.is_sound() {
        true => Ok(()),
        false => Err(format!(
            "velocity must be in [0, 1] and tuning in [-{MAX_TUNING}, {MAX_TUNING}] cents, got {} and {}",
            note.velocity, note.tuning
        )),
    }
}

fn expression(expression: &NoteExpression) -> std::result::Result<(), String> {
    note_id(expression.note_id)?;
    match expression.is_sound() {
        true => Ok(()),
        false => Err(format!(
            "type_id must be in [0, {}] and value in [0, 1], got {} and {}",
            u32::MAX - 1,
            expression.type_id,
            expression.value
        )),
    }
}

/// One whole MIDI 1.0 message.
fn midi(data: &[u8]) -> std::result::Result<(), String> {
    let Some((&status, rest)) = data.split_first() else {
        return Err("the message is empty".into());
    };
    if status < 0x80 {
        return Err(format!(
            "status must be an integer in [128, 255], got {status}"
        ));
    }
    let rest = match (status, rest) {
        (0xF0, [body @ .., 0xF7]) => body,
        (0xF0, _) => return Err("a SysEx message must end with 247 (0xF7)".into()),
        _ => rest,
    };
    if let Some(byte) = rest.iter().find(|byte| **byte > 127) {
        return Err(format!("data bytes must be in [0, 127], got {byte}"));
    }
    let needed = message_length(status).unwrap_or(data.len());
    if data.len() < needed {
        return Err(format!(
            "a message with status {status} has {needed} bytes, got {}",
            data.len()
        ));
    }
    Ok(())
}

/// Bytes of a message with this status; `None` for SysEx, which says itself where it ends.
fn message_length(status: u8) -> Option<usize> {
    match status {
        0xF0 => None,
        0xC0..=0xDF | 0xF1 | 0xF3 => Some(2),
        0x80..=0xBF | 0xE0..=0xEF | 0xF2 => Some(3),
        _ => Some(1),
    }
}

/// The event as it is sent: a MIDI message without the filling bytes of a fixed-size tuple, a
/// parameter value within 0 to 1.
pub(crate) fn trimmed(event: Event<'_>) -> Event<'_> {
    let body = match event.body {
        EventBody::Midi(data) => {
            let length = data.first().and_then(|status| message_length(*status));
            let length = length.unwrap_or(data.len()).min(data.len());
            EventBody::Midi(&data[..length])
        }
        EventBody::Parameter { index, value } => EventBody::Parameter {
            index,
            value: value.clamp(0.0, 1.0),
        },
        whole => whole,
    };
    Event { body, ..event }
}

/// A playhead with numbers in it.
pub(crate) fn transport(transport: &Transport) -> Result<()> {
    let is_tempo = transport.bpm.is_finite() && transport.bpm > 0.0;
    if !is_tempo || !transport.position_beats.is_finite() {
        return Err(Error::invalid(format!(
            "bpm must be a finite number greater than 0, and position_beats finite, got bpm={} and position_beats={}",
            transport.bpm, transport.position_beats
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use plugpen_proto::v1::ErrorReason;

    use super::*;

    fn message(result: Result<()>) -> String {
        let error = result.unwrap_err();
        assert_eq!(error.reason, ErrorReason::InvalidInput);
        error.message
    }

    fn check_shapes(input: (usize, usize), output: (usize, usize), frames: usize) -> Result<()> {
        let samples = vec![0.0f32; 1024];
        let ins: Vec<&[f32]> = (0..input.0).map(|_| &samples[..input.1]).collect();
        let mut out = vec![vec![0.0f32; output.1]; output.0];
        let mut outs: Vec<&mut [f32]> = out.iter_mut().map(Vec::as_mut_slice).collect();
        shapes(
            &Io::default(),
            frames,
            &Planes::F32(&ins),
            &Planes::None,
            &PlanesMut::F32(&mut outs),
        )
    }

    #[test]
    fn shapes_that_do_not_fit_are_named() {
        check_shapes((2, 512), (3, 512), 512).unwrap();
        check_shapes((2, 0), (2, 0), 0).unwrap();
        assert_eq!(
            message(check_shapes((2, 100), (2, 101), 100)),
            "Input and output frame counts must match (input=100, output=101)"
        );
        assert_eq!(
            message(check_shapes((2, 513), (2, 513), 513)),
            "Frame count 513 exceeds max block size 512"
        );
        assert_eq!(
            message(check_shapes((1, 64), (2, 64), 64)),
            "Input has 1 channel(s) but plugin requires at least 2"
        );
        assert_eq!(
            message(check_shapes((2, 64), (1, 64), 64)),
            "Output has 1 channel(s) but plugin requires at least 2"
        );
    }

    #[test]
    fn a_side_without_planes_is_silence() {
        let nothing = (Planes::None, PlanesMut::None);
        shapes(&Io::default(), 64, &nothing.0, &Planes::None, &nothing.1).unwrap();
    }

    fn check_events(build: impl FnOnce(&mut EventList)) -> Result<()> {
        let mut list = EventList::new();
        build(&mut list);
        events(&list, 512, 4)
    }

    #[test]
    fn every_kind_of_message_passes() {
        check_events(|list| {
            list.push_midi(0, &[0x90, 60, 100]);
            list.push_midi(9999, &[0xC0, 5]);
            list.push_midi(1, &[0xC0, 5, 0]);
            list.push_midi(2, &[0xF8]);
            list.push_midi(3, &[0xF0, 0x7E, 0x01, 0xF7]);
            list.push_parameter(511, 3, 7.0);
        })
        .unwrap();
    }

    #[test]
    fn malformed_events_are_named() {
        let cases: [(&[u8], &str); 6] = [
            (&[], "empty"),
            (&[0x40, 1, 1], "status must be an integer in [128, 255]"),
            (&[0x90, 200, 1], "[0, 127]"),
            (&[0x90, 60], "has 3 bytes"),
            (&[0xF0, 1, 2], "must end with 247"),
            (&[0xF0, 0x90, 0xF7], "[0, 127]"),
        ];
        for (data, expected) in cases {
            let said = message(check_events(|list| list.push_midi(0, data)));
            assert!(said.contains(expected), "{data:?}: {said}");
        }
    }

    #[test]
    fn automation_out_of_range_is_named() {
        let cases = [
            ((0, 4, 0.5), "param_index must be an integer in [0, 3]"),
            (
                (512, 0, 0.5),
                "sample_offset must be an integer in [0, 511]",
            ),
            ((0, 0, f64::NAN), "value must be a finite number"),
        ];
        for ((offset, index, value), expected) in cases {
            let said = message(check_events(|list| {
                list.push_parameter(offset, index, value);
            }));
            assert!(said.contains(expected), "{said}");
        }
    }

    #[test]
    fn unsound_notes_and_expressions_are_named() {
        let good = Note {
            id: 1,
            is_on: true,
            channel: 0,
            key: 60,
            velocity: 0.5,
            tuning: 0.0,
        };
        let shape = NoteExpression {
            note_id: MAX_NOTE_ID,
            type_id: 0,
            value: 1.0,
        };
        check_events(|list| {
            list.push_note(0, good);
            list.push_expression(9999, shape);
        })
        .unwrap();
        let notes = [
            (Note { id: -1, ..good }, "note_id must be"),
            (
                Note {
                    id: MAX_NOTE_ID + 1,
                    ..good
                },
                "note_id must be",
            ),
            (
                Note {
                    channel: 16,
                    ..good
                },
                "channel must be in [0, 15]",
            ),
            (Note { key: 128, ..good }, "key in [0, 127]"),
            (
                Note {
                    velocity: f32::NAN,
                    ..good
                },
                "velocity must be in [0, 1]",
            ),
            (
                Note {
                    tuning: 1e9,
                    ..good
                },
                "tuning in [-12800, 12800] cents",
            ),
        ];
        for (wrong, expected) in notes {
            let said = message(check_events(|list| list.push_note(0, wrong)));
            assert!(said.contains(expected), "{said}");
        }
        let shapes = [
            (
                NoteExpression {
                    note_id: -5,
                    ..shape
                },
                "note_id must be",
            ),
            (
                NoteExpression {
                    type_id: u32::MAX,
                    ..shape
                },
                "type_id must be",
            ),
            (
                NoteExpression {
                    value: f64::INFINITY,
                    ..shape
                },
                "value in [0, 1]",
            ),
        ];
        for (wrong, expected) in shapes {
            let said = message(check_events(|list| list.push_expression(0, wrong)));
            assert!(said.contains(expected), "{said}");
        }
        let mut list = EventList::new();
        list.push_note(0, good);
        expressions(&list, false).unwrap();
        list.push_expression(0, shape);
        expressions(&list, true).unwrap();
        let refused = expressions(&list, false).unwrap_err();
        assert_eq!(refused.reason, ErrorReason::Unsupported);
    }

    #[test]
    fn filling_bytes_of_short_messages_are_cut() {
        let cut = |data: &[u8]| match trimmed(Event {
            offset: 0,
            body: EventBody::Midi(data),
        })
        .body
        {
            EventBody::Midi(data) => data.to_vec(),
            _ => unreachable!("it was MIDI"),
        };
        assert_eq!(cut(&[0xC3, 5, 0]), [0xC3, 5]);
        assert_eq!(cut(&[0xF8, 0, 0]), [0xF8]);
        assert_eq!(cut(&[0x93, 5, 0]), [0x93, 5, 0]);
        assert_eq!(cut(&[0xF0, 1, 2, 0xF7]), [0xF0, 1, 2, 0xF7]);
    }

    #[test]
    fn a_playhead_needs_a_tempo() {
        let good = Transport {
            bpm: 120.0,
            ..Transport::default()
        };
        transport(&good).unwrap();
        for bpm in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(message(transport(&Transport { bpm, ..good })).contains("bpm must be"));
        }
        let position_beats = f64::NAN;
        message(transport(&Transport {
            position_beats,
            ..good
        }));
    }
}
