//! A MIDI file's messages at the samples where they sound.

use plugpen_proto::event::{EventBody, EventList};

use crate::midi_file::{EventKind, MidiFile};

/// The messages of a MIDI file in order of time; those of one tick in the order of their tracks.
///
/// Channel events, SysEx messages (whole, also where the file has them in packets) and escaped
/// system messages are in it; meta events are not.
#[derive(Debug, Clone, Default)]
pub struct MidiSchedule {
    /// Where each message sounds, not decreasing.
    samples: Vec<u64>,
    /// The messages, all at offset 0.
    messages: EventList,
    frames: u64,
    /// Of a file; a list of events has no other length than its frames.
    length_seconds: Option<f64>,
}

enum Message<'a> {
    Channel(&'a EventKind),
    System(Vec<u8>),
}

impl MidiSchedule {
    /// The schedule at a sample rate, finite and above 0: `floor(seconds * sample_rate)`.
    pub fn new(file: &MidiFile, sample_rate: f64) -> Self {
        let mut messages = Vec::new();
        for (track, map) in file.sorted_tracks().zip(file.tempo_maps()) {
            let mut own = Vec::new();
            collect(&track, &mut own);
            let timed = own.into_iter().map(|(tick, message)| {
                let seconds = map.tick_to_seconds(tick);
                (tick, seconds, message)
            });
            messages.extend(timed);
        }
        match file.format() {
            // Their ticks are not the same.
            2 => messages.sort_by(|a, b| a.1.total_cmp(&b.1)),
            _ => messages.sort_by_key(|(tick, ..)| *tick),
        }
        let mut schedule = Self::default();
        let mut length_seconds = 0.0;
        for (_, seconds, message) in messages {
            schedule.samples.push(frames(seconds, sample_rate));
            match message {
                Message::Channel(kind) => {
                    kind.push_to(0, &mut schedule.messages);
                    length_seconds = seconds;
                }
                Message::System(bytes) => schedule.messages.push_midi(0, &bytes),
            }
        }
        schedule.frames = frames(length_seconds, sample_rate);
        schedule.length_seconds = Some(length_seconds);
        schedule
    }

    /// What a list of events plays, MIDI and notes; their offsets are frames from the start.
    pub fn from_events(events: &EventList) -> Self {
        let mut sorted = events.clone();
        sorted.sort();
        let mut schedule = Self::default();
        for mut event in sorted.iter().filter(|event| !event.body.is_parameter()) {
            schedule.samples.push(u64::from(event.offset));
            schedule.frames = u64::from(event.offset) + 1;
            event.offset = 0;
            schedule.messages.push(event);
        }
        schedule
    }

    /// Frames it takes. A file takes those before its last channel event, which mostly ends a note
    /// and needs a tail anyway; a list of events those up to and with its last.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// The same with a tail of so many seconds.
    pub(crate) fn frames_with(&self, tail: f64, sample_rate: f64) -> u64 {
        match self.length_seconds {
            // The sum is rounded, and not what is added.
            Some(length) => frames(length + tail, sample_rate),
            None => self.frames.saturating_add(frames(tail, sample_rate)),
        }
    }

    /// Seconds to the last channel event of a file, 0 without one.
    pub fn length_seconds(&self) -> f64 {
        self.length_seconds.unwrap_or(0.0)
    }

    /// Number of messages.
    pub fn len(&self) -> usize {
        self.samples.len()
    }

    /// Whether there are no messages.
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// The messages, each with its sample from the start.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let bytes = self.messages.iter().map(|event| match event.body {
            EventBody::Midi(bytes) => bytes,
            _ => &[],
        });
        self.samples.iter().copied().zip(bytes)
    }

    /// Appends the messages of a block. `next` is the first one not yet played, at or after
    /// `start`; it is moved on.
    pub(crate) fn play(&self, next: &mut usize, start: u64, frames: usize, block: &mut EventList) {
        while let (Some(sample), Some(mut event)) =
            (self.samples.get(*next), self.messages.get(*next))
        {
            let offset = u32::try_from(sample.saturating_sub(start)).unwrap_or(u32::MAX);
            if usize::try_from(offset).is_ok_and(|offset| offset >= frames) {
                break;
            }
            event.offset = offset;
            block.push(event);
            *next += 1;
        }
    }
}

/// `floor(seconds * sample_rate)`, at least 0.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates at 0 and at more frames than anybody renders"
)]
pub(crate) fn frames(seconds: f64, sample_rate: f64) -> u64 {
    (seconds * sample_rate) as u64
}

fn collect<'a>(track: &[(i64, &'a EventKind)], messages: &mut Vec<(i64, Message<'a>)>) {
    // A SysEx message whose end has not come yet.
    let mut open: Option<Vec<u8>> = None;
    for &(tick, kind) in track {
        match kind {
            EventKind::SysEx(_) => open = kind.message(),
            EventKind::Escape(data) => match &mut open {
                Some(message) => message.extend_from_slice(data),
                None if is_system_message(data) => {
                    messages.push((tick, Message::System(data.to_vec())));
                }
                None => {}
            },
            kind if kind.channel().is_some() => messages.push((tick, Message::Channel(kind))),
            _ => {}
        }
        if open
            .as_ref()
            .is_some_and(|message| message.ends_with(&[0xF7]))
        {
            messages.extend(open.take().map(|message| (tick, Message::System(message))));
        }
    }
}

/// Whether these are one whole system common or real-time message, reset excepted.
fn is_system_message(data: &[u8]) -> bool {
    let length = match data.first() {
        Some(0xF1 | 0xF3) => 2,
        Some(0xF2) => 3,
        Some(0xF6 | 0xF8..=0xFE) => 1,
        _ => return false,
    };
    data.len() == length && data[1..].iter().all(|byte| *byte < 0x80)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_tick_keeps_the_order_of_tracks() {
        let mut file = MidiFile::new();
        file.add_track();
        file.add_note_on(1, 120, 1, 60, 1).unwrap();
        file.add_note_on(0, 240, 0, 61, 1).unwrap();
        file.add_note_on(0, 120, 0, 60, 1).unwrap();
        file.add_note_on(0, 120, 0, 62, 1).unwrap();
        file.add_tempo(0, 9999, 100.0).unwrap();
        let schedule = MidiSchedule::new(&file, 48_000.0);
        let listed: Vec<_> = schedule.iter().collect();
        let expected: [(u64, &[u8]); 4] = [
            (24_000, &[0x90, 60, 1]),
            (24_000, &[0x90, 62, 1]),
            (24_000, &[0x91, 60, 1]),
            (48_000, &[0x90, 61, 1]),
        ];
        assert_eq!(listed, expected);
        assert_eq!(schedule.frames(), 48_000);
        let mut events = EventList::new();
        for (sample, message) in listed.iter().rev() {
            events.push_midi(u32::try_from(*sample).unwrap(), message);
        }
        let again = MidiSchedule::from_events(&events);
        assert_eq!((again.len(), again.frames()), (4, 48_001));
        assert_eq!(again.iter().next(), Some((24_000, &[0x91, 60, 1][..])));
        assert_eq!(schedule.length_seconds(), 1.0);
    }

    #[test]
    fn sysex_in_packets_sounds_whole() {
        let track: Vec<_> = [
            EventKind::SysEx(Box::from([1, 2])),
            EventKind::note_on(0, 60, 1),
            EventKind::Escape(Box::from([3])),
            EventKind::Escape(Box::from([4, 0xF7])),
            EventKind::Escape(Box::from([0xF3, 1])),
            EventKind::Escape(Box::from([0xFF])),
            EventKind::SysEx(Box::from([5])),
        ]
        .into();
        let track: Vec<_> = (0..).zip(&track).collect();
        let mut messages = Vec::new();
        collect(&track, &mut messages);
        let systems: Vec<_> = messages
            .into_iter()
            .filter_map(|(tick, message)| match message {
                Message::System(bytes) => Some((tick, bytes)),
                Message::Channel(_) => None,
            })
            .collect();
        assert_eq!(
            systems,
            [(3, vec![0xF0, 1, 2, 3, 4, 0xF7]), (4, vec![0xF3, 1])]
        );
    }

    #[test]
    fn blocks_get_their_messages_once() {
        let mut file = MidiFile::new();
        for tick in [0, 1, 2, 10] {
            file.add_note_on(0, tick, 0, 60, 1).unwrap();
        }
        // 100 samples a tick at 120 ticks a quarter note.
        let schedule = MidiSchedule::new(&file, 24_000.0);
        let mut next = 0;
        let mut block = EventList::new();
        let mut offsets = Vec::new();
        for start in (0..1200).step_by(100) {
            block.clear();
            schedule.play(&mut next, start, 100, &mut block);
            offsets.extend(block.iter().map(|event| start + u64::from(event.offset)));
        }
        assert_eq!(offsets, [0, 100, 200, 1000]);
        assert_eq!(next, schedule.len());
    }
}
