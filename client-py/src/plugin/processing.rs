//! `process` and its siblings.

use plugpen::EventList;
use pyo3::{prelude::*, types::PyList};

use super::Plugin;
use crate::{
    arguments::Int,
    blocks::{Arguments, Audio, Block, Player, Sample},
    events::{DEFAULT_CAPACITY, capacity, read_changes, read_midi, write_midi},
};

impl Player for plugpen::Plugin {
    fn outputs(&self) -> usize {
        self.num_output_channels().try_into().unwrap_or(usize::MAX)
    }

    fn play<'a>(
        &self,
        audio: Audio<'a>,
        events: &EventList,
        events_out: &'a mut EventList,
    ) -> plugpen::Result<u64> {
        let report = self.process(
            audio.input,
            audio.sidechain,
            audio.output,
            audio.frames,
            events,
            events_out,
        )?;
        Ok(report.events_dropped)
    }
}

impl Plugin {
    /// A block without events, in the precision of its output.
    fn play(&self, py: Python<'_>, arguments: Arguments<'_, '_>) -> PyResult<()> {
        match arguments.are_double() {
            true => self.play_in::<f64>(py, arguments),
            false => self.play_in::<f32>(py, arguments),
        }
    }

    fn play_in<T: Sample>(&self, py: Python<'_>, arguments: Arguments<'_, '_>) -> PyResult<()> {
        let block = Block::<T>::new(arguments)?;
        block.play(py, &*self.inner, &EventList::new(), &mut EventList::new())?;
        Ok(())
    }

    /// A block with MIDI and, perhaps, parameter changes, in the precision of its output.
    fn play_events<'py>(
        &self,
        py: Python<'py>,
        arguments: Arguments<'_, 'py>,
        midi_in: &Bound<'py, PyAny>,
        changes: Option<&Bound<'py, PyAny>>,
        midi_out_capacity: Int,
    ) -> PyResult<Bound<'py, PyList>> {
        match arguments.are_double() {
            true => self.play_events_in::<f64>(py, arguments, midi_in, changes, midi_out_capacity),
            false => self.play_events_in::<f32>(py, arguments, midi_in, changes, midi_out_capacity),
        }
    }

    fn play_events_in<'py, T: Sample>(
        &self,
        py: Python<'py>,
        arguments: Arguments<'_, 'py>,
        midi_in: &Bound<'py, PyAny>,
        changes: Option<&Bound<'py, PyAny>>,
        midi_out_capacity: Int,
    ) -> PyResult<Bound<'py, PyList>> {
        let capacity = capacity(midi_out_capacity)?;
        let block = Block::<T>::new(arguments)?;
        let mut events = EventList::new();
        if let Some(changes) = changes {
            let parameters = [self.inner.num_params()];
            for change in read_changes(changes, false, Some(block.frames()), &parameters)? {
                events.push_parameter(
                    u32::try_from(change.offset)?,
                    change.parameter,
                    change.value,
                );
            }
        }
        read_midi(midi_in, "midi_in", block.frames(), &mut events)?;
        // A change comes before the MIDI of its frame, since the sort keeps their order.
        events.sort();
        let mut events_out = EventList::new();
        let lost = block.play(py, &*self.inner, &events, &mut events_out)?;
        let (midi, dropped) = write_midi(py, &events_out, capacity)?;
        self.set_midi_out_dropped(lost + dropped);
        Ok(midi)
    }
}

#[pymethods]
impl Plugin {
    /// Play a block.
    ///
    /// All arrays are ``(channels, frames)`` with one number of frames, 0 up to `max_block_size`.
    /// float32 arrays with contiguous rows are used as they are, others are converted. The same
    /// array may be input and output. Blocks until the plugin is done, with the GIL released.
    ///
    /// Args:
    ///     input: At least `num_input_channels` rows; further ones are ignored.
    ///     output: A writable array of at least `num_output_channels` rows; further ones are left
    ///         as they are. With float64, here and wherever a block is played, no bit is lost
    ///         between the arrays and a plugin whose `processing_precision` is double.
    ///
    /// Raises:
    ///     InvalidInput: The shapes do not fit.
    ///     TypeError: An argument is not such an array.
    ///     PluginCrashed: The plugin died in this block.
    fn process(
        &self,
        py: Python<'_>,
        input: &Bound<'_, PyAny>,
        output: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        self.play(
            py,
            Arguments {
                input,
                output,
                sidechain: None,
            },
        )
    }

    /// Play a block with MIDI.
    ///
    /// Args:
    ///     input: As for `process`.
    ///     output: As for `process`.
    ///     midi_in: Events ``(sample_offset, status, data1, data2)``, or ``(sample_offset, bytes)``
    ///         for a SysEx or any other whole message; `NoteOn`, `NoteOff` and `NoteExpression`
    ///         where notes have ids. Offsets beyond the block mean its last frame.
    ///     midi_out_capacity: Most events returned; `midi_out_dropped` counts the rest.
    ///
    /// Returns:
    ///     The plugin's events in the same forms, ``(sample_offset, bytes)`` for a SysEx.
    ///
    /// Raises:
    ///     Unsupported: A `NoteExpression` for a plugin that takes none.
    #[pyo3(signature = (input, output, midi_in, midi_out_capacity = DEFAULT_CAPACITY),
        text_signature = "($self, input, output, midi_in, midi_out_capacity=256)")]
    fn process_midi<'py>(
        &self,
        py: Python<'py>,
        input: &Bound<'py, PyAny>,
        output: &Bound<'py, PyAny>,
        midi_in: &Bound<'py, PyAny>,
        midi_out_capacity: Int,
    ) -> PyResult<Bound<'py, PyList>> {
        let arguments = Arguments {
            input,
            output,
            sidechain: None,
        };
        self.play_events(py, arguments, midi_in, None, midi_out_capacity)
    }

    /// Play a block with MIDI and sample-accurate parameter changes.
    ///
    /// Args:
    ///     input: As for `process`.
    ///     output: As for `process`.
    ///     midi_in: As for `process_midi`.
    ///     param_changes: ``(sample_offset, param_index, value)``, in any order; offsets within
    ///         the block, values finite and brought to 0..1.
    ///     midi_out_capacity: As for `process_midi`.
    ///
    /// Returns:
    ///     As `process_midi`.
    #[pyo3(signature = (
        input, output, midi_in, param_changes, midi_out_capacity = DEFAULT_CAPACITY
    ), text_signature = "($self, input, output, midi_in, param_changes, midi_out_capacity=256)")]
    fn process_auto<'py>(
        &self,
        py: Python<'py>,
        input: &Bound<'py, PyAny>,
        output: &Bound<'py, PyAny>,
        midi_in: &Bound<'py, PyAny>,
        param_changes: &Bound<'py, PyAny>,
        midi_out_capacity: Int,
    ) -> PyResult<Bound<'py, PyList>> {
        let arguments = Arguments {
            input,
            output,
            sidechain: None,
        };
        self.play_events(
            py,
            arguments,
            midi_in,
            Some(param_changes),
            midi_out_capacity,
        )
    }

    /// Play a block with a sidechain.
    ///
    /// Args:
    ///     main_in: As `input` of `process`.
    ///     main_out: As `output` of `process`.
    ///     sidechain_in: At least `sidechain_channels` rows of as many frames; ignored by a plugin
    ///         without a sidechain.
    fn process_sidechain(
        &self,
        py: Python<'_>,
        main_in: &Bound<'_, PyAny>,
        main_out: &Bound<'_, PyAny>,
        sidechain_in: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        self.play(
            py,
            Arguments {
                input: main_in,
                output: main_out,
                sidechain: Some(sidechain_in),
            },
        )
    }

    /// Play a block with a sidechain, MIDI and sample-accurate parameter changes: all in one.
    ///
    /// Args:
    ///     main_in: As `input` of `process`.
    ///     main_out: As `output` of `process`.
    ///     sidechain_in: As for `process_sidechain`.
    ///     midi_in: As for `process_midi`.
    ///     midi_out_capacity: As for `process_midi`.
    ///     param_changes: As for `process_auto`, or None.
    ///
    /// Returns:
    ///     As `process_midi`.
    #[pyo3(signature = (
        main_in, main_out, sidechain_in, midi_in, midi_out_capacity = DEFAULT_CAPACITY,
        param_changes = None
    ), text_signature = "($self, main_in, main_out, sidechain_in, midi_in, midi_out_capacity=256, \
        param_changes=None)")]
    #[allow(
        clippy::too_many_arguments,
        reason = "the contract's signature and one more"
    )]
    fn process_sidechain_midi<'py>(
        &self,
        py: Python<'py>,
        main_in: &Bound<'py, PyAny>,
        main_out: &Bound<'py, PyAny>,
        sidechain_in: &Bound<'py, PyAny>,
        midi_in: &Bound<'py, PyAny>,
        midi_out_capacity: Int,
        param_changes: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyList>> {
        let arguments = Arguments {
            input: main_in,
            output: main_out,
            sidechain: Some(sidechain_in),
        };
        self.play_events(py, arguments, midi_in, param_changes, midi_out_capacity)
    }

    /// Play a block of float64 samples, whatever the arrays hold; otherwise as `process`. A plugin
    /// that does not compute in double precision by itself gets float32.
    fn process_double(
        &self,
        py: Python<'_>,
        input: &Bound<'_, PyAny>,
        output: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        self.play_in::<f64>(
            py,
            Arguments {
                input,
                output,
                sidechain: None,
            },
        )
    }
}
