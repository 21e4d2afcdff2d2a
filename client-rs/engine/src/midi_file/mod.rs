//! MIDI files: read, edited, written.

mod add;
mod event;
mod range;
mod read;
mod tracks;
mod write;

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use plugpen_proto::Error;
use plugpen_proto::v1::ErrorReason;

pub use event::{END_OF_TRACK, EventKind, MidiEvent, TIME_SIGNATURE};

use crate::partial::write_file;
use crate::tempo_map::TempoMap;

/// Largest file that is read, in bytes: some thirty million events.
const MAX_FILE_BYTES: u64 = 64 * 1024 * 1024;

/// What a tick is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Division {
    /// A fraction of a quarter note, 1 to 32767 to one; tempo events say how long that is.
    TicksPerQuarter(u16),
    /// A fraction of a second: SMPTE frames a second (24, 25, 29 for 29.97, 30) and ticks a frame.
    Timecode {
        /// Frames a second, as the file says it.
        fps: u8,
        /// Ticks a frame, at least 1.
        ticks_per_frame: u8,
    },
}

/// An event as it is kept, always at its absolute tick.
#[derive(Debug, Clone, PartialEq)]
struct Stored {
    tick: i64,
    seconds: f64,
    /// In a joined track, the track it came from; 0 for one added since.
    origin: usize,
    kind: EventKind,
}

/// A track, and where its bytes are in the source while it is as it was read.
#[derive(Debug, Clone, Default)]
struct Track {
    events: Vec<Stored>,
    source: Option<Range<usize>>,
}

impl Track {
    /// The events in the order in which they sound.
    fn sorted(&self) -> Vec<(i64, &EventKind)> {
        let mut events: Vec<_> = self.events.iter().map(|e| (e.tick, &e.kind)).collect();
        events.sort_by_key(|(tick, _)| *tick);
        events
    }
}

impl From<Vec<Stored>> for Track {
    fn from(events: Vec<Stored>) -> Self {
        Self {
            events,
            source: None,
        }
    }
}

/// A chunk that is neither header nor track, before the track of a number.
#[derive(Debug, Clone)]
struct Stranger {
    track: usize,
    source: Range<usize>,
}

/// A standard MIDI file: formats 0, 1 and 2, ticks of a quarter note or SMPTE time, SysEx and meta
/// events kept.
///
/// Events are appended and listed in stored order, which may be any; [`save`](Self::save) and
/// rendering sort by tick, leaving events of one tick in order. A file that was loaded and not
/// changed is saved byte for byte; of a changed one the tracks that were not, and chunks of
/// unknown kinds.
#[derive(Debug, Clone)]
pub struct MidiFile {
    division: Division,
    /// The format it was read with, unless it was joined since.
    format: Option<u8>,
    tracks: Vec<Track>,
    strangers: Vec<Stranger>,
    delta: bool,
    /// Tracks there were before the first was joined from them.
    joined: Option<usize>,
    /// The bytes it was read from.
    source: Arc<[u8]>,
    /// Whether it is still what its source says.
    whole: bool,
}

impl Default for MidiFile {
    fn default() -> Self {
        Self::new()
    }
}

impl MidiFile {
    /// A file with one empty track and 120 ticks a quarter note.
    pub fn new() -> Self {
        Self {
            division: Division::TicksPerQuarter(120),
            format: None,
            tracks: vec![Track::default()],
            strangers: Vec::new(),
            delta: false,
            joined: None,
            source: Arc::default(),
            whole: false,
        }
    }

    /// Reads a file and works out its times.
    ///
    /// # Errors
    /// `NotFound` if it cannot be opened, `LimitReached` above 64 MiB, `InvalidInput` if it is not
    /// a whole MIDI file.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let cannot = |error: std::io::Error| {
            Error::new(
                ErrorReason::NotFound,
                format!("cannot read MIDI file {}: {error}", path.display()),
            )
        };
        let size = std::fs::metadata(path).map_err(cannot)?.len();
        if size > MAX_FILE_BYTES {
            return Err(Error::new(
                ErrorReason::LimitReached,
                format!(
                    "MIDI file {} has {size} bytes; the most that is read is {MAX_FILE_BYTES}",
                    path.display()
                ),
            ));
        }
        Self::parse(&std::fs::read(path).map_err(cannot)?)
    }

    /// The same from bytes.
    ///
    /// # Errors
    /// `InvalidInput` if they are not a whole MIDI file.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let mut file = read::read(bytes)?;
        file.work_out_times();
        Ok(file)
    }

    /// Writes the file in its [`format`](Self::format); it has its name once it is complete.
    ///
    /// # Errors
    /// `NotAllowed` if it cannot be written, `Unsupported` if it does not fit the format.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let path = path.as_ref();
        write_file(path, &self.to_bytes()?).map_err(|error| {
            Error::new(
                ErrorReason::NotAllowed,
                format!("cannot write MIDI file {}: {error}", path.display()),
            )
        })
    }

    /// The bytes [`save`](Self::save) writes.
    ///
    /// # Errors
    /// `Unsupported` if it does not fit the format: over 65,535 tracks, or 4 GiB in one.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        match self.whole {
            true => Ok(self.source.to_vec()),
            false => write::write(self),
        }
    }

    /// The format it is saved in: the one it was loaded with, else 0 with one track and 1 with
    /// several, which sound together. In format 2 each track is a song of its own, with its own
    /// tempos.
    pub fn format(&self) -> u8 {
        match self.format {
            Some(format @ 1..) => format,
            _ => u8::from(self.tracks.len() > 1),
        }
    }

    /// Number of tracks, at least 1.
    pub fn num_tracks(&self) -> usize {
        self.tracks.len()
    }

    /// What a tick is.
    pub fn division(&self) -> Division {
        self.division
    }

    /// Ticks a quarter note. With SMPTE ticks, those of a quarter note at 120 bpm, rounded.
    pub fn ticks_per_quarter(&self) -> u16 {
        match self.division {
            Division::TicksPerQuarter(ticks) => ticks,
            Division::Timecode {
                fps,
                ticks_per_frame,
            } => (u16::from(fps) * u16::from(ticks_per_frame)).div_ceil(2),
        }
    }

    /// Sets the ticks a quarter note, 1 to 32767; ends SMPTE ticks.
    ///
    /// # Errors
    /// `InvalidInput` out of range.
    pub fn set_ticks_per_quarter(&mut self, ticks: i64) -> Result<(), Error> {
        self.division = Division::TicksPerQuarter(range::ticks_per_quarter(ticks)?);
        self.whole = false;
        Ok(())
    }

    /// Seconds to the last event of any kind. Works out the times of all events; changes nothing
    /// else.
    pub fn duration_seconds(&mut self) -> f64 {
        self.work_out_times();
        let events = self.tracks.iter().flat_map(|track| &track.events);
        events.map(|event| event.seconds).fold(0.0, f64::max)
    }

    fn work_out_times(&mut self) {
        for (index, map) in self.tempo_maps().into_iter().enumerate() {
            for event in &mut self.tracks[index].events {
                event.seconds = map.tick_to_seconds(event.tick);
            }
        }
    }

    /// The tempos and time signatures of all tracks.
    pub fn tempo_map(&self) -> TempoMap {
        self.map_of(&self.tracks)
    }

    /// The map that each track goes by: that of all tracks, or in format 2 its own.
    pub(crate) fn tempo_maps(&self) -> Vec<TempoMap> {
        match self.format() {
            2 => self.tracks.chunks(1).map(|one| self.map_of(one)).collect(),
            _ => vec![self.tempo_map(); self.tracks.len()],
        }
    }

    fn map_of(&self, tracks: &[Track]) -> TempoMap {
        let events = tracks.iter().flat_map(|track| &track.events);
        TempoMap::new(self.division, events.map(|event| (event.tick, &event.kind)))
    }

    /// Adds an empty track; returns its index.
    pub fn add_track(&mut self) -> usize {
        self.whole = false;
        self.tracks.push(Track::default());
        self.tracks.len() - 1
    }

    /// The events of a track in stored order; none if there is no such track.
    pub fn get_events(&self, track: i64) -> Vec<MidiEvent> {
        let mut previous = 0;
        let track = usize::try_from(track).ok();
        let stored = track.and_then(|track| self.tracks.get(track));
        let event = |event: &Stored| {
            let from = if self.delta { previous } else { 0 };
            previous = event.tick;
            MidiEvent {
                tick: event.tick - from,
                seconds: event.seconds,
                kind: event.kind.clone(),
            }
        };
        let events = stored.into_iter().flat_map(|track| &track.events);
        events.map(event).collect()
    }

    /// Lists and takes ticks from the start of the song, as at first.
    pub fn make_absolute_ticks(&mut self) {
        self.delta = false;
    }

    /// Lists and takes ticks from the event stored before.
    pub fn make_delta_ticks(&mut self) {
        self.delta = true;
    }

    /// The events of each track, in the order in which they sound.
    pub(crate) fn sorted_tracks(&self) -> impl Iterator<Item = Vec<(i64, &EventKind)>> {
        self.tracks.iter().map(Track::sorted)
    }
}
