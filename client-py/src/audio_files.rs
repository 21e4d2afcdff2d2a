//! Audio files: `read_audio`, `write_audio`, `get_audio_info`.

use std::path::Path;

use numpy::{PyArray2, PyUntypedArrayMethods, ndarray::Array2};
use plugpen_engine::{BitDepth, read_wav, wav_info, write_wav};
use pyo3::{exceptions::PyTypeError, prelude::*, types::PyDict};

use crate::{
    arguments::{Int, PathText},
    arrays::{Input, as_numbers, type_name},
    errors::{OrRaise, invalid},
    renderer::check_container,
};

/// Read an audio file. What it is is told by its content: WAV, 8 to 32 bits.
///
/// Args:
///     path: The file.
///     as_: ``numpy.ndarray``, the only container there is, or None.
///
/// Returns:
///     The samples, float32 of shape ``(channels, frames)``, and the frames a second.
///
/// Raises:
///     FileNotFoundError: There is no such file.
///     RuntimeError: It is not an audio file of a known format.
#[pyfunction]
#[pyo3(signature = (path, as_ = None))]
pub fn read_audio<'py>(
    py: Python<'py>,
    path: PathText,
    as_: Option<&Bound<'py, PyAny>>,
) -> PyResult<(Bound<'py, PyArray2<f32>>, u32)> {
    check_container(as_)?;
    let (samples, sample_rate) = py
        .detach(|| {
            let (planes, sample_rate) = read_wav(&path.0)?;
            let frames = planes.first().map_or(0, Vec::len);
            let mut samples = Vec::with_capacity(planes.len() * frames);
            for plane in &planes {
                samples.extend_from_slice(plane);
            }
            let samples = Array2::from_shape_vec((planes.len(), frames), samples);
            Ok((samples, sample_rate))
        })
        .or_raise()?;
    let samples = samples.map_err(|_| {
        invalid(format!(
            "Failed to read audio file: {}: its channels differ in length",
            path.0
        ))
    })?;
    Ok((PyArray2::from_owned_array(py, samples), sample_rate))
}

/// Write a WAV file; an existing one is replaced.
///
/// Args:
///     path: The file; its extension must be ``.wav``.
///     data: Samples of shape ``(channels, frames)`` or, for one channel, ``(frames,)``; full scale
///         is -1 to 1.
///     sample_rate: Frames a second, above 0; a fraction is cut off.
///     bit_depth: 16 or 24 for PCM (rounded, saturated), 32 for floating point (as it is).
///
/// Raises:
///     ValueError: The extension or the bit depth is none of these.
///     RuntimeError: The file cannot be written.
#[pyfunction]
#[pyo3(signature = (path, data, sample_rate, bit_depth = Int(24)),
    text_signature = "(path, data, sample_rate, bit_depth=24)")]
pub fn write_audio(
    py: Python<'_>,
    path: PathText,
    data: &Bound<'_, PyAny>,
    sample_rate: &Bound<'_, PyAny>,
    bit_depth: Int,
) -> PyResult<()> {
    check_extension(&path.0)?;
    let depth = BitDepth::from_bits(bit_depth.0).or_raise()?;
    let mut array = as_numbers(data, "data")?.into_any();
    if array.cast::<numpy::PyUntypedArray>()?.ndim() == 1 {
        array = array.call_method1("reshape", (1, -1))?;
    }
    let samples = Input::<f32>::new(&array, "data")?;
    let sample_rate = frames_a_second(sample_rate)?;
    let rows = samples.rows();
    py.detach(|| write_wav(&path.0, rows.as_slice(), sample_rate, depth))
        .or_raise()
}

/// What an audio file holds, read from its header.
///
/// Returns:
///     A dict with ``channels``, ``sample_rate``, ``frames`` and ``duration`` (seconds).
///
/// Raises:
///     FileNotFoundError: There is no such file.
///     RuntimeError: It is not an audio file of a known format.
#[pyfunction]
pub fn get_audio_info<'py>(py: Python<'py>, path: PathText) -> PyResult<Bound<'py, PyDict>> {
    let info = py.detach(|| wav_info(&path.0)).or_raise()?;
    let dict = PyDict::new(py);
    dict.set_item("channels", info.channels)?;
    dict.set_item("sample_rate", info.sample_rate)?;
    dict.set_item("frames", info.frames)?;
    dict.set_item("duration", info.duration_seconds)?;
    Ok(dict)
}

fn check_extension(path: &str) -> PyResult<()> {
    let extension = Path::new(path).extension();
    let extension = extension.map_or(String::new(), |extension| {
        format!(".{}", extension.to_string_lossy())
    });
    match extension.to_ascii_lowercase().as_str() {
        ".wav" => Ok(()),
        _ => Err(invalid(format!(
            "Unsupported audio format for writing: '{extension}'. Supported: WAV (.wav)."
        ))),
    }
}

fn frames_a_second(object: &Bound<'_, PyAny>) -> PyResult<u32> {
    let rate = object.extract::<f64>().map_err(|_| {
        PyTypeError::new_err(format!(
            "sample_rate must be a number, got {}",
            type_name(object)
        ))
    })?;
    if rate < 0.0 {
        return Err(PyTypeError::new_err(format!(
            "sample_rate must not be negative, got {rate}"
        )));
    }
    if !(1.0..=f64::from(u32::MAX)).contains(&rate) {
        return Err(invalid(format!(
            "sample_rate must be in [1, {}], got {rate}",
            u32::MAX
        )));
    }
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked above; a fraction is cut off"
    )]
    Ok(rate as u32)
}
