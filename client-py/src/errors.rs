//! Errors as the exceptions of `plugpen._exceptions`.

use plugpen::{
    Error,
    v1::{Death, ErrorReason},
};
use pyo3::{
    prelude::*,
    types::{PyDict, PyTuple},
};

/// Turns the errors of the Rust crates into exceptions.
pub trait OrRaise<T> {
    /// The value, or the exception of the status table.
    fn or_raise(self) -> PyResult<T>;
}

impl<T> OrRaise<T> for Result<T, Error> {
    fn or_raise(self) -> PyResult<T> {
        self.map_err(|error| exception(&error))
    }
}

/// An `InvalidInput` with this message.
pub fn invalid(message: impl Into<String>) -> PyErr {
    exception(&Error::invalid(message))
}

/// The exception of an error; if even that cannot be made, the error of making it.
pub fn exception(error: &Error) -> PyErr {
    Python::attach(|py| match build(py, error) {
        Ok(exception) => PyErr::from_value(exception),
        Err(failure) => failure,
    })
}

fn build<'py>(py: Python<'py>, error: &Error) -> PyResult<Bound<'py, PyAny>> {
    let module = py.import("plugpen._exceptions")?;
    let row = error.row();
    let class = match error.reason {
        // Python has a narrower name for it.
        ErrorReason::IndexOutOfRange => "IndexOutOfRange".into(),
        _ => row.exception.name(),
    };
    let details = PyDict::new(py);
    details.set_item("reason", row.reason_name())?;
    if let Some(death) = &error.death {
        details.set_item("death", death_object(py, death)?)?;
    }
    module
        .getattr(class.as_str())?
        .call((error.message.as_str(),), Some(&details))
}

/// A `plugpen.Death`.
pub fn death_object<'py>(py: Python<'py>, death: &Death) -> PyResult<Bound<'py, PyAny>> {
    let kind = death.kind().as_str_name();
    let fields = PyDict::new(py);
    fields.set_item("kind", kind.strip_prefix("DEATH_KIND_").unwrap_or(kind))?;
    fields.set_item("signal", death.signal)?;
    fields.set_item("exit_code", death.exit_code)?;
    fields.set_item("call", &death.call)?;
    fields.set_item("output", PyTuple::new(py, &death.output)?)?;
    fields.set_item("report_id", &death.report_id)?;
    fields.set_item("summary", &death.summary)?;
    fields.set_item("generation", death.generation)?;
    fields.set_item("time_ms", death.time_ms)?;
    fields.set_item("fault_address", death.fault_address)?;
    fields.set_item("location", &death.location)?;
    py.import("plugpen._exceptions")?
        .getattr("Death")?
        .call((), Some(&fields))
}

/// The status table as `(reason, exception)` names, for the tests.
#[pyfunction]
pub fn _status_table() -> Vec<(&'static str, String)> {
    plugpen_proto::STATUS_TABLE
        .iter()
        .map(|row| (row.reason_name(), row.exception.name()))
        .collect()
}
