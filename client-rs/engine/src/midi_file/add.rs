//! Adding events to a MIDI file.

use plugpen_proto::Error;

use super::{EventKind, MidiFile, Stored, range};

/// Adding events. Arguments are wide so that what is out of range can be named: `IndexOutOfRange`
/// for a track, `InvalidInput` for everything else.
#[allow(clippy::missing_errors_doc, reason = "said above, once for all")]
impl MidiFile {
    /// Adds a tempo in quarter notes a minute, 3.58 to 60,000,000.
    pub fn add_tempo(&mut self, track: i64, tick: i64, bpm: f64) -> Result<(), Error> {
        let us_per_quarter = range::tempo(bpm)?;
        self.add(track, tick, EventKind::Tempo { us_per_quarter })
    }

    /// Adds a note on; with velocity 0 it reads back as a note off.
    pub fn add_note_on(
        &mut self,
        track: i64,
        tick: i64,
        channel: i64,
        pitch: i64,
        velocity: i64,
    ) -> Result<(), Error> {
        let kind = EventKind::note_on(
            range::channel(channel)?,
            range::seven_bits("pitch", pitch)?,
            range::seven_bits("velocity", velocity)?,
        );
        self.add(track, tick, kind)
    }

    /// Adds a note off.
    pub fn add_note_off(
        &mut self,
        track: i64,
        tick: i64,
        channel: i64,
        pitch: i64,
        velocity: i64,
    ) -> Result<(), Error> {
        let kind = EventKind::NoteOff {
            channel: range::channel(channel)?,
            pitch: range::seven_bits("pitch", pitch)?,
            velocity: range::seven_bits("velocity", velocity)?,
        };
        self.add(track, tick, kind)
    }

    /// Adds a control change.
    pub fn add_control_change(
        &mut self,
        track: i64,
        tick: i64,
        channel: i64,
        controller: i64,
        value: i64,
    ) -> Result<(), Error> {
        let kind = EventKind::ControlChange {
            channel: range::channel(channel)?,
            controller: range::seven_bits("controller", controller)?,
            value: range::seven_bits("value", value)?,
        };
        self.add(track, tick, kind)
    }

    /// Adds a program change.
    pub fn add_program_change(
        &mut self,
        track: i64,
        tick: i64,
        channel: i64,
        program: i64,
    ) -> Result<(), Error> {
        let kind = EventKind::ProgramChange {
            channel: range::channel(channel)?,
            program: range::seven_bits("program", program)?,
        };
        self.add(track, tick, kind)
    }

    /// Adds a pitch bend, 0 to 16383, 8192 the centre.
    pub fn add_pitch_bend(
        &mut self,
        track: i64,
        tick: i64,
        channel: i64,
        value: i64,
    ) -> Result<(), Error> {
        let kind = EventKind::PitchBend {
            channel: range::channel(channel)?,
            value: range::pitch_bend(value)?,
        };
        self.add(track, tick, kind)
    }

    /// Adds a SysEx message, whole: from its `F0` to its `F7`.
    pub fn add_sysex(&mut self, track: i64, tick: i64, message: &[u8]) -> Result<(), Error> {
        let data = range::sysex(message)?;
        self.add(track, tick, EventKind::SysEx(data.into()))
    }

    /// Adds a meta event, kind 0 to 127.
    pub fn add_meta(&mut self, track: i64, tick: i64, kind: i64, data: &[u8]) -> Result<(), Error> {
        let kind = range::seven_bits("kind", kind)?;
        self.add(track, tick, EventKind::meta(kind, data))
    }

    fn add(&mut self, track: i64, tick: i64, kind: EventKind) -> Result<(), Error> {
        let index = range::track(track, self.tracks.len())?;
        let mut tick = range::tick(tick)?;
        let delta = self.delta;
        let track = &mut self.tracks[index];
        if let (true, Some(last)) = (delta, track.events.last()) {
            tick += last.tick;
        }
        track.source = None;
        track.events.push(Stored {
            tick,
            seconds: 0.0,
            origin: 0,
            kind,
        });
        self.whole = false;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_listed_as_added() {
        let mut file = MidiFile::new();
        file.add_tempo(0, 0, 100.0).unwrap();
        file.add_note_on(0, 240, 0, 60, 100).unwrap();
        file.add_note_on(0, 120, 1, 61, 0).unwrap();
        file.add_pitch_bend(0, 480, 2, 0).unwrap();
        let events = file.get_events(0);
        let listed: Vec<_> = events.iter().map(|e| (e.tick, e.kind.name())).collect();
        assert_eq!(
            listed,
            [
                (0, "tempo"),
                (240, "note_on"),
                (120, "note_off"),
                (480, "pitch_bend")
            ]
        );
        assert_eq!(events[0].kind.bpm(), Some(100.0));
        assert!(events.iter().all(|event| event.seconds == 0.0));
        assert!(file.get_events(1).is_empty() && file.get_events(-1).is_empty());
    }

    #[test]
    fn what_is_out_of_range_is_refused_and_nothing_added() {
        let mut file = MidiFile::new();
        assert!(file.add_note_on(1, 0, 0, 60, 1).is_err());
        assert!(file.add_note_on(0, -1, 0, 60, 1).is_err());
        assert!(file.add_note_off(0, 0, 0, 128, 1).is_err());
        assert!(file.add_control_change(0, 0, 0, 0, -1).is_err());
        assert!(file.add_program_change(0, 0, 16, 0).is_err());
        assert!(file.add_pitch_bend(0, 0, 0, 16384).is_err());
        assert!(file.add_tempo(0, 0, 0.0).is_err());
        assert!(file.add_meta(0, 0, 128, &[]).is_err());
        for message in [&[][..], &[0xF0], &[0xF0, 1], &[1, 0xF7], &[0xF0, 200, 0xF7]] {
            assert!(file.add_sysex(0, 0, message).is_err());
        }
        assert!(file.get_events(0).is_empty());
    }

    #[test]
    fn delta_ticks_are_a_view() {
        let mut file = MidiFile::new();
        let ticks = |file: &MidiFile| -> Vec<i64> {
            file.get_events(0).iter().map(|event| event.tick).collect()
        };
        file.add_note_on(0, 240, 0, 60, 100).unwrap();
        file.add_note_on(0, 120, 0, 61, 100).unwrap();
        file.make_delta_ticks();
        file.make_delta_ticks();
        assert_eq!(ticks(&file), [240, -120]);
        file.add_note_on(0, 10, 0, 62, 100).unwrap();
        assert_eq!(ticks(&file), [240, -120, 10]);
        file.make_absolute_ticks();
        assert_eq!(ticks(&file), [240, 120, 130]);
    }

    #[test]
    fn reading_the_duration_changes_only_seconds() {
        let mut file = MidiFile::new();
        assert_eq!(file.duration_seconds(), 0.0);
        file.add_track();
        file.add_note_on(0, 120, 0, 60, 100).unwrap();
        file.add_note_off(1, 240, 0, 60, 0).unwrap();
        assert_eq!(file.duration_seconds(), 1.0);
        assert_eq!(file.num_tracks(), 2);
        assert_eq!(file.get_events(0)[0].seconds, 0.5);
        assert_eq!(file.get_events(1)[0].seconds, 1.0);
    }
}
