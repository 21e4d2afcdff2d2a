//! Reading MIDI files. The bytes are a stranger's: everything is checked, nothing panics.

use std::ops::Range;

use midly::{MidiMessage, TrackEventKind};
use plugpen_proto::Error;

use super::{Division, EventKind, MidiFile, Stored, Stranger, Track};

/// Reads a file; its times are not worked out.
///
/// The chunks are walked here and not by midly, whose header reader panics on some divisions and
/// whose lenient mode ends a track in silence at the first event it does not like.
pub fn read(bytes: &[u8]) -> Result<MidiFile, Error> {
    let mut chunks = Chunks {
        file: bytes,
        place: unwrap_riff(bytes)?,
    };
    let header = match chunks.next().transpose()? {
        Some(chunk) if chunk.id == b"MThd" => chunk.body,
        _ => return Err(bad("it does not begin with an MThd chunk")),
    };
    let &[0, format, count_high, count_low, high, low, ..] = header else {
        return Err(bad("its header is too short or of an unknown format"));
    };
    if format > 2 {
        return Err(bad(format!("its format is {format}, expected 0, 1 or 2")));
    }
    let division = division([high, low])?;
    let declared = usize::from(u16::from_be_bytes([count_high, count_low]));
    let (mut tracks, mut strangers) = (Vec::new(), Vec::new());
    for chunk in chunks {
        let chunk = chunk?;
        if chunk.id != b"MTrk" {
            strangers.push(Stranger {
                track: tracks.len(),
                source: chunk.place,
            });
            continue;
        }
        let events = track(&bytes[chunk.place.clone()], chunk.body)
            .map_err(|error| bad(format!("in track {}: {}", tracks.len(), error.message)))?;
        tracks.push(Track {
            events,
            source: Some(chunk.place),
        });
    }
    if tracks.len() < declared {
        let found = tracks.len();
        return Err(bad(format!(
            "its header declares {declared} tracks, but {found} are there"
        )));
    }
    if tracks.is_empty() {
        tracks.push(Track::default());
    }
    Ok(MidiFile {
        division,
        format: Some(format),
        tracks,
        strangers,
        delta: false,
        joined: None,
        source: bytes.into(),
        whole: true,
    })
}

fn bad(why: impl std::fmt::Display) -> Error {
    Error::invalid(format!("not a whole MIDI file: {why}"))
}

fn division(bytes: [u8; 2]) -> Result<Division, Error> {
    let [high, ticks_per_frame] = bytes;
    if high < 0x80 {
        return match u16::from_be_bytes(bytes) {
            0 => Err(bad("its division is 0 ticks a quarter note")),
            ticks => Ok(Division::TicksPerQuarter(ticks)),
        };
    }
    match (high.wrapping_neg(), ticks_per_frame) {
        (fps @ (24 | 25 | 29 | 30), 1..) => Ok(Division::Timecode {
            fps,
            ticks_per_frame,
        }),
        (fps, ticks) => Err(bad(format!(
            "its division is {fps} frames a second with {ticks} ticks, expected 24, 25, 29 or 30 with at least 1"
        ))),
    }
}

/// A chunk, and where it is in the file, its head included.
struct Chunk<'a> {
    id: &'a [u8; 4],
    body: &'a [u8],
    place: Range<usize>,
}

/// The chunks in a part of a file.
struct Chunks<'a> {
    file: &'a [u8],
    place: Range<usize>,
}

impl<'a> Iterator for Chunks<'a> {
    type Item = Result<Chunk<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let Range { start, end } = self.place;
        let (id, rest) = self.file[start..end].split_first_chunk::<4>()?;
        // Up to seven bytes of padding at the end are no chunk.
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        let Some(body) = rest.get(..length) else {
            self.place = end..end;
            return Some(Err(bad(format!(
                "a chunk of {length} bytes ends after {}",
                rest.len()
            ))));
        };
        self.place.start = start + 8 + length;
        let place = start..self.place.start;
        Some(Ok(Chunk { id, body, place }))
    }
}

/// Where the MIDI file is in a RIFF file of form RMID; all of other bytes.
fn unwrap_riff(bytes: &[u8]) -> Result<Range<usize>, Error> {
    if !bytes.starts_with(b"RIFF") {
        return Ok(0..bytes.len());
    }
    let mut start = 12;
    while let Some([a, b, c, d, length @ ..]) =
        bytes.get(start..).and_then(<[u8]>::first_chunk::<8>)
    {
        let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
        start += 8;
        let end = start.saturating_add(length).min(bytes.len());
        if [*a, *b, *c, *d] == *b"data" {
            return Ok(start..end);
        }
        start = end + length % 2;
    }
    Err(bad("a RIFF file without MIDI data"))
}

fn track(whole: &[u8], body: &[u8]) -> Result<Vec<Stored>, Error> {
    let mut stored = Vec::new();
    let mut tick = 0_i64;
    // `TrackIter` wants the chunk, its events the bytes in it.
    let Some(Ok(events)) = midly::TrackIter::new(whole).next() else {
        return Ok(stored);
    };
    let mut events = events.bytemapped();
    let mut status = None;
    loop {
        let unread = events.unread();
        if unread.is_empty() {
            break;
        }
        // Some writers keep the running status through meta events and SysEx, against the rules.
        *events.running_status_mut() = status;
        let (delta, kind) = match events.next() {
            Some(Ok((bytes, event))) => {
                let kind = kind(bytes, &event.kind)?;
                (event.delta.as_int(), kind)
            }
            _ => {
                // midly takes no meta event of a known kind with unknown content.
                let (delta, kind, rest) = raw_meta(unread).ok_or_else(|| {
                    let at = body.len() - unread.len();
                    bad(format!("no event at byte {at}"))
                })?;
                events = midly::EventIter::new(rest).bytemapped();
                (delta, kind)
            }
        };
        status = events.running_status().or(status);
        tick += i64::from(delta);
        let ends = kind.is_end_of_track();
        stored.push(Stored {
            tick,
            seconds: 0.0,
            origin: 0,
            kind,
        });
        if ends {
            break;
        }
    }
    stored.shrink_to_fit();
    Ok(stored)
}

/// What an event says; `bytes` are those after its delta time.
fn kind(bytes: &[u8], kind: &TrackEventKind<'_>) -> Result<EventKind, Error> {
    let (channel, message) = match kind {
        TrackEventKind::Midi { channel, message } => (channel.as_int(), message),
        TrackEventKind::Meta(_) => {
            let (kind, data, _) =
                meta(bytes).ok_or_else(|| bad("a meta event is longer than its track"))?;
            return Ok(EventKind::meta(kind, data));
        }
        TrackEventKind::SysEx(data) => return whole(bytes, data).map(EventKind::SysEx),
        TrackEventKind::Escape(data) => return whole(bytes, data).map(EventKind::Escape),
    };
    Ok(match *message {
        MidiMessage::NoteOff { key, vel } => EventKind::NoteOff {
            channel,
            pitch: key.as_int(),
            velocity: vel.as_int(),
        },
        MidiMessage::NoteOn { key, vel } => EventKind::note_on(channel, key.as_int(), vel.as_int()),
        MidiMessage::Aftertouch { key, vel } => EventKind::PolyPressure {
            channel,
            pitch: key.as_int(),
            pressure: vel.as_int(),
        },
        MidiMessage::Controller { controller, value } => EventKind::ControlChange {
            channel,
            controller: controller.as_int(),
            value: value.as_int(),
        },
        MidiMessage::ProgramChange { program } => EventKind::ProgramChange {
            channel,
            program: program.as_int(),
        },
        MidiMessage::ChannelAftertouch { vel } => EventKind::ChannelPressure {
            channel,
            pressure: vel.as_int(),
        },
        MidiMessage::PitchBend { bend } => EventKind::PitchBend {
            channel,
            value: bend.0.as_int(),
        },
    })
}

/// The data of a SysEx or escape event, unless the track ends within it.
fn whole(bytes: &[u8], data: &[u8]) -> Result<Box<[u8]>, Error> {
    let declared = bytes.get(1..).and_then(variable_length);
    match declared {
        Some((length, _)) if length == data.len() => Ok(data.into()),
        _ => Err(bad("a SysEx event is longer than its track")),
    }
}

/// Delta time, meta event and what follows.
fn raw_meta(bytes: &[u8]) -> Option<(u32, EventKind, &[u8])> {
    let (delta, event) = variable_length(bytes)?;
    let (kind, data, rest) = meta(event)?;
    Some((
        u32::try_from(delta).ok()?,
        EventKind::meta(kind, data),
        rest,
    ))
}

/// Kind, data and what follows of a meta event.
fn meta(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let [0xFF, kind, rest @ ..] = bytes else {
        return None;
    };
    let (length, rest) = variable_length(rest)?;
    let (data, rest) = rest.split_at_checked(length)?;
    Some((*kind, data, rest))
}

/// A number of up to 28 bits and what follows it.
fn variable_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut number = 0;
    for (index, byte) in bytes.iter().take(4).enumerate() {
        number = number << 7 | usize::from(byte & 0x7F);
        if byte & 0x80 == 0 {
            return Some((number, &bytes[index + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(format: u8, division: [u8; 2], tracks: &[&[u8]]) -> Vec<u8> {
        let count = u8::try_from(tracks.len()).unwrap();
        let mut bytes = vec![0, 0, 0, 6, 0, format, 0, count, division[0], division[1]];
        bytes.splice(0..0, *b"MThd");
        for track in tracks {
            bytes.extend(b"MTrk");
            bytes.extend(u32::try_from(track.len()).unwrap().to_be_bytes());
            bytes.extend(*track);
        }
        bytes
    }

    fn kinds(bytes: &[u8]) -> Vec<(i64, EventKind)> {
        let file = read(bytes).unwrap();
        let events = file.tracks.into_iter().flat_map(|track| track.events);
        events.map(|event| (event.tick, event.kind)).collect()
    }

    const NOTE: &[u8] = b"\x00\x90\x3c\x40\x30\x3c\x00\x60\xff\x2f\x00";

    #[test]
    fn running_status_and_silent_note_ons() {
        let expected = [
            (0, EventKind::note_on(0, 60, 64)),
            (48, EventKind::note_on(0, 60, 0)),
            (144, EventKind::meta(0x2F, &[])),
        ];
        assert_eq!(kinds(&file(0, [0, 96], &[NOTE])), expected);
        // Kept through a meta event, against the rules.
        let track = b"\x00\x90\x3c\x40\x00\xff\x01\x00\x30\x3c\x00\x60\xff\x2f\x00";
        assert_eq!(kinds(&file(0, [0, 96], &[track]))[2], expected[1]);
    }

    #[test]
    fn odd_meta_events_and_sysex_are_kept() {
        let track = b"\0\xff\x59\x01\x00\0\xf0\x05\x7e\x7f\x09\x01\xf7\0\xf7\x02\xf3\x01\0\xa0\x3c\x10\0\xd0\x20\0\xff\x54\x05\xff\xff\xff\xff\xff\0\xff\x2f\0";
        let expected = [
            EventKind::meta(0x59, &[0]),
            EventKind::SysEx(Box::from([0x7E, 0x7F, 9, 1, 0xF7])),
            EventKind::Escape(Box::from([0xF3, 1])),
            EventKind::PolyPressure {
                channel: 0,
                pitch: 60,
                pressure: 16,
            },
            EventKind::ChannelPressure {
                channel: 0,
                pressure: 32,
            },
            EventKind::meta(0x54, &[0xFF; 5]),
            EventKind::meta(0x2F, &[]),
        ];
        let read: Vec<_> = kinds(&file(1, [0, 96], &[track]))
            .into_iter()
            .map(|e| e.1)
            .collect();
        assert_eq!(read, expected);
    }

    #[test]
    fn all_formats_and_divisions() {
        for format in 0..=2 {
            assert_eq!(
                read(&file(format, [0, 96], &[NOTE, NOTE]))
                    .unwrap()
                    .tracks
                    .len(),
                2
            );
        }
        let smpte = read(&file(1, [0xE7, 40], &[NOTE])).unwrap();
        let division = Division::Timecode {
            fps: 25,
            ticks_per_frame: 40,
        };
        assert_eq!(smpte.division, division);
        let mut riff = b"RIFF\0\0\0\0RMIDxxxx\x01\0\0\0y\0data".to_vec();
        let inner = file(0, [0, 96], &[NOTE]);
        riff.extend(u32::try_from(inner.len()).unwrap().to_le_bytes());
        riff.extend(&inner);
        riff.extend(b"LIST\0\0\0\0");
        assert_eq!(kinds(&riff), kinds(&inner));
        assert_eq!(read(&file(1, [0, 96], &[])).unwrap().tracks.len(), 1);
    }

    #[test]
    fn what_is_not_whole_is_refused_with_a_reason() {
        let check = |bytes: &[u8], expected: &str| {
            let error = read(bytes).unwrap_err().message;
            assert!(error.contains(expected), "{error}");
        };
        check(b"hello", "MThd");
        check(b"", "MThd");
        check(b"RIFF", "RIFF");
        check(&file(3, [0, 96], &[NOTE]), "format is 3");
        check(&file(1, [0, 0], &[NOTE]), "division is 0");
        check(&file(1, [0x80, 0], &[NOTE]), "128 frames");
        check(&file(1, [0xE7, 0], &[NOTE]), "25 frames a second with 0");
        let whole = file(1, [0, 96], &[NOTE]);
        check(
            &whole[..whole.len() - 1],
            "a chunk of 11 bytes ends after 10",
        );
        check(&whole[..14], "declares 1 tracks, but 0");
        check(&file(1, [0, 96], &[b"\0\x3c"]), "in track 0");
        check(
            &file(1, [0, 96], &[b"\0\xff\x01\x05a"]),
            "longer than its track",
        );
        check(&file(1, [0, 96], &[NOTE, b"\0\xf0\x05a"]), "in track 1");
    }
}
