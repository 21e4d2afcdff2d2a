//! numpy arrays as rows of samples: borrowed where their memory allows it, converted where not.
//!
//! Arrays have the shape `(channels, frames)`. A row can be borrowed when its samples lie side by
//! side and have the wanted type, so whole arrays and column slices of larger ones (`a[:, i:j]`)
//! are used as they are.

use numpy::{
    BorrowError, Element, PyArray2, PyArrayDescrMethods, PyArrayMethods, PyReadonlyArray2,
    PyReadwriteArray2, PyUntypedArray, PyUntypedArrayMethods,
};
use pyo3::{
    exceptions::PyTypeError,
    prelude::*,
    types::{PyBytes, PyDict, PyMemoryView, PySlice, PyString},
};

use crate::errors::invalid;

/// Rows up to which a block needs no allocation.
const INLINE_ROWS: usize = 16;

/// Rows of an input.
pub struct Rows<'a, T> {
    inline: [&'a [T]; INLINE_ROWS],
    more: Vec<&'a [T]>,
    count: usize,
}

impl<'a, T> Rows<'a, T> {
    fn collect(rows: impl ExactSizeIterator<Item = &'a [T]>) -> Self {
        let count = rows.len();
        let mut collected = Self {
            inline: [&[]; INLINE_ROWS],
            more: Vec::new(),
            count,
        };
        if count <= INLINE_ROWS {
            collected
                .inline
                .iter_mut()
                .zip(rows)
                .for_each(|(slot, row)| *slot = row);
        } else {
            collected.more.extend(rows);
        }
        collected
    }

    pub fn as_slice(&self) -> &[&'a [T]] {
        match self.count <= INLINE_ROWS {
            true => &self.inline[..self.count],
            false => &self.more,
        }
    }
}

/// Rows of an output.
pub struct RowsMut<'a, T> {
    inline: [&'a mut [T]; INLINE_ROWS],
    more: Vec<&'a mut [T]>,
    count: usize,
}

impl<'a, T> RowsMut<'a, T> {
    fn collect(rows: impl ExactSizeIterator<Item = &'a mut [T]>) -> Self {
        let count = rows.len();
        let mut collected = Self {
            inline: std::array::from_fn(|_| &mut [][..]),
            more: Vec::new(),
            count,
        };
        if count <= INLINE_ROWS {
            collected
                .inline
                .iter_mut()
                .zip(rows)
                .for_each(|(slot, row)| *slot = row);
        } else {
            collected.more.extend(rows);
        }
        collected
    }

    pub fn as_mut_slice(&mut self) -> &mut [&'a mut [T]] {
        match self.count <= INLINE_ROWS {
            true => &mut self.inline[..self.count],
            false => &mut self.more,
        }
    }
}

/// An input argument.
pub struct Input<'py, T: Element> {
    array: PyReadonlyArray2<'py, T>,
}

impl<'py, T: Element + Copy> Input<'py, T> {
    /// Borrows an array, or converts what numpy can read as one.
    pub fn new(object: &Bound<'py, PyAny>, name: &str) -> PyResult<Self> {
        if let Ok(array) = object.cast::<PyArray2<T>>()
            && rows_are_contiguous::<T>(array)
            && let Ok(array) = array.try_readonly()
        {
            return Ok(Self { array });
        }
        Self::converted(object, name)
    }

    /// The array itself: rows of samples that lie side by side.
    pub fn into_array(self) -> Bound<'py, PyArray2<T>> {
        let array = (*self.array).clone();
        drop(self);
        array
    }

    /// The same samples in memory of their own.
    pub fn into_copy(self) -> PyResult<Self> {
        let object = self.array.as_any().clone();
        drop(self);
        Self::converted(&object, "input")
    }

    fn converted(object: &Bound<'py, PyAny>, name: &str) -> PyResult<Self> {
        let array = as_numbers(object, name)?;
        check_dimensions(&array, name)?;
        let options = PyDict::new(object.py());
        options.set_item("order", "C")?;
        let array = array
            .call_method("astype", (numpy::dtype::<T>(object.py()),), Some(&options))?
            .cast_into::<PyArray2<T>>()
            .map_err(PyErr::from)?;
        Ok(Self {
            array: array.try_readonly()?,
        })
    }

    fn channels(&self) -> usize {
        self.array.shape()[0]
    }

    pub fn frames(&self) -> usize {
        self.array.shape()[1]
    }

    pub fn rows(&self) -> Rows<'_, T> {
        let (count, frames) = (self.channels(), self.frames());
        if frames == 0 {
            return Rows::collect((0..count).map(|_| &[][..]));
        }
        if self.array.is_c_contiguous()
            && let Ok(samples) = self.array.as_slice()
        {
            return Rows::collect(samples.chunks_exact(frames));
        }
        let rows = self.array.as_array().into_outer_iter();
        Rows::collect(rows.map(|row| row.to_slice().unwrap_or_default()))
    }
}

/// An output argument.
pub struct Output<'py, T: Element> {
    array: PyReadwriteArray2<'py, T>,
    /// What the caller gave, where `array` only stands in for it.
    target: Option<Bound<'py, PyAny>>,
}

/// Why an output could not be borrowed.
pub enum OutputError {
    /// It shares memory with something that is borrowed, perhaps the input of the same call.
    InUse,
    Refused(PyErr),
}

impl From<PyErr> for OutputError {
    fn from(error: PyErr) -> Self {
        Self::Refused(error)
    }
}

impl<'py, T: Element + Copy> Output<'py, T> {
    /// Borrows an array, or makes one whose samples [`Output::finish`] copies into it.
    pub fn new(object: &Bound<'py, PyAny>, name: &str) -> Result<Self, OutputError> {
        if let Ok(array) = object.cast::<PyArray2<T>>()
            && rows_are_contiguous::<T>(array)
        {
            return match array.try_readwrite() {
                Ok(array) => Ok(Self {
                    array,
                    target: None,
                }),
                Err(BorrowError::NotWriteable) => Err(not_writeable(name).into()),
                Err(_) => Err(OutputError::InUse),
            };
        }
        Ok(Self::standing_in(object, name)?)
    }

    fn standing_in(object: &Bound<'py, PyAny>, name: &str) -> PyResult<Self> {
        let py = object.py();
        let target = if object.is_instance_of::<PyUntypedArray>() {
            object.clone()
        } else {
            // Only what has memory of its own can be written: a list would be copied and lost.
            let memory = PyMemoryView::from(object).map_err(|_| {
                PyTypeError::new_err(format!(
                    "{name} must be a writable array of shape (channels, frames), got {}",
                    type_name(object)
                ))
            })?;
            py.import("numpy")?.call_method1("asarray", (memory,))?
        };
        let untyped = target.cast::<PyUntypedArray>().map_err(PyErr::from)?;
        check_dimensions(untyped, name)?;
        if untyped.dtype().kind() != b'f' {
            return Err(PyTypeError::new_err(format!(
                "{name} must hold floating-point samples (float32), got {}",
                untyped.dtype()
            )));
        }
        if !target
            .getattr("flags")?
            .getattr("writeable")?
            .extract::<bool>()?
        {
            return Err(not_writeable(name));
        }
        let shape = [untyped.shape()[0], untyped.shape()[1]];
        let array = PyArray2::<T>::zeros(py, shape, false).try_readwrite()?;
        Ok(Self {
            array,
            target: Some(target),
        })
    }

    fn channels(&self) -> usize {
        self.array.shape()[0]
    }

    pub fn frames(&self) -> usize {
        self.array.shape()[1]
    }

    pub fn rows(&mut self) -> RowsMut<'_, T> {
        let (count, frames) = (self.channels(), self.frames());
        if frames == 0 {
            return RowsMut::collect((0..count).map(|_| &mut [][..]));
        }
        if self.array.is_c_contiguous() {
            let samples = self.array.as_slice_mut().unwrap_or_default();
            return RowsMut::collect(samples.chunks_exact_mut(frames));
        }
        let rows = self.array.as_array_mut().into_outer_iter_mut();
        RowsMut::collect(rows.map(|row| row.into_slice().unwrap_or_default()))
    }

    /// Brings the plugin's rows to the caller's array, if another stood in for it.
    pub fn finish(self, rows: impl FnOnce() -> usize) -> PyResult<()> {
        let Some(target) = self.target else {
            return Ok(());
        };
        let rows = PySlice::new(target.py(), 0, isize::try_from(rows())?, 1);
        let source = self.array.get_item(&rows)?;
        target.set_item(rows, source)
    }
}

/// The exception of an output that cannot be borrowed whatever one does.
pub fn refused(error: OutputError) -> PyErr {
    match error {
        OutputError::Refused(error) => error,
        OutputError::InUse => invalid(
            "the output array shares memory with an array that is in use: another thread is \
             processing with it, or it is the sidechain input of this call",
        ),
    }
}

/// Whether each row can be a slice, and no two rows overlap.
fn rows_are_contiguous<T: Element>(array: &Bound<'_, PyArray2<T>>) -> bool {
    if !array.is_aligned() {
        return false;
    }
    if array.is_c_contiguous() {
        return true;
    }
    let (Ok(sample), Ok(frames)) = (
        isize::try_from(size_of::<T>()),
        isize::try_from(array.shape()[1]),
    ) else {
        return false;
    };
    let [row, column] = [array.strides()[0], array.strides()[1]];
    column == sample && row >= frames * sample && row % sample == 0
}

/// `object` as a numpy array of real numbers, of any dimensions.
pub fn as_numbers<'py>(
    object: &Bound<'py, PyAny>,
    name: &str,
) -> PyResult<Bound<'py, PyUntypedArray>> {
    let numpy = object.py().import("numpy")?;
    let array = if object.is_instance_of::<PyUntypedArray>() {
        object.clone()
    } else if object.is_none()
        || object.is_instance_of::<PyString>()
        || object.is_instance_of::<PyBytes>()
    {
        return Err(not_an_array(object, name));
    } else if object.hasattr("__dlpack__")? && !object.hasattr("__array__")? {
        numpy.call_method1("from_dlpack", (object,))?
    } else {
        numpy.call_method1("asarray", (object,))?
    };
    let array = array
        .cast_into::<PyUntypedArray>()
        .map_err(|_| not_an_array(object, name))?;
    if !b"fiub".contains(&array.dtype().kind()) {
        return Err(not_an_array(object, name));
    }
    Ok(array)
}

fn check_dimensions(array: &Bound<'_, PyUntypedArray>, name: &str) -> PyResult<()> {
    if array.ndim() == 2 {
        return Ok(());
    }
    Err(PyTypeError::new_err(format!(
        "{name} must have two dimensions, (channels, frames), got {} of shape {:?}; \
         a mono signal is signal[numpy.newaxis, :]",
        array.ndim(),
        array.shape()
    )))
}

fn not_an_array(object: &Bound<'_, PyAny>, name: &str) -> PyErr {
    let got = match object.cast::<PyUntypedArray>() {
        Ok(array) => format!("an array of {}", array.dtype()),
        Err(_) => type_name(object),
    };
    PyTypeError::new_err(format!(
        "{name} must be an array of numbers of shape (channels, frames), got {got}"
    ))
}

fn not_writeable(name: &str) -> PyErr {
    PyTypeError::new_err(format!(
        "{name} is read-only (its flags.writeable is False); give an array that can be written"
    ))
}

/// The name of an object's type, for messages.
pub fn type_name(object: &Bound<'_, PyAny>) -> String {
    object
        .get_type()
        .name()
        .map_or_else(|_| "object".into(), |name| name.to_string())
}
