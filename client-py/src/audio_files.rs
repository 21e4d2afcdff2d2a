//! Audio files and sample rates: `read_audio`, `write_audio`, `get_audio_info`, `resample`.

use numpy::{PyArray2, PyUntypedArrayMethods, ndarray::Array2};
use plugpen_engine::{AudioFormat, BitDepth, BroadcastInfo, Quality, WriteOptions, audio_info};
use pyo3::{exceptions::PyTypeError, prelude::*, types::PyDict};

use crate::{
    arguments::{Int, PathText},
    arrays::{Input, as_numbers, type_name},
    errors::{OrRaise, invalid},
    patience::patiently,
    rendering::check_container,
};

/// Read an audio file. What it is is told by its content, not its name: WAV (also RF64, BW64 and
/// Wave64), AIFF, CAF, FLAC, MP3, Ogg Vorbis, AAC and ALAC (M4A).
///
/// What encoders of MP3 and Vorbis put before and after the sound is left out. A file cut short
/// gives the frames it has.
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
///     RuntimeError: It is not an audio file of a known format, or damaged.
#[pyfunction]
#[pyo3(signature = (path, as_ = None))]
pub fn read_audio<'py>(
    py: Python<'py>,
    path: PathText,
    as_: Option<&Bound<'py, PyAny>>,
) -> PyResult<(Bound<'py, PyArray2<f32>>, u32)> {
    check_container(as_)?;
    let (samples, sample_rate) = patiently(py, move || {
        let (planes, sample_rate) = plugpen_engine::read_audio(&path.0)?;
        Ok((joined(planes), sample_rate))
    })?;
    Ok((PyArray2::from_owned_array(py, samples), sample_rate))
}

/// Write an audio file; its extension, ``.wav`` or ``.flac``, says which. An existing one is
/// replaced, once the new one is complete.
///
/// Args:
///     path: The file. A WAV file above 4 GiB becomes RF64.
///     data: Samples of shape ``(channels, frames)`` or, for one channel, ``(frames,)``; full scale
///         is -1 to 1.
///     sample_rate: Frames a second, above 0; a fraction is cut off.
///     bit_depth: 16 or 24 for integers (rounded, saturated), 32 for floating point (as it is, WAV
///         only).
///     bwf: Makes a Broadcast Wave file (WAV only): a dict with any of ``description``,
///         ``originator``, ``originator_reference``, ``origination_date`` ("yyyy-mm-dd"),
///         ``origination_time`` ("hh:mm:ss"), ``time_reference`` (frames since midnight) and
///         ``coding_history``, all in ASCII.
///
/// Raises:
///     ValueError: The extension, the bit depth or a field of ``bwf`` is none of these, or there
///         are no frames.
///     RuntimeError: The file cannot be written.
#[pyfunction]
#[pyo3(signature = (path, data, sample_rate, bit_depth = Int(24), bwf = None),
    text_signature = "(path, data, sample_rate, bit_depth=24, bwf=None)")]
pub fn write_audio(
    py: Python<'_>,
    path: PathText,
    data: &Bound<'_, PyAny>,
    sample_rate: &Bound<'_, PyAny>,
    bit_depth: Int,
    bwf: Option<&Bound<'_, PyAny>>,
) -> PyResult<()> {
    AudioFormat::of(&path.0).or_raise()?;
    let mut options = WriteOptions {
        channels: 1,
        sample_rate: 1,
        depth: BitDepth::from_bits(bit_depth.0).or_raise()?,
        broadcast: bwf.map(broadcast).transpose()?,
    };
    options.check(&path.0).or_raise()?;
    let samples = planes(data, "data")?;
    options.sample_rate = frames_a_second(sample_rate, "sample_rate")?;
    let rows = samples.rows();
    options.channels = rows.as_slice().len();
    if samples.frames() == 0 {
        return Err(invalid("data must have at least one frame, got none"));
    }
    py.detach(|| plugpen_engine::write_audio(&path.0, rows.as_slice(), &options))
        .or_raise()
}

/// Change the sample rate of audio: band-limited, without delay, with the end of the sound.
///
/// Args:
///     data: Samples of shape ``(channels, frames)`` or, for one channel, ``(frames,)``.
///     sample_rate_in: Frames a second of ``data``.
///     sample_rate_out: Frames a second of the result; the ratio may be 1:256 to 256:1.
///     quality: ``"best"`` (flat to 97 % of the lower Nyquist frequency), ``"medium"`` (94 %) or
///         ``"fastest"`` (80 %).
///
/// Returns:
///     float32 of shape ``(channels, round(frames * sample_rate_out / sample_rate_in))``, at least
///     one frame; a copy if the rates are equal.
///
/// Raises:
///     ValueError: A rate, the ratio or the quality is none of these, or there are no frames.
#[pyfunction]
#[pyo3(signature = (data, sample_rate_in, sample_rate_out, quality = "best"))]
pub fn resample<'py>(
    py: Python<'py>,
    data: &Bound<'py, PyAny>,
    sample_rate_in: &Bound<'py, PyAny>,
    sample_rate_out: &Bound<'py, PyAny>,
    quality: &str,
) -> PyResult<Bound<'py, PyArray2<f32>>> {
    let quality = Quality::from_name(quality).or_raise()?;
    let samples = planes(data, "data")?;
    let rate_in = frames_a_second(sample_rate_in, "sample_rate_in")?;
    let rate_out = frames_a_second(sample_rate_out, "sample_rate_out")?;
    let rows = samples.rows();
    if samples.frames() == 0 || rows.as_slice().is_empty() {
        return Err(invalid("data must have at least one channel and one frame"));
    }
    let resampled = py
        .detach(|| plugpen_engine::resample(rows.as_slice(), rate_in, rate_out, quality))
        .or_raise()?;
    Ok(PyArray2::from_owned_array(py, joined(resampled)))
}

/// What an audio file holds, without decoding it. Files whose header does not say how long they
/// are (MP3, Vorbis, AAC) are looked through.
///
/// Returns:
///     A dict with ``channels``, ``sample_rate``, ``frames`` and ``duration`` (seconds).
///
/// Raises:
///     FileNotFoundError: There is no such file.
///     RuntimeError: It is not an audio file of a known format.
#[pyfunction]
pub fn get_audio_info<'py>(py: Python<'py>, path: PathText) -> PyResult<Bound<'py, PyDict>> {
    let info = patiently(py, move || audio_info(&path.0))?;
    let dict = PyDict::new(py);
    dict.set_item("channels", info.channels)?;
    dict.set_item("sample_rate", info.sample_rate)?;
    dict.set_item("frames", info.frames)?;
    dict.set_item("duration", info.duration_seconds)?;
    Ok(dict)
}

/// Planes of one length as an array.
pub fn joined(planes: Vec<Vec<f32>>) -> Array2<f32> {
    let (channels, frames) = (planes.len(), planes.first().map_or(0, Vec::len));
    let mut samples = Vec::with_capacity(channels * frames);
    for plane in &planes {
        samples.extend_from_slice(&plane[..frames.min(plane.len())]);
    }
    samples.resize(channels * frames, 0.0);
    Array2::from_shape_vec((channels, frames), samples).unwrap_or_default()
}

/// Samples of two dimensions, or of one for one channel.
pub fn planes<'py>(data: &Bound<'py, PyAny>, name: &str) -> PyResult<Input<'py, f32>> {
    let mut array = as_numbers(data, name)?.into_any();
    if array.cast::<numpy::PyUntypedArray>()?.ndim() == 1 {
        array = array.call_method1("reshape", (1, -1))?;
    }
    Input::new(&array, name)
}

/// The fields of a `bwf` dict.
pub fn broadcast(fields: &Bound<'_, PyAny>) -> PyResult<BroadcastInfo> {
    let fields = fields.cast::<PyDict>().map_err(|_| {
        PyTypeError::new_err(format!("bwf must be a dict, got {}", type_name(fields)))
    })?;
    let mut info = BroadcastInfo::default();
    for (name, value) in fields {
        let name = name.extract::<String>()?;
        let text = || {
            value.extract::<String>().map_err(|_| {
                PyTypeError::new_err(format!(
                    "bwf: {name} must be a str, got {}",
                    type_name(&value)
                ))
            })
        };
        match name.as_str() {
            "description" => info.description = text()?,
            "originator" => info.originator = text()?,
            "originator_reference" => info.originator_reference = text()?,
            "origination_date" => info.origination_date = text()?,
            "origination_time" => info.origination_time = text()?,
            "coding_history" => info.coding_history = text()?,
            "time_reference" => {
                info.time_reference = value.extract::<u64>().map_err(|_| {
                    invalid(format!(
                        "bwf: time_reference must be an integer in [0, 2^64 - 1], got {value}"
                    ))
                })?;
            }
            _ => {
                return Err(invalid(format!(
                    "bwf has no field '{name}'; there are description, originator, originator_reference, origination_date, origination_time, time_reference and coding_history"
                )));
            }
        }
    }
    Ok(info)
}

pub fn frames_a_second(object: &Bound<'_, PyAny>, name: &str) -> PyResult<u32> {
    let rate = object.extract::<f64>().map_err(|_| {
        PyTypeError::new_err(format!(
            "{name} must be a number, got {}",
            type_name(object)
        ))
    })?;
    if rate < 0.0 {
        return Err(PyTypeError::new_err(format!(
            "{name} must not be negative, got {rate}"
        )));
    }
    if !(1.0..=f64::from(u32::MAX)).contains(&rate) {
        return Err(invalid(format!(
            "{name} must be in [1, {}], got {rate}",
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
