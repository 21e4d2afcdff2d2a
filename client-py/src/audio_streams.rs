//! The classes `AudioReader` and `AudioWriter`: audio files block by block.

use std::sync::{Mutex, MutexGuard, PoisonError};

use numpy::{PyArray2, PyUntypedArrayMethods};
use plugpen::{
    Error, RenderedBlock,
    engine::{AudioInfo, AudioReader as Reader, AudioWriter as Writer, BitDepth, WriteOptions},
    v1::ErrorReason,
};
use pyo3::{prelude::*, types::PyTuple};

use crate::{
    arguments::{Int, PathText},
    audio_files::{broadcast, frames_a_second, planes},
    errors::{OrRaise, invalid},
    patience::patiently,
    rendering::{collect, interruptible},
};

/// Frames between two looks for Ctrl-C, and those of an iteration unless it is told otherwise.
const BLOCK: usize = 65_536;
const DEFAULT_BLOCK: Int = Int(65_536);

/// A file that one call at a time works with, until it is closed.
struct Held<T> {
    place: Mutex<Place<T>>,
    name: &'static str,
}

enum Place<T> {
    Here(Box<T>),
    InUse,
    Closed,
}

impl<T> Held<T> {
    fn new(thing: T, name: &'static str) -> Self {
        Self {
            place: Mutex::new(Place::Here(Box::new(thing))),
            name,
        }
    }

    fn place(&self) -> MutexGuard<'_, Place<T>> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wrong_state(&self, why: &str) -> Error {
        Error::new(ErrorReason::WrongState, format!("{} {why}", self.name))
    }

    /// Nobody waits for another call here: it may be this thread's own, which a handler of a
    /// signal interrupts.
    fn with<R>(&self, call: impl FnOnce(&mut T) -> plugpen::Result<R>) -> plugpen::Result<R> {
        let mut thing = {
            let mut place = self.place();
            match std::mem::replace(&mut *place, Place::InUse) {
                Place::Here(thing) => thing,
                Place::InUse => return Err(self.wrong_state("is in use by another call")),
                Place::Closed => {
                    *place = Place::Closed;
                    return Err(self.wrong_state("is closed; open it anew"));
                }
            }
        };
        let called = call(&mut thing);
        let mut place = self.place();
        if matches!(*place, Place::InUse) {
            *place = Place::Here(thing);
        }
        called
    }

    /// Takes it away for good; none where it is gone or in use, which ends it after that call.
    fn close(&self) -> Option<Box<T>> {
        match std::mem::replace(&mut *self.place(), Place::Closed) {
            Place::Here(thing) => Some(thing),
            Place::InUse | Place::Closed => None,
        }
    }
}

/// An audio file that is read block by block, of any format and length that `read_audio` knows.
///
/// Iterating gives blocks of ``block_size`` frames. One call at a time may use it. A context
/// manager; leaving the block closes it.
///
/// Args:
///     path: The file. What it is is told by its content.
///     block_size: Frames of a block of an iteration, at least 1; the last may be shorter.
///
/// Raises:
///     FileNotFoundError: There is no such file.
///     RuntimeError: It is not an audio file of a known format.
#[pyclass(module = "plugpen", name = "AudioReader", frozen, weakref)]
pub struct AudioReader {
    reader: Held<Reader>,
    info: AudioInfo,
    block_size: usize,
}

impl AudioReader {
    fn take<'py>(&self, py: Python<'py>, frames: u64) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let channels = self.info.channels;
        let samples = interruptible(py, |interrupt| {
            self.reader.with(|reader| {
                let left = frames.min(reader.frames().saturating_sub(reader.position()));
                collect(channels, left, interrupt, None, |on_block| {
                    let mut block = vec![vec![0.0; BLOCK]; channels];
                    let mut done = 0;
                    while done < left {
                        let room = usize::try_from(left - done).map_or(BLOCK, |l| l.min(BLOCK));
                        let mut rows: Vec<_> =
                            block.iter_mut().map(|plane| &mut plane[..room]).collect();
                        let read = reader.read(&mut rows)?;
                        if read == 0 {
                            break;
                        }
                        done += u64::try_from(read).unwrap_or(0);
                        let planes: Vec<_> = block.iter().map(|plane| &plane[..read]).collect();
                        on_block(RenderedBlock {
                            audio: &planes,
                            done,
                            total: left,
                        })?;
                    }
                    Ok(())
                })
            })
        })?;
        Ok(PyArray2::from_owned_array(py, samples))
    }
}

#[pymethods]
impl AudioReader {
    #[new]
    #[pyo3(signature = (path, block_size = DEFAULT_BLOCK),
        text_signature = "(path, block_size=65536)")]
    fn new(py: Python<'_>, path: PathText, block_size: Int) -> PyResult<Self> {
        let block_size = usize::try_from(block_size.within("block_size", 1, u32::MAX)?)?;
        let reader = patiently(py, move || Reader::open(&path.0))?;
        Ok(Self {
            info: reader.info(),
            reader: Held::new(reader, "AudioReader"),
            block_size,
        })
    }

    /// Number of channels.
    #[getter]
    fn channels(&self) -> usize {
        self.info.channels
    }

    /// Sample rate in frames a second.
    #[getter]
    fn sample_rate(&self) -> u32 {
        self.info.sample_rate
    }

    /// Length in frames. A file cut short has fewer than its header says.
    #[getter]
    fn frames(&self) -> u64 {
        self.info.frames
    }

    /// Length in seconds.
    #[getter]
    fn duration(&self) -> f64 {
        self.info.duration_seconds
    }

    /// Frames of a block of an iteration.
    #[getter]
    fn block_size(&self) -> usize {
        self.block_size
    }

    /// Index of the frame that is read next, from 0.
    #[getter]
    fn position(&self) -> PyResult<u64> {
        self.reader.with(|reader| Ok(reader.position())).or_raise()
    }

    /// Number of damaged packets read so far, of MP3, Vorbis or AAC; they are silent.
    #[getter]
    fn damaged(&self) -> PyResult<u64> {
        self.reader.with(|reader| Ok(reader.damaged())).or_raise()
    }

    /// Read the next frames.
    ///
    /// Args:
    ///     frames: How many at most, 0 or more; None is all that are left.
    ///
    /// Returns:
    ///     float32 of shape ``(channels, frames)``: fewer than asked for only at the end, and none
    ///     from then on.
    ///
    /// Raises:
    ///     InvalidInput: ``frames`` is negative, or the file is damaged.
    ///     LimitReached: That many do not fit into memory.
    ///     WrongState: It is closed, or in use by another call.
    #[pyo3(signature = (frames = None))]
    fn read<'py>(
        &self,
        py: Python<'py>,
        frames: Option<Int>,
    ) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let frames = match frames {
            None => u64::MAX,
            Some(Int(frames)) => u64::try_from(frames)
                .map_err(|_| invalid(format!("frames must be 0 or more, got {frames}")))?,
        };
        self.take(py, frames)
    }

    /// Go to a frame. FLAC is decoded from its beginning to there.
    ///
    /// Args:
    ///     frame: Index of the frame to read next, 0 or more; beyond the end is the end.
    ///
    /// Raises:
    ///     InvalidInput: ``frame`` is negative, or the file is damaged.
    ///     WrongState: It is closed, or in use by another call.
    fn seek(&self, py: Python<'_>, frame: Int) -> PyResult<()> {
        let Ok(to) = u64::try_from(frame.0) else {
            return Err(invalid(format!("frame must be 0 or more, got {}", frame.0)));
        };
        py.detach(|| self.reader.with(|reader| reader.seek(to)))
            .or_raise()
    }

    /// Let go of the file. Closing twice is no error; reading afterwards raises `WrongState`.
    fn close(&self) {
        drop(self.reader.close());
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyArray2<f32>>>> {
        let size = u64::try_from(self.block_size)?;
        let block = self.take(py, size)?;
        Ok((block.shape()[1] > 0).then_some(block))
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_raised))]
    fn __exit__(&self, _raised: &Bound<'_, PyTuple>) {
        self.close();
    }

    fn __repr__(&self) -> String {
        format!(
            "<plugpen.AudioReader {} channel(s), {} frames, {} Hz>",
            self.info.channels, self.info.frames, self.info.sample_rate
        )
    }
}

/// An audio file that is written block by block, WAV or FLAC.
///
/// Until it is complete it is a hidden file beside its place: `close`, or leaving the ``with``
/// block, gives it its name. Leaving the block by an exception, `discard` and the garbage collector
/// remove it, and what had the name before stays. One call at a time may use it.
///
/// Args:
///     path: The file; its extension, ``.wav`` or ``.flac``, says which. A WAV file above 4 GiB
///         becomes RF64.
///     channels: Number of channels, at least 1.
///     sample_rate: Frames a second, above 0; a fraction is cut off.
///     bit_depth: 16 or 24 for integers (rounded, saturated), 32 for floating point (as it is, WAV
///         only).
///     bwf: As for `write_audio`, for a Broadcast Wave file.
///
/// Raises:
///     ValueError: An argument is out of its range.
///     RuntimeError: The file cannot be created.
#[pyclass(module = "plugpen", name = "AudioWriter", frozen, weakref)]
pub struct AudioWriter {
    writer: Held<Writer>,
    channels: usize,
    sample_rate: u32,
    frames: Mutex<u64>,
}

impl AudioWriter {
    fn written(&self) -> MutexGuard<'_, u64> {
        self.frames.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl AudioWriter {
    #[new]
    #[pyo3(signature = (path, channels, sample_rate, bit_depth = Int(24), bwf = None),
        text_signature = "(path, channels, sample_rate, bit_depth=24, bwf=None)")]
    fn new(
        py: Python<'_>,
        path: PathText,
        channels: Int,
        sample_rate: &Bound<'_, PyAny>,
        bit_depth: Int,
        bwf: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let options = WriteOptions {
            channels: usize::try_from(channels.within("channels", 1, u16::MAX.into())?)?,
            sample_rate: frames_a_second(sample_rate, "sample_rate")?,
            depth: BitDepth::from_bits(bit_depth.0).or_raise()?,
            broadcast: bwf.map(broadcast).transpose()?,
        };
        let writer = py.detach(|| Writer::create(&path.0, &options)).or_raise()?;
        Ok(Self {
            writer: Held::new(writer, "AudioWriter"),
            channels: options.channels,
            sample_rate: options.sample_rate,
            frames: Mutex::new(0),
        })
    }

    /// Number of channels.
    #[getter]
    fn channels(&self) -> usize {
        self.channels
    }

    /// Sample rate in frames a second.
    #[getter]
    fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    /// Frames written so far.
    #[getter]
    fn frames(&self) -> u64 {
        *self.written()
    }

    /// Append a block.
    ///
    /// Args:
    ///     data: Samples of shape ``(channels, frames)`` or, for one channel, ``(frames,)``; full
    ///         scale is -1 to 1. No frames are no error.
    ///
    /// Raises:
    ///     InvalidInput: The channels are not the file's.
    ///     TypeError: It is not such an array.
    ///     NotAllowed: The file cannot be written, perhaps because the disk is full.
    ///     WrongState: It is closed, or in use by another call.
    fn write(&self, py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<()> {
        let samples = planes(data, "data")?;
        let (rows, frames) = (samples.rows(), samples.frames());
        let rows = rows.as_slice();
        if rows.len() != self.channels {
            return Err(invalid(format!(
                "data must have {} channel(s), as the file has, got {}",
                self.channels,
                rows.len()
            )));
        }
        interruptible(py, |interrupt| {
            self.writer.with(|writer| {
                for begin in (0..frames).step_by(BLOCK) {
                    let end = frames.min(begin + BLOCK);
                    let block: Vec<_> = rows.iter().map(|row| &row[begin..end]).collect();
                    writer.write(&block)?;
                    *self.written() = writer.frames();
                    interrupt.tell(None, 0, 0)?;
                }
                Ok(())
            })
        })
    }

    /// Complete the file, which gets its name. Closing twice is no error; writing afterwards raises
    /// `WrongState`.
    ///
    /// Raises:
    ///     NotAllowed: The file cannot be written; there is none then.
    ///     InvalidInput: It is FLAC, and there are no frames.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| match self.writer.close() {
            Some(writer) => writer.finish().map(drop),
            None => Ok(()),
        })
        .or_raise()
    }

    /// Remove what was written. Does nothing once the file is complete.
    fn discard(&self, py: Python<'_>) {
        py.detach(|| drop(self.writer.close()));
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*raised))]
    fn __exit__(&self, py: Python<'_>, raised: &Bound<'_, PyTuple>) -> PyResult<()> {
        match raised.get_item(0) {
            Ok(class) if !class.is_none() => {
                self.discard(py);
                Ok(())
            }
            _ => self.close(py),
        }
    }

    fn __repr__(&self) -> String {
        format!(
            "<plugpen.AudioWriter {} channel(s), {} frames so far, {} Hz>",
            self.channels,
            self.frames(),
            self.sample_rate
        )
    }
}
