//! State and programs.

use pyo3::{prelude::*, types::PyBytes};

use super::Plugin;
use crate::{
    arguments::{Blob, Int, PathText},
    errors::invalid,
};

fn not_empty(data: &Blob<'_>) -> PyResult<()> {
    match data.as_slice().is_empty() {
        true => Err(invalid(
            "Failed to set plugin state: the data is empty; give what get_state returned",
        )),
        false => Ok(()),
    }
}

#[pymethods]
impl Plugin {
    /// The plugin's whole state, in its format's own form; parameters set before are in it.
    ///
    /// LV2 state is a preset in Turtle. Empty for a plugin without state.
    fn get_state<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let state = self.call(py, |plugin| plugin.get_state())?;
        Ok(PyBytes::new(py, &state))
    }

    /// Restore a state that `get_state` returned.
    ///
    /// Raises:
    ///     InvalidInput: The data is empty or not a state.
    ///     PluginError: The plugin refuses it.
    fn set_state(&self, py: Python<'_>, data: Blob<'_>) -> PyResult<()> {
        not_empty(&data)?;
        let data = data.as_slice();
        self.call(py, |plugin| plugin.set_state(data))
    }

    /// The state of the current program, where the format knows the difference; else all of it.
    fn get_program_state<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let state = self.call(py, |plugin| plugin.get_program_state())?;
        Ok(PyBytes::new(py, &state))
    }

    /// Restore a state that `get_program_state` returned. Raises like `set_state`.
    fn set_program_state(&self, py: Python<'_>, data: Blob<'_>) -> PyResult<()> {
        not_empty(&data)?;
        let data = data.as_slice();
        self.call(py, |plugin| plugin.set_program_state(data))
    }

    /// Copy a file to where the plugin, which can read nothing of this process's, can read it.
    ///
    /// `param_from_text` does so by itself for parameters whose ``kind`` is "path". A state that
    /// names a file by its own path can be set once the file has been handed over.
    ///
    /// Returns:
    ///     The file's path as the plugin has it.
    ///
    /// Raises:
    ///     PluginNotFound: There is no such file.
    ///     LimitReached: It is larger than 64 MiB.
    fn stage_file(&self, py: Python<'_>, path: PathText) -> PyResult<String> {
        self.call(py, |plugin| plugin.stage_file(&path.0))
    }

    /// The name of a factory program, 0 up to `num_programs` - 1.
    fn get_program_name(&self, py: Python<'_>, index: Int) -> PyResult<String> {
        let index = index.index("program", self.open()?.num_programs(), "get program name")?;
        self.call(py, |plugin| plugin.program_name(index))
    }
}
