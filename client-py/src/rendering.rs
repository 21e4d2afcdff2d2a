//! What renders have in common: what plays, what they take, and Ctrl-C.

use std::time::Instant;

use numpy::ndarray::Array2;
use plugpen::{
    BitDepth, BlockProcessor, Error, FileOptions, RenderedBlock, Tail, engine::FileRender,
    v1::ErrorReason,
};
use pyo3::{PyTraverseError, PyVisit, exceptions::PyTypeError, prelude::*, types::PyString};

use crate::{
    arguments::{Int, PathText},
    arrays::type_name,
    chain::PluginChain,
    errors::{OrRaise, invalid},
    midi_file::MidiFile,
    patience::SIGNALS,
    plugin::Plugin,
};

/// What plays.
pub enum Source {
    Plugin(Py<Plugin>),
    Chain(Py<PluginChain>),
}

impl Source {
    pub fn new(object: &Bound<'_, PyAny>) -> PyResult<Self> {
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
    pub fn audio(&self) -> plugpen::Result<Box<dyn BlockProcessor>> {
        Ok(match self {
            Self::Plugin(plugin) => Box::new(plugin.get().client().lock_audio()?),
            Self::Chain(chain) => Box::new(chain.get().client()?.lock_audio()?),
        })
    }

    /// The number of parameters of each plugin.
    pub fn parameters(&self) -> plugpen::Result<Vec<u32>> {
        Ok(match self {
            Self::Plugin(plugin) => vec![plugin.get().client().num_params()],
            Self::Chain(chain) => {
                let plugins = chain.get().client()?.plugins().iter();
                plugins.map(|plugin| plugin.num_params()).collect()
            }
        })
    }

    pub fn is_chain(&self) -> bool {
        matches!(self, Self::Chain(_))
    }

    /// Notes what a render had no place for.
    pub fn set_midi_dropped(&self, count: u64) {
        match self {
            Self::Plugin(plugin) => plugin.get().set_midi_out_dropped(count),
            Self::Chain(chain) => chain.get().set_midi_dropped(count),
        }
    }

    /// The object given.
    pub fn object(&self, py: Python<'_>) -> Py<PyAny> {
        match self {
            Self::Plugin(plugin) => plugin.clone_ref(py).into_any(),
            Self::Chain(chain) => chain.clone_ref(py).into_any(),
        }
    }

    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self {
            Self::Plugin(plugin) => visit.call(plugin),
            Self::Chain(chain) => visit.call(chain),
        }
    }

    pub fn reset(&self) -> plugpen::Result<()> {
        match self {
            Self::Plugin(plugin) => plugin.get().client().reset(),
            Self::Chain(chain) => chain.get().client()?.reset(),
        }
    }
}

/// A `tail_seconds` argument.
pub fn tail(object: &Bound<'_, PyAny>) -> PyResult<Tail> {
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

/// A MIDI file, or the path of one.
pub fn midi_file(object: &Bound<'_, PyAny>) -> PyResult<plugpen::MidiFile> {
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

/// How a render becomes a file.
pub fn file_options(bit_depth: Int, normalize: Option<f64>) -> PyResult<FileOptions> {
    Ok(FileOptions {
        depth: BitDepth::from_bits(bit_depth.0).or_raise()?,
        normalize,
        broadcast: None,
    })
}

/// Python's part in a long render: Ctrl-C, and an exception of a callback.
pub struct Interrupt {
    raised: Option<PyErr>,
    looked: Instant,
}

impl Interrupt {
    /// Looks for Ctrl-C from time to time, and calls a progress callback each time.
    pub fn tell(
        &mut self,
        callback: Option<&Py<PyAny>>,
        done: u64,
        total: u64,
    ) -> plugpen::Result<()> {
        if callback.is_none() && self.looked.elapsed() < SIGNALS {
            return Ok(());
        }
        self.looked = Instant::now();
        let told = Python::attach(|py| {
            py.check_signals()?;
            if let Some(callback) = callback {
                callback.call1(py, (done, total))?;
            }
            PyResult::Ok(())
        });
        told.map_err(|error| {
            self.raised = Some(error);
            Error::new(ErrorReason::Cancelled, "the call was interrupted")
        })
    }
}

/// Runs a render with Python released; what interrupted it is raised.
pub fn interruptible<T: Send>(
    py: Python<'_>,
    render: impl FnOnce(&mut Interrupt) -> plugpen::Result<T> + Send,
) -> PyResult<T> {
    let mut interrupt = Interrupt {
        raised: None,
        looked: Instant::now(),
    };
    let rendered = py.detach(|| render(&mut interrupt));
    match interrupt.raised {
        Some(raised) => Err(raised),
        None => rendered.or_raise(),
    }
}

/// Takes the blocks of a render or a file, of at most `left` frames, into one array. `render` is called with
/// what takes them.
pub fn collect(
    channels: usize,
    left: u64,
    interrupt: &mut Interrupt,
    callback: Option<&Py<PyAny>>,
    render: impl FnOnce(&mut dyn FnMut(RenderedBlock<'_>) -> plugpen::Result<()>) -> plugpen::Result<()>,
) -> plugpen::Result<Array2<f32>> {
    let too_long = || {
        Error::new(
            ErrorReason::LimitReached,
            "that does not fit into memory; take it block by block",
        )
    };
    let left = usize::try_from(left).map_err(|_| too_long())?;
    let count = left.checked_mul(channels).ok_or_else(too_long)?;
    // Asked for first, since this way alone a refusal is an error.
    let mut room = Vec::<f32>::new();
    room.try_reserve_exact(count).map_err(|_| too_long())?;
    drop(room);
    // Memory that is zero already is not touched before the samples are.
    let mut samples = vec![0.0; count];
    let mut done = 0;
    if left > 0 {
        let mut rows: Vec<_> = samples.chunks_exact_mut(left).collect();
        render(&mut |block| {
            let mut frames = 0;
            for (row, plane) in rows.iter_mut().zip(block.audio) {
                frames = plane.len().min(left - done);
                row[done..done + frames].copy_from_slice(&plane[..frames]);
            }
            done += frames;
            interrupt.tell(callback, block.done, block.total)
        })?;
    }
    Ok(rectangle(samples, channels, left, done).unwrap_or_default())
}

/// Renders a block of at most `size` frames into an array of its own; none at the end.
pub fn next_block(
    channels: usize,
    size: usize,
    render: impl FnOnce(&mut [&mut [f32]]) -> plugpen::Result<Option<usize>>,
) -> plugpen::Result<Option<Array2<f32>>> {
    let mut samples = vec![0.0; channels * size];
    let mut rows: Vec<_> = samples.chunks_exact_mut(size).collect();
    let frames = render(&mut rows)?;
    Ok(frames.and_then(|frames| rectangle(samples, channels, size, frames)))
}

/// Takes the blocks of a render into a file; returns its frames. `render` is called with what takes
/// them.
pub fn write(
    mut file: FileRender,
    interrupt: &mut Interrupt,
    callback: Option<&Py<PyAny>>,
    render: impl FnOnce(&mut dyn FnMut(RenderedBlock<'_>) -> plugpen::Result<()>) -> plugpen::Result<()>,
) -> plugpen::Result<u64> {
    render(&mut |block| {
        file.write(block.audio)?;
        interrupt.tell(callback, block.done, block.total)
    })?;
    file.finish()
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
