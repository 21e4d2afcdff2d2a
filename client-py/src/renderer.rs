//! The class `MidiRenderer`.

use std::sync::{Mutex, MutexGuard, PoisonError};

use numpy::{PyArray2, ndarray::Array2};
use plugpen::{
    BlockProcessor, MidiRenderer as Render, RenderOptions, RenderedBlock, Tail, engine::FileRender,
};
use pyo3::{PyTraverseError, PyVisit, prelude::*, types::PyDict};

use crate::{
    arguments::{Int, PathText},
    errors::OrRaise,
    rendering::{
        Source, check_container, collect, file_options, interruptible, midi_file, next_block, tail,
        write,
    },
};

/// A render of a MIDI file that can be taken block by block.
///
/// What is done to the plugin between two blocks is heard in the second of them. `render_all`
/// keeps several blocks in flight and is faster. The plugin's latency is compensated, and its
/// transport follows the file's tempo map.
///
/// Args:
///     plugin: A `Plugin` or a `PluginChain`.
///     midi_file: A `MidiFile` (as it is now) or the path of one.
///     block_size: Frames a block, 1 up to the plugin's ``max_block_size``.
///     tail_seconds: How long to go on after the last MIDI event. None: as long as the plugin says
///         it rings, or 2 seconds where it says 0 or more than 30. A number: exactly that long.
///         ``"auto"``: until 4 blocks in a row stay below ``tail_threshold``.
///     tail_threshold: Peak below which a block is silent, for ``"auto"``.
///     max_tail_seconds: Longest tail, for ``"auto"``.
///
/// Raises:
///     PluginError: The MIDI file cannot be read.
///     InvalidInput: A value is out of its range.
#[pyclass(module = "plugpen", name = "MidiRenderer", frozen, subclass, weakref)]
pub struct MidiRenderer {
    source: Source,
    file: plugpen::MidiFile,
    options: RenderOptions,
    render: Mutex<Render>,
    /// Where the render is, for those who look while it goes on. Held only for an instant.
    seen: Mutex<Seen>,
}

/// What can be seen of a render without waiting for it.
#[derive(Clone, Copy)]
struct Seen {
    sample_rate: f64,
    duration_seconds: f64,
    midi_duration_seconds: f64,
    channels: usize,
    latency_samples: u64,
    total_samples: u64,
    current_sample: u64,
    is_finished: bool,
    midi_dropped: u64,
}

impl Seen {
    fn of(render: &Render) -> Self {
        Self {
            sample_rate: render.sample_rate(),
            duration_seconds: render.duration_seconds(),
            midi_duration_seconds: render.midi_duration_seconds(),
            channels: render.channels(),
            latency_samples: render.latency_samples(),
            total_samples: render.total_samples(),
            current_sample: render.current_sample(),
            is_finished: render.is_finished(),
            midi_dropped: render.midi_dropped(),
        }
    }

    #[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
    fn current_time(&self) -> f64 {
        self.current_sample as f64 / self.sample_rate
    }

    #[allow(clippy::cast_precision_loss, reason = "a fraction for people")]
    fn progress(&self) -> f64 {
        match self.total_samples {
            0 => 1.0,
            total => self.current_sample as f64 / total as f64,
        }
    }
}

impl MidiRenderer {
    /// The render. Whoever takes it has the audio already: that tells a progress callback that
    /// renders with its own renderer, which would wait for itself here.
    fn lock(&self) -> MutexGuard<'_, Render> {
        self.render.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells what a call has done, also where it failed.
    fn tell(&self, render: &Render) {
        *self.seen() = Seen::of(render);
        self.source.set_midi_dropped(render.midi_dropped());
    }

    fn next_block(&self) -> plugpen::Result<Option<Array2<f32>>> {
        let mut audio = self.source.audio()?;
        let mut render = self.lock();
        let block = next_block(render.channels(), render.block_size(), |rows| {
            render.render_block(&mut audio, rows)
        });
        self.tell(&render);
        block
    }

    /// Renders all that is left.
    fn rest(
        &self,
        render: &mut Render,
        audio: &mut dyn BlockProcessor,
        on_block: &mut dyn FnMut(RenderedBlock<'_>) -> plugpen::Result<()>,
    ) -> plugpen::Result<()> {
        let rendered = render.render_each(audio, &mut |block| {
            self.seen().current_sample = block.done;
            on_block(block)
        });
        self.tell(render);
        rendered
    }

    /// Runs ahead from its beginning, since nobody has seen a block of it yet, or goes on.
    fn hurry(&self, render: &mut Render, audio: &dyn BlockProcessor) -> plugpen::Result<()> {
        if render.current_sample() == 0 && !render.is_finished() {
            let ahead = RenderOptions {
                look_ahead: usize::MAX,
                ..self.options.clone()
            };
            *render = Render::new(&self.file, &audio.io(), &ahead)?;
        }
        Ok(())
    }
}

#[pymethods]
impl MidiRenderer {
    #[new]
    #[pyo3(signature = (
        plugin, midi_file, block_size = Int(512), tail_seconds = None, tail_threshold = 1e-4,
        max_tail_seconds = 30.0
    ), text_signature = "(plugin, midi_file, block_size=512, tail_seconds=None, \
        tail_threshold=0.0001, max_tail_seconds=30.0)")]
    fn new(
        py: Python<'_>,
        plugin: &Bound<'_, PyAny>,
        midi_file: &Bound<'_, PyAny>,
        block_size: Int,
        tail_seconds: Option<&Bound<'_, PyAny>>,
        tail_threshold: f64,
        max_tail_seconds: f64,
    ) -> PyResult<Self> {
        let source = Source::new(plugin)?;
        let file = self::midi_file(midi_file)?;
        let options = RenderOptions {
            block_size: usize::try_from(block_size.0).unwrap_or(0),
            tail: tail_seconds.map_or(Ok(Tail::Reported), tail)?,
            tail_threshold,
            max_tail_seconds,
            look_ahead: 1,
            compensate_latency: true,
        };
        let render = py
            .detach(|| Render::new(&file, &source.audio()?.io(), &options))
            .or_raise()?;
        Ok(Self {
            source,
            file,
            options,
            seen: Mutex::new(Seen::of(&render)),
            render: Mutex::new(render),
        })
    }

    /// What plays: the `Plugin` or `PluginChain` given.
    #[getter]
    fn plugin(&self, py: Python<'_>) -> Py<PyAny> {
        self.source.object(py)
    }

    /// Frames a block.
    #[getter]
    fn block_size(&self) -> usize {
        self.options.block_size
    }

    /// Frames a second.
    #[getter]
    fn sample_rate(&self) -> f64 {
        self.seen().sample_rate
    }

    /// Seconds of MIDI and tail; with an automatic tail, the most it can become.
    #[getter]
    fn duration_seconds(&self) -> f64 {
        self.seen().duration_seconds
    }

    /// Seconds to the last MIDI event.
    #[getter]
    fn midi_duration_seconds(&self) -> f64 {
        self.seen().midi_duration_seconds
    }

    /// Frames to render; with an automatic tail, the most it can become.
    #[getter]
    fn total_samples(&self) -> u64 {
        self.seen().total_samples
    }

    /// Frames rendered so far.
    #[getter]
    fn current_sample(&self) -> u64 {
        self.seen().current_sample
    }

    /// Seconds rendered so far.
    #[getter]
    fn current_time(&self) -> f64 {
        self.seen().current_time()
    }

    /// Part that is done, 0.0 to 1.0; below 1.0 at the end of an automatic tail that ended early.
    #[getter]
    fn progress(&self) -> f64 {
        self.seen().progress()
    }

    /// Whether there is nothing more to come.
    #[getter]
    fn is_finished(&self) -> bool {
        self.seen().is_finished
    }

    /// Channels rendered, at least 1.
    #[getter]
    fn channels(&self) -> usize {
        self.seen().channels
    }

    /// Frames of latency that are made up for.
    #[getter]
    fn latency_samples(&self) -> u64 {
        self.seen().latency_samples
    }

    /// Render the next block.
    ///
    /// Returns:
    ///     float32 samples of shape ``(channels, block_size)``, fewer frames in the last block and,
    ///     with latency, in the first; None when finished.
    fn render_block<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyArray2<f32>>>> {
        let block = py.detach(|| self.next_block()).or_raise()?;
        Ok(block.map(|block| PyArray2::from_owned_array(py, block)))
    }

    /// Render all that is left.
    ///
    /// Args:
    ///     dtype: Sample type of the result; float32 if None.
    ///     as_: ``numpy.ndarray``, the only container there is, or None.
    ///
    /// Returns:
    ///     Samples of shape ``(channels, frames)``; no frames after the end.
    #[pyo3(signature = (dtype = None, as_ = None))]
    fn render_all<'py>(
        &self,
        py: Python<'py>,
        dtype: Option<&Bound<'py, PyAny>>,
        as_: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        check_container(as_)?;
        let samples = interruptible(py, |interrupt| {
            let mut audio = self.source.audio()?;
            let mut render = self.lock();
            self.hurry(&mut render, &audio)?;
            let left = render.total_samples() - render.current_sample();
            collect(render.channels(), left, interrupt, None, |on_block| {
                self.rest(&mut render, &mut audio, on_block)
            })
        })?;
        let samples = PyArray2::from_owned_array(py, samples);
        match dtype {
            None => Ok(samples.into_any()),
            Some(dtype) => {
                let options = PyDict::new(py);
                options.set_item("copy", false)?;
                samples
                    .as_any()
                    .call_method("astype", (dtype,), Some(&options))
            }
        }
    }

    /// Render all that is left into a file, which gets its name once it is complete.
    ///
    /// Args:
    ///     output_path: The file; ``.wav`` or ``.flac``.
    ///     bit_depth: 16 or 24 for integers, 32 for floating point (WAV only).
    ///     normalize: Bring the peak to this many dBFS; None leaves it. What is rendered waits in a
    ///         temporary file then.
    ///     progress_callback: Called after every block with the frames rendered and the total.
    ///
    /// Returns:
    ///     The frames written.
    #[pyo3(signature = (
        output_path, bit_depth = Int(24), normalize = None, progress_callback = None
    ), text_signature = "($self, output_path, bit_depth=24, normalize=None, \
        progress_callback=None)")]
    fn render_to_file(
        &self,
        py: Python<'_>,
        output_path: PathText,
        bit_depth: Int,
        normalize: Option<f64>,
        progress_callback: Option<Py<PyAny>>,
    ) -> PyResult<u64> {
        let options = file_options(bit_depth, normalize)?;
        interruptible(py, |interrupt| {
            let mut audio = self.source.audio()?;
            let mut render = self.lock();
            self.hurry(&mut render, &audio)?;
            let (channels, rate) = (render.channels(), render.sample_rate());
            let file = FileRender::create(&output_path.0, channels, rate, &options)?;
            write(file, interrupt, progress_callback.as_ref(), |on_block| {
                self.rest(&mut render, &mut audio, on_block)
            })
        })
    }

    /// MIDI messages that the plugin gave out so far; a render has no place for them.
    #[getter]
    fn midi_dropped(&self) -> u64 {
        self.seen().midi_dropped
    }

    /// Begin again, and reset the plugin.
    fn reset(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| {
            let mut audio = self.source.audio()?;
            let mut render = self.lock();
            *render = Render::new(&self.file, &audio.io(), &self.options)?;
            render.reset(&mut audio);
            self.tell(&render);
            drop((render, audio));
            self.source.reset()
        })
        .or_raise()
    }

    fn __repr__(&self) -> String {
        let seen = *self.seen();
        format!(
            "<plugpen.MidiRenderer {:.1} of {:.1} s>",
            seen.current_time(),
            seen.duration_seconds
        )
    }

    /// Python's garbage collector sees what plays.
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.source.traverse(&visit)
    }
}
