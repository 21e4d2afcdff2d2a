//! One event of a MIDI file.

use plugpen_proto::event::{EventBody, EventList};

/// Kind number of the meta event that ends a track.
pub const END_OF_TRACK: u8 = 0x2F;
/// Kind number of the meta event that sets the tempo.
const TEMPO: u8 = 0x51;
/// Kind number of the meta event that sets the time signature.
pub const TIME_SIGNATURE: u8 = 0x58;

/// What a [`MidiEvent`] says.
///
/// Channels are 0 to 15, seven-bit values 0 to 127.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields carry MIDI's own names")]
pub enum EventKind {
    /// A note ends; also what a note on with velocity 0 is read as.
    NoteOff {
        channel: u8,
        pitch: u8,
        velocity: u8,
    },
    /// A note begins; velocity 1 to 127.
    NoteOn {
        channel: u8,
        pitch: u8,
        velocity: u8,
    },
    /// Pressure on one note.
    PolyPressure {
        channel: u8,
        pitch: u8,
        pressure: u8,
    },
    /// A controller moves.
    ControlChange {
        channel: u8,
        controller: u8,
        value: u8,
    },
    /// A program is chosen.
    ProgramChange { channel: u8, program: u8 },
    /// Pressure on a whole channel.
    ChannelPressure { channel: u8, pressure: u8 },
    /// The pitch wheel, 0 to 16383; 8192 is the centre.
    PitchBend { channel: u8, value: u16 },
    /// A SysEx packet without the leading `F0`; the last one of a message ends in `F7`.
    SysEx(Box<[u8]>),
    /// Bytes to send as they are, or a further packet of a SysEx message.
    Escape(Box<[u8]>),
    /// Microseconds a quarter note, 24 bits.
    Tempo { us_per_quarter: u32 },
    /// Any other meta event: its kind number and its bytes.
    Meta { kind: u8, data: Box<[u8]> },
}

impl EventKind {
    /// A note on or, with velocity 0, what that means: a note off.
    pub fn note_on(channel: u8, pitch: u8, velocity: u8) -> Self {
        match velocity {
            0 => Self::NoteOff {
                channel,
                pitch,
                velocity,
            },
            _ => Self::NoteOn {
                channel,
                pitch,
                velocity,
            },
        }
    }

    /// A meta event; a tempo if it is a whole one.
    pub fn meta(kind: u8, data: &[u8]) -> Self {
        match (kind, data) {
            (TEMPO, &[a, b, c]) => Self::Tempo {
                us_per_quarter: u32::from_be_bytes([0, a, b, c]),
            },
            _ => Self::Meta {
                kind,
                data: data.into(),
            },
        }
    }

    /// The type by which events are listed: `note_on`, `note_off`, `control_change`,
    /// `program_change`, `pitch_bend`, `tempo`, `meta` or `other`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::NoteOff { .. } => "note_off",
            Self::NoteOn { .. } => "note_on",
            Self::ControlChange { .. } => "control_change",
            Self::ProgramChange { .. } => "program_change",
            Self::PitchBend { .. } => "pitch_bend",
            Self::Tempo { .. } => "tempo",
            Self::Meta { .. } => "meta",
            Self::PolyPressure { .. }
            | Self::ChannelPressure { .. }
            | Self::SysEx(_)
            | Self::Escape(_) => "other",
        }
    }

    /// The channel of a channel event.
    pub fn channel(&self) -> Option<u8> {
        match *self {
            Self::NoteOff { channel, .. }
            | Self::NoteOn { channel, .. }
            | Self::PolyPressure { channel, .. }
            | Self::ControlChange { channel, .. }
            | Self::ProgramChange { channel, .. }
            | Self::ChannelPressure { channel, .. }
            | Self::PitchBend { channel, .. } => Some(channel),
            Self::SysEx(_) | Self::Escape(_) | Self::Tempo { .. } | Self::Meta { .. } => None,
        }
    }

    /// The status byte as it stands in a file: `FF` for tempo and meta events.
    pub fn status(&self) -> u8 {
        match *self {
            Self::NoteOff { channel, .. } => 0x80 | channel,
            Self::NoteOn { channel, .. } => 0x90 | channel,
            Self::PolyPressure { channel, .. } => 0xA0 | channel,
            Self::ControlChange { channel, .. } => 0xB0 | channel,
            Self::ProgramChange { channel, .. } => 0xC0 | channel,
            Self::ChannelPressure { channel, .. } => 0xD0 | channel,
            Self::PitchBend { channel, .. } => 0xE0 | channel,
            Self::SysEx(_) => 0xF0,
            Self::Escape(_) => 0xF7,
            Self::Tempo { .. } | Self::Meta { .. } => 0xFF,
        }
    }

    /// The bytes of an event that is sent to instruments, its status byte first: of a channel event,
    /// of a packet of SysEx (the first one begins with `F0`) or of escaped bytes.
    pub fn message(&self) -> Option<Vec<u8>> {
        match self {
            Self::SysEx(data) => Some([&[0xF0], &data[..]].concat()),
            Self::Escape(data) => Some(data.to_vec()),
            Self::Tempo { .. } | Self::Meta { .. } => None,
            _ => {
                let mut events = EventList::new();
                self.push_to(0, &mut events);
                events.iter().next().and_then(|event| match event.body {
                    EventBody::Midi(bytes) => Some(bytes.to_vec()),
                    _ => None,
                })
            }
        }
    }

    /// Beats a minute of a tempo event, infinite for a tempo of 0 microseconds.
    pub fn bpm(&self) -> Option<f64> {
        match *self {
            Self::Tempo { us_per_quarter } => Some(60_000_000.0 / f64::from(us_per_quarter)),
            _ => None,
        }
    }

    /// Whether it is the end-of-track marker.
    pub fn is_end_of_track(&self) -> bool {
        matches!(self, Self::Meta { kind, .. } if *kind == END_OF_TRACK)
    }

    /// Appends the message of a channel event to a block's events; other events are not messages
    /// by themselves and append nothing.
    pub fn push_to(&self, offset: u32, events: &mut EventList) {
        let status = self.status();
        match *self {
            Self::NoteOff {
                pitch, velocity, ..
            }
            | Self::NoteOn {
                pitch, velocity, ..
            } => events.push_midi(offset, &[status, pitch, velocity]),
            Self::PolyPressure {
                pitch, pressure, ..
            } => events.push_midi(offset, &[status, pitch, pressure]),
            Self::ControlChange {
                controller, value, ..
            } => events.push_midi(offset, &[status, controller, value]),
            Self::ProgramChange { program, .. } => events.push_midi(offset, &[status, program]),
            Self::ChannelPressure { pressure, .. } => events.push_midi(offset, &[status, pressure]),
            Self::PitchBend { value, .. } => {
                let [low, high] = split_bend(value);
                events.push_midi(offset, &[status, low, high]);
            }
            Self::SysEx(_) | Self::Escape(_) | Self::Tempo { .. } | Self::Meta { .. } => {}
        }
    }
}

/// The two seven-bit halves of a pitch bend, low one first.
fn split_bend(value: u16) -> [u8; 2] {
    let [high, low] = (value << 1).to_be_bytes();
    [low >> 1, high & 0x7F]
}

/// An event at a tick of its track.
#[derive(Debug, Clone, PartialEq)]
pub struct MidiEvent {
    /// Tick from the start or, after [`make_delta_ticks`](super::MidiFile::make_delta_ticks), from
    /// the event before (then it is negative where events are stored out of order).
    pub tick: i64,
    /// Seconds from the start; 0 until the file's times have been worked out.
    pub seconds: f64,
    /// What it says.
    pub kind: EventKind,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channel_events_become_their_messages() {
        let cases: [(EventKind, &[u8]); 5] = [
            (EventKind::note_on(2, 60, 0), &[0x82, 60, 0]),
            (EventKind::note_on(2, 60, 1), &[0x92, 60, 1]),
            (
                EventKind::ProgramChange {
                    channel: 15,
                    program: 9,
                },
                &[0xCF, 9],
            ),
            (
                EventKind::PitchBend {
                    channel: 0,
                    value: 8192,
                },
                &[0xE0, 0, 64],
            ),
            (
                EventKind::PitchBend {
                    channel: 0,
                    value: 16383,
                },
                &[0xE0, 127, 127],
            ),
        ];
        for (kind, bytes) in cases {
            let mut events = EventList::new();
            kind.push_to(3, &mut events);
            assert_eq!(events.get(0).unwrap().body, EventBody::Midi(bytes));
        }
    }
}
