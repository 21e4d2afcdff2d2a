//! The class `MidiRenderer`.

use std::{
    sync::{Mutex, MutexGuard},
    time::{Duration, Instant},
};

use numpy::{PyArray2, ndarray::Array2};
use plugpen::{
    BlockProcessor, Error, MidiRenderer as Render, RenderOptions, Tail, v1::ErrorReason,
};
use pyo3::{
    exceptions::PyTypeError,
    prelude::*,
    types::{PyDict, PyString},
};

use crate::{
    arguments::{Int, PathText},
    arrays::type_name,
    chain::PluginChain,
    errors::{OrRaise, invalid},
    midi_file::MidiFile,
    plugin::Plugin,
};

/// How often a long render looks for Ctrl-C.
const SIGNALS: Duration = Duration::from_millis(100);

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
}

/// What plays.
enum Source {
    Plugin(Py<Plugin>),
    Chain(Py<PluginChain>),
}

impl Source {
    fn new(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        if let Ok(plugin) = object.cast::<Plugin>() {
            return Ok(Self::Plugin(plugin.clone().unbind()));
        }
        if let Ok(chain) = object.cast::<PluginChain>() {
            return Ok(Self::Chain(chain.clone().unbind()));
        }
        Err(PyTypeError::new_err(format!(
            "plugin must be a Plugin or a PluginChain, got {}",
            type_name(object)
        )))
    }

    /// Takes its audio, waiting for others that use it.
    fn audio(&self) -> plugpen::Result<Box<dyn BlockProcessor>> {
        Ok(match self {
            Self::Plugin(plugin) => Box::new(plugin.get().client().lock_audio()?),
            Self::Chain(chain) => Box::new(chain.get().client()?.lock_audio()?),
        })
    }

    fn reset(&self) -> plugpen::Result<()> {
        match self {
            Self::Plugin(plugin) => plugin.get().client().reset(),
            Self::Chain(chain) => chain.get().client()?.reset(),
        }
    }
}

fn tail(object: &Bound<'_, PyAny>) -> PyResult<Tail> {
    if object.is_none() {
        return Ok(Tail::Reported);
    }
    let Ok(text) = object.cast::<PyString>() else {
        return Ok(Tail::Seconds(object.extract()?));
    };
    match text.to_str()? {
        "auto" => Ok(Tail::Auto),
        text => match text.trim().parse() {
            Ok(seconds) => Ok(Tail::Seconds(seconds)),
            Err(_) => Err(invalid(format!(
                "tail_seconds must be None, a number of seconds or \"auto\": could not convert \
                 string to float: '{text}'"
            ))),
        },
    }
}

fn midi_file(object: &Bound<'_, PyAny>) -> PyResult<plugpen::MidiFile> {
    if let Ok(file) = object.cast::<MidiFile>() {
        return Ok(file.get().snapshot());
    }
    let path: PathText = object.extract().map_err(|_| {
        PyTypeError::new_err(format!(
            "midi_file must be a MidiFile or the path of one, got {}",
            type_name(object)
        ))
    })?;
    let loaded = object.py().detach(|| plugpen::MidiFile::load(&path.0));
    loaded
        .map_err(|error| Error {
            message: format!("Failed to load MIDI file: {}: {}", path.0, error.message),
            ..error
        })
        .or_raise()
}

/// Refuses containers other than numpy's.
pub fn check_container(as_: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
    match as_ {
        Some(class) if !class.is(&class.py().import("numpy")?.getattr("ndarray")?) => Err(invalid(
            format!("as_ must be numpy.ndarray or None, got {}", class.repr()?),
        )),
        _ => Ok(()),
    }
}

impl MidiRenderer {
    fn lock(&self) -> MutexGuard<'_, Render> {
        self.render
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Looks at the render; another thread may be in the middle of a block.
    fn look<T: Send>(&self, py: Python<'_>, look: impl FnOnce(&Render) -> T + Send) -> T {
        py.detach(|| look(&self.lock()))
    }

    fn next_block(&self) -> plugpen::Result<Option<Array2<f32>>> {
        let mut render = self.lock();
        let (channels, block_size) = (render.channels(), render.block_size());
        let mut samples = vec![0.0; channels * block_size];
        let mut rows: Vec<_> = samples.chunks_exact_mut(block_size).collect();
        let mut audio = self.source.audio()?;
        let frames = render.render_block(&mut audio, &mut rows)?;
        Ok(frames.and_then(|frames| rectangle(samples, channels, block_size, frames)))
    }

    /// All that is left, `[channel][frame]`. Ctrl-C ends it, and is found in `interrupt`.
    fn rest(&self, interrupt: &mut Option<PyErr>) -> plugpen::Result<Array2<f32>> {
        let mut render = self.lock();
        let mut audio = self.source.audio()?;
        if render.current_sample() == 0 && !render.is_finished() {
            // Nobody has seen a block of it yet: it may as well run ahead.
            let ahead = RenderOptions {
                look_ahead: usize::MAX,
                ..self.options.clone()
            };
            *render = Render::new(&self.file, &audio.io(), &ahead)?;
        }
        let channels = render.channels();
        let begin = render.current_sample();
        let too_long = || {
            Error::new(
                ErrorReason::LimitReached,
                "the render does not fit into memory; take it block by block",
            )
        };
        let left = render.total_samples().saturating_sub(begin);
        let left = usize::try_from(left).map_err(|_| too_long())?;
        let count = left.checked_mul(channels).ok_or_else(too_long)?;
        // Asked for first, since this way alone a refusal is an error.
        let mut room = Vec::<f32>::new();
        room.try_reserve_exact(count).map_err(|_| too_long())?;
        drop(room);
        // Memory that is zero already is not touched before the samples are.
        let mut samples = vec![0.0; count];
        let mut done = 0;
        let mut looked = Instant::now();
        if left > 0 {
            let mut rows: Vec<_> = samples.chunks_exact_mut(left).collect();
            render.render_each(&mut audio, &mut |block| {
                let mut frames = 0;
                for (row, plane) in rows.iter_mut().zip(block.audio) {
                    frames = plane.len().min(left - done);
                    row[done..done + frames].copy_from_slice(&plane[..frames]);
                }
                done += frames;
                if looked.elapsed() < SIGNALS {
                    return Ok(());
                }
                looked = Instant::now();
                Python::attach(|py| py.check_signals()).map_err(|error| {
                    *interrupt = Some(error);
                    Error::new(ErrorReason::Cancelled, "the render was interrupted")
                })
            })?;
        }
        Ok(rectangle(samples, channels, left, done).unwrap_or_default())
    }
}

/// The first `frames` of each row of `length`.
fn rectangle(
    mut samples: Vec<f32>,
    channels: usize,
    length: usize,
    frames: usize,
) -> Option<Array2<f32>> {
    if frames < length {
        for channel in 1..channels {
            let start = channel * length;
            samples.copy_within(start..start + frames, channel * frames);
        }
        samples.truncate(channels * frames);
        samples.shrink_to_fit();
    }
    Array2::from_shape_vec((channels, frames), samples).ok()
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
        };
        let render = py
            .detach(|| Render::new(&file, &source.audio()?.io(), &options))
            .or_raise()?;
        Ok(Self {
            source,
            file,
            options,
            render: Mutex::new(render),
        })
    }

    /// What plays: the `Plugin` or `PluginChain` given.
    #[getter]
    fn plugin(&self, py: Python<'_>) -> Py<PyAny> {
        match &self.source {
            Source::Plugin(plugin) => plugin.clone_ref(py).into_any(),
            Source::Chain(chain) => chain.clone_ref(py).into_any(),
        }
    }

    /// Frames a block.
    #[getter]
    fn block_size(&self) -> usize {
        self.options.block_size
    }

    /// Frames a second.
    #[getter]
    fn sample_rate(&self, py: Python<'_>) -> f64 {
        self.look(py, Render::sample_rate)
    }

    /// Seconds of MIDI and tail; with an automatic tail, the most it can become.
    #[getter]
    fn duration_seconds(&self, py: Python<'_>) -> f64 {
        self.look(py, Render::duration_seconds)
    }

    /// Seconds to the last MIDI event.
    #[getter]
    fn midi_duration_seconds(&self, py: Python<'_>) -> f64 {
        self.look(py, Render::midi_duration_seconds)
    }

    /// Frames to render; with an automatic tail, the most it can become.
    #[getter]
    fn total_samples(&self, py: Python<'_>) -> u64 {
        self.look(py, Render::total_samples)
    }

    /// Frames rendered so far.
    #[getter]
    fn current_sample(&self, py: Python<'_>) -> u64 {
        self.look(py, Render::current_sample)
    }

    /// Seconds rendered so far.
    #[getter]
    fn current_time(&self, py: Python<'_>) -> f64 {
        self.look(py, Render::current_time)
    }

    /// Part that is done, 0.0 to 1.0; below 1.0 at the end of an automatic tail that ended early.
    #[getter]
    fn progress(&self, py: Python<'_>) -> f64 {
        self.look(py, Render::progress)
    }

    /// Whether there is nothing more to come.
    #[getter]
    fn is_finished(&self, py: Python<'_>) -> bool {
        self.look(py, Render::is_finished)
    }

    /// Channels rendered, at least 1.
    #[getter]
    fn channels(&self, py: Python<'_>) -> usize {
        self.look(py, Render::channels)
    }

    /// Frames of latency that are made up for.
    #[getter]
    fn latency_samples(&self, py: Python<'_>) -> u64 {
        self.look(py, Render::latency_samples)
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
        let mut interrupt = None;
        let samples = py.detach(|| self.rest(&mut interrupt));
        if let Some(interrupt) = interrupt {
            return Err(interrupt);
        }
        let samples = samples.or_raise()?;
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

    /// Begin again, and reset the plugin.
    fn reset(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| {
            let mut render = self.lock();
            let mut audio = self.source.audio()?;
            *render = Render::new(&self.file, &audio.io(), &self.options)?;
            render.reset(&mut audio);
            drop(audio);
            self.source.reset()
        })
        .or_raise()
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        self.look(py, |render| {
            format!(
                "<plugpen.MidiRenderer {:.1} of {:.1} s>",
                render.current_time(),
                render.duration_seconds()
            )
        })
    }
}
