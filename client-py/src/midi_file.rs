//! The class `MidiFile`.

use std::sync::{Mutex, MutexGuard};

use plugpen_engine::{Division, EventKind, MidiEvent};
use pyo3::{
    prelude::*,
    types::{PyBytes, PyDict},
};

use crate::{
    arguments::{Blob, Int, PathText},
    errors::OrRaise,
    notebook::face,
};

/// A standard MIDI file: read, edited, written.
///
/// A new one has one empty track and 120 ticks a quarter note. Events are appended and listed in
/// stored order; saving and rendering sort them by tick. Ticks are 0 to 2147483647, channels 0 to
/// 15, pitches, velocities, controllers, values and programs 0 to 127.
///
/// Adders raise InvalidInput (a ValueError) for a value out of its range, and IndexOutOfRange (an
/// IndexError) for a track that does not exist.
#[pyclass(module = "plugpen", name = "MidiFile", frozen, subclass, weakref)]
pub struct MidiFile(Mutex<plugpen_engine::MidiFile>);

impl MidiFile {
    fn file(&self) -> MutexGuard<'_, plugpen_engine::MidiFile> {
        self.0
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The file as it is now.
    pub fn snapshot(&self) -> plugpen_engine::MidiFile {
        self.file().clone()
    }
}

#[pymethods]
impl MidiFile {
    #[new]
    fn new() -> Self {
        Self(Mutex::new(plugpen_engine::MidiFile::new()))
    }

    /// Number of tracks, at least 1.
    #[getter]
    fn num_tracks(&self) -> usize {
        self.file().num_tracks()
    }

    /// Ticks a quarter note, 1 to 32767.
    #[getter]
    fn ticks_per_quarter(&self) -> u16 {
        self.file().ticks_per_quarter()
    }

    #[setter]
    fn set_ticks_per_quarter(&self, value: Int) -> PyResult<()> {
        self.file().set_ticks_per_quarter(value.0).or_raise()
    }

    /// The format it is saved in: 0 for one track, 1 for several that sound together, 2 for songs of
    /// their own. That of a loaded file is kept.
    #[getter]
    fn format(&self) -> u8 {
        self.file().format()
    }

    /// SMPTE frames a second (24, 25, 29 for 29.97, 30) and ticks a frame, for a loaded file whose
    /// ticks are parts of seconds; else None. Setting `ticks_per_quarter` ends it.
    #[getter]
    fn smpte(&self) -> Option<(u8, u8)> {
        match self.file().division() {
            Division::TicksPerQuarter(_) => None,
            Division::Timecode {
                fps,
                ticks_per_frame,
            } => Some((fps, ticks_per_frame)),
        }
    }

    /// Seconds to the last event. Reading it works out the ``seconds`` of all events.
    #[getter]
    fn duration_seconds(&self) -> f64 {
        self.file().duration_seconds()
    }

    /// Replace the content by a file's. False, and nothing is replaced, if there is no such file
    /// or it is not a MIDI file.
    fn load(&self, py: Python<'_>, path: PathText) -> bool {
        let loaded = py.detach(|| plugpen_engine::MidiFile::load(&path.0));
        let loaded = loaded.map(|file| *self.file() = file);
        loaded.is_ok()
    }

    /// Write the file; False if that fails.
    fn save(&self, py: Python<'_>, path: PathText) -> bool {
        let file = self.snapshot();
        py.detach(|| file.save(&path.0)).is_ok()
    }

    /// Add an empty track; returns its index.
    fn add_track(&self) -> usize {
        self.file().add_track()
    }

    /// Add a tempo.
    ///
    /// Args:
    ///     track: Index of the track, 0 up to `num_tracks` - 1.
    ///     tick: Where, 0 to 2147483647.
    ///     bpm: Quarter notes a minute, finite and above 0.
    ///
    /// Raises:
    ///     InvalidInput: A value is out of its range.
    ///     IndexOutOfRange: There is no such track.
    fn add_tempo(&self, track: Int, tick: Int, bpm: f64) -> PyResult<()> {
        self.file().add_tempo(track.0, tick.0, bpm).or_raise()
    }

    /// Add a note on.
    ///
    /// Args:
    ///     track: Index of the track, 0 up to `num_tracks` - 1.
    ///     tick: Where, 0 to 2147483647.
    ///     channel: 0 to 15.
    ///     pitch: The note's number, 0 to 127; 60 is the middle C.
    ///     velocity: 1 to 127; with 0 it reads back as a note off.
    ///
    /// Raises:
    ///     InvalidInput: A value is out of its range.
    ///     IndexOutOfRange: There is no such track.
    fn add_note_on(
        &self,
        track: Int,
        tick: Int,
        channel: Int,
        pitch: Int,
        velocity: Int,
    ) -> PyResult<()> {
        self.file()
            .add_note_on(track.0, tick.0, channel.0, pitch.0, velocity.0)
            .or_raise()
    }

    /// Add a note off.
    ///
    /// Args:
    ///     track: Index of the track, 0 up to `num_tracks` - 1.
    ///     tick: Where, 0 to 2147483647.
    ///     channel: 0 to 15.
    ///     pitch: The note's number, 0 to 127.
    ///     velocity: How fast the key is let go, 0 to 127.
    ///
    /// Raises:
    ///     InvalidInput: A value is out of its range.
    ///     IndexOutOfRange: There is no such track.
    #[pyo3(signature = (track, tick, channel, pitch, velocity = Int(0)),
        text_signature = "($self, track, tick, channel, pitch, velocity=0)")]
    fn add_note_off(
        &self,
        track: Int,
        tick: Int,
        channel: Int,
        pitch: Int,
        velocity: Int,
    ) -> PyResult<()> {
        self.file()
            .add_note_off(track.0, tick.0, channel.0, pitch.0, velocity.0)
            .or_raise()
    }

    /// Add a control change.
    ///
    /// Args:
    ///     track: Index of the track, 0 up to `num_tracks` - 1.
    ///     tick: Where, 0 to 2147483647.
    ///     channel: 0 to 15.
    ///     controller: The controller's number, 0 to 127; 64 is the sustain pedal.
    ///     value: 0 to 127.
    ///
    /// Raises:
    ///     InvalidInput: A value is out of its range.
    ///     IndexOutOfRange: There is no such track.
    fn add_control_change(
        &self,
        track: Int,
        tick: Int,
        channel: Int,
        controller: Int,
        value: Int,
    ) -> PyResult<()> {
        self.file()
            .add_control_change(track.0, tick.0, channel.0, controller.0, value.0)
            .or_raise()
    }

    /// Add a program change.
    ///
    /// Args:
    ///     track: Index of the track, 0 up to `num_tracks` - 1.
    ///     tick: Where, 0 to 2147483647.
    ///     channel: 0 to 15.
    ///     program: 0 to 127.
    ///
    /// Raises:
    ///     InvalidInput: A value is out of its range.
    ///     IndexOutOfRange: There is no such track.
    fn add_program_change(
        &self,
        track: Int,
        tick: Int,
        channel: Int,
        program: Int,
    ) -> PyResult<()> {
        self.file()
            .add_program_change(track.0, tick.0, channel.0, program.0)
            .or_raise()
    }

    /// Add a pitch bend.
    ///
    /// Args:
    ///     track: Index of the track, 0 up to `num_tracks` - 1.
    ///     tick: Where, 0 to 2147483647.
    ///     channel: 0 to 15.
    ///     value: 0 to 16383; 8192 is the centre.
    ///
    /// Raises:
    ///     InvalidInput: A value is out of its range.
    ///     IndexOutOfRange: There is no such track.
    fn add_pitch_bend(&self, track: Int, tick: Int, channel: Int, value: Int) -> PyResult<()> {
        self.file()
            .add_pitch_bend(track.0, tick.0, channel.0, value.0)
            .or_raise()
    }

    /// Add a meta event.
    ///
    /// Args:
    ///     track: Index of the track, 0 up to `num_tracks` - 1.
    ///     tick: Where, 0 to 2147483647.
    ///     meta_type: Its type, 0 to 127: 1 to 7 are texts, 0x58 is the time signature.
    ///     data: Its bytes.
    ///
    /// Raises:
    ///     InvalidInput: A value is out of its range.
    ///     IndexOutOfRange: There is no such track.
    #[pyo3(signature = (track, tick, meta_type, data = None),
        text_signature = "($self, track, tick, meta_type, data=b'')")]
    fn add_meta(
        &self,
        track: Int,
        tick: Int,
        meta_type: Int,
        data: Option<Blob<'_>>,
    ) -> PyResult<()> {
        let data = data.as_ref().map_or(&[][..], Blob::as_slice);
        self.file()
            .add_meta(track.0, tick.0, meta_type.0, data)
            .or_raise()
    }

    /// Add a SysEx message.
    ///
    /// Args:
    ///     track: Index of the track, 0 up to `num_tracks` - 1.
    ///     tick: Where, 0 to 2147483647.
    ///     data: The whole message, from its 0xF0 to its 0xF7, bytes below 0x80 between them.
    ///
    /// Raises:
    ///     InvalidInput: A value is out of its range.
    ///     IndexOutOfRange: There is no such track.
    fn add_sysex(&self, track: Int, tick: Int, data: Blob<'_>) -> PyResult<()> {
        self.file()
            .add_sysex(track.0, tick.0, data.as_slice())
            .or_raise()
    }

    /// The events of a track in stored order; empty if there is no such track.
    ///
    /// Returns:
    ///     Dicts with ``type``, ``tick``, ``seconds`` (0.0 until the file was loaded or
    ///     `duration_seconds` was read) and, by type: ``channel``, ``pitch``, ``velocity``
    ///     (``note_on``, ``note_off``); ``channel``, ``controller``, ``value``
    ///     (``control_change``); ``channel``, ``program`` (``program_change``); ``channel``,
    ///     ``value`` (``pitch_bend``); ``bpm`` (``tempo``); ``meta_type``, ``data``
    ///     (``meta``); ``status``, ``data`` (``other``: SysEx, pressure, escaped bytes; ``data`` is
    ///     the message, a packet of SysEx as the file has it).
    fn get_events<'py>(&self, py: Python<'py>, track: Int) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let events = self.file().get_events(track.0);
        events.iter().map(|event| event_dict(py, event)).collect()
    }

    /// Count ticks from the start of the song, as at first.
    fn make_absolute_ticks(&self) {
        self.file().make_absolute_ticks();
    }

    /// Count ticks from the event stored before.
    fn make_delta_ticks(&self) {
        self.file().make_delta_ticks();
    }

    /// Merge all tracks into one.
    fn join_tracks(&self) {
        self.file().join_tracks();
    }

    /// Undo `join_tracks`. A file of one track that was never joined is split by MIDI channel.
    fn split_tracks(&self) {
        self.file().split_tracks();
    }

    fn _repr_html_(slf: &Bound<'_, Self>) -> PyResult<String> {
        face(slf.as_any(), "midi_html")
    }

    fn __repr__(&self) -> String {
        let file = self.file();
        let events: usize = (0..)
            .take(file.num_tracks())
            .map(|track| file.get_events(track).len())
            .sum();
        format!(
            "<plugpen.MidiFile {} track(s), {events} events, {} ticks a quarter>",
            file.num_tracks(),
            file.ticks_per_quarter()
        )
    }
}

fn event_dict<'py>(py: Python<'py>, event: &MidiEvent) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("tick", event.tick)?;
    dict.set_item("seconds", event.seconds)?;
    dict.set_item("type", event.kind.name())?;
    if let ("other", status) = (event.kind.name(), event.kind.status()) {
        dict.set_item("status", status)?;
        let message = event.kind.message().unwrap_or_default();
        dict.set_item("data", PyBytes::new(py, &message))?;
        return Ok(dict);
    }
    if let Some(channel) = event.kind.channel() {
        dict.set_item("channel", channel)?;
    }
    match &event.kind {
        EventKind::NoteOff {
            pitch, velocity, ..
        }
        | EventKind::NoteOn {
            pitch, velocity, ..
        } => {
            dict.set_item("pitch", pitch)?;
            dict.set_item("velocity", velocity)?;
        }
        EventKind::ControlChange {
            controller, value, ..
        } => {
            dict.set_item("controller", controller)?;
            dict.set_item("value", value)?;
        }
        EventKind::ProgramChange { program, .. } => dict.set_item("program", program)?,
        EventKind::PitchBend { value, .. } => dict.set_item("value", value)?,
        EventKind::Tempo { .. } => dict.set_item("bpm", event.kind.bpm())?,
        EventKind::Meta { kind, data } => {
            dict.set_item("meta_type", kind)?;
            dict.set_item("data", PyBytes::new(py, data))?;
        }
        EventKind::PolyPressure { .. }
        | EventKind::ChannelPressure { .. }
        | EventKind::SysEx(_)
        | EventKind::Escape(_) => {}
    }
    Ok(dict)
}
