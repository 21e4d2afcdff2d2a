//! MIDI and automation between Python's tuples and event lists.

use plugpen::{EventBody, EventList};
use pyo3::{
    exceptions::PyTypeError,
    prelude::*,
    types::{PyByteArray, PyBytes, PyDict, PyList, PyString, PyTuple},
};

use crate::{arguments::Int, arrays::type_name, errors::invalid, notes};

/// What minihost returned at most, and our default.
pub const MIDI_OUT_CAPACITY: u32 = 256;
/// The same as a default argument.
pub const DEFAULT_CAPACITY: Int = Int(256);

/// A `midi_out_capacity` argument.
pub fn capacity(value: Int) -> PyResult<usize> {
    usize::try_from(value.0).map_err(|_| {
        invalid(format!(
            "midi_out_capacity must be 0 or more, got {}",
            value.0
        ))
    })
}

const MIDI_FORM: &str =
    "MIDI event must be a tuple (sample_offset, status, data1, data2) or (sample_offset, bytes)";

/// Reads MIDI events, each `(offset, status, data1, data2)` or `(offset, bytes)`, and the classes
/// of [`notes`].
///
/// Offsets at or beyond `frames` become the last frame.
pub fn read_midi(
    object: &Bound<'_, PyAny>,
    name: &str,
    frames: usize,
    list: &mut EventList,
) -> PyResult<()> {
    let last = u32::try_from(frames.saturating_sub(1)).unwrap_or(u32::MAX);
    for_each(object, name, |event| {
        if notes::read(event, last, list) {
            return Ok(());
        }
        let Some(fields) = fields(event)? else {
            return Err(invalid(format!("{MIDI_FORM}, got {}", repr(event))));
        };
        match fields.len() {
            4 => {
                let offset = midi_offset(event, &fields, frames)?;
                let status = midi_byte(event, &fields, 1, "status", 128..=255)?;
                let data1 = midi_byte(event, &fields, 2, "data1", 0..=127)?;
                let data2 = midi_byte(event, &fields, 3, "data2", 0..=127)?;
                let Some(length) = message_length(status) else {
                    return Err(invalid(format!(
                        "MIDI event {}: a SysEx message is given as (sample_offset, bytes)",
                        repr(event)
                    )));
                };
                list.push_midi(offset, &[status, data1, data2][..length]);
                Ok(())
            }
            2 => {
                let offset = midi_offset(event, &fields, frames)?;
                let data = message_bytes(event, &fields)?;
                list.push_midi(offset, &data);
                Ok(())
            }
            _ => Err(invalid(format!("{MIDI_FORM}, got {}", repr(event)))),
        }
    })
}

/// One automation entry.
pub struct Change {
    pub offset: u64,
    pub plugin: usize,
    pub parameter: u32,
    pub value: f64,
}

/// Reads parameter changes `(offset, parameter, value)` of one plugin, or
/// `(offset, plugin, parameter, value)` of a chain; sorted by offset, values clamped to 0..1.
///
/// Offsets are within a block of so many `frames`; without one they may be anywhere, and those
/// before the beginning are at the beginning. `parameters` holds the number of parameters of each
/// plugin.
pub fn read_changes(
    object: &Bound<'_, PyAny>,
    chain: bool,
    frames: Option<usize>,
    parameters: &[u32],
) -> PyResult<Vec<Change>> {
    let form = if chain {
        "automation entry must be a tuple (sample_offset, plugin_index, param_index, value)"
    } else {
        "automation entry must be a tuple (sample_offset, param_index, value)"
    };
    let width = if chain { 4 } else { 3 };
    let mut changes = Vec::new();
    for_each(object, "param_changes", |entry| {
        let fields = match fields(entry)? {
            Some(fields) if fields.len() == width => fields,
            _ => return Err(invalid(format!("{form}, got {}", repr(entry)))),
        };
        let integer = |position: usize, what: &str, count: usize| {
            let field = fields.get_item(position)?;
            in_range(&field, count).ok_or_else(|| {
                let range = match count {
                    0 => "there are none".to_owned(),
                    n => format!("{what} must be an integer in [0, {}]", n - 1),
                };
                invalid(format!("automation entry {}: {range}", repr(entry)))
            })
        };
        let offset = match frames {
            Some(frames) => u64::try_from(integer(0, "sample_offset", frames)?)?,
            None => {
                let offset = fields.get_item(0)?.extract::<i64>().map_err(|_| {
                    invalid(format!(
                        "automation entry {}: sample_offset must be an integer",
                        repr(entry)
                    ))
                })?;
                u64::try_from(offset).unwrap_or(0)
            }
        };
        let plugin = match chain {
            true => integer(1, "plugin_index", parameters.len())?,
            false => 0,
        };
        let count = usize::try_from(parameters.get(plugin).copied().unwrap_or(0))?;
        let parameter = integer(width - 2, "param_index", count)?;
        let value = fields.get_item(width - 1)?.extract::<f64>();
        let Some(value) = value.ok().filter(|value| value.is_finite()) else {
            return Err(invalid(format!(
                "automation entry {}: value must be a finite number",
                repr(entry)
            )));
        };
        changes.push(Change {
            offset,
            plugin,
            parameter: u32::try_from(parameter)?,
            value: value.clamp(0.0, 1.0),
        });
        Ok(())
    })?;
    changes.sort_by_key(|change| change.offset);
    Ok(changes)
}

/// The MIDI messages of a list as tuples, its notes and expressions as classes of [`notes`], and
/// how many did not fit in `capacity`.
///
/// A message of up to three bytes is `(offset, status, data1, data2)`, a longer one
/// `(offset, bytes)`.
pub fn write_midi<'py>(
    py: Python<'py>,
    list: &EventList,
    capacity: usize,
) -> PyResult<(Bound<'py, PyList>, u64)> {
    let out = PyList::empty(py);
    let mut dropped = 0;
    for event in list.iter() {
        if out.len() >= capacity && !event.body.is_parameter() {
            dropped += 1;
            continue;
        }
        let data = match event.body {
            EventBody::Midi(data) => data,
            EventBody::Note(note) => {
                out.append(notes::from_note(py, event.offset, note)?)?;
                continue;
            }
            EventBody::Expression(expression) => {
                out.append(notes::from_expression(py, event.offset, expression)?)?;
                continue;
            }
            EventBody::Parameter { .. } => continue,
        };
        match *data {
            [] => {}
            [0xF0, ..] | [_, _, _, _, ..] => {
                out.append((event.offset, PyBytes::new(py, data)))?;
            }
            [status] => out.append((event.offset, status, 0, 0))?,
            [status, data1] => out.append((event.offset, status, data1, 0))?,
            [status, data1, data2] => out.append((event.offset, status, data1, data2))?,
        }
    }
    Ok((out, dropped))
}

/// Bytes of a message by its status; `None` for SysEx, whose length is its own.
pub fn message_length(status: u8) -> Option<usize> {
    match status {
        0xC0..=0xDF | 0xF1 | 0xF3 => Some(2),
        0xF0 => None,
        0xF4..=0xFF => Some(1),
        _ => Some(3),
    }
}

fn for_each(
    object: &Bound<'_, PyAny>,
    name: &str,
    mut each: impl FnMut(&Bound<'_, PyAny>) -> PyResult<()>,
) -> PyResult<()> {
    if let Ok(list) = object.cast::<PyList>() {
        return list.iter().try_for_each(|item| each(&item));
    }
    let refused = object.is_instance_of::<PyString>()
        || object.is_instance_of::<PyBytes>()
        || object.is_instance_of::<PyDict>();
    let items = (!refused).then(|| object.try_iter());
    let Some(Ok(items)) = items else {
        return Err(PyTypeError::new_err(format!(
            "{name} must be a list of tuples, got {}",
            type_name(object)
        )));
    };
    for item in items {
        each(&item?)?;
    }
    Ok(())
}

/// The fields of an event: of a tuple, or of anything that can be read like one.
fn fields<'py>(event: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyTuple>>> {
    if let Ok(tuple) = event.cast::<PyTuple>() {
        return Ok(Some(tuple.clone()));
    }
    if event.is_instance_of::<PyString>() || event.is_instance_of::<PyBytes>() {
        return Ok(None);
    }
    match event.try_iter() {
        Ok(items) => {
            let items = items.collect::<PyResult<Vec<_>>>()?;
            Ok(Some(PyTuple::new(event.py(), items)?))
        }
        Err(_) => Ok(None),
    }
}

fn midi_offset(
    event: &Bound<'_, PyAny>,
    fields: &Bound<'_, PyTuple>,
    frames: usize,
) -> PyResult<u32> {
    let offset = fields.get_item(0)?.extract::<i32>().ok();
    let Some(offset) = offset.and_then(|offset| u32::try_from(offset).ok()) else {
        return Err(invalid(format!(
            "MIDI event {}: sample_offset must be an integer in [0, 2147483647]",
            repr(event)
        )));
    };
    let last = u32::try_from(frames.saturating_sub(1)).unwrap_or(u32::MAX);
    Ok(offset.min(last))
}

fn midi_byte(
    event: &Bound<'_, PyAny>,
    fields: &Bound<'_, PyTuple>,
    position: usize,
    what: &str,
    range: std::ops::RangeInclusive<u8>,
) -> PyResult<u8> {
    let value = fields.get_item(position)?.extract::<u8>().ok();
    value.filter(|value| range.contains(value)).ok_or_else(|| {
        invalid(format!(
            "MIDI event {}: {what} must be an integer in [{}, {}]",
            repr(event),
            range.start(),
            range.end()
        ))
    })
}

fn message_bytes(event: &Bound<'_, PyAny>, fields: &Bound<'_, PyTuple>) -> PyResult<Vec<u8>> {
    let field = fields.get_item(1)?;
    let data = if let Ok(bytes) = field.cast::<PyBytes>() {
        bytes.as_bytes().to_vec()
    } else if let Ok(bytes) = field.cast::<PyByteArray>() {
        bytes.to_vec()
    } else {
        return Err(invalid(format!("{MIDI_FORM}, got {}", repr(event))));
    };
    let inner = |data: &[u8]| data.iter().all(|byte| *byte < 128);
    let valid = match data.as_slice() {
        [0xF0, body @ .., 0xF7] => inner(body),
        [status @ 128..=255, body @ ..] => {
            message_length(*status) == Some(data.len()) && inner(body)
        }
        _ => false,
    };
    if !valid {
        return Err(invalid(format!(
            "MIDI event {}: the bytes must be one whole message: F0, data below 80, F7 for a SysEx",
            repr(event)
        )));
    }
    Ok(data)
}

fn in_range(object: &Bound<'_, PyAny>, count: usize) -> Option<usize> {
    let value = object.extract::<i64>().ok()?;
    usize::try_from(value).ok().filter(|value| *value < count)
}

/// An object as Python shows it, cut where it is long.
fn repr(object: &Bound<'_, PyAny>) -> String {
    let text = object
        .repr()
        .map_or_else(|_| type_name(object), |text| text.to_string());
    match text.char_indices().nth(120) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}
