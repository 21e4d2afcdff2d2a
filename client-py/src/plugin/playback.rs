//! Transport, reset, buses, track.

use plugpen::v1::Transport;
use pyo3::{
    exceptions::{PyOverflowError, PyTypeError},
    prelude::*,
    types::PyDict,
};

use super::Plugin;
use crate::arguments::Int;

#[pymethods]
impl Plugin {
    /// Set the transport for the following blocks. It does not advance by itself: set it before
    /// each block.
    ///
    /// Args:
    ///     bpm: Quarter notes a minute, finite and above 0.
    ///     time_sig_num: Upper number of the time signature.
    ///     time_sig_denom: Lower number of the time signature.
    ///     position_samples: Position of the block's first frame, in frames.
    ///     position_beats: The same in quarter notes, finite.
    ///     is_playing: Whether the transport rolls.
    ///     is_recording: Whether it records.
    ///     is_looping: Whether it loops.
    ///     loop_start: Start of the loop, in frames.
    ///     loop_end: End of the loop, in frames.
    #[pyo3(signature = (
        bpm, time_sig_num = Int(4), time_sig_denom = Int(4), position_samples = Int(0),
        position_beats = 0.0, is_playing = true, is_recording = false, is_looping = false,
        loop_start = Int(0), loop_end = Int(0)
    ), text_signature = "($self, bpm, time_sig_num=4, time_sig_denom=4, position_samples=0, \
        position_beats=0.0, is_playing=True, is_recording=False, is_looping=False, loop_start=0, \
        loop_end=0)")]
    #[allow(clippy::too_many_arguments, reason = "the contract's signature")]
    fn set_transport(
        &self,
        py: Python<'_>,
        bpm: f64,
        time_sig_num: Int,
        time_sig_denom: Int,
        position_samples: Int,
        position_beats: f64,
        is_playing: bool,
        is_recording: bool,
        is_looping: bool,
        loop_start: Int,
        loop_end: Int,
    ) -> PyResult<()> {
        let transport = Transport {
            bpm,
            // A plugin may divide by either.
            time_sig_num: time_sig_num.clamped(1, 65_535),
            time_sig_denom: time_sig_denom.clamped(1, 65_535),
            position_samples: position_samples.0,
            position_beats,
            is_playing,
            is_recording,
            is_looping,
            loop_start: loop_start.0,
            loop_end: loop_end.0,
        };
        self.call(py, |plugin| plugin.set_transport(transport))
    }

    /// Take the transport away: the plugin plays without tempo and position.
    fn clear_transport(&self, py: Python<'_>) -> PyResult<()> {
        self.call(py, |plugin| plugin.clear_transport())
    }

    /// Clear delay lines, filters and voices; parameters stay.
    fn reset(&self, py: Python<'_>) -> PyResult<()> {
        self.call(py, |plugin| plugin.reset())
    }

    /// An audio bus.
    ///
    /// Args:
    ///     is_input: True for an input bus.
    ///     bus_index: 0 up to `num_input_buses` or `num_output_buses` - 1.
    ///
    /// Returns:
    ///     A dict with ``name``, ``num_channels`` (also as ``channels``), ``is_main`` and
    ///     ``is_enabled``.
    fn get_bus_info<'py>(
        &self,
        py: Python<'py>,
        is_input: bool,
        bus_index: Int,
    ) -> PyResult<Bound<'py, PyDict>> {
        let count = match is_input {
            true => self.open()?.num_input_buses(),
            false => self.open()?.num_output_buses(),
        };
        let what = if is_input { "input bus" } else { "output bus" };
        let index = bus_index.index(what, u32::try_from(count)?, "get bus info")?;
        let bus = self.call(py, |plugin| plugin.bus(is_input, index))?;
        let info = PyDict::new(py);
        info.set_item("name", &bus.name)?;
        info.set_item("num_channels", bus.channels)?;
        info.set_item("channels", bus.channels)?;
        info.set_item("is_main", bus.is_main)?;
        info.set_item("is_enabled", bus.is_enabled)?;
        Ok(info)
    }

    /// Whether the plugin could run with these channel counts, one number a bus. Other counts than
    /// the present ones are asked of the plugin where its format can: it stands still for that, as
    /// for `reset`, and goes on as it was.
    fn check_buses_layout(
        &self,
        py: Python<'_>,
        input_channels: Vec<Int>,
        output_channels: Vec<Int>,
    ) -> PyResult<bool> {
        let counts =
            |channels: Vec<Int>| -> Vec<i32> { channels.into_iter().map(Int::saturated).collect() };
        let (inputs, outputs) = (counts(input_channels), counts(output_channels));
        self.call(py, |plugin| plugin.check_buses_layout(&inputs, &outputs))
    }

    /// Tell the plugin about the track it is on.
    ///
    /// Args:
    ///     name: The track's name; None says nothing of it.
    ///     colour: 0xAARRGGBB; None says nothing of it.
    #[pyo3(signature = (name = None, colour = None))]
    fn set_track_properties(
        &self,
        py: Python<'_>,
        name: Option<&str>,
        colour: Option<Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let colour = match colour {
            None => None,
            Some(colour) => match colour.extract::<u32>() {
                Ok(colour) => Some(colour),
                Err(error) if error.is_instance_of::<PyOverflowError>(py) => {
                    return Err(PyTypeError::new_err(format!(
                        "colour must be an unsigned 32-bit ARGB value, got {colour}"
                    )));
                }
                Err(error) => return Err(error),
            },
        };
        self.call(py, |plugin| plugin.set_track_properties(name, colour))
    }
}
