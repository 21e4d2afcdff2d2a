//! The class `PluginChain`.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use plugpen::{Error, EventList, v1::ErrorReason};
use pyo3::{
    PyTraverseError, PyVisit,
    exceptions::PyTypeError,
    prelude::*,
    types::{PyList, PyTuple},
};

use crate::{
    arguments::Int,
    arrays::type_name,
    blocks::{Arguments, Audio, Block, Player},
    errors::{OrRaise, exception},
    events::{DEFAULT_CAPACITY, capacity, read_changes, read_midi, write_midi},
    notebook::face,
    plugin::Plugin,
    recovery::{self, on_dead_word},
};

/// Plugins one after the other: what one gives out goes into the next.
///
/// The chain keeps its plugins alive; each can still be used by itself between blocks. Between
/// plugins, missing channels are silence and surplus ones are dropped. MIDI goes to the first
/// plugin that accepts it and on with what plugins give out. A context manager; leaving the block
/// closes the chain, not its plugins.
///
/// Args:
///     plugins: One or more different plugins of one sample rate.
///
/// Raises:
///     InvalidInput: There are none, one comes twice, or the sample rates differ.
///     WrongState: One is closed.
#[pyclass(module = "plugpen", name = "PluginChain", frozen, subclass, weakref)]
pub struct PluginChain {
    inner: Arc<plugpen::PluginChain>,
    plugins: Vec<Py<Plugin>>,
    midi_dropped: AtomicU64,
}

/// A chain's block and the changes that go with it.
struct Changed<'a> {
    chain: &'a plugpen::PluginChain,
    changes: Vec<EventList>,
}

impl Player for Changed<'_> {
    fn outputs(&self) -> usize {
        let outputs = self.chain.num_output_channels();
        outputs.try_into().unwrap_or(usize::MAX)
    }

    fn play<'a>(
        &self,
        audio: Audio<'a>,
        events: &EventList,
        events_out: &'a mut EventList,
    ) -> plugpen::Result<u64> {
        let report = self.chain.process(
            audio.input,
            audio.sidechain,
            audio.output,
            audio.frames,
            events,
            &self.changes,
            events_out,
        )?;
        Ok(report.events_dropped)
    }
}

impl PluginChain {
    /// The client's chain, if it was not closed.
    pub fn client(&self) -> plugpen::Result<&plugpen::PluginChain> {
        match self.inner.is_closed() {
            false => Ok(&self.inner),
            true => Err(Error::new(
                ErrorReason::WrongState,
                "PluginChain is closed; make a new one",
            )),
        }
    }

    /// The same, for a device that keeps it.
    pub fn shared(&self) -> plugpen::Result<Arc<plugpen::PluginChain>> {
        self.client().map(|_| self.inner.clone())
    }

    /// Notes what a render had no place for.
    pub fn set_midi_dropped(&self, count: u64) {
        self.midi_dropped.store(count, Ordering::Relaxed);
    }

    fn open(&self) -> PyResult<&plugpen::PluginChain> {
        self.client().or_raise()
    }

    fn index(&self, index: Int) -> PyResult<usize> {
        let position = usize::try_from(index.0).ok();
        position
            .filter(|position| *position < self.plugins.len())
            .ok_or_else(|| {
                let last = self.plugins.len().saturating_sub(1);
                exception(&Error::new(
                    ErrorReason::IndexOutOfRange,
                    format!(
                        "Plugin index out of range: {} is not in [0, {last}]",
                        index.0
                    ),
                ))
            })
    }

    fn play_events<'py>(
        &self,
        py: Python<'py>,
        (input, output): (&Bound<'py, PyAny>, &Bound<'py, PyAny>),
        midi_in: &Bound<'py, PyAny>,
        changes: Option<&Bound<'py, PyAny>>,
        midi_out_capacity: Int,
    ) -> PyResult<Bound<'py, PyList>> {
        let capacity = capacity(midi_out_capacity)?;
        let chain = self.open()?;
        let block = Block::<f32>::new(Arguments {
            input,
            output,
            sidechain: None,
        })?;
        let mut player = Changed {
            chain,
            changes: Vec::new(),
        };
        if let Some(changes) = changes {
            let counts: Vec<_> = chain.plugins().iter().map(|p| p.num_params()).collect();
            player.changes = vec![EventList::new(); counts.len()];
            for change in read_changes(changes, true, Some(block.frames()), &counts)? {
                player.changes[change.plugin].push_parameter(
                    u32::try_from(change.offset)?,
                    change.parameter,
                    change.value,
                );
            }
        }
        let mut events = EventList::new();
        read_midi(midi_in, "midi_in", block.frames(), &mut events)?;
        events.sort();
        let mut events_out = EventList::new();
        let lost = block.play(py, &player, &events, &mut events_out)?;
        let (midi, dropped) = write_midi(py, &events_out, capacity)?;
        self.set_midi_dropped(lost + dropped);
        Ok(midi)
    }
}

#[pymethods]
impl PluginChain {
    #[new]
    fn new(plugins: &Bound<'_, PyAny>) -> PyResult<Self> {
        let refused = |object: &Bound<'_, PyAny>| {
            PyTypeError::new_err(format!(
                "plugins must be a list of Plugin, got {}",
                type_name(object)
            ))
        };
        let mut members = Vec::new();
        for member in plugins.try_iter().map_err(|_| refused(plugins))? {
            let member = member?;
            let member = member
                .cast::<Plugin>()
                .map_err(|_| refused(member.as_any()))?;
            members.push(member.clone().unbind());
        }
        let clients = members
            .iter()
            .map(|member| Arc::clone(member.get().client()))
            .collect();
        Ok(Self {
            inner: Arc::new(plugpen::PluginChain::new(clients).or_raise()?),
            plugins: members,
            midi_dropped: AtomicU64::new(0),
        })
    }

    /// Let go of the plugins, which stay open. Closing twice is no error; any other use afterwards
    /// raises `WrongState`.
    fn close(&self) {
        self.inner.close();
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_raised))]
    fn __exit__(&self, _raised: &Bound<'_, PyTuple>) {
        self.close();
    }

    /// Number of plugins.
    #[getter]
    fn num_plugins(&self) -> usize {
        self.plugins.len()
    }

    /// Frames by which the output is late: the sum over the plugins.
    #[getter]
    fn latency_samples(&self) -> PyResult<u64> {
        Ok(self.open()?.latency_samples())
    }

    /// Input channels of the first plugin.
    #[getter]
    fn num_input_channels(&self) -> PyResult<u32> {
        Ok(self.open()?.num_input_channels())
    }

    /// Output channels of the last plugin.
    #[getter]
    fn num_output_channels(&self) -> PyResult<u32> {
        Ok(self.open()?.num_output_channels())
    }

    /// Frames a second, the same for all plugins.
    #[getter]
    fn sample_rate(&self) -> PyResult<f64> {
        Ok(self.open()?.sample_rate())
    }

    /// The longest tail of the plugins, in seconds.
    #[getter]
    fn tail_seconds(&self, py: Python<'_>) -> PyResult<f64> {
        let chain = self.open()?;
        // It may have to ask them.
        Ok(py.detach(|| chain.tail_seconds()))
    }

    /// Most frames of a block: the least of the plugins.
    #[getter]
    fn max_block_size(&self) -> PyResult<u32> {
        Ok(self.open()?.max_block_size())
    }

    /// MIDI events that the last `process_midi`, `process_auto` or render had to drop: between
    /// plugins, beyond `midi_out_capacity`, or all that came out of a render.
    #[getter]
    fn midi_dropped(&self) -> u64 {
        self.midi_dropped.load(Ordering::Relaxed)
    }

    /// The plugin at a position, 0 up to `num_plugins` - 1: the very object given.
    fn get_plugin(&self, py: Python<'_>, index: Int) -> PyResult<Py<Plugin>> {
        Ok(self.plugins[self.index(index)?].clone_ref(py))
    }

    /// Play a block through all plugins, with the GIL released.
    ///
    /// Args:
    ///     input: ``(channels, frames)``, at least `num_input_channels` rows, 1 to
    ///         `max_block_size` frames; as for `Plugin.process`.
    ///     output: A writable array of at least `num_output_channels` rows and as many frames.
    ///
    /// Raises:
    ///     InvalidInput: The shapes do not fit.
    ///     TypeError: An argument is not such an array.
    ///     PluginCrashed: A plugin died in this block; those before it have played it.
    fn process(
        &self,
        py: Python<'_>,
        input: &Bound<'_, PyAny>,
        output: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let player = Changed {
            chain: self.open()?,
            changes: Vec::new(),
        };
        let block = Block::<f32>::new(Arguments {
            input,
            output,
            sidechain: None,
        })?;
        block.play(py, &player, &EventList::new(), &mut EventList::new())?;
        Ok(())
    }

    /// Play a block with MIDI.
    ///
    /// Args:
    ///     input: As for `process`.
    ///     output: As for `process`.
    ///     midi_in: Events as for `Plugin.process_midi`.
    ///     midi_out_capacity: Most events returned; `midi_dropped` counts the rest.
    ///     midi_events: Another name of ``midi_in``.
    ///
    /// Returns:
    ///     The MIDI of the last plugin.
    #[pyo3(signature = (
        input, output, midi_in = None, midi_out_capacity = DEFAULT_CAPACITY, *, midi_events = None
    ), text_signature = "($self, input, output, midi_in=None, midi_out_capacity=256, *, \
        midi_events=None)")]
    fn process_midi<'py>(
        &self,
        py: Python<'py>,
        input: &Bound<'py, PyAny>,
        output: &Bound<'py, PyAny>,
        midi_in: Option<&Bound<'py, PyAny>>,
        midi_out_capacity: Int,
        midi_events: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyList>> {
        let midi = match (midi_in, midi_events) {
            (Some(midi), None) | (None, Some(midi)) => midi,
            _ => {
                return Err(PyTypeError::new_err(
                    "process_midi() needs midi_in (or midi_events, its other name): a list of \
                     tuples",
                ));
            }
        };
        self.play_events(py, (input, output), midi, None, midi_out_capacity)
    }

    /// Play a block with MIDI and sample-accurate parameter changes.
    ///
    /// Args:
    ///     input: As for `process`.
    ///     output: As for `process`.
    ///     midi_in: As for `process_midi`.
    ///     param_changes: ``(sample_offset, plugin_index, param_index, value)``, in any order;
    ///         offsets within the block, values finite and brought to 0..1.
    ///     midi_out_capacity: As for `process_midi`.
    ///
    /// Returns:
    ///     The MIDI of the last plugin.
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
        self.play_events(
            py,
            (input, output),
            midi_in,
            Some(param_changes),
            midi_out_capacity,
        )
    }

    /// Clear delay lines, filters and voices of all plugins.
    fn reset(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.inner.reset()).or_raise()
    }

    /// Let all plugins use their best, slowest algorithms, or not.
    ///
    /// Args:
    ///     non_realtime: True for offline work.
    ///     enabled: Another name of ``non_realtime``.
    #[pyo3(signature = (non_realtime = None, *, enabled = None))]
    fn set_non_realtime(
        &self,
        py: Python<'_>,
        non_realtime: Option<bool>,
        enabled: Option<bool>,
    ) -> PyResult<()> {
        let ((Some(on), None) | (None, Some(on))) = (non_realtime, enabled) else {
            return Err(PyTypeError::new_err(
                "set_non_realtime() needs non_realtime (or enabled, its other name): a bool",
            ));
        };
        py.detach(|| self.inner.set_non_realtime(on)).or_raise()
    }

    /// Set how much of a plugin's output is heard.
    ///
    /// Args:
    ///     plugin_index: 0 up to `num_plugins` - 1.
    ///     mix: 0.0 for its input only (as late as its output), 1.0 for its output only.
    fn set_mix(&self, py: Python<'_>, plugin_index: Int, mix: f64) -> PyResult<()> {
        let index = self.index(plugin_index)?;
        py.detach(|| self.inner.set_mix(index, mix)).or_raise()
    }

    /// What is played in the place of a plugin that dies: "error" (the call raises), "silence" or
    /// "dry" (its input), until its `restart` policy or `Plugin.restart` has brought it back.
    #[getter]
    fn on_dead(&self) -> &'static str {
        on_dead_word(self.inner.on_dead())
    }

    #[setter]
    fn set_on_dead(&self, on_dead: &str) -> PyResult<()> {
        self.inner.set_on_dead(recovery::on_dead(on_dead)?);
        Ok(())
    }

    /// How much of a plugin's output is heard, 0.0 to 1.0.
    fn get_mix(&self, py: Python<'_>, plugin_index: Int) -> PyResult<f64> {
        let index = self.index(plugin_index)?;
        py.detach(|| self.inner.get_mix(index)).or_raise()
    }

    fn _repr_html_(slf: &Bound<'_, Self>) -> PyResult<String> {
        face(slf.as_any(), "chain_html")
    }

    fn __repr__(&self) -> String {
        let plugins = self.inner.plugins().iter();
        let names: Vec<_> = plugins.map(|plugin| plugin.description().name).collect();
        let closed = if self.inner.is_closed() {
            ", closed"
        } else {
            ""
        };
        format!("<plugpen.PluginChain {}{closed}>", names.join(" > "))
    }

    /// Python's garbage collector sees the plugins.
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.plugins
            .iter()
            .try_for_each(|plugin| visit.call(plugin))
    }
}
