//! Properties: what the plugin is, and how it is set to play.

use std::sync::atomic::Ordering;

use plugpen::v1::{PluginFormat, Precision};
use pyo3::{prelude::*, types::PyDict};

use super::Plugin;
use crate::{arguments::Int, errors::invalid, server::sandbox_dict};

#[pymethods]
impl Plugin {
    /// The plugin's name.
    #[getter]
    fn name(&self) -> String {
        self.inner.description().name
    }

    /// Who made it.
    #[getter]
    fn vendor(&self) -> String {
        self.inner.description().vendor
    }

    /// Its format: "LV2", "VST2", "VST3" or "AudioUnit".
    #[getter]
    fn format(&self) -> &'static str {
        format_name(self.inner.description().format())
    }

    /// 8 hex digits that tell it from other plugins.
    #[getter]
    fn unique_id(&self) -> String {
        self.inner.description().unique_id
    }

    /// The path or URI it was opened with.
    #[getter]
    fn path(&self) -> String {
        self.inner.path().to_owned()
    }

    /// What the daemon calls it.
    #[getter]
    fn handle(&self) -> String {
        self.inner.handle().to_owned()
    }

    /// Which process of the plugin this is: 1 at first, one more after each restart.
    #[getter]
    fn generation(&self) -> u64 {
        self.inner.generation()
    }

    /// Process id of the plugin's worker.
    #[getter]
    fn worker_pid(&self) -> u32 {
        self.inner.worker_pid()
    }

    /// How it is jailed: a dict from layers to "ENFORCED", "PARTIAL", "ABSENT" or "OFF".
    #[getter]
    fn sandbox<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        sandbox_dict(py, self.inner.opened().sandbox.as_ref())
    }

    /// Most frames of a block.
    #[getter]
    fn max_block_size(&self) -> PyResult<u32> {
        Ok(self.open()?.max_block_size())
    }

    /// Number of parameters.
    #[getter]
    fn num_params(&self) -> PyResult<u32> {
        Ok(self.open()?.num_params())
    }

    /// Channels of the main input; 0 for an instrument.
    #[getter]
    fn num_input_channels(&self) -> PyResult<u32> {
        Ok(self.open()?.num_input_channels())
    }

    /// Channels of the main output.
    #[getter]
    fn num_output_channels(&self) -> PyResult<u32> {
        Ok(self.open()?.num_output_channels())
    }

    /// Channels of the sidechain input; 0 where the plugin has none.
    #[getter]
    fn sidechain_channels(&self) -> PyResult<u32> {
        Ok(self.open()?.sidechain_channels())
    }

    /// Number of input buses.
    #[getter]
    fn num_input_buses(&self) -> PyResult<usize> {
        Ok(self.open()?.num_input_buses())
    }

    /// Number of output buses.
    #[getter]
    fn num_output_buses(&self) -> PyResult<usize> {
        Ok(self.open()?.num_output_buses())
    }

    /// Number of factory programs.
    #[getter]
    fn num_programs(&self) -> PyResult<u32> {
        Ok(self.open()?.num_programs())
    }

    /// Frames by which the output is late, right before the first block too.
    #[getter]
    fn latency_samples(&self) -> PyResult<u32> {
        Ok(self.open()?.latency_samples())
    }

    /// Seconds for which the plugin says it rings on; may be infinite.
    #[getter]
    fn tail_seconds(&self, py: Python<'_>) -> PyResult<f64> {
        let plugin = self.open()?;
        // It may have to ask the plugin.
        Ok(py.detach(|| plugin.tail_seconds()))
    }

    /// What was wrong with the numbers in each output since the plugin was loaded, of one that was
    /// opened with `numerics=True`: a dictionary an output, with the counts of `samples`, and of
    /// those that were `nan`, `infinite`, `denormal`, `clipped` (beyond 1 or -1) and `silent`
    /// (zero), the `peak` and the mean (`dc`) of those that are finite.
    ///
    /// Raises:
    ///     WrongState: It was opened without.
    #[getter]
    fn numerics<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let outputs = self.call(py, |plugin| plugin.numerics(false))?;
        outputs
            .iter()
            .map(|output| {
                let about = PyDict::new(py);
                for (name, count) in [
                    ("samples", output.samples),
                    ("nan", output.nan),
                    ("infinite", output.infinite),
                    ("denormal", output.denormal),
                    ("clipped", output.clipped),
                    ("silent", output.silent),
                ] {
                    about.set_item(name, count)?;
                }
                about.set_item("peak", output.peak)?;
                about.set_item("dc", output.dc)?;
                Ok(about)
            })
            .collect()
    }

    /// Begin to count the `numerics` anew.
    fn reset_numerics(&self, py: Python<'_>) -> PyResult<()> {
        self.call(py, |plugin| plugin.numerics(true)).map(drop)
    }

    /// Whether it takes MIDI.
    #[getter]
    fn accepts_midi(&self) -> PyResult<bool> {
        Ok(self.open()?.accepts_midi())
    }

    /// Whether it gives out MIDI.
    #[getter]
    fn produces_midi(&self) -> PyResult<bool> {
        Ok(self.open()?.produces_midi())
    }

    /// Whether it works on MIDI only.
    #[getter]
    fn is_midi_effect(&self) -> PyResult<bool> {
        Ok(self.open()?.is_midi_effect())
    }

    /// Whether each note can be shaped on its own: a VST3 plugin that lists `note_expressions`.
    #[getter]
    fn supports_mpe(&self) -> PyResult<bool> {
        Ok(self.open()?.supports_mpe())
    }

    /// Whether it computes in double precision by itself.
    #[getter]
    fn supports_double(&self) -> PyResult<bool> {
        Ok(self.open()?.supports_double())
    }

    /// Events that the last `process_midi`, `process_auto` or `process_sidechain_midi` had to drop:
    /// the plugin's beyond `midi_out_capacity` or the room in shared memory, and those that the
    /// plugin could not be told.
    #[getter]
    fn midi_out_dropped(&self) -> u64 {
        self.midi_out_dropped.load(Ordering::Relaxed)
    }

    /// Frames a second. Setting it starts a fresh process at the new rate and keeps the state.
    ///
    /// Setting raises InvalidInput unless the rate is finite and above 0, and WrongState while the
    /// plugin is in a chain.
    #[getter]
    fn sample_rate(&self) -> PyResult<f64> {
        Ok(self.open()?.sample_rate())
    }

    #[setter]
    fn set_sample_rate(&self, py: Python<'_>, value: f64) -> PyResult<()> {
        self.call(py, |plugin| plugin.set_sample_rate(value))
    }

    /// Index of the current factory program; 0 where there are none.
    #[getter]
    fn program(&self, py: Python<'_>) -> PyResult<u32> {
        self.call(py, |plugin| plugin.program())
    }

    #[setter]
    fn set_program(&self, py: Python<'_>, value: Int) -> PyResult<()> {
        let index = value.index("program", self.open()?.num_programs(), "set program")?;
        self.call(py, |plugin| plugin.set_program(index))
    }

    /// Whether the input is passed through, aligned with the latency. A plugin without a bypass of
    /// its own is bypassed by the host.
    #[getter]
    fn bypass(&self) -> PyResult<bool> {
        Ok(self.open()?.bypass())
    }

    #[setter]
    fn set_bypass(&self, py: Python<'_>, value: bool) -> PyResult<()> {
        self.call(py, |plugin| plugin.set_bypass(value))
    }

    /// Whether the plugin may use its best, slowest algorithms.
    #[getter]
    fn non_realtime(&self) -> PyResult<bool> {
        Ok(self.open()?.non_realtime())
    }

    #[setter]
    fn set_non_realtime(&self, py: Python<'_>, value: bool) -> PyResult<()> {
        self.call(py, |plugin| plugin.set_non_realtime(value))
    }

    /// `MH_PRECISION_SINGLE` or `MH_PRECISION_DOUBLE`: what the plugin computes in.
    ///
    /// Setting raises Unsupported where it cannot.
    #[getter]
    fn processing_precision(&self) -> PyResult<u8> {
        Ok(u8::from(self.open()?.precision() == Precision::Double))
    }

    #[setter]
    fn set_processing_precision(&self, py: Python<'_>, value: Int) -> PyResult<()> {
        let precision = match value.0 {
            0 => Precision::Single,
            1 => Precision::Double,
            other => {
                return Err(invalid(format!(
                    "Failed to set processing precision: it must be MH_PRECISION_SINGLE (0) or \
                     MH_PRECISION_DOUBLE (1), got {other}"
                )));
            }
        };
        self.call(py, |plugin| plugin.set_precision(precision))
    }
}

/// A format as minihost spells it.
pub fn format_name(format: PluginFormat) -> &'static str {
    match format {
        PluginFormat::Lv2 => "LV2",
        PluginFormat::Vst2 => "VST2",
        PluginFormat::Vst3 => "VST3",
        PluginFormat::AudioUnit => "AudioUnit",
        PluginFormat::Null => "null",
        PluginFormat::Unspecified => "",
    }
}
