//! Writing MIDI files.

use midly::num::{u4, u7, u15, u28};
use midly::{Format, Header, MetaMessage, MidiMessage, PitchBend, Timing};
use midly::{TrackEvent, TrackEventKind};
use plugpen_proto::Error;

use super::{Division, END_OF_TRACK, EventKind, MidiFile};

/// The longest delta time a file can hold, in ticks.
const MAX_DELTA: i64 = 0x0FFF_FFFF;
/// Kind number of a meta event that says nothing to anybody: "sequencer specific", without data.
const FILLER: u8 = 0x7F;

/// Bytes of a header chunk.
const HEADER: usize = 14;

/// The bytes of a file: tracks that were not changed as they were read, the others sorted and
/// ended by one end-of-track event, and between them the chunks of unknown kinds.
pub fn write(file: &MidiFile) -> Result<Vec<u8>, Error> {
    let too_much = |why: &str| {
        Error::unsupported(format!(
            "this does not fit into a MIDI file: {why}; use fewer tracks or shorter events"
        ))
    };
    let count = u16::try_from(file.tracks.len()).map_err(|_| too_much("too many tracks"))?;
    let division = match file.division {
        Division::TicksPerQuarter(ticks) => ticks.to_be_bytes(),
        Division::Timecode {
            fps,
            ticks_per_frame,
        } => [fps.wrapping_neg(), ticks_per_frame],
    };
    let mut bytes = b"MThd\0\0\0\x06\0".to_vec();
    bytes.push(file.format());
    bytes.extend(count.to_be_bytes());
    bytes.extend(division);
    let mut strangers = file.strangers.iter().peekable();
    for (index, track) in file.tracks.iter().enumerate() {
        while let Some(stranger) = strangers.next_if(|stranger| stranger.track <= index) {
            bytes.extend_from_slice(&file.source[stranger.source.clone()]);
        }
        match &track.source {
            Some(source) => bytes.extend_from_slice(&file.source[source.clone()]),
            None => {
                let chunk = chunk(&track.sorted()).map_err(|error| too_much(&error.to_string()))?;
                bytes.extend_from_slice(&chunk[HEADER..]);
            }
        }
    }
    for stranger in strangers {
        bytes.extend_from_slice(&file.source[stranger.source.clone()]);
    }
    Ok(bytes)
}

/// A header, which midly writes as well, and the chunk of one track.
fn chunk(events: &[(i64, &EventKind)]) -> std::io::Result<Vec<u8>> {
    let header = Header::new(Format::SingleTrack, Timing::Metrical(u15::from(1)));
    let mut bytes = Vec::new();
    midly::write_std(&header, [&track(events)], &mut bytes)?;
    Ok(bytes)
}

fn track<'a>(events: &[(i64, &'a EventKind)]) -> Vec<TrackEvent<'a>> {
    let mut written = Vec::with_capacity(events.len() + 1);
    let mut now = 0;
    let last = events.last().map_or(0, |(tick, _)| *tick);
    for &(tick, kind) in events {
        if !kind.is_end_of_track() {
            push(&mut written, &mut now, tick, event(kind));
        }
    }
    push(&mut written, &mut now, last, meta(END_OF_TRACK, &[]));
    written
}

/// Appends an event, and fillers on the way to it where one delta time cannot reach it.
fn push<'a>(track: &mut Vec<TrackEvent<'a>>, now: &mut i64, tick: i64, kind: TrackEventKind<'a>) {
    while tick - *now > MAX_DELTA {
        let delta = u28::max_value();
        *now += MAX_DELTA;
        let kind = meta(FILLER, &[]);
        track.push(TrackEvent { delta, kind });
    }
    // Sorted, so not negative, and at most 28 bits after the loop.
    let delta = u28::from(u32::try_from(tick - *now).unwrap_or(0));
    *now = tick;
    track.push(TrackEvent { delta, kind });
}

fn meta(kind: u8, data: &[u8]) -> TrackEventKind<'_> {
    TrackEventKind::Meta(MetaMessage::Unknown(kind, data))
}

fn event(kind: &EventKind) -> TrackEventKind<'_> {
    let message = match *kind {
        EventKind::NoteOff {
            pitch, velocity, ..
        } => MidiMessage::NoteOff {
            key: u7::from(pitch),
            vel: u7::from(velocity),
        },
        EventKind::NoteOn {
            pitch, velocity, ..
        } => MidiMessage::NoteOn {
            key: u7::from(pitch),
            vel: u7::from(velocity),
        },
        EventKind::PolyPressure {
            pitch, pressure, ..
        } => MidiMessage::Aftertouch {
            key: u7::from(pitch),
            vel: u7::from(pressure),
        },
        EventKind::ControlChange {
            controller, value, ..
        } => MidiMessage::Controller {
            controller: u7::from(controller),
            value: u7::from(value),
        },
        EventKind::ProgramChange { program, .. } => MidiMessage::ProgramChange {
            program: u7::from(program),
        },
        EventKind::ChannelPressure { pressure, .. } => MidiMessage::ChannelAftertouch {
            vel: u7::from(pressure),
        },
        EventKind::PitchBend { value, .. } => MidiMessage::PitchBend {
            bend: PitchBend(value.into()),
        },
        EventKind::SysEx(ref data) => return TrackEventKind::SysEx(data),
        EventKind::Escape(ref data) => return TrackEventKind::Escape(data),
        EventKind::Tempo { us_per_quarter } => {
            return TrackEventKind::Meta(MetaMessage::Tempo(us_per_quarter.into()));
        }
        EventKind::Meta { kind, ref data } => return meta(kind, data),
    };
    let channel = u4::from(kind.channel().unwrap_or(0));
    TrackEventKind::Midi { channel, message }
}
