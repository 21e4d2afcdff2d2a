//! Faces in notebooks, which the Python half of the package draws.

use pyo3::{prelude::*, types::PyList};

/// What a notebook shows for an object: HTML, made by a function of `plugpen._notebook`.
pub fn face(object: &Bound<'_, PyAny>, function: &str) -> PyResult<String> {
    let module = object.py().import("plugpen._notebook")?;
    module.getattr(function)?.call1((object,))?.extract()
}

/// A `ScanResults`: the list of plugins, which knows what could not be read as well.
pub fn scan_results<'py>(
    plugins: Bound<'py, PyList>,
    failures: Bound<'py, PyList>,
) -> PyResult<Bound<'py, PyAny>> {
    let module = plugins.py().import("plugpen._notebook")?;
    module.getattr("ScanResults")?.call1((plugins, failures))
}
