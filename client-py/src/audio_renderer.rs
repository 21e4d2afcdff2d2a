//! The class `_AudioRenderer`, behind `process_audio` and its siblings.

use std::sync::{Mutex, MutexGuard};

use numpy::{PyArray2, PyArrayMethods, PyUntypedArrayMethods};
use plugpen::{
    AudioInput, BlockProcessor, Error, EventList, RenderOptions, TempoMap,
    engine::{
        AudioFeed, AudioReader, AudioRenderer as Render, Automation, FileRender, MidiSchedule,
        ParameterAt, fitted,
    },
};
use pyo3::{PyTraverseError, PyVisit, prelude::*, types::PyString};

use crate::{
    arguments::{Int, PathText},
    audio_files::planes,
    errors::{OrRaise, invalid},
    events::{read_changes, read_midi},
    midi_file::MidiFile,
    rendering::{Source, collect, file_options, interruptible, midi_file, next_block, tail, write},
};

/// A render of audio through a plugin or a chain.
#[pyclass(module = "plugpen", name = "_AudioRenderer", frozen)]
pub struct AudioRenderer {
    source: Source,
    render: Mutex<Render<'static>>,
}

/// Samples of an array that stays Python's.
struct ArrayFeed {
    array: Py<PyArray2<f32>>,
    channels: usize,
    frames: usize,
    position: usize,
}

impl AudioFeed for ArrayFeed {
    fn channels(&self) -> usize {
        self.channels
    }

    fn frames(&self) -> u64 {
        u64::try_from(self.frames).unwrap_or(u64::MAX)
    }

    fn read(&mut self, planes: &mut [&mut [f32]]) -> plugpen::Result<usize> {
        let room = planes.iter().map(|plane| plane.len()).min().unwrap_or(0);
        let frames = room.min(self.frames - self.position);
        let end = self.position + frames;
        Python::attach(|py| {
            let array = self.array.bind(py).try_readonly();
            let array = array.map_err(|_| Error::invalid("the input array is being written to"))?;
            for (plane, row) in planes.iter_mut().zip(array.as_array().outer_iter()) {
                let samples = row.to_slice().and_then(|row| row.get(self.position..end));
                let Some(samples) = samples else {
                    return Err(Error::invalid("the input array has changed its shape"));
                };
                plane[..frames].copy_from_slice(samples);
            }
            Ok(())
        })?;
        self.position = end;
        Ok(frames)
    }
}

/// How audio is made to fit a plugin.
struct Fit {
    rate: f64,
    resample: bool,
    duplicate: bool,
}

impl Fit {
    /// An array at the plugin's rate, or the path of a file.
    fn feed(
        &self,
        object: &Bound<'_, PyAny>,
        name: &str,
        channels: usize,
    ) -> PyResult<Box<dyn AudioFeed>> {
        let is_path = object.is_instance_of::<PyString>() || object.hasattr("__fspath__")?;
        let channels = if self.duplicate { channels } else { 1 };
        if !is_path {
            let array = planes(object, name)?.into_array();
            let feed = ArrayFeed {
                channels: array.shape()[0],
                frames: array.shape()[1],
                array: array.unbind(),
                position: 0,
            };
            return fitted(feed, 1, 1, channels).or_raise();
        }
        let path: PathText = object.extract()?;
        let fit = || {
            let reader = AudioReader::open(&path.0)?;
            let rate = reader.info().sample_rate;
            let plugin_rate = whole(self.rate);
            match plugin_rate {
                Some(plugin_rate) if self.resample || rate == plugin_rate => {
                    fitted(reader, rate, plugin_rate, channels)
                }
                _ => Err(Error::invalid(format!(
                    "{} is at {rate} Hz but the plugin at {} Hz: resample_to_plugin_rate=True converts it (to a whole number of Hz)",
                    path.0, self.rate
                ))),
            }
        };
        object.py().detach(fit).or_raise()
    }
}

/// A rate, if it is a whole number.
fn whole(rate: f64) -> Option<u32> {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be a whole number in range"
    )]
    let whole = rate as u32;
    (f64::from(whole) == rate && whole > 0).then_some(whole)
}

/// MIDI of a file, with its tempos, or of a list of events.
fn midi(object: &Bound<'_, PyAny>, rate: f64) -> PyResult<(MidiSchedule, Option<TempoMap>)> {
    let is_file = object.is_instance_of::<PyString>()
        || object.is_instance_of::<MidiFile>()
        || object.hasattr("__fspath__")?;
    if is_file {
        let file = midi_file(object)?;
        return Ok((MidiSchedule::new(&file, rate), Some(file.tempo_map())));
    }
    let mut events = EventList::new();
    read_midi(object, "midi", usize::MAX, &mut events)?;
    Ok((MidiSchedule::from_events(&events), None))
}

impl AudioRenderer {
    fn lock(&self) -> MutexGuard<'_, Render<'static>> {
        self.render
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[pymethods]
impl AudioRenderer {
    #[new]
    #[pyo3(signature = (
        plugin, audio, tail_seconds, block_size, compensate_latency, midi, sidechain,
        param_changes, bpm, tail_threshold, max_tail_seconds, *, ahead, resample = false,
        duplicate = true
    ))]
    #[allow(clippy::too_many_arguments, reason = "they are process_audio's")]
    fn new(
        py: Python<'_>,
        plugin: &Bound<'_, PyAny>,
        audio: Option<&Bound<'_, PyAny>>,
        tail_seconds: Option<&Bound<'_, PyAny>>,
        block_size: Option<Int>,
        compensate_latency: bool,
        midi: Option<&Bound<'_, PyAny>>,
        sidechain: Option<&Bound<'_, PyAny>>,
        param_changes: Option<&Bound<'_, PyAny>>,
        bpm: Option<f64>,
        tail_threshold: f64,
        max_tail_seconds: f64,
        ahead: bool,
        resample: bool,
        duplicate: bool,
    ) -> PyResult<Self> {
        let source = Source::new(plugin)?;
        let io = py.detach(|| Ok(source.audio()?.io())).or_raise()?;
        let fit = Fit {
            rate: io.sample_rate,
            resample,
            duplicate,
        };
        let mut input = AudioInput::default();
        if let Some(audio) = audio {
            input.audio = Some(fit.feed(audio, "audio", io.inputs)?);
        }
        if let Some(sidechain) = sidechain {
            input.sidechain = Some(fit.feed(sidechain, "sidechain", io.sidechain)?);
        }
        if let Some(midi) = midi {
            (input.midi, input.tempo_map) = self::midi(midi, io.sample_rate)?;
        }
        if let Some(changes) = param_changes {
            let counts = source.parameters().or_raise()?;
            let changes = read_changes(changes, source.is_chain(), None, &counts)?;
            let changes = changes.into_iter().map(|change| ParameterAt {
                sample: change.offset,
                plugin: change.plugin,
                index: change.parameter,
                value: change.value,
            });
            input.automation = Automation::new(changes.collect());
        }
        if let Some(bpm) = bpm {
            if !bpm.is_finite() || bpm <= 0.0 {
                return Err(invalid(format!(
                    "bpm must be a finite number greater than 0, got {bpm}"
                )));
            }
            input.tempo_map = Some(TempoMap::constant(bpm, 4, 4));
        }
        let options = RenderOptions {
            block_size: match block_size {
                Some(size) => usize::try_from(size.0).unwrap_or(0),
                None => io.max_block_size,
            },
            tail: tail_seconds.map_or(Ok(plugpen::Tail::Reported), tail)?,
            tail_threshold,
            max_tail_seconds,
            look_ahead: if ahead { usize::MAX } else { 1 },
            compensate_latency,
        };
        input.check_channels(&io).or_raise()?;
        let nothing = audio.is_none() && midi.is_none();
        let render = Render::new(input, &io, &options).or_raise()?;
        if nothing && render.total_samples() == 0 {
            return Err(invalid(
                "process_audio needs audio, midi or a positive tail_seconds: there is nothing to render",
            ));
        }
        Ok(Self {
            source,
            render: Mutex::new(render),
        })
    }

    /// Frames to render.
    #[getter]
    fn total_samples(&self, py: Python<'_>) -> u64 {
        py.detach(|| self.lock().total_samples())
    }

    /// Frames rendered so far.
    #[getter]
    fn current_sample(&self, py: Python<'_>) -> u64 {
        py.detach(|| self.lock().current_sample())
    }

    /// Channels rendered, at least 1.
    #[getter]
    fn channels(&self, py: Python<'_>) -> usize {
        py.detach(|| self.lock().channels())
    }

    /// Render the next block; None when finished.
    fn render_block<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyArray2<f32>>>> {
        let block = py.detach(|| {
            let mut audio = self.source.audio()?;
            let mut render = self.lock();
            let block = next_block(render.channels(), render.block_size(), |rows| {
                render.render_block(&mut audio, rows)
            });
            self.source.set_midi_dropped(render.midi_dropped());
            block
        });
        let block = block.or_raise()?;
        Ok(block.map(|block| PyArray2::from_owned_array(py, block)))
    }

    /// Render all that is left.
    fn render_all<'py>(
        &self,
        py: Python<'py>,
        progress_callback: Option<Py<PyAny>>,
    ) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let samples = interruptible(py, |interrupt| {
            let mut audio = self.source.audio()?;
            let mut render = self.lock();
            let left = render.total_samples() - render.current_sample();
            let callback = progress_callback.as_ref();
            let samples = collect(render.channels(), left, interrupt, callback, |on_block| {
                render.render_each(&mut audio, on_block)
            });
            self.source.set_midi_dropped(render.midi_dropped());
            samples
        })?;
        Ok(PyArray2::from_owned_array(py, samples))
    }

    /// Render all that is left into a file; returns its frames.
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
            let (channels, rate) = (render.channels(), render.sample_rate());
            let file = FileRender::create(&output_path.0, channels, rate, &options)?;
            let written = write(file, interrupt, progress_callback.as_ref(), |on_block| {
                render.render_each(&mut audio, on_block)
            });
            self.source.set_midi_dropped(render.midi_dropped());
            written
        })
    }

    /// Python's garbage collector sees what plays.
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.source.traverse(&visit)
    }
}
