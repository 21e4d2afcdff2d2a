//! Arguments that Python's callers may spell in more than one way.

use plugpen::Error;
use pyo3::{
    exceptions::{PyOverflowError, PyTypeError},
    prelude::*,
    types::{PyByteArray, PyBytes, PyInt, PyMemoryView, PyString},
};

use crate::{
    arrays::type_name,
    errors::{exception, invalid},
};

/// An integer of any size; beyond 64 bits it saturates, so that a range check names the range
/// instead of Python complaining about C.
#[derive(Debug, Clone, Copy)]
pub struct Int(pub i64);

impl<'py> FromPyObject<'_, 'py> for Int {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        match object.extract::<i64>() {
            Ok(value) => Ok(Self(value)),
            Err(error) if error.is_instance_of::<PyOverflowError>(object.py()) => {
                Ok(Self(if object.lt(0)? { i64::MIN } else { i64::MAX }))
            }
            Err(error) => Err(error),
        }
    }
}

impl Int {
    /// An index below `count`; `what` names what is indexed ("parameter"), `failed` what is not
    /// done if there is no such ("set parameter").
    pub fn index(self, what: &str, count: u32, failed: &str) -> PyResult<u32> {
        let index = u32::try_from(self.0).ok().filter(|index| *index < count);
        index.ok_or_else(|| {
            let count = usize::try_from(count).unwrap_or(usize::MAX);
            let error = Error::out_of_range(what, self.0, count);
            exception(&Error {
                message: format!("Failed to {failed}: {}", error.message),
                ..error
            })
        })
    }

    /// The value, if it lies in `[low, high]`; `what` is the argument's name.
    pub fn within(self, what: &str, low: u32, high: u32) -> PyResult<u32> {
        u32::try_from(self.0)
            .ok()
            .filter(|value| (low..=high).contains(value))
            .ok_or_else(|| invalid(format!("{what} must be in [{low}, {high}], got {}", self.0)))
    }

    /// The nearest value in `[low, high]`.
    pub fn clamped(self, low: u32, high: u32) -> u32 {
        u32::try_from(self.0.clamp(low.into(), high.into())).unwrap_or(low)
    }

    /// The nearest 32-bit value.
    pub fn saturated(self) -> i32 {
        let nearest = self.0.clamp(i32::MIN.into(), i32::MAX.into());
        i32::try_from(nearest).unwrap_or(0)
    }
}

/// A path or URI: a `str` or anything `os.fspath` takes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PathText(pub String);

impl<'py> FromPyObject<'_, 'py> for PathText {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let text = object
            .py()
            .import("os")?
            .call_method1("fsdecode", (object,));
        let text = text.map_err(|_| {
            PyTypeError::new_err(format!(
                "a path must be a str or a path-like object, got {}",
                type_name(&object)
            ))
        })?;
        match text.extract::<String>() {
            Ok(text) => Ok(Self(text)),
            Err(_) => Err(invalid(format!(
                "the path {} is not valid UTF-8, which plugpen needs",
                text.repr()?
            ))),
        }
    }
}

/// What chooses a plugin within its file: an index, or a name, URI or class id.
#[derive(Debug, Clone, Default)]
pub struct Selector(pub String);

impl<'py> FromPyObject<'_, 'py> for Selector {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if object.is_none() {
            return Ok(Self::default());
        }
        if let Ok(text) = object.cast::<PyString>() {
            return Ok(Self(text.to_str()?.to_owned()));
        }
        if object.is_instance_of::<PyInt>() || object.hasattr("__index__")? {
            let index = object.extract::<Int>()?;
            return Ok(Self(index.within("plugin", 0, u32::MAX)?.to_string()));
        }
        Err(PyTypeError::new_err(format!(
            "plugin must be an index (int) or a name, URI or class id (str), got {}",
            type_name(&object)
        )))
    }
}

/// Bytes of a blob, held while it is used.
pub enum Blob<'py> {
    Bytes(Bound<'py, PyBytes>),
    Copy(Vec<u8>),
}

impl<'py> FromPyObject<'_, 'py> for Blob<'py> {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(bytes) = object.cast::<PyBytes>() {
            return Ok(Self::Bytes(bytes.to_owned()));
        }
        if let Ok(bytes) = object.cast::<PyByteArray>() {
            return Ok(Self::Copy(bytes.to_vec()));
        }
        let memory = PyMemoryView::from(&object).map_err(|_| {
            PyTypeError::new_err(format!("data must be bytes, got {}", type_name(&object)))
        })?;
        Ok(Self::Copy(memory.call_method0("tobytes")?.extract()?))
    }
}

impl Blob<'_> {
    pub fn as_slice(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes.as_bytes(),
            Self::Copy(bytes) => bytes,
        }
    }
}
