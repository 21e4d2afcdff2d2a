//! Notes with ids and note expressions, which stand beside MIDI tuples in event lists.

use plugpen::{EventList, Note, NoteExpression as Expression};
use pyo3::{prelude::*, types::PyTuple};

use crate::{arguments::Int, errors::invalid};

/// Largest id that a note may be given.
const LAST_ID: u32 = plugpen_proto::limits::MAX_NOTE_ID.cast_unsigned();
/// Most cents that a note may be off its key.
const MAX_TUNING: f32 = plugpen_proto::limits::MAX_TUNING;

/// A note that begins, with an id by which a `NoteExpression` finds it.
///
/// It stands in the event lists of `process_midi` and its siblings beside tuples. A plugin whose
/// format has no ids hears it as MIDI. One that a plugin gives out can be read like a MIDI tuple
/// ``(sample_offset, status, key, velocity)`` as well.
///
/// Args:
///     sample_offset: Frame in the block; beyond the block it means the last frame.
///     note_id: 0 to 2**30 - 1; the caller's own, one for each note that sounds.
///     key: 0 to 127.
///     velocity: 0 to 1, in single precision.
///     channel: 0 to 15.
///     tuning: Cents off the key, -12800 to 12800, in single precision.
///
/// Raises:
///     InvalidInput: A number is out of its range.
#[pyclass(module = "plugpen", name = "NoteOn", frozen, eq)]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NoteOn(Timed);

/// A note that ends; otherwise as `NoteOn`. The velocity is that of letting the key go.
#[pyclass(module = "plugpen", name = "NoteOff", frozen, eq)]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NoteOff(Timed);

/// A property of one sounding note takes a value.
///
/// It stands in event lists as `NoteOn` does; `Plugin.note_expressions` lists what a plugin takes.
///
/// Args:
///     sample_offset: Frame in the block; beyond the block it means the last frame.
///     note_id: The id that a `NoteOn` was given.
///     type_id: The property's ``type_id`` in `Plugin.note_expressions`.
///     value: 0 to 1.
///
/// Raises:
///     InvalidInput: A number is out of its range.
#[pyclass(module = "plugpen", name = "NoteExpression", frozen, eq)]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NoteExpression {
    offset: u32,
    expression: Expression,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Timed {
    offset: u32,
    note: Note,
}

/// An event in a list, if it is one of these, with its offset brought into the block.
pub fn read(event: &Bound<'_, PyAny>, last: u32, list: &mut EventList) -> bool {
    let timed = event.cast::<NoteOn>().map(|on| on.get().0);
    let timed = timed.or_else(|_| event.cast::<NoteOff>().map(|off| off.get().0));
    if let Ok(Timed { offset, note }) = timed {
        list.push_note(offset.min(last), note);
    } else if let Ok(found) = event.cast::<NoteExpression>() {
        let found = found.get();
        list.push_expression(found.offset.min(last), found.expression);
    } else {
        return false;
    }
    true
}

/// A note that a plugin gave out.
pub fn from_note(py: Python<'_>, offset: u32, note: Note) -> PyResult<Bound<'_, PyAny>> {
    let timed = Timed { offset, note };
    Ok(match note.is_on {
        true => Bound::new(py, NoteOn(timed))?.into_any(),
        false => Bound::new(py, NoteOff(timed))?.into_any(),
    })
}

/// A note expression that a plugin gave out.
pub fn from_expression(
    py: Python<'_>,
    offset: u32,
    expression: Expression,
) -> PyResult<Bound<'_, PyAny>> {
    let found = NoteExpression { offset, expression };
    Ok(Bound::new(py, found)?.into_any())
}

fn offset(value: Int) -> PyResult<u32> {
    value.within("sample_offset", 0, i32::MAX.cast_unsigned())
}

fn note_id(value: Int) -> PyResult<i32> {
    Ok(value.within("note_id", 0, LAST_ID)?.cast_signed())
}

fn byte(value: Int, what: &str, last: u8) -> PyResult<u8> {
    Ok(u8::try_from(value.within(what, 0, last.into())?)?)
}

fn single(value: f64, what: &str, low: f32, high: f32) -> PyResult<f32> {
    if (f64::from(low)..=f64::from(high)).contains(&value) {
        #[allow(clippy::cast_possible_truncation, reason = "rounding is meant")]
        let single = value as f32;
        return Ok(single);
    }
    Err(invalid(format!(
        "{what} must be a number in [{low}, {high}], got {value}"
    )))
}

impl Timed {
    fn new(
        is_on: bool,
        sample_offset: Int,
        id: Int,
        key: Int,
        velocity: f64,
        channel: Int,
        tuning: f64,
    ) -> PyResult<Self> {
        Ok(Self {
            offset: offset(sample_offset)?,
            note: Note {
                id: note_id(id)?,
                is_on,
                channel: byte(channel, "channel", 15)?,
                key: byte(key, "key", 127)?,
                velocity: single(velocity, "velocity", 0.0, 1.0)?,
                tuning: single(tuning, "tuning", -MAX_TUNING, MAX_TUNING)?,
            },
        })
    }

    /// As a MIDI tuple.
    fn tuple<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let [status, key, velocity] = self.note.midi();
        (self.offset, status, key, velocity).into_pyobject(py)
    }

    fn repr(&self, name: &str) -> String {
        let Note {
            id,
            channel,
            key,
            velocity,
            tuning,
            ..
        } = self.note;
        format!(
            "{name}(sample_offset={}, note_id={id}, key={key}, velocity={velocity:?}, channel={channel}, tuning={tuning:?})",
            self.offset
        )
    }
}

/// The members of both kinds of note.
macro_rules! note_members {
    ($class:ident, $is_on:expr, $velocity:expr, $text:literal) => {
        #[pymethods]
        impl $class {
            #[new]
            #[pyo3(signature = (
                sample_offset, note_id, key, velocity = $velocity, channel = Int(0), tuning = 0.0
            ), text_signature = $text)]
            fn new(
                sample_offset: Int,
                note_id: Int,
                key: Int,
                velocity: f64,
                channel: Int,
                tuning: f64,
            ) -> PyResult<Self> {
                let timed =
                    Timed::new($is_on, sample_offset, note_id, key, velocity, channel, tuning);
                timed.map(Self)
            }

            /// Frame in the block.
            #[getter]
            fn sample_offset(&self) -> u32 {
                self.0.offset
            }

            /// The note's id; a plugin's own may be below 0.
            #[getter]
            fn note_id(&self) -> i32 {
                self.0.note.id
            }

            /// MIDI key, 0 to 127.
            #[getter]
            fn key(&self) -> u8 {
                self.0.note.key
            }

            /// Velocity, 0 to 1.
            #[getter]
            fn velocity(&self) -> f32 {
                self.0.note.velocity
            }

            /// MIDI channel, 0 to 15.
            #[getter]
            fn channel(&self) -> u8 {
                self.0.note.channel
            }

            /// Cents off the key.
            #[getter]
            fn tuning(&self) -> f32 {
                self.0.note.tuning
            }

            fn __len__(&self) -> usize {
                4
            }

            fn __getitem__<'py>(
                &self,
                py: Python<'py>,
                index: &Bound<'py, PyAny>,
            ) -> PyResult<Bound<'py, PyAny>> {
                self.0.tuple(py)?.as_any().get_item(index)
            }

            fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                Ok(self.0.tuple(py)?.as_any().try_iter()?.into_any())
            }

            fn __repr__(&self) -> String {
                self.0.repr(stringify!($class))
            }
        }
    };
}

note_members!(
    NoteOn,
    true,
    1.0,
    "(sample_offset, note_id, key, velocity=1.0, channel=0, tuning=0.0)"
);
note_members!(
    NoteOff,
    false,
    0.0,
    "(sample_offset, note_id, key, velocity=0.0, channel=0, tuning=0.0)"
);

#[pymethods]
impl NoteExpression {
    #[new]
    fn new(sample_offset: Int, note_id: Int, type_id: Int, value: f64) -> PyResult<Self> {
        let note_id = self::note_id(note_id)?;
        let type_id = type_id.within("type_id", 0, u32::MAX - 1)?;
        if !(0.0..=1.0).contains(&value) {
            return Err(invalid(format!(
                "value must be a number in [0, 1], got {value}"
            )));
        }
        Ok(Self {
            offset: offset(sample_offset)?,
            expression: Expression {
                note_id,
                type_id,
                value,
            },
        })
    }

    /// Frame in the block.
    #[getter]
    fn sample_offset(&self) -> u32 {
        self.offset
    }

    /// The note's id.
    #[getter]
    fn note_id(&self) -> i32 {
        self.expression.note_id
    }

    /// The property: its number in `Plugin.note_expressions`.
    #[getter]
    fn type_id(&self) -> u32 {
        self.expression.type_id
    }

    /// Its value, 0 to 1.
    #[getter]
    fn value(&self) -> f64 {
        self.expression.value
    }

    fn __repr__(&self) -> String {
        let Expression {
            note_id,
            type_id,
            value,
        } = self.expression;
        format!(
            "NoteExpression(sample_offset={}, note_id={note_id}, type_id={type_id}, value={value:?})",
            self.offset
        )
    }
}
